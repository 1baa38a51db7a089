#include "dataplane/answer/resolve.h"

#define POINTER_MAX 0x3FFF

/* How the walk along the chain ended; the authority and additional sections follow from it. */
enum end {
	END_ANSWER, /* a set was found, or the chain left our zones: nothing to add but proofs and addresses */
	END_NODATA,	/* the last name has no such set */
	END_NAME_ERROR, /* the last name does not exist */
	END_REFERRAL,	/* the last name is at or below a cut */
	END_OVERFLOW,	/* a DNAME made the name too long */
};

/* One request on its way. */
struct walk {
	struct resolver *rs;
	struct reply *r;
	struct resolve_step *step; /* the name being answered for */
	bool all;
	enum end end;
	unsigned notes;
	unsigned step_cnt;
	const struct resolve_step *steps[RESOLVE_CHAIN_MAX + 1];
	unsigned dname_cnt;
	const uint8_t *dname_body[RESOLVE_CHAIN_MAX + 1]; /* DNAME sets in the answer already, ... */
	uint32_t dname_at[RESOLVE_CHAIN_MAX + 1];	  /* ... and where the target is */
	/* the set whose targets get their addresses into the additional section */
	struct rrset set;
	struct rrset_place set_place;
	uint32_t set_at;
	const struct entry *set_entry; /* NULL: none */
	struct denial_sent sent;
};

void resolver_init(struct resolver *rs, const struct zonetab *zones)
{
	rs->zones = zones;
	rs->key = zonetab_key(zones);
	for (unsigned i = 0; i < RESOLVE_CHAIN_MAX; i++) {
		struct resolve_target *t = &rs->target[i];

		t->step.name = (struct reply_name){.lower = t->lower, .hashes = &t->hashes, .map = t->map};
		t->step.lookup.name = t->lower;
		t->step.lookup.hashes = &t->hashes;
	}
}

uint8_t resolve_first_label(uint16_t type, const struct name_hashes *hashes)
{
	return type == DNS_TYPE_DS && hashes->label_cnt > 0;
}

static void find_one(const struct resolver *rs, struct zonetab_find *find)
{
	zonetab_find_burst(rs->zones, &find, 1);
}

void resolve_find_rest(const struct resolver *rs, struct zonetab_find *find)
{
	if (find->slot != ZONETAB_SLOT_NONE || find->first_label == 0)
		return;
	find->first_label = 0;
	find_one(rs, find);
}

static unsigned suffix_len(const struct name_hashes *h, unsigned label)
{
	return h->len - h->off[label];
}

/* Adds a set that the question asks for, and remembers it for the additional section if its targets may go there. */
static void answer_set(struct walk *w, const struct rrset_place *place, const struct rrset *set)
{
	uint32_t at = w->r->at;

	w->end = END_ANSWER;
	if (!reply_require(w->r, REPLY_ANSWER, place, set))
		return;
	switch (set->type) {
	case DNS_TYPE_NS:
	case DNS_TYPE_MX:
	case DNS_TYPE_SRV:
	case DNS_TYPE_SVCB:
	case DNS_TYPE_HTTPS:
		w->set = *set;
		w->set_place = *place;
		w->set_at = at;
		w->set_entry = w->step->lookup.entry;
	}
}

/* Whether the set counts for QTYPE ANY or RRSIG; for the latter it becomes the signatures alone. */
static bool set_matches(const struct walk *w, struct rrset *set)
{
	if (w->r->query->type == DNS_TYPE_ANY || set->type == DNS_TYPE_RRSIG)
		return true;
	if (set->sig_cnt == 0)
		return false;
	*set = reply_sigs_only(set);
	return true;
}

/* QTYPE ANY and RRSIG: false if there is nothing. */
static bool answer_sets(struct walk *w, const struct rrset_place *place)
{
	const struct lookup *l = &w->step->lookup;
	struct rrset set, smallest = {.len = UINT32_MAX};
	unsigned iter = 0, cnt = 0;

	while (entry_next_set(l->snap, l->entry, &iter, &set)) {
		if (!set_matches(w, &set))
			continue;
		/* What does not fit is left out: RFC 8482 4.1 lets us send any subset, as long as it is not empty. */
		if (w->all && (cnt > 0 ? !reply_offer(w->r, REPLY_ANSWER, place, &set, w->r->with_sigs)
				       : !reply_require(w->r, REPLY_ANSWER, place, &set)))
			break;
		if (set.len + set.sig_len < smallest.len + smallest.sig_len)
			smallest = set;
		cnt++;
	}
	if (cnt == 0)
		return false;
	w->end = END_ANSWER;
	if (!w->all)
		reply_require(w->r, REPLY_ANSWER, place, &smallest);
	return true;
}

