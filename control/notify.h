/*
 * NOTIFY messages: reading a request, writing the response over it. RFC 1996. Pure; any thread.
 *
 * What a NOTIFY says is a hint and never more: whoever sent it, the zone is asked for at the configured primaries.
 */
#pragma once

#include "dataplane/dns/rdata.h"

enum notify_verdict {
	NOTIFY_OK,
	NOTIFY_IGNORE,	  /* no header, or a response: never answered */
	NOTIFY_MALFORMED, /* FORMERR */
	NOTIFY_BADVERS,	  /* EDNS version above 0 */
	NOTIFY_NOT_SOA,	  /* a QTYPE we do not act on (RFC 9859 and others): NOTIMP */
};

struct notify {
	uint8_t name[NAME_LEN_MAX];
	uint16_t class;
	bool has_serial; /* the sender says which serial it has (RFC 1996 3.7) */
	uint32_t serial;
	/* For the response. */
	size_t question_end; /* offset behind the question; 0: it could not be read */
	bool edns;
};

/* rdata: RDATA_LEN_MAX octets of room. out is filled as far as it was read. */
enum notify_verdict notify_get(const uint8_t *msg, size_t len, uint8_t *rdata, struct notify *out);

/*
 * Writes the response over the request: QR and AA set, id, opcode and question as received (RFC 1996 4.7), OPT if
 * there was one (RFC 6891 6.1.1). rcode: with upper bits for OPT. Returns its length, 0 when cap is too small.
 */
size_t notify_response(const struct notify *n, uint16_t rcode, uint8_t *msg, size_t cap);
