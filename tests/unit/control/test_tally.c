/* What a transfer may cost while it runs. */
#include "control/tally.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static const uint8_t one[] = "\3one\7example", two[] = "\3two\7example";

/* How many records of `type` at the owners in turn pass, at most max. */
static uint64_t passes(const struct builder_limits *l, bool changes, const uint8_t *other, uint16_t type,
		       uint16_t rdata_len, uint64_t max, enum builder_verdict *v)
{
	struct tally t;
	uint64_t cnt;

	tally_init(&t, l, changes);
	for (cnt = 0; cnt < max; cnt++) {
		*v = tally_record(&t, cnt % 2 ? other : one, type, rdata_len);
		if (*v != BUILDER_OK)
			return cnt;
	}
	return cnt;
}

static void no_limit_lets_all_pass(void **state)
{
	enum builder_verdict v;

	assert_int_equal(passes(&builder_limits_none, false, two, DNS_TYPE_TXT, 65535, 100000, &v), 100000);
}

static void records_end_at_their_limit(void **state)
{
	const struct builder_limits l = {.records = 10};
	enum builder_verdict v;

	assert_int_equal(passes(&l, false, two, DNS_TYPE_A, 4, 100, &v), 10);
	assert_int_equal(v, BUILDER_LIMIT_RECORDS);
	/* A change of every record deletes and adds each. */
	assert_int_equal(passes(&l, true, two, DNS_TYPE_A, 4, 100, &v), 21);
}

static void octets_end_at_their_limit(void **state)
{
	/* 13 of name, 10, 4 of data */
	const struct builder_limits l = {.bytes = 270};
	enum builder_verdict v;

	assert_int_equal(passes(&l, false, two, DNS_TYPE_A, 4, 100, &v), 10);
	assert_int_equal(v, BUILDER_LIMIT_BYTES);
}

static void one_set_ends_at_its_limit_even_if_it_repeats_itself(void **state)
{
	const struct builder_limits l = {.rrset_records = 5};
	enum builder_verdict v;

	assert_int_equal(passes(&l, false, one, DNS_TYPE_A, 4, 100, &v), 5);
	assert_int_equal(v, BUILDER_LIMIT_RRSET);
	assert_int_equal(passes(&l, false, two, DNS_TYPE_A, 4, 100, &v), 100);
	assert_int_equal(passes(&l, false, one, DNS_TYPE_RRSIG, 4, 100, &v), 100);
}

static void another_type_is_another_set(void **state)
{
	const struct builder_limits l = {.rrset_records = 1};
	struct tally t;
	uint16_t type;

	tally_init(&t, &l, false);
	for (type = 1; type < 100; type++)
		assert_int_equal(tally_record(&t, one, type, 4), BUILDER_OK);
}

static void one_owner_without_end_stops_without_any_limit(void **state)
{
	enum builder_verdict v;
	uint64_t cnt = passes(&builder_limits_none, false, one, DNS_TYPE_TXT, 65535, 100000, &v);

	assert_int_equal(v, BUILDER_LIMIT_MESSAGE);
	assert_in_range(cnt, 250, 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_limit_lets_all_pass),
		cmocka_unit_test(records_end_at_their_limit),
		cmocka_unit_test(octets_end_at_their_limit),
		cmocka_unit_test(one_set_ends_at_its_limit_even_if_it_repeats_itself),
		cmocka_unit_test(another_type_is_another_set),
		cmocka_unit_test(one_owner_without_end_stops_without_any_limit),
	};

	return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
