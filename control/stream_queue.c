#include "control/stream_queue.h"

#include <stdlib.h>
#include <string.h>

void stream_queue_init(struct stream_queue *q)
{
	memset(q->held, 0, sizeof(q->held));
	q->cnt = 0;
	TAILQ_INIT(&q->list);
	pthread_mutex_init(&q->lock, NULL);
}

void stream_queue_fini(struct stream_queue *q)
{
	struct stream_notify *n;

	while ((n = stream_queue_take(q)) != NULL)
		free(n);
	pthread_mutex_destroy(&q->lock);
}

enum share_verdict stream_queue_put(struct stream_queue *q, struct stream_notify *n, uint32_t peer)
{
	uint16_t share = share_of(n->conn != NULL, peer);
	enum share_verdict verdict;

	n->share = share;
	pthread_mutex_lock(&q->lock);
	verdict = share_ask(share, STREAM_NOTIFY_MAX - q->cnt, q->held[share], STREAM_NOTIFY_STRANGERS);
	if (verdict == SHARE_PLACE) {
		TAILQ_INSERT_TAIL(&q->list, n, link);
		q->held[share]++;
		q->cnt++;
	}
	pthread_mutex_unlock(&q->lock);
	return verdict;
}

struct stream_notify *stream_queue_take(struct stream_queue *q)
{
	struct stream_notify *n;

	pthread_mutex_lock(&q->lock);
	n = TAILQ_FIRST(&q->list);
	if (n != NULL) {
		TAILQ_REMOVE(&q->list, n, link);
		q->held[n->share]--;
		q->cnt--;
	}
	pthread_mutex_unlock(&q->lock);
	return n;
}
