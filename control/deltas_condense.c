/* Several differences as one. Contract in deltas.h. */
#include "control/deltas.h"

#include <stdlib.h>

/* All that happens to one record is side by side when these are sorted; what is the same is the same to an updater. */
struct step {
	struct delta_record rec;
	unsigned seq;
};

static int by_record(const void *pa, const void *pb)
{
	const struct step *a = pa, *b = pb;
	const struct snapshot_record *ra = &a->rec.record, *rb = &b->rec.record;
	int d = name_compare(ra->owner, rb->owner);

	if (d != 0)
		return d;
	if (ra->type != rb->type)
		return ra->type < rb->type ? -1 : 1;
	d = rdata_compare(ra->type, ra->rdata, ra->rdata_len, rb->rdata, rb->rdata_len);
	return d != 0 ? d : (a->seq > b->seq) - (a->seq < b->seq);
}

static bool same_record(const struct step *a, const struct step *b)
{
	const struct snapshot_record *ra = &a->rec.record, *rb = &b->rec.record;

	return ra->type == rb->type && name_compare(ra->owner, rb->owner) == 0 &&
	       rdata_compare(ra->type, ra->rdata, ra->rdata_len, rb->rdata, rb->rdata_len) == 0;
}

/* As seen by a reader: TTL and case too. */
static bool same_octets(const struct step *a, const struct step *b)
{
	const struct snapshot_record *ra = &a->rec.record, *rb = &b->rec.record;

	return ra->ttl == rb->ttl && ra->rdata_len == rb->rdata_len &&
	       memcmp(ra->owner, rb->owner, name_len(ra->owner)) == 0 &&
	       memcmp(ra->rdata, rb->rdata, ra->rdata_len) == 0;
}

/*
 * Of the steps of one record, first to last: what it had been and what it has become. Deletions (deleted) or additions go
 * to the recorder.
 */
static void settle(struct delta_recorder *r, const struct step *first, const struct step *last, bool deleted)
{
	bool was = first->rec.deleted, is = !last->rec.deleted;

	if (was && is && same_octets(first, last))
		return;
	if (deleted && was)
		delta_recorder_add(r, &first->rec);
	if (!deleted && is)
		delta_recorder_add(r, &last->rec);
}

static void settle_all(struct delta_recorder *r, const struct step *steps, size_t cnt, bool deleted)
{
	for (size_t i = 0, next; i < cnt; i = next) {
		for (next = i + 1; next < cnt && same_record(&steps[i], &steps[next]);)
			next++;
		settle(r, &steps[i], &steps[next - 1], deleted);
	}
}

/* All but the SOAs, of which the first and the last count. */
static size_t gather(struct delta *const chain[], unsigned cnt, struct step *steps,
		     struct delta_record *first, struct delta_record *last)
{
	bool has_first = false;
	size_t n = 0;

	for (unsigned i = 0; i < cnt; i++) {
		struct delta_record rec;
		size_t at = 0;

		while (delta_next(chain[i], &at, &rec)) {
			if (rec.record.type != DNS_TYPE_SOA) {
				steps[n] = (struct step){.rec = rec, .seq = (unsigned)n};
				n++;
			} else if (!rec.deleted) {
				*last = rec;
			} else if (!has_first) {
				*first = rec;
				has_first = true;
			}
		}
	}
	return n;
}

struct delta *deltas_condense(struct delta *const chain[], unsigned cnt)
{
	struct delta_record first = {0}, last = {0};
	struct delta_recorder r;
	struct delta_queue made;
	struct step *steps;
	struct delta *d;
	size_t n = 0;

	for (unsigned i = 0; i < cnt; i++)
		n += chain[i]->record_cnt;
	steps = malloc((n + 1) * sizeof(steps[0]));
	if (steps == NULL)
		return NULL;
	n = gather(chain, cnt, steps, &first, &last);
	qsort(steps, n, sizeof(steps[0]), by_record);
	delta_recorder_init(&r, UINT64_MAX);
	delta_recorder_add(&r, &first);
	settle_all(&r, steps, n, true);
	delta_recorder_add(&r, &last);
	settle_all(&r, steps, n, false);
	free(steps);
	delta_recorder_take(&r, &made);
	d = TAILQ_FIRST(&made);
	if (d != NULL)
		TAILQ_REMOVE(&made, d, link);
	return d;
}
