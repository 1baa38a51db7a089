/*
 * The sections `server` and `dataplane`: who we are, which addresses and ports, which cores.
 */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/config_read.h"
#include "control/config_value.h"

#define LISTEN_MAX  256 /* entries of the XDP program's address maps, and nobody has more */
#define PORTS_MAX   32
#define WORKERS_MAX 128

#define PAYLOAD_MAX 4096 /* what a sender of EDNS that knows no path begins with: RFC 6891 6.2.5 */

#define V(p, t) (&(struct config_value){e, p, t})

static bool listed(const struct net_address *list, unsigned cnt, const struct net_address *a)
{
	for (unsigned i = 0; i < cnt; i++) {
		if (memcmp(&list[i], a, sizeof(*a)) == 0)
			return true;
	}
	return false;
}

static void read_listen_item(const struct config_value *v, struct config *c)
{
	struct net_address a = {0};
	union config_sockaddr sa;

	if (!config_value_address(v, &sa))
		return;
	if (sa.sa.sa_family == AF_INET) {
		a.family = 4;
		memcpy(a.addr, &sa.in4.sin_addr, 4);
	} else {
		a.family = 6;
		memcpy(a.addr, &sa.in6.sin6_addr, 16);
	}
	if (listed(c->listen, c->listen_cnt, &a))
		config_errors_add(v->errors, v->path, "\"%s\" is listed twice", v->text);
	else
		c->listen[c->listen_cnt++] = a;
}

static int read_listen(const struct raw_list *raw, struct config *c, struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];

	if (raw->cnt == 0) {
		config_errors_add(e, "server.listen",
				  "is missing; list the addresses to answer on, e.g. listen: [192.0.2.1]");
		return 0;
	}
	if (raw->cnt > LISTEN_MAX) {
		config_errors_add(e, "server.listen", "has %u addresses, at most %d are possible", raw->cnt,
				  LISTEN_MAX);
		return 0;
	}
	c->listen = calloc(raw->cnt, sizeof(c->listen[0]));
	if (c->listen == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < raw->cnt; i++) {
		snprintf(path, sizeof(path), "server.listen[%u]", i);
		read_listen_item(V(path, raw->item[i]), c);
	}
	return 0;
}

/* Sent as one character string (RFC 1035 3.3): 255 octets. */
static uint8_t read_chaos(const struct config_value *v, char out[ANSWER_TEXT_MAX])
{
	char text[ANSWER_TEXT_MAX + 1];
	size_t len;

	if (v->text == NULL || !config_value_text(v, text, sizeof(text), NULL))
		return 0;
	len = strlen(text);
	memcpy(out, text, len);
	return (uint8_t)len;
}

static void read_payload(const struct raw_server *raw, struct config *c, struct config_errors *e)
{
	const struct config_value family[] = {*V("server.udp-payload-ipv4", raw->udp_payload_ipv4),
					      *V("server.udp-payload-ipv6", raw->udp_payload_ipv6)};
	uint64_t both = config_value_uint(V("server.udp-payload", raw->udp_payload), QUERY_PAYLOAD_MIN,
					  PAYLOAD_MAX, ANSWER_UDP_PAYLOAD_DEFAULT);

	for (unsigned i = 0; i < 2; i++)
		c->answer.udp_payload_max[i] =
			(uint16_t)config_value_uint(&family[i], QUERY_PAYLOAD_MIN, PAYLOAD_MAX, both);
}

int config_read_server(const struct raw_config *raw, struct config *c, struct config_errors *e)
{
	static const struct raw_server none;
	const struct raw_server *server = raw->server != NULL ? raw->server : &none;

	read_payload(server, c, e);
	c->answer.identity_len = read_chaos(V("server.identity", server->identity), c->answer.identity);
	c->answer.version_len = read_chaos(V("server.version", server->version), c->answer.version);
	return read_listen(&server->listen, c, e);
}

