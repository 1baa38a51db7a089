/* The cursors: what an overrun does. */
#include "dataplane/dns/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void integers_are_big_endian_both_ways(void **state)
{
	static const uint8_t octets[] = {0x80, 0xFE, 0x01, 0xFF, 0x00, 0x7F, 0xA5};
	uint8_t buf[sizeof(octets)];
	struct wire_in in = wire_in_init(octets, sizeof(octets));
	struct wire_out out = wire_out_init(buf, sizeof(buf));

	wire_put16(&out, wire_get16(&in));
	wire_put32(&out, wire_get32(&in));
	wire_put8(&out, wire_get8(&in));
	assert_false(in.bad || out.bad);
	assert_int_equal(wire_in_left(&in), 0);
	assert_int_equal(wire_in_pos(&in), sizeof(octets));
	assert_int_equal(wire_out_len(&out), sizeof(octets));
	assert_memory_equal(buf, octets, sizeof(octets));
	assert_int_equal(wire_load32(octets), 0x80FE01FF);
	assert_int_equal(wire_load16(octets + 3), 0xFF00);
}

static void a_read_past_the_end_sticks_and_yields_zero(void **state)
{
	static const uint8_t octets[] = {1, 2, 3};
	struct wire_in in = wire_in_init(octets, sizeof(octets));

	assert_int_equal(wire_get32(&in), 0);
	assert_true(in.bad);
	assert_int_equal(wire_get8(&in), 0);
	assert_null(wire_get_bytes(&in, 0));
	assert_ptr_equal(in.cur, octets);
}

static void a_length_near_the_largest_does_not_wrap(void **state)
{
	uint8_t octets[4] = {0};
	struct wire_in in = wire_in_init(octets, sizeof(octets));
	struct wire_out out = wire_out_init(octets, sizeof(octets));

	assert_null(wire_get_bytes(&in, SIZE_MAX));
	assert_null(wire_put_room(&out, SIZE_MAX));
	assert_true(in.bad && out.bad);
}

static void a_write_that_does_not_fit_writes_nothing_and_sticks(void **state)
{
	uint8_t buf[4] = {9, 9, 9, 9};
	struct wire_out out = wire_out_init(buf, 3);

	wire_put16(&out, 0x0102);
	wire_put16(&out, 0x0304);
	assert_true(out.bad);
	wire_put8(&out, 5);
	wire_put_bytes(&out, "x", 1);
	assert_int_equal(wire_out_len(&out), 2);
	assert_memory_equal(buf, ((uint8_t[]){1, 2, 9, 9}), 4);
}

static void reading_nothing_at_the_end_is_allowed(void **state)
{
	static const uint8_t octets[] = {7};
	struct wire_in in = wire_in_init(octets, sizeof(octets));

	assert_int_equal(wire_get8(&in), 7);
	assert_non_null(wire_get_bytes(&in, 0));
	assert_false(in.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_big_endian_both_ways),
		cmocka_unit_test(a_read_past_the_end_sticks_and_yields_zero),
		cmocka_unit_test(a_length_near_the_largest_does_not_wrap),
		cmocka_unit_test(a_write_that_does_not_fit_writes_nothing_and_sticks),
		cmocka_unit_test(reading_nothing_at_the_end_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
