/*
 * Laying out bodies: RFC 1035 4.1.4 compression against the owner, the apex and earlier names of the same body.
 * Only identical octets are compressed, so the case of record data survives storage; against the owner an answer
 * then shows the case of the question, as it does elsewhere. Pure. Contracts in the header.
 */
#include "dataplane/zone/encode.h"

void encode_body_start(struct encode_body *body, const uint8_t *layout, size_t layout_len)
{
	body->len = 0;
	body->records_len = 0;
	body->cnt = 0;
	body->sig_cnt = 0;
	body->reloc_cnt = 0;
	body->name_cnt = 0;
	body->layout = layout;
	body->layout_len = (uint8_t)layout_len;
	body->label_at_filled = false;
	body->overflow = false;
}

static void put(struct encode_body *body, const void *src, size_t len)
{
	if (len > ENCODE_BODY_CAP - body->len) {
		body->overflow = true;
		return;
	}
	memcpy(body->octets + body->len, src, len);
	body->len += (uint32_t)len;
}

static void put_pointer(struct encode_body *body, unsigned at)
{
	uint8_t octets[2];

	wire_store16(octets, (uint16_t)(0xC000u | at));
	if (body->reloc_cnt == ENCODE_RELOC_MAX || body->len > UINT16_MAX) {
		body->overflow = true;
		return;
	}
	body->reloc[body->reloc_cnt++] = (uint16_t)body->len;
	put(body, octets, 2);
}

/*
 * A wildcard's own label is left out: in an answer the question name stands there instead of it, and only what is
 * behind the "*" is the same name then (RFC 4592 3.3.1).
 */
static void fill_label_at(struct encode_body *body)
{
	const uint8_t *p = body->layout;
	const uint8_t *end = p + body->layout_len;

	memset(body->label_at, 0, sizeof(body->label_at));
	if (p[0] == 1 && p[1] == '*')
		p += 2;
	for (; *p != 0; p += 1 + *p)
		body->label_at[end - p] = 1;
	body->label_at_filled = true;
}

/* Where the name at p, len octets, stands already; 0: nowhere. */
static unsigned find_name(struct encode_body *body, const uint8_t *p, size_t len)
{
	if (len <= body->layout_len && body->label_at[len] != 0) {
		size_t at = body->layout_len - len;

		if (memcmp(body->layout + at, p, len) == 0)
			return (unsigned)(DNS_HEADER_LEN + at);
	}
	for (unsigned i = 0; i < body->name_cnt; i++)
		if (body->names[i].len == len && memcmp(body->names[i].name, p, len) == 0)
			return body->names[i].at;
	return 0;
}

static void put_name(struct encode_body *body, const uint8_t *name, size_t len)
{
	if (!body->label_at_filled)
		fill_label_at(body);
	for (size_t i = 0; name[i] != 0; i += 1u + name[i]) {
		unsigned at = find_name(body, name + i, len - i);
		size_t here = RRSET_NOMINAL(body->layout_len) + body->len;

		if (at != 0) {
			put_pointer(body, at);
			return;
		}
		if (body->name_cnt < ENCODE_NAMES && here <= RRSET_TARGET_MAX)
			body->names[body->name_cnt++] = (struct encode_name){
				.name = name + i, .at = (uint16_t)here, .len = (uint8_t)(len - i)};
		put(body, name + i, 1u + name[i]);
	}
	put(body, "", 1);
}

static void put_data(struct encode_body *body, uint16_t type, const uint8_t *data, uint16_t len)
{
	struct rdata_name names[RDATA_NAMES_MAX];
	unsigned cnt = 0;
	size_t done = 0;

	if (type != DNS_TYPE_A && type != DNS_TYPE_AAAA && type != DNS_TYPE_RRSIG)
		cnt = rdata_names(type, data, len, names);
	for (unsigned i = 0; i < cnt; i++) {
		if (!names[i].compress)
			continue;
		put(body, data + done, names[i].off - done);
		put_name(body, data + names[i].off, names[i].len);
		done = (size_t)names[i].off + names[i].len;
	}
	put(body, data + done, len - done);
}

