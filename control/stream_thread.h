/*
 * One stream thread: an epoll over its listeners, its UDP sockets and its connections. Private to stream*.c.
 *
 * A connection holds little: a buffer that grows with the request being received, and the unsent rest of responses
 * when the client reads slowly. A client that does not read is not read from either, so the memory a client can
 * take is one request and one batch of responses.
 */
#pragma once

#include "control/asker.h"
#include "control/stream.h"
#include "control/stream_clients.h"
#include "control/stream_queue.h"

enum stream_fd_kind {
	STREAM_FD_LISTENER,
	STREAM_FD_TLS_LISTENER,
	STREAM_FD_UDP,
	STREAM_FD_CONN,
	STREAM_FD_WAKE
};

/* What epoll hands back: embedded first in everything that has a descriptor. */
struct stream_fd {
	enum stream_fd_kind kind;
	int fd;
};

struct stream_conn {
	struct stream_fd fd;
	TAILQ_ENTRY(stream_conn) link; /* in the thread's conns, sending or dead */
	union config_sockaddr client;
	uint64_t active_ms;	      /* last complete request or progress in sending */
	struct tls *tls;	      /* NULL: TCP */
	struct stream_notify *notify; /* while the control loop has it nothing more is processed */
	struct xfrout_session
		*transfer; /* that is being sent: nothing more is processed until it has ended */
	uint8_t *rx;
	uint32_t rx_len, rx_cap;
	uint8_t *tx; /* NULL: nothing is pending */
	uint32_t tx_len, tx_sent;
	uint32_t watched; /* epoll events asked for */
	bool half_closed; /* the client will send no more; close when all is sent */
};
TAILQ_HEAD(stream_conn_list, stream_conn);

struct stream_thread {
	struct stream *stream;
	pthread_t thread;
	bool started;
	int epoll_fd;
	struct stream_fd wake; /* eventfd: replies or stop */
	struct stream_fd *sockets;
	unsigned socket_cnt;
	bool resting; /* no connection is accepted until rest_end_ms */
	uint64_t rest_end_ms;
	struct answer_engine *engine;
	struct stream_conn_list conns;	 /* without a transfer, least recently active first */
	struct stream_conn_list sending; /* with one: it has limits of its own */
	uint64_t sweep_ms;		 /* when sending is looked through next, while it has some */
	struct stream_conn_list dead; /* closed in this turn: events of the same turn may still name them */
	unsigned conn_cnt, conn_max;
	uint8_t *out; /* responses of one batch, each with its length in front */
	uint32_t out_len;
	uint8_t *wire; /* what goes to or comes from a TLS connection: STREAM_WIRE_CAP octets */
	uint64_t now_ms;
	struct asker asker;   /* with engine */
	pthread_mutex_t lock; /* guards replies */
	struct stream_notify_list replies;
	bool stop;			       /* written by the control loop, read by the thread */
	uint64_t counters[STREAM_COUNTER_CNT]; /* written by the thread, read by anyone */
};

/* Opens the sockets of one thread for all listen addresses. Returns 0 or -errno, *err filled. */
int stream_thread_open(struct stream_thread *t, struct net_error *err);

/* The thread. */
void *stream_thread_main(void *arg);

void stream_thread_close(struct stream_thread *t);

/* Stream thread: connections wait for a moment, for there is no descriptor for them and none to be closed. */
void stream_thread_rest(struct stream_thread *t);

/* Any thread: the thread looks at stop and replies soon. */
void stream_thread_wake(struct stream_thread *t);

/*
 * Stream thread: a copy of a NOTIFY goes to the control loop; conn or udp_fd says where the reply goes. False: too
 * many are on their way, or it is too long to be one.
 */
bool stream_notify_send(struct stream_thread *t, struct stream_conn *conn, int udp_fd,
			const union config_sockaddr *client, const uint8_t *msg, size_t len);

/* stream_conn.c: all on the stream thread. */
void stream_conn_accept(struct stream_thread *t, const struct stream_fd *listener);
void stream_conn_event(struct stream_thread *t, struct stream_conn *c, uint32_t events);
void stream_conn_reply(struct stream_thread *t, struct stream_notify *n);
void stream_conn_expire(struct stream_thread *t);
void stream_conn_close_all(struct stream_thread *t);
void stream_conn_bury(struct stream_thread *t); /* end of a turn: frees what was closed in it */

/* Milliseconds until stream_conn_expire may find one that is to be closed, -1 without connections. */
int stream_conn_next_ms(const struct stream_thread *t);

static inline void stream_count(struct stream_thread *t, enum stream_counter c, int64_t n)
{
	__atomic_store_n(&t->counters[c], t->counters[c] + (uint64_t)n, __ATOMIC_RELAXED);
}

/* Sockets that a thread opens for an address, and descriptors of its own. */
#define STREAM_SOCKETS_PER_ADDRESS 3
#define STREAM_DESCRIPTORS_OWN	   2

struct stream {
	struct stream_env env;
	struct stream_thread *threads;
	unsigned thread_cnt;
	uv_async_t async; /* stream threads -> control loop: the queue has something */
	bool async_open;
	void (*stopped)(void *arg);
	void *stopped_arg;
	unsigned conns_max;		/* of all threads together */
	struct stream_clients *clients; /* NULL: no limit per client */
	pthread_mutex_t tls_lock;	/* guards tls */
	struct tls_server *tls;		/* NULL: not served */
	struct stream_queue queue;
};

/* Octets of responses one batch may hold: each response may be as large as a message can be. */
#define STREAM_OUT_CAP (4 * (2 + DNS_MSG_MAX))

/* The same sealed: a record every 16 KiB costs less than 64 octets. A handshake's flight is far smaller. */
#define STREAM_WIRE_CAP (STREAM_OUT_CAP + (STREAM_OUT_CAP / 16384 + 1) * 64 + 65536)
