/* The zone table, and snapshots under readers that run all the time. */
#include "tests/unit/zone/model.h"
#include "dataplane/zone/tsan.h"
#include "dataplane/zone/zonetab.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu-qsbr.h>

#include <cmocka.h>

static uint32_t add_zone(struct zonetab *t, const char *text)
{
	uint8_t apex[NAME_LEN_MAX];
	uint32_t slot;

	assert_int_equal(zonetab_add(t, wire_name(text, apex), &slot), 0);
	return slot;
}

static struct zonetab_find find(const struct zonetab *t, const char *text, uint8_t first_label)
{
	static uint8_t name[NAME_LEN_MAX];
	static struct name_hashes hashes;
	struct zonetab_find f = {.name = name, .hashes = &hashes, .first_label = first_label}, *fp = &f;

	wire_name(text, name);
	name_lower(name, name, name_len(name));
	name_hash_suffixes(name, MODEL_KEY, &hashes);
	zonetab_find_burst(t, &fp, 1);
	return f;
}

static void the_longest_configured_suffix_is_found(void **state)
{
	struct zonetab *t = zonetab_new(MODEL_KEY);
	uint32_t example, sub, root;
	uint8_t apex[NAME_LEN_MAX];

	(void)state;
	assert_non_null(t);
	assert_int_equal(find(t, "a.example.", 0).slot, ZONETAB_SLOT_NONE);
	example = add_zone(t, "Example.");
	sub = add_zone(t, "a.b.example.");
	assert_int_equal(zonetab_add(t, wire_name("eXample.", apex), &root), -EEXIST);
	assert_int_equal(zonetab_cnt(t), 2);
	assert_int_equal(find(t, "example.", 0).slot, example);
	assert_int_equal(find(t, "b.example.", 0).slot, example);
	assert_int_equal(find(t, "b.example.", 0).apex_label, 1);
	assert_int_equal(find(t, "a.b.example.", 0).slot, sub);
	assert_int_equal(find(t, "x.A.B.example.", 0).slot, sub);
	assert_int_equal(find(t, "a.b.example.", 1).slot, example);
	assert_int_equal(find(t, "example.", 1).slot, ZONETAB_SLOT_NONE);
	assert_int_equal(find(t, "other.", 0).slot, ZONETAB_SLOT_NONE);
	root = add_zone(t, ".");
	assert_int_equal(find(t, "other.", 0).slot, root);
	assert_int_equal(find(t, ".", 0).slot, root);
	zonetab_remove(t, sub);
	assert_int_equal(find(t, "x.a.b.example.", 0).slot, example);
	zonetab_free(t);
}

static void a_slot_holds_a_snapshot_or_says_why_not(void **state)
{
	struct arena *arena = test_arena();
	struct zonetab *t = zonetab_new(MODEL_KEY);
	enum zone_marker marker = ZONE_EXPIRED;
	struct snapshot *s, *old;
	struct zonetab_find f;
	struct model m;
	uint32_t slot;

	(void)state;
	model_init(&m, "example.", 1);
	slot = add_zone(t, "example.");
	f = find(t, "www.example.", 0);
	assert_null(f.snap);
	assert_int_equal(f.marker, ZONE_NOT_LOADED);
	assert_null(zonetab_snapshot(t, slot, &marker));
	assert_int_equal(marker, ZONE_NOT_LOADED);
	s = old = model_build(&m, arena);
	zonetab_publish(t, slot, &s);
	assert_null(s);
	assert_ptr_equal(find(t, "www.example.", 0).snap, old);
	assert_ptr_equal(zonetab_withdraw(t, slot, ZONE_EXPIRED), old);
	assert_int_equal(find(t, "www.example.", 0).marker, ZONE_EXPIRED);
	assert_null(zonetab_withdraw(t, slot, ZONE_EXPIRED));
	s = old; /* back again */
	zonetab_publish(t, slot, &s);
	assert_ptr_equal(zonetab_snapshot(t, slot, NULL), old);
	zonetab_free(t);
	rcu_barrier();
	model_fini(&m);
	test_arena_free(arena);
}

static void thousands_of_zones_come_and_go(void **state)
{
	enum { ZONES = 20000 };
	struct zonetab *t = zonetab_new(MODEL_KEY);
	uint32_t *slots = malloc(ZONES * sizeof(*slots));
	struct rng r = {2};
	char text[40];

	(void)state;
	assert_non_null(slots);
	for (unsigned i = 0; i < ZONES; i++) {
		snprintf(text, sizeof(text), "z%u.%s", i, i % 3 ? "test." : "a.test.");
		slots[i] = add_zone(t, text);
		if (i % 37 == 0) {
			unsigned k = rng_below(&r, i + 1);

			snprintf(text, sizeof(text), "z%u.%s", k, k % 3 ? "test." : "a.test.");
			assert_int_equal(find(t, text, 0).slot, slots[k]);
		}
	}
	assert_int_equal(zonetab_cnt(t), ZONES);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = round; i < ZONES; i += 3) {
			zonetab_remove(t, slots[i]);
			snprintf(text, sizeof(text), "z%u.%s", i, i % 3 ? "test." : "a.test.");
			assert_int_equal(find(t, text, 0).slot, ZONETAB_SLOT_NONE);
		}
		rcu_barrier();
		for (unsigned i = round; i < ZONES; i += 3) {
			snprintf(text, sizeof(text), "z%u.%s", i, i % 3 ? "test." : "a.test.");
			slots[i] = add_zone(t, text);
			assert_true(slots[i] < ZONES); /* numbers are used again */
		}
	}
	for (unsigned i = 0; i < ZONES; i++) {
		snprintf(text, sizeof(text), "z%u.%s", i, i % 3 ? "test." : "a.test.");
		assert_int_equal(find(t, text, 0).slot, slots[i]);
	}
	free(slots);
	zonetab_free(t);
}