/* Spells the name at message offset at, following pointers, and notes where each label stands. */
static void target_read(struct resolve_target *t, const uint8_t *msg, uint32_t at)
{
	unsigned len = 0;

	for (;;) {
		uint8_t l = msg[at];

		if (l >= 0xC0) {
			at = (uint32_t)(l & 0x3F) << 8 | msg[at + 1];
			continue;
		}
		t->map[len] = (uint16_t)at;
		name_lower(t->lower + len, msg + at, 1u + l);
		len += 1u + l;
		if (l == 0)
			return;
		at += 1u + l;
	}
}

static bool visited(const struct walk *w, const struct name_hashes *h)
{
	for (unsigned i = 0; i < w->step_cnt; i++) {
		const struct name_hashes *seen = w->steps[i]->name.hashes;

		if (seen->len == h->len && seen->hash[0] == h->hash[0] &&
		    name_equal(w->steps[i]->name.lower, w->step->name.lower))
			return true;
	}
	return false;
}

/* Whether the zone that was found has content that this client may have. */
static bool is_served(const struct resolver *rs, const struct zonetab_find *find)
{
	return find->slot != ZONETAB_SLOT_NONE && find->snap != NULL &&
	       (find->acl == NULL || acl_allows(find->acl, rs->family, rs->client));
}

/* Makes the name in the CNAME record data at msg + at the current one. False: the answer ends here. */
static bool follow(struct walk *w, uint32_t at)
{
	struct resolve_target *t;
	struct zonetab_find find;

	w->end = END_ANSWER;
	if (w->step_cnt > RESOLVE_CHAIN_MAX) {
		w->notes |= RESOLVE_CHAIN_CUT;
		return false;
	}
	t = &w->rs->target[w->step_cnt - 1];
	target_read(t, w->r->msg, at);
	name_hash_suffixes(t->lower, w->rs->key, &t->hashes);
	w->step = &t->step;
	if (visited(w, &t->hashes))
		return false;
	find = (struct zonetab_find){
		.name = t->lower,
		.hashes = &t->hashes,
		.first_label = resolve_first_label(w->r->query->type, &t->hashes),
	};
	find_one(w->rs, &find);
	resolve_find_rest(w->rs, &find);
	/* Somebody else's name, or one we cannot speak for now: the client asks for it where it is known. */
	if (!is_served(w->rs, &find))
		return false;
	t->step.lookup.snap = find.snap;
	t->step.lookup.apex_label = find.apex_label;
	lookup_one(&t->step.lookup);
	w->steps[w->step_cnt++] = &t->step;
	return true;
}

static bool follow_cname(struct walk *w, const struct rrset_place *place)
{
	const struct lookup *l = &w->step->lookup;
	uint32_t at = w->r->at;
	struct rrset set;

	if ((entry_flags(l->entry) & ENTRY_CNAME) == 0 ||
	    !entry_set(l->snap, l->entry, DNS_TYPE_CNAME, &set)) {
		w->end = END_NODATA;
		return false;
	}
	w->end = END_ANSWER;
	return reply_require(w->r, REPLY_ANSWER, place, &set) && follow(w, reply_data_at(w->r, at));
}

/* The name, or a wildcard in its place, has an entry: RFC 1034 4.3.2 step 3a and 3c. */
static bool step_found(struct walk *w, const struct rrset_place *place)
{
	const struct lookup *l = &w->step->lookup;
	uint16_t type = w->r->query->type;
	struct rrset set;

	if (type == DNS_TYPE_ANY || type == DNS_TYPE_RRSIG) {
		if (answer_sets(w, place))
			return false;
	} else if (entry_set(l->snap, l->entry, type, &set)) {
		answer_set(w, place, &set);
		return false;
	}
	return follow_cname(w, place);
}

static bool step_exact(struct walk *w)
{
	struct rrset_place place = reply_place(&w->step->name, w->step->name.hashes->len);

	return step_found(w, &place);
}

static bool step_wildcard(struct walk *w)
{
	const struct lookup *l = &w->step->lookup;
	struct rrset_place place =
		reply_place_wildcard(&w->step->name, suffix_len(l->hashes, l->encloser_label));

	w->notes |= RESOLVE_WILDCARD;
	return step_found(w, &place);
}

