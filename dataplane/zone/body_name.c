#include "dataplane/zone/body_name.h"

#include <string.h>

size_t body_name(const uint8_t *body, const uint8_t *layout, size_t layout_len, size_t off,
		 uint8_t out[NAME_LEN_MAX], uint16_t *out_at)
{
	const uint8_t *p = body + off;
	size_t nominal = RRSET_NOMINAL(layout_len);
	size_t len = 0;

	*out_at = (uint16_t)(nominal + off);
	/* The encoder's pointers go backwards, and its names are whole: this ends. */
	for (;;) {
		if (*p >= 0xC0) {
			unsigned at = wire_load16(p) & 0x3FFFu;

			if (len == 0)
				*out_at = (uint16_t)at;
			p = at >= nominal ? body + (at - nominal) : layout + (at - DNS_HEADER_LEN);
			continue;
		}
		memcpy(out + len, p, 1u + *p);
		len += 1u + *p;
		if (*p == 0)
			return len;
		p += 1 + *p;
	}
}
