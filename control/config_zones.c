/*
 * The sections `primaries`, `defaults` and `zones`. Written for 100,000 zones: names are compared by sorting.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_read.h"
#include "control/config_value.h"
#include "control/gate.h"
#include "control/suggest.h"

#define ZONES_MAX     1000000
#define PRIMARIES_MAX 100000
#define PEER_NAME_MAX 64

/* Longer than a SOA answer and its transfer are apart, shorter than what servers put up with (RFC 7766 6.2.3). */
#define KEEP_DEFAULT_S 5

#define V(p, t) (&(struct config_value){e, p, t})

enum zone_key_kind { SECONDS, COUNT, SIZE, YES_NO, POLICY, SAME_SERIAL, PRIMARY_ORDER };

static const char *const policies[] = {[GATE_OFF] = "off", [GATE_WARN] = "warn", [GATE_REQUIRE] = "require"};
static const char *const same_serial[] = {
	[CONFIG_SAME_IGNORE] = "ignore", [CONFIG_SAME_ALERT] = "alert", [CONFIG_SAME_TRANSFER] = "transfer"};
static const char *const orders[] = {[CONFIG_ORDERED] = "ordered", [CONFIG_BEST_SERIAL] = "best-serial"};

/* One of CONFIG_ZONE_KEYS. */
struct zone_key {
	const char *key;
	size_t raw;  /* offset in struct raw_zone_keys */
	size_t to;   /* offset in struct config_zone */
	size_t size; /* octets there: 4 or 8 */
	enum zone_key_kind kind;
	uint64_t least, most, fallback;
};

static const struct zone_key zone_keys[] = {
#define X(key, raw, member, kind, least, most, fallback) \
	{key,                                            \
	 offsetof(struct raw_zone_keys, raw),            \
	 offsetof(struct config_zone, member),           \
	 sizeof(((struct config_zone *)NULL)->member),   \
	 kind,                                           \
	 least,                                          \
	 most,                                           \
	 fallback},
	CONFIG_ZONE_KEYS(X)
#undef X
};

#define ZONE_KEY_CNT (sizeof(zone_keys) / sizeof(zone_keys[0]))

static uint64_t key_get(const struct zone_key *k, const struct config_zone *zone)
{
	uint32_t n32;
	uint64_t n64;

	if (k->size == sizeof(n64)) {
		memcpy(&n64, (const char *)zone + k->to, sizeof(n64));
		return n64;
	}
	memcpy(&n32, (const char *)zone + k->to, sizeof(n32));
	return n32;
}

static void key_set(const struct zone_key *k, struct config_zone *zone, uint64_t n)
{
	uint32_t n32 = (uint32_t)n;

	if (k->size == sizeof(n))
		memcpy((char *)zone + k->to, &n, sizeof(n));
	else
		memcpy((char *)zone + k->to, &n32, sizeof(n32));
}

static uint64_t read_seconds(const struct config_value *v, const struct zone_key *k, uint64_t fallback)
{
	uint64_t us = config_value_duration(v, k->least * CONFIG_US_PER_S, k->most * CONFIG_US_PER_S,
					    fallback * CONFIG_US_PER_S);

	if (us % CONFIG_US_PER_S != 0)
		config_errors_add(v->errors, v->path, "\"%s\" is not in whole seconds", v->text);
	return us / CONFIG_US_PER_S;
}

/* Overrides what zone holds already by what the file says. at: "defaults" or "zones[3]". */
static void read_keys(const struct raw_zone_keys *raw, const char *at, struct config_zone *zone,
		      struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];

	for (size_t i = 0; i < ZONE_KEY_CNT; i++) {
		const struct zone_key *k = &zone_keys[i];
		const char *text = *(char *const *)((const char *)raw + k->raw);
		uint64_t n = key_get(k, zone);

		if (text == NULL)
			continue;
		config_path(path, at, k->key);
		switch (k->kind) {
		case SECONDS:
			n = read_seconds(V(path, text), k, n);
			break;
		case COUNT:
			n = config_value_uint(V(path, text), k->least, k->most, n);
			break;
		case SIZE:
			n = config_value_size(V(path, text), k->least, k->most, n);
			break;
		case YES_NO:
			n = config_value_bool(V(path, text), n != 0);
			break;
		case POLICY:
			n = config_value_enum(V(path, text), policies, 3, (unsigned)n);
			break;
		case SAME_SERIAL:
			n = config_value_enum(V(path, text), same_serial, 3, (unsigned)n);
			break;
		case PRIMARY_ORDER:
			n = config_value_enum(V(path, text), orders, 2, (unsigned)n);
			break;
		}
		key_set(k, zone, n);
	}
}

