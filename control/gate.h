/*
 * The safety gate: what a received version must be like before it may be published. This part looks at the version alone,
 * on the builder thread that made it, and costs nothing that is not asked for; how much a version takes away is judged by
 * gate_shrinks. Pure. The verifier, a program of the operator's, is verifier.h.
 *
 * A version that is refused here is a transfer that failed: after differences the whole zone is asked for, then another
 * primary. It is no validation of signatures: nothing here verifies one, and nobody need have a trust anchor.
 */
#pragma once

#include "control/zonemd.h"

enum gate_policy {
	GATE_OFF,
	GATE_WARN,    /* told, and published */
	GATE_REQUIRE, /* refused */
};

struct gate_request {
	uint8_t zonemd;	 /* enum gate_policy; a hash over all records, whatever the change was */
	uint8_t dnssec;	 /* enum gate_policy; a look at the apex */
	bool was_signed; /* the version served has a DNSKEY set */
	/* Soon after it has become true the report is of no use; NULL: it never does. */
	const atomic_bool *stop;
};

#define GATE_TEXT_CAP 160

struct gate_report {
	bool refused;
	char text[GATE_TEXT_CAP]; /* what is wrong, whatever the policy says to it; empty: nothing */
};

/* now_s: seconds since 1970. The caller may read s for as long as it takes: see zonemd_verify. */
void gate_inspect(const struct snapshot *s, const struct gate_request *request, uint64_t now_s,
		  struct gate_report *out);

bool gate_is_signed(const struct snapshot *s);

/*
 * The earliest moment at which no RRSIG of the apex's SOA, NS or DNSKEY set is valid any more, in seconds since 1970 as
 * RFC 4034 3.1.5 has it, 32 bits; of each set the longest-lived counts. False: none of them is signed.
 */
bool gate_signatures_end(const struct snapshot *s, uint32_t *out);

/*
 * Whether going from one version to the other takes away more than max_shrink percent of the records, on balance, or
 * every name below the apex. 100: there is no guard. Writes why to text then.
 */
bool gate_shrinks(const struct snapshot_info *from, const struct snapshot_info *to, unsigned max_shrink,
		  char text[GATE_TEXT_CAP]);
