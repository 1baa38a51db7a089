/*
 * Denial of existence: the NSEC or NSEC3 record at a name, or the one that covers it. Hot path: no allocation, lock,
 * log, syscall or shared write. Contracts in lookup.h.
 */
#include "dataplane/zone/chain.h"
#include "dataplane/zone/lookup.h"
#include "dataplane/zone/nsec3.h"
#include "dataplane/zone/order.h"
#include "dataplane/zone/version.h"

#include <assert.h>

/*
 * Blocks without a record to be passed over, or records that are of no use. Of the latter no zone has more than CHAIN_STRAYS_MAX
 * without keys to go by instead; the former is a bound for content that was made to be in the way.
 */
#define STEPS_MAX 256

static const struct entry *find_rel(const struct snapshot *s, const uint8_t *rel, size_t len)
{
	uint8_t at[NAME_LABELS_MAX];
	unsigned cnt = 0;
	uint64_t key = s->apex_hash;
	const struct block *b;

	for (size_t i = 0; i < len; i += 1u + rel[i])
		at[cnt++] = (uint8_t)i;
	while (cnt-- > 0)
		key = name_hash_child(key, rel + at[cnt] + 1, rel[at[cnt]]);
	b = tree_block(s->base, &s->tree[BLOCK_NAMES], key);
	return block_find(b, (uint16_t)key, rel, len);
}

static void set_owner(const struct entry *e, struct denial *out)
{
	out->entry = e;
	out->rel = e->rest;
	out->rel_len = e->rel_len;
	out->shown = e->rest + (e->flags & ENTRY_CASE ? e->rel_len : 0);
}

bool snapshot_nsec(const struct snapshot *s, const uint8_t *name, struct denial *out)
{
	uint8_t key[ORDER_KEY_MAX], rel[NAME_LEN_MAX];
	size_t rel_len = name_len(name) - s->apex_len;
	size_t key_len, found_len;
	const uint8_t *found;
	const struct entry *e;

	if (!s->info.has_nsec)
		return false;
	key_len = order_key(name, rel_len, key);
	if (!order_before(s->base, s->order_root, key, key_len, &found, &found_len))
		return false;
	if (found_len > 0 && found[0] == CHAIN_KEY_MARK)
		found_len = 0; /* keys of chains stand behind the apex's */
	rel_len = order_name(found, found_len, rel);
	e = find_rel(s, rel, rel_len);
	if (e == NULL || !entry_set(s, e, DNS_TYPE_NSEC, &out->set))
		return false;
	set_owner(e, out);
	out->exact = found_len == key_len && memcmp(found, key, key_len) == 0;
	out->opt_out = false;
	return true;
}

/* The usual entry of the chain has one set, which lies there. */
static bool nsec3_set(const struct snapshot *s, const struct entry *e, struct rrset *out)
{
	struct set_raw raw;

	set_read(e, entry_sets(e), &raw);
	if (raw.type != DNS_TYPE_NSEC3 || (raw.form & (SET_SHARED | SET_RELOC | SET_GLUE)) != 0)
		return entry_set(s, e, DNS_TYPE_NSEC3, out);
	*out = (struct rrset){
		.body = raw.body,
		.len = raw.len,
		.sig_len = raw.sig_len,
		.ttl = wire_load32(raw.body + 6),
		.cnt = raw.cnt,
		.sig_cnt = raw.sig_cnt,
		.type = DNS_TYPE_NSEC3,
	};
	return true;
}

const uint8_t *nsec3_chain_record(const struct snapshot *s, const struct entry *e, struct rrset *out)
{
	const uint8_t *params = s->nsec3->params;
	size_t salt_len = params[4];

	if (!nsec3_set(s, e, out))
		return NULL;
	for (uint32_t off = 0; off < out->len; off += 12u + wire_load16(out->body + off + 10)) {
		const uint8_t *data = out->body + off + 12;

		/*
		 * Algorithm and iterations, but not the flags between; the salt and its length. Where the next hash is not one
		 * of SHA-1 (RFC 5155 3.1.7) nobody could tell what the record covers.
		 */
		if (((wire_load32(data) ^ wire_load32(params)) & UINT32_C(0xFF00FFFF)) == 0 &&
		    data[4] == params[4] && data[5 + salt_len] == NSEC3_HASH_LEN &&
		    (salt_len == 0 || memcmp(data + 5, params + 5, salt_len) == 0))
			return data;
	}
	return NULL;
}

