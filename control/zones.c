#include "control/zones_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/onward.h"

/* One read takes what a long-distance window delivers at once. */
#define READ_BUF_LEN (256 * 1024)

const char *const zones_state_text[] = {
	[ZONES_EMPTY] = "empty",	   [ZONES_CURRENT] = "current",
	[ZONES_REFRESHING] = "refreshing", [ZONES_TRANSFERRING] = "transferring",
	[ZONES_EXPIRED] = "expired",
};

const struct counter_text zones_counter_text[ZONES_COUNTER_CNT] = {
#define X(name, help) {#name, help},
	ZONES_COUNTERS(X)
#undef X
};

/* --- names --- */

static uint32_t hash_name(const struct zones *z, const uint8_t *name)
{
	struct name_hashes hashes;
	uint8_t lower[NAME_LEN_MAX];

	name_lower(lower, name, name_len(name));
	name_hash_suffixes(lower, zonetab_key(z->env.table), &hashes);
	return (uint32_t)hashes.hash[0];
}

int zones_find(const struct zones *z, const uint8_t *name)
{
	uint32_t at = hash_name(z, name);

	for (;; at++) {
		uint32_t i = z->index[at & z->index_mask];

		if (i == 0)
			return -ENOENT;
		if (name_equal(z->zone[i - 1]->config->name, name))
			return (int)i - 1;
	}
}

void zones_index(struct zones *z)
{
	memset(z->index, 0, (z->index_mask + (size_t)1) * sizeof(z->index[0]));
	for (unsigned i = 0; i < z->zone_cnt; i++) {
		uint32_t at;

		if (z->zone[i] == NULL)
			continue;
		at = hash_name(z, z->zone[i]->config->name);
		while (z->index[at & z->index_mask] != 0)
			at++;
		z->index[at & z->index_mask] = i + 1;
	}
}

/* --- start --- */

static void on_session_idle(void *arg)
{
	zones_check_stopped(arg);
}

static void free_parts(struct zones *z)
{
	dispatch_free(z->queries);
	dispatch_free(z->transfers);
	deadlines_free(z->deadlines);
	links_free(z->links);
	free(z->health);
	free(z->rdata);
	free(z->buf);
	free(z->own);
	free(z->index);
	free(z->zone);
	free(z);
}

/* NOTIFY may go a third beyond. */
static struct dispatch *queue_new(unsigned running_max, unsigned per_primary_max)
{
	const struct dispatch_limits limits = {.running_max = running_max,
					       .running_per_primary_max = per_primary_max,
					       .notify_reserve = (running_max + 2) / 3};

	return dispatch_new(0, &limits);
}

static int alloc_parts(struct zones *z)
{
	const struct config_transfers_in *in = &z->config->transfers_in;

	z->queries = queue_new(in->queries_max, in->queries_per_primary_max);
	z->transfers = queue_new(in->running_max, in->per_primary_max);
	z->deadlines = deadlines_new(0);
	z->rdata = malloc(RDATA_LEN_MAX);
	z->buf = malloc(READ_BUF_LEN);
	z->own = malloc(DNS_MSG_MAX);
	z->links = links_new(&(struct links_env){.loop = z->env.loop,
						 .buf = z->buf,
						 .buf_cap = READ_BUF_LEN,
						 .idle = on_session_idle,
						 .arg = z});
	if (z->links == NULL || z->queries == NULL || z->transfers == NULL || z->deadlines == NULL ||
	    z->rdata == NULL || z->buf == NULL || z->own == NULL)
		return -ENOMEM;
	return zones_reserve(z, z->config);
}

/* --- room --- */

/* By id of the primary. */
static int reserve_primaries(struct zones *z, unsigned cnt)
{
	struct zone_health *health = z->health;

	if (cnt > z->health_cnt) {
		health = realloc(health, cnt * sizeof(health[0]));
		if (health == NULL)
			return -ENOMEM;
		memset(&health[z->health_cnt], 0, (cnt - z->health_cnt) * sizeof(health[0]));
		z->health = health;
		z->health_cnt = cnt;
	}
	if (dispatch_reserve(z->queries, cnt) < 0 || dispatch_reserve(z->transfers, cnt) < 0)
		return -ENOMEM;
	return links_reserve(z->links, cnt);
}

/* At most half full, so that a search ends soon and surely. */
static int reserve_index(struct zones *z, unsigned zones)
{
	uint32_t cap = 16, *index;

	while (cap / 2 < zones)
		cap *= 2;
	if (z->index != NULL && cap <= z->index_mask + 1)
		return 0;
	index = calloc(cap, sizeof(index[0]));
	if (index == NULL)
		return -ENOMEM;
	free(z->index);
	z->index = index;
	z->index_mask = cap - 1;
	zones_index(z);
	return 0;
}

