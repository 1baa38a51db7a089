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

/* "*." in front of the closest encloser. It fits: the name itself has a longer label there, or an equal one. */
static const uint8_t *wildcard_at_encloser(const struct proof *p, uint8_t out[NAME_LEN_MAX])
{
	unsigned at = p->name->hashes->off[p->lookup->encloser_label];

	out[0] = 1;
	out[1] = '*';
	memcpy(out + 2, p->name->lower + at, p->name->hashes->len - at);
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
 * Both are walked from the left; at equal distance from the end they may be at the same suffix.
 */
static unsigned owner_head_len(const struct proof *p, const struct denial *d)
{
	const struct name_hashes *h = p->name->hashes;
	unsigned head = 0, label = 0;

	while (d->owner[head] != 0) {
		while (label < h->label_cnt && suffix_len(h, label) > d->owner_len - head)
			label++;
		if (suffix_len(h, label) == d->owner_len - head &&
		    name_equal(suffix(p, label), d->owner + head))
			break;
		head += 1u + d->owner[head];
	}
	return head;
}

/* Adds the record with its owner written out as far as the message does not hold it already. */
static void put(struct proof *p, const struct denial *d)
{
	unsigned head_len = owner_head_len(p, d);
	uint16_t rest_at = reply_suffix_at(p->name, d->owner_len - head_len);
	uint8_t literal[NAME_LEN_MAX + 1];
	struct rrset_place place = {.owner = rest_at, .stored_len = d->owner_len};

	if (already_sent(p->sent, d->set.body))
		return;
	if (head_len > 0) {
		memcpy(literal, d->owner, head_len);
		wire_store16(literal + head_len, (uint16_t)(0xC000 | rest_at));
		place.owner = (uint16_t)p->r->at;
		place.literal = literal;
		place.literal_len = (uint16_t)(head_len + 2);
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

/* The NSEC3 whose owner is the hash of the name or which covers it. */
static void put_nsec3(struct proof *p, const uint8_t *name)
{
	struct denial d;

	if (snapshot_nsec3(p->lookup->snap, name, &d))
		put(p, &d);
}

/*
 * RFC 5155 7.2.1: the NSEC3 of the closest encloser of suffix `label`, and the one that covers the next closer name.
 * With opt-out the closest encloser that can be proven may be further up than the one that exists.
 */
static void put_encloser_nsec3(struct proof *p, unsigned label)
{
	struct denial d;

	for (; snapshot_nsec3(p->lookup->snap, suffix(p, label), &d); label++) {
		if (d.exact) {
			put(p, &d);
			if (label > 0)
				put_nsec3(p, suffix(p, label - 1));
			return;
		}
		if (label == p->lookup->apex_label)
			return; /* a broken chain: nothing there proves anything */
	}
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
		put_encloser_nsec3(p, label + 1);
}

/*
 * That neither the name exists nor the wildcard at its closest encloser has what was asked for: RFC 4035 3.1.3.2 and
 * 3.1.3.4, RFC 5155 7.2.2 and 7.2.5.
 */
static void put_encloser_proof(struct proof *p)
{
	uint8_t wildcard[NAME_LEN_MAX];

	wildcard_at_encloser(p, wildcard);
	if (put_nsec(p, p->name->lower)) {
		put_nsec(p, wildcard);
		return;
	}
	put_encloser_nsec3(p, p->lookup->encloser_label);
	put_nsec3(p, wildcard);
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

	if (r->with_sigs && !put_nsec(&p, n->lower) && l->encloser_label > 0)
		put_nsec3(&p, suffix(&p, l->encloser_label - 1u));
}

void denial_put_delegation(struct reply *r, const struct reply_name *n, const struct lookup *l,
			   struct denial_sent *sent)
{
	struct proof p = {r, n, l, sent};

	if (r->with_sigs && !put_nsec(&p, suffix(&p, l->label)))
		put_match_nsec3(&p, l->label);
}
