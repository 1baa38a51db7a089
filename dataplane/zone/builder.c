/*
 * The builder's face: takes records, groups them by owner name, and makes a snapshot of the finished draft. Contracts
 * in the header; FORMAT.md tells how a draft grows.
 */
#include "dataplane/zone/builder_internal.h"

#include <errno.h>
#include <stdlib.h>

const struct builder_limits builder_limits_none = {0};

static const char *const verdict_text[] = {
	[BUILDER_OK] = "ok",
	[BUILDER_NO_MEMORY] = "out of memory for zone data",
	[BUILDER_NO_SOA] = "no SOA record at the apex",
	[BUILDER_TWO_SOAS] = "more than one SOA record, or one below the apex",
	[BUILDER_NO_NS] = "no NS record at the apex",
	[BUILDER_CNAME_AND_OTHER] = "CNAME and other data",
	[BUILDER_TWO_CNAMES] = "more than one CNAME or DNAME at one name",
	[BUILDER_META_TYPE] = "a type that no zone may hold",
	[BUILDER_LIMIT_RECORDS] = "more records than the limit for this zone",
	[BUILDER_LIMIT_BYTES] = "more octets than the limit for this zone",
	[BUILDER_LIMIT_RRSET] = "more records in one set than the limit for this zone",
	[BUILDER_LIMIT_MESSAGE] = "a record set that no message of 65,535 octets can carry",
	[BUILDER_DELETE_ABSENT] = "deletion of a record that does not exist",
	[BUILDER_ADD_PRESENT] = "addition of a record that exists already",
	[BUILDER_LIMIT_NAME] = "more record sets at one name than can be stored",
	[BUILDER_LIMIT_SPREAD] =
		"names so deep that they take more than 32 times the octets of their records",
	[BUILDER_LIMIT_EDITS] = "differences that take more memory than the whole zone would",
	[BUILDER_LIMIT_BUDGET] = "no room for differences beside those of other transfers",
	[BUILDER_CANCELLED] = "cancelled",
};

const char *builder_verdict_text(enum builder_verdict v)
{
	return (unsigned)v < sizeof(verdict_text) / sizeof(verdict_text[0]) ? verdict_text[v] : "unknown";
}

enum builder_verdict builder_fail(struct builder *b, enum builder_verdict v, const uint8_t *owner,
				  uint16_t type)
{
	b->verdict = v;
	b->report.type = type;
	memcpy(b->report.owner, owner, name_len(owner));
	return v;
}

enum builder_verdict builder_draft_error(struct builder *b, int rc, const struct owner *o)
{
	if (rc == 0)
		return BUILDER_OK;
	if (rc == -ECANCELED)
		return builder_fail(b, BUILDER_CANCELLED, o->orig, 0);
	return builder_fail(b, rc == -E2BIG ? BUILDER_LIMIT_NAME : BUILDER_NO_MEMORY, o->orig, 0);
}

struct set_source builder_source(const struct builder *b)
{
	return (struct set_source){.base = b->draft.base,
				   .shared = &b->draft.tree[BLOCK_SHARED],
				   .apex = b->apex_orig,
				   .apex_len = b->apex_len};
}

/* Offsets and hashes of the labels below the apex. lower and orig are filled. */
static void owner_hash(const struct builder *b, struct owner *o)
{
	unsigned cnt = 0;
	uint64_t h = b->draft.apex_hash;

	for (unsigned i = 0; i < o->rel_len; i += 1u + o->lower[i])
		o->off[cnt++] = (uint8_t)i;
	o->rel_labels = (uint8_t)cnt;
	o->off[cnt] = o->rel_len;
	o->hash[cnt] = h;
	while (cnt-- > 0) {
		const uint8_t *label = o->lower + o->off[cnt];

		h = name_hash_child(h, label + 1, *label);
		o->hash[cnt] = h;
	}
}

/*
 * Whether the octets of the lower-case apex end name, in any case; mostly they are the very ones that ended the last.
 * By words, here and below: what was written as octets a moment ago and is read in wide pieces waits for the stores.
 */
