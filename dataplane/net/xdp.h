/*
 * What the XDP program (xdp.bpf.c) and its loader (port_xdp.c) share: the names of its maps and what is in them.
 */
#pragma once

#include <linux/types.h>

#define XDP_PROG_NAME	"lockstep_xdp" /* 15 octets at most: the kernel cuts names */
#define XDP_MAP_SOCKETS "xsks_map"     /* this name is what net_af_xdp looks for */
#define XDP_MAP_LISTEN4 "listen4"
#define XDP_MAP_LISTEN6 "listen6"
#define XDP_MAP_OWNER	"owner"
#define XDP_MAP_OTHERS	"others"
#define XDP_LISTEN_MAX	1024 /* addresses of each family */
#define XDP_VLANS_MAX	2    /* tags that the program looks behind; packet.h says the same */
#define XDP_QUEUES_MAX	64   /* more than any interface has been given workers */

/* Keys of the listen maps are addresses in network order; presence is all that counts. */
struct xdp_addr6 {
	__u8 octets[16];
};

/*
 * The one value of the owner map, key 0: which process attached the program, so that a program left behind by one
 * that was killed is told from one in use. The program itself needs the interface's address.
 */
struct xdp_owner {
	__u64 start_time; /* of the process, in clock ticks since boot: process numbers are used again */
	__u32 pid;
	__u8 mac[6];
	__u8 pad[2];
};
