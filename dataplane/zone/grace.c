#include "dataplane/zone/grace.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <urcu-qsbr.h>

struct grace {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	/* Under lock. */
	struct grace_wait *head, **tail;
	bool stop;
};

/* Under lock, which is given up while it waits. */
static void serve(struct grace *g)
{
	struct grace_wait *list = g->head, *next;

	g->head = NULL;
	g->tail = &g->head;
	pthread_mutex_unlock(&g->lock);
	synchronize_rcu();
	for (; list != NULL; list = next) {
		next = list->next;
		list->seen(list);
	}
	pthread_mutex_lock(&g->lock);
}

static void *thread_main(void *arg)
{
	struct grace *g = arg;

	pthread_mutex_lock(&g->lock);
	while (g->head != NULL || !g->stop) {
		if (g->head != NULL)
			serve(g);
		else
			pthread_cond_wait(&g->work, &g->lock);
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

int grace_start(struct grace **out)
{
	struct grace *g = calloc(1, sizeof(*g));
	sigset_t all, old;
	int ret;

	if (g == NULL)
		return -ENOMEM;
	g->tail = &g->head;
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->work, NULL);
	/* Signals are the control loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&g->thread, NULL, thread_main, g);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret != 0) {
		free(g);
		return -ret;
	}
	pthread_setname_np(g->thread, "grace");
	*out = g;
	return 0;
}

void grace_after(struct grace *g, struct grace_wait *w, void (*seen)(struct grace_wait *w))
{
	w->next = NULL;
	w->seen = seen;
	pthread_mutex_lock(&g->lock);
	*g->tail = w;
	g->tail = &w->next;
	pthread_cond_signal(&g->work);
	pthread_mutex_unlock(&g->lock);
}

void grace_stop(struct grace *g)
{
	/* The thread waits for us too. */
	rcu_thread_offline();
	pthread_mutex_lock(&g->lock);
	g->stop = true;
	pthread_cond_signal(&g->work);
	pthread_mutex_unlock(&g->lock);
	pthread_join(g->thread, NULL);
	rcu_thread_online();
	pthread_cond_destroy(&g->work);
	pthread_mutex_destroy(&g->lock);
	free(g);
}
