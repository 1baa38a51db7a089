/*
 * Proofs that something does not exist: RFC 4035 3.1.3 with NSEC, RFC 5155 7.2 with NSEC3. Which of the two is the
 * zone's choice; where it has neither chain, or the client did not set DO, nothing is added.
 *
 * A proof is required (RFC 4035 3.1.3): what does not fit sets TC.
 */
#pragma once

#include "dataplane/answer/reply.h"

/* The records that a reply already holds: one may prove two things, and is sent once (RFC 2181 5). */
#define DENIAL_SENT_MAX 24

struct denial_sent {
	unsigned cnt;
	const uint8_t *body[DENIAL_SENT_MAX];
};

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
