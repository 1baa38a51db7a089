/*
 * A zone's next version while it is made: copy on write over the trees. For the builder only.
 *
 * Every block and directory node carries the version that made it. What carries the draft's own version is private and
 * changed in place; anything older is shared with published snapshots, so it is copied first, the copy put in its
 * place, and the old one noted in the dead list: the octets that the next version no longer needs.
 *
 * One builder thread. Functions return 0, -ENOMEM, or -E2BIG when an entry or its block outgrows the format.
 */
#pragma once

#include "dataplane/zone/tree.h"

struct dead {
	uint64_t birth;
	uint32_t ref;
};

#define DEAD_CHUNK_CNT 62

struct dead_chunk {
	struct dead_chunk *next;
	uint32_t cnt;
	struct dead dead[DEAD_CHUNK_CNT];
};

/* What the NSEC3 tree is made of: chain.h. */
struct chain_state {
	uint64_t first;	 /* the chain that came first; 0: none yet */
	uint64_t strays; /* entries without a record of it */
	bool keyed;	 /* every record has a key in the order */
};

struct draft {
	struct arena *arena;
	uint8_t *base;
	uint64_t version;
	uint64_t apex_hash;
	uint64_t bytes; /* in reach of the next snapshot */
	struct dead_chunk *dead;
	uint64_t dead_bytes; /* of what is in dead */
	struct tree tree[BLOCK_KIND_CNT];
	uint32_t order_root; /* order.h; 0: none */
	struct chain_state chains;
};

/* The key of an entry that is in a tree of this kind. */
uint64_t draft_entry_key(const struct draft *d, uint8_t kind, const struct entry *e);

/* The chained hash of a name below the apex (lower case, no root label). */
uint64_t draft_rel_hash(const struct draft *d, const uint8_t *rel, size_t len);

/* A tree with one empty block. */
int draft_plant(struct draft *d, uint8_t kind);

/* The block of key, changeable; extra octets of room are likely to be wanted. NULL: no memory. */
struct block *draft_open(struct draft *d, uint8_t kind, uint64_t key, size_t extra);

/* Entries found before are invalid after each of these. */
int draft_insert(struct draft *d, uint8_t kind, uint64_t key, const void *entry, size_t len);
int draft_replace(struct draft *d, uint8_t kind, uint64_t key, const struct entry *old, const void *entry,
		  size_t len);
int draft_remove(struct draft *d, uint8_t kind, uint64_t key, const struct entry *old);

/* The same entry, in memory that may be written (its size must stay). NULL: no memory. */
struct entry *draft_touch(struct draft *d, uint8_t kind, uint64_t key, const struct entry *old);

static inline const struct entry *draft_find(const struct draft *d, uint8_t kind, uint64_t key,
					     const uint8_t *rel, size_t len)
{
	const struct tree *t = &d->tree[kind];
	const struct block *b;

	if (!tree_exists(t))
		return NULL;
	b = tree_block(d->base, t, key);
	return block_find(b, block_tag(kind, b->depth, key), rel, len);
}

/* Gives back all that carries the draft's version. The base is as it was. */
void draft_discard(struct draft *d);

/* Makes all that carries the draft's version read-only, in an arena that does such things. */
void draft_seal(struct draft *d);

/*
 * Calls fn with every block and directory node born after version `after`. Needs no memory: it must be able to run
 * when a snapshot is reclaimed.
 */
typedef void (*tree_visit_fn)(void *arg, uint32_t ref);
void tree_visit_younger(uint8_t *base, const struct tree *t, uint64_t after, tree_visit_fn fn, void *arg);
