/*
 * TCP and TLS connections of a stream thread: framing, pipelining, back-pressure, limits (RFC 7766, 7858).
 */
#include "control/stream_thread.h"
#include "dataplane/dns/cutter.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define RX_CAP_FIRST 2048 /* most requests are below 100 octets; several pipelined ones arrive in one read */

/* Transfers are looked through so often for readers that stand still; their limits count in seconds. */
#define SWEEP_MS 1000

/* Nothing is to be sent first, nobody to be waited for: the next request may be looked at. */
static bool conn_is_free(const struct stream_conn *c)
{
	return c->tx == NULL && c->notify == NULL && c->transfer == NULL;
}

static void conn_watch(struct stream_thread *t, struct stream_conn *c)
{
	struct epoll_event ev = {.data.ptr = &c->fd};

	if (c->tx != NULL || c->transfer != NULL)
		ev.events = EPOLLOUT;
	else if (c->notify == NULL && !c->half_closed)
		ev.events = EPOLLIN;
	if (ev.events != c->watched && epoll_ctl(t->epoll_fd, EPOLL_CTL_MOD, c->fd.fd, &ev) == 0)
		c->watched = ev.events;
}

/* The list of the thread that it is in, while it is open. */
static struct stream_conn_list *conn_list(struct stream_thread *t, const struct stream_conn *c)
{
	return c->transfer != NULL ? &t->sending : &t->conns;
}

static int conn_send(struct stream_thread *t, struct stream_conn *c);

static void conn_close(struct stream_thread *t, struct stream_conn *c)
{
	if (c->tls != NULL && c->tx == NULL) {
		tls_end(c->tls);
		t->out_len = 0;
		conn_send(t, c);
	}
	if (c->notify != NULL)
		c->notify->conn = NULL;
	TAILQ_REMOVE(conn_list(t, c), c, link);
	if (c->transfer != NULL)
		xfrout_close(c->transfer, t->now_ms);
	t->conn_cnt--;
	stream_count(t, STREAM_CNT_open, -1);
	if (t->stream->clients != NULL)
		stream_clients_leave(t->stream->clients, &c->client);
	close(c->fd.fd);
	c->fd.fd = -1;
	TAILQ_INSERT_TAIL(&t->dead, c, link);
}

void stream_conn_bury(struct stream_thread *t)
{
	struct stream_conn *c;

	while ((c = TAILQ_FIRST(&t->dead)) != NULL) {
		TAILQ_REMOVE(&t->dead, c, link);
		free(c->rx);
		free(c->tx);
		tls_free(c->tls);
		free(c);
	}
}

/* A slow sender of single octets does not count as active, so the idle time-out ends it. */
static void conn_active(struct stream_thread *t, struct stream_conn *c)
{
	c->active_ms = t->now_ms;
	TAILQ_REMOVE(conn_list(t, c), c, link);
	TAILQ_INSERT_TAIL(conn_list(t, c), c, link);
}

/* From now on, until it has ended, the transfer's own limits say how slow the reader may be. */
static void conn_begin_transfer(struct stream_thread *t, struct stream_conn *c,
				struct xfrout_session *transfer)
{
	if (TAILQ_EMPTY(&t->sending))
		t->sweep_ms = t->now_ms + SWEEP_MS;
	TAILQ_REMOVE(&t->conns, c, link);
	c->transfer = transfer;
	TAILQ_INSERT_TAIL(&t->sending, c, link);
}

static void conn_end_transfer(struct stream_thread *t, struct stream_conn *c)
{
	TAILQ_REMOVE(&t->sending, c, link);
	xfrout_close(c->transfer, t->now_ms);
	c->transfer = NULL;
	c->active_ms = t->now_ms;
	TAILQ_INSERT_TAIL(&t->conns, c, link);
}

/* Behind what is pending already. Returns 0 or -ENOMEM. */
static int conn_keep(struct stream_conn *c, const uint8_t *octets, uint32_t len)
{
	uint8_t *tx = realloc(c->tx, c->tx_len + len);

	if (tx == NULL)
		return -ENOMEM;
	memcpy(tx + c->tx_len, octets, len);
	c->tx = tx;
	c->tx_len += len;
	return 0;
}

/*
 * Keeps what the socket did not take. Something may be pending: a batch, when the reply of the control loop to the request
 * behind it is there. Nothing more is answered until that has left, so more than these two it never is. Returns 0 or -errno.
 */
