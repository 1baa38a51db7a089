/*
 * A walk over all records of a snapshot that can be left and taken up again at any record: for outgoing transfers, which
 * go at the pace of their readers. Unlike snapshot_walk it sorts and copies nothing: the order is that of the blocks, the
 * memory that of one record set.
 */
#pragma once

#include "dataplane/zone/snapshot.h"

struct snapshot_cursor;

/* The caller holds s (snapshot_hold) until the cursor is freed. NULL when out of memory. Any thread, one at a time. */
struct snapshot_cursor *snapshot_cursor_new(const struct snapshot *s);
void snapshot_cursor_free(struct snapshot_cursor *c); /* NULL is fine */

/*
 * The next record. The SOA is the first; each other record comes once, records of a set together, RRSIGs behind what they
 * cover. Pointers in out are valid until the next call. Returns 1, 0 behind the last record, or -ENOMEM, after which
 * the cursor can only be freed.
 */
int snapshot_cursor_next(struct snapshot_cursor *c, struct snapshot_record *out);
