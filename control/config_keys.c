/*
 * The section `keys`: what primaries sign with. Secrets are never part of an error text, and are wiped from the text
 * that was read as soon as a key is made of them. Key files are read again while the daemon runs.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_read.h"
#include "control/tsig_file.h"

#define KEYS_MAX	10000
#define SECRET_TEXT_MAX 1024

/* One key of the list as it is read. at: "keys[3]". */
struct key_read {
	const struct raw_key *raw;
	const struct config *config;
	struct config_errors *errors;
	char at[32];
	uint8_t name[NAME_LEN_MAX];
};

__attribute__((format(printf, 3, 4))) static void complain(struct key_read *k, const char *key,
							   const char *fmt, ...)
{
	char path[CONFIG_PATH_CAP], text[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	config_errors_add(k->errors, config_path(path, k->at, key), "%s", text);
}

static struct tsig_key *complain_key(struct key_read *k, int error)
{
	switch (error) {
	case -EPERM:
		complain(k, "algorithm", "hmac-md5 is broken and not accepted");
		break;
	case -ENOTSUP:
		complain(k, "algorithm", "the crypto library does not offer it");
		break;
	default:
		complain(k, "", "cannot make the key: %s", strerror(-error));
	}
	return NULL;
}

/* NULL: told. */
static struct tsig_key *key_from_secret(struct key_read *k)
{
	uint8_t secret[SECRET_TEXT_MAX];
	struct tsig_key_spec spec = {.name = k->name, .secret = secret};
	int algorithm = k->raw->algorithm == NULL ? (int)TSIG_HMAC_SHA256
						  : tsig_algorithm_from_text(k->raw->algorithm);
	size_t len = strlen(k->raw->secret);
	struct tsig_key *key = NULL;
	int ret;

	if (algorithm < 0) {
		complain(k, "algorithm",
			 "must be hmac-sha256, hmac-sha384, hmac-sha512, hmac-sha224 or hmac-sha1");
		return NULL;
	}
	if (k->config->shared) {
		complain(k, "secret",
			 "others may read this file: chmod it to 0600, or 0640 for a group of ours, or keep "
			 "the secret in a file of its own (file)");
		return NULL;
	}
	ret = len > SECRET_TEXT_MAX ? -EINVAL : tsig_secret_from_base64(k->raw->secret, len, secret);
	if (ret <= 0) {
		complain(k, "secret", "is not base64 of 1 to 768 octets");
		return NULL;
	}
	spec.secret_len = (size_t)ret;
	spec.algorithm = (enum tsig_algorithm)algorithm;
	ret = tsig_key_new(&spec, &key);
	OPENSSL_cleanse(secret, sizeof(secret));
	return ret < 0 ? complain_key(k, ret) : key;
}

/* Held for the caller; NULL: there is none. */
static struct tsig_key *find_key(const struct tsig_keys *keys, const uint8_t *name)
{
	for (size_t i = 0; i < keys->cnt; i++)
		if (name_equal(keys->list[i]->name, name))
			return tsig_key_hold(keys->list[i]);
	return NULL;
}

static struct tsig_key *key_from_file(struct key_read *k)
{
	char error[TSIG_FILE_ERROR_CAP];
	struct tsig_keys keys;
	struct tsig_key *key;

	if (k->raw->algorithm != NULL) {
		complain(k, "algorithm", "the key file says it: leave one of the two out");
		return NULL;
	}
	if (tsig_file_load(k->raw->file, false, &keys, error) < 0) {
		complain(k, "file", "%.380s", error);
		return NULL;
	}
	key = find_key(&keys, k->name);
	tsig_keys_fini(&keys);
	if (key == NULL)
		complain(k, "file", "%.256s has no key \"%.100s\"", k->raw->file, k->raw->name);
	return key;
}

static struct tsig_key *read_key(struct key_read *k)
{
	const struct raw_key *raw = k->raw;

	if (raw->name == NULL || name_from_text(raw->name, k->name) < 0) {
		complain(k, "name", "%s", raw->name == NULL ? "is missing" : "is not a domain name");
		return NULL;
	}
	if ((raw->secret != NULL) == (raw->file != NULL)) {
		complain(k, "",
			 raw->secret != NULL ? "has both secret and file: one of them is too many"
					     : "needs a secret or a file");
		return NULL;
	}
	return raw->secret != NULL ? key_from_secret(k) : key_from_file(k);
}

static int make_ring(struct config *c, struct config_errors *e)
{
	char text[NAME_TEXT_CAP];
	const uint8_t *name;
	int ret = tsig_keyring_new(c->keys, c->key_cnt, &c->keyring, &name);

	if (ret == -EEXIST) {
		config_errors_add(e, "keys", "two are called \"%.255s\"", name_text(name, text));
		return 0;
	}
	c->answer.has_keys = c->key_cnt > 0;
	return ret;
}

int config_read_keys(const struct raw_config *raw, struct config *c, struct config_errors *e)
{
	if (raw->keys_cnt > KEYS_MAX) {
		config_errors_add(e, "keys", "has %u entries, at most %d are possible", raw->keys_cnt,
				  KEYS_MAX);
		return 0;
	}
	c->keys = calloc(raw->keys_cnt + 1u, sizeof(c->keys[0]));
	c->key_files = calloc(raw->keys_cnt + 1u, sizeof(c->key_files[0]));
	if (c->keys == NULL || c->key_files == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < raw->keys_cnt; i++) {
		struct key_read k = {.raw = &raw->keys[i], .config = c, .errors = e};
		struct tsig_key *key;

		snprintf(k.at, sizeof(k.at), "keys[%u]", i);
		key = read_key(&k);
		if (raw->keys[i].secret != NULL)
			OPENSSL_cleanse(raw->keys[i].secret, strlen(raw->keys[i].secret));
		if (key == NULL)
			continue;
		c->keys[c->key_cnt++] = key;
		if (raw->keys[i].file == NULL)
			continue;
		c->key_files[c->key_cnt - 1] = strdup(raw->keys[i].file);
		if (c->key_files[c->key_cnt - 1] == NULL)
			return -ENOMEM;
	}
	return make_ring(c, e);
}

/* What the file has for the key, which may take its place. Returns 0 or -errno, told. */
static int take_fresh(const struct tsig_keys *keys, const struct tsig_key *key, const char *file,
		      struct tsig_key **out, char error[TSIG_FILE_ERROR_CAP])
{
	struct tsig_key *fresh = find_key(keys, key->name);
	char text[NAME_TEXT_CAP];

	if (fresh == NULL) {
		snprintf(error, TSIG_FILE_ERROR_CAP, "%.256s has no key \"%s\"", file,
			 name_text(key->name, text));
		return -ENOENT;
	}
	if (fresh->algorithm != key->algorithm) {
		snprintf(error, TSIG_FILE_ERROR_CAP,
			 "%.256s: key \"%s\" is now for %s: only a restart changes that from %s", file,
			 name_text(key->name, text), fresh->algorithm->text, key->algorithm->text);
		tsig_key_release(fresh);
		return -EINVAL;
	}
	*out = fresh;
	return 0;
}

/* fresh[i] for each key that is from a file; a file that several in a row are from is read once. */
static int read_fresh(const struct config *c, struct tsig_key **fresh, char error[TSIG_FILE_ERROR_CAP])
{
	struct tsig_keys keys = {0};
	const char *loaded = NULL;
	int ret = 0;

	for (unsigned i = 0; i < c->key_cnt && ret == 0; i++) {
		const char *file = c->key_files[i];

		if (file == NULL)
			continue;
		if (loaded == NULL || strcmp(loaded, file) != 0) {
			tsig_keys_fini(&keys);
			ret = tsig_file_load(file, false, &keys, error);
			loaded = file;
		}
		if (ret == 0)
			ret = take_fresh(&keys, c->keys[i], file, &fresh[i], error);
	}
	tsig_keys_fini(&keys);
	return ret;
}

int config_reload_keys(const struct config *c, unsigned *out_cnt, char error[TSIG_FILE_ERROR_CAP])
{
	struct tsig_key **fresh = calloc(c->key_cnt + 1u, sizeof(fresh[0]));
	unsigned cnt = 0;
	int ret;

	if (fresh == NULL) {
		snprintf(error, TSIG_FILE_ERROR_CAP, "out of memory");
		return -ENOMEM;
	}
	ret = read_fresh(c, fresh, error);
	for (unsigned i = 0; i < c->key_cnt; i++) {
		if (ret == 0 && fresh[i] != NULL) {
			tsig_key_exchange(c->keys[i], fresh[i]);
			cnt++;
		}
		tsig_key_release(fresh[i]); /* wipes what was replaced, or what is not used */
	}
	free(fresh);
	if (ret < 0)
		return ret;
	if (cnt == 0) {
		snprintf(error, TSIG_FILE_ERROR_CAP, "no key of the configuration is from a file");
		return -ENOENT;
	}
	*out_cnt = cnt;
	return 0;
}
