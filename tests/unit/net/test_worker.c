/*
 * The whole packet plane without NIC, root or huge pages: frames come from a capture file by DPDK's pcap device, go
 * through EAL, worker, a test engine, and into another capture file. EAL starts once per process, so one run is made
 * and each test looks at one claim about it.
 */
#include "dataplane/net/net.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "dataplane/dns/protocol.h"
#include "dataplane/dns/wire.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/dgram_ring.h"
#include "dataplane/zone/acl.h"

#define MSG_LEN	     20
#define RING	     (2 * ((DGRAM_RING_CAP + 2) / 3)) /* what two senders can have of it */
#define NOTIFY_STORM (RING + 500)
#define NUMBERS	     8192 /* of requests, in their ids */
#define FIRST_NOTIFY 2000
#define LAST	     8000 /* behind the storm */

static_assert(FIRST_NOTIFY + NOTIFY_STORM <= LAST, "every request has a number of its own");
#define ANSWERS	     70 /* more than two bursts */
#define FRAME_CAP    4096
#define WAIT_SECONDS 20
#define MTU	     1500

/* The first octet of a message behind its header tells the test engine what to do. */
enum order { ORDER_SEND = 1, ORDER_FULL, ORDER_DROP, ORDER_NOTIFY, ORDER_TRANSFER };

struct answer_engine {
	unsigned bursts, jobs, burst_max, bad_jobs;
};

struct run {
	struct net *net;
	struct acl *peers;
	struct answer_engine engine;
	char dir[64], in[96], out[96];
	unsigned frames_in, notifies_seen;
	struct net_dgram first; /* the first NOTIFY as the control loop got it */
	uint64_t counter[NET_COUNTER_CNT];
	struct net_port_info port;
};

static const uint8_t our4[4] = {192, 0, 2, 1}, our6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
static const uint8_t our_mac[6] = {0x02, 0, 0, 0, 0, 0x01}, their_mac[6] = {0x02, 0, 0, 0, 0, 0x02};

void answer_engine_read_clock(struct answer_engine *e)
{
}

/* The engine under the worker: it does what the message says. */
void answer_burst(struct answer_engine *e, struct answer_job *const jobs[], unsigned cnt)
{
	e->bursts++;
	e->jobs += cnt;
	if (cnt > e->burst_max)
		e->burst_max = cnt;
	for (unsigned i = 0; i < cnt; i++) {
		struct answer_job *j = jobs[i];

		if (j->cap < 512 || j->transport != ANSWER_UDP || j->len != MSG_LEN ||
		    (j->family == 4 ? j->client[3] != 7 : j->client[15] != 7))
			e->bad_jobs++;
		switch ((enum order)j->msg[12]) {
		case ORDER_SEND:
			j->msg[2] |= 0x80;
			j->len = MSG_LEN + 11;
			j->verdict = ANSWER_SEND;
			break;
		case ORDER_FULL:
			memset(j->msg + 13, 0xee, j->cap - 13);
			j->len = j->cap;
			j->verdict = ANSWER_SEND;
			break;
		case ORDER_DROP:
			j->verdict = ANSWER_DROP;
			break;
		case ORDER_NOTIFY:
			j->verdict = ANSWER_NOTIFY;
			break;
		case ORDER_TRANSFER:
			j->verdict = ANSWER_TRANSFER;
			break;
		}
	}
}

/* The UDP checksum of a frame without VLAN tags; over IPv4 it is left out. */
static void seal(uint8_t *frame, uint8_t family)
{
	uint8_t *ip = frame + 14, *udp = ip + (family == 4 ? 20 : 40);
	uint16_t udp_len = wire_load16(udp + 4), sum;
	uint64_t pseudo = checksum_be16(17) + checksum_be16(udp_len);

	memset(udp + 6, 0, 2);
	if (family == 4)
		return;
	sum = (uint16_t)~checksum_fold(checksum_add(checksum_add(pseudo, ip + 8, 32), udp, udp_len));
	memcpy(udp + 6, &sum, sizeof(sum));
}

