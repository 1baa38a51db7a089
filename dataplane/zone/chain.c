/*
 * The chains among NSEC3 records: the builder's account of them, and which one answers come from. Contracts in the headers.
 * For the builder only.
 */
#include "dataplane/zone/chain.h"
#include "dataplane/zone/builder_internal.h"
#include "dataplane/zone/order.h"

#include <errno.h>
#include <stdlib.h>

/* Chains whose apex is hashed to see whether they are in use. A zone that changes its parameters has two. */
#define CANDIDATES_MAX 4

#define SALT_AT	 5 /* in record data: algorithm, flags, iterations, length of the salt */
#define SALT_MAX UINT8_MAX

/* The parameters as a number: equal for equal algorithm, iterations and salt. rdata: of NSEC3 or NSEC3PARAM. */
static uint64_t chain_id(uint64_t key, const uint8_t *rdata)
{
	uint8_t params[SALT_AT + SALT_MAX];
	size_t len = SALT_AT + (size_t)rdata[SALT_AT - 1];

	memcpy(params, rdata, len);
	params[1] = 0; /* opt-out is a record's own affair */
	return name_hash_child(key, params, len);
}

/* RFC 5155 3.1.7: SHA-1, and a whole hash of it; see nsec3_chain_record. */
static bool is_usable(const uint8_t *rdata)
{
	return rdata[0] == 1 && rdata[SALT_AT + rdata[SALT_AT - 1]] == NSEC3_HASH_LEN;
}

static bool ids_have(const struct chain_ids *ids, uint64_t id)
{
	for (unsigned i = 0; i < ids->cnt; i++)
		if (ids->v[i] == id)
			return true;
	return false;
}

/* Keeps the lowest ones, whatever the order they come in. */
static void ids_add(struct chain_ids *ids, uint64_t id)
{
	unsigned at = ids->cnt;

	if (ids_have(ids, id))
		return;
	if (at == CHAIN_IDS_MAX && ids->v[--at] < id)
		return;
	for (; at > 0 && ids->v[at - 1] > id; at--)
		ids->v[at] = ids->v[at - 1];
	ids->v[at] = id;
	ids->cnt += ids->cnt < CHAIN_IDS_MAX;
}

void chain_ids_of(struct chain_ids *ids, uint64_t key, const struct records *r)
{
	ids->cnt = 0;
	for (unsigned i = 0; i < r->cnt; i++)
		if (r->v[i].type == DNS_TYPE_NSEC3 && is_usable(record_data(r, &r->v[i])))
			ids_add(ids, chain_id(key, record_data(r, &r->v[i])));
}

/* Brings the keys of one owner from one set of chains to the other. label: in lower case. */
static int set_keys(struct draft *d, const uint8_t *label, const struct chain_ids *before,
		    const struct chain_ids *after)
{
	uint8_t hash[NSEC3_HASH_LEN], key[CHAIN_KEY_LEN];
	int rc = 0;

	nsec3_label_hash(label, hash);
	for (unsigned i = 0; i < before->cnt && rc == 0; i++) {
		chain_key(key, before->v[i], hash);
		if (!ids_have(after, before->v[i]))
			rc = order_del(d, key, sizeof(key));
	}
	for (unsigned i = 0; i < after->cnt && rc == 0; i++) {
		chain_key(key, after->v[i], hash);
		if (!ids_have(before, after->v[i]))
			rc = order_add(d, key, sizeof(key));
	}
	return rc;
}

int chain_note(struct builder *b, const struct owner *o, const struct entry *old,
	       const struct chain_ids *before, const struct records *r)
{
	struct chain_state *c = &b->draft.chains;
	struct chain_ids after;

	chain_ids_of(&after, b->key, r);
	if (c->first == 0 && after.cnt > 0)
		c->first = after.v[0];
	c->strays -= old != NULL && !ids_have(before, c->first);
	c->strays += r->cnt > 0 && !ids_have(&after, c->first);
	return c->keyed ? set_keys(&b->draft, o->lower + 1, before, &after) : 0;
}

/* Gives every record its key. */
static int make_keys(struct builder *b, const struct snapshot *s)
{
	const struct chain_ids none = {.cnt = 0};
	const struct block *block;
	uint64_t at = 0;
	bool done = false;
	int rc = 0;

	while (rc == 0 && (block = tree_next_block(s->base, &s->tree[BLOCK_NSEC3], &at, &done)) != NULL)
		for (unsigned i = 0; i < block->cnt && rc == 0; i++) {
			const struct entry *e = block_entry(block, i);
			struct chain_ids ids = {.cnt = 0};
			struct rrset set = {.len = 0};

			entry_set(s, e, DNS_TYPE_NSEC3, &set);
			for (uint32_t off = 0; off < set.len; off += 12u + wire_load16(set.body + off + 10))
				if (is_usable(set.body + off + 12))
					ids_add(&ids, chain_id(b->key, set.body + off + 12));
			rc = set_keys(&b->draft, e->rest + 1, &none, &ids);
		}
	b->draft.chains.keyed = true;
	return rc;
}

