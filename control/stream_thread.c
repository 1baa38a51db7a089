/*
 * A stream thread: sockets, loop, and UDP that reached the kernel instead of a worker (queries from this machine,
 * IP fragments, ports without a data path).
 */
#include "control/stream_thread.h"

#include "dataplane/net/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <urcu-qsbr.h>

#define LISTEN_BACKLOG 1024
#define EVENTS_MAX     64
#define UDP_PER_TURN   32  /* datagrams taken from one socket before others have their turn */
#define REST_MS	       100 /* what a client may have to wait longer, and what trying again costs */

static uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static socklen_t address_fill(const struct net_address *a, uint16_t port, union config_sockaddr *out)
{
	memset(out, 0, sizeof(*out));
	if (a->family == 4) {
		out->in4.sin_family = AF_INET;
		out->in4.sin_port = htons(port);
		memcpy(&out->in4.sin_addr, a->addr, 4);
		return sizeof(out->in4);
	}
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_port = htons(port);
	memcpy(&out->in6.sin6_addr, a->addr, 16);
	return sizeof(out->in6);
}

/*
 * SO_REUSEPORT spreads clients over the threads; FREEBIND lets the daemon start before the address is up, as with an
 * anycast address that routing brings up later.
 */
static int socket_options(int fd, int family, int type)
{
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) < 0)
		return -errno;
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -errno;
	if (type == SOCK_STREAM && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -errno;
	return 0;
}

static int socket_open(const union config_sockaddr *a, socklen_t len, int type)
{
	int fd = socket(a->sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	rc = socket_options(fd, a->sa.sa_family, type);
	if (rc == 0 && bind(fd, &a->sa, len) < 0)
		rc = -errno;
	if (rc == 0 && type == SOCK_STREAM && listen(fd, LISTEN_BACKLOG) < 0)
		rc = -errno;
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

static int watch(struct stream_thread *t, struct stream_fd *f)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = f};

	return epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, f->fd, &ev) < 0 ? -errno : 0;
}

static int socket_add(struct stream_thread *t, const struct net_address *address, enum stream_fd_kind kind,
		      struct net_error *err)
{
	struct stream_fd *f = &t->sockets[t->socket_cnt];
	uint16_t port = kind == STREAM_FD_TLS_LISTENER ? t->stream->env.config->tls_port : DNS_PORT;
	int type = kind == STREAM_FD_UDP ? SOCK_DGRAM : SOCK_STREAM;
	union config_sockaddr a;
	socklen_t len = address_fill(address, port, &a);
	char text[CONFIG_ADDRESS_TEXT_CAP];
	int rc = socket_open(&a, len, type);

	if (rc >= 0) {
		f->kind = kind;
		f->fd = rc;
		t->socket_cnt++;
		rc = watch(t, f);
	}
	if (rc < 0)
		snprintf(err->text, sizeof(err->text), "cannot listen on %s over %s: %s%s",
			 config_address_text(&a, text), type == SOCK_STREAM ? "TCP" : "UDP", strerror(-rc),
			 rc == -EADDRINUSE
				 ? "; another name server has this address, stop it or change server.listen"
				 : "");
	return rc;
}

static int listen_add(struct stream_thread *t, const struct net_address *address, struct net_error *err)
{
	bool tcp = t->stream->env.config->tcp;
	int rc = tcp ? socket_add(t, address, STREAM_FD_LISTENER, err) : 0;

	if (rc == 0)
		rc = socket_add(t, address, STREAM_FD_UDP, err);
	if (rc == 0 && t->stream->tls != NULL)
		rc = socket_add(t, address, STREAM_FD_TLS_LISTENER, err);
	return rc;
}

