/* Snapshots against the naive model: whole zones. */
#include "tests/unit/zone/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void check_random_zone(struct arena *arena, uint64_t seed, unsigned records, const char *apex)
{
	struct rng r = {seed};
	struct snapshot *s;
	struct model m;

	model_init(&m, apex, 1);
	for (unsigned i = 0; i < records; i++)
		model_add_random(&m, &r);
	s = model_build(&m, arena);
	model_check(&m, s);
	snapshot_retire(s);
	model_fini(&m);
}

static void random_zones_answer_like_a_sorted_list(void **state)
{
	struct arena *arena = test_arena();

	(void)state;
	for (uint64_t seed = 1; seed <= 150; seed++)
		check_random_zone(arena, seed, (unsigned)(seed % 40) * 2, "example.");
	for (uint64_t seed = 1000; seed < 1010; seed++)
		check_random_zone(arena, seed, 500, "Example.");
	test_arena_free(arena);
}

static void the_root_zone_is_a_zone_like_any_other(void **state)
{
	struct arena *arena = test_arena();

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++)
		check_random_zone(arena, seed, 60, ".");
	test_arena_free(arena);
}

static void wildcard_does_not_reach_below_a_cut(void **state)
{
	struct arena *arena = test_arena();
	uint8_t name[NAME_LEN_MAX];
	struct snapshot *s;
	struct model m;

	(void)state;
	model_init(&m, "example.", 1);
	model_add_text(&m, "*.example.", DNS_TYPE_A, "192.0.2.1");
	model_add_text(&m, "cut.example.", DNS_TYPE_NS, "ns.cut.example.");
	model_add_text(&m, "ns.cut.example.", DNS_TYPE_A, "192.0.2.2");
	model_add_text(&m, "*.cut.example.", DNS_TYPE_A, "192.0.2.3");
	s = model_build(&m, arena);
	model_check(&m, s);
	model_check_name(&m, s, wire_name("a.b.cut.example.", name));
	snapshot_retire(s);
	model_fini(&m);
	test_arena_free(arena);
}

static void large_zone_finds_every_name(void **state)
{
	struct arena *arena = test_arena();
	struct snapshot *s;
	struct model m;
	struct rng r = {99};

	(void)state;
	model_init(&m, "example.", 1);
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t owner[NAME_LEN_MAX], rdata[MODEL_RDATA];
		char text[64];

		snprintf(text, sizeof(text), "h%x.sub%u.example.", i, i % 7);
		wire_name(text, owner);
		wire_store32(rdata, i);
		if (m.cnt == m.cap) {
			m.cap = m.cap == 0 ? 64 : m.cap * 2;
			m.v = realloc(m.v, m.cap * sizeof(*m.v));
			assert_non_null(m.v);
		}
		m.v[m.cnt] = (struct model_record){.ttl = 60, .type = DNS_TYPE_A, .len = 4};
		memcpy(m.v[m.cnt].owner, owner, name_len(owner));
		memcpy(m.v[m.cnt++].rdata, rdata, 4);
	}
	s = model_build(&m, arena);
	for (unsigned i = 0; i < 300; i++)
		model_check_name(&m, s, m.v[rng_below(&r, m.cnt)].owner);
	snapshot_retire(s);
	model_fini(&m);
	test_arena_free(arena);
}

/* In this order the glue of the first cut comes while that of the second, whose octets end its name, is being waited for. */
static void glue_out_of_order_finds_its_cut_by_labels_not_octets(void **state)
{
	static const char *const lines[][2] = {{"q\\001b.example.", "ns.q\\001b.example."},
					       {"b.example.", "ns.b.example."}};
	struct arena *arena = test_arena();
	struct snapshot *s;
	struct model m;

	(void)state;
	model_init(&m, "example.", 1);
	for (unsigned i = 0; i < 2; i++)
		assert_true(model_add_text(&m, lines[i][0], DNS_TYPE_NS, lines[i][1]));
	for (unsigned i = 0; i < 2; i++)
		assert_true(model_add_text(&m, lines[i][1], DNS_TYPE_A, "192.0.2.1"));
	s = model_build(&m, arena);
	model_check(&m, s);
	snapshot_retire(s);
	model_fini(&m);
	test_arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_zones_answer_like_a_sorted_list),
		cmocka_unit_test(the_root_zone_is_a_zone_like_any_other),
		cmocka_unit_test(wildcard_does_not_reach_below_a_cut),
		cmocka_unit_test(glue_out_of_order_finds_its_cut_by_labels_not_octets),
		cmocka_unit_test(large_zone_finds_every_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
