/*
 * TSIG: transactions as client and server, and what an attacker or a broken peer may do to them.
 *
 * Three judges: messages that dnspython has signed (tsig_vectors.h), ldns, and a naive writer of TSIG records in here,
 * which can get each field wrong and still compute the right MAC over it, so that a test shows which check refuses.
 */
#include "control/tsig.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>
#include <ldns/ldns.h>

#include "tests/unit/control/tsig_vectors.h"

#define NOW	    UINT64_C(1700000000) /* the vectors' */
#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))
#define KEY_NAME    ((const uint8_t *)"\10Transfer\3Key\7example")
#define KEY_LOWER   "\10transfer\3key\7example"
#define OTHER_NAME  ((const uint8_t *)"\5other\7example")
#define SHA256_WIRE "\13hmac-sha256"
#define MAC_LEN	    32

struct message {
	uint8_t octets[DNS_MSG_MAX + 1];
	size_t len;
};

struct fixture {
	struct tsig_key *key; /* hmac-sha256 */
	struct tsig_keyring *ring;
	struct tsig client, server;
	struct message request; /* signed */
	struct message m;	/* to play with */
};

static void make_secret(uint8_t secret[32])
{
	for (unsigned i = 0; i < 32; i++)
		secret[i] = (uint8_t)(i + 1);
}

static struct tsig_key *make_key(const uint8_t *name, enum tsig_algorithm a, unsigned mac_len_min)
{
	uint8_t secret[32];
	struct tsig_key_spec spec = {.name = name,
				     .secret = secret,
				     .secret_len = sizeof(secret),
				     .algorithm = a,
				     .mac_len_min = mac_len_min,
				     .allow_md5 = true};
	struct tsig_key *key = NULL;

	make_secret(secret);
	assert_int_equal(tsig_key_new(&spec, &key), 0);
	return key;
}

static struct tsig_keyring *make_ring(struct tsig_key *key)
{
	struct tsig_keyring *ring = NULL;

	assert_int_equal(tsig_keyring_new(&key, 1, &ring, NULL), 0);
	return ring;
}

/* A header, a question and, if so, a TXT record whose text tells n. */
static void make_message(struct message *m, uint16_t flags, unsigned record_cnt, unsigned n)
{
	struct wire_out out = wire_out_init(m->octets, DNS_MSG_MAX);
	char text[32];

	wire_put16(&out, 0x1234);
	wire_put16(&out, flags);
	wire_put16(&out, 1);
	wire_put16(&out, (uint16_t)record_cnt);
	wire_put32(&out, 0);
	wire_put_bytes(&out, "\7example\0\0\374\0\1", 13);
	for (unsigned i = 0; i < record_cnt; i++) {
		int len = snprintf(text, sizeof(text), "message %u", n);

		wire_put_bytes(&out, "\xC0\x0C\0\20\0\1\0\0\16\20", 10);
		wire_put16(&out, (uint16_t)(len + 1));
		wire_put8(&out, (uint8_t)len);
		wire_put_bytes(&out, text, (size_t)len);
	}
	assert_false(out.bad);
	m->len = wire_out_len(&out);
}

/* Exactly as long as it must be, so that a sanitizer sees a read past the end. */
static uint8_t *exact_copy(const struct message *m)
{
	uint8_t *copy = malloc(m->len > 0 ? m->len : 1);

	assert_non_null(copy);
	memcpy(copy, m->octets, m->len);
	return copy;
}

/* The message as it is after verification: untouched unless that said TSIG_OK. Takes copy; returns v. */
static enum tsig_verdict take_verified(struct message *m, uint8_t *copy, size_t len, enum tsig_verdict v)
{
	if (v != TSIG_OK) {
		assert_int_equal(len, m->len);
		assert_memory_equal(copy, m->octets, len);
	}
	memcpy(m->octets, copy, len);
	m->len = len;
	free(copy);
	return v;
}

static enum tsig_verdict verify_request_at(struct tsig *t, const struct tsig_keyring *ring, struct message *m,
					   uint64_t now_s)
{
	uint8_t *copy = exact_copy(m);
	size_t len = m->len;
	enum tsig_verdict v = tsig_verify_request(t, ring, copy, now_s, &len);

	return take_verified(m, copy, len, v);
}

/* For one verdict only: the server's side of the fixture, used again and again. */
static enum tsig_verdict request_verdict(struct fixture *f, const struct message *m)
{
	struct message copy;
	struct tsig t;
	enum tsig_verdict v;

	copy.len = m->len;
	memcpy(copy.octets, m->octets, m->len);
	v = verify_request_at(&t, f->ring, &copy, NOW);
	tsig_fini(&t);
	return v;
}

static enum tsig_verdict verify_response_at(struct tsig *t, struct message *m, uint64_t now_s)
{
	uint8_t *copy = exact_copy(m);
	size_t len = m->len;
	enum tsig_verdict v = tsig_verify_response(t, copy, now_s, &len);

	return take_verified(m, copy, len, v);
}

static enum tsig_verdict response_verdict(struct fixture *f, const struct message *m)
{
	struct message copy;

	copy.len = m->len;
	memcpy(copy.octets, m->octets, m->len);
	return verify_response_at(&f->client, &copy, NOW);
}

/* A signed request that the server has accepted, on both sides. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->key = make_key(KEY_NAME, TSIG_HMAC_SHA256, 0);
	f->ring = make_ring(f->key);
	assert_int_equal(tsig_client_init(&f->client, f->key), 0);
	make_message(&f->request, 0, 0, 0);
	assert_int_equal(tsig_sign_request(&f->client, f->request.octets, DNS_MSG_MAX, NOW, &f->request.len),
			 0);
	memcpy(&f->m, &f->request, sizeof(f->m));
	assert_int_equal(verify_request_at(&f->server, f->ring, &f->m, NOW), TSIG_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	tsig_fini(&f->client);
	tsig_fini(&f->server);
	tsig_keyring_free(f->ring);
	tsig_key_release(f->key);
	free(f);
	return 0;
}

/* The naive writer: everything about the record can be said, then it is signed as it stands. */
struct forge {
	const char *name, *algorithm; /* wire form, and as digested */
	size_t name_len, algorithm_len;
	uint64_t time;
	const uint8_t *chain; /* MAC that the digest begins with; NULL: none */
	const uint8_t *other;
	uint32_t ttl;
	uint16_t class, fudge, error, other_len, original_id, mac_len, chain_len;
	uint16_t rdlen_add, arcount_add;
	bool timers_only;
};

#define FORGE_CHAIN(t) .chain = (t)->mac, .chain_len = (t)->mac_len
#define FORGE_DEFAULT                                                                            \
	.name = KEY_LOWER, .algorithm = SHA256_WIRE, .name_len = sizeof(KEY_LOWER),              \
	.algorithm_len = sizeof(SHA256_WIRE), .time = NOW, .fudge = 300, .class = DNS_CLASS_ANY, \
	.original_id = 0x1234, .mac_len = MAC_LEN, .arcount_add = 1

static void put_time(struct wire_out *out, uint64_t t)
{
	wire_put16(out, (uint16_t)(t >> 32));
	wire_put32(out, (uint32_t)t);
}

/* RFC 8945 4.3, written down once more. before: unsigned messages since the last signed one, or NULL. */
static void reference_mac(const struct forge *g, const struct message *before, const struct message *m,
			  uint8_t mac[EVP_MAX_MD_SIZE])
{
	static uint8_t buf[3 * DNS_MSG_MAX];
	struct wire_out out = wire_out_init(buf, sizeof(buf));
	uint8_t secret[32];
	unsigned len;

	make_secret(secret);
	if (g->chain != NULL) {
		wire_put16(&out, g->chain_len);
		wire_put_bytes(&out, g->chain, g->chain_len);
	}
	if (before != NULL)
		wire_put_bytes(&out, before->octets, before->len);
	wire_put16(&out, g->original_id);
	wire_put_bytes(&out, m->octets + 2, m->len - 2);
	if (!g->timers_only) {
		wire_put_bytes(&out, g->name, g->name_len);
		wire_put16(&out, g->class);
		wire_put32(&out, g->ttl);
		wire_put_bytes(&out, g->algorithm, g->algorithm_len);
	}
	put_time(&out, g->time);
	wire_put16(&out, g->fudge);
	if (!g->timers_only) {
		wire_put16(&out, g->error);
		wire_put16(&out, g->other_len);
		wire_put_bytes(&out, g->other, g->other_len);
	}
	assert_false(out.bad);
	assert_non_null(HMAC(EVP_sha256(), secret, sizeof(secret), buf, wire_out_len(&out), mac, &len));
	assert_int_equal(len, MAC_LEN);
}

