/*
 * Telling others that a zone has changed: NOTIFY as a primary sends it, RFC 1996, over UDP, signed where the secondary has a
 * key (RFC 8945). Each target of a zone is told until it acknowledges or has been told TRIES_MAX times, with growing pauses;
 * what changes meanwhile is told once the answer is there, so that a target has one NOTIFY of a zone on its way.
 *
 * Each secondary has its own queue and a bounded number on their way, so one that is gone delays nobody else's.
 *
 * The control loop's thread.
 */
#pragma once

#include <uv.h>

#include "control/config.h"
#include "dataplane/answer/answer.h"

struct notify_out;

struct notify_out_env {
	uv_loop_t *loop;
	const struct zonetab *table;
	struct log *log;
};

/* Returns 0 or -errno. */
int notify_out_new(const struct notify_out_env *env, struct notify_out **out);

/* Tells nobody any more; closes its handles on the loop, then calls done. */
void notify_out_stop(struct notify_out *n, void (*done)(void *arg), void *arg);
void notify_out_free(struct notify_out *n); /* stopped, or its loop never runs again; NULL is fine */

/*
 * Which zones there are from notify_out_commit on, in place of all that there were: those of config, each added once; slots are
 * below slots. Zones and secondaries are valid until the next commit. A target that was there before (the same zone and secondary, at
 * the same address) keeps what it was told, and what was on its way to it is said again; a new one is told what is
 * served. Returns 0 or -ENOMEM; a second call of notify_out_prepare begins anew.
 */
int notify_out_prepare(struct notify_out *n, const struct config *config, uint32_t slots);
void notify_out_add_zone(struct notify_out *n, uint32_t slot, const struct config_zone *zone);
void notify_out_commit(struct notify_out *n);

/* A version has been published, or an operator wants it told again: all targets are told what is served. */
void notify_out_changed(struct notify_out *n, uint32_t slot);

struct notify_out_info {
	const struct config_secondary *to;
	bool told, acknowledged; /* serials are valid */
	uint32_t told_serial, acknowledged_serial;
	bool waiting; /* it will be told (again) */
	unsigned tries;
	const char *fault; /* of the last try: "no reply"; empty: none */
};

unsigned notify_out_cnt(const struct notify_out *n, uint32_t slot);
void notify_out_info(const struct notify_out *n, uint32_t slot, unsigned i, struct notify_out_info *out);

#define NOTIFY_OUT_COUNTERS(X)                                          \
	X(notify_sent, "NOTIFY messages sent to secondaries")           \
	X(notify_acknowledged, "NOTIFYs that a secondary acknowledged") \
	X(notify_failed, "NOTIFYs given up after all tries")            \
	X(notify_rejected, "replies to NOTIFY ignored: malformed, not to ours, or wrongly signed")

enum notify_out_counter {
#define X(name, help) NOTIFY_OUT_CNT_##name,
	NOTIFY_OUT_COUNTERS(X)
#undef X
		NOTIFY_OUT_COUNTER_CNT
};
void notify_out_counters(const struct notify_out *n, uint64_t out[NOTIFY_OUT_COUNTER_CNT]);
