/* Blocks as the store keeps them. Pure; any thread. Contracts in block.h. */
#include "dataplane/zone/block.h"
#include "dataplane/zone/nsec3.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint32_t sum_of(const void *octets, size_t len)
{
	return (uint32_t)XXH3_64bits_withSeed(octets, len, BLOCK_VERSION);
}

void block_store(const struct block *b, void *out)
{
	struct block *copy = out;

	memcpy(out, b, b->size);
	copy->birth = 0;
	copy->sum = 0;
	copy->sum = sum_of(out, b->size);
}

static bool head_is_sound(const struct block *b, size_t len)
{
	uint64_t below = b->depth == 0 ? UINT64_MAX : UINT64_MAX >> b->depth;

	return b->format == BLOCK_VERSION && b->kind < BLOCK_KIND_CNT && b->depth <= BLOCK_DEPTH_MAX &&
	       b->size == len && b->tag_cap % BLOCK_TAG_STEP == 0 && b->tag_cap > 0 && b->cnt <= b->tag_cap &&
	       block_head_size(b->tag_cap) <= len && (b->prefix & below) == 0 && b->birth == 0;
}

static bool sum_is_right(const struct block *b, size_t len)
{
	static const uint8_t zero[sizeof(b->sum)] = {0};
	XXH3_state_t state;

	/* As sum_of, with the sum's own place taken as 0. */
	XXH3_INITSTATE(&state);
	XXH3_64bits_reset_withSeed(&state, BLOCK_VERSION);
	XXH3_64bits_update(&state, b, offsetof(struct block, sum));
	XXH3_64bits_update(&state, zero, sizeof(zero));
	XXH3_64bits_update(&state, &b->prefix, len - offsetof(struct block, prefix));
	return (uint32_t)XXH3_64bits_digest(&state) == b->sum;
}

bool block_is_sound(const void *octets, size_t len)
{
	const struct block *b = octets;

	if (len < sizeof(*b) || len > BLOCK_SIZE_MAX || !head_is_sound(b, len) || !sum_is_right(b, len))
		return false;
	for (unsigned i = 0; i < b->cnt; i++) {
		size_t off = (size_t)((const uint8_t *)block_entry(b, i) - (const uint8_t *)b);

		if (off < block_head_size(b->tag_cap) || off + sizeof(struct entry) > len)
			return false;
	}
	return true;
}
