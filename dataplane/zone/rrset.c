/* The linker of record sets. Hot path: no allocation, lock, log, syscall or shared write. Contracts in the headers. */
#include "dataplane/zone/rrset.h"

#include "dataplane/zone/nsec3.h"
#include "dataplane/zone/snapshot.h"

#include <string.h>

#define POINTER_TAG 0xC000u
#define POINTER_MAX 0x3FFFu

/* How the two kinds of pointers move. */
struct moves {
	const uint16_t *suffix_at; /* or NULL */
	unsigned split;		   /* pointers below are suffix pointers */
	unsigned shift;
	int suffix_add;
	int body_add;
};

static struct moves moves_of(const struct rrset *set, const struct rrset_place *place, size_t body_at)
{
	unsigned layout_len = (unsigned)place->stored_len - set->shift;

	return (struct moves){
		.suffix_at = place->suffix_at,
		.split = DNS_HEADER_LEN + layout_len,
		.shift = set->shift,
		.suffix_add = set->shift + place->suffix_add,
		.body_add = (int)body_at - (int)RRSET_NOMINAL(layout_len),
	};
}

static void fix_pointers(const struct rrset *set, const struct moves *m, uint8_t *dst, size_t len)
{
	if (m->suffix_add == 0 && m->body_add == 0 && m->suffix_at == NULL)
		return;
	for (unsigned i = 0; i < set->reloc_cnt && set->reloc[i] < len; i++) {
		uint8_t *at = dst + set->reloc[i];
		unsigned p = wire_load16(at) & 0x3FFFu;

		if (p >= m->split)
			p = (unsigned)((int)p + m->body_add);
		else if (m->suffix_at != NULL)
			p = m->suffix_at[p - DNS_HEADER_LEN + m->shift];
		else
			p = (unsigned)((int)p + m->suffix_add);
		wire_store16(at, (uint16_t)(POINTER_TAG | p));
	}
}

/* Lengths are read where they came from: reading what was just written would wait for it. */
static void fix_owners(uint8_t *dst, const uint8_t *src, size_t len, uint16_t owner, bool skip_first)
{
	for (size_t off = 0; off < len; off += 12u + wire_load16(src + off + 10))
		if (off > 0 || !skip_first)
			wire_store16(dst + off, (uint16_t)(POINTER_TAG | owner));
}

static void put_literal(const struct rrset_place *place, uint8_t *dst)
{
	size_t len = place->literal_len;

	if (place->literal_to == 0) {
		memcpy(dst, place->literal, len);
		return;
	}
	len -= 2;
	if (len == NSEC3_LABEL_LEN + 1)
		memcpy(dst, place->literal, NSEC3_LABEL_LEN + 1); /* of constant length: a few moves */
	else
		memcpy(dst, place->literal, len);
	wire_store16(dst + len, (uint16_t)(POINTER_TAG | place->literal_to));
}

size_t rrset_link(const struct rrset *set, const struct rrset_place *place, uint8_t *msg, size_t at,
		  bool with_sigs)
{
	size_t len = set->len + (with_sigs ? set->sig_len : 0);
	uint8_t *dst = msg + at;
	struct moves m;

	if (place->literal != NULL) {
		put_literal(place, dst);
		memcpy(dst + place->literal_len, set->body + 2, len - 2);
		dst += (size_t)place->literal_len - 2; /* the root's name is shorter than a pointer */
	} else {
		memcpy(dst, set->body, len);
	}
	if (place->owner != DNS_HEADER_LEN || place->literal != NULL)
		fix_owners(dst, set->body, len, place->owner, place->literal != NULL);
	if (set->reloc_cnt > 0) {
		m = moves_of(set, place, (size_t)(dst - msg));
		fix_pointers(set, &m, dst, len);
	}
	return (size_t)(dst - msg) + len;
}

size_t rrset_link_glue(const struct rrset *glue, const struct rrset_place *place, size_t ns_at, uint8_t *msg,
		       size_t at)
{
	size_t ns_body = ns_at + (place->literal != NULL ? (size_t)place->literal_len - 2 : 0);
	struct moves m = moves_of(glue, place, ns_body);

	memcpy(msg + at, glue->body, glue->len);
	fix_pointers(glue, &m, msg + at, glue->len);
	return at + glue->len;
}

/* A set that is being written with its names spelled. */
struct spelling {
	uint8_t *msg;
	size_t at, end;
	bool full;
	const struct rrset *set;
	const uint8_t *names; /* the body that body pointers lead into */
	struct moves moves;
	unsigned reloc_at; /* the next one */
};

