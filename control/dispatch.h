/*
 * Who may ask a primary next: queues by precedence (NOTIFY before operator before timer) for each primary, with a
 * bound on what is under way at one primary and in all. A primary that does not answer fills its own share and no
 * more: the zones of the others go on. A primary that has been made to come last runs in what the others leave.
 * The control loop's; single-threaded; knows nothing of DNS.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/secondary.h"

struct dispatch;

enum dispatch_state { DISPATCH_NONE, DISPATCH_QUEUED, DISPATCH_RUNNING };

/* Embedded in the zone; zeroed at first. One at a time. */
struct dispatch_item {
	struct dispatch_item *next, *prev;
	uint32_t primary;
	uint8_t class; /* enum secondary_class */
	uint8_t state; /* enum dispatch_state */
};

struct dispatch_limits {
	unsigned running_max;		  /* in all */
	unsigned running_per_primary_max; /* at one primary; NOTIFY may go a quarter beyond */
	/* In all, NOTIFY may go this much beyond running_max, so that a sweep cannot keep it waiting. */
	unsigned notify_reserve;
};

/* Primaries are numbers below primary_cnt. Returns NULL when out of memory. */
struct dispatch *dispatch_new(unsigned primary_cnt, const struct dispatch_limits *limits);
void dispatch_free(struct dispatch *d);

/* There may be so many primaries from now on, if there were fewer. Returns 0 or -ENOMEM. */
int dispatch_reserve(struct dispatch *d, unsigned cnt);

/* Queues, or moves what is queued. Not for what runs. */
void dispatch_put(struct dispatch *d, struct dispatch_item *item, uint32_t primary,
		  enum secondary_class class);

/* Takes the next that may run and marks it running; NULL: none may. */
struct dispatch_item *dispatch_take(struct dispatch *d);

/* It has ended, or is not to be run any more. Any state. */
void dispatch_drop(struct dispatch *d, struct dispatch_item *item);

/* --- room ---
 * For who ends what runs when others wait.
 */

/* Whether something is queued and as many run in all as may. Does not look at each primary. */
bool dispatch_is_full(const struct dispatch *d);

/*
 * Of the primaries, except those that come last, with something queued that could run if fewer ran in all: how many of its
 * own the one with the fewest has running. UINT_MAX: there is none such.
 */
unsigned dispatch_fewest_waiting(const struct dispatch *d);

/* What runs, one after the other, NULL first and last. */
struct dispatch_item *dispatch_next_running(const struct dispatch *d, const struct dispatch_item *item);

/* So many run at this primary. */
unsigned dispatch_running(const struct dispatch *d, uint32_t primary);

/* From now on, or no more: what is queued for it is taken when nothing of the others can be, and no reserve is for it. */
void dispatch_set_last(struct dispatch *d, uint32_t primary, bool last);
bool dispatch_is_last(const struct dispatch *d, uint32_t primary);
