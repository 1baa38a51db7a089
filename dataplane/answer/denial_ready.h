/*
 * Name errors with NSEC3 as octets. Of the three records that such a proof takes (RFC 5155 7.2.2) only the one that covers
 * the next closer name depends on the question. The SOA, the closest encloser's record and the one about the wildcard there
 * are the same for all that is asked below that encloser, as long as the zone does not change: they are laid out once, and
 * copied.
 *
 * Belongs to one engine. What is kept is copies and numbers: a piece is of one snapshot and one encloser in it, known by the
 * snapshot's number, which no other ever has, and by where the encloser's entry lies there. Nothing is followed into a
 * snapshot that may be gone, and a piece whose snapshot is gone is never found again. An encloser is laid out when it
 * comes for the second time in a row at its place, so that a walk over many zones costs comparisons and no copies.
 *
 * Hot path: no allocation, lock, log, syscall or shared write.
 */
#pragma once

#include "dataplane/answer/denial.h"

#define DENIAL_READY_CNT      64   /* a power of two; 84 KiB, of which a flood below one name uses one */
#define DENIAL_READY_LEN      1216 /* what the default payload limit lets through, less header and question */
#define DENIAL_READY_POINTERS 20

enum denial_ready_state {
	DENIAL_READY_SEEN, /* asked for once */
	DENIAL_READY_FIT,
	DENIAL_READY_UNFIT, /* not of the usual form: a proof further up, a collision, too long, NSEC too */
};

struct denial_ready {
	uint64_t number;
	const struct entry *encloser; /* compared, never followed */
	const uint8_t *body[2];	      /* likewise: the encloser's record, the wildcard's */
	uint8_t state;		      /* enum denial_ready_state */
	uint8_t head_cnt,
		tail_cnt; /* records: SOA and the encloser's; the wildcard's, 0 if that is the encloser's */
	uint8_t apex_cnt; /* pointers into the apex, which move with it; at the front of at[] */
	uint8_t self_cnt; /* and into the head; behind them */
	uint8_t tail_apex_cnt, tail_self_cnt; /* the same of the tail; behind those */
	uint16_t head_len, tail_len;
	uint16_t at[DENIAL_READY_POINTERS]; /* offsets into head or tail */
	uint8_t octets[DENIAL_READY_LEN];   /* head, then tail */
};

struct denial_ready_table {
	struct denial_ready of[DENIAL_READY_CNT];
};

/*
 * For a LOOKUP_MISSING that denial_prepare was done for. NULL: the answer is to be made the long way. What is returned
 * is valid until the next call.
 */
const struct denial_ready *denial_ready_find(struct denial_ready_table *t, const struct lookup *l);

/*
 * Writes the authority section behind the question, with `next` between head and tail (unless it is one of theirs, RFC 2181
 * 5). Returns where it ends, and sets *out_cnt; 0: it might not end before `end`, nothing was written.
 */
uint32_t denial_ready_write(const struct denial_ready *d, const struct denial *next, const struct lookup *l,
			    uint8_t *msg, uint32_t at, uint32_t end, unsigned *out_cnt);
