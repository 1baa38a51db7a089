/*
 * Blocks and the entries in them, as they lie in memory and on disk (FORMAT.md draws them). For dataplane/zone only.
 *
 * A block holds the entries whose key starts with its prefix of `depth` bits:
 *
 *     struct block | tags: u16[tag_cap] | offs: u16[tag_cap], in units of 2 octets | entries
 *
 * Tags are 16 bits of the key, compared 16 at a time. Position-independent: nothing inside is an address. Immutable
 * once published; a builder changes blocks of its own version in place.
 */
#pragma once

#include <string.h>

#include "dataplane/zone/snapshot.h"

#define BLOCK_VERSION	 1
#define BLOCK_TAG_STEP	 16	/* one AVX2 register of tags */
#define BLOCK_NAMES_MAX	 64	/* split beyond: about 44 names in the middle, a probe is four compares */
#define BLOCK_SPLIT_SIZE 8192	/* or beyond so many octets: what a one-record change copies */
#define BLOCK_SIZE_MAX	 131072 /* what 16-bit offsets in units of 2 reach */
#define BLOCK_DEPTH_MAX	 24

enum block_kind {
	BLOCK_NAMES,  /* key: chained name hash */
	BLOCK_NSEC3,  /* key: the hash in the owner name; order of keys is order of the chain */
	BLOCK_SHARED, /* key: hash of the content */
};
#define BLOCK_KIND_CNT 3

struct block {
	uint8_t kind;	 /* enum block_kind */
	uint8_t format;	 /* BLOCK_VERSION */
	uint8_t depth;	 /* bits of the key that all entries share */
	uint8_t tag_cap; /* room for tags, a multiple of BLOCK_TAG_STEP */
	uint32_t size;	 /* octets used, from the header on */
	uint16_t
		garbage; /* of them, in units of 2, those of entries removed since the block was written afresh */
	uint16_t cnt;
	uint32_t sum;	 /* stored form: checksum of all octets, itself taken as 0. In memory 0 */
	uint64_t prefix; /* the shared bits, at the top */
	uint64_t birth;	 /* version of the zone that made it; stored form: 0 */
};
_Static_assert(sizeof(struct block) == 32, "tags must start on an AVX2 boundary");

struct entry {
	uint8_t flags;	 /* enum entry_flag, and the two below */
	uint8_t rel_len; /* octets of the name below the apex, 0 for the apex */
	/*
	 * rest: rel_len octets of name in lower case; the same as received if ENTRY_CASE; u32 number of existing names
	 * directly below if ENTRY_PARENT; then the record sets in ascending type order, none if ENTRY_EMPTY.
	 */
	uint8_t rest[];
};

#define ENTRY_PARENT \
	(1 << 5) /* stands where ENTRY_APEX does: the apex is known by rel_len 0 and counts no children */
#define ENTRY_CASE (1 << 7)

/*
 * One record set:
 *     u8 form; if any of the four: padding to 2 (from the entry's start);
 *     SHARED: u16 type, u32 id: the set is in the tree of shared content, nothing follows
 *     MULTI: u16 len, u16 cnt (otherwise one record)   SIGS: u16 sig_len, u16 sig_cnt   RELOC: u16 cnt, u16[cnt]
 *     the records, the RRSIGs
 */
enum set_form {
	SET_MULTI = 1 << 0,
	SET_SIGS = 1 << 1,
	SET_RELOC = 1 << 2,
	SET_SHARED = 1 << 3,
	SET_GLUE = 1 << 4, /* not a set: the prepared glue of a cut, always last */
	SET_APEX = 1 << 5, /* laid out for the apex as owner, so that it can be shared */
	SET_LAST = 1 << 7,
};
#define SET_LONG (SET_MULTI | SET_SIGS | SET_RELOC | SET_SHARED)

/* An item of shared content: u32 id, u32 number of references, then one set. flags and rel_len are 0. */
#define SHARED_HEAD 8

