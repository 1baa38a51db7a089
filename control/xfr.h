/*
 * One transfer over TCP or TLS: gets a connection to the primary (link.h), sends the request, and hands the stream to a
 * builder thread as it comes. RFC 5936 4.1, RFC 1995, RFC 7766 8, RFC 9103. IXFR may be asked for over UDP first (RFC 1995
 * 2): one datagram, read by the same builder as a stream of one message is; unless that is the whole answer, TCP follows.
 *
 * It decides nothing about the zone: it reports a snapshot nobody has seen, or why there is none. Everything runs on
 * the loop's thread; the octets are decoded elsewhere (builders.h).
 */
#pragma once

#include "control/builders.h"
#include "control/datagram.h"
#include "control/link.h"

struct xfr;

/* What all transfers share; the owner's, and outlives them. */
struct xfr_env {
	uv_loop_t *loop;
	struct builders *builders;
	struct links *links;
	struct datagrams *datagrams;
	unsigned live; /* sessions whose handles are not closed yet; written by xfr.c */
	/* Called when live has come down to 0. */
	void (*idle)(void *arg);
	void *arg;
};

struct xfr_request {
	const struct config_primary *primary;
	uint8_t apex[NAME_LEN_MAX];
	uint16_t qtype;		     /* AXFR or IXFR */
	uint32_t serial;	     /* IXFR: ours */
	const struct snapshot *base; /* IXFR: ours, held by the caller until done */
	struct builder_limits limits;
	struct gate_request gate;
	bool edns;	     /* ask for EXPIRE */
	bool udp;	     /* IXFR: over UDP first */
	uint32_t time_max_s; /* for all of it; 0: none */
	uint32_t idle_max_s; /* without an octet; 0: none */
	uint64_t keep_max;   /* octets of differences to keep; 0: none */
	/* Octets a second, on average over each idle_max_s; 0: any. */
	uint32_t rate_min;
	/* As in xfrin_request. */
	uint64_t messages_max;
	uint64_t deltas_max;
};

struct xfr_result {
	bool ok;		   /* snapshot is the new version, or up_to_date */
	bool up_to_date;	   /* IXFR: nothing newer */
	bool cancelled;		   /* xfr_cancel was called */
	bool refused;		   /* the primary answered with an error (not SERVFAIL), or with nothing */
	bool changes;		   /* IXFR: answered with differences, not with the whole zone */
	struct snapshot *snapshot; /* the receiver's */
	struct soa soa;		   /* of the new version, or (up_to_date) of the primary's; names NULL */
	uint64_t octets, messages, records;
	uint64_t deltas, added, removed; /* with changes; records without the SOAs */
	struct delta_queue kept;	 /* the differences, if they were to be kept; the receiver's */
	uint64_t started_ns;		 /* uv_hrtime when it was begun */
	bool over_udp;			 /* the answer came in a datagram */
	const char *udp_failure; /* why one did not do; NULL: it did, or was not asked for. Valid in done */
	bool reached; /* it came, or a connection was made, and over TLS the primary was whom we want */
	uint64_t first_ns, last_ns, built_ns; /* as in build_result */
	bool not_authoritative;
	bool edns_refused; /* it may be for the OPT record that the primary answered with an error */
	struct opt_answer opt;
	struct builder_report report; /* what was repaired */
	struct gate_report gate;      /* of a snapshot, or why there is none */
	char text[BUILD_TEXT_CAP];    /* why it failed and where; empty if ok */
};

typedef void (*xfr_done_fn)(void *arg, struct xfr_result *result);

/*
 * Returns 0, and done is called once, later, or -errno with nothing begun. *out is valid until done is called.
 */
int xfr_start(struct xfr_env *env, const struct xfr_request *request, xfr_done_fn done, void *arg,
	      struct xfr **out);

/* done follows, with what became of it: it may have succeeded meanwhile. why: for the result. */
void xfr_cancel(struct xfr *x, const char *why);

/*
 * How fast it comes. Returns false for one that nothing can be said of now: what has come is not worked off yet, so it is
 * not the primary that is slow; or it was asked over UDP, or is being ended.
 */
struct xfr_pace {
	uint64_t octets, ms; /* so much has come in so long: since it was begun, or xfr_watch */
};
bool xfr_pace(const struct xfr *x, struct xfr_pace *out);

/* The pace is that from now on. */
void xfr_watch(struct xfr *x);

/* Cancelled or given up: done follows soon. */
bool xfr_is_ending(const struct xfr *x);