static bool ends_in_apex(const struct builder *b, const uint8_t *tail)
{
	uint8_t lower[NAME_LEN_MAX];

	if (name_same(tail, b->apex_orig, b->apex_len))
		return true;
	name_lower(lower, tail, b->apex_len);
	return name_same(lower, b->apex_lower, b->apex_len);
}

bool owner_init(const struct builder *b, struct owner *o, const uint8_t *name, size_t len)
{
	size_t at = 0;

	if (len < b->apex_len || !ends_in_apex(b, name + len - b->apex_len))
		return false;
	while (at < len - b->apex_len)
		at += 1u + name[at];
	if (at != len - b->apex_len)
		return false; /* the octets match, but in the middle of a label */
	o->len = (uint8_t)len;
	o->rel_len = (uint8_t)at;
	name_lower(o->lower, name, at);
	memcpy(o->lower + at, b->apex_lower, b->apex_len);
	memcpy(o->orig, name, at);
	memcpy(o->orig + at, b->apex_orig, b->apex_len);
	o->cased = !name_same(o->orig, o->lower, at);
	owner_hash(b, o);
	return true;
}

void owner_init_rel(const struct builder *b, struct owner *o, const uint8_t *rel, size_t len)
{
	memcpy(o->lower, rel, len);
	memcpy(o->lower + len, b->apex_lower, b->apex_len);
	memcpy(o->orig, rel, len);
	memcpy(o->orig + len, b->apex_orig, b->apex_len);
	o->len = (uint8_t)(len + b->apex_len);
	o->rel_len = (uint8_t)len;
	o->cased = false;
	owner_hash(b, o);
}

/* The apex is there from the start, so that every name has an ancestor. */
static int plant_names(struct builder *b)
{
	uint8_t apex[2] = {ENTRY_EMPTY, 0};

	if (draft_plant(&b->draft, BLOCK_NAMES) < 0)
		return -ENOMEM;
	return draft_insert(&b->draft, BLOCK_NAMES, b->draft.apex_hash, apex, sizeof(apex));
}

/* A base that something newer was made from already: its records are taken over one by one. */
static int copy_record(const struct snapshot_record *rec, void *arg)
{
	return builder_add(arg, rec->owner, rec->type, rec->ttl, rec->rdata, rec->rdata_len) == BUILDER_OK
		       ? 0
		       : -ENOMEM;
}

static int take_base(struct builder *b, const struct snapshot *base, bool own_line)
{
	memcpy(b->apex_orig, snapshot_apex_name(base), b->apex_len);
	b->apex_fixed = true;
	if (own_line) {
		if (plant_names(b) < 0 || snapshot_walk(base, copy_record, b) != 0 ||
		    arrivals_end(b) != BUILDER_OK)
			return -ENOMEM;
		b->report = (struct builder_report){0};
		edits_fini(&b->edits); /* what waited has been brought in; edits begin with nothing held */
	} else {
		b->records = base->info.records;
		b->names = base->info.names;
		b->delegations = base->info.delegations;
		b->octets = base->octets;
	}
	return 0;
}

static void limits_set(struct builder *b, const struct builder_limits *l)
{
	b->limits.records = l->records > 0 ? l->records : UINT64_MAX;
	b->limits.bytes = l->bytes > 0 ? l->bytes : UINT64_MAX;
	b->limits.rrset_records = l->rrset_records > 0 ? l->rrset_records : UINT32_MAX;
}

struct builder *builder_new(struct arena *arena, uint64_t key, const uint8_t *apex,
			    const struct snapshot *base, const struct builder_limits *limits)
{
	struct builder *b = calloc(1, sizeof(*b));
	struct name_hashes hashes;
	bool own_line;

	if (b == NULL)
		return NULL;
	b->key = key;
	b->base = base;
	b->apex_len = (uint8_t)name_len(apex);
	b->apex_label_cnt = (uint8_t)name_label_cnt(apex);
	memcpy(b->apex_orig, apex, b->apex_len);
	name_lower(b->apex_lower, apex, b->apex_len);
	b->entry = malloc(ENTRY_ROOM);
	b->spare = malloc(ENTRY_ROOM);
	b->scratch = malloc(RECORDS_SCRATCH);
	b->rdata = malloc(RDATA_LEN_MAX);
	b->body = malloc(sizeof(*b->body));
	if (b->entry == NULL || b->spare == NULL || b->scratch == NULL || b->rdata == NULL || b->body == NULL)
		goto free_builder;
	if (version_begin(arena, base, &b->line, &b->draft, &own_line) < 0)
		goto free_builder;
	name_hash_suffixes(b->apex_lower, key, &hashes);
	b->draft.apex_hash = hashes.hash[0];
	limits_set(b, &builder_limits_none); /* while what there is already is taken over */
	if ((base == NULL ? plant_names(b) : take_base(b, base, own_line)) < 0)
		goto free_builder;
	b->edit = base != NULL;
	b->bytes_before = b->draft.bytes;
	if (base != NULL)
		b->edits.held_max = EDITS_HELD_FREE + EDITS_HELD_BASES * base->info.bytes;
	limits_set(b, limits != NULL ? limits : &builder_limits_none);
	return b;
free_builder:
	builder_free(b);
	return NULL;
}

