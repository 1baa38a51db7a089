/*
 * Life of the stream threads, and the way of a NOTIFY from them to the control loop and back.
 */
#include "control/stream.h"

#include "control/descriptors.h"
#include "control/log.h"
#include "control/stream_thread.h"
#include "dataplane/zone/acl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const struct counter_text stream_counter_text[STREAM_COUNTER_CNT] = {
#define X(name, help) {#name, help},
	STREAM_COUNTERS(X)
#undef X
};

/* The sender's number; 0: a stranger. */
static uint32_t peer_number(const struct stream *s, const union config_sockaddr *client)
{
	const struct acl *peers = config_now(s->env.config)->net.peers;

	if (peers == NULL)
		return 0;
	if (client->sa.sa_family == AF_INET)
		return acl_number(peers, 4, (const uint8_t *)&client->in4.sin_addr);
	return acl_number(peers, 6, client->in6.sin6_addr.s6_addr);
}

static bool hand_over(struct stream_thread *t, struct stream_notify *n)
{
	struct stream *s = t->stream;

	switch (stream_queue_put(&s->queue, n, peer_number(s, &n->client))) {
	case SHARE_PLACE:
		uv_async_send(&s->async);
		return true;
	case SHARE_USED:
		stream_count(t, STREAM_CNT_notify_share, 1);
		break;
	case SHARE_STRANGER:
		stream_count(t, STREAM_CNT_notify_stranger, 1);
		break;
	case SHARE_FULL:
		stream_count(t, STREAM_CNT_notify_full, 1);
		break;
	}
	return false;
}

bool stream_notify_send(struct stream_thread *t, struct stream_conn *conn, int udp_fd,
			const union config_sockaddr *client, const uint8_t *msg, size_t len)
{
	struct stream_notify *n;

	if (len > sizeof(n->msg))
		return false;
	n = malloc(sizeof(*n));
	if (n == NULL)
		return false;
	n->thread = t;
	n->conn = conn;
	n->udp_fd = udp_fd;
	n->client = *client;
	n->rx_ns = uv_hrtime();
	n->len = len;
	memcpy(n->msg, msg, len);
	if (!hand_over(t, n)) {
		free(n);
		return false;
	}
	if (conn != NULL)
		conn->notify = n;
	return true;
}

/* Bounded: a storm must not keep the loop from its timers. The rest comes in its next turn. */
static void on_queue(uv_async_t *async)
{
	struct stream *s = async->data;

	for (unsigned i = 0; i < STREAM_NOTIFY_MAX; i++) {
		struct stream_notify *n = stream_queue_take(&s->queue);
		struct stream_thread *t;

		if (n == NULL)
			return;
		t = n->thread;
		n->len = zones_notify(s->env.zones, n->msg, n->len, sizeof(n->msg), &n->client, n->rx_ns);
		pthread_mutex_lock(&t->lock);
		TAILQ_INSERT_TAIL(&t->replies, n, link);
		pthread_mutex_unlock(&t->lock);
		stream_thread_wake(t);
	}
	uv_async_send(async);
}

static int threads_open(struct stream *s, struct net_error *err)
{
	s->threads = calloc(s->env.config->tcp_threads, sizeof(*s->threads));
	if (s->threads == NULL)
		return -ENOMEM;
	for (; s->thread_cnt < s->env.config->tcp_threads; s->thread_cnt++) {
		struct stream_thread *t = &s->threads[s->thread_cnt];
		int rc;

		t->stream = s;
		rc = stream_thread_open(t, err);
		if (rc < 0) {
			stream_thread_close(t);
			return rc;
		}
	}
	return 0;
}

static int threads_start(struct stream *s)
{
	for (unsigned i = 0; i < s->thread_cnt; i++) {
		struct stream_thread *t = &s->threads[i];
		int rc = pthread_create(&t->thread, NULL, stream_thread_main, t);

		if (rc != 0)
			return -rc;
		t->started = true;
		pthread_setname_np(t->thread, "stream");
	}
	return 0;
}

static void threads_join(struct stream *s)
{
	for (unsigned i = 0; i < s->thread_cnt; i++) {
		struct stream_thread *t = &s->threads[i];

		if (!t->started)
			continue;
		__atomic_store_n(&t->stop, true,
				 __ATOMIC_RELEASE); /* pairs with the load in stream_thread_main */
		stream_thread_wake(t);
		pthread_join(t->thread, NULL);
		t->started = false;
	}
}

static void threads_close(struct stream *s)
{
	for (unsigned i = 0; i < s->thread_cnt; i++)
		stream_thread_close(&s->threads[i]);
	free(s->threads);
	s->threads = NULL;
	s->thread_cnt = 0;
}

/*
 * Of what is open beside clients and the threads' sockets: ports, libraries' own, control clients. Transfers may want all
 * that they are allowed.
 */
#define DESCRIPTORS_KEPT 100

