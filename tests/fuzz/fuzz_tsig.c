/*
 * Fuzz target: messages that may carry a TSIG record, as request and as response. An input is one octet that chooses
 * the algorithm of the key, then the message.
 *
 * A message that is not accepted must be untouched. One without a TSIG record is signed by us: then it must be accepted
 * and come out as it went in, and with any octet behind the id changed it must not.
 */
#include "control/tsig.h"
#include "tests/fuzz/holds.h"

#define NOW 1700000000

/* A block of exactly cap octets, so that a sanitizer notices one too many. */
static uint8_t *copy_of(const uint8_t *msg, size_t len, size_t cap)
{
	uint8_t *copy = malloc(cap > 0 ? cap : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, msg, len);
	return copy;
}

static struct tsig_key *make_key(uint8_t choice)
{
	struct tsig_key_spec spec = {.name = (const uint8_t *)"\10Transfer\3Key\7example",
				     .secret = (const uint8_t *)"0123456789abcdef",
				     .secret_len = 16,
				     .algorithm = (enum tsig_algorithm)(choice % TSIG_ALGORITHM_CNT),
				     .allow_md5 = true};
	struct tsig_key *key;

	if (tsig_key_new(&spec, &key) < 0)
		abort();
	return key;
}

/* Any message as a request, and the error that answers it. */
static enum tsig_verdict as_request(const struct tsig_keyring *ring, const uint8_t *msg, size_t len)
{
	uint8_t error[1024] = {0};
	size_t error_len = DNS_HEADER_LEN, got = len;
	uint8_t *copy = copy_of(msg, len, len);
	struct tsig_record r;
	struct tsig t;
	enum tsig_verdict v = tsig_verify_request(&t, ring, copy, NOW, &got);

	HOLDS(v != TSIG_PENDING && v != TSIG_UNSIGNED && v != TSIG_PEER_ERROR && v != TSIG_FAULT);
	if (v == TSIG_OK)
		HOLDS(got < len && tsig_record_find(copy, got, &r) == TSIG_FOUND_NONE);
	else
		HOLDS(got == len && memcmp(copy, msg, len) == 0);
	if (v != TSIG_OK && v != TSIG_NONE) {
		size_t room = tsig_room(&t);

		HOLDS(tsig_sign_error(&t, error, sizeof(error), NOW, &error_len) == 0);
		HOLDS(v == TSIG_FORMERR || error_len <= DNS_HEADER_LEN + room);
		HOLDS(tsig_record_find(error, error_len, &r) ==
		      (v == TSIG_FORMERR ? TSIG_FOUND_NONE : TSIG_FOUND_ONE));
	}
	tsig_fini(&t);
	free(copy);
	return v;
}

/* Any message in answer to a request, first and in the middle of a transfer. */
static void as_response(struct tsig_key *key, const struct tsig_keyring *ring, const uint8_t *msg, size_t len)
{
	uint8_t buf[512] = {0};
	uint8_t *copy = copy_of(msg, len, len);
	size_t buf_len = DNS_HEADER_LEN, got = len;
	struct tsig client, server;
	enum tsig_verdict v;

	HOLDS(tsig_client_init(&client, key) == 0);
	HOLDS(tsig_sign_request(&client, buf, sizeof(buf), NOW, &buf_len) == 0);
	v = tsig_verify_response(&client, copy, NOW, &got);
	HOLDS(v != TSIG_OK && v != TSIG_PENDING && v != TSIG_FAULT);
	HOLDS(tsig_verify_request(&server, ring, buf, NOW, &buf_len) == TSIG_OK);
	HOLDS(tsig_sign_response(&server, buf, sizeof(buf), NOW, &buf_len) == 0);
	HOLDS(tsig_verify_response(&client, buf, NOW, &buf_len) == TSIG_OK);
	v = tsig_verify_response(&client, copy, NOW, &got);
	HOLDS(v != TSIG_OK && v != TSIG_FAULT && got == len && memcmp(copy, msg, len) == 0);
	HOLDS(tsig_verify_end(&client) != TSIG_OK);
	tsig_fini(&client);
	tsig_fini(&server);
	free(copy);
}

/* msg has no TSIG record. at: an octet to change. */
static void round_trip(struct tsig_key *key, const struct tsig_keyring *ring, const uint8_t *msg, size_t len,
		       size_t at)
{
	struct tsig client, server;
	size_t signed_len = len, got;
	uint8_t *wire;

	HOLDS(tsig_client_init(&client, key) == 0);
	wire = copy_of(msg, len, len + tsig_room(&client));
	if (tsig_sign_request(&client, wire, len + tsig_room(&client), NOW, &signed_len) == 0) {
		uint8_t *changed = copy_of(wire, signed_len, signed_len);

		changed[2 + at % (len - 2)] ^= 0x80; /* behind the id, which is not signed as it stands */
		HOLDS(as_request(ring, changed, signed_len) != TSIG_OK);
		free(changed);
		got = signed_len;
		HOLDS(tsig_verify_request(&server, ring, wire, NOW, &got) == TSIG_OK);
		HOLDS(got == len && memcmp(wire, msg, len) == 0);
		tsig_fini(&server);
	}
	tsig_fini(&client);
	free(wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tsig_keyring *ring;
	struct tsig_key *key;

	if (len < 1)
		return 0;
	key = make_key(data[0]);
	if (tsig_keyring_new(&key, 1, &ring, NULL) < 0)
		abort();
	as_response(key, ring, data + 1, len - 1);
	if (as_request(ring, data + 1, len - 1) == TSIG_NONE)
		round_trip(key, ring, data + 1, len - 1, data[0] + (size_t)data[len - 1] * 256);
	tsig_keyring_free(ring);
	tsig_key_release(key);
	return 0;
}
