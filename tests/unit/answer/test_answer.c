/*
 * Whole answers of the engine. The number in front of a test is the row of the requirements that it
 * is there for: RFC and section stand in the comment above it.
 */
#include "tests/unit/answer/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu-qsbr.h>
#include <cmocka.h>

#define DIGEST_0 "0000000000000000000000000000000000000000000000000000000000000000"
#define LABEL_50 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"
#define LABEL_41 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddf"

static const char example_zone[] =
	"$TTL 3600\n"
	"@ SOA ns hostmaster 5 7200 900 1209600 300\n"
	"@ NS ns\n"
	"@ NS ns.elsewhere.\n"
	"@ MX 10 mail\n"
	"ns A 192.0.2.53\n"
	"www A 192.0.2.1\n"
	"www A 192.0.2.2\n"
	"www AAAA 2001:db8::1\n"
	"MiXed A 192.0.2.3\n"
	"mail A 192.0.2.25\n"
	"mail AAAA 2001:db8::25\n"
	"mx MX 10 mail\nmx MX 20 mail\nmx MX 30 mail.elsewhere.\n"
	"_sip._udp SRV 0 5 5060 mail\n"
	"svc HTTPS 0 mail\n"
	"a.b.ent A 192.0.2.4\n"
	"short 60 A 192.0.2.5\n"
	"*.wild A 192.0.2.6\n"
	"*.wild MX 5 mail.wild\n"
	"below.exists.wild TXT \"here\"\n"
	"sub.wild NS ns.sub.wild\n"
	"ns.sub.wild A 192.0.2.7\n"
	"*.cwild CNAME www\n"
	"*.self CNAME x.self\n"
	"*.nswild NS ns\n"
	"c1 CNAME c2\nc2 CNAME www\n"
	"cout CNAME www.elsewhere.\n"
	"cother CNAME WWW.other.\n"
	"cnx CNAME missing\n"
	"cnodata CNAME ns\n"
	"ccut CNAME www.sub\n"
	"cdname CNAME a.dn\n"
	"cnotloaded CNAME www.notloaded.\n"
	"l1 CNAME l2\nl2 CNAME l1\n"
	"lself CNAME lself\n"
	"sub NS ns.sub\nsub NS ns.sib\nsub NS ns.elsewhere.\n"
	"ns.sub A 192.0.2.8\n"
	"www.sub A 192.0.2.99\n"
	"sib NS ns.sib\nns.sib A 192.0.2.9\nns.sib AAAA 2001:db8::9\n"
	"ext NS ns.elsewhere.\n"
	"signed NS ns.elsewhere.\nsigned DS 1 8 2 " DIGEST_0 "\n"
	"signed RRSIG DS 8 2 3600 20370101000000 20260101000000 1 example. AQAB\n"
	"halfway NS ns.elsewhere.\nhalfway DS 1 8 2 " DIGEST_0 "\n"
	"child NS ns.child\nchild DS 2 8 2 1111111111111111111111111111111111111111111111111111111111111111\n"
	"ns.child A 192.0.2.10\n"
	"dn DNAME target\nwww.target A 192.0.2.11\ndn TXT \"owner\"\nhidden.dn A 192.0.2.98\n"
	"dnroot DNAME .\n"
	"dself DNAME x.dself\n"
	"dlong DNAME " LABEL_50 "." LABEL_50 "." LABEL_50 "." LABEL_50 "\n"
	"unknown TYPE65280 \\# 3 010203\n"
	"*.b.deep.wc A 192.0.2.12\n"
	"* TXT \"apex wildcard\"\n"
	"loc LOC 52 0 0 N 4 0 0 E 0m\n";

static const char other_zone[] = "$TTL 60\n"
				 "@ SOA ns hostmaster 1 7200 900 1209600 300\n"
				 "@ NS ns.elsewhere.\n"
				 "www CNAME back.example.\n"
				 "direct A 198.51.100.1\n"
				 "gone CNAME missing\n"
				 "alias DNAME wild.example.\n";

static const char child_zone[] = "$TTL 60\n"
				 "@ SOA ns hostmaster 1 7200 900 1209600 300\n"
				 "@ NS ns\n"
				 "ns A 192.0.2.10\n"
				 "www A 192.0.2.13\n";

static const char moved_zone[] = "$TTL 60\n"
				 "@ SOA ns.elsewhere. hostmaster 1 7200 900 1209600 300\n"
				 "@ NS ns.elsewhere.\n"
				 "@ DNAME example.\n";

/* A chain made by hand, and one signature, to see that it comes along. */
static const char nsec_zone[] = "$TTL 60\n"
				"@ SOA ns h 1 2 3 4 60\n@ NS ns.elsewhere.\n@ NSEC b NS SOA NSEC\n"
				"@ RRSIG SOA 8 2 60 20370101000000 20260101000000 1 nsec.test. AQAB\n"
				"b A 192.0.2.1\nb NSEC cut A NSEC\n"
				"cut NS ns.elsewhere.\ncut NSEC *.w NS NSEC\n"
				"*.w A 192.0.2.2\n*.w NSEC @ A NSEC\n"
				"*.w RRSIG A 8 2 60 20370101000000 20260101000000 1 nsec.test. AQAB\n";

#define NSEC_SOA                                                       \
	"ns nsec.test. 60 SOA ns.nsec.test. h.nsec.test. 1 2 3 4 60\n" \
	"ns nsec.test. 60 RRSIG SOA 8 2 60 20370101000000 20260101000000 1 nsec.test. AQAB\n"

#define SOA_NX "ns example. 300 SOA ns.example. hostmaster.example. 5 7200 900 1209600 300\n"

static void add_big_zone(struct ask_world *w);

static int setup(void **state)
{
	struct ask_world *w = malloc(sizeof(*w));

	assert_non_null(w);
	ask_world_init(w);
	ask_add_zone(w, "example.", example_zone);
	ask_add_zone(w, "other.", other_zone);
	ask_add_zone(w, "child.example.", child_zone);
	ask_add_zone(w, "only.child.test.", child_zone);
	ask_add_zone(w, "moved.test.", moved_zone);
	ask_add_zone(w, "lost.sub.example.", child_zone);
	ask_add_marker(w, "notloaded.", child_zone, ZONE_NOT_LOADED);
	ask_add_marker(w, "expired.", child_zone, ZONE_EXPIRED);
	ask_add_zone(w, "nsec.test.", nsec_zone);
	add_big_zone(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct ask_world *w = *state;

	ask_world_fini(w);
	free(w);
	return 0;
}

/* big.test.: sets that do not fit, and a CNAME chain longer than we follow. */
static void add_big_zone(struct ask_world *w)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	fprintf(f, "$TTL 60\n@ SOA ns hostmaster 1 7200 900 1209600 300\n@ NS ns\nns A 192.0.2.1\n");
	for (unsigned i = 0; i < 40; i++) {
		fprintf(f, "forty A 10.0.0.%u\n", i);
		fprintf(f, "many MX %u m%u\nm%u A 10.1.0.%u\nm%u AAAA 2001:db8::%x\n", i, i, i, i, i, i + 1);
		fprintf(f, "mute MX %u %s%u\n", i, i < 20 ? "nothing" : "m", i);
		fprintf(f, "zone NS n%u.zone\nn%u.zone A 10.2.0.%u\n", i, i, i);
		fprintf(f, "sibs NS n%u.zone\n", i);
		fprintf(f, "chain%u CNAME chain%u\n", i, i + 1);
	}
	for (unsigned i = 0; i < 280; i++)
		fprintf(f, "huge TXT \"%03u %0200u\"\n", i, i);
	for (unsigned i = 0; i < 40; i++)
		fprintf(f, "huge SPF \"%03u %0200u\"\n", i, i);
	fprintf(f, "huge A 192.0.2.1\nhuge MX 1 m0\nchain40 A 192.0.2.2\n");
	fclose(f);
	ask_add_zone(w, "big.test.", text);
	free(text);
}

