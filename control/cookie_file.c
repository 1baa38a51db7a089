#include "control/cookie_file.h"

#include "control/hex.h"
#include "control/secret_file.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#define FILE_LEN_MAX 4096

/* The line without comment and blanks at its ends. */
static size_t trim(const char **line, size_t len)
{
	const char *hash = memchr(*line, '#', len);

	if (hash != NULL)
		len = (size_t)(hash - *line);
	while (len > 0 && strchr(" \t\r", **line) != NULL && **line != '\0') {
		(*line)++;
		len--;
	}
	while (len > 0 && strchr(" \t\r", (*line)[len - 1]) != NULL && (*line)[len - 1] != '\0')
		len--;
	return len;
}

static int parse(const char *path, const char *text, size_t len, struct cookie_config *out, char *error)
{
	const char *end = text + len;

	for (unsigned number = 1; text < end; number++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *next = newline == NULL ? end : newline + 1;
		const char *line = text;
		size_t line_len = trim(&line, (size_t)((newline == NULL ? end : newline) - text));

		text = next;
		if (line_len == 0)
			continue;
		if (out->secret_cnt == COOKIE_SECRETS_MAX) {
			snprintf(error, COOKIE_FILE_ERROR_CAP, "%s:%u: a third secret: two are possible",
				 path, number);
			return -EINVAL;
		}
		if (hex_read(line, line_len, out->secret[out->secret_cnt], COOKIE_SECRET_LEN) !=
		    COOKIE_SECRET_LEN) {
			snprintf(error, COOKIE_FILE_ERROR_CAP,
				 "%s:%u: a secret must be %d hexadecimal digits", path, number,
				 2 * COOKIE_SECRET_LEN);
			return -EINVAL;
		}
		out->secret_cnt++;
	}
	if (out->secret_cnt > 0)
		return 0;
	snprintf(error, COOKIE_FILE_ERROR_CAP, "%s: there is no secret in this file", path);
	return -EINVAL;
}

int cookie_file_load(const char *path, struct cookie_config *out, char error[COOKIE_FILE_ERROR_CAP])
{
	struct cookie_config read = {.demand = out->demand};
	size_t len;
	char *text;
	int rc = secret_file_read(path, "file of cookie secrets", FILE_LEN_MAX, &text, &len, error,
				  COOKIE_FILE_ERROR_CAP);

	if (rc < 0)
		return rc;
	rc = parse(path, text, len, &read, error);
	if (rc == 0)
		*out = read;
	OPENSSL_cleanse(&read, sizeof(read));
	secret_file_wipe(text, len);
	return rc;
}
