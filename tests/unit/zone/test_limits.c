/* What a zone may and may not hold, the extremes of the format, and memory that runs out. */
#include "tests/unit/zone/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct builder *begin(struct arena *arena, const struct builder_limits *limits, bool soa, bool ns)
{
	uint8_t apex[NAME_LEN_MAX];
	struct builder *b = builder_new(arena, MODEL_KEY, wire_name("example.", apex), NULL, limits);
	struct model m;

	assert_non_null(b);
	model_init(&m, "example.", 1);
	for (unsigned i = 0; i < m.cnt; i++)
		if (m.v[i].type == DNS_TYPE_SOA ? soa : ns)
			builder_add(b, m.v[i].owner, m.v[i].type, m.v[i].ttl, m.v[i].rdata, m.v[i].len);
	model_fini(&m);
	return b;
}

static enum builder_verdict add(struct builder *b, const char *owner, uint16_t type, uint32_t ttl,
				const char *text)
{
	uint8_t name[NAME_LEN_MAX], rdata[MODEL_RDATA];
	unsigned len = rdata_text(type, text, rdata);

	return builder_add(b, wire_name(owner, name), type, ttl, rdata, (uint16_t)len);
}

static enum builder_verdict end(struct builder *b, struct builder_report *report)
{
	struct snapshot *s = NULL;
	enum builder_verdict v = builder_finish(b, &s, report);

	if (v == BUILDER_OK)
		snapshot_retire(s);
	else
		assert_null(s);
	builder_free(b);
	return v;
}

static void broken_zones_are_rejected_with_their_reason(void **state)
{
	struct arena *arena = test_arena();
	struct builder_limits limits = {.records = 10, .bytes = 400, .rrset_records = 3};
	struct builder_report report;
	uint8_t name[NAME_LEN_MAX], soa[MODEL_RDATA];
	struct builder *b;
	struct model m;

	(void)state;
	assert_int_equal(end(begin(arena, NULL, true, true), &report), BUILDER_OK);
	assert_int_equal(end(begin(arena, NULL, false, true), &report), BUILDER_NO_SOA);
	assert_int_equal(end(begin(arena, NULL, true, false), &report), BUILDER_NO_NS);

	b = begin(arena, NULL, true, true);
	model_init(&m, "example.", 2);
	memcpy(soa, m.v[0].rdata, m.v[0].len);
	builder_add(b, m.apex, DNS_TYPE_SOA, 1, soa, m.v[0].len);
	assert_int_equal(end(b, &report), BUILDER_TWO_SOAS);
	b = begin(arena, NULL, true, true);
	builder_add(b, wire_name("sub.example.", name), DNS_TYPE_SOA, 1, soa, m.v[0].len);
	assert_int_equal(end(b, &report), BUILDER_TWO_SOAS);
	assert_true(name_equal(report.owner, name));
	model_fini(&m);

	b = begin(arena, NULL, true, true);
	add(b, "c.example.", DNS_TYPE_CNAME, 1, "a.example.");
	add(b, "d.example.", DNS_TYPE_A, 1, "192.0.2.1");
	add(b, "C.example.", DNS_TYPE_A, 1, "192.0.2.1");
	assert_int_equal(end(b, &report), BUILDER_CNAME_AND_OTHER);
	b = begin(arena, NULL, true, true);
	add(b, "c.example.", DNS_TYPE_CNAME, 1, "a.example.");
	add(b, "c.example.", DNS_TYPE_CNAME, 1, "b.example.");
	assert_int_equal(end(b, &report), BUILDER_TWO_CNAMES);
	b = begin(arena, NULL, true, true);
	assert_int_equal(add(b, "a.example.", DNS_TYPE_OPT, 1, "a."), BUILDER_META_TYPE);
	assert_int_equal(end(b, &report), BUILDER_META_TYPE);

	b = begin(arena, &limits, true, true);
	for (unsigned i = 0; i < 4; i++) {
		char text[] = "192.0.2.0";

		text[8] = (char)('0' + i);
		add(b, "a.example.", DNS_TYPE_A, 1, text);
	}
	assert_int_equal(end(b, &report), BUILDER_LIMIT_RRSET);
	limits.rrset_records = 100;
	b = begin(arena, &limits, true, true);
	for (unsigned i = 0; i < 20; i++) {
		char text[] = "a.example.";

		text[0] = (char)('a' + i);
		add(b, text, DNS_TYPE_A, 1, "192.0.2.1");
	}
	assert_int_equal(end(b, &report), BUILDER_LIMIT_RECORDS);
	limits.records = 1000;
	b = begin(arena, &limits, true, true);
	for (unsigned i = 0; i < 20; i++) {
		char text[] = "a.example.";

		text[0] = (char)('a' + i);
		add(b, text, DNS_TYPE_A, 1, "192.0.2.1");
	}
	assert_int_equal(end(b, &report), BUILDER_LIMIT_BYTES);
	test_arena_free(arena);
}

