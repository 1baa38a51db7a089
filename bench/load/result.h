/*
 * What one run gave, and how it is told: a progress line, a report for people, a JSON object.
 */
#pragma once

#include <stdio.h>

#include <jansson.h>

#include "bench/load/sender.h"

struct result {
	double seconds;	    /* of sending */
	double rate_wanted; /* 0: as fast as possible */
	double cpu_share;   /* of the core that had least of its CPU */
	uint64_t counter[SENDER_COUNTER_CNT];
	uint64_t verdict[FRAMES_VERDICT_CNT];
	uint64_t rcode[SENDER_RCODES];
	uint64_t lost;	/* sent and not answered */
	uint64_t wrong; /* answered wrongly */
	uint32_t wrong_number;
	struct histogram latency;
};

/* The sum over all cores, when they have ended. */
void result_collect(struct result *r, const struct sender *senders, unsigned cnt, double tsc_hz);

double result_answered_rate(const struct result *r);
double result_loss(const struct result *r); /* share of what was sent */

void result_print(const struct result *r, FILE *to);
/* A new object, or NULL when out of memory. */
json_t *result_json(const struct result *r);
