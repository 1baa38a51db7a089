/* Reading requests: what is dropped, what is malformed, what is understood of the rest. */
#include "dataplane/dns/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define HEADER(qd, an, ns, ar) 0x12, 0x34, 0x01, 0x00, 0, qd, 0, an, 0, ns, 0, ar
#define QUESTION(type)	       3, 'W', 'w', 'W', 4, 't', 'e', 's', 't', 0, 0, type, 0, 1
#define QUESTION_LEN	       14
#define OPT(size)	       0, 0, 41, (size) >> 8, (size)&0xFF, 0, 0, 0, 0, 0, 0
#define A		       1

/* Parsed from a block of exactly its size, so that a sanitizer sees a read past the end. */
static enum query_verdict parse(const uint8_t *msg, size_t len, struct query *q)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	enum query_verdict verdict;

	assert_non_null(copy);
	memcpy(copy, msg, len);
	verdict = query_parse(copy, len, q);
	free(copy);
	return verdict;
}

#define PARSE(q, ...)                                        \
	({                                                   \
		static const uint8_t msg_[] = {__VA_ARGS__}; \
		parse(msg_, sizeof(msg_), q);                \
	})

static void a_question_is_read_in_lower_case(void **state)
{
	struct query q;

	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 0), QUESTION(A)), QUERY_OK);
	assert_int_equal(q.type, A);
	assert_int_equal(q.class, DNS_CLASS_IN);
	assert_int_equal(q.labels.len, 10);
	assert_int_equal(q.question_len, QUESTION_LEN);
	assert_memory_equal(q.name, "\3www\4test", 10);
	assert_int_equal(q.flags, DNS_FLAG_RD);
	assert_int_equal(q.payload, 512);
	assert_false(q.has_opt);
}

static void only_ascii_letters_are_folded(void **state)
{
	uint8_t msg[12 + 256 + 4] = {HEADER(1, 0, 0, 0)};
	uint8_t expected[256];
	size_t pos = 12;
	struct query q;

	/* All octets but those above 252 in labels of 63: name length 4 * 64 - 1 at most. */
	for (unsigned c = 0, left = 0; pos < 12 + 254; pos++) {
		if (left == 0) {
			left = pos + 64 <= 12 + 254 ? 63 : 12 + 254 - pos - 1;
			msg[pos] = (uint8_t)left;
			continue;
		}
		msg[pos] = (uint8_t)c++;
		left--;
	}
	msg[pos] = 0;
	msg[pos + 2] = A;
	msg[pos + 4] = 1;
	for (size_t i = 0; i < 255; i++) {
		uint8_t c = msg[12 + i];

		expected[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
	}
	/* Length octets are below 'A' and so never touched by the same rule. */
	assert_int_equal(parse(msg, 12 + 255 + 4, &q), QUERY_OK);
	assert_int_equal(q.labels.len, 255);
	assert_memory_equal(q.name, expected, 255);
}

static void every_truncation_of_a_request_is_malformed_or_dropped(void **state)
{
	static const uint8_t msg[] = {HEADER(1, 0, 0, 1),
				      QUESTION(A),
				      0,
				      0,
				      41,
				      4,
				      208,
				      0,
				      0,
				      0x80,
				      0,
				      0,
				      8,
				      0,
				      3,
				      0,
				      0,
				      0,
				      99,
				      0,
				      0};
	struct query q;

	assert_int_equal(parse(msg, sizeof(msg), &q), QUERY_OK);
	for (size_t len = 0; len < sizeof(msg); len++)
		assert_int_equal(parse(msg, len, &q), len < 12 ? QUERY_SHORT : QUERY_FORMERR);
}

static void a_response_is_never_looked_into(void **state)
{
	uint8_t msg[12] = {0};
	struct query q;

	for (unsigned flags = 0x80; flags < 0x100; flags++) {
		msg[2] = (uint8_t)flags;
		assert_int_equal(parse(msg, sizeof(msg), &q), QUERY_RESPONSE);
	}
}

static void opcodes_are_told_apart_before_anything_else(void **state)
{
	uint8_t msg[12] = {0};
	struct query q;

	for (unsigned opcode = 1; opcode < 16; opcode++) {
		msg[2] = (uint8_t)(opcode << 3);
		assert_int_equal(parse(msg, sizeof(msg), &q),
				 opcode == DNS_OPCODE_NOTIFY ? QUERY_NOTIFY : QUERY_NOTIMP);
		assert_int_equal(q.question_len, 0);
	}
}

static void question_counts_other_than_one_are_malformed(void **state)
{
	struct query q;

	assert_int_equal(PARSE(&q, HEADER(0, 0, 0, 0)), QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(0, 0, 0, 1), OPT(1232)), QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(2, 0, 0, 0), QUESTION(A), QUESTION(A)), QUERY_FORMERR);
	assert_int_equal(q.question_len, 0);
}

