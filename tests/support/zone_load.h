/*
 * For tests and benchmarks: zones from presentation format into a zone table, read by ldns so that nothing of ours
 * decides what a zone file means. Failures print what was wrong and where to stderr.
 */
#pragma once

#include "dataplane/zone/arena.h"
#include "dataplane/zone/builder.h"
#include "dataplane/zone/zonetab.h"

#include <stdio.h>

/*
 * Reads a zone from f into a snapshot. apex: presentation form, also the first $ORIGIN. Returns 0, -EINVAL for text
 * that is not a zone, or -ENOMEM.
 */
int zone_load_file(struct arena *arena, uint64_t key, const char *apex, FILE *f, struct snapshot **out);
int zone_load_text(struct arena *arena, uint64_t key, const char *apex, const char *text,
		   struct snapshot **out);

/* Adds a slot for the apex and publishes the zone in it. The thread is a registered RCU reader. Returns 0 or -errno. */
int zone_load_into(struct zonetab *t, struct arena *arena, const char *apex, FILE *f, uint32_t *out_slot);
