/* The parts of the builder to one another. One builder thread. */
#pragma once

#include "dataplane/zone/builder.h"
#include "dataplane/zone/chain.h"
#include "dataplane/zone/encode.h"
#include "dataplane/zone/nsec3.h"
#include "dataplane/zone/version.h"

/* Lower-case names below the apex, one behind the other, each with a length octet before it; the last at last. */
struct name_list {
	uint8_t *octets;
	size_t len, size, last;
};

/* One owner name of an edit list, and its edits in order of arrival. */
struct edit_owner {
	uint64_t hash;
	uint32_t name; /* offset in octets: absolute, as received */
	uint32_t first, last;
	uint8_t depth;
	bool adds;
	uint8_t kinds; /* full: bit BLOCK_*: what it has in that tree is in late_had */
};

struct edit {
	uint32_t next; /* index + 1 */
	uint32_t data; /* offset in octets */
	uint32_t ttl;
	uint16_t type;
	uint16_t len;
	bool del;
};

struct edits {
	struct edit_owner *owners;
	struct edit *v;
	uint32_t *slots; /* open addressing: index of owner + 1 */
	uint8_t *octets;
	uint32_t owner_cnt, owner_cap, cnt, cap, slot_cnt;
	uint64_t adds, dels, add_octets, del_octets; /* octets as the builder's limit counts them */
	size_t len, size;
	uint64_t held;		       /* octets allocated, those of the copy below among them */
	uint64_t copy;		       /* of the edits of one owner, while they are applied */
	uint64_t held_max;	       /* 0: any */
	struct builder_budget *budget; /* or NULL */
	enum builder_verdict refused;  /* why a function here has failed */
};

/* What the edits of one builder may hold, in octets and in times what the base takes. */
#define EDITS_HELD_FREE	 (UINT64_C(64) << 20)
#define EDITS_HELD_BASES 2

/* A list of edits may be so many times as long as the zone may be large; a list up to EDITS_FREE always. */
#define EDITS_PER_RECORD 4
#define EDITS_FREE	 65536

/* Full builds: an owner name whose records wait to be applied. */
struct arrival {
	struct owner owner;
	struct records records;
	uint8_t raw[NAME_LEN_MAX]; /* as received */
	uint8_t raw_len;
};

#define ARRIVAL_CNT 16 /* a power of two; some 10 misses at a time are as many as a core has under way */

struct builder {
	struct draft draft;
	struct line *line; /* NULL once the draft was committed */
	const struct snapshot *base;
	uint64_t key;
	bool edit;		 /* made from a base: strict, and edits are kept until finish */
	bool rescan;		 /* full: a cut or DNAME arrived after names below it */
	const atomic_bool *stop; /* or NULL; builder_watch */
	bool ns_inside;		 /* the NS set encoded last has targets at or below its owner */
	enum builder_verdict verdict;
	struct builder_limits limits;
	struct builder_report report;
	uint64_t records, names, delegations, octets;
	struct arrival *arrivals; /* full: a ring of ARRIVAL_CNT */
	uint32_t arrival_newest, arrival_cnt;
	struct owner owner; /* edit: of the records in `in` */
	uint8_t apex_lower[NAME_LEN_MAX];
	uint8_t apex_orig[NAME_LEN_MAX];
	uint8_t apex_len;
	uint8_t apex_label_cnt;
	bool apex_fixed; /* bodies have been laid out against apex_orig */
	struct records in, work;
	struct edits edits;	      /* full: what came late */
	uint64_t late_had;	      /* full: octets of what its names have */
	uint64_t bytes_before;	      /* of the draft, when edits began */
	bool late_applied;	      /* full: it is being applied */
	struct name_list cut;	      /* full: the one cut whose glue may still be arriving */
	struct name_list glue_dirty;  /* cuts whose glue is to be made again */
	struct name_list cut_changed; /* edit: cuts and DNAMEs that came or went above other names */
	uint8_t *entry;		      /* ENTRY_ROOM octets */
	uint8_t *spare;		      /* the same, for entries made from entries */
	uint8_t *scratch;	      /* RECORDS_SCRATCH octets */
	uint8_t *rdata;		      /* RDATA_LEN_MAX octets */
	struct encode_body *body;
};

#define ENTRY_ROOM (2 * ENCODE_BODY_CAP + 65536)

struct set_source builder_source(const struct builder *b);

/* Takes an owner of len octets apart; false: it is outside the zone. */
bool owner_init(const struct builder *b, struct owner *o, const uint8_t *name, size_t len);

/* The same for a name below the apex. */
void owner_init_rel(const struct builder *b, struct owner *o, const uint8_t *rel, size_t len);

