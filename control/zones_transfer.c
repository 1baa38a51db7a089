/*
 * A zone's transfers: IXFR or AXFR, what is asked of the primary, and what comes of it. The control loop's thread.
 */
#include "control/zones_internal.h"

#include <stdlib.h>

#include "control/onward.h"

/* A primary that answers IXFR with an error and AXFR well is asked for AXFR at once for this long. */
#define NO_IXFR_MS 3600000

/* The same for one that answers a request with an OPT record by an error: FORMERR, NOTIMP or BADVERS (RFC 6891 7). */
#define NO_EDNS_MS 3600000

/* --- IXFR or AXFR --- */

/*
 * Of a set with unequal TTLs we have the lowest for all. What the others had is gone, so differences would leave another
 * TTL than the whole zone has when the record with the lowest one goes: such a zone is asked for whole until it is clean.
 */
static bool is_repaired(const struct zone *zn)
{
	const struct snapshot *ours = zone_ours(zn);
	struct snapshot_info info = {0};

	if (ours != NULL)
		snapshot_info(ours, &info);
	return info.ttl_repaired;
}

bool zone_gives_ixfr(const struct zone *zn, uint16_t primary)
{
	return zone_primary(zn, primary)->ixfr && !is_repaired(zn) &&
	       (zn->no_ixfr_until == NULL ||
		(int64_t)uv_now(zn->all->env.loop) >= zn->no_ixfr_until[primary]);
}

/* It answered IXFR with an error and gave the whole zone: it does not do IXFR. Without memory it is asked again. */
static void remember_refusal(struct zone *zn)
{
	const struct secondary *s = &zn->secondary;

	if (zn->no_ixfr_until == NULL)
		zn->no_ixfr_until = calloc(s->primary_cnt, sizeof(zn->no_ixfr_until[0]));
	if (zn->no_ixfr_until != NULL)
		zn->no_ixfr_until[s->asked] = (int64_t)uv_now(zn->all->env.loop) + NO_IXFR_MS;
}

/* Differences are asked for whenever there is a version that they can be from. It is held until the transfer has ended. */
static void choose_type(struct zone *zn, struct xfr_request *request)
{
	const struct snapshot *ours = zone_ours(zn);

	if (zn->secondary.whole || !zone_gives_ixfr(zn, zn->secondary.asked) || ours == NULL)
		return;
	zn->base = snapshot_hold(ours);
	request->qtype = DNS_TYPE_IXFR;
	request->serial = snapshot_serial(ours);
	request->base = zn->base;
}

/* Returns whether there was one: whether IXFR was asked for. */
static bool drop_base(struct zone *zn)
{
	bool had = zn->base != NULL;

	if (had)
		snapshot_release(zn->base);
	zn->base = NULL;
	return had;
}

static void fell_back(struct zone *zn, const struct xfr_result *r)
{
	struct zones *z = zn->all;
	char peer[CONFIG_ADDRESS_TEXT_CAP], quoted[2 * BUILD_TEXT_CAP];

	z->cnt[ZONES_CNT_ixfr_fallbacks]++;
	zn->ixfr_fallbacks++;
	zn->ixfr_refused = r->refused;
	if (log_allow(z->env.log, &z->limit_fallback, ZONES_LOG_BURST, "ixfr-failed"))
		log_event(z->env.log, LOG_WARNING, "ixfr-failed", zn->config->name_text,
			  zone_peer_text(zn, peer), "serial=%u next=AXFR reason=%s", zn->secondary.serial,
			  log_quote(r->text, quoted, sizeof(quoted)));
}

/* --- transfers --- */

void zone_transfer_failed(struct zone *zn, const char *type, const char *reason)
{
	struct zones *z = zn->all;
	char peer[CONFIG_ADDRESS_TEXT_CAP], quoted[2 * BUILD_TEXT_CAP];

	z->cnt[ZONES_CNT_transfers_failed]++;
	zn->transfers_failed++;
	zone_keep_error(zn, "transfer", reason);
	if (log_allow(z->env.log, &z->limit_transfer, ZONES_LOG_BURST, "transfer-failed"))
		log_event(z->env.log, LOG_WARNING, "transfer-failed", zn->config->name_text,
			  zone_peer_text(zn, peer), "type=%s served=%s reason=%s", type,
			  zn->secondary.content == SECONDARY_SERVED ? "old-version" : "none",
			  log_quote(reason, quoted, sizeof(quoted)));
}

static void log_repairs(const struct zone *zn, const struct xfr_result *r, const char *peer)
{
	const struct builder_report *b = &r->report;

	if (r->not_authoritative)
		log_event(zn->all->env.log, LOG_INFO, "transfer-not-authoritative", zn->config->name_text,
			  peer,
			  "reason=\"AA is not set in every message (RFC 5936 2.2.1); used all the same\"");
	if (b->skipped_outside + b->skipped_duplicate + b->ttl_unequal + b->ttl_top_bit == 0)
		return;
	log_event(zn->all->env.log, LOG_WARNING, "transfer-repaired", zn->config->name_text, peer,
		  "outside_zone=%llu duplicates=%llu ttl_unequal=%llu ttl_top_bit=%llu",
		  (unsigned long long)b->skipped_outside, (unsigned long long)b->skipped_duplicate,
		  (unsigned long long)b->ttl_unequal, (unsigned long long)b->ttl_top_bit);
}

