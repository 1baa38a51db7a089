/*
 * DNS server cookies: RFC 7873 with the interoperable format of RFC 9018, so that a fleet behind one address, of several
 * makes even, accepts each other's.
 *
 * A server cookie is version 1, three reserved octets, the time of its making and a SipHash-2-4 of all that, the client's
 * cookie and address under a secret. Nothing is remembered per client. Secrets roll over without a client noticing
 * (RFC 9018 5): the first secret makes and verifies, the second only verifies.
 *
 * Pure: the time comes in. Any thread.
 */
#pragma once

#include <stdbool.h>

#include "dataplane/answer/cookie_hash.h"

#define COOKIE_CLIENT_LEN  8
#define COOKIE_SERVER_LEN  16
#define COOKIE_LEN	   (COOKIE_CLIENT_LEN + COOKIE_SERVER_LEN) /* what we send */
#define COOKIE_SECRET_LEN  COOKIE_HASH_KEY_LEN
#define COOKIE_SECRETS_MAX 2

/* RFC 9018 4.3: accepted for an hour, and from clocks five minutes ahead; made anew after half an hour. */
#define COOKIE_AGE_MAX_S   3600
#define COOKIE_AHEAD_MAX_S 300
#define COOKIE_AGE_NEW_S   1800

struct cookie_config {
	uint8_t secret_cnt; /* 0: cookies are off, the option is ignored */
	bool demand; /* over UDP, a client that knows cookies but has no valid one gets BADCOOKIE and a valid one */
	uint8_t secret[COOKIE_SECRETS_MAX][COOKIE_SECRET_LEN];
};

enum cookie_verdict {
	COOKIE_NONE,	    /* no such option in the request */
	COOKIE_MALFORMED,   /* a length that RFC 7873 4 does not know: FORMERR (5.2.2) */
	COOKIE_CLIENT_ONLY, /* the client has no server cookie yet */
	COOKIE_BAD,	    /* not of ours: another secret, address, version, or the wrong time */
	COOKIE_GOOD,	    /* the client's address is its own */
};

/*
 * Judges the len octets of an option from a client with the address of client_len octets (4 or 16); now_s: seconds
 * since 1970, modulo 2^32 (RFC 9018 4.3: serial arithmetic). Unless malformed, out becomes what to answer with: the
 * client's cookie and a valid server cookie, the same one while it is young. secret_cnt > 0.
 */
enum cookie_verdict cookie_check(const struct cookie_config *config, const uint8_t *option, size_t len,
				 const uint8_t *client, size_t client_len, uint32_t now_s,
				 uint8_t out[COOKIE_LEN]);