int zones_reserve(struct zones *z, const struct config *config)
{
	unsigned zones = z->zone_cnt + config->zone_cnt;
	struct zone **places = z->zone;

	if (zones > z->zone_cap || places == NULL) {
		places = realloc(places, (zones + 1u) * sizeof(places[0]));
		if (places == NULL)
			return -ENOMEM;
		z->zone = places;
		z->zone_cap = zones;
	}
	if (deadlines_reserve(z->deadlines, zones) < 0 || reserve_index(z, zones) < 0)
		return -ENOMEM;
	return reserve_primaries(z, config->id_cnt);
}

/* --- a zone --- */

struct secondary_caps zone_caps(const struct config_zone *c)
{
	return (struct secondary_caps){
		.refresh_min = c->refresh_min,
		.refresh_max = c->refresh_max,
		.retry_min = c->retry_min,
		.retry_max = c->retry_max,
		.expire_min = c->expire_min,
		.expire_max = c->expire_max,
		.pin_tolerance = c->pin_tolerance,
		.best_serial = c->primary_order == CONFIG_BEST_SERIAL,
	};
}

int zone_new(struct zones *z, const struct config_zone *c, struct zone **out)
{
	struct zone *zn;
	int ret;

	if (c->primary_cnt == 0 || c->primary_cnt >= SECONDARY_GONE)
		return -EINVAL;
	zn = calloc(1, sizeof(*zn));
	if (zn == NULL)
		return -ENOMEM;
	ret = zonetab_add(z->env.table, c->name, &zn->slot);
	if (ret < 0) {
		free(zn);
		return ret;
	}
	zn->all = z;
	zn->config = c;
	zn->born = z->born++;
	zn->caps = zone_caps(c);
	secondary_init(&zn->secondary, (uint16_t)c->primary_cnt, &zn->caps);
	*out = zn;
	return 0;
}

void zone_free(struct zone *zn)
{
	zone_free_versions(zn);
	free(zn->last_error);
	free(zn->no_ixfr_until);
	free(zn->timing);
	free(zn);
}

static int start_builders(struct zones *z)
{
	const struct config *c = z->env.config;
	const struct builders_env env = {
		.loop = z->env.loop,
		.arena = z->env.arena,
		.key = zonetab_key(z->env.table),
		.threads = c->builder_threads,
		.worker_cpus = c->net.worker_cpus,
		.worker_cpu_cnt = c->net.worker_cnt,
	};

	return builders_start(&env, &z->builders);
}

static void start_running(struct zones *z)
{
	unsigned i;

	z->datagrams =
		(struct datagrams){.loop = z->env.loop, .buf = z->buf, .idle = on_session_idle, .arg = z};
	z->refresh = (struct refresh_env){.loop = z->env.loop,
					  .links = z->links,
					  .datagrams = &z->datagrams,
					  .rdata = z->rdata,
					  .idle = on_session_idle,
					  .arg = z};
	z->xfr = (struct xfr_env){.loop = z->env.loop,
				  .builders = z->builders,
				  .links = z->links,
				  .datagrams = &z->datagrams,
				  .idle = on_session_idle,
				  .arg = z};
	uv_timer_init(z->env.loop, &z->timer);
	z->timer.data = z;
	z->timer_ms = z->room_ms = INT64_MAX;
	for (i = 0; i < z->zone_cnt; i++)
		zone_event(z->zone[i], &(struct secondary_event){.kind = SECONDARY_EV_START});
	zones_pump(z);
}

static int add_zones(struct zones *z)
{
	const struct config *c = z->config;
	struct onward *onward = z->env.onward;
	int ret = onward != NULL ? onward_prepare(onward, c, zonetab_slots(z->env.table) + c->zone_cnt) : 0;
	struct zone *zn;

	for (unsigned i = 0; ret == 0 && i < c->zone_cnt; i++) {
		ret = zone_new(z, &c->zones[i], &zn);
		if (ret < 0) {
			log_event(z->env.log, LOG_ERROR, "zone-refused", c->zones[i].name_text, NULL,
				  "reason=\"cannot add it to the zone table: %s\"", uv_strerror(ret));
			return ret;
		}
		zonetab_set_acl(z->env.table, zn->slot, zn->config->acl);
		zn->index = z->zone_cnt;
		z->zone[z->zone_cnt++] = zn;
		if (onward != NULL)
			onward_add_zone(onward, zn->slot, zn->config);
	}
	if (ret < 0)
		return ret;
	zones_index(z);
	links_set_primaries(z->links, c->primaries, c->primary_cnt);
	if (onward != NULL)
		onward_commit(onward);
	return 0;
}

