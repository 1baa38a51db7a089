/* Incremental builds: after any edits a snapshot answers like one built from scratch. */
#include "tests/unit/zone/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu-qsbr.h>

#include <cmocka.h>

static void check_against_scratch(const struct model *m, const struct snapshot *s, struct arena *arena)
{
	struct snapshot *scratch = model_build(m, arena);
	struct snapshot_info a, b;
	struct rng r = {3};

	for (unsigned i = 0; i < 300; i++) {
		uint8_t name[NAME_LEN_MAX];

		model_random_name(m, &r, name);
		model_check_twins(s, scratch, name);
	}
	for (unsigned i = 0; i < m->cnt; i++)
		model_check_twins(s, scratch, m->v[i].owner);
	snapshot_info(s, &a);
	snapshot_info(scratch, &b);
	assert_int_equal(a.records, b.records);
	assert_int_equal(a.names, b.names);
	assert_int_equal(a.delegations, b.delegations);
	assert_int_equal(a.serial, b.serial);
	assert_int_equal(a.has_nsec, b.has_nsec);
	assert_int_equal(a.has_nsec3, b.has_nsec3);
	snapshot_retire(scratch);
}

static void mutate(struct model *m, struct rng *r, uint32_t serial)
{
	unsigned changes = 1 + rng_below(r, 8);

	for (unsigned i = 0; i < changes; i++) {
		if (rng_below(r, 2) == 0 && m->cnt > 3)
			model_remove(m, 2 + rng_below(r, m->cnt - 2));
		else
			model_add_random(m, r);
	}
	model_set_serial(m, serial);
}

static void run_sequence(uint64_t seed, unsigned start, unsigned edits)
{
	struct arena *arena = test_arena();
	struct rng r = {seed};
	struct model m, next;
	struct snapshot *s;

	model_init(&m, "example.", 1);
	for (unsigned i = 0; i < start; i++)
		model_add_random(&m, &r);
	s = model_build(&m, arena);
	for (unsigned e = 0; e < edits; e++) {
		struct snapshot *n;

		model_copy(&next, &m);
		mutate(&next, &r, 2 + e);
		n = model_edit(&m, &next, s, arena, &r);
		if (e % 4 == 0)
			model_check(&m, s); /* the old version is what it was */
		model_check(&next, n);
		check_against_scratch(&next, n, arena);
		snapshot_retire(s);
		s = n;
		model_fini(&m);
		m = next;
	}
	snapshot_retire(s);
	model_fini(&m);
	test_arena_free(arena);
}

static void edited_zones_answer_like_ones_built_from_scratch(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++)
		run_sequence(seed, (unsigned)(seed % 5) * 15, 12);
	for (uint64_t seed = 100; seed < 103; seed++)
		run_sequence(seed, 300, 10);
}

/* Any of the living snapshots may go at any time; those that stay keep what they have. */
static void held_snapshots_keep_their_blocks(void **state)
{
	enum { KEPT = 6 };
	struct arena *arena = test_arena();
	struct snapshot *s[KEPT] = {NULL};
	struct model m[KEPT];
	struct rng r = {5};

	(void)state;
	model_init(&m[0], "example.", 1);
	for (unsigned i = 0; i < 200; i++)
		model_add_random(&m[0], &r);
	s[0] = model_build(&m[0], arena);
	for (unsigned i = 1; i < 150; i++) {
		unsigned base = rng_below(&r, KEPT), at = rng_below(&r, KEPT);

		/* Mostly from the newest, sometimes from an older one: then it is a line of its own. */
		if (s[base] == NULL || base == at)
			continue;
		if (s[at] != NULL) {
			snapshot_retire(s[at]);
			model_fini(&m[at]);
		}
		model_copy(&m[at], &m[base]);
		mutate(&m[at], &r, 1 + i);
		s[at] = model_edit(&m[base], &m[at], s[base], arena, &r);
		for (unsigned k = 0; k < KEPT; k++)
			if (s[k] != NULL && i % 10 == 0)
				model_check(&m[k], s[k]);
	}
	for (unsigned k = 0; k < KEPT; k++)
		if (s[k] != NULL) {
			model_check(&m[k], s[k]);
			snapshot_retire(s[k]);
			model_fini(&m[k]);
		}
	test_arena_free(arena);
}

static void abandoned_builders_leave_nothing(void **state)
{
	struct arena *arena = test_arena();
	uint8_t name[NAME_LEN_MAX], rdata[MODEL_RDATA];
	struct snapshot *s;
	struct builder *b;
	struct model m;
	struct rng r = {8};

	(void)state;
	model_init(&m, "example.", 1);
	for (unsigned i = 0; i < 300; i++)
		model_add_random(&m, &r);
	s = model_build(&m, arena);
	for (unsigned i = 0; i < 20; i++) {
		struct builder_report report;
		struct snapshot *n = NULL;

		b = builder_new(arena, MODEL_KEY, m.apex, i % 2 ? s : NULL, NULL);
		assert_non_null(b);
		for (unsigned k = 0; k < 100; k++) {
			model_random_name(&m, &r, name);
			wire_store32(rdata, 0xC0000000 + k);
			builder_add(b, name, DNS_TYPE_A, 5, rdata, 4);
		}
		wire_name("absent.example.", name);
		builder_del(b, name, DNS_TYPE_A, rdata, 4);
		if (i % 3 != 0)
			assert_int_not_equal(builder_finish(b, &n, &report), BUILDER_OK);
		builder_free(b);
		model_check(&m, s);
	}
	snapshot_retire(s);
	model_fini(&m);
	test_arena_free(arena);
}

