/* One transfer on its way to a snapshot: the queue of its octets, and what a builder thread makes of them. */
#include "control/builders_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/rcode.h"

/* Enough to keep a thread busy while the loop does something else; times the transfers that run, it is the bound. */
#define QUEUE_FULL (1024 * 1024)

/* One turn of a thread: some milliseconds. The last message may exceed it. */
#define TURN_OCTETS (128 * 1024)

struct chunk {
	struct chunk *next;
	size_t len, used;
	uint8_t octets[];
};

/* --- on a builder thread --- */

static int sink_begin(void *arg, enum xfrin_form form)
{
	struct build *b = arg;
	const struct builders_env *env = &b->pool->env;
	bool changes = form == XFRIN_CHANGES;

	b->result.changes = changes;
	b->keeps = changes && b->request.keep_max > 0;
	tally_init(&b->tally, &b->request.limits, changes);
	b->builder = builder_new(env->arena, env->key, b->request.transfer.apex,
				 changes ? b->request.base : NULL, &b->request.limits);
	if (b->builder == NULL)
		return BUILDER_NO_MEMORY;
	builder_watch(b->builder, &b->cancelled);
	if (changes)
		builder_share(b->builder, &b->pool->budget);
	return BUILDER_OK;
}

static void keep(struct build *b, const struct snapshot_record *record, bool deleted)
{
	if (b->keeps)
		delta_recorder_add(&b->kept, &(struct delta_record){.record = *record, .deleted = deleted});
}

static int sink_add(void *arg, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
		    uint16_t rdata_len)
{
	struct build *b = arg;
	enum builder_verdict v = tally_record(&b->tally, owner, type, rdata_len);

	b->result.added += type != DNS_TYPE_SOA;
	keep(b, &(struct snapshot_record){owner, rdata, ttl, rdata_len, type}, false);
	return (int)(v != BUILDER_OK ? v : builder_add(b->builder, owner, type, ttl, rdata, rdata_len));
}

static int sink_del(void *arg, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
		    uint16_t rdata_len)
{
	struct build *b = arg;
	enum builder_verdict v = tally_record(&b->tally, owner, type, rdata_len);

	b->result.removed += type != DNS_TYPE_SOA;
	keep(b, &(struct snapshot_record){owner, rdata, ttl, rdata_len, type}, true);
	return (int)(v != BUILDER_OK ? v : builder_del(b->builder, owner, type, rdata, rdata_len));
}

/* Which limit, by the name of its key in the configuration; empty for what is not a limit. */
static const char *limit_text(const struct build *b, enum builder_verdict v, char *buf, size_t cap)
{
	const struct builder_limits *l = &b->request.limits;

	buf[0] = '\0';
	if (v == BUILDER_LIMIT_RECORDS)
		snprintf(buf, cap, " (transfer-records: %llu)", (unsigned long long)l->records);
	else if (v == BUILDER_LIMIT_BYTES)
		snprintf(buf, cap, " (transfer-bytes: %llu)", (unsigned long long)l->bytes);
	else if (v == BUILDER_LIMIT_RRSET)
		snprintf(buf, cap, " (record-set-records: %u)", l->rrset_records);
	else if (v == BUILDER_LIMIT_BUDGET)
		snprintf(buf, cap, " (a quarter of zone-memory: %llu)",
			 (unsigned long long)b->pool->budget.max);
	return buf;
}

/* What the primary says against it may be a lie, as nobody signed for it; it is mostly the reason. */
static void describe_signature(struct build *b)
{
	const struct tsig *t = b->request.tsig;
	const struct xfrin *x = &b->xfrin;
	char error[TSIG_ERROR_TEXT_CAP], rcode[RCODE_TEXT_CAP];
	int at = snprintf(b->result.text, BUILD_TEXT_CAP, "message %llu: %s", (unsigned long long)x->message,
			  tsig_verdict_text(b->signature));

	if (b->signature == TSIG_PEER_ERROR)
		at += snprintf(b->result.text + at, BUILD_TEXT_CAP - (size_t)at, ": %s",
			       tsig_error_text(t->peer_error, error));
	if (x->rcode != DNS_RCODE_NOERROR)
		snprintf(b->result.text + at, BUILD_TEXT_CAP - (size_t)at, "; the primary answered %s",
			 rcode_text(x->rcode, rcode));
}

