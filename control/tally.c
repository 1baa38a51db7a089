#include "control/tally.h"

#include <string.h>

/*
 * Sets end at 64 KiB, what a message carries, and no owner has more than a few dozen types: this much at one owner in a row
 * is not a zone, and most of it repeats what was there.
 */
#define OWNER_OCTETS_MAX (16 * 1024 * 1024)

void tally_init(struct tally *t, const struct builder_limits *limits, bool changes)
{
	*t = (struct tally){.limits = *limits, .changes = changes};
}

static bool exceeds(uint64_t value, uint64_t limit, bool changes)
{
	return limit != 0 && value / (changes ? 2 : 1) > limit;
}

static void count_row(struct tally *t, const uint8_t *owner, uint16_t type, uint64_t octets)
{
	uint8_t len = (uint8_t)name_len(owner);

	if (len != t->owner_len || memcmp(owner, t->owner, len) != 0) {
		memcpy(t->owner, owner, len);
		t->owner_len = len;
		t->owner_octets = 0;
		t->type_records = 0;
	}
	if (type != t->type)
		t->type_records = 0;
	t->type = type;
	t->type_records++;
	t->owner_octets += octets;
}

enum builder_verdict tally_record(struct tally *t, const uint8_t *owner, uint16_t type, uint16_t rdata_len)
{
	uint64_t octets = name_len(owner) + 10u + rdata_len;

	t->records++;
	t->octets += octets;
	count_row(t, owner, type, octets);
	if (exceeds(t->records, t->limits.records, t->changes))
		return BUILDER_LIMIT_RECORDS;
	if (exceeds(t->octets, t->limits.bytes, t->changes))
		return BUILDER_LIMIT_BYTES;
	/* RRSIGs of one owner belong to many sets. */
	if (type != DNS_TYPE_RRSIG && exceeds(t->type_records, t->limits.rrset_records, t->changes))
		return BUILDER_LIMIT_RRSET;
	if (t->owner_octets > OWNER_OCTETS_MAX)
		return BUILDER_LIMIT_MESSAGE;
	return BUILDER_OK;
}
