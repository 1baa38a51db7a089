/*
 * Reading request frames and writing response headers: each form that can arrive is answered, punted or dropped for a
 * named reason.
 */
#include "dataplane/net/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dataplane/net/checksum.h"
#include "tests/unit/net/frame.h"

#define BROADCAST "\xff\xff\xff\xff\xff\xff"

struct fixture {
	struct packet_filter filter;
	struct packet_listen *listen;
};

/* Parses a copy that ends exactly where the frame does, so that ASAN sees a read beyond. */
static enum packet_verdict parse_as(const struct packet_filter *filter, const struct frame *f,
				    unsigned verified, struct packet *out)
{
	uint8_t *copy = malloc(f->len > 0 ? f->len : 1);
	enum packet_verdict v;

	assert_non_null(copy);
	memcpy(copy, f->octets, f->len);
	v = packet_parse(filter, copy, f->len, verified, out);
	free(copy);
	return v;
}

static enum packet_verdict parse(void **state, const struct frame *f)
{
	struct fixture *x = *state;
	struct packet p;

	return parse_as(&x->filter, f, 0, &p);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	x->listen = packet_listen_new(2);
	assert_non_null(x->listen);
	assert_true(packet_listen_add(x->listen, 4, our4));
	assert_true(packet_listen_add(x->listen, 6, our6));
	x->filter.listen = x->listen;
	x->filter.mac_exact = true;
	memcpy(x->filter.mac, our_mac, 6);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	packet_listen_free(x->listen);
	free(x);
	return 0;
}

#define SHAPES(X) X(4, 0, 0) X(6, 0, 0) X(4, 1, 0) X(6, 1, 0) X(4, 2, 0) X(6, 2, 0) X(4, 0, 4) X(4, 2, 40)
static const struct shape shapes[] = {
#define X(family, vlans, options) {family, vlans, options, 0},
	SHAPES(X)
#undef X
};
#define SHAPE_CNT (sizeof(shapes) / sizeof(shapes[0]))

static void a_request_is_found_in_every_shape_of_frame(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < SHAPE_CNT; i++) {
		struct frame f = build(&shapes[i]);
		struct packet p;

		assert_int_equal(parse_as(&x->filter, &f, 0, &p), PACKET_QUERY);
		assert_int_equal(p.family, f.family);
		assert_int_equal(p.l3_at, f.l3_at);
		assert_int_equal(p.udp_at, f.udp_at);
		assert_int_equal(p.msg_at, f.udp_at + 8);
		assert_int_equal(p.msg_len, MSG_LEN);
		assert_int_equal(packet_client_port(&p, f.octets), 50000);
		assert_memory_equal(packet_client(&p, f.octets), f.family == 4 ? their4 : their6,
				    f.family == 4 ? 4 : 16);
		assert_memory_equal(packet_server(&p, f.octets), f.family == 4 ? our4 : our6,
				    f.family == 4 ? 4 : 16);
	}
}

static void a_frame_cut_anywhere_is_never_a_request(void **state)
{
	for (unsigned i = 0; i < SHAPE_CNT; i++) {
		struct frame f = build(&shapes[i]);

		for (size_t whole = f.len; f.len > 0;) {
			enum packet_verdict v;

			f.len--;
			v = parse(state, &f);
			assert_int_not_equal(v, PACKET_QUERY);
			if (f.len < f.l3_at + (f.family == 4 ? 20 : 40))
				assert_int_equal(v, PACKET_DROP_RUNT);
			else
				assert_int_equal(v, PACKET_DROP_IP_LENGTH);
			assert_true(f.len < whole);
		}
	}
}

static void padding_behind_the_datagram_is_ignored(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < SHAPE_CNT; i++) {
		struct frame f = build(&shapes[i]);
		struct packet p;

		memset(f.octets + f.len, 0xa5, 60);
		f.len += 60;
		assert_int_equal(parse_as(&x->filter, &f, 0, &p), PACKET_QUERY);
		assert_int_equal(p.msg_len, MSG_LEN);
	}
}

static void what_is_not_ip_is_punted(void **state)
{
	static const unsigned types[] = {
		0x0806 /* ARP */, 0x8847 /* MPLS */, 0x0026 /* LLC */, 0, 0x88cc, 0xffff, 0x8035};
	struct frame f = build(&ipv4);

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		put16(f.octets + 12, types[i]);
		assert_int_equal(parse(state, &f), PACKET_PUNT);
	}
}

