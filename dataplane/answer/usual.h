/*
 * What nearly all requests are, without detours: one question of an ordinary type in class IN, without EDNS or with bare
 * OPT, for the zone that questions came for of late; and what nearly all answers are: an address set at a name that exists.
 * Whatever is not so takes the long way (query.h, resolve.h), which would give the same answers.
 *
 * For answer.c to inline. Hot path: no malloc, lock, log, system call, division by a variable or shared write.
 */
#pragma once

#include "dataplane/answer/engine.h"
#include "dataplane/zone/plain.h"

/* Splits the octets before apex_at into labels and notes where they are. False: they are none. */
static inline bool usual_labels(struct query *q, const uint8_t *name, unsigned apex_at, unsigned *out_cnt)
{
	unsigned pos = 0, cnt = 0;

	q->labels.off[0] = 0;
	while (pos != apex_at) {
		unsigned label_len = name[pos];

		pos += 1u + label_len;
		if (label_len - 1 >= NAME_LABEL_MAX || pos > apex_at)
			return false;
		q->labels.off[++cnt] = (uint8_t)pos;
	}
	*out_cnt = cnt;
	return true;
}

/*
 * The name is read from its end, which header and length of a usual request tell: where the apex of the zone stands, only
 * the labels before it are left to be looked at. False: not usual; w->query is then unspecified.
 */
static inline bool usual_read(struct burst *b, struct work *w, const struct answer_job *job)
{
	const struct zonetab_recent *zone = &b->recent;
	const uint8_t *msg = job->msg;
	size_t len = job->len, name_len, apex_at;
	struct query *q = &w->query;
	unsigned ar_cnt, cnt;
	uint64_t opt;
	uint32_t tail;
	uint16_t type;

	if (len < DNS_HEADER_LEN || (wire_load64(msg + 2) & QUERY_HEAD_MASK) != QUERY_HEAD)
		return false;
	ar_cnt = wire_load16(msg + 10);
	if (ar_cnt > b->usual_ar_max)
		return false;
	/* If it is shorter than that, this wraps around. */
	name_len = len - DNS_HEADER_LEN - QUERY_TAIL_LEN - ar_cnt * QUERY_OPT_LEN;
	apex_at = name_len - zone->apex_len;
	if (apex_at > zone->apex_at_max)
		return false;
	q->has_opt = false;
	q->dnssec_ok = false;
	if (ar_cnt != 0) {
		if (!query_is_bare_opt(msg + len - QUERY_OPT_LEN, &opt))
			return false;
		q->has_opt = true;
		q->dnssec_ok = query_opt_dnssec_ok(opt);
		b->dnssec_ok |= q->dnssec_ok;
	}
	tail = wire_load32(msg + DNS_HEADER_LEN + name_len);
	type = (uint16_t)(tail >> 16);
	/* Class IN; types from 128 on are meta types or rare, OPT is no question, DS is the parent zone's. */
	if ((tail & UINT32_C(0xFF80FFFF)) != DNS_CLASS_IN || type == DNS_TYPE_OPT || type == DNS_TYPE_DS)
		return false;
	query_copy_lower(q, msg, len, DNS_HEADER_LEN + name_len);
	if (!name_same(q->name + apex_at, zone->apex, zone->apex_len) ||
	    !usual_labels(q, msg + DNS_HEADER_LEN, (unsigned)apex_at, &cnt) || cnt >= zone->label_room)
		return false;
	q->type = type;
	q->question_len = (uint16_t)(name_len + QUERY_TAIL_LEN);
	q->labels.len = (uint8_t)name_len;
	q->labels.label_cnt = (uint8_t)(cnt + zone->label_min);
	w->brief = true;
	w->plain = true;
	w->has_edns = false;
	engine_look_up(b, w, zone->snap, (uint8_t)cnt);
	return true;
}

/* What the client takes over UDP; the response is not begun yet. */
static inline uint16_t usual_payload(const struct work *w)
{
	const struct query *q = &w->query;

	if (!w->brief)
		return q->payload;
	return q->has_opt ? query_opt_payload(wire_load64(w->job->msg + DNS_HEADER_LEN + q->question_len))
			  : QUERY_PAYLOAD_MIN;
}

/* What the usual answer does not need to know of its request; the response is not begun yet. */
static inline void usual_complete(struct work *w)
{
	struct query *q = &w->query;
	const uint8_t *msg = w->job->msg;
	uint16_t payload;

	if (!w->brief)
		return;
	payload = usual_payload(w);
	w->brief = false;
	memset(&q->edns_version, 0, offsetof(struct query, copy) - offsetof(struct query, edns_version));
	q->flags = wire_load16(msg + 2);
	q->class = DNS_CLASS_IN;
	q->payload = payload;
}

