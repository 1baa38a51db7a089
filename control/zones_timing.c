/*
 * How long each change took, stage by stage, until every worker had seen it: per zone and over all. The first version of
 * a zone is no change; what is kept is allocated with the first one. The control loop's thread, but for on_seen.
 */
#include "control/zones_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/zone/grace.h"

/* A publication on its way to the workers. */
struct change {
	struct grace_wait wait;
	struct change *next;
	struct zones_timing *all;
	unsigned zone; /* its index, and that it is still this one's */
	uint64_t born;
	struct timing_stamps at;
};

struct zones_timing {
	struct zones *zones;
	struct grace *grace;
	struct timing total;
	uv_async_t wake; /* the grace thread -> loop */
	void (*closed)(void *arg);
	uv_mutex_t lock;
	struct change *seen; /* under lock */
};

/* The grace thread. */
static void on_seen(struct grace_wait *w)
{
	struct change *c = (struct change *)((char *)w - offsetof(struct change, wait));
	struct zones_timing *t = c->all;

	c->at.seen = uv_hrtime();
	uv_mutex_lock(&t->lock);
	c->next = t->seen;
	t->seen = c;
	uv_mutex_unlock(&t->lock);
	uv_async_send(&t->wake);
}

static void take(struct zones_timing *t, const struct change *c)
{
	struct zone *zn = t->zones->zone[c->zone];

	timing_record(&t->total, &c->at);
	if (zn == NULL || zn->born != c->born)
		return;
	if (zn->timing == NULL)
		zn->timing = calloc(1, sizeof(*zn->timing));
	if (zn->timing != NULL)
		timing_record(zn->timing, &c->at);
}

static void on_wake(uv_async_t *wake)
{
	struct zones_timing *t = wake->data;
	struct change *c, *next;

	uv_mutex_lock(&t->lock);
	c = t->seen;
	t->seen = NULL;
	uv_mutex_unlock(&t->lock);
	for (; c != NULL; c = next) {
		next = c->next;
		take(t, c);
		free(c);
	}
}

int zones_timing_start(struct zones *z, struct zones_timing **out)
{
	struct zones_timing *t = calloc(1, sizeof(*t));
	int ret = -ENOMEM;

	if (t == NULL)
		return ret;
	t->zones = z;
	t->wake.data = t;
	ret = uv_mutex_init(&t->lock);
	if (ret < 0)
		goto free;
	ret = grace_start(&t->grace);
	if (ret < 0)
		goto mutex;
	ret = uv_async_init(z->env.loop, &t->wake, on_wake);
	if (ret < 0)
		goto grace;
	*out = t;
	return 0;
grace:
	grace_stop(t->grace);
mutex:
	uv_mutex_destroy(&t->lock);
free:
	free(t);
	return ret;
}

static void on_closed(uv_handle_t *handle)
{
	struct zones_timing *t = handle->data;
	struct zones *z = t->zones;
	void (*closed)(void *arg) = t->closed;

	uv_mutex_destroy(&t->lock);
	free(t);
	closed(z);
}

void zones_timing_stop(struct zones_timing *t, void (*closed)(void *arg))
{
	grace_stop(t->grace);
	on_wake(&t->wake);
	t->closed = closed;
	uv_close((uv_handle_t *)&t->wake, on_closed);
}

void zone_time_change(struct zone *zn, const struct timing_stamps *at)
{
	struct zones_timing *t = zn->all->timing;
	struct change *c = t != NULL ? malloc(sizeof(*c)) : NULL;

	/* A change that is not measured is one all the same. */
	if (c == NULL)
		return;
	*c = (struct change){.all = t, .zone = zn->index, .born = zn->born, .at = *at};
	grace_after(t->grace, &c->wait, on_seen);
}

void zones_timing(const struct zones *z, int index, struct timing *out)
{
	*out = (struct timing){0};
	if (index < 0 && z->timing != NULL)
		*out = z->timing->total;
	else if (index >= 0 && z->zone[index]->timing != NULL)
		*out = *z->zone[index]->timing;
}
