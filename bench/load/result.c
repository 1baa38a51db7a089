#include "bench/load/result.h"

#include <inttypes.h>

#include "bench/load/queries.h"

static const struct text {
	const char *name, *help;
} verdict_text[FRAMES_VERDICT_CNT] =
	{
#define X(name, help) {#name, help},
		FRAMES_VERDICTS(X)
#undef X
},
  counter_text[SENDER_COUNTER_CNT] = {
#define X(name, help) {#name, help},
	  SENDER_COUNTERS(X)
#undef X
};

static const struct share {
	const char *name;
	double share;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}};

#define QUANTILE_CNT (sizeof(quantiles) / sizeof(quantiles[0]))

void result_collect(struct result *r, const struct sender *senders, unsigned cnt, double tsc_hz)
{
	uint64_t longest = 0;

	*r = (struct result){.wrong_number = UINT32_MAX, .cpu_share = 1};
	histogram_init(&r->latency);
	for (unsigned i = 0; i < cnt; i++) {
		const struct sender *s = &senders[i];

		for (unsigned c = 0; c < SENDER_COUNTER_CNT; c++)
			r->counter[c] += atomic_load_explicit(&s->counter[c], memory_order_relaxed);
		for (unsigned c = 0; c < FRAMES_VERDICT_CNT; c++)
			r->verdict[c] += atomic_load_explicit(&s->verdict[c], memory_order_relaxed);
		for (unsigned c = 0; c < SENDER_RCODES; c++)
			r->rcode[c] += s->rcode[c];
		histogram_merge(&r->latency, &s->latency);
		longest = s->sending_tsc > longest ? s->sending_tsc : longest;
		if (s->wrong_number != UINT32_MAX)
			r->wrong_number = s->wrong_number;
		r->rate_wanted += s->run->rate;
		r->cpu_share = s->cpu_share < r->cpu_share ? s->cpu_share : r->cpu_share;
	}
	r->seconds = (double)longest / tsc_hz;
	if (r->counter[SENDER_sent] > r->counter[SENDER_answered])
		r->lost = r->counter[SENDER_sent] - r->counter[SENDER_answered];
	for (unsigned v = FRAMES_wrong_header; v < FRAMES_VERDICT_CNT; v++)
		r->wrong += r->verdict[v];
}

double result_answered_rate(const struct result *r)
{
	return r->seconds > 0 ? (double)r->counter[SENDER_answered] / r->seconds : 0;
}

double result_loss(const struct result *r)
{
	return r->counter[SENDER_sent] > 0 ? (double)r->lost / (double)r->counter[SENDER_sent] : 0;
}

void result_print(const struct result *r, FILE *to)
{
	double sent = (double)r->counter[SENDER_sent];

	fprintf(to, "sent      %12" PRIu64 "   %.0f/s for %.2f s\n", r->counter[SENDER_sent],
		r->seconds > 0 ? sent / r->seconds : 0, r->seconds);
	fprintf(to, "answered  %12" PRIu64 "   %.0f/s\n", r->counter[SENDER_answered],
		result_answered_rate(r));
	fprintf(to, "lost      %12" PRIu64 "   %.6f %%\n", r->lost, 100 * result_loss(r));
	if (r->cpu_share < 0.98)
		fprintf(to, "cpu       %12.0f %% of its time: something else runs on a sending core\n",
			100 * r->cpu_share);
	for (unsigned i = SENDER_answered + 1; i < SENDER_COUNTER_CNT; i++)
		if (r->counter[i] > 0)
			fprintf(to, "%-14s %7" PRIu64 "   %s\n", counter_text[i].name, r->counter[i],
				counter_text[i].help);
	for (unsigned i = 0; i < SENDER_RCODES; i++)
		if (r->rcode[i] > 0)
			fprintf(to, "%-9s %12" PRIu64 "\n", queries_rcode_text(i), r->rcode[i]);
	for (unsigned i = FRAMES_stray; i < FRAMES_VERDICT_CNT; i++)
		if (r->verdict[i] > 0)
			fprintf(to, "%-14s %7" PRIu64 "   %s\n", verdict_text[i].name, r->verdict[i],
				verdict_text[i].help);
	fprintf(to, "latency, microseconds: min %.1f, mean %.1f",
		r->latency.cnt > 0 ? (double)r->latency.min / 1e3 : 0, histogram_mean(&r->latency) / 1e3);
	for (unsigned i = 0; i < QUANTILE_CNT; i++)
		fprintf(to, ", %s %.1f", quantiles[i].name,
			(double)histogram_quantile(&r->latency, quantiles[i].share) / 1e3);
	fprintf(to, ", max %.1f\n", (double)r->latency.max / 1e3);
}

static void set_counts(json_t *o, const char *key, const struct text *texts, const uint64_t *values,
		       unsigned cnt)
{
	json_t *inner = json_object();

	for (unsigned i = 0; i < cnt; i++)
		json_object_set_new(inner, texts[i].name, json_integer((json_int_t)values[i]));
	json_object_set_new(o, key, inner);
}

static json_t *latency_json(const struct histogram *h)
{
	json_t *o = json_object();

	json_object_set_new(o, "min", json_real(h->cnt > 0 ? (double)h->min / 1e3 : 0));
	json_object_set_new(o, "mean", json_real(histogram_mean(h) / 1e3));
	for (unsigned i = 0; i < QUANTILE_CNT; i++)
		json_object_set_new(o, quantiles[i].name,
				    json_real((double)histogram_quantile(h, quantiles[i].share) / 1e3));
	json_object_set_new(o, "max", json_real((double)h->max / 1e3));
	return o;
}

json_t *result_json(const struct result *r)
{
	json_t *o = json_object(), *rcodes = json_object();

	json_object_set_new(o, "seconds", json_real(r->seconds));
	if (r->rate_wanted > 0)
		json_object_set_new(o, "rate_wanted", json_real(r->rate_wanted));
	json_object_set_new(o, "cpu_share", json_real(r->cpu_share));
	json_object_set_new(o, "sent_per_second",
			    json_real(r->seconds > 0 ? (double)r->counter[SENDER_sent] / r->seconds : 0));
	json_object_set_new(o, "answered_per_second", json_real(result_answered_rate(r)));
	json_object_set_new(o, "lost", json_integer((json_int_t)r->lost));
	json_object_set_new(o, "loss", json_real(result_loss(r)));
	json_object_set_new(o, "wrong", json_integer((json_int_t)r->wrong));
	set_counts(o, "counters", counter_text, r->counter, SENDER_COUNTER_CNT);
	set_counts(o, "verdicts", verdict_text, r->verdict, FRAMES_VERDICT_CNT);
	for (unsigned i = 0; i < SENDER_RCODES; i++)
		if (r->rcode[i] > 0)
			json_object_set_new(rcodes, queries_rcode_text(i),
					    json_integer((json_int_t)r->rcode[i]));
	json_object_set_new(o, "rcodes", rcodes);
	json_object_set_new(o, "latency_us", latency_json(&r->latency));
	return o;
}
