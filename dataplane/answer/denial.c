#include "dataplane/answer/denial.h"

/* One proof in the making. */
struct proof {
	struct reply *r;
	const struct reply_name *name;
	const struct lookup *lookup;
	struct denial_sent *sent;
};

static unsigned suffix_len(const struct name_hashes *h, unsigned label)
{
	return h->len - h->off[label];
}

static const uint8_t *suffix(const struct proof *p, unsigned label)
{
	return p->name->lower + p->name->hashes->off[label];
}

/* "*." in front of the suffix. It fits: the name itself has a longer label there, or an equal one. */
static const uint8_t *wildcard_at(const struct proof *p, unsigned label, uint8_t out[NAME_LEN_MAX])
{
	out[0] = 1;
	out[1] = '*';
	memcpy(out + 2, suffix(p, label), suffix_len(p->name->hashes, label));
	return out;
}

static bool already_sent(struct denial_sent *sent, const uint8_t *body)
{
	for (unsigned i = 0; i < sent->cnt; i++)
		if (sent->body[i] == body)
			return true;
	if (sent->cnt < DENIAL_SENT_MAX)
		sent->body[sent->cnt++] = body;
	return false;
}

/*
 * Octets of the owner in front of its longest suffix that the name has too, which is the apex or something below it.
 * Both are walked from the left; at equal distance from the apex they may be at the same suffix.
 */
static unsigned owner_head_len(const struct proof *p, const struct denial *d)
{
	const struct name_hashes *h = p->name->hashes;
	unsigned apex_off = h->off[p->lookup->apex_label], head = 0, label = 0;

	while (head < d->rel_len) {
		unsigned left = d->rel_len - head;

		while (apex_off - h->off[label] > left)
			label++;
		if (apex_off - h->off[label] == left && name_same(suffix(p, label), d->rel + head, left))
			break;
		head += 1u + d->rel[head];
	}
	return head;
}

/* Adds the record with its owner written out as far as the message does not hold it already. */
static void put(struct proof *p, const struct denial *d)
{
	unsigned apex_len = suffix_len(p->name->hashes, p->lookup->apex_label), head_len, rest_at;
	struct rrset_place place = {.stored_len = (uint16_t)(d->rel_len + apex_len)};

	if (already_sent(p->sent, d->set.body))
		return;
	head_len = owner_head_len(p, d);
	rest_at = reply_suffix_at(p->name, d->rel_len - head_len + apex_len);
	place.owner = (uint16_t)rest_at;
	if (head_len > 0) {
		place.owner = (uint16_t)p->r->at;
		place.literal = d->shown;
		place.literal_len = (uint16_t)(head_len + 2);
		place.literal_to = (uint16_t)rest_at;
	}
	reply_require(p->r, REPLY_AUTHORITY, &place, &d->set);
}

/* The NSEC at the name or the one that covers it. */
static bool put_nsec(struct proof *p, const uint8_t *name)
{
	struct denial d;

	if (!snapshot_nsec(p->lookup->snap, name, &d))
		return false;
	put(p, &d);
	return true;
}

/* The hashes of the suffix and of the wildcard below it, until the next call. */
static const struct denial_hashed *hashed(const struct proof *p, unsigned label)
{
	const struct snapshot *s = p->lookup->snap;
	uint64_t key = p->name->hashes->hash[label] ^ snapshot_nsec3_chain(s)->id;
	struct denial_hashed *h = &p->sent->hashes->of[key & (DENIAL_HASHES - 1)];
	uint8_t name[NAME_LEN_MAX];

	if (h->key != key) {
		h->key = key;
		snapshot_nsec3_hash(s, suffix(p, label), h->encloser);
		snapshot_nsec3_hash(s, wildcard_at(p, label, name), h->wildcard);
	}
	return h;
}

/*
 * RFC 5155 7.2.1: the NSEC3 of the closest encloser, looked for from suffix `label` upwards, and the one that covers the
 * next closer name: `next` is that of the suffix below `label`. With opt-out the closest encloser that can be proven may
 * be further up than the one that exists, which is there for the sake of delegations that the chain leaves out. Returns
 * where it is.
 */
static unsigned put_encloser_nsec3(struct proof *p, unsigned label, const struct denial *next)
{
	const struct nsec3_chain *c = snapshot_nsec3_chain(p->lookup->snap);
	struct denial found[2], *d = found;

	for (; label != p->lookup->apex_label; label++) {
		if (!snapshot_nsec3_at(p->lookup->snap, hashed(p, label)->encloser, d))
			return p->lookup->apex_label;
		if (d->exact) {
			put(p, d);
			put(p, next);
			return label;
		}
		next = d;
		d = d == found ? found + 1 : found;
	}
	put(p, &c->apex);
	put(p, next);
	return label;
}

/* RFC 5155 7.2.3, 7.2.4 and 7.2.7: the NSEC3 of the name at `label`, or the proof that it lies in an opt-out span. */
static void put_match_nsec3(struct proof *p, unsigned label)
{
	struct denial d;

	if (!snapshot_nsec3(p->lookup->snap, suffix(p, label), &d))
		return;
	if (d.exact)
		put(p, &d);
	else if (label < p->lookup->apex_label)
		put_encloser_nsec3(p, label + 1, &d);
}

bool denial_needs_next(const struct lookup *l)
{
	return (l->kind == LOOKUP_MISSING || l->kind == LOOKUP_WILDCARD) && l->encloser_label > 0 &&
	       snapshot_nsec3_chain(l->snap) != NULL;
}

