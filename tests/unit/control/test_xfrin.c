/* What a transfer stream may be and what makes it fail; the records that come out, in order. */
#include "control/xfrin.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/control/message.h"

#define ID   0x1234
#define GOOD (DNS_FLAG_QR | DNS_FLAG_AA)
#define APEX "example."
#define IN   DNS_CLASS_IN

struct stream {
	struct xfrin *x;
	struct message m;
	char out[4096]; /* "+www.example. A" */
	size_t out_len;
	unsigned fail_after; /* the sink refuses this record; 0: none */
	unsigned taken;
};

static int take(struct stream *s, char sign, const uint8_t *owner, uint16_t type)
{
	char name[NAME_TEXT_CAP], text[RDATA_TYPE_TEXT_CAP];

	if (++s->taken == s->fail_after)
		return 42;
	/* Long streams are counted, not kept. */
	if (s->out_len > sizeof(s->out) / 2)
		return 0;
	s->out_len += (size_t)snprintf(s->out + s->out_len, sizeof(s->out) - s->out_len, "%c%s %s\n", sign,
				       name_text(owner, name), rdata_type_text(type, text));
	return 0;
}

static int on_begin(void *arg, enum xfrin_form form)
{
	struct stream *s = arg;

	s->out_len += (size_t)snprintf(s->out + s->out_len, sizeof(s->out) - s->out_len, "%s\n",
				       form == XFRIN_WHOLE ? "whole" : "changes");
	return 0;
}

static int on_add(void *arg, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
		  uint16_t len)
{
	assert_true(type != DNS_TYPE_A || len == 4);
	return take(arg, '+', owner, type);
}

static int on_del(void *arg, const uint8_t *owner, uint16_t type, uint32_t ttl, const uint8_t *rdata,
		  uint16_t len)
{
	return take(arg, '-', owner, type);
}

static void open_stream(struct stream *s, uint16_t qtype, uint32_t serial)
{
	const struct xfrin_sink sink = {.begin = on_begin, .add = on_add, .del = on_del, .arg = s};
	struct xfrin_request r = {.id = ID, .qtype = qtype, .serial = serial};

	memset(s, 0, sizeof(*s));
	s->x = malloc(sizeof(*s->x));
	assert_non_null(s->x);
	name_from_text(APEX, r.apex);
	xfrin_init(s->x, &r, &sink);
}

static int setup_axfr(void **state)
{
	struct stream *s = malloc(sizeof(*s));

	open_stream(s, DNS_TYPE_AXFR, 0);
	*state = s;
	return 0;
}

static int setup_ixfr(void **state)
{
	struct stream *s = malloc(sizeof(*s));

	open_stream(s, DNS_TYPE_IXFR, 5);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct stream *s = *state;

	free(s->x);
	free(s);
	return 0;
}

/* A message with header and question as they should be. */
static struct message *next(struct stream *s)
{
	message_begin(&s->m, ID, GOOD, APEX, s->x->request.qtype, IN);
	return &s->m;
}

/* Copied to a block of its exact size, so that a sanitizer notices a read behind it. */
static enum xfrin_verdict push(struct stream *s)
{
	size_t len = message_len(&s->m);
	uint8_t *copy = malloc(len);
	enum xfrin_verdict v;

	memcpy(copy, s->m.octets, len);
	v = xfrin_message(s->x, copy, len);
	free(copy);
	return v;
}

static void assert_describes(const struct stream *s, const char *part)
{
	char text[XFRIN_TEXT_CAP];

	xfrin_describe(s->x, text);
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", text, part);
}

/* --- AXFR --- */

static void a_zone_in_one_message_is_complete(void **state)
{
	struct stream *s = *state;
	struct message *m = next(s);

	message_soa(m, APEX, 7);
	message_ns(m, APEX, "ns.example.");
	message_a(m, "ns.example.", 1);
	message_soa(m, APEX, 7);
	assert_int_equal(push(s), XFRIN_DONE);
	assert_string_equal(s->out, "whole\n+example. SOA\n+example. NS\n+ns.example. A\n");
	assert_int_equal(s->x->serial, 7);
	assert_int_equal(s->x->soa.refresh, 3600);
	assert_int_equal(s->x->soa.retry, 600);
	assert_int_equal(s->x->soa.expire, 86400);
	assert_int_equal(s->x->records, 4);
	assert_int_equal(s->x->messages, 1);
	assert_false(s->x->not_authoritative);
}

