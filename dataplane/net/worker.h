/*
 * A worker: one thread, pinned, that polls queue i of every port and answers. DESIGN section 5.
 */
#pragma once

#include "dataplane/net/dgram_ring.h"
#include "dataplane/net/port.h"
#include "dataplane/zone/cell.h"

#define WORKER_BURST 32 /* a burst is one group of lookups: ANSWER_BURST_MAX bounds it */

struct worker {
	/* Set before start, then only read. */
	const struct port *ports;
	unsigned port_cnt;
	uint16_t index;
	enum net_idle idle;
	uint32_t idle_sleep_us;
	struct answer_engine *engine;
	struct rte_mempool *pool;
	struct dgram_ring *requests;	   /* the worker puts */
	struct dgram_ring *replies;	   /* the worker takes */
	struct capture_ring *capture_ring; /* the control loop's, which lends it out */

	struct cell peers; /* struct acl of net_config.peers: control writes, the worker reads */
	_Atomic bool stop; /* written by the control loop, as the next */
	struct capture_ring *_Atomic capture; /* what to copy frames into; NULL: no capture is on */

	/* Written by the worker (notify_reply_full: by the control loop), read by anyone. */
	alignas(64) _Atomic uint64_t counter[NET_COUNTER_CNT];
	_Atomic uint64_t turn_at; /* cycles, as the next two; the begin of the turn at work */
	_Atomic uint64_t gap_worst, gap_worst_at;
	/* The worker's own. */
	uint64_t busy_at; /* cycles; the end of the last turn that found something */
	uint64_t cycles_per_us;
};

/* EAL's thread function: registers with RCU, turns until stop. arg: struct worker. */
int worker_run(void *arg);
