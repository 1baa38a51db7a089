#include "tests/unit/zone/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>

#include <cmocka.h>

uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

unsigned rng_below(struct rng *r, unsigned n)
{
	return (unsigned)(rng_next(r) % n);
}

const uint8_t *wire_name(const char *text, uint8_t out[NAME_LEN_MAX])
{
	assert_true(name_from_text(text, out) > 0);
	return out;
}

struct arena *test_arena(void)
{
	struct arena_config config = {.bytes_max = UINT64_C(4) << 30, .protect = true};
	struct arena *a;

	assert_int_equal(arena_new(&config, &a), 0);
	return a;
}

void test_arena_free(struct arena *a)
{
	struct arena_info info;

	arena_info(a, &info);
	assert_int_equal(info.bytes_used, 0);
	arena_free(a);
}

static void put_record(struct model *m, const uint8_t *owner, uint16_t type, uint32_t ttl,
		       const uint8_t *rdata, unsigned len)
{
	struct model_record *rec;
	uint8_t name[NAME_LEN_MAX];

	memcpy(name, owner, name_len(owner)); /* it may stand in the list that grows */
	if (m->cnt == m->cap) {
		m->cap = m->cap == 0 ? 64 : m->cap * 2;
		m->v = realloc(m->v, m->cap * sizeof(*m->v));
		assert_non_null(m->v);
	}
	assert_true(len <= MODEL_RDATA);
	rec = &m->v[m->cnt++];
	memset(rec, 0, sizeof(*rec));
	memcpy(rec->owner, name, name_len(name));
	rec->type = type;
	rec->ttl = ttl;
	rec->len = (uint16_t)len;
	memcpy(rec->rdata, rdata, len);
}

static unsigned soa_rdata(uint32_t serial, uint8_t out[MODEL_RDATA])
{
	uint8_t name[NAME_LEN_MAX];
	unsigned len = 0;

	wire_name("ns1.example.", name);
	memcpy(out, name, name_len(name));
	len += (unsigned)name_len(name);
	wire_name("Admin.Example.", name);
	memcpy(out + len, name, name_len(name));
	len += (unsigned)name_len(name);
	for (unsigned i = 0; i < 5; i++)
		wire_store32(out + len + i * 4, i == 0 ? serial : 3600 + i);
	return len + 20;
}

void model_init(struct model *m, const char *apex, uint32_t serial)
{
	uint8_t rdata[MODEL_RDATA];

	memset(m, 0, sizeof(*m));
	wire_name(apex, m->apex);
	put_record(m, m->apex, DNS_TYPE_SOA, 3600, rdata, soa_rdata(serial, rdata));
	put_record(m, m->apex, DNS_TYPE_NS, 300 + DNS_TYPE_NS, rdata,
		   rdata_text(DNS_TYPE_NS, "ns.elsewhere.", rdata));
}

void model_fini(struct model *m)
{
	free(m->v);
	m->v = NULL;
}

void model_copy(struct model *dst, const struct model *src)
{
	*dst = *src;
	dst->cap = src->cnt + 64;
	dst->v = malloc(dst->cap * sizeof(*dst->v));
	assert_non_null(dst->v);
	memcpy(dst->v, src->v, src->cnt * sizeof(*dst->v));
}

void model_set_serial(struct model *m, uint32_t serial)
{
	for (unsigned i = 0; i < m->cnt; i++)
		if (m->v[i].type == DNS_TYPE_SOA)
			m->v[i].len = (uint16_t)soa_rdata(serial, m->v[i].rdata);
}

static bool same(const struct model_record *rec, const uint8_t *owner, uint16_t type)
{
	return rec->type == type && name_equal(rec->owner, owner);
}

static bool beside_cname(uint16_t type)
{
	return type == DNS_TYPE_RRSIG || type == DNS_TYPE_NSEC;
}