/* A place in the circle of hashes. The label is spelled when it is needed: tags mostly tell. */
struct place {
	const uint8_t *hash; /* NULL: label is spelled */
	uint64_t key;
	uint8_t label[NSEC3_LABEL_LEN];
};

static const uint8_t *place_label(struct place *p)
{
	if (p->hash != NULL) {
		nsec3_label(p->hash, p->label);
		p->hash = NULL;
	}
	return p->label;
}

#ifdef __AVX2__
/* The highest tag that is at most `most`; -1: none. Tags behind cnt are what they are. */
static int highest_tag(const struct block *b, uint16_t most)
{
	const __m256i iota = _mm256_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	const __m256i limit = _mm256_set1_epi16((short)most);
	/* Complements, so that what does not count is 0xffff and the minimum is the highest. */
	__m256i best = _mm256_set1_epi16(-1), any = _mm256_setzero_si256();
	__m128i low;

	for (unsigned i = 0; i < b->cnt; i += BLOCK_TAG_STEP) {
		__m256i tags = _mm256_load_si256((const __m256i *)(const void *)(block_tags_const(b) + i));
		__m256i good = _mm256_cmpeq_epi16(_mm256_min_epu16(tags, limit), tags);

		good = _mm256_and_si256(good,
					_mm256_cmpgt_epi16(_mm256_set1_epi16((short)(b->cnt - i)), iota));
		any = _mm256_or_si256(any, good);
		best = _mm256_min_epu16(best, _mm256_or_si256(_mm256_xor_si256(tags, _mm256_set1_epi16(-1)),
							      _mm256_xor_si256(good, _mm256_set1_epi16(-1))));
	}
	if (_mm256_testz_si256(any, any))
		return -1;
	low = _mm_min_epu16(_mm256_castsi256_si128(best), _mm256_extracti128_si256(best, 1));
	return UINT16_MAX - _mm_extract_epi16(_mm_minpos_epu16(low), 0);
}
#else
static int highest_tag(const struct block *b, uint16_t most)
{
	const uint16_t *tags = block_tags_const(b);
	int best = -1;

	for (unsigned i = 0; i < b->cnt; i++)
		if (tags[i] <= most && tags[i] > best)
			best = tags[i];
	return best;
}
#endif

/* Of the entries with the tag, the one with the highest label; not above (strict: but below) upto, if that is given. */
static const struct entry *last_of_tag(const struct block *b, uint16_t tag, struct place *upto, bool strict)
{
	const struct entry *best = NULL;

	for (unsigned i = 0; i < b->cnt; i += BLOCK_TAG_STEP) {
		uint32_t hits = block_match16(block_tags_const(b) + i, tag);

		for (; hits != 0; hits = block_match_rest(hits)) {
			unsigned at = i + block_match_first(hits);
			const struct entry *e;
			int d;

			if (at >= b->cnt)
				break;
			e = block_entry(b, at);
			d = upto == NULL ? -1 : memcmp(e->rest + 1, place_label(upto), NSEC3_LABEL_LEN);
			if (d > 0 || (strict && d == 0))
				continue;
			if (best == NULL || memcmp(e->rest + 1, best->rest + 1, NSEC3_LABEL_LEN) > 0)
				best = e;
		}
	}
	return best;
}

/* The last entry of b that is not above (strict: that is below) the place; NULL: none. whole: all of b is at or below. */
static const struct entry *last_in_block(const struct block *b, struct place *p, bool strict, bool whole)
{
	uint16_t own = block_tag(BLOCK_NSEC3, b->depth, p->key);
	int tag = highest_tag(b, whole ? UINT16_MAX : own);

	while (tag >= 0) {
		bool shared = !whole && tag == own;
		const struct entry *e = last_of_tag(b, (uint16_t)tag, shared ? p : NULL, shared && strict);

		if (e != NULL)
			return e;
		tag = tag == 0 ? -1 : highest_tag(b, (uint16_t)(tag - 1));
	}
	return NULL;
}

#ifdef __AVX2__
/*
 * The usual case of last_in_block, without a branch that could be foreseen wrongly: of the tags below the key's own one is the
 * highest, and no entry has the own one. NULL: not so, or not in this block.
 */
