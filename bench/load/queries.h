/*
 * What is asked, and what the answers should be: a dnsperf query file with an expectations file beside it, or hosts
 * with numbered names whose address follows from the number. No packets here, and no DPDK.
 */
#pragma once

#include "dataplane/dns/name.h"

#define QUERIES_RCODE_ANY (-1)

struct question {
	uint8_t name[NAME_LEN_MAX];
	uint8_t name_len;
	uint16_t type;
};

/* What one answer should be. rdata: cnt times a length (16 bits, network order) and so many octets. */
struct expectation {
	int rcode;	/* or QUERIES_RCODE_ANY */
	bool has_rdata; /* whether the answer section is known */
	uint16_t cnt;
	uint16_t rdata_len;
	const uint8_t *rdata;
};

struct query_set;

/* A failure as a sentence: what was tried, on what, why it failed. */
struct queries_error {
	char text[256];
};

/* The number of a type mnemonic or TYPEnnn (RFC 3597 5); -EINVAL. The number of an RCODE by its name; -EINVAL. */
int queries_type(const char *text);
int queries_rcode(const char *text);
const char *queries_rcode_text(unsigned rcode);

/*
 * One line of a dnsperf query file: a name and a type; what follows is ignored, as dnsperf does. Returns 1, 0 for an
 * empty line or a comment (; or #), -EINVAL with a sentence.
 */
int queries_parse_line(const char *line, struct question *out, struct queries_error *err);

/* A whole file. Returns 0, or -errno with a sentence that names file and line. */
int queries_read(const char *path, struct query_set **out, struct queries_error *err);

/*
 * Hosts PREFIX0 ... PREFIXn in hexadecimal below zone. With the prefix h and the type A the answer is known, the zone
 * being the one that MEASURE calls host.test: 10.X.Y.Z of the number's low 24 bits.
 */
int queries_hosts(const char *prefix, const char *zone, uint32_t names, uint16_t type, struct query_set **out,
		  struct queries_error *err);

/*
 * What the answers should be: lines of name, type, RCODE, and perhaps the rdata of all records of the answer in any
 * order: addresses, or 0x and the octets in hexadecimal; "-" alone for an empty answer section. Questions of the set
 * without a line are checked for the RCODE of queries_expect_rcode only; a line without its question is an error.
 */
int queries_read_expectations(struct query_set *s, const char *path, struct queries_error *err);

/* The RCODE of all questions that have no expectation of their own. */
void queries_expect_rcode(struct query_set *s, int rcode);

void queries_free(struct query_set *s);

/* Questions are numbered from 0. */
uint32_t queries_cnt(const struct query_set *s);
/* Whether each number should be drawn at random, instead of in the order of the file. */
bool queries_random(const struct query_set *s);
void queries_get(const struct query_set *s, uint32_t number, struct question *out);

/* room: 6 octets for an rdata that is made on the spot; *out may point there. */
void queries_expectation(const struct query_set *s, uint32_t number, uint8_t room[6],
			 struct expectation *out);
