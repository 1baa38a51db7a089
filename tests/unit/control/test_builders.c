/* Whose turn it is to be built, and how a build ends that nobody wants any more. The thread is the test. */
#include "control/builders_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/control/message.h"
#include "tests/unit/zone/model.h"

enum { ID = 7, SERIAL = 5 };

struct rig {
	uv_loop_t loop;
	struct arena *arena;
	struct builders *pool;
};

/* What a build came to; snapshots are retired. */
struct outcome {
	bool done;
	enum xfrin_verdict verdict;
	uint64_t messages;
	char text[BUILD_TEXT_CAP];
};

static void on_room(void *arg)
{
	(void)arg;
}

static void on_done(void *arg, struct build_result *r)
{
	struct outcome *o = arg;

	o->done = true;
	o->verdict = r->verdict;
	o->messages = r->messages;
	snprintf(o->text, sizeof(o->text), "%s", r->text);
	if (r->snapshot != NULL)
		snapshot_retire(r->snapshot);
	delta_queue_drop(&r->kept);
}

static void rig_init(struct rig *r)
{
	struct builders_env env = {.loop = &r->loop, .key = MODEL_KEY};

	assert_int_equal(uv_loop_init(&r->loop), 0);
	r->arena = env.arena = test_arena();
	assert_int_equal(builders_start(&env, &r->pool), 0);
}

static void on_stopped(void *arg)
{
	(void)arg;
}

static void rig_fini(struct rig *r)
{
	builders_stop(r->pool, on_stopped, NULL);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&r->loop), 0);
	test_arena_free(r->arena);
}

static struct build *open_build(struct rig *r, struct outcome *o)
{
	struct build_request request = {.transfer = {.id = ID, .qtype = DNS_TYPE_AXFR}};
	struct build_calls calls = {.room = on_room, .done = on_done, .arg = o};
	struct build *b;

	*o = (struct outcome){0};
	wire_name("example.", request.transfer.apex);
	assert_int_equal(build_open(r->pool, &request, &calls, &b), 0);
	return b;
}

static void put_soa(struct message *m, uint32_t serial)
{
	uint8_t *at = message_record(m, 6, "example.", DNS_TYPE_SOA, DNS_CLASS_IN, 300);

	message_name(m, "ns.example.");
	message_name(m, "root.example.");
	for (unsigned i = 0; i < 5; i++)
		wire_put32(&m->w, serial);
	message_record_end(m, at);
}

static void begin_message(struct message *m)
{
	message_begin(m, ID, DNS_FLAG_QR | DNS_FLAG_AA, "example.", DNS_TYPE_AXFR, DNS_CLASS_IN);
}

/* Appends m behind its length. */
static size_t append(uint8_t *out, size_t at, const struct message *m)
{
	size_t len = message_len(m);

	wire_store16(out + at, (uint16_t)len);
	memcpy(out + at + 2, m->octets, len);
	return at + 2 + len;
}

/* A transfer of some messages; only the last one ends it, if it is asked for. On the heap. */
static uint8_t *stream(unsigned messages, bool whole, size_t *out_len)
{
	struct message *m = malloc(sizeof(*m));
	uint8_t *out = malloc((size_t)messages * 16384 + 4096), ns[NAME_LEN_MAX], address[4];
	size_t at = 0;
	char text[40];

	assert_non_null(m);
	assert_non_null(out);
	wire_name("ns.example.", ns);
	begin_message(m);
	put_soa(m, SERIAL);
	message_rdata(m, "example.", DNS_TYPE_NS, ns, name_len(ns));
	for (unsigned i = 0; i < messages; i++) {
		for (unsigned k = 0; k < 400; k++) {
			wire_store32(address, k);
			snprintf(text, sizeof(text), "n%u.m%u.example.", k, i);
			message_rdata(m, text, DNS_TYPE_A, address, 4);
		}
		if (whole && i == messages - 1)
			put_soa(m, SERIAL);
		at = append(out, at, m);
		begin_message(m);
	}
	free(m);
	*out_len = at;
	return out;
}

static void push(struct build *b, const uint8_t *octets, size_t len)
{
	assert_true(build_push(b, octets, len) >= 0);
}

static void work_all(struct rig *r)
{
	while (builders_turn(r->pool))
		;
	uv_run(&r->loop, UV_RUN_NOWAIT);
}

/* One has sent megabytes before the other says anything; there is one thread. */
static void a_long_queue_does_not_keep_the_thread_from_other_zones(void **state)
{
	enum { LONG = 300 };
	struct outcome first, second;
	struct rig r;
	struct build *a, *b;
	size_t len;
	uint8_t *octets = stream(LONG, false, &len);

	(void)state;
	rig_init(&r);
	a = open_build(&r, &first);
	push(a, octets, len);
	free(octets);
	b = open_build(&r, &second);
	octets = stream(1, true, &len);
	push(b, octets, len);
	free(octets);
	assert_true(builders_turn(r.pool));
	assert_in_range(a->xfrin.messages, 1, LONG / 10);
	assert_true(builders_turn(r.pool));
	uv_run(&r.loop, UV_RUN_NOWAIT);
	assert_true(second.done);
	assert_int_equal(second.verdict, XFRIN_DONE);
	assert_false(first.done);
	build_end(a);
	work_all(&r);
	assert_true(first.done);
	assert_int_equal(first.verdict, XFRIN_MORE);
	assert_int_equal(first.messages, LONG);
	rig_fini(&r);
}

