/*
 * DPDK's TAP driver has the kernel send the process a real-time signal for every frame that arrives on a TAP, and
 * looks at nothing else. A thread of its own takes these signals, so that they disturb neither workers nor the control
 * loop, and no system call anywhere else ends early because of them.
 */
#pragma once

#include "dataplane/net/error.h"

struct tap_signals;

/*
 * From now on the calling thread, and every thread it makes, has real-time signals blocked, also after the stop: a late
 * one must find nobody. Before the first TAP is made. Returns 0 or -errno.
 */
int tap_signals_start(struct tap_signals **out, struct net_error *err);
void tap_signals_stop(struct tap_signals *t);
