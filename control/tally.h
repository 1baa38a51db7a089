/*
 * What a transfer has delivered so far, held against the zone's limits record by record.
 *
 * The builder checks what a zone is; this checks what a stream may cost while it runs: records that are outside the
 * zone, repeated, or of one endless set count here at once, before anything is kept for them. Pure; any thread.
 */
#pragma once

#include "dataplane/zone/builder.h"

struct tally {
	struct builder_limits limits;
	bool changes; /* IXFR: a change of everything deletes and adds every record */
	uint64_t records;
	uint64_t octets; /* uncompressed: owner, 10 octets, data */
	/* Records with the same owner in a row, and those of them that also have the same type in a row. */
	uint64_t owner_octets;
	uint64_t type_records;
	uint16_t type;
	uint8_t owner_len;
	uint8_t owner[NAME_LEN_MAX];
};

void tally_init(struct tally *t, const struct builder_limits *limits, bool changes);

/* Counts one record. BUILDER_OK, or the limit that it breaks. */
enum builder_verdict tally_record(struct tally *t, const uint8_t *owner, uint16_t type, uint16_t rdata_len);
