/*
 * What zones.c (what others see), zones_run.c (what makes it go), zones_room.c (what makes room), zones_publish.c (what is
 * served and was), zones_gate.c (what is held back) and zones_reload.c (which there are) share. Nobody else includes this.
 */
#pragma once

#include "control/deadlines.h"
#include "control/deltas.h"
#include "control/dispatch.h"
#include "control/refresh.h"
#include "control/secondary.h"
#include "control/xfr.h"
#include "control/zones.h"

struct zone_waiter {
	struct zone_waiter *next;
	uint32_t round; /* done when this round of the zone has ended */
	zones_done_fn done;
	void *arg;
};

/* A version that is not served. The snapshot is the zone's. */
struct zone_version {
	struct snapshot *snapshot;
	struct secondary_timers timers;
	uint32_t serial;
	int64_t since; /* CLOCK_REALTIME, s: when it was received, or published if it was served once */
};

/* One that waits for the operator. */
struct zone_held {
	struct zone_version version;
	struct delta_queue deltas; /* as received_deltas */
	char why[];
};

/* There may be a million: what only some have is allocated when they have it. */
struct zone {
	struct zones *all;
	const struct config_zone *config; /* of all->config */
	const struct config_zone *next;	  /* while a reload prepares; NULL: the zone goes */
	const struct config *running; /* held for what runs: it knows a primary of that; NULL: nothing does */
	uint64_t born;		      /* no two zones have the same */
	unsigned index;		      /* in all->zone */
	struct secondary secondary;
	struct secondary_caps caps;
	struct dispatch_item item;
	struct deadline deadline;
	uint32_t slot;
	union {
		struct refresh *query; /* item runs in all->queries */
		struct xfr *transfer;  /* item runs in all->transfers */
	} run;
	struct dispatch *queue;		    /* where item is; NULL: nowhere */
	struct zone_version version;	    /* that we have; its snapshot is in the table or aside */
	struct zone_version received;	    /* between the transfer's end and PUBLISH, HOLD or DISCARD */
	struct delta_queue received_deltas; /* that made it from the version before; empty: not kept */
	struct zone_held *held;		    /* NULL: none */
	struct zone_version *kept;	    /* served once, newest first; kept_max of room */
	unsigned kept_cnt, kept_max;
	char *why;		/* of the received version: why it is to be held */
	struct snapshot *aside; /* expired: what was withdrawn */
	struct snapshot *base;	/* held for the IXFR that runs; NULL: none does */
	int64_t *no_ixfr_until; /* by primary, loop ms; NULL: none has refused */
	struct zone_waiter *waiters;

	/* For zones_info. */
	int64_t last_check, last_change, last_error_at; /* CLOCK_REALTIME, s */
	uint64_t records, names, bytes;
	uint64_t octets, messages, transfer_us;
	uint64_t deltas, added, removed;
	uint64_t notify_ns;   /* arrival of the NOTIFY that is being acted on; 0: none */
	uint64_t deferred_ns; /* of the one that waits for its turn */
	uint64_t notify_to_served_us;
	uint64_t transfer_started_ns;
	uint64_t answered_ns;		   /* of the SOA query that the transfer follows; 0: none did */
	struct verification *verification; /* of the received version; NULL: none runs or waits */
	struct timing *timing;		   /* NULL: no change yet */
	uint32_t transfers_ok, transfers_failed, notifies, notifies_refused;
	uint32_t ixfr_fallbacks;
	uint32_t signatures_end; /* gate_signatures_end of the version held; with has_signatures */
	int64_t signatures_told; /* CLOCK_REALTIME, s: when their end was last warned of */
	bool has_signatures;
	bool gone; /* removed by a reload: freed when what ran for it has ended */
	bool primary_differs;
	bool ixfr_refused; /* the last IXFR was answered with an error: remembered if AXFR then works */
	bool by_ixfr;	   /* the version held came as differences */
	char *last_error;
};

