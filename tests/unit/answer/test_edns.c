/*
 * EDNS options and rate limits through the whole engine: what is answered to whom, in how many octets.
 */
#include "tests/unit/answer/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define NOW UINT32_C(1559731985)

/* RFC 9018 A.1 and A.2. */
#define SECRET                                                                                            \
	{                                                                                                 \
		0xe5, 0xe9, 0x73, 0xe5, 0xa6, 0xb2, 0xa4, 0x3f, 0x48, 0xe7, 0xdc, 0x84, 0x9e, 0x37, 0xbf, \
			0xcf                                                                              \
	}
#define COOKIE_CLIENT "2464c4abcf10c957"
#define COOKIE_LEARNT COOKIE_CLIENT "010000005cf79f111f8130c3eee29480"
#define COOKIE_LATER  COOKIE_CLIENT "010000005cf7a871d4a564a1442aca77"
#define COOKIE_FALSE  COOKIE_CLIENT "010000005cf79f110000000000000000"

static const char zone[] =
	"$ORIGIN example.\n$TTL 3600\n"
	"@ SOA ns h 7 3600 600 86400 300\n"
	"@ NS ns\n"
	"ns A 192.0.2.53\n"
	"www A 192.0.2.1\n"
	"sub NS ns.sub\n"
	"ns.sub A 192.0.2.54\n"
	"txt TXT \"0123456789012345678901234567890123456789012345678901234567890123456789\"\n";

#define WWW "an www.example. 3600 A 192.0.2.1\n"

struct fixture {
	struct ask_world w;
	struct answer_config config;
	uint32_t slot;
};

static void set_time(struct fixture *f, uint32_t wall_s, uint64_t monotonic_us)
{
	struct answer_time now = {.wall_s = wall_s, .monotonic_us = monotonic_us};

	answer_engine_set_time(f->w.engine, &now);
}

static struct fixture *start(const struct answer_config *config)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	ask_world_init(&f->w);
	f->slot = ask_add_zone(&f->w, "example.", zone);
	f->config = *config;
	answer_engine_free(f->w.engine);
	f->w.engine = answer_engine_new(f->w.zones, &f->config);
	assert_non_null(f->w.engine);
	set_time(f, NOW, 1000000);
	memcpy(f->w.client, (const uint8_t[]){198, 51, 100, 100}, 4);
	return f;
}

static void end(struct fixture *f)
{
	ask_world_fini(&f->w);
	free(f);
}

static struct answer_config plain(void)
{
	return (struct answer_config){
		.udp_payload_max = {ANSWER_UDP_PAYLOAD_DEFAULT, ANSWER_UDP_PAYLOAD_DEFAULT}};
}

static struct answer_config with_cookies(bool demand)
{
	struct answer_config config = plain();

	config.edns.cookie = (struct cookie_config){.secret_cnt = 1, .demand = demand, .secret = {SECRET}};
	return config;
}

static uint64_t counter(const struct fixture *f, enum answer_counter which)
{
	uint64_t v[ANSWER_COUNTER_CNT];

	answer_counters(f->w.engine, v);
	return v[which];
}

static void nsid_is_told_if_asked_for_and_configured(void **state)
{
	struct answer_config config = plain();
	struct fixture *f = start(&config);

	ASK_IS(&f->w, "www.example. A option=3", "NOERROR aa\n" WWW "opt 1232\n");
	end(f);
	config.edns.nsid_len = 2;
	memcpy(config.edns.nsid, "id", 2);
	f = start(&config);
	ASK_IS(&f->w, "www.example. A option=3", "NOERROR aa\n" WWW "opt 1232 option=3:6964\n");
	ASK_IS(&f->w, "www.example. A option=3:ff", "NOERROR aa\n" WWW "opt 1232 option=3:6964\n");
	ASK_IS(&f->w, "www.example. A edns", "NOERROR aa\n" WWW "opt 1232\n");
	ASK_IS(&f->w, "www.example. A", "NOERROR aa\n" WWW);
	ASK_IS(&f->w, "elsewhere. A option=3", "REFUSED\nopt 1232 option=3:6964 ede=20 \n");
	end(f);
}

