#include "control/rcode.h"

#include <stdio.h>

const char *rcode_text(uint16_t rcode, char buf[RCODE_TEXT_CAP])
{
	static const char *const names[] = {
		"NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",  "REFUSED",
		"YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE",
	};

	if (rcode < sizeof(names) / sizeof(names[0]))
		snprintf(buf, RCODE_TEXT_CAP, "%s", names[rcode]);
	else if (rcode == 16)
		snprintf(buf, RCODE_TEXT_CAP, "BADVERS");
	else if (rcode == 23)
		snprintf(buf, RCODE_TEXT_CAP, "BADCOOKIE");
	else
		snprintf(buf, RCODE_TEXT_CAP, "RCODE %u", (unsigned)rcode);
	return buf;
}
