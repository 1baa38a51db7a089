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

/* The records that a reply already holds: one may prove two things, and is sent once (RFC 2181 5). */
#define DENIAL_SENT_MAX 24

struct denial_sent {
	struct denial_hashes *hashes;
	const uint8_t *next; /* the hash that denial_prepare made; NULL: it did not */
	bool collision; /* out: a name that is not there has the NSEC3 hash of one that is, so no proof is right */
	unsigned cnt;
	const uint8_t *body[DENIAL_SENT_MAX];
};

/*
 * For a name that was looked up and will be answered with DO: makes the one hash that its denial needs and asks for the
 * memory where that is. Done for a whole burst, the hashes overlap, for each is one long chain of dependent instructions.
 * False: none is needed.
 */
bool denial_prepare(const struct lookup *l, uint8_t out_next[NSEC3_HASH_LEN]);

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