/*
 * Where a DS question was looked up above a zone of ours and fell below another cut there, that parent is not the
 * one that knows: the zone itself answers after all.
 */
static bool retry_as_child(struct walk *w)
{
	struct lookup *l = &w->step->lookup;
	struct zonetab_find find = {.name = l->name, .hashes = l->hashes};

	if (w->r->query->type != DNS_TYPE_DS || l->label == 0)
		return false;
	find_one(w->rs, &find);
	if (!is_served(w->rs, &find) || find.apex_label != 0)
		return false;
	l->snap = find.snap;
	l->apex_label = 0;
	lookup_one(l);
	return true;
}

/* RFC 1034 4.3.2 step 3b; of the types at the cut itself only DS is the parent's to answer (RFC 4035 3.1.4.1). */
static bool step_cut(struct walk *w)
{
	const struct lookup *l = &w->step->lookup;
	struct rrset set;

	if (w->r->query->type == DNS_TYPE_DS && l->label == 0) {
		struct rrset_place place = reply_place(&w->step->name, l->hashes->len);

		if (entry_set(l->snap, l->entry, DNS_TYPE_DS, &set))
			answer_set(w, &place, &set);
		else
			w->end = END_NODATA;
		return false;
	}
	if (retry_as_child(w))
		return true;
	w->end = END_REFERRAL;
	return false;
}

/* Puts the DNAME set of the current name into the answer once. Returns where its target is, 0 when it did not fit. */
static uint32_t dname_put(struct walk *w, const struct rrset *set)
{
	const struct lookup *l = &w->step->lookup;
	struct rrset_place place = reply_place(&w->step->name, suffix_len(l->hashes, l->label));
	uint32_t at = w->r->at;

	for (unsigned i = 0; i < w->dname_cnt; i++)
		if (w->dname_body[i] == set->body)
			return w->dname_at[i];
	if (!reply_require(w->r, REPLY_ANSWER, &place, set))
		return 0;
	at = reply_data_at(w->r, at);
	w->dname_body[w->dname_cnt] = set->body;
	w->dname_at[w->dname_cnt++] = at;
	return at;
}

/* The first cnt labels of the current name, as they are in the message. Returns where they end. */
static uint8_t *put_labels(const struct walk *w, uint8_t *p, unsigned cnt)
{
	const struct reply_name *n = &w->step->name;

	for (unsigned i = 0; i < cnt; i++) {
		const uint8_t *label = w->r->msg + reply_suffix_at(n, suffix_len(n->hashes, i));

		memcpy(p, label, 1u + *label);
		p += 1 + *label;
	}
	return p;
}

/* The current name as an owner: a pointer, or spelled where none reaches. */
static uint8_t *put_owner(const struct walk *w, uint8_t *p)
{
	const struct reply_name *n = &w->step->name;
	unsigned at = reply_suffix_at(n, n->hashes->len);

	if (at > POINTER_MAX) {
		p = put_labels(w, p, n->hashes->label_cnt);
		*p = 0;
		return p + 1;
	}
	wire_store16(p, (uint16_t)(0xC000 | at));
	return p + 2;
}

/*
 * Writes the CNAME from the current name to its labels above the DNAME's owner plus the DNAME's target, which stands
 * at target_at (RFC 6672 3.1). Returns where its record data are, 0 when it did not fit.
 */
static uint32_t dname_cname(struct walk *w, uint32_t ttl, uint32_t target_at)
{
	const struct reply_name *n = &w->step->name;
	unsigned prefix_len = n->hashes->off[w->step->lookup.label];
	bool pointer = w->r->msg[target_at] != 0 && target_at <= POINTER_MAX;
	unsigned target_len = pointer ? 2 : (unsigned)name_len(w->r->msg + target_at);
	unsigned rdata_len = prefix_len + target_len;
	unsigned owner_len = reply_suffix_at(n, n->hashes->len) > POINTER_MAX ? n->hashes->len : 2;
	uint8_t *p = w->r->msg + w->r->at;
	uint32_t rdata_at = w->r->at + owner_len + REPLY_RECORD_HEAD_LEN;

	if (!reply_has_room(w->r, owner_len + REPLY_RECORD_HEAD_LEN + rdata_len)) {
		w->r->truncated = true;
		return 0;
	}
	p = put_owner(w, p);
	wire_store16(p, DNS_TYPE_CNAME);
	wire_store16(p + 2, DNS_CLASS_IN);
	wire_store32(p + 4, ttl);
	wire_store16(p + 8, (uint16_t)rdata_len);
	p = put_labels(w, p + REPLY_RECORD_HEAD_LEN, w->step->lookup.label);
	if (pointer)
		wire_store16(p, (uint16_t)(0xC000 | target_at));
	else
		memcpy(p, w->r->msg + target_at, target_len);
	w->r->at = rdata_at + rdata_len;
	w->r->cnt[REPLY_ANSWER]++;
	return rdata_at;
}