bool model_add(struct model *m, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
	       unsigned len)
{
	for (unsigned i = 0; i < m->cnt; i++) {
		const struct model_record *rec = &m->v[i];

		if (!name_equal(rec->owner, owner))
			continue;
		if (rec->type == type && rdata_compare(type, rec->rdata, rec->len, rdata, len) == 0)
			return false;
		if (rec->type == type && (type == DNS_TYPE_CNAME || type == DNS_TYPE_DNAME))
			return false;
		if (rec->type != type && !beside_cname(type) && !beside_cname(rec->type) &&
		    (type == DNS_TYPE_CNAME || rec->type == DNS_TYPE_CNAME))
			return false;
	}
	put_record(m, owner, type, ttl, rdata, len);
	return true;
}

void model_remove(struct model *m, unsigned index)
{
	m->v[index] = m->v[--m->cnt];
}

unsigned rdata_text(uint16_t type, const char *text, uint8_t out[MODEL_RDATA])
{
	uint8_t name[NAME_LEN_MAX];

	switch (type) {
	case DNS_TYPE_A:
		assert_int_equal(inet_pton(AF_INET, text, out), 1);
		return 4;
	case DNS_TYPE_AAAA:
		assert_int_equal(inet_pton(AF_INET6, text, out), 1);
		return 16;
	case DNS_TYPE_TXT:
		out[0] = (uint8_t)strlen(text);
		memcpy(out + 1, text, out[0]);
		return 1u + out[0];
	case DNS_TYPE_MX:
		wire_store16(out, (uint16_t)atoi(text));
		wire_name(strchr(text, ' ') + 1, name);
		memcpy(out + 2, name, name_len(name));
		return 2 + (unsigned)name_len(name);
	default:
		wire_name(text, name);
		memcpy(out, name, name_len(name));
		return (unsigned)name_len(name);
	}
}

bool model_add_text(struct model *m, const char *owner, uint16_t type, const char *rdata)
{
	uint8_t name[NAME_LEN_MAX], data[MODEL_RDATA];

	return model_add(m, wire_name(owner, name), type, 300u + type, data, rdata_text(type, rdata, data));
}

static const char *const labels[] = {"a", "b", "c", "*", "www", "Ns1", "d.e", "x"};
#define LABEL_CNT (sizeof(labels) / sizeof(labels[0]))

void model_random_name(const struct model *m, struct rng *r, uint8_t out[NAME_LEN_MAX])
{
	unsigned depth = rng_below(r, 5);
	size_t len = 0;

	for (unsigned i = 0; i < depth; i++) {
		const char *label = labels[rng_below(r, LABEL_CNT)];

		out[len] = (uint8_t)strlen(label);
		memcpy(out + len + 1, label, out[len]);
		len += 1u + out[len];
	}
	memcpy(out + len, m->apex, name_len(m->apex));
}

/* A covered type, then junk of the right shape. */
static unsigned random_rrsig(struct rng *r, uint8_t out[MODEL_RDATA])
{
	static const uint16_t covered[] = {DNS_TYPE_A, DNS_TYPE_NS, DNS_TYPE_TXT, DNS_TYPE_CNAME};

	memset(out, 0, 18);
	wire_store16(out, covered[rng_below(r, 4)]);
	out[18] = 0; /* signer: the root */
	for (unsigned i = 19; i < 19 + 8; i++)
		out[i] = (uint8_t)rng_next(r);
	return 19 + 8;
}

