/* The SOA query and what may come back. */
#include "control/refresh.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/control/message.h"

#define ID   0x4321
#define GOOD (DNS_FLAG_QR | DNS_FLAG_AA)
#define IN   DNS_CLASS_IN

static struct message m;
static uint8_t rdata_room[RDATA_LEN_MAX];
static struct refresh_answer answer;
static uint16_t asked = DNS_TYPE_SOA;

static void begin(uint16_t id, uint16_t flags, const char *qname, uint16_t qtype, uint16_t qclass)
{
	message_begin(&m, id, flags, qname, qtype, qclass);
}

/* In a block of its exact size. */
static enum refresh_verdict get_len(size_t len)
{
	uint8_t apex[NAME_LEN_MAX], *copy = malloc(len == 0 ? 1 : len);
	enum refresh_verdict v;

	name_from_text("example.", apex);
	memset(&answer, 0, sizeof(answer));
	memcpy(copy, m.octets, len);
	v = refresh_answer_get(copy, len, &(struct refresh_question){apex, asked, ID}, rdata_room, &answer);
	free(copy);
	return v;
}

static enum refresh_verdict get(void)
{
	return get_len(message_len(&m));
}

static void the_serial_of_the_soa_is_the_answer(void **state)
{
	begin(ID, GOOD, "EXAMPLE.", DNS_TYPE_SOA, IN);
	message_soa(&m, "example.", 77);
	message_opt(&m, 0);
	assert_int_equal(get(), REFRESH_OK);
	assert_int_equal(answer.soa.serial, 77);
	assert_int_equal(answer.soa.refresh, 3600);
	assert_true(answer.authoritative);
}

static void an_answer_without_aa_is_told(void **state)
{
	begin(ID, DNS_FLAG_QR, "example.", DNS_TYPE_SOA, IN);
	message_soa(&m, "example.", 77);
	assert_int_equal(get(), REFRESH_OK);
	assert_false(answer.authoritative);
}

static void what_is_not_ours_is_foreign(void **state)
{
	const struct {
		uint16_t id, flags;
		const char *qname;
		uint16_t qtype, qclass;
		enum refresh_verdict verdict;
	} rows[] = {
		{ID ^ 1, GOOD, "example.", DNS_TYPE_SOA, IN, REFRESH_ID},
		{ID, DNS_FLAG_AA, "example.", DNS_TYPE_SOA, IN, REFRESH_NOT_RESPONSE},
		{ID, GOOD | DNS_OPCODE_NOTIFY << DNS_OPCODE_SHIFT, "example.", DNS_TYPE_SOA, IN,
		 REFRESH_NOT_RESPONSE},
		{ID, GOOD, "other.", DNS_TYPE_SOA, IN, REFRESH_QUESTION},
		{ID, GOOD, "example.", DNS_TYPE_NS, IN, REFRESH_QUESTION},
		{ID, GOOD, "example.", DNS_TYPE_SOA, DNS_CLASS_CH, REFRESH_QUESTION},
		{ID, GOOD, NULL, 0, 0, REFRESH_QUESTION},
		{ID, GOOD | DNS_RCODE_REFUSED, NULL, 0, 0, REFRESH_QUESTION},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(rows[i].id, rows[i].flags, rows[i].qname, rows[i].qtype, rows[i].qclass);
		message_soa(&m, "example.", 77);
		assert_int_equal(get(), rows[i].verdict);
		assert_true(refresh_is_foreign(get()));
	}
}

static void answers_without_a_serial_are_failures(void **state)
{
	begin(ID, GOOD, "example.", DNS_TYPE_SOA, IN);
	assert_int_equal(get(), REFRESH_NO_SOA);
	message_ns(&m, "example.", "ns.example.");
	assert_int_equal(get(), REFRESH_NO_SOA);
	message_soa(&m, "sub.example.", 1);
	assert_int_equal(get(), REFRESH_NO_SOA);
	message_soa(&m, "example.", 1);
	assert_int_equal(get(), REFRESH_OK);
	message_soa(&m, "example.", 2);
	assert_int_equal(get(), REFRESH_TWO_SOAS);
	assert_false(refresh_is_foreign(REFRESH_TWO_SOAS));
}

