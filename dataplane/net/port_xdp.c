/*
 * The kernel side of AF_XDP ports. See port_xdp.h.
 *
 * The driver loads and attaches the program; libbpf's handle stays inside it. So the maps are found the way any
 * other tool finds them: interface -> program id -> map ids -> the names in xdp.h.
 */
#include "dataplane/net/port_xdp.h"

#include <assert.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>

#include "dataplane/net/packet.h"
#include "dataplane/net/xdp.h"

static_assert(XDP_VLANS_MAX == PACKET_VLANS_MAX, "what the program redirects the worker must read");

#define MAPS_MAX 8 /* the program has five */

static int request(const char *interface, unsigned long what, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;

	if (fd < 0)
		return -errno;
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", interface);
	if (ioctl(fd, what, ifr) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/* The capabilities that AF_XDP needs, by their numbers in capability(7). */
static bool has_capabilities(void)
{
	const uint64_t net_admin = 1ull << 12, net_raw = 1ull << 13, sys_admin = 1ull << 21, bpf = 1ull << 39;
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long long caps = UINT64_MAX; // unknown: let the kernel say no
	char line[256];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return (caps & net_admin) && (caps & net_raw) && (caps & (sys_admin | bpf));
}

static int check_interface(struct port_xdp *x, struct net_error *err)
{
	struct ifreq ifr;
	int rc;

	x->index = strlen(x->interface) < IFNAMSIZ ? if_nametoindex(x->interface) : 0;
	if (x->index == 0) {
		net_error_set(err, "port %s: there is no such network interface (`ip link` lists them)",
			      x->interface);
		return -ENODEV;
	}
	if (!has_capabilities()) {
		net_error_set(err,
			      "port %s: AF_XDP needs the capabilities CAP_NET_ADMIN, CAP_NET_RAW and "
			      "CAP_BPF: run as "
			      "root, or grant them",
			      x->interface);
		return -EPERM;
	}
	rc = request(x->interface, SIOCGIFFLAGS, &ifr);
	if (rc == 0 && !(ifr.ifr_flags & IFF_UP)) {
		net_error_set(err, "port %s: the interface is down: `ip link set dev %s up`", x->interface,
			      x->interface);
		return -ENETDOWN;
	}
	if (rc == 0)
		rc = request(x->interface, SIOCGIFMTU, &ifr);
	if (rc == 0) {
		x->mtu = (uint16_t)(ifr.ifr_mtu < UINT16_MAX ? ifr.ifr_mtu : UINT16_MAX);
		rc = request(x->interface, SIOCGIFHWADDR, &ifr);
	}
	if (rc < 0) {
		net_error_set(err, "port %s: cannot ask for its flags, MTU and address: %s", x->interface,
			      strerror(-rc));
		return rc;
	}
	memcpy(x->mac, ifr.ifr_hwaddr.sa_data, sizeof(x->mac));
	return 0;
}

/* How many queues the kernel may deliver to and how many the driver can open; and the kernel's driver. */
static void ask_queues(struct port_xdp *x, unsigned *out_have, unsigned *out_max)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq ifr;

	ifr.ifr_data = (void *)&info;
	x->is_veth = request(x->interface, SIOCETHTOOL, &ifr) == 0 && strcmp(info.driver, "veth") == 0;
	ifr.ifr_data = (void *)&channels;
	*out_have = *out_max = 1;
	if (request(x->interface, SIOCETHTOOL, &ifr) < 0)
		return;
	if (channels.combined_count + channels.rx_count > 0)
		*out_have = channels.combined_count + channels.rx_count;
	x->split = channels.max_combined == 0; // DPDK's driver counts combined channels only
	*out_max = channels.max_combined;
	if (x->split && channels.rx_count > 0 && channels.tx_count > 0)
		*out_max = channels.rx_count < channels.tx_count ? channels.rx_count : channels.tx_count;
	else if (x->split)
		*out_max = 1;
}

static int check_queues(struct port_xdp *x, unsigned queue_cnt, struct net_error *err)
{
	unsigned have, max;

	ask_queues(x, &have, &max);
	x->split &= queue_cnt > 1;
	if (queue_cnt > max || queue_cnt > XDP_QUEUES_MAX) {
		max = max < XDP_QUEUES_MAX ? max : XDP_QUEUES_MAX;
		net_error_set(err,
			      "port %s: %u workers need a queue each, but this interface has %u that can be "
			      "used%s: configure %u worker%s",
			      x->interface, queue_cnt, max,
			      x->is_veth ? " (a veth gets more when it is made: `ip link add ... "
					   "numrxqueues N numtxqueues N type veth peer ... the same`)"
					 : "",
			      max, max == 1 ? "" : "s");
		return -EINVAL;
	}
	if (have == queue_cnt)
		return 0;
	net_error_set(err,
		      "port %s: the interface has %u receive queue%s and there %s %u worker%s, but each "
		      "worker serves one "
		      "queue%s: `ethtool -L %s %s %u`, or configure %u worker%s",
		      x->interface, have, have == 1 ? "" : "s", queue_cnt == 1 ? "is" : "are", queue_cnt,
		      queue_cnt == 1 ? "" : "s",
		      have > queue_cnt ? " and queries on the others would not be answered" : "",
		      x->interface, x->is_veth ? "rx" : "combined", queue_cnt, have, have == 1 ? "" : "s");
	return -EINVAL;
}

/* The program on the interface: its id, 0 for none, or -errno. */
static int attached_id(const struct port_xdp *x, uint32_t *out_id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);
	int rc = bpf_xdp_query((int)x->index, 0, &opts);

	if (rc < 0)
		return rc;
	*out_id = opts.prog_id != 0	  ? opts.prog_id
		  : opts.drv_prog_id != 0 ? opts.drv_prog_id
					  : opts.skb_prog_id;
	return 0;
}

