/*
 * Finding a name in a snapshot: RFC 1034 4.3.2 step 3 with RFC 4592 and RFC 6672, as far as it is about names.
 *
 * Takes a burst so that the memory latency of the directory, the block and the entry is paid once per burst, not
 * once per name. Hot path: no malloc, lock, log, syscall or shared write. Any registered reader thread.
 */
#pragma once

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
	const struct name_hashes *hashes; /* of name, with the table's key */
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
	struct rrset set;	     /* one NSEC or NSEC3 record with its RRSIGs */
	uint8_t owner[NAME_LEN_MAX]; /* its absolute owner; the last apex_len octets are the apex */
	uint8_t owner_len;
	bool exact;
	bool opt_out; /* NSEC3 flags bit 0 */
};

/* name: absolute, lower case. */
bool snapshot_nsec(const struct snapshot *s, const uint8_t *name, struct denial *out);
bool snapshot_nsec3(const struct snapshot *s, const uint8_t *name, struct denial *out);