void builder_watch(struct builder *b, const atomic_bool *stop)
{
	b->stop = stop;
}

void builder_share(struct builder *b, struct builder_budget *budget)
{
	b->edits.budget = budget;
}

void builder_free(struct builder *b)
{
	if (b == NULL)
		return;
	if (b->line != NULL)
		version_abort(b->line, &b->draft);
	arrivals_fini(b);
	records_fini(&b->in);
	records_fini(&b->work);
	edits_fini(&b->edits);
	free(b->cut.octets);
	free(b->glue_dirty.octets);
	free(b->cut_changed.octets);
	free(b->entry);
	free(b->spare);
	free(b->scratch);
	free(b->rdata);
	free(b->body);
	free(b);
}

static bool exceeds(uint64_t had, uint64_t come, uint64_t gone, uint64_t limit)
{
	return had + come > gone && had + come - gone > limit;
}

/*
 * An edit list is limited while it arrives, not when all of it is in memory. Deletions come before additions in a delta
 * (RFC 1995 4), so no version on the way has more records than the zone and the edits so far make; what only comes and
 * goes is bounded by the length of the list.
 */
static enum builder_verdict check_edits(struct builder *b, const uint8_t *owner, uint16_t type)
{
	const struct edits *e = &b->edits;

	if (exceeds(b->records, e->adds, e->dels, b->limits.records) ||
	    (e->cnt > EDITS_FREE && e->cnt / EDITS_PER_RECORD > b->limits.records))
		return builder_fail(b, BUILDER_LIMIT_RECORDS, owner, type);
	if (exceeds(b->octets, e->add_octets, e->del_octets, b->limits.bytes) ||
	    (e->len > EDITS_FREE && e->len / EDITS_PER_RECORD > b->limits.bytes))
		return builder_fail(b, BUILDER_LIMIT_BYTES, owner, type);
	return BUILDER_OK;
}

static enum builder_verdict take(struct builder *b, const uint8_t *owner, uint16_t type, uint32_t ttl,
				 const uint8_t *rdata, uint16_t rdata_len, bool del)
{
	struct owner o;

	if (b->verdict != BUILDER_OK)
		return b->verdict;
	if (dns_type_is_meta(type))
		return builder_fail(b, BUILDER_META_TYPE, owner, type);
	if (ttl & UINT32_C(0x80000000)) {
		ttl = 0; /* RFC 2181 8 */
		b->report.ttl_top_bit++;
	}
	if (!b->edit && !del)
		return arrivals_add(b, owner, type, ttl, rdata, rdata_len);
	if (!owner_init(b, &o, owner, name_len(owner))) {
		b->report.skipped_outside++;
		return BUILDER_OK;
	}
	if (!b->edit)
		return builder_fail(b, BUILDER_DELETE_ABSENT, owner, type);
	if (edits_add(b, &o, owner, type, ttl, rdata, rdata_len, del) < 0)
		return builder_fail(b, b->edits.refused, owner, type);
	return check_edits(b, owner, type);
}

enum builder_verdict builder_add(struct builder *b, const uint8_t *owner, uint16_t type, uint32_t ttl,
				 const uint8_t *rdata, uint16_t rdata_len)
{
	return take(b, owner, type, ttl, rdata, rdata_len, false);
}

