#include "control/cookie_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#define FILE_LEN_MAX 4096
#define HEX_LEN	     (2 * COOKIE_SECRET_LEN)

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_secret(const char *text, size_t len, uint8_t out[COOKIE_SECRET_LEN])
{
	if (len != HEX_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		int d = hex_digit(text[i]);

		if (d < 0)
			return false;
		out[i / 2] = (uint8_t)(out[i / 2] << 4 | d);
	}
	return true;
}

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
		if (!read_secret(line, line_len, out->secret[out->secret_cnt])) {
			snprintf(error, COOKIE_FILE_ERROR_CAP,
				 "%s:%u: a secret must be %d hexadecimal digits", path, number, HEX_LEN);
			return -EINVAL;
		}
		out->secret_cnt++;
	}
	if (out->secret_cnt > 0)
		return 0;
	snprintf(error, COOKIE_FILE_ERROR_CAP, "%s: there is no secret in this file", path);
	return -EINVAL;
}

static const char *why_not_safe(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "not a regular file";
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "its owner is neither root nor the user we run as";
	if ((st->st_mode & (S_IRWXO | S_IWGRP)) != 0)
		return "others may read or change it; chmod it to 0600, or 0640 for a group of ours";
	if (st->st_size > FILE_LEN_MAX)
		return "larger than 4 KiB";
	return NULL;
}

/* Returns the octets read, or -errno. */
static ssize_t read_whole(int fd, char *buf, size_t cap)
{
	size_t len = 0;

	while (len < cap) {
		ssize_t n = read(fd, buf + len, cap - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* Not blocking, and no link: neither a FIFO nor a link put in its place does harm. Returns a descriptor or -errno. */
static int open_safely(const char *path, char *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	const char *unsafe;
	struct stat st;
	int err = errno;

	if (fd < 0 || fstat(fd, &st) < 0) {
		err = fd < 0 ? err : errno;
		snprintf(error, COOKIE_FILE_ERROR_CAP, "%s: cannot open the file of cookie secrets: %s", path,
			 err == ELOOP ? "it is a symbolic link, which could be made to lead elsewhere"
				      : strerror(err));
		if (fd >= 0)
			close(fd);
		return -err;
	}
	unsafe = why_not_safe(&st);
	if (unsafe == NULL)
		return fd;
	snprintf(error, COOKIE_FILE_ERROR_CAP, "%s: the file of cookie secrets is refused: %s", path, unsafe);
	close(fd);
	return -EPERM;
}

int cookie_file_load(const char *path, struct cookie_config *out, char error[COOKIE_FILE_ERROR_CAP])
{
	struct cookie_config read = {.demand = out->demand};
	char text[FILE_LEN_MAX];
	int fd = open_safely(path, error);
	ssize_t len;
	int rc;

	if (fd < 0)
		return fd;
	len = read_whole(fd, text, sizeof(text));
	if (len < 0) {
		rc = (int)len;
		snprintf(error, COOKIE_FILE_ERROR_CAP, "%s: cannot read the file of cookie secrets: %s", path,
			 strerror(-rc));
	} else {
		rc = parse(path, text, (size_t)len, &read, error);
	}
	if (rc == 0)
		*out = read;
	OPENSSL_cleanse(text, sizeof(text));
	OPENSSL_cleanse(&read, sizeof(read));
	close(fd);
	return rc;
}
