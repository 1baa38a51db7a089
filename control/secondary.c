#include "control/secondary.h"

#include "dataplane/dns/serial.h"

/*
 * Bootstrap back-off: 5 n^2 s after the n-th failed round, at most two hours: fast while a primary is being set up,
 * gentle to one that has forgotten us. The random part spreads zones that failed together.
 */
#define BOOTSTRAP_UNIT_MS   5000
#define BOOTSTRAP_MAX_MS    (2 * 3600 * 1000)
#define BOOTSTRAP_JITTER_MS 30000

/* After a NOTIFY whose serial the primary does not serve yet: asks again after 1, 2, 4 and 8 s, then forgets it. */
#define AHEAD_FIRST_MS 1000
#define AHEAD_TRIES    4

/*
 * A NOTIFY costs its sender nothing and us a query. After this many rounds in a row that found nothing, there is at
 * most one a second, whatever is notified, until one finds something or it has been quiet for a while.
 */
#define NOTIFY_FREE_ROUNDS 3
#define NOTIFY_HOLD_MS	   1000
#define NOTIFY_QUIET_MS	   10000

#define NEVER INT64_MAX

struct step {
	struct secondary *s;
	const struct secondary_event *e;
	struct secondary_actions a;
	bool direct; /* the round that begins may */
};

static uint32_t clamp(uint32_t v, uint32_t min, uint32_t max)
{
	if (max != 0 && v > max)
		v = max;
	if (v < min)
		v = min;
	/* 0 would be a busy loop on the wire. */
	return v == 0 ? 1 : v;
}

static int64_t expire_ms(const struct secondary *s)
{
	return (int64_t)clamp(s->timers.expire, s->caps->expire_min, s->caps->expire_max) * 1000;
}

/* What a primary says of its own copy: the least wait is not for it, it knows. */
static int64_t clamp_expire(const struct secondary *s, uint32_t expire)
{
	int64_t told = (int64_t)clamp(expire, 0, s->caps->expire_max) * 1000;

	return told < expire_ms(s) ? told : expire_ms(s);
}

/* 0 and 1: the primary's own copy has expired, or is about to (RFC 7314 4). It confirms nothing. */
static bool primary_expired(const struct secondary_event *e)
{
	return e->has_expire && e->expire < 2;
}

static int64_t retry_ms(const struct secondary *s)
{
	return (int64_t)clamp(s->timers.retry, s->caps->retry_min, s->caps->retry_max) * 1000;
}

/* An expire shorter than the refresh would take the zone down by itself: look at least twice within it. */
static int64_t refresh_ms(const struct secondary *s)
{
	int64_t ms = (int64_t)clamp(s->timers.refresh, s->caps->refresh_min, s->caps->refresh_max) * 1000;

	return ms <= expire_ms(s) / 2 ? ms : expire_ms(s) / 2;
}

/* 90 to 100 percent, so that zones that were loaded together drift apart. 20 random bits: 2^32 s do not overflow. */
static int64_t jitter(int64_t ms, uint32_t random)
{
	return ms - ((ms / 10 * (random >> 12)) >> 20);
}

static int64_t bootstrap_ms(unsigned attempts, uint32_t random)
{
	int64_t n = attempts < 1000 ? attempts : 1000;
	int64_t ms = BOOTSTRAP_UNIT_MS * n * n;
	int64_t spread = BOOTSTRAP_UNIT_MS * (n + 1);

	if (spread > BOOTSTRAP_JITTER_MS)
		spread = BOOTSTRAP_JITTER_MS;
	ms += (int64_t)((uint64_t)spread * random >> 32);
	return ms < BOOTSTRAP_MAX_MS ? ms : BOOTSTRAP_MAX_MS;
}

static int64_t failed_delay(const struct secondary *s, uint32_t random)
{
	int64_t retry, bootstrap;

	if (s->content == SECONDARY_SERVED)
		return jitter(retry_ms(s), random);
	bootstrap = bootstrap_ms(s->attempts, random);
	if (s->content == SECONDARY_NO_CONTENT)
		return bootstrap;
	/* Expired: the owner's retry, or faster. */
	retry = jitter(retry_ms(s), random);
	return retry < bootstrap ? retry : bootstrap;
}

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

