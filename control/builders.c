#include "control/builders.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <urcu-qsbr.h>

#include "control/rcode.h"
#include "control/tally.h"
#include "dataplane/dns/cutter.h"
#include "dataplane/zone/arena.h"

/* Enough to keep a thread busy while the loop does something else; times the transfers that run, it is the bound. */
#define QUEUE_FULL (1024 * 1024)

struct chunk {
	struct chunk *next;
	size_t len;
	uint8_t octets[];
};

struct build {
	struct builders *pool;
	struct build_request request; /* immutable */
	struct build_calls calls;     /* used on the loop */
	uint64_t first_ns, last_ns;   /* the same */

	/* Under pool->lock; written by the loop and by the thread that works on it. */
	struct build *next; /* in the run queue or the event queue */
	struct build *next_event;
	struct chunk *head, **tail;
	size_t queued;
	bool queued_to_run;
	bool working; /* a thread has it */
	bool ended;   /* by the loop */
	bool cancelled;
	bool wants_room;
	bool has_room;
	bool complete; /* the stream is; the snapshot is being made */
	bool finished; /* result is complete; only the loop touches the build from now on */
	bool in_events;

	/* The thread that works on it only; handed from one to the next through the lock. */
	struct builder *builder;
	bool keeps; /* what comes is recorded too */
	struct tally tally;
	struct delta_recorder kept;
	enum tsig_verdict signature; /* of the last message, with a key */
	struct build_result result;
	struct cutter cutter;
	struct xfrin xfrin;
	uint8_t carry[CUTTER_FRAME_MAX]; /* the cutter's */
};

struct builders {
	struct builders_env env;
	uv_async_t wake; /* builder threads -> loop */
	void (*closed)(void *arg);
	void *closed_arg;

	pthread_mutex_t lock;
	pthread_cond_t runnable;
	/* Under lock. */
	struct build *run_head, **run_tail;
	struct build *event_head, **event_tail;
	bool stop;

	unsigned thread_cnt;
	pthread_t threads[];
};

/* --- the builder threads' side --- */

