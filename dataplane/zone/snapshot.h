/*
 * A published version of a zone: immutable, read by any number of workers without a lock.
 *
 * Everything here takes a snapshot that the caller may read: inside one RCU turn (obtained from the zone table and
 * dropped before the thread's next quiescent state), or held by snapshot_hold.
 */
#pragma once

#include "dataplane/dns/name.h"
#include "dataplane/dns/rdata.h"
#include "dataplane/zone/rrset.h"

struct snapshot;
struct entry; /* one owner name and its record sets */

enum entry_flag {
	ENTRY_CUT = 1 << 0,	       /* NS below the apex: a delegation (RFC 1034 4.2.1) */
	ENTRY_DNAME = 1 << 1,	       /* owns a DNAME; names below it are occluded (RFC 6672 2.4) */
	ENTRY_BELOW = 1 << 2,	       /* below a cut or a DNAME: occluded or glue, never authoritative */
	ENTRY_WILDCARD_CHILD = 1 << 3, /* "*" exists directly below */
	ENTRY_EMPTY = 1 << 4,	       /* empty non-terminal: no record set of its own (RFC 4592 2.2.2) */
	ENTRY_APEX = 1 << 5,
	ENTRY_CNAME = 1 << 6,
};

struct snapshot_info {
	uint64_t records;
	uint64_t names; /* owner names with records */
	uint64_t bytes; /* arena octets this snapshot can reach, shared ones included */
	uint64_t delegations;
	uint32_t serial;
	bool has_nsec;
	bool has_nsec3;
	bool ttl_repaired; /* it, or what it was made from, came with unequal TTLs in a set */
};

const uint8_t *snapshot_apex_name(const struct snapshot *s); /* as the zone's SOA owner was received */
unsigned snapshot_apex_label_cnt(const struct snapshot *s);
const struct entry *snapshot_apex(const struct snapshot *s);
uint32_t snapshot_serial(const struct snapshot *s);
void snapshot_info(const struct snapshot *s, struct snapshot_info *out);

unsigned entry_flags(const struct entry *e); /* enum entry_flag */
unsigned entry_owner_len(const struct snapshot *s,
			 const struct entry *e); /* octets of the absolute owner name */

/* Writes the absolute owner name (case as received); returns its length. */
size_t entry_owner(const struct snapshot *s, const struct entry *e, uint8_t out[NAME_LEN_MAX]);

/* Finds a record set by type (RRSIG sets are found with what they cover, never here). False: none. */
bool entry_set(const struct snapshot *s, const struct entry *e, uint16_t type, struct rrset *out);

/* All record sets in ascending type order: *iter starts at 0. RRSIGs that cover nothing come as type RRSIG. */
bool entry_next_set(const struct snapshot *s, const struct entry *e, unsigned *iter, struct rrset *out);

/*
 * Glue of a cut, for a referral that carries its NS set.
 *
 * In-domain glue (targets at or below the cut, required by RFC 9471 3.1) is one prepared body: its owner pointers
 * are in its reloc list too and are body pointers into the *NS set's* body, so link it with rrset_link_glue.
 * len is 0 when there is none.
 */
void entry_glue(const struct snapshot *s, const struct entry *cut, struct rrset *out);

/* ns_at: the message offset where the NS set was linked. Otherwise as rrset_link. */
size_t rrset_link_glue(const struct rrset *glue, const struct rrset_place *place, size_t ns_at, uint8_t *msg,
		       size_t at);

/*
 * Sibling glue (targets elsewhere in the zone below another cut, RFC 9471 3.2) and, for an NS, MX, SRV, SVCB or
 * HTTPS set, in-zone authoritative addresses of its targets: found by reference. Starts with *iter = 0; each call
 * gives the next target: the nominal message offset of its name in set's body and its A and AAAA sets (cnt 0 when
 * absent; not both). Targets whose addresses the in-domain glue body already holds are left out. Each record that was
 * looked at takes one from *left, for each costs a lookup: a set may name thousands. False: no more, or *left is 0.
 */
struct rrset_target {
	uint16_t
		name_at; /* nominal message offset of the target name in the body: >= RRSET_NOMINAL, or in the owner */
	struct rrset a;
	struct rrset aaaa;
	uint8_t owner_len;
};

bool snapshot_next_target(const struct snapshot *s, const struct entry *e, const struct rrset *set,
			  unsigned *iter, unsigned *left, struct rrset_target *out);

/*
 * One record of a walk: absolute owner, uncompressed record data. Pointers are valid during the callback only.
 * Return 0 to go on, anything else ends the walk and is returned by it.
 */
struct snapshot_record {
	const uint8_t *owner;
	const uint8_t *rdata;
	uint32_t ttl;
	uint16_t rdata_len;
	uint16_t type;
};
typedef int (*snapshot_walk_fn)(const struct snapshot_record *record, void *arg);

/*
 * All records: the SOA first, then in canonical order of owner, type, record data (RFC 4034 6). Not for workers:
 * may allocate. Returns 0, what fn returned, or -ENOMEM.
 */
int snapshot_walk(const struct snapshot *s, snapshot_walk_fn fn, void *arg);

/*
 * Keeps a snapshot alive past the RCU turn, for a dump or an outgoing transfer. Taken on a registered, online RCU
 * thread; released on any thread.
 */
struct snapshot *snapshot_hold(const struct snapshot *s);
void snapshot_release(struct snapshot *s);

/* Ends a snapshot that was never published, or was withdrawn. Readers may still be in it: freed after a grace period. */
void snapshot_retire(struct snapshot *s);