/* Hashes the names of all that was read so far: what is below the apex, which mostly is one label. */
static inline void usual_hash(struct burst *b)
{
	uint64_t apex_hash = b->recent.hash;

	for (unsigned i = 0; i < b->lookup_cnt; i++) {
		struct query *q = &lookup_work(b->lookups[i])->query;
		unsigned apex_label = b->lookups[i]->apex_label;

		q->labels.hash[apex_label] = apex_hash;
		if (apex_label == 1)
			q->labels.hash[0] = name_hash_child(apex_hash, q->name + 1, q->name[0]);
		else
			name_hash_below(q->name, apex_label, &q->labels);
	}
}

/* Whether the answer can be an address set and OPT, copied as they lie. */
static inline bool usual_asks_address(const struct work *w)
{
	const struct query *q = &w->query;

	return w->step.lookup.kind == LOOKUP_EXACT && (q->type == DNS_TYPE_A || q->type == DNS_TYPE_AAAA) &&
	       w->plain;
}

/* OPT behind the records, which end at `end`, and what all of the header has but its counts. */
static inline void usual_finish(const struct answer_engine *e, struct work *w, uint32_t end,
				enum dns_rcode rcode)
{
	const struct query *q = &w->query;
	struct answer_job *job = w->job;
	uint8_t *msg = job->msg;

	if (q->has_opt) {
		memcpy(msg + end, e->opt[job->family == 6][q->dnssec_ok], QUERY_OPT_LEN);
		end += QUERY_OPT_LEN;
	}
	msg[2] = (DNS_FLAG_QR | DNS_FLAG_AA) >> 8 | (msg[2] & DNS_FLAG_RD >> 8);
	msg[3] = (uint8_t)rcode;
	job->len = end;
	job->verdict = ANSWER_SEND;
}

/*
 * Writes an answer of cnt records, len octets at body, which were laid out for this place; of the header's counts only that
 * of answers changes. False: it might not fit, which depends on more than is looked at here.
 */
static inline bool usual_write(const struct answer_engine *e, struct work *w, const uint8_t *body,
			       uint32_t len, unsigned cnt)
{
	const struct query *q = &w->query;
	uint32_t body_end = DNS_HEADER_LEN + q->question_len + len;
	struct answer_job *job = w->job;
	uint8_t *msg = job->msg, *end = msg + body_end;

	if (body_end > QUERY_PAYLOAD_MIN - QUERY_OPT_LEN)
		return false;
	/* Most are one address of 16 or 28 octets: two moves. */
	if (len >= 16 && len <= 32) {
		memcpy(end - len, body, 16);
		memcpy(end - 16, body + len - 16, 16);
	} else {
		memcpy(end - len, body, len);
	}
	usual_finish(e, w, body_end, DNS_RCODE_NOERROR);
	wire_store16(msg + 6, (uint16_t)cnt);
	return true;
}

/* The same for an address set in whatever form. False: it is none that can be copied; nothing was written. */
static inline bool usual_write_set(const struct answer_engine *e, struct work *w)
{
	const struct lookup *l = &w->step.lookup;
	bool sigs = w->query.dnssec_ok;
	const uint8_t *body;
	struct rrset set;
	uint32_t len;

	body = entry_plain_body(l->entry, w->query.type, &len);
	if (body != NULL)
		return usual_write(e, w, body, len, 1);
	if (!entry_set(l->snap, l->entry, w->query.type, &set) || set.reloc_cnt > 0)
		return false;
	return usual_write(e, w, set.body, set.len + (sigs ? set.sig_len : 0),
			   set.cnt + (sigs ? set.sig_cnt : 0u));
}

/* Whether the answer can be a name error whose proof is laid out but for the one record that depends on the name. */
static inline bool usual_asks_denial(const struct work *w)
{
	return w->step.lookup.kind == LOOKUP_MISSING && w->plain && w->query.dnssec_ok && w->step.prepared;
}

/* Writes it. False: it has to be made the long way; nothing was written. */
static inline bool usual_write_denial(struct answer_engine *e, struct work *w,
				      const struct denial_ready *ready, const struct denial *next)
{
	uint32_t end = engine_limit(e, w->job, usual_payload(w)) - QUERY_OPT_LEN;
	uint32_t at = DNS_HEADER_LEN + w->query.question_len;
	unsigned cnt;

	at = denial_ready_write(ready, next, &w->step.lookup, w->job->msg, at, end, &cnt);
	if (at == 0)
		return false;
	usual_finish(e, w, at, DNS_RCODE_NXDOMAIN);
	wire_store16(w->job->msg + 8, (uint16_t)cnt);
	return true;
}