static void log_published(const struct zone *zn, const struct xfr_result *r, bool had, uint32_t old,
			  const char *peer)
{
	char old_text[16] = "none", changes[96] = "";

	if (had)
		snprintf(old_text, sizeof(old_text), "%u", old);
	if (r->changes)
		snprintf(changes, sizeof(changes), " deltas=%llu removed=%llu added=%llu",
			 (unsigned long long)r->deltas, (unsigned long long)r->removed,
			 (unsigned long long)r->added);
	log_event(zn->all->env.log, LOG_NOTICE, "transfer-done", zn->config->name_text, peer,
		  "type=%s serial=%u old_serial=%s%s records=%llu messages=%llu octets=%llu ms=%.3f "
		  "notify_to_served_ms=%.3f",
		  r->changes ? "IXFR" : "AXFR", r->soa.serial, old_text, changes,
		  (unsigned long long)r->records, (unsigned long long)r->messages,
		  (unsigned long long)r->octets, (double)zn->transfer_us / 1e3,
		  (double)zn->notify_to_served_us / 1e3);
	log_repairs(zn, r, peer);
}

struct secondary_actions zone_take_version(struct zone *zn, struct secondary_event *e,
					   const struct timing_stamps *at)
{
	bool had = zn->secondary.content != SECONDARY_NO_CONTENT;
	struct secondary_actions a = zone_event(zn, e);
	struct timing_stamps published = *at;

	published.published = uv_hrtime();
	if (had && (a.what & SECONDARY_PUBLISH))
		zone_time_change(zn, &published);
	if ((a.what & SECONDARY_PUBLISH) && e->kind == SECONDARY_EV_CHECKED)
		log_event(zn->all->env.log, LOG_NOTICE, "version-verified", zn->config->name_text, NULL,
			  "serial=%u reason=\"accepted by the verifier, published\"", e->serial);
	if (a.what & SECONDARY_CHECK)
		zone_verify(zn, e, at);
	return a;
}

static void transfer_received(struct zone *zn, const struct xfr_result *r)
{
	struct secondary_event e = {
		.kind = SECONDARY_EV_RECEIVED, .has_expire = r->opt.has_expire, .expire = r->opt.expire};
	struct timing_stamps at = {.notify = zn->notify_ns,
				   .answered = zn->answered_ns,
				   .request = r->started_ns,
				   .first = r->first_ns,
				   .last = r->last_ns,
				   .verified = r->built_ns};
	bool had = zn->secondary.content != SECONDARY_NO_CONTENT;
	uint32_t old = zn->secondary.serial;
	struct secondary_actions a;
	char peer[CONFIG_ADDRESS_TEXT_CAP];

	zone_peer_text(zn, peer);
	zn->received = (struct zone_version){
		.snapshot = r->snapshot,
		.serial = r->soa.serial,
		.timers = {.refresh = r->soa.refresh, .retry = r->soa.retry, .expire = r->soa.expire},
		.since = zones_wall_s(),
	};
	zone_judge(zn, &r->gate, &e);
	zn->transfer_started_ns = r->started_ns;
	zn->octets = r->octets;
	zn->messages = r->messages;
	zn->by_ixfr = r->changes;
	zn->deltas = r->deltas;
	zn->added = r->changes ? r->added : 0;
	zn->removed = r->removed;
	zn->all->cnt[ZONES_CNT_ixfr_ok] += r->changes;
	if (zn->ixfr_refused)
		remember_refusal(zn);
	zn->ixfr_refused = false;
	zn->last_check = zones_wall_s();
	a = zone_take_version(zn, &e, &at);
	if (a.what & SECONDARY_PUBLISH)
		log_published(zn, r, had, old, peer);
	else if (a.what & SECONDARY_DISCARD)
		log_event(zn->all->env.log, LOG_WARNING, "transfer-discarded", zn->config->name_text, peer,
			  "serial=%u received_serial=%u reason=\"not newer than what is served\"", old,
			  r->soa.serial);
}

/* What knows EDNS and says FORMERR to IXFR means IXFR. */
static bool knows_edns(const struct zone *zn)
{
	return zone_health(zn, zn->secondary.asked)->knows_edns;
}

