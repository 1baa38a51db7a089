/* Query files, expectations, and hosts. */
#include "bench/load/queries.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "dataplane/dns/protocol.h"

struct files {
	char queries[64], expect[64];
	struct query_set *set;
	struct queries_error err;
};

static int setup(void **state)
{
	struct files *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->queries, sizeof(f->queries), "/tmp/lockstep-test-queries-%d", getpid());
	snprintf(f->expect, sizeof(f->expect), "/tmp/lockstep-test-expect-%d", getpid());
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct files *f = *state;

	unlink(f->queries);
	unlink(f->expect);
	queries_free(f->set);
	free(f);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void read_queries(struct files *f, const char *text)
{
	write_file(f->queries, text);
	if (queries_read(f->queries, &f->set, &f->err) < 0)
		fail_msg("%s", f->err.text);
}

static int read_expectations(struct files *f, const char *text)
{
	write_file(f->expect, text);
	return queries_read_expectations(f->set, f->expect, &f->err);
}

static void lines_of_dnsperf_are_read(void **state)
{
	static const uint8_t name[] = "\3www\7example";
	struct queries_error err;
	struct question q;

	(void)state;
	assert_int_equal(queries_parse_line("www.example A\n", &q, &err), 1);
	assert_int_equal(q.type, DNS_TYPE_A);
	assert_int_equal(q.name_len, sizeof(name));
	assert_memory_equal(q.name, name, sizeof(name));
	assert_int_equal(queries_parse_line("  www.example.\taaaa  whatever follows\r\n", &q, &err), 1);
	assert_int_equal(q.type, DNS_TYPE_AAAA);
	assert_memory_equal(q.name, name, sizeof(name));
	assert_int_equal(queries_parse_line(". TYPE65280", &q, &err), 1);
	assert_int_equal(q.type, 65280);
	assert_int_equal(q.name_len, 1);
}

static void comments_and_empty_lines_are_no_queries(void **state)
{
	static const char *const lines[] = {"", "\n", "  \t\r\n", "; www.example A", "# x A\n"};
	struct queries_error err;
	struct question q;

	(void)state;
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(queries_parse_line(lines[i], &q, &err), 0);
}

static void a_bad_line_is_refused_with_the_word_that_is_wrong(void **state)
{
	static const struct {
		const char *line, *said;
	} cases[] = {
		{"www.example", "www.example"},	  {"www..example A", "www..example"},
		{"www.example NOTYPE", "NOTYPE"}, {"www.example TYPE65536", "TYPE65536"},
		{"www.example TYPE-1", "TYPE-1"}, {"www.example TYPE", "TYPE"},
		{"www.example TYPE1x", "TYPE1x"},
	};
	struct queries_error err;
	struct question q;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		err.text[0] = '\0';
		assert_int_equal(queries_parse_line(cases[i].line, &q, &err), -EINVAL);
		assert_non_null(strstr(err.text, cases[i].said));
	}
}

static void a_file_keeps_order_case_and_repetitions(void **state)
{
	struct files *f = *state;
	struct question q;

	read_queries(f, "b.example A\n;no\nA.Example MX\n\nb.example A\n");
	assert_int_equal(queries_cnt(f->set), 3);
	assert_false(queries_random(f->set));
	queries_get(f->set, 1, &q);
	assert_memory_equal(q.name, "\1A\7Example", 11);
	assert_int_equal(q.type, DNS_TYPE_MX);
	queries_get(f->set, 2, &q);
	assert_memory_equal(q.name, "\1b\7example", 11);
}

static void a_bad_file_is_refused_with_its_name_and_line(void **state)
{
	struct files *f = *state;

	write_file(f->queries, "a.example A\n\nb.example\n");
	assert_int_equal(queries_read(f->queries, &f->set, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.text, f->queries));
	assert_non_null(strstr(f->err.text, "line 3"));
	write_file(f->queries, ";only a comment\n");
	assert_int_equal(queries_read(f->queries, &f->set, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.text, f->queries));
	assert_int_equal(queries_read("/nonexistent/queries", &f->set, &f->err), -ENOENT);
	assert_non_null(strstr(f->err.text, "/nonexistent/queries"));
	assert_null(f->set);
}

