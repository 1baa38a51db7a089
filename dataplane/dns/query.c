#include "dataplane/dns/query.h"

#define R8(n) n, n, n, n, n, n, n, n
#define R32(n)                             \
	{                                  \
		R8(n), R8(n), R8(n), R8(n) \
	}
const query_piece query_folding[3] = {R32('A'), R32('Z' - 'A'), R32('a' - 'A')};

/* What stands in front of the record data, owner aside. */
struct record_head {
	const uint8_t *owner;
	const uint8_t *rdata;
	uint32_t ttl;
	uint16_t type;
	uint16_t class;
	uint16_t rdata_len;
};

/* Steps over an owner name, compressed or not, without following pointers: nobody asks what it says. */
static void skip_name(struct wire_in *in)
{
	for (;;) {
		uint8_t l = wire_get8(in);

		if (l == 0)
			return; /* also after an overrun */
		if (l >= 0xC0) {
			wire_get8(in);
			return;
		}
		if (l > NAME_LABEL_MAX)
			in->bad = true;
		wire_get_bytes(in, l);
	}
}

static bool read_record(struct wire_in *in, struct record_head *out)
{
	const uint8_t *head;

	out->owner = in->cur;
	skip_name(in);
	head = wire_get_bytes(in, 10);
	if (head == NULL)
		return false;
	out->type = wire_load16(head);
	out->class = wire_load16(head + 2);
	out->ttl = wire_load32(head + 4);
	out->rdata_len = wire_load16(head + 8);
	out->rdata = wire_get_bytes(in, out->rdata_len);
	return out->rdata != NULL;
}

static bool read_options(struct query *q, const struct record_head *opt)
{
	struct wire_in in = wire_in_init(opt->rdata, opt->rdata_len);

	while (wire_in_left(&in) > 0) {
		uint16_t code = wire_get16(&in);

		wire_get_bytes(&in, wire_get16(&in));
		if (in.bad)
			return false;
		if (code < 32)
			q->options |= UINT32_C(1) << code;
	}
	return true;
}

/* RFC 6891 6.1.2 and 6.1.3: the class is the payload size; the TTL is extended RCODE, version and flags. */
static bool read_opt(struct query *q, const uint8_t *msg, const struct record_head *opt)
{
	if (q->has_opt || *opt->owner != 0)
		return false;
	q->has_opt = true;
	if (opt->class > QUERY_PAYLOAD_MIN)
		q->payload = opt->class;
	q->edns_version = (uint8_t)(opt->ttl >> 16);
	q->dnssec_ok = (opt->ttl & QUERY_OPT_DO) != 0;
	q->options_at = (uint16_t)(opt->rdata - msg);
	q->options_len = opt->rdata_len;
	return read_options(q, opt);
}

/*
 * Written out, or ending in a pointer into the question, as some clients have it: then the octets mean the same in a response,
 * which begins with that too. room: octets that it takes.
 */
static bool is_key_name(const struct query *q, const uint8_t *msg, const uint8_t *owner, size_t room)
{
	struct wire_in in = {.base = msg, .cur = owner, .end = owner + room};
	uint8_t name[NAME_LEN_MAX];

	if (room > NAME_LEN_MAX)
		return false;
	if (name_valid(owner, room))
		return true;
	name_get(&in, name);
	return !in.bad && (wire_load16(owner + room - 2) & 0x3FFF) < DNS_HEADER_LEN + q->question_len;
}

/* RFC 8945 4.2. */
static bool read_tsig(struct query *q, const uint8_t *msg, const struct record_head *tsig)
{
	struct wire_in in = {.base = msg, .cur = tsig->rdata, .end = tsig->rdata + tsig->rdata_len};
	uint8_t name[NAME_LEN_MAX];
	size_t algorithm_len = name_get_plain(&in, name);
	size_t name_room = (size_t)(tsig->rdata - tsig->owner) - 10;

	wire_get_bytes(&in, 6 + 2);	      /* time signed, fudge */
	wire_get_bytes(&in, wire_get16(&in)); /* MAC */
	wire_get_bytes(&in, 2 + 2);	      /* original id, error */
	wire_get_bytes(&in, wire_get16(&in)); /* other data */
	if (in.bad || wire_in_left(&in) > 0 || tsig->class != DNS_CLASS_ANY || tsig->ttl != 0 ||
	    !is_key_name(q, msg, tsig->owner, name_room))
		return false;
	q->has_tsig = true;
	q->tsig_at = (uint16_t)(tsig->owner - msg);
	q->tsig_name_len = (uint8_t)name_room;
	q->tsig_algorithm_at = (uint16_t)(tsig->rdata - msg);
	q->tsig_algorithm_len = (uint8_t)algorithm_len;
	return true;
}

static bool read_additional(struct wire_in *in, unsigned cnt, struct query *q)
{
	struct record_head record;

	while (cnt-- > 0) {
		if (!read_record(in, &record))
			return false;
		if (record.type == DNS_TYPE_OPT && !read_opt(q, in->base, &record))
			return false;
		if (record.type == DNS_TYPE_TSIG && (cnt != 0 || !read_tsig(q, in->base, &record)))
			return false;
	}
	return true;
}

static bool skip_authority(struct wire_in *in, unsigned cnt)
{
	struct record_head record;

	while (cnt-- > 0)
		if (!read_record(in, &record) || record.type == DNS_TYPE_OPT || record.type == DNS_TYPE_TSIG)
			return false;
	return true;
}