/* Ids are 32 bits of a content hash; both ends of the key come from them: the directory and the tag. */
static inline uint64_t shared_key(uint32_t id)
{
	return (uint64_t)id << 32 | id;
}

static inline uint16_t *block_tags(struct block *b)
{
	return (uint16_t *)(b + 1);
}

static inline uint16_t *block_offs(struct block *b)
{
	return (uint16_t *)(b + 1) + b->tag_cap;
}

static inline const uint16_t *block_tags_const(const struct block *b)
{
	return (const uint16_t *)(b + 1);
}

static inline struct entry *block_entry(const struct block *b, unsigned i)
{
	uint16_t off = ((const uint16_t *)(b + 1))[b->tag_cap + i];

	return (struct entry *)((uint8_t *)(uintptr_t)b + (size_t)off * 2);
}

static inline size_t block_head_size(unsigned tag_cap)
{
	return sizeof(struct block) + tag_cap * 4u;
}

/* The tag of a key. NSEC3 tags are the 16 bits behind the prefix, so that they order the block's entries. */
static inline uint16_t block_tag(uint8_t kind, uint8_t depth, uint64_t key)
{
	return kind == BLOCK_NSEC3 ? (uint16_t)(key << depth >> 48) : (uint16_t)key;
}

/* Two bits for each of 16 tags that equals tag. */
uint32_t block_match_scalar(const uint16_t *tags, uint16_t tag);

#ifdef __AVX2__
#include <immintrin.h>
static inline uint32_t block_match16(const uint16_t *tags, uint16_t tag)
{
	__m256i eq = _mm256_cmpeq_epi16(_mm256_load_si256((const __m256i *)(const void *)tags),
					_mm256_set1_epi16((short)tag));

	return (uint32_t)_mm256_movemask_epi8(eq);
}
#else
static inline uint32_t block_match16(const uint16_t *tags, uint16_t tag)
{
	return block_match_scalar(tags, tag);
}
#endif

/* Which of 16 tags the lowest bits of a match that is not 0 stand for, and the match without them. */
static inline unsigned block_match_first(uint32_t hits)
{
	return (unsigned)__builtin_ctz(hits) / 2;
}

static inline uint32_t block_match_rest(uint32_t hits)
{
	hits &= hits - 1;
	return hits & (hits - 1);
}

/* Whether e's name below the apex is the len octets at rel (lower case). */
static inline bool entry_is(const struct entry *e, const uint8_t *rel, size_t len)
{
	return e->rel_len == len && name_same(e->rest, rel, len);
}

/* Finds by name. NULL: not in this block. */
static inline struct entry *block_find(const struct block *b, uint16_t tag, const uint8_t *rel, size_t len)
{
	for (unsigned i = 0; i < b->cnt; i += BLOCK_TAG_STEP) {
		uint32_t hits = block_match16(block_tags_const(b) + i, tag);

		for (; hits != 0; hits = block_match_rest(hits)) {
			unsigned at = i + block_match_first(hits);
			struct entry *e;

			if (at >= b->cnt)
				return NULL;
			e = block_entry(b, at);
			if (entry_is(e, rel, len))
				return e;
		}
	}
	return NULL;
}

/* Where the record sets start. */
static inline const uint8_t *entry_sets(const struct entry *e)
{
	if ((e->flags & (ENTRY_CASE | ENTRY_PARENT)) == 0)
		return e->rest + e->rel_len;
	return e->rest + (e->flags & ENTRY_CASE ? 2u : 1u) * e->rel_len + (e->flags & ENTRY_PARENT ? 4u : 0);
}

/* One set as it lies there. base is what padding counts from: the entry. */
struct set_raw {
	const uint8_t *body;
	const uint16_t *reloc;
	const uint8_t *end; /* where the next one starts */
	uint32_t len;
	uint32_t sig_len;
	uint32_t id; /* SET_SHARED */
	uint16_t cnt;
	uint16_t sig_cnt;
	uint16_t reloc_cnt;
	uint16_t type; /* unspecified for SET_GLUE */
	uint8_t form;
};