bool model_add_random(struct model *m, struct rng *r)
{
	static const uint16_t types[] = {DNS_TYPE_A,	 DNS_TYPE_A,	 DNS_TYPE_AAAA, DNS_TYPE_NS,
					 DNS_TYPE_NS,	 DNS_TYPE_TXT,	 DNS_TYPE_MX,	DNS_TYPE_A,
					 DNS_TYPE_CNAME, DNS_TYPE_DNAME, DNS_TYPE_RRSIG};
	uint16_t type = types[rng_below(r, sizeof(types) / sizeof(types[0]))];
	uint8_t owner[NAME_LEN_MAX], rdata[MODEL_RDATA], name[NAME_LEN_MAX];
	unsigned len;

	model_random_name(m, r, owner);
	if (type == DNS_TYPE_DNAME && rng_below(r, 3) != 0)
		return false;
	switch (type) {
	case DNS_TYPE_A:
	case DNS_TYPE_AAAA:
		memset(rdata, (int)rng_below(r, 4), 16);
		len = type == DNS_TYPE_A ? 4 : 16;
		break;
	case DNS_TYPE_TXT:
		memset(rdata, 'x', sizeof(rdata));
		rdata[0] = (uint8_t)rng_below(r, 200);
		len = 1u + rdata[0];
		break;
	case DNS_TYPE_RRSIG:
		len = random_rrsig(r, rdata);
		break;
	default:
		if (rng_below(r, 3) == 0)
			wire_name(rng_below(r, 2) ? "ns.elsewhere." : "Ns2.Elsewhere.", name);
		else
			model_random_name(m, r, name);
		len = type == DNS_TYPE_MX ? 2 : 0;
		wire_store16(rdata, 10);
		memcpy(rdata + len, name, name_len(name));
		len += (unsigned)name_len(name);
	}
	return model_add(m, owner, type, 300u + type, rdata, len);
}

static void fail_verdict(enum builder_verdict v, const struct builder_report *report)
{
	char text[NAME_TEXT_CAP];

	fail_msg("builder: %s at %s type %u", builder_verdict_text(v), name_text(report->owner, text),
		 report->type);
}

struct snapshot *model_build(const struct model *m, struct arena *arena)
{
	struct builder *b = builder_new(arena, MODEL_KEY, m->apex, NULL, NULL);
	struct builder_report report;
	struct snapshot *s = NULL;
	enum builder_verdict v;

	assert_non_null(b);
	for (unsigned i = 0; i < m->cnt; i++)
		builder_add(b, m->v[i].owner, m->v[i].type, m->v[i].ttl, m->v[i].rdata, m->v[i].len);
	v = builder_finish(b, &s, &report);
	if (v != BUILDER_OK)
		fail_verdict(v, &report);
	builder_free(b);
	return s;
}

bool model_contains(const struct model *m, const struct model_record *rec)
{
	for (unsigned i = 0; i < m->cnt; i++)
		if (same(&m->v[i], rec->owner, rec->type) && m->v[i].ttl == rec->ttl &&
		    m->v[i].len == rec->len && memcmp(m->v[i].rdata, rec->rdata, rec->len) == 0)
			return true;
	return false;
}

struct snapshot *model_edit(const struct model *from, const struct model *to, const struct snapshot *base,
			    struct arena *arena, struct rng *r)
{
	struct builder *b = builder_new(arena, MODEL_KEY, from->apex, base, NULL);
	struct builder_report report;
	struct snapshot *s = NULL;
	enum builder_verdict v;
	unsigned start;

	assert_non_null(b);
	/* RFC 1995: deletions, then additions; the order within each is the primary's. */
	start = rng_below(r, from->cnt);
	for (unsigned i = 0; i < from->cnt; i++) {
		const struct model_record *rec = &from->v[(start + i) % from->cnt];

		if (!model_contains(to, rec))
			builder_del(b, rec->owner, rec->type, rec->rdata, rec->len);
	}
	start = rng_below(r, to->cnt);
	for (unsigned i = 0; i < to->cnt; i++) {
		const struct model_record *rec = &to->v[(start + i) % to->cnt];

		if (!model_contains(from, rec))
			builder_add(b, rec->owner, rec->type, rec->ttl, rec->rdata, rec->len);
	}
	v = builder_finish(b, &s, &report);
	if (v != BUILDER_OK)
		fail_verdict(v, &report);
	builder_free(b);
	return s;
}

/* ---- what the list says ---- */

static bool is_nsec3_owner(const struct model *m, const struct model_record *rec)
{
	(void)m;
	return rec->type == DNS_TYPE_NSEC3 ||
	       (rec->type == DNS_TYPE_RRSIG && wire_load16(rec->rdata) == DNS_TYPE_NSEC3);
}

