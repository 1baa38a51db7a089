/*
 * SHA-1 (FIPS 180-4) of messages that the caller has padded, for the hashes of NSEC3 (RFC 5155 5) and nothing else: as a
 * signature it is broken, as a way to spell names in order it does no harm.
 *
 * Here because a digest context of the crypto library costs more than the hash of a name, which is one block mostly.
 * Pure; no allocation, lock or system call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA1_BLOCK_LEN	64
#define SHA1_DIGEST_LEN 20
/* Behind the message: one octet, then as many zeros as it takes, then the length. */
#define SHA1_PADDING_MIN 9

/* Octets of a message of len octets with its padding. */
static inline size_t sha1_padded_len(size_t len)
{
	return (len + SHA1_PADDING_MIN + SHA1_BLOCK_LEN - 1) / SHA1_BLOCK_LEN * SHA1_BLOCK_LEN;
}

/* Puts the padding behind the len octets at msg, which has room for sha1_padded_len(len); returns that. */
size_t sha1_pad(uint8_t *msg, size_t len);

/* Digest of a padded message; the SHA extensions of the processor where it has them. out may be msg. */
void sha1_padded(const uint8_t *msg, size_t padded_len, uint8_t out[SHA1_DIGEST_LEN]);

/* Digests of two padded messages of one block each, in little more time than one takes. */
void sha1_two_blocks(const uint8_t *const msg[2], uint8_t *const out[2]);

/* The two ways it is done, for tests. extended: only where sha1_extended() says so. */
void sha1_padded_portable(const uint8_t *msg, size_t padded_len, uint8_t out[SHA1_DIGEST_LEN]);
void sha1_padded_extended(const uint8_t *msg, size_t padded_len, uint8_t out[SHA1_DIGEST_LEN]);
bool sha1_extended(void);
