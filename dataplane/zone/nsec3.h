/* Owner names of NSEC3 records: the base32hex text of a 20-octet hash (RFC 5155 3), one label below the apex. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NSEC3_HASH_LEN	20
#define NSEC3_LABEL_LEN 32

/* Whether a name below the apex (lower case) is such an owner. */
bool nsec3_is_owner(const uint8_t *rel, size_t len);

/* The first 64 bits of the hash that the label (without its length octet, lower case) spells. */
uint64_t nsec3_label_key(const uint8_t *label);

/* Spells a hash. */
void nsec3_label(const uint8_t hash[NSEC3_HASH_LEN], uint8_t out[NSEC3_LABEL_LEN]);
