/*
 * The zone table: a hash table from apex hashes to slot numbers, and an array of slots. Contracts in the header.
 *
 * Index: open addressing, one atomic word per place: the high 32 bits of the hash and the slot. It grows by a second,
 * larger index to which every change moves a few entries; readers look into the new one, then the old one, and an
 * entry stays in the old one until that is freed, so nothing is ever invisible. A word is never changed but from
 * empty or dead to used, and from used to dead.
 *
 * A slot's cur is a snapshot or, below MARKER_LIMIT, a marker: one word, so a reader never sees half a change.
 */
#include "dataplane/zone/zonetab.h"
#include "dataplane/zone/tsan.h"
#include "dataplane/zone/version.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define CHUNK_SLOTS  1024u
#define CHUNKS_MAX   65536u /* 64 million zones */
#define INDEX_MIN    64u
#define MOVE_PER_ADD 16u /* entries; growth by two needs more than 2 to be done in time */
#define MARKER_LIMIT 16
#define WORD_EMPTY   UINT64_C(0)
#define WORD_DEAD    UINT64_C(1) /* the slot part is slot + 2, so this is no entry */
#define LABELS_WORDS ((NAME_LABELS_MAX + 64) / 64)

struct slot {
	struct snapshot *cur; /* RCU: control writes, readers read */
	uint64_t hash;
	uint8_t *apex;	       /* lower case; NULL: free */
	const struct acl *acl; /* RCU: control writes, readers read; NULL: everybody may ask */
	uint32_t expire_s;     /* monotonic, 0: not known; control writes, readers read, relaxed */
	uint8_t apex_len;      /* these belong to apex and are set before it */
	uint8_t label_cnt;
};

struct index {
	struct rcu_head rcu;
	uint32_t mask;
	uint32_t used;	  /* control: words that are not empty */
	uint64_t words[]; /* control writes, readers read; relaxed but for the release that shows a slot */
};

struct zonetab {
	struct slot **chunks;	       /* RCU-free: set once, before any index word leads there */
	struct index *cur;	       /* RCU: control writes, readers read */
	struct index *old;	       /* the same; NULL unless growing */
	uint32_t growths;	       /* that have ended; control writes, readers read */
	uint64_t labels[LABELS_WORDS]; /* bit n: some apex has n labels; control writes, readers read */
	uint64_t key;
	/* Control only. */
	uint32_t cnt;
	uint32_t slot_top; /* slots from here on were never used */
	uint32_t moved;	   /* words of old that are in cur */
	uint32_t labels_cnt[NAME_LABELS_MAX + 1];
	pthread_mutex_t free_lock; /* control and reclaim */
	uint32_t *free_slots;
	uint32_t free_cnt, free_cap;
};

/* A slot on its way to be used again, once no reader can hold its number. */
struct slot_retired {
	struct rcu_head rcu;
	struct zonetab *t;
	uint8_t *apex;
	uint32_t slot;
};

static struct snapshot *marker_word(enum zone_marker marker)
{
	return (struct snapshot *)(uintptr_t)(marker + 1);
}

static bool is_marker(const struct snapshot *cur)
{
	return (uintptr_t)cur < MARKER_LIMIT;
}

static uint64_t word_of(uint64_t hash, uint32_t slot)
{
	return (hash & ~UINT64_C(0xFFFFFFFF)) | ((uint64_t)slot + 2);
}

static struct slot *slot_at(const struct zonetab *t, uint32_t slot)
{
	return &t->chunks[slot / CHUNK_SLOTS][slot % CHUNK_SLOTS];
}

static struct index *index_new(uint32_t cnt)
{
	struct index *x = calloc(1, sizeof(*x) + cnt * sizeof(uint64_t));

	if (x != NULL)
		x->mask = cnt - 1;
	return x;
}

