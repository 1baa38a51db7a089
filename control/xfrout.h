/*
 * Serving zones to others: AXFR (RFC 5936) and IXFR (RFC 1995) over a stream. Whom a zone goes to is its configuration's
 * allow-transfer, which is nobody by default.
 *
 * A transfer is a session: it holds the version it began with, makes the next messages when its reader has taken the last
 * ones, and never waits; so a thread serves many, and a slow reader costs others nothing. What it takes is bounded:
 * sessions in number, in time, and in the time that a reader needs for a batch.
 *
 * Threads: xfrout_new and xfrout_free before and after all others; which zones there are is the control loop's to say; the rest
 * is the stream threads', which are registered with RCU and online, each session on one of them.
 */
#pragma once

#include "control/config.h"
#include "control/deltas.h"
#include "control/tsig.h"
#include "dataplane/answer/answer.h"

struct xfrout;
struct xfrout_session;

struct xfrout_env {
	const struct config *config;
	const struct zonetab *table;
	struct deltas *deltas;
	struct log *log;
};

struct xfrout *xfrout_new(const struct xfrout_env *env); /* NULL when out of memory */
void xfrout_free(struct xfrout *x);			 /* NULL is fine */

/*
 * Control loop: which zones there are from xfrout_commit on, in place of all that there were; slots are below slots. Zones are valid
 * until a grace period after the next commit. Returns 0 or -ENOMEM; a second call of xfrout_prepare begins anew.
 */
int xfrout_prepare(struct xfrout *x, uint32_t slots);
void xfrout_add_zone(struct xfrout *x, uint32_t slot, const struct config_zone *zone);
void xfrout_commit(struct xfrout *x);

struct xfrout_request {
	uint8_t *msg; /* the request without its TSIG; an error response is written over it */
	size_t len;
	size_t cap;
	uint8_t transport; /* enum answer_transport */
	const union config_sockaddr *client;
	const struct tls *tls;	 /* whom the client has shown to be; NULL: not over TLS */
	struct tsig *tsig;	 /* verified or none: becomes the session's when there is one */
	uint64_t now_ms;	 /* monotonic */
	struct log_limit *limit; /* the thread's */
};

/*
 * A request that the engine has found to be well-formed AXFR or IXFR. Returns NULL with an error response of *out_len octets
 * (0: close the connection), signed if the request was; or a session.
 */
struct xfrout_session *xfrout_open(struct xfrout *x, const struct xfrout_request *r, size_t *out_len);

/*
 * The next batch: messages behind their lengths (RFC 1035 4.2.2), while cap has room for the longest one. The one before has
 * been taken by the reader. Returns the octets, 0 when the transfer is complete, or -errno: only closing the connection
 * tells the reader.
 */
ssize_t xfrout_fill(struct xfrout_session *s, uint8_t *out, size_t cap, uint64_t now_ms);

/* Whether it has taken too long, or the reader for the batch it is at. */
bool xfrout_is_late(const struct xfrout_session *s, uint64_t now_ms);

/* Complete or not; logs and counts which. */
void xfrout_close(struct xfrout_session *s, uint64_t now_ms);

#define XFROUT_COUNTERS(X)                                                                              \
	X(axfr_out, "zones sent whole")                                                                 \
	X(ixfr_out, "requests for differences answered with them, or with the SOA of a current reader") \
	X(refused, "transfer requests refused: not allowed, or not signed as they have to be")          \
	X(not_served, "transfer requests for zones that are not here, not loaded or expired")           \
	X(over_limit, "transfer requests answered SERVFAIL because as many as may are running")         \
	X(failed, "transfers given up: the reader left or was too slow, or no memory")                  \
	X(too_large, "transfers given up at a record that no message can carry")                        \
	X(running, "transfers running now")

enum xfrout_counter {
#define X(name, help) XFROUT_CNT_##name,
	XFROUT_COUNTERS(X)
#undef X
		XFROUT_COUNTER_CNT
};
void xfrout_counters(const struct xfrout *x, uint64_t out[XFROUT_COUNTER_CNT]); /* any thread */
