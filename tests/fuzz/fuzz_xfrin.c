/*
 * Fuzz target: the stream of a transfer into the decoder and the real builder. An input is one octet of options and
 * then the stream as on TCP: messages behind their two-octet lengths, cut apart as everywhere.
 *   bit 0: the request was IXFR from the base version below, serial 1; otherwise AXFR
 *   bit 1: limits on records, octets and records of a set
 *   bit 2: the base version has corners: a cut with glue, a DNAME, a wildcard, an NSEC chain, NSEC3 names
 *   bits 3 to 7: octets of the pieces in which the stream comes; 0: it comes whole
 * The id of the request is 0, the zone "example.".
 *
 * Whatever is accepted as complete must be a zone: the serial announced, the SOA first, nothing outside the apex,
 * record data that can be read again, as many records as the snapshot says, and the same zone as one that is built from
 * its records without a base. Whatever happens, the base version stays what it was.
 */
#include <urcu-qsbr.h>

#include "control/xfrin.h"
#include "dataplane/dns/cutter.h"
#include "dataplane/zone/arena.h"
#include "dataplane/zone/builder.h"
#include "tests/fuzz/holds.h"

#define KEY UINT64_C(0x0123456789ABCDEF)

static const uint8_t apex[] = "\7example";

/* What hangs from one input. */
struct run {
	struct arena *arena;
	const struct snapshot *base;
	struct builder *builder;
	struct builder_limits limits;
	uint8_t *rdata;
	uint64_t walked;
	uint64_t hash; /* of all records walked */
	struct builder *again;
};

static int on_begin(void *arg, enum xfrin_form form)
{
	struct run *r = arg;

	HOLDS(r->builder == NULL);
	HOLDS(form == XFRIN_WHOLE || r->base != NULL);
	r->builder = builder_new(r->arena, KEY, apex, form == XFRIN_CHANGES ? r->base : NULL, &r->limits);
	return r->builder == NULL;
}

static void check_record(const uint8_t *owner, const uint8_t *rdata, uint16_t rdata_len)
{
	HOLDS(name_valid(owner, name_len(owner)));
	HOLDS(rdata != NULL || rdata_len == 0);
}

static int on_add(void *arg, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
		  uint16_t len)
{
	struct run *r = arg;

	check_record(owner, rdata, len);
	return (int)builder_add(r->builder, owner, type, ttl, rdata, len);
}

static int on_del(void *arg, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
		  uint16_t len)
{
	struct run *r = arg;

	check_record(owner, rdata, len);
	return (int)builder_del(r->builder, owner, type, rdata, len);
}

/* FNV-1a. */
static uint64_t hash_of(uint64_t hash, const void *octets, size_t len)
{
	const uint8_t *p = octets;

	while (len-- > 0)
		hash = (hash ^ *p++) * UINT64_C(0x100000001B3);
	return hash;
}

static int on_walk(const struct snapshot_record *record, void *arg)
{
	struct run *r = arg;
	struct wire_in in = wire_in_init(record->rdata, record->rdata_len);

	HOLDS(r->walked > 0 || record->type == DNS_TYPE_SOA);
	HOLDS(r->walked == 0 || record->type != DNS_TYPE_SOA);
	HOLDS(name_is_at_or_below(record->owner, apex));
	HOLDS(rdata_get(&in, record->type, record->rdata_len, r->rdata) == record->rdata_len);
	HOLDS(record->rdata_len == 0 || memcmp(r->rdata, record->rdata, record->rdata_len) == 0);
	r->walked++;
	r->hash = hash_of(r->hash, record->owner, name_len(record->owner));
	r->hash = hash_of(r->hash, &record->type, sizeof(record->type));
	r->hash = hash_of(r->hash, &record->ttl, sizeof(record->ttl));
	r->hash = hash_of(r->hash, record->rdata, record->rdata_len);
	if (r->again != NULL)
		HOLDS(builder_add(r->again, record->owner, record->type, record->ttl, record->rdata,
				  record->rdata_len) == BUILDER_OK);
	return 0;
}