static int detach(const struct port_xdp *x, int prog_fd)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts, .old_prog_fd = prog_fd);

	return bpf_xdp_detach((int)x->index, 0, &opts);
}

/* A descriptor of the program's map of this name, or -errno. */
static int map_of(int prog_fd, const char *name)
{
	uint32_t ids[MAPS_MAX], len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = {.nr_map_ids = MAPS_MAX, .map_ids = (uint64_t)(uintptr_t)ids};

	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len) < 0)
		return -errno;
	for (uint32_t i = 0; i < info.nr_map_ids && i < MAPS_MAX; i++) {
		struct bpf_map_info map = {0};
		uint32_t map_len = sizeof(map);
		int fd = bpf_map_get_fd_by_id(ids[i]);

		if (fd < 0)
			continue;
		if (bpf_obj_get_info_by_fd(fd, &map, &map_len) == 0 && strcmp(map.name, name) == 0)
			return fd;
		close(fd);
	}
	return -ENOENT;
}

/* When the process started, in ticks since boot; 0: there is none. Field 22 of proc(5) stat. */
static uint64_t process_start(uint32_t pid)
{
	unsigned long long start = 0;
	char path[32], text[1024];
	const char *at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	at = fgets(text, sizeof(text), f) != NULL ? strrchr(text, ')') : NULL; // a name may hold blanks
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at != NULL)
		start = strtoull(at + 1, NULL, 10);
	fclose(f);
	return start;
}

/* Whose program is this? False when it has no owner map or nobody filled it. */
static bool program_owner(int prog_fd, struct xdp_owner *out)
{
	uint32_t zero = 0;
	int fd = map_of(prog_fd, XDP_MAP_OWNER);
	bool known = fd >= 0 && bpf_map_lookup_elem(fd, &zero, out) == 0 && out->pid != 0;

	if (fd >= 0)
		close(fd);
	return known;
}

/* A program is there: ours of a dead process goes away, everything else is an error. */
static int take_over(const struct port_xdp *x, uint32_t id, struct net_error *err)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	struct xdp_owner owner = {0};
	int fd = bpf_prog_get_fd_by_id(id), rc;
	bool ours;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0) {
		rc = -errno;
		net_error_set(err, "port %s: cannot look at the XDP program (id %u) on the interface: %s",
			      x->interface, id, strerror(errno));
		goto close_program;
	}
	ours = strcmp(info.name, XDP_PROG_NAME) == 0;
	if (ours && program_owner(fd, &owner) && process_start(owner.pid) == owner.start_time) {
		net_error_set(err, "port %s: process %u, another lockstepd, uses this interface",
			      x->interface, owner.pid);
		rc = -EBUSY;
		goto close_program;
	}
	rc = ours ? detach(x, fd) : -EBUSY;
	if (rc < 0)
		net_error_set(err,
			      "port %s: the interface has an XDP program already (%s, id %u): stop the "
			      "program that uses "
			      "it, or remove it with `ip link set dev %s xdp off`",
			      x->interface, info.name, id, x->interface);

close_program:
	if (fd >= 0)
		close(fd);
	return rc;
}

