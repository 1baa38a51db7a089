/*
 * TSIG keys from a file, in the form that tsig-keygen(8) writes and BIND, NSD and others read:
 *
 *     key "transfer.example" {
 *             algorithm hmac-sha256;
 *             secret "base64 of the secret";
 *     };
 *
 * Any number of keys; comments as in C, C++ and shell; nothing else. Secrets are kept out of error texts, and wiped
 * from all memory of ours before a function returns. Any thread; reads files, so it may block.
 */
#pragma once

#include "control/tsig_key.h"

#define TSIG_FILE_LEN_MAX   (1 << 20)
#define TSIG_FILE_ERROR_CAP 1536 /* a path or key name and a sentence */

struct tsig_keys {
	struct tsig_key **list; /* the caller releases each, and frees the list: tsig_keys_fini */
	size_t cnt;
};

/*
 * Refuses what others could have written or could read: a symbolic link, anything but a regular file, an owner other
 * than root and us, permissions for all or to write for the group. Returns 0 with at least one key; or -errno with
 * "FILE:LINE: what is wrong" in error and *out untouched. Names may repeat: tsig_keyring_new tells.
 */
int tsig_file_load(const char *path, bool allow_md5, struct tsig_keys *out, char error[TSIG_FILE_ERROR_CAP]);

/* The same from len octets of text; path is for errors only. */
int tsig_file_parse(const char *text, size_t len, const char *path, bool allow_md5, struct tsig_keys *out,
		    char error[TSIG_FILE_ERROR_CAP]);

void tsig_keys_fini(struct tsig_keys *keys);

/*
 * RFC 4648 4, with its padding, nothing else in between. Returns the octets written to out (which has room for
 * 3 per 4 characters), or -EINVAL.
 */
int tsig_secret_from_base64(const char *text, size_t len, uint8_t *out);
