/* Names: reading them from hostile messages, text form, order, hashes. ldns and naive models are the judges. */
#include "dataplane/dns/name.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <ldns/ldns.h>

#define HEADER	 12
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Reads the name at `at` of a copy that ends exactly where the message does. Returns its length, 0 when bad. */
static size_t get_at(const uint8_t *msg, size_t len, size_t at, uint8_t *out, size_t *out_end)
{
	uint8_t *copy = malloc(len);
	struct wire_in in;
	size_t got;

	assert_non_null(copy);
	memcpy(copy, msg, len);
	in = wire_in_init(copy, len);
	in.cur += at;
	got = name_get(&in, out);
	assert_int_equal(got == 0, in.bad);
	if (got > 0)
		assert_true(name_valid(out, got));
	if (out_end != NULL)
		*out_end = wire_in_pos(&in);
	free(copy);
	return got;
}

static size_t put(uint8_t *msg, size_t at, const char *octets, size_t len)
{
	memcpy(msg + at, octets, len);
	return at + len;
}

#define PUT(msg, at, literal) put(msg, at, literal, sizeof(literal) - 1)

static void a_name_without_compression_is_read_as_it_stands(void **state)
{
	uint8_t msg[64] = {0}, out[NAME_LEN_MAX];
	size_t end, len = PUT(msg, HEADER, "\3wWw\7example\0");

	assert_int_equal(get_at(msg, len, HEADER, out, &end), 13);
	assert_memory_equal(out, "\3wWw\7example\0", 13);
	assert_int_equal(end, len);
}

static void reading_continues_behind_the_first_pointer(void **state)
{
	uint8_t msg[64] = {0}, out[NAME_LEN_MAX];
	size_t end, at, len = PUT(msg, HEADER, "\7example\0\1a\xC0\x0C");

	at = len;
	len = PUT(msg, len, "\1b\xC0\x15rest");
	assert_int_equal(get_at(msg, len, at, out, &end), 13);
	assert_memory_equal(out, "\1b\1a\7example\0", 13);
	assert_int_equal(end, at + 4);
}

static void a_pointer_to_itself_is_refused(void **state)
{
	uint8_t msg[64] = {0}, out[NAME_LEN_MAX];

	assert_int_equal(get_at(msg, PUT(msg, HEADER, "\xC0\x0C"), HEADER, out, NULL), 0);
	assert_int_equal(get_at(msg, PUT(msg, HEADER, "\1a\xC0\x0E"), HEADER, out, NULL), 0);
}

static void a_pointer_into_the_piece_that_it_ends_is_refused(void **state)
{
	uint8_t msg[64] = {0}, out[NAME_LEN_MAX];

	assert_int_equal(get_at(msg, PUT(msg, HEADER, "\1a\xC0\x0C"), HEADER, out, NULL), 0);
	assert_int_equal(get_at(msg, PUT(msg, HEADER, "\1a\1b\xC0\x0E"), HEADER, out, NULL), 0);
}

static void a_forward_pointer_is_refused(void **state)
{
	uint8_t msg[64] = {0}, out[NAME_LEN_MAX];
	size_t len = PUT(msg, HEADER, "\xC0\x0E\1a\0");

	assert_int_equal(get_at(msg, len, HEADER, out, NULL), 0);
	assert_int_equal(get_at(msg, len, HEADER + 2, out, NULL), 3);
}

static void a_pointer_past_the_end_of_the_message_is_refused(void **state)
{
	uint8_t msg[64] = {0}, out[NAME_LEN_MAX];

	assert_int_equal(get_at(msg, PUT(msg, HEADER, "\xFF\xFF"), HEADER, out, NULL), 0);
	assert_int_equal(get_at(msg, PUT(msg, HEADER, "\xC0\x0E"), HEADER, out, NULL), 0);
}

static void two_pointers_to_each_other_are_refused_from_both_sides(void **state)
{
	uint8_t msg[64] = {0}, out[NAME_LEN_MAX];
	size_t len = PUT(msg, HEADER, "\xC0\x0E\xC0\x0C");

	assert_int_equal(get_at(msg, len, HEADER, out, NULL), 0);
	assert_int_equal(get_at(msg, len, HEADER + 2, out, NULL), 0);
}

/* The piece pointed to runs on, over the place the pointer came from. */
static void a_piece_that_comes_back_to_its_own_pointer_is_refused(void **state)
{
	uint8_t msg[64] = {0}, out[NAME_LEN_MAX];
	size_t len = PUT(msg, HEADER, "\1x\1y\1z\xC0\x0C");

	assert_int_equal(get_at(msg, len, HEADER + 6, out, NULL), 0);
	assert_int_equal(get_at(msg, len, HEADER + 2, out, NULL), 0);
}

