/* Whose turn it is. */
#include "control/dispatch.h"

#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#define NOTIFY	 SECONDARY_BY_NOTIFY
#define OPERATOR SECONDARY_BY_OPERATOR
#define TIMER	 SECONDARY_BY_TIMER

static const struct dispatch_limits wide = {
	.running_max = 100, .running_per_primary_max = 100, .notify_reserve = 0};

static void notify_comes_before_operator_before_timer(void **state)
{
	struct dispatch *d = dispatch_new(1, &wide);
	struct dispatch_item i[4] = {0};

	dispatch_put(d, &i[0], 0, TIMER);
	dispatch_put(d, &i[1], 0, OPERATOR);
	dispatch_put(d, &i[2], 0, NOTIFY);
	dispatch_put(d, &i[3], 0, NOTIFY);
	assert_ptr_equal(dispatch_take(d), &i[2]);
	assert_ptr_equal(dispatch_take(d), &i[3]);
	assert_ptr_equal(dispatch_take(d), &i[1]);
	assert_ptr_equal(dispatch_take(d), &i[0]);
	assert_null(dispatch_take(d));
	dispatch_free(d);
}

static void what_is_queued_can_be_moved_forward(void **state)
{
	struct dispatch *d = dispatch_new(2, &wide);
	struct dispatch_item i[3] = {0};

	dispatch_put(d, &i[0], 0, TIMER);
	dispatch_put(d, &i[1], 0, TIMER);
	dispatch_put(d, &i[2], 0, TIMER);
	dispatch_put(d, &i[2], 1, NOTIFY);
	assert_ptr_equal(dispatch_take(d), &i[2]);
	assert_int_equal(i[2].primary, 1);
	assert_ptr_equal(dispatch_take(d), &i[0]);
	assert_ptr_equal(dispatch_take(d), &i[1]);
	assert_null(dispatch_take(d));
	dispatch_free(d);
}

static void a_dead_primary_holds_its_share_only(void **state)
{
	const struct dispatch_limits l = {.running_max = 100, .running_per_primary_max = 4};
	struct dispatch *d = dispatch_new(2, &l);
	struct dispatch_item dead[50] = {0}, alive = {0};
	int i;

	for (i = 0; i < 50; i++)
		dispatch_put(d, &dead[i], 0, TIMER);
	for (i = 0; i < 4; i++)
		assert_ptr_equal(dispatch_take(d), &dead[i]);
	assert_null(dispatch_take(d));
	dispatch_put(d, &alive, 1, TIMER);
	assert_ptr_equal(dispatch_take(d), &alive);
	dispatch_drop(d, &dead[0]);
	assert_ptr_equal(dispatch_take(d), &dead[4]);
	assert_null(dispatch_take(d));
	dispatch_free(d);
}

static void primaries_take_turns(void **state)
{
	struct dispatch *d = dispatch_new(3, &wide);
	struct dispatch_item i[9] = {0};
	int k;

	for (k = 0; k < 9; k++)
		dispatch_put(d, &i[k], (uint16_t)(k / 3), TIMER);
	for (k = 0; k < 9; k++)
		assert_int_equal(dispatch_take(d)->primary, k % 3);
	dispatch_free(d);
}

/* What is queued and runs is where it was. */
static void primaries_may_become_more(void **state)
{
	struct dispatch *d = dispatch_new(0, &wide);
	struct dispatch_item a = {0}, b = {0}, c = {0};

	assert_null(dispatch_take(d));
	assert_int_equal(dispatch_reserve(d, 2), 0);
	dispatch_put(d, &a, 1, TIMER);
	dispatch_put(d, &b, 1, TIMER);
	assert_ptr_equal(dispatch_take(d), &a);
	assert_int_equal(dispatch_reserve(d, 1000), 0);
	assert_int_equal(dispatch_reserve(d, 1), 0);
	dispatch_put(d, &c, 999, TIMER);
	assert_non_null(dispatch_take(d));
	assert_non_null(dispatch_take(d));
	assert_null(dispatch_take(d));
	assert_int_equal(b.state, DISPATCH_RUNNING);
	assert_int_equal(c.state, DISPATCH_RUNNING);
	dispatch_drop(d, &a);
	dispatch_free(d);
}

static void a_sweep_leaves_room_for_notify(void **state)
{
	const struct dispatch_limits l = {
		.running_max = 8, .running_per_primary_max = 8, .notify_reserve = 2};
	struct dispatch *d = dispatch_new(1, &l);
	struct dispatch_item sweep[20] = {0}, notify[3] = {0};
	int k;

	for (k = 0; k < 20; k++)
		dispatch_put(d, &sweep[k], 0, TIMER);
	for (k = 0; k < 8; k++)
		assert_non_null(dispatch_take(d));
	assert_null(dispatch_take(d));
	for (k = 0; k < 3; k++)
		dispatch_put(d, &notify[k], 0, NOTIFY);
	assert_ptr_equal(dispatch_take(d), &notify[0]);
	assert_ptr_equal(dispatch_take(d), &notify[1]);
	assert_null(dispatch_take(d));
	dispatch_free(d);
}