/* Whether a primary can be reached, over all zones. */
struct zone_health {
	unsigned failures; /* in a row */
	int64_t failed_ms;
	/* OPT in transfer requests, RFC 6891 7. */
	bool knows_edns, lacks_edns; /* by its last answer to a SOA query; neither: not known */
	int64_t no_edns_until;	     /* loop ms: it did not like it in a transfer request */
};

struct zones {
	struct zones_env env;
	struct builders *builders;
	struct zones_timing *timing;
	struct verification *verify_head;    /* waiting */
	struct zone_waiter *removed_waiters; /* of zones that a reload has removed */
	unsigned verifying;
	struct dispatch *queries;
	struct dispatch *transfers;
	struct deadlines *deadlines;
	struct links *links;
	struct datagrams datagrams;
	struct refresh_env refresh;
	struct xfr_env xfr;
	uv_timer_t timer;
	int64_t timer_ms; /* what it is set to; INT64_MAX: not */
	int64_t room_ms;  /* when zones_make_room looks again; INT64_MAX: nothing waits for room */
	bool pumping;
	bool held; /* no new transfer starts */
	bool stopping;
	bool timer_closed;
	bool builders_closed;
	bool timing_closed;
	void (*stopped)(void *arg);
	void *stopped_arg;
	uint64_t cnt[ZONES_COUNTER_CNT];
	struct log_limit limit_refused, limit_malformed, limit_query, limit_serial, limit_aa, limit_transfer,
		limit_fallback, limit_gate;
	const struct config *config; /* in force */
	struct zone_health *health;  /* by id of the primary */
	unsigned health_cnt;
	uint8_t *rdata;	 /* RDATA_LEN_MAX, scratch */
	uint8_t *buf;	 /* READ_BUF_LEN, scratch for sockets; answers that wait their turn may be in it */
	uint8_t *own;	 /* DNS_MSG_MAX, scratch: our version as an answer */
	uint32_t *index; /* open addressing: zone number + 1, by the hash of the name */
	uint32_t index_mask;
	uint64_t born;	   /* zones so far */
	unsigned zone_cnt; /* places; some may be empty */
	unsigned zone_cap;
	struct zone **zone;
};

/* A burst of log lines of one kind per second; the rest is counted in one line. */
#define ZONES_LOG_BURST 20

#define ZONE_PUBLICATIONS                                                                   \
	(SECONDARY_PUBLISH | SECONDARY_DISCARD | SECONDARY_WITHDRAW | SECONDARY_REPUBLISH | \
	 SECONDARY_PUBLISH_HELD | SECONDARY_PUBLISH_KEPT)

/* zones_publish.c. Carries out what of ZONE_PUBLICATIONS is in what. */
void zone_change_served(struct zone *zn, uint32_t what);

/* The version we have, served or expired; NULL: none. Valid in this turn. */
const struct snapshot *zone_ours(const struct zone *zn);

/* Puts the kept version with this serial where PUBLISH_KEPT takes it from: first. -ENOENT: none has it. */
int zone_find_kept(struct zone *zn, uint32_t serial);
void zone_free_versions(struct zone *zn);

/* Those that are more than are to be kept. */
void zone_drop_versions(struct zone *zn);

/* zones_gate.c. What the transfer that begins has to be checked for. */
void zone_gate_request(const struct zone *zn, struct gate_request *out);

/* Completes the event about zn->received by its serial, timers and the gate's verdict; logs what it finds. */
void zone_judge(struct zone *zn, const struct gate_report *report, struct secondary_event *e);
void zone_hold(struct zone *zn);

/* zn->received is not published at once: its differences count with those that are kept, or go. */
void zone_wait(struct zone *zn);
void zone_drop_held(struct zone *zn);

/* Warns, at most once a day, when the signatures of what is served end soon. */
void zone_watch_signatures(struct zone *zn);

/* zones_notes.c. Logs and counts what of SECONDARY_NOTE_* is in what. */
void zone_take_notes(struct zone *zn, uint32_t what);

/* zones_same.c. Whether the answer to a SOA query is about another content than ours although the serial is the same. */
bool zone_differs(struct zone *zn, const struct refresh_answer *answer);