/* Of everything in it, in canonical order. again: a builder that gets it too, or NULL. */
static uint64_t walk(struct run *r, const struct snapshot *s, struct builder *again)
{
	struct snapshot_info info;

	snapshot_info(s, &info);
	r->walked = 0;
	r->hash = 0;
	r->again = again;
	HOLDS(snapshot_walk(s, on_walk, r) == 0);
	HOLDS(r->walked == info.records);
	return r->hash;
}

struct base_record {
	const char *owner;
	uint16_t type;
	const char *rdata;
	uint16_t len;
};
#define RECORD(owner, type, rdata)                    \
	{                                             \
		owner, type, rdata, sizeof(rdata) - 1 \
	}
#define SOA_1 "\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define HASH_OWNER                         \
	"\x20"                             \
	"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom" \
	"\7example"

static const struct base_record plain[] = {
	RECORD("\7example", DNS_TYPE_SOA, SOA_1),
	RECORD("\7example", DNS_TYPE_NS, "\2ns\7example\0"),
	RECORD("\2ns\7example", DNS_TYPE_A, "\xC0\0\2\1"),
	RECORD("\1a\1b\7example", DNS_TYPE_A, "\xC0\0\2\2"),
};

static const struct base_record corners[] = {
	RECORD("\1*\1w\7example", DNS_TYPE_A, "\xC0\0\2\3"),
	RECORD("\3cut\7example", DNS_TYPE_NS, "\2ns\3cut\7example\0"),
	RECORD("\2ns\3cut\7example", DNS_TYPE_A, "\xC0\0\2\4"),
	RECORD("\1c\7example", DNS_TYPE_CNAME, "\1a\1b\7example\0"),
	RECORD("\1d\7example", DNS_TYPE_DNAME, "\1w\7example\0"),
	RECORD("\1x\1d\7example", DNS_TYPE_A, "\xC0\0\2\5"),
	RECORD("\7example", DNS_TYPE_NSEC, "\1a\1b\7example\0\0\1\x40"),
	RECORD("\1a\1b\7example", DNS_TYPE_NSEC, "\7example\0\0\1\x40"),
	RECORD("\7example", DNS_TYPE_NSEC3PARAM, "\1\0\0\0\0"),
	RECORD(HASH_OWNER, DNS_TYPE_NSEC3,
	       "\1\0\0\0\0\x14"
	       "abcdefghijklmnopqrst"
	       "\0\1\x40"),
};

static void put_records(struct builder *b, const struct base_record *v, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		HOLDS(builder_add(b, (const uint8_t *)v[i].owner, v[i].type, 300, (const uint8_t *)v[i].rdata,
				  v[i].len) == BUILDER_OK);
}

static struct snapshot *make_base(struct arena *arena, bool with_corners)
{
	struct builder *b = builder_new(arena, KEY, apex, NULL, &builder_limits_none);
	struct builder_report report;
	struct snapshot *s = NULL;

	HOLDS(b != NULL);
	put_records(b, plain, sizeof(plain) / sizeof(plain[0]));
	if (with_corners)
		put_records(b, corners, sizeof(corners) / sizeof(corners[0]));
	HOLDS(builder_finish(b, &s, &report) == BUILDER_OK);
	builder_free(b);
	return s;
}

static void check_same(const struct snapshot *a, const struct snapshot *b)
{
	struct snapshot_info x, y;

	snapshot_info(a, &x);
	snapshot_info(b, &y);
	HOLDS(x.records == y.records && x.names == y.names && x.delegations == y.delegations);
	HOLDS(x.serial == y.serial && x.has_nsec == y.has_nsec && x.has_nsec3 == y.has_nsec3);
}

