#include "control/onward.h"

#include <errno.h>
#include <stdlib.h>

const struct counter_text onward_counter_text[ONWARD_COUNTER_CNT] = {
#define X(name, help) {#name, help},
	ONWARD_COUNTERS(X)
#undef X
};

void onward_counters(const struct onward *o, uint64_t out[ONWARD_COUNTER_CNT])
{
	struct deltas_info deltas;

	/* In the order of the list. */
	xfrout_counters(o->xfrout, out);
	notify_out_counters(o->notify, out + XFROUT_COUNTER_CNT);
	deltas_info(o->deltas, &deltas);
	out[ONWARD_CNT_deltas] = deltas.cnt;
	out[ONWARD_CNT_delta_bytes] = deltas.bytes;
	out[ONWARD_CNT_deltas_evicted] = deltas.evicted;
}

int onward_new(const struct onward_env *env, struct onward **out)
{
	const struct config_transfers_out *c = &env->config->transfers_out;
	struct onward *o = calloc(1, sizeof(*o));
	struct notify_out_env notify = {.loop = env->loop, .table = env->table, .log = env->log};
	struct xfrout_env transfers = {.config = env->config, .table = env->table, .log = env->log};
	int rc = -ENOMEM;

	if (o == NULL)
		return rc;
	transfers.deltas = o->deltas = deltas_new(0, c->deltas_max, c->delta_bytes);
	if (o->deltas != NULL)
		o->xfrout = xfrout_new(&transfers);
	if (o->xfrout != NULL)
		rc = notify_out_new(&notify, &o->notify);
	if (rc < 0) {
		onward_free(o);
		return rc;
	}
	*out = o;
	return 0;
}

void onward_stop(struct onward *o, void (*done)(void *arg), void *arg)
{
	notify_out_stop(o->notify, done, arg);
}

void onward_free(struct onward *o)
{
	if (o == NULL)
		return;
	notify_out_free(o->notify);
	xfrout_free(o->xfrout);
	deltas_free(o->deltas);
	free(o);
}

int onward_prepare(struct onward *o, const struct config *config, uint32_t slots)
{
	int rc = deltas_reserve(o->deltas, slots);

	if (rc == 0)
		rc = xfrout_prepare(o->xfrout, slots);
	if (rc == 0)
		rc = notify_out_prepare(o->notify, config, slots);
	return rc;
}

void onward_commit(struct onward *o)
{
	xfrout_commit(o->xfrout);
	notify_out_commit(o->notify);
}

void onward_remove_zone(struct onward *o, uint32_t slot)
{
	struct delta_queue none = TAILQ_HEAD_INITIALIZER(none);

	deltas_publish(o->deltas, slot, &none);
}

void onward_add_zone(struct onward *o, uint32_t slot, const struct config_zone *zone)
{
	xfrout_add_zone(o->xfrout, slot, zone);
	notify_out_add_zone(o->notify, slot, zone);
}

void onward_published(struct onward *o, uint32_t slot, uint32_t serial, struct delta_queue *deltas)
{
	const struct delta *last = TAILQ_LAST(deltas, delta_queue);

	if (last != NULL && last->to != serial)
		delta_queue_drop(deltas);
	deltas_publish(o->deltas, slot, deltas);
	notify_out_changed(o->notify, slot);
}

void onward_wait(struct onward *o, struct delta_queue *deltas)
{
	deltas_wait(o->deltas, deltas);
}

void onward_went_back(struct onward *o, uint32_t slot, uint32_t serial)
{
	deltas_go_back(o->deltas, slot, serial);
	notify_out_changed(o->notify, slot);
}

void onward_notify(struct onward *o, uint32_t slot)
{
	notify_out_changed(o->notify, slot);
}

unsigned onward_target_cnt(const struct onward *o, uint32_t slot)
{
	return notify_out_cnt(o->notify, slot);
}

void onward_target(const struct onward *o, uint32_t slot, unsigned i, struct notify_out_info *out)
{
	notify_out_info(o->notify, slot, i, out);
}

uint64_t onward_delta_bytes(const struct config *config, const struct config_zone *zone)
{
	const struct config_transfers_out *c = &config->transfers_out;

	return zone->allow_transfer.cnt > 0 && c->deltas_max > 0 ? c->delta_bytes : 0;
}
