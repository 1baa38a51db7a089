/* SHA-1. Contracts in the header. Hot path: no allocation, lock, log, syscall or shared write. */
#include "dataplane/zone/sha1.h"

#include <string.h>

#include "dataplane/dns/wire.h"

static const uint32_t initial[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};

size_t sha1_pad(uint8_t *msg, size_t len)
{
	size_t padded = sha1_padded_len(len);

	memset(msg + len, 0, padded - len);
	msg[len] = 0x80;
	wire_store32(msg + padded - 4, (uint32_t)len * 8);
	return padded;
}

static inline uint32_t rotate(uint32_t v, unsigned bits)
{
	return v << bits | v >> (32 - bits);
}

/* FIPS 180-4 6.1.3: the schedule kept as the last 16 words. */
static inline uint32_t next_word(uint32_t w[16], unsigned t)
{
	w[t & 15] = rotate(w[(t + 13) & 15] ^ w[(t + 8) & 15] ^ w[(t + 2) & 15] ^ w[t & 15], 1);
	return w[t & 15];
}

static inline void round_step(uint32_t s[5], uint32_t f, uint32_t k, uint32_t w)
{
	uint32_t t = rotate(s[0], 5) + f + s[4] + k + w;

	s[4] = s[3];
	s[3] = s[2];
	s[2] = rotate(s[1], 30);
	s[1] = s[0];
	s[0] = t;
}

static void block_portable(uint32_t state[5], const uint8_t *block)
{
	uint32_t w[16], s[5];
	unsigned t;

	for (t = 0; t < 16; t++)
		w[t] = wire_load32(block + 4 * t);
	memcpy(s, state, sizeof(s));
	for (t = 0; t < 20; t++)
		round_step(s, s[3] ^ (s[1] & (s[2] ^ s[3])), 0x5a827999, t < 16 ? w[t] : next_word(w, t));
	for (; t < 40; t++)
		round_step(s, s[1] ^ s[2] ^ s[3], 0x6ed9eba1, next_word(w, t));
	for (; t < 60; t++)
		round_step(s, (s[1] & s[2]) | (s[3] & (s[1] | s[2])), 0x8f1bbcdc, next_word(w, t));
	for (; t < 80; t++)
		round_step(s, s[1] ^ s[2] ^ s[3], 0xca62c1d6, next_word(w, t));
	for (unsigned i = 0; i < 5; i++)
		state[i] += s[i];
}

void sha1_padded_portable(const uint8_t *msg, size_t padded_len, uint8_t out[SHA1_DIGEST_LEN])
{
	uint32_t state[5];

	memcpy(state, initial, sizeof(state));
	for (size_t at = 0; at < padded_len; at += SHA1_BLOCK_LEN)
		block_portable(state, msg + at);
	for (unsigned i = 0; i < 5; i++)
		wire_store32(out + 4 * i, state[i]);
}

#ifdef __x86_64__
#include <immintrin.h>
#if __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#endif

/* The state as the instructions want it: A..D in one register, E at the top of another. */
struct lanes {
	__m128i abcd;
	__m128i e;
};

/*
 * Four rounds and the four words of the schedule that come sixteen later. w holds the last sixteen; those of this step
 * are w[step & 3]. A macro: the round function is part of the instruction.
 */
#define ROUNDS4(l, w, step, func)                                                                \
	do {                                                                                     \
		__m128i before = (l).abcd;                                                       \
                                                                                                 \
		(l).e = (step) == 0 ? _mm_add_epi32((l).e, (w)[0])                               \
				    : _mm_sha1nexte_epu32((l).e, (w)[(step)&3]);                 \
		(l).abcd = _mm_sha1rnds4_epu32((l).abcd, (l).e, func);                           \
		(l).e = before;                                                                  \
		if ((step) < 16) {                                                               \
			__m128i next = _mm_sha1msg1_epu32((w)[(step)&3], (w)[((step) + 1) & 3]); \
                                                                                                 \
			next = _mm_xor_si128(next, (w)[((step) + 2) & 3]);                       \
			(w)[(step)&3] = _mm_sha1msg2_epu32(next, (w)[((step) + 3) & 3]);         \
		}                                                                                \
	} while (0)

/* Of as many messages as are worked on at once. */
#define ROUNDS20(each, func)              \
	do {                              \
		each(5 * func, func);     \
		each(5 * func + 1, func); \
		each(5 * func + 2, func); \
		each(5 * func + 3, func); \
		each(5 * func + 4, func); \
	} while (0)

