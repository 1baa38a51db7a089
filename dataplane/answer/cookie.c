#include "dataplane/answer/cookie.h"

#include "dataplane/dns/wire.h"

#define VERSION	       1
#define HEAD_LEN       8 /* version, reserved, time */
#define TIME_AT	       4 /* in the server cookie */
#define ADDRESS_MAX    16
#define SERVER_LEN_MIN 8 /* of any server's, RFC 7873 4 */
#define SERVER_LEN_MAX 32

/* cookie: client cookie and the head of a server cookie; writes what comes behind them. */
static void put_hash(uint8_t *cookie, const uint8_t *secret, const uint8_t *client, size_t client_len)
{
	uint8_t input[COOKIE_CLIENT_LEN + HEAD_LEN + ADDRESS_MAX];
	uint8_t *p = cookie + COOKIE_CLIENT_LEN + HEAD_LEN;
	uint64_t hash;

	memcpy(input, cookie, COOKIE_CLIENT_LEN + HEAD_LEN);
	memcpy(input + COOKIE_CLIENT_LEN + HEAD_LEN, client, client_len);
	hash = cookie_hash(secret, input, COOKIE_CLIENT_LEN + HEAD_LEN + client_len);
	for (unsigned i = 0; i < 8; i++)
		p[i] = (uint8_t)(hash >> (8 * i));
}

static void make(const struct cookie_config *config, const uint8_t *client, size_t client_len, uint32_t now_s,
		 uint8_t out[COOKIE_LEN])
{
	uint8_t *server = out + COOKIE_CLIENT_LEN;

	wire_store32(server, (uint32_t)VERSION << 24);
	wire_store32(server + TIME_AT, now_s);
	put_hash(out, config->secret[0], client, client_len);
}

/* In a time that does not tell an attacker how many octets were right. */
static bool same(const uint8_t *a, const uint8_t *b, size_t len)
{
	unsigned differ = 0;

	for (size_t i = 0; i < len; i++)
		differ |= a[i] ^ b[i];
	return differ == 0;
}

/* Which secret the cookie was made with, by its number; -1: none of ours. */
static int maker(const struct cookie_config *config, const uint8_t cookie[COOKIE_LEN], const uint8_t *client,
		 size_t client_len)
{
	uint8_t ours[COOKIE_LEN];

	/* Reserved octets are hashed as they came: RFC 9018 4.2 reserves them for others to use. */
	memcpy(ours, cookie, COOKIE_CLIENT_LEN + HEAD_LEN);
	for (int i = 0; i < config->secret_cnt; i++) {
		put_hash(ours, config->secret[i], client, client_len);
		if (same(ours, cookie, COOKIE_LEN))
			return i;
	}
	return -1;
}

enum cookie_verdict cookie_check(const struct cookie_config *config, const uint8_t *option, size_t len,
				 const uint8_t *client, size_t client_len, uint32_t now_s,
				 uint8_t out[COOKIE_LEN])
{
	size_t server_len = len - COOKIE_CLIENT_LEN;
	enum cookie_verdict verdict = COOKIE_BAD;
	const uint8_t *server = option + COOKIE_CLIENT_LEN;
	int32_t age;
	int by = -1;

	if (len < COOKIE_CLIENT_LEN ||
	    (server_len != 0 && (server_len < SERVER_LEN_MIN || server_len > SERVER_LEN_MAX)))
		return COOKIE_MALFORMED;
	if (server_len == 0) {
		verdict = COOKIE_CLIENT_ONLY;
	} else if (server_len == COOKIE_SERVER_LEN && server[0] == VERSION) {
		age = (int32_t)(now_s - wire_load32(server + TIME_AT));
		if (age <= COOKIE_AGE_MAX_S && age >= -COOKIE_AHEAD_MAX_S)
			by = maker(config, option, client, client_len);
		if (by >= 0)
			verdict = COOKIE_GOOD;
		if (by == 0 && age < COOKIE_AGE_NEW_S) {
			memcpy(out, option, COOKIE_LEN);
			return verdict;
		}
	}
	memcpy(out, option, COOKIE_CLIENT_LEN);
	make(config, client, client_len, now_s, out);
	return verdict;
}
