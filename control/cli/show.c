#include "control/cli/show.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TEXT_CAP 64

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "-";
}

static int64_t int_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static bool true_in(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

/* The number, or "-" for null. */
static const char *number(const json_t *object, const char *key, char buf[TEXT_CAP])
{
	const json_t *n = json_object_get(object, key);

	snprintf(buf, TEXT_CAP, json_is_integer(n) ? "%" JSON_INTEGER_FORMAT : "-", json_integer_value(n));
	return buf;
}

/* 93784 s as "1d2h", the two largest units. */
static const char *span(int64_t s, char buf[TEXT_CAP])
{
	if (s < 60)
		snprintf(buf, TEXT_CAP, "%" PRId64 "s", s);
	else if (s < 3600)
		snprintf(buf, TEXT_CAP, "%" PRId64 "m%" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, TEXT_CAP, "%" PRId64 "h%" PRId64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(buf, TEXT_CAP, "%" PRId64 "d%" PRId64 "h", s / 86400, s / 3600 % 24);
	return buf;
}

static const char *span_of(const json_t *object, const char *key, char buf[TEXT_CAP])
{
	const json_t *n = json_object_get(object, key);

	if (!json_is_integer(n))
		return "-";
	return span(json_integer_value(n), buf);
}

/* How long ago a moment in seconds since 1970 was. */
static const char *ago(const json_t *object, const char *key, char buf[TEXT_CAP])
{
	const json_t *n = json_object_get(object, key);
	int64_t s = (int64_t)time(NULL) - json_integer_value(n);

	if (!json_is_integer(n))
		return "-";
	return span(s > 0 ? s : 0, buf);
}

static const char *moment(const json_t *object, const char *key, char buf[TEXT_CAP])
{
	const json_t *n = json_object_get(object, key);
	time_t t = (time_t)json_integer_value(n);
	struct tm tm;
	char date[32], since[TEXT_CAP];

	if (!json_is_integer(n) || gmtime_r(&t, &tm) == NULL)
		return "never";
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(buf, TEXT_CAP, "%s (%.20s ago)", date, ago(object, key, since));
	return buf;
}

static const char *octets(int64_t n, char buf[TEXT_CAP])
{
	static const char *const units[] = {"octets", "KiB", "MiB", "GiB", "TiB"};
	double v = (double)n;
	unsigned u = 0;

	while (v >= 1024 && u < 4) {
		v /= 1024;
		u++;
	}
	snprintf(buf, TEXT_CAP, u == 0 ? "%.0f %s" : "%.1f %s", v, units[u]);
	return buf;
}

static const char *micros(int64_t us, char buf[TEXT_CAP])
{
	if (us < 10000)
		snprintf(buf, TEXT_CAP, "%" PRId64 " us", us);
	else if (us < 10000000)
		snprintf(buf, TEXT_CAP, "%.1f ms", (double)us / 1e3);
	else
		snprintf(buf, TEXT_CAP, "%.1f s", (double)us / 1e6);
	return buf;
}

__attribute__((format(printf, 2, 3))) static void line(const char *key, const char *fmt, ...)
{
	va_list args;

	printf("%-22s", key);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

static void show_ports(const json_t *ports)
{
	for (size_t i = 0; i < json_array_size(ports); i++) {
		const json_t *p = json_array_get(ports, i);

		line(i == 0 ? "ports" : "", "%s  %s  link %s  mtu %" PRId64 "  %" PRId64 " queue%s  %s",
		     text_of(p, "name"), text_of(p, "driver"),
		     json_is_false(json_object_get(p, "present")) ? "gone"
		     : true_in(p, "link_up")			  ? "up"
								  : "down",
		     int_of(p, "mtu"), int_of(p, "queues"), int_of(p, "queues") == 1 ? "" : "s",
		     text_of(p, "mac"));
		for (size_t j = 0; j < json_array_size(json_object_get(p, "lacks")); j++)
			line("", "  %s", json_string_value(json_array_get(json_object_get(p, "lacks"), j)));
	}
}

/* workers: the number of them. */
static void show_pace(int64_t workers, const json_t *pace)
{
	char a[TEXT_CAP], b[TEXT_CAP];

	line("workers", "%" PRId64, workers);
	for (size_t i = 0; i < json_array_size(pace); i++) {
		const json_t *p = json_array_get(pace, i);

		line(i == 0 ? "  pace" : "",
		     "worker %" PRId64 " on cpu %" PRId64 ": idle %.1f%%, worst poll gap %s, %s ago%s%s",
		     int_of(p, "worker"), int_of(p, "cpu"),
		     100 * json_real_value(json_object_get(p, "idle_share")),
		     micros(int_of(p, "gap_worst_us"), a), span_of(p, "gap_worst_ago_s", b),
		     true_in(p, "stalled") ? "  STALLED for " : "",
		     true_in(p, "stalled") ? micros(1000 * int_of(p, "stalled_ms"), (char[TEXT_CAP]){0})
					   : "");
	}
}

void show_status(const json_t *result)
{
	const json_t *zones = json_object_get(result, "zones"), *arena = json_object_get(result, "arena");
	const json_t *listen = json_object_get(result, "listen");
	char a[TEXT_CAP], b[TEXT_CAP];

	line("version", "%s", text_of(result, "version"));
	line("pid", "%" PRId64, int_of(result, "pid"));
	line("config", "%s", text_of(result, "config"));
	line("up", "%s", span_of(result, "uptime_s", a));
	for (size_t i = 0; i < json_array_size(listen); i++)
		line(i == 0 ? "listen" : "", "%s", json_string_value(json_array_get(listen, i)));
	line("tcp", "%s", true_in(result, "tcp") ? "yes" : "no");
	show_pace(int_of(result, "workers"), json_object_get(result, "pace"));
	show_ports(json_object_get(result, "ports"));
	line("zones", "%" PRId64 " configured, %" PRId64 " loaded", int_of(zones, "configured"),
	     int_of(zones, "loaded"));
	line("  by state",
	     "%" PRId64 " empty, %" PRId64 " current, %" PRId64 " refreshing, %" PRId64
	     " transferring, %" PRId64 " expired",
	     int_of(zones, "empty"), int_of(zones, "current"), int_of(zones, "refreshing"),
	     int_of(zones, "transferring"), int_of(zones, "expired"));
	line("  with an error", "%" PRId64, int_of(zones, "with_error"));
	line("  primary behind", "%" PRId64, int_of(zones, "primary_behind"));
	if (true_in(result, "transfers_held"))
		line("transfers", "HELD: a worker is stalled and %s of replaced zone memory wait for it",
		     octets(int_of(arena, "bytes_retired"), a));
	line("zone memory", "%s used of %s, %s pages", octets(int_of(arena, "bytes_used"), a),
	     octets(int_of(arena, "bytes_max"), b), true_in(arena, "huge_pages") ? "huge" : "ordinary");
}

void show_zones(const json_t *result, size_t rows)
{
	const json_t *zones = json_object_get(result, "zones");
	char serial[TEXT_CAP], checked[TEXT_CAP], changed[TEXT_CAP], refresh[TEXT_CAP], expire[TEXT_CAP];

	if (rows == 0)
		printf("%-32s %-12s %10s %-14s %8s %8s %8s %8s %9s\n", "ZONE", "STATE", "SERIAL", "PRIMARY",
		       "CHECKED", "CHANGED", "REFRESH", "EXPIRES", "RECORDS");
	for (size_t i = 0; i < json_array_size(zones); i++) {
		const json_t *z = json_array_get(zones, i);
		const char *error = text_of(z, "last_error");

		printf("%-32s %-12s %10s %-14s %8s %8s %8s %8s %9" PRId64 "%s%s%s\n", text_of(z, "name"),
		       text_of(z, "state"), number(z, "serial", serial), text_of(z, "primary"),
		       ago(z, "last_check", checked), ago(z, "last_change", changed),
		       span_of(z, "refresh_in", refresh), span_of(z, "expires_in", expire),
		       int_of(z, "records"), *error != '\0' ? "  (" : "", error, *error != '\0' ? ")" : "");
	}
}

static void show_zone_primary(const json_t *z)
{
	char serial[TEXT_CAP];
	const json_t *primary = json_object_get(z, "primary");

	if (json_is_string(primary))
		line("primary", "%s (%s)", json_string_value(primary), text_of(z, "primary_address"));
	else
		line("primary", "none yet");
	line("primary's serial", "%s%s", number(z, "primary_serial", serial),
	     true_in(z, "primary_behind") ? "  lower than ours: kept, not transferred" : "");
	if (!json_is_string(json_object_get(z, "pinned")))
		return;
	line("pinned to", "%s", text_of(z, "pinned"));
	if (!json_is_null(json_object_get(z, "pin_moves_in")))
		line("", "another one has a newer version, which is taken in %s",
		     span_of(z, "pin_moves_in", serial));
}

static void show_zone_transfers(const json_t *z)
{
	char a[TEXT_CAP], b[TEXT_CAP];
	int64_t notified = int_of(z, "last_notify_to_served_us"), took = int_of(z, "last_transfer_us");

	line("transfers", "%" PRId64 " published, %" PRId64 " failed", int_of(z, "transfers_ok"),
	     int_of(z, "transfers_failed"));
	line("NOTIFY", "%" PRId64 " accepted, %" PRId64 " refused", int_of(z, "notifies"),
	     int_of(z, "notifies_refused"));
	if (took > 0)
		line("last transfer", "%s, %s, %s in %" PRId64 " message%s", text_of(z, "last_transfer_type"),
		     micros(took, a), octets(int_of(z, "last_transfer_octets"), b),
		     int_of(z, "last_transfer_messages"),
		     int_of(z, "last_transfer_messages") == 1 ? "" : "s");
	if (notified > 0)
		line("NOTIFY to served", "%s", micros(notified, a));
	else
		line("NOTIFY to served", "- (the last change did not come by NOTIFY)");
}

/* Those that have acknowledged what is served are told of in one line. */
static void show_zone_secondaries(const json_t *z)
{
	const json_t *list = json_object_get(z, "secondaries");
	int64_t serial = int_of(z, "serial");
	size_t current = 0;

	if (json_array_size(list) == 0)
		return;
	for (size_t i = 0; i < json_array_size(list); i++)
		current += int_of(json_array_get(list, i), "acknowledged_serial") == serial;
	line("secondaries", "%zu of %zu have acknowledged the serial", current, json_array_size(list));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *s = json_array_get(list, i);
		char had[TEXT_CAP];

		if (int_of(s, "acknowledged_serial") == serial)
			continue;
		line("", "%s (%s): acknowledged %s, %s after %" PRId64 " tries%s%s", text_of(s, "name"),
		     text_of(s, "address"), number(s, "acknowledged_serial", had),
		     true_in(s, "waiting") ? "waiting" : "given up", int_of(s, "tries"),
		     *text_of(s, "error") != '\0' ? ": " : "", text_of(s, "error"));
	}
}

static void show_zone_versions(const json_t *z)
{
	const json_t *held = json_object_get(z, "held"), *kept = json_object_get(z, "kept_serials");
	char a[TEXT_CAP], b[TEXT_CAP];

	if (json_is_object(held))
		line("held back", "serial %s, %s; since %s", number(held, "serial", a), text_of(held, "why"),
		     moment(held, "since", b));
	if (true_in(z, "primary_differs"))
		line("", "the primary has our serial and another content");
	if (json_is_integer(json_object_get(z, "barred_serial")))
		line("waits for", "a newer version than %s", number(z, "barred_serial", a));
	for (size_t i = 0; i < json_array_size(kept); i++)
		line(i == 0 ? "kept" : "", "serial %" JSON_INTEGER_FORMAT,
		     json_integer_value(json_array_get(kept, i)));
	if (json_is_integer(json_object_get(z, "signatures_end")))
		line("signatures end in", "%s", span(int_of(z, "signatures_end") - (int64_t)time(NULL), a));
}

void show_zone(const json_t *z)
{
	char a[TEXT_CAP], b[TEXT_CAP];
	const char *error = text_of(z, "last_error");

	line("zone", "%s", text_of(z, "name"));
	line("state", "%s%s", text_of(z, "state"), true_in(z, "loaded") ? "" : " (no content)");
	line("serial", "%s", number(z, "serial", a));
	show_zone_primary(z);
	line("last check", "%s", moment(z, "last_check", a));
	line("last change", "%s", moment(z, "last_change", a));
	line("next refresh in", "%s", span_of(z, "refresh_in", a));
	line("expires in", "%s", span_of(z, "expires_in", a));
	if (true_in(z, "timers_odd"))
		line("",
		     "the SOA's timers are odd: retry should be less than refresh, expire more than both");
	line("size", "%" PRId64 " records, %" PRId64 " names, %s", int_of(z, "records"), int_of(z, "names"),
	     octets(int_of(z, "bytes"), b));
	show_zone_versions(z);
	show_zone_transfers(z);
	show_zone_secondaries(z);
	if (*error != '\0')
		line("last error", "%s; %s", error, moment(z, "last_error_at", a));
	else
		line("last error", "none");
}

/* A number of microseconds, or "-". */
static const char *micros_of(const json_t *object, const char *key, char buf[TEXT_CAP])
{
	return json_is_integer(json_object_get(object, key)) ? micros(int_of(object, key), buf) : "-";
}

void show_timing(const json_t *result)
{
	const json_t *stages = json_object_get(result, "stages");
	char last[TEXT_CAP], p50[TEXT_CAP], p99[TEXT_CAP];

	printf("%-22s %8s %10s %10s %10s\n", "STAGE", "CHANGES", "LAST", "50 % <", "99 % <");
	for (size_t i = 0; i < json_array_size(stages); i++) {
		const json_t *s = json_array_get(stages, i);

		printf("%-22s %8" PRId64 " %10s %10s %10s\n", text_of(s, "stage"), int_of(s, "count"),
		       micros_of(s, "last_us", last), micros_of(s, "p50_us", p50),
		       micros_of(s, "p99_us", p99));
	}
}

void show_decided(const json_t *result)
{
	const json_t *z = json_array_get(json_object_get(result, "zones"), 0);
	char serial[TEXT_CAP];

	printf("%s %s, serial %s\n", text_of(z, "name"), text_of(z, "state"), number(z, "serial", serial));
}

void show_ordered(const json_t *result, bool waited)
{
	const json_t *z = json_array_get(json_object_get(result, "zones"), 0);
	char serial[TEXT_CAP], took[TEXT_CAP];

	if (!waited) {
		printf("%s ordered\n", text_of(z, "name"));
		return;
	}
	printf("%s %s, serial %s, %s\n", text_of(z, "name"), text_of(z, "state"), number(z, "serial", serial),
	       micros(int_of(result, "took_us"), took));
}

/* Counters of one list over several threads: name, sum, one column each if there are several, what it is. */
static void show_counters(const char *title, const json_t *const lists[], size_t cnt,
			  const char *const heads[], const json_t *describe)
{
	const char *key;
	json_t *value;

	if (cnt == 0)
		return;
	printf("\n%-28s %14s", title, cnt > 1 ? "sum" : heads[0]);
	for (size_t i = 0; cnt > 1 && i < cnt; i++)
		printf(" %14s", heads[i]);
	putchar('\n');
	json_object_foreach((json_t *)lists[0], key, value)
	{
		int64_t sum = 0;

		for (size_t i = 0; i < cnt; i++)
			sum += int_of(lists[i], key);
		printf("  %-26s %14" PRId64, key, sum);
		for (size_t i = 0; cnt > 1 && i < cnt; i++)
			printf(" %14" PRId64, int_of(lists[i], key));
		if (describe != NULL)
			printf("  %s", text_of(describe, key));
		putchar('\n');
	}
}

#define THREADS_MAX 130 /* lockstepd has at most 128 workers, the streams and the control loop */

/* rest: the counters of the threads that are no workers, by name; NULL: there are none. */
static void show_threads(const char *title, const json_t *workers, const json_t *rest, const json_t *describe)
{
	static const char *const others[][2] = {{"stream", "tcp"}, {"control", "control"}};
	const json_t *lists[THREADS_MAX];
	char head[THREADS_MAX][TEXT_CAP];
	const char *heads[THREADS_MAX];
	size_t cnt = 0;

	for (size_t i = 0; i < json_array_size(workers) && cnt < THREADS_MAX - 2; i++, cnt++) {
		const json_t *w = json_array_get(workers, i);

		lists[cnt] = json_object_get(w, "counters");
		snprintf(head[cnt], TEXT_CAP, "worker %" PRId64, int_of(w, "worker"));
		heads[cnt] = head[cnt];
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		lists[cnt] = json_object_get(rest, others[i][0]);
		heads[cnt] = others[i][1];
		cnt += json_is_object(lists[cnt]);
	}
	show_counters(title, lists, cnt, heads, describe);
}

static void show_one(const char *title, const json_t *list, const json_t *describe)
{
	const char *const heads[] = {""};

	if (json_is_object(list))
		show_counters(title, &list, 1, heads, describe);
}

/* What the stages of a turn cost each query. */
static void show_stages(const json_t *workers)
{
	static const char *const stages[] = {"rx", "parse", "answer", "tx"};

	for (size_t i = 0; i < json_array_size(workers); i++) {
		const json_t *w = json_array_get(workers, i), *c = json_object_get(w, "counters");
		int64_t queries = int_of(c, "rx_queries");

		printf("\ncycles per query, worker %" PRId64 ":", int_of(w, "worker"));
		for (size_t s = 0; s < sizeof(stages) / sizeof(stages[0]); s++) {
			char key[TEXT_CAP];

			snprintf(key, sizeof(key), "cycles_%s", stages[s]);
			printf("  %s %.0f", stages[s],
			       queries > 0 ? (double)int_of(c, key) / (double)queries : 0);
		}
		putchar('\n');
	}
}

void show_stats(const json_t *result)
{
	const json_t *answer = json_object_get(result, "answer"), *ports = json_object_get(result, "ports");
	const json_t *describe = json_object_get(result, "describe"),
		     *arena = json_object_get(result, "arena");
	char a[TEXT_CAP], b[TEXT_CAP], c[TEXT_CAP];

	printf("zone memory: %s used, %s taken from the system, %s at most\n",
	       octets(int_of(arena, "bytes_used"), a), octets(int_of(arena, "bytes_resident"), b),
	       octets(int_of(arena, "bytes_max"), c));
	show_threads("answers", json_object_get(answer, "workers"), answer,
		     json_object_get(describe, "answer"));
	show_threads("packets", json_object_get(json_object_get(result, "net"), "workers"), NULL,
		     json_object_get(describe, "net"));
	show_stages(json_object_get(json_object_get(result, "net"), "workers"));
	for (size_t i = 0; i < json_array_size(ports); i++) {
		const json_t *p = json_array_get(ports, i);

		snprintf(a, sizeof(a), "port %.40s", text_of(p, "name"));
		show_one(a, json_object_get(p, "counters"), json_object_get(describe, "ports"));
	}
	show_one("tcp connections", json_object_get(result, "stream"), json_object_get(describe, "stream"));
	show_one("control", json_object_get(result, "zones"), json_object_get(describe, "zones"));
}

void show_port_stats(const json_t *result)
{
	const char *name;
	json_t *value;

	json_object_foreach(json_object_get(result, "counters"), name,
			    value) if (json_integer_value(value) != 0)
		printf("%-40s %20" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
}

void show_help(const json_t *result)
{
	const json_t *commands = json_object_get(result, "commands");

	for (size_t i = 0; i < json_array_size(commands); i++) {
		const json_t *c = json_array_get(commands, i);
		char usage[TEXT_CAP];

		snprintf(usage, sizeof(usage), "%s %s", text_of(c, "command"), text_of(c, "args"));
		printf("%-26s %s\n", usage, text_of(c, "help"));
	}
}

void show_offenders(const json_t *result)
{
	const json_t *list = json_object_get(result, "offenders");
	size_t i;
	json_t *o;

	if (!json_is_true(json_object_get(result, "limits")))
		printf("there are no rate limits: rate-limit is not configured\n");
	else if (json_array_size(list) == 0)
		printf("nobody was limited of late\n");
	json_array_foreach(list, i, o)
	{
		const json_t *worker = json_object_get(o, "worker");

		printf("%s/%lld  %s  %lld limited of late  %s", text_of(o, "network"),
		       (long long)json_integer_value(json_object_get(o, "prefix")), text_of(o, "class"),
		       (long long)json_integer_value(json_object_get(o, "limited")), text_of(o, "place"));
		if (json_is_integer(worker))
			printf(" %lld", (long long)json_integer_value(worker));
		printf("\n");
	}
}

void show_reload(const json_t *result)
{
	const char *restart = text_of(result, "needs_restart");

	fputs(text_of(result, "warnings"), stdout);
	printf("%lld zones: %lld added, %lld removed, %lld changed\n", (long long)int_of(result, "zones"),
	       (long long)int_of(result, "added"), (long long)int_of(result, "removed"),
	       (long long)int_of(result, "changed"));
	if (*restart != '\0')
		printf("changed in the file, but only a restart applies it: %s\n", restart);
}
