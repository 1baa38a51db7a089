/*
 * Versions that differ although their serials do not: by the SOA record, by its signatures where both sides have some, and
 * otherwise by ZONEMD.
 * A primary that was rebuilt, or two that sign on their own, look like this. The control loop's thread.
 */
#include "control/zones_internal.h"

#include "dataplane/dns/protocol.h"

/*
 * What we would answer to the same query, in the primary's form, so that the same reader reads both. Returns its length, or
 * 0: it does not fit.
 */
static size_t put_own_answer(const struct snapshot *s, uint16_t type, const struct rrset *set, uint8_t *msg,
			     size_t cap)
{
	const uint8_t *apex = snapshot_apex_name(s);
	size_t apex_len = name_len(apex), at = RRSET_NOMINAL(apex_len);
	const struct rrset_place place = {.owner = DNS_HEADER_LEN, .stored_len = (uint16_t)apex_len};

	if (at + rrset_linked_len(set, &place, true) > cap)
		return 0;
	memset(msg, 0, DNS_HEADER_LEN);
	wire_store16(msg + 2, DNS_FLAG_QR);
	wire_store16(msg + 4, 1);
	wire_store16(msg + 6, (uint16_t)(set->cnt + set->sig_cnt));
	memcpy(msg + DNS_HEADER_LEN, apex, apex_len);
	wire_store16(msg + at - 4, type);
	wire_store16(msg + at - 2, DNS_CLASS_IN);
	return rrset_link(set, &place, msg, at, true);
}

static bool read_own(struct zones *z, const struct snapshot *s, uint16_t type, struct refresh_answer *out)
{
	const struct refresh_question q = {.apex = snapshot_apex_name(s), .type = type};
	struct rrset set;
	size_t len = 0;

	if (entry_set(s, snapshot_apex(s), type, &set))
		len = put_own_answer(s, type, &set, z->own, DNS_MSG_MAX);
	return len > 0 && refresh_answer_get(z->own, len, &q, z->rdata, out) == REFRESH_OK;
}

bool zone_has_digests(const struct zone *zn)
{
	const struct snapshot *s = zone_ours(zn);
	struct rrset set;

	return zn->config->same_serial != CONFIG_SAME_IGNORE && s != NULL &&
	       entry_set(s, snapshot_apex(s), DNS_TYPE_ZONEMD, &set);
}

/* What of it differs; NULL: nothing that can be compared. */
static const char *difference(struct zones *z, const struct snapshot *s, const struct refresh_answer *theirs)
{
	struct refresh_answer ours;

	if (!read_own(z, s, DNS_TYPE_SOA, &ours))
		return NULL;
	if (ours.soa_hash != theirs->soa_hash)
		return "the SOA records";
	if (ours.signature_cnt > 0 && theirs->signature_cnt > 0 &&
	    ours.signatures_hash != theirs->signatures_hash)
		return "the signatures of the SOA";
	if (theirs->digest_cnt > 0 && read_own(z, s, DNS_TYPE_ZONEMD, &ours) &&
	    ours.digests_hash != theirs->digests_hash)
		return "the ZONEMD records";
	return NULL;
}

bool zone_differs(struct zone *zn, const struct refresh_answer *theirs)
{
	struct zones *z = zn->all;
	const struct snapshot *s = zone_ours(zn);
	char peer[CONFIG_ADDRESS_TEXT_CAP];
	const char *what;

	zn->primary_differs = false;
	if (zn->config->same_serial == CONFIG_SAME_IGNORE || s == NULL ||
	    snapshot_serial(s) != theirs->soa.serial)
		return false;
	what = difference(z, s, theirs);
	if (what == NULL)
		return false;
	zn->primary_differs = true;
	z->cnt[ZONES_CNT_serial_same]++;
	if (log_allow(z->env.log, &z->limit_serial, ZONES_LOG_BURST, "serial-same"))
		log_event(z->env.log, LOG_WARNING, "serial-same", zn->config->name_text,
			  zone_peer_text(zn, peer),
			  "serial=%u reason=\"our serial, and another content: %s differ (same-serial)\"",
			  theirs->soa.serial, what);
	return true;
}
