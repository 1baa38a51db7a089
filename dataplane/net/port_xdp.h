/*
 * What an AF_XDP port needs beside DPDK's driver: the interface looked at before anything is touched, our XDP program
 * handed to the driver, its maps filled, leftovers taken away. Control thread.
 */
#pragma once

#include <net/if.h>
#include <stdio.h>

#include "dataplane/net/error.h"
#include "dataplane/net/xdp.h"

/* The compiled XDP program, made from xdp.bpf.c by the build. */
extern const unsigned char xdp_object[];
extern const unsigned long xdp_object_len;

struct port_xdp {
	char interface[NET_TEXT_MAX];
	unsigned index;
	uint8_t mac[6];
	uint16_t mtu;
	bool is_veth;
	bool split; /* DPDK's driver sees one queue, so each queue must be a device of its own */
	unsigned prog_cnt;
	int prog_fd[XDP_QUEUES_MAX]; /* programs that devices of this port have loaded: see port_xdp_keep */
	int object_fd;		     /* the program as a file for the driver; -1: none */
	char object[32];	     /* its path */
};

/*
 * Is this interface fit for an AF_XDP port with so many queues? Fills *x; opens nothing. Takes away a program of ours
 * that a killed process left. Returns 0 or -errno with a sentence.
 */
int port_xdp_check(struct port_xdp *x, const char *interface, unsigned queue_cnt, struct net_error *err);

/* The program as a file whose path is x->object, until port_xdp_fini. */
int port_xdp_make_object(struct port_xdp *x, struct net_error *err);

/*
 * Each device of a split port loads and attaches the program; there is room for one on an interface. Keeps the one that is
 * attached; takes it off unless it is the last, so that the next device finds room. Returns 0 or -errno with a sentence.
 */
int port_xdp_keep(struct port_xdp *x, bool is_last, struct net_error *err);

/* The driver has attached the program: from now on UDP to port 53 of these addresses is ours. */
int port_xdp_listen(struct port_xdp *x, const struct net_address *listen, unsigned listen_cnt,
		    struct net_error *err);

/*
 * Looks a VLAN device up in the kernel's table (/proc/net/vlan/config); below may be device. False: it is none.
 */
bool port_xdp_vlan_below(FILE *table, const char *device, char below[IF_NAMESIZE]);

bool port_xdp_link_up(const struct port_xdp *x);

/* Whether the interface is still the one that was looked at: not deleted, moved away or made anew. */
bool port_xdp_is_there(const struct port_xdp *x);

/* Closes the file; detaches our program if it is still there. */
void port_xdp_fini(struct port_xdp *x);
