/* NOTIFY requests and the responses written over them. */
#include "control/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/control/message.h"

#define NOTIFY (DNS_OPCODE_NOTIFY << DNS_OPCODE_SHIFT)
#define IN     DNS_CLASS_IN

static struct message m;
static uint8_t rdata_room[RDATA_LEN_MAX];
static struct notify n;

static void begin(uint16_t flags, const char *qname, uint16_t qtype, uint16_t qclass)
{
	message_begin(&m, 0x0102, flags, qname, qtype, qclass);
}

/* In a block of its exact size. */
static enum notify_verdict get_len(size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);
	enum notify_verdict v;

	memcpy(copy, m.octets, len);
	v = notify_get(copy, len, rdata_room, &n);
	free(copy);
	return v;
}

static enum notify_verdict get(void)
{
	return get_len(message_len(&m));
}

static void a_notify_without_hint_is_read(void **state)
{
	uint8_t want[NAME_LEN_MAX];

	begin(NOTIFY | DNS_FLAG_AA, "Example.", DNS_TYPE_SOA, IN);
	assert_int_equal(get(), NOTIFY_OK);
	name_from_text("example.", want);
	assert_true(name_equal(n.name, want));
	assert_int_equal(n.class, IN);
	assert_false(n.has_serial);
	assert_false(n.edns);
}

static void the_soa_in_the_answer_is_the_hint(void **state)
{
	begin(NOTIFY, "example.", DNS_TYPE_SOA, IN);
	message_soa(&m, "EXAMPLE.", 0xFFFFFFFF);
	assert_int_equal(get(), NOTIFY_OK);
	assert_true(n.has_serial);
	assert_int_equal(n.serial, 0xFFFFFFFF);
}

static void a_soa_of_another_name_is_no_hint(void **state)
{
	begin(NOTIFY, "example.", DNS_TYPE_SOA, IN);
	message_soa(&m, "other.", 9);
	assert_int_equal(get(), NOTIFY_OK);
	assert_false(n.has_serial);
}

static void a_soa_that_is_not_first_is_no_hint(void **state)
{
	begin(NOTIFY, "example.", DNS_TYPE_SOA, IN);
	message_a(&m, "example.", 9);
	message_soa(&m, "example.", 9);
	assert_int_equal(get(), NOTIFY_OK);
	assert_false(n.has_serial);
}

static void a_soa_of_any_short_length_is_malformed(void **state)
{
	static const uint8_t soa[22];
	size_t len;

	for (len = 0; len < sizeof(soa); len++) {
		begin(NOTIFY, "example.", DNS_TYPE_SOA, IN);
		message_rdata(&m, "example.", DNS_TYPE_SOA, soa, len);
		assert_int_equal(get(), NOTIFY_MALFORMED);
	}
	begin(NOTIFY, "example.", DNS_TYPE_SOA, IN);
	message_rdata(&m, "example.", DNS_TYPE_SOA, soa, len);
	assert_int_equal(get(), NOTIFY_OK);
}

static void responses_and_fragments_are_ignored(void **state)
{
	size_t len;

	begin(NOTIFY | DNS_FLAG_QR, "example.", DNS_TYPE_SOA, IN);
	assert_int_equal(get(), NOTIFY_IGNORE);
	begin(0, "example.", DNS_TYPE_SOA, IN);
	assert_int_equal(get(), NOTIFY_IGNORE);
	begin(NOTIFY, "example.", DNS_TYPE_SOA, IN);
	for (len = 0; len < DNS_HEADER_LEN; len++)
		assert_int_equal(get_len(len), NOTIFY_IGNORE);
}

static void a_notify_cut_at_any_octet_is_malformed(void **state)
{
	size_t len, full;

	begin(NOTIFY, "example.", DNS_TYPE_SOA, IN);
	message_soa(&m, "example.", 9);
	message_opt(&m, 0);
	full = message_len(&m);
	for (len = DNS_HEADER_LEN; len < full; len++)
		assert_int_equal(get_len(len), NOTIFY_MALFORMED);
	assert_int_equal(get(), NOTIFY_OK);
	wire_put8(&m.w, 0);
	assert_int_equal(get(), NOTIFY_MALFORMED);
}

static void any_other_count_of_questions_is_malformed(void **state)
{
	begin(NOTIFY, NULL, 0, 0);
	assert_int_equal(get(), NOTIFY_MALFORMED);
	begin(NOTIFY, "example.", DNS_TYPE_SOA, IN);
	message_name(&m, "example.");
	wire_put16(&m.w, DNS_TYPE_SOA);
	wire_put16(&m.w, IN);
	message_count(&m, 4);
	assert_int_equal(get(), NOTIFY_MALFORMED);
}

