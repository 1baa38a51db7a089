/*
 * Record data. The valid examples are made by ldns from presentation format; each row says which shorter and longer
 * forms are valid too, and every other length must be refused.
 */
#include "dataplane/dns/rdata.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <ldns/ldns.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HEADER	 12

#define EXACT	 0xFFFF /* no other length is valid */
#define STRINGS	 0xFFFE /* valid where a character-string ends */
#define CUTS_MAX 6

/*
 * shortest: from this length on every length is valid (the last field is "the rest"), or EXACT, or STRINGS.
 * cuts: further lengths that are valid although shorter, 0-terminated; -1 stands for length 0.
 */
static const struct example {
	const char *type;
	uint16_t shortest;
	const char *text;
	int cuts[CUTS_MAX];
} examples[] = {
	{"A", EXACT, "192.0.2.1", {0}},
	{"NS", EXACT, "ns.Example.", {0}},
	{"MD", EXACT, "ns.example.", {0}},
	{"MF", EXACT, "ns.example.", {0}},
	{"CNAME", EXACT, "a.example.", {0}},
	{"SOA", EXACT, "ns.example. Host\\.master.example. 4294967295 1 2 3 4", {0}},
	{"MB", EXACT, "a.example.", {0}},
	{"MG", EXACT, "a.example.", {0}},
	{"MR", EXACT, "a.example.", {0}},
	{"NULL", 0, "\\# 3 010203", {0}},
	{"WKS", 5, "192.0.2.1 TCP 25 80", {0}},
	{"PTR", EXACT, "a.example.", {0}},
	{"HINFO", EXACT, "\"VAX\" \"unix\"", {0}},
	{"MINFO", EXACT, "a.example. b.example.", {0}},
	{"MX", EXACT, "10 mx.example.", {0}},
	{"TXT", STRINGS, "\"one\" \"\" \"three\"", {0}},
	{"RP", EXACT, "a.example. b.example.", {0}},
	{"AFSDB", EXACT, "1 a.example.", {0}},
	{"X25", EXACT, "\"311061700956\"", {0}},
	{"ISDN", EXACT, "\"150862028003217\" \"004\"", {16}},
	{"ISDN", EXACT, "\"150862028003217\"", {0}},
	{"RT", EXACT, "2 a.example.", {0}},
	{"NSAP", 0, "0x47000580005a0000000001e133ffffff00016100", {0}},
	{"NSAP-PTR", EXACT, "\\# 11 016107 6578616d706c6500", {0}},
	{"SIG", 27, "\\# 30 00010801 00000e10 68000000 67000000 1234 0765786d61706c6500 aabbcc", {0}},
	{"KEY", 4, "256 3 5 AQIDBA==", {0}},
	{"PX", EXACT, "10 a.example. b.example.", {0}},
	{"GPOS", EXACT, "\"-32.6882\" \"116.8652\" \"10.0\"", {0}},
	{"AAAA", EXACT, "2001:db8::1", {0}},
	{"LOC", EXACT, "52 14 05.000 N 00 08 50.000 E 10m 1m 10000m 10m", {0}},
	{"NXT", 9, "\\# 13 0765786d61706c6500 62000008", {0}},
	{"SRV", EXACT, "1 2 5060 sip.example.", {0}},
	{"NAPTR", EXACT, "100 50 \"s\" \"http+I2R\" \"\" _http._tcp.example.", {0}},
	{"KX", EXACT, "10 a.example.", {0}},
	{"CERT", 5, "PGP 0 0 AQIDBA==", {0}},
	{"DNAME", EXACT, "Target.example.", {0}},
	{"APL", EXACT, "1:192.168.32.0/21 !1:192.168.38.0/28 2:ff00::/8", {-1, 7, 14}},
	{"DS", 5, "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118", {0}},
	{"SSHFP", 3, "2 1 123456789abcdef67890123456789abcdef67890", {0}},
	{"IPSECKEY", 7, "10 1 2 192.0.2.38 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==", {0}},
	{"IPSECKEY", 3, "10 0 2 . AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==", {0}},
	{"IPSECKEY", 19, "10 2 2 2001:db8::1 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==", {0}},
	{"IPSECKEY", 15, "10 3 2 gw.example. AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==", {0}},
	{"RRSIG", 28, "A 5 3 86400 20300322173103 20300220173103 2642 example. AQIDBA==", {0}},
	{"NSEC", EXACT, "Host.example. A MX RRSIG NSEC TYPE1234", {14, 22}},
	{"DNSKEY", 5, "257 3 8 AQIDBAUGBw==", {0}},
	{"DHCID", 1, "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=", {0}},
	{"NSEC3",
	 EXACT,
	 "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY NS SOA NSEC3PARAM RRSIG",
	 {30}},
	{"NSEC3", EXACT, "1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr", {0}},
	{"NSEC3PARAM", EXACT, "1 0 12 aabbccdd", {0}},
	{"NSEC3PARAM", EXACT, "1 0 0 -", {0}},
	{"TLSA", 4, "3 1 1 0123456789abcdef", {0}},
	{"SMIMEA", 4, "3 1 1 0123456789abcdef", {0}},
	{"HIP", EXACT, "2 200100107b1a74df365639cc39f1d578 AwEAAbdx rvs.example. rvs2.example.", {26, 39}},
	{"CDS", 5, "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118", {0}},
	{"CDNSKEY", 5, "257 3 8 AQIDBAUGBw==", {0}},
	{"OPENPGPKEY", 1, "AQIDBAUGBw==", {0}},
	{"CSYNC", EXACT, "66 3 A NS AAAA", {6}},
	{"ZONEMD",
	 7,
	 "2018031900 1 1 c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9"
	 "a9713b3c9ae5cc27777f98b8e730044c",
	 {0}},
	{"SVCB",
	 EXACT,
	 "16 foo.example. mandatory=alpn alpn=h2,h3 port=8443 ipv4hint=192.0.2.1",
	 {15, 21, 31, 37}},
	{"SVCB", EXACT, "0 foo.example.", {0}},
	{"HTTPS", EXACT, "1 . alpn=h3 ipv6hint=2001:db8::1", {3, 10}},
	{"SPF", STRINGS, "\"v=spf1\" \"-all\"", {0}},
	{"NID", EXACT, "10 0014:4fff:ff20:ee64", {0}},
	{"L32", EXACT, "10 10.1.2.0", {0}},
	{"L64", EXACT, "10 2001:0db8:1140:1000", {0}},
	{"LP", EXACT, "10 l64-subnet.example.", {0}},
	{"EUI48", EXACT, "00-00-5e-00-53-2a", {0}},
	{"EUI64", EXACT, "00-00-5e-ef-10-00-00-2a", {0}},
	{"URI", 5, "10 1 \"ftp://ftp1.example/public\"", {0}},
	{"CAA", 7, "0 issue \"ca.example\"", {0}},
	{"TYPE31", 0, "\\# 3 010203", {0}},
	{"TYPE32", 0, "\\# 3 010203", {0}},
	{"TYPE258", STRINGS, "\\# 8 03617070 03666f6f", {0}},
	{"TYPE260", EXACT, "\\# 6 0a01 cb007109", {0}},
	{"TYPE260", EXACT, "\\# 2 0a80", {0}},
	{"TYPE260", EXACT, "\\# 18 0a02 20010db8000000000000000000000001", {0}},
	{"TYPE260", EXACT, "\\# 11 0a83 0765786d61706c6500", {0}},
	{"TYPE261", STRINGS, "\\# 12 07716e616d656d69 03666f6f", {0}},
	{"TYPE262", STRINGS, "\\# 8 03455448 03666f6f", {0}},
	{"TYPE32768", 5, "\\# 8 ec45 05 01 2bb183af", {0}},
	{"DLV", 5, "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118", {0}},
	{"TYPE65280", 0, "\\# 4 0a000001", {0}},
	{"TYPE38", 0, "\\# 4 0a000001", {0}},
};

