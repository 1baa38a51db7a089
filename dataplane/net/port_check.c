/* What can be known of a port before DPDK has started, or looks for its device again: can it work? See port.h. */
#include "dataplane/net/port.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RING_DEFAULT	 1024
#define RING_XDP_DEFAULT 2048
#define RING_MAX	 16384

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
	memset(p->split_id, 0xff, sizeof(p->split_id)); // PORT_NONE
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

int port_check_again(struct port *p, struct net_error *err)
{
	switch (p->config.driver) {
	case NET_AF_XDP:
		return port_xdp_check(&p->xdp, p->config.device, p->queue_cnt, err);
	case NET_PCI:
		return check_pci(p, err);
	case NET_MEMIF:
	case NET_VDEV:
		return 0;
	}
	return -EINVAL;
}
