/* Base32hex, RFC 4648 7, in lower case and without padding: 20 octets are exactly 32 characters. Pure. */
#include "dataplane/zone/nsec3.h"

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

void nsec3_label(const uint8_t hash[NSEC3_HASH_LEN], uint8_t out[NSEC3_LABEL_LEN])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";

	for (unsigned i = 0; i < 4; i++) {
		uint64_t five = 0;

		for (unsigned k = 0; k < 5; k++)
			five = five << 8 | hash[i * 5 + k];
		for (unsigned k = 0; k < 8; k++)
			out[i * 8 + k] = (uint8_t)digits[five >> (35 - 5 * k) & 31];
	}
}
