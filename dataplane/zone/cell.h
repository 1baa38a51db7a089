/*
 * A pointer that one thread replaces while others follow it: to what is immutable, is replaced whole and belongs to no slot of the
 * zone table, such as a configuration. RCU (QSBR), as for snapshots.
 */
#pragma once

#include <urcu/call-rcu.h>

/* Zeroed at first: NULL. */
struct cell {
	const void *p; /* RCU: one thread writes, registered readers read */
};

/* A registered reader, online: what is there, valid until its next quiescent state; for the writer until it retires that. */
const void *cell_get(const struct cell *c);

/* The writer. What was there is its own, for a grace period: see cell_retire. */
void cell_set(struct cell *c, const void *p);

/* Embedded in what is replaced. */
struct cell_old {
	struct rcu_head rcu;
	void (*reclaim)(struct cell_old *old);
};

/* Any registered thread: reclaim is called when every reader has passed a quiescent state, on a thread of its own. */
void cell_retire(struct cell_old *old, void (*reclaim)(struct cell_old *old));
