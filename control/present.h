/*
 * Records in presentation format, one a line (RFC 1035 5.1; RFC 3597 5 for what ldns does not know). Pure; any thread.
 */
#pragma once

#include <ldns/ldns.h>

#include "dataplane/zone/snapshot.h"

#define PRESENT_WIRE_MAX (NAME_LEN_MAX + 10 + 65535)

/* Appends the record to out. wire: PRESENT_WIRE_MAX octets of room. Returns 0 or -ENOMEM. */
int present_record(ldns_buffer *out, const struct snapshot_record *r, uint8_t *wire);
