/*
 * The zones at run time: each one's state machine (secondary.h) joined to timers, SOA queries, transfers, the builder
 * threads and the zone table. Everything here runs on the control loop's thread unless it says otherwise.
 *
 * The loop's thread is registered with RCU (QSBR) and online while callbacks run; its owner takes it offline while the
 * loop sleeps (uv_prepare) and back (uv_check), so that nothing here announces quiescent states and none is held up.
 * Only here is the zone table written.
 */
#pragma once

#include <uv.h>

#include "control/link.h"
#include "control/timing.h"
#include "dataplane/zone/arena.h"
#include "dataplane/zone/builder.h"
#include "dataplane/zone/zonetab.h"

struct onward;
struct zones;

struct zones_env {
	uv_loop_t *loop;
	const struct config *config; /* the first one; what is in force at the start is followed */
	struct zonetab *table;
	struct arena *arena;
	struct log *log;
	struct onward *onward; /* NULL: zones go to nobody */
};

/*
 * Follows next, numbered by config_number, instead of what was: zones that are in both go on, with what they serve, hold and run;
 * what runs at a primary that is none of its zone any more is ended and begun anew. next is in force by the next turn of the
 * loop. Returns 0; or -errno with nothing changed.
 */
struct zones_reloaded {
	unsigned added, removed, changed;
};
int zones_reload(struct zones *z, const struct config *next, struct zones_reloaded *out);

/* When next is in force: whoever waits for a zone that was removed is told. The callbacks may ask for anything. */
void zones_tell_removed(struct zones *z);

/* Makes a slot per configured zone, starts the builder threads and the first refreshes. Returns 0 or -errno. */
int zones_start(const struct zones_env *env, struct zones **out);

/*
 * Stops transfers and timers; closes all handles (the loop must still run until they are closed), then calls done.
 * zones_free afterwards.
 */
void zones_stop(struct zones *z, void (*done)(void *arg), void *arg);
void zones_free(struct zones *z);

/*
 * A NOTIFY request as received (UDP by the data path, or TCP). The response, if any, is written over it. Returns its
 * length, or 0 for no response. RFC 1996; accepted only from the zone's primaries (address compare), otherwise
 * REFUSED and counted. From a primary with a key it has to be signed by that, otherwise NOTAUTH (RFC 8945 5.3.2) and
 * counted; a signed one gets a signed response. rx_ns: monotonic time of arrival.
 */
size_t zones_notify(struct zones *z, uint8_t *msg, size_t len, size_t cap,
		    const union config_sockaddr *client, uint64_t rx_ns);

/* While held, no new transfer starts; what runs ends as it would, and checks of serials go on. */
void zones_hold(struct zones *z, bool held);

enum zones_state { ZONES_EMPTY, ZONES_CURRENT, ZONES_REFRESHING, ZONES_TRANSFERRING, ZONES_EXPIRED };
extern const char *const zones_state_text[];

#define ZONES_ERROR_MAX 256
#define ZONES_KEPT_MAX	64

/* Times are CLOCK_REALTIME seconds, 0 for never; _in are seconds from now, -1 for not scheduled. */
struct zones_info {
	const char *name; /* presentation form */
	enum zones_state state;
	bool loaded; /* a snapshot is held (served unless expired) */
	uint32_t slot;
	uint32_t serial;	 /* if loaded */
	uint32_t primary_serial; /* last one a primary told; 0 with has_primary_serial false */
	bool has_primary_serial;
	bool primary_behind;  /* the primary asked last has a lower serial: kept, not transferred */
	bool primary_differs; /* the primary asked last has our serial and another content */
	bool timers_odd;      /* SOA breaks retry < refresh or expire > refresh + retry */
	const char *primary;  /* config name of the one in use, or NULL */
	char primary_address[CONFIG_ADDRESS_TEXT_CAP];
	const char *pinned;   /* config name of the primary that the zone stays with, or NULL */
	int64_t pin_moves_in; /* when what is newer elsewhere will be taken */
	int64_t last_check;   /* last answered SOA query */
	int64_t last_change;  /* last publication */
	int64_t refresh_in;
	int64_t expires_in;
	uint64_t records, names, bytes;
	uint64_t transfers_ok, transfers_failed, notifies, notifies_refused;
	uint64_t last_notify_to_served_us; /* 0: the last change did not come by NOTIFY */
	uint64_t last_transfer_us;	   /* request sent -> published */
	uint64_t last_transfer_octets, last_transfer_messages;
	const char *last_transfer_type; /* "AXFR", or "IXFR" when differences came; NULL: none yet */
	/* Of an IXFR; records without the SOAs. */
	uint64_t last_transfer_deltas, last_transfer_added, last_transfer_removed;
	uint64_t ixfr_fallbacks;
	/* Between us and the primary. */
	bool held; /* a version waits for the operator */
	uint32_t held_serial;
	int64_t held_since;
	char held_why[ZONES_ERROR_MAX];
	bool has_barred; /* it, and what is older, is not asked for: held, rejected or rolled back from */
	uint32_t barred_serial;
	unsigned kept_cnt;
	uint32_t kept[ZONES_KEPT_MAX]; /* serials, newest first */
	bool has_signatures;	       /* the apex is signed: signatures_end, seconds since 1970 */
	int64_t signatures_end;
	char last_error[ZONES_ERROR_MAX]; /* empty: none since the last success */
	int64_t last_error_at;
};

