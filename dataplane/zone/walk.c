/* Walking all records in canonical order. Not for workers: allocates and sorts. Contract in snapshot.h. */
#include "dataplane/zone/records.h"
#include "dataplane/zone/version.h"

#include <errno.h>
#include <stdlib.h>

/* An entry to visit; order is the first octets of its labels, from the apex down, so that most compares end there. */
struct stop {
	uint64_t order;
	const struct entry *e;
};

struct walk {
	struct set_source src;
	struct stop *stops;
	size_t cnt, cap;
	struct records records;
	uint8_t *scratch;
	uint8_t *rdata;
};

/*
 * Eight octets that compare like the names do (RFC 4034 6.1), as far as eight octets go: labels from the top, each
 * ended by 0; the octets 0 and 1 become 1 1 and 1 2, so that the end of a label stays below all.
 */
static uint64_t order_of(const struct entry *e)
{
	uint8_t off[NAME_LABELS_MAX];
	uint8_t key[8 + 2] = {0};
	unsigned cnt = 0, used = 0;

	for (unsigned i = 0; i < e->rel_len; i += 1u + e->rest[i])
		off[cnt++] = (uint8_t)i;
	while (cnt-- > 0 && used < 8) {
		const uint8_t *label = e->rest + off[cnt];

		for (unsigned i = 1; i <= *label && used < 8; i++) {
			if (label[i] <= 1) {
				key[used++] = 1;
				key[used++] = (uint8_t)(label[i] + 1);
			} else {
				key[used++] = label[i];
			}
		}
		if (used < 8)
			key[used++] = 0;
	}
	return (uint64_t)wire_load32(key) << 32 | wire_load32(key + 4);
}

static int compare_entries(const struct entry *a, const struct entry *b)
{
	uint8_t an[NAME_LEN_MAX], bn[NAME_LEN_MAX];

	memcpy(an, a->rest, a->rel_len);
	an[a->rel_len] = 0;
	memcpy(bn, b->rest, b->rel_len);
	bn[b->rel_len] = 0;
	return name_compare(an, bn);
}

static int compare_stops(const void *pa, const void *pb)
{
	const struct stop *a = pa, *b = pb;

	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	return compare_entries(a->e, b->e);
}

static int collect(struct walk *w, const struct snapshot *s, uint8_t kind)
{
	const struct block *b;
	uint64_t key = 0;
	bool done = false;

	while ((b = tree_next_block(s->base, &s->tree[kind], &key, &done)) != NULL) {
		if (w->cnt + b->cnt > w->cap) {
			size_t cap = (w->cnt + b->cnt) * 2;
			struct stop *stops = realloc(w->stops, cap * sizeof(*stops));

			if (stops == NULL)
				return -ENOMEM;
			w->stops = stops;
			w->cap = cap;
		}
		for (unsigned i = 0; i < b->cnt; i++) {
			const struct entry *e = block_entry(b, i);

			if (!(e->flags & ENTRY_EMPTY))
				w->stops[w->cnt++] = (struct stop){.order = order_of(e), .e = e};
		}
	}
	return 0;
}

/* Records of w by type and record data, RRSIGs among the types. only_soa or all but the SOA. */
static int visit(struct walk *w, const uint8_t *owner, bool soa, snapshot_walk_fn fn, void *arg)
{
	for (unsigned i = 0; i < w->records.cnt; i++) {
		const struct record *rec = &w->records.v[i];
		struct snapshot_record out = {.owner = owner,
					      .rdata = record_data(&w->records, rec),
					      .ttl = rec->ttl,
					      .rdata_len = rec->len,
					      .type = rec->type};
		int rc;

		if ((rec->type == DNS_TYPE_SOA) != soa)
			continue;
		rc = fn(&out, arg);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int load(struct walk *w, const struct entry *a, const struct entry *b)
{
	int rc;

	records_clear(&w->records);
	rc = records_add_entry(&w->records, &w->src, a, w->scratch, w->rdata);
	if (rc == 0 && b != NULL)
		rc = records_add_entry(&w->records, &w->src, b, w->scratch, w->rdata);
	records_sort_by_record(&w->records);
	return rc;
}

static int walk_stops(struct walk *w, const struct snapshot *s, snapshot_walk_fn fn, void *arg)
{
	uint8_t owner[NAME_LEN_MAX];
	int rc = load(w, s->apex, NULL);

	if (rc == 0)
		rc = visit(w, snapshot_apex_name(s), true, fn, arg);
	for (size_t i = 0; i < w->cnt && rc == 0; i++) {
		const struct entry *twin = NULL;

		/* An owner of NSEC3 records may be an ordinary name too. */
		if (i + 1 < w->cnt && compare_entries(w->stops[i].e, w->stops[i + 1].e) == 0)
			twin = w->stops[i + 1].e;
		entry_owner_at(&w->src, w->stops[i].e, owner);
		rc = load(w, w->stops[i].e, twin);
		if (rc == 0)
			rc = visit(w, owner, false, fn, arg);
		i += twin != NULL;
	}
	return rc;
}

int snapshot_walk(const struct snapshot *s, snapshot_walk_fn fn, void *arg)
{
	struct walk w = {.src = {.base = s->base,
				 .shared = &s->tree[BLOCK_SHARED],
				 .apex = snapshot_apex_name(s),
				 .apex_len = s->apex_len},
			 .scratch = malloc(RECORDS_SCRATCH),
			 .rdata = malloc(RDATA_LEN_MAX)};
	int rc = w.scratch == NULL || w.rdata == NULL ? -ENOMEM : 0;

	if (rc == 0)
		rc = collect(&w, s, BLOCK_NAMES);
	if (rc == 0)
		rc = collect(&w, s, BLOCK_NSEC3);
	if (rc == 0) {
		qsort(w.stops, w.cnt, sizeof(*w.stops), compare_stops);
		rc = walk_stops(&w, s, fn, arg);
	}
	free(w.stops);
	records_fini(&w.records);
	free(w.scratch);
	free(w.rdata);
	return rc;
}
