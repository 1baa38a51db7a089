/*
 * A bounded ring of copied frames from one worker to the control loop, and what is to be copied. Lock-free: the worker
 * puts, the control loop takes; a full ring is a counted loss and never a wait.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>

#include "dataplane/net/net.h"
#include "dataplane/net/packet.h"

struct capture_ring {
	alignas(64) _Atomic uint32_t head; /* written by the taker: the next to take */
	alignas(64) _Atomic uint32_t tail; /* written by the putter: the next to fill */
	_Atomic uint64_t lost;		   /* written by the putter: found no slot */
	struct net_capture_filter filter;  /* written before the ring is offered, then only read */
	alignas(64) struct net_frame slot[NET_CAPTURE_RING];
};

/* A response's filter looks at where the message starts: the question of both is the same. */
bool capture_matches(const struct net_capture_filter *f, const struct packet *p, const uint8_t *frame,
		     uint16_t port);

/* The worker: copies a frame of len octets. */
static inline void capture_put(struct capture_ring *r, const uint8_t *frame, uint32_t len, uint16_t port,
			       bool out, uint64_t now)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	struct net_frame *f = &r->slot[tail % NET_CAPTURE_RING];

	// Acquire: the taker's release says that it has finished reading the slot.
	if (tail - atomic_load_explicit(&r->head, memory_order_acquire) == NET_CAPTURE_RING) {
		atomic_store_explicit(&r->lost, atomic_load_explicit(&r->lost, memory_order_relaxed) + 1,
				      memory_order_relaxed);
		return;
	}
	f->cycles = now;
	f->len = len;
	f->kept = len < r->filter.snaplen ? len : r->filter.snaplen;
	f->port = port;
	f->out = out;
	memcpy(f->octets, frame, f->kept);
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release); // pairs with capture_next
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
