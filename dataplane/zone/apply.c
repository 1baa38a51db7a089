/*
 * The edits of one owner name, brought into the draft: merged with what is there, checked, encoded, and everything
 * that depends on it told. For the builder only.
 */
#include "dataplane/zone/builder_internal.h"
#include "dataplane/zone/order.h"

#include <errno.h>

void builder_count_flags(struct builder *b, unsigned before, unsigned after)
{
	bool was = (before & (ENTRY_CUT | ENTRY_BELOW)) == ENTRY_CUT;
	bool is = (after & (ENTRY_CUT | ENTRY_BELOW)) == ENTRY_CUT;

	b->delegations += is;
	b->delegations -= was;
}

static uint64_t record_octets(const struct owner *o, const struct record *rec)
{
	return (uint64_t)o->len + 10 + rec->len;
}

static bool same_record(const struct records *ar, const struct record *a, const struct records *br,
			const struct record *b)
{
	return a->type == b->type &&
	       rdata_compare(a->type, record_data(ar, a), a->len, record_data(br, b), b->len) == 0;
}

static int order_records(const struct records *ar, const struct record *a, const struct records *br,
			 const struct record *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return rdata_compare(a->type, record_data(ar, a), a->len, record_data(br, b), b->len);
}

/*
 * The edits in[at .. end) of one and the same record, in order of arrival. present: it was there before; *out_add: the
 * edit that leaves it there anew, or NULL. *out_gone: what was there goes.
 */
static enum builder_verdict replay(struct builder *b, const struct owner *o, const struct records *in,
				   unsigned at, unsigned end, bool present, const struct record **out_add,
				   bool *out_gone)
{
	*out_add = NULL;
	*out_gone = false;
	for (; at < end; at++) {
		const struct record *op = &in->v[at];

		if (op->del && !present)
			return builder_fail(b, BUILDER_DELETE_ABSENT, o->orig, op->type);
		if (!op->del && present) {
			if (b->edit)
				return builder_fail(b, BUILDER_ADD_PRESENT, o->orig, op->type);
			b->report.skipped_duplicate++;
			continue;
		}
		present = !op->del;
		*out_gone |= op->del;
		*out_add = op->del ? NULL : op;
	}
	return BUILDER_OK;
}

/* Brings the edits `in` into b->work, which holds the records of the owner. */
static enum builder_verdict merge(struct builder *b, const struct owner *o, struct records *in)
{
	struct records *work = &b->work;
	unsigned old_cnt = work->cnt, old = 0, kept = 0;

	records_sort_by_record(work);
	records_sort_by_record(in);
	for (unsigned at = 0, end; at < in->cnt; at = end) {
		const struct record *add;
		enum builder_verdict v;
		bool present, gone;
		int d = -1;

		for (end = at + 1; end < in->cnt && same_record(in, &in->v[at], in, &in->v[end]);)
			end++;
		while (old < old_cnt && (d = order_records(work, &work->v[old], in, &in->v[at])) < 0)
			old++;
		present = old < old_cnt && d == 0;
		v = replay(b, o, in, at, end, present, &add, &gone);
		if (v != BUILDER_OK)
			return v;
		if (present && gone)
			work->v[old].del = true;
		if (add != NULL &&
		    records_add(work, add->type, add->ttl, record_data(in, add), add->len, false) < 0)
			return builder_fail(b, BUILDER_NO_MEMORY, o->orig, 0);
	}
	for (unsigned i = 0; i < work->cnt; i++)
		if (!work->v[i].del)
			work->v[kept++] = work->v[i];
	work->cnt = kept;
	return BUILDER_OK;
}

/* Full: r came straight from the stream, so it may hold duplicates; ordered by set. */
static void drop_duplicates(struct builder *b, struct records *r)
{
	unsigned kept = 1;

	for (unsigned i = 1; i < r->cnt; i++) {
		if (same_record(r, &r->v[i], r, &r->v[kept - 1])) {
			b->report.skipped_duplicate++;
			if (r->v[i].ttl < r->v[kept - 1].ttl)
				r->v[kept - 1].ttl = r->v[i].ttl;
			continue;
		}
		r->v[kept++] = r->v[i];
	}
	if (r->cnt > 0)
		r->cnt = kept;
}

/* RFC 2181 5.2: one TTL in a set, the lowest. RRSIGs have that of what they cover (RFC 4034 3) among themselves. */
static void unify_ttl(struct builder *b, struct record *rec, unsigned cnt)
{
	uint32_t low = rec[0].ttl;

	for (unsigned i = 1; i < cnt; i++)
		if (rec[i].ttl != low) {
			b->report.ttl_unequal++;
			low = rec[i].ttl < low ? rec[i].ttl : low;
		}
	for (unsigned i = 0; i < cnt; i++)
		rec[i].ttl = low;
}

