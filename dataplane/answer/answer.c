/*
 * The burst pipeline of DESIGN section 5, stages 2 to 4: read every request and hash its name, find every zone, look
 * up every name, write every answer. Requests that need no zone are answered in the first stage.
 *
 * Hot path: no malloc, lock, log, system call, division by a variable or shared write.
 */
#include "dataplane/answer/answer.h"

#include "dataplane/answer/chaos.h"
#include "dataplane/answer/resolve.h"

#include <stdlib.h>

#define TSIG_ERROR_BADKEY 17 /* RFC 8945 3 */
#define OPT_BARE_LEN	  11 /* OPT without options */

/* One request between the stages. Its names and hashes stay where they are, so what points to them is set once. */
struct work {
	struct answer_job *job;
	struct zonetab_find find;
	struct resolve_step step;
	struct query query;
};

struct answer_engine {
	const struct zonetab *zones;
	const struct answer_config *config;
	uint64_t key;
	uint8_t opt[2][OPT_BARE_LEN];	  /* without and with DO */
	uint64_t cnt[ANSWER_COUNTER_CNT]; /* written by the owner, read by anyone, relaxed */
	struct work work[ANSWER_BURST_MAX];
	struct zonetab_find *finds[ANSWER_BURST_MAX]; /* of work, in its order */
	struct resolver resolver;
};

const struct counter_text answer_counter_text[ANSWER_COUNTER_CNT] = {
#define X(name, help) {#name, help},
	ANSWER_COUNTERS(X)
#undef X
};

/* RFC 6891 6.1.2: root owner, class is our payload size, TTL is extended RCODE 0, version 0, DO. */
static void set_config(struct answer_engine *e, const struct answer_config *config)
{
	e->config = config;
	for (unsigned dnssec_ok = 0; dnssec_ok < 2; dnssec_ok++) {
		struct wire_out out = wire_out_init(e->opt[dnssec_ok], OPT_BARE_LEN);

		wire_put8(&out, 0);
		wire_put16(&out, DNS_TYPE_OPT);
		wire_put16(&out, config->udp_payload_max);
		wire_put32(&out, dnssec_ok ? 0x8000 : 0);
		wire_put16(&out, 0);
	}
}

struct answer_engine *answer_engine_new(const struct zonetab *zones, const struct answer_config *config)
{
	struct answer_engine *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->zones = zones;
	set_config(e, config);
	e->key = zonetab_key(zones);
	resolver_init(&e->resolver, zones);
	for (unsigned i = 0; i < ANSWER_BURST_MAX; i++) {
		struct work *w = &e->work[i];

		e->finds[i] = &w->find;
		w->find.name = w->query.name;
		w->find.hashes = &w->query.labels;
		w->step.name = (struct reply_name){.lower = w->query.name, .hashes = &w->query.labels};
		w->step.lookup.name = w->query.name;
		w->step.lookup.hashes = &w->query.labels;
	}
	return e;
}

void answer_engine_free(struct answer_engine *e)
{
	free(e);
}

void answer_engine_set_config(struct answer_engine *e, const struct answer_config *config)
{
	set_config(e, config);
}

void answer_counters(const struct answer_engine *e, uint64_t out[ANSWER_COUNTER_CNT])
{
	for (unsigned i = 0; i < ANSWER_COUNTER_CNT; i++)
		out[i] = __atomic_load_n(&e->cnt[i], __ATOMIC_RELAXED);
}

static void count(struct answer_engine *e, enum answer_counter counter)
{
	__atomic_store_n(&e->cnt[counter], e->cnt[counter] + 1, __ATOMIC_RELAXED);
}

static void count_rcode(struct answer_engine *e, uint16_t rcode)
{
	switch ((enum dns_rcode)rcode) {
	case DNS_RCODE_NOERROR:
		count(e, ANSWER_CNT_noerror);
		return;
	case DNS_RCODE_FORMERR:
		count(e, ANSWER_CNT_formerr);
		return;
	case DNS_RCODE_SERVFAIL:
		count(e, ANSWER_CNT_servfail);
		return;
	case DNS_RCODE_NXDOMAIN:
		count(e, ANSWER_CNT_nxdomain);
		return;
	case DNS_RCODE_NOTIMP:
		count(e, ANSWER_CNT_notimp);
		return;
	case DNS_RCODE_REFUSED:
		count(e, ANSWER_CNT_refused);
		return;
	case DNS_RCODE_YXDOMAIN:
		count(e, ANSWER_CNT_yxdomain);
		return;
	case DNS_RCODE_NOTAUTH:
		count(e, ANSWER_CNT_notauth);
		return;
	case DNS_RCODE_BADVERS:
		count(e, ANSWER_CNT_badvers);
		return;
	case DNS_RCODE_BADCOOKIE:
		return;
	}
}

