/*
 * The answer engine: request octets in, response octets out, in place. RFC 1034 4.3.2 and what came after it.
 *
 * Pure apart from its engine: no I/O, no clock, no globals; the current time comes with the burst. UDP workers, TCP
 * and TLS threads and tests all call the same function. Hot path: no malloc, lock, log, syscall, shared write.
 */
#pragma once

#include "dataplane/answer/counters.h"
#include "dataplane/answer/edns.h"
#include "dataplane/answer/rrl.h"
#include "dataplane/zone/zonetab.h"

#define ANSWER_UDP_PAYLOAD_DEFAULT \
	1232 /* fits every path without fragments: RFC 9715 3.1, DNS flag day 2020 */
#define ANSWER_TEXT_MAX 255

/* Immutable, shared by all engines; a reload makes a new one. */
struct answer_config {
	/* Both what OPT announces and the largest UDP response, 512..4096; over IPv4, over IPv6: answer_udp_payload. */
	uint16_t udp_payload_max[2];
	uint8_t identity_len; /* CH TXT id.server and hostname.bind (RFC 4892); 0: REFUSED */
	uint8_t version_len;  /* CH TXT version.server and version.bind; 0: REFUSED */
	char identity[ANSWER_TEXT_MAX];
	char version[ANSWER_TEXT_MAX];
	bool has_keys; /* there are TSIG keys: signed questions over UDP are ANSWER_NOTIFY */
	struct edns_config edns;
	struct rrl_config rrl;
};

static inline uint16_t answer_udp_payload(const struct answer_config *c, uint8_t family)
{
	return c->udp_payload_max[family == 6];
}

/* What the clocks said at the begin of a turn. */
struct answer_time {
	uint64_t monotonic_us;
	uint32_t wall_s; /* seconds since 1970, modulo 2^32 */
};

enum answer_transport { ANSWER_UDP, ANSWER_TCP, ANSWER_TLS };

enum answer_verdict {
	ANSWER_SEND,   /* len octets at msg are the response */
	ANSWER_DROP,   /* say nothing */
	ANSWER_NOTIFY, /* opcode NOTIFY, or a signed question of a secondary, untouched: for the control loop */
	ANSWER_TRANSFER, /* AXFR or IXFR question over TCP/TLS, untouched: for the stream's transfer server */
};

struct answer_job {
	uint8_t *msg;	    /* request in, response out */
	uint32_t len;	    /* in: octets of the request; out: of the response */
	uint32_t cap;	    /* room at msg; >= 512 */
	uint8_t transport;  /* enum answer_transport */
	uint8_t family;	    /* 4 or 6 */
	uint8_t verdict;    /* out: enum answer_verdict */
	uint8_t client[16]; /* source address, first 4 octets for IPv4 */
};

struct answer_engine;

#define ANSWER_BURST_MAX LOOKUP_BURST_MAX

/*
 * One per thread; the thread is a registered QSBR reader. Returns NULL when out of memory. The table for rate limiting
 * is made here, if there are limits, and keeps its size.
 */
struct answer_engine *answer_engine_new(const struct zonetab *zones, const struct answer_config *config);
void answer_engine_free(struct answer_engine *e);

/* Owner thread, between bursts. The old config may be freed after a grace period. */
void answer_engine_set_config(struct answer_engine *e, const struct answer_config *config);

/*
 * Owner thread, before the bursts of a turn: cookies, rate limits and EXPIRE go by it. Also takes up what
 * answer_engine_offer_config has left.
 */
void answer_engine_set_time(struct answer_engine *e, const struct answer_time *now);

/* The same from the system's clocks, to a few milliseconds; no system call where the kernel offers them without. */
void answer_engine_read_clock(struct answer_engine *e);

/*
 * Any one thread beside the owner: config is the engine's from its next turn on. The old one lives until that turn is over:
 * as long as the engine, to be simple.
 */
void answer_engine_offer_config(struct answer_engine *e, const struct answer_config *config);

/* Fills verdict (and msg, len) of each; cnt <= ANSWER_BURST_MAX. Keeps no snapshot pointer when it returns. */
void answer_burst(struct answer_engine *e, struct answer_job *const jobs[], unsigned cnt);

/*
 * Owner thread: who asks in the bursts from now on is who he says he is, by a signature that was good, or is not any more.
 * Rate limits are not for the former.
 */
void answer_engine_trust(struct answer_engine *e, bool trusts);

/*
 * Owner thread, for errors that are said without a burst: whether the client of the request has had as many over UDP as it
 * may, so that this one is not to be said. Counted as others are.
 */
bool answer_error_limited(struct answer_engine *e, const struct answer_job *job);

/* Any thread: ANSWER_COUNTER_CNT values, each read once, relaxed. */
void answer_counters(const struct answer_engine *e, uint64_t out[ANSWER_COUNTER_CNT]);

/* Any thread: rrl_offenders of the engine; 0 without limits. */
unsigned answer_offenders(const struct answer_engine *e, struct rrl_offender out[RRL_OFFENDERS_MAX]);

struct counter_text {
	const char *name;
	const char *help;
};
extern const struct counter_text answer_counter_text[ANSWER_COUNTER_CNT];
