/* NSEC and NSEC3 chains against a linear search, through signing, re-signing and unsigning. */
#include "tests/unit/zone/model.h"
#include "dataplane/zone/nsec3.h"
#include "dataplane/zone/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void drop_types(struct model *m, uint16_t a, uint16_t b)
{
	for (unsigned i = 0; i < m->cnt;)
		if (m->v[i].type == a || m->v[i].type == b)
			model_remove(m, i);
		else
			i++;
}

static void unsign(struct model *m)
{
	drop_types(m, DNS_TYPE_NSEC, DNS_TYPE_NSEC);
	drop_types(m, DNS_TYPE_NSEC3, DNS_TYPE_NSEC3PARAM);
}

/* One NSEC at each owner; where it points does not matter here. */
static void sign_nsec(struct model *m)
{
	unsigned cnt = m->cnt;

	for (unsigned i = 0; i < cnt; i++) {
		uint8_t rdata[MODEL_RDATA];
		unsigned len = (unsigned)name_len(m->apex);

		memcpy(rdata, m->apex, len);
		memcpy(rdata + len, "\0\1\x40", 3);
		model_add(m, m->v[i].owner, DNS_TYPE_NSEC, 300 + DNS_TYPE_NSEC, rdata, len + 3);
	}
}

static void nsec3_owner(const struct model *m, const uint8_t *params, const uint8_t *name,
			uint8_t out[NAME_LEN_MAX])
{
	uint8_t lower[NAME_LEN_MAX], hash[NSEC3_HASH_LEN];

	name_lower(lower, name, name_len(name));
	nsec3_hash(params, lower, hash);
	out[0] = NSEC3_LABEL_LEN;
	nsec3_label(hash, out + 1);
	memcpy(out + 1 + NSEC3_LABEL_LEN, m->apex, name_len(m->apex));
}

/* params: NSEC3PARAM record data with a salt of 4 octets. */
static void sign_nsec3(struct model *m, const uint8_t params[9], uint8_t flags)
{
	unsigned cnt = m->cnt;

	model_add(m, m->apex, DNS_TYPE_NSEC3PARAM, 300 + DNS_TYPE_NSEC3PARAM, params, 9);
	for (unsigned i = 0; i < cnt; i++) {
		uint8_t rdata[MODEL_RDATA], owner[NAME_LEN_MAX];

		if (m->v[i].type == DNS_TYPE_NSEC3)
			continue; /* of another chain */
		memcpy(rdata, params, 9);
		rdata[1] = flags;
		rdata[9] = NSEC3_HASH_LEN;
		memset(rdata + 10, 0x55, NSEC3_HASH_LEN);
		nsec3_owner(m, params, m->v[i].owner, owner);
		model_add(m, owner, DNS_TYPE_NSEC3, 300 + DNS_TYPE_NSEC3, rdata, 10 + NSEC3_HASH_LEN);
	}
}

/* The owner of type that is last not above name, or last of all; only_params: of that chain. */
static const uint8_t *naive_before(const struct model *m, uint16_t type, const uint8_t *name,
				   const uint8_t *params)
{
	const uint8_t *best = NULL, *last = NULL;

	for (unsigned i = 0; i < m->cnt; i++) {
		const struct model_record *rec = &m->v[i];

		if (rec->type != type || (params != NULL && memcmp(rec->rdata + 2, params + 2, 7) != 0))
			continue;
		if (last == NULL || name_compare(rec->owner, last) > 0)
			last = rec->owner;
		if (name_compare(rec->owner, name) <= 0 &&
		    (best == NULL || name_compare(rec->owner, best) > 0))
			best = rec->owner;
	}
	return best != NULL ? best : last;
}

