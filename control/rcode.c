#include "control/rcode.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define RCODE_MAX 4095 /* RFC 6891 6.1.3: 12 bits */

static const struct {
	uint16_t rcode;
	const char *name;
} names[] = {
	{0, "NOERROR"},	 {1, "FORMERR"},  {2, "SERVFAIL"},   {3, "NXDOMAIN"}, {4, "NOTIMP"},
	{5, "REFUSED"},	 {6, "YXDOMAIN"}, {7, "YXRRSET"},    {8, "NXRRSET"},  {9, "NOTAUTH"},
	{10, "NOTZONE"}, {16, "BADVERS"}, {23, "BADCOOKIE"},
};

#define NAME_CNT (sizeof(names) / sizeof(names[0]))

const char *rcode_text(uint16_t rcode, char buf[RCODE_TEXT_CAP])
{
	snprintf(buf, RCODE_TEXT_CAP, "RCODE %u", (unsigned)rcode);
	for (size_t i = 0; i < NAME_CNT; i++)
		if (names[i].rcode == rcode)
			snprintf(buf, RCODE_TEXT_CAP, "%s", names[i].name);
	return buf;
}

bool rcode_from_text(const char *text, uint16_t *out)
{
	unsigned long n;
	char *end;

	for (size_t i = 0; i < NAME_CNT; i++) {
		if (strcasecmp(names[i].name, text) != 0)
			continue;
		*out = names[i].rcode;
		return true;
	}
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || n > RCODE_MAX)
		return false;
	*out = (uint16_t)n;
	return true;
}