static inline const struct entry *only_before(const struct block *b, uint64_t key)
{
	const __m256i iota = _mm256_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	const __m256i ones = _mm256_set1_epi16(-1);
	uint16_t own = block_tag(BLOCK_NSEC3, b->depth, key), least;
	__m256i far[4], nearest = ones;
	uint64_t hits;
	__m128i low;

	/* What lies behind the tags is read and does not count: a block of one entry is longer than all tags together. */
	if (b->cnt == 0 || b->cnt > BLOCK_NAMES_MAX)
		return NULL;
	for (unsigned i = 0; i < 4; i++) {
		__m256i tags = _mm256_load_si256((const __m256i *)(const void *)block_tags_const(b) + i);
		__m256i left = _mm256_set1_epi16((short)(b->cnt - i * BLOCK_TAG_STEP));

		/* How far it is below the own one; those above wrap around and are farther than the own one is from 0. */
		far[i] = _mm256_or_si256(_mm256_sub_epi16(_mm256_set1_epi16((short)own), tags),
					 _mm256_xor_si256(_mm256_cmpgt_epi16(left, iota), ones));
		nearest = _mm256_min_epu16(nearest, far[i]);
	}
	low = _mm_minpos_epu16(
		_mm_min_epu16(_mm256_castsi256_si128(nearest), _mm256_extracti128_si256(nearest, 1)));
	least = (uint16_t)_mm_extract_epi16(low, 0);
	nearest = _mm256_broadcastw_epi16(low);
	for (unsigned i = 0; i < 4; i++)
		far[i] = _mm256_cmpeq_epi16(far[i], nearest);
	/* Narrowed to octets, the quarters of which then have to change places. */
	far[0] = _mm256_permute4x64_epi64(_mm256_packs_epi16(far[0], far[1]), 0xd8);
	far[2] = _mm256_permute4x64_epi64(_mm256_packs_epi16(far[2], far[3]), 0xd8);
	hits = (uint64_t)(uint32_t)_mm256_movemask_epi8(far[2]) << 32 |
	       (uint32_t)_mm256_movemask_epi8(far[0]);
	if (least == 0 || least > own || least == UINT16_MAX || (hits & (hits - 1)) != 0)
		return NULL;
	return block_entry(b, (unsigned)__builtin_ctzll(hits));
}
#else
static inline const struct entry *only_before(const struct block *b, uint64_t key)
{
	return NULL;
}
#endif

static_assert(BLOCK_NAMES_MAX == 4 * BLOCK_TAG_STEP, "a bit for each entry, in four steps");

/* The entry at or before the place in the circle of hashes; strict: before. */
static const struct entry *last_upto(const struct snapshot *s, struct place *p, bool strict)
{
	const struct tree *t = &s->tree[BLOCK_NSEC3];
	uint64_t key = p->key;

	for (unsigned steps = 0; steps < STEPS_MAX; steps++) {
		const struct block *b = tree_block(s->base, t, key);
		const struct entry *e = last_in_block(b, p, strict, steps > 0);

		if (e != NULL)
			return e;
		/* On to the block before; from the first to the last. */
		key = b->prefix - 1;
	}
	return NULL;
}

const struct nsec3_chain *snapshot_nsec3_chain(const struct snapshot *s)
{
	return s->nsec3;
}

void snapshot_nsec3_hash(const struct snapshot *s, const uint8_t *name, uint8_t out[NSEC3_HASH_LEN])
{
	if (wire_load16(s->nsec3->params + 2) > SNAPSHOT_NSEC3_ITERATIONS_MAX)
		memcpy(out, s->nsec3->apex_hash, NSEC3_HASH_LEN);
	else
		nsec3_hash(s->nsec3->params, name, out);
}

void snapshot_nsec3_fetch(const struct snapshot *s, const uint8_t hash[NSEC3_HASH_LEN])
{
	const uint8_t *b = (const uint8_t *)tree_block(s->base, &s->tree[BLOCK_NSEC3], nsec3_hash_key(hash));

	__builtin_prefetch(b);
	__builtin_prefetch(b + 64);
}

void snapshot_nsec3_hash_many(struct nsec3_want want[], unsigned cnt)
{
	struct nsec3_input in[NSEC3_MANY_MAX];
	unsigned left = 0;

	for (unsigned i = 0; i < cnt; i++) {
		const struct nsec3_chain *c = want[i].snap->nsec3;

		if (wire_load16(c->params + 2) > SNAPSHOT_NSEC3_ITERATIONS_MAX)
			memcpy(want[i].out, c->apex_hash, NSEC3_HASH_LEN);
		else
			in[left++] = (struct nsec3_input){c->params, want[i].name, want[i].len, want[i].out};
	}
	nsec3_hash_many(in, left);
}

