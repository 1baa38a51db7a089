/*
 * What a worker copies for a capture: by RCODE the request as it came, though its response was written over it; and a ring
 * that nobody empties loses frames by the counter and holds nothing up.
 */
#include "dataplane/net/capture_ring.h"
#include "tests/unit/net/rig.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NXDOMAIN 3
#define RCODES	 4 /* each in its turn */
#define REQUESTS 10000
#define MESSAGE	 42 /* behind Ethernet, IPv4 and UDP */

struct answer_engine {
	uint64_t jobs;
};

void answer_engine_read_clock(struct answer_engine *e)
{
}

void answer_burst(struct answer_engine *e, struct answer_job *const jobs[], unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++) {
		assert_true(jobs[i]->len >= 12);
		jobs[i]->msg[2] |= 0x80;
		jobs[i]->msg[3] = (uint8_t)(e->jobs++ % RCODES);
		memset(jobs[i]->msg + 6, 0, 6);
		jobs[i]->verdict = ANSWER_SEND;
	}
}

struct traffic {
	struct answer_engine engine;
	struct frame frame;
	uint64_t wanted, made;
};

static unsigned send_requests(struct rig *r, enum rig_side from, struct rte_mbuf **out, unsigned cap,
			      bool *end)
{
	struct traffic *t = r->arg;
	unsigned n = 0;

	for (; from == RIG_WIRE && n < cap && t->made < t->wanted; n++, t->made++) {
		out[n] = rig_mbuf(r, &t->frame, PLACE_ONE);
		assert_non_null(out[n]);
	}
	*end = t->made == t->wanted;
	return n;
}

static struct frame plain_request(void)
{
	size_t i = 0;

	while (i < form_cnt && strcmp(forms[i].name, "request_over_ipv4") != 0)
		i++;
	assert_true(i < form_cnt);
	return form_frame(&forms[i]);
}

/* A worker answers so many requests under a capture of the filter. Returns the ring, the caller's to free. */
static struct capture_ring *run(struct rig *r, struct traffic *t, const struct net_capture_filter *filter,
				uint64_t requests)
{
	struct capture_ring *ring = aligned_alloc(alignof(struct capture_ring), sizeof(*ring));
	uint64_t counter[NET_COUNTER_CNT];

	assert_non_null(ring);
	memset(ring, 0, offsetof(struct capture_ring, staged));
	ring->filter = *filter;
	*t = (struct traffic){.frame = plain_request(), .wanted = requests};
	rig_reset(r, false);
	r->worker.engine = &t->engine;
	r->arg = t;
	r->source = send_requests;
	atomic_store(&r->worker.capture, ring);
	rig_run(r, counter);
	atomic_store(&r->worker.capture, NULL);
	assert_int_equal(counter[NET_CNT_tx_packets], requests);
	return ring;
}

static void by_rcode_request_and_response_stand_together_as_they_were(void **state)
{
	const struct net_capture_filter filter = {
		.has_rcode = true, .rcode = NXDOMAIN, .snaplen = NET_FRAME_MAX};
	struct rig *r = *state;
	struct traffic t;
	struct capture_ring *ring = run(r, &t, &filter, 100);
	const struct net_frame *f;
	unsigned cnt = 0;

	for (; (f = capture_next(ring)) != NULL; cnt++) {
		assert_int_equal(f->out, cnt % 2);
		if (f->out) {
			assert_int_equal(f->octets[MESSAGE + 3] & 0xf, NXDOMAIN);
		} else {
			assert_int_equal(f->kept, t.frame.len);
			assert_memory_equal(f->octets, t.frame.octets, t.frame.len);
		}
		capture_take(ring);
	}
	assert_int_equal(cnt, 2 * 100 / RCODES);
	assert_int_equal(atomic_load(&ring->lost), 0);
	free(ring);
}

static void a_ring_that_nobody_empties_loses_frames_by_name_and_every_request_is_answered(void **state)
{
	const struct net_capture_filter all = {.snaplen = NET_FRAME_MAX};
	const struct net_capture_filter some = {.has_rcode = true, .rcode = NXDOMAIN, .snaplen = 64};
	struct rig *r = *state;
	struct traffic t;
	struct capture_ring *ring = run(r, &t, &all, REQUESTS);

	assert_int_equal(atomic_load(&ring->lost), 2 * REQUESTS - NET_CAPTURE_RING);
	free(ring);
	ring = run(r, &t, &some, REQUESTS);
	assert_int_equal(atomic_load(&ring->lost), 2 * REQUESTS / RCODES - NET_CAPTURE_RING);
	assert_int_equal(capture_next(ring)->kept, t.frame.len < 64 ? t.frame.len : 64);
	free(ring);
}

static void an_extended_rcode_is_read_from_opt(void **state)
{
	static const uint8_t badvers[] = {0, 1, 0x80, 0, 0, 1, 0,  0, 0,    0, 0, 1, 1, 'a', 0,
					  0, 1, 0,    1, 0, 0, 41, 4, 0xd0, 1, 0, 0, 0, 0,   0};
	static const uint8_t no_question[] = {0, 1, 0x80, 7, 0,	   0, 0, 0, 0, 0, 0, 1,
					      0, 0, 41,	  4, 0xd0, 1, 0, 0, 0, 0, 0};

	assert_int_equal(capture_rcode(badvers, sizeof(badvers)), 16);
	assert_int_equal(capture_rcode(no_question, sizeof(no_question)), 23);
	for (size_t len = 12; len < 25; len++) // cut anywhere: what the header says
		assert_int_equal(capture_rcode(badvers, len), 0);
}

static int setup(void **state)
{
	*state = rig_new();
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_rcode_request_and_response_stand_together_as_they_were),
		cmocka_unit_test(
			a_ring_that_nobody_empties_loses_frames_by_name_and_every_request_is_answered),
		cmocka_unit_test(an_extended_rcode_is_read_from_opt),
	};

	return cmocka_run_group_tests_name("capture", tests, setup, teardown);
}