static bool beside_cname(uint16_t type)
{
	return type == DNS_TYPE_CNAME || type == DNS_TYPE_NSEC || type == DNS_TYPE_RRSIG ||
	       type == DNS_TYPE_KEY || type == DNS_TYPE_NXT || type == DNS_TYPE_SIG;
}

/* One set, or the RRSIGs of one. */
static enum builder_verdict check_run(struct builder *b, const struct owner *o, const struct record *rec,
				      unsigned cnt)
{
	if (cnt > b->limits.rrset_records)
		return builder_fail(b, BUILDER_LIMIT_RRSET, o->orig, rec->type);
	if (cnt > 1 && !rec->sig) {
		if (rec->type == DNS_TYPE_CNAME || rec->type == DNS_TYPE_DNAME)
			return builder_fail(b, BUILDER_TWO_CNAMES, o->orig, rec->type);
		if (rec->type == DNS_TYPE_SOA)
			return builder_fail(b, BUILDER_TWO_SOAS, o->orig, rec->type);
	}
	if (rec->type == DNS_TYPE_SOA && o->rel_len > 0)
		return builder_fail(b, BUILDER_TWO_SOAS, o->orig, rec->type);
	return BUILDER_OK;
}

/* Orders, repairs and checks the records of one owner; *out_flags are those that follow from its types. */
static enum builder_verdict check(struct builder *b, const struct owner *o, struct records *r,
				  unsigned *out_flags)
{
	bool cname = false, other = false;
	unsigned flags = 0;

	if (r->cnt > 1 || (r->cnt == 1 && r->v[0].type == DNS_TYPE_RRSIG))
		records_sort_by_set(r);
	drop_duplicates(b, r);
	for (unsigned at = 0, end; at < r->cnt; at = end) {
		struct record *rec = &r->v[at];
		enum builder_verdict v;

		for (end = at + 1; end < r->cnt && r->v[end].set == rec->set && r->v[end].sig == rec->sig;)
			end++;
		if (rec->sig || rec->type != DNS_TYPE_RRSIG)
			unify_ttl(b, rec, end - at);
		v = check_run(b, o, rec, end - at);
		if (v != BUILDER_OK)
			return v;
		cname |= rec->type == DNS_TYPE_CNAME;
		other |= !beside_cname(rec->type);
		if (rec->type == DNS_TYPE_NS && o->rel_len > 0)
			flags |= ENTRY_CUT;
		if (rec->type == DNS_TYPE_DNAME)
			flags |= ENTRY_DNAME;
	}
	if (cname && other)
		return builder_fail(b, BUILDER_CNAME_AND_OTHER, o->orig, DNS_TYPE_CNAME);
	*out_flags = flags | (cname ? ENTRY_CNAME : 0) | (r->cnt == 0 ? ENTRY_EMPTY : 0);
	return BUILDER_OK;
}

static enum builder_verdict count(struct builder *b, const struct owner *o, const struct records *r, bool add)
{
	uint64_t octets = 0;

	for (unsigned i = 0; i < r->cnt; i++)
		octets += record_octets(o, &r->v[i]);
	if (!add) {
		b->records -= r->cnt;
		b->names -= r->cnt > 0;
		b->octets -= octets;
		return BUILDER_OK;
	}
	b->records += r->cnt;
	b->names += r->cnt > 0;
	b->octets += octets;
	if (b->records > b->limits.records)
		return builder_fail(b, BUILDER_LIMIT_RECORDS, o->orig, 0);
	if (b->octets > b->limits.bytes)
		return builder_fail(b, BUILDER_LIMIT_BYTES, o->orig, 0);
	return BUILDER_OK;
}

/* Whether o is below the name of len octets: of whole labels, for a label may hold any octets. */
static bool is_below(const struct owner *o, const uint8_t *rel, size_t len)
{
	for (unsigned i = 1; i < o->rel_labels; i++)
		if (o->off[i] + len == o->rel_len)
			return memcmp(o->lower + o->off[i], rel, len) == 0;
	return false;
}

