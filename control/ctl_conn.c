/*
 * A client of the control socket: its lines in, our lines out. Bounded in every direction: the length of a request, what
 * lies unsent, the time it may take nothing, the number of connections.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/ctl_internal.h"

struct write {
	uv_write_t req;
	char *text;
};

_Static_assert(CTL_REQUEST_MAX == 65536, "a text below names it");

static void conn_process(struct ctl_conn *conn);
static void conn_read(struct ctl_conn *conn);

static void conn_unlink(struct ctl_conn *conn)
{
	struct ctl_conn **at = &conn->ctl->conns;

	while (*at != conn)
		at = &(*at)->next;
	*at = conn->next;
}

static void on_closed(uv_handle_t *handle)
{
	struct ctl_conn *conn = handle->data;
	struct ctl *ctl = conn->ctl;

	conn_unlink(conn);
	json_decref(conn->id);
	free(conn);
	ctl_handle_closed(ctl);
}

void ctl_conn_close(struct ctl_conn *conn)
{
	struct ctl_job *job = conn->job;

	if (conn->closing)
		return;
	conn->closing = true;
	conn->job = NULL;
	if (job != NULL)
		job->drop(job);
	uv_close((uv_handle_t *)&conn->pipe, on_closed);
}

void ctl_conn_end(struct ctl_conn *conn)
{
	if (conn->closing)
		return;
	conn->ending = true;
	uv_read_stop((uv_stream_t *)&conn->pipe);
	if (conn->unsent_cnt == 0)
		ctl_conn_close(conn);
}

void ctl_conn_abort(struct ctl_conn *conn, const char *code, const char *text)
{
	struct ctl_job *job = conn->job;

	if (job == NULL || conn->closing)
		return;
	conn->job = NULL;
	job->drop(job);
	ctl_reply_error(conn, code, NULL, "%s", text);
}

static uint64_t now_ms(const struct ctl_conn *conn)
{
	return uv_now(conn->ctl->env.loop);
}

static size_t unsent(const struct ctl_conn *conn)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&conn->pipe);
}

bool ctl_conn_has_room(const struct ctl_conn *conn)
{
	return !conn->closing && unsent(conn) < CTL_UNSENT_MAX;
}

static void on_written(uv_write_t *req, int status)
{
	struct write *w = (struct write *)req;
	struct ctl_conn *conn = req->data;

	free(w->text);
	free(w);
	conn->unsent_cnt--;
	if (conn->closing)
		return;
	if (status < 0) {
		ctl_conn_close(conn);
		return;
	}
	conn->active_ms = now_ms(conn);
	if (conn->ending && conn->unsent_cnt == 0)
		ctl_conn_close(conn);
	else if (conn->job != NULL && conn->job->more != NULL && ctl_conn_has_room(conn))
		conn->job->more(conn->job);
	else
		conn_process(conn);
}

void ctl_conn_send(struct ctl_conn *conn, json_t *response)
{
	struct write *w = malloc(sizeof(*w));
	char *text = response != NULL ? json_dumps(response, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	uv_buf_t buf;
	size_t len;

	json_decref(response);
	if (w == NULL || text == NULL)
		goto close;
	w->text = text;
	w->req.data = conn;
	len = strlen(text);
	text[len++] = '\n'; /* in place of the NUL */
	buf = uv_buf_init(text, (unsigned)len);
	if (unsent(conn) == 0)
		conn->active_ms = now_ms(conn);
	conn->unsent_cnt++;
	if (uv_write(&w->req, (uv_stream_t *)&conn->pipe, &buf, 1, on_written) == 0)
		return;
	conn->unsent_cnt--;
close:
	/* Without its answer the client must not wait for one. */
	free(text);
	free(w);
	ctl_conn_close(conn);
}

void ctl_conn_finish(struct ctl_conn *conn)
{
	conn->job = NULL;
	json_decref(conn->id);
	conn->id = NULL;
	conn_process(conn);
}

/* The last word to this client. */
static void conn_refuse(struct ctl_conn *conn, const char *code, const char *text)
{
	conn->ending = true; /* first, so that nothing more is read or answered */
	ctl_reply_error(conn, code, NULL, "%s", text);
	ctl_conn_end(conn);
}

/* The length of the first line in the buffer without its newline, or -1. */
static ssize_t line_len(const struct ctl_conn *conn)
{
	const char *end = memchr(conn->in, '\n', conn->in_len);

	return end != NULL ? end - conn->in : -1;
}

