#include "control/secondary_internal.h"

#include "dataplane/dns/serial.h"

/* After so long without a NOTIFY round that found nothing, those before do not count any more. */
#define NOTIFY_QUIET_MS 10000

/* 0 and 1: the primary's own copy has expired, or is about to (RFC 7314 4). It confirms nothing. */
static bool primary_expired(const struct secondary_event *e)
{
	return e->has_expire && e->expire < 2;
}

/*
 * The primary is there, and we have what we want of it. Its own expiry, when it tells (RFC 7314 4), only lengthens ours;
 * the minimum of the caps is not for it.
 */
static void put_expiry_off(struct step *st)
{
	struct secondary *s = st->s;
	int64_t at = st->e->now + secondary_expire_ms(s);

	if (st->e->has_expire) {
		at = st->e->now + secondary_told_expire_ms(s, st->e->expire);
		if (at < s->expire_at && s->content == SECONDARY_SERVED)
			at = s->expire_at;
	}
	s->expire_at = at;
}

/* An answer that is no news: the round is done, unless there are hints of something newer elsewhere. */
static void no_news(struct step *st, uint32_t than)
{
	struct secondary *s = st->s;

	s->round_equal = true;
	s->primary_behind = false;
	if (s->round_newer || s->ask_all || secondary_compares_all(s) ||
	    (s->has_wanted && serial_newer(s->wanted, than)) || secondary_pin_moves_at(s) != SECONDARY_NEVER)
		secondary_next_primary(st);
	else
		secondary_end_round(st, true, false);
}

/* A primary has our version: that, a version we do not want, or a new version, puts expiry off. */
static void confirm_version(struct step *st)
{
	struct secondary *s = st->s;

	put_expiry_off(st);
	if (s->content == SECONDARY_EXPIRED) {
		s->content = SECONDARY_SERVED;
		s->round_equal = true;
		s->primary_behind = false;
		st->a.what |= SECONDARY_REPUBLISH;
		secondary_end_round(st, true, true);
	} else {
		no_news(st, s->has_barred ? s->barred_serial : s->serial);
	}
}

/* A primary has what was turned down. What has expired stays so: there is a newer version, and nobody wants it. */
static void pass_over_barred(struct step *st)
{
	if (st->s->content == SECONDARY_SERVED)
		put_expiry_off(st);
	no_news(st, st->s->barred_serial);
}

/* Our serial, and another content: the differences are not to be had, the whole is. */
static void replace_version(struct step *st)
{
	put_expiry_off(st);
	st->s->replace = true;
	secondary_transfer(st, true);
}

static void keep_version(struct step *st, uint32_t serial)
{
	struct secondary *s = st->s;

	s->round_lower = true;
	s->primary_behind = true;
	st->a.what |=
		serial_incomparable(serial, s->serial) ? SECONDARY_NOTE_INCOMPARABLE : SECONDARY_NOTE_LOWER;
	secondary_next_primary(st);
}

/* From who has it, or from who turns out to have the newest. */
static void take_newer(struct step *st, uint32_t serial)
{
	struct secondary *s = st->s;
	bool elsewhere = secondary_is_elsewhere(s);

	if (elsewhere && !secondary_may_leave_pin(st)) {
		secondary_next_primary(st);
		return;
	}
	if (!secondary_compares_all(s)) {
		secondary_transfer(st, elsewhere || !serial_newer(serial, s->serial));
		return;
	}
	if (!s->has_best || serial_newer(serial, s->best_serial)) {
		s->has_best = true;
		s->best_serial = serial;
		s->best_primary = s->asked;
	}
	secondary_next_primary(st);
}

/* What is barred under our own serial is another content of it. */
static bool is_ours(const struct step *st)
{
	const struct secondary *s = st->s;

	return s->content != SECONDARY_NO_CONTENT && st->e->serial == s->serial && !st->e->differs;
}

static void on_answer(struct step *st)
{
	struct secondary *s = st->s;
	uint32_t serial = st->e->serial;

	if (s->activity != SECONDARY_QUERYING)
		return;
	s->primary_serial = serial;
	s->has_primary_serial = true;
	if (primary_expired(st->e))
		secondary_next_primary(st);
	else if (secondary_bars(s, serial) && !is_ours(st))
		pass_over_barred(st);
	else if (s->content == SECONDARY_NO_CONTENT)
		secondary_transfer(st, true);
	else if (serial == s->serial && st->e->differs &&
		 (!secondary_is_elsewhere(s) || secondary_lost_pin(s)))
		replace_version(st);
	else if (serial == s->serial)
		confirm_version(st);
	else if (s->content == SECONDARY_EXPIRED || serial_newer(serial, s->serial))
		take_newer(st, serial);
	else
		keep_version(st, serial);
}