/* 1: RFC 1034 4.3.2 step 3a */
static void an_existing_set_is_answered_whole_and_alone(void **state)
{
	ASK_IS(*state, "www.example. A",
	       "NOERROR aa\nan www.example. 3600 A 192.0.2.1\nan www.example. 3600 A 192.0.2.2\n");
	ASK_IS(*state, "www.example. AAAA", "NOERROR aa\nan www.example. 3600 AAAA 2001:db8::1\n");
	ASK_IS(*state, "loc.example. LOC",
	       "NOERROR aa\nan loc.example. 3600 LOC 52 00 0.000 N 04 00 0.000 E 0m 1m "
	       "10000m 10m\n");
}

/* 25: RFC 4343 */
static void the_question_is_matched_without_case_and_echoed_with_it(void **state)
{
	ASK_IS(*state, "WwW.ExAmPlE. AAAA", "NOERROR aa\nan WwW.ExAmPlE. 3600 AAAA 2001:db8::1\n");
	ASK_IS(*state, "mixed.example. A", "NOERROR aa\nan mixed.example. 3600 A 192.0.2.3\n");
}

/* 4: RFC 1035 4.1.1; 34: RFC 4035 3.1.6 */
static void only_rd_is_copied_from_the_request(void **state)
{
	ASK_IS(*state, "short.example. A rd cd ad z aa", "NOERROR aa rd\nan short.example. 60 A 192.0.2.5\n");
	ASK_IS(*state, "short.example. A cd ad z", "NOERROR aa\nan short.example. 60 A 192.0.2.5\n");
}

/* 26: RFC 2308 3 */
static void a_missing_type_is_nodata_with_a_short_lived_soa(void **state)
{
	ASK_IS(*state, "www.example. MX", "NOERROR aa\n" SOA_NX);
	ASK_IS(*state, "short.example. AAAA", "NOERROR aa\n" SOA_NX);
}

/* The SOA's own TTL is lower than MINIMUM in other.: 60 < 300. */
static void the_negative_ttl_is_never_longer_than_the_soa_ttl(void **state)
{
	ASK_IS(*state, "missing.other. A",
	       "NXDOMAIN aa\nns other. 60 SOA ns.other. hostmaster.other. 1 7200 900 1209600 300\n");
}

/* 1, 26, 69: RFC 8020 2 */
static void a_name_that_does_not_exist_is_nxdomain(void **state)
{
	ASK_IS(*state, "missing.child.example. A",
	       "NXDOMAIN aa\nns child.example. 60 SOA ns.child.example. hostmaster.child.example. 1 7200 900 "
	       "1209600 "
	       "300\n");
	ASK_IS(*state, "x.www.example. A", "NXDOMAIN aa\n" SOA_NX);
}

/* 36: RFC 4592 2.2.2 */
static void an_empty_non_terminal_exists(void **state)
{
	ASK_IS(*state, "b.ent.example. A", "NOERROR aa\n" SOA_NX);
	ASK_IS(*state, "ent.example. ANY tcp", "NOERROR aa\n" SOA_NX);
	ASK_IS(*state, "x.ent.example. A", "NXDOMAIN aa\n" SOA_NX);
}

/* The apex is authoritative, and its NS answer carries the addresses that are in the zone. */
static void apex_sets_are_answered_with_addresses_of_their_targets(void **state)
{
	ASK_IS(*state, "example. SOA",
	       "NOERROR aa\nan example. 3600 SOA ns.example. hostmaster.example. 5 7200 900 1209600 300\n");
	ASK_IS(*state, "example. NS",
	       "NOERROR aa\nan example. 3600 NS ns.example.\nan example. 3600 NS ns.elsewhere.\n"
	       "ar ns.example. 3600 A 192.0.2.53\n");
}

static void one_target_named_twice_gets_its_addresses_once(void **state)
{
	ASK_IS(*state, "mx.example. MX",
	       "NOERROR aa\nan mx.example. 3600 MX 10 mail.example.\nan mx.example. 3600 MX 20 "
	       "mail.example.\n"
	       "an mx.example. 3600 MX 30 mail.elsewhere.\n"
	       "ar mail.example. 3600 A 192.0.2.25\nar mail.example. 3600 AAAA 2001:db8::25\n");
}

/* 87: RFC 9460 4.1 */
static void srv_and_svcb_targets_get_their_addresses(void **state)
{
	ASK_IS(*state, "_sip._udp.example. SRV",
	       "NOERROR aa\nan _sip._udp.example. 3600 SRV 0 5 5060 mail.example.\n"
	       "ar mail.example. 3600 A 192.0.2.25\nar mail.example. 3600 AAAA 2001:db8::25\n");
	ASK_IS(*state, "svc.example. HTTPS",
	       "NOERROR aa\nan svc.example. 3600 HTTPS 0 mail.example.\n"
	       "ar mail.example. 3600 A 192.0.2.25\nar mail.example. 3600 AAAA 2001:db8::25\n");
}

/* 37: RFC 4592 3.3 */
static void a_wildcard_answers_with_the_question_name_as_owner(void **state)
{
	ASK_IS(*state, "Foo.Bar.wild.example. A", "NOERROR aa\nan Foo.Bar.wild.example. 3600 A 192.0.2.6\n");
	ASK_IS(*state, "x.wild.example. MX", "NOERROR aa\nan x.wild.example. 3600 MX 5 mail.wild.example.\n");
	ASK_IS(*state, "mail.wild.example. MX",
	       "NOERROR aa\nan mail.wild.example. 3600 MX 5 mail.wild.example.\n");
}

static void a_wildcard_without_the_type_is_nodata(void **state)
{
	ASK_IS(*state, "x.wild.example. TXT", "NOERROR aa\n" SOA_NX);
}

