#include "bench/load/sender.h"

#include <time.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>
#include <rte_prefetch.h>

#define RX_BURST  64
#define RX_ROUNDS 4 /* bursts taken before the next is sent: answers must not pile up */

/* Only this thread writes. */
static inline void count(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

void sender_reset(struct sender *s)
{
	for (unsigned i = 0; i < SENDER_COUNTER_CNT; i++)
		atomic_store_explicit(&s->counter[i], 0, memory_order_relaxed);
	for (unsigned i = 0; i < FRAMES_VERDICT_CNT; i++)
		atomic_store_explicit(&s->verdict[i], 0, memory_order_relaxed);
	memset(s->rcode, 0, sizeof(s->rcode));
	histogram_init(&s->latency);
	s->wrong_number = UINT32_MAX;
	s->sent_here = 0;
	s->sending_tsc = 0;
	s->until_deep = 1;
}

/* --- out --- */

static inline uint32_t after(const struct sender *s, uint32_t number)
{
	return number + 1 == s->first + s->cnt ? s->first : number + 1;
}

/* Copies the next frames into buffers; none when the pool is empty. */
static void fill(struct sender *s, unsigned cnt)
{
	const struct frames *f = s->run->frames;
	uint32_t number = s->next;

	if (rte_pktmbuf_alloc_bulk(s->pool, s->pending, cnt) != 0)
		return;
	for (unsigned i = 0; i < cnt; i++, number = after(s, number)) {
		const struct frame *e = &f->frame[number];
		struct rte_mbuf *m = s->pending[i];

		rte_memcpy(rte_pktmbuf_mtod(m, void *), f->octets + e->at, e->len);
		m->data_len = e->len;
		m->pkt_len = e->len;
	}
	s->pending_at = 0;
	s->pending_cnt = cnt;
}

/* When request i of a constant rate is due. */
static inline uint64_t due_tsc(const struct sender *s, uint64_t i)
{
	return s->begin_tsc + (uint64_t)((double)i * (double)s->run->tsc_hz / s->run->rate);
}

/* How many requests may leave now, up to a burst. */
static unsigned due_cnt(const struct sender *s, uint64_t now)
{
	const struct sender_run *r = s->run;
	uint64_t due;

	if (r->rate == 0)
		return r->burst;
	due = (uint64_t)((double)(now - s->begin_tsc) * r->rate / (double)r->tsc_hz) + 1;
	if (due <= s->sent_here)
		return 0;
	return due - s->sent_here < r->burst ? (unsigned)(due - s->sent_here) : r->burst;
}

/*
 * Noted before they leave, or an answer could be there first. Latency counts from when a request was due: a device or
 * a sender that stalls must not make the server look better.
 */
static void note_sent(struct sender *s, unsigned cnt, uint64_t now)
{
	uint32_t number = s->next;

	for (unsigned i = 0; i < cnt; i++, number = after(s, number)) {
		uint64_t tsc = s->run->rate == 0 ? now : due_tsc(s, s->sent_here + i);

		atomic_store_explicit(&s->run->sent_at[number], tsc, memory_order_relaxed);
	}
}

static void send_turn(struct sender *s, uint64_t now)
{
	unsigned due = due_cnt(s, now), left, n;
	uint32_t number;

	if (due == 0)
		return;
	if (s->pending_at == s->pending_cnt)
		fill(s, s->run->burst);
	left = s->pending_cnt - s->pending_at;
	if (left > due)
		left = due;
	if (left == 0)
		return;
	note_sent(s, left, now);
	n = rte_eth_tx_burst(s->run->port, s->queue, s->pending + s->pending_at, (uint16_t)left);
	number = s->next;
	for (unsigned i = 0; i < left; i++, number = after(s, number)) {
		if (i == n)
			s->next = number;
		if (i >= n) // not taken: nothing is outstanding
			atomic_store_explicit(&s->run->sent_at[number], 0, memory_order_relaxed);
	}
	if (n == left)
		s->next = number;
	else
		count(&s->counter[SENDER_refused_bursts], 1);
	s->pending_at += n;
	s->sent_here += n;
	count(&s->counter[SENDER_sent], n);
}

/* --- in --- */

/* Whether this answer is one to be looked at closely. */
static inline bool is_sample(struct sender *s)
{
	if (s->run->check_every == 0 || --s->until_deep != 0)
		return false;
	s->until_deep = s->run->check_every;
	return true;
}

static void hear_answer(struct sender *s, uint32_t number, const uint8_t *frame, size_t len, uint64_t tsc)
{
	const struct sender_run *r = s->run;
	uint16_t flags = frames_flags(r->frames, number, frame);
	enum frames_verdict v = frames_check(r->frames, number, frame, len, is_sample(s), r->echo);

	histogram_record(&s->latency, (uint64_t)((double)tsc * 1e9 / (double)r->tsc_hz));
	s->rcode[flags & (SENDER_RCODES - 1)]++;
	if (flags & 0x0200)
		count(&s->counter[SENDER_truncated], 1);
	if (tsc > r->late_tsc)
		count(&s->counter[SENDER_late], 1);
	if (v != FRAMES_right)
		s->wrong_number = number;
	count(&s->verdict[v], 1);
}

/* Returns whether it answers something that was asked. */
static unsigned hear(struct sender *s, const struct rte_mbuf *m, uint64_t now)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t number = frames_match(s->run->frames, frame, m->data_len);
	uint64_t sent;

	if (number == UINT32_MAX) {
		count(&s->verdict[FRAMES_stray], 1);
		return 0;
	}
	sent = atomic_load_explicit(&s->run->sent_at[number], memory_order_relaxed);
	if (sent == 0) {
		count(&s->verdict[FRAMES_unasked], 1);
		return 0;
	}
	atomic_store_explicit(&s->run->sent_at[number], 0, memory_order_relaxed);
	hear_answer(s, number, frame, m->data_len, now > sent ? now - sent : 0);
	return 1;
}

