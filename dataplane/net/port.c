/*
 * Devices: arguments for DPDK's drivers, queues, the exception TAP. See port.h.
 *
 * Virtual devices are made after EAL has started, one by one, so that each failure names its port.
 */
#include "dataplane/net/port.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#define RING_TAP 256
/* What net_af_xdp keeps in its fill and completion rings, whatever the ring sizes are. */
#define XDP_BUFFERS 4096

/* Drivers return -1 for whatever they did not like; DPDK's words say more than strerror would. */
static const char *reason(int rc)
{
	return rc == -1 ? "the driver refused" : strerror(-rc);
}

bool port_may_have_tap(const struct port *p)
{
	return p->config.exception[0] != '\0' || p->config.driver == NET_VDEV;
}

unsigned port_buffers(const struct port *p)
{
	unsigned n = p->rx_ring + p->tx_ring;

	if (p->config.driver == NET_AF_XDP)
		n += XDP_BUFFERS + PORT_POOL_SPARE + 2 * PORT_POOL_CACHE; // a pool of its own
	if (p->config.exception[0] != '\0')
		n += 2 * RING_TAP;
	return n;
}

static void part_name(struct port *p, unsigned part)
{
	snprintf(p->device, sizeof(p->device), part > 0 ? "net_af_xdp%u_%u" : "net_af_xdp%u", p->index, part);
}

static unsigned log2_of(unsigned n)
{
	unsigned log = 0;

	while (n > 1) {
		n /= 2;
		log++;
	}
	return log;
}

struct rte_mempool *port_pool_new(struct eal *eal, const char *name, unsigned worker, unsigned buffers,
				  struct net_error *err)
{
	int socket = (int)rte_lcore_to_socket_id(eal_worker_lcore(worker));
	struct rte_mempool *pool;

	static_assert(PORT_MBUF_OCTETS == RTE_MBUF_DEFAULT_BUF_SIZE + sizeof(struct rte_mbuf) + 128,
		      "what memory is reserved by");
	eal_forget(eal);
	pool = rte_pktmbuf_pool_create(name, buffers, PORT_POOL_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, socket);
	if (pool == NULL)
		net_error_set(err,
			      "cannot make the packet buffers of worker %u (%u of %zu octets): %s%s: raise "
			      "dataplane.memory",
			      worker, buffers, (size_t)PORT_MBUF_OCTETS, strerror(rte_errno), eal_words(eal));
	return pool;
}

/* Splits "net_tap0,iface=x" into the device name and its arguments, or makes both. part: of a split port, from 0. */
static void device_args(struct port *p, unsigned part, char *args, size_t cap)
{
	const struct net_port_config *c = &p->config;
	const char *more = c->args, *comma = more[0] != '\0' ? "," : "";

	args[0] = '\0';
	switch (c->driver) {
	case NET_AF_XDP:
		part_name(p, part);
		snprintf(args, cap, "iface=%s,start_queue=%u,queue_count=%u,xdp_prog=%s%s%s", c->device, part,
			 p->split ? 1 : p->queue_cnt, p->xdp.object, comma, more);
		break;
	case NET_MEMIF:
		snprintf(p->device, sizeof(p->device), "net_memif%u", p->index);
		snprintf(args, cap, "role=%s,id=%u,socket=%s,socket-abstract=no,rsize=%u%s%s",
			 c->memif_server ? "server" : "client", c->memif_id, c->device, log2_of(p->rx_ring),
			 comma, more);
		break;
	case NET_VDEV: {
		size_t len = strcspn(c->device, ",");
		const char *own = c->device[len] == ',' ? c->device + len + 1 : "";

		snprintf(p->device, sizeof(p->device), "%.*s", (int)len, c->device);
		snprintf(args, cap, "%s%s%s", own, own[0] != '\0' ? comma : "", more);
		break;
	}
	case NET_PCI:
		break;
	}
}

