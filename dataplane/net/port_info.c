/*
 * What a port can say about itself. A split port's devices are summed. See port.h and net.h.
 */
#include "dataplane/net/net_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>

static unsigned parts_of(const struct port *p)
{
	return p->split ? p->queue_cnt : 1;
}

bool port_link_up(const struct port *p)
{
	struct rte_eth_link link;

	if (p->id == PORT_NONE)
		return false;
	if (p->config.driver == NET_AF_XDP) // its driver always says up; the interface knows better
		return port_xdp_link_up(&p->xdp);
	return rte_eth_link_get_nowait(p->id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

static void add_stats(const struct port *p, struct net_port_info *out)
{
	for (unsigned part = 0; part < parts_of(p); part++) {
		struct rte_eth_stats stats;

		if (p->split_id[part] == PORT_NONE || rte_eth_stats_get(p->split_id[part], &stats) < 0)
			continue;
		out->rx_packets += stats.ipackets;
		out->tx_packets += stats.opackets;
		out->rx_bytes += stats.ibytes;
		out->tx_bytes += stats.obytes;
		out->rx_missed += stats.imissed;
		out->rx_errors += stats.ierrors;
		out->rx_nombuf += stats.rx_nombuf;
		out->tx_errors += stats.oerrors;
	}
}

int port_info(const struct port *p, struct net_port_info *out)
{
	struct rte_eth_dev_info info;

	*out = p->life.last;
	out->present = p->life.state == PORT_PRESENT;
	out->link_up = out->present && port_link_up(p);
	out->link_changes = p->life.link_changes;
	out->removals = p->life.removals;
	out->mtu = p->mtu;
	out->queues = p->queue_cnt;
	out->tx_checksum_offload = p->offload;
	if (p->id != PORT_NONE) {
		add_stats(p, out);
		if (rte_eth_dev_info_get(p->id, &info) == 0)
			snprintf(out->driver, sizeof(out->driver), "%.*s", (int)sizeof(out->driver) - 1,
				 info.driver_name);
	}
	snprintf(out->name, sizeof(out->name), "%.*s", (int)sizeof(out->name) - 1, p->config.device);
	memcpy(out->mac, p->filter.mac, sizeof(out->mac));
	return 0;
}

unsigned net_port_cnt(const struct net *n)
{
	return n->port_cnt;
}

int net_port_info(const struct net *n, unsigned port, struct net_port_info *out)
{
	return port_info(&n->ports[port], out);
}

const char *net_port_lacks(const struct net *n, unsigned port, unsigned *iter)
{
	return port_lacks_text(n->ports[port].lacks, iter);
}

/* Adds to the one of that name, or at the end. Returns how many there are then. */
static unsigned add_xstat(struct net_xstat out[], unsigned cnt, unsigned cap, const char *name,
			  uint64_t value)
{
	for (unsigned i = 0; i < cnt; i++) {
		if (strcmp(out[i].name, name) != 0)
			continue;
		out[i].value += value;
		return cnt;
	}
	if (cnt == cap)
		return cnt;
	snprintf(out[cnt].name, sizeof(out[cnt].name), "%.*s", (int)sizeof(out[cnt].name) - 1, name);
	out[cnt].value = value;
	return cnt + 1;
}

/* Those of one device. Returns how many there are then, or -errno. */
static int add_xstats(uint16_t id, struct net_xstat out[], unsigned cnt, unsigned cap)
{
	int size = rte_eth_xstats_get_names(id, NULL, 0);
	struct rte_eth_xstat_name *names;
	struct rte_eth_xstat *values;
	int rc = -ENOMEM;

	if (size <= 0)
		return size < 0 ? size : (int)cnt;
	names = calloc((size_t)size, sizeof(*names));
	values = calloc((size_t)size, sizeof(*values));
	if (names != NULL && values != NULL) {
		rc = rte_eth_xstats_get_names(id, names, (unsigned)size);
		if (rc == size)
			rc = rte_eth_xstats_get(id, values, (unsigned)size);
	}
	for (int i = 0; i < rc && rc <= size; i++)
		cnt = add_xstat(out, cnt, cap, names[values[i].id].name, values[i].value);
	free(names);
	free(values);
	return rc < 0 ? rc : (int)cnt;
}

int net_port_xstats(const struct net *n, unsigned port, struct net_xstat out[], unsigned cap)
{
	const struct port *p = &n->ports[port];
	int cnt = 0;

	for (unsigned part = 0; part < parts_of(p) && cnt >= 0; part++)
		if (p->split_id[part] != PORT_NONE)
			cnt = add_xstats(p->split_id[part], out, (unsigned)cnt, cap);
	return cnt;
}