static void a_bad_question_name_is_malformed(void **state)
{
	uint8_t msg[12 + 260 + 4] = {HEADER(1, 0, 0, 0)};
	struct query q;

	/* a pointer, to the header or to itself; the two reserved label types */
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 0), 0xC0, 0, 0, 1, 0, 1), QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 0), 0xC0, 12, 0, 1, 0, 1), QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 0), 1, 'a', 0xC0, 12, 0, 1, 0, 1), QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 0), 0x40, 0, 0, 1, 0, 1), QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 0), 0x80, 0, 0, 1, 0, 1), QUERY_FORMERR);
	/* 256 octets: 127 labels of one octet and one of one more */
	for (unsigned i = 0; i < 128; i++)
		msg[12 + 2 * i] = 1;
	assert_int_equal(parse(msg, sizeof(msg), &q), QUERY_FORMERR);
	/* 255 octets */
	msg[12 + 2 * 127] = 0;
	assert_int_equal(parse(msg, 12 + 255 + 4, &q), QUERY_OK);
	assert_int_equal(q.labels.len, 255);
}

static void the_root_is_a_name(void **state)
{
	struct query q;

	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 0), 0, 0, 6, 0, 1), QUERY_OK);
	assert_int_equal(q.labels.len, 1);
	assert_int_equal(q.question_len, 5);
}

static void edns_is_understood(void **state)
{
	struct query q;

	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), 0, 0, 41, 4, 208, 0, 1, 0x80, 0, 0, 0),
			 QUERY_OK);
	assert_true(q.has_opt);
	assert_true(q.dnssec_ok);
	assert_int_equal(q.payload, 1232);
	assert_int_equal(q.edns_version, 1);
	assert_int_equal(q.question_len, QUESTION_LEN);
}

static void payload_sizes_below_512_mean_512(void **state)
{
	struct query q;

	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), OPT(0)), QUERY_OK);
	assert_int_equal(q.payload, 512);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), OPT(511)), QUERY_OK);
	assert_int_equal(q.payload, 512);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), OPT(65535)), QUERY_OK);
	assert_int_equal(q.payload, 65535);
}

static void options_are_noted_and_unknown_ones_passed_over(void **state)
{
	struct query q;

	/* NSID, empty; 65001 with two octets; COOKIE with eight */
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 22, 0, 3,
			       0, 0, 0xFD, 0xE9, 0, 2, 1, 2, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8),
			 QUERY_OK);
	assert_int_equal(q.options, 1u << DNS_EDNS_NSID | 1u << DNS_EDNS_COOKIE);
	assert_int_equal(q.options_at, 12 + QUESTION_LEN + 11);
	assert_int_equal(q.options_len, 22);
}

static void options_that_overrun_their_record_are_malformed(void **state)
{
	struct query q;

	assert_int_equal(
		PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 3, 0, 3, 0),
		QUERY_FORMERR);
	assert_int_equal(
		PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 5, 0, 3, 0, 2, 0),
		QUERY_FORMERR);
	/* EDNS was there all the same, so the FORMERR carries OPT */
	assert_true(q.has_opt);
}

static void a_first_record_that_is_not_whole_is_malformed_and_not_edns(void **state)
{
	struct query q;

	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), 0, 0, 41, 4, 208, 0, 0, 0, 0, 0),
			 QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 1),
			 QUERY_FORMERR);
	assert_false(q.has_opt);
	assert_int_equal(
		PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4),
		QUERY_FORMERR);
	assert_int_equal(q.question_len, QUESTION_LEN);
	/* whole, but octets follow: EDNS was there */
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), OPT(1232), 0), QUERY_FORMERR);
	assert_true(q.has_opt);
}

static void one_opt_with_the_root_owner_in_the_additional_section_only(void **state)
{
	struct query q;

	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 2), QUESTION(A), OPT(1232), OPT(1232)), QUERY_FORMERR);
	assert_int_equal(
		PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), 0xC0, 12, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0),
		QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 1, 0, 0), QUESTION(A), OPT(1232)), QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 1, 0), QUESTION(A), OPT(1232)), QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 1, 0), QUESTION(251), OPT(1232)), QUERY_FORMERR);
}

static void ixfr_may_carry_its_soa_in_the_authority_section(void **state)
{
	struct query q;

	assert_int_equal(PARSE(&q, HEADER(1, 0, 1, 1), QUESTION(251), 0xC0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 22,
			       0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, OPT(1232)),
			 QUERY_OK);
	assert_int_equal(q.type, DNS_TYPE_IXFR);
	assert_true(q.has_opt);
}

static void other_additional_records_are_ignored(void **state)
{
	struct query q;

	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 2), QUESTION(A), 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1,
			       2, 3, 4, OPT(1232)),
			 QUERY_OK);
	assert_true(q.has_opt);
}

static void octets_behind_the_last_record_are_malformed(void **state)
{
	struct query q;

	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 0), QUESTION(A), 0), QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 0), QUESTION(A), OPT(1232)), QUERY_FORMERR);
	assert_int_equal(q.question_len, QUESTION_LEN);
}

