/*
 * Proofs that something does not exist: RFC 4035 3.1.3 with NSEC, RFC 5155 7.2 with NSEC3. Which of the two is the
 * zone's choice; where it has neither chain, or the client did not set DO, nothing is added.
 *
 * A proof is required (RFC 4035 3.1.3): what does not fit sets TC. What cannot be proven, because two names have one hash,
 * is to be SERVFAIL (RFC 5155 7.2.9): sent.collision says so.
 */
#pragma once

#include "dataplane/answer/reply.h"

/*
 * NSEC3 hashes of the names that proofs are about again and again: closest enclosers other than the apex and the wildcards
 * there. What is asked for is new each time, what it lies below is not, and so one hash of the three is left to do. Belongs
 * to one engine; a hash depends on the name and the chain's parameters alone, so nothing here is of a snapshot.
 */
#define DENIAL_HASHES 256 /* a power of two; 12 KiB, of which a flood below one name uses a line */

struct denial_hashed {
	uint64_t key; /* of name and chain, both keyed hashes; 0: unused */
	uint8_t encloser[NSEC3_HASH_LEN];
	uint8_t wildcard[NSEC3_HASH_LEN];
};

struct denial_hashes {
	struct denial_hashed of[DENIAL_HASHES];
};

/* The next closer name of one that does not exist: its hash, and the entry at or before that in the chain; NULL: none. */
struct denial_next {
	const struct entry *entry;
	uint8_t hash[NSEC3_HASH_LEN];
};

/* The records that a reply already holds: one may prove two things, and is sent once (RFC 2181 5). */
#define DENIAL_SENT_MAX 24

struct denial_sent {
	struct denial_hashes *hashes;
	const struct denial_next *next; /* what denial_prepare made; NULL: it did not */
	bool collision; /* out: a name that is not there has the NSEC3 hash of one that is, so no proof is right */
	unsigned cnt;
	const uint8_t *body[DENIAL_SENT_MAX];
};

/* Whether the proof that nothing else matches the name of a question with DO needs the hash of its next closer name. */
bool denial_needs_next(const struct lookup *l);

/*
 * Makes the one hash for each of cnt such names, and finds and asks for the memory of the record that covers it. Done for a
 * whole burst, the hashes overlap, for each is one long chain of dependent instructions, and memory is waited for once.
 */
void denial_prepare(const struct lookup *const l[], struct denial_next *const out[], unsigned cnt);

/*
 * RFC 2308 3: the SOA of l's zone with TTL min(SOA TTL, MINIMUM), so that it says how long the denial may be kept. False: it
 * did not fit.
 */
bool denial_put_soa(struct reply *r, const struct reply_name *n, const struct lookup *l);

/* One record of the chain, its owner written out as far as the message does not hold it; what was sent is not sent again. */
void denial_put_record(struct reply *r, const struct reply_name *n, const struct lookup *l,
		       struct denial_sent *sent, const struct denial *d);

/*
 * All add to the authority section for name n as it was looked up.
 * nodata: LOOKUP_EXACT, LOOKUP_WILDCARD, and LOOKUP_CUT for DS at the cut; RFC 4035 3.1.3.1 and .4, RFC 5155 7.2.3 to 5.
 * name_error: LOOKUP_MISSING; RFC 4035 3.1.3.2, RFC 5155 7.2.2.
 * wildcard: LOOKUP_WILDCARD, that nothing closer matches; RFC 4035 3.1.3.3, RFC 5155 7.2.6.
 * delegation: LOOKUP_CUT without DS; RFC 4035 3.1.4, RFC 5155 7.2.7.
 */
void denial_put_nodata(struct reply *r, const struct reply_name *n, const struct lookup *l,
		       struct denial_sent *sent);
void denial_put_name_error(struct reply *r, const struct reply_name *n, const struct lookup *l,
			   struct denial_sent *sent);
void denial_put_wildcard(struct reply *r, const struct reply_name *n, const struct lookup *l,
			 struct denial_sent *sent);
void denial_put_delegation(struct reply *r, const struct reply_name *n, const struct lookup *l,
			   struct denial_sent *sent);