static void forge_record(struct message *m, const struct forge *g, const uint8_t *mac)
{
	struct wire_out out = wire_out_init(m->octets, sizeof(m->octets));
	uint8_t padding[128] = {0};
	uint8_t *at;

	wire_put_room(&out, m->len);
	wire_put_bytes(&out, g->name, g->name_len);
	wire_put16(&out, DNS_TYPE_TSIG);
	wire_put16(&out, g->class);
	wire_put32(&out, g->ttl);
	wire_put16(&out, (uint16_t)(g->algorithm_len + 16 + g->mac_len + g->other_len + g->rdlen_add));
	wire_put_bytes(&out, g->algorithm, g->algorithm_len);
	put_time(&out, g->time);
	wire_put16(&out, g->fudge);
	wire_put16(&out, g->mac_len);
	at = wire_put_room(&out, g->mac_len);
	assert_true(g->mac_len < sizeof(padding));
	memcpy(at, padding, g->mac_len);
	memcpy(at, mac, g->mac_len < MAC_LEN ? g->mac_len : MAC_LEN);
	wire_put16(&out, g->original_id);
	wire_put16(&out, g->error);
	wire_put16(&out, g->other_len);
	wire_put_bytes(&out, g->other, g->other_len);
	assert_false(out.bad);
	m->len = wire_out_len(&out);
	wire_store16(m->octets + 10, wire_load16(m->octets + 10) + g->arcount_add);
}

static void forge(struct message *m, const struct forge *g)
{
	uint8_t mac[EVP_MAX_MD_SIZE];

	reference_mac(g, NULL, m, mac);
	forge_record(m, g, mac);
}

static enum tsig_verdict forged_request(struct fixture *f, const struct forge *g)
{
	struct message m;

	make_message(&m, 0, 0, 0);
	forge(&m, g);
	return request_verdict(f, &m);
}

/* --- against other implementations --- */

static const struct {
	enum tsig_algorithm algorithm;
	const uint8_t *request, *response;
	size_t request_len, response_len;
} vectors[] = {
#define V(a, name)                                                                                     \
	{                                                                                              \
		a, vector_##name##_request, vector_##name##_response, sizeof(vector_##name##_request), \
			sizeof(vector_##name##_response)                                               \
	}
	V(TSIG_HMAC_MD5, md5),	     V(TSIG_HMAC_SHA1, sha1),	  V(TSIG_HMAC_SHA224, sha224),
	V(TSIG_HMAC_SHA256, sha256), V(TSIG_HMAC_SHA384, sha384), V(TSIG_HMAC_SHA512, sha512),
#undef V
};

static void requests_and_responses_of_dnspython_are_accepted_and_ours_are_the_same_octets(void **state)
{
	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct tsig_key *key = make_key(KEY_NAME, vectors[i].algorithm, 0);
		struct tsig_keyring *ring = make_ring(key);
		struct tsig client, server;
		struct message m = {.len = vectors[i].request_len}, bare;

		memcpy(m.octets, vectors[i].request, m.len);
		assert_int_equal(verify_request_at(&server, ring, &m, NOW), TSIG_OK);
		assert_ptr_equal(server.key, key);
		assert_int_equal(server.time_signed, NOW);
		assert_int_equal(tsig_client_init(&client, key), 0);
		assert_int_equal(tsig_sign_request(&client, m.octets, DNS_MSG_MAX, NOW, &m.len), 0);
		assert_int_equal(m.len, vectors[i].request_len);
		assert_memory_equal(m.octets, vectors[i].request, m.len);

		m.len = vectors[i].response_len;
		memcpy(m.octets, vectors[i].response, m.len);
		assert_int_equal(verify_response_at(&client, &m, NOW), TSIG_OK);
		assert_int_equal(tsig_verify_end(&client), TSIG_OK);
		memcpy(&bare, &m, sizeof(m));
		assert_int_equal(tsig_sign_response(&server, bare.octets, DNS_MSG_MAX, NOW, &bare.len), 0);
		assert_int_equal(bare.len, vectors[i].response_len);
		assert_memory_equal(bare.octets, vectors[i].response, bare.len);
		tsig_fini(&client);
		tsig_fini(&server);
		tsig_keyring_free(ring);
		tsig_key_release(key);
	}
}

static void a_transfer_signed_by_dnspython_with_unsigned_messages_inside_is_accepted(void **state)
{
	static const struct {
		const uint8_t *octets;
		size_t len;
		enum tsig_verdict verdict;
	} stream[] = {
		{vector_stream_0, sizeof(vector_stream_0), TSIG_OK},
		{vector_stream_1, sizeof(vector_stream_1), TSIG_PENDING},
		{vector_stream_2, sizeof(vector_stream_2), TSIG_PENDING},
		{vector_stream_3, sizeof(vector_stream_3), TSIG_OK},
		{vector_stream_4, sizeof(vector_stream_4), TSIG_PENDING},
		{vector_stream_5, sizeof(vector_stream_5), TSIG_OK},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(stream); i++) {
		struct message m = {.len = stream[i].len};

		memcpy(m.octets, stream[i].octets, m.len);
		assert_int_equal(verify_response_at(&f->client, &m, NOW), stream[i].verdict);
		assert_int_equal(tsig_verify_end(&f->client),
				 stream[i].verdict == TSIG_OK ? TSIG_OK : TSIG_UNSIGNED);
	}
}

#define LDNS_SECRET "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
#define LDNS_NAME   "transfer.key.example."

static ldns_rdf *ldns_mac(const ldns_pkt *pkt)
{
	return ldns_rr_rdf(ldns_pkt_tsig(pkt), 3);
}

static void ldns_accepts_what_we_sign(void **state)
{
	static const enum tsig_algorithm algorithms[] = {TSIG_HMAC_SHA1, TSIG_HMAC_SHA256, TSIG_HMAC_SHA512};
	struct fixture *f = *state;

	for (size_t a = 0; a < COUNT(algorithms); a++) {
		struct tsig_key *key = make_key(KEY_NAME, algorithms[a], 0);
		struct tsig_keyring *ring = make_ring(key);
		ldns_pkt *request, *first, *second;
		struct tsig client, server;

		assert_int_equal(tsig_client_init(&client, key), 0);
		make_message(&f->m, 0, 0, 0);
		assert_int_equal(tsig_sign_request(&client, f->m.octets, DNS_MSG_MAX, NOW, &f->m.len), 0);
		assert_int_equal(ldns_wire2pkt(&request, f->m.octets, f->m.len), LDNS_STATUS_OK);
		assert_true(
			ldns_pkt_tsig_verify(request, f->m.octets, f->m.len, LDNS_NAME, LDNS_SECRET, NULL));
		assert_int_equal(verify_request_at(&server, ring, &f->m, NOW), TSIG_OK);

		make_message(&f->m, DNS_FLAG_QR, 1, 1);
		assert_int_equal(tsig_sign_response(&server, f->m.octets, DNS_MSG_MAX, NOW, &f->m.len), 0);
		assert_int_equal(ldns_wire2pkt(&first, f->m.octets, f->m.len), LDNS_STATUS_OK);
		assert_true(ldns_pkt_tsig_verify(first, f->m.octets, f->m.len, LDNS_NAME, LDNS_SECRET,
						 ldns_mac(request)));
		make_message(&f->m, DNS_FLAG_QR, 1, 2);
		assert_int_equal(tsig_sign_response(&server, f->m.octets, DNS_MSG_MAX, NOW, &f->m.len), 0);
		assert_int_equal(ldns_wire2pkt(&second, f->m.octets, f->m.len), LDNS_STATUS_OK);
		assert_true(ldns_pkt_tsig_verify_next(second, f->m.octets, f->m.len, LDNS_NAME, LDNS_SECRET,
						      ldns_mac(first), 1));
		assert_false(ldns_pkt_tsig_verify_next(second, f->m.octets, f->m.len, LDNS_NAME, LDNS_SECRET,
						       ldns_mac(request), 1));
		ldns_pkt_free(request);
		ldns_pkt_free(first);
		ldns_pkt_free(second);
		tsig_fini(&client);
		tsig_fini(&server);
		tsig_keyring_free(ring);
		tsig_key_release(key);
	}
}

