/*
 * ZONEMD: the examples of RFC 8976 appendix A, zones digested by other implementations, and what makes a digest wrong.
 * Zones are files (the folder is the first argument), read by ldns. Reading, sorting and leaving out here is what the
 * builder and the walk of a snapshot do.
 */
#include "control/zonemd.h"
#include "dataplane/zone/arena.h"
#include "dataplane/zone/builder.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu-qsbr.h>
#include <cmocka.h>
#include <ldns/ldns.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct record {
	struct snapshot_record r;
	uint8_t owner[NAME_LEN_MAX];
	uint8_t rdata[4096];
};

struct zone {
	uint8_t apex[NAME_LEN_MAX];
	size_t cnt;
	struct record *records[1024];
};

static const char *folder;

static struct record *record_add(struct zone *z, const uint8_t *owner, uint16_t type, uint32_t ttl,
				 const uint8_t *rdata, size_t rdata_len)
{
	struct record *rec = calloc(1, sizeof(*rec));

	assert_non_null(rec);
	assert_true(z->cnt < COUNT(z->records));
	assert_true(rdata_len <= sizeof(rec->rdata));
	memcpy(rec->owner, owner, name_len(owner));
	memcpy(rec->rdata, rdata, rdata_len);
	rec->r = (struct snapshot_record){.owner = rec->owner,
					  .rdata = rec->rdata,
					  .ttl = ttl,
					  .rdata_len = (uint16_t)rdata_len,
					  .type = type};
	z->records[z->cnt++] = rec;
	return rec;
}

static void add_ldns(struct zone *z, const ldns_rr *rr)
{
	uint8_t *wire, name[NAME_LEN_MAX];
	size_t len;
	struct wire_in in;
	uint16_t type, rdlen;
	uint32_t ttl;

	assert_int_equal(ldns_rr2wire(&wire, rr, LDNS_SECTION_ANSWER, &len), LDNS_STATUS_OK);
	in = wire_in_init(wire, len);
	assert_true(name_get_plain(&in, name) > 0);
	type = wire_get16(&in);
	wire_get16(&in);
	ttl = wire_get32(&in);
	rdlen = wire_get16(&in);
	assert_false(in.bad);
	assert_int_equal(wire_in_left(&in), rdlen);
	if (name_is_at_or_below(name, z->apex))
		record_add(z, name, type, ttl, in.cur, rdlen);
	free(wire);
}

static int records_compare(const void *a, const void *b)
{
	const struct snapshot_record *ra = &(*(struct record *const *)a)->r;
	const struct snapshot_record *rb = &(*(struct record *const *)b)->r;
	int d = name_compare(ra->owner, rb->owner);

	if (d == 0)
		d = (int)ra->type - (int)rb->type;
	return d != 0 ? d : rdata_compare(ra->type, ra->rdata, ra->rdata_len, rb->rdata, rb->rdata_len);
}

static struct zone *zone_read(const char *file)
{
	struct zone *z = calloc(1, sizeof(*z));
	ldns_zone *lz = NULL;
	char path[4096];
	FILE *f;
	int line = 0;

	assert_non_null(z);
	snprintf(path, sizeof(path), "%s/%s", folder, file);
	f = fopen(path, "r");
	if (f == NULL)
		fail_msg("cannot open %s", path);
	assert_int_equal(ldns_zone_new_frm_fp_l(&lz, f, NULL, 0, LDNS_RR_CLASS_IN, &line), LDNS_STATUS_OK);
	fclose(f);
	memcpy(z->apex, ldns_rdf_data(ldns_rr_owner(ldns_zone_soa(lz))),
	       ldns_rdf_size(ldns_rr_owner(ldns_zone_soa(lz))));
	add_ldns(z, ldns_zone_soa(lz));
	for (size_t i = 0; i < ldns_zone_rr_count(lz); i++)
		add_ldns(z, ldns_rr_list_rr(ldns_zone_rrs(lz), i));
	ldns_zone_deep_free(lz);
	return z;
}

static void zone_free(struct zone *z)
{
	for (size_t i = 0; i < z->cnt; i++)
		free(z->records[i]);
	free(z);
}

static struct record *zone_find(struct zone *z, uint16_t type, size_t nth)
{
	for (size_t i = 0; i < z->cnt; i++)
		if (z->records[i]->r.type == type && nth-- == 0)
			return z->records[i];
	fail_msg("no record %zu of type %u", nth, type);
	return NULL;
}

