/*
 * Message digests for zones, RFC 8976: whether the content of a zone is what its ZONEMD record says. Scheme SIMPLE with
 * SHA-384 and SHA-512.
 *
 * It does not check signatures: without DNSSEC a digest guards against accidents, not against people (RFC 8976 1).
 * Its cost is one hash over all records, whatever the change was; which is why it is a policy per zone.
 *
 * Unequal TTLs within a record set, which RFC 2181 5.2 forbids, are repaired when a zone is built; such a zone has
 * another digest than the one its primary computed, so the verdict is a mismatch.
 */
#pragma once

#include <stdatomic.h>

#include "dataplane/zone/snapshot.h"

enum zonemd_verdict {
	ZONEMD_VERIFIED, /* at least one digest that we support is right: one is enough, RFC 8976 4 step 5 */
	ZONEMD_NONE,	 /* the zone has no ZONEMD at its apex */
	ZONEMD_UNSUPPORTED, /* only schemes and hash algorithms that we do not support: nothing is known */
	ZONEMD_MISMATCH,    /* the digest is another one */
	ZONEMD_MALFORMED,   /* the digest has not the length of its hash */
	ZONEMD_SERIAL,	    /* the ZONEMD's serial is not the SOA's */
	ZONEMD_DUPLICATE,   /* two ZONEMDs with the same scheme and hash algorithm, RFC 8976 4 step 4 */
	ZONEMD_NO_MEMORY,   /* or libcrypto failed: nothing is known */
};

/* Of the ZONEMD record that decided the verdict; zeros when there is none. */
struct zonemd_report {
	uint64_t record_cnt;	/* records digested */
	uint32_t soa_serial;	/* of the zone */
	uint32_t zonemd_serial; /* of the record */
	uint8_t scheme;
	uint8_t hash;
};

/*
 * Takes as long as hashing the zone does: for builder threads. The caller may read the snapshot for that long (its
 * own, not yet published, or held). report may be NULL. Soon after *stop (may be NULL) has become true, whoever sets it,
 * it ends with ZONEMD_NO_MEMORY.
 */
enum zonemd_verdict zonemd_verify(const struct snapshot *s, const atomic_bool *stop,
				  struct zonemd_report *report);

/* "its digest is another one", for log lines. */
const char *zonemd_verdict_text(enum zonemd_verdict v);

/*
 * The same, record by record, for who has the records and no snapshot: each record of the zone once, the SOA first,
 * then in canonical order (RFC 4034 6); occluded ones and glue too, nothing from outside the zone.
 */
struct zonemd;

/* apex outlives it. Returns NULL when out of memory. */
struct zonemd *zonemd_new(const uint8_t *apex);

/* Returns 0; or 1 when no further record can change the verdict; or -ENOMEM. */
int zonemd_record(struct zonemd *z, const struct snapshot_record *record);

enum zonemd_verdict zonemd_finish(struct zonemd *z, struct zonemd_report *report);
void zonemd_free(struct zonemd *z);
