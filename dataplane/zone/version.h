/*
 * The inside of a snapshot, and which of its blocks may be freed when. For dataplane/zone only.
 *
 * Snapshots that were made from one another form a line, oldest first. Each knows what its predecessor has and it has
 * not (dead). When a snapshot goes, whatever its successor does not have is freed, unless an older living one has it:
 * that is what was born at or before that one; it is handed on. This takes no memory and cannot fail.
 */
#pragma once

#include <urcu-qsbr.h>

#include "dataplane/zone/draft.h"
#include "dataplane/zone/lookup.h"

struct line {
	struct snapshot *oldest; /* these under the arena's versions lock */
	struct snapshot *newest;
	uint64_t version; /* last one given out */
	bool building;	  /* a draft on newest exists: the next must start a line of its own */
};

struct snapshot {
	/* What a lookup reads comes first; constant once published. */
	uint8_t *base;
	struct tree tree[BLOCK_KIND_CNT];
	const struct entry *apex;
	uint64_t apex_hash;
	uint8_t apex_len;
	uint8_t apex_label_cnt;
	uint32_t order_root;	   /* order.h; 0: neither NSEC nor keys of chains */
	struct nsec3_chain *nsec3; /* heap; NULL: none */
	/* Constant too. */
	struct chain_state chains;
	uint64_t version;
	uint64_t key;
	uint64_t octets; /* of its records, uncompressed: for the builder's limit */
	struct arena *arena;
	struct snapshot_info info;
	struct soa soa;
	/* Life and death. */
	struct rcu_head rcu;
	uint64_t refs;	/* atomic: one for the table or owner, one per hold */
	bool published; /* control loop: readers may have seen it */
	struct line *line;
	struct snapshot *older, *newer; /* versions lock, as the next */
	struct dead_chunk *dead;	/* in older, not in here */
	uint64_t dead_bytes;		/* of it, when this version was made; constant */
	uint64_t retired_bytes;		/* what waits for readers with it: control loop, then reclaim */
	uint8_t names[];		/* apex in lower case, then as received; apex_len octets each */
};

static inline const uint8_t *snapshot_apex_lower(const struct snapshot *s)
{
	return s->names;
}

/*
 * Starts a draft: on base, in its line, if base is the newest there and no other draft is under way; otherwise as a
 * line of its own, with empty trees (*out_own_line true): then the caller must bring base's records along. The base
 * is held by the caller. Returns 0 or -ENOMEM.
 */
int version_begin(struct arena *arena, const struct snapshot *base, struct line **out_line, struct draft *out,
		  bool *out_own_line);

/* Gives the draft up. */
void version_abort(struct line *line, struct draft *d);

/* s, which has taken over what the draft had, becomes the newest of its line. COMMIT of the draft, not of the zone. */
void version_commit(struct line *line, struct draft *d, struct snapshot *s);

/* Frees a snapshot that nobody has seen, but for its blocks. */
void snapshot_free(struct snapshot *s);

/* denial.c. The record data in e's NSEC3 set that is of the chain in use, whole hash and all; NULL: none. */
const uint8_t *nsec3_chain_record(const struct snapshot *s, const struct entry *e, struct rrset *out);