/* The primary has gone back since its SOA answer, or another one stands behind its address. */
static void on_up_to_date(struct step *st)
{
	struct secondary *s = st->s;
	uint32_t serial = st->e->serial;

	if (s->activity != SECONDARY_TRANSFERRING)
		return;
	if (s->content == SECONDARY_NO_CONTENT || s->cut_short || primary_expired(st->e)) {
		secondary_next_primary(st);
		return;
	}
	s->primary_serial = serial;
	s->has_primary_serial = true;
	if (secondary_bars(s, serial))
		pass_over_barred(st);
	else if (serial == s->serial)
		confirm_version(st);
	else if (s->content == SECONDARY_EXPIRED && !s->whole)
		secondary_transfer(st, true);
	else
		keep_version(st, serial);
}

/* RFC 1995 4: whatever is wrong with the differences, the whole zone may be right. Once for each primary asked. */
static void on_not_received(struct step *st)
{
	struct secondary *s = st->s;

	if (s->activity != SECONDARY_TRANSFERRING)
		return;
	if (s->cut_short)
		secondary_next_primary(st);
	else if (st->e->again)
		secondary_transfer(st, s->whole);
	else if (st->e->fall_back && !s->whole)
		secondary_transfer(st, true);
	else
		secondary_next_primary(st);
}

/* From now on this is our version. */
static void serve(struct step *st)
{
	struct secondary *s = st->s;
	const struct secondary_event *e = st->e;

	s->content = SECONDARY_SERVED;
	s->serial = e->serial;
	s->timers = e->timers;
	s->timers_odd = !secondary_timers_sound(&s->timers);
	s->primary_behind = false;
	s->expire_at = e->now + (e->has_expire && !primary_expired(e) ? secondary_told_expire_ms(s, e->expire)
								      : secondary_expire_ms(s));
	if (s->timers_odd)
		st->a.what |= SECONDARY_NOTE_TIMERS_ODD;
}

static void drop_held(struct step *st)
{
	if (st->s->held)
		st->a.what |= SECONDARY_DROP_HELD;
	st->s->held = false;
}

static void publish(struct step *st)
{
	drop_held(st);
	st->s->has_barred = false;
	serve(st);
	secondary_set_pin(st, st->s->asked);
	st->a.what |= SECONDARY_PUBLISH;
	secondary_end_round(st, true, true);
}

/* One version is held at most: the newest. */
static void hold(struct step *st)
{
	struct secondary *s = st->s;

	drop_held(st);
	s->held = true;
	s->held_serial = st->e->serial;
	s->held_primary = s->asked;
	s->has_barred = true;
	s->barred_serial = st->e->serial;
	if (s->content == SECONDARY_SERVED)
		put_expiry_off(st);
	st->a.what |= SECONDARY_HOLD;
	secondary_end_round(st, false, true);
}

/* The primary went back between its SOA answer and the transfer, or what it has was turned down. */
static void discard(struct step *st)
{
	struct secondary *s = st->s;

	st->a.what |= SECONDARY_DISCARD;
	if (secondary_bars(s, st->e->serial))
		pass_over_barred(st);
	else if (st->e->serial == s->serial)
		confirm_version(st);
	else
		keep_version(st, st->e->serial);
}

static bool is_welcome(const struct secondary *s, uint32_t serial)
{
	if (s->forced)
		return true;
	if (secondary_bars(s, serial))
		return false;
	return s->content != SECONDARY_SERVED || serial_newer(serial, s->serial) ||
	       (s->replace && serial == s->serial);
}

/* Before the check, or after it: what is served may have changed in between. */
static void take_version(struct step *st)
{
	struct secondary *s = st->s;
	uint32_t serial = st->e->serial;

	if (!is_welcome(s, serial)) {
		discard(st);
		return;
	}
	switch ((enum secondary_gate)st->e->gate) {
	case SECONDARY_GATE_PASS:
		publish(st);
		break;
	case SECONDARY_GATE_CHECK:
		s->activity = SECONDARY_CHECKING;
		st->a.what |= SECONDARY_CHECK;
		break;
	case SECONDARY_GATE_HOLD:
		hold(st);
		break;
	}
}

