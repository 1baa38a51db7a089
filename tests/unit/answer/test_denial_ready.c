/*
 * Name errors that were laid out beforehand (answer/denial_ready.h) are octet for octet what an engine says that is asked for
 * the first time, whatever happened to the zones in between.
 */
#include "dataplane/answer/engine.h"
#include "tests/unit/zone/signing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu-qsbr.h>
#include <cmocka.h>

#define ZONES	  3
#define RECORDS	  25
#define VERSIONS  60
#define QUESTIONS 40
#define ASKED	  3 /* times: unknown, laid out, copied */

struct zone {
	struct model content;
	struct signing signing;
	uint32_t slot;
};

struct world {
	struct arena *arena;
	struct zonetab *zones;
	struct answer_config config;
	struct answer_engine *engine;
	struct zone zone[ZONES];
	struct rng rng;
	unsigned copied; /* answers that came from a piece */
};

static void publish(struct world *w, struct zone *z)
{
	struct snapshot *snap;
	struct model signed_;

	model_copy(&signed_, &z->content);
	signing_apply(&signed_, &z->signing);
	snap = model_build(&signed_, w->arena);
	model_fini(&signed_);
	zonetab_publish(w->zones, z->slot, &snap);
	urcu_qsbr_quiescent_state();
	urcu_qsbr_barrier(); /* what was served is gone, and its memory used again */
}

static void add_hosts(struct world *w, struct model *m, unsigned cnt)
{
	static const uint8_t address[4] = {192, 0, 2, 1};
	uint8_t name[NAME_LEN_MAX];

	for (unsigned i = 0; i < cnt; i++) {
		model_random_name(m, &w->rng, name);
		model_add(m, name, DNS_TYPE_A, 300, address, sizeof(address));
	}
}

static void add_host(struct model *m, const char *rel)
{
	static const uint8_t address[4] = {192, 0, 2, 1};
	uint8_t name[NAME_LEN_MAX];

	memcpy(name, rel, strlen(rel));
	memcpy(name + strlen(rel), m->apex, name_len(m->apex));
	assert_true(model_add(m, name, DNS_TYPE_A, 300, address, sizeof(address)));
}

/* seed: of random content; 0: a host and an empty non-terminal, no wildcard. */
static void world_init(struct world *w, uint64_t seed)
{
	static const char *const apex[ZONES] = {"example.", "other.test.", "."};

	memset(w, 0, sizeof(*w));
	w->rng.state = seed;
	w->arena = test_arena();
	w->zones = zonetab_new(MODEL_KEY);
	w->config = (struct answer_config){
		.udp_payload_max = {ANSWER_UDP_PAYLOAD_DEFAULT, ANSWER_UDP_PAYLOAD_DEFAULT}};
	w->engine = answer_engine_new(w->zones, &w->config);
	assert_non_null(w->engine);
	for (unsigned i = 0; i < ZONES; i++) {
		struct zone *z = &w->zone[i];

		model_init(&z->content, apex[i], 1);
		z->signing =
			(struct signing){.kind = SIGNING_NSEC3, .salt = (uint8_t)i, .inception = 1700000000};
		assert_int_equal(zonetab_add(w->zones, z->content.apex, &z->slot), 0);
		if (seed != 0)
			add_hosts(w, &z->content, RECORDS);
		else
			add_host(&z->content, "\3www\3sub");
		publish(w, z);
	}
}

static void world_fini(struct world *w)
{
	answer_engine_free(w->engine);
	zonetab_free(w->zones);
	for (unsigned i = 0; i < ZONES; i++)
		model_fini(&w->zone[i].content);
	urcu_qsbr_barrier();
	test_arena_free(w->arena);
}

