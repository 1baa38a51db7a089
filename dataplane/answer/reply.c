#include "dataplane/answer/reply.h"

#define OPT_LEN		  11 /* without options */
#define OPTION_HEAD_LEN	  4
#define OWNER_POINTER_LEN 2
#define POINTER_MIN	  0xC0

void reply_init(struct reply *r, const struct query *query, uint8_t *msg, uint32_t limit)
{
	*r = (struct reply){
		.query = query,
		.msg = msg,
		.at = DNS_HEADER_LEN + query->question_len,
		.end = limit - (query->has_opt ? OPT_LEN : 0),
		.limit = limit,
		.with_sigs = query->dnssec_ok,
	};
}

bool reply_require(struct reply *r, enum reply_section section, const struct rrset_place *place,
		   const struct rrset *set)
{
	if (reply_offer(r, section, place, set, r->with_sigs))
		return true;
	r->truncated = true;
	return false;
}

bool reply_offer_far(struct reply *r, enum reply_section section, const struct rrset_place *place,
		     const struct rrset *set, bool with_sigs)
{
	size_t end = rrset_spell(set, place, r->msg, r->at, r->end, with_sigs);

	if (end == 0)
		return false;
	r->at = (uint32_t)end;
	r->cnt[section] = (uint16_t)(r->cnt[section] + set->cnt + (with_sigs ? set->sig_cnt : 0));
	return true;
}

uint32_t reply_far_data_at(const struct reply *r, uint32_t at)
{
	while (r->msg[at] != 0 && r->msg[at] < POINTER_MIN)
		at += 1u + r->msg[at];
	return at + (r->msg[at] == 0 ? 1 : OWNER_POINTER_LEN) + REPLY_RECORD_HEAD_LEN;
}

struct rrset reply_sigs_only(const struct rrset *set)
{
	/* Nothing in an RRSIG is compressed (RFC 4034 3.1.7), so no position in the list is behind the records. */
	return (struct rrset){
		.body = set->body + set->len,
		.len = set->sig_len,
		.ttl = set->ttl,
		.cnt = set->sig_cnt,
		.type = DNS_TYPE_RRSIG,
	};
}

void reply_cap_ttl(struct reply *r, uint32_t from, uint32_t ttl)
{
	while (from < r->at) {
		uint8_t *head;

		from = reply_data_at(r, from);
		head = r->msg + from - REPLY_RECORD_HEAD_LEN;
		wire_store32(head + 4, ttl);
		from += wire_load16(head + 8);
	}
}

static void write_bytes(struct reply *r, const void *src, size_t len)
{
	memcpy(r->msg + r->at, src, len);
	r->at += (uint32_t)len;
}

/* RFC 8914 2. The text is for people: where it does not fit, the code goes alone. */
static void write_ede(struct reply *r)
{
	size_t text_len = strlen(r->ede_text);
	uint8_t *p = r->msg + r->at;

	if (r->at + OPTION_HEAD_LEN + 2 > r->limit)
		return;
	if (r->at + OPTION_HEAD_LEN + 2 + text_len > r->limit)
		text_len = 0;
	wire_store16(p, DNS_EDNS_EDE);
	wire_store16(p + 2, (uint16_t)(2 + text_len));
	wire_store16(p + OPTION_HEAD_LEN, r->ede);
	r->at += OPTION_HEAD_LEN + 2;
	write_bytes(r, r->ede_text, text_len);
}

/* RFC 7830 3: the last option, so that all that the response has is counted. */
static void write_padding(struct reply *r)
{
	uint32_t at = r->at + OPTION_HEAD_LEN;
	uint32_t len = (REPLY_PADDING_BLOCK - at % REPLY_PADDING_BLOCK) % REPLY_PADDING_BLOCK;

	if (at + len > r->limit)
		return;
	wire_store16(r->msg + r->at, DNS_EDNS_PADDING);
	wire_store16(r->msg + r->at + 2, (uint16_t)len);
	memset(r->msg + at, 0, len);
	r->at = at + len;
}

/* RFC 6891 6.1.2: root owner, class is our payload size, TTL is upper RCODE bits, version 0, DO as it came. */
static void write_opt(struct reply *r, uint16_t udp_payload)
{
	uint8_t *p = r->msg + r->at;
	uint32_t options_at;

	p[0] = 0;
	wire_store16(p + 1, DNS_TYPE_OPT);
	wire_store16(p + 3, udp_payload);
	wire_store32(p + 5, (uint32_t)(r->rcode >> 4) << 24 | (r->query->dnssec_ok ? 0x8000 : 0));
	r->at += OPT_LEN;
	r->cnt[REPLY_ADDITIONAL]++;
	options_at = r->at;
	if (r->options_len > 0)
		write_bytes(r, r->options, r->options_len);
	if (r->has_ede)
		write_ede(r);
	if (r->padded)
		write_padding(r);
	wire_store16(p + 9, (uint16_t)(r->at - options_at));
}

static void write_header(struct reply *r)
{
	const struct query *q = r->query;
	uint16_t flags = reply_flags(q, r->rcode);

	if (r->authoritative)
		flags |= DNS_FLAG_AA;
	if (r->truncated)
		flags |= DNS_FLAG_TC;
	wire_store16(r->msg + 2, flags);
	wire_store16(r->msg + 4, q->question_len > 0);
	wire_store16(r->msg + 6, r->cnt[REPLY_ANSWER]);
	wire_store16(r->msg + 8, r->cnt[REPLY_AUTHORITY]);
	wire_store16(r->msg + 10, r->cnt[REPLY_ADDITIONAL]);
}

size_t reply_finish(struct reply *r, uint16_t udp_payload)
{
	if (r->truncated) {
		memset(r->cnt, 0, sizeof(r->cnt));
		r->at = DNS_HEADER_LEN + r->query->question_len;
	}
	if (r->query->has_opt)
		write_opt(r, udp_payload);
	if (r->tsig != NULL && r->at + r->tsig_len <= r->limit) {
		write_bytes(r, r->tsig, r->tsig_len);
		r->cnt[REPLY_ADDITIONAL]++;
	}
	write_header(r);
	return r->at;
}