static void count_notes(struct answer_engine *e, unsigned notes)
{
	if ((notes & RESOLVE_NODATA) != 0)
		count(e, ANSWER_CNT_nodata);
	if ((notes & RESOLVE_REFERRAL) != 0)
		count(e, ANSWER_CNT_referral);
	if ((notes & RESOLVE_WILDCARD) != 0)
		count(e, ANSWER_CNT_wildcard);
	if ((notes & RESOLVE_CHAIN_CUT) != 0)
		count(e, ANSWER_CNT_cname_limit);
}

/* Octets that the response may have: RFC 6891 6.2.5 over UDP, RFC 1035 4.2.2 over TCP. */
static uint32_t reply_limit(const struct answer_engine *e, const struct work *w)
{
	const struct answer_job *job = w->job;
	uint32_t limit = DNS_MSG_MAX;

	if (job->transport == ANSWER_UDP) {
		limit = w->query.payload;
		if (limit > e->config->udp_payload_max)
			limit = e->config->udp_payload_max;
	}
	return limit < job->cap ? limit : job->cap;
}

static void reply_start(const struct answer_engine *e, const struct work *w, struct reply *r)
{
	reply_init(r, &w->query, w->job->msg, reply_limit(e, w));
}

static void reply_send(struct answer_engine *e, struct work *w, struct reply *r)
{
	w->job->len = (uint32_t)reply_finish(r, e->config->udp_payload_max);
	w->job->verdict = ANSWER_SEND;
	count_rcode(e, r->rcode);
	if (r->truncated)
		count(e, ANSWER_CNT_truncated);
}

static void send_error(struct answer_engine *e, struct work *w, enum dns_rcode rcode)
{
	struct reply r;

	reply_start(e, w, &r);
	r.rcode = (uint16_t)rcode;
	reply_send(e, w, &r);
}

static void send_error_ede(struct answer_engine *e, struct work *w, enum dns_rcode rcode, enum dns_ede ede,
			   const char *text)
{
	struct reply r;

	reply_start(e, w, &r);
	reply_error_ede(&r, rcode, ede, text);
	reply_send(e, w, &r);
}

/*
 * RFC 8945 5.2.1 for a server that has no key: NOTAUTH with a TSIG of error BADKEY and no MAC. The parts that come from
 * the request are copied aside first, for the response is written over them.
 */
static void send_bad_key(struct answer_engine *e, struct work *w)
{
	const struct query *q = &w->query;
	const uint8_t *msg = w->job->msg;
	const uint8_t *times = msg + q->tsig_algorithm_at + q->tsig_algorithm_len;
	uint8_t record[2 * NAME_LEN_MAX + 10 + 16];
	struct wire_out out = wire_out_init(record, sizeof(record));
	struct reply r;

	wire_put_bytes(&out, msg + q->tsig_at, q->tsig_name_len);
	wire_put16(&out, DNS_TYPE_TSIG);
	wire_put16(&out, DNS_CLASS_ANY);
	wire_put32(&out, 0);
	wire_put16(&out, (uint16_t)(q->tsig_algorithm_len + 16));
	wire_put_bytes(&out, msg + q->tsig_algorithm_at, q->tsig_algorithm_len);
	wire_put_bytes(&out, times, 6 + 2); /* time signed, fudge */
	wire_put16(&out, 0);		    /* MAC size */
	wire_put_bytes(&out, msg, 2);	    /* original id */
	wire_put16(&out, TSIG_ERROR_BADKEY);
	wire_put16(&out, 0); /* other data */
	reply_start(e, w, &r);
	r.rcode = DNS_RCODE_NOTAUTH;
	r.tsig = record;
	r.tsig_len = (uint16_t)wire_out_len(&out);
	reply_send(e, w, &r);
}

static void send_chaos(struct answer_engine *e, struct work *w)
{
	struct reply r;

	reply_start(e, w, &r);
	chaos_answer(&r, e->config);
	reply_send(e, w, &r);
}

/*
 * Classes other than IN. ANY asks for all classes at once, and IN is all we have (RFC 1035 3.2.5); resolve_answer sees
 * to it that the answer does not claim authority. False: answered here.
 */
