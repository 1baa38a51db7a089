#include "control/yield.h"

/*
 * A slow start, a connection that is made anew or a primary that first has to read the zone are no reason. A shorter
 * transfer-idle says that what does not come in that time does not come.
 */
#define WATCH_S_MAX 30

/*
 * Octets a second. Whoever has several places has their sum: 80 KiB/s with all eight, more than the slowest lines that
 * zones are transferred over. Whoever wants to hold all 64 places in spite of it has to send 640 KiB/s for as long.
 */
#define SLOW_RATE (10 * 1024)

uint64_t yield_watch_ms(const struct yield_runner *r)
{
	uint64_t s = r->idle_max_s != 0 && r->idle_max_s < WATCH_S_MAX ? r->idle_max_s : WATCH_S_MAX;

	return s * 1000;
}

bool yield_is_slow(const struct yield_runner *r)
{
	return r->octets * 1000 < SLOW_RATE * r->ms;
}

bool yield_may(const struct yield_runner *r, unsigned fewest)
{
	return r->last || r->places > fewest;
}

bool yield_before(const struct yield_runner *a, const struct yield_runner *b)
{
	if (a->places != b->places)
		return a->places > b->places;
	return a->octets * b->ms < b->octets * a->ms;
}
