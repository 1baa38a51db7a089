/* The safety gate, on versions built from presentation format. */
#include "control/gate.h"
#include "dataplane/zone/arena.h"
#include "tests/support/zone_load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu-qsbr.h>
#include <cmocka.h>

#define NOW 1700000000 /* 20231114221320 */

#define SOA "example. 60 IN SOA ns.example. h.example. 7 60 60 600 60"
#define NS  "example. 60 IN NS ns.example."
#define KEY "example. 60 IN DNSKEY 257 3 13 AAAA"
/* Nothing here verifies a signature. */
#define SIG(type, from, to) "example. 60 IN RRSIG " type " 13 1 60 " to " " from " 1 example. AAAA"
#define OLD		    "20200101000000"
#define PAST		    "20231101000000"
#define SOON		    "20231115000000"
#define LATER		    "20231201000000"

static struct arena *arena;

/* Lines, the last one NULL. */
static struct snapshot *zone(const char *line, ...)
{
	char text[4096];
	struct snapshot *s = NULL;
	size_t len = 0;
	va_list ap;

	va_start(ap, line);
	for (; line != NULL; line = va_arg(ap, const char *)) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\n", line);
		assert_true(len < sizeof(text));
	}
	va_end(ap);
	assert_int_equal(zone_load_text(arena, 1, "example.", text, &s), 0);
	return s;
}

/* Takes s. */
static struct gate_report inspect(struct snapshot *s, struct gate_request request)
{
	struct gate_report r;

	gate_inspect(s, &request, NOW, &r);
	snapshot_retire(s);
	return r;
}

#define DNSSEC(policy, ...) ((struct gate_request){.dnssec = GATE_##policy, ##__VA_ARGS__})
#define ZONEMD(policy)	    ((struct gate_request){.zonemd = GATE_##policy})

static void an_unsigned_zone_that_was_never_signed_is_fine(void **state)
{
	assert_string_equal(inspect(zone(SOA, NS, NULL), DNSSEC(REQUIRE)).text, "");
}

static void a_zone_that_loses_its_dnskey_is_refused(void **state)
{
	struct gate_report r = inspect(zone(SOA, NS, NULL), DNSSEC(REQUIRE, .was_signed = true));

	assert_true(r.refused);
	assert_string_equal(r.text, "it was signed and has no DNSKEY now (dnssec-check)");
}

static void a_warning_does_not_refuse(void **state)
{
	struct gate_report r = inspect(zone(SOA, NS, NULL), DNSSEC(WARN, .was_signed = true));

	assert_false(r.refused);
	assert_string_not_equal(r.text, "");
	r = inspect(zone(SOA, NS, NULL), DNSSEC(OFF, .was_signed = true));
	assert_string_equal(r.text, "");
}

static void each_set_of_a_signed_apex_needs_a_signature_that_is_valid_now(void **state)
{
	struct gate_report r = inspect(zone(SOA, NS, KEY, SIG("SOA", OLD, LATER), SIG("NS", OLD, LATER),
					    SIG("DNSKEY", OLD, LATER), NULL),
				       DNSSEC(REQUIRE));

	assert_string_equal(r.text, "");
	r = inspect(zone(SOA, NS, KEY, SIG("SOA", OLD, LATER), SIG("DNSKEY", OLD, LATER), NULL),
		    DNSSEC(REQUIRE));
	assert_true(r.refused);
	assert_string_equal(r.text, "the NS set of the apex has no RRSIG (dnssec-check)");
	r = inspect(zone(SOA, NS, KEY, SIG("SOA", OLD, PAST), SIG("NS", OLD, LATER),
			 SIG("DNSKEY", LATER, LATER), NULL),
		    DNSSEC(REQUIRE));
	assert_true(r.refused);
	assert_string_equal(r.text,
			    "no RRSIG of the apex's DNSKEY set is valid now (dnssec-check); no RRSIG of "
			    "the apex's SOA set is valid now (dnssec-check)");
	/* One that is valid is enough: keys roll over. */
	r = inspect(zone(SOA, NS, KEY, SIG("SOA", OLD, PAST), SIG("SOA", PAST, LATER), SIG("NS", OLD, LATER),
			 SIG("DNSKEY", OLD, LATER), NULL),
		    DNSSEC(REQUIRE));
	assert_string_equal(r.text, "");
}