struct zonetab *zonetab_new(uint64_t key)
{
	struct zonetab *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->key = key;
	t->chunks = calloc(CHUNKS_MAX, sizeof(*t->chunks));
	t->cur = index_new(INDEX_MIN);
	if (t->chunks == NULL || t->cur == NULL) {
		free(t->chunks);
		free(t->cur);
		free(t);
		return NULL;
	}
	pthread_mutex_init(&t->free_lock, NULL);
	return t;
}

void zonetab_free(struct zonetab *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->slot_top; i++) {
		struct slot *s = slot_at(t, i);

		if (!is_marker(s->cur))
			snapshot_retire(s->cur);
		free(s->apex);
	}
	rcu_barrier(); /* slots that were removed are still on their way back into free_slots */
	pthread_mutex_lock(&t->free_lock);
	pthread_mutex_unlock(&t->free_lock); /* for ThreadSanitizer: after the last of them */
	for (uint32_t i = 0; i < CHUNKS_MAX && t->chunks[i] != NULL; i++)
		free(t->chunks[i]);
	free(t->chunks);
	free(t->cur);
	free(t->old);
	free(t->free_slots);
	pthread_mutex_destroy(&t->free_lock);
	free(t);
}

uint64_t zonetab_key(const struct zonetab *t)
{
	return t->key;
}

uint32_t zonetab_cnt(const struct zonetab *t)
{
	return t->cnt;
}

uint32_t zonetab_slots(const struct zonetab *t)
{
	return t->slot_top;
}

static void index_put(struct index *x, uint64_t hash, uint32_t slot)
{
	uint32_t at = (uint32_t)hash & x->mask;

	while (x->words[at] > WORD_DEAD)
		at = (at + 1) & x->mask;
	x->used += x->words[at] == WORD_EMPTY;
	/* Pairs with the acquire in index_find: who sees the word sees the slot. */
	__atomic_store_n(&x->words[at], word_of(hash, slot), __ATOMIC_RELEASE);
}

static void index_drop(struct index *x, uint64_t hash, uint32_t slot)
{
	for (uint32_t at = (uint32_t)hash & x->mask; x->words[at] != WORD_EMPTY; at = (at + 1) & x->mask)
		if (x->words[at] == word_of(hash, slot)) {
			__atomic_store_n(&x->words[at], WORD_DEAD, __ATOMIC_RELAXED);
			return;
		}
}

static uint32_t index_find(const struct zonetab *t, const struct index *x, uint64_t hash, const uint8_t *name)
{
	for (uint32_t at = (uint32_t)hash & x->mask;; at = (at + 1) & x->mask) {
		uint64_t word = __atomic_load_n(&x->words[at], __ATOMIC_ACQUIRE);
		const uint8_t *apex;
		uint32_t slot;

		if (word == WORD_EMPTY)
			return ZONETAB_SLOT_NONE;
		if (word == WORD_DEAD || (word ^ hash) >> 32 != 0)
			continue;
		slot = (uint32_t)(word - 2);
		apex = rcu_dereference(slot_at(t, slot)->apex);
		if (apex != NULL && name_equal(apex, name))
			return slot;
	}
}

static void index_reclaim(struct rcu_head *head)
{
	struct index *x = caa_container_of(head, struct index, rcu);

	rcu_after(x);
	free(x);
}

/* A few words of the old index to the new one; the last of them lets the old one go. */
static void move_some(struct zonetab *t, uint32_t cnt)
{
	struct index *old = t->old;

	for (; old != NULL && cnt > 0; cnt--) {
		uint64_t word = old->words[t->moved];

		if (word > WORD_DEAD) {
			uint32_t slot = (uint32_t)(word - 2);

			index_put(t->cur, slot_at(t, slot)->hash, slot);
		}
		if (t->moved++ < old->mask)
			continue;
		/* First, so that whoever finds no old index sees that one has ended, and what was moved from it. */
		__atomic_store_n(&t->growths, t->growths + 1, __ATOMIC_RELEASE);
		rcu_set_pointer(&t->old, NULL); // COMMIT
		rcu_before(old);
		call_rcu(&old->rcu, index_reclaim);
		return;
	}
}

