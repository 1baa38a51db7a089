/*
 * Zones onward without sockets: the differences kept and merged, and what a session says, read back by the decoder of our
 * own transfers and applied to the version that the reader has.
 */
#include "control/xfrout.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu-qsbr.h>

#include <cmocka.h>

#include "control/xfrin.h"
#include "tests/unit/zone/model.h"

#define VERSIONS 6
#define SERIAL0	 UINT32_C(4294967293) /* over the wrap */

/* --- a zone's history --- */

struct history {
	struct arena *arena;
	struct model model[VERSIONS];
	struct snapshot *snapshot[VERSIONS];
	struct deltas *deltas;
};

static bool contains(const struct model *m, const struct model_record *rec)
{
	for (unsigned i = 0; i < m->cnt; i++) {
		const struct model_record *r = &m->v[i];

		if (r->type == rec->type && r->ttl == rec->ttl && name_equal(r->owner, rec->owner) &&
		    rdata_compare(r->type, r->rdata, r->len, rec->rdata, rec->len) == 0)
			return true;
	}
	return false;
}

static void record_side(struct delta_recorder *r, const struct model *m, const struct model *other,
			bool deleted)
{
	for (int soa = 1; soa >= 0; soa--) {
		for (unsigned i = 0; i < m->cnt; i++) {
			const struct model_record *v = &m->v[i];
			struct delta_record rec = {.deleted = deleted,
						   .record = {v->owner, v->rdata, v->ttl, v->len, v->type}};

			if ((v->type == DNS_TYPE_SOA) == soa && (soa || !contains(other, v)))
				delta_recorder_add(r, &rec);
		}
	}
}

static void random_changes(struct model *m, struct rng *rng)
{
	for (unsigned i = 0; i < 12; i++) {
		unsigned at = rng_below(rng, m->cnt);

		if (rng_below(rng, 2) != 0)
			model_add_random(m, rng);
		else if (m->v[at].type != DNS_TYPE_SOA && !name_equal(m->v[at].owner, m->apex))
			model_remove(m, at);
	}
}

static void history_make(struct history *h, unsigned seed)
{
	struct rng rng = {.state = seed};
	struct delta_queue q;

	h->arena = test_arena();
	h->deltas = deltas_new(1, VERSIONS, 1 << 20);
	assert_non_null(h->deltas);
	model_init(&h->model[0], "example.", SERIAL0);
	for (unsigned i = 0; i < 40; i++)
		model_add_random(&h->model[0], &rng);
	for (unsigned i = 0; i < VERSIONS; i++) {
		if (i > 0) {
			struct delta_recorder r;

			model_copy(&h->model[i], &h->model[i - 1]);
			random_changes(&h->model[i], &rng);
			model_set_serial(&h->model[i], SERIAL0 + i);
			delta_recorder_init(&r, 1 << 20);
			record_side(&r, &h->model[i - 1], &h->model[i], true);
			record_side(&r, &h->model[i], &h->model[i - 1], false);
			delta_recorder_take(&r, &q);
			deltas_publish(h->deltas, 0, &q);
		}
		h->snapshot[i] = model_build(&h->model[i], h->arena);
	}
}

static void history_drop(struct history *h)
{
	for (unsigned i = 0; i < VERSIONS; i++) {
		snapshot_retire(h->snapshot[i]);
		model_fini(&h->model[i]);
	}
	deltas_free(h->deltas);
	rcu_barrier(); /* what was published goes after a grace period */
	test_arena_free(h->arena);
}

