/*
 * Access lists. Prefixes nest or are apart, so the addresses where one begins or ends cut the address space into ranges with
 * one verdict each; what is kept are the places where the verdict changes, in order. Contracts in the header.
 */
#include "dataplane/zone/acl.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/dns/wire.h"

/* From this address on. IPv4 addresses stand in the high half of the first word. */
struct edge {
	uint64_t at[2];
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

/* The first and the first behind; the latter is 0 where the address space ends. */
static void ends_of(const struct net_prefix *n, uint64_t first[2], uint64_t behind[2])
{
	uint64_t mask[2];
	unsigned __int128 at;

	mask_of(n->prefix, mask);
	load(n->family, n->addr, first);
	first[0] &= mask[0];
	first[1] &= mask[1];
	at = (unsigned __int128)first[0] << 64 | first[1];
	if (n->prefix > 0)
		at += (unsigned __int128)1 << (128 - n->prefix);
	else
		at = 0;
	behind[0] = (uint64_t)(at >> 64);
	behind[1] = (uint64_t)at;
}

static bool verdict_at(const struct acl_rule *rules, unsigned cnt, uint8_t family, const uint64_t at[2],
		       bool otherwise)
{
	int longest = -1;

	for (unsigned i = 0; i < cnt; i++) {
		if (rules[i].net.family != family || rules[i].net.prefix <= longest ||
		    !covers(&rules[i].net, at))
			continue;
		longest = rules[i].net.prefix;
		otherwise = rules[i].allow;
	}
	return otherwise;
}

static int edge_order(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return below(y->at, x->at) - below(x->at, y->at);
}

static bool make_edges(struct edges *e, const struct acl_rule *rules, unsigned cnt, uint8_t family,
		       bool otherwise)
{
	unsigned all = 1, kept = 0;

	e->v = calloc(2 * (size_t)cnt + 1, sizeof(e->v[0])); /* the first of them is at 0 */
	if (e->v == NULL)
		return false;
	for (unsigned i = 0; i < cnt; i++)
		if (rules[i].net.family == family) {
			ends_of(&rules[i].net, e->v[all].at, e->v[all + 1].at);
			all += 2;
		}
	qsort(e->v, all, sizeof(e->v[0]), edge_order);
	for (unsigned i = 0; i < all; i++) {
		e->v[i].allow = verdict_at(rules, cnt, family, e->v[i].at, otherwise);
		if (kept == 0 || e->v[kept - 1].allow != e->v[i].allow)
			e->v[kept++] = e->v[i];
	}
	e->cnt = kept;
	return true;
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

bool acl_allows(const struct acl *a, uint8_t family, const uint8_t *addr)
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
	return e->v[low].allow;
}
