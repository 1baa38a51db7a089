/*
 * The packet plane as the rest of Lockstep sees it: ports and workers are opened from a plain description, started,
 * counted and stopped. No DPDK type leaves this folder; an mbuf never does.
 *
 * Threads: everything here is called by the control loop, which is the EAL main lcore, unless it says otherwise.
 */
#pragma once

#include "dataplane/answer/answer.h"

struct net;

enum net_driver {
	NET_AF_XDP, /* a kernel interface; our XDP program takes UDP to port 53 of our addresses, the kernel the rest */
	NET_PCI,   /* a device bound to vfio-pci or a bifurcated one; `exception` carries the rest */
	NET_VDEV,  /* any DPDK vdev by its arguments: net_tap0,..., net_pcap0,..., net_ring0 */
	NET_MEMIF, /* shared memory with another process: tests, benchmarks, VPP */
};

enum net_idle {
	NET_IDLE_BUSY,	   /* the worker polls without pause: cores of its own */
	NET_IDLE_ADAPTIVE, /* sleeps (RCU offline) up to idle_sleep_us when nothing came (idle.h): shared cores */
};

struct net_address {
	uint8_t family; /* 4 or 6 */
	uint8_t addr[16];
};

#define NET_TEXT_MAX 256

struct net_port_config {
	enum net_driver driver;
	char device[NET_TEXT_MAX]; /* interface name, PCI address, vdev arguments, or memif socket path */
	char args[NET_TEXT_MAX];   /* more device arguments, comma separated, may be empty */
	char exception[16]; /* name of the TAP to make for what is not ours; empty: none (a counted drop) */
	uint16_t memif_id;
	bool memif_server;
	uint16_t rx_ring; /* descriptors; 0: default */
	uint16_t tx_ring;
};

struct net_config {
	const struct net_port_config *ports;
	unsigned port_cnt;
	const struct net_address *listen;
	unsigned listen_cnt;
	const uint16_t *worker_cpus; /* one worker per entry; worker i polls queue i of every port */
	unsigned worker_cnt;
	uint16_t main_cpu;
	/*
	 * Whom control expects requests of, each a rule with a number from 1: each has a share of the ring, strangers together a
	 * small one. NULL: nobody. See net_set_peers.
	 */
	const struct acl *peers;
	uint32_t memory_mb; /* huge pages for packets; 0: ordinary memory (--no-huge) */
	const char *prefix; /* EAL --file-prefix */
	enum net_idle idle;
	uint32_t idle_sleep_us;
};

/* What went wrong, in a sentence that says what was tried, on what, why it failed and what to do. */
struct net_error {
	char text[512];
};

/*
 * EAL, mempools, ports, the XDP program. Returns 0, or -errno with *err filled; nothing is left behind then.
 * Once per process, as EAL is. The caller's thread keeps the CPUs that it had, less the workers'; with TAPs it has
 * real-time signals blocked from now on. Threads made later inherit both.
 */
int net_open(const struct net_config *config, struct net **out, struct net_error *err);

/* One engine per worker, in worker order; they stay the caller's. Workers register with RCU themselves. */
int net_start(struct net *n, struct answer_engine *const engines[], struct net_error *err);

/* Stops and joins the workers. */
void net_stop(struct net *n);
void net_close(struct net *n); /* ports, XDP program, TAPs, EAL */

/*
 * A request that a worker handed to the control loop (NOTIFY, a question that is signed): the octets, who sent it, and what
 * is needed to send the answer back the way it came. Through a bounded lock-free ring per worker, which no sender can take
 * from the others (share.h); what finds no place is a counted drop.
 */
#define NET_DGRAM_MAX 1500

struct net_dgram {
	uint8_t family; /* 4 or 6 */
	bool is_notify;
	uint8_t client[16];
	uint8_t server[16];
	uint16_t client_port; /* host order */
	uint16_t len;
	uint16_t port; /* where it came in */
	uint16_t worker;
	uint16_t share; /* whose slot it takes in the ring; the worker's, stays */
	uint16_t l2_len;
	uint8_t l2[22]; /* Ethernet header with up to two VLAN tags, as received */
	uint8_t msg[NET_DGRAM_MAX];
};

/* Control loop: who they are from now on; those who were may go after a grace period. */
void net_set_peers(struct net *n, const struct acl *peers);

