#include "control/opt.h"

#define PAYLOAD 1232 /* RFC 9715 3.2 */
#define FLAG_DO 0x8000

void opt_put(struct wire_out *w, bool dnssec_ok)
{
	wire_put8(w, 0);
	wire_put16(w, DNS_TYPE_OPT);
	wire_put16(w, PAYLOAD);
	wire_put32(w, dnssec_ok ? FLAG_DO : 0);
	wire_put16(w, 4);
	wire_put16(w, DNS_EDNS_EXPIRE);
	wire_put16(w, 0);
}

bool opt_may_be_why(uint16_t rcode)
{
	return rcode == DNS_RCODE_FORMERR || rcode == DNS_RCODE_NOTIMP || rcode == DNS_RCODE_BADVERS;
}

void opt_get(const struct record *r, struct opt_answer *out)
{
	struct wire_in in = wire_in_init(r->rdata, r->rdata_len);
	uint16_t code, len;
	const uint8_t *data;

	out->present = true;
	out->upper_rcode = (uint16_t)(r->ttl >> 24 << 4);
	while (wire_in_left(&in) > 0) {
		code = wire_get16(&in);
		len = wire_get16(&in);
		data = wire_get_bytes(&in, len);
		if (in.bad)
			return;
		if (code != DNS_EDNS_EXPIRE || len != 4)
			continue;
		out->has_expire = true;
		out->expire = wire_load32(data);
	}
}