/* As snapshot_walk: the SOA first, then canonical order, each record once. */
static enum zonemd_verdict verify(struct zone *z, struct zonemd_report *report)
{
	struct zonemd *md = zonemd_new(z->apex);
	enum zonemd_verdict v;
	int ret = 0;

	assert_non_null(md);
	qsort(z->records, z->cnt, sizeof(z->records[0]), records_compare);
	for (size_t i = 0; i < z->cnt; i++)
		if (z->records[i]->r.type == DNS_TYPE_SOA && name_equal(z->records[i]->owner, z->apex))
			ret = zonemd_record(md, &z->records[i]->r);
	assert_int_equal(ret, 0);
	for (size_t i = 0; i < z->cnt && ret == 0; i++) {
		if (z->records[i]->r.type == DNS_TYPE_SOA && name_equal(z->records[i]->owner, z->apex))
			continue;
		if (i > 0 && records_compare(&z->records[i - 1], &z->records[i]) == 0)
			continue;
		ret = zonemd_record(md, &z->records[i]->r);
	}
	assert_true(ret >= 0);
	v = zonemd_finish(md, report);
	zonemd_free(md);
	return v;
}

static enum zonemd_verdict verdict_of(struct zone *z)
{
	return verify(z, NULL);
}

/* Digests of RFC 8976 are the apex's n-th ZONEMD, as read. */
static struct record *zonemd_of(struct zone *z, size_t n)
{
	return zone_find(z, DNS_TYPE_ZONEMD, n);
}

static void the_examples_of_rfc_8976_are_verified(void **state)
{
	static const struct {
		const char *file;
		uint32_t serial;
		uint64_t records;
	} examples[] = {
		{"rfc8976-a1.zone", 2018031900, 5},
		{"rfc8976-a2.zone", 2018031900, 18},
		{"rfc8976-a3.zone", 2018031900, 6},
		{"rfc8976-a5.zone", 2018091100, 42},
	};

	for (size_t i = 0; i < COUNT(examples); i++) {
		struct zone *z = zone_read(examples[i].file);
		struct zonemd_report report;

		assert_int_equal(verify(z, &report), ZONEMD_VERIFIED);
		assert_int_equal(report.soa_serial, examples[i].serial);
		assert_int_equal(report.zonemd_serial, examples[i].serial);
		assert_int_equal(report.scheme, 1);
		assert_int_equal(report.record_cnt, examples[i].records);
		zone_free(z);
	}
}

static void zones_signed_and_digested_by_others_are_verified(void **state)
{
	static const char *const files[] = {"ldns-nsec.zone", "ldns-nsec3.zone", "knot-nsec3.zone"};

	for (size_t i = 0; i < COUNT(files); i++) {
		struct zone *z = zone_read(files[i]);

		assert_int_equal(verdict_of(z), ZONEMD_VERIFIED);
		zone_free(z);
	}
}

static void sha_512_verifies_without_sha_384_and_the_other_way_round(void **state)
{
	for (uint8_t hash = 1; hash <= 2; hash++) {
		struct zone *z = zone_read("rfc8976-a3.zone");
		struct zonemd_report report;

		for (size_t i = 0; i < z->cnt; i++)
			if (z->records[i]->r.type == DNS_TYPE_ZONEMD && z->records[i]->rdata[5] == hash)
				z->records[i]->rdata[5] =
					250; /* a kind that nobody has; not digested anyway */
		assert_int_equal(verify(z, &report), ZONEMD_VERIFIED);
		assert_int_equal(report.hash, 3 - hash);
		zone_free(z);
	}
}

static void one_right_digest_is_enough(void **state)
{
	struct zone *z = zone_read("rfc8976-a3.zone");
	struct zonemd_report report;

	zonemd_of(z, 0)->rdata[20] ^= 1;
	assert_int_equal(verify(z, &report), ZONEMD_VERIFIED);
	assert_int_equal(report.hash, 2);
	zone_free(z);
}

