/*
 * A worker between two ports without a device: the test is the wire and the kernel. Frames are made as the worker asks
 * for them, and what it sends comes back to the test, all on the caller's thread: no ring, no time, no second thread.
 *
 * The worker's packet buffers are poisoned: a free one is full of RIG_POISON, so that what is read after it was given back
 * shows, and a buffer that was written to after it was given back is found when it is taken again.
 */
#pragma once

#include "dataplane/net/worker.h"

#include <rte_mbuf.h>

#include "tests/unit/net/forms.h"

#define RIG_MTU	   1500
#define RIG_POISON 0xa5
#define RIG_POOL   512
#define RIG_ARGS   11 /* of EAL */

enum rig_side { RIG_WIRE, RIG_KERNEL };

struct rig {
	struct port port;
	struct worker worker;
	struct packet_listen *listen;
	struct acl *peers; /* their4 and their6, one each */
	struct rte_mempool *pool;
	char *args[RIG_ARGS];
	uint16_t id[2]; /* DPDK's ports, by side */

	/*
	 * The test's. source: up to cap buffers that arrive, or 0; the run ends when all is done and it says so by *end.
	 * sent: looks at a buffer that leaves. room: how many of cnt buffers the queue takes; NULL: all.
	 */
	void *arg;
	unsigned (*source)(struct rig *r, enum rig_side from, struct rte_mbuf **out, unsigned cap, bool *end);
	void (*sent)(struct rig *r, enum rig_side to, const struct rte_mbuf *m);
	unsigned (*room)(struct rig *r, enum rig_side to, unsigned cnt);
};

/* Once per process. Without source the wire and the kernel are silent. */
struct rig *rig_new(void);
void rig_free(struct rig *r);

/* Forgets what an earlier run counted and was told. With an exception interface or without. */
void rig_reset(struct rig *r, bool exception);

/* The worker's loop, until source has ended on the wire's side. Counters are in out then. */
void rig_run(struct rig *r, uint64_t out[NET_COUNTER_CNT]);

/* Buffers in the pool now; all of them are RIG_POOL. */
unsigned rig_pool_level(const struct rig *r);

/* A frame in a buffer of the worker's pool; NULL: the pool is empty. cuts: where to split it, ascending. */
struct rte_mbuf *rig_mbuf(struct rig *r, const struct frame *f, enum form_place place);
struct rte_mbuf *rig_mbuf_cut(struct rig *r, const struct frame *f, const size_t *cuts, unsigned cnt);
