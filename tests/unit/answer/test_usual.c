/* The short way (answer/usual.h) gives the answers of the long one, and is not taken where it must not be. */
#include "tests/unit/answer/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <urcu-qsbr.h>
#include <cmocka.h>

#define ROUNDS 20000

static const char zone[] =
	"@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\nns AAAA 2001:db8::53\n"
	"h A 192.0.2.1\nTwo A 192.0.2.2\nTwo A 192.0.2.3\nmx MX 5 ns\nalias CNAME h\n*.wild A 192.0.2.4\n"
	"a.b.c A 192.0.2.5\nd DNAME c\ncut NS ns.cut\nns.cut A 192.0.2.6\nall TXT a\nall A 192.0.2.7\n";

static const char *const questions[] = {
	"h.example. A",
	"H.ExAmPlE. A rd edns",
	"h.example. AAAA edns do",
	"two.example. A edns=4096 do cd",
	"ns.example. AAAA edns=100",
	"mx.example. MX edns",
	"alias.example. A",
	"x.wild.example. A edns",
	"a.b.c.example. A do edns",
	"b.c.example. A",
	"x.d.example. A edns",
	"x.cut.example. A edns",
	"cut.example. DS",
	"example. SOA edns",
	"example. DS",
	"sub.example. A",
	"h.sub.example. A edns",
	"h.sub.example. DS",
	"all.example. ANY",
	"all.example. TXT edns option=10:0011223344556677",
	"h.example. A version=1",
	"h.example. A CH",
	"h.example. A tcp",
	"h.elsewhere. A edns",
	"h.example. A opcode=4",
};

/* The engine's octets; 0: none were sent. */
static uint32_t answer(struct ask_world *w, const uint8_t *request, size_t len, uint8_t out[DNS_MSG_MAX])
{
	struct answer_job job = {
		.msg = out, .len = (uint32_t)len, .cap = DNS_MSG_MAX, .transport = ANSWER_UDP, .family = 4};
	struct answer_job *jobs[] = {&job};

	memcpy(out, request, len);
	answer_burst(w->engine, jobs, 1);
	urcu_qsbr_quiescent_state();
	return job.verdict == ANSWER_SEND ? job.len : 0;
}

static void expect_same_either_way(struct ask_world *w, const uint8_t *request, size_t len)
{
	static uint8_t other[DNS_MSG_MAX], far[DNS_MSG_MAX], near[DNS_MSG_MAX];
	enum answer_transport transport;
	size_t other_len;
	uint32_t far_len;

	/* Another zone's question before: the zone has to be looked for. Then it was the last one. */
	other_len = ask_request("h.other. A", other, &transport);
	assert_true(answer(w, other, other_len, near) > 0);
	far_len = answer(w, request, len, far);
	assert_int_equal(answer(w, request, len, near), far_len);
	assert_memory_equal(near, far, far_len);
}

static void setup_zones(struct ask_world *w)
{
	ask_world_init(w);
	ask_add_zone(w, "example.", zone);
	ask_add_zone(w, "sub.example.", "@ SOA ns h 1 2 3 4 5\n@ NS ns\nh A 192.0.2.9\n");
	ask_add_zone(w, "other.", "@ SOA ns h 1 2 3 4 5\n@ NS ns\nh A 192.0.2.8\n");
}

static void the_zone_of_late_changes_no_answer(void **state)
{
	static uint8_t request[DNS_MSG_MAX];
	enum answer_transport transport;
	struct ask_world w;

	(void)state;
	setup_zones(&w);
	for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++) {
		size_t len = ask_request(questions[i], request, &transport);

		expect_same_either_way(&w, request, len);
	}
	ask_world_fini(&w);
}

/* Octets changed, cut off and added anywhere: whatever it is then, both ways see the same in it. */
static void damaged_requests_are_answered_alike_on_both_ways(void **state)
{
	static uint8_t request[DNS_MSG_MAX];
	enum answer_transport transport;
	struct ask_world w;
	uint32_t seed = 1;

	(void)state;
	setup_zones(&w);
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t len = ask_request(questions[rand_r(&seed) % (sizeof(questions) / sizeof(*questions))],
					 request, &transport);

		for (int i = rand_r(&seed) % 3; i >= 0; i--)
			request[(size_t)rand_r(&seed) % len] =
				(uint8_t)(rand_r(&seed) % 2 ? rand_r(&seed) : i);
		if (rand_r(&seed) % 4 == 0)
			len = (size_t)rand_r(&seed) % (len + 1);
		else if (rand_r(&seed) % 4 == 0)
			request[len++] = (uint8_t)rand_r(&seed);
		expect_same_either_way(&w, request, len);
	}
	ask_world_fini(&w);
}

static void a_zone_below_the_one_of_late_is_still_found(void **state)
{
	struct ask_world w;

	(void)state;
	setup_zones(&w);
	ASK_IS(&w, "h.example. A", "NOERROR aa\nan h.example. 3600 A 192.0.2.1\n");
	ASK_IS(&w, "h.example. A", "NOERROR aa\nan h.example. 3600 A 192.0.2.1\n");
	ASK_IS(&w, "h.sub.example. A", "NOERROR aa\nan h.sub.example. 3600 A 192.0.2.9\n");
	ASK_IS(&w, "h.example. A", "NOERROR aa\nan h.example. 3600 A 192.0.2.1\n");
	ask_add_zone(&w, "deep.h.example.", "@ SOA ns h 1 2 3 4 5\n@ NS ns\n@ A 192.0.2.10\n");
	ASK_IS(&w, "deep.h.example. A", "NOERROR aa\nan deep.h.example. 3600 A 192.0.2.10\n");
	ask_world_fini(&w);
}

static void the_zone_of_late_that_is_gone_is_not_answered_from(void **state)
{
	struct ask_world w;
	uint32_t slot;

	(void)state;
	ask_world_init(&w);
	slot = ask_add_zone(&w, "example.", zone);
	ASK_IS(&w, "h.example. A", "NOERROR aa\nan h.example. 3600 A 192.0.2.1\n");
	ASK_IS(&w, "h.example. A", "NOERROR aa\nan h.example. 3600 A 192.0.2.1\n");
	zonetab_remove(w.zones, slot);
	ASK_IS(&w, "h.example. A", "REFUSED\n");
	ask_add_marker(&w, "example.", zone, ZONE_EXPIRED);
	ASK_IS(&w, "h.example. A", "SERVFAIL\n");
	ask_world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_zone_of_late_changes_no_answer),
		cmocka_unit_test(damaged_requests_are_answered_alike_on_both_ways),
		cmocka_unit_test(a_zone_below_the_one_of_late_is_still_found),
		cmocka_unit_test(the_zone_of_late_that_is_gone_is_not_answered_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
