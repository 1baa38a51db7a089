/*
 * The sections `secondaries`, `transfers-in` and `transfers-out`, and what zones say about the first: `allow-transfer` and
 * `notify`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_read.h"
#include "control/config_value.h"

#define SECONDARIES_MAX	     100000
#define ZONE_SECONDARIES_MAX 256

/*
 * A SOA query is a socket and a packet or three; a primary that is gone holds its share for six seconds. A transfer
 * holds a connection and up to 2 MiB of queue; ten per peer is what a stock BIND grants.
 */
#define IN_RUNNING_DEFAULT	   48
#define IN_PER_PRIMARY_DEFAULT	   8
#define IN_QUERIES_DEFAULT	   384
#define IN_QUERIES_PRIMARY_DEFAULT 64
#define IN_MAX			   10000

/* So many at once saturate a network; each costs two messages of buffer. */
#define RUNNING_DEFAULT 64
/* Days of changes to a busy zone; BIND keeps a journal of twice the zone. */
#define DELTAS_DEFAULT	    100
#define DELTA_BYTES_DEFAULT (UINT64_C(64) << 20)

#define V(p, t) (&(struct config_value){e, p, t})

static int by_name(const void *a, const void *b)
{
	const struct config_secondary *l = a, *r = b;

	return strcmp(l->name, r->name);
}

/* Who it is, by its certificate. Returns 0 or -ENOMEM. */
static int read_hostname(const struct config_value *v, const struct raw_secondary *raw,
			 const struct config *c, struct config_secondary *s)
{
	if (v->text == NULL)
		return 0;
	if (*v->text == '\0')
		config_errors_add(v->errors, v->path, "is empty");
	else if (c->tls_spec.client_ca == NULL || !c->tls_spec.ask_client)
		config_errors_add(v->errors, v->path,
				  "needs server.tls.client-ca, and ask-clients, to know the name by");
	else if (raw->tls != NULL && !s->tls)
		config_errors_add(v->errors, v->path, "is in a certificate, which it shows over TLS only");
	s->tls = true;
	s->hostname = strdup(v->text);
	return s->hostname != NULL ? 0 : -ENOMEM;
}

static int read_secondary(const struct raw_secondary *raw, unsigned i, const struct config *c,
			  struct config_secondary *s, struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];
	uint16_t port;

	snprintf(path, sizeof(path), "secondaries[%u].port", i);
	port = (uint16_t)config_value_uint(V(path, raw->port), 1, UINT16_MAX, DNS_PORT);
	snprintf(path, sizeof(path), "secondaries[%u].address", i);
	if (raw->address == NULL)
		config_errors_add(e, path, "is missing");
	else if (config_value_network(V(path, raw->address), &s->address, &s->prefix))
		config_set_port(&s->address, port);
	snprintf(path, sizeof(path), "secondaries[%u].key", i);
	s->key = config_find_key(V(path, raw->key), c);
	snprintf(path, sizeof(path), "secondaries[%u].tls", i);
	s->tls = config_value_bool(V(path, raw->tls), false);
	snprintf(path, sizeof(path), "secondaries[%u].source", i);
	config_read_source(V(path, raw->source), &s->address, raw->address, &s->source);
	snprintf(path, sizeof(path), "secondaries[%u].hostname", i);
	return read_hostname(V(path, raw->hostname), raw, c, s);
}

int config_read_secondaries(const struct raw_config *raw, struct config *c, struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];

	if (raw->secondaries_cnt > SECONDARIES_MAX) {
		config_errors_add(e, "secondaries", "has %u entries, at most %d are possible",
				  raw->secondaries_cnt, SECONDARIES_MAX);
		return 0;
	}
	c->secondaries = calloc(raw->secondaries_cnt + 1u, sizeof(c->secondaries[0]));
	if (c->secondaries == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < raw->secondaries_cnt; i++) {
		struct config_secondary *s = &c->secondaries[c->secondary_cnt];

		snprintf(path, sizeof(path), "secondaries[%u].name", i);
		if (!config_read_peer_name(V(path, raw->secondaries[i].name)))
			continue;
		s->name = strdup(raw->secondaries[i].name);
		if (s->name == NULL)
			return -ENOMEM;
		c->secondary_cnt++;
		if (read_secondary(&raw->secondaries[i], i, c, s, e) < 0)
			return -ENOMEM;
		if (strcmp(s->name, "none") == 0)
			config_errors_add(e, path, "\"none\" means nobody in allow-transfer and notify");
	}
	qsort(c->secondaries, c->secondary_cnt, sizeof(c->secondaries[0]), by_name);
	for (unsigned i = 1; i < c->secondary_cnt; i++) {
		if (by_name(&c->secondaries[i - 1], &c->secondaries[i]) == 0)
			config_errors_add(e, "secondaries", "two are called \"%s\"", c->secondaries[i].name);
	}
	return 0;
}

static uint32_t seconds(const struct config_value *v, uint64_t most_s, uint64_t fallback_s)
{
	return (uint32_t)(config_value_duration(v, CONFIG_US_PER_S, most_s * CONFIG_US_PER_S,
						fallback_s * CONFIG_US_PER_S) /
			  CONFIG_US_PER_S);
}

