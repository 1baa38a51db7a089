/* Response codes in words, for log lines. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* "REFUSED", or "RCODE 12"; returns buf. */
#define RCODE_TEXT_CAP 16
const char *rcode_text(uint16_t rcode, char buf[RCODE_TEXT_CAP]);

/* "NXDOMAIN" in any case, or a number up to 4095. False: neither. */
bool rcode_from_text(const char *text, uint16_t *out);
