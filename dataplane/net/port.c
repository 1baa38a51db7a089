/*
 * Devices: arguments for DPDK's drivers, queues, the exception TAP. See port.h.
 *
 * Virtual devices are made after EAL has started, one by one, so that each failure names its port.
 */
#include "dataplane/net/port.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>

#define RING_DEFAULT	 1024
#define RING_XDP_DEFAULT 2048
#define RING_MAX	 16384
#define RING_TAP	 256
/* What net_af_xdp keeps in its fill and completion rings, whatever the ring sizes are. */
#define XDP_BUFFERS 4096

/* Drivers return -1 for whatever they did not like; DPDK's words say more than strerror would. */
static const char *reason(int rc)
{
	return rc == -1 ? "the driver refused" : strerror(-rc);
}

static bool is_power_of_two(unsigned n)
{
	return (n & (n - 1)) == 0;
}

static int check_rings(struct port *p, struct net_error *err)
{
	unsigned normal = p->config.driver == NET_AF_XDP ? RING_XDP_DEFAULT : RING_DEFAULT;

	p->rx_ring = (uint16_t)(p->config.rx_ring != 0 ? p->config.rx_ring : normal);
	p->tx_ring = (uint16_t)(p->config.tx_ring != 0 ? p->config.tx_ring : normal);
	if (is_power_of_two(p->rx_ring) && is_power_of_two(p->tx_ring) && p->rx_ring <= RING_MAX &&
	    p->tx_ring <= RING_MAX && p->rx_ring >= 64 && p->tx_ring >= 64)
		return 0;
	net_error_set(err, "port %s: ring sizes %u and %u must be powers of two from 64 to %u",
		      p->config.device, p->rx_ring, p->tx_ring, RING_MAX);
	return -EINVAL;
}

static int check_exception(const struct port *p, struct net_error *err)
{
	const char *name = p->config.exception;

	if (name[0] == '\0')
		return 0;
	if (p->config.driver == NET_AF_XDP) {
		net_error_set(err,
			      "port %s: an AF_XDP port needs no exception interface, the kernel sees "
			      "everything else "
			      "already: remove it",
			      p->config.device);
		return -EINVAL;
	}
	if (access("/dev/net/tun", R_OK | W_OK) < 0) {
		int rc = -errno;

		net_error_set(err, "port %s: cannot make the exception interface %s: /dev/net/tun: %s",
			      p->config.device, name, strerror(errno));
		return rc;
	}
	if (if_nametoindex(name) != 0) {
		net_error_set(err,
			      "port %s: cannot make the exception interface %s: there is an interface of "
			      "that name; "
			      "choose another, or `ip link delete %s`",
			      p->config.device, name, name);
		return -EEXIST;
	}
	return 0;
}

/* A socket that nobody listens on was left by a killed process: take it away. */
static int check_memif_server(const struct port *p, const struct sockaddr_un *addr, struct net_error *err)
{
	struct stat st;
	int fd, rc = 0;

	if (lstat(addr->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		net_error_set(err,
			      "port %s: the path of the memif socket is taken by something that is no socket",
			      p->config.device);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 && errno == ECONNREFUSED)
		rc = unlink(addr->sun_path) < 0 ? -errno : 0;
	else
		rc = -EADDRINUSE;
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		net_error_set(err,
			      "port %s: cannot listen on the memif socket: %s (another process serves it?)",
			      p->config.device, strerror(-rc));
	return rc;
}

static int check_memif(const struct port *p, struct net_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char dir[NET_TEXT_MAX];
	struct stat st;
	char *slash;

	if (strlen(p->config.device) >= sizeof(addr.sun_path) || strchr(p->config.device, ',') != NULL) {
		net_error_set(err, "port %s: a memif socket path has at most %zu octets and no comma",
			      p->config.device, sizeof(addr.sun_path) - 1);
		return -EINVAL;
	}
	snprintf(dir, sizeof(dir), "%s", p->config.device);
	slash = strrchr(dir, '/');
	if (slash == NULL) {
		net_error_set(err, "port %s: give the memif socket as an absolute path", p->config.device);
		return -EINVAL;
	}
	slash[slash == dir] = '\0';
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
		net_error_set(err,
			      "port %s: the directory %s of the memif socket does not exist: `mkdir -p %s`",
			      p->config.device, dir, dir);
		return -ENOENT;
	}
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", p->config.device);
	return p->config.memif_server ? check_memif_server(p, &addr, err) : 0;
}

static int check_pci(const struct port *p, struct net_error *err)
{
	char path[NET_TEXT_MAX + 64];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", p->config.device);
	if (access(path, F_OK) == 0)
		return 0;
	net_error_set(err,
		      "port %s: there is no such PCI device; give the full address as `lspci -D` prints it, "
		      "such as "
		      "0000:03:00.0",
		      p->config.device);
	return -ENODEV;
}