/* Reads the question behind the header, with len > DNS_HEADER_LEN + QUERY_TAIL_LEN. False: it is malformed. */
static bool read_question(const uint8_t *msg, size_t len, struct query *q)
{
	const uint8_t *name = msg + DNS_HEADER_LEN;
	size_t room = len - DNS_HEADER_LEN - QUERY_TAIL_LEN, pos = 0;
	unsigned cnt = 0, lens = 0;
	uint8_t label_len;

	if (room > NAME_LEN_MAX)
		room = NAME_LEN_MAX;
	do {
		label_len = name[pos];
		q->labels.off[cnt++] = (uint8_t)pos;
		lens |= label_len;
		pos += 1u + label_len;
		if (pos > room)
			return false;
	} while (label_len != 0);
	if (lens > NAME_LABEL_MAX)
		return false;
	q->labels.label_cnt = (uint8_t)(cnt - 1);
	q->labels.len = (uint8_t)pos;
	q->question_len = (uint16_t)(pos + QUERY_TAIL_LEN);
	q->type = wire_load16(name + pos);
	q->class = wire_load16(name + pos + 2);
	return true;
}

/* What stands behind the question, from offset at on. */
static enum query_verdict parse_rest(const uint8_t *msg, size_t len, size_t at, struct query *q)
{
	struct wire_in in = {.base = msg, .cur = msg + at, .end = msg + len};
	unsigned ns_cnt = wire_load16(msg + 8);

	if (ns_cnt != 0 && (q->type != DNS_TYPE_IXFR || !skip_authority(&in, ns_cnt)))
		return QUERY_FORMERR;
	if (!read_additional(&in, wire_load16(msg + 10), q) || wire_in_left(&in) > 0)
		return QUERY_FORMERR;
	return QUERY_OK;
}

/* A request without question: for a cookie, or malformed. */
static enum query_verdict read_empty(const uint8_t *msg, size_t len, struct query *q)
{
	struct wire_in in = {.base = msg, .cur = msg + DNS_HEADER_LEN, .end = msg + len};

	if ((wire_load32(msg + 4) | wire_load16(msg + 8)) == 0 &&
	    read_additional(&in, wire_load16(msg + 10), q) && wire_in_left(&in) == 0 &&
	    (q->options & UINT32_C(1) << DNS_EDNS_COOKIE) != 0)
		return QUERY_EMPTY;
	return QUERY_FORMERR;
}

/* Requests that do not have the usual header. */
static enum query_verdict parse_other(const uint8_t *msg, size_t len, struct query *q)
{
	if (len < DNS_HEADER_LEN)
		return QUERY_SHORT;
	query_clear(msg, q);
	if ((q->flags & DNS_FLAG_QR) != 0)
		return QUERY_RESPONSE;
	switch ((q->flags & DNS_OPCODE_MASK) >> DNS_OPCODE_SHIFT) {
	case DNS_OPCODE_QUERY:
		break;
	case DNS_OPCODE_NOTIFY:
		return QUERY_NOTIFY;
	default:
		return QUERY_NOTIMP;
	}
	if (wire_load16(msg + 4) == 0)
		return read_empty(msg, len, q);
	if (wire_load16(msg + 4) != 1 || len <= DNS_HEADER_LEN + QUERY_TAIL_LEN ||
	    !read_question(msg, len, q) || wire_load16(msg + 6) != 0)
		return QUERY_FORMERR;
	return parse_rest(msg, len, (size_t)DNS_HEADER_LEN + q->question_len, q);
}

/* Nothing behind the question, or OPT without options, as almost every resolver sends it. */
static bool read_usual_rest(const uint8_t *msg, size_t len, size_t at, struct query *q)
{
	uint16_t ar_cnt = wire_load16(msg + 10);
	uint64_t opt;

	if (ar_cnt == 0)
		return at == len;
	if (ar_cnt != 1 || at + QUERY_OPT_LEN != len || !query_is_bare_opt(msg + at, &opt))
		return false;
	q->payload = query_opt_payload(opt);
	q->has_opt = true;
	q->dnssec_ok = query_opt_dnssec_ok(opt);
	return true;
}

/*
 * Whether what follows a usual header and its question, and is not usual, is malformed at a glance: octets that belong to no
 * record, or a first record that is not whole. False says nothing.
 */
static bool is_rest_cut(const uint8_t *msg, size_t len, size_t at)
{
	size_t left = len - at;

	return wire_load16(msg + 10) == 0 || left < QUERY_OPT_LEN ||
	       (msg[at] == 0 && wire_load16(msg + at + 9) > left - QUERY_OPT_LEN);
}

/* All but the name. */
static inline enum query_verdict parse(const uint8_t *msg, size_t len, struct query *q)
{
	size_t at;

	if (len <= DNS_HEADER_LEN + QUERY_TAIL_LEN || (wire_load64(msg + 2) & QUERY_HEAD_MASK) != QUERY_HEAD)
		return parse_other(msg, len, q);
	query_clear(msg, q);
	if (!read_question(msg, len, q))
		return QUERY_FORMERR;
	at = (size_t)DNS_HEADER_LEN + q->question_len;
	if (!read_usual_rest(msg, len, at, q))
		return is_rest_cut(msg, len, at) ? QUERY_FORMERR : parse_rest(msg, len, at, q);
	q->usual = q->class == DNS_CLASS_IN;
	return QUERY_OK;
}

enum query_verdict query_parse(const uint8_t *msg, size_t len, struct query *q)
{
	enum query_verdict verdict = parse(msg, len, q);

	/* The name of what is malformed is asked for by nobody. */
	if (verdict == QUERY_OK)
		query_copy_lower(q, msg, len, (size_t)DNS_HEADER_LEN + q->labels.len);
	return verdict;
}
