/*
 * The state after an IXFR is the state after an AXFR of the same serial, in every answer: two secondaries follow one
 * zone through random changes, one by differences, the other by whole zones, both from messages as a primary sends
 * them. After each change all records are compared, and the answers to all questions about names that exist, about
 * their ancestors and about names that do not, with DNSSEC records and without, octet by octet.
 *
 * LOCKSTEP_DELTAS=N in the environment: that many changes of each kind of zone instead of 1,000 (sanitizer runs do 100).
 */
#include "control/xfrin.h"
#include "dataplane/answer/answer.h"
#include "dataplane/zone/zonetab.h"
#include "tests/unit/zone/signing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <urcu-qsbr.h>

#include <cmocka.h>

#define DELTAS	     1000
#define SAMPLE_MIN   100
#define ZONE_RECORDS 30	   /* about, before signing */
#define MESSAGE_LEN  16384 /* of a transfer: one record more than this at most */

/* One of the two. */
struct follower {
	struct zonetab *zones;
	struct answer_engine *engine;
	uint32_t slot;
	uint64_t answered;
};

struct world {
	struct arena *arena;
	struct answer_config config;
	struct follower by_ixfr, by_axfr;
	struct rng rng;
	struct model content; /* what the operator of the primary wrote */
	struct model zone;    /* what the primary has: that, signed */
	struct signing signing;
	uint32_t serial;
	unsigned chain_changes;
};

/* --- transfers --- */

struct transfer {
	struct arena *arena;
	const struct snapshot *base;
	const uint8_t *apex;
	struct builder *builder;
	struct xfrin x;
};

static int on_begin(void *arg, enum xfrin_form form)
{
	struct transfer *t = arg;

	assert_int_equal(form, t->base != NULL ? XFRIN_CHANGES : XFRIN_WHOLE);
	t->builder = builder_new(t->arena, MODEL_KEY, t->apex, t->base, NULL);
	assert_non_null(t->builder);
	return 0;
}

static int on_add(void *arg, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
		  uint16_t len)
{
	struct transfer *t = arg;

	return (int)builder_add(t->builder, owner, type, ttl, rdata, len);
}

static int on_del(void *arg, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
		  uint16_t len)
{
	struct transfer *t = arg;

	return (int)builder_del(t->builder, owner, type, rdata, len);
}

static struct transfer *transfer_new(struct world *w, const struct snapshot *base, uint32_t base_serial)
{
	const struct xfrin_sink sink = {.begin = on_begin, .add = on_add, .del = on_del};
	struct transfer *t = malloc(sizeof(*t));
	struct xfrin_request request = {.qtype = base != NULL ? DNS_TYPE_IXFR : DNS_TYPE_AXFR,
					.serial = base_serial};

	assert_non_null(t);
	t->arena = w->arena;
	t->base = base;
	t->apex = w->zone.apex;
	t->builder = NULL;
	memcpy(request.apex, w->zone.apex, name_len(w->zone.apex));
	xfrin_init(&t->x, &request, &sink);
	t->x.sink.arg = t;
	return t;
}

/* Messages of some records each. */
struct sender {
	struct transfer *t;
	struct wire_out w;
	uint16_t cnt;
	uint8_t msg[DNS_MSG_MAX];
};

static void sender_begin(struct sender *s)
{
	s->w = wire_out_init(s->msg, sizeof(s->msg));
	wire_put16(&s->w, 0);
	wire_put16(&s->w, DNS_FLAG_QR | DNS_FLAG_AA);
	wire_put16(&s->w, 1);
	wire_put_bytes(&s->w, "\0\0\0\0\0\0", 6);
	wire_put_bytes(&s->w, s->t->apex, name_len(s->t->apex));
	wire_put16(&s->w, s->t->x.request.qtype);
	wire_put16(&s->w, DNS_CLASS_IN);
	s->cnt = 0;
}

static void sender_flush(struct sender *s)
{
	char text[XFRIN_TEXT_CAP];

	assert_false(s->w.bad);
	wire_store16(s->msg + 6, s->cnt);
	if (xfrin_message(&s->t->x, s->msg, wire_out_len(&s->w)) > XFRIN_UP_TO_DATE)
		fail_msg("%s: %s", xfrin_describe(&s->t->x, text),
			 builder_verdict_text((enum builder_verdict)s->t->x.sink_error));
	sender_begin(s);
}