/* Backwards from where the name stands is not enough: it must be backwards from the piece that holds the pointer. */
static void a_pointer_forward_from_an_earlier_piece_is_refused(void **state)
{
	uint8_t msg[64] = {0}, out[NAME_LEN_MAX];
	size_t len = PUT(msg, HEADER, "\1x\xC0\x10\1y\0\xC0\x0C");

	assert_int_equal(get_at(msg, len, HEADER + 4, out, NULL), 3);
	assert_int_equal(get_at(msg, len, HEADER + 7, out, NULL), 0);
}

static void a_pointer_into_the_header_is_refused(void **state)
{
	uint8_t out[NAME_LEN_MAX];

	for (unsigned to = 0; to <= HEADER; to++) {
		uint8_t msg[64] = {0};
		size_t len = PUT(msg, HEADER, "\0\1a\xC0");

		msg[len++] = (uint8_t)to;
		assert_int_equal(get_at(msg, len, HEADER + 1, out, NULL), to < HEADER ? 0 : 3);
	}
}

static void label_types_01_and_10_are_refused(void **state)
{
	uint8_t out[NAME_LEN_MAX];

	for (unsigned type = 0x40; type < 0xC0; type++) {
		uint8_t msg[300] = {0};
		struct wire_in in = wire_in_init(msg, sizeof(msg));

		msg[HEADER] = msg[HEADER + 4] = (uint8_t)type;
		memcpy(msg + HEADER + 2, "\1a", 2);
		/* As if the next octet made it a pointer to a name. */
		msg[HEADER + 5] = HEADER + 6;
		assert_int_equal(get_at(msg, sizeof(msg), HEADER, out, NULL), 0);
		assert_int_equal(get_at(msg, sizeof(msg), HEADER + 2, out, NULL), 0);
		msg[HEADER + 1] = HEADER + 2;
		msg[HEADER + 2] = 0;
		memcpy(msg + HEADER + 3, msg + HEADER, 2);
		msg[HEADER + 4] = HEADER + 2;
		assert_int_equal(get_at(msg, sizeof(msg), HEADER + 3, out, NULL), 0);
		in.cur += HEADER;
		assert_int_equal(name_get_plain(&in, out), 0);
		assert_true(in.bad);
	}
}

/* Piece i is one label and a pointer to piece i - 1. */
static size_t chain_make(uint8_t *msg, unsigned pieces, unsigned label_len)
{
	size_t at = HEADER, last;

	msg[at++] = 0;
	last = HEADER;
	for (unsigned i = 0; i < pieces; i++) {
		size_t start = at;

		if (label_len > 0) {
			msg[at++] = (uint8_t)label_len;
			memset(msg + at, 'a' + (int)(i % 26), label_len);
			at += label_len;
		}
		wire_store16(msg + at, (uint16_t)(0xC000 | last));
		at += 2;
		last = start;
	}
	return last;
}

static void the_longest_name_may_come_in_127_pieces(void **state)
{
	uint8_t msg[1024] = {0}, out[NAME_LEN_MAX];
	size_t end, at = chain_make(msg, 127, 1);

	assert_int_equal(get_at(msg, at + 4, at, out, &end), NAME_LEN_MAX);
	assert_int_equal(name_label_cnt(out), NAME_LABELS_MAX);
	assert_int_equal(end, at + 4);
}

static void a_128th_piece_is_refused(void **state)
{
	uint8_t msg[1024] = {0}, out[NAME_LEN_MAX];
	size_t at = chain_make(msg, 128, 1);

	assert_int_equal(get_at(msg, at + 4, at, out, NULL), 0);
}

static void a_chain_of_bare_pointers_is_followed_127_times_and_no_more(void **state)
{
	uint8_t msg[1024] = {0}, out[NAME_LEN_MAX];
	size_t at = chain_make(msg, 127, 0);

	assert_int_equal(get_at(msg, at + 2, at, out, NULL), 1);
	at = chain_make(msg, 128, 0);
	assert_int_equal(get_at(msg, at + 2, at, out, NULL), 0);
}

