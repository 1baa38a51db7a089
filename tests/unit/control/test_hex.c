/* Hexadecimal digits. */
#include "control/hex.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void pairs_in_either_case_are_octets(void **state)
{
	uint8_t out[4] = {0};

	(void)state;
	assert_int_equal(hex_read("00fFA07e", 8, out, sizeof(out)), 4);
	assert_memory_equal(out, "\0\xff\xa0\x7e", 4);
	assert_int_equal(hex_read("12zz", 2, out, sizeof(out)), 1);
	assert_int_equal(out[0], 0x12);
	assert_int_equal(hex_read("", 0, out, 0), 0);
}

static void nothing_but_digits_is_one(void **state)
{
	uint8_t out[1];

	(void)state;
	for (int c = 0; c < 256; c++) {
		const char high[2] = {(char)c, '0'}, low[2] = {'0', (char)c};
		int expect = c < 128 && isxdigit(c) ? 1 : -1;

		assert_int_equal(hex_read(high, 2, out, 1), expect);
		assert_int_equal(hex_read(low, 2, out, 1), expect);
	}
}

static void half_an_octet_and_one_too_many_are_refused(void **state)
{
	uint8_t out[2] = {0};

	(void)state;
	assert_int_equal(hex_read("123", 3, out, sizeof(out)), -1);
	assert_int_equal(hex_read("1234", 4, out, 1), -1);
	assert_int_equal(out[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_in_either_case_are_octets),
		cmocka_unit_test(nothing_but_digits_is_one),
		cmocka_unit_test(half_an_octet_and_one_too_many_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
