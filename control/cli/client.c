#include "control/cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A line of the answer is a part of at most some 100 zones or 32 KiB of text; this is far above. */
#define LINE_MAX_LEN (size_t)(64 << 20)

struct client {
	int fd;
	int timeout_ms; /* for poll */
	char *buf;
	size_t len, cap;
	size_t seen; /* octets at buf that hold no newline */
};

static const char *hint(int error)
{
	switch (error) {
	case ENOENT:
		return "; is lockstepd running, and is this its control.socket?";
	case ECONNREFUSED:
		return "; the socket is there, but no lockstepd answers: it has ended without removing it";
	case EACCES:
	case EPERM:
		return "; only root and the user that lockstepd runs as may use it";
	default:
		return "";
	}
}

enum client_verdict client_open(const char *path, uint64_t timeout_ms, struct client **out,
				struct client_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct client *c;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		snprintf(err->text, sizeof(err->text), "the path of the socket is too long: %s", path);
		return CLIENT_UNREACHABLE;
	}
	strcpy(addr.sun_path, path);
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		snprintf(err->text, sizeof(err->text), "out of memory");
		return CLIENT_BROKEN;
	}
	c->timeout_ms = timeout_ms == 0 || timeout_ms > INT32_MAX ? -1 : (int)timeout_ms;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int error = errno;

		snprintf(err->text, sizeof(err->text), "cannot connect to %s: %s%s", path, strerror(error),
			 hint(error));
		client_close(c);
		return CLIENT_UNREACHABLE;
	}
	*out = c;
	return CLIENT_OK;
}

void client_close(struct client *c)
{
	if (c == NULL)
		return;
	if (c->fd >= 0)
		close(c->fd);
	free(c->buf);
	free(c);
}

enum client_verdict client_send(struct client *c, json_t *request, struct client_error *err)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t len, sent = 0;

	json_decref(request);
	if (text == NULL) {
		snprintf(err->text, sizeof(err->text), "the arguments are not UTF-8 text");
		return CLIENT_BROKEN;
	}
	len = strlen(text);
	text[len++] = '\n'; /* over the NUL */
	while (sent < len) {
		ssize_t n = send(c->fd, text + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break; /* it may have said why before it closed: that is for client_receive */
		sent += (size_t)n;
	}
	free(text);
	return CLIENT_OK;
}

/* Waits and reads once. */
static enum client_verdict fill(struct client *c, struct client_error *err)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	ssize_t n;
	int ready;

	do {
		ready = poll(&p, 1, c->timeout_ms);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0) {
		snprintf(err->text, sizeof(err->text), "no answer within %d.%03d s", c->timeout_ms / 1000,
			 c->timeout_ms % 1000);
		return CLIENT_TIMEOUT;
	}
	n = ready < 0 ? -1 : recv(c->fd, c->buf + c->len, c->cap - c->len, 0);
	if (n < 0 && errno == EINTR)
		return CLIENT_OK;
	if (n <= 0) {
		snprintf(err->text, sizeof(err->text), "lockstepd closed the connection%s%s",
			 n < 0 ? ": " : " before the answer was complete", n < 0 ? strerror(errno) : "");
		return CLIENT_BROKEN;
	}
	c->len += (size_t)n;
	return CLIENT_OK;
}

static enum client_verdict make_room(struct client *c, struct client_error *err)
{
	size_t cap = c->cap == 0 ? 65536 : 2 * c->cap;
	char *buf;

	if (c->len < c->cap)
		return CLIENT_OK;
	buf = cap <= LINE_MAX_LEN ? realloc(c->buf, cap) : NULL;
	if (buf == NULL) {
		snprintf(err->text, sizeof(err->text), "a line of the answer is too long");
		return CLIENT_BROKEN;
	}
	c->buf = buf;
	c->cap = cap;
	return CLIENT_OK;
}

enum client_verdict client_receive(struct client *c, json_t **out, struct client_error *err)
{
	enum client_verdict verdict = CLIENT_OK;
	char *end = NULL;
	json_error_t error;
	size_t line;

	while (verdict == CLIENT_OK) {
		end = c->len > c->seen ? memchr(c->buf + c->seen, '\n', c->len - c->seen) : NULL;
		if (end != NULL)
			break;
		c->seen = c->len;
		verdict = make_room(c, err);
		if (verdict == CLIENT_OK)
			verdict = fill(c, err);
	}
	if (verdict != CLIENT_OK)
		return verdict;
	line = (size_t)(end - c->buf);
	*out = json_loadb(c->buf, line, 0, &error);
	c->len -= line + 1;
	c->seen = 0;
	memmove(c->buf, end + 1, c->len);
	if (*out == NULL || !json_is_object(*out)) {
		json_decref(*out);
		*out = NULL;
		snprintf(err->text, sizeof(err->text),
			 "the answer is not JSON: is this lockstepd's control socket?");
		return CLIENT_BROKEN;
	}
	return CLIENT_OK;
}
