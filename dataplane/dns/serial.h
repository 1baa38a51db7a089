/* Serial number arithmetic, RFC 1982 with SERIAL_BITS = 32. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether a is newer than b. Two serials exactly 2^31 apart are incomparable (RFC 1982 3.2): neither is newer,
 * so a transfer never starts from such a pair; serial_incomparable tells, and the control plane logs it.
 */
static inline bool serial_newer(uint32_t a, uint32_t b)
{
	uint32_t d = a - b;

	return d != 0 && d < UINT32_C(0x80000000);
}

static inline bool serial_incomparable(uint32_t a, uint32_t b)
{
	return a - b == UINT32_C(0x80000000);
}
