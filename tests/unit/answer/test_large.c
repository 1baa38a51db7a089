/*
 * Answers over TCP in which records stand where a pointer does not reach (RFC 1035 4.1.4): they come whole, for there is no
 * other way to get them. What is read back is read by ldns.
 */
#include "tests/unit/answer/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LINKS	 12   /* of a chain; so many signatures of so many octets take it beyond 20,000 octets */
#define SIG_LEN	 1800 /* octets, as base64 one third more */
#define NEAR_MAX 16384

/* Text that grows. */
struct text {
	FILE *f;
	char *octets;
	size_t len;
};

static void begin(struct text *t)
{
	t->f = open_memstream(&t->octets, &t->len);
	assert_non_null(t->f);
	fprintf(t->f, "example. 300 SOA ns.other. h.other. 1 3600 600 86400 60\n"
		      "example. 300 NS ns.other.\nmail.example. 300 A 192.0.2.1\n");
}

static void put_sig(struct text *t, const char *owner, const char *type)
{
	fprintf(t->f, "%s 300 RRSIG %s 13 2 300 20380101000000 20200101000000 1 example. ", owner, type);
	for (unsigned i = 0; i < SIG_LEN / 3; i++)
		fprintf(t->f, "AAAA");
	fprintf(t->f, "\n");
}

/* NAME0.example. to NAME11.example., and on to end.example.; signed. */
static void put_chain(struct text *t, const char *name, const char *type, const char *end)
{
	for (unsigned i = 0; i < LINKS; i++) {
		char owner[32], next[32];

		snprintf(owner, sizeof(owner), "%s%u.example.", name, i);
		snprintf(next, sizeof(next), "%s%u.example.", name, i + 1);
		fprintf(t->f, "%s 300 %s %s\n", owner, type, i + 1 == LINKS ? end : next);
		put_sig(t, owner, type);
	}
}

static void load(struct ask_world *w, struct text *t)
{
	fclose(t->f);
	ask_world_init(w);
	ask_add_zone(w, "example.", t->octets);
	free(t->octets);
}

/* The answer, not truncated, and larger than pointers reach. */
static const char *large(struct ask_world *w, const char *question, const char *begins)
{
	const char *text = ask(w, question);

	assert_memory_equal(text, begins, strlen(begins));
	assert_true(w->len > NEAR_MAX);
	return text;
}

static unsigned count(const char *text, const char *what)
{
	unsigned cnt = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		cnt++;
	return cnt;
}

static void has_line(const char *text, const char *line)
{
	char framed[256];

	snprintf(framed, sizeof(framed), "\n%s\n", line);
	if (strstr(text, framed) == NULL)
		fail_msg("no line \"%s\" in\n%.2000s", line, text);
}

static void has_chain(const char *text, const char *prefix, const char *name, const char *end)
{
	char line[128];

	for (unsigned i = 0; i < LINKS; i++) {
		int len = snprintf(line, sizeof(line), "an %s%s%u.example. 300 CNAME ", prefix, name, i);

		if (i + 1 == LINKS)
			snprintf(line + len, sizeof(line) - (size_t)len, "%s%s", prefix, end);
		else
			snprintf(line + len, sizeof(line) - (size_t)len, "%s%s%u.example.", prefix, name,
				 i + 1);
		has_line(text, line);
	}
}

static void what_a_wildcard_makes_comes_with_its_proof(void **state)
{
	struct ask_world w;
	struct text t;
	const char *text;

	(void)state;
	begin(&t);
	fprintf(t.f, "example. 300 NSEC mail.example. NS SOA\n");
	fprintf(t.f, "mail.example. 300 NSEC *.w.example. A\n*.w.example. 300 NSEC example. TXT\n");
	for (unsigned i = 0; i < 80; i++)
		fprintf(t.f, "*.w.example. 300 TXT \"%0200u\"\n", i);
	put_sig(&t, "*.w.example.", "TXT");
	put_sig(&t, "*.w.example.", "NSEC");
	load(&w, &t);
	text = large(&w, "x.w.example. TXT do tcp", "NOERROR aa\n");
	assert_int_equal(count(text, "\nan x.w.example. 300 TXT "), 80);
	has_line(text, "ns *.w.example. 300 NSEC example. TXT");
	assert_int_equal(count(text, "\nns *.w.example. 300 RRSIG NSEC "), 1);
	ask_world_fini(&w);
}

