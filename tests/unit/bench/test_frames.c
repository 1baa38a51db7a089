/* Request frames, and whether a wrong answer is noticed. */
#include "bench/load/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "dataplane/dns/protocol.h"
#include "dataplane/net/checksum.h"

#define NUMBER4 65534 /* asks over IPv4: servers are asked in turn */
#define NUMBER6 65535
#define CAP	1600

struct ground {
	struct query_set *queries;
	struct frames_plan plan;
	struct frames *frames;
	uint8_t response[CAP];
	size_t len;
};

static int setup(void **state)
{
	struct ground *g = calloc(1, sizeof(*g));
	struct queries_error err;

	assert_non_null(g);
	assert_int_equal(queries_hosts("h", "host.test", 1000, DNS_TYPE_A, &g->queries, &err), 0);
	queries_expect_rcode(g->queries, DNS_RCODE_NOERROR);
	g->plan = (struct frames_plan){.server = {{.family = 4, .octets = {192, 0, 2, 1}},
						  {.family = 6, .octets = {0x20, 1, 0xd, 0xb8, [15] = 1}}},
				       .server_cnt = 2,
				       .source4 = {.family = 4, .octets = {198, 18}, .prefix_len = 15},
				       .source6 = {.family = 6, .octets = {0x20, 1, 0, 2}, .prefix_len = 48},
				       .source_mac = {2, 0, 0, 0, 0, 2},
				       .server_mac = {2, 0, 0, 0, 0, 1},
				       .cnt = 2 * FRAMES_CNT_MIN,
				       .edns = 1232,
				       .seed = 1};
	g->frames = frames_new(&g->plan, g->queries);
	assert_non_null(g->frames);
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	struct ground *g = *state;

	frames_free(g->frames);
	queries_free(g->queries);
	free(g);
	return 0;
}

static size_t ip_len(const struct frame *e)
{
	return e->is_ipv6 ? 40 : 20;
}

static uint8_t *msg_of(struct ground *g, uint32_t number)
{
	return g->response + 14 + ip_len(&g->frames->frame[number]) + 8;
}

/* Lengths and checksums of the response, by the book. */
static void finish(struct ground *g, uint32_t number, size_t msg_len)
{
	const struct frame *e = &g->frames->frame[number];
	uint8_t *ip = g->response + 14, *udp = ip + ip_len(e);
	size_t addrs = e->is_ipv6 ? 32 : 8;
	uint64_t sum = checksum_be16((uint16_t)(8 + msg_len)) + checksum_be16(17);
	uint16_t folded;

	wire_store16(udp + 4, (uint16_t)(8 + msg_len));
	wire_store16(udp + 6, 0);
	folded = (uint16_t)~checksum_fold(
		checksum_add(checksum_add(sum, udp - addrs, addrs), udp, 8 + msg_len));
	memcpy(udp + 6, &folded, 2);
	if (e->is_ipv6) {
		wire_store16(ip + 4, (uint16_t)(8 + msg_len));
	} else {
		wire_store16(ip + 2, (uint16_t)(28 + msg_len));
		wire_store16(ip + 10, 0);
		folded = (uint16_t)~checksum_fold(checksum_add(0, ip, 20));
		memcpy(ip + 10, &folded, 2);
	}
	g->len = 14 + ip_len(e) + 8 + msg_len;
}

static void swap(uint8_t *a, uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t t = a[i];

		a[i] = b[i];
		b[i] = t;
	}
}

/* The request with both ends swapped, as a forwarder sends it back. */
static void echo(struct ground *g, uint32_t number)
{
	const struct frame *e = &g->frames->frame[number];
	size_t addr = e->is_ipv6 ? 16 : 4;
	uint8_t *udp = g->response + 14 + ip_len(e);

	memcpy(g->response, g->frames->octets + e->at, e->len);
	swap(g->response, g->response + 6, 6);
	swap(udp - 2 * addr, udp - addr, addr);
	swap(udp, udp + 2, 2);
	g->len = e->len;
}