static bool class_is_served(struct answer_engine *e, struct work *w)
{
	switch (w->query.class) {
	case DNS_CLASS_IN:
	case DNS_CLASS_ANY:
		return true;
	case DNS_CLASS_CH:
		send_chaos(e, w);
		return false;
	}
	send_error_ede(e, w, DNS_RCODE_REFUSED, DNS_EDE_NOT_SUPPORTED, "Class is not served");
	return false;
}

/*
 * Types that no zone holds. False: answered here. Meta types that we do not know are looked up as any other and not
 * found: a new type must not need a new server (RFC 3597, RFC 8906 3.1.1).
 */
static bool type_is_served(struct answer_engine *e, struct work *w)
{
	bool datagram = w->job->transport == ANSWER_UDP;

	switch (w->query.type) {
	case DNS_TYPE_OPT:
	case DNS_TYPE_TSIG:
	case DNS_TYPE_TKEY:   /* records of the additional section, not of a name */
	case DNS_TYPE_NXNAME: /* RFC 9824 3.4 */
		send_error(e, w, DNS_RCODE_FORMERR);
		return false;
	case DNS_TYPE_MAILA:
	case DNS_TYPE_MAILB: /* obsolete, RFC 1035 3.2.3 and RFC 6895 3.1 */
		send_error(e, w, DNS_RCODE_NOTIMP);
		return false;
	case DNS_TYPE_AXFR:
		if (datagram) /* RFC 5936 4.2: not defined there */
			send_error(e, w, DNS_RCODE_NOTIMP);
		else
			w->job->verdict = ANSWER_TRANSFER;
		return false;
	case DNS_TYPE_IXFR:
		/* RFC 1995 4: the SOA alone tells the client to come back over TCP. */
		if (datagram)
			w->query.type = DNS_TYPE_SOA;
		else
			w->job->verdict = ANSWER_TRANSFER;
		return datagram;
	}
	return true;
}

/* A well-formed question. True: a zone has to be found for it. */
static bool classify(struct answer_engine *e, struct work *w)
{
	const struct query *q = &w->query;

	if (q->edns_version != 0) {
		send_error(e, w, DNS_RCODE_BADVERS); /* RFC 6891 6.1.3 */
		return false;
	}
	/* Common types lie below all meta types but OPT; RRSIG and most others need no second look either. */
	if (q->class == DNS_CLASS_IN && q->type < DNS_TYPE_NXNAME && q->type != DNS_TYPE_OPT && !q->has_tsig)
		return true;
	if (q->has_tsig &&
	    (w->job->transport == ANSWER_UDP || (q->type != DNS_TYPE_AXFR && q->type != DNS_TYPE_IXFR))) {
		send_bad_key(e, w);
		return false;
	}
	return class_is_served(e, w) && type_is_served(e, w);
}

/* Stage 2 for one request. True: a zone has to be found for it. */
static bool read_request(struct answer_engine *e, struct work *w)
{
	struct answer_job *job = w->job;

	count(e, ANSWER_CNT_queries_udp + job->transport);
	job->verdict = ANSWER_DROP;
	switch (query_parse(job->msg, job->len, &w->query)) {
	case QUERY_OK:
		break;
	case QUERY_SHORT:
		count(e, ANSWER_CNT_drop_short);
		return false;
	case QUERY_RESPONSE:
		count(e, ANSWER_CNT_drop_response);
		return false;
	case QUERY_NOTIFY:
		job->verdict = ANSWER_NOTIFY;
		count(e, ANSWER_CNT_notify);
		return false;
	case QUERY_NOTIMP:
		send_error(e, w, DNS_RCODE_NOTIMP);
		return false;
	case QUERY_FORMERR:
		send_error(e, w, DNS_RCODE_FORMERR);
		return false;
	}
	if (!classify(e, w))
		return false;
	if (w == e->work)
		name_hash_labels(w->query.name, e->key, &w->query.labels);
	else
		name_hash_like(w->query.name, e->key, &w->query.labels, w[-1].query.name,
			       &w[-1].query.labels);
	w->find.first_label = resolve_first_label(w->query.type, &w->query.labels);
	return true;
}