static void we_accept_what_ldns_signs(void **state)
{
	struct fixture *f = *state;
	ldns_pkt *pkt = NULL;
	struct tsig t;
	uint8_t *wire;

	assert_int_equal(ldns_pkt_query_new_frm_str(&pkt, "example.", LDNS_RR_TYPE_SOA, LDNS_RR_CLASS_IN, 0),
			 LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt_tsig_sign(pkt, LDNS_NAME, LDNS_SECRET, 300, "hmac-sha256.", NULL),
			 LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt2wire(&wire, pkt, &f->m.len), LDNS_STATUS_OK);
	memcpy(f->m.octets, wire, f->m.len);
	free(wire);
	assert_int_equal(verify_request_at(&t, f->ring, &f->m, (uint64_t)time(NULL)), TSIG_OK);
	tsig_fini(&t);
	ldns_pkt_free(pkt);
}

/* --- requests: RFC 8945 5.1, 5.2 --- */

static void a_request_without_tsig_is_none_and_its_response_stays_unsigned(void **state)
{
	struct fixture *f = *state;
	struct tsig t;
	size_t len;

	make_message(&f->m, 0, 0, 0);
	assert_int_equal(verify_request_at(&t, f->ring, &f->m, NOW), TSIG_NONE);
	len = f->m.len;
	assert_int_equal(tsig_room(&t), 0);
	assert_int_equal(tsig_sign_response(&t, f->m.octets, DNS_MSG_MAX, NOW, &f->m.len), 0);
	assert_int_equal(f->m.len, len);
	assert_int_equal(tsig_rcode(TSIG_NONE), DNS_RCODE_NOERROR);
	tsig_fini(&t);
}

static void the_record_is_taken_off_an_accepted_request_and_the_id_stays(void **state)
{
	struct fixture *f = *state;
	struct message bare, m;
	struct forge g = {FORGE_DEFAULT};
	struct tsig t;

	make_message(&bare, 0, 0, 0);
	make_message(&m, 0, 0, 0);
	forge(&m, &g);
	wire_store16(m.octets, 0x9999); /* a forwarder's own id: the digest has the original one */
	wire_store16(bare.octets, 0x9999);
	assert_int_equal(verify_request_at(&t, f->ring, &m, NOW), TSIG_OK);
	assert_int_equal(m.len, bare.len);
	assert_memory_equal(m.octets, bare.octets, m.len);
	tsig_fini(&t);
}

static void the_writer_of_these_tests_writes_good_records(void **state)
{
	struct forge g = {FORGE_DEFAULT};

	assert_int_equal(forged_request(*state, &g), TSIG_OK);
}

static void class_other_than_any_is_formerr_even_when_signed(void **state)
{
	for (unsigned class = 0; class < 256; class ++) {
		struct forge g = {FORGE_DEFAULT};

		g.class = (uint16_t) class;
		assert_int_equal(forged_request(*state, &g), class == DNS_CLASS_ANY ? TSIG_OK : TSIG_FORMERR);
	}
}

static void a_ttl_other_than_0_is_formerr_even_when_signed(void **state)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		struct forge g = {FORGE_DEFAULT};

		g.ttl = UINT32_C(1) << bit;
		assert_int_equal(forged_request(*state, &g), TSIG_FORMERR);
	}
}

static void key_and_algorithm_names_compare_without_case(void **state)
{
	struct fixture *f = *state;
	struct forge g = {FORGE_DEFAULT};
	uint8_t mac[EVP_MAX_MD_SIZE];
	struct message m;

	make_message(&m, 0, 0, 0);
	reference_mac(&g, NULL, &m, mac);
	g.name = "\10TRANSFER\3kEy\7exaMPle";
	g.algorithm = "\13HMAC-sha256";
	forge_record(&m, &g, mac);
	assert_int_equal(request_verdict(f, &m), TSIG_OK);
}

static void an_unknown_key_is_badkey(void **state)
{
	static const char *const names[] = {"\11transfers\3key\7example", "\3key\7example", "",
					    "\1x\10transfer\3key\7example", "\10transfer\3key\7examplf"};

	for (size_t i = 0; i < COUNT(names); i++) {
		struct forge g = {FORGE_DEFAULT};

		g.name = names[i];
		g.name_len = strlen(names[i]) + 1;
		assert_int_equal(forged_request(*state, &g), TSIG_BADKEY);
	}
}

static void another_algorithm_than_the_keys_is_badkey_whether_we_know_it_or_not(void **state)
{
	static const char *const names[] = {
		"\13hmac-sha384",
		"\11hmac-sha1",
		"\10hmac-md5\7sig-alg\3reg\3int",
		"\10gss-tsig",
		"",
		"\13hmac-sha256\1x",
		"\13hmac-sha25\066\3com",
		"\12hmac-sha25",
	};

	for (size_t i = 0; i < COUNT(names); i++) {
		struct forge g = {FORGE_DEFAULT};

		g.algorithm = names[i];
		g.algorithm_len = strlen(names[i]) + 1;
		assert_int_equal(forged_request(*state, &g), TSIG_BADKEY);
	}
}

static void a_key_known_under_the_same_name_with_another_secret_is_badsig(void **state)
{
	struct fixture *f = *state;
	struct tsig_key_spec spec = {.name = KEY_NAME,
				     .secret = (const uint8_t *)"another secret",
				     .secret_len = 14,
				     .algorithm = TSIG_HMAC_SHA256};
	struct tsig_key *other;
	struct tsig_keyring *ring;
	struct tsig t;

	assert_int_equal(tsig_key_new(&spec, &other), 0);
	ring = make_ring(other);
	assert_int_equal(verify_request_at(&t, ring, &f->request, NOW), TSIG_BADSIG);
	tsig_fini(&t);
	tsig_keyring_free(ring);
	tsig_key_release(other);
}

static void no_octet_of_a_signed_request_can_change_unnoticed(void **state)
{
	struct fixture *f = *state;

	for (size_t at = 0; at < f->request.len; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			enum tsig_verdict v;

			f->request.octets[at] ^= (uint8_t)(1u << bit);
			v = request_verdict(f, &f->request);
			f->request.octets[at] ^= (uint8_t)(1u << bit);
			/* The id is replaced by the original one, and case does not count in the two names. */
			if (v == TSIG_OK)
				assert_true(at < 2 || bit == 5);
			if (v == TSIG_OK && at >= 2)
				assert_true(at >= f->request.len - tsig_room(&f->client));
			/* With another type there is no TSIG record: the policy for unsigned requests. */
			if (v == TSIG_NONE)
				assert_true(at >= f->request.len - tsig_room(&f->client));
		}
	}
	assert_int_equal(request_verdict(f, &f->request), TSIG_OK);
}

static void each_octet_of_the_mac_counts(void **state)
{
	struct fixture *f = *state;
	size_t mac_at = f->request.len - 6 - MAC_LEN;

	for (size_t i = 0; i < MAC_LEN; i++) {
		f->request.octets[mac_at + i] ^= 0x80;
		assert_int_equal(request_verdict(f, &f->request), TSIG_BADSIG);
		f->request.octets[mac_at + i] ^= 0x80;
	}
}

static void a_changed_original_id_time_fudge_or_error_is_noticed(void **state)
{
	struct fixture *f = *state;
	size_t end = f->request.len;
	const struct {
		size_t at;
		enum tsig_verdict verdict;
	} changes[] = {
		{end - 6, TSIG_BADSIG},		       /* original id */
		{end - 5, TSIG_BADSIG},		       /* */
		{end - 4, TSIG_FORMERR},	       /* error: none in requests */
		{end - 1, TSIG_FORMERR},	       /* other length */
		{end - 6 - MAC_LEN - 3, TSIG_BADSIG},  /* fudge */
		{end - 6 - MAC_LEN - 5, TSIG_BADSIG},  /* time */
		{end - 6 - MAC_LEN - 10, TSIG_BADSIG}, /* time, highest octet */
	};

	for (size_t i = 0; i < COUNT(changes); i++) {
		f->request.octets[changes[i].at] ^= 1;
		assert_int_equal(request_verdict(f, &f->request), changes[i].verdict);
		f->request.octets[changes[i].at] ^= 1;
	}
}

static void a_mac_shorter_than_half_or_than_10_or_longer_than_the_hash_is_formerr(void **state)
{
	for (unsigned len = 0; len <= MAC_LEN + 32; len++) {
		struct forge g = {FORGE_DEFAULT};
		enum tsig_verdict expected = TSIG_BADTRUNC; /* permitted by 5.2.2.1, but not by the policy */

		if (len < MAC_LEN / 2 || len > MAC_LEN)
			expected = TSIG_FORMERR;
		if (len == MAC_LEN)
			expected = TSIG_OK;
		g.mac_len = (uint16_t)len;
		assert_int_equal(forged_request(*state, &g), expected);
	}
}

