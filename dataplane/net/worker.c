/*
 * The worker loop. Hot path: no malloc, lock, log, or system call of ours outside idle(); the drivers of test ports
 * (TAP, AF_XDP in copy mode) make their own. A snapshot is seen only inside answer_burst, between two quiescent states.
 */
#include "dataplane/net/worker.h"

#include "dataplane/dns/protocol.h"
#include "dataplane/dns/wire.h"
#include "dataplane/net/capture_ring.h"
#include "dataplane/net/idle.h"
#include "dataplane/zone/acl.h"

#include <assert.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_prefetch.h>

#include <urcu-qsbr.h>

/* The engine needs this much room at the request (answer.h). */
#define MSG_CAP_MIN 512

static_assert(WORKER_BURST <= 32, "a bit for each request of a burst");
static_assert(WORKER_BURST == CAPTURE_BURST, "a burst must fit what is staged");
static_assert(WORKER_BURST <= ANSWER_BURST_MAX, "a burst must fit the engine");

/* One receive burst, sorted. */
struct burst {
	struct rte_mbuf *query[WORKER_BURST];
	struct packet packet[WORKER_BURST];
	struct answer_job job[WORKER_BURST];
	struct answer_job *jobs[WORKER_BURST];
	struct rte_mbuf *punt[WORKER_BURST];
	struct rte_mbuf *drop[WORKER_BURST];
	struct rte_mbuf *send[WORKER_BURST];
	unsigned query_cnt, punt_cnt, drop_cnt, send_cnt;
};

static const uint8_t verdict_counter[PACKET_VERDICT_CNT] = {
	[PACKET_QUERY] = NET_CNT_rx_queries,
	[PACKET_PUNT] = NET_CNT_punt,
	[PACKET_DROP_RUNT] = NET_CNT_drop_runt,
	[PACKET_DROP_IP_HEADER] = NET_CNT_drop_ip_header,
	[PACKET_DROP_IP_LENGTH] = NET_CNT_drop_ip_length,
	[PACKET_DROP_UDP_LENGTH] = NET_CNT_drop_udp_length,
	[PACKET_DROP_UDP_CHECKSUM] = NET_CNT_drop_udp_checksum,
	[PACKET_DROP_SOURCE] = NET_CNT_drop_source,
};

/* Only this thread writes, so a load and a store do; readers on other threads see whole numbers. */
static inline void count(struct worker *w, enum net_counter c, uint64_t n)
{
	uint64_t v = atomic_load_explicit(&w->counter[c], memory_order_relaxed);

	atomic_store_explicit(&w->counter[c], v + n, memory_order_relaxed);
}

/* The end of a stage that began at `since`; returns the begin of the next. */
static inline uint64_t count_stage(struct worker *w, enum net_counter stage, uint64_t since)
{
	uint64_t now = rte_rdtsc();

	count(w, stage, now - since);
	return now;
}

