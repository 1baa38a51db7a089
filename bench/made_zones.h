/*
 * The zones of zone_bench, made by the builder from nothing but their size, and what measuring them takes. Whatever
 * cannot be done ends the program with a line that says what. One thread, registered with RCU.
 */
#pragma once

#include "dataplane/zone/arena.h"
#include "dataplane/zone/builder.h"

#define MADE_KEY UINT64_C(0x243F6A8885A308D3) /* of the name hashes */

/* SplitMix64. */
struct made_rng {
	uint64_t state;
};

uint64_t made_random(struct made_rng *r);

/* Seconds of the monotonic clock. */
double made_now(void);

_Noreturn void made_die(const char *what);

/* Ends the program unless v is BUILDER_OK. */
void made_must(enum builder_verdict v);

/* VmRSS and HugetlbPages of this process, in octets. */
double made_resident(void);

/* An arena on huge pages where there are any, with as much address space as there is. */
struct arena *made_arena_new(void);

/* After every snapshot in it was retired. */
void made_arena_free(struct arena *a);

/* The apex of every zone below is host.test, unless it says otherwise. out has NAME_LEN_MAX octets. */
void made_host_name(uint8_t *out, uint32_t i);

/* A label and the name of a host: LABEL.hI.host.test. */
void made_name_below_host(uint8_t *out, const char *label, uint32_t i);

/* A builder of host.test on base, or from nothing when base is NULL. */
struct builder *made_start(struct arena *arena, const struct snapshot *base);

/* The snapshot of a builder, which is freed. Retire it. */
struct snapshot *made_finish(struct builder *b);

/* host.test of MEASURE.md with so many names; the seconds until the last record was added, and from there on. */
struct snapshot *made_hosts(struct arena *arena, uint32_t names, double *out_records, double *out_finish);

/* host.test with so many delegations over a thousand sets of name servers. */
struct snapshot *made_delegations(struct arena *arena, uint32_t names);

/* The apex of the i-th small zone, and that zone, of ten records. */
void made_small_apex(uint8_t *out, uint32_t i);
struct snapshot *made_small_zone(struct arena *arena, uint32_t i);