/* Half full at most, dead words counted: probes stay short, and the old index is empty long before cur is full. */
static int make_room(struct zonetab *t)
{
	struct index *next;
	uint32_t cnt;

	move_some(t, MOVE_PER_ADD);
	if (t->cur->used < t->cur->mask / 2)
		return 0;
	move_some(t, UINT32_MAX);
	cnt = t->cnt >= t->cur->mask / 4 ? (t->cur->mask + 1) * 2 : t->cur->mask + 1;
	next = cnt == 0 ? NULL : index_new(cnt);
	if (next == NULL)
		return -ENOMEM;
	t->moved = 0;
	/* Old first: a reader that sees the new index looks into the old one too. It reads them in this order reversed. */
	rcu_set_pointer(&t->old, t->cur);
	rcu_set_pointer(&t->cur, next); // COMMIT
	return 0;
}

static int slot_take(struct zonetab *t, uint32_t *out)
{
	uint32_t slot = ZONETAB_SLOT_NONE;
	struct slot **chunk;

	pthread_mutex_lock(&t->free_lock);
	if (t->free_cnt > 0)
		slot = t->free_slots[--t->free_cnt];
	pthread_mutex_unlock(&t->free_lock);
	if (slot == ZONETAB_SLOT_NONE) {
		if (t->slot_top == CHUNKS_MAX * CHUNK_SLOTS)
			return -ENOMEM;
		chunk = &t->chunks[t->slot_top / CHUNK_SLOTS];
		if (*chunk == NULL)
			*chunk = calloc(CHUNK_SLOTS, sizeof(struct slot));
		if (*chunk == NULL)
			return -ENOMEM;
		slot = t->slot_top++;
		slot_at(t, slot)->cur = marker_word(ZONE_NOT_LOADED);
	}
	*out = slot;
	return 0;
}

static void slot_give(struct zonetab *t, uint32_t slot)
{
	pthread_mutex_lock(&t->free_lock);
	t->free_slots[t->free_cnt++] = slot; /* room was made when the slot was taken */
	pthread_mutex_unlock(&t->free_lock);
}

/* So that giving a slot back cannot fail. */
static int free_slots_reserve(struct zonetab *t)
{
	uint32_t *v;
	int rc = 0;

	pthread_mutex_lock(&t->free_lock);
	if (t->free_cap <= t->slot_top) {
		v = realloc(t->free_slots, (t->slot_top + CHUNK_SLOTS) * sizeof(*v));
		if (v != NULL) {
			t->free_slots = v;
			t->free_cap = t->slot_top + CHUNK_SLOTS;
		} else {
			rc = -ENOMEM;
		}
	}
	pthread_mutex_unlock(&t->free_lock);
	return rc;
}

static void count_labels(struct zonetab *t, unsigned labels, int by)
{
	uint64_t bit = UINT64_C(1) << (labels & 63);

	t->labels_cnt[labels] += (uint32_t)by;
	if (t->labels_cnt[labels] == 1 && by > 0)
		__atomic_store_n(&t->labels[labels / 64], t->labels[labels / 64] | bit, __ATOMIC_RELEASE);
	else if (t->labels_cnt[labels] == 0)
		__atomic_store_n(&t->labels[labels / 64], t->labels[labels / 64] & ~bit, __ATOMIC_RELAXED);
}

static uint32_t find_apex(const struct zonetab *t, uint64_t hash, const uint8_t *name)
{
	uint32_t growths = __atomic_load_n(&t->growths, __ATOMIC_ACQUIRE), slot;
	const struct index *x = rcu_dereference(t->cur), *old;

	slot = index_find(t, x, hash, name);
	if (slot != ZONETAB_SLOT_NONE)
		return slot;
	old = __atomic_load_n(&t->old, __ATOMIC_ACQUIRE);
	if (old != NULL)
		return index_find(t, old, hash, name);
	/* Moved from the old index to the new one between the two looks. */
	if (__atomic_load_n(&t->growths, __ATOMIC_RELAXED) != growths)
		return index_find(t, rcu_dereference(t->cur), hash, name);
	return ZONETAB_SLOT_NONE;
}