struct sample {
	const struct example *from;
	uint16_t type;
	size_t len;
	uint8_t rdata[1024];
};

/* RFC 3597 5, for what this ldns has no presentation format of. */
static void sample_from_hex(const struct example *e, struct sample *out)
{
	int digits = 0;
	size_t want;
	const char *hex = e->text + 3;

	want = strtoul(hex, (char **)&hex, 10);
	out->len = 0;
	for (unsigned octet; sscanf(hex, " %2x%n", &octet, &digits) == 1; hex += digits)
		out->rdata[out->len++] = (uint8_t)octet;
	assert_int_equal(out->len, want);
}

/* What ldns puts on the wire for the example. */
static void sample_make(const struct example *e, struct sample *out)
{
	char line[512];
	ldns_rr *rr = NULL;
	uint8_t *wire = NULL;
	size_t len = 0;
	ldns_status status;

	*out = (struct sample){.from = e, .type = (uint16_t)ldns_get_rr_type_by_name(e->type)};
	if (strncmp(e->text, "\\# ", 3) == 0) {
		sample_from_hex(e, out);
		return;
	}
	snprintf(line, sizeof(line), ". 0 IN %s %s", e->type, e->text);
	status = ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL);
	if (status != LDNS_STATUS_OK)
		fail_msg("ldns does not read \"%s\": %s", line, ldns_get_errorstr_by_id(status));
	assert_int_equal(ldns_rr2wire(&wire, rr, LDNS_SECTION_ANSWER, &len), LDNS_STATUS_OK);
	/* root owner, type, class, TTL, length */
	assert_true(len >= 11 && len - 11 <= sizeof(out->rdata));
	assert_int_equal(wire_load16(wire + 1), out->type);
	out->len = len - 11;
	assert_int_equal(wire_load16(wire + 9), out->len);
	memcpy(out->rdata, wire + 11, out->len);
	LDNS_FREE(wire);
	ldns_rr_free(rr);
}

/* Reads rdlen octets from a heap block that ends where the record data ends. */
static int get(uint16_t type, const uint8_t *rdata, size_t rdlen, uint8_t *out)
{
	uint8_t *copy = malloc(rdlen > 0 ? rdlen : 1);
	struct wire_in in;
	int got;

	assert_non_null(copy);
	memcpy(copy, rdata, rdlen);
	in = wire_in_init(copy, rdlen);
	got = rdata_get(&in, type, (uint16_t)rdlen, out);
	assert_true(got >= 0 || got == -EBADMSG);
	assert_int_equal(got < 0, in.bad);
	if (got >= 0)
		assert_int_equal(wire_in_left(&in), 0);
	free(copy);
	return got;
}

static uint8_t *room(void)
{
	uint8_t *p = malloc(RDATA_LEN_MAX);

	assert_non_null(p);
	return p;
}