static unsigned verified_by_nic(const struct rte_mbuf *m)
{
	unsigned bits = 0;

	if ((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		bits |= PACKET_IP_VERIFIED;
	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		bits |= PACKET_UDP_VERIFIED;
	return bits;
}

static void add_job(const struct port *p, struct burst *b, struct rte_mbuf *m, const struct packet *pk)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t room = (uint32_t)(m->buf_len - m->data_off) - pk->msg_at;
	uint32_t max = packet_msg_max(pk->family, p->mtu);
	struct answer_job *job = &b->job[b->query_cnt];

	job->msg = rte_pktmbuf_mtod_offset(m, uint8_t *, pk->msg_at);
	job->len = pk->msg_len;
	job->cap = room < max ? room : max;
	job->transport = ANSWER_UDP;
	job->family = pk->family;
	memcpy(job->client, packet_client(pk, frame), pk->family == 4 ? 4 : 16);
	b->jobs[b->query_cnt] = job;
	b->query[b->query_cnt++] = m;
}

/* DPDK's TAP stops a burst at a frame that is too long for it: the frames behind it would be lost with it. */
static bool punt_possible(struct worker *w, const struct port *p, const struct rte_mbuf *m)
{
	if (p->tap_id == PORT_NONE)
		count(w, NET_CNT_punt_none, 1);
	else if (m->pkt_len > (uint32_t)p->mtu + PACKET_L2_MAX)
		count(w, NET_CNT_punt_size, 1);
	else
		return true;
	return false;
}

/* Stage 1: whose is each frame? */
static void sort_frame(struct worker *w, const struct port *p, struct burst *b, struct rte_mbuf *m)
{
	struct packet *pk = &b->packet[b->query_cnt];
	enum packet_verdict v = PACKET_PUNT; // in several buffers: no DNS request is, so it is the kernel's

	if (m->nb_segs == 1)
		v = packet_parse(&p->filter, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len,
				 verified_by_nic(m), pk);
	if (v == PACKET_QUERY && (uint32_t)(m->buf_len - m->data_off) < pk->msg_at + (uint32_t)MSG_CAP_MIN) {
		count(w, NET_CNT_drop_room, 1);
		b->drop[b->drop_cnt++] = m;
		return;
	}
	if (v == PACKET_PUNT && !punt_possible(w, p, m)) {
		b->drop[b->drop_cnt++] = m;
		return;
	}
	count(w, verdict_counter[v], 1);
	if (v == PACKET_QUERY) {
		if (pk->partial)
			count(w, NET_CNT_rx_partial_checksum, 1);
		add_job(p, b, m, pk);
	} else if (v == PACKET_PUNT) {
		b->punt[b->punt_cnt++] = m;
	} else {
		b->drop[b->drop_cnt++] = m;
	}
}

static bool is_notify(const struct answer_job *job)
{
	return job->len >= DNS_HEADER_LEN &&
	       (wire_load16(job->msg + 2) & DNS_OPCODE_MASK) == DNS_OPCODE_NOTIFY << DNS_OPCODE_SHIFT;
}

/* A slot for a request of this client; NULL, counted: there is none for one like him. */
static struct net_dgram *request_room(struct worker *w, bool notify, uint8_t family, const uint8_t *client)
{
	static const enum net_counter told[][2] = {
		[SHARE_PLACE] = {NET_CNT_signed_requests, NET_CNT_notify_requests},
		[SHARE_USED] = {NET_CNT_signed_share, NET_CNT_notify_share},
		[SHARE_STRANGER] = {NET_CNT_signed_stranger, NET_CNT_notify_stranger},
		[SHARE_FULL] = {NET_CNT_signed_ring_full, NET_CNT_notify_ring_full},
	};
	const struct acl *peers = cell_get(&w->peers);
	uint32_t peer = peers == NULL ? 0 : acl_number(peers, family, client);
	uint16_t share = share_of(!notify, peer);
	enum share_verdict verdict = dgram_ring_ask(w->requests, share);
	struct net_dgram *d;

	count(w, told[verdict][notify], 1);
	if (verdict != SHARE_PLACE)
		return NULL;
	d = dgram_ring_room(w->requests);
	d->is_notify = notify;
	d->share = share;
	return d;
}

/* A NOTIFY or a signed question goes to the control loop as a copy; the frame is done with. */
static void hand_over(struct worker *w, const struct port *p, const struct packet *pk,
		      const struct answer_job *job, const struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	size_t addr_len = pk->family == 4 ? 4 : 16;
	struct net_dgram *d;

	if (job->len > NET_DGRAM_MAX) {
		count(w, NET_CNT_drop_notify_size, 1);
		return;
	}
	d = request_room(w, is_notify(job), pk->family, packet_client(pk, frame));
	if (d == NULL)
		return;
	d->family = pk->family;
	memcpy(d->client, packet_client(pk, frame), addr_len);
	memcpy(d->server, packet_server(pk, frame), addr_len);
	d->client_port = packet_client_port(pk, frame);
	d->len = (uint16_t)job->len;
	d->port = p->index;
	d->worker = w->index;
	d->l2_len = pk->l3_at;
	memcpy(d->l2, frame, pk->l3_at);
	memcpy(d->msg, job->msg, job->len);
	dgram_ring_put(w->requests);
}

/* Stage 4, the frame's part: headers and offload flags of one response. */
static void finish_response(const struct port *p, const struct packet *pk, const struct answer_job *job,
			    struct rte_mbuf *m)
{
	size_t at, len = packet_respond(pk, rte_pktmbuf_mtod(m, uint8_t *), job->len,
					p->offload ? PACKET_TX_OFFLOAD : PACKET_TX_SOFTWARE, &at);

	m->data_off = (uint16_t)(m->data_off + at);
	m->data_len = (uint16_t)len;
	m->pkt_len = (uint32_t)len;
	m->ol_flags = 0;
	if (!p->offload)
		return;
	m->l2_len = pk->l3_at;
	m->l3_len = pk->family == 4 ? PACKET_IPV4_LEN : PACKET_IPV6_LEN;
	m->ol_flags = RTE_MBUF_F_TX_UDP_CKSUM;
	m->ol_flags |= pk->family == 4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM : RTE_MBUF_F_TX_IPV6;
}

static void finish_answers(struct worker *w, const struct port *p, struct burst *b)
{
	for (unsigned i = 0; i < b->query_cnt; i++) {
		struct answer_job *job = &b->job[i];

		switch ((enum answer_verdict)job->verdict) {
		case ANSWER_SEND:
			finish_response(p, &b->packet[i], job, b->query[i]);
			b->send[b->send_cnt++] = b->query[i];
			continue;
		case ANSWER_NOTIFY:
			hand_over(w, p, &b->packet[i], job, b->query[i]);
			break;
		case ANSWER_DROP:
		case ANSWER_TRANSFER: // a stream's verdict
			count(w, NET_CNT_drop_answer, 1);
			break;
		}
		b->drop[b->drop_cnt++] = b->query[i];
	}
}

/* Sends what the queue takes; the rest is freed and counted. */
static void send_burst(struct worker *w, uint16_t id, uint16_t queue, struct rte_mbuf **mbufs, unsigned cnt,
		       enum net_counter sent, enum net_counter full)
{
	unsigned n;

	if (cnt == 0)
		return;
	n = rte_eth_tx_burst(id, queue, mbufs, (uint16_t)cnt);
	count(w, sent, n);
	if (n == cnt)
		return;
	count(w, full, cnt - n);
	rte_pktmbuf_free_bulk(mbufs + n, cnt - n);
}

/* A capture is on: copies the requests that match, and returns which those are. */
__attribute__((cold)) static uint32_t capture_requests(struct capture_ring *r, const struct port *p,
						       const struct burst *b)
{
	uint64_t now = rte_rdtsc();
	uint32_t matched = 0;

	for (unsigned i = 0; i < b->query_cnt; i++) {
		const struct rte_mbuf *m = b->query[i];
		const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

		if (!capture_matches(&r->filter, &b->packet[i], frame, p->index))
			continue;
		if (r->filter.has_rcode)
			capture_stage(r, i, frame, m->data_len, p->index, now);
		else
			capture_put(r, frame, m->data_len, p->index, false, now);
		matched |= 1u << i;
	}
	return matched;
}

/* Where the request was matched; of a filter by RCODE only now known, and put with its response behind it. */
__attribute__((cold)) static void capture_responses(struct capture_ring *r, const struct port *p,
						    const struct burst *b, uint32_t matched)
{
	uint64_t now = rte_rdtsc();

	for (unsigned i = 0; i < b->query_cnt; i++) {
		const struct rte_mbuf *m = b->query[i];
		const struct answer_job *job = &b->job[i];

		if ((matched & 1u << i) == 0 || job->verdict != ANSWER_SEND)
			continue;
		if (r->filter.has_rcode) {
			if (capture_rcode(job->msg, job->len) != r->filter.rcode)
				continue;
			capture_put_staged(r, i);
		}
		capture_put(r, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, p->index, true, now);
	}
}

/* Stages 2 to 4: the burst's requests. since: when stage 2 began; returns when the frames' part of stage 4 did. */
static uint64_t answer_requests(struct worker *w, const struct port *p, struct burst *b, uint64_t since)
{
	struct capture_ring *capture = atomic_load_explicit(&w->capture, memory_order_acquire);
	uint32_t matched = capture == NULL ? 0 : capture_requests(capture, p, b);

	answer_engine_read_clock(w->engine);
	answer_burst(w->engine, b->jobs, b->query_cnt);
	since = count_stage(w, NET_CNT_cycles_answer, since);
	finish_answers(w, p, b);
	if (matched != 0)
		capture_responses(capture, p, b, matched);
	return since;
}

/* Frames from the wire. Returns how many there were. */
static unsigned wire_turn(struct worker *w, const struct port *p)
{
	struct rte_mbuf *rx[WORKER_BURST];
	uint64_t since = rte_rdtsc();
	uint16_t id = port_id(p, w->index), queue = port_queue(p, w->index);
	unsigned n = rte_eth_rx_burst(id, queue, rx, WORKER_BURST);
	struct burst b;

	if (n == 0)
		return 0;
	since = count_stage(w, NET_CNT_cycles_rx, since);
	b.query_cnt = b.punt_cnt = b.drop_cnt = b.send_cnt = 0;
	count(w, NET_CNT_rx_packets, n);
	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(rx[i], const uint8_t *));
	for (unsigned i = 0; i < n; i++)
		sort_frame(w, p, &b, rx[i]);
	since = count_stage(w, NET_CNT_cycles_parse, since);
	if (b.query_cnt > 0)
		since = answer_requests(w, p, &b, since);
	send_burst(w, id, queue, b.send, b.send_cnt, NET_CNT_tx_packets, NET_CNT_tx_full);
	if (b.punt_cnt > 0) // counted when sorted
		send_burst(w, p->tap_id, w->index, b.punt, b.punt_cnt, NET_CNT_punt_sent, NET_CNT_punt_full);
	if (b.drop_cnt > 0)
		rte_pktmbuf_free_bulk(b.drop, b.drop_cnt);
	count_stage(w, NET_CNT_cycles_tx, since);
	return n;
}

