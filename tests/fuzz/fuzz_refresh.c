/*
 * Fuzz target: answers to a SOA query, and to one for ZONEMD, asked with id 0 for "example.". An input is the message.
 *
 * What is taken for the answer must be one: ours by id, a response, with our question and one SOA, which ldns reads in
 * it too if it is alone. No beginning of it is one, nor is it with an octet more or another id. Nothing is written unless it is said.
 */
#include "control/refresh.h"
#include "tests/fuzz/holds.h"

#include <ldns/ldns.h>

static const uint8_t apex[] = "\7example";

static enum refresh_verdict read_as(const uint8_t *msg, size_t len, uint16_t type, uint16_t id,
				    struct refresh_answer *out)
{
	const struct refresh_question q = {.apex = apex, .type = type, .id = id};
	uint8_t *copy = exact_copy(msg, len), *rdata = malloc(RDATA_LEN_MAX);
	struct refresh_answer before;
	enum refresh_verdict v;

	HOLDS(rdata != NULL);
	memset(out, 0x5a, sizeof(*out));
	memcpy(&before, out, sizeof(before));
	v = refresh_answer_get(copy, len, &q, rdata, out);
	if (v != REFRESH_OK && v != REFRESH_RCODE)
		HOLDS(memcmp(&before, out, sizeof(before)) == 0);
	HOLDS(refresh_verdict_text(v)[0] != '\0');
	free(rdata);
	free(copy);
	return v;
}

static enum refresh_verdict read_at(const uint8_t *msg, size_t len, uint16_t id, struct refresh_answer *out)
{
	return read_as(msg, len, DNS_TYPE_SOA, id, out);
}

/* What another reader finds in it. ldns loses its place behind record data that are longer than it expects of a type. */
static void check_with_ldns(const uint8_t *msg, size_t len, const struct refresh_answer *answer)
{
	ldns_pkt *pkt;
	ldns_rr *rr;

	if (wire_load16(msg + 6) != 1 || ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK)
		return;
	HOLDS(ldns_pkt_qr(pkt) && !ldns_pkt_tc(pkt) && ldns_pkt_id(pkt) == 0);
	HOLDS(ldns_pkt_aa(pkt) == answer->authoritative);
	rr = ldns_rr_list_rr(ldns_pkt_answer(pkt), 0);
	HOLDS(ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA && ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN);
	HOLDS(ldns_rdf2native_int32(ldns_rr_rdf(rr, 2)) == answer->soa.serial);
	ldns_pkt_free(pkt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct refresh_answer answer, other;
	uint8_t *longer;

	if (len > DNS_MSG_MAX - 1)
		return 0;
	if (read_as(data, len, DNS_TYPE_ZONEMD, 0, &answer) == REFRESH_OK)
		HOLDS(answer.rcode == 0 && answer.signature_cnt == 0 &&
		      answer.digest_cnt <= wire_load16(data + 6) &&
		      read_at(data, len, 0, &other) != REFRESH_OK);
	if (read_at(data, len, 0, &answer) != REFRESH_OK)
		return 0;
	HOLDS(answer.digest_cnt == 0);
	HOLDS(answer.rcode == 0 && answer.soa.mname == NULL && answer.soa.rname == NULL);
	check_with_ldns(data, len, &answer);
	HOLDS(read_at(data, len, 1, &other) == REFRESH_ID);
	for (size_t cut = 0; cut < len; cut += len < 256 ? 1 : len / 64)
		HOLDS(refresh_is_foreign(read_at(data, cut, 0, &other)));
	longer = malloc(len + 1);
	HOLDS(longer != NULL);
	memcpy(longer, data, len);
	longer[len] = 0;
	HOLDS(read_at(longer, len + 1, 0, &other) == REFRESH_MALFORMED);
	free(longer);
	return 0;
}