/* Returns the octets of the response. */
static uint32_t answer(struct answer_engine *e, const uint8_t *request, size_t len, uint8_t out[DNS_MSG_MAX])
{
	struct answer_job job = {
		.msg = out, .len = (uint32_t)len, .cap = DNS_MSG_MAX, .transport = ANSWER_UDP, .family = 4};
	struct answer_job *jobs[] = {&job};

	memcpy(out, request, len);
	answer_burst(e, jobs, 1);
	urcu_qsbr_quiescent_state();
	assert_int_equal(job.verdict, ANSWER_SEND);
	return job.len;
}

static size_t request_for(const uint8_t *name, uint16_t type, uint16_t payload, uint8_t out[512])
{
	struct wire_out w = wire_out_init(out, 512);

	wire_put32(&w, 0xBEEF0100);
	wire_put16(&w, 1);
	wire_put32(&w, 0);
	wire_put16(&w, 1);
	wire_put_bytes(&w, name, name_len(name));
	wire_put16(&w, type);
	wire_put16(&w, DNS_CLASS_IN);
	wire_put8(&w, 0);
	wire_put16(&w, DNS_TYPE_OPT);
	wire_put16(&w, payload);
	wire_put32(&w, 0x8000);
	wire_put16(&w, 0);
	return wire_out_len(&w);
}

static unsigned pieces(const struct world *w)
{
	unsigned cnt = 0;

	for (unsigned i = 0; i < DENIAL_READY_CNT; i++)
		cnt += w->engine->ready.of[i].number != 0 && w->engine->ready.of[i].state == DENIAL_READY_FIT;
	return cnt;
}

static void expect_same(struct world *w, const uint8_t *name, uint16_t type, uint16_t payload)
{
	static uint8_t expected[DNS_MSG_MAX], got[DNS_MSG_MAX];
	struct answer_engine *fresh = answer_engine_new(w->zones, &w->config);
	uint8_t request[512];
	size_t len = request_for(name, type, payload, request);
	uint32_t expected_len;
	char text[NAME_TEXT_CAP];

	assert_non_null(fresh);
	expected_len = answer(fresh, request, len, expected);
	answer_engine_free(fresh);
	for (unsigned i = 0; i < ASKED; i++)
		if (answer(w->engine, request, len, got) != expected_len ||
		    memcmp(got, expected, expected_len) != 0)
			fail_msg("%s type %u, time %u: another answer", name_text(name, text), type, i + 1);
}

/* Where the record of a name (lower case) is. */
static void chain_owner(const struct zone *z, const uint8_t *name, uint8_t out[NAME_LEN_MAX])
{
	uint8_t params[] = {1, 0, 0, 0, 4, z->signing.salt, 0xBB, 0xCC, 0xDD}, hash[NSEC3_HASH_LEN];

	nsec3_hash(params, name, hash);
	out[0] = NSEC3_LABEL_LEN;
	nsec3_label(hash, out + 1);
	memcpy(out + 1 + NSEC3_LABEL_LEN, z->content.apex, name_len(z->content.apex));
}

/* Something that mostly does not exist, at any depth; or an owner of the chain. */
static void random_name(struct world *w, const struct zone *z, uint8_t out[NAME_LEN_MAX])
{
	const struct model *m = &z->content;
	unsigned kind = rng_below(&w->rng, 8);
	uint8_t below[NAME_LEN_MAX];
	size_t len = 0;

	model_random_name(m, &w->rng, below);
	if (kind == 0) {
		memcpy(out, below, name_len(below));
		return;
	}
	if (kind == 1) {
		chain_owner(z, m->v[rng_below(&w->rng, m->cnt)].owner, out);
		return;
	}
	for (unsigned i = rng_below(&w->rng, 3); i > 0 || len == 0; i -= i > 0)
		len += (size_t)sprintf((char *)out + len, "\3%03u", rng_below(&w->rng, 1000));
	if (kind < 5)
		memcpy(out + len, m->apex, name_len(m->apex));
	else
		memcpy(out + len, below, name_len(below));
}

