/*
 * Commands about zones. Waiting for a refresh or a transfer is a job whose end is a callback of zones.h: it is called
 * exactly once, so the job lives until then, whatever becomes of the client.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/ctl_internal.h"
#include "control/suggest.h"

#define SUGGESTIONS_MAX 3
#define SUGGEST_FROM	200000 /* zones compared: some 20 ms */
#define ZONES_PER_PART	128

static json_t *text_or_null(const char *text)
{
	return text != NULL ? ctl_text(text) : json_null();
}

static json_t *known_or_null(bool known, uint64_t n)
{
	return known ? json_integer((json_int_t)n) : json_null();
}

/* What is held back, barred and kept, when the signatures end, and where the zone is pinned. */
static json_t *versions_info(const struct zones_info *z)
{
	json_t *kept = json_array();
	json_t *held = json_null();

	for (unsigned i = 0; i < z->kept_cnt; i++)
		json_array_append_new(kept, json_integer(z->kept[i]));
	if (z->held)
		held = json_pack("{s:I, s:o, s:I}", "serial", (json_int_t)z->held_serial, "why",
				 ctl_text(z->held_why), "since", (json_int_t)z->held_since);
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:b, s:o, s:o}", "held", held, "barred_serial",
		known_or_null(z->has_barred, z->barred_serial), "kept_serials", kept, "signatures_end",
		known_or_null(z->has_signatures && z->signatures_end > 0, (uint64_t)z->signatures_end),
		"primary_differs", (int)z->primary_differs, "pinned", text_or_null(z->pinned), "pin_moves_in",
		known_or_null(z->pin_moves_in >= 0, (uint64_t)z->pin_moves_in));
}

json_t *ctl_zone_info(const struct ctl *ctl, unsigned index)
{
	struct zones_info z;
	json_t *info, *versions;

	zones_info(ctl->env.zones, index, &z);
	versions = versions_info(&z);
	info = json_pack(
		"{s:o, s:s, s:b, s:I, s:o, s:o, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o,"
		" s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:o, s:o, "
		"s:o}",
		"name", ctl_text(z.name), "state", zones_state_text[z.state], "loaded", (int)z.loaded, "slot",
		(json_int_t)z.slot, "serial", known_or_null(z.loaded, z.serial), "primary_serial",
		known_or_null(z.has_primary_serial, z.primary_serial), "primary_behind",
		(int)z.primary_behind, "timers_odd", (int)z.timers_odd, "primary", text_or_null(z.primary),
		"primary_address", text_or_null(z.primary != NULL ? z.primary_address : NULL), "last_check",
		known_or_null(z.last_check != 0, (uint64_t)z.last_check), "last_change",
		known_or_null(z.last_change != 0, (uint64_t)z.last_change), "refresh_in",
		known_or_null(z.refresh_in >= 0, (uint64_t)z.refresh_in), "expires_in",
		known_or_null(z.expires_in >= 0, (uint64_t)z.expires_in), "records", (json_int_t)z.records,
		"names", (json_int_t)z.names, "bytes", (json_int_t)z.bytes, "transfers_ok",
		(json_int_t)z.transfers_ok, "transfers_failed", (json_int_t)z.transfers_failed, "notifies",
		(json_int_t)z.notifies, "notifies_refused", (json_int_t)z.notifies_refused,
		"last_notify_to_served_us", (json_int_t)z.last_notify_to_served_us, "last_transfer_us",
		(json_int_t)z.last_transfer_us, "last_transfer_octets", (json_int_t)z.last_transfer_octets,
		"last_transfer_messages", (json_int_t)z.last_transfer_messages, "last_transfer_type",
		text_or_null(z.last_transfer_type), "last_transfer_deltas",
		(json_int_t)z.last_transfer_deltas, "last_transfer_removed",
		(json_int_t)z.last_transfer_removed, "last_transfer_added", (json_int_t)z.last_transfer_added,
		"ixfr_fallbacks", (json_int_t)z.ixfr_fallbacks, "last_error", ctl_text(z.last_error),
		"last_error_at", known_or_null(z.last_error_at != 0, (uint64_t)z.last_error_at),
		"secondaries", ctl_zone_targets(ctl, z.slot));
	if (json_object_update(info, versions) < 0) {
		json_decref(info);
		info = NULL;
	}
	json_decref(versions);
	return info;
}