static void send_record(struct sender *s, const struct model_record *rec)
{
	if (wire_out_len(&s->w) > MESSAGE_LEN)
		sender_flush(s);
	wire_put_bytes(&s->w, rec->owner, name_len(rec->owner));
	wire_put16(&s->w, rec->type);
	wire_put16(&s->w, DNS_CLASS_IN);
	wire_put32(&s->w, rec->ttl);
	wire_put16(&s->w, rec->len);
	wire_put_bytes(&s->w, rec->rdata, rec->len);
	s->cnt++;
}

static const struct model_record *soa_of(const struct model *m)
{
	for (unsigned i = 0; i < m->cnt; i++)
		if (m->v[i].type == DNS_TYPE_SOA)
			return &m->v[i];
	fail_msg("no SOA");
	return NULL;
}

/* What is in a and not in b, but for the SOA; from a random place on, as primaries have orders of their own. */
static unsigned send_difference(struct world *w, struct sender *s, const struct model *a,
				const struct model *b)
{
	unsigned start = rng_below(&w->rng, a->cnt), chain = 0;

	for (unsigned i = 0; i < a->cnt; i++) {
		const struct model_record *rec = &a->v[(start + i) % a->cnt];

		if (rec->type == DNS_TYPE_SOA || model_contains(b, rec))
			continue;
		send_record(s, rec);
		chain += rec->type == DNS_TYPE_NSEC || rec->type == DNS_TYPE_NSEC3;
	}
	return chain;
}

static void publish(struct follower *f, struct transfer *t)
{
	struct builder_report report;
	struct snapshot *next = NULL;
	enum builder_verdict v;

	assert_int_equal(t->x.verdict, XFRIN_DONE);
	v = builder_finish(t->builder, &next, &report);
	if (v != BUILDER_OK)
		fail_msg("%s", builder_verdict_text(v));
	builder_free(t->builder);
	zonetab_publish(f->zones, f->slot, &next);
	free(t);
}

static void transfer_changes(struct world *w, const struct model *next, uint32_t old_serial)
{
	struct follower *f = &w->by_ixfr;
	struct transfer *t = transfer_new(w, zonetab_snapshot(f->zones, f->slot, NULL), old_serial);
	static struct sender s;

	s.t = t;
	sender_begin(&s);
	send_record(&s, soa_of(next));
	send_record(&s, soa_of(&w->zone));
	w->chain_changes += send_difference(w, &s, &w->zone, next) > 0;
	send_record(&s, soa_of(next));
	send_difference(w, &s, next, &w->zone);
	send_record(&s, soa_of(next));
	sender_flush(&s);
	publish(f, t);
}

static void transfer_whole(struct world *w, struct follower *f, const struct model *m)
{
	struct transfer *t = transfer_new(w, NULL, 0);
	static struct sender s;
	struct model nothing = {.cnt = 0};

	s.t = t;
	sender_begin(&s);
	send_record(&s, soa_of(m));
	send_difference(w, &s, m, &nothing);
	send_record(&s, soa_of(m));
	sender_flush(&s);
	publish(f, t);
}

/* --- the zone and its changes --- */

/* The record that was added last gets the TTL of its set, as every primary sees to. */
static void adopt_ttl(struct model *m)
{
	struct model_record *last = &m->v[m->cnt - 1];

	for (unsigned i = 0; i + 1 < m->cnt; i++)
		if (m->v[i].type == last->type && name_equal(m->v[i].owner, last->owner))
			last->ttl = m->v[i].ttl;
}

static void add_content(struct model *m, struct rng *r)
{
	if (model_add_random(m, r))
		adopt_ttl(m);
}

static void change_ttl(struct model *m, const struct model_record *of, uint32_t ttl)
{
	const struct model_record set = *of;

	for (unsigned i = 0; i < m->cnt; i++)
		if (m->v[i].type == set.type && name_equal(m->v[i].owner, set.owner))
			m->v[i].ttl = ttl;
}

/* A delegation that is signed, and for each DS that there is NS beside it. */
static void secure_a_cut(struct model *m, struct rng *r)
{
	uint8_t rdata[36] = {0, 1, 13, 2};

	for (unsigned tries = 0; tries < 20; tries++) {
		const struct model_record *rec = &m->v[rng_below(r, m->cnt)];

		if (rec->type != DNS_TYPE_NS || name_equal(rec->owner, m->apex))
			continue;
		rdata[4] = (uint8_t)rng_below(r, 3);
		if (model_add(m, rec->owner, DNS_TYPE_DS, 300 + DNS_TYPE_DS, rdata, sizeof(rdata)))
			adopt_ttl(m);
		return;
	}
}