static void a_soa_in_the_authority_section_is_no_answer(void **state)
{
	begin(ID, GOOD, "example.", DNS_TYPE_SOA, IN);
	message_soa(&m, "example.", 77);
	wire_store16(m.octets + 6, 0);
	wire_store16(m.octets + 8, 1);
	assert_int_equal(get(), REFRESH_NO_SOA);
}

static void a_soa_of_another_class_is_no_answer(void **state)
{
	uint8_t *at;

	begin(ID, GOOD, "example.", DNS_TYPE_SOA, IN);
	at = message_record(&m, 6, "example.", DNS_TYPE_SOA, DNS_CLASS_CH, 1);
	message_record_end(&m, at);
	assert_int_equal(get(), REFRESH_NO_SOA);
}

static void the_rcode_is_told(void **state)
{
	begin(ID, GOOD | DNS_RCODE_REFUSED, "example.", DNS_TYPE_SOA, IN);
	assert_int_equal(get(), REFRESH_RCODE);
	assert_int_equal(answer.rcode, DNS_RCODE_REFUSED);
}

static void formerr_needs_no_question(void **state)
{
	begin(ID, DNS_FLAG_QR | DNS_RCODE_FORMERR, NULL, 0, 0);
	assert_int_equal(get(), REFRESH_RCODE);
	assert_int_equal(answer.rcode, DNS_RCODE_FORMERR);
}

static void the_upper_bits_of_the_rcode_come_from_opt(void **state)
{
	begin(ID, GOOD, "example.", DNS_TYPE_SOA, IN);
	message_opt(&m, UINT32_C(1) << 24);
	assert_int_equal(get(), REFRESH_RCODE);
	assert_int_equal(answer.rcode, DNS_RCODE_BADVERS);
}

/* Behind all that is in m: options as they stand. */
static void put_opt(const void *options, size_t len)
{
	uint8_t *at = message_record(&m, 10, ".", DNS_TYPE_OPT, 1232, 0);

	wire_put_bytes(&m.w, options, len);
	message_record_end(&m, at);
}

static void expire_is_read_where_it_is_well_formed(void **state)
{
	begin(ID, GOOD, "example.", DNS_TYPE_SOA, IN);
	message_soa(&m, "example.", 7);
	put_opt("\0\3\0\1x\0\x09\0\4\0\0\1\2", 13);
	assert_int_equal(get(), REFRESH_OK);
	assert_true(answer.opt.present);
	assert_true(answer.opt.has_expire);
	assert_int_equal(answer.opt.expire, 0x102);
	begin(ID, GOOD, "example.", DNS_TYPE_SOA, IN);
	message_soa(&m, "example.", 7);
	put_opt("\0\x09\0\0\0\x09\0\3\0\0\1\0\x09\0\5\0\0", 17);
	assert_int_equal(get(), REFRESH_OK);
	assert_true(answer.opt.present);
	assert_false(answer.opt.has_expire);
	begin(ID, GOOD, "example.", DNS_TYPE_SOA, IN);
	message_soa(&m, "example.", 7);
	assert_int_equal(get(), REFRESH_OK);
	assert_false(answer.opt.present);
}

static void truncation_is_seen_before_the_records(void **state)
{
	begin(ID, GOOD | DNS_FLAG_TC, "example.", DNS_TYPE_SOA, IN);
	assert_int_equal(get(), REFRESH_TRUNCATED);
}

static void an_answer_cut_at_any_octet_is_foreign(void **state)
{
	size_t len, full;

	begin(ID, GOOD, "example.", DNS_TYPE_SOA, IN);
	message_soa(&m, "example.", 77);
	message_opt(&m, 0);
	full = message_len(&m);
	for (len = 0; len < full; len++)
		assert_true(refresh_is_foreign(get_len(len)));
	wire_put8(&m.w, 0);
	assert_int_equal(get(), REFRESH_MALFORMED);
}

static void a_short_soa_is_malformed(void **state)
{
	begin(ID, GOOD, "example.", DNS_TYPE_SOA, IN);
	message_rdata(&m, "example.", DNS_TYPE_SOA, "\0\0\0\0\0\7", 6);
	assert_int_equal(get(), REFRESH_MALFORMED);
}