static bool step_dname(struct walk *w)
{
	const struct lookup *l = &w->step->lookup;
	uint32_t target_at, cname_rdata_at;
	struct rrset set;

	w->end = END_ANSWER;
	if (!entry_set(l->snap, l->entry, DNS_TYPE_DNAME, &set))
		return false;
	target_at = dname_put(w, &set);
	if (target_at == 0)
		return false;
	if (l->hashes->off[l->label] + name_len(w->r->msg + target_at) > NAME_LEN_MAX) {
		w->end = END_OVERFLOW;
		return false;
	}
	cname_rdata_at = dname_cname(w, set.ttl, target_at);
	if (w->r->query->type == DNS_TYPE_CNAME || w->r->query->type == DNS_TYPE_ANY)
		return false; /* it is what the question asks for, as a stored one would be */
	return cname_rdata_at != 0 && follow(w, cname_rdata_at);
}

static bool step_missing(struct walk *w)
{
	w->end = END_NAME_ERROR;
	return false;
}

/* Answers for the current name. True: there is a further name to answer for. */
static bool step(struct walk *w)
{
	switch ((enum lookup_kind)w->step->lookup.kind) {
	case LOOKUP_EXACT:
		return step_exact(w);
	case LOOKUP_CUT:
		return step_cut(w);
	case LOOKUP_DNAME:
		return step_dname(w);
	case LOOKUP_WILDCARD:
		return step_wildcard(w);
	case LOOKUP_MISSING:
		return step_missing(w);
	}
	return false;
}

/* Nobody may keep what was said about all classes at once, for it is not authoritative. */
static void put_soa(struct walk *w)
{
	if (w->r->query->class == DNS_CLASS_IN)
		denial_put_soa(w->r, &w->step->name, &w->step->lookup);
}

/* RFC 1034 4.3.2 step 3b with RFC 4035 3.1.4: NS, then DS or the proof that there is none. */
static void put_referral(struct walk *w)
{
	const struct lookup *l = &w->step->lookup;
	struct rrset_place place = reply_place(&w->step->name, suffix_len(l->hashes, l->label));
	struct rrset set;

	w->set_at = w->r->at;
	if (!entry_set(l->snap, l->entry, DNS_TYPE_NS, &w->set) ||
	    !reply_require(w->r, REPLY_AUTHORITY, &place, &w->set))
		return;
	w->set_place = place;
	w->set_entry = l->entry;
	if (!w->r->with_sigs)
		return;
	if (!entry_set(l->snap, l->entry, DNS_TYPE_DS, &set))
		denial_put_delegation(w->r, &w->step->name, l, &w->sent);
	else if (set.sig_cnt > 0) /* without a signature it secures nothing */
		reply_require(w->r, REPLY_AUTHORITY, &place, &set);
}

static void put_authority(struct walk *w)
{
	const struct lookup *last = &w->step->lookup;

	w->sent.next = w->step->prepared ? &w->step->next : NULL;
	switch (w->end) {
	case END_NODATA:
		w->notes |= RESOLVE_NODATA;
		put_soa(w);
		denial_put_nodata(w->r, &w->step->name, last, &w->sent);
		break;
	case END_NAME_ERROR:
		w->r->rcode = DNS_RCODE_NXDOMAIN;
		put_soa(w);
		denial_put_name_error(w->r, &w->step->name, last, &w->sent);
		break;
	case END_REFERRAL:
		w->notes |= RESOLVE_REFERRAL;
		put_referral(w);
		break;
	case END_OVERFLOW:
		w->r->rcode = DNS_RCODE_YXDOMAIN; /* RFC 6672 2.2 */
		break;
	case END_ANSWER:
		break;
	}
	if ((w->notes & RESOLVE_WILDCARD) == 0 || !w->r->with_sigs)
		return;
	for (unsigned i = 0; i < w->step_cnt; i++)
		if (w->steps[i]->lookup.kind == LOOKUP_WILDCARD) {
			w->sent.next = w->steps[i]->prepared ? &w->steps[i]->next : NULL;
			denial_put_wildcard(w->r, &w->steps[i]->name, &w->steps[i]->lookup, &w->sent);
		}
}

