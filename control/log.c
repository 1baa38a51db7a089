/*
 * Log lines. Each is put together on the stack and leaves by one write(2), so lines of several threads never mix and
 * there is no lock. Nothing here fails: a line that cannot be written is lost, a line that is too long is cut.
 */
#include "control/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Below PIPE_BUF (4096), so that a write to a pipe is atomic (POSIX write(2)). */
#define LOG_LINE_CAP 3072
#define LOG_NAME_CAP 1100 /* a zone name in presentation form, quoted */

struct log {
	enum log_level level;
	enum log_target target;
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

struct log *log_new(enum log_level level, enum log_target target)
{
	struct log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return NULL;
	log->level = level;
	log->target = target;
	return log;
}

void log_free(struct log *log)
{
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
static void line_send(struct line *line)
{
	size_t sent = 0;

	for (size_t i = 0; i < line->len; i++) {
		unsigned char c = (unsigned char)line->text[i];

		if (c < ' ' || c == 127)
			line->text[i] = '?';
	}
	line->text[line->len++] = '\n';
	while (sent < line->len) {
		ssize_t n = write(STDERR_FILENO, line->text + sent, line->len - sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		sent += (size_t)n;
	}
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
	line_send(&line);
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