/* The key to point at: the one that the zone itself has set. */
static void check_pair(const char *at, const char *low, uint32_t min, const char *high, uint32_t max,
		       bool low_set, bool high_set, struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];

	if (min <= max)
		return;
	config_path(path, at, low_set ? low : high_set ? high : "");
	config_errors_add(e, path, "%s of %" PRIu32 "s is more than %s of %" PRIu32 "s", low, min, high, max);
}

static void check_keys(const struct raw_zone_keys *raw, const char *at, const struct config_zone *z,
		       struct config_errors *e)
{
	check_pair(at, "refresh-min", z->refresh_min, "refresh-max", z->refresh_max, raw->refresh_min != NULL,
		   raw->refresh_max != NULL, e);
	check_pair(at, "retry-min", z->retry_min, "retry-max", z->retry_max, raw->retry_min != NULL,
		   raw->retry_max != NULL, e);
	check_pair(at, "expire-min", z->expire_min, "expire-max", z->expire_max, raw->expire_min != NULL,
		   raw->expire_max != NULL, e);
	check_pair(at, "transfer-idle", z->transfer_idle_max, "transfer-time", z->transfer_time_max,
		   raw->transfer_idle != NULL, raw->transfer_time != NULL, e);
}

static int primary_by_name(const void *a, const void *b)
{
	const struct config_primary *l = a, *r = b;

	return strcmp(l->name, r->name);
}

static struct config_primary *primary_find(const struct config *c, char *name)
{
	struct config_primary key = {.name = name};

	if (c->primary_cnt == 0)
		return NULL;
	return bsearch(&key, c->primaries, c->primary_cnt, sizeof(key), primary_by_name);
}

bool config_read_peer_name(const struct config_value *v)
{
	if (v->text == NULL || *v->text == '\0') {
		config_errors_add(v->errors, v->path, "is missing");
		return false;
	}
	if (strlen(v->text) > PEER_NAME_MAX) {
		config_errors_add(v->errors, v->path, "is too long: at most %d octets are possible",
				  PEER_NAME_MAX);
		return false;
	}
	for (const char *p = v->text; *p != '\0'; p++) {
		if (*p <= ' ' || *p > '~' || *p == '"' || *p == '\\') {
			config_errors_add(v->errors, v->path,
					  "has a blank, a quote or a letter outside ASCII");
			return false;
		}
	}
	return true;
}

struct tsig_key *config_find_key(const struct config_value *v, const struct config *c)
{
	uint8_t name[NAME_LEN_MAX];

	if (v->text == NULL)
		return NULL;
	if (name_from_text(v->text, name) < 0) {
		config_errors_add(v->errors, v->path, "\"%.128s\" is not a domain name", v->text);
		return NULL;
	}
	for (unsigned i = 0; i < c->key_cnt; i++)
		if (name_equal(c->keys[i]->name, name))
			return c->keys[i];
	/* One that is there but wrong has been told of. */
	if (v->errors->error_cnt == 0)
		config_errors_add(v->errors, v->path, "no key is called \"%.128s\" in the section keys",
				  v->text);
	return NULL;
}

static void read_transport(const struct raw_primary *raw, unsigned i, const struct config *c,
			   struct config_primary *p, struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];

	snprintf(path, sizeof(path), "primaries[%u].keep", i);
	p->keep_ms = (uint32_t)(config_value_duration(V(path, raw->keep), 0, 3600 * CONFIG_US_PER_S,
						      KEEP_DEFAULT_S * CONFIG_US_PER_S) /
				1000);
	snprintf(path, sizeof(path), "primaries[%u].tls", i);
	if (raw->tls == NULL)
		return;
	for (unsigned j = 0; j < c->tls_cnt && p->tls == NULL; j++)
		if (strcmp(c->tls[j].name, raw->tls) == 0)
			p->tls = &c->tls[j];
	/* One that is there but wrong has been told of. */
	if (p->tls == NULL && e->error_cnt == 0)
		config_errors_add(e, path, "nothing is called \"%.64s\" in the section tls", raw->tls);
}

void config_set_port(union config_sockaddr *a, uint16_t port)
{
	if (a->sa.sa_family == AF_INET)
		a->in4.sin_port = htons(port);
	else
		a->in6.sin6_port = htons(port);
}

void config_read_source(const struct config_value *v, const union config_sockaddr *to, const char *to_text,
			union config_sockaddr *out)
{
	out->sa.sa_family = AF_UNSPEC;
	if (v->text == NULL || !config_value_address(v, out))
		return;
	if (to->sa.sa_family != AF_UNSPEC && to->sa.sa_family != out->sa.sa_family)
		config_errors_add(v->errors, v->path, "\"%s\" cannot reach %s: one is IPv4, the other IPv6",
				  v->text, to_text);
}

