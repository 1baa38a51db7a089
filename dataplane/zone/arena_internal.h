/*
 * The inside of the arena, for the modules of dataplane/zone: references, allocation, protection.
 *
 * A reference is 32 bits: the distance from the arena's base in units of 64 octets. 0 is no reference. Everything
 * in the arena is found through references, so directories are half as large and 256 GiB can be reached.
 */
#pragma once

#include "dataplane/zone/arena.h"

#define ARENA_UNIT	64u
#define ARENA_ALLOC_MAX (2u << 20)

/*
 * Room for size octets (<= ARENA_ALLOC_MAX), 64-octet aligned, contents undefined. Sets *out_cap to what can be
 * used. Returns 0 when bytes_max or the system's memory is reached. Any thread.
 */
uint32_t arena_alloc(struct arena *a, size_t size, uint32_t *out_cap);

/* Gives it back. Cannot fail. Any thread; nobody reads it any more. */
void arena_release(struct arena *a, uint32_t ref);

/* Octets that ref occupies: its *out_cap. */
uint32_t arena_cap(const struct arena *a, uint32_t ref);

/* In an arena with protect set: makes ref read-only until it is released. Otherwise nothing. */
void arena_seal(struct arena *a, uint32_t ref);

/* Whether arena_seal does anything: callers save themselves the walk. */
bool arena_protects(const struct arena *a);

/* Where references count from. Constant while the arena lives. */
uint8_t *arena_base(const struct arena *a);

static inline void *arena_at(uint8_t *base, uint32_t ref)
{
	return base + (uint64_t)ref * ARENA_UNIT;
}

/* A number that no other call gets, from 1. Any thread. */
uint64_t arena_number(struct arena *a);

/* Octets that are given back when the readers of a snapshot have moved on: for arena_info. */
void arena_retired_begin(struct arena *a, uint64_t bytes); /* control loop */
void arena_retired_end(struct arena *a, uint64_t bytes);   /* reclaim */

/* Serialises the version lists of all zones of this arena (version.c). Never held for long. */
void arena_versions_lock(struct arena *a);
void arena_versions_unlock(struct arena *a);