static void options_do_not_stay_for_the_next_request(void **state)
{
	struct answer_config config = with_cookies(false);
	struct fixture *f = start(&config);

	ASK_IS(&f->w, "www.example. A option=10:" COOKIE_CLIENT,
	       "NOERROR aa\n" WWW "opt 1232 option=10:" COOKIE_LEARNT "\n");
	ASK_IS(&f->w, "www.example. A edns", "NOERROR aa\n" WWW "opt 1232\n");
	ASK_IS(&f->w, "www.example. A option=65001:00", "NOERROR aa\n" WWW "opt 1232\n");
	ASK_IS(&f->w, "www.example. A version=1 option=10:" COOKIE_CLIENT, "BADVERS\nopt 1232\n");
	ASK_IS(&f->w, "www.example. A option=10:00", "FORMERR\nopt 1232\n");
	end(f);
}

static void a_client_cookie_is_answered_with_a_server_cookie(void **state)
{
	struct answer_config config = with_cookies(false);
	struct fixture *f = start(&config);

	ASK_IS(&f->w, "www.example. A option=10:" COOKIE_LEARNT,
	       "NOERROR aa\n" WWW "opt 1232 option=10:" COOKIE_LEARNT "\n");
	ASK_IS(&f->w, "www.example. A option=10:" COOKIE_FALSE,
	       "NOERROR aa\n" WWW "opt 1232 option=10:" COOKIE_LEARNT "\n");
	set_time(f, 1559734385, 1000000);
	ASK_IS(&f->w, "www.example. A option=10:" COOKIE_LEARNT,
	       "NOERROR aa\n" WWW "opt 1232 option=10:" COOKIE_LATER "\n");
	assert_int_equal(counter(f, ANSWER_CNT_cookie_good), 2);
	assert_int_equal(counter(f, ANSWER_CNT_cookie_bad), 1);
	end(f);
}

static void errors_carry_cookies_too(void **state)
{
	struct answer_config config = with_cookies(false);
	struct fixture *f = start(&config);

	ASK_IS(&f->w, "elsewhere. A option=10:" COOKIE_CLIENT,
	       "REFUSED\nopt 1232 option=10:" COOKIE_LEARNT " ede=20 \n");
	end(f);
}

static void cookies_that_are_off_are_ignored_whatever_they_are(void **state)
{
	struct answer_config config = plain();
	struct fixture *f = start(&config);

	ASK_IS(&f->w, "www.example. A option=10:00", "NOERROR aa\n" WWW "opt 1232\n");
	ASK_IS(&f->w, "www.example. A option=10:" COOKIE_CLIENT, "NOERROR aa\n" WWW "opt 1232\n");
	end(f);
}

static void a_cookie_that_is_demanded_is_badcookie_over_udp_only(void **state)
{
	struct answer_config config = with_cookies(true);
	struct fixture *f = start(&config);

	ASK_IS(&f->w, "www.example. A option=10:" COOKIE_CLIENT,
	       "BADCOOKIE\nopt 1232 option=10:" COOKIE_LEARNT "\n");
	ASK_IS(&f->w, "www.example. A option=10:" COOKIE_FALSE,
	       "BADCOOKIE\nopt 1232 option=10:" COOKIE_LEARNT "\n");
	ASK_IS(&f->w, "www.example. A option=10:" COOKIE_LEARNT,
	       "NOERROR aa\n" WWW "opt 1232 option=10:" COOKIE_LEARNT "\n");
	ASK_IS(&f->w, "www.example. A tcp option=10:" COOKIE_CLIENT,
	       "NOERROR aa\n" WWW "opt 1232 option=10:" COOKIE_LEARNT "\n");
	ASK_IS(&f->w, "www.example. A edns", "NOERROR aa\n" WWW "opt 1232\n");
	assert_int_equal(counter(f, ANSWER_CNT_badcookie), 2);
	end(f);
}

/* With a TSIG that no key of ours is for. */
static const char *ask_signed(struct fixture *f, const char *question)
{
	static const uint8_t tsig[] = {1,   'k', 0,   0,   250, 0,   255, 0,   0,   0,	 0,   0, 29, 11,
				       'h', 'm', 'a', 'c', '-', 's', 'h', 'a', '2', '5', '6', 0, 0,  0,
				       0,   0,	 0,   1,   1,	44,  0,	  0,   7,   7,	 0,   0, 0,  0};
	enum answer_transport transport;
	uint8_t msg[DNS_MSG_MAX];
	size_t len = ask_request(question, msg, &transport);

	memcpy(msg + len, tsig, sizeof(tsig));
	wire_store16(msg + 10, (uint16_t)(wire_load16(msg + 10) + 1));
	return ask_octets(&f->w, msg, len + sizeof(tsig), transport);
}

