/* Stepping over records. Contract in the header. */
#include "dataplane/dns/record.h"

#include "dataplane/dns/rdata.h"

bool record_get(struct wire_in *in, struct record *out)
{
	name_get(in, out->owner);
	out->type = wire_get16(in);
	out->class = wire_get16(in);
	out->ttl = wire_get32(in);
	out->rdata_len = wire_get16(in);
	out->rdata = wire_get_bytes(in, out->rdata_len);
	return !in->bad;
}

int record_rdata(struct wire_in *in, const struct record *record, uint8_t *out)
{
	struct wire_in at = *in;
	int len;

	at.cur = record->rdata;
	len = rdata_get(&at, record->type, record->rdata_len, out);
	in->bad = at.bad;
	return len;
}
