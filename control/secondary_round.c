/*
 * Rounds of a zone over its primaries: who is asked when, and what a NOTIFY has to do with it. Pure; what an answer means is
 * secondary.c's.
 */
#include "control/secondary_internal.h"

#include "dataplane/dns/serial.h"

/* After a NOTIFY whose serial the primary does not serve yet: asks again after 1, 2, 4 and 8 s, then forgets it. */
#define AHEAD_FIRST_MS 1000
#define AHEAD_TRIES    4

/*
 * A NOTIFY costs its sender nothing and us a query. After this many rounds in a row that found nothing, there is at
 * most one a second, whatever is notified, until one finds something or it has been quiet for a while.
 */
#define NOTIFY_FREE_ROUNDS 3
#define NOTIFY_HOLD_MS	   1000

/* The step-th primary of the round: first, then the others in order. */
static uint16_t round_primary(const struct secondary *s)
{
	if (s->step == 0)
		return s->first;
	return s->step <= s->first ? (uint16_t)(s->step - 1) : s->step;
}

static void ask_primary(struct step *st)
{
	struct secondary *s = st->s;
	bool direct = s->direct && s->step == 0;
	bool transfer = s->forced || direct || (s->content == SECONDARY_NO_CONTENT && !s->has_barred);

	s->whole = !direct;
	s->asked = round_primary(s);
	s->replace = false;
	s->activity = transfer ? SECONDARY_TRANSFERRING : SECONDARY_QUERYING;
	st->a.what |= transfer ? SECONDARY_TRANSFER : SECONDARY_QUERY;
	st->a.primary = s->asked;
	st->a.class = s->class;
}

void secondary_begin_round(struct step *st, uint16_t first, enum secondary_class class)
{
	struct secondary *s = st->s;

	if (s->activity == SECONDARY_IDLE)
		s->round++;
	s->first = first < s->primary_cnt ? first : 0;
	s->step = 0;
	s->class = class;
	s->round_newer = false;
	s->round_equal = false;
	s->round_lower = false;
	s->round_elsewhere = false;
	s->has_best = false;
	s->ask_all = false;
	s->direct = st->direct && s->content == SECONDARY_SERVED && !s->forced;
	s->check_at = SECONDARY_NEVER;
	st->a.what &= ~(uint32_t)(SECONDARY_QUERY | SECONDARY_TRANSFER);
	ask_primary(st);
}

void secondary_note_wanted(struct secondary *s, uint32_t serial)
{
	if (s->has_wanted && !serial_newer(serial, s->wanted))
		return;
	s->has_wanted = true;
	s->wanted = serial;
	s->wanted_tries = 0;
	s->wanted_at = 0;
}

bool secondary_bars(const struct secondary *s, uint32_t serial)
{
	if (!s->has_barred)
		return false;
	return serial == s->barred_serial ||
	       (s->content != SECONDARY_NO_CONTENT && serial_newer(serial, s->serial) &&
		serial_newer(s->barred_serial, serial));
}

bool secondary_is_ahead(const struct secondary *s, uint32_t serial)
{
	if (secondary_bars(s, serial))
		return false;
	return s->content != SECONDARY_SERVED || serial_newer(serial, s->serial) ||
	       serial_incomparable(serial, s->serial);
}

void secondary_defer_notify(struct step *st, uint16_t primary, bool has_serial, uint32_t serial)
{
	struct secondary *s = st->s;

	if (!s->deferred)
		s->deferred_blind = s->deferred_hint = s->deferred_several = false;
	else if (primary != s->deferred_primary)
		s->deferred_several = true;
	s->deferred = true;
	if (!has_serial) {
		s->deferred_blind = true;
	} else if (!s->deferred_hint || serial_newer(serial, s->deferred_serial)) {
		s->deferred_hint = true;
		s->deferred_serial = serial;
	}
	s->deferred_primary = primary;
	st->a.what |= SECONDARY_NOTE_DEFERRED;
}