static void one_record_per_message_is_complete(void **state)
{
	struct stream *s = *state;

	message_soa(next(s), APEX, 7);
	assert_int_equal(push(s), XFRIN_MORE);
	message_ns(next(s), APEX, "ns.example.");
	assert_int_equal(push(s), XFRIN_MORE);
	message_a(next(s), "ns.example.", 1);
	assert_int_equal(push(s), XFRIN_MORE);
	message_soa(next(s), APEX, 7);
	assert_int_equal(push(s), XFRIN_DONE);
	assert_string_equal(s->out, "whole\n+example. SOA\n+example. NS\n+ns.example. A\n");
}

static void later_messages_need_no_question(void **state)
{
	struct stream *s = *state;

	message_soa(next(s), APEX, 7);
	assert_int_equal(push(s), XFRIN_MORE);
	message_begin(&s->m, ID, GOOD, NULL, 0, 0);
	message_soa(&s->m, APEX, 7);
	assert_int_equal(push(s), XFRIN_DONE);
}

static void compressed_names_are_read(void **state)
{
	struct stream *s = *state;
	struct message *m = next(s);
	uint8_t *at;

	message_soa(m, APEX, 7);
	/* owner: "www" and a pointer to the question's name; data: the same */
	message_count(m, 6);
	wire_put_bytes(&m->w, "\3www\xC0\x0C", 6);
	wire_put16(&m->w, DNS_TYPE_NS);
	wire_put16(&m->w, IN);
	wire_put32(&m->w, 300);
	at = m->w.cur;
	wire_put16(&m->w, 0);
	wire_put_bytes(&m->w, "\2ns\xC0\x0C", 5);
	message_record_end(m, at);
	message_soa(m, APEX, 7);
	assert_int_equal(push(s), XFRIN_DONE);
	assert_string_equal(s->out, "whole\n+example. SOA\n+www.example. NS\n");
}

static void the_case_of_the_apex_does_not_matter(void **state)
{
	struct stream *s = *state;
	struct message *m = &s->m;

	message_begin(m, ID, GOOD, "EXAMPLE.", DNS_TYPE_AXFR, IN);
	message_soa(m, "ExAmPlE.", 7);
	message_soa(m, "eXaMpLe.", 7);
	assert_int_equal(push(s), XFRIN_DONE);
	/* Kept as received. */
	assert_string_equal(s->out, "whole\n+ExAmPlE. SOA\n");
}

static void a_stream_without_closing_soa_is_never_complete(void **state)
{
	struct stream *s = *state;
	int i;

	message_soa(next(s), APEX, 7);
	assert_int_equal(push(s), XFRIN_MORE);
	for (i = 0; i < 1000; i++) {
		message_a(next(s), "a.example.", 1);
		assert_int_equal(push(s), XFRIN_MORE);
	}
}

static void a_record_behind_the_closing_soa_fails(void **state)
{
	struct stream *s = *state;
	struct message *m = next(s);

	message_soa(m, APEX, 7);
	message_ns(m, APEX, "ns.example.");
	message_soa(m, APEX, 7);
	message_a(m, "ns.example.", 1);
	assert_int_equal(push(s), XFRIN_BEHIND_END);
	assert_describes(s, "message 1, record 4: data behind the SOA");
}

static void a_message_behind_the_closing_soa_fails(void **state)
{
	struct stream *s = *state;
	struct message *m = next(s);

	message_soa(m, APEX, 7);
	message_soa(m, APEX, 7);
	assert_int_equal(push(s), XFRIN_DONE);
	message_a(next(s), "ns.example.", 1);
	assert_int_equal(push(s), XFRIN_BEHIND_END);
	assert_int_equal(push(s), XFRIN_BEHIND_END);
}

static void a_closing_soa_that_differs_fails(void **state)
{
	struct stream *s = *state;
	struct message *m = next(s);

	message_soa(m, APEX, 7);
	message_soa(m, APEX, 8);
	assert_int_equal(push(s), XFRIN_END_SOA);
	assert_describes(s, "message 1, record 2 (example. SOA): the SOA that ends");
}