/* RFC 8945 5.3: what is wrong with them is to be said under signature. */
static void a_signed_question_and_its_options_are_left_to_who_has_the_keys(void **state)
{
	static const char *const questions[] = {"example. SOA option=10:" COOKIE_CLIENT,
						"example. SOA option=10:00",
						"example. IXFR option=10:" COOKIE_FALSE,
						"example. SOA version=1",
						"example. A",
						"nosuch.example. TXT",
						"example. AXFR",
						"version.bind. TXT CH",
						"example. ANY"};
	struct answer_config config = with_cookies(true);
	struct fixture *f = start(&config);

	assert_int_equal(strncmp(ask_signed(f, questions[0]), "BADCOOKIE\n", 10), 0);
	end(f);
	config.has_keys = true;
	f = start(&config);
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		assert_string_equal(ask_signed(f, questions[i]), "notify");
	assert_int_equal(counter(f, ANSWER_CNT_cookie_client), 0);
	assert_int_equal(counter(f, ANSWER_CNT_badcookie), 0);
	end(f);
}

/* A request without question: header, OPT, one option. */
static const char *ask_empty(struct fixture *f, unsigned code, const char *hex)
{
	uint8_t msg[128];
	struct wire_out out = wire_out_init(msg, sizeof(msg));
	size_t len = strlen(hex) / 2;

	wire_put32(&out, 0xBEEF0000);
	wire_put32(&out, 0);
	wire_put32(&out, 1);
	wire_put8(&out, 0);
	wire_put16(&out, DNS_TYPE_OPT);
	wire_put16(&out, 1232);
	wire_put32(&out, 0);
	wire_put16(&out, (uint16_t)(4 + len));
	wire_put16(&out, (uint16_t)code);
	wire_put16(&out, (uint16_t)len);
	for (size_t i = 0; i < len; i++) {
		char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		wire_put8(&out, (uint8_t)strtoul(digits, NULL, 16));
	}
	return ask_octets(&f->w, msg, wire_out_len(&out), ANSWER_UDP);
}

static void a_cookie_may_be_asked_for_without_a_question(void **state)
{
	struct answer_config config = with_cookies(false), off = plain();
	struct fixture *f = start(&config);

	assert_string_equal(ask_empty(f, 10, COOKIE_CLIENT),
			    "NOERROR\nopt 1232 option=10:" COOKIE_LEARNT "\n");
	assert_string_equal(ask_empty(f, 10, COOKIE_LEARNT),
			    "NOERROR\nopt 1232 option=10:" COOKIE_LEARNT "\n");
	assert_string_equal(ask_empty(f, 10, COOKIE_FALSE),
			    "BADCOOKIE\nopt 1232 option=10:" COOKIE_LEARNT "\n");
	assert_string_equal(ask_empty(f, 10, "00"), "FORMERR\nopt 1232\n");
	assert_string_equal(ask_empty(f, 3, ""), "FORMERR\nopt 1232\n");
	end(f);
	f = start(&off);
	assert_string_equal(ask_empty(f, 10, COOKIE_CLIENT), "FORMERR\nopt 1232\n");
	end(f);
}

static void zoneversion_tells_the_serial_of_the_zone_that_answered(void **state)
{
	static const char *const parts[] = {"www.example. A option=19", "example. SOA option=19",
					    "nothing.example. A option=19", "www.sub.example. A option=19",
					    "www.example. A option=19:00000000"};
	struct answer_config config = plain();
	struct fixture *f = start(&config);

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		assert_non_null(strstr(ask(&f->w, parts[i]), " option=19:010000000007\n"));
	assert_null(strstr(ask(&f->w, "elsewhere. A option=19"), "option="));
	assert_null(strstr(ask(&f->w, "www.example. A edns"), "option="));
	ask_add_marker(&f->w, "gone.", "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\n", ZONE_EXPIRED);
	assert_null(strstr(ask(&f->w, "gone. SOA option=19"), "option="));
	end(f);
}

