#include "dataplane/answer/denial_ready.h"

#define POINTER		0xC000u
#define POINTER_MASK	0x3FFFu
#define RECORD_HEAD_LEN 10 /* type, class, TTL, length */
#define LITERAL_LEN	(1 + NSEC3_LABEL_LEN)
#define OWNER_LEN	(LITERAL_LEN + 2)
#define SCRATCH_AT	512 /* where pieces are laid out: beyond any pointer into the apex, which is at 12 */
#define COPY_PIECE	32

typedef uint8_t piece __attribute__((vector_size(COPY_PIECE)));

/* A piece being laid out. */
struct layout {
	struct denial_ready *ready;
	uint8_t msg[SCRATCH_AT + DENIAL_READY_LEN];
	uint16_t apex[DENIAL_READY_POINTERS], self[DENIAL_READY_POINTERS];
	unsigned apex_cnt, self_cnt;
	bool full;
};

/* --- laying out --- */

/* Notes the pointer at a message offset, and makes one within the piece relative to it. */
static void note_pointer(struct layout *o, unsigned at)
{
	unsigned target = wire_load16(o->msg + at) & POINTER_MASK;

	if (o->apex_cnt == DENIAL_READY_POINTERS || o->self_cnt == DENIAL_READY_POINTERS) {
		o->full = true;
	} else if (target < SCRATCH_AT) {
		o->apex[o->apex_cnt++] = (uint16_t)(at - SCRATCH_AT);
	} else {
		o->self[o->self_cnt++] = (uint16_t)(at - SCRATCH_AT);
		wire_store16(o->msg + at, (uint16_t)(POINTER | (target - SCRATCH_AT)));
	}
}

/* The owners of all records in a part of the message: pointers, or a label of the chain and a pointer. */
static void note_owners(struct layout *o, unsigned from, unsigned to)
{
	while (from < to) {
		if (o->msg[from] == NSEC3_LABEL_LEN)
			from += LITERAL_LEN;
		note_pointer(o, from);
		from += 2 + RECORD_HEAD_LEN + wire_load16(o->msg + from + 2 + RECORD_HEAD_LEN - 2);
	}
}

/* Takes the pointers noted since the last time over to the piece. */
static void take_pointers(struct layout *o, uint8_t *out_apex, uint8_t *out_self, unsigned *cnt)
{
	if (*cnt + o->apex_cnt + o->self_cnt > DENIAL_READY_POINTERS) {
		o->full = true;
		return;
	}
	memcpy(o->ready->at + *cnt, o->apex, o->apex_cnt * sizeof(o->apex[0]));
	*cnt += o->apex_cnt;
	memcpy(o->ready->at + *cnt, o->self, o->self_cnt * sizeof(o->self[0]));
	*cnt += o->self_cnt;
	*out_apex = (uint8_t)o->apex_cnt;
	*out_self = (uint8_t)o->self_cnt;
	o->apex_cnt = o->self_cnt = 0;
}

/* The records of the encloser and of the wildcard there. False: the proof is not of the usual form. */
static bool find_records(const struct lookup *l, struct denial *encloser, struct denial *wildcard)
{
	const struct nsec3_chain *c = snapshot_nsec3_chain(l->snap);
	const uint8_t *name = l->name + l->hashes->off[l->encloser_label];
	uint8_t star[NAME_LEN_MAX + 2] = {1, '*'};
	struct snapshot_info info;

	snapshot_info(l->snap, &info);
	if (info.has_nsec) /* which goes first */
		return false;
	if (l->encloser_label == l->apex_label) {
		*encloser = c->apex;
		*wildcard = c->wildcard;
	} else {
		/* It fits: the name itself has a longer label there, or an equal one. */
		memcpy(star + 2, name, name_len(name));
		if (!snapshot_nsec3(l->snap, name, encloser) || !snapshot_nsec3(l->snap, star, wildcard))
			return false;
	}
	return encloser->exact && !wildcard->exact;
}

