/* Both ends of TLS in memory: what is believed, what is not and how that is said; octets cut and damaged anywhere. */
#include "control/tls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/control/identity.h"

#define DAY  86400
#define HOST "primary.test"
#define WIRE (1 << 20)
#define BULK 100000

struct fixture {
	char folder[64];
	struct identity ca, other_ca, good, expired, early, stranger, client;
};

/* One connection: both ends, and octets on their way. */
struct pair {
	struct tls_client *c;
	struct tls_server *s;
	struct tls *a, *b;
	struct tls_ticket ticket;
};

static void make(struct fixture *f, struct identity *out, const char *file, const char *name,
		 const struct identity *issuer, long from_d, long to_d)
{
	*out = identity_make(&(struct identity_spec){.folder = f->folder,
						     .file = file,
						     .name = name,
						     .issuer = issuer,
						     .from_s = from_d * DAY,
						     .to_s = to_d * DAY});
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->folder, sizeof(f->folder), "/tmp/test_tls.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	make(f, &f->ca, "ca", NULL, NULL, -1, 10);
	make(f, &f->other_ca, "other", NULL, NULL, -1, 10);
	make(f, &f->good, "good", HOST, &f->ca, -1, 10);
	make(f, &f->expired, "expired", HOST, &f->ca, -10, -2);
	make(f, &f->early, "early", HOST, &f->ca, 2, 10);
	make(f, &f->stranger, "stranger", HOST, &f->other_ca, -1, 10);
	make(f, &f->client, "client", "secondary.test", &f->ca, -1, 10);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct identity *all[] = {&f->ca,    &f->other_ca, &f->good,  &f->expired,
				  &f->early, &f->stranger, &f->client};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		unlink(all[i]->cert_file);
		unlink(all[i]->key_file);
		identity_free(all[i]);
	}
	rmdir(f->folder);
	free(f);
	return 0;
}

static struct tls_client_spec strict(const struct fixture *f)
{
	return (struct tls_client_spec){.ca_file = f->ca.cert_file, .hostname = HOST};
}

static void open_pair(struct pair *p, const struct tls_client_spec *c, const struct identity *server)
{
	struct tls_server_spec s = {
		.certificate = server->cert_file, .key = server->key_file, .ask_client = true};
	char error[TLS_TEXT_CAP] = "";

	memset(p, 0, sizeof(*p));
	assert_int_equal(tls_client_new(c, &p->c, error), 0);
	assert_int_equal(tls_server_new(&s, &p->s, error), 0);
	p->a = tls_connect(p->c, &p->ticket);
	p->b = tls_accept(p->s);
	assert_non_null(p->a);
	assert_non_null(p->b);
}

static void close_pair(struct pair *p)
{
	tls_free(p->a);
	tls_free(p->b);
	tls_ticket_fini(&p->ticket);
	tls_client_free(p->c);
	tls_server_free(p->s);
}

/* What one end has to say goes to the other in pieces of step octets. Returns how much that was. */
static size_t carry(struct tls *from, struct tls *to, size_t step)
{
	static uint8_t wire[WIRE];
	size_t len;

	assert_true(tls_sealed_max(from, 0) <= WIRE);
	len = (size_t)tls_seal(from, NULL, 0, wire);
	for (size_t i = 0; i < len; i += step) {
		size_t part = len - i < step ? len - i : step;

		assert_int_equal(tls_feed(to, wire + i, part), 0);
		if (!tls_is_open(to))
			tls_shake(to);
	}
	return len;
}

/* Until nobody has anything to say. */
static void shake(struct pair *p, size_t step)
{
	size_t moved = 1;

	tls_shake(p->a);
	while (moved > 0) {
		moved = carry(p->a, p->b, step);
		moved += carry(p->b, p->a, step);
	}
}