static void known_faults_are_repaired_and_counted(void **state)
{
	struct arena *arena = test_arena();
	struct builder *b = begin(arena, NULL, true, true);
	struct builder_report report;
	struct snapshot *s = NULL;
	struct snapshot_info info;
	struct model m;

	(void)state;
	add(b, "a.example.", DNS_TYPE_A, 300, "192.0.2.1");
	add(b, "a.example.", DNS_TYPE_A, 200, "192.0.2.2");
	add(b, "A.example.", DNS_TYPE_A, 200, "192.0.2.2");
	add(b, "other.", DNS_TYPE_A, 1, "192.0.2.1");
	add(b, "xexample.", DNS_TYPE_A, 1, "192.0.2.1");
	add(b, "b.example.", DNS_TYPE_A, 0x80000001, "192.0.2.1");
	assert_int_equal(builder_finish(b, &s, &report), BUILDER_OK);
	builder_free(b);
	assert_int_equal(report.skipped_outside, 2);
	assert_int_equal(report.skipped_duplicate, 1);
	assert_int_equal(report.ttl_unequal, 1);
	assert_int_equal(report.ttl_top_bit, 1);
	snapshot_info(s, &info);
	assert_true(info.ttl_repaired);
	assert_int_equal(info.records, 5);
	assert_int_equal(info.names, 3);
	model_init(&m, "example.", 1);
	model_add_text(&m, "a.example.", DNS_TYPE_A, "192.0.2.1");
	model_add_text(&m, "a.example.", DNS_TYPE_A, "192.0.2.2");
	model_add_text(&m, "b.example.", DNS_TYPE_A, "192.0.2.1");
	for (unsigned i = 0; i < m.cnt; i++)
		if (m.v[i].type == DNS_TYPE_A)
			m.v[i].ttl = m.v[i].owner[1] == 'a' ? 200 : 0;
	model_check(&m, s);
	model_fini(&m);
	snapshot_retire(s);
	test_arena_free(arena);
}

/* Builds one record more on base. */
static struct snapshot *more(struct arena *arena, const struct snapshot *base, const char *text, uint32_t ttl)
{
	struct builder *b = builder_new(arena, MODEL_KEY, snapshot_apex_name(base), base, NULL);
	struct builder_report report;
	struct snapshot *s = NULL;

	assert_int_equal(add(b, "a.example.", DNS_TYPE_A, ttl, text), BUILDER_OK);
	assert_int_equal(builder_finish(b, &s, &report), BUILDER_OK);
	builder_free(b);
	return s;
}

static bool is_repaired(const struct snapshot *s)
{
	struct snapshot_info info;

	snapshot_info(s, &info);
	return info.ttl_repaired;
}

