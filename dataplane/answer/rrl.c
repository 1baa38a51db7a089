#include "dataplane/answer/rrl.h"

#include "dataplane/answer/rrl_usual.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#define DECAY_US   (UINT64_C(60) * 1000000)
#define READ_TRIES 1000

const char *const rrl_class_text[RRL_CLASS_CNT] = {
	[RRL_ANSWER] = "answer",     [RRL_NODATA] = "nodata", [RRL_REFERRAL] = "referral",
	[RRL_NXDOMAIN] = "nxdomain", [RRL_ERROR] = "error",
};

/* Written by the owner between two changes of seq, read by anyone. */
struct offender {
	uint64_t addr[2];
	uint64_t what; /* class, prefix, family in the low octets, lowest first; 0: unused */
	uint64_t count;
};

struct rrl {
	struct rrl_table table; /* first: rrl_usual.h has it */
	const struct rrl_config *config;
	uint64_t random;   /* for slip: a counter could fall into step with two floods, and slip only one */
	uint64_t decay_us; /* when counts were halved */
	uint64_t seq;	   /* odd: offenders are being changed */
	struct offender offender[RRL_OFFENDERS_MAX];
};

void rrl_prepare_more(const struct rrl_table *t, unsigned family, const uint64_t a[2], struct rrl_key *out)
{
	for (unsigned i = 1; i < t->level_cnt[family]; i++)
		rrl_prepare_level(t, family, a, i, out);
}

void rrl_prepare(const struct rrl *r, uint8_t family, const uint8_t *addr, struct rrl_key *out)
{
	rrl_prepare_usual(r, family, addr, out);
}

static void set_level(struct rrl_step *l, const struct rrl_level *from, uint32_t rate, unsigned family)
{
	unsigned bits = from->prefix;
	uint64_t per_s = (uint64_t)rate * from->factor;

	if (family == RRL_IPV4)
		l->mask[0] = bits == 0 ? 0 : UINT64_MAX << (64 - bits);
	else
		l->mask[0] = bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : UINT64_MAX << (64 - bits);
	l->mask[1] = bits <= 64 ? 0 : UINT64_MAX << (128 - bits);
	l->step = per_s == 0 ? 0 : RRL_TICKS_S / per_s;
}

void rrl_set_config(struct rrl *r, const struct rrl_config *config)
{
	r->config = config;
	r->table.window = (uint64_t)config->window_ms * 1000 * RRL_TICKS_US;
	for (unsigned f = 0; f < RRL_FAMILY_CNT; f++) {
		r->table.level_cnt[f] = config->rate == 0 ? 0 : config->level_cnt[f];
		for (unsigned i = 0; i < config->level_cnt[f]; i++)
			set_level(&r->table.level[f][i], &config->level[f][i], config->rate, f);
	}
}

struct rrl *rrl_new(const struct rrl_config *config, const uint64_t key[2])
{
	struct rrl *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->table.bucket = aligned_alloc(RRL_WAYS * sizeof(uint64_t), config->table * sizeof(uint64_t));
	if (r->table.bucket == NULL) {
		free(r);
		return NULL;
	}
	memset(r->table.bucket, 0, config->table * sizeof(uint64_t));
	r->table.set_mask = config->table / RRL_WAYS - 1;
	r->table.key[0] = key[0];
	r->table.key[1] = key[1];
	r->random = key[0] | 1;
	rrl_set_config(r, config);
	return r;
}

void rrl_free(struct rrl *r)
{
	if (r == NULL)
		return;
	free(r->table.bucket);
	free(r);
}

/* One bit per bucket of the set with the tag, which stands above RRL_TIME_BITS. */
static inline unsigned match(const uint64_t *set, uint64_t tag)
{
#ifdef __AVX2__
	__m256i want = _mm256_set1_epi64x((long long)(tag >> RRL_TIME_BITS));
	__m256i low = _mm256_load_si256((const __m256i *)(const void *)set);
	__m256i high = _mm256_load_si256((const __m256i *)(const void *)(set + 4));

	low = _mm256_cmpeq_epi64(_mm256_srli_epi64(low, RRL_TIME_BITS), want);
	high = _mm256_cmpeq_epi64(_mm256_srli_epi64(high, RRL_TIME_BITS), want);
	return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(low)) |
	       (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(high)) << 4;
#else
	unsigned hits = 0;

	for (unsigned i = 0; i < RRL_WAYS; i++)
		hits |= (unsigned)(set[i] >> RRL_TIME_BITS == tag >> RRL_TIME_BITS) << i;
	return hits;
#endif
}

