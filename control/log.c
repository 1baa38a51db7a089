/*
 * Log lines. Each is put together on the stack and leaves by one system call, so lines of several threads never mix and
 * there is no lock. Nothing here fails or waits for a reader: a line that cannot be written at once is lost and counted,
 * a line that is too long is cut.
 */
#include "control/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Below PIPE_BUF (4096), so that a write to a pipe is atomic (POSIX write(2)). */
#define LOG_LINE_CAP 3072
#define LOG_NAME_CAP 1100 /* a zone name in presentation form, quoted */

struct log {
	enum log_level level;
	enum log_target target;
	int fd;
	bool is_socket;
	_Atomic uint64_t lost; /* lines not told of yet; any thread */
};

struct line {
	size_t len;
	char text[LOG_LINE_CAP];
};

static const char *const level_text[] = {
	[LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
	[LOG_INFO] = "info",   [LOG_DEBUG] = "debug",
};

/* Priorities of syslog(3), which the journal takes from a "<N>" at the start of a line (sd-daemon(3)). */
static const char level_priority[] = {
	[LOG_ERROR] = '3', [LOG_WARNING] = '4', [LOG_NOTICE] = '5', [LOG_INFO] = '6', [LOG_DEBUG] = '7',
};

/*
 * stderr is not ours alone: O_NONBLOCK on it would be seen by everybody who shares it. A pipe can be opened again for us,
 * a socket has a flag for each send, and a file or a terminal is written to as it is.
 */
static void open_output(struct log *log)
{
	struct stat st = {0};

	log->fd = STDERR_FILENO;
	if (fstat(STDERR_FILENO, &st) < 0)
		return;
	log->is_socket = S_ISSOCK(st.st_mode);
	if (!S_ISFIFO(st.st_mode))
		return;
	log->fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (log->fd < 0)
		log->fd = STDERR_FILENO;
}

struct log *log_new(enum log_level level, enum log_target target)
{
	struct log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return NULL;
	log->level = level;
	log->target = target;
	open_output(log);
	return log;
}

void log_free(struct log *log)
{
	if (log != NULL && log->fd != STDERR_FILENO)
		close(log->fd);
	free(log);
}

static void line_vadd(struct line *line, const char *fmt, va_list args)
{
	size_t room = sizeof(line->text) - 1 - line->len; /* the newline has its place */
	int n = vsnprintf(line->text + line->len, room, fmt, args);

	if (n > 0)
		line->len += (size_t)n < room ? (size_t)n : room - 1;
}

__attribute__((format(printf, 2, 3))) static void line_add(struct line *line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line_vadd(line, fmt, args);
	va_end(args);
}

static void line_head(struct line *line, const struct log *log, enum log_level level)
{
	struct timespec now;
	struct tm tm;

	if (log->target == LOG_TO_JOURNAL) {
		/* The journal keeps its own time. */
		line_add(line, "<%c>%s", level_priority[level], level_text[level]);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	line_add(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		 tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(now.tv_nsec / 1000000), level_text[level]);
}

static bool plain(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text <= ' ' || *text > '~' || *text == '"' || *text == '=')
			return false;
	}
	return true;
}

static void line_value(struct line *line, const char *key, const char *value)
{
	char quoted[LOG_NAME_CAP];

	if (value != NULL)
		line_add(line, " %s=%s", key,
			 plain(value) ? value : log_quote(value, quoted, sizeof(quoted)));
}

/* The last guard against forged lines: whatever a caller forgot to quote, a line is one line. */
static void line_end(struct line *line)
{
	for (size_t i = 0; i < line->len; i++) {
		unsigned char c = (unsigned char)line->text[i];

		if (c < ' ' || c == 127)
			line->text[i] = '?';
	}
	line->text[line->len++] = '\n';
}

/* False: it is lost, or its end is. */
static bool line_send(const struct log *log, struct line *line)
{
	size_t sent = 0;

	line_end(line);
	while (sent < line->len) {
		const char *rest = line->text + sent;
		size_t left = line->len - sent;
		ssize_t n = log->is_socket ? send(log->fd, rest, left, MSG_DONTWAIT | MSG_NOSIGNAL)
					   : write(log->fd, rest, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		sent += (size_t)n;
	}
	return true;
}

/* Tells of lines that were lost, as soon as one is taken again. */
static void send_lost(struct log *log)
{
	uint64_t lost = atomic_exchange_explicit(&log->lost, 0, memory_order_relaxed);
	struct line line = {.len = 0};

	if (lost == 0)
		return;
	line_head(&line, log, LOG_WARNING);
	line_add(&line, " log-lost lines=%llu", (unsigned long long)lost);
	if (!line_send(log, &line))
		atomic_fetch_add_explicit(&log->lost, lost, memory_order_relaxed);
}

void log_event(struct log *log, enum log_level level, const char *event, const char *zone, const char *peer,
	       const char *fmt, ...)
{
	int saved = errno; /* callers report errno after logging */
	struct line line;
	va_list args;

	if (level > log->level)
		return;
	line.len = 0;
	line_head(&line, log, level);
	line_add(&line, " %s", event);
	line_value(&line, "zone", zone);
	line_value(&line, "peer", peer);
	if (fmt != NULL && *fmt != '\0') {
		line_add(&line, " ");
		va_start(args, fmt);
		line_vadd(&line, fmt, args);
		va_end(args);
	}
	send_lost(log);
	if (!line_send(log, &line))
		atomic_fetch_add_explicit(&log->lost, 1, memory_order_relaxed);
	errno = saved;
}

const char *log_quote(const char *text, char *buf, unsigned cap)
{
	static const char hex[] = "0123456789abcdef";
	unsigned len = 0;

	if (cap < 3) {
		if (cap > 0)
			*buf = '\0';
		return buf;
	}
	buf[len++] = '"';
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		unsigned need = c < ' ' || c > '~' ? 4 : c == '"' || c == '\\' ? 2 : 1;

		if (len + need + 2 > cap) /* the closing quote and the NUL */
			break;
		if (need > 1)
			buf[len++] = '\\';
		if (need == 4) {
			buf[len++] = 'x';
			buf[len++] = hex[c >> 4];
			buf[len++] = hex[c & 15];
		} else {
			buf[len++] = (char)c;
		}
	}
	buf[len++] = '"';
	buf[len] = '\0';
	return buf;
}

bool log_allow(struct log *log, struct log_limit *limit, uint32_t burst, const char *event)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((uint64_t)now.tv_sec != limit->second) {
		uint32_t skipped = limit->skipped;

		*limit = (struct log_limit){.second = (uint64_t)now.tv_sec};
		if (skipped > 0)
			log_event(log, LOG_WARNING, "log-limited", NULL, NULL, "event=%s skipped=%u", event,
				  skipped);
	}
	if (limit->cnt < burst) {
		limit->cnt++;
		return true;
	}
	limit->skipped++;
	return false;
}
