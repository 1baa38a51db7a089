/* "zone timing": how long the stages of changes took. */
#include "control/ctl_internal.h"

static json_t *stage_json(const struct timing_stage_data *d, const struct timing_text *text)
{
	json_t *buckets = json_array();
	unsigned end = TIMING_BUCKET_CNT;

	while (end > 0 && d->buckets[end - 1] == 0)
		end--;
	for (unsigned i = 0; i < end; i++)
		json_array_append_new(buckets, json_integer(d->buckets[i]));
	return json_pack(
		"{s:s, s:s, s:I, s:o, s:o, s:o, s:o}", "stage", text->name, "help", text->help, "count",
		(json_int_t)d->cnt, "last_us", d->cnt > 0 ? json_integer(d->last_us) : json_null(), "p50_us",
		d->cnt > 0 ? json_integer((json_int_t)timing_quantile(d, 0.5)) : json_null(), "p99_us",
		d->cnt > 0 ? json_integer((json_int_t)timing_quantile(d, 0.99)) : json_null(), "buckets",
		buckets);
}

void ctl_zone_timing(struct ctl_conn *conn, const struct ctl_args *args)
{
	int index = args->zone != NULL ? ctl_zone_find(conn, args) : -1;
	json_t *stages;
	struct timing timing;
	struct zones_info info = {.name = NULL};

	if (args->zone != NULL && index < 0)
		return;
	if (index >= 0)
		zones_info(conn->ctl->env.zones, (unsigned)index, &info);
	zones_timing(conn->ctl->env.zones, index, &timing);
	stages = json_array();
	for (unsigned i = 0; i < TIMING_STAGE_CNT; i++)
		json_array_append_new(stages, stage_json(&timing.stage[i], &timing_text[i]));
	ctl_reply(conn, json_pack("{s:o, s:o}", "zone", info.name != NULL ? ctl_text(info.name) : json_null(),
				  "stages", stages));
}