static int conn_send_octets(struct stream_conn *c, const uint8_t *octets, uint32_t len)
{
	ssize_t sent = 0;

	if (c->tx == NULL)
		sent = send(c->fd.fd, octets, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		return -errno;
	if (sent < 0)
		sent = 0;
	return (uint32_t)sent < len ? conn_keep(c, octets + sent, len - (uint32_t)sent) : 0;
}

/* The responses of this batch, and on TLS what the protocol itself has to say. */
static int conn_send(struct stream_thread *t, struct stream_conn *c)
{
	uint32_t len = t->out_len;
	ssize_t sealed;

	t->out_len = 0;
	if (c->tls == NULL)
		return conn_send_octets(c, t->out, len);
	if (tls_sealed_max(c->tls, len) > STREAM_WIRE_CAP)
		return -ENOBUFS;
	sealed = tls_seal(c->tls, t->out, len, t->wire);
	if (sealed <= 0)
		return (int)sealed;
	return conn_send_octets(c, t->wire, (uint32_t)sealed);
}

static int conn_send_pending(struct stream_thread *t, struct stream_conn *c)
{
	ssize_t sent =
		send(c->fd.fd, c->tx + c->tx_sent, c->tx_len - c->tx_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->tx_sent += (uint32_t)sent;
	conn_active(t, c);
	if (c->tx_sent == c->tx_len) {
		free(c->tx);
		c->tx = NULL;
		c->tx_len = c->tx_sent = 0;
	}
	return 0;
}

/* One request of len octets at msg. Returns false when the connection must be closed. */
static bool answer_request(struct stream_thread *t, struct stream_conn *c, const uint8_t *msg, uint32_t len)
{
	uint8_t *frame = t->out + t->out_len;
	struct xfrout_session *transfer = NULL;
	struct answer_job job = {.msg = frame + 2,
				 .len = len,
				 .cap = DNS_MSG_MAX,
				 .transport = c->tls != NULL ? ANSWER_TLS : ANSWER_TCP};

	memcpy(job.msg, msg, len);
	stream_count(t, STREAM_CNT_requests, 1);
	asker_ask(&t->asker, &job, &c->client, c->tls, t->now_ms, &transfer);
	switch ((enum answer_verdict)job.verdict) {
	case ANSWER_DROP:
		return false; /* not DNS, or a response: RFC 7766 has no use for such a client */
	case ANSWER_NOTIFY:
		return stream_notify_send(t, c, -1, &c->client, msg, len);
	case ANSWER_TRANSFER:
		conn_begin_transfer(t, c, transfer);
		return true;
	case ANSWER_SEND:
		break;
	}
	wire_store16(frame, (uint16_t)job.len);
	t->out_len += 2 + job.len;
	stream_count(t, STREAM_CNT_responses, 1);
	return true;
}

/*
 * Answers the complete requests in the receive buffer, until one needs the control loop or the client stops
 * reading. Returns false when the connection must be closed.
 */
static bool conn_process(struct stream_thread *t, struct stream_conn *c)
{
	struct cutter_span in = {c->rx, c->rx_len}, msg;

	while (conn_is_free(c) && cutter_take(&in, &msg)) {
		if (!answer_request(t, c, msg.at, (uint32_t)msg.len)) {
			stream_count(t, STREAM_CNT_closed_error, 1);
			t->out_len = 0;
			return false;
		}
		conn_active(t, c);
		if (STREAM_OUT_CAP - t->out_len < CUTTER_FRAME_MAX && conn_send(t, c) < 0)
			return false;
	}
	if (in.at != c->rx)
		memmove(c->rx, in.at, in.len);
	c->rx_len = (uint32_t)in.len;
	return t->out_len == 0 || conn_send(t, c) == 0;
}

/* Room for the whole request that is being received. */
static int conn_grow(struct stream_conn *c)
{
	uint32_t need = (uint32_t)cutter_need(c->rx, c->rx_len);
	uint8_t *rx;

	if (c->rx_cap >= need && c->rx_len < c->rx_cap)
		return 0;
	if (need < RX_CAP_FIRST)
		need = RX_CAP_FIRST;
	rx = realloc(c->rx, need);
	if (rx == NULL)
		return -ENOMEM;
	c->rx = rx;
	c->rx_cap = need;
	return 0;
}

/* Goes on with the handshake. Returns false when the connection must be closed; the alert that says why is sent then. */
static bool conn_shake(struct stream_thread *t, struct stream_conn *c)
{
	enum tls_state state;

	if (tls_is_open(c->tls))
		return true;
	state = tls_shake(c->tls);
	if (conn_send(t, c) < 0 && state != TLS_FAILED)
		return false;
	if (state == TLS_OPEN) {
		stream_count(t, STREAM_CNT_tls_opened, 1);
		if (tls_is_resumed(c->tls))
			stream_count(t, STREAM_CNT_tls_resumed, 1);
	}
	if (state == TLS_FAILED)
		stream_count(t, STREAM_CNT_tls_failed, 1);
	return state != TLS_FAILED;
}

/* One helping of what the client said. Returns 1 if there was some, 0 if not, -1 when the connection must be closed. */
static int conn_unseal(struct stream_thread *t, struct stream_conn *c)
{
	enum tls_state state;
	size_t got;

	if (conn_grow(c) < 0)
		return -1;
	state = tls_read(c->tls, c->rx + c->rx_len, c->rx_cap - c->rx_len, &got);
	c->rx_len += (uint32_t)got;
	if (state == TLS_CLOSED)
		c->half_closed = true;
	if (state == TLS_FAILED)
		stream_count(t, STREAM_CNT_tls_failed, 1);
	/* An alert, or the answer to a key update. */
	if (conn_send(t, c) < 0 || state == TLS_FAILED)
		return -1;
	return got > 0;
}

static bool conn_receive_tls(struct stream_thread *t, struct stream_conn *c)
{
	ssize_t got = recv(c->fd.fd, t->wire, STREAM_WIRE_CAP, MSG_DONTWAIT);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		c->half_closed = true;
	return tls_feed(c->tls, t->wire, (size_t)got) == 0 && conn_shake(t, c);
}

/* Returns false when the connection must be closed. */
static bool conn_receive(struct stream_thread *t, struct stream_conn *c)
{
	ssize_t got;

	if (c->tls != NULL)
		return conn_receive_tls(t, c);
	if (conn_grow(c) < 0)
		return false;
	got = recv(c->fd.fd, c->rx + c->rx_len, c->rx_cap - c->rx_len, MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		c->half_closed = true;
	c->rx_len += (uint32_t)got;
	return true;
}

/*
 * The next batch of a transfer, when the one before has left; a batch a turn, so that other clients have theirs. Returns
 * false when the connection must be closed.
 */
static bool conn_transfer(struct stream_thread *t, struct stream_conn *c)
{
	ssize_t len;

	if (xfrout_is_late(c->transfer, t->now_ms))
		return false;
	if (c->tx != NULL)
		return true;
	len = xfrout_fill(c->transfer, t->out, CUTTER_FRAME_MAX, t->now_ms);
	if (len == 0) {
		conn_end_transfer(t, c);
		return true;
	}
	t->out_len = len < 0 ? 0 : (uint32_t)len;
	return len > 0 && conn_send(t, c) == 0;
}

/* After anything that may have unblocked or finished the connection. */
static void conn_settle(struct stream_thread *t, struct stream_conn *c, bool ok)
{
	int more = 1;

	while (ok && more > 0 && conn_is_free(c)) {
		ok = conn_process(t, c);
		more = 0;
		if (ok && c->tls != NULL && conn_is_free(c))
			more = conn_unseal(t, c);
		ok = ok && more >= 0;
	}
	if (!ok || (c->half_closed && conn_is_free(c)))
		conn_close(t, c);
	else
		conn_watch(t, c);
}

void stream_conn_event(struct stream_thread *t, struct stream_conn *c, uint32_t events)
{
	bool ok = true;

	if (c->fd.fd < 0)
		return; /* closed earlier in this turn */
	if ((events & EPOLLERR) != 0)
		ok = false;
	else if (c->tx != NULL)
		ok = conn_send_pending(t, c) == 0;
	else if (c->transfer == NULL && c->notify == NULL)
		ok = conn_receive(t, c);
	else if ((events & EPOLLHUP) != 0)
		ok = false;
	if (ok && c->transfer != NULL)
		ok = conn_transfer(t, c);
	conn_settle(t, c, ok);
}

void stream_conn_reply(struct stream_thread *t, struct stream_notify *n)
{
	struct stream_conn *c = n->conn;
	bool ok = n->len > 0;

	c->notify = NULL;
	if (ok) {
		wire_store16(t->out, (uint16_t)n->len);
		memcpy(t->out + 2, n->msg, n->len);
		t->out_len = 2 + (uint32_t)n->len;
		stream_count(t, STREAM_CNT_responses, 1);
		ok = conn_send(t, c) == 0;
	}
	conn_settle(t, c, ok);
}

/*
 * At the limit the connection that has been idle longest makes room, so that a client that opens connections and
 * says nothing cannot keep others out (RFC 7766 6.2.3). One with a transfer is not idle, and its reader one of those that
 * may. Returns false when there is none to close.
 */
static bool close_oldest(struct stream_thread *t)
{
	struct stream_conn *oldest = TAILQ_FIRST(&t->conns);

	if (oldest == NULL)
		return false;
	stream_count(t, STREAM_CNT_closed_limit, 1);
	conn_close(t, oldest);
	return true;
}

static bool make_room(struct stream_thread *t)
{
	return t->conn_cnt < t->conn_max || close_oldest(t);
}

/* Returns 0 or -ENOMEM. */
static int conn_begin_tls(struct stream_thread *t, struct stream_conn *c)
{
	struct stream *s = t->stream;

	pthread_mutex_lock(&s->tls_lock);
	c->tls = tls_accept(s->tls);
	pthread_mutex_unlock(&s->tls_lock);
	return c->tls != NULL ? 0 : -ENOMEM;
}

/* Takes fd only when it returns true. */
static bool conn_open(struct stream_thread *t, int fd, const union config_sockaddr *client, bool tls)
{
	struct stream_conn *c = calloc(1, sizeof(*c));
	struct epoll_event ev = {.events = EPOLLIN};

	if (c == NULL)
		return false;
	c->fd = (struct stream_fd){.kind = STREAM_FD_CONN, .fd = fd};
	c->client = *client;
	c->active_ms = t->now_ms;
	c->watched = EPOLLIN;
	ev.data.ptr = &c->fd;
	if ((tls && conn_begin_tls(t, c) < 0) || epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		tls_free(c->tls);
		free(c);
		return false;
	}
	TAILQ_INSERT_TAIL(&t->conns, c, link);
	t->conn_cnt++;
	return true;
}

static void refuse(struct stream_thread *t, int fd, enum stream_counter counter)
{
	stream_count(t, counter, 1);
	close(fd);
}

/* Level-triggered: the next turn tries again, unless there is nothing that could be different then. */
static void accept_failed(struct stream_thread *t, int error)
{
	bool shortage = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;

	if (!shortage || close_oldest(t))
		return;
	stream_count(t, STREAM_CNT_no_descriptor, 1);
	stream_thread_rest(t);
}

void stream_conn_accept(struct stream_thread *t, const struct stream_fd *listener)
{
	struct stream_clients *clients = t->stream->clients;
	union config_sockaddr client;
	socklen_t len = sizeof(client);
	int fd = accept4(listener->fd, &client.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		accept_failed(t, errno);
		return;
	}
	if (clients != NULL && !stream_clients_enter(clients, &client)) {
		refuse(t, fd, STREAM_CNT_refused_client);
		return;
	}
	if (!make_room(t) || !conn_open(t, fd, &client, listener->kind == STREAM_FD_TLS_LISTENER)) {
		if (clients != NULL)
			stream_clients_leave(clients, &client);
		refuse(t, fd, STREAM_CNT_closed_limit);
		return;
	}
	stream_count(t, STREAM_CNT_accepted, 1);
	stream_count(t, STREAM_CNT_open, 1);
}

static bool is_idle(const struct stream_thread *t, const struct stream_conn *c)
{
	return t->now_ms - c->active_ms >= t->stream->env.config->tcp_idle_ms;
}

int stream_conn_next_ms(const struct stream_thread *t)
{
	const struct stream_conn *oldest = TAILQ_FIRST(&t->conns);
	uint64_t due = UINT64_MAX;

	if (oldest != NULL)
		due = oldest->active_ms + t->stream->env.config->tcp_idle_ms;
	if (!TAILQ_EMPTY(&t->sending) && t->sweep_ms < due)
		due = t->sweep_ms;
	if (due == UINT64_MAX)
		return -1;
	return due <= t->now_ms ? 0 : (int)(due - t->now_ms);
}

/* A reader that takes nothing raises no event. */
static void close_late(struct stream_thread *t)
{
	struct stream_conn *c, *next;

	for (c = TAILQ_FIRST(&t->sending); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (xfrout_is_late(c->transfer, t->now_ms))
			conn_close(t, c);
	}
	t->sweep_ms = t->now_ms + SWEEP_MS;
}

void stream_conn_expire(struct stream_thread *t)
{
	struct stream_conn *oldest;

	while ((oldest = TAILQ_FIRST(&t->conns)) != NULL && is_idle(t, oldest)) {
		stream_count(t, STREAM_CNT_closed_idle, 1);
		conn_close(t, oldest);
	}
	if (t->sweep_ms <= t->now_ms)
		close_late(t);
}

void stream_conn_close_all(struct stream_thread *t)
{
	struct stream_conn *c;

	while ((c = TAILQ_FIRST(&t->conns)) != NULL || (c = TAILQ_FIRST(&t->sending)) != NULL)
		conn_close(t, c);
}
