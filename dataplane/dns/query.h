/*
 * Reading a request: header, the one question, EDNS and TSIG. Everything that the answer needs to know is copied out,
 * because the response is written over the request.
 *
 * Pure: no allocation, no state. Any thread. Hot path: the first thing that happens to every packet, so what is
 * malformed is found early and costs less than what is good.
 */
#pragma once

#include "dataplane/dns/name.h"
#include "dataplane/dns/protocol.h"

enum query_verdict {
	QUERY_OK,	/* one question of opcode QUERY; EDNS may still be of a version we do not speak */
	QUERY_SHORT,	/* no whole header: nothing to answer to */
	QUERY_RESPONSE, /* QR is set: never answered, or two servers could talk for ever */
	QUERY_NOTIFY,	/* opcode NOTIFY; nothing behind the header was looked at */
	QUERY_NOTIMP,	/* another opcode; nothing behind the header was looked at, its layout is not known */
	QUERY_EMPTY, /* no question, which is malformed but for the cookie among its options: RFC 7873 5.4 */
	QUERY_FORMERR, /* malformed; question_len and has_opt tell what could be read before that was found */
};

#define QUERY_PAYLOAD_MIN 512 /* without EDNS, and the least that EDNS can mean: RFC 6891 6.2.3 */

/* name is copied in pieces of this many octets. */
#define QUERY_NAME_PIECE 16

struct query {
	uint16_t flags;	       /* the second word of the header as received */
	uint16_t question_len; /* octets of the question behind the header; 0 when it could not be read */
	uint16_t type;
	uint16_t class;
	uint16_t payload; /* what the client takes over UDP, QUERY_PAYLOAD_MIN at least */
	uint8_t name_len;
	uint8_t edns_version;
	bool has_opt;
	bool dnssec_ok; /* DO, RFC 3225 */
	bool has_tsig;
	uint8_t tsig_name_len; /* octets of the key name as it stands in the message */
	uint8_t tsig_algorithm_len;
	uint16_t tsig_at;	    /* offset of the TSIG record */
	uint16_t tsig_algorithm_at; /* offset of its record data, which start with the algorithm name */
	uint16_t options_at; /* offset of the EDNS options, which are well framed; unset if there are none */
	uint16_t options_len;
	uint32_t options; /* bit n: an option with code n is among them, n < 32 */
	uint8_t name[NAME_LEN_MAX + QUERY_NAME_PIECE]; /* lower case; meaningless behind name_len */
	struct name_hashes labels; /* of name: all but the hashes, which need a key (name_hash_labels) */
};

/*
 * Reads the len octets at msg. Fields that belong to parts behind the point where a malformed request went wrong are
 * zero; name, name_len, labels, type and class are set when question_len is not 0. On other verdicts than QUERY_OK, QUERY_EMPTY
 * and QUERY_FORMERR only flags is set, on QUERY_SHORT nothing.
 *
 * Malformed (QUERY_FORMERR) is: QDCOUNT other than 1 (RFC 9619 4; but see QUERY_EMPTY), a compressed or overlong name in the question, records in the answer section, or in the authority section
 * of anything but IXFR (RFC 1995 3), a record cut short, octets behind the last record, a second OPT or one with an
 * owner or outside the additional section (RFC 6891 6.1.1), options that overrun it, a TSIG that is not the last
 * record, not class ANY, TTL 0 or not whole (RFC 8945 5.1). Other additional records are ignored.
 */
enum query_verdict query_parse(const uint8_t *msg, size_t len, struct query *out);
