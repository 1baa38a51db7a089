/* The blocks of a draft: copy on write, growth, splitting and merging. Contracts in the header. */
#include "dataplane/zone/draft.h"
#include "dataplane/zone/draft_internal.h"
#include "dataplane/zone/nsec3.h"

#include <errno.h>
#include <stdlib.h>

/* Two buddies are merged when they would fill at most this much of a block, far from where it would be split again. */
#define MERGE_NAMES_MAX (BLOCK_NAMES_MAX / 4)
#define MERGE_SIZE_MAX	(BLOCK_SIZE_MAX / 64)

uint64_t draft_rel_hash(const struct draft *d, const uint8_t *rel, size_t len)
{
	uint8_t off[NAME_LABELS_MAX];
	unsigned cnt = 0;
	uint64_t h = d->apex_hash;

	for (size_t i = 0; i < len; i += 1u + rel[i])
		off[cnt++] = (uint8_t)i;
	while (cnt-- > 0)
		h = name_hash_child(h, rel + off[cnt] + 1, rel[off[cnt]]);
	return h;
}

uint64_t draft_entry_key(const struct draft *d, uint8_t kind, const struct entry *e)
{
	switch ((enum block_kind)kind) {
	case BLOCK_NAMES:
		return draft_rel_hash(d, e->rest, e->rel_len);
	case BLOCK_NSEC3:
		return nsec3_label_key(e->rest + 1);
	case BLOCK_SHARED:
		return shared_key(set_get32(e->rest));
	}
	return 0;
}

uint32_t draft_alloc(struct draft *d, size_t size)
{
	uint32_t cap;
	uint32_t ref = arena_alloc(d->arena, size, &cap);

	if (ref != 0)
		d->bytes += cap;
	return ref;
}

int draft_drop(struct draft *d, uint32_t ref, uint64_t birth)
{
	struct dead_chunk *chunk = d->dead;
	uint32_t cap = arena_cap(d->arena, ref);

	if (birth != d->version) {
		if (chunk == NULL || chunk->cnt == DEAD_CHUNK_CNT) {
			chunk = malloc(sizeof(*chunk));
			if (chunk == NULL)
				return -ENOMEM;
			chunk->next = d->dead;
			chunk->cnt = 0;
			d->dead = chunk;
		}
		chunk->dead[chunk->cnt++] = (struct dead){.birth = birth, .ref = ref};
	}
	d->bytes -= cap;
	if (birth == d->version)
		arena_release(d->arena, ref);
	else
		d->dead_bytes += cap;
	return 0;
}

int draft_plant(struct draft *d, uint8_t kind)
{
	uint32_t ref = draft_alloc(d, block_head_size(BLOCK_TAG_STEP));

	if (ref == 0)
		return -ENOMEM;
	block_init(arena_at(d->base, ref), kind, 0, 0, d->version);
	d->tree[kind] = (struct tree){.slot = ref, .kind = kind};
	return 0;
}

static uint32_t block_ref(const struct draft *d, const struct block *b)
{
	return (uint32_t)((size_t)((const uint8_t *)b - d->base) / ARENA_UNIT);
}

/* A copy of b in the draft's version with room for extra more, in b's place. */
static struct block *rewrite(struct draft *d, struct block *b, size_t extra)
{
	size_t size = b->size - block_garbage(b) + extra;
	uint32_t ref = draft_alloc(d, size);
	struct block *copy;

	if (ref == 0)
		return NULL;
	copy = arena_at(d->base, ref);
	if (b->garbage == 0) {
		memcpy(copy, b, b->size);
		copy->birth = d->version;
	} else {
		block_init(copy, b->kind, b->depth, b->prefix, d->version);
		block_copy(copy, arena_cap(d->arena, ref), b);
	}
	if (directory_point(d, b->kind, b->prefix, b->depth, ref, ref) < 0) {
		arena_release(d->arena, ref);
		return NULL;
	}
	return draft_drop(d, block_ref(d, b), b->birth) < 0 ? NULL : copy;
}

struct block *draft_open(struct draft *d, uint8_t kind, uint64_t key, size_t extra)
{
	struct block *b = tree_block(d->base, &d->tree[kind], key);

	return b->birth == d->version ? b : rewrite(d, b, extra);
}

/* Splits b, which is the draft's own, by its next bit. -ENOSPC: the directory is as deep as it gets. */
static int split(struct draft *d, struct block *b)
{
	uint64_t keys[UINT8_MAX + 1];
	size_t sizes[UINT8_MAX + 1];
	size_t size[2] = {0, 0};
	unsigned cnt[2] = {0, 0};
	struct block *half[2];
	uint32_t ref[2], cap[2];
	int rc;

	if (b->depth >= BLOCK_DEPTH_MAX)
		return -ENOSPC;
	for (unsigned i = 0; i < b->cnt; i++) {
		const struct entry *e = block_entry(b, i);
		unsigned side;

		keys[i] = draft_entry_key(d, b->kind, e);
		side = keys[i] << b->depth >> 63;
		sizes[i] = entry_size(b->kind, e);
		size[side] += sizes[i] + 1;
		cnt[side]++;
	}
	rc = directory_deepen(d, b->kind, b->prefix, b->depth);
	if (rc < 0)
		return rc;
	for (unsigned side = 0; side < 2; side++) {
		size_t tags = (cnt[side] + BLOCK_TAG_STEP) / BLOCK_TAG_STEP * BLOCK_TAG_STEP;

		ref[side] = draft_alloc(d, block_head_size((unsigned)tags) + size[side]);
		if (ref[side] == 0) {
			if (side > 0)
				arena_release(d->arena, ref[0]);
			return -ENOMEM;
		}
		half[side] = arena_at(d->base, ref[side]);
		cap[side] = arena_cap(d->arena, ref[side]);
		block_init(half[side], b->kind, b->depth + 1, b->prefix | (uint64_t)side << (63 - b->depth),
			   d->version);
	}
	for (unsigned i = 0; i < b->cnt; i++) {
		unsigned side = keys[i] << b->depth >> 63;

		block_append(half[side], cap[side], block_tag(b->kind, b->depth + 1, keys[i]),
			     block_entry(b, i), sizes[i]);
	}
	rc = directory_point(d, b->kind, b->prefix, b->depth, ref[0], ref[1]);
	if (rc < 0) {
		arena_release(d->arena, ref[0]);
		arena_release(d->arena, ref[1]);
		return rc;
	}
	return draft_drop(d, block_ref(d, b), b->birth);
}

