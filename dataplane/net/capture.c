/*
 * Packet capture: what matches, and the control loop's end. The worker's end is capture_ring.h.
 *
 * A capture's rings are made by the control loop, offered to the workers by one store each, and freed when each worker
 * has come round once after they were taken back: it reads the pointer at the begin of a turn and not again.
 */
#include "dataplane/net/capture_ring.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <rte_cycles.h>

#include "dataplane/dns/protocol.h"
#include "dataplane/dns/wire.h"
#include "dataplane/net/net_internal.h"

/* The octets of an address that a prefix covers, compared. */
static bool in_prefix(const uint8_t *addr, const uint8_t *prefix, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(addr, prefix, whole) == 0 &&
	       (rest == 0 || ((addr[whole] ^ prefix[whole]) >> (8 - rest)) == 0);
}

/* Whether the question's name ends in the suffix, on a label's edge, in any case. Reads a hostile message. */
static bool name_ends_in(const uint8_t *msg, size_t msg_len, const uint8_t *suffix, size_t suffix_len)
{
	size_t at = DNS_HEADER_LEN, left = 0;

	for (size_t end = at; end < msg_len && msg[end] != 0 && msg[end] < 64; end += msg[end] + 1u)
		left = end + msg[end] + 2u - at; // with the root label
	left = left == 0 ? 1 : left;
	if (at + left > msg_len || msg[at + left - 1] != 0)
		return false;
	for (; left > suffix_len; left -= msg[at] + 1u, at += msg[at] + 1u)
		;
	if (left != suffix_len)
		return false;
	for (size_t i = 0; i < suffix_len; i++) {
		uint8_t c = msg[at + i];

		if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != suffix[i])
			return false;
	}
	return true;
}

bool capture_matches(const struct net_capture_filter *f, const struct packet *p, const uint8_t *frame,
		     uint16_t port)
{
	if (f->has_port && f->port != port)
		return false;
	if (f->client.family != 0 && (f->client.family != p->family ||
				      !in_prefix(packet_client(p, frame), f->client.addr, f->client_bits)))
		return false;
	return f->suffix_len <= 1 || name_ends_in(frame + p->msg_at, p->msg_len, f->suffix, f->suffix_len);
}

uint16_t capture_rcode(const uint8_t *msg, size_t len)
{
	uint16_t rcode = msg[3] & DNS_RCODE_MASK;
	size_t at = DNS_HEADER_LEN;

	if (wire_load16(msg + 6) != 0 || wire_load16(msg + 8) != 0 || wire_load16(msg + 10) == 0)
		return rcode;
	if (wire_load16(msg + 4) != 0) {
		while (at < len && msg[at] != 0)
			at += msg[at] + 1u;
		at += 1 + 4; /* root label, type and class */
	}
	if (at + 6 > len || msg[at] != 0 || wire_load16(msg + at + 1) != DNS_TYPE_OPT)
		return rcode;
	return (uint16_t)(msg[at + 5] << 4 | rcode);
}

/* Whether the worker has let go of the ring of the capture before. */
static bool came_round(const struct worker *w, uint64_t since)
{
	uint64_t turn_at = atomic_load_explicit(&w->turn_at, memory_order_acquire);

	return since == 0 || turn_at > since;
}

int net_capture_start(struct net *n, const struct net_capture_filter *filter)
{
	if (n->capturing)
		return -EBUSY;
	for (unsigned i = 0; i < n->worker_cnt; i++) {
		struct worker *w = &n->workers[i];

		if (!came_round(w, n->capture_stopped_at))
			return -EBUSY;
		if (w->capture_ring == NULL)
			w->capture_ring =
				aligned_alloc(alignof(struct capture_ring), sizeof(struct capture_ring));
		if (w->capture_ring == NULL)
			return -ENOMEM;
	}
	for (unsigned i = 0; i < n->worker_cnt; i++) {
		struct capture_ring *r = n->workers[i].capture_ring;

		atomic_store_explicit(&r->head, 0, memory_order_relaxed);
		atomic_store_explicit(&r->tail, 0, memory_order_relaxed);
		atomic_store_explicit(&r->lost, 0, memory_order_relaxed);
		r->filter = *filter;
		// Pairs with the acquire in answer_requests.
		atomic_store_explicit(&n->workers[i].capture, r, memory_order_release); // COMMIT
	}
	n->capturing = true;
	return 0;
}

bool net_capture_recv(struct net *n, struct net_frame *out, uint64_t *out_age_ns)
{
	for (unsigned i = 0; i < n->worker_cnt; i++) {
		struct capture_ring *r = n->workers[i].capture_ring;
		const struct net_frame *f = n->capturing ? capture_next(r) : NULL;

		if (f == NULL)
			continue;
		memcpy(out, f, offsetof(struct net_frame, octets) + f->kept);
		capture_take(r);
		*out_age_ns = net_since_ns(out->cycles, rte_rdtsc(), rte_get_tsc_hz());
		return true;
	}
	return false;
}

uint64_t net_capture_lost(const struct net *n)
{
	uint64_t lost = 0;

	for (unsigned i = 0; i < n->worker_cnt && n->capturing; i++)
		lost += atomic_load_explicit(&n->workers[i].capture_ring->lost, memory_order_relaxed);
	return lost;
}

void net_capture_stop(struct net *n)
{
	for (unsigned i = 0; i < n->worker_cnt; i++)
		atomic_store_explicit(&n->workers[i].capture, NULL, memory_order_seq_cst);
	n->capturing = false;
	n->capture_stopped_at = rte_rdtsc();
}