enum builder_verdict builder_del(struct builder *b, const uint8_t *owner, uint16_t type, const uint8_t *rdata,
				 uint16_t rdata_len)
{
	return take(b, owner, type, 0, rdata, rdata_len, true);
}

/* Everything in the draft that waits for the last record. */
static enum builder_verdict complete(struct builder *b)
{
	enum builder_verdict v = b->verdict;
	int rc = 0;

	if (v == BUILDER_OK)
		v = b->edit ? edits_apply(b) : arrivals_end(b);
	if (v != BUILDER_OK)
		return v;
	if (b->cut.len > 0)
		rc = glue_update_list(b, &b->cut);
	if (rc == 0 && b->rescan)
		rc = occlude_all(b);
	if (rc == 0)
		rc = glue_update_list(b, &b->glue_dirty);
	owner_init(b, &b->owner, b->apex_lower, b->apex_len);
	return builder_draft_error(b, rc, &b->owner);
}

static struct snapshot *snapshot_new(struct builder *b)
{
	struct snapshot *s = calloc(1, sizeof(*s) + 2u * b->apex_len);

	if (s == NULL)
		return NULL;
	s->base = b->draft.base;
	memcpy(s->tree, b->draft.tree, sizeof(s->tree));
	s->order_root = b->draft.order_root;
	s->chains = b->draft.chains;
	s->apex_hash = b->draft.apex_hash;
	s->apex_len = b->apex_len;
	s->apex_label_cnt = b->apex_label_cnt;
	s->key = b->key;
	s->octets = b->octets;
	s->arena = b->draft.arena;
	memcpy(s->names, b->apex_lower, b->apex_len);
	memcpy(s->names + b->apex_len, b->apex_orig, b->apex_len);
	s->apex = draft_find(&b->draft, BLOCK_NAMES, s->apex_hash, NULL, 0);
	s->info = (struct snapshot_info){
		.records = b->records,
		.names = b->names,
		.bytes = b->draft.bytes,
		.delegations = b->delegations,
		.ttl_repaired = b->report.ttl_unequal > 0 || (b->base != NULL && b->base->info.ttl_repaired),
	};
	return s;
}

/* What a snapshot knows about itself, from its apex. */
static enum builder_verdict read_apex(struct builder *b, struct snapshot *s)
{
	struct rrset set;

	if (!entry_set(s, s->apex, DNS_TYPE_SOA, &set))
		return BUILDER_NO_SOA;
	records_clear(&b->work);
	if (records_add_entry(
		    &b->work,
		    &(struct set_source){s->base, &s->tree[BLOCK_SHARED], snapshot_apex_name(s), s->apex_len},
		    s->apex, b->scratch, b->rdata) < 0)
		return BUILDER_NO_MEMORY;
	for (unsigned i = 0; i < b->work.cnt; i++)
		if (b->work.v[i].type == DNS_TYPE_SOA)
			soa_parse(record_data(&b->work, &b->work.v[i]), b->work.v[i].len, &s->soa);
	s->soa.mname = s->soa.rname = NULL;
	s->info.serial = s->soa.serial;
	if (!entry_set(s, s->apex, DNS_TYPE_NS, &set))
		return BUILDER_NO_NS;
	s->info.has_nsec = entry_set(s, s->apex, DNS_TYPE_NSEC, &set);
	return chain_choose(b, s) < 0 ? BUILDER_NO_MEMORY : BUILDER_OK;
}

enum builder_verdict builder_finish(struct builder *b, struct snapshot **out, struct builder_report *report)
{
	enum builder_verdict v = complete(b);
	struct snapshot *s = NULL;

	if (v == BUILDER_OK) {
		s = snapshot_new(b);
		v = s == NULL ? BUILDER_NO_MEMORY : read_apex(b, s);
		if (v != BUILDER_OK)
			builder_fail(b, v, b->apex_orig, 0);
	}
	*report = b->report;
	if (v != BUILDER_OK) {
		snapshot_free(s);
		return v;
	}
	draft_seal(&b->draft);
	version_commit(b->line, &b->draft, s);
	b->line = NULL;
	b->verdict = BUILDER_NO_MEMORY; /* one snapshot from one builder */
	*out = s;
	return BUILDER_OK;
}
