/*
 * EDNS options that a server answers: NSID (RFC 5001), EXPIRE (RFC 7314), COOKIE (RFC 7873, 9018), keepalive (RFC 7828),
 * Report-Channel (RFC 9567) and ZONEVERSION (RFC 9660). Extended errors and padding (RFC 7830) are reply.h's.
 *
 * A request's options are read before its response is written over them, and the response's are made in one piece
 * before the records, so that their room is known. A request without options that anybody answers costs one test of
 * query.options against edns_wanted().
 *
 * Pure: the time comes in. Hot path: no malloc, lock, log, system call or shared write.
 */
#pragma once

#include "dataplane/answer/cookie.h"
#include "dataplane/dns/query.h"

#define EDNS_NSID_MAX 128

struct edns_config {
	struct cookie_config cookie;
	uint16_t
		keepalive_100ms; /* how long an idle TCP connection stays open, told if asked; 0: do not tell */
	uint8_t nsid_len;	 /* 0: do not tell */
	uint8_t nsid[EDNS_NSID_MAX];
	uint8_t agent_len;	     /* 0: no Report-Channel */
	uint8_t agent[NAME_LEN_MAX]; /* lower case */
};

/* Room that all options of one response need at most. */
#define EDNS_OPTIONS_MAX (4 + COOKIE_LEN + 4 + EDNS_NSID_MAX + 4 + 6 + 4 + 4 + 4 + 2 + 4 + NAME_LEN_MAX)

/* What a request asked for and what is answered whatever the zone is. */
struct edns_request {
	bool nsid;
	bool expire;
	bool keepalive;
	bool zoneversion;
	bool padding;	/* the response is to be padded */
	uint8_t cookie; /* enum cookie_verdict */
	uint8_t cookie_reply[COOKIE_LEN];
};

/* What is to be told about the zone that the answer comes from. */
struct edns_zone {
	uint32_t serial;
	uint32_t expire_s; /* until the zone expires */
	uint8_t label_cnt; /* of the apex, the root not counted */
	bool has_expire;   /* expire_s is known, and the question was for the SOA at the apex */
};

/* Where a request comes from and when. */
struct edns_client {
	const uint8_t *addr;
	uint8_t addr_len; /* 4 or 16 */
	bool datagram;
	bool encrypted;
	uint32_t now_s; /* seconds since 1970, modulo 2^32 */
};

/* Bits of query.options that may make a difference. Bit 0, which is no option, stands for "always, if there is an OPT". */
uint32_t edns_wanted(const struct edns_config *config);

/*
 * Reads the options of q, which stand in msg. False: a cookie is malformed, which is FORMERR (RFC 7873 5.2.2). Payloads of
 * options that have none in a request are ignored. Of several cookies the first counts.
 */
bool edns_read(const struct edns_config *config, const struct query *q, const uint8_t *msg,
	       const struct edns_client *client, struct edns_request *out);

/*
 * Writes the response's options to out, the most important ones first, as long as they fit into room octets; what does
 * not fit is left out. zone may be NULL. Returns the octets written.
 */
size_t edns_write(const struct edns_config *config, const struct query *q, const struct edns_request *request,
		  const struct edns_zone *zone, uint8_t *out, size_t room);
