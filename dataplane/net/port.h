/*
 * A port: a DPDK device of one of the four kinds, one queue pair per worker, and perhaps an exception TAP beside it.
 * Control thread; after port_open a worker only reads it, and only while it is not away.
 *
 * Some devices have a queue for each worker that DPDK's driver does not see (a veth has no combined channels): there each
 * queue is a DPDK device of its own, and the port is split.
 */
#pragma once

#include "dataplane/net/eal.h"
#include "dataplane/net/packet.h"
#include "dataplane/net/port_fds.h"
#include "dataplane/net/port_xdp.h"

#include <stdatomic.h>

#define PORT_NONE UINT16_MAX

/* Below this MTU an answer of 512 octets, which every requester must take, may not fit (RFC 8200 5). */
#define PORT_MTU_MIN 1280

struct rte_eth_conf;
struct rte_eth_dev_info;
struct rte_mempool;

/* What a device lacks; port_lacks_text has the sentences. */
enum port_lack {
	PORT_NO_RSS = 1 << 0,
	PORT_NO_RSS_UDP4 = 1 << 1,
	PORT_NO_RSS_UDP6 = 1 << 2,
	PORT_NO_RSS_KEY = 1 << 3,
	PORT_NO_TX_CHECKSUM = 1 << 4,
	PORT_NO_RX_CHECKSUM = 1 << 5,
};

/* Where a port is in its life; the control loop's alone. port_events.c */
enum port_state {
	PORT_PRESENT,
	PORT_LEAVING, /* gone, but a worker may be in it still */
	PORT_ABSENT,  /* closed, and looked for */
};

/* What the control loop remembers of a port while its device comes and goes. */
struct port_life {
	enum port_state state;
	bool link_down;	  /* as last told */
	uint64_t left_at; /* cycles: workers whose turn began later have let go */
	uint64_t look_at; /* cycles: when to look for it again */
	uint64_t link_changes, removals;
	struct net_port_info last; /* counters of devices that were closed, summed */
	char refusal[sizeof(((struct net_error *)NULL)->text)]; /* why it was not used again, as last told */
};

struct port {
	_Atomic bool away; /* the control loop writes, workers read: do not touch anything else here */
	/* Written by DPDK's interrupt thread, read by the control loop. */
	_Atomic bool removed;
	_Atomic uint32_t link_events;
	struct port_life life;
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
	bool offload;	/* the device completes transmit checksums */
	unsigned lacks; /* enum port_lack */
	bool split;	/* each queue is a device: split_id[queue] */
	uint16_t split_id[XDP_QUEUES_MAX];
	struct port_fds *fds;			      /* NET_AF_XDP: what its driver opened */
	struct rte_mempool *own_pool[XDP_QUEUES_MAX]; /* NET_AF_XDP only, by queue; see port_open */
};

/* The device and its queue that a worker has. */
static inline uint16_t port_id(const struct port *p, uint16_t worker)
{
	return p->split ? p->split_id[worker] : p->id;
}

static inline uint16_t port_queue(const struct port *p, uint16_t worker)
{
	return p->split ? 0 : worker;
}

static inline bool port_is_away(const struct port *p)
{
	return atomic_load_explicit(&p->away, memory_order_acquire); // pairs with port_come_back
}

/* port_check.c. Fills *p and looks whether it can work, before DPDK starts. Returns 0 or -errno with a sentence. */
int port_check(struct port *p, const struct net_port_config *config, uint16_t index, uint16_t queue_cnt,
	       struct net_error *err);

/* Is there a TAP of DPDK's, or may there be? See tap_signals.h. */
bool port_may_have_tap(const struct port *p);

/* How many packet buffers one queue pair of this port can hold. */
unsigned port_buffers(const struct port *p);

/* Buffers in a worker's hands: a burst each way, replies, some air; and per-lcore caches of a pool. */
#define PORT_POOL_SPARE 512
#define PORT_POOL_CACHE 256
/* A buffer of 2,048 octets with headroom, what DPDK keeps about it, and alignment. */
#define PORT_MBUF_OCTETS (2048 + 128 + 128 + 128)

/* Whether the port has pools of its own, which go and come with it. */
static inline bool port_has_own_pools(const struct port *p)
{
	return p->config.driver == NET_AF_XDP;
}

/*
 * A pool of buffers for one worker. Returns it, or NULL with *err filled. name: of at most 25 octets.
 */
struct rte_mempool *port_pool_new(struct eal *eal, const char *name, unsigned worker, unsigned buffers,
				  struct net_error *err);

struct port_env {
	struct eal *eal;
	struct rte_mempool *const *pools; /* one per queue, for ports without their own */
	const struct packet_listen *listen;
	const struct net_address *addresses;
	unsigned address_cnt;
};

/* Opens the device and starts it. Returns 0 or -errno with a sentence, port_close is due in both cases. */
int port_open(struct port *p, const struct port_env *env, struct net_error *err);
void port_close(struct port *p);

/* port_events.c: DPDK tells of links and removals from now on. Returns 0 or -errno with a sentence. */
int port_listen_events(struct port *p, struct net_error *err);
void port_unlisten_events(struct port *p);

int port_info(const struct port *p, struct net_port_info *out);
bool port_link_up(const struct port *p);

/*
 * port_offload.c. Chooses what a device of so many queues is asked for: checksums, RSS over addresses and UDP ports with a
 * key that puts both directions of a flow into one queue. Fills conf and returns what is lacking, enum port_lack; *out_tx:
 * the device completes transmit checksums. key: room for the RSS key, which conf points to.
 */
#define PORT_RSS_KEY_MAX 64
unsigned port_choose(const struct rte_eth_dev_info *info, unsigned queue_cnt, struct rte_eth_conf *conf,
		     uint8_t key[PORT_RSS_KEY_MAX], bool *out_tx);

/* The sentences for what a port lacks, one a call: *iter starts at 0; NULL: no more. */
const char *port_lacks_text(unsigned lacks, unsigned *iter);

/* port_check.c. For a device that may have come back: is it there and fit? As port_check. */
int port_check_again(struct port *p, struct net_error *err);
