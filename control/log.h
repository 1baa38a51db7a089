/*
 * Log lines: key=value, zone first, peer second, reason last; to stderr (one line each) or the journal.
 * Values that need it are quoted and escaped, so what a peer sends cannot forge a line. Any thread but workers.
 *
 *     2026-11-22T12:00:00.123Z notice transfer-done zone=example.com. peer=192.0.2.53@53 serial=5 records=10
 *
 * LOG_TO_JOURNAL writes to stderr too, for a service whose stderr is the journal (systemd's default): the time is left
 * out, and the priority stands in front as "<5>", which the journal takes off again (sd-daemon(3)).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };
enum log_target { LOG_TO_STDERR, LOG_TO_JOURNAL };

struct log;

/* Returns NULL when out of memory. Lines go to what stderr is now. */
struct log *log_new(enum log_level level, enum log_target target);
void log_free(struct log *log);

/*
 * event: a fixed word such as "transfer-done"; zone and peer: text or NULL. fmt: further key=value pairs, made with
 * log_quote where a value is not ours. One system call per line, at most 3072 octets (cut), control characters shown as
 * '?'. Never fails, and never waits for a pipe or a socket that nobody reads: the line is lost, and "log-lost lines=N" says
 * so before the next one that is taken. errno is kept.
 */
void log_event(struct log *log, enum log_level level, const char *event, const char *zone, const char *peer,
	       const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* The text in quotes with \xNN for what is not printable; cut to cap. Returns buf. */
const char *log_quote(const char *text, char *buf, unsigned cap);

/*
 * For lines that a packet can cause: at most `burst` a second per limit; the first call of a later second logs how
 * many were left out. The struct lives with the caller, zeroed, and is used by one thread.
 */
struct log_limit {
	uint64_t second;
	uint32_t cnt;
	uint32_t skipped;
};
bool log_allow(struct log *log, struct log_limit *limit, uint32_t burst, const char *event);
