/*
 * "status" and "stats": numbers that others count, as JSON.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/ctl_internal.h"
#include "control/onward.h"

/* {"name":value,...}; NULL when out of memory. */
static json_t *counters(const struct counter_text text[], const uint64_t value[], unsigned cnt)
{
	json_t *list = json_object();

	for (unsigned i = 0; i < cnt; i++) {
		if (json_object_set_new(list, text[i].name, json_integer((json_int_t)value[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* {"name":"what it counts",...} */
static json_t *described(const struct counter_text text[], unsigned cnt)
{
	json_t *list = json_object();

	for (unsigned i = 0; i < cnt; i++) {
		if (json_object_set_new(list, text[i].name, json_string(text[i].help)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *engine_counters(const struct answer_engine *engine)
{
	uint64_t value[ANSWER_COUNTER_CNT];

	answer_counters(engine, value);
	return counters(answer_counter_text, value, ANSWER_COUNTER_CNT);
}

static json_t *answer_counters_of(const struct ctl *ctl, unsigned worker)
{
	return engine_counters(ctl->env.engines[worker]);
}

static json_t *net_counters_of(const struct ctl *ctl, unsigned worker)
{
	uint64_t value[NET_COUNTER_CNT];

	net_worker_counters(ctl->env.net, worker, value);
	return counters(net_counter_text, value, NET_COUNTER_CNT);
}

/* How a worker keeps up. */
static json_t *pace(const struct ctl *ctl, unsigned worker)
{
	uint64_t value[NET_COUNTER_CNT], cycles;
	struct net_worker_info info;
	struct watch_worker watch;

	net_worker_counters(ctl->env.net, worker, value);
	net_worker_info(ctl->env.net, worker, &info);
	watch_worker(ctl->env.watch, worker, &watch);
	cycles = value[NET_CNT_cycles_busy] + value[NET_CNT_cycles_idle];
	return json_pack("{s:i, s:i, s:f, s:I, s:I, s:I, s:b, s:I, s:I}", "worker", (int)worker, "cpu",
			 (int)ctl->env.config->net.worker_cpus[worker], "idle_share",
			 cycles > 0 ? (double)value[NET_CNT_cycles_idle] / (double)cycles : 0.0,
			 "cycles_per_s", (json_int_t)info.cycles_per_s, "gap_worst_us",
			 (json_int_t)(info.gap_worst_ns / 1000), "gap_worst_ago_s",
			 (json_int_t)(info.gap_worst_ago_ns / 1000000000), "stalled", (int)watch.stalled,
			 "stalled_ms", (json_int_t)watch.stalled_ms, "stalls", (json_int_t)watch.stalls);
}

static json_t *paces(const struct ctl *ctl)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < net_worker_cnt(ctl->env.net); i++) {
		if (json_array_append_new(list, pace(ctl, i)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* [{"worker":0,"cpu":1,"counters":{...}},...] */
static json_t *per_worker(const struct ctl *ctl, json_t *(*fn)(const struct ctl *ctl, unsigned worker))
{
	unsigned cnt = net_worker_cnt(ctl->env.net);
	json_t *list = json_array();

	for (unsigned i = 0; i < cnt; i++) {
		json_t *worker = json_pack("{s:i, s:i, s:o}", "worker", (int)i, "cpu",
					   (int)ctl->env.config->net.worker_cpus[i], "counters", fn(ctl, i));

		if (json_array_append_new(list, worker) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *stream_answers(const struct ctl *ctl)
{
	uint64_t value[ANSWER_COUNTER_CNT];

	if (ctl->env.stream == NULL)
		return json_null();
	stream_answer_counters(ctl->env.stream, value);
	return counters(answer_counter_text, value, ANSWER_COUNTER_CNT);
}

static json_t *stream_counts(const struct ctl *ctl)
{
	uint64_t value[STREAM_COUNTER_CNT];

	if (ctl->env.stream == NULL)
		return json_null();
	stream_counters(ctl->env.stream, value);
	return counters(stream_counter_text, value, STREAM_COUNTER_CNT);
}

static json_t *zones_counts(const struct ctl *ctl)
{
	uint64_t value[ZONES_COUNTER_CNT];

	zones_counters(ctl->env.zones, value);
	return counters(zones_counter_text, value, ZONES_COUNTER_CNT);
}

static json_t *onward_counts(const struct ctl *ctl)
{
	uint64_t value[ONWARD_COUNTER_CNT];

	onward_counters(ctl->env.onward, value);
	return counters(onward_counter_text, value, ONWARD_COUNTER_CNT);
}

static json_t *arena(const struct ctl *ctl)
{
	struct arena_info info;

	arena_info(ctl->env.arena, &info);
	return json_pack("{s:I, s:I, s:I, s:I, s:b}", "bytes_retired", (json_int_t)info.bytes_retired,
			 "bytes_used", (json_int_t)info.bytes_used, "bytes_resident",
			 (json_int_t)info.bytes_resident, "bytes_max", (json_int_t)info.bytes_max,
			 "huge_pages", (int)info.huge_pages);
}

static json_t *descriptions(void)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "answer",
			 described(answer_counter_text, ANSWER_COUNTER_CNT), "net",
			 described(net_counter_text, NET_COUNTER_CNT), "stream",
			 described(stream_counter_text, STREAM_COUNTER_CNT), "zones",
			 described(zones_counter_text, ZONES_COUNTER_CNT), "onward",
			 described(onward_counter_text, ONWARD_COUNTER_CNT), "ports", ctl_ports_described());
}

void ctl_stats(struct ctl_conn *conn, const struct ctl_args *args)
{
	const struct ctl *ctl = conn->ctl;
	json_t *result = json_pack("{s:{s:o, s:o, s:o}, s:{s:o, s:o}, s:o, s:o, s:o, s:o, s:o}", "answer",
				   "workers", per_worker(ctl, answer_counters_of), "control",
				   engine_counters(ctl->env.own_engine), "stream", stream_answers(ctl), "net",
				   "workers", per_worker(ctl, net_counters_of), "pace", paces(ctl), "ports",
				   ctl_ports(ctl), "stream", stream_counts(ctl), "zones", zones_counts(ctl),
				   "onward", onward_counts(ctl), "arena", arena(ctl));

	if (result != NULL && args->describe && json_object_set_new(result, "describe", descriptions()) < 0) {
		json_decref(result);
		result = NULL;
	}
	ctl_reply(conn, result);
}

/* Zones by state: 100,000 of them take some 10 ms. */
static json_t *zone_counts(const struct ctl *ctl)
{
	unsigned top = zones_top(ctl->env.zones), cnt = 0, loaded = 0, failing = 0, behind = 0;
	unsigned state[ZONES_EXPIRED + 1] = {0};
	json_t *list;

	for (unsigned i = 0; i < top; i++) {
		struct zones_info z;

		if (!zones_has(ctl->env.zones, i))
			continue;
		zones_info(ctl->env.zones, i, &z);
		cnt++;
		state[z.state]++;
		loaded += z.loaded;
		failing += z.last_error[0] != '\0';
		behind += z.primary_behind;
	}
	list = json_pack("{s:i, s:i, s:i, s:i}", "configured", (int)cnt, "loaded", (int)loaded, "with_error",
			 (int)failing, "primary_behind", (int)behind);
	for (unsigned i = 0; i <= ZONES_EXPIRED; i++)
		json_object_set_new(list, zones_state_text[i], json_integer((json_int_t)state[i]));
	return list;
}

static json_t *listen_addresses(const struct config *c)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < c->listen_cnt; i++) {
		union config_sockaddr a = {0};
		char text[CONFIG_ADDRESS_TEXT_CAP];

		if (c->listen[i].family == 4) {
			a.in4.sin_family = AF_INET;
			memcpy(&a.in4.sin_addr, c->listen[i].addr, 4);
		} else {
			a.in6.sin6_family = AF_INET6;
			memcpy(&a.in6.sin6_addr, c->listen[i].addr, 16);
		}
		config_address_text(&a, text);
		text[strcspn(text, "@")] = '\0';
		json_array_append_new(list, json_string(text));
	}
	return list;
}

void ctl_status(struct ctl_conn *conn, const struct ctl_args *args)
{
	const struct ctl *ctl = conn->ctl;
	const struct config *c = ctl->env.config;

	ctl_reply(conn, json_pack("{s:s, s:i, s:o, s:I, s:I, s:o, s:b, s:i, s:o, s:b, s:o, s:o, s:o}",
				  "version", LOCKSTEP_VERSION, "pid", (int)getpid(), "config",
				  ctl_text(c->file), "started", (json_int_t)ctl->started, "uptime_s",
				  (json_int_t)((uv_hrtime() - ctl->started_ns) / 1000000000), "listen",
				  listen_addresses(c), "tcp", (int)(ctl->env.stream != NULL), "workers",
				  (int)net_worker_cnt(ctl->env.net), "pace", paces(ctl), "transfers_held",
				  (int)watch_holds_transfers(ctl->env.watch), "zones", zone_counts(ctl),
				  "arena", arena(ctl), "ports", ctl_ports(ctl)));
}
