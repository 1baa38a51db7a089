/*
 * The state machine from the inside: what answers mean (secondary.c), rounds over the primaries (secondary_round.c), how long
 * to wait (secondary_timers.c). Nobody else includes this. All pure.
 */
#pragma once

#include "control/secondary.h"

#define SECONDARY_NEVER INT64_MAX

/* One event on its way through. */
struct step {
	struct secondary *s;
	const struct secondary_event *e;
	struct secondary_actions a;
	bool direct; /* the round that begins may */
};

/* --- secondary_timers.c: milliseconds, within the caps --- */

int64_t secondary_expire_ms(const struct secondary *s);
int64_t secondary_told_expire_ms(const struct secondary *s, uint32_t expire);
int64_t secondary_retry_ms(const struct secondary *s);
int64_t secondary_refresh_ms(const struct secondary *s);
int64_t secondary_jitter(int64_t ms, uint32_t random);
int64_t secondary_failed_delay(const struct secondary *s, uint32_t random);

/* --- secondary_round.c --- */

/* Begins a round, or begins anew one that has not left the queue. */
void secondary_begin_round(struct step *st, uint16_t first, enum secondary_class class);
/* ok: the timer of REFRESH, otherwise of RETRY, is next. changed: it was worth the question. May begin the next. */
void secondary_end_round(struct step *st, bool ok, bool changed);
/* A round that transfers whatever the serials are. One that was cut short for it ends without a word: who waits for it waits on. */
void secondary_begin_forced(struct step *st);
/* What runs is from a primary that is not one any more: the round begins anew, and who waits for it waits on. */
void secondary_begin_anew(struct step *st);
/* The zone has other primaries. */
void secondary_take_primaries(struct step *st);
/* This primary did not help; what the round has found counts when all have been asked. */
void secondary_next_primary(struct step *st);
void secondary_transfer(struct step *st, bool whole); /* from the primary asked last */
/* All primaries are asked before one is chosen. */
bool secondary_compares_all(const struct secondary *s);
/* The version that was turned down, or one between ours and it. */
bool secondary_bars(const struct secondary *s, uint32_t serial);
/* A NOTIFY of it is worth a round. */
bool secondary_is_ahead(const struct secondary *s, uint32_t serial);
void secondary_note_wanted(struct secondary *s, uint32_t serial);
void secondary_defer_notify(struct step *st, uint16_t primary, bool has_serial, uint32_t serial);
void secondary_act_on_notify(struct step *st, uint16_t primary, bool has_serial, uint32_t serial);
void secondary_take_deferred(struct step *st);

/* --- secondary_pin.c --- */

bool secondary_is_pinned(const struct secondary *s);
/* Its primary is none any more: all others are elsewhere, and nothing is worth waiting for. */
bool secondary_lost_pin(const struct secondary *s);
/* Whom a round begins with, where it would be `otherwise`. */
uint16_t secondary_first(const struct secondary *s, uint16_t otherwise);
/* The primary that is asked is not the one that the zone is pinned to. What it has is no version after ours. */
bool secondary_is_elsewhere(const struct secondary *s);
/* It has a newer serial: whether that may be taken. */
bool secondary_may_leave_pin(struct step *st);
/* Another round has ended: forgets what is not there any more, otherwise makes the next one come in time. */
void secondary_look_elsewhere(struct step *st, bool ok);
/* The version served from now on is from here. */
void secondary_set_pin(struct step *st, uint16_t primary);
