/* Latency histogram: what it says against sorted numbers. */
#include "bench/load/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define VALUES 20000

static int setup(void **state)
{
	struct histogram *h = malloc(2 * sizeof(*h));

	assert_non_null(h);
	histogram_init(&h[0]);
	histogram_init(&h[1]);
	*state = h;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void an_empty_histogram_says_zero(void **state)
{
	struct histogram *h = *state;

	assert_int_equal(histogram_quantile(h, 0.5), 0);
	assert_int_equal(histogram_quantile(h, 1), 0);
	assert_true(histogram_mean(h) == 0);
}

static void every_value_has_a_bucket_and_buckets_rise_with_values(void **state)
{
	unsigned before = 0;

	(void)state;
	for (uint64_t v = 0; v < UINT64_C(1) << 20; v++) {
		unsigned i = histogram_index(v);

		assert_true(i == before || i == before + 1);
		before = i;
	}
	for (unsigned bit = 20; bit < 64; bit++) {
		uint64_t v = UINT64_C(1) << bit;

		assert_true(histogram_index(v - 1) <= histogram_index(v));
		assert_true(histogram_index(v) < HISTOGRAM_BUCKETS);
	}
	assert_int_equal(histogram_index(HISTOGRAM_MAX), HISTOGRAM_BUCKETS - 1);
	assert_int_equal(histogram_index(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void small_values_are_exact(void **state)
{
	struct histogram *h = *state;

	for (uint64_t v = 1; v <= 100; v++)
		histogram_record(h, v);
	for (unsigned percent = 1; percent <= 100; percent++)
		assert_int_equal(histogram_quantile(h, percent / 100.0), percent);
	assert_true(histogram_mean(h) == 50.5);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void quantiles_are_within_a_hundredth_of_sorted_values(void **state)
{
	static const double shares[] = {0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
	struct histogram *h = *state;
	uint64_t *v = malloc(VALUES * sizeof(*v));

	assert_non_null(v);
	srandom(7);
	for (unsigned i = 0; i < VALUES; i++) { // from nanoseconds to seconds
		v[i] = (uint64_t)random() >> random() % 30;
		histogram_record(h, v[i]);
	}
	qsort(v, VALUES, sizeof(*v), compare);
	for (unsigned i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		double at = shares[i] * VALUES;
		unsigned rank = at <= 1 ? 0 : (unsigned)(at + 0.999999) - 1;
		uint64_t exact = v[rank], said = histogram_quantile(h, shares[i]);

		assert_true(said >= exact);
		assert_true(said <= exact + exact / 100);
	}
	free(v);
}

static void a_quantile_never_exceeds_the_largest_value(void **state)
{
	struct histogram *h = *state;

	histogram_record(h, 1000001);
	assert_int_equal(histogram_quantile(h, 0.5), 1000001);
	histogram_record(h, UINT64_C(1) << 50); // beyond the last bucket
	assert_int_equal(histogram_quantile(h, 1), UINT64_C(1) << 50);
	assert_int_equal(h->max, UINT64_C(1) << 50);
	assert_int_equal(h->min, 1000001);
}

static void merging_equals_recording_in_one(void **state)
{
	struct histogram *h = *state, *both = malloc(sizeof(*both));

	assert_non_null(both);
	histogram_init(both);
	for (unsigned i = 0; i < VALUES; i++) {
		histogram_record(&h[i % 2], i * 37u);
		histogram_record(both, i * 37u);
	}
	histogram_merge(&h[0], &h[1]);
	assert_memory_equal(&h[0], both, sizeof(*both));
	free(both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_histogram_says_zero, setup, teardown),
		cmocka_unit_test(every_value_has_a_bucket_and_buckets_rise_with_values),
		cmocka_unit_test_setup_teardown(small_values_are_exact, setup, teardown),
		cmocka_unit_test_setup_teardown(quantiles_are_within_a_hundredth_of_sorted_values, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_quantile_never_exceeds_the_largest_value, setup, teardown),
		cmocka_unit_test_setup_teardown(merging_equals_recording_in_one, setup, teardown),
	};

	return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