const struct entry *snapshot_nsec3_seek(const struct snapshot *s, const uint8_t hash[NSEC3_HASH_LEN])
{
	uint64_t key = nsec3_hash_key(hash);
	const struct entry *e = only_before(tree_block(s->base, &s->tree[BLOCK_NSEC3], key), key);
	struct place at;

	if (e == NULL) {
		at = (struct place){.hash = hash, .key = key};
		e = last_upto(s, &at, false);
	}
	/* The record and its signature. */
	for (unsigned i = 0; i < 4; i++)
		__builtin_prefetch((const uint8_t *)e + 64u * i);
	return e;
}

/* The last entry with a record of the chain up to the hash, by its key; NULL: none. */
static const struct entry *last_by_key(const struct snapshot *s, const uint8_t hash[NSEC3_HASH_LEN])
{
	uint8_t key[CHAIN_KEY_LEN], rel[1 + NSEC3_LABEL_LEN] = {NSEC3_LABEL_LEN};
	const uint8_t *found;
	const struct block *b;
	uint64_t at;
	size_t len;

	chain_key(key, s->nsec3->id, hash);
	if (!order_before(s->base, s->order_root, key, sizeof(key), &found, &len))
		return NULL;
	if (len != sizeof(key) || memcmp(found, key, CHAIN_KEY_HASH_AT) != 0) {
		/* In front of the first comes the last. */
		memset(key + CHAIN_KEY_HASH_AT, 0xFF, NSEC3_HASH_LEN);
		order_before(s->base, s->order_root, key, sizeof(key), &found, &len);
		if (len != sizeof(key) || memcmp(found, key, CHAIN_KEY_HASH_AT) != 0)
			return NULL;
	}
	nsec3_label(found + CHAIN_KEY_HASH_AT, rel + 1);
	at = nsec3_hash_key(found + CHAIN_KEY_HASH_AT);
	b = tree_block(s->base, &s->tree[BLOCK_NSEC3], at);
	return block_find(b, block_tag(BLOCK_NSEC3, b->depth, at), rel, sizeof(rel));
}

/* From e, which has no record of the chain, to what has one, before it in the circle; by the hash, if there are keys. */
static const uint8_t *search_chain(const struct snapshot *s, const uint8_t hash[NSEC3_HASH_LEN],
				   const struct entry **e, struct rrset *out)
{
	const uint8_t *record = NULL;
	struct place at;

	if (s->chains.keyed) {
		*e = last_by_key(s, hash);
		return *e == NULL ? NULL : nsec3_chain_record(s, *e, out);
	}
	for (unsigned steps = 0; *e != NULL && record == NULL && steps < STEPS_MAX; steps++) {
		at = (struct place){.key = nsec3_label_key((*e)->rest + 1)};
		memcpy(at.label, (*e)->rest + 1, sizeof(at.label));
		*e = last_upto(s, &at, true);
		record = *e == NULL ? NULL : nsec3_chain_record(s, *e, out);
	}
	return record;
}

bool snapshot_nsec3_take(const struct snapshot *s, const uint8_t hash[NSEC3_HASH_LEN],
			 const struct entry *found, struct denial *out)
{
	const struct entry *e = found;
	const uint8_t *record = e == NULL ? NULL : nsec3_chain_record(s, e, &out->set);

	if (record == NULL)
		record = search_chain(s, hash, &e, &out->set);
	if (record == NULL)
		return false;
	set_owner(e, out);
	out->opt_out = record[1] & 1;
	out->exact = nsec3_label_is(e->rest + 1, hash);
	return true;
}

bool snapshot_nsec3_at(const struct snapshot *s, const uint8_t hash[NSEC3_HASH_LEN], struct denial *out)
{
	return snapshot_nsec3_take(s, hash, snapshot_nsec3_seek(s, hash), out);
}

bool snapshot_nsec3(const struct snapshot *s, const uint8_t *name, struct denial *out)
{
	uint8_t hash[NSEC3_HASH_LEN];

	if (s->nsec3 == NULL)
		return false;
	snapshot_nsec3_hash(s, name, hash);
	return snapshot_nsec3_at(s, hash, out);
}
