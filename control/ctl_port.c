/*
 * Ports as the control socket shows them, and "port stats": what a driver counts of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "control/ctl_internal.h"

#define XSTATS_MAX 4096 /* a NIC with many queues has some hundred */

struct port_counter {
	const char *name;
	const char *help;
	size_t at; /* of a uint64_t in struct net_port_info */
};

#define COUNTER(name, help)                                               \
	{                                                                 \
		"port_" #name, help, offsetof(struct net_port_info, name) \
	}

static const struct port_counter port_counters[] = {
	COUNTER(rx_packets, "frames the port received"),
	COUNTER(tx_packets, "frames the port sent"),
	COUNTER(rx_bytes, "octets the port received"),
	COUNTER(tx_bytes, "octets the port sent"),
	COUNTER(rx_missed, "frames lost because no worker was fast enough"),
	COUNTER(rx_errors, "frames the port found broken"),
	COUNTER(rx_nombuf, "frames lost because the packet buffers had run out"),
	COUNTER(tx_errors, "frames the port could not send"),
	COUNTER(link_changes, "times that the port's link went down or came up"),
	COUNTER(removals, "times that the port's device was removed"),
};

#define COUNTER_CNT (sizeof(port_counters) / sizeof(port_counters[0]))

static json_t *counters_json(const struct net_port_info *p)
{
	json_t *list = json_object();

	for (size_t i = 0; i < COUNTER_CNT; i++) {
		uint64_t value;

		memcpy(&value, (const uint8_t *)p + port_counters[i].at, sizeof(value));
		json_object_set_new(list, port_counters[i].name, json_integer((json_int_t)value));
	}
	return list;
}

json_t *ctl_ports_described(void)
{
	json_t *list = json_object();

	for (size_t i = 0; i < COUNTER_CNT; i++)
		json_object_set_new(list, port_counters[i].name, json_string(port_counters[i].help));
	return list;
}

static json_t *lacks_json(const struct ctl *ctl, unsigned port)
{
	json_t *list = json_array();
	unsigned iter = 0;
	const char *text;

	while ((text = net_port_lacks(ctl->env.net, port, &iter)) != NULL)
		json_array_append_new(list, json_string(text));
	return list;
}

static json_t *port_json(const struct ctl *ctl, unsigned port, const struct net_port_info *p)
{
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1], p->mac[2],
		 p->mac[3], p->mac[4], p->mac[5]);
	return json_pack("{s:o, s:o, s:s, s:b, s:b, s:i, s:i, s:b, s:o, s:o}", "name", ctl_text(p->name),
			 "driver", ctl_text(p->driver), "mac", mac, "present", (int)p->present, "link_up",
			 (int)p->link_up, "mtu", (int)p->mtu, "queues", (int)p->queues, "tx_checksum_offload",
			 (int)p->tx_checksum_offload, "lacks", lacks_json(ctl, port), "counters",
			 counters_json(p));
}

json_t *ctl_ports(const struct ctl *ctl)
{
	unsigned cnt = net_port_cnt(ctl->env.net);
	json_t *list = json_array();

	for (unsigned i = 0; i < cnt; i++) {
		struct net_port_info info;

		memset(&info, 0, sizeof(info));
		if (net_port_info(ctl->env.net, i, &info) < 0)
			continue;
		if (json_array_append_new(list, port_json(ctl, i, &info)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* The number of the port of this name or number; -1: answered with an error. */
static int find_port(struct ctl_conn *conn, const char *name)
{
	unsigned cnt = net_port_cnt(conn->ctl->env.net);
	struct net_port_info info;
	char number[16];

	for (unsigned i = 0; i < cnt; i++) {
		snprintf(number, sizeof(number), "%u", i);
		if (strcmp(number, name) == 0)
			return (int)i;
		if (net_port_info(conn->ctl->env.net, i, &info) == 0 && strcmp(info.name, name) == 0)
			return (int)i;
	}
	ctl_reply_error(conn, "bad-argument", NULL, "there is no port \"%.64s\": status lists them", name);
	return -1;
}

void ctl_port_stats(struct ctl_conn *conn, const struct ctl_args *args)
{
	const char *name = json_string_value(json_object_get(args->given, "port"));
	struct net_xstat *stats;
	json_t *list;
	int port, cnt;

	if (name == NULL) {
		ctl_reply_error(conn, "bad-argument", NULL, "\"port stats\" needs the argument \"port\"");
		return;
	}
	port = find_port(conn, name);
	if (port < 0)
		return;
	stats = calloc(XSTATS_MAX, sizeof(*stats));
	cnt = stats != NULL ? net_port_xstats(conn->ctl->env.net, (unsigned)port, stats, XSTATS_MAX) : 0;
	list = stats != NULL ? json_object() : NULL;
	for (int i = 0; i < cnt; i++)
		json_object_set_new(list, stats[i].name, json_integer((json_int_t)stats[i].value));
	free(stats);
	if (cnt < 0) {
		json_decref(list);
		ctl_reply_error(conn, "failed", NULL, "the driver of port %s does not tell: %s", name,
				strerror(-cnt));
		return;
	}
	ctl_reply(conn, list == NULL ? NULL : json_pack("{s:s, s:o}", "port", name, "counters", list));
}
