/* Contract in the header. Not for workers: allocates. */
#include "dataplane/zone/cursor.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/zone/records.h"
#include "dataplane/zone/version.h"

struct snapshot_cursor {
	const struct snapshot *s;
	struct set_source src;
	/* Where it stands: set number set_at of entry number entry_at - 1 of the block. */
	const struct block *block;
	uint64_t key; /* of the next block */
	bool tree_done;
	uint8_t kind; /* enum block_kind of the tree it is in; BLOCK_KIND_CNT: before all of them, in the SOA */
	unsigned entry_at;
	const struct entry *entry;
	unsigned set_iter;
	uint8_t owner[NAME_LEN_MAX];
	size_t owner_len;
	/* The set it is in. */
	struct records records;
	unsigned record_at;
	uint8_t rdata[RDATA_LEN_MAX];
	uint8_t scratch[RECORDS_SCRATCH];
};

struct snapshot_cursor *snapshot_cursor_new(const struct snapshot *s)
{
	struct snapshot_cursor *c = malloc(sizeof(*c));

	if (c == NULL)
		return NULL;
	/* The two buffers, 130 kB, need no clearing. */
	memset(c, 0, offsetof(struct snapshot_cursor, rdata));
	c->s = s;
	c->src = (struct set_source){.base = s->base,
				     .shared = &s->tree[BLOCK_SHARED],
				     .apex = snapshot_apex_name(s),
				     .apex_len = s->apex_len};
	c->kind = BLOCK_KIND_CNT;
	return c;
}

void snapshot_cursor_free(struct snapshot_cursor *c)
{
	if (c == NULL)
		return;
	records_fini(&c->records);
	free(c);
}

static void enter(struct snapshot_cursor *c, const struct entry *e)
{
	c->entry = e;
	c->set_iter = 0;
	c->owner_len = entry_owner_at(&c->src, e, c->owner);
}

/* The entry behind the one it stands in, over blocks and trees. False: there is none. */
static bool next_entry(struct snapshot_cursor *c)
{
	for (;;) {
		if (c->block != NULL && c->entry_at < c->block->cnt) {
			enter(c, block_entry(c->block, c->entry_at++));
			return true;
		}
		c->block = tree_next_block(c->s->base, &c->s->tree[c->kind], &c->key, &c->tree_done);
		c->entry_at = 0;
		if (c->block != NULL)
			continue;
		if (c->kind == BLOCK_NSEC3)
			return false;
		c->kind = BLOCK_NSEC3;
		c->key = 0;
		c->tree_done = false;
	}
}

static int load(struct snapshot_cursor *c, const struct rrset *set)
{
	records_clear(&c->records);
	c->record_at = 0;
	return records_add_set(&c->records, &c->src, c->owner, c->owner_len, set, c->scratch, c->rdata);
}

/* The next set into records. Returns 1, 0 behind the last, or -errno. */
static int next_set(struct snapshot_cursor *c)
{
	struct rrset set;

	if (c->kind == BLOCK_KIND_CNT) {
		enter(c, c->s->apex);
		entry_set(c->s, c->entry, DNS_TYPE_SOA, &set);
		c->entry = NULL;
		c->kind = BLOCK_NAMES;
		set.sig_len = 0; /* its RRSIG comes with the apex */
		return load(c, &set) < 0 ? -ENOMEM : 1;
	}
	while (c->entry == NULL || !entry_next_set(c->s, c->entry, &c->set_iter, &set))
		if (!next_entry(c))
			return 0;
	return load(c, &set) < 0 ? -ENOMEM : 1;
}

int snapshot_cursor_next(struct snapshot_cursor *c, struct snapshot_record *out)
{
	const struct record *r;

	do {
		while (c->record_at == c->records.cnt) {
			int rc = next_set(c);

			if (rc <= 0)
				return rc;
		}
		r = &c->records.v[c->record_at++];
		/* The SOA has come first, when no entry had been entered. */
	} while (r->type == DNS_TYPE_SOA && c->entry != NULL);
	*out = (struct snapshot_record){.owner = c->owner,
					.rdata = record_data(&c->records, r),
					.ttl = r->ttl,
					.rdata_len = r->len,
					.type = r->type};
	return 1;
}
