/* What must hold for any input; otherwise the fuzzer is told, with the line. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define HOLDS(x)                                                                        \
	do {                                                                            \
		if (!(x)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* In a block of exactly that size, so that a sanitizer notices one octet too many. Free it. */
static inline uint8_t *exact_copy(const void *octets, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	HOLDS(copy != NULL);
	if (len > 0)
		memcpy(copy, octets, len);
	return copy;
}