/* What depends on the cut, DNAME or address records of o, now or at the end. */
static int note_dependents(struct builder *b, const struct owner *o, unsigned before, unsigned after,
			   bool has_children)
{
	const uint8_t *rel = o->lower;
	struct owner cut;
	unsigned top;
	int rc;

	if ((before ^ after) & (ENTRY_CUT | ENTRY_DNAME) && has_children) {
		b->rescan = true;
		if (b->edit && name_list_add(&b->cut_changed, rel, o->rel_len) < 0)
			return -ENOMEM;
	}
	if (b->edit) {
		if (after & ENTRY_CUT && name_list_add(&b->glue_dirty, rel, o->rel_len) < 0)
			return -ENOMEM;
		if ((before | after) & ENTRY_BELOW && family_below(b, o, &top) && top < o->rel_labels)
			return name_list_add(&b->glue_dirty, rel + o->off[top],
					     (size_t)o->rel_len - o->off[top]);
		return 0;
	}
	/* In a transfer names mostly arrive in canonical order: a cut's glue comes right behind it. */
	if (after & ENTRY_BELOW) {
		size_t cut_len = b->cut.len == 0 ? 0 : b->cut.octets[0];

		if (cut_len > 0 && is_below(o, b->cut.octets + 1, cut_len))
			return 0;
		owner_init_rel(b, &cut, rel, o->rel_len);
		if (family_below(b, &cut, &top) && top < o->rel_labels)
			return name_list_add(&b->glue_dirty, rel + o->off[top],
					     (size_t)o->rel_len - o->off[top]);
		return 0;
	}
	rc = b->cut.len == 0 ? 0 : glue_update_list(b, &b->cut);
	if (rc < 0)
		return rc;
	if (after & ENTRY_CUT && b->ns_inside)
		return name_list_add(&b->cut, rel, o->rel_len);
	return 0;
}

/* An owner of NSEC3 records: outside the tree of names, so it has no family and no flags. */
static enum builder_verdict store_nsec3(struct builder *b, const struct owner *o, const struct entry *old,
					const struct records *r)
{
	uint64_t key = nsec3_label_key(o->lower + 1);
	enum builder_verdict v;
	size_t len;
	int rc;

	if (r->cnt == 0)
		return old == NULL
			       ? BUILDER_OK
			       : builder_draft_error(b, draft_remove(&b->draft, BLOCK_NSEC3, key, old), o);
	v = builder_encode(b, o, 0, 0, r, &len);
	if (v != BUILDER_OK)
		return v;
	if (old == NULL && !tree_exists(&b->draft.tree[BLOCK_NSEC3]) &&
	    draft_plant(&b->draft, BLOCK_NSEC3) < 0)
		return builder_fail(b, BUILDER_NO_MEMORY, o->orig, 0);
	rc = old == NULL ? draft_insert(&b->draft, BLOCK_NSEC3, key, b->entry, len)
			 : draft_replace(&b->draft, BLOCK_NSEC3, key, old, b->entry, len);
	return builder_draft_error(b, rc, o);
}

static enum builder_verdict store_name(struct builder *b, const struct owner *o, const struct entry *old,
				       const struct records *r, unsigned flags)
{
	unsigned before = old == NULL ? 0 : old->flags;
	uint32_t children = old == NULL ? 0 : entry_children(old);
	enum builder_verdict v;
	bool below = false;
	size_t len;
	int rc;

	if (old == NULL && r->cnt == 0)
		return BUILDER_OK;
	if (old != NULL && r->cnt == 0 && children == 0 && o->rel_len > 0) {
		builder_count_flags(b, before, 0);
		rc = note_dependents(b, o, before, 0, false);
		if (rc == 0)
			rc = draft_remove(&b->draft, BLOCK_NAMES, o->hash[0], owner_find(b, o, 0));
		if (rc == 0)
			rc = family_leave(b, o);
		return builder_draft_error(b, rc, o);
	}
	if (old == NULL) {
		rc = family_join(b, o, &below);
		if (rc < 0)
			return builder_draft_error(b, rc, o);
		flags |= below ? ENTRY_BELOW : 0;
	} else {
		flags |= before & (ENTRY_BELOW | ENTRY_WILDCARD_CHILD);
	}
	v = builder_encode(b, o, flags, children, r, &len);
	if (v != BUILDER_OK)
		return v;
	/* Looked up again: joining the family may have moved it. */
	rc = old == NULL
		     ? draft_insert(&b->draft, BLOCK_NAMES, o->hash[0], b->entry, len)
		     : draft_replace(&b->draft, BLOCK_NAMES, o->hash[0], owner_find(b, o, 0), b->entry, len);
	if (rc < 0)
		return builder_draft_error(b, rc, o);
	builder_count_flags(b, before, flags);
	rc = note_dependents(b, o, before, flags, children > 0 || o->rel_len == 0);
	return builder_draft_error(b, rc, o);
}

static bool owns_nsec(const struct records *r)
{
	for (unsigned i = 0; i < r->cnt; i++)
		if (r->v[i].type == DNS_TYPE_NSEC)
			return true;
	return false;
}

/* Keeps the canonical order of NSEC owners. */
static int note_nsec(struct builder *b, const struct owner *o, bool before, bool after)
{
	uint8_t key[ORDER_KEY_MAX];
	size_t len;

	if (before == after)
		return 0;
	len = order_key(o->lower, o->rel_len, key);
	return after ? order_add(&b->draft, key, len) : order_del(&b->draft, key, len);
}

