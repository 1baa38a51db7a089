/*
 * Full builds: records of a name that has many already. To bring one in costs as much as the name has, and a stream may
 * come back to a large name with every other record. So they wait, grouped by name, until they are as much as all that
 * their names have: what is done stays proportional to what was received, in any order, and what waits takes less memory
 * than the zone, and than a bound. Names that come in one piece, as they nearly always do, never get here. For the builder only.
 */
#include "dataplane/zone/builder_internal.h"

/* Octets of sets up to which a name is small: bringing a record in is as cheap as keeping it. */
#define LATE_NAME 1024

/* What may wait in any case; and limits are noticed so far behind. */
#define LATE_FREE (128u << 10)

/* And what may not, however large the names are: one pass over them for so much is little work still. */
#define LATE_MAX (UINT64_C(256) << 20)

/* Octets of e's sets, without glue; counting ends beyond max. */
static uint64_t sets_octets(const struct builder *b, const struct entry *e, uint64_t max)
{
	struct set_source src = builder_source(b);
	const uint8_t *p = entry_sets(e);
	uint64_t octets = 0;
	struct set_raw raw;
	struct rrset set;

	do {
		set_read(e, p, &raw);
		p = raw.end;
		if (raw.form & SET_GLUE)
			break;
		set_view(&src, e, &raw, &set);
		octets += (uint64_t)set.len + set.sig_len;
	} while (!(raw.form & SET_LAST) && octets <= max);
	return octets;
}

bool late_concerns(const struct builder *b, const struct entry *old)
{
	return !b->edit && !b->late_applied && old != NULL && !(old->flags & ENTRY_EMPTY) &&
	       sets_octets(b, old, LATE_NAME) > LATE_NAME;
}

static uint64_t waiting_octets(const struct edits *e)
{
	return e->len + (uint64_t)e->cnt * sizeof(*e->v) + (uint64_t)e->owner_cnt * sizeof(*e->owners);
}

enum builder_verdict late_add(struct builder *b, uint8_t kind, const struct owner *o, const struct entry *old,
			      const struct records *in)
{
	struct edit_owner *eo;
	uint64_t waiting;

	/* An arrival that has been brought in already, and is empty since. */
	if (in->cnt == 0)
		return BUILDER_OK;
	eo = edits_owner(&b->edits, o, o->orig);
	if (eo == NULL)
		return builder_fail(b, BUILDER_NO_MEMORY, o->orig, 0);
	if (!(eo->kinds & 1u << kind)) {
		eo->kinds |= (uint8_t)(1u << kind);
		b->late_had += sets_octets(b, old, UINT64_MAX);
	}
	for (unsigned i = 0; i < in->cnt; i++) {
		const struct record *rec = &in->v[i];

		if (edits_add(b, o, o->orig, rec->type, rec->ttl, record_data(in, rec), rec->len, false) < 0)
			return builder_fail(b, BUILDER_NO_MEMORY, o->orig, rec->type);
	}
	waiting = waiting_octets(&b->edits);
	if (waiting <= LATE_FREE || (waiting <= b->late_had && waiting <= LATE_MAX))
		return BUILDER_OK;
	return late_apply(b);
}

enum builder_verdict late_apply(struct builder *b)
{
	enum builder_verdict v;

	if (b->edits.owner_cnt == 0)
		return BUILDER_OK;
	b->late_applied = true;
	v = edits_apply(b);
	b->late_applied = false;
	edits_fini(&b->edits);
	b->late_had = 0;
	return v;
}