static void the_query_asks_for_the_soa_without_recursion(void **state)
{
	static const uint8_t plain[] = "\x43\x21\0\0\0\1\0\0\0\0\0\0\7example\0\0\6\0\1";
	/* DO, and an empty EXPIRE (RFC 7314 3) */
	static const uint8_t opt[] = "\0\0\x29\4\xD0\0\0\x80\0\0\4\0\x09\0\0";
	uint8_t apex[NAME_LEN_MAX], out[REFRESH_QUERY_MAX];
	struct refresh_question q = {apex, DNS_TYPE_SOA, ID};

	name_from_text("example.", apex);
	assert_int_equal(refresh_query_put(&q, false, out), sizeof(plain) - 1);
	assert_memory_equal(out, plain, sizeof(plain) - 1);
	assert_int_equal(refresh_query_put(&q, true, out), sizeof(plain) - 1 + sizeof(opt) - 1);
	assert_int_equal(out[11], 1);
	assert_memory_equal(out + sizeof(plain) - 1, opt, sizeof(opt) - 1);
	q.type = DNS_TYPE_ZONEMD;
	refresh_query_put(&q, false, out);
	assert_int_equal(out[sizeof(plain) - 4], DNS_TYPE_ZONEMD);
}

static void zonemd(unsigned digest)
{
	uint8_t rdata[4 + 2 + 48] = {0, 0, 0, 77, 1, 1};

	rdata[6] = (uint8_t)digest;
	message_rdata(&m, "example.", DNS_TYPE_ZONEMD, rdata, sizeof(rdata));
}

static void digests_are_read_in_any_order_and_need_not_be_there(void **state)
{
	uint64_t hash;

	asked = DNS_TYPE_ZONEMD;
	begin(ID, GOOD, "example.", DNS_TYPE_ZONEMD, IN);
	zonemd(1);
	zonemd(2);
	assert_int_equal(get(), REFRESH_OK);
	assert_int_equal(answer.digest_cnt, 2);
	hash = answer.digests_hash;
	begin(ID, GOOD, "example.", DNS_TYPE_ZONEMD, IN);
	zonemd(2);
	zonemd(1);
	assert_int_equal(get(), REFRESH_OK);
	assert_true(answer.digests_hash == hash);
	begin(ID, GOOD, "example.", DNS_TYPE_ZONEMD, IN);
	zonemd(1);
	zonemd(3);
	assert_int_equal(get(), REFRESH_OK);
	assert_true(answer.digests_hash != hash);
	begin(ID, GOOD, "example.", DNS_TYPE_ZONEMD, IN);
	assert_int_equal(get(), REFRESH_OK);
	assert_int_equal(answer.digest_cnt, 0);
	/* The other question's answer is not this one's. */
	begin(ID, GOOD, "example.", DNS_TYPE_SOA, IN);
	assert_int_equal(get(), REFRESH_QUESTION);
	asked = DNS_TYPE_SOA;
	begin(ID, GOOD, "example.", DNS_TYPE_ZONEMD, IN);
	assert_int_equal(get(), REFRESH_QUESTION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_serial_of_the_soa_is_the_answer),
		cmocka_unit_test(digests_are_read_in_any_order_and_need_not_be_there),
		cmocka_unit_test(an_answer_without_aa_is_told),
		cmocka_unit_test(what_is_not_ours_is_foreign),
		cmocka_unit_test(answers_without_a_serial_are_failures),
		cmocka_unit_test(a_soa_in_the_authority_section_is_no_answer),
		cmocka_unit_test(a_soa_of_another_class_is_no_answer),
		cmocka_unit_test(the_rcode_is_told),
		cmocka_unit_test(formerr_needs_no_question),
		cmocka_unit_test(the_upper_bits_of_the_rcode_come_from_opt),
		cmocka_unit_test(expire_is_read_where_it_is_well_formed),
		cmocka_unit_test(truncation_is_seen_before_the_records),
		cmocka_unit_test(an_answer_cut_at_any_octet_is_foreign),
		cmocka_unit_test(a_short_soa_is_malformed),
		cmocka_unit_test(the_query_asks_for_the_soa_without_recursion),
	};

	return cmocka_run_group_tests_name("refresh", tests, NULL, NULL);
}