/* Head and tail as they are in an answer to a question for the apex. False: they are not for this. */
static bool lay_out(struct layout *o, const struct lookup *l)
{
	struct denial_ready *d = o->ready;
	const uint8_t *apex = l->name + l->hashes->off[l->apex_label];
	struct name_hashes hashes = {.len = (uint8_t)(l->hashes->len - l->hashes->off[l->apex_label])};
	struct reply_name name = {.lower = apex, .hashes = &hashes};
	struct lookup at_apex = {.snap = l->snap, .name = apex, .hashes = &hashes};
	struct reply r = {.msg = o->msg,
			  .at = SCRATCH_AT,
			  .end = sizeof(o->msg),
			  .limit = sizeof(o->msg),
			  .with_sigs = true};
	struct denial_sent sent = {.cnt = 0};
	struct denial encloser, wildcard;
	struct rrset soa;
	uint32_t soa_end, head_end;
	unsigned cnt = 0;

	if (!find_records(l, &encloser, &wildcard) || !denial_put_soa(&r, &name, &at_apex) ||
	    !entry_set(l->snap, snapshot_apex(l->snap), DNS_TYPE_SOA, &soa))
		return false;
	soa_end = r.at;
	denial_put_record(&r, &name, &at_apex, &sent, &encloser);
	head_end = r.at;
	d->head_cnt = (uint8_t)r.cnt[REPLY_AUTHORITY];
	for (unsigned i = 0; i < soa.reloc_cnt; i++)
		note_pointer(o, SCRATCH_AT + soa.reloc[i]);
	note_owners(o, SCRATCH_AT, soa_end);
	note_owners(o, soa_end, head_end);
	take_pointers(o, &d->apex_cnt, &d->self_cnt, &cnt);
	d->head_len = (uint16_t)(head_end - SCRATCH_AT);
	memcpy(d->octets, o->msg + SCRATCH_AT, d->head_len);

	r.end -= d->head_len; /* what is left of the room */
	r.at = SCRATCH_AT;
	denial_put_record(&r, &name, &at_apex, &sent, &wildcard);
	note_owners(o, SCRATCH_AT, r.at);
	take_pointers(o, &d->tail_apex_cnt, &d->tail_self_cnt, &cnt);
	d->tail_len = (uint16_t)(r.at - SCRATCH_AT);
	d->tail_cnt = (uint8_t)(r.cnt[REPLY_AUTHORITY] - d->head_cnt);
	memcpy(d->octets + d->head_len, o->msg + SCRATCH_AT, d->tail_len);
	d->body[0] = encloser.set.body;
	d->body[1] = wildcard.set.body;
	return !o->full && !r.truncated && d->head_len >= COPY_PIECE &&
	       (d->tail_len == 0 || d->tail_len >= COPY_PIECE);
}

static __attribute__((noinline)) const struct denial_ready *make(struct denial_ready *d,
								 const struct lookup *l, uint64_t number)
{
	struct layout o;

	if (d->number != number || d->encloser != l->encloser) {
		d->number = number;
		d->encloser = l->encloser;
		d->state = DENIAL_READY_SEEN;
		return NULL;
	}
	if (d->state == DENIAL_READY_UNFIT)
		return NULL;
	o.ready = d;
	o.apex_cnt = o.self_cnt = 0;
	o.full = false;
	d->state = lay_out(&o, l) ? DENIAL_READY_FIT : DENIAL_READY_UNFIT;
	return d->state == DENIAL_READY_FIT ? d : NULL;
}

