/* The resumable walk against the sorted one. */
#include "tests/unit/zone/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu-qsbr.h>

#include <cmocka.h>

#include "dataplane/zone/cursor.h"

#define KEPT_MAX 4096

struct kept {
	uint32_t ttl;
	uint16_t type;
	uint16_t len;
	uint8_t octets[NAME_LEN_MAX + MODEL_RDATA]; /* owner, record data */
};

struct list {
	struct kept v[KEPT_MAX];
	unsigned cnt;
};

static int keep(const struct snapshot_record *r, void *arg)
{
	struct list *l = arg;
	struct kept *k = &l->v[l->cnt++];
	size_t owner_len = name_len(r->owner);

	assert_true(l->cnt <= KEPT_MAX && r->rdata_len <= MODEL_RDATA);
	memset(k, 0, sizeof(*k));
	k->ttl = r->ttl;
	k->type = r->type;
	k->len = r->rdata_len;
	memcpy(k->octets, r->owner, owner_len);
	memcpy(k->octets + owner_len, r->rdata, r->rdata_len);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct kept));
}

static void check(const struct snapshot *s)
{
	static struct list walked, stepped;
	struct snapshot_cursor *c = snapshot_cursor_new(s);
	struct snapshot_record r;
	int rc;

	walked.cnt = stepped.cnt = 0;
	assert_non_null(c);
	assert_int_equal(snapshot_walk(s, keep, &walked), 0);
	while ((rc = snapshot_cursor_next(c, &r)) == 1)
		keep(&r, &stepped);
	assert_int_equal(rc, 0);
	assert_int_equal(snapshot_cursor_next(c, &r), 0);
	snapshot_cursor_free(c);
	assert_int_equal(stepped.v[0].type, DNS_TYPE_SOA);
	assert_int_equal(stepped.cnt, walked.cnt);
	qsort(walked.v, walked.cnt, sizeof(walked.v[0]), compare);
	qsort(stepped.v, stepped.cnt, sizeof(stepped.v[0]), compare);
	assert_memory_equal(walked.v, stepped.v, walked.cnt * sizeof(walked.v[0]));
}

static void each_record_comes_once_whatever_the_zone(void **state)
{
	struct arena *arena = test_arena();

	(void)state;
	for (unsigned seed = 1; seed <= 40; seed++) {
		struct rng rng = {.state = seed};
		struct snapshot *s;
		struct model m;

		model_init(&m, seed % 5 == 0 ? "." : "example.", 1);
		for (unsigned i = 0; i < seed * 20; i++)
			model_add_random(&m, &rng);
		s = model_build(&m, arena);
		check(s);
		snapshot_retire(s);
		model_fini(&m);
	}
	test_arena_free(arena);
}

static void shared_and_large_sets_come_too(void **state)
{
	struct arena *arena = test_arena();
	struct snapshot *s;
	struct model m;
	char owner[64], txt[280];

	(void)state;
	model_init(&m, "example.", 1);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(owner, sizeof(owner), "CuT%u.example.", i);
		model_add_text(&m, owner, DNS_TYPE_NS, "ns1.elsewhere.");
		model_add_text(&m, owner, DNS_TYPE_NS, "NS2.elsewhere.");
		snprintf(txt, sizeof(txt), "%0200u", i);
		model_add_text(&m, "large.example.", DNS_TYPE_TXT, txt);
	}
	s = model_build(&m, arena);
	check(s);
	snapshot_retire(s);
	model_fini(&m);
	test_arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_record_comes_once_whatever_the_zone),
		cmocka_unit_test(shared_and_large_sets_come_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