static void what_ldns_writes_for_each_type_is_read_unchanged(void **state)
{
	uint8_t *out = room();

	for (size_t i = 0; i < COUNT(examples); i++) {
		struct sample s;
		int got;

		sample_make(&examples[i], &s);
		got = get(s.type, s.rdata, s.len, out);
		if (got != (int)s.len || memcmp(out, s.rdata, s.len) != 0)
			fail_msg("%s %s: %zu octets read as %d", s.from->type, s.from->text, s.len, got);
	}
	free(out);
}

/* Every type that has a layout of its own must be tried above: its text is not TYPEn. */
static void each_known_type_has_an_example(void **state)
{
	bool *tried = calloc(65536, sizeof(*tried));
	char text[RDATA_TYPE_TEXT_CAP];

	assert_non_null(tried);
	for (size_t i = 0; i < COUNT(examples); i++) {
		struct sample s;

		sample_make(&examples[i], &s);
		tried[s.type] = true;
	}
	for (unsigned type = 0; type < 65536; type++)
		if (strncmp(rdata_type_text((uint16_t)type, text), "TYPE", 4) != 0 && !tried[type])
			fail_msg("no example of type %s", text);
	free(tried);
}

static bool ends_a_string(const struct sample *s, size_t len)
{
	size_t pos = 0;

	while (pos < len)
		pos += 1u + s->rdata[pos];
	return len > 0 && pos == len;
}

static bool cut_is_valid(const struct sample *s, size_t len)
{
	for (int i = 0; i < CUTS_MAX && s->from->cuts[i] != 0; i++)
		if ((s->from->cuts[i] < 0 ? 0 : s->from->cuts[i]) == (int)len)
			return true;
	if (s->from->shortest == STRINGS)
		return ends_a_string(s, len);
	return s->from->shortest != EXACT && len >= s->from->shortest;
}

static void record_data_cut_at_any_octet_is_refused_unless_the_type_allows_it(void **state)
{
	uint8_t *out = room();

	for (size_t i = 0; i < COUNT(examples); i++) {
		struct sample s;

		sample_make(&examples[i], &s);
		for (size_t len = 0; len < s.len; len++) {
			int got = get(s.type, s.rdata, len, out);
			bool valid = cut_is_valid(&s, len);

			if ((got >= 0) != valid || (valid && memcmp(out, s.rdata, len) != 0))
				fail_msg("%s %s: cut to %zu of %zu octets is %s", s.from->type, s.from->text,
					 len, s.len, valid ? "refused" : "read");
		}
	}
	free(out);
}

static void an_octet_too_many_is_refused_unless_the_last_field_is_the_rest(void **state)
{
	static const uint8_t octets[] = {0x00, 0xFF, 0x7F};
	uint8_t *out = room();

	for (size_t i = 0; i < COUNT(examples); i++) {
		struct sample s;

		sample_make(&examples[i], &s);
		for (size_t o = 0; o < COUNT(octets); o++) {
			bool valid =
				s.from->shortest != EXACT && (s.from->shortest != STRINGS || octets[o] == 0);

			/* Two lists of names or strings may go on: HIP's servers with the root, ISDN's subaddress. */
			if (octets[o] == 0 && (strcmp(s.from->type, "HIP") == 0 ||
					       (strcmp(s.from->type, "ISDN") == 0 && s.len == 16)))
				valid = true;
			s.rdata[s.len] = octets[o];
			if ((get(s.type, s.rdata, s.len + 1, out) >= 0) != valid)
				fail_msg("%s %s: with 0x%02X behind it is %s", s.from->type, s.from->text,
					 octets[o], valid ? "refused" : "read");
		}
	}
	free(out);
}

/* Reads rdata that stands in a message behind "\7example\3com\0" at offset 12; returns the length. */
static int get_in_message(uint16_t type, const void *rdata, size_t len, uint8_t *out)
{
	uint8_t msg[512] = {0};
	struct wire_in in;

	memcpy(msg + HEADER, "\7example\3com", 13);
	memcpy(msg + HEADER + 13, rdata, len);
	in = wire_in_init(msg, HEADER + 13 + len);
	in.cur += HEADER + 13;
	return rdata_get(&in, type, (uint16_t)len, out);
}

#define GET_IN_MESSAGE(type, octets, out) get_in_message(type, octets, sizeof(octets) - 1, out)

static void names_are_decompressed_where_senders_compress_them(void **state)
{
	static const uint16_t name_only[] = {2, 3, 4, 5, 7, 8, 9, 12};
	uint8_t *out = room();

	for (size_t i = 0; i < COUNT(name_only); i++) {
		assert_int_equal(GET_IN_MESSAGE(name_only[i], "\2Ns\xC0\x0C", out), 16);
		assert_memory_equal(out, "\2Ns\7example\3com\0", 16);
	}
	assert_int_equal(GET_IN_MESSAGE(DNS_TYPE_MX, "\0\12\xC0\x0C", out), 15);
	assert_memory_equal(out, "\0\12\7example\3com\0", 15);
	/* rname points into mname, inside the record itself. */
	assert_int_equal(GET_IN_MESSAGE(DNS_TYPE_SOA,
					"\1m\xC0\x0C\1r\xC0\x19"
					"\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5",
					out),
			 15 + 17 + 20);
	assert_memory_equal(out, "\1m\7example\3com\0\1r\1m\7example\3com\0\0\0\0\1", 36);
	assert_int_equal(GET_IN_MESSAGE(14, "\xC0\x0C\xC0\x14", out), 13 + 5);
	free(out);
}