static void end_without_snapshot(struct zone *zn, const struct xfr_result *r, bool incremental)
{
	struct secondary_event e = {
		.kind = r->up_to_date ? SECONDARY_EV_UP_TO_DATE : SECONDARY_EV_NOT_RECEIVED,
		.serial = r->soa.serial,
		.has_expire = r->opt.has_expire,
		.expire = r->opt.expire,
		.again = r->edns_refused && !(incremental && knows_edns(zn)),
		/* One that was ended for another's sake has nothing to do with its form. */
		.fall_back = incremental && r->reached && !r->cancelled};

	zn->ixfr_refused = false;
	zn->all->cnt[ZONES_CNT_gate_refused] += r->gate.refused;
	if (e.again)
		zone_health(zn, zn->secondary.asked)->no_edns_until =
			(int64_t)uv_now(zn->all->env.loop) + NO_EDNS_MS;
	else if (!r->ok && e.fall_back)
		fell_back(zn, r);
	else if (!r->ok)
		zone_transfer_failed(zn, incremental ? "IXFR" : "AXFR", r->text);
	zone_event(zn, &e);
}

static void note_datagram(const struct zone *zn, const struct xfr_result *r)
{
	struct zones *z = zn->all;
	char peer[CONFIG_ADDRESS_TEXT_CAP], quoted[2 * BUILD_TEXT_CAP];

	z->cnt[ZONES_CNT_ixfr_udp] += r->over_udp;
	if (r->udp_failure == NULL)
		return;
	z->cnt[ZONES_CNT_ixfr_udp_failed]++;
	if (log_allow(z->env.log, &z->limit_fallback, ZONES_LOG_BURST, "ixfr-udp-failed"))
		log_event(z->env.log, LOG_INFO, "ixfr-udp-failed", zn->config->name_text,
			  zone_peer_text(zn, peer), "next=TCP reason=%s",
			  log_quote(r->udp_failure, quoted, sizeof(quoted)));
}

static void drop_result(struct xfr_result *r)
{
	if (r->snapshot != NULL)
		snapshot_retire(r->snapshot);
	delta_queue_drop(&r->kept);
}

/* Whatever came: nobody wants it from there. */
static void end_orphan(struct zone *zn, struct xfr_result *r)
{
	struct secondary_event e = {.kind = SECONDARY_EV_NOT_RECEIVED};

	drop_result(r);
	log_event(zn->all->env.log, LOG_NOTICE, "transfer-ended", zn->config->name_text, NULL,
		  "octets=%llu reason=\"its primary is none of the zone any more\"",
		  (unsigned long long)r->octets);
	zone_event(zn, &e);
}

static void on_transferred(void *arg, struct xfr_result *r)
{
	struct zone *zn = arg;
	bool incremental = drop_base(zn);

	zone_end_run(zn);
	if (zn->gone || zn->all->stopping) {
		drop_result(r);
		zone_bury(zn);
		return;
	}
	zone_leave_queue(zn);
	if (r->ok)
		dispatch_set_last(zn->all->transfers, zn->item.primary, false);
	if (zn->secondary.orphaned) {
		end_orphan(zn, r);
		zones_pump(zn->all);
		return;
	}
	zone_note_health(zn, r->reached);
	note_datagram(zn, r);
	TAILQ_INIT(&zn->received_deltas);
	TAILQ_CONCAT(&zn->received_deltas, &r->kept, link);
	if (r->snapshot != NULL) {
		transfer_received(zn, r);
	} else {
		end_without_snapshot(zn, r, incremental);
	}
	zones_pump(zn->all);
}

static bool wants_edns(const struct zone *zn)
{
	const struct zone_health *h = zone_health(zn, zn->secondary.asked);

	return !h->lacks_edns && (int64_t)uv_now(zn->all->env.loop) >= h->no_edns_until;
}

static const char *over_text(const struct xfr_request *r)
{
	if (r->primary->tls != NULL)
		return "TLS";
	return r->udp && r->qtype == DNS_TYPE_IXFR ? "UDP" : "TCP";
}

int zone_start_transfer(struct zone *zn)
{
	struct zones *z = zn->all;
	const struct config_zone *c = zn->config;
	struct xfr_request request = {
		.primary = zone_primary(zn, zn->secondary.asked),
		.qtype = DNS_TYPE_AXFR,
		.limits = c->limits,
		.time_max_s = c->transfer_time_max,
		.idle_max_s = c->transfer_idle_max,
		.rate_min = c->transfer_rate_min,
		.messages_max = c->transfer_messages_max,
		.deltas_max = c->transfer_deltas_max,
		.keep_max = z->env.onward != NULL ? onward_delta_bytes(z->env.config, c) : 0,
	};
	char peer[CONFIG_ADDRESS_TEXT_CAP];
	int ret;

	memcpy(request.apex, c->name, name_len(c->name));
	zone_gate_request(zn, &request.gate);
	request.edns = wants_edns(zn);
	request.udp = request.primary->ixfr_udp;
	choose_type(zn, &request);
	z->cnt[ZONES_CNT_transfers_started]++;
	log_event(z->env.log, LOG_INFO, "transfer-start", c->name_text, zone_peer_text(zn, peer),
		  "type=%s over=%s", zn->base != NULL ? "IXFR" : "AXFR", over_text(&request));
	zn->running = config_hold(z->config);
	ret = xfr_start(&z->xfr, &request, on_transferred, zn, &zn->run.transfer);
	if (ret < 0) {
		drop_base(zn);
		zone_end_run(zn);
	}
	return ret;
}