/* Control loop: the next request, or false. Cheap when there is none; called from a short timer. */
bool net_dgram_recv(struct net *n, struct net_dgram *out);

/* Control loop: sends d->msg (d->len octets) back the way d came. Returns 0, or -ENOBUFS (counted). */
int net_dgram_reply(struct net *n, const struct net_dgram *d);

/* Declared in one list like ANSWER_COUNTERS; per worker. The module completes the list as it grows. */
#define NET_COUNTERS(X)                                                                                      \
	X(rx_packets, "frames received")                                                                     \
	X(tx_packets, "responses sent")                                                                      \
	X(rx_queries, "frames that carried a DNS request for a listen address")                              \
	X(rx_partial_checksum,                                                                               \
	  "requests whose UDP checksum the sender left to its virtual device (veth); accepted")              \
	X(tx_full, "responses dropped because the transmit queue was full")                                  \
	X(punt, "frames for the exception port: neither ours nor bad")                                       \
	X(punt_sent, "frames that the exception port took")                                                  \
	X(punt_full, "frames dropped because the exception port did not take them")                          \
	X(punt_size, "frames dropped because they are longer than the exception port takes")                 \
	X(punt_none, "frames dropped because they were not ours and the port has no exception port")         \
	X(exception_packets, "frames sent from the exception port to the wire")                              \
	X(exception_full, "frames from the exception port dropped because the transmit queue was full")      \
	X(drop_runt, "dropped: frame too short for its headers")                                             \
	X(drop_ip_header, "dropped: bad IP header (version, length, checksum, source route)")                \
	X(drop_ip_length, "dropped: IP length exceeds the frame")                                            \
	X(drop_udp_length, "dropped: UDP length below 8 or beyond the IP length")                            \
	X(drop_udp_checksum, "dropped: wrong UDP checksum, or none over IPv6")                               \
	X(drop_source, "dropped: source address or port that is never answered")                             \
	X(drop_room, "dropped: no room for a response in the frame's buffer")                                \
	X(drop_answer, "dropped by the answer engine; its own counters say why")                             \
	X(notify_requests, "NOTIFY handed to the control loop")                                              \
	X(notify_share, "NOTIFY dropped because its sender had its share of the ring to the control loop")   \
	X(notify_stranger, "NOTIFY from no peer's address, dropped because enough of them waited")           \
	X(notify_ring_full, "NOTIFY dropped because the ring to the control loop was full")                  \
	X(signed_requests, "signed questions handed to the control loop, which has the keys")                \
	X(signed_share, "signed questions dropped because their sender had its share of the ring")           \
	X(signed_stranger, "signed questions from no peer's address, dropped because enough of them waited") \
	X(signed_ring_full, "signed questions dropped because the ring to the control loop was full")        \
	X(notify_reply_full,                                                                                 \
	  "responses of the control loop dropped because the ring to the worker was full")                   \
	X(notify_no_buffer, "responses of the control loop dropped because the packet buffers had run out")  \
	X(notify_port_away, "responses of the control loop dropped because their port was removed")          \
	X(drop_notify_size,                                                                                  \
	  "NOTIFY, signed questions or responses to them dropped because they were too large")               \
	X(turns, "turns of the worker loop")                                                                 \
	X(turns_idle, "turns without a packet")                                                              \
	X(sleeps, "times the worker slept")                                                                  \
	X(cycles_rx, "clock cycles in receive bursts that brought frames")                                   \
	X(cycles_parse, "clock cycles in reading and sorting frames")                                        \
	X(cycles_answer, "clock cycles in the answer engine")                                                \
	X(cycles_tx, "clock cycles in response headers and transmit bursts")                                 \
	X(cycles_busy, "clock cycles of turns with a packet, whatever they did")                             \
	X(cycles_idle, "clock cycles of turns without one, sleep included")

enum net_counter {
#define X(name, help) NET_CNT_##name,
	NET_COUNTERS(X)
#undef X
		NET_COUNTER_CNT
};

extern const struct counter_text net_counter_text[NET_COUNTER_CNT];

unsigned net_worker_cnt(const struct net *n);
void net_worker_counters(const struct net *n, unsigned worker, uint64_t out[NET_COUNTER_CNT]);

