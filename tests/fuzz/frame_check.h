/*
 * What holds for the response frame to any request frame: right lengths, right checksums, and the addresses the other way
 * round. The addresses we answer for are 192.0.2.1 and 2001:db8::1, the port's is 02:00:00:00:00:01.
 */
#pragma once

#include "dataplane/net/checksum.h"
#include "dataplane/net/packet.h"
#include "tests/fuzz/holds.h"

static const uint8_t our_mac[6] = {0x02, 0, 0, 0, 0, 0x01};
static const uint8_t our4[4] = {192, 0, 2, 1}, our6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};

/* What a request was, kept before the response is written over it. */
struct frame_request {
	uint8_t l2[PACKET_L2_MAX];
	uint8_t client[16];
	uint16_t client_port;
	size_t addr_len;
};

static inline struct frame_request frame_keep(const struct packet *p, const uint8_t *frame)
{
	struct frame_request r = {.client_port = packet_client_port(p, frame),
				  .addr_len = p->family == 4 ? 4 : 16};

	memcpy(r.l2, frame, p->l3_at);
	memcpy(r.client, packet_client(p, frame), r.addr_len);
	return r;
}

/* len octets at out, of them msg_len of response at the end; software checksums. */
static inline void frame_check_response(const struct packet *p, const struct frame_request *r,
					const uint8_t *out, size_t len, size_t msg_len)
{
	const uint8_t *ip = out + p->l3_at, *udp = ip + (p->family == 4 ? PACKET_IPV4_LEN : PACKET_IPV6_LEN);
	const uint8_t *addrs = ip + (p->family == 4 ? 12 : 8);
	size_t udp_len = PACKET_UDP_LEN + msg_len;
	uint64_t pseudo = checksum_be16(17) + checksum_be16((uint16_t)udp_len);

	HOLDS(len == (size_t)(udp - out) + udp_len);
	HOLDS(memcmp(out, r->l2 + 6, 6) == 0 && memcmp(out + 6, r->l2, 6) == 0);
	HOLDS(memcmp(out + 12, r->l2 + 12, p->l3_at - 12) == 0);
	HOLDS(memcmp(addrs, p->family == 4 ? our4 : our6, r->addr_len) == 0);
	HOLDS(memcmp(addrs + r->addr_len, r->client, r->addr_len) == 0);
	if (p->family == 4)
		HOLDS(wire_load16(ip + 6) == 0x4000); // never to be fragmented: RFC 9715 3.1
	HOLDS(wire_load16(udp) == PACKET_DNS_PORT && wire_load16(udp + 2) == r->client_port);
	HOLDS(wire_load16(udp + 4) == udp_len && wire_load16(udp + 6) != 0);
	pseudo = checksum_add(pseudo, addrs, 2 * r->addr_len);
	HOLDS(checksum_fold(checksum_add(pseudo, udp, udp_len)) == UINT16_MAX);
	if (p->family == 4) {
		HOLDS(ip[0] == 0x45 && wire_load16(ip + 2) == PACKET_IPV4_LEN + udp_len);
		HOLDS(checksum_fold(checksum_add(0, ip, PACKET_IPV4_LEN)) == UINT16_MAX);
	} else {
		HOLDS(ip[0] == 0x60 && wire_load16(ip + 4) == udp_len);
	}
}

static inline struct packet_listen *frame_listen(void)
{
	struct packet_listen *listen = packet_listen_new(2);

	HOLDS(listen != NULL);
	packet_listen_add(listen, 4, our4);
	packet_listen_add(listen, 6, our6);
	return listen;
}
