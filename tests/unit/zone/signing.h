/*
 * Signs a model as a signer would, but for the signatures, which are a hash of what they cover: so that a change of the
 * zone changes what it would change in a real one, the chain around a name that comes or goes included.
 */
#pragma once

#include "tests/unit/zone/model.h"

enum signing_kind { SIGNING_NONE, SIGNING_NSEC, SIGNING_NSEC3 };

struct signing {
	enum signing_kind kind;
	uint8_t salt; /* NSEC3: four octets of it */
	bool opt_out; /* NSEC3: delegations without DS are left out of the chain */
	uint32_t inception;
};

#define SIGNING_TTL(type) (300u + (type))

/* m has no records of DNSSEC but DS. */
void signing_apply(struct model *m, const struct signing *how);