static bool exists(const struct model *m, const uint8_t *name)
{
	for (unsigned i = 0; i < m->cnt; i++)
		if (!is_nsec3_owner(m, &m->v[i]) && name_is_at_or_below(m->v[i].owner, name))
			return true;
	return name_equal(name, m->apex);
}

static bool has(const struct model *m, const uint8_t *name, uint16_t type)
{
	for (unsigned i = 0; i < m->cnt; i++)
		if (same(&m->v[i], name, type))
			return true;
	return false;
}

struct answer {
	enum lookup_kind kind;
	unsigned label; /* of entry's owner; for a wildcard, of the encloser */
	unsigned encloser;
	uint8_t owner[NAME_LEN_MAX]; /* of entry */
};

static void naive_lookup(const struct model *m, const uint8_t *name, struct answer *out)
{
	unsigned cnt = name_label_cnt(name) - name_label_cnt(m->apex);
	const uint8_t *suffix[NAME_LABELS_MAX + 1];
	const uint8_t *p = name;

	for (unsigned i = 0; i <= cnt; i++) {
		suffix[i] = p;
		p += 1 + *p;
	}
	out->encloser = 0;
	while (!exists(m, suffix[out->encloser]))
		out->encloser++;
	for (unsigned i = cnt + 1; i-- > 0;) {
		bool cut = i < cnt && has(m, suffix[i], DNS_TYPE_NS);
		bool dname = i > 0 && has(m, suffix[i], DNS_TYPE_DNAME);

		if (!cut && !dname)
			continue;
		out->kind = cut ? LOOKUP_CUT : LOOKUP_DNAME;
		out->label = i;
		memcpy(out->owner, suffix[i], name_len(suffix[i]));
		return;
	}
	out->label = out->encloser;
	memcpy(out->owner, suffix[out->encloser], name_len(suffix[out->encloser]));
	if (out->encloser == 0) {
		out->kind = LOOKUP_EXACT;
		return;
	}
	out->kind = LOOKUP_MISSING;
	if (name_len(suffix[out->encloser]) + 2 > NAME_LEN_MAX)
		return;
	out->owner[0] = 1;
	out->owner[1] = '*';
	memcpy(out->owner + 2, suffix[out->encloser], name_len(suffix[out->encloser]));
	if (exists(m, out->owner))
		out->kind = LOOKUP_WILDCARD;
}

static void lookup_name(const struct snapshot *s, const uint8_t *lower, struct name_hashes *hashes,
			struct lookup *l)
{
	name_hash_suffixes(lower, MODEL_KEY, hashes);
	*l = (struct lookup){.snap = s,
			     .name = lower,
			     .hashes = hashes,
			     .apex_label = (uint8_t)(hashes->label_cnt - snapshot_apex_label_cnt(s))};
	lookup_one(l);
}

/* ---- linking and reading back ---- */

struct message {
	uint8_t octets[70000];
	size_t len;
	size_t ns_at;
};

static struct rrset_place place_for(const struct lookup *l, const struct snapshot *s)
{
	unsigned qlen = l->hashes->len;
	unsigned stored = entry_owner_len(s, l->entry);
	struct rrset_place place = {.owner = DNS_HEADER_LEN, .stored_len = (uint16_t)stored};

	if (l->kind == LOOKUP_WILDCARD) {
		place.suffix_add = (int16_t)((int)qlen - (int)stored);
	} else {
		place.owner = (uint16_t)(DNS_HEADER_LEN + l->hashes->off[l->label]);
		place.suffix_add = (int16_t)l->hashes->off[l->label];
	}
	return place;
}

static void message_start(struct message *msg, const uint8_t *qname)
{
	size_t len = name_len(qname);

	memset(msg->octets, 0, DNS_HEADER_LEN);
	memcpy(msg->octets + DNS_HEADER_LEN, qname, len);
	memset(msg->octets + DNS_HEADER_LEN + len, 0, 4);
	msg->len = DNS_HEADER_LEN + len + 4;
}

