/*
 * What net.c and capture.c share. Nobody else includes this.
 */
#pragma once

#include "dataplane/net/capture_ring.h"
#include "dataplane/net/worker.h"

struct net {
	struct eal *eal;
	struct tap_signals *tap_signals; /* NULL: no port needs it */
	struct port *ports;
	unsigned port_cnt, ports_open;
	struct worker *workers;
	unsigned worker_cnt, workers_running;
	unsigned next_worker;	    /* whose ring net_dgram_recv looks at first */
	struct rte_mempool **pools; /* one per worker */
	struct packet_listen *listen;
	struct net_address *addresses; /* the same as they were given */
	unsigned address_cnt;
	bool capturing;
	uint64_t capture_stopped_at; /* cycles */
};

/* What ports are opened with. */
struct port_env net_port_env(const struct net *n);

/*
 * Cycles of different cores are compared: x86 has kept them in step since 2008 (constant_tsc, nonstop_tsc).
 */
uint64_t net_since_ns(uint64_t then, uint64_t now, uint64_t hz);