static int check_program(const struct port_xdp *x, struct net_error *err)
{
	uint32_t id = 0;
	int rc = attached_id(x, &id);

	if (rc < 0) {
		net_error_set(err, "port %s: cannot ask for the interface's XDP program: %s", x->interface,
			      strerror(-rc));
		return rc;
	}
	return id == 0 ? 0 : take_over(x, id, err);
}

int port_xdp_check(struct port_xdp *x, const char *interface, unsigned queue_cnt, struct net_error *err)
{
	int rc;

	*x = (struct port_xdp){.object_fd = -1};
	snprintf(x->interface, sizeof(x->interface), "%s", interface);
	rc = check_interface(x, err);
	if (rc == 0)
		rc = check_queues(x, queue_cnt, err);
	if (rc == 0)
		rc = check_program(x, err);
	if (rc < 0)
		x->index = 0; // nothing there is ours: port_xdp_fini must not touch it
	return rc;
}

int port_xdp_make_object(struct port_xdp *x, struct net_error *err)
{
	int rc;

	x->object_fd = memfd_create(XDP_PROG_NAME, MFD_CLOEXEC);
	if (x->object_fd < 0 || write(x->object_fd, xdp_object, xdp_object_len) != (ssize_t)xdp_object_len) {
		rc = -errno;
		net_error_set(err, "port %s: cannot write the XDP program to a memory file: %s", x->interface,
			      strerror(errno));
		return rc < 0 ? rc : -EIO;
	}
	snprintf(x->object, sizeof(x->object), "/proc/self/fd/%d", x->object_fd);
	return 0;
}

bool port_xdp_vlan_below(FILE *table, const char *device, char below[IF_NAMESIZE])
{
	char line[256], name[IF_NAMESIZE], under[IF_NAMESIZE];

	rewind(table);
	while (fgets(line, sizeof(line), table) != NULL) {
		if (sscanf(line, "%15s | %*d | %15s", name, under) != 2 || strcmp(name, device) != 0)
			continue;
		memcpy(below, under, IF_NAMESIZE);
		return true;
	}
	return false;
}

static bool is_vlan_on(FILE *table, const char *device, const char *interface)
{
	char name[IF_NAMESIZE];

	snprintf(name, sizeof(name), "%s", device);
	for (unsigned tags = 0; tags < PACKET_VLANS_MAX && port_xdp_vlan_below(table, name, name); tags++)
		if (strcmp(name, interface) == 0)
			return true;
	return false;
}

static bool is_listened(const struct sockaddr *addr, const struct net_address *listen, unsigned listen_cnt)
{
	const struct sockaddr_in *in4 = (const void *)addr;
	const struct sockaddr_in6 *in6 = (const void *)addr;

	for (unsigned i = 0; addr != NULL && i < listen_cnt; i++) {
		if (addr->sa_family == AF_INET && listen[i].family == 4 &&
		    memcmp(&in4->sin_addr, listen[i].addr, 4) == 0)
			return true;
		if (addr->sa_family == AF_INET6 && listen[i].family == 6 &&
		    memcmp(&in6->sin6_addr, listen[i].addr, 16) == 0)
			return true;
	}
	return false;
}

/*
 * A NIC that takes the VLAN tag out of the frame hides it from us, and our answer would go without: refused where a
 * listen address lives behind a tag. A veth has no such hardware; there it is the sender's to put the tag in.
 */
static int check_tags(const struct port_xdp *x, const struct net_address *listen, unsigned listen_cnt,
		      struct net_error *err)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ifaddrs *all = NULL;
	struct ifreq ifr;
	FILE *table;
	int rc = 0;

	ifr.ifr_data = (void *)&flags;
	if (x->is_veth || request(x->interface, SIOCETHTOOL, &ifr) < 0 || !(flags.data & ETH_FLAG_RXVLAN))
		return 0;
	table = fopen("/proc/self/net/vlan/config", "r");
	if (table == NULL) // no VLAN devices in this kernel
		return 0;
	if (getifaddrs(&all) < 0)
		all = NULL;
	for (const struct ifaddrs *a = all; a != NULL && rc == 0; a = a->ifa_next) {
		if (!is_listened(a->ifa_addr, listen, listen_cnt) ||
		    !is_vlan_on(table, a->ifa_name, x->interface))
			continue;
		net_error_set(err,
			      "port %s: a listen address is on %s, but the NIC takes VLAN tags out of the "
			      "frames, so that "
			      "answers would go without: `ethtool -K %s rxvlan off`",
			      x->interface, a->ifa_name, x->interface);
		rc = -EINVAL;
	}
	freeifaddrs(all);
	fclose(table);
	return rc;
}

