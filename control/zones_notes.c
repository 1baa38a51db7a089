/* What the state machine notes: log lines and counters. The control loop's thread. */
#include "control/zones_internal.h"

static void log_serials(struct zone *zn, const char *event, const char *reason)
{
	struct zones *z = zn->all;
	char peer[CONFIG_ADDRESS_TEXT_CAP];

	z->cnt[ZONES_CNT_serial_lower]++;
	if (log_allow(z->env.log, &z->limit_serial, ZONES_LOG_BURST, event))
		log_event(z->env.log, LOG_WARNING, event, zn->config->name_text, zone_peer_text(zn, peer),
			  "serial=%u primary_serial=%u reason=\"%s\"", zn->secondary.serial,
			  zn->secondary.primary_serial, reason);
}

void zone_take_notes(struct zone *zn, uint32_t what)
{
	struct zones *z = zn->all;
	const struct secondary *s = &zn->secondary;
	const char *name = zn->config->name_text;

	if (what & SECONDARY_NOTE_LOWER)
		log_serials(zn, "serial-lower", "the primary's version is older than ours, which is kept");
	if (what & SECONDARY_NOTE_INCOMPARABLE)
		log_serials(zn, "serial-incomparable",
			    "2^31 apart: neither is newer (RFC 1982 3.2); ours is kept");
	if (what & SECONDARY_NOTE_CURRENT)
		z->cnt[ZONES_CNT_notify_current]++;
	if (what & SECONDARY_NOTE_AHEAD)
		log_event(z->env.log, LOG_INFO, "notify-ahead", name, NULL,
			  "notified_serial=%u serial=%u try=%u reason=\"not to be had yet, asking again\"",
			  s->wanted, s->serial, s->wanted_tries);
	if ((what & SECONDARY_NOTE_ELSEWHERE) &&
	    log_allow(z->env.log, &z->limit_serial, ZONES_LOG_BURST, "newer-elsewhere"))
		log_event(z->env.log, LOG_INFO, "newer-elsewhere", name, NULL,
			  "serial=%u primary_serial=%u pinned=%s reason=\"not taken yet (pin-tolerance)\"",
			  s->serial, s->primary_serial, zone_primary(zn, s->pinned)->name);
	if ((what & SECONDARY_NOTE_PIN_MOVED) && s->pinned != SECONDARY_GONE)
		log_event(z->env.log, LOG_NOTICE, "pin-moved", name, NULL,
			  "serial=%u pinned=%s reason=\"the former primary had no newer version, or gave "
			  "none\"",
			  s->serial, zone_primary(zn, s->pinned)->name);
	if (what & SECONDARY_NOTE_FORGOTTEN)
		log_event(z->env.log, LOG_WARNING, "notify-forgotten", name, NULL,
			  "notified_serial=%u serial=%u reason=\"%s\"", s->wanted, s->serial,
			  secondary_pin_moves_at(s) == INT64_MAX
				  ? "no primary has it"
				  : "the primary that the zone is pinned to has not");
	if (what & SECONDARY_NOTE_TIMERS_ODD)
		log_event(z->env.log, LOG_WARNING, "soa-timers", name, NULL,
			  "refresh=%u retry=%u expire=%u reason=\"should be retry < refresh and expire > "
			  "refresh + retry\"",
			  s->timers.refresh, s->timers.retry, s->timers.expire);
}
