/*
 * DPDK's environment layer: started from a net_config, its words kept for error sentences instead of printed.
 * Once per process: that is DPDK's limit. Control thread.
 */
#pragma once

#include "dataplane/net/error.h"

struct eal;

/* mbuf memory that the ports will need, MiB; compared with what the configuration gives. */
int eal_start(const struct net_config *config, unsigned need_mb, struct eal **out, struct net_error *err);
void eal_stop(struct eal *e);

/* The lcore of a worker. The control loop is lcore 0. */
static inline unsigned eal_worker_lcore(unsigned worker)
{
	return worker + 1;
}

/*
 * The first error that DPDK, libbpf or libxdp logged since eal_forget, without prefix and newline, as " (...)" ready to
 * be put behind a sentence; "" when there is none.
 */
void eal_forget(struct eal *e);
const char *eal_words(struct eal *e);
