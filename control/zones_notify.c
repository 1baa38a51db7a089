/*
 * NOTIFY requests as they come in: whose they are, whether that can be told for sure, and the response (RFC 1996,
 * RFC 8945). The control loop's thread.
 */
#include "control/zones_internal.h"

#include <errno.h>
#include <time.h>

#include "control/notify.h"

/* Lines a second about what was refused or malformed: anybody may send it. */
#define LOG_BURST 5

static bool same_address(const union config_sockaddr *a, const union config_sockaddr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr;
	return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
}

/* A NOTIFY on its way. */
struct notice {
	struct notify notify;
	const union config_sockaddr *client;
	uint64_t rx_ns;
	uint8_t *msg;
	size_t len;
	struct tsig tsig;
	enum tsig_verdict signature; /* NONE as well while nobody has looked */
};

/* The index of the zone's primary with this address, or -1. Ports are not compared: NOTIFY comes from any. */
static int find_primary(const struct zone *zn, const union config_sockaddr *client)
{
	unsigned i;

	for (i = 0; i < zn->config->primary_cnt; i++)
		if (same_address(&zn->config->primaries[i]->address, client))
			return (int)i;
	return -1;
}

/* The same with this key. One without a key need not sign, and may. */
static int find_signer(const struct zone *zn, const union config_sockaddr *client, const struct tsig_key *key)
{
	unsigned i;

	for (i = 0; i < zn->config->primary_cnt; i++) {
		const struct config_primary *p = zn->config->primaries[i];

		if (same_address(&p->address, client) && (p->key == NULL || p->key == key))
			return (int)i;
	}
	return -1;
}

/*
 * A stranger, or a zone we do not have: REFUSED for both, and nothing but the rate-limited line tells them apart, so
 * that nobody outside learns which zones are here (RFC 1996 3.10).
 */
static uint16_t refuse_notify(struct zones *z, struct zone *zn, const struct notice *n)
{
	char name[NAME_TEXT_CAP], peer[CONFIG_ADDRESS_TEXT_CAP];

	z->cnt[ZONES_CNT_notify_refused]++;
	if (zn != NULL)
		zn->notifies_refused++;
	if (log_allow(z->env.log, &z->limit_refused, LOG_BURST, "notify-refused"))
		log_event(z->env.log, LOG_WARNING, "notify-refused", name_text(n->notify.name, name),
			  config_address_text(n->client, peer), "reason=\"%s\"",
			  zn != NULL ? "not from a primary of the zone" : "not a zone of ours");
	return DNS_RCODE_REFUSED;
}

/* From a primary's address, but whose it is cannot be told. */
static uint16_t refuse_signature(struct zone *zn, const struct notice *n)
{
	struct zones *z = zn->all;
	bool is_other = n->signature == TSIG_OK;
	char peer[CONFIG_ADDRESS_TEXT_CAP], key[NAME_TEXT_CAP];

	z->cnt[ZONES_CNT_notify_unsigned]++;
	zn->notifies_refused++;
	name_text(n->signature == TSIG_NONE ? (const uint8_t *)"" : n->tsig.name, key);
	if (log_allow(z->env.log, &z->limit_refused, LOG_BURST, "notify-refused"))
		log_event(z->env.log, LOG_WARNING, "notify-refused", zn->config->name_text,
			  config_address_text(n->client, peer), "key=%s reason=\"%s\"",
			  n->signature == TSIG_NONE || n->signature == TSIG_FORMERR ? "none" : key,
			  is_other ? "not the key of the primary" : tsig_verdict_text(n->signature));
	/* What is missing or not the right key is told as what is wrong is: this server does not take it from you. */
	return is_other || n->signature == TSIG_NONE ? DNS_RCODE_NOTAUTH : (uint16_t)tsig_rcode(n->signature);
}

