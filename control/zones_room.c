/*
 * Room for transfers that wait because as many run in all as may: the slow ones make it. The control loop's thread.
 *
 * A few primaries that send just enough not to be given up (transfer-rate-min) would otherwise have all places for
 * transfer-time, and again. One transfer is ended at a time, and the next one when that has not helped, so that no more go
 * than have to. Its primary comes last from then on, until a transfer from it has succeeded: without that, its next NOTIFY
 * would have the place again before a zone that waits by its timer. As what comes last does not make room for itself, slow
 * primaries among themselves lose no transfer to each other.
 */
#include "control/zones_internal.h"

#include <limits.h>
#include <stdio.h>

#include "control/yield.h"

/* While something waits it is looked so often whether somebody has become slow. */
#define LOOK_MS 1000

static struct zone *zone_of(struct dispatch_item *item)
{
	return (struct zone *)((char *)item - offsetof(struct zone, item));
}

/* Who has been fast is watched anew, or what it once sent would count for ever. Returns whether it may be ended. */
static bool describe(struct zone *zn, unsigned fewest, struct yield_runner *out)
{
	struct dispatch *d = zn->all->transfers;
	struct xfr_pace pace;

	if (!xfr_pace(zn->run.transfer, &pace))
		return false;
	*out = (struct yield_runner){.octets = pace.octets,
				     .ms = pace.ms,
				     .idle_max_s = zn->config->transfer_idle_max,
				     .places = dispatch_running(d, zn->item.primary),
				     .last = dispatch_is_last(d, zn->item.primary)};
	if (out->ms < yield_watch_ms(out))
		return false;
	if (!yield_is_slow(out)) {
		xfr_watch(zn->run.transfer);
		return false;
	}
	return yield_may(out, fewest);
}

static void end_slow(struct zone *zn, const struct yield_runner *r)
{
	struct zones *z = zn->all;
	char why[96];

	snprintf(why, sizeof(why), "made room for others: %llu octets a second over %llu s",
		 (unsigned long long)(r->octets * 1000 / r->ms), (unsigned long long)(r->ms / 1000));
	z->cnt[ZONES_CNT_transfers_made_room]++;
	dispatch_set_last(z->transfers, zn->item.primary, true);
	xfr_cancel(zn->run.transfer, why);
}

/* Returns whether a place becomes free: one has been ended, or is being ended anyway. */
static bool end_slowest(struct zones *z, unsigned fewest)
{
	struct dispatch_item *item = NULL;
	struct yield_runner slowest, r;
	struct zone *found = NULL;

	while ((item = dispatch_next_running(z->transfers, item)) != NULL) {
		struct zone *zn = zone_of(item);

		if (xfr_is_ending(zn->run.transfer))
			return true;
		if (!describe(zn, fewest, &r) || (found != NULL && !yield_before(&r, &slowest)))
			continue;
		found = zn;
		slowest = r;
	}
	if (found != NULL)
		end_slow(found, &slowest);
	return found != NULL;
}

void zones_make_room(struct zones *z)
{
	int64_t now = (int64_t)uv_now(z->env.loop);
	unsigned fewest;

	if (z->held || !dispatch_is_full(z->transfers)) {
		z->room_ms = INT64_MAX;
		return;
	}
	if (z->room_ms != INT64_MAX && now < z->room_ms)
		return;
	fewest = dispatch_fewest_waiting(z->transfers);
	/* Its end brings us back here. */
	if (fewest != UINT_MAX && end_slowest(z, fewest))
		z->room_ms = INT64_MAX;
	else
		z->room_ms = now + LOOK_MS;
}
