/*
 * NOTIFYs of all stream threads on their way to the control loop: a bounded queue, which no sender can take from the others
 * (dataplane/net/share.h). Many threads put, one takes.
 */
#pragma once

#include <pthread.h>
#include <sys/queue.h>

#include "control/config.h"
#include "dataplane/net/share.h"

struct stream_conn;
struct stream_thread;

/* A NOTIFY on its way to the control loop and back. The loop owns it between the two queues. */
struct stream_notify {
	TAILQ_ENTRY(stream_notify) link;
	struct stream_thread *thread;
	struct stream_conn
		*conn; /* stream thread only: NULL when the client has left meanwhile, or came by UDP */
	int udp_fd;    /* where it came in if by UDP, else -1 */
	union config_sockaddr client;
	uint64_t rx_ns;
	uint16_t share; /* stream_queue.c's */
	size_t len;
	uint8_t msg[NET_DGRAM_MAX];
};
TAILQ_HEAD(stream_notify_list, stream_notify);

/*
 * Half is the most that one sender can have. Much less is needed than between a worker and the loop: a primary that tells of
 * very many zones is heard by the workers, and what comes here (TCP and TLS, where each connection waits for its answer;
 * fragments, this machine) wakes the loop at once. Each takes 1.7 KiB.
 */
#define STREAM_NOTIFY_MAX 512

/* Of strangers, by UDP and by connections. They are refused, so this is for the line in the log. */
#define STREAM_NOTIFY_STRANGERS 16

struct stream_queue {
	pthread_mutex_t lock; /* guards the rest */
	struct stream_notify_list list;
	unsigned cnt;
	uint16_t held[SHARE_CNT]; /* by share */
};

void stream_queue_init(struct stream_queue *q);
void stream_queue_fini(struct stream_queue *q); /* frees what waits */

/*
 * Stream threads: takes n if there is a place for it. peer: the sender's number, 0: a stranger. A sender has a share of its
 * own over connections, where nobody can have forged its address.
 */
enum share_verdict stream_queue_put(struct stream_queue *q, struct stream_notify *n, uint32_t peer);

/* Control loop: the oldest, which is the caller's then; NULL: there is none. */
struct stream_notify *stream_queue_take(struct stream_queue *q);
