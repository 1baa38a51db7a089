/*
 * Rate limiting: who gets how many responses. Time is a number here; a second is 1,000,000.
 */
#include "dataplane/answer/rrl.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>

#define SECOND UINT64_C(1000000)
#define START  (UINT64_C(86400) * SECOND)

static const uint64_t key[2] = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210)};

/* 100/s for a /32, 400/s for a /24; 100/s for a /64. */
static struct rrl_config usual(void)
{
	return (struct rrl_config){
		.rate = 100,
		.window_ms = 1000,
		.table = 4096,
		.level_cnt = {2, 1},
		.level = {{{.prefix = 32, .factor = 1}, {.prefix = 24, .factor = 4}},
			  {{.prefix = 64, .factor = 1}}},
	};
}

static uint8_t address(const char *text, uint8_t out[16])
{
	bool v6 = strchr(text, ':') != NULL;

	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, text, out), 1);
	return v6 ? 6 : 4;
}

static enum rrl_verdict ask(struct rrl *r, const char *from, enum rrl_class class, uint64_t now)
{
	uint8_t addr[16], family = address(from, addr);
	struct rrl_key k;

	rrl_prepare(r, family, addr, &k);
	return rrl_decide(r, &k, family, addr, class, now);
}

/* How many of cnt responses, evenly spread over `over`, pass. */
static unsigned passed(struct rrl *r, const char *from, enum rrl_class class, uint64_t begin, uint64_t over,
		       unsigned cnt)
{
	unsigned n = 0;

	for (unsigned i = 0; i < cnt; i++)
		n += ask(r, from, class, begin + over * i / cnt) == RRL_PASS;
	return n;
}

static void a_client_below_its_rate_is_never_limited(void **state)
{
	struct rrl_config config = usual();
	struct rrl *r = rrl_new(&config, key);

	assert_int_equal(passed(r, "192.0.2.1", RRL_ANSWER, START, 60 * SECOND, 6000), 6000);
	rrl_free(r);
}

static void a_burst_of_the_window_passes_at_once(void **state)
{
	struct rrl_config config = usual();
	struct rrl *r;

	config.window_ms = 5000;
	config.level[RRL_IPV4][1].factor = 100;
	r = rrl_new(&config, key);
	assert_int_equal(passed(r, "192.0.2.1", RRL_ANSWER, START, 0, 1000), 500);
	assert_int_equal(passed(r, "192.0.2.1", RRL_ANSWER, START + SECOND, 0, 1000), 100);
	assert_int_equal(passed(r, "192.0.2.1", RRL_ANSWER, START + 100 * SECOND, 0, 1000), 500);
	rrl_free(r);
}

static void a_flood_gets_its_rate_and_no_more(void **state)
{
	struct rrl_config config = usual();
	struct rrl *r = rrl_new(&config, key);

	assert_in_range(passed(r, "192.0.2.1", RRL_ANSWER, START, 10 * SECOND, 1000000), 1090, 1110);
	rrl_free(r);
}

static void neighbours_share_the_limit_of_their_wider_prefix(void **state)
{
	struct rrl_config config = usual();
	struct rrl *r = rrl_new(&config, key);
	unsigned n = 0;

	for (unsigned i = 0; i < 200; i++) {
		char from[32];

		snprintf(from, sizeof(from), "192.0.2.%u", i);
		n += passed(r, from, RRL_ANSWER, START, 0, 10);
	}
	assert_int_equal(n, 400);
	assert_int_equal(ask(r, "192.0.3.1", RRL_ANSWER, START), RRL_PASS);
	rrl_free(r);
}

static void ipv6_is_limited_by_network(void **state)
{
	struct rrl_config config = usual();
	struct rrl *r = rrl_new(&config, key);

	assert_int_equal(passed(r, "2001:db8:0:1::1", RRL_ANSWER, START, 0, 60), 60);
	assert_int_equal(passed(r, "2001:db8:0:1:ffff::2", RRL_ANSWER, START, 0, 60), 40);
	assert_int_equal(passed(r, "2001:db8:0:2::1", RRL_ANSWER, START, 0, 60), 60);
	rrl_free(r);
}

static void a_level_may_be_longer_than_64_bits(void **state)
{
	struct rrl_config config = usual();
	struct rrl *r;

	config.level[RRL_IPV6][0].prefix = 128;
	r = rrl_new(&config, key);
	assert_int_equal(passed(r, "2001:db8::1", RRL_ANSWER, START, 0, 200), 100);
	assert_int_equal(passed(r, "2001:db8::2", RRL_ANSWER, START, 0, 200), 100);
	rrl_free(r);
}

