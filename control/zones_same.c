/*
 * Versions that differ although their serials do not: by the SOA record, or by its signatures where both sides have some.
 * A primary that was rebuilt, or two that sign on their own, look like this. The control loop's thread.
 */
#include "control/zones_internal.h"

#include "dataplane/dns/protocol.h"

#define LOG_BURST 20

/*
 * What we would answer to the same query, in the primary's form, so that the same reader reads both. Returns its length, or
 * 0: it does not fit.
 */
static size_t put_own_answer(const struct snapshot *s, const struct rrset *soa, uint8_t *msg, size_t cap)
{
	const uint8_t *apex = snapshot_apex_name(s);
	size_t apex_len = name_len(apex), at = RRSET_NOMINAL(apex_len);
	const struct rrset_place place = {.owner = DNS_HEADER_LEN, .stored_len = (uint16_t)apex_len};

	if (at + rrset_linked_len(soa, &place, true) > cap)
		return 0;
	memset(msg, 0, DNS_HEADER_LEN);
	wire_store16(msg + 2, DNS_FLAG_QR);
	wire_store16(msg + 4, 1);
	wire_store16(msg + 6, (uint16_t)(soa->cnt + soa->sig_cnt));
	memcpy(msg + DNS_HEADER_LEN, apex, apex_len);
	wire_store16(msg + at - 4, DNS_TYPE_SOA);
	wire_store16(msg + at - 2, DNS_CLASS_IN);
	return rrset_link(soa, &place, msg, at, true);
}

static bool read_own(struct zones *z, const struct snapshot *s, struct refresh_answer *out)
{
	struct rrset soa;
	size_t len = 0;

	if (entry_set(s, snapshot_apex(s), DNS_TYPE_SOA, &soa))
		len = put_own_answer(s, &soa, z->buf, DNS_MSG_MAX);
	return len > 0 &&
	       refresh_answer_get(z->buf, len, snapshot_apex_name(s), 0, z->rdata, out) == REFRESH_OK;
}

bool zone_differs(struct zone *zn, const struct refresh_answer *theirs)
{
	struct zones *z = zn->all;
	const struct snapshot *s = zone_ours(zn);
	struct refresh_answer ours;
	char peer[CONFIG_ADDRESS_TEXT_CAP];
	bool by_soa, by_signature;

	zn->primary_differs = false;
	if (zn->config->same_serial == CONFIG_SAME_IGNORE || s == NULL ||
	    snapshot_serial(s) != theirs->soa.serial || !read_own(z, s, &ours))
		return false;
	by_soa = ours.soa_hash != theirs->soa_hash;
	by_signature = ours.signature_cnt > 0 && theirs->signature_cnt > 0 &&
		       ours.signatures_hash != theirs->signatures_hash;
	if (!by_soa && !by_signature)
		return false;
	zn->primary_differs = true;
	z->cnt[ZONES_CNT_serial_same]++;
	if (log_allow(z->env.log, &z->limit_serial, LOG_BURST, "serial-same"))
		log_event(z->env.log, LOG_WARNING, "serial-same", zn->config->name_text,
			  zone_peer_text(zn, peer),
			  "serial=%u reason=\"our serial, and another content: %s differ (same-serial)\"",
			  theirs->soa.serial, by_soa ? "the SOA records" : "the signatures of the SOA");
	return true;
}
