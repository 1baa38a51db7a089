/* A trace answers what a worker would, tells how, and leaves no trace in the worker's engine. */
#include "dataplane/answer/trace.h"
#include "tests/unit/answer/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <urcu-qsbr.h>
#include <cmocka.h>

static const char zone[] =
	"@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\nh A 192.0.2.1\nalias CNAME far\nfar CNAME h\n"
	"*.wild A 192.0.2.4\na.b.c A 192.0.2.5\nd DNAME c\ncut NS ns.cut\nns.cut A 192.0.2.6\nbig TXT "
	"\"01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
	"89\"\n"
	"out CNAME h.elsewhere.\n";

/* name, type, expected: how the last name of the chain was found, how many were looked up, and the rate limit's class */
static const struct {
	const char *question;
	int kind;
	unsigned steps;
	enum rrl_class class;
	bool usual;
} cases[] = {
	{"h.example. A", LOOKUP_EXACT, 1, RRL_ANSWER, true},
	{"h.example. A edns do", LOOKUP_EXACT, 1, RRL_ANSWER, true},
	{"h.example. TXT", LOOKUP_EXACT, 1, RRL_NODATA, false},
	{"b.c.example. A", LOOKUP_EXACT, 1, RRL_NODATA, false},
	{"alias.example. A", LOOKUP_EXACT, 3, RRL_ANSWER, false},
	{"out.example. A", LOOKUP_EXACT, 1, RRL_ANSWER, false},
	{"x.y.wild.example. A", LOOKUP_WILDCARD, 1, RRL_ANSWER, false},
	{"a.b.d.example. A", LOOKUP_EXACT, 2, RRL_ANSWER, false},
	{"x.cut.example. A edns", LOOKUP_CUT, 1, RRL_REFERRAL, false},
	{"nothing.example. A", LOOKUP_MISSING, 1, RRL_NXDOMAIN, false},
	{"h.elsewhere. A", -1, 0, RRL_ERROR, false},
	{"h.loading. A edns", -1, 0, RRL_ERROR, false},
	{"h.example. A version=1", -1, 0, RRL_ERROR, false},
	{"h.example. A tcp", LOOKUP_EXACT, 1, RRL_ANSWER, true},
};

static struct answer_trace *trace(struct ask_world *w, const char *question)
{
	struct answer_job job = {.msg = w->request, .cap = DNS_MSG_MAX, .family = w->family};
	enum answer_transport transport;
	struct answer_trace *t = NULL;

	job.len = (uint32_t)ask_request(question, w->request, &transport);
	job.transport = (uint8_t)transport;
	memcpy(job.client, w->client, sizeof(w->client));
	assert_int_equal(answer_trace_new(w->zones, &w->config, &job, &t), 0);
	return t;
}

static void a_trace_ends_in_the_answer_of_a_worker_and_tells_how(void **state)
{
	struct ask_world w;

	ask_world_init(&w);
	ask_add_zone(&w, "example.", zone);
	ask_add_marker(&w, "loading.", "@ SOA ns h 1 2 3 4 5\n@ NS ns\n", ZONE_NOT_LOADED);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer_trace *t = trace(&w, cases[i].question);

		assert_int_equal(t->verdict, ANSWER_SEND);
		assert_int_equal(t->step_cnt, cases[i].steps);
		assert_int_equal(t->class, cases[i].class);
		assert_int_equal(t->usual_write, cases[i].usual);
		if (t->step_cnt > 0)
			assert_int_equal(t->step[t->step_cnt - 1].lookup.kind, cases[i].kind);
		ask(&w, cases[i].question);
		assert_int_equal(t->len, w.len);
		assert_memory_equal(t->msg, w.msg, w.len);
		for (unsigned s = 0; s < ANSWER_TRACE_STAGE_CNT; s++)
			assert_true(t->first[s] > 0 && t->again[s] > 0);
		answer_trace_free(t);
	}
	ask_world_fini(&w);
}