static void the_floor_of_short_hashes_is_10_octets(void **state)
{
	assert_int_equal(tsig_algorithms[TSIG_HMAC_MD5].mac_len_floor, 10);
	assert_int_equal(tsig_algorithms[TSIG_HMAC_SHA1].mac_len_floor, 10);
	assert_int_equal(tsig_algorithms[TSIG_HMAC_SHA224].mac_len_floor, 14);
	for (int a = 0; a < TSIG_ALGORITHM_CNT; a++) {
		assert_true(tsig_algorithms[a].mac_len_floor * 2 >= tsig_algorithms[a].mac_len);
		assert_true(tsig_algorithms[a].mac_len <= TSIG_MAC_MAX);
	}
}

static void a_truncated_mac_is_accepted_where_the_key_allows_it_and_chains_as_it_was_sent(void **state)
{
	struct fixture *f = *state;
	struct tsig_key *key = make_key(KEY_NAME, TSIG_HMAC_SHA256, 20);
	struct tsig_keyring *ring = make_ring(key);

	for (unsigned len = 16; len <= MAC_LEN; len++) {
		struct forge g = {FORGE_DEFAULT}, answer = {FORGE_DEFAULT};
		struct message signed_by_us, expected;
		uint8_t mac[EVP_MAX_MD_SIZE];
		struct tsig t;

		g.mac_len = (uint16_t)len;
		make_message(&f->m, 0, 0, 0);
		reference_mac(&g, NULL, &f->m, mac);
		forge_record(&f->m, &g, mac);
		assert_int_equal(verify_request_at(&t, ring, &f->m, NOW), len < 20 ? TSIG_BADTRUNC : TSIG_OK);
		if (len >= 20) {
			answer.name = (const char *)KEY_NAME; /* as sent; digested in lower case */
			answer.chain = mac;
			answer.chain_len = (uint16_t)len;
			make_message(&expected, DNS_FLAG_QR, 1, 1);
			answer.name = KEY_LOWER;
			reference_mac(&answer, NULL, &expected, mac);
			make_message(&signed_by_us, DNS_FLAG_QR, 1, 1);
			assert_int_equal(tsig_sign_response(&t, signed_by_us.octets, DNS_MSG_MAX, NOW,
							    &signed_by_us.len),
					 0);
			assert_memory_equal(signed_by_us.octets + signed_by_us.len - 6 - MAC_LEN, mac,
					    MAC_LEN);
		}
		tsig_fini(&t);
	}
	tsig_keyring_free(ring);
	tsig_key_release(key);
}

static void time_may_differ_by_the_fudge_and_no_more(void **state)
{
	static const struct {
		int64_t off;
		uint16_t fudge;
		enum tsig_verdict verdict;
	} cases[] = {
		{0, 0, TSIG_OK},
		{1, 0, TSIG_BADTIME},
		{-1, 0, TSIG_BADTIME},
		{300, 300, TSIG_OK},
		{-300, 300, TSIG_OK},
		{301, 300, TSIG_BADTIME},
		{-301, 300, TSIG_BADTIME},
		{-1700000000, 300, TSIG_BADTIME},
		{INT64_C(0xFFFFFFFFFFFF) - 1700000000, 65535, TSIG_BADTIME},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct forge g = {FORGE_DEFAULT};

		g.time = (uint64_t)((int64_t)NOW + cases[i].off);
		g.fudge = cases[i].fudge;
		assert_int_equal(forged_request(*state, &g), cases[i].verdict);
	}
}

static void errors_come_in_the_order_key_mac_time_truncation(void **state)
{
	struct fixture *f = *state;
	struct forge g = {FORGE_DEFAULT};
	struct message m;
	uint8_t mac[EVP_MAX_MD_SIZE];

	g.time = 1;
	g.mac_len = 16;
	assert_int_equal(forged_request(f, &g), TSIG_BADTIME); /* and truncated too much */
	make_message(&m, 0, 0, 0);
	reference_mac(&g, NULL, &m, mac);
	mac[0] ^= 1;
	forge_record(&m, &g, mac);
	assert_int_equal(request_verdict(f, &m), TSIG_BADSIG); /* and at the wrong time */
	g.name = "\1x";
	g.name_len = 3;
	make_message(&m, 0, 0, 0);
	forge_record(&m, &g, mac);
	assert_int_equal(request_verdict(f, &m), TSIG_BADKEY); /* and the MAC is wrong */
}

static void other_data_belong_to_badtime_errors_only(void **state)
{
	static const uint8_t other[16] = {0};

	for (uint16_t len = 1; len <= 16; len++) {
		struct forge g = {FORGE_DEFAULT};

		g.other = other;
		g.other_len = len;
		assert_int_equal(forged_request(*state, &g), TSIG_FORMERR);
	}
}

static void record_data_must_be_filled_exactly(void **state)
{
	struct fixture *f = *state;
	struct message m;

	for (int add = -40; add <= 40; add++) {
		struct forge g = {FORGE_DEFAULT};

		g.rdlen_add = (uint16_t)add;
		make_message(&m, 0, 0, 0);
		forge(&m, &g);
		memset(m.octets + m.len, 0, 64);
		if (add > 0)
			m.len += (size_t)add;
		assert_int_equal(request_verdict(f, &m), add == 0 ? TSIG_OK : TSIG_FORMERR);
	}
}

static void octets_behind_the_record_are_formerr(void **state)
{
	struct fixture *f = *state;

	f->request.octets[f->request.len++] = 0;
	assert_int_equal(request_verdict(f, &f->request), TSIG_FORMERR);
}

static void a_request_cut_anywhere_is_formerr(void **state)
{
	struct fixture *f = *state;
	struct message m;

	memcpy(&m, &f->request, sizeof(m));
	for (m.len = 0; m.len < f->request.len; m.len++)
		assert_int_equal(request_verdict(f, &m), TSIG_FORMERR);
}

static void a_record_that_is_not_last_is_formerr(void **state)
{
	static const uint8_t opt[] = {0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0};
	struct fixture *f = *state;

	memcpy(f->request.octets + f->request.len, opt, sizeof(opt));
	f->request.len += sizeof(opt);
	f->request.octets[11]++;
	assert_int_equal(request_verdict(f, &f->request), TSIG_FORMERR);
}

static void two_records_are_formerr(void **state)
{
	struct fixture *f = *state;
	struct forge g = {FORGE_DEFAULT};

	forge(&f->request, &g); /* a good one over a message that ends with one */
	assert_int_equal(request_verdict(f, &f->request), TSIG_FORMERR);
}

static void a_record_in_another_section_is_formerr(void **state)
{
	struct fixture *f = *state;

	for (unsigned section = 6; section <= 8; section += 2) {
		struct message m;

		memcpy(&m, &f->request, sizeof(m));
		wire_store16(m.octets + 10, 0);
		wire_store16(m.octets + section, 1);
		assert_int_equal(request_verdict(f, &m), TSIG_FORMERR);
	}
}

static void a_compressed_key_name_is_read_and_a_compressed_algorithm_is_not(void **state)
{
	struct fixture *f = *state;
	struct forge g = {FORGE_DEFAULT};
	uint8_t mac[EVP_MAX_MD_SIZE];
	struct message m;

	make_message(&m, 0, 0, 0);
	reference_mac(&g, NULL, &m, mac);
	g.name = "\10transfer\3key\xC0\x0C";
	g.name_len = 15;
	forge_record(&m, &g, mac);
	assert_int_equal(request_verdict(f, &m), TSIG_OK);
	make_message(&m, 0, 0, 0);
	g.algorithm = "\xC0\x0C";
	g.algorithm_len = 2;
	forge_record(&m, &g, mac);
	assert_int_equal(request_verdict(f, &m), TSIG_FORMERR);
	g = (struct forge){FORGE_DEFAULT};
	g.name = "\xC0\x19"; /* to itself */
	g.name_len = 2;
	make_message(&m, 0, 0, 0);
	forge_record(&m, &g, mac);
	assert_int_equal(request_verdict(f, &m), TSIG_FORMERR);
}

/* --- error responses: RFC 8945 5.3.2 --- */