static void other_types_are_told_apart(void **state)
{
	uint32_t type;

	for (type = 0; type <= UINT16_MAX; type++) {
		begin(NOTIFY, "example.", (uint16_t)type, IN);
		assert_int_equal(get(), type == DNS_TYPE_SOA ? NOTIFY_OK : NOTIFY_NOT_SOA);
	}
}

static void every_class_is_read(void **state)
{
	static const uint16_t classes[] = {0, DNS_CLASS_CH, DNS_CLASS_NONE, DNS_CLASS_ANY, 65535};
	size_t i;

	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		begin(NOTIFY, "example.", DNS_TYPE_SOA, classes[i]);
		assert_int_equal(get(), NOTIFY_OK);
		assert_int_equal(n.class, classes[i]);
	}
}

static void edns_versions_above_0_are_told(void **state)
{
	begin(NOTIFY, "example.", DNS_TYPE_SOA, IN);
	message_opt(&m, UINT32_C(1) << 16);
	assert_int_equal(get(), NOTIFY_BADVERS);
	assert_true(n.edns);
}

static void two_opts_are_malformed(void **state)
{
	begin(NOTIFY, "example.", DNS_TYPE_SOA, IN);
	message_opt(&m, 0);
	message_opt(&m, 0);
	assert_int_equal(get(), NOTIFY_MALFORMED);
}

static void the_response_copies_id_opcode_and_question(void **state)
{
	static const uint8_t want[] = "\1\2\xA4\0\0\1\0\0\0\0\0\0\7eXample\0\0\6\0\1";

	begin(NOTIFY | DNS_FLAG_AA, "eXample.", DNS_TYPE_SOA, IN);
	message_soa(&m, "example.", 9);
	get();
	assert_int_equal(notify_response(&n, DNS_RCODE_NOERROR, m.octets, message_len(&m)), sizeof(want) - 1);
	assert_memory_equal(m.octets, want, sizeof(want) - 1);
}

static void the_response_carries_opt_if_the_request_did(void **state)
{
	static const uint8_t opt[] = "\0\0\x29\4\xD0\1\0\0\0\0\0";
	size_t len;

	begin(NOTIFY, "example.", DNS_TYPE_SOA, IN);
	message_opt(&m, UINT32_C(1) << 16);
	get();
	len = notify_response(&n, DNS_RCODE_BADVERS, m.octets, message_len(&m));
	assert_int_equal(len, message_len(&m));
	assert_int_equal(m.octets[3] & 15, 0);
	assert_int_equal(wire_load16(m.octets + 10), 1);
	assert_memory_equal(m.octets + len - 11, opt, 11);
}

static void a_request_without_readable_question_gets_a_header(void **state)
{
	begin(NOTIFY, "example.", DNS_TYPE_SOA, IN);
	assert_int_equal(get_len(16), NOTIFY_MALFORMED);
	assert_int_equal(notify_response(&n, DNS_RCODE_FORMERR, m.octets, 16), DNS_HEADER_LEN);
	assert_int_equal(wire_load16(m.octets + 2), DNS_FLAG_QR | DNS_FLAG_AA | NOTIFY | DNS_RCODE_FORMERR);
	assert_int_equal(wire_load16(m.octets + 4), 0);
}

static void no_room_no_response(void **state)
{
	begin(NOTIFY, "example.", DNS_TYPE_SOA, IN);
	message_opt(&m, 0);
	get();
	assert_int_equal(notify_response(&n, DNS_RCODE_NOERROR, m.octets, message_len(&m) - 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_notify_without_hint_is_read),
		cmocka_unit_test(the_soa_in_the_answer_is_the_hint),
		cmocka_unit_test(a_soa_of_another_name_is_no_hint),
		cmocka_unit_test(a_soa_that_is_not_first_is_no_hint),
		cmocka_unit_test(a_soa_of_any_short_length_is_malformed),
		cmocka_unit_test(responses_and_fragments_are_ignored),
		cmocka_unit_test(a_notify_cut_at_any_octet_is_malformed),
		cmocka_unit_test(any_other_count_of_questions_is_malformed),
		cmocka_unit_test(other_types_are_told_apart),
		cmocka_unit_test(every_class_is_read),
		cmocka_unit_test(edns_versions_above_0_are_told),
		cmocka_unit_test(two_opts_are_malformed),
		cmocka_unit_test(the_response_copies_id_opcode_and_question),
		cmocka_unit_test(the_response_carries_opt_if_the_request_did),
		cmocka_unit_test(a_request_without_readable_question_gets_a_header),
		cmocka_unit_test(no_room_no_response),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