static void expectations_find_their_questions_in_any_case_and_all_repetitions(void **state)
{
	struct files *f = *state;
	struct expectation e;
	uint8_t room[6];

	read_queries(f, "b.example A\nA.Example AAAA\nb.EXAMPLE A\nc.example A\n");
	queries_expect_rcode(f->set, DNS_RCODE_NOERROR);
	if (read_expectations(f, "a.example AAAA NOERROR 2001:db8::1 2001:db8::2\n"
				 "; comment\nB.example A NXDOMAIN -\n") < 0)
		fail_msg("%s", f->err.text);
	for (unsigned i = 0; i <= 2; i += 2) {
		queries_expectation(f->set, i, room, &e);
		assert_int_equal(e.rcode, DNS_RCODE_NXDOMAIN);
		assert_true(e.has_rdata);
		assert_int_equal(e.cnt, 0);
	}
	queries_expectation(f->set, 1, room, &e);
	assert_int_equal(e.rcode, DNS_RCODE_NOERROR);
	assert_int_equal(e.cnt, 2);
	assert_int_equal(e.rdata_len, 2 * 18);
	assert_memory_equal(e.rdata, "\0\20\x20\1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 18);
	queries_expectation(f->set, 3, room, &e);
	assert_int_equal(e.rcode, DNS_RCODE_NOERROR);
	assert_false(e.has_rdata);
}

static void octets_may_be_given_in_hexadecimal(void **state)
{
	struct files *f = *state;
	struct expectation e;
	uint8_t room[6];

	read_queries(f, "b.example TXT\n");
	assert_int_equal(read_expectations(f, "b.example TXT NOERROR 0x026869\n"), 0);
	queries_expectation(f->set, 0, room, &e);
	assert_int_equal(e.rdata_len, 5);
	assert_memory_equal(e.rdata, "\0\3\2hi", 5);
}

static void a_bad_expectation_is_refused(void **state)
{
	static const char *const lines[] = {
		"b.example A\n",
		"b.example A NOSUCH\n",
		"b.example A NOERROR 10.0.0\n",
		"b.example A NOERROR 0x123\n",
		"b.example A NOERROR 0xzz\n",
		"other.example A NOERROR\n",
		"b.example AAAA NOERROR\n",
	};
	struct files *f = *state;

	read_queries(f, "b.example A\n");
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_true(read_expectations(f, lines[i]) < 0);
		assert_non_null(strstr(f->err.text, "line 1"));
	}
}

static void hosts_have_hexadecimal_names_and_addresses_of_their_number(void **state)
{
	struct files *f = *state;
	struct expectation e;
	struct question q;
	uint8_t room[6];

	assert_int_equal(queries_hosts("h", "host.test", 10000000, DNS_TYPE_A, &f->set, &f->err), 0);
	assert_true(queries_random(f->set));
	queries_get(f->set, 0x98967f, &q);
	assert_memory_equal(q.name, "\7h98967f\4host\4test", q.name_len);
	assert_int_equal(q.name_len, 19);
	queries_expectation(f->set, 0x98967f, room, &e);
	assert_int_equal(e.cnt, 1);
	assert_memory_equal(e.rdata, "\0\4\12\x98\x96\x7f", 6);
	queries_get(f->set, 0, &q);
	assert_memory_equal(q.name, "\2h0\4host\4test", q.name_len);
}

static void hosts_of_another_kind_have_no_known_content(void **state)
{
	struct files *f = *state;
	struct expectation e;
	uint8_t room[6];

	assert_int_equal(queries_hosts("no", "host.test", 10, DNS_TYPE_A, &f->set, &f->err), 0);
	queries_expect_rcode(f->set, DNS_RCODE_NXDOMAIN);
	queries_expectation(f->set, 3, room, &e);
	assert_int_equal(e.rcode, DNS_RCODE_NXDOMAIN);
	assert_false(e.has_rdata);
	queries_free(f->set);
	f->set = NULL;
	assert_true(queries_hosts("h", "host..test", 10, DNS_TYPE_A, &f->set, &f->err) < 0);
	assert_non_null(strstr(f->err.text, "host..test"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_of_dnsperf_are_read),
		TEST(comments_and_empty_lines_are_no_queries),
		TEST(a_bad_line_is_refused_with_the_word_that_is_wrong),
		TEST(a_file_keeps_order_case_and_repetitions),
		TEST(a_bad_file_is_refused_with_its_name_and_line),
		TEST(expectations_find_their_questions_in_any_case_and_all_repetitions),
		TEST(octets_may_be_given_in_hexadecimal),
		TEST(a_bad_expectation_is_refused),
		TEST(hosts_have_hexadecimal_names_and_addresses_of_their_number),
		TEST(hosts_of_another_kind_have_no_known_content),
	};

	return cmocka_run_group_tests_name("queries", tests, NULL, NULL);
}
