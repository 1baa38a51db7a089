/*
 * The engine has no clock of its own, so that tests say what time it is; this is what threads that serve read for it, once
 * per burst. Coarse clocks are memory that the kernel keeps up to date: no system call, and milliseconds are enough.
 */
#include "dataplane/answer/answer.h"

#include <time.h>

void answer_engine_read_clock(struct answer_engine *e)
{
	struct timespec monotonic, wall;
	struct answer_time now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &monotonic);
	clock_gettime(CLOCK_REALTIME_COARSE, &wall);
	now.monotonic_us = (uint64_t)monotonic.tv_sec * 1000000 + (uint64_t)monotonic.tv_nsec / 1000;
	now.wall_s = (uint32_t)wall.tv_sec;
	answer_engine_set_time(e, &now);
}
