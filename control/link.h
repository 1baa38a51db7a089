/*
 * Connections to primaries, over TCP or, where the primary is so configured, over TLS (RFC 9103): whoever has a request
 * gets one, and need not know which of the two it is.
 *
 * A connection that has served is kept for a while and lent again (RFC 7766 6.2.1): the transfer goes over the one that
 * the SOA query came back on. Requests with an answer of one message share a connection and are told apart by their
 * ids; a stream of messages has its connection to itself, as several would only wait for each other. A primary may
 * close a connection whenever nobody waits on it, and does: a request that dies with a connection that had served
 * before, without an octet of its answer, is sent again on a fresh one.
 *
 * Nothing is ever said in clear text to a primary with TLS. Everything runs on the loop's thread.
 */
#pragma once

#include <sys/queue.h>
#include <uv.h>

#include "control/config.h"

struct links;
struct link;

#define LINK_TEXT_CAP (TLS_TEXT_CAP + 64)

struct link_calls {
	/* It is connected and, over TLS, the primary is whom we want: the request is on its way. May come from link_ask. */
	void (*connected)(void *arg);
	/*
	 * A whole message, or octets of the stream. Returns false to get no more before link_resume. Not called any
	 * more after link_end, which may be called from here.
	 */
	bool (*octets)(void *arg, uint8_t *octets, size_t len);
	/* There is no more: why is empty when the primary closed it. The request is not on a connection any more. */
	void (*ended)(void *arg, const char *why);
	void *arg;
};

/* Embedded by who asks; valid until ended was called or link_end. Written by link*.c from link_ask on. */
struct link_request {
	struct link_calls calls;
	const struct config_primary *primary;
	const uint8_t *wire; /* with the length in front; stays where it is */
	size_t wire_len;
	bool stream; /* all that comes is the answer; otherwise one message with our id */

	TAILQ_ENTRY(link_request) entry;
	struct link *link;
	bool heard; /* an octet of the answer has come */
};

#define LINK_COUNTERS(X)                                                                                \
	X(connections, "connections to primaries begun")                                                \
	X(reuses, "requests to primaries sent on a connection that had served before or served others") \
	X(repeats, "requests sent again because a connection that had served before was closed")        \
	X(tls_opened, "TLS handshakes with primaries completed")                                        \
	X(tls_resumed, "TLS handshakes with primaries that resumed a session")                          \
	X(tls_failed, "TLS connections to primaries that failed, in the handshake or after it")

enum link_counter {
#define X(name, help) LINK_CNT_##name,
	LINK_COUNTERS(X)
#undef X
		LINK_COUNTER_CNT
};
extern const struct counter_text link_counter_text[LINK_COUNTER_CNT];

struct links_env {
	uv_loop_t *loop;
	uint8_t *buf; /* octets are read here; lent to the callbacks, so that one is enough for all */
	size_t buf_cap;
	void (*idle)(void *arg); /* while stopping: the last connection is closed */
	void *arg;
};

/* NULL when out of memory. */
struct links *links_new(const struct links_env *env);

/* Ids of primaries are below cnt from now on, if they were fewer. Returns 0 or -ENOMEM. */
int links_reserve(struct links *all, unsigned cnt);

/*
 * Which primaries there are; their ids are within what was reserved, and they are valid until the next call. What is said from
 * now on to one that has changed, or over TLS, goes over new connections, after a full handshake: what is believed may have changed too.
 */
void links_set_primaries(struct links *all, const struct config_primary *primaries, unsigned cnt);

/* Closes what nobody uses. No request may follow. idle is called when the last connection has closed, if there is one. */
void links_stop(struct links *all);
bool links_are_closed(const struct links *all);

/* All are closed. */
void links_free(struct links *all);

void links_counters(const struct links *all, uint64_t out[LINK_COUNTER_CNT]);

/* calls, primary, wire and stream are filled in. Returns 0 or -errno with nothing begun. */
int link_ask(struct links *all, struct link_request *r);

/* Reads on after octets returned false. May call octets. */
void link_resume(struct link_request *r);

/*
 * No more of it is wanted. clean: the answer was complete, and what comes next on the connection is another's. Otherwise
 * nobody gets the connection after those that wait on it, and an answer that comes late is dropped.
 */
void link_end(struct link_request *r, bool clean);