static void on_received(struct step *st)
{
	struct secondary *s = st->s;
	enum secondary_activity due =
		st->e->kind == SECONDARY_EV_RECEIVED ? SECONDARY_TRANSFERRING : SECONDARY_CHECKING;

	if (s->activity != due) {
		st->a.what |= SECONDARY_DISCARD;
		return;
	}
	if (s->orphaned) {
		st->a.what |= SECONDARY_DISCARD;
		secondary_begin_anew(st);
		return;
	}
	s->primary_serial = st->e->serial;
	s->has_primary_serial = true;
	take_version(st);
}

static void on_notify(struct step *st)
{
	struct secondary *s = st->s;
	const struct secondary_event *e = st->e;

	if (e->has_serial && !secondary_is_ahead(s, e->serial)) {
		st->a.what |= SECONDARY_NOTE_CURRENT;
		return;
	}
	if (s->fruitless > 0 && e->now - s->fruitless_at > NOTIFY_QUIET_MS)
		s->fruitless = 0;
	if (s->activity == SECONDARY_IDLE) {
		if (e->now < s->hold_until) {
			secondary_defer_notify(st, e->primary, e->has_serial, e->serial);
			secondary_take_deferred(st);
		} else {
			secondary_act_on_notify(st, e->primary, e->has_serial, e->serial);
		}
	} else if (!e->waiting) {
		secondary_defer_notify(st, e->primary, e->has_serial, e->serial);
	} else if (s->class == SECONDARY_BY_NOTIFY && (e->primary == s->asked || s->ask_all)) {
		/* The question is still to be sent: it asks for this one too. */
		if (e->has_serial)
			secondary_note_wanted(s, e->serial);
	} else {
		bool also = s->class == SECONDARY_BY_NOTIFY;

		/* Once: another's queue is not for standing in it for ever. */
		secondary_act_on_notify(st, e->primary, e->has_serial, e->serial);
		s->ask_all = also;
	}
}

/* A verifier has a time limit of its own, and what it looks at may be what is wanted. */
static void cut_short(struct step *st)
{
	struct secondary *s = st->s;

	if (s->activity == SECONDARY_CHECKING || s->cut_short)
		return;
	s->cut_short = true;
	st->a.what |= SECONDARY_CANCEL;
	if (s->activity == SECONDARY_QUERYING)
		secondary_begin_anew(st);
}

static void on_operator(struct step *st)
{
	struct secondary *s = st->s;
	bool force = st->e->kind == SECONDARY_EV_RETRANSFER;

	s->attempts = 0;
	if (s->activity == SECONDARY_IDLE || st->e->waiting) {
		bool promote = s->activity == SECONDARY_IDLE || s->class == SECONDARY_BY_TIMER;
		bool ask_all = s->activity != SECONDARY_IDLE && s->ask_all;

		s->forced = s->forced || force;
		secondary_begin_round(st, s->activity == SECONDARY_IDLE ? secondary_first(s, 0) : s->first,
				      promote ? SECONDARY_BY_OPERATOR : (enum secondary_class)s->class);
		s->ask_all = ask_all;
		st->a.wait_round = s->round;
	} else if (force) {
		st->a.wait_round = s->round + 1;
		s->forced_next = true;
		cut_short(st);
	} else {
		st->a.wait_round = s->round;
	}
}

/* Operator: what is served has changed outside a round. */
static void schedule_refresh(struct step *st)
{
	if (st->s->activity == SECONDARY_IDLE)
		st->s->check_at = st->e->now + secondary_jitter(secondary_refresh_ms(st->s), st->e->random);
}

static void on_accept(struct step *st)
{
	struct secondary *s = st->s;

	if (!s->held || st->e->serial != s->held_serial)
		return;
	s->held = false;
	s->has_barred = false;
	serve(st);
	secondary_set_pin(st, s->held_primary);
	st->a.what |= SECONDARY_PUBLISH_HELD;
	schedule_refresh(st);
}

