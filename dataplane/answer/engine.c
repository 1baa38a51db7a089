/*
 * Making and keeping an engine: what threads do with it outside of bursts.
 */
#include "dataplane/answer/engine.h"

#include <stdlib.h>

const struct counter_text answer_counter_text[ANSWER_COUNTER_CNT] = {
#define X(name, help) {#name, help},
	ANSWER_COUNTERS(X)
#undef X
};

/* RFC 6891 6.1.2: root owner, class is our payload size, TTL is extended RCODE 0, version 0, DO. */
void answer_engine_set_config(struct answer_engine *e, const struct answer_config *config)
{
	e->config = config;
	for (unsigned i = 0; i < 4; i++) {
		unsigned ipv6 = i / 2, dnssec_ok = i % 2;
		struct wire_out out = wire_out_init(e->opt[ipv6][dnssec_ok], QUERY_OPT_LEN);

		wire_put8(&out, 0);
		wire_put16(&out, DNS_TYPE_OPT);
		wire_put16(&out, config->udp_payload_max[ipv6]);
		wire_put32(&out, dnssec_ok ? 0x8000 : 0);
		wire_put16(&out, 0);
	}
	e->edns_wanted = edns_wanted(&config->edns);
	if (e->rrl != NULL)
		rrl_set_config(e->rrl, &config->rrl);
}

/* The table's key is the secret there is; limits must not share their hashes with names, whose places can be timed. */
static struct rrl *make_rrl(const struct answer_config *config, uint64_t secret)
{
	const uint64_t key[2] = {(secret ^ secret >> 29) * UINT64_C(0xbf58476d1ce4e5b9),
				 (secret ^ secret >> 31) * UINT64_C(0x94d049bb133111eb)};

	return rrl_new(&config->rrl, key);
}

struct answer_engine *answer_engine_new(const struct zonetab *zones, const struct answer_config *config)
{
	struct answer_engine *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->zones = zones;
	e->key = zonetab_key(zones);
	if (config->rrl.rate > 0) {
		e->rrl = make_rrl(config, e->key);
		if (e->rrl == NULL) {
			free(e);
			return NULL;
		}
	}
	e->zone = ZONETAB_SLOT_NONE;
	answer_engine_set_config(e, config);
	resolver_init(&e->resolver, zones);
	for (unsigned i = 0; i < ANSWER_BURST_MAX; i++) {
		struct work *w = &e->work[i];

		w->find.name = w->query.name;
		w->find.hashes = &w->query.labels;
		w->step.name = (struct reply_name){.lower = w->query.name, .hashes = &w->query.labels};
		w->step.lookup.name = w->query.name;
		w->step.lookup.hashes = &w->query.labels;
	}
	return e;
}

void answer_engine_free(struct answer_engine *e)
{
	if (e == NULL)
		return;
	rrl_free(e->rrl);
	free(e);
}

void answer_engine_offer_config(struct answer_engine *e, const struct answer_config *config)
{
	/* Pairs with the acquire in answer_engine_set_time: who sees the pointer sees what it leads to. */
	__atomic_store_n(&e->offered, config, __ATOMIC_RELEASE); // COMMIT
}

void answer_engine_set_time(struct answer_engine *e, const struct answer_time *now)
{
	const struct answer_config *offered = __atomic_load_n(&e->offered, __ATOMIC_ACQUIRE);

	e->now = *now;
	if (offered != NULL && offered != e->config)
		answer_engine_set_config(e, offered);
}

void answer_engine_trust(struct answer_engine *e, bool trusts)
{
	e->trusts = trusts;
}

void engine_count_rate(struct answer_engine *e, enum rrl_verdict verdict)
{
	switch (verdict) {
	case RRL_PASS:
		break;
	case RRL_PASS_ALLOWED:
		engine_count(e, ANSWER_CNT_rate_allowed);
		break;
	case RRL_PASS_DRY_RUN:
		engine_count(e, ANSWER_CNT_rate_dry_run);
		break;
	case RRL_SLIP:
		engine_count(e, ANSWER_CNT_rate_slipped);
		break;
	case RRL_DROP:
		engine_count(e, ANSWER_CNT_rate_dropped);
		break;
	}
}

bool answer_error_limited(struct answer_engine *e, const struct answer_job *job)
{
	enum rrl_verdict verdict;
	struct rrl_key key;

	if (e->rrl == NULL || job->transport != ANSWER_UDP)
		return false;
	rrl_prepare(e->rrl, job->family, job->client, &key);
	verdict = rrl_decide(e->rrl, &key, job->family, job->client, RRL_ERROR, e->now.monotonic_us);
	engine_count_rate(e, verdict);
	/* One that slips is sent as it is: it has no records that could be left out. */
	return verdict == RRL_DROP;
}

unsigned answer_offenders(const struct answer_engine *e, struct rrl_offender out[RRL_OFFENDERS_MAX])
{
	return e->rrl == NULL ? 0 : rrl_offenders(e->rrl, out);
}

void answer_counters(const struct answer_engine *e, uint64_t out[ANSWER_COUNTER_CNT])
{
	for (unsigned i = 0; i < ANSWER_COUNTER_CNT; i++)
		out[i] = __atomic_load_n(&e->cnt[i], __ATOMIC_RELAXED);
}
