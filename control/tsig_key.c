#include "control/tsig_key.h"

#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>

#define WIRE(s) s, sizeof(s)

/* clang-format off */
const struct tsig_algorithm_info tsig_algorithms[TSIG_ALGORITHM_CNT] = {
	[TSIG_HMAC_MD5] = {"hmac-md5", "MD5", WIRE("\10hmac-md5\7sig-alg\3reg\3int"), 16, 10},
	[TSIG_HMAC_SHA1] = {"hmac-sha1", "SHA1", WIRE("\11hmac-sha1"), 20, 10},
	[TSIG_HMAC_SHA224] = {"hmac-sha224", "SHA224", WIRE("\13hmac-sha224"), 28, 14},
	[TSIG_HMAC_SHA256] = {"hmac-sha256", "SHA256", WIRE("\13hmac-sha256"), 32, 16},
	[TSIG_HMAC_SHA384] = {"hmac-sha384", "SHA384", WIRE("\13hmac-sha384"), 48, 24},
	[TSIG_HMAC_SHA512] = {"hmac-sha512", "SHA512", WIRE("\13hmac-sha512"), 64, 32},
};
/* clang-format on */

struct tsig_keyring {
	size_t cnt;
	struct tsig_key *keys[]; /* in canonical order of their names */
};

int tsig_algorithm_from_text(const char *text)
{
	size_t len = strlen(text);

	if (len > 0 && text[len - 1] == '.')
		len--;
	for (int i = 0; i < TSIG_ALGORITHM_CNT; i++)
		if (strlen(tsig_algorithms[i].text) == len &&
		    strncasecmp(tsig_algorithms[i].text, text, len) == 0)
			return i;
	return len == 24 && strncasecmp(text, "hmac-md5.sig-alg.reg.int", len) == 0 ? TSIG_HMAC_MD5 : -EINVAL;
}

static int key_hmac(const struct tsig_algorithm_info *a, const struct tsig_key_spec *spec, EVP_MAC_CTX **out)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)a->digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx;

	if (mac == NULL)
		return -ENOTSUP;
	ctx = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);
	if (ctx == NULL)
		return -ENOMEM;
	if (EVP_MAC_init(ctx, spec->secret, spec->secret_len, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		return -ENOTSUP;
	}
	*out = ctx;
	return 0;
}

int tsig_key_new(const struct tsig_key_spec *spec, struct tsig_key **out)
{
	const struct tsig_algorithm_info *a = &tsig_algorithms[spec->algorithm];
	struct tsig_key *key;
	int ret;

	if (spec->secret_len == 0)
		return -EINVAL;
	if (spec->mac_len_min != 0 &&
	    (spec->mac_len_min < a->mac_len_floor || spec->mac_len_min > a->mac_len))
		return -EINVAL;
	if (spec->algorithm == TSIG_HMAC_MD5 && !spec->allow_md5)
		return -EPERM;
	key = calloc(1, sizeof(*key));
	if (key == NULL)
		return -ENOMEM;
	ret = key_hmac(a, spec, &key->hmac);
	if (ret < 0) {
		free(key);
		return ret;
	}
	ret = pthread_mutex_init(&key->lock, NULL);
	if (ret != 0) {
		EVP_MAC_CTX_free(key->hmac);
		free(key);
		return -ret;
	}
	atomic_init(&key->holders, 1);
	key->algorithm = a;
	key->mac_len_min = spec->mac_len_min != 0 ? (uint8_t)spec->mac_len_min : a->mac_len;
	key->name_len = (uint8_t)name_len(spec->name);
	memcpy(key->name, spec->name, key->name_len);
	name_lower(key->lower, spec->name, key->name_len);
	*out = key;
	return 0;
}

struct tsig_key *tsig_key_hold(struct tsig_key *key)
{
	/* Relaxed: who holds it already has seen all of it. */
	atomic_fetch_add_explicit(&key->holders, 1, memory_order_relaxed);
	return key;
}

void tsig_key_release(struct tsig_key *key)
{
	/* Release: what this holder did comes before the free; acquire: the last one sees what all did. */
	if (key == NULL || atomic_fetch_sub_explicit(&key->holders, 1, memory_order_acq_rel) > 1)
		return;
	EVP_MAC_CTX_free(key->hmac); /* wipes the secret */
	pthread_mutex_destroy(&key->lock);
	free(key);
}

struct evp_mac_ctx_st *tsig_key_hmac(struct tsig_key *key)
{
	EVP_MAC_CTX *copy;

	pthread_mutex_lock(&key->lock);
	copy = EVP_MAC_CTX_dup(key->hmac);
	pthread_mutex_unlock(&key->lock);
	return copy;
}

void tsig_key_exchange(struct tsig_key *key, struct tsig_key *fresh)
{
	EVP_MAC_CTX *former;

	assert(key->algorithm == fresh->algorithm);
	pthread_mutex_lock(&key->lock);
	former = key->hmac;
	key->hmac = fresh->hmac; // COMMIT
	pthread_mutex_unlock(&key->lock);
	fresh->hmac = former;
}

static int keys_compare(const void *a, const void *b)
{
	const struct tsig_key *const *ka = a, *const *kb = b;

	return name_compare((*ka)->lower, (*kb)->lower);
}

int tsig_keyring_new(struct tsig_key *const keys[], size_t cnt, struct tsig_keyring **out,
		     const uint8_t **out_name)
{
	struct tsig_keyring *ring = calloc(1, sizeof(*ring) + cnt * sizeof(keys[0]));

	if (ring == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++)
		ring->keys[i] = keys[i];
	qsort(ring->keys, cnt, sizeof(keys[0]), keys_compare);
	for (size_t i = 1; i < cnt; i++) {
		if (!name_equal(ring->keys[i - 1]->lower, ring->keys[i]->lower))
			continue;
		if (out_name != NULL)
			*out_name = ring->keys[i]->name;
		free(ring);
		return -EEXIST;
	}
	ring->cnt = cnt;
	for (size_t i = 0; i < cnt; i++)
		tsig_key_hold(ring->keys[i]);
	*out = ring;
	return 0;
}

void tsig_keyring_free(struct tsig_keyring *ring)
{
	if (ring == NULL)
		return;
	for (size_t i = 0; i < ring->cnt; i++)
		tsig_key_release(ring->keys[i]);
	free(ring);
}

static int name_key_compare(const void *name, const void *element)
{
	const struct tsig_key *const *key = element;

	return name_compare(name, (*key)->lower);
}

struct tsig_key *tsig_keyring_find(const struct tsig_keyring *ring, const uint8_t *name)
{
	struct tsig_key *const *found =
		bsearch(name, ring->keys, ring->cnt, sizeof(ring->keys[0]), name_key_compare);

	return found == NULL ? NULL : *found;
}
