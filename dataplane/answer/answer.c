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
	struct rrl_key rrl;
	bool has_edns; /* edns holds options that are to be answered */
	struct edns_request edns;
};

struct answer_engine {
	const struct zonetab *zones;
	const struct answer_config *config;
	uint64_t key;
	uint8_t opt[2][OPT_BARE_LEN]; /* without and with DO */
	uint32_t edns_wanted;
	uint32_t edns_always; /* 1: a response with OPT always has options */
	struct rrl *rrl;      /* NULL: no limits */
	struct answer_time now;
	const struct answer_config *offered; /* control writes, the owner reads; NULL: never offered */
	uint8_t options[EDNS_OPTIONS_MAX];   /* of the response in work */
	uint64_t cnt[ANSWER_COUNTER_CNT];    /* written by the owner, read by anyone, relaxed */
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
	e->edns_wanted = edns_wanted(&config->edns);
	e->edns_always = e->edns_wanted & 1;
	if (e->rrl != NULL)
		rrl_set_config(e->rrl, &config->rrl);
}

/* The table's key is the secret there is; limits must not share their hashes with names, whose places can be timed. */
static struct rrl *make_rrl(const struct answer_config *config, uint64_t secret)
{
	const uint64_t key[2] = {(secret ^ secret >> 29) * UINT64_C(0xbf58476d1ce4e5b9),
				 (secret ^ secret >> 31) * UINT64_C(0x94d049bb133111eb)};

	return rrl_new(&config->rrl, key);
}

struct answer_engine *answer_engine_new(const struct zonetab *zones, const struct answer_config *config)
{
	struct answer_engine *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->zones = zones;
	e->key = zonetab_key(zones);
	if (config->rrl.rate > 0) {
		e->rrl = make_rrl(config, e->key);
		if (e->rrl == NULL) {
			free(e);
			return NULL;
		}
	}
	set_config(e, config);
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
	if (e == NULL)
		return;
	rrl_free(e->rrl);
	free(e);
}

void answer_engine_set_config(struct answer_engine *e, const struct answer_config *config)
{
	set_config(e, config);
}

void answer_engine_offer_config(struct answer_engine *e, const struct answer_config *config)
{
	/* Pairs with the acquire in answer_engine_set_time: who sees the pointer sees what it leads to. */
	__atomic_store_n(&e->offered, config, __ATOMIC_RELEASE); // COMMIT
}

void answer_engine_set_time(struct answer_engine *e, const struct answer_time *now)
{
	const struct answer_config *offered = __atomic_load_n(&e->offered, __ATOMIC_ACQUIRE);

	e->now = *now;
	if (offered != NULL && offered != e->config)
		set_config(e, offered);
}

unsigned answer_offenders(const struct answer_engine *e, struct rrl_offender out[RRL_OFFENDERS_MAX])
{
	return e->rrl == NULL ? 0 : rrl_offenders(e->rrl, out);
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
		count(e, ANSWER_CNT_badcookie);
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
	reply_init(r, &w->query, w->job->msg, reply_limit(e, w));
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

	reply_start(e, w, &r);
	r.truncated = true;
	w->job->len = (uint32_t)reply_finish(&r, e->config->udp_payload_max);
	w->job->verdict = ANSWER_SEND;
	count(e, ANSWER_CNT_truncated);
}

/* Whether a response of the class is over the limit of its client. If so, what is to happen has been done. */
static bool rate_limited(struct answer_engine *e, struct work *w, enum rrl_class class)
{
	const struct answer_job *job = w->job;

	if (job->transport != ANSWER_UDP || (w->has_edns && w->edns.cookie == COOKIE_GOOD))
		return false;
	switch (rrl_decide(e->rrl, &w->rrl, job->family, job->client, class, e->now.monotonic_us)) {
	case RRL_PASS:
		return false;
	case RRL_PASS_ALLOWED:
		count(e, ANSWER_CNT_rate_allowed);
		return false;
	case RRL_PASS_DRY_RUN:
		count(e, ANSWER_CNT_rate_dry_run);
		return false;
	case RRL_SLIP:
		count(e, ANSWER_CNT_rate_slipped);
		send_slip(e, w);
		return true;
	case RRL_DROP:
		count(e, ANSWER_CNT_rate_dropped);
		w->job->verdict = ANSWER_DROP;
		return true;
	}
	return false;
}

