/*
 * A bounded ring of copied frames from one worker to the control loop, and what is to be copied. Lock-free: the worker
 * puts, the control loop takes; a full ring is a counted loss and never a wait.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "dataplane/net/net.h"
#include "dataplane/net/packet.h"

#define CAPTURE_BURST 32 /* requests that a worker handles together */

struct capture_ring {
	alignas(64) _Atomic uint32_t head; /* written by the taker: the next to take */
	alignas(64) _Atomic uint32_t tail; /* written by the putter: the next to fill */
	_Atomic uint64_t lost;		   /* written by the putter: found no slot */
	struct net_capture_filter filter;  /* written before the ring is offered, then only read */
	/* The putter's: requests of a burst whose answers are not known yet, for a filter by RCODE. */
	struct net_frame staged[CAPTURE_BURST];
	alignas(64) struct net_frame slot[NET_CAPTURE_RING];
};

/* A response's filter looks at where the message starts: the question of both is the same. */
bool capture_matches(const struct net_capture_filter *f, const struct packet *p, const uint8_t *frame,
		     uint16_t port);

/* RFC 6891 6.1.3. msg: a response of ours, which has an extended RCODE only if it has no record but OPT. */
uint16_t capture_rcode(const uint8_t *msg, size_t len);

static inline void capture_fill(const struct capture_ring *r, struct net_frame *f, const uint8_t *frame,
				uint32_t len, uint16_t port, bool out, uint64_t now)
{
	f->cycles = now;
	f->len = len;
	f->kept = len < r->filter.snaplen ? len : r->filter.snaplen;
	f->port = port;
	f->out = out;
	memcpy(f->octets, frame, f->kept);
}

/* The worker: a slot to fill, or NULL, which is counted as a loss; then capture_publish. */
static inline struct net_frame *capture_room(struct capture_ring *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	// Acquire: the taker's release says that it has finished reading the slot.
	if (tail - atomic_load_explicit(&r->head, memory_order_acquire) < NET_CAPTURE_RING)
		return &r->slot[tail % NET_CAPTURE_RING];
	atomic_store_explicit(&r->lost, atomic_load_explicit(&r->lost, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	return NULL;
}

static inline void capture_publish(struct capture_ring *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	atomic_store_explicit(&r->tail, tail + 1, memory_order_release); // pairs with capture_next
}

/* The worker: copies a frame of len octets. */
static inline void capture_put(struct capture_ring *r, const uint8_t *frame, uint32_t len, uint16_t port,
			       bool out, uint64_t now)
{
	struct net_frame *f = capture_room(r);

	if (f == NULL)
		return;
	capture_fill(r, f, frame, len, port, out, now);
	capture_publish(r);
}

/* The worker: the i-th request of the burst, to be put once its answer is known. */
static inline void capture_stage(struct capture_ring *r, unsigned i, const uint8_t *frame, uint32_t len,
				 uint16_t port, uint64_t now)
{
	capture_fill(r, &r->staged[i], frame, len, port, false, now);
}

static inline void capture_put_staged(struct capture_ring *r, unsigned i)
{
	struct net_frame *f = capture_room(r);

	if (f == NULL)
		return;
	memcpy(f, &r->staged[i], offsetof(struct net_frame, octets) + r->staged[i].kept);
	capture_publish(r);
}

/* The control loop: the oldest frame, or NULL when there is none; then capture_take. */
static inline const struct net_frame *capture_next(struct capture_ring *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	if (head == atomic_load_explicit(&r->tail, memory_order_acquire)) // pairs with capture_put
		return NULL;
	return &r->slot[head % NET_CAPTURE_RING];
}

static inline void capture_take(struct capture_ring *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	atomic_store_explicit(&r->head, head + 1, memory_order_release); // pairs with capture_put
}