int port_check(struct port *p, const struct net_port_config *config, uint16_t index, uint16_t queue_cnt,
	       struct net_error *err)
{
	int rc;

	*p = (struct port){.config = *config,
			   .xdp = {.object_fd = -1},
			   .index = index,
			   .id = PORT_NONE,
			   .tap_id = PORT_NONE,
			   .queue_cnt = queue_cnt};
	if (config->device[0] == '\0') {
		net_error_set(err, "port %u has no device", index);
		return -EINVAL;
	}
	rc = check_rings(p, err);
	if (rc == 0)
		rc = check_exception(p, err);
	if (rc < 0)
		return rc;
	switch (config->driver) {
	case NET_AF_XDP:
		return port_xdp_check(&p->xdp, config->device, queue_cnt, err);
	case NET_PCI:
		return check_pci(p, err);
	case NET_MEMIF:
		return check_memif(p, err);
	case NET_VDEV:
		return 0;
	}
	return -EINVAL;
}

bool port_may_have_tap(const struct port *p)
{
	return p->config.exception[0] != '\0' || p->config.driver == NET_VDEV;
}

unsigned port_buffers(const struct port *p)
{
	unsigned n = p->rx_ring + p->tx_ring;

	if (p->config.driver == NET_AF_XDP)
		n += XDP_BUFFERS;
	if (p->config.exception[0] != '\0')
		n += 2 * RING_TAP;
	return n;
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

/* Splits "net_tap0,iface=x" into the device name and its arguments, or makes both. */
static void device_args(struct port *p, char *args, size_t cap)
{
	const struct net_port_config *c = &p->config;
	const char *more = c->args, *comma = more[0] != '\0' ? "," : "";

	args[0] = '\0';
	switch (c->driver) {
	case NET_AF_XDP:
		snprintf(p->device, sizeof(p->device), "net_af_xdp%u", p->index);
		snprintf(args, cap, "iface=%s,start_queue=0,queue_count=%u,xdp_prog=%s%s%s", c->device,
			 p->queue_cnt, p->xdp.object, comma, more);
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

static int make_virtual(struct port *p, struct eal *eal, struct net_error *err)
{
	char args[3 * NET_TEXT_MAX];
	int rc;

	device_args(p, args, sizeof(args));
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

static int make_device(struct port *p, struct eal *eal, struct net_error *err)
{
	bool is_pci = p->config.driver == NET_PCI;
	int rc = 0;

	if (is_pci) // probed when EAL started
		snprintf(p->device, sizeof(p->device), "%s", p->config.device);
	else
		rc = make_virtual(p, eal, err);
	if (rc < 0)
		return rc;
	if (rte_eth_dev_get_port_by_name(p->device, &p->id) == 0)
		return 0;
	p->id = PORT_NONE;
	net_error_set(
		err, "port %s: DPDK has no driver for the device, or could not open it%s%s", p->config.device,
		is_pci ? ": is it bound to vfio-pci (`dpdk-devbind.py --status`)?" : "", eal_words(eal));
	return -ENODEV;
}

static int check_device(const struct port *p, uint16_t id, const struct rte_eth_dev_info *info,
			struct net_error *err)
{
	if (info->max_rx_queues >= p->queue_cnt && info->max_tx_queues >= p->queue_cnt)
		return 0;
	net_error_set(err,
		      "port %s: the device%s has %u receive and %u transmit queues, but %u workers need one "
		      "of each: configure "
		      "fewer workers, or give the device more queues",
		      p->config.device, id == p->tap_id ? "'s exception interface" : "", info->max_rx_queues,
		      info->max_tx_queues, p->queue_cnt);
	return -EINVAL;
}

/* Only what helps: both checksums together, and freeing without looking, since a queue's buffers are of one pool. */
static void choose_offloads(struct port *p, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	const uint64_t tx = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	const uint64_t rss = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP;

	conf->rxmode.offloads =
		info->rx_offload_capa & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
	conf->txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	p->offload = (info->tx_offload_capa & tx) == tx;
	if (p->offload)
		conf->txmode.offloads |= tx;
	if (p->queue_cnt > 1 && (info->flow_type_rss_offloads & rss) != 0) {
		conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf->rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & rss;
	}
}

static int setup_queues(const struct port *p, uint16_t id, uint16_t rx_ring, uint16_t tx_ring,
			struct rte_mempool *const *pools)
{
	int socket = rte_eth_dev_socket_id(id), rc = rte_eth_dev_adjust_nb_rx_tx_desc(id, &rx_ring, &tx_ring);

	if (socket < 0)
		socket = (int)rte_socket_id();
	for (uint16_t q = 0; q < p->queue_cnt && rc >= 0; q++) {
		rc = rte_eth_rx_queue_setup(id, q, rx_ring, (unsigned)socket, NULL, pools[q]);
		if (rc >= 0)
			rc = rte_eth_tx_queue_setup(id, q, tx_ring, (unsigned)socket, NULL);
	}
	return rc < 0 ? rc : 0;
}

static int configure(struct port *p, const struct port_env *env, struct net_error *err)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	int rc = rte_eth_dev_info_get(p->id, &info);

	if (rc == 0) {
		rc = check_device(p, p->id, &info, err);
		if (rc < 0)
			return rc;
		choose_offloads(p, &info, &conf);
		eal_forget(env->eal);
		rc = rte_eth_dev_configure(p->id, p->queue_cnt, p->queue_cnt, &conf);
	}
	if (rc == 0)
		rc = setup_queues(p, p->id, p->rx_ring, p->tx_ring, env->pools);
	if (rc == 0)
		rc = rte_eth_macaddr_get(p->id, &mac);
	if (rc == 0)
		rc = rte_eth_dev_get_mtu(p->id, &p->mtu);
	if (rc < 0) {
		net_error_set(err, "port %s: cannot set up %u queue pair%s with rings of %u and %u: %s%s",
			      p->config.device, p->queue_cnt, p->queue_cnt == 1 ? "" : "s", p->rx_ring,
			      p->tx_ring, reason(rc), eal_words(env->eal));
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
		rc = check_device(p, p->tap_id, &info, err);
		if (rc < 0)
			return rc;
		rc = rte_eth_dev_configure(p->tap_id, p->queue_cnt, p->queue_cnt, &conf);
	}
	if (rc == 0)
		rc = setup_queues(p, p->tap_id, RING_TAP, RING_TAP, env->pools);
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

int port_open(struct port *p, const struct port_env *env, struct net_error *err)
{
	int rc = 0;

	if (p->config.driver == NET_AF_XDP)
		rc = port_xdp_make_object(&p->xdp, err);
	if (rc == 0)
		rc = make_device(p, env->eal, err);
	if (rc == 0)
		rc = configure(p, env, err);
	if (rc == 0 && p->config.exception[0] != '\0')
		rc = make_exception(p, env, err);
	if (rc < 0)
		return rc;
	eal_forget(env->eal);
	rc = rte_eth_dev_start(p->id);
	if (rc < 0) {
		net_error_set(err, "port %s: cannot start: %s%s", p->config.device, reason(rc),
			      eal_words(env->eal));
		return rc;
	}
	// ND needs groups. A driver that cannot choose may be able to take everything; one that does anyway has neither.
	if (p->config.exception[0] != '\0' && rte_eth_allmulticast_enable(p->id) < 0)
		rte_eth_promiscuous_enable(p->id);
	if (p->config.driver == NET_AF_XDP)
		rc = port_xdp_listen(&p->xdp, env->addresses, env->address_cnt, err);
	return rc;
}

static void close_device(uint16_t id, const char *device, bool is_vdev)
{
	if (id != PORT_NONE) {
		rte_eth_dev_stop(id);
		rte_eth_dev_close(id);
	}
	if (is_vdev && device[0] != '\0')
		rte_eal_hotplug_remove("vdev", device);
}

void port_close(struct port *p)
{
	close_device(p->tap_id, p->tap_device, true);
	close_device(p->id, p->device, p->config.driver != NET_PCI);
	p->id = p->tap_id = PORT_NONE;
	p->device[0] = p->tap_device[0] = '\0';
	if (p->config.driver == NET_AF_XDP)
		port_xdp_fini(&p->xdp);
}

int port_info(const struct port *p, struct net_port_info *out)
{
	struct rte_eth_dev_info info;
	struct rte_eth_stats stats;
	struct rte_eth_link link;
	int rc = rte_eth_dev_info_get(p->id, &info);

	if (rc == 0)
		rc = rte_eth_stats_get(p->id, &stats);
	if (rc == 0)
		rc = rte_eth_link_get_nowait(p->id, &link);
	if (rc < 0)
		return rc;
	*out = (struct net_port_info){
		// net_af_xdp always says up; the interface knows better.
		.link_up = p->config.driver == NET_AF_XDP ? port_xdp_link_up(&p->xdp)
							  : link.link_status == RTE_ETH_LINK_UP,
		.mtu = p->mtu,
		.queues = p->queue_cnt,
		.tx_checksum_offload = p->offload,
		.rx_packets = stats.ipackets,
		.tx_packets = stats.opackets,
		.rx_bytes = stats.ibytes,
		.tx_bytes = stats.obytes,
		.rx_missed = stats.imissed,
		.rx_errors = stats.ierrors,
		.rx_nombuf = stats.rx_nombuf,
		.tx_errors = stats.oerrors,
	};
	snprintf(out->name, sizeof(out->name), "%.*s", (int)sizeof(out->name) - 1, p->config.device);
	snprintf(out->driver, sizeof(out->driver), "%.*s", (int)sizeof(out->driver) - 1, info.driver_name);
	memcpy(out->mac, p->filter.mac, sizeof(out->mac));
	return 0;
}
