/* The timers of a zone: those of its SOA within their caps, and how long to wait after a failure. Pure. */
#include "control/secondary_internal.h"

/*
 * Bootstrap back-off: 5 n^2 s after the n-th failed round, at most two hours: fast while a primary is being set up,
 * gentle to one that has forgotten us. The random part spreads zones that failed together.
 */
#define BOOTSTRAP_UNIT_MS   5000
#define BOOTSTRAP_MAX_MS    (2 * 3600 * 1000)
#define BOOTSTRAP_JITTER_MS 30000

static uint32_t clamp(uint32_t v, uint32_t min, uint32_t max)
{
	if (max != 0 && v > max)
		v = max;
	if (v < min)
		v = min;
	/* 0 would be a busy loop on the wire. */
	return v == 0 ? 1 : v;
}

int64_t secondary_expire_ms(const struct secondary *s)
{
	return (int64_t)clamp(s->timers.expire, s->caps->expire_min, s->caps->expire_max) * 1000;
}

/* What a primary says of its own copy: the least wait is not for it, it knows. */
int64_t secondary_told_expire_ms(const struct secondary *s, uint32_t expire)
{
	int64_t told = (int64_t)clamp(expire, 0, s->caps->expire_max) * 1000;

	return told < secondary_expire_ms(s) ? told : secondary_expire_ms(s);
}

int64_t secondary_retry_ms(const struct secondary *s)
{
	return (int64_t)clamp(s->timers.retry, s->caps->retry_min, s->caps->retry_max) * 1000;
}

/* An expire shorter than the refresh would take the zone down by itself: look at least twice within it. */
int64_t secondary_refresh_ms(const struct secondary *s)
{
	int64_t ms = (int64_t)clamp(s->timers.refresh, s->caps->refresh_min, s->caps->refresh_max) * 1000;

	return ms <= secondary_expire_ms(s) / 2 ? ms : secondary_expire_ms(s) / 2;
}

/* 90 to 100 percent, so that zones that were loaded together drift apart. 20 random bits: 2^32 s do not overflow. */
int64_t secondary_jitter(int64_t ms, uint32_t random)
{
	return ms - ((ms / 10 * (random >> 12)) >> 20);
}

static int64_t bootstrap_ms(unsigned attempts, uint32_t random)
{
	int64_t n = attempts < 1000 ? attempts : 1000;
	int64_t ms = BOOTSTRAP_UNIT_MS * n * n;
	int64_t spread = BOOTSTRAP_UNIT_MS * (n + 1);

	if (spread > BOOTSTRAP_JITTER_MS)
		spread = BOOTSTRAP_JITTER_MS;
	ms += (int64_t)((uint64_t)spread * random >> 32);
	return ms < BOOTSTRAP_MAX_MS ? ms : BOOTSTRAP_MAX_MS;
}

int64_t secondary_failed_delay(const struct secondary *s, uint32_t random)
{
	int64_t retry, bootstrap;

	if (s->content == SECONDARY_SERVED)
		return secondary_jitter(secondary_retry_ms(s), random);
	bootstrap = bootstrap_ms(s->attempts, random);
	if (s->content == SECONDARY_NO_CONTENT)
		return bootstrap;
	/* Expired: the owner's retry, or faster. */
	retry = secondary_jitter(secondary_retry_ms(s), random);
	return retry < bootstrap ? retry : bootstrap;
}

bool secondary_timers_sound(const struct secondary_timers *t)
{
	return t->retry < t->refresh && t->expire > (uint64_t)t->refresh + t->retry;
}
