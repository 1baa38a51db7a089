/*
 * When has every reader seen what was published? One thread that waits for grace periods and tells; call_rcu would tell as
 * well, but 10 ms later, as it gathers.
 *
 * grace_after: any thread. The callbacks run on the thread here, in the order of grace_after.
 */
#pragma once

#include <stdint.h>

struct grace;

/* Embedded in what waits. */
struct grace_wait {
	struct grace_wait *next;
	void (*seen)(struct grace_wait *w);
};

/* Returns 0 or -errno. */
int grace_start(struct grace **out);

/* seen is called when each reader has passed a quiescent state that came after this call. Cannot fail. */
void grace_after(struct grace *g, struct grace_wait *w, void (*seen)(struct grace_wait *w));

/* Calls all that wait, ends the thread. The caller is a registered reader, online, with no snapshot in its hands. */
void grace_stop(struct grace *g);