static void expire_tells_what_is_left_to_who_asks_for_the_soa(void **state)
{
	struct answer_config config = plain();
	struct fixture *f = start(&config);

	assert_null(strstr(ask(&f->w, "example. SOA option=9"), "option="));
	zonetab_set_expire(f->w.zones, f->slot, 86401);
	assert_non_null(strstr(ask(&f->w, "example. SOA option=9"), "option=9:00015180\n"));
	assert_non_null(strstr(ask(&f->w, "example. IXFR option=9"), "option=9:00015180\n"));
	assert_null(strstr(ask(&f->w, "example. NS option=9"), "option="));
	assert_null(strstr(ask(&f->w, "www.example. SOA option=9"), "option="));
	assert_null(strstr(ask(&f->w, "example. SOA edns"), "option="));
	set_time(f, NOW, UINT64_C(90000) * 1000000);
	assert_non_null(strstr(ask(&f->w, "example. SOA option=9"), "option=9:00000000\n"));
	end(f);
}

static void keepalive_is_answered_over_tcp_only(void **state)
{
	struct answer_config config = plain();
	struct fixture *f;

	config.edns.keepalive_100ms = 100;
	f = start(&config);
	ASK_IS(&f->w, "www.example. A tcp option=11", "NOERROR aa\n" WWW "opt 1232 option=11:0064\n");
	ASK_IS(&f->w, "www.example. A option=11", "NOERROR aa\n" WWW "opt 1232\n");
	ASK_IS(&f->w, "www.example. A tcp edns", "NOERROR aa\n" WWW "opt 1232\n");
	end(f);
}

static void the_report_channel_is_told_unless_it_is_about_itself(void **state)
{
	struct answer_config config = plain();
	struct fixture *f;

	config.edns.agent_len = 12;
	memcpy(config.edns.agent, "\2ag\7example", 12);
	f = start(&config);
	ASK_IS(&f->w, "www.example. A edns",
	       "NOERROR aa\n" WWW "opt 1232 option=18:026167076578616d706c6500\n");
	ASK_IS(&f->w, "www.example. A", "NOERROR aa\n" WWW);
	assert_null(strstr(ask(&f->w, "_er.1.AG.Example. TXT edns"), "option="));
	assert_null(strstr(ask(&f->w, "ag.example. TXT edns"), "option="));
	assert_non_null(strstr(ask(&f->w, "xag.example. TXT edns"), "option=18"));
	end(f);
}

/* Options count as the client's octets do: what they leave too little room for is truncated, and they stay. */
static void options_and_records_share_the_limit(void **state)
{
	struct answer_config config = with_cookies(false);
	struct fixture *f;
	const char *text;

	config.udp_payload_max[0] = 512;
	config.edns.nsid_len = EDNS_NSID_MAX;
	f = start(&config);
	for (unsigned labels = 0; labels < 30; labels++) {
		char question[512] = "";

		for (unsigned i = 0; i < labels; i++)
			strcat(question, "abcdefg.");
		strcat(question, "example. SOA do option=3 option=19 option=10:" COOKIE_CLIENT);
		text = ask(&f->w, question);
		assert_non_null(strstr(text, "option=10:" COOKIE_LEARNT));
		assert_non_null(strstr(text, "option=3:"));
		assert_non_null(strstr(text, "option=19:"));
	}
	end(f);
}

static struct answer_config with_limits(uint8_t slip)
{
	struct answer_config config = with_cookies(false);

	config.rrl =
		(struct rrl_config){.rate = 10,
				    .window_ms = 1000,
				    .table = RRL_TABLE_MIN,
				    .slip = slip,
				    .level_cnt = {1, 1},
				    .level = {{{.prefix = 24, .factor = 1}}, {{.prefix = 56, .factor = 1}}}};
	return config;
}

static unsigned answered(struct fixture *f, const char *question, unsigned cnt)
{
	unsigned n = 0;

	for (unsigned i = 0; i < cnt; i++)
		n += strcmp(ask(&f->w, question), "silence") != 0;
	return n;
}

