/*
 * DPDK for the load generator: its environment, one port with a queue pair per sending core, buffers. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LINK_CORES_MAX 32

struct rte_mempool;

struct link_config {
	const char *vdev;   /* a virtual device and its arguments, or NULL */
	const char *pci;    /* a PCI address and its arguments, or NULL */
	const char *prefix; /* of DPDK's files */
	unsigned memory_mb; /* of huge pages; 0: ordinary memory */
	unsigned cpu[LINK_CORES_MAX];
	unsigned cpu_cnt;
	unsigned ring;	 /* descriptors of each queue */
	unsigned wait_s; /* for the link to come up */
};

struct link {
	struct rte_mempool *pool[LINK_CORES_MAX];
	char name[64];
	char driver[32];
	uint8_t mac[6];
	uint16_t id;
	unsigned queue_cnt;
	bool running; /* EAL is */
	bool open;
};

/* A failure as a sentence. */
struct link_error {
	char text[512];
};

/* Returns 0, or -errno with a sentence; link_close is due in both cases. */
int link_open(struct link *l, const struct link_config *config, struct link_error *err);
void link_close(struct link *l);

/* What the device says that it dropped on receive, since it was opened. */
uint64_t link_missed(const struct link *l);