static void each_class_has_a_limit_of_its_own(void **state)
{
	struct rrl_config config = usual();
	struct rrl *r = rrl_new(&config, key);

	for (unsigned class = 0; class < RRL_CLASS_CNT; class ++)
		assert_int_equal(passed(r, "192.0.2.1", (enum rrl_class) class, START, 0, 1000), 100);
	rrl_free(r);
}

static void one_limited_response_in_slip_is_sent_truncated(void **state)
{
	static const struct {
		uint8_t slip;
		unsigned least, most;
	} ways[] = {{0, 0, 0}, {1, 10000, 10000}, {2, 4700, 5300}, {10, 850, 1150}};
	struct rrl_config config = usual();

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		unsigned slipped = 0, dropped = 0;
		struct rrl *r;

		config.slip = ways[i].slip;
		r = rrl_new(&config, key);
		for (unsigned j = 0; j < 10100; j++) {
			enum rrl_verdict v = ask(r, "192.0.2.1", RRL_ANSWER, START);

			slipped += v == RRL_SLIP;
			dropped += v == RRL_DROP;
		}
		assert_in_range(slipped, ways[i].least, ways[i].most);
		assert_int_equal(slipped + dropped, 10000);
		rrl_free(r);
	}
}

/* Two floods in step: each must get its share of slips. */
static void slips_are_not_taken_by_one_of_two_floods(void **state)
{
	struct rrl_config config = usual();
	unsigned slipped[2] = {0, 0};
	struct rrl *r;

	config.slip = 2;
	r = rrl_new(&config, key);
	for (unsigned i = 0; i < 20000; i++)
		slipped[i & 1] +=
			ask(r, (i & 1) != 0 ? "192.0.2.1" : "198.51.100.1", RRL_ANSWER, START) == RRL_SLIP;
	assert_in_range(slipped[0], 4500, 5500);
	assert_in_range(slipped[1], 4500, 5500);
	rrl_free(r);
}

static void a_dry_run_lets_all_pass_and_says_what_it_would_have_done(void **state)
{
	struct rrl_config config = usual();
	struct rrl_offender list[RRL_OFFENDERS_MAX];
	unsigned over = 0;
	struct rrl *r;

	config.dry_run = true;
	r = rrl_new(&config, key);
	for (unsigned i = 0; i < 250; i++)
		over += ask(r, "192.0.2.1", RRL_ANSWER, START) == RRL_PASS_DRY_RUN;
	assert_int_equal(over, 150);
	assert_int_equal(rrl_offenders(r, list), 1);
	rrl_free(r);
}

static void who_is_allowed_is_never_limited(void **state)
{
	struct rrl_config config = usual();
	struct rrl *r;

	config.allow_cnt = 2;
	config.allow[0] = (struct net_prefix){.family = 4, .prefix = 25, .addr = {192, 0, 2, 0}};
	config.allow[1] =
		(struct net_prefix){.family = 6, .prefix = 33, .addr = {0x20, 0x01, 0x0d, 0xb8, 0x80}};
	r = rrl_new(&config, key);
	for (unsigned i = 0; i < 1000; i++) {
		assert_in_range(ask(r, "192.0.2.127", RRL_ANSWER, START), RRL_PASS, RRL_PASS_ALLOWED);
		assert_in_range(ask(r, "2001:db8:8000::1", RRL_ANSWER, START), RRL_PASS, RRL_PASS_ALLOWED);
	}
	assert_int_equal(ask(r, "192.0.2.127", RRL_ANSWER, START), RRL_PASS_ALLOWED);
	assert_int_equal(passed(r, "198.51.100.1", RRL_ANSWER, START, 0, 1000), 100);
	assert_int_equal(passed(r, "2001:db8:7fff::1", RRL_ANSWER, START, 0, 1000), 100);
	rrl_free(r);
}