/* A request of MSG_LEN octets. Returns the length of its frame. */
static size_t request(uint8_t *frame, uint8_t family, enum order order, unsigned number)
{
	uint8_t *ip = frame + 14, *udp = ip + (family == 4 ? 20 : 40), *msg = udp + 8;
	uint16_t sum;

	memset(frame, 0, 14 + 40 + 8 + MSG_LEN);
	memcpy(frame, our_mac, 6);
	memcpy(frame + 6, their_mac, 6);
	wire_store16(frame + 12, family == 4 ? 0x0800 : 0x86dd);
	if (family == 4) {
		ip[0] = 0x45;
		wire_store16(ip + 2, 20 + 8 + MSG_LEN);
		ip[8] = 64;
		ip[9] = 17;
		memcpy(ip + 12, (const uint8_t[]){198, 51, 100, 7}, 4);
		memcpy(ip + 16, our4, 4);
		sum = (uint16_t)~checksum_fold(checksum_add(0, ip, 20));
		memcpy(ip + 10, &sum, sizeof(sum));
	} else {
		ip[0] = 0x60;
		wire_store16(ip + 4, 8 + MSG_LEN);
		ip[6] = 17;
		memcpy(ip + 8, our6, 15);
		ip[23] = 7;
		memcpy(ip + 24, our6, 16);
	}
	wire_store16(udp, 50000);
	wire_store16(udp + 2, 53);
	wire_store16(udp + 4, 8 + MSG_LEN);
	wire_store16(msg, (uint16_t)number);
	msg[2] = order == ORDER_NOTIFY ? DNS_OPCODE_NOTIFY << 3 : 0;
	msg[12] = (uint8_t)order;
	seal(frame, family);
	return (size_t)(msg - frame) + MSG_LEN;
}

static void put_frame(struct run *r, FILE *f, const uint8_t *frame, size_t len)
{
	uint32_t header[4] = {0, 0, (uint32_t)len, (uint32_t)len};

	assert_int_equal(fwrite(header, sizeof(header), 1, f), 1);
	assert_int_equal(fwrite(frame, len, 1, f), 1);
	r->frames_in++;
}

static void put_request(struct run *r, FILE *f, uint8_t family, enum order order, unsigned number)
{
	uint8_t frame[FRAME_CAP];

	put_frame(r, f, frame, request(frame, family, order, number));
}

/* One of each kind that is not answered. */
static void put_others(struct run *r, FILE *f)
{
	uint8_t frame[FRAME_CAP] = {0};
	size_t len = request(frame, 4, ORDER_SEND, 0);

	put_frame(r, f, frame, 33); // runt
	frame[14] = 0x44;
	put_frame(r, f, frame, len); // IP header
	request(frame, 4, ORDER_SEND, 0);
	put_frame(r, f, frame, len - 1); // IP length
	frame[14 + 20 + 5] = 7;
	put_frame(r, f, frame, len); // UDP length
	len = request(frame, 6, ORDER_SEND, 0);
	frame[14 + 40 + 6] ^= 0x55;
	put_frame(r, f, frame, len); // UDP checksum
	len = request(frame, 4, ORDER_SEND, 0);
	frame[14 + 20] = 0;
	frame[14 + 21] = 19;
	put_frame(r, f, frame, len); // source
	request(frame, 4, ORDER_SEND, 0);
	frame[12] = 0x08;
	frame[13] = 0x06;
	put_frame(r, f, frame, len);  // not ours: ARP
	put_frame(r, f, frame, 3000); // in several buffers
}

static FILE *open_capture(const char *path)
{
	static const uint32_t header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1};
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(header, sizeof(header), 1, f), 1);
	return f;
}