/* Reads what was linked from `at` on and ticks off the records of owner and set (and RRSIGs over it) in the model. */
static unsigned read_back(const struct model *m, const struct message *msg, size_t at,
			  const uint8_t *shown_owner, const uint8_t *owner, uint16_t only_covered)
{
	static uint8_t rdata[RDATA_LEN_MAX];
	struct wire_in in = wire_in_init(msg->octets, msg->len);
	unsigned cnt = 0;

	in.cur = msg->octets + at;
	while (wire_in_left(&in) > 0) {
		uint8_t name[NAME_LEN_MAX];
		uint16_t type, class, len;
		uint32_t ttl;
		bool found = false;
		int rdlen;

		assert_true(name_get(&in, name) > 0);
		if (shown_owner != NULL)
			assert_true(name_equal(name, shown_owner));
		type = wire_get16(&in);
		class = wire_get16(&in);
		ttl = wire_get32(&in);
		len = wire_get16(&in);
		assert_false(in.bad);
		assert_int_equal(class, DNS_CLASS_IN);
		rdlen = rdata_get(&in, type, len, rdata);
		assert_true(rdlen >= 0);
		for (unsigned i = 0; i < m->cnt && !found; i++)
			found = same(&m->v[i], owner != NULL ? owner : name, type) && m->v[i].ttl == ttl &&
				rdata_compare(type, m->v[i].rdata, m->v[i].len, rdata, (size_t)rdlen) == 0;
		if (!found) {
			char text[NAME_TEXT_CAP], type_text[RDATA_TYPE_TEXT_CAP];

			fail_msg("no such record in the model: %s %s TTL %u, %d octets",
				 name_text(name, text), rdata_type_text(type, type_text), ttl, rdlen);
		}
		if (type == DNS_TYPE_RRSIG && only_covered != DNS_TYPE_RRSIG)
			assert_int_equal(wire_load16(rdata), only_covered);
		cnt++;
	}
	return cnt;
}

static unsigned count_set(const struct model *m, const uint8_t *owner, uint16_t type, unsigned *out_sigs)
{
	unsigned cnt = 0;

	*out_sigs = 0;
	for (unsigned i = 0; i < m->cnt; i++) {
		const struct model_record *rec = &m->v[i];

		if (!name_equal(rec->owner, owner))
			continue;
		if (rec->type == DNS_TYPE_RRSIG) {
			uint16_t covered = wire_load16(rec->rdata);

			if (type == DNS_TYPE_RRSIG)
				cnt += !has(m, owner, covered);
			else
				*out_sigs += covered == type;
		} else {
			cnt += rec->type == type;
		}
	}
	return cnt;
}

/* Spelled where no pointer reaches, the question's name being the owner or the owner written out, and in no more room than it takes. */
static void check_spelled(const struct model *m, const struct rrset *set, const struct rrset_place *place,
			  const uint8_t *qname, const uint8_t *shown, const uint8_t *owner, unsigned cnt)
{
	const size_t far = 20000;
	static struct message msg;
	struct rrset_place literal = *place;

	/* Thousands of owners written out are more than a message. */
	if (rrset_linked_len(set, place, true) > 8192)
		return;
	literal.literal = owner;
	literal.literal_len = (uint16_t)name_len(owner);
	literal.owner = (uint16_t)far;
	literal.suffix_add = (int16_t)(far - DNS_HEADER_LEN);
	for (unsigned i = 0; i < 2; i++) {
		const struct rrset_place *at = i == 0 ? place : &literal;

		message_start(&msg, qname);
		msg.len = rrset_spell(set, at, msg.octets, far, sizeof(msg.octets), true);
		assert_true(msg.len > far);
		assert_int_equal(read_back(m, &msg, far, i == 0 ? shown : owner, owner, set->type), cnt);
		assert_int_equal(rrset_spell(set, at, msg.octets, far, msg.len - 1, true), 0);
		assert_int_equal(rrset_spell(set, at, msg.octets, far, msg.len, true), msg.len);
	}
}