static void on_rollback(struct step *st)
{
	struct secondary *s = st->s;

	if (s->content == SECONDARY_NO_CONTENT || st->e->serial == s->serial)
		return;
	if (!s->has_barred || serial_newer(s->serial, s->barred_serial)) {
		s->has_barred = true;
		s->barred_serial = s->serial;
	}
	/* Back, or forth again. */
	if (!s->held && !serial_newer(s->barred_serial, st->e->serial))
		s->has_barred = false;
	serve(st);
	st->a.what |= SECONDARY_PUBLISH_KEPT;
	schedule_refresh(st);
}

static void on_timer(struct step *st)
{
	struct secondary *s = st->s;
	bool expires = s->content == SECONDARY_SERVED && st->e->now >= s->expire_at;

	if (expires) {
		s->content = SECONDARY_EXPIRED;
		s->attempts = 0;
		st->a.what |= SECONDARY_WITHDRAW;
	}
	if (s->activity != SECONDARY_IDLE)
		return;
	secondary_take_deferred(st);
	if (s->activity == SECONDARY_IDLE && (expires || st->e->now >= s->check_at))
		secondary_begin_round(st, secondary_first(s, s->has_wanted ? s->first : 0),
				      s->has_wanted ? SECONDARY_BY_NOTIFY : SECONDARY_BY_TIMER);
}

/* What is longer than it may be now is cut; the time of the last contact is not known any more. */
static void on_caps(struct step *st)
{
	struct secondary *s = st->s;
	int64_t refresh_at = st->e->now + secondary_jitter(secondary_refresh_ms(s), st->e->random);
	int64_t expire_at = st->e->now + secondary_expire_ms(s);

	if (s->content == SECONDARY_NO_CONTENT)
		return;
	if (s->activity == SECONDARY_IDLE && s->check_at > refresh_at)
		s->check_at = refresh_at;
	if (s->content == SECONDARY_SERVED && s->expire_at > expire_at)
		s->expire_at = expire_at;
}

void secondary_init(struct secondary *s, uint16_t primary_cnt, const struct secondary_caps *caps)
{
	*s = (struct secondary){
		.caps = caps,
		.primary_cnt = primary_cnt,
		.check_at = SECONDARY_NEVER,
		.expire_at = SECONDARY_NEVER,
		.elsewhere_at = SECONDARY_NEVER,
		.class = SECONDARY_BY_TIMER,
	};
}

struct secondary_actions secondary_step(struct secondary *s, const struct secondary_event *e)
{
	struct step st = {.s = s, .e = e};

	switch (e->kind) {
	case SECONDARY_EV_START:
		secondary_begin_round(&st, 0, SECONDARY_BY_TIMER);
		break;
	case SECONDARY_EV_TIMER:
		on_timer(&st);
		break;
	case SECONDARY_EV_NOTIFY:
		on_notify(&st);
		break;
	case SECONDARY_EV_ANSWER:
		on_answer(&st);
		break;
	case SECONDARY_EV_NO_ANSWER:
		if (s->activity == SECONDARY_QUERYING)
			secondary_next_primary(&st);
		break;
	case SECONDARY_EV_RECEIVED:
	case SECONDARY_EV_CHECKED:
		on_received(&st);
		break;
	case SECONDARY_EV_UP_TO_DATE:
		on_up_to_date(&st);
		break;
	case SECONDARY_EV_NOT_RECEIVED:
		on_not_received(&st);
		break;
	case SECONDARY_EV_REFRESH:
	case SECONDARY_EV_RETRANSFER:
		on_operator(&st);
		break;
	case SECONDARY_EV_ACCEPT:
		on_accept(&st);
		break;
	case SECONDARY_EV_REJECT:
		drop_held(&st);
		break;
	case SECONDARY_EV_ROLLBACK:
		on_rollback(&st);
		break;
	case SECONDARY_EV_RESUME:
		drop_held(&st);
		s->has_barred = false;
		on_operator(&st);
		break;
	case SECONDARY_EV_PRIMARIES:
		secondary_take_primaries(&st);
		break;
	case SECONDARY_EV_CAPS:
		on_caps(&st);
		break;
	}
	return st.a;
}

int64_t secondary_timer(const struct secondary *s)
{
	int64_t at = s->activity == SECONDARY_IDLE ? s->check_at : SECONDARY_NEVER;

	if (s->content == SECONDARY_SERVED && s->expire_at < at)
		at = s->expire_at;
	return at;
}