static void write_input(struct run *r)
{
	FILE *f = open_capture(r->in);

	for (unsigned i = 0; i < ANSWERS; i++)
		put_request(r, f, i % 2 ? 4 : 6, ORDER_SEND, i);
	put_request(r, f, 4, ORDER_FULL, 1000);
	put_request(r, f, 6, ORDER_FULL, 1001);
	put_request(r, f, 4, ORDER_DROP, 1002);
	put_request(r, f, 4, ORDER_TRANSFER, 1003);
	put_others(r, f);
	for (unsigned i = 0; i < NOTIFY_STORM; i++)
		put_request(r, f, i % 2 ? 4 : 6, ORDER_NOTIFY, FIRST_NOTIFY + i);
	put_request(r, f, 4, ORDER_SEND, LAST);
	assert_int_equal(fclose(f), 0);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool wait_counter(struct run *r, enum net_counter c, uint64_t value)
{
	uint64_t end = now_ms() + WAIT_SECONDS * 1000;

	do {
		net_worker_counters(r->net, 0, r->counter);
		if (r->counter[c] >= value)
			return true;
		usleep(1000);
	} while (now_ms() < end);
	return false;
}

/* The control loop's part, after the storm: takes what the ring holds and answers it. */
static void serve_notifies(struct run *r)
{
	struct net_dgram *d = malloc(sizeof(*d));

	assert_non_null(d);
	while (net_dgram_recv(r->net, d)) {
		if (r->notifies_seen++ == 0)
			r->first = *d;
		d->msg[2] |= 0x84;
		assert_int_equal(net_dgram_reply(r->net, d), 0);
	}
	free(d);
}

static int open_plane(struct run *r, struct net_error *err)
{
	static const struct net_address listen[] = {
		{.family = 4, .addr = {192, 0, 2, 1}},
		{.family = 6, .addr = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}}};
	static const struct acl_rule peers[] = {
		{.net = {.family = 4, .prefix = 24, .addr = {198, 51, 100}}, .allow = true, .number = 1},
		{.net = {.family = 6, .prefix = 64, .addr = {0x20, 0x01, 0x0d, 0xb8}},
		 .allow = true,
		 .number = 2}};
	struct net_port_config port = {.driver = NET_VDEV};
	uint16_t cpu;
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	for (cpu = 0; !CPU_ISSET(cpu, &set);)
		cpu++;
	r->peers = acl_new(peers, 2);
	assert_non_null(r->peers);
	snprintf(port.device, sizeof(port.device), "net_pcap0,rx_pcap=%s,tx_pcap=%s", r->in, r->out);
	return net_open(&(struct net_config){.ports = &port,
					     .port_cnt = 1,
					     .listen = listen,
					     .listen_cnt = 2,
					     .worker_cpus = &cpu,
					     .worker_cnt = 1,
					     .main_cpu = cpu, // the worker's too: two lcores on one CPU
					     .peers = r->peers,
					     .prefix = "test-worker",
					     .idle = NET_IDLE_ADAPTIVE,
					     .idle_sleep_us = 50},
			&r->net, err);
}