static int fill_listen(int prog_fd, uint8_t family, const struct net_address *listen, unsigned listen_cnt)
{
	int fd = map_of(prog_fd, family == 4 ? XDP_MAP_LISTEN4 : XDP_MAP_LISTEN6), rc = 0;
	const uint8_t present = 1;

	if (fd < 0)
		return fd;
	for (unsigned i = 0; i < listen_cnt && rc == 0; i++)
		if (listen[i].family == family &&
		    bpf_map_update_elem(fd, listen[i].addr, &present, BPF_ANY) < 0)
			rc = -errno;
	close(fd);
	return rc;
}

/* Last: without the interface's address in this map the program passes everything to the kernel. */
static int fill_owner(const struct port_xdp *x, int prog_fd)
{
	struct xdp_owner owner = {.pid = (uint32_t)getpid(), .start_time = process_start((uint32_t)getpid())};
	int fd = map_of(prog_fd, XDP_MAP_OWNER), rc = 0;
	uint32_t zero = 0;

	if (fd < 0)
		return fd;
	memcpy(owner.mac, x->mac, sizeof(owner.mac));
	if (bpf_map_update_elem(fd, &zero, &owner, BPF_ANY) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/* The attached program gets to know those of the other queues. */
static int fill_others(const struct port_xdp *x)
{
	int fd, rc = 0;

	if (x->prog_cnt < 2)
		return 0;
	fd = map_of(x->prog_fd[x->prog_cnt - 1], XDP_MAP_OTHERS);
	if (fd < 0)
		return fd;
	for (uint32_t q = 0; q + 1 < x->prog_cnt && rc == 0; q++)
		if (bpf_map_update_elem(fd, &q, &x->prog_fd[q], BPF_ANY) < 0)
			rc = -errno;
	close(fd);
	return rc;
}

int port_xdp_keep(struct port_xdp *x, bool is_last, struct net_error *err)
{
	uint32_t id = 0;
	int rc = attached_id(x, &id), fd = -1;

	if (rc == 0 && id == 0)
		rc = -ENOENT;
	if (rc == 0) {
		fd = bpf_prog_get_fd_by_id(id);
		rc = fd < 0 ? -errno : 0;
	}
	if (rc == 0) {
		x->prog_fd[x->prog_cnt++] = fd;
		rc = is_last ? 0 : detach(x, fd);
	}
	if (rc < 0)
		net_error_set(err, "port %s: cannot get hold of the XDP program of queue %u: %s",
			      x->interface, x->prog_cnt, strerror(-rc));
	return rc;
}

int port_xdp_listen(struct port_xdp *x, const struct net_address *listen, unsigned listen_cnt,
		    struct net_error *err)
{
	int rc = check_tags(x, listen, listen_cnt, err);

	if (rc < 0)
		return rc;
	rc = fill_others(x);
	for (unsigned q = 0; q < x->prog_cnt && rc == 0; q++) {
		rc = fill_listen(x->prog_fd[q], 4, listen, listen_cnt);
		if (rc == 0)
			rc = fill_listen(x->prog_fd[q], 6, listen, listen_cnt);
	}
	for (unsigned q = 0; q < x->prog_cnt && rc == 0; q++)
		rc = fill_owner(x, x->prog_fd[q]);
	if (rc < 0)
		net_error_set(err, "port %s: cannot tell the XDP program our addresses: %s%s", x->interface,
			      strerror(-rc), rc == -E2BIG ? " (too many listen addresses)" : "");
	return rc;
}

bool port_xdp_link_up(const struct port_xdp *x)
{
	struct ifreq ifr;

	return request(x->interface, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_RUNNING) != 0;
}

bool port_xdp_is_there(const struct port_xdp *x)
{
	return x->index != 0 && if_nametoindex(x->interface) == x->index;
}

void port_xdp_fini(struct port_xdp *x)
{
	struct bpf_prog_info info = {0};
	uint32_t id = 0, len = sizeof(info);
	struct xdp_owner owner;
	int fd;

	if (x->object_fd >= 0)
		close(x->object_fd);
	x->object_fd = -1;
	while (x->prog_cnt > 0)
		close(x->prog_fd[--x->prog_cnt]);
	if (x->index == 0 || attached_id(x, &id) < 0 || id == 0)
		return;
	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0)
		return;
	// The driver detaches what it attached; this is for a start that failed half-way in the driver.
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && strcmp(info.name, XDP_PROG_NAME) == 0 &&
	    (!program_owner(fd, &owner) || owner.pid == (uint32_t)getpid()))
		detach(x, fd);
	close(fd);
}
