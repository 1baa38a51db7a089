#include "control/xfr.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/random.h"

/* An IXFR answer of one newer SOA is complete if nothing follows for this long: a second packet would have come. */
#define LONE_SOA_MS 1000

/* One try over UDP: what is lost costs this long once, and TCP does not lose. */
#define UDP_MS 1000

struct xfr {
	struct xfr_env *env;
	struct xfr_request request;
	xfr_done_fn done;
	void *arg;
	struct build *build; /* NULL again when it has ended */
	struct link_request link;
	struct datagram *datagram; /* that waits for its answer; NULL: none does */
	uv_timer_t timer;
	bool udp; /* asked over UDP: no connection yet */
	bool cancelled;
	uint16_t id;
	char udp_failure[256]; /* empty: none */
	bool connected;
	bool given_up;
	uint64_t pushed; /* octets that the builder got */
	uint64_t started_ns;
	uint64_t started_ms;
	uint64_t octet_ms; /* when the last octet came */
	/* The stretch of time over which the rate is measured: since when, and what had been pushed then. */
	uint64_t stretch_ms, stretch_pushed;
	uint64_t watch_ms, watch_pushed; /* the same for xfr_pace */
	struct tsig tsig;		 /* with a key; the builder's while there is a build */
	uint8_t out[2 + XFRIN_REQUEST_MAX + TSIG_RECORD_MAX];
	char text[BUILD_TEXT_CAP]; /* why we gave up; empty: the builder knows better */
};

static void on_closed(uv_handle_t *handle)
{
	struct xfr *x = handle->data;
	struct xfr_env *env = x->env;

	tsig_fini(&x->tsig);
	free(x);
	if (--env->live == 0 && env->idle != NULL)
		env->idle(env->arg);
}

/* Reports and closes. The session is gone for its owner. clean: the connection may serve others. */
static void end(struct xfr *x, struct xfr_result *r, bool clean)
{
	link_end(&x->link, clean);
	datagram_close(x->datagram);
	uv_close((uv_handle_t *)&x->timer, on_closed);
	r->started_ns = x->started_ns;
	r->cancelled = x->cancelled;
	r->over_udp = x->udp && r->ok;
	r->udp_failure = x->udp_failure[0] != '\0' ? x->udp_failure : NULL;
	r->reached = x->connected || r->over_udp;
	x->done(x->arg, r);
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
	link_end(&x->link, false);
	build_cancel(x->build);
}

static void go_over_tcp(struct xfr *x, const char *why);

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
		.edns_refused = x->request.edns && b->verdict == XFRIN_RCODE && opt_may_be_why(b->rcode),
		.opt = b->opt,
		.first_ns = b->first_ns,
		.last_ns = b->last_ns,
		.built_ns = b->built_ns,
		.report = b->report,
		.gate = b->gate,
	};

	x->build = NULL;
	if (x->udp && !x->cancelled && b->verdict != XFRIN_DONE && b->verdict != XFRIN_UP_TO_DATE) {
		go_over_tcp(x, b->verdict == XFRIN_MORE && b->records == 1
				       ? "a single newer SOA: the differences do not fit"
				       : b->text);
		return;
	}
	TAILQ_INIT(&r.kept);
	TAILQ_CONCAT(&r.kept, &b->kept, link);
	r.ok = b->verdict == XFRIN_DONE || b->verdict == XFRIN_UP_TO_DATE;
	r.up_to_date = b->verdict == XFRIN_UP_TO_DATE;
	/* It may have been complete when we gave up: complete is complete. */
	if (!r.ok && x->text[0] != '\0' && !x->connected)
		snprintf(r.text, sizeof(r.text), "%s", x->text);
	else if (!r.ok && x->text[0] != '\0' && b->verdict == XFRIN_MORE)
		snprintf(r.text, sizeof(r.text), "%.600s, after %llu messages and %llu records", x->text,
			 (unsigned long long)b->messages, (unsigned long long)b->records);
	else if (!r.ok)
		snprintf(r.text, sizeof(r.text), "%s", b->text);
	/* Octets that were not used, each message's length apart, would be read as the next one's answer. */
	end(x, &r, r.ok && x->pushed == b->octets + 2 * b->messages);
}

static bool on_octets(void *arg, uint8_t *octets, size_t len)
{
	struct xfr *x = arg;
	int ret;

	x->octet_ms = uv_now(x->env->loop);
	x->pushed += len;
	ret = build_push(x->build, octets, len);
	if (ret < 0)
		give_up(x, "out of memory");
	return ret > 0;
}

static void on_ended(void *arg, const char *why)
{
	struct xfr *x = arg;

	snprintf(x->text, sizeof(x->text), "%s", why);
	build_end(x->build);
}