int zones_start(const struct zones_env *env, struct zones **out)
{
	struct zones *z = calloc(1, sizeof(*z));
	int ret;

	if (z == NULL)
		return -ENOMEM;
	z->env = *env;
	z->config = config_now(env->config);
	ret = alloc_parts(z);
	if (ret == 0)
		ret = add_zones(z);
	if (ret == 0)
		ret = start_builders(z);
	if (ret < 0) {
		for (unsigned i = 0; i < z->zone_cnt; i++) {
			zonetab_remove(env->table, z->zone[i]->slot);
			zone_free(z->zone[i]);
		}
		free_parts(z);
		return ret;
	}
	z->timing_closed = zones_timing_start(z, &z->timing) < 0;
	start_running(z);
	*out = z;
	return 0;
}

/* --- stop --- */

static void on_builders_closed(void *arg)
{
	struct zones *z = arg;

	z->builders_closed = true;
	zones_check_stopped(z);
}

static void on_timing_closed(void *arg)
{
	struct zones *z = arg;

	z->timing_closed = true;
	zones_check_stopped(z);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct zones *z = handle->data;

	z->timer_closed = true;
	zones_check_stopped(z);
}

void zones_check_stopped(struct zones *z)
{
	struct builders *b = z->builders;

	if (!z->stopping || !z->timer_closed || z->datagrams.live > 0 || z->refresh.live > 0 ||
	    z->verifying > 0 || z->xfr.live > 0 || !links_are_closed(z->links))
		return;
	/* Builds belong to sessions, and there is none left. */
	if (b != NULL) {
		z->builders = NULL;
		builders_stop(b, on_builders_closed, z);
	} else if (z->timing != NULL) {
		struct zones_timing *t = z->timing;

		z->timing = NULL;
		zones_timing_stop(t, on_timing_closed);
	} else if (z->builders_closed && z->timing_closed) {
		z->stopped(z->stopped_arg);
	}
}

void zones_stop(struct zones *z, void (*done)(void *arg), void *arg)
{
	z->stopping = true;
	z->stopped = done;
	z->stopped_arg = arg;
	uv_close((uv_handle_t *)&z->timer, on_timer_closed);
	links_stop(z->links);
	for (unsigned i = 0; i < z->zone_cnt; i++) {
		struct zone *zn = z->zone[i];

		if (zn == NULL)
			continue;
		zone_cancel(zn);
		zone_call_waiters(zn, zn->secondary.round + 1, "lockstepd is stopping");
	}
}

void zones_free(struct zones *z)
{
	for (unsigned i = 0; i < z->zone_cnt; i++)
		if (z->zone[i] != NULL)
			zone_free(z->zone[i]);
	free_parts(z);
}

/* --- status and commands --- */

unsigned zones_top(const struct zones *z)
{
	return z->zone_cnt;
}

bool zones_has(const struct zones *z, unsigned index)
{
	return index < z->zone_cnt && z->zone[index] != NULL;
}

static enum zones_state state_of(const struct zone *zn)
{
	const struct secondary *s = &zn->secondary;
	bool running = zn->item.state == DISPATCH_RUNNING;

	/* What is not served is what matters most; a request that waits in a queue is no activity yet. */
	if (s->content == SECONDARY_EXPIRED)
		return ZONES_EXPIRED;
	if (running && s->activity == SECONDARY_TRANSFERRING)
		return ZONES_TRANSFERRING;
	if (s->content == SECONDARY_NO_CONTENT)
		return ZONES_EMPTY;
	return running ? ZONES_REFRESHING : ZONES_CURRENT;
}

static int64_t seconds_until(int64_t at, int64_t now)
{
	if (at == INT64_MAX)
		return -1;
	return at > now ? (at - now + 999) / 1000 : 0;
}

static void copy_text(char *to, size_t cap, const char *from)
{
	snprintf(to, cap, "%s", from);
}

static void tell_versions(const struct zone *zn, struct zones_info *out)
{
	const struct secondary *s = &zn->secondary;

	out->has_barred = s->has_barred;
	out->barred_serial = s->barred_serial;
	if (zn->held != NULL) {
		out->held = true;
		out->held_serial = zn->held->version.serial;
		out->held_since = zn->held->version.since;
		copy_text(out->held_why, sizeof(out->held_why), zn->held->why);
	}
	out->kept_cnt = zn->kept_cnt < ZONES_KEPT_MAX ? zn->kept_cnt : ZONES_KEPT_MAX;
	for (unsigned i = 0; i < out->kept_cnt; i++)
		out->kept[i] = zn->kept[i].serial;
	/* RFC 4034 3.1.5: within 68 years of now. */
	out->has_signatures = s->content != SECONDARY_NO_CONTENT && zn->has_signatures;
	out->signatures_end = zones_wall_s() + (int32_t)(zn->signatures_end - (uint32_t)zones_wall_s());
}

