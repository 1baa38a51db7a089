/*
 * Opening, starting and stopping the packet plane; the control loop's end of the rings. See net.h.
 */
#include "dataplane/net/net.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "dataplane/net/net_internal.h"
#include "dataplane/net/tap_signals.h"

const struct counter_text net_counter_text[NET_COUNTER_CNT] = {
#define X(name, help) {#name, help},
	NET_COUNTERS(X)
#undef X
};

void net_error_set(struct net_error *err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
}

static int no_memory(struct net_error *err)
{
	net_error_set(err, "out of memory while opening the packet plane");
	return -ENOMEM;
}

static int add_listen(struct net *n, const struct net_config *config, struct net_error *err)
{
	n->listen = packet_listen_new(config->listen_cnt);
	n->addresses = calloc(config->listen_cnt, sizeof(*n->addresses));
	if (n->listen == NULL || n->addresses == NULL)
		return no_memory(err);
	memcpy(n->addresses, config->listen, config->listen_cnt * sizeof(*n->addresses));
	n->address_cnt = config->listen_cnt;
	for (unsigned i = 0; i < config->listen_cnt; i++) {
		const struct net_address *a = &config->listen[i];

		if (a->family != 4 && a->family != 6)
			return -EAFNOSUPPORT;
		if (!packet_source_valid(a->family, a->addr)) {
			net_error_set(err,
				      "listen address %u of the configuration is no unicast address: list "
				      "the addresses "
				      "that are asked for, there is no wildcard",
				      i + 1);
			return -EINVAL;
		}
		packet_listen_add(n->listen, a->family, a->addr);
	}
	return 0;
}

static int check_config(const struct net_config *config, struct net_error *err)
{
	const char *missing = config->port_cnt == 0	? "port"
			      : config->worker_cnt == 0 ? "worker"
			      : config->listen_cnt == 0 ? "listen address"
							: NULL;

	if (missing == NULL)
		return 0;
	net_error_set(err, "the configuration has no %s: at least one is needed", missing);
	return -EINVAL;
}

static int check_ports(struct net *n, const struct net_config *config, struct net_error *err)
{
	n->ports = calloc(config->port_cnt, sizeof(*n->ports));
	if (n->ports == NULL)
		return no_memory(err);
	for (unsigned i = 0; i < config->port_cnt; i++) {
		int rc = port_check(&n->ports[i], &config->ports[i], (uint16_t)i,
				    (uint16_t)config->worker_cnt, err);

		if (rc < 0)
			return rc;
		n->port_cnt++;
	}
	return 0;
}

/* Of the pool that a worker has for ports without their own. */
static unsigned pool_buffers(const struct net *n)
{
	unsigned cnt = PORT_POOL_SPARE + 2 * PORT_POOL_CACHE;

	for (unsigned i = 0; i < n->port_cnt; i++)
		cnt += port_has_own_pools(&n->ports[i]) ? 0 : port_buffers(&n->ports[i]);
	return cnt;
}

static unsigned need_mb(const struct net *n, unsigned worker_cnt)
{
	uint64_t cnt = pool_buffers(n);

	for (unsigned i = 0; i < n->port_cnt; i++)
		cnt += port_has_own_pools(&n->ports[i]) ? port_buffers(&n->ports[i]) : 0;
	return (unsigned)(cnt * worker_cnt * PORT_MBUF_OCTETS / (1024 * 1024) + 1);
}