static void that_ttls_were_repaired_stays_with_what_is_made_from_it(void **state)
{
	struct arena *arena = test_arena();
	struct builder *b = begin(arena, NULL, true, true);
	struct builder_report report;
	struct snapshot *s[4] = {NULL};

	(void)state;
	assert_int_equal(builder_finish(b, &s[0], &report), BUILDER_OK);
	builder_free(b);
	s[1] = more(arena, s[0], "192.0.2.1", 300);
	s[2] = more(arena, s[1], "192.0.2.2", 600);
	s[3] = more(arena, s[2], "192.0.2.3", 300);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(is_repaired(s[i]), i >= 2);
		snapshot_retire(s[i]);
	}
	test_arena_free(arena);
}

/* A TXT record of len octets of record data, distinct by n. */
static unsigned txt(uint8_t *out, unsigned len, unsigned n)
{
	unsigned at = 0;

	while (at < len) {
		unsigned part = len - at > 256 ? 256 : len - at;

		if (len - at - part == 1)
			part--; /* no empty rest of a single octet is left over */
		out[at] = (uint8_t)(part - 1);
		memset(out + at + 1, (int)('a' + n % 26), part - 1);
		at += part;
	}
	wire_store16(out + 1, (uint16_t)n);
	return len;
}

static void the_largest_message_is_the_limit_of_a_set(void **state)
{
	struct arena *arena = test_arena();
	unsigned room = DNS_MSG_MAX - RRSET_NOMINAL(11) - 12;
	uint8_t *rdata = malloc(RDATA_LEN_MAX + 10);
	uint8_t name[NAME_LEN_MAX], lower[NAME_LEN_MAX];
	struct builder_report report;
	struct name_hashes hashes;
	struct snapshot *s = NULL;
	struct builder *b;
	struct lookup l;
	struct rrset set;

	(void)state;
	assert_non_null(rdata);
	b = begin(arena, NULL, true, true);
	builder_add(b, wire_name("a.example.", name), DNS_TYPE_TXT, 1, rdata, (uint16_t)txt(rdata, room, 7));
	assert_int_equal(builder_finish(b, &s, &report), BUILDER_OK);
	builder_free(b);
	name_lower(lower, name, name_len(name));
	name_hash_suffixes(lower, MODEL_KEY, &hashes);
	l = (struct lookup){.snap = s, .name = lower, .hashes = &hashes, .apex_label = 1};
	lookup_one(&l);
	assert_int_equal(l.kind, LOOKUP_EXACT);
	assert_true(entry_set(s, l.entry, DNS_TYPE_TXT, &set));
	assert_int_equal(set.len, room + 12);
	assert_memory_equal(set.body + 12, rdata, room);
	snapshot_retire(s);

	b = begin(arena, NULL, true, true);
	builder_add(b, name, DNS_TYPE_TXT, 1, rdata, (uint16_t)txt(rdata, room + 1, 7));
	assert_int_equal(end(b, &report), BUILDER_LIMIT_MESSAGE);
	assert_true(name_equal(report.owner, name));
	assert_int_equal(report.type, DNS_TYPE_TXT);

	/* A hundred thousand addresses at one name fit no message either. */
	b = begin(arena, NULL, true, true);
	for (uint32_t i = 0; i < 100000; i++) {
		wire_store32(rdata, i);
		builder_add(b, name, DNS_TYPE_A, 1, rdata, 4);
	}
	assert_int_equal(end(b, &report), BUILDER_LIMIT_MESSAGE);
	free(rdata);
	test_arena_free(arena);
}