int config_read_transfers_in(const struct raw_config *raw, struct config *c, struct config_errors *e)
{
	static const struct raw_transfers_in none;
	const struct raw_transfers_in *r = raw->transfers_in != NULL ? raw->transfers_in : &none;

	c->transfers_in = (struct config_transfers_in){
		.running_max = (unsigned)config_value_uint(V("transfers-in.limit", r->limit), 1, IN_MAX,
							   IN_RUNNING_DEFAULT),
		.per_primary_max = (unsigned)config_value_uint(V("transfers-in.per-primary", r->per_primary),
							       1, IN_MAX, IN_PER_PRIMARY_DEFAULT),
		.queries_max = (unsigned)config_value_uint(V("transfers-in.queries", r->queries), 1, IN_MAX,
							   IN_QUERIES_DEFAULT),
		.queries_per_primary_max = (unsigned)config_value_uint(
			V("transfers-in.queries-per-primary", r->queries_per_primary), 1, IN_MAX,
			IN_QUERIES_PRIMARY_DEFAULT),
	};
	return 0;
}

int config_read_transfers_out(const struct raw_config *raw, struct config *c, struct config_errors *e)
{
	static const struct raw_transfers_out none;
	const struct raw_transfers_out *r = raw->transfers_out != NULL ? raw->transfers_out : &none;

	c->transfers_out = (struct config_transfers_out){
		.running_max = (unsigned)config_value_uint(V("transfers-out.limit", r->limit), 1, 10000,
							   RUNNING_DEFAULT),
		.time_max_s = seconds(V("transfers-out.time", r->time), 604800, 7200),
		.idle_max_s = seconds(V("transfers-out.idle", r->idle), 86400, 60),
		.deltas_max = (uint32_t)config_value_uint(V("transfers-out.deltas", r->deltas), 0, 100000,
							  DELTAS_DEFAULT),
		.delta_bytes = config_value_size(V("transfers-out.delta-bytes", r->delta_bytes), 0,
						 UINT64_C(1) << 40, DELTA_BYTES_DEFAULT),
	};
	return 0;
}

/* One entry of a list. False: told. */
static bool take_entry(const struct config_value *v, const struct config *c, bool host,
		       struct config_secondaries *out)
{
	struct config_secondary key = {.name = (char *)v->text};
	const struct config_secondary *s =
		c->secondary_cnt == 0 ? NULL
				      : bsearch(&key, c->secondaries, c->secondary_cnt, sizeof(key), by_name);

	if (s == NULL) {
		config_errors_add(v->errors, v->path,
				  "no secondary is called \"%.64s\" in the section secondaries", v->text);
		return false;
	}
	if (host && s->prefix != (s->address.sa.sa_family == AF_INET ? 32 : 128)) {
		config_errors_add(v->errors, v->path, "\"%.64s\" is a network: NOTIFY needs a host", v->text);
		return false;
	}
	for (unsigned i = 0; i < out->cnt; i++) {
		if (out->list[i] == s) {
			config_errors_add(v->errors, v->path, "\"%.64s\" is listed twice", v->text);
			return false;
		}
	}
	out->list[out->cnt++] = s;
	return true;
}

static int read_list(const struct raw_list *raw, const char *at, const struct config *c, bool host,
		     struct config_secondaries *out, struct config_errors *e)
{
	struct config_secondaries made = {0};
	char path[CONFIG_PATH_CAP];

	if (raw->cnt == 0)
		return 0;
	if (raw->cnt > ZONE_SECONDARIES_MAX) {
		config_errors_add(e, at, "has %u entries, at most %d are possible", raw->cnt,
				  ZONE_SECONDARIES_MAX);
		return 0;
	}
	if (raw->cnt == 1 && strcmp(raw->item[0], "none") == 0) {
		*out = made;
		return 0;
	}
	made.list = calloc(raw->cnt, sizeof(made.list[0]));
	if (made.list == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < raw->cnt; i++) {
		snprintf(path, sizeof(path), "%.100s[%u]", at, i);
		take_entry(V(path, raw->item[i]), c, host, &made);
	}
	*out = made;
	return 0;
}

int config_read_zone_secondaries(const struct raw_zone_keys *raw, const char *at, const struct config *c,
				 struct config_zone *z, struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];
	int rc = read_list(&raw->allow_transfer, config_path(path, at, "allow-transfer"), c, false,
			   &z->allow_transfer, e);

	if (rc < 0)
		return rc;
	return read_list(&raw->notify, config_path(path, at, "notify"), c, true, &z->notify, e);
}

void config_secondaries_free(struct config *c)
{
	for (unsigned i = 0; i < c->zone_cnt; i++) {
		struct config_zone *z = &c->zones[i];

		if (z->allow_transfer.list != c->defaults_allow_transfer.list)
			free(z->allow_transfer.list);
		if (z->notify.list != c->defaults_notify.list)
			free(z->notify.list);
	}
	config_free_list(&c->defaults_allow_transfer.list);
	config_free_list(&c->defaults_notify.list);
	for (unsigned i = 0; i < c->secondary_cnt; i++) {
		free(c->secondaries[i].name);
		free(c->secondaries[i].hostname);
	}
	c->secondary_cnt = 0;
	config_free_list(&c->secondaries);
}