static void an_existing_name_or_empty_non_terminal_blocks_the_wildcard(void **state)
{
	ASK_IS(*state, "exists.wild.example. A", "NOERROR aa\n" SOA_NX);
	ASK_IS(*state, "below.exists.wild.example. A", "NOERROR aa\n" SOA_NX);
	ASK_IS(*state, "x.exists.wild.example. A", "NXDOMAIN aa\n" SOA_NX);
	ASK_IS(*state, "x.deep.wc.example. A", "NXDOMAIN aa\n" SOA_NX);
	ASK_IS(*state, "x.y.b.deep.wc.example. A",
	       "NOERROR aa\nan x.y.b.deep.wc.example. 3600 A 192.0.2.12\n");
	/* the apex wildcard does not reach names that exist, nor below them */
	ASK_IS(*state, "nothere.example. TXT",
	       "NOERROR aa\nan nothere.example. 3600 TXT \"apex wildcard\"\n");
	ASK_IS(*state, "b.ent.example. TXT", "NOERROR aa\n" SOA_NX);
}

static void the_wildcard_owner_is_a_name_like_any_other(void **state)
{
	ASK_IS(*state, "*.wild.example. MX", "NOERROR aa\nan *.wild.example. 3600 MX 5 mail.wild.example.\n");
	ASK_IS(*state, "x.*.wild.example. A", "NXDOMAIN aa\n" SOA_NX);
}

static void wildcard_does_not_reach_below_a_cut(void **state)
{
	ASK_IS(*state, "x.sub.wild.example. A",
	       "NOERROR\nns sub.wild.example. 3600 NS ns.sub.wild.example.\n"
	       "ar ns.sub.wild.example. 3600 A 192.0.2.7\n");
}

/* 38: RFC 4592 4.2: step 3c copies what matches QTYPE; it makes no referral. */
static void ns_at_a_wildcard_is_data(void **state)
{
	ASK_IS(*state, "x.nswild.example. NS",
	       "NOERROR aa\nan x.nswild.example. 3600 NS ns.example.\nar ns.example. 3600 A 192.0.2.53\n");
	ASK_IS(*state, "x.nswild.example. A", "NOERROR aa\n" SOA_NX);
}

static void a_wildcard_cname_is_followed(void **state)
{
	ASK_IS(*state, "x.cwild.example. AAAA",
	       "NOERROR aa\nan x.cwild.example. 3600 CNAME www.example.\nan www.example. 3600 AAAA "
	       "2001:db8::1\n");
}

static void a_wildcard_cname_to_its_own_span_ends(void **state)
{
	ASK_IS(*state, "y.self.example. A",
	       "NOERROR aa\nan y.self.example. 3600 CNAME x.self.example.\n"
	       "an x.self.example. 3600 CNAME x.self.example.\n");
}

/* 1: RFC 1034 3.6.2; 56: RFC 6604 */
static void cname_chains_are_followed(void **state)
{
	ASK_IS(*state, "c1.example. AAAA",
	       "NOERROR aa\nan c1.example. 3600 CNAME c2.example.\nan c2.example. 3600 CNAME www.example.\n"
	       "an www.example. 3600 AAAA 2001:db8::1\n");
	ASK_IS(*state, "c1.example. CNAME", "NOERROR aa\nan c1.example. 3600 CNAME c2.example.\n");
	ASK_IS(*state, "cout.example. A", "NOERROR aa\nan cout.example. 3600 CNAME www.elsewhere.\n");
}

static void the_rcode_is_that_of_the_last_name(void **state)
{
	ASK_IS(*state, "gone.other. A",
	       "NXDOMAIN aa\nan gone.other. 60 CNAME missing.other.\n"
	       "ns other. 60 SOA ns.other. hostmaster.other. 1 7200 900 1209600 300\n");
	ASK_IS(*state, "cnodata.example. AAAA",
	       "NOERROR aa\nan cnodata.example. 3600 CNAME ns.example.\n" SOA_NX);
}

static void chains_go_through_other_zones_of_ours_and_back(void **state)
{
	ASK_IS(*state, "cother.example. TXT",
	       "NOERROR aa\nan cother.example. 3600 CNAME WWW.other.\nan WWW.other. 60 CNAME back.example.\n"
	       "an back.example. 3600 TXT \"apex wildcard\"\n");
}

static void a_chain_into_a_zone_without_content_stops_there(void **state)
{
	ASK_IS(*state, "cnotloaded.example. A",
	       "NOERROR aa\nan cnotloaded.example. 3600 CNAME www.notloaded.\n");
}

static void a_chain_below_a_cut_ends_in_a_referral(void **state)
{
	ASK_IS(*state, "ccut.example. A",
	       "NOERROR aa\nan ccut.example. 3600 CNAME www.sub.example.\n"
	       "ns sub.example. 3600 NS ns.sib.example.\nns sub.example. 3600 NS ns.sub.example.\n"
	       "ns sub.example. 3600 NS ns.elsewhere.\n"
	       "ar ns.sub.example. 3600 A 192.0.2.8\n"
	       "ar ns.sib.example. 3600 A 192.0.2.9\nar ns.sib.example. 3600 AAAA 2001:db8::9\n");
}

static void cname_loops_end(void **state)
{
	ASK_IS(*state, "l1.example. A",
	       "NOERROR aa\nan l1.example. 3600 CNAME l2.example.\nan l2.example. 3600 CNAME l1.example.\n");
	ASK_IS(*state, "lself.example. A", "NOERROR aa\nan lself.example. 3600 CNAME lself.example.\n");
}

static unsigned lines_with(const char *text, const char *prefix)
{
	unsigned cnt = 0;

	for (const char *p = text; p != NULL && *p != '\0'; p = strchr(p, '\n'), p = p == NULL ? NULL : p + 1)
		cnt += strncmp(p, prefix, strlen(prefix)) == 0;
	return cnt;
}

static void a_chain_is_cut_at_the_limit_and_counted(void **state)
{
	struct ask_world *w = *state;
	uint64_t before[ANSWER_COUNTER_CNT], after[ANSWER_COUNTER_CNT];
	const char *text;

	answer_counters(w->engine, before);
	text = ask(w, "chain0.big.test. A");
	answer_counters(w->engine, after);
	assert_int_equal(lines_with(text, "an "), 17);
	assert_int_equal(lines_with(text, "NOERROR aa\n"), 1);
	assert_int_equal(after[ANSWER_CNT_cname_limit], before[ANSWER_CNT_cname_limit] + 1);
	/* one name less is answered to the end */
	text = ask(w, "chain24.big.test. A");
	assert_int_equal(lines_with(text, "an chain40.big.test. 60 A 192.0.2.2"), 1);
}

/* 1, 3: RFC 1034 4.2.1; 88, 89: RFC 9471 3 */
static void a_name_at_or_below_a_cut_is_referred_with_glue(void **state)
{
	static const char referral[] =
		"NOERROR\n"
		"ns sub.example. 3600 NS ns.sib.example.\nns sub.example. 3600 NS ns.sub.example.\n"
		"ns sub.example. 3600 NS ns.elsewhere.\n"
		"ar ns.sub.example. 3600 A 192.0.2.8\n"
		"ar ns.sib.example. 3600 A 192.0.2.9\nar ns.sib.example. 3600 AAAA 2001:db8::9\n";

	ASK_IS(*state, "sub.example. A", referral);
	ASK_IS(*state, "sub.example. NS", referral);
	ASK_IS(*state, "sub.example. ANY", referral);
	ASK_IS(*state, "a.b.c.sub.example. MX", referral);
	/* glue is not authoritative data */
	ASK_IS(*state, "ns.sub.example. A", referral);
	ASK_IS(*state, "www.sub.example. A", referral);
	ASK_IS(*state, "x.ext.example. A", "NOERROR\nns ext.example. 3600 NS ns.elsewhere.\n");
}