static void any_changed_record_is_a_mismatch(void **state)
{
	struct zone *z = zone_read("ldns-nsec.zone");
	struct record *all[COUNT(z->records)]; /* z's own are sorted again with each change */

	memcpy(all, z->records, sizeof(all));
	for (size_t i = 0; i < z->cnt; i++) {
		struct record *rec = all[i];
		bool at_apex = name_equal(rec->owner, z->apex);
		uint8_t *octet;

		if (at_apex && rec->r.type == DNS_TYPE_ZONEMD)
			continue;
		if (at_apex && rec->r.type == DNS_TYPE_RRSIG && wire_load16(rec->rdata) == DNS_TYPE_ZONEMD)
			continue;
		rec->r.ttl ^= 1;
		assert_int_equal(verdict_of(z), ZONEMD_MISMATCH);
		rec->r.ttl ^= 1;
		/* The last octet, but in names (where it is the root) the last letter. */
		for (octet = &rec->rdata[rec->r.rdata_len - 1]; *octet == 0; octet--)
			;
		*octet ^= 1;
		assert_int_equal(verdict_of(z), ZONEMD_MISMATCH);
		*octet ^= 1;
	}
	assert_int_equal(verdict_of(z), ZONEMD_VERIFIED);
	zone_free(z);
}

static void a_missing_or_additional_record_is_a_mismatch(void **state)
{
	struct zone *z = zone_read("ldns-nsec3.zone");
	size_t cnt = z->cnt;
	unsigned mismatches = 0;

	assert_int_equal(verdict_of(z), ZONEMD_VERIFIED);
	for (size_t i = 0; i < cnt; i++) {
		struct record *kept = z->records[i];

		if (name_equal(kept->owner, z->apex) &&
		    (kept->r.type == DNS_TYPE_SOA || kept->r.type == DNS_TYPE_ZONEMD ||
		     (kept->r.type == DNS_TYPE_RRSIG && wire_load16(kept->rdata) == DNS_TYPE_ZONEMD)))
			continue;
		memmove(&z->records[i], &z->records[i + 1], (cnt - i - 1) * sizeof(z->records[0]));
		z->cnt--;
		assert_int_equal(verdict_of(z), ZONEMD_MISMATCH);
		mismatches++;
		z->records[z->cnt++] = kept;
		assert_int_equal(verdict_of(z), ZONEMD_VERIFIED);
	}
	assert_true(mismatches > 60);
	record_add(z, (const uint8_t *)"\3new\6signed\7example", DNS_TYPE_A, 60, (const uint8_t *)"\1\2\3\4",
		   4);
	assert_int_equal(verdict_of(z), ZONEMD_MISMATCH);
	zone_free(z);
}

static void the_signature_of_the_zonemd_does_not_count(void **state)
{
	struct zone *z = zone_read("ldns-nsec.zone");
	unsigned changed = 0;

	for (size_t i = 0; i < z->cnt; i++) {
		struct record *rec = z->records[i];

		if (rec->r.type != DNS_TYPE_RRSIG || wire_load16(rec->rdata) != DNS_TYPE_ZONEMD ||
		    !name_equal(rec->owner, z->apex))
			continue;
		rec->rdata[rec->r.rdata_len - 1] ^= 1;
		rec->r.ttl++;
		changed++;
	}
	assert_int_equal(changed, 1);
	assert_int_equal(verdict_of(z), ZONEMD_VERIFIED);
	zone_free(z);
}

static void a_zonemd_and_its_signature_elsewhere_than_at_the_apex_do_count(void **state)
{
	struct zone *z = zone_read("ldns-nsec.zone");

	for (size_t i = 0; i < z->cnt; i++) {
		struct record *rec = z->records[i];
		bool covers = rec->r.type == DNS_TYPE_RRSIG && wire_load16(rec->rdata) == DNS_TYPE_ZONEMD;

		if ((rec->r.type != DNS_TYPE_ZONEMD && !covers) || name_equal(rec->owner, z->apex))
			continue;
		rec->rdata[rec->r.rdata_len - 1] ^= 1;
		assert_int_equal(verdict_of(z), ZONEMD_MISMATCH);
		rec->rdata[rec->r.rdata_len - 1] ^= 1;
	}
	zone_free(z);
}

static void case_of_owners_and_of_names_in_old_types_does_not_count(void **state)
{
	struct zone *z = zone_read("rfc8976-a2.zone");
	struct record *mx = zone_find(z, DNS_TYPE_MX, 0), *txt = zone_find(z, DNS_TYPE_TXT, 0);

	mx->rdata[4] ^= 0x20;
	mx->owner[1] ^= 0x20;
	z->apex[1] ^= 0x20;
	assert_int_equal(verdict_of(z), ZONEMD_VERIFIED);
	txt->rdata[1] ^= 0x20;
	assert_int_equal(verdict_of(z), ZONEMD_MISMATCH);
	zone_free(z);
}

