/*
 * The edits of an incremental build, kept until it finishes, grouped by owner name: each owner is then changed once,
 * ancestors first, so that no state in between (a cut without its NS for a moment) is ever acted upon. Full builds
 * keep records that came late in the same way (late.c). For the builder only.
 */
#include "dataplane/zone/builder_internal.h"

#include <errno.h>
#include <stdlib.h>

static int refuse(struct edits *e, enum builder_verdict why)
{
	e->refused = why;
	return -ENOMEM;
}

/* What does not fit is never counted: others would not fit beside it. */
static bool take_from(struct builder_budget *budget, uint64_t more)
{
	uint64_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);

	do {
		if (used > budget->max || more > budget->max - used)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&budget->used, &used, used + more,
							memory_order_relaxed, memory_order_relaxed));
	return true;
}

/* From now on e holds more octets. */
static int hold(struct edits *e, uint64_t more)
{
	if (e->held_max != 0 && e->held + more > e->held_max)
		return refuse(e, BUILDER_LIMIT_EDITS);
	if (e->budget != NULL && !take_from(e->budget, more))
		return refuse(e, BUILDER_LIMIT_BUDGET);
	e->held += more;
	return 0;
}

/* v, of size octets, gets next; what it cannot get is not held either, and goes with the rest. */
static int resize(struct edits *e, void **v, size_t size, size_t next)
{
	void *p;

	if (hold(e, next - size) < 0)
		return -ENOMEM;
	p = realloc(*v, next);
	if (p == NULL)
		return refuse(e, BUILDER_NO_MEMORY);
	*v = p;
	return 0;
}

static int grow(struct edits *e, void **v, uint32_t cnt, uint32_t *cap, size_t item)
{
	uint32_t next = *cap == 0 ? 16 : *cap * 2;

	if (cnt < *cap)
		return 0;
	if (next < *cap)
		return refuse(e, BUILDER_NO_MEMORY);
	if (resize(e, v, *cap * item, next * item) < 0)
		return -ENOMEM;
	*cap = next;
	return 0;
}

static int keep_octets(struct edits *e, const uint8_t *p, size_t len, uint32_t *out_off)
{
	if (len > e->size - e->len) {
		size_t size = (e->len + len) * 2 + 512;

		if (size > UINT32_MAX)
			return refuse(e, BUILDER_NO_MEMORY);
		if (resize(e, (void **)&e->octets, e->size, size) < 0)
			return -ENOMEM;
		e->size = size;
	}
	if (len > 0)
		memcpy(e->octets + e->len, p, len);
	*out_off = (uint32_t)e->len;
	e->len += len;
	return 0;
}

static int grow_slots(struct edits *e)
{
	uint32_t cnt = e->slot_cnt == 0 ? 64 : e->slot_cnt * 2;
	uint32_t *slots;

	if (e->owner_cnt < e->slot_cnt / 2)
		return 0;
	if (hold(e, (uint64_t)(cnt - e->slot_cnt) * sizeof(*slots)) < 0)
		return -ENOMEM;
	slots = calloc(cnt, sizeof(*slots));
	if (slots == NULL)
		return refuse(e, BUILDER_NO_MEMORY);
	for (uint32_t i = 0; i < e->owner_cnt; i++) {
		uint32_t at = (uint32_t)e->owners[i].hash & (cnt - 1);

		while (slots[at] != 0)
			at = (at + 1) & (cnt - 1);
		slots[at] = i + 1;
	}
	free(e->slots);
	e->slots = slots;
	e->slot_cnt = cnt;
	return 0;
}

struct edit_owner *edits_owner(struct edits *e, const struct owner *o, const uint8_t *name)
{
	struct edit_owner *eo;
	uint32_t at;

	if (grow_slots(e) < 0)
		return NULL;
	for (at = (uint32_t)o->hash[0] & (e->slot_cnt - 1); e->slots[at] != 0;
	     at = (at + 1) & (e->slot_cnt - 1)) {
		eo = &e->owners[e->slots[at] - 1];
		if (eo->hash == o->hash[0] && name_equal(e->octets + eo->name, name))
			return eo;
	}
	if (grow(e, (void **)&e->owners, e->owner_cnt, &e->owner_cap, sizeof(*e->owners)) < 0)
		return NULL;
	eo = &e->owners[e->owner_cnt];
	*eo = (struct edit_owner){.hash = o->hash[0], .depth = o->rel_labels};
	if (keep_octets(e, name, o->len, &eo->name) < 0)
		return NULL;
	e->slots[at] = ++e->owner_cnt;
	return eo;
}

