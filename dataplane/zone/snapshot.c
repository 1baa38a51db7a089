/* Reading a snapshot. Hot path: no allocation, lock, log, syscall or shared write. Contracts in the header. */
#include "dataplane/zone/snapshot.h"

#include "dataplane/zone/body_name.h"
#include "dataplane/zone/records.h"
#include "dataplane/zone/version.h"

#include <stdlib.h>

void snapshot_free(struct snapshot *s)
{
	if (s == NULL)
		return;
	free(s->nsec3);
	free(s);
}

const uint8_t *snapshot_apex_name(const struct snapshot *s)
{
	return s->names + s->apex_len;
}

unsigned snapshot_apex_label_cnt(const struct snapshot *s)
{
	return s->apex_label_cnt;
}

const struct entry *snapshot_apex(const struct snapshot *s)
{
	return s->apex;
}

uint32_t snapshot_serial(const struct snapshot *s)
{
	return s->soa.serial;
}

void snapshot_info(const struct snapshot *s, struct snapshot_info *out)
{
	*out = s->info;
}

unsigned entry_flags(const struct entry *e)
{
	return (e->flags & ~(unsigned)(ENTRY_CASE | ENTRY_PARENT)) | (e->rel_len == 0 ? ENTRY_APEX : 0);
}

unsigned entry_owner_len(const struct snapshot *s, const struct entry *e)
{
	return (unsigned)e->rel_len + s->apex_len;
}

static struct set_source source(const struct snapshot *s)
{
	return (struct set_source){.base = s->base,
				   .shared = &s->tree[BLOCK_SHARED],
				   .apex = snapshot_apex_name(s),
				   .apex_len = s->apex_len};
}

size_t entry_owner(const struct snapshot *s, const struct entry *e, uint8_t out[NAME_LEN_MAX])
{
	struct set_source src = source(s);

	return entry_owner_at(&src, e, out);
}

bool entry_set(const struct snapshot *s, const struct entry *e, uint16_t type, struct rrset *out)
{
	struct set_source src;
	struct set_raw raw;
	const uint8_t *p;

	if (e->flags & ENTRY_EMPTY)
		return false;
	p = set_skip_plain(entry_sets(e), type);
	if (p == NULL)
		return false;
	if (set_is_plain(p)) {
		*out = (struct rrset){
			.body = p + 1,
			.len = 12u + wire_load16(p + 11),
			.ttl = wire_load32(p + 7),
			.cnt = 1,
			.type = type,
		};
		return true;
	}
	for (;;) {
		set_read(e, p, &raw);
		if (raw.type == type && !(raw.form & SET_GLUE))
			break;
		if (raw.form & SET_LAST)
			return false;
		p = raw.end;
	}
	src = source(s);
	set_view(&src, e, &raw, out);
	return true;
}

bool entry_next_set(const struct snapshot *s, const struct entry *e, unsigned *iter, struct rrset *out)
{
	struct set_source src = source(s);
	const uint8_t *sets = entry_sets(e);
	struct set_raw raw;

	/* *iter: 0 at the start, then 1 + the offset of the next set, or UINT_MAX behind the last. */
	if (e->flags & ENTRY_EMPTY || *iter == UINT32_MAX)
		return false;
	set_read(e, sets + (*iter == 0 ? 0 : *iter - 1), &raw);
	*iter = raw.form & SET_LAST ? UINT32_MAX : (unsigned)(raw.end - sets) + 1;
	if (raw.form & SET_GLUE)
		return false;
	set_view(&src, e, &raw, out);
	return true;
}

void entry_glue(const struct snapshot *s, const struct entry *cut, struct rrset *out)
{
	struct set_source src = source(s);
	const uint8_t *p = entry_sets(cut);
	struct set_raw raw;

	*out = (struct rrset){0};
	if (cut->flags & ENTRY_EMPTY)
		return;
	do {
		set_read(cut, p, &raw);
		p = raw.end;
	} while (!(raw.form & SET_LAST));
	if (raw.form & SET_GLUE)
		set_view(&src, cut, &raw, out);
}