/* A hundred thousand records at one name, spread over types so that each set fits a message: stored apart. */
static void many_types_at_one_name_work(void **state)
{
	struct arena *arena = test_arena();
	struct builder *b = begin(arena, NULL, true, true);
	uint8_t name[NAME_LEN_MAX], lower[NAME_LEN_MAX], rdata[4];
	struct builder_report report;
	struct name_hashes hashes;
	struct snapshot *s = NULL;
	struct snapshot_info info;
	struct lookup l;
	struct rrset set;

	(void)state;
	wire_name("a.example.", name);
	for (uint32_t i = 0; i < 100000; i++) {
		wire_store32(rdata, i);
		builder_add(b, name, (uint16_t)(1000 + i % 100), 1, rdata, 4);
	}
	assert_int_equal(builder_finish(b, &s, &report), BUILDER_OK);
	builder_free(b);
	snapshot_info(s, &info);
	assert_int_equal(info.records, 100002);
	name_lower(lower, name, name_len(name));
	name_hash_suffixes(lower, MODEL_KEY, &hashes);
	l = (struct lookup){.snap = s, .name = lower, .hashes = &hashes, .apex_label = 1};
	lookup_one(&l);
	for (uint16_t type = 1000; type < 1100; type++) {
		assert_true(entry_set(s, l.entry, type, &set));
		assert_int_equal(set.cnt, 1000);
		assert_int_equal(wire_load32(set.body + 16 + 12), type - 1000u + 100);
	}
	snapshot_retire(s);

	b = begin(arena, NULL, true, true);
	for (uint32_t type = 1000; type < 60000; type++)
		builder_add(b, name, (uint16_t)type, 1, rdata, 4);
	assert_int_equal(end(b, &report), BUILDER_LIMIT_NAME);
	test_arena_free(arena);
}

static void extreme_names_are_names(void **state)
{
	struct arena *arena = test_arena();
	uint8_t name[NAME_LEN_MAX], q[NAME_LEN_MAX], a[4] = {192, 0, 2, 1};
	struct snapshot *s;
	struct model m;

	(void)state;
	model_init(&m, "example.", 1);
	/* As many labels as fit, then as long labels as fit. */
	memset(name, 0, sizeof(name));
	for (unsigned i = 0; i < 122; i++)
		memcpy(name + 2 * i, "\1x", 2);
	memcpy(name + 244, m.apex, 9);
	assert_true(name_valid(name, 253));
	assert_true(model_add(&m, name, DNS_TYPE_A, 301, a, 4));
	for (unsigned i = 0; i < 3; i++) {
		name[64 * i] = 63;
		memset(name + 64 * i + 1, 'L', 63);
	}
	name[192] = 53;
	memset(name + 193, 'L', 53);
	memcpy(name + 246, m.apex, 9);
	assert_true(name_valid(name, 255));
	assert_true(model_add(&m, name, DNS_TYPE_A, 301, a, 4));
	/* Every octet in labels. */
	for (unsigned i = 0; i < 256; i++) {
		name[0] = 3;
		name[1] = (uint8_t)i;
		name[2] = 0;
		name[3] = (uint8_t)(255 - i);
		memcpy(name + 4, m.apex, 9);
		model_add(&m, name, DNS_TYPE_A, 301, a, 4);
	}
	s = model_build(&m, arena);
	model_check(&m, s);
	/* A question as deep as can be, nothing of which exists: the search halves. */
	for (unsigned i = 0; i < 123; i++)
		memcpy(q + 2 * i, "\1y", 2);
	memcpy(q + 246, m.apex, 9);
	model_check_name(&m, s, q);
	snapshot_retire(s);
	model_fini(&m);
	test_arena_free(arena);
}

