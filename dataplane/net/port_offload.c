/*
 * What a device is asked to do for us, and what it cannot. See port.h.
 */
#include "dataplane/net/port.h"

#include <rte_ethdev.h>

/*
 * Two octets over and over: the Toeplitz hash of a flow is then that of the opposite direction too, for the fields that
 * change places stand a multiple of two octets apart, addresses of both families and ports ("Scalable TCP Session
 * Monitoring with Symmetric Receive-side Scaling", Woo and Park 2012).
 */
static const uint8_t symmetric[2] = {0x6d, 0x5a};

static const struct {
	enum port_lack lack;
	const char *text;
} lacks_text[] = {
	{PORT_NO_RSS, "it cannot spread queries over its queues (RSS): all may arrive at one worker"},
	{PORT_NO_RSS_UDP4,
	 "its RSS does not look at UDP ports over IPv4: all queries of a client arrive at one worker"},
	{PORT_NO_RSS_UDP6,
	 "its RSS does not look at UDP ports over IPv6: all queries of a client arrive at one worker"},
	{PORT_NO_RSS_KEY,
	 "its RSS key cannot be set: the two directions of a flow may arrive at different workers"},
	{PORT_NO_TX_CHECKSUM, "it does not complete checksums of responses: workers compute them"},
	{PORT_NO_RX_CHECKSUM, "it does not verify checksums of queries: workers do"},
};

static unsigned choose_rss(const struct rte_eth_dev_info *info, struct rte_eth_conf *conf,
			   uint8_t key[PORT_RSS_KEY_MAX])
{
	const uint64_t udp4 = RTE_ETH_RSS_NONFRAG_IPV4_UDP, udp6 = RTE_ETH_RSS_NONFRAG_IPV6_UDP;
	uint64_t can = info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);
	struct rte_eth_rss_conf *rss = &conf->rx_adv_conf.rss_conf;
	unsigned lacks = 0;

	if (can == 0)
		return PORT_NO_RSS;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	rss->rss_hf = can;
	if ((can & udp4) == 0)
		lacks |= PORT_NO_RSS_UDP4;
	if ((can & udp6) == 0)
		lacks |= PORT_NO_RSS_UDP6;
	if (info->hash_key_size == 0 || info->hash_key_size > PORT_RSS_KEY_MAX)
		return lacks | PORT_NO_RSS_KEY;
	for (unsigned i = 0; i < info->hash_key_size; i++)
		key[i] = symmetric[i % sizeof(symmetric)];
	rss->rss_key = key;
	rss->rss_key_len = info->hash_key_size;
	return lacks;
}

/* Only what helps: both checksums together, and freeing without looking, since a queue's buffers are of one pool. */
unsigned port_choose(const struct rte_eth_dev_info *info, unsigned queue_cnt, struct rte_eth_conf *conf,
		     uint8_t key[PORT_RSS_KEY_MAX], bool *out_tx)
{
	const uint64_t tx = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	const uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	unsigned lacks = 0;

	conf->rxmode.offloads = info->rx_offload_capa & rx;
	conf->txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	*out_tx = (info->tx_offload_capa & tx) == tx;
	if (*out_tx)
		conf->txmode.offloads |= tx;
	else
		lacks |= PORT_NO_TX_CHECKSUM;
	if (conf->rxmode.offloads != rx)
		lacks |= PORT_NO_RX_CHECKSUM;
	return queue_cnt > 1 ? lacks | choose_rss(info, conf, key) : lacks;
}

const char *port_lacks_text(unsigned lacks, unsigned *iter)
{
	while (*iter < sizeof(lacks_text) / sizeof(lacks_text[0])) {
		unsigned i = (*iter)++;

		if ((lacks & lacks_text[i].lack) != 0)
			return lacks_text[i].text;
	}
	return NULL;
}
