/* Owner names of NSEC3 records: the base32hex text of a 20-octet hash (RFC 5155 3), one label below the apex. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/dns/wire.h"

#define NSEC3_HASH_LEN	20
#define NSEC3_LABEL_LEN 32

/* Whether a name below the apex (lower case) is such an owner. */
bool nsec3_is_owner(const uint8_t *rel, size_t len);

/* The first 64 bits of the hash that the label (without its length octet, lower case) spells. */
uint64_t nsec3_label_key(const uint8_t *label);

/* The same of the hash itself. */
static inline uint64_t nsec3_hash_key(const uint8_t hash[NSEC3_HASH_LEN])
{
	return (uint64_t)wire_load32(hash) << 32 | wire_load32(hash + 4);
}

/* Spells a hash. */
void nsec3_label(const uint8_t hash[NSEC3_HASH_LEN], uint8_t out[NSEC3_LABEL_LEN]);

/* The inverse: the hash that the label (without its length octet, lower case) spells. */
void nsec3_label_hash(const uint8_t *label, uint8_t out[NSEC3_HASH_LEN]);

/* Whether the label spells the hash. */
bool nsec3_label_is(const uint8_t *label, const uint8_t hash[NSEC3_HASH_LEN]);

/*
 * RFC 5155 5. params: algorithm, flags, iterations, salt: NSEC3PARAM record data. name: lower case. Hot path: no
 * allocation, and one block of SHA-1 for a name of up to 55 octets without salt and iterations.
 */
void nsec3_hash(const uint8_t *params, const uint8_t *name, uint8_t out[NSEC3_HASH_LEN]);

struct nsec3_input {
	const uint8_t *params;
	const uint8_t *name;
	size_t len; /* octets of the name */
	uint8_t *out;
};

/*
 * The same for cnt <= NSEC3_MANY_MAX names, each with its parameters: two that are one block each and have no iterations take
 * little more time than one.
 */
#define NSEC3_MANY_MAX 64

void nsec3_hash_many(struct nsec3_input in[], unsigned cnt);
