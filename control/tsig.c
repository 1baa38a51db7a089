#include "control/tsig.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

#define TIME_MAX 0xFFFFFFFFFFFFULL /* 48 bits */

/*
 * The digest, RFC 8945 4.3. Each step returns whether libcrypto did it; the MAC of all that was fed since the last
 * hmac_begin comes from hmac_end.
 */

static bool hmac_feed(struct tsig *t, const void *p, size_t len)
{
	return EVP_MAC_update(t->hmac, p, len) == 1;
}

static bool hmac_begin(struct tsig *t)
{
	return EVP_MAC_init(t->hmac, NULL, 0, NULL) == 1;
}

static bool hmac_end(struct tsig *t, uint8_t mac[TSIG_MAC_MAX])
{
	size_t len;

	return EVP_MAC_final(t->hmac, mac, &len, TSIG_MAC_MAX) == 1 && len == t->key->algorithm->mac_len;
}

/* 4.3.1: the request's MAC, or 5.3.1: the one before, as it was sent. */
static bool hmac_chain(struct tsig *t)
{
	uint8_t len[2];

	wire_store16(len, t->mac_len);
	return hmac_feed(t, len, 2) && hmac_feed(t, t->mac, t->mac_len);
}

/* 4.3.2: the message before the TSIG record came to it. */
static bool hmac_message(struct tsig *t, const uint8_t *msg, size_t len, uint16_t id, uint16_t additional_cnt)
{
	uint8_t header[DNS_HEADER_LEN];

	memcpy(header, msg, DNS_HEADER_LEN);
	wire_store16(header, id);
	wire_store16(header + 10, additional_cnt);
	return hmac_feed(t, header, sizeof(header)) &&
	       hmac_feed(t, msg + DNS_HEADER_LEN, len - DNS_HEADER_LEN);
}

/* 4.3.3: the variables, or in messages after the first the timers alone (5.3.1). */
static bool hmac_variables(struct tsig *t, const struct tsig_record *r, bool timers_only)
{
	uint8_t buf[2 * NAME_LEN_MAX + 32];
	struct wire_out out = wire_out_init(buf, sizeof(buf));

	if (!timers_only) {
		wire_put_bytes(&out, t->key->lower, t->key->name_len);
		wire_put16(&out, DNS_CLASS_ANY);
		wire_put32(&out, 0);
		wire_put_bytes(&out, t->key->algorithm->wire, t->key->algorithm->wire_len);
	}
	tsig_time_put(&out, r->time_signed);
	wire_put16(&out, r->fudge);
	if (!timers_only) {
		wire_put16(&out, r->error);
		wire_put16(&out, r->other_len);
		wire_put_bytes(&out, r->other, r->other_len);
	}
	return !out.bad && hmac_feed(t, buf, wire_out_len(&out));
}

/* Signs with the digest begun: chained or not is the caller's business. Keeps the MAC for the next message. */
static int sign(struct tsig *t, uint8_t *msg, size_t cap, size_t *len, struct tsig_record *r,
		bool timers_only)
{
	uint8_t mac[TSIG_MAC_MAX];
	int ret;

	r->original_id = wire_load16(msg);
	if (!hmac_message(t, msg, *len, r->original_id, wire_load16(msg + 10)) ||
	    !hmac_variables(t, r, timers_only) || !hmac_end(t, mac))
		return -EIO;
	r->mac = mac;
	r->mac_len = t->key->algorithm->mac_len;
	ret = tsig_record_append(msg, cap, len, t->key->name, (const uint8_t *)t->key->algorithm->wire, r);
	if (ret < 0)
		return ret;
	memcpy(t->mac, mac, r->mac_len);
	t->mac_len = (uint8_t)r->mac_len;
	return 0;
}

static int bind_key(struct tsig *t, struct tsig_key *key)
{
	t->hmac = tsig_key_hmac(key);
	if (t->hmac == NULL)
		return -ENOMEM;
	t->key = tsig_key_hold(key);
	return 0;
}

int tsig_client_init(struct tsig *t, struct tsig_key *key)
{
	memset(t, 0, sizeof(*t));
	memcpy(t->name, key->lower, key->name_len);
	return bind_key(t, key);
}

void tsig_fini(struct tsig *t)
{
	EVP_MAC_CTX_free(t->hmac);
	tsig_key_release(t->key);
	memset(t, 0, sizeof(*t));
}

