/* From records to the octets of an entry. For the builder only. */
#pragma once

#include "dataplane/zone/records.h"

#define ENCODE_ENTRY_MAX   61440 /* leaves room for a second entry in the widest block */
#define ENCODE_ENTRY_AIM   16384 /* beyond, sets of ENCODE_APART_SMALL move out of the entry */
#define ENCODE_APART	   4096	 /* bodies from this size on are stored apart, with the shared content */
#define ENCODE_APART_SMALL 64
#define ENCODE_NAMES	   32	 /* names of one body that later ones may point to */
#define ENCODE_BODY_CAP	   66048 /* the largest body, and one record beyond to notice it */
#define ENCODE_RELOC_MAX   10924

/* An owner name, taken apart once. */
struct owner {
	uint8_t lower[NAME_LEN_MAX]; /* absolute */
	uint8_t orig[NAME_LEN_MAX];  /* as received; the apex part as the apex was */
	uint8_t len;
	uint8_t rel_len;
	uint8_t rel_labels;
	bool cased;			    /* lower and orig differ below the apex */
	uint8_t off[NAME_LABELS_MAX + 1];   /* of label i; off[rel_labels] is the apex */
	uint64_t hash[NAME_LABELS_MAX + 1]; /* of the suffix from label i on */
};

struct encode_name {
	const uint8_t *name;
	uint16_t at; /* nominal */
	uint8_t len;
};

/* One body being laid out. */
struct encode_body {
	uint32_t len;
	uint32_t records_len; /* up to the first RRSIG */
	uint16_t cnt;
	uint16_t sig_cnt;
	uint16_t reloc_cnt;
	uint8_t name_cnt;
	uint8_t layout_len;
	const uint8_t *layout; /* the owner it is laid out for */
	uint8_t label_at[NAME_LEN_MAX +
			 1]; /* [n]: a label of it starts n octets before its end; filled on demand */
	bool label_at_filled;
	bool overflow;
	struct encode_name names[ENCODE_NAMES];
	uint16_t reloc[ENCODE_RELOC_MAX];
	uint8_t octets[ENCODE_BODY_CAP];
};

void encode_body_start(struct encode_body *body, const uint8_t *layout, size_t layout_len);

/* cnt records of one set, in order. */
void encode_body_records(struct encode_body *body, const struct records *r, const struct record *rec,
			 unsigned cnt);

/* A record with the owner at a nominal offset, or written out (at 0); for glue. */
void encode_body_glue(struct encode_body *body, uint16_t owner_at, const uint8_t *owner,
		      const uint8_t *record, size_t len);

/* Writes one set at out (entry starts at base); returns where it ends. type is used for SET_SHARED. */
uint8_t *encode_set(const struct encode_body *body, uint8_t form, const uint8_t *base, uint8_t *out);
uint8_t *encode_set_shared(uint16_t type, uint32_t id, uint8_t form, const uint8_t *base, uint8_t *out);

/* Octets that encode_set writes at most. */
size_t encode_set_size(const struct encode_body *body);

/* The head of an entry, up to its sets; children > 0 makes it ENTRY_PARENT. Returns where the sets start. */
uint8_t *encode_head(const struct owner *o, unsigned flags, uint32_t children, uint8_t *out);