/* Idle, and nothing speaks against acting on it now. */
void secondary_act_on_notify(struct step *st, uint16_t primary, bool has_serial, uint32_t serial)
{
	struct secondary *s = st->s;

	if (has_serial)
		secondary_note_wanted(s, serial);
	s->attempts = 0;
	st->direct = st->e->kind == SECONDARY_EV_NOTIFY && st->e->direct &&
		     secondary_first(s, primary) == primary && !secondary_lost_pin(s);
	secondary_begin_round(st, secondary_first(s, primary), SECONDARY_BY_NOTIFY);
	st->direct = false;
}

void secondary_take_deferred(struct step *st)
{
	struct secondary *s = st->s;
	bool ahead = s->deferred_hint && secondary_is_ahead(s, s->deferred_serial);

	if (!s->deferred || s->activity != SECONDARY_IDLE)
		return;
	if (!ahead && !s->deferred_blind) {
		s->deferred = false;
		return;
	}
	if (st->e->now < s->hold_until) {
		if (s->check_at > s->hold_until)
			s->check_at = s->hold_until;
		return;
	}
	s->deferred = false;
	secondary_act_on_notify(st, s->deferred_primary, ahead, s->deferred_serial);
	s->ask_all = s->deferred_several;
}

/* A round by NOTIFY that changed nothing may have been for nothing, or too early. */
static void count_fruitless(struct step *st, bool changed)
{
	struct secondary *s = st->s;

	if (changed) {
		s->fruitless = 0;
		s->hold_until = 0;
		return;
	}
	if (s->class != SECONDARY_BY_NOTIFY)
		return;
	if (s->fruitless < UINT8_MAX)
		s->fruitless++;
	s->fruitless_at = st->e->now;
	if (s->fruitless >= NOTIFY_FREE_ROUNDS)
		s->hold_until = st->e->now + NOTIFY_HOLD_MS;
}

/* The notified serial is not there yet: sooner than the refresh or retry timer, but not for ever. */
static void wait_for_wanted(struct step *st)
{
	struct secondary *s = st->s;
	int64_t ms;

	if (!s->has_wanted)
		return;
	if (secondary_bars(s, s->wanted) ||
	    (s->content == SECONDARY_SERVED && !serial_newer(s->wanted, s->serial))) {
		s->has_wanted = false;
		return;
	}
	/* A round that another NOTIFY began in the meantime does not shorten the wait. */
	if (st->e->now >= s->wanted_at) {
		if (s->wanted_tries >= AHEAD_TRIES) {
			s->has_wanted = false;
			st->a.what |= SECONDARY_NOTE_FORGOTTEN;
			return;
		}
		ms = (int64_t)AHEAD_FIRST_MS << s->wanted_tries++;
		if (s->content != SECONDARY_NO_CONTENT && ms > secondary_retry_ms(s))
			ms = secondary_retry_ms(s);
		s->wanted_at = st->e->now + ms;
	}
	if (s->check_at > s->wanted_at)
		s->check_at = s->wanted_at;
	st->a.what |= SECONDARY_NOTE_AHEAD;
}

void secondary_begin_forced(struct step *st)
{
	struct secondary *s = st->s;
	/* Whoever kept us waiting is not the first to be asked, if there is another one. */
	uint16_t first = s->cut_short ? (uint16_t)(s->asked + 1) : s->asked;

	s->activity = SECONDARY_IDLE;
	s->forced_next = false;
	s->cut_short = false;
	s->forced = true;
	secondary_begin_round(st, first, SECONDARY_BY_OPERATOR);
}

void secondary_begin_anew(struct step *st)
{
	struct secondary *s = st->s;

	s->orphaned = false;
	if (s->forced_next) {
		secondary_begin_forced(st);
		return;
	}
	s->cut_short = false;
	if (s->class != SECONDARY_BY_NOTIFY) {
		secondary_begin_round(st, secondary_first(s, 0), (enum secondary_class)s->class);
		return;
	}
	/* Who has told of something may be anyone by now. */
	secondary_begin_round(st, s->first, SECONDARY_BY_NOTIFY);
	s->ask_all = true;
}

/* --- other primaries --- */

/* Where it is now; the first if it is gone. */
static uint16_t moved(const struct secondary_event *e, uint16_t primary)
{
	return e->places[primary] == SECONDARY_GONE ? 0 : e->places[primary];
}

