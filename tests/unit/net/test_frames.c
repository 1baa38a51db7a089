/*
 * Frames through the whole worker, from packet buffer to packet buffer: each form is answered, punted or dropped under its
 * name, whole or in pieces, and every buffer comes back in every case, full queues among them.
 *
 * LOCKSTEP_FRAMES=100000000 sends so many through all of it (a minute or two) instead of a million.
 */
#include "tests/unit/net/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FRAMES_DEFAULT 1000000
#define FILL	       0x11 /* what an answer is made of */

struct answer_engine {
	unsigned jobs;
};

void answer_engine_read_clock(struct answer_engine *e)
{
}

/* Does what the message says. */
void answer_burst(struct answer_engine *e, struct answer_job *const jobs[], unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++) {
		struct answer_job *j = jobs[i];
		uint32_t len = j->len + 11;

		e->jobs++;
		if (j->len <= ORDER_AT) {
			j->verdict = ANSWER_DROP;
			continue;
		}
		switch (j->msg[ORDER_AT]) {
		case ORDER_DROP:
			j->verdict = ANSWER_DROP;
			continue;
		case ORDER_NOTIFY:
			j->verdict = ANSWER_NOTIFY;
			continue;
		case ORDER_TRANSFER:
			j->verdict = ANSWER_TRANSFER;
			continue;
		case ORDER_FULL:
			len = j->cap;
		}
		if (len > j->cap)
			len = j->cap;
		if (len > j->len)
			memset(j->msg + j->len, FILL, len - j->len);
		j->len = len;
		j->verdict = ANSWER_SEND;
	}
}

