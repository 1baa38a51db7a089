/*
 * "zone dump": the served snapshot, held for as long as it takes, walked by a thread of its own and written to the
 * client in pieces. The thread is never more than a few pieces ahead of the client: a reader who pauses costs a
 * sleeping thread and a held snapshot, and a reader who pauses too long is cut off (CTL_STUCK_MS).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/ctl_internal.h"
#include "control/present.h"

#define PIECE_LEN (size_t)32768
#define AHEAD_MAX 4

struct piece {
	char *text;
	size_t len;
};

struct dump {
	struct ctl_job job;
	struct ctl_conn *conn; /* loop; NULL: gone */
	struct ctl *ctl;
	struct snapshot *snap; /* held by the loop, read by the thread */
	uv_thread_t thread;
	uv_async_t async;
	bool ended; /* loop */

	uv_mutex_t lock; /* of the following */
	uv_cond_t room;
	struct piece queue[AHEAD_MAX];
	unsigned first, cnt;
	bool cancelled;
	bool finished;
	int rc;

	/* the thread's own */
	ldns_buffer *out;
	uint64_t records;
	uint8_t wire[PRESENT_WIRE_MAX];
};

/* --- the thread --- */

/* Hands over what is in out. Returns 0, -ENOMEM or -ECANCELED. */
static int piece_put(struct dump *d)
{
	size_t len = ldns_buffer_position(d->out);
	char *text = malloc(len);
	int rc = 0;

	if (text == NULL)
		return -ENOMEM;
	memcpy(text, ldns_buffer_begin(d->out), len);
	uv_mutex_lock(&d->lock);
	while (d->cnt == AHEAD_MAX && !d->cancelled)
		uv_cond_wait(&d->room, &d->lock);
	if (d->cancelled) {
		free(text);
		rc = -ECANCELED;
	} else {
		d->queue[(d->first + d->cnt++) % AHEAD_MAX] = (struct piece){text, len};
	}
	uv_mutex_unlock(&d->lock);
	ldns_buffer_clear(d->out);
	uv_async_send(&d->async);
	return rc;
}

static int on_record(const struct snapshot_record *r, void *arg)
{
	struct dump *d = arg;
	int rc = present_record(d->out, r, d->wire);

	d->records++;
	if (rc == 0 && ldns_buffer_position(d->out) >= PIECE_LEN)
		rc = piece_put(d);
	return rc;
}

static void dump_run(void *arg)
{
	struct dump *d = arg;
	int rc = -ENOMEM;

	d->out = ldns_buffer_new(2 * PIECE_LEN);
	if (d->out != NULL)
		rc = snapshot_walk(d->snap, on_record, d);
	if (rc == 0 && ldns_buffer_position(d->out) > 0)
		rc = piece_put(d);
	ldns_buffer_free(d->out);
	uv_mutex_lock(&d->lock);
	d->rc = rc;
	d->finished = true;
	uv_mutex_unlock(&d->lock);
	uv_async_send(&d->async);
}

/* --- the loop --- */

static void on_async_closed(uv_handle_t *handle)
{
	struct dump *d = handle->data;
	struct ctl *ctl = d->ctl;

	for (unsigned i = 0; i < d->cnt; i++)
		free(d->queue[(d->first + i) % AHEAD_MAX].text);
	uv_cond_destroy(&d->room);
	uv_mutex_destroy(&d->lock);
	free(d);
	ctl->dump_cnt--;
	ctl_handle_closed(ctl);
}

/* The thread has come to its end. */
static void dump_end(struct dump *d)
{
	if (d->ended)
		return;
	d->ended = true;
	uv_thread_join(&d->thread);
	snapshot_release(d->snap);
	uv_close((uv_handle_t *)&d->async, on_async_closed);
}

static void dump_reply_last(struct dump *d)
{
	struct ctl_conn *conn = d->conn;
	char text[NAME_TEXT_CAP];

	d->conn = NULL;
	conn->job = NULL;
	if (d->rc < 0)
		ctl_reply_error(conn, "no-memory", NULL, "the dump ended early: %s", strerror(-d->rc));
	else
		ctl_reply(conn,
			  json_pack("{s:o, s:I, s:I}", "zone",
				    ctl_text(name_text(snapshot_apex_name(d->snap), text)), "serial",
				    (json_int_t)snapshot_serial(d->snap), "records", (json_int_t)d->records));
}