/* 32: RFC 4035 3.1.4 */
static void a_referral_with_do_carries_a_signed_ds(void **state)
{
	ASK_IS(*state, "x.signed.example. A do",
	       "NOERROR\nns signed.example. 3600 NS ns.elsewhere.\nns signed.example. 3600 DS 1 8 2 "
	       "0000000000000000000000000000000000000000000000000000000000000000\n"
	       "ns signed.example. 3600 RRSIG DS 8 2 3600 20370101000000 20260101000000 1 example. AQAB\n"
	       "opt 1232 do\n");
	ASK_IS(*state, "x.halfway.example. A do",
	       "NOERROR\nns halfway.example. 3600 NS ns.elsewhere.\nopt 1232 do\n");
	ASK_IS(*state, "x.signed.example. A edns",
	       "NOERROR\nns signed.example. 3600 NS ns.elsewhere.\nopt 1232\n");
}

/* 33: RFC 4035 3.1.4.1 */
static void ds_at_a_cut_is_the_parents_to_answer(void **state)
{
	ASK_IS(*state, "signed.example. DS",
	       "NOERROR aa\nan signed.example. 3600 DS 1 8 2 "
	       "0000000000000000000000000000000000000000000000000000000000000000\n");
	ASK_IS(*state, "sub.example. DS", "NOERROR aa\n" SOA_NX);
	ASK_IS(*state, "x.sub.example. DS",
	       "NOERROR\nns sub.example. 3600 NS ns.sib.example.\nns sub.example. 3600 NS ns.sub.example.\n"
	       "ns sub.example. 3600 NS ns.elsewhere.\n"
	       "ar ns.sub.example. 3600 A 192.0.2.8\n"
	       "ar ns.sib.example. 3600 A 192.0.2.9\nar ns.sib.example. 3600 AAAA 2001:db8::9\n");
}

static void ds_at_an_apex_comes_from_the_parent_if_that_is_ours(void **state)
{
	ASK_IS(*state, "child.example. DS",
	       "NOERROR aa\nan child.example. 3600 DS 2 8 2 "
	       "1111111111111111111111111111111111111111111111111111111111111111\n");
	ASK_IS(*state, "www.child.example. A", "NOERROR aa\nan www.child.example. 60 A 192.0.2.13\n");
	ASK_IS(*state, "child.example. NS",
	       "NOERROR aa\nan child.example. 60 NS ns.child.example.\nar ns.child.example. 60 A "
	       "192.0.2.10\n");
}

static void ds_at_an_apex_whose_parent_is_not_ours_is_the_childs_nodata(void **state)
{
	ASK_IS(*state, "only.child.test. DS",
	       "NOERROR aa\nns only.child.test. 60 SOA ns.only.child.test. hostmaster.only.child.test. 1 "
	       "7200 900 "
	       "1209600 300\n");
	/* example. is ours and above, but the parent is sub.example., which is not */
	ASK_IS(*state, "lost.sub.example. DS",
	       "NOERROR aa\nns lost.sub.example. 60 SOA ns.lost.sub.example. hostmaster.lost.sub.example. 1 "
	       "7200 900 "
	       "1209600 300\n");
}

/* 57: RFC 6672 */
static void dname_substitutes_and_synthesizes_a_cname_with_its_ttl(void **state)
{
	ASK_IS(*state, "WWW.dn.example. A",
	       "NOERROR aa\nan dn.example. 3600 DNAME target.example.\n"
	       "an WWW.dn.example. 3600 CNAME WWW.target.example.\nan WWW.target.example. 3600 A "
	       "192.0.2.11\n");
	ASK_IS(*state, "cdname.example. A",
	       "NXDOMAIN aa\nan cdname.example. 3600 CNAME a.dn.example.\nan dn.example. 3600 DNAME "
	       "target.example.\n"
	       "an a.dn.example. 3600 CNAME a.target.example.\n" SOA_NX);
}

static void the_dname_owner_itself_is_not_substituted(void **state)
{
	ASK_IS(*state, "dn.example. TXT", "NOERROR aa\nan dn.example. 3600 TXT \"owner\"\n");
	ASK_IS(*state, "dn.example. DNAME", "NOERROR aa\nan dn.example. 3600 DNAME target.example.\n");
	ASK_IS(*state, "dn.example. A", "NOERROR aa\n" SOA_NX);
}

/* As for a CNAME that is stored: it is the answer to its own type. */
static void a_synthesized_cname_answers_the_question_for_it(void **state)
{
	ASK_IS(*state, "www.dn.example. CNAME",
	       "NOERROR aa\nan dn.example. 3600 DNAME target.example.\n"
	       "an www.dn.example. 3600 CNAME www.target.example.\n");
	ASK_IS(*state, "gone.dn.example. ANY",
	       "NOERROR aa\nan dn.example. 3600 DNAME target.example.\n"
	       "an gone.dn.example. 3600 CNAME gone.target.example.\n");
}

static void data_below_a_dname_are_occluded(void **state)
{
	ASK_IS(*state, "hidden.dn.example. A",
	       "NXDOMAIN aa\nan dn.example. 3600 DNAME target.example.\n"
	       "an hidden.dn.example. 3600 CNAME hidden.target.example.\n" SOA_NX);
}

static void a_dname_to_the_root_drops_the_suffix(void **state)
{
	ASK_IS(*state, "www.elsewhere.dnroot.example. A",
	       "NOERROR aa\nan dnroot.example. 3600 DNAME .\n"
	       "an www.elsewhere.dnroot.example. 3600 CNAME www.elsewhere.\n");
}

static void a_dname_into_another_zone_is_followed(void **state)
{
	ASK_IS(*state, "x.alias.other. A",
	       "NOERROR aa\nan alias.other. 60 DNAME wild.example.\nan x.alias.other. 60 CNAME "
	       "x.wild.example.\n"
	       "an x.wild.example. 3600 A 192.0.2.6\n");
}

static void a_dname_at_an_apex_is_for_all_names_below_it(void **state)
{
	ASK_IS(*state, "www.moved.test. AAAA",
	       "NOERROR aa\nan moved.test. 60 DNAME example.\nan www.moved.test. 60 CNAME www.example.\n"
	       "an www.example. 3600 AAAA 2001:db8::1\n");
	ASK_IS(*state, "moved.test. NS", "NOERROR aa\nan moved.test. 60 NS ns.elsewhere.\n");
}