/* The version that the chain makes of base is the model's. */
static void check_chain(struct history *h, unsigned from, unsigned to, struct delta *const chain[],
			unsigned cnt)
{
	struct builder *b = builder_new(h->arena, MODEL_KEY, h->model[from].apex, h->snapshot[from], NULL);
	struct builder_report report;
	struct snapshot *s = NULL;

	assert_non_null(b);
	for (unsigned i = 0; i < cnt; i++) {
		struct delta_record rec;
		size_t at = 0;

		while (delta_next(chain[i], &at, &rec)) {
			const struct snapshot_record *r = &rec.record;

			if (rec.deleted)
				builder_del(b, r->owner, r->type, r->rdata, r->rdata_len);
			else
				builder_add(b, r->owner, r->type, r->ttl, r->rdata, r->rdata_len);
		}
	}
	assert_int_equal(builder_finish(b, &s, &report), BUILDER_OK);
	builder_free(b);
	model_check(&h->model[to], s);
	snapshot_retire(s);
}

static void a_chain_and_what_it_condenses_to_make_the_same_zone(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 12; seed++) {
		static struct history h;

		history_make(&h, seed);
		for (unsigned from = 0; from < VERSIONS; from++) {
			for (unsigned to = from + 1; to < VERSIONS; to++) {
				unsigned cnt = 0, records = 0;
				struct delta **chain =
					deltas_get(h.deltas, 0, SERIAL0 + from, SERIAL0 + to, &cnt);
				struct delta *one;

				assert_non_null(chain);
				assert_int_equal(cnt, to - from);
				check_chain(&h, from, to, chain, cnt);
				one = deltas_condense(chain, cnt);
				assert_non_null(one);
				for (unsigned i = 0; i < cnt; i++)
					records += chain[i]->record_cnt;
				assert_true(one->record_cnt <= records);
				assert_int_equal(one->from, SERIAL0 + from);
				assert_int_equal(one->to, SERIAL0 + to);
				check_chain(&h, from, to, &one, 1);
				delta_release(one);
				deltas_put(chain, cnt);
			}
		}
		history_drop(&h);
	}
}

/* --- the store --- */

static void put_one(struct delta_recorder *r, bool deleted, const char *owner, uint16_t type, uint32_t ttl,
		    const void *rdata, size_t len)
{
	uint8_t name[NAME_LEN_MAX];

	delta_recorder_add(r, &(struct delta_record){
				      .deleted = deleted,
				      .record = {wire_name(owner, name), rdata, ttl, (uint16_t)len, type}});
}

static void put_soa(struct delta_recorder *r, bool deleted, uint32_t serial)
{
	uint8_t soa[22] = {0};

	wire_store32(soa + 2, serial);
	put_one(r, deleted, "example.", DNS_TYPE_SOA, 1, soa, sizeof(soa));
}

static void come(struct delta_queue *q, uint32_t from, uint32_t to, unsigned more)
{
	static const uint8_t octets[1000];
	struct delta_recorder r;

	delta_recorder_init(&r, 1 << 20);
	put_soa(&r, true, from);
	put_soa(&r, false, to);
	put_one(&r, false, "a.example.", 65300, 1, octets, more);
	delta_recorder_take(&r, q);
}

static void publish(struct deltas *s, uint32_t slot, uint32_t from, uint32_t to, unsigned more)
{
	struct delta_queue q;

	come(&q, from, to, more);
	deltas_publish(s, slot, &q);
}

static bool is_kept(struct deltas *s, uint32_t slot, uint32_t from, uint32_t to)
{
	unsigned cnt = 0;
	struct delta **chain = deltas_get(s, slot, from, to, &cnt);

	if (chain == NULL)
		return false;
	assert_int_equal(chain[0]->from, from);
	assert_int_equal(chain[cnt - 1]->to, to);
	deltas_put(chain, cnt);
	return true;
}

