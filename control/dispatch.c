#include "control/dispatch.h"

#include <errno.h>
#include <stdlib.h>

/* A circular list with itself as the head. */
struct queue {
	struct dispatch_item head;
};

struct peer {
	struct queue queue[SECONDARY_CLASS_CNT];
	unsigned running;
};

struct dispatch {
	struct dispatch_limits limits;
	unsigned running;
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

static struct peer *peer_new(void)
{
	struct peer *p = calloc(1, sizeof(*p));

	for (unsigned class = 0; p != NULL && class < SECONDARY_CLASS_CNT; class ++) {
		struct dispatch_item *head = &p->queue[class].head;

		head->next = head->prev = head;
	}
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
	if (dispatch_reserve(d, primary_cnt) < 0) {
		dispatch_free(d);
		return NULL;
	}
	return d;
}

static void unlink_item(struct dispatch *d, struct dispatch_item *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	item->next = item->prev = NULL;
	d->queued[item->class]--;
}

void dispatch_put(struct dispatch *d, struct dispatch_item *item, uint32_t primary,
		  enum secondary_class class)
{
	struct dispatch_item *head = &d->peers[primary]->queue[class].head;

	if (item->state == DISPATCH_QUEUED)
		unlink_item(d, item);
	item->state = DISPATCH_QUEUED;
	item->primary = primary;
	item->class = (uint8_t) class;
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
	d->queued[class]++;
}

static unsigned running_max(const struct dispatch *d, unsigned class)
{
	return d->limits.running_max + (class == SECONDARY_BY_NOTIFY ? d->limits.notify_reserve : 0);
}

/* The same reserve as in all, by share. */
static unsigned peer_max(const struct dispatch *d, unsigned class)
{
	unsigned max = d->limits.running_per_primary_max;

	return class == SECONDARY_BY_NOTIFY ? max + (max + 3) / 4 : max;
}

static struct dispatch_item *take_from_class(struct dispatch *d, unsigned class)
{
	unsigned i;

	for (i = 0; i < d->peer_cnt; i++) {
		unsigned at = (d->turn[class] + i) % d->peer_cnt;
		struct peer *p = d->peers[at];
		struct dispatch_item *item = p->queue[class].head.next;

		if (item == &p->queue[class].head || p->running >= peer_max(d, class))
			continue;
		unlink_item(d, item);
		item->state = DISPATCH_RUNNING;
		p->running++;
		d->running++;
		d->turn[class] = at + 1;
		return item;
	}
	return NULL;
}

struct dispatch_item *dispatch_take(struct dispatch *d)
{
	unsigned class;

	for (class = 0; class < SECONDARY_CLASS_CNT; class ++) {
		struct dispatch_item *item = NULL;

		if (d->queued[class] > 0 && d->running < running_max(d, class))
			item = take_from_class(d, class);
		if (item != NULL)
			return item;
	}
	return NULL;
}

void dispatch_drop(struct dispatch *d, struct dispatch_item *item)
{
	if (item->state == DISPATCH_QUEUED) {
		unlink_item(d, item);
	} else if (item->state == DISPATCH_RUNNING) {
		d->peers[item->primary]->running--;
		d->running--;
	}
	item->state = DISPATCH_NONE;
}
