#include "control/deltas.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* A record: u8 deleted | u16 type | u32 TTL | u16 length | owner | record data. */
#define HEAD_LEN 9

#define ROOM_FIRST 512

void delta_release(struct delta *d)
{
	/* Release: what others read of it has been read; acquire, by the last: before it is freed. */
	if (d == NULL || __atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free(d->octets);
	free(d);
}

bool delta_next(const struct delta *d, size_t *at, struct delta_record *out)
{
	const uint8_t *p = d->octets + *at;
	size_t owner_len;

	if (*at >= d->len)
		return false;
	owner_len = name_len(p + HEAD_LEN);
	*out = (struct delta_record){.deleted = p[0],
				     .record = {.type = wire_load16(p + 1),
						.ttl = wire_load32(p + 3),
						.rdata_len = wire_load16(p + 7),
						.owner = p + HEAD_LEN,
						.rdata = p + HEAD_LEN + owner_len}};
	*at += HEAD_LEN + owner_len + out->record.rdata_len;
	return true;
}

/* --- recording --- */

static size_t cost(const struct delta *d)
{
	return sizeof(*d) + d->len;
}

void delta_recorder_init(struct delta_recorder *r, uint64_t bytes_max)
{
	*r = (struct delta_recorder){.bytes_max = bytes_max};
	TAILQ_INIT(&r->queue);
}

/* The last one is complete. Without memory to copy it to it keeps the room it has. */
static void trim(struct delta_recorder *r)
{
	struct delta *d = r->last;
	uint8_t *octets;

	if (d == NULL || d->len == r->room)
		return;
	octets = realloc(d->octets, d->len);
	if (octets != NULL)
		d->octets = octets;
}

static struct delta *begin(struct delta_recorder *r, uint32_t serial)
{
	struct delta *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	trim(r);
	d->refs = 1;
	d->from = serial;
	TAILQ_INSERT_TAIL(&r->queue, d, link);
	r->bytes += sizeof(*d);
	r->last = d;
	r->room = 0;
	return d;
}

static bool grow(struct delta_recorder *r, size_t need)
{
	struct delta *d = r->last;
	size_t room = r->room == 0 ? ROOM_FIRST : r->room;
	uint8_t *octets;

	while (room < d->len + need)
		room *= 2;
	if (room == r->room)
		return true;
	octets = realloc(d->octets, room);
	if (octets == NULL)
		return false;
	d->octets = octets;
	r->room = room;
	return true;
}

static bool record(struct delta_recorder *r, const struct delta_record *rec)
{
	const struct snapshot_record *s = &rec->record;
	size_t owner_len = name_len(s->owner), need = HEAD_LEN + owner_len + s->rdata_len;
	struct soa soa;
	uint8_t *p;

	if (s->type == DNS_TYPE_SOA) {
		if (soa_parse(s->rdata, s->rdata_len, &soa) < 0)
			return false;
		if (rec->deleted && begin(r, soa.serial) == NULL)
			return false;
		if (!rec->deleted && r->last != NULL)
			r->last->to = soa.serial;
	}
	r->bytes += need;
	if (r->last == NULL || r->bytes > r->bytes_max || !grow(r, need))
		return false;
	p = r->last->octets + r->last->len;
	p[0] = rec->deleted;
	wire_store16(p + 1, s->type);
	wire_store32(p + 3, s->ttl);
	wire_store16(p + 7, s->rdata_len);
	memcpy(p + HEAD_LEN, s->owner, owner_len);
	if (s->rdata_len > 0)
		memcpy(p + HEAD_LEN + owner_len, s->rdata, s->rdata_len);
	r->last->len += need;
	r->last->record_cnt++;
	return true;
}

void delta_recorder_add(struct delta_recorder *r, const struct delta_record *rec)
{
	if (r->failed || record(r, rec))
		return;
	r->failed = true;
	r->last = NULL;
	delta_queue_drop(&r->queue);
}

void delta_recorder_take(struct delta_recorder *r, struct delta_queue *out)
{
	trim(r);
	TAILQ_INIT(out);
	TAILQ_CONCAT(out, &r->queue, link);
	r->last = NULL;
}

/* --- the store --- */

#define CHUNK_SLOTS 1024u

struct kept {
	struct delta_queue queue;
	unsigned cnt;
};

struct deltas {
	pthread_mutex_t lock; /* guards all below; held for some pointers, never for octets */
	struct delta_queue ages;
	uint64_t bytes, cnt, evicted;
	uint64_t waiting; /* of bytes: in nobody's queue here; at most bytes_max */
	uint32_t slots;	  /* a multiple of CHUNK_SLOTS */
	uint32_t count_max;
	uint64_t bytes_max;
	struct kept **chunks; /* queues lead back to them */
};

/* Under lock. slot < s->slots. */
static struct kept *kept_of(struct deltas *s, uint32_t slot)
{
	return &s->chunks[slot / CHUNK_SLOTS][slot % CHUNK_SLOTS];
}

static struct kept *chunk_new(void)
{
	struct kept *chunk = calloc(CHUNK_SLOTS, sizeof(*chunk));

	for (uint32_t i = 0; chunk != NULL && i < CHUNK_SLOTS; i++)
		TAILQ_INIT(&chunk[i].queue);
	return chunk;
}

/* Under lock. */
static int add_chunks(struct deltas *s, uint32_t slots)
{
	uint32_t cnt = (slots + CHUNK_SLOTS - 1) / CHUNK_SLOTS;
	struct kept **chunks = realloc(s->chunks, cnt * sizeof(chunks[0]));

	if (chunks == NULL)
		return -ENOMEM;
	for (s->chunks = chunks; s->slots < cnt * CHUNK_SLOTS; s->slots += CHUNK_SLOTS) {
		chunks[s->slots / CHUNK_SLOTS] = chunk_new();
		if (chunks[s->slots / CHUNK_SLOTS] == NULL)
			return -ENOMEM;
	}
	return 0;
}

int deltas_reserve(struct deltas *s, uint32_t slots)
{
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	if (slots > s->slots)
		ret = add_chunks(s, slots);
	pthread_mutex_unlock(&s->lock);
	return ret;
}

struct deltas *deltas_new(uint32_t slots, uint32_t count_max, uint64_t bytes_max)
{
	struct deltas *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	TAILQ_INIT(&s->ages);
	s->count_max = count_max;
	s->bytes_max = bytes_max;
	if (deltas_reserve(s, slots) < 0) {
		deltas_free(s);
		return NULL;
	}
	return s;
}

/* Under lock. */
static void drop(struct deltas *s, struct kept *k, struct delta *d)
{
	TAILQ_REMOVE(&k->queue, d, link);
	TAILQ_REMOVE(&s->ages, d, age_link);
	k->cnt--;
	s->cnt--;
	s->bytes -= cost(d);
	delta_release(d);
}

/* Under lock. The oldest of a zone. */
static void drop_first(struct deltas *s, struct kept *k)
{
	drop(s, k, TAILQ_FIRST(&k->queue));
}

void deltas_free(struct deltas *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < s->slots; i++)
		while (kept_of(s, i)->cnt > 0)
			drop_first(s, kept_of(s, i));
	for (uint32_t i = 0; i < s->slots; i += CHUNK_SLOTS)
		free(s->chunks[i / CHUNK_SLOTS]);
	free(s->chunks);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Under lock. The oldest of all is the oldest of its zone too. Ends at the latest with what waits. */
static void make_room(struct deltas *s)
{
	while (s->bytes > s->bytes_max) {
		drop_first(s, kept_of(s, TAILQ_FIRST(&s->ages)->slot));
		s->evicted++;
	}
}

/* Under lock. */
static void stop_waiting(struct deltas *s, struct delta *d)
{
	s->waiting -= cost(d);
	s->bytes -= cost(d);
	d->waits_in = NULL;
}

void deltas_wait(struct deltas *s, struct delta_queue *q)
{
	uint64_t bytes = 0, cnt = 0;
	struct delta *d;
	bool fit;

	/* All of them do, or none. */
	if (TAILQ_EMPTY(q) || TAILQ_FIRST(q)->waits_in != NULL)
		return;
	TAILQ_FOREACH(d, q, link)
	{
		bytes += cost(d);
		cnt++;
	}
	pthread_mutex_lock(&s->lock);
	fit = s->waiting + bytes <= s->bytes_max;
	if (fit) {
		s->waiting += bytes;
		s->bytes += bytes;
		make_room(s);
	} else {
		s->evicted += cnt;
	}
	pthread_mutex_unlock(&s->lock);
	if (!fit)
		delta_queue_drop(q);
	TAILQ_FOREACH(d, q, link) d->waits_in = s;
}

void delta_queue_drop(struct delta_queue *q)
{
	struct delta *d;

	while ((d = TAILQ_FIRST(q)) != NULL) {
		struct deltas *s = d->waits_in;

		TAILQ_REMOVE(q, d, link);
		if (s != NULL) {
			pthread_mutex_lock(&s->lock);
			stop_waiting(s, d);
			pthread_mutex_unlock(&s->lock);
		}
		delta_release(d);
	}
}

/* Under lock. */
static void keep(struct deltas *s, struct kept *k, uint32_t slot, struct delta *d)
{
	struct delta *last = TAILQ_LAST(&k->queue, delta_queue);

	if (last != NULL && last->to != d->from)
		while (k->cnt > 0)
			drop_first(s, k);
	if (d->waits_in != NULL)
		stop_waiting(s, d);
	d->slot = slot;
	TAILQ_INSERT_TAIL(&k->queue, d, link);
	TAILQ_INSERT_TAIL(&s->ages, d, age_link);
	k->cnt++;
	s->cnt++;
	s->bytes += cost(d);
	if (k->cnt > s->count_max)
		drop_first(s, k);
	make_room(s);
}

void deltas_publish(struct deltas *s, uint32_t slot, struct delta_queue *q)
{
	struct kept *k;
	struct delta *d;

	if (slot >= s->slots) {
		delta_queue_drop(q);
		return;
	}
	pthread_mutex_lock(&s->lock);
	k = kept_of(s, slot);
	if (TAILQ_EMPTY(q))
		while (k->cnt > 0)
			drop_first(s, k);
	while ((d = TAILQ_FIRST(q)) != NULL) {
		TAILQ_REMOVE(q, d, link);
		keep(s, k, slot, d);
	}
	pthread_mutex_unlock(&s->lock);
}

void deltas_go_back(struct deltas *s, uint32_t slot, uint32_t serial)
{
	struct delta *d;

	if (slot >= s->slots)
		return;
	pthread_mutex_lock(&s->lock);
	while ((d = TAILQ_LAST(&kept_of(s, slot)->queue, delta_queue)) != NULL && d->to != serial)
		drop(s, kept_of(s, slot), d);
	pthread_mutex_unlock(&s->lock);
}

/* Under lock. The chain's first, and its length; NULL: there is none. A serial may come again: the latest counts. */
static struct delta *find_chain(const struct kept *k, uint32_t from, uint32_t to, unsigned *out_cnt)
{
	unsigned cnt = 0;
	struct delta *d;

	TAILQ_FOREACH_REVERSE(d, &k->queue, delta_queue, link)
	{
		if (cnt == 0 && d->to != to)
			continue;
		cnt++;
		if (d->from == from) {
			*out_cnt = cnt;
			return d;
		}
	}
	return NULL;
}

struct delta **deltas_get(struct deltas *s, uint32_t slot, uint32_t from, uint32_t to, unsigned *out_cnt)
{
	struct delta **chain = NULL, *d;
	unsigned cnt;

	pthread_mutex_lock(&s->lock);
	d = slot < s->slots ? find_chain(kept_of(s, slot), from, to, &cnt) : NULL;
	if (d != NULL)
		chain = malloc(cnt * sizeof(chain[0]));
	for (unsigned i = 0; chain != NULL && i < cnt; i++, d = TAILQ_NEXT(d, link)) {
		__atomic_fetch_add(&d->refs, 1, __ATOMIC_RELAXED); /* the store's own keeps it alive */
		chain[i] = d;
	}
	pthread_mutex_unlock(&s->lock);
	if (chain != NULL)
		*out_cnt = cnt;
	return chain;
}

void deltas_put(struct delta **chain, unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++)
		delta_release(chain[i]);
	free(chain);
}

void deltas_info(struct deltas *s, struct deltas_info *out)
{
	pthread_mutex_lock(&s->lock);
	*out = (struct deltas_info){.bytes = s->bytes, .cnt = s->cnt, .evicted = s->evicted};
	pthread_mutex_unlock(&s->lock);
}

unsigned deltas_cnt(struct deltas *s, uint32_t slot)
{
	unsigned cnt;

	pthread_mutex_lock(&s->lock);
	cnt = slot < s->slots ? kept_of(s, slot)->cnt : 0;
	pthread_mutex_unlock(&s->lock);
	return cnt;
}
