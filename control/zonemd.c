#include "control/zonemd.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define SCHEME_SIMPLE 1
#define FIXED_LEN     6 /* serial, scheme, hash algorithm: RFC 8976 2.2 */
#define HASH_CNT      2

/* Hash calls cost more than copying small records, so records are gathered: two of the largest fit. */
#define RECORD_MAX (NAME_LEN_MAX + 10 + RDATA_LEN_MAX)
#define GATHER_CAP (2 * RECORD_MAX)

/* What the zone says for one hash algorithm that we support; index is the algorithm's number - 1. */
struct claim {
	EVP_MD_CTX *md; /* NULL: not needed */
	uint32_t serial;
	uint32_t cnt; /* ZONEMDs of this kind; the first one is kept */
	uint8_t digest_len;
	uint8_t digest[EVP_MAX_MD_SIZE];
};

struct zonemd {
	const uint8_t *apex;
	struct claim claims[HASH_CNT];
	struct zonemd_report odd; /* a ZONEMD of a kind we do not support ... */
	enum zonemd_verdict
		verdict; /* ... and what that means: NONE (there is none), UNSUPPORTED or SERIAL */
	uint64_t record_cnt;
	uint32_t serial;
	bool has_serial;
	bool apex_done; /* the walk is past the apex: all ZONEMDs are known */
	size_t soa_len; /* the SOA waits for its place behind the NS set; 0: not any more */
	size_t len;
	uint8_t soa[NAME_LEN_MAX + 10 + 2 * NAME_LEN_MAX + 20];
	uint8_t gathered[GATHER_CAP];
};

static const uint8_t digest_lens[HASH_CNT] = {48, 64}; /* SHA-384, SHA-512 */

struct zonemd *zonemd_new(const uint8_t *apex)
{
	const EVP_MD *hashes[HASH_CNT] = {EVP_sha384(), EVP_sha512()};
	struct zonemd *z = malloc(sizeof(*z));

	if (z == NULL)
		return NULL;
	memset(z, 0, offsetof(struct zonemd, gathered));
	z->apex = apex;
	z->verdict = ZONEMD_NONE;
	for (unsigned i = 0; i < HASH_CNT; i++) {
		z->claims[i].md = EVP_MD_CTX_new();
		if (z->claims[i].md == NULL || EVP_DigestInit_ex(z->claims[i].md, hashes[i], NULL) != 1) {
			zonemd_free(z);
			return NULL;
		}
	}
	return z;
}

void zonemd_free(struct zonemd *z)
{
	if (z == NULL)
		return;
	for (unsigned i = 0; i < HASH_CNT; i++)
		EVP_MD_CTX_free(z->claims[i].md);
	free(z);
}

/* The canonical form of a record, RFC 8976 3.3.2 and RFC 4034 6.2. */
static size_t put_record(uint8_t *dst, const struct snapshot_record *r)
{
	size_t owner_len = name_len(r->owner);
	uint8_t *p = dst + owner_len;

	name_lower(dst, r->owner, owner_len);
	wire_store16(p, r->type);
	wire_store16(p + 2, DNS_CLASS_IN);
	wire_store32(p + 4, r->ttl);
	wire_store16(p + 8, r->rdata_len);
	rdata_canonical(r->type, p + 10, r->rdata, r->rdata_len);
	return owner_len + 10 + r->rdata_len;
}

static int flush(struct zonemd *z)
{
	for (unsigned i = 0; i < HASH_CNT; i++)
		if (z->claims[i].md != NULL && EVP_DigestUpdate(z->claims[i].md, z->gathered, z->len) != 1)
			return -ENOMEM;
	z->len = 0;
	return 0;
}

static int digest_record(struct zonemd *z, const struct snapshot_record *r)
{
	z->len += put_record(z->gathered + z->len, r);
	z->record_cnt++;
	return z->len > GATHER_CAP - RECORD_MAX ? flush(z) : 0;
}

