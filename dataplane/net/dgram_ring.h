/*
 * A bounded ring of requests between one worker and the control loop, one each way. Lock-free: one thread puts, one
 * takes; the slots are the memory. Who may have how many of them is said in share.h; that there is none for one more is
 * the caller's counted drop.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "dataplane/net/net.h"
#include "dataplane/net/share.h"

/*
 * A primary of ten thousand zones tells of all at once, 100,000 a second, and the control loop, which takes several hundred
 * in each of its milliseconds, may be away for some. Half of this is the most that one sender can have, and half, 4,096, was
 * seen to be enough for that: none is told twice. Twice as many primaries at once have a third of it each. A ring that was
 * empty starts with its first slot again, so that slots which were never needed, as many never waited at once, are address
 * space and no memory.
 */
#define DGRAM_RING_CAP 8192

/*
 * Strangers have so few slots, of each kind. They are refused whatever they say, so this is for whoever looks after a
 * primary that has a new address: his log has its line, and in a flood the control loop has its time (32,000 a second).
 */
#define DGRAM_RING_STRANGERS 8

struct dgram_ring {
	alignas(64) _Atomic uint32_t head; /* written by the taker: the next to take */
	alignas(64) _Atomic uint32_t tail; /* written by the putter, as the next: the next to fill */
	_Atomic uint32_t first;		   /* what has the first slot; changes only while the ring is empty */
	/* By share, modulo 65,536: how many were put, written by the putter; how many taken, written by the taker. */
	alignas(64) _Atomic uint16_t put[SHARE_CNT];
	alignas(64) _Atomic uint16_t taken[SHARE_CNT];
	alignas(64) struct net_dgram slot[DGRAM_RING_CAP];
};

/* Before anybody else has it; the slots are not touched. */
static inline void dgram_ring_init(struct dgram_ring *r)
{
	atomic_init(&r->head, 0);
	atomic_init(&r->tail, 0);
	atomic_init(&r->first, 0);
	for (unsigned i = 0; i < SHARE_CNT; i++) {
		atomic_init(&r->put[i], 0);
		atomic_init(&r->taken[i], 0);
	}
}

static inline struct net_dgram *dgram_ring_slot(struct dgram_ring *r, uint32_t position)
{
	return &r->slot[(position - atomic_load_explicit(&r->first, memory_order_relaxed)) % DGRAM_RING_CAP];
}

/* The putter: slots that are free; there may be more. */
static inline uint32_t dgram_ring_free(const struct dgram_ring *r)
{
	// Acquire: the taker's release says that it has finished reading the slot, and has counted it.
	uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);

	return DGRAM_RING_CAP - (atomic_load_explicit(&r->tail, memory_order_relaxed) - head);
}

/* The putter: whether there is a slot for one more of this share. */
static inline enum share_verdict dgram_ring_ask(const struct dgram_ring *r, uint16_t share)
{
	uint32_t free = dgram_ring_free(r);
	// The taker may have taken more meanwhile: then the share has less than it could.
	uint16_t put = atomic_load_explicit(&r->put[share], memory_order_relaxed);
	uint16_t taken = atomic_load_explicit(&r->taken[share], memory_order_relaxed);

	return share_ask(share, free, (uint16_t)(put - taken), DGRAM_RING_STRANGERS);
}

/* The putter: a slot to fill, its share too; then dgram_ring_put. NULL: all are taken. */
static inline struct net_dgram *dgram_ring_room(struct dgram_ring *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed), free = dgram_ring_free(r);

	if (free == 0)
		return NULL;
	// The taker reads it, and a slot, only once it has seen a later tail: the next dgram_ring_put orders both.
	if (free == DGRAM_RING_CAP)
		atomic_store_explicit(&r->first, tail, memory_order_relaxed);
	return dgram_ring_slot(r, tail);
}

/* Only one thread writes each count. */
static inline void dgram_ring_count(_Atomic uint16_t *cnt)
{
	uint16_t n = atomic_load_explicit(cnt, memory_order_relaxed);

	atomic_store_explicit(cnt, (uint16_t)(n + 1), memory_order_relaxed);
}

static inline void dgram_ring_put(struct dgram_ring *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	dgram_ring_count(&r->put[dgram_ring_slot(r, tail)->share]);
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

	dgram_ring_count(&r->taken[dgram_ring_slot(r, head)->share]);
	atomic_store_explicit(&r->head, head + 1, memory_order_release); // pairs with dgram_ring_free
}

/* A copy without the unused part of msg. */
static inline void dgram_copy(struct net_dgram *to, const struct net_dgram *from)
{
	memcpy(to, from, offsetof(struct net_dgram, msg) + from->len);
}
