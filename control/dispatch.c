#include "control/dispatch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* A circular list with itself as the head. */
struct queue {
	struct dispatch_item head;
};

struct peer {
	struct queue queue[SECONDARY_CLASS_CNT];
	unsigned running;
	bool last; /* dispatch_set_last */
};

struct dispatch {
	struct dispatch_limits limits;
	struct queue run;
	unsigned running; /* of run */
	unsigned last_cnt;
	unsigned queued[SECONDARY_CLASS_CNT];
	unsigned turn[SECONDARY_CLASS_CNT]; /* where the search for the next primary begins: round robin */
	unsigned peer_cnt;
	struct peer **peers; /* queues lead back to them */
};

void dispatch_free(struct dispatch *d)
{
	if (d == NULL)
		return;
	for (unsigned i = 0; i < d->peer_cnt; i++)
		free(d->peers[i]);
	free(d->peers);
	free(d);
}

static void queue_init(struct queue *q)
{
	q->head.next = q->head.prev = &q->head;
}

static bool queue_is_empty(const struct queue *q)
{
	return q->head.next == &q->head;
}

static void queue_append(struct queue *q, struct dispatch_item *item)
{
	item->prev = q->head.prev;
	item->next = &q->head;
	q->head.prev->next = item;
	q->head.prev = item;
}

static void unlink_item(struct dispatch_item *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	item->next = item->prev = NULL;
}

static struct peer *peer_new(void)
{
	struct peer *p = calloc(1, sizeof(*p));

	for (unsigned class = 0; p != NULL && class < SECONDARY_CLASS_CNT; class ++)
		queue_init(&p->queue[class]);
	return p;
}

int dispatch_reserve(struct dispatch *d, unsigned cnt)
{
	struct peer **peers = d->peers;

	if (cnt <= d->peer_cnt)
		return 0;
	peers = realloc(peers, cnt * sizeof(peers[0]));
	if (peers == NULL)
		return -ENOMEM;
	for (d->peers = peers; d->peer_cnt < cnt; d->peer_cnt++) {
		peers[d->peer_cnt] = peer_new();
		if (peers[d->peer_cnt] == NULL)
			return -ENOMEM;
	}
	return 0;
}

struct dispatch *dispatch_new(unsigned primary_cnt, const struct dispatch_limits *limits)
{
	struct dispatch *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->limits = *limits;
	queue_init(&d->run);
	if (dispatch_reserve(d, primary_cnt) < 0) {
		dispatch_free(d);
		return NULL;
	}
	return d;
}

static void unqueue(struct dispatch *d, struct dispatch_item *item)
{
	unlink_item(item);
	d->queued[item->class]--;
}

void dispatch_put(struct dispatch *d, struct dispatch_item *item, uint32_t primary,
		  enum secondary_class class)
{
	if (item->state == DISPATCH_QUEUED)
		unqueue(d, item);
	item->state = DISPATCH_QUEUED;
	item->primary = primary;
	item->class = (uint8_t) class;
	queue_append(&d->peers[primary]->queue[class], item);
	d->queued[class]++;
}

/* last: for primaries that come last. The reserve is not for them. */
static unsigned running_max(const struct dispatch *d, unsigned class, bool last)
{
	return d->limits.running_max + (class == SECONDARY_BY_NOTIFY && !last ? d->limits.notify_reserve : 0);
}

/* The same reserve as in all, by share. */
static unsigned peer_max(const struct dispatch *d, unsigned class, bool last)
{
	unsigned max = d->limits.running_per_primary_max;

	return class == SECONDARY_BY_NOTIFY && !last ? max + (max + 3) / 4 : max;
}

/* Something of this class waits there, and not for another of the same primary. */
static bool has_share(const struct dispatch *d, const struct peer *p, unsigned class)
{
	return !queue_is_empty(&p->queue[class]) && p->running < peer_max(d, class, p->last);
}

static struct dispatch_item *take_from_class(struct dispatch *d, unsigned class, bool last)
{
	unsigned i;

	for (i = 0; i < d->peer_cnt; i++) {
		unsigned at = (d->turn[class] + i) % d->peer_cnt;
		struct peer *p = d->peers[at];
		struct dispatch_item *item = p->queue[class].head.next;

		if (p->last != last || !has_share(d, p, class))
			continue;
		unqueue(d, item);
		item->state = DISPATCH_RUNNING;
		queue_append(&d->run, item);
		p->running++;
		d->running++;
		d->turn[class] = at + 1;
		return item;
	}
	return NULL;
}

static struct dispatch_item *take(struct dispatch *d, bool last)
{
	unsigned class;

	for (class = 0; class < SECONDARY_CLASS_CNT; class ++) {
		struct dispatch_item *item = NULL;

		if (d->queued[class] > 0 && d->running < running_max(d, class, last))
			item = take_from_class(d, class, last);
		if (item != NULL)
			return item;
	}
	return NULL;
}

struct dispatch_item *dispatch_take(struct dispatch *d)
{
	struct dispatch_item *item = take(d, false);

	return item == NULL && d->last_cnt > 0 ? take(d, true) : item;
}

void dispatch_drop(struct dispatch *d, struct dispatch_item *item)
{
	if (item->state == DISPATCH_QUEUED) {
		unqueue(d, item);
	} else if (item->state == DISPATCH_RUNNING) {
		unlink_item(item);
		d->peers[item->primary]->running--;
		d->running--;
	}
	item->state = DISPATCH_NONE;
}

/* --- room --- */

static bool is_full(const struct dispatch *d, unsigned class)
{
	return d->queued[class] > 0 && d->running >= running_max(d, class, false);
}

bool dispatch_is_full(const struct dispatch *d)
{
	bool full = false;

	for (unsigned class = 0; class < SECONDARY_CLASS_CNT; class ++)
		full = full || is_full(d, class);
	return full;
}

unsigned dispatch_fewest_waiting(const struct dispatch *d)
{
	unsigned fewest = UINT_MAX;

	for (unsigned class = 0; class < SECONDARY_CLASS_CNT; class ++)
		for (unsigned i = 0; is_full(d, class) && i < d->peer_cnt; i++) {
			const struct peer *p = d->peers[i];

			if (!p->last && has_share(d, p, class) && p->running < fewest)
				fewest = p->running;
		}
	return fewest;
}

struct dispatch_item *dispatch_next_running(const struct dispatch *d, const struct dispatch_item *item)
{
	struct dispatch_item *next = item != NULL ? item->next : d->run.head.next;

	return next == &d->run.head ? NULL : next;
}

unsigned dispatch_running(const struct dispatch *d, uint32_t primary)
{
	return d->peers[primary]->running;
}

bool dispatch_is_last(const struct dispatch *d, uint32_t primary)
{
	return d->peers[primary]->last;
}

void dispatch_set_last(struct dispatch *d, uint32_t primary, bool last)
{
	struct peer *p = d->peers[primary];

	if (p->last == last)
		return;
	p->last = last;
	d->last_cnt += last ? 1 : -1u;
}
