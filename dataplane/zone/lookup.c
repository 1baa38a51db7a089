/*
 * Finding names. Hot path: no malloc, lock, log, syscall, shared write, division. Any registered reader.
 *
 * A lookup is a chain of probes, each "is this suffix an entry?": the whole name first, its parent when there is
 * none, and so on. The probes of a burst go in step: all read their directory slot, then their node, then their
 * block's tags, then their entry, each step asking for the memory of the next, so that a burst waits for memory a
 * few times, not a few times per name. The first probe has slot and node in one step, as the slots of a zone lie in
 * caches. Most names are found by it and leave.
 *
 * Ancestors of an entry are entries (empty non-terminals exist), so "is an entry" is true from the closest encloser
 * upwards and false below it. The parent is tried second, since it mostly is the encloser; after that the search
 * halves, so that a name of 127 labels costs 9 probes, not 127.
 */
#include "dataplane/zone/lookup.h"
#include "dataplane/zone/version.h"

enum step {
	STEP_NAME,     /* the name itself */
	STEP_ENCLOSER, /* looking for the closest encloser between lo and hi */
	STEP_TOP,      /* below a cut or DNAME: looking for the topmost, from the apex down */
	STEP_WILDCARD, /* "*" below the encloser */
	STEP_DONE,
};

/* One lookup under way. */
struct probe {
	struct lookup *l;
	const struct entry *found;
	union {
		const void *at; /* what was asked for last */
		const uint64_t *slot;
		const uint32_t *ref;
		const struct block *block;
	};
	const struct entry *candidate;
	uint64_t key;
	uint8_t step;
	uint8_t label; /* probed */
	uint8_t lo;    /* STEP_ENCLOSER: not an entry from here down ... */
	uint8_t hi;    /* ... and an entry from here up */
};

static void prefetch(const void *p)
{
	__builtin_prefetch(p, 0, 3);
}

static void start(struct probe *p, enum step step, unsigned label)
{
	const struct lookup *l = p->l;

	p->step = step;
	p->label = (uint8_t)label;
	p->key = l->hashes->hash[label];
}

static void finish(struct probe *p, enum lookup_kind kind, unsigned label, const struct entry *e)
{
	p->l->kind = kind;
	p->l->label = (uint8_t)label;
	p->l->entry = e;
	p->step = STEP_DONE;
}

static void set_encloser(struct probe *p, unsigned label, const struct entry *e)
{
	p->l->encloser_label = (uint8_t)label;
	p->l->encloser = e;
}

/* The topmost cut or DNAME above p->hi, which is below one. */
static void search_top(struct probe *p)
{
	const struct lookup *l = p->l;

	if (l->snap->apex->flags & ENTRY_DNAME)
		finish(p, LOOKUP_DNAME, l->apex_label, l->snap->apex);
	else
		start(p, STEP_TOP, l->apex_label - 1u);
}

/* The closest encloser of a name that is no entry is known. */
static void at_encloser(struct probe *p, unsigned label, const struct entry *e)
{
	set_encloser(p, label, e);
	if (e->flags & ENTRY_BELOW) {
		search_top(p);
	} else if (e->flags & ENTRY_CUT) {
		finish(p, LOOKUP_CUT, label, e);
	} else if (e->flags & ENTRY_DNAME) {
		finish(p, LOOKUP_DNAME, label, e);
	} else if (e->flags & ENTRY_WILDCARD_CHILD) {
		start(p, STEP_WILDCARD, label);
		p->key = name_hash_child(p->key, (const uint8_t *)"*", 1);
	} else {
		finish(p, LOOKUP_MISSING, label, NULL);
	}
}

static void at_name(struct probe *p, const struct entry *e)
{
	set_encloser(p, p->label, e);
	if (e->flags & ENTRY_BELOW)
		search_top(p);
	else
		finish(p, e->flags & ENTRY_CUT ? LOOKUP_CUT : LOOKUP_EXACT, p->label, e);
}