static void a_third_vlan_tag_is_punted(void **state)
{
	struct frame f = build(&(struct shape){.family = 4, .vlans = 3});

	assert_int_equal(parse(state, &f), PACKET_PUNT);
}

static void a_priority_tag_is_a_tag(void **state)
{
	struct frame f = build(&(struct shape){.family = 4, .vlans = 1});

	put16(f.octets + 14, 0xe000); // priority 7, VLAN 0
	assert_int_equal(parse(state, &f), PACKET_QUERY);
}

static void protocols_other_than_udp_are_punted(void **state)
{
	for (unsigned proto = 0; proto < 256; proto++) {
		struct frame f = build(&ipv4), g = build(&ipv6);

		if (proto == 17)
			continue;
		f.octets[f.l3_at + 9] = (uint8_t)proto;
		seal_ip(&f);
		assert_int_equal(parse(state, &f), PACKET_PUNT);
		g.octets[g.l3_at + 6] = (uint8_t)proto; // extension headers, fragments among them
		assert_int_equal(parse(state, &g), PACKET_PUNT);
	}
}

static void fragments_are_punted(void **state)
{
	static const unsigned bits[] = {0x2000 /* first */, 0x2001, 0x0001 /* last */, 0x1fff};
	struct frame f = build(&ipv4);

	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		put16(f.octets + f.l3_at + 6, bits[i]);
		seal_ip(&f);
		assert_int_equal(parse(state, &f), PACKET_PUNT);
	}
	put16(f.octets + f.l3_at + 6, 0x4000); // do not fragment: not one
	seal_ip(&f);
	assert_int_equal(parse(state, &f), PACKET_QUERY);
}

static void other_addresses_are_punted_whatever_else_is_wrong(void **state)
{
	struct frame f = build(&ipv4), g = build(&ipv6);

	memcpy(f.octets + f.l3_at + 16, other4, 4);
	memcpy(g.octets + g.l3_at + 24, other6, 16);
	assert_int_equal(parse(state, &f), PACKET_PUNT); // checksums are wrong now, too
	assert_int_equal(parse(state, &g), PACKET_PUNT);
}

static void other_ports_are_punted(void **state)
{
	static const unsigned ports[] = {0, 52, 54, 853, 13568 /* 53 in the wrong order */, 65535};

	for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		struct frame f = build(i % 2 ? &ipv4 : &ipv6);

		put16(f.octets + f.udp_at + 2, ports[i]);
		seal(&f);
		assert_int_equal(parse(state, &f), PACKET_PUNT);
	}
}

static void a_frame_to_a_group_is_punted_although_the_address_is_ours(void **state)
{
	struct fixture *x = *state;
	struct frame f = build(&ipv4);

	memcpy(f.octets, BROADCAST, 6);
	assert_int_equal(parse(state, &f), PACKET_PUNT);
	memcpy(f.octets, "\x01\x00\x5e\x00\x00\x01", 6);
	assert_int_equal(parse(state, &f), PACKET_PUNT);
	x->filter.mac_exact = false;
	assert_int_equal(parse(state, &f), PACKET_PUNT);
}

static void a_frame_to_another_station_is_punted_where_such_frames_can_arrive(void **state)
{
	struct fixture *x = *state;
	struct frame f = build(&ipv4);

	f.octets[5]++;
	assert_int_equal(parse(state, &f), PACKET_PUNT);
	x->filter.mac_exact = false;
	assert_int_equal(parse(state, &f), PACKET_QUERY);
}

static void a_sender_that_is_a_group_is_dropped(void **state)
{
	struct frame f = build(&ipv4);

	f.octets[6] |= 1;
	assert_int_equal(parse(state, &f), PACKET_DROP_SOURCE);
}

static void a_wrong_ip_version_is_a_bad_header(void **state)
{
	for (unsigned version = 0; version < 16; version++) {
		struct frame f = build(&ipv4), g = build(&ipv6);

		f.octets[f.l3_at] = (uint8_t)(version << 4 | 5);
		seal_ip(&f);
		assert_int_equal(parse(state, &f), version == 4 ? PACKET_QUERY : PACKET_DROP_IP_HEADER);
		g.octets[g.l3_at] = (uint8_t)(version << 4);
		assert_int_equal(parse(state, &g), version == 6 ? PACKET_QUERY : PACKET_DROP_IP_HEADER);
	}
}

