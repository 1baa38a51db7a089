/* Changing the directory of a draft. Only pointers move here, never entries. Contracts in draft_internal.h. */
#include "dataplane/zone/draft_internal.h"
#include "dataplane/zone/order.h"

#include <errno.h>

static unsigned slot_bits(uint64_t slot)
{
	return (unsigned)(slot >> 32);
}

static uint64_t slot_make(unsigned bits, uint32_t ref)
{
	return (uint64_t)bits << 32 | ref;
}

static uint32_t node_new(struct draft *d, size_t octets)
{
	uint32_t ref = draft_alloc(d, sizeof(struct tree_node) + octets);

	if (ref != 0)
		((struct tree_node *)arena_at(d->base, ref))->birth = d->version;
	return ref;
}

static uint64_t node_birth(const struct draft *d, uint32_t ref)
{
	return ((const struct tree_node *)arena_at(d->base, ref))->birth;
}

/* The slot of key, writable. NULL: no memory. */
static uint64_t *slot_open(struct draft *d, struct tree *t, uint64_t key)
{
	size_t octets = sizeof(uint64_t) << t->root_bits;
	uint32_t ref;

	if (t->root_bits == 0)
		return &t->slot;
	if (node_birth(d, t->root) != d->version) {
		ref = node_new(d, octets);
		if (ref == 0)
			return NULL;
		memcpy(tree_root_slots(d->base, ref), tree_root_slots(d->base, t->root), octets);
		if (draft_drop(d, t->root, node_birth(d, t->root)) < 0) {
			arena_release(d->arena, ref);
			return NULL;
		}
		t->root = ref;
	}
	return &tree_root_slots(d->base, t->root)[key >> (64 - t->root_bits)];
}

/* The references of *slot's node, writable. */
static uint32_t *node_open(struct draft *d, uint64_t *slot)
{
	size_t octets = sizeof(uint32_t) << slot_bits(*slot);
	uint32_t old = (uint32_t)*slot;
	uint32_t ref;

	if (node_birth(d, old) != d->version) {
		ref = node_new(d, octets);
		if (ref == 0)
			return NULL;
		memcpy(tree_node_refs(d->base, ref), tree_node_refs(d->base, old), octets);
		if (draft_drop(d, old, node_birth(d, old)) < 0) {
			arena_release(d->arena, ref);
			return NULL;
		}
		*slot = slot_make(slot_bits(*slot), ref);
	}
	return tree_node_refs(d->base, (uint32_t)*slot);
}

/*
 * The cnt slots from slot on refer to a, their second half to b. Where blocks were merged until one filled a node, that node
 * goes. All or nothing: what may fail comes first, and a draft that is given up forgets it.
 */