/* The chain is the one to be searched from now on. */
static int prepare_search(struct builder *b, struct snapshot *s, uint64_t id)
{
	const struct chain_state *c = &b->draft.chains;
	int rc = 0;

	if (!c->keyed && (c->first != id || c->strays > CHAIN_STRAYS_MAX))
		rc = make_keys(b, s);
	s->order_root = b->draft.order_root;
	s->chains = b->draft.chains;
	s->info.bytes = b->draft.bytes;
	return rc;
}

/*
 * Whether the chain is in use. With no more iterations than we hash it is if the apex has a record of it, as RFC 5155 7.1
 * demands; of a chain with more (SNAPSHOT_NSEC3_ITERATIONS_MAX) any record tells a validator that number, and is found
 * without a hash. *rc < 0: out of memory.
 */
static bool in_use(struct builder *b, struct snapshot *s, struct nsec3_chain *c, int *rc)
{
	bool hashed = wire_load16(c->params + 2) <= SNAPSHOT_NSEC3_ITERATIONS_MAX;

	memset(c->apex_hash, 0, sizeof(c->apex_hash));
	if (hashed) {
		nsec3_hash(c->params, b->apex_lower, c->apex_hash);
		b->report.nsec3_rounds += 1u + wire_load16(c->params + 2);
		if (!snapshot_nsec3_at(s, c->apex_hash, &c->apex) || !c->apex.exact)
			return false;
	}
	*rc = prepare_search(b, s, c->id);
	if (*rc < 0 || hashed)
		return *rc == 0;
	if (!snapshot_nsec3_at(s, c->apex_hash, &c->apex))
		return false;
	nsec3_label_hash(c->apex.rel + 1, c->apex_hash);
	c->apex.exact = true;
	return true;
}

/* What name errors directly below the apex need. */
static bool find_wildcard(struct builder *b, struct snapshot *s, struct nsec3_chain *c)
{
	uint8_t wildcard[NAME_LEN_MAX + 2] = {1, '*'};

	/* An apex that leaves no room for a wildcard has none, and no name error needs one denied. */
	if (b->apex_len + 2u > NAME_LEN_MAX) {
		c->wildcard = c->apex;
		return true;
	}
	memcpy(wildcard + 2, b->apex_lower, b->apex_len);
	return snapshot_nsec3(s, wildcard, &c->wildcard);
}

/* The first chain in use among those with few iterations, or among the others. Returns 1, 0 if there is none, or -ENOMEM. */
static int choose_among(struct builder *b, struct snapshot *s, const struct rrset *params, bool few)
{
	struct nsec3_chain *c = s->nsec3;
	unsigned tried = 0;
	int rc = 0;

	for (uint32_t off = 0; off < params->len && tried < CANDIDATES_MAX && rc == 0;
	     off += 12u + wire_load16(params->body + off + 10)) {
		c->params = params->body + off + 12;
		/* SHA-1, and flags 0: RFC 5155 4.1.2. */
		if (c->params[0] != 1 || c->params[1] != 0 ||
		    (wire_load16(c->params + 2) <= SNAPSHOT_NSEC3_ITERATIONS_MAX) != few)
			continue;
		tried++;
		c->id = chain_id(s->key, c->params);
		if (in_use(b, s, c, &rc) && find_wildcard(b, s, c))
			return 1;
	}
	return rc;
}

int chain_choose(struct builder *b, struct snapshot *s)
{
	struct rrset params;
	int rc;

	if (!tree_exists(&s->tree[BLOCK_NSEC3]) || !entry_set(s, s->apex, DNS_TYPE_NSEC3PARAM, &params))
		return 0;
	s->nsec3 = calloc(1, sizeof(*s->nsec3));
	if (s->nsec3 == NULL)
		return -ENOMEM;
	s->nsec3->number = arena_number(b->draft.arena);
	rc = choose_among(b, s, &params, true);
	if (rc == 0)
		rc = choose_among(b, s, &params, false);
	if (rc <= 0) {
		free(s->nsec3);
		s->nsec3 = NULL;
	}
	s->info.has_nsec3 = rc > 0;
	return rc < 0 ? rc : 0;
}
