/* Blocks: a small hash table in a piece of memory. Pure; no allocation. Contracts in the header. */
#include "dataplane/zone/block.h"

uint32_t block_match_scalar(const uint16_t *tags, uint16_t tag)
{
	uint32_t hits = 0;

	for (unsigned i = 0; i < BLOCK_TAG_STEP; i++)
		hits |= (tags[i] == tag ? UINT32_C(3) : 0) << 2 * i;
	return hits;
}

static size_t even(size_t n)
{
	return (n + 1) & ~(size_t)1;
}

size_t entry_size(uint8_t kind, const struct entry *e)
{
	const uint8_t *p = kind == BLOCK_SHARED ? e->rest + SHARED_HEAD : entry_sets(e);
	struct set_raw set;

	if (kind != BLOCK_SHARED && e->flags & ENTRY_EMPTY)
		return (size_t)(p - (const uint8_t *)e);
	do {
		set_read(e, p, &set);
		p = set.end;
	} while (!(set.form & SET_LAST));
	return (size_t)(p - (const uint8_t *)e);
}

void block_init(struct block *b, uint8_t kind, uint8_t depth, uint64_t prefix, uint64_t birth)
{
	*b = (struct block){
		.kind = kind,
		.format = BLOCK_VERSION,
		.depth = depth,
		.tag_cap = BLOCK_TAG_STEP,
		.size = (uint32_t)block_head_size(BLOCK_TAG_STEP),
		.prefix = prefix,
		.birth = birth,
	};
	memset(b + 1, 0, BLOCK_TAG_STEP * 4);
}

/* Makes room for BLOCK_TAG_STEP more tags: the offsets and the entries move up. */
static void grow_tags(struct block *b)
{
	uint8_t *entries = (uint8_t *)b + block_head_size(b->tag_cap);
	uint16_t *old_offs = block_offs(b);

	memmove(entries + BLOCK_TAG_STEP * 4, entries, b->size - block_head_size(b->tag_cap));
	b->tag_cap += BLOCK_TAG_STEP;
	b->size += BLOCK_TAG_STEP * 4;
	memmove(block_offs(b), old_offs, b->cnt * sizeof(uint16_t));
	memset(block_tags(b) + b->cnt, 0, (size_t)(b->tag_cap - b->cnt) * sizeof(uint16_t));
	for (unsigned i = 0; i < b->cnt; i++)
		block_offs(b)[i] += BLOCK_TAG_STEP * 2;
}

size_t block_size_with(const struct block *b, size_t len)
{
	return b->size + even(len) + (b->cnt == b->tag_cap ? BLOCK_TAG_STEP * 4 : 0);
}

bool block_append(struct block *b, uint32_t cap, uint16_t tag, const void *entry, size_t len)
{
	size_t size = block_size_with(b, len);

	if (size > cap || size > BLOCK_SIZE_MAX || b->cnt + 1u > UINT8_MAX - BLOCK_TAG_STEP)
		return false;
	if (b->cnt == b->tag_cap)
		grow_tags(b);
	memcpy((uint8_t *)b + b->size, entry, len);
	if (len & 1)
		((uint8_t *)b)[b->size + len] = 0;
	block_tags(b)[b->cnt] = tag;
	block_offs(b)[b->cnt] = (uint16_t)(b->size / 2);
	b->cnt++;
	b->size += (uint32_t)even(len);
	return true;
}

void block_remove(struct block *b, const struct entry *e)
{
	for (unsigned i = 0; i < b->cnt; i++) {
		if (block_entry(b, i) != e)
			continue;
		b->garbage += (uint16_t)(even(entry_size(b->kind, e)) / 2);
		b->cnt--;
		block_tags(b)[i] = block_tags(b)[b->cnt];
		block_offs(b)[i] = block_offs(b)[b->cnt];
		block_tags(b)[b->cnt] = 0;
		return;
	}
}

void block_copy(struct block *dst, uint32_t cap, const struct block *src)
{
	for (unsigned i = 0; i < src->cnt; i++) {
		const struct entry *e = block_entry(src, i);

		block_append(dst, cap, block_tags_const(src)[i], e, entry_size(src->kind, e));
	}
}