static void remove_content(struct model *m, struct rng *r)
{
	unsigned i = rng_below(r, m->cnt);

	/* SOA and the apex's own NS stay. */
	if (m->v[i].type != DNS_TYPE_SOA &&
	    !(m->v[i].type == DNS_TYPE_NS && name_equal(m->v[i].owner, m->apex)))
		model_remove(m, i);
}

/* What a signer would not have in a zone: signatures that nobody made, DS without NS. */
static void tidy(struct model *m, enum signing_kind kind)
{
	for (unsigned i = 0; i < m->cnt;) {
		const struct model_record *rec = &m->v[i];
		bool ds_alone = rec->type == DNS_TYPE_DS;

		for (unsigned k = 0; k < m->cnt && ds_alone; k++)
			ds_alone = m->v[k].type != DNS_TYPE_NS || !name_equal(m->v[k].owner, rec->owner);
		if (ds_alone || (rec->type == DNS_TYPE_RRSIG && kind != SIGNING_NONE))
			model_remove(m, i);
		else
			i++;
	}
}

static void change_content(struct world *w, struct model *m)
{
	struct rng *r = &w->rng;
	unsigned changes = 1 + rng_below(r, 4);

	for (unsigned i = 0; i < changes; i++) {
		if (rng_below(r, 10) == 0)
			change_ttl(m, &m->v[rng_below(r, m->cnt)], 1000 + rng_below(r, 100));
		else if (rng_below(r, 10) == 0)
			secure_a_cut(m, r);
		else if (m->cnt > ZONE_RECORDS && rng_below(r, 5) < 3)
			remove_content(m, r);
		else
			add_content(m, r);
	}
	if (rng_below(r, 50) == 0)
		w->signing.inception += 3600;
	if (rng_below(r, 100) == 0)
		w->signing.salt++;
	if (rng_below(r, 100) == 0)
		w->signing.opt_out = !w->signing.opt_out;
	tidy(m, w->signing.kind);
	model_set_serial(m, w->serial);
}

/* --- the comparison --- */

static const uint16_t types[] = {DNS_TYPE_A,   DNS_TYPE_NS,    DNS_TYPE_CNAME,	   DNS_TYPE_SOA,
				 DNS_TYPE_MX,  DNS_TYPE_TXT,   DNS_TYPE_AAAA,	   DNS_TYPE_DNAME,
				 DNS_TYPE_DS,  DNS_TYPE_RRSIG, DNS_TYPE_NSEC,	   DNS_TYPE_NSEC3,
				 DNS_TYPE_ANY, 65280,	       DNS_TYPE_NSEC3PARAM};
#define TYPE_CNT (sizeof(types) / sizeof(types[0]))

/* Questions of one name for all types, with DO; and for the first type without EDNS. */
#define ASK_CNT (TYPE_CNT + 1)

struct asked {
	uint8_t *msgs; /* ASK_CNT of DNS_MSG_MAX octets */
	struct answer_job jobs[ASK_CNT];
};

static size_t put_question(uint8_t *msg, const uint8_t *name, uint16_t type, bool dnssec)
{
	static const uint8_t opt[] = {0, 0, DNS_TYPE_OPT, 0x10, 0, 0, 0, 0x80, 0, 0, 0};
	size_t len = name_len(name);

	memcpy(msg, "\0\1\0\0\0\1\0\0\0\0\0", DNS_HEADER_LEN);
	msg[DNS_HEADER_LEN - 1] = dnssec;
	memcpy(msg + DNS_HEADER_LEN, name, len);
	len += DNS_HEADER_LEN;
	wire_store16(msg + len, type);
	wire_store16(msg + len + 2, DNS_CLASS_IN);
	if (!dnssec)
		return len + 4;
	memcpy(msg + len + 4, opt, sizeof(opt));
	return len + 4 + sizeof(opt);
}