static void memory_that_runs_out_fails_the_build_and_nothing_else(void **state)
{
	unsigned failed = 0;
	struct model m;
	struct rng r = {6};

	(void)state;
	model_init(&m, "example.", 1);
	for (unsigned i = 0; i < 150; i++)
		model_add_random(&m, &r);
	/* Chunks are 2 MiB; large sets fill them at different moments. */
	for (unsigned mib = 2; mib <= 12; mib += 2) {
		struct arena_config config = {.bytes_max = (uint64_t)mib << 20};
		struct builder_report report;
		struct snapshot *s = NULL, *n = NULL;
		struct arena_info info;
		struct arena *arena;
		uint8_t *big = malloc(60000);
		uint8_t name[NAME_LEN_MAX];
		struct builder *b;
		enum builder_verdict v;

		assert_non_null(big);
		assert_int_equal(arena_new(&config, &arena), 0);
		s = model_build(&m, arena);
		b = builder_new(arena, MODEL_KEY, m.apex, mib % 4 ? s : NULL, NULL);
		assert_non_null(b);
		if (mib % 4 == 0)
			for (unsigned i = 0; i < m.cnt; i++)
				builder_add(b, m.v[i].owner, m.v[i].type, m.v[i].ttl, m.v[i].rdata,
					    m.v[i].len);
		for (unsigned i = 0; i < 150; i++) {
			char text[40];

			snprintf(text, sizeof(text), "big%u.example.", i);
			builder_add(b, wire_name(text, name), DNS_TYPE_TXT, 1, big,
				    (uint16_t)txt(big, 50000 + i, i));
		}
		v = builder_finish(b, &n, &report);
		builder_free(b);
		failed += v == BUILDER_NO_MEMORY;
		assert_true(v == BUILDER_NO_MEMORY || v == BUILDER_OK);
		model_check(&m, s);
		snapshot_retire(n);
		snapshot_retire(s);
		arena_info(arena, &info);
		assert_int_equal(info.bytes_used, 0);
		assert_true(info.bytes_resident <= config.bytes_max);
		arena_free(arena);
		free(big);
	}
	assert_true(failed >= 3);
	model_fini(&m);
}

/* Adds (and, on request, deletes again) addresses at one name until the builder refuses; at most max records. */
static unsigned endless(struct builder *b, bool distinct, bool del, unsigned max)
{
	uint8_t name[NAME_LEN_MAX], address[4];

	wire_name("a.example.", name);
	for (unsigned i = 0; i < max; i++) {
		wire_store32(address, distinct ? i : 1);
		if (builder_add(b, name, DNS_TYPE_A, 1, address, 4) != BUILDER_OK ||
		    (del && builder_del(b, name, DNS_TYPE_A, address, 4) != BUILDER_OK))
			return i;
	}
	return max;
}

static void one_name_without_end_is_refused_on_the_way(void **state)
{
	struct arena *arena = test_arena();
	struct builder_limits limits = {.records = 1000};
	struct builder_report report;
	struct snapshot *base = NULL;
	struct builder *b;

	(void)state;
	b = begin(arena, &limits, true, true);
	assert_true(endless(b, true, false, 1000000) < 10000);
	assert_int_equal(end(b, &report), BUILDER_LIMIT_RECORDS);
	b = begin(arena, NULL, true, true);
	assert_true(endless(b, true, false, 1000000) < 10000);
	assert_int_equal(end(b, &report), BUILDER_LIMIT_MESSAGE);
	assert_int_equal(report.type, DNS_TYPE_A);
	/* Duplicates are no records. */
	b = begin(arena, &limits, true, true);
	assert_int_equal(endless(b, false, false, 100000), 100000);
	assert_int_equal(builder_finish(b, &base, &report), BUILDER_OK);
	assert_int_equal(report.skipped_duplicate, 99999);
	builder_free(b);

	b = builder_new(arena, MODEL_KEY, snapshot_apex_name(base), base, &limits);
	assert_true(endless(b, true, false, 1000000) < 1000);
	assert_int_equal(end(b, &report), BUILDER_LIMIT_RECORDS);
	limits = (struct builder_limits){.bytes = 10000};
	b = builder_new(arena, MODEL_KEY, snapshot_apex_name(base), base, &limits);
	assert_true(endless(b, true, false, 1000000) < 1000);
	assert_int_equal(end(b, &report), BUILDER_LIMIT_BYTES);
	/* What comes and goes leaves the zone as it is, but the list grows. */
	limits = (struct builder_limits){.records = 1000};
	b = builder_new(arena, MODEL_KEY, snapshot_apex_name(base), base, &limits);
	assert_true(endless(b, true, true, 1000000) < 40000);
	assert_int_equal(end(b, &report), BUILDER_LIMIT_RECORDS);
	snapshot_retire(base);
	test_arena_free(arena);
}

