/*
 * Record sets in the form that is sent, and the linker that puts them into a message.
 *
 * A stored body is the octets of an answer section, laid out as if it stood directly behind the question of a
 * message whose question name is the body's owner: that nominal place is RRSET_NOMINAL(owner_len). Every record
 * starts with the owner pointer 0xC00C. Names in record data that RFC 3597 allows to compress are compressed
 * against the owner, the apex (a suffix of the owner) and earlier names of the same body; where such a pointer
 * stands is listed in reloc. The RRSIGs that cover the set lie directly behind it in the same form.
 *
 * Two kinds of pointer follow from that, told apart by their value:
 *   suffix pointers, 12 <= p < 12 + owner_len: into the owner name. They move with the owner.
 *   body pointers, p >= RRSET_NOMINAL(owner_len): into the same body. They move with the body.
 *
 * Pure readers of published memory; worker threads. No allocation, no lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/dns/protocol.h"

#define RRSET_NOMINAL(owner_len) (DNS_HEADER_LEN + (owner_len) + 4)

/*
 * The builder makes no body pointer whose nominal target lies past this, so that a body can be moved this far
 * and its pointers still fit their 14 bits; RRSET_LINK_AT_MAX is the last message offset where one may start.
 */
#define RRSET_TARGET_MAX  4095
#define RRSET_LINK_AT_MAX 12288

/* A view: points into a snapshot, valid as long as that is. */
struct rrset {
	const uint8_t *body;
	const uint16_t *reloc; /* ascending offsets into body, host order; records and RRSIGs in one list */
	uint32_t len;	       /* octets of the records */
	uint32_t sig_len;      /* octets of the RRSIGs behind them */
	uint32_t ttl;
	uint16_t cnt;
	uint16_t sig_cnt;
	uint16_t reloc_cnt;
	uint16_t type;
	uint8_t shift; /* owner octets that the layout left out: shared bodies are laid out for the apex as owner */
};

/* Where a body goes. All message offsets are below 16384, but for rrset_spell. */
struct rrset_place {
	uint16_t owner;	     /* what the owner pointers point to */
	uint16_t stored_len; /* length of the owner name the body was laid out for */
	int16_t suffix_add;  /* added to suffix pointers ... */
	const uint16_t
		*suffix_at; /* ... unless this is given: octet offset in the stored owner -> message offset */
	const uint8_t *
		literal; /* owner of the first record written out (its offset is `owner` then); NULL: pointer */
	uint16_t literal_len;
	uint16_t literal_to; /* if not 0, the last two octets are a pointer there, and not in literal */
};

/* Octets that rrset_link will write. */
static inline size_t rrset_linked_len(const struct rrset *set, const struct rrset_place *place,
				      bool with_sigs)
{
	return set->len + (with_sigs ? set->sig_len : 0) +
	       (place->literal != NULL ? (size_t)place->literal_len - 2 : 0);
}

/*
 * Copies the set (and its RRSIGs) to msg + at and fixes its pointers. The caller has checked the room with
 * rrset_linked_len and that at <= RRSET_LINK_AT_MAX. Returns the offset behind the last octet written.
 */
size_t rrset_link(const struct rrset *set, const struct rrset_place *place, uint8_t *msg, size_t at,
		  bool with_sigs);

/*
 * The same where pointers of the body may not reach, anywhere in a message: names that the body has compressed are written out,
 * and so is an owner that stands, or is spelled, out of a pointer's reach. Returns the offset behind, or 0 when it does not
 * fit before end; what is at `at` and behind is then unspecified. Not quick: for what is large and goes over TCP.
 */
size_t rrset_spell(const struct rrset *set, const struct rrset_place *place, uint8_t *msg, size_t at,
		   size_t end, bool with_sigs);

/* The glue of an NS set that was spelled (entry_glue in snapshot.h); place is that set's. */
size_t rrset_spell_glue(const struct rrset *glue, const struct rrset *ns, const struct rrset_place *place,
			uint8_t *msg, size_t at, size_t end);
