/*
 * One request run through the engine's own stages, with what each decided and the cycles it took.
 *
 * The code is answer.c itself, compiled a second time with a clock between its stages: a worker's copy has not an
 * instruction for it. The engine is one of its own, so no worker's counters, cookies or limits notice; what a worker's
 * limits would say is asked without changing them. Any registered QSBR reader's thread; not for the hot path.
 */
#pragma once

#include "dataplane/answer/resolve.h"
#include "dataplane/answer/answer.h"

/* In the order in which a burst goes through them. */
#define ANSWER_TRACE_STAGES(X)                                                   \
	X(read, "header, question, EDNS; the name in lower case and hashed")     \
	X(zone, "the zone table: which zone, and whether the client may ask it") \
	X(lookup, "the name in the zone's snapshot")                             \
	X(proof, "hashing what a proof of non-existence needs")                  \
	X(write, "records, OPT and header of the response; chains lead to more lookups")

enum answer_trace_stage {
#define X(name, help) ANSWER_TRACE_##name,
	ANSWER_TRACE_STAGES(X)
#undef X
		ANSWER_TRACE_STAGE_CNT
};
extern const struct counter_text answer_trace_stage_text[ANSWER_TRACE_STAGE_CNT];

/* A name that was looked up: the question's, or what a CNAME or DNAME led to. */
struct answer_trace_step {
	const uint8_t *name; /* lower case */
	struct lookup lookup;
};

struct answer_trace {
	/* What the first run did. Pointers: until the thread's next quiescent state or answer_trace_free. */
	enum answer_verdict verdict;
	const uint8_t *msg; /* the response, if ANSWER_SEND */
	uint32_t len;
	uint32_t limit; /* octets that it could have; 0: not known, it went the shortest way */
	bool find_done; /* a zone was looked for */
	struct zonetab_find find;
	bool acl_allows;   /* if find_done and the zone has an access list */
	unsigned step_cnt; /* 0: no name was looked up */
	struct answer_trace_step step[RESOLVE_CHAIN_MAX + 1];
	enum rrl_class class;		      /* if ANSWER_SEND: what a rate limit would count it as */
	uint64_t counter[ANSWER_COUNTER_CNT]; /* what it would have counted */
	/* The run that followed it, of a thread that answered for this zone just before, as workers mostly have. */
	bool usual_read, usual_write; /* by the short ways of usual.h */
	/* Cycles of each stage, a clock's own cost of some 30 included: of the first run, and the least of ANSWER_TRACE_RUNS more. */
	uint64_t first[ANSWER_TRACE_STAGE_CNT], again[ANSWER_TRACE_STAGE_CNT];
};

#define ANSWER_TRACE_RUNS 32

/*
 * job: msg, len, transport, family, client as for answer_burst; cap is how many octets a response may have there. Its msg is
 * not written. Returns 0 or -ENOMEM.
 */
int answer_trace_new(const struct zonetab *zones, const struct answer_config *config,
		     const struct answer_job *job, struct answer_trace **out);
void answer_trace_free(struct answer_trace *t);

/*
 * Any thread: what the limits of another thread's engine would say to one more response of the class now; they do not
 * change. RRL_DROP stands for RRL_SLIP too. False: it has no limits.
 */
bool answer_rate_peek(const struct answer_engine *e, const struct answer_job *job, enum rrl_class class,
		      enum rrl_verdict *out);
