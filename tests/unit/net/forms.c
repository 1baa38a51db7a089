#include "tests/unit/net/forms.h"

#define ETHERTYPE(name, type)                          \
	static void name(struct frame *f)              \
	{                                              \
		put16(f->octets + f->l3_at - 2, type); \
	}
ETHERTYPE(arp, 0x0806)
ETHERTYPE(mpls, 0x8847)
ETHERTYPE(llc, 43) /* a length: IEEE 802.2, with or without SNAP */

/* The protocol of IPv4, the next header of IPv6. */
#define PROTOCOL(name, number)                                           \
	static void name(struct frame *f)                                \
	{                                                                \
		f->octets[f->l3_at + (f->family == 4 ? 9 : 6)] = number; \
		seal_ip(f);                                              \
	}
PROTOCOL(hop_by_hop, 0) /* jumbo payloads (RFC 2675) and router alerts (MLD) are its options */
PROTOCOL(icmp, 1)
PROTOCOL(igmp, 2)
PROTOCOL(tcp, 6)
PROTOCOL(routing, 43)
PROTOCOL(fragment_header, 44)
PROTOCOL(gre, 47)
PROTOCOL(esp, 50)
PROTOCOL(icmp6, 58)
PROTOCOL(destination_options, 60)

static void gratuitous_arp(struct frame *f)
{
	memset(f->octets, 0xff, 6);
	arp(f);
}

static void neighbour_discovery(struct frame *f)
{
	memcpy(f->octets, "\x33\x33\xff\x00\x00\x01", 6);
	memcpy(f->octets + f->l3_at + 24, "\xff\x02\0\0\0\0\0\0\0\0\0\x01\xff\0\0\x01", 16);
	icmp6(f);
}

static void priority_tag(struct frame *f)
{
	put16(f->octets + 14, 0xe000);
}

static void padded(struct frame *f)
{
	memset(f->octets + f->len, 0x77, 60);
	f->len += 60;
}

static void cut_ethernet(struct frame *f)
{
	f->len = 13;
}

static void cut_ip(struct frame *f)
{
	f->len = f->l3_at + 19;
}

static void cut_message(struct frame *f)
{
	f->len--;
}

static void empty(struct frame *f)
{
	f->len = 0;
}

/* Writes the first octet of the IP header. */
static void ip_first(struct frame *f, unsigned octet)
{
	f->octets[f->l3_at] = (uint8_t)octet;
	seal_ip(f);
}

static void other_version(struct frame *f)
{
	ip_first(f, f->family == 4 ? 0x65 : 0x40);
}

static void header_of_four_words(struct frame *f)
{
	ip_first(f, 0x44);
}

static void header_beyond_datagram(struct frame *f)
{
	put16(f->octets + f->l3_at + 2, 59);
	ip_first(f, 0x4f);
}

static void wrong_ip_checksum(struct frame *f)
{
	f->octets[f->l3_at + 10] ^= 1;
}

static void source_route(struct frame *f)
{
	memcpy(f->octets + f->l3_at + 20, "\x83\x03\x04\0", 4);
	seal_ip(f);
}

static void broken_option(struct frame *f)
{
	memcpy(f->octets + f->l3_at + 20, "\x07\x05\x04\0", 4);
	seal_ip(f);
}

static void ttl_0(struct frame *f)
{
	f->octets[f->l3_at + (f->family == 4 ? 8 : 7)] = 0;
	seal_ip(f);
}

static void set_ip_len(struct frame *f, size_t payload_len)
{
	put16(f->octets + f->l3_at + (f->family == 4 ? 2 : 4),
	      (unsigned)(payload_len + (f->family == 4 ? 20 : 0)));
	seal_ip(f);
}

static void ip_beyond_frame(struct frame *f)
{
	set_ip_len(f, 8 + MSG_LEN + 1);
}

static void ip_too_short_for_udp(struct frame *f)
{
	set_ip_len(f, 7);
}

static void jumbo_length(struct frame *f)
{
	set_ip_len(f, 0);
}

static void fragment(struct frame *f, unsigned bits)
{
	put16(f->octets + f->l3_at + 6, bits);
	seal_ip(f);
}

static void first_fragment(struct frame *f)
{
	fragment(f, 0x2000);
}

static void middle_fragment(struct frame *f)
{
	fragment(f, 0x2001);
}

static void last_fragment(struct frame *f)
{
	fragment(f, 0x0001);
}

