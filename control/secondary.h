/*
 * One zone's life as a secondary: a pure state machine, (state, event, now) -> (state, actions).
 *
 * It knows when to ask which primary, what a serial in an answer means, when a zone expires and how it comes back.
 * It performs nothing: no I/O, no clock, no allocation, no log; time and randomness come with the event, and the
 * caller (zones.c) carries the actions out and reports what became of them as the next event. RFC 1034 4.3.5,
 * 1982, 1996, 5936.
 *
 * Invariants: at most one query, transfer or check per zone at a time; what is served changes only by the actions
 * PUBLISH, PUBLISH_HELD, PUBLISH_KEPT, WITHDRAW and REPUBLISH; a failure of any kind never leads to one of them but by
 * expiry.
 *
 * A version that was turned down, by the safety gate (gate.h) or the operator, is barred: neither its serial nor one
 * between ours and it is asked for again; a newer one is. The primary that has it is there, and we are where the operator
 * wants us to be: its answer puts expiry off as one with our serial does.
 *
 * With a tolerance the zone is pinned to the primary that the version served is from: primaries that sign on their own differ
 * behind the same serials. Each round begins with that one. What is newer elsewhere is believed when it has been so for
 * the tolerance, or when the zone would expire first; it is taken whole, and the pin goes with it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum secondary_content {
	SECONDARY_NO_CONTENT,
	SECONDARY_SERVED,
	SECONDARY_EXPIRED, /* withdrawn, the data are kept aside */
};

enum secondary_activity {
	SECONDARY_IDLE,
	SECONDARY_QUERYING,
	SECONDARY_TRANSFERRING,
	SECONDARY_CHECKING, /* what was received is being looked at: the verifier runs */
};

/* What the safety gate makes of a version. */
enum secondary_gate {
	SECONDARY_GATE_PASS,
	SECONDARY_GATE_CHECK, /* not known yet: CHECKED will tell */
	SECONDARY_GATE_HOLD,  /* not without the operator */
};

/* Why a round runs; in order of precedence in the queues. */
enum secondary_class { SECONDARY_BY_NOTIFY, SECONDARY_BY_OPERATOR, SECONDARY_BY_TIMER };
#define SECONDARY_CLASS_CNT 3

/* Bounds for the SOA's timers, seconds, a maximum of 0: none; and whom to take a new version from. */
struct secondary_caps {
	uint32_t refresh_min, refresh_max;
	uint32_t retry_min, retry_max;
	uint32_t expire_min, expire_max;
	uint32_t pin_tolerance; /* 0: not pinned */
	/* All primaries are asked, and the newest version is taken; but a NOTIFY is acted on at once. */
	bool best_serial;
};

/* As they stand in the SOA, seconds. */
struct secondary_timers {
	uint32_t refresh;
	uint32_t retry;
	uint32_t expire;
};

enum secondary_event_kind {
	SECONDARY_EV_START,	   /* the first one */
	SECONDARY_EV_TIMER,	   /* secondary_timer has come */
	SECONDARY_EV_NOTIFY,	   /* primary; has_serial, serial: the hint; waiting */
	SECONDARY_EV_ANSWER,	   /* the SOA query was answered: serial */
	SECONDARY_EV_NO_ANSWER,	   /* it timed out, or was answered with an error */
	SECONDARY_EV_RECEIVED,	   /* the transfer is complete and valid: serial, timers, gate */
	SECONDARY_EV_CHECKED,	   /* after CHECK: serial, timers, gate */
	SECONDARY_EV_UP_TO_DATE,   /* the primary answered IXFR with one SOA, not newer than ours: serial */
	SECONDARY_EV_NOT_RECEIVED, /* the transfer failed; fall_back */
	SECONDARY_EV_REFRESH,	   /* operator: ask now; waiting */
	SECONDARY_EV_RETRANSFER,   /* operator: transfer now, whatever the serials are; waiting */
	SECONDARY_EV_ACCEPT,	   /* operator: serve what is held: its timers */
	SECONDARY_EV_REJECT,	   /* operator: drop what is held; it stays barred */
	SECONDARY_EV_ROLLBACK, /* operator: serve a version kept: its serial, timers; bars what it replaces */
	SECONDARY_EV_RESUME,   /* operator: nothing is barred any more, ask now; waiting */
	SECONDARY_EV_PRIMARIES, /* a reload: others, or in another order: places, primary_cnt, gone; waiting */
	SECONDARY_EV_CAPS,	/* a reload: *caps has changed */
};