static void ask_all(struct follower *f, struct asked *a, const uint8_t *name)
{
	struct answer_job *jobs[ASK_CNT];

	for (unsigned i = 0; i < ASK_CNT; i++) {
		uint8_t *msg = a->msgs + (size_t)i * DNS_MSG_MAX;
		size_t len = put_question(msg, name, types[i % TYPE_CNT], i < TYPE_CNT);

		a->jobs[i] = (struct answer_job){.msg = msg,
						 .len = (uint32_t)len,
						 .cap = DNS_MSG_MAX,
						 .transport = ANSWER_TCP,
						 .family = 4};
		jobs[i] = &a->jobs[i];
	}
	for (unsigned i = 0; i < ASK_CNT; i += ANSWER_BURST_MAX)
		answer_burst(f->engine, jobs + i,
			     ASK_CNT - i < ANSWER_BURST_MAX ? ASK_CNT - i : ANSWER_BURST_MAX);
	f->answered += ASK_CNT;
	urcu_qsbr_quiescent_state();
}

static void compare_name(struct world *w, struct asked pair[2], const uint8_t *name)
{
	char text[NAME_TEXT_CAP], type[RDATA_TYPE_TEXT_CAP];

	ask_all(&w->by_ixfr, &pair[0], name);
	ask_all(&w->by_axfr, &pair[1], name);
	for (unsigned i = 0; i < ASK_CNT; i++) {
		const struct answer_job *a = &pair[0].jobs[i], *b = &pair[1].jobs[i];

		assert_int_equal(a->verdict, ANSWER_SEND);
		assert_int_equal(b->verdict, ANSWER_SEND);
		if (a->len != b->len || memcmp(a->msg, b->msg, a->len) != 0)
			fail_msg("serial %u: %s %s is answered otherwise after IXFR", w->serial,
				 name_text(name, text), rdata_type_text(types[i % TYPE_CNT], type));
	}
}

static void compare_answers(struct world *w, struct asked pair[2])
{
	const struct model *m = &w->zone;
	uint8_t name[NAME_LEN_MAX];

	for (unsigned i = 0; i < m->cnt; i++) {
		const uint8_t *p = m->v[i].owner;
		bool seen = false;

		for (unsigned k = 0; k < i && !seen; k++)
			seen = name_equal(m->v[k].owner, p);
		if (seen)
			continue;
		/* The name and its parent, which may be an empty non-terminal, and a name below that is not there. */
		compare_name(w, pair, p);
		if (!name_equal(p, m->apex))
			compare_name(w, pair, p + 1 + *p);
		if (name_len(p) + 4 <= NAME_LEN_MAX) {
			memcpy(name, "\3new", 4);
			memcpy(name + 4, p, name_len(p));
			compare_name(w, pair, name);
		}
	}
	for (unsigned i = 0; i < 20; i++) {
		model_random_name(m, &w->rng, name);
		compare_name(w, pair, name);
	}
}

struct listing {
	uint8_t *octets;
	size_t len, cap;
};

static int list_record(const struct snapshot_record *rec, void *arg)
{
	struct listing *l = arg;
	struct wire_out out;

	if (l->cap - l->len < 2 * NAME_LEN_MAX + MODEL_RDATA) {
		l->cap = 2 * l->cap + 4096;
		l->octets = realloc(l->octets, l->cap);
		assert_non_null(l->octets);
	}
	out = wire_out_init(l->octets + l->len, l->cap - l->len);
	wire_put_bytes(&out, rec->owner, name_len(rec->owner));
	wire_put16(&out, rec->type);
	wire_put32(&out, rec->ttl);
	wire_put16(&out, rec->rdata_len);
	wire_put_bytes(&out, rec->rdata, rec->rdata_len);
	assert_false(out.bad);
	l->len += wire_out_len(&out);
	return 0;
}

static void compare_records(struct world *w)
{
	const struct follower *f[] = {&w->by_ixfr, &w->by_axfr};
	struct listing l[2] = {{.len = 0}};
	struct snapshot_info info[2];

	for (unsigned i = 0; i < 2; i++) {
		const struct snapshot *s = zonetab_snapshot(f[i]->zones, f[i]->slot, NULL);

		snapshot_info(s, &info[i]);
		assert_int_equal(snapshot_walk(s, list_record, &l[i]), 0);
	}
	assert_int_equal(info[0].records, w->zone.cnt);
	assert_int_equal(info[0].names, info[1].names);
	assert_int_equal(info[0].delegations, info[1].delegations);
	assert_int_equal(info[0].serial, w->serial);
	assert_int_equal(info[0].has_nsec, info[1].has_nsec);
	assert_int_equal(info[0].has_nsec3, info[1].has_nsec3);
	assert_int_equal(l[0].len, l[1].len);
	assert_memory_equal(l[0].octets, l[1].octets, l[0].len);
	free(l[0].octets);
	free(l[1].octets);
}