static enum builder_verdict edit_one(struct arena *arena, const struct snapshot *s, bool del,
				     const char *owner, uint16_t type, const char *text)
{
	uint8_t apex[NAME_LEN_MAX], name[NAME_LEN_MAX], rdata[MODEL_RDATA];
	struct builder *b = builder_new(arena, MODEL_KEY, wire_name("example.", apex), s, NULL);
	struct builder_report report;
	struct snapshot *n = NULL;
	enum builder_verdict v;
	unsigned len = rdata_text(type, text, rdata);

	assert_non_null(b);
	wire_name(owner, name);
	if (del)
		builder_del(b, name, type, rdata, (uint16_t)len);
	else
		builder_add(b, name, type, 1, rdata, (uint16_t)len);
	v = builder_finish(b, &n, &report);
	if (v == BUILDER_OK)
		snapshot_retire(n);
	else
		assert_true(name_equal(report.owner, name) || v == BUILDER_NO_NS);
	builder_free(b);
	return v;
}

static void edits_are_strict(void **state)
{
	struct arena *arena = test_arena();
	struct snapshot *s;
	struct model m;

	(void)state;
	model_init(&m, "example.", 1);
	model_add_text(&m, "a.example.", DNS_TYPE_A, "192.0.2.1");
	model_add_text(&m, "c.example.", DNS_TYPE_CNAME, "A.example.");
	s = model_build(&m, arena);
	assert_int_equal(edit_one(arena, s, true, "a.example.", DNS_TYPE_A, "192.0.2.9"),
			 BUILDER_DELETE_ABSENT);
	assert_int_equal(edit_one(arena, s, true, "b.example.", DNS_TYPE_A, "192.0.2.1"),
			 BUILDER_DELETE_ABSENT);
	assert_int_equal(edit_one(arena, s, false, "A.example.", DNS_TYPE_A, "192.0.2.1"),
			 BUILDER_ADD_PRESENT);
	assert_int_equal(edit_one(arena, s, false, "c.example.", DNS_TYPE_CNAME, "a.Example."),
			 BUILDER_ADD_PRESENT);
	assert_int_equal(edit_one(arena, s, false, "c.example.", DNS_TYPE_CNAME, "b.example."),
			 BUILDER_TWO_CNAMES);
	assert_int_equal(edit_one(arena, s, false, "c.example.", DNS_TYPE_A, "192.0.2.1"),
			 BUILDER_CNAME_AND_OTHER);
	assert_int_equal(edit_one(arena, s, true, "example.", DNS_TYPE_NS, "ns.elsewhere."), BUILDER_NO_NS);
	assert_int_equal(edit_one(arena, s, true, "A.example.", DNS_TYPE_A, "192.0.2.1"), BUILDER_OK);
	model_check(&m, s);
	snapshot_retire(s);
	model_fini(&m);
	test_arena_free(arena);
}

static int find_case(const struct snapshot_record *rec, void *arg)
{
	char text[NAME_TEXT_CAP];

	if (rec->type == DNS_TYPE_TXT)
		snprintf(arg, 64, "%s", name_text(rec->owner, text));
	return 0;
}

static void deleting_does_not_change_the_case_of_what_stays(void **state)
{
	struct arena *arena = test_arena();
	uint8_t name[NAME_LEN_MAX], rdata[MODEL_RDATA];
	struct builder_report report;
	struct snapshot *s, *n = NULL;
	struct builder *b;
	struct model m;
	char text[64] = "";

	(void)state;
	model_init(&m, "example.", 1);
	model_add_text(&m, "HoSt.example.", DNS_TYPE_A, "192.0.2.1");
	model_add_text(&m, "HoSt.example.", DNS_TYPE_TXT, "t");
	s = model_build(&m, arena);
	b = builder_new(arena, MODEL_KEY, m.apex, s, NULL);
	assert_non_null(b);
	builder_del(b, wire_name("host.EXAMPLE.", name), DNS_TYPE_A, rdata,
		    (uint16_t)rdata_text(DNS_TYPE_A, "192.0.2.1", rdata));
	assert_int_equal(builder_finish(b, &n, &report), BUILDER_OK);
	builder_free(b);
	assert_int_equal(snapshot_walk(n, find_case, text), 0);
	assert_string_equal(text, "HoSt.example.");
	snapshot_retire(n);
	snapshot_retire(s);
	model_fini(&m);
	test_arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edited_zones_answer_like_ones_built_from_scratch),
		cmocka_unit_test(held_snapshots_keep_their_blocks),
		cmocka_unit_test(abandoned_builders_leave_nothing),
		cmocka_unit_test(edits_are_strict),
		cmocka_unit_test(deleting_does_not_change_the_case_of_what_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