#define TSIG(class, ttl, len, ...) 1, 'k', 0, 0, 250, 0, class, 0, 0, 0, ttl, 0, len, __VA_ARGS__
#define TSIG_RDATA		   1, 'h', 0, 0, 0, 0, 0, 0, 1, 1, 44, 0, 2, 0xAA, 0xBB, 0x12, 0x34, 0, 0, 0, 0

static void a_tsig_is_noted(void **state)
{
	struct query q;

	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 2), QUESTION(A), OPT(1232), TSIG(255, 0, 21, TSIG_RDATA)),
			 QUERY_OK);
	assert_true(q.has_tsig && q.has_opt);
	assert_int_equal(q.tsig_at, 12 + QUESTION_LEN + 11);
	assert_int_equal(q.tsig_name_len, 3);
	assert_int_equal(q.tsig_algorithm_at, q.tsig_at + 3 + 10);
	assert_int_equal(q.tsig_algorithm_len, 3);
}

/* As dnspython writes it. */
static void the_key_of_a_tsig_may_be_compressed_into_the_question(void **state)
{
	struct query q;

#define COMPRESSED(at) 1, 'k', 0xC0, at, 0, 250, 0, 255, 0, 0, 0, 0, 0, 21, TSIG_RDATA
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), COMPRESSED(12)), QUERY_OK);
	assert_true(q.has_tsig);
	assert_int_equal(q.tsig_at, 12 + QUESTION_LEN);
	assert_int_equal(q.tsig_name_len, 4);
	assert_int_equal(q.tsig_algorithm_at, q.tsig_at + 4 + 10);
	/* The header, itself, nothing. */
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), COMPRESSED(0)), QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), COMPRESSED(12 + QUESTION_LEN)),
			 QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), COMPRESSED(200)), QUERY_FORMERR);
	/* Into another record: in a response it would point to something else. */
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 2), QUESTION(A), 1, 'x', 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0,
			       COMPRESSED(12 + QUESTION_LEN)),
			 QUERY_FORMERR);
}

static void a_tsig_must_be_the_last_record(void **state)
{
	struct query q;

	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 2), QUESTION(A), TSIG(255, 0, 21, TSIG_RDATA), OPT(1232)),
			 QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 2), QUESTION(A), TSIG(255, 0, 21, TSIG_RDATA),
			       TSIG(255, 0, 21, TSIG_RDATA)),
			 QUERY_FORMERR);
}

static void a_tsig_of_another_class_or_ttl_or_length_is_malformed(void **state)
{
	struct query q;

	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), TSIG(1, 0, 21, TSIG_RDATA)),
			 QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), TSIG(255, 1, 21, TSIG_RDATA)),
			 QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), TSIG(255, 0, 22, TSIG_RDATA, 0)),
			 QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), TSIG(255, 0, 3, 1, 'h', 0)),
			 QUERY_FORMERR);
	assert_int_equal(PARSE(&q, HEADER(1, 0, 0, 1), QUESTION(A), TSIG(255, 0, 2, 0, 0)), QUERY_FORMERR);
	assert_false(q.has_tsig);
}

static void record_counts_that_no_record_backs_are_malformed(void **state)
{
	uint8_t msg[] = {HEADER(1, 0, 0, 0), QUESTION(A)};
	struct query q;

	msg[10] = msg[11] = 0xFF;
	assert_int_equal(parse(msg, sizeof(msg), &q), QUERY_FORMERR);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_is_read_in_lower_case),
		cmocka_unit_test(only_ascii_letters_are_folded),
		cmocka_unit_test(every_truncation_of_a_request_is_malformed_or_dropped),
		cmocka_unit_test(a_response_is_never_looked_into),
		cmocka_unit_test(opcodes_are_told_apart_before_anything_else),
		cmocka_unit_test(question_counts_other_than_one_are_malformed),
		cmocka_unit_test(a_bad_question_name_is_malformed),
		cmocka_unit_test(the_root_is_a_name),
		cmocka_unit_test(edns_is_understood),
		cmocka_unit_test(payload_sizes_below_512_mean_512),
		cmocka_unit_test(options_are_noted_and_unknown_ones_passed_over),
		cmocka_unit_test(options_that_overrun_their_record_are_malformed),
		cmocka_unit_test(a_first_record_that_is_not_whole_is_malformed_and_not_edns),
		cmocka_unit_test(one_opt_with_the_root_owner_in_the_additional_section_only),
		cmocka_unit_test(ixfr_may_carry_its_soa_in_the_authority_section),
		cmocka_unit_test(other_additional_records_are_ignored),
		cmocka_unit_test(octets_behind_the_last_record_are_malformed),
		cmocka_unit_test(a_tsig_is_noted),
		cmocka_unit_test(the_key_of_a_tsig_may_be_compressed_into_the_question),
		cmocka_unit_test(a_tsig_must_be_the_last_record),
		cmocka_unit_test(a_tsig_of_another_class_or_ttl_or_length_is_malformed),
		cmocka_unit_test(record_counts_that_no_record_backs_are_malformed),
	};

	return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
