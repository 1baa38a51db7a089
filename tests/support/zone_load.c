#include "tests/support/zone_load.h"

#include <errno.h>
#include <ldns/ldns.h>
#include <string.h>

/* ldns writes record data uncompressed and without its length in front. */
static enum builder_verdict add_record(struct builder *b, const ldns_rr *rr)
{
	ldns_buffer *rdata = ldns_buffer_new(LDNS_MAX_PACKETLEN);
	enum builder_verdict verdict = BUILDER_NO_MEMORY;

	if (rdata == NULL)
		return verdict;
	if (ldns_rr_rdata2buffer_wire(rdata, rr) == LDNS_STATUS_OK)
		verdict = builder_add(b, ldns_rdf_data(ldns_rr_owner(rr)), (uint16_t)ldns_rr_get_type(rr),
				      ldns_rr_ttl(rr), ldns_buffer_begin(rdata),
				      (uint16_t)ldns_buffer_position(rdata));
	ldns_buffer_free(rdata);
	return verdict;
}

static int build(struct builder *b, const char *apex, ldns_zone *zone, struct snapshot **out)
{
	const ldns_rr_list *list = ldns_zone_rrs(zone);
	enum builder_verdict verdict = BUILDER_OK;
	char owner[NAME_TEXT_CAP], type[RDATA_TYPE_TEXT_CAP];
	struct builder_report report;

	memset(&report, 0, sizeof(report));
	if (ldns_zone_soa(zone) != NULL)
		verdict = add_record(b, ldns_zone_soa(zone));
	for (size_t i = 0; verdict == BUILDER_OK && i < ldns_rr_list_rr_count(list); i++)
		verdict = add_record(b, ldns_rr_list_rr(list, i));
	/* Also after a failure: it says then what was refused. */
	verdict = builder_finish(b, out, &report);
	if (verdict == BUILDER_OK)
		return 0;
	fprintf(stderr, "zone %s: %s: %s %s\n", apex, builder_verdict_text(verdict),
		name_text(report.owner, owner), rdata_type_text(report.type, type));
	return verdict == BUILDER_NO_MEMORY ? -ENOMEM : -EINVAL;
}

int zone_load_file(struct arena *arena, uint64_t key, const char *apex, FILE *f, struct snapshot **out)
{
	ldns_rdf *origin = ldns_dname_new_frm_str(apex);
	ldns_zone *zone = NULL;
	struct builder *b = NULL;
	ldns_status status;
	int line = 0;
	int rc = -EINVAL;

	status = ldns_zone_new_frm_fp_l(&zone, f, origin, 3600, LDNS_RR_CLASS_IN, &line);
	if (status != LDNS_STATUS_OK) {
		fprintf(stderr, "zone %s: line %d: %s\n", apex, line, ldns_get_errorstr_by_id(status));
		goto free_origin;
	}
	b = builder_new(arena, key, ldns_rdf_data(origin), NULL, &builder_limits_none);
	rc = b == NULL ? -ENOMEM : build(b, apex, zone, out);
	if (b != NULL)
		builder_free(b);
	ldns_zone_deep_free(zone);
free_origin:
	ldns_rdf_deep_free(origin);
	return rc;
}

int zone_load_text(struct arena *arena, uint64_t key, const char *apex, const char *text,
		   struct snapshot **out)
{
	FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int rc;

	if (f == NULL)
		return -errno;
	rc = zone_load_file(arena, key, apex, f, out);
	fclose(f);
	return rc;
}

int zone_load_into(struct zonetab *t, struct arena *arena, const char *apex, FILE *f, uint32_t *out_slot)
{
	struct snapshot *snap = NULL;
	uint8_t name[NAME_LEN_MAX];
	int rc;

	if (name_from_text(apex, name) < 0)
		return -EINVAL;
	rc = zone_load_file(arena, zonetab_key(t), apex, f, &snap);
	if (rc < 0)
		return rc;
	rc = zonetab_add(t, name, out_slot);
	if (rc < 0) {
		snapshot_retire(snap);
		return rc;
	}
	zonetab_publish(t, *out_slot, &snap);
	return 0;
}
