/*
 * Fuzz target: frames. An input is one octet of options and then the frame. The addresses we answer for are
 * 192.0.2.1 and 2001:db8::1, the port's is 02:00:00:00:00:01.
 *
 * What is taken for a request must lie inside the frame and be for us; its response must carry right lengths, right
 * checksums and the addresses the other way round, wherever the request had options or tags.
 */
#include "dataplane/net/packet.h"
#include "dataplane/dns/wire.h"
#include "tests/fuzz/frame_check.h"

#define OPTION_MAC_EXACT 0x04 /* the lower bits are PACKET_*_VERIFIED */
#define OPTION_PARTIAL	 0x08
#define MSG_MAX		 1232

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

/* Answers with msg_len octets in a buffer that ends exactly where they do. */
static void respond(const struct packet *p, const uint8_t *frame, size_t len, size_t msg_len)
{
	size_t room = p->msg_at + msg_len, keep = len < room ? len : room, at, out_len;
	struct frame_request r = frame_keep(p, frame);
	uint8_t *buf = malloc(room);

	HOLDS(buf != NULL);
	memset(buf, 0x5a, room);
	memcpy(buf, frame, keep);
	out_len = packet_respond(p, buf, msg_len, PACKET_TX_SOFTWARE, &at);
	HOLDS(at + out_len == room);
	frame_check_response(p, &r, buf + at, out_len, msg_len);
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
	listen = frame_listen();
	filter.listen = listen;
	filter.mac_exact = (data[0] & OPTION_MAC_EXACT) != 0;
	filter.partial_checksum = (data[0] & OPTION_PARTIAL) != 0;
	memcpy(filter.mac, our_mac, sizeof(filter.mac));
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
