#include "control/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

/* Of a file that is open already: nobody can put another one in its place between the check and the reading. */
static const char *why_not_safe(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "not a regular file";
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "its owner is neither root nor the user we run as";
	if ((st->st_mode & (S_IRWXO | S_IWGRP)) != 0)
		return "others may read or change it; chmod it to 0600, or 0640 for a group of ours";
	return NULL;
}

static int read_whole(int fd, char *buf, size_t cap, size_t *out_len)
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
	*out_len = len;
	return 0;
}

/* Not blocking, and no link: neither a FIFO nor a link put in its place does harm. Returns a descriptor or -errno. */
static int open_safely(const char *path, const char *what, size_t len_max, struct stat *st, char *error,
		       size_t error_cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	const char *unsafe;

	if (fd < 0 || fstat(fd, st) < 0) {
		int err = errno;

		snprintf(error, error_cap, "%s: cannot open the %s: %s", path, what,
			 err == ELOOP ? "it is a symbolic link, which could be made to lead elsewhere"
				      : strerror(err));
		if (fd >= 0)
			close(fd);
		return -err;
	}
	unsafe = why_not_safe(st);
	if (unsafe != NULL)
		snprintf(error, error_cap, "%s: the %s is refused: %s", path, what, unsafe);
	else if ((size_t)st->st_size > len_max)
		snprintf(error, error_cap, "%s: the %s is refused: larger than %zu octets", path, what,
			 len_max);
	else
		return fd;
	close(fd);
	return -EPERM;
}

int secret_file_read(const char *path, const char *what, size_t len_max, char **out, size_t *out_len,
		     char *error, size_t error_cap)
{
	struct stat st;
	int fd = open_safely(path, what, len_max, &st, error, error_cap);
	size_t len = 0;
	char *text;
	int rc;

	if (fd < 0)
		return fd;
	text = malloc((size_t)st.st_size + 1);
	rc = text == NULL ? -ENOMEM : read_whole(fd, text, (size_t)st.st_size, &len);
	close(fd);
	if (rc < 0) {
		snprintf(error, error_cap, "%s: cannot read the %s: %s", path, what, strerror(-rc));
		if (text != NULL)
			secret_file_wipe(text, (size_t)st.st_size);
		return rc;
	}
	text[len] = '\0';
	*out = text;
	*out_len = len;
	return 0;
}

void secret_file_wipe(char *text, size_t len)
{
	OPENSSL_cleanse(text, len);
	free(text);
}
