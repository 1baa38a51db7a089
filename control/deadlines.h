/*
 * Many deadlines, one timer: a binary heap by time. Setting, moving and taking one is O(log n), and a deadline
 * that is not set costs four octets in its owner. The control loop's; single-threaded.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct deadlines;

/* Embedded in what has a deadline. */
struct deadline {
	uint32_t at; /* position in the heap, from 1; 0: not set */
};

/* Room for cap deadlines at once, so that setting one cannot fail. Returns NULL when out of memory. */
struct deadlines *deadlines_new(uint32_t cap);
void deadlines_free(struct deadlines *h);

/* Makes room for so many, if there is less. Returns 0 or -ENOMEM. */
int deadlines_reserve(struct deadlines *h, uint32_t cap);

/* Sets or moves. */
void deadlines_set(struct deadlines *h, struct deadline *d, int64_t ms);
void deadlines_clear(struct deadlines *h, struct deadline *d);

/* The earliest; INT64_MAX when there is none. */
int64_t deadlines_next(const struct deadlines *h);

/* Takes the earliest if it is not later than now; NULL: none. */
struct deadline *deadlines_take(struct deadlines *h, int64_t now);