void denial_prepare(const struct lookup *const l[], struct denial_next *const out[], unsigned cnt)
{
	struct nsec3_want want[LOOKUP_BURST_MAX];

	for (unsigned i = 0; i < cnt; i++) {
		const struct name_hashes *h = l[i]->hashes;
		unsigned at = h->off[l[i]->encloser_label - 1];

		want[i] = (struct nsec3_want){l[i]->snap, l[i]->name + at, h->len - at, out[i]->hash};
	}
	snapshot_nsec3_hash_many(want, cnt);
	for (unsigned i = 0; i < cnt; i++)
		snapshot_nsec3_fetch(l[i]->snap, out[i]->hash);
	for (unsigned i = 0; i < cnt; i++)
		out[i]->entry = snapshot_nsec3_seek(l[i]->snap, out[i]->hash);
}

/*
 * Whether the record that is to prove that a name does not exist proves the contrary: RFC 5155 7.2.9. In a chain of too many
 * iterations, where every name is taken for the apex, it says nothing.
 */
static bool collides(const struct proof *p, const struct denial *d)
{
	if (!d->exact ||
	    wire_load16(snapshot_nsec3_chain(p->lookup->snap)->params + 2) > SNAPSHOT_NSEC3_ITERATIONS_MAX)
		return false;
	p->sent->collision = true;
	return true;
}

/* The record that covers the name below the closest encloser of one that does not exist. False: none can be had. */
static bool find_next(const struct proof *p, struct denial *out)
{
	const struct denial_next *next = p->sent->next;
	struct denial_next own;

	if (next == NULL) {
		struct denial_next *to = &own;

		if (!denial_needs_next(p->lookup))
			return false;
		denial_prepare(&p->lookup, &to, 1);
		next = to;
	}
	return snapshot_nsec3_take(p->lookup->snap, next->hash, next->entry, out) && !collides(p, out);
}

/*
 * RFC 5155 7.2.2 and 7.2.5. The wildcard is the one at the closest encloser that was proven: a validator knows no other (8.4).
 * Only at the one that exists is it known not to, or what it has.
 */
static void put_encloser_proof_nsec3(struct proof *p)
{
	const struct lookup *l = p->lookup;
	const struct denial *wildcard;
	struct denial next, found;
	unsigned proven;

	if (!find_next(p, &next))
		return;
	proven = put_encloser_nsec3(p, l->encloser_label, &next);
	wildcard = &snapshot_nsec3_chain(l->snap)->wildcard;
	if (proven != l->apex_label) {
		if (!snapshot_nsec3_at(l->snap, hashed(p, proven)->wildcard, &found))
			return;
		wildcard = &found;
	}
	if (l->kind == LOOKUP_WILDCARD || proven != l->encloser_label || !collides(p, wildcard))
		put(p, wildcard);
}

/*
 * That neither the name exists nor the wildcard at its closest encloser has what was asked for: RFC 4035 3.1.3.2 and
 * 3.1.3.4, or the same with NSEC3.
 */
static void put_encloser_proof(struct proof *p)
{
	uint8_t wildcard[NAME_LEN_MAX];

	if (put_nsec(p, p->name->lower))
		put_nsec(p, wildcard_at(p, p->lookup->encloser_label, wildcard));
	else
		put_encloser_proof_nsec3(p);
}

bool denial_put_soa(struct reply *r, const struct reply_name *n, const struct lookup *l)
{
	struct rrset_place place = reply_place(n, suffix_len(l->hashes, l->apex_label));
	uint32_t at = r->at, minimum;
	struct rrset set;

	if (!entry_set(l->snap, snapshot_apex(l->snap), DNS_TYPE_SOA, &set) ||
	    !reply_require(r, REPLY_AUTHORITY, &place, &set))
		return false;
	minimum = wire_load32(set.body + set.len - 4);
	if (minimum < set.ttl)
		reply_cap_ttl(r, at, minimum);
	return true;
}

void denial_put_record(struct reply *r, const struct reply_name *n, const struct lookup *l,
		       struct denial_sent *sent, const struct denial *d)
{
	struct proof p = {r, n, l, sent};

	put(&p, d);
}

void denial_put_nodata(struct reply *r, const struct reply_name *n, const struct lookup *l,
		       struct denial_sent *sent)
{
	struct proof p = {r, n, l, sent};

	if (!r->with_sigs)
		return;
	if (l->kind != LOOKUP_WILDCARD) {
		if (!put_nsec(&p, n->lower))
			put_match_nsec3(&p, l->label);
		return;
	}
	put_encloser_proof(&p);
}

void denial_put_name_error(struct reply *r, const struct reply_name *n, const struct lookup *l,
			   struct denial_sent *sent)
{
	struct proof p = {r, n, l, sent};

	if (!r->with_sigs)
		return;
	put_encloser_proof(&p);
}

void denial_put_wildcard(struct reply *r, const struct reply_name *n, const struct lookup *l,
			 struct denial_sent *sent)
{
	struct proof p = {r, n, l, sent};
	struct denial d;

	if (r->with_sigs && !put_nsec(&p, n->lower) && find_next(&p, &d))
		put(&p, &d);
}

void denial_put_delegation(struct reply *r, const struct reply_name *n, const struct lookup *l,
			   struct denial_sent *sent)
{
	struct proof p = {r, n, l, sent};

	if (r->with_sigs && !put_nsec(&p, suffix(&p, l->label)))
		put_match_nsec3(&p, l->label);
}
