/*
 * Address space is reserved once and taken from the system in chunks of 2 MiB, one huge page each. A chunk is cut
 * into slabs of 64 KiB, a slab into objects of one size class; larger objects take several slabs in a row.
 *
 * Size classes step by 64 octets up to 2 KiB, then by 1/32 .. 1/16 of the size: blocks have any size, and at tens
 * of octets a record every percent of slack counts. Free space is taken from the lowest chunk, so that chunks at
 * the top fall empty and go back to the system.
 *
 * Invariants, under the lock: a slab is either free (its bit in chunk.free is set), or full (in no list), or in its
 * class's list. Objects are only written here while they are free.
 */
#include "dataplane/zone/arena_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SLAB_SIZE      (64u << 10)
#define CHUNK_SIZE     (2u << 20)
#define CHUNK_SLABS    (CHUNK_SIZE / SLAB_SIZE)
#define CLASS_CNT      80u
#define CLASS_SPAN     0x100u /* + number of slabs */
#define CLASS_FREE     0xFFFFu
#define CLASS_SIZE_MAX 16384u
#define PAGE_SIZE      4096u
#define CHUNKS_SPARE   4u /* empty ones kept, so that a change and its reclaim do not map and unmap by turns */
#define SLAB_NONE      UINT32_MAX

struct slab {
	uint32_t next; /* in the list of its class */
	uint32_t prev;
	uint16_t class;
	uint16_t used;
	uint16_t fresh; /* objects from here on were never handed out */
	uint16_t free;	/* first free object + 1; each holds the next in its first two octets */
};

struct chunk {
	uint32_t free; /* one bit per slab */
	bool mapped;
	bool huge;
};

struct arena {
	uint8_t *base;
	size_t range; /* octets reserved */
	struct slab *slabs;
	struct chunk *chunks;
	uint32_t chunk_cnt;
	bool huge_pages;
	bool protect;
	pthread_mutex_t versions;
	pthread_mutex_t lock; /* all below; builders and reclaim */
	uint32_t partial[CLASS_CNT];
	uint32_t chunk_hint; /* no free slab in a mapped chunk below this one */
	uint32_t chunk_top;  /* no mapped chunk from this one on */
	uint32_t spare;	     /* mapped chunks that are empty */
	uint64_t mapped;     /* octets */
	uint64_t used;
	uint32_t huge_cnt, mapped_cnt;
	uint64_t number;  /* atomic, relaxed: the last one given out */
	uint64_t retired; /* atomic, relaxed: a sum that two threads keep and anyone reads */
};

static uint32_t class_of(size_t size)
{
	if (size <= 2048)
		return (uint32_t)((size + 63) / 64 - 1);
	if (size <= 4096)
		return 32 + (uint32_t)((size - 2048 + 127) / 128 - 1);
	if (size <= 8192)
		return 48 + (uint32_t)((size - 4096 + 255) / 256 - 1);
	return 64 + (uint32_t)((size - 8192 + 511) / 512 - 1);
}

static uint32_t class_size(uint32_t class)
{
	if (class < 32)
		return (class + 1) * 64;
	if (class < 48)
		return 2048 + (class - 31) * 128;
	if (class < 64)
		return 4096 + (class - 47) * 256;
	return 8192 + (class - 63) * 512;
}

static uint8_t *slab_at(const struct arena *a, uint32_t slab)
{
	return a->base + (size_t)slab * SLAB_SIZE;
}