/* The right answer: one A record with the host's address, and OPT. */
static void answer(struct ground *g, uint32_t number)
{
	const struct frame *e = &g->frames->frame[number];
	struct wire_out out;
	uint8_t *msg;

	echo(g, number);
	msg = msg_of(g, number);
	wire_store16(msg + 2, DNS_FLAG_QR | DNS_FLAG_AA);
	wire_store16(msg + 6, 1);
	out = wire_out_init(msg + 12 + e->question_len, 512);
	wire_put16(&out, 0xc00c);
	wire_put16(&out, DNS_TYPE_A);
	wire_put16(&out, DNS_CLASS_IN);
	wire_put32(&out, 3600);
	wire_put16(&out, 4);
	wire_put32(&out, 10u << 24 | e->question);
	wire_put_bytes(&out, "\0\0\x29\x04\xd0\0\0\0\0\0\0", 11);
	finish(g, number, 12u + e->question_len + wire_out_len(&out));
}

static void check(struct ground *g, uint32_t number, enum frames_verdict wanted)
{
	assert_int_equal(frames_match(g->frames, g->response, g->len), number);
	assert_int_equal(frames_check(g->frames, number, g->response, g->len, true, false), wanted);
}

static void a_right_answer_is_right(void **state)
{
	struct ground *g = *state;

	for (uint32_t i = NUMBER4; i < NUMBER4 + 6; i++) {
		answer(g, i);
		check(g, i, FRAMES_right);
		assert_int_equal(frames_flags(g->frames, i, g->response), DNS_FLAG_QR | DNS_FLAG_AA);
	}
}

static void each_request_is_known_by_its_port_and_id(void **state)
{
	struct ground *g = *state;

	for (uint32_t i = 0; i < g->frames->cnt; i += 97) {
		echo(g, i);
		assert_int_equal(frames_match(g->frames, g->response, g->len), i);
		assert_int_equal(frames_check(g->frames, i, g->response, g->len, true, true), FRAMES_right);
	}
}

static void questions_and_sources_vary_and_stay_in_their_range(void **state)
{
	struct ground *g = *state;
	bool question[1000] = {0};
	uint8_t first[4];
	unsigned asked = 0, other_sources = 0;

	memcpy(first, g->frames->octets + g->frames->frame[0].at + 26, 4);
	for (uint32_t i = 0; i < g->frames->cnt; i += 2) {
		const struct frame *e = &g->frames->frame[i];
		const uint8_t *source = g->frames->octets + e->at + 26;

		assert_true(e->question < 1000);
		asked += !question[e->question];
		question[e->question] = true;
		assert_int_equal(source[0], 198);
		assert_int_equal(source[1] & 0xfe, 18);
		assert_true(source[3] & 1); // never the network's own address
		other_sources += memcmp(source, first, 4) != 0;
	}
	assert_int_equal(asked, 1000);
	assert_true(other_sources > g->frames->cnt / 2 * 9 / 10);
}

static void what_is_no_answer_to_us_is_a_stray(void **state)
{
	struct ground *g = *state;
	uint8_t *udp = g->response + 14 + 20;

	answer(g, NUMBER4);
	for (size_t len = 0; len < 14 + 20 + 8 + 12; len++)
		assert_int_equal(frames_match(g->frames, g->response, len), UINT32_MAX);
	wire_store16(udp, 54); // from another port
	assert_int_equal(frames_match(g->frames, g->response, g->len), UINT32_MAX);
	answer(g, NUMBER4);
	wire_store16(udp + 2, FRAMES_PORT_FIRST - 1);
	assert_int_equal(frames_match(g->frames, g->response, g->len), UINT32_MAX);
	wire_store16(udp + 2, FRAMES_PORT_FIRST + (2 << FRAMES_PORT_BITS)); // there are only two ranges
	assert_int_equal(frames_match(g->frames, g->response, g->len), UINT32_MAX);
	answer(g, NUMBER4);
	g->response[14 + 9] = 6; // TCP
	assert_int_equal(frames_match(g->frames, g->response, g->len), UINT32_MAX);
	answer(g, NUMBER4);
	g->response[12] = 0x08;
	g->response[13] = 0x06; // ARP
	assert_int_equal(frames_match(g->frames, g->response, g->len), UINT32_MAX);
	answer(g, NUMBER4);
	msg_of(g, NUMBER4)[1] ^= 1; // the id of a request over IPv6
	assert_int_equal(frames_match(g->frames, g->response, g->len), UINT32_MAX);
}

