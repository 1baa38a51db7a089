/*
 * A response under construction, in place over its request: header and question stay where they are, records are
 * linked behind them, the OPT record comes last.
 *
 * Lengths are known before anything is copied. What is required and does not fit sets TC, and a truncated response
 * then carries no records at all: nobody may use them (RFC 2181 9), and a partial set could be mistaken for a whole
 * one. What is optional and does not fit is left out and nothing is said (RFC 2181 9 too).
 * Owner thread of the engine; no allocation.
 */
#pragma once

#include "dataplane/dns/query.h"
#include "dataplane/zone/lookup.h"

enum reply_section { REPLY_ANSWER, REPLY_AUTHORITY, REPLY_ADDITIONAL, REPLY_SECTION_CNT };

#define REPLY_RECORD_HEAD_LEN 10 /* type, class, TTL, length: between owner and record data */

/* RFC 8467 4.1. */
#define REPLY_PADDING_BLOCK 468

struct reply {
	const struct query *query;
	uint8_t *msg;
	uint32_t at;	/* where the next record goes */
	uint32_t end;	/* where records must end: the limit less the room of the OPT record */
	uint32_t limit; /* octets of the whole response */
	uint16_t cnt[REPLY_SECTION_CNT];
	uint16_t rcode; /* extended: more than four bits go to OPT, RFC 6891 6.1.3 */
	bool authoritative;
	bool truncated;
	bool with_sigs;
	bool has_ede;
	bool padded;  /* to a multiple of REPLY_PADDING_BLOCK octets, as far as the limit allows */
	uint16_t ede; /* enum dns_ede; RFC 8914 */
	const char *ede_text;
	const uint8_t *options; /* EDNS options as they are sent; reply_set_options */
	uint16_t options_len;
	const uint8_t *tsig; /* a whole TSIG record, the last of the response (RFC 8945 5.1); NULL: none */
	uint16_t tsig_len;
};

/*
 * A name that stands in the message and is being answered for: the one of the question, or what a CNAME leads to. The
 * latter is compressed, so a map tells where each of its labels went.
 */
struct reply_name {
	const uint8_t *lower;
	const struct name_hashes *hashes;
	const uint16_t
		*map; /* octet offset of a label in the name -> message offset; NULL: the question's name */
};

/* Where an owner that is a suffix of the name, owner_len octets long, stands in the message. */
static inline uint16_t reply_suffix_at(const struct reply_name *n, unsigned owner_len)
{
	unsigned skip = n->hashes->len - owner_len;

	return n->map == NULL ? (uint16_t)(DNS_HEADER_LEN + skip) : n->map[skip];
}

/* For sets that were laid out for an owner which is a suffix of the name. */
static inline struct rrset_place reply_place(const struct reply_name *n, unsigned owner_len)
{
	unsigned skip = n->hashes->len - owner_len;

	return (struct rrset_place){
		.owner = reply_suffix_at(n, owner_len),
		.stored_len = (uint16_t)owner_len,
		.suffix_add = (int16_t)skip,
		.suffix_at = n->map == NULL ? NULL : n->map + skip,
	};
}

/* For sets of the wildcard "*.<encloser>" that are sent with the name itself as their owner (RFC 4592 3.3.1). */
static inline struct rrset_place reply_place_wildcard(const struct reply_name *n, unsigned encloser_len)
{
	struct rrset_place place = reply_place(n, encloser_len + 2);

	place.owner = reply_suffix_at(n, n->hashes->len);
	return place;
}

/* limit: octets the response may have, >= QUERY_PAYLOAD_MIN. */
void reply_init(struct reply *r, const struct query *query, uint8_t *msg, uint32_t limit);

/* Room for EDNS options in a response with OPT and nothing else. */
static inline uint32_t reply_options_room(const struct reply *r)
{
	return r->end - r->at;
}

/* The OPT record will hold them; len <= reply_options_room. Before any record is added; they live as long as the reply. */
static inline void reply_set_options(struct reply *r, const uint8_t *options, size_t len)
{
	r->options = options;
	r->options_len = (uint16_t)len;
	r->end -= (uint32_t)len;
}

