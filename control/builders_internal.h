/* What builders.c (the threads, and whose turn it is) and build.c (one transfer) share. Nobody else includes this. */
#pragma once

#include "control/builders.h"

#include <pthread.h>
#include <stdatomic.h>

#include "control/tally.h"
#include "dataplane/dns/cutter.h"

/* Octets of the stream as they came; build.c makes and frees them. */
struct chunk;

struct build {
	struct builders *pool;
	struct build_request request; /* immutable */
	struct build_calls calls;     /* used on the loop */
	uint64_t first_ns, last_ns;   /* the same */

	/* Under pool->lock; written by the loop and by the thread that works on it. */
	struct build *next; /* in the run queue or the event queue */
	struct build *next_event;
	struct chunk *head, **tail;
	size_t queued;
	bool queued_to_run;
	bool working; /* a thread has it */
	bool ended;   /* by the loop */
	bool wants_room;
	bool has_room;
	bool complete; /* the stream is; the snapshot is being made */
	bool finished; /* result is complete; only the loop touches the build from now on */
	bool in_events;

	atomic_bool cancelled; /* written by the loop, looked at by the thread that works on it, often */

	/* The thread that works on it only; handed from one to the next through the lock. */
	struct builder *builder;
	bool keeps; /* what comes is recorded too */
	struct tally tally;
	struct delta_recorder kept;
	enum tsig_verdict signature; /* of the last message, with a key */
	struct build_result result;
	struct cutter cutter;
	struct xfrin xfrin;
	uint8_t carry[CUTTER_FRAME_MAX]; /* the cutter's */
};

struct builders {
	struct builders_env env;
	uv_async_t wake;	      /* builder threads -> loop */
	struct builder_budget budget; /* for differences, which wait on the heap until they have all come */
	void (*closed)(void *arg);
	void *closed_arg;

	pthread_mutex_t lock;
	pthread_cond_t runnable;
	/* Under lock. */
	struct build *run_head, **run_tail;
	struct build *event_head, **event_tail;
	bool stop;

	unsigned thread_cnt;
	pthread_t threads[];
};

/* builders.c, under lock: the loop is to hear of the build, or a thread to work on it. Neither does anything twice. */
void builders_post(struct build *b);
void builders_make_runnable(struct build *b);

/*
 * builders.c: one turn of a builder thread, for the build whose turn it is. False: there is none. Also for tests, which
 * may have no threads.
 */
bool builders_turn(struct builders *p);

/* build.c, under lock: all that is queued, oldest first. */
struct chunk *build_take(struct build *b);

/* build.c, under lock: of what was taken, rest has not been used. The loop hears that there is room if it waits for it. */
void build_put_back(struct build *b, struct chunk *rest, size_t used);

/*
 * build.c, on the thread that works on b: what is at the front of *list, as much as one turn takes; less if b is
 * cancelled. *list: the rest; *used: octets. Returns whether the transfer has come to its end.
 */
bool build_work(struct build *b, struct chunk **list, size_t *used);

/* build.c, on the same thread: the stream is at its end, by itself or not. Fills the result. */
void build_finish(struct build *b);

static inline bool build_is_cancelled(const struct build *b)
{
	return atomic_load_explicit(&b->cancelled, memory_order_relaxed);
}

/* build.c: nobody has it any more. */
void build_free(struct build *b);
