/*
 * The burst pipeline of DESIGN section 5, stages 2 to 4: read every request and hash its name, find every zone, look
 * up every name, write every answer. Requests that need no zone are answered in the first stage.
 *
 * trace.c compiles this file a second time, with a clock where ENGINE_STAGE_DONE stands; here nothing stands there.
 *
 * Hot path: no malloc, lock, log, system call, division by a variable or shared write.
 */
#include "dataplane/answer/answer.h"

#include "dataplane/answer/chaos.h"
#include "dataplane/answer/engine.h"
#include "dataplane/answer/rrl_usual.h"
#include "dataplane/answer/usual.h"

#ifndef ENGINE_STAGE_DONE
#define ENGINE_STAGE_DONE(stage, burst)
#define ENGINE_REPLY_DONE(reply)
#endif

#define TSIG_ERROR_BADKEY 17 /* RFC 8945 3 */

static void count_rcode(struct answer_engine *e, uint16_t rcode)
{
	switch ((enum dns_rcode)rcode) {
	case DNS_RCODE_NOERROR:
		engine_count(e, ANSWER_CNT_noerror);
		return;
	case DNS_RCODE_FORMERR:
		engine_count(e, ANSWER_CNT_formerr);
		return;
	case DNS_RCODE_SERVFAIL:
		engine_count(e, ANSWER_CNT_servfail);
		return;
	case DNS_RCODE_NXDOMAIN:
		engine_count(e, ANSWER_CNT_nxdomain);
		return;
	case DNS_RCODE_NOTIMP:
		engine_count(e, ANSWER_CNT_notimp);
		return;
	case DNS_RCODE_REFUSED:
		engine_count(e, ANSWER_CNT_refused);
		return;
	case DNS_RCODE_YXDOMAIN:
		engine_count(e, ANSWER_CNT_yxdomain);
		return;
	case DNS_RCODE_NOTAUTH:
		engine_count(e, ANSWER_CNT_notauth);
		return;
	case DNS_RCODE_BADVERS:
		engine_count(e, ANSWER_CNT_badvers);
		return;
	case DNS_RCODE_BADCOOKIE:
		engine_count(e, ANSWER_CNT_badcookie);
		return;
	}
}

static void count_notes(struct answer_engine *e, unsigned notes)
{
	if ((notes & RESOLVE_NODATA) != 0)
		engine_count(e, ANSWER_CNT_nodata);
	if ((notes & RESOLVE_REFERRAL) != 0)
		engine_count(e, ANSWER_CNT_referral);
	if ((notes & RESOLVE_WILDCARD) != 0)
		engine_count(e, ANSWER_CNT_wildcard);
	if ((notes & RESOLVE_CHAIN_CUT) != 0)
		engine_count(e, ANSWER_CNT_cname_limit);
}

/* zone: what the answer comes from; NULL: none, or none that has content. */
static void put_options(struct answer_engine *e, const struct work *w, struct reply *r,
			const struct edns_zone *zone)
{
	uint32_t room = reply_options_room(r);

	r->padded = w->edns.padding;
	if (room > sizeof(e->options))
		room = sizeof(e->options);
	reply_set_options(r, e->options,
			  edns_write(&e->config->edns, &w->query, &w->edns, zone, e->options, room));
}

static void reply_start(struct answer_engine *e, const struct work *w, struct reply *r)
{
	reply_init(r, &w->query, w->job->msg, engine_reply_limit(e, w));
	if (w->has_edns)
		put_options(e, w, r, NULL);
}

static enum rrl_class rrl_class_of(const struct reply *r)
{
	if (r->rcode == DNS_RCODE_NXDOMAIN)
		return RRL_NXDOMAIN;
	if (r->rcode != DNS_RCODE_NOERROR)
		return RRL_ERROR;
	if (r->cnt[REPLY_ANSWER] > 0)
		return RRL_ANSWER;
	return r->authoritative ? RRL_NODATA : RRL_REFERRAL;
}

