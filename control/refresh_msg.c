/* The messages of a SOA query, and of one for ZONEMD. Pure. */
#include "control/refresh.h"

#include "dataplane/dns/record.h"

size_t refresh_query_put(const struct refresh_question *q, bool edns, uint8_t *out)
{
	struct wire_out w = wire_out_init(out + DNS_HEADER_LEN, REFRESH_QUERY_MAX - DNS_HEADER_LEN);

	/* QUERY, RD clear (only an authoritative answer helps), one question. */
	memset(out, 0, DNS_HEADER_LEN);
	wire_store16(out, q->id);
	wire_store16(out + 4, 1);
	wire_store16(out + 10, edns);
	wire_put_bytes(&w, q->apex, name_len(q->apex));
	wire_put16(&w, q->type);
	wire_put16(&w, DNS_CLASS_IN);
	if (edns)
		opt_put(&w, true);
	return DNS_HEADER_LEN + wire_out_len(&w);
}

struct section {
	const struct refresh_question *question;
	uint8_t *rdata;
	unsigned soas;
	struct soa soa;
	struct refresh_answer *out;
};

/* FNV-1a. Who makes two versions with the same hash might as well have sent the same one. */
static uint64_t hash_octets(const uint8_t *p, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	while (len-- > 0)
		h = (h ^ *p++) * UINT64_C(0x100000001b3);
	return h;
}

static void take_soa(struct section *s, size_t len)
{
	uint8_t canonical[2 * NAME_LEN_MAX + 20];

	s->soas++;
	rdata_canonical(DNS_TYPE_SOA, canonical, s->rdata, (uint16_t)len);
	s->out->soa_hash = hash_octets(canonical, len);
}

static bool is_of_interest(uint16_t type, uint16_t asked)
{
	return type == asked || (asked == DNS_TYPE_SOA && type == DNS_TYPE_RRSIG);
}

static void read_answer(struct wire_in *in, struct section *s)
{
	struct record record;
	int len;

	if (!record_get(in, &record) || !is_of_interest(record.type, s->question->type) ||
	    record.class != DNS_CLASS_IN || !name_equal(record.owner, s->question->apex))
		return;
	len = record_rdata(in, &record, s->rdata);
	if (len < 0 || (record.type == DNS_TYPE_SOA && soa_parse(s->rdata, (size_t)len, &s->soa) < 0)) {
		in->bad = true;
	} else if (record.type == DNS_TYPE_SOA) {
		take_soa(s, (size_t)len);
	} else if (record.type == DNS_TYPE_ZONEMD) {
		s->out->digests_hash ^= hash_octets(s->rdata, (size_t)len);
		s->out->digest_cnt++;
	} else if (wire_load16(s->rdata) == DNS_TYPE_SOA) {
		s->out->signatures_hash ^= hash_octets(s->rdata, (size_t)len);
		s->out->signature_cnt++;
	}
}

/* Only OPT matters. */
static void read_others(struct wire_in *in, unsigned cnt, struct opt_answer *out)
{
	struct record record;

	while (cnt-- > 0 && record_get(in, &record))
		if (record.type == DNS_TYPE_OPT)
			opt_get(&record, out);
}

static bool question_matches(struct wire_in *in, const struct refresh_question *q)
{
	uint8_t name[NAME_LEN_MAX];
	uint16_t type, class;

	name_get(in, name);
	type = wire_get16(in);
	class = wire_get16(in);
	return !in->bad && type == q->type && class == DNS_CLASS_IN && name_equal(name, q->apex);
}

enum refresh_verdict refresh_answer_get(const uint8_t *msg, size_t len, const struct refresh_question *q,
					uint8_t *rdata, struct refresh_answer *out)
{
	struct wire_in in = wire_in_init(msg, len);
	struct refresh_answer got = {0};
	struct section answer = {.question = q, .rdata = rdata, .out = &got};
	uint16_t flags, rcode, cnt[4];
	unsigned i;

	if (len < DNS_HEADER_LEN)
		return REFRESH_SHORT;
	if (wire_get16(&in) != q->id)
		return REFRESH_ID;
	flags = wire_get16(&in);
	for (i = 0; i < 4; i++)
		cnt[i] = wire_get16(&in);
	if ((flags & DNS_FLAG_QR) == 0 || (flags & DNS_OPCODE_MASK) != DNS_OPCODE_QUERY << DNS_OPCODE_SHIFT)
		return REFRESH_NOT_RESPONSE;
	rcode = flags & DNS_RCODE_MASK;
	/* A server that could not read the query cannot repeat the question. */
	if (cnt[0] == 0 && (rcode == DNS_RCODE_FORMERR || rcode == DNS_RCODE_NOTIMP)) {
		out->rcode = rcode;
		return REFRESH_RCODE;
	}
	if (cnt[0] != 1 || !question_matches(&in, q))
		return REFRESH_QUESTION;
	if (flags & DNS_FLAG_TC)
		return REFRESH_TRUNCATED;
	for (i = 0; i < cnt[1] && !in.bad; i++)
		read_answer(&in, &answer);
	read_others(&in, (unsigned)cnt[2] + cnt[3], &got.opt);
	rcode |= got.opt.upper_rcode;
	if (in.bad || wire_in_left(&in) > 0)
		return REFRESH_MALFORMED;
	if (rcode != DNS_RCODE_NOERROR) {
		out->rcode = rcode;
		return REFRESH_RCODE;
	}
	if (q->type == DNS_TYPE_SOA && answer.soas != 1)
		return answer.soas == 0 ? REFRESH_NO_SOA : REFRESH_TWO_SOAS;
	*out = got;
	out->soa = answer.soa;
	out->soa.mname = NULL;
	out->soa.rname = NULL;
	out->rcode = rcode;
	out->authoritative = (flags & DNS_FLAG_AA) != 0;
	return REFRESH_OK;
}

const char *refresh_verdict_text(enum refresh_verdict v)
{
	switch (v) {
	case REFRESH_OK:
		return "answered";
	case REFRESH_SHORT:
		return "a message shorter than a DNS header";
	case REFRESH_ID:
		return "not the id of the query";
	case REFRESH_NOT_RESPONSE:
		return "not a response to a query (QR or OPCODE)";
	case REFRESH_QUESTION:
		return "not the question that was asked";
	case REFRESH_MALFORMED:
		return "malformed message";
	case REFRESH_TRUNCATED:
		return "truncated over TCP too";
	case REFRESH_RCODE:
		return "the primary answered with an error";
	case REFRESH_NO_SOA:
		return "no SOA record of the zone in the answer section";
	case REFRESH_TWO_SOAS:
		return "more than one SOA record in the answer section";
	}
	return "unknown";
}
