#include "control/deadlines.h"

#include <errno.h>
#include <stdlib.h>

struct slot {
	int64_t ms;
	struct deadline *d;
};

struct deadlines {
	uint32_t cnt;
	uint32_t cap;
	struct slot *slot; /* from 1; the parent of i is i / 2 */
};

void deadlines_free(struct deadlines *h)
{
	if (h != NULL)
		free(h->slot);
	free(h);
}

int deadlines_reserve(struct deadlines *h, uint32_t cap)
{
	struct slot *slot;

	if (cap <= h->cap)
		return 0;
	slot = realloc(h->slot, ((size_t)cap + 1) * sizeof(slot[0]));
	if (slot == NULL)
		return -ENOMEM;
	h->slot = slot;
	h->cap = cap;
	return 0;
}

struct deadlines *deadlines_new(uint32_t cap)
{
	struct deadlines *h = calloc(1, sizeof(*h));

	if (h != NULL && deadlines_reserve(h, cap) < 0) {
		deadlines_free(h);
		h = NULL;
	}
	return h;
}

static void put(struct deadlines *h, uint32_t i, struct slot s)
{
	h->slot[i] = s;
	s.d->at = i;
}

static void sift_up(struct deadlines *h, uint32_t i, struct slot s)
{
	while (i > 1 && h->slot[i / 2].ms > s.ms) {
		put(h, i, h->slot[i / 2]);
		i /= 2;
	}
	put(h, i, s);
}

static void sift_down(struct deadlines *h, uint32_t i, struct slot s)
{
	for (;;) {
		uint32_t child = 2 * i;

		if (child > h->cnt)
			break;
		if (child < h->cnt && h->slot[child + 1].ms < h->slot[child].ms)
			child++;
		if (h->slot[child].ms >= s.ms)
			break;
		put(h, i, h->slot[child]);
		i = child;
	}
	put(h, i, s);
}

static void place(struct deadlines *h, uint32_t i, struct slot s)
{
	if (i > 1 && h->slot[i / 2].ms > s.ms)
		sift_up(h, i, s);
	else
		sift_down(h, i, s);
}

void deadlines_set(struct deadlines *h, struct deadline *d, int64_t ms)
{
	uint32_t i = d->at != 0 ? d->at : ++h->cnt;

	place(h, i, (struct slot){.ms = ms, .d = d});
}

void deadlines_clear(struct deadlines *h, struct deadline *d)
{
	uint32_t i = d->at;
	struct slot last;

	if (i == 0)
		return;
	d->at = 0;
	last = h->slot[h->cnt--];
	if (last.d != d)
		place(h, i, last);
}

int64_t deadlines_next(const struct deadlines *h)
{
	return h->cnt == 0 ? INT64_MAX : h->slot[1].ms;
}

struct deadline *deadlines_take(struct deadlines *h, int64_t now)
{
	struct deadline *d;

	if (deadlines_next(h) > now)
		return NULL;
	d = h->slot[1].d;
	deadlines_clear(h, d);
	return d;
}
