/*
 * Who gives up its place when as many transfers run as may and others wait: a slow one, of the primary that has the most
 * places. Only the choice, for zones_room.c; pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* One that runs. */
struct yield_runner {
	uint64_t octets, ms; /* so much has come in so long */
	uint32_t idle_max_s; /* its transfer-idle; 0: none */
	unsigned places;     /* of its primary, this one included */
	bool last;	     /* its primary comes last: dispatch.h */
};

/* So long a transfer is watched before it is called slow or not. */
uint64_t yield_watch_ms(const struct yield_runner *r);

/* Only of one that has been watched so long. */
bool yield_is_slow(const struct yield_runner *r);

/*
 * Whether a slow one may be ended for somebody who waits and has `fewest` places: not if its primary has no more itself,
 * as then the two would only take turns; one that comes last waits for nobody's place, so with it they do not.
 */
bool yield_may(const struct yield_runner *r, unsigned fewest);

/* Whether a is to be ended rather than b. */
bool yield_before(const struct yield_runner *a, const struct yield_runner *b);
