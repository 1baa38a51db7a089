/*
 * TLS: `server.tls`, which we serve with, and the section `tls`, what is wanted of primaries. Files are read here, so
 * that --check-config finds what is wrong with them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_read.h"
#include "control/config_value.h"

#define TLS_MAX	     10000
#define TLS_NAME_MAX 64

#define V(p, t) (&(struct config_value){e, p, t})

static void complain(struct config_errors *e, const char *at, const char *key, const char *text)
{
	char path[CONFIG_PATH_CAP];

	config_errors_add(e, config_path(path, at, key), "%s", text);
}

static void read_pins(const struct raw_tls *raw, const char *at, struct tls_client_spec *spec,
		      struct config_errors *e)
{
	if (raw->pins.cnt > TLS_PINS_MAX) {
		complain(e, at, "pins", "has too many entries, at most 4 are possible");
		return;
	}
	for (unsigned i = 0; i < raw->pins.cnt; i++) {
		if (tls_pin_from_text(raw->pins.item[i], spec->pins[spec->pin_cnt]) == 0)
			spec->pin_cnt++;
		else
			complain(e, at, "pins",
				 "has an entry that is not the base64 of a SHA-256 (44 letters, the last "
				 "one \"=\")");
	}
}

/* What belongs together, and that nobody is believed by mistake. */
static void check_trust(const struct raw_tls *raw, const char *at, struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];
	bool opportunistic =
		config_value_bool(V(config_path(path, at, "opportunistic"), raw->opportunistic), false);
	bool strict = raw->ca_file != NULL || raw->pins.cnt > 0;

	if (opportunistic && strict)
		complain(e, at, "opportunistic", "contradicts ca-file and pins: with it anybody is believed");
	if (!opportunistic && !strict)
		complain(e, at, "",
			 "needs ca-file and hostname, or pins, to know the server by; or opportunistic: true "
			 "to believe anybody");
	if (raw->ca_file != NULL && raw->hostname == NULL)
		complain(e, at, "hostname", "is missing: with ca-file, the name in the certificate");
	if (raw->hostname != NULL && *raw->hostname == '\0')
		complain(e, at, "hostname", "is empty");
	if ((raw->certificate != NULL) != (raw->key != NULL))
		complain(e, at, raw->key != NULL ? "certificate" : "key",
			 "is missing: certificate and key go together");
}

static struct tls_client *read_client(const struct raw_tls *raw, const char *at, struct config_errors *e)
{
	struct tls_client_spec spec = {
		.ca_file = raw->ca_file,
		.hostname = raw->hostname,
		.certificate = raw->certificate,
		.key = raw->key,
	};
	char error[TLS_TEXT_CAP], path[CONFIG_PATH_CAP];
	struct tls_client *client = NULL;
	unsigned before = e->error_cnt;

	if (spec.ca_file != NULL && strcmp(spec.ca_file, "system") == 0)
		spec.ca_file = "";
	spec.any_alpn = config_value_bool(V(config_path(path, at, "any-alpn"), raw->any_alpn), false);
	read_pins(raw, at, &spec, e);
	check_trust(raw, at, e);
	if (e->error_cnt == before && tls_client_new(&spec, &client, error) < 0)
		complain(e, at, "", error);
	return client;
}

static bool check_name(const struct raw_tls *raw, const char *at, const struct config *c,
		       struct config_errors *e)
{
	if (raw->name == NULL || *raw->name == '\0' || strlen(raw->name) > TLS_NAME_MAX) {
		complain(e, at, "name", raw->name == NULL ? "is missing" : "must have 1 to 64 octets");
		return false;
	}
	for (unsigned i = 0; i < c->tls_cnt; i++) {
		if (strcmp(c->tls[i].name, raw->name) == 0) {
			complain(e, at, "name", "is the name of another entry already");
			return false;
		}
	}
	return true;
}

static int read_profiles(const struct raw_config *raw, struct config *c, struct config_errors *e)
{
	c->tls = calloc(raw->tls_cnt + 1u, sizeof(c->tls[0]));
	if (c->tls == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < raw->tls_cnt; i++) {
		struct config_tls *tls = &c->tls[c->tls_cnt];
		char at[32];

		snprintf(at, sizeof(at), "tls[%u]", i);
		if (!check_name(&raw->tls[i], at, c, e))
			continue;
		tls->name = strdup(raw->tls[i].name);
		if (tls->name == NULL)
			return -ENOMEM;
		c->tls_cnt++;
		tls->client = read_client(&raw->tls[i], at, e);
	}
	return 0;
}

static int copy(const char *text, const char **out)
{
	*out = text != NULL ? strdup(text) : NULL;
	return text == NULL || *out != NULL ? 0 : -ENOMEM;
}

static int read_server(const struct raw_server_tls *raw, struct config *c, struct config_errors *e)
{
	struct tls_server_spec *spec = &c->tls_spec;
	struct tls_server *server = NULL;
	char error[TLS_TEXT_CAP];

	c->tls_port = (uint16_t)config_value_uint(V("server.tls.port", raw->port), 1, UINT16_MAX, TLS_PORT);
	if (c->tls_port == DNS_PORT)
		complain(e, "server.tls", "port", "is where DNS without TLS is served");
	spec->tls12 = config_value_bool(V("server.tls.tls12", raw->tls12), false);
	spec->ask_client =
		config_value_bool(V("server.tls.ask-clients", raw->ask_clients), raw->client_ca != NULL);
	if (raw->certificate == NULL || raw->key == NULL) {
		complain(e, "server.tls", raw->certificate == NULL ? "certificate" : "key", "is missing");
		return 0;
	}
	if (copy(raw->certificate, &spec->certificate) < 0 || copy(raw->key, &spec->key) < 0 ||
	    copy(raw->client_ca, &spec->client_ca) < 0)
		return -ENOMEM;
	/* Made again by whoever serves: here only what is wrong is of interest. */
	if (tls_server_new(spec, &server, error) < 0)
		complain(e, "server.tls", "", error);
	tls_server_free(server);
	return 0;
}

int config_read_tls(const struct raw_config *raw, struct config *c, struct config_errors *e)
{
	if (raw->tls_cnt > TLS_MAX) {
		config_errors_add(e, "tls", "has %u entries, at most %d are possible", raw->tls_cnt, TLS_MAX);
		return 0;
	}
	if (raw->server != NULL && raw->server->tls != NULL) {
		int rc = read_server(raw->server->tls, c, e);

		if (rc < 0)
			return rc;
	}
	return read_profiles(raw, c, e);
}
