/*
 * Transaction signatures, RFC 8945: who sent a message, and that nobody changed it on the way. For SOA queries, NOTIFY
 * and zone transfers, as client and as server.
 *
 * Pure: no I/O, no clock (the time comes with each call, seconds since 1970), no log. A key may be used from any
 * number of threads at once; a `struct tsig` belongs to one thread at a time. Memory is allocated when a key is made
 * and when a transaction begins, not per message. HMAC is OpenSSL's; MACs are compared in constant time.
 *
 * A transaction is one request and all messages of its response. The client:
 *
 *     tsig_client_init(&t, key);
 *     tsig_sign_request(&t, msg, cap, now_s, &len);            send it
 *     v = tsig_verify_response(&t, msg, now_s, &len);          for each message that comes
 *     v = tsig_verify_end(&t);                                 before anything of a transfer is believed
 *     tsig_fini(&t);
 *
 * and the server:
 *
 *     v = tsig_verify_request(&t, keyring, msg, now_s, &len);
 *     if (v != TSIG_OK && v != TSIG_NONE)                      respond with tsig_rcode(v) and
 *             tsig_sign_error(&t, msg, cap, now_s, &len);
 *     else                                                     each message of the response:
 *             tsig_sign_response(&t, msg, cap, now_s, &len);
 *     tsig_fini(&t);
 *
 * Not kept: the latest time signed seen per key (a SHOULD of 5.2.3). Several clients share a key and UDP reorders,
 * so it would refuse good requests; what a replay within the fudge could ask for changes nothing and is answered to
 * the address it came from.
 */
#pragma once

#include "control/tsig_key.h"
#include "control/tsig_record.h"

#define TSIG_FUDGE_S 300 /* what we sign with: RFC 8945 10 */
/* Messages of a response that may stand unsigned between two signed ones, RFC 8945 5.3.1. */
#define TSIG_UNSIGNED_MAX 99

enum tsig_verdict {
	TSIG_OK,       /* signed with the key; the TSIG record has been taken off */
	TSIG_NONE,     /* requests: there is no TSIG record */
	TSIG_PENDING,  /* responses: an unsigned message in between; a later signature must still cover it */
	TSIG_UNSIGNED, /* responses: a signature had to be here (first, last, or after 99 without one) */
	TSIG_FORMERR,  /* malformed message or TSIG record, not last, two, MAC of an impossible length */
	TSIG_BADKEY,   /* not a key of ours, or not with this algorithm */
	TSIG_BADSIG,   /* the MAC is wrong */
	TSIG_BADTIME,  /* signed at a time that is too far from now */
	TSIG_BADTRUNC, /* the MAC is right but truncated to less than the key's policy allows */
	TSIG_PEER_ERROR, /* responses: the peer reports a TSIG error, see peer_error and peer_error_signed */
	TSIG_FAULT,	 /* our own trouble: out of memory, or libcrypto failed */
};

enum tsig_state {
	TSIG_STATE_UNUSED, /* no key: an unsigned request, or none yet */
	TSIG_STATE_FIRST,  /* the request is signed; mac is the request's */
	TSIG_STATE_STREAM, /* a signed message of the response has been; mac is its */
	TSIG_STATE_FAILED, /* verdict is final */
};

/* Octets that signing adds at most: a name, type to length, an algorithm, fixed fields, the MAC, other data. */
#define TSIG_RECORD_MAX (NAME_LEN_MAX + 10 + 26 + 16 + TSIG_MAC_MAX + TSIG_OTHER_TIME_LEN)

/* One transaction. The first group may be read; nothing here may be written from outside. */
struct tsig {
	uint8_t name
		[NAME_LEN_MAX]; /* the peer's key name, lower case, for log lines; after FORMERR unspecified */
	uint64_t time_signed;	/* of the message verified last */
	uint64_t peer_time;	/* BADTIME from the peer: its clock, which must not set ours (5.4.3) */
	uint16_t peer_error;	/* after TSIG_PEER_ERROR: as on the wire, enum tsig_error or another */
	bool peer_error_signed; /* false: anybody can have sent it, so it is worth a log line and no more */

