/*
 * How long an adaptive worker that found nothing to do sleeps. It spins for a while after the last packet, then sleeps
 * for a quarter of the time that nothing came: so a sleep delays a packet by at most a quarter of the gap before it,
 * a worker with steady traffic never sleeps, and one that is asked now and then leaves its core to others.
 */
#pragma once

#include <stdint.h>

#define IDLE_SPIN_US 20

/* idle_us: since the last packet. Microseconds to sleep, at most max_us; 0: poll again. Any thread. */
static inline uint32_t idle_sleep(uint64_t idle_us, uint32_t max_us)
{
	uint64_t us = idle_us < IDLE_SPIN_US ? 0 : idle_us / 4;

	return us < max_us ? (uint32_t)us : max_us;
}