static void ask_much(struct world *w)
{
	static const uint16_t types[] = {DNS_TYPE_A, DNS_TYPE_DS, DNS_TYPE_ANY, DNS_TYPE_TXT, DNS_TYPE_RRSIG};
	static const uint16_t payloads[] = {1232, 1232, 1232, 512, 700, 850};
	uint8_t name[NAME_LEN_MAX];

	for (unsigned i = 0; i < QUESTIONS; i++) {
		random_name(w, &w->zone[rng_below(&w->rng, ZONES)], name);
		expect_same(w, name, types[rng_below(&w->rng, 5)], payloads[rng_below(&w->rng, 6)]);
	}
	w->copied += pieces(w);
}

/* Names come and go, closest enclosers with them; the chain gets another salt, or leaves delegations out. */
static void change(struct world *w)
{
	struct zone *z = &w->zone[rng_below(&w->rng, ZONES)];

	while (z->content.cnt > RECORDS)
		model_remove(&z->content, 2 + rng_below(&w->rng, z->content.cnt - 2)); /* not SOA and NS */
	add_hosts(w, &z->content, rng_below(&w->rng, 4));
	if (rng_below(&w->rng, 4) == 0)
		z->signing.salt++;
	z->signing.opt_out ^= rng_below(&w->rng, 4) == 0;
	z->signing.inception++; /* no signature stays as it is */
	publish(w, z);
}

static void a_zone_that_changes_is_denied_as_it_is_now(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 7);
	for (unsigned i = 0; i < VERSIONS; i++) {
		ask_much(&w);
		change(&w);
	}
	assert_true(w.copied > VERSIONS);
	world_fini(&w);
}

static void ask_text(struct world *w, const char *name)
{
	uint8_t wire[NAME_LEN_MAX];

	assert_true(name_from_text(name, wire) > 0);
	expect_same(w, wire, DNS_TYPE_A, 1232);
}

/* Nothing but the signatures' dates is new: only the number tells the versions apart, and the memory may be the same. */
static void a_new_version_is_not_the_old_one_at_its_place(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 0);
	for (unsigned i = 0; i < 50; i++) {
		ask_text(&w, "nothing.example.");
		assert_true(pieces(&w) > 0);
		w.zone[0].signing.inception++;
		publish(&w, &w.zone[0]);
	}
	world_fini(&w);
}

static void two_zones_in_turn_do_not_get_each_others(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 0);
	for (unsigned i = 0; i < 50; i++)
		ask_text(&w, i % 2 ? "nothing.example." : "nothing.other.test.");
	assert_true(pieces(&w) > 0);
	world_fini(&w);
}

static void the_closest_encloser_may_come_and_go(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 0);
	for (unsigned i = 0; i < 20; i++) {
		struct model *m = &w.zone[0].content;

		ask_text(&w, "x.encloser.example.");
		ask_text(&w, "x.new.encloser.example.");
		assert_true(pieces(&w) > 0);
		if (i % 2 == 0)
			add_host(m, "\3new\10encloser");
		else
			model_remove(m, m->cnt - 1);
		publish(&w, &w.zone[0]);
	}
	world_fini(&w);
}

/* Their records' owners point to the question, as long as that is one of them. */
static void owners_of_the_chain_do_not_exist_as_names(void **state)
{
	static const char *const names[] = {"example.", "www.sub.example.", "sub.example."};
	uint8_t name[NAME_LEN_MAX], owner[NAME_LEN_MAX], below[4 + NAME_LEN_MAX] = "\3new";
	struct world w;

	(void)state;
	world_init(&w, 0);
	ask_text(&w, "nothing.example.");
	assert_true(pieces(&w) > 0);
	for (unsigned i = 0; i < 3; i++) {
		name_from_text(names[i], name);
		chain_owner(&w.zone[0], name, owner);
		memcpy(below + 4, owner, name_len(owner));
		expect_same(&w, owner, DNS_TYPE_A, 1232);
		expect_same(&w, below, DNS_TYPE_A, 1232);
	}
	world_fini(&w);
}