static void wrong_headers_are_noticed(void **state)
{
	struct ground *g = *state;

	for (uint32_t n = NUMBER4; n <= NUMBER6; n++) {
		uint8_t *udp = g->response + 14 + ip_len(&g->frames->frame[n]);

		answer(g, n);
		wire_store16(msg_of(g, n) + 2, 0); // QR unset
		finish(g, n, g->len - (size_t)(msg_of(g, n) - g->response));
		check(g, n, FRAMES_wrong_header);
		answer(g, n);
		wire_store16(msg_of(g, n) + 2, DNS_FLAG_QR | DNS_OPCODE_NOTIFY << DNS_OPCODE_SHIFT);
		finish(g, n, g->len - (size_t)(msg_of(g, n) - g->response));
		check(g, n, FRAMES_wrong_header);
		for (unsigned i = 1; i <= (n == NUMBER4 ? 8u : 32u); i++) { // any octet of the addresses
			answer(g, n);
			udp[-(int)i] ^= 1;
			check(g, n, FRAMES_wrong_header);
		}
		answer(g, n);
		udp[3] ^= 1; // another port of the same range
		check(g, n, FRAMES_wrong_header);
	}
}

static void wrong_sums_and_lengths_are_noticed(void **state)
{
	struct ground *g = *state;

	for (uint32_t n = NUMBER4; n <= NUMBER6; n++) {
		uint8_t *udp = g->response + 14 + ip_len(&g->frames->frame[n]);

		answer(g, n);
		udp[6] ^= 1;
		check(g, n, FRAMES_wrong_checksum);
		answer(g, n);
		g->len--; // cut
		check(g, n, FRAMES_wrong_checksum);
		answer(g, n);
		wire_store16(udp + 4, (uint16_t)(wire_load16(udp + 4) - 1));
		check(g, n, FRAMES_wrong_checksum);
	}
	answer(g, NUMBER4);
	g->response[14 + 8]--; // TTL, and the sum not corrected
	check(g, NUMBER4, FRAMES_wrong_checksum);
}

/* Changes one octet of the message and corrects the sums, so that only the content is wrong. */
static void check_changed(struct ground *g, uint32_t n, size_t at, uint8_t value, enum frames_verdict wanted)
{
	answer(g, n);
	assert_int_not_equal(msg_of(g, n)[at], value);
	msg_of(g, n)[at] = value;
	finish(g, n, g->len - (size_t)(msg_of(g, n) - g->response));
	check(g, n, wanted);
}

static void wrong_questions_rcodes_and_contents_are_noticed(void **state)
{
	struct ground *g = *state;

	for (uint32_t n = NUMBER4; n <= NUMBER6; n++) {
		const struct frame *e = &g->frames->frame[n];
		size_t record = 12 + e->question_len;

		for (size_t i = 12; i < record; i++) {
			answer(g, n);
			check_changed(g, n, i, msg_of(g, n)[i] ^ 0x20, FRAMES_wrong_question);
		}
		check_changed(g, n, 5, 0, FRAMES_wrong_question); // none, and no error
		check_changed(g, n, 5, 2, FRAMES_wrong_question);
		check_changed(g, n, 3, DNS_RCODE_REFUSED, FRAMES_wrong_rcode);
		check_changed(g, n, 7, 0, FRAMES_wrong_content);
		check_changed(g, n, 7, 2, FRAMES_wrong_content);
		check_changed(g, n, record + 1, 13, FRAMES_wrong_content); // another owner
		check_changed(g, n, record + 3, DNS_TYPE_AAAA, FRAMES_wrong_content);
		check_changed(g, n, record + 11, 200, FRAMES_wrong_content); // rdata beyond the message
		check_changed(g, n, record + 12, 11, FRAMES_wrong_content);  // another address
		check_changed(g, n, 2, 0x86, FRAMES_right); // TC: what was left out cannot be judged
	}
}