/* Whether ZONEMD records can tell our version from another, if the answer has no signatures that do. */
bool zone_has_digests(const struct zone *zn);

/* zones_verify.c. The verifier looks at zn->received; ends by zone_take_version. e is the event about it, without a verdict. */
void zone_verify(struct zone *zn, const struct secondary_event *e, const struct timing_stamps *at);

/* While stopping: ends without an event; zones_check_stopped when z->verifying has come to 0. */
void zone_cancel_verification(struct zone *zn);

/* Feeds the event about zn->received, RECEIVED or CHECKED; what is published is timed. */
struct secondary_actions zone_take_version(struct zone *zn, struct secondary_event *e,
					   const struct timing_stamps *at);

/* zones_timing.c. Returns 0, or -errno: changes are not timed then. */
int zones_timing_start(struct zones *z, struct zones_timing **out);

/* Nothing is published any more; closed is called with the zones when the handle is. */
void zones_timing_stop(struct zones_timing *t, void (*closed)(void *arg));

/* The zone has just been changed; at lacks only the moment when every worker has seen it. */
void zone_time_change(struct zone *zn, const struct timing_stamps *at);

/* zones_transfer.c. Begins a transfer from the primary chosen. Returns 0, or -errno with nothing begun. */
int zone_start_transfer(struct zone *zn);

/* Counts, keeps and logs that one failed. type: "AXFR" or "IXFR". */
void zone_transfer_failed(struct zone *zn, const char *type, const char *reason);

/* zones_room.c. When transfers wait and none can begin: ends a slow one that runs, or sets room_ms. Where zones_pump ends. */
void zones_make_room(struct zones *z);

/* Whether this primary may be asked for differences: so configured, not known to refuse, and our version is as it came. */
bool zone_gives_ixfr(const struct zone *zn, uint16_t primary);

int64_t zones_wall_s(void);
const char *zone_peer_text(const struct zone *zn,
			   char buf[CONFIG_ADDRESS_TEXT_CAP]); /* of the one asked last */

/* For the status: "WHAT from PRIMARY (ADDRESS): REASON". Without memory for it the log line has to do. */
void zone_keep_error(struct zone *zn, const char *what, const char *reason);
void zone_forget_error(struct zone *zn);

/* Feeds one event to the zone's state machine and carries out what it says. Fills in now and random. */
struct secondary_actions zone_event(struct zone *zn, struct secondary_event *e);

/* Starts what may be started, sets the timer. After events that came from outside. */
void zones_pump(struct zones *z);

/* Ends what the zone has under way, without an event. */
void zone_cancel(struct zone *zn);

/* Of the primary, over all zones. */
struct zone_health *zone_health(const struct zone *zn, uint16_t primary);

const struct config_primary *zone_primary(const struct zone *zn, uint16_t primary);

/* What ran for the zone has ended: its place in the queue is another's. */
void zone_leave_queue(struct zone *zn);

/* Whether the primary asked last could be reached. */
void zone_note_health(const struct zone *zn, bool reached);

/* Calls and removes the waiters of rounds up to this one. */
void zone_call_waiters(struct zone *zn, uint32_t round, const char *error);

/* What ran, or could not be begun, needs its primary no more. */
void zone_end_run(struct zone *zn);

/* zones.c. Room for what a configuration needs beside what there is. Returns 0 or -ENOMEM: nothing has changed then. */
int zones_reserve(struct zones *z, const struct config *config);

/* A zone that nobody asks for yet, in the zone table without its access list. Returns 0 or -errno. */
int zone_new(struct zones *z, const struct config_zone *config, struct zone **out);
void zone_free(struct zone *zn);

/* zones_find goes by the places as they are now. */
void zones_index(struct zones *z);

struct secondary_caps zone_caps(const struct config_zone *c);

/* zones_reload.c. Ends the life of one that is gone and for which nothing runs any more. Returns whether it was. */
bool zone_bury(struct zone *zn);

/* The last step of stopping: when nothing is open any more. */
void zones_check_stopped(struct zones *z);

void zones_on_timer(uv_timer_t *timer);
