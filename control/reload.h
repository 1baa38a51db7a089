/*
 * The configuration, read again while the daemon runs: by the command "reload" and by SIGHUP. The file is read and checked on a
 * thread of its own; only what is good comes into force, in one turn of the loop. What a reload cannot change stays as it
 * is and is named.
 *
 * The control loop's thread.
 */
#pragma once

#include "control/zones.h"

struct reload;

struct reload_env {
	uv_loop_t *loop;
	struct config *first; /* outlives this */
	struct zones *zones;
	struct log *log;
	void (*in_force)(void *arg,
			 const struct config
				 *now); /* tells others, before it is; what was is valid for a grace period */
	void *arg;
};

#define RELOAD_ERRORS_CAP 16384

struct reload_result {
	bool ok;
	/* Not ok: why nothing was changed. Ok: warnings, or empty. Lines, as of config_load. */
	const char *text;
	const char *needs_restart; /* sections that were changed in the file and not here; empty: none */
	unsigned zone_cnt;
	struct zones_reloaded zones;
};

/* Returns NULL when out of memory. */
struct reload *reload_new(const struct reload_env *env);

/* The loop has ended, and with it what was begun. NULL is fine. */
void reload_free(struct reload *r);

/*
 * Reads the file as it is from now on; when one is being read already, once more after that. done (may be NULL) is called once,
 * later, or at once when out of memory; r's texts are valid in it.
 */
typedef void (*reload_done_fn)(void *arg, const struct reload_result *r);
void reload_begin(struct reload *r, reload_done_fn done, void *arg);

/* The files of keys were read again on their own: what is being read may have what they had before, and is read once more. */
void reload_keys_changed(struct reload *r);

/* Nothing comes into force any more; who waits is told. */
void reload_stop(struct reload *r);
