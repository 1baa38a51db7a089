/*
 * NOTIFYs from the stream threads to the control loop: who has a place in the queue, and what is told of who has none. The
 * threads are not there, nor is the loop at work: the test hands over and takes.
 */
#include "control/stream_thread.h"

#include "dataplane/zone/acl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HALF (STREAM_NOTIFY_MAX / 2)

struct rig {
	uv_loop_t loop;
	struct config config;
	struct acl *peers;
	struct stream stream;
	struct stream_thread thread;
	struct stream_conn conn;
};

/* 192.0.2.1 and so on, as many as the octet can say, and 2001:db8::1; 198.51.100.0/24 is one. */
static struct acl *make_peers(void)
{
	struct acl_rule rules[257];

	for (unsigned i = 0; i < 257; i++)
		rules[i] =
			(struct acl_rule){.net = {.family = 4, .prefix = 32, .addr = {192, 0, 2, (uint8_t)i}},
					  .allow = true,
					  .number = i + 1};
	rules[0].net = (struct net_prefix){.family = 4, .prefix = 24, .addr = {198, 51, 100}};
	rules[256].net =
		(struct net_prefix){.family = 6, .prefix = 128, .addr = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
	return acl_new(rules, 257);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	*state = r;
	r->peers = make_peers();
	assert_non_null(r->peers);
	r->config.net.peers = r->peers;
	r->stream.env.config = &r->config;
	r->thread.stream = &r->stream;
	stream_queue_init(&r->stream.queue);
	assert_int_equal(uv_loop_init(&r->loop), 0);
	assert_int_equal(uv_async_init(&r->loop, &r->stream.async, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	uv_close((uv_handle_t *)&r->stream.async, NULL);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&r->loop), 0);
	stream_queue_fini(&r->stream.queue);
	acl_free(r->peers);
	free(r);
	return 0;
}

enum way { UDP, CONNECTION };

static bool send4(struct rig *r, enum way way, const char *address)
{
	union config_sockaddr client = {.in4.sin_family = AF_INET};
	const uint8_t msg[DNS_HEADER_LEN] = {0};
	bool sent;

	assert_int_equal(uv_inet_pton(AF_INET, address, &client.in4.sin_addr), 0);
	sent = stream_notify_send(&r->thread, way == UDP ? NULL : &r->conn, way == UDP ? 0 : -1, &client, msg,
				  sizeof(msg));
	r->conn.notify = NULL; // the next one is as good as of another connection
	return sent;
}

/* As many as it may. */
static unsigned flood(struct rig *r, enum way way, const char *address)
{
	unsigned n = 0;

	while (send4(r, way, address))
		n++;
	return n;
}

static void take(struct rig *r, unsigned cnt)
{
	while (cnt-- > 0) {
		struct stream_notify *n = stream_queue_take(&r->stream.queue);

		assert_non_null(n);
		free(n);
	}
}

/* What was counted so far. */
static void told(const struct rig *r, uint64_t share, uint64_t stranger, uint64_t full)
{
	assert_int_equal(r->thread.counters[STREAM_CNT_notify_share], share);
	assert_int_equal(r->thread.counters[STREAM_CNT_notify_stranger], stranger);
	assert_int_equal(r->thread.counters[STREAM_CNT_notify_full], full);
}

static void one_address_leaves_half_of_the_queue_to_others(void **state)
{
	struct rig *r = *state;

	assert_int_equal(flood(r, UDP, "192.0.2.1"), HALF);
	told(r, 1, 0, 0);
	assert_true(send4(r, UDP, "192.0.2.2"));
	assert_int_equal(flood(r, UDP, "198.51.100.7"), HALF / 2);
	told(r, 2, 0, 0);
	/* What was taken counts no more. */
	take(r, HALF);
	assert_int_equal(flood(r, UDP, "192.0.2.1"), HALF - HALF / 2 / 2);
	told(r, 3, 0, 0);
}

static void a_forged_address_takes_nothing_from_its_owners_connections(void **state)
{
	struct rig *r = *state;

	flood(r, UDP, "192.0.2.1");
	assert_int_equal(flood(r, CONNECTION, "192.0.2.1"), HALF / 2);
}

static void a_network_is_one_sender(void **state)
{
	struct rig *r = *state;

	assert_int_equal(flood(r, UDP, "198.51.100.1"), HALF);
	assert_false(send4(r, UDP, "198.51.100.2"));
	told(r, 2, 0, 0);
}

static void strangers_wait_only_while_few_do(void **state)
{
	struct rig *r = *state;

	assert_int_equal(flood(r, UDP, "203.0.113.1"), STREAM_NOTIFY_STRANGERS);
	told(r, 0, 1, 0);
	assert_false(send4(r, UDP, "203.0.113.2"));
	told(r, 0, 2, 0);
	assert_int_equal(flood(r, CONNECTION, "203.0.113.1"), STREAM_NOTIFY_STRANGERS);
	told(r, 0, 3, 0);
	assert_true(send4(r, UDP, "192.0.2.1"));
	take(r, 1);
	assert_true(send4(r, UDP, "203.0.113.2"));
	/* Without a list everybody is one. */
	take(r, 2 * STREAM_NOTIFY_STRANGERS + 1);
	r->config.net.peers = NULL;
	assert_int_equal(flood(r, UDP, "192.0.2.1"), STREAM_NOTIFY_STRANGERS);
}

static void an_ipv6_peer_is_no_stranger(void **state)
{
	union config_sockaddr client = {.in6.sin6_family = AF_INET6};
	const uint8_t msg[DNS_HEADER_LEN] = {0};
	struct rig *r = *state;

	flood(r, UDP, "203.0.113.1");
	assert_int_equal(uv_inet_pton(AF_INET6, "2001:db8::1", &client.in6.sin6_addr), 0);
	assert_true(stream_notify_send(&r->thread, NULL, 0, &client, msg, sizeof(msg)));
	assert_int_equal(uv_inet_pton(AF_INET6, "2001:db8::2", &client.in6.sin6_addr), 0);
	assert_false(stream_notify_send(&r->thread, NULL, 0, &client, msg, sizeof(msg)));
	told(r, 0, 2, 0);
}

/* All of them, both ways: more than there are places. */
static void a_queue_that_all_peers_flood_at_once_is_full(void **state)
{
	struct rig *r = *state;
	char address[32];

	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 1; i < 256; i++) {
			snprintf(address, sizeof(address), "192.0.2.%u", i);
			send4(r, UDP, address);
			send4(r, CONNECTION, address);
		}
	assert_true(send4(r, UDP, "198.51.100.1"));
	assert_int_equal(r->stream.queue.cnt, STREAM_NOTIFY_MAX);
	assert_int_equal(r->thread.counters[STREAM_CNT_notify_full], 0);
	assert_false(send4(r, CONNECTION, "198.51.100.1"));
	assert_int_equal(r->thread.counters[STREAM_CNT_notify_full], 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_address_leaves_half_of_the_queue_to_others),
		T(a_forged_address_takes_nothing_from_its_owners_connections),
		T(a_network_is_one_sender),
		T(strangers_wait_only_while_few_do),
		T(an_ipv6_peer_is_no_stranger),
		T(a_queue_that_all_peers_flood_at_once_is_full),
	};

	return cmocka_run_group_tests_name("stream_notify", tests, NULL, NULL);
}