static void *map_side(size_t size)
{
	void *p =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* The range starts at a chunk boundary, so that huge pages fit. */
static int reserve(struct arena *a)
{
	size_t size = a->range + CHUNK_SIZE;
	uint8_t *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t head;

	if (p == MAP_FAILED)
		return -errno;
	head = (CHUNK_SIZE - (uintptr_t)p % CHUNK_SIZE) % CHUNK_SIZE;
	a->base = p + head;
	if (head > 0)
		munmap(p, head);
	if (head < CHUNK_SIZE)
		munmap(a->base + a->range, CHUNK_SIZE - head);
	return 0;
}

int arena_new(const struct arena_config *config, struct arena **out)
{
	struct arena *a = calloc(1, sizeof(*a));
	uint64_t chunk_cnt = config->bytes_max / CHUNK_SIZE;
	int rc = -ENOMEM;

	if (a == NULL)
		return -ENOMEM;
	if (chunk_cnt == 0)
		chunk_cnt = 1;
	if (chunk_cnt > (UINT64_C(1) << 32) * ARENA_UNIT / CHUNK_SIZE)
		chunk_cnt = (UINT64_C(1) << 32) * ARENA_UNIT / CHUNK_SIZE;
	a->chunk_cnt = (uint32_t)chunk_cnt;
	a->range = (size_t)chunk_cnt * CHUNK_SIZE;
	a->huge_pages = config->huge_pages;
	a->protect = config->protect;
	a->chunks = map_side(chunk_cnt * sizeof(struct chunk));
	a->slabs = map_side(chunk_cnt * CHUNK_SLABS * sizeof(struct slab));
	if (a->chunks == NULL || a->slabs == NULL)
		goto free_side;
	rc = reserve(a);
	if (rc < 0)
		goto free_side;
	for (unsigned i = 0; i < CLASS_CNT; i++)
		a->partial[i] = SLAB_NONE;
	pthread_mutex_init(&a->lock, NULL);
	pthread_mutex_init(&a->versions, NULL);
	*out = a;
	return 0;
free_side:
	if (a->chunks != NULL)
		munmap(a->chunks, chunk_cnt * sizeof(struct chunk));
	if (a->slabs != NULL)
		munmap(a->slabs, chunk_cnt * CHUNK_SLABS * sizeof(struct slab));
	free(a);
	return rc;
}

void arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	munmap(a->base, a->range);
	munmap(a->chunks, a->chunk_cnt * sizeof(struct chunk));
	munmap(a->slabs, (size_t)a->chunk_cnt * CHUNK_SLABS * sizeof(struct slab));
	pthread_mutex_destroy(&a->lock);
	pthread_mutex_destroy(&a->versions);
	free(a);
}

void arena_retired_begin(struct arena *a, uint64_t bytes)
{
	__atomic_fetch_add(&a->retired, bytes, __ATOMIC_RELAXED);
}

void arena_retired_end(struct arena *a, uint64_t bytes)
{
	__atomic_fetch_sub(&a->retired, bytes, __ATOMIC_RELAXED);
}

void arena_info(const struct arena *ca, struct arena_info *out)
{
	struct arena *a = (struct arena *)(uintptr_t)ca; /* only for its lock */

	pthread_mutex_lock(&a->lock);
	out->bytes_used = a->used;
	out->bytes_resident = a->mapped;
	out->bytes_max = a->range;
	out->bytes_retired = __atomic_load_n(&a->retired, __ATOMIC_RELAXED);
	out->huge_pages = a->mapped_cnt > 0 ? a->huge_cnt == a->mapped_cnt : a->huge_pages;
	pthread_mutex_unlock(&a->lock);
}

