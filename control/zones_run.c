/*
 * Carries out what the zones' state machines say: queues, SOA queries, transfers, publication, timers, log lines.
 * The control loop's thread.
 */
#include "control/zones_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/onward.h"
#include "control/random.h"

/* A burst of log lines of one kind per second; the rest is counted in one line. */
#define LOG_BURST 20

/* A primary that could not be reached so many times in a row is dead until it has not been asked for so long. */
#define DEAD_FAILURES 3
#define DEAD_MS	      60000

/* A primary that answers IXFR with an error and AXFR well is asked for AXFR at once for this long. */
#define NO_IXFR_MS 3600000

/* The same for one that answers a request with an OPT record by an error: FORMERR, NOTIMP or BADVERS (RFC 6891 7). */
#define NO_EDNS_MS 3600000

/* Timers handled in one turn of the loop: sockets are not kept waiting by a sweep of many zones. */
#define TIMERS_PER_TURN 4096

int64_t zones_wall_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

const struct config_primary *zone_primary(const struct zone *zn, uint16_t primary)
{
	return zn->config->primaries[primary];
}

struct zone_health *zone_health(const struct zone *zn, uint16_t primary)
{
	return &zn->all->health[zone_primary(zn, primary) - zn->all->env.config->primaries];
}

static void note_health(const struct zone *zn, bool reached)
{
	struct zone_health *h = zone_health(zn, zn->secondary.asked);

	if (reached) {
		h->failures = 0;
		return;
	}
	h->failures++;
	h->failed_ms = (int64_t)uv_now(zn->all->env.loop);
}

/*
 * A sweep of many zones does not wait for a dead primary zone by zone, if the round has another one to ask. The last
 * one of a round is always asked, and so is everybody for NOTIFY and operator.
 */
static bool is_skipped(const struct zone *zn)
{
	const struct secondary *s = &zn->secondary;
	const struct zone_health *h = zone_health(zn, s->asked);

	return s->class == SECONDARY_BY_TIMER && s->step + 1 < s->primary_cnt &&
	       h->failures >= DEAD_FAILURES && (int64_t)uv_now(zn->all->env.loop) < h->failed_ms + DEAD_MS;
}

const char *zone_peer_text(const struct zone *zn, char buf[CONFIG_ADDRESS_TEXT_CAP])
{
	return config_address_text(&zone_primary(zn, zn->secondary.asked)->address, buf);
}

void zone_forget_error(struct zone *zn)
{
	free(zn->last_error);
	zn->last_error = NULL;
	zn->last_error_at = 0;
}

void zone_keep_error(struct zone *zn, const char *what, const char *reason)
{
	const struct config_primary *p = zone_primary(zn, zn->secondary.asked);
	char peer[CONFIG_ADDRESS_TEXT_CAP], *text = NULL;

	if (asprintf(&text, "%s from %s (%s): %s", what, p->name, config_address_text(&p->address, peer),
		     reason) < 0)
		return;
	free(zn->last_error);
	zn->last_error = text;
	zn->last_error_at = zones_wall_s();
}

/* --- the state machine's doings --- */

void zone_call_waiters(struct zone *zn, uint32_t round, const char *error)
{
	struct zone_waiter *w, *list = NULL, **at = &zn->waiters;

	/* Taken out first: a callback may wait again. Round numbers wrap. */
	while ((w = *at) != NULL) {
		if ((int32_t)(w->round - round) > 0) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = list;
		list = w;
	}
	while ((w = list) != NULL) {
		list = w->next;
		w->done(w->arg, error);
		free(w);
	}
}

static void queue_request(struct zone *zn, const struct secondary_actions *a)
{
	struct zones *z = zn->all;
	const struct config_primary *p = zone_primary(zn, a->primary);
	struct dispatch *queue = a->what & SECONDARY_TRANSFER ? z->transfers : z->queries;

	if (zn->queue != NULL && zn->queue != queue)
		dispatch_drop(zn->queue, &zn->item);
	zn->queue = queue;
	dispatch_put(queue, &zn->item, (uint16_t)(p - z->env.config->primaries),
		     (enum secondary_class)a->class);
}

