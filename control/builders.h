/*
 * The builder threads: they take the octets of transfers as they arrive, cut them into messages, decode them
 * (xfrin.h) and build the snapshot, so that the control loop only reads and publishes.
 *
 * Each transfer has a bounded queue between the loop and the threads; the loop stops reading when it is long, and TCP
 * tells the primary. A transfer is worked on by one thread at a time, in order; a thread with nothing to do sleeps.
 *
 * Threads: everything here is called on the loop's thread, and the callbacks run there. The builder threads register
 * with RCU (QSBR) and stay offline: they read no published pointer, a base snapshot is held by the loop.
 */
#pragma once

#include <uv.h>

#include "control/deltas.h"
#include "control/gate.h"
#include "control/tsig.h"
#include "control/xfrin.h"
#include "dataplane/zone/builder.h"

struct builders;
struct build;

struct builders_env {
	uv_loop_t *loop;
	struct arena *arena;
	uint64_t key;	  /* zonetab_key */
	unsigned threads; /* 0, for tests: what they do is done by builders_turn */
	/* CPUs that packet workers own: builder threads keep away from them if any other CPU is left. */
	const uint16_t *worker_cpus;
	unsigned worker_cpu_cnt;
};

/* Returns 0 or -errno. */
int builders_start(const struct builders_env *env, struct builders **out);

/* Every build has ended. Joins the threads; closes the handle on the loop, which then calls closed. */
void builders_stop(struct builders *p, void (*closed)(void *arg), void *arg);

struct build_request {
	struct xfrin_request transfer;
	/* IXFR: our version, which the caller holds (snapshot_hold) until the build has ended. Otherwise NULL. */
	const struct snapshot *base;
	struct builder_limits limits;
	struct gate_request gate; /* stop is set here */
	/* The transaction whose request has been signed; the builder threads' until done. NULL: nothing is signed. */
	struct tsig *tsig;
	uint64_t keep_max; /* octets of differences to keep; 0: none */
};

#define BUILD_TEXT_CAP 768

struct build_result {
	enum xfrin_verdict verdict; /* XFRIN_MORE: the stream ended too early, or the build was cancelled */
	struct snapshot *snapshot;  /* not NULL only if verdict is XFRIN_DONE; the receiver's */
	struct soa soa;		    /* of the new version; names NULL */
	uint64_t messages, records, octets;
	bool changes;			 /* differences came, not the whole zone */
	uint64_t deltas, added, removed; /* with changes; records without the SOAs */
	struct delta_queue
		kept; /* with a snapshot: the differences; empty if not asked for, too large, or repaired */
	bool not_authoritative;
	struct opt_answer opt;
	uint16_t rcode;		      /* with XFRIN_RCODE */
	uint64_t first_ns, last_ns;   /* uv_hrtime when the first and the last octets came; 0: none did */
	uint64_t built_ns;	      /* ... and when all was built and checked */
	struct builder_report report; /* what was repaired */
	struct gate_report gate;      /* of a complete transfer */
	char text[BUILD_TEXT_CAP];    /* why it failed and where; empty on success */
};

struct build_calls {
	/* The queue has room again after build_push said it had none. */
	void (*room)(void *arg);
	/* Called once; the build is gone afterwards. */
	void (*done)(void *arg, struct build_result *result);
	void *arg;
};

/* Returns 0 or -ENOMEM. */
int build_open(struct builders *p, const struct build_request *request, const struct build_calls *calls,
	       struct build **out);

/*
 * Octets of the stream: messages behind their two-octet lengths (RFC 1035 4.2.2), cut anywhere. Copied. Returns 1
 * when there is room for more, 0 when not (room is called later), or -ENOMEM.
 */
int build_push(struct build *b, const void *octets, size_t len);

/* No more octets will come. done follows. */
void build_end(struct build *b);

/* Drops what is queued and stops as soon as possible. done follows. */
void build_cancel(struct build *b);

/* Whether it waits for octets: nothing is queued, no thread works on it, it has not ended. */
bool build_is_starved(const struct build *b);

/* Whether it waits for octets, and all that has come is xfrin_is_lone_soa. */
bool build_has_lone_soa(const struct build *b);

/* Whether the last record has come and only the snapshot is to be made. */
bool build_is_complete(const struct build *b);