static void check_denials(const struct model *m, const struct snapshot *s, bool nsec, const uint8_t *params,
			  bool opt_out)
{
	struct rng r = {17};
	struct snapshot_info info;

	snapshot_info(s, &info);
	assert_int_equal(info.has_nsec, nsec);
	assert_int_equal(info.has_nsec3, params != NULL);
	for (unsigned i = 0; i < 300; i++) {
		uint8_t name[NAME_LEN_MAX], lower[NAME_LEN_MAX], hashed[NAME_LEN_MAX], owner[NAME_LEN_MAX];
		struct denial d;

		if (i < m->cnt && name_is_at_or_below(m->v[i].owner, m->apex))
			memcpy(name, m->v[i].owner, name_len(m->v[i].owner));
		else
			model_random_name(m, &r, name);
		name_lower(lower, name, name_len(name));
		assert_int_equal(snapshot_nsec(s, lower, &d), nsec);
		if (nsec) {
			const uint8_t *expected = naive_before(m, DNS_TYPE_NSEC, lower, NULL);

			assert_int_equal(entry_owner(s, d.entry, owner), name_len(expected));
			assert_true(name_equal(owner, expected));
			assert_int_equal(d.rel_len, name_len(expected) - name_len(m->apex));
			assert_memory_equal(d.shown, owner, d.rel_len);
			assert_int_equal(d.exact, name_equal(lower, expected));
			assert_int_equal(d.set.type, DNS_TYPE_NSEC);
		}
		assert_int_equal(snapshot_nsec3(s, lower, &d), params != NULL);
		if (params != NULL) {
			const uint8_t *expected;

			nsec3_owner(m, params, lower, hashed);
			expected = naive_before(m, DNS_TYPE_NSEC3, hashed, params);
			entry_owner(s, d.entry, owner);
			assert_true(name_equal(owner, expected));
			assert_int_equal(d.exact, name_equal(hashed, expected));
			assert_int_equal(d.opt_out, opt_out);
			assert_int_equal(d.set.type, DNS_TYPE_NSEC3);
		}
	}
}

/* Many begin alike, so that whole blocks have a tag in common, and many are neighbours. */
static void random_hash(struct rng *r, uint8_t out[NSEC3_HASH_LEN])
{
	static const uint8_t octets[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff};

	for (unsigned i = 0; i < NSEC3_HASH_LEN; i++)
		out[i] = i < 4 || i == NSEC3_HASH_LEN - 1 ? octets[rng_below(r, 6)] : 0;
}

static void hashes_that_begin_alike_are_told_apart(void **state)
{
	static const uint8_t params[5] = {1, 0, 0, 0, 0};
	struct arena *arena = test_arena();
	struct rng r = {3};

	(void)state;
	for (unsigned zone = 0; zone < 13; zone++) {
		uint8_t hash[NSEC3_HASH_LEN], owner[NAME_LEN_MAX],
			rdata[6 + NSEC3_HASH_LEN] = {1, [5] = NSEC3_HASH_LEN};
		const uint8_t *expected;
		struct snapshot *s, *next;
		struct model m, few;
		struct denial d;

		model_init(&m, "example.", 1);
		model_add(&m, m.apex, DNS_TYPE_NSEC3PARAM, 300, params, sizeof(params));
		nsec3_owner(&m, params, m.apex, owner);
		model_add(&m, owner, DNS_TYPE_NSEC3, 300, rdata, sizeof(rdata));
		for (unsigned i = 0; i < 1u << zone; i++) {
			random_hash(&r, hash);
			nsec3_label(hash, owner + 1);
			model_add(&m, owner, DNS_TYPE_NSEC3, 300, rdata, sizeof(rdata));
		}
		s = model_build(&m, arena);
		for (unsigned i = 0; i < 300; i++) {
			random_hash(&r, hash);
			nsec3_label(hash, owner + 1);
			expected = naive_before(&m, DNS_TYPE_NSEC3, owner, NULL);
			assert_true(snapshot_nsec3_at(s, hash, &d));
			assert_memory_equal(d.rel, expected, d.rel_len);
			assert_int_equal(d.exact, name_equal(owner, expected));
		}
		/* Nearly all go again, and nothing of the directory stays. */
		model_copy(&few, &m);
		while (few.cnt > 4)
			model_remove(&few, few.cnt - 1);
		model_set_serial(&few, 2);
		next = model_edit(&m, &few, s, arena, &r);
		snapshot_retire(next);
		snapshot_retire(s);
		model_fini(&few);
		model_fini(&m);
	}
	test_arena_free(arena);
}