int draft_insert(struct draft *d, uint8_t kind, uint64_t key, const void *entry, size_t len)
{
	for (;;) {
		struct block *b = draft_open(d, kind, key, len + 1);
		size_t need;

		if (b == NULL)
			return -ENOMEM;
		need = block_size_with(b, len) - block_garbage(b);
		if (b->cnt >= BLOCK_NAMES_MAX || (need > BLOCK_SPLIT_SIZE && b->cnt > 1)) {
			int rc = split(d, b);

			if (rc == 0)
				continue;
			if (rc != -ENOSPC)
				return rc;
		}
		if (block_append(b, arena_cap(d->arena, block_ref(d, b)), block_tag(kind, b->depth, key),
				 entry, len))
			return 0;
		if (need > BLOCK_SIZE_MAX)
			return -E2BIG;
		/* An eighth of slack: each entry is copied a few times while its block grows. */
		b = rewrite(d, b, need - (b->size - block_garbage(b)) + need / 8);
		if (b == NULL)
			return -ENOMEM;
		if (!block_append(b, arena_cap(d->arena, block_ref(d, b)), block_tag(kind, b->depth, key),
				  entry, len))
			return -E2BIG;
		return 0;
	}
}

/* old's twin in b, a copy of old's block: the tags stand in the same order. */
static struct entry *twin(const struct block *was, const struct entry *old, const struct block *b)
{
	for (unsigned i = 0; i < was->cnt; i++)
		if (block_entry(was, i) == old)
			return block_entry(b, i);
	return NULL;
}

struct entry *draft_touch(struct draft *d, uint8_t kind, uint64_t key, const struct entry *old)
{
	const struct block *was = tree_block(d->base, &d->tree[kind], key);
	struct block *b;

	if (was->birth == d->version)
		return (struct entry *)(uintptr_t)old;
	b = draft_open(d, kind, key, 0);
	return b == NULL ? NULL : twin(was, old, b);
}

int draft_replace(struct draft *d, uint8_t kind, uint64_t key, const struct entry *old, const void *entry,
		  size_t len)
{
	struct entry *e = draft_touch(d, kind, key, old);
	size_t old_len;

	if (e == NULL)
		return -ENOMEM;
	old_len = entry_size(kind, e);
	if ((old_len + 1) / 2 == (len + 1) / 2) {
		memcpy(e, entry, len);
		return 0;
	}
	block_remove(tree_block(d->base, &d->tree[kind], key), e);
	return draft_insert(d, kind, key, entry, len);
}

/* Joins b with its buddy when both are nearly empty. */
static int merge(struct draft *d, uint8_t kind, struct block *b)
{
	uint64_t bit = b->depth == 0 ? 0 : UINT64_C(1) << (64 - b->depth);
	struct block *buddy, *joined;
	size_t size;
	uint32_t ref;
	int rc;

	if (b->depth == 0)
		return 0;
	buddy = tree_block(d->base, &d->tree[kind], b->prefix ^ bit);
	size = (size_t)b->size - block_garbage(b) + buddy->size - block_garbage(buddy);
	if (buddy->depth != b->depth || b->cnt + buddy->cnt > MERGE_NAMES_MAX || size > MERGE_SIZE_MAX)
		return 0;
	ref = draft_alloc(d, size + block_head_size(BLOCK_TAG_STEP));
	if (ref == 0)
		return -ENOMEM;
	joined = arena_at(d->base, ref);
	block_init(joined, kind, b->depth - 1, b->prefix & ~bit, d->version);
	for (unsigned side = 0; side < 2; side++) {
		const struct block *from = side == 0 ? b : buddy;

		for (unsigned i = 0; i < from->cnt; i++) {
			const struct entry *e = block_entry(from, i);

			block_append(joined, arena_cap(d->arena, ref),
				     block_tag(kind, joined->depth, draft_entry_key(d, kind, e)), e,
				     entry_size(kind, e));
		}
	}
	rc = directory_point(d, kind, joined->prefix, joined->depth, ref, ref);
	if (rc < 0) {
		arena_release(d->arena, ref);
		return rc;
	}
	rc = draft_drop(d, block_ref(d, buddy), buddy->birth);
	return draft_drop(d, block_ref(d, b), b->birth) < 0 ? -ENOMEM : rc;
}

int draft_remove(struct draft *d, uint8_t kind, uint64_t key, const struct entry *old)
{
	struct entry *e = draft_touch(d, kind, key, old);
	struct block *b;

	if (e == NULL)
		return -ENOMEM;
	b = tree_block(d->base, &d->tree[kind], key);
	block_remove(b, e);
	return b->cnt <= MERGE_NAMES_MAX / 2 ? merge(d, kind, b) : 0;
}
