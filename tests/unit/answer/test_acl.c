/* Access lists: the compiled form against a search of the rules, and what a client that is denied learns of a zone. */
#include "tests/unit/answer/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <urcu-qsbr.h>
#include <cmocka.h>

#define RULES 24

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* The first bits of an address, octets from a small choice so that prefixes nest. */
static void random_net(uint32_t *seed, struct net_prefix *n)
{
	static const uint8_t octets[] = {0, 1, 0x7f, 0x80, 0xff};

	memset(n, 0, sizeof(*n));
	n->family = next(seed) % 2 ? 4 : 6;
	n->prefix = (uint8_t)(next(seed) % (n->family == 4 ? 33 : 129));
	for (unsigned i = 0; i < 16; i++)
		n->addr[i] = octets[next(seed) % sizeof(octets)];
	for (unsigned bit = n->prefix; bit < 128; bit++)
		n->addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static bool inside(const struct net_prefix *n, uint8_t family, const uint8_t *addr)
{
	if (n->family != family)
		return false;
	for (unsigned bit = 0; bit < n->prefix; bit++)
		if ((n->addr[bit / 8] ^ addr[bit / 8]) & (0x80 >> bit % 8))
			return false;
	return true;
}

/* The rule that decides, or NULL. */
static const struct acl_rule *searched(const struct acl_rule *rules, unsigned cnt, uint8_t family,
				       const uint8_t *addr)
{
	const struct acl_rule *found = NULL;

	for (unsigned i = 0; i < cnt; i++)
		if (inside(&rules[i].net, family, addr) &&
		    (found == NULL || rules[i].net.prefix > found->net.prefix))
			found = &rules[i];
	return found;
}

static void check_address(const struct acl *a, const struct acl_rule *rules, unsigned cnt, uint8_t family,
			  const uint8_t *addr)
{
	const struct acl_rule *rule = searched(rules, cnt, family, addr);
	bool otherwise = true;

	for (unsigned i = 0; i < cnt; i++)
		otherwise &= !rules[i].allow;
	assert_int_equal(acl_allows(a, family, addr), rule != NULL ? rule->allow : otherwise);
	assert_int_equal(acl_number(a, family, addr), rule != NULL ? rule->number : 0);
}

static void check_around(const struct acl *a, const struct acl_rule *rules, unsigned cnt,
			 const struct net_prefix *n)
{
	/* The prefix's first and last address and their neighbours. */
	for (unsigned end = 0; end < 2; end++)
		for (int step = -1; step <= 1; step++) {
			unsigned octets = n->family == 4 ? 4 : 16;
			uint8_t addr[16];
			int carry = step;

			memcpy(addr, n->addr, 16);
			for (unsigned bit = n->prefix; end == 1 && bit < octets * 8; bit++)
				addr[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
			for (unsigned i = octets; i-- > 0 && carry != 0;) {
				int v = addr[i] + carry;

				addr[i] = (uint8_t)v;
				carry = v < 0 ? -1 : v > 255;
			}
			check_address(a, rules, cnt, n->family, addr);
		}
}

static void the_longest_prefix_decides(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (unsigned run = 0; run < 500; run++) {
		struct acl_rule rules[RULES];
		unsigned cnt = 0, wanted = next(&seed) % RULES;
		struct acl *a;

		while (cnt < wanted) {
			bool again = false;

			random_net(&seed, &rules[cnt].net);
			rules[cnt].allow = next(&seed) % 3 == 0;
			rules[cnt].number = next(&seed) % 4;
			for (unsigned i = 0; i < cnt; i++)
				again |= acl_same_net(&rules[i].net, &rules[cnt].net);
			if (again)
				wanted--;
			else
				cnt++;
		}
		a = acl_new(rules, cnt);
		assert_non_null(a);
		for (unsigned i = 0; i < cnt; i++)
			check_around(a, rules, cnt, &rules[i].net);
		acl_free(a);
	}
}

static void hosts_may_be_named_more_than_once(void **state)
{
	struct acl_rule rules[9];
	struct acl *a;

	(void)state;
	for (unsigned i = 0; i < 9; i++)
		rules[i] = (struct acl_rule){.net = {.family = i < 6 ? 4 : 6,
						     .prefix = i < 6 ? 32 : 128,
						     .addr = {10, 0, 0, (uint8_t)(i % 3)}},
					     .allow = true,
					     .number = i % 3};
	a = acl_new(rules, 9);
	assert_non_null(a);
	for (unsigned i = 0; i < 9; i++)
		check_around(a, rules, 9, &rules[i].net);
	acl_free(a);
}

#define SOA "@ 3600 SOA ns h 5 7200 900 1209600 300\n@ 3600 NS ns\n"

struct zones {
	struct ask_world world;
	struct acl *acl;
};

/* open. is for everybody, closed. for 192.0.2.0/25 but not 192.0.2.4. */
static int make(void **state)
{
	static const struct acl_rule rules[] = {
		{.net = {.family = 4, .prefix = 25, .addr = {192, 0, 2, 0}}, .allow = true},
		{.net = {.family = 4, .prefix = 32, .addr = {192, 0, 2, 4}}},
	};
	struct zones *z = calloc(1, sizeof(*z));

	assert_non_null(z);
	ask_world_init(&z->world);
	z->acl = acl_new(rules, 2);
	ask_add_zone(&z->world, "open.", SOA "ns A 192.0.2.9\nlink 3600 CNAME www.closed.\n");
	zonetab_set_acl(z->world.zones,
			ask_add_zone(&z->world, "closed.", SOA "ns A 192.0.2.9\nwww 3600 A 192.0.2.8\n"),
			z->acl);
	*state = z;
	return 0;
}

static int unmake(void **state)
{
	struct zones *z = *state;

	ask_world_fini(&z->world);
	acl_free(z->acl);
	free(z);
	return 0;
}

static struct ask_world *as(struct zones *z, uint8_t last)
{
	memcpy(z->world.client, (uint8_t[]){192, 0, 2, last}, 4);
	return &z->world;
}

static uint64_t denied(struct zones *z)
{
	uint64_t cnt[ANSWER_COUNTER_CNT];

	answer_counters(z->world.engine, cnt);
	return cnt[ANSWER_CNT_refused_acl];
}

static void who_is_denied_is_refused_as_prohibited_and_counted(void **state)
{
	ASK_IS(as(*state, 3), "www.closed. A", "NOERROR aa\nan www.closed. 3600 A 192.0.2.8\n");
	assert_int_equal(denied(*state), 0);
	ASK_IS(as(*state, 4), "www.closed. A", "REFUSED\n");
	ASK_IS(as(*state, 4), "www.closed. A edns", "REFUSED\nopt 1232 ede=18 \n");
	ASK_IS(as(*state, 128), "missing.closed. A tcp", "REFUSED\n");
	ASK_IS(as(*state, 128), "closed. SOA", "REFUSED\n");
	assert_int_equal(denied(*state), 4);
	ASK_IS(as(*state, 4), "ns.open. A", "NOERROR aa\nan ns.open. 3600 A 192.0.2.9\n");
	assert_int_equal(denied(*state), 4);
}

static void an_alias_does_not_lead_into_a_zone_that_denies_the_client(void **state)
{
	ASK_IS(as(*state, 3), "link.open. A",
	       "NOERROR aa\nan link.open. 3600 CNAME www.closed.\nan www.closed. 3600 A 192.0.2.8\n");
	ASK_IS(as(*state, 4), "link.open. A", "NOERROR aa\nan link.open. 3600 CNAME www.closed.\n");
}

static void a_list_that_is_taken_away_denies_nobody(void **state)
{
	struct zones *z = *state;

	zonetab_set_acl(z->world.zones, 1, NULL);
	ASK_IS(as(z, 4), "www.closed. A", "NOERROR aa\nan www.closed. 3600 A 192.0.2.8\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_prefix_decides),
		cmocka_unit_test(hosts_may_be_named_more_than_once),
		cmocka_unit_test_setup_teardown(who_is_denied_is_refused_as_prohibited_and_counted, make,
						unmake),
		cmocka_unit_test_setup_teardown(an_alias_does_not_lead_into_a_zone_that_denies_the_client,
						make, unmake),
		cmocka_unit_test_setup_teardown(a_list_that_is_taken_away_denies_nobody, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