/* Whether len more octets of records fit. */
static inline bool reply_has_room(const struct reply *r, size_t len)
{
	return r->at + len <= r->end;
}

/* Whether what starts at this offset of the message is linked; from there on it is spelled (rrset.h). */
static inline bool reply_is_near(uint32_t at)
{
	return at <= RRSET_LINK_AT_MAX;
}

/* Where the data of the record at this offset start, whose owner was linked as a pointer, or spelled. */
uint32_t reply_far_data_at(const struct reply *r, uint32_t at);
static inline uint32_t reply_data_at(const struct reply *r, uint32_t at)
{
	return reply_is_near(at) ? at + REPLY_RECORD_HEAD_LEN + 2 : reply_far_data_at(r, at);
}

/*
 * Adds a set to a section; sections are filled in order. False: it did not fit, nothing was added. The first one is
 * for what is required and marks the response as truncated.
 */
bool reply_require(struct reply *r, enum reply_section section, const struct rrset_place *place,
		   const struct rrset *set);
bool reply_offer_far(struct reply *r, enum reply_section section, const struct rrset_place *place,
		     const struct rrset *set, bool with_sigs);
static inline bool reply_offer(struct reply *r, enum reply_section section, const struct rrset_place *place,
			       const struct rrset *set, bool with_sigs)
{
	if (!reply_is_near(r->at))
		return reply_offer_far(r, section, place, set, with_sigs);
	if (!reply_has_room(r, rrset_linked_len(set, place, with_sigs)))
		return false;
	r->at = (uint32_t)rrset_link(set, place, r->msg, r->at, with_sigs);
	r->cnt[section] = (uint16_t)(r->cnt[section] + set->cnt + (with_sigs ? set->sig_cnt : 0));
	return true;
}

/* The RRSIGs of a set without the set. */
struct rrset reply_sigs_only(const struct rrset *set);

/* Puts ttl into every record from message offset `from` to where the next record would go. */
void reply_cap_ttl(struct reply *r, uint32_t from, uint32_t ttl);

/* An Extended DNS Error is sent only if the request had EDNS (RFC 8914 3). text lives as long as the reply. */
static inline void reply_error_ede(struct reply *r, enum dns_rcode rcode, enum dns_ede ede, const char *text)
{
	r->rcode = (uint16_t)rcode;
	r->has_ede = true;
	r->ede = (uint16_t)ede;
	r->ede_text = text;
}

/* Nothing of what was added is sent, but SERVFAIL and why. */
static inline void reply_fail(struct reply *r, enum dns_ede ede, const char *text)
{
	memset(r->cnt, 0, sizeof(r->cnt));
	r->at = DNS_HEADER_LEN + r->query->question_len;
	r->authoritative = false;
	r->truncated = false;
	reply_error_ede(r, DNS_RCODE_SERVFAIL, ede, text);
}

/* Writes OPT and header. Returns the octets of the response. udp_payload: what our OPT announces. */
size_t reply_finish(struct reply *r, uint16_t udp_payload);

/* What the second word of every response has of its request, and its RCODE as far as it goes there. */
static inline uint16_t reply_flags(const struct query *q, unsigned rcode)
{
	return (uint16_t)(DNS_FLAG_QR | (q->flags & (DNS_OPCODE_MASK | DNS_FLAG_RD)) |
			  (rcode & DNS_RCODE_MASK));
}

/* Makes the request a response without OPT or any other record; that needs no struct reply. Returns its octets. */
static inline uint32_t reply_bare(const struct query *q, uint8_t *msg, enum dns_rcode rcode)
{
	wire_store16(msg + 2, reply_flags(q, rcode));
	wire_store16(msg + 4, q->question_len > 0);
	wire_store16(msg + 6, 0);
	wire_store32(msg + 8, 0);
	return DNS_HEADER_LEN + q->question_len;
}