/* What follows from a probe that found e, or nothing. */
static void advance(struct probe *p, const struct entry *e)
{
	struct lookup *l = p->l;

	switch ((enum step)p->step) {
	case STEP_NAME:
		if (e != NULL) {
			at_name(p, e);
			return;
		}
		p->lo = 0;
		p->hi = l->apex_label;
		p->found = l->snap->apex;
		if (p->hi == 1)
			at_encloser(p, 1, p->found);
		else
			start(p, STEP_ENCLOSER, 1);
		return;
	case STEP_ENCLOSER:
		if (e != NULL) {
			p->hi = p->label;
			p->found = e;
		} else {
			p->lo = p->label;
		}
		if (p->hi - p->lo == 1)
			at_encloser(p, p->hi, p->found);
		else
			start(p, STEP_ENCLOSER, (p->lo + p->hi) / 2u);
		return;
	case STEP_TOP:
		/* An ancestor of an entry: it exists. */
		if (e != NULL && e->flags & ENTRY_CUT)
			finish(p, LOOKUP_CUT, p->label, e);
		else if (e != NULL && e->flags & ENTRY_DNAME)
			finish(p, LOOKUP_DNAME, p->label, e);
		else if (p->label > 0)
			start(p, STEP_TOP, p->label - 1u);
		else
			finish(p, LOOKUP_MISSING, 0, NULL); /* not reached: ENTRY_BELOW says there is one */
		return;
	case STEP_WILDCARD:
		finish(p, e == NULL ? LOOKUP_MISSING : LOOKUP_WILDCARD, p->label, e);
		return;
	case STEP_DONE:
		return;
	}
}

/* Of the name that p asks for, the part below the apex; the wildcard's has two octets more in front. */
static bool is_probed(const struct probe *p, const struct entry *e)
{
	const struct lookup *l = p->l;
	unsigned from = l->hashes->off[p->label];
	unsigned len = l->hashes->off[l->apex_label] - from;

	if (p->step != STEP_WILDCARD)
		return entry_is(e, l->name + from, len);
	return e->rel_len == len + 2 && e->rest[0] == 1 && e->rest[1] == '*' &&
	       name_same(e->rest + 2, l->name + from, len);
}

static inline void probe_slot(struct probe *p)
{
	p->slot = tree_slot(p->l->snap->base, &p->l->snap->tree[BLOCK_NAMES], p->key);
	prefetch(p->slot);
}

static inline void probe_node(struct probe *p)
{
	p->ref = tree_ref(p->l->snap->base, &p->l->snap->tree[BLOCK_NAMES], p->slot, p->key);
	prefetch(p->ref);
}

/* Header, tags, and the first offsets of most blocks. */
static inline void prefetch_block(const struct block *b)
{
	const uint8_t *octets = (const uint8_t *)b;

	prefetch(octets);
	prefetch(octets + 64);
	prefetch(octets + 128);
	prefetch(octets + 192);
}

static inline void probe_block(struct probe *p)
{
	p->block = arena_at(p->l->snap->base, *p->ref);
	prefetch_block(p->block);
}

/* The first entry whose tag agrees, asked for; nearly always the only one. NULL: none. */
static inline const struct entry *first_of_tag(const struct block *b, uint64_t key)
{
	const struct entry *e;
	uint32_t hits;
	unsigned at = 0;

	while ((hits = block_match16(block_tags_const(b) + at, (uint16_t)key)) == 0) {
		at += BLOCK_TAG_STEP;
		if (at >= b->cnt)
			return NULL;
	}
	at += block_match_first(hits);
	if (at >= b->cnt)
		return NULL;
	e = block_entry(b, at);
	prefetch(e);
	prefetch((const uint8_t *)e + 63);
	return e;
}

static inline void probe_tags(struct probe *p)
{
	p->candidate = first_of_tag(p->block, p->key);
}

static void probe_entry(struct probe *p)
{
	const struct block *b = p->block;
	const struct entry *e = p->candidate;

	if (e != NULL && !is_probed(p, e)) {
		e = NULL;
		for (unsigned i = 0; i < b->cnt && e == NULL; i++)
			if (block_tags_const(b)[i] == (uint16_t)p->key && is_probed(p, block_entry(b, i)))
				e = block_entry(b, i);
	}
	advance(p, e);
}

