#include "control/xfr.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/random.h"

/* A primary that does not answer a SYN for this long is not there; the next attempt or the next primary is. */
#define CONNECT_MAX_MS 10000

struct xfr {
	struct xfr_env *env;
	struct xfr_request request;
	xfr_done_fn done;
	void *arg;
	struct build *build; /* from the connection on; NULL again when it has ended */
	uv_tcp_t tcp;
	uv_timer_t timer;
	uv_connect_t connect;
	uv_write_t write;
	unsigned handles; /* to be closed before this may be freed */
	bool connected;
	bool reading;
	bool stream_ended;
	bool given_up;
	uint16_t id;
	uint64_t started_ns;
	uint64_t started_ms;
	uint64_t octet_ms; /* when the last octet came */
	struct tsig tsig;  /* with a key; the builder's while there is a build */
	uint8_t out[2 + XFRIN_REQUEST_MAX + TSIG_RECORD_MAX];
	char text[BUILD_TEXT_CAP]; /* why we gave up; empty: the builder knows better */
};

static void on_closed(uv_handle_t *handle)
{
	struct xfr *x = handle->data;
	struct xfr_env *env = x->env;

	if (--x->handles > 0)
		return;
	tsig_fini(&x->tsig);
	free(x);
	if (--env->live == 0 && env->idle != NULL)
		env->idle(env->arg);
}

/* Reports and closes. The session is gone for its owner. */
static void end(struct xfr *x, struct xfr_result *r)
{
	x->reading = false;
	uv_close((uv_handle_t *)&x->tcp, on_closed);
	uv_close((uv_handle_t *)&x->timer, on_closed);
	r->started_ns = x->started_ns;
	r->reached = x->connected;
	x->done(x->arg, r);
}

/* No builder is involved (any more). */
static void end_failed(struct xfr *x)
{
	struct xfr_result r = {0};

	snprintf(r.text, sizeof(r.text), "%s", x->text);
	end(x, &r);
}

__attribute__((format(printf, 2, 3))) static void give_up(struct xfr *x, const char *fmt, ...)
{
	va_list ap;

	if (x->text[0] == '\0') {
		va_start(ap, fmt);
		vsnprintf(x->text, sizeof(x->text), fmt, ap);
		va_end(ap);
	}
	x->given_up = true;
	uv_timer_stop(&x->timer);
	if (x->reading)
		uv_read_stop((uv_stream_t *)&x->tcp);
	x->reading = false;
	if (x->build != NULL)
		build_cancel(x->build);
	else
		end_failed(x);
}

static void on_built(void *arg, struct build_result *b)
{
	struct xfr *x = arg;
	struct xfr_result r = {
		.snapshot = b->snapshot,
		.soa = b->soa,
		.octets = b->octets,
		.messages = b->messages,
		.records = b->records,
		/* SERVFAIL may be a passing trouble. */
		.refused = (b->verdict == XFRIN_RCODE && b->rcode != DNS_RCODE_SERVFAIL) ||
			   b->verdict == XFRIN_EMPTY,
		.changes = b->changes,
		.deltas = b->deltas,
		.added = b->added,
		.removed = b->removed,
		.not_authoritative = b->not_authoritative,
		.report = b->report,
	};

	x->build = NULL;
	r.ok = b->verdict == XFRIN_DONE || b->verdict == XFRIN_UP_TO_DATE;
	r.up_to_date = b->verdict == XFRIN_UP_TO_DATE;
	/* It may have been complete when we gave up: complete is complete. */
	if (!r.ok && x->text[0] != '\0' && b->verdict == XFRIN_MORE)
		snprintf(r.text, sizeof(r.text), "%.600s, after %llu messages and %llu records", x->text,
			 (unsigned long long)b->messages, (unsigned long long)b->records);
	else if (!r.ok)
		snprintf(r.text, sizeof(r.text), "%s", b->text);
	end(x, &r);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct xfr *x = handle->data;

	buf->base = (char *)x->env->buf;
	buf->len = x->env->buf_cap;
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
	struct xfr *x = stream->data;
	int ret;

	if (len == 0)
		return;
	if (len < 0) {
		uv_read_stop(stream);
		x->reading = false;
		x->stream_ended = true;
		if (len != UV_EOF)
			snprintf(x->text, sizeof(x->text), "read: %s", uv_strerror((int)len));
		build_end(x->build);
		return;
	}
	x->octet_ms = uv_now(x->env->loop);
	ret = build_push(x->build, buf->base, (size_t)len);
	if (ret < 0) {
		give_up(x, "out of memory");
	} else if (ret == 0) {
		uv_read_stop(stream);
		x->reading = false;
	}
}

static void read_on(struct xfr *x)
{
	int ret = uv_read_start((uv_stream_t *)&x->tcp, on_alloc, on_read);

	x->octet_ms = uv_now(x->env->loop);
	x->reading = ret == 0;
	if (ret < 0)
		give_up(x, "read: %s", uv_strerror(ret));
}

static void on_room(void *arg)
{
	struct xfr *x = arg;

	if (!x->reading && !x->stream_ended && !x->given_up)
		read_on(x);
}

static void on_timer(uv_timer_t *timer);