/* Whom a version is from stays known to be gone. */
static uint16_t source_moved(const struct secondary_event *e, uint16_t primary)
{
	return primary == SECONDARY_GONE ? SECONDARY_GONE : e->places[primary];
}

static void renumber(struct secondary *s, const struct secondary_event *e)
{
	s->has_best = s->has_best && e->places[s->best_primary] != SECONDARY_GONE;
	s->best_primary = moved(e, s->best_primary);
	s->pinned = source_moved(e, s->pinned);
	s->held_primary = source_moved(e, s->held_primary);
	s->deferred_primary = moved(e, s->deferred_primary);
	s->first = moved(e, s->first);
	s->asked = moved(e, s->asked);
	s->primary_cnt = e->primary_cnt;
	if (secondary_lost_pin(s))
		s->elsewhere_at = SECONDARY_NEVER;
	/* As round_primary has it; some may be asked twice in this round, or not. */
	if (s->asked == s->first)
		s->step = 0;
	else
		s->step = s->asked < s->first ? (uint16_t)(s->asked + 1) : s->asked;
}

void secondary_take_primaries(struct step *st)
{
	struct secondary *s = st->s;
	bool gone = st->e->gone || st->e->places[s->asked] == SECONDARY_GONE;

	renumber(s, st->e);
	s->attempts = 0;
	switch ((enum secondary_activity)s->activity) {
	case SECONDARY_IDLE:
		s->check_at = st->e->now;
		return;
	case SECONDARY_CHECKING:
		s->orphaned = s->orphaned || gone;
		return;
	case SECONDARY_QUERYING:
	case SECONDARY_TRANSFERRING:
		break;
	}
	if (st->e->waiting) {
		secondary_begin_anew(st);
	} else if (gone && !s->orphaned) {
		st->a.what |= SECONDARY_CANCEL;
		s->orphaned = s->cut_short = true;
		if (s->activity == SECONDARY_QUERYING)
			secondary_begin_anew(st);
	}
}

void secondary_end_round(struct step *st, bool ok, bool changed)
{
	struct secondary *s = st->s;

	s->activity = SECONDARY_IDLE;
	s->forced = false;
	s->replace = false;
	st->a.what |= ok ? SECONDARY_ROUND_OK : SECONDARY_ROUND_FAILED;
	st->a.ended_round = s->round;
	/* Without content there is no refresh timer, even if all is well: the first version is held. */
	if (ok && s->content != SECONDARY_NO_CONTENT) {
		s->attempts = 0;
		s->check_at = st->e->now + secondary_jitter(secondary_refresh_ms(s), st->e->random);
	} else {
		if (s->attempts < UINT16_MAX)
			s->attempts++;
		s->check_at = st->e->now + secondary_failed_delay(s, st->e->random);
	}
	count_fruitless(st, changed);
	wait_for_wanted(st);
	secondary_look_elsewhere(st, ok);
	if (s->forced_next)
		secondary_begin_forced(st);
	secondary_take_deferred(st);
}

void secondary_transfer(struct step *st, bool whole)
{
	st->s->whole = whole;
	st->s->activity = SECONDARY_TRANSFERRING;
	st->s->round_newer = true;
	st->a.what |= SECONDARY_TRANSFER;
	st->a.primary = st->s->asked;
	st->a.class = st->s->class;
}

bool secondary_compares_all(const struct secondary *s)
{
	return s->caps->best_serial && s->class != SECONDARY_BY_NOTIFY && s->primary_cnt > 1;
}

/* All have been asked. */
static void transfer_from_best(struct step *st)
{
	struct secondary *s = st->s;

	s->has_best = false;
	s->asked = s->best_primary;
	secondary_transfer(st, s->content == SECONDARY_NO_CONTENT || secondary_is_elsewhere(s) ||
				       !serial_newer(s->best_serial, s->serial));
}

void secondary_next_primary(struct step *st)
{
	struct secondary *s = st->s;

	if (s->cut_short)
		secondary_begin_anew(st);
	else if (++s->step < s->primary_cnt)
		ask_primary(st);
	else if (s->has_best)
		transfer_from_best(st);
	else
		secondary_end_round(st, (s->round_equal || s->round_lower) && !s->round_newer, false);
}
