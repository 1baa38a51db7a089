/* From the records of one owner to its entry: which layout each set gets, what is stored apart. For the builder only. */
#include "dataplane/zone/builder_internal.h"

#include <errno.h>

/* Whether a target of these NS records lies at or below their owner. */
static bool ns_inside(const struct owner *o, const struct records *r, const struct record *rec, unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++)
		if (rec[i].type == DNS_TYPE_NS && name_is_at_or_below(record_data(r, &rec[i]), o->lower))
			return true;
	return false;
}

static uint8_t *encode_one(struct builder *b, const struct owner *o, const struct records *r, unsigned at,
			   unsigned cnt, size_t apart, uint8_t form, uint8_t *out, enum builder_verdict *v)
{
	const struct record *rec = &r->v[at];
	struct encode_body *body = b->body;
	bool share = false;
	uint32_t id;
	int rc;

	*v = BUILDER_OK;
	if (rec->type == DNS_TYPE_NS && o->rel_len > 0) {
		b->ns_inside = ns_inside(o, r, rec, cnt);
		share = !b->ns_inside;
	}
	if (!share) {
		encode_body_start(body, o->orig, o->len);
		encode_body_records(body, r, rec, cnt);
		share = body->len >= apart;
	}
	if (share) {
		encode_body_start(body, b->apex_orig, b->apex_len);
		encode_body_records(body, r, rec, cnt);
	}
	if (body->overflow || RRSET_NOMINAL(o->len) + body->len > DNS_MSG_MAX) {
		*v = builder_fail(b, BUILDER_LIMIT_MESSAGE, o->orig, rec->set);
		return out;
	}
	if (share) {
		rc = shared_acquire(b, body, &id);
		if (rc == 0)
			return encode_set_shared(rec->set, id, form, b->entry, out);
		if (rc != -EEXIST) {
			*v = builder_draft_error(b, rc, o);
			return out;
		}
		form |= SET_APEX;
	}
	if (encode_set_size(body) > (size_t)(b->entry + ENTRY_ROOM - out)) {
		*v = builder_fail(b, BUILDER_LIMIT_NAME, o->orig, rec->set);
		return out;
	}
	return encode_set(body, form, b->entry, out);
}

static enum builder_verdict encode_all(struct builder *b, const struct owner *o, unsigned flags,
				       uint32_t children, const struct records *r, size_t apart,
				       size_t *out_len)
{
	uint8_t *out = encode_head(o, flags, children, b->entry);

	for (unsigned at = 0; at < r->cnt;) {
		enum builder_verdict v;
		unsigned end = at + 1;

		while (end < r->cnt && r->v[end].set == r->v[at].set)
			end++;
		out = encode_one(b, o, r, at, end - at, apart, end == r->cnt ? SET_LAST : 0, out, &v);
		if (v != BUILDER_OK)
			return v;
		at = end;
		if (out - b->entry > ENCODE_ENTRY_MAX)
			return builder_fail(b, BUILDER_LIMIT_NAME, o->orig, 0);
	}
	*out_len = (size_t)(out - b->entry);
	return BUILDER_OK;
}

enum builder_verdict builder_encode(struct builder *b, const struct owner *o, unsigned flags,
				    uint32_t children, const struct records *r, size_t *out_len)
{
	size_t total = 0;

	/* Decided by content alone, so that a zone has one form however it came about. */
	for (unsigned i = 0; i < r->cnt; i++)
		total += 12u + r->v[i].len;
	b->apex_fixed = true;
	return encode_all(b, o, flags, children, r,
			  total > ENCODE_ENTRY_AIM ? ENCODE_APART_SMALL : ENCODE_APART, out_len);
}