static void a_trace_finds_the_zone_and_says_who_may_ask_it(void **state)
{
	struct acl_rule deny = {.allow = false, .net = {.family = 4, .prefix = 8, .addr = {10}}};
	struct answer_trace *t;
	struct ask_world w;
	struct acl *acl;
	uint32_t slot;

	ask_world_init(&w);
	slot = ask_add_zone(&w, "example.", zone);
	acl = acl_new(&deny, 1);
	assert_non_null(acl);
	zonetab_set_acl(w.zones, slot, acl);
	t = trace(&w, "h.example. A");
	assert_true(t->find_done && t->acl_allows && t->find.slot == slot && t->find.acl == acl);
	answer_trace_free(t);
	w.client[0] = 10;
	t = trace(&w, "h.example. A edns");
	assert_true(t->find_done && !t->acl_allows);
	assert_int_equal(t->step_cnt, 0);
	assert_int_equal(t->counter[ANSWER_CNT_refused_acl], 1);
	answer_trace_free(t);
	t = trace(&w, "h.elsewhere. A");
	assert_true(t->find_done && t->find.slot == ZONETAB_SLOT_NONE);
	answer_trace_free(t);
	zonetab_set_acl(w.zones, slot, NULL);
	urcu_qsbr_quiescent_state();
	acl_free(acl);
	ask_world_fini(&w);
}

static void a_trace_says_what_it_may_be_long_and_that_it_was_cut(void **state)
{
	struct answer_trace *t;
	struct ask_world w;

	ask_world_init(&w);
	ask_add_zone(&w, "example.", zone);
	t = trace(&w, "nothing.example. A edns=700");
	assert_int_equal(t->limit, 700);
	answer_trace_free(t);
	t = trace(&w, "nothing.example. A");
	assert_int_equal(t->limit, 512);
	answer_trace_free(t);
	t = trace(&w, "nothing.example. A tcp");
	assert_int_equal(t->limit, DNS_MSG_MAX);
	answer_trace_free(t);
	ask_world_fini(&w);
}

static void nothing_of_a_trace_is_counted_or_limited_in_a_workers_engine(void **state)
{
	uint64_t before[ANSWER_COUNTER_CNT], after[ANSWER_COUNTER_CNT];
	struct answer_config config;
	struct answer_engine *e;
	struct answer_trace *t;
	struct ask_world w;

	ask_world_init(&w);
	ask_add_zone(&w, "example.", zone);
	w.config.rrl =
		(struct rrl_config){.rate = 1,
				    .window_ms = 1000,
				    .table = RRL_TABLE_MIN,
				    .slip = 0,
				    .level_cnt = {1, 1},
				    .level = {{{.prefix = 24, .factor = 1}}, {{.prefix = 56, .factor = 1}}}};
	config = w.config;
	e = answer_engine_new(w.zones, &config);
	assert_non_null(e);
	answer_engine_free(w.engine);
	w.engine = e;
	answer_engine_read_clock(e);
	answer_counters(e, before);
	for (unsigned i = 0; i < 5; i++) {
		struct answer_job job = {.family = 4};
		enum rrl_verdict v;

		t = trace(&w, "h.example. A");
		assert_int_equal(t->verdict, ANSWER_SEND);
		assert_true(answer_rate_peek(e, &job, t->class, &v));
		assert_int_equal(v, RRL_PASS);
		answer_trace_free(t);
	}
	answer_counters(e, after);
	assert_memory_equal(before, after, sizeof(before));
	/* The one response of this second is still to be had; then the peek knows. */
	assert_string_equal(ask(&w, "h.example. A"), "NOERROR aa\nan h.example. 3600 A 192.0.2.1\n");
	assert_string_equal(ask(&w, "h.example. A"), "silence");
	{
		struct answer_job job = {.family = 4};
		enum rrl_verdict v;

		assert_true(answer_rate_peek(e, &job, RRL_ANSWER, &v));
		assert_int_equal(v, RRL_DROP);
		assert_true(answer_rate_peek(e, &job, RRL_NXDOMAIN, &v));
		assert_int_equal(v, RRL_PASS);
	}
	ask_world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trace_ends_in_the_answer_of_a_worker_and_tells_how),
		cmocka_unit_test(a_trace_finds_the_zone_and_says_who_may_ask_it),
		cmocka_unit_test(a_trace_says_what_it_may_be_long_and_that_it_was_cut),
		cmocka_unit_test(nothing_of_a_trace_is_counted_or_limited_in_a_workers_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