static void a_header_length_below_five_words_or_beyond_the_datagram_is_a_bad_header(void **state)
{
	for (unsigned ihl = 0; ihl < 5; ihl++) {
		struct frame f = build(&ipv4);

		f.octets[f.l3_at] = (uint8_t)(0x40 | ihl);
		assert_int_equal(parse(state, &f), PACKET_DROP_IP_HEADER);
	}
	for (unsigned total = 0; total < 60; total++) {
		struct frame f = build(&(struct shape){.family = 4, .option_len = 40});

		put16(f.octets + f.l3_at + 2, total);
		seal_ip(&f);
		assert_int_equal(parse(state, &f), PACKET_DROP_IP_HEADER);
	}
}

static void a_wrong_ip_checksum_is_a_bad_header_unless_the_nic_vouches_for_it(void **state)
{
	struct fixture *x = *state;
	struct frame f = build(&ipv4);
	struct packet p;

	for (unsigned bit = 0; bit < 16; bit++) {
		f = build(&ipv4);
		f.octets[f.l3_at + 10 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(parse(state, &f), PACKET_DROP_IP_HEADER);
	}
	assert_int_equal(parse_as(&x->filter, &f, PACKET_IP_VERIFIED, &p), PACKET_QUERY);
}

static void source_routes_and_broken_options_are_a_bad_header(void **state)
{
	static const uint8_t bad[][4] = {{131, 3, 4, 0}, {137, 3, 4, 0}, {1, 131, 3, 4}, {7, 0, 0, 0},
					 {7, 1, 0, 0},	 {7, 5, 0, 0},	 {1, 1, 1, 7}};
	static const uint8_t good[][4] = {
		{7, 4, 4, 0}, {1, 1, 1, 1}, {0, 131, 3, 4}, {148, 4, 0, 0}, {7, 2, 0, 0}};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct frame f = build(&(struct shape){.family = 4, .option_len = 4});

		memcpy(f.octets + f.l3_at + 20, bad[i], 4);
		seal_ip(&f);
		assert_int_equal(parse(state, &f), PACKET_DROP_IP_HEADER);
	}
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct frame f = build(&(struct shape){.family = 4, .option_len = 4});

		memcpy(f.octets + f.l3_at + 20, good[i], 4);
		seal_ip(&f);
		assert_int_equal(parse(state, &f), PACKET_QUERY);
	}
}

static void an_ip_length_beyond_the_frame_is_dropped(void **state)
{
	struct frame f = build(&ipv4), g = build(&ipv6);

	put16(f.octets + f.l3_at + 2, 20 + 8 + MSG_LEN + 1);
	seal_ip(&f);
	assert_int_equal(parse(state, &f), PACKET_DROP_IP_LENGTH);
	put16(f.octets + f.l3_at + 2, 65535);
	seal_ip(&f);
	assert_int_equal(parse(state, &f), PACKET_DROP_IP_LENGTH);
	put16(g.octets + g.l3_at + 4, 8 + MSG_LEN + 1);
	assert_int_equal(parse(state, &g), PACKET_DROP_IP_LENGTH);
	put16(g.octets + g.l3_at + 4, 65535);
	assert_int_equal(parse(state, &g), PACKET_DROP_IP_LENGTH);
}

static void a_jumbogram_is_dropped(void **state)
{
	struct frame g = build(&ipv6);

	put16(g.octets + g.l3_at + 4, 0); // RFC 2675 without its option: no room for a UDP header
	assert_int_equal(parse(state, &g), PACKET_DROP_UDP_LENGTH);
	g.octets[g.l3_at + 6] = 0; // with it
	assert_int_equal(parse(state, &g), PACKET_PUNT);
}

static void any_ttl_is_taken(void **state)
{
	for (unsigned ttl = 0; ttl < 256; ttl++) { // RFC 1122 3.2.1.7: a host does not judge it
		struct frame f = build(&ipv4), g = build(&ipv6);

		f.octets[f.l3_at + 8] = (uint8_t)ttl;
		seal_ip(&f);
		g.octets[g.l3_at + 7] = (uint8_t)ttl;
		assert_int_equal(parse(state, &f), PACKET_QUERY);
		assert_int_equal(parse(state, &g), PACKET_QUERY);
	}
}

