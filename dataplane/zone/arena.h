/*
 * The memory that snapshots live in: a reserved range of address space, backed by huge pages where there are any,
 * cut into size classes. Builders allocate, the reclaim thread frees, workers only read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

struct arena_config {
	uint64_t bytes_max; /* never more than this; builders then fail with BUILDER_NO_MEMORY */
	bool huge_pages;    /* ask for them; falls back to ordinary pages and says so in the info */
	bool protect;	    /* test builds: published blocks become read-only memory */
};

struct arena_info {
	uint64_t bytes_used;	 /* in blocks that are allocated */
	uint64_t bytes_resident; /* taken from the system */
	uint64_t bytes_max;
	uint64_t bytes_retired; /* waiting for workers to leave what was replaced; part of bytes_used */
	bool huge_pages;
};

/* Returns 0 or -errno. */
int arena_new(const struct arena_config *config, struct arena **out);

/* All snapshots are gone (after rcu_barrier). */
void arena_free(struct arena *a);

void arena_info(const struct arena *a, struct arena_info *out); /* any thread */
