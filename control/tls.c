/* A connection. */
#include "control/tls_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

/* Of a record, RFC 8446 5.2: header, content type and tag; TLS 1.2 has an explicit nonce instead of the type. */
#define RECORD_OVERHEAD	 (5 + 8 + 16)
#define RECORD_PLAIN_MAX 16384

struct tls {
	SSL *ssl;
	BIO *in, *out; /* ssl's */
	const struct tls_client *client;
	struct tls_ticket *ticket;
	bool open, failed;
	/* The first thing wrong with the chain of certificates. */
	int chain_error;
	int chain_depth;
	char chain_subject[128];
	char error[TLS_TEXT_CAP];
};

int tls_pin_from_text(const char *text, uint8_t out[TLS_PIN_LEN])
{
	uint8_t raw[36];
	size_t len = strlen(text);

	/* 32 octets are 43 letters and one "=". */
	if (len != 44 || text[43] != '=' || text[42] == '=' ||
	    EVP_DecodeBlock(raw, (const uint8_t *)text, 44) != 33)
		return -EINVAL;
	memcpy(out, raw, TLS_PIN_LEN);
	return 0;
}

static int pin_of(const X509 *cert, uint8_t out[TLS_PIN_LEN])
{
	uint8_t *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	int ok = len > 0 && EVP_Digest(der, (size_t)len, out, NULL, EVP_sha256(), NULL);

	OPENSSL_free(der);
	return ok ? 0 : -ENOMEM;
}

/* --- tickets --- */

void tls_ticket_fini(struct tls_ticket *ticket)
{
	SSL_SESSION_free(ticket->session);
	ticket->session = NULL;
}

int tls_ticket_keep(SSL *ssl, SSL_SESSION *session)
{
	struct tls *t = SSL_get_app_data(ssl);

	/* One that we do not believe has nothing to give us. */
	if (t->ticket == NULL || t->failed)
		return 0;
	tls_ticket_fini(t->ticket);
	t->ticket->session = session;
	return 1;
}

void tls_forget_ticket(struct tls *t)
{
	t->ticket = NULL;
}

/* --- life --- */

static struct tls *connection_new(SSL_CTX *ctx)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->ssl = SSL_new(ctx);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (t->ssl == NULL || t->in == NULL || t->out == NULL) {
		BIO_free(t->in);
		BIO_free(t->out);
		SSL_free(t->ssl);
		free(t);
		return NULL;
	}
	/* Empty is not the end: the rest has not come yet. */
	BIO_set_mem_eof_return(t->in, -1);
	BIO_set_mem_eof_return(t->out, -1);
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_app_data(t->ssl, t);
	return t;
}

struct tls *tls_connect(const struct tls_client *c, struct tls_ticket *ticket)
{
	struct tls *t = connection_new(c->ctx);

	if (t == NULL)
		return NULL;
	t->client = c;
	t->ticket = ticket;
	SSL_set_connect_state(t->ssl);
	/* An address is not allowed there: RFC 6066 3. */
	if (c->hostname != NULL && !c->hostname_is_address && !SSL_set_tlsext_host_name(t->ssl, c->hostname))
		goto free_connection;
	if (ticket != NULL && ticket->session != NULL && !SSL_set_session(t->ssl, ticket->session))
		goto free_connection;
	return t;

free_connection:
	tls_free(t);
	return NULL;
}

struct tls *tls_accept(const struct tls_server *s)
{
	struct tls *t = connection_new(s->ctx);

	if (t != NULL)
		SSL_set_accept_state(t->ssl);
	return t;
}

void tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	/* A connection that was cut is still one to come back with: DNS says itself where a message ends. */
	SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->ssl);
	free(t);
}

/* --- what is wrong --- */

int tls_chain_note(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *t = SSL_get_app_data(ssl);
	X509 *cert = X509_STORE_CTX_get_current_cert(store);
	BIO *text;

	/* A client's certificate is judged by who gives something for it, tls_peer_is. */
	if (ok || t->chain_error != X509_V_OK)
		return ok || t->client == NULL;
	t->chain_error = X509_STORE_CTX_get_error(store);
	t->chain_depth = X509_STORE_CTX_get_error_depth(store);
	text = cert != NULL ? BIO_new(BIO_s_mem()) : NULL;
	if (text != NULL) {
		int len;

		X509_NAME_print_ex(text, X509_get_subject_name(cert), 0,
				   XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
		len = BIO_read(text, t->chain_subject, sizeof(t->chain_subject) - 1);
		t->chain_subject[len > 0 ? len : 0] = '\0';
		BIO_free(text);
	}
	return t->client == NULL;
}

static enum tls_state fail(struct tls *t, const char *text)
{
	if (!t->failed)
		snprintf(t->error, sizeof(t->error), "%s", text);
	t->failed = true;
	ERR_clear_error();
	return TLS_FAILED;
}

/* What OpenSSL's reasons mean here; NULL: nothing more than they say. */
static const char *meaning(int reason)
{
	switch (reason) {
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
	case SSL_R_HTTP_REQUEST:
		return "what came is not TLS";
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
	case SSL_R_UNSUPPORTED_PROTOCOL:
		return "no common version: transfers are over TLS 1.3 or later only (RFC 9103 7.2)";
	case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
		return "ALPN: the server does not want \"dot\"";
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return "the server wants a certificate of ours";
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
		return "the server does not accept our certificate";
	default:
		return NULL;
	}
}

static enum tls_state fail_by_library(struct tls *t)
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_reason_error_string(code), *what = meaning(ERR_GET_REASON(code));
	char text[TLS_TEXT_CAP];

	if (t->client != NULL && t->chain_error != X509_V_OK)
		snprintf(text, sizeof(text), "certificate verify failed: %s (%s, depth %d)",
			 X509_verify_cert_error_string(t->chain_error), t->chain_subject, t->chain_depth);
	else
		snprintf(text, sizeof(text), "%s%s%s%s", what != NULL ? what : "", what != NULL ? " (" : "",
			 reason != NULL ? reason : "protocol error", what != NULL ? ")" : "");
	return fail(t, text);
}

