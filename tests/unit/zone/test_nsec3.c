/* SHA-1 against the crypto library, hashes against the RFC's, and what a chain with too many iterations costs. */
#include "dataplane/zone/nsec3.h"
#include "dataplane/zone/sha1.h"
#include "tests/unit/zone/model.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LEN_MAX 600

/* Every length crosses every edge of a block somewhere. */
static void digests_equal_those_of_the_library(void **state)
{
	uint8_t msg[LEN_MAX + SHA1_BLOCK_LEN * 2], expected[SHA1_DIGEST_LEN], got[SHA1_DIGEST_LEN];
	uint32_t seed = 1;

	(void)state;
	for (size_t len = 0; len <= LEN_MAX; len++) {
		size_t padded;

		for (size_t i = 0; i < len; i++)
			msg[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
		assert_int_equal(EVP_Digest(msg, len, expected, NULL, EVP_sha1(), NULL), 1);
		memset(msg + len, 0xA5, sizeof(msg) - len);
		padded = sha1_pad(msg, len);
		assert_true(padded % SHA1_BLOCK_LEN == 0 && padded >= len + SHA1_PADDING_MIN &&
			    padded < len + SHA1_PADDING_MIN + SHA1_BLOCK_LEN);
		sha1_padded_portable(msg, padded, got);
		assert_memory_equal(got, expected, sizeof(got));
		if (sha1_extended()) {
			memset(got, 0, sizeof(got));
			sha1_padded_extended(msg, padded, got);
			assert_memory_equal(got, expected, sizeof(got));
		}
		sha1_padded(msg, padded, msg); /* in place */
		assert_memory_equal(msg, expected, sizeof(expected));
	}
	if (!sha1_extended())
		print_message("no SHA extensions here: the portable way alone was tested\n");
}

/* RFC 5155 appendix A: algorithm 1, 12 iterations, salt aabbccdd. */
static void hashes_are_those_of_rfc_5155(void **state)
{
	static const uint8_t params[] = {1, 0, 0, 12, 4, 0xaa, 0xbb, 0xcc, 0xdd};
	static const char *const known[][2] = {
		{"example.", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"},
		{"a.example.", "35mthgpgcu1qg68fab165klnsnk3dpvl"},
		{"ai.example.", "gjeqe526plbf1g8mklp59enfd789njgi"},
		{"*.w.example.", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"},
		{"xx.example.", "t644ebqk9bibcna874givr6joj62mlhv"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		uint8_t name[NAME_LEN_MAX], hash[NSEC3_HASH_LEN];
		char label[NSEC3_LABEL_LEN + 1] = "";

		nsec3_hash(params, wire_name(known[i][0], name), hash);
		nsec3_label(hash, (uint8_t *)label);
		assert_string_equal(label, known[i][1]);
		assert_int_equal(nsec3_label_key((uint8_t *)label), nsec3_hash_key(hash));
	}
}

static void the_longest_salt_and_name_fit(void **state)
{
	uint8_t params[5 + 255] = {1, 0, 0, 1, 255}, name[NAME_LEN_MAX], msg[510], hash[NSEC3_HASH_LEN];
	uint8_t expected[NSEC3_HASH_LEN];

	(void)state;
	memset(params + 5, 0x77, 255);
	for (unsigned i = 0; i < 127; i++)
		memcpy(name + 2 * i, "\1x", 2);
	name[254] = 0;
	memcpy(msg, name, 255);
	memcpy(msg + 255, params + 5, 255);
	EVP_Digest(msg, 510, expected, NULL, EVP_sha1(), NULL);
	memcpy(msg, expected, sizeof(expected));
	memcpy(msg + sizeof(expected), params + 5, 255);
	EVP_Digest(msg, sizeof(expected) + 255, expected, NULL, EVP_sha1(), NULL);
	nsec3_hash(params, name, hash);
	assert_memory_equal(hash, expected, sizeof(hash));
}

static void many_hashes_at_once_are_those_of_each_alone(void **state)
{
	static const uint8_t all_params[][9] = {
		{1, 0, 0, 0, 0}, {1, 1, 0, 0, 4, 0xaa, 0xbb, 0xcc, 0xdd}, {1, 0, 0, 3, 2, 0x11, 0x22}};
	static uint8_t name[NSEC3_MANY_MAX][NAME_LEN_MAX], hash[NSEC3_MANY_MAX][NSEC3_HASH_LEN];
	struct nsec3_input in[NSEC3_MANY_MAX];
	uint8_t alone[NSEC3_HASH_LEN];

	(void)state;
	/* Every length of a first label, which is up to a block and beyond; every number of names. */
	for (unsigned cnt = 0; cnt <= NSEC3_MANY_MAX; cnt++) {
		for (unsigned i = 0; i < cnt; i++) {
			unsigned label = 1 + (i * 7 + cnt) % NAME_LABEL_MAX;

			memset(name[i], 0, sizeof(name[i]));
			name[i][0] = (uint8_t)label;
			memset(name[i] + 1, 'a' + (int)(i % 26), label);
			memcpy(name[i] + 1 + label, "\4test", 5);
			in[i] = (struct nsec3_input){all_params[(i + cnt / 8) % 3], name[i],
						     name_len(name[i]), hash[i]};
		}
		nsec3_hash_many(in, cnt);
		for (unsigned i = 0; i < cnt; i++) {
			nsec3_hash(in[i].params, name[i], alone);
			assert_memory_equal(hash[i], alone, sizeof(alone));
			nsec3_label(alone, name[i]);
			assert_true(nsec3_label_is(name[i], hash[i]));
			name[i][31] ^= 1;
			assert_false(nsec3_label_is(name[i], hash[i]));
		}
	}
}

static struct snapshot *zone_with_iterations(struct model *m, struct arena *arena, uint16_t iterations)
{
	uint8_t params[] = {1, 0, (uint8_t)(iterations >> 8), (uint8_t)iterations, 0};
	uint8_t rdata[5 + 1 + NSEC3_HASH_LEN] = {0}, hash[NSEC3_HASH_LEN],
			      owner[NAME_LEN_MAX] = {NSEC3_LABEL_LEN};
	static const char *const names[] = {"example.", "a.example.", "b.example."};

	model_init(m, "example.", 1);
	model_add(m, m->apex, DNS_TYPE_NSEC3PARAM, 1, params, sizeof(params));
	memcpy(rdata, params, sizeof(params));
	rdata[5] = NSEC3_HASH_LEN;
	for (unsigned i = 0; i < 3; i++) {
		uint8_t name[NAME_LEN_MAX];

		nsec3_hash(params, wire_name(names[i], name), hash);
		nsec3_label(hash, owner + 1);
		memcpy(owner + 1 + NSEC3_LABEL_LEN, m->apex, name_len(m->apex));
		model_add(m, owner, DNS_TYPE_NSEC3, 1, rdata, sizeof(rdata));
	}
	return model_build(m, arena);
}

static void a_chain_beyond_the_limit_of_iterations_costs_no_hash(void **state)
{
	for (unsigned over = 0; over < 2; over++) {
		struct arena *arena = test_arena();
		struct model m;
		struct snapshot *s =
			zone_with_iterations(&m, arena, (uint16_t)(SNAPSHOT_NSEC3_ITERATIONS_MAX + over));
		const struct nsec3_chain *c = snapshot_nsec3_chain(s);
		uint8_t name[NAME_LEN_MAX], hash[NSEC3_HASH_LEN];
		struct denial d;

		(void)state;
		assert_non_null(c);
		wire_name("a.example.", name);
		snapshot_nsec3_hash(s, name, hash);
		assert_int_equal(memcmp(hash, c->apex_hash, sizeof(hash)) == 0, over);
		assert_true(snapshot_nsec3(s, name, &d));
		assert_true(d.exact);
		assert_int_equal(d.entry == c->apex.entry, over);
		assert_int_equal(c->wildcard.entry == c->apex.entry && c->wildcard.exact, over);
		snapshot_retire(s);
		model_fini(&m);
		test_arena_free(arena);
	}
}

/* Builds, or edits base; what it cost in digests. */
static struct snapshot *build(const struct model *m, struct arena *arena, const struct snapshot *base,
			      uint32_t *out_rounds)
{
	static const uint8_t address[4] = {192, 0, 2, 1};
	struct builder *b = builder_new(arena, MODEL_KEY, m->apex, base, NULL);
	struct builder_report report;
	struct snapshot *s = NULL;
	uint8_t name[NAME_LEN_MAX];

	assert_non_null(b);
	if (base != NULL)
		builder_add(b, wire_name("new.example.", name), DNS_TYPE_A, 1, address, sizeof(address));
	for (unsigned i = 0; base == NULL && i < m->cnt; i++)
		builder_add(b, m->v[i].owner, m->v[i].type, m->v[i].ttl, m->v[i].rdata, m->v[i].len);
	assert_int_equal(builder_finish(b, &s, &report), BUILDER_OK);
	builder_free(b);
	*out_rounds = report.nsec3_rounds;
	return s;
}

/* Whatever stands at the apex, looking for the chain in use costs a build, or an edit of one record, next to nothing. */
static void many_parameters_cost_few_digests(void **state)
{
	static const uint16_t iterations[] = {0, SNAPSHOT_NSEC3_ITERATIONS_MAX,
					      SNAPSHOT_NSEC3_ITERATIONS_MAX + 1, UINT16_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(iterations) / sizeof(iterations[0]); i++) {
		uint8_t params[] = {1, 0, (uint8_t)(iterations[i] >> 8), (uint8_t)iterations[i], 2, 0, 0};
		bool over = iterations[i] > SNAPSHOT_NSEC3_ITERATIONS_MAX;
		struct arena *arena = test_arena();
		struct snapshot *s, *next;
		uint32_t rounds;
		struct model m;

		snapshot_retire(zone_with_iterations(&m, arena, 10)); /* the chain in use is another one */
		for (unsigned salt = 1; salt <= 1000; salt++) {
			wire_store16(params + 5, (uint16_t)salt);
			model_add(&m, m.apex, DNS_TYPE_NSEC3PARAM, 1, params, sizeof(params));
		}
		s = build(&m, arena, NULL, &rounds);
		assert_true(rounds <= 4 * (1 + SNAPSHOT_NSEC3_ITERATIONS_MAX));
		if (over)
			assert_int_equal(wire_load16(snapshot_nsec3_chain(s)->params + 2), 10);
		next = build(&m, arena, s, &rounds);
		assert_true(rounds <= 4 * (1 + SNAPSHOT_NSEC3_ITERATIONS_MAX));
		snapshot_retire(s);
		snapshot_retire(next);
		model_fini(&m);
		test_arena_free(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_equal_those_of_the_library),
		cmocka_unit_test(hashes_are_those_of_rfc_5155),
		cmocka_unit_test(the_longest_salt_and_name_fit),
		cmocka_unit_test(many_hashes_at_once_are_those_of_each_alone),
		cmocka_unit_test(a_chain_beyond_the_limit_of_iterations_costs_no_hash),
		cmocka_unit_test(many_parameters_cost_few_digests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