/* Frames from the kernel to the wire. */
static unsigned exception_turn(struct worker *w, const struct port *p)
{
	struct rte_mbuf *rx[WORKER_BURST];
	unsigned n = rte_eth_rx_burst(p->tap_id, w->index, rx, WORKER_BURST);

	send_burst(w, port_id(p, w->index), port_queue(p, w->index), rx, n, NET_CNT_exception_packets,
		   NET_CNT_exception_full);
	return n;
}

static void send_reply(struct worker *w, const struct net_dgram *d)
{
	const struct port *p = &w->ports[d->port];
	struct packet_return to = {.l2 = d->l2,
				   .client = d->client,
				   .server = d->server,
				   .l2_len = d->l2_len,
				   .client_port = d->client_port,
				   .family = d->family};
	struct rte_mbuf *m;
	size_t len;

	if (port_is_away(p)) {
		count(w, NET_CNT_notify_port_away, 1);
		return;
	}
	m = rte_pktmbuf_alloc(w->pool);
	if (m == NULL) {
		count(w, NET_CNT_notify_no_buffer, 1);
		return;
	}
	len = d->len <= packet_msg_max(d->family, p->mtu)
		      ? packet_build(&to, d->msg, d->len, rte_pktmbuf_mtod(m, uint8_t *),
				     rte_pktmbuf_tailroom(m))
		      : 0;
	if (len == 0) {
		count(w, NET_CNT_drop_notify_size, 1);
		rte_pktmbuf_free(m);
		return;
	}
	m->data_len = (uint16_t)len;
	m->pkt_len = (uint32_t)len;
	send_burst(w, port_id(p, w->index), port_queue(p, w->index), &m, 1, NET_CNT_tx_packets,
		   NET_CNT_tx_full);
}

