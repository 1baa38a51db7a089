/*
 * The answer engine for fuzz targets: zones with corners, unsigned and signed, one that expired, and what holds for every
 * response. Lives as long as the process: libFuzzer calls the target millions of times in one.
 */
#pragma once

#include "dataplane/answer/answer.h"
#include "tests/fuzz/holds.h"

#define ANSWER_WORLD_PAYLOAD 1232

struct answer_world {
	struct zonetab *zones;
	struct answer_engine *engine;
	struct answer_engine *limited; /* the same with rate limits */
	struct answer_engine
		*plain; /* has no EDNS options of its own to answer with, so the short ways are open */
	struct answer_config config, limited_config, plain_config;
	struct arena *arena;
};

/*
 * The process's; made by the first call. z. and s.z. are unsigned, nsec. and nsec3. signed, gone. has expired; h1. to
 * h255. have NSEC3 records with a next hash of so many octets.
 */
struct answer_world *answer_world(void);

/* The response in job to the request that was there, where cap octets are. */
void answer_world_check(const struct answer_job *job, const uint8_t *request, size_t request_len,
			uint32_t cap);