/* RFC 3597 4: RP, AFSDB, RT, SIG, PX, NXT, SRV, NAPTR (and KX, DNAME by their own RFCs) come compressed at times. */
static void names_are_decompressed_where_old_senders_compressed_them(void **state)
{
	uint8_t *out = room();

	assert_int_equal(GET_IN_MESSAGE(17, "\xC0\x0C\xC0\x0C", out), 26);
	assert_int_equal(GET_IN_MESSAGE(18, "\0\1\xC0\x0C", out), 15);
	assert_int_equal(GET_IN_MESSAGE(21, "\0\1\xC0\x0C", out), 15);
	assert_int_equal(GET_IN_MESSAGE(26, "\0\1\xC0\x0C\xC0\x0C", out), 28);
	assert_int_equal(GET_IN_MESSAGE(30, "\xC0\x0C\x62\x01\x02", out), 16);
	assert_int_equal(GET_IN_MESSAGE(33, "\0\1\0\2\0\3\xC0\x0C", out), 19);
	assert_int_equal(GET_IN_MESSAGE(35, "\0\1\0\2\1a\0\0\xC0\x0C", out), 21);
	assert_int_equal(GET_IN_MESSAGE(36, "\0\1\xC0\x0C", out), 15);
	assert_int_equal(GET_IN_MESSAGE(39, "\xC0\x0C", out), 13);
	free(out);
}

static void pointers_are_refused_where_no_sender_may_compress(void **state)
{
	uint8_t *out = room();

	assert_int_equal(GET_IN_MESSAGE(DNS_TYPE_NSEC, "\xC0\x0C\0\1\x40", out), -EBADMSG);
	assert_int_equal(GET_IN_MESSAGE(DNS_TYPE_SVCB, "\0\1\xC0\x0C", out), -EBADMSG);
	assert_int_equal(GET_IN_MESSAGE(DNS_TYPE_HTTPS, "\0\1\xC0\x0C", out), -EBADMSG);
	assert_int_equal(GET_IN_MESSAGE(107, "\0\1\xC0\x0C", out), -EBADMSG);
	assert_int_equal(GET_IN_MESSAGE(45, "\1\3\2\xC0\x0C\1\2\3", out), -EBADMSG);
	assert_int_equal(GET_IN_MESSAGE(260, "\1\3\xC0\x0C", out), -EBADMSG);
	assert_int_equal(GET_IN_MESSAGE(55, "\1\2\0\1hk\xC0\x0C", out), -EBADMSG);
	free(out);
}

static void octets_of_an_unknown_type_are_never_taken_for_names(void **state)
{
	uint8_t *out = room();

	assert_int_equal(GET_IN_MESSAGE(65280, "\xC0\x0C", out), 2);
	assert_memory_equal(out, "\xC0\x0C", 2);
	free(out);
}

/* The octets behind the record data are there, but they are the next record's. */
static void no_field_reaches_past_the_record_data_into_the_message(void **state)
{
	static const struct {
		uint16_t type;
		char octets[12];
		uint8_t rdlen;
	} table[] = {
		{DNS_TYPE_NS, "\1a\0", 1},	  {DNS_TYPE_NS, "\1a\0", 2},
		{DNS_TYPE_NS, "\xC0\x0C", 1},	  {DNS_TYPE_A, "\1\2\3\4", 3},
		{DNS_TYPE_TXT, "\3abc", 3},	  {DNS_TYPE_MX, "\0\1\0", 2},
		{DNS_TYPE_NSEC, "\0\0\1\x40", 3}, {DNS_TYPE_SVCB, "\0\1\0\0\1\0\2hi", 8},
	};
	uint8_t *out = room();

	for (size_t i = 0; i < COUNT(table); i++) {
		uint8_t msg[64] = {0};
		struct wire_in in = wire_in_init(msg, sizeof(msg));

		memcpy(msg + HEADER, "\1x\0", 3);
		memcpy(msg + HEADER + 3, table[i].octets, sizeof(table[i].octets));
		in.cur += HEADER + 3;
		if (rdata_get(&in, table[i].type, table[i].rdlen, out) != -EBADMSG)
			fail_msg("row %zu was read", i);
		assert_true(in.bad);
	}
	free(out);
}

static void a_length_past_the_end_of_the_message_is_refused(void **state)
{
	static const uint8_t octets[] = {192, 0, 2, 1};
	struct wire_in in = wire_in_init(octets, sizeof(octets));
	uint8_t *out = room();

	assert_int_equal(rdata_get(&in, DNS_TYPE_A, 5, out), -EBADMSG);
	assert_true(in.bad);
	in = wire_in_init(octets, sizeof(octets));
	assert_int_equal(rdata_get(&in, 65280, 65535, out), -EBADMSG);
	free(out);
}

static void record_data_of_65535_octets_is_read_whole(void **state)
{
	uint8_t *octets = room(), *out = room();

	for (unsigned i = 0; i < RDATA_LEN_MAX; i++)
		octets[i] = i % 256 == 0 ? 255 : (uint8_t)i;
	assert_int_equal(get(65280, octets, RDATA_LEN_MAX, out), RDATA_LEN_MAX);
	assert_memory_equal(out, octets, RDATA_LEN_MAX);
	/* 255 strings of 255 octets, and one of 254. */
	octets[255 * 256] = 254;
	assert_int_equal(get(DNS_TYPE_TXT, octets, RDATA_LEN_MAX, out), RDATA_LEN_MAX);
	assert_memory_equal(out, octets, RDATA_LEN_MAX);
	octets[255 * 256] = 255;
	assert_int_equal(get(DNS_TYPE_TXT, octets, RDATA_LEN_MAX, out), -EBADMSG);
	free(octets);
	free(out);
}

