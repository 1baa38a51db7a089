#include "control/builders_internal.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <urcu-qsbr.h>

#include "dataplane/zone/arena.h"

/* How much of the memory for zones all differences that are being received may take beside it. */
#define BUDGET_PART 4

/* --- the builder threads' side --- */

void builders_post(struct build *b)
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

void builders_make_runnable(struct build *b)
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

/*
 * Under lock, which is given up while it works. A turn ends after some octets, and the build goes to the end of the queue:
 * no transfer keeps a thread from the others, and what happened to it meanwhile is seen.
 */
static void work(struct builders *p, struct build *b)
{
	struct chunk *list = build_take(b);
	bool ended = b->ended, at_end;
	size_t used;

	pthread_mutex_unlock(&p->lock);
	at_end = build_work(b, &list, &used);
	pthread_mutex_lock(&p->lock);
	at_end |= build_is_cancelled(b) || (ended && list == NULL);
	build_put_back(b, list, used);
	if (at_end) {
		b->complete = !build_is_cancelled(b) && b->xfrin.verdict == XFRIN_DONE;
		pthread_mutex_unlock(&p->lock);
		build_finish(b);
		pthread_mutex_lock(&p->lock);
	}
	b->working = false;
	if (at_end) {
		b->finished = true;
		builders_post(b);
	} else if (b->head != NULL || b->ended || build_is_cancelled(b)) {
		builders_make_runnable(b);
	}
}

/* Under lock, as above. */
static bool turn(struct builders *p)
{
	struct build *b = take_runnable(p);

	if (b != NULL)
		work(p, b);
	return b != NULL;
}

bool builders_turn(struct builders *p)
{
	bool worked;

	pthread_mutex_lock(&p->lock);
	worked = turn(p);
	pthread_mutex_unlock(&p->lock);
	return worked;
}

static void *thread_main(void *arg)
{
	struct builders *p = arg;

	rcu_register_thread();
	rcu_thread_offline();
	pthread_mutex_lock(&p->lock);
	for (;;) {
		if (turn(p))
			continue;
		if (p->stop)
			break;
		pthread_cond_wait(&p->runnable, &p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	rcu_unregister_thread();
	return NULL;
}

/* --- the loop's side --- */

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
	struct builders *p = calloc(1, sizeof(*p) + env->threads * sizeof(p->threads[0]));
	struct arena_info arena;
	int ret;

	if (p == NULL)
		return -ENOMEM;
	p->env = *env;
	arena_info(env->arena, &arena);
	p->budget.max = arena.bytes_max / BUDGET_PART;
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
