/*
 * Who may ask a zone: an immutable set of address ranges, each allowed or denied, made of prefixes. A slot of the zone table
 * has one or none, and a query finds it with its zone, so that where no zone has one nothing is looked up.
 *
 * The longest prefix that an address is in decides. Who is in none is allowed if there are only denials, and denied
 * otherwise.
 */
#pragma once

#include <stdbool.h>

#include "dataplane/dns/net_prefix.h"

struct acl;

struct acl_rule {
	struct net_prefix net;
	bool allow;
	uint32_t number; /* for acl_number; 0 where nobody asks */
};

/*
 * A prefix that is named twice (acl_same_net) has one verdict, and the number of one of the two. NULL: out of memory. May be freed once nobody has it and a
 * grace period is over.
 */
struct acl *acl_new(const struct acl_rule *rules, unsigned cnt);
void acl_free(struct acl *a);

/* Whether two rules are about the same network; octets behind the prefix do not count. */
bool acl_same_net(const struct net_prefix *a, const struct net_prefix *b);

/* addr: 4 or 16 octets. Hot path: a binary search. */
bool acl_allows(const struct acl *a, uint8_t family, const uint8_t *addr);

/* The number of the rule that decides; 0: the address is in none. The same search. */
uint32_t acl_number(const struct acl *a, uint8_t family, const uint8_t *addr);