static void the_end_of_signatures_is_that_of_the_set_that_ends_first(void **state)
{
	struct snapshot *s = zone(SOA, NS, KEY, SIG("SOA", OLD, PAST), SIG("SOA", OLD, LATER),
				  SIG("NS", OLD, SOON), SIG("DNSKEY", OLD, LATER), NULL);
	uint32_t end = 0;

	assert_true(gate_signatures_end(s, &end));
	assert_int_equal(end, 1700006400); /* SOON */
	snapshot_retire(s);
	s = zone(SOA, NS, NULL);
	assert_false(gate_signatures_end(s, &end));
	snapshot_retire(s);
}

static void a_zone_without_zonemd_is_refused_only_where_it_is_required(void **state)
{
	struct gate_report r = inspect(zone(SOA, NS, NULL), ZONEMD(WARN));

	assert_string_equal(r.text, "");
	r = inspect(zone(SOA, NS, NULL), ZONEMD(REQUIRE));
	assert_true(r.refused);
}

static void a_wrong_zonemd_is_refused_or_told(void **state)
{
	const char *wrong = "example. 60 IN TYPE63 \\# 54 00000007 01 01 "
			    "0000000000000000000000000000000000000000000000000000000000000000"
			    "00000000000000000000000000000000";
	struct gate_report r = inspect(zone(SOA, NS, wrong, NULL), ZONEMD(REQUIRE));

	assert_true(r.refused);
	assert_non_null(strstr(r.text, "ZONEMD: "));
	r = inspect(zone(SOA, NS, wrong, NULL), ZONEMD(WARN));
	assert_false(r.refused);
	assert_non_null(strstr(r.text, "ZONEMD: "));
	r = inspect(zone(SOA, NS, wrong, NULL), ZONEMD(OFF));
	assert_string_equal(r.text, "");
}

static void shrinking_is_measured_on_balance(void **state)
{
	struct snapshot_info from = {.records = 100, .names = 50}, to = {.records = 80, .names = 40};
	char text[GATE_TEXT_CAP];

	assert_false(gate_shrinks(&from, &to, 20, text));
	assert_true(gate_shrinks(&from, &to, 19, text));
	assert_string_equal(text, "20 of 100 records would go (max-shrink: 19%)");
	to.records = 1000;
	assert_false(gate_shrinks(&from, &to, 1, text));
	/* Nothing but the apex, which may have many records. */
	to.names = 1;
	assert_true(gate_shrinks(&from, &to, 99, text));
	assert_false(gate_shrinks(&from, &to, 100, text));
	from.names = 1;
	assert_false(gate_shrinks(&from, &to, 99, text));
}

int main(void)
{
	const struct arena_config config = {.bytes_max = 16 << 20};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_unsigned_zone_that_was_never_signed_is_fine),
		cmocka_unit_test(a_zone_that_loses_its_dnskey_is_refused),
		cmocka_unit_test(a_warning_does_not_refuse),
		cmocka_unit_test(each_set_of_a_signed_apex_needs_a_signature_that_is_valid_now),
		cmocka_unit_test(the_end_of_signatures_is_that_of_the_set_that_ends_first),
		cmocka_unit_test(a_zone_without_zonemd_is_refused_only_where_it_is_required),
		cmocka_unit_test(a_wrong_zonemd_is_refused_or_told),
		cmocka_unit_test(shrinking_is_measured_on_balance),
	};
	int ret;

	rcu_register_thread();
	if (arena_new(&config, &arena) < 0)
		return 1;
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	rcu_barrier();
	arena_free(arena);
	rcu_unregister_thread();
	return ret;
}