/* A response with TC and nothing else, whatever it would have been: over TCP the client gets the true one. */
static void send_slip(struct answer_engine *e, struct work *w)
{
	struct reply r;

	/* Where the usual answer is written already, RD still is what it was, and any size is enough for this response. */
	usual_complete(w);
	reply_start(e, w, &r);
	r.truncated = true;
	w->job->len = (uint32_t)reply_finish(&r, answer_udp_payload(e->config, w->job->family));
	w->job->verdict = ANSWER_SEND;
	engine_count(e, ANSWER_CNT_truncated);
}

/* Does what is to happen to a response for its rate. True: it is not sent. */
static __attribute__((noinline)) bool rate_handle(struct answer_engine *e, struct work *w,
						  enum rrl_verdict verdict)
{
	engine_count_rate(e, verdict);
	if (verdict == RRL_SLIP)
		send_slip(e, w);
	else if (verdict == RRL_DROP)
		w->job->verdict = ANSWER_DROP;
	return verdict == RRL_SLIP || verdict == RRL_DROP;
}

/* Whether a response of the class is over the limit of its client. If so, what is to happen has been done. */
static inline bool rate_limited(struct answer_engine *e, struct work *w, enum rrl_class class)
{
	const struct answer_job *job = w->job;
	enum rrl_verdict verdict;

	if (job->transport != ANSWER_UDP || (w->has_edns && w->edns.cookie == COOKIE_GOOD))
		return false;
	if (rrl_passes(e->rrl, &w->rrl, job->family, class, e->now.monotonic_us) || e->trusts)
		return false;
	verdict = rrl_decide(e->rrl, &w->rrl, job->family, job->client, class, e->now.monotonic_us);
	return verdict != RRL_PASS && rate_handle(e, w, verdict);
}

/* False: over the rate limit. */
static bool reply_send(struct answer_engine *e, struct work *w, struct reply *r)
{
	ENGINE_REPLY_DONE(r);
	if (e->rrl != NULL && rate_limited(e, w, rrl_class_of(r)))
		return false;
	w->job->len = (uint32_t)reply_finish(r, answer_udp_payload(e->config, w->job->family));
	w->job->verdict = ANSWER_SEND;
	count_rcode(e, r->rcode);
	if (r->truncated)
		engine_count(e, ANSWER_CNT_truncated);
	return true;
}

static void send_error(struct answer_engine *e, struct work *w, enum dns_rcode rcode)
{
	struct reply r;

	reply_start(e, w, &r);
	r.rcode = (uint16_t)rcode;
	reply_send(e, w, &r);
}

