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

	xfrout_counters(o->xfrout, out); /* the first ones */
	deltas_info(o->deltas, &deltas);
	out[ONWARD_CNT_deltas] = deltas.cnt;
	out[ONWARD_CNT_delta_bytes] = deltas.bytes;
	out[ONWARD_CNT_deltas_evicted] = deltas.evicted;
}

int onward_new(const struct config *config, const struct zonetab *table, struct log *log, struct onward **out)
{
	const struct config_transfers_out *c = &config->transfers_out;
	struct onward *o = calloc(1, sizeof(*o));
	struct xfrout_env env = {.config = config, .table = table, .log = log};

	if (o == NULL)
		return -ENOMEM;
	env.deltas = o->deltas = deltas_new(config->zone_cnt, c->deltas_max, c->delta_bytes);
	if (o->deltas != NULL)
		o->xfrout = xfrout_new(&env);
	if (o->xfrout == NULL) {
		onward_free(o);
		return -ENOMEM;
	}
	*out = o;
	return 0;
}

void onward_free(struct onward *o)
{
	if (o == NULL)
		return;
	xfrout_free(o->xfrout);
	deltas_free(o->deltas);
	free(o);
}

void onward_add_zone(struct onward *o, uint32_t slot, const struct config_zone *zone)
{
	xfrout_add_zone(o->xfrout, slot, zone);
}

void onward_published(struct onward *o, uint32_t slot, uint32_t serial, struct delta_queue *deltas)
{
	const struct delta *last = TAILQ_LAST(deltas, delta_queue);

	if (last != NULL && last->to != serial)
		delta_queue_drop(deltas);
	deltas_publish(o->deltas, slot, deltas);
}

uint64_t onward_delta_bytes(const struct config *config, const struct config_zone *zone)
{
	const struct config_transfers_out *c = &config->transfers_out;

	return zone->allow_transfer.cnt > 0 && c->deltas_max > 0 ? c->delta_bytes : 0;
}
