/*
 * Descriptors that DPDK's AF_XDP driver leaves open when its device is closed (22.11: the program, its maps, the socket of
 * the packet memory). In a process that ends nobody notices; here devices go and come back. Control thread.
 */
#pragma once

struct port_fds;

/* Those of BPF and AF_XDP that this process has now. NULL: out of memory, which means none to the other functions. */
struct port_fds *port_fds_now(void);

/* Those that are there now and were not then; takes before. Only this thread makes such descriptors. */
struct port_fds *port_fds_since(struct port_fds *before);

/* Closes those that are still the same thing, whoever should have. Takes f, which may be NULL. */
void port_fds_close(struct port_fds *f);