static void describe_failure(struct build *b)
{
	const struct xfrin *x = &b->xfrin;
	char place[XFRIN_TEXT_CAP], limit[64];
	enum builder_verdict v = (enum builder_verdict)x->sink_error;

	xfrin_describe(x, place);
	if (x->verdict == XFRIN_SIGNATURE)
		describe_signature(b);
	else if (x->verdict == XFRIN_SINK)
		snprintf(b->result.text, BUILD_TEXT_CAP, "%s: %s%s", place, builder_verdict_text(v),
			 limit_text(b, v, limit, sizeof(limit)));
	else if (x->verdict == XFRIN_MESSAGES)
		snprintf(b->result.text, BUILD_TEXT_CAP, "%s (transfer-messages: %llu)", place,
			 (unsigned long long)x->request.messages_max);
	else if (x->verdict == XFRIN_DELTAS)
		snprintf(b->result.text, BUILD_TEXT_CAP, "%s (transfer-deltas: %llu)", place,
			 (unsigned long long)x->request.deltas_max);
	else
		snprintf(b->result.text, BUILD_TEXT_CAP, "%s", place);
}

static void describe_cut(struct build *b)
{
	const struct xfrin *x = &b->xfrin;

	snprintf(b->result.text, BUILD_TEXT_CAP,
		 "the stream ended %s message %llu, after %llu records, before the transfer was complete",
		 b->cutter.len > 0 ? "inside" : "before", (unsigned long long)x->messages + 1,
		 (unsigned long long)x->records);
}

/* Of what was repaired the differences tell another story than the zone. */
static void hand_out_kept(struct build *b)
{
	const struct builder_report *p = &b->result.report;

	if (p->skipped_outside + p->skipped_duplicate + p->ttl_unequal + p->ttl_top_bit == 0)
		delta_recorder_take(&b->kept, &b->result.kept);
}

/* What is refused is no transfer: the snapshot goes, and the reason is the transfer's. */
static void pass_gate(struct build *b)
{
	struct build_result *r = &b->result;

	gate_inspect(r->snapshot, &b->request.gate, (uint64_t)time(NULL), &r->gate);
	if (!r->gate.refused) {
		hand_out_kept(b);
		return;
	}
	r->verdict = XFRIN_SINK;
	snapshot_retire(r->snapshot);
	r->snapshot = NULL;
	snprintf(r->text, BUILD_TEXT_CAP, "refused: %s", r->gate.text);
}

static void finish_snapshot(struct build *b)
{
	struct build_result *r = &b->result;
	char name[NAME_TEXT_CAP], type[RDATA_TYPE_TEXT_CAP], limit[64];
	enum builder_verdict v = builder_finish(b->builder, &r->snapshot, &r->report);

	if (build_is_cancelled(b))
		return;
	if (v == BUILDER_OK && snapshot_serial(r->snapshot) == b->xfrin.serial) {
		pass_gate(b);
		return;
	}
	r->verdict = XFRIN_SINK;
	if (v == BUILDER_OK) {
		snapshot_retire(r->snapshot);
		r->snapshot = NULL;
		snprintf(r->text, BUILD_TEXT_CAP, "the records do not have the serial that was announced");
		return;
	}
	r->snapshot = NULL;
	limit_text(b, v, limit, sizeof(limit));
	if (r->report.type != 0)
		snprintf(r->text, BUILD_TEXT_CAP, "%.255s %s: %s%s", name_text(r->report.owner, name),
			 rdata_type_text(r->report.type, type), builder_verdict_text(v), limit);
	else
		snprintf(r->text, BUILD_TEXT_CAP, "the zone as a whole: %s%s", builder_verdict_text(v),
			 limit);
}

