/*
 * Content that several names share, or that is too large to lie among the names: a tree of blocks keyed by the hash
 * of the content, each item with the number of its references. For the builder only.
 */
#include "dataplane/zone/builder_internal.h"

#include <errno.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static const struct entry *find(const struct builder *b, uint32_t id)
{
	const struct tree *t = &b->draft.tree[BLOCK_SHARED];

	return tree_exists(t) ? block_find_shared(tree_block(b->draft.base, t, shared_key(id)), id) : NULL;
}

static int change_refs(struct builder *b, const struct entry *item, uint32_t id, uint32_t refs)
{
	struct entry *e = draft_touch(&b->draft, BLOCK_SHARED, shared_key(id), item);

	if (e == NULL)
		return -ENOMEM;
	memcpy(e->rest + 4, &refs, sizeof(refs));
	return 0;
}

int shared_acquire(struct builder *b, const struct encode_body *body, uint32_t *out_id)
{
	uint8_t *item = b->spare;
	uint8_t *set = item + sizeof(struct entry) + SHARED_HEAD;
	const struct entry *old;
	uint32_t id, refs = 1;
	size_t len;

	memset(item, 0, sizeof(struct entry) + SHARED_HEAD);
	len = (size_t)(encode_set(body, SET_APEX | SET_LAST, item, set) - item);
	id = (uint32_t)XXH3_64bits_withSeed(set, len - (size_t)(set - item), b->key);
	old = find(b, id);
	*out_id = id;
	if (old != NULL) {
		if (entry_size(BLOCK_SHARED, old) != len ||
		    memcmp(old->rest + SHARED_HEAD, set, len - (size_t)(set - item)) != 0)
			return -EEXIST;
		return change_refs(b, old, id, set_get32(old->rest + 4) + 1);
	}
	if (!tree_exists(&b->draft.tree[BLOCK_SHARED]) && draft_plant(&b->draft, BLOCK_SHARED) < 0)
		return -ENOMEM;
	memcpy(item + sizeof(struct entry), &id, sizeof(id));
	memcpy(item + sizeof(struct entry) + 4, &refs, sizeof(refs));
	return draft_insert(&b->draft, BLOCK_SHARED, shared_key(id), item, len);
}

int shared_release(struct builder *b, uint32_t id)
{
	const struct entry *item = find(b, id);
	uint32_t refs = set_get32(item->rest + 4);

	if (refs > 1)
		return change_refs(b, item, id, refs - 1);
	return draft_remove(&b->draft, BLOCK_SHARED, shared_key(id), item);
}

int shared_release_entry(struct builder *b, const struct entry *e)
{
	const uint8_t *p = entry_sets(e);
	struct set_raw raw;

	if (e->flags & ENTRY_EMPTY)
		return 0;
	do {
		set_read(e, p, &raw);
		p = raw.end;
		if (raw.form & SET_SHARED) {
			int rc = shared_release(b, raw.id);

			if (rc < 0)
				return rc;
		}
	} while (!(raw.form & SET_LAST));
	return 0;
}
