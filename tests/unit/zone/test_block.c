/* The small parts: blocks on disk, the arena, base32hex, order keys. */
#include "tests/unit/zone/model.h"
#include "dataplane/zone/arena_internal.h"
#include "dataplane/zone/nsec3.h"
#include "dataplane/zone/order.h"
#include "dataplane/zone/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void stored_blocks_are_sound_and_damage_is_seen(void **state)
{
	struct arena *arena = test_arena();
	unsigned blocks = 0;
	struct snapshot *s;
	struct model m;
	struct rng r = {12};

	(void)state;
	model_init(&m, "example.", 1);
	for (unsigned i = 0; i < 600; i++)
		model_add_random(&m, &r);
	s = model_build(&m, arena);
	for (unsigned kind = 0; kind < BLOCK_KIND_CNT; kind++) {
		const struct block *b;
		uint64_t key = 0;
		bool done = false;

		while ((b = tree_next_block(s->base, &s->tree[kind], &key, &done)) != NULL) {
			uint8_t *copy = aligned_alloc(64, (b->size + 63u) / 64 * 64);

			assert_non_null(copy);
			block_store(b, copy);
			assert_true(block_is_sound(copy, b->size));
			assert_false(block_is_sound(copy, b->size - 2u));
			for (unsigned i = 0; i < 100; i++) {
				unsigned at = rng_below(&r, b->size);
				uint8_t bit = (uint8_t)(1u << rng_below(&r, 8));

				copy[at] ^= bit;
				assert_false(block_is_sound(copy, b->size));
				copy[at] ^= bit;
			}
			assert_true(block_is_sound(copy, b->size));
			/* All but the two fields that only memory needs is the same. */
			assert_memory_equal(copy + sizeof(*b), b + 1, b->size - sizeof(*b));
			free(copy);
			blocks++;
		}
	}
	assert_true(blocks > 3);
	snapshot_retire(s);
	model_fini(&m);
	test_arena_free(arena);
}

static void the_arena_gives_out_what_nobody_has(void **state)
{
	enum { OBJECTS = 3000 };
	struct arena_config config = {.bytes_max = UINT64_C(1) << 30};
	static uint32_t ref[OBJECTS];
	static size_t size[OBJECTS];
	struct arena_info info;
	struct arena *arena;
	struct rng r = {1};
	uint64_t peak;

	(void)state;
	assert_int_equal(arena_new(&config, &arena), 0);
	for (unsigned round = 0; round < 40000; round++) {
		unsigned i = rng_below(&r, OBJECTS);

		if (ref[i] != 0) {
			const uint8_t *p = arena_at(arena_base(arena), ref[i]);

			for (size_t k = 0; k < size[i]; k += 61)
				assert_int_equal(p[k], i & 0xFF);
			arena_release(arena, ref[i]);
			ref[i] = 0;
		} else {
			uint32_t cap;

			size[i] = 1 + rng_next(&r) % (rng_below(&r, 20) == 0 ? 300000 : 5000);
			ref[i] = arena_alloc(arena, size[i], &cap);
			assert_int_not_equal(ref[i], 0);
			assert_true(cap >= size[i]);
			assert_int_equal(cap, arena_cap(arena, ref[i]));
			memset(arena_at(arena_base(arena), ref[i]), (int)(i & 0xFF), size[i]);
		}
	}
	arena_info(arena, &info);
	peak = info.bytes_resident;
	for (unsigned i = 0; i < OBJECTS; i++)
		if (ref[i] != 0)
			arena_release(arena, ref[i]);
	arena_info(arena, &info);
	assert_int_equal(info.bytes_used, 0);
	assert_true(info.bytes_resident <= 10u << 20); /* what is empty went back to the system */
	assert_true(peak > info.bytes_resident);
	arena_free(arena);
}

static void published_blocks_cannot_be_written(void **state)
{
	struct arena *arena = test_arena();
	struct snapshot *s;
	struct model m;
	FILE *f;
	char line[256];
	unsigned long at;
	bool found = false;

	(void)state;
	model_init(&m, "example.", 1);
	s = model_build(&m, arena);
	at = (unsigned long)(uintptr_t)s->apex;
	f = fopen("/proc/self/maps", "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		unsigned long from, to;
		char rights[8];

		if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 && from <= at && at < to) {
			assert_string_equal(rights, "r--p");
			found = true;
		}
	}
	fclose(f);
	assert_true(found);
	snapshot_retire(s);
	model_fini(&m);
	test_arena_free(arena);
}

static void order_keys_order_like_names(void **state)
{
	struct rng r = {4};
	struct model m;

	(void)state;
	model_init(&m, ".", 1);
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t a[NAME_LEN_MAX], b[NAME_LEN_MAX], back[NAME_LEN_MAX];
		uint8_t ka[ORDER_KEY_MAX], kb[ORDER_KEY_MAX];
		size_t la, lb;
		int d;

		for (unsigned k = 0; k < 2; k++) {
			uint8_t *name = k ? b : a;

			model_random_name(&m, &r, name);
			if (name[0] > 0)
				name[1] = (uint8_t)rng_below(&r, 4); /* the octets that need care */
			name_lower(name, name, name_len(name));
		}
		la = order_key(a, name_len(a) - 1, ka);
		lb = order_key(b, name_len(b) - 1, kb);
		d = memcmp(ka, kb, la < lb ? la : lb);
		if (d == 0)
			d = (la > lb) - (la < lb);
		assert_int_equal(d > 0, name_compare(a, b) > 0);
		assert_int_equal(d < 0, name_compare(a, b) < 0);
		assert_int_equal(order_name(ka, la, back), name_len(a) - 1);
		assert_memory_equal(back, a, name_len(a) - 1);
	}
	model_fini(&m);
}

static void nsec3_owners_spell_their_hash(void **state)
{
	uint8_t hash[NSEC3_HASH_LEN], rel[NSEC3_LABEL_LEN + 1] = {NSEC3_LABEL_LEN};
	/* RFC 5155 appendix A: the hash of "example." with salt aabbccdd and 12 iterations. */
	const uint8_t params[9] = {1, 0, 0, 12, 4, 0xAA, 0xBB, 0xCC, 0xDD};
	uint8_t name[NAME_LEN_MAX];
	uint64_t key;

	(void)state;
	nsec3_hash(params, wire_name("example.", name), hash);
	nsec3_label(hash, rel + 1);
	assert_memory_equal(rel + 1, "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom", NSEC3_LABEL_LEN);
	assert_true(nsec3_is_owner(rel, sizeof(rel)));
	memcpy(&key, hash, sizeof(key));
	assert_int_equal(nsec3_label_key(rel + 1), __builtin_bswap64(key));
	rel[32] = 'w';
	assert_false(nsec3_is_owner(rel, sizeof(rel)));
	assert_false(nsec3_is_owner(rel, sizeof(rel) - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stored_blocks_are_sound_and_damage_is_seen),
		cmocka_unit_test(the_arena_gives_out_what_nobody_has),
		cmocka_unit_test(published_blocks_cannot_be_written),
		cmocka_unit_test(order_keys_order_like_names),
		cmocka_unit_test(nsec3_owners_spell_their_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
