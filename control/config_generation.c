/*
 * Generations of the configuration: what is in force, who holds what was, and what a reload cannot change.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_read.h"

bool config_is_reloaded(const char *section)
{
	static const char *const reloaded[] = {"keys",	      "tls",	  "primaries",
					       "secondaries", "defaults", "zones"};

	for (size_t i = 0; i < sizeof(reloaded) / sizeof(reloaded[0]); i++)
		if (strcmp(section, reloaded[i]) == 0)
			return true;
	return false;
}

const char *config_needs_restart(const struct config *first, const struct config *next,
				 char buf[CONFIG_SECTIONS_TEXT_CAP])
{
	const struct cyaml_schema_field *f = config_schema.mapping.fields;
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; f[i].key != NULL && i < CONFIG_SECTIONS_MAX; i++) {
		if (first->section_hash[i] == next->section_hash[i] || len >= CONFIG_SECTIONS_TEXT_CAP)
			continue;
		len += (size_t)snprintf(buf + len, CONFIG_SECTIONS_TEXT_CAP - len, "%s%s",
					len > 0 ? ", " : "", f[i].key);
	}
	return buf;
}

/* --- primaries --- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool config_same_key(const struct tsig_key *a, const struct tsig_key *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return a->algorithm == b->algorithm && name_equal(a->lower, b->lower);
}

/* Both are zeroed but for what the family has. */
static bool same_address(const union config_sockaddr *a, const union config_sockaddr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool config_same_primary(const struct config_primary *a, const struct config_primary *b)
{
	return same_address(&a->address, &b->address) && same_address(&a->source, &b->source) &&
	       config_same_key(a->key, b->key) &&
	       same_text(a->tls != NULL ? a->tls->name : NULL, b->tls != NULL ? b->tls->name : NULL);
}

/* Ids that now's primaries have, whatever becomes of them: what runs at one that goes has not ended yet. */
int config_number(const struct config *now, struct config *next)
{
	unsigned top = now->id_cnt + next->primary_cnt, free_id = 0, old = 0;
	bool *taken = calloc(top + 1u, sizeof(taken[0]));

	if (taken == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < now->primary_cnt; i++)
		taken[now->primaries[i].id] = true;
	next->id_cnt = now->id_cnt;
	/* Both lists are sorted by name. */
	for (unsigned i = 0; i < next->primary_cnt; i++) {
		struct config_primary *p = &next->primaries[i];
		int order = 1;

		while (old < now->primary_cnt && (order = strcmp(now->primaries[old].name, p->name)) < 0)
			old++;
		if (old < now->primary_cnt && order == 0) {
			p->id = now->primaries[old].id;
			continue;
		}
		while (taken[free_id])
			free_id++;
		p->id = free_id++;
		if (p->id >= next->id_cnt)
			next->id_cnt = p->id + 1;
	}
	free(taken);
	return 0;
}

/* --- what is in force --- */

const struct config *config_now(const struct config *first)
{
	const struct config *current = cell_get(&first->current);

	return current != NULL ? current : first;
}

const struct config *config_hold(const struct config *c)
{
	__atomic_fetch_add(&((struct config *)c)->holders, 1,
			   __ATOMIC_RELAXED); /* somebody holds it for us now */
	return c;
}

void config_release(const struct config *held)
{
	struct config *c = (struct config *)held;

	/* Release: what others read of it has been read; acquire, by the last: before it is freed. */
	if (c == NULL || __atomic_sub_fetch(&c->holders, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	if (c->first == NULL)
		config_free_reloaded(c);
	else
		config_free(c);
}

static void reclaim(struct cell_old *old)
{
	config_release((struct config *)((char *)old - offsetof(struct config, old)));
}

void config_put_in_force(struct config *first, struct config *next)
{
	struct config *old = (struct config *)config_now(first);

	next->first = first;
	cell_set(&first->current, next);
	cell_retire(&old->old, reclaim);
}