static void a_zone_without_zonemd_is_none_and_is_not_hashed_to_the_end(void **state)
{
	struct zone *z = zone_read("rfc8976-a2.zone");
	struct zonemd_report report;
	struct record *md = NULL;

	for (size_t i = 0; i < z->cnt; i++) {
		if (z->records[i]->r.type == DNS_TYPE_ZONEMD && name_equal(z->records[i]->owner, z->apex)) {
			md = z->records[i];
			z->records[i] = z->records[--z->cnt];
			break;
		}
	}
	assert_non_null(md);
	free(md);
	assert_int_equal(verify(z, &report), ZONEMD_NONE); /* the one at non-apex.example. is no such thing */
	assert_int_equal(report.soa_serial, 2018031900);
	assert_true(report.record_cnt < 5);
	zone_free(z);
}

static void kinds_we_do_not_support_say_nothing(void **state)
{
	static const uint8_t kinds[][2] = {{0, 1}, {2, 1}, {241, 1}, {1, 0}, {1, 3}, {1, 255}};

	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct zone *z = zone_read("rfc8976-a1.zone");
		struct zonemd_report report;

		zonemd_of(z, 0)->rdata[4] = kinds[i][0];
		zonemd_of(z, 0)->rdata[5] = kinds[i][1];
		assert_int_equal(verify(z, &report), ZONEMD_UNSUPPORTED);
		assert_int_equal(report.scheme, kinds[i][0]);
		assert_int_equal(report.hash, kinds[i][1]);
		zone_free(z);
	}
}

static void another_serial_than_the_soas_is_a_failure_whatever_the_digest(void **state)
{
	struct zone *z = zone_read("rfc8976-a1.zone");
	struct zonemd_report report;

	zonemd_of(z, 0)->rdata[3]++;
	assert_int_equal(verify(z, &report), ZONEMD_SERIAL);
	assert_int_equal(report.soa_serial, 2018031900);
	assert_int_equal(report.zonemd_serial, 2018031901);
	zonemd_of(z, 0)->rdata[5] = 240; /* of an unsupported kind too: the serial is looked at first */
	assert_int_equal(verdict_of(z), ZONEMD_SERIAL);
	zone_free(z);
}

static void a_wrong_serial_of_one_unsupported_kind_is_not_forgotten_for_the_next(void **state)
{
	for (size_t wrong = 0; wrong < 2; wrong++) {
		struct zone *z = zone_read("rfc8976-a1.zone");
		struct record *md = zonemd_of(z, 0);
		uint8_t rdata[54];

		md->rdata[5] = 240;
		memcpy(rdata, md->rdata, sizeof(rdata));
		rdata[5] = 241;
		record_add(z, z->apex, DNS_TYPE_ZONEMD, 86400, rdata, sizeof(rdata));
		assert_int_equal(verdict_of(z), ZONEMD_UNSUPPORTED);
		/* So that the wrong one sorts before the other, or behind it. */
		zonemd_of(z, 0)->rdata[0] ^= wrong == 0 ? 0x40 : 0x80;
		assert_int_equal(verdict_of(z), ZONEMD_SERIAL);
		zone_free(z);
	}
}

static void two_digests_of_one_kind_are_a_failure_even_when_one_is_right(void **state)
{
	struct zone *z = zone_read("rfc8976-a1.zone");
	struct record *md = zonemd_of(z, 0);
	uint8_t rdata[54];

	memcpy(rdata, md->rdata, sizeof(rdata));
	for (unsigned flip = 1; flip <= 0x80; flip += 0x7F) { /* sorts before, sorts behind */
		struct record *twin;

		rdata[6] = md->rdata[6] ^ (uint8_t)flip;
		twin = record_add(z, z->apex, DNS_TYPE_ZONEMD, 86400, rdata, sizeof(rdata));
		assert_int_equal(verdict_of(z), ZONEMD_DUPLICATE);
		for (size_t i = 0; i < z->cnt; i++)
			if (z->records[i] == twin)
				z->records[i] = z->records[--z->cnt];
		free(twin);
		assert_int_equal(verdict_of(z), ZONEMD_VERIFIED);
	}
	zone_free(z);
}