static void a_dname_that_makes_the_name_too_long_is_yxdomain(void **state)
{
	static const char yxdomain[] = "YXDOMAIN aa\nan dlong.example. 3600 DNAME " LABEL_50 "." LABEL_50
				       "." LABEL_50 "." LABEL_50 ".example.\n";
	const char *text;

	ASK_IS(*state, LABEL_50 ".dlong.example. A", yxdomain);
	ASK_IS(*state, LABEL_41 "x.dlong.example. A", yxdomain);
	/* 255 octets */
	text = ask(*state, LABEL_41 ".dlong.example. A");
	assert_int_equal(lines_with(text, "NOERROR aa"), 1);
	assert_int_equal(lines_with(text, "an " LABEL_41 ".dlong.example. 3600 CNAME " LABEL_41 "." LABEL_50),
			 1);
}

static void a_dname_onto_itself_ends(void **state)
{
	const char *text = ask(*state, "a.dself.example. A tcp");

	assert_int_equal(lines_with(text, "NOERROR aa\n"), 1);
	assert_int_equal(lines_with(text, "an dself.example. 3600 DNAME x.dself.example."), 1);
	assert_int_equal(lines_with(text, "an a."), 17);
}

/* 7: RFC 2181 9; 63: RFC 6891 6.2.3 */
static void an_answer_that_does_not_fit_is_truncated_and_empty(void **state)
{
	ASK_IS(*state, "forty.big.test. A", "NOERROR aa tc\n");
	ASK_IS(*state, "forty.big.test. A edns=512", "NOERROR aa tc\nopt 1232\n");
	assert_int_equal(lines_with(ask(*state, "forty.big.test. A edns=1232"), "an "), 40);
	assert_int_equal(lines_with(ask(*state, "forty.big.test. A tcp"), "an "), 40);
}

static void a_size_below_512_counts_as_512(void **state)
{
	ASK_IS(*state, "short.example. A edns=0", "NOERROR aa\nan short.example. 60 A 192.0.2.5\nopt 1232\n");
}

static void our_own_maximum_bounds_what_the_client_takes(void **state)
{
	struct ask_world *w = *state;
	struct answer_config small = {.udp_payload_max = {512, 512}};

	answer_engine_set_config(w->engine, &small);
	ASK_IS(w, "forty.big.test. A edns=4096", "NOERROR aa tc\nopt 512\n");
	answer_engine_set_config(w->engine, &w->config);
	ASK_IS(w, "huge.big.test. TXT edns=65535", "NOERROR aa tc\nopt 1232\n");
}

static void ipv4_and_ipv6_have_a_maximum_each(void **state)
{
	struct ask_world *w = *state;
	struct answer_config each = {.udp_payload_max = {512, 1232}};

	answer_engine_set_config(w->engine, &each);
	ASK_IS(w, "forty.big.test. A edns=4096", "NOERROR aa tc\nopt 512\n");
	ASK_IS(w, "short.example. A edns do", "NOERROR aa\nan short.example. 60 A 192.0.2.5\nopt 512 do\n");
	w->family = 6;
	assert_int_equal(lines_with(ask(w, "forty.big.test. A edns=4096"), "an "), 40);
	ASK_IS(w, "short.example. A edns do", "NOERROR aa\nan short.example. 60 A 192.0.2.5\nopt 1232 do\n");
	ASK_IS(w, "short.example. A edns version=1", "BADVERS\nopt 1232\n");
	w->family = 4;
	answer_engine_set_config(w->engine, &w->config);
}

static void additional_addresses_never_truncate(void **state)
{
	const char *text = ask(*state, "many.big.test. MX edns=900");

	assert_int_equal(lines_with(text, "NOERROR aa\n"), 1);
	assert_int_equal(lines_with(text, "an "), 40);
	assert_true(lines_with(text, "ar ") < 4);
}

/* CVE-2024-11187 */
static void the_work_for_additional_addresses_is_bounded(void **state)
{
	const char *text = ask(*state, "many.big.test. MX tcp");

	assert_int_equal(lines_with(text, "an "), 40);
	assert_int_equal(lines_with(text, "ar "), 32);
	/* Names without an address cost a lookup too. */
	assert_int_equal(lines_with(ask(*state, "mute.big.test. MX tcp"), "ar "), 0);
}

/* 88: RFC 9471 3.1 */
static void in_domain_glue_that_does_not_fit_truncates(void **state)
{
	ASK_IS(*state, "www.zone.big.test. A edns=1232", "NOERROR tc\nopt 1232\n");
	assert_int_equal(lines_with(ask(*state, "www.zone.big.test. A tcp"), "ar n"), 40);
}

/* 89: RFC 9471 3.2 */
static void sibling_glue_that_does_not_fit_is_left_out(void **state)
{
	const char *text = ask(*state, "www.sibs.big.test. A edns=1000");

	assert_int_equal(lines_with(text, "NOERROR\n"), 1);
	assert_int_equal(lines_with(text, "ns "), 40);
}

/* 28: RFC 3597 */
static void unknown_types_are_answered(void **state)
{
	ASK_IS(*state, "unknown.example. TYPE65280",
	       "NOERROR aa\nan unknown.example. 3600 TYPE65280 \\# 3 010203\n");
	ASK_IS(*state, "unknown.example. TYPE65281", "NOERROR aa\n" SOA_NX);
	ASK_IS(*state, "unknown.example. TYPE65535", "NOERROR aa\n" SOA_NX);
}

/* 70: RFC 8482 4.1 */
static void any_gets_one_set_over_udp_and_all_over_tcp(void **state)
{
	ASK_IS(*state, "www.example. ANY", "NOERROR aa\nan www.example. 3600 AAAA 2001:db8::1\n");
	ASK_IS(*state, "www.example. ANY tcp",
	       "NOERROR aa\nan www.example. 3600 A 192.0.2.1\nan www.example. 3600 A 192.0.2.2\n"
	       "an www.example. 3600 AAAA 2001:db8::1\n");
	ASK_IS(*state, "c1.example. ANY", "NOERROR aa\nan c1.example. 3600 CNAME c2.example.\n");
	ASK_IS(*state, "x.wild.example. ANY tcp",
	       "NOERROR aa\nan x.wild.example. 3600 A 192.0.2.6\nan x.wild.example. 3600 MX 5 "
	       "mail.wild.example.\n");
	ASK_IS(*state, "x.www.example. ANY", "NXDOMAIN aa\n" SOA_NX);
}

/* The builder lets no single set be too large, but all of a name together may be. */
static void any_over_tcp_leaves_out_what_does_not_fit(void **state)
{
	const char *text = ask(*state, "huge.big.test. ANY tcp");

	assert_int_equal(lines_with(text, "NOERROR aa\n"), 1);
	assert_int_equal(lines_with(text, "an "), 282);
}

