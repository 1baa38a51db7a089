/*
 * Names and their ancestors: empty non-terminals (RFC 4592 2.2.2), the number of children that keeps one alive, and
 * the wildcard mark. The apex always exists and counts no children. For the builder only.
 */
#include "dataplane/zone/builder_internal.h"

#include <errno.h>

uint32_t entry_children(const struct entry *e)
{
	if (!(e->flags & ENTRY_PARENT))
		return 0;
	return set_get32(e->rest + (e->flags & ENTRY_CASE ? 2u : 1u) * e->rel_len);
}

bool family_below(const struct builder *b, const struct owner *o, unsigned *out_top)
{
	const struct entry *apex = owner_find(b, o, o->rel_labels);
	bool occluded = o->rel_labels > 0 && apex->flags & ENTRY_DNAME;
	unsigned top = o->rel_labels;

	while (!occluded && --top > 0 && top < o->rel_labels) {
		const struct entry *e = owner_find(b, o, top);

		if (e == NULL)
			break;
		occluded = (e->flags & (ENTRY_CUT | ENTRY_DNAME)) != 0;
	}
	if (occluded && out_top != NULL)
		*out_top = top;
	return occluded;
}

/* The same entry with another number of children. */
static int set_children(struct builder *b, uint64_t key, const struct entry *e, uint32_t children)
{
	size_t names = (e->flags & ENTRY_CASE ? 2u : 1u) * e->rel_len;
	size_t size = entry_size(BLOCK_NAMES, e);
	const uint8_t *sets = entry_sets(e);
	size_t sets_len = size - (size_t)(sets - (const uint8_t *)e);
	uint8_t *out = b->spare;

	if (children > 0 && e->flags & ENTRY_PARENT) {
		struct entry *own = draft_touch(&b->draft, BLOCK_NAMES, key, e);

		if (own == NULL)
			return -ENOMEM;
		memcpy(own->rest + names, &children, sizeof(children));
		return 0;
	}
	memcpy(out, e, sizeof(*e) + names);
	out[0] = (uint8_t)(children > 0 ? e->flags | ENTRY_PARENT : e->flags & ~ENTRY_PARENT);
	out += sizeof(*e) + names;
	if (children > 0) {
		memcpy(out, &children, sizeof(children));
		out += sizeof(children);
	}
	/* Four octets more or less keep the padding of the sets right. */
	memcpy(out, sets, sets_len);
	return draft_replace(&b->draft, BLOCK_NAMES, key, e, b->spare, (size_t)(out - b->spare) + sets_len);
}

static int set_flags(struct builder *b, uint64_t key, const struct entry *e, unsigned flags)
{
	struct entry *own;

	if (e->flags == flags)
		return 0;
	own = draft_touch(&b->draft, BLOCK_NAMES, key, e);
	if (own == NULL)
		return -ENOMEM;
	own->flags = (uint8_t)flags;
	return 0;
}

static bool is_wildcard(const struct owner *o, unsigned label)
{
	return o->lower[o->off[label]] == 1 && o->lower[o->off[label] + 1] == '*';
}

/* The name at label has come (or gone): its parent, which may move, learns it. */
static int tell_parent(struct builder *b, const struct owner *o, unsigned label, const struct entry *parent,
		       bool come)
{
	uint64_t key = o->hash[label + 1];

	if (is_wildcard(o, label)) {
		int rc = set_flags(b, key, parent,
				   come ? parent->flags | ENTRY_WILDCARD_CHILD
					: parent->flags & ~(unsigned)ENTRY_WILDCARD_CHILD);

		if (rc < 0)
			return rc;
		parent = owner_find(b, o, label + 1);
	}
	if (label + 1u == o->rel_labels)
		return 0;
	return set_children(b, key, parent, entry_children(parent) + (come ? 1 : -1u));
}

/* An empty non-terminal, which has one child from the start: the next label of o. */
static int insert_between(struct builder *b, const struct owner *o, unsigned label, bool below)
{
	size_t len = (size_t)o->rel_len - o->off[label];
	uint8_t *ent = b->spare;
	uint32_t children = 1;

	ent[0] = ENTRY_EMPTY | ENTRY_PARENT | (below ? ENTRY_BELOW : 0) |
		 (is_wildcard(o, label - 1) ? ENTRY_WILDCARD_CHILD : 0);
	ent[1] = (uint8_t)len;
	memcpy(ent + 2, o->lower + o->off[label], len);
	memcpy(ent + 2 + len, &children, sizeof(children));
	return draft_insert(&b->draft, BLOCK_NAMES, o->hash[label], ent, 2 + len + sizeof(children));
}

int family_join(struct builder *b, const struct owner *o, bool *out_below)
{
	unsigned found = 1;
	const struct entry *e;
	bool below;
	int rc;

	*out_below = false;
	if (o->rel_labels == 0)
		return 0;
	while ((e = owner_find(b, o, found)) == NULL)
		found++; /* the apex is there always */
	below = (e->flags & (found == o->rel_labels ? ENTRY_DNAME : ENTRY_CUT | ENTRY_DNAME | ENTRY_BELOW)) !=
		0;
	*out_below = below;
	rc = tell_parent(b, o, found - 1, e, true);
	for (unsigned label = found; rc == 0 && label-- > 1;)
		rc = insert_between(b, o, label, below);
	return rc;
}

int family_leave(struct builder *b, const struct owner *o)
{
	for (unsigned label = 0; label < o->rel_labels; label++) {
		const struct entry *parent = owner_find(b, o, label + 1);
		int rc = tell_parent(b, o, label, parent, false);

		if (rc < 0 || label + 1u == o->rel_labels)
			return rc;
		parent = owner_find(b, o, label + 1);
		if (!(parent->flags & ENTRY_EMPTY) || parent->flags & ENTRY_PARENT)
			return 0;
		rc = draft_remove(&b->draft, BLOCK_NAMES, o->hash[label + 1], parent);
		if (rc < 0)
			return rc;
	}
	return 0;
}