void encode_body_records(struct encode_body *body, const struct records *r, const struct record *rec,
			 unsigned cnt)
{
	for (unsigned i = 0; i < cnt && !body->overflow; i++, rec++) {
		uint8_t head[12] = {0xC0, DNS_HEADER_LEN, 0, 0, 0, DNS_CLASS_IN};
		uint32_t start = body->len;

		wire_store16(head + 2, rec->type);
		wire_store32(head + 6, rec->ttl);
		put(body, head, sizeof(head));
		put_data(body, rec->type, record_data(r, rec), rec->len);
		if (body->overflow)
			return;
		wire_store16(body->octets + start + 10, (uint16_t)(body->len - start - 12));
		if (rec->sig) {
			body->sig_cnt++;
		} else {
			body->cnt++;
			body->records_len = body->len;
		}
	}
}

void encode_body_glue(struct encode_body *body, uint16_t owner_at, const uint8_t *owner,
		      const uint8_t *record, size_t len)
{
	if (owner_at != 0)
		put_pointer(body, owner_at);
	else
		put(body, owner, name_len(owner));
	put(body, record + 2, len - 2);
	body->cnt++;
	body->records_len = body->len;
}

static uint8_t *put16(uint8_t *out, unsigned v)
{
	uint16_t v16 = (uint16_t)v;

	memcpy(out, &v16, sizeof(v16));
	return out + sizeof(v16);
}

size_t encode_set_size(const struct encode_body *body)
{
	return 12u + body->reloc_cnt * 2u + body->len;
}

uint8_t *encode_set(const struct encode_body *body, uint8_t form, const uint8_t *base, uint8_t *out)
{
	uint8_t *form_at = out++;

	/* Glue's records may start with a name written out, so its length is always stored. */
	if (body->cnt != 1 || form & SET_GLUE)
		form |= SET_MULTI;
	if (body->sig_cnt > 0)
		form |= SET_SIGS;
	if (body->reloc_cnt > 0)
		form |= SET_RELOC;
	*form_at = form;
	if (form & SET_LONG && (out - base) & 1)
		*out++ = 0;
	if (form & SET_MULTI) {
		out = put16(out, body->records_len);
		out = put16(out, body->cnt);
	}
	if (form & SET_SIGS) {
		out = put16(out, body->len - body->records_len);
		out = put16(out, body->sig_cnt);
	}
	if (form & SET_RELOC) {
		out = put16(out, body->reloc_cnt);
		memcpy(out, body->reloc, body->reloc_cnt * sizeof(uint16_t));
		out += body->reloc_cnt * sizeof(uint16_t);
	}
	memcpy(out, body->octets, body->len);
	return out + body->len;
}

uint8_t *encode_set_shared(uint16_t type, uint32_t id, uint8_t form, const uint8_t *base, uint8_t *out)
{
	*out++ = form | SET_SHARED;
	if ((out - base) & 1)
		*out++ = 0;
	out = put16(out, type);
	memcpy(out, &id, sizeof(id));
	return out + sizeof(id);
}

uint8_t *encode_head(const struct owner *o, unsigned flags, uint32_t children, uint8_t *out)
{
	if (o->cased)
		flags |= ENTRY_CASE;
	if (children > 0)
		flags |= ENTRY_PARENT;
	*out++ = (uint8_t)flags;
	*out++ = o->rel_len;
	memcpy(out, o->lower, o->rel_len);
	out += o->rel_len;
	if (o->cased) {
		memcpy(out, o->orig, o->rel_len);
		out += o->rel_len;
	}
	if (children > 0) {
		memcpy(out, &children, sizeof(children));
		out += sizeof(children);
	}
	return out;
}
