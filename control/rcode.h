/* Response codes in words, for log lines. Pure. */
#pragma once

#include <stdint.h>

/* "REFUSED", or "RCODE 12"; returns buf. */
#define RCODE_TEXT_CAP 16
const char *rcode_text(uint16_t rcode, char buf[RCODE_TEXT_CAP]);