static uint16_t accept_notify(struct zone *zn, uint16_t primary, const struct notify *n, uint64_t rx_ns)
{
	struct secondary_event e = {.kind = SECONDARY_EV_NOTIFY,
				    .primary = primary,
				    .has_serial = n->has_serial,
				    .serial = n->serial,
				    .direct = n->has_serial && zn->config->notify_ixfr &&
					      zone_gives_ixfr(zn, primary)};
	bool waited = zn->secondary.deferred;
	struct secondary_actions a;

	zn->notifies++;
	/* Whoever speaks is there. */
	zone_health(zn, primary)->failures = 0;
	a = zone_event(zn, &e);
	if ((a.what & SECONDARY_NOTE_DEFERRED) && zn->deferred_ns == 0)
		zn->deferred_ns = rx_ns;
	else if ((a.what & (SECONDARY_NOTE_CURRENT | SECONDARY_NOTE_DEFERRED)) == 0 && zn->notify_ns == 0)
		zn->notify_ns = rx_ns;
	/* Only what begins or defers something: a flood is counted, not logged. */
	if ((a.what & (SECONDARY_QUERY | SECONDARY_TRANSFER)) ||
	    ((a.what & SECONDARY_NOTE_DEFERRED) && !waited))
		log_event(zn->all->env.log, LOG_DEBUG, "notify", zn->config->name_text,
			  zone_primary(zn, primary)->name, "has_serial=%d serial=%u deferred=%d",
			  n->has_serial, n->serial, (a.what & SECONDARY_NOTE_DEFERRED) != 0);
	zones_pump(zn->all);
	return DNS_RCODE_NOERROR;
}

/* Only what has a primary's address is worth an HMAC. */
static uint16_t handle_notify(struct zones *z, struct notice *n)
{
	int i = n->notify.class == DNS_CLASS_IN ? zones_find(z, n->notify.name) : -ENOENT;
	struct zone *zn = i < 0 ? NULL : z->zone[i];
	int primary;

	if (zn == NULL || find_primary(zn, n->client) < 0)
		return refuse_notify(z, zn, n);
	if (z->config->keyring != NULL)
		n->signature = tsig_verify_request(&n->tsig, z->config->keyring, n->msg, (uint64_t)time(NULL),
						   &n->len);
	if (n->signature != TSIG_OK && n->signature != TSIG_NONE)
		return refuse_signature(zn, n);
	primary = find_signer(zn, n->client, n->tsig.key);
	if (primary < 0)
		return refuse_signature(zn, n);
	return accept_notify(zn, (uint16_t)primary, &n->notify, n->rx_ns);
}

/* Over the request. Returns its length; 0: there is none, or it cannot be made. */
static size_t respond_to_notify(struct notice *n, uint16_t rcode, size_t cap)
{
	size_t len = notify_response(&n->notify, rcode, n->msg, cap);
	uint64_t now = (uint64_t)time(NULL);
	int ret = 0;

	if (len == 0)
		return 0;
	if (n->signature == TSIG_OK)
		ret = tsig_sign_response(&n->tsig, n->msg, cap, now, &len);
	else if (n->signature != TSIG_NONE)
		ret = tsig_sign_error(&n->tsig, n->msg, cap, now, &len);
	return ret < 0 ? 0 : len;
}

static uint16_t reject_notify(struct zones *z, uint16_t rcode, const char *reason,
			      const union config_sockaddr *client)
{
	char peer[CONFIG_ADDRESS_TEXT_CAP];

	z->cnt[ZONES_CNT_notify_malformed]++;
	if (log_allow(z->env.log, &z->limit_malformed, LOG_BURST, "notify-malformed"))
		log_event(z->env.log, LOG_INFO, "notify-malformed", NULL, config_address_text(client, peer),
			  "reason=\"%s\"", reason);
	return rcode;
}

size_t zones_notify(struct zones *z, uint8_t *msg, size_t len, size_t cap,
		    const union config_sockaddr *client, uint64_t rx_ns)
{
	struct notice n = {.client = client, .rx_ns = rx_ns, .msg = msg, .len = len, .signature = TSIG_NONE};
	uint16_t rcode = DNS_RCODE_NOERROR;

	if (z->stopping)
		return 0;
	z->cnt[ZONES_CNT_notify_received]++;
	switch (notify_get(msg, len, z->rdata, &n.notify)) {
	case NOTIFY_IGNORE:
		reject_notify(z, 0, "not a NOTIFY request", client);
		return 0;
	case NOTIFY_MALFORMED:
		rcode = reject_notify(z, DNS_RCODE_FORMERR, "malformed message", client);
		break;
	case NOTIFY_BADVERS:
		rcode = reject_notify(z, DNS_RCODE_BADVERS, "EDNS version above 0", client);
		break;
	case NOTIFY_NOT_SOA:
		rcode = reject_notify(z, DNS_RCODE_NOTIMP, "QTYPE is not SOA", client);
		break;
	case NOTIFY_OK:
		rcode = handle_notify(z, &n);
		break;
	}
	len = respond_to_notify(&n, rcode, cap);
	tsig_fini(&n.tsig);
	return len;
}
