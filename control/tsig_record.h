/*
 * The TSIG record in a message: finding it, reading it, appending one. RFC 8945 4.2. It knows no key and checks no MAC;
 * that is tsig.c. Pure. Any thread.
 */
#pragma once

#include "dataplane/dns/name.h"
#include "dataplane/dns/protocol.h"

/* TSIG errors on the wire: RFC 8945 3. */
enum tsig_error {
	TSIG_ERROR_BADSIG = 16,
	TSIG_ERROR_BADKEY = 17,
	TSIG_ERROR_BADTIME = 18,
	TSIG_ERROR_BADTRUNC = 22,
};

#define TSIG_OTHER_TIME_LEN 6 /* a time in the other data, 48 bits */

/* mac and other point into the message. */
struct tsig_record {
	size_t start; /* where it begins: the message without it has this length */
	const uint8_t *mac;
	const uint8_t *other;
	uint64_t time_signed;
	uint16_t fudge;
	uint16_t mac_len;
	uint16_t original_id;
	uint16_t error;
	uint16_t other_len;
	uint8_t name[NAME_LEN_MAX]; /* lower case, as is algorithm */
	uint8_t algorithm[NAME_LEN_MAX];
};

enum tsig_found { TSIG_FOUND_NONE, TSIG_FOUND_ONE, TSIG_FOUND_MALFORMED };

/*
 * Walks the whole message. MALFORMED: it does not hold exactly the records it counts, so that no octets behind them can
 * hide a TSIG record from a count that was changed; or a TSIG record is not the only one, not the last of the
 * additional section (RFC 8945 5.1), or not well-formed: class
 * other than ANY, TTL other than 0, fields that do not fill the record data exactly, a compressed algorithm name
 * (RFC 3597 4), other data where there must be none (4.2: 6 octets in BADTIME errors, else 0). r is filled for ONE.
 */
enum tsig_found tsig_record_find(const uint8_t *msg, size_t len, struct tsig_record *r);

/*
 * Appends a record with this key and algorithm name (wire form) and r's other fields to the message of *len octets,
 * and counts it. Returns 0, or -EMSGSIZE (not within cap or 65,535 octets, or ARCOUNT is full) with ARCOUNT and *len as
 * they were.
 */
int tsig_record_append(uint8_t *msg, size_t cap, size_t *len, const uint8_t *name, const uint8_t *algorithm,
		       const struct tsig_record *r);

/* Times are 48 bits. */
void tsig_time_put(struct wire_out *out, uint64_t time_s);
uint64_t tsig_time_get(struct wire_in *in);