static void a_soa_below_the_apex_fails(void **state)
{
	struct stream *s = *state;
	struct message *m = next(s);

	message_soa(m, APEX, 7);
	message_soa(m, "sub.example.", 7);
	assert_int_equal(push(s), XFRIN_SOA_OWNER);
}

static void a_soa_of_another_zone_fails(void **state)
{
	struct stream *s = *state;

	message_soa(next(s), "other.", 7);
	assert_int_equal(push(s), XFRIN_FIRST_SOA);
	assert_describes(s, "(other. SOA)");
}

static void a_first_record_that_is_no_soa_fails(void **state)
{
	struct stream *s = *state;

	message_a(next(s), APEX, 7);
	assert_int_equal(push(s), XFRIN_FIRST_SOA);
	assert_string_equal(s->out, "");
}

static void an_empty_answer_fails(void **state)
{
	struct stream *s = *state;

	next(s);
	assert_int_equal(push(s), XFRIN_EMPTY);
}

static void an_empty_message_in_the_middle_fails(void **state)
{
	struct stream *s = *state;

	message_soa(next(s), APEX, 7);
	push(s);
	next(s);
	assert_int_equal(push(s), XFRIN_EMPTY);
	assert_describes(s, "message 2: no record");
}

static void a_record_of_another_class_fails(void **state)
{
	struct stream *s = *state;
	struct message *m = next(s);
	uint8_t *at;

	message_soa(m, APEX, 7);
	at = message_record(m, 6, "www.example.", DNS_TYPE_A, DNS_CLASS_CH, 300);
	wire_put32(&m->w, 1);
	message_record_end(m, at);
	assert_int_equal(push(s), XFRIN_CLASS);
	assert_describes(s, "message 1, record 2 (www.example. A): a record that is not of class IN");
}

static void a_meta_type_fails(void **state)
{
	static const uint16_t types[] = {
		0, DNS_TYPE_OPT, DNS_TYPE_TSIG, DNS_TYPE_AXFR, DNS_TYPE_ANY, DNS_TYPE_NXNAME};
	struct stream *s = *state;
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct xfrin_request r = s->x->request;
		struct xfrin_sink sink = s->x->sink;

		xfrin_init(s->x, &r, &sink);
		message_soa(next(s), APEX, 7);
		message_rdata(&s->m, "www.example.", types[i], "", 0);
		assert_int_equal(push(s), XFRIN_META);
	}
}

static void record_data_that_are_not_valid_fail(void **state)
{
	struct stream *s = *state;
	struct message *m = next(s);

	message_soa(m, APEX, 7);
	message_rdata(m, "www.example.", DNS_TYPE_A, "\1\2\3", 3);
	assert_int_equal(push(s), XFRIN_RDATA);
	assert_describes(s, "message 1, record 2 (www.example. A): record data");
}

static void a_short_soa_fails(void **state)
{
	struct stream *s = *state;

	message_rdata(next(s), APEX, DNS_TYPE_SOA, "\0\0\0\0\0\7", 6);
	assert_int_equal(push(s), XFRIN_RDATA);
}

static void record_data_of_65000_octets_pass(void **state)
{
	struct stream *s = *state;
	static uint8_t rdata[65000];

	message_soa(next(s), APEX, 7);
	push(s);
	message_rdata(next(s), "big.example.", 65280, rdata, sizeof(rdata));
	assert_int_equal(push(s), XFRIN_MORE);
	assert_string_equal(s->out, "whole\n+example. SOA\n+big.example. TYPE65280\n");
}

static void a_record_cut_at_any_octet_fails(void **state)
{
	struct stream *s = *state;
	struct message *m = next(s);
	struct xfrin_request r = s->x->request;
	struct xfrin_sink sink = s->x->sink;
	size_t full, len;

	message_soa(m, APEX, 7);
	message_ns(m, APEX, "ns.example.");
	message_soa(m, APEX, 7);
	full = message_len(m);
	for (len = 0; len < full; len++) {
		xfrin_init(s->x, &r, &sink);
		m->w.cur = m->octets + len;
		assert_true(push(s) > XFRIN_UP_TO_DATE);
		/* And it stays so. */
		m->w.cur = m->octets + full;
		assert_true(push(s) > XFRIN_UP_TO_DATE);
	}
}