/* What the control loop answered; bounded like a burst, so that it cannot delay queries. */
static unsigned reply_turn(struct worker *w)
{
	const struct net_dgram *d;
	unsigned n = 0;

	while (n < WORKER_BURST && (d = dgram_ring_next(w->replies)) != NULL) {
		send_reply(w, d);
		dgram_ring_take(w->replies);
		n++;
	}
	return n;
}

/* Nothing came. RCU does not wait for a sleeper. */
static void idle(struct worker *w)
{
	struct timespec ts = {0};
	uint64_t since;
	uint32_t us;

	if (w->idle == NET_IDLE_BUSY)
		return;
	since = atomic_load_explicit(&w->turn_at, memory_order_relaxed) - w->busy_at;
	us = idle_sleep(since / w->cycles_per_us, w->idle_sleep_us);
	if (us == 0) {
		rte_pause();
		return;
	}
	ts.tv_sec = us / 1000000;
	ts.tv_nsec = us % 1000000 * 1000;
	count(w, NET_CNT_sleeps, 1);
	rcu_thread_offline();
	nanosleep(&ts, NULL);
	rcu_thread_online();
}

/* The turn that began at w->turn_at is over, and the next one begins. */
static void turn_end(struct worker *w, enum net_counter kind)
{
	uint64_t now = rte_rdtsc(), gap = now - atomic_load_explicit(&w->turn_at, memory_order_relaxed);

	count(w, NET_CNT_turns, 1);
	count(w, kind, gap);
	if (gap > atomic_load_explicit(&w->gap_worst, memory_order_relaxed)) {
		atomic_store_explicit(&w->gap_worst, gap, memory_order_relaxed);
		atomic_store_explicit(&w->gap_worst_at, now, memory_order_relaxed);
	}
	atomic_store_explicit(&w->turn_at, now, memory_order_relaxed);
}

/* A port that is away is closed by the control loop once this worker's next turn has begun. */
static inline unsigned port_turn(struct worker *w, const struct port *p)
{
	unsigned n;

	if (port_is_away(p))
		return 0;
	n = wire_turn(w, p);
	return p->tap_id == PORT_NONE ? n : n + exception_turn(w, p);
}

int worker_run(void *arg)
{
	struct worker *w = arg;

	prctl(PR_SET_TIMERSLACK, 1); // or every sleep takes 50 us longer
	rcu_register_thread();
	w->cycles_per_us = rte_get_tsc_hz() / 1000000;
	w->busy_at = rte_rdtsc();
	atomic_store_explicit(&w->turn_at, w->busy_at, memory_order_relaxed);
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		unsigned n = reply_turn(w);

		for (unsigned i = 0; i < w->port_cnt; i++)
			n += port_turn(w, &w->ports[i]);
		rcu_quiescent_state();
		if (n > 0) {
			turn_end(w, NET_CNT_cycles_busy);
			w->busy_at = atomic_load_explicit(&w->turn_at, memory_order_relaxed);
			continue;
		}
		count(w, NET_CNT_turns_idle, 1);
		idle(w);
		turn_end(w, NET_CNT_cycles_idle);
	}
	rcu_unregister_thread();
	return 0;
}
