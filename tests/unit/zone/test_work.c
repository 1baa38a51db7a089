/* What a build costs: records laid out, against records received, whatever order a primary thinks of. Never a time. */
#include "tests/unit/zone/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct builder *begin(struct arena *arena)
{
	struct builder *b;
	struct model m;

	model_init(&m, "example.", 1);
	b = builder_new(arena, MODEL_KEY, m.apex, NULL, NULL);
	assert_non_null(b);
	for (unsigned i = 0; i < m.cnt; i++)
		builder_add(b, m.v[i].owner, m.v[i].type, m.v[i].ttl, m.v[i].rdata, m.v[i].len);
	model_fini(&m);
	return b;
}

static void add_address(struct builder *b, const char *owner, uint32_t address)
{
	uint8_t name[NAME_LEN_MAX], rdata[4];

	wire_store32(rdata, address);
	assert_int_equal(builder_add(b, wire_name(owner, name), DNS_TYPE_A, 1, rdata, 4), BUILDER_OK);
}

static void add_server(struct builder *b, const char *cut, unsigned i)
{
	uint8_t owner[NAME_LEN_MAX], target[NAME_LEN_MAX];
	char text[40];

	snprintf(text, sizeof(text), "n%u.%s", i, cut);
	wire_name(text, target);
	assert_int_equal(
		builder_add(b, wire_name(cut, owner), DNS_TYPE_NS, 1, target, (uint16_t)name_len(target)),
		BUILDER_OK);
}

static struct snapshot *end(struct builder *b, struct builder_report *report)
{
	struct snapshot *s = NULL;

	assert_int_equal(builder_finish(b, &s, report), BUILDER_OK);
	builder_free(b);
	return s;
}

/* The address of every server of two cuts changes; each change concerns all the servers of its cut. */
static void a_cut_is_laid_out_once_however_many_names_below_it_change(void **state)
{
	static const char *const cut[] = {"c.example.", "d.example."};
	enum { SERVERS = 1000 };
	struct arena *arena = test_arena();
	struct builder *b = begin(arena);
	struct builder_report report;
	struct snapshot *s, *n;
	char text[40];

	(void)state;
	for (unsigned i = 0; i < 2 * SERVERS; i++)
		add_server(b, cut[i / SERVERS], i % SERVERS);
	s = end(b, &report);
	b = builder_new(arena, MODEL_KEY, snapshot_apex_name(s), s, NULL);
	for (unsigned i = 0; i < 2 * SERVERS; i++) {
		snprintf(text, sizeof(text), "n%u.%s", i / 2, cut[i % 2]);
		add_address(b, text, i);
	}
	n = end(b, &report);
	assert_in_range(report.handled, 2 * SERVERS, 5 * SERVERS);
	snapshot_retire(n);
	snapshot_retire(s);

	/* The same names of a transfer that has them before their cuts. */
	b = begin(arena);
	for (unsigned i = 0; i < 2 * SERVERS; i++) {
		snprintf(text, sizeof(text), "n%u.%s", i / 2, cut[i % 2]);
		add_address(b, text, i);
	}
	for (unsigned i = 0; i < 2 * SERVERS; i++)
		add_server(b, cut[i / SERVERS], i % SERVERS);
	s = end(b, &report);
	assert_in_range(report.handled, 2 * SERVERS, 10 * SERVERS);
	snapshot_retire(s);
	test_arena_free(arena);
}

static void servers_are_not_looked_for_when_the_glue_is_full(void **state)
{
	enum { SERVERS = 2000 }; /* some 1,000 addresses are all the glue there is */
	struct arena *arena = test_arena();
	struct builder *b = begin(arena);
	struct builder_report report;
	char text[40];

	(void)state;
	for (unsigned i = 0; i < SERVERS; i++)
		add_server(b, "c.example.", i);
	for (unsigned i = 0; i < SERVERS; i++) {
		snprintf(text, sizeof(text), "n%u.c.example.", i);
		add_address(b, text, i);
	}
	snapshot_retire(end(b, &report));
	assert_in_range(report.handled, 2 * SERVERS, 2 * SERVERS + 1100);
	test_arena_free(arena);
}

/* Two names with many records, and every record is of the other one. */
static void records_that_alternate_between_names_cost_what_records_in_order_cost(void **state)
{
	enum { RECORDS = 3000, REPEATS = 100000 };
	struct arena *arena = test_arena();
	struct builder *b = begin(arena);
	struct builder_report report;
	struct snapshot_info info;
	struct snapshot *s;

	(void)state;
	for (unsigned i = 0; i < 2 * RECORDS; i++)
		add_address(b, i % 2 ? "a.example." : "b.example.", i / 2);
	/* Each twice is 18 million when every record costs what its name has. */
	s = end(b, &report);
	assert_in_range(report.handled, 2 * RECORDS, 8 * RECORDS);
	snapshot_info(s, &info);
	assert_int_equal(info.records, 2 * RECORDS + 2);
	snapshot_retire(s);

	/* Repeated records are no records, and no less work. */
	b = begin(arena);
	for (unsigned i = 0; i < REPEATS; i++)
		add_address(b, i % 2 ? "a.example." : "b.example.", i / 2 % RECORDS);
	s = end(b, &report);
	assert_int_equal(report.skipped_duplicate, REPEATS - 2 * RECORDS);
	assert_in_range(report.handled, REPEATS, 4 * REPEATS);
	snapshot_retire(s);
	test_arena_free(arena);
}