/* CVE-2026-12244: a parameter as long as 16 bits allow; sums of such lengths must not wrap. */
static void svc_params_near_65535_octets_do_not_wrap(void **state)
{
	uint8_t *octets = room(), *out = room();

	memset(octets, 0, RDATA_LEN_MAX);
	octets[1] = 1;
	wire_store16(octets + 3, 7);
	wire_store16(octets + 5, RDATA_LEN_MAX - 7);
	assert_int_equal(get(DNS_TYPE_SVCB, octets, RDATA_LEN_MAX, out), RDATA_LEN_MAX);
	for (unsigned len = RDATA_LEN_MAX - 6; len <= RDATA_LEN_MAX; len++) {
		wire_store16(octets + 5, (uint16_t)len);
		assert_int_equal(get(DNS_TYPE_SVCB, octets, RDATA_LEN_MAX, out), -EBADMSG);
	}
	free(octets);
	free(out);
}

/* Decompression makes it longer; the room is RDATA_LEN_MAX and no more is written. */
static void names_that_decompress_past_the_room_are_refused(void **state)
{
	uint8_t *msg = calloc(1, 70000), *out = room();
	size_t at = HEADER, start;
	struct wire_in in;

	assert_non_null(msg);
	for (int i = 0; i < 3; i++) {
		msg[at] = 63;
		memset(msg + at + 1, 'a', 63);
		at += 64;
	}
	at++; /* the root label: a name of 193 octets stands at the header */
	start = at;
	/* NXT: a name and a rest, the only layout where a compressed name and 64 KiB can meet. */
	wire_store16(msg + at, 0xC000 | HEADER);
	in = wire_in_init(msg, start + RDATA_LEN_MAX);
	in.cur += start;
	assert_int_equal(rdata_get(&in, 30, RDATA_LEN_MAX, out), -EBADMSG);
	in = wire_in_init(msg, start + RDATA_LEN_MAX);
	in.cur += start;
	assert_int_equal(rdata_get(&in, 30, RDATA_LEN_MAX - 191, out), RDATA_LEN_MAX);
	free(msg);
	free(out);
}

static void malformed_fields_are_refused(void **state)
{
	static const struct {
		const char *what;
		uint16_t type;
		uint16_t len;
		const char *octets;
	} table[] = {
		{"bitmap: window twice", 47, 7, "\0\0\1\x40\0\1\x40"},
		{"bitmap: windows descending", 47, 7, "\0\1\1\x40\0\1\x40"},
		{"bitmap: empty window", 47, 3, "\0\0\0"},
		{"bitmap: window of 33 octets", 47, 36,
		 "\0\0\41\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"},
		{"bitmap: zero octet at the end", 47, 5, "\0\0\2\x40\0"},
		{"bitmap: all zero", 47, 4, "\0\0\1\0"},
		{"SvcParams: key twice", 64, 11, "\0\1\0\0\1\0\0\0\1\0\0"},
		{"SvcParams: keys descending", 64, 11, "\0\1\0\0\2\0\0\0\1\0\0"},
		{"SvcParams: half a key", 64, 4, "\0\1\0\0"},
		{"SvcParams: value past the end", 64, 8, "\0\1\0\0\1\0\2x"},
		{"APL: IPv4 prefix over 32", 42, 5, "\0\1\41\1\x0A"},
		{"APL: IPv4 of five octets", 42, 9, "\0\1\40\5\1\2\3\4\5"},
		{"APL: IPv6 prefix over 128", 42, 5, "\0\2\x81\1\x0A"},
		{"APL: IPv6 of 17 octets", 42, 21, "\0\2\x80\21\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"},
		{"APL: address past the end", 42, 5, "\0\1\10\2\x0A"},
		{"TXT without a string", 16, 0, ""},
		{"CAA with an empty tag", 257, 3, "\0\0x"},
		{"NSEC3 with an empty hash", 50, 6, "\1\0\0\0\0\0"},
		{"IPSECKEY: gateway type 4", 45, 7, "\1\4\2\1\2\3\4"},
		{"AMTRELAY: relay type 4", 260, 6, "\1\4\1\2\3\4"},
		{"HIP: empty tag", 55, 5, "\0\2\0\1k"},
		{"HIP: empty key", 55, 5, "\1\2\0\0h"},
		{"DS without a digest", 43, 4, "\0\1\5\1"},
		{"DNSKEY without a key", 48, 4, "\1\1\3\5"},
		{"MX name with a label of type 01", 15, 4, "\0\1\x41\0"},
	};
	uint8_t *out = room();

	for (size_t i = 0; i < COUNT(table); i++)
		if (get(table[i].type, (const uint8_t *)table[i].octets, table[i].len, out) != -EBADMSG)
			fail_msg("%s: was read", table[i].what);
	free(out);
}