static void a_chain_of_aliases_goes_on_to_its_end(void **state)
{
	struct ask_world w;
	struct text t;
	const char *text;

	(void)state;
	begin(&t);
	put_chain(&t, "c", "CNAME", "end.example.");
	fprintf(t.f, "end.example. 300 MX 1 mail.example.\nend.example. 300 MX 2 end.example.\n"
		     "end.example. 300 MX 3 far.away.other.\nend.example. 300 MX 4 away.other.\n");
	put_sig(&t, "end.example.", "MX");
	load(&w, &t);
	text = large(&w, "c0.example. MX do tcp", "NOERROR aa\n");
	has_chain(text, "", "c", "end.example.");
	assert_int_equal(count(text, " RRSIG CNAME "), LINKS);
	has_line(text, "an end.example. 300 MX 1 mail.example.");
	has_line(text, "an end.example. 300 MX 2 end.example.");
	has_line(text, "an end.example. 300 MX 3 far.away.other.");
	has_line(text, "an end.example. 300 MX 4 away.other.");
	assert_int_equal(count(text, "\nan end.example. 300 RRSIG MX "), 1);
	/* Missing data behind it: the SOA's TTL is found where it is. */
	text = large(&w, "c0.example. TXT do tcp", "NOERROR aa\n");
	has_chain(text, "", "c", "end.example.");
	has_line(text, "ns example. 60 SOA ns.other. h.other. 1 3600 600 86400 60");
	ask_world_fini(&w);
}

static void a_chain_of_dnames_goes_on_to_its_end(void **state)
{
	struct ask_world w;
	struct text t;
	const char *text;

	(void)state;
	begin(&t);
	put_chain(&t, "d", "DNAME", "end.example.");
	fprintf(t.f, "x.y.end.example. 300 A 192.0.2.1\nx.y.end.example. 300 A 192.0.2.2\n");
	load(&w, &t);
	text = large(&w, "x.Y.d0.example. A do tcp", "NOERROR aa\n");
	has_chain(text, "x.Y.", "d", "end.example.");
	assert_int_equal(count(text, " DNAME "), 2 * LINKS);
	has_line(text, "an x.Y.end.example. 300 A 192.0.2.1");
	has_line(text, "an x.Y.end.example. 300 A 192.0.2.2");
	ask_world_fini(&w);
}

static void a_large_referral_has_its_ds_and_all_of_its_glue(void **state)
{
	struct ask_world w;
	struct text t;
	const char *text;

	(void)state;
	begin(&t);
	for (unsigned i = 0; i < 800; i++) {
		fprintf(t.f, "sub.example. 300 NS n%u.sub.example.\n", i);
		if (i % 2 == 0)
			fprintf(t.f, "n%u.sub.example. 300 A 192.0.2.1\n", i);
	}
	fprintf(t.f, "sub.example. 300 DS 1 13 1 0123456789012345678901234567890123456789\n");
	put_sig(&t, "sub.example.", "DS");
	load(&w, &t);
	text = large(&w, "www.sub.example. A do tcp", "NOERROR\n");
	assert_int_equal(count(text, "\nns sub.example. 300 NS "), 800);
	assert_int_equal(count(text, "\nns sub.example. 300 DS "), 1);
	assert_int_equal(count(text, "\nns sub.example. 300 RRSIG DS "), 1);
	assert_int_equal(count(text, ".sub.example. 300 A "), 400);
	ask_world_fini(&w);
}

static void a_referral_behind_a_chain_has_its_glue(void **state)
{
	struct ask_world w;
	struct text t;
	const char *text;

	(void)state;
	begin(&t);
	put_chain(&t, "c", "CNAME", "www.sub.example.");
	fprintf(t.f, "sub.example. 300 NS n1.sub.example.\nsub.example. 300 NS n2.sub.example.\n"
		     "n1.sub.example. 300 A 192.0.2.1\nn2.sub.example. 300 AAAA 2001:db8::1\n"
		     "sub.example. 300 DS 1 13 1 0123456789012345678901234567890123456789\n");
	put_sig(&t, "sub.example.", "DS");
	load(&w, &t);
	text = large(&w, "c0.example. A do tcp", "NOERROR aa\n");
	has_chain(text, "", "c", "www.sub.example.");
	has_line(text, "ns sub.example. 300 NS n1.sub.example.");
	has_line(text, "ns sub.example. 300 NS n2.sub.example.");
	assert_int_equal(count(text, "\nns sub.example. 300 DS "), 1);
	has_line(text, "ar n1.sub.example. 300 A 192.0.2.1");
	has_line(text, "ar n2.sub.example. 300 AAAA 2001:db8::1");
	ask_world_fini(&w);
}

/* What does not fit even so is still truncated. */
static void more_than_a_message_holds_is_truncated(void **state)
{
	struct ask_world w;
	struct text t;

	(void)state;
	begin(&t);
	put_chain(&t, "c", "CNAME", "end.example.");
	for (unsigned i = 0; i < 250; i++)
		fprintf(t.f, "end.example. 300 TXT \"%0220u\"\n", i);
	load(&w, &t);
	ASK_IS(&w, "c0.example. TXT do tcp", "NOERROR aa tc\nopt 1232 do\n");
	ask_world_fini(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_wildcard_makes_comes_with_its_proof),
		cmocka_unit_test(a_chain_of_aliases_goes_on_to_its_end),
		cmocka_unit_test(a_chain_of_dnames_goes_on_to_its_end),
		cmocka_unit_test(a_large_referral_has_its_ds_and_all_of_its_glue),
		cmocka_unit_test(a_referral_behind_a_chain_has_its_glue),
		cmocka_unit_test(more_than_a_message_holds_is_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