static unsigned conns_max(const struct stream *s)
{
	const struct config *c = s->env.config;
	unsigned sockets =
		c->tcp_threads * (STREAM_SOCKETS_PER_ADDRESS * c->listen_cnt + STREAM_DESCRIPTORS_OWN);
	unsigned others = DESCRIPTORS_KEPT + sockets + c->transfers_in.running_max * 2 +
			  c->transfers_in.queries_max * 2;
	unsigned max = descriptors_for_clients(c->tcp_clients_max, others);

	if (max < c->tcp_clients_max)
		log_event(s->env.log, LOG_WARNING, "tcp-clients-limited", NULL, NULL,
			  "clients=%u reason=\"tcp.clients is %u, but zones need file descriptors too: raise "
			  "the "
			  "limit (LimitNOFILE=, ulimit -n)\"",
			  max, c->tcp_clients_max);
	return max;
}

/* What the threads share. */
static int shared_make(struct stream *s, struct net_error *err)
{
	const struct config *c = s->env.config;
	char error[TLS_TEXT_CAP];
	int rc;

	if (c->tcp_clients_per_address_max > 0) {
		/* As many as all threads together may have, rounded up for each. */
		s->clients =
			stream_clients_new(c->tcp_clients_per_address_max, s->conns_max + c->tcp_threads);
		if (s->clients == NULL)
			return -ENOMEM;
	}
	if (c->tls_spec.certificate == NULL)
		return 0;
	rc = tls_server_new(&c->tls_spec, &s->tls, error);
	if (rc < 0)
		snprintf(err->text, sizeof(err->text), "server.tls: %.200s", error);
	return rc;
}

static void shared_free(struct stream *s)
{
	stream_clients_free(s->clients);
	tls_server_free(s->tls);
	pthread_mutex_destroy(&s->tls_lock);
	stream_queue_fini(&s->queue);
}

int stream_reload_tls(struct stream *s, char error[TLS_TEXT_CAP])
{
	struct tls_server *fresh, *old;
	int rc;

	if (s->tls == NULL) {
		snprintf(error, TLS_TEXT_CAP, "TLS is not served: the configuration has no server.tls");
		return -ENOENT;
	}
	rc = tls_server_new(&s->env.config->tls_spec, &fresh, error);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->tls_lock);
	old = s->tls;
	s->tls = fresh; // COMMIT
	pthread_mutex_unlock(&s->tls_lock);
	tls_server_free(old);
	return 0;
}

int stream_start(const struct stream_env *env, struct stream **out, struct net_error *err)
{
	struct stream *s = calloc(1, sizeof(*s));
	int rc = -ENOMEM;

	if (s == NULL)
		goto no_memory;
	s->env = *env;
	stream_queue_init(&s->queue);
	pthread_mutex_init(&s->tls_lock, NULL);
	s->async.data = s;
	s->conns_max = conns_max(s);
	rc = shared_make(s, err);
	if (rc == 0)
		rc = threads_open(s, err);
	if (rc < 0)
		goto close_threads;
	rc = uv_async_init(env->loop, &s->async, on_queue);
	if (rc < 0)
		goto close_threads;
	s->async_open = true;
	rc = threads_start(s);
	if (rc < 0)
		goto join_threads;
	*out = s;
	return 0;

join_threads:
	/* The async handle is the loop's until it has closed, and s with it: the process is about to exit. */
	threads_join(s);
	uv_close((uv_handle_t *)&s->async, NULL);
	snprintf(err->text, sizeof(err->text), "cannot start the stream threads: %s", strerror(-rc));
	return rc;
close_threads:
	threads_close(s);
	shared_free(s);
	free(s);
no_memory:
	if (rc == -ENOMEM)
		snprintf(err->text, sizeof(err->text), "cannot start the stream threads: out of memory");
	return rc;
}

static void on_closed(uv_handle_t *handle)
{
	struct stream *s = handle->data;

	s->async_open = false;
	s->stopped(s->stopped_arg);
}

void stream_stop(struct stream *s, void (*done)(void *arg), void *arg)
{
	s->stopped = done;
	s->stopped_arg = arg;
	threads_join(s);
	uv_close((uv_handle_t *)&s->async, on_closed);
}

void stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	threads_close(s);
	shared_free(s);
	free(s);
}

void stream_counters(const struct stream *s, uint64_t out[STREAM_COUNTER_CNT])
{
	memset(out, 0, sizeof(uint64_t) * STREAM_COUNTER_CNT);
	for (unsigned i = 0; i < s->thread_cnt; i++)
		for (unsigned c = 0; c < STREAM_COUNTER_CNT; c++)
			out[c] += __atomic_load_n(&s->threads[i].counters[c], __ATOMIC_RELAXED);
}

unsigned stream_engine_cnt(const struct stream *s)
{
	return s->thread_cnt;
}

const struct answer_engine *stream_engine(const struct stream *s, unsigned i)
{
	return s->threads[i].engine;
}

void stream_offer_config(struct stream *s, const struct answer_config *config)
{
	for (unsigned i = 0; i < s->thread_cnt; i++)
		answer_engine_offer_config(s->threads[i].engine, config);
}

void stream_answer_counters(const struct stream *s, uint64_t out[ANSWER_COUNTER_CNT])
{
	memset(out, 0, sizeof(uint64_t) * ANSWER_COUNTER_CNT);
	for (unsigned i = 0; i < s->thread_cnt; i++) {
		uint64_t one[ANSWER_COUNTER_CNT];

		answer_counters(s->threads[i].engine, one);
		for (unsigned c = 0; c < ANSWER_COUNTER_CNT; c++)
			out[c] += one[c];
	}
}