static void the_limits_of_well_formed_fields_are_read(void **state)
{
	static const struct {
		const char *what;
		uint16_t type;
		uint16_t len;
		const char *octets;
	} table[] = {
		{"bitmap: window of 32 octets", 47, 35,
		 "\0\0\40\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"},
		{"bitmap: windows 0 and 255", 47, 7, "\0\0\1\x40\xFF\1\1"},
		{"NSEC without a bitmap", 47, 1, "\0"},
		{"SvcParams: keys 0 and 65535", 64, 11, "\0\1\0\0\0\0\0\xFF\xFF\0\0"},
		{"APL: IPv4 prefix 32", 42, 8, "\0\1\40\4\1\2\3\4"},
		{"APL: unknown family", 42, 5, "\0\3\xFF\1\1"},
		{"NULL without octets", 10, 0, ""},
		{"unknown type without octets", 65280, 0, ""},
		{"SVCB: the root, no parameters", 64, 3, "\0\1\0"},
	};
	uint8_t *out = room();

	for (size_t i = 0; i < COUNT(table); i++)
		if (get(table[i].type, (const uint8_t *)table[i].octets, table[i].len, out) != table[i].len)
			fail_msg("%s: was refused", table[i].what);
	free(out);
}

static ldns_rr *rr_of(uint16_t type, const uint8_t *rdata, size_t len)
{
	uint8_t wire[1100] = {0};
	size_t pos = 0;
	ldns_rr *rr = NULL;

	wire_store16(wire + 1, type);
	wire_store16(wire + 3, DNS_CLASS_IN);
	wire_store16(wire + 9, (uint16_t)len);
	memcpy(wire + 11, rdata, len);
	if (ldns_wire2rr(&rr, wire, len + 11, &pos, LDNS_SECTION_ANSWER) != LDNS_STATUS_OK)
		return NULL;
	return rr;
}

/*
 * ldns folds names of the types of RFC 4034 6.2, NSEC too, which RFC 6840 5.1 took out; and it does not fold those
 * whose fields it takes as unknown. Here our own list of types to compare with it.
 */
static bool ldns_judges(uint16_t type)
{
	static const uint16_t types[] = {1,  2,	 5,  6,	 12, 13, 14, 15, 16, 17, 18, 21, 26, 28,
					 29, 33, 35, 36, 37, 39, 43, 44, 46, 48, 50, 51, 52, 257};

	for (size_t i = 0; i < COUNT(types); i++)
		if (types[i] == type)
			return true;
	return false;
}

static uint32_t rnd(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static int sign(int d)
{
	return (d > 0) - (d < 0);
}

/* Compares as RFC 4034 6.3 says it: whole canonical forms as octet strings, made by ldns. */
static int judge_compare(uint16_t type, const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	ldns_rr *ra = rr_of(type, a, a_len), *rb = rr_of(type, b, b_len);
	uint8_t *wa = NULL, *wb = NULL;
	size_t la, lb;
	int d;

	assert_true(ra != NULL && rb != NULL);
	ldns_rr2canonical(ra);
	ldns_rr2canonical(rb);
	assert_int_equal(ldns_rr2wire(&wa, ra, LDNS_SECTION_ANSWER, &la), LDNS_STATUS_OK);
	assert_int_equal(ldns_rr2wire(&wb, rb, LDNS_SECTION_ANSWER, &lb), LDNS_STATUS_OK);
	d = memcmp(wa + 11, wb + 11, (la < lb ? la : lb) - 11);
	if (d == 0)
		d = (la > lb) - (la < lb);
	LDNS_FREE(wa);
	LDNS_FREE(wb);
	ldns_rr_free(ra);
	ldns_rr_free(rb);
	return sign(d);
}

static void order_is_that_of_canonical_forms_made_by_ldns(void **state)
{
	uint8_t *out = room();
	uint32_t x = 2463534242;
	unsigned compared = 0;

	for (size_t i = 0; i < COUNT(examples); i++) {
		struct sample a, b;

		sample_make(&examples[i], &a);
		if (!ldns_judges(a.type))
			continue;
		for (int n = 0; n < 2000; n++) {
			b = a;
			b.rdata[rnd(&x) % b.len] ^= n % 2 ? 0x20 : (uint8_t)(1 << rnd(&x) % 8);
			if (get(b.type, b.rdata, b.len, out) < 0)
				continue;
			compared++;
			assert_int_equal(sign(rdata_compare(a.type, a.rdata, a.len, b.rdata, b.len)),
					 judge_compare(a.type, a.rdata, a.len, b.rdata, b.len));
			if (rnd(&x) % 4 == 0)
				a = b;
		}
	}
	assert_true(compared > 20000);
	free(out);
}

static void order_between_examples_of_one_type_is_antisymmetric_and_goes_by_octets_then_length(void **state)
{
	for (size_t i = 0; i < COUNT(examples); i++) {
		struct sample a, b;

		sample_make(&examples[i], &a);
		for (size_t j = 0; j < COUNT(examples); j++) {
			sample_make(&examples[j], &b);
			if (a.type != b.type)
				continue;
			assert_int_equal(sign(rdata_compare(a.type, a.rdata, a.len, b.rdata, b.len)),
					 -sign(rdata_compare(a.type, b.rdata, b.len, a.rdata, a.len)));
			assert_int_equal(rdata_compare(a.type, a.rdata, a.len, b.rdata, b.len) == 0, i == j);
		}
	}
	assert_true(rdata_compare(65280, (const uint8_t *)"ab", 2, (const uint8_t *)"abc", 3) < 0);
	assert_true(rdata_compare(65280, (const uint8_t *)"b", 1, (const uint8_t *)"abc", 3) > 0);
	assert_true(rdata_compare(65280, (const uint8_t *)"", 0, (const uint8_t *)"", 0) == 0);
	assert_true(rdata_compare(65280, (const uint8_t *)"\x7F", 1, (const uint8_t *)"\x80", 1) < 0);
}

/* Each in a heap block of its own size, so that a sanitizer sees a read behind the shorter one. */
static int compare_exact(uint16_t type, const struct sample *a, const struct sample *b)
{
	uint8_t *ca = malloc(a->len), *cb = malloc(b->len);
	int d;

	assert_true(ca != NULL && cb != NULL);
	memcpy(ca, a->rdata, a->len);
	memcpy(cb, b->rdata, b->len);
	d = rdata_compare(type, ca, a->len, cb, b->len);
	free(ca);
	free(cb);
	return sign(d);
}

static void a_long_name_and_the_root_are_compared_within_their_octets(void **state)
{
	static const struct example pairs[][2] = {
		{{"NS", EXACT, ".", {0}}, {"NS", EXACT, "a.long.name.example.", {0}}},
		{{"MX", EXACT, "1 .", {0}}, {"MX", EXACT, "1 a.long.name.example.", {0}}},
		{{"SRV", EXACT, "1 2 3 .", {0}}, {"SRV", EXACT, "1 2 3 a.long.name.example.", {0}}},
		{{"SOA", EXACT, ". . 0 0 0 0 0", {0}},
		 {"SOA",
		  EXACT,
		  "a.name.of.more.than.forty.octets.in.all.its.labels.example. b. 0 0 0 0 0",
		  {0}}},
	};

	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct sample a, b;

		sample_make(&pairs[i][0], &a);
		sample_make(&pairs[i][1], &b);
		assert_int_equal(compare_exact(a.type, &a, &b), -1);
		assert_int_equal(compare_exact(a.type, &b, &a), 1);
		assert_int_equal(compare_exact(a.type, &b, &b), 0);
	}
}

