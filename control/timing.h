/*
 * How long the stages of a change take: last values and histograms of fixed size. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* In the order in which they follow each other; each ends where the next begins. */
#define TIMING_STAGES(X)                                                          \
	X(notify_to_answer, "NOTIFY received until the SOA query was answered")   \
	X(request_to_first, "transfer begun until its first octet")               \
	X(first_to_last, "first octet of the transfer until its last")            \
	X(last_to_verified, "last octet until the version was built and checked") \
	X(verified_to_published, "checked until it was published")                \
	X(published_to_seen, "published until every worker had seen it")          \
	X(total, "NOTIFY received, or without one the transfer begun, until every worker had seen it")

enum timing_stage {
#define X(name, help) TIMING_##name,
	TIMING_STAGES(X)
#undef X
		TIMING_STAGE_CNT
};

struct timing_text {
	const char *name;
	const char *help;
};
extern const struct timing_text timing_text[TIMING_STAGE_CNT];

/* Moments in nanoseconds of one clock; 0: did not happen. */
struct timing_stamps {
	uint64_t notify, answered, request, first, last, verified, published, seen;
};

/* Bucket n counts what took less than 2^n microseconds and not less than half of that; the last one has no end. */
#define TIMING_BUCKET_CNT 28

struct timing_stage_data {
	uint32_t last_us; /* of the last change that had the stage; with cnt > 0 */
	uint32_t cnt;
	uint32_t buckets[TIMING_BUCKET_CNT];
};

struct timing {
	struct timing_stage_data stage[TIMING_STAGE_CNT];
};

void timing_record(struct timing *t, const struct timing_stamps *s);

/* An upper bound of what the fraction (0 to 1) of the changes took in the stage, microseconds; 0: there was none. */
uint64_t timing_quantile(const struct timing_stage_data *d, double fraction);
