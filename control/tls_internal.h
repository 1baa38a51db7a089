/* What tls.c (connections) and tls_context.c (what they share) share. Nobody else includes this. */
#pragma once

#include <openssl/ssl.h>

#include "control/tls.h"

struct tls_client {
	SSL_CTX *ctx;
	char *hostname;
	bool hostname_is_address;
	bool any_alpn;
	uint8_t pins[TLS_PINS_MAX][TLS_PIN_LEN];
	unsigned pin_cnt;
};

struct tls_server {
	SSL_CTX *ctx;
};

/* Called by OpenSSL. The connection remembers why a chain of certificates is not believed. */
int tls_chain_note(int ok, X509_STORE_CTX *store);

/* Called by OpenSSL with a ticket of the server: returns 1 when it is kept. */
int tls_ticket_keep(SSL *ssl, SSL_SESSION *session);