/* The next moment at which a limit may have been reached. */
static void arm(struct xfr *x, uint64_t now)
{
	uint64_t at = UINT64_MAX;

	if (!x->connected)
		at = x->started_ms + CONNECT_MAX_MS;
	else if (x->request.idle_max_s != 0)
		at = x->octet_ms + x->request.idle_max_s * UINT64_C(1000);
	if (x->request.time_max_s != 0 && x->started_ms + x->request.time_max_s * UINT64_C(1000) < at)
		at = x->started_ms + x->request.time_max_s * UINT64_C(1000);
	if (at != UINT64_MAX)
		uv_timer_start(&x->timer, on_timer, at > now ? at - now : 1000, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct xfr *x = timer->data;
	uint64_t now = uv_now(x->env->loop);
	/* While the builder has work it is not the primary that is slow, and what is complete is only to be built. */
	bool silent = x->build == NULL || build_is_starved(x->build);
	bool complete = x->build != NULL && build_is_complete(x->build);

	if (!x->connected && now >= x->started_ms + CONNECT_MAX_MS)
		give_up(x, "connect: no answer for %d s", CONNECT_MAX_MS / 1000);
	else if (!complete && x->request.time_max_s != 0 &&
		 now >= x->started_ms + x->request.time_max_s * UINT64_C(1000))
		give_up(x, "not complete within %u s (transfer-time)", x->request.time_max_s);
	else if (silent && x->connected && x->request.idle_max_s != 0 &&
		 now >= x->octet_ms + x->request.idle_max_s * UINT64_C(1000))
		give_up(x, "no octet for %u s (transfer-idle)", x->request.idle_max_s);
	else
		arm(x, now);
}

static void on_written(uv_write_t *write, int status)
{
	struct xfr *x = write->handle->data;

	/* A reset is seen by the reader too; what was received before it may be complete. */
	if (status < 0 && status != UV_ECANCELED && x->build != NULL && x->text[0] == '\0')
		snprintf(x->text, sizeof(x->text), "send the request: %s", uv_strerror(status));
}

/* Length and message, for one write: RFC 7766 8. Returns 0 or -errno. */
static int make_request(struct xfr *x, const struct xfrin_request *request)
{
	struct tsig_key *key = x->request.primary->key;
	size_t len = xfrin_request_put(request, x->out + 2);
	int ret = 0;

	if (key != NULL)
		ret = tsig_client_init(&x->tsig, key);
	if (key != NULL && ret == 0)
		ret = tsig_sign_request(&x->tsig, x->out + 2, sizeof(x->out) - 2, (uint64_t)time(NULL), &len);
	wire_store16(x->out, (uint16_t)len);
	return ret;
}

static void send_request(struct xfr *x)
{
	uv_buf_t buf = uv_buf_init((char *)x->out, wire_load16(x->out) + 2u);
	int ret = uv_write(&x->write, (uv_stream_t *)&x->tcp, &buf, 1, on_written);

	if (ret < 0)
		give_up(x, "send the request: %s", uv_strerror(ret));
	else
		read_on(x);
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct xfr *x = connect->handle->data;
	const struct build_calls calls = {.room = on_room, .done = on_built, .arg = x};
	struct build_request b = {.base = x->request.base,
				  .limits = x->request.limits,
				  .tsig = x->request.primary->key != NULL ? &x->tsig : NULL};
	int ret;

	if (status == UV_ECANCELED)
		return; /* we closed it */
	if (status < 0) {
		give_up(x, "connect: %s", uv_strerror(status));
		return;
	}
	x->connected = true;
	x->octet_ms = uv_now(x->env->loop);
	memcpy(b.transfer.apex, x->request.apex, NAME_LEN_MAX);
	b.transfer.id = x->id;
	b.transfer.qtype = x->request.qtype;
	b.transfer.serial = x->request.serial;
	ret = make_request(x, &b.transfer);
	if (ret < 0) {
		give_up(x, "sign the request: %s", uv_strerror(ret));
		return;
	}
	if (build_open(x->env->builders, &b, &calls, &x->build) < 0) {
		give_up(x, "out of memory");
		return;
	}
	arm(x, x->octet_ms);
	send_request(x);
}

static int open_connection(struct xfr *x)
{
	const struct config_primary *p = x->request.primary;
	int ret = 0;

	if (p->source.sa.sa_family != AF_UNSPEC)
		ret = uv_tcp_bind(&x->tcp, &p->source.sa, 0);
	if (ret == 0)
		ret = uv_tcp_connect(&x->connect, &x->tcp, &p->address.sa, on_connected);
	if (ret == 0)
		ret = uv_tcp_nodelay(&x->tcp, 1);
	return ret;
}

int xfr_start(struct xfr_env *env, const struct xfr_request *request, xfr_done_fn done, void *arg,
	      struct xfr **out)
{
	struct xfr *x = calloc(1, sizeof(*x));
	int ret;

	if (x == NULL)
		return -ENOMEM;
	x->env = env;
	x->request = *request;
	x->done = done;
	x->arg = arg;
	x->id = random_u16();
	x->started_ns = uv_hrtime();
	x->started_ms = uv_now(env->loop);
	ret = uv_tcp_init_ex(env->loop, &x->tcp, request->primary->address.sa.sa_family);
	if (ret < 0) {
		free(x);
		return ret;
	}
	uv_timer_init(env->loop, &x->timer);
	x->tcp.data = x;
	x->timer.data = x;
	x->handles = 2;
	env->live++;
	ret = open_connection(x);
	if (ret < 0) {
		uv_close((uv_handle_t *)&x->tcp, on_closed);
		uv_close((uv_handle_t *)&x->timer, on_closed);
		return ret;
	}
	arm(x, x->started_ms);
	*out = x;
	return 0;
}

void xfr_cancel(struct xfr *x)
{
	give_up(x, "cancelled");
}