static inline const struct entry *owner_find(const struct builder *b, const struct owner *o, unsigned label)
{
	return draft_find(&b->draft, BLOCK_NAMES, o->hash[label], o->lower + o->off[label],
			  (size_t)o->rel_len - o->off[label]);
}

/* Fails the builder: remembers the verdict and where. Returns v. */
enum builder_verdict builder_fail(struct builder *b, enum builder_verdict v, const uint8_t *owner,
				  uint16_t type);

/* Looked at once for each name, block or cut, wherever a loop may take long. */
static inline bool builder_is_stopped(const struct builder *b)
{
	return b->stop != NULL && atomic_load_explicit(b->stop, memory_order_relaxed);
}

/* From the return value of a draft function, or -ECANCELED. */
enum builder_verdict builder_draft_error(struct builder *b, int rc, const struct owner *o);

/* arrive.c: full builds. A record in order of arrival; what waits, the late ones too, is applied by arrivals_end. */
void arrivals_fini(struct builder *b);
enum builder_verdict arrivals_add(struct builder *b, const uint8_t *owner, uint16_t type, uint32_t ttl,
				  const uint8_t *rdata, uint16_t rdata_len);
enum builder_verdict arrivals_end(struct builder *b);

/* late.c: full builds. Whether records of the owner of old (NULL: there is none) wait; if so, late_add takes them. */
bool late_concerns(const struct builder *b, const struct entry *old);
enum builder_verdict late_add(struct builder *b, uint8_t kind, const struct owner *o, const struct entry *old,
			      const struct records *in);
enum builder_verdict late_apply(struct builder *b);

/* apply.c: brings the edits of one owner, `in`, into the draft. */
enum builder_verdict builder_apply(struct builder *b, const struct owner *o, struct records *in);

/* apply_set.c: r, ordered by set, becomes entry octets at b->entry. Takes references to shared content. */
enum builder_verdict builder_encode(struct builder *b, const struct owner *o, unsigned flags,
				    uint32_t children, const struct records *r, size_t *out_len);

/* shared.c: one reference more to the set in body; -EEXIST: its id is taken by other content. */
int shared_acquire(struct builder *b, const struct encode_body *body, uint32_t *out_id);
int shared_release(struct builder *b, uint32_t id);

/* Releases what an entry refers to. */
int shared_release_entry(struct builder *b, const struct entry *e);

/* family.c: ancestors. Links a new name under its parent, making empty non-terminals; tells whether it is below a cut. */
int family_join(struct builder *b, const struct owner *o, bool *out_below);
int family_leave(struct builder *b, const struct owner *o);

/* Whether an ancestor is a cut or holds a DNAME; *out_top (may be NULL): the topmost one's label. */
bool family_below(const struct builder *b, const struct owner *o, unsigned *out_top);

uint32_t entry_children(const struct entry *e);

/* Sets the delegation counter right when an entry's flags change. 0 stands for no entry. */
void builder_count_flags(struct builder *b, unsigned before, unsigned after);

/* glue.c */
/* Each cut of the list once, however often it is in there. Empties the list. */
int glue_update_list(struct builder *b, struct name_list *list);

/* chain.c. The chains among the NSEC3 records of one owner. */
void chain_ids_of(struct chain_ids *ids, uint64_t key, const struct records *r);

/* Keeps the account: an owner had an entry (old, or NULL) with records of these chains, and now has r. Returns 0 or -ENOMEM. */
int chain_note(struct builder *b, const struct owner *o, const struct entry *old,
	       const struct chain_ids *before, const struct records *r);

/*
 * The chain that s, of the finished draft, denies with: SHA-1, flags 0 (RFC 5155 4.1.2), and in use: the apex has a record of
 * it. Several may exist while parameters change; a few are looked at. None is no error. Returns 0 or -ENOMEM.
 */
int chain_choose(struct builder *b, struct snapshot *s);

/* occlude.c: sets ENTRY_BELOW right everywhere (full), or below the names in cut_changed (edit). */
int occlude_all(struct builder *b);

/* edits.c. The owner's place in the list, made if there is none; NULL: no memory. */
struct edit_owner *edits_owner(struct edits *e, const struct owner *o, const uint8_t *name);
int edits_add(struct builder *b, const struct owner *o, const uint8_t *name, uint16_t type, uint32_t ttl,
	      const uint8_t *rdata, uint16_t len, bool del);
enum builder_verdict edits_apply(struct builder *b);
void edits_fini(struct edits *e); /* empty again */

/* Nothing happens when it is the last one already. */
int name_list_add(struct name_list *l, const uint8_t *rel, size_t len);