const struct denial_ready *denial_ready_find(struct denial_ready_table *t, const struct lookup *l)
{
	uint64_t number = snapshot_nsec3_chain(l->snap)->number;
	uint64_t key = ((uintptr_t)l->encloser ^ number << 32) * UINT64_C(0x9e3779b97f4a7c15);
	struct denial_ready *d = &t->of[key >> 58 & (DENIAL_READY_CNT - 1)];

	/* A name that may be an owner of the chain itself: the records then point to it. */
	if (l->name[l->hashes->off[l->apex_label - 1]] == NSEC3_LABEL_LEN)
		return NULL;
	if (d->number == number && d->encloser == l->encloser && d->state == DENIAL_READY_FIT)
		return d;
	return make(d, l, number);
}

/* --- writing --- */

/* len >= COPY_PIECE; no octet more is read or written. */
static inline void copy(uint8_t *dst, const uint8_t *src, size_t len)
{
	piece p;

	for (size_t at = 0; at < len - COPY_PIECE; at += COPY_PIECE) {
		memcpy(&p, src + at, sizeof(p));
		memcpy(dst + at, &p, sizeof(p));
	}
	memcpy(&p, src + len - COPY_PIECE, sizeof(p));
	memcpy(dst + len - COPY_PIECE, &p, sizeof(p));
}

/* Adds by to the pointers. What they were is read where it came from: reading what was just written would wait for it. */
static inline void move(uint8_t *dst, const uint8_t *src, const uint16_t *at, unsigned cnt, uint32_t by)
{
	for (unsigned i = 0; i < cnt; i++)
		wire_store16(dst + at[i], (uint16_t)(wire_load16(src + at[i]) + by));
}

/* One record of the chain and its signatures, as rrset_link would. */
static inline uint32_t write_next(const struct denial *next, unsigned apex_at, uint8_t *msg, uint32_t at)
{
	const uint8_t *body = next->set.body;
	uint32_t len = next->set.len + next->set.sig_len;
	uint8_t *dst = msg + at;

	copy(dst, next->shown, LITERAL_LEN);
	wire_store16(dst + LITERAL_LEN, (uint16_t)(POINTER | apex_at));
	copy(dst + OWNER_LEN, body + 2, len - 2);
	dst += LITERAL_LEN;
	for (uint32_t off = 12u + wire_load16(body + 10); off < len;
	     off += 12u + wire_load16(body + off + 10))
		wire_store16(dst + off, (uint16_t)(POINTER | at));
	return at + LITERAL_LEN + len;
}

uint32_t denial_ready_write(const struct denial_ready *d, const struct denial *next, const struct lookup *l,
			    uint8_t *msg, uint32_t at, uint32_t end, unsigned *out_cnt)
{
	bool head_is_next = next->set.body == d->body[0], tail_is_next = next->set.body == d->body[1];
	uint32_t skip = l->hashes->off[l->apex_label],
		 next_len = next->set.len + next->set.sig_len + LITERAL_LEN;
	const uint16_t *fix = d->at;
	const uint8_t *tail = d->octets + d->head_len;
	unsigned cnt = d->head_cnt;

	/* No record of a chain is too short for copy(), but that is not relied upon here. */
	if (at + d->head_len + next_len + d->tail_len > end || next->set.reloc_cnt > 0 ||
	    next->set.len < 2 + COPY_PIECE)
		return 0;
	copy(msg + at, d->octets, d->head_len);
	move(msg + at, d->octets, fix, d->apex_cnt, skip);
	fix += d->apex_cnt;
	move(msg + at, d->octets, fix, d->self_cnt, at);
	fix += d->self_cnt;
	at += d->head_len;
	if (!head_is_next) {
		at = write_next(next, DNS_HEADER_LEN + skip, msg, at);
		cnt += next->set.cnt + (unsigned)next->set.sig_cnt;
	}
	if (d->tail_len > 0 && !tail_is_next) {
		copy(msg + at, tail, d->tail_len);
		move(msg + at, tail, fix, d->tail_apex_cnt, skip);
		fix += d->tail_apex_cnt;
		move(msg + at, tail, fix, d->tail_self_cnt, at);
		at += d->tail_len;
		cnt += d->tail_cnt;
	}
	*out_cnt = cnt;
	return at;
}