/* The NOTIFY that began what has ended is done with; one that waited may have begun something. */
static void move_on_notify(struct zone *zn)
{
	const struct secondary *s = &zn->secondary;

	if (zn->deferred_ns != 0 && !s->deferred) {
		zn->notify_ns = zn->deferred_ns;
		zn->deferred_ns = 0;
	}
	if (s->activity == SECONDARY_IDLE && !s->has_wanted && !s->deferred)
		zn->notify_ns = 0;
}

/* What ran has ended: makes room for the next. */
static void leave_queue(struct zone *zn)
{
	dispatch_drop(zn->queue, &zn->item);
	zn->queue = NULL;
	zn->run.query = NULL;
}

static void cancel_running(struct zone *zn)
{
	if (zn->queue == zn->all->queries) {
		refresh_cancel(zn->run.query);
		leave_queue(zn);
	} else {
		xfr_cancel(zn->run.transfer, "ended by an order to transfer the zone anew");
	}
}

static void perform(struct zone *zn, const struct secondary_actions *a)
{
	if (a->what & SECONDARY_CANCEL)
		cancel_running(zn);
	if (a->what & SECONDARY_DROP_HELD)
		zone_drop_held(zn);
	if (a->what & SECONDARY_HOLD)
		zone_hold(zn);
	if (a->what & ZONE_PUBLICATIONS)
		zone_change_served(zn, a->what);
	zone_take_notes(zn, a->what);
	if (a->what & SECONDARY_ROUND_OK)
		zone_forget_error(zn);
	if (a->what & (SECONDARY_ROUND_OK | SECONDARY_ROUND_FAILED))
		zone_watch_signatures(zn);
	move_on_notify(zn);
	if (a->what & (SECONDARY_QUERY | SECONDARY_TRANSFER))
		queue_request(zn, a);
}

/* For EXPIRE (RFC 7314 2): the workers' clock is the loop's, in seconds. */
static void tell_expire(const struct zone *zn)
{
	const struct secondary *s = &zn->secondary;
	bool known = s->content == SECONDARY_SERVED;

	zonetab_set_expire(zn->all->env.table, zn->slot, known ? (uint32_t)(s->expire_at / 1000) : 0);
}

struct secondary_actions zone_event(struct zone *zn, struct secondary_event *e)
{
	struct zones *z = zn->all;
	struct secondary_actions a;
	int64_t at;

	e->now = (int64_t)uv_now(z->env.loop);
	e->random = random_u32();
	e->waiting = zn->item.state == DISPATCH_QUEUED;
	a = secondary_step(&zn->secondary, e);
	/* What begins with a transfer has no question before it. */
	if (zn->secondary.activity == SECONDARY_IDLE || (a.what & SECONDARY_QUERY))
		zn->answered_ns = 0;
	perform(zn, &a);
	tell_expire(zn);
	at = secondary_timer(&zn->secondary);
	if (at == INT64_MAX)
		deadlines_clear(z->deadlines, &zn->deadline);
	else
		deadlines_set(z->deadlines, &zn->deadline, at);
	if (a.what & SECONDARY_ROUND_OK)
		zone_call_waiters(zn, a.ended_round, "");
	else if (a.what & SECONDARY_ROUND_FAILED)
		zone_call_waiters(zn, a.ended_round, zn->last_error != NULL ? zn->last_error : "failed");
	return a;
}

static void report(struct zone *zn, struct secondary_event *e)
{
	zone_event(zn, e);
	zones_pump(zn->all);
}

/* --- SOA queries --- */