size_t tsig_room(const struct tsig *t)
{
	/* Type to record data length, the fixed fields, other data. */
	const size_t fixed = 10 + 16 + TSIG_OTHER_TIME_LEN;

	if (t->key != NULL)
		return t->key->name_len + t->key->algorithm->wire_len + t->key->algorithm->mac_len + fixed;
	if (t->verdict == TSIG_BADKEY)
		return name_len(t->name) + name_len(t->algorithm) + fixed;
	return 0;
}

int tsig_sign_request(struct tsig *t, uint8_t *msg, size_t cap, uint64_t now_s, size_t *len)
{
	struct tsig_record r = {.time_signed = now_s & TIME_MAX, .fudge = TSIG_FUDGE_S};
	int ret;

	t->state = TSIG_STATE_UNUSED;
	if (!hmac_begin(t))
		return -EIO;
	ret = sign(t, msg, cap, len, &r, false);
	if (ret == 0)
		t->state = TSIG_STATE_FIRST;
	return ret;
}

int tsig_sign_response(struct tsig *t, uint8_t *msg, size_t cap, uint64_t now_s, size_t *len)
{
	struct tsig_record r = {.time_signed = now_s & TIME_MAX, .fudge = TSIG_FUDGE_S};
	int ret;

	if (t->state == TSIG_STATE_UNUSED)
		return 0;
	if (t->state == TSIG_STATE_FAILED || !hmac_begin(t) || !hmac_chain(t))
		return -EIO;
	ret = sign(t, msg, cap, len, &r, t->state == TSIG_STATE_STREAM);
	if (ret == 0)
		t->state = TSIG_STATE_STREAM;
	return ret;
}

/* BADTIME and BADTRUNC: the MAC of the request was right, so it is part of the digest (5.3.2). */
static int sign_error_signed(struct tsig *t, uint8_t *msg, size_t cap, uint64_t now_s, size_t *len)
{
	struct tsig_record r = {
		.time_signed = now_s & TIME_MAX, .fudge = TSIG_FUDGE_S, .error = TSIG_ERROR_BADTRUNC};
	uint8_t time[TSIG_OTHER_TIME_LEN];
	struct wire_out out = wire_out_init(time, sizeof(time));

	if (t->verdict == TSIG_BADTIME) {
		tsig_time_put(&out, now_s);
		r = (struct tsig_record){
			.time_signed = t->time_signed,
			.fudge = t->fudge,
			.error = TSIG_ERROR_BADTIME,
			.other = time,
			.other_len = sizeof(time),
		};
	}
	if (!hmac_begin(t) || !hmac_chain(t))
		return -EIO;
	return sign(t, msg, cap, len, &r, false);
}

int tsig_sign_error(struct tsig *t, uint8_t *msg, size_t cap, uint64_t now_s, size_t *len)
{
	struct tsig_record r = {
		.time_signed = now_s & TIME_MAX,
		.fudge = t->fudge,
		.original_id = t->original_id,
		.error = t->verdict == TSIG_BADKEY ? TSIG_ERROR_BADKEY : TSIG_ERROR_BADSIG,
	};

	switch ((enum tsig_verdict)t->verdict) {
	case TSIG_BADKEY:
	case TSIG_BADSIG:
		return tsig_record_append(msg, cap, len, t->name, t->algorithm, &r);
	case TSIG_BADTIME:
	case TSIG_BADTRUNC:
		return sign_error_signed(t, msg, cap, now_s, len);
	case TSIG_OK:
	case TSIG_NONE:
	case TSIG_PENDING:
	case TSIG_UNSIGNED:
	case TSIG_FORMERR:
	case TSIG_PEER_ERROR:
	case TSIG_FAULT:
		break;
	}
	return 0;
}

static bool time_is_near(const struct tsig_record *r, uint64_t now_s)
{
	uint64_t d = r->time_signed > now_s ? r->time_signed - now_s : now_s - r->time_signed;

	return d <= r->fudge;
}

/* The digest begun holds what comes before the message. RFC 8945 5.2.2 to 5.2.4, in this order. */
static enum tsig_verdict check_mac(struct tsig *t, const uint8_t *msg, const struct tsig_record *r,
				   uint64_t now_s, bool timers_only)
{
	uint8_t mac[TSIG_MAC_MAX];

	if (r->mac_len > t->key->algorithm->mac_len || r->mac_len < t->key->algorithm->mac_len_floor)
		return TSIG_FORMERR;
	if (!hmac_message(t, msg, r->start, r->original_id, wire_load16(msg + 10) - 1) ||
	    !hmac_variables(t, r, timers_only) || !hmac_end(t, mac))
		return TSIG_FAULT;
	if (CRYPTO_memcmp(mac, r->mac, r->mac_len) != 0)
		return TSIG_BADSIG;
	/* The MAC is good: also what is wrong with the rest may be said under signature, and chains to this. */
	memcpy(t->mac, r->mac, r->mac_len);
	t->mac_len = (uint8_t)r->mac_len;
	t->time_signed = r->time_signed;
	if (!time_is_near(r, now_s))
		return TSIG_BADTIME;
	return r->mac_len < t->key->mac_len_min ? TSIG_BADTRUNC : TSIG_OK;
}

