/*
 * The directory: from the first bits of a key to its block, over two levels of arrays. For dataplane/zone only.
 *
 *     root: u64[2^root_bits] slots -> node: u32[2^bits] references -> block
 *
 * A slot is bits << 32 | reference; bits 0 means that the reference is a block already. With root_bits 0 the only
 * slot is in the tree itself: a small zone is one block and no directory. A block of depth d stands in every slot
 * that its prefix covers, so splitting one block moves pointers only.
 */
#pragma once

#include "dataplane/zone/arena_internal.h"
#include "dataplane/zone/block.h"

#define TREE_ROOT_BITS_MAX 12
#define TREE_NODE_BITS_MAX 12
#define TREE_NODE_BITS	   8 /* beyond, the root doubles if it can */

struct tree {
	uint64_t slot;
	uint32_t root; /* reference, if root_bits > 0 */
	uint8_t root_bits;
	uint8_t kind; /* enum block_kind */
};

/* What root and nodes start with. */
struct tree_node {
	uint64_t birth;
	/* u64 or u32 slots */
};

static inline bool tree_exists(const struct tree *t)
{
	return t->slot != 0 || t->root_bits > 0;
}

static inline uint64_t *tree_root_slots(uint8_t *base, uint32_t root)
{
	return (uint64_t *)(void *)((struct tree_node *)arena_at(base, root) + 1);
}

static inline uint32_t *tree_node_refs(uint8_t *base, uint32_t node)
{
	return (uint32_t *)(void *)((struct tree_node *)arena_at(base, node) + 1);
}

static inline const uint64_t *tree_slot(uint8_t *base, const struct tree *t, uint64_t key)
{
	if (t->root_bits == 0)
		return &t->slot;
	return &tree_root_slots(base, t->root)[key >> (64 - t->root_bits)];
}

/* Where in slot's node (bits > 0) key's reference stands. */
static inline size_t tree_node_index(const struct tree *t, uint64_t slot, uint64_t key)
{
	return (size_t)(key << t->root_bits >> (64 - (slot >> 32)));
}

/* Where the reference of key's block stands: in the slot itself or in its node. */
static inline const uint32_t *tree_ref(uint8_t *base, const struct tree *t, const uint64_t *slot,
				       uint64_t key)
{
	if (*slot >> 32 != 0)
		return tree_node_refs(base, (uint32_t)*slot) + tree_node_index(t, *slot, key);
	return (const uint32_t *)slot + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

static inline struct block *tree_block(uint8_t *base, const struct tree *t, uint64_t key)
{
	return arena_at(base, *tree_ref(base, t, tree_slot(base, t, key), key));
}

/*
 * All blocks in the order of their keys. *key starts at 0 and *done false; returns NULL behind the last. Each block
 * comes once.
 */
struct block *tree_next_block(uint8_t *base, const struct tree *t, uint64_t *key, bool *done);
