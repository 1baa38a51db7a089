/* Unpacking sets into records, and putting records in order. Contracts in the header. */
#include "dataplane/zone/records.h"

#include <errno.h>
#include <stdlib.h>

void records_fini(struct records *r)
{
	free(r->v);
	free(r->bytes);
	*r = (struct records){0};
}

static int grow(struct records *r, uint32_t len)
{
	if (r->cnt == r->cap) {
		unsigned cap = r->cap == 0 ? 16 : r->cap * 2;
		struct record *v = realloc(r->v, cap * sizeof(*v));

		if (v == NULL)
			return -ENOMEM;
		r->v = v;
		r->cap = cap;
	}
	if (len > r->size - r->len) {
		uint64_t size = ((uint64_t)r->len + len) * 2 + 512;
		uint8_t *bytes = size > UINT32_MAX ? NULL : realloc(r->bytes, size);

		if (bytes == NULL)
			return -ENOMEM;
		r->bytes = bytes;
		r->size = (uint32_t)size;
	}
	return 0;
}

int records_add(struct records *r, uint16_t type, uint32_t ttl, const uint8_t *rdata, uint16_t len, bool del)
{
	if (grow(r, len) < 0)
		return -ENOMEM;
	if (len > 0)
		memcpy(r->bytes + r->len, rdata, len);
	r->v[r->cnt] = (struct record){
		.off = r->len, .ttl = ttl, .seq = r->cnt, .len = len, .type = type, .set = type, .del = del};
	r->cnt++;
	r->len += len;
	return 0;
}

static int compare_data(const struct records *r, const struct record *a, const struct record *b)
{
	return rdata_compare(a->type, record_data(r, a), a->len, record_data(r, b), b->len);
}

static int by_record(const void *pa, const void *pb, void *arg)
{
	const struct record *a = pa, *b = pb;
	int d;

	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	d = compare_data(arg, a, b);
	return d != 0 ? d : (a->seq > b->seq) - (a->seq < b->seq);
}

static int by_set(const void *pa, const void *pb, void *arg)
{
	const struct record *a = pa, *b = pb;
	int d;

	if (a->set != b->set)
		return a->set < b->set ? -1 : 1;
	if (a->sig != b->sig)
		return a->sig ? 1 : -1;
	d = compare_data(arg, a, b);
	return d != 0 ? d : (a->seq > b->seq) - (a->seq < b->seq);
}

static void sort(struct records *r, int (*compare)(const void *, const void *, void *))
{
	if (r->cnt > 16) {
		qsort_r(r->v, r->cnt, sizeof(*r->v), compare, r);
		return;
	}
	for (unsigned i = 1; i < r->cnt; i++) {
		struct record rec = r->v[i];
		unsigned k = i;

		for (; k > 0 && compare(&r->v[k - 1], &rec, r) > 0; k--)
			r->v[k] = r->v[k - 1];
		r->v[k] = rec;
	}
}

void records_sort_by_record(struct records *r)
{
	sort(r, by_record);
}

/* Whether there is a set of this type; v is ordered by type up to cnt. */
static bool has_type(const struct records *r, uint16_t type)
{
	unsigned lo = 0, hi = r->cnt;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (r->v[mid].type < type)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < r->cnt && r->v[lo].type == type;
}

void records_sort_by_set(struct records *r)
{
	bool sigs = false;

	for (unsigned i = 0; i < r->cnt; i++)
		sigs |= r->v[i].type == DNS_TYPE_RRSIG;
	if (r->cnt > 1)
		sort(r, by_record);
	if (!sigs)
		return;
	for (unsigned i = 0; i < r->cnt; i++) {
		struct record *rec = &r->v[i];
		uint16_t covered;

		rec->set = rec->type;
		rec->sig = false;
		if (rec->type != DNS_TYPE_RRSIG)
			continue;
		covered = wire_load16(record_data(r, rec));
		if (covered != DNS_TYPE_RRSIG && has_type(r, covered)) {
			rec->set = covered;
			rec->sig = true;
		}
	}
	sort(r, by_set);
}

void set_view(const struct set_source *src, const struct entry *e, const struct set_raw *raw,
	      struct rrset *out)
{
	struct set_raw shared;
	uint8_t form = raw->form;

	if (form & SET_SHARED) {
		uint64_t key = shared_key(raw->id);
		const struct block *b = tree_block(src->base, src->shared, key);
		const struct entry *item = block_find_shared(b, raw->id);

		set_read(item, item->rest + SHARED_HEAD, &shared);
		raw = &shared;
		form = SET_APEX;
	}
	*out = (struct rrset){
		.body = raw->body,
		.reloc = raw->reloc,
		.len = raw->len,
		.sig_len = raw->sig_len,
		.ttl = wire_load32(raw->body + 6),
		.cnt = raw->cnt,
		.sig_cnt = raw->sig_cnt,
		.reloc_cnt = raw->reloc_cnt,
		.type = raw->type,
		.shift = form & SET_APEX ? e->rel_len : 0,
	};
}

int records_add_set(struct records *r, const struct set_source *src, const uint8_t *owner, size_t owner_len,
		    const struct rrset *set, uint8_t *scratch, uint8_t *rdata)
{
	size_t layout_len = owner_len - set->shift;
	size_t nominal = RRSET_NOMINAL(layout_len);
	size_t total = set->len + set->sig_len;
	const uint8_t *body = set->body;
	size_t off = 0;

	/* With pointers: the message that the body was laid out for, so that the ordinary reader follows them. */
	if (set->reloc_cnt > 0) {
		memcpy(scratch + DNS_HEADER_LEN, set->shift > 0 ? src->apex : owner, layout_len);
		memcpy(scratch + nominal, set->body, total);
		body = scratch + nominal;
	}
	while (off < total) {
		uint16_t type = wire_load16(body + off + 2);
		uint16_t len = wire_load16(body + off + 10);
		const uint8_t *data = body + off + 12;
		int data_len = len;

		if (set->reloc_cnt > 0) {
			struct wire_in in = wire_in_init(scratch, nominal + total);

			in.cur = data;
			data_len = rdata_get(&in, type, len, rdata);
			data = rdata;
			if (data_len < 0)
				return data_len;
		}
		if (records_add(r, type, wire_load32(body + off + 6), data, (uint16_t)data_len, false) < 0)
			return -ENOMEM;
		off += 12u + len;
	}
	return 0;
}

size_t entry_owner_at(const struct set_source *src, const struct entry *e, uint8_t out[NAME_LEN_MAX])
{
	memcpy(out, e->rest + (e->flags & ENTRY_CASE ? e->rel_len : 0), e->rel_len);
	memcpy(out + e->rel_len, src->apex, src->apex_len);
	return (size_t)e->rel_len + src->apex_len;
}

int records_add_entry(struct records *r, const struct set_source *src, const struct entry *e,
		      uint8_t *scratch, uint8_t *rdata)
{
	uint8_t owner[NAME_LEN_MAX];
	size_t owner_len = entry_owner_at(src, e, owner);
	const uint8_t *p = entry_sets(e);
	struct set_raw raw;

	if (e->flags & ENTRY_EMPTY)
		return 0;
	do {
		struct rrset set;
		int rc;

		set_read(e, p, &raw);
		p = raw.end;
		if (raw.form & SET_GLUE)
			continue;
		set_view(src, e, &raw, &set);
		rc = records_add_set(r, src, owner, owner_len, &set, scratch, rdata);
		if (rc < 0)
			return rc;
	} while (!(raw.form & SET_LAST));
	return 0;
}