static void a_udp_length_below_its_header_or_beyond_the_datagram_is_dropped(void **state)
{
	static const unsigned lens[] = {0, 1, 7, 8 + MSG_LEN + 1, 8 + MSG_LEN + 8, 65535};

	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct frame f = build(&ipv4), g = build(&ipv6);

		put16(f.octets + f.udp_at + 4, lens[i]);
		put16(g.octets + g.udp_at + 4, lens[i]);
		assert_int_equal(parse(state, &f), PACKET_DROP_UDP_LENGTH);
		assert_int_equal(parse(state, &g), PACKET_DROP_UDP_LENGTH);
	}
}

static void a_datagram_too_short_for_udp_is_dropped(void **state)
{
	for (unsigned len = 0; len < 8; len++) {
		struct frame f = build(&ipv4);

		put16(f.octets + f.l3_at + 2, (unsigned)(20 + len));
		seal_ip(&f);
		f.len = f.udp_at + len; // nothing behind it that could be read by mistake
		assert_int_equal(parse(state, &f), PACKET_DROP_UDP_LENGTH);
	}
}

static void what_follows_the_udp_length_is_no_part_of_the_message(void **state)
{
	struct fixture *x = *state;

	for (unsigned msg_len = 0; msg_len <= MSG_LEN; msg_len++) {
		struct frame f = build(msg_len % 2 ? &ipv4 : &ipv6);
		struct packet p;

		put16(f.octets + f.udp_at + 4, 8 + msg_len);
		seal_udp(&f);
		assert_int_equal(parse_as(&x->filter, &f, 0, &p), PACKET_QUERY);
		assert_int_equal(p.msg_len, msg_len);
	}
}

static void each_flipped_bit_of_a_datagram_is_noticed(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < SHAPE_CNT; i++) {
		struct frame f = build(&shapes[i]);

		for (size_t bit = f.udp_at * 8; bit < f.len * 8; bit++) {
			struct packet p;

			f.octets[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			assert_int_not_equal(parse(state, &f), PACKET_QUERY);
			if (bit >= (f.udp_at + 6) * 8) { // its checksum or its octets
				assert_int_equal(parse(state, &f), PACKET_DROP_UDP_CHECKSUM);
				assert_int_equal(parse_as(&x->filter, &f, PACKET_UDP_VERIFIED, &p),
						 PACKET_QUERY);
			}
			f.octets[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		}
	}
}

static void no_checksum_is_allowed_over_ipv4_only(void **state)
{
	struct frame f = build(&ipv4), g = build(&ipv6);

	put16(f.octets + f.udp_at + 6, 0);
	put16(g.octets + g.udp_at + 6, 0);
	assert_int_equal(parse(state, &f), PACKET_QUERY);
	assert_int_equal(parse(state, &g), PACKET_DROP_UDP_CHECKSUM);
}

static void a_partial_checksum_is_taken_from_a_veth_only(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < SHAPE_CNT; i++) {
		struct frame f = build(&shapes[i]);
		struct packet p;

		put16(f.octets + f.udp_at + 6, naive_fold(pseudo(&f, 8 + MSG_LEN)));
		x->filter.partial_checksum = false;
		assert_int_equal(parse_as(&x->filter, &f, 0, &p), PACKET_DROP_UDP_CHECKSUM);
		x->filter.partial_checksum = true;
		assert_int_equal(parse_as(&x->filter, &f, 0, &p), PACKET_QUERY);
		assert_true(p.partial);
		f.octets[f.udp_at + 7] ^= 1;
		assert_int_equal(parse_as(&x->filter, &f, 0, &p), PACKET_DROP_UDP_CHECKSUM);
		f = build(&shapes[i]);
		assert_int_equal(parse_as(&x->filter, &f, 0, &p), PACKET_QUERY);
		assert_false(p.partial);
	}
}

static void sources_that_could_make_a_loop_are_dropped(void **state)
{
	static const unsigned ports[] = {0, 7, 13, 17, 19, 37};

	for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		struct frame f = build(i % 2 ? &ipv4 : &ipv6);

		put16(f.octets + f.udp_at, ports[i]);
		seal(&f);
		assert_int_equal(parse(state, &f), PACKET_DROP_SOURCE);
	}
}

static void a_request_from_port_53_is_taken(void **state)
{
	struct frame f = build(&ipv4);

	put16(f.octets + f.udp_at, 53);
	seal(&f);
	assert_int_equal(parse(state, &f), PACKET_QUERY);
}