static const uint8_t params_a[9] = {1, 0, 0, 0, 4, 0xAA, 0xBB, 0xCC, 0xDD};
static const uint8_t params_b[9] = {1, 0, 0, 5, 4, 1, 2, 3, 4};

/* Each step is an edit of the zone before; the result is compared with the list and with a build from scratch. */
static void step(struct arena *arena, struct snapshot **s, struct model *m, struct model *next, struct rng *r)
{
	struct snapshot *n = model_edit(m, next, *s, arena, r), *scratch = model_build(next, arena);

	model_check(next, n);
	for (unsigned i = 0; i < next->cnt; i++)
		model_check_twins(n, scratch, next->v[i].owner);
	snapshot_retire(scratch);
	snapshot_retire(*s);
	model_fini(m);
	*s = n;
	*m = *next;
}

static void chains_follow_signing_and_unsigning(void **state)
{
	struct arena *arena = test_arena();

	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rng r = {seed};
		struct model m, next;
		struct snapshot *s;

		model_init(&m, "example.", 1);
		for (unsigned i = 0; i < seed * 25; i++)
			model_add_random(&m, &r);
		s = model_build(&m, arena);
		check_denials(&m, s, false, NULL, false);
		for (uint32_t turn = 0; turn < 10; turn++) {
			model_copy(&next, &m);
			unsign(&next);
			for (unsigned i = 0; i < 5; i++)
				model_add_random(&next, &r);
			if (next.cnt > 10)
				model_remove(&next, 2 + rng_below(&r, next.cnt - 2));
			model_set_serial(&next, 2 + turn);
			switch (turn % 5) {
			case 0:
			case 1:
				sign_nsec(&next);
				break;
			case 2:
				sign_nsec3(&next, params_a, 0);
				break;
			case 3:
				sign_nsec3(&next, params_b, 1);
				break;
			}
			step(arena, &s, &m, &next, &r);
			check_denials(&m, s, turn % 5 < 2,
				      turn % 5 == 2   ? params_a
				      : turn % 5 == 3 ? params_b
						      : NULL,
				      turn % 5 == 3);
		}
		snapshot_retire(s);
		model_fini(&m);
	}
	test_arena_free(arena);
}

static void a_second_chain_does_not_disturb_the_first(void **state)
{
	struct arena *arena = test_arena();
	struct rng r = {4};
	struct model m;
	struct snapshot *s;
	uint8_t incomplete[9];

	(void)state;
	model_init(&m, "example.", 1);
	for (unsigned i = 0; i < 100; i++)
		model_add_random(&m, &r);
	sign_nsec3(&m, params_a, 0);
	/* The next chain is being made: its records are there, its NSEC3PARAM is not yet, or carries flags. */
	drop_types(&m, DNS_TYPE_NSEC3PARAM, DNS_TYPE_NSEC3PARAM);
	sign_nsec3(&m, params_b, 0);
	drop_types(&m, DNS_TYPE_NSEC3PARAM, DNS_TYPE_NSEC3PARAM);
	memcpy(incomplete, params_b, 9);
	incomplete[1] = 1;
	model_add(&m, m.apex, DNS_TYPE_NSEC3PARAM, 300 + DNS_TYPE_NSEC3PARAM, incomplete, 9);
	model_add(&m, m.apex, DNS_TYPE_NSEC3PARAM, 300 + DNS_TYPE_NSEC3PARAM, params_a, 9);
	s = model_build(&m, arena);
	check_denials(&m, s, false, params_a, false);
	snapshot_retire(s);
	model_fini(&m);
	test_arena_free(arena);
}

