#include "dataplane/dns/query.h"

#define QUESTION_TAIL_LEN 4  /* QTYPE and QCLASS */
#define OPT_BARE_LEN	  11 /* OPT without options */
#define OPT_DO		  0x8000

/* What stands in front of the record data, owner aside. */
struct record_head {
	const uint8_t *owner;
	const uint8_t *rdata;
	uint32_t ttl;
	uint16_t type;
	uint16_t class;
	uint16_t rdata_len;
};

/*
 * Copies name_len octets in lower case, QUERY_NAME_PIECE at a time as long as src has that many (src_left >= name_len);
 * dst has room for a whole last piece. Length octets are below 'A', so all octets are folded alike.
 */
static void copy_lower(uint8_t *dst, const uint8_t *src, size_t name_len, size_t src_left)
{
	size_t i = 0;

	while (i < name_len && src_left - i >= QUERY_NAME_PIECE) {
		uint8_t __attribute__((vector_size(QUERY_NAME_PIECE))) piece;

		memcpy(&piece, src + i, sizeof(piece));
		piece |= ((piece - 'A') < 26) & 32;
		memcpy(dst + i, &piece, sizeof(piece));
		i += sizeof(piece);
	}
	if (i < name_len)
		name_lower(dst + i, src + i, name_len - i);
}

/*
 * Length of the uncompressed name at p, 0 when it is none or does not end within left octets. Notes where its labels
 * are.
 */
static size_t question_name_len(const uint8_t *p, size_t left, struct name_hashes *labels)
{
	size_t room = left < NAME_LEN_MAX ? left : NAME_LEN_MAX;
	size_t pos = 0;
	unsigned cnt = 0;

	while (pos < room) {
		uint8_t l = p[pos];

		labels->off[cnt] = (uint8_t)pos;
		if (l == 0) {
			labels->label_cnt = (uint8_t)cnt;
			labels->len = (uint8_t)(pos + 1);
			return pos + 1;
		}
		if (l > NAME_LABEL_MAX)
			return 0;
		cnt++;
		pos += 1u + l;
	}
	return 0;
}

static bool read_question(struct wire_in *in, struct query *q)
{
	size_t left = wire_in_left(in);
	size_t name_len = question_name_len(in->cur, left, &q->labels);
	const uint8_t *tail;

	if (name_len == 0 || left - name_len < QUESTION_TAIL_LEN)
		return false;
	copy_lower(q->name, in->cur, name_len, left);
	tail = in->cur + name_len;
	q->name_len = (uint8_t)name_len;
	q->type = wire_load16(tail);
	q->class = wire_load16(tail + 2);
	q->question_len = (uint16_t)(name_len + QUESTION_TAIL_LEN);
	in->cur = tail + QUESTION_TAIL_LEN;
	return true;
}

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
	out->owner = in->cur;
	skip_name(in);
	out->type = wire_get16(in);
	out->class = wire_get16(in);
	out->ttl = wire_get32(in);
	out->rdata_len = wire_get16(in);
	out->rdata = wire_get_bytes(in, out->rdata_len);
	return !in->bad;
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
	q->dnssec_ok = (opt->ttl & OPT_DO) != 0;
	q->options_at = (uint16_t)(opt->rdata - msg);
	q->options_len = opt->rdata_len;
	return read_options(q, opt);
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
	    !name_valid(tsig->owner, name_room))
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

/* What almost every resolver sends behind the question: nothing, or OPT without options, and nothing behind that. */
static bool read_usual_rest(const uint8_t *p, size_t left, unsigned ar_cnt, struct query *q)
{
	uint32_t ttl;

	if (ar_cnt == 0)
		return left == 0;
	if (ar_cnt != 1 || left != OPT_BARE_LEN || p[0] != 0 || wire_load16(p + 1) != DNS_TYPE_OPT ||
	    wire_load16(p + 9) != 0)
		return false;
	q->has_opt = true;
	if (wire_load16(p + 3) > QUERY_PAYLOAD_MIN)
		q->payload = wire_load16(p + 3);
	ttl = wire_load32(p + 5);
	q->edns_version = (uint8_t)(ttl >> 16);
	q->dnssec_ok = (ttl & OPT_DO) != 0;
	return true;
}

/* What stands behind the header of a request of opcode QUERY. */
static bool read_sections(struct wire_in *in, struct query *q)
{
	const uint8_t *h = in->base;
	unsigned an_cnt = wire_load16(h + 6);
	unsigned ns_cnt = wire_load16(h + 8);
	unsigned ar_cnt = wire_load16(h + 10);

	if (wire_load16(h + 4) != 1 || !read_question(in, q))
		return false;
	if ((an_cnt | ns_cnt) == 0 && read_usual_rest(in->cur, wire_in_left(in), ar_cnt, q))
		return true;
	if (an_cnt != 0 || (ns_cnt != 0 && (q->type != DNS_TYPE_IXFR || !skip_authority(in, ns_cnt))))
		return false;
	if (!read_additional(in, ar_cnt, q))
		return false;
	return wire_in_left(in) == 0;
}

/* A request for a cookie, without question; nothing was read of it yet. */
static bool is_empty(struct wire_in *in, struct query *q)
{
	const uint8_t *h = in->base;

	return (wire_load32(h + 4) | wire_load16(h + 8)) == 0 &&
	       read_additional(in, wire_load16(h + 10), q) && wire_in_left(in) == 0 &&
	       (q->options & UINT32_C(1) << DNS_EDNS_COOKIE) != 0;
}

/* All fields but the name. */
static void query_clear(struct query *q)
{
	memset(q, 0, offsetof(struct query, name));
	q->payload = QUERY_PAYLOAD_MIN;
}

enum query_verdict query_parse(const uint8_t *msg, size_t len, struct query *q)
{
	struct wire_in in = wire_in_init(msg, len);

	if (len < DNS_HEADER_LEN)
		return QUERY_SHORT;
	query_clear(q);
	q->flags = wire_load16(msg + 2);
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
	in.cur += DNS_HEADER_LEN;
	if (read_sections(&in, q))
		return QUERY_OK;
	return wire_load16(msg + 4) == 0 && is_empty(&in, q) ? QUERY_EMPTY : QUERY_FORMERR;
}