/* While a zone moves from NSEC to NSEC3 it has both. */
static void nsec_goes_first(void **state)
{
	uint8_t rdata[64];
	struct world w;
	struct model *m;
	size_t len;

	(void)state;
	world_init(&w, 0);
	m = &w.zone[0].content;
	len = name_len(m->apex);
	memcpy(rdata, m->apex, len);
	memcpy(rdata + len, "\0\1\x40", 3);
	assert_true(model_add(m, m->apex, DNS_TYPE_NSEC, 300, rdata, (unsigned)len + 3));
	publish(&w, &w.zone[0]);
	ask_text(&w, "nothing.example.");
	assert_int_equal(pieces(&w), 0);
	world_fini(&w);
}

#define QUARTERS 4

/* A quarter of the circle of hashes belongs to the apex's record, the others to some with so many octets of next hash. */
static void publish_quarters(struct world *w, struct zone *z, unsigned hash_len,
			     uint8_t out_label[QUARTERS][NSEC3_LABEL_LEN])
{
	static const uint8_t params[] = {1, 0, 0, 0, 0};
	uint8_t rdata[6 + UINT8_MAX] = {1}, hash[NSEC3_HASH_LEN], owner[NAME_LEN_MAX] = {NSEC3_LABEL_LEN};
	struct model *m = &z->content;

	model_fini(m);
	model_init(m, "example.", 1);
	z->signing.kind = SIGNING_NONE;
	model_add(m, m->apex, DNS_TYPE_NSEC3PARAM, 300, params, sizeof(params));
	nsec3_hash(params, m->apex, hash);
	memcpy(owner + 1 + NSEC3_LABEL_LEN, m->apex, name_len(m->apex));
	for (unsigned i = 0; i < QUARTERS; i++) {
		nsec3_label(hash, owner + 1);
		memcpy(out_label[i], owner + 1, NSEC3_LABEL_LEN);
		rdata[5] = (uint8_t)(i == 0 ? NSEC3_HASH_LEN : hash_len);
		model_add(m, owner, DNS_TYPE_NSEC3, 300, rdata, 6u + rdata[5]);
		hash[0] = (uint8_t)(hash[0] + 256 / QUARTERS);
	}
	publish(w, z);
}

/* RFC 5155 3.1.7: the next hash is as long as the algorithm's. Others are kept, but nothing is denied with them. */
static void a_record_without_a_whole_next_hash_denies_nothing(void **state)
{
	static const unsigned lens[] = {1, 10, 15, 19, 20, 21, 255};
	static uint8_t got[DNS_MSG_MAX];
	uint8_t request[512], name[NAME_LEN_MAX], label[QUARTERS][NSEC3_LABEL_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		unsigned sent[QUARTERS] = {0};
		struct world w;

		world_init(&w, 0);
		publish_quarters(&w, &w.zone[0], lens[i], label);
		for (unsigned k = 0; k < 32; k++) {
			char text[32];
			size_t len;

			snprintf(text, sizeof(text), "n%u.example.", k);
			name_from_text(text, name);
			expect_same(&w, name, DNS_TYPE_A, 1232);
			len = answer(w.engine, request, request_for(name, DNS_TYPE_A, 1232, request), got);
			for (unsigned q = 0; q < QUARTERS; q++)
				sent[q] += memmem(got, len, label[q], sizeof(label[q])) != NULL;
		}
		assert_true(pieces(&w) > 0);
		for (unsigned q = 0; q < QUARTERS; q++)
			assert_int_equal(sent[q] > 0, q == 0 || lens[i] == NSEC3_HASH_LEN);
		world_fini(&w);
	}
}

