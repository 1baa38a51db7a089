#include "control/outmsg.h"

#define POINTER_MAX 0x3FFF

void outmsg_begin(struct outmsg *m, uint8_t *msg, size_t cap, const struct outmsg_head *head)
{
	memset(m, 0, sizeof(*m));
	m->msg = msg;
	m->cap = cap;
	memset(msg, 0, DNS_HEADER_LEN);
	wire_store16(msg, head->id);
	wire_store16(msg + 2, head->flags);
	wire_store16(msg + 4, head->question_len > 0);
	if (head->question_len > 0)
		memcpy(msg + DNS_HEADER_LEN, head->question, head->question_len);
	m->len = DNS_HEADER_LEN + head->question_len;
}

/* Whether the name that stands at an offset of the message, compressed or not, has the octets of name. */
static bool stands_at(const struct outmsg *m, size_t at, const uint8_t *name)
{
	for (;;) {
		unsigned len = m->msg[at];

		if (len >= 0xC0) { /* our own pointers, which lead backwards */
			at = (size_t)(wire_load16(m->msg + at) & POINTER_MAX);
			continue;
		}
		if (memcmp(m->msg + at, name, len + 1) != 0)
			return false;
		if (len == 0)
			return true;
		at += len + 1;
		name += len + 1;
	}
}

/* FNV-1a from the root side, so that a suffix has one hash whatever stands before it. */
static uint32_t hash_label(uint32_t h, const uint8_t *label)
{
	for (unsigned i = 0; i <= *label; i++)
		h = (h ^ label[i]) * 16777619u;
	return h;
}

/* Writes name at at, where there is room for all of it. Returns the octets used. */
static size_t put_name(struct outmsg *m, size_t at, const uint8_t *name)
{
	uint8_t off[NAME_LABELS_MAX];
	uint32_t hash[NAME_LABELS_MAX], h = 2166136261u;
	size_t len = name_len(name);
	unsigned cnt = 0;

	/* Whole first: what is remembered below must stand there when it is compared. */
	memcpy(m->msg + at, name, len);
	for (size_t i = 0; name[i] != 0; i += 1u + name[i])
		off[cnt++] = (uint8_t)i;
	for (unsigned i = cnt; i-- > 0;)
		hash[i] = h = hash_label(h, name + off[i]);
	for (unsigned i = 0; i < cnt; i++) {
		uint16_t *place = &m->names[hash[i] & (OUTMSG_NAMES - 1)];

		if (*place != 0 && *place < at && stands_at(m, *place, name + off[i])) {
			wire_store16(m->msg + at + off[i], (uint16_t)(0xC000 | *place));
			return off[i] + 2u;
		}
		if (at + off[i] <= POINTER_MAX)
			*place = (uint16_t)(at + off[i]);
	}
	return len;
}

static size_t put_rdata(struct outmsg *m, size_t at, const struct snapshot_record *r)
{
	struct rdata_name names[RDATA_NAMES_MAX];
	unsigned cnt = rdata_names(r->type, r->rdata, r->rdata_len, names);
	size_t from = 0, begin = at;

	for (unsigned i = 0; i < cnt; i++) {
		if (!names[i].compress)
			continue;
		memcpy(m->msg + at, r->rdata + from, names[i].off - from);
		at += names[i].off - from;
		at += put_name(m, at, r->rdata + names[i].off);
		from = (size_t)names[i].off + names[i].len;
	}
	if (r->rdata_len > from)
		memcpy(m->msg + at, r->rdata + from, r->rdata_len - from);
	return at + (r->rdata_len - from) - begin;
}

bool outmsg_add(struct outmsg *m, const struct snapshot_record *r)
{
	/* As long as it can become; what compression may save does not make it fit. */
	size_t most = name_len(r->owner) + 10u + r->rdata_len;
	size_t limit = m->answer_cnt > 0 && m->cap > OUTMSG_AIM ? OUTMSG_AIM : m->cap;
	size_t at = m->len, rdlen;

	if (at + most > limit)
		return false;
	at += put_name(m, at, r->owner);
	wire_store16(m->msg + at, r->type);
	wire_store16(m->msg + at + 2, DNS_CLASS_IN);
	wire_store32(m->msg + at + 4, r->ttl);
	rdlen = put_rdata(m, at + 10, r);
	wire_store16(m->msg + at + 8, (uint16_t)rdlen);
	m->len = at + 10 + rdlen;
	m->answer_cnt++;
	return true;
}

size_t outmsg_end(struct outmsg *m)
{
	wire_store16(m->msg + 6, m->answer_cnt);
	return m->len;
}
