/*
 * TSIG keys: what two servers share, and the set of them that a server knows. RFC 8945.
 *
 * The secret is never kept in memory of ours, never logged, never given back. Keys and keyrings are immutable but for
 * their count of holders and a key's secret, which can be replaced while others use the key: any thread. A key is who
 * signs, by name and algorithm, and stays the same key (and pointer) with another secret. A transaction copies the keyed
 * context under the key's lock when it begins, and has it to its end, so a replacement is for what begins after it.
 */
#pragma once

#include <pthread.h>

#include "dataplane/dns/name.h"

#define TSIG_MAC_MAX 64 /* HMAC-SHA512 */

/* RFC 8945 6. MD5 is broken as a hash and off unless asked for; SHA-1 and SHA-224 are for old peers. */
enum tsig_algorithm {
	TSIG_HMAC_MD5,
	TSIG_HMAC_SHA1,
	TSIG_HMAC_SHA224,
	TSIG_HMAC_SHA256,
	TSIG_HMAC_SHA384,
	TSIG_HMAC_SHA512,
};
#define TSIG_ALGORITHM_CNT 6

/* "hmac-sha256" in any case, with or without the final dot; also the long name of MD5. Or -EINVAL. */
int tsig_algorithm_from_text(const char *text);

struct tsig_algorithm_info {
	const char *text;
	const char *digest; /* libcrypto's name of the hash */
	const char *wire;   /* the name on the wire, lower case */
	uint8_t wire_len;
	uint8_t mac_len;       /* octets of a whole MAC */
	uint8_t mac_len_floor; /* the fewest that a truncated one may have: half, and 10 (RFC 8945 5.2.2.1) */
};
extern const struct tsig_algorithm_info tsig_algorithms[TSIG_ALGORITHM_CNT];

struct tsig_key_spec {
	const uint8_t *name; /* wire form */
	const uint8_t *secret;
	size_t secret_len;
	enum tsig_algorithm algorithm;
	/*
	 * Policy for MACs of the peer, RFC 8945 5.2.4: the fewest octets accepted, 0 for whole MACs only. No less than
	 * 5.2.2.1 permits (10, half of the MAC). Ours are never truncated.
	 */
	unsigned mac_len_min;
	bool allow_md5;
};

/* Counted: it lives until its maker and all transactions have released it, so keys can be replaced. Read freely. */
struct tsig_key {
	const struct tsig_algorithm_info *algorithm;
	pthread_mutex_t lock; /* of hmac: held for a copy or an exchange of pointers */
	struct evp_mac_ctx_st
		*hmac; /* keyed, never fed: tsig_key_hmac copies it, tsig_key_exchange replaces it */
	_Atomic unsigned holders;
	uint8_t mac_len_min;
	uint8_t name_len;
	uint8_t name[NAME_LEN_MAX];  /* as configured: what is sent */
	uint8_t lower[NAME_LEN_MAX]; /* what is digested: canonical form, RFC 8945 4.3.3 */
};

/*
 * The caller keeps (and should OPENSSL_cleanse) the secret; the key has it inside a libcrypto context only, which wipes
 * it when it is freed. Returns 0; -EINVAL for an empty secret or a bad mac_len_min; -EPERM for MD5 without
 * allow_md5; -ENOTSUP when libcrypto does not offer the hash (FIPS); -ENOMEM.
 */
int tsig_key_new(const struct tsig_key_spec *spec, struct tsig_key **out);
struct tsig_key *tsig_key_hold(struct tsig_key *key); /* any thread; returns key */
void tsig_key_release(struct tsig_key *key);	      /* any thread; NULL is fine */

/* Any thread: a copy of the keyed context, the caller's to free with EVP_MAC_CTX_free; NULL: out of memory. */
struct evp_mac_ctx_st *tsig_key_hmac(struct tsig_key *key);

/*
 * Any thread: key has the secret of fresh from now on, and fresh that of key, which is wiped when fresh is released;
 * copies that transactions made before are wiped as they end. Both have the same algorithm; fresh is the caller's alone.
 * Cannot fail, so several keys can be replaced all or none.
 */
void tsig_key_exchange(struct tsig_key *key, struct tsig_key *fresh);

/* The keys a server knows, by name; immutable. Holds them. */
struct tsig_keyring;

/* Returns 0; -EEXIST when two keys have the same name (in any case), *out_name (may be NULL) says which; -ENOMEM. */
int tsig_keyring_new(struct tsig_key *const keys[], size_t cnt, struct tsig_keyring **out,
		     const uint8_t **out_name);
void tsig_keyring_free(struct tsig_keyring *ring);

/* Names compare as names do, RFC 4343. NULL: none. Not held for the caller. */
struct tsig_key *tsig_keyring_find(const struct tsig_keyring *ring, const uint8_t *name);