/* 98: RFC 6895, 53: RFC 5936 4.2, RFC 1995 4 */
static void meta_types_are_refused_in_the_way_of_each(void **state)
{
	ASK_IS(*state, "www.example. TYPE41", "FORMERR\n");
	ASK_IS(*state, "www.example. TYPE249", "FORMERR\n");
	ASK_IS(*state, "www.example. TYPE250", "FORMERR\n");
	ASK_IS(*state, "www.example. TYPE128", "FORMERR\n");
	ASK_IS(*state, "www.example. TYPE253", "NOTIMPL\n");
	ASK_IS(*state, "www.example. TYPE254", "NOTIMPL\n");
	ASK_IS(*state, "example. AXFR", "NOTIMPL\n");
	ASK_IS(*state, "example. IXFR",
	       "NOERROR aa\nan example. 3600 SOA ns.example. hostmaster.example. 5 7200 900 1209600 300\n");
}

static void transfers_over_tcp_go_to_the_transfer_server_untouched(void **state)
{
	struct ask_world *w = *state;
	enum answer_transport transport;
	size_t len = ask_request("example. AXFR tcp", w->request, &transport);

	assert_string_equal(ask(w, "example. AXFR tcp"), "transfer");
	assert_int_equal(w->len, len);
	assert_memory_equal(w->msg, w->request, len);
	assert_string_equal(ask(w, "example. IXFR tcp"), "transfer");
}

/* Every type, over every name that is in some way special: an answer, and never a crash. */
static void every_qtype_is_answered(void **state)
{
	static const char *const names[] = {"example.",	       "www.example.",	 "sub.example.",
					    "x.wild.example.", "c1.example.",	 "a.dn.example.",
					    "b.ent.example.",  "missing.other.", "."};
	struct ask_world *w = *state;
	char question[64];

	for (unsigned type = 0; type < 65536; type++)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			enum answer_transport transport;
			size_t len;

			if (i > 0 && type > 300 && type % 251 != 0)
				continue;
			snprintf(question, sizeof(question), "%s A%s", names[i], type % 2 == 0 ? " do" : "");
			len = ask_request(question, w->request, &transport);
			wire_store16(w->request + 12 + name_len(w->request + 12), (uint16_t)type);
			ask_octets(w, w->request, len, transport);
			assert_int_equal(w->verdict, ANSWER_SEND);
		}
}

/* 61: RFC 6891 6.1.3 */
static void a_newer_edns_version_is_badvers_without_data(void **state)
{
	ASK_IS(*state, "www.example. A version=1", "BADVERS\nopt 1232\n");
	ASK_IS(*state, "www.example. A version=255 do", "BADVERS\nopt 1232 do\n");
}

/* 60, 62: RFC 6891 6.1.1, 6.1.2; 27: RFC 3225 3; 73: RFC 8906 3.2; 39: RFC 5001 2; 66: RFC 7828 3.2.2 */
static void opt_is_answered_with_opt_and_nothing_unknown_is_echoed(void **state)
{
	ASK_IS(*state, "short.example. A edns", "NOERROR aa\nan short.example. 60 A 192.0.2.5\nopt 1232\n");
	ASK_IS(*state, "short.example. A do", "NOERROR aa\nan short.example. 60 A 192.0.2.5\nopt 1232 do\n");
	ASK_IS(*state, "short.example. A option=65001:0102 option=3 option=11 option=100:ff",
	       "NOERROR aa\nan short.example. 60 A 192.0.2.5\nopt 1232\n");
}

/* 74: RFC 8914 3 */
static void foreign_names_are_refused(void **state)
{
	ASK_IS(*state, "www.elsewhere. A", "REFUSED\n");
	ASK_IS(*state, "www.elsewhere. A edns", "REFUSED\nopt 1232 ede=20 \n");
	ASK_IS(*state, ". NS rd edns", "REFUSED rd\nopt 1232 ede=20 \n");
	ASK_IS(*state, ". DS", "REFUSED\n");
	ASK_IS(*state, "test. SOA", "REFUSED\n");
}

static void a_zone_without_content_is_servfail_and_says_why(void **state)
{
	ASK_IS(*state, "www.notloaded. A", "SERVFAIL\n");
	ASK_IS(*state, "www.notloaded. A edns",
	       "SERVFAIL\nopt 1232 ede=14 Zone has not been transferred yet\n");
	ASK_IS(*state, "expired. SOA", "SERVFAIL\n");
	ASK_IS(*state, "expired. SOA edns do", "SERVFAIL\nopt 1232 do ede=24 Zone has expired\n");
}

/* 72: RFC 8906 3.1.4; 20: RFC 2136; 71: RFC 8490 5 */
static void unknown_opcodes_are_notimp(void **state)
{
	char question[64];

	for (unsigned opcode = 1; opcode < 16; opcode++) {
		if (opcode == DNS_OPCODE_NOTIFY)
			continue;
		snprintf(question, sizeof(question), "www.example. A rd opcode=%u", opcode);
		ASK_IS(*state, question, "NOTIMPL rd\n");
	}
}

static void notify_is_left_for_the_control_loop(void **state)
{
	struct ask_world *w = *state;
	enum answer_transport transport;
	size_t len = ask_request("example. SOA opcode=4", w->request, &transport);

	assert_string_equal(ask(w, "example. SOA opcode=4"), "notify");
	assert_int_equal(w->len, len);
	assert_memory_equal(w->msg, w->request, len);
}

/* PowerDNS CVE-2012-0206 and others: two servers must not talk for ever */
static void responses_and_runts_are_met_with_silence(void **state)
{
	uint8_t msg[DNS_HEADER_LEN] = {0};

	for (unsigned len = 0; len < DNS_HEADER_LEN; len++)
		assert_string_equal(ask_octets(*state, msg, len, ANSWER_UDP), "silence");
	for (unsigned flags = 0x80; flags < 0x100; flags++) {
		msg[2] = (uint8_t)flags;
		assert_string_equal(ask_octets(*state, msg, sizeof(msg), ANSWER_UDP), "silence");
	}
}