/* Whatever the chain lets through: each is in a block of its own, so that a sanitizer sees what is beside it. */
static void a_record_of_any_length_is_copied_whole_or_not_at_all(void **state)
{
	static const uint8_t label[1 + NSEC3_LABEL_LEN] = {NSEC3_LABEL_LEN};
	static uint8_t got[DNS_MSG_MAX];
	const struct denial_ready *ready = NULL;
	struct name_hashes hashes = {.len = 1};
	struct lookup l = {.hashes = &hashes};
	unsigned copied = 0, cnt;
	struct world w;

	(void)state;
	world_init(&w, 0);
	ask_text(&w, "nothing.example.");
	for (unsigned i = 0; i < DENIAL_READY_CNT && ready == NULL; i++)
		if (w.engine->ready.of[i].state == DENIAL_READY_FIT)
			ready = &w.engine->ready.of[i];
	assert_non_null(ready);
	for (uint32_t len = 12; len < 200; len++) {
		uint8_t *body = malloc(len);
		struct denial next = {.set = {.body = body, .len = len, .cnt = 1}, .shown = label};
		uint32_t end;

		assert_non_null(body);
		memset(body, 0xA5, len);
		wire_store16(body + 10, (uint16_t)(len - 12));
		end = denial_ready_write(ready, &next, &l, got, 17, sizeof(got), &cnt);
		if (end != 0) {
			copied++;
			assert_int_equal(end,
					 17 + ready->head_len + 1 + NSEC3_LABEL_LEN + len + ready->tail_len);
			assert_memory_equal(got + 17 + ready->head_len + 3 + NSEC3_LABEL_LEN, body + 2,
					    len - 2);
		}
		free(body);
	}
	assert_true(copied > 100);
	world_fini(&w);
}

/* What was copied is not sent. */
static void over_the_rate_limit_it_is_truncated_or_dropped(void **state)
{
	static uint8_t got[DNS_MSG_MAX];
	uint8_t request[512], name[NAME_LEN_MAX];
	unsigned whole = 0, slipped = 0;
	struct world w;
	size_t len;

	(void)state;
	world_init(&w, 0);
	w.config.rrl = (struct rrl_config){.rate = 1,
					   .window_ms = 5000,
					   .table = RRL_TABLE_MIN,
					   .slip = 1,
					   .level_cnt = {1, 1},
					   .level = {{{24, 1}}, {{56, 1}}}};
	answer_engine_free(w.engine);
	w.engine = answer_engine_new(w.zones, &w.config);
	name_from_text("nothing.example.", name);
	len = request_for(name, DNS_TYPE_A, 1232, request);
	for (unsigned i = 0; i < 20; i++) {
		uint32_t got_len = answer(w.engine, request, len, got);

		if ((wire_load16(got + 2) & DNS_FLAG_TC) == 0) {
			whole++;
			continue;
		}
		slipped++;
		assert_int_equal(got_len, len); /* header, question, OPT */
		assert_int_equal(wire_load64(got + 4), UINT64_C(0x0001000000000001));
	}
	assert_int_equal(whole, 5);
	assert_int_equal(slipped, 15);
	assert_true(pieces(&w) > 0);
	world_fini(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_zone_that_changes_is_denied_as_it_is_now),
		cmocka_unit_test(a_new_version_is_not_the_old_one_at_its_place),
		cmocka_unit_test(two_zones_in_turn_do_not_get_each_others),
		cmocka_unit_test(the_closest_encloser_may_come_and_go),
		cmocka_unit_test(owners_of_the_chain_do_not_exist_as_names),
		cmocka_unit_test(nsec_goes_first),
		cmocka_unit_test(a_record_without_a_whole_next_hash_denies_nothing),
		cmocka_unit_test(a_record_of_any_length_is_copied_whole_or_not_at_all),
		cmocka_unit_test(over_the_rate_limit_it_is_truncated_or_dropped),
	};
	int failed;

	urcu_qsbr_register_thread();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	urcu_qsbr_unregister_thread();
	return failed;
}
