/*
 * Access lists. Prefixes nest or are apart, so the addresses where one begins or ends cut the address space into ranges with
 * one verdict each; what is kept are the places where the verdict, or whose it is, changes, in order. Contracts in the header.
 */
#include "dataplane/zone/acl.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/dns/wire.h"

/* From this address on. IPv4 addresses stand in the high half of the first word. */
struct edge {
	uint64_t at[2];
	uint32_t number;
	bool allow;
};

struct edges {
	unsigned cnt; /* the first is at 0 */
	struct edge *v;
};

struct acl {
	struct edges family[2]; /* IPv4, IPv6 */
};

static unsigned family_index(uint8_t family)
{
	return family == 4 ? 0 : 1;
}

static void load(uint8_t family, const uint8_t *addr, uint64_t out[2])
{
	out[0] = (uint64_t)wire_load32(addr) << 32;
	out[1] = 0;
	if (family == 4)
		return;
	out[0] |= wire_load32(addr + 4);
	out[1] = (uint64_t)wire_load32(addr + 8) << 32 | wire_load32(addr + 12);
}

static bool below(const uint64_t a[2], const uint64_t b[2])
{
	return a[0] != b[0] ? a[0] < b[0] : a[1] < b[1];
}

static void mask_of(unsigned prefix, uint64_t out[2])
{
	out[0] = prefix == 0 ? 0 : prefix >= 64 ? UINT64_MAX : UINT64_MAX << (64 - prefix);
	out[1] = prefix <= 64 ? 0 : UINT64_MAX << (128 - prefix);
}

static bool covers(const struct net_prefix *n, const uint64_t at[2])
{
	uint64_t mask[2], from[2];

	mask_of(n->prefix, mask);
	load(n->family, n->addr, from);
	return ((from[0] ^ at[0]) & mask[0]) == 0 && ((from[1] ^ at[1]) & mask[1]) == 0;
}

bool acl_same_net(const struct net_prefix *a, const struct net_prefix *b)
{
	uint64_t at[2];

	load(b->family, b->addr, at);
	return a->family == b->family && a->prefix == b->prefix && covers(a, at);
}

/* What a rule covers: from first to what is before behind, which is 0 where the address space ends. */
struct range {
	uint64_t first[2], behind[2];
	uint32_t number;
	uint8_t prefix;
	bool allow;
};

static struct range range_of(const struct acl_rule *rule)
{
	struct range r = {.prefix = rule->net.prefix, .allow = rule->allow, .number = rule->number};
	uint64_t mask[2];
	unsigned __int128 at = 0;

	mask_of(r.prefix, mask);
	load(rule->net.family, rule->net.addr, r.first);
	r.first[0] &= mask[0];
	r.first[1] &= mask[1];
	if (r.prefix > 0)
		at = ((unsigned __int128)r.first[0] << 64 | r.first[1]) +
		     ((unsigned __int128)1 << (128 - r.prefix));
	r.behind[0] = (uint64_t)(at >> 64);
	r.behind[1] = (uint64_t)at;
	return r;
}

static bool ends_before(const struct range *r, const uint64_t at[2])
{
	return (r->behind[0] | r->behind[1]) != 0 && !below(at, r->behind);
}

/* Those that others are inside of first. */
static int range_order(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (below(x->first, y->first) || below(y->first, x->first))
		return below(x->first, y->first) ? -1 : 1;
	return x->prefix - y->prefix;
}

static int edge_order(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return below(y->at, x->at) - below(x->at, y->at);
}

/* The verdict from each edge on is that of the innermost range that is open there; edges that change nothing go. */
static void judge_edges(struct edges *e, const struct range *ranges, unsigned cnt, const struct range **open,
			bool otherwise)
{
	unsigned open_cnt = 0, next = 0, kept = 0;

	for (unsigned i = 0; i < e->cnt; i++) {
		struct edge edge = e->v[i];

		while (open_cnt > 0 && ends_before(open[open_cnt - 1], edge.at))
			open_cnt--;
		while (next < cnt && !below(edge.at, ranges[next].first))
			open[open_cnt++] = &ranges[next++];
		edge.allow = open_cnt > 0 ? open[open_cnt - 1]->allow : otherwise;
		edge.number = open_cnt > 0 ? open[open_cnt - 1]->number : 0;
		if (kept == 0 || e->v[kept - 1].allow != edge.allow || e->v[kept - 1].number != edge.number)
			e->v[kept++] = edge;
	}
	e->cnt = kept;
}

static bool make_edges(struct edges *e, const struct acl_rule *rules, unsigned rule_cnt, uint8_t family,
		       bool otherwise)
{
	struct range *ranges = calloc((size_t)rule_cnt + 1, sizeof(ranges[0]));
	const struct range **open = calloc((size_t)rule_cnt + 1, sizeof(open[0]));
	unsigned cnt = 0;

	e->v = calloc(2 * (size_t)rule_cnt + 1, sizeof(e->v[0])); /* the first of them is at 0 */
	if (ranges != NULL && open != NULL && e->v != NULL) {
		for (unsigned i = 0; i < rule_cnt; i++)
			if (rules[i].net.family == family)
				ranges[cnt++] = range_of(&rules[i]);
		qsort(ranges, cnt, sizeof(ranges[0]), range_order);
		for (unsigned i = 0; i < cnt; i++) {
			memcpy(e->v[2 * i + 1].at, ranges[i].first, sizeof(ranges[i].first));
			memcpy(e->v[2 * i + 2].at, ranges[i].behind, sizeof(ranges[i].behind));
		}
		e->cnt = 2 * cnt + 1;
		qsort(e->v, e->cnt, sizeof(e->v[0]), edge_order);
		judge_edges(e, ranges, cnt, open, otherwise);
	}
	free(ranges);
	free(open);
	return e->cnt > 0;
}

struct acl *acl_new(const struct acl_rule *rules, unsigned cnt)
{
	struct acl *a = calloc(1, sizeof(*a));
	bool otherwise = true;

	if (a == NULL)
		return NULL;
	for (unsigned i = 0; i < cnt; i++)
		otherwise &= !rules[i].allow;
	if (make_edges(&a->family[0], rules, cnt, 4, otherwise) &&
	    make_edges(&a->family[1], rules, cnt, 6, otherwise))
		return a;
	acl_free(a);
	return NULL;
}

void acl_free(struct acl *a)
{
	if (a == NULL)
		return;
	free(a->family[0].v);
	free(a->family[1].v);
	free(a);
}

/* The last edge at or before the address. */
static const struct edge *find(const struct acl *a, uint8_t family, const uint8_t *addr)
{
	const struct edges *e = &a->family[family_index(family)];
	unsigned low = 0, high = e->cnt; /* the edge lies in [low, high) */
	uint64_t at[2];

	load(family, addr, at);
	while (high - low > 1) {
		unsigned mid = low + (high - low) / 2;

		if (below(at, e->v[mid].at))
			high = mid;
		else
			low = mid;
	}
	return &e->v[low];
}

bool acl_allows(const struct acl *a, uint8_t family, const uint8_t *addr)
{
	return find(a, family, addr)->allow;
}

uint32_t acl_number(const struct acl *a, uint8_t family, const uint8_t *addr)
{
	return find(a, family, addr)->number;
}
