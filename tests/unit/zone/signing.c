#include "tests/unit/zone/signing.h"

#include "dataplane/zone/nsec3.h"
#include "dataplane/zone/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define PARAM_LEN 9

/* The names of a chain. */
struct names {
	uint8_t (*v)[NAME_LEN_MAX];
	unsigned cnt;
};

/* Below a cut or a DNAME. */
static bool is_occluded(const struct model *m, const uint8_t *name)
{
	for (unsigned i = 0; i < m->cnt; i++) {
		const struct model_record *rec = &m->v[i];
		bool cut = rec->type == DNS_TYPE_NS && !name_equal(rec->owner, m->apex);

		if ((cut || rec->type == DNS_TYPE_DNAME) && !name_equal(rec->owner, name) &&
		    name_is_at_or_below(name, rec->owner))
			return true;
	}
	return false;
}

static bool has_type(const struct model *m, const uint8_t *owner, uint16_t type)
{
	for (unsigned i = 0; i < m->cnt; i++)
		if (m->v[i].type == type && name_equal(m->v[i].owner, owner))
			return true;
	return false;
}

static bool is_cut(const struct model *m, const uint8_t *owner)
{
	return !name_equal(owner, m->apex) && has_type(m, owner, DNS_TYPE_NS);
}

static int compare_names(const void *a, const void *b)
{
	return name_compare(a, b);
}

static void names_add(struct names *n, const uint8_t *name)
{
	for (unsigned i = 0; i < n->cnt; i++)
		if (name_equal(n->v[i], name))
			return;
	memcpy(n->v[n->cnt++], name, name_len(name));
}

/* Who has a record in the chain, in canonical order. empty: empty non-terminals too. */
static struct names chain_names(const struct model *m, bool empty, bool opt_out)
{
	struct names n = {.v = calloc((size_t)m->cnt * 8, NAME_LEN_MAX)};

	assert_non_null(n.v);
	for (unsigned i = 0; i < m->cnt; i++) {
		const uint8_t *p = m->v[i].owner;

		if (is_occluded(m, p) || (opt_out && is_cut(m, p) && !has_type(m, p, DNS_TYPE_DS)))
			continue;
		names_add(&n, p);
		while (empty && !name_equal(p, m->apex)) {
			p += 1 + *p;
			names_add(&n, p);
		}
	}
	qsort(n.v, n.cnt, NAME_LEN_MAX, compare_names);
	return n;
}

/* The types a chain record of this owner lists; below 256, so one window does. */
static unsigned put_bitmap(const struct model *m, const uint8_t *owner, uint16_t own_type, uint8_t *out)
{
	bool cut = is_cut(m, owner), any = false;
	uint8_t bits[32] = {0};
	unsigned len = 32;

	for (unsigned i = 0; i < m->cnt; i++) {
		uint16_t type = m->v[i].type;

		if (!name_equal(m->v[i].owner, owner) || type > 255 ||
		    (cut && type != DNS_TYPE_NS && type != DNS_TYPE_DS))
			continue;
		bits[type / 8] |= (uint8_t)(0x80 >> type % 8);
		any |= !cut || type == DNS_TYPE_DS;
	}
	if (any || own_type == DNS_TYPE_NSEC)
		bits[DNS_TYPE_RRSIG / 8] |= 0x80 >> DNS_TYPE_RRSIG % 8;
	if (own_type == DNS_TYPE_NSEC)
		bits[DNS_TYPE_NSEC / 8] |= 0x80 >> DNS_TYPE_NSEC % 8;
	while (len > 0 && bits[len - 1] == 0)
		len--;
	if (len == 0)
		return 0;
	out[0] = 0;
	out[1] = (uint8_t)len;
	memcpy(out + 2, bits, len);
	return 2 + len;
}

static void add_nsec(struct model *m)
{
	struct names n = chain_names(m, false, false);
	struct model before;

	model_copy(&before, m);
	for (unsigned i = 0; i < n.cnt; i++) {
		const uint8_t *next = n.v[(i + 1) % n.cnt];
		uint8_t rdata[MODEL_RDATA];
		unsigned len = (unsigned)name_len(next);

		memcpy(rdata, next, len);
		len += put_bitmap(&before, n.v[i], DNS_TYPE_NSEC, rdata + len);
		assert_true(model_add(m, n.v[i], DNS_TYPE_NSEC, SIGNING_TTL(DNS_TYPE_NSEC), rdata, len));
	}
	model_fini(&before);
	free(n.v);
}

struct hashed {
	uint8_t hash[NSEC3_HASH_LEN];
	const uint8_t *name;
};

static int compare_hashes(const void *a, const void *b)
{
	return memcmp(a, b, NSEC3_HASH_LEN);
}

