/*
 * Asking the engine in tests: zones as text in, a question in one line, the whole response out as text. Responses are
 * read by ldns, so that what we write is understood by another parser.
 */
#pragma once

#include "dataplane/answer/answer.h"
#include "dataplane/zone/arena.h"
#include "dataplane/zone/nsec3.h"

struct ask_world {
	struct arena *arena;
	struct zonetab *zones;
	struct answer_engine *engine;
	struct answer_config config;
	uint8_t request[DNS_MSG_MAX];
	uint8_t msg[DNS_MSG_MAX]; /* the last response */
	uint32_t len;
	uint8_t verdict;
	uint8_t family;	   /* who asks: 4, as at the begin, or 6 ... */
	uint8_t client[4]; /* ... and the first octets of the address */
	char *text;
};

/* Registers the thread with RCU. */
void ask_world_init(struct ask_world *w);
void ask_world_fini(struct ask_world *w);

/* The label of the NSEC3 record for a name, in a chain without salt; then its line in zone "example.", behind text. */
void ask_nsec3_label(const char *name, unsigned iterations, char out[NSEC3_LABEL_LEN + 1]);
void ask_put_nsec3(char *text, size_t cap, const char *name, unsigned flags, unsigned iterations);

/* Returns the zone's slot. */
uint32_t ask_add_zone(struct ask_world *w, const char *apex, const char *text);
/* As ask_add_zone, where the zone then stops being served with the marker. */
void ask_add_marker(struct ask_world *w, const char *apex, const char *text, enum zone_marker marker);

/*
 * question: "NAME TYPE" and any of: CLASS (as CH, CLASS5), tcp, rd, cd, ad, z, do, edns[=SIZE], version=N, opcode=N,
 * option=CODE:HEX. The response as text: a line with RCODE and flags, one line per record, section in front; the OPT
 * last:
 *     NOERROR aa rd
 *     an www.example. 3600 A 192.0.2.1
 *     opt 1232 do ede=20 text option=3:6964
 * "silence" for ANSWER_DROP, "transfer" and "notify" for the other verdicts. Fails the test when the response does not
 * have the question's id and question, is longer than it may be, or is not read by ldns. Lives until the next call.
 */
const char *ask(struct ask_world *w, const char *question);

/* The same for a message made by hand. */
const char *ask_octets(struct ask_world *w, const uint8_t *msg, size_t len, enum answer_transport transport);

/* Writes the request for a question as above; *out_transport says how it is to be sent. Returns its length. */
size_t ask_request(const char *question, uint8_t msg[DNS_MSG_MAX], enum answer_transport *out_transport);

#define ASK_IS(w, question, expected) assert_string_equal(ask(w, question), expected)
