/*
 * The OPT record of our queries and transfer requests, and what an answer's says (RFC 6891, 7314). Pure.
 */
#pragma once

#include "dataplane/dns/protocol.h"
#include "dataplane/dns/record.h"
#include "dataplane/dns/wire.h"

struct opt_answer {
	uint16_t upper_rcode; /* to be ORed to the header's, RFC 6891 6.1.3 */
	bool present;
	bool has_expire;
	uint32_t expire; /* seconds until the primary's own copy expires */
};

/* Asks for EXPIRE (an empty option, RFC 7314 3), and with dnssec_ok for RRSIGs. */
void opt_put(struct wire_out *w, bool dnssec_ok);

/* Whether an answer with this RCODE may be for OPT's sake: without it the primary may do (RFC 6891 7). */
bool opt_may_be_why(uint16_t rcode);

/* r: of type OPT. Options that are malformed, or not asked for, mean nothing. */
void opt_get(const struct record *r, struct opt_answer *out);
