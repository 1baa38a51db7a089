/* The octets of a connection to a primary: connect, handshake, write, read. */
#include "control/link_internal.h"

#include <errno.h>
#include <stdlib.h>

/* One write; freed when it is done. */
struct sending {
	uv_write_t write;
	uint8_t octets[];
};

static void on_written(uv_write_t *write, int status)
{
	struct sending *s = (struct sending *)((char *)write - offsetof(struct sending, write));
	struct link *l = write->handle->data;

	free(s);
	/* What was received before a reset may be complete: then the reader sees the end next. */
	if (status < 0 && status != UV_ECANCELED && !l->reading)
		link_close(l, "send the request: %s", uv_strerror(status));
}

/* Takes s. */
static void send_off(struct link *l, struct sending *s, size_t len)
{
	uv_buf_t buf = uv_buf_init((char *)s->octets, (unsigned)len);
	int ret = len == 0 ? UV_ECANCELED : uv_write(&s->write, (uv_stream_t *)&l->tcp, &buf, 1, on_written);

	if (ret < 0)
		free(s);
	if (ret < 0 && len > 0)
		link_close(l, "send the request: %s", uv_strerror(ret));
}

/* Seals octets, or with none what the protocol itself has to say. */
static void send_sealed(struct link *l, const uint8_t *octets, size_t len)
{
	size_t max = tls_sealed_max(l->tls, len);
	struct sending *s = malloc(sizeof(*s) + max);
	ssize_t sealed;

	if (s == NULL) {
		link_close(l, "out of memory");
		return;
	}
	sealed = tls_seal(l->tls, octets, len, s->octets);
	if (sealed < 0) {
		free(s);
		link_close(l, "TLS: %s", tls_error(l->tls));
		return;
	}
	send_off(l, s, (size_t)sealed);
}

void link_send(struct link *l, const struct link_request *r)
{
	struct sending *s;

	if (l->tls != NULL) {
		send_sealed(l, r->wire, r->wire_len);
		return;
	}
	s = malloc(sizeof(*s) + r->wire_len);
	if (s == NULL) {
		link_close(l, "out of memory");
		return;
	}
	memcpy(s->octets, r->wire, r->wire_len);
	send_off(l, s, r->wire_len);
}

void link_say_end(struct link *l)
{
	uint8_t alert[64];
	uv_buf_t buf = uv_buf_init((char *)alert, 0);
	ssize_t sealed = -1;

	tls_end(l->tls);
	if (tls_sealed_max(l->tls, 0) <= sizeof(alert))
		sealed = tls_seal(l->tls, NULL, 0, alert);
	if (sealed <= 0)
		return;
	buf.len = (size_t)sealed;
	uv_try_write((uv_stream_t *)&l->tcp, &buf, 1);
}

/* --- who gets what was said --- */

struct link_request *link_find_id(struct link *l, uint16_t id)
{
	struct link_request *r;

	TAILQ_FOREACH(r, &l->requests, entry)
	if (wire_load16(r->wire + 2) == id)
		return r;
	return NULL;
}

/* Whether it is the answer to a request that was given up: each has one. */
static bool is_late(struct link *l, uint16_t id)
{
	for (unsigned i = 0; i < l->given_up_cnt; i++) {
		if (l->given_up[i] == id) {
			l->given_up[i] = l->given_up[--l->given_up_cnt];
			return true;
		}
	}
	return false;
}

/*
 * A message shorter than an id is nobody's. So is one with an id that nobody has or had: the server or whoever is in
 * between mixes up connections. Both end the connection. One that comes too late does not.
 */
static void give_message(struct link *l, uint8_t *msg, size_t len, bool last)
{
	struct link_request *r = len >= 2 ? link_find_id(l, wire_load16(msg)) : NULL;

	if (r == NULL && len >= 2 && is_late(l, wire_load16(msg)))
		return;
	if (r == NULL && l->request_cnt == 1)
		r = TAILQ_FIRST(&l->requests); /* it can say best what is wrong with it */
	if (r == NULL) {
		link_close(l, "a message that answers no query");
		return;
	}
	/* More than was asked for is there: what it answers is not to be known. */
	if (!last && l->request_cnt == 1)
		l->spoilt = true;
	r->heard = true;
	r->calls.octets(r->calls.arg, msg, len);
}

static void give_messages(struct link *l, uint8_t *octets, size_t len)
{
	struct cutter_span in = {octets, len}, msg;

	if (l->cutter.carry == NULL)
		l->cutter.carry = malloc(CUTTER_FRAME_MAX);
	if (l->cutter.carry == NULL) {
		link_close(l, "out of memory");
		return;
	}
	while (l->state == LINK_OPEN && cutter_feed(&l->cutter, &in, &msg))
		give_message(l, msg.at, msg.len, in.len == 0);
}