/* --- unknown zones --- */

struct near {
	const char *name;
	unsigned distance;
};

static void near_add(struct near near[SUGGESTIONS_MAX], const char *name, unsigned distance)
{
	for (unsigned i = 0; i < SUGGESTIONS_MAX; i++) {
		if (near[i].name != NULL && near[i].distance <= distance)
			continue;
		memmove(&near[i + 1], &near[i], (SUGGESTIONS_MAX - 1 - i) * sizeof(near[0]));
		near[i] = (struct near){name, distance};
		return;
	}
}

/* The zone that the name is in comes first, then zones spelled alike. */
static json_t *suggestions(const struct ctl *ctl, const uint8_t *name)
{
	const struct config *c = config_now(ctl->env.config);
	char text[NAME_TEXT_CAP];
	struct near near[SUGGESTIONS_MAX] = {{0}};
	json_t *list = json_array();
	unsigned max;

	name_text(name, text);
	max = suggest_distance_max(strlen(text));
	for (unsigned i = 0; i < c->zone_cnt && i < SUGGEST_FROM; i++) {
		unsigned d = suggest_distance(text, c->zones[i].name_text, max);

		if (d <= max)
			near_add(near, c->zones[i].name_text, d);
	}
	for (; *name != 0; name += 1 + *name) {
		int index = zones_find(ctl->env.zones, name + 1 + *name);

		if (index < 0)
			continue;
		json_array_append_new(list, ctl_text(name_text(name + 1 + *name, text)));
		break;
	}
	for (unsigned i = 0; i < SUGGESTIONS_MAX && near[i].name != NULL; i++)
		json_array_append_new(list, ctl_text(near[i].name));
	return list;
}

int ctl_zone_find(struct ctl_conn *conn, const struct ctl_args *args)
{
	uint8_t name[NAME_LEN_MAX];
	char text[NAME_TEXT_CAP];
	int len = name_from_text(args->zone, name);
	int index;

	if (len < 0) {
		ctl_reply_error(conn, "bad-argument", NULL, "\"%.256s\" is not a domain name", args->zone);
		return -EINVAL;
	}
	name_lower(name, name, (size_t)len);
	index = zones_find(conn->ctl->env.zones, name);
	if (index < 0)
		ctl_reply_error(conn, "unknown-zone", suggestions(conn->ctl, name),
				"the zone %s is not configured", name_text(name, text));
	return index;
}

/* --- zone status --- */

struct list_job {
	struct ctl_job job;
	struct ctl_conn *conn;
	unsigned next;
};

static void list_drop(struct ctl_job *job)
{
	free(job);
}

/* The next zones as {"zones":[...]}; NULL when out of memory. */
static json_t *list_part(struct list_job *list, unsigned cnt)
{
	json_t *zones = json_array();

	for (; cnt > 0; cnt--, list->next++) {
		if (!zones_has(list->conn->ctl->env.zones, list->next))
			continue;
		if (json_array_append_new(zones, ctl_zone_info(list->conn->ctl, list->next)) < 0) {
			json_decref(zones);
			return NULL;
		}
	}
	return json_pack("{s:o}", "zones", zones);
}

/* One part a turn, so that a long list never holds the loop; what follows a write is the next turn. */
static void list_more(struct ctl_job *job)
{
	struct list_job *list = (struct list_job *)job;
	struct ctl_conn *conn = list->conn;
	unsigned left = zones_top(conn->ctl->env.zones) - list->next;
	bool last = left <= ZONES_PER_PART;
	json_t *part = list_part(list, last ? left : ZONES_PER_PART);

	if (last || part == NULL) {
		conn->job = NULL;
		free(list);
		ctl_reply(conn, part);
	} else {
		ctl_reply_part(conn, part);
	}
}

void ctl_zone_status(struct ctl_conn *conn, const struct ctl_args *args)
{
	struct list_job *list;
	json_t *zone;
	int index;

	if (args->zone != NULL) {
		index = ctl_zone_find(conn, args);
		if (index < 0)
			return;
		zone = ctl_zone_info(conn->ctl, (unsigned)index);
		ctl_reply(conn, json_pack("{s:[o]}", "zones", zone));
		return;
	}
	list = calloc(1, sizeof(*list));
	if (list == NULL) {
		ctl_reply(conn, NULL);
		return;
	}
	*list = (struct list_job){.job = {.more = list_more, .drop = list_drop}, .conn = conn};
	conn->job = &list->job;
	list_more(&list->job);
}