static void spell_octets(struct spelling *s, const uint8_t *from, size_t len)
{
	if (s->full || len > s->end - s->at) {
		s->full = true;
		return;
	}
	memcpy(s->msg + s->at, from, len);
	s->at += len;
}

/* The name at an offset of the message, before what is being written. */
static void spell_from_msg(struct spelling *s, size_t from)
{
	for (;;) {
		const uint8_t *p = s->msg + from;

		if (*p >= 0xC0) {
			from = wire_load16(p) & POINTER_MAX;
			continue;
		}
		spell_octets(s, p, 1u + *p);
		if (*p == 0 || s->full)
			return;
		from += 1u + *p;
	}
}

/* The name that a pointer of the body leads to. */
static void spell_target(struct spelling *s, unsigned pointer)
{
	const struct moves *m = &s->moves;

	for (;;) {
		const uint8_t *p;

		if (pointer < m->split) {
			spell_from_msg(s, m->suffix_at != NULL
						  ? m->suffix_at[pointer - DNS_HEADER_LEN + m->shift]
						  : (size_t)((int)pointer + m->suffix_add));
			return;
		}
		/* body_add is the distance from where it was laid out to the start of the body. */
		for (p = s->names + ((int)pointer + m->body_add); *p != 0 && *p < 0xC0; p += 1 + *p)
			spell_octets(s, p, 1u + *p);
		if (*p == 0) {
			spell_octets(s, p, 1);
			return;
		}
		pointer = wire_load16(p) & POINTER_MAX;
	}
}

/* Octets of the body, with names in place of pointers. */
static void spell_body(struct spelling *s, size_t from, size_t to)
{
	const struct rrset *set = s->set;

	for (; s->reloc_at < set->reloc_cnt && set->reloc[s->reloc_at] < to; s->reloc_at++) {
		size_t at = set->reloc[s->reloc_at];

		spell_octets(s, set->body + from, at - from);
		spell_target(s, wire_load16(set->body + at) & POINTER_MAX);
		from = at + 2;
	}
	spell_octets(s, set->body + from, to - from);
}

static void spell_name_at(struct spelling *s, size_t at)
{
	uint8_t pointer[2];

	if (at > POINTER_MAX) {
		spell_from_msg(s, at);
		return;
	}
	wire_store16(pointer, (uint16_t)(POINTER_TAG | at));
	spell_octets(s, pointer, sizeof(pointer));
}

static void spell_owner(struct spelling *s, const struct rrset_place *place, bool first)
{
	if (place->literal == NULL || !first) {
		spell_name_at(s, place->owner);
	} else if (place->literal_to == 0) {
		spell_octets(s, place->literal, place->literal_len);
	} else {
		spell_octets(s, place->literal, place->literal_len - 2u);
		spell_name_at(s, place->literal_to);
	}
}

static struct spelling spell_begin(const struct rrset *set, const uint8_t *names,
				   const struct rrset_place *place, uint8_t *msg, size_t at, size_t end)
{
	return (struct spelling){.msg = msg,
				 .at = at,
				 .end = end,
				 .set = set,
				 .names = names,
				 .moves = moves_of(set, place, 0)};
}

size_t rrset_spell(const struct rrset *set, const struct rrset_place *place, uint8_t *msg, size_t at,
		   size_t end, bool with_sigs)
{
	struct spelling s = spell_begin(set, set->body, place, msg, at, end);
	size_t len = set->len + (with_sigs ? set->sig_len : 0), next;

	for (size_t off = 0; off < len && !s.full; off = next) {
		size_t data_at;

		next = off + 12u + wire_load16(set->body + off + 10);
		spell_owner(&s, place, off == 0);
		spell_octets(&s, set->body + off + 2, 10);
		data_at = s.at;
		spell_body(&s, off + 12, next);
		if (!s.full)
			wire_store16(msg + data_at - 2, (uint16_t)(s.at - data_at));
	}
	return s.full ? 0 : s.at;
}

size_t rrset_spell_glue(const struct rrset *glue, const struct rrset *ns, const struct rrset_place *place,
			uint8_t *msg, size_t at, size_t end)
{
	struct spelling s = spell_begin(glue, ns->body, place, msg, at, end);

	spell_body(&s, 0, glue->len); /* names are owners here, so no length changes */
	return s.full ? 0 : s.at;
}