static void octets_left_over_fail(void **state)
{
	struct stream *s = *state;
	struct message *m = next(s);

	message_soa(m, APEX, 7);
	message_soa(m, APEX, 7);
	wire_put8(&m->w, 0);
	assert_int_equal(push(s), XFRIN_MALFORMED);
}

static void pointer_loops_fail(void **state)
{
	static const char *const owners[] = {"\xC0\x19", "\xC0\x1B", "\xC0\x00", "\xFF\xFF", "\x40", "\x80"};
	struct stream *s = *state;
	struct xfrin_request r = s->x->request;
	struct xfrin_sink sink = s->x->sink;
	size_t i;

	for (i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		struct message *m;

		xfrin_init(s->x, &r, &sink);
		m = next(s);
		message_count(m, 6);
		wire_put_bytes(&m->w, owners[i], strlen(owners[i]) < 2 && i != 2 ? 1 : 2);
		wire_put16(&m->w, DNS_TYPE_SOA);
		assert_true(push(s) == XFRIN_MALFORMED || push(s) == XFRIN_FIRST_SOA);
	}
}

static void headers_that_are_not_ours_fail(void **state)
{
	struct stream *s = *state;
	struct xfrin_request r = s->x->request;
	struct xfrin_sink sink = s->x->sink;
	const struct {
		uint16_t id, flags;
		const char *qname;
		uint16_t qtype, qclass;
		enum xfrin_verdict verdict;
	} rows[] = {
		{ID + 1, GOOD, APEX, DNS_TYPE_AXFR, IN, XFRIN_ID},
		{ID, DNS_FLAG_AA, APEX, DNS_TYPE_AXFR, IN, XFRIN_NOT_RESPONSE},
		{ID, GOOD | DNS_OPCODE_NOTIFY << DNS_OPCODE_SHIFT, APEX, DNS_TYPE_AXFR, IN,
		 XFRIN_NOT_RESPONSE},
		{ID, GOOD | DNS_FLAG_TC, APEX, DNS_TYPE_AXFR, IN, XFRIN_TRUNCATED},
		{ID, GOOD, "other.", DNS_TYPE_AXFR, IN, XFRIN_QUESTION},
		{ID, GOOD, "www.example.", DNS_TYPE_AXFR, IN, XFRIN_QUESTION},
		{ID, GOOD, APEX, DNS_TYPE_IXFR, IN, XFRIN_QUESTION},
		{ID, GOOD, APEX, DNS_TYPE_AXFR, DNS_CLASS_CH, XFRIN_QUESTION},
		{ID, GOOD, NULL, 0, 0, XFRIN_QUESTION},
		{ID, GOOD | DNS_RCODE_REFUSED, APEX, DNS_TYPE_AXFR, IN, XFRIN_RCODE},
		{ID, GOOD | DNS_RCODE_REFUSED, NULL, 0, 0, XFRIN_RCODE},
		{ID, DNS_FLAG_QR | DNS_RCODE_NOTAUTH, APEX, DNS_TYPE_AXFR, IN, XFRIN_RCODE},
		{ID, GOOD | 12, APEX, DNS_TYPE_AXFR, IN, XFRIN_RCODE},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		xfrin_init(s->x, &r, &sink);
		message_begin(&s->m, rows[i].id, rows[i].flags, rows[i].qname, rows[i].qtype, rows[i].qclass);
		message_soa(&s->m, APEX, 7);
		assert_int_equal(push(s), rows[i].verdict);
	}
	assert_string_equal(s->out, "");
	assert_describes(s, "message 1: the primary answered RCODE 12");
}

static void messages_shorter_than_a_header_fail(void **state)
{
	struct stream *s = *state;
	struct xfrin_request r = s->x->request;
	struct xfrin_sink sink = s->x->sink;
	size_t len;

	for (len = 0; len < DNS_HEADER_LEN; len++) {
		next(s);
		xfrin_init(s->x, &r, &sink);
		s->m.w.cur = s->m.octets + len;
		assert_int_equal(push(s), XFRIN_SHORT);
	}
}

