#include "control/present.h"

#include <errno.h>
#include <inttypes.h>

static size_t put16(uint8_t *at, unsigned n)
{
	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
	return 2;
}

/* The record as it would stand in a message, for ldns to read. Returns its length. */
static size_t wire_form(uint8_t *wire, const struct snapshot_record *r)
{
	size_t len = name_len(r->owner);

	memcpy(wire, r->owner, len);
	len += put16(wire + len, r->type);
	len += put16(wire + len, 1); /* IN */
	len += put16(wire + len, r->ttl >> 16);
	len += put16(wire + len, r->ttl & 0xffff);
	len += put16(wire + len, r->rdata_len);
	if (r->rdata_len > 0)
		memcpy(wire + len, r->rdata, r->rdata_len);
	return len + r->rdata_len;
}

/* RFC 3597 5, for what ldns cannot write. */
static int put_generic(ldns_buffer *out, const struct snapshot_record *r, const char *owner)
{
	if (ldns_buffer_printf(out, "%s\t%" PRIu32 "\tIN\tTYPE%u\t\\# %u ", owner, r->ttl, r->type,
			       r->rdata_len) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < r->rdata_len; i++) {
		if (ldns_buffer_printf(out, "%02x", r->rdata[i]) < 0)
			return -ENOMEM;
	}
	return ldns_buffer_printf(out, "\n") < 0 ? -ENOMEM : 0;
}

/*
 * One field. Names are ours: ldns leaves a quote in one as it is, and a reader would take it for the begin of a string.
 */
static bool put_field(ldns_buffer *out, const ldns_rdf *rdf)
{
	char name[NAME_TEXT_CAP];

	if (ldns_rdf_get_type(rdf) == LDNS_RDF_TYPE_DNAME)
		return ldns_buffer_printf(out, "%s", name_text(ldns_rdf_data(rdf), name)) >= 0;
	return ldns_rdf2buffer_str(out, rdf) == LDNS_STATUS_OK;
}

/* False, and nothing is put, when ldns cannot write this record, or has not understood it to its last octet. */
static bool put_by_ldns(ldns_buffer *out, uint8_t *wire, const struct snapshot_record *r, const char *owner)
{
	size_t begin = ldns_buffer_position(out), pos = 0, len = wire_form(wire, r);
	char type[RDATA_TYPE_TEXT_CAP];
	ldns_rr *rr = NULL;
	bool ok = ldns_wire2rr(&rr, wire, len, &pos, LDNS_SECTION_ANSWER) == LDNS_STATUS_OK && pos == len &&
		  ldns_rr_rd_count(rr) > 0;

	ok = ok && ldns_buffer_printf(out, "%s\t%" PRIu32 "\tIN\t%s", owner, r->ttl,
				      rdata_type_text(r->type, type)) >= 0;
	for (size_t i = 0; ok && i < ldns_rr_rd_count(rr); i++)
		ok = ldns_buffer_printf(out, i == 0 ? "\t" : " ") >= 0 && put_field(out, ldns_rr_rdf(rr, i));
	ok = ok && ldns_buffer_printf(out, "\n") >= 0;
	ldns_rr_free(rr);
	if (!ok)
		ldns_buffer_set_position(out, begin);
	return ok;
}

int present_record(ldns_buffer *out, const struct snapshot_record *r, uint8_t *wire)
{
	char owner[NAME_TEXT_CAP];

	/* ldns would leave "$INCLUDE.example." at the begin of a line, which says something else to a reader. */
	name_text(r->owner, owner);
	return put_by_ldns(out, wire, r, owner) ? 0 : put_generic(out, r, owner);
}
