/*
 * The inside of an engine, for answer.c and what it inlines. Hot path: no malloc, lock, log, system call, division by a
 * variable or shared write.
 */
#pragma once

#include "dataplane/answer/answer.h"
#include "dataplane/answer/denial_ready.h"
#include "dataplane/answer/resolve.h"

/* One request between the stages. Its names and hashes stay where they are, so what points to them is set once. */
struct work {
	struct answer_job *job;
	struct zonetab_find find; /* out part unset if brief */
	struct resolve_step step;
	struct query query;
	struct rrl_key rrl;
	bool brief;    /* query was read by usual_read, and usual_complete has not filled in the rest */
	bool plain;    /* no EDNS options, neither asked nor answered; class IN */
	bool has_edns; /* edns holds options that are to be answered */
	struct edns_request edns;
};

struct answer_engine {
	const struct zonetab *zones;
	const struct answer_config *config;
	uint64_t key;
	uint8_t opt[2][2][16]; /* over IPv4, over IPv6; without and with DO; QUERY_OPT_LEN octets of each */
	uint32_t edns_wanted;
	bool trusts;	 /* answer_engine_trust */
	struct rrl *rrl; /* NULL: no limits */
	struct answer_time now;
	const struct answer_config *offered; /* control writes, the owner reads; NULL: never offered */
	uint8_t options[EDNS_OPTIONS_MAX];   /* of the response in work */
	uint64_t cnt[ANSWER_COUNTER_CNT];    /* written by the owner, read by anyone, relaxed */
	struct work work[ANSWER_BURST_MAX];
	uint32_t zone; /* slot that a question came for of late */
	struct resolver resolver;
	struct denial_ready_table ready;
};

/* What a burst is about at each stage. */
struct burst {
	unsigned find_cnt;
	unsigned lookup_cnt;
	unsigned usual_cnt;  /* address sets among the answers */
	unsigned denial_cnt; /* name errors with a proof laid out beforehand */
	unsigned
		usual_ar_max; /* additional records of a usual request: 1; 0 if every OPT is answered with options */
	bool dnssec_ok;			    /* of some request */
	uint32_t query_cnt[ANSWER_TLS + 1]; /* by transport */
	struct zonetab_recent recent;
	struct work *finding[ANSWER_BURST_MAX];
	struct zonetab_find *finds[ANSWER_BURST_MAX];
	struct lookup *lookups[ANSWER_BURST_MAX]; /* of works: lookup_work */
};

static inline struct work *lookup_work(struct lookup *l)
{
	return (struct work *)(void *)((uint8_t *)l - offsetof(struct work, step.lookup));
}

/* w has its zone: its name is to be looked up there. */
static inline void engine_look_up(struct burst *b, struct work *w, const struct snapshot *snap,
				  uint8_t apex_label)
{
	w->step.lookup.snap = snap;
	w->step.lookup.apex_label = apex_label;
	b->lookups[b->lookup_cnt++] = &w->step.lookup;
}

static inline void engine_count_by(struct answer_engine *e, enum answer_counter counter, uint64_t by)
{
	__atomic_store_n(&e->cnt[counter], e->cnt[counter] + by, __ATOMIC_RELAXED);
}

static inline void engine_count(struct answer_engine *e, enum answer_counter counter)
{
	engine_count_by(e, counter, 1);
}

/* Counts what is done with a response for its rate; one that is within the limits counts nowhere. */
void engine_count_rate(struct answer_engine *e, enum rrl_verdict verdict);

/*
 * Octets that the response may have: RFC 6891 6.2.5 over UDP, RFC 1035 4.2.2 over TCP. payload: what the client takes over
 * UDP.
 */
static inline uint32_t engine_limit(const struct answer_engine *e, const struct answer_job *job,
				    uint32_t payload)
{
	uint32_t limit = DNS_MSG_MAX, ours = answer_udp_payload(e->config, job->family);

	if (job->transport == ANSWER_UDP)
		limit = payload < ours ? payload : ours;
	return limit < job->cap ? limit : job->cap;
}

static inline uint32_t engine_reply_limit(const struct answer_engine *e, const struct work *w)
{
	return engine_limit(e, w->job, w->query.payload);
}