static void our_own_address_as_source_is_dropped(void **state)
{
	struct frame f = build(&ipv4), g = build(&ipv6);

	memcpy(f.octets + f.l3_at + 12, our4, 4);
	memcpy(g.octets + g.l3_at + 8, our6, 16);
	seal(&f);
	seal(&g);
	assert_int_equal(parse(state, &f), PACKET_DROP_SOURCE);
	assert_int_equal(parse(state, &g), PACKET_DROP_SOURCE);
}

static void martian_sources_are_dropped(void **state)
{
	static const uint8_t martians4[][4] = {
		{0, 0, 0, 0},	{0, 1, 2, 3},	      {127, 0, 0, 1}, {127, 255, 255, 255},
		{224, 0, 0, 1}, {239, 255, 255, 255}, {240, 0, 0, 1}, {255, 255, 255, 255}};
	static const uint8_t martians6[][16] = {{0},
						{[15] = 1},
						{0xff, 0x02, [15] = 1},
						{0xff, 0x0e, [15] = 1},
						{[10] = 0xff, [11] = 0xff, [12] = 198, [15] = 7}};
	static const uint8_t fine6[][16] = {
		{0xfe, 0x80, [15] = 7}, {0xfc, [15] = 7}, {0, 0x64, 0xff, 0x9b, [15] = 7}};

	for (unsigned i = 0; i < sizeof(martians4) / sizeof(martians4[0]); i++) {
		struct frame f = build(&ipv4);

		memcpy(f.octets + f.l3_at + 12, martians4[i], 4);
		seal(&f);
		assert_int_equal(parse(state, &f), PACKET_DROP_SOURCE);
	}
	for (unsigned i = 0; i < sizeof(martians6) / sizeof(martians6[0]); i++) {
		struct frame f = build(&ipv6);

		memcpy(f.octets + f.l3_at + 8, martians6[i], 16);
		seal(&f);
		assert_int_equal(parse(state, &f), PACKET_DROP_SOURCE);
	}
	for (unsigned i = 0; i < sizeof(fine6) / sizeof(fine6[0]); i++) {
		struct frame f = build(&ipv6);

		memcpy(f.octets + f.l3_at + 8, fine6[i], 16);
		seal(&f);
		assert_int_equal(parse(state, &f), PACKET_QUERY);
	}
}

/* What must be true of every response, by our own reading of it. */
static void check_response(const struct shape *s, const uint8_t *out, size_t len, size_t msg_len)
{
	size_t l2_len = 14 + 4 * s->vlans, ip_len = s->family == 4 ? 20 : 40;
	struct frame r = {.len = len, .l3_at = l2_len, .udp_at = l2_len + ip_len, .family = s->family};
	const uint8_t *ip = r.octets + r.l3_at, *udp = r.octets + r.udp_at;

	memcpy(r.octets, out, len);
	assert_int_equal(len, l2_len + ip_len + 8 + msg_len);
	assert_memory_equal(r.octets, their_mac, 6);
	assert_memory_equal(r.octets + 6, our_mac, 6);
	for (unsigned i = 0; i < s->vlans; i++) {
		assert_int_equal(get16(r.octets + 12 + 4 * i), i == 0 && s->vlans > 1 ? 0x88a8 : 0x8100);
		assert_int_equal(get16(r.octets + 14 + 4 * i), 0x6000 + 100 + i);
	}
	if (s->family == 4) {
		assert_int_equal(ip[0], 0x45);
		assert_int_equal(get16(ip + 2), 20 + 8 + msg_len);
		assert_int_equal(get16(ip + 6), 0x4000); // DF, no fragment
		assert_int_equal(ip[8], 64);
		assert_int_equal(naive_fold(naive_sum(0, ip, 20)), 0xffff);
		assert_memory_equal(ip + 12, our4, 4);
		assert_memory_equal(ip + 16, their4, 4);
	} else {
		assert_int_equal(get16(ip), 0x6000);
		assert_int_equal(get16(ip + 2), 0);
		assert_int_equal(get16(ip + 4), 8 + msg_len);
		assert_int_equal(ip[6], 17);
		assert_int_equal(ip[7], 64);
		assert_memory_equal(ip + 8, our6, 16);
		assert_memory_equal(ip + 24, their6, 16);
	}
	assert_int_equal(get16(udp), 53);
	assert_int_equal(get16(udp + 2), 50000);
	assert_int_equal(get16(udp + 4), 8 + msg_len);
	assert_int_not_equal(get16(udp + 6), 0);
	assert_int_equal(naive_fold(naive_sum(pseudo(&r, 8 + msg_len), udp, 8 + msg_len)), 0xffff);
}

