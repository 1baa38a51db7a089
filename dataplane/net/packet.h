/*
 * Frames: is this a DNS request for us, and what do the headers of the response look like? Octets and lengths only,
 * no DPDK types, so that tests and fuzzers reach everything. Reads every frame as hostile.
 *
 * Hot path: no malloc, lock, log, syscall.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/dns/wire.h"

#define PACKET_ETH_LEN	   14
#define PACKET_VLAN_LEN	   4
#define PACKET_VLANS_MAX   2 /* 802.1Q in 802.1ad; a third tag is not ours */
#define PACKET_L2_MAX	   (PACKET_ETH_LEN + PACKET_VLANS_MAX * PACKET_VLAN_LEN)
#define PACKET_IPV4_LEN	   20
#define PACKET_IPV6_LEN	   40
#define PACKET_UDP_LEN	   8
#define PACKET_HEADERS_MAX (PACKET_L2_MAX + PACKET_IPV6_LEN + PACKET_UDP_LEN)
#define PACKET_DNS_PORT	   53

/*
 * What a frame is. Everything that is not for us or not understood is punted: the kernel judges it. Dropped is what
 * the kernel would drop too, and what must not be answered.
 */
enum packet_verdict {
	PACKET_QUERY,
	PACKET_PUNT,
	PACKET_DROP_RUNT,
	PACKET_DROP_IP_HEADER,
	PACKET_DROP_IP_LENGTH,
	PACKET_DROP_UDP_LENGTH,
	PACKET_DROP_UDP_CHECKSUM,
	PACKET_DROP_SOURCE,
	PACKET_VERDICT_CNT
};

/* The addresses that we answer for: an open hash table, immutable once made. */
struct packet_listen;

/* Returns NULL when out of memory. add: false when it is there already. */
struct packet_listen *packet_listen_new(unsigned cnt);
bool packet_listen_add(struct packet_listen *l, uint8_t family, const uint8_t *addr);
bool packet_listen_has(const struct packet_listen *l, uint8_t family, const uint8_t *addr);
void packet_listen_free(struct packet_listen *l);

/* May a unicast packet come from this address, and may we send to it? False for martians (RFC 1122 3.2.1.3, RFC 4291). */
bool packet_source_valid(uint8_t family, const uint8_t *addr);

/*
 * May a request come from this port? Not from those whose owner answers whatever it gets, or that nobody asks from: an
 * answer could start a loop of two servers that answer each other (CVE-2024-2169). Port 53 may: primaries send NOTIFY from
 * it, and some resolvers ask from it; a name server there ignores our answer because of its QR bit, as we ignore its.
 */
static inline bool packet_source_port_valid(uint16_t port)
{
	switch (port) {
	case 0:	 // reserved, RFC 768
	case 7:	 // echo
	case 13: // daytime
	case 17: // quote of the day
	case 19: // character generator
	case 37: // time
		return false;
	}
	return true;
}

/* How one port reads frames. */
struct packet_filter {
	const struct packet_listen *listen;
	uint8_t mac[6];
	bool mac_exact; /* the port may see frames for other stations, which are none of our business */
	/*
	 * The sender is on this machine and left the UDP checksum to a device that the frame never met (veth): the
	 * field holds the sum of the pseudo header alone. Accepted, because nothing could have damaged the frame.
	 */
	bool partial_checksum;
};

/* Checksums that the NIC has verified. */
#define PACKET_IP_VERIFIED  0x1
#define PACKET_UDP_VERIFIED 0x2

/* Where things lie in a request, in octets from the start of the frame. */
struct packet {
	uint16_t l3_at; /* length of the Ethernet header with its tags */
	uint16_t udp_at;
	uint16_t msg_at;
	uint16_t msg_len;
	uint8_t family; /* 4 or 6 */
	bool partial;	/* had a partial checksum */
};

/*
 * Reads a frame of len octets. *out is complete for PACKET_QUERY only. verified: PACKET_*_VERIFIED bits.
 * RFC 791, RFC 8200, RFC 768, RFC 1122 3.2.1 and 4.1.3.
 */
enum packet_verdict packet_parse(const struct packet_filter *filter, const uint8_t *frame, size_t len,
				 unsigned verified, struct packet *out);

/* The request's source address, destination address and source port inside the frame. */
static inline const uint8_t *packet_client(const struct packet *p, const uint8_t *frame)
{
	return frame + p->l3_at + (p->family == 4 ? 12 : 8);
}

static inline const uint8_t *packet_server(const struct packet *p, const uint8_t *frame)
{
	return frame + p->l3_at + (p->family == 4 ? 16 : 24);
}

static inline uint16_t packet_client_port(const struct packet *p, const uint8_t *frame)
{
	return wire_load16(frame + p->udp_at);
}

/* The largest DNS message that fits a frame of a port with this MTU, never to be fragmented (RFC 9715 3.1). */
static inline uint32_t packet_msg_max(uint8_t family, uint32_t mtu)
{
	uint32_t headers = (family == 4 ? PACKET_IPV4_LEN : PACKET_IPV6_LEN) + PACKET_UDP_LEN;

	return mtu > headers ? mtu - headers : 0;
}

enum packet_tx_checksum {
	PACKET_TX_SOFTWARE, /* both checksums are complete */
	PACKET_TX_OFFLOAD, /* IPv4 header checksum 0, UDP checksum of the pseudo header: the NIC completes them */
};

/*
 * Turns the request's headers into the response's: msg_len octets of response lie at msg_at already. The response
 * frame starts at *out_at (not 0 when the request had IPv4 options, which are not repeated) and its length is
 * returned. Addresses and ports swapped, VLAN tags kept, TTL and hop limit 64, DF (RFC 9715 3.1).
 */
size_t packet_respond(const struct packet *p, uint8_t *frame, size_t msg_len, enum packet_tx_checksum mode,
		      size_t *out_at);

/*
 * Builds a whole response frame from pieces, for an answer that comes later from the control loop: l2 is the Ethernet
 * header of the request as received, addresses are the request's. cap octets at frame. Returns the length, 0 when it
 * does not fit. Software checksums.
 */
struct packet_return {
	const uint8_t *l2;
	const uint8_t *client; /* 4 or 16 octets */
	const uint8_t *server;
	uint16_t l2_len;
	uint16_t client_port;
	uint8_t family;
};
size_t packet_build(const struct packet_return *to, const uint8_t *msg, size_t msg_len, uint8_t *frame,
		    size_t cap);