static void what_is_kept_is_bounded_and_never_has_a_gap(void **state)
{
	struct deltas *s = deltas_new(2, 3, 3000);
	struct delta_queue none;
	struct deltas_info info;

	(void)state;
	TAILQ_INIT(&none);
	for (uint32_t i = 1; i < 6; i++)
		publish(s, 0, i, i + 1, 10);
	assert_int_equal(deltas_cnt(s, 0), 3);
	assert_false(is_kept(s, 0, 2, 6));
	assert_true(is_kept(s, 0, 3, 6));
	assert_true(is_kept(s, 0, 4, 5));
	assert_false(is_kept(s, 0, 3, 9));
	assert_false(is_kept(s, 1, 3, 6));
	assert_false(is_kept(s, 7, 3, 6));
	/* A version that does not follow: what was before does not lead to it. */
	publish(s, 0, 20, 21, 10);
	assert_int_equal(deltas_cnt(s, 0), 1);
	assert_false(is_kept(s, 0, 3, 6));
	/* The oldest of all zones make room. */
	for (uint32_t i = 1; i < 12; i++) {
		publish(s, 1, i, i + 1, 1000);
		deltas_info(s, &info);
		assert_true(info.bytes <= 3000);
	}
	publish(s, 0, 21, 22, 1000);
	assert_true(is_kept(s, 0, 21, 22));
	deltas_info(s, &info);
	assert_true(info.evicted > 0);
	assert_int_equal(info.cnt, deltas_cnt(s, 0) + deltas_cnt(s, 1));
	/* A version that came whole. */
	deltas_publish(s, 0, &none);
	assert_int_equal(deltas_cnt(s, 0), 0);
	deltas_free(s);
}

static struct deltas_info info_of(struct deltas *s)
{
	struct deltas_info info;

	deltas_info(s, &info);
	return info;
}

static void what_waits_for_its_version_counts_as_what_is_kept(void **state)
{
	struct deltas *s = deltas_new(2, 9, 3000); /* room for two of those below */
	struct delta_queue first, second, third;
	uint64_t one;

	(void)state;
	publish(s, 0, 1, 2, 1000);
	one = info_of(s).bytes;
	publish(s, 0, 2, 3, 1000);
	come(&first, 1, 2, 1000);
	deltas_wait(s, &first);
	deltas_wait(s, &first); /* verified, and held */
	assert_int_equal(info_of(s).bytes, 2 * one);
	assert_int_equal(info_of(s).evicted, 1);
	assert_false(is_kept(s, 0, 1, 2));
	assert_true(is_kept(s, 0, 2, 3));
	assert_false(is_kept(s, 1, 1, 2));
	come(&second, 3, 4, 1000);
	deltas_wait(s, &second);
	assert_int_equal(info_of(s).bytes, 2 * one);
	assert_int_equal(info_of(s).cnt, 0);
	/* What waits does not make room: it was there before. */
	come(&third, 1, 2, 1000);
	deltas_wait(s, &third);
	assert_true(TAILQ_EMPTY(&third));
	assert_int_equal(info_of(s).bytes, 2 * one);
	publish(s, 0, 3, 4, 1000);
	assert_int_equal(info_of(s).bytes, 2 * one);
	assert_int_equal(info_of(s).cnt, 0);
	/* Published it is counted once, dropped no more. */
	deltas_publish(s, 1, &first);
	assert_int_equal(info_of(s).bytes, 2 * one);
	assert_true(is_kept(s, 1, 1, 2));
	delta_queue_drop(&second);
	assert_int_equal(info_of(s).bytes, one);
	deltas_publish(s, 1, &second);
	assert_int_equal(info_of(s).bytes, 0);
	assert_int_equal(info_of(s).evicted, 4);
	deltas_free(s);
}

/* Zones may become more while others have differences, which stay. */
static void room_for_more_zones_keeps_what_is_kept(void **state)
{
	struct deltas *s = deltas_new(0, 9, 1 << 20);
	struct deltas_info info;

	(void)state;
	publish(s, 0, 1, 2, 10);
	assert_int_equal(deltas_cnt(s, 0), 0);
	assert_int_equal(deltas_reserve(s, 1), 0);
	publish(s, 0, 1, 2, 10);
	assert_int_equal(deltas_reserve(s, 100000), 0);
	assert_int_equal(deltas_reserve(s, 5), 0);
	publish(s, 99999, 5, 6, 10);
	publish(s, 0, 2, 3, 10);
	assert_true(is_kept(s, 0, 1, 3));
	assert_true(is_kept(s, 99999, 5, 6));
	deltas_info(s, &info);
	assert_int_equal(info.cnt, 3);
	deltas_free(s);
}

