/*
 * The differences between successive versions of the zones, kept to be served as IXFR (RFC 1995): recorded as they come
 * in, by the builder threads; stored and cut by the control loop; read by the stream threads.
 *
 * Bounded by their number for each zone and by their octets over all zones; the oldest go first. Those to a version that
 * waits to be published count with them.
 */
#pragma once

#include <sys/queue.h>

#include "dataplane/zone/snapshot.h"

/*
 * One difference: the SOA of the version it leaves, deletions, the SOA of the version it makes, additions, as in RFC 1995
 * 4. Immutable and counted.
 */
struct delta {
	TAILQ_ENTRY(delta) link;     /* in its zone, or in the queue it is recorded to */
	TAILQ_ENTRY(delta) age_link; /* the store's, over all zones */
	unsigned refs;		     /* atomic */
	struct deltas *waits_in;     /* control loop: counted there, not kept there yet; NULL: it is not */
	uint32_t slot;		     /* the store's: whose it is */
	uint32_t from, to;	     /* serials */
	uint32_t record_cnt;
	size_t len;
	uint8_t *octets;
};
TAILQ_HEAD(delta_queue, delta);

struct deltas;

void delta_release(struct delta *d); /* any thread; NULL is fine */

struct delta_record {
	struct snapshot_record record;
	bool deleted;
};

/* The record at *at (0 at the start), which then is behind it. False: there is none. out points into d. */
bool delta_next(const struct delta *d, size_t *at, struct delta_record *out);

/* --- recording: one thread at a time --- */

struct delta_recorder {
	struct delta_queue queue;
	struct delta *last; /* being filled */
	size_t room;	    /* of last->octets */
	uint64_t bytes;
	uint64_t bytes_max;
	bool failed; /* too large, out of memory, or not in the order of RFC 1995: nothing is kept */
};

void delta_recorder_init(struct delta_recorder *r, uint64_t bytes_max);

/* In the order in which they come: a deleted SOA begins a difference. */
void delta_recorder_add(struct delta_recorder *r, const struct delta_record *rec);

/* What was recorded goes to *out; empty if it is not to be had. The recorder is empty afterwards. */
void delta_recorder_take(struct delta_recorder *r, struct delta_queue *out);

/* Those that wait in a store are its no longer: it outlives them. */
void delta_queue_drop(struct delta_queue *q);

/* --- the store --- */

/* Slots of zones are below slots; count_max of each, bytes_max of all. NULL when out of memory. */
struct deltas *deltas_new(uint32_t slots, uint32_t count_max, uint64_t bytes_max);

/* Slots are below this from now on, if they were fewer. Returns 0 or -ENOMEM. */
int deltas_reserve(struct deltas *s, uint32_t slots);
void deltas_free(struct deltas *s); /* nobody uses it any more */

/*
 * Control loop: the version that q leads to waits to be published. Its differences are counted from now on, until they are
 * published or dropped, and older ones make room; q is empty afterwards if those that wait would be more than bytes_max.
 */
void deltas_wait(struct deltas *s, struct delta_queue *q);

/*
 * A version has been published. q: how it was made from the one before, or empty when that is not known, so that what was
 * before cannot be reached any more. Takes what is in q.
 */
void deltas_publish(struct deltas *s, uint32_t slot, struct delta_queue *q);

/* A former version is served again: what came after it leads nowhere. */
void deltas_go_back(struct deltas *s, uint32_t slot, uint32_t serial);

/*
 * The differences from one serial to another, oldest first: an array to be given to deltas_put, *out_cnt in it. NULL: not
 * kept (or out of memory). Any thread.
 */
struct delta **deltas_get(struct deltas *s, uint32_t slot, uint32_t from, uint32_t to, unsigned *out_cnt);
void deltas_put(struct delta **chain, unsigned cnt);

struct deltas_info {
	uint64_t bytes; /* with those that wait */
	uint64_t cnt;	/* kept */
	uint64_t
		evicted; /* differences that made room for others, or would have had to wait and found none */
};
void deltas_info(struct deltas *s, struct deltas_info *out); /* any thread */
unsigned deltas_cnt(struct deltas *s, uint32_t slot);	     /* kept of one zone */

/*
 * One difference that does what the chain does, without what cancels out: a record that was added and deleted again, or
 * deleted and added. NULL when out of memory. The caller's; sorts all records of the chain.
 */
struct delta *deltas_condense(struct delta *const chain[], unsigned cnt);