static void a_response_goes_back_the_way_the_request_came(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < SHAPE_CNT; i++)
		for (size_t msg_len = 12; msg_len < 1232; msg_len += 61) {
			struct frame f = build(&shapes[i]);
			struct packet p;
			size_t at, len;

			assert_int_equal(parse_as(&x->filter, &f, 0, &p), PACKET_QUERY);
			for (size_t k = 0; k < msg_len; k++)
				f.octets[p.msg_at + k] = (uint8_t)(k * 31);
			len = packet_respond(&p, f.octets, msg_len, PACKET_TX_SOFTWARE, &at);
			assert_int_equal(at, shapes[i].option_len);
			check_response(&shapes[i], f.octets + at, len, msg_len);
			for (size_t k = 0; k < msg_len; k++)
				assert_int_equal(f.octets[at + len - msg_len + k], (uint8_t)(k * 31));
		}
}

static void a_checksum_of_zero_is_sent_as_all_ones(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < 2; i++) {
		struct frame f = build(i ? &ipv4 : &ipv6);
		struct packet p;
		size_t at;
		unsigned sum;

		assert_int_equal(parse_as(&x->filter, &f, 0, &p), PACKET_QUERY);
		memset(f.octets + p.msg_at, 0, 32);
		packet_respond(&p, f.octets, 32, PACKET_TX_SOFTWARE, &at);
		sum = get16(f.octets + f.udp_at + 6);
		f = build(i ? &ipv4 : &ipv6);
		memset(f.octets + p.msg_at, 0, 32);
		put16(f.octets + p.msg_at, sum); // now everything adds up to 0xffff, whose complement is 0
		packet_respond(&p, f.octets, 32, PACKET_TX_SOFTWARE, &at);
		assert_int_equal(get16(f.octets + f.udp_at + 6), 0xffff);
	}
}

static void with_offload_the_fields_hold_what_the_nic_expects(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < SHAPE_CNT; i++) {
		struct frame f = build(&shapes[i]), r = {.family = shapes[i].family};
		struct packet p;
		size_t at, len;

		assert_int_equal(parse_as(&x->filter, &f, 0, &p), PACKET_QUERY);
		len = packet_respond(&p, f.octets, 99, PACKET_TX_OFFLOAD, &at);
		memcpy(r.octets, f.octets + at, len);
		r.l3_at = f.l3_at;
		r.udp_at = r.l3_at + (r.family == 4 ? 20 : 40);
		if (r.family == 4)
			assert_int_equal(get16(r.octets + r.l3_at + 10), 0);
		assert_int_equal(get16(r.octets + r.udp_at + 6), naive_fold(pseudo(&r, 8 + 99)));
	}
}

static void a_response_built_from_pieces_is_the_one_made_in_place(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < SHAPE_CNT; i++) {
		struct frame f = build(&shapes[i]);
		struct packet p;
		uint8_t l2[PACKET_L2_MAX], client[16], server[16], msg[200], out[FRAME_CAP];
		struct packet_return to = {.l2 = l2, .client = client, .server = server};
		size_t at, len, addr_len = shapes[i].family == 4 ? 4 : 16;

		assert_int_equal(parse_as(&x->filter, &f, 0, &p), PACKET_QUERY);
		to.l2_len = p.l3_at;
		to.family = p.family;
		to.client_port = packet_client_port(&p, f.octets);
		memcpy(l2, f.octets, p.l3_at);
		memcpy(client, packet_client(&p, f.octets), addr_len);
		memcpy(server, packet_server(&p, f.octets), addr_len);
		for (unsigned k = 0; k < sizeof(msg); k++)
			msg[k] = (uint8_t)(k * 13);
		memcpy(f.octets + p.msg_at, msg, sizeof(msg));
		len = packet_respond(&p, f.octets, sizeof(msg), PACKET_TX_SOFTWARE, &at);
		assert_int_equal(packet_build(&to, msg, sizeof(msg), out, len - 1), 0);
		assert_int_equal(packet_build(&to, msg, sizeof(msg), out, len), len);
		assert_memory_equal(out, f.octets + at, len);
	}
}