static int make_pools(struct net *n, struct net_error *err)
{
	n->pools = calloc(n->worker_cnt, sizeof(struct rte_mempool *));
	if (n->pools == NULL)
		return no_memory(err);
	for (unsigned i = 0; i < n->worker_cnt; i++) {
		char name[32];

		snprintf(name, sizeof(name), "worker%u", i);
		n->pools[i] = port_pool_new(n->eal, name, i, pool_buffers(n), err);
		if (n->pools[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int make_workers(struct net *n, const struct net_config *config, struct net_error *err)
{
	n->workers = aligned_alloc(alignof(struct worker), config->worker_cnt * sizeof(*n->workers));
	if (n->workers == NULL)
		return no_memory(err);
	memset(n->workers, 0, config->worker_cnt * sizeof(*n->workers));
	n->worker_cnt = config->worker_cnt;
	for (unsigned i = 0; i < n->worker_cnt; i++) {
		struct worker *w = &n->workers[i];

		w->ports = n->ports;
		w->port_cnt = n->port_cnt;
		w->index = (uint16_t)i;
		w->idle = config->idle;
		w->idle_sleep_us = config->idle_sleep_us;
		cell_set(&w->peers, config->peers);
		w->requests = aligned_alloc(alignof(struct dgram_ring), sizeof(struct dgram_ring));
		w->replies = aligned_alloc(alignof(struct dgram_ring), sizeof(struct dgram_ring));
		if (w->requests == NULL || w->replies == NULL)
			return no_memory(err);
		dgram_ring_init(w->requests);
		dgram_ring_init(w->replies);
	}
	return 0;
}

struct port_env net_port_env(const struct net *n)
{
	return (struct port_env){.eal = n->eal,
				 .pools = n->pools,
				 .listen = n->listen,
				 .addresses = n->addresses,
				 .address_cnt = n->address_cnt};
}

static int open_ports(struct net *n, struct net_error *err)
{
	struct port_env env = net_port_env(n);

	for (unsigned i = 0; i < n->port_cnt; i++) {
		int rc = 0;

		if (n->tap_signals == NULL && port_may_have_tap(&n->ports[i]))
			rc = tap_signals_start(&n->tap_signals, err);
		if (rc < 0)
			return rc;
		n->ports_open++;
		rc = port_open(&n->ports[i], &env, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int open_all(struct net *n, const struct net_config *config, struct net_error *err)
{
	int rc = check_config(config, err);

	if (rc == 0)
		rc = add_listen(n, config, err);
	if (rc == 0)
		rc = check_ports(n, config, err);
	if (rc == 0)
		rc = eal_start(config, need_mb(n, config->worker_cnt), &n->eal, err);
	if (rc == 0)
		rc = make_workers(n, config, err);
	if (rc == 0)
		rc = make_pools(n, err);
	if (rc == 0)
		rc = open_ports(n, err);
	return rc;
}

int net_open(const struct net_config *config, struct net **out, struct net_error *err)
{
	struct net *n = calloc(1, sizeof(*n));
	int rc;

	if (n == NULL)
		return no_memory(err);
	rc = open_all(n, config, err);
	if (rc < 0) {
		net_close(n);
		return rc;
	}
	for (unsigned i = 0; i < n->worker_cnt; i++)
		n->workers[i].pool = n->pools[i];
	*out = n;
	return 0;
}

int net_start(struct net *n, struct answer_engine *const engines[], struct net_error *err)
{
	for (unsigned i = 0; i < n->worker_cnt; i++) {
		struct worker *w = &n->workers[i];
		int rc;

		w->engine = engines[i];
		atomic_store_explicit(&w->stop, false, memory_order_relaxed); // the launch below publishes it
		rc = rte_eal_remote_launch(worker_run, w, eal_worker_lcore(i));
		if (rc < 0) {
			net_error_set(err, "cannot start worker %u: %s", i, strerror(-rc));
			net_stop(n);
			return rc;
		}
		n->workers_running++;
	}
	return 0;
}

void net_stop(struct net *n)
{
	for (unsigned i = 0; i < n->workers_running; i++)
		atomic_store_explicit(&n->workers[i].stop, true, memory_order_relaxed);
	for (unsigned i = 0; i < n->workers_running; i++)
		rte_eal_wait_lcore(eal_worker_lcore(i));
	n->workers_running = 0;
}

void net_close(struct net *n)
{
	if (n == NULL)
		return;
	net_stop(n);
	while (n->ports_open > 0)
		port_close(&n->ports[--n->ports_open]);
	tap_signals_stop(n->tap_signals);
	for (unsigned i = 0; n->pools != NULL && i < n->worker_cnt; i++)
		rte_mempool_free(n->pools[i]);
	eal_stop(n->eal);
	for (unsigned i = 0; i < n->worker_cnt; i++) {
		free(n->workers[i].requests);
		free(n->workers[i].capture_ring);
		free(n->workers[i].replies);
	}
	packet_listen_free(n->listen);
	free(n->addresses);
	free(n->pools);
	free(n->workers);
	free(n->ports);
	free(n);
}

void net_set_peers(struct net *n, const struct acl *peers)
{
	for (unsigned i = 0; i < n->worker_cnt; i++)
		cell_set(&n->workers[i].peers, peers);
}

bool net_dgram_recv(struct net *n, struct net_dgram *out)
{
	for (unsigned i = 0; i < n->worker_cnt; i++) {
		struct worker *w = &n->workers[n->next_worker];
		const struct net_dgram *d = dgram_ring_next(w->requests);

		n->next_worker =
			n->next_worker + 1 < n->worker_cnt ? n->next_worker + 1 : 0; // each in its turn
		if (d == NULL)
			continue;
		dgram_copy(out, d);
		dgram_ring_take(w->requests);
		return true;
	}
	return false;
}

int net_dgram_reply(struct net *n, const struct net_dgram *d)
{
	struct net_dgram *room;
	struct worker *w;

	if (d->worker >= n->worker_cnt || d->port >= n->port_cnt || d->len > NET_DGRAM_MAX)
		return -EINVAL;
	w = &n->workers[d->worker];
	room = dgram_ring_room(w->replies);
	if (room == NULL) {
		// The one counter of a worker that the control loop writes.
		atomic_fetch_add_explicit(&w->counter[NET_CNT_notify_reply_full], 1, memory_order_relaxed);
		return -ENOBUFS;
	}
	dgram_copy(room, d);
	dgram_ring_put(w->replies);
	return 0;
}

unsigned net_worker_cnt(const struct net *n)
{
	return n->worker_cnt;
}

void net_worker_counters(const struct net *n, unsigned worker, uint64_t out[NET_COUNTER_CNT])
{
	for (unsigned i = 0; i < NET_COUNTER_CNT; i++)
		out[i] = atomic_load_explicit(&n->workers[worker].counter[i], memory_order_relaxed);
}

uint64_t net_since_ns(uint64_t then, uint64_t now, uint64_t hz)
{
	return now > then ? (uint64_t)((double)(now - then) * 1e9 / (double)hz) : 0;
}

void net_worker_info(const struct net *n, unsigned worker, struct net_worker_info *out)
{
	const struct worker *w = &n->workers[worker];
	uint64_t hz = rte_get_tsc_hz(), now = rte_rdtsc();
	uint64_t turn_at = atomic_load_explicit(&w->turn_at, memory_order_relaxed);
	uint64_t worst = atomic_load_explicit(&w->gap_worst, memory_order_relaxed);
	uint64_t worst_at = atomic_load_explicit(&w->gap_worst_at, memory_order_relaxed);

	*out = (struct net_worker_info){.cycles_per_s = hz,
					.gap_worst_ns = net_since_ns(0, worst, hz),
					.gap_worst_ago_ns =
						worst_at != 0 ? net_since_ns(worst_at, now, hz) : 0,
					.turn_ago_ns = turn_at != 0 ? net_since_ns(turn_at, now, hz) : 0};
}

uint32_t net_msg_max(const struct net *n, uint8_t family)
{
	uint32_t max = UINT32_MAX;

	for (unsigned i = 0; i < n->port_cnt; i++) {
		uint32_t here = packet_msg_max(family, n->ports[i].mtu);

		max = here < max ? here : max;
	}
	return max;
}

bool net_answers_source(const struct net *n, const struct net_address *source)
{
	bool own = false;

	for (unsigned i = 0; i < n->address_cnt && !own; i++)
		own = n->addresses[i].family == source->family &&
		      memcmp(n->addresses[i].addr, source->addr, source->family == 4 ? 4 : 16) == 0;
	return !own && packet_source_valid(source->family, source->addr);
}
