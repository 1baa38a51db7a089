/*
 * Another configuration: which zones there are from now on, and from whom. What can fail is done first, then all of it in
 * one turn of the loop. The control loop's thread.
 */
#include "control/zones_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "control/onward.h"

/* --- zones that go --- */

bool zone_bury(struct zone *zn)
{
	if (!zn->gone || zn->running != NULL || zn->verification != NULL)
		return false;
	zone_free(zn);
	return true;
}

/* Told by zones_tell_removed: they may ask for anything, and now half of the zones are those of before. */
static void leave_waiters(struct zone *zn)
{
	struct zone_waiter **end = &zn->all->removed_waiters;

	while (*end != NULL)
		end = &(*end)->next;
	*end = zn->waiters;
	zn->waiters = NULL;
}

void zones_tell_removed(struct zones *z)
{
	struct zone_waiter *w, *next = z->removed_waiters;

	z->removed_waiters = NULL;
	while ((w = next) != NULL) {
		next = w->next;
		w->done(w->arg, "the zone was removed from the configuration");
		free(w);
	}
}

static void remove_zone(struct zone *zn)
{
	struct zones *z = zn->all;

	log_event(z->env.log, LOG_NOTICE, "zone-removed", zn->config->name_text, NULL,
		  "reason=\"not in the configuration any more\"");
	zn->gone = true;
	z->zone[zn->index] = NULL;
	zone_cancel(zn);
	leave_waiters(zn);
	zone_drop_held(zn); /* its configuration may be gone before it is */
	deadlines_clear(z->deadlines, &zn->deadline);
	zonetab_remove(z->env.table, zn->slot);
	if (z->env.onward != NULL)
		onward_remove_zone(z->env.onward, zn->slot);
	zone_bury(zn);
}

/* --- zones that stay --- */

/* The zone's primary of this id, or -1. */
static int find_id(const struct config_zone *c, unsigned id)
{
	for (unsigned i = 0; i < c->primary_cnt; i++)
		if (c->primaries[i]->id == id)
			return (int)i;
	return -1;
}

static bool same_primaries(const struct config_zone *a, const struct config_zone *b)
{
	if (a->primary_cnt != b->primary_cnt)
		return false;
	for (unsigned i = 0; i < a->primary_cnt; i++)
		if (a->primaries[i]->id != b->primaries[i]->id ||
		    !config_same_primary(a->primaries[i], b->primaries[i]))
			return false;
	return true;
}

/* By primary: which does not do IXFR. Without memory, or of one that has changed, it is found out again. */
static void move_refusals(struct zone *zn, const struct config_zone *old, const uint16_t *places)
{
	int64_t *until = zn->no_ixfr_until, *moved;

	if (until == NULL)
		return;
	moved = calloc(zn->config->primary_cnt, sizeof(moved[0]));
	for (unsigned i = 0; moved != NULL && i < old->primary_cnt; i++)
		if (places[i] != SECONDARY_GONE &&
		    config_same_primary(old->primaries[i], zn->config->primaries[places[i]]))
			moved[places[i]] = until[i];
	free(until);
	zn->no_ixfr_until = moved;
}

/* CONFIG_ZONE_PRIMARIES_MAX of them at most on either side. */
static void take_primaries(struct zone *zn, const struct config_zone *old)
{
	const struct config_zone *c = zn->config;
	uint16_t places[CONFIG_ZONE_PRIMARIES_MAX];
	struct secondary_event e = {
		.kind = SECONDARY_EV_PRIMARIES, .primary_cnt = (uint16_t)c->primary_cnt, .places = places};

	for (unsigned i = 0; i < old->primary_cnt; i++) {
		int at = find_id(c, old->primaries[i]->id);

		places[i] = at < 0 ? SECONDARY_GONE : (uint16_t)at;
		if (i == zn->secondary.asked && at >= 0)
			e.gone = !config_same_primary(old->primaries[i], c->primaries[at]);
	}
	move_refusals(zn, old, places);
	zone_event(zn, &e);
}

static bool same_caps(const struct secondary_caps *a, const struct secondary_caps *b)
{
	return a->refresh_min == b->refresh_min && a->refresh_max == b->refresh_max &&
	       a->retry_min == b->retry_min && a->retry_max == b->retry_max &&
	       a->expire_min == b->expire_min && a->expire_max == b->expire_max &&
	       a->pin_tolerance == b->pin_tolerance && a->best_serial == b->best_serial;
}