static int make_virtual(struct port *p, unsigned part, struct eal *eal, struct net_error *err)
{
	char args[3 * NET_TEXT_MAX];
	int rc;

	device_args(p, part, args, sizeof(args));
	eal_forget(eal);
	rc = rte_eal_hotplug_add("vdev", p->device, args);
	if (rc == 0)
		return 0;
	if (rc == -EFAULT || rc == -ENOENT) // what DPDK says when no driver takes the name
		net_error_set(err,
			      "port %s: DPDK has no driver for a virtual device called %s (such as net_tap0, "
			      "net_pcap0, net_ring0)",
			      p->config.device, p->device);
	else
		net_error_set(err, "port %s: DPDK cannot make the device %s with `%s`: %s%s",
			      p->config.device, p->device, args, reason(rc), eal_words(eal));
	p->device[0] = '\0';
	return rc;
}

/* A PCI device was probed when EAL started, and is again when it comes back. */
static int make_pci(struct port *p)
{
	uint16_t id;

	snprintf(p->device, sizeof(p->device), "%s", p->config.device);
	if (rte_eth_dev_get_port_by_name(p->device, &id) != 0)
		rte_eal_hotplug_add("pci", p->device, p->config.args); // the caller finds no port if it fails
	return 0;
}

static int make_device(struct port *p, unsigned part, struct eal *eal, uint16_t *out_id,
		       struct net_error *err)
{
	bool is_pci = p->config.driver == NET_PCI;
	int rc = is_pci ? make_pci(p) : make_virtual(p, part, eal, err);

	if (rc < 0)
		return rc;
	if (rte_eth_dev_get_port_by_name(p->device, out_id) == 0)
		return 0;
	*out_id = PORT_NONE;
	net_error_set(
		err, "port %s: DPDK has no driver for the device, or could not open it%s%s", p->config.device,
		is_pci ? ": is it bound to vfio-pci (`dpdk-devbind.py --status`)?" : "", eal_words(eal));
	return -ENODEV;
}

static int check_device(const struct port *p, uint16_t id, uint16_t queue_cnt,
			const struct rte_eth_dev_info *info, struct net_error *err)
{
	if (info->max_rx_queues >= queue_cnt && info->max_tx_queues >= queue_cnt)
		return 0;
	net_error_set(err,
		      "port %s: the device%s has %u receive and %u transmit queues, but %u workers need one "
		      "of each: configure "
		      "fewer workers, or give the device more queues",
		      p->config.device, id == p->tap_id ? "'s exception interface" : "", info->max_rx_queues,
		      info->max_tx_queues, p->queue_cnt);
	return -EINVAL;
}

static int setup_queues(uint16_t id, uint16_t queue_cnt, uint16_t rx_ring, uint16_t tx_ring,
			struct rte_mempool *const *pools)
{
	int socket = rte_eth_dev_socket_id(id), rc = rte_eth_dev_adjust_nb_rx_tx_desc(id, &rx_ring, &tx_ring);

	if (socket < 0)
		socket = (int)rte_socket_id();
	for (uint16_t q = 0; q < queue_cnt && rc >= 0; q++) {
		rc = rte_eth_rx_queue_setup(id, q, rx_ring, (unsigned)socket, NULL, pools[q]);
		if (rc >= 0)
			rc = rte_eth_tx_queue_setup(id, q, tx_ring, (unsigned)socket, NULL);
	}
	return rc < 0 ? rc : 0;
}

