#include "tests/unit/net/rig.h"

#include "dataplane/zone/acl.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>

/* The pool's free buffers, oldest first, so that each rests as long as can be before it is looked at. */
struct shelf {
	struct rte_mbuf *free[RIG_POOL];
	unsigned head, cnt;
	bool poison; /* the buffers are set up */
	uint8_t pattern[RTE_MBUF_DEFAULT_BUF_SIZE];
};

static int shelf_alloc(struct rte_mempool *mp)
{
	struct shelf *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -1;
	memset(s->pattern, RIG_POISON, sizeof(s->pattern));
	mp->pool_data = s;
	return 0;
}

static void shelf_free(struct rte_mempool *mp)
{
	free(mp->pool_data);
}

static int shelf_put(struct rte_mempool *mp, void *const *objects, unsigned cnt)
{
	struct shelf *s = mp->pool_data;

	for (unsigned i = 0; i < cnt; i++) {
		struct rte_mbuf *m = objects[i];

		assert_true(s->cnt < RIG_POOL); // more come back than were given: one came back twice
		if (s->poison)
			memset(m->buf_addr, RIG_POISON, m->buf_len);
		s->free[(s->head + s->cnt++) % RIG_POOL] = m;
	}
	return 0;
}

static int shelf_take(struct rte_mempool *mp, void **objects, unsigned cnt)
{
	struct shelf *s = mp->pool_data;

	if (cnt > s->cnt)
		return -ENOBUFS;
	for (unsigned i = 0; i < cnt; i++) {
		struct rte_mbuf *m = s->free[s->head];

		if (s->poison && memcmp(m->buf_addr, s->pattern, m->buf_len) != 0)
			fail_msg("a packet buffer was written to after it was given back");
		s->head = (s->head + 1) % RIG_POOL;
		s->cnt--;
		objects[i] = m;
	}
	return 0;
}

static unsigned shelf_count(const struct rte_mempool *mp)
{
	return ((const struct shelf *)mp->pool_data)->cnt;
}

static const struct rte_mempool_ops shelf_ops = {.name = "poisoned",
						 .alloc = shelf_alloc,
						 .free = shelf_free,
						 .enqueue = shelf_put,
						 .dequeue = shelf_take,
						 .get_count = shelf_count};

/* From now on free buffers are poisoned: each is taken once and given back. */
static void poison(struct rig *r)
{
	struct rte_mbuf *all[RIG_POOL];

	assert_int_equal(rte_pktmbuf_alloc_bulk(r->pool, all, RIG_POOL), 0);
	((struct shelf *)r->pool->pool_data)->poison = true;
	rte_pktmbuf_free_bulk(all, RIG_POOL);
}

static enum rig_side side_of(const struct rig *r, uint16_t id)
{
	return id == r->id[RIG_WIRE] ? RIG_WIRE : RIG_KERNEL;
}

static uint16_t arrive(uint16_t id, uint16_t queue, struct rte_mbuf **out, uint16_t cnt, uint16_t cap,
		       void *arg)
{
	struct rig *r = arg;
	bool end = r->source == NULL;
	unsigned n = end ? 0 : r->source(r, side_of(r, id), out, cap, &end);

	if (end && side_of(r, id) == RIG_WIRE)
		atomic_store(&r->worker.stop, true);
	return (uint16_t)n;
}

/* The device below frees what it gets. */
static uint16_t leave(uint16_t id, uint16_t queue, struct rte_mbuf **out, uint16_t cnt, void *arg)
{
	struct rig *r = arg;
	unsigned room = r->room != NULL ? r->room(r, side_of(r, id), cnt) : cnt;

	for (unsigned i = 0; r->sent != NULL && i < room; i++)
		r->sent(r, side_of(r, id), out[i]);
	return (uint16_t)room;
}