int zonetab_add(struct zonetab *t, const uint8_t *apex, uint32_t *out_slot)
{
	size_t len = name_len(apex);
	struct name_hashes hashes;
	uint8_t *lower = malloc(len);
	uint32_t slot;
	int rc = -ENOMEM;

	if (lower == NULL)
		return -ENOMEM;
	name_lower(lower, apex, len);
	name_hash_suffixes(lower, t->key, &hashes);
	rc = find_apex(t, hashes.hash[0], lower) != ZONETAB_SLOT_NONE ? -EEXIST : 0;
	if (rc == 0)
		rc = free_slots_reserve(t);
	if (rc == 0)
		rc = make_room(t);
	if (rc == 0)
		rc = slot_take(t, &slot);
	if (rc < 0) {
		free(lower);
		return rc;
	}
	slot_at(t, slot)->hash = hashes.hash[0];
	slot_at(t, slot)->apex_len = (uint8_t)len;
	slot_at(t, slot)->label_cnt = hashes.label_cnt;
	rcu_set_pointer(&slot_at(t, slot)->apex, lower);
	count_labels(t, hashes.label_cnt, 1);
	index_put(t->cur, hashes.hash[0], slot); // COMMIT
	t->cnt++;
	*out_slot = slot;
	return 0;
}

static void slot_reclaim(struct rcu_head *head)
{
	struct slot_retired *r = caa_container_of(head, struct slot_retired, rcu);

	rcu_after(r);
	slot_give(r->t, r->slot);
	free(r->apex);
	free(r);
}

void zonetab_remove(struct zonetab *t, uint32_t slot)
{
	struct slot *s = slot_at(t, slot);
	struct slot_retired *r = malloc(sizeof(*r));
	struct snapshot *old;
	uint8_t *apex = s->apex;

	index_drop(t->cur, s->hash, slot); // COMMIT
	if (t->old != NULL)
		index_drop(t->old, s->hash, slot);
	rcu_set_pointer(&s->apex, NULL);
	old = rcu_xchg_pointer(&s->cur, marker_word(ZONE_NOT_LOADED));
	if (!is_marker(old))
		snapshot_retire(old);
	count_labels(t, name_label_cnt(apex), -1);
	zonetab_set_expire(t, slot, 0);
	zonetab_set_acl(t, slot, NULL);
	t->cnt--;
	if (r == NULL) {
		/* No memory to wait with: wait here, once, rather than lose the slot. */
		synchronize_rcu();
		slot_give(t, slot);
		free(apex);
		return;
	}
	*r = (struct slot_retired){.t = t, .apex = apex, .slot = slot};
	rcu_before(r);
	call_rcu(&r->rcu, slot_reclaim);
}

struct snapshot *zonetab_replace(struct zonetab *t, uint32_t slot, struct snapshot **next)
{
	struct snapshot *old;

	(*next)->published = true;
	rcu_before(*next);
	old = rcu_xchg_pointer(&slot_at(t, slot)->cur, *next); // COMMIT
	*next = NULL;
	return is_marker(old) ? NULL : old;
}

void zonetab_publish(struct zonetab *t, uint32_t slot, struct snapshot **next)
{
	snapshot_retire(zonetab_replace(t, slot, next));
}

struct snapshot *zonetab_withdraw(struct zonetab *t, uint32_t slot, enum zone_marker marker)
{
	struct snapshot *old = rcu_xchg_pointer(&slot_at(t, slot)->cur, marker_word(marker)); // COMMIT

	return is_marker(old) ? NULL : old;
}

