/*
 * Packet buffers come back: many times as many frames as there are buffers go through every way a frame can take. Were
 * one lost per burst, or per drop, receiving would stop long before the end.
 */
#include "dataplane/net/net.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "dataplane/dns/wire.h"
#include "dataplane/net/checksum.h"

#define FRAMES	     400000 /* a pool here has some 6,000 buffers */
#define WAIT_SECONDS 60
#define MSG_LEN	     20

struct answer_engine {
	unsigned number;
};

void answer_engine_read_clock(struct answer_engine *e)
{
}

/* Takes every verdict in turn. */
void answer_burst(struct answer_engine *e, struct answer_job *const jobs[], unsigned cnt)
{
	static const uint8_t verdicts[] = {ANSWER_SEND, ANSWER_DROP, ANSWER_NOTIFY, ANSWER_SEND,
					   ANSWER_TRANSFER};

	for (unsigned i = 0; i < cnt; i++)
		jobs[i]->verdict = verdicts[e->number++ % sizeof(verdicts)];
}

static size_t request(uint8_t *frame)
{
	uint8_t *ip = frame + 14;
	uint16_t sum;

	memcpy(frame, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00", 14);
	ip[0] = 0x45;
	wire_store16(ip + 2, 20 + 8 + MSG_LEN);
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, (const uint8_t[]){198, 51, 100, 7, 192, 0, 2, 1}, 8);
	sum = (uint16_t)~checksum_fold(checksum_add(0, ip, 20));
	memcpy(ip + 10, &sum, sizeof(sum));
	wire_store16(ip + 20, 50000);
	wire_store16(ip + 22, 53);
	wire_store16(ip + 24, 8 + MSG_LEN);
	return 14 + 20 + 8 + MSG_LEN;
}

/* Requests, one frame that is not for us and a runt, played again and again by the device. */
static void write_input(const char *path)
{
	static const uint32_t header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1};
	uint8_t frame[64] = {0};
	uint32_t len = (uint32_t)request(frame);
	const uint32_t lens[] = {len, 13, 60, len};
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(header, sizeof(header), 1, f), 1);
	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		uint32_t record[4] = {0, 0, lens[i], lens[i]};

		assert_int_equal(fwrite(record, sizeof(record), 1, f), 1);
		frame[13] = lens[i] == 60 ? 0x06 : 0x00; // ARP is not for us
		assert_int_equal(fwrite(frame, lens[i], 1, f), 1);
	}
	assert_int_equal(fclose(f), 0);
}

static int open_plane(const char *path, struct net **out, struct net_error *err)
{
	static const struct net_address listen[] = {{.family = 4, .addr = {192, 0, 2, 1}}};
	struct net_port_config port = {.driver = NET_VDEV};
	uint16_t cpu;
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	for (cpu = 0; !CPU_ISSET(cpu, &set);)
		cpu++;
	snprintf(port.device, sizeof(port.device), "net_pcap0,rx_pcap=%s,infinite_rx=1", path);
	return net_open(&(struct net_config){.ports = &port,
					     .port_cnt = 1,
					     .listen = listen,
					     .listen_cnt = 1,
					     .worker_cpus = &cpu,
					     .worker_cnt = 1,
					     .main_cpu = cpu,
					     .prefix = "test-buffers",
					     .idle = NET_IDLE_BUSY},
			out, err);
}

static void buffers_come_back_from_every_way_a_frame_can_take(void **state)
{
	char path[] = "/tmp/lockstep-test-XXXXXX";
	uint64_t c[NET_COUNTER_CNT] = {0};
	struct answer_engine engine = {0}, *engines = &engine;
	struct net_dgram *d = malloc(sizeof(*d));
	time_t end = time(NULL) + WAIT_SECONDS;
	struct net_error err = {0};
	struct net *net;

	assert_non_null(d);
	assert_true(mkstemp(path) >= 0);
	write_input(path);
	if (open_plane(path, &net, &err) < 0 || net_start(net, &engines, &err) < 0)
		fail_msg("%s", err.text);
	while (c[NET_CNT_rx_packets] < FRAMES && time(NULL) < end) {
		for (unsigned i = 0; i < 64 && net_dgram_recv(net, d); i++)
			net_dgram_reply(net, d);
		net_worker_counters(net, 0, c);
		usleep(100);
	}
	net_stop(net);
	net_worker_counters(net, 0, c);
	assert_true(c[NET_CNT_rx_packets] >= FRAMES);
	assert_true(c[NET_CNT_tx_packets] > FRAMES / 10);
	assert_true(c[NET_CNT_drop_answer] > FRAMES / 10);
	assert_true(c[NET_CNT_drop_runt] > FRAMES / 10);
	assert_true(c[NET_CNT_punt_none] > FRAMES / 10);
	assert_true(c[NET_CNT_notify_requests] > 64);
	assert_int_equal(c[NET_CNT_notify_no_buffer], 0);
	net_close(net);
	unlink(path);
	free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffers_come_back_from_every_way_a_frame_can_take),
	};

	return cmocka_run_group_tests_name("buffers", tests, NULL, NULL);
}