	struct tsig_key *key;
	struct evp_mac_ctx_st *hmac;
	uint8_t algorithm[NAME_LEN_MAX]; /* as received, lower case: a BADKEY error gives it back */
	uint8_t mac[TSIG_MAC_MAX];	 /* what the next message's digest begins with */
	uint16_t original_id;
	uint16_t fudge;
	uint8_t mac_len;
	uint8_t unsigned_cnt;
	uint8_t state;	 /* enum tsig_state */
	uint8_t verdict; /* enum tsig_verdict: of the request (server), or why it failed */
};

/* Holds the key. Returns 0 or -ENOMEM. tsig_fini in either case is fine. */
int tsig_client_init(struct tsig *t, struct tsig_key *key);
void tsig_fini(struct tsig *t);

/* Octets that signing adds to a message at most: leave them free when filling one. 0 when it will not be signed. */
size_t tsig_room(const struct tsig *t);

/*
 * All that sign: msg is a whole message of *len octets (header, counts right, no TSIG) in a buffer of cap octets. On
 * success the TSIG record is its last additional record, ARCOUNT and *len say so. Otherwise both are as before:
 * -EMSGSIZE when it does not fit into cap or 65,535 octets, -EIO when libcrypto failed.
 */

/* A request, or the next attempt of one: it begins the transaction anew. RFC 8945 5.1. */
int tsig_sign_request(struct tsig *t, uint8_t *msg, size_t cap, uint64_t now_s, size_t *len);

/*
 * Each message of the response to a request that tsig_verify_request has found to be TSIG_OK: all are signed, which
 * 5.3.1 recommends. After TSIG_NONE it does nothing and returns 0. When a UDP response does not fit with its TSIG, the
 * caller cuts it down to header and question, sets TC and signs that (5.3).
 */
int tsig_sign_response(struct tsig *t, uint8_t *msg, size_t cap, uint64_t now_s, size_t *len);

/*
 * The error response to a request that failed, RFC 8945 5.3.2; msg has tsig_rcode(verdict) already. BADKEY and BADSIG
 * are sent unsigned, BADTIME is signed over the client's time and carries ours, BADTRUNC is signed. After FORMERR and
 * FAULT no TSIG record is due: nothing is added.
 */
int tsig_sign_error(struct tsig *t, uint8_t *msg, size_t cap, uint64_t now_s, size_t *len);

/*
 * Server: looks at a request; initialises t, which tsig_fini ends whatever the verdict. Checks in the order of RFC 8945
 * 5.2: place and form, key, MAC, time, truncation policy. On TSIG_OK the TSIG record has been taken off msg (ARCOUNT,
 * *len); t->key says who it is. Otherwise msg and *len are untouched. Returns
 * any but PENDING, UNSIGNED and PEER_ERROR.
 */
enum tsig_verdict tsig_verify_request(struct tsig *t, const struct tsig_keyring *ring, uint8_t *msg,
				      uint64_t now_s, size_t *len);

/*
 * Client: looks at the next message that came in answer to the request. RFC 8945 5.3.1, 5.4. The caller has matched id
 * and question. On TSIG_OK the TSIG record has been taken off. TSIG_PENDING is for the inside of a transfer only;
 * whether it is for this transaction the caller knows: a response of one message is believed on TSIG_OK alone.
 *
 * Until the first message has been verified a bad one leaves the transaction as it was, so that a UDP client goes on
 * waiting for the right answer. After it any failure is final and is returned from then on.
 */
enum tsig_verdict tsig_verify_response(struct tsig *t, uint8_t *msg, uint64_t now_s, size_t *len);

/* Client: no more messages will come. TSIG_OK when the last one was signed, otherwise what is wrong. */
enum tsig_verdict tsig_verify_end(const struct tsig *t);

/* The RCODE of the response to a request with this verdict: NOERROR, FORMERR, NOTAUTH or (FAULT) SERVFAIL. */
enum dns_rcode tsig_rcode(enum tsig_verdict v);

/* "the MAC is wrong (BADSIG)", for log lines. */
const char *tsig_verdict_text(enum tsig_verdict v);

/* "BADKEY" for numbers the peer sent; returns buf. */
#define TSIG_ERROR_TEXT_CAP 16
const char *tsig_error_text(uint16_t error, char buf[TSIG_ERROR_TEXT_CAP]);