static void nsec3_owner(const struct model *m, const uint8_t *hash, uint8_t out[NAME_LEN_MAX])
{
	out[0] = NSEC3_LABEL_LEN;
	nsec3_label(hash, out + 1);
	memcpy(out + 1 + NSEC3_LABEL_LEN, m->apex, name_len(m->apex));
}

static void add_nsec3(struct model *m, const struct signing *how)
{
	const uint8_t params[PARAM_LEN] = {1, 0, 0, 0, 4, how->salt, 0xBB, 0xCC, 0xDD};
	struct names n;
	struct hashed *h;
	struct model before;

	model_add(m, m->apex, DNS_TYPE_NSEC3PARAM, SIGNING_TTL(DNS_TYPE_NSEC3PARAM), params, PARAM_LEN);
	n = chain_names(m, true, how->opt_out);
	h = calloc(n.cnt, sizeof(*h));
	assert_non_null(h);
	model_copy(&before, m);
	for (unsigned i = 0; i < n.cnt; i++) {
		uint8_t lower[NAME_LEN_MAX];

		name_lower(lower, n.v[i], name_len(n.v[i]));
		nsec3_hash(params, lower, h[i].hash);
		h[i].name = n.v[i];
	}
	qsort(h, n.cnt, sizeof(*h), compare_hashes);
	for (unsigned i = 0; i < n.cnt; i++) {
		uint8_t rdata[MODEL_RDATA], owner[NAME_LEN_MAX];
		unsigned len = PARAM_LEN + 1 + NSEC3_HASH_LEN;

		memcpy(rdata, params, PARAM_LEN);
		rdata[1] = how->opt_out;
		rdata[PARAM_LEN] = NSEC3_HASH_LEN;
		memcpy(rdata + PARAM_LEN + 1, h[(i + 1) % n.cnt].hash, NSEC3_HASH_LEN);
		len += put_bitmap(&before, h[i].name, DNS_TYPE_NSEC3, rdata + len);
		nsec3_owner(m, h[i].hash, owner);
		assert_true(model_add(m, owner, DNS_TYPE_NSEC3, SIGNING_TTL(DNS_TYPE_NSEC3), rdata, len));
	}
	model_fini(&before);
	free(h);
	free(n.v);
}

/* Of all records of a set, whatever their order. */
static uint64_t set_hash(const struct model *m, const struct model_record *first, uint32_t inception)
{
	uint64_t sum = inception;

	for (unsigned i = 0; i < m->cnt; i++) {
		const struct model_record *rec = &m->v[i];
		uint64_t hash = UINT64_C(0xCBF29CE484222325) ^ rec->ttl;

		if (rec->type != first->type || !name_equal(rec->owner, first->owner))
			continue;
		for (unsigned k = 0; k < rec->len; k++)
			hash = (hash ^ rec->rdata[k]) * UINT64_C(0x100000001B3);
		sum += hash;
	}
	return sum;
}

static void add_rrsig(struct model *m, const struct model *plain, const struct model_record *rec,
		      uint32_t inception)
{
	uint64_t hash = set_hash(plain, rec, inception);
	uint8_t rdata[MODEL_RDATA];
	unsigned len = 18 + (unsigned)name_len(m->apex);

	wire_store16(rdata, rec->type);
	rdata[2] = 13;
	rdata[3] = (uint8_t)(name_label_cnt(rec->owner) - (rec->owner[0] == 1 && rec->owner[1] == '*'));
	wire_store32(rdata + 4, rec->ttl);
	wire_store32(rdata + 8, inception + 86400);
	wire_store32(rdata + 12, inception);
	wire_store16(rdata + 16, 4711);
	memcpy(rdata + 18, m->apex, len - 18);
	for (unsigned i = 0; i < 64; i += 8) {
		wire_store32(rdata + len + i, (uint32_t)(hash >> 32));
		wire_store32(rdata + len + i + 4, (uint32_t)hash + i);
	}
	model_add(m, rec->owner, DNS_TYPE_RRSIG, rec->ttl, rdata, len + 64);
}

void signing_apply(struct model *m, const struct signing *how)
{
	struct model plain;

	if (how->kind == SIGNING_NONE)
		return;
	if (how->kind == SIGNING_NSEC)
		add_nsec(m);
	else
		add_nsec3(m, how);
	model_copy(&plain, m);
	/* Once per set: the next record of one makes the same signature, which is not added again. */
	for (unsigned i = 0; i < plain.cnt; i++) {
		const struct model_record *rec = &plain.v[i];
		bool chain = rec->type == DNS_TYPE_NSEC || rec->type == DNS_TYPE_NSEC3;

		if (chain || (!is_occluded(&plain, rec->owner) &&
			      (!is_cut(&plain, rec->owner) || rec->type == DNS_TYPE_DS)))
			add_rrsig(m, &plain, rec, how->inception);
	}
	model_fini(&plain);
}