static void check_sets(const struct model *m, const struct snapshot *s, const struct lookup *l,
		       const uint8_t *qname, const uint8_t *owner)
{
	static const uint16_t types[] = {DNS_TYPE_A,	 DNS_TYPE_NS,	DNS_TYPE_CNAME,	    DNS_TYPE_SOA,
					 DNS_TYPE_MX,	 DNS_TYPE_TXT,	DNS_TYPE_AAAA,	    DNS_TYPE_DNAME,
					 DNS_TYPE_RRSIG, DNS_TYPE_NSEC, DNS_TYPE_NSEC3PARAM};
	struct rrset_place place = place_for(l, s);
	const uint8_t *shown = l->kind == LOOKUP_WILDCARD ? qname : owner;
	unsigned iter = 0, sets = 0, found = 0;
	struct rrset set;

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		static struct message msg;
		unsigned sigs, cnt = count_set(m, owner, types[i], &sigs);
		size_t at, plain;

		assert_int_equal(entry_set(s, l->entry, types[i], &set), cnt > 0);
		if (cnt == 0)
			continue;
		found++;
		assert_int_equal(set.type, types[i]);
		assert_int_equal(set.cnt, cnt);
		assert_int_equal(set.sig_cnt, sigs);
		message_start(&msg, qname);
		at = msg.len;
		plain = rrset_link(&set, &place, msg.octets, at, false);
		assert_int_equal(plain - at, rrset_linked_len(&set, &place, false));
		msg.len = rrset_link(&set, &place, msg.octets, at, true);
		assert_int_equal(msg.len - at, rrset_linked_len(&set, &place, true));
		assert_int_equal(read_back(m, &msg, at, shown, owner, types[i]), cnt + sigs);
		check_spelled(m, &set, &place, qname, shown, owner, cnt + sigs);
		/* Once more with the owner written out, and in a place that is nobody's nominal one. */
		message_start(&msg, qname);
		memset(msg.octets + msg.len, 0, 37);
		at = msg.len + 37;
		place.literal = owner;
		place.literal_len = (uint16_t)name_len(owner);
		place.owner = (uint16_t)at;
		place.suffix_add = (int16_t)(at - DNS_HEADER_LEN);
		msg.len = rrset_link(&set, &place, msg.octets, at, true);
		assert_int_equal(msg.len - at, rrset_linked_len(&set, &place, true));
		assert_int_equal(read_back(m, &msg, at, owner, owner, types[i]), cnt + sigs);
		place = place_for(l, s);
	}
	while (entry_next_set(s, l->entry, &iter, &set))
		sets++;
	assert_int_equal(sets, found);
}

static bool in_zone(const struct model *m, const uint8_t *name)
{
	return name_is_at_or_below(name, m->apex);
}

static unsigned count_addresses(const struct model *m, const uint8_t *name)
{
	unsigned sigs;

	return count_set(m, name, DNS_TYPE_A, &sigs) + count_set(m, name, DNS_TYPE_AAAA, &sigs);
}

static void check_glue(const struct model *m, const struct snapshot *s, const struct lookup *l,
		       const uint8_t *qname, const uint8_t *cut)
{
	static struct message msg;
	struct rrset_place place = place_for(l, s);
	struct rrset ns, glue;
	unsigned expected = 0;
	size_t at;

	for (unsigned i = 0; i < m->cnt; i++)
		if (same(&m->v[i], cut, DNS_TYPE_NS) && name_is_at_or_below(m->v[i].rdata, cut))
			expected += count_addresses(m, m->v[i].rdata);
	entry_glue(s, l->entry, &glue);
	assert_int_equal(glue.cnt, expected);
	if (expected == 0) {
		assert_int_equal(glue.len, 0);
		return;
	}
	assert_true(entry_set(s, l->entry, DNS_TYPE_NS, &ns));
	message_start(&msg, qname);
	memset(msg.octets + msg.len, 0, 11);
	msg.ns_at = msg.len + 11;
	at = rrset_link(&ns, &place, msg.octets, msg.ns_at, true);
	msg.len = rrset_link_glue(&glue, &place, msg.ns_at, msg.octets, at);
	assert_int_equal(read_back(m, &msg, at, NULL, NULL, 0), expected);
	message_start(&msg, qname);
	at = 20000;
	msg.len = rrset_spell_glue(&glue, &ns, &place, msg.octets, at, sizeof(msg.octets));
	assert_int_equal(read_back(m, &msg, at, NULL, NULL, 0), expected);
	assert_int_equal(rrset_spell_glue(&glue, &ns, &place, msg.octets, at, msg.len - 1), 0);
}

