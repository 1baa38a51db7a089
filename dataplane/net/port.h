/*
 * A port: a DPDK device of one of the four kinds, one queue pair per worker, and perhaps an exception TAP beside it.
 * Control thread; after port_open a worker only reads it.
 */
#pragma once

#include "dataplane/net/eal.h"
#include "dataplane/net/packet.h"
#include "dataplane/net/port_xdp.h"

#define PORT_NONE UINT16_MAX

/* Below this MTU an answer of 512 octets, which every requester must take, may not fit (RFC 8200 5). */
#define PORT_MTU_MIN 1280

struct rte_mempool;

struct port {
	struct net_port_config config;
	struct packet_filter filter;
	struct port_xdp xdp;	   /* NET_AF_XDP only */
	char device[NET_TEXT_MAX]; /* how DPDK calls the device */
	char tap_device[32];
	uint16_t index;
	uint16_t id;	 /* DPDK port, or PORT_NONE */
	uint16_t tap_id; /* the exception port, or PORT_NONE */
	uint16_t queue_cnt;
	uint16_t rx_ring, tx_ring;
	uint16_t mtu;
	bool offload; /* the device completes transmit checksums */
};

/* Fills *p and looks whether it can work, before DPDK starts. Returns 0 or -errno with a sentence. */
int port_check(struct port *p, const struct net_port_config *config, uint16_t index, uint16_t queue_cnt,
	       struct net_error *err);

/* Is there a TAP of DPDK's, or may there be? See tap_signals.h. */
bool port_may_have_tap(const struct port *p);

/* How many packet buffers one queue pair of this port can hold. */
unsigned port_buffers(const struct port *p);

struct port_env {
	struct eal *eal;
	struct rte_mempool *const *pools; /* one per queue */
	const struct packet_listen *listen;
	const struct net_address *addresses;
	unsigned address_cnt;
};

/* Opens the device and starts it. Returns 0 or -errno with a sentence, port_close is due in both cases. */
int port_open(struct port *p, const struct port_env *env, struct net_error *err);
void port_close(struct port *p);

int port_info(const struct port *p, struct net_port_info *out);