static void receive_turn(struct sender *s)
{
	struct rte_mbuf *rx[RX_BURST];

	for (unsigned round = 0; round < RX_ROUNDS; round++) {
		unsigned n = rte_eth_rx_burst(s->run->port, s->queue, rx, RX_BURST), answers = 0;
		uint64_t now = rte_rdtsc();

		if (n == 0)
			return;
		for (unsigned i = 0; i < n; i++)
			rte_prefetch0(rte_pktmbuf_mtod(rx[i], const uint8_t *));
		for (unsigned i = 0; i < n; i++)
			answers += hear(s, rx[i], now);
		rte_pktmbuf_free_bulk(rx, n);
		count(&s->counter[SENDER_answered], answers);
		if (n < RX_BURST)
			return;
	}
}

/* --- a run --- */

static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* What a constant rate owed at its end. */
static void count_behind(struct sender *s, uint64_t now)
{
	uint64_t due;

	if (s->run->rate == 0)
		return;
	due = (uint64_t)((double)(now - s->begin_tsc) * s->run->rate / (double)s->run->tsc_hz);
	if (due > s->sent_here)
		count(&s->counter[SENDER_behind], due - s->sent_here);
}

int sender_run_core(void *arg)
{
	struct sender *s = arg;
	struct sender_run *r = s->run;
	double cpu = cpu_seconds();
	uint64_t now, end;

	s->begin_tsc = now = rte_rdtsc();
	for (end = now + r->send_tsc; now < end; now = rte_rdtsc()) {
		receive_turn(s);
		send_turn(s, now);
		if (atomic_load_explicit(&r->stop, memory_order_relaxed))
			break;
	}
	s->sending_tsc = now - s->begin_tsc;
	count_behind(s, now);
	for (end = now + r->drain_tsc; now < end; now = rte_rdtsc())
		receive_turn(s);
	s->cpu_share = (cpu_seconds() - cpu) * (double)r->tsc_hz / (double)(now - s->begin_tsc);
	if (s->pending_at < s->pending_cnt)
		rte_pktmbuf_free_bulk(s->pending + s->pending_at, s->pending_cnt - s->pending_at);
	s->pending_at = s->pending_cnt = 0;
	return 0;
}