static void check_targets(const struct model *m, const struct snapshot *s, const struct lookup *l,
			  const uint8_t *owner, uint16_t type)
{
	unsigned iter = 0, expected = 0, found = 0, left = UINT32_MAX;
	struct rrset_target target;
	struct rrset set;

	if (!entry_set(s, l->entry, type, &set))
		return;
	for (unsigned i = 0; i < m->cnt; i++) {
		const uint8_t *name = m->v[i].rdata + (type == DNS_TYPE_MX ? 2 : 0);
		struct answer a;

		if (!same(&m->v[i], owner, type) || !in_zone(m, name) || count_addresses(m, name) == 0)
			continue;
		if (l->kind == LOOKUP_CUT && name_is_at_or_below(name, owner))
			continue;
		naive_lookup(m, name, &a);
		expected += type == DNS_TYPE_NS || a.kind == LOOKUP_EXACT;
	}
	while (snapshot_next_target(s, l->entry, &set, &iter, &left, &target)) {
		assert_true(target.a.cnt + target.aaaa.cnt > 0);
		found++;
	}
	assert_int_equal(found, expected);
}

void model_check_name(const struct model *m, const struct snapshot *s, const uint8_t *name)
{
	uint8_t lower[NAME_LEN_MAX], owner[NAME_LEN_MAX];
	struct name_hashes hashes;
	struct answer expected;
	struct lookup l;

	name_lower(lower, name, name_len(name));
	lookup_name(s, lower, &hashes, &l);
	naive_lookup(m, lower, &expected);
	assert_int_equal(l.kind, expected.kind);
	assert_int_equal(l.label, expected.label);
	assert_int_equal(l.encloser_label, expected.encloser);
	entry_owner(s, l.encloser, owner);
	assert_true(name_equal(owner, lower + hashes.off[l.encloser_label]));
	if (l.kind == LOOKUP_MISSING) {
		assert_null(l.entry);
		return;
	}
	assert_int_equal(entry_owner(s, l.entry, owner), entry_owner_len(s, l.entry));
	assert_true(name_equal(owner, expected.owner));
	check_sets(m, s, &l, lower, expected.owner);
	check_targets(m, s, &l, expected.owner, DNS_TYPE_NS);
	check_targets(m, s, &l, expected.owner, DNS_TYPE_MX);
	if (l.kind == LOOKUP_CUT)
		check_glue(m, s, &l, lower, expected.owner);
}

/* ---- the walk ---- */

struct walk_check {
	const struct model *m;
	const struct model_record **order;
	unsigned at;
};

static int compare_records(const void *pa, const void *pb)
{
	const struct model_record *a = *(const struct model_record *const *)pa;
	const struct model_record *b = *(const struct model_record *const *)pb;
	int d = (b->type == DNS_TYPE_SOA) - (a->type == DNS_TYPE_SOA);

	if (d == 0)
		d = name_compare(a->owner, b->owner);
	if (d == 0)
		d = a->type - b->type;
	return d != 0 ? d : rdata_compare(a->type, a->rdata, a->len, b->rdata, b->len);
}

static int check_record(const struct snapshot_record *rec, void *arg)
{
	struct walk_check *w = arg;
	const struct model_record *expected;

	assert_true(w->at < w->m->cnt);
	expected = w->order[w->at++];
	assert_true(name_equal(rec->owner, expected->owner));
	assert_int_equal(rec->type, expected->type);
	assert_int_equal(rec->ttl, expected->ttl);
	assert_int_equal(rec->rdata_len, expected->len);
	assert_memory_equal(rec->rdata, expected->rdata, expected->len); /* the case too */
	return 0;
}

