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
	assert_in_range(report.laid_out, 2 * SERVERS, 5 * SERVERS);
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
	assert_in_range(report.laid_out, 2 * SERVERS, 10 * SERVERS);
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
	assert_in_range(report.laid_out, 2 * SERVERS, 2 * SERVERS + 1100);
	test_arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_is_laid_out_once_however_many_names_below_it_change),
		cmocka_unit_test(servers_are_not_looked_for_when_the_glue_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
