/*
 * Fuzz target: NOTIFY requests. An input is the message.
 *
 * Whatever is answered keeps id, opcode and question, is read by ldns, is never longer than request and OPT, and is not
 * itself taken for a request: two servers cannot talk to each other for ever. Any beginning of a request is malformed.
 */
#include "control/notify.h"
#include "tests/fuzz/holds.h"

#include <ldns/ldns.h>

#include "dataplane/dns/protocol.h"

#define OPT_LEN 11

static enum notify_verdict read_it(const uint8_t *msg, size_t len, struct notify *n)
{
	uint8_t *copy = exact_copy(msg, len), *rdata = malloc(RDATA_LEN_MAX);
	enum notify_verdict v;

	HOLDS(rdata != NULL);
	v = notify_get(copy, len, rdata, n);
	HOLDS(n->question_end <= len);
	free(rdata);
	free(copy);
	return v;
}

static void check_response(const struct notify *n, const uint8_t *request, size_t request_len, uint16_t rcode)
{
	size_t room = request_len + OPT_LEN, len;
	uint8_t *msg = malloc(room);
	struct notify again;
	ldns_pkt *pkt;

	HOLDS(msg != NULL);
	memcpy(msg, request, request_len);
	len = notify_response(n, rcode, msg, room);
	HOLDS(len >= DNS_HEADER_LEN && len <= room);
	HOLDS(memcmp(msg, request, 2) == 0);
	HOLDS((msg[2] & 0xFE) == (0x80 | DNS_OPCODE_NOTIFY << 3 | 4));
	HOLDS(msg[3] == (rcode & 15));
	if (n->question_end > 0)
		HOLDS(memcmp(msg + DNS_HEADER_LEN, request + DNS_HEADER_LEN,
			     n->question_end - DNS_HEADER_LEN) == 0);
	HOLDS(ldns_wire2pkt(&pkt, msg, len) == LDNS_STATUS_OK);
	HOLDS(ldns_pkt_edns(pkt) == n->edns);
	HOLDS(ldns_pkt_qdcount(pkt) == (n->question_end > 0));
	ldns_pkt_free(pkt);
	HOLDS(read_it(msg, len, &again) == NOTIFY_IGNORE);
	free(msg);
	/* Without room nothing is written behind it. */
	msg = exact_copy(request, request_len);
	HOLDS(notify_response(n, rcode, msg, request_len) <= request_len);
	free(msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct notify n, other;
	enum notify_verdict v;

	if (len > DNS_MSG_MAX)
		return 0;
	v = read_it(data, len, &n);
	if (v == NOTIFY_IGNORE)
		return 0;
	check_response(&n, data, len, v == NOTIFY_BADVERS ? DNS_RCODE_BADVERS : DNS_RCODE_NOERROR);
	if (v == NOTIFY_MALFORMED)
		return 0;
	HOLDS(n.question_end > DNS_HEADER_LEN && name_valid(n.name, name_len(n.name)));
	for (size_t cut = DNS_HEADER_LEN; cut < len; cut += len < 256 ? 1 : len / 64)
		HOLDS(read_it(data, cut, &other) == NOTIFY_MALFORMED);
	return 0;
}