/* The server's error response to m, in m, after the verdict. */
static void respond_error(struct fixture *f, struct message *m, enum tsig_verdict expected)
{
	struct tsig t;
	size_t room;

	assert_int_equal(verify_request_at(&t, f->ring, m, NOW), expected);
	room = tsig_room(&t);
	make_message(m, DNS_FLAG_QR | (uint16_t)tsig_rcode(expected), 0, 0);
	room += m->len;
	assert_int_equal(tsig_sign_error(&t, m->octets, DNS_MSG_MAX, NOW, &m->len), 0);
	assert_true(m->len <= room);
	tsig_fini(&t);
}

static void badkey_and_badsig_are_answered_unsigned(void **state)
{
	struct fixture *f = *state;
	struct tsig_key *other = make_key(OTHER_NAME, TSIG_HMAC_SHA512, 0);
	struct tsig_record r;
	struct tsig client;

	assert_int_equal(tsig_client_init(&client, other), 0);
	make_message(&f->m, 0, 0, 0);
	assert_int_equal(tsig_sign_request(&client, f->m.octets, DNS_MSG_MAX, NOW, &f->m.len), 0);
	respond_error(f, &f->m, TSIG_BADKEY);
	assert_int_equal(tsig_record_find(f->m.octets, f->m.len, &r), TSIG_FOUND_ONE);
	assert_int_equal(r.error, TSIG_ERROR_BADKEY);
	assert_int_equal(r.mac_len, 0);
	assert_int_equal(r.other_len, 0);
	assert_true(name_equal(r.name, OTHER_NAME));
	assert_int_equal(f->m.octets[3], DNS_RCODE_NOTAUTH);
	assert_int_equal(verify_response_at(&client, &f->m, NOW), TSIG_PEER_ERROR);
	assert_int_equal(client.peer_error, TSIG_ERROR_BADKEY);
	assert_false(client.peer_error_signed);
	tsig_fini(&client);
	tsig_key_release(other);

	f->request.octets[f->request.len - 6 - MAC_LEN] ^= 1;
	respond_error(f, &f->request, TSIG_BADSIG);
	assert_int_equal(tsig_record_find(f->request.octets, f->request.len, &r), TSIG_FOUND_ONE);
	assert_int_equal(r.error, TSIG_ERROR_BADSIG);
	assert_int_equal(r.mac_len, 0);
	assert_int_equal(verify_response_at(&f->client, &f->request, NOW), TSIG_PEER_ERROR);
	assert_false(f->client.peer_error_signed);
}

static void badtime_is_answered_signed_over_the_clients_time_and_tells_ours(void **state)
{
	struct fixture *f = *state;
	struct tsig_record r;
	uint64_t then = NOW - 1000;

	make_message(&f->m, 0, 0, 0);
	assert_int_equal(tsig_sign_request(&f->client, f->m.octets, DNS_MSG_MAX, then, &f->m.len), 0);
	respond_error(f, &f->m, TSIG_BADTIME);
	assert_int_equal(tsig_record_find(f->m.octets, f->m.len, &r), TSIG_FOUND_ONE);
	assert_int_equal(r.error, TSIG_ERROR_BADTIME);
	assert_int_equal(r.time_signed, then);
	assert_int_equal(r.fudge, TSIG_FUDGE_S);
	assert_int_equal(r.other_len, 6);
	assert_int_equal(verify_response_at(&f->client, &f->m, then), TSIG_PEER_ERROR);
	assert_int_equal(f->client.peer_error, TSIG_ERROR_BADTIME);
	assert_true(f->client.peer_error_signed);
	assert_int_equal(f->client.peer_time, NOW);
}

static void badtrunc_is_answered_signed(void **state)
{
	struct fixture *f = *state;
	struct forge g = {FORGE_DEFAULT};
	struct tsig_record r;

	g.mac_len = 16;
	make_message(&f->m, 0, 0, 0);
	forge(&f->m, &g);
	respond_error(f, &f->m, TSIG_BADTRUNC);
	assert_int_equal(tsig_record_find(f->m.octets, f->m.len, &r), TSIG_FOUND_ONE);
	assert_int_equal(r.error, TSIG_ERROR_BADTRUNC);
	assert_int_equal(r.mac_len, MAC_LEN);
	f->client.mac_len = 16; /* the client that sent the truncated one */
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_PEER_ERROR);
	assert_true(f->client.peer_error_signed);
}

static void formerr_is_answered_without_a_tsig_record(void **state)
{
	struct fixture *f = *state;
	struct tsig_record r;

	f->request.octets[f->request.len++] = 0;
	respond_error(f, &f->request, TSIG_FORMERR);
	assert_int_equal(tsig_record_find(f->request.octets, f->request.len, &r), TSIG_FOUND_NONE);
	assert_int_equal(f->request.octets[3], DNS_RCODE_FORMERR);
}

static void an_error_that_says_it_is_signed_and_is_not_is_badsig(void **state)
{
	struct fixture *f = *state;
	struct forge g = {FORGE_DEFAULT};
	uint8_t mac[EVP_MAX_MD_SIZE] = {0};

	g.error = TSIG_ERROR_BADTRUNC;
	make_message(&f->m, DNS_FLAG_QR | DNS_RCODE_NOTAUTH, 0, 0);
	forge_record(&f->m, &g, mac);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_BADSIG);
}

/* --- responses: RFC 8945 5.3.1, 5.4 --- */

static void sign_next(struct fixture *f, unsigned n)
{
	make_message(&f->m, DNS_FLAG_QR | DNS_FLAG_AA, 1, n);
	assert_int_equal(tsig_sign_response(&f->server, f->m.octets, DNS_MSG_MAX, NOW, &f->m.len), 0);
}

static void we_sign_every_message_of_a_response_and_a_client_can_follow(void **state)
{
	struct fixture *f = *state;
	struct tsig_record r;

	for (unsigned n = 0; n < 300; n++) {
		sign_next(f, n);
		assert_int_equal(tsig_record_find(f->m.octets, f->m.len, &r), TSIG_FOUND_ONE);
		assert_int_equal(r.mac_len, MAC_LEN);
		assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_OK);
	}
	assert_int_equal(tsig_verify_end(&f->client), TSIG_OK);
}

static void a_response_without_any_message_is_not_signed(void **state)
{
	struct fixture *f = *state;
	struct tsig t;

	assert_int_equal(tsig_verify_end(&f->client), TSIG_UNSIGNED);
	assert_int_equal(tsig_client_init(&t, f->key), 0);
	assert_int_equal(tsig_verify_end(&t), TSIG_UNSIGNED);
	assert_int_equal(verify_response_at(&t, &f->request, NOW), TSIG_FAULT); /* nothing was asked */
	tsig_fini(&t);
}

static void an_unsigned_first_message_is_refused_and_the_right_one_still_accepted(void **state)
{
	struct fixture *f = *state;

	make_message(&f->m, DNS_FLAG_QR, 1, 666);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_UNSIGNED);
	assert_int_equal(tsig_verify_end(&f->client), TSIG_UNSIGNED);
	sign_next(f, 0);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_OK);
}

static void bad_first_messages_do_not_keep_the_right_one_out(void **state)
{
	struct fixture *f = *state;

	sign_next(f, 0);
	for (size_t at = 2; at < f->m.len; at++) {
		enum tsig_verdict v;

		f->m.octets[at] ^= 0x80;
		v = response_verdict(f, &f->m);
		assert_true(v != TSIG_OK && v != TSIG_PENDING);
		f->m.octets[at] ^= 0x80;
	}
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_OK);
}

/* cnt unsigned messages, each appended to `before`, then a signed one. Returns the verdict about the last. */
static enum tsig_verdict unsigned_run(struct fixture *f, unsigned cnt)
{
	static struct message before;
	struct forge g = {FORGE_DEFAULT, FORGE_CHAIN(&f->client), .timers_only = true};
	uint8_t mac[EVP_MAX_MD_SIZE];

	before.len = 0;
	for (unsigned i = 0; i < cnt; i++) {
		enum tsig_verdict v;

		make_message(&f->m, DNS_FLAG_QR, 1, i);
		assert_true(before.len + f->m.len <= sizeof(before.octets));
		memcpy(before.octets + before.len, f->m.octets, f->m.len);
		before.len += f->m.len;
		v = verify_response_at(&f->client, &f->m, NOW);
		if (v != TSIG_PENDING)
			return v;
		assert_int_equal(tsig_verify_end(&f->client), TSIG_UNSIGNED);
	}
	make_message(&f->m, DNS_FLAG_QR, 1, cnt);
	reference_mac(&g, &before, &f->m, mac);
	forge_record(&f->m, &g, mac);
	return verify_response_at(&f->client, &f->m, NOW);
}

