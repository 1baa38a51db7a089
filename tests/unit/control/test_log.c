/*
 * What a log line looks like, and that nobody can forge one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/log.h"

/* stderr goes to a file meanwhile. */
struct capture {
	int saved, fd;
	struct log *log;
	size_t len;
	char text[1 << 20];
};

static int setup(void **state)
{
	char file[] = "/tmp/lockstep-log-XXXXXX";
	struct capture *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -1;
	c->fd = mkstemp(file);
	unlink(file);
	fcntl(c->fd, F_SETFL, O_APPEND);
	c->saved = dup(STDERR_FILENO);
	if (c->fd < 0 || c->saved < 0 || dup2(c->fd, STDERR_FILENO) < 0)
		return -1;
	c->log = log_new(LOG_INFO, LOG_TO_STDERR);
	*state = c;
	return c->log == NULL;
}

static int teardown(void **state)
{
	struct capture *c = *state;

	dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	close(c->fd);
	log_free(c->log);
	free(c);
	return 0;
}

/* What has been written so far. */
static const char *captured(struct capture *c)
{
	ssize_t n = pread(c->fd, c->text, sizeof(c->text) - 1, 0);

	assert_true(n >= 0);
	c->len = (size_t)n;
	c->text[n] = '\0';
	return c->text;
}

/* The line behind its time, which is checked. */
static const char *behind_time(const char *line)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ ";

	for (size_t i = 0; shape[i] != '\0'; i++) {
		if (shape[i] == 'd')
			assert_in_range(line[i], '0', '9');
		else
			assert_int_equal(line[i], shape[i]);
	}
	return line + strlen(shape);
}

static void a_line_has_time_level_event_zone_peer_and_pairs(void **state)
{
	struct capture *c = *state;

	log_event(c->log, LOG_NOTICE, "transfer-done", "example.com.", "192.0.2.53@53",
		  "serial=%u records=%d", 5u, 10);
	assert_string_equal(
		behind_time(captured(c)),
		"notice transfer-done zone=example.com. peer=192.0.2.53@53 serial=5 records=10\n");
}

static void absent_parts_leave_no_trace(void **state)
{
	struct capture *c = *state;

	log_event(c->log, LOG_ERROR, "stopped", NULL, NULL, NULL);
	assert_string_equal(behind_time(captured(c)), "error stopped\n");
}

static void levels_below_the_threshold_are_silent(void **state)
{
	struct capture *c = *state;

	log_event(c->log, LOG_DEBUG, "noise", NULL, NULL, "a=b");
	assert_string_equal(captured(c), "");
	log_event(c->log, LOG_INFO, "signal", NULL, NULL, "a=b");
	assert_string_equal(behind_time(captured(c)), "info signal a=b\n");
}

static void journal_lines_carry_a_priority_instead_of_the_time(void **state)
{
	struct capture *c = *state;
	struct log *log = log_new(LOG_DEBUG, LOG_TO_JOURNAL);

	log_event(log, LOG_ERROR, "a", NULL, NULL, NULL);
	log_event(log, LOG_WARNING, "b", NULL, NULL, NULL);
	log_event(log, LOG_NOTICE, "c", "z.", NULL, NULL);
	log_event(log, LOG_INFO, "d", NULL, NULL, NULL);
	log_event(log, LOG_DEBUG, "e", NULL, NULL, NULL);
	assert_string_equal(captured(c),
			    "<3>error a\n<4>warning b\n<5>notice c zone=z.\n<6>info d\n<7>debug e\n");
	log_free(log);
}

static void a_peer_cannot_forge_a_line(void **state)
{
	struct capture *c = *state;

	/* even where a caller forgot to quote */
	log_event(c->log, LOG_INFO, "x", "a b\nerror forged", "\033[2J", "reason=%s", "one\ntwo\r\033[1m");
	assert_string_equal(behind_time(captured(c)),
			    "info x zone=\"a b\\x0aerror forged\" peer=\"\\x1b[2J\" "
			    "reason=one?two??[1m\n");
	assert_int_equal(c->len, strcspn(c->text, "\n") + 1);
}

static void quoting_escapes_what_is_not_printable(void **state)
{
	char buf[64];

	assert_string_equal(log_quote("plain", buf, sizeof(buf)), "\"plain\"");
	assert_string_equal(log_quote("", buf, sizeof(buf)), "\"\"");
	assert_string_equal(log_quote("a\"b\\c\n\x7f\xc3\xa4", buf, sizeof(buf)),
			    "\"a\\\"b\\\\c\\x0a\\x7f\\xc3\\xa4\"");
}

static void quoting_never_leaves_its_room_nor_half_an_escape(void **state)
{
	char buf[16], full[16];

	for (unsigned cap = 0; cap <= sizeof(buf); cap++) {
		memset(buf, '#', sizeof(buf));
		log_quote("a\n\"\\z", buf, cap);
		for (unsigned i = cap; i < sizeof(buf); i++)
			assert_int_equal(buf[i], '#');
		if (cap == 0)
			continue;
		assert_true(strlen(buf) < cap);
		if (cap >= 3) {
			log_quote("a\n\"\\z", full, sizeof(full));
			assert_memory_equal(buf, full, strlen(buf) - 1);
			assert_int_equal(buf[strlen(buf) - 1], '"');
			assert_true(buf[strlen(buf) - 2] != '\\' || strlen(buf) > 8);
		}
	}
}

static void a_line_too_long_is_cut_and_still_one_line(void **state)
{
	struct capture *c = *state;
	static char value[100000];

	memset(value, 'v', sizeof(value) - 1);
	log_event(c->log, LOG_INFO, "long", value, value, "reason=%s", value);
	log_event(c->log, LOG_INFO, "next", NULL, NULL, "a=b");
	captured(c);
	assert_true(strcspn(c->text, "\n") < 4096);
	assert_string_equal(behind_time(strchr(c->text, '\n') + 1), "info next a=b\n");
}