static void going_back_drops_what_came_after(void **state)
{
	struct deltas *s = deltas_new(1, 9, 1 << 20);
	struct deltas_info info;

	(void)state;
	for (uint32_t i = 1; i < 6; i++)
		publish(s, 0, i, i + 1, 10);
	deltas_go_back(s, 0, 4);
	assert_int_equal(deltas_cnt(s, 0), 3);
	assert_true(is_kept(s, 0, 1, 4));
	assert_false(is_kept(s, 0, 4, 6));
	/* It goes on from there, by another way. */
	publish(s, 0, 4, 7, 10);
	assert_true(is_kept(s, 0, 1, 7));
	/* Nothing leads to the first. */
	deltas_go_back(s, 0, 1);
	deltas_info(s, &info);
	assert_int_equal(info.cnt, 0);
	assert_int_equal(info.bytes, 0);
	deltas_go_back(s, 5, 1);
	deltas_free(s);
}

static void a_recording_that_is_too_large_or_out_of_order_keeps_nothing(void **state)
{
	static const uint8_t octets[1000];
	struct delta_recorder r;
	struct delta_queue q;

	(void)state;
	delta_recorder_init(&r, 900);
	put_soa(&r, true, 1);
	put_one(&r, true, "a.example.", 65300, 1, octets, sizeof(octets));
	put_soa(&r, false, 2);
	delta_recorder_take(&r, &q);
	assert_true(TAILQ_EMPTY(&q));
	delta_recorder_init(&r, 9000);
	put_one(&r, true, "a.example.", 65300, 1, octets, 10);
	put_soa(&r, true, 1);
	delta_recorder_take(&r, &q);
	assert_true(TAILQ_EMPTY(&q));
}

static void a_record_whose_ttl_or_case_alone_changed_stays_in_a_condensed_difference(void **state)
{
	struct delta_recorder r;
	struct delta_queue q;
	struct delta *chain[2], *one;

	(void)state;
	delta_recorder_init(&r, 9000);
	put_soa(&r, true, 1);
	put_one(&r, true, "ttl.example.", 65300, 1, "x", 1);
	put_one(&r, true, "Same.example.", 65300, 1, "x", 1);
	put_one(&r, true, "case.example.", 65300, 1, "x", 1);
	put_soa(&r, false, 2);
	put_soa(&r, true, 2);
	put_soa(&r, false, 3);
	put_one(&r, false, "ttl.example.", 65300, 2, "x", 1);
	put_one(&r, false, "Same.example.", 65300, 1, "x", 1);
	put_one(&r, false, "CASE.example.", 65300, 1, "x", 1);
	delta_recorder_take(&r, &q);
	chain[0] = TAILQ_FIRST(&q);
	chain[1] = TAILQ_LAST(&q, delta_queue);
	one = deltas_condense(chain, 2);
	assert_int_equal(one->record_cnt, 2 + 2 + 2);
	delta_release(one);
	delta_queue_drop(&q);
}

/* --- sessions --- */

struct server {
	struct config config;
	struct config_zone zone;
	struct config_secondary secondary;
	const struct config_secondary *allowed[1];
	struct zonetab *table;
	struct log *log;
	struct log_limit limit;
	struct xfrout *xfrout;
	uint32_t slot;
	struct snapshot **lent;
	struct tsig_key *key; /* requests are signed; NULL: they are not */
	struct tsig_keyring *ring;
};