/* The length counts over pointer jumps: each piece is fine alone (CVE class of HARDENING: name length over jumps). */
static void a_name_that_grows_past_255_over_pointers_is_refused(void **state)
{
	uint8_t msg[1024] = {0}, out[NAME_LEN_MAX];
	size_t at = chain_make(msg, 3, 63); /* 193 octets */
	size_t len = at + 66;

	msg[len] = 61;
	memset(msg + len + 1, 'q', 61);
	wire_store16(msg + len + 62, (uint16_t)(0xC000 | at));
	assert_int_equal(get_at(msg, len + 64, len, out, NULL), 255);
	msg[len] = 62;
	msg[len + 62] = 'q';
	wire_store16(msg + len + 63, (uint16_t)(0xC000 | at));
	assert_int_equal(get_at(msg, len + 65, len, out, NULL), 0);
}

static void a_pointer_reaches_the_last_offset_its_14_bits_can_say(void **state)
{
	uint8_t msg[0x4000 + 8] = {0};
	uint8_t out[NAME_LEN_MAX];

	msg[0x3FFF] = 1;
	msg[0x4000] = 'a';
	wire_store16(msg + 0x4004, 0xFFFF);
	assert_int_equal(get_at(msg, 0x4006, 0x4004, out, NULL), 3);
}

static void a_message_cut_at_any_octet_gives_no_name(void **state)
{
	uint8_t msg[64] = {0}, out[NAME_LEN_MAX];
	size_t len = PUT(msg, HEADER, "\7example\3com\0\3www\xC0\x0C");

	for (size_t cut = HEADER; cut < HEADER + 13; cut++)
		assert_int_equal(get_at(msg, cut, HEADER, out, NULL), 0);
	for (size_t cut = HEADER + 13; cut < len; cut++)
		assert_int_equal(get_at(msg, cut, HEADER + 13, out, NULL), 0);
	assert_int_equal(get_at(msg, len, HEADER + 13, out, NULL), 17);
}

static void plain_reading_refuses_pointers_and_every_cut(void **state)
{
	static const uint8_t name[] = "\3www\7example\0";
	uint8_t out[NAME_LEN_MAX];
	uint8_t msg[64] = {0};
	struct wire_in in;

	for (size_t cut = 0; cut < 13; cut++) {
		uint8_t *copy = malloc(cut + 1);

		memcpy(copy, name, cut);
		in = wire_in_init(copy, cut);
		assert_int_equal(name_get_plain(&in, out), 0);
		assert_true(in.bad);
		free(copy);
	}
	in = wire_in_init(name, sizeof(name));
	assert_int_equal(name_get_plain(&in, out), 13);
	assert_int_equal(wire_in_pos(&in), 13);
	in = wire_in_init(msg, PUT(msg, HEADER, "\0\1a\xC0\x0C"));
	in.cur += HEADER + 1;
	assert_int_equal(name_get_plain(&in, out), 0);
	assert_true(in.bad);
}

static void nothing_is_read_from_a_cursor_that_is_already_bad(void **state)
{
	uint8_t out[NAME_LEN_MAX];
	struct wire_in in = wire_in_init((const uint8_t *)"\1a\0", 4);

	in.bad = true;
	assert_int_equal(name_get(&in, out), 0);
	assert_int_equal(name_get_plain(&in, out), 0);
	assert_int_equal(wire_in_pos(&in), 0);
}

static void valid_means_exactly_one_name(void **state)
{
	uint8_t longest[NAME_LEN_MAX + 1] = {0};

	assert_true(name_valid((const uint8_t *)"\0", 1));
	assert_true(name_valid((const uint8_t *)"\1a\0", 3));
	assert_false(name_valid((const uint8_t *)"\1a\0\0", 4));
	assert_false(name_valid((const uint8_t *)"\1a\0", 2));
	assert_false(name_valid((const uint8_t *)"\1a\0", 1));
	assert_false(name_valid((const uint8_t *)"\1a\0", 0));
	assert_false(name_valid((const uint8_t *)"\100aaaa", 6));
	assert_false(name_valid((const uint8_t *)"\xC0\x0C", 2));
	for (int i = 0; i < 254; i += 2)
		memcpy(longest + i, "\1a", 2);
	assert_true(name_valid(longest, 255));
	assert_int_equal(name_len(longest), 255);
	memcpy(longest + 250, "\4aaaa\0", 6);
	assert_false(name_valid(longest, 256));
}