/* However a queue was cut into chunks, and wherever turns end, the messages are the same. */
static void turns_lose_no_octet(void **state)
{
	struct outcome o;
	struct rig r;
	struct build *b;
	size_t len, at = 0;
	uint8_t *octets = stream(60, true, &len);

	(void)state;
	rig_init(&r);
	b = open_build(&r, &o);
	for (size_t part = 1; at < len; part = part * 3 + 1) {
		size_t now = part < len - at ? part : len - at;

		push(b, octets + at, now);
		at += now;
		if (part % 2)
			builders_turn(r.pool);
	}
	work_all(&r);
	assert_true(o.done);
	assert_int_equal(o.verdict, XFRIN_DONE);
	assert_int_equal(o.messages, 60);
	free(octets);
	rig_fini(&r);
}

static void a_cancelled_build_reads_no_further_message(void **state)
{
	struct outcome o;
	struct rig r;
	struct build *b;
	struct chunk *list;
	size_t len, used;
	uint8_t *octets = stream(20, true, &len);

	(void)state;
	rig_init(&r);
	b = open_build(&r, &o);
	push(b, octets, len / 2);
	assert_true(builders_turn(r.pool));
	push(b, octets + len / 2, len - len / 2);
	free(octets);
	/* As a thread has it that began before the loop cancelled it. */
	list = build_take(b);
	atomic_store(&b->cancelled, true);
	assert_false(build_work(b, &list, &used));
	assert_int_equal(used, 0);
	build_put_back(b, list, used);
	work_all(&r);
	assert_true(o.done);
	assert_int_equal(o.verdict, XFRIN_MORE);
	assert_in_range(o.messages, 1, 10);
	assert_string_equal(o.text, "cancelled");
	rig_fini(&r);
}

/* Its last record has come, and the thread is about to make the snapshot. */
static void a_cancelled_build_is_not_finished(void **state)
{
	struct outcome o;
	struct rig r;
	struct build *b;
	struct chunk *list;
	size_t len, used;
	uint8_t *octets = stream(2, true, &len);

	(void)state;
	rig_init(&r);
	b = open_build(&r, &o);
	push(b, octets, len);
	free(octets);
	list = build_take(b);
	assert_true(build_work(b, &list, &used));
	assert_int_equal(b->xfrin.verdict, XFRIN_DONE);
	build_put_back(b, list, used);
	atomic_store(&b->cancelled, true);
	work_all(&r);
	assert_true(o.done);
	assert_int_equal(o.verdict, XFRIN_MORE);
	assert_string_equal(o.text, "cancelled");
	rig_fini(&r);
}

/* Additions without end; the budget is of all transfers together, and another has most of it. */
static void differences_beyond_the_budget_fail_with_the_reason(void **state)
{
	struct build_request request = {.transfer = {.id = ID, .qtype = DNS_TYPE_IXFR, .serial = SERIAL - 1}};
	struct outcome o = {0};
	struct build_calls calls = {.room = on_room, .done = on_done, .arg = &o};
	struct message *m = malloc(sizeof(*m));
	uint8_t *octets = malloc(65536);
	struct snapshot *base;
	struct model zone;
	struct build *b;
	struct rig r;
	size_t len;

	(void)state;
	assert_non_null(m);
	assert_non_null(octets);
	rig_init(&r);
	model_init(&zone, "example.", SERIAL - 1);
	request.base = base = model_build(&zone, r.arena);
	memcpy(request.transfer.apex, zone.apex, sizeof(zone.apex));
	r.pool->budget.max = 100000;
	r.pool->budget.used = 90000;
	assert_int_equal(build_open(r.pool, &request, &calls, &b), 0);
	message_begin(m, ID, DNS_FLAG_QR | DNS_FLAG_AA, "example.", DNS_TYPE_IXFR, DNS_CLASS_IN);
	put_soa(m, SERIAL);
	put_soa(m, SERIAL - 1);
	put_soa(m, SERIAL);
	for (unsigned i = 0; i < 1000; i++) {
		char text[40];

		snprintf(text, sizeof(text), "n%u.example.", i);
		message_rdata(m, text, DNS_TYPE_A, "\300\0\2\1", 4);
	}
	len = append(octets, 0, m);
	push(b, octets, len);
	work_all(&r);
	assert_true(o.done);
	assert_int_equal(o.verdict, XFRIN_SINK);
	assert_non_null(strstr(o.text,
			       "no room for differences beside those of other transfers (a quarter of "
			       "zone-memory: 100000)"));
	assert_int_equal(r.pool->budget.used, 90000);
	snapshot_retire(base);
	model_fini(&zone);
	free(octets);
	free(m);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_queue_does_not_keep_the_thread_from_other_zones),
		cmocka_unit_test(turns_lose_no_octet),
		cmocka_unit_test(a_cancelled_build_reads_no_further_message),
		cmocka_unit_test(a_cancelled_build_is_not_finished),
		cmocka_unit_test(differences_beyond_the_budget_fail_with_the_reason),
	};

	return cmocka_run_group_tests_name("builders", tests, NULL, NULL);
}
