/*
 * Networks in lists: who may ask a zone (allow-query, deny-query), whom rate limits leave alone, and who our peers are.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_read.h"
#include "control/config_value.h"

#define RULES_MAX 4096

#define V(p, t) (&(struct config_value){e, p, t})

static bool has_host_bits(const struct net_prefix *n)
{
	unsigned bits = n->prefix, all = n->family == 4 ? 32 : 128;

	for (; bits < all; bits++)
		if (n->addr[bits / 8] & (0x80 >> bits % 8))
			return true;
	return false;
}

bool config_value_net(const struct config_value *v, struct net_prefix *out)
{
	struct net_prefix n = {0};
	union config_sockaddr sa;

	if (!config_value_network(v, &sa, &n.prefix))
		return false;
	n.family = sa.sa.sa_family == AF_INET ? 4 : 6;
	if (n.family == 4)
		memcpy(n.addr, &sa.in4.sin_addr, 4);
	else
		memcpy(n.addr, &sa.in6.sin6_addr, 16);
	if (has_host_bits(&n)) {
		config_errors_add(v->errors, v->path, "\"%.64s\" has bits behind the first %u", v->text,
				  n.prefix);
		return false;
	}
	*out = n;
	return true;
}

/* Where a rule is in the file, for what is said about it. */
struct rule_list {
	struct acl_rule *v;
	unsigned cnt;
};

static void read_rules(const struct raw_list *raw, const char *at, const char *key, bool allow,
		       struct rule_list *list, struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];

	for (unsigned i = 0; i < raw->cnt; i++) {
		struct acl_rule *r = &list->v[list->cnt];

		snprintf(path, sizeof(path), "%s.%s[%u]", at, key, i);
		if (!config_value_net(V(path, raw->item[i]), &r->net))
			continue;
		for (unsigned j = 0; j < list->cnt; j++)
			if (acl_same_net(&list->v[j].net, &r->net)) {
				config_errors_add(e, path, "\"%.64s\" is listed twice", raw->item[i]);
				return;
			}
		r->allow = allow;
		list->cnt++;
	}
}

static int keep_acl(struct config *c, struct acl *acl)
{
	struct acl **v = realloc(c->acls, (c->acl_cnt + 1u) * sizeof(*v));

	if (v == NULL)
		return -ENOMEM;
	c->acls = v;
	v[c->acl_cnt++] = acl;
	return 0;
}

static struct acl_rule rule_of(const union config_sockaddr *a, uint8_t prefix)
{
	struct acl_rule r = {.allow = true};

	r.net.family = a->sa.sa_family == AF_INET ? 4 : 6;
	r.net.prefix = prefix;
	if (r.net.family == 4)
		memcpy(r.net.addr, &a->in4.sin_addr, 4);
	else
		memcpy(r.net.addr, &a->in6.sin6_addr, 16);
	return r;
}

int config_make_peers(struct config *c)
{
	struct acl_rule *rules = calloc(c->primary_cnt + c->secondary_cnt + 1u, sizeof(rules[0]));
	struct acl *acl = NULL;
	unsigned cnt = 0;
	int rc = -ENOMEM;

	if (rules == NULL)
		return rc;
	for (unsigned i = 0; i < c->primary_cnt; i++)
		rules[cnt++] = rule_of(&c->primaries[i].address,
				       c->primaries[i].address.sa.sa_family == AF_INET ? 32 : 128);
	for (unsigned i = 0; i < c->secondary_cnt; i++)
		rules[cnt++] = rule_of(&c->secondaries[i].address, c->secondaries[i].prefix);
	for (unsigned i = 0; i < cnt; i++)
		rules[i].number = i + 1;
	if (cnt > 0)
		acl = acl_new(rules, cnt);
	if (acl != NULL)
		rc = keep_acl(c, acl);
	free(rules);
	if (cnt == 0)
		return 0;
	if (rc < 0)
		acl_free(acl);
	else
		c->net.peers = acl;
	return rc;
}

int config_read_acl(const struct raw_zone_keys *raw, const char *at, struct config *c,
		    struct config_zone *zone, struct config_errors *e)
{
	unsigned cnt = raw->allow_query.cnt + raw->deny_query.cnt;
	struct rule_list list = {0};
	struct acl *acl;
	int rc;

	if (cnt == 0)
		return 0;
	if (cnt > RULES_MAX) {
		config_errors_add(e, at,
				  "has %u networks in allow-query and deny-query, at most %d are possible",
				  cnt, RULES_MAX);
		return 0;
	}
	list.v = calloc(cnt, sizeof(list.v[0]));
	if (list.v == NULL)
		return -ENOMEM;
	read_rules(&raw->allow_query, at, "allow-query", true, &list, e);
	read_rules(&raw->deny_query, at, "deny-query", false, &list, e);
	acl = acl_new(list.v, list.cnt);
	free(list.v);
	if (acl == NULL)
		return -ENOMEM;
	rc = keep_acl(c, acl);
	if (rc < 0)
		acl_free(acl);
	else
		zone->acl = acl;
	return rc;
}
