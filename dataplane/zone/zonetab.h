/*
 * The zone table: apex names to slots; a slot holds the current snapshot or a marker that says why there is none.
 *
 * This is the only place where the two planes meet, and (with the rest of dataplane/zone) the only one that
 * knows RCU pointers. One writer thread (the control loop); any number of registered QSBR readers.
 * Made for a million zones, changed one at a time without disturbing the others.
 */
#pragma once

#include "dataplane/zone/acl.h"
#include "dataplane/zone/lookup.h"

struct zonetab;

#define ZONETAB_SLOT_NONE UINT32_MAX

enum zone_marker {
	ZONE_NOT_LOADED, /* configured, no transfer has succeeded yet */
	ZONE_EXPIRED,	 /* SOA EXPIRE passed without contact (RFC 1034 4.3.5) */
};

/* key: the hash key of all names in the table and in its snapshots. Returns NULL when out of memory. */
struct zonetab *zonetab_new(uint64_t key);

/* No reader is left. Retires all snapshots. */
void zonetab_free(struct zonetab *t);

uint64_t zonetab_key(const struct zonetab *t);
uint32_t zonetab_cnt(const struct zonetab *t);

/* Writer. All slots in use are below; each zonetab_add may make it one more. */
uint32_t zonetab_slots(const struct zonetab *t);

/* Writer. A new slot with ZONE_NOT_LOADED. Returns 0, -EEXIST, -ENOMEM. */
int zonetab_add(struct zonetab *t, const uint8_t *apex, uint32_t *out_slot);

/* Writer. The zone is unknown from now on; its snapshot is retired; the slot may be used again. */
void zonetab_remove(struct zonetab *t, uint32_t slot);

/* Writer. Takes *next, sets it NULL. Never waits for a reader. The old snapshot is retired. */
void zonetab_publish(struct zonetab *t, uint32_t slot, struct snapshot **next);

/*
 * Writer. The same, but the snapshot that was served (NULL if none) is returned and the caller's now: to be published
 * again or retired; readers may still be in it for this grace period.
 */
struct snapshot *zonetab_replace(struct zonetab *t, uint32_t slot, struct snapshot **next);

/* Writer. Stops serving: the slot answers with the marker. Returns what was served, as zonetab_replace. */
struct snapshot *zonetab_withdraw(struct zonetab *t, uint32_t slot, enum zone_marker marker);

/*
 * When the zone expires, in seconds of the monotonic clock; 0: not known, as for a new slot. Set by the writer, got by any
 * thread (RFC 7314).
 */
void zonetab_set_expire(struct zonetab *t, uint32_t slot, uint32_t at_s);
uint32_t zonetab_expire(const struct zonetab *t, uint32_t slot);

/* Writer. Who may ask the zone; NULL, as for a new slot: everybody. The old one is the caller's, for a grace period. */
void zonetab_set_acl(struct zonetab *t, uint32_t slot, const struct acl *acl);

/* Any registered reader: NULL when a marker stands there, *out_marker (may be NULL) says which. */
const struct snapshot *zonetab_snapshot(const struct zonetab *t, uint32_t slot, enum zone_marker *out_marker);

/* One question on its way to a zone. */
struct zonetab_find {
	/* in */
	const uint8_t *name; /* lower case */
	const struct name_hashes *hashes;
	uint8_t first_label; /* look at suffixes from here on: 0, or 1 to skip the name itself (DS at a cut, RFC 4035 3.1.4.1) */
	/* out */
	uint8_t apex_label;    /* where the longest configured suffix starts */
	uint8_t marker;	       /* enum zone_marker, if snap is NULL and slot is not ZONETAB_SLOT_NONE */
	uint32_t slot;	       /* ZONETAB_SLOT_NONE: no zone of ours */
	const struct acl *acl; /* who may ask the zone; NULL: everybody, or no zone of ours. Valid as snap */
	const struct snapshot *snap; /* valid until this thread's next quiescent state */
};

/* Longest match for each; cnt <= LOOKUP_BURST_MAX. Hot path. */
void zonetab_find_burst(const struct zonetab *t, struct zonetab_find *const finds[], unsigned cnt);

/*
 * A zone that a question came for of late: the next ones mostly come for it again, and to see that costs less than hashing
 * all suffixes and looking them up. Belongs to one reader; valid until its next quiescent state.
 */
struct zonetab_recent {
	const uint8_t *apex; /* lower case, apex_len octets */
	const struct snapshot *snap;
	uint64_t hash; /* of apex */
	uint32_t slot;
	uint16_t apex_at_max; /* in a name of NAME_LEN_MAX */
	uint8_t apex_len;
	uint8_t label_min; /* of the apex; UINT8_MAX: nothing to recall: gone, no snapshot, or not for everybody */
	uint8_t label_room; /* with so many labels more a name may belong to a zone below */
};

/* slot: what a find of this reader gave once, or ZONETAB_SLOT_NONE. */
void zonetab_recall(const struct zonetab *t, uint32_t slot, struct zonetab_recent *out);

/* Whether f, with first_label 0, would find this zone. Of f's hashes none is needed. Fills the out part if so. */
static inline bool zonetab_find_recent(const struct zonetab_recent *r, struct zonetab_find *f)
{
	const struct name_hashes *h = f->hashes;
	unsigned label = (unsigned)h->label_cnt - r->label_min;

	if (h->label_cnt < r->label_min || label >= r->label_room || h->len - h->off[label] != r->apex_len ||
	    !name_same(f->name + h->off[label], r->apex, r->apex_len))
		return false;
	f->apex_label = (uint8_t)label;
	f->slot = r->slot;
	f->acl = NULL;
	f->snap = r->snap;
	return true;
}
