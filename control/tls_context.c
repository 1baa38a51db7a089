/* Certificates, keys, and what is believed. */
#include "control/tls_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "control/secret_file.h"

#define KEY_FILE_MAX 65536

/* ALPN's own form: length and name, RFC 7301 3.1; the name by RFC 7858's registration. */
static const unsigned char alpn_dot[] = "\3dot";

static int complain(char error[TLS_TEXT_CAP], const char *file, const char *what)
{
	unsigned long first = ERR_peek_error(), last = ERR_peek_last_error();
	/* What the system said comes first, and "system lib" of all who called it. */
	const char *reason =
		ERR_SYSTEM_ERROR(first) ? strerror(ERR_GET_REASON(first)) : ERR_reason_error_string(last);

	snprintf(error, TLS_TEXT_CAP, "%.128s: %s%s%s", file, what, reason != NULL ? ": " : "",
		 reason != NULL ? reason : "");
	ERR_clear_error();
	return -EINVAL;
}

/* Nobody is asked for a password: there is nobody. */
static int no_password(char *buf, int cap, int writing, void *arg)
{
	return -1;
}

static int use_key(SSL_CTX *ctx, const char *file, char error[TLS_TEXT_CAP])
{
	EVP_PKEY *key = NULL;
	char *text;
	size_t len;
	BIO *bio;
	int ret = secret_file_read(file, "private key", KEY_FILE_MAX, &text, &len, error, TLS_TEXT_CAP);

	if (ret < 0)
		return ret;
	bio = BIO_new_mem_buf(text, (int)len);
	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	secret_file_wipe(text, len);
	if (key == NULL)
		ret = complain(error, file, "no private key in PEM without a password");
	else if (SSL_CTX_use_PrivateKey(ctx, key) != 1)
		ret = complain(error, file, "the key does not fit the certificate");
	EVP_PKEY_free(key);
	return ret;
}

static int use_certificate(SSL_CTX *ctx, const char *certificate, const char *key, char error[TLS_TEXT_CAP])
{
	int ret;

	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
		return complain(error, certificate, "cannot read a certificate");
	ret = use_key(ctx, key, error);
	if (ret == 0 && SSL_CTX_check_private_key(ctx) != 1)
		ret = complain(error, key, "the key does not fit the certificate");
	return ret;
}

static SSL_CTX *context_new(const SSL_METHOD *method, int version, char error[TLS_TEXT_CAP])
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, version) != 1) {
		SSL_CTX_free(ctx);
		complain(error, "TLS", "cannot make a context");
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/* An idle connection keeps no record buffers. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

/* --- client --- */

static int use_chain(SSL_CTX *ctx, const struct tls_client_spec *spec, bool address, char error[TLS_TEXT_CAP])
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
	bool system = *spec->ca_file == '\0';

	if (system ? SSL_CTX_set_default_verify_paths(ctx) != 1
		   : SSL_CTX_load_verify_file(ctx, spec->ca_file) != 1)
		return complain(error, system ? "system" : spec->ca_file, "cannot read CA certificates");
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (spec->hostname != NULL && (address ? X509_VERIFY_PARAM_set1_ip_asc(param, spec->hostname)
					       : X509_VERIFY_PARAM_set1_host(param, spec->hostname, 0)) != 1)
		return complain(error, spec->hostname, "cannot be looked for in a certificate");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, tls_chain_note);
	return 0;
}

static bool is_address(const char *text)
{
	struct in6_addr any;

	return inet_pton(AF_INET, text, &any) == 1 || inet_pton(AF_INET6, text, &any) == 1;
}

static int client_setup(struct tls_client *c, const struct tls_client_spec *spec, char error[TLS_TEXT_CAP])
{
	int ret = 0;

	if (SSL_CTX_set_alpn_protos(c->ctx, alpn_dot, sizeof(alpn_dot) - 1) != 0)
		return complain(error, "ALPN", "cannot be set");
	/* Tickets are kept by the server that gave them, and by us: OpenSSL's own cache knows no servers. */
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ctx, tls_ticket_keep);
	if (spec->ca_file != NULL)
		ret = use_chain(c->ctx, spec, c->hostname_is_address, error);
	if (ret == 0 && spec->certificate != NULL)
		ret = use_certificate(c->ctx, spec->certificate, spec->key, error);
	return ret;
}

int tls_client_new(const struct tls_client_spec *spec, struct tls_client **out, char error[TLS_TEXT_CAP])
{
	struct tls_client *c = calloc(1, sizeof(*c));
	int ret = -ENOMEM;

	if (c != NULL && spec->hostname != NULL)
		c->hostname = strdup(spec->hostname);
	if (c == NULL || (spec->hostname != NULL && c->hostname == NULL)) {
		snprintf(error, TLS_TEXT_CAP, "out of memory");
		goto free_client;
	}
	c->hostname_is_address = spec->hostname != NULL && is_address(spec->hostname);
	c->any_alpn = spec->any_alpn;
	c->pin_cnt = spec->pin_cnt;
	memcpy(c->pins, spec->pins, sizeof(c->pins));
	c->ctx = context_new(TLS_client_method(), TLS1_3_VERSION, error);
	if (c->ctx != NULL)
		ret = client_setup(c, spec, error);
	if (ret < 0)
		goto free_client;
	*out = c;
	return 0;

free_client:
	tls_client_free(c);
	return ret;
}

void tls_client_free(struct tls_client *c)
{
	if (c == NULL)
		return;
	SSL_CTX_free(c->ctx);
	free(c->hostname);
	free(c);
}

/* --- server --- */

/*
 * A client that offers protocols has to offer ours (RFC 7301 3.2: otherwise a fatal alert). One that offers none is an
 * older stub: RFC 7858 did not ask for ALPN.
 */
static int select_dot(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
		      unsigned in_len, void *arg)
{
	unsigned char *selected;

	if (SSL_select_next_proto(&selected, out_len, alpn_dot, sizeof(alpn_dot) - 1, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = selected;
	return SSL_TLSEXT_ERR_OK;
}

static int server_setup(SSL_CTX *ctx, const struct tls_server_spec *spec, char error[TLS_TEXT_CAP])
{
	static const unsigned char id[] = "dot";
	int ret = use_certificate(ctx, spec->certificate, spec->key, error);

	if (ret < 0)
		return ret;
	SSL_CTX_set_alpn_select_cb(ctx, select_dot, NULL);
	SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
	/* Tickets keep the session with the client; with nothing here there is no limit to hit. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	if (spec->client_ca != NULL && SSL_CTX_load_verify_file(ctx, spec->client_ca) != 1)
		return complain(error, spec->client_ca, "cannot read CA certificates");
	if (spec->ask_client)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, tls_chain_note);
	return 0;
}

int tls_server_new(const struct tls_server_spec *spec, struct tls_server **out, char error[TLS_TEXT_CAP])
{
	struct tls_server *s = calloc(1, sizeof(*s));
	int ret = -ENOMEM;

	if (s == NULL) {
		snprintf(error, TLS_TEXT_CAP, "out of memory");
		return ret;
	}
	s->ctx = context_new(TLS_server_method(), spec->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION, error);
	if (s->ctx != NULL)
		ret = server_setup(s->ctx, spec, error);
	if (ret < 0) {
		tls_server_free(s);
		return ret;
	}
	*out = s;
	return 0;
}

void tls_server_free(struct tls_server *s)
{
	if (s == NULL)
		return;
	SSL_CTX_free(s->ctx);
	free(s);
}
