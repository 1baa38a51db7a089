/*
 * Makes snapshots: a whole one from a stream of records (AXFR), or the next one from the current one and a list of
 * additions and deletions (IXFR), at a cost proportional to the change.
 *
 * One builder belongs to one thread at a time (a builder thread); several builders of different zones may run at
 * once on the same arena. May block, may allocate, never touches what is published.
 */
#pragma once

#include <stdatomic.h>

#include "dataplane/zone/snapshot.h"

struct arena;
struct builder;

/*
 * What the policy does with zone content that is wrong but known in the wild; see FORMAT.md for the reasons.
 *   rejected: no SOA, two SOAs, no NS at the apex, CNAME beside other data (RFC 2181 10.1; NSEC, RRSIG, KEY and NXT
 *             excepted), two CNAMEs or DNAMEs at one owner, meta types, a limit.
 *   repaired: records outside the zone (skipped), duplicates (merged), unequal TTLs in a set (lowest, RFC 2181 5.2),
 *             TTL with the top bit (0, RFC 2181 8), each counted in the report.
 */
enum builder_verdict {
	BUILDER_OK,
	BUILDER_NO_MEMORY,
	BUILDER_NO_SOA,
	BUILDER_TWO_SOAS,
	BUILDER_NO_NS,
	BUILDER_CNAME_AND_OTHER,
	BUILDER_TWO_CNAMES,
	BUILDER_META_TYPE,
	BUILDER_LIMIT_RECORDS, /* limits.records */
	BUILDER_LIMIT_BYTES,   /* limits.bytes of uncompressed records */
	BUILDER_LIMIT_RRSET,   /* limits.rrset_records records in one set */
	BUILDER_LIMIT_MESSAGE, /* a set that no 65,535-octet message can carry */
	BUILDER_DELETE_ABSENT, /* builder_del of a record that is not there */
	BUILDER_ADD_PRESENT,   /* builder_add to a base snapshot of a record that is there already */
	BUILDER_LIMIT_NAME,    /* more record sets at one name than an entry holds: about 7,000 */
	BUILDER_LIMIT_SPREAD,  /* names that take more than 16 MiB and 32 times the octets of their records */
	BUILDER_LIMIT_EDITS,   /* edits that take more memory than a full build would */
	BUILDER_LIMIT_BUDGET,  /* edits for which the budget has no room: builder_share */
	BUILDER_CANCELLED,     /* builder_watch */
};

/* 0: none. */
struct builder_limits {
	uint64_t records;
	uint64_t bytes;
	uint32_t rrset_records;
};

/* No limit but what the format holds. */
extern const struct builder_limits builder_limits_none;

/* What was wrong and where; owner is valid when type is not 0. What was repaired, for the log. */
struct builder_report {
	uint8_t owner[NAME_LEN_MAX];
	uint16_t type;
	/* The work on denial: digests made to find the NSEC3 chain in use, some hundreds at most. */
	uint32_t nsec3_rounds;
	uint64_t skipped_outside;
	uint64_t skipped_duplicate;
	uint64_t ttl_unequal;
	uint64_t ttl_top_bit;
	/* The work: records that were put in order, each as often as it was, and servers of cuts looked at for glue. */
	uint64_t handled;
};

/*
 * base NULL: an empty zone. Otherwise the snapshot to change: the caller holds it (snapshot_hold) until the builder
 * is freed. Hashing uses key, the zone table's key. Returns NULL when out of memory.
 */
struct builder *builder_new(struct arena *arena, uint64_t key, const uint8_t *apex,
			    const struct snapshot *base, const struct builder_limits *limits);

/*
 * Soon after *stop has become true, whoever sets it, everything ends with BUILDER_CANCELLED: to finish a large zone takes
 * seconds. It lives longer than the builder.
 */
void builder_watch(struct builder *b, const atomic_bool *stop);

/*
 * Memory outside of the arena for the edits of all builders that share it, each until it is freed. Those of one builder
 * may take 64 MiB and twice what its base takes in any case.
 */
struct builder_budget {
	uint64_t max;	       /* octets; immutable */
	_Atomic uint64_t used; /* written by all builders */
};

/* Before the first record. The budget lives longer than the builder. */
void builder_share(struct builder *b, struct builder_budget *budget);

/*
 * Adds or deletes one record of class IN: absolute owner, valid uncompressed record data (rdata.h). Copied.
 * Anything but BUILDER_OK is final: later calls return the same, and the fault may be an earlier record's. Limits are
 * noticed while records arrive, at the latest 128 KiB of records behind, or as much as the names have that records came
 * late for; what all calls together cost is proportional to the octets given to them. Edits count in the order of a delta
 * (RFC 1995 4), and a list of them may be four times as long as the limits say a zone may be large, or 65,536.
 */
enum builder_verdict builder_add(struct builder *b, const uint8_t *owner, uint16_t type, uint32_t ttl,
				 const uint8_t *rdata, uint16_t rdata_len);
enum builder_verdict builder_del(struct builder *b, const uint8_t *owner, uint16_t type, const uint8_t *rdata,
				 uint16_t rdata_len);

/*
 * Validates and builds. On BUILDER_OK *out is a snapshot nobody else has seen, for zonetab_publish or
 * snapshot_retire. The report is filled either way.
 */
enum builder_verdict builder_finish(struct builder *b, struct snapshot **out, struct builder_report *report);

void builder_free(struct builder *b);

/* "CNAME and other data", for log lines. */
const char *builder_verdict_text(enum builder_verdict v);