/* RFC 9103 7.1. */
static bool speaks_dot(const struct tls *t)
{
	const unsigned char *name;
	unsigned len;

	SSL_get0_alpn_selected(t->ssl, &name, &len);
	return len == 3 && memcmp(name, "dot", 3) == 0;
}

static bool is_pinned(const struct tls *t)
{
	const struct tls_client *c = t->client;
	uint8_t pin[TLS_PIN_LEN];

	if (c->pin_cnt == 0)
		return true;
	if (!tls_peer_pin(t, pin))
		return false;
	for (unsigned i = 0; i < c->pin_cnt; i++)
		if (memcmp(pin, c->pins[i], TLS_PIN_LEN) == 0)
			return true;
	return false;
}

/* The key that is there, so that an operator can compare and pin it. */
static enum tls_state fail_by_pin(struct tls *t)
{
	char text[TLS_TEXT_CAP], base64[64] = "none";
	uint8_t pin[TLS_PIN_LEN];

	if (tls_peer_pin(t, pin))
		EVP_EncodeBlock((uint8_t *)base64, pin, TLS_PIN_LEN);
	snprintf(text, sizeof(text), "pin mismatch: the key of the certificate is %s", base64);
	return fail(t, text);
}

static enum tls_state opened(struct tls *t)
{
	if (t->client != NULL && !t->client->any_alpn && !speaks_dot(t))
		return fail(t, "ALPN missing: the server did not select \"dot\" (RFC 9103 7.1)");
	if (t->client != NULL && !is_pinned(t))
		return fail_by_pin(t);
	t->open = true;
	return TLS_OPEN;
}

/* --- octets --- */

int tls_feed(struct tls *t, const void *octets, size_t len)
{
	if (len == 0)
		return 0;
	return len <= INT_MAX && BIO_write(t->in, octets, (int)len) == (int)len ? 0 : -ENOMEM;
}

enum tls_state tls_shake(struct tls *t)
{
	int ret, error;

	if (t->failed)
		return TLS_FAILED;
	if (t->open)
		return TLS_OPEN;
	ERR_clear_error();
	ret = SSL_do_handshake(t->ssl);
	if (ret == 1)
		return opened(t);
	error = SSL_get_error(t->ssl, ret);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return TLS_WAIT;
	return fail_by_library(t);
}

enum tls_state tls_read(struct tls *t, void *out, size_t cap, size_t *out_len)
{
	int error;

	*out_len = 0;
	if (t->failed || !t->open)
		return t->failed ? TLS_FAILED : TLS_WAIT;
	ERR_clear_error();
	if (SSL_read_ex(t->ssl, out, cap, out_len))
		return TLS_OPEN;
	error = SSL_get_error(t->ssl, 0);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return TLS_WAIT;
	if (error == SSL_ERROR_ZERO_RETURN)
		return TLS_CLOSED;
	return fail_by_library(t);
}

static size_t drain(struct tls *t, uint8_t *out)
{
	size_t len = BIO_ctrl_pending(t->out);

	if (len > 0)
		BIO_read(t->out, out, (int)len);
	return len;
}

size_t tls_sealed_max(const struct tls *t, size_t len)
{
	return BIO_ctrl_pending(t->out) + len + (len / RECORD_PLAIN_MAX + 1) * RECORD_OVERHEAD;
}

/* Record by record, so that no connection keeps a buffer that is larger than one. */
ssize_t tls_seal(struct tls *t, const void *octets, size_t len, uint8_t *out)
{
	const uint8_t *at = octets;
	size_t out_len = drain(t, out);

	while (len > 0) {
		size_t part = len < RECORD_PLAIN_MAX ? len : RECORD_PLAIN_MAX, written;

		ERR_clear_error();
		if (t->failed || !t->open || !SSL_write_ex(t->ssl, at, part, &written)) {
			fail_by_library(t);
			return -EPROTO;
		}
		out_len += drain(t, out + out_len);
		at += part;
		len -= part;
	}
	return (ssize_t)out_len;
}

void tls_end(struct tls *t)
{
	ERR_clear_error();
	if (tls_is_open(t))
		SSL_shutdown(t->ssl);
}

/* --- what is known of it --- */

const char *tls_error(const struct tls *t)
{
	return t->error;
}

bool tls_is_open(const struct tls *t)
{
	return t->open && !t->failed;
}

bool tls_is_resumed(const struct tls *t)
{
	return SSL_session_reused(t->ssl) == 1;
}

bool tls_peer_pin(const struct tls *t, uint8_t out[TLS_PIN_LEN])
{
	const X509 *cert = SSL_get0_peer_certificate(t->ssl);

	return cert != NULL && pin_of(cert, out) == 0;
}

bool tls_peer_is(const struct tls *t, const char *hostname)
{
	X509 *cert = SSL_get0_peer_certificate(t->ssl);

	return cert != NULL && t->chain_error == X509_V_OK && SSL_get_verify_result(t->ssl) == X509_V_OK &&
	       X509_check_host(cert, hostname, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}
