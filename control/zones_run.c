/*
 * Carries out what the zones' state machines say: queues, SOA queries, timers, and what runs next.
 * The control loop's thread.
 */
#include "control/zones_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/random.h"

/* A primary that could not be reached so many times in a row is dead until it has not been asked for so long. */
#define DEAD_FAILURES 3
#define DEAD_MS	      60000

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
	return &zn->all->health[zone_primary(zn, primary)->id];
}

void zone_note_health(const struct zone *zn, bool reached)
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
	dispatch_put(queue, &zn->item, p->id, (enum secondary_class)a->class);
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
void zone_leave_queue(struct zone *zn)
{
	dispatch_drop(zn->queue, &zn->item);
	zn->queue = NULL;
	zn->run.query = NULL;
}

void zone_end_run(struct zone *zn)
{
	config_release(zn->running);
	zn->running = NULL;
}

static void cancel_running(struct zone *zn)
{
	if (zn->queue == zn->all->queries) {
		refresh_cancel(zn->run.query);
		zone_leave_queue(zn);
		zone_end_run(zn);
	} else {
		xfr_cancel(zn->run.transfer, zn->secondary.orphaned
						     ? "ended: it is from a primary that is none any more"
						     : "ended by an order to transfer the zone anew");
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
	if (log_allow(z->env.log, &z->limit_query, ZONES_LOG_BURST, "soa-failed"))
		log_event(z->env.log, LOG_WARNING, "soa-failed", zn->config->name_text,
			  zone_peer_text(zn, peer), "reason=%s", log_quote(reason, quoted, sizeof(quoted)));
}

static void on_answered(void *arg, const struct refresh_result *r)
{
	struct zone *zn = arg;
	struct secondary_event e = {.kind = SECONDARY_EV_NO_ANSWER};
	char peer[CONFIG_ADDRESS_TEXT_CAP];

	zone_leave_queue(zn);
	zone_end_run(zn);
	zone_note_health(zn, r->reached);
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
	    log_allow(zn->all->env.log, &zn->all->limit_aa, ZONES_LOG_BURST, "soa-not-authoritative"))
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
	int ret;

	zn->running = config_hold(zn->all->config);
	ret = refresh_start(&zn->all->refresh, zone_primary(zn, zn->secondary.asked), zn->config->name,
			    zone_has_digests(zn) ? &zn->secondary.serial : NULL, on_answered, zn,
			    &zn->run.query);
	if (ret < 0)
		zone_end_run(zn);
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
		zone_leave_queue(zn);
		zone_event(zn, &e);
		return;
	}
	ret = transfer ? zone_start_transfer(zn) : start_query(zn);
	if (ret == 0)
		return;
	zone_leave_queue(zn);
	snprintf(reason, sizeof(reason), "cannot begin: %s", uv_strerror(ret));
	if (transfer)
		zone_transfer_failed(zn, "AXFR", reason);
	else
		query_failed(zn, reason);
	zone_event(zn, &e);
}

static void arm_timer(struct zones *z)
{
	int64_t next = deadlines_next(z->deadlines), now = (int64_t)uv_now(z->env.loop);

	if (z->room_ms < next)
		next = z->room_ms;
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
	zones_make_room(z);
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
		if (zn->queue == z->queries) {
			refresh_cancel(zn->run.query);
			zone_end_run(zn);
		} else {
			xfr_cancel(zn->run.transfer, "cancelled");
		}
	}
	if (zn->queue != NULL)
		dispatch_drop(zn->queue, &zn->item);
	zn->queue = NULL;
}