static void read_primary(const struct raw_primary *raw, unsigned i, const struct config *c,
			 struct config_primary *p, struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];
	uint16_t port;

	snprintf(path, sizeof(path), "primaries[%u].port", i);
	port = (uint16_t)config_value_uint(V(path, raw->port), 1, UINT16_MAX,
					   raw->tls != NULL ? TLS_PORT : DNS_PORT);
	snprintf(path, sizeof(path), "primaries[%u].address", i);
	if (raw->address == NULL)
		config_errors_add(e, path, "is missing");
	else if (config_value_address(V(path, raw->address), &p->address))
		config_set_port(&p->address, port);
	snprintf(path, sizeof(path), "primaries[%u].ixfr", i);
	p->ixfr = config_value_bool(V(path, raw->ixfr), true);
	snprintf(path, sizeof(path), "primaries[%u].ixfr-udp", i);
	p->ixfr_udp = config_value_bool(V(path, raw->ixfr_udp), false);
	if (p->ixfr_udp && (raw->tls != NULL || !p->ixfr))
		config_errors_add(e, path, "contradicts %s", raw->tls != NULL ? "tls" : "ixfr: false");
	snprintf(path, sizeof(path), "primaries[%u].key", i);
	p->key = config_find_key(V(path, raw->key), c);
	read_transport(raw, i, c, p, e);
	snprintf(path, sizeof(path), "primaries[%u].source", i);
	config_read_source(V(path, raw->source), &p->address, raw->address, &p->source);
}

int config_read_primaries(const struct raw_config *raw, struct config *c, struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];

	if (raw->primaries_cnt > PRIMARIES_MAX) {
		config_errors_add(e, "primaries", "has %u entries, at most %d are possible",
				  raw->primaries_cnt, PRIMARIES_MAX);
		return 0;
	}
	c->primaries = calloc(raw->primaries_cnt + 1u, sizeof(c->primaries[0]));
	if (c->primaries == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < raw->primaries_cnt; i++) {
		struct config_primary *p = &c->primaries[c->primary_cnt];

		snprintf(path, sizeof(path), "primaries[%u].name", i);
		if (!config_read_peer_name(V(path, raw->primaries[i].name)))
			continue;
		p->name = strdup(raw->primaries[i].name);
		if (p->name == NULL)
			return -ENOMEM;
		c->primary_cnt++;
		read_primary(&raw->primaries[i], i, c, p, e);
	}
	qsort(c->primaries, c->primary_cnt, sizeof(c->primaries[0]), primary_by_name);
	for (unsigned i = 1; i < c->primary_cnt; i++) {
		if (primary_by_name(&c->primaries[i - 1], &c->primaries[i]) == 0)
			config_errors_add(e, "primaries", "two are called \"%s\"", c->primaries[i].name);
		c->primaries[i].id = i;
	}
	c->id_cnt = c->primary_cnt;
	return 0;
}

static void unknown_primary(const struct config *c, const struct config_value *v, const char *zone)
{
	unsigned max = suggest_distance_max(strlen(v->text)), best = max + 1;
	const char *near = NULL;

	for (unsigned i = 0; i < c->primary_cnt; i++) {
		unsigned d = suggest_distance(v->text, c->primaries[i].name, max);

		if (d < best) {
			best = d;
			near = c->primaries[i].name;
		}
	}
	if (near != NULL)
		config_errors_add(v->errors, v->path,
				  "zone %.128s: no primary is called \"%.64s\"; did you mean \"%s\"?", zone,
				  v->text, near);
	else
		config_errors_add(v->errors, v->path,
				  "zone %.128s: no primary is called \"%.64s\" in the section primaries",
				  zone, v->text);
}

static int read_zone_primaries(const struct raw_zone *raw, const char *at, struct config *c,
			       struct config_zone *z, struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];

	if (raw->primaries.cnt == 0 || raw->primaries.cnt > CONFIG_ZONE_PRIMARIES_MAX) {
		config_errors_add(e, at, "zone %.128s: %s", z->name_text,
				  raw->primaries.cnt == 0 ? "has no primaries"
							  : "has more than 32 primaries");
		return 0;
	}
	z->primaries = calloc(raw->primaries.cnt, sizeof(z->primaries[0]));
	if (z->primaries == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < raw->primaries.cnt; i++) {
		const struct config_primary *p = primary_find(c, raw->primaries.item[i]);

		snprintf(path, sizeof(path), "%s.primaries[%u]", at, i);
		if (p == NULL)
			unknown_primary(c, V(path, raw->primaries.item[i]), z->name_text);
		for (unsigned j = 0; p != NULL && j < z->primary_cnt; j++) {
			if (z->primaries[j] == p)
				config_errors_add(e, path, "zone %.128s: \"%s\" is listed twice",
						  z->name_text, p->name);
		}
		if (p != NULL)
			z->primaries[z->primary_cnt++] = p;
	}
	return 0;
}

