/*
 * The Internet checksum (RFC 1071). Pure; inline for the packet path.
 *
 * Sums are taken over native-order 64-bit words with the carry added back: ones'-complement addition does not care
 * for the byte order as long as the result is stored as it was loaded, nor for the width of the words.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

/* Ones'-complement addition of 64 bits: add and add-with-carry. */
static inline uint64_t checksum_plus(uint64_t a, uint64_t b)
{
	uint64_t sum = a + b;

	return sum + (sum < b);
}

#ifdef __AVX2__
#define CHECKSUM_LONG 128 /* from here on wide registers pay: below there is not enough to fill them with */

/*
 * The octets up to the last multiple of 32, less than CHECKSUM_LONG * 2^24 of them. 2^32 is 1 to a ones'-complement sum of 16
 * bits, so 32-bit halves add up in 64-bit lanes without carries.
 */
static inline uint64_t checksum_long(const uint8_t *p, size_t len)
{
	const __m256i low = _mm256_set1_epi64x(UINT32_MAX);
	__m256i even = _mm256_setzero_si256(), odd = even;
	uint64_t lane[4];

	for (size_t at = 0; at + 32 <= len; at += 32) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + at));

		even = _mm256_add_epi64(even, _mm256_and_si256(v, low));
		odd = _mm256_add_epi64(odd, _mm256_srli_epi64(v, 32));
	}
	even = _mm256_add_epi64(even, odd);
	memcpy(lane, &even, sizeof(lane));
	return lane[0] + lane[1] + lane[2] + lane[3];
}
#endif

/* Adds len octets to a running sum. Only the last piece of a sum may have an odd length. */
static inline uint64_t checksum_add(uint64_t sum, const uint8_t *p, size_t len)
{
	uint64_t word, word2, sum2 = 0, tail = 0;
	uint32_t half;
	uint16_t pair;

#ifdef __AVX2__
	if (len >= CHECKSUM_LONG) {
		sum = checksum_plus(sum, checksum_long(p, len));
		p += len & ~(size_t)31;
		len &= 31;
	}
#endif
	for (; len >= 16; p += 16, len -= 16) { // two sums, so that one addition need not wait for the other
		memcpy(&word, p, sizeof(word));
		memcpy(&word2, p + 8, sizeof(word2));
		sum = checksum_plus(sum, word);
		sum2 = checksum_plus(sum2, word2);
	}
	sum = checksum_plus(sum, sum2);
	if (len & 8) {
		memcpy(&word, p, sizeof(word));
		sum = checksum_plus(sum, word);
		p += 8;
	}
	if (len & 4) {
		memcpy(&half, p, sizeof(half));
		tail += half;
		p += 4;
	}
	if (len & 2) {
		memcpy(&pair, p, sizeof(pair));
		tail += pair;
		p += 2;
	}
	if (len & 1) { // RFC 1071 pads an odd octet with zero
		pair = 0;
		memcpy(&pair, p, 1);
		tail += pair;
	}
	return checksum_plus(sum, tail);
}

/* The sum as 16 bits in the order of the octets summed, not complemented. */
static inline uint16_t checksum_fold(uint64_t sum)
{
	uint32_t half;

	// The halves added to their own mirror: the upper one then has the carry of the lower one in it.
	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

/* A 16-bit number in host order as a word of a sum. */
static inline uint64_t checksum_be16(uint16_t v)
{
	uint8_t octets[2] = {(uint8_t)(v >> 8), (uint8_t)v};
	uint16_t word;

	memcpy(&word, octets, sizeof(word));
	return word;
}

/* The other way: a folded sum as a number in host order. */
static inline uint16_t checksum_number(uint16_t folded)
{
	uint8_t octets[2];

	memcpy(octets, &folded, sizeof(octets));
	return (uint16_t)(octets[0] << 8 | octets[1]);
}