/*
 * The first probe of all, for the name itself: most names are found by it. The stages are those of the general probe with
 * what is known beforehand left out; slots are not waited for, as all of a zone fit into a cache.
 */
struct first {
	uint8_t *base;
	uint64_t key;
	union {
		const uint32_t *ref;
		const struct block *block;
	};
	const struct entry *candidate;
};

static inline void first_node(struct first *f, const struct lookup *l)
{
	const struct tree *t = &l->snap->tree[BLOCK_NAMES];
	uint64_t key = l->hashes->hash[0];

	f->base = l->snap->base;
	f->key = key;
	f->ref = tree_ref(f->base, t, tree_slot(f->base, t, key), key);
	prefetch(f->ref);
}

static inline void first_block(struct first *f)
{
	f->block = arena_at(f->base, *f->ref);
	prefetch_block(f->block);
}

/* Whether the name is missing directly below an apex that has no wildcard, as most names that are missing; then it is done with. */
static inline bool first_missing(struct lookup *l)
{
	const struct entry *apex = l->snap->apex;

	if (l->apex_label != 1 ||
	    apex->flags & (ENTRY_BELOW | ENTRY_CUT | ENTRY_DNAME | ENTRY_WILDCARD_CHILD))
		return false;
	l->kind = LOOKUP_MISSING;
	l->label = 1;
	l->encloser_label = 1;
	l->entry = NULL;
	l->encloser = apex;
	return true;
}

/* Whether the name was found by its first candidate, and is done with. */
static inline bool first_entry(const struct first *f, struct lookup *l)
{
	const struct entry *e = f->candidate;

	if (e == NULL)
		return first_missing(l);
	if (!entry_is(e, l->name, l->hashes->off[l->apex_label]) || e->flags & (ENTRY_BELOW | ENTRY_CUT))
		return false;
	l->kind = LOOKUP_EXACT;
	l->label = 0;
	l->encloser_label = 0;
	l->entry = e;
	l->encloser = e;
	return true;
}

/* The general probe takes over behind the first one. */
static void first_to_probe(const struct first *f, struct lookup *l, struct probe *p)
{
	p->l = l;
	start(p, STEP_NAME, 0);
	p->block = f->block;
	p->candidate = f->candidate;
	probe_entry(p);
}

/* One step of all probes that are under way. Returns how many still are, theirs first in live. */
static unsigned burst_step(struct probe *probes, uint8_t *live, unsigned live_cnt)
{
	unsigned still = 0;

	for (unsigned i = 0; i < live_cnt; i++)
		probe_slot(&probes[live[i]]);
	for (unsigned i = 0; i < live_cnt; i++)
		probe_node(&probes[live[i]]);
	for (unsigned i = 0; i < live_cnt; i++)
		probe_block(&probes[live[i]]);
	for (unsigned i = 0; i < live_cnt; i++)
		probe_tags(&probes[live[i]]);
	for (unsigned i = 0; i < live_cnt; i++) {
		struct probe *p = &probes[live[i]];

		probe_entry(p);
		if (p->step != STEP_DONE)
			live[still++] = live[i];
	}
	return still;
}

void lookup_burst(struct lookup *const lookups[], unsigned cnt)
{
	struct first firsts[LOOKUP_BURST_MAX];
	struct probe probes[LOOKUP_BURST_MAX];
	uint8_t live[LOOKUP_BURST_MAX];
	unsigned live_cnt = 0;

	for (unsigned i = 0; i < cnt; i++)
		first_node(&firsts[i], lookups[i]);
	for (unsigned i = 0; i < cnt; i++)
		first_block(&firsts[i]);
	for (unsigned i = 0; i < cnt; i++)
		firsts[i].candidate = first_of_tag(firsts[i].block, firsts[i].key);
	for (unsigned i = 0; i < cnt; i++) {
		if (first_entry(&firsts[i], lookups[i]))
			continue;
		first_to_probe(&firsts[i], lookups[i], &probes[i]);
		if (probes[i].step != STEP_DONE)
			live[live_cnt++] = (uint8_t)i;
	}
	while (live_cnt > 0)
		live_cnt = burst_step(probes, live, live_cnt);
}