/* How long the stages of the zone's changes took; index below 0: over all zones. */
void zones_timing(const struct zones *z, int index, struct timing *out);

/* Indices are below zones_top; a zone keeps its own. Those for which zones_has is false are not in use. */
unsigned zones_top(const struct zones *z);
bool zones_has(const struct zones *z, unsigned index);
int zones_find(const struct zones *z, const uint8_t *name); /* index, or -ENOENT */
void zones_info(const struct zones *z, unsigned index, struct zones_info *out);

/*
 * Operator commands. done (may be NULL) is called once, on the loop, when the refresh or transfer has ended: error
 * is empty on success. RETRANSFER forces an AXFR whatever the serials are.
 */
typedef void (*zones_done_fn)(void *arg, const char *error);
void zones_refresh(struct zones *z, unsigned index, zones_done_fn done, void *arg);
void zones_retransfer(struct zones *z, unsigned index, zones_done_fn done, void *arg);

/* Nothing is barred any more, and what is held is dropped; asks the primaries now. */
void zones_resume(struct zones *z, unsigned index, zones_done_fn done, void *arg);

/* Publishes what is held, or drops it, whereupon it stays barred. 0, or -ENOENT: nothing is held. */
int zones_accept(struct zones *z, unsigned index);
int zones_reject(struct zones *z, unsigned index);

/*
 * Back to the version kept that has this serial, or the newest kept; what is served now is kept, and barred. 0, or -ENOENT:
 * none such is kept; -EALREADY: it is served.
 */
int zones_rollback(struct zones *z, unsigned index, const uint32_t *serial);

/* Counters of the control plane, one list as everywhere; written by the control loop only. */
#define ZONES_COUNTERS(X)                                                                                   \
	X(notify_received, "NOTIFY requests received")                                                      \
	X(notify_refused, "NOTIFY requests refused: not from a primary of the zone, or not a zone of ours") \
	X(notify_unsigned, "NOTIFY requests refused: no signature of the primary's key, or a wrong one")    \
	X(notify_malformed, "NOTIFY requests that were malformed")                                          \
	X(notify_current, "NOTIFY requests whose serial we have already")                                   \
	X(soa_queries, "SOA queries sent")                                                                  \
	X(soa_failures, "SOA queries that timed out or failed")                                             \
	X(soa_rejected, "SOA responses ignored: wrong id, question or address, or malformed")               \
	X(serial_lower, "SOA responses with a serial lower than ours")                                      \
	X(serial_same, "SOA responses with our serial and another content")                                 \
	X(transfers_started, "transfers started")                                                           \
	X(transfers_ok, "transfers published")                                                              \
	X(transfers_failed, "transfers that failed; the served version stayed")                             \
	X(transfers_made_room, "transfers ended because they were slow and others waited for a place")      \
	X(ixfr_ok, "transfers published that came as differences")                                          \
	X(ixfr_udp, "IXFR requests that a datagram answered")                                               \
	X(ixfr_udp_failed, "IXFR requests sent over UDP that had to be sent again over TCP")                \
	X(ixfr_fallbacks, "IXFR attempts that failed and were followed by AXFR")                            \
	X(zones_expired, "times a zone expired")                                                            \
	X(gate_refused, "transfers refused by the checks of ZONEMD or DNSSEC")                              \
	X(versions_held, "versions held back until the operator decides")                                   \
	X(signatures_ending, "warnings that the signatures of a zone's apex end soon")                      \
	LINK_COUNTERS(X)

enum zones_counter {
#define X(name, help) ZONES_CNT_##name,
	ZONES_COUNTERS(X)
#undef X
		ZONES_COUNTER_CNT
};
extern const struct counter_text zones_counter_text[ZONES_COUNTER_CNT];
void zones_counters(const struct zones *z, uint64_t out[ZONES_COUNTER_CNT]);