int stream_thread_open(struct stream_thread *t, struct net_error *err)
{
	const struct config *config = t->stream->env.config;
	int rc = -ENOMEM;

	TAILQ_INIT(&t->conns);
	TAILQ_INIT(&t->sending);
	TAILQ_INIT(&t->dead);
	TAILQ_INIT(&t->replies);
	pthread_mutex_init(&t->lock, NULL);
	t->conn_max = (t->stream->conns_max + config->tcp_threads - 1) / config->tcp_threads;
	t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	t->wake = (struct stream_fd){.kind = STREAM_FD_WAKE, .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
	t->engine = answer_engine_new(t->stream->env.table, &config->answer);
	t->asker = (struct asker){.engine = t->engine, .config = config, .xfrout = t->stream->env.xfrout};
	t->out = malloc(STREAM_OUT_CAP);
	if (t->stream->tls != NULL)
		t->wire = malloc(STREAM_WIRE_CAP);
	t->sockets = calloc(STREAM_SOCKETS_PER_ADDRESS * config->listen_cnt, sizeof(*t->sockets));
	if (t->engine == NULL || t->out == NULL || t->sockets == NULL ||
	    (t->stream->tls != NULL && t->wire == NULL))
		return rc;
	if (t->epoll_fd < 0 || t->wake.fd < 0 || watch(t, &t->wake) < 0) {
		rc = -errno;
		snprintf(err->text, sizeof(err->text), "cannot make an epoll for a stream thread: %s",
			 strerror(-rc));
		return rc;
	}
	for (unsigned i = 0; i < config->listen_cnt; i++) {
		rc = listen_add(t, &config->listen[i], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void stream_thread_close(struct stream_thread *t)
{
	struct stream_notify *n;

	for (unsigned i = 0; i < t->socket_cnt; i++)
		close(t->sockets[i].fd);
	while ((n = TAILQ_FIRST(&t->replies)) != NULL) {
		TAILQ_REMOVE(&t->replies, n, link);
		free(n);
	}
	if (t->wake.fd >= 0)
		close(t->wake.fd);
	if (t->epoll_fd >= 0)
		close(t->epoll_fd);
	answer_engine_free(t->engine);
	pthread_mutex_destroy(&t->lock);
	free(t->sockets);
	free(t->out);
	free(t->wire);
}

void stream_thread_wake(struct stream_thread *t)
{
	uint64_t one = 1;
	ssize_t rc = write(t->wake.fd, &one, sizeof(one));

	(void)rc; /* EAGAIN: it is awake already */
}

static void wake_drain(struct stream_thread *t)
{
	uint64_t cnt;
	ssize_t rc = read(t->wake.fd, &cnt, sizeof(cnt));

	(void)rc;
}

static uint16_t client_port(const union config_sockaddr *client)
{
	return ntohs(client->sa.sa_family == AF_INET ? client->in4.sin_port : client->in6.sin6_port);
}

static void udp_turn(struct stream_thread *t, int fd)
{
	for (unsigned i = 0; i < UDP_PER_TURN; i++) {
		union config_sockaddr client;
		socklen_t client_len = sizeof(client);
		ssize_t got = recvfrom(fd, t->out, DNS_MSG_MAX, MSG_DONTWAIT, &client.sa, &client_len);
		struct answer_job job = {.msg = t->out, .cap = DNS_MSG_MAX, .transport = ANSWER_UDP};

		if (got < 0)
			return;
		/* The kernel sees to addresses. */
		if (!packet_source_port_valid(client_port(&client))) {
			stream_count(t, STREAM_CNT_drop_source, 1);
			continue;
		}
		job.len = (uint32_t)got;
		asker_ask(&t->asker, &job, &client, NULL, t->now_ms, NULL);
		if (job.verdict == ANSWER_SEND)
			sendto(fd, job.msg, job.len, MSG_DONTWAIT | MSG_NOSIGNAL, &client.sa, client_len);
		else if (job.verdict == ANSWER_NOTIFY)
			stream_notify_send(t, NULL, fd, &client, job.msg, job.len);
	}
}

static void reply_turn(struct stream_thread *t)
{
	struct stream_notify_list replies = TAILQ_HEAD_INITIALIZER(replies);
	struct stream_notify *n;

	pthread_mutex_lock(&t->lock);
	TAILQ_CONCAT(&replies, &t->replies, link);
	pthread_mutex_unlock(&t->lock);
	while ((n = TAILQ_FIRST(&replies)) != NULL) {
		TAILQ_REMOVE(&replies, n, link);
		if (n->conn != NULL)
			stream_conn_reply(t, n);
		else if (n->udp_fd >= 0 && n->len > 0)
			sendto(n->udp_fd, n->msg, n->len, MSG_DONTWAIT | MSG_NOSIGNAL, &n->client.sa,
			       n->client.sa.sa_family == AF_INET ? sizeof(n->client.in4)
								 : sizeof(n->client.in6));
		free(n);
	}
}

static void dispatch(struct stream_thread *t, const struct epoll_event *ev)
{
	struct stream_fd *f = ev->data.ptr;

	switch (f->kind) {
	case STREAM_FD_LISTENER:
	case STREAM_FD_TLS_LISTENER:
		stream_conn_accept(t, f);
		break;
	case STREAM_FD_UDP:
		udp_turn(t, f->fd);
		break;
	case STREAM_FD_CONN:
		stream_conn_event(t, (struct stream_conn *)f, ev->events);
		break;
	case STREAM_FD_WAKE:
		wake_drain(t);
		reply_turn(t);
		break;
	}
}

static void watch_listeners(struct stream_thread *t, uint32_t events)
{
	for (unsigned i = 0; i < t->socket_cnt; i++) {
		struct stream_fd *f = &t->sockets[i];
		struct epoll_event ev = {.events = events, .data.ptr = f};

		if (f->kind != STREAM_FD_UDP)
			epoll_ctl(t->epoll_fd, EPOLL_CTL_MOD, f->fd, &ev);
	}
}

void stream_thread_rest(struct stream_thread *t)
{
	t->resting = true;
	t->rest_end_ms = t->now_ms + REST_MS;
	watch_listeners(t, 0);
}

static void rest_end(struct stream_thread *t)
{
	if (!t->resting || t->now_ms < t->rest_end_ms)
		return;
	t->resting = false;
	watch_listeners(t, EPOLLIN);
}

/* How long a turn may wait for events, for epoll_wait. */
static int wait_ms(const struct stream_thread *t)
{
	int conn_ms = stream_conn_next_ms(t), rest_ms;

	if (!t->resting)
		return conn_ms;
	rest_ms = t->rest_end_ms <= t->now_ms ? 0 : (int)(t->rest_end_ms - t->now_ms);
	return conn_ms >= 0 && conn_ms < rest_ms ? conn_ms : rest_ms;
}

void *stream_thread_main(void *arg)
{
	struct stream_thread *t = arg;
	struct epoll_event events[EVENTS_MAX];

	rcu_register_thread();
	t->now_ms = monotonic_ms();
	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) { /* pairs with the store in threads_join */
		int cnt;

		rcu_thread_offline();
		cnt = epoll_wait(t->epoll_fd, events, EVENTS_MAX, wait_ms(t));
		rcu_thread_online();
		t->now_ms = monotonic_ms();
		for (int i = 0; i < cnt; i++)
			dispatch(t, &events[i]);
		rest_end(t);
		stream_conn_expire(t);
		stream_conn_bury(t);
	}
	stream_conn_close_all(t);
	stream_conn_bury(t);
	rcu_unregister_thread();
	return NULL;
}
