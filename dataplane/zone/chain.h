/*
 * Which records of the NSEC3 tree belong together. RFC 5155 10.4: a zone that changes its parameters holds two chains, both in
 * the one order of hashes, and a search for the record of one may have to pass over any number of the other's.
 *
 * Nearly all records of nearly all zones are of one chain, and a search just passes over the few others. Once there are more
 * than CHAIN_STRAYS_MAX of those, or another chain is the one in use, each record has a key in the tree of order.h too, all made
 * at once and then kept up to date as long as the line of versions lasts: by chain, then by hash. So no zone makes a search
 * longer than so many records and two descents of that tree.
 */
#pragma once

#include <string.h>

#include "dataplane/zone/nsec3.h"

#define CHAIN_STRAYS_MAX 32

/*
 * Keys of order.h that are not names: a name's key is empty or starts with an octet above this. So they stand between the apex
 * and all other names.
 */
#define CHAIN_KEY_MARK	  0
#define CHAIN_KEY_HASH_AT (1 + sizeof(uint64_t))
#define CHAIN_KEY_LEN	  (CHAIN_KEY_HASH_AT + NSEC3_HASH_LEN)

static inline void chain_key(uint8_t out[CHAIN_KEY_LEN], uint64_t id, const uint8_t hash[NSEC3_HASH_LEN])
{
	out[0] = CHAIN_KEY_MARK;
	memcpy(out + 1, &id, sizeof(id));
	memcpy(out + CHAIN_KEY_HASH_AT, hash, NSEC3_HASH_LEN);
}

/* The chains that an owner has records of, as far as they can be of use: ascending. More than that only malice makes. */
#define CHAIN_IDS_MAX 4

struct chain_ids {
	uint64_t v[CHAIN_IDS_MAX];
	unsigned cnt;
};