/* Adds addresses at ever new names until the builder refuses. */
static unsigned spread(struct builder *b, unsigned max)
{
	uint8_t name[NAME_LEN_MAX], address[4] = {0};
	char text[40];

	for (unsigned i = 0; i < max; i++) {
		snprintf(text, sizeof(text), "n%u.example.", i);
		if (builder_add(b, wire_name(text, name), DNS_TYPE_A, 1, address, 4) != BUILDER_OK)
			return i;
	}
	return max;
}

static void edits_stop_at_what_a_full_build_would_take(void **state)
{
	struct arena *arena = test_arena();
	struct builder_report report;
	struct snapshot *base = NULL, *s = NULL;
	struct builder *b = begin(arena, NULL, true, true);

	(void)state;
	assert_int_equal(builder_finish(b, &base, &report), BUILDER_OK);
	builder_free(b);
	/* 64 MiB for records of some 80 octets each, list and all. */
	b = builder_new(arena, MODEL_KEY, snapshot_apex_name(base), base, NULL);
	assert_in_range(spread(b, 4000000), 200000, 1000000);
	assert_int_equal(end(b, &report), BUILDER_LIMIT_EDITS);
	/* The whole zone has no such limit. */
	b = begin(arena, NULL, true, true);
	assert_int_equal(spread(b, 1000000), 1000000);
	assert_int_equal(builder_finish(b, &s, &report), BUILDER_OK);
	builder_free(b);
	snapshot_retire(s);
	snapshot_retire(base);
	test_arena_free(arena);
}

/*
 * A base that something newer was made from is copied first, as a full build. Here the last record of a name is the one that brings
 * it in, so that it comes a second time with nothing.
 */
static void what_was_held_while_a_base_was_copied_is_not_given_back_to_the_budget(void **state)
{
	static const uint8_t octets[40000];
	struct builder_budget budget = {.max = 1 << 20};
	struct arena *arena = test_arena();
	struct builder_report report;
	struct snapshot *base = NULL, *newer = NULL;
	struct builder *b = begin(arena, NULL, true, true);
	uint8_t name[NAME_LEN_MAX];

	(void)state;
	wire_name("big.example.", name);
	for (uint16_t i = 0; i < 4; i++)
		assert_int_equal(builder_add(b, name, (uint16_t)(65280 + i), 1, octets, sizeof(octets)),
				 BUILDER_OK);
	assert_int_equal(builder_finish(b, &base, &report), BUILDER_OK);
	builder_free(b);
	b = builder_new(arena, MODEL_KEY, snapshot_apex_name(base), base, NULL);
	assert_int_equal(spread(b, 1), 1);
	assert_int_equal(builder_finish(b, &newer, &report), BUILDER_OK);
	builder_free(b);
	b = builder_new(arena, MODEL_KEY, snapshot_apex_name(base), base, NULL);
	builder_share(b, &budget);
	assert_int_equal(spread(b, 10), 10);
	builder_free(b);
	assert_int_equal(budget.used, 0);
	snapshot_retire(newer);
	snapshot_retire(base);
	test_arena_free(arena);
}

