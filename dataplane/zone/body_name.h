/* Reading names inside bodies. Any thread; pure. */
#pragma once

#include "dataplane/zone/snapshot.h"

/*
 * The name at offset off of a body, absolute, as stored. layout is the owner the body was laid out for. *out_at is
 * its nominal offset in the layout: where it stands, or what it points to. Returns its length.
 */
size_t body_name(const uint8_t *body, const uint8_t *layout, size_t layout_len, size_t off,
		 uint8_t out[NAME_LEN_MAX], uint16_t *out_at);
