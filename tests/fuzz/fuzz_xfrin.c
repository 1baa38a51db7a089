/*
 * Fuzz target: the stream of a transfer into the decoder and the real builder. An input is one octet of options and
 * then the stream as on TCP: messages behind their two-octet lengths.
 *   bit 0: the request was IXFR from the base version below, serial 1; otherwise AXFR
 *   bit 1: limits on records, octets and records of a set
 * The id of the request is 0, the zone "example.".
 *
 * Whatever is accepted as complete must be a zone: the serial announced, the SOA first, nothing outside the apex,
 * record data that can be read again, as many records as the snapshot says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <urcu-qsbr.h>

#include "control/xfrin.h"
#include "dataplane/zone/arena.h"
#include "dataplane/zone/builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define HOLDS(x)                                                                        \
	do {                                                                            \
		if (!(x)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                        \
		}                                                                       \
	} while (0)

#define KEY UINT64_C(0x0123456789ABCDEF)

static const uint8_t apex[] = "\7example";

/* What hangs from one input. */
struct run {
	struct arena *arena;
	struct snapshot *base;
	struct builder *builder;
	struct builder_limits limits;
	uint8_t *rdata;
	uint64_t walked;
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

static int on_del(void *arg, const uint8_t *owner, uint16_t type, const uint8_t *rdata, uint16_t len)
{
	struct run *r = arg;

	check_record(owner, rdata, len);
	return (int)builder_del(r->builder, owner, type, rdata, len);
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
	return 0;
}

static void put_soa(struct builder *b, uint8_t serial)
{
	uint8_t soa[22] = {0};

	soa[5] = serial;
	HOLDS(builder_add(b, apex, DNS_TYPE_SOA, 300, soa, sizeof(soa)) == BUILDER_OK);
}

/* example. SOA 1, NS ns.example.; ns.example. A 192.0.2.1; a.b.example. A 192.0.2.2 */
static void make_base(struct run *r)
{
	static const uint8_t ns[] = "\2ns\7example", deep[] = "\1a\1b\7example";
	struct builder *b = builder_new(r->arena, KEY, apex, NULL, &builder_limits_none);
	struct builder_report report;

	HOLDS(b != NULL);
	put_soa(b, 1);
	HOLDS(builder_add(b, apex, DNS_TYPE_NS, 300, ns, sizeof(ns)) == BUILDER_OK);
	HOLDS(builder_add(b, ns, DNS_TYPE_A, 300, (const uint8_t *)"\xC0\0\2\1", 4) == BUILDER_OK);
	HOLDS(builder_add(b, deep, DNS_TYPE_A, 300, (const uint8_t *)"\xC0\0\2\2", 4) == BUILDER_OK);
	HOLDS(builder_finish(b, &r->base, &report) == BUILDER_OK);
	builder_free(b);
}

static void check_snapshot(struct run *r, const struct xfrin *x)
{
	struct snapshot *s = NULL;
	struct builder_report report;
	struct snapshot_info info;

	if (builder_finish(r->builder, &s, &report) != BUILDER_OK)
		return;
	HOLDS(snapshot_serial(s) == x->serial);
	snapshot_info(s, &info);
	HOLDS(snapshot_walk(s, on_walk, r) == 0);
	HOLDS(r->walked == info.records);
	snapshot_retire(s);
}

/* The messages, each in a block of its exact size. */
static enum xfrin_verdict decode(struct xfrin *x, const uint8_t *p, size_t len)
{
	enum xfrin_verdict v = XFRIN_MORE;

	while (len >= 2 && v == XFRIN_MORE) {
		size_t want = wire_load16(p);
		uint8_t *copy;

		if (want > len - 2)
			break;
		copy = malloc(want > 0 ? want : 1);
		HOLDS(copy != NULL);
		memcpy(copy, p + 2, want);
		v = xfrin_message(x, copy, want);
		free(copy);
		p += 2 + want;
		len -= 2 + want;
	}
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
	if (decode(x, data, len) == XFRIN_DONE)
		check_snapshot(r, x);
	HOLDS(strlen(xfrin_describe(x, text)) < XFRIN_TEXT_CAP);
	if (r->builder != NULL)
		builder_free(r->builder);
	free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct arena_config config = {.bytes_max = 64 << 20};
	struct run r = {.limits = builder_limits_none};

	if (len == 0)
		return 0;
	rcu_register_thread();
	HOLDS(arena_new(&config, &r.arena) == 0);
	r.rdata = malloc(RDATA_LEN_MAX);
	HOLDS(r.rdata != NULL);
	if (data[0] & 1)
		make_base(&r);
	if (data[0] & 2)
		r.limits = (struct builder_limits){.records = 20, .bytes = 2000, .rrset_records = 4};
	run(&r, data[0], data + 1, len - 1);
	if (r.base != NULL)
		snapshot_retire(r.base);
	/* Reclaim runs on liburcu's thread. */
	rcu_quiescent_state();
	rcu_barrier();
	free(r.rdata);
	arena_free(r.arena);
	rcu_unregister_thread();
	return 0;
}