/* RFC 9471 3.1: all of it, or TC. */
static bool put_glue(struct walk *w)
{
	struct rrset glue;
	size_t end = 0;

	entry_glue(w->step->lookup.snap, w->set_entry, &glue);
	if (glue.len == 0)
		return true;
	/* Its pointers lead into the NS set, so that one has to be near. */
	if (!reply_is_near(w->set_at))
		end = rrset_spell_glue(&glue, &w->set, &w->set_place, w->r->msg, w->r->at, w->r->end);
	else if (reply_has_room(w->r, glue.len))
		end = rrset_link_glue(&glue, &w->set_place, w->set_at, w->r->msg, w->r->at);
	if (end == 0) {
		w->r->truncated = true;
		return false;
	}
	w->r->at = (uint32_t)end;
	w->r->cnt[REPLY_ADDITIONAL] = (uint16_t)(w->r->cnt[REPLY_ADDITIONAL] + glue.cnt);
	return true;
}

/* Where the name of a target stands in the message. */
static uint32_t target_at(const struct walk *w, const struct rrset_target *t)
{
	const struct rrset_place *place = &w->set_place;
	unsigned nominal = RRSET_NOMINAL(place->stored_len);

	if (t->name_at >= nominal)
		return w->set_at + (t->name_at - nominal);
	if (place->suffix_at != NULL)
		return place->suffix_at[t->name_at - DNS_HEADER_LEN];
	return (uint32_t)(t->name_at + place->suffix_add);
}

/* Addresses of the targets of the remembered set: optional, so they never truncate (RFC 2181 9, RFC 9471 3.2). */
static void put_targets(struct walk *w)
{
	const uint8_t
		*seen[2 * RESOLVE_TARGETS_MAX]; /* one target may be named by several records: RFC 2181 5 */
	unsigned seen_cnt = 0, iter = 0, left = RESOLVE_TARGETS_MAX;
	struct rrset_target t;

	if (!reply_is_near(w->set_at))
		return; /* its names are elsewhere than target_at thinks, and mostly out of reach */
	while (snapshot_next_target(w->step->lookup.snap, w->set_entry, &w->set, &iter, &left, &t)) {
		const struct rrset *address[] = {&t.a, &t.aaaa};
		struct rrset_place place = {.owner = (uint16_t)target_at(w, &t), .stored_len = t.owner_len};

		for (unsigned i = 0; i < 2; i++) {
			bool again = address[i]->cnt == 0 || target_at(w, &t) > POINTER_MAX;

			for (unsigned j = 0; j < seen_cnt && !again; j++)
				again = seen[j] == address[i]->body;
			if (again)
				continue;
			seen[seen_cnt++] = address[i]->body;
			reply_offer(w->r, REPLY_ADDITIONAL, &place, address[i], w->r->with_sigs);
		}
	}
}

unsigned resolve_answer(struct resolver *rs, struct reply *r, struct resolve_step *first, bool all)
{
	struct walk w;

	w.rs = rs;
	w.r = r;
	w.step = first;
	w.all = all;
	w.notes = 0;
	w.steps[0] = first;
	w.step_cnt = 1;
	w.dname_cnt = 0;
	w.set_entry = NULL;
	w.sent.hashes = &rs->hashes;
	w.sent.cnt = 0;
	w.sent.collision = false;
	while (step(&w) && !r->truncated)
		;
	/* AA speaks for the first owner in the answer (RFC 1035 4.1.1, RFC 6604 2); never for all classes at once. */
	r->authoritative = (w.end != END_REFERRAL || w.step_cnt > 1) && r->query->class == DNS_CLASS_IN;
	if (w.end != END_ANSWER || w.notes != 0)
		put_authority(&w);
	if (w.sent.collision) { /* RFC 5155 7.2.9 */
		reply_fail(r, DNS_EDE_INVALID_DATA, "NSEC3 hash collision");
		return 0;
	}
	if (w.set_entry == NULL || r->truncated)
		return w.notes;
	if (w.end != END_REFERRAL || put_glue(&w))
		put_targets(&w);
	return w.notes;
}
