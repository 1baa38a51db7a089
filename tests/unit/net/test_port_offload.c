/* What is asked of a device, and what is said about one that cannot. */
#include "dataplane/net/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <rte_ethdev.h>
#include <rte_thash.h>

#define ALL_RSS                                                                                              \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_UDP | \
	 RTE_ETH_RSS_NONFRAG_IPV4_TCP)

static const struct rte_eth_dev_info good = {
	.rx_offload_capa =
		RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_SCATTER,
	.tx_offload_capa = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
			   RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE,
	.flow_type_rss_offloads = ALL_RSS,
	.hash_key_size = 40,
};

struct choice {
	struct rte_eth_conf conf;
	uint8_t key[PORT_RSS_KEY_MAX];
	unsigned lacks;
	bool tx;
};

static void choose(struct choice *c, const struct rte_eth_dev_info *info, unsigned queues)
{
	memset(c, 0, sizeof(*c));
	c->lacks = port_choose(info, queues, &c->conf, c->key, &c->tx);
}

/* The Toeplitz hash of a flow as a NIC computes it: words in the order source, destination, ports. */
static uint32_t hash(const struct choice *c, const uint32_t *src, const uint32_t *dst, unsigned words,
		     uint16_t src_port, uint16_t dst_port)
{
	uint32_t tuple[9];

	memcpy(tuple, src, words * sizeof(*src));
	memcpy(tuple + words, dst, words * sizeof(*dst));
	tuple[2 * words] = (uint32_t)src_port << 16 | dst_port;
	return rte_softrss(tuple, 2 * words + 1, c->key);
}

static void both_directions_of_a_flow_have_one_hash_and_flows_differ(void **state)
{
	static const uint8_t sizes[] = {40, 52};

	for (unsigned s = 0; s < sizeof(sizes); s++) {
		struct rte_eth_dev_info info = good;
		uint32_t seed = 1, seen[64] = {0};
		struct choice c;

		info.hash_key_size = sizes[s];
		choose(&c, &info, 4);
		assert_ptr_equal(c.conf.rx_adv_conf.rss_conf.rss_key, c.key);
		assert_int_equal(c.conf.rx_adv_conf.rss_conf.rss_key_len, sizes[s]);
		for (unsigned i = 0; i < 2000; i++) {
			unsigned words = i % 2 ? 1 : 4;
			uint32_t a[4], b[4];
			uint16_t port;

			for (unsigned w = 0; w < 4; w++) {
				a[w] = seed = seed * 1664525 + 1013904223;
				b[w] = seed = seed * 1664525 + 1013904223;
			}
			port = (uint16_t)(seed >> 16);
			assert_int_equal(hash(&c, a, b, words, port, 53), hash(&c, b, a, words, 53, port));
			seen[hash(&c, a, b, words, port, 53) % 64]++;
		}
		for (unsigned i = 0; i < 64; i++)
			assert_in_range(seen[i], 1, 2000 / 8);
	}
}

static void a_good_device_lacks_nothing(void **state)
{
	struct choice c;

	choose(&c, &good, 4);
	assert_int_equal(c.lacks, 0);
	assert_true(c.tx);
	assert_int_equal(c.conf.rxmode.mq_mode, RTE_ETH_MQ_RX_RSS);
	assert_int_equal(c.conf.rx_adv_conf.rss_conf.rss_hf, ALL_RSS & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP));
	assert_int_equal(c.conf.rxmode.offloads,
			 RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
}

static void one_queue_needs_no_rss(void **state)
{
	struct rte_eth_dev_info info = good;
	struct choice c;

	info.flow_type_rss_offloads = 0;
	choose(&c, &info, 1);
	assert_int_equal(c.lacks, 0);
	assert_int_equal(c.conf.rxmode.mq_mode, 0);
}

/* Each lack alone has its sentence. */
static void expect(const struct rte_eth_dev_info *info, unsigned lacks, const char *words)
{
	unsigned iter = 0;
	const char *text;
	struct choice c;

	choose(&c, info, 2);
	assert_int_equal(c.lacks, lacks);
	text = port_lacks_text(c.lacks, &iter);
	assert_non_null(text);
	assert_non_null(strstr(text, words));
	assert_null(port_lacks_text(c.lacks, &iter));
}

static void what_a_device_lacks_is_said_in_words(void **state)
{
	struct rte_eth_dev_info info = good;

	info.flow_type_rss_offloads = RTE_ETH_RSS_NONFRAG_IPV4_TCP;
	expect(&info, PORT_NO_RSS, "cannot spread");
	info.flow_type_rss_offloads = ALL_RSS & ~RTE_ETH_RSS_NONFRAG_IPV4_UDP;
	expect(&info, PORT_NO_RSS_UDP4, "IPv4");
	info.flow_type_rss_offloads = ALL_RSS & ~RTE_ETH_RSS_NONFRAG_IPV6_UDP;
	expect(&info, PORT_NO_RSS_UDP6, "IPv6");
	info = good;
	info.hash_key_size = 0;
	expect(&info, PORT_NO_RSS_KEY, "key cannot be set");
	info = good;
	info.tx_offload_capa &= ~RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	expect(&info, PORT_NO_TX_CHECKSUM, "responses");
	info = good;
	info.rx_offload_capa &= ~RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	expect(&info, PORT_NO_RX_CHECKSUM, "queries");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_directions_of_a_flow_have_one_hash_and_flows_differ),
		cmocka_unit_test(a_good_device_lacks_nothing),
		cmocka_unit_test(one_queue_needs_no_rss),
		cmocka_unit_test(what_a_device_lacks_is_said_in_words),
	};

	return cmocka_run_group_tests_name("port_offload", tests, NULL, NULL);
}