static void case_makes_no_difference_in_names_and_every_difference_elsewhere(void **state)
{
	static const uint8_t mx_a[] = "\0A\2Mx\7eXample", mx_b[] = "\0A\2mX\7ExamplE",
			     mx_c[] = "\0a\2mX\7ExamplE";
	static const uint8_t nsec_a[] = "\1A\0\0\1\x40", nsec_b[] = "\1a\0\0\1\x40";
	static const uint8_t txt_a[] = "\1A", txt_b[] = "\1a";

	assert_int_equal(rdata_compare(15, mx_a, sizeof(mx_a), mx_b, sizeof(mx_b)), 0);
	assert_true(rdata_compare(15, mx_a, sizeof(mx_a), mx_c, sizeof(mx_c)) < 0);
	/* RFC 6840 5.1: the next name of an NSEC keeps its case. */
	assert_true(rdata_compare(47, nsec_a, 6, nsec_b, 6) < 0);
	assert_true(rdata_compare(16, txt_a, 2, txt_b, 2) < 0);
}

static void canonical_form_folds_names_and_nothing_else(void **state)
{
	static const struct {
		uint16_t type;
		uint8_t len;
		const char *from, *to;
	} table[] = {
		{DNS_TYPE_MX, 6, "AB\2Cd", "AB\2cd"},
		{DNS_TYPE_SOA, 26, "\1A\0\1B\0CDEFGHIJKLMNOPQRSTUV", "\1a\0\1b\0CDEFGHIJKLMNOPQRSTUV"},
		{35, 13, "ABCD\1E\1F\1G\1H", "ABCD\1E\1F\1G\1h"},
		{DNS_TYPE_RRSIG, 23, "ABCDEFGHIJKLMNOPQR\1S\0TU", "ABCDEFGHIJKLMNOPQR\1s\0TU"},
		{DNS_TYPE_NSEC, 7, "\1A\0\0\2AB", "\1A\0\0\2AB"},
		{DNS_TYPE_SVCB, 6, "AB\2Cd", "AB\2Cd"},
		{DNS_TYPE_TXT, 3, "\2AB", "\2AB"},
		{65280, 3, "\1A", "\1A"},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		uint8_t out[64];

		rdata_canonical(table[i].type, out, (const uint8_t *)table[i].from, table[i].len);
		assert_memory_equal(out, table[i].to, table[i].len);
		memcpy(out, table[i].from, table[i].len);
		rdata_canonical(table[i].type, out, out, table[i].len);
		assert_memory_equal(out, table[i].to, table[i].len);
	}
}

static void names_inside_are_found_with_their_right_to_be_compressed(void **state)
{
	static const struct {
		const char *type;
		unsigned cnt;
		bool compress;
	} table[] = {
		{"A", 0, false},     {"NS", 1, true},	      {"CNAME", 1, true},  {"SOA", 2, true},
		{"PTR", 1, true},    {"MINFO", 2, true},      {"MX", 1, true},	   {"RP", 2, false},
		{"AFSDB", 1, false}, {"RT", 1, false},	      {"PX", 2, false},	   {"SRV", 1, false},
		{"NAPTR", 1, false}, {"KX", 1, false},	      {"DNAME", 1, false}, {"RRSIG", 1, false},
		{"NSEC", 1, false},  {"SVCB", 1, false},      {"LP", 1, false},	   {"TXT", 0, false},
		{"DS", 0, false},    {"TYPE65280", 0, false},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		for (size_t j = 0; j < COUNT(examples); j++) {
			struct rdata_name names[RDATA_NAMES_MAX];
			struct sample s;

			if (strcmp(examples[j].type, table[i].type) != 0)
				continue;
			sample_make(&examples[j], &s);
			assert_int_equal(rdata_names(s.type, s.rdata, s.len, names), table[i].cnt);
			for (unsigned n = 0; n < table[i].cnt; n++) {
				assert_int_equal(names[n].compress, table[i].compress);
				assert_true(name_valid(s.rdata + names[n].off, names[n].len));
				assert_true(names[n].len > 1);
			}
		}
	}
}