static enum builder_verdict apply_kind(struct builder *b, uint8_t kind, const struct owner *o,
				       struct records *in)
{
	uint64_t key = kind == BLOCK_NAMES ? o->hash[0] : nsec3_label_key(o->lower + 1);
	const struct entry *old = draft_find(&b->draft, kind, key, o->lower, o->rel_len);
	struct set_source src = builder_source(b);
	struct chain_ids had_chains = {.cnt = 0};
	struct records *r = in;
	enum builder_verdict v;
	bool had_nsec = false;
	unsigned flags = 0;
	int rc;

	if (late_concerns(b, old))
		return late_add(b, kind, o, old, in);
	b->report.handled += in->cnt;
	if (b->edit || (old != NULL && !(old->flags & ENTRY_EMPTY))) {
		r = &b->work;
		records_clear(r);
		rc = old == NULL ? 0 : records_add_entry(r, &src, old, b->scratch, b->rdata);
		if (rc < 0)
			return builder_fail(b, BUILDER_NO_MEMORY, o->orig, 0);
		b->report.handled += r->cnt;
		count(b, o, r, false);
		had_nsec = owns_nsec(r);
		if (kind == BLOCK_NSEC3)
			chain_ids_of(&had_chains, b->key, r);
		v = merge(b, o, in);
		if (v != BUILDER_OK)
			return v;
	}
	v = check(b, o, r, &flags);
	if (v == BUILDER_OK)
		v = count(b, o, r, true);
	if (v != BUILDER_OK)
		return v;
	/*
	 * What the old entry refers to is given up first; the content itself is in b->work by now. Its references come
	 * back in builder_encode, mostly to the same items, which still exist unless nobody else has them.
	 */
	rc = old == NULL ? 0 : shared_release_entry(b, old);
	if (rc == 0 && kind == BLOCK_NAMES)
		rc = note_nsec(b, o, had_nsec, owns_nsec(r));
	if (rc == 0 && kind == BLOCK_NSEC3)
		rc = chain_note(b, o, old, &had_chains, r);
	if (rc < 0)
		return builder_draft_error(b, rc, o);
	return kind == BLOCK_NAMES ? store_name(b, o, old, r, flags) : store_nsec3(b, o, old, r);
}

static bool is_nsec3_record(const struct records *r, const struct record *rec)
{
	return rec->type == DNS_TYPE_NSEC3 ||
	       (rec->type == DNS_TYPE_RRSIG && wire_load16(record_data(r, rec)) == DNS_TYPE_NSEC3);
}

static enum builder_verdict apply_kinds(struct builder *b, const struct owner *o, struct records *in)
{
	struct records part = {0};
	unsigned kept = 0;
	enum builder_verdict v;

	if (!nsec3_is_owner(o->lower, o->rel_len))
		return apply_kind(b, BLOCK_NAMES, o, in);
	/* The NSEC3 records of this owner go to their own tree; anything else there is an ordinary name. */
	for (unsigned i = 0; i < in->cnt; i++) {
		const struct record *rec = &in->v[i];

		if (!is_nsec3_record(in, rec)) {
			in->v[kept++] = *rec;
			continue;
		}
		if (records_add(&part, rec->type, rec->ttl, record_data(in, rec), rec->len, rec->del) < 0) {
			records_fini(&part);
			return builder_fail(b, BUILDER_NO_MEMORY, o->orig, 0);
		}
	}
	in->cnt = kept;
	v = part.cnt == 0 ? BUILDER_OK : apply_kind(b, BLOCK_NSEC3, o, &part);
	records_fini(&part);
	return v != BUILDER_OK || in->cnt == 0 ? v : apply_kind(b, BLOCK_NAMES, o, in);
}

/*
 * Every label of a new name may make a name without records, of up to 250 octets that no record accounts for: 120 labels
 * make 17 KiB of what came as 270 octets. Real zones with deep names, reverse ones of IPv6, take 5 to 15 times the octets
 * of their records, others once or twice. So the octets, which a limit counts, bound the memory too.
 */
#define SPREAD_FREE  (UINT64_C(16) << 20)
#define SPREAD_TIMES 32

enum builder_verdict builder_apply(struct builder *b, const struct owner *o, struct records *in)
{
	enum builder_verdict v = apply_kinds(b, o, in);

	/* What edits take away leaves holes, which are no names. */
	if (v == BUILDER_OK && b->draft.bytes > SPREAD_FREE + SPREAD_TIMES * b->octets &&
	    b->draft.bytes > SPREAD_FREE + b->bytes_before)
		return builder_fail(b, BUILDER_LIMIT_SPREAD, o->orig, 0);
	return v;
}