static void dont_fragment(struct frame *f)
{
	fragment(f, 0x4000);
}

static void udp_len(struct frame *f, size_t len)
{
	put16(f->octets + f->udp_at + 4, (unsigned)len);
}

static void udp_len_0(struct frame *f)
{
	udp_len(f, 0);
}

static void udp_len_7(struct frame *f)
{
	udp_len(f, 7);
}

static void udp_beyond_ip(struct frame *f)
{
	udp_len(f, 8 + MSG_LEN + 1);
}

static void udp_shorter_than_ip(struct frame *f)
{
	udp_len(f, 8 + MSG_LEN - 4);
	seal_udp(f);
}

static void no_message(struct frame *f)
{
	udp_len(f, 8);
	seal_udp(f);
}

static void udp_sum_zero(struct frame *f)
{
	put16(f->octets + f->udp_at + 6, 0);
}

static void udp_sum_wrong(struct frame *f)
{
	f->octets[f->udp_at + 6] ^= 0x5a;
}

static void udp_sum_partial(struct frame *f)
{
	put16(f->octets + f->udp_at + 6, naive_fold(pseudo(f, 8 + MSG_LEN)));
}

static void source_port(struct frame *f, unsigned port)
{
	put16(f->octets + f->udp_at, port);
	seal(f);
}

static void port_0(struct frame *f)
{
	source_port(f, 0);
}

static void port_7(struct frame *f)
{
	source_port(f, 7);
}

static void port_19(struct frame *f)
{
	source_port(f, 19);
}

static void port_53(struct frame *f)
{
	source_port(f, 53);
}

static void other_port(struct frame *f)
{
	put16(f->octets + f->udp_at + 2, 5353);
	seal(f);
}

/* Addresses as text of their octets. */
static void source(struct frame *f, const void *addr)
{
	memcpy(f->octets + f->l3_at + (f->family == 4 ? 12 : 8), addr, f->family == 4 ? 4 : 16);
	seal(f);
}

static void destination(struct frame *f, const void *addr)
{
	memcpy(f->octets + f->l3_at + (f->family == 4 ? 16 : 24), addr, f->family == 4 ? 4 : 16);
	seal(f);
}

static void other_address(struct frame *f)
{
	destination(f, f->family == 4 ? other4 : other6);
}

static void from_ourselves(struct frame *f)
{
	source(f, f->family == 4 ? our4 : our6);
}

static void from_loopback(struct frame *f)
{
	source(f, f->family == 4 ? "\x7f\0\0\x01" : "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01");
}