/* In places: not there any more. */
#define SECONDARY_GONE UINT16_MAX

struct secondary_event {
	enum secondary_event_kind kind;
	uint16_t primary; /* index */
	bool has_serial;
	bool fall_back; /* what failed was IXFR, and the primary is there: AXFR may do */
	bool again;	/* ... or it was for a reason that is gone: the same once more */
	bool differs;	/* the same serial has another content there, and is to be transferred */
	bool waiting;	/* the query or transfer asked for last has not been sent: it stands in a queue */
	bool direct;	/* with NOTIFY: the notifier may be asked for differences without a question first */
	bool gone; /* with PRIMARIES: the one that was asked last is not there any more, or is another one now */
	bool has_expire; /* with ANSWER, UP_TO_DATE, RECEIVED and CHECKED: the primary told when its copy expires */
	uint8_t gate;	 /* enum secondary_gate */
	uint32_t expire; /* ... in seconds from now (RFC 7314) */
	uint32_t serial;
	uint32_t random; /* uniform */
	uint16_t primary_cnt;
	const uint16_t *places; /* with PRIMARIES: by former index, the new one or GONE */
	int64_t now;		/* monotonic ms */
	struct secondary_timers timers;
};

enum secondary_action {
	SECONDARY_QUERY = 1 << 0, /* ask `primary` for its SOA */
	/* Transfer from `primary`, by IXFR unless secondary.whole; replaces a QUERY that waits in a queue. */
	SECONDARY_TRANSFER = 1 << 1,
	SECONDARY_PUBLISH = 1 << 2,   /* serve what was received */
	SECONDARY_DISCARD = 1 << 3,   /* drop what was received */
	SECONDARY_WITHDRAW = 1 << 4,  /* expired: serve the marker, keep the data aside */
	SECONDARY_REPUBLISH = 1 << 5, /* serve the data kept aside again */
	SECONDARY_ROUND_OK = 1 << 6,  /* the round that ran has ended (another may begin by the same step) */
	SECONDARY_ROUND_FAILED = 1 << 7,
	/* For logs and counters. */
	SECONDARY_NOTE_LOWER = 1 << 8,	      /* the primary's serial is lower than ours: kept */
	SECONDARY_NOTE_INCOMPARABLE = 1 << 9, /* exactly 2^31 apart (RFC 1982 3.2): taken as not newer */
	SECONDARY_NOTE_CURRENT = 1 << 10,     /* the NOTIFY told of a serial we have */
	SECONDARY_NOTE_DEFERRED = 1 << 11,    /* the NOTIFY will be acted on later (RFC 1996 4.4) */
	SECONDARY_NOTE_AHEAD = 1 << 12,	      /* the serial notified is not to be had yet: asks again soon */
	SECONDARY_NOTE_FORGOTTEN = 1 << 13,   /* ... and did not come: no longer waited for */
	SECONDARY_NOTE_TIMERS_ODD =
		1 << 14, /* the published SOA breaks retry < refresh or expire > refresh + retry */
	/* Between a transfer and its publication, and back. */
	SECONDARY_CHECK = 1 << 15,	  /* have what was received checked */
	SECONDARY_HOLD = 1 << 16,	  /* put what was received aside for the operator */
	SECONDARY_PUBLISH_HELD = 1 << 17, /* serve what is held */
	SECONDARY_DROP_HELD = 1 << 18,
	SECONDARY_PUBLISH_KEPT = 1 << 19, /* serve the version that the operator goes back to */
	/*
	 * End what runs: of a query nothing is to be heard any more, a transfer is reported (it may have succeeded
	 * meanwhile). Before any other action.
	 */
	SECONDARY_CANCEL = 1 << 20,
	SECONDARY_NOTE_ELSEWHERE =
		1 << 21, /* another primary than the pinned one has a newer version: not yet */
	SECONDARY_NOTE_PIN_MOVED = 1 << 22, /* with PUBLISH */
};