/* The same to what was not read to its end: mostly without OPT, and it must cost less than what is good. */
static void send_malformed(struct answer_engine *e, struct work *w, enum dns_rcode rcode)
{
	if (w->query.has_opt) {
		send_error(e, w, rcode);
		return;
	}
	if (e->rrl != NULL && rate_limited(e, w, RRL_ERROR))
		return;
	w->job->len = reply_bare(&w->query, w->job->msg, rcode);
	w->job->verdict = ANSWER_SEND;
	count_rcode(e, (uint16_t)rcode);
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

static void count_cookie(struct answer_engine *e, uint8_t verdict)
{
	switch ((enum cookie_verdict)verdict) {
	case COOKIE_CLIENT_ONLY:
		engine_count(e, ANSWER_CNT_cookie_client);
		return;
	case COOKIE_BAD:
		engine_count(e, ANSWER_CNT_cookie_bad);
		return;
	case COOKIE_GOOD:
		engine_count(e, ANSWER_CNT_cookie_good);
		return;
	case COOKIE_NONE:
	case COOKIE_MALFORMED:
		return;
	}
}

/* Reads options that are to be answered. False: one of them was wrong and is answered. */
static bool options_are_served(struct answer_engine *e, struct work *w)
{
	const struct edns_config *config = &e->config->edns;
	const struct answer_job *job = w->job;
	struct edns_client client = {.addr = job->client,
				     .addr_len = job->family == 4 ? 4 : 16,
				     .datagram = job->transport == ANSWER_UDP,
				     .encrypted = job->transport == ANSWER_TLS,
				     .now_s = e->now.wall_s};

	if (!edns_read(config, &w->query, job->msg, &client, &w->edns)) {
		send_error(e, w, DNS_RCODE_FORMERR);
		return false;
	}
	w->has_edns = true;
	count_cookie(e, w->edns.cookie);
	/* RFC 7873 5.2.3 and 5.2.4: the response brings what to ask again with. Over TCP the address is no doubt. */
	if (config->cookie.demand && client.datagram &&
	    (w->edns.cookie == COOKIE_CLIENT_ONLY || w->edns.cookie == COOKIE_BAD)) {
		send_error(e, w, DNS_RCODE_BADCOOKIE);
		return false;
	}
	return true;
}

/* RFC 7873 5.4: a request without question is for a cookie. */
static void send_cookie(struct answer_engine *e, struct work *w)
{
	if (e->config->edns.cookie.secret_cnt == 0)
		send_error(e, w, DNS_RCODE_FORMERR);
	else if (w->query.edns_version != 0)
		send_error(e, w, DNS_RCODE_BADVERS);
	else if (options_are_served(e, w))
		send_error(e, w, w->edns.cookie == COOKIE_BAD ? DNS_RCODE_BADCOOKIE : DNS_RCODE_NOERROR);
}

/*
 * A signed question over UDP is the control loop's, which has the keys, whatever it asks: RFC 8945 5.2.1 has BADKEY for
 * unknown keys alone. Before all that could be wrong with its options, for an error is to be signed as well (5.3). Whoever
 * wants the control loop to check a MAC can leave options out, so that no cookie is asked for here costs nothing.
 */
static bool leaves_to_keys(struct answer_engine *e, struct work *w)
{
	if (!e->config->has_keys || w->job->transport != ANSWER_UDP)
		return false;
	w->job->verdict = ANSWER_NOTIFY;
	engine_count(e, ANSWER_CNT_notify);
	return true;
}

/* A well-formed question. True: a zone has to be found for it. */
static bool classify(struct answer_engine *e, struct work *w)
{
	const struct query *q = &w->query;

	if (q->has_tsig && leaves_to_keys(e, w))
		return false;
	if (q->edns_version != 0) {
		send_error(e, w, DNS_RCODE_BADVERS); /* RFC 6891 6.1.3 */
		return false;
	}
	if (((q->options | q->has_opt) & e->edns_wanted) != 0 && !options_are_served(e, w))
		return false;
	/* Common types lie below all meta types but OPT; RRSIG and most others need no second look either. */
	if (q->usual && q->type < DNS_TYPE_NXNAME && q->type != DNS_TYPE_OPT)
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

	job->verdict = ANSWER_DROP;
	w->brief = false;
	w->has_edns = false;
	switch (query_parse(job->msg, job->len, &w->query)) {
	case QUERY_OK:
		break;
	case QUERY_SHORT:
		engine_count(e, ANSWER_CNT_drop_short);
		return false;
	case QUERY_RESPONSE:
		engine_count(e, ANSWER_CNT_drop_response);
		return false;
	case QUERY_NOTIFY:
		job->verdict = ANSWER_NOTIFY;
		engine_count(e, ANSWER_CNT_notify);
		return false;
	case QUERY_NOTIMP:
		send_malformed(e, w, DNS_RCODE_NOTIMP);
		return false;
	case QUERY_EMPTY:
		send_cookie(e, w);
		return false;
	case QUERY_FORMERR:
		send_malformed(e, w, DNS_RCODE_FORMERR);
		return false;
	}
	if (!classify(e, w))
		return false;
	w->plain = w->query.usual && !w->has_edns;
	return true;
}

/* The rest of stage 2 for one request: what is for the zone of late is hashed below its apex only, and has its zone. */
static void hash_name(const struct answer_engine *e, struct burst *b, struct work *w)
{
	struct query *q = &w->query;

	b->dnssec_ok |= q->dnssec_ok;
	if (q->type != DNS_TYPE_DS && zonetab_find_recent(&b->recent, &w->find)) {
		engine_look_up(b, w, b->recent.snap, w->find.apex_label);
		return;
	}
	name_hash_labels(q->name, e->key, &q->labels);
	w->find.first_label = resolve_first_label(q->type, &q->labels);
	b->finding[b->find_cnt] = w;
	b->finds[b->find_cnt++] = &w->find;
}

/* Stage 3 for one request whose zone was looked for. */
static void take_zone(struct answer_engine *e, struct burst *b, struct work *w)
{
	struct zonetab_find *find = &w->find;

	resolve_find_rest(&e->resolver, find);
	if (find->slot == ZONETAB_SLOT_NONE) {
		send_error_ede(e, w, DNS_RCODE_REFUSED, DNS_EDE_NOT_AUTHORITATIVE, "");
		return;
	}
	if (find->acl != NULL && !acl_allows(find->acl, w->job->family, w->job->client)) {
		engine_count(e, ANSWER_CNT_refused_acl);
		send_error_ede(e, w, DNS_RCODE_REFUSED, DNS_EDE_PROHIBITED, "");
		return;
	}
	if (find->snap != NULL) {
		engine_look_up(b, w, find->snap, find->apex_label);
		return;
	}
	switch ((enum zone_marker)find->marker) {
	case ZONE_NOT_LOADED:
		engine_count(e, ANSWER_CNT_servfail_not_loaded);
		send_error_ede(e, w, DNS_RCODE_SERVFAIL, DNS_EDE_NOT_READY,
			       "Zone has not been transferred yet");
		break;
	case ZONE_EXPIRED:
		engine_count(e, ANSWER_CNT_servfail_expired);
		send_error_ede(e, w, DNS_RCODE_SERVFAIL, DNS_EDE_INVALID_DATA, "Zone has expired");
		break;
	}
}

/* The options of an answer that comes from a zone with content. */
static void put_zone_options(struct answer_engine *e, const struct work *w, struct reply *r)
{
	const struct lookup *l = &w->step.lookup;
	uint32_t now_s = (uint32_t)(e->now.monotonic_us / 1000000);
	uint32_t expire_s = w->edns.expire ? zonetab_expire(e->zones, w->find.slot) : 0;
	struct edns_zone zone = {
		.serial = snapshot_serial(l->snap),
		.label_cnt = (uint8_t)snapshot_apex_label_cnt(l->snap),
		/* RFC 7314 2: only about a zone that was named, and by asking for its SOA. */
		.has_expire = expire_s != 0 && l->apex_label == 0 && w->query.type == DNS_TYPE_SOA,
		.expire_s = expire_s > now_s ? expire_s - now_s : 0,
	};

	put_options(e, w, r, &zone);
}

/* Asks for what proofs will need; only a burst in which somebody wants proofs comes here. */
static void prepare_denials(struct burst *b)
{
	const struct lookup *names[ANSWER_BURST_MAX];
	struct denial_next *next[ANSWER_BURST_MAX];
	unsigned cnt = 0;

	for (unsigned i = 0; i < b->lookup_cnt; i++) {
		struct work *w = lookup_work(b->lookups[i]);

		w->step.prepared = w->query.dnssec_ok && denial_needs_next(b->lookups[i]);
		names[cnt] = b->lookups[i];
		next[cnt] = &w->step.next;
		cnt += w->step.prepared;
	}
	denial_prepare(names, next, cnt);
}

/* Stage 4 for a name error below an encloser that others of late were below. False: it is to be answered in general. */
static bool write_denial(struct answer_engine *e, struct burst *b, struct work *w)
{
	const struct lookup *l = &w->step.lookup;
	const struct denial_ready *ready = denial_ready_find(&e->ready, l);
	struct denial next;

	if (ready == NULL || !snapshot_nsec3_take(l->snap, w->step.next.hash, w->step.next.entry, &next) ||
	    next.exact || !usual_write_denial(e, w, ready, &next))
		return false;
	/* Over the limit what was written is not sent, or a truncated response in its place. */
	b->denial_cnt += e->rrl == NULL || !rate_limited(e, w, RRL_NXDOMAIN);
	return true;
}

/* Stage 4 for one request. */
static void write_answer(struct answer_engine *e, struct burst *b, struct work *w)
{
	struct reply r;
	unsigned notes;

	if (usual_asks_address(w) && usual_write_set(e, w)) {
		/* Over the limit what was written is not sent, or a truncated response in its place. */
		b->usual_cnt += e->rrl == NULL || !rate_limited(e, w, RRL_ANSWER);
		return;
	}
	if (usual_asks_denial(w) && write_denial(e, b, w))
		return;
	usual_complete(w);
	w->step.prepared &= w->query.dnssec_ok;
	reply_init(&r, &w->query, w->job->msg, engine_reply_limit(e, w));
	if (w->has_edns)
		put_zone_options(e, w, &r);
	e->resolver.client = w->job->client;
	e->resolver.family = w->job->family;
	notes = resolve_answer(&e->resolver, &r, &w->step, w->job->transport != ANSWER_UDP);
	if (reply_send(e, w, &r) && notes != 0)
		count_notes(e, notes);
}

static void count_burst(struct answer_engine *e, const struct burst *b)
{
	for (unsigned transport = 0; transport <= ANSWER_TLS; transport++)
		engine_count_by(e, ANSWER_CNT_queries_udp + transport, b->query_cnt[transport]);
	engine_count_by(e, ANSWER_CNT_noerror, b->usual_cnt);
	engine_count_by(e, ANSWER_CNT_nxdomain, b->denial_cnt);
}

void answer_burst(struct answer_engine *e, struct answer_job *const jobs[], unsigned cnt)
{
	struct work *w = e->work;
	struct burst b;

	b.find_cnt = 0;
	b.lookup_cnt = 0;
	b.usual_cnt = 0;
	b.denial_cnt = 0;
	b.usual_ar_max = (e->edns_wanted & 1) == 0;
	b.dnssec_ok = false;
	memset(b.query_cnt, 0, sizeof(b.query_cnt));
	zonetab_recall(e->zones, e->zone, &b.recent);
	/* A request that was answered at once leaves its place to the next one. */
	for (unsigned i = 0; i < cnt; i++) {
		struct answer_job *job = jobs[i];

		w->job = job;
		b.query_cnt[job->transport]++;
		if (e->rrl != NULL && job->transport == ANSWER_UDP)
			rrl_prepare_usual(e->rrl, job->family, job->client, &w->rrl);
		if (usual_read(&b, w, job))
			w++;
		else if (read_request(e, w))
			hash_name(e, &b, w++);
	}
	usual_hash(&b);
	ENGINE_STAGE_DONE(read, &b);
	if (b.find_cnt > 0) {
		zonetab_find_burst(e->zones, b.finds, b.find_cnt);
		e->zone = b.finds[b.find_cnt - 1]->slot;
		for (unsigned i = 0; i < b.find_cnt; i++)
			take_zone(e, &b, b.finding[i]);
	}
	ENGINE_STAGE_DONE(zone, &b);
	if (b.lookup_cnt > 0)
		lookup_burst(b.lookups, b.lookup_cnt);
	ENGINE_STAGE_DONE(lookup, &b);
	if (b.dnssec_ok)
		prepare_denials(&b);
	ENGINE_STAGE_DONE(proof, &b);
	for (unsigned i = 0; i < b.lookup_cnt; i++)
		write_answer(e, &b, lookup_work(b.lookups[i]));
	count_burst(e, &b);
	ENGINE_STAGE_DONE(write, &b);
}