/* More prefixes than buckets: the flood keeps its bucket, for what makes room is what is nearest to empty. */
static void a_full_table_still_holds_the_flood(void **state)
{
	struct rrl_config config = usual();
	unsigned n = 0;
	struct rrl *r;

	config.table = RRL_TABLE_MIN;
	config.level_cnt[RRL_IPV4] = 1;
	r = rrl_new(&config, key);
	for (unsigned i = 0; i < 200000; i++) {
		char from[32];

		n += ask(r, "192.0.2.1", RRL_ANSWER, START + i * SECOND / 200000) == RRL_PASS;
		snprintf(from, sizeof(from), "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
		ask(r, from, RRL_ANSWER, START + i * SECOND / 200000);
	}
	assert_in_range(n, 190, 210);
	rrl_free(r);
}

/* Forged sources fill the table; who asks now and then must not be taken for one of them. */
static void strangers_are_served_when_the_table_is_full(void **state)
{
	struct rrl_config config = usual();
	struct rrl *r;

	config.table = RRL_TABLE_MIN;
	r = rrl_new(&config, key);
	for (unsigned i = 0; i < 500000; i++) {
		char from[32];

		snprintf(from, sizeof(from), "%u.%u.%u.1", 11 + (i >> 16 & 7), i >> 8 & 255, i & 255);
		assert_int_equal(ask(r, from, RRL_NXDOMAIN, START + i), RRL_PASS);
	}
	rrl_free(r);
}

static void a_bucket_that_was_left_alone_is_empty_whenever_one_comes_back(void **state)
{
	struct rrl_config config = usual();
	struct rrl *r = rrl_new(&config, key);

	/* Up to the wrap of a bucket's clock after three days and past it, in steps that are no divisor of it. */
	for (uint64_t t = START; t < START + UINT64_C(900000) * SECOND; t += 7919 * SECOND)
		assert_int_equal(passed(r, "192.0.2.1", RRL_ANSWER, t, 0, 150), 100);
	rrl_free(r);
}

static void new_limits_hold_at_once(void **state)
{
	struct rrl_config config = usual(), none = usual(), wide = usual();
	struct rrl *r = rrl_new(&config, key);

	none.rate = 0;
	wide.rate = 1000;
	assert_int_equal(passed(r, "192.0.2.1", RRL_ANSWER, START, 0, 200), 100);
	rrl_set_config(r, &none);
	assert_int_equal(passed(r, "192.0.2.1", RRL_ANSWER, START, 0, 5000), 5000);
	rrl_set_config(r, &wide);
	assert_int_equal(passed(r, "192.0.2.1", RRL_ANSWER, START + 10 * SECOND, 0, 5000), 1000);
	rrl_free(r);
}

static void the_worst_offender_is_known_by_prefix_class_and_count(void **state)
{
	struct rrl_config config = usual();
	struct rrl *r = rrl_new(&config, key);
	struct rrl_offender list[RRL_OFFENDERS_MAX];
	const struct rrl_offender *worst = list;
	uint8_t want[16] = {192, 0, 2, 7};
	unsigned cnt;

	for (unsigned i = 0; i < 3000; i++) {
		char from[32];

		snprintf(from, sizeof(from), "10.%u.%u.1", i >> 8, i & 255);
		passed(r, from, RRL_NODATA, START + i, 0, 101);
		ask(r, "192.0.2.7", RRL_NXDOMAIN, START + i);
		ask(r, "192.0.2.7", RRL_NXDOMAIN, START + i);
	}
	cnt = rrl_offenders(r, list);
	assert_int_equal(cnt, RRL_OFFENDERS_MAX);
	for (unsigned i = 1; i < cnt; i++)
		if (list[i].count > worst->count)
			worst = &list[i];
	assert_memory_equal(worst->net.addr, want, 4);
	assert_int_equal(worst->net.family, 4);
	assert_int_equal(worst->net.prefix, 32);
	assert_int_equal(worst->class, RRL_NXDOMAIN);
	assert_in_range(worst->count, 5800, 6000);
	rrl_free(r);
}

static void an_offender_that_stopped_is_forgotten(void **state)
{
	struct rrl_config config = usual();
	struct rrl *r = rrl_new(&config, key);
	struct rrl_offender list[RRL_OFFENDERS_MAX];

	passed(r, "192.0.2.7", RRL_ANSWER, START, 0, 1100);
	for (unsigned minute = 1; minute <= 12; minute++)
		passed(r, "198.51.100.1", RRL_ANSWER, START + minute * 61 * SECOND, 0, 101);
	assert_int_equal(rrl_offenders(r, list), 1);
	assert_int_equal(list[0].net.addr[0], 198);
	rrl_free(r);
}

struct reading {
	struct rrl *r;
	_Atomic bool stop;
	unsigned torn;
};

/* Every offender of the writer is 10.x.x.x with the class x % 2: a mixture of two would show. */
static void *read_offenders(void *arg)
{
	struct reading *reading = arg;
	struct rrl_offender list[RRL_OFFENDERS_MAX];

	while (!reading->stop) {
		unsigned cnt = rrl_offenders(reading->r, list);

		for (unsigned i = 0; i < cnt; i++)
			reading->torn += list[i].net.addr[0] != 10 ||
					 (unsigned)list[i].class != list[i].net.addr[3] % 2u ||
					 list[i].net.prefix != 32 || list[i].net.family != 4;
	}
	return NULL;
}

static void offenders_are_read_whole_while_they_change(void **state)
{
	struct rrl_config config = usual();
	struct reading reading = {0};
	pthread_t thread;

	config.rate = 1;
	config.window_ms = 1;
	reading.r = rrl_new(&config, key);
	assert_int_equal(pthread_create(&thread, NULL, read_offenders, &reading), 0);
	for (unsigned i = 0; i < 300000; i++) {
		uint8_t addr[4] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
		struct rrl_key k;

		rrl_prepare(reading.r, 4, addr, &k);
		rrl_decide(reading.r, &k, 4, addr, i % 2 == 0 ? RRL_ANSWER : RRL_NODATA, START);
	}
	reading.stop = true;
	pthread_join(thread, NULL);
	assert_int_equal(reading.torn, 0);
	rrl_free(reading.r);
}

/*
 * A second of 1,000 resolvers in networks of their own that ask 100,000 times in all, and one network that asks a million times:
 * ten times the total. Each resolver is far below its limit; the flood fills its own.
 */
static void others_are_served_while_one_prefix_floods_ten_times_as_much(void **state)
{
	struct rrl_config config = usual();
	unsigned good = 0, flood = 0, total = 100000;
	struct rrl *r;

	(void)state;
	config.rate = 200;
	config.table = 131072;
	config.level_cnt[RRL_IPV4] = 1;
	config.level[RRL_IPV4][0] = (struct rrl_level){.prefix = 24, .factor = 1};
	r = rrl_new(&config, key);
	assert_non_null(r);
	for (unsigned i = 0; i < total; i++) {
		uint64_t now = START + (uint64_t)i * SECOND / total;
		uint8_t addr[4] = {10, (uint8_t)(i % 1000 >> 8), (uint8_t)(i % 1000), 1};
		struct rrl_key k;

		rrl_prepare(r, 4, addr, &k);
		good += rrl_decide(r, &k, 4, addr, RRL_ANSWER, now) == RRL_PASS;
		for (unsigned j = 0; j < 10; j++) {
			uint8_t victim[4] = {203, 0, 113, (uint8_t)(i + j)};

			rrl_prepare(r, 4, victim, &k);
			flood += rrl_decide(r, &k, 4, victim, RRL_ANSWER, now) == RRL_PASS;
		}
	}
	rrl_free(r);
	assert_in_range(good, total * 9 / 10, total);
	/* What may come at once, and what a second refills. */
	assert_in_range(flood, config.rate, 2 * config.rate + 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_are_served_while_one_prefix_floods_ten_times_as_much),
		cmocka_unit_test(a_client_below_its_rate_is_never_limited),
		cmocka_unit_test(a_burst_of_the_window_passes_at_once),
		cmocka_unit_test(a_flood_gets_its_rate_and_no_more),
		cmocka_unit_test(neighbours_share_the_limit_of_their_wider_prefix),
		cmocka_unit_test(ipv6_is_limited_by_network),
		cmocka_unit_test(a_level_may_be_longer_than_64_bits),
		cmocka_unit_test(each_class_has_a_limit_of_its_own),
		cmocka_unit_test(one_limited_response_in_slip_is_sent_truncated),
		cmocka_unit_test(slips_are_not_taken_by_one_of_two_floods),
		cmocka_unit_test(a_dry_run_lets_all_pass_and_says_what_it_would_have_done),
		cmocka_unit_test(who_is_allowed_is_never_limited),
		cmocka_unit_test(a_full_table_still_holds_the_flood),
		cmocka_unit_test(strangers_are_served_when_the_table_is_full),
		cmocka_unit_test(a_bucket_that_was_left_alone_is_empty_whenever_one_comes_back),
		cmocka_unit_test(new_limits_hold_at_once),
		cmocka_unit_test(the_worst_offender_is_known_by_prefix_class_and_count),
		cmocka_unit_test(an_offender_that_stopped_is_forgotten),
		cmocka_unit_test(offenders_are_read_whole_while_they_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