struct secondary_actions {
	uint32_t what;	      /* enum secondary_action */
	uint32_t ended_round; /* with ROUND_OK or ROUND_FAILED: its number */
	uint32_t wait_round;  /* REFRESH, RETRANSFER: the command is done when this round has ended */
	uint16_t primary;
	uint8_t class;
};

/* Read freely; written by secondary_init and secondary_step only. */
struct secondary {
	const struct secondary_caps *caps;
	int64_t check_at; /* when the next round begins; ms, INT64_MAX: not scheduled */
	int64_t expire_at;
	int64_t hold_until; /* no round by NOTIFY before this: see NOTIFY_FREE_ROUNDS */
	int64_t fruitless_at;
	int64_t wanted_at;    /* not before: the next question for `wanted` that counts as a try */
	int64_t elsewhere_at; /* since when there has been a newer one elsewhere; INT64_MAX: there is none */
	struct secondary_timers timers; /* of the version held */
	uint32_t serial;		/* of the version held */
	uint32_t round;			/* number of the round that runs or ran last */
	uint32_t wanted;		/* newest serial notified */
	uint32_t deferred_serial;
	uint32_t primary_serial;
	uint32_t barred_serial;
	uint32_t held_serial; /* with held */
	uint32_t best_serial; /* in this round, and who has it; with has_best */
	uint16_t best_primary;
	uint16_t pinned;       /* whom the version held is from, or GONE; with has_pinned */
	uint16_t held_primary; /* whom the version that waits for the operator is from, or GONE */
	uint16_t primary_cnt;
	uint16_t first; /* the round begins with this primary, then all others in order */
	uint16_t step;
	uint16_t asked; /* the primary asked last */
	uint16_t deferred_primary;
	uint16_t attempts; /* failed rounds in a row */
	uint8_t content;   /* enum secondary_content */
	uint8_t activity;  /* enum secondary_activity */
	uint8_t class;	   /* of the round */
	uint8_t wanted_tries;
	uint8_t fruitless; /* NOTIFY rounds in a row that found nothing */
	bool has_wanted;
	bool whole; /* the transfer asked for last is an AXFR: no difference from ours can help, or IXFR failed */
	bool forced;	  /* this round transfers whatever the serials are */
	bool forced_next; /* and so will the next, right after this one */
	bool cut_short;	  /* this one is being ended for its sake, or for another primary's */
	bool orphaned; /* what was asked for last is from a primary that is none any more: it is dropped, and the round begins anew */
	bool round_newer; /* in this round a primary has a newer serial, and its transfer has not succeeded */
	bool round_equal; /* ... our serial */
	bool round_lower; /* ... a lower or incomparable one */
	bool deferred;	  /* a NOTIFY waits for the end of the round, or for hold_until */
	bool deferred_blind;   /* one came without a serial */
	bool deferred_hint;    /* one came with one: deferred_serial is the newest */
	bool deferred_several; /* they came from several primaries */
	bool ask_all; /* several primaries have sent a NOTIFY: that one has no news does not end the round */
	bool has_primary_serial;
	bool primary_behind;
	bool timers_odd;
	bool direct; /* the round's first request is for differences */
	bool has_best;
	bool has_pinned;
	bool round_elsewhere; /* in this round another one than the pinned primary had a newer serial */
	bool replace;	      /* the transfer that runs may bring our serial */
	bool has_barred;
	bool held; /* a version waits for the operator; what is barred is it or newer */
};

/* primary_cnt >= 1; caps outlives s. */
void secondary_init(struct secondary *s, uint16_t primary_cnt, const struct secondary_caps *caps);

/* Events that do not fit the state (an answer nobody waits for) change nothing. */
struct secondary_actions secondary_step(struct secondary *s, const struct secondary_event *e);

/* When the next TIMER event is due; INT64_MAX: none. It may come early or late. */
int64_t secondary_timer(const struct secondary *s);

/* When what is newer elsewhere will be taken, if the pinned primary does not get it first; INT64_MAX: nothing is. */
int64_t secondary_pin_moves_at(const struct secondary *s);

/* Whether the SOA keeps retry < refresh and expire > refresh + retry (RFC 1912 2.2). */
bool secondary_timers_sound(const struct secondary_timers *t);
