/* Stages of a change, their histograms and quantiles. */
#include "control/timing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define US UINT64_C(1000)

static void each_stage_ends_where_the_next_begins(void **state)
{
	struct timing t = {0};
	const struct timing_stamps s = {.notify = 1000 * US,
					.answered = 1001 * US,
					.request = 1002 * US,
					.first = 1006 * US,
					.last = 1014 * US,
					.verified = 1030 * US,
					.published = 1062 * US,
					.seen = 1126 * US};
	const uint32_t took[TIMING_STAGE_CNT] = {1, 4, 8, 16, 32, 64, 126};

	timing_record(&t, &s);
	for (unsigned i = 0; i < TIMING_STAGE_CNT; i++) {
		assert_int_equal(t.stage[i].cnt, 1);
		assert_int_equal(t.stage[i].last_us, took[i]);
	}
}

static void what_did_not_happen_is_not_counted(void **state)
{
	struct timing t = {0};
	const struct timing_stamps s = {.request = 10 * US, .first = 20 * US, .seen = 100 * US};

	timing_record(&t, &s);
	assert_int_equal(t.stage[TIMING_notify_to_answer].cnt, 0);
	assert_int_equal(t.stage[TIMING_first_to_last].cnt, 0);
	assert_int_equal(t.stage[TIMING_request_to_first].cnt, 1);
	assert_int_equal(t.stage[TIMING_total].last_us, 90);
}

static void quantiles_are_bounds_by_powers_of_two(void **state)
{
	struct timing t = {0};
	const struct timing_stage_data *d = &t.stage[TIMING_total];

	assert_int_equal(timing_quantile(d, 0.5), 0);
	for (unsigned i = 0; i < 100; i++) {
		/* 98 of 100 us, one of 5 ms, one of an hour and more than a counter of microseconds holds. */
		const uint64_t us = i < 98 ? 100 : i == 98 ? 5000 : UINT64_C(5000000000);
		const struct timing_stamps s = {.request = US, .seen = US + us * US};

		timing_record(&t, &s);
	}
	assert_int_equal(timing_quantile(d, 0.5), 128);
	assert_int_equal(timing_quantile(d, 0.99), 8192);
	assert_int_equal(timing_quantile(d, 1), UINT64_C(1) << (TIMING_BUCKET_CNT - 1));
	assert_int_equal(d->last_us, UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_stage_ends_where_the_next_begins),
		cmocka_unit_test(what_did_not_happen_is_not_counted),
		cmocka_unit_test(quantiles_are_bounds_by_powers_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
