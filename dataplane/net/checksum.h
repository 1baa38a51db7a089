/*
 * The Internet checksum (RFC 1071). Pure; inline for the packet path.
 *
 * Sums are taken over native-order 32-bit words into 64 bits: ones'-complement addition does not care for the byte
 * order as long as the result is stored as it was loaded, and 64 bits hold the carries of any frame.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Adds len octets to a running sum. Only the last piece of a sum may have an odd length. */
static inline uint64_t checksum_add(uint64_t sum, const uint8_t *p, size_t len)
{
	uint64_t tail = 0;

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, p, sizeof(word));
		sum += (word & UINT32_MAX) + (word >> 32);
	}
	memcpy(&tail, p, len); // zero-filled behind: RFC 1071 pads an odd octet with zero
	return sum + (tail & UINT32_MAX) + (tail >> 32);
}

/* The sum as 16 bits in the order of the octets summed, not complemented. */
static inline uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

/* A 16-bit number in host order as a word of a sum. */
static inline uint64_t checksum_be16(uint16_t v)
{
	uint8_t octets[2] = {(uint8_t)(v >> 8), (uint8_t)v};
	uint16_t word;

	memcpy(&word, octets, sizeof(word));
	return word;
}