struct race {
	struct zonetab *t;
	struct arena *arena;
	uint32_t slot;
	bool stop;		  /* main writes, readers read */
	unsigned long lookups[2]; /* each reader its own */
};

struct reader {
	struct race *race;
	unsigned index;
};

/* Version n of the zone has n at every name: a mixture would show. */
static struct snapshot *numbered(struct race *race, uint32_t n, const struct snapshot *base)
{
	struct builder_report report;
	struct snapshot *s = NULL;
	struct builder *b;
	uint8_t name[NAME_LEN_MAX], data[4], old[4];
	struct model m;

	model_init(&m, "example.", 1);
	b = builder_new(race->arena, MODEL_KEY, m.apex, base, NULL);
	for (unsigned i = 0; base == NULL && i < m.cnt; i++)
		builder_add(b, m.v[i].owner, m.v[i].type, 1, m.v[i].rdata, m.v[i].len);
	wire_store32(data, n);
	wire_store32(old, n - 1);
	for (unsigned i = 0; i < 200; i++) {
		char text[40];

		snprintf(text, sizeof(text), "n%u.example.", i);
		wire_name(text, name);
		if (base != NULL)
			builder_del(b, name, DNS_TYPE_A, old, 4);
		builder_add(b, name, DNS_TYPE_A, 1, data, 4);
	}
	if (builder_finish(b, &s, &report) != BUILDER_OK)
		abort();
	builder_free(b);
	model_fini(&m);
	return s;
}

static void *read_all_the_time(void *arg)
{
	struct reader *me = arg;
	struct race *race = me->race;
	unsigned i = me->index;
	uint32_t last = 0;

	rcu_register_thread();
	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		const struct snapshot *snap = zonetab_snapshot(race->t, race->slot, NULL);
		uint32_t seen[8];

		for (unsigned k = 0; k < 8; k++) {
			uint8_t name[NAME_LEN_MAX];
			struct name_hashes hashes;
			struct lookup l;
			struct rrset set;
			char text[40];

			snprintf(text, sizeof(text), "n%u.example.", (i = (i * 31 + 7) % 200));
			if (name_from_text(text, name) < 0)
				abort();
			name_hash_suffixes(name, MODEL_KEY, &hashes);
			l = (struct lookup){.snap = snap, .name = name, .hashes = &hashes, .apex_label = 1};
			lookup_one(&l);
			if (l.kind != LOOKUP_EXACT || !entry_set(snap, l.entry, DNS_TYPE_A, &set))
				abort();
			seen[k] = wire_load32(set.body + 12);
			if (seen[k] != seen[0] || seen[k] < last)
				abort();
		}
		last = seen[0];
		race->lookups[me->index] += 8;
		rcu_before(snap);
		rcu_quiescent_state();
	}
	rcu_unregister_thread();
	return NULL;
}

static void readers_see_whole_versions_while_zones_are_republished(void **state)
{
	struct race race = {.t = zonetab_new(MODEL_KEY), .arena = test_arena()};
	struct reader readers[2] = {{&race, 0}, {&race, 1}};
	struct snapshot *cur = numbered(&race, 1, NULL), *next;
	pthread_t threads[2];

	(void)state;
	race.slot = add_zone(race.t, "example.");
	next = snapshot_hold(cur);
	zonetab_publish(race.t, race.slot, &next);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, &readers[i]), 0);
	for (uint32_t n = 2; n < 300; n++) {
		struct snapshot *held;

		next = numbered(&race, n, cur);
		held = snapshot_hold(next);
		zonetab_publish(race.t, race.slot, &next);
		snapshot_release(cur);
		cur = held;
		rcu_quiescent_state();
	}
	__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
	rcu_thread_offline();
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	rcu_thread_online();
	assert_true(race.lookups[0] + race.lookups[1] > 0);
	snapshot_release(cur);
	zonetab_free(race.t);
	rcu_barrier();
	test_arena_free(race.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_configured_suffix_is_found),
		cmocka_unit_test(a_slot_holds_a_snapshot_or_says_why_not),
		cmocka_unit_test(thousands_of_zones_come_and_go),
		cmocka_unit_test(readers_see_whole_versions_while_zones_are_republished),
	};
	int rc;

	rcu_register_thread();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rcu_unregister_thread();
	return rc;
}
