/*
 * What has to be heard in a flood, frame by frame through the worker: the flood takes its share of the ring to the control
 * loop, and no more. The control loop comes round seldom: once in thousands of frames.
 */
#include "tests/unit/net/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FRAMES	 102000
#define PER_GOOD 50 /* one of so many is what has to be heard */

/* Frames from one turn of the control loop to the next; the long one has more than the ring holds. */
#define PER_TURN      1000
#define PER_LONG_TURN 10000

#define MARK_AT (ORDER_AT + 1) /* in a message: is it one that has to be heard? */

struct answer_engine {
	unsigned jobs;
};

void answer_engine_read_clock(struct answer_engine *e)
{
}

void answer_burst(struct answer_engine *e, struct answer_job *const jobs[], unsigned cnt)
{
	e->jobs += cnt;
	for (unsigned i = 0; i < cnt; i++)
		jobs[i]->verdict = ANSWER_NOTIFY;
}

/* Who floods with what, and who has to be heard. */
struct plan {
	bool by_strangers;	   /* each frame from another; or all from their4, forged or not */
	bool flood_notify, notify; /* NOTIFYs; or signed questions */
	uint8_t family;		   /* of who has to be heard; 0: of both, in turns */
	unsigned per_turn;
};

struct flood {
	struct answer_engine engine;
	const struct plan *plan;
	struct frame good[2], bad[2];
	unsigned made, sent;   /* frames; of those that have to be heard */
	unsigned got, got_bad; /* by the control loop */
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

/* What has to be heard is numbered: of a peer's none is missing. */
static void control_turn(struct rig *r, struct flood *f)
{
	const struct net_dgram *d;

	for (; (d = dgram_ring_next(r->worker.requests)) != NULL; dgram_ring_take(r->worker.requests)) {
		bool good = d->msg[MARK_AT];

		assert_int_equal(d->is_notify, good ? f->plan->notify : f->plan->flood_notify);
		if (good && cell_get(&r->worker.peers) != NULL)
			assert_int_equal(get16(d->msg), f->got);
		f->got += good;
		f->got_bad += !good;
	}
}

static const struct frame *good_frame(struct flood *f)
{
	struct frame *frame = &f->good[f->plan->family != 0 ? f->plan->family == 6 : f->sent % 2];

	put16(frame->octets + frame->udp_at + 8, f->sent++);
	seal(frame);
	return frame;
}

/* An address of his own each; one octet off a peer's among them. */
static const struct frame *from_stranger(struct flood *f)
{
	struct frame *frame = &f->bad[f->made % 2];
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

static const struct frame *next_frame(struct flood *f)
{
	if (f->made % PER_GOOD == PER_GOOD - 1)
		return good_frame(f);
	return f->plan->by_strangers ? from_stranger(f) : &f->bad[0];
}

static unsigned make_frames(struct rig *r, enum rig_side from, struct rte_mbuf **out, unsigned cap, bool *end)
{
	struct flood *f = r->arg;
	unsigned n = 0;

	if (from == RIG_KERNEL)
		return 0;
	for (; n < cap && f->made < FRAMES; f->made++) {
		if (f->made % f->plan->per_turn == 0 && n > 0)
			break; // what was made before the turn arrives before it
		if (f->made % f->plan->per_turn == 0)
			control_turn(r, f);
		out[n] = rig_mbuf(r, next_frame(f), PLACE_ONE);
		assert_non_null(out[n++]);
	}
	*end = n == 0;
	return n;
}

static struct frame make_frame(const struct shape *shape, bool notify, bool good)
{
	struct frame frame = build(shape);

	frame.octets[frame.udp_at + 8 + MARK_AT] = good;
	frame_hand_over(&frame, notify);
	return frame;
}

static void run(struct rig *r, const struct plan *plan, struct flood *f, uint64_t c[NET_COUNTER_CNT])
{
	*f = (struct flood){.plan = plan};
	for (unsigned i = 0; i < 2; i++) {
		f->good[i] = make_frame(i ? &ipv6 : &ipv4, plan->notify, true);
		f->bad[i] = make_frame(i ? &ipv6 : &ipv4, plan->flood_notify, false);
	}
	r->worker.engine = &f->engine;
	r->arg = f;
	r->source = make_frames;
	rig_run(r, c);
	control_turn(r, f);
	assert_int_equal(f->made, FRAMES);
	assert_int_equal(f->sent, FRAMES / PER_GOOD);
	assert_int_equal(f->engine.jobs, f->made);
}

/* All that has to be heard is; the flood was heard too, and what was not has been dropped under this name. */
static void nothing_is_lost_but(struct rig *r, const struct plan *plan, enum net_counter dropped)
{
	uint64_t c[NET_COUNTER_CNT];
	struct flood f;

	rig_reset(r, false);
	run(r, plan, &f, c);
	assert_int_equal(f.got, f.sent);
	assert_true(f.got_bad > 0 && c[dropped] > 0);
	assert_int_equal(f.got_bad + c[dropped], f.made - f.sent);
	assert_int_equal(c[NET_CNT_notify_requests] + c[NET_CNT_signed_requests], f.got + f.got_bad);
	printf("all %u were handed over, %u of %u of the flood: the rest is %s\n", f.got, f.got_bad,
	       f.made - f.sent, net_counter_text[dropped].name);
}

static const struct plan strangers = {
	.by_strangers = true, .flood_notify = true, .notify = true, .per_turn = PER_TURN};

static void a_flood_of_strangers_loses_no_notify_of_a_primary(void **state)
{
	nothing_is_lost_but(*state, &strangers, NET_CNT_notify_stranger);
}

/* What the set is for: the same frames lose it some where it is not known. */
static void a_primary_that_is_not_known_is_a_stranger(void **state)
{
	struct rig *r = *state;
	uint64_t c[NET_COUNTER_CNT];
	struct flood f;

	rig_reset(r, false);
	cell_set(&r->worker.peers, NULL);
	run(r, &strangers, &f, c);
	assert_true(f.got < f.sent);
	assert_int_equal(c[NET_CNT_notify_ring_full] + c[NET_CNT_notify_share], 0);
	assert_int_equal(f.got + f.got_bad + c[NET_CNT_notify_stranger], f.made);
}

static void a_flood_from_one_primarys_address_loses_no_notify_of_another(void **state)
{
	static const struct plan plan = {
		.flood_notify = true, .notify = true, .family = 6, .per_turn = PER_LONG_TURN};

	nothing_is_lost_but(*state, &plan, NET_CNT_notify_share);
}

/* Not even from the same address. */
static void a_flood_of_signed_questions_loses_no_notify(void **state)
{
	static const struct plan plan = {.notify = true, .family = 4, .per_turn = PER_LONG_TURN};

	nothing_is_lost_but(*state, &plan, NET_CNT_signed_share);
}

static void a_flood_of_notifies_loses_no_signed_question(void **state)
{
	static const struct plan plan = {.flood_notify = true, .family = 4, .per_turn = PER_LONG_TURN};

	nothing_is_lost_but(*state, &plan, NET_CNT_notify_share);
}

static void a_flood_of_strangers_signed_questions_loses_nothing_of_a_peer(void **state)
{
	struct plan plan = {.by_strangers = true, .per_turn = PER_LONG_TURN};

	nothing_is_lost_but(*state, &plan, NET_CNT_signed_stranger);
	plan.notify = true;
	nothing_is_lost_but(*state, &plan, NET_CNT_signed_stranger);
}

/* One of each kind, of peers. */
static unsigned make_two(struct rig *r, enum rig_side from, struct rte_mbuf **out, unsigned cap, bool *end)
{
	struct flood *f = r->arg;

	*end = f->made > 0;
	if (from == RIG_KERNEL || f->made > 0)
		return 0;
	for (; f->made < 2; f->made++) {
		struct frame frame = make_frame(&ipv4, f->made == 0, true);

		out[f->made] = rig_mbuf(r, &frame, PLACE_ONE);
		assert_non_null(out[f->made]);
	}
	return 2;
}

static void a_full_ring_is_told(void **state)
{
	struct rig *r = *state;
	uint64_t c[NET_COUNTER_CNT];
	struct net_dgram *d;
	struct flood f = {0};

	rig_reset(r, false);
	for (unsigned i = 0; (d = dgram_ring_room(r->worker.requests)) != NULL; i++) {
		d->share = (uint16_t)(i % SHARE_CNT);
		dgram_ring_put(r->worker.requests);
	}
	r->worker.engine = &f.engine;
	r->arg = &f;
	r->source = make_two;
	rig_run(r, c);
	assert_int_equal(c[NET_CNT_notify_ring_full], 1);
	assert_int_equal(c[NET_CNT_signed_ring_full], 1);
	assert_int_equal(c[NET_CNT_notify_requests] + c[NET_CNT_signed_requests], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_of_strangers_loses_no_notify_of_a_primary),
		cmocka_unit_test(a_primary_that_is_not_known_is_a_stranger),
		cmocka_unit_test(a_flood_from_one_primarys_address_loses_no_notify_of_another),
		cmocka_unit_test(a_flood_of_signed_questions_loses_no_notify),
		cmocka_unit_test(a_flood_of_notifies_loses_no_signed_question),
		cmocka_unit_test(a_flood_of_strangers_signed_questions_loses_nothing_of_a_peer),
		cmocka_unit_test(a_full_ring_is_told),
	};

	return cmocka_run_group_tests_name("notify_flood", tests, setup_group, teardown_group);
}