/* Stage 3 for one request. True: a name has to be looked up for it. */
static bool take_zone(struct answer_engine *e, struct work *w)
{
	struct zonetab_find *find = &w->find;

	resolve_find_rest(&e->resolver, find);
	if (find->slot == ZONETAB_SLOT_NONE) {
		send_error_ede(e, w, DNS_RCODE_REFUSED, DNS_EDE_NOT_AUTHORITATIVE, "");
		return false;
	}
	if (find->snap != NULL) {
		w->step.lookup.snap = find->snap;
		w->step.lookup.apex_label = find->apex_label;
		return true;
	}
	switch ((enum zone_marker)find->marker) {
	case ZONE_NOT_LOADED:
		count(e, ANSWER_CNT_servfail_not_loaded);
		send_error_ede(e, w, DNS_RCODE_SERVFAIL, DNS_EDE_NOT_READY,
			       "Zone has not been transferred yet");
		break;
	case ZONE_EXPIRED:
		count(e, ANSWER_CNT_servfail_expired);
		send_error_ede(e, w, DNS_RCODE_SERVFAIL, DNS_EDE_INVALID_DATA, "Zone has expired");
		break;
	}
	return false;
}

/*
 * The most frequent answer of all: an address set at a name that exists, asked for without options. Its body was laid
 * out for just this place behind the question, and its OPT is always the same, so both are copied as they lie; the
 * header is two stores. False: not one of those, or it does not fit; nothing was done then.
 */
static bool write_plain(struct answer_engine *e, struct work *w)
{
	const struct lookup *l = &w->step.lookup;
	const struct query *q = &w->query;
	unsigned opt_len = q->has_opt ? OPT_BARE_LEN : 0;
	unsigned at = DNS_HEADER_LEN + q->question_len;
	uint8_t *msg = w->job->msg;
	struct rrset set;
	size_t len;

	if (l->kind != LOOKUP_EXACT || (q->type != DNS_TYPE_A && q->type != DNS_TYPE_AAAA) ||
	    q->class != DNS_CLASS_IN || q->options_len > 0 || !entry_set(l->snap, l->entry, q->type, &set))
		return false;
	len = set.len + (q->dnssec_ok ? set.sig_len : 0);
	if (at + len + opt_len > reply_limit(e, w) || set.reloc_cnt > 0)
		return false;
	memcpy(msg + at, set.body, len);
	if (opt_len > 0)
		memcpy(msg + at + len, e->opt[q->dnssec_ok], OPT_BARE_LEN); /* of constant length: two moves */
	msg[2] = DNS_FLAG_QR >> 8 | DNS_FLAG_AA >> 8 | (msg[2] & DNS_FLAG_RD >> 8);
	msg[3] = DNS_RCODE_NOERROR;
	wire_store16(msg + 6, (uint16_t)(set.cnt + (q->dnssec_ok ? set.sig_cnt : 0)));
	wire_store16(msg + 10, q->has_opt);
	w->job->len = (uint32_t)(at + len + opt_len);
	w->job->verdict = ANSWER_SEND;
	count(e, ANSWER_CNT_noerror);
	return true;
}

/* Stage 4 for one request. */
static void write_answer(struct answer_engine *e, struct work *w)
{
	struct reply r;
	unsigned notes;

	if (write_plain(e, w))
		return;
	reply_start(e, w, &r);
	notes = resolve_answer(&e->resolver, &r, &w->step, w->job->transport != ANSWER_UDP);
	if (notes != 0)
		count_notes(e, notes);
	reply_send(e, w, &r);
}

void answer_burst(struct answer_engine *e, struct answer_job *const jobs[], unsigned cnt)
{
	struct lookup *lookups[ANSWER_BURST_MAX];
	struct work *todo[ANSWER_BURST_MAX];
	unsigned find_cnt = 0, lookup_cnt = 0;

	/* A request that was answered at once leaves its place to the next one. */
	for (unsigned i = 0; i < cnt; i++) {
		struct work *w = &e->work[find_cnt];

		w->job = jobs[i];
		if (read_request(e, w))
			find_cnt++;
	}
	if (find_cnt == 0)
		return;
	zonetab_find_burst(e->zones, e->finds, find_cnt);
	for (unsigned i = 0; i < find_cnt; i++) {
		struct work *w = &e->work[i];

		if (!take_zone(e, w))
			continue;
		todo[lookup_cnt] = w;
		lookups[lookup_cnt++] = &w->step.lookup;
	}
	lookup_burst(lookups, lookup_cnt);
	for (unsigned i = 0; i < lookup_cnt; i++)
		write_answer(e, todo[i]);
}