static void dropping_in_any_state_keeps_the_books(void **state)
{
	const struct dispatch_limits l = {.running_max = 1, .running_per_primary_max = 1};
	struct dispatch *d = dispatch_new(1, &l);
	struct dispatch_item a = {0}, b = {0};
	int i;

	for (i = 0; i < 10; i++) {
		dispatch_drop(d, &a);
		dispatch_put(d, &a, 0, TIMER);
		dispatch_drop(d, &a);
		assert_null(dispatch_take(d));
		dispatch_put(d, &a, 0, TIMER);
		dispatch_put(d, &b, 0, TIMER);
		assert_ptr_equal(dispatch_take(d), &a);
		assert_null(dispatch_take(d));
		dispatch_drop(d, &a);
		assert_ptr_equal(dispatch_take(d), &b);
		dispatch_drop(d, &b);
	}
	dispatch_free(d);
}

/* Not what waits for others of the same primary; and not what a place in all would not help. */
static void who_waits_for_room_only_is_told(void **state)
{
	const struct dispatch_limits l = {.running_max = 3, .running_per_primary_max = 2};
	struct dispatch *d = dispatch_new(3, &l);
	struct dispatch_item i[3] = {0}, own = {0}, other = {0};

	dispatch_put(d, &i[0], 0, TIMER);
	dispatch_put(d, &i[1], 0, TIMER);
	dispatch_put(d, &own, 0, TIMER);
	while (dispatch_take(d) != NULL)
		;
	assert_false(dispatch_is_full(d));
	assert_int_equal(dispatch_fewest_waiting(d), UINT_MAX);
	dispatch_put(d, &i[2], 1, TIMER);
	assert_ptr_equal(dispatch_take(d), &i[2]);
	assert_true(dispatch_is_full(d));
	assert_int_equal(dispatch_fewest_waiting(d), UINT_MAX);
	dispatch_put(d, &other, 1, TIMER);
	assert_int_equal(dispatch_fewest_waiting(d), 1);
	dispatch_put(d, &other, 2, TIMER);
	assert_int_equal(dispatch_fewest_waiting(d), 0);
	dispatch_set_last(d, 2, true);
	assert_int_equal(dispatch_fewest_waiting(d), UINT_MAX);
	dispatch_free(d);
}

static void what_runs_can_be_gone_through(void **state)
{
	struct dispatch *d = dispatch_new(2, &wide);
	struct dispatch_item i[3] = {0};

	assert_null(dispatch_next_running(d, NULL));
	for (int k = 0; k < 3; k++)
		dispatch_put(d, &i[k], (uint32_t)k & 1, TIMER);
	assert_null(dispatch_next_running(d, NULL));
	while (dispatch_take(d) != NULL)
		;
	assert_int_equal(dispatch_running(d, 0), 2);
	assert_int_equal(dispatch_running(d, 1), 1);
	dispatch_drop(d, &i[1]);
	assert_ptr_equal(dispatch_next_running(d, NULL), &i[0]);
	assert_ptr_equal(dispatch_next_running(d, &i[0]), &i[2]);
	assert_null(dispatch_next_running(d, &i[2]));
	assert_int_equal(dispatch_running(d, 1), 0);
	dispatch_free(d);
}

/* Of whatever class, and without the reserve; and as everybody afterwards. */
static void who_comes_last_runs_in_what_others_leave(void **state)
{
	const struct dispatch_limits l = {
		.running_max = 3, .running_per_primary_max = 2, .notify_reserve = 2};
	struct dispatch *d = dispatch_new(2, &l);
	struct dispatch_item last[4] = {0}, others[2] = {0};
	int k;

	dispatch_set_last(d, 0, true);
	assert_true(dispatch_is_last(d, 0));
	for (k = 0; k < 4; k++)
		dispatch_put(d, &last[k], 0, NOTIFY);
	for (k = 0; k < 2; k++)
		dispatch_put(d, &others[k], 1, TIMER);
	assert_ptr_equal(dispatch_take(d), &others[0]);
	assert_ptr_equal(dispatch_take(d), &others[1]);
	assert_ptr_equal(dispatch_take(d), &last[0]);
	assert_null(dispatch_take(d));
	dispatch_drop(d, &others[0]);
	assert_ptr_equal(dispatch_take(d), &last[1]);
	dispatch_drop(d, &others[1]);
	assert_null(dispatch_take(d));
	dispatch_set_last(d, 0, false);
	assert_ptr_equal(dispatch_take(d), &last[2]);
	assert_null(dispatch_take(d));
	dispatch_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notify_comes_before_operator_before_timer),
		cmocka_unit_test(what_is_queued_can_be_moved_forward),
		cmocka_unit_test(a_dead_primary_holds_its_share_only),
		cmocka_unit_test(primaries_take_turns),
		cmocka_unit_test(primaries_may_become_more),
		cmocka_unit_test(a_sweep_leaves_room_for_notify),
		cmocka_unit_test(dropping_in_any_state_keeps_the_books),
		cmocka_unit_test(who_waits_for_room_only_is_told),
		cmocka_unit_test(what_runs_can_be_gone_through),
		cmocka_unit_test(who_comes_last_runs_in_what_others_leave),
	};

	return cmocka_run_group_tests_name("dispatch", tests, NULL, NULL);
}