/* Octets that nobody asked for end a connection. Returns whether more may come. */
static bool give(struct link *l, uint8_t *octets, size_t len)
{
	struct link_request *r = TAILQ_FIRST(&l->requests);

	if (r == NULL) {
		link_close(l, "%s", "");
	} else if (!l->stream) {
		give_messages(l, octets, len);
	} else {
		r->heard = true;
		l->paused = !r->calls.octets(r->calls.arg, octets, len);
	}
	return l->state == LINK_OPEN && !l->paused;
}

/* --- TLS --- */

static void fail_tls(struct link *l)
{
	l->all->cnt[LINK_CNT_tls_failed]++;
	/* A ticket that is no good must not be in the way again. */
	if (l->state == LINK_SHAKING && !l->spoilt)
		tls_ticket_fini(&l->peer->ticket);
	link_close(l, "TLS: %s", tls_error(l->tls));
}

static void shake(struct link *l)
{
	enum tls_state state = tls_shake(l->tls);

	send_sealed(l, NULL, 0);
	if (state == TLS_FAILED) {
		fail_tls(l);
	} else if (state == TLS_OPEN && l->state == LINK_SHAKING) {
		l->all->cnt[LINK_CNT_tls_opened]++;
		l->all->cnt[LINK_CNT_tls_resumed] += tls_is_resumed(l->tls);
		link_opened(l);
	}
}

/* All that has come, many records at a time. */
static void unseal(struct link *l)
{
	enum tls_state state = TLS_OPEN;

	while (state == TLS_OPEN && l->state == LINK_OPEN && !l->paused) {
		uint8_t *plain = l->all->plain;
		size_t len = 0, got;

		/* A record has up to 16 KiB. */
		while (state == TLS_OPEN && LINK_PLAIN_CAP - len >= 16384) {
			state = tls_read(l->tls, plain + len, LINK_PLAIN_CAP - len, &got);
			len += got;
		}
		if (len > 0)
			give(l, plain, len);
	}
	if (l->state != LINK_OPEN || l->paused)
		return;
	send_sealed(l, NULL, 0);
	if (state == TLS_FAILED)
		fail_tls(l);
	else if (state == TLS_CLOSED)
		link_close(l, "%s", "");
}

/* --- the socket --- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct link *l = handle->data;

	buf->base = (char *)l->all->env.buf;
	buf->len = l->all->env.buf_cap;
}

static void take_sealed(struct link *l, const uv_buf_t *buf, size_t len)
{
	if (tls_feed(l->tls, buf->base, len) < 0) {
		link_close(l, "out of memory");
		return;
	}
	if (l->state == LINK_SHAKING)
		shake(l);
	if (l->state == LINK_OPEN)
		unseal(l);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
	struct link *l = stream->data;

	if (len == 0 || l->state == LINK_CLOSING)
		return;
	if (len == UV_EOF && l->state == LINK_SHAKING)
		link_close(l, "TLS: the primary closed the connection in the handshake");
	else if (len == UV_EOF)
		link_close(l, "%s", "");
	else if (len < 0)
		link_close(l, "read: %s", uv_strerror((int)len));
	else if (l->tls != NULL)
		take_sealed(l, buf, (size_t)len);
	else
		give(l, (uint8_t *)buf->base, (size_t)len);
	if (l->paused && l->reading && l->state == LINK_OPEN) {
		uv_read_stop(stream);
		l->reading = false;
	}
}

void link_read_on(struct link *l)
{
	int ret;

	l->paused = false;
	if (l->tls != NULL && l->state == LINK_OPEN)
		unseal(l);
	if (l->paused || l->reading || l->state == LINK_CLOSING)
		return;
	ret = uv_read_start((uv_stream_t *)&l->tcp, on_alloc, on_read);
	l->reading = ret == 0;
	if (ret < 0)
		link_close(l, "read: %s", uv_strerror(ret));
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct link *l = connect->handle->data;

	if (status == UV_ECANCELED || l->state == LINK_CLOSING)
		return; /* we closed it */
	if (status < 0) {
		link_close(l, "connect: %s", uv_strerror(status));
		return;
	}
	if (l->tls != NULL) {
		l->state = LINK_SHAKING;
		shake(l);
	} else {
		link_opened(l);
	}
	link_read_on(l);
}

int link_connect(struct link *l, const struct config_primary *p)
{
	int ret = 0;

	if (p->tls != NULL) {
		l->tls = tls_connect(p->tls->client, l->spoilt ? NULL : &l->peer->ticket);
		if (l->tls == NULL)
			return -ENOMEM;
	}
	if (p->source.sa.sa_family != AF_UNSPEC)
		ret = uv_tcp_bind(&l->tcp, &p->source.sa, 0);
	if (ret == 0)
		ret = uv_tcp_connect(&l->connect, &l->tcp, &p->address.sa, on_connected);
	if (ret == 0)
		ret = uv_tcp_nodelay(&l->tcp, 1);
	return ret;
}
