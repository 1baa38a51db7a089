/*
 * The canonical order of the names that own an NSEC record: a B+tree with the same copy on write as the directories.
 * Keys are names turned so that memcmp orders them like RFC 4034 6.1; and those of chain.h, in zones that need them. Other
 * zones have no such tree.
 */
#pragma once

#include "dataplane/zone/draft.h"

#define ORDER_KEY_MAX	512
#define ORDER_LEVEL_MAX 16

/* A page: the offsets of its items in order from the front, the items from the back. */
struct order_node {
	uint64_t birth;
	uint16_t level; /* 0: leaf */
	uint16_t cnt;
	uint16_t cap;  /* octets */
	uint16_t tail; /* where the items start */
	uint16_t off[];
};

/*
 * The key of a name below the apex (lower case, no root label): labels from the top, each ended by 0; the octets 0
 * and 1 become 1 1 and 1 2, so that the end of a label sorts below all. Returns its length.
 */
size_t order_key(const uint8_t *rel, size_t len, uint8_t out[ORDER_KEY_MAX]);

/* The inverse. Returns the length of the name below the apex. */
size_t order_name(const uint8_t *key, size_t len, uint8_t out[NAME_LEN_MAX]);

/* The last key that is not above the given one; when there is none, the last of all. False: the tree is empty. */
bool order_before(uint8_t *base, uint32_t root, const uint8_t *key, size_t len, const uint8_t **out_key,
		  size_t *out_len);

/* Builder: 0, -ENOMEM. The key is absent (add) or present (del). */
int order_add(struct draft *d, const uint8_t *key, size_t len);
int order_del(struct draft *d, const uint8_t *key, size_t len);

void order_visit_younger(uint8_t *base, uint32_t root, uint64_t after, tree_visit_fn fn, void *arg);
