/* The idle policy of adaptive workers: idle.h. */
#include "dataplane/net/idle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MAX_US 100

static void a_worker_polls_on_after_a_packet(void **state)
{
	for (uint64_t idle_us = 0; idle_us < IDLE_SPIN_US; idle_us++)
		assert_int_equal(idle_sleep(idle_us, MAX_US), 0);
}

static void a_sleep_is_a_quarter_of_the_gap_and_bounded(void **state)
{
	for (uint64_t idle_us = IDLE_SPIN_US; idle_us < 1000; idle_us++) {
		uint32_t us = idle_sleep(idle_us, MAX_US);

		assert_in_range(us, 1, MAX_US);
		assert_true(4 * us <= idle_us);
		assert_true(us == MAX_US || 4 * us > idle_us - 4);
	}
	assert_int_equal(idle_sleep(UINT64_MAX, MAX_US), MAX_US);
	assert_int_equal(idle_sleep(UINT64_MAX, UINT32_MAX), UINT32_MAX);
	assert_int_equal(idle_sleep(IDLE_SPIN_US, 1), 1);
}

/* An idle worker is soon at its longest sleep: it wakes a few times on the way, not hundreds. */
static void the_longest_sleep_is_reached_in_few_steps(void **state)
{
	uint64_t idle_us = IDLE_SPIN_US;
	unsigned steps = 0;

	for (uint32_t us; (us = idle_sleep(idle_us, MAX_US)) < MAX_US; steps++)
		idle_us += us;
	assert_in_range(steps, 5, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_polls_on_after_a_packet),
		cmocka_unit_test(a_sleep_is_a_quarter_of_the_gap_and_bounded),
		cmocka_unit_test(the_longest_sleep_is_reached_in_few_steps),
	};

	return cmocka_run_group_tests_name("idle", tests, NULL, NULL);
}
