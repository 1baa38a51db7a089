/*
 * Fuzz target: frames. An input is one octet of options and then the frame. The addresses we answer for are
 * 192.0.2.1 and 2001:db8::1, the port's is 02:00:00:00:00:01.
 *
 * What is taken for a request must lie inside the frame and be for us; its response must carry right lengths, right
 * checksums and the addresses the other way round, wherever the request had options or tags.
 */
#include "dataplane/net/packet.h"
#include "dataplane/dns/wire.h"
#include "dataplane/net/checksum.h"
#include "tests/fuzz/holds.h"

#define OPTION_MAC_EXACT 0x04 /* the lower bits are PACKET_*_VERIFIED */
#define OPTION_PARTIAL	 0x08
#define MSG_MAX		 1232

static const uint8_t our_mac[6] = {0x02, 0, 0, 0, 0, 0x01};
static const uint8_t our4[4] = {192, 0, 2, 1}, our6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};

/* What a request was, kept before the response is written over it. */
struct request {
	uint8_t l2[PACKET_L2_MAX];
	uint8_t client[16];
	uint16_t client_port;
	size_t addr_len;
};

static void check_request(const struct packet *p, const uint8_t *frame, size_t len, unsigned options)
{
	HOLDS(p->family == 4 || p->family == 6);
	HOLDS(p->l3_at >= PACKET_ETH_LEN && p->l3_at <= PACKET_L2_MAX);
	HOLDS(p->udp_at >= p->l3_at + (p->family == 4 ? PACKET_IPV4_LEN : PACKET_IPV6_LEN));
	HOLDS(p->msg_at == p->udp_at + PACKET_UDP_LEN);
	HOLDS((size_t)p->msg_at + p->msg_len <= len);
	HOLDS(memcmp(packet_server(p, frame), p->family == 4 ? our4 : our6, p->family == 4 ? 4 : 16) == 0);
	HOLDS(wire_load16(frame + p->udp_at + 2) == PACKET_DNS_PORT);
	HOLDS(packet_client_port(p, frame) != 0 && packet_client_port(p, frame) != 19);
	HOLDS(packet_source_valid(p->family, packet_client(p, frame)));
	HOLDS(!p->partial || (options & OPTION_PARTIAL));
	HOLDS((frame[0] & 1) == 0 && (frame[6] & 1) == 0);
	if (options & OPTION_MAC_EXACT)
		HOLDS(memcmp(frame, our_mac, 6) == 0);
}

static void check_response(const struct packet *p, const struct request *r, const uint8_t *out, size_t len,
			   size_t msg_len)
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

/* Answers with msg_len octets in a buffer that ends exactly where they do. */
static void respond(const struct packet *p, const uint8_t *frame, size_t len, size_t msg_len)
{
	size_t room = p->msg_at + msg_len, keep = len < room ? len : room, at, out_len;
	struct request r = {.client_port = packet_client_port(p, frame), .addr_len = p->family == 4 ? 4 : 16};
	uint8_t *buf = malloc(room);

	HOLDS(buf != NULL);
	memcpy(r.l2, frame, p->l3_at);
	memcpy(r.client, packet_client(p, frame), r.addr_len);
	memset(buf, 0x5a, room);
	memcpy(buf, frame, keep);
	out_len = packet_respond(p, buf, msg_len, PACKET_TX_SOFTWARE, &at);
	HOLDS(at + out_len == room);
	check_response(p, &r, buf + at, out_len, msg_len);
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct packet_listen *listen;
	struct packet_filter filter = {0};
	uint8_t *frame;
	struct packet p;

	if (len < 1 || len > UINT16_MAX)
		return 0;
	listen = packet_listen_new(2);
	HOLDS(listen != NULL);
	filter.listen = listen;
	filter.mac_exact = (data[0] & OPTION_MAC_EXACT) != 0;
	filter.partial_checksum = (data[0] & OPTION_PARTIAL) != 0;
	memcpy(filter.mac, our_mac, sizeof(filter.mac));
	packet_listen_add(listen, 4, our4);
	packet_listen_add(listen, 6, our6);
	frame = malloc(len); // ends where the frame does, so that a sanitizer sees a read beyond
	HOLDS(frame != NULL);
	memcpy(frame + 1, data + 1, len - 1);
	if (packet_parse(&filter, frame + 1, len - 1, data[0] & (PACKET_IP_VERIFIED | PACKET_UDP_VERIFIED),
			 &p) == PACKET_QUERY) {
		check_request(&p, frame + 1, len - 1, data[0]);
		for (size_t msg_len = 12; msg_len <= MSG_MAX; msg_len += 61)
			respond(&p, frame + 1, len - 1, msg_len);
	}
	free(frame);
	packet_listen_free(listen);
	return 0;
}
