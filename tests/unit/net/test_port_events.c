/*
 * A port whose device goes and comes back under a running worker. The device is one of DPDK's without hardware, and its
 * going is told as DPDK's interrupt thread would; tests/e2e/test_port_events.py has an interface that is deleted.
 */
#include "dataplane/net/net_internal.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_mempool.h>

#define WAIT_SECONDS 60
#define ROUNDS	     10

struct answer_engine;

void answer_engine_read_clock(struct answer_engine *e)
{
}

void answer_burst(struct answer_engine *e, struct answer_job *const jobs[], unsigned cnt)
{
	fail(); // nothing arrives
}

struct seen {
	struct net *net;
	unsigned cnt[NET_PORT_REFUSED + 1];
};

static void tell(void *arg, unsigned port, enum net_port_event event, const char *text)
{
	struct seen *s = arg;

	assert_int_equal(port, 0);
	s->cnt[event]++;
}

static int setup(void **state)
{
	static const struct net_address listen[] = {{.family = 4, .addr = {192, 0, 2, 1}}};
	struct net_port_config port = {.driver = NET_VDEV, .device = "net_null0,no-rx=1"};
	struct answer_engine *engines[1] = {NULL};
	struct seen *s = calloc(1, sizeof(*s));
	struct net_error err = {.text = ""};
	uint16_t cpu = 0;
	cpu_set_t set;

	assert_non_null(s);
	sched_getaffinity(0, sizeof(set), &set);
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	if (net_open(&(struct net_config){.ports = &port,
					  .port_cnt = 1,
					  .listen = listen,
					  .listen_cnt = 1,
					  .worker_cpus = &cpu,
					  .worker_cnt = 1,
					  .main_cpu = cpu,
					  .idle = NET_IDLE_ADAPTIVE,
					  .idle_sleep_us = 200},
		     &s->net, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(net_start(s->net, engines, &err), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct seen *s = *state;

	net_close(s->net);
	free(s);
	return 0;
}

/* Polls until the port is in the state. */
static void until(struct seen *s, enum port_state state)
{
	time_t end = time(NULL) + WAIT_SECONDS;

	while (s->net->ports[0].life.state != state) {
		assert_true(time(NULL) < end);
		net_ports_poll(s->net, tell, s);
		usleep(500);
	}
}

static uint64_t turns(const struct seen *s)
{
	uint64_t counter[NET_COUNTER_CNT];

	net_worker_counters(s->net, 0, counter);
	return counter[NET_CNT_turns];
}

static void a_device_that_is_back_is_used_again_and_the_worker_goes_on(void **state)
{
	struct seen *s = *state;
	unsigned level = rte_mempool_avail_count(s->net->pools[0]);

	net_ports_poll(s->net, tell, s);
	assert_int_equal(s->cnt[NET_PORT_LINK_DOWN] + s->cnt[NET_PORT_LINK_UP], 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t begin = turns(s);
		struct net_port_info info;
		struct net_xstat stat;

		atomic_store(&s->net->ports[0].removed, true);
		net_ports_poll(s->net, tell, s);
		assert_int_equal(s->cnt[NET_PORT_REMOVED], i + 1);
		assert_true(port_is_away(&s->net->ports[0]));
		until(s, PORT_ABSENT);
		assert_int_equal(net_port_info(s->net, 0, &info), 0);
		assert_true(!info.present && !info.link_up && info.removals == i + 1);
		// Its number is free for the next device, whose counters are not this port's.
		assert_int_equal(net_port_xstats(s->net, 0, &stat, 1), 0);
		until(s, PORT_PRESENT);
		assert_int_equal(s->cnt[NET_PORT_BACK], i + 1);
		assert_int_equal(net_port_info(s->net, 0, &info), 0);
		assert_true(info.present && info.link_up);
		while (turns(s) < begin + 2)
			usleep(500);
	}
	assert_int_equal(rte_mempool_avail_count(s->net->pools[0]), level);
	assert_int_equal(s->cnt[NET_PORT_REFUSED], 0);
}

static void a_response_for_a_port_that_is_away_is_dropped(void **state)
{
	struct seen *s = *state;
	struct net_dgram *d = calloc(1, sizeof(*d));
	uint64_t counter[NET_COUNTER_CNT] = {0};
	time_t end = time(NULL) + WAIT_SECONDS;

	assert_non_null(d);
	*d = (struct net_dgram){.family = 4, .len = 12, .l2_len = 14};
	atomic_store(&s->net->ports[0].removed, true);
	net_ports_poll(s->net, tell, s);
	assert_int_equal(net_dgram_reply(s->net, d), 0);
	while (counter[NET_CNT_notify_port_away] == 0) {
		assert_true(time(NULL) < end);
		net_worker_counters(s->net, 0, counter);
		usleep(500);
	}
	assert_int_equal(counter[NET_CNT_notify_port_away], 1);
	assert_int_equal(counter[NET_CNT_tx_packets], 0);
	until(s, PORT_ABSENT);
	until(s, PORT_PRESENT);
	free(d);
}

static void a_port_is_closed_only_when_the_worker_has_left_it(void **state)
{
	struct seen *s = *state;
	struct port *p = &s->net->ports[0];
	struct worker *w = &s->net->workers[0];

	net_stop(s->net);
	s->net->workers_running = 1; // it stands still in its last turn
	atomic_store(&p->removed, true);
	for (unsigned i = 0; i < 100; i++)
		net_ports_poll(s->net, tell, s);
	assert_int_equal(p->life.state, PORT_LEAVING);
	assert_int_not_equal(p->id, PORT_NONE);
	atomic_store(&w->turn_at, p->life.left_at + 1);
	net_ports_poll(s->net, tell, s);
	assert_int_equal(p->life.state, PORT_ABSENT);
	assert_int_equal(p->id, PORT_NONE);
	s->net->workers_running = 0;
}

static void the_driver_tells_what_it_counts(void **state)
{
	struct net_xstat stats[64];
	struct seen *s = *state;
	int cnt = net_port_xstats(s->net, 0, stats, 64);
	bool found = false;

	assert_true(cnt > 0);
	for (int i = 0; i < cnt; i++)
		found |= strcmp(stats[i].name, "rx_good_packets") == 0;
	assert_true(found);
	assert_int_equal(net_port_xstats(s->net, 0, stats, 2), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_driver_tells_what_it_counts),
		cmocka_unit_test(a_device_that_is_back_is_used_again_and_the_worker_goes_on),
		cmocka_unit_test(a_response_for_a_port_that_is_away_is_dropped),
		cmocka_unit_test(a_port_is_closed_only_when_the_worker_has_left_it),
	};

	return cmocka_run_group_tests_name("port_events", tests, setup, teardown);
}
