/*
 * The thread that takes the TAP driver's signals. See tap_signals.h.
 */
#include "dataplane/net/tap_signals.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct tap_signals {
	pthread_t thread;
	int stop_fd; /* readable: stop */
};

static void realtime_set(sigset_t *set)
{
	sigemptyset(set);
	for (int signum = SIGRTMIN; signum <= SIGRTMAX; signum++)
		sigaddset(set, signum);
}

/* Everything is blocked here except, while it waits, the real-time signals: their handler is the driver's. */
static void *take_signals(void *arg)
{
	struct tap_signals *t = arg;
	struct pollfd stop = {.fd = t->stop_fd, .events = POLLIN};
	sigset_t all_but_realtime;

	sigfillset(&all_but_realtime);
	for (int signum = SIGRTMIN; signum <= SIGRTMAX; signum++)
		sigdelset(&all_but_realtime, signum);
	while (ppoll(&stop, 1, NULL, &all_but_realtime) < 0 && errno == EINTR)
		;
	return NULL;
}

static int start_thread(struct tap_signals *t)
{
	sigset_t all, before, realtime;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); // the thread inherits it
	rc = pthread_create(&t->thread, NULL, take_signals, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return -rc;
	realtime_set(&realtime);
	pthread_sigmask(SIG_BLOCK, &realtime, NULL);
	// When too many real-time signals are queued the kernel sends SIGIO instead, whose default is to kill.
	signal(SIGIO, SIG_IGN);
	return 0;
}

int tap_signals_start(struct tap_signals **out, struct net_error *err)
{
	struct tap_signals *t = calloc(1, sizeof(*t));
	int rc = -ENOMEM;

	if (t == NULL)
		goto failed;
	t->stop_fd = eventfd(0, EFD_CLOEXEC);
	rc = t->stop_fd < 0 ? -errno : start_thread(t);
	if (rc < 0)
		goto failed;
	*out = t;
	return 0;

failed:
	net_error_set(err, "cannot start the thread that takes the TAP driver's signals: %s", strerror(-rc));
	if (t != NULL && t->stop_fd >= 0)
		close(t->stop_fd);
	free(t);
	return rc;
}

void tap_signals_stop(struct tap_signals *t)
{
	const uint64_t one = 1;

	if (t == NULL)
		return;
	if (write(t->stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(t->thread, NULL);
	close(t->stop_fd);
	free(t);
}
