#include "dataplane/answer/cookie_hash.h"

#define WORD_LEN 8

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t load_le(const uint8_t *p, size_t len)
{
	uint64_t v = 0;

	for (size_t i = 0; i < len; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static inline uint64_t rotate(uint64_t v, unsigned by)
{
	return v << by | v >> (64 - by);
}

static inline void round_once(struct state *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static inline void take_word(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	round_once(s);
	round_once(s);
	s->v0 ^= word;
}

uint64_t cookie_hash(const uint8_t key[COOKIE_HASH_KEY_LEN], const uint8_t *data, size_t len)
{
	uint64_t k0 = load_le(key, WORD_LEN), k1 = load_le(key + WORD_LEN, WORD_LEN);
	struct state s = {
		/* "somepseudorandomlygeneratedbytes" */
		.v0 = k0 ^ UINT64_C(0x736f6d6570736575),
		.v1 = k1 ^ UINT64_C(0x646f72616e646f6d),
		.v2 = k0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = k1 ^ UINT64_C(0x7465646279746573),
	};
	size_t at = 0;

	for (; len - at >= WORD_LEN; at += WORD_LEN)
		take_word(&s, load_le(data + at, WORD_LEN));
	take_word(&s, load_le(data + at, len - at) | (uint64_t)(len & 0xff) << 56);
	s.v2 ^= 0xff;
	for (unsigned i = 0; i < 4; i++)
		round_once(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
