/* The heap of deadlines against a plain list. */
#include "control/deadlines.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#define CNT 200

static void nothing_set_nothing_due(void **state)
{
	struct deadlines *h = deadlines_new(1);

	assert_int_equal(deadlines_next(h), INT64_MAX);
	assert_null(deadlines_take(h, INT64_MAX - 1));
	deadlines_free(h);
}

static void a_deadline_is_due_at_its_time_and_once(void **state)
{
	struct deadlines *h = deadlines_new(1);
	struct deadline d = {0};

	deadlines_set(h, &d, 10);
	assert_null(deadlines_take(h, 9));
	assert_ptr_equal(deadlines_take(h, 10), &d);
	assert_null(deadlines_take(h, 10));
	deadlines_clear(h, &d);
	deadlines_free(h);
}

static void room_grows_and_what_is_set_stays(void **state)
{
	struct deadlines *h = deadlines_new(1);
	struct deadline d[CNT] = {0};

	deadlines_set(h, &d[0], 10);
	assert_int_equal(deadlines_reserve(h, CNT), 0);
	assert_int_equal(deadlines_reserve(h, 1), 0);
	for (int i = 1; i < CNT; i++)
		deadlines_set(h, &d[i], 10 + i);
	for (int i = 0; i < CNT; i++)
		assert_ptr_equal(deadlines_take(h, 10 + i), &d[i]);
	deadlines_free(h);
}

static int64_t earliest(const int64_t *at)
{
	int64_t min = INT64_MAX;
	int i;

	for (i = 0; i < CNT; i++)
		if (at[i] < min)
			min = at[i];
	return min;
}

static void the_heap_behaves_as_a_list(void **state)
{
	struct deadlines *h = deadlines_new(CNT);
	struct deadline d[CNT] = {0}, *taken;
	int64_t at[CNT];
	unsigned seed = 7;
	int i, op;

	for (i = 0; i < CNT; i++)
		at[i] = INT64_MAX;
	for (op = 0; op < 200000; op++) {
		i = rand_r(&seed) % CNT;
		switch (rand_r(&seed) % 4) {
		case 0:
			at[i] = INT64_MAX;
			deadlines_clear(h, &d[i]);
			break;
		case 1:
			taken = deadlines_take(h, rand_r(&seed) % 1000);
			if (taken != NULL) {
				assert_int_equal(at[taken - d], earliest(at));
				at[taken - d] = INT64_MAX;
			}
			break;
		default:
			at[i] = rand_r(&seed) % 1000;
			deadlines_set(h, &d[i], at[i]);
			break;
		}
		assert_int_equal(deadlines_next(h), earliest(at));
	}
	deadlines_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_set_nothing_due),
		cmocka_unit_test(a_deadline_is_due_at_its_time_and_once),
		cmocka_unit_test(room_grows_and_what_is_set_stays),
		cmocka_unit_test(the_heap_behaves_as_a_list),
	};

	return cmocka_run_group_tests_name("deadlines", tests, NULL, NULL);
}