void zones_info(const struct zones *z, unsigned index, struct zones_info *out)
{
	const struct zone *zn = z->zone[index];
	const struct secondary *s = &zn->secondary;
	const struct config_primary *p = zone_primary(zn, s->asked);
	int64_t now = (int64_t)uv_now(z->env.loop);
	bool loaded = s->content != SECONDARY_NO_CONTENT;

	*out = (struct zones_info){
		.name = zn->config->name_text,
		.state = state_of(zn),
		.loaded = loaded,
		.slot = zn->slot,
		.serial = s->serial,
		.primary_serial = s->primary_serial,
		.has_primary_serial = s->has_primary_serial,
		.primary_behind = s->primary_behind,
		.timers_odd = loaded && s->timers_odd,
		.primary = s->round > 0 ? p->name : NULL,
		.last_check = zn->last_check,
		.last_change = zn->last_change,
		.refresh_in = s->activity == SECONDARY_IDLE ? seconds_until(s->check_at, now) : -1,
		.expires_in = s->content == SECONDARY_SERVED ? seconds_until(s->expire_at, now) : -1,
		.records = zn->records,
		.names = zn->names,
		.bytes = zn->bytes,
		.transfers_ok = zn->transfers_ok,
		.transfers_failed = zn->transfers_failed,
		.notifies = zn->notifies,
		.notifies_refused = zn->notifies_refused,
		.last_notify_to_served_us = zn->notify_to_served_us,
		.last_transfer_us = zn->transfer_us,
		.last_transfer_octets = zn->octets,
		.last_transfer_messages = zn->messages,
		.last_transfer_type = zn->transfers_ok == 0 ? NULL
				      : zn->by_ixfr	    ? "IXFR"
							    : "AXFR",
		.last_transfer_deltas = zn->deltas,
		.last_transfer_added = zn->added,
		.last_transfer_removed = zn->removed,
		.ixfr_fallbacks = zn->ixfr_fallbacks,
		.primary_differs = zn->primary_differs,
		.last_error_at = zn->last_error_at,
	};
	tell_versions(zn, out);
	if (loaded && zn->caps.pin_tolerance > 0 && s->has_pinned && s->pinned != SECONDARY_GONE)
		out->pinned = zone_primary(zn, s->pinned)->name;
	out->pin_moves_in = seconds_until(secondary_pin_moves_at(s), now);
	if (out->primary != NULL)
		config_address_text(&p->address, out->primary_address);
	if (zn->last_error != NULL)
		copy_text(out->last_error, sizeof(out->last_error), zn->last_error);
}

static void command(struct zones *z, unsigned index, enum secondary_event_kind kind, zones_done_fn done,
		    void *arg)
{
	struct zone *zn = z->zone[index];
	struct secondary_event e = {.kind = kind};
	struct zone_waiter *w = NULL;
	struct secondary_actions a;

	if (z->stopping) {
		if (done != NULL)
			done(arg, "lockstepd is stopping");
		return;
	}
	if (done != NULL) {
		w = malloc(sizeof(*w));
		if (w == NULL) {
			done(arg, "out of memory");
			return;
		}
	}
	a = zone_event(zn, &e);
	if (w != NULL) {
		*w = (struct zone_waiter){
			.next = zn->waiters, .round = a.wait_round, .done = done, .arg = arg};
		zn->waiters = w;
	}
	/* Only now may it start, and end. */
	zones_pump(z);
}

void zones_refresh(struct zones *z, unsigned index, zones_done_fn done, void *arg)
{
	command(z, index, SECONDARY_EV_REFRESH, done, arg);
}

void zones_retransfer(struct zones *z, unsigned index, zones_done_fn done, void *arg)
{
	command(z, index, SECONDARY_EV_RETRANSFER, done, arg);
}

void zones_resume(struct zones *z, unsigned index, zones_done_fn done, void *arg)
{
	command(z, index, SECONDARY_EV_RESUME, done, arg);
}

void zones_counters(const struct zones *z, uint64_t out[ZONES_COUNTER_CNT])
{
	memcpy(out, z->cnt, sizeof(z->cnt));
	links_counters(z->links, out + ZONES_CNT_connections);
	out[ZONES_CNT_soa_queries] = z->refresh.sent;
	out[ZONES_CNT_soa_rejected] = z->refresh.rejected;
}