static void begin_stretch(struct xfr *x, uint64_t now)
{
	x->stretch_ms = now;
	x->stretch_pushed = x->pushed;
}

/* Never without a least rate. */
static uint64_t stretch_end(const struct xfr *x)
{
	if (!x->connected || x->request.rate_min == 0 || x->request.idle_max_s == 0)
		return UINT64_MAX;
	return x->stretch_ms + x->request.idle_max_s * UINT64_C(1000);
}

/* Only known at the end of a stretch. */
static bool is_slow(const struct xfr *x, uint64_t now)
{
	return now >= stretch_end(x) &&
	       (x->pushed - x->stretch_pushed) * 1000 < x->request.rate_min * (now - x->stretch_ms);
}

/* While nothing was read it was not the primary that was slow. */
static void on_room(void *arg)
{
	struct xfr *x = arg;

	if (x->given_up)
		return;
	x->octet_ms = uv_now(x->env->loop);
	begin_stretch(x, x->octet_ms);
	xfr_watch(x);
	link_resume(&x->link);
}

static void on_timer(uv_timer_t *timer);

/* The next moment at which a limit may have been reached. */
static void arm(struct xfr *x, uint64_t now)
{
	uint64_t at = UINT64_MAX;

	if (x->connected && x->request.idle_max_s != 0)
		at = x->octet_ms + x->request.idle_max_s * UINT64_C(1000);
	if (stretch_end(x) < at)
		at = stretch_end(x);
	if (x->request.qtype == DNS_TYPE_IXFR && now + LONE_SOA_MS < at)
		at = now + LONE_SOA_MS;
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
	bool silent = build_is_starved(x->build);
	bool complete = build_is_complete(x->build);

	if (now >= stretch_end(x) && !is_slow(x, now))
		begin_stretch(x, now);
	if (!complete && x->request.time_max_s != 0 &&
	    now >= x->started_ms + x->request.time_max_s * UINT64_C(1000))
		give_up(x, "not complete within %u s (transfer-time)", x->request.time_max_s);
	else if (silent && x->connected && x->request.idle_max_s != 0 &&
		 now >= x->octet_ms + x->request.idle_max_s * UINT64_C(1000))
		give_up(x, "no octet for %u s (transfer-idle)", x->request.idle_max_s);
	else if (silent && is_slow(x, now))
		give_up(x, "%llu octets in %llu s (transfer-rate-min: %u a second)",
			(unsigned long long)(x->pushed - x->stretch_pushed),
			(unsigned long long)((now - x->stretch_ms) / 1000), x->request.rate_min);
	else if (silent && x->connected && now >= x->octet_ms + LONE_SOA_MS && build_has_lone_soa(x->build))
		give_up(x, "a single newer SOA and no differences (RFC 1995 4)");
	else
		arm(x, now);
}

/* Maybe once more, when the first connection was one that the primary had closed. */
static void on_connected(void *arg)
{
	struct xfr *x = arg;

	x->connected = true;
	x->octet_ms = uv_now(x->env->loop);
	begin_stretch(x, x->octet_ms);
	arm(x, x->octet_ms);
}

static void describe_request(const struct xfr *x, struct xfrin_request *out)
{
	*out = (struct xfrin_request){.id = x->id,
				      .qtype = x->request.qtype,
				      .serial = x->request.serial,
				      .edns = x->request.edns,
				      .messages_max = x->request.messages_max,
				      .deltas_max = x->request.deltas_max};
	memcpy(out->apex, x->request.apex, NAME_LEN_MAX);
}

/* Length and message, for one write: RFC 7766 8. With an id of its own each time. Returns 0 or -errno. */
static int make_request(struct xfr *x)
{
	struct tsig_key *key = x->request.primary->key;
	struct xfrin_request request;
	size_t len;
	int ret = 0;

	x->id = random_u16();
	describe_request(x, &request);
	len = xfrin_request_put(&request, x->out + 2);
	tsig_fini(&x->tsig);
	if (key != NULL)
		ret = tsig_client_init(&x->tsig, key);
	if (key != NULL && ret == 0)
		ret = tsig_sign_request(&x->tsig, x->out + 2, sizeof(x->out) - 2, (uint64_t)time(NULL), &len);
	wire_store16(x->out, (uint16_t)len);
	return ret;
}

/* Who reads the answer. Returns 0 or -errno. */
static int open_build(struct xfr *x)
{
	const struct build_calls calls = {.room = on_room, .done = on_built, .arg = x};
	struct build_request b = {.base = x->request.base,
				  .limits = x->request.limits,
				  .gate = x->request.gate,
				  .tsig = x->request.primary->key != NULL ? &x->tsig : NULL,
				  .keep_max = x->request.keep_max};

	describe_request(x, &b.transfer);
	return build_open(x->env->builders, &b, &calls, &x->build);
}

