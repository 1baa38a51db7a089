#include "control/notify.h"

#include "dataplane/dns/record.h"

#define OPT_LEN	    11
#define OPT_PAYLOAD 1232 /* as for every other answer of ours, RFC 9715 3.2 */

static void read_question(struct wire_in *in, struct notify *out, uint16_t *type)
{
	name_get(in, out->name);
	*type = wire_get16(in);
	out->class = wire_get16(in);
	if (!in->bad)
		out->question_end = wire_in_pos(in);
}

/* The first answer record is the hint if it is the zone's SOA; anything else there means nothing. */
static void read_answer(struct wire_in *in, uint8_t *rdata, bool first, struct notify *out)
{
	struct record record;
	struct soa soa;
	int len;

	if (!record_get(in, &record) || record.type != DNS_TYPE_SOA)
		return;
	len = record_rdata(in, &record, rdata);
	if (len < 0 || soa_parse(rdata, (size_t)len, &soa) < 0) {
		in->bad = true;
		return;
	}
	if (!first || record.class != out->class || !name_equal(record.owner, out->name))
		return;
	out->has_serial = true;
	out->serial = soa.serial;
}

/* Returns the number of OPT records; *version is the last one's. */
static unsigned read_others(struct wire_in *in, unsigned cnt, uint8_t *version)
{
	struct record record;
	unsigned opts = 0;

	while (cnt-- > 0 && record_get(in, &record)) {
		if (record.type != DNS_TYPE_OPT)
			continue;
		/* RFC 6891 6.1.2: its owner is the root. */
		if (record.owner[0] != 0)
			in->bad = true;
		*version = (uint8_t)(record.ttl >> 16);
		opts++;
	}
	return opts;
}

enum notify_verdict notify_get(const uint8_t *msg, size_t len, uint8_t *rdata, struct notify *out)
{
	struct wire_in in = wire_in_init(msg, len);
	uint16_t flags, cnt[4], type = 0;
	uint8_t version = 0;
	unsigned i, opts;

	memset(out, 0, sizeof(*out));
	if (len < DNS_HEADER_LEN)
		return NOTIFY_IGNORE;
	wire_get16(&in);
	flags = wire_get16(&in);
	for (i = 0; i < 4; i++)
		cnt[i] = wire_get16(&in);
	if ((flags & DNS_FLAG_QR) || (flags & DNS_OPCODE_MASK) != DNS_OPCODE_NOTIFY << DNS_OPCODE_SHIFT)
		return NOTIFY_IGNORE;
	if (cnt[0] != 1)
		return NOTIFY_MALFORMED;
	read_question(&in, out, &type);
	for (i = 0; i < cnt[1] && !in.bad; i++)
		read_answer(&in, rdata, i == 0, out);
	opts = read_others(&in, cnt[2], &version);
	opts += read_others(&in, cnt[3], &version);
	if (in.bad || wire_in_left(&in) > 0 || opts > 1)
		return NOTIFY_MALFORMED;
	out->edns = opts > 0;
	if (version > 0)
		return NOTIFY_BADVERS;
	return type == DNS_TYPE_SOA ? NOTIFY_OK : NOTIFY_NOT_SOA;
}

size_t notify_response(const struct notify *n, uint16_t rcode, uint8_t *msg, size_t cap)
{
	size_t at = n->question_end != 0 ? n->question_end : DNS_HEADER_LEN;
	uint16_t flags = wire_load16(msg + 2);
	struct wire_out w;

	if (at + (n->edns ? OPT_LEN : 0) > cap)
		return 0;
	flags &= DNS_OPCODE_MASK | DNS_FLAG_RD;
	wire_store16(msg + 2, (uint16_t)(flags | DNS_FLAG_QR | DNS_FLAG_AA | (rcode & DNS_RCODE_MASK)));
	wire_store16(msg + 4, n->question_end != 0);
	wire_store16(msg + 6, 0);
	wire_store16(msg + 8, 0);
	wire_store16(msg + 10, n->edns);
	if (!n->edns)
		return at;
	w = wire_out_init(msg + at, cap - at);
	wire_put8(&w, 0);
	wire_put16(&w, DNS_TYPE_OPT);
	wire_put16(&w, OPT_PAYLOAD);
	wire_put32(&w, (uint32_t)(rcode >> 4) << 24);
	wire_put16(&w, 0);
	return at + wire_out_len(&w);
}
