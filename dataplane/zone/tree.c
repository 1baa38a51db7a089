/* Walking a directory. Pure. */
#include "dataplane/zone/tree.h"

struct block *tree_next_block(uint8_t *base, const struct tree *t, uint64_t *key, bool *done)
{
	struct block *b;
	uint64_t last;

	if (*done || !tree_exists(t))
		return NULL;
	b = tree_block(base, t, *key);
	last = b->prefix | (b->depth == 0 ? UINT64_MAX : UINT64_MAX >> b->depth);
	*done = last == UINT64_MAX;
	*key = last + 1;
	return b;
}