static void edits_of_all_builders_share_one_budget(void **state)
{
	struct builder_budget budget = {.max = 1 << 20};
	struct arena *arena = test_arena();
	struct builder_report report;
	struct snapshot *base = NULL;
	struct builder *b = begin(arena, NULL, true, true), *first, *second;
	unsigned alone;

	(void)state;
	assert_int_equal(builder_finish(b, &base, &report), BUILDER_OK);
	builder_free(b);
	b = builder_new(arena, MODEL_KEY, snapshot_apex_name(base), base, NULL);
	builder_share(b, &budget);
	alone = spread(b, 1000000);
	assert_in_range(alone, 1000, 100000);
	assert_int_equal(end(b, &report), BUILDER_LIMIT_BUDGET);
	assert_int_equal(budget.used, 0);

	/* All at one name: there is room for the list, and none to put it in order. */
	b = builder_new(arena, MODEL_KEY, snapshot_apex_name(base), base, NULL);
	builder_share(b, &budget);
	assert_int_equal(endless(b, true, true, 12000), 12000);
	assert_int_equal(end(b, &report), BUILDER_LIMIT_BUDGET);
	assert_int_equal(budget.used, 0);

	first = builder_new(arena, MODEL_KEY, snapshot_apex_name(base), base, NULL);
	builder_share(first, &budget);
	assert_int_equal(spread(first, alone), alone);
	assert_in_range(budget.used, 1, budget.max);
	second = builder_new(arena, MODEL_KEY, snapshot_apex_name(base), base, NULL);
	builder_share(second, &budget);
	assert_in_range(spread(second, alone), 0, alone - 1);
	assert_true(budget.used <= budget.max);
	builder_free(second);
	assert_int_equal(end(first, &report), BUILDER_OK);
	assert_int_equal(budget.used, 0);
	snapshot_retire(base);
	test_arena_free(arena);
}

/* A name of so many labels of one octet, the lowest digit of n at the top, so that names part early. */
static enum builder_verdict add_deep(struct builder *b, unsigned labels, unsigned n, uint64_t *octets)
{
	uint8_t name[NAME_LEN_MAX], address[4] = {192, 0, 2, 1};

	for (unsigned i = labels; i-- > 0; n /= 16) {
		name[2 * i] = 1;
		name[2 * i + 1] = (uint8_t) "0123456789abcdef"[n % 16];
	}
	memcpy(name + 2 * labels, "\7example", 9);
	*octets += name_len(name) + 14;
	return builder_add(b, name, DNS_TYPE_A, 1, address, 4);
}

static void deep_names_take_no_more_than_a_multiple_of_their_octets(void **state)
{
	struct arena_config config = {.bytes_max =
					      512 << 20}; /* in pages of its own each block would be larger */
	struct arena *arena;
	struct builder_report report;
	enum builder_verdict v = BUILDER_OK;
	struct arena_info info;
	uint64_t octets = 0;
	struct builder *b;

	(void)state;
	assert_int_equal(arena_new(&config, &arena), 0);
	b = begin(arena, NULL, true, true);
	for (unsigned i = 0; i < 20000 && v == BUILDER_OK; i++)
		v = add_deep(b, 120, i, &octets);
	assert_int_equal(v, BUILDER_LIMIT_SPREAD);
	arena_info(arena, &info);
	assert_true(info.bytes_used < 32 * octets + (17 << 20));
	assert_int_equal(end(b, &report), BUILDER_LIMIT_SPREAD);

	/* An address of IPv6 backwards, in a zone of 32 bits, each beside nobody: half of what is allowed and no more. */
	octets = 0;
	b = begin(arena, NULL, true, true);
	for (unsigned i = 0; i < 50000; i++)
		assert_int_equal(add_deep(b, 24, i, &octets), BUILDER_OK);
	arena_info(arena, &info);
	assert_true(info.bytes_used < 16 * octets);
	assert_int_equal(end(b, &report), BUILDER_OK);
	test_arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_zones_are_rejected_with_their_reason),
		cmocka_unit_test(known_faults_are_repaired_and_counted),
		cmocka_unit_test(that_ttls_were_repaired_stays_with_what_is_made_from_it),
		cmocka_unit_test(the_largest_message_is_the_limit_of_a_set),
		cmocka_unit_test(many_types_at_one_name_work),
		cmocka_unit_test(extreme_names_are_names),
		cmocka_unit_test(one_name_without_end_is_refused_on_the_way),
		cmocka_unit_test(deep_names_take_no_more_than_a_multiple_of_their_octets),
		cmocka_unit_test(edits_stop_at_what_a_full_build_would_take),
		cmocka_unit_test(what_was_held_while_a_base_was_copied_is_not_given_back_to_the_budget),
		cmocka_unit_test(edits_of_all_builders_share_one_budget),
		cmocka_unit_test(memory_that_runs_out_fails_the_build_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