static void check_walk(const struct model *m, const struct snapshot *s)
{
	struct walk_check w = {.m = m, .order = malloc(m->cnt * sizeof(*w.order))};
	struct snapshot_info info;

	assert_non_null(w.order);
	for (unsigned i = 0; i < m->cnt; i++)
		w.order[i] = &m->v[i];
	qsort(w.order, m->cnt, sizeof(*w.order), compare_records);
	assert_int_equal(snapshot_walk(s, check_record, &w), 0);
	assert_int_equal(w.at, m->cnt);
	snapshot_info(s, &info);
	assert_int_equal(info.records, m->cnt);
	free(w.order);
}

static void for_each_name(const struct model *m, void (*fn)(const uint8_t *name, void *arg), void *arg)
{
	struct rng r = {7};
	uint8_t name[NAME_LEN_MAX];

	for (unsigned i = 0; i < m->cnt; i++) {
		const uint8_t *p = m->v[i].owner;

		while (name_is_at_or_below(p, m->apex)) {
			fn(p, arg);
			if (name_len(p) + 2 <= NAME_LEN_MAX) {
				name[0] = 1;
				name[1] = 'q';
				memcpy(name + 2, p, name_len(p));
				fn(name, arg);
			}
			if (*p == 0)
				break;
			p += 1 + *p;
		}
	}
	for (unsigned i = 0; i < 200; i++) {
		model_random_name(m, &r, name);
		fn(name, arg);
	}
}

struct check_arg {
	const struct model *m;
	const struct snapshot *s;
};

static void check_one(const uint8_t *name, void *arg)
{
	const struct check_arg *c = arg;

	model_check_name(c->m, c->s, name);
}

void model_check(const struct model *m, const struct snapshot *s)
{
	struct check_arg c = {m, s};

	for_each_name(m, check_one, &c);
	check_walk(m, s);
}

static void check_same_set(const struct rrset *a, const struct rrset *b, const struct lookup *la,
			   const struct snapshot *sa, const struct lookup *lb, const struct snapshot *sb,
			   const uint8_t *qname)
{
	static struct message ma, mb;
	struct rrset_place pa = place_for(la, sa), pb = place_for(lb, sb);

	message_start(&ma, qname);
	message_start(&mb, qname);
	ma.len = rrset_link(a, &pa, ma.octets, ma.len, true);
	mb.len = rrset_link(b, &pb, mb.octets, mb.len, true);
	assert_int_equal(ma.len, mb.len);
	assert_memory_equal(ma.octets, mb.octets, ma.len);
}

void model_check_twins(const struct snapshot *a, const struct snapshot *b, const uint8_t *name)
{
	uint8_t lower[NAME_LEN_MAX];
	struct name_hashes hashes;
	struct lookup la, lb;
	unsigned ia = 0, ib = 0;
	struct rrset seta, setb;

	name_lower(lower, name, name_len(name));
	lookup_name(a, lower, &hashes, &la);
	lookup_name(b, lower, &hashes, &lb);
	assert_int_equal(la.kind, lb.kind);
	assert_int_equal(la.label, lb.label);
	assert_int_equal(la.encloser_label, lb.encloser_label);
	if (la.entry == NULL)
		return;
	assert_int_equal(entry_flags(la.entry), entry_flags(lb.entry));
	while (entry_next_set(a, la.entry, &ia, &seta)) {
		assert_true(entry_next_set(b, lb.entry, &ib, &setb));
		check_same_set(&seta, &setb, &la, a, &lb, b, lower);
	}
	assert_false(entry_next_set(b, lb.entry, &ib, &setb));
	entry_glue(a, la.entry, &seta);
	entry_glue(b, lb.entry, &setb);
	assert_int_equal(seta.len, setb.len);
	if (seta.len > 0)
		assert_memory_equal(seta.body, setb.body, seta.len);
}