/* cnt records of a chain at random hashes; where they lead does not matter here. */
static void add_random_links(struct model *m, const uint8_t params[9], unsigned cnt, struct rng *r)
{
	uint8_t rdata[10 + NSEC3_HASH_LEN], owner[NAME_LEN_MAX] = {NSEC3_LABEL_LEN}, hash[NSEC3_HASH_LEN];

	memcpy(rdata, params, 9);
	rdata[9] = NSEC3_HASH_LEN;
	memset(rdata + 10, 0x55, NSEC3_HASH_LEN);
	memcpy(owner + 1 + NSEC3_LABEL_LEN, m->apex, name_len(m->apex));
	for (unsigned i = 0; i < cnt; i++) {
		for (unsigned k = 0; k < NSEC3_HASH_LEN; k++)
			hash[k] = (uint8_t)rng_below(r, 256);
		nsec3_label(hash, owner + 1);
		model_add(m, owner, DNS_TYPE_NSEC3, 300 + DNS_TYPE_NSEC3, rdata, sizeof(rdata));
	}
}

static void check_wildcard(const struct model *m, const struct snapshot *s, const uint8_t *params)
{
	const struct nsec3_chain *c = snapshot_nsec3_chain(s);
	uint8_t name[NAME_LEN_MAX], hashed[NAME_LEN_MAX], owner[NAME_LEN_MAX];

	assert_non_null(c);
	nsec3_owner(m, params, wire_name("*.example.", name), hashed);
	entry_owner(s, c->wildcard.entry, owner);
	assert_true(name_equal(owner, naive_before(m, DNS_TYPE_NSEC3, hashed, params)));
}

static void only_params(struct model *m, const uint8_t params[9])
{
	drop_types(m, DNS_TYPE_NSEC3PARAM, DNS_TYPE_NSEC3PARAM);
	model_add(m, m->apex, DNS_TYPE_NSEC3PARAM, 300 + DNS_TYPE_NSEC3PARAM, params, 9);
}

static void drop_chain(struct model *m, const uint8_t params[9])
{
	for (unsigned i = 0; i < m->cnt;)
		if (m->v[i].type == DNS_TYPE_NSEC3 && memcmp(m->v[i].rdata + 2, params + 2, 7) == 0)
			model_remove(m, i);
		else
			i++;
}

/* The next version, by an edit and from scratch: both deny with the chain, and with NSEC if the zone has that too. */
static void denies(struct arena *arena, struct snapshot **s, struct model *before, const struct model *now,
		   struct rng *r, bool nsec, const uint8_t *params)
{
	struct snapshot *scratch = model_build(now, arena);
	struct snapshot *edited = *s == NULL ? NULL : model_edit(before, now, *s, arena, r);

	check_denials(now, scratch, nsec, params, false);
	check_wildcard(now, scratch, params);
	if (edited != NULL) {
		check_denials(now, edited, nsec, params, false);
		check_wildcard(now, edited, params);
		snapshot_retire(scratch);
		snapshot_retire(*s);
		model_fini(before);
	}
	*s = edited != NULL ? edited : scratch;
	model_copy(before, now);
}

/* RFC 5155 10.4: a chain of few records, as opt-out makes it, gives way to one of many or the other way round. */
static void a_thin_chain_is_found_among_the_records_of_a_thick_one(void **state)
{
	for (unsigned nsec = 0; nsec < 2; nsec++) {
		struct arena *arena = test_arena();
		struct snapshot *s = NULL;
		struct model before, m;
		struct rng r = {5};

		(void)state;
		model_init(&m, "example.", 1);
		if (nsec != 0)
			sign_nsec(&m);
		sign_nsec3(&m, params_a, 0);
		denies(arena, &s, &before, &m, &r, nsec, params_a);
		/* The thick one is being made, then both are there, then it is in use, then alone. */
		add_random_links(&m, params_b, 1200, &r);
		model_set_serial(&m, 2);
		denies(arena, &s, &before, &m, &r, nsec, params_a);
		sign_nsec3(&m, params_b, 0);
		only_params(&m, params_b);
		model_set_serial(&m, 3);
		denies(arena, &s, &before, &m, &r, nsec, params_b);
		/* And back to one of which nothing was left. */
		drop_chain(&m, params_a);
		model_set_serial(&m, 4);
		denies(arena, &s, &before, &m, &r, nsec, params_b);
		sign_nsec3(&m, params_a, 0);
		only_params(&m, params_a);
		model_set_serial(&m, 5);
		denies(arena, &s, &before, &m, &r, nsec, params_a);
		drop_chain(&m, params_b);
		model_set_serial(&m, 6);
		denies(arena, &s, &before, &m, &r, nsec, params_a);
		snapshot_retire(s);
		model_fini(&before);
		model_fini(&m);
		test_arena_free(arena);
	}
}

