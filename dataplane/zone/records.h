/*
 * The records of one owner name, unpacked, in growing buffers that are used again for the next owner: the builder
 * allocates nothing per record. For the builder only.
 */
#pragma once

#include "dataplane/zone/block.h"
#include "dataplane/zone/tree.h"

struct record {
	uint32_t off; /* of its data in bytes */
	uint32_t ttl;
	uint32_t seq; /* order of arrival */
	uint16_t len;
	uint16_t type;
	uint16_t
		set; /* the type of the set that it belongs to: an RRSIG goes with what it covers, if that exists */
	bool sig;
	bool del;
};

struct records {
	struct record *v;
	unsigned cnt, cap;
	uint8_t *bytes;
	uint32_t len, size;
};

void records_fini(struct records *r);

static inline void records_clear(struct records *r)
{
	r->cnt = 0;
	r->len = 0;
}

static inline const uint8_t *record_data(const struct records *r, const struct record *rec)
{
	return r->bytes + rec->off;
}

/* Returns 0 or -ENOMEM. */
int records_add(struct records *r, uint16_t type, uint32_t ttl, const uint8_t *rdata, uint16_t len, bool del);

/* Orders by type and canonical record data, then arrival. */
void records_sort_by_record(struct records *r);

/* Orders as stored: by set, RRSIGs behind what they cover, canonical record data. Fills set and sig. */
void records_sort_by_set(struct records *r);

/* Where shared content is looked up, and what names in bodies hang from. */
struct set_source {
	uint8_t *base;
	const struct tree *shared;
	const uint8_t *apex; /* as received */
	uint8_t apex_len;
};

/* A view of one set of entry e, shared or not. */
void set_view(const struct set_source *src, const struct entry *e, const struct set_raw *raw,
	      struct rrset *out);

/* Unpacks a set; owner is e's absolute name as received. scratch: RECORDS_SCRATCH octets. */
#define RECORDS_SCRATCH (65536 + 1024)
int records_add_set(struct records *r, const struct set_source *src, const uint8_t *owner, size_t owner_len,
		    const struct rrset *set, uint8_t *scratch, uint8_t *rdata);

/* All sets of an entry. */
int records_add_entry(struct records *r, const struct set_source *src, const struct entry *e,
		      uint8_t *scratch, uint8_t *rdata);

/* The absolute owner name as received; returns its length. */
size_t entry_owner_at(const struct set_source *src, const struct entry *e, uint8_t out[NAME_LEN_MAX]);