static int slots_point(struct draft *d, uint64_t *slot, size_t cnt, uint32_t a, uint32_t b)
{
	for (size_t i = 0; i < cnt; i++) {
		uint32_t node = slot_bits(slot[i]) > 0 ? (uint32_t)slot[i] : 0;

		if (node != 0 && node_birth(d, node) != d->version &&
		    draft_drop(d, node, node_birth(d, node)) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0; i < cnt; i++) {
		uint32_t node = slot_bits(slot[i]) > 0 ? (uint32_t)slot[i] : 0;

		if (node != 0 && node_birth(d, node) == d->version)
			draft_drop(d, node, d->version);
		slot[i] = slot_make(0, i < cnt / 2 ? a : b);
	}
	return 0;
}

int directory_point(struct draft *d, uint8_t kind, uint64_t prefix, unsigned depth, uint32_t a, uint32_t b)
{
	struct tree *t = &d->tree[kind];
	uint64_t *slot = slot_open(d, t, prefix);
	uint32_t *refs;
	size_t cnt;

	if (slot == NULL)
		return -ENOMEM;
	if (depth < t->root_bits)
		return slots_point(d, slot, (size_t)1 << (t->root_bits - depth), a, b);
	if (slot_bits(*slot) == 0) {
		*slot = slot_make(0, a);
		return 0;
	}
	refs = node_open(d, slot);
	if (refs == NULL)
		return -ENOMEM;
	refs += tree_node_index(t, *slot, prefix);
	cnt = (size_t)1 << (t->root_bits + slot_bits(*slot) - depth);
	for (size_t i = 0; i < cnt; i++)
		refs[i] = i < cnt / 2 || cnt == 1 ? a : b;
	return 0;
}

/*
 * One bit of the slot's node becomes a bit of the root: the halves of the node are nodes of their own. root_bits: with that bit.
 * A half that is one block becomes a slot without a node: a block that is as shallow as the root stands in slots alone, or
 * the next bit would leave it in two nodes, and who visits the tree would meet it twice.
 */
static int slot_halve(struct draft *d, uint64_t slot, unsigned root_bits, uint64_t out[2])
{
	unsigned bits = slot_bits(slot);
	size_t half = bits == 0 ? 0 : (size_t)1 << (bits - 1);
	const uint32_t *refs;
	uint32_t ref;

	if (bits == 0) {
		out[0] = out[1] = slot;
		return 0;
	}
	refs = tree_node_refs(d->base, (uint32_t)slot);
	for (unsigned side = 0; side < 2; side++, refs += half) {
		if (((const struct block *)arena_at(d->base, refs[0]))->depth <= root_bits) {
			out[side] = slot_make(0, refs[0]);
			continue;
		}
		ref = node_new(d, half * sizeof(uint32_t));
		if (ref == 0) {
			if (side > 0 && slot_bits(out[0]) > 0)
				arena_release(d->arena, (uint32_t)out[0]);
			return -ENOMEM;
		}
		memcpy(tree_node_refs(d->base, ref), refs, half * sizeof(uint32_t));
		out[side] = slot_make(bits - 1, ref);
	}
	return 0;
}

/* All or nothing: what is old is dropped only when all that is new exists. */
static int root_double(struct draft *d, struct tree *t)
{
	size_t cnt = (size_t)1 << t->root_bits;
	uint32_t root = node_new(d, cnt * 2 * sizeof(uint64_t));
	const uint64_t *old = t->root_bits == 0 ? &t->slot : tree_root_slots(d->base, t->root);
	uint64_t *slots;
	int rc = 0;

	if (root == 0)
		return -ENOMEM;
	slots = tree_root_slots(d->base, root);
	for (size_t i = 0; i < cnt; i++) {
		if (slot_halve(d, old[i], t->root_bits + 1u, &slots[i * 2]) == 0)
			continue;
		for (size_t k = 0; k < i * 2; k++)
			if (slot_bits(slots[k]) > 0)
				arena_release(d->arena, (uint32_t)slots[k]);
		arena_release(d->arena, root);
		return -ENOMEM;
	}
	for (size_t i = 0; i < cnt; i++)
		if (slot_bits(old[i]) > 0)
			rc |= draft_drop(d, (uint32_t)old[i], node_birth(d, (uint32_t)old[i]));
	if (t->root_bits > 0)
		rc |= draft_drop(d, t->root, node_birth(d, t->root));
	t->root = root;
	t->root_bits++;
	t->slot = 0;
	return rc < 0 ? -ENOMEM : 0;
}

static int node_double(struct draft *d, uint64_t *slot)
{
	unsigned bits = slot_bits(*slot);
	size_t cnt = (size_t)1 << bits;
	uint32_t old = (uint32_t)*slot;
	uint32_t ref = node_new(d, cnt * 2 * sizeof(uint32_t));
	uint32_t *refs;

	if (ref == 0)
		return -ENOMEM;
	refs = tree_node_refs(d->base, ref);
	for (size_t i = 0; i < cnt; i++)
		refs[i * 2] = refs[i * 2 + 1] = bits == 0 ? old : tree_node_refs(d->base, old)[i];
	*slot = slot_make(bits + 1, ref);
	return bits == 0 ? 0 : draft_drop(d, old, node_birth(d, old));
}

int directory_deepen(struct draft *d, uint8_t kind, uint64_t prefix, unsigned depth)
{
	struct tree *t = &d->tree[kind];

	for (;;) {
		uint64_t *slot = slot_open(d, t, prefix);
		int rc;

		if (slot == NULL)
			return -ENOMEM;
		if (depth < t->root_bits + slot_bits(*slot))
			return 0;
		if (slot_bits(*slot) >= TREE_NODE_BITS && t->root_bits < TREE_ROOT_BITS_MAX)
			rc = root_double(d, t);
		else if (slot_bits(*slot) < TREE_NODE_BITS_MAX)
			rc = node_double(d, slot);
		else
			return -ENOSPC;
		if (rc < 0)
			return rc;
	}
}

static void visit_node(uint8_t *base, uint64_t slot, uint64_t after, tree_visit_fn fn, void *arg)
{
	uint32_t ref = (uint32_t)slot;
	const uint32_t *refs = &ref;
	size_t cnt = (size_t)1 << slot_bits(slot);

	if (slot_bits(slot) > 0) {
		if (((const struct tree_node *)arena_at(base, ref))->birth <= after)
			return;
		refs = tree_node_refs(base, ref);
	}
	for (size_t i = 0; i < cnt; i++) {
		const struct block *b = arena_at(base, refs[i]);

		/* Slots of one block lie side by side: it is visited at the last of them. */
		if (b->birth > after && (i + 1 == cnt || refs[i + 1] != refs[i]))
			fn(arg, refs[i]);
	}
	if (slot_bits(slot) > 0)
		fn(arg, ref);
}

void tree_visit_younger(uint8_t *base, const struct tree *t, uint64_t after, tree_visit_fn fn, void *arg)
{
	const uint64_t *slots = &t->slot;
	size_t cnt = (size_t)1 << t->root_bits;

	if (!tree_exists(t))
		return;
	if (t->root_bits > 0) {
		if (((const struct tree_node *)arena_at(base, t->root))->birth <= after)
			return;
		slots = tree_root_slots(base, t->root);
	}
	for (size_t i = 0; i < cnt; i++)
		if (i + 1 == cnt || slots[i + 1] != slots[i])
			visit_node(base, slots[i], after, fn, arg);
	if (t->root_bits > 0)
		fn(arg, t->root);
}

static void give_back(void *arg, uint32_t ref)
{
	arena_release(arg, ref);
}

void draft_discard(struct draft *d)
{
	for (unsigned kind = 0; kind < BLOCK_KIND_CNT; kind++)
		tree_visit_younger(d->base, &d->tree[kind], d->version - 1, give_back, d->arena);
	order_visit_younger(d->base, d->order_root, d->version - 1, give_back, d->arena);
}

static void seal(void *arg, uint32_t ref)
{
	arena_seal(arg, ref);
}

void draft_seal(struct draft *d)
{
	if (!arena_protects(d->arena))
		return;
	for (unsigned kind = 0; kind < BLOCK_KIND_CNT; kind++)
		tree_visit_younger(d->base, &d->tree[kind], d->version - 1, seal, d->arena);
	order_visit_younger(d->base, d->order_root, d->version - 1, seal, d->arena);
}