int edits_add(struct builder *b, const struct owner *o, const uint8_t *name, uint16_t type, uint32_t ttl,
	      const uint8_t *rdata, uint16_t len, bool del)
{
	struct edits *e = &b->edits;
	struct edit_owner *eo = edits_owner(e, o, name);
	struct edit *edit;

	if (eo == NULL || grow(e, (void **)&e->v, e->cnt, &e->cap, sizeof(*e->v)) < 0)
		return -ENOMEM;
	edit = &e->v[e->cnt];
	*edit = (struct edit){.ttl = ttl, .type = type, .len = len, .del = del};
	if (keep_octets(e, rdata, len, &edit->data) < 0)
		return -ENOMEM;
	e->cnt++;
	*(del ? &e->dels : &e->adds) += 1;
	*(del ? &e->del_octets : &e->add_octets) += (uint64_t)o->len + 10 + len;
	if (eo->last != 0)
		e->v[eo->last - 1].next = e->cnt;
	else
		eo->first = e->cnt;
	eo->last = e->cnt;
	/* An owner's case is that of the record added last. */
	if (!del) {
		memcpy(e->octets + eo->name, name, o->len);
		eo->adds = true;
	}
	return 0;
}

/* An owner from which records only go keeps the case it has. */
static void keep_case(struct builder *b, struct owner *o)
{
	const struct entry *e = owner_find(b, o, 0);

	if (e == NULL && nsec3_is_owner(o->lower, o->rel_len))
		e = draft_find(&b->draft, BLOCK_NSEC3, nsec3_label_key(o->lower + 1), o->lower, o->rel_len);
	if (e == NULL)
		return;
	memcpy(o->orig, e->rest + (e->flags & ENTRY_CASE ? e->rel_len : 0), e->rel_len);
	o->cased = (e->flags & ENTRY_CASE) != 0;
}

/* All edits may be of one owner, and are copied to be put in order. */
static int hold_copy(struct edits *e, const struct edit_owner *eo)
{
	uint64_t need = 0;

	for (uint32_t i = eo->first; i != 0; i = e->v[i - 1].next)
		need += sizeof(struct record) + e->v[i - 1].len;
	if (need <= e->copy)
		return 0;
	if (hold(e, need - e->copy) < 0)
		return -ENOMEM;
	e->copy = need;
	return 0;
}

static enum builder_verdict apply_owner(struct builder *b, const struct edit_owner *eo)
{
	struct edits *e = &b->edits;

	owner_init(b, &b->owner, e->octets + eo->name, name_len(e->octets + eo->name));
	if (!eo->adds)
		keep_case(b, &b->owner);
	if (hold_copy(e, eo) < 0)
		return builder_fail(b, e->refused, b->owner.orig, 0);
	records_clear(&b->in);
	for (uint32_t i = eo->first; i != 0; i = e->v[i - 1].next) {
		const struct edit *edit = &e->v[i - 1];

		if (records_add(&b->in, edit->type, edit->ttl, e->octets + edit->data, edit->len, edit->del) <
		    0)
			return builder_fail(b, BUILDER_NO_MEMORY, b->owner.orig, edit->type);
	}
	return builder_apply(b, &b->owner, &b->in);
}

enum builder_verdict edits_apply(struct builder *b)
{
	struct edits *e = &b->edits;
	uint32_t start[NAME_LABELS_MAX + 2] = {0};
	uint32_t *order = malloc((e->owner_cnt + 1) * sizeof(*order));
	enum builder_verdict v = BUILDER_OK;

	if (order == NULL)
		return builder_fail(b, BUILDER_NO_MEMORY, b->apex_orig, 0);
	for (uint32_t i = 0; i < e->owner_cnt; i++)
		start[e->owners[i].depth + 1]++;
	for (unsigned d = 1; d < NAME_LABELS_MAX + 2; d++)
		start[d] += start[d - 1];
	for (uint32_t i = 0; i < e->owner_cnt; i++)
		order[start[e->owners[i].depth]++] = i;
	for (uint32_t i = 0; i < e->owner_cnt && v == BUILDER_OK; i++)
		v = builder_is_stopped(b) ? builder_fail(b, BUILDER_CANCELLED, b->apex_orig, 0)
					  : apply_owner(b, &e->owners[order[i]]);
	free(order);
	return v;
}

void edits_fini(struct edits *e)
{
	free(e->owners);
	free(e->v);
	free(e->slots);
	free(e->octets);
	if (e->budget != NULL)
		atomic_fetch_sub_explicit(&e->budget->used, e->held, memory_order_relaxed);
	*e = (struct edits){0};
}