/* Returns whether that changes anything about when, or from whom. */
static bool change_zone(struct zone *zn, const struct config_zone *c)
{
	const struct config_zone *old = zn->config;
	struct secondary_caps caps = zone_caps(c);
	bool changed = false;

	zn->config = c;
	zonetab_set_acl(zn->all->env.table, zn->slot, c->acl);
	zone_drop_versions(zn);
	if (!same_caps(&zn->caps, &caps)) {
		changed = true;
		zn->caps = caps;
		zone_event(zn, &(struct secondary_event){.kind = SECONDARY_EV_CAPS});
	}
	if (!same_primaries(old, c)) {
		changed = true;
		take_primaries(zn, old);
	}
	return changed;
}

/* --- all --- */

/* What of the next configuration is new; zones that stay know what they will be. */
struct plan {
	struct zone **fresh;
	unsigned fresh_cnt;
};

static void drop_plan(struct zones *z, struct plan *p)
{
	for (unsigned i = 0; i < p->fresh_cnt; i++) {
		zonetab_remove(z->env.table, p->fresh[i]->slot);
		zone_free(p->fresh[i]);
	}
	free(p->fresh);
}

static int plan_zone(struct zones *z, const struct config_zone *c, struct plan *p)
{
	int i = zones_find(z, c->name), ret;
	struct zone *zn;

	if (i >= 0) {
		zn = z->zone[i];
		zn->next = c;
	} else {
		ret = zone_new(z, c, &zn);
		if (ret < 0)
			return ret;
		p->fresh[p->fresh_cnt++] = zn;
	}
	if (z->env.onward != NULL)
		onward_add_zone(z->env.onward, zn->slot, c);
	return 0;
}

static int make_plan(struct zones *z, const struct config *next, struct plan *p)
{
	int ret = zones_reserve(z, next);

	for (unsigned i = 0; i < z->zone_cnt; i++)
		if (z->zone[i] != NULL)
			z->zone[i]->next = NULL;
	p->fresh = calloc(next->zone_cnt + 1u, sizeof(p->fresh[0]));
	if (ret == 0 && p->fresh == NULL)
		ret = -ENOMEM;
	if (ret == 0 && z->env.onward != NULL)
		ret = onward_prepare(z->env.onward, next, zonetab_slots(z->env.table) + next->zone_cnt);
	for (unsigned i = 0; ret == 0 && i < next->zone_cnt; i++)
		ret = plan_zone(z, &next->zones[i], p);
	return ret;
}

/* What is known of a primary that is another one now does not hold for it. */
static void forget_health(struct zones *z, const struct config *next)
{
	const struct config *now = z->config;
	unsigned old = 0;

	/* Both are sorted by name, and ids go by names. */
	for (unsigned i = 0; i < next->primary_cnt; i++) {
		const struct config_primary *p = &next->primaries[i];

		while (old < now->primary_cnt && strcmp(now->primaries[old].name, p->name) < 0)
			old++;
		if (old < now->primary_cnt && now->primaries[old].id == p->id &&
		    config_same_primary(&now->primaries[old], p))
			continue;
		z->health[p->id] = (struct zone_health){.failures = 0};
		dispatch_set_last(z->transfers, p->id, false);
	}
}

/* Where others were first; room is reserved. */
static void put_fresh(struct zones *z, const struct plan *p)
{
	unsigned place = 0;

	for (unsigned i = 0; i < p->fresh_cnt; i++, place++) {
		while (place < z->zone_cnt && z->zone[place] != NULL)
			place++;
		zonetab_set_acl(z->env.table, p->fresh[i]->slot, p->fresh[i]->config->acl);
		p->fresh[i]->index = place;
		z->zone[place] = p->fresh[i];
		if (place == z->zone_cnt)
			z->zone_cnt++;
	}
}

int zones_reload(struct zones *z, const struct config *next, struct zones_reloaded *out)
{
	struct plan plan = {.fresh_cnt = 0};
	int ret = z->stopping ? -ECANCELED : make_plan(z, next, &plan);

	*out = (struct zones_reloaded){.added = plan.fresh_cnt};
	if (ret < 0) {
		drop_plan(z, &plan);
		return ret;
	}
	forget_health(z, next);
	z->config = next;
	for (unsigned i = 0; i < z->zone_cnt; i++) {
		struct zone *zn = z->zone[i];

		if (zn != NULL && zn->next == NULL) {
			remove_zone(zn);
			out->removed++;
		} else if (zn != NULL) {
			out->changed += change_zone(zn, zn->next);
		}
	}
	links_set_primaries(z->links, next->primaries, next->primary_cnt);
	put_fresh(z, &plan);
	zones_index(z);
	if (z->env.onward != NULL)
		onward_commit(z->env.onward);
	for (unsigned i = 0; i < plan.fresh_cnt; i++)
		zone_event(plan.fresh[i], &(struct secondary_event){.kind = SECONDARY_EV_START});
	free(plan.fresh);
	zones_pump(z);
	return 0;
}
