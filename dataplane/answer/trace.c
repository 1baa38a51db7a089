/*
 * The engine's pipeline once more, with marks. See trace.h.
 */
#include "dataplane/answer/trace.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "dataplane/answer/engine.h"

const struct counter_text answer_trace_stage_text[ANSWER_TRACE_STAGE_CNT] = {
#define X(name, help) {#name, help},
	ANSWER_TRACE_STAGES(X)
#undef X
};

/* One run. */
struct run {
	struct answer_job job; /* first: marks find the run by it */
	uint64_t since;
	uint64_t cycles[ANSWER_TRACE_STAGE_CNT];
	bool usual_read, usual_write, find_done;
	bool replied; /* by a reply, the two below say which */
	uint32_t limit;
	enum rrl_class class;
};

struct tracer {
	struct answer_trace trace; /* first: it is what the caller has */
	struct answer_engine *engine;
	struct answer_config config;
	uint8_t request[DNS_MSG_MAX];
	uint8_t first[DNS_MSG_MAX]; /* the response of the first run */
	uint8_t again[DNS_MSG_MAX];
};

/* Waits for what was begun, so that a stage is charged for its own. */
static uint64_t cycles_now(void)
{
#ifdef __x86_64__
	uint64_t now;

	__builtin_ia32_lfence();
	now = __builtin_ia32_rdtsc();
	__builtin_ia32_lfence();
	return now;
#else
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
#endif
}

static void stage_done(struct answer_job *const jobs[], const struct answer_engine *e, const struct burst *b,
		       enum answer_trace_stage stage)
{
	struct run *run = (struct run *)jobs[0];

	run->cycles[stage] = cycles_now() - run->since;
	if (stage == ANSWER_TRACE_read)
		run->usual_read = b->lookup_cnt > 0 && e->work[0].brief;
	run->find_done |= b->find_cnt > 0;
	run->usual_write = b->usual_cnt + b->denial_cnt > 0;
	run->since = cycles_now();
}

static enum rrl_class rrl_class_of(const struct reply *r);

static void reply_done(struct answer_job *job, const struct reply *r)
{
	struct run *run = (struct run *)job;

	run->replied = true;
	run->limit = r->limit;
	run->class = rrl_class_of(r);
}

static void answer_traced(struct answer_engine *e, struct answer_job *const jobs[], unsigned cnt);

#define ENGINE_STAGE_DONE(stage, burst) stage_done(jobs, e, burst, ANSWER_TRACE_##stage)
#define ENGINE_REPLY_DONE(reply)	reply_done(w->job, reply)
#define answer_burst			answer_traced
#include "dataplane/answer/answer.c"

static void run_once(struct tracer *t, const struct answer_job *job, uint8_t *msg, struct run *out)
{
	struct answer_job *jobs[] = {&out->job};

	*out = (struct run){.job = *job};
	memcpy(msg, t->request, job->len);
	out->job.msg = msg;
	answer_engine_read_clock(t->engine);
	out->since = cycles_now();
	answer_traced(t->engine, jobs, 1);
}

/* The chain's further names: those that the resolver has looked up. */
static void note_steps(struct tracer *t)
{
	const struct resolver *rs = &t->engine->resolver;
	const struct work *w = &t->engine->work[0];
	struct answer_trace *out = &t->trace;

	if (w->step.lookup.snap == NULL)
		return;
	out->step[out->step_cnt++] =
		(struct answer_trace_step){.name = w->query.name, .lookup = w->step.lookup};
	for (unsigned i = 0; i < RESOLVE_CHAIN_MAX; i++) {
		if (rs->target[i].step.lookup.snap == NULL)
			continue;
		out->step[out->step_cnt++] = (struct answer_trace_step){.name = rs->target[i].lower,
									.lookup = rs->target[i].step.lookup};
	}
}

static void note_first(struct tracer *t, const struct run *run)
{
	const struct zonetab_find *find = &t->engine->work[0].find;
	struct answer_trace *out = &t->trace;

	out->verdict = run->job.verdict;
	out->msg = t->first;
	out->len = run->job.len;
	out->limit = run->limit;
	out->class = run->replied ? run->class : run->usual_write ? RRL_ANSWER : RRL_ERROR;
	out->find_done = run->find_done;
	if (run->find_done) {
		out->find = *find;
		out->acl_allows =
			find->acl == NULL || acl_allows(find->acl, run->job.family, run->job.client);
	}
	memcpy(out->first, run->cycles, sizeof(out->first));
	note_steps(t);
	answer_counters(t->engine, out->counter);
}

static void note_again(struct answer_trace *out, const struct run *run, bool is_first)
{
	out->usual_read = run->usual_read;
	out->usual_write = run->usual_write;
	for (unsigned i = 0; i < ANSWER_TRACE_STAGE_CNT; i++)
		if (is_first || run->cycles[i] < out->again[i])
			out->again[i] = run->cycles[i];
}

int answer_trace_new(const struct zonetab *zones, const struct answer_config *config,
		     const struct answer_job *job, struct answer_trace **out)
{
	struct tracer *t = calloc(1, sizeof(*t));
	struct run run;

	if (t == NULL || job->len > sizeof(t->request)) {
		free(t);
		return -ENOMEM;
	}
	t->config = *config;
	t->config.rrl.rate = 0; /* the answer is shown whole; answer_rate_peek tells the rest */
	t->engine = answer_engine_new(zones, &t->config);
	if (t->engine == NULL) {
		free(t);
		return -ENOMEM;
	}
	memcpy(t->request, job->msg, job->len);
	run_once(t, job, t->first, &run);
	note_first(t, &run);
	for (unsigned i = 0; i < ANSWER_TRACE_RUNS; i++) {
		run_once(t, job, t->again, &run);
		note_again(&t->trace, &run, i == 0);
	}
	*out = &t->trace;
	return 0;
}

void answer_trace_free(struct answer_trace *trace)
{
	struct tracer *t = (struct tracer *)trace;

	if (t == NULL)
		return;
	answer_engine_free(t->engine);
	free(t);
}

bool answer_rate_peek(const struct answer_engine *e, const struct answer_job *job, enum rrl_class class,
		      enum rrl_verdict *out)
{
	struct timespec now;

	if (e->rrl == NULL)
		return false;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	*out = rrl_peek(e->rrl, job->family, job->client, class,
			(uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	return true;
}
