/*
 * RFC 5155 7.2.9: a name that has to be proven absent has the hash of an NSEC3 record. With SHA-1 nobody finds such names, so
 * the zone is made up: it has records where only names that are not there would have theirs.
 */
#include "tests/unit/answer/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SERVFAIL "SERVFAIL\nopt 1232 do ede=24 NSEC3 hash collision\n"

/* A world with a zone whose chain has the names that exist and one more; extra NULL: none. */
static void begin(struct ask_world *w, const char *extra, unsigned iterations)
{
	static const char *const names[] = {"example.",	      "www.example.",	"sub.example.",
					    "a.sub.example.", "wild.example.",	"*.wild.example.",
					    "ent.example.",   "*.ent.example.", "a.*.ent.example."};
	char text[4096];

	snprintf(text, sizeof(text),
		 "example. 3600 IN SOA ns.other. h.other. 1 3600 600 86400 300\n"
		 "example. 3600 IN NS ns.other.\n"
		 "example. 3600 IN NSEC3PARAM 1 0 %u -\n"
		 "www.example. 3600 IN A 192.0.2.1\n"
		 "a.sub.example. 3600 IN A 192.0.2.1\n"
		 "*.wild.example. 3600 IN A 192.0.2.1\n"
		 "a.*.ent.example. 3600 IN A 192.0.2.1\n",
		 iterations);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ask_put_nsec3(text, sizeof(text), names[i], 0, iterations);
	if (extra != NULL)
		ask_put_nsec3(text, sizeof(text), extra, 0, iterations);
	ask_world_init(w);
	ask_add_zone(w, "example.", text);
}

static bool begins(const char *answer, const char *with)
{
	return strncmp(answer, with, strlen(with)) == 0;
}

/* The question is SERVFAIL where the name is in the chain, and begins as expected where it is not. */
static void check(const char *question, const char *collider, const char *expected)
{
	uint64_t cnt[ANSWER_COUNTER_CNT];
	struct ask_world w;

	begin(&w, NULL, 0);
	assert_true(begins(ask(&w, question), expected));
	ask_world_fini(&w);
	begin(&w, collider, 0);
	for (unsigned i = 0; i < 3; i++) /* the third time would be the short way: denial_ready.h */
		ASK_IS(&w, question, SERVFAIL);
	answer_counters(w.engine, cnt);
	assert_int_equal(cnt[ANSWER_CNT_servfail], 3);
	assert_int_equal(cnt[ANSWER_CNT_nodata], 0);
	ask_world_fini(&w);
}

static void a_next_closer_name_that_collides_is_servfail(void **state)
{
	check("gone.example. A do", "gone.example.", "NXDOMAIN aa\n");
	check("x.y.gone.example. A do", "gone.example.", "NXDOMAIN aa\n");
	check("x.sub.example. A do", "x.sub.example.", "NXDOMAIN aa\n");
}

static void a_wildcard_that_must_be_absent_and_collides_is_servfail(void **state)
{
	check("gone.example. A do", "*.example.", "NXDOMAIN aa\n");
	check("x.sub.example. A do", "*.sub.example.", "NXDOMAIN aa\n");
}

static void a_wildcard_answer_to_a_name_that_collides_is_servfail(void **state)
{
	check("x.wild.example. A do", "x.wild.example.", "NOERROR aa\n");
	check("x.wild.example. MX do", "x.wild.example.", "NOERROR aa\n");
}

static void a_wildcard_without_data_of_its_own_is_no_collision(void **state)
{
	struct ask_world w;

	begin(&w, NULL, 0);
	assert_true(begins(ask(&w, "x.ent.example. A do"), "NOERROR aa\n"));
	ask_world_fini(&w);
}

static void who_wants_no_proof_does_not_notice_a_collision(void **state)
{
	struct ask_world w;

	begin(&w, "gone.example.", 0);
	assert_true(begins(ask(&w, "gone.example. A"), "NXDOMAIN aa\n"));
	ask_world_fini(&w);
}

static void a_chain_of_too_many_iterations_does_not_collide(void **state)
{
	struct ask_world w;

	begin(&w, NULL, 151);
	assert_true(begins(ask(&w, "gone.example. A do"), "NXDOMAIN aa\n"));
	assert_true(begins(ask(&w, "x.wild.example. A do"), "NOERROR aa\n"));
	ask_world_fini(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_next_closer_name_that_collides_is_servfail),
		cmocka_unit_test(a_wildcard_that_must_be_absent_and_collides_is_servfail),
		cmocka_unit_test(a_wildcard_answer_to_a_name_that_collides_is_servfail),
		cmocka_unit_test(a_wildcard_without_data_of_its_own_is_no_collision),
		cmocka_unit_test(who_wants_no_proof_does_not_notice_a_collision),
		cmocka_unit_test(a_chain_of_too_many_iterations_does_not_collide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
