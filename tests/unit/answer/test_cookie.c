/*
 * Server cookies: the published examples of SipHash-2-4 and RFC 9018, lengths, clocks, the way of a secret.
 */
#include "dataplane/answer/cookie.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>

#define NOW UINT32_C(1559731985)

static void unhex(const char *hex, uint8_t *out)
{
	for (size_t i = 0; hex[2 * i] != '\0'; i++) {
		char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		out[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
}

static struct cookie_config config_of(const char *first, const char *second)
{
	struct cookie_config config = {.secret_cnt = second == NULL ? 1 : 2};

	unhex(first, config.secret[0]);
	if (second != NULL)
		unhex(second, config.secret[1]);
	return config;
}

/* Asks with an option in hexadecimal digits, compares verdict and reply (NULL: not looked at). */
static void check(const struct cookie_config *config, const char *address, const char *option, uint32_t now,
		  enum cookie_verdict verdict, const char *reply)
{
	uint8_t octets[64], client[16], got[COOKIE_LEN], want[COOKIE_LEN];
	bool v6 = strchr(address, ':') != NULL;

	unhex(option, octets);
	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, address, client), 1);
	assert_int_equal(cookie_check(config, octets, strlen(option) / 2, client, v6 ? 16 : 4, now, got),
			 verdict);
	if (reply == NULL)
		return;
	unhex(reply, want);
	assert_memory_equal(got, want, COOKIE_LEN);
}

#define OLD_SECRET "e5e973e5a6b2a43f48e7dc849e37bfcf"
#define CLIENT	   "198.51.100.100"
#define LEARNT	   "2464c4abcf10c957010000005cf79f111f8130c3eee29480"

static void siphash_gives_what_its_reference_gives(void **state)
{
	static const struct {
		size_t len;
		const char *out;
	} known[] = {{0, "310e0edd47db6f72"},
		     {1, "fd67dc93c539f874"},
		     {7, "37d1018bf50002ab"},
		     {8, "6224939a79f5f593"},
		     {15, "e545be4961ca29a1"}};
	uint8_t key[COOKIE_HASH_KEY_LEN], data[16], want[8];

	for (unsigned i = 0; i < 16; i++)
		key[i] = data[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		uint64_t hash = cookie_hash(key, data, known[i].len);

		unhex(known[i].out, want);
		for (unsigned j = 0; j < 8; j++)
			assert_int_equal((uint8_t)(hash >> (8 * j)), want[j]);
	}
}

/* RFC 9018, appendix A. */
static void the_examples_of_rfc_9018_are_made_and_accepted(void **state)
{
	struct cookie_config old = config_of(OLD_SECRET, NULL);
	struct cookie_config rolled =
		config_of("445536bcd2513298075a5d379663c962", "dd3bdf9344b678b185a6f5cb60fca715");

	check(&old, CLIENT, "2464c4abcf10c957", NOW, COOKIE_CLIENT_ONLY, LEARNT);
	check(&old, CLIENT, LEARNT, 1559734385, COOKIE_GOOD,
	      "2464c4abcf10c957010000005cf7a871d4a564a1442aca77");
	/* A.3 has reserved octets that are not zero; its answer comes after more than an hour. */
	check(&old, "203.0.113.203", "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", 1559728000,
	      COOKIE_GOOD, NULL);
	check(&old, "203.0.113.203", "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", 1559734700,
	      COOKIE_BAD, "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e");
	check(&rolled, "2001:db8:220:1:59de:d0f4:8769:82b8",
	      "22681ab97d52c298010000005cf7c57926556bd0934c72f8", 1559741961, COOKIE_GOOD,
	      "22681ab97d52c298010000005cf7c609a6bb79d16625507a");
}

static void lengths_that_no_cookie_has_are_malformed(void **state)
{
	struct cookie_config config = config_of(OLD_SECRET, NULL);
	uint8_t option[64] = {0}, client[4] = {192, 0, 2, 1}, out[COOKIE_LEN];

	for (size_t len = 0; len <= 41; len++) {
		enum cookie_verdict want = len == 8		    ? COOKIE_CLIENT_ONLY
					   : len >= 16 && len <= 40 ? COOKIE_BAD
								    : COOKIE_MALFORMED;

		assert_int_equal(cookie_check(&config, option, len, client, 4, NOW, out), want);
	}
}

static void a_cookie_is_for_one_address_client_cookie_and_secret(void **state)
{
	struct cookie_config config = config_of(OLD_SECRET, NULL);
	struct cookie_config other = config_of("00000000000000000000000000000000", NULL);
	char changed[] = LEARNT;

	check(&config, CLIENT, LEARNT, NOW, COOKIE_GOOD, LEARNT);
	check(&config, "198.51.100.101", LEARNT, NOW, COOKIE_BAD, NULL);
	check(&config, "2001:db8::1", LEARNT, NOW, COOKIE_BAD, NULL);
	check(&other, CLIENT, LEARNT, NOW, COOKIE_BAD, NULL);
	/* Any digit but those of the version, which make it somebody else's. */
	for (size_t i = 0; i < sizeof(changed) - 1; i++) {
		changed[i] = changed[i] == '0' ? '1' : '0';
		check(&config, CLIENT, changed, NOW, COOKIE_BAD, NULL);
		changed[i] = LEARNT[i];
	}
}