/* Begins a round, or begins anew one that has not left the queue. */
static void begin_round(struct step *st, uint16_t first, enum secondary_class class)
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
	s->has_best = false;
	s->direct = st->direct && s->content == SECONDARY_SERVED && !s->forced;
	s->check_at = NEVER;
	st->a.what &= ~(uint32_t)(SECONDARY_QUERY | SECONDARY_TRANSFER);
	ask_primary(st);
}

static void note_wanted(struct secondary *s, uint32_t serial)
{
	if (s->has_wanted && !serial_newer(serial, s->wanted))
		return;
	s->has_wanted = true;
	s->wanted = serial;
	s->wanted_tries = 0;
	s->wanted_at = 0;
}

/* The version that was turned down, or one between ours and it. */
static bool is_barred(const struct secondary *s, uint32_t serial)
{
	if (!s->has_barred)
		return false;
	return serial == s->barred_serial ||
	       (s->content != SECONDARY_NO_CONTENT && serial_newer(serial, s->serial) &&
		serial_newer(s->barred_serial, serial));
}

static bool is_ahead(const struct secondary *s, uint32_t serial)
{
	if (is_barred(s, serial))
		return false;
	return s->content != SECONDARY_SERVED || serial_newer(serial, s->serial) ||
	       serial_incomparable(serial, s->serial);
}

static void defer_notify(struct step *st, uint16_t primary, bool has_serial, uint32_t serial)
{
	struct secondary *s = st->s;

	if (!s->deferred) {
		s->deferred = true;
		s->deferred_blind = !has_serial;
		s->deferred_serial = serial;
	} else if (!has_serial) {
		s->deferred_blind = true;
	} else if (serial_newer(serial, s->deferred_serial)) {
		s->deferred_serial = serial;
	}
	s->deferred_primary = primary;
	st->a.what |= SECONDARY_NOTE_DEFERRED;
}

/* Idle, and nothing speaks against acting on it now. */
static void act_on_notify(struct step *st, uint16_t primary, bool has_serial, uint32_t serial)
{
	struct secondary *s = st->s;

	if (has_serial)
		note_wanted(s, serial);
	s->attempts = 0;
	st->direct = st->e->kind == SECONDARY_EV_NOTIFY && st->e->direct;
	begin_round(st, primary, SECONDARY_BY_NOTIFY);
	st->direct = false;
}

static void take_deferred(struct step *st)
{
	struct secondary *s = st->s;
	bool has_serial = !s->deferred_blind;

	if (!s->deferred || s->activity != SECONDARY_IDLE)
		return;
	if (has_serial && !is_ahead(s, s->deferred_serial)) {
		s->deferred = false;
		return;
	}
	if (st->e->now < s->hold_until) {
		if (s->check_at > s->hold_until)
			s->check_at = s->hold_until;
		return;
	}
	s->deferred = false;
	act_on_notify(st, s->deferred_primary, has_serial, s->deferred_serial);
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
	if (is_barred(s, s->wanted) ||
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
		if (s->content != SECONDARY_NO_CONTENT && ms > retry_ms(s))
			ms = retry_ms(s);
		s->wanted_at = st->e->now + ms;
	}
	if (s->check_at > s->wanted_at)
		s->check_at = s->wanted_at;
	st->a.what |= SECONDARY_NOTE_AHEAD;
}

static void end_round(struct step *st, bool ok, bool changed)
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
		s->check_at = st->e->now + jitter(refresh_ms(s), st->e->random);
	} else {
		if (s->attempts < UINT16_MAX)
			s->attempts++;
		s->check_at = st->e->now + failed_delay(s, st->e->random);
	}
	count_fruitless(st, changed);
	wait_for_wanted(st);
	if (s->forced_next) {
		s->forced_next = false;
		s->forced = true;
		begin_round(st, s->asked, SECONDARY_BY_OPERATOR);
	}
	take_deferred(st);
}

static void transfer_from_asked(struct step *st, bool whole)
{
	st->s->whole = whole;
	st->s->activity = SECONDARY_TRANSFERRING;
	st->s->round_newer = true;
	st->a.what |= SECONDARY_TRANSFER;
	st->a.primary = st->s->asked;
	st->a.class = st->s->class;
}