static void up_to_99_unsigned_messages_may_stand_between_signed_ones(void **state)
{
	struct fixture *f = *state;
	static const unsigned runs[] = {0, 1, 2, 98, 99, 99, 5};

	sign_next(f, 0);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_OK);
	for (size_t i = 0; i < COUNT(runs); i++)
		assert_int_equal(unsigned_run(f, runs[i]), TSIG_OK);
	assert_int_equal(tsig_verify_end(&f->client), TSIG_OK);
}

static void the_100th_unsigned_message_ends_the_transfer_for_good(void **state)
{
	struct fixture *f = *state;

	sign_next(f, 0);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_OK);
	assert_int_equal(unsigned_run(f, 100), TSIG_UNSIGNED);
	sign_next(f, 1);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_UNSIGNED);
	assert_int_equal(tsig_verify_end(&f->client), TSIG_UNSIGNED);
}

static void an_unsigned_last_message_is_refused(void **state)
{
	struct fixture *f = *state;

	sign_next(f, 0);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_OK);
	make_message(&f->m, DNS_FLAG_QR, 1, 1);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_PENDING);
	assert_int_equal(tsig_verify_end(&f->client), TSIG_UNSIGNED);
}

static void a_changed_unsigned_message_is_noticed_at_the_next_signature(void **state)
{
	struct fixture *f = *state;
	struct message stream[3] = {{.len = sizeof(vector_stream_0)},
				    {.len = sizeof(vector_stream_1)},
				    {.len = sizeof(vector_stream_2)}};
	struct message last = {.len = sizeof(vector_stream_3)};

	memcpy(stream[0].octets, vector_stream_0, stream[0].len);
	memcpy(stream[1].octets, vector_stream_1, stream[1].len);
	memcpy(stream[2].octets, vector_stream_2, stream[2].len);
	memcpy(last.octets, vector_stream_3, last.len);
	stream[1].octets[stream[1].len - 1] ^= 1;
	assert_int_equal(verify_response_at(&f->client, &stream[0], NOW), TSIG_OK);
	assert_int_equal(verify_response_at(&f->client, &stream[1], NOW), TSIG_PENDING);
	assert_int_equal(verify_response_at(&f->client, &stream[2], NOW), TSIG_PENDING);
	assert_int_equal(verify_response_at(&f->client, &last, NOW), TSIG_BADSIG);
	assert_int_equal(tsig_verify_end(&f->client), TSIG_BADSIG);
}

static void a_message_left_out_or_swapped_or_repeated_is_noticed(void **state)
{
	enum { LEFT_OUT, SWAPPED, REPEATED, MANIPULATIONS };

	for (int how = 0; how < MANIPULATIONS; how++) {
		static struct message m[3];
		struct fixture *f;
		void *inner = NULL;

		setup(&inner);
		f = inner;
		for (unsigned i = 0; i < 3; i++) {
			sign_next(f, i);
			memcpy(&m[i], &f->m, sizeof(m[i]));
		}
		if (how != REPEATED)
			assert_int_equal(response_verdict(f, &m[0]), TSIG_OK);
		if (how == REPEATED) {
			assert_int_equal(response_verdict(f, &m[0]), TSIG_OK);
			assert_int_equal(response_verdict(f, &m[0]), TSIG_BADSIG);
		} else {
			assert_int_equal(response_verdict(f, &m[2]), TSIG_BADSIG);
		}
		assert_int_equal(response_verdict(f, &m[1]), TSIG_BADSIG); /* final */
		teardown(&inner);
	}
}

static void a_response_to_another_request_is_badsig(void **state)
{
	struct fixture *f = *state;
	struct message replayed;

	sign_next(f, 0);
	memcpy(&replayed, &f->m, sizeof(replayed));
	/* The same question again, a second later: another MAC, so the old transfer proves nothing. */
	make_message(&f->request, 0, 0, 0);
	assert_int_equal(
		tsig_sign_request(&f->client, f->request.octets, DNS_MSG_MAX, NOW + 1, &f->request.len), 0);
	assert_int_equal(verify_response_at(&f->client, &replayed, NOW + 1), TSIG_BADSIG);
}

static void a_response_whose_digest_leaves_the_request_mac_out_is_badsig(void **state)
{
	struct fixture *f = *state;
	struct forge without = {FORGE_DEFAULT}, with = {FORGE_DEFAULT, FORGE_CHAIN(&f->client)};

	make_message(&f->m, DNS_FLAG_QR, 1, 0);
	forge(&f->m, &without);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_BADSIG);
	make_message(&f->m, DNS_FLAG_QR, 1, 0);
	forge(&f->m, &with);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_OK);
}

static void our_own_request_sent_back_is_badsig(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(verify_response_at(&f->client, &f->request, NOW), TSIG_BADSIG);
}

static void a_response_with_another_key_or_algorithm_is_badkey(void **state)
{
	struct fixture *f = *state;
	struct forge g = {FORGE_DEFAULT, FORGE_CHAIN(&f->client)};

	g.name = "\5other\7example";
	g.name_len = 15;
	make_message(&f->m, DNS_FLAG_QR, 1, 0);
	forge(&f->m, &g);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_BADKEY);
	g = (struct forge){FORGE_DEFAULT, FORGE_CHAIN(&f->client)};
	g.algorithm = "\13hmac-sha512";
	make_message(&f->m, DNS_FLAG_QR, 1, 0);
	forge(&f->m, &g);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_BADKEY);
}

static void a_response_signed_too_long_ago_is_badtime_also_in_the_middle(void **state)
{
	struct fixture *f = *state;

	sign_next(f, 0);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW + TSIG_FUDGE_S + 1), TSIG_BADTIME);
	assert_int_equal(response_verdict(f, &f->m),
			 TSIG_OK); /* a first one does not spoil the transaction */
	sign_next(f, 1);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW + TSIG_FUDGE_S + 1), TSIG_BADTIME);
	assert_int_equal(tsig_verify_end(&f->client), TSIG_BADTIME);
}

static void a_response_with_a_truncated_mac_is_refused_by_default(void **state)
{
	struct fixture *f = *state;

	for (uint16_t len = 0; len < MAC_LEN; len++) {
		struct forge g = {FORGE_DEFAULT, FORGE_CHAIN(&f->client)};

		g.mac_len = len;
		make_message(&f->m, DNS_FLAG_QR, 1, 0);
		forge(&f->m, &g);
		assert_int_equal(verify_response_at(&f->client, &f->m, NOW),
				 len < MAC_LEN / 2 ? TSIG_FORMERR : TSIG_BADTRUNC);
	}
	sign_next(f, 0); /* and the chain is as it was */
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_OK);
}

static void an_error_field_inside_a_stream_is_never_taken_for_signed(void **state)
{
	struct fixture *f = *state;
	struct forge g;

	sign_next(f, 0);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_OK);
	g = (struct forge){FORGE_DEFAULT, FORGE_CHAIN(&f->client), .timers_only = true,
			   .error = TSIG_ERROR_BADSIG};
	make_message(&f->m, DNS_FLAG_QR, 1, 1);
	forge(&f->m, &g);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_PEER_ERROR);
	assert_false(f->client.peer_error_signed);
	assert_int_equal(tsig_verify_end(&f->client), TSIG_PEER_ERROR);
}

static void an_oversized_message_is_formerr(void **state)
{
	struct fixture *f = *state;
	struct tsig t;
	size_t rdlen;

	make_message(&f->m, 0, 0, 0);
	wire_store16(f->m.octets + 6, 1);
	memcpy(f->m.octets + f->m.len, "\xC0\x0C\xFF\0\0\1\0\0\16\20", 10);
	rdlen = DNS_MSG_MAX + 1 - f->m.len - 12;
	wire_store16(f->m.octets + f->m.len + 10, (uint16_t)rdlen);
	memset(f->m.octets + f->m.len + 12, 0, rdlen);
	f->m.len = DNS_MSG_MAX + 1; /* else without fault */
	assert_int_equal(verify_request_at(&t, f->ring, &f->m, NOW), TSIG_FORMERR);
	tsig_fini(&t);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_FORMERR);
}