/* A device of queue_cnt queues, which are the port's from first on. */
static int configure_device(struct port *p, uint16_t id, uint16_t first, uint16_t queue_cnt,
			    const struct port_env *env, struct net_error *err)
{
	struct rte_mempool *const *pools = port_has_own_pools(p) ? p->own_pool : env->pools;
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	uint8_t key[PORT_RSS_KEY_MAX];
	int rc = rte_eth_dev_info_get(id, &info);

	if (rc == 0) {
		rc = check_device(p, id, queue_cnt, &info, err);
		if (rc < 0)
			return rc;
		p->lacks = port_choose(&info, queue_cnt, &conf, key, &p->offload);
		if (p->config.driver == NET_AF_XDP || p->config.driver == NET_MEMIF)
			p->lacks =
				0; // there is no device: the kernel or the peer spreads, and has no offloads to give
		if (p->config.driver == NET_PCI && info.dev_flags != NULL) {
			conf.intr_conf.lsc = (*info.dev_flags & RTE_ETH_DEV_INTR_LSC) != 0;
			conf.intr_conf.rmv = (*info.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
		}
		eal_forget(env->eal);
		rc = rte_eth_dev_configure(id, queue_cnt, queue_cnt, &conf);
	}
	if (rc == 0)
		rc = setup_queues(id, queue_cnt, p->rx_ring, p->tx_ring, pools + first);
	if (rc < 0)
		net_error_set(err, "port %s: cannot set up %u queue pair%s with rings of %u and %u: %s%s",
			      p->config.device, p->queue_cnt, p->queue_cnt == 1 ? "" : "s", p->rx_ring,
			      p->tx_ring, reason(rc), eal_words(env->eal));
	return rc;
}

static int make_own_pools(struct port *p, const struct port_env *env, struct net_error *err)
{
	for (unsigned q = 0; q < p->queue_cnt; q++) {
		char name[25];

		snprintf(name, sizeof(name), "port%u.%u", p->index, q);
		p->own_pool[q] = port_pool_new(env->eal, name, q, port_buffers(p), err);
		if (p->own_pool[q] == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* One device for all queues, or one for each. */
static int make_devices(struct port *p, const struct port_env *env, struct net_error *err)
{
	unsigned parts = p->split ? p->queue_cnt : 1;
	int rc = 0;

	for (unsigned part = 0; part < parts && rc == 0; part++) {
		uint16_t id = PORT_NONE;

		rc = make_device(p, part, env->eal, &id, err);
		if (part == 0)
			p->id = id;
		p->split_id[part] = id;
		if (rc == 0)
			rc = configure_device(p, id, (uint16_t)part, p->split ? 1 : p->queue_cnt, env, err);
		if (rc == 0 && p->config.driver == NET_AF_XDP)
			rc = port_xdp_keep(&p->xdp, part + 1 == parts, err);
	}
	return rc;
}

/* What the worker and the filter go by. */
static int describe(struct port *p, const struct port_env *env, struct net_error *err)
{
	struct rte_ether_addr mac;
	int rc = rte_eth_macaddr_get(p->id, &mac);

	if (rc == 0)
		rc = rte_eth_dev_get_mtu(p->id, &p->mtu);
	if (rc < 0) {
		net_error_set(err, "port %s: cannot ask for its address and MTU: %s%s", p->config.device,
			      reason(rc), eal_words(env->eal));
		return rc;
	}
	if (p->config.driver == NET_AF_XDP && p->xdp.mtu < p->mtu)
		p->mtu = p->xdp.mtu; // the driver does not look at the interface's
	if (p->mtu < PORT_MTU_MIN) {
		net_error_set(err, "port %s: an MTU of %u is too small, IPv6 and DNS need %u",
			      p->config.device, p->mtu, PORT_MTU_MIN);
		return -EINVAL;
	}
	p->filter = (struct packet_filter){
		.listen = env->listen,
		.mac_exact = p->config.driver == NET_AF_XDP || p->config.driver == NET_PCI ||
			     p->config.exception[0] != '\0',
		.partial_checksum = p->config.driver == NET_AF_XDP && p->xdp.is_veth,
	};
	memcpy(p->filter.mac, mac.addr_bytes, sizeof(p->filter.mac));
	return 0;
}

/*
 * The TAP has the port's own address: the kernel then takes the frames for its own, and ARP and ND tell the address
 * that the port filters for.
 */
static int make_exception(struct port *p, const struct port_env *env, struct net_error *err)
{
	const uint8_t *m = p->filter.mac;
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	char args[96];
	int rc;

	snprintf(p->tap_device, sizeof(p->tap_device), "net_tap_exception%u", p->index);
	snprintf(args, sizeof(args), "iface=%s,mac=%02x:%02x:%02x:%02x:%02x:%02x", p->config.exception, m[0],
		 m[1], m[2], m[3], m[4], m[5]);
	eal_forget(env->eal);
	rc = rte_eal_hotplug_add("vdev", p->tap_device, args);
	if (rc < 0)
		p->tap_device[0] = '\0';
	if (rc == 0)
		rc = rte_eth_dev_get_port_by_name(p->tap_device, &p->tap_id);
	if (rc == 0)
		rc = rte_eth_dev_info_get(p->tap_id, &info);
	if (rc == 0) {
		rc = check_device(p, p->tap_id, p->queue_cnt, &info, err);
		if (rc < 0)
			return rc;
		rc = rte_eth_dev_configure(p->tap_id, p->queue_cnt, p->queue_cnt, &conf);
	}
	if (rc == 0)
		rc = setup_queues(p->tap_id, p->queue_cnt, RING_TAP, RING_TAP, env->pools);
	if (rc == 0)
		rc = rte_eth_dev_set_mtu(p->tap_id, p->mtu);
	if (rc == 0)
		rc = rte_eth_dev_start(p->tap_id);
	if (rc < 0)
		net_error_set(err, "port %s: cannot make the exception interface %s: %s%s%s",
			      p->config.device, p->config.exception, reason(rc), eal_words(env->eal),
			      rc == -EPERM || rc == -EACCES ? "; it needs CAP_NET_ADMIN" : "");
	return rc;
}

static int start_devices(struct port *p, const struct port_env *env, struct net_error *err)
{
	int rc = 0;

	eal_forget(env->eal);
	for (unsigned part = 0; part < (p->split ? p->queue_cnt : 1u) && rc == 0; part++)
		rc = rte_eth_dev_start(p->split_id[part]);
	if (rc < 0)
		net_error_set(err, "port %s: cannot start: %s%s", p->config.device, reason(rc),
			      eal_words(env->eal));
	return rc;
}

/* The device with what only AF_XDP needs around it. */
static int make_xdp(struct port *p, const struct port_env *env, struct net_error *err)
{
	struct port_fds *before = port_fds_now();
	int rc = port_xdp_make_object(&p->xdp, err);

	p->split = p->xdp.split;
	if (rc == 0)
		rc = make_own_pools(p, env, err);
	if (rc == 0)
		rc = make_devices(p, env, err);
	p->fds = port_fds_since(before);
	return rc;
}

int port_open(struct port *p, const struct port_env *env, struct net_error *err)
{
	int rc = p->config.driver == NET_AF_XDP ? make_xdp(p, env, err) : make_devices(p, env, err);

	if (rc == 0)
		rc = describe(p, env, err);
	if (rc == 0 && p->config.exception[0] != '\0')
		rc = make_exception(p, env, err);
	if (rc == 0)
		rc = start_devices(p, env, err);
	if (rc < 0)
		return rc;
	// ND needs groups. A driver that cannot choose may be able to take everything; one that does anyway has neither.
	if (p->config.exception[0] != '\0' && rte_eth_allmulticast_enable(p->id) < 0)
		rte_eth_promiscuous_enable(p->id);
	if (p->config.driver == NET_AF_XDP)
		rc = port_xdp_listen(&p->xdp, env->addresses, env->address_cnt, err);
	return rc < 0 ? rc : port_listen_events(p, err);
}

/* bus: "vdev", or "pci" of a device that has left; NULL: DPDK keeps it. */
static void close_device(uint16_t id, const char *bus, const char *device)
{
	if (id != PORT_NONE) {
		rte_eth_dev_stop(id);
		rte_eth_dev_close(id);
	}
	if (bus != NULL && device[0] != '\0')
		rte_eal_hotplug_remove(bus, device);
}

/* The further devices of a split port; the first is closed as any other port's. */
static void close_parts(struct port *p)
{
	for (unsigned part = p->queue_cnt - 1u; part > 0; part--) {
		if (p->split_id[part] == PORT_NONE)
			continue;
		part_name(p, part);
		close_device(p->split_id[part], "vdev", p->device);
		p->split_id[part] = PORT_NONE;
	}
	if (p->id != PORT_NONE)
		part_name(p, 0);
}

void port_close(struct port *p)
{
	const char *bus = p->config.driver != NET_PCI ? "vdev" : atomic_load(&p->removed) ? "pci" : NULL;

	port_unlisten_events(p);
	if (p->split)
		close_parts(p);
	close_device(p->tap_id, "vdev", p->tap_device);
	close_device(p->id, bus, p->device);
	p->id = p->tap_id = p->split_id[0] = PORT_NONE;
	p->device[0] = p->tap_device[0] = '\0';
	if (p->config.driver == NET_AF_XDP)
		port_xdp_fini(&p->xdp);
	port_fds_close(p->fds);
	p->fds = NULL;
	for (unsigned q = 0; q < XDP_QUEUES_MAX; q++) {
		rte_mempool_free(p->own_pool[q]);
		p->own_pool[q] = NULL;
	}
}