/* The table has *s until server_stop gives it back. */
static void server_start(struct server *v, struct deltas *deltas, struct snapshot **s)
{
	struct xfrout_env env = {.config = &v->config, .deltas = deltas};

	memset(v, 0, sizeof(*v));
	v->secondary = (struct config_secondary){.address.sa.sa_family = AF_INET, .prefix = 25};
	v->secondary.address.in4.sin_addr.s_addr = htonl(0x0A000080);
	v->allowed[0] = &v->secondary;
	v->zone.name_text = (char[]){"example."};
	v->zone.allow_transfer = (struct config_secondaries){v->allowed, 1};
	v->config.transfers_out =
		(struct config_transfers_out){.running_max = 2, .time_max_s = 100, .idle_max_s = 10};
	v->table = zonetab_new(MODEL_KEY);
	env.log = v->log = log_new(LOG_ERROR, LOG_TO_STDERR);
	assert_int_equal(zonetab_add(v->table, snapshot_apex_name(*s), &v->slot), 0);
	v->lent = s;
	zonetab_publish(v->table, v->slot, s);
	env.table = v->table;
	v->xfrout = xfrout_new(&env);
	assert_non_null(v->xfrout);
	assert_int_equal(xfrout_prepare(v->xfrout, v->slot + 1), 0);
	xfrout_add_zone(v->xfrout, v->slot, &v->zone);
	xfrout_commit(v->xfrout);
}

static void server_stop(struct server *v)
{
	uint64_t cnt[XFROUT_COUNTER_CNT];

	xfrout_counters(v->xfrout, cnt);
	assert_int_equal(cnt[XFROUT_CNT_running], 0);
	xfrout_free(v->xfrout);
	*v->lent = zonetab_withdraw(v->table, v->slot, ZONE_EXPIRED);
	zonetab_free(v->table);
	log_free(v->log);
}

/* A request from 10.0.0.LAST; an error's RCODE, or -1 and the session. */
static int open_session(struct server *v, uint16_t qtype, uint32_t serial, uint8_t last, uint8_t transport,
			struct xfrout_session **out)
{
	struct xfrin_request request = {.id = 7, .qtype = qtype, .serial = serial};
	union config_sockaddr client = {.sa.sa_family = AF_INET};
	struct tsig tsig = {.verdict = TSIG_NONE};
	uint8_t msg[1024];
	struct xfrout_request r = {.msg = msg,
				   .cap = sizeof(msg),
				   .transport = transport,
				   .client = &client,
				   .tsig = &tsig,
				   .limit = &v->limit};
	size_t len = 0;

	wire_name("example.", request.apex);
	client.in4.sin_addr.s_addr = htonl(0x0A000000u | last);
	r.len = xfrin_request_put(&request, msg);
	if (v->key != NULL) {
		struct tsig ours;

		assert_int_equal(tsig_client_init(&ours, v->key), 0);
		assert_int_equal(tsig_sign_request(&ours, msg, sizeof(msg), 1, &r.len), 0);
		tsig_fini(&ours);
		assert_int_equal(tsig_verify_request(&tsig, v->ring, msg, 1, &r.len), TSIG_OK);
	}
	*out = xfrout_open(v->xfrout, &r, &len);
	if (*out != NULL)
		return -1;
	assert_true(len >= DNS_HEADER_LEN);
	return wire_load16(msg + 2) & DNS_RCODE_MASK;
}

/* Reads what a session says with the decoder of our transfers. */
struct reader {
	struct history *h;
	const struct snapshot *base;
	struct builder *builder;
	struct xfrin x;
};

static int on_begin(void *arg, enum xfrin_form form)
{
	struct reader *r = arg;

	r->builder = builder_new(r->h->arena, MODEL_KEY, r->h->model[0].apex,
				 form == XFRIN_CHANGES ? r->base : NULL, NULL);
	return r->builder == NULL;
}

static int on_add(void *arg, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
		  uint16_t len)
{
	return (int)builder_add(((struct reader *)arg)->builder, owner, type, ttl, rdata, len);
}

static int on_del(void *arg, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
		  uint16_t len)
{
	return (int)builder_del(((struct reader *)arg)->builder, owner, type, rdata, len);
}