/* The request signed, the builder ready, the connection under way. Returns 0 or -errno with nothing begun. */
static int begin_stream(struct xfr *x)
{
	int ret = make_request(x);

	if (ret == 0)
		ret = open_build(x);
	if (ret < 0)
		return ret;
	x->link = (struct link_request){
		.calls = {.connected = on_connected, .octets = on_octets, .ended = on_ended, .arg = x},
		.primary = x->request.primary,
		.wire = x->out,
		.wire_len = wire_load16(x->out) + 2u,
		.stream = true,
	};
	arm(x, x->started_ms);
	ret = link_ask(x->env->links, &x->link);
	if (ret < 0)
		give_up(x, "connect: %s", uv_strerror(ret));
	return 0;
}

/* --- over UDP --- */

static void end_unbuilt(struct xfr *x, const char *text)
{
	struct xfr_result r = {.ok = false};

	TAILQ_INIT(&r.kept);
	snprintf(r.text, sizeof(r.text), "%s", text);
	end(x, &r, false);
}

static void go_over_tcp(struct xfr *x, const char *why)
{
	int ret;

	if (x->cancelled) {
		end_unbuilt(x, x->text);
		return;
	}
	datagram_close(x->datagram);
	x->datagram = NULL;
	x->udp = false;
	snprintf(x->udp_failure, sizeof(x->udp_failure), "%s", why);
	x->pushed = 0;
	uv_timer_stop(&x->timer);
	ret = begin_stream(x);
	if (ret < 0)
		end_unbuilt(x, uv_strerror(ret));
}

/* What is not ours by its id is nobody's: anybody can send it. All else is for the builder to judge. */
static void on_datagram(void *arg, uint8_t *msg, size_t len)
{
	struct xfr *x = arg;
	uint8_t prefix[2];

	if (len < DNS_HEADER_LEN || wire_load16(msg) != x->id)
		return;
	datagram_close(x->datagram);
	x->datagram = NULL;
	uv_timer_stop(&x->timer);
	wire_store16(prefix, (uint16_t)len);
	if (open_build(x) < 0) {
		end_unbuilt(x, "out of memory");
		return;
	}
	if (build_push(x->build, prefix, sizeof(prefix)) < 0 || build_push(x->build, msg, len) < 0)
		build_cancel(x->build);
	else
		build_end(x->build);
}

static void on_datagram_failed(void *arg, int error)
{
	go_over_tcp(arg, uv_strerror(error));
}

static void on_datagram_timer(uv_timer_t *timer)
{
	go_over_tcp(timer->data, "no answer");
}

static int begin_datagram(struct xfr *x)
{
	const struct datagram_calls calls = {.received = on_datagram, .failed = on_datagram_failed, .arg = x};
	int ret = make_request(x);

	x->udp = true;
	if (ret == 0)
		ret = datagram_send(x->env->datagrams, x->request.primary, x->out + 2, wire_load16(x->out),
				    &calls, &x->datagram);
	if (ret == 0)
		uv_timer_start(&x->timer, on_datagram_timer, UDP_MS, 0);
	return ret;
}

static int begin(struct xfr *x)
{
	if (x->request.udp && x->request.qtype == DNS_TYPE_IXFR && begin_datagram(x) == 0)
		return 0;
	x->udp = false;
	return begin_stream(x);
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
	x->started_ns = uv_hrtime();
	x->started_ms = x->watch_ms = uv_now(env->loop);
	uv_timer_init(env->loop, &x->timer);
	x->timer.data = x;
	env->live++;
	ret = begin(x);
	if (ret < 0) {
		uv_close((uv_handle_t *)&x->timer, on_closed);
		return ret;
	}
	*out = x;
	return 0;
}

void xfr_cancel(struct xfr *x, const char *why)
{
	x->cancelled = true;
	if (x->build != NULL) {
		give_up(x, "%s", why);
		return;
	}
	snprintf(x->text, sizeof(x->text), "%s", why);
	uv_timer_start(&x->timer, on_datagram_timer, 0, 0);
}

/* --- pace --- */

bool xfr_is_ending(const struct xfr *x)
{
	return x->cancelled || x->given_up;
}

bool xfr_pace(const struct xfr *x, struct xfr_pace *out)
{
	if (xfr_is_ending(x) || x->udp || x->build == NULL || !build_is_starved(x->build))
		return false;
	*out = (struct xfr_pace){.octets = x->pushed - x->watch_pushed,
				 .ms = uv_now(x->env->loop) - x->watch_ms};
	return true;
}

void xfr_watch(struct xfr *x)
{
	x->watch_ms = uv_now(x->env->loop);
	x->watch_pushed = x->pushed;
}