static void a_message_that_counts_more_or_fewer_records_than_it_holds_is_formerr(void **state)
{
	struct fixture *f = *state;

	for (unsigned at = 5; at <= 11; at += 2) {
		f->request.octets[at]++;
		assert_int_equal(request_verdict(f, &f->request), TSIG_FORMERR);
		f->request.octets[at]--;
	}
	for (unsigned at = 5; at <= 11; at += 6) {
		f->request.octets[at]--;
		assert_int_equal(request_verdict(f, &f->request), TSIG_FORMERR);
		f->request.octets[at]++;
	}
}

/* --- signing --- */

static void what_does_not_fit_is_refused_and_the_message_left_as_it_was(void **state)
{
	struct fixture *f = *state;
	size_t len;

	make_message(&f->m, DNS_FLAG_QR, 1, 0);
	len = f->m.len;
	for (size_t cap = len; cap < len + tsig_room(&f->server) - 6; cap++) {
		assert_int_equal(tsig_sign_response(&f->server, f->m.octets, cap, NOW, &f->m.len), -EMSGSIZE);
		assert_int_equal(f->m.len, len);
		assert_int_equal(wire_load16(f->m.octets + 10), 0);
	}
	/* And it has not disturbed the chain. */
	assert_int_equal(
		tsig_sign_response(&f->server, f->m.octets, len + tsig_room(&f->server), NOW, &f->m.len), 0);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_OK);
}

static void a_message_can_be_filled_to_65535_octets_with_its_signature(void **state)
{
	struct fixture *f = *state;
	size_t rdlen;

	make_message(&f->m, DNS_FLAG_QR, 0, 0);
	wire_store16(f->m.octets + 6, 1);
	memcpy(f->m.octets + f->m.len, "\xC0\x0C\xFF\0\0\1\0\0\16\20", 10);
	rdlen = DNS_MSG_MAX - (tsig_room(&f->server) - 6) - f->m.len - 12;
	wire_store16(f->m.octets + f->m.len + 10, (uint16_t)rdlen);
	memset(f->m.octets + f->m.len + 12, 0x55, rdlen);
	f->m.len += 12 + rdlen;
	assert_int_equal(tsig_sign_response(&f->server, f->m.octets, sizeof(f->m.octets), NOW, &f->m.len), 0);
	assert_int_equal(f->m.len, DNS_MSG_MAX);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_OK);
	f->m.len++; /* in a larger buffer an octet more is too many all the same */
	assert_int_equal(tsig_sign_response(&f->server, f->m.octets, sizeof(f->m.octets), NOW, &f->m.len),
			 -EMSGSIZE);
}

static void each_attempt_of_a_request_begins_anew(void **state)
{
	struct fixture *f = *state;

	sign_next(f, 0);
	assert_int_equal(response_verdict(f, &f->m), TSIG_OK);
	make_message(&f->m, DNS_FLAG_QR, 1, 1);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_PENDING);
	make_message(&f->m, 0, 0, 0);
	assert_int_equal(tsig_sign_request(&f->client, f->m.octets, DNS_MSG_MAX, NOW, &f->m.len), 0);
	tsig_fini(&f->server);
	assert_int_equal(verify_request_at(&f->server, f->ring, &f->m, NOW), TSIG_OK);
	assert_int_equal(tsig_verify_end(&f->client), TSIG_UNSIGNED);
	sign_next(f, 2);
	assert_int_equal(verify_response_at(&f->client, &f->m, NOW), TSIG_OK);
}

/* --- keys --- */

static void keys_refuse_what_they_cannot_be(void **state)
{
	struct tsig_key_spec good = {.name = KEY_NAME,
				     .secret = (const uint8_t *)"secret",
				     .secret_len = 6,
				     .algorithm = TSIG_HMAC_SHA256};
	struct tsig_key_spec bad;
	struct tsig_key *key = NULL;

	bad = good;
	bad.secret_len = 0;
	assert_int_equal(tsig_key_new(&bad, &key), -EINVAL);
	bad = good;
	bad.mac_len_min = 15;
	assert_int_equal(tsig_key_new(&bad, &key), -EINVAL);
	bad.mac_len_min = 33;
	assert_int_equal(tsig_key_new(&bad, &key), -EINVAL);
	bad = good;
	bad.algorithm = TSIG_HMAC_MD5;
	assert_int_equal(tsig_key_new(&bad, &key), -EPERM);
	assert_null(key);
	assert_int_equal(tsig_key_new(&good, &key), 0);
	tsig_key_release(key);
	tsig_key_release(NULL);
}

static void algorithm_names_are_read_and_md5_has_two(void **state)
{
	for (int a = 0; a < TSIG_ALGORITHM_CNT; a++)
		assert_int_equal(tsig_algorithm_from_text(tsig_algorithms[a].text), a);
	assert_int_equal(tsig_algorithm_from_text("HMAC-SHA256."), TSIG_HMAC_SHA256);
	assert_int_equal(tsig_algorithm_from_text("hmac-md5.sig-alg.reg.int."), TSIG_HMAC_MD5);
	assert_int_equal(tsig_algorithm_from_text(""), -EINVAL);
	assert_int_equal(tsig_algorithm_from_text("."), -EINVAL);
	assert_int_equal(tsig_algorithm_from_text("hmac-sha25"), -EINVAL);
	assert_int_equal(tsig_algorithm_from_text("hmac-sha256x"), -EINVAL);
	assert_int_equal(tsig_algorithm_from_text("gss-tsig"), -EINVAL);
}

static void a_keyring_finds_each_of_its_keys_and_no_other(void **state)
{
	struct tsig_key *keys[50];
	struct tsig_keyring *ring = NULL;
	uint8_t name[] = "\3k00\7example";

	for (unsigned i = 0; i < COUNT(keys); i++) {
		name[2] = (uint8_t)('0' + i * 7 % 50 / 10);
		name[3] = (uint8_t)('0' + i * 7 % 50 % 10);
		keys[i] = make_key(name, TSIG_HMAC_SHA256, 0);
	}
	assert_int_equal(tsig_keyring_new(keys, COUNT(keys), &ring, NULL), 0);
	for (unsigned i = 0; i < COUNT(keys); i++)
		assert_ptr_equal(tsig_keyring_find(ring, keys[i]->name), keys[i]);
	assert_ptr_equal(tsig_keyring_find(ring, (const uint8_t *)"\3K07\7EXAMPLE"), keys[1]);
	assert_null(tsig_keyring_find(ring, KEY_NAME));
	tsig_keyring_free(ring);
	assert_int_equal(tsig_keyring_new(NULL, 0, &ring, NULL), 0);
	assert_null(tsig_keyring_find(ring, KEY_NAME));
	tsig_keyring_free(ring);
	for (unsigned i = 0; i < COUNT(keys); i++)
		tsig_key_release(keys[i]);
}

static void two_keys_of_one_name_are_refused(void **state)
{
	struct tsig_key *keys[3] = {make_key(KEY_NAME, TSIG_HMAC_SHA256, 0),
				    make_key(OTHER_NAME, TSIG_HMAC_SHA256, 0),
				    make_key((const uint8_t *)KEY_LOWER, TSIG_HMAC_SHA512, 0)};
	struct tsig_keyring *ring = NULL;
	const uint8_t *which = NULL;

	assert_int_equal(tsig_keyring_new(keys, 3, &ring, &which), -EEXIST);
	assert_null(ring);
	assert_non_null(which);
	assert_true(name_equal(which, KEY_NAME));
	for (unsigned i = 0; i < 3; i++)
		tsig_key_release(keys[i]);
}

static void a_transaction_survives_the_replacement_of_its_key(void **state)
{
	struct fixture *f = *state;
	struct tsig_key *key = make_key(KEY_NAME, TSIG_HMAC_SHA256, 0);
	struct tsig_keyring *ring = make_ring(key);
	struct tsig client, server;

	assert_int_equal(tsig_client_init(&client, key), 0);
	tsig_key_release(key);
	make_message(&f->m, 0, 0, 0);
	assert_int_equal(tsig_sign_request(&client, f->m.octets, DNS_MSG_MAX, NOW, &f->m.len), 0);
	assert_int_equal(verify_request_at(&server, ring, &f->m, NOW), TSIG_OK);
	tsig_keyring_free(ring); /* a reload */
	for (unsigned n = 0; n < 3; n++) {
		make_message(&f->m, DNS_FLAG_QR, 1, n);
		assert_int_equal(tsig_sign_response(&server, f->m.octets, DNS_MSG_MAX, NOW, &f->m.len), 0);
		assert_int_equal(verify_response_at(&client, &f->m, NOW), TSIG_OK);
	}
	tsig_fini(&client);
	tsig_fini(&server);
}