static void errno_is_kept(void **state)
{
	struct capture *c = *state;

	errno = ENOSPC;
	close(STDERR_FILENO);
	log_event(c->log, LOG_INFO, "a", NULL, NULL, "b=c");
	assert_int_equal(errno, ENOSPC);
	dup2(c->fd, STDERR_FILENO);
}

#define THREADS 4
#define LINES	500

static void *writer(void *arg)
{
	struct log *log = arg;

	for (unsigned i = 0; i < LINES; i++)
		log_event(log, LOG_INFO, "thread", "example.", "192.0.2.1@53", "i=%04u filler=%0200d", i, 0);
	return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state)
{
	struct capture *c = *state;
	pthread_t threads[THREADS];
	unsigned lines = 0;
	size_t len = 0;

	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, writer, c->log), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	captured(c);
	for (const char *line = c->text; *line != '\0'; lines++) {
		size_t n = strcspn(line, "\n") + 1;

		assert_true(len == 0 || n == len);
		len = n;
		line += n;
	}
	assert_int_equal(lines, THREADS * LINES);
}

static void a_limit_lets_a_burst_through_and_counts_the_rest(void **state)
{
	struct capture *c = *state;
	struct log_limit limit = {0};
	struct timespec now;
	unsigned allowed = 0;

	/* Starts at the beginning of a second, so that a thousand calls fit in it. */
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_nsec > 100000000);
	for (unsigned i = 0; i < 1000; i++)
		allowed += log_allow(c->log, &limit, 10, "notify-refused");
	assert_int_equal(allowed, 10);
	assert_int_equal(limit.skipped, 990);
	assert_string_equal(captured(c), "");
	limit.second--; /* a second later */
	assert_true(log_allow(c->log, &limit, 10, "notify-refused"));
	assert_string_equal(behind_time(captured(c)),
			    "warning log-limited event=notify-refused skipped=990\n");
}

#define MANY 5000 /* lines: far more than a pipe or a socket holds */

/* Everything there is, without waiting. */
static size_t drain(int fd, char *text, size_t cap)
{
	size_t len = 0;
	ssize_t n;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while ((n = read(fd, text + len, cap - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return len;
}

static unsigned lines_in(const char *text)
{
	unsigned cnt = 0;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		cnt++;
	return cnt;
}

/* ends: what is read, what is stderr. Were a line waited for, this would end by the test's time limit. */
static void check_unread(struct capture *c, const int ends[2])
{
	unsigned long long lost;
	struct log *log;
	char *told;

	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	log = log_new(LOG_INFO, LOG_TO_STDERR);
	for (unsigned i = 0; i < MANY; i++)
		log_event(log, LOG_INFO, "unread", NULL, NULL, "i=%04u filler=%0100d", i, 0);
	assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0); // it is shared with others
	drain(ends[0], c->text, sizeof(c->text));
	lost = MANY - lines_in(c->text);
	assert_true(lost > 0 && lost < MANY);
	log_event(log, LOG_INFO, "next", NULL, NULL, NULL);
	drain(ends[0], c->text, sizeof(c->text));
	told = strstr(c->text, "warning log-lost lines=");
	assert_non_null(told);
	assert_int_equal(strtoull(told + strlen("warning log-lost lines="), NULL, 10), lost);
	assert_non_null(strstr(told, "info next"));
	assert_int_equal(lines_in(c->text), 2);
	log_free(log);
	dup2(c->fd, STDERR_FILENO);
	close(ends[0]);
	close(ends[1]);
}

static void a_pipe_that_nobody_reads_is_not_waited_for(void **state)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	check_unread(*state, ends);
}

static void a_socket_that_nobody_reads_is_not_waited_for(void **state)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	check_unread(*state, ends);
}

static void a_full_disk_loses_lines_and_says_so_when_there_is_room(void **state)
{
	struct capture *c = *state;
	int full = open("/dev/full", O_WRONLY);

	assert_true(full >= 0 && dup2(full, STDERR_FILENO) >= 0);
	for (unsigned i = 0; i < 3; i++)
		log_event(c->log, LOG_INFO, "unwritten", NULL, NULL, NULL);
	dup2(c->fd, STDERR_FILENO);
	close(full);
	log_event(c->log, LOG_INFO, "next", NULL, NULL, NULL);
	assert_int_equal(lines_in(captured(c)), 2);
	assert_string_equal(behind_time(strchr(c->text, '\n') + 1), "info next\n");
	*strchr(c->text, '\n') = '\0';
	assert_string_equal(behind_time(c->text), "warning log-lost lines=3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(a_line_has_time_level_event_zone_peer_and_pairs),
		T(absent_parts_leave_no_trace),
		T(levels_below_the_threshold_are_silent),
		T(journal_lines_carry_a_priority_instead_of_the_time),
		T(a_peer_cannot_forge_a_line),
		cmocka_unit_test(quoting_escapes_what_is_not_printable),
		cmocka_unit_test(quoting_never_leaves_its_room_nor_half_an_escape),
		T(a_line_too_long_is_cut_and_still_one_line),
		T(errno_is_kept),
		T(lines_of_several_threads_do_not_mix),
		T(a_limit_lets_a_burst_through_and_counts_the_rest),
		T(a_pipe_that_nobody_reads_is_not_waited_for),
		T(a_socket_that_nobody_reads_is_not_waited_for),
		T(a_full_disk_loses_lines_and_says_so_when_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