/* In canonical order the SOA stands behind types 1 to 5. */
static int digest_soa(struct zonemd *z)
{
	memcpy(z->gathered + z->len, z->soa, z->soa_len);
	z->len += z->soa_len;
	z->soa_len = 0;
	z->record_cnt++;
	return z->len > GATHER_CAP - RECORD_MAX ? flush(z) : 0;
}

/* RFC 8976 4 steps 5a to 5c; what cannot be used is remembered, a wrong serial before an unsupported kind. */
static void take_zonemd(struct zonemd *z, const struct snapshot_record *r)
{
	struct zonemd_report seen = {
		.zonemd_serial = wire_load32(r->rdata), .scheme = r->rdata[4], .hash = r->rdata[5]};
	size_t digest_len = r->rdata_len - FIXED_LEN;
	struct claim *c;

	if (seen.scheme != SCHEME_SIMPLE || seen.hash == 0 || seen.hash > HASH_CNT) {
		bool wrong_serial = !z->has_serial || seen.zonemd_serial != z->serial;

		if (z->verdict == ZONEMD_SERIAL)
			return;
		z->verdict = wrong_serial ? ZONEMD_SERIAL : ZONEMD_UNSUPPORTED;
		z->odd = seen;
		return;
	}
	c = &z->claims[seen.hash - 1];
	if (c->cnt++ > 0)
		return;
	c->serial = seen.zonemd_serial;
	c->digest_len = digest_len <= sizeof(c->digest) ? (uint8_t)digest_len : UINT8_MAX;
	if (digest_len <= sizeof(c->digest))
		memcpy(c->digest, r->rdata + FIXED_LEN, digest_len);
}

/* Why this claim cannot be the one that verifies the zone; VERIFIED: it can, if the digest is right. */
static enum zonemd_verdict claim_check(const struct zonemd *z, unsigned i)
{
	const struct claim *c = &z->claims[i];

	if (c->cnt == 0)
		return ZONEMD_NONE;
	if (c->cnt > 1)
		return ZONEMD_DUPLICATE;
	if (!z->has_serial || c->serial != z->serial)
		return ZONEMD_SERIAL;
	return c->digest_len == digest_lens[i] ? ZONEMD_VERIFIED : ZONEMD_MALFORMED;
}

/* All ZONEMDs are known: hashes that nobody needs are dropped. Returns 1 when none is needed. */
static int leave_apex(struct zonemd *z)
{
	unsigned needed = 0;

	z->apex_done = true;
	for (unsigned i = 0; i < HASH_CNT; i++) {
		if (claim_check(z, i) == ZONEMD_VERIFIED) {
			needed++;
			continue;
		}
		EVP_MD_CTX_free(z->claims[i].md);
		z->claims[i].md = NULL;
	}
	return needed == 0;
}

/* At the apex: the SOA is kept for later, ZONEMDs and their RRSIGs are not digested (RFC 8976 3.3.1.1). */
static int apex_record(struct zonemd *z, const struct snapshot_record *r)
{
	struct soa soa;
	int ret;

	if (r->type == DNS_TYPE_SOA) {
		z->has_serial = soa_parse(r->rdata, r->rdata_len, &soa) == 0;
		if (!z->has_serial)
			return 0;
		z->serial = soa.serial;
		z->soa_len = put_record(z->soa, r);
		return 0;
	}
	if (z->soa_len > 0 && r->type > DNS_TYPE_SOA) {
		ret = digest_soa(z);
		if (ret < 0)
			return ret;
	}
	if (r->type == DNS_TYPE_ZONEMD) {
		take_zonemd(z, r);
		return 0;
	}
	if (r->type == DNS_TYPE_RRSIG && wire_load16(r->rdata) == DNS_TYPE_ZONEMD)
		return 0;
	return digest_record(z, r);
}

int zonemd_record(struct zonemd *z, const struct snapshot_record *record)
{
	if (z->apex_done)
		return digest_record(z, record);
	if (name_equal(record->owner, z->apex))
		return apex_record(z, record);
	if (z->soa_len > 0 && digest_soa(z) < 0)
		return -ENOMEM;
	if (leave_apex(z) == 1)
		return 1;
	return digest_record(z, record);
}