static int sink_begin(void *arg, enum xfrin_form form)
{
	struct build *b = arg;
	const struct builders_env *env = &b->pool->env;
	bool changes = form == XFRIN_CHANGES;
	struct arena_info arena;

	b->result.changes = changes;
	b->keeps = changes && b->request.keep_max > 0;
	arena_info(env->arena, &arena);
	tally_init(&b->tally, &b->request.limits, changes, arena.bytes_max);
	b->builder = builder_new(env->arena, env->key, b->request.transfer.apex,
				 changes ? b->request.base : NULL, &b->request.limits);
	return b->builder == NULL ? BUILDER_NO_MEMORY : BUILDER_OK;
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

/* The stream is at its end, by itself or not. Fills the result. */
static void finish(struct build *b, bool cancelled)
{
	const struct xfrin *x = &b->xfrin;
	struct build_result *r = &b->result;

	if (!cancelled && (x->verdict == XFRIN_DONE || x->verdict == XFRIN_UP_TO_DATE))
		check_signed_end(b);
	r->verdict = cancelled ? XFRIN_MORE : x->verdict;
	r->soa = x->soa;
	r->messages = x->messages;
	r->records = x->records;
	r->octets = x->octets;
	r->deltas = x->deltas;
	r->not_authoritative = x->not_authoritative;
	r->rcode = x->rcode;
	r->opt = x->opt;
	if (cancelled)
		snprintf(r->text, BUILD_TEXT_CAP, "cancelled");
	else if (x->verdict == XFRIN_MORE)
		describe_cut(b);
	else if (x->verdict > XFRIN_UP_TO_DATE)
		describe_failure(b);
	else if (x->verdict == XFRIN_DONE)
		finish_snapshot(b);
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

/* Returns whether the transfer has come to its end. */
static bool work_chunks(struct build *b, struct chunk *list)
{
	struct chunk *next;

	for (; list != NULL; list = next) {
		struct cutter_span in = {list->octets, list->len}, msg;

		while (b->xfrin.verdict == XFRIN_MORE && cutter_feed(&b->cutter, &in, &msg))
			take_message(b, msg.at, msg.len);
		/* Whatever has arrived behind the end makes the transfer wrong; the decoder says so. */
		if (in.len > 0)
			xfrin_message(&b->xfrin, in.at, in.len);
		next = list->next;
		free(list);
	}
	return b->xfrin.verdict != XFRIN_MORE;
}

/* Under lock. */
static void post_event(struct build *b)
{
	struct builders *p = b->pool;

	if (b->in_events)
		return;
	b->in_events = true;
	b->next_event = NULL;
	*p->event_tail = b;
	p->event_tail = &b->next_event;
	uv_async_send(&p->wake);
}

/* Under lock. */
static void make_runnable(struct build *b)
{
	struct builders *p = b->pool;

	if (b->queued_to_run || b->working || b->finished)
		return;
	b->queued_to_run = true;
	b->next = NULL;
	*p->run_tail = b;
	p->run_tail = &b->next;
	pthread_cond_signal(&p->runnable);
}

/* Under lock. */
static struct build *take_runnable(struct builders *p)
{
	struct build *b = p->run_head;

	if (b == NULL)
		return NULL;
	p->run_head = b->next;
	if (p->run_head == NULL)
		p->run_tail = &p->run_head;
	b->queued_to_run = false;
	b->working = true;
	return b;
}

/* Under lock. */
static struct chunk *take_chunks(struct build *b)
{
	struct chunk *list = b->head;

	b->head = NULL;
	b->tail = &b->head;
	b->queued = 0;
	if (b->wants_room) {
		b->wants_room = false;
		b->has_room = true;
		post_event(b);
	}
	return list;
}

static void free_chunks(struct chunk *list)
{
	while (list != NULL) {
		struct chunk *next = list->next;

		free(list);
		list = next;
	}
}

/* Under lock, which is given up while it works. */
static void work(struct builders *p, struct build *b)
{
	bool cancelled = b->cancelled, ended = b->ended, at_end;
	struct chunk *list = take_chunks(b);

	pthread_mutex_unlock(&p->lock);
	if (cancelled)
		free_chunks(list);
	at_end = cancelled || work_chunks(b, list) || ended;
	if (at_end) {
		pthread_mutex_lock(&p->lock);
		b->complete = !cancelled && b->xfrin.verdict == XFRIN_DONE;
		pthread_mutex_unlock(&p->lock);
		finish(b, cancelled);
	}
	pthread_mutex_lock(&p->lock);
	b->working = false;
	if (at_end) {
		b->finished = true;
		post_event(b);
	} else if (b->head != NULL || b->ended || b->cancelled) {
		make_runnable(b);
	}
}

static void *thread_main(void *arg)
{
	struct builders *p = arg;
	struct build *b;

	rcu_register_thread();
	rcu_thread_offline();
	pthread_mutex_lock(&p->lock);
	for (;;) {
		b = take_runnable(p);
		if (b != NULL)
			work(p, b);
		else if (p->stop)
			break;
		else
			pthread_cond_wait(&p->runnable, &p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	rcu_unregister_thread();
	return NULL;
}

/* --- the loop's side --- */

static void build_free(struct build *b)
{
	free_chunks(b->head);
	free(b);
}

static void deliver(struct build *b, bool finished, bool has_room)
{
	if (finished) {
		b->result.first_ns = b->first_ns;
		b->result.last_ns = b->last_ns;
		b->calls.done(b->calls.arg, &b->result);
		build_free(b);
	} else if (has_room) {
		b->calls.room(b->calls.arg);
	}
}

static void on_wake(uv_async_t *handle)
{
	struct builders *p = handle->data;

	for (;;) {
		struct build *b;
		bool finished, has_room;

		pthread_mutex_lock(&p->lock);
		b = p->event_head;
		if (b != NULL) {
			p->event_head = b->next_event;
			if (p->event_head == NULL)
				p->event_tail = &p->event_head;
			b->in_events = false;
			finished = b->finished;
			has_room = b->has_room;
			b->has_room = false;
		}
		pthread_mutex_unlock(&p->lock);
		if (b == NULL)
			return;
		deliver(b, finished, has_room);
	}
}

/* The packet workers poll their CPUs without pause: a builder there would wait, or make them late. */
static void keep_off_workers(const struct builders *p, pthread_t thread)
{
	long cnt = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;
	long i;

	CPU_ZERO(&set);
	for (i = 0; i < cnt && i < CPU_SETSIZE; i++)
		CPU_SET((int)i, &set);
	for (i = 0; i < (long)p->env.worker_cpu_cnt; i++)
		if (p->env.worker_cpus[i] < CPU_SETSIZE)
			CPU_CLR(p->env.worker_cpus[i], &set);
	/* Nothing left, or not ours to choose: the creator's CPUs are inherited, and do. */
	if (CPU_COUNT(&set) > 0)
		(void)pthread_setaffinity_np(thread, sizeof(set), &set);
}

static void join_threads(struct builders *p)
{
	unsigned i;

	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->runnable);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->thread_cnt; i++)
		pthread_join(p->threads[i], NULL);
}

static int start_threads(struct builders *p)
{
	sigset_t all, old;
	char name[16];
	int ret = 0;

	/* Signals are the control loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (ret == 0 && p->thread_cnt < p->env.threads) {
		ret = pthread_create(&p->threads[p->thread_cnt], NULL, thread_main, p);
		if (ret != 0)
			break;
		snprintf(name, sizeof(name), "builder-%u", p->thread_cnt % 1000);
		pthread_setname_np(p->threads[p->thread_cnt], name);
		keep_off_workers(p, p->threads[p->thread_cnt]);
		p->thread_cnt++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -ret;
}

static void pool_free(struct builders *p)
{
	pthread_cond_destroy(&p->runnable);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int builders_start(const struct builders_env *env, struct builders **out)
{
	struct builders *p =
		calloc(1, sizeof(*p) + (env->threads == 0 ? 1 : env->threads) * sizeof(p->threads[0]));
	int ret;

	if (p == NULL)
		return -ENOMEM;
	p->env = *env;
	if (p->env.threads == 0)
		p->env.threads = 1;
	p->run_tail = &p->run_head;
	p->event_tail = &p->event_head;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->runnable, NULL);
	ret = start_threads(p);
	if (ret == 0)
		ret = uv_async_init(env->loop, &p->wake, on_wake);
	if (ret < 0) {
		join_threads(p);
		pool_free(p);
		return ret;
	}
	p->wake.data = p;
	*out = p;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct builders *p = handle->data;
	void (*closed)(void *arg) = p->closed;
	void *arg = p->closed_arg;

	pool_free(p);
	closed(arg);
}

void builders_stop(struct builders *p, void (*closed)(void *arg), void *arg)
{
	join_threads(p);
	p->closed = closed;
	p->closed_arg = arg;
	uv_close((uv_handle_t *)&p->wake, on_closed);
}

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

int build_push(struct build *b, const void *octets, size_t len)
{
	struct chunk *c = malloc(sizeof(*c) + len);
	bool full;

	if (c == NULL)
		return -ENOMEM;
	c->next = NULL;
	c->len = len;
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
	make_runnable(b);
	pthread_mutex_unlock(&b->pool->lock);
	return full ? 0 : 1;
}

void build_end(struct build *b)
{
	pthread_mutex_lock(&b->pool->lock);
	b->ended = true;
	make_runnable(b);
	pthread_mutex_unlock(&b->pool->lock);
}

void build_cancel(struct build *b)
{
	pthread_mutex_lock(&b->pool->lock);
	b->cancelled = true;
	make_runnable(b);
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