/* What goes in, and what has come out. */
struct traffic {
	struct answer_engine engine;
	struct frame *frames;	/* of the forms, in their order */
	const struct form *one; /* only this one; NULL: all, mixed */
	uint64_t wanted, made;	/* frames from the wire */
	uint64_t from_kernel;	/* frames from there */
	uint64_t becomes[NET_COUNTER_CNT];
	uint64_t replies;	   /* of the control loop, put into the ring */
	uint64_t left[2], answers; /* by side; of the wire's that came from the wire */
	uint64_t bursts;	   /* sent */
	const struct frame *kept;  /* what a punted frame must be; NULL: not looked at */
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

static void traffic_init(struct traffic *t, struct rig *r, bool exception)
{
	*t = (struct traffic){.frames = calloc(form_cnt, sizeof(struct frame))};
	assert_non_null(t->frames);
	for (size_t i = 0; i < form_cnt; i++)
		t->frames[i] = form_frame(&forms[i]);
	rig_reset(r, exception);
	r->worker.engine = &t->engine;
	r->arg = t;
}

static void traffic_fini(struct traffic *t)
{
	free(t->frames);
}

/* The control loop's part: answers what it was handed. Returns whether there is nothing to wait for. */
static bool serve_notifies(struct rig *r, struct traffic *t)
{
	const struct net_dgram *d;
	struct net_dgram *room;

	while ((d = dgram_ring_next(r->worker.requests)) != NULL &&
	       (room = dgram_ring_room(r->worker.replies)) != NULL) {
		dgram_copy(room, d);
		dgram_ring_put(r->worker.replies);
		dgram_ring_take(r->worker.requests);
		t->replies++;
	}
	return dgram_ring_next(r->worker.requests) == NULL && dgram_ring_next(r->worker.replies) == NULL;
}

/* Some frames of the kernel's own in most turns. */
static unsigned kernel_frames(struct rig *r, struct traffic *t, struct rte_mbuf **out)
{
	unsigned n = (unsigned)(t->made % 3);

	for (unsigned i = 0; i < n; i++) {
		out[i] = rte_pktmbuf_alloc(r->pool);
		assert_non_null(out[i]);
		memset(rte_pktmbuf_append(out[i], 60), FILL, 60);
	}
	t->from_kernel += n;
	return n;
}

static unsigned make_frames(struct rig *r, enum rig_side from, struct rte_mbuf **out, unsigned cap, bool *end)
{
	struct traffic *t = r->arg;
	unsigned n = 0;

	if (from == RIG_KERNEL)
		return t->one != NULL ? 0 : kernel_frames(r, t, out);
	if (t->made / 300000 % 2 == 0 ||
	    t->made == t->wanted) // else the control loop is away, and its ring fills
		*end = serve_notifies(r, t) && t->made == t->wanted;
	for (; n < cap && t->made < t->wanted; n++, t->made++) {
		size_t number = t->one != NULL ? (size_t)(t->one - forms) : t->made * 61 % form_cnt;

		out[n] = rig_mbuf(r, &t->frames[number], forms[number].place);
		assert_non_null(out[n]);
		t->becomes[forms[number].becomes]++;
	}
	return n;
}

static void is_same(const struct frame *f, const struct rte_mbuf *m)
{
	size_t at = 0;

	assert_int_equal(m->pkt_len, f->len);
	for (; m != NULL; at += m->data_len, m = m->next)
		assert_memory_equal(rte_pktmbuf_mtod(m, const uint8_t *), f->octets + at, m->data_len);
}

/* Nothing leaves that was not written for this frame. */
static void look_at(struct rig *r, enum rig_side to, const struct rte_mbuf *m)
{
	static const uint8_t poison[8] = {RIG_POISON, RIG_POISON, RIG_POISON, RIG_POISON,
					  RIG_POISON, RIG_POISON, RIG_POISON, RIG_POISON};
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	struct traffic *t = r->arg;

	t->left[to]++;
	for (const struct rte_mbuf *piece = m; piece != NULL; piece = piece->next)
		assert_null(memmem(rte_pktmbuf_mtod(piece, const uint8_t *), piece->data_len, poison, 8));
	if (to == RIG_KERNEL) {
		if (t->kept != NULL)
			is_same(t->kept, m);
	} else if (frame[0] != FILL) {
		t->answers++;
		assert_int_equal(m->nb_segs, 1);
		assert_true(m->pkt_len <= RIG_MTU + PACKET_L2_MAX);
		assert_memory_equal(frame, their_mac, 6);
		assert_memory_equal(frame + 6, our_mac, 6);
	}
}

/* Of three bursts one is taken whole, one in part, one not at all. */
static unsigned tight(struct rig *r, enum rig_side to, unsigned cnt)
{
	struct traffic *t = r->arg;

	switch (t->bursts++ % 3) {
	case 0:
		return cnt;
	case 1:
		return cnt / 2;
	}
	return 0;
}

static unsigned stuck(struct rig *r, enum rig_side to, unsigned cnt)
{
	return 0;
}

/* What else a counter of forms.c brings with it, at a port with an exception interface or without. */
static bool counts_too(enum net_counter c, enum net_counter becomes, bool exception)
{
	switch (becomes) {
	case NET_CNT_tx_packets:
	case NET_CNT_drop_answer:
	case NET_CNT_drop_room:
		return c == becomes || (c == NET_CNT_rx_queries && becomes != NET_CNT_drop_room);
	case NET_CNT_notify_requests: // and its answer
	case NET_CNT_signed_requests:
		return c == becomes || c == NET_CNT_rx_queries || c == NET_CNT_tx_packets;
	case NET_CNT_punt:
		return exception ? c == NET_CNT_punt || c == NET_CNT_punt_sent : c == NET_CNT_punt_none;
	case NET_CNT_punt_size:
		return exception ? c == NET_CNT_punt_size : c == NET_CNT_punt_none;
	default:
		return c == becomes;
	}
}

static bool is_about_time(enum net_counter c)
{
	return c >= NET_CNT_turns;
}

/* Some of this form alone: the counters are those it must raise and no others. */
static void check_form(struct rig *r, const struct form *form, bool exception)
{
	enum { SENT = 5 };
	uint64_t c[NET_COUNTER_CNT];
	struct traffic t;

	traffic_init(&t, r, exception);
	r->source = make_frames;
	r->sent = look_at;
	t.one = form;
	t.wanted = SENT;
	t.kept = &t.frames[form - forms];
	rig_run(r, c);
	assert_int_equal(c[NET_CNT_rx_packets], SENT);
	for (enum net_counter i = 0; i < NET_COUNTER_CNT; i++) {
		uint64_t expected = counts_too(i, form->becomes, exception) ? SENT : 0;

		if (i != NET_CNT_rx_packets && !is_about_time(i) && c[i] != expected)
			fail_msg("%s: %s is %llu, not %llu", form->name, net_counter_text[i].name,
				 (unsigned long long)c[i], (unsigned long long)expected);
	}
	assert_int_equal(t.left[RIG_WIRE], c[NET_CNT_tx_packets]);
	assert_int_equal(t.left[RIG_KERNEL], c[NET_CNT_punt_sent]);
	assert_int_equal(rig_pool_level(r), RIG_POOL);
	traffic_fini(&t);
}

static void each_form_raises_its_counter_and_no_other(void **state)
{
	for (size_t i = 0; i < form_cnt; i++) {
		check_form(*state, &forms[i], true);
		check_form(*state, &forms[i], false);
	}
}

/* One frame in pieces. */
struct pieces {
	struct answer_engine engine;
	struct frame frame;
	size_t cuts[2];
	unsigned cut_cnt;
	bool done, arrived;
};

static unsigned cut_once(struct rig *r, enum rig_side from, struct rte_mbuf **out, unsigned cap, bool *end)
{
	struct pieces *p = r->arg;

	if (from == RIG_KERNEL)
		return 0;
	*end = p->done;
	if (p->done)
		return 0;
	p->done = true;
	out[0] = rig_mbuf_cut(r, &p->frame, p->cuts, p->cut_cnt);
	assert_non_null(out[0]);
	return 1;
}

static void arrives_whole(struct rig *r, enum rig_side to, const struct rte_mbuf *m)
{
	struct pieces *p = r->arg;

	assert_int_equal(to, RIG_KERNEL);
	is_same(&p->frame, m);
	p->arrived = true;
}

static void check_pieces(struct rig *r, struct pieces *p)
{
	uint64_t c[NET_COUNTER_CNT];

	rig_reset(r, true);
	r->worker.engine = &p->engine;
	r->arg = p;
	r->source = cut_once;
	r->sent = arrives_whole;
	p->done = p->arrived = false;
	rig_run(r, c);
	assert_true(p->arrived);
	assert_int_equal(c[NET_CNT_punt_sent], 1);
	assert_int_equal(c[NET_CNT_rx_queries] + c[NET_CNT_tx_packets], 0);
	assert_int_equal(rig_pool_level(r), RIG_POOL);
}

static void a_frame_cut_into_buffers_anywhere_goes_to_the_kernel_unchanged(void **state)
{
	static const struct shape shapes[] = {
		{4, 0, 0, 0}, {6, 0, 0, 0}, {4, 1, 0, 0}, {6, 2, 0, 0}, {4, 2, 40, 0}};

	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct pieces p = {.frame = build(&shapes[i])};

		for (p.cut_cnt = 1; p.cut_cnt <= 2;
		     p.cut_cnt++) // two pieces; or three, the middle one of an octet
			for (size_t at = 0; at < p.frame.len; at++) {
				p.cuts[0] = at;
				p.cuts[1] = at + 1;
				check_pieces(*state, &p);
			}
	}
}

