/*
 * Finding a name in a snapshot: RFC 1034 4.3.2 step 3 with RFC 4592 and RFC 6672, as far as it is about names.
 *
 * Takes a burst so that the memory latency of the directory, the block and the entry is paid once per burst, not
 * once per name. Hot path: no malloc, lock, log, syscall or shared write. Any registered reader thread.
 */
#pragma once

#include "dataplane/zone/nsec3.h"
#include "dataplane/zone/snapshot.h"

enum lookup_kind {
	LOOKUP_EXACT, /* the name exists and is authoritative; may be empty (ENT), the apex, or hold a CNAME */
	LOOKUP_CUT,   /* at or below a cut: entry is the cut (the one nearest the apex) */
	LOOKUP_DNAME, /* strictly below a DNAME owner: entry is that owner */
	LOOKUP_WILDCARD, /* does not exist, a wildcard at the closest encloser matches: entry is "*.<encloser>" */
	LOOKUP_MISSING, /* does not exist, and no wildcard: entry is NULL */
};

struct lookup {
	/* in */
	const struct snapshot *snap;
	const uint8_t *name;		  /* lower case */
	const struct name_hashes *hashes; /* of name, with the table's key; none above apex_label is needed */
	uint8_t apex_label; /* index of the label where the apex starts: name is at or below the apex */
	/* out */
	uint8_t kind;  /* enum lookup_kind */
	uint8_t label; /* where entry's owner starts in name; for LOOKUP_WILDCARD the encloser's start */
	uint8_t encloser_label; /* where the closest encloser starts (= label if EXACT) */
	const struct entry *entry;
	const struct entry *encloser; /* closest encloser (RFC 4592 3.3.1); the entry itself if EXACT */
};

#define LOOKUP_BURST_MAX 64

/* Fills the out part of each; cnt <= LOOKUP_BURST_MAX. Snapshots may differ from one to the next. */
void lookup_burst(struct lookup *const lookups[], unsigned cnt);

static inline void lookup_one(struct lookup *l)
{
	lookup_burst(&l, 1);
}

/*
 * Denial of existence (RFC 4035 3.1.3, RFC 5155 7.2). The record whose owner is the name or, when there is none,
 * the one that covers it. exact tells which. False when the zone has no such chain.
 */
struct denial {
	struct rrset set; /* one NSEC or NSEC3 record with its RRSIGs */
	const struct entry *entry;
	const uint8_t *rel;   /* its owner below the apex, in lower case; ... */
	const uint8_t *shown; /* ... and as received */
	uint8_t rel_len;
	bool exact;
	bool opt_out; /* NSEC3 flags bit 0 */
};

/* name: absolute, lower case. */
bool snapshot_nsec(const struct snapshot *s, const uint8_t *name, struct denial *out);
bool snapshot_nsec3(const struct snapshot *s, const uint8_t *name, struct denial *out);

/*
 * The NSEC3 chain that a snapshot denies with, and what nearly every name error directly below the apex needs of it. id:
 * equal numbers mean equal parameters, and so equal hashes of equal names.
 */
struct nsec3_chain {
	const uint8_t *params; /* NSEC3PARAM record data */
	uint64_t id;
	uint64_t number; /* of the snapshot: no other one of its arena ever has it; not 0 */
	uint8_t apex_hash[NSEC3_HASH_LEN];
	struct denial apex;
	struct denial wildcard; /* of "*" below the apex */
};

/* NULL: none. */
const struct nsec3_chain *snapshot_nsec3_chain(const struct snapshot *s);

/*
 * snapshot_nsec3 in steps, for a snapshot that has a chain: the hash, asking for the memory where it is, and the record that
 * matches or covers it.
 *
 * A hash takes up to SNAPSHOT_NSEC3_ITERATIONS_MAX further ones (RFC 5155 10.3). In a chain with more of them every name is
 * taken for the apex, and some record for that of the apex, so that a denial is that NSEC3 alone: whoever validates with
 * such a chain does not look at hashes but takes the signed number for a zone that proves nothing (RFC 9276 3.2: BIND,
 * Unbound, Knot Resolver and PowerDNS from 50 or 150 on), and neither a question nor a build costs us more.
 */
#define SNAPSHOT_NSEC3_ITERATIONS_MAX 150

void snapshot_nsec3_hash(const struct snapshot *s, const uint8_t *name, uint8_t out[NSEC3_HASH_LEN]);
void snapshot_nsec3_fetch(const struct snapshot *s, const uint8_t hash[NSEC3_HASH_LEN]);
bool snapshot_nsec3_at(const struct snapshot *s, const uint8_t hash[NSEC3_HASH_LEN], struct denial *out);

struct nsec3_want {
	const struct snapshot *snap; /* has a chain */
	const uint8_t *name;
	size_t len; /* octets of it */
	uint8_t *out;
};

/* snapshot_nsec3_hash of cnt <= LOOKUP_BURST_MAX names, in less time than one by one. */
void snapshot_nsec3_hash_many(struct nsec3_want want[], unsigned cnt);

/*
 * snapshot_nsec3_at in two steps: what is found by the block's tags and asked for, mostly without having been looked at;
 * and what it is. found may be NULL, and is of the same snapshot and hash.
 */
const struct entry *snapshot_nsec3_seek(const struct snapshot *s, const uint8_t hash[NSEC3_HASH_LEN]);
bool snapshot_nsec3_take(const struct snapshot *s, const uint8_t hash[NSEC3_HASH_LEN],
			 const struct entry *found, struct denial *out);