static void take_off(uint8_t *msg, size_t *len, const struct tsig_record *r)
{
	wire_store16(msg + 10, wire_load16(msg + 10) - 1);
	*len = r->start;
}

static bool key_fits(const struct tsig_key *key, const struct tsig_record *r)
{
	return name_equal(key->lower, r->name) &&
	       name_equal((const uint8_t *)key->algorithm->wire, r->algorithm);
}

static enum tsig_verdict verify_request(struct tsig *t, const struct tsig_keyring *ring, const uint8_t *msg,
					const struct tsig_record *r, uint64_t now_s)
{
	struct tsig_key *key = tsig_keyring_find(ring, r->name);

	memcpy(t->name, r->name, name_len(r->name));
	memcpy(t->algorithm, r->algorithm, name_len(r->algorithm));
	t->original_id = r->original_id;
	t->fudge = r->fudge;
	if (r->error != 0) /* has no meaning in a request, and an error about an error could go on for ever */
		return TSIG_FORMERR;
	if (key == NULL || !key_fits(key, r))
		return TSIG_BADKEY;
	if (bind_key(t, key) < 0 || !hmac_begin(t))
		return TSIG_FAULT;
	return check_mac(t, msg, r, now_s, false);
}

enum tsig_verdict tsig_verify_request(struct tsig *t, const struct tsig_keyring *ring, uint8_t *msg,
				      uint64_t now_s, size_t *len)
{
	struct tsig_record r;
	enum tsig_found found;

	memset(t, 0, sizeof(*t));
	found = *len > DNS_MSG_MAX ? TSIG_FOUND_MALFORMED : tsig_record_find(msg, *len, &r);
	if (found == TSIG_FOUND_NONE) {
		t->verdict = TSIG_NONE;
		return TSIG_NONE;
	}
	t->verdict = found == TSIG_FOUND_ONE ? verify_request(t, ring, msg, &r, now_s) : TSIG_FORMERR;
	t->state = t->verdict == TSIG_OK ? TSIG_STATE_FIRST : TSIG_STATE_FAILED;
	if (t->verdict == TSIG_OK)
		take_off(msg, len, &r);
	return t->verdict;
}

/* RFC 8945 5.3.1: it goes into the digest of the next signed message whole. */
static enum tsig_verdict take_unsigned(struct tsig *t, const uint8_t *msg, size_t len)
{
	if (t->state == TSIG_STATE_FIRST || t->unsigned_cnt == TSIG_UNSIGNED_MAX)
		return TSIG_UNSIGNED;
	t->unsigned_cnt++;
	return hmac_feed(t, msg, len) ? TSIG_PENDING : TSIG_FAULT;
}

static enum tsig_verdict peer_error(struct tsig *t, const struct tsig_record *r, bool is_signed)
{
	struct wire_in in = wire_in_init(r->other, r->other_len);

	t->peer_error = r->error;
	t->peer_error_signed = is_signed;
	t->peer_time = 0;
	if (r->error == TSIG_ERROR_BADTIME)
		t->peer_time = tsig_time_get(&in);
	return TSIG_PEER_ERROR;
}

static enum tsig_verdict take_signed(struct tsig *t, const uint8_t *msg, const struct tsig_record *r,
				     uint64_t now_s)
{
	bool first = t->state == TSIG_STATE_FIRST;
	uint8_t request_mac[TSIG_MAC_MAX];
	uint8_t request_mac_len = t->mac_len;
	enum tsig_verdict v;

	if (!key_fits(t->key, r))
		return TSIG_BADKEY;
	if (r->error != 0 && r->mac_len == 0)
		return peer_error(t, r, false);
	if (!first && r->error != 0) /* no digest covers the field here, so nobody signed it */
		return peer_error(t, r, false);
	if (first && (!hmac_begin(t) || !hmac_chain(t)))
		return TSIG_FAULT;
	memcpy(request_mac, t->mac, request_mac_len);
	v = check_mac(t, msg, r, now_s, !first);
	if (v == TSIG_OK && r->error != 0)
		v = peer_error(t, r, true);
	if (v != TSIG_OK) { /* the transaction goes on as if this message had not come, if it does */
		memcpy(t->mac, request_mac, request_mac_len);
		t->mac_len = request_mac_len;
		return v;
	}
	t->unsigned_cnt = 0;
	return hmac_begin(t) && hmac_chain(t) ? TSIG_OK : TSIG_FAULT;
}

