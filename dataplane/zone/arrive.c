/*
 * Full builds: owner names on their way in. A record's owner hashes to anywhere in the zone, so in a large one each
 * touches a node and a block that no cache holds. Owners therefore wait in a short queue, in the order of their
 * arrival, while the memory that they will need is asked for: first the directory, then the block, then the place
 * behind its last entry. When the queue is full the oldest is applied. For the builder only.
 */
#include "dataplane/zone/builder_internal.h"

#include <stdlib.h>

/* How many owners behind the newest the block, and then its end, are asked for. */
#define BLOCK_BEHIND (ARRIVAL_CNT / 3)
#define TAIL_BEHIND  (2 * ARRIVAL_CNT / 3)

/*
 * Records of one owner that are kept before they are applied: more than the largest set, so only names with several such
 * sets, endless streams and duplicates ever get there.
 */
#define ARRIVAL_OCTETS (128u << 10)

static struct arrival *arrival_at(const struct builder *b, unsigned behind)
{
	return &b->arrivals[(b->arrival_newest - behind) % ARRIVAL_CNT];
}

static size_t kept_octets(const struct records *r)
{
	return r->len + (size_t)r->cnt * sizeof(*r->v);
}

/* Always inlined: a function that only prefetches counts as having no effect, and GCC drops the calls of it. */
#define ASK static inline __attribute__((always_inline)) void

ASK ask_for_node(const struct builder *b, uint64_t key)
{
	const struct tree *t = &b->draft.tree[BLOCK_NAMES];
	uint64_t slot = *tree_slot(b->draft.base, t, key);

	if (slot >> 32 != 0)
		__builtin_prefetch(tree_node_refs(b->draft.base, (uint32_t)slot) +
				   tree_node_index(t, slot, key));
}

/* Head, tags and offsets. */
ASK ask_for_block(const struct builder *b, uint64_t key)
{
	const uint8_t *p = (const uint8_t *)tree_block(b->draft.base, &b->draft.tree[BLOCK_NAMES], key);

	for (size_t at = 0; at < sizeof(struct block) + BLOCK_NAMES_MAX * 4; at += 64)
		__builtin_prefetch(p + at);
}

ASK ask_for_tail(const struct builder *b, uint64_t key)
{
	const struct block *blk = tree_block(b->draft.base, &b->draft.tree[BLOCK_NAMES], key);

	__builtin_prefetch((const uint8_t *)blk + blk->size, 1);
}

static enum builder_verdict apply(struct builder *b, struct arrival *a)
{
	enum builder_verdict v = builder_apply(b, &a->owner, &a->records);

	records_clear(&a->records);
	return v;
}

void arrivals_fini(struct builder *b)
{
	for (unsigned i = 0; b->arrivals != NULL && i < ARRIVAL_CNT; i++)
		records_fini(&b->arrivals[i].records);
	free(b->arrivals);
}

static enum builder_verdict apply_all(struct builder *b)
{
	enum builder_verdict v = BUILDER_OK;

	for (; b->arrival_cnt > 0 && v == BUILDER_OK; b->arrival_cnt--)
		v = apply(b, arrival_at(b, b->arrival_cnt - 1));
	return v;
}

enum builder_verdict arrivals_end(struct builder *b)
{
	enum builder_verdict v = apply_all(b);

	return v == BUILDER_OK ? late_apply(b) : v;
}

/* Whether name, len octets, is the owner of the newest arrival, octet by octet. */
static bool same_owner(const struct builder *b, const uint8_t *name, size_t len)
{
	const struct arrival *a;

	if (b->arrival_cnt == 0) // and there may be no arrivals at all
		return false;
	a = arrival_at(b, 0);
	return a->raw_len == len && name_same(a->raw, name, len);
}

/* The apex's case is that of the SOA's owner, unless names or bodies hang from another case already. */
static void take_apex_case(struct builder *b, const uint8_t *owner)
{
	if (!b->apex_fixed && b->arrival_cnt == 0 && name_equal(owner, b->apex_lower)) {
		memcpy(b->apex_orig, owner, b->apex_len);
		b->apex_fixed = true;
	}
}

/* Makes room for a new owner and takes it in; nothing, if it is outside the zone. */
static enum builder_verdict take_owner(struct builder *b, const uint8_t *name, size_t len, bool *out_outside)
{
	enum builder_verdict v;
	struct arrival *a;

	if (b->arrival_cnt == ARRIVAL_CNT) {
		v = apply(b, arrival_at(b, ARRIVAL_CNT - 1));
		if (v != BUILDER_OK)
			return v;
		b->arrival_cnt--;
	}
	if (b->arrivals == NULL) {
		b->arrivals = calloc(ARRIVAL_CNT, sizeof(*b->arrivals));
		if (b->arrivals == NULL)
			return builder_fail(b, BUILDER_NO_MEMORY, name, 0);
	}
	a = &b->arrivals[(b->arrival_newest + 1) % ARRIVAL_CNT];
	*out_outside = !owner_init(b, &a->owner, name, len);
	if (*out_outside)
		return BUILDER_OK;
	memcpy(a->raw, name, len);
	a->raw_len = (uint8_t)len;
	b->arrival_newest++;
	b->arrival_cnt++;
	ask_for_node(b, a->owner.hash[0]);
	if (b->arrival_cnt > BLOCK_BEHIND)
		ask_for_block(b, arrival_at(b, BLOCK_BEHIND)->owner.hash[0]);
	if (b->arrival_cnt > TAIL_BEHIND)
		ask_for_tail(b, arrival_at(b, TAIL_BEHIND)->owner.hash[0]);
	return BUILDER_OK;
}

/* The newest owner has many records: brings them into the draft, so that limits are noticed in time. */
static enum builder_verdict spill(struct builder *b, struct arrival *a)
{
	enum builder_verdict v;

	/* All before it come first; it stays, for its next record. */
	b->arrival_cnt--;
	b->arrival_newest--;
	v = apply_all(b);
	if (v == BUILDER_OK)
		v = apply(b, a);
	b->arrival_newest++;
	b->arrival_cnt = 1;
	return v;
}

enum builder_verdict arrivals_add(struct builder *b, const uint8_t *owner, uint16_t type, uint32_t ttl,
				  const uint8_t *rdata, uint16_t rdata_len)
{
	size_t len = name_len(owner);
	struct arrival *a;

	if (!same_owner(b, owner, len)) {
		enum builder_verdict v;
		bool outside = false;

		if (type == DNS_TYPE_SOA)
			take_apex_case(b, owner);
		v = take_owner(b, owner, len, &outside);
		if (v != BUILDER_OK)
			return v;
		if (outside) {
			b->report.skipped_outside++;
			return BUILDER_OK;
		}
	}
	a = arrival_at(b, 0);
	if (records_add(&a->records, type, ttl, rdata, rdata_len, false) < 0)
		return builder_fail(b, BUILDER_NO_MEMORY, owner, type);
	return kept_octets(&a->records) > ARRIVAL_OCTETS ? spill(b, a) : BUILDER_OK;
}
