/* Denial of existence. Contract in lookup.h. */
#include "dataplane/zone/lookup.h"
#include "dataplane/zone/version.h"

bool snapshot_nsec(const struct snapshot *s, const uint8_t *name, struct denial *out)
{
	return false;
}

bool snapshot_nsec3(const struct snapshot *s, const uint8_t *name, struct denial *out)
{
	return false;
}
