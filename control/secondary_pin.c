/*
 * Primary pinning: a zone stays with the primary that its version is from, as those of others may not follow from it. Pure.
 */
#include "control/secondary_internal.h"

bool secondary_is_pinned(const struct secondary *s)
{
	return s->caps->pin_tolerance > 0 && s->has_pinned && s->pinned != SECONDARY_GONE &&
	       s->content == SECONDARY_SERVED;
}

bool secondary_lost_pin(const struct secondary *s)
{
	return s->caps->pin_tolerance > 0 && s->has_pinned && s->pinned == SECONDARY_GONE;
}

uint16_t secondary_first(const struct secondary *s, uint16_t otherwise)
{
	return secondary_is_pinned(s) ? s->pinned : otherwise;
}

bool secondary_is_elsewhere(const struct secondary *s)
{
	return s->caps->pin_tolerance > 0 && s->has_pinned && s->asked != s->pinned;
}

/* The tolerance is not worth an outage: it ends a RETRY before the zone would expire. */
int64_t secondary_pin_moves_at(const struct secondary *s)
{
	int64_t at, last = s->expire_at - secondary_retry_ms(s);

	if (!secondary_is_pinned(s) || s->elsewhere_at == SECONDARY_NEVER)
		return SECONDARY_NEVER;
	at = s->elsewhere_at + (int64_t)s->caps->pin_tolerance * 1000;
	return at < last ? at : last;
}

bool secondary_may_leave_pin(struct step *st)
{
	struct secondary *s = st->s;

	if (!secondary_is_pinned(s))
		return true;
	s->round_elsewhere = true;
	if (s->elsewhere_at == SECONDARY_NEVER)
		s->elsewhere_at = st->e->now;
	if (st->e->now >= secondary_pin_moves_at(s))
		return true;
	st->a.what |= SECONDARY_NOTE_ELSEWHERE;
	return false;
}

void secondary_look_elsewhere(struct step *st, bool ok)
{
	struct secondary *s = st->s;
	int64_t at;

	if (ok && !s->round_elsewhere)
		s->elsewhere_at = SECONDARY_NEVER;
	at = secondary_pin_moves_at(s);
	/* If that has been tried it is a matter of RETRY. */
	if (at > st->e->now && at < s->check_at)
		s->check_at = at;
}

void secondary_set_pin(struct step *st, uint16_t primary)
{
	struct secondary *s = st->s;

	if (s->caps->pin_tolerance > 0 && s->has_pinned && s->pinned != primary)
		st->a.what |= SECONDARY_NOTE_PIN_MOVED;
	s->has_pinned = true;
	s->pinned = primary;
	s->elsewhere_at = SECONDARY_NEVER;
}
