/*
 * Setting ENTRY_BELOW right when a cut or DNAME came or went above names that were there already. Looks at every name
 * of the zone, as nothing lists the names below another: the canonical order holds owners of NSEC only, which names below
 * a cut are not. The builder avoids it where it can: names that arrive after their cut are marked as they arrive. For
 * the builder only.
 */
#include "dataplane/zone/builder_internal.h"

#include <errno.h>
#include <stdlib.h>

#define CHANGED_FEW 8 /* names compared one by one; beyond, looking hashes up is cheaper */

static int compare_hash(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return (a > b) - (a < b);
}

/* The hashes of the names in cut_changed, in order. */
static uint64_t *changed_hashes(struct builder *b, size_t *out_cnt)
{
	const struct name_list *l = &b->cut_changed;
	uint64_t *v = malloc((l->len + 1) * sizeof(*v)); /* at least an octet each */
	size_t cnt = 0;

	if (v == NULL)
		return NULL;
	for (size_t at = 0; at < l->len; at += 1u + l->octets[at])
		v[cnt++] = draft_rel_hash(&b->draft, l->octets + at + 1, l->octets[at]);
	qsort(v, cnt, sizeof(*v), compare_hash);
	*out_cnt = cnt;
	return v;
}

/*
 * A first look without hashing: whether the octets of one of the names that changed end e's name. Nearly all names are
 * done with here, as cuts above names that stay come one or two at a time.
 */
static bool may_be_concerned(const struct builder *b, const struct entry *e, size_t cnt)
{
	const struct name_list *l = &b->cut_changed;

	if (!b->edit || cnt > CHANGED_FEW)
		return true;
	for (size_t at = 0; at < l->len; at += 1u + l->octets[at]) {
		size_t len = l->octets[at];

		if (e->rel_len > len && name_same(e->rest + (e->rel_len - len), l->octets + at + 1, len))
			return true;
	}
	return false;
}

static bool concerned(const struct builder *b, const struct owner *o, const uint64_t *hashes, size_t cnt)
{
	if (!b->edit)
		return true;
	for (unsigned i = 1; i <= o->rel_labels; i++)
		if (bsearch(&o->hash[i], hashes, cnt, sizeof(*hashes), compare_hash) != NULL)
			return true;
	return false;
}

/* *e may move. */
static int set_below(struct builder *b, const struct owner *o, const struct entry *e)
{
	bool below = family_below(b, o, NULL);
	struct entry *own;

	if (below == ((e->flags & ENTRY_BELOW) != 0))
		return 0;
	own = draft_touch(&b->draft, BLOCK_NAMES, o->hash[0], e);
	if (own == NULL)
		return -ENOMEM;
	builder_count_flags(b, own->flags, own->flags ^ ENTRY_BELOW);
	own->flags ^= ENTRY_BELOW;
	if (own->flags & ENTRY_CUT)
		return name_list_add(&b->glue_dirty, own->rest, own->rel_len);
	return 0;
}

static int occlude_block(struct builder *b, uint64_t key, const uint64_t *hashes, size_t cnt)
{
	unsigned names = tree_block(b->draft.base, &b->draft.tree[BLOCK_NAMES], key)->cnt;

	for (unsigned i = 0; i < names; i++) {
		/* Found again each time: the block is copied at its first change, in the same order. */
		const struct block *blk = tree_block(b->draft.base, &b->draft.tree[BLOCK_NAMES], key);
		const struct entry *e = block_entry(blk, i);
		struct owner o;
		int rc;

		if (e->rel_len == 0 || !may_be_concerned(b, e, cnt))
			continue;
		owner_init_rel(b, &o, e->rest, e->rel_len);
		if (!concerned(b, &o, hashes, cnt))
			continue;
		if (!b->edit && e->flags & ENTRY_CUT &&
		    name_list_add(&b->glue_dirty, e->rest, e->rel_len) < 0)
			return -ENOMEM;
		rc = set_below(b, &o, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int occlude_all(struct builder *b)
{
	size_t cnt = 0;
	uint64_t *hashes = changed_hashes(b, &cnt);
	const struct block *blk;
	uint64_t key = 0, at = 0;
	bool done = false;
	int rc = 0;

	if (hashes == NULL)
		return -ENOMEM;
	while (rc == 0 &&
	       (blk = tree_next_block(b->draft.base, &b->draft.tree[BLOCK_NAMES], &key, &done)) != NULL) {
		rc = builder_is_stopped(b) ? -ECANCELED : occlude_block(b, at, hashes, cnt);
		at = key;
	}
	free(hashes);
	return rc;
}