/* RFC 8945 5.3.1: nothing is believed before the last message has been signed. */
static void check_signed_end(struct build *b)
{
	if (b->request.tsig == NULL)
		return;
	b->signature = tsig_verify_end(b->request.tsig);
	if (b->signature != TSIG_OK)
		b->xfrin.verdict = XFRIN_SIGNATURE;
}

/* Whatever has become of it by now, nobody wants it. */
static void withdraw(struct build *b)
{
	struct build_result *r = &b->result;

	if (r->snapshot != NULL)
		snapshot_retire(r->snapshot);
	r->snapshot = NULL;
	delta_queue_drop(&r->kept);
	r->verdict = XFRIN_MORE;
	snprintf(r->text, BUILD_TEXT_CAP, "cancelled");
}

void build_finish(struct build *b)
{
	const struct xfrin *x = &b->xfrin;
	struct build_result *r = &b->result;

	if (x->verdict == XFRIN_DONE || x->verdict == XFRIN_UP_TO_DATE)
		check_signed_end(b);
	r->verdict = x->verdict;
	r->soa = x->soa;
	r->messages = x->messages;
	r->records = x->records;
	r->octets = x->octets;
	r->deltas = x->deltas;
	r->not_authoritative = x->not_authoritative;
	r->rcode = x->rcode;
	r->opt = x->opt;
	if (x->verdict == XFRIN_MORE)
		describe_cut(b);
	else if (x->verdict > XFRIN_UP_TO_DATE)
		describe_failure(b);
	else if (x->verdict == XFRIN_DONE)
		finish_snapshot(b);
	if (build_is_cancelled(b))
		withdraw(b);
	delta_queue_drop(&b->kept.queue);
	r->built_ns = uv_hrtime();
	if (b->builder != NULL)
		builder_free(b->builder);
	b->builder = NULL;
}

static void take_message(struct build *b, uint8_t *msg, size_t len)
{
	size_t unsigned_len = len;

	if (b->request.tsig != NULL) {
		b->signature =
			tsig_verify_response(b->request.tsig, msg, (uint64_t)time(NULL), &unsigned_len);
		if (b->signature != TSIG_OK && b->signature != TSIG_PENDING) {
			xfrin_reject(&b->xfrin, msg, len);
			return;
		}
	}
	xfrin_message(&b->xfrin, msg, unsigned_len);
}

/* The messages of one chunk, until the turn has had enough octets. Returns how many it had. */
static size_t work_chunk(struct build *b, struct chunk *c, size_t max)
{
	struct cutter_span in = {c->octets + c->used, c->len - c->used}, msg;
	size_t had = in.len;

	while (b->xfrin.verdict == XFRIN_MORE && had - in.len < max && !build_is_cancelled(b) &&
	       cutter_feed(&b->cutter, &in, &msg))
		take_message(b, msg.at, msg.len);
	/* Whatever has arrived behind the end makes the transfer wrong; the decoder says so. */
	if (b->xfrin.verdict != XFRIN_MORE && in.len > 0) {
		xfrin_message(&b->xfrin, in.at, in.len);
		in.len = 0;
	}
	c->used = c->len - in.len;
	return had - in.len;
}

bool build_work(struct build *b, struct chunk **list, size_t *used)
{
	*used = 0;
	while (*list != NULL && !build_is_cancelled(b) &&
	       (*used < TURN_OCTETS || b->xfrin.verdict != XFRIN_MORE)) {
		struct chunk *c = *list;

		*used += work_chunk(b, c, TURN_OCTETS - *used);
		if (c->used < c->len)
			break;
		*list = c->next;
		free(c);
	}
	return b->xfrin.verdict != XFRIN_MORE;
}

/* --- the queue --- */

struct chunk *build_take(struct build *b)
{
	struct chunk *list = b->head;