static void the_rcode_is_told_by_name(void **state)
{
	struct stream *s = *state;

	message_begin(&s->m, ID, GOOD | DNS_RCODE_REFUSED, APEX, DNS_TYPE_AXFR, IN);
	assert_int_equal(push(s), XFRIN_RCODE);
	assert_int_equal(s->x->rcode, DNS_RCODE_REFUSED);
	assert_describes(s, "REFUSED");
}

static void an_extended_rcode_is_seen(void **state)
{
	struct stream *s = *state;

	message_opt(next(s), UINT32_C(1) << 24);
	assert_int_equal(push(s), XFRIN_RCODE);
	assert_int_equal(s->x->rcode, DNS_RCODE_BADVERS);
	assert_describes(s, "BADVERS");
}

static void missing_aa_is_noted_not_fatal(void **state)
{
	struct stream *s = *state;
	struct message *m = &s->m;

	message_begin(m, ID, DNS_FLAG_QR, APEX, DNS_TYPE_AXFR, IN);
	message_soa(m, APEX, 7);
	message_soa(m, APEX, 7);
	assert_int_equal(push(s), XFRIN_DONE);
	assert_true(s->x->not_authoritative);
}

static void authority_and_additional_records_are_skipped(void **state)
{
	struct stream *s = *state;
	struct message *m = next(s);
	uint8_t *at;

	message_soa(m, APEX, 7);
	message_soa(m, APEX, 7);
	at = message_record(m, 8, "x.example.", DNS_TYPE_A, IN, 1);
	message_record_end(m, at);
	message_opt(m, 0);
	assert_int_equal(push(s), XFRIN_DONE);
	assert_string_equal(s->out, "whole\n+example. SOA\n");
}

/* A zone in two messages, with no more than max. */
static enum xfrin_verdict two_messages(struct stream *s, uint64_t max)
{
	struct message *m = next(s);

	s->x->request.messages_max = max;
	message_soa(m, APEX, 7);
	assert_int_equal(push(s), XFRIN_MORE);
	m = next(s);
	message_soa(m, APEX, 7);
	return push(s);
}

static void as_many_messages_as_the_limit_pass(void **state)
{
	assert_int_equal(two_messages(*state, 2), XFRIN_DONE);
}

static void more_messages_than_the_limit_fail(void **state)
{
	struct stream *s = *state;

	assert_int_equal(two_messages(s, 1), XFRIN_MESSAGES);
	assert_describes(s, "message 2: more messages than the limit for this zone");
}

static void a_record_the_sink_refuses_fails(void **state)
{
	struct stream *s = *state;
	struct message *m = next(s);

	s->fail_after = 2;
	message_soa(m, APEX, 7);
	message_ns(m, APEX, "ns.example.");
	message_soa(m, APEX, 7);
	assert_int_equal(push(s), XFRIN_SINK);
	assert_int_equal(s->x->sink_error, 42);
	assert_describes(s, "message 1, record 2 (example. NS)");
}

static void names_in_the_description_cannot_forge_a_line(void **state)
{
	struct stream *s = *state;
	char text[XFRIN_TEXT_CAP];

	message_soa(next(s), APEX, 7);
	message_rdata(&s->m, "a\\010zone=x\\\"\\255.example.", DNS_TYPE_A, "", 0);
	assert_int_equal(push(s), XFRIN_RDATA);
	xfrin_describe(s->x, text);
	assert_null(strchr(text, '\n'));
}

static void the_longest_name_does_not_cut_the_reason(void **state)
{
	struct stream *s = *state;
	char name[NAME_TEXT_CAP];
	size_t at = 0;
	int i;

	/* 123 labels of one unprintable octet each, below the apex: 255 octets, nearly 1,000 as text */
	for (i = 0; i < 123; i++)
		at += (size_t)sprintf(name + at, "\\001.");
	strcpy(name + at, APEX);
	message_soa(next(s), APEX, 7);
	message_rdata(&s->m, name, DNS_TYPE_A, "", 0);
	assert_int_equal(push(s), XFRIN_RDATA);
	assert_describes(s, "record data that are not valid");
}

