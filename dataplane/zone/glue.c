/*
 * Prepared glue: the addresses of a cut's name servers that lie at or below the cut (RFC 9471 3.1), as one body whose
 * owner pointers lead into the NS set's body. For the builder only.
 */
#include "dataplane/zone/builder_internal.h"
#include "dataplane/zone/body_name.h"

#include <errno.h>
#include <stdlib.h>

#define GLUE_LEN_MAX 16384 /* more than one referral can use; keeps entries within bounds */

int name_list_add(struct name_list *l, const uint8_t *rel, size_t len)
{
	if (l->len > 0 && l->octets[l->last] == len && memcmp(l->octets + l->last + 1, rel, len) == 0)
		return 0;
	if (l->len + 1 + len > l->size) {
		size_t size = (l->len + 1 + len) * 2;
		uint8_t *octets = realloc(l->octets, size);

		if (octets == NULL)
			return -ENOMEM;
		l->octets = octets;
		l->size = size;
	}
	l->octets[l->len] = (uint8_t)len;
	memcpy(l->octets + l->len + 1, rel, len);
	l->last = l->len;
	l->len += 1 + len;
	return 0;
}

/* The set of type in e. False: none. */
static bool find_set(const struct set_source *src, const struct entry *e, uint16_t type, struct rrset *out)
{
	const uint8_t *p = entry_sets(e);
	struct set_raw raw;

	if (e->flags & ENTRY_EMPTY)
		return false;
	do {
		set_read(e, p, &raw);
		p = raw.end;
		if (raw.type == type && !(raw.form & SET_GLUE)) {
			set_view(src, e, &raw, out);
			return true;
		}
	} while (!(raw.form & SET_LAST));
	return false;
}

/* False: the body is full. */
static bool add_addresses(struct builder *b, const struct entry *e, uint16_t type, uint16_t name_at,
			  const uint8_t *name)
{
	struct set_source src = builder_source(b);
	struct rrset set;

	if (!find_set(&src, e, type, &set))
		return true;
	for (uint32_t off = 0; off < set.len;) {
		size_t len = 12u + wire_load16(set.body + off + 10);

		if (b->body->len + len + NAME_LEN_MAX > GLUE_LEN_MAX)
			return false;
		encode_body_glue(b->body, name_at <= RRSET_TARGET_MAX ? name_at : 0, name, set.body + off,
				 len);
		off += (uint32_t)len;
	}
	return true;
}

/* Lays out the glue of the cut o in b->body. */
static void lay_out(struct builder *b, const struct owner *o, const struct rrset *ns)
{
	size_t layout_len = (size_t)o->len - ns->shift;
	/* As stored: bodies are laid out for the name as received. */
	const uint8_t *layout = ns->shift > 0 ? b->apex_orig : o->orig;

	encode_body_start(b->body, layout, layout_len);
	for (uint32_t off = 0; off < ns->len; off += 12u + wire_load16(ns->body + off + 10)) {
		uint8_t name[NAME_LEN_MAX];
		struct owner target;
		const struct entry *e;
		uint16_t name_at;

		b->report.handled++;
		body_name(ns->body, layout, layout_len, off + 12, name, &name_at);
		if (!name_is_at_or_below(name, o->lower) || !owner_init(b, &target, name, name_len(name)))
			continue;
		e = owner_find(b, &target, 0);
		if (e == NULL)
			continue;
		if (!add_addresses(b, e, DNS_TYPE_A, name_at, name) ||
		    !add_addresses(b, e, DNS_TYPE_AAAA, name_at, name))
			return;
	}
}

/* e as it is, but with the glue in b->body (or none): into b->entry. Returns its length. */
static size_t rebuild(struct builder *b, const struct entry *e, uint8_t apex_form)
{
	const uint8_t *p = entry_sets(e), *end = p, *last = p;
	struct set_raw raw;
	uint8_t *out;

	do {
		set_read(e, p, &raw);
		if (raw.form & SET_GLUE)
			break;
		last = p;
		end = p = raw.end;
	} while (!(raw.form & SET_LAST));
	memcpy(b->entry, e, (size_t)(end - (const uint8_t *)e));
	out = b->entry + (end - (const uint8_t *)e);
	if (b->body->cnt == 0) {
		b->entry[last - (const uint8_t *)e] |= SET_LAST;
		return (size_t)(out - b->entry);
	}
	b->entry[last - (const uint8_t *)e] &= (uint8_t)~SET_LAST;
	return (size_t)(encode_set(b->body, SET_GLUE | SET_LAST | apex_form, b->entry, out) - b->entry);
}

static int glue_update(struct builder *b, const uint8_t *rel, size_t len)
{
	struct set_source src = builder_source(b);
	const struct entry *e;
	struct owner o;
	struct rrset ns;
	size_t size;

	owner_init_rel(b, &o, rel, len);
	e = owner_find(b, &o, 0);
	if (e == NULL || !find_set(&src, e, DNS_TYPE_NS, &ns) || o.rel_len == 0)
		return 0;
	memcpy(o.orig, e->rest + (e->flags & ENTRY_CASE ? e->rel_len : 0), e->rel_len);
	if (e->flags & ENTRY_BELOW)
		encode_body_start(b->body, o.orig, o.len); /* never referred to: no glue */
	else
		lay_out(b, &o, &ns);
	size = rebuild(b, e, ns.shift > 0 ? SET_APEX : 0);
	if (size == entry_size(BLOCK_NAMES, e) && memcmp(b->entry, e, size) == 0)
		return 0;
	return draft_replace(&b->draft, BLOCK_NAMES, o.hash[0], e, b->entry, size);
}

static int compare_names(const void *pa, const void *pb, void *octets)
{
	const uint8_t *a = (const uint8_t *)octets + *(const size_t *)pa;
	const uint8_t *b = (const uint8_t *)octets + *(const size_t *)pb;

	return memcmp(a, b, 1u + (*a < *b ? *a : *b)); /* lengths first: equal ones are compared whole */
}

/* Every change below a cut puts it on the list; laid out it is once, for it may have thousands of servers. */
int glue_update_list(struct builder *b, struct name_list *list)
{
	size_t cnt = 0, i = 0, at, *v;
	int rc = 0;

	for (at = 0; at < list->len; at += 1u + list->octets[at])
		cnt++;
	v = malloc((cnt + 1) * sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	for (at = 0; at < list->len; at += 1u + list->octets[at])
		v[i++] = at;
	if (cnt > 1)
		qsort_r(v, cnt, sizeof(*v), compare_names, list->octets);
	for (i = 0; i < cnt && rc == 0; i++)
		if (i == 0 || compare_names(&v[i - 1], &v[i], list->octets) != 0)
			rc = builder_is_stopped(b)
				     ? -ECANCELED
				     : glue_update(b, list->octets + v[i] + 1, list->octets[v[i]]);
	free(v);
	list->len = 0;
	return rc;
}