static void a_duplicated_kind_does_not_spoil_another_that_is_right(void **state)
{
	struct zone *z = zone_read("rfc8976-a3.zone");
	struct record *md = zonemd_of(z, 0);
	struct zonemd_report report;
	uint8_t rdata[54];

	memcpy(rdata, md->rdata, sizeof(rdata));
	rdata[53] ^= 1;
	record_add(z, z->apex, DNS_TYPE_ZONEMD, 86400, rdata, sizeof(rdata));
	assert_int_equal(verify(z, &report), ZONEMD_VERIFIED);
	assert_int_equal(report.hash, 2);
	zone_free(z);
}

static void a_digest_of_another_length_is_malformed_and_not_a_prefix_that_fits(void **state)
{
	for (uint16_t len = 1; len <= 200; len++) {
		struct zone *z = zone_read("rfc8976-a1.zone");

		zonemd_of(z, 0)->r.rdata_len = (uint16_t)(6 + len);
		assert_int_equal(verdict_of(z), len == 48 ? ZONEMD_VERIFIED : ZONEMD_MALFORMED);
		zone_free(z);
	}
}

static void a_mismatch_weighs_more_than_what_could_not_be_checked(void **state)
{
	struct zone *z = zone_read("rfc8976-a3.zone");
	struct zonemd_report report;

	zonemd_of(z, 0)->rdata[53] ^= 1;
	zonemd_of(z, 1)->rdata[69] ^= 1;
	assert_int_equal(verify(z, &report), ZONEMD_MISMATCH);
	assert_int_equal(report.hash, 1);
	zonemd_of(z, 0)->rdata[3]++; /* now a wrong serial and a mismatch */
	assert_int_equal(verify(z, &report), ZONEMD_MISMATCH);
	assert_int_equal(report.hash, 2);
	zone_free(z);
}

/* Records of the largest size go through the gathering buffer whole: their digest is that of one long string. */
static void the_digest_does_not_depend_on_how_records_fall_into_buffers(void **state)
{
	static uint8_t big[RDATA_LEN_MAX];
	static uint8_t buf[4 * (RDATA_LEN_MAX + 300)];
	static const uint8_t apex[] = "\7example";
	const uint16_t sizes[][3] = {{1, 65535, 1}, {65535, 65535, 65535}, {65000, 1, 65535}, {0, 0, 0}};

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7);
	for (size_t s = 0; s < COUNT(sizes); s++) {
		uint8_t md[6 + 48] = {0, 0, 0, 5, 1, 1}, soa[22] = {0, 0, 0, 0, 0, 5},
			       name[] = "\1a\7example";
		struct snapshot_record records[5] = {
			{.owner = apex, .rdata = soa, .type = DNS_TYPE_SOA, .rdata_len = sizeof(soa)},
			{.owner = apex, .rdata = md, .type = DNS_TYPE_ZONEMD, .rdata_len = sizeof(md)},
		};
		struct wire_out out = wire_out_init(buf, sizeof(buf));
		struct zonemd *z = zonemd_new(apex);
		unsigned len = 0;

		assert_non_null(z);
		for (unsigned i = 0; i < 5; i++) {
			struct snapshot_record *r = &records[i];

			if (i >= 2)
				*r = (struct snapshot_record){.owner = name,
							      .rdata = big,
							      .type = (uint16_t)(65280 + i),
							      .rdata_len = sizes[s][i - 2]};
			if (i == 1)
				continue;
			wire_put_bytes(&out, r->owner, name_len(r->owner));
			wire_put16(&out, r->type);
			wire_put16(&out, 1);
			wire_put32(&out, 0);
			wire_put16(&out, r->rdata_len);
			wire_put_bytes(&out, r->rdata, r->rdata_len);
		}
		assert_false(out.bad);
		assert_int_equal(EVP_Digest(buf, wire_out_len(&out), md + 6, &len, EVP_sha384(), NULL), 1);
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(zonemd_record(z, &records[i]), 0);
		assert_int_equal(zonemd_finish(z, NULL), ZONEMD_VERIFIED);
		zonemd_free(z);
	}
}

static void every_verdict_has_a_text_of_its_own(void **state)
{
	for (int a = ZONEMD_VERIFIED; a <= ZONEMD_NO_MEMORY; a++)
		for (int b = ZONEMD_VERIFIED; b < a; b++)
			assert_string_not_equal(zonemd_verdict_text((enum zonemd_verdict)a),
						zonemd_verdict_text((enum zonemd_verdict)b));
}

