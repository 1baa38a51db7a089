/* Lines of snapshots and their reclamation. Contracts in the headers; any thread, under the versions lock. */
#include "dataplane/zone/version.h"
#include "dataplane/zone/order.h"
#include "dataplane/zone/tsan.h"

#include <errno.h>
#include <stdlib.h>

int version_begin(struct arena *arena, const struct snapshot *base, struct line **out_line, struct draft *out,
		  bool *out_own_line)
{
	struct line *line = NULL;

	*out = (struct draft){.arena = arena, .base = arena_base(arena)};
	if (base != NULL) {
		arena_versions_lock(arena);
		if (base->line->newest == base && !base->line->building) {
			line = base->line;
			line->building = true;
			out->version = ++line->version;
		}
		arena_versions_unlock(arena);
	}
	*out_own_line = line == NULL;
	if (line != NULL) {
		memcpy(out->tree, base->tree, sizeof(out->tree));
		out->order_root = base->order_root;
		out->chains = base->chains;
		out->bytes = base->info.bytes;
	} else {
		line = calloc(1, sizeof(*line));
		if (line == NULL)
			return -ENOMEM;
		line->building = true;
		out->version = line->version = 1;
	}
	*out_line = line;
	return 0;
}

static void dead_free(struct dead_chunk *chunk)
{
	while (chunk != NULL) {
		struct dead_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

void version_abort(struct line *line, struct draft *d)
{
	bool last;

	draft_discard(d);
	dead_free(d->dead);
	d->dead = NULL;
	arena_versions_lock(d->arena);
	line->building = false;
	last = line->newest == NULL;
	arena_versions_unlock(d->arena);
	if (last)
		free(line);
}

void version_commit(struct line *line, struct draft *d, struct snapshot *s)
{
	s->line = line;
	s->version = d->version;
	s->refs = 1;
	s->dead_bytes = d->dead_bytes;
	arena_versions_lock(d->arena);
	s->dead = d->dead;
	s->newer = NULL;
	s->older = line->newest;
	if (line->newest != NULL)
		line->newest->newer = s;
	else
		line->oldest = s;
	line->newest = s;
	line->building = false;
	arena_versions_unlock(d->arena);
	d->dead = NULL;
}

/* Takes out of list what no snapshot up to version `kept` has, and gives it back. Returns what stays. */
static struct dead_chunk *dead_reclaim(struct arena *arena, struct dead_chunk *list, uint64_t kept)
{
	struct dead_chunk **at = &list;

	while (*at != NULL) {
		struct dead_chunk *chunk = *at;
		uint32_t stay = 0;

		for (uint32_t i = 0; i < chunk->cnt; i++) {
			if (chunk->dead[i].birth > kept)
				arena_release(arena, chunk->dead[i].ref);
			else
				chunk->dead[stay++] = chunk->dead[i];
		}
		chunk->cnt = stay;
		if (stay > 0) {
			at = &chunk->next;
		} else {
			*at = chunk->next;
			free(chunk);
		}
	}
	return list;
}

static void dead_append(struct dead_chunk **list, struct dead_chunk *more)
{
	while (*list != NULL)
		list = &(*list)->next;
	*list = more;
}

static void give_back(void *arg, uint32_t ref)
{
	arena_release(arg, ref);
}

static void snapshot_destroy(struct snapshot *s)
{
	struct line *line = s->line;
	struct snapshot *older, *newer;
	uint64_t kept;
	bool last;

	arena_versions_lock(s->arena);
	older = s->older;
	newer = s->newer;
	kept = older == NULL ? 0 : older->version;
	if (newer != NULL) {
		newer->dead = dead_reclaim(s->arena, newer->dead, kept);
		dead_append(&newer->dead, s->dead);
		newer->older = older;
	} else {
		line->newest = older;
	}
	if (older != NULL)
		older->newer = newer;
	else
		line->oldest = newer;
	last = line->newest == NULL && !line->building;
	/* The walk below looks at what the older one has: that one must not go meanwhile. Alone, it needs no lock. */
	if (older == NULL)
		arena_versions_unlock(s->arena);
	if (newer == NULL) {
		/* Nothing came after it: what it has and the one before has not is nobody's. */
		for (unsigned kind = 0; kind < BLOCK_KIND_CNT; kind++)
			tree_visit_younger(s->base, &s->tree[kind], kept, give_back, s->arena);
		order_visit_younger(s->base, s->order_root, kept, give_back, s->arena);
		dead_free(s->dead);
	}
	if (older != NULL)
		arena_versions_unlock(s->arena);
	if (last)
		free(line);
	snapshot_free(s);
}

static void snapshot_unref(struct snapshot *s)
{
	/* Release what this thread did with it; the last one acquires what all others did. */
	if (__atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) == 0)
		snapshot_destroy(s);
}

struct snapshot *snapshot_hold(const struct snapshot *cs)
{
	struct snapshot *s = (struct snapshot *)(uintptr_t)cs; /* only for its counter */

	/* The caller's turn keeps the table's reference alive, so the counter is not 0. */
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void snapshot_release(struct snapshot *s)
{
	if (s != NULL)
		snapshot_unref(s);
}

static void snapshot_reclaim(struct rcu_head *head)
{
	struct snapshot *s = caa_container_of(head, struct snapshot, rcu);

	rcu_after(s);
	arena_retired_end(s->arena, s->retired_bytes);
	snapshot_unref(s);
}

/* What can be given back when nobody reads s any more: what its successor does not have. */
static uint64_t bytes_alone(struct snapshot *s)
{
	uint64_t bytes;

	arena_versions_lock(s->arena);
	bytes = s->newer != NULL ? s->newer->dead_bytes : s->info.bytes;
	arena_versions_unlock(s->arena);
	return bytes;
}

void snapshot_retire(struct snapshot *s)
{
	if (s == NULL)
		return;
	if (!s->published) {
		snapshot_unref(s);
		return;
	}
	s->retired_bytes = bytes_alone(s);
	arena_retired_begin(s->arena, s->retired_bytes);
	rcu_before(s);
	call_rcu(&s->rcu, snapshot_reclaim); /* the head is embedded, so this cannot fail */
}