/* --- zone refresh, zone retransfer, zone resume --- */

struct wait_job {
	struct ctl_job job;
	struct ctl_conn *conn; /* NULL: gone */
	unsigned index;
	uint64_t begin_ns;
};

static void wait_drop(struct ctl_job *job)
{
	((struct wait_job *)job)->conn = NULL;
}

static void on_done(void *arg, const char *error)
{
	struct wait_job *wait = arg;
	struct ctl_conn *conn = wait->conn;
	uint64_t took_us = (uv_hrtime() - wait->begin_ns) / 1000;
	json_t *zone;

	if (conn != NULL) {
		conn->job = NULL;
		if (*error != '\0') {
			ctl_reply_error(conn, "failed", NULL, "%s", error);
		} else {
			zone = ctl_zone_info(conn->ctl, wait->index);
			ctl_reply(conn,
				  json_pack("{s:[o], s:I}", "zones", zone, "took_us", (json_int_t)took_us));
		}
	}
	free(wait);
}

static void order(struct ctl_conn *conn, const struct ctl_args *args,
		  void (*fn)(struct zones *z, unsigned index, zones_done_fn done, void *arg))
{
	struct zones *zones = conn->ctl->env.zones;
	int index = ctl_zone_find(conn, args);
	struct wait_job *wait;

	if (index < 0)
		return;
	if (!args->wait) {
		fn(zones, (unsigned)index, NULL, NULL);
		ctl_reply(conn, json_pack("{s:[o]}", "zones", ctl_zone_info(conn->ctl, (unsigned)index)));
		return;
	}
	wait = calloc(1, sizeof(*wait));
	if (wait == NULL) {
		ctl_reply(conn, NULL);
		return;
	}
	*wait = (struct wait_job){
		.job = {.drop = wait_drop}, .conn = conn, .index = (unsigned)index, .begin_ns = uv_hrtime()};
	conn->job = &wait->job;
	fn(zones, (unsigned)index, on_done, wait); /* which may be called before this returns */
}

void ctl_zone_refresh(struct ctl_conn *conn, const struct ctl_args *args)
{
	order(conn, args, zones_refresh);
}

void ctl_zone_retransfer(struct ctl_conn *conn, const struct ctl_args *args)
{
	order(conn, args, zones_retransfer);
}

void ctl_zone_resume(struct ctl_conn *conn, const struct ctl_args *args)
{
	order(conn, args, zones_resume);
}

/* --- zone accept, zone reject, zone rollback --- */

static void decide(struct ctl_conn *conn, int index, int ret, const char *why_not)
{
	if (ret < 0)
		ctl_reply_error(conn, "nothing-to-do", NULL, "%s", why_not);
	else
		ctl_reply(conn, json_pack("{s:[o]}", "zones", ctl_zone_info(conn->ctl, (unsigned)index)));
}

void ctl_zone_accept(struct ctl_conn *conn, const struct ctl_args *args)
{
	int index = ctl_zone_find(conn, args);

	if (index >= 0)
		decide(conn, index, zones_accept(conn->ctl->env.zones, (unsigned)index),
		       "no version of the zone is held");
}

void ctl_zone_reject(struct ctl_conn *conn, const struct ctl_args *args)
{
	int index = ctl_zone_find(conn, args);

	if (index >= 0)
		decide(conn, index, zones_reject(conn->ctl->env.zones, (unsigned)index),
		       "no version of the zone is held");
}

void ctl_zone_rollback(struct ctl_conn *conn, const struct ctl_args *args)
{
	int index = ctl_zone_find(conn, args);
	int ret;

	if (index < 0)
		return;
	ret = zones_rollback(conn->ctl->env.zones, (unsigned)index, args->has_serial ? &args->serial : NULL);
	decide(conn, index, ret,
	       ret == -EALREADY	  ? "that version is served already"
	       : args->has_serial ? "no version with that serial is kept"
				  : "no former version is kept");
}