void zonetab_set_acl(struct zonetab *t, uint32_t slot, const struct acl *acl)
{
	rcu_set_pointer(&slot_at(t, slot)->acl, acl); // COMMIT
}

void zonetab_set_expire(struct zonetab *t, uint32_t slot, uint32_t at_s)
{
	__atomic_store_n(&slot_at(t, slot)->expire_s, at_s, __ATOMIC_RELAXED);
}

uint32_t zonetab_expire(const struct zonetab *t, uint32_t slot)
{
	return __atomic_load_n(&slot_at(t, slot)->expire_s, __ATOMIC_RELAXED);
}

const struct snapshot *zonetab_snapshot(const struct zonetab *t, uint32_t slot, enum zone_marker *out_marker)
{
	const struct snapshot *cur = rcu_dereference(slot_at(t, slot)->cur);

	if (!is_marker(cur)) {
		rcu_after(cur);
		return cur;
	}
	if (out_marker != NULL)
		*out_marker = (enum zone_marker)((uintptr_t)cur - 1);
	return NULL;
}

/*
 * The largest number of labels, at most max, that some apex has; -1: none. Suffixes of other lengths are not looked up
 * at all: most tables know one or two lengths.
 */
static int labels_at_most(const struct zonetab *t, unsigned max)
{
	unsigned word = max / 64;
	uint64_t bits = __atomic_load_n(&t->labels[word], __ATOMIC_ACQUIRE) & (UINT64_MAX >> (63 - max % 64));

	while (bits == 0) {
		if (word-- == 0)
			return -1;
		bits = __atomic_load_n(&t->labels[word], __ATOMIC_ACQUIRE);
	}
	return (int)(word * 64 + 63u - (unsigned)__builtin_clzll(bits));
}

static void find_done(const struct zonetab *t, struct zonetab_find *f, uint32_t slot)
{
	/* In this order: a zone that goes loses its snapshot, then its list. */
	const struct acl *acl = __atomic_load_n(&slot_at(t, slot)->acl, __ATOMIC_ACQUIRE);
	const struct snapshot *cur = rcu_dereference(slot_at(t, slot)->cur);

	f->slot = slot;
	f->acl = acl;
	f->snap = is_marker(cur) ? NULL : cur;
	f->marker = (uint8_t)((uintptr_t)cur - 1);
	__builtin_prefetch(cur);
}

/* From the suffix of `labels` labels on, longest first. */
static void find_from(const struct zonetab *t, struct zonetab_find *f, int labels)
{
	const struct name_hashes *h = f->hashes;

	for (; labels >= 0; labels = labels == 0 ? -1 : labels_at_most(t, (unsigned)labels - 1)) {
		unsigned label = h->label_cnt - (unsigned)labels;
		uint32_t slot = find_apex(t, h->hash[label], f->name + h->off[label]);

		if (slot == ZONETAB_SLOT_NONE)
			continue;
		f->apex_label = (uint8_t)label;
		find_done(t, f, slot);
		return;
	}
	f->slot = ZONETAB_SLOT_NONE;
	f->acl = NULL;
	f->snap = NULL;
}

/* Where a find of a burst stands between the stages. */
struct hint {
	int labels;    /* of the longest suffix that may be an apex; -1: none */
	uint32_t slot; /* what its first word in the index leads to, or ZONETAB_SLOT_NONE */
};

static void hint_word(const struct index *x, const struct zonetab_find *f, const struct hint *hint)
{
	const struct name_hashes *h = f->hashes;

	if (hint->labels >= 0)
		__builtin_prefetch(&x->words[(uint32_t)h->hash[h->label_cnt - hint->labels] & x->mask]);
}

static void hint_slot(const struct zonetab *t, const struct index *x, const struct zonetab_find *f,
		      struct hint *hint)
{
	const struct name_hashes *h = f->hashes;
	uint64_t hash, word;