/* xorshift; the state is the test's. */
static uint32_t rnd(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

/* Few letters and few labels, so that names share suffixes, differ in case only, or are prefixes of each other. */
static void random_name(uint32_t *x, bool any_octet, uint8_t out[NAME_LEN_MAX])
{
	unsigned labels = rnd(x) % 5;
	size_t len = 0;

	for (unsigned i = 0; i < labels; i++) {
		unsigned l = any_octet && rnd(x) % 8 == 0 ? 40 + rnd(x) % 24 : 1 + rnd(x) % 3;

		if (len + 1 + l + 1 > NAME_LEN_MAX)
			break;
		out[len++] = (uint8_t)l;
		while (l-- > 0)
			out[len++] =
				any_octet ? (uint8_t)rnd(x) : (uint8_t) "aAbBzZ0*\0\xFF@[`{"[rnd(x) % 15];
	}
	out[len] = 0;
}

static void ldns_reads_the_text_of_every_name_as_the_same_name(void **state)
{
	uint32_t x = 88675123;

	for (int i = 0; i < 20000; i++) {
		uint8_t name[NAME_LEN_MAX], back[NAME_LEN_MAX];
		char text[NAME_TEXT_CAP];
		ldns_rdf *theirs;

		random_name(&x, true, name);
		assert_ptr_equal(name_text(name, text), text);
		for (const char *c = text; *c != '\0'; c++)
			if (*c <= ' ' || *c > '~')
				fail_msg("octet %d in the text of a name", *c);
		theirs = ldns_dname_new_frm_str(text);
		if (theirs == NULL)
			fail_msg("ldns does not read %s", text);
		assert_int_equal(ldns_rdf_size(theirs), name_len(name));
		assert_memory_equal(ldns_rdf_data(theirs), name, name_len(name));
		ldns_rdf_deep_free(theirs);
		assert_int_equal(name_from_text(text, back), name_len(name));
		assert_memory_equal(back, name, name_len(name));
	}
}

static void the_text_that_ldns_writes_is_read_as_the_same_name(void **state)
{
	uint32_t x = 521288629;

	for (int i = 0; i < 20000; i++) {
		uint8_t name[NAME_LEN_MAX], back[NAME_LEN_MAX];
		ldns_rdf *rdf;
		char *text;

		random_name(&x, true, name);
		rdf = ldns_dname_new_frm_data((uint16_t)name_len(name), name);
		text = ldns_rdf2str(rdf);
		assert_int_equal(name_from_text(text, back), name_len(name));
		assert_memory_equal(back, name, name_len(name));
		free(text);
		ldns_rdf_deep_free(rdf);
	}
}

static void what_could_end_or_comment_a_log_or_zone_line_is_escaped(void **state)
{
	uint8_t name[] = {16,  '.', '\\', '"', ';', '(', ')', '@', '$',
			  ' ', 0,   '\n', 127, 255, '/', '*', 'A', 0};
	char text[NAME_TEXT_CAP];

	assert_string_equal(name_text(name, text), "\\.\\\\\\\"\\;\\(\\)\\@\\$\\032\\000\\010\\127\\255/*A.");
	assert_string_equal(name_text((const uint8_t *)"\0", text), ".");
}

static void the_longest_text_fits_its_room(void **state)
{
	uint8_t name[NAME_LEN_MAX];
	char text[NAME_TEXT_CAP];

	memset(name, 0, sizeof(name));
	name[0] = name[64] = name[128] = 63;
	name[192] = 61;
	assert_true(name_valid(name, 255));
	assert_int_equal(strlen(name_text(name, text)), 250 * 4 + 4);
	memset(name, 1, 254);
	assert_int_equal(strlen(name_text(name, text)), 127 * 5);
}

static void text_is_read_with_and_without_the_last_dot(void **state)
{
	uint8_t a[NAME_LEN_MAX], b[NAME_LEN_MAX];

	assert_int_equal(name_from_text("www.Example", a), 13);
	assert_int_equal(name_from_text("www.Example.", b), 13);
	assert_memory_equal(a, "\3www\7Example\0", 13);
	assert_memory_equal(a, b, 13);
	assert_int_equal(name_from_text(".", a), 1);
	assert_int_equal(name_from_text("a\\.b.\\065\\@", a), 8);
	assert_memory_equal(a, "\3a.b\2A@\0", 8);
}

static void bad_text_is_refused_and_leaves_the_output_alone(void **state)
{
	static const char *const bad[] = {"",	 "..",	 ".a",	  "a..b",  "a..",     "\\",	 "a\\",
					  "\\1", "\\12", "\\12a", "\\256", "\\999.b", "a.\\00x", "a.\\300."};
	uint8_t out[NAME_LEN_MAX], before[NAME_LEN_MAX];
	char text[600];

	memset(out, 0xA5, sizeof(out));
	memset(before, 0xA5, sizeof(before));
	for (size_t i = 0; i < COUNT(bad); i++)
		if (name_from_text(bad[i], out) != -EINVAL)
			fail_msg("\"%s\" was read as a name", bad[i]);
	memset(text, 'a', sizeof(text));
	text[64] = '\0';
	assert_int_equal(name_from_text(text, out), -EINVAL);
	assert_memory_equal(out, before, sizeof(out));
	text[63] = '\0';
	assert_int_equal(name_from_text(text, out), 65);
}

static void text_of_255_octets_is_read_and_of_256_refused(void **state)
{
	char text[600];
	uint8_t out[NAME_LEN_MAX];

	memset(text, 'a', sizeof(text));
	text[63] = text[127] = text[191] = '.';
	text[192 + 61] = '\0';
	assert_int_equal(name_from_text(text, out), 255);
	text[192 + 61] = '.';
	text[192 + 62] = '\0';
	assert_int_equal(name_from_text(text, out), 255);
	text[192 + 61] = 'a';
	assert_int_equal(name_from_text(text, out), -EINVAL);
	text[192 + 61] = '.';
	text[192 + 62] = 'b';
	text[192 + 63] = '\0';
	assert_int_equal(name_from_text(text, out), -EINVAL);
	for (int i = 0; i < 128; i++)
		memcpy(text + i * 2, "a.", 3);
	assert_int_equal(name_from_text(text, out), -EINVAL);
	text[254] = '\0';
	assert_int_equal(name_from_text(text, out), 255);
}

static void order_is_that_of_the_example_in_rfc_4034_6_1(void **state)
{
	static const char *const sorted[] = {"example.",	 "a.example.",	    "yljkjljk.a.example.",
					     "Z.a.example.",	 "zABC.a.EXAMPLE.", "z.example.",
					     "\\001.z.example.", "*.z.example.",    "\\200.z.example."};

	for (size_t i = 0; i < COUNT(sorted); i++) {
		for (size_t j = 0; j < COUNT(sorted); j++) {
			uint8_t a[NAME_LEN_MAX], b[NAME_LEN_MAX];
			int d;

			assert_true(name_from_text(sorted[i], a) > 0 && name_from_text(sorted[j], b) > 0);
			d = name_compare(a, b);
			assert_int_equal((d > 0) - (d < 0), (i > j) - (i < j));
		}
	}
}

/*
 * The model: a key of 16-bit units, labels from the root side, an end of label sorting below every octet, so that
 * canonical order is plain lexicographic order of keys.
 */
static size_t model_key(const uint8_t *name, uint16_t *key)
{
	const uint8_t *labels[NAME_LABELS_MAX];
	unsigned cnt = 0;
	size_t len = 0;

	for (; *name != 0; name += 1 + *name)
		labels[cnt++] = name;
	while (cnt-- > 0) {
		for (unsigned i = 1; i <= *labels[cnt]; i++) {
			uint8_t c = labels[cnt][i];

			key[len++] = (uint16_t)((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) + 1);
		}
		key[len++] = 0;
	}
	return len;
}

static int model_compare(const uint8_t *a, const uint8_t *b)
{
	uint16_t ka[2 * NAME_LEN_MAX], kb[2 * NAME_LEN_MAX];
	size_t la = model_key(a, ka), lb = model_key(b, kb);

	for (size_t i = 0; i < la && i < lb; i++)
		if (ka[i] != kb[i])
			return ka[i] < kb[i] ? -1 : 1;
	return (la > lb) - (la < lb);
}

static void order_and_equality_are_those_of_a_naive_model_and_of_ldns(void **state)
{
	uint32_t x = 123456789;
	unsigned equal = 0;

	for (int i = 0; i < 100000; i++) {
		uint8_t a[NAME_LEN_MAX], b[NAME_LEN_MAX];
		int want, d;

		random_name(&x, i % 2, a);
		random_name(&x, i % 2, b);
		want = model_compare(a, b);
		d = name_compare(a, b);
		assert_int_equal((d > 0) - (d < 0), want);
		d = name_compare(b, a);
		assert_int_equal((d > 0) - (d < 0), -want);
		assert_int_equal(name_equal(a, b), want == 0);
		equal += want == 0;
		if (i % 16 < 2) {
			ldns_rdf *ra = ldns_dname_new_frm_data((uint16_t)name_len(a), a);
			ldns_rdf *rb = ldns_dname_new_frm_data((uint16_t)name_len(b), b);

			d = ldns_dname_compare(ra, rb);
			assert_int_equal((d > 0) - (d < 0), want);
			ldns_rdf_deep_free(ra);
			ldns_rdf_deep_free(rb);
		}
	}
	assert_true(equal > 100); /* else the names were too different to test equality */
}

static void ancestry_goes_by_labels_not_by_octets(void **state)
{
	static const struct {
		const char *name, *ancestor;
		bool below;
	} table[] = {
		{"www.example.", "example.", true},
		{"www.EXAMPLE.", "eXample.", true},
		{"example.", "example.", true},
		{"example.", "www.example.", false},
		{"wwwexample.", "example.", false},
		{"a.b.c.", ".", true},
		{".", ".", true},
		{".", "a.", false},
		{"a.example.org.", "example.", false},
		{"x\\007example.", "example.", false},
		{"a\\.example.", "example.", false},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		uint8_t n[NAME_LEN_MAX], a[NAME_LEN_MAX];

		assert_true(name_from_text(table[i].name, n) > 0 && name_from_text(table[i].ancestor, a) > 0);
		if (name_is_at_or_below(n, a) != table[i].below)
			fail_msg("%s at or below %s is not %d", table[i].name, table[i].ancestor,
				 table[i].below);
	}
}

static void folding_touches_ascii_letters_only(void **state)
{
	for (unsigned c = 0; c < 256; c++) {
		uint8_t a[] = {1, (uint8_t)c, 0}, lower[3], want[] = {1, (uint8_t)c, 0};

		if (c >= 'A' && c <= 'Z')
			want[1] += 'a' - 'A';
		name_lower(lower, a, sizeof(a));
		assert_memory_equal(lower, want, sizeof(want));
		name_lower(a, a, sizeof(a));
		assert_memory_equal(a, want, sizeof(want));
		for (unsigned d = 0; d < 256; d++) {
			uint8_t other[] = {1, (uint8_t)d, 0}, other_lower[3];

			name_lower(other_lower, other, sizeof(other));
			assert_int_equal(name_equal(lower, other), lower[1] == other_lower[1]);
		}
	}
}

static void folding_minds_no_neighbour(void **state)
{
	/* Eight octets are folded at once: none may change another's result, wherever it stands. */
	static const uint8_t fill[] = {0x00, 0x7F, 0x80, 0xFF, 'A', 'z'};

	(void)state;
	for (unsigned f = 0; f < sizeof(fill); f++)
		for (unsigned c = 0; c < 256; c++)
			for (unsigned at = 0; at < 19; at++) {
				uint8_t in[19], out[19], lower = fill[f] == 'A' ? 'a' : fill[f];

				memset(in, fill[f], sizeof(in));
				in[at] = (uint8_t)c;
				name_lower(out, in, sizeof(in));
				for (unsigned i = 0; i < sizeof(in); i++)
					assert_int_equal(out[i], i != at		? lower
								 : c >= 'A' && c <= 'Z' ? c + 32
											: c);
			}
}

static void the_hash_chain_runs_from_the_root_label_by_label(void **state)
{
	static const uint8_t name[] = "\3www\7example\3com";
	const uint64_t key = 0x0123456789ABCDEF;
	struct name_hashes h;
	uint64_t com = name_hash_child(key, (const uint8_t *)"com", 3);
	uint64_t example = name_hash_child(com, (const uint8_t *)"example", 7);

	name_hash_suffixes(name, key, &h);
	assert_int_equal(h.label_cnt, 3);
	assert_int_equal(h.len, 17);
	assert_int_equal(h.off[0], 0);
	assert_int_equal(h.off[1], 4);
	assert_int_equal(h.off[2], 12);
	assert_int_equal(h.off[3], 16);
	assert_true(h.hash[3] == key);
	assert_true(h.hash[2] == com);
	assert_true(h.hash[1] == example);
	assert_true(h.hash[0] == name_hash_child(example, (const uint8_t *)"www", 3));
}

static void the_hash_of_a_suffix_does_not_depend_on_what_is_before_it(void **state)
{
	uint32_t x = 362436069;

	for (int i = 0; i < 2000; i++) {
		uint8_t name[NAME_LEN_MAX], lower[NAME_LEN_MAX];
		struct name_hashes whole, part;

		random_name(&x, true, name);
		name_lower(lower, name, name_len(name));
		name_hash_suffixes(lower, x, &whole);
		assert_int_equal(whole.label_cnt, name_label_cnt(lower));
		assert_int_equal(whole.len, name_len(lower));
		for (unsigned l = 0; l <= whole.label_cnt; l++) {
			name_hash_suffixes(lower + whole.off[l], x, &part);
			assert_true(part.hash[0] == whole.hash[l]);
			assert_int_equal(part.label_cnt, whole.label_cnt - l);
		}
	}
}

static void the_root_and_the_longest_name_can_be_hashed(void **state)
{
	uint8_t name[NAME_LEN_MAX];
	struct name_hashes h;

	name_hash_suffixes((const uint8_t *)"\0", 7, &h);
	assert_int_equal(h.label_cnt, 0);
	assert_int_equal(h.len, 1);
	assert_true(h.hash[0] == 7);
	for (int i = 0; i < 254; i += 2)
		memcpy(name + i, "\1a", 2);
	name[254] = 0;
	name_hash_suffixes(name, 7, &h);
	assert_int_equal(h.label_cnt, 127);
	assert_int_equal(h.len, 255);
	assert_int_equal(h.off[127], 254);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* 200,000 names make 2e10 pairs: a collision of 64 good bits has one chance in a thousand million. */
static void different_names_and_different_keys_hash_differently(void **state)
{
	enum { NAMES = 200000 };
	uint64_t *hash = calloc(NAMES + 2, sizeof(*hash));
	uint8_t name[NAME_LEN_MAX];
	struct name_hashes h;
	char text[64];

	assert_non_null(hash);
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(text, sizeof(text), "h%x%sexample", i / 2, i % 2 ? "." : "x.");
		name_hash_suffixes(name_from_text(text, name) > 0 ? name : NULL, 42, &h);
		hash[i] = h.hash[0];
	}
	/* Where the labels are cut matters, and so does the key. */
	assert_true(name_from_text("h0e.xample", name) > 0);
	name_hash_suffixes(name, 42, &h);
	hash[NAMES] = h.hash[0];
	assert_true(name_from_text("h0.example", name) > 0);
	name_hash_suffixes(name, 43, &h);
	hash[NAMES + 1] = h.hash[0];
	qsort(hash, NAMES + 2, sizeof(*hash), compare_u64);
	for (unsigned i = 0; i + 1 < NAMES + 2; i++)
		assert_true(hash[i] != hash[i + 1]);
	free(hash);
}

/* Label i of a family of names as zones have them. Returns its length. */
static size_t family_label(unsigned family, unsigned i, char *out)
{
	switch (family) {
	case 0: /* hosts */
		return (size_t)sprintf(out, "h%x", i);
	case 1: /* three octets at most, every value: the shortest path of the hash */
		out[0] = (char)(i >> 16), out[1] = (char)(i >> 8), out[2] = (char)i;
		return 3;
	case 2:
		return (size_t)sprintf(out, "%05x", i);
	case 3: /* reversed digits: what differs is at the front */
		return (size_t)sprintf(out, "%c%c%c%c-host", 'a' + i % 16, 'a' + i / 16 % 16,
				       'a' + i / 256 % 16, 'a' + i / 4096 % 16);
	case 4:
		return (size_t)sprintf(out, "customer-%07u", i);
	case 5: /* longer than 16 */
		return (size_t)sprintf(out, "a-quite-long-prefix-%u-and-a-suffix", i);
	default: /* as many a's as fit: only the length and two octets differ */
		memset(out, 'a', NAME_LABEL_MAX);
		out[0] = (char)('a' + i % 26), out[1] = (char)('a' + i / 26 % 26);
		return 2 + i / 676 % 62;
	}
}

#define FAMILIES 7

/*
 * Blocks and buckets are chosen by some bits of the hash, tags by others. 32,768 labels over 512 buckets: 64 in each,
 * standard deviation 8; seven of those is one chance in 10^11 a bucket.
 */
static void hashes_of_names_as_zones_have_them_spread_evenly_in_all_their_bits(void **state)
{
	enum { LABELS = 32768, BUCKETS = 512, MOST = 64 + 7 * 8, KEYS = 16 };
	static const unsigned shifts[] = {0, 13, 28, 41, 55};

	for (unsigned n = 0; n < FAMILIES * KEYS * COUNT(shifts); n++) {
		unsigned family = n % FAMILIES, key = n / FAMILIES % KEYS;
		unsigned shift = shifts[n / FAMILIES / KEYS], bucket[BUCKETS] = {0};
		uint64_t parent = name_hash_child(key + 1, (const uint8_t *)"zone", 4);

		for (unsigned i = 0; i < LABELS; i++) {
			char label[NAME_LABEL_MAX + 1];
			size_t len = family_label(family, i, label);
			uint64_t h = name_hash_child(parent, (const uint8_t *)label, len);

			if (++bucket[h >> shift & (BUCKETS - 1)] > MOST)
				fail_msg("family %u, key %u, bits from %u: more than %d labels in a bucket "
					 "of 64",
					 family, key, shift, MOST);
		}
	}
}

static void labels_of_one_family_do_not_collide(void **state)
{
	enum { LABELS = 40000 };
	uint64_t *hash = calloc(LABELS, sizeof(*hash));

	assert_non_null(hash);
	for (unsigned f = 0; f < FAMILIES; f++) {
		for (unsigned i = 0; i < LABELS; i++) {
			char label[NAME_LABEL_MAX + 1];
			size_t len = family_label(f, i, label);

			hash[i] = name_hash_child(UINT64_C(0x243F6A8885A308D3), (const uint8_t *)label, len);
		}
		qsort(hash, LABELS, sizeof(*hash), compare_u64);
		for (unsigned i = 0; i + 1 < LABELS; i++)
			if (hash[i] == hash[i + 1])
				fail_msg("family %u: two labels with hash %016llx", f,
					 (unsigned long long)hash[i]);
	}
	free(hash);
}

/* What a lookup uses in place of name_equal where both are in lower case. */
static void same_agrees_with_memcmp_for_every_length_and_place_of_a_difference(void **state)
{
	for (size_t len = 0; len <= 80; len++) {
		uint8_t *a = malloc(len + 1), *b = malloc(len + 1);

		assert_true(a != NULL && b != NULL);
		memset(a, 'x', len);
		memset(b, 'x', len);
		a = realloc(a, len > 0 ? len : 1);
		b = realloc(b, len > 0 ? len : 1);
		assert_true(name_same(a, b, len));
		for (size_t i = 0; i < len; i++) {
			b[i] ^= 1;
			assert_false(name_same(a, b, len));
			b[i] ^= 1;
		}
		free(a);
		free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_without_compression_is_read_as_it_stands),
		cmocka_unit_test(reading_continues_behind_the_first_pointer),
		cmocka_unit_test(a_pointer_to_itself_is_refused),
		cmocka_unit_test(a_pointer_into_the_piece_that_it_ends_is_refused),
		cmocka_unit_test(a_forward_pointer_is_refused),
		cmocka_unit_test(a_pointer_past_the_end_of_the_message_is_refused),
		cmocka_unit_test(two_pointers_to_each_other_are_refused_from_both_sides),
		cmocka_unit_test(a_piece_that_comes_back_to_its_own_pointer_is_refused),
		cmocka_unit_test(a_pointer_forward_from_an_earlier_piece_is_refused),
		cmocka_unit_test(a_pointer_into_the_header_is_refused),
		cmocka_unit_test(label_types_01_and_10_are_refused),
		cmocka_unit_test(the_longest_name_may_come_in_127_pieces),
		cmocka_unit_test(a_128th_piece_is_refused),
		cmocka_unit_test(a_chain_of_bare_pointers_is_followed_127_times_and_no_more),
		cmocka_unit_test(a_name_that_grows_past_255_over_pointers_is_refused),
		cmocka_unit_test(a_pointer_reaches_the_last_offset_its_14_bits_can_say),
		cmocka_unit_test(a_message_cut_at_any_octet_gives_no_name),
		cmocka_unit_test(plain_reading_refuses_pointers_and_every_cut),
		cmocka_unit_test(nothing_is_read_from_a_cursor_that_is_already_bad),
		cmocka_unit_test(valid_means_exactly_one_name),
		cmocka_unit_test(ldns_reads_the_text_of_every_name_as_the_same_name),
		cmocka_unit_test(the_text_that_ldns_writes_is_read_as_the_same_name),
		cmocka_unit_test(what_could_end_or_comment_a_log_or_zone_line_is_escaped),
		cmocka_unit_test(the_longest_text_fits_its_room),
		cmocka_unit_test(text_is_read_with_and_without_the_last_dot),
		cmocka_unit_test(bad_text_is_refused_and_leaves_the_output_alone),
		cmocka_unit_test(text_of_255_octets_is_read_and_of_256_refused),
		cmocka_unit_test(order_is_that_of_the_example_in_rfc_4034_6_1),
		cmocka_unit_test(order_and_equality_are_those_of_a_naive_model_and_of_ldns),
		cmocka_unit_test(ancestry_goes_by_labels_not_by_octets),
		cmocka_unit_test(folding_touches_ascii_letters_only),
		cmocka_unit_test(folding_minds_no_neighbour),
		cmocka_unit_test(the_hash_chain_runs_from_the_root_label_by_label),
		cmocka_unit_test(the_hash_of_a_suffix_does_not_depend_on_what_is_before_it),
		cmocka_unit_test(the_root_and_the_longest_name_can_be_hashed),
		cmocka_unit_test(different_names_and_different_keys_hash_differently),
		cmocka_unit_test(hashes_of_names_as_zones_have_them_spread_evenly_in_all_their_bits),
		cmocka_unit_test(labels_of_one_family_do_not_collide),
		cmocka_unit_test(same_agrees_with_memcmp_for_every_length_and_place_of_a_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
