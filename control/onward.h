/*
 * Zones onward, in one: what is kept to serve differences (deltas.h), who serves (xfrout.h), who tells (notify_out.h).
 * Owned by main; told by zones of slots and publications; read by the control socket.
 */
#pragma once

#include "control/notify_out.h"
#include "control/xfrout.h"

struct onward {
	struct deltas *deltas;
	struct xfrout *xfrout;
	struct notify_out *notify;
};

struct onward_env {
	uv_loop_t *loop;
	const struct config *config;
	const struct zonetab *table;
	struct log *log;
};

/* No zones yet. Returns 0 or -errno. */
int onward_new(const struct onward_env *env, struct onward **out);

/* Tells nobody any more; done is called when the handles on the loop are closed. */
void onward_stop(struct onward *o, void (*done)(void *arg), void *arg);

/* Stopped, and nobody uses it any more. NULL is fine. */
void onward_free(struct onward *o);

/*
 * Control loop: which zones there are from onward_commit on, in place of all that there were: those of config, each added once;
 * slots are below slots. config is valid until a grace period after the next commit. Returns 0 or -ENOMEM; a second
 * call of onward_prepare begins anew.
 */
int onward_prepare(struct onward *o, const struct config *config, uint32_t slots);
void onward_add_zone(struct onward *o, uint32_t slot, const struct config_zone *zone);
void onward_commit(struct onward *o);

/* Control loop: the zone of the slot goes, and with it what is kept of it. */
void onward_remove_zone(struct onward *o, uint32_t slot);

/*
 * Control loop, right after a version was published: deltas is how it was made from the one before, or empty when it came
 * whole. Takes what is in it.
 */
void onward_published(struct onward *o, uint32_t slot, uint32_t serial, struct delta_queue *deltas);

/* Control loop: these lead to a version that waits to be published. They count, or go (deltas_wait). */
void onward_wait(struct onward *o, struct delta_queue *deltas);

/* Control loop, right after a version that was served before was published again. */
void onward_went_back(struct onward *o, uint32_t slot, uint32_t serial);

/* Control loop: tells all of the zone's targets what is served, whatever they have acknowledged. */
void onward_notify(struct onward *o, uint32_t slot);

/* The targets of NOTIFY of a zone. */
unsigned onward_target_cnt(const struct onward *o, uint32_t slot);
void onward_target(const struct onward *o, uint32_t slot, unsigned i, struct notify_out_info *out);

/* What each part counts, as one list. */
#define ONWARD_COUNTERS(X)                                                                           \
	XFROUT_COUNTERS(X)                                                                           \
	NOTIFY_OUT_COUNTERS(X)                                                                       \
	X(deltas, "differences kept now")                                                            \
	X(delta_bytes, "octets that they take, and those that wait with a version held or verified") \
	X(deltas_evicted, "differences dropped to stay within delta-bytes")

enum onward_counter {
#define X(name, help) ONWARD_CNT_##name,
	ONWARD_COUNTERS(X)
#undef X
		ONWARD_COUNTER_CNT
};
extern const struct counter_text onward_counter_text[ONWARD_COUNTER_CNT];
void onward_counters(const struct onward *o, uint64_t out[ONWARD_COUNTER_CNT]);

/* Octets of differences worth recording for a zone; 0: none. */
uint64_t onward_delta_bytes(const struct config *config, const struct config_zone *zone);
