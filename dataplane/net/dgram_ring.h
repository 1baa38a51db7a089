/*
 * A bounded ring of requests between one worker and the control loop, one each way. Lock-free: one thread puts, one
 * takes; the slots are the memory. A full ring is the caller's counted drop.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "dataplane/net/net.h"

/*
 * A primary of ten thousand zones tells of all at once, 100,000 a second, and the control loop may be away for some
 * milliseconds. A ring that was empty starts with its first slot again, so that slots which were never needed, as many
 * never waited at once, are address space and no memory.
 */
#define DGRAM_RING_CAP 4096

/*
 * A stranger gets a slot only while fewer are taken. He is refused whatever he says, so this is for whoever looks after a
 * primary that has a new address: his log has its line, and in a flood the control loop has its time (32,000 a second).
 */
#define DGRAM_RING_STRANGERS 8

struct dgram_ring {
	alignas(64) _Atomic uint32_t head; /* written by the taker: the next to take */
	alignas(64) _Atomic uint32_t tail; /* written by the putter, as the next: the next to fill */
	_Atomic uint32_t first;		   /* what has the first slot; changes only while the ring is empty */
	alignas(64) struct net_dgram slot[DGRAM_RING_CAP];
};

/* Before anybody else has it; the slots are not touched. */
static inline void dgram_ring_init(struct dgram_ring *r)
{
	atomic_init(&r->head, 0);
	atomic_init(&r->tail, 0);
	atomic_init(&r->first, 0);
}

static inline struct net_dgram *dgram_ring_slot(struct dgram_ring *r, uint32_t position)
{
	return &r->slot[(position - atomic_load_explicit(&r->first, memory_order_relaxed)) % DGRAM_RING_CAP];
}

/* The putter: a slot to fill, or NULL when cap (up to DGRAM_RING_CAP) or more are taken; then dgram_ring_put. */
static inline struct net_dgram *dgram_ring_room(struct dgram_ring *r, uint32_t cap)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	// Acquire: the taker's release says that it has finished reading the slot.
	uint32_t waiting = tail - atomic_load_explicit(&r->head, memory_order_acquire);

	if (waiting >= cap)
		return NULL;
	// The taker reads it, and a slot, only once it has seen a later tail: the next dgram_ring_put orders both.
	if (waiting == 0)
		atomic_store_explicit(&r->first, tail, memory_order_relaxed);
	return dgram_ring_slot(r, tail);
}

static inline void dgram_ring_put(struct dgram_ring *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	atomic_store_explicit(&r->tail, tail + 1, memory_order_release); // pairs with dgram_ring_next
}

/* The taker: the oldest slot, or NULL when the ring is empty; then dgram_ring_take. */
static inline const struct net_dgram *dgram_ring_next(struct dgram_ring *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	if (head == atomic_load_explicit(&r->tail, memory_order_acquire)) // pairs with dgram_ring_put
		return NULL;
	return dgram_ring_slot(r, head);
}

static inline void dgram_ring_take(struct dgram_ring *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	atomic_store_explicit(&r->head, head + 1, memory_order_release); // pairs with dgram_ring_room
}

/* A copy without the unused part of msg. */
static inline void dgram_copy(struct net_dgram *to, const struct net_dgram *from)
{
	memcpy(to, from, offsetof(struct net_dgram, msg) + from->len);
}