#define EXTENDED static inline __attribute__((target("sha,sse4.1"), always_inline))

EXTENDED void load_block(__m128i w[4], const uint8_t *block)
{
	const __m128i swap = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);

	for (unsigned i = 0; i < 4; i++)
		w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)block + i), swap);
}

EXTENDED struct lanes lanes_initial(void)
{
	return (struct lanes){
		.abcd = _mm_set_epi32((int)initial[0], (int)initial[1], (int)initial[2], (int)initial[3]),
		.e = _mm_set_epi32((int)initial[4], 0, 0, 0),
	};
}

EXTENDED void lanes_add(struct lanes *l, const struct lanes *start)
{
	l->e = _mm_sha1nexte_epu32(l->e, start->e);
	l->abcd = _mm_add_epi32(l->abcd, start->abcd);
}

EXTENDED void lanes_store(const struct lanes *l, uint8_t out[SHA1_DIGEST_LEN])
{
	const __m128i swap = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);

	_mm_storeu_si128((__m128i *)(void *)out, _mm_shuffle_epi8(l->abcd, swap));
	wire_store32(out + 16, (uint32_t)_mm_extract_epi32(l->e, 3));
}

__attribute__((target("sha,sse4.1"))) void sha1_padded_extended(const uint8_t *msg, size_t padded_len,
								uint8_t out[SHA1_DIGEST_LEN])
{
#define EACH(step, func) ROUNDS4(l, w, step, func)
	struct lanes l = lanes_initial();

	for (size_t at = 0; at < padded_len; at += SHA1_BLOCK_LEN) {
		struct lanes start = l;
		__m128i w[4];

		load_block(w, msg + at);
		ROUNDS20(EACH, 0);
		ROUNDS20(EACH, 1);
		ROUNDS20(EACH, 2);
		ROUNDS20(EACH, 3);
		lanes_add(&l, &start);
	}
	lanes_store(&l, out);
#undef EACH
}

/* A round waits for the one before it; those of another message fill the time. */
__attribute__((target("sha,sse4.1"))) static void two_blocks_extended(const uint8_t *const msg[2],
								      uint8_t *const out[2])
{
#define EACH(step, func)                         \
	do {                                     \
		ROUNDS4(l[0], w[0], step, func); \
		ROUNDS4(l[1], w[1], step, func); \
	} while (0)
	const struct lanes start = lanes_initial();
	struct lanes l[2] = {start, start};
	__m128i w[2][4];

	load_block(w[0], msg[0]);
	load_block(w[1], msg[1]);
	ROUNDS20(EACH, 0);
	ROUNDS20(EACH, 1);
	ROUNDS20(EACH, 2);
	ROUNDS20(EACH, 3);
	for (unsigned i = 0; i < 2; i++) {
		lanes_add(&l[i], &start);
		lanes_store(&l[i], out[i]);
	}
#undef EACH
}

#else
void sha1_padded_extended(const uint8_t *msg, size_t padded_len, uint8_t out[SHA1_DIGEST_LEN])
{
	sha1_padded_portable(msg, padded_len, out);
}

static void two_blocks_extended(const uint8_t *const msg[2], uint8_t *const out[2])
{
	sha1_padded_portable(msg[0], SHA1_BLOCK_LEN, out[0]);
	sha1_padded_portable(msg[1], SHA1_BLOCK_LEN, out[1]);
}
#endif

/* The C library has asked the processor when the program was loaded; asking again would take longer than the hash. */
bool sha1_extended(void)
{
#if defined(__x86_64__) && defined(CPU_FEATURE_ACTIVE)
	return CPU_FEATURE_ACTIVE(SHA) != 0;
#else
	return false;
#endif
}

void sha1_padded(const uint8_t *msg, size_t padded_len, uint8_t out[SHA1_DIGEST_LEN])
{
	if (sha1_extended())
		sha1_padded_extended(msg, padded_len, out);
	else
		sha1_padded_portable(msg, padded_len, out);
}

void sha1_two_blocks(const uint8_t *const msg[2], uint8_t *const out[2])
{
	if (sha1_extended()) {
		two_blocks_extended(msg, out);
		return;
	}
	sha1_padded_portable(msg[0], SHA1_BLOCK_LEN, out[0]);
	sha1_padded_portable(msg[1], SHA1_BLOCK_LEN, out[1]);
}