/* The same, with NSEC3 records of one owner, which has ordinary records too. */
static void late_records_of_both_trees_are_kept_apart(void **state)
{
	static const char owner[] = "0123456789abcdefghijklmnopqrstuv.example.";
	enum { RECORDS = 500 };
	struct arena *arena = test_arena();
	struct builder *b = begin(arena);
	struct builder_report report;
	uint8_t name[NAME_LEN_MAX], nsec3[27] = {1, 0, 0, 0, 0, 20};
	struct snapshot_info info;
	struct snapshot *s;

	(void)state;
	wire_name(owner, name);
	for (unsigned i = 0; i < RECORDS; i++) {
		add_address(b, owner, i);
		add_address(b, "a.example.", i);
		wire_store16(nsec3 + 6, (uint16_t)i);
		assert_int_equal(builder_add(b, name, DNS_TYPE_NSEC3, 1, nsec3, 26), BUILDER_OK);
		add_address(b, "b.example.", i);
	}
	s = end(b, &report);
	assert_in_range(report.handled, 4 * RECORDS, 20 * RECORDS);
	snapshot_info(s, &info);
	assert_int_equal(info.records, 4 * RECORDS + 2);
	snapshot_retire(s);
	test_arena_free(arena);
}

/* Limits are noticed on the way, not when a stream without end has ended. */
static void alternating_names_without_end_are_refused_on_the_way(void **state)
{
	struct arena *arena = test_arena();
	struct builder *b = begin(arena);
	struct builder_report report;
	struct snapshot *s = NULL;
	uint8_t name[NAME_LEN_MAX], rdata[4];
	enum builder_verdict v = BUILDER_OK;
	unsigned i;

	(void)state;
	for (i = 0; i < 1000000 && v == BUILDER_OK; i++) {
		wire_store32(rdata, i);
		v = builder_add(b, wire_name(i % 2 ? "a.example." : "b.example.", name), DNS_TYPE_A, 1, rdata,
				4);
	}
	assert_int_equal(v, BUILDER_LIMIT_MESSAGE);
	assert_true(i < 30000);
	assert_int_equal(builder_finish(b, &s, &report), BUILDER_LIMIT_MESSAGE);
	builder_free(b);
	test_arena_free(arena);
}

/* Three names with more than may wait at all, in any order, among others. */
static void records_in_any_order_make_the_same_zone(void **state)
{
	struct arena *arena = test_arena();
	struct model m;

	(void)state;
	model_init(&m, "example.", 1);
	for (unsigned i = 0; i < 600; i++) {
		static const char *const owner[] = {"a.example.", "b.a.example.", "c.example."};
		uint8_t name[NAME_LEN_MAX], rdata[MODEL_RDATA];

		/* TXT, or a signature of it by the root. */
		memset(rdata, (int)('a' + i % 7), sizeof(rdata));
		rdata[0] = i % 2 ? 249 : 0;
		rdata[1] = DNS_TYPE_TXT;
		wire_store16(rdata + 2, (uint16_t)i);
		rdata[18] = 0;
		model_add(&m, wire_name(owner[i % 3], name), i % 2 ? DNS_TYPE_TXT : DNS_TYPE_RRSIG, 300,
			  rdata, 250);
	}
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct rng r = {seed};
		struct builder *b = builder_new(arena, MODEL_KEY, m.apex, NULL, NULL);
		struct builder_report report;
		struct snapshot *s;

		model_add_random(&m, &r);
		for (unsigned i = m.cnt - 1; i > 2; i--) {
			unsigned k = 2 + rng_below(&r, i - 1);
			struct model_record rec = m.v[i];

			m.v[i] = m.v[k];
			m.v[k] = rec;
		}
		for (unsigned i = 0; i < m.cnt; i++)
			builder_add(b, m.v[i].owner, m.v[i].type, m.v[i].ttl, m.v[i].rdata, m.v[i].len);
		s = end(b, &report);
		model_check(&m, s);
		snapshot_retire(s);
	}
	model_fini(&m);
	test_arena_free(arena);
}

/* Late records, cuts, and names below cuts that come later: each wants work at the end, and none is done. */
static void a_cancelled_zone_is_left_where_it_is(void **state)
{
	enum { NAMES = 2000 };
	struct arena *arena = test_arena();

	(void)state;
	for (unsigned edit = 0; edit < 2; edit++) {
		struct builder *b = begin(arena);
		struct builder_report report;
		struct snapshot *s = NULL, *n = NULL;
		atomic_bool stop = false;
		char text[40];

		if (edit) {
			s = end(b, &report);
			b = builder_new(arena, MODEL_KEY, snapshot_apex_name(s), s, NULL);
		}
		builder_watch(b, &stop);
		for (unsigned i = 0; i < NAMES; i++) {
			snprintf(text, sizeof(text), "n%u.c.example.", i);
			add_address(b, text, i);
			add_address(b, "a.example.", i);
		}
		add_server(b, "c.example.", 0);
		stop = true;
		assert_int_equal(builder_finish(b, &n, &report), BUILDER_CANCELLED);
		assert_null(n);
		/* A full build has applied most names as they came. */
		assert_in_range(report.handled, 0, edit ? 0 : 5 * NAMES / 2);
		builder_free(b);
		if (s != NULL)
			snapshot_retire(s);
	}
	test_arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_is_laid_out_once_however_many_names_below_it_change),
		cmocka_unit_test(servers_are_not_looked_for_when_the_glue_is_full),
		cmocka_unit_test(records_that_alternate_between_names_cost_what_records_in_order_cost),
		cmocka_unit_test(late_records_of_both_trees_are_kept_apart),
		cmocka_unit_test(alternating_names_without_end_are_refused_on_the_way),
		cmocka_unit_test(records_in_any_order_make_the_same_zone),
		cmocka_unit_test(a_cancelled_zone_is_left_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
