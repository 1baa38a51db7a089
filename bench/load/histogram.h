/*
 * Latencies in buckets whose width grows with the value: exact below 128, within 1/128 of the value above. A bucket is
 * found by a shift, so recording costs a few instructions. One thread records; others look when it has stopped.
 */
#pragma once

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7 /* 128 buckets for each power of two: errors below 0.8 % */
#define HISTOGRAM_SUB	   (1u << HISTOGRAM_SUB_BITS)
/* In nanoseconds a bit more than a minute: no run waits that long for an answer. */
#define HISTOGRAM_MAX_BITS 36
#define HISTOGRAM_MAX	   ((UINT64_C(1) << HISTOGRAM_MAX_BITS) - 1)
#define HISTOGRAM_BUCKETS  ((HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB)

struct histogram {
	uint64_t cnt;
	uint64_t sum;
	uint64_t min; /* exact; of an empty histogram the largest number */
	uint64_t max; /* exact */
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *h);

/* The bucket of a value; what exceeds HISTOGRAM_MAX is in the last. */
static inline unsigned histogram_index(uint64_t value)
{
	unsigned shift;

	if (value < HISTOGRAM_SUB)
		return (unsigned)value;
	if (value > HISTOGRAM_MAX)
		value = HISTOGRAM_MAX;
	shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	return (shift + 1) * HISTOGRAM_SUB + (unsigned)(value >> shift) - HISTOGRAM_SUB;
}

static inline void histogram_record(struct histogram *h, uint64_t value)
{
	h->cnt++;
	h->sum += value;
	h->min = value < h->min ? value : h->min;
	h->max = value > h->max ? value : h->max;
	h->bucket[histogram_index(value)]++;
}

/* Adds what `from` has recorded. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/*
 * A value that this share (0..1) of the recorded ones do not exceed: the upper end of its bucket, never above the
 * largest value seen. 0 when nothing was recorded.
 */
uint64_t histogram_quantile(const struct histogram *h, double share);

/* 0 when nothing was recorded. */
double histogram_mean(const struct histogram *h);
