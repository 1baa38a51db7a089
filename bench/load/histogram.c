#include "bench/load/histogram.h"

#include <math.h>
#include <string.h>

void histogram_init(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	into->cnt += from->cnt;
	into->sum += from->sum;
	into->min = from->min < into->min ? from->min : into->min;
	into->max = from->max > into->max ? from->max : into->max;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->bucket[i] += from->bucket[i];
}

/* The largest value of a bucket: the inverse of histogram_index. */
static uint64_t upper_end(unsigned index)
{
	unsigned shift;

	if (index < HISTOGRAM_SUB)
		return index;
	shift = index / HISTOGRAM_SUB - 1;
	return ((uint64_t)(HISTOGRAM_SUB + index % HISTOGRAM_SUB + 1) << shift) - 1;
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
	// 0.07 is a little more than seven hundredths, which must not ask for the next value.
	uint64_t wanted = (uint64_t)ceil(share * (double)h->cnt * (1 - 1e-12)), seen = 0, value;

	if (h->cnt == 0)
		return 0;
	if (wanted == 0)
		return h->min;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += h->bucket[i];
		if (seen < wanted)
			continue;
		value = upper_end(i);
		return value < h->max ? value : h->max;
	}
	return h->max; // the last bucket has no upper end
}

double histogram_mean(const struct histogram *h)
{
	return h->cnt == 0 ? 0 : (double)h->sum / (double)h->cnt;
}