static void open_side(struct rig *r, enum rig_side side)
{
	struct rte_eth_conf conf = {0};
	char name[16];

	snprintf(name, sizeof(name), "net_null%d", side);
	assert_int_equal(rte_eth_dev_get_port_by_name(name, &r->id[side]), 0);
	assert_int_equal(rte_eth_dev_configure(r->id[side], 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(r->id[side], 0, 64, 0, NULL, r->pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(r->id[side], 0, 64, 0, NULL), 0);
	assert_non_null(rte_eth_add_rx_callback(r->id[side], 0, arrive, r));
	assert_non_null(rte_eth_add_tx_callback(r->id[side], 0, leave, r));
	assert_int_equal(rte_eth_dev_start(r->id[side]), 0);
}

static struct dgram_ring *new_ring(void)
{
	struct dgram_ring *ring = aligned_alloc(alignof(struct dgram_ring), sizeof(*ring));

	assert_non_null(ring);
	dgram_ring_init(ring);
	return ring;
}

static struct acl *new_peers(void)
{
	struct acl_rule rules[2] = {{.net = {.family = 4, .prefix = 32}, .allow = true, .number = 1},
				    {.net = {.family = 6, .prefix = 128}, .allow = true, .number = 2}};
	struct acl *peers;

	memcpy(rules[0].net.addr, their4, sizeof(their4));
	memcpy(rules[1].net.addr, their6, sizeof(their6));
	peers = acl_new(rules, 2);
	assert_non_null(peers);
	return peers;
}

static void start_eal(struct rig *r)
{
	static const char *const args[RIG_ARGS] = {"rig",
						   "--no-huge",
						   "--no-shconf",
						   "--no-pci",
						   "--no-telemetry",
						   "-m64",
						   "--file-prefix=test-rig",
						   "--lcores=0",
						   "--log-level=4",
						   "--vdev=net_null0,no-rx=1",
						   "--vdev=net_null1,no-rx=1"};
	char *argv[RIG_ARGS]; // EAL moves them

	for (unsigned i = 0; i < RIG_ARGS; i++)
		argv[i] = r->args[i] = strdup(args[i]);
	assert_true(rte_mempool_register_ops(&shelf_ops) >= 0);
	assert_true(rte_eal_init(RIG_ARGS, argv) >= 0);
}

struct rig *rig_new(void)
{
	struct rig *r = aligned_alloc(alignof(struct rig), sizeof(*r));

	assert_non_null(r);
	memset(r, 0, sizeof(*r));
	start_eal(r);
	// No cache: a buffer given back is on the shelf at once.
	r->pool = rte_pktmbuf_pool_create_by_ops("rig", RIG_POOL, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0,
						 shelf_ops.name);
	assert_non_null(r->pool);
	poison(r);
	open_side(r, RIG_WIRE);
	open_side(r, RIG_KERNEL);
	r->listen = packet_listen_new(2);
	assert_true(packet_listen_add(r->listen, 4, our4) && packet_listen_add(r->listen, 6, our6));
	r->peers = new_peers();
	r->worker.requests = new_ring();
	r->worker.replies = new_ring();
	return r;
}

void rig_free(struct rig *r)
{
	for (unsigned side = RIG_WIRE; side <= RIG_KERNEL; side++) {
		rte_eth_dev_stop(r->id[side]);
		rte_eth_dev_close(r->id[side]);
	}
	rte_mempool_free(r->pool);
	rte_eal_cleanup();
	packet_listen_free(r->listen);
	acl_free(r->peers);
	for (unsigned i = 0; i < RIG_ARGS; i++)
		free(r->args[i]);
	free(r->worker.requests);
	free(r->worker.replies);
	free(r);
}

void rig_reset(struct rig *r, bool exception)
{
	r->source = NULL;
	r->sent = NULL;
	r->room = NULL;
	r->arg = NULL;
	r->port = (struct port){.id = r->id[RIG_WIRE],
				.tap_id = exception ? r->id[RIG_KERNEL] : PORT_NONE,
				.queue_cnt = 1,
				.mtu = RIG_MTU,
				.filter = {.listen = r->listen, .mac_exact = true}};
	memcpy(r->port.filter.mac, our_mac, sizeof(our_mac));
	for (unsigned i = 0; i < NET_COUNTER_CNT; i++)
		atomic_store(&r->worker.counter[i], 0);
	dgram_ring_init(r->worker.requests);
	dgram_ring_init(r->worker.replies);
	r->worker.ports = &r->port;
	r->worker.port_cnt = 1;
	r->worker.idle = NET_IDLE_BUSY;
	r->worker.pool = r->pool;
	cell_set(&r->worker.peers, r->peers);
}

void rig_run(struct rig *r, uint64_t out[NET_COUNTER_CNT])
{
	atomic_store(&r->worker.stop, false);
	worker_run(&r->worker);
	for (unsigned i = 0; i < NET_COUNTER_CNT; i++)
		out[i] = atomic_load(&r->worker.counter[i]);
}

unsigned rig_pool_level(const struct rig *r)
{
	return rte_mempool_avail_count(r->pool);
}

/* Takes over head on failure. */
static struct rte_mbuf *append_piece(struct rig *r, struct rte_mbuf *head, const uint8_t *octets, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);

	if (m == NULL) {
		rte_pktmbuf_free(head);
		return NULL;
	}
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), octets, len);
	if (head == NULL)
		return m;
	assert_int_equal(rte_pktmbuf_chain(head, m), 0);
	return head;
}

struct rte_mbuf *rig_mbuf_cut(struct rig *r, const struct frame *f, const size_t *cuts, unsigned cnt)
{
	struct rte_mbuf *head = NULL;
	size_t at = 0;

	for (unsigned i = 0; i <= cnt; i++) {
		size_t end = i < cnt ? cuts[i] : f->len;

		head = append_piece(r, head, f->octets + at, end - at);
		if (head == NULL)
			return NULL;
		at = end;
	}
	return head;
}

struct rte_mbuf *rig_mbuf(struct rig *r, const struct frame *f, enum form_place place)
{
	const size_t cuts[] = {f->len / 3, f->len / 2};
	struct rte_mbuf *m = rig_mbuf_cut(r, f, cuts, place == PLACE_IN_PIECES ? 2 : 0);
	size_t from;

	if (m == NULL || place != PLACE_AT_END)
		return m;
	from = m->data_off;
	m->data_off = (uint16_t)(m->buf_len - f->len);
	memmove(rte_pktmbuf_mtod(m, uint8_t *), (uint8_t *)m->buf_addr + from, f->len);
	return m;
}