/* --- by snapshot --- */

#define HASH_KEY UINT64_C(0x1f2e3d4c5b6a7988)

static struct snapshot *snapshot_of(struct arena *arena, const struct zone *z)
{
	struct builder *b = builder_new(arena, HASH_KEY, z->apex, NULL, &builder_limits_none);
	struct builder_report report;
	struct snapshot *s = NULL;

	assert_non_null(b);
	for (size_t i = z->cnt; i-- > 0;) {
		const struct snapshot_record *r = &z->records[i]->r;

		assert_int_equal(builder_add(b, r->owner, r->type, r->ttl, r->rdata, r->rdata_len),
				 BUILDER_OK);
	}
	assert_int_equal(builder_finish(b, &s, &report), BUILDER_OK);
	builder_free(b);
	return s;
}

static void snapshots_of_all_these_zones_are_verified_and_a_changed_one_is_not(void **state)
{
	static const char *const files[] = {"rfc8976-a1.zone", "rfc8976-a2.zone", "rfc8976-a3.zone",
					    "rfc8976-a5.zone", "ldns-nsec.zone",  "ldns-nsec3.zone",
					    "knot-nsec3.zone"};
	struct arena_config config = {.bytes_max = UINT64_C(1) << 28, .protect = true};
	struct arena *arena;

	urcu_qsbr_register_thread();
	assert_int_equal(arena_new(&config, &arena), 0);
	for (size_t i = 0; i < COUNT(files); i++) {
		struct zone *z = zone_read(files[i]);
		struct snapshot *s = snapshot_of(arena, z);
		struct zonemd_report by_record, by_snapshot;

		assert_int_equal(zonemd_verify(s, NULL, &by_snapshot), ZONEMD_VERIFIED);
		assert_int_equal(verify(z, &by_record), ZONEMD_VERIFIED);
		assert_memory_equal(&by_record, &by_snapshot, sizeof(by_record));
		snapshot_retire(s);

		zone_find(z, DNS_TYPE_A, 0)->rdata[3] ^= 1;
		s = snapshot_of(arena, z);
		assert_int_equal(zonemd_verify(s, NULL, NULL), ZONEMD_MISMATCH);
		snapshot_retire(s);
		zone_free(z);
	}
	urcu_qsbr_barrier();
	arena_free(arena);
	urcu_qsbr_unregister_thread();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_of_rfc_8976_are_verified),
		cmocka_unit_test(zones_signed_and_digested_by_others_are_verified),
		cmocka_unit_test(sha_512_verifies_without_sha_384_and_the_other_way_round),
		cmocka_unit_test(one_right_digest_is_enough),
		cmocka_unit_test(any_changed_record_is_a_mismatch),
		cmocka_unit_test(a_missing_or_additional_record_is_a_mismatch),
		cmocka_unit_test(the_signature_of_the_zonemd_does_not_count),
		cmocka_unit_test(a_zonemd_and_its_signature_elsewhere_than_at_the_apex_do_count),
		cmocka_unit_test(case_of_owners_and_of_names_in_old_types_does_not_count),
		cmocka_unit_test(a_zone_without_zonemd_is_none_and_is_not_hashed_to_the_end),
		cmocka_unit_test(kinds_we_do_not_support_say_nothing),
		cmocka_unit_test(another_serial_than_the_soas_is_a_failure_whatever_the_digest),
		cmocka_unit_test(a_wrong_serial_of_one_unsupported_kind_is_not_forgotten_for_the_next),
		cmocka_unit_test(two_digests_of_one_kind_are_a_failure_even_when_one_is_right),
		cmocka_unit_test(a_duplicated_kind_does_not_spoil_another_that_is_right),
		cmocka_unit_test(a_digest_of_another_length_is_malformed_and_not_a_prefix_that_fits),
		cmocka_unit_test(a_mismatch_weighs_more_than_what_could_not_be_checked),
		cmocka_unit_test(the_digest_does_not_depend_on_how_records_fall_into_buffers),
		cmocka_unit_test(every_verdict_has_a_text_of_its_own),
		cmocka_unit_test(snapshots_of_all_these_zones_are_verified_and_a_changed_one_is_not),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	folder = argv[1];
	return cmocka_run_group_tests_name("zonemd", tests, NULL, NULL);
}
