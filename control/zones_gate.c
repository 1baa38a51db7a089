/*
 * What stands between a received version and its publication, and the operator's say in it: the verdict of the gate
 * (gate.h), versions held, accept, reject, rollback, resume. The control loop's thread.
 */
#include "control/zones_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/onward.h"
#include "dataplane/dns/serial.h"

#define DAY_S 86400

void zone_gate_request(const struct zone *zn, struct gate_request *out)
{
	const struct snapshot *ours = zone_ours(zn);

	*out = (struct gate_request){.zonemd = (uint8_t)zn->config->zonemd,
				     .dnssec = (uint8_t)zn->config->dnssec,
				     .was_signed = ours != NULL && gate_is_signed(ours)};
}

/* Whether there is a version to compare with, and too little of it would be left. */
static bool shrinks(const struct zone *zn, char text[GATE_TEXT_CAP])
{
	const struct snapshot *ours = zone_ours(zn);
	struct snapshot_info from, to;

	if (ours == NULL)
		return false;
	snapshot_info(ours, &from);
	snapshot_info(zn->received.snapshot, &to);
	return gate_shrinks(&from, &to, zn->config->max_shrink, text);
}

void zone_judge(struct zone *zn, const struct gate_report *report, struct secondary_event *e)
{
	struct zones *z = zn->all;
	char text[GATE_TEXT_CAP], peer[CONFIG_ADDRESS_TEXT_CAP], quoted[2 * GATE_TEXT_CAP];

	e->serial = zn->received.serial;
	e->timers = zn->received.timers;
	e->gate = SECONDARY_GATE_PASS;
	if (report->text[0] != '\0' && log_allow(z->env.log, &z->limit_gate, ZONES_LOG_BURST, "gate-warning"))
		log_event(z->env.log, LOG_WARNING, "gate-warning", zn->config->name_text,
			  zone_peer_text(zn, peer), "serial=%u reason=%s", e->serial,
			  log_quote(report->text, quoted, sizeof(quoted)));
	if (zn->config->verifier != NULL)
		e->gate = SECONDARY_GATE_CHECK;
	if (!shrinks(zn, text))
		return;
	e->gate = SECONDARY_GATE_HOLD;
	free(zn->why);
	zn->why = strdup(text);
}

/* --- held --- */

void zone_wait(struct zone *zn)
{
	struct onward *onward = zn->all->env.onward;

	if (onward != NULL)
		onward_wait(onward, &zn->received_deltas);
}

void zone_hold(struct zone *zn)
{
	struct zones *z = zn->all;
	const char *why = zn->why != NULL ? zn->why : "out of memory";
	size_t len = strlen(why) + 1;
	struct zone_held *held = malloc(sizeof(*held) + len);
	char peer[CONFIG_ADDRESS_TEXT_CAP], text[2 * GATE_TEXT_CAP], quoted[2 * GATE_TEXT_CAP];

	z->cnt[ZONES_CNT_versions_held]++;
	snprintf(text, sizeof(text), "version %u is held back: %s", zn->received.serial, why);
	zone_keep_error(zn, "transfer", text);
	log_event(z->env.log, LOG_ERROR, "version-held", zn->config->name_text, zone_peer_text(zn, peer),
		  "serial=%u served=%s reason=%s", zn->received.serial,
		  zn->secondary.content == SECONDARY_SERVED ? "old-version" : "none",
		  log_quote(why, quoted, sizeof(quoted)));
	if (held == NULL) {
		snapshot_retire(zn->received.snapshot);
	} else {
		zone_wait(zn);
		held->version = zn->received;
		TAILQ_INIT(&held->deltas);
		TAILQ_CONCAT(&held->deltas, &zn->received_deltas, link);
		memcpy(held->why, why, len);
	}
	zn->held = held;
	zn->received.snapshot = NULL;
	delta_queue_drop(&zn->received_deltas);
	free(zn->why);
	zn->why = NULL;
}

void zone_drop_held(struct zone *zn)
{
	if (zn->held == NULL)
		return;
	log_event(zn->all->env.log, LOG_NOTICE, "version-dropped", zn->config->name_text, NULL,
		  "serial=%u reason=\"rejected, or a newer one came\"", zn->held->version.serial);
	snapshot_retire(zn->held->version.snapshot);
	delta_queue_drop(&zn->held->deltas);
	free(zn->held);
	zn->held = NULL;
}

int zones_accept(struct zones *z, unsigned index)
{
	struct zone *zn = z->zone[index];
	struct secondary_event e = {.kind = SECONDARY_EV_ACCEPT};

	if (zn->held == NULL)
		return -ENOENT;
	e.serial = zn->held->version.serial;
	e.timers = zn->held->version.timers;
	zone_event(zn, &e);
	zones_pump(z);
	return 0;
}

int zones_reject(struct zones *z, unsigned index)
{
	struct zone *zn = z->zone[index];
	struct secondary_event e = {.kind = SECONDARY_EV_REJECT};

	if (zn->held == NULL)
		return -ENOENT;
	zone_event(zn, &e);
	zones_pump(z);
	return 0;
}

int zones_rollback(struct zones *z, unsigned index, const uint32_t *serial)
{
	struct zone *zn = z->zone[index];
	struct secondary_event e = {.kind = SECONDARY_EV_ROLLBACK};

	if (zn->kept_cnt == 0 || zone_find_kept(zn, serial != NULL ? *serial : zn->kept[0].serial) < 0)
		return -ENOENT;
	if (zn->kept[0].serial == zn->secondary.serial)
		return -EALREADY;
	e.serial = zn->kept[0].serial;
	e.timers = zn->kept[0].timers;
	zone_event(zn, &e);
	zones_pump(z);
	return 0;
}

/* --- signatures --- */

void zone_watch_signatures(struct zone *zn)
{
	struct zones *z = zn->all;
	int64_t now = zones_wall_s();
	uint32_t warn = zn->config->signature_warn;
	int32_t left = (int32_t)(zn->signatures_end - (uint32_t)now);

	if (!zn->has_signatures || warn == 0 || zn->secondary.content != SECONDARY_SERVED ||
	    left > (int64_t)warn || now < zn->signatures_told + DAY_S)
		return;
	zn->signatures_told = now;
	z->cnt[ZONES_CNT_signatures_ending]++;
	log_event(z->env.log, left > 0 ? LOG_WARNING : LOG_ERROR, "signatures-end", zn->config->name_text,
		  NULL, "serial=%u left_s=%d reason=\"RRSIGs of the apex %s\"", zn->secondary.serial, left,
		  left > 0 ? "expire soon" : "have expired");
}