static void records_of_no_chain_in_use_do_not_hide_the_one_that_is(void **state)
{
	static const uint8_t apart[5][9] = {{1, 0, 0, 1, 4, 1},
					    {1, 0, 0, 2, 4, 2},
					    {1, 0, 0, 3, 4, 3},
					    {1, 0, 0, 4, 4, 4},
					    {2, 0, 0, 4, 4, 4}};
	struct arena *arena = test_arena();
	struct rng r = {6}, same;
	struct snapshot *s = NULL;
	struct model before, m;

	(void)state;
	model_init(&m, "example.", 1);
	for (unsigned i = 0; i < 5; i++) {
		same.state = 77; /* all at the same owners: some have more chains than anybody counts */
		add_random_links(&m, apart[i], 300, &same);
	}
	sign_nsec3(&m, params_a, 0);
	denies(arena, &s, &before, &m, &r, false, params_a);
	for (unsigned i = 0; i < 5; i++) {
		drop_chain(&m, apart[i]);
		model_set_serial(&m, 2 + i);
		denies(arena, &s, &before, &m, &r, false, params_a);
	}
	snapshot_retire(s);
	model_fini(&before);
	model_fini(&m);
	test_arena_free(arena);
}

static void long_chains_are_searched_right(void **state)
{
	struct arena *arena = test_arena();
	struct builder *b;
	struct builder_report report;
	struct snapshot *s = NULL;
	struct denial d;
	uint8_t apex[NAME_LEN_MAX], rdata[64] = {0};
	struct model m;

	(void)state;
	model_init(&m, "example.", 1);
	wire_name("example.", apex);
	b = builder_new(arena, MODEL_KEY, apex, NULL, NULL);
	assert_non_null(b);
	for (unsigned i = 0; i < m.cnt; i++)
		builder_add(b, m.v[i].owner, m.v[i].type, 1, m.v[i].rdata, m.v[i].len);
	memcpy(rdata, apex, name_len(apex));
	memcpy(rdata + name_len(apex), "\0\1\x40", 3);
	builder_add(b, apex, DNS_TYPE_NSEC, 1, rdata, (uint16_t)(name_len(apex) + 3));
	/* Even numbers exist; out of order, so that pages split in the middle. */
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t name[NAME_LEN_MAX];
		char text[40];

		snprintf(text, sizeof(text), "n%05u.example.", i * 7919 % 20000 * 2);
		builder_add(b, wire_name(text, name), DNS_TYPE_NSEC, 1, rdata,
			    (uint16_t)(name_len(apex) + 3));
	}
	assert_int_equal(builder_finish(b, &s, &report), BUILDER_OK);
	builder_free(b);
	for (unsigned i = 0; i < 40000; i += 3) {
		uint8_t name[NAME_LEN_MAX], expected[NAME_LEN_MAX], owner[NAME_LEN_MAX];
		char text[40];

		snprintf(text, sizeof(text), "n%05u.example.", i);
		assert_true(snapshot_nsec(s, wire_name(text, name), &d));
		snprintf(text, sizeof(text), "n%05u.example.", i / 2 * 2);
		entry_owner(s, d.entry, owner);
		assert_true(name_equal(owner, wire_name(text, expected)));
		assert_int_equal(d.exact, i % 2 == 0);
	}
	snapshot_retire(s);
	model_fini(&m);
	test_arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_that_begin_alike_are_told_apart),
		cmocka_unit_test(chains_follow_signing_and_unsigning),
		cmocka_unit_test(a_second_chain_does_not_disturb_the_first),
		cmocka_unit_test(a_thin_chain_is_found_among_the_records_of_a_thick_one),
		cmocka_unit_test(records_of_no_chain_in_use_do_not_hide_the_one_that_is),
		cmocka_unit_test(long_chains_are_searched_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
