#include "bench/load/link.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define ARGS_MAX   20
#define ARG_CAP	   512
#define POOL_EXTRA 4096 /* beside the rings: bursts, caches, what AF_XDP keeps */
#define POOL_CACHE 256
#define NO_HUGE_MB 64 /* DPDK's own, beside the buffers */
#define MBUF_KB	   3

__attribute__((format(printf, 2, 3))) static void fail(struct link_error *err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
}

struct args {
	char text[ARGS_MAX][ARG_CAP];
	char *argv[ARGS_MAX];
	int cnt;
};

__attribute__((format(printf, 2, 3))) static void add(struct args *a, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(a->text[a->cnt], ARG_CAP, fmt, args);
	va_end(args);
	a->argv[a->cnt] = a->text[a->cnt];
	a->cnt++;
}

static unsigned buffers_of(const struct link_config *config)
{
	return 2 * config->ring + POOL_EXTRA;
}

/* The main thread sleeps nearly always: it shares the first sender's CPU. */
static void make_args(struct args *a, const struct link_config *config)
{
	unsigned buffers_mb = config->cpu_cnt * buffers_of(config) * MBUF_KB / 1024;
	int len;

	add(a, "lockstep-load");
	add(a, "--lcores");
	add(a, "0@%u", config->cpu[0]);
	len = (int)strlen(a->text[a->cnt - 1]);
	for (unsigned i = 0; i < config->cpu_cnt; i++)
		len += snprintf(a->text[a->cnt - 1] + len, (size_t)(ARG_CAP - len), ",%u@%u", i + 1,
				config->cpu[i]);
	add(a, "--no-telemetry");
	add(a, "--log-level=error");
	add(a, "--file-prefix=%s", config->prefix);
	if (config->memory_mb == 0) {
		add(a, "--no-huge");
		add(a, "--no-shconf");
	} else {
		add(a, "--in-memory");
	}
	add(a, "-m");
	add(a, "%u", config->memory_mb != 0 ? config->memory_mb : buffers_mb + NO_HUGE_MB);
	if (config->pci == NULL) {
		add(a, "--no-pci");
		add(a, "--vdev=%s", config->vdev);
	} else {
		add(a, "-a");
		add(a, "%s", config->pci);
	}
}

static int start_eal(struct link *l, const struct link_config *config, struct link_error *err)
{
	const char *device = config->pci != NULL ? config->pci : config->vdev;
	struct args a = {0};

	make_args(&a, config);
	if (rte_eal_init(a.cnt, a.argv) < 0) {
		fail(err, "cannot start DPDK with the device %s: %s", device, rte_strerror(rte_errno));
		return -EIO;
	}
	l->running = true;
	rmdir(rte_eal_get_runtime_dir()); // empty, since nothing is shared: it need not outlive us
	if (rte_eth_dev_count_avail() != 1) {
		fail(err, "the device %s gave %u ports, one is wanted%s", device, rte_eth_dev_count_avail(),
		     config->pci != NULL ? "; is it bound to vfio-pci (dpdk-devbind.py --status)?" : "");
		return -ENODEV;
	}
	l->id = (uint16_t)rte_eth_find_next(0);
	return 0;
}

static int make_pools(struct link *l, const struct link_config *config, struct link_error *err)
{
	for (unsigned i = 0; i < l->queue_cnt; i++) {
		char name[32];

		snprintf(name, sizeof(name), "load%u", i);
		l->pool[i] = rte_pktmbuf_pool_create(name, buffers_of(config), POOL_CACHE, 0,
						     RTE_MBUF_DEFAULT_BUF_SIZE, rte_eth_dev_socket_id(l->id));
		if (l->pool[i] == NULL) {
			fail(err, "cannot make %u packet buffers: %s", buffers_of(config),
			     rte_strerror(rte_errno));
			return -ENOMEM;
		}
	}
	return 0;
}

static int set_up_queues(struct link *l, const struct link_config *config)
{
	uint16_t rx = (uint16_t)config->ring, tx = rx;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(l->id, &rx, &tx);

	for (uint16_t q = 0; q < l->queue_cnt && rc >= 0; q++) {
		rc = rte_eth_rx_queue_setup(l->id, q, rx, (unsigned)rte_eth_dev_socket_id(l->id), NULL,
					    l->pool[q]);
		if (rc >= 0)
			rc = rte_eth_tx_queue_setup(l->id, q, tx, (unsigned)rte_eth_dev_socket_id(l->id),
						    NULL);
	}
	return rc;
}

static int configure(struct link *l, const struct link_config *config, struct link_error *err)
{
	const uint64_t rss = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP;
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	int rc = rte_eth_dev_info_get(l->id, &info);

	if (rc >= 0 && (info.max_rx_queues < l->queue_cnt || info.max_tx_queues < l->queue_cnt)) {
		fail(err, "the device has %u receive and %u transmit queues, %u cores need one of each",
		     info.max_rx_queues, info.max_tx_queues, l->queue_cnt);
		return -EINVAL;
	}
	if (rc >= 0) {
		conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
		if (l->queue_cnt > 1 && (info.flow_type_rss_offloads & rss) != 0) {
			conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
			conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & rss;
		}
		rc = rte_eth_dev_configure(l->id, (uint16_t)l->queue_cnt, (uint16_t)l->queue_cnt, &conf);
	}
	if (rc >= 0)
		rc = set_up_queues(l, config);
	if (rc >= 0)
		rc = rte_eth_macaddr_get(l->id, &mac);
	if (rc < 0) {
		fail(err, "cannot set up %u queue pairs with rings of %u: %s", l->queue_cnt, config->ring,
		     rte_strerror(-rc));
		return rc;
	}
	l->open = true;
	rc = rte_eth_dev_start(l->id);
	if (rc < 0) {
		fail(err, "cannot start the device: %s (a memif client needs its server to be there)",
		     rte_strerror(-rc));
		return rc;
	}
	memcpy(l->mac, mac.addr_bytes, sizeof(l->mac));
	snprintf(l->driver, sizeof(l->driver), "%s", info.driver_name);
	rte_eth_dev_get_name_by_port(l->id, l->name);
	return 0;
}

static int wait_up(const struct link *l, const struct link_config *config, struct link_error *err)
{
	struct rte_eth_link status;

	for (unsigned i = 0; i <= config->wait_s * 100; i++) {
		if (rte_eth_link_get_nowait(l->id, &status) == 0 && status.link_status == RTE_ETH_LINK_UP)
			return 0;
		rte_delay_us_sleep(10000);
	}
	fail(err, "the link of %s did not come up within %u s: is the other side there?", l->name,
	     config->wait_s);
	return -ETIMEDOUT;
}

int link_open(struct link *l, const struct link_config *config, struct link_error *err)
{
	int rc;

	*l = (struct link){.queue_cnt = config->cpu_cnt};
	rc = start_eal(l, config, err);
	if (rc == 0)
		rc = make_pools(l, config, err);
	if (rc == 0)
		rc = configure(l, config, err);
	if (rc == 0)
		rc = wait_up(l, config, err);
	return rc;
}

void link_close(struct link *l)
{
	if (l->open) {
		rte_eth_dev_stop(l->id);
		rte_eth_dev_close(l->id);
	}
	if (l->running)
		rte_eal_cleanup();
	*l = (struct link){0};
}

uint64_t link_missed(const struct link *l)
{
	struct rte_eth_stats stats;

	return rte_eth_stats_get(l->id, &stats) == 0 ? stats.imissed + stats.rx_nombuf : 0;
}
