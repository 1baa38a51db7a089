/*
 * What of a zone is served, was served and is kept: publication, expiry, the way back. The control loop's thread.
 */
#include "control/zones_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "control/onward.h"

const struct snapshot *zone_ours(const struct zone *zn)
{
	return zn->aside != NULL ? zn->aside : zonetab_snapshot(zn->all->env.table, zn->slot, NULL);
}

/* --- versions kept --- */

static void drop_version(struct zone_version *v)
{
	snapshot_retire(v->snapshot);
	v->snapshot = NULL;
}

void zone_drop_versions(struct zone *zn)
{
	while (zn->kept_cnt > zn->config->keep_versions)
		drop_version(&zn->kept[--zn->kept_cnt]);
}

/* For one more, if so many are to be kept. Without memory there is room for those that there was room for. */
static void make_room(struct zone *zn)
{
	unsigned max = zn->config->keep_versions;
	struct zone_version *kept;

	if (zn->kept_max >= max)
		return;
	kept = realloc(zn->kept, max * sizeof(kept[0]));
	if (kept == NULL)
		return;
	zn->kept = kept;
	zn->kept_max = max;
}

/* Takes v. The newest comes first; the oldest goes when there are too many. */
static void keep_version(struct zone *zn, struct zone_version v)
{
	unsigned max;

	make_room(zn);
	max = zn->config->keep_versions < zn->kept_max ? zn->config->keep_versions : zn->kept_max;
	if (max == 0) {
		drop_version(&v);
		return;
	}
	if (zn->kept_cnt == max)
		drop_version(&zn->kept[--zn->kept_cnt]);
	memmove(&zn->kept[1], &zn->kept[0], zn->kept_cnt * sizeof(zn->kept[0]));
	zn->kept[0] = v;
	zn->kept_cnt++;
}

static struct zone_version take_kept(struct zone *zn, unsigned i)
{
	struct zone_version v = zn->kept[i];

	zn->kept_cnt--;
	memmove(&zn->kept[i], &zn->kept[i + 1], (zn->kept_cnt - i) * sizeof(zn->kept[0]));
	return v;
}

int zone_find_kept(struct zone *zn, uint32_t serial)
{
	struct zone_version v;
	unsigned i;

	for (i = 0; i < zn->kept_cnt && zn->kept[i].serial != serial; i++)
		;
	if (i == zn->kept_cnt)
		return -ENOENT;
	v = take_kept(zn, i);
	memmove(&zn->kept[1], &zn->kept[0], zn->kept_cnt * sizeof(zn->kept[0]));
	zn->kept[0] = v;
	zn->kept_cnt++;
	return 0;
}

void zone_free_versions(struct zone *zn)
{
	while (zn->kept_cnt > 0)
		drop_version(&zn->kept[--zn->kept_cnt]);
	free(zn->kept);
	zone_drop_held(zn);
	snapshot_retire(zn->received.snapshot);
	delta_queue_drop(&zn->received_deltas);
	snapshot_retire(zn->aside);
	free(zn->why);
}

/* --- publication --- */

static void note_served(struct zone *zn)
{
	uint64_t now = uv_hrtime();

	zn->last_change = zones_wall_s();
	zn->transfer_us = (now - zn->transfer_started_ns) / 1000;
	zn->notify_to_served_us = 0;
	if (zn->notify_ns != 0 && now > zn->notify_ns)
		zn->notify_to_served_us = (now - zn->notify_ns) / 1000;
	zn->notify_ns = 0;
}

/*
 * For those who have the zone from us: how what is served now was made from what was, if that is known. deltas NULL: it was
 * served before.
 */
static void tell_onward(struct zone *zn, uint32_t old, uint32_t serial, struct delta_queue *deltas)
{
	struct onward *onward = zn->all->env.onward;

	if (deltas == NULL) {
		if (onward != NULL)
			onward_went_back(onward, zn->slot, serial);
		return;
	}
	/* What was served may have changed by the operator while the differences came, or waited. */
	if (!TAILQ_EMPTY(deltas) && TAILQ_FIRST(deltas)->from != old)
		delta_queue_drop(deltas);
	if (onward != NULL)
		onward_published(onward, zn->slot, serial, deltas);
	delta_queue_drop(deltas);
}