	hint->slot = ZONETAB_SLOT_NONE;
	if (hint->labels < 0)
		return;
	hash = h->hash[h->label_cnt - hint->labels];
	word = __atomic_load_n(&x->words[(uint32_t)hash & x->mask], __ATOMIC_ACQUIRE);
	if (word <= WORD_DEAD || (word ^ hash) >> 32 != 0)
		return;
	hint->slot = (uint32_t)(word - 2);
	__builtin_prefetch(slot_at(t, hint->slot));
}

/* Whether the hint was right, which it nearly always is. */
static bool hint_holds(const struct zonetab *t, const struct zonetab_find *f, const struct hint *hint)
{
	const struct name_hashes *h = f->hashes;
	unsigned label = h->label_cnt - (unsigned)hint->labels;
	const struct slot *s = slot_at(t, hint->slot);
	const uint8_t *apex = rcu_dereference(s->apex);

	/* An equal hash means an equal name but for an accident of 64 bits, and then the length octets tell. */
	return apex != NULL && s->hash == h->hash[label] &&
	       name_same(apex, f->name + h->off[label], (size_t)h->len - h->off[label]);
}

static void find_hinted(const struct zonetab *t, struct zonetab_find *f, const struct hint *hint)
{
	if (hint->slot == ZONETAB_SLOT_NONE || !hint_holds(t, f, hint)) {
		find_from(t, f, hint->labels);
		return;
	}
	f->apex_label = (uint8_t)(f->hashes->label_cnt - hint->labels);
	find_done(t, f, hint->slot);
}

void zonetab_find_burst(const struct zonetab *t, struct zonetab_find *const finds[], unsigned cnt)
{
	const struct index *x = rcu_dereference(t->cur);
	struct hint hints[LOOKUP_BURST_MAX];

	for (unsigned i = 0; i < cnt; i++) {
		hints[i].labels =
			labels_at_most(t, (unsigned)finds[i]->hashes->label_cnt - finds[i]->first_label);
		hint_word(x, finds[i], &hints[i]);
	}
	for (unsigned i = 0; i < cnt; i++)
		hint_slot(t, x, finds[i], &hints[i]);
	for (unsigned i = 0; i < cnt; i++)
		find_hinted(t, finds[i], &hints[i]);
}

/* The smallest number of labels above cnt that some apex has; NAME_LABELS_MAX + 1: none. */
static unsigned labels_beyond(const struct zonetab *t, unsigned cnt)
{
	for (unsigned word = (cnt + 1) / 64, from = (cnt + 1) % 64; word < LABELS_WORDS; word++, from = 0) {
		uint64_t bits = __atomic_load_n(&t->labels[word], __ATOMIC_ACQUIRE) & UINT64_MAX << from;

		if (bits != 0)
			return word * 64 + (unsigned)__builtin_ctzll(bits);
	}
	return NAME_LABELS_MAX + 1;
}

void zonetab_recall(const struct zonetab *t, uint32_t slot, struct zonetab_recent *out)
{
	const struct slot *s;
	const uint8_t *apex;

	out->label_min = UINT8_MAX;
	out->label_room = 0;
	out->apex_at_max = 0;
	out->apex_len = 0;
	if (slot == ZONETAB_SLOT_NONE)
		return;
	s = slot_at(t, slot);
	apex = rcu_dereference(s->apex);
	if (apex == NULL)
		return;
	if (rcu_dereference(s->acl) != NULL)
		return;
	out->apex = apex;
	out->hash = s->hash;
	out->snap = zonetab_snapshot(t, slot, NULL);
	if (out->snap == NULL)
		return;
	out->slot = slot;
	out->apex_len = s->apex_len;
	out->apex_at_max = (uint16_t)(NAME_LEN_MAX - s->apex_len);
	out->label_min = s->label_cnt;
	out->label_room = (uint8_t)(labels_beyond(t, s->label_cnt) - s->label_cnt);
}
