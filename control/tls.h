/*
 * TLS as a filter of octets, for both sides: DNS over TLS that we serve (RFC 7858) and transfers over TLS that we ask
 * for (RFC 9103). What comes from the wire is fed in, what has to go there is taken out; sockets, loops and time-outs
 * are the caller's. Octets of any kind may be fed: the worst that happens is an error.
 *
 * Certificates, keys and what is believed are read once, into a struct tls_client or tls_server, which any number of
 * connections share, from any thread. A connection belongs to one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TLS_TEXT_CAP 384
#define TLS_PIN_LEN  32 /* SHA-256 of a SubjectPublicKeyInfo (RFC 7858 4.2) */
#define TLS_PINS_MAX 4 /* the key in use, its successor, and the same of another primary behind the address */
#define TLS_PORT     853

/* Base64 as in "openssl pkey -pubout -outform der | openssl dgst -sha256 -binary | base64". 0 or -EINVAL. */
int tls_pin_from_text(const char *text, uint8_t out[TLS_PIN_LEN]);

/* --- whom we ask --- */

struct tls_client;

/*
 * Whatever is given has to hold: the chain of certificates up to one of ca_file, the name, one of the pins. Nothing
 * given: anybody is believed (opportunistic, RFC 9103 9.3.1).
 */
struct tls_client_spec {
	const char *ca_file; /* PEM; "": the system's; NULL: the chain is not looked at */
	const char *
		hostname; /* a name or an address, in the certificate if the chain is looked at; also for SNI */
	uint8_t pins[TLS_PINS_MAX][TLS_PIN_LEN];
	unsigned pin_cnt;
	const char *certificate, *key; /* ours, PEM; NULL: none */
	bool any_alpn; /* also servers that do not select "dot" (RFC 9103 7.1 says they must) */
};

/* Reads the files. 0, or -errno with error filled, which never holds an octet of a key. */
int tls_client_new(const struct tls_client_spec *spec, struct tls_client **out, char error[TLS_TEXT_CAP]);
void tls_client_free(struct tls_client *c);

/* What a server gave to come back with (RFC 8446 2.2). Zeroed at first; the caller's, one per server. */
struct tls_ticket {
	void *session;
};
void tls_ticket_fini(struct tls_ticket *ticket);

/* --- who asks us --- */

struct tls_server;

struct tls_server_spec {
	const char *certificate, *key;
	bool ask_client;       /* for a certificate; it may have none, or one that means nothing to us */
	const char *client_ca; /* PEM: what tls_peer_is stands on; NULL: nobody has a name then */
	bool tls12;	       /* TLS 1.2 too */
};

int tls_server_new(const struct tls_server_spec *spec, struct tls_server **out, char error[TLS_TEXT_CAP]);
void tls_server_free(struct tls_server *s);

/* --- a connection --- */

struct tls;

/* ticket outlives the connection. NULL when out of memory; what is fed on may be freed before its connections. */
struct tls *tls_connect(const struct tls_client *c, struct tls_ticket *ticket);
struct tls *tls_accept(const struct tls_server *s);
void tls_free(struct tls *t);

/* What the server gives from now on is not kept: the connection has nothing to do with its ticket any more. */
void tls_forget_ticket(struct tls *t);

enum tls_state {
	TLS_WAIT,   /* more has to come from the wire */
	TLS_OPEN,   /* the handshake is done, and the peer is whom we want */
	TLS_CLOSED, /* the peer has said that nothing more comes */
	TLS_FAILED, /* tls_error says why; nothing but tls_seal(t, NULL, 0), for the alert, is of use */
};

/* Octets from the wire. 0 or -ENOMEM. */
int tls_feed(struct tls *t, const void *octets, size_t len);

/* Goes on with the handshake, as far as what was fed goes; after it there may be something to seal. */
enum tls_state tls_shake(struct tls *t);

/*
 * Octets that the peer said, up to cap, once open. *out_len > 0: call again. 0: the state says why there is none. After
 * it there may be something to seal.
 */
enum tls_state tls_read(struct tls *t, void *out, size_t cap, size_t *out_len);

/*
 * What has to go to the wire: pending octets of the protocol, then len octets sealed. Returns the length, at most
 * tls_sealed_max, or -errno. len must be 0 until open.
 */
ssize_t tls_seal(struct tls *t, const void *octets, size_t len, uint8_t *out);
size_t tls_sealed_max(const struct tls *t, size_t len);

/* Says that nothing more comes (close_notify, RFC 8446 6.1): something to seal, nothing to wait for. */
void tls_end(struct tls *t);

/* Why it failed. "certificate verify failed: certificate has expired (CN = primary, depth 0)" */
const char *tls_error(const struct tls *t);

bool tls_is_open(const struct tls *t);
bool tls_is_resumed(const struct tls *t);

/* Of the peer's certificate; false: it showed none. */
bool tls_peer_pin(const struct tls *t, uint8_t out[TLS_PIN_LEN]);

/* Whether its chain leads to a CA we know and the certificate is for this name. */
bool tls_peer_is(const struct tls *t, const char *hostname);