enum tsig_verdict tsig_verify_response(struct tsig *t, uint8_t *msg, uint64_t now_s, size_t *len)
{
	enum tsig_verdict v = TSIG_FORMERR;
	struct tsig_record r;

	if (t->state == TSIG_STATE_FAILED)
		return t->verdict;
	if (t->state == TSIG_STATE_UNUSED)
		return TSIG_FAULT;
	switch (*len > DNS_MSG_MAX ? TSIG_FOUND_MALFORMED : tsig_record_find(msg, *len, &r)) {
	case TSIG_FOUND_NONE:
		v = take_unsigned(t, msg, *len);
		break;
	case TSIG_FOUND_ONE:
		v = take_signed(t, msg, &r, now_s);
		if (v == TSIG_OK)
			take_off(msg, len, &r);
		break;
	case TSIG_FOUND_MALFORMED:
		break;
	}
	if (v == TSIG_OK)
		t->state = TSIG_STATE_STREAM;
	else if (v != TSIG_PENDING && t->state == TSIG_STATE_STREAM)
		t->state = TSIG_STATE_FAILED;
	t->verdict = v;
	return v;
}

enum tsig_verdict tsig_verify_end(const struct tsig *t)
{
	switch ((enum tsig_state)t->state) {
	case TSIG_STATE_FAILED:
		return t->verdict;
	case TSIG_STATE_STREAM:
		return t->unsigned_cnt == 0 ? TSIG_OK : TSIG_UNSIGNED;
	case TSIG_STATE_UNUSED:
	case TSIG_STATE_FIRST:
		break;
	}
	return TSIG_UNSIGNED;
}

enum dns_rcode tsig_rcode(enum tsig_verdict v)
{
	switch (v) {
	case TSIG_OK:
	case TSIG_NONE:
	case TSIG_PENDING:
		return DNS_RCODE_NOERROR;
	case TSIG_FORMERR:
		return DNS_RCODE_FORMERR;
	case TSIG_BADKEY:
	case TSIG_BADSIG:
	case TSIG_BADTIME:
	case TSIG_BADTRUNC:
	case TSIG_UNSIGNED:
	case TSIG_PEER_ERROR:
		return DNS_RCODE_NOTAUTH;
	case TSIG_FAULT:
		break;
	}
	return DNS_RCODE_SERVFAIL;
}

const char *tsig_verdict_text(enum tsig_verdict v)
{
	switch (v) {
	case TSIG_OK:
		return "signed";
	case TSIG_NONE:
		return "not signed";
	case TSIG_PENDING:
		return "not yet covered by a signature";
	case TSIG_UNSIGNED:
		return "a signature is missing";
	case TSIG_FORMERR:
		return "the message or its TSIG record is malformed (FORMERR)";
	case TSIG_BADKEY:
		return "the key or its algorithm is not ours (BADKEY)";
	case TSIG_BADSIG:
		return "the MAC is wrong (BADSIG)";
	case TSIG_BADTIME:
		return "the time signed is too far from our clock (BADTIME)";
	case TSIG_BADTRUNC:
		return "the MAC is truncated more than the key allows (BADTRUNC)";
	case TSIG_PEER_ERROR:
		return "the peer reports a TSIG error";
	case TSIG_FAULT:
		break;
	}
	return "out of memory, or the crypto library failed";
}

const char *tsig_error_text(uint16_t error, char buf[TSIG_ERROR_TEXT_CAP])
{
	switch (error) {
	case TSIG_ERROR_BADSIG:
		return strcpy(buf, "BADSIG");
	case TSIG_ERROR_BADKEY:
		return strcpy(buf, "BADKEY");
	case TSIG_ERROR_BADTIME:
		return strcpy(buf, "BADTIME");
	case TSIG_ERROR_BADTRUNC:
		return strcpy(buf, "BADTRUNC");
	}
	snprintf(buf, TSIG_ERROR_TEXT_CAP, "error %u", error);
	return buf;
}