static void each_kind_of_answer_is_limited_for_itself(void **state)
{
	static const char *const kinds[] = {"www.example. A", "www.example. AAAA", "nothing.example. A",
					    "www.sub.example. A", "elsewhere. A"};
	struct answer_config config = with_limits(0);
	struct fixture *f = start(&config);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		assert_int_equal(answered(f, kinds[i], 50), 10);
	assert_int_equal(answered(f, "ns.example. A do", 50), 0);
	assert_int_equal(answered(f, "txt.example. TXT", 50), 0);
	assert_int_equal(answered(f, "www.example. A opcode=5", 50), 0);
	f->w.client[0]++;
	assert_int_equal(answered(f, "www.example. A", 50), 10);
	set_time(f, NOW, 3000000);
	assert_int_equal(answered(f, "www.example. A", 50), 10);
	assert_int_equal(counter(f, ANSWER_CNT_rate_dropped), 5 * 40 + 150 + 40 + 40);
	assert_int_equal(counter(f, ANSWER_CNT_noerror), 3 * 10 + 20);
	end(f);
}

static void tcp_and_valid_cookies_are_never_limited(void **state)
{
	struct answer_config config = with_limits(0);
	struct fixture *f = start(&config);

	assert_int_equal(answered(f, "www.example. A", 50), 10);
	assert_int_equal(answered(f, "www.example. A tcp", 50), 50);
	assert_int_equal(answered(f, "www.example. A option=10:" COOKIE_LEARNT, 50), 50);
	assert_int_equal(answered(f, "www.example. AAAA option=10:" COOKIE_LEARNT, 50), 50);
	assert_int_equal(answered(f, "www.example. A option=10:" COOKIE_FALSE, 50), 0);
	assert_int_equal(answered(f, "www.example. A option=10:" COOKIE_CLIENT, 50), 0);
	end(f);
}

static void good_signatures_are_never_limited_and_errors_about_bad_ones_are(void **state)
{
	struct answer_job job = {.transport = ANSWER_UDP, .family = 4, .client = {198, 51, 100, 100}};
	struct answer_config config = with_limits(0);
	struct fixture *f = start(&config);
	unsigned said = 0;

	assert_int_equal(answered(f, "www.example. A", 50), 10);
	answer_engine_trust(f->w.engine, true);
	assert_int_equal(answered(f, "www.example. A", 50), 50);
	assert_int_equal(answered(f, "nothing.example. A", 50), 50);
	answer_engine_trust(f->w.engine, false);
	assert_int_equal(answered(f, "www.example. A", 50), 0);
	for (unsigned i = 0; i < 50; i++)
		said += !answer_error_limited(f->w.engine, &job);
	assert_int_equal(said, 10);
	assert_int_equal(counter(f, ANSWER_CNT_rate_dropped), 40 + 50 + 40);
	job.transport = ANSWER_TCP;
	assert_false(answer_error_limited(f->w.engine, &job));
	end(f);
}

static void a_slip_is_empty_truncated_and_brings_the_cookie(void **state)
{
	struct answer_config config = with_limits(1);
	struct fixture *f = start(&config);

	answered(f, "www.example. A", 10);
	answered(f, "nothing.example. A", 10);
	ASK_IS(&f->w, "www.example. A", "NOERROR tc\n");
	ASK_IS(&f->w, "www.example. A rd edns=65535 do", "NOERROR tc rd\nopt 1232 do\n");
	ASK_IS(&f->w, "nothing.example. A do", "NOERROR tc\nopt 1232 do\n");
	ASK_IS(&f->w, "www.example. A option=10:" COOKIE_CLIENT,
	       "NOERROR tc\nopt 1232 option=10:" COOKIE_LEARNT "\n");
	assert_int_equal(counter(f, ANSWER_CNT_rate_slipped), 4);
	end(f);
}

static void offenders_can_be_asked_for(void **state)
{
	struct answer_config config = with_limits(0), off = plain();
	struct rrl_offender list[RRL_OFFENDERS_MAX];
	struct fixture *f = start(&config);

	answered(f, "nothing.example. A", 100);
	assert_int_equal(answer_offenders(f->w.engine, list), 1);
	assert_int_equal(list[0].count, 90);
	assert_int_equal(list[0].class, RRL_NXDOMAIN);
	assert_int_equal(list[0].net.prefix, 24);
	assert_memory_equal(list[0].net.addr, ((uint8_t[]){198, 51, 100, 0}), 4);
	end(f);
	f = start(&off);
	assert_int_equal(answer_offenders(f->w.engine, list), 0);
	end(f);
}

