/* What link.c (whose connection, how long) and link_io.c (its octets) share. Nobody else includes this. */
#pragma once

#include "control/link.h"
#include "dataplane/dns/cutter.h"

TAILQ_HEAD(link_requests, link_request);

/* Requests that share a connection; more begin another. What runs at one primary is bounded elsewhere (dispatch.h). */
#define LINK_SHARED_MAX 100

enum link_state { LINK_CONNECTING, LINK_SHAKING, LINK_OPEN, LINK_CLOSING };

struct link {
	struct links *all;
	struct link_peer *peer;
	LIST_ENTRY(link) entry;
	uv_tcp_t tcp;
	uv_timer_t timer; /* until it is open, and while nobody uses it */
	uv_connect_t connect;
	unsigned handles; /* to be closed before this may be freed */
	enum link_state state;
	struct link_requests requests;
	unsigned request_cnt;
	struct tls *tls;
	struct cutter cutter; /* its carry is ours; NULL: no message came yet */
	bool served;	      /* an answer came on it */
	bool stream;	      /* lent to a stream */
	bool spoilt;	      /* not for others: an answer that nobody waits for may come */
	/* The ids of such answers. No request is added from the first one on, so there is room for all. */
	uint16_t given_up[LINK_SHARED_MAX];
	unsigned given_up_cnt;
	bool reading;		 /* the socket is read */
	bool paused;		 /* by the stream's taker */
	char why[LINK_TEXT_CAP]; /* of CLOSING; empty: the primary closed it, or we wanted no more */
};

/* One primary's. */
struct link_peer {
	const struct config_primary *primary; /* as configured now; NULL: no primary has the id */
	bool stale;			      /* it is another one now: see links_set_primaries */
	struct link *idle;		      /* kept, nobody uses it */
	struct link *talks;		      /* requests with one message as the answer share it */
	struct tls_ticket ticket;
};

struct links {
	struct links_env env;
	unsigned live; /* connections whose handles are not closed */
	bool stopping;
	LIST_HEAD(, link) list;
	uint8_t *plain; /* octets out of TLS, LINK_PLAIN_CAP */
	uint64_t cnt[LINK_COUNTER_CNT];
	unsigned peer_cnt;
	struct link_peer **peers; /* by id; connections lead back to them */
};

/* Enough records at a time that handing them on costs nothing. */
#define LINK_PLAIN_CAP (256 * 1024)

/* link_io.c. Returns 0, or -errno: l is to be closed then. */
int link_connect(struct link *l, const struct config_primary *p);
void link_send(struct link *l, const struct link_request *r);
void link_read_on(struct link *l);

/* Over TLS: nothing more will come from us (RFC 8446 6.1). Best effort. */
void link_say_end(struct link *l);

/* link_io.c: the request that waits for an answer with this id, or NULL. */
struct link_request *link_find_id(struct link *l, uint16_t id);

/* link.c: closes it. Who waits on it is told, or sent to a fresh one, later. Does nothing the second time. */
__attribute__((format(printf, 2, 3))) void link_close(struct link *l, const char *fmt, ...);

/* link.c: it can be used from now on. */
void link_opened(struct link *l);
