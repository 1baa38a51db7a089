/*
 * The command line of lockstep-load.
 */
#pragma once

#include "bench/load/frames.h"
#include "bench/load/link.h"

enum load_mode { LOAD_BLAST, LOAD_RATE, LOAD_SEARCH };

struct load_options {
	struct link_config link;
	struct frames_plan frames;
	const char *query_file; /* NULL: hosts */
	const char *expect_file;
	const char *pcap; /* write the frames and end */
	const char *prefix;
	const char *zone;
	uint32_t names;
	uint16_t type;
	int rcode; /* of all that have no expectation; QUERIES_RCODE_ANY */
	enum load_mode mode;
	double rate;	 /* requests a second of all cores */
	double rate_max; /* of a search; 0: what a blast was answered */
	double loss;	 /* allowed share of a search */
	double seconds, step_seconds, warmup_seconds, drain_seconds, late_seconds;
	unsigned burst;
	unsigned check_every;
	bool echo;
	bool json;
	bool quiet;
};

/*
 * Fills *o from the arguments; what is wrong is said on stderr. Returns 0 to go on, 1 when help was asked for and
 * printed, -EINVAL.
 */
int options_parse(struct load_options *o, int argc, char **argv);