static bool compares_all(const struct secondary *s)
{
	return s->caps->best_serial && s->class != SECONDARY_BY_NOTIFY && s->primary_cnt > 1;
}

/* All have been asked. */
static void transfer_from_best(struct step *st)
{
	struct secondary *s = st->s;

	s->has_best = false;
	s->asked = s->best_primary;
	transfer_from_asked(st,
			    s->content == SECONDARY_NO_CONTENT || !serial_newer(s->best_serial, s->serial));
}

/* This primary did not help; what the round has found counts when all have been asked. */
static void next_primary(struct step *st)
{
	struct secondary *s = st->s;

	if (++s->step < s->primary_cnt)
		ask_primary(st);
	else if (s->has_best)
		transfer_from_best(st);
	else
		end_round(st, (s->round_equal || s->round_lower) && !s->round_newer, false);
}

/*
 * The primary is there, and we have what we want of it. Its own expiry, when it tells (RFC 7314 4), only lengthens ours;
 * the minimum of the caps is not for it.
 */
static void put_expiry_off(struct step *st)
{
	struct secondary *s = st->s;
	int64_t at = st->e->now + expire_ms(s);

	if (st->e->has_expire) {
		at = st->e->now + clamp_expire(s, st->e->expire);
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
	if (s->round_newer || compares_all(s) || (s->has_wanted && serial_newer(s->wanted, than)))
		next_primary(st);
	else
		end_round(st, true, false);
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
		end_round(st, true, true);
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
	transfer_from_asked(st, true);
}

static void keep_version(struct step *st, uint32_t serial)
{
	struct secondary *s = st->s;

	s->round_lower = true;
	s->primary_behind = true;
	st->a.what |=
		serial_incomparable(serial, s->serial) ? SECONDARY_NOTE_INCOMPARABLE : SECONDARY_NOTE_LOWER;
	next_primary(st);
}

/* From who has it, or from who turns out to have the newest. */
static void take_newer(struct step *st, uint32_t serial)
{
	struct secondary *s = st->s;

	if (!compares_all(s)) {
		transfer_from_asked(st, !serial_newer(serial, s->serial));
		return;
	}
	if (!s->has_best || serial_newer(serial, s->best_serial)) {
		s->has_best = true;
		s->best_serial = serial;
		s->best_primary = s->asked;
	}
	next_primary(st);
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
		next_primary(st);
	else if (is_barred(s, serial))
		pass_over_barred(st);
	else if (s->content == SECONDARY_NO_CONTENT)
		transfer_from_asked(st, true);
	else if (serial == s->serial && st->e->differs)
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
	if (s->content == SECONDARY_NO_CONTENT || primary_expired(st->e)) {
		next_primary(st);
		return;
	}
	s->primary_serial = serial;
	s->has_primary_serial = true;
	if (is_barred(s, serial))
		pass_over_barred(st);
	else if (serial == s->serial)
		confirm_version(st);
	else if (s->content == SECONDARY_EXPIRED && !s->whole)
		transfer_from_asked(st, true);
	else
		keep_version(st, serial);
}

/* RFC 1995 4: whatever is wrong with the differences, the whole zone may be right. Once for each primary asked. */
static void on_not_received(struct step *st)
{
	struct secondary *s = st->s;

	if (s->activity != SECONDARY_TRANSFERRING)
		return;
	if (st->e->again)
		transfer_from_asked(st, s->whole);
	else if (st->e->fall_back && !s->whole)
		transfer_from_asked(st, true);
	else
		next_primary(st);
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
	s->expire_at =
		e->now + (e->has_expire && !primary_expired(e) ? clamp_expire(s, e->expire) : expire_ms(s));
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
	st->a.what |= SECONDARY_PUBLISH;
	end_round(st, true, true);
}

/* One version is held at most: the newest. */
static void hold(struct step *st)
{
	struct secondary *s = st->s;

	drop_held(st);
	s->held = true;
	s->has_barred = true;
	s->barred_serial = st->e->serial;
	if (s->content == SECONDARY_SERVED)
		put_expiry_off(st);
	st->a.what |= SECONDARY_HOLD;
	end_round(st, false, true);
}

/* The primary went back between its SOA answer and the transfer, or what it has was turned down. */
static void discard(struct step *st)
{
	struct secondary *s = st->s;

	st->a.what |= SECONDARY_DISCARD;
	if (is_barred(s, st->e->serial))
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
	if (is_barred(s, serial))
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
	s->primary_serial = st->e->serial;
	s->has_primary_serial = true;
	take_version(st);
}

static void on_notify(struct step *st)
{
	struct secondary *s = st->s;
	const struct secondary_event *e = st->e;

	if (e->has_serial && !is_ahead(s, e->serial)) {
		st->a.what |= SECONDARY_NOTE_CURRENT;
		return;
	}
	if (s->fruitless > 0 && e->now - s->fruitless_at > NOTIFY_QUIET_MS)
		s->fruitless = 0;
	if (s->activity == SECONDARY_IDLE) {
		if (e->now < s->hold_until) {
			defer_notify(st, e->primary, e->has_serial, e->serial);
			take_deferred(st);
		} else {
			act_on_notify(st, e->primary, e->has_serial, e->serial);
		}
	} else if (!e->waiting) {
		defer_notify(st, e->primary, e->has_serial, e->serial);
	} else if (s->class == SECONDARY_BY_NOTIFY) {
		/* The question is still to be sent: it asks for this one too. */
		if (e->has_serial)
			note_wanted(s, e->serial);
	} else {
		act_on_notify(st, e->primary, e->has_serial, e->serial);
	}
}

static void on_operator(struct step *st)
{
	struct secondary *s = st->s;
	bool force = st->e->kind == SECONDARY_EV_RETRANSFER;

	s->attempts = 0;
	if (s->activity == SECONDARY_IDLE || st->e->waiting) {
		bool promote = s->activity == SECONDARY_IDLE || s->class == SECONDARY_BY_TIMER;

		s->forced = s->forced || force;
		begin_round(st, s->activity == SECONDARY_IDLE ? 0 : s->first,
			    promote ? SECONDARY_BY_OPERATOR : (enum secondary_class)s->class);
		st->a.wait_round = s->round;
	} else if (force) {
		s->forced_next = true;
		st->a.wait_round = s->round + 1;
	} else {
		st->a.wait_round = s->round;
	}
}

/* Operator: what is served has changed outside a round. */
static void schedule_refresh(struct step *st)
{
	if (st->s->activity == SECONDARY_IDLE)
		st->s->check_at = st->e->now + jitter(refresh_ms(st->s), st->e->random);
}

static void on_accept(struct step *st)
{
	struct secondary *s = st->s;

	if (!s->held || st->e->serial != s->barred_serial)
		return;
	s->held = false;
	s->has_barred = false;
	serve(st);
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
	take_deferred(st);
	if (s->activity == SECONDARY_IDLE && (expires || st->e->now >= s->check_at))
		begin_round(st, s->has_wanted ? s->first : 0,
			    s->has_wanted ? SECONDARY_BY_NOTIFY : SECONDARY_BY_TIMER);
}

void secondary_init(struct secondary *s, uint16_t primary_cnt, const struct secondary_caps *caps)
{
	*s = (struct secondary){
		.caps = caps,
		.primary_cnt = primary_cnt,
		.check_at = NEVER,
		.expire_at = NEVER,
		.class = SECONDARY_BY_TIMER,
	};
}

struct secondary_actions secondary_step(struct secondary *s, const struct secondary_event *e)
{
	struct step st = {.s = s, .e = e};

	switch (e->kind) {
	case SECONDARY_EV_START:
		begin_round(&st, 0, SECONDARY_BY_TIMER);
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
			next_primary(&st);
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
	}
	return st.a;
}

int64_t secondary_timer(const struct secondary *s)
{
	int64_t at = s->activity == SECONDARY_IDLE ? s->check_at : NEVER;

	if (s->content == SECONDARY_SERVED && s->expire_at < at)
		at = s->expire_at;
	return at;
}

bool secondary_timers_sound(const struct secondary_timers *t)
{
	return t->retry < t->refresh && t->expire > (uint64_t)t->refresh + t->retry;
}