/* One bit per bucket of the set that is empty, as nearly always some are. */
static inline unsigned empty(const uint64_t *set, uint64_t now, uint64_t most)
{
#ifdef __AVX2__
	__m256i time = _mm256_set1_epi64x((long long)now),
		mask = _mm256_set1_epi64x((long long)RRL_TIME_MASK);
	__m256i limit = _mm256_set1_epi64x((long long)most);
	__m256i low = _mm256_load_si256((const __m256i *)(const void *)set);
	__m256i high = _mm256_load_si256((const __m256i *)(const void *)(set + 4));

	low = _mm256_cmpgt_epi64(_mm256_and_si256(_mm256_sub_epi64(low, time), mask), limit);
	high = _mm256_cmpgt_epi64(_mm256_and_si256(_mm256_sub_epi64(high, time), mask), limit);
	return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(low)) |
	       (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(high)) << 4;
#else
	unsigned hits = 0;

	for (unsigned i = 0; i < RRL_WAYS; i++)
		hits |= (unsigned)(rrl_fill_of(set[i], now, most) == 0) << i;
	return hits;
#endif
}

/* Where a prefix that is new begins to be counted. */
static inline uint64_t *emptiest(uint64_t *set, uint64_t now, uint64_t most)
{
	unsigned hits = empty(set, now, most);
	uint64_t *best = set;

	if (hits != 0)
		return &set[__builtin_ctz(hits)];
	for (unsigned i = 1; i < RRL_WAYS; i++)
		if (rrl_fill_of(set[i], now, most) < rrl_fill_of(*best, now, most))
			best = &set[i];
	return best;
}

static bool allowed(const struct rrl *r, unsigned family, const uint64_t addr[2])
{
	for (unsigned i = 0; i < r->config->allow_cnt; i++) {
		const struct net_prefix *n = &r->config->allow[i];
		struct rrl_level prefix = {.prefix = n->prefix};
		struct rrl_step l;
		uint64_t a[2];

		if (rrl_family_of(n->family) != family)
			continue;
		set_level(&l, &prefix, 0, family);
		rrl_load_addr(family, n->addr, a);
		if (((a[0] ^ addr[0]) & l.mask[0]) == 0 && ((a[1] ^ addr[1]) & l.mask[1]) == 0)
			return true;
	}
	return false;
}

/*
 * Every store of a field comes after seq was made odd and before it is made even, for each is a release: who reads a new
 * value (acquire) sees seq odd or changed when it looks again.
 */
static void put(uint64_t *to, uint64_t value)
{
	__atomic_store_n(to, value, __ATOMIC_RELEASE);
}

static uint64_t get(const uint64_t *from)
{
	return __atomic_load_n(from, __ATOMIC_ACQUIRE);
}

static void decay(struct rrl *r, uint64_t now_us)
{
	if (now_us - r->decay_us < DECAY_US)
		return;
	r->decay_us = now_us;
	for (unsigned i = 0; i < RRL_OFFENDERS_MAX; i++) {
		put(&r->offender[i].count, r->offender[i].count / 2);
		if (r->offender[i].count == 0)
			put(&r->offender[i].what, 0);
	}
}

/* "Space saving": the least of them makes room and leaves its count, so that who floods most is surely there. */
static void accuse(struct rrl *r, const uint64_t addr[2], uint64_t what, uint64_t now_us)
{
	struct offender *o = r->offender, *least = o;

	put(&r->seq, r->seq + 1);
	decay(r, now_us);
	for (; o < r->offender + RRL_OFFENDERS_MAX; o++) {
		if (o->addr[0] == addr[0] && o->addr[1] == addr[1] && o->what == what)
			break;
		if (o->count < least->count)
			least = o;
	}
	if (o == r->offender + RRL_OFFENDERS_MAX) {
		o = least;
		put(&o->addr[0], addr[0]);
		put(&o->addr[1], addr[1]);
		put(&o->what, what);
	}
	put(&o->count, o->count + 1);
	put(&r->seq, r->seq + 1);
}

/* xorshift64* */
static uint32_t next_random(struct rrl *r)
{
	r->random ^= r->random >> 12;
	r->random ^= r->random << 25;
	r->random ^= r->random >> 27;
	return (uint32_t)(r->random * UINT64_C(0x2545f4914f6cdd1d) >> 32);
}

static __attribute__((noinline)) enum rrl_verdict limit(struct rrl *r, unsigned family, const uint8_t *addr,
							unsigned level, enum rrl_class class, uint64_t now_us)
{
	const struct rrl_step *l = &r->table.level[family][level];
	uint64_t a[2];

	rrl_load_addr(family, addr, a);
	if (allowed(r, family, a))
		return RRL_PASS_ALLOWED;
	a[0] &= l->mask[0];
	a[1] &= l->mask[1];
	accuse(r, a,
	       (uint64_t) class | (uint64_t)r->config->level[family][level].prefix << 8 |
		       (uint64_t)(family == RRL_IPV4 ? 4 : 6) << 16,
	       now_us);
	if (r->config->dry_run)
		return RRL_PASS_DRY_RUN;
	return r->config->slip > 0 && (uint64_t)next_random(r) * r->config->slip >> 32 == 0 ? RRL_SLIP
											    : RRL_DROP;
}

