/*
 * The most frequent answer of all: one record at a name that exists. What the answer engine needs to know of an entry to
 * copy it without a call; all else is behind snapshot.h. Hot path; any registered reader.
 */
#pragma once

#include "dataplane/zone/block.h"

/*
 * The body of e's set of a type, laid out for the place right behind a question of e's name, if it is one record without
 * signatures and pointers that may have to move, and so are those before it. NULL: none, or entry_set has to look.
 */
static inline const uint8_t *entry_plain_body(const struct entry *e, uint16_t type, uint32_t *out_len)
{
	const uint8_t *p;

	if (e->flags & ENTRY_EMPTY)
		return NULL;
	p = set_skip_plain(entry_sets(e), type);
	if (p == NULL || !set_is_plain(p))
		return NULL;
	*out_len = 12u + wire_load16(p + 11);
	return p + 1;
}