static void assert_refused(const struct tls_client_spec *c, const struct identity *server, const char *expect)
{
	struct pair p;

	open_pair(&p, c, server);
	shake(&p, 1000);
	assert_false(tls_is_open(p.a));
	assert_int_equal(tls_shake(p.a), TLS_FAILED);
	if (strstr(tls_error(p.a), expect) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", tls_error(p.a), expect);
	close_pair(&p);
}

static size_t send_octets(struct tls *from, struct tls *to, const uint8_t *octets, size_t len)
{
	uint8_t *wire = malloc(tls_sealed_max(from, len));
	ssize_t sealed = tls_seal(from, octets, len, wire);

	assert_true(sealed > 0);
	assert_int_equal(tls_feed(to, wire, (size_t)sealed), 0);
	free(wire);
	return (size_t)sealed;
}

static void test_pins_are_44_letters_of_base64(void **state)
{
	uint8_t pin[TLS_PIN_LEN] = {0};

	assert_int_equal(tls_pin_from_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", pin), 0);
	for (unsigned i = 0; i < TLS_PIN_LEN; i++)
		assert_int_equal(pin[i], i);
	assert_int_equal(tls_pin_from_text("", pin), -EINVAL);
	assert_int_equal(tls_pin_from_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", pin), -EINVAL);
	assert_int_equal(tls_pin_from_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", pin), -EINVAL);
	assert_int_equal(tls_pin_from_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g", pin), -EINVAL);
	assert_int_equal(tls_pin_from_text("AAEC*wQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", pin), -EINVAL);
	assert_int_equal(tls_pin_from_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=AAAA", pin), -EINVAL);
}

static void test_octets_arrive_whatever_the_pieces(void **state)
{
	const struct fixture *f = *state;
	static const size_t steps[] = {1, 2, 7, 100, 5000};
	struct tls_client_spec c = strict(f);
	static uint8_t bulk[BULK], got[BULK];

	for (size_t i = 0; i < BULK; i++)
		bulk[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct pair p;
		size_t at = 0, len;

		open_pair(&p, &c, &f->good);
		shake(&p, steps[i]);
		assert_true(tls_is_open(p.a) && tls_is_open(p.b));
		send_octets(p.b, p.a, bulk, BULK);
		while (tls_read(p.a, got + at, BULK - at < 333 ? BULK - at : 333, &len) == TLS_OPEN &&
		       at < BULK)
			at += len;
		assert_int_equal(at, BULK);
		assert_memory_equal(bulk, got, BULK);
		assert_int_equal(tls_read(p.a, got, 10, &len), TLS_WAIT);
		tls_end(p.b);
		carry(p.b, p.a, 1000);
		assert_int_equal(tls_read(p.a, got, 10, &len), TLS_CLOSED);
		close_pair(&p);
	}
}

static void test_certificates_that_are_not_good_are_refused_and_it_is_said_why(void **state)
{
	const struct fixture *f = *state;
	struct tls_client_spec c = strict(f);

	assert_refused(&c, &f->expired,
		       "certificate verify failed: certificate has expired (CN = primary.test, depth 0)");
	assert_refused(&c, &f->early, "certificate verify failed: certificate is not yet valid");
	assert_refused(&c, &f->stranger, "certificate verify failed: unable to get local issuer certificate");
	c.hostname = "another.test";
	assert_refused(&c, &f->good, "certificate verify failed: hostname mismatch");
	c.hostname = "192.0.2.1";
	assert_refused(&c, &f->good, "certificate verify failed: IP address mismatch");
}

static void pin_of(const struct identity *i, uint8_t out[TLS_PIN_LEN])
{
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(i->key, &der);

	EVP_Digest(der, (size_t)len, out, NULL, EVP_sha256(), NULL);
	OPENSSL_free(der);
}

static void test_pin_believes_one_key_whoever_signed_it(void **state)
{
	const struct fixture *f = *state;
	struct tls_client_spec c = {.pin_cnt = 2};
	struct pair p;

	pin_of(&f->good, c.pins[0]);
	pin_of(&f->expired, c.pins[1]);
	open_pair(&p, &c, &f->expired);
	shake(&p, 1000);
	assert_true(tls_is_open(p.a));
	close_pair(&p);
	assert_refused(&c, &f->stranger, "pin mismatch: the key of the certificate is ");
	c.ca_file = f->ca.cert_file;
	c.hostname = HOST;
	assert_refused(&c, &f->expired, "certificate has expired");
}

static void test_without_anything_to_know_it_by_anybody_is_believed(void **state)
{
	const struct fixture *f = *state;
	struct tls_client_spec c = {0};
	struct pair p;

	open_pair(&p, &c, &f->stranger);
	shake(&p, 1000);
	assert_true(tls_is_open(p.a));
	close_pair(&p);
}

/* A pair whose server asks for the client's certificate, which is that of who; NULL: the client has none. */
static void open_pair_known(struct pair *p, const struct fixture *f, const struct identity *who)
{
	struct tls_client_spec c = strict(f);
	struct tls_server_spec s = {.certificate = f->good.cert_file,
				    .key = f->good.key_file,
				    .client_ca = f->ca.cert_file,
				    .ask_client = true};
	char error[TLS_TEXT_CAP];

	c.certificate = who != NULL ? who->cert_file : NULL;
	c.key = who != NULL ? who->key_file : NULL;
	open_pair(p, &c, &f->good);
	tls_free(p->b);
	tls_server_free(p->s);
	assert_int_equal(tls_server_new(&s, &p->s, error), 0);
	p->b = tls_accept(p->s);
	shake(p, 1000);
}

static void test_client_is_known_by_its_certificate(void **state)
{
	const struct fixture *f = *state;
	uint8_t pin[TLS_PIN_LEN], expect[TLS_PIN_LEN];
	struct pair p;

	for (unsigned round = 0; round < 3; round++) {
		const struct identity *who = round == 1 ? &f->client : round == 2 ? &f->stranger : NULL;

		open_pair_known(&p, f, who);
		assert_true(tls_is_open(p.a) && tls_is_open(p.b));
		assert_int_equal(tls_peer_pin(p.b, pin), who != NULL);
		if (who != NULL) {
			pin_of(who, expect);
			assert_memory_equal(pin, expect, TLS_PIN_LEN);
		}
		assert_int_equal(tls_peer_is(p.b, "secondary.test"), round == 1);
		assert_false(tls_peer_is(p.b, HOST));
		close_pair(&p);
	}
}

static void test_session_is_resumed_with_the_ticket(void **state)
{
	const struct fixture *f = *state;
	struct tls_client_spec c = strict(f);
	uint8_t octets[8];
	struct pair p;
	size_t len;

	open_pair(&p, &c, &f->good);
	shake(&p, 1000);
	tls_read(p.a, octets, sizeof(octets), &len);
	assert_non_null(p.ticket.session);
	assert_false(tls_is_resumed(p.a));
	tls_free(p.a);
	tls_free(p.b);
	p.a = tls_connect(p.c, &p.ticket);
	p.b = tls_accept(p.s);
	shake(&p, 1000);
	assert_true(tls_is_open(p.a) && tls_is_resumed(p.a) && tls_is_resumed(p.b));
	close_pair(&p);
}

/* What was found out about a certificate, good or bad, is not shown anew: it is in the ticket. */
static void test_resumed_client_is_whom_it_was(void **state)
{
	const struct fixture *f = *state;
	uint8_t octets[8];

	for (unsigned round = 0; round < 3; round++) {
		const struct identity *who = round == 1 ? &f->client : round == 2 ? &f->stranger : NULL;
		struct pair p;
		size_t len;

		open_pair_known(&p, f, who);
		tls_read(p.a, octets, sizeof(octets), &len);
		assert_non_null(p.ticket.session);
		tls_free(p.a);
		tls_free(p.b);
		p.a = tls_connect(p.c, &p.ticket);
		p.b = tls_accept(p.s);
		shake(&p, 1000);
		assert_true(tls_is_open(p.b) && tls_is_resumed(p.b));
		assert_int_equal(tls_peer_is(p.b, "secondary.test"), round == 1);
		assert_false(tls_peer_is(p.b, HOST));
		close_pair(&p);
	}
}

static void test_damage_anywhere_is_an_error_and_nothing_else(void **state)
{
	const struct fixture *f = *state;
	struct tls_client_spec c = strict(f);
	static uint8_t wire[WIRE];
	size_t total = SIZE_MAX;

	/* The server's flight with one octet changed, or every one from there on. */
	for (size_t at = 0; at < total; at += 3) {
		struct pair p;
		size_t where;

		open_pair(&p, &c, &f->good);
		tls_shake(p.a);
		carry(p.a, p.b, WIRE);
		/* Not always of the same length: a signature may have an octet or two less. */
		total = (size_t)tls_seal(p.b, NULL, 0, wire);
		assert_true(total > 500);
		where = at < total ? at : total - 1;
		if (at % 2 == 0)
			wire[where] ^= 0x55;
		for (size_t i = where; at % 2 == 1 && i < total; i++)
			wire[i] ^= (uint8_t)(1 + rand() % 255);
		assert_int_equal(tls_feed(p.a, wire, total), 0);
		assert_int_not_equal(tls_shake(p.a), TLS_OPEN);
		carry(p.a, p.b, WIRE);
		assert_false(tls_is_open(p.b));
		close_pair(&p);
	}
}

static void test_sealed_record_that_was_changed_fails(void **state)
{
	const struct fixture *f = *state;
	struct tls_client_spec c = strict(f);
	uint8_t wire[1000], octets[10];
	struct pair p;
	ssize_t sealed;
	size_t len;

	open_pair(&p, &c, &f->good);
	shake(&p, 1000);
	sealed = tls_seal(p.b, "octets", 6, wire);
	assert_in_range(sealed, 7, (intmax_t)sizeof(wire));
	wire[sealed - 1] ^= 1;
	assert_int_equal(tls_feed(p.a, wire, (size_t)sealed), 0);
	assert_int_equal(tls_read(p.a, octets, sizeof(octets), &len), TLS_FAILED);
	assert_int_equal(len, 0);
	assert_string_not_equal(tls_error(p.a), "");
	close_pair(&p);
}

static void test_sealed_max_is_not_exceeded(void **state)
{
	const struct fixture *f = *state;
	struct tls_client_spec c = strict(f);
	static uint8_t bulk[70000], wire[80000];
	struct pair p;

	open_pair(&p, &c, &f->good);
	shake(&p, 1000);
	for (size_t len = 1; len < sizeof(bulk); len += 1021) {
		size_t max = tls_sealed_max(p.a, len);
		ssize_t sealed = tls_seal(p.a, bulk, len, wire);

		assert_true(sealed > (ssize_t)len && (size_t)sealed <= max);
	}
	close_pair(&p);
}

static void test_files_that_are_not_good_are_named(void **state)
{
	const struct fixture *f = *state;
	struct tls_client_spec c = strict(f);
	struct tls_client *client = NULL;
	char error[TLS_TEXT_CAP];

	c.certificate = f->client.cert_file;
	c.key = f->good.key_file;
	assert_true(tls_client_new(&c, &client, error) < 0);
	assert_non_null(strstr(error, "good.key: the key does not fit the certificate"));
	c.key = "/nonexistent.key";
	assert_true(tls_client_new(&c, &client, error) < 0);
	assert_non_null(strstr(error, "/nonexistent.key: cannot open the private key"));
	c = strict(f);
	c.ca_file = f->good.key_file;
	assert_true(tls_client_new(&c, &client, error) < 0);
	assert_non_null(strstr(error, "good.key: cannot read CA certificates"));
	c.ca_file = "/nonexistent.crt";
	assert_true(tls_client_new(&c, &client, error) < 0);
	assert_string_equal(error,
			    "/nonexistent.crt: cannot read CA certificates: No such file or directory");
	assert_null(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pins_are_44_letters_of_base64),
		cmocka_unit_test(test_octets_arrive_whatever_the_pieces),
		cmocka_unit_test(test_certificates_that_are_not_good_are_refused_and_it_is_said_why),
		cmocka_unit_test(test_pin_believes_one_key_whoever_signed_it),
		cmocka_unit_test(test_without_anything_to_know_it_by_anybody_is_believed),
		cmocka_unit_test(test_client_is_known_by_its_certificate),
		cmocka_unit_test(test_session_is_resumed_with_the_ticket),
		cmocka_unit_test(test_resumed_client_is_whom_it_was),
		cmocka_unit_test(test_damage_anywhere_is_an_error_and_nothing_else),
		cmocka_unit_test(test_sealed_record_that_was_changed_fails),
		cmocka_unit_test(test_sealed_max_is_not_exceeded),
		cmocka_unit_test(test_files_that_are_not_good_are_named),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
