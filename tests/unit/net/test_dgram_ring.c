/* The ring between a worker and the control loop: one thread puts, another takes. */
#include "dataplane/net/dgram_ring.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define MESSAGES 200000

static int setup(void **state)
{
	struct dgram_ring *r = aligned_alloc(alignof(struct dgram_ring), sizeof(*r));

	assert_non_null(r);
	dgram_ring_init(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* Every field that a reader looks at depends on the number, so a torn or early read shows. */
static void fill(struct net_dgram *d, uint32_t number)
{
	d->share = 0;
	d->client_port = (uint16_t)number;
	d->len = (uint16_t)(4 + number % 64);
	memset(d->msg, (int)(number % 251), d->len);
	memcpy(d->msg, &number, sizeof(number));
}

static bool holds(const struct net_dgram *d, uint32_t number)
{
	uint32_t seen;

	memcpy(&seen, d->msg, sizeof(seen));
	if (seen != number || d->client_port != (uint16_t)number || d->len != 4 + number % 64)
		return false;
	for (unsigned i = sizeof(seen); i < d->len; i++)
		if (d->msg[i] != number % 251)
			return false;
	return true;
}

static void an_empty_ring_gives_nothing(void **state)
{
	struct dgram_ring *r = *state;

	assert_null(dgram_ring_next(r));
	fill(dgram_ring_room(r), 1);
	assert_null(dgram_ring_next(r)); // not put yet
	dgram_ring_put(r);
	assert_non_null(dgram_ring_next(r));
	dgram_ring_take(r);
	assert_null(dgram_ring_next(r));
}

static void a_full_ring_takes_no_more_until_one_is_taken(void **state)
{
	struct dgram_ring *r = *state;

	for (uint32_t start = 0; start < 3 * DGRAM_RING_CAP; start += DGRAM_RING_CAP) {
		for (uint32_t i = 0; i < DGRAM_RING_CAP; i++) {
			struct net_dgram *d = dgram_ring_room(r);

			assert_non_null(d);
			fill(d, start + i);
			dgram_ring_put(r);
		}
		assert_null(dgram_ring_room(r));
		for (uint32_t i = 0; i < DGRAM_RING_CAP; i++) {
			assert_true(holds(dgram_ring_next(r), start + i));
			dgram_ring_take(r);
			assert_non_null(dgram_ring_room(r));
		}
	}
}

static void the_counts_may_wrap(void **state)
{
	struct dgram_ring *r = *state;

	atomic_store(&r->head, UINT32_MAX - 5);
	atomic_store(&r->tail, UINT32_MAX - 5);
	for (uint32_t i = 0; i < DGRAM_RING_CAP; i++) {
		fill(dgram_ring_room(r), i);
		dgram_ring_put(r);
	}
	assert_null(dgram_ring_room(r));
	for (uint32_t i = 0; i < DGRAM_RING_CAP; i++) {
		assert_true(holds(dgram_ring_next(r), i));
		dgram_ring_take(r);
	}
	assert_null(dgram_ring_next(r));
}

/* Memory is what waited at once, however many went through. */
static void slots_that_were_never_needed_are_not_touched(void **state)
{
	struct dgram_ring *r = *state;

	for (uint32_t i = 0; i < 3 * DGRAM_RING_CAP; i += 3) {
		for (uint32_t k = 0; k < 3; k++) {
			struct net_dgram *d = dgram_ring_room(r);

			assert_ptr_equal(d, &r->slot[k]);
			fill(d, i + k);
			dgram_ring_put(r);
		}
		for (uint32_t k = 0; k < 3; k++) {
			assert_true(holds(dgram_ring_next(r), i + k));
			dgram_ring_take(r);
		}
	}
}

/* One more of this share, if it may. */
static enum share_verdict offer(struct dgram_ring *r, uint16_t share)
{
	enum share_verdict verdict = dgram_ring_ask(r, share);
	struct net_dgram *d;

	if (verdict != SHARE_PLACE)
		return verdict;
	d = dgram_ring_room(r);
	assert_non_null(d);
	fill(d, share);
	d->share = share;
	dgram_ring_put(r);
	return verdict;
}

/* As many as it may. */
static unsigned flood(struct dgram_ring *r, uint16_t share)
{
	unsigned n = 0;

	while (offer(r, share) == SHARE_PLACE)
		n++;
	return n;
}

static void take_some(struct dgram_ring *r, unsigned cnt)
{
	while (cnt-- > 0) {
		assert_non_null(dgram_ring_next(r));
		dgram_ring_take(r);
	}
}

static void one_sender_has_half_of_the_ring_and_no_more(void **state)
{
	struct dgram_ring *r = *state;
	uint16_t share = share_of(false, 1);

	/* Again and again: what was taken counts no more, however much there was. */
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(flood(r, share), DGRAM_RING_CAP / 2);
		assert_int_equal(offer(r, share), SHARE_USED);
		take_some(r, DGRAM_RING_CAP / 2);
	}
	flood(r, share);
	take_some(r, 100);
	assert_int_equal(flood(r, share), 100);
}

/* However many flood at once, and whoever comes first: 1/(k + 1) each, and so much is left. */
static void beside_any_flood_others_find_a_slot(void **state)
{
	struct dgram_ring *r = *state;

	for (unsigned k = 1; k < SHARE_PEERS - 2; k = k * 2 + 1) {
		unsigned cnt = 0, fair = DGRAM_RING_CAP / (k + 1);
		bool more = true;

		while (more) {
			more = false;
			for (uint32_t peer = 1; peer <= k; peer++)
				more |= offer(r, share_of(false, peer)) == SHARE_PLACE;
		}
		cnt = DGRAM_RING_CAP - dgram_ring_free(r);
		assert_in_range(cnt, fair * k, DGRAM_RING_CAP - fair + 1);
		assert_int_equal(offer(r, share_of(false, k + 1)), SHARE_PLACE);
		assert_int_equal(offer(r, share_of(false, 1)), SHARE_USED);
		take_some(r, cnt + 1);
	}
}

static void one_kind_takes_no_slot_of_the_other(void **state)
{
	struct dgram_ring *r = *state;

	for (unsigned second = 0; second < 2; second++) {
		assert_int_equal(flood(r, share_of(second, 7)), DGRAM_RING_CAP / 2);
		assert_int_equal(flood(r, share_of(!second, 7)), DGRAM_RING_CAP / 4);
		take_some(r, DGRAM_RING_CAP / 2 + DGRAM_RING_CAP / 4);
	}
}

static void strangers_have_a_few_slots_together(void **state)
{
	struct dgram_ring *r = *state;

	assert_int_equal(flood(r, share_of(false, 0)), DGRAM_RING_STRANGERS);
	assert_int_equal(offer(r, share_of(false, 0)), SHARE_STRANGER);
	assert_int_equal(flood(r, share_of(true, 0)), DGRAM_RING_STRANGERS);
	take_some(r, 1);
	assert_int_equal(flood(r, share_of(false, 0)), 1);
	/* Nor does a flood of a peer's keep them out: somebody reads about them. */
	flood(r, share_of(false, 1));
	take_some(r, DGRAM_RING_STRANGERS - 1);
	take_some(r, DGRAM_RING_STRANGERS);
	assert_int_equal(flood(r, share_of(true, 0)), DGRAM_RING_STRANGERS);
}

/* More peers than the ring has slots for: then it is full for all. */
static void a_ring_that_all_peers_flood_at_once_is_full(void **state)
{
	struct dgram_ring *r = *state;

	for (unsigned round = 0; round < 2; round++)
		for (uint16_t share = 0; share < SHARE_CNT; share++)
			offer(r, share);
	assert_int_equal(dgram_ring_free(r), 0);
	assert_int_equal(offer(r, share_of(false, 1)), SHARE_FULL);
	assert_null(dgram_ring_room(r));
}

static void peers_beyond_those_told_apart_share_and_are_no_strangers(void **state)
{
	(void)state;
	assert_int_equal(share_of(false, 1), share_of(false, SHARE_PEERS));
	assert_int_not_equal(share_of(false, 1), share_of(false, SHARE_PEERS - 1));
	for (uint32_t peer = 1; peer < 100000; peer++) {
		assert_int_not_equal(share_of(false, peer), share_of(false, 0));
		assert_int_not_equal(share_of(true, peer), share_of(true, 0));
		assert_true(share_of(false, peer) < SHARE_PEERS && share_of(true, peer) >= SHARE_PEERS);
	}
	assert_int_not_equal(share_of(false, 0), share_of(true, 0));
}

static void *put_all(void *arg)
{
	struct dgram_ring *r = arg;

	for (uint32_t i = 0; i < MESSAGES;) {
		struct net_dgram *d = dgram_ring_room(r);

		if (d == NULL) {
			sched_yield();
			continue;
		}
		fill(d, i++);
		dgram_ring_put(r);
	}
	return NULL;
}

static void everything_arrives_once_in_order_and_whole(void **state)
{
	struct dgram_ring *r = *state;
	pthread_t putter;

	assert_int_equal(pthread_create(&putter, NULL, put_all, r), 0);
	for (uint32_t i = 0; i < MESSAGES;) {
		const struct net_dgram *d = dgram_ring_next(r);
		struct net_dgram copy;

		if (d == NULL) {
			sched_yield();
			continue;
		}
		dgram_copy(&copy, d);
		dgram_ring_take(r);
		assert_true(holds(&copy, i++));
	}
	assert_int_equal(pthread_join(putter, NULL), 0);
	assert_null(dgram_ring_next(r));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_empty_ring_gives_nothing),
		T(a_full_ring_takes_no_more_until_one_is_taken),
		T(the_counts_may_wrap),
		T(slots_that_were_never_needed_are_not_touched),
		T(one_sender_has_half_of_the_ring_and_no_more),
		T(beside_any_flood_others_find_a_slot),
		T(one_kind_takes_no_slot_of_the_other),
		T(strangers_have_a_few_slots_together),
		T(a_ring_that_all_peers_flood_at_once_is_full),
		cmocka_unit_test(peers_beyond_those_told_apart_share_and_are_no_strangers),
		T(everything_arrives_once_in_order_and_whole),
	};

	return cmocka_run_group_tests_name("dgram_ring", tests, NULL, NULL);
}