static enum zonemd_verdict claim_compare(struct claim *c, unsigned i)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (EVP_DigestFinal_ex(c->md, digest, &len) != 1 || len != digest_lens[i])
		return ZONEMD_NO_MEMORY;
	return memcmp(digest, c->digest, len) == 0 ? ZONEMD_VERIFIED : ZONEMD_MISMATCH;
}

static void fill_report(const struct zonemd *z, unsigned i, struct zonemd_report *report)
{
	*report = (struct zonemd_report){
		.zonemd_serial = z->claims[i].serial,
		.scheme = SCHEME_SIMPLE,
		.hash = (uint8_t)(i + 1),
	};
}

/*
 * One right digest is enough. Otherwise a claim that failed says more than one we could not check: of several, the
 * one that came furthest in the order of RFC 8976 4 (the enum has it backwards).
 */
static enum zonemd_verdict decide(struct zonemd *z, struct zonemd_report *report)
{
	enum zonemd_verdict verdict = z->verdict;

	*report = z->odd;
	for (unsigned i = 0; i < HASH_CNT; i++) {
		enum zonemd_verdict v = claim_check(z, i);

		if (v == ZONEMD_VERIFIED)
			v = claim_compare(&z->claims[i], i);
		if (v == ZONEMD_NO_MEMORY)
			return v;
		if (v == ZONEMD_NONE)
			continue;
		if (verdict == ZONEMD_NONE || verdict == ZONEMD_UNSUPPORTED || v < verdict) {
			verdict = v;
			fill_report(z, i, report);
		}
	}
	return verdict;
}

enum zonemd_verdict zonemd_finish(struct zonemd *z, struct zonemd_report *report)
{
	struct zonemd_report ignored;
	enum zonemd_verdict v;

	if (report == NULL)
		report = &ignored;
	if (z->soa_len > 0 && digest_soa(z) < 0)
		return ZONEMD_NO_MEMORY;
	if (!z->apex_done)
		leave_apex(z);
	if (flush(z) < 0)
		return ZONEMD_NO_MEMORY;
	v = decide(z, report);
	report->record_cnt = z->record_cnt;
	report->soa_serial = z->serial;
	return v;
}

struct walk {
	struct zonemd *z;
	const atomic_bool *stop;
};

static int walk(const struct snapshot_record *record, void *arg)
{
	const struct walk *w = arg;

	if (w->stop != NULL && atomic_load_explicit(w->stop, memory_order_relaxed))
		return -ECANCELED;
	return zonemd_record(w->z, record);
}

enum zonemd_verdict zonemd_verify(const struct snapshot *s, const atomic_bool *stop,
				  struct zonemd_report *report)
{
	struct zonemd *z = zonemd_new(snapshot_apex_name(s));
	enum zonemd_verdict v = ZONEMD_NO_MEMORY;

	if (z != NULL && snapshot_walk(s, walk, &(struct walk){z, stop}) >= 0)
		v = zonemd_finish(z, report);
	zonemd_free(z);
	return v;
}

const char *zonemd_verdict_text(enum zonemd_verdict v)
{
	switch (v) {
	case ZONEMD_VERIFIED:
		return "the ZONEMD digest is right";
	case ZONEMD_NONE:
		return "the zone has no ZONEMD";
	case ZONEMD_UNSUPPORTED:
		return "no ZONEMD has a scheme and hash algorithm that we support";
	case ZONEMD_MISMATCH:
		return "the ZONEMD digest is not the zone's";
	case ZONEMD_MALFORMED:
		return "the ZONEMD digest has not the length of its hash algorithm";
	case ZONEMD_SERIAL:
		return "the ZONEMD serial is not the SOA's";
	case ZONEMD_DUPLICATE:
		return "two ZONEMDs have the same scheme and hash algorithm";
	case ZONEMD_NO_MEMORY:
		break;
	}
	return "out of memory, or the crypto library failed";
}