/*
 * What is served from now on; what was is kept. zn->version still describes the latter. Takes what is in deltas, which are
 * as in tell_onward.
 */
static void serve(struct zone *zn, struct zone_version v, struct delta_queue *deltas)
{
	struct zone_version old = zn->version;
	struct snapshot_info info;

	snapshot_info(v.snapshot, &info);
	zn->has_signatures = gate_signatures_end(v.snapshot, &zn->signatures_end);
	zn->signatures_told = 0;
	zn->version = v;
	zn->version.snapshot = NULL;
	zn->version.since = zones_wall_s();
	old.snapshot = zonetab_replace(zn->all->env.table, zn->slot, &v.snapshot);
	if (old.snapshot == NULL)
		old.snapshot = zn->aside;
	zn->aside = NULL;
	tell_onward(zn, old.serial, v.serial, deltas);
	zn->records = info.records;
	zn->names = info.names;
	zn->bytes = info.bytes;
	zn->last_change = zn->version.since;
	if (old.snapshot != NULL)
		keep_version(zn, old);
	zone_forget_error(zn);
}

static void publish_received(struct zone *zn)
{
	struct zone_version v = zn->received;

	zn->received.snapshot = NULL;
	serve(zn, v, &zn->received_deltas);
	note_served(zn);
	zn->transfers_ok++;
	zn->all->cnt[ZONES_CNT_transfers_ok]++;
}

static void publish_held(struct zone *zn)
{
	struct zone_held *held = zn->held;
	struct zone_version v = held->version;

	zn->held = NULL;
	serve(zn, v, &held->deltas);
	free(held);
	log_event(zn->all->env.log, LOG_NOTICE, "version-accepted", zn->config->name_text, NULL,
		  "serial=%u reason=\"by the operator\"", v.serial);
}

static void publish_kept(struct zone *zn)
{
	uint32_t old = zn->version.serial;
	struct zone_version v = take_kept(zn, 0);

	serve(zn, v, NULL);
	log_event(zn->all->env.log, LOG_WARNING, "version-rolled-back", zn->config->name_text, NULL,
		  "serial=%u old_serial=%u reason=\"by the operator; stays until a newer version than %u "
		  "comes, or zone resume\"",
		  v.serial, old, zn->secondary.has_barred ? zn->secondary.barred_serial : v.serial);
}

/* The primary went back between its SOA answer and the transfer. */
static void discard_received(struct zone *zn)
{
	zone_keep_error(
		zn, "transfer",
		"the version received is not newer than what is served, was turned down, or is from a "
		"primary that is none any more");
	drop_version(&zn->received);
	delta_queue_drop(&zn->received_deltas);
}

static void withdraw(struct zone *zn)
{
	struct zones *z = zn->all;

	zn->aside = zonetab_withdraw(z->env.table, zn->slot, ZONE_EXPIRED);
	z->cnt[ZONES_CNT_zones_expired]++;
	log_event(z->env.log, LOG_ERROR, "zone-expired", zn->config->name_text, NULL,
		  "serial=%u expire_s=%u reason=\"no contact with a primary; answering SERVFAIL\"",
		  zn->secondary.serial, zn->secondary.timers.expire);
}

static void republish(struct zone *zn)
{
	struct zones *z = zn->all;
	char peer[CONFIG_ADDRESS_TEXT_CAP];

	zonetab_publish(z->env.table, zn->slot, &zn->aside);
	zone_forget_error(zn);
	log_event(z->env.log, LOG_NOTICE, "zone-recovered", zn->config->name_text, zone_peer_text(zn, peer),
		  "serial=%u reason=\"the primary has the same version\"", zn->secondary.serial);
}

void zone_change_served(struct zone *zn, uint32_t what)
{
	if (what & SECONDARY_PUBLISH)
		publish_received(zn);
	if (what & SECONDARY_PUBLISH_HELD)
		publish_held(zn);
	if (what & SECONDARY_PUBLISH_KEPT)
		publish_kept(zn);
	if (what & SECONDARY_DISCARD)
		discard_received(zn);
	if (what & SECONDARY_WITHDRAW)
		withdraw(zn);
	if (what & SECONDARY_REPUBLISH)
		republish(zn);
}
