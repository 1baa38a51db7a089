/*
 * One sending core: bursts of copied frames out, responses in, each matched and checked, its latency recorded. A run
 * of several cores shares the table of what is outstanding: a NIC spreads responses over queues as it likes.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>

#include "bench/load/frames.h"
#include "bench/load/histogram.h"

struct rte_mempool;
struct rte_mbuf;

#define SENDER_BURST_MAX 128

#define SENDER_COUNTERS(X)                                             \
	X(sent, "requests that the device took")                       \
	X(answered, "requests answered, rightly or not")               \
	X(late, "of these, answered after the time given with --late") \
	X(truncated, "of these, with the TC bit")                      \
	X(refused_bursts, "bursts that the device did not take whole") \
	X(behind, "requests that a constant rate could not send in time")

enum sender_counter {
#define X(name, help) SENDER_##name,
	SENDER_COUNTERS(X)
#undef X
		SENDER_COUNTER_CNT
};

#define SENDER_RCODES 16

/* What all cores of a run share; immutable while they run but for sent_at and stop. */
struct sender_run {
	const struct frames *frames;
	_Atomic uint64_t *
		sent_at; /* TSC per request, 0: none outstanding; written by its sender, cleared by who hears */
	_Atomic bool stop; /* the main thread writes: end early */
	uint16_t port;
	unsigned burst;
	unsigned check_every; /* one answer in so many is checked deeply; 0: none */
	bool echo;
	double rate; /* of each core, requests a second; 0: as fast as possible */
	uint64_t tsc_hz;
	uint64_t late_tsc;  /* an answer later than this is late */
	uint64_t send_tsc;  /* how long to send */
	uint64_t drain_tsc; /* how long to wait for answers after it */
};

struct sender {
	alignas(64) struct sender_run *run;
	struct rte_mempool *pool;
	uint16_t queue;
	uint32_t first, cnt; /* its part of the frames */
	/* Its own from here on; the main thread reads counters while it runs, the rest when it has ended. */
	uint32_t next;
	struct rte_mbuf *pending[SENDER_BURST_MAX]; /* made, not yet taken by the device */
	unsigned pending_at, pending_cnt;
	unsigned until_deep;
	uint64_t begin_tsc, sent_here;
	uint64_t sending_tsc; /* how long it did send */
	double cpu_share; /* of the run's time, what the thread had of its CPU: 1 when nobody else wanted it */
	_Atomic uint64_t counter[SENDER_COUNTER_CNT];
	_Atomic uint64_t verdict[FRAMES_VERDICT_CNT];
	uint64_t rcode[SENDER_RCODES];
	struct histogram latency; /* nanoseconds; of a constant rate from when it was due */
	uint32_t wrong_number;	  /* the last request that was answered wrongly; UINT32_MAX: none */
};

/* Before each run. The first time next must be `first`; later it goes on where it was. */
void sender_reset(struct sender *s);

/* The function of the lcore: runs, drains, returns 0. arg: struct sender. No lock, log, or system call while it sends. */
int sender_run_core(void *arg);