static void query_failed(struct zone *zn, const char *reason)
{
	struct zones *z = zn->all;
	char peer[CONFIG_ADDRESS_TEXT_CAP], quoted[2 * REFRESH_TEXT_CAP];

	z->cnt[ZONES_CNT_soa_failures]++;
	zone_keep_error(zn, "SOA query", reason);
	if (log_allow(z->env.log, &z->limit_query, LOG_BURST, "soa-failed"))
		log_event(z->env.log, LOG_WARNING, "soa-failed", zn->config->name_text,
			  zone_peer_text(zn, peer), "reason=%s", log_quote(reason, quoted, sizeof(quoted)));
}

static void on_answered(void *arg, const struct refresh_result *r)
{
	struct zone *zn = arg;
	struct secondary_event e = {.kind = SECONDARY_EV_NO_ANSWER};
	char peer[CONFIG_ADDRESS_TEXT_CAP];

	leave_queue(zn);
	note_health(zn, r->reached);
	if (!r->ok) {
		query_failed(zn, r->text);
		report(zn, &e);
		return;
	}
	zn->last_check = zones_wall_s();
	zn->answered_ns = uv_hrtime();
	zone_health(zn, zn->secondary.asked)->knows_edns = r->answer.opt.present;
	zone_health(zn, zn->secondary.asked)->lacks_edns = !r->answer.opt.present;
	if (!r->answer.authoritative &&
	    log_allow(zn->all->env.log, &zn->all->limit_aa, LOG_BURST, "soa-not-authoritative"))
		log_event(zn->all->env.log, LOG_WARNING, "soa-not-authoritative", zn->config->name_text,
			  zone_peer_text(zn, peer), "serial=%u reason=\"AA is not set; used all the same\"",
			  r->answer.soa.serial);
	e.kind = SECONDARY_EV_ANSWER;
	e.serial = r->answer.soa.serial;
	e.has_expire = r->answer.opt.has_expire;
	e.expire = r->answer.opt.expire;
	e.differs = zone_differs(zn, &r->answer) && zn->config->same_serial == CONFIG_SAME_TRANSFER;
	report(zn, &e);
}

/* Returns 0, or -errno with nothing begun. */
static int start_query(struct zone *zn)
{
	return refresh_start(&zn->all->refresh, zone_primary(zn, zn->secondary.asked), zn->config->name,
			     zone_has_digests(zn) ? &zn->secondary.serial : NULL, on_answered, zn,
			     &zn->run.query);
}

/* --- IXFR or AXFR --- */

bool zone_gives_ixfr(const struct zone *zn, uint16_t primary)
{
	return zone_primary(zn, primary)->ixfr &&
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
	if (log_allow(z->env.log, &z->limit_fallback, LOG_BURST, "ixfr-failed"))
		log_event(z->env.log, LOG_WARNING, "ixfr-failed", zn->config->name_text,
			  zone_peer_text(zn, peer), "serial=%u next=AXFR reason=%s", zn->secondary.serial,
			  log_quote(r->text, quoted, sizeof(quoted)));
}

/* --- transfers --- */

static void transfer_failed(struct zone *zn, const char *type, const char *reason)
{
	struct zones *z = zn->all;
	char peer[CONFIG_ADDRESS_TEXT_CAP], quoted[2 * BUILD_TEXT_CAP];

	z->cnt[ZONES_CNT_transfers_failed]++;
	zn->transfers_failed++;
	zone_keep_error(zn, "transfer", reason);
	if (log_allow(z->env.log, &z->limit_transfer, LOG_BURST, "transfer-failed"))
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
		.fall_back = incremental && r->reached && !zn->secondary.cut_short};

	zn->ixfr_refused = false;
	zn->all->cnt[ZONES_CNT_gate_refused] += r->gate.refused;
	if (e.again)
		zone_health(zn, zn->secondary.asked)->no_edns_until =
			(int64_t)uv_now(zn->all->env.loop) + NO_EDNS_MS;
	else if (!r->ok && e.fall_back)
		fell_back(zn, r);
	else if (!r->ok)
		transfer_failed(zn, incremental ? "IXFR" : "AXFR", r->text);
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
	if (log_allow(z->env.log, &z->limit_fallback, LOG_BURST, "ixfr-udp-failed"))
		log_event(z->env.log, LOG_INFO, "ixfr-udp-failed", zn->config->name_text,
			  zone_peer_text(zn, peer), "next=TCP reason=%s",
			  log_quote(r->udp_failure, quoted, sizeof(quoted)));
}

