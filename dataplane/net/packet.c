/*
 * Reading request frames and writing response headers. See packet.h.
 *
 * Order of the checks: what is not for us is punted before anything about it is called bad, so that the kernel's own
 * traffic is never judged here; what is for us must be right in every length and checksum.
 */
#include "dataplane/net/packet.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/dns/wire.h"
#include "dataplane/net/checksum.h"

#define ETHERTYPE_IPV4	    0x0800
#define ETHERTYPE_IPV6	    0x86dd
#define ETHERTYPE_8021Q	    0x8100
#define ETHERTYPE_8021AD    0x88a8
#define PROTO_UDP	    17
#define TTL		    64
#define IPV4_MORE_OR_OFFSET 0x3fff
#define IPV4_DONT_FRAGMENT  0x4000
#define IPV4_OPTION_LSRR    131
#define IPV4_OPTION_SSRR    137

/* An address as two words, an IPv4 one as the first half of the first, so that comparing takes no loop. */
struct address {
	uint64_t word[2];
	uint64_t family; /* 0: a free slot */
};

struct packet_listen {
	uint32_t mask;
	struct address slot[];
};

static inline size_t addr_len(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

static inline struct address address_load(uint8_t family, const uint8_t *addr)
{
	struct address a = {.family = family};
	uint32_t half;

	if (family == 4) {
		memcpy(&half, addr, 4);
		a.word[0] = half;
	} else {
		memcpy(&a.word[0], addr, 8);
		memcpy(&a.word[1], addr + 8, 8);
	}
	return a;
}

/* Listen addresses come from the configuration: no attacker chooses them, so a plain mix does. */
static inline uint32_t address_hash(const struct address *a)
{
	uint64_t h = a->word[0] ^ (a->word[1] << 1 | a->word[1] >> 63);

	return (uint32_t)(h * 0x9e3779b97f4a7c15 >> 32); // 2^64 / golden ratio
}

/* The slot that holds the address, or the free one where it belongs. */
static inline uint32_t find_slot(const struct packet_listen *l, const struct address *a)
{
	uint32_t i = address_hash(a) & l->mask;

	while (l->slot[i].family != 0 && (l->slot[i].word[0] != a->word[0] ||
					  l->slot[i].word[1] != a->word[1] || l->slot[i].family != a->family))
		i = (i + 1) & l->mask;
	return i;
}

struct packet_listen *packet_listen_new(unsigned cnt)
{
	uint32_t slot_cnt = 4;
	struct packet_listen *l;

	while (slot_cnt < cnt * 4) // a quarter full: a miss ends at the first look, mostly
		slot_cnt *= 2;
	l = calloc(1, sizeof(*l) + slot_cnt * sizeof(l->slot[0]));
	if (l != NULL)
		l->mask = slot_cnt - 1;
	return l;
}

bool packet_listen_add(struct packet_listen *l, uint8_t family, const uint8_t *addr)
{
	struct address a = address_load(family, addr);
	uint32_t i = find_slot(l, &a);

	if (l->slot[i].family != 0)
		return false;
	l->slot[i] = a;
	return true;
}

/* Inlined with a constant family on the packet path. */
static inline bool listen_has(const struct packet_listen *l, uint8_t family, const uint8_t *addr)
{
	struct address a = address_load(family, addr);

	return l->slot[find_slot(l, &a)].family != 0;
}

bool packet_listen_has(const struct packet_listen *l, uint8_t family, const uint8_t *addr)
{
	return family == 4 ? listen_has(l, 4, addr) : listen_has(l, 6, addr);
}

void packet_listen_free(struct packet_listen *l)
{
	free(l);
}

static const uint8_t zeros[16];

static bool ipv6_source_valid(const uint8_t *addr)
{
	if (addr[0] == 0xff) // multicast, RFC 4291 2.7
		return false;
	if (addr[0] != 0)
		return true;
	if (memcmp(addr, zeros, 15) == 0 && addr[15] <= 1) // unspecified, loopback
		return false;
	return !(memcmp(addr, zeros, 10) == 0 && addr[10] == 0xff && addr[11] == 0xff); // v4-mapped
}

bool packet_source_valid(uint8_t family, const uint8_t *addr)
{
	if (family == 6)
		return ipv6_source_valid(addr);
	return addr[0] != 0 && addr[0] != 127 &&
	       addr[0] < 224; // this network, loopback, multicast, class E, broadcast
}

/* Source and destination address lie side by side in both headers. Inlined with a constant family. */
static inline uint64_t pseudo_sum(uint8_t family, const uint8_t *addrs, uint16_t udp_len)
{
	return checksum_add(checksum_be16(udp_len) + checksum_be16(PROTO_UDP), addrs, 2 * addr_len(family));
}

/* Skips the Ethernet header and up to two tags. Returns the EtherType and sets l3_at; -1: too short. */
static int parse_ethernet(const uint8_t *frame, size_t len, struct packet *out)
{
	size_t at = PACKET_ETH_LEN;
	uint16_t type;

	if (len < PACKET_ETH_LEN)
		return -1;
	type = wire_load16(frame + 12);
	for (unsigned tags = 0;
	     tags < PACKET_VLANS_MAX && (type == ETHERTYPE_8021Q || type == ETHERTYPE_8021AD); tags++) {
		if (len < at + PACKET_VLAN_LEN)
			return -1;
		type = wire_load16(frame + at + 2);
		at += PACKET_VLAN_LEN;
	}
	out->l3_at = (uint16_t)at;
	return type;
}

/* A request must not tell us the way back (RFC 7126 4.3, 4.4); other options are ignored. */
static bool ipv4_options_valid(const uint8_t *opt, size_t len)
{
	while (len > 0 && opt[0] != 0) {
		size_t opt_len = 1;

		if (opt[0] != 1) { // no-operation has no length octet
			if (len < 2 || opt[1] < 2 || opt[1] > len)
				return false;
			if (opt[0] == IPV4_OPTION_LSRR || opt[0] == IPV4_OPTION_SSRR)
				return false;
			opt_len = opt[1];
		}
		opt += opt_len;
		len -= opt_len;
	}
	return true;
}

/* Leaves the length of the IP payload in msg_len and where it starts in udp_at. */
static enum packet_verdict parse_ipv4(const struct packet_filter *filter, const uint8_t *frame, size_t len,
				      unsigned verified, struct packet *out)
{
	const uint8_t *ip = frame + out->l3_at;
	size_t left = len - out->l3_at, hdr_len, ip_len;
	uint64_t sum;

	if (left < PACKET_IPV4_LEN)
		return PACKET_DROP_RUNT;
	hdr_len = (ip[0] & 0xfu) * 4;
	ip_len = wire_load16(ip + 2);
	if (ip[0] >> 4 != 4 || hdr_len < PACKET_IPV4_LEN || hdr_len > ip_len)
		return PACKET_DROP_IP_HEADER;
	if (ip_len > left) // a longer frame is padding
		return PACKET_DROP_IP_LENGTH;
	if (ip[9] != PROTO_UDP || (wire_load16(ip + 6) & IPV4_MORE_OR_OFFSET) != 0 ||
	    !listen_has(filter->listen, 4, ip + 16))
		return PACKET_PUNT;
	sum = checksum_add(0, ip, PACKET_IPV4_LEN);
	if (hdr_len > PACKET_IPV4_LEN) {
		sum = checksum_add(sum, ip + PACKET_IPV4_LEN, hdr_len - PACKET_IPV4_LEN);
		if (!ipv4_options_valid(ip + PACKET_IPV4_LEN, hdr_len - PACKET_IPV4_LEN))
			return PACKET_DROP_IP_HEADER;
	}
	if (!(verified & PACKET_IP_VERIFIED) && checksum_fold(sum) != UINT16_MAX)
		return PACKET_DROP_IP_HEADER;
	out->family = 4;
	out->udp_at = (uint16_t)(out->l3_at + hdr_len);
	out->msg_len = (uint16_t)(ip_len - hdr_len);
	return PACKET_QUERY;
}

/* Extension headers are punted: no resolver sends them, and a fragment is one of them. */
static enum packet_verdict parse_ipv6(const struct packet_filter *filter, const uint8_t *frame, size_t len,
				      struct packet *out)
{
	const uint8_t *ip = frame + out->l3_at;
	size_t left = len - out->l3_at, payload_len;

	if (left < PACKET_IPV6_LEN)
		return PACKET_DROP_RUNT;
	if (ip[0] >> 4 != 6)
		return PACKET_DROP_IP_HEADER;
	payload_len = wire_load16(ip + 4);
	if (payload_len > left - PACKET_IPV6_LEN)
		return PACKET_DROP_IP_LENGTH;
	if (ip[6] != PROTO_UDP || !listen_has(filter->listen, 6, ip + 24))
		return PACKET_PUNT;
	out->family = 6;
	out->udp_at = (uint16_t)(out->l3_at + PACKET_IPV6_LEN);
	out->msg_len = (uint16_t)payload_len;
	return PACKET_QUERY;
}

static bool udp_checksum_valid(const struct packet_filter *filter, const uint8_t *frame, uint16_t udp_len,
			       struct packet *out)
{
	const uint8_t *udp = frame + out->udp_at, *addrs = packet_client(out, frame);
	uint64_t pseudo = out->family == 4 ? pseudo_sum(4, addrs, udp_len) : pseudo_sum(6, addrs, udp_len);
	uint16_t field;

	memcpy(&field, udp + 6, sizeof(field));
	if (field == 0)
		return out->family == 4; // RFC 768: none; RFC 8200 8.1: not over IPv6
	if (checksum_fold(checksum_add(pseudo, udp, udp_len)) == UINT16_MAX)
		return true;
	out->partial = filter->partial_checksum && field == checksum_fold(pseudo);
	return out->partial;
}

static bool source_answered(const struct packet_filter *filter, const uint8_t *frame, const struct packet *p)
{
	return packet_source_port_valid(packet_client_port(p, frame)) &&
	       packet_source_valid(p->family, packet_client(p, frame)) &&
	       !packet_listen_has(filter->listen, p->family, packet_client(p, frame));
}

static enum packet_verdict parse_udp(const struct packet_filter *filter, const uint8_t *frame,
				     unsigned verified, struct packet *out)
{
	const uint8_t *udp = frame + out->udp_at;
	uint16_t payload_len = out->msg_len, udp_len;

	if (payload_len < PACKET_UDP_LEN)
		return PACKET_DROP_UDP_LENGTH;
	if (wire_load16(udp + 2) != PACKET_DNS_PORT)
		return PACKET_PUNT;
	udp_len = wire_load16(udp + 4);
	if (udp_len < PACKET_UDP_LEN ||
	    udp_len > payload_len) // shorter is allowed: RFC 9868 puts options there
		return PACKET_DROP_UDP_LENGTH;
	if (!source_answered(filter, frame, out))
		return PACKET_DROP_SOURCE;
	out->partial = false;
	if (!(verified & PACKET_UDP_VERIFIED) && !udp_checksum_valid(filter, frame, udp_len, out))
		return PACKET_DROP_UDP_CHECKSUM;
	out->msg_at = (uint16_t)(out->udp_at + PACKET_UDP_LEN);
	out->msg_len = (uint16_t)(udp_len - PACKET_UDP_LEN);
	return PACKET_QUERY;
}

enum packet_verdict packet_parse(const struct packet_filter *filter, const uint8_t *frame, size_t len,
				 unsigned verified, struct packet *out)
{
	int type = parse_ethernet(frame, len, out);
	enum packet_verdict v;

	if (type < 0)
		return PACKET_DROP_RUNT;
	// A unicast address in a frame to a group is not for us to answer (RFC 1122 3.3.6), nor is another station's.
	if ((frame[0] & 1) != 0 || (filter->mac_exact && memcmp(frame, filter->mac, 6) != 0))
		return PACKET_PUNT;
	if (type == ETHERTYPE_IPV4)
		v = parse_ipv4(filter, frame, len, verified, out);
	else if (type == ETHERTYPE_IPV6)
		v = parse_ipv6(filter, frame, len, out);
	else
		return PACKET_PUNT;
	if (v != PACKET_QUERY)
		return v;
	if ((frame[6] & 1) != 0) // the sender's own address is never a group (IEEE 802.3 3.2.3)
		return PACKET_DROP_SOURCE;
	return parse_udp(filter, frame, verified, out);
}

/*
 * Headers are written as whole words and their checksums made from the numbers in hand: octets just stored would have
 * to leave the store buffer before they could be loaded again as words.
 */
static inline void store64(uint8_t *p, uint64_t v)
{
	uint64_t word = htobe64(v);

	memcpy(p, &word, sizeof(word));
}

static inline void store32(uint8_t *p, uint32_t v)
{
	uint32_t word = htobe32(v);

	memcpy(p, &word, sizeof(word));
}

/* The two 16-bit words of a number, added. */
static inline uint64_t words_of(uint32_t v)
{
	return (v >> 16) + (v & UINT16_MAX);
}

/* A sum of 16-bit numbers in host order, folded. */
static inline uint16_t fold_numbers(uint64_t sum)
{
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

/* addrs: the sum of source and destination. */
static inline void write_udp(uint8_t *udp, uint64_t addrs, uint16_t client_port, size_t msg_len,
			     enum packet_tx_checksum mode)
{
	uint64_t udp_len = PACKET_UDP_LEN + msg_len, pseudo = addrs + PROTO_UDP + udp_len;
	uint16_t sum;

	if (mode == PACKET_TX_OFFLOAD) {
		sum = fold_numbers(pseudo);
	} else {
		uint16_t msg = checksum_number(checksum_fold(checksum_add(0, udp + PACKET_UDP_LEN, msg_len)));

		sum = (uint16_t)~fold_numbers(pseudo + PACKET_DNS_PORT + client_port + udp_len + msg);
		if (sum == 0) // means "none" on the wire: RFC 768
			sum = UINT16_MAX;
	}
	store64(udp, (uint64_t)PACKET_DNS_PORT << 48 | (uint64_t)client_port << 32 | udp_len << 16 | sum);
}

/* client and server are the request's source and destination. */
static inline void write_ipv4(uint8_t *ip, const uint8_t *client, const uint8_t *server, uint16_t client_port,
			      size_t msg_len, enum packet_tx_checksum mode)
{
	uint32_t src = wire_load32(server), dst = wire_load32(client);
	uint32_t ip_len = (uint32_t)(PACKET_IPV4_LEN + PACKET_UDP_LEN + msg_len);
	uint64_t addrs = words_of(src) + words_of(dst);
	// An atomic datagram needs no identification, RFC 6864 4.1.
	uint32_t length = 0x45000000 | ip_len, fragment = IPV4_DONT_FRAGMENT,
		 ttl = TTL << 24 | PROTO_UDP << 16;

	if (mode == PACKET_TX_SOFTWARE)
		ttl |= (uint16_t)~fold_numbers(words_of(length) + words_of(fragment) + words_of(ttl) + addrs);
	store64(ip, (uint64_t)length << 32 | fragment);
	store64(ip + 8, (uint64_t)ttl << 32 | src);
	store32(ip + 16, dst);
	write_udp(ip + PACKET_IPV4_LEN, addrs, client_port, msg_len, mode);
}

static inline void write_ipv6(uint8_t *ip, const uint8_t *client, const uint8_t *server, uint16_t client_port,
			      size_t msg_len, enum packet_tx_checksum mode)
{
	uint64_t udp_len = PACKET_UDP_LEN + msg_len, sum = 0;
	uint64_t words[4];

	memcpy(words, server, 16);
	memcpy(words + 2, client, 16);
	for (unsigned i = 0; i < 4; i++)
		sum = checksum_plus(sum, words[i]);
	store64(ip, 0x6000000000000000 | udp_len << 16 | PROTO_UDP << 8 | TTL);
	memcpy(ip + 8, words, sizeof(words));
	write_udp(ip + PACKET_IPV6_LEN, checksum_number(checksum_fold(sum)), client_port, msg_len, mode);
}

/* The addresses are read before anything is written: they may lie where the header goes. */
static void write_ip_udp(uint8_t *ip, uint8_t family, const uint8_t *client, const uint8_t *server,
			 uint16_t client_port, size_t msg_len, enum packet_tx_checksum mode)
{
	if (family == 4)
		write_ipv4(ip, client, server, client_port, msg_len, mode);
	else
		write_ipv6(ip, client, server, client_port, msg_len, mode);
}

/* The way back: the Ethernet addresses change places, the tags stay. */
static inline void swap_ethernet(uint8_t *l2)
{
	uint8_t own[6];

	memcpy(own, l2, 6);
	memcpy(l2, l2 + 6, 6);
	memcpy(l2 + 6, own, 6);
}

size_t packet_respond(const struct packet *p, uint8_t *frame, size_t msg_len, enum packet_tx_checksum mode,
		      size_t *out_at)
{
	size_t ip_len = p->family == 4 ? PACKET_IPV4_LEN : PACKET_IPV6_LEN;
	size_t ip_at = p->udp_at - ip_len, at = ip_at - p->l3_at;

	// The pieces of the request's IP header are read before the new one, or the moved tags, are written over it.
	write_ip_udp(frame + ip_at, p->family, packet_client(p, frame), packet_server(p, frame),
		     packet_client_port(p, frame), msg_len, mode);
	if (at != 0)
		memmove(frame + at, frame, p->l3_at);
	swap_ethernet(frame + at);
	*out_at = at;
	return p->l3_at + ip_len + PACKET_UDP_LEN + msg_len;
}

size_t packet_build(const struct packet_return *to, const uint8_t *msg, size_t msg_len, uint8_t *frame,
		    size_t cap)
{
	size_t ip_len = to->family == 4 ? PACKET_IPV4_LEN : PACKET_IPV6_LEN;
	size_t len = to->l2_len + ip_len + PACKET_UDP_LEN + msg_len;
	uint8_t *ip = frame + to->l2_len;

	if (len > cap || to->l2_len < PACKET_ETH_LEN || to->l2_len > PACKET_L2_MAX)
		return 0;
	memcpy(frame, to->l2, to->l2_len);
	swap_ethernet(frame);
	memcpy(ip + ip_len + PACKET_UDP_LEN, msg, msg_len);
	write_ip_udp(ip, to->family, to->client, to->server, to->client_port, msg_len, PACKET_TX_SOFTWARE);
	return len;
}