/* False when there is none to speak of. *z then stays as it is. */
static bool read_zone_name(const struct config_value *v, struct config_zone *z)
{
	uint8_t name[NAME_LEN_MAX];
	int len;

	if (v->text == NULL || *v->text == '\0') {
		config_errors_add(v->errors, v->path, "is missing");
		return false;
	}
	len = name_from_text(v->text, name);
	if (len < 0) {
		config_errors_add(
			v->errors, v->path,
			"\"%.128s\" is not a domain name: labels of 1 to 63 octets, 255 in all, and only "
			"escapes such as \\046",
			v->text);
		return false;
	}
	name_lower(z->name, name, (size_t)len);
	return true;
}

static int read_zone(const struct raw_zone *raw, unsigned i, struct config *c,
		     const struct config_zone *defaults, struct config_errors *e)
{
	struct config_zone *z = &c->zones[c->zone_cnt];
	char text[NAME_TEXT_CAP], at[64], path[CONFIG_PATH_CAP];
	int rc;

	*z = *defaults;
	snprintf(at, sizeof(at), "zones[%u]", i);
	config_path(path, at, "name");
	if (!read_zone_name(V(path, raw->name), z))
		return 0;
	z->name_text = strdup(name_text(z->name, text));
	if (z->name_text == NULL)
		return -ENOMEM;
	c->zone_cnt++;
	read_keys(&raw->keys, at, z, e);
	check_keys(&raw->keys, at, z, e);
	rc = config_read_zone_secondaries(&raw->keys, at, c, z, e);
	if (rc == 0)
		rc = config_read_acl(&raw->keys, at, c, z, e);
	if (rc == 0)
		rc = config_read_verifier(&raw->keys, at, c, z, e);
	return rc < 0 ? rc : read_zone_primaries(raw, at, c, z, e);
}

struct zone_place {
	const struct config_zone *zone;
	unsigned index; /* in the file */
};

static int by_name(const void *a, const void *b)
{
	const struct zone_place *l = a, *r = b;
	int order = strcmp(l->zone->name_text, r->zone->name_text);

	if (order != 0)
		return order;
	return l->index < r->index ? -1 : 1;
}

/* Only when all names were good: then places in the file and in c->zones are the same. */
static int check_twice(const struct config *c, struct config_errors *e)
{
	struct zone_place *places = calloc(c->zone_cnt + 1u, sizeof(places[0]));
	char path[CONFIG_PATH_CAP];

	if (places == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < c->zone_cnt; i++)
		places[i] = (struct zone_place){&c->zones[i], i};
	qsort(places, c->zone_cnt, sizeof(places[0]), by_name);
	for (unsigned i = 1; i < c->zone_cnt; i++) {
		if (strcmp(places[i - 1].zone->name_text, places[i].zone->name_text) != 0)
			continue;
		snprintf(path, sizeof(path), "zones[%u].name", places[i].index);
		config_errors_add(e, path, "zone %.128s is configured twice, as zones[%u] too",
				  places[i].zone->name_text, places[i - 1].index);
	}
	free(places);
	return 0;
}

int config_read_zones(const struct raw_config *raw, struct config *c, struct config_errors *e)
{
	static const struct raw_zone_keys none;
	const struct raw_zone_keys *keys = raw->defaults != NULL ? raw->defaults : &none;
	struct config_zone defaults = {0};
	int rc;

	for (size_t i = 0; i < ZONE_KEY_CNT; i++)
		key_set(&zone_keys[i], &defaults, zone_keys[i].fallback);
	read_keys(keys, "defaults", &defaults, e);
	check_keys(keys, "defaults", &defaults, e);
	rc = config_read_zone_secondaries(keys, "defaults", c, &defaults, e);
	c->defaults_allow_transfer = defaults.allow_transfer;
	c->defaults_notify = defaults.notify;
	if (rc == 0)
		rc = config_read_acl(keys, "defaults", c, &defaults, e);
	if (rc == 0)
		rc = config_read_verifier(keys, "defaults", c, &defaults, e);
	if (rc < 0)
		return rc;
	if (raw->zones_cnt == 0)
		config_errors_warn(e, "zones", "none are configured; every query will be REFUSED");
	if (raw->zones_cnt > ZONES_MAX) {
		config_errors_add(e, "zones", "has %u zones, at most %d are possible", raw->zones_cnt,
				  ZONES_MAX);
		return 0;
	}
	c->zones = calloc(raw->zones_cnt + 1u, sizeof(c->zones[0]));
	if (c->zones == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < raw->zones_cnt; i++) {
		rc = read_zone(&raw->zones[i], i, c, &defaults, e);
		if (rc < 0)
			return rc;
	}
	return c->zone_cnt == raw->zones_cnt ? check_twice(c, e) : 0;
}