/* --- IXFR; ours is 5 --- */

static void a_single_soa_of_our_serial_is_up_to_date(void **state)
{
	struct stream *s = *state;

	message_soa(next(s), APEX, 5);
	assert_int_equal(push(s), XFRIN_UP_TO_DATE);
	assert_string_equal(s->out, "");
}

static void a_single_older_soa_is_up_to_date(void **state)
{
	struct stream *s = *state;

	message_soa(next(s), APEX, 4);
	assert_int_equal(push(s), XFRIN_UP_TO_DATE);
}

static void a_single_newer_soa_decides_nothing_yet(void **state)
{
	struct stream *s = *state;

	message_soa(next(s), APEX, 6);
	assert_int_equal(push(s), XFRIN_MORE);
	assert_string_equal(s->out, "");
}

static void an_axfr_style_answer_is_a_whole_zone(void **state)
{
	struct stream *s = *state;
	struct message *m = next(s);

	message_soa(m, APEX, 6);
	message_ns(m, APEX, "ns.example.");
	message_soa(m, APEX, 6);
	assert_int_equal(push(s), XFRIN_DONE);
	assert_string_equal(s->out, "whole\n+example. SOA\n+example. NS\n");
}

static void two_equal_soas_are_an_empty_whole_zone(void **state)
{
	struct stream *s = *state;
	struct message *m = next(s);

	message_soa(m, APEX, 6);
	message_soa(m, APEX, 6);
	assert_int_equal(push(s), XFRIN_DONE);
	assert_string_equal(s->out, "whole\n+example. SOA\n");
}

static void put_deltas(struct stream *s, bool one_per_message, enum xfrin_verdict *v)
{
	struct message *m = next(s);
	static const uint32_t soas[] = {7, 5, 6, 6, 7, 7};
	size_t i;

	*v = XFRIN_MORE;
	for (i = 0; i < sizeof(soas) / sizeof(soas[0]); i++) {
		message_soa(m, APEX, soas[i]);
		if (one_per_message) {
			assert_int_equal(*v, XFRIN_MORE);
			*v = push(s);
			next(s);
		}
		if (i == 0 || i == 5)
			continue;
		message_a(m, i % 2 ? "old.example." : "new.example.", (uint32_t)i);
		if (one_per_message) {
			assert_int_equal(*v, XFRIN_MORE);
			*v = push(s);
			next(s);
		}
	}
	if (!one_per_message)
		*v = push(s);
}

static const char two_deltas[] = "changes\n-example. SOA\n-old.example. A\n+example. SOA\n+new.example. A\n"
				 "-example. SOA\n-old.example. A\n+example. SOA\n+new.example. A\n";

static void differences_are_told_apart_and_chained(void **state)
{
	struct stream *s = *state;
	enum xfrin_verdict v;

	put_deltas(s, false, &v);
	assert_int_equal(v, XFRIN_DONE);
	assert_string_equal(s->out, two_deltas);
	assert_int_equal(s->x->deltas, 2);
	assert_int_equal(s->x->serial, 7);
}

static void differences_with_one_record_per_message_are_the_same(void **state)
{
	struct stream *s = *state;
	enum xfrin_verdict v;

	put_deltas(s, true, &v);
	assert_int_equal(v, XFRIN_DONE);
	assert_string_equal(s->out, two_deltas);
}

static void as_many_differences_as_the_limit_pass(void **state)
{
	struct stream *s = *state;
	enum xfrin_verdict v;

	s->x->request.deltas_max = 2;
	put_deltas(s, false, &v);
	assert_int_equal(v, XFRIN_DONE);
}

static void more_differences_than_the_limit_fail_where_they_begin(void **state)
{
	struct stream *s = *state;
	enum xfrin_verdict v;

	s->x->request.deltas_max = 1;
	put_deltas(s, false, &v);
	assert_int_equal(v, XFRIN_DELTAS);
	assert_int_equal(s->x->deltas, 1);
	assert_describes(s, "message 1, record 6 (example. SOA): more differences than the limit");
}

static void check_chain(void **state, const uint32_t *soas, size_t cnt, enum xfrin_verdict verdict)
{
	struct stream *s = *state;
	struct message *m = next(s);
	size_t i;

	for (i = 0; i < cnt; i++)
		message_soa(m, APEX, soas[i]);
	assert_int_equal(push(s), verdict);
}

