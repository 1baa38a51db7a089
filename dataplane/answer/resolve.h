/*
 * RFC 1034 4.3.2 for class IN: from a looked-up question to the records of its answer, through CNAME and DNAME chains
 * as far as the served zones go. What the question's own lookup found comes in; the names behind it are looked up here.
 *
 * Not here: packets, EDNS, other classes (answer.c), proofs of non-existence (denial.c).
 * Owner thread of the engine; no allocation, lock, log, system call or shared write.
 */
#pragma once

#include "dataplane/answer/denial.h"
#include "dataplane/zone/zonetab.h"

/*
 * CNAME records and DNAME substitutions in one answer. Knot follows 5, NSD 18, BIND 11; real chains have two or three,
 * and every one is a lookup that somebody else makes us do.
 */
#define RESOLVE_CHAIN_MAX 16

/*
 * Targets of one set that are looked up for the additional section, found or not: it bounds the work that one question
 * can cause (CVE-2024-11187). More name servers than the root has are not needed to reach a zone.
 */
#define RESOLVE_TARGETS_MAX 16

/* One name of the chain. */
struct resolve_step {
	struct reply_name name;
	struct lookup lookup;
	bool prepared; /* next is what denial_prepare made for the lookup */
	struct denial_next next;
};

/* The target of a CNAME, and where its labels stand in the message. */
struct resolve_target {
	struct resolve_step step;
	struct name_hashes hashes;
	uint8_t lower[NAME_LEN_MAX];
	uint16_t map[NAME_LEN_MAX];
};

/* Belongs to one engine. */
struct resolver {
	const struct zonetab *zones;
	uint64_t key;
	const uint8_t *client; /* who asks, for the access lists of zones that a chain leads to */
	uint8_t family;	       /* 4 or 6 */
	struct resolve_target target[RESOLVE_CHAIN_MAX];
	struct denial_hashes hashes;
};

/* What there is to count about an answer, apart from its RCODE. */
enum resolve_note {
	RESOLVE_NODATA = 1 << 0,
	RESOLVE_REFERRAL = 1 << 1,
	RESOLVE_WILDCARD = 1 << 2,
	RESOLVE_CHAIN_CUT = 1 << 3,
};

void resolver_init(struct resolver *rs, const struct zonetab *zones);

/*
 * The zone for a name: the longest match, for type DS one above the name when there is one (RFC 4035 3.1.4.1). Fills
 * what zonetab_find_burst left open for a question that was looked up with find->first_label = resolve_first_label().
 */
uint8_t resolve_first_label(uint16_t type, const struct name_hashes *hashes);
void resolve_find_rest(const struct resolver *rs, struct zonetab_find *find);

/*
 * rs->client and rs->family are set, and the client may ask first's zone. Fills r's sections, RCODE, AA and TC. first is looked up and its snapshot valid. all: the answer to QTYPE ANY and
 * RRSIG is everything there is; otherwise one set (RFC 8482 4.1). Returns enum resolve_note bits.
 */
unsigned resolve_answer(struct resolver *rs, struct reply *r, struct resolve_step *first, bool all);