static void a_stuck_queue_loses_answers_by_name_and_no_buffer(void **state)
{
	struct rig *r = *state;
	uint64_t c[NET_COUNTER_CNT];
	struct traffic t;

	traffic_init(&t, r, true);
	r->source = make_frames;
	r->room = stuck;
	t.wanted = 20 * RIG_POOL;
	rig_run(r, c);
	assert_int_equal(c[NET_CNT_tx_packets] + c[NET_CNT_punt_sent] + c[NET_CNT_exception_packets], 0);
	assert_int_equal(c[NET_CNT_tx_full], t.becomes[NET_CNT_tx_packets] + t.replies);
	assert_int_equal(c[NET_CNT_punt_full], t.becomes[NET_CNT_punt]);
	assert_int_equal(c[NET_CNT_exception_full], t.from_kernel);
	assert_true(c[NET_CNT_tx_full] > RIG_POOL && c[NET_CNT_punt_full] > RIG_POOL && t.from_kernel > 0);
	assert_int_equal(rig_pool_level(r), RIG_POOL);
	traffic_fini(&t);
}

static void put_reply(struct rig *r)
{
	*dgram_ring_room(r->worker.replies) = (struct net_dgram){.family = 4, .len = 12, .l2_len = 14};
	dgram_ring_put(r->worker.replies);
}