	b->head = NULL;
	b->tail = &b->head;
	return list;
}

void build_put_back(struct build *b, struct chunk *rest, size_t used)
{
	struct chunk **end = &rest;

	while (*end != NULL)
		end = &(*end)->next;
	*end = b->head;
	if (b->head == NULL)
		b->tail = rest == NULL ? &b->head : end;
	b->head = rest;
	b->queued -= used;
	/* Half of it is left to work on while the loop fetches more. */
	if (b->wants_room && b->queued <= QUEUE_FULL / 2) {
		b->wants_room = false;
		b->has_room = true;
		builders_post(b);
	}
}

int build_push(struct build *b, const void *octets, size_t len)
{
	struct chunk *c = malloc(sizeof(*c) + len);
	bool full;

	if (c == NULL)
		return -ENOMEM;
	c->next = NULL;
	c->len = len;
	c->used = 0;
	memcpy(c->octets, octets, len);
	b->last_ns = uv_hrtime();
	if (b->first_ns == 0)
		b->first_ns = b->last_ns;
	pthread_mutex_lock(&b->pool->lock);
	*b->tail = c;
	b->tail = &c->next;
	b->queued += len;
	full = b->queued >= QUEUE_FULL;
	b->wants_room = full;
	builders_make_runnable(b);
	pthread_mutex_unlock(&b->pool->lock);
	return full ? 0 : 1;
}

/* --- on the loop --- */

int build_open(struct builders *p, const struct build_request *request, const struct build_calls *calls,
	       struct build **out)
{
	const struct xfrin_sink sink = {.begin = sink_begin, .add = sink_add, .del = sink_del};
	struct build *b = malloc(sizeof(*b));

	if (b == NULL)
		return -ENOMEM;
	/* The buffers at the end, 128 kB, need no clearing. */
	memset(b, 0, offsetof(struct build, xfrin));
	b->pool = p;
	b->request = *request;
	b->request.gate.stop = &b->cancelled;
	b->calls = *calls;
	b->tail = &b->head;
	b->cutter.carry = b->carry;
	delta_recorder_init(&b->kept, request->keep_max);
	TAILQ_INIT(&b->result.kept);
	xfrin_init(&b->xfrin, &request->transfer, &sink);
	b->xfrin.sink.arg = b;
	*out = b;
	return 0;
}

void build_free(struct build *b)
{
	while (b->head != NULL) {
		struct chunk *next = b->head->next;

		free(b->head);
		b->head = next;
	}
	free(b);
}

void build_end(struct build *b)
{
	pthread_mutex_lock(&b->pool->lock);
	b->ended = true;
	builders_make_runnable(b);
	pthread_mutex_unlock(&b->pool->lock);
}

void build_cancel(struct build *b)
{
	pthread_mutex_lock(&b->pool->lock);
	atomic_store_explicit(&b->cancelled, true, memory_order_relaxed);
	builders_make_runnable(b);
	pthread_mutex_unlock(&b->pool->lock);
}

/* Under lock. No thread looks at it then. */
static bool is_starved(const struct build *b)
{
	return b->head == NULL && !b->working && !b->queued_to_run && !b->finished;
}

bool build_is_starved(const struct build *b)
{
	bool starved;

	pthread_mutex_lock(&b->pool->lock);
	starved = is_starved(b);
	pthread_mutex_unlock(&b->pool->lock);
	return starved;
}

bool build_has_lone_soa(const struct build *b)
{
	bool lone;

	pthread_mutex_lock(&b->pool->lock);
	lone = is_starved(b) && b->cutter.len == 0 && xfrin_is_lone_soa(&b->xfrin);
	pthread_mutex_unlock(&b->pool->lock);
	return lone;
}

bool build_is_complete(const struct build *b)
{
	bool complete;

	pthread_mutex_lock(&b->pool->lock);
	complete = b->complete;
	pthread_mutex_unlock(&b->pool->lock);
	return complete;
}
