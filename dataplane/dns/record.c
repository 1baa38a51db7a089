/* Stepping over records. Contract in the header. */
#include "dataplane/dns/record.h"

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
