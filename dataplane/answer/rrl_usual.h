/*
 * The usual case of rate limiting, for the engine to inline: one level, a bucket at its place, a response within the limit.
 * Everything else is rrl_decide's, which gives the same verdict in this case too.
 *
 * Hot path: no malloc, lock, system call, shared write, or division by a variable. Owner thread of the engine.
 */
#pragma once

#include <string.h>

#include "dataplane/answer/rrl.h"

#define RRL_WAYS      8 /* buckets of a set: one cache line */
#define RRL_TIME_BITS 40
#define RRL_TIME_MASK ((UINT64_C(1) << RRL_TIME_BITS) - 1)
#define RRL_TICKS_US \
	4 /* ticks per microsecond: 40 bits last three days, and the fastest rate is four of them */
#define RRL_TICKS_S (UINT64_C(1000000) * RRL_TICKS_US)

/* Mixed into the tag so that the classes of a prefix share its set, which is fetched before the class is known. */
static const uint32_t rrl_class_tag[RRL_CLASS_CNT] = {0x000000, 0x9e3779, 0x3c6ef3, 0xdaa66d, 0x78dde6};

/* What the hot path needs of a level. */
struct rrl_step {
	uint64_t mask[2]; /* of the address as two numbers, the first octets in the first */
	uint64_t step;	  /* ticks that one response costs */
};

/* The front of struct rrl. */
struct rrl_table {
	struct rrl_step level[RRL_FAMILY_CNT][RRL_LEVELS_MAX];
	uint64_t key[2];
	uint64_t window; /* ticks */
	uint64_t set_mask;
	uint64_t *bucket; /* tag in the high bits, time in the low ones */
	uint8_t level_cnt[RRL_FAMILY_CNT];
};

static inline const struct rrl_table *rrl_table_of(const struct rrl *r)
{
	return (const struct rrl_table *)(const void *)r;
}

static inline uint64_t rrl_multiply(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline unsigned rrl_family_of(uint8_t family)
{
	return family == 4 ? RRL_IPV4 : RRL_IPV6;
}

static inline void rrl_load_addr(unsigned family, const uint8_t *addr, uint64_t out[2])
{
	uint32_t v4;

	if (family == RRL_IPV4) {
		memcpy(&v4, addr, sizeof(v4));
		out[0] = (uint64_t)__builtin_bswap32(v4) << 32;
		out[1] = 0;
		return;
	}
	memcpy(out, addr, 16);
	out[0] = __builtin_bswap64(out[0]);
	out[1] = __builtin_bswap64(out[1]);
}

static inline uint64_t *rrl_set_of(const struct rrl_table *t, uint64_t hash)
{
	return t->bucket + (hash & t->set_mask) * RRL_WAYS;
}

/* One product alone spreads addresses in sequence unevenly. level: a /24 is not its first /32. */
static inline uint64_t rrl_hash_of(const struct rrl_table *t, const struct rrl_step *l, const uint64_t a[2],
				   uint64_t level)
{
	uint64_t h = rrl_multiply((a[0] & l->mask[0]) ^ t->key[0], ((a[1] & l->mask[1]) + level) ^ t->key[1]);

	return rrl_multiply(h ^ t->key[1], UINT64_C(0x9e3779b97f4a7c15));
}

static inline void rrl_prepare_level(const struct rrl_table *t, unsigned family, const uint64_t a[2],
				     unsigned level, struct rrl_key *out)
{
	out->hash[level] = rrl_hash_of(t, &t->level[family][level], a, level);
	__builtin_prefetch(rrl_set_of(t, out->hash[level]), 1);
}

/* Levels from the second on. */
void rrl_prepare_more(const struct rrl_table *t, unsigned family, const uint64_t a[2], struct rrl_key *out);

/* rrl_prepare */
static inline void rrl_prepare_usual(const struct rrl *r, uint8_t family, const uint8_t *addr,
				     struct rrl_key *out)
{
	const struct rrl_table *t = rrl_table_of(r);
	unsigned f = rrl_family_of(family);
	uint64_t a[2];

	/* Without levels the rate is 0, and nobody asks. Of the family a constant, so that half of it is one. */
	if (f == RRL_IPV4) {
		rrl_load_addr(RRL_IPV4, addr, a);
		rrl_prepare_level(t, RRL_IPV4, a, 0, out);
	} else {
		rrl_load_addr(RRL_IPV6, addr, a);
		rrl_prepare_level(t, RRL_IPV6, a, 0, out);
	}
	if (t->level_cnt[f] > 1)
		rrl_prepare_more(t, f, a, out);
}

/* Ticks until the bucket is empty; 0 when it is, or when its time lies beyond what a bucket can hold: it is days old. */
static inline uint64_t rrl_fill_of(uint64_t word, uint64_t now, uint64_t most)
{
	uint64_t left = (word - now) & RRL_TIME_MASK;

	return left > most ? 0 : left;
}

/* Where a prefix and class are, if nobody was there first. */
static inline uint64_t *rrl_home_of(uint64_t *set, uint64_t hash, enum rrl_class class)
{
	return &set[(hash >> 33 ^ class) & (RRL_WAYS - 1)];
}

static inline bool rrl_is_tagged(uint64_t word, uint64_t tag)
{
	return (word ^ tag) >> RRL_TIME_BITS == 0;
}

static inline uint64_t rrl_tag_of(uint64_t hash, enum rrl_class class)
{
	return (hash & ~RRL_TIME_MASK) ^ (uint64_t)rrl_class_tag[class] << RRL_TIME_BITS;
}

/* By its owner. A word at once, for rrl_peek may be looking. */
static inline void rrl_fill_bucket(uint64_t *bucket, uint64_t word)
{
	__atomic_store_n(bucket, word, __ATOMIC_RELAXED);
}

/* True: rrl_decide would say RRL_PASS, and what it would have done for that is done. False: ask it. */
static inline bool rrl_passes(struct rrl *r, const struct rrl_key *key, uint8_t family, enum rrl_class class,
			      uint64_t now_us)
{
	const struct rrl_table *t = rrl_table_of(r);
	unsigned f = rrl_family_of(family);
	uint64_t now = now_us * RRL_TICKS_US & RRL_TIME_MASK, hash = key->hash[0];
	uint64_t tag = rrl_tag_of(hash, class), fill;
	uint64_t *home = rrl_home_of(rrl_set_of(t, hash), hash, class), word = *home;

	if (t->level_cnt[f] != 1 || !rrl_is_tagged(word, tag))
		return false;
	fill = t->level[f][0].step + rrl_fill_of(word, now, t->window);
	if (fill > t->window)
		return false;
	rrl_fill_bucket(home, tag | ((now + fill) & RRL_TIME_MASK));
	return true;
}