static void a_bad_cookie_is_answered_with_a_good_one(void **state)
{
	struct cookie_config config = config_of(OLD_SECRET, NULL);

	check(&config, CLIENT, "2464c4abcf10c957010000005cf79f110000000000000000", NOW, COOKIE_BAD, LEARNT);
	check(&config, CLIENT, "2464c4abcf10c957ffffffffffffffffffffffffffffffffffffffffffffffff", NOW,
	      COOKIE_BAD, LEARNT);
}

static void a_cookie_lasts_an_hour_and_is_renewed_after_half(void **state)
{
	struct cookie_config config = config_of(OLD_SECRET, NULL);
	uint8_t option[COOKIE_LEN], client[4], out[COOKIE_LEN];

	unhex(LEARNT, option);
	inet_pton(AF_INET, CLIENT, client);
	check(&config, CLIENT, LEARNT, NOW + 1799, COOKIE_GOOD, LEARNT);
	assert_int_equal(cookie_check(&config, option, COOKIE_LEN, client, 4, NOW + 1800, out), COOKIE_GOOD);
	assert_memory_not_equal(out, option, COOKIE_LEN);
	check(&config, CLIENT, LEARNT, NOW + 3600, COOKIE_GOOD, NULL);
	check(&config, CLIENT, LEARNT, NOW + 3601, COOKIE_BAD, NULL);
	check(&config, CLIENT, LEARNT, NOW - 300, COOKIE_GOOD, LEARNT);
	check(&config, CLIENT, LEARNT, NOW - 301, COOKIE_BAD, NULL);
}

/* Seconds are 32 bits: 2038 turns their sign, 2106 starts them anew. */
static void time_goes_on_after_2038_and_2106(void **state)
{
	static const uint32_t turns[] = {UINT32_C(0x7fffffff), UINT32_C(0xffffffff)};
	struct cookie_config config = config_of(OLD_SECRET, NULL);
	uint8_t client[4] = {192, 0, 2, 1}, option[COOKIE_CLIENT_LEN] = {1, 2, 3}, made[COOKIE_LEN],
		out[COOKIE_LEN];

	for (size_t i = 0; i < 2; i++) {
		cookie_check(&config, option, sizeof(option), client, 4, turns[i] - 10, made);
		assert_int_equal(cookie_check(&config, made, COOKIE_LEN, client, 4, turns[i] + 100, out),
				 COOKIE_GOOD);
		assert_int_equal(cookie_check(&config, made, COOKIE_LEN, client, 4, turns[i] + 4000, out),
				 COOKIE_BAD);
		cookie_check(&config, option, sizeof(option), client, 4, turns[i] + 100, made);
		assert_int_equal(cookie_check(&config, made, COOKIE_LEN, client, 4, turns[i] - 10, out),
				 COOKIE_GOOD);
	}
}

/* RFC 9018 5: staged everywhere, then active, then the old one dropped; no client loses its cookie on the way. */
static void a_secret_rolls_over_without_a_bad_cookie(void **state)
{
	struct cookie_config before = config_of(OLD_SECRET, NULL);
	struct cookie_config staged = config_of(OLD_SECRET, "445536bcd2513298075a5d379663c962");
	struct cookie_config active = config_of("445536bcd2513298075a5d379663c962", OLD_SECRET);
	struct cookie_config after = config_of("445536bcd2513298075a5d379663c962", NULL);
	const struct cookie_config *way[] = {&before, &staged, &active, &after};
	uint8_t client[4] = {192, 0, 2, 1}, cookie[COOKIE_LEN] = {9, 8, 7}, next[COOKIE_LEN],
		other[COOKIE_LEN];
	size_t len = COOKIE_CLIENT_LEN;

	for (size_t i = 0; i < 4; i++) {
		/* Two servers of the fleet are a step apart: a cookie of either is good with the other. */
		for (size_t j = i; j < 4 && j <= i + 1; j++) {
			cookie_check(way[j], cookie, len, client, 4, NOW, other);
			assert_int_equal(cookie_check(way[i], other, COOKIE_LEN, client, 4, NOW, next),
					 COOKIE_GOOD);
		}
		assert_int_equal(cookie_check(way[i], cookie, len, client, 4, NOW, next),
				 len == COOKIE_LEN ? COOKIE_GOOD : COOKIE_CLIENT_ONLY);
		memcpy(cookie, next, COOKIE_LEN);
		len = COOKIE_LEN;
	}
	/* By now the client has one of the new secret, which the old one alone does not know. */
	assert_int_equal(cookie_check(&before, cookie, COOKIE_LEN, client, 4, NOW, next), COOKIE_BAD);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_gives_what_its_reference_gives),
		cmocka_unit_test(the_examples_of_rfc_9018_are_made_and_accepted),
		cmocka_unit_test(lengths_that_no_cookie_has_are_malformed),
		cmocka_unit_test(a_cookie_is_for_one_address_client_cookie_and_secret),
		cmocka_unit_test(a_bad_cookie_is_answered_with_a_good_one),
		cmocka_unit_test(a_cookie_lasts_an_hour_and_is_renewed_after_half),
		cmocka_unit_test(time_goes_on_after_2038_and_2106),
		cmocka_unit_test(a_secret_rolls_over_without_a_bad_cookie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