static void an_empty_pool_is_told_and_mends(void **state)
{
	struct rte_mbuf *all[RIG_POOL];
	struct rig *r = *state;
	uint64_t c[NET_COUNTER_CNT];
	struct traffic t;

	traffic_init(&t, r, true);
	assert_int_equal(rte_pktmbuf_alloc_bulk(r->pool, all, RIG_POOL), 0);
	put_reply(r);
	rig_run(r, c);
	assert_int_equal(c[NET_CNT_notify_no_buffer], 1);
	rte_pktmbuf_free_bulk(all, RIG_POOL);
	put_reply(r);
	rig_run(r, c);
	assert_int_equal(c[NET_CNT_notify_no_buffer], 1);
	assert_int_equal(c[NET_CNT_tx_packets], 1);
	assert_int_equal(rig_pool_level(r), RIG_POOL);
	traffic_fini(&t);
}

/* Everything that came in left under one name, and only one. */
static void check_books(const struct traffic *t, const uint64_t *c)
{
	const uint64_t *b = t->becomes;

	assert_int_equal(c[NET_CNT_rx_packets], t->wanted);
	assert_int_equal(c[NET_CNT_tx_packets] + c[NET_CNT_tx_full], b[NET_CNT_tx_packets] + t->replies);
	assert_int_equal(c[NET_CNT_notify_requests] + c[NET_CNT_signed_requests], t->replies);
	assert_int_equal(c[NET_CNT_notify_requests] + c[NET_CNT_notify_share], b[NET_CNT_notify_requests]);
	assert_int_equal(c[NET_CNT_signed_requests] + c[NET_CNT_signed_share], b[NET_CNT_signed_requests]);
	assert_int_equal(c[NET_CNT_punt], b[NET_CNT_punt]);
	assert_int_equal(c[NET_CNT_punt_sent] + c[NET_CNT_punt_full], b[NET_CNT_punt]);
	assert_int_equal(c[NET_CNT_exception_packets] + c[NET_CNT_exception_full], t->from_kernel);
	for (enum net_counter i = NET_CNT_drop_runt; i <= NET_CNT_drop_answer; i++)
		assert_int_equal(c[i], b[i]);
	assert_int_equal(c[NET_CNT_punt_size], b[NET_CNT_punt_size]);
	assert_int_equal(t->left[RIG_KERNEL], c[NET_CNT_punt_sent]);
	assert_int_equal(t->left[RIG_WIRE], c[NET_CNT_tx_packets] + c[NET_CNT_exception_packets]);
	assert_int_equal(t->answers, c[NET_CNT_tx_packets]);
}

static void every_buffer_comes_back_whatever_came_in_and_however_full_the_queues_were(void **state)
{
	const char *wanted = getenv("LOCKSTEP_FRAMES");
	struct rig *r = *state;
	uint64_t c[NET_COUNTER_CNT];
	struct traffic t;

	traffic_init(&t, r, true);
	r->source = make_frames;
	r->sent = look_at;
	r->room = tight;
	t.wanted = wanted != NULL ? strtoull(wanted, NULL, 10) : FRAMES_DEFAULT;
	rig_run(r, c);
	check_books(&t, c);
	assert_true(c[NET_CNT_tx_full] > 0 && c[NET_CNT_punt_full] > 0 && c[NET_CNT_exception_full] > 0);
	assert_true(c[NET_CNT_notify_share] > 0 && c[NET_CNT_signed_share] > 0 && t.replies > 0);
	assert_int_equal(rig_pool_level(r), RIG_POOL);
	printf("%llu frames, %llu answers; %u of %u buffers are back\n", (unsigned long long)t.made,
	       (unsigned long long)t.answers, rig_pool_level(r), RIG_POOL);
	traffic_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_form_raises_its_counter_and_no_other),
		cmocka_unit_test(a_frame_cut_into_buffers_anywhere_goes_to_the_kernel_unchanged),
		cmocka_unit_test(a_stuck_queue_loses_answers_by_name_and_no_buffer),
		cmocka_unit_test(an_empty_pool_is_told_and_mends),
		cmocka_unit_test(every_buffer_comes_back_whatever_came_in_and_however_full_the_queues_were),
	};

	return cmocka_run_group_tests_name("frames", tests, setup_group, teardown_group);
}