/* The bucket of a prefix that is not at home; for a new one where it begins to be counted, home if that is free. */
static __attribute__((noinline)) uint64_t *search(uint64_t *set, uint64_t *home, uint64_t tag, uint64_t now,
						  uint64_t most)
{
	unsigned hits = match(set, tag);

	if (hits != 0)
		return &set[__builtin_ctz(hits)];
	return rrl_fill_of(*home, now, most) == 0 ? home : emptiest(set, now, most);
}

/* The bucket for one more response and what it is to hold then; NULL: over the limit. */
static inline uint64_t *take(const struct rrl *r, const struct rrl_step *l, uint64_t *set, uint64_t hash,
			     enum rrl_class class, uint64_t now, uint64_t *out_word)
{
	uint64_t tag = rrl_tag_of(hash, class);
	uint64_t *bucket = rrl_home_of(set, hash, class), word = *bucket;
	uint64_t fill = l->step;

	if (!rrl_is_tagged(word, tag)) {
		bucket = search(set, bucket, tag, now, r->table.window);
		word = *bucket;
	}
	if (rrl_is_tagged(word, tag))
		fill += rrl_fill_of(word, now, r->table.window);
	*out_word = tag | ((now + fill) & RRL_TIME_MASK);
	return fill > r->table.window ? NULL : bucket;
}

enum rrl_verdict rrl_decide(struct rrl *r, const struct rrl_key *key, uint8_t family, const uint8_t *addr,
			    enum rrl_class class, uint64_t now_us)
{
	uint64_t *bucket[RRL_LEVELS_MAX], word[RRL_LEVELS_MAX], now = now_us * RRL_TICKS_US & RRL_TIME_MASK;
	unsigned f = rrl_family_of(family);

	for (unsigned i = 0; i < r->table.level_cnt[f]; i++) {
		bucket[i] = take(r, &r->table.level[f][i], rrl_set_of(&r->table, key->hash[i]), key->hash[i],
				 class, now, &word[i]);
		if (bucket[i] == NULL)
			return limit(r, f, addr, i, class, now_us);
	}
	/* Only what is sent counts, so a prefix gets its rate through however many more it asks for. */
	for (unsigned i = 0; i < r->table.level_cnt[f]; i++)
		rrl_fill_bucket(bucket[i], word[i]);
	return RRL_PASS;
}

enum rrl_verdict rrl_peek(const struct rrl *r, uint8_t family, const uint8_t *addr, enum rrl_class class,
			  uint64_t now_us)
{
	uint64_t now = now_us * RRL_TICKS_US & RRL_TIME_MASK, a[2], word;
	alignas(RRL_WAYS * sizeof(uint64_t)) uint64_t set[RRL_WAYS];
	unsigned f = rrl_family_of(family);
	struct rrl_key key;

	rrl_prepare(r, family, addr, &key);
	for (unsigned i = 0; i < r->table.level_cnt[f]; i++) {
		const uint64_t *theirs = rrl_set_of(&r->table, key.hash[i]);

		for (unsigned j = 0; j < RRL_WAYS; j++)
			set[j] = __atomic_load_n(&theirs[j], __ATOMIC_RELAXED);
		if (take(r, &r->table.level[f][i], set, key.hash[i], class, now, &word) != NULL)
			continue;
		rrl_load_addr(f, addr, a);
		if (allowed(r, f, a))
			return RRL_PASS_ALLOWED;
		return r->config->dry_run ? RRL_PASS_DRY_RUN : RRL_DROP;
	}
	return RRL_PASS;
}

unsigned rrl_offenders(const struct rrl *r, struct rrl_offender out[RRL_OFFENDERS_MAX])
{
	uint64_t before;
	unsigned cnt;

	for (unsigned tries = 0; tries < READ_TRIES; tries++) {
		cnt = 0;
		before = get(&r->seq);
		for (unsigned i = 0; i < RRL_OFFENDERS_MAX; i++) {
			const struct offender *o = &r->offender[i];
			uint64_t what = get(&o->what);
			uint64_t a[2] = {__builtin_bswap64(get(&o->addr[0])),
					 __builtin_bswap64(get(&o->addr[1]))};

			if (what == 0)
				continue;
			out[cnt] = (struct rrl_offender){
				.class = (enum rrl_class)(what & 0xff),
				.count = get(&o->count),
				.net = {.prefix = (uint8_t)(what >> 8), .family = (uint8_t)(what >> 16)},
			};
			memcpy(out[cnt++].net.addr, a, sizeof(a));
		}
		if ((before & 1) == 0 && get(&r->seq) == before)
			return cnt;
	}
	return 0; /* a flood changes it faster than it can be read: ask again */
}