/* False: over the rate limit. */
static bool reply_send(struct answer_engine *e, struct work *w, struct reply *r)
{
	if (e->rrl != NULL && rate_limited(e, w, rrl_class_of(r)))
		return false;
	w->job->len = (uint32_t)reply_finish(r, e->config->udp_payload_max);
	w->job->verdict = ANSWER_SEND;
	count_rcode(e, r->rcode);
	if (r->truncated)
		count(e, ANSWER_CNT_truncated);
	return true;
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

static void count_cookie(struct answer_engine *e, uint8_t verdict)
{
	switch ((enum cookie_verdict)verdict) {
	case COOKIE_CLIENT_ONLY:
		count(e, ANSWER_CNT_cookie_client);
		return;
	case COOKIE_BAD:
		count(e, ANSWER_CNT_cookie_bad);
		return;
	case COOKIE_GOOD:
		count(e, ANSWER_CNT_cookie_good);
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

/* A well-formed question. True: a zone has to be found for it. */
static bool classify(struct answer_engine *e, struct work *w)
{
	const struct query *q = &w->query;

	if (q->edns_version != 0) {
		send_error(e, w, DNS_RCODE_BADVERS); /* RFC 6891 6.1.3 */
		return false;
	}
	if (((q->options | q->has_opt) & e->edns_wanted) != 0 && !options_are_served(e, w))
		return false;
	/* Common types lie below all meta types but OPT; RRSIG and most others need no second look either. */
	if (q->class == DNS_CLASS_IN && q->type < DNS_TYPE_NXNAME && q->type != DNS_TYPE_OPT && !q->has_tsig)
		return true;
	if (q->has_tsig && e->config->has_keys && w->job->transport == ANSWER_UDP &&
	    (q->type == DNS_TYPE_SOA || q->type == DNS_TYPE_IXFR)) {
		w->job->verdict = ANSWER_NOTIFY; /* as secondaries ask; the keys are the control loop's */
		count(e, ANSWER_CNT_notify);
		return false;
	}
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
	w->has_edns = false;
	if (e->rrl != NULL && job->transport == ANSWER_UDP)
		rrl_prepare(e->rrl, job->family, job->client, &w->rrl);
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
	case QUERY_EMPTY:
		send_cookie(e, w);
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
	if (find->acl != NULL && !acl_allows(find->acl, w->job->family, w->job->client)) {
		count(e, ANSWER_CNT_refused_acl);
		send_error_ede(e, w, DNS_RCODE_REFUSED, DNS_EDE_PROHIBITED, "");
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
	    q->class != DNS_CLASS_IN || (q->options_len | (q->has_opt & e->edns_always)) != 0 ||
	    !entry_set(l->snap, l->entry, q->type, &set))
		return false;
	len = set.len + (q->dnssec_ok ? set.sig_len : 0);
	if (at + len + opt_len > reply_limit(e, w) || set.reloc_cnt > 0)
		return false;
	if (e->rrl != NULL && rate_limited(e, w, RRL_ANSWER))
		return true;
	memcpy(msg + at, set.body, len);
	if (opt_len > 0)
		memcpy(msg + at + len, e->opt[q->dnssec_ok],
		       OPT_BARE_LEN); /* of constant length: two moves */
	msg[2] = DNS_FLAG_QR >> 8 | DNS_FLAG_AA >> 8 | (msg[2] & DNS_FLAG_RD >> 8);
	msg[3] = DNS_RCODE_NOERROR;
	wire_store16(msg + 6, (uint16_t)(set.cnt + (q->dnssec_ok ? set.sig_cnt : 0)));
	wire_store16(msg + 10, q->has_opt);
	w->job->len = (uint32_t)(at + len + opt_len);
	w->job->verdict = ANSWER_SEND;
	count(e, ANSWER_CNT_noerror);
	return true;
}

/* The options of an answer that comes from a zone with content. */
static void put_zone_options(struct answer_engine *e, const struct work *w, struct reply *r)
{
	const struct zonetab_find *find = &w->find;
	uint32_t now_s = (uint32_t)(e->now.monotonic_us / 1000000);
	uint32_t expire_s = w->edns.expire ? zonetab_expire(e->zones, find->slot) : 0;
	struct edns_zone zone = {
		.serial = snapshot_serial(find->snap),
		.label_cnt = (uint8_t)snapshot_apex_label_cnt(find->snap),
		/* RFC 7314 2: only about a zone that was named, and by asking for its SOA. */
		.has_expire = expire_s != 0 && find->apex_label == 0 && w->query.type == DNS_TYPE_SOA,
		.expire_s = expire_s > now_s ? expire_s - now_s : 0,
	};

	put_options(e, w, r, &zone);
}

/* Stage 4 for one request. */
static void write_answer(struct answer_engine *e, struct work *w)
{
	struct reply r;
	unsigned notes;

	if (write_plain(e, w))
		return;
	reply_init(&r, &w->query, w->job->msg, reply_limit(e, w));
	if (w->has_edns)
		put_zone_options(e, w, &r);
	e->resolver.client = w->job->client;
	e->resolver.family = w->job->family;
	notes = resolve_answer(&e->resolver, &r, &w->step, w->job->transport != ANSWER_UDP);
	if (reply_send(e, w, &r) && notes != 0)
		count_notes(e, notes);
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
		todo[i]->step.prepared =
			todo[i]->query.dnssec_ok && denial_prepare(&todo[i]->step.lookup, todo[i]->step.next);
	for (unsigned i = 0; i < lookup_cnt; i++)
		write_answer(e, todo[i]);
}