static bool chunk_map(struct arena *a, uint32_t c)
{
	uint8_t *at = a->base + (size_t)c * CHUNK_SIZE;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	struct chunk *chunk = &a->chunks[c];

	chunk->huge = false;
	if (a->huge_pages && !a->protect) /* protection works on ordinary pages */
		chunk->huge = mmap(at, CHUNK_SIZE, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB, -1, 0) !=
			      MAP_FAILED;
	if (!chunk->huge) {
		if (mmap(at, CHUNK_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED)
			return false;
		if (a->huge_pages && !a->protect)
			madvise(at, CHUNK_SIZE, MADV_HUGEPAGE);
	}
	chunk->mapped = true;
	/* Reference 0 means none, so the very first slab stays unused. */
	chunk->free = c == 0 ? ~UINT32_C(1) : ~UINT32_C(0);
	a->mapped += CHUNK_SIZE;
	a->mapped_cnt++;
	a->huge_cnt += chunk->huge;
	a->spare++;
	if (c >= a->chunk_top)
		a->chunk_top = c + 1;
	return true;
}

static bool chunk_empty(const struct chunk *chunk, uint32_t c)
{
	return chunk->free == (c == 0 ? ~UINT32_C(1) : ~UINT32_C(0));
}

static void chunk_unmap(struct arena *a, uint32_t c)
{
	uint8_t *at = a->base + (size_t)c * CHUNK_SIZE;
	struct chunk *chunk = &a->chunks[c];

	/* Mapping over it gives the pages back and keeps the address space reserved. */
	if (mmap(at, CHUNK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
	    MAP_FAILED)
		return; /* stays as a spare */
	chunk->mapped = false;
	chunk->free = 0;
	a->mapped -= CHUNK_SIZE;
	a->mapped_cnt--;
	a->huge_cnt -= chunk->huge;
	a->spare--;
	while (a->chunk_top > 0 && !a->chunks[a->chunk_top - 1].mapped)
		a->chunk_top--;
}

/* The first bit of a run of cnt set bits, or CHUNK_SLABS. */
static uint32_t find_run(uint32_t bits, uint32_t cnt)
{
	for (uint32_t i = 1; i < cnt && bits != 0; i++)
		bits &= bits >> 1;
	return bits == 0 ? CHUNK_SLABS : (uint32_t)__builtin_ctz(bits);
}

/* cnt slabs in a row, marked used. Returns the first, or SLAB_NONE. */
static uint32_t slabs_take(struct arena *a, uint32_t cnt)
{
	uint32_t mask = cnt == 32 ? ~UINT32_C(0) : (UINT32_C(1) << cnt) - 1;
	uint32_t hole = UINT32_MAX;
	uint32_t c, bit = CHUNK_SLABS;

	while (a->chunk_hint < a->chunk_top && a->chunks[a->chunk_hint].free == 0 &&
	       a->chunks[a->chunk_hint].mapped)
		a->chunk_hint++;
	for (c = a->chunk_hint; c < a->chunk_top; c++) {
		if (!a->chunks[c].mapped) {
			if (hole == UINT32_MAX)
				hole = c;
			continue;
		}
		bit = find_run(a->chunks[c].free, cnt);
		if (bit < CHUNK_SLABS)
			break;
	}
	if (bit == CHUNK_SLABS) {
		c = hole != UINT32_MAX ? hole : a->chunk_top;
		if (c == 0 && cnt == CHUNK_SLABS)
			c = a->chunk_top > 1 ? a->chunk_top : 1; /* the first chunk lacks its first slab */
		if (c >= a->chunk_cnt || !chunk_map(a, c))
			return SLAB_NONE;
		bit = find_run(a->chunks[c].free, cnt);
	}
	if (chunk_empty(&a->chunks[c], c))
		a->spare--;
	a->chunks[c].free &= ~(mask << bit);
	return c * CHUNK_SLABS + bit;
}

static void slabs_give(struct arena *a, uint32_t slab, uint32_t cnt)
{
	uint32_t mask = cnt == 32 ? ~UINT32_C(0) : (UINT32_C(1) << cnt) - 1;
	uint32_t c = slab / CHUNK_SLABS;

	for (uint32_t i = 0; i < cnt; i++)
		a->slabs[slab + i].class = CLASS_FREE;
	a->chunks[c].free |= mask << (slab % CHUNK_SLABS);
	if (c < a->chunk_hint)
		a->chunk_hint = c;
	if (!chunk_empty(&a->chunks[c], c))
		return;
	a->spare++;
	if (a->spare > CHUNKS_SPARE)
		chunk_unmap(a, c);
}

static void list_add(struct arena *a, uint32_t slab)
{
	struct slab *s = &a->slabs[slab];

	s->prev = SLAB_NONE;
	s->next = a->partial[s->class];
	if (s->next != SLAB_NONE)
		a->slabs[s->next].prev = slab;
	a->partial[s->class] = slab;
}

static void list_remove(struct arena *a, uint32_t slab)
{
	struct slab *s = &a->slabs[slab];

	if (s->prev != SLAB_NONE)
		a->slabs[s->prev].next = s->next;
	else
		a->partial[s->class] = s->next;
	if (s->next != SLAB_NONE)
		a->slabs[s->next].prev = s->prev;
}

static uint8_t *object_take(struct arena *a, uint32_t class)
{
	uint32_t size = class_size(class);
	uint32_t slab = a->partial[class];
	struct slab *s;
	uint8_t *p;

	if (slab == SLAB_NONE) {
		slab = slabs_take(a, 1);
		if (slab == SLAB_NONE)
			return NULL;
		a->slabs[slab] = (struct slab){.class = (uint16_t) class};
		list_add(a, slab);
	}
	s = &a->slabs[slab];
	if (s->free != 0) {
		p = slab_at(a, slab) + (size_t)(s->free - 1) * size;
		memcpy(&s->free, p, sizeof(s->free));
	} else {
		p = slab_at(a, slab) + (size_t)s->fresh++ * size;
	}
	if (++s->used == SLAB_SIZE / size)
		list_remove(a, slab);
	return p;
}

static void object_give(struct arena *a, uint32_t slab, uint8_t *p)
{
	struct slab *s = &a->slabs[slab];
	uint32_t size = class_size(s->class);
	uint16_t at = (uint16_t)((p - slab_at(a, slab)) / size);

	memcpy(p, &s->free, sizeof(s->free));
	s->free = (uint16_t)(at + 1);
	if (s->used-- == SLAB_SIZE / size)
		list_add(a, slab);
	if (s->used == 0) {
		list_remove(a, slab);
		slabs_give(a, slab, 1);
	}
}

uint32_t arena_alloc(struct arena *a, size_t size, uint32_t *out_cap)
{
	uint8_t *p = NULL;
	uint32_t cap;

	if (a->protect)
		size = (size + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
	pthread_mutex_lock(&a->lock);
	if (size <= CLASS_SIZE_MAX) {
		cap = class_size(class_of(size));
		p = object_take(a, class_of(size));
	} else {
		uint32_t cnt = (uint32_t)((size + SLAB_SIZE - 1) / SLAB_SIZE);
		uint32_t slab = cnt <= CHUNK_SLABS ? slabs_take(a, cnt) : SLAB_NONE;

		cap = cnt * SLAB_SIZE;
		if (slab != SLAB_NONE) {
			a->slabs[slab] = (struct slab){.class = (uint16_t)(CLASS_SPAN + cnt)};
			p = slab_at(a, slab);
		}
	}
	if (p != NULL)
		a->used += cap;
	pthread_mutex_unlock(&a->lock);
	if (p == NULL)
		return 0;
	*out_cap = cap;
	return (uint32_t)((size_t)(p - a->base) / ARENA_UNIT);
}

uint32_t arena_cap(const struct arena *a, uint32_t ref)
{
	/* The class of a slab does not change while an object in it is allocated, so no lock. */
	uint32_t class = a->slabs[(uint64_t)ref * ARENA_UNIT / SLAB_SIZE].class;

	return class > CLASS_SPAN ? (class - CLASS_SPAN) * SLAB_SIZE : class_size(class);
}

void arena_release(struct arena *a, uint32_t ref)
{
	uint32_t slab = (uint32_t)((uint64_t)ref * ARENA_UNIT / SLAB_SIZE);
	uint8_t *p = arena_at(a->base, ref);
	uint32_t cap = arena_cap(a, ref);

	if (a->protect)
		mprotect(p, cap, PROT_READ | PROT_WRITE);
	pthread_mutex_lock(&a->lock);
	a->used -= cap;
	if (a->slabs[slab].class > CLASS_SPAN)
		slabs_give(a, slab, a->slabs[slab].class - CLASS_SPAN);
	else
		object_give(a, slab, p);
	pthread_mutex_unlock(&a->lock);
}

void arena_seal(struct arena *a, uint32_t ref)
{
	if (a->protect)
		mprotect(arena_at(a->base, ref), arena_cap(a, ref), PROT_READ);
}

bool arena_protects(const struct arena *a)
{
	return a->protect;
}

uint8_t *arena_base(const struct arena *a)
{
	return a->base;
}

uint64_t arena_number(struct arena *a)
{
	return __atomic_add_fetch(&a->number, 1, __ATOMIC_RELAXED);
}

void arena_versions_lock(struct arena *a)
{
	pthread_mutex_lock(&a->versions);
}

void arena_versions_unlock(struct arena *a)
{
	pthread_mutex_unlock(&a->versions);
}