#define CHAIN(verdict, ...) \
	check_chain(state, (const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (verdict))

static void a_difference_from_another_version_fails(void **state)
{
	CHAIN(XFRIN_CHAIN, 7, 4);
}

static void a_gap_between_differences_fails(void **state)
{
	CHAIN(XFRIN_CHAIN, 9, 5, 6, 7);
}

static void a_difference_that_goes_back_fails(void **state)
{
	CHAIN(XFRIN_CHAIN, 9, 5, 4);
}

static void a_difference_that_stays_fails(void **state)
{
	CHAIN(XFRIN_CHAIN, 9, 5, 5);
}

static void a_difference_past_the_announced_version_fails(void **state)
{
	CHAIN(XFRIN_CHAIN, 7, 5, 8);
}

static void an_older_answer_with_more_than_a_soa_fails(void **state)
{
	CHAIN(XFRIN_NOT_NEWER, 4, 5);
}

static void differences_over_the_wrap_of_serials_pass(void **state)
{
	struct stream *s = *state;

	s->x->request.serial = 0xFFFFFFFF;
	CHAIN(XFRIN_DONE, 1, 0xFFFFFFFF, 0, 0, 1, 1);
	assert_int_equal(s->x->deltas, 2);
}

static void a_difference_that_ends_without_closing_soa_is_not_complete(void **state)
{
	CHAIN(XFRIN_MORE, 7, 5, 7);
}

static void a_new_soa_that_is_not_the_announced_one_fails(void **state)
{
	struct stream *s = *state;
	struct message *m = next(s);

	message_soa(m, APEX, 7);
	message_soa(m, APEX, 5);
	message_soa(m, APEX, 7);
	/* the same serial, another MINIMUM */
	m->w.cur[-1] ^= 1;
	message_soa(m, APEX, 7);
	assert_int_equal(push(s), XFRIN_END_SOA);
	assert_describes(s, "message 1, record 3 (example. SOA)");
}

static void a_record_behind_the_differences_fails(void **state)
{
	CHAIN(XFRIN_BEHIND_END, 7, 5, 7, 7, 7);
}

/* --- the request --- */

static void an_axfr_request_is_header_and_question(void **state)
{
	static const uint8_t want[] = "\x12\x34\0\0\0\1\0\0\0\0\0\0\7example\0\0\xFC\0\1";
	struct xfrin_request r = {.id = ID, .qtype = DNS_TYPE_AXFR};
	uint8_t out[XFRIN_REQUEST_MAX];

	name_from_text(APEX, r.apex);
	assert_int_equal(xfrin_request_put(&r, out), sizeof(want) - 1);
	assert_memory_equal(out, want, sizeof(want) - 1);
}

static void an_ixfr_request_carries_our_serial_in_authority(void **state)
{
	struct xfrin_request r = {.id = ID, .qtype = DNS_TYPE_IXFR, .serial = 0x01020304};
	uint8_t out[XFRIN_REQUEST_MAX], owner[NAME_LEN_MAX], rdata[RDATA_LEN_MAX];
	size_t len;
	struct wire_in in;
	struct soa soa;
	int rdlen;

	name_from_text(APEX, r.apex);
	len = xfrin_request_put(&r, out);
	in = wire_in_init(out, len);
	wire_get_bytes(&in, 8);
	assert_int_equal(wire_get16(&in), 1);
	wire_get_bytes(&in, 2);
	name_get(&in, owner);
	assert_int_equal(wire_get16(&in), DNS_TYPE_IXFR);
	wire_get16(&in);
	name_get(&in, owner);
	assert_true(name_equal(owner, r.apex));
	assert_int_equal(wire_get16(&in), DNS_TYPE_SOA);
	assert_int_equal(wire_get16(&in), IN);
	wire_get32(&in);
	rdlen = rdata_get(&in, DNS_TYPE_SOA, wire_get16(&in), rdata);
	assert_true(rdlen > 0);
	assert_int_equal(soa_parse(rdata, (size_t)rdlen, &soa), 0);
	assert_int_equal(soa.serial, 0x01020304);
	assert_int_equal(wire_in_left(&in), 0);
	assert_false(in.bad);
}

static void every_verdict_has_a_text_of_its_own(void **state)
{
	int i, j;

	for (i = XFRIN_MORE; i <= XFRIN_DELTAS; i++) {
		assert_string_not_equal(xfrin_verdict_text((enum xfrin_verdict)i), "unknown");
		for (j = XFRIN_MORE; j < i; j++)
			assert_string_not_equal(xfrin_verdict_text((enum xfrin_verdict)i),
						xfrin_verdict_text((enum xfrin_verdict)j));
	}
}

#define AXFR(f) cmocka_unit_test_setup_teardown(f, setup_axfr, teardown)
#define IXFR(f) cmocka_unit_test_setup_teardown(f, setup_ixfr, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AXFR(a_zone_in_one_message_is_complete),
		AXFR(one_record_per_message_is_complete),
		AXFR(later_messages_need_no_question),
		AXFR(compressed_names_are_read),
		AXFR(the_case_of_the_apex_does_not_matter),
		AXFR(a_stream_without_closing_soa_is_never_complete),
		AXFR(a_record_behind_the_closing_soa_fails),
		AXFR(a_message_behind_the_closing_soa_fails),
		AXFR(a_closing_soa_that_differs_fails),
		AXFR(a_soa_below_the_apex_fails),
		AXFR(a_soa_of_another_zone_fails),
		AXFR(a_first_record_that_is_no_soa_fails),
		AXFR(an_empty_answer_fails),
		AXFR(an_empty_message_in_the_middle_fails),
		AXFR(a_record_of_another_class_fails),
		AXFR(a_meta_type_fails),
		AXFR(record_data_that_are_not_valid_fail),
		AXFR(a_short_soa_fails),
		AXFR(record_data_of_65000_octets_pass),
		AXFR(a_record_cut_at_any_octet_fails),
		AXFR(octets_left_over_fail),
		AXFR(pointer_loops_fail),
		AXFR(headers_that_are_not_ours_fail),
		AXFR(messages_shorter_than_a_header_fail),
		AXFR(the_rcode_is_told_by_name),
		AXFR(an_extended_rcode_is_seen),
		AXFR(missing_aa_is_noted_not_fatal),
		AXFR(authority_and_additional_records_are_skipped),
		AXFR(as_many_messages_as_the_limit_pass),
		AXFR(more_messages_than_the_limit_fail),
		AXFR(a_record_the_sink_refuses_fails),
		AXFR(names_in_the_description_cannot_forge_a_line),
		AXFR(the_longest_name_does_not_cut_the_reason),
		IXFR(a_single_soa_of_our_serial_is_up_to_date),
		IXFR(a_single_older_soa_is_up_to_date),
		IXFR(a_single_newer_soa_decides_nothing_yet),
		IXFR(an_axfr_style_answer_is_a_whole_zone),
		IXFR(two_equal_soas_are_an_empty_whole_zone),
		IXFR(differences_are_told_apart_and_chained),
		IXFR(differences_with_one_record_per_message_are_the_same),
		IXFR(as_many_differences_as_the_limit_pass),
		IXFR(more_differences_than_the_limit_fail_where_they_begin),
		IXFR(a_difference_from_another_version_fails),
		IXFR(a_gap_between_differences_fails),
		IXFR(a_difference_that_goes_back_fails),
		IXFR(a_difference_that_stays_fails),
		IXFR(a_difference_past_the_announced_version_fails),
		IXFR(an_older_answer_with_more_than_a_soa_fails),
		IXFR(differences_over_the_wrap_of_serials_pass),
		IXFR(a_difference_that_ends_without_closing_soa_is_not_complete),
		IXFR(a_new_soa_that_is_not_the_announced_one_fails),
		IXFR(a_record_behind_the_differences_fails),
		cmocka_unit_test(an_axfr_request_is_header_and_question),
		cmocka_unit_test(an_ixfr_request_carries_our_serial_in_authority),
		cmocka_unit_test(every_verdict_has_a_text_of_its_own),
	};

	return cmocka_run_group_tests_name("xfrin", tests, NULL, NULL);
}
