/*
 * Denial of existence: the NSEC or NSEC3 record at a name, or the one that covers it. Hot path: no allocation, lock,
 * log, syscall or shared write. Contracts in lookup.h.
 */
#define OPENSSL_API_COMPAT \
	0x10101000L /* SHA1_Init and friends: the only ones that need no allocated context */
#include <openssl/sha.h>

#include "dataplane/zone/lookup.h"
#include "dataplane/zone/nsec3.h"
#include "dataplane/zone/order.h"
#include "dataplane/zone/version.h"

/* A zone that changes its NSEC3 parameters holds two chains mixed; beyond so many foreign records we give up. */
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
	rel_len = order_name(found, found_len, rel);
	e = find_rel(s, rel, rel_len);
	if (e == NULL || !entry_set(s, e, DNS_TYPE_NSEC, &out->set))
		return false;
	out->owner_len = (uint8_t)entry_owner(s, e, out->owner);
	out->exact = found_len == key_len && memcmp(found, key, key_len) == 0;
	out->opt_out = false;
	return true;
}

void nsec3_hash(const uint8_t *params, const uint8_t *name, uint8_t out[NSEC3_HASH_LEN])
{
	unsigned iterations = wire_load16(params + 2);
	const uint8_t *salt = params + 5;
	size_t salt_len = params[4];
	SHA_CTX ctx;

	SHA1_Init(&ctx);
	SHA1_Update(&ctx, name, name_len(name));
	SHA1_Update(&ctx, salt, salt_len);
	SHA1_Final(out, &ctx);
	while (iterations-- > 0) {
		SHA1_Init(&ctx);
		SHA1_Update(&ctx, out, NSEC3_HASH_LEN);
		SHA1_Update(&ctx, salt, salt_len);
		SHA1_Final(out, &ctx);
	}
}

const uint8_t *nsec3_chain_record(const struct snapshot *s, const struct entry *e, struct rrset *out)
{
	if (!entry_set(s, e, DNS_TYPE_NSEC3, out))
		return NULL;
	for (uint32_t off = 0; off < out->len; off += 12u + wire_load16(out->body + off + 10)) {
		const uint8_t *data = out->body + off + 12;

		if (data[0] == s->nsec3param[0] &&
		    memcmp(data + 2, s->nsec3param + 2, 3u + s->nsec3param[4]) == 0)
			return data;
	}
	return NULL;
}

/* The entry of b with the highest label that is not above (strict: that is below) label; NULL: none. */
static const struct entry *last_in_block(const struct block *b, const uint8_t *label, uint16_t tag,
					 bool strict)
{
	const uint16_t *tags = block_tags_const(b);
	const struct entry *best = NULL;
	uint16_t best_tag = 0;

	for (unsigned i = 0; i < b->cnt; i++) {
		const struct entry *e;
		int d;

		/* Tags order the entries, but for those that share one. */
		if (tags[i] > tag || (best != NULL && tags[i] < best_tag))
			continue;
		e = block_entry(b, i);
		if (tags[i] == tag) {
			d = memcmp(e->rest + 1, label, NSEC3_LABEL_LEN);
			if (d > 0 || (strict && d == 0))
				continue;
		}
		if (best != NULL && tags[i] == best_tag &&
		    memcmp(e->rest + 1, best->rest + 1, NSEC3_LABEL_LEN) < 0)
			continue;
		best = e;
		best_tag = tags[i];
	}
	return best;
}

/* The entry at or before label in the circle of hashes. */
static const struct entry *last_upto(const struct snapshot *s, const uint8_t label[NSEC3_LABEL_LEN],
				     bool strict)
{
	static const uint8_t highest[NSEC3_LABEL_LEN] = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv";
	const struct tree *t = &s->tree[BLOCK_NSEC3];
	uint64_t key = nsec3_label_key(label);

	for (unsigned steps = 0; steps < STEPS_MAX; steps++) {
		const struct block *b = tree_block(s->base, t, key);
		uint16_t tag = block_tag(BLOCK_NSEC3, b->depth, key);
		const struct entry *e = last_in_block(b, label, tag, strict);

		if (e != NULL)
			return e;
		/* On to the block before; from the first to the last. All of it is at or below now. */
		key = b->prefix - 1;
		label = highest;
		strict = false;
	}
	return NULL;
}

bool snapshot_nsec3(const struct snapshot *s, const uint8_t *name, struct denial *out)
{
	uint8_t hash[NSEC3_HASH_LEN], label[NSEC3_LABEL_LEN], at[NSEC3_LABEL_LEN];
	bool strict = false;

	if (!s->info.has_nsec3)
		return false;
	nsec3_hash(s->nsec3param, name, hash);
	nsec3_label(hash, label);
	memcpy(at, label, sizeof(at));
	for (unsigned steps = 0; steps < STEPS_MAX; steps++) {
		const struct entry *e = last_upto(s, at, strict);
		const uint8_t *record = e == NULL ? NULL : nsec3_chain_record(s, e, &out->set);

		if (record != NULL) {
			out->owner_len = (uint8_t)entry_owner(s, e, out->owner);
			out->exact = memcmp(e->rest + 1, label, sizeof(label)) == 0;
			out->opt_out = record[1] & 1;
			return true;
		}
		if (e == NULL)
			return false;
		memcpy(at, e->rest + 1, sizeof(at));
		strict = true;
	}
	return false;
}
