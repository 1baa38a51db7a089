/*
 * Looks after the workers from the control loop: a worker that has not come round for too long is reported, and cannot
 * hold memory for ever. What was replaced while a worker stands still is not given back, for the worker may be reading
 * it; beyond a limit no new transfer starts until it moves on or is gone. Answers of the others go on.
 *
 * And after the ports: links that go down, devices that are removed and come back are logged as net_ports_poll tells.
 */
#pragma once

#include "control/zones.h"
#include "dataplane/net/net.h"

struct watch;

struct watch_env {
	uv_loop_t *loop;
	const struct config *config;
	struct net *net;
	const struct arena *arena;
	struct zones *zones;
	struct log *log;
};

/* Returns 0 or -errno. After net_start. */
int watch_start(const struct watch_env *env, struct watch **out);
/* Closes its handle on the loop, which then calls done. watch_free afterwards. */
void watch_stop(struct watch *w, void (*done)(void *arg), void *arg);
void watch_free(struct watch *w);

struct watch_worker {
	bool stalled;
	uint64_t stalled_ms; /* how long it stands still; 0: it does not */
	uint64_t stalls;     /* since the start */
};

/* The control loop's. */
void watch_worker(const struct watch *w, unsigned worker, struct watch_worker *out);
bool watch_holds_transfers(const struct watch *w);