static void conn_process(struct ctl_conn *conn)
{
	ssize_t len;

	if (conn->processing || conn->ctl->stopping)
		return;
	conn->processing = true;
	while (!conn->closing && !conn->ending && conn->job == NULL && ctl_conn_has_room(conn) &&
	       (len = line_len(conn)) >= 0) {
		ctl_request(conn, conn->in, (size_t)len);
		conn->in_len -= (size_t)len + 1;
		memmove(conn->in, conn->in + len + 1, conn->in_len);
	}
	conn->processing = false;
	if (conn->closing || conn->ending)
		return;
	if (conn->in_len == sizeof(conn->in) && line_len(conn) < 0) {
		conn_refuse(conn, "too-large", "a request has at most 65535 octets");
		return;
	}
	conn_read(conn);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct ctl_conn *conn = handle->data;

	*buf = uv_buf_init(conn->in + conn->in_len, (unsigned)(sizeof(conn->in) - conn->in_len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct ctl_conn *conn = stream->data;

	if (n < 0) {
		/* Gone, whatever was asked for: who wants an answer keeps its side open. What is written is still sent. */
		if (n == UV_EOF && conn->job == NULL)
			ctl_conn_end(conn);
		else
			ctl_conn_close(conn);
		return;
	}
	conn->in_len += (size_t)n;
	conn->active_ms = now_ms(conn);
	if (conn->in_len == sizeof(conn->in))
		uv_read_stop(stream);
	conn_process(conn);
}

/* (Again) reads from the client if there is room for it. */
static void conn_read(struct ctl_conn *conn)
{
	int rc;

	if (conn->in_len == sizeof(conn->in))
		return;
	rc = uv_read_start((uv_stream_t *)&conn->pipe, on_alloc, on_read);
	if (rc < 0 && rc != UV_EALREADY)
		ctl_conn_close(conn);
}

/* Root and our own user; the mode of the socket says the same, unless somebody changed it. */
static bool may_command(struct ctl_conn *conn)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)&conn->pipe, &fd) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	if (log_allow(conn->ctl->env.log, &conn->ctl->limit, 5, "control-denied"))
		log_event(conn->ctl->env.log, LOG_WARNING, "control-denied", NULL, NULL, "uid=%u pid=%d",
			  (unsigned)peer.uid, (int)peer.pid);
	return false;
}

/* Makes room for a new client at the cost of the one that has been idle longest. False: all are busy. */
static bool make_room(struct ctl *ctl)
{
	struct ctl_conn *idle = NULL;
	unsigned cnt = 0;

	for (struct ctl_conn *c = ctl->conns; c != NULL; c = c->next) {
		if (c->closing)
			continue;
		cnt++;
		/* The list goes from new to old, so that of equally idle ones the oldest wins. */
		if (c->job == NULL && c->unsent_cnt == 0 && (idle == NULL || c->active_ms <= idle->active_ms))
			idle = c;
	}
	if (cnt < CTL_CONNS_MAX)
		return true;
	if (idle != NULL)
		ctl_conn_close(idle);
	return idle != NULL;
}

void ctl_conn_accept(struct ctl *ctl)
{
	struct ctl_conn *conn = calloc(1, sizeof(*conn));
	bool room;

	ctl->accept_owed =
		conn == NULL; /* libuv waits until somebody takes the connection: the tick tries again */
	if (conn == NULL)
		return;
	room = make_room(ctl);
	conn->ctl = ctl;
	conn->active_ms = uv_now(ctl->env.loop);
	uv_pipe_init(ctl->env.loop, &conn->pipe, 0);
	conn->pipe.data = conn;
	ctl->open_cnt++;
	conn->next = ctl->conns;
	ctl->conns = conn;
	if (uv_accept((uv_stream_t *)&ctl->listener, (uv_stream_t *)&conn->pipe) < 0)
		ctl_conn_close(conn);
	else if (!may_command(conn))
		conn_refuse(conn, "denied",
			    "only root and the user that lockstepd runs as may use this socket");
	else if (!room)
		conn_refuse(conn, "busy", "too many connections are busy");
	else
		conn_read(conn);
}

void ctl_conn_tick(struct ctl *ctl)
{
	if (ctl->accept_owed)
		ctl_conn_accept(ctl);
	for (struct ctl_conn *c = ctl->conns; c != NULL; c = c->next) {
		if (!c->closing && c->unsent_cnt > 0 && now_ms(c) - c->active_ms > CTL_STUCK_MS) {
			log_event(ctl->env.log, LOG_NOTICE, "control-client-stuck", NULL, NULL, "unsent=%zu",
				  unsent(c));
			ctl_conn_close(c);
		}
	}
}