/* --- the runs --- */

static void follower_init(struct world *w, struct follower *f)
{
	f->zones = zonetab_new(MODEL_KEY);
	assert_non_null(f->zones);
	assert_int_equal(zonetab_add(f->zones, w->content.apex, &f->slot), 0);
	f->engine = answer_engine_new(f->zones, &w->config);
	assert_non_null(f->engine);
	f->answered = 0;
}

static void follower_fini(struct follower *f)
{
	answer_engine_free(f->engine);
	zonetab_free(f->zones);
}

/* The zone as the primary has it, from its content. */
static void make_zone(struct world *w, struct model *out)
{
	model_copy(out, &w->content);
	signing_apply(out, &w->signing);
}

static void world_init(struct world *w, enum signing_kind kind)
{
	memset(w, 0, sizeof(*w));
	w->arena = test_arena();
	w->config = (struct answer_config){
		.udp_payload_max = {ANSWER_UDP_PAYLOAD_DEFAULT, ANSWER_UDP_PAYLOAD_DEFAULT}};
	w->rng.state = (uint64_t)kind + 40;
	w->signing = (struct signing){.kind = kind, .salt = 1, .inception = 1700000000};
	/* Over the wrap of serials. */
	w->serial = UINT32_MAX - 100;
	model_init(&w->content, "example.", w->serial);
	while (w->content.cnt < ZONE_RECORDS)
		add_content(&w->content, &w->rng);
	tidy(&w->content, kind);
	make_zone(w, &w->zone);
	follower_init(w, &w->by_ixfr);
	follower_init(w, &w->by_axfr);
	transfer_whole(w, &w->by_ixfr, &w->zone);
}

static void world_fini(struct world *w)
{
	model_fini(&w->content);
	model_fini(&w->zone);
	follower_fini(&w->by_ixfr);
	follower_fini(&w->by_axfr);
	urcu_qsbr_barrier();
	test_arena_free(w->arena);
}

static void step(struct world *w)
{
	uint32_t old_serial = w->serial;
	struct model next;

	w->serial++;
	change_content(w, &w->content);
	make_zone(w, &next);
	transfer_changes(w, &next, old_serial);
	model_fini(&w->zone);
	w->zone = next;
	transfer_whole(w, &w->by_axfr, &w->zone);
}

static void follow(enum signing_kind kind)
{
	const char *wanted = getenv("LOCKSTEP_DELTAS");
	unsigned deltas = wanted != NULL ? (unsigned)strtoul(wanted, NULL, 10) : DELTAS;
	struct asked pair[2];
	struct world w;

	for (unsigned i = 0; i < 2; i++) {
		pair[i].msgs = malloc(ASK_CNT * DNS_MSG_MAX);
		assert_non_null(pair[i].msgs);
	}
	world_init(&w, kind);
	for (unsigned i = 0; i < deltas; i++) {
		step(&w);
		compare_records(&w);
		compare_answers(&w, pair);
	}
	/* The chain was not left alone. How often it is changed by chance only a sample of some size can say. */
	if (deltas < SAMPLE_MIN)
		print_message("fewer than %u differences: not checked that the chain changes; in %u it did\n",
			      SAMPLE_MIN, w.chain_changes);
	else
		assert_true(kind == SIGNING_NONE || w.chain_changes > deltas / 4);
	print_message("%u differences, %llu answers compared\n", deltas,
		      (unsigned long long)w.by_ixfr.answered);
	world_fini(&w);
	free(pair[0].msgs);
	free(pair[1].msgs);
}

static void ixfr_state_is_axfr_state_in_an_unsigned_zone(void **state)
{
	(void)state;
	follow(SIGNING_NONE);
}

static void ixfr_state_is_axfr_state_in_a_zone_with_nsec(void **state)
{
	(void)state;
	follow(SIGNING_NSEC);
}

static void ixfr_state_is_axfr_state_in_a_zone_with_nsec3(void **state)
{
	(void)state;
	follow(SIGNING_NSEC3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ixfr_state_is_axfr_state_in_an_unsigned_zone),
		cmocka_unit_test(ixfr_state_is_axfr_state_in_a_zone_with_nsec),
		cmocka_unit_test(ixfr_state_is_axfr_state_in_a_zone_with_nsec3),
	};

	int failed;

	urcu_qsbr_register_thread();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	urcu_qsbr_unregister_thread();
	return failed;
}