static void soa_fields_are_read_in_their_order(void **state)
{
	static const uint8_t rdata[] = "\2ns\0\4host\0\xFF\xFF\xFF\xFF\0\0\0\2\x80\0\0\0\0\0\0\4\0\0\0\5";
	struct soa soa;

	assert_int_equal(soa_parse(rdata, sizeof(rdata) - 1, &soa), 0);
	assert_ptr_equal(soa.mname, rdata);
	assert_ptr_equal(soa.rname, rdata + 4);
	assert_int_equal(soa.serial, UINT32_MAX);
	assert_int_equal(soa.refresh, 2);
	assert_true(soa.retry == UINT32_C(0x80000000));
	assert_int_equal(soa.expire, 4);
	assert_int_equal(soa.minimum, 5);
}

static void soa_of_any_other_length_is_refused_and_the_output_untouched(void **state)
{
	static const uint8_t rdata[] = "\2ns\0\4host\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5\0";
	struct soa soa = {.serial = 77};

	for (size_t len = 0; len <= sizeof(rdata) - 1; len++) {
		uint8_t *copy = malloc(len + 1);

		assert_non_null(copy);
		memcpy(copy, rdata, len);
		copy = realloc(copy, len > 0 ? len : 1);
		if (len != sizeof(rdata) - 2)
			assert_int_equal(soa_parse(copy, len, &soa), -EBADMSG);
		free(copy);
	}
	assert_int_equal(soa.serial, 77);
	assert_int_equal(
		soa_parse((const uint8_t *)"\xC0\x0C\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5", 23, &soa),
		-EBADMSG);
}

static void type_names_are_those_of_ldns(void **state)
{
	char text[RDATA_TYPE_TEXT_CAP];

	for (unsigned type = 1; type < 65536; type++) {
		ldns_rr_type theirs;

		rdata_type_text((uint16_t)type, text);
		assert_true(strlen(text) > 0);
		/* Younger than this ldns, or spelled by it in another way. */
		if (type == 31 || type == 32 || type == 258 || (type >= 260 && type <= 262) || type == 32768)
			continue;
		theirs = ldns_get_rr_type_by_name(text);
		if (theirs != type)
			fail_msg("type %u is written %s, which ldns takes for %u", type, text, theirs);
	}
	assert_string_equal(rdata_type_text(65535, text), "TYPE65535");
	assert_string_equal(rdata_type_text(258, text), "AVC");
	assert_string_equal(rdata_type_text(260, text), "AMTRELAY");
	assert_string_equal(rdata_type_text(261, text), "RESINFO");
	assert_string_equal(rdata_type_text(262, text), "WALLET");
}

static void meta_types_are_those_that_no_zone_may_hold(void **state)
{
	for (unsigned type = 0; type < 65536; type++)
		assert_int_equal(dns_type_is_meta((uint16_t)type) != 0,
				 type == 0 || type == 41 || (type >= 128 && type <= 255));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_ldns_writes_for_each_type_is_read_unchanged),
		cmocka_unit_test(each_known_type_has_an_example),
		cmocka_unit_test(record_data_cut_at_any_octet_is_refused_unless_the_type_allows_it),
		cmocka_unit_test(an_octet_too_many_is_refused_unless_the_last_field_is_the_rest),
		cmocka_unit_test(names_are_decompressed_where_senders_compress_them),
		cmocka_unit_test(names_are_decompressed_where_old_senders_compressed_them),
		cmocka_unit_test(pointers_are_refused_where_no_sender_may_compress),
		cmocka_unit_test(octets_of_an_unknown_type_are_never_taken_for_names),
		cmocka_unit_test(no_field_reaches_past_the_record_data_into_the_message),
		cmocka_unit_test(a_length_past_the_end_of_the_message_is_refused),
		cmocka_unit_test(record_data_of_65535_octets_is_read_whole),
		cmocka_unit_test(svc_params_near_65535_octets_do_not_wrap),
		cmocka_unit_test(names_that_decompress_past_the_room_are_refused),
		cmocka_unit_test(malformed_fields_are_refused),
		cmocka_unit_test(the_limits_of_well_formed_fields_are_read),
		cmocka_unit_test(order_is_that_of_canonical_forms_made_by_ldns),
		cmocka_unit_test(
			order_between_examples_of_one_type_is_antisymmetric_and_goes_by_octets_then_length),
		cmocka_unit_test(a_long_name_and_the_root_are_compared_within_their_octets),
		cmocka_unit_test(case_makes_no_difference_in_names_and_every_difference_elsewhere),
		cmocka_unit_test(canonical_form_folds_names_and_nothing_else),
		cmocka_unit_test(names_inside_are_found_with_their_right_to_be_compressed),
		cmocka_unit_test(soa_fields_are_read_in_their_order),
		cmocka_unit_test(soa_of_any_other_length_is_refused_and_the_output_untouched),
		cmocka_unit_test(type_names_are_those_of_ldns),
		cmocka_unit_test(meta_types_are_those_that_no_zone_may_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
