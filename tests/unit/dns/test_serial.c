/* Serial number arithmetic: RFC 1982 3.2 and the examples of its section 5, scaled to 32 bits. */
#include "dataplane/dns/serial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define HALF UINT32_C(0x80000000)

static void newer_follows_the_table_of_rfc_1982(void **state)
{
	static const struct {
		uint32_t a, b;
		bool newer;
	} table[] = {
		{1, 0, true},
		{0, 1, false},
		{44, 0, true},
		{100, 0, true},
		{100, 44, true},
		{200, 100, true},
		{HALF - 1, 0, true},
		{0, HALF - 1, false},
		{HALF, 1, true},
		{HALF + 1, HALF, true},
		{0, UINT32_MAX, true},
		{UINT32_MAX, 0, false},
		{100, UINT32_MAX, true},
		{0, HALF + 1, true},
		{HALF + 1, 0, false},
		{HALF - 1, UINT32_MAX - 1, false},
		{HALF - 3, UINT32_MAX - 1, true},
		{5, UINT32_MAX - 5, true},
		{UINT32_MAX, UINT32_MAX - 1, true},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (serial_newer(table[i].a, table[i].b) != table[i].newer)
			fail_msg("serial_newer(%u, %u) is not %d", table[i].a, table[i].b, table[i].newer);
}

static void equal_serials_are_not_newer(void **state)
{
	static const uint32_t serials[] = {0, 1, HALF - 1, HALF, HALF + 1, UINT32_MAX};

	for (size_t i = 0; i < sizeof(serials) / sizeof(serials[0]); i++) {
		assert_false(serial_newer(serials[i], serials[i]));
		assert_false(serial_incomparable(serials[i], serials[i]));
	}
}

static void serials_half_the_circle_apart_are_incomparable_both_ways(void **state)
{
	static const uint32_t serials[] = {0, 1, 12345, HALF - 1, HALF, HALF + 1, UINT32_MAX};

	for (size_t i = 0; i < sizeof(serials) / sizeof(serials[0]); i++) {
		uint32_t a = serials[i], b = serials[i] + HALF;

		assert_true(serial_incomparable(a, b));
		assert_true(serial_incomparable(b, a));
		assert_false(serial_newer(a, b));
		assert_false(serial_newer(b, a));
		assert_false(serial_incomparable(a, b + 1));
		assert_false(serial_incomparable(a, b - 1));
	}
}

static void exactly_one_of_two_comparable_serials_is_newer(void **state)
{
	uint32_t x = 2463534242;

	for (int i = 0; i < 100000; i++) {
		uint32_t a, b;

		x ^= x << 13, x ^= x >> 17, x ^= x << 5;
		a = x;
		x ^= x << 13, x ^= x >> 17, x ^= x << 5;
		b = i % 3 == 0 ? a + (x & 3) : x;
		if (a != b && !serial_incomparable(a, b))
			assert_int_equal(serial_newer(a, b) + serial_newer(b, a), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(newer_follows_the_table_of_rfc_1982),
		cmocka_unit_test(equal_serials_are_not_newer),
		cmocka_unit_test(serials_half_the_circle_apart_are_incomparable_both_ways),
		cmocka_unit_test(exactly_one_of_two_comparable_serials_is_newer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
