/* Streams cut into messages: whatever the pieces, the messages are the same. */
#include "dataplane/dns/cutter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* A stream of messages of these lengths, and what has been cut from it so far. */
struct stream {
	const uint16_t *lens;
	size_t cnt, total;
	uint8_t *octets;
	struct cutter cutter;
	size_t got;
};

static uint8_t octet_at(size_t message, size_t i)
{
	return (uint8_t)(message * 31 + i * 7 + (i >> 8) + 1);
}

static void stream_init(struct stream *s, const uint16_t *lens, size_t cnt)
{
	uint8_t *p;

	*s = (struct stream){.lens = lens, .cnt = cnt};
	for (size_t m = 0; m < cnt; m++)
		s->total += 2u + lens[m];
	p = s->octets = malloc(s->total);
	s->cutter.carry = malloc(CUTTER_FRAME_MAX);
	assert_true(p != NULL && s->cutter.carry != NULL);
	for (size_t m = 0; m < cnt; m++) {
		wire_store16(p, lens[m]);
		p += 2;
		for (size_t i = 0; i < lens[m]; i++)
			*p++ = octet_at(m, i);
	}
}

static void stream_fini(struct stream *s)
{
	free(s->octets);
	free(s->cutter.carry);
}

static void check_message(struct stream *s, const struct cutter_span *msg)
{
	assert_true(s->got < s->cnt);
	assert_int_equal(msg->len, s->lens[s->got]);
	for (size_t i = 0; i < msg->len; i++)
		assert_int_equal(msg->at[i], octet_at(s->got, i));
	s->got++;
}

/* The octets from..to come, in a block of their own that is gone afterwards. */
static void feed(struct stream *s, size_t from, size_t to)
{
	uint8_t *piece = malloc(to - from + 1);
	struct cutter_span in = {piece, to - from}, msg;

	assert_non_null(piece);
	memcpy(piece, s->octets + from, to - from);
	while (cutter_feed(&s->cutter, &in, &msg))
		check_message(s, &msg);
	assert_int_equal(in.len, 0);
	free(piece);
}

static void check_end(struct stream *s)
{
	assert_int_equal(s->got, s->cnt);
	assert_int_equal(s->cutter.len, 0);
	s->got = 0;
}

static const uint16_t small[] = {12, 0, 1, 2, 0, 0, 3, 17, 1};

static void every_two_cuts_give_the_same_messages(void **state)
{
	struct stream s;

	stream_init(&s, small, sizeof(small) / sizeof(small[0]));
	for (size_t i = 0; i <= s.total; i++)
		for (size_t j = i; j <= s.total; j++) {
			feed(&s, 0, i);
			feed(&s, i, j);
			feed(&s, j, s.total);
			check_end(&s);
		}
	stream_fini(&s);
}

static void pieces_of_any_one_size_give_the_same_messages(void **state)
{
	struct stream s;

	stream_init(&s, small, sizeof(small) / sizeof(small[0]));
	for (size_t step = 1; step <= s.total; step++) {
		for (size_t at = 0; at < s.total; at += step)
			feed(&s, at, at + step < s.total ? at + step : s.total);
		check_end(&s);
	}
	stream_fini(&s);
}

static void the_longest_messages_pass_in_pieces_of_any_size(void **state)
{
	static const uint16_t lens[] = {65535, 1, 65535, 65534, 0, 256, 255, 65535};
	static const size_t steps[] = {1, 2, 255, 4096, 65535, 65536, 65537, 65538, 300000};
	struct stream s;

	stream_init(&s, lens, sizeof(lens) / sizeof(lens[0]));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		for (size_t at = 0; at < s.total; at += steps[i])
			feed(&s, at, at + steps[i] < s.total ? at + steps[i] : s.total);
		check_end(&s);
	}
	stream_fini(&s);
}

static void a_stream_of_empty_messages_is_as_many_messages(void **state)
{
	uint8_t octets[9] = {0};
	uint8_t carry[2];
	struct cutter c = {.carry = carry};
	struct cutter_span in = {octets, sizeof(octets)}, msg;

	for (unsigned i = 0; i < 4; i++) {
		assert_true(cutter_feed(&c, &in, &msg));
		assert_int_equal(msg.len, 0);
		assert_int_equal(in.len, sizeof(octets) - 2 * (i + 1));
	}
	assert_false(cutter_feed(&c, &in, &msg));
	assert_int_equal(c.len, 1);
}

static void what_lies_in_one_piece_is_not_copied(void **state)
{
	uint8_t octets[] = {0, 1, 'a', 0, 2, 'b', 'c', 0, 3, 'd'};
	uint8_t carry[5];
	struct cutter c = {.carry = carry};
	struct cutter_span in = {octets, sizeof(octets)}, msg;

	assert_true(cutter_feed(&c, &in, &msg));
	assert_ptr_equal(msg.at, octets + 2);
	assert_true(cutter_feed(&c, &in, &msg));
	assert_ptr_equal(msg.at, octets + 5);
	assert_false(cutter_feed(&c, &in, &msg));
	assert_int_equal(c.len, 3);
	in = (struct cutter_span){(uint8_t *)"ef", 2};
	assert_true(cutter_feed(&c, &in, &msg));
	assert_int_equal(msg.len, 3);
	assert_memory_equal(msg.at, "def", 3);
}

static void a_message_that_is_not_whole_is_not_taken(void **state)
{
	uint8_t octets[] = {0, 3, 'a', 'b', 'c', 0};

	for (size_t len = 0; len < 5; len++) {
		struct cutter_span in = {octets, len}, msg = {NULL, 77};

		assert_false(cutter_take(&in, &msg));
		assert_true(in.at == octets && in.len == len && msg.len == 77);
		assert_int_equal(cutter_need(octets, len), len < 2 ? 2 : 5);
	}
	for (size_t len = 5; len <= sizeof(octets); len++) {
		struct cutter_span in = {octets, len}, msg;

		assert_true(cutter_take(&in, &msg));
		assert_true(msg.at == octets + 2 && msg.len == 3);
		assert_true(in.at == octets + 5 && in.len == len - 5);
	}
}

static void no_octets_are_no_message(void **state)
{
	struct cutter c = {0};
	struct cutter_span in = {NULL, 0}, msg;

	assert_false(cutter_take(&in, &msg));
	assert_false(cutter_feed(&c, &in, &msg));
	assert_int_equal(c.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_two_cuts_give_the_same_messages),
		cmocka_unit_test(pieces_of_any_one_size_give_the_same_messages),
		cmocka_unit_test(the_longest_messages_pass_in_pieces_of_any_size),
		cmocka_unit_test(a_stream_of_empty_messages_is_as_many_messages),
		cmocka_unit_test(what_lies_in_one_piece_is_not_copied),
		cmocka_unit_test(a_message_that_is_not_whole_is_not_taken),
		cmocka_unit_test(no_octets_are_no_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
