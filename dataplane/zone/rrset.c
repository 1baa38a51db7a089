/* The linker of record sets. Hot path: no allocation, lock, log, syscall or shared write. Contracts in the headers. */
#include "dataplane/zone/rrset.h"

#include "dataplane/zone/nsec3.h"
#include "dataplane/zone/snapshot.h"

#include <string.h>

#define POINTER_TAG 0xC000u

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