bool config_read_socket_path(const struct config_value *v, char *out, size_t cap)
{
	const size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	if (v->text[0] != '/') {
		config_errors_add(v->errors, v->path, "\"%s\" is not an absolute path", v->text);
		return false;
	}
	if (strlen(v->text) > most) {
		config_errors_add(v->errors, v->path,
				  "\"%s\" is too long: a UNIX socket's path has at most %zu octets", v->text,
				  most);
		return false;
	}
	return config_value_text(v, out, cap, NULL);
}

/* What Linux takes as the name of an interface: dev_valid_name. */
static bool read_interface(const struct config_value *v, char *out, size_t cap)
{
	if (strlen(v->text) >= IFNAMSIZ || strpbrk(v->text, "/: \t,") != NULL || strcmp(v->text, ".") == 0 ||
	    strcmp(v->text, "..") == 0) {
		config_errors_add(v->errors, v->path,
				  "\"%s\" is not the name of an interface (at most %d octets)", v->text,
				  IFNAMSIZ - 1);
		return false;
	}
	return config_value_text(v, out, cap, NULL);
}

/* 0000:03:00.0 or 03:00.0 */
static bool read_pci(const struct config_value *v, char *out, size_t cap)
{
	unsigned domain, bus, device, function;
	int end = -1;

	sscanf(v->text, "%4x:%2x:%2x.%1u%n", &domain, &bus, &device, &function, &end);
	if (end < 0 || v->text[end] != '\0')
		sscanf(v->text, "%2x:%2x.%1u%n", &bus, &device, &function, &end);
	if (end < 0 || v->text[end] != '\0') {
		config_errors_add(v->errors, v->path, "\"%s\" is not a PCI address such as 0000:03:00.0",
				  v->text);
		return false;
	}
	return config_value_text(v, out, cap, NULL);
}

static bool read_vdev(const struct config_value *v, char *out, size_t cap)
{
	if (strncmp(v->text, "net_", 4) != 0) {
		config_errors_add(v->errors, v->path,
				  "\"%s\" is not a virtual device such as \"net_tap0,iface=wire0\"", v->text);
		return false;
	}
	return config_value_text(v, out, cap, NULL);
}

static void read_device(const struct config_value *v, struct net_port_config *port)
{
	if (v->text == NULL || *v->text == '\0') {
		config_errors_add(v->errors, v->path, "is missing");
		return;
	}
	switch (port->driver) {
	case NET_AF_XDP:
		read_interface(v, port->device, sizeof(port->device));
		break;
	case NET_PCI:
		read_pci(v, port->device, sizeof(port->device));
		break;
	case NET_VDEV:
		read_vdev(v, port->device, sizeof(port->device));
		break;
	case NET_MEMIF:
		config_read_socket_path(v, port->device, sizeof(port->device));
		break;
	}
}

static void read_exception(const struct config_value *v, struct net_port_config *port)
{
	if (v->text == NULL || *v->text == '\0')
		return;
	if (port->driver == NET_AF_XDP)
		config_errors_add(
			v->errors, v->path,
			"makes no sense with af_xdp: the kernel owns the interface and gets the rest");
	else
		read_interface(v, port->exception, sizeof(port->exception));
}

static void read_memif(const struct raw_port *raw, const char *at, struct net_port_config *port,
		       struct config_errors *e)
{
	static const char *const roles[] = {"client", "server"};
	char path[CONFIG_PATH_CAP];

	config_path(path, at, "id");
	if (raw->id != NULL && port->driver != NET_MEMIF)
		config_errors_add(e, path, "is for memif ports only");
	port->memif_id = (uint16_t)config_value_uint(V(path, raw->id), 0, UINT16_MAX, 0);
	config_path(path, at, "role");
	if (raw->role != NULL && port->driver != NET_MEMIF)
		config_errors_add(e, path, "is for memif ports only");
	port->memif_server = config_value_enum(V(path, raw->role), roles, 2, 0) == 1;
}

