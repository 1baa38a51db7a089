/*
 * How far apart two CPUs are: nanoseconds that a cache line takes there and back, the tenth percentile of many samples. What
 * two processes hand each other over a memif takes that way, and a virtual machine's CPUs are moved between the host's
 * caches: figures may only be compared where this is the same.
 *
 *     core_trip CPU CPU
 */
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SAMPLES 4000
#define TRIPS	10 /* in a sample: more than a reading of the clock costs, less than a time slice has */

/* Both write the ball, each when it is its turn: odd numbers are the first one's. */
struct court {
	alignas(128) _Atomic uint64_t ball;
	alignas(128) _Atomic bool stop;
	unsigned cpu; /* of the second */
};

static int pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *play_back(void *arg)
{
	struct court *c = arg;

	if (pin(c->cpu) != 0) {
		fprintf(stderr, "core_trip: cannot run on CPU %u\n", c->cpu);
		exit(1);
	}
	for (uint64_t next = 1; !atomic_load_explicit(&c->stop, memory_order_relaxed);) {
		if (atomic_load_explicit(&c->ball, memory_order_acquire) != next)
			continue;
		atomic_store_explicit(&c->ball, next + 1, memory_order_release);
		next += 2;
	}
	return NULL;
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	struct court court = {.ball = 0}, *c = &court;
	double sample[SAMPLES];
	uint64_t next = 1;
	pthread_t other;

	if (argc != 3) {
		fprintf(stderr, "usage: core_trip CPU CPU\n");
		return 2;
	}
	c->cpu = (unsigned)strtoul(argv[2], NULL, 10);
	if (pin((unsigned)strtoul(argv[1], NULL, 10)) != 0 ||
	    pthread_create(&other, NULL, play_back, c) != 0) {
		fprintf(stderr, "core_trip: cannot run on CPU %s and %s\n", argv[1], argv[2]);
		return 1;
	}
	for (unsigned i = 0; i < SAMPLES; i++) {
		double begin = now_ns();

		for (unsigned trip = 0; trip < TRIPS; trip++, next += 2) {
			atomic_store_explicit(&c->ball, next, memory_order_release);
			while (atomic_load_explicit(&c->ball, memory_order_acquire) != next + 1)
				;
		}
		sample[i] = (now_ns() - begin) / TRIPS;
	}
	atomic_store_explicit(&c->stop, 1, memory_order_relaxed);
	pthread_join(other, NULL);
	qsort(sample, SAMPLES, sizeof(sample[0]), by_value);
	printf("%.0f\n", sample[SAMPLES / 10]);
	return 0;
}