/* Where the target name stands in the record data of types that have one; 0: this type has none. */
static unsigned target_offset(uint16_t type)
{
	switch (type) {
	case DNS_TYPE_NS:
		return 12;
	case DNS_TYPE_MX:
	case DNS_TYPE_SVCB:
	case DNS_TYPE_HTTPS:
		return 12 + 2;
	case DNS_TYPE_SRV:
		return 12 + 6;
	default:
		return 0;
	}
}

/* The entry of a name (absolute, any case); NULL: not in the zone. */
static const struct entry *find_name(const struct snapshot *s, const uint8_t *name, size_t len)
{
	const struct tree *t = &s->tree[BLOCK_NAMES];
	uint8_t lower[NAME_LEN_MAX];
	uint8_t off[NAME_LABELS_MAX];
	unsigned cnt = 0;
	uint64_t h = s->apex_hash;
	const struct block *b;
	size_t rel_len;

	if (len < s->apex_len)
		return NULL;
	rel_len = len - s->apex_len;
	name_lower(lower, name, len);
	if (memcmp(lower + rel_len, s->names, s->apex_len) != 0)
		return NULL;
	for (size_t i = 0; i < rel_len; i += 1u + lower[i]) {
		off[cnt++] = (uint8_t)i;
		if (i + 1u + lower[i] > rel_len)
			return NULL; /* the apex's octets stand in the middle of a label */
	}
	while (cnt-- > 0)
		h = name_hash_child(h, lower + off[cnt] + 1, lower[off[cnt]]);
	b = tree_block(s->base, t, h);
	return block_find(b, block_tag(BLOCK_NAMES, b->depth, h), lower, rel_len);
}

/* Addresses of e as an additional target of a set of type at owner. False: none to give. */
static bool target_sets(const struct snapshot *s, const struct entry *owner, uint16_t type,
			const struct entry *e, struct rrset_target *out)
{
	bool a, aaaa;

	/* Glue is for name servers only: elsewhere it would pass for data of the zone. */
	if (e->flags & ENTRY_BELOW && type != DNS_TYPE_NS)
		return false;
	if (e->flags & ENTRY_CUT && type != DNS_TYPE_NS)
		return false;
	/* In the prepared glue already. */
	if (owner->flags & ENTRY_CUT && type == DNS_TYPE_NS && e->rel_len >= owner->rel_len &&
	    memcmp(e->rest + (e->rel_len - owner->rel_len), owner->rest, owner->rel_len) == 0)
		return false;
	a = entry_set(s, e, DNS_TYPE_A, &out->a);
	if (!a)
		out->a = (struct rrset){0};
	aaaa = entry_set(s, e, DNS_TYPE_AAAA, &out->aaaa);
	if (!aaaa)
		out->aaaa = (struct rrset){0};
	out->owner_len = (uint8_t)(e->rel_len + s->apex_len);
	return a || aaaa;
}

bool snapshot_next_target(const struct snapshot *s, const struct entry *e, const struct rrset *set,
			  unsigned *iter, unsigned *left, struct rrset_target *out)
{
	unsigned skip = target_offset(set->type);
	uint8_t owner[NAME_LEN_MAX];
	size_t layout_len = (size_t)e->rel_len + s->apex_len - set->shift;

	if (skip == 0 || *iter >= set->len || *left == 0)
		return false;
	if (set->shift == 0)
		memcpy(owner, e->rest, e->rel_len);
	memcpy(owner + layout_len - s->apex_len, s->names, s->apex_len);
	while (*iter < set->len && *left != 0) {
		unsigned off = *iter;
		uint8_t name[NAME_LEN_MAX];
		const struct entry *target;
		size_t len;

		*iter += 12u + wire_load16(set->body + off + 10);
		--*left;
		len = body_name(set->body, owner, layout_len, off + skip, name, &out->name_at);
		target = find_name(s, name, len);
		if (target == NULL || !target_sets(s, e, set->type, target, out))
			continue;
		out->name_at = (uint16_t)(out->name_at + set->shift);
		return true;
	}
	return false;
}