/* KEY_NAME with another secret than make_key's. */
static struct tsig_key *make_other_secret(void)
{
	const struct tsig_key_spec spec = {.name = KEY_NAME,
					   .secret = (const uint8_t *)"another secret",
					   .secret_len = 14,
					   .algorithm = TSIG_HMAC_SHA256};
	struct tsig_key *key = NULL;

	assert_int_equal(tsig_key_new(&spec, &key), 0);
	return key;
}

static enum tsig_verdict ask(struct fixture *f, struct tsig *client, struct tsig *server,
			     const struct tsig_keyring *ring)
{
	make_message(&f->m, 0, 0, 0);
	assert_int_equal(tsig_sign_request(client, f->m.octets, DNS_MSG_MAX, NOW, &f->m.len), 0);
	return verify_request_at(server, ring, &f->m, NOW);
}

static void a_new_secret_is_for_what_begins_after_it_and_the_former_for_what_is_under_way(void **state)
{
	struct fixture *f = *state;
	struct tsig_key *fresh = make_other_secret(), *peers = make_other_secret();
	struct tsig_keyring *peers_ring = make_ring(peers);
	struct tsig running, server, begun, later, verifier;

	assert_int_equal(tsig_client_init(&running, f->key), 0);
	assert_int_equal(tsig_client_init(&begun, f->key), 0);
	assert_int_equal(ask(f, &running, &server, f->ring), TSIG_OK);
	tsig_key_exchange(f->key, fresh);
	tsig_key_release(fresh);
	for (unsigned n = 0; n < 3; n++) {
		make_message(&f->m, DNS_FLAG_QR, 1, n);
		assert_int_equal(tsig_sign_response(&server, f->m.octets, DNS_MSG_MAX, NOW, &f->m.len), 0);
		assert_int_equal(verify_response_at(&running, &f->m, NOW), TSIG_OK);
	}
	assert_int_equal(tsig_verify_end(&running), TSIG_OK);
	assert_int_equal(ask(f, &begun, &verifier, peers_ring), TSIG_BADSIG);
	tsig_fini(&verifier);
	assert_int_equal(ask(f, &begun, &verifier, f->ring), TSIG_BADSIG);
	tsig_fini(&verifier);
	assert_int_equal(tsig_client_init(&later, f->key), 0);
	assert_int_equal(ask(f, &later, &verifier, peers_ring), TSIG_OK);
	tsig_fini(&verifier);
	assert_int_equal(ask(f, &later, &verifier, f->ring), TSIG_OK);
	assert_ptr_equal(verifier.key, f->key);
	tsig_fini(&verifier);
	tsig_fini(&running);
	tsig_fini(&server);
	tsig_fini(&begun);
	tsig_fini(&later);
	tsig_keyring_free(peers_ring);
	tsig_key_release(peers);
}

struct swapper {
	struct tsig_key *key, *fresh;
	_Atomic bool end;
};

static void *swap_until_end(void *arg)
{
	struct swapper *s = arg;

	while (!s->end)
		tsig_key_exchange(s->key, s->fresh);
	return NULL;
}

static void a_transaction_that_begins_during_a_replacement_has_one_of_the_two_secrets(void **state)
{
	struct fixture *f = *state;
	struct tsig_key *key = make_key(KEY_NAME, TSIG_HMAC_SHA256, 0), *other = make_other_secret();
	struct tsig_keyring *other_ring = make_ring(other);
	struct swapper s = {.key = key, .fresh = make_other_secret()};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, swap_until_end, &s), 0);
	for (unsigned i = 0; i < 2000; i++) {
		struct tsig client, first, second;
		bool former, fresh;

		assert_int_equal(tsig_client_init(&client, key), 0);
		former = ask(f, &client, &first, f->ring) == TSIG_OK;
		fresh = ask(f, &client, &second, other_ring) == TSIG_OK;
		assert_true(former != fresh);
		tsig_fini(&client);
		tsig_fini(&first);
		tsig_fini(&second);
	}
	s.end = true;
	pthread_join(thread, NULL);
	tsig_keyring_free(other_ring);
	tsig_key_release(s.fresh);
	tsig_key_release(other);
	tsig_key_release(key);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(requests_and_responses_of_dnspython_are_accepted_and_ours_are_the_same_octets),
		T(a_transfer_signed_by_dnspython_with_unsigned_messages_inside_is_accepted),
		T(ldns_accepts_what_we_sign),
		T(we_accept_what_ldns_signs),
		T(a_request_without_tsig_is_none_and_its_response_stays_unsigned),
		T(the_record_is_taken_off_an_accepted_request_and_the_id_stays),
		T(the_writer_of_these_tests_writes_good_records),
		T(class_other_than_any_is_formerr_even_when_signed),
		T(a_ttl_other_than_0_is_formerr_even_when_signed),
		T(key_and_algorithm_names_compare_without_case),
		T(an_unknown_key_is_badkey),
		T(another_algorithm_than_the_keys_is_badkey_whether_we_know_it_or_not),
		T(a_key_known_under_the_same_name_with_another_secret_is_badsig),
		T(no_octet_of_a_signed_request_can_change_unnoticed),
		T(each_octet_of_the_mac_counts),
		T(a_changed_original_id_time_fudge_or_error_is_noticed),
		T(a_mac_shorter_than_half_or_than_10_or_longer_than_the_hash_is_formerr),
		T(the_floor_of_short_hashes_is_10_octets),
		T(a_truncated_mac_is_accepted_where_the_key_allows_it_and_chains_as_it_was_sent),
		T(time_may_differ_by_the_fudge_and_no_more),
		T(errors_come_in_the_order_key_mac_time_truncation),
		T(other_data_belong_to_badtime_errors_only),
		T(record_data_must_be_filled_exactly),
		T(octets_behind_the_record_are_formerr),
		T(a_request_cut_anywhere_is_formerr),
		T(a_record_that_is_not_last_is_formerr),
		T(two_records_are_formerr),
		T(a_record_in_another_section_is_formerr),
		T(a_compressed_key_name_is_read_and_a_compressed_algorithm_is_not),
		T(badkey_and_badsig_are_answered_unsigned),
		T(badtime_is_answered_signed_over_the_clients_time_and_tells_ours),
		T(badtrunc_is_answered_signed),
		T(formerr_is_answered_without_a_tsig_record),
		T(an_error_that_says_it_is_signed_and_is_not_is_badsig),
		T(we_sign_every_message_of_a_response_and_a_client_can_follow),
		T(a_response_without_any_message_is_not_signed),
		T(an_unsigned_first_message_is_refused_and_the_right_one_still_accepted),
		T(bad_first_messages_do_not_keep_the_right_one_out),
		T(up_to_99_unsigned_messages_may_stand_between_signed_ones),
		T(the_100th_unsigned_message_ends_the_transfer_for_good),
		T(an_unsigned_last_message_is_refused),
		T(a_changed_unsigned_message_is_noticed_at_the_next_signature),
		T(a_message_left_out_or_swapped_or_repeated_is_noticed),
		T(a_response_to_another_request_is_badsig),
		T(a_response_whose_digest_leaves_the_request_mac_out_is_badsig),
		T(our_own_request_sent_back_is_badsig),
		T(a_response_with_another_key_or_algorithm_is_badkey),
		T(a_response_signed_too_long_ago_is_badtime_also_in_the_middle),
		T(a_response_with_a_truncated_mac_is_refused_by_default),
		T(an_error_field_inside_a_stream_is_never_taken_for_signed),
		T(an_oversized_message_is_formerr),
		T(a_message_that_counts_more_or_fewer_records_than_it_holds_is_formerr),
		T(what_does_not_fit_is_refused_and_the_message_left_as_it_was),
		T(a_message_can_be_filled_to_65535_octets_with_its_signature),
		T(each_attempt_of_a_request_begins_anew),
		T(keys_refuse_what_they_cannot_be),
		T(algorithm_names_are_read_and_md5_has_two),
		T(a_keyring_finds_each_of_its_keys_and_no_other),
		T(two_keys_of_one_name_are_refused),
		T(a_transaction_survives_the_replacement_of_its_key),
		T(a_new_secret_is_for_what_begins_after_it_and_the_former_for_what_is_under_way),
		T(a_transaction_that_begins_during_a_replacement_has_one_of_the_two_secrets),
	};

	return cmocka_run_group_tests_name("tsig", tests, NULL, NULL);
}