static uint16_t read_ring(const struct config_value *v)
{
	uint64_t n = config_value_uint(v, 64, 32768, 0);

	if ((n & (n - 1)) != 0) {
		config_errors_add(v->errors, v->path, "\"%s\" is not a power of two", v->text);
		return 0;
	}
	return (uint16_t)n;
}

static void read_port(const struct raw_port *raw, const char *at, struct net_port_config *port,
		      struct config_errors *e)
{
	static const char *const drivers[] = {"af_xdp", "pci", "vdev", "memif"};
	char path[CONFIG_PATH_CAP];

	config_path(path, at, "driver");
	port->driver = NET_AF_XDP;
	if (raw->driver == NULL) {
		config_errors_add(e, path, "is missing; must be af_xdp, pci, vdev or memif");
		return;
	}
	port->driver = config_value_enum(V(path, raw->driver), drivers, 4, 4);
	if ((unsigned)port->driver == 4)
		return; /* nothing else of this port can be judged */
	config_path(path, at, "device");
	read_device(V(path, raw->device), port);
	config_path(path, at, "exception");
	read_exception(V(path, raw->exception), port);
	config_path(path, at, "args");
	if (raw->args != NULL && *raw->args != '\0')
		config_value_text(V(path, raw->args), port->args, sizeof(port->args), NULL);
	config_path(path, at, "rx-ring");
	port->rx_ring = read_ring(V(path, raw->rx_ring));
	config_path(path, at, "tx-ring");
	port->tx_ring = read_ring(V(path, raw->tx_ring));
	read_memif(raw, at, port, e);
}

static void check_port_twice(const struct net_port_config *ports, unsigned i, struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];

	for (unsigned j = 0; j < i; j++) {
		const struct net_port_config *a = &ports[j], *b = &ports[i];

		if (b->device[0] != '\0' && strcmp(a->device, b->device) == 0 &&
		    (b->driver != NET_MEMIF || a->memif_id == b->memif_id)) {
			snprintf(path, sizeof(path), "dataplane.ports[%u].device", i);
			config_errors_add(e, path, "\"%s\" is the device of ports[%u] already", b->device, j);
		}
		if (b->exception[0] != '\0' && strcmp(a->exception, b->exception) == 0) {
			snprintf(path, sizeof(path), "dataplane.ports[%u].exception", i);
			config_errors_add(e, path, "\"%s\" is the exception port of ports[%u] already",
					  b->exception, j);
		}
	}
}

static int read_ports(const struct raw_dataplane *raw, struct config *c, struct config_errors *e)
{
	struct net_port_config *ports;
	char path[CONFIG_PATH_CAP];

	if (raw->ports_cnt == 0 || raw->ports_cnt > PORTS_MAX) {
		config_errors_add(
			e, "dataplane.ports",
			raw->ports_cnt == 0
				? "is missing; at least one port, e.g. {driver: af_xdp, device: eth0}"
				: "has too many ports, at most 32 are possible");
		return 0;
	}
	ports = calloc(raw->ports_cnt, sizeof(ports[0]));
	if (ports == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < raw->ports_cnt; i++) {
		snprintf(path, sizeof(path), "dataplane.ports[%u]", i);
		read_port(&raw->ports[i], path, &ports[i], e);
		check_port_twice(ports, i, e);
	}
	c->net.ports = ports;
	c->net.port_cnt = raw->ports_cnt;
	return 0;
}

static uint64_t cpu_max(void)
{
	long cnt = sysconf(_SC_NPROCESSORS_CONF);

	return cnt > 0 ? (uint64_t)cnt - 1 : 0;
}

static void check_worker(const struct config_value *v, const uint16_t *cpus, unsigned i, uint16_t main_cpu)
{
	for (unsigned j = 0; j < i; j++) {
		if (cpus[j] == cpus[i])
			config_errors_add(v->errors, v->path, "CPU %u has a worker already", cpus[i]);
	}
	if (cpus[i] == main_cpu)
		config_errors_warn(v->errors, v->path,
				   "CPU %u is main-cpu too: worker and control loop slow each other down",
				   main_cpu);
}

