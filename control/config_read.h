/*
 * The parts of config_load: from the text of the file (config_schema.h) to struct config, with everything that is wrong
 * going to errors. Each returns 0 or -ENOMEM; what is half done is freed by config_free.
 */
#pragma once

#include "control/config.h"
#include "control/config_errors.h"
#include "control/config_schema.h"

int config_read_server(const struct raw_config *raw, struct config *c, struct config_errors *e);
int config_read_answer(const struct raw_config *raw, struct config *c, struct config_errors *e);
int config_read_dataplane(const struct raw_config *raw, struct config *c, struct config_errors *e);
int config_read_keys(const struct raw_config *raw, struct config *c, struct config_errors *e);
int config_read_tls(const struct raw_config *raw, struct config *c, struct config_errors *e);
int config_read_primaries(const struct raw_config *raw, struct config *c, struct config_errors *e);
int config_read_secondaries(const struct raw_config *raw, struct config *c, struct config_errors *e);
int config_read_transfers_in(const struct raw_config *raw, struct config *c, struct config_errors *e);
int config_read_transfers_out(const struct raw_config *raw, struct config *c, struct config_errors *e);
/* Overrides zone's access list by what raw says; config gets it. at: "defaults" or "zones[3]". */
int config_read_acl(const struct raw_zone_keys *raw, const char *at, struct config *c,
		    struct config_zone *zone, struct config_errors *e);

/* After primaries and secondaries were read: c->net.peers, which c owns. */
int config_make_peers(struct config *c);

/* config_verifier.c. Returns 0 or -ENOMEM. */
int config_read_verifier(const struct raw_zone_keys *raw, const char *at, struct config *c,
			 struct config_zone *zone, struct config_errors *e);
void config_free_words(char **words); /* NULL is fine */
int config_read_zones(const struct raw_config *raw, struct config *c, struct config_errors *e);

/* Whether a reload replaces this section of the file. */
bool config_is_reloaded(const char *section);

/* Frees all that a reload replaces, and forgets it; the rest stays. */
void config_free_reloaded(struct config *c);
void config_secondaries_free(struct config *c); /* before the zones' own */

/* Frees an array and forgets it: free and NULL for a pointer of any type. */
#define config_free_list(p)         \
	do {                        \
		free((void *)*(p)); \
		*(p) = NULL;        \
	} while (0)

struct config_value;

/* What the keys allow-transfer and notify say, at "defaults" or "zones[3]". Nothing: *z keeps what it has. */
int config_read_zone_secondaries(const struct raw_zone_keys *raw, const char *at, const struct config *c,
				 struct config_zone *z, struct config_errors *e);

/* The name of a primary or secondary: printable and without blanks. False: told. */
bool config_read_peer_name(const struct config_value *v);

/* The key of this name; NULL when none is said, or told. */
struct tsig_key *config_find_key(const struct config_value *v, const struct config *c);

/* An address to send from to another; *out stays AF_UNSPEC when none is said. */
void config_read_source(const struct config_value *v, const union config_sockaddr *to, const char *to_text,
			union config_sockaddr *out);

void config_set_port(union config_sockaddr *a, uint16_t port);

/* A UNIX socket's path: absolute, and short enough for sockaddr_un. False when it was bad. */
bool config_read_socket_path(const struct config_value *v, char *out, size_t cap);