/* How a worker keeps up. Any thread of ours; a moment that is being written may be off by one turn. */
struct net_worker_info {
	uint64_t cycles_per_s;	   /* of the cycles_* counters */
	uint64_t gap_worst_ns;	   /* longest time from one look at the ports to the next, sleep included */
	uint64_t gap_worst_ago_ns; /* how long ago it ended */
	uint64_t turn_ago_ns;	   /* since the last look began; 0: the worker has not started */
};
void net_worker_info(const struct net *n, unsigned worker, struct net_worker_info *out);

/*
 * Packet capture: copies of the requests that match, and of their responses. One capture at a time; when none is on it
 * costs a worker one branch per burst. Frames that are punted or dropped unread are not among them.
 */
#define NET_FRAME_MAX	 2048
#define NET_CAPTURE_RING 1024 /* frames between a worker and the control loop */

struct net_frame {
	uint64_t cycles; /* when */
	uint32_t len;	 /* of the frame */
	uint32_t kept;	 /* octets of it that are here */
	uint16_t port;
	bool out; /* a response */
	uint8_t octets[NET_FRAME_MAX];
};

struct net_capture_filter {
	bool has_rcode; /* only requests that got a response with this RCODE, and those responses */
	uint16_t rcode; /* extended: up to 12 bits */
	bool has_port;
	uint16_t port;
	uint8_t client_bits;	   /* length of client as a prefix */
	struct net_address client; /* family 0: any */
	uint32_t snaplen;	   /* octets of a frame to keep, <= NET_FRAME_MAX */
	uint8_t suffix_len;
	uint8_t suffix[256]; /* the end of the question's name, lower case; the root or none: any */
};

/* Returns 0, -ENOMEM, or -EBUSY: one is on, or a worker has not come round since the last one. */
int net_capture_start(struct net *n, const struct net_capture_filter *filter);
/* The next frame of any worker, and how long ago it was seen; or false. Those of one worker come in order. */
bool net_capture_recv(struct net *n, struct net_frame *out, uint64_t *out_age_ns);
uint64_t net_capture_lost(const struct net *n); /* frames of this capture that found the ring full */
void net_capture_stop(struct net *n);

/* What the driver counts. While a device is away: what it had counted. Counters never go back. */
struct net_port_info {
	char name[64];	 /* as configured: interface, PCI address... */
	char driver[32]; /* DPDK driver name */
	uint8_t mac[6];
	bool present; /* false: its device was removed, and is looked for */
	bool link_up;
	uint64_t link_changes, removals;
	uint16_t mtu;
	uint16_t queues;
	bool tx_checksum_offload;
	uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes;
	uint64_t rx_missed, rx_errors, rx_nombuf, tx_errors;
};

unsigned net_port_cnt(const struct net *n);
/* Octets of a DNS response over UDP that fit every port's MTU. family: 4 or 6. */
uint32_t net_msg_max(const struct net *n, uint8_t family);
/* Whether requests over UDP from this address are answered at all: PORTS.md says which never are. */
bool net_answers_source(const struct net *n, const struct net_address *source);
int net_port_info(const struct net *n, unsigned port, struct net_port_info *out);

/* What the port's device lacks, a sentence a call: *iter starts at 0; NULL: no more. */
const char *net_port_lacks(const struct net *n, unsigned port, unsigned *iter);

/* The driver's own counters, summed over the devices of a port. */
struct net_xstat {
	char name[64];
	uint64_t value;
};
/* At most cap; returns how many there are, 0 for a port that is away, or -errno. */
int net_port_xstats(const struct net *n, unsigned port, struct net_xstat out[], unsigned cap);

/* What happened to a port. */
enum net_port_event {
	NET_PORT_LINK_DOWN,
	NET_PORT_LINK_UP,
	NET_PORT_REMOVED, /* its device is gone; workers leave it alone from now on */
	NET_PORT_BACK,	  /* a device of that name is there again, and used */
	NET_PORT_REFUSED, /* one is there again, but cannot be used for now: text says why */
};

/*
 * Control loop, some times a second: looks after links and devices, closes those that are gone when every worker has let go
 * of them, and opens those that are back, which takes some 15 ms for each queue. tell is called for each thing that happened.
 */
void net_ports_poll(struct net *n,
		    void (*tell)(void *arg, unsigned port, enum net_port_event event, const char *text),
		    void *arg);