static void truncated_frames_are_read_within_their_length(void **state)
{
	struct ground *g = *state;

	for (uint32_t n = NUMBER4; n <= NUMBER6; n++) {
		size_t whole;

		answer(g, n);
		whole = g->len;
		for (size_t len = 14 + ip_len(&g->frames->frame[n]) + 8 + 12; len < whole; len++) {
			uint8_t *copy = malloc(len); // so that a sanitizer sees a read beyond

			assert_non_null(copy);
			memcpy(copy, g->response, len);
			assert_int_equal(frames_match(g->frames, copy, len), n);
			assert_int_not_equal(frames_check(g->frames, n, copy, len, true, false),
					     FRAMES_right);
			frames_check(g->frames, n, copy, len, false, false);
			frames_check(g->frames, n, copy, len, false, true);
			free(copy);
		}
	}
}

static void an_echo_must_be_the_request(void **state)
{
	struct ground *g = *state;

	echo(g, NUMBER4);
	assert_int_equal(frames_check(g->frames, NUMBER4, g->response, g->len, false, true), FRAMES_right);
	msg_of(g, NUMBER4)[14] ^= 1;
	assert_int_equal(frames_check(g->frames, NUMBER4, g->response, g->len, false, true),
			 FRAMES_wrong_question);
	assert_int_equal(frames_check(g->frames, NUMBER4, g->response, g->len - 1, false, true),
			 FRAMES_wrong_question);
}

static void spoiled_requests_are_spoiled_in_every_frame(void **state)
{
	struct ground *g = *state;

	for (unsigned kind = FRAMES_BAD_OPT; kind < FRAMES_MALFORM_CNT; kind++) {
		struct frames *f;

		g->plan.malform = (enum frames_malform)kind;
		g->plan.server_cnt = 1;
		f = frames_new(&g->plan, g->queries);
		assert_non_null(f);
		for (uint32_t i = 0; i < f->cnt; i++) {
			const struct frame *good = &g->frames->frame[i], *bad = &f->frame[i];
			const uint8_t *udp = f->octets + bad->at + 34, *msg = udp + 8;
			uint64_t sum = checksum_be16(wire_load16(udp + 4)) + checksum_be16(17);

			sum = checksum_add(checksum_add(sum, udp - 8, 8), udp, wire_load16(udp + 4));
			assert_int_equal(checksum_fold(sum) == 0xffff, kind != FRAMES_BAD_CHECKSUM);
			assert_int_not_equal(wire_load16(udp + 6), 0);
			if (kind == FRAMES_BAD_OPT)
				assert_int_equal(wire_load16(f->octets + bad->at + bad->len - 2), 4);
			if (kind == FRAMES_CUT_QUESTION)
				assert_int_equal(bad->len, 34 + 8 + 12 + bad->question_len - 2);
			if (kind == FRAMES_CUT_HEADER)
				assert_int_equal(bad->len, 34 + 8 + 11);
			assert_int_equal((msg[2] & 0x80) != 0, kind == FRAMES_RESPONSE);
			assert_true(good->len >= 34);
		}
		frames_free(f);
	}
}

static void a_pcap_file_holds_all_frames(void **state)
{
	struct ground *g = *state;
	char path[64];
	size_t size = 24;
	FILE *f;

	snprintf(path, sizeof(path), "/tmp/lockstep-test-frames-%d", getpid());
	assert_int_equal(frames_write_pcap(g->frames, path), 0);
	for (uint32_t i = 0; i < g->frames->cnt; i++)
		size += 16u + g->frames->frame[i].len;
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	assert_int_equal(ftell(f), size);
	fclose(f);
	unlink(path);
	assert_true(frames_write_pcap(g->frames, "/nonexistent/x.pcap") < 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_right_answer_is_right),
		TEST(each_request_is_known_by_its_port_and_id),
		TEST(questions_and_sources_vary_and_stay_in_their_range),
		TEST(what_is_no_answer_to_us_is_a_stray),
		TEST(wrong_headers_are_noticed),
		TEST(wrong_sums_and_lengths_are_noticed),
		TEST(wrong_questions_rcodes_and_contents_are_noticed),
		TEST(truncated_frames_are_read_within_their_length),
		TEST(an_echo_must_be_the_request),
		TEST(spoiled_requests_are_spoiled_in_every_frame),
		TEST(a_pcap_file_holds_all_frames),
	};

	return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