static void read_all(struct history *h, struct server *v, uint16_t qtype, unsigned from, unsigned to)
{
	static uint8_t out[2 * (2 + DNS_MSG_MAX)];
	static struct reader r;
	const struct xfrin_sink sink = {.begin = on_begin, .add = on_add, .del = on_del, .arg = &r};
	struct xfrin_request request = {.id = 7, .qtype = qtype, .serial = SERIAL0 + from};
	enum xfrin_verdict verdict = XFRIN_MORE;
	struct builder_report report;
	struct xfrout_session *s;
	struct snapshot *made = NULL;
	ssize_t len;

	r.h = h;
	r.base = from == VERSIONS - 1 ? NULL : h->snapshot[from];
	r.builder = NULL;
	wire_name("example.", request.apex);
	xfrin_init(&r.x, &request, &sink);
	assert_int_equal(open_session(v, qtype, SERIAL0 + from, 0x81, ANSWER_TCP, &s), -1);
	while ((len = xfrout_fill(s, out, sizeof(out), 0)) > 0)
		for (ssize_t at = 0; at < len; at += 2 + wire_load16(out + at))
			verdict = xfrin_message(&r.x, out + at + 2, wire_load16(out + at));
	assert_int_equal(len, 0);
	xfrout_close(s, 0);
	if (qtype == DNS_TYPE_IXFR && from == to) {
		assert_int_equal(verdict, XFRIN_UP_TO_DATE);
		return;
	}
	assert_int_equal(verdict, XFRIN_DONE);
	assert_int_equal(builder_finish(r.builder, &made, &report), BUILDER_OK);
	builder_free(r.builder);
	model_check(&h->model[to], made);
	snapshot_retire(made);
}

static void what_a_session_says_makes_the_version_served_of_any_older_one(void **state)
{
	(void)state;
	for (unsigned seed = 20; seed < 26; seed++) {
		static struct history h;
		struct server v;

		history_make(&h, seed);
		server_start(&v, h.deltas, &h.snapshot[VERSIONS - 1]);
		for (unsigned from = 0; from < VERSIONS; from++)
			read_all(&h, &v, DNS_TYPE_IXFR, from, VERSIONS - 1);
		read_all(&h, &v, DNS_TYPE_AXFR, 0, VERSIONS - 1);
		server_stop(&v);
		history_drop(&h);
	}
}

static void whom_a_zone_goes_to_comes_before_how_many_there_are(void **state)
{
	static struct history h;
	struct xfrout_session *s[3];
	struct server v;

	(void)state;
	history_make(&h, 1);
	server_start(&v, h.deltas, &h.snapshot[0]);
	assert_int_equal(open_session(&v, DNS_TYPE_AXFR, 0, 0x7F, ANSWER_TCP, &s[0]), DNS_RCODE_REFUSED);
	assert_int_equal(open_session(&v, DNS_TYPE_AXFR, 0, 0x80, ANSWER_TCP, &s[0]), -1);
	assert_int_equal(open_session(&v, DNS_TYPE_IXFR, 0, 0xFF, ANSWER_TCP, &s[1]), -1);
	assert_int_equal(open_session(&v, DNS_TYPE_AXFR, 0, 0x80, ANSWER_TCP, &s[2]), DNS_RCODE_SERVFAIL);
	assert_int_equal(open_session(&v, DNS_TYPE_AXFR, 0, 0x7F, ANSWER_TCP, &s[2]), DNS_RCODE_REFUSED);
	assert_false(xfrout_is_late(s[0], 10000));
	assert_true(xfrout_is_late(s[0], 10001));
	xfrout_close(s[0], 0);
	assert_int_equal(open_session(&v, DNS_TYPE_AXFR, 0, 0x80, ANSWER_TCP, &s[0]), -1);
	xfrout_close(s[0], 0);
	xfrout_close(s[1], 0);
	v.secondary.tls = true;
	assert_int_equal(open_session(&v, DNS_TYPE_AXFR, 0, 0x80, ANSWER_TCP, &s[0]), DNS_RCODE_REFUSED);
	assert_int_equal(open_session(&v, DNS_TYPE_AXFR, 0, 0x80, ANSWER_TLS, &s[0]), -1);
	xfrout_close(s[0], 0);
	v.zone.allow_transfer.cnt = 0;
	assert_int_equal(open_session(&v, DNS_TYPE_AXFR, 0, 0x80, ANSWER_TLS, &s[0]), DNS_RCODE_REFUSED);
	server_stop(&v);
	history_drop(&h);
}