static void from_unspecified(struct frame *f)
{
	source(f, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
}

static void from_multicast(struct frame *f)
{
	source(f, f->family == 4 ? "\xe0\0\0\x01" : "\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\x01");
}

static void from_broadcast(struct frame *f)
{
	source(f, "\xff\xff\xff\xff");
}

static void from_v4_mapped(struct frame *f)
{
	source(f, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x07");
}

static void to_broadcast_mac(struct frame *f)
{
	memset(f->octets, 0xff, 6);
}

static void to_multicast_mac(struct frame *f)
{
	memcpy(f->octets, "\x01\x00\x5e\x00\x00\x01", 6);
}

static void to_broadcast(struct frame *f)
{
	to_broadcast_mac(f);
	destination(f, "\xff\xff\xff\xff");
}

static void to_another_station(struct frame *f)
{
	f->octets[5]++;
}

static void from_group_mac(struct frame *f)
{
	f->octets[6] |= 1;
}

#define ORDER(name, order)                                   \
	static void name(struct frame *f)                    \
	{                                                    \
		f->octets[f->udp_at + 8 + ORDER_AT] = order; \
		seal(f);                                     \
	}
ORDER(order_full, ORDER_FULL)
ORDER(order_drop, ORDER_DROP)
ORDER(order_transfer, ORDER_TRANSFER)

static void order_notify(struct frame *f)
{
	frame_hand_over(f, true);
}

static void order_signed(struct frame *f)
{
	frame_hand_over(f, false);
}

#define V4                  \
	{                   \
		.family = 4 \
	}
#define V6                  \
	{                   \
		.family = 6 \
	}
#define TAGS(v, tags)                      \
	{                                  \
		.family = v, .vlans = tags \
	}
#define OPTIONS(len)                           \
	{                                      \
		.family = 4, .option_len = len \
	}
#define LONG(v, len)                        \
	{                                   \
		.family = v, .msg_len = len \
	}
#define C(counter) NET_CNT_##counter

const struct form forms[] = {
	{"request_over_ipv4", V4, NULL, C(tx_packets), 0},
	{"request_over_ipv6", V6, NULL, C(tx_packets), 0},
	{"request_padded_to_60_octets", V4, padded, C(tx_packets), 0},
	{"request_over_ipv6_padded", V6, padded, C(tx_packets), 0},
	{"request_with_a_tag", TAGS(4, 1), NULL, C(tx_packets), 0},
	{"request_with_two_tags", TAGS(6, 2), NULL, C(tx_packets), 0},
	{"request_with_a_priority_tag", TAGS(4, 1), priority_tag, C(tx_packets), 0},
	{"request_with_four_octets_of_options", OPTIONS(4), NULL, C(tx_packets), 0},
	{"request_with_forty_octets_of_options", OPTIONS(40), NULL, C(tx_packets), 0},
	{"request_with_ttl_0", V4, ttl_0, C(tx_packets), 0},
	{"request_with_hop_limit_0", V6, ttl_0, C(tx_packets), 0},
	{"request_that_forbids_fragments", V4, dont_fragment, C(tx_packets), 0},
	{"request_without_checksum_over_ipv4", V4, udp_sum_zero, C(tx_packets), 0},
	{"request_from_port_53", V4, port_53, C(tx_packets), 0},
	{"request_shorter_than_its_datagram", V4, udp_shorter_than_ip, C(tx_packets), 0},
	{"request_of_a_jumbo_frame", LONG(4, 1900), NULL, C(tx_packets), 0},
	{"request_whose_answer_fills_the_mtu", V4, order_full, C(tx_packets), 0},
	{"request_over_ipv6_whose_answer_fills_the_mtu", TAGS(6, 2), order_full, C(tx_packets), 0},
	{"empty_message", V4, no_message, C(drop_answer), 0},
	{"message_that_gets_no_answer", V4, order_drop, C(drop_answer), 0},
	{"transfer_over_udp", V4, order_transfer, C(drop_answer), 0},
	{"notify", V4, order_notify, C(notify_requests), 0},
	{"notify_over_ipv6_with_two_tags", TAGS(6, 2), order_notify, C(notify_requests), 0},
	{"signed_question", V4, order_signed, C(signed_requests), 0},
	{"request_without_room_for_a_response", V4, NULL, C(drop_room), PLACE_AT_END},
	{"no_octets", V4, empty, C(drop_runt), 0},
	{"runt_in_ethernet", V4, cut_ethernet, C(drop_runt), 0},
	{"runt_in_ipv4", V4, cut_ip, C(drop_runt), 0},
	{"runt_in_ipv6", V6, cut_ip, C(drop_runt), 0},
	{"other_version_than_ipv4", V4, other_version, C(drop_ip_header), 0},
	{"other_version_than_ipv6", V6, other_version, C(drop_ip_header), 0},
	{"ipv4_header_of_four_words", V4, header_of_four_words, C(drop_ip_header), 0},
	{"ipv4_header_beyond_its_datagram", OPTIONS(40), header_beyond_datagram, C(drop_ip_header), 0},
	{"wrong_ip_checksum", V4, wrong_ip_checksum, C(drop_ip_header), 0},
	{"source_route", OPTIONS(4), source_route, C(drop_ip_header), 0},
	{"broken_option", OPTIONS(4), broken_option, C(drop_ip_header), 0},
	{"ipv4_length_beyond_the_frame", V4, ip_beyond_frame, C(drop_ip_length), 0},
	{"ipv6_length_beyond_the_frame", V6, ip_beyond_frame, C(drop_ip_length), 0},
	{"frame_cut_in_the_message", V4, cut_message, C(drop_ip_length), 0},
	{"ipv4_length_too_short_for_udp", V4, ip_too_short_for_udp, C(drop_udp_length), 0},
	{"ipv6_length_too_short_for_udp", V6, ip_too_short_for_udp, C(drop_udp_length), 0},
	{"jumbogram_without_its_option", V6, jumbo_length, C(drop_udp_length), 0},
	{"udp_length_0", V4, udp_len_0, C(drop_udp_length), 0},
	{"udp_length_7", V6, udp_len_7, C(drop_udp_length), 0},
	{"udp_length_beyond_the_datagram", V4, udp_beyond_ip, C(drop_udp_length), 0},
	{"wrong_udp_checksum_over_ipv4", V4, udp_sum_wrong, C(drop_udp_checksum), 0},
	{"wrong_udp_checksum_over_ipv6", V6, udp_sum_wrong, C(drop_udp_checksum), 0},
	{"no_udp_checksum_over_ipv6", V6, udp_sum_zero, C(drop_udp_checksum), 0},
	{"partial_checksum_from_a_real_wire", V4, udp_sum_partial, C(drop_udp_checksum), 0},
	{"from_port_0", V4, port_0, C(drop_source), 0},
	{"from_port_7", V6, port_7, C(drop_source), 0},
	{"from_port_19", V4, port_19, C(drop_source), 0},
	{"from_our_own_address", V4, from_ourselves, C(drop_source), 0},
	{"from_our_own_ipv6_address", V6, from_ourselves, C(drop_source), 0},
	{"from_loopback", V4, from_loopback, C(drop_source), 0},
	{"from_ipv6_loopback", V6, from_loopback, C(drop_source), 0},
	{"from_no_address", V4, from_unspecified, C(drop_source), 0},
	{"from_no_ipv6_address", V6, from_unspecified, C(drop_source), 0},
	{"from_a_multicast_group", V4, from_multicast, C(drop_source), 0},
	{"from_an_ipv6_multicast_group", V6, from_multicast, C(drop_source), 0},
	{"from_broadcast", V4, from_broadcast, C(drop_source), 0},
	{"from_a_v4_mapped_address", V6, from_v4_mapped, C(drop_source), 0},
	{"from_a_group_of_stations", V4, from_group_mac, C(drop_source), 0},
	{"arp_request", V4, arp, C(punt), 0},
	{"arp_told_to_all", V4, gratuitous_arp, C(punt), 0},
	{"neighbour_solicitation", V6, neighbour_discovery, C(punt), 0},
	{"mpls_frame", V4, mpls, C(punt), 0},
	{"llc_frame", V4, llc, C(punt), 0},
	{"three_tags", TAGS(4, 3), NULL, C(punt), 0},
	{"icmp_message", V4, icmp, C(punt), 0},
	{"icmpv6_message", V6, icmp6, C(punt), 0},
	{"igmp_message", V4, igmp, C(punt), 0},
	{"tcp_segment", V4, tcp, C(punt), 0},
	{"tcp_segment_over_ipv6", V6, tcp, C(punt), 0},
	{"gre_packet", V4, gre, C(punt), 0},
	{"hop_by_hop_options", V6, hop_by_hop, C(punt), 0},
	{"destination_options_header", V6, destination_options, C(punt), 0},
	{"routing_header", V6, routing, C(punt), 0},
	{"ipv6_fragment", V6, fragment_header, C(punt), 0},
	{"esp_packet", V6, esp, C(punt), 0},
	{"first_fragment", V4, first_fragment, C(punt), 0},
	{"middle_fragment", V4, middle_fragment, C(punt), 0},
	{"last_fragment", V4, last_fragment, C(punt), 0},
	{"datagram_for_another_port", V4, other_port, C(punt), 0},
	{"request_for_another_address", V4, other_address, C(punt), 0},
	{"request_for_another_ipv6_address", V6, other_address, C(punt), 0},
	{"request_for_broadcast", V4, to_broadcast, C(punt), 0},
	{"request_in_a_broadcast_frame", V4, to_broadcast_mac, C(punt), 0},
	{"request_in_a_multicast_frame", V4, to_multicast_mac, C(punt), 0},
	{"request_for_another_station", V4, to_another_station, C(punt), 0},
	{"request_in_several_buffers", V4, NULL, C(punt), PLACE_IN_PIECES},
	{"request_over_ipv6_in_several_buffers", TAGS(6, 2), NULL, C(punt), PLACE_IN_PIECES},
	{"tcp_segment_longer_than_the_mtu", LONG(4, 1500), tcp, C(punt_size), 0},
	{"frame_longer_than_the_mtu_in_several_buffers", LONG(4, 1900), other_address, C(punt_size),
	 PLACE_IN_PIECES},
};
const size_t form_cnt = sizeof(forms) / sizeof(forms[0]);

struct frame form_frame(const struct form *form)
{
	struct frame f = build(&form->shape);

	if (form->change != NULL)
		form->change(&f);
	return f;
}
