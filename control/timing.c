#include "control/timing.h"

const struct timing_text timing_text[TIMING_STAGE_CNT] = {
#define X(name, help) {#name, help},
	TIMING_STAGES(X)
#undef X
};

static unsigned bucket_of(uint32_t us)
{
	unsigned n = us == 0 ? 0 : 32u - (unsigned)__builtin_clz(us);

	return n < TIMING_BUCKET_CNT ? n : TIMING_BUCKET_CNT - 1;
}

static void record(struct timing_stage_data *d, uint64_t from, uint64_t to)
{
	uint64_t us = (to - from) / 1000;

	if (from == 0 || to < from)
		return;
	d->last_us = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
	d->cnt++;
	d->buckets[bucket_of(d->last_us)]++;
}

void timing_record(struct timing *t, const struct timing_stamps *s)
{
	struct timing_stage_data *d = t->stage;

	record(&d[TIMING_notify_to_answer], s->notify, s->answered);
	record(&d[TIMING_request_to_first], s->request, s->first);
	record(&d[TIMING_first_to_last], s->first, s->last);
	record(&d[TIMING_last_to_verified], s->last, s->verified);
	record(&d[TIMING_verified_to_published], s->verified, s->published);
	record(&d[TIMING_published_to_seen], s->published, s->seen);
	record(&d[TIMING_total], s->notify != 0 ? s->notify : s->request, s->seen);
}

uint64_t timing_quantile(const struct timing_stage_data *d, double fraction)
{
	double want = fraction * d->cnt;
	uint64_t sum = 0;
	unsigned i;

	if (d->cnt == 0)
		return 0;
	for (i = 0; i < TIMING_BUCKET_CNT - 1; i++) {
		sum += d->buckets[i];
		if ((double)sum >= want)
			break;
	}
	return UINT64_C(1) << i;
}
