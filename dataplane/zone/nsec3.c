/*
 * Base32hex, RFC 4648 7, in lower case and without padding: 20 octets are exactly 32 characters; and the hash. Pure, hot
 * path.
 */
#include "dataplane/zone/nsec3.h"

#include "dataplane/dns/name.h"
#include "dataplane/zone/sha1.h"

#include <string.h>

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'v' ? c - 'a' + 10 : -1;
}

bool nsec3_is_owner(const uint8_t *rel, size_t len)
{
	if (len != NSEC3_LABEL_LEN + 1 || rel[0] != NSEC3_LABEL_LEN)
		return false;
	for (unsigned i = 1; i <= NSEC3_LABEL_LEN; i++)
		if (digit(rel[i]) < 0)
			return false;
	return true;
}

uint64_t nsec3_label_key(const uint8_t *label)
{
	uint64_t key = 0;

	for (unsigned i = 0; i < 12; i++)
		key = key << 5 | (uint64_t)digit(label[i]);
	return key << 4 | (uint64_t)(digit(label[12]) >> 1);
}

#ifdef __BMI2__
#include <immintrin.h>

/* Eight characters at a time: five bits to each octet, then what separates '0'..'9' from 'a'..'v' where it is due. */
static void spell8(const uint8_t *five, uint8_t *out)
{
	uint64_t bits = (uint64_t)five[0] << 32 | wire_load32(five + 1);
	uint64_t v = _pdep_u64(bits, UINT64_C(0x1f1f1f1f1f1f1f1f));
	uint64_t letters = (v + UINT64_C(0x7676767676767676)) >> 7 & UINT64_C(0x0101010101010101);

	v = __builtin_bswap64(v + UINT64_C(0x3030303030303030) + letters * ('a' - 10 - '0'));
	memcpy(out, &v, sizeof(v));
}
#else
static void spell8(const uint8_t *five, uint8_t *out)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	uint64_t bits = (uint64_t)five[0] << 32 | wire_load32(five + 1);

	for (unsigned k = 0; k < 8; k++)
		out[k] = (uint8_t)digits[bits >> (35 - 5 * k) & 31];
}
#endif

void nsec3_label(const uint8_t hash[NSEC3_HASH_LEN], uint8_t out[NSEC3_LABEL_LEN])
{
	for (unsigned i = 0; i < 4; i++)
		spell8(hash + i * 5, out + i * 8);
}

void nsec3_label_hash(const uint8_t *label, uint8_t out[NSEC3_HASH_LEN])
{
	for (unsigned i = 0; i < 4; i++, label += 8, out += 5) {
		uint64_t bits = 0;

		for (unsigned k = 0; k < 8; k++)
			bits = bits << 5 | (uint64_t)digit(label[k]);
		out[0] = (uint8_t)(bits >> 32);
		wire_store32(out + 1, (uint32_t)bits);
	}
}

bool nsec3_label_is(const uint8_t *label, const uint8_t hash[NSEC3_HASH_LEN])
{
	uint8_t eight[8];

	for (unsigned i = 0; i < 4; i++) {
		spell8(hash + i * 5, eight);
		if (memcmp(label + i * 8, eight, sizeof(eight)) != 0)
			return false;
	}
	return true;
}

void nsec3_hash(const uint8_t *params, const uint8_t *name, uint8_t out[NSEC3_HASH_LEN])
{
	uint8_t msg[(NAME_LEN_MAX + UINT8_MAX + SHA1_PADDING_MIN + SHA1_BLOCK_LEN - 1) / SHA1_BLOCK_LEN *
		    SHA1_BLOCK_LEN];
	unsigned iterations = wire_load16(params + 2);
	size_t salt_len = params[4], len = name_len(name);

	memcpy(msg, name, len);
	memcpy(msg + len, params + 5, salt_len);
	sha1_padded(msg, sha1_pad(msg, len + salt_len), out);
	if (iterations == 0)
		return;
	/* The salt and the padding stay; only the hash in front of them changes. */
	memcpy(msg + NSEC3_HASH_LEN, params + 5, salt_len);
	len = sha1_pad(msg, NSEC3_HASH_LEN + salt_len);
	while (iterations-- > 0) {
		memcpy(msg, out, NSEC3_HASH_LEN);
		sha1_padded(msg, len, out);
	}
}

/* A few moves, of which the last overlaps the one before. */
static inline void copy_name(uint8_t *dst, const uint8_t *src, size_t len)
{
	if (len >= 32) {
		memcpy(dst, src, 32);
		memcpy(dst + len - 32, src + len - 32, 32);
	} else if (len >= 16) {
		memcpy(dst, src, 16);
		memcpy(dst + len - 16, src + len - 16, 16);
	} else if (len >= 8) {
		memcpy(dst, src, 8);
		memcpy(dst + len - 8, src + len - 8, 8);
	} else {
		memcpy(dst, src, len);
	}
}

static inline bool is_one_block(const uint8_t *params, size_t len)
{
	return wire_load16(params + 2) == 0 && len + params[4] + SHA1_PADDING_MIN <= SHA1_BLOCK_LEN;
}

static inline void one_block(uint8_t block[SHA1_BLOCK_LEN], const uint8_t *params, const uint8_t *name,
			     size_t len)
{
	size_t salt_len = params[4];

	memset(block, 0, SHA1_BLOCK_LEN);
	copy_name(block, name, len);
	if (salt_len > 0)
		memcpy(block + len, params + 5, salt_len);
	block[len + salt_len] = 0x80;
	wire_store16(block + SHA1_BLOCK_LEN - 2, (uint16_t)((len + salt_len) * 8));
}

void nsec3_hash_many(struct nsec3_input in[], unsigned cnt)
{
	uint8_t block[NSEC3_MANY_MAX + 1][SHA1_BLOCK_LEN], none[NSEC3_HASH_LEN];
	uint8_t *out[NSEC3_MANY_MAX + 1];
	unsigned ready = 0;

	/* All are written before the first is read, or reading would wait for what was just written. */
	for (unsigned i = 0; i < cnt; i++) {
		if (!is_one_block(in[i].params, in[i].len)) {
			nsec3_hash(in[i].params, in[i].name, in[i].out);
			continue;
		}
		one_block(block[ready], in[i].params, in[i].name, in[i].len);
		out[ready++] = in[i].out;
	}
	out[ready] = none;
	memset(block[ready], 0, SHA1_BLOCK_LEN);
	for (unsigned i = 0; i < ready; i += 2)
		sha1_two_blocks((const uint8_t *const[]){block[i], block[i + 1]}, out + i);
}
