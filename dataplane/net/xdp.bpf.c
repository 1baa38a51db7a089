/*
 * The XDP program: hands UDP to port 53 of our addresses to the AF_XDP socket of the queue it came in on and leaves
 * everything else to the kernel, which owns the interface. It only sorts; packet.c judges. A queue without a socket
 * falls back to the kernel.
 *
 * A split port (port.h) has the program once per queue, each with the socket of its own queue: the one that is attached
 * calls the others for theirs.
 *
 * Fragments and IPv6 extension headers go to the kernel: nothing a resolver sends has them.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "dataplane/net/xdp.h"

#define DNS_PORT	 53
#define IP_FRAGMENT_BITS 0x3fff /* more fragments, or an offset */

struct vlan_tag {
	__be16 tci;
	__be16 type;
};

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XDP_QUEUES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XDP_LISTEN_MAX);
	__type(key, __be32);
	__type(value, __u8);
} listen4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XDP_LISTEN_MAX);
	__type(key, struct xdp_addr6);
	__type(value, __u8);
} listen6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xdp_owner);
} owner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, XDP_QUEUES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} others SEC(".maps");

static __always_inline int is_dns(void *l4, void *end)
{
	struct udphdr *udp = l4;

	return (void *)(udp + 1) <= end && udp->dest == bpf_htons(DNS_PORT);
}

static __always_inline int is_ours4(void *l3, void *end)
{
	struct iphdr *ip = l3;
	__u32 hdr_len;

	if ((void *)(ip + 1) > end || ip->protocol != IPPROTO_UDP ||
	    (ip->frag_off & bpf_htons(IP_FRAGMENT_BITS)))
		return 0;
	hdr_len = ip->ihl * 4;
	if (hdr_len < sizeof(*ip) || !is_dns(l3 + hdr_len, end))
		return 0;
	return bpf_map_lookup_elem(&listen4, &ip->daddr) != NULL;
}

static __always_inline int is_ours6(void *l3, void *end)
{
	struct ipv6hdr *ip = l3;

	if ((void *)(ip + 1) > end || ip->nexthdr != IPPROTO_UDP || !is_dns(ip + 1, end))
		return 0;
	return bpf_map_lookup_elem(&listen6, &ip->daddr) != NULL;
}

/* Frames to groups and, when the interface is promiscuous, to other stations are the kernel's. */
static __always_inline int is_to_us(struct ethhdr *eth)
{
	__u32 zero = 0;
	struct xdp_owner *o = bpf_map_lookup_elem(&owner, &zero);

	if (o == NULL)
		return 0;
#pragma unroll
	for (int i = 0; i < ETH_ALEN; i++) // there is no memcmp here
		if (eth->h_dest[i] != o->mac[i])
			return 0;
	return 1;
}

SEC("xdp")
int lockstep_xdp(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end, *l3;
	struct ethhdr *eth = (void *)(long)ctx->data;
	__be16 type;
	int ours = 0;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	type = eth->h_proto;
	l3 = eth + 1;
#pragma unroll
	for (int i = 0; i < XDP_VLANS_MAX; i++) {
		struct vlan_tag *tag = l3;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > end)
			return XDP_PASS;
		type = tag->type;
		l3 = tag + 1;
	}
	if (type == bpf_htons(ETH_P_IP))
		ours = is_ours4(l3, end);
	else if (type == bpf_htons(ETH_P_IPV6))
		ours = is_ours6(l3, end);
	if (!ours || !is_to_us(eth))
		return XDP_PASS;
	if (bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS) == XDP_REDIRECT)
		return XDP_REDIRECT;
	bpf_tail_call(ctx, &others, ctx->rx_queue_index);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
