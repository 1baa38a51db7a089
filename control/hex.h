/* Octets written as pairs of hexadecimal digits, in either case. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Reads len characters of text into out. Returns how many octets they are, or -1 when they are none or more than cap. */
int hex_read(const char *text, size_t len, uint8_t *out, size_t cap);
