/* Which transfer is ended when others wait. */
#include "control/yield.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static void a_transfer_is_watched_for_transfer_idle_and_at_most_30_s(void **state)
{
	struct yield_runner r = {.idle_max_s = 1};

	assert_int_equal(yield_watch_ms(&r), 1000);
	r.idle_max_s = 86400;
	assert_int_equal(yield_watch_ms(&r), 30000);
	r.idle_max_s = 0;
	assert_int_equal(yield_watch_ms(&r), 30000);
}

static void below_10_kib_a_second_is_slow(void **state)
{
	assert_true(yield_is_slow(&(struct yield_runner){.octets = 0, .ms = 30000}));
	assert_true(yield_is_slow(&(struct yield_runner){.octets = 33 * 30, .ms = 30000}));
	assert_true(yield_is_slow(&(struct yield_runner){.octets = 30 * 10240 - 1, .ms = 30000}));
	assert_false(yield_is_slow(&(struct yield_runner){.octets = 30 * 10240, .ms = 30000}));
	assert_false(yield_is_slow(&(struct yield_runner){.octets = UINT64_C(1) << 40, .ms = 7200000}));
}

static void primaries_with_as_many_places_do_not_take_turns(void **state)
{
	struct yield_runner r = {.places = 3};

	assert_true(yield_may(&r, 0));
	assert_true(yield_may(&r, 2));
	assert_false(yield_may(&r, 3));
	r.last = true;
	assert_true(yield_may(&r, 3));
}

static void the_slowest_of_the_primary_with_the_most_places_goes(void **state)
{
	const struct yield_runner many = {.octets = 200, .ms = 1000, .places = 8},
				  slower = {.octets = 3000, .ms = 30000, .places = 8},
				  few = {.octets = 0, .ms = 30000, .places = 7};

	assert_true(yield_before(&many, &few));
	assert_false(yield_before(&few, &many));
	assert_true(yield_before(&slower, &many));
	assert_false(yield_before(&many, &slower));
	assert_false(yield_before(&many, &many));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_transfer_is_watched_for_transfer_idle_and_at_most_30_s),
		cmocka_unit_test(below_10_kib_a_second_is_slow),
		cmocka_unit_test(primaries_with_as_many_places_do_not_take_turns),
		cmocka_unit_test(the_slowest_of_the_primary_with_the_most_places_goes),
	};

	return cmocka_run_group_tests_name("yield", tests, NULL, NULL);
}