static int make_run(void **state)
{
	struct run *r = calloc(1, sizeof(*r));
	struct answer_engine *engine = &r->engine;
	struct net_error err = {0};

	assert_non_null(r);
	*state = r;
	snprintf(r->dir, sizeof(r->dir), "/tmp/lockstep-test-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->in, sizeof(r->in), "%s/in.pcap", r->dir);
	snprintf(r->out, sizeof(r->out), "%s/out.pcap", r->dir);
	write_input(r);
	if (open_plane(r, &err) < 0 || net_start(r->net, &engine, &err) < 0) {
		print_error("%s\n", err.text);
		return -1;
	}
	assert_int_equal(net_worker_cnt(r->net), 1);
	assert_int_equal(net_port_cnt(r->net), 1);
	// The request behind the storm is answered: so everything before it has been dealt with.
	if (!wait_counter(r, NET_CNT_tx_packets, ANSWERS + 3))
		return -1;
	serve_notifies(r);
	if (!wait_counter(r, NET_CNT_tx_packets, ANSWERS + 3 + r->notifies_seen))
		print_error("only %llu sent\n", (unsigned long long)r->counter[NET_CNT_tx_packets]);
	assert_int_equal(net_port_info(r->net, 0, &r->port), 0);
	net_stop(r->net);
	net_worker_counters(r->net, 0, r->counter);
	net_close(r->net);
	return 0;
}

static int end_run(void **state)
{
	struct run *r = *state;

	unlink(r->in);
	unlink(r->out);
	rmdir(r->dir);
	acl_free(r->peers);
	free(r);
	return 0;
}

/* Calls fn for each frame sent; returns how many there were. */
static unsigned each_sent(const struct run *r, void (*fn)(const uint8_t *frame, size_t len, unsigned *arg),
			  unsigned *arg)
{
	uint8_t frame[FRAME_CAP];
	uint32_t header[6];
	FILE *f = fopen(r->out, "r");
	unsigned n = 0;

	assert_non_null(f);
	assert_int_equal(fread(header, sizeof(header), 1, f), 1);
	for (; fread(header, 16, 1, f) == 1; n++) {
		assert_true(header[2] <= sizeof(frame));
		assert_int_equal(fread(frame, header[2], 1, f), 1);
		if (fn != NULL)
			fn(frame, header[2], arg);
	}
	fclose(f);
	return n;
}

static void every_frame_is_accounted_for(void **state)
{
	struct run *r = *state;
	const uint64_t *c = r->counter;

	assert_int_equal(c[NET_CNT_rx_packets], r->frames_in);
	assert_int_equal(c[NET_CNT_rx_queries], ANSWERS + 4 + NOTIFY_STORM + 1);
	assert_int_equal(c[NET_CNT_rx_queries] + c[NET_CNT_drop_runt] + c[NET_CNT_drop_ip_header] +
				 c[NET_CNT_drop_ip_length] + c[NET_CNT_drop_udp_length] +
				 c[NET_CNT_drop_udp_checksum] + c[NET_CNT_drop_source] + c[NET_CNT_punt_none],
			 r->frames_in);
	assert_int_equal(c[NET_CNT_tx_full] + c[NET_CNT_drop_room] + c[NET_CNT_punt], 0);
}

static void each_kind_of_bad_frame_has_its_counter(void **state)
{
	const uint64_t *c = ((struct run *)*state)->counter;

	assert_int_equal(c[NET_CNT_drop_runt], 1);
	assert_int_equal(c[NET_CNT_drop_ip_header], 1);
	assert_int_equal(c[NET_CNT_drop_ip_length], 1);
	assert_int_equal(c[NET_CNT_drop_udp_length], 1);
	assert_int_equal(c[NET_CNT_drop_udp_checksum], 1);
	assert_int_equal(c[NET_CNT_drop_source], 1);
	assert_int_equal(c[NET_CNT_punt_none], 2);
	assert_int_equal(c[NET_CNT_drop_answer], 2);
}

static void the_engine_sees_whole_bursts_with_room_and_client(void **state)
{
	struct run *r = *state;

	assert_int_equal(r->engine.jobs, r->counter[NET_CNT_rx_queries]);
	assert_int_equal(r->engine.bad_jobs, 0);
	assert_int_equal(r->engine.burst_max, 32);
}

static void count_sent(const uint8_t *frame, size_t len, unsigned *seen)
{
	size_t msg_at = frame[12] == 0x08 ? 14 + 20 + 8 : 14 + 40 + 8;
	unsigned number = (unsigned)frame[msg_at] << 8 | frame[msg_at + 1];

	assert_true(len <= 14 + MTU);
	assert_true(number < NUMBERS);
	assert_memory_equal(frame, their_mac, 6);
	assert_int_equal(frame[msg_at - 8], 0); // from port 53
	assert_int_equal(frame[msg_at - 7], 53);
	if (number < ANSWERS || number == LAST)
		assert_int_equal(len, msg_at + MSG_LEN + 11);
	else if (number == 1000 || number == 1001)
		assert_int_equal(len, 14 + MTU);
	seen[number]++;
}

static void every_answer_is_sent_once(void **state)
{
	unsigned seen[NUMBERS] = {0};
	struct run *r = *state;

	assert_int_equal(each_sent(r, count_sent, seen), r->counter[NET_CNT_tx_packets]);
	for (unsigned i = 0; i < ANSWERS; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(seen[1002] + seen[1003], 0);
}

static void an_answer_may_fill_the_mtu_and_no_more(void **state)
{
	unsigned seen[NUMBERS] = {0};

	each_sent(*state, count_sent, seen); // checks the length
	assert_int_equal(seen[1000], 1);
	assert_int_equal(seen[1001], 1);
}

static void a_notify_reaches_the_control_loop_whole(void **state)
{
	struct run *r = *state;
	const struct net_dgram *d = &r->first;

	assert_int_equal(d->family, 6);
	assert_int_equal(d->client[15], 7);
	assert_memory_equal(d->server, our6, 16);
	assert_int_equal(d->client_port, 50000);
	assert_int_equal(d->len, MSG_LEN);
	assert_int_equal(d->msg[0] << 8 | d->msg[1], FIRST_NOTIFY);
	assert_int_equal(d->l2_len, 14);
	assert_memory_equal(d->l2 + 6, their_mac, 6);
	assert_int_equal(d->port, 0);
	assert_int_equal(d->worker, 0);
}

static void a_notify_storm_uses_its_share_of_the_ring_and_stops_nothing(void **state)
{
	unsigned seen[NUMBERS] = {0};
	struct run *r = *state;

	assert_int_equal(r->counter[NET_CNT_notify_requests], RING);
	assert_int_equal(r->counter[NET_CNT_notify_share], NOTIFY_STORM - RING);
	assert_int_equal(r->notifies_seen, RING);
	each_sent(r, count_sent, seen);
	assert_int_equal(seen[LAST], 1);
}

static void a_reply_of_the_control_loop_goes_out(void **state)
{
	unsigned seen[NUMBERS] = {0};

	each_sent(*state, count_sent, seen);
	for (unsigned i = 0; i < NOTIFY_STORM; i++)
		assert_int_equal(seen[FIRST_NOTIFY + i], i < RING);
}

static void the_port_is_described(void **state)
{
	struct run *r = *state;

	assert_int_equal(strncmp(r->port.name, "net_pcap0,", 10), 0);
	assert_string_equal(r->port.driver, "net_pcap");
	assert_int_equal(r->port.mtu, MTU);
	assert_int_equal(r->port.queues, 1);
	assert_int_equal(r->port.rx_packets, r->frames_in);
	assert_int_equal(r->port.tx_packets, r->counter[NET_CNT_tx_packets]);
}

static void a_second_start_in_one_process_says_so(void **state)
{
	struct run again = {0};
	struct net_error err = {0};

	assert_true(open_plane(&again, &err) < 0);
	assert_non_null(strstr(err.text, "twice in one process"));
	acl_free(again.peers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_frame_is_accounted_for),
		cmocka_unit_test(each_kind_of_bad_frame_has_its_counter),
		cmocka_unit_test(the_engine_sees_whole_bursts_with_room_and_client),
		cmocka_unit_test(every_answer_is_sent_once),
		cmocka_unit_test(an_answer_may_fill_the_mtu_and_no_more),
		cmocka_unit_test(a_notify_reaches_the_control_loop_whole),
		cmocka_unit_test(a_notify_storm_uses_its_share_of_the_ring_and_stops_nothing),
		cmocka_unit_test(a_reply_of_the_control_loop_goes_out),
		cmocka_unit_test(the_port_is_described),
		cmocka_unit_test(a_second_start_in_one_process_says_so),
	};

	return cmocka_run_group_tests_name("worker", tests, make_run, end_run);
}