static void an_offered_configuration_is_taken_up_with_the_next_turn(void **state)
{
	struct answer_config config = with_limits(0), next = with_limits(0);
	struct fixture *f = start(&config);

	next.edns.cookie.secret[0][0] ^= 1;
	next.edns.cookie.secret_cnt = 2;
	memcpy(next.edns.cookie.secret[1], config.edns.cookie.secret[0], COOKIE_SECRET_LEN);
	next.rrl.rate = 20;
	answer_engine_offer_config(f->w.engine, &next);
	ASK_IS(&f->w, "www.example. A option=10:" COOKIE_CLIENT,
	       "NOERROR aa\n" WWW "opt 1232 option=10:" COOKIE_LEARNT "\n");
	set_time(f, NOW, 1000000);
	assert_null(strstr(ask(&f->w, "www.example. A option=10:" COOKIE_CLIENT), COOKIE_LEARNT));
	/* What the old secret made is still good, and is exchanged. */
	assert_int_equal(answered(f, "www.example. A option=10:" COOKIE_LEARNT, 50), 50);
	assert_null(strstr(ask(&f->w, "www.example. A option=10:" COOKIE_LEARNT), COOKIE_LEARNT));
	set_time(f, NOW, 9000000);
	assert_int_equal(answered(f, "nothing.example. A", 50), 20);
	end(f);
}

/* Returns the length of the response. */
static uint32_t asked_over(struct ask_world *w, const char *question, enum answer_transport transport)
{
	uint8_t msg[DNS_MSG_MAX];
	enum answer_transport said;
	size_t len = ask_request(question, msg, &said);

	ask_octets(w, msg, len, transport);
	assert_int_equal(w->verdict, ANSWER_SEND);
	return w->len;
}

static void responses_are_padded_over_tls_to_who_pads(void **state)
{
	static const char *const questions[] = {
		"www.example. A edns option=12:00000000",
		"example. ANY edns option=12:", "missing.example. A do option=12:00"};

	struct answer_config config = plain();
	struct fixture *f = start(&config);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint32_t plain = asked_over(&f->w, questions[i], ANSWER_TCP);
		uint32_t padded = asked_over(&f->w, questions[i], ANSWER_TLS);

		assert_int_equal(padded % 468, 0);
		assert_in_range(padded, plain, plain + 4 + 467);
	}
	assert_true(asked_over(&f->w, "www.example. A edns", ANSWER_TLS) < 468);
	assert_true(asked_over(&f->w, "www.example. A edns option=12:00", ANSWER_UDP) < 468);
	end(f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nsid_is_told_if_asked_for_and_configured),
		cmocka_unit_test(options_do_not_stay_for_the_next_request),
		cmocka_unit_test(a_client_cookie_is_answered_with_a_server_cookie),
		cmocka_unit_test(errors_carry_cookies_too),
		cmocka_unit_test(cookies_that_are_off_are_ignored_whatever_they_are),
		cmocka_unit_test(a_cookie_that_is_demanded_is_badcookie_over_udp_only),
		cmocka_unit_test(a_signed_question_and_its_options_are_left_to_who_has_the_keys),
		cmocka_unit_test(a_cookie_may_be_asked_for_without_a_question),
		cmocka_unit_test(zoneversion_tells_the_serial_of_the_zone_that_answered),
		cmocka_unit_test(expire_tells_what_is_left_to_who_asks_for_the_soa),
		cmocka_unit_test(responses_are_padded_over_tls_to_who_pads),
		cmocka_unit_test(keepalive_is_answered_over_tcp_only),
		cmocka_unit_test(the_report_channel_is_told_unless_it_is_about_itself),
		cmocka_unit_test(options_and_records_share_the_limit),
		cmocka_unit_test(each_kind_of_answer_is_limited_for_itself),
		cmocka_unit_test(tcp_and_valid_cookies_are_never_limited),
		cmocka_unit_test(good_signatures_are_never_limited_and_errors_about_bad_ones_are),
		cmocka_unit_test(a_slip_is_empty_truncated_and_brings_the_cookie),
		cmocka_unit_test(offenders_can_be_asked_for),
		cmocka_unit_test(an_offered_configuration_is_taken_up_with_the_next_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
