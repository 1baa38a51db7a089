/*
 * The naive twin of a snapshot: a list of records, and RFC 1034 4.3.2 read off it with loops. Whatever a snapshot
 * says is compared with what this says. Deterministic: all randomness comes from a seed that failures print.
 */
#pragma once

#include "dataplane/zone/arena.h"
#include "dataplane/zone/builder.h"
#include "dataplane/zone/lookup.h"

#define MODEL_KEY   UINT64_C(0x1234567890ABCDEF)
#define MODEL_RDATA 300

struct model_record {
	uint8_t owner[NAME_LEN_MAX];
	uint32_t ttl;
	uint16_t type;
	uint16_t len;
	uint8_t rdata[MODEL_RDATA];
};

struct model {
	uint8_t apex[NAME_LEN_MAX];
	struct model_record *v;
	unsigned cnt, cap;
};

struct rng {
	uint64_t state;
};

uint64_t rng_next(struct rng *r);
unsigned rng_below(struct rng *r, unsigned n);

/* "a.example." -> wire; returns its argument. Aborts on bad text: it is a test's constant. */
const uint8_t *wire_name(const char *text, uint8_t out[NAME_LEN_MAX]);

void model_init(struct model *m, const char *apex, uint32_t serial);
void model_fini(struct model *m);
void model_copy(struct model *dst, const struct model *src);

/* False, and nothing added, when a zone may not hold it: a duplicate, a CNAME beside others, a second CNAME... */
bool model_add(struct model *m, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
	       unsigned len);
void model_remove(struct model *m, unsigned index);

/* The same record, TTL and case of its data included. */
bool model_contains(const struct model *m, const struct model_record *rec);

/* Record data from text of the common types: A, AAAA, NS, CNAME, DNAME, PTR, MX ("10 name"), TXT. Returns its length. */
unsigned rdata_text(uint16_t type, const char *text, uint8_t out[MODEL_RDATA]);
bool model_add_text(struct model *m, const char *owner, uint16_t type, const char *rdata);

/* A random record in the zone's small universe of names: collisions, ancestors, cuts, wildcards are all common. */
void model_random_name(const struct model *m, struct rng *r, uint8_t out[NAME_LEN_MAX]);
bool model_add_random(struct model *m, struct rng *r);
void model_set_serial(struct model *m, uint32_t serial);

/* Builds all of it from scratch. Fails the test when the builder does not like it. */
struct snapshot *model_build(const struct model *m, struct arena *arena);

/* Builds next from base by the difference of two models. */
struct snapshot *model_edit(const struct model *from, const struct model *to, const struct snapshot *base,
			    struct arena *arena, struct rng *r);

/* Asks the snapshot everything about name and compares. */
void model_check_name(const struct model *m, const struct snapshot *s, const uint8_t *name);

/* Every name of the universe, every owner, every ancestor, and the walk. */
void model_check(const struct model *m, const struct snapshot *s);

/* Both snapshots answer everything about name with the same octets. */
void model_check_twins(const struct snapshot *a, const struct snapshot *b, const uint8_t *name);

struct arena *test_arena(void);
void test_arena_free(struct arena *a); /* fails the test when something is still allocated */
