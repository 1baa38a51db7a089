/*
 * Links that go down and up, devices that go and come back.
 *
 * A device that is gone cannot be closed while a worker may be inside its driver. So the port is marked as away, which a
 * worker reads before it touches anything else of it; when every worker has begun a turn after that, the control loop
 * closes the device, and looks from time to time whether one of that name is there again. Nobody waits for anybody: a
 * worker that stands still delays the closing, not the control loop.
 *
 * What DPDK tells (RTE_ETH_EVENT_INTR_RMV, _LSC) comes on its interrupt thread and is only noted. AF_XDP tells nothing:
 * there the interface is looked at.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "dataplane/net/net_internal.h"

#define LOOK_MS 500 /* between two looks for a device that is away: each may ask the kernel a few things */
#define MARGIN_US \
	100 /* a load may be executed before the clock that a turn began with was read, but not so long before */

typedef void (*tell_fn)(void *arg, unsigned port, enum net_port_event event, const char *text);

static int on_event(uint16_t id, enum rte_eth_event_type event, void *arg, void *ret)
{
	struct port *p = arg;

	if (event == RTE_ETH_EVENT_INTR_RMV)
		atomic_store_explicit(&p->removed, true, memory_order_release);
	else
		atomic_fetch_add_explicit(&p->link_events, 1, memory_order_relaxed);
	return 0;
}

int port_listen_events(struct port *p, struct net_error *err)
{
	int rc = rte_eth_dev_callback_register(p->id, RTE_ETH_EVENT_INTR_RMV, on_event, p);

	atomic_store_explicit(&p->removed, false, memory_order_relaxed);
	if (rc == 0)
		rc = rte_eth_dev_callback_register(p->id, RTE_ETH_EVENT_INTR_LSC, on_event, p);
	if (rc < 0)
		net_error_set(err, "port %s: cannot register for events: %s", p->config.device,
			      strerror(-rc));
	return rc;
}

void port_unlisten_events(struct port *p)
{
	if (p->id == PORT_NONE)
		return;
	rte_eth_dev_callback_unregister(p->id, RTE_ETH_EVENT_INTR_RMV, on_event, p);
	rte_eth_dev_callback_unregister(p->id, RTE_ETH_EVENT_INTR_LSC, on_event, p);
}

static bool is_gone(const struct port *p)
{
	if (p->config.driver == NET_AF_XDP && !port_xdp_is_there(&p->xdp))
		return true;
	return atomic_load_explicit(&p->removed, memory_order_acquire);
}

static bool workers_have_left(const struct net *n, uint64_t since)
{
	for (unsigned i = 0; i < n->workers_running; i++)
		if (atomic_load_explicit(&n->workers[i].turn_at, memory_order_acquire) <= since)
			return false;
	return true;
}

static uint64_t cycles_of_us(uint64_t us)
{
	return rte_get_tsc_hz() / 1000000 * us;
}

/* Changes that were told of between two looks, and went back, are a down and an up. */
static void look_at_link(struct port *p, tell_fn tell, void *arg)
{
	uint32_t told = atomic_exchange_explicit(&p->link_events, 0, memory_order_relaxed);
	bool down = !port_link_up(p);

	if (down == p->life.link_down && told < 2)
		return;
	if (down == p->life.link_down) {
		p->life.link_changes++;
		tell(arg, p->index, down ? NET_PORT_LINK_UP : NET_PORT_LINK_DOWN, "");
	}
	p->life.link_down = down;
	p->life.link_changes++;
	tell(arg, p->index, down ? NET_PORT_LINK_DOWN : NET_PORT_LINK_UP, "");
}

static void leave(struct port *p, tell_fn tell, void *arg)
{
	p->life.state = PORT_LEAVING;
	p->life.removals++;
	atomic_store_explicit(&p->away, true, memory_order_seq_cst); // COMMIT
	p->life.left_at = rte_rdtsc() + cycles_of_us(MARGIN_US);
	tell(arg, p->index, NET_PORT_REMOVED, "");
}

/* Its counters go on from where they were. */
static void close_left(struct port *p)
{
	struct net_port_info sum;

	port_info(p, &sum);
	p->life.last = sum;
	port_close(p);
	p->life.state = PORT_ABSENT;
	p->life.look_at = 0;
	p->life.refusal[0] = '\0';
}

static void refuse(struct port *p, const char *why, tell_fn tell, void *arg)
{
	if (strcmp(p->life.refusal, why) == 0)
		return;
	snprintf(p->life.refusal, sizeof(p->life.refusal), "%s", why);
	tell(arg, p->index, NET_PORT_REFUSED, why);
}

/* Until it is there nothing is said: that it is not was told. */
static bool is_back(const struct port *p)
{
	return p->config.driver != NET_AF_XDP || if_nametoindex(p->config.device) != 0;
}

static void look_for(struct net *n, struct port *p, tell_fn tell, void *arg)
{
	struct port_env env = net_port_env(n);
	struct net_error err = {.text = ""};
	uint64_t now = rte_rdtsc();
	int rc;

	if (now < p->life.look_at)
		return;
	p->life.look_at = now + cycles_of_us(LOOK_MS * 1000);
	if (!is_back(p))
		return;
	rc = port_check_again(p, &err);
	if (rc == 0)
		rc = port_open(p, &env, &err);
	if (rc < 0) {
		port_close(p);
		refuse(p, err.text, tell, arg);
		return;
	}
	p->life.state = PORT_PRESENT;
	p->life.link_down = !port_link_up(p);
	atomic_store_explicit(&p->away, false, memory_order_release); // COMMIT; pairs with port_is_away
	tell(arg, p->index, NET_PORT_BACK, "");
}

void net_ports_poll(struct net *n, tell_fn tell, void *arg)
{
	for (unsigned i = 0; i < n->port_cnt; i++) {
		struct port *p = &n->ports[i];

		switch (p->life.state) {
		case PORT_PRESENT:
			if (is_gone(p))
				leave(p, tell, arg);
			else
				look_at_link(p, tell, arg);
			break;
		case PORT_LEAVING:
			if (workers_have_left(n, p->life.left_at))
				close_left(p);
			break;
		case PORT_ABSENT:
			look_for(n, p, tell, arg);
			break;
		}
	}
}
