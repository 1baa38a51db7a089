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
	fill(dgram_ring_room(r, DGRAM_RING_CAP), 1);
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
			struct net_dgram *d = dgram_ring_room(r, DGRAM_RING_CAP);

			assert_non_null(d);
			fill(d, start + i);
			dgram_ring_put(r);
		}
		assert_null(dgram_ring_room(r, DGRAM_RING_CAP));
		for (uint32_t i = 0; i < DGRAM_RING_CAP; i++) {
			assert_true(holds(dgram_ring_next(r), start + i));
			dgram_ring_take(r);
			assert_non_null(dgram_ring_room(r, DGRAM_RING_CAP));
		}
	}
}

static void the_counts_may_wrap(void **state)
{
	struct dgram_ring *r = *state;

	atomic_store(&r->head, UINT32_MAX - 5);
	atomic_store(&r->tail, UINT32_MAX - 5);
	for (uint32_t i = 0; i < DGRAM_RING_CAP; i++) {
		fill(dgram_ring_room(r, DGRAM_RING_CAP), i);
		dgram_ring_put(r);
	}
	assert_null(dgram_ring_room(r, DGRAM_RING_CAP));
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
			struct net_dgram *d = dgram_ring_room(r, DGRAM_RING_CAP);

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

static void *put_all(void *arg)
{
	struct dgram_ring *r = arg;

	for (uint32_t i = 0; i < MESSAGES;) {
		struct net_dgram *d = dgram_ring_room(r, DGRAM_RING_CAP);

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
		T(everything_arrives_once_in_order_and_whole),
	};

	return cmocka_run_group_tests_name("dgram_ring", tests, NULL, NULL);
}
