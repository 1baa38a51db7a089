/*
 * DNS over TCP (RFC 7766) and TLS (RFC 7858) on kernel sockets bound to the listen addresses, and the UDP that the data path left to
 * the kernel (fragments, queries from this machine): threads with an epoll each, the same answer function as the
 * workers. NOTIFY is handed to the control loop.
 */
#pragma once

#include "control/zones.h"

struct stream;
struct xfrout;

struct stream_env {
	const struct config *config;
	const struct zonetab *table;
	struct log *log;
	uv_loop_t *loop;     /* NOTIFY is handed over by a uv_async_t on it */
	struct zones *zones; /* used on the loop's thread only */
	struct xfrout *xfrout;
};

/* Opens listeners (SO_REUSEPORT per thread, IPV6_V6ONLY, freebind) and starts threads. 0 or -errno, *err filled. */
int stream_start(const struct stream_env *env, struct stream **out, struct net_error *err);

/* Joins the threads, closes the handles on the loop; done is called when they are closed. */
void stream_stop(struct stream *s, void (*done)(void *arg), void *arg);
void stream_free(struct stream *s);

#define STREAM_COUNTERS(X)                                                                                \
	X(accepted, "connections accepted")                                                               \
	X(closed_idle, "connections closed after the idle time-out")                                      \
	X(closed_limit, "connections refused or closed because of a limit")                               \
	X(closed_error, "connections closed after an error or a malformed stream")                        \
	X(requests, "DNS messages received")                                                              \
	X(responses, "DNS messages sent")                                                                 \
	X(open, "connections open now")                                                                   \
	X(no_descriptor, "times that connections had to wait because no file descriptor was left")        \
	X(drop_source, "UDP requests dropped: from a port that is never answered")                        \
	X(refused_client, "connections refused: the client has as many as it may")                        \
	X(tls_opened, "TLS handshakes completed")                                                         \
	X(tls_resumed, "TLS handshakes that resumed a session")                                           \
	X(tls_failed, "TLS connections that failed, in the handshake or after it")                        \
	X(notify_full, "NOTIFY dropped because too many were on their way to the control loop")           \
	X(notify_share, "NOTIFY dropped because its sender had its share of the way to the control loop") \
	X(notify_stranger, "NOTIFY from no peer's address, dropped because enough of them waited")

enum stream_counter {
#define X(name, help) STREAM_CNT_##name,
	STREAM_COUNTERS(X)
#undef X
		STREAM_COUNTER_CNT
};
extern const struct counter_text stream_counter_text[STREAM_COUNTER_CNT];

/*
 * Control loop: reads certificate and key again; connections made from now on get them. 0, or -errno with error filled
 * and nothing changed. -ENOENT: TLS is not served.
 */
int stream_reload_tls(struct stream *s, char error[TLS_TEXT_CAP]);

/* Summed over threads. */
void stream_counters(const struct stream *s, uint64_t out[STREAM_COUNTER_CNT]);

/* The engines, one of each thread: for what any thread may do with them. */
unsigned stream_engine_cnt(const struct stream *s);
const struct answer_engine *stream_engine(const struct stream *s, unsigned i);

/* Control loop: as answer_engine_offer_config, for all threads. */
void stream_offer_config(struct stream *s, const struct answer_config *config);

/* The engines' counters, summed. */
void stream_answer_counters(const struct stream *s, uint64_t out[ANSWER_COUNTER_CNT]);