/* 91: RFC 9619 4 */
static void question_counts_other_than_one_are_formerr(void **state)
{
	uint8_t none[] = {0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	uint8_t two[] = {0, 1, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1};

	assert_string_equal(ask_octets(*state, none, sizeof(none), ANSWER_UDP), "FORMERR rd\n");
	assert_string_equal(ask_octets(*state, two, sizeof(two), ANSWER_UDP), "FORMERR rd\n");
}

/* 60: RFC 6891 6.1.1: the question could be read, so it is echoed, and so could EDNS */
static void a_second_opt_is_formerr(void **state)
{
	uint8_t msg[] = {0,  1, 0,   0, 0, 1, 0, 0, 0, 0, 0, 2,	 1, 'X', 0, 0, 1, 0, 1, 0, 0,
			 41, 4, 208, 0, 0, 0, 0, 0, 0, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0};

	assert_string_equal(ask_octets(*state, msg, sizeof(msg), ANSWER_UDP), "FORMERR\nopt 1232\n");
}

/* 76: RFC 8945 5.2.1: we have no keys, so every one is unknown */
static void a_signed_query_is_notauth_badkey_unsigned(void **state)
{
	uint8_t msg[] = {0, 1,	0,  0,	 0,   1,   0,	0,   0,	  0,	0,    1,    1,	 'X', 0, 0,
			 1, 0,	1,  3,	 'K', 'e', 'y', 0,   0,	  250,	0,    255,  0,	 0,   0, 0,
			 0, 30, 11, 'h', 'm', 'a', 'c', '-', 's', 'h',	'a',  '2',  '5', '6', 0, 0,
			 0, 1,	2,  3,	 4,   1,   44,	0,   1,	  0xAA, 0x77, 0x77, 0,	 0,   0, 0};
	const char *text;

	text = ask_octets(*state, msg, sizeof(msg), ANSWER_UDP);
	assert_int_equal(strncmp(text, "NOTAUTH\nar Key. 0 ANY TSIG hmac-sha256. ", 40), 0);
	assert_non_null(strstr(text, " 300 0 "));
	assert_non_null(strstr(text, " 17 0"));
}

/* CVE-2015-8000 class: classes other than IN */
static void other_classes_are_refused_and_class_any_claims_no_authority(void **state)
{
	ASK_IS(*state, "www.example. AAAA ANY", "NOERROR\nan www.example. 3600 AAAA 2001:db8::1\n");
	ASK_IS(*state, "www.example. MX ANY", "NOERROR\n");
	ASK_IS(*state, "www.example. AAAA HS", "REFUSED\n");
	ASK_IS(*state, "www.example. AAAA NONE edns", "REFUSED\nopt 1232 ede=21 Class is not served\n");
	ASK_IS(*state, "www.example. AAAA CLASS0", "REFUSED\n");
	ASK_IS(*state, "www.example. AAAA CH", "REFUSED\n");
}

/* 31: RFC 4035 3.1.3.1 to 3.1.3.4, 27: RFC 3225 3 */
static void missing_data_are_proven_with_nsec_if_do_is_set(void **state)
{
	ASK_IS(*state, "b.nsec.test. MX do",
	       "NOERROR aa\n" NSEC_SOA "ns b.nsec.test. 60 NSEC cut.nsec.test. A NSEC\nopt 1232 do\n");
	ASK_IS(*state, "a.nsec.test. A do",
	       "NXDOMAIN aa\n" NSEC_SOA "ns nsec.test. 60 NSEC b.nsec.test. NS SOA NSEC\nopt 1232 do\n");
	ASK_IS(*state, "d.nsec.test. A do",
	       "NXDOMAIN aa\n" NSEC_SOA "ns cut.nsec.test. 60 NSEC *.w.nsec.test. NS NSEC\n"
	       "ns nsec.test. 60 NSEC b.nsec.test. NS SOA NSEC\nopt 1232 do\n");
	ASK_IS(*state, "x.w.nsec.test. MX do",
	       "NOERROR aa\n" NSEC_SOA "ns *.w.nsec.test. 60 NSEC nsec.test. A NSEC\nopt 1232 do\n");
	ASK_IS(*state, "w.nsec.test. A do",
	       "NOERROR aa\n" NSEC_SOA "ns cut.nsec.test. 60 NSEC *.w.nsec.test. NS NSEC\nopt 1232 do\n");
	ASK_IS(*state, "b.nsec.test. MX edns",
	       "NOERROR aa\nns nsec.test. 60 SOA ns.nsec.test. h.nsec.test. 1 2 3 4 60\nopt 1232\n");
}

static void a_wildcard_answer_proves_that_nothing_closer_exists(void **state)
{
	ASK_IS(*state, "x.w.nsec.test. A do",
	       "NOERROR aa\nan x.w.nsec.test. 60 A 192.0.2.2\n"
	       "an x.w.nsec.test. 60 RRSIG A 8 2 60 20370101000000 20260101000000 1 nsec.test. AQAB\n"
	       "ns *.w.nsec.test. 60 NSEC nsec.test. A NSEC\nopt 1232 do\n");
}

/* 32: RFC 4035 3.1.4 */
static void a_referral_without_ds_proves_that_there_is_none(void **state)
{
	ASK_IS(*state, "x.cut.nsec.test. A do",
	       "NOERROR\nns cut.nsec.test. 60 NS ns.elsewhere.\n"
	       "ns cut.nsec.test. 60 NSEC *.w.nsec.test. NS NSEC\nopt 1232 do\n");
}

/* 95: RFC 4892 */
static void identity_and_version_are_told_if_configured(void **state)
{
	struct ask_world *w = *state;
	struct answer_config told = {.udp_payload_max = {1232, 1232},
				     .identity_len = 4,
				     .version_len = 3,
				     .identity = "box1",
				     .version = "1.0"};

	ASK_IS(w, "id.server. TXT CH", "REFUSED\n");
	ASK_IS(w, "version.bind. TXT CH edns", "REFUSED\nopt 1232\n");
	answer_engine_set_config(w->engine, &told);
	ASK_IS(w, "ID.server. TXT CH", "NOERROR\nan ID.server. 0 CH TXT \"box1\"\n");
	ASK_IS(w, "hostname.bind. TXT CH edns", "NOERROR\nan hostname.bind. 0 CH TXT \"box1\"\nopt 1232\n");
	ASK_IS(w, "version.bind. TXT CH", "NOERROR\nan version.bind. 0 CH TXT \"1.0\"\n");
	ASK_IS(w, "version.server. ANY CH", "NOERROR\nan version.server. 0 CH TXT \"1.0\"\n");
	ASK_IS(w, "version.bind. A CH", "REFUSED\n");
	ASK_IS(w, "authors.bind. TXT CH", "REFUSED\n");
	ASK_IS(w, "version.bind. TXT", "REFUSED\n");
	answer_engine_set_config(w->engine, &w->config);
}

/* A burst is answered as its members would be one by one, whatever stands beside them. */
static void a_burst_gives_the_same_answers_as_single_requests(void **state)
{
	static const char *const questions[] = {
		"www.example. A",	 "missing.other. A",
		"www.elsewhere. A edns", "sub.example. A do",
		"x.wild.example. MX",	 "www.notloaded. A",
		"example. AXFR tcp",	 "c1.example. AAAA",
		"a.dn.example. A",	 "child.example. DS",
		"lost.sub.example. DS",	 "version.bind. TXT CH",
		"chain0.big.test. A",	 "x.www.example. A opcode=2",
		"example. SOA opcode=4", "www.example. AAAA version=1",
	};
	enum { CNT = sizeof(questions) / sizeof(questions[0]), ROOM = 4096 };
	struct ask_world *w = *state;
	struct answer_job job[ANSWER_BURST_MAX], *jobs[ANSWER_BURST_MAX];
	uint8_t *octets = malloc((size_t)ANSWER_BURST_MAX * ROOM);
	enum answer_transport transport;

	assert_non_null(octets);
	for (unsigned i = 0; i < ANSWER_BURST_MAX; i++) {
		size_t len = ask_request(questions[i % CNT], w->request, &transport);

		memcpy(octets + i * ROOM, w->request, len);
		job[i] = (struct answer_job){.msg = octets + i * ROOM,
					     .len = (uint32_t)len,
					     .cap = ROOM,
					     .transport = (uint8_t)transport};
		jobs[i] = &job[i];
	}
	answer_burst(w->engine, jobs, ANSWER_BURST_MAX);
	for (unsigned i = 0; i < ANSWER_BURST_MAX; i++) {
		ask(w, questions[i % CNT]);
		assert_int_equal(job[i].verdict, w->verdict);
		assert_int_equal(job[i].len, w->len);
		assert_memory_equal(job[i].msg, w->msg, w->len);
	}
	free(octets);
}

static void every_response_is_counted_once(void **state)
{
	struct ask_world *w = *state;
	uint64_t before[ANSWER_COUNTER_CNT], after[ANSWER_COUNTER_CNT];

	answer_counters(w->engine, before);
	ask(w, "www.example. A");
	ask(w, "www.example. MX");
	ask(w, "missing.other. A tcp");
	ask(w, "www.sub.example. A");
	ask(w, "www.expired. A");
	ask(w, "www.elsewhere. A");
	ask(w, "forty.big.test. A");
	answer_counters(w->engine, after);
#define GREW(name) ((int)(after[ANSWER_CNT_##name] - before[ANSWER_CNT_##name]))
	assert_int_equal(GREW(queries_udp), 6);
	assert_int_equal(GREW(queries_tcp), 1);
	assert_int_equal(GREW(noerror), 4);
	assert_int_equal(GREW(nodata), 1);
	assert_int_equal(GREW(referral), 1);
	assert_int_equal(GREW(nxdomain), 1);
	assert_int_equal(GREW(servfail), 1);
	assert_int_equal(GREW(servfail_expired), 1);
	assert_int_equal(GREW(refused), 1);
	assert_int_equal(GREW(truncated), 1);
#undef GREW
}

/* No octet of the response but those that were written comes from the buffer. */
static void a_response_does_not_leak_what_the_buffer_held(void **state)
{
	static const char *const questions[] = {"www.example. A do",	"www.sub.example. A edns",
						"x.www.example. A",	"c1.example. AAAA",
						"a.dn.example. A edns", "www.notloaded. A do"};
	struct ask_world *w = *state;
	uint8_t first[2048];

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		memset(w->msg, 0xA5, sizeof(first));
		ask(w, questions[i]);
		assert_true(w->len <= sizeof(first));
		memcpy(first, w->msg, w->len);
		memset(w->msg, 0x5A, sizeof(first));
		ask(w, questions[i]);
		assert_memory_equal(w->msg, first, w->len);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test(name)
		TEST(an_existing_set_is_answered_whole_and_alone),
		TEST(the_question_is_matched_without_case_and_echoed_with_it),
		TEST(only_rd_is_copied_from_the_request),
		TEST(a_missing_type_is_nodata_with_a_short_lived_soa),
		TEST(the_negative_ttl_is_never_longer_than_the_soa_ttl),
		TEST(a_name_that_does_not_exist_is_nxdomain),
		TEST(an_empty_non_terminal_exists),
		TEST(apex_sets_are_answered_with_addresses_of_their_targets),
		TEST(one_target_named_twice_gets_its_addresses_once),
		TEST(srv_and_svcb_targets_get_their_addresses),
		TEST(a_wildcard_answers_with_the_question_name_as_owner),
		TEST(a_wildcard_without_the_type_is_nodata),
		TEST(an_existing_name_or_empty_non_terminal_blocks_the_wildcard),
		TEST(the_wildcard_owner_is_a_name_like_any_other),
		TEST(wildcard_does_not_reach_below_a_cut),
		TEST(ns_at_a_wildcard_is_data),
		TEST(a_wildcard_cname_is_followed),
		TEST(a_wildcard_cname_to_its_own_span_ends),
		TEST(cname_chains_are_followed),
		TEST(the_rcode_is_that_of_the_last_name),
		TEST(chains_go_through_other_zones_of_ours_and_back),
		TEST(a_chain_into_a_zone_without_content_stops_there),
		TEST(a_chain_below_a_cut_ends_in_a_referral),
		TEST(cname_loops_end),
		TEST(a_chain_is_cut_at_the_limit_and_counted),
		TEST(a_name_at_or_below_a_cut_is_referred_with_glue),
		TEST(a_referral_with_do_carries_a_signed_ds),
		TEST(ds_at_a_cut_is_the_parents_to_answer),
		TEST(ds_at_an_apex_comes_from_the_parent_if_that_is_ours),
		TEST(ds_at_an_apex_whose_parent_is_not_ours_is_the_childs_nodata),
		TEST(dname_substitutes_and_synthesizes_a_cname_with_its_ttl),
		TEST(the_dname_owner_itself_is_not_substituted),
		TEST(a_synthesized_cname_answers_the_question_for_it),
		TEST(data_below_a_dname_are_occluded),
		TEST(a_dname_to_the_root_drops_the_suffix),
		TEST(a_dname_into_another_zone_is_followed),
		TEST(a_dname_at_an_apex_is_for_all_names_below_it),
		TEST(a_dname_that_makes_the_name_too_long_is_yxdomain),
		TEST(a_dname_onto_itself_ends),
		TEST(an_answer_that_does_not_fit_is_truncated_and_empty),
		TEST(a_size_below_512_counts_as_512),
		TEST(our_own_maximum_bounds_what_the_client_takes),
		TEST(ipv4_and_ipv6_have_a_maximum_each),
		TEST(additional_addresses_never_truncate),
		TEST(the_work_for_additional_addresses_is_bounded),
		TEST(in_domain_glue_that_does_not_fit_truncates),
		TEST(sibling_glue_that_does_not_fit_is_left_out),
		TEST(unknown_types_are_answered),
		TEST(any_gets_one_set_over_udp_and_all_over_tcp),
		TEST(any_over_tcp_leaves_out_what_does_not_fit),
		TEST(meta_types_are_refused_in_the_way_of_each),
		TEST(transfers_over_tcp_go_to_the_transfer_server_untouched),
		TEST(every_qtype_is_answered),
		TEST(a_newer_edns_version_is_badvers_without_data),
		TEST(opt_is_answered_with_opt_and_nothing_unknown_is_echoed),
		TEST(foreign_names_are_refused),
		TEST(a_zone_without_content_is_servfail_and_says_why),
		TEST(unknown_opcodes_are_notimp),
		TEST(notify_is_left_for_the_control_loop),
		TEST(responses_and_runts_are_met_with_silence),
		TEST(question_counts_other_than_one_are_formerr),
		TEST(a_second_opt_is_formerr),
		TEST(a_signed_query_is_notauth_badkey_unsigned),
		TEST(other_classes_are_refused_and_class_any_claims_no_authority),
		TEST(missing_data_are_proven_with_nsec_if_do_is_set),
		TEST(a_wildcard_answer_proves_that_nothing_closer_exists),
		TEST(a_referral_without_ds_proves_that_there_is_none),
		TEST(identity_and_version_are_told_if_configured),
		TEST(a_burst_gives_the_same_answers_as_single_requests),
		TEST(every_response_is_counted_once),
		TEST(a_response_does_not_leak_what_the_buffer_held),
	};

	return cmocka_run_group_tests_name("answer", tests, setup, teardown);
}