static void on_transferred(void *arg, struct xfr_result *r)
{
	struct zone *zn = arg;
	bool incremental = drop_base(zn);

	if (zn->all->stopping) {
		if (r->snapshot != NULL)
			snapshot_retire(r->snapshot);
		delta_queue_drop(&r->kept);
		return;
	}
	leave_queue(zn);
	note_health(zn, r->reached);
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

/* Returns 0, or -errno with nothing begun. */
static int start_transfer(struct zone *zn)
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
	ret = xfr_start(&z->xfr, &request, on_transferred, zn, &zn->run.transfer);
	if (ret < 0)
		drop_base(zn);
	return ret;
}

/* --- what runs next --- */

static void start_item(struct dispatch_item *item, bool transfer)
{
	struct zone *zn = (struct zone *)((char *)item - offsetof(struct zone, item));
	struct secondary_event e = {.kind = transfer ? SECONDARY_EV_NOT_RECEIVED : SECONDARY_EV_NO_ANSWER};
	char reason[96];
	int ret;

	if (is_skipped(zn)) {
		leave_queue(zn);
		zone_event(zn, &e);
		return;
	}
	ret = transfer ? start_transfer(zn) : start_query(zn);
	if (ret == 0)
		return;
	leave_queue(zn);
	snprintf(reason, sizeof(reason), "cannot begin: %s", uv_strerror(ret));
	if (transfer)
		transfer_failed(zn, "AXFR", reason);
	else
		query_failed(zn, reason);
	zone_event(zn, &e);
}

static void arm_timer(struct zones *z)
{
	int64_t next = deadlines_next(z->deadlines), now = (int64_t)uv_now(z->env.loop);

	if (next == z->timer_ms || z->stopping)
		return;
	z->timer_ms = next;
	if (next == INT64_MAX)
		uv_timer_stop(&z->timer);
	else
		uv_timer_start(&z->timer, zones_on_timer, next > now ? (uint64_t)(next - now) : 0, 0);
}

void zones_pump(struct zones *z)
{
	struct dispatch_item *item;

	/* What is started here may fail at once and report: that only adds to the queues this loop empties. */
	if (z->pumping || z->stopping)
		return;
	z->pumping = true;
	for (;;) {
		bool transfer = true;

		item = z->held ? NULL : dispatch_take(z->transfers);
		if (item == NULL) {
			transfer = false;
			item = dispatch_take(z->queries);
		}
		if (item == NULL)
			break;
		start_item(item, transfer);
	}
	z->pumping = false;
	arm_timer(z);
}

void zones_hold(struct zones *z, bool held)
{
	z->held = held;
	if (!held)
		zones_pump(z);
}

void zones_on_timer(uv_timer_t *timer)
{
	struct zones *z = timer->data;
	int64_t now = (int64_t)uv_now(z->env.loop);
	struct deadline *d;
	unsigned i;

	z->timer_ms = INT64_MAX;
	for (i = 0; i < TIMERS_PER_TURN && (d = deadlines_take(z->deadlines, now)) != NULL; i++) {
		struct zone *zn = (struct zone *)((char *)d - offsetof(struct zone, deadline));
		struct secondary_event e = {.kind = SECONDARY_EV_TIMER};

		zone_event(zn, &e);
	}
	zones_pump(z);
}

void zone_cancel(struct zone *zn)
{
	struct zones *z = zn->all;

	zone_cancel_verification(zn);

	if (zn->queue != NULL && zn->item.state == DISPATCH_RUNNING) {
		if (zn->queue == z->queries)
			refresh_cancel(zn->run.query);
		else
			xfr_cancel(zn->run.transfer, "cancelled");
	}
	if (zn->queue != NULL)
		dispatch_drop(zn->queue, &zn->item);
	zn->queue = NULL;
}