/* Takes the next piece. False: there is none; *finished then says whether there will be. */
static bool piece_take(struct dump *d, struct piece *out, bool *finished)
{
	bool taken = false;

	uv_mutex_lock(&d->lock);
	*finished = d->finished;
	if (d->cnt > 0) {
		*out = d->queue[d->first];
		d->first = (d->first + 1) % AHEAD_MAX;
		d->cnt--;
		taken = true;
		uv_cond_signal(&d->room);
	}
	uv_mutex_unlock(&d->lock);
	return taken;
}

static void dump_pump(struct dump *d)
{
	struct piece piece;
	bool finished = false, taken;

	while (d->conn != NULL && ctl_conn_has_room(d->conn)) {
		taken = piece_take(d, &piece, &finished);
		if (!taken && finished)
			dump_reply_last(d);
		if (!taken)
			break;
		ctl_reply_part(d->conn, json_pack("{s:s%}", "text", piece.text, piece.len));
		free(piece.text);
	}
	uv_mutex_lock(&d->lock);
	finished = d->finished;
	uv_mutex_unlock(&d->lock);
	if (finished && d->conn == NULL)
		dump_end(d);
}

static void on_async(uv_async_t *async)
{
	dump_pump(async->data);
}

static void dump_more(struct ctl_job *job)
{
	dump_pump((struct dump *)job);
}

static void dump_drop(struct ctl_job *job)
{
	struct dump *d = (struct dump *)job;

	d->conn = NULL;
	uv_mutex_lock(&d->lock);
	d->cancelled = true;
	uv_cond_signal(&d->room);
	uv_mutex_unlock(&d->lock);
	dump_pump(d);
}

/* Returns 0 or -errno; nothing is left behind then, and the snapshot is still the caller's. */
static int dump_start(struct ctl_conn *conn, struct snapshot *snap)
{
	struct dump *d = calloc(1, sizeof(*d));
	struct ctl *ctl = conn->ctl;
	int rc = -ENOMEM;

	if (d == NULL)
		return rc;
	d->job = (struct ctl_job){.more = dump_more, .drop = dump_drop};
	d->conn = conn;
	d->ctl = ctl;
	d->snap = snap;
	d->async.data = d;
	rc = uv_mutex_init(&d->lock);
	if (rc < 0)
		goto free;
	rc = uv_cond_init(&d->room);
	if (rc < 0)
		goto mutex;
	rc = uv_async_init(ctl->env.loop, &d->async, on_async);
	if (rc < 0)
		goto cond;
	ctl->dump_cnt++;
	ctl->open_cnt++;
	rc = uv_thread_create(&d->thread, dump_run, d);
	if (rc < 0) {
		d->ended = true;
		uv_close((uv_handle_t *)&d->async, on_async_closed);
		return rc;
	}
	conn->job = &d->job;
	return 0;
cond:
	uv_cond_destroy(&d->room);
mutex:
	uv_mutex_destroy(&d->lock);
free:
	free(d);
	return rc;
}

static void reply_not_loaded(struct ctl_conn *conn, const struct zones_info *info, enum zone_marker marker)
{
	if (marker == ZONE_EXPIRED)
		ctl_reply_error(conn, "not-loaded", NULL, "the zone %s has expired; nothing is served",
				info->name);
	else
		ctl_reply_error(conn, "not-loaded", NULL, "the zone %s has not been transferred yet%s%s",
				info->name, info->last_error[0] != '\0' ? ": " : "", info->last_error);
}

void ctl_zone_dump(struct ctl_conn *conn, const struct ctl_args *args)
{
	enum zone_marker marker = ZONE_NOT_LOADED;
	const struct snapshot *served;
	struct zones_info info;
	struct snapshot *snap;
	int index = ctl_zone_find(conn, args);
	int rc;

	if (index < 0)
		return;
	zones_info(conn->ctl->env.zones, (unsigned)index, &info);
	served = zonetab_snapshot(conn->ctl->env.table, info.slot, &marker);
	if (served == NULL) {
		reply_not_loaded(conn, &info, marker);
		return;
	}
	if (conn->ctl->dump_cnt >= CTL_DUMPS_MAX) {
		ctl_reply_error(conn, "busy", NULL, "%d dumps are running already", CTL_DUMPS_MAX);
		return;
	}
	snap = snapshot_hold(served);
	if (snap == NULL) {
		ctl_reply(conn, NULL);
		return;
	}
	rc = dump_start(conn, snap);
	if (rc < 0) {
		snapshot_release(snap);
		ctl_reply_error(conn, "no-memory", NULL, "the dump cannot start: %s", uv_strerror(rc));
	}
}