/* Without a list: CPU 1, or 0 where there is no other. */
static int read_workers(const struct raw_dataplane *raw, struct config *c, struct config_errors *e)
{
	unsigned cnt = raw->workers.cnt > 0 ? raw->workers.cnt : 1;
	char path[CONFIG_PATH_CAP];
	uint16_t *cpus;

	if (cnt > WORKERS_MAX) {
		config_errors_add(e, "dataplane.workers", "has %u CPUs, at most %d are possible", cnt,
				  WORKERS_MAX);
		return 0;
	}
	cpus = calloc(cnt, sizeof(cpus[0]));
	if (cpus == NULL)
		return -ENOMEM;
	c->net.worker_cpus = cpus;
	c->net.worker_cnt = cnt;
	cpus[0] = cpu_max() > 0 ? 1 : 0;
	for (unsigned i = 0; i < raw->workers.cnt; i++) {
		unsigned before = e->error_cnt;

		snprintf(path, sizeof(path), "dataplane.workers[%u]", i);
		cpus[i] =
			(uint16_t)config_value_uint(V(path, raw->workers.item[i]), 0, cpu_max(), UINT16_MAX);
		if (e->error_cnt == before)
			check_worker(V(path, raw->workers.item[i]), cpus, i, c->net.main_cpu);
	}
	return 0;
}

static int read_prefix(const struct config_value *v, struct config *c)
{
	const char *prefix = v->text != NULL ? v->text : "lockstep";

	/* It becomes part of a path below /run/dpdk. */
	if (strlen(prefix) > 64 ||
	    strspn(prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
		    strlen(prefix) ||
	    *prefix == '\0')
		config_errors_add(v->errors, v->path,
				  "\"%s\" must be 1 to 64 letters, digits, \"-\" or \"_\"", prefix);
	c->net.prefix = strdup(prefix);
	return c->net.prefix != NULL ? 0 : -ENOMEM;
}

int config_read_dataplane(const struct raw_config *raw, struct config *c, struct config_errors *e)
{
	static const char *const idles[] = {"busy", "adaptive"};
	static const struct raw_dataplane none;
	const struct raw_dataplane *dp = raw->dataplane != NULL ? raw->dataplane : &none;
	uint64_t memory;
	int rc;

	c->net.listen = c->listen;
	c->net.listen_cnt = c->listen_cnt;
	c->net.main_cpu = (uint16_t)config_value_uint(V("dataplane.main-cpu", dp->main_cpu), 0, cpu_max(), 0);
	c->net.idle = config_value_enum(V("dataplane.idle", dp->idle), idles, 2, NET_IDLE_ADAPTIVE);
	c->net.idle_sleep_us = (uint32_t)config_value_duration(V("dataplane.idle-sleep", dp->idle_sleep), 1,
							       CONFIG_US_PER_S, 100);
	c->stall_after_ms = (uint32_t)(config_value_duration(V("dataplane.stall-after", dp->stall_after),
							     CONFIG_US_PER_S / 2, 3600 * CONFIG_US_PER_S,
							     CONFIG_US_PER_S) /
				       1000);
	c->stall_memory = config_value_size(V("dataplane.stall-memory", dp->stall_memory), 0,
					    UINT64_C(1) << 40, UINT64_C(256) << 20);
	memory = config_value_size(V("dataplane.memory", dp->memory), 0, UINT64_C(1) << 40,
				   UINT64_C(512) << 20);
	c->net.memory_mb = (uint32_t)((memory + (1 << 20) - 1) >> 20);
	rc = read_prefix(V("dataplane.prefix", dp->prefix), c);
	if (rc == 0)
		rc = read_workers(dp, c, e);
	if (rc == 0)
		rc = read_ports(dp, c, e);
	return rc;
}