static void check_snapshot(struct run *r, const struct xfrin *x)
{
	struct snapshot *s = NULL, *scratch = NULL;
	struct builder_report report;
	struct builder *again;
	uint64_t hash;

	if (builder_finish(r->builder, &s, &report) != BUILDER_OK)
		return;
	HOLDS(snapshot_serial(s) == x->serial);
	again = builder_new(r->arena, KEY, apex, NULL, &builder_limits_none);
	HOLDS(again != NULL);
	hash = walk(r, s, again);
	HOLDS(builder_finish(again, &scratch, &report) == BUILDER_OK);
	builder_free(again);
	check_same(s, scratch);
	HOLDS(walk(r, scratch, NULL) == hash);
	snapshot_retire(scratch);
	snapshot_retire(s);
}

/* In pieces of step octets, as they may come; the messages each in a block of its exact size. */
static enum xfrin_verdict decode(struct xfrin *x, const uint8_t *p, size_t len, size_t step)
{
	struct cutter c = {.carry = malloc(CUTTER_FRAME_MAX)};
	enum xfrin_verdict v = XFRIN_MORE;

	HOLDS(c.carry != NULL);
	while (len > 0 && v == XFRIN_MORE) {
		size_t part = step < len ? step : len;
		uint8_t *piece = exact_copy(p, part), *copy;
		struct cutter_span in = {piece, part}, msg;

		while (v == XFRIN_MORE && cutter_feed(&c, &in, &msg)) {
			copy = exact_copy(msg.at, msg.len);
			v = xfrin_message(x, copy, msg.len);
			free(copy);
		}
		free(piece);
		p += part;
		len -= part;
	}
	free(c.carry);
	return v;
}

static void run(struct run *r, uint8_t options, const uint8_t *data, size_t len)
{
	const struct xfrin_sink sink = {.begin = on_begin, .add = on_add, .del = on_del, .arg = r};
	struct xfrin_request request = {.qtype = options & 1 ? DNS_TYPE_IXFR : DNS_TYPE_AXFR, .serial = 1};
	struct xfrin *x = malloc(sizeof(*x));
	char text[XFRIN_TEXT_CAP];

	HOLDS(x != NULL);
	memcpy(request.apex, apex, sizeof(apex));
	xfrin_init(x, &request, &sink);
	if (decode(x, data, len, options >> 3 == 0 ? SIZE_MAX : options >> 3) == XFRIN_DONE)
		check_snapshot(r, x);
	HOLDS(strlen(xfrin_describe(x, text)) < XFRIN_TEXT_CAP);
	if (r->builder != NULL)
		builder_free(r->builder);
	free(x);
}

/* Made once: the bases are never changed, and that is what each input checks. */
static void begin(struct run *r, uint8_t options)
{
	static struct arena *arena;
	static struct snapshot *bases[2];
	const struct arena_config config = {.bytes_max = 256 << 20};

	if (arena == NULL) {
		rcu_register_thread();
		HOLDS(arena_new(&config, &arena) == 0);
		for (unsigned i = 0; i < 2; i++)
			bases[i] = make_base(arena, i == 1);
	}
	r->arena = arena;
	r->base = options & 1 ? bases[options >> 2 & 1] : NULL;
	if (options & 2)
		r->limits = (struct builder_limits){.records = 20, .bytes = 2000, .rrset_records = 4};
}

/* Reclaim runs on liburcu's thread, which takes its time: it need not be waited for after each input. */
static void end(void)
{
	static unsigned inputs;

	rcu_quiescent_state();
	if (++inputs % 1024 == 0)
		rcu_barrier();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct run r = {.limits = builder_limits_none};
	uint64_t before = 0;

	if (len == 0)
		return 0;
	begin(&r, data[0]);
	r.rdata = malloc(RDATA_LEN_MAX);
	HOLDS(r.rdata != NULL);
	if (r.base != NULL)
		before = walk(&r, r.base, NULL);
	run(&r, data[0], data + 1, len - 1);
	if (r.base != NULL)
		HOLDS(walk(&r, r.base, NULL) == before);
	free(r.rdata);
	end();
	return 0;
}
