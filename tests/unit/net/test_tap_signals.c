/* The TAP driver's signals go to a thread of their own and end nobody's system call. */
#include "dataplane/net/tap_signals.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define SIGNALS	     100
#define WAIT_SECONDS 10

struct answer_engine;

void answer_engine_read_clock(struct answer_engine *e)
{
}

void answer_burst(struct answer_engine *e, struct answer_job *const jobs[], unsigned cnt)
{
	fail(); // no worker ever runs here
}

/* A handler has no argument that could carry them. */
static _Atomic unsigned taken, taken_here;
static pthread_t here;

static void on_signal(int signum)
{
	atomic_fetch_add(&taken, 1);
	if (pthread_equal(pthread_self(), here))
		atomic_fetch_add(&taken_here, 1);
}

static void *send_signals(void *arg)
{
	for (unsigned i = 0; i < SIGNALS; i++) {
		kill(getpid(), *(const int *)arg);
		usleep(500);
	}
	return NULL;
}

static void real_time_signals_are_taken_elsewhere_and_interrupt_nothing(void **state)
{
	const struct timespec pause = {.tv_nsec = 100000000};
	struct sigaction action = {.sa_handler = on_signal}; // without SA_RESTART
	struct tap_signals *t = NULL;
	struct net_error err = {0};
	pthread_t sender;
	int signum = SIGRTMIN + 3;
	time_t end = time(NULL) + WAIT_SECONDS;

	here = pthread_self();
	assert_int_equal(sigaction(signum, &action, NULL), 0);
	assert_int_equal(tap_signals_start(&t, &err), 0);
	assert_int_equal(pthread_create(&sender, NULL, send_signals, &signum), 0);
	assert_int_equal(nanosleep(&pause, NULL), 0);
	assert_int_equal(pthread_join(sender, NULL), 0);
	while (atomic_load(&taken) < SIGNALS && time(NULL) < end)
		usleep(1000);
	assert_int_equal(atomic_load(&taken), SIGNALS);
	assert_int_equal(atomic_load(&taken_here), 0);
	tap_signals_stop(t);
}

static void a_late_signal_finds_nobody_and_kills_nobody(void **state)
{
	struct tap_signals *t = NULL;
	struct net_error err = {0};

	assert_int_equal(tap_signals_start(&t, &err), 0);
	tap_signals_stop(t);
	kill(getpid(), SIGRTMIN + 4); // its disposition is to terminate
	kill(getpid(), SIGIO);
	usleep(10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_time_signals_are_taken_elsewhere_and_interrupt_nothing),
		cmocka_unit_test(a_late_signal_finds_nobody_and_kills_nobody),
	};

	return cmocka_run_group_tests_name("tap_signals", tests, NULL, NULL);
}