static void a_message_leaves_room_for_its_headers_in_the_mtu(void **state)
{
	assert_int_equal(packet_msg_max(4, 1500), 1472);
	assert_int_equal(packet_msg_max(6, 1500), 1452);
	assert_int_equal(packet_msg_max(6, 1280), 1232);
	assert_int_equal(packet_msg_max(6, 48), 0);
	assert_int_equal(packet_msg_max(4, 0), 0);
}

static void the_sum_equals_the_naive_sum_at_every_length_and_alignment(void **state)
{
	uint8_t octets[256 + 8];

	srand(1);
	for (unsigned i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t)(i % 3 == 0 ? 0xff : rand());
	for (size_t at = 0; at < 8; at++)
		for (size_t len = 0; len <= 256; len++) {
			uint16_t sum = checksum_fold(checksum_add(0, octets + at, len));
			uint8_t stored[2];

			memcpy(stored, &sum, 2);
			assert_int_equal(get16(stored), naive_fold(naive_sum(0, octets + at, len)));
		}
}

static void a_large_table_of_addresses_finds_its_own_and_no_other(void **state)
{
	struct packet_listen *l = packet_listen_new(2000);

	assert_non_null(l);
	for (unsigned i = 0; i < 1000; i++) {
		uint8_t a4[4] = {10, 0, (uint8_t)(i >> 8), (uint8_t)i},
			a6[16] = {0x20, [14] = (uint8_t)(i >> 8), (uint8_t)i};

		assert_true(packet_listen_add(l, 4, a4));
		assert_false(packet_listen_add(l, 4, a4));
		assert_true(packet_listen_add(l, 6, a6));
	}
	for (unsigned i = 0; i < 2000; i++) {
		uint8_t a4[4] = {10, 0, (uint8_t)(i >> 8), (uint8_t)i},
			a6[16] = {0x20, [14] = (uint8_t)(i >> 8), (uint8_t)i};

		assert_int_equal(packet_listen_has(l, 4, a4), i < 1000);
		assert_int_equal(packet_listen_has(l, 6, a6), i < 1000);
	}
	packet_listen_free(l);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_request_is_found_in_every_shape_of_frame),
		T(a_frame_cut_anywhere_is_never_a_request),
		T(padding_behind_the_datagram_is_ignored),
		T(what_is_not_ip_is_punted),
		T(a_third_vlan_tag_is_punted),
		T(a_priority_tag_is_a_tag),
		T(protocols_other_than_udp_are_punted),
		T(fragments_are_punted),
		T(other_addresses_are_punted_whatever_else_is_wrong),
		T(other_ports_are_punted),
		T(a_frame_to_a_group_is_punted_although_the_address_is_ours),
		T(a_frame_to_another_station_is_punted_where_such_frames_can_arrive),
		T(a_sender_that_is_a_group_is_dropped),
		T(a_wrong_ip_version_is_a_bad_header),
		T(a_header_length_below_five_words_or_beyond_the_datagram_is_a_bad_header),
		T(a_wrong_ip_checksum_is_a_bad_header_unless_the_nic_vouches_for_it),
		T(source_routes_and_broken_options_are_a_bad_header),
		T(an_ip_length_beyond_the_frame_is_dropped),
		T(a_jumbogram_is_dropped),
		T(any_ttl_is_taken),
		T(a_udp_length_below_its_header_or_beyond_the_datagram_is_dropped),
		T(a_datagram_too_short_for_udp_is_dropped),
		T(what_follows_the_udp_length_is_no_part_of_the_message),
		T(each_flipped_bit_of_a_datagram_is_noticed),
		T(no_checksum_is_allowed_over_ipv4_only),
		T(a_partial_checksum_is_taken_from_a_veth_only),
		T(sources_that_could_make_a_loop_are_dropped),
		T(a_request_from_port_53_is_taken),
		T(our_own_address_as_source_is_dropped),
		T(martian_sources_are_dropped),
		T(a_response_goes_back_the_way_the_request_came),
		T(a_checksum_of_zero_is_sent_as_all_ones),
		T(with_offload_the_fields_hold_what_the_nic_expects),
		T(a_response_built_from_pieces_is_the_one_made_in_place),
		T(a_message_leaves_room_for_its_headers_in_the_mtu),
		T(the_sum_equals_the_naive_sum_at_every_length_and_alignment),
		T(a_large_table_of_addresses_finds_its_own_and_no_other),
	};

	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