/* How a transfer ends that is read to its end. */
static ssize_t send_all(struct server *v)
{
	static uint8_t out[2 + DNS_MSG_MAX];
	struct xfrout_session *s;
	unsigned fills = 0;
	ssize_t len;

	assert_int_equal(open_session(v, DNS_TYPE_AXFR, 0, 0x80, ANSWER_TCP, &s), -1);
	while ((len = xfrout_fill(s, out, sizeof(out), 0)) > 0)
		assert_true(++fills < 100);
	xfrout_close(s, 0);
	return len;
}

static void a_record_that_no_message_can_carry_ends_the_transfer(void **state)
{
	static uint8_t rdata[RDATA_LEN_MAX];
	static struct history h;
	const struct tsig_key_spec spec = {.name = (const uint8_t *)"\1k",
					   .secret = (const uint8_t *)"secret",
					   .secret_len = 6,
					   .algorithm = TSIG_HMAC_SHA256};
	uint64_t cnt[XFROUT_COUNTER_CNT];
	struct snapshot *large = NULL;
	struct builder_report report;
	uint8_t name[NAME_LEN_MAX];
	struct builder *b;
	struct server v;

	(void)state;
	history_make(&h, 1);
	b = builder_new(h.arena, MODEL_KEY, h.model[0].apex, h.snapshot[0], NULL);
	/* What the zone takes just fits into an answer, and into a transfer; not with a signature. */
	builder_add(b, wire_name("large.example.", name), 65300, 1, rdata, 65535 - 12 - (15 + 4) - 12);
	assert_int_equal(builder_finish(b, &large, &report), BUILDER_OK);
	builder_free(b);
	server_start(&v, h.deltas, &large);
	assert_int_equal(send_all(&v), 0);
	assert_int_equal(tsig_key_new(&spec, &v.key), 0);
	assert_int_equal(tsig_keyring_new(&v.key, 1, &v.ring, NULL), 0);
	v.secondary.key = v.key;
	assert_int_equal(send_all(&v), -EMSGSIZE);
	xfrout_counters(v.xfrout, cnt);
	assert_int_equal(cnt[XFROUT_CNT_too_large], 1);
	tsig_keyring_free(v.ring);
	tsig_key_release(v.key);
	server_stop(&v);
	snapshot_retire(large);
	history_drop(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_and_what_it_condenses_to_make_the_same_zone),
		cmocka_unit_test(what_is_kept_is_bounded_and_never_has_a_gap),
		cmocka_unit_test(what_waits_for_its_version_counts_as_what_is_kept),
		cmocka_unit_test(room_for_more_zones_keeps_what_is_kept),
		cmocka_unit_test(going_back_drops_what_came_after),
		cmocka_unit_test(a_recording_that_is_too_large_or_out_of_order_keeps_nothing),
		cmocka_unit_test(a_record_whose_ttl_or_case_alone_changed_stays_in_a_condensed_difference),
		cmocka_unit_test(what_a_session_says_makes_the_version_served_of_any_older_one),
		cmocka_unit_test(whom_a_zone_goes_to_comes_before_how_many_there_are),
		cmocka_unit_test(a_record_that_no_message_can_carry_ends_the_transfer),
	};
	int failed;

	rcu_register_thread();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rcu_unregister_thread();
	return failed;
}