static inline uint16_t set_get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t set_get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void set_read(const void *base, const uint8_t *p, struct set_raw *out)
{
	uint8_t form = *p++;
	bool multi = (form & SET_MULTI) != 0;

	out->form = form;
	out->cnt = 1;
	out->len = 0;
	out->id = 0;
	out->sig_len = 0;
	out->sig_cnt = 0;
	out->reloc_cnt = 0;
	out->reloc = NULL;
	if (form & SET_LONG) {
		p += (uintptr_t)(p - (const uint8_t *)base) & 1;
		if (form & SET_SHARED) {
			out->type = set_get16(p);
			out->id = set_get32(p + 2);
			out->body = NULL;
			out->end = p + 6;
			return;
		}
		if (multi) {
			out->len = set_get16(p);
			out->cnt = set_get16(p + 2);
			p += 4;
		}
		if (form & SET_SIGS) {
			out->sig_len = set_get16(p);
			out->sig_cnt = set_get16(p + 2);
			p += 4;
		}
		if (form & SET_RELOC) {
			out->reloc_cnt = set_get16(p);
			out->reloc = (const uint16_t *)(const void *)(p + 2);
			p += 2 + 2 * out->reloc_cnt;
		}
	}
	if (!multi)
		out->len = 12u + wire_load16(p + 10);
	out->body = p;
	out->type = wire_load16(p + 2);
	out->end = p + out->len + out->sig_len;
}

/* Whether the set at p is one record and nothing else: its form, and its body behind that. */
static inline bool set_is_plain(const uint8_t *p)
{
	return (*p & (SET_LONG | SET_GLUE | SET_APEX)) == 0;
}

/* Of the sets from p on the first that is of a type or is not plain; NULL: none. */
static inline const uint8_t *set_skip_plain(const uint8_t *p, uint16_t type)
{
	while (set_is_plain(p) && wire_load16(p + 3) != type) {
		if (*p & SET_LAST)
			return NULL;
		p += 13u + wire_load16(p + 11);
	}
	return p;
}

/* Finds an item of shared content. NULL: not in this block. */
static inline const struct entry *block_find_shared(const struct block *b, uint32_t id)
{
	for (unsigned i = 0; i < b->cnt; i++)
		if (block_tags_const(b)[i] == (uint16_t)id && set_get32(block_entry(b, i)->rest) == id)
			return block_entry(b, i);
	return NULL;
}

/* Octets of an entry, without the padding behind it. */
size_t entry_size(uint8_t kind, const struct entry *e);

/* Empties the memory at b, of cap octets, to a block without entries. */
void block_init(struct block *b, uint8_t kind, uint8_t depth, uint64_t prefix, uint64_t birth);

/* Appends an entry; false when cap octets do not hold it, or it has BLOCK_NAMES_MAX entries and size beyond. */
bool block_append(struct block *b, uint32_t cap, uint16_t tag, const void *entry, size_t len);

/* Octets that block_append needs for the block to grow by an entry of len. */
size_t block_size_with(const struct block *b, size_t len);

/* Removes the entry; its octets become garbage. */
void block_remove(struct block *b, const struct entry *e);

/* Copies all entries of src to dst, which was block_init'ed, keeping their tags; drops garbage. */
void block_copy(struct block *dst, uint32_t cap, const struct block *src);

static inline size_t block_garbage(const struct block *b)
{
	return (size_t)b->garbage * 2;
}

/* block_store.c: the form that is kept on disk: the same octets with a checksum. out: b->size octets. */
void block_store(const struct block *b, void *out);

/*
 * Whether len octets from a disk are a block that this program can read: version, checksum and every offset. They
 * need the alignment of a block. Machines of the other byte order fail at the checksum.
 */
bool block_is_sound(const void *octets, size_t len);
