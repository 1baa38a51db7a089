/*
 * A primary's NOTIFYs in a flood of strangers', frame by frame through the worker: the flood fills the strangers' part of
 * the ring, and no more. The control loop comes round seldom: once in a thousand frames.
 */
#include "tests/unit/net/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define STRANGERS  100000
#define PER_NOTIFY 50	/* a primary's is one of so many */
#define PER_TURN   1000 /* frames from one turn of the control loop to the next */

struct answer_engine {
	unsigned jobs;
};

void answer_engine_read_clock(struct answer_engine *e)
{
}

/* Everything is a NOTIFY. */
void answer_burst(struct answer_engine *e, struct answer_job *const jobs[], unsigned cnt)
{
	e->jobs += cnt;
	for (unsigned i = 0; i < cnt; i++)
		jobs[i]->verdict = ANSWER_NOTIFY;
}

struct flood {
	struct answer_engine engine;
	struct frame primary[2], stranger[2];
	unsigned made, sent;	   /* frames; of the primary's NOTIFYs */
	unsigned got, got_strange; /* by the control loop */
	uint32_t random;
};

static int setup_group(void **state)
{
	*state = rig_new();
	return 0;
}

static int teardown_group(void **state)
{
	rig_free(*state);
	return 0;
}

/* The primary's are numbered: where it is known, none is missing. */
static void control_turn(struct rig *r, struct flood *f)
{
	const struct net_dgram *d;

	for (; (d = dgram_ring_next(r->worker.requests)) != NULL; dgram_ring_take(r->worker.requests)) {
		bool strange =
			memcmp(d->client, d->family == 4 ? their4 : their6, d->family == 4 ? 4 : 16) != 0;

		if (!strange && r->worker.peers != NULL)
			assert_int_equal(get16(d->msg), f->got);
		f->got += !strange;
		f->got_strange += strange;
	}
}

static const struct frame *from_primary(struct flood *f)
{
	struct frame *frame = &f->primary[f->sent % 2];

	put16(frame->octets + frame->udp_at + 8, f->sent++);
	seal(frame);
	return frame;
}

/* An address of his own each; one octet off the primary's among them. */
static const struct frame *from_stranger(struct flood *f)
{
	struct frame *frame = &f->stranger[f->made % 2];
	uint8_t *client = frame->octets + frame->l3_at + (frame->family == 4 ? 12 : 8);
	size_t len = frame->family == 4 ? 4 : 16;

	f->random = f->random * 1664525 + 1013904223;
	memcpy(client, frame->family == 4 ? their4 : their6, len);
	if (f->random >> 31)
		put16(client + len - 2, f->random >> 8 | 0x100);
	else
		client[len - 1] ^= (uint8_t)(f->random >> 8 | 1);
	seal(frame);
	return frame;
}

static unsigned make_frames(struct rig *r, enum rig_side from, struct rte_mbuf **out, unsigned cap, bool *end)
{
	struct flood *f = r->arg;
	unsigned all = STRANGERS + STRANGERS / (PER_NOTIFY - 1);
	unsigned n = 0;

	if (from == RIG_KERNEL)
		return 0;
	for (; n < cap && f->made < all; f->made++) {
		if (f->made % PER_TURN == 0 && n > 0)
			break; // what was made before the turn arrives before it
		if (f->made % PER_TURN == 0)
			control_turn(r, f);
		out[n] = rig_mbuf(r,
				  f->made % PER_NOTIFY == PER_NOTIFY - 1 ? from_primary(f) : from_stranger(f),
				  PLACE_ONE);
		assert_non_null(out[n++]);
	}
	*end = n == 0;
	return n;
}

static void run(struct rig *r, struct flood *f, uint64_t c[NET_COUNTER_CNT])
{
	*f = (struct flood){.primary = {build(&ipv4), build(&ipv6)},
			    .stranger = {build(&ipv4), build(&ipv6)}};
	r->worker.engine = &f->engine;
	r->arg = f;
	r->source = make_frames;
	rig_run(r, c);
	control_turn(r, f);
	assert_true(f->made - f->sent >= STRANGERS && f->sent > 2000);
	assert_int_equal(f->engine.jobs, f->made);
}

static void a_flood_of_strangers_loses_no_notify_of_a_primary(void **state)
{
	struct rig *r = *state;
	uint64_t c[NET_COUNTER_CNT];
	struct flood f;

	rig_reset(r, false);
	run(r, &f, c);
	assert_int_equal(f.got, f.sent);
	assert_int_equal(c[NET_CNT_notify_ring_full], 0);
	assert_true(f.got_strange > 0);
	assert_int_equal(f.got_strange + c[NET_CNT_notify_stranger], f.made - f.sent);
	assert_int_equal(c[NET_CNT_notify_requests], f.got + f.got_strange);
	printf("%u NOTIFYs of a primary, all handed over; %u strangers': %u handed over, %llu dropped\n",
	       f.sent, f.made - f.sent, f.got_strange, (unsigned long long)c[NET_CNT_notify_stranger]);
}

/* What the set is for: the same frames lose it some where it is not known. */
static void a_primary_that_is_not_known_is_a_stranger(void **state)
{
	struct rig *r = *state;
	uint64_t c[NET_COUNTER_CNT];
	struct flood f;

	rig_reset(r, false);
	r->worker.peers = NULL;
	run(r, &f, c);
	assert_true(f.got < f.sent);
	assert_int_equal(c[NET_CNT_notify_ring_full], 0);
	assert_int_equal(f.got + f.got_strange + c[NET_CNT_notify_stranger], f.made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_of_strangers_loses_no_notify_of_a_primary),
		cmocka_unit_test(a_primary_that_is_not_known_is_a_stranger),
	};

	return cmocka_run_group_tests_name("notify_flood", tests, setup_group, teardown_group);
}
