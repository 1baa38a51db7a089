/*
 * Reads the scalars of a configuration: text as it stands in the file to a number, a duration, an address... A NULL
 * text means that the key is absent and gives the fallback. A bad text is an error in the list, names its key path and
 * what would be right, and gives the fallback too, so that readers need not test each value.
 */
#pragma once

#include <stdint.h>

#include "control/config.h"
#include "control/config_errors.h"

struct config_value {
	struct config_errors *errors;
	const char *path;
	const char *text;
};

uint64_t config_value_uint(const struct config_value *v, uint64_t min, uint64_t max, uint64_t fallback);

/* "100us", "2h"; a number without a unit is seconds. Microseconds; the bounds too. */
uint64_t config_value_duration(const struct config_value *v, uint64_t min_us, uint64_t max_us,
			       uint64_t fallback_us);

/* "512M"; units are powers of 1,024; a number without a unit is octets. */
uint64_t config_value_size(const struct config_value *v, uint64_t min, uint64_t max, uint64_t fallback);

bool config_value_bool(const struct config_value *v, bool fallback);

/* The index of the word in words. */
unsigned config_value_enum(const struct config_value *v, const char *const words[], unsigned cnt,
			   unsigned fallback);

/*
 * Copies text of 1 to cap - 1 octets. Absent or bad: out becomes the fallback, or is left alone when that is NULL.
 * False when it was bad.
 */
bool config_value_text(const struct config_value *v, char *out, size_t cap, const char *fallback);

/* An IPv4 or IPv6 address that a host can have: not unspecified, multicast, IPv4-mapped or link-local. */
bool config_value_address(const struct config_value *v, union config_sockaddr *out);

/* The same, or a network: "192.0.2.0/24". out_prefix: 32 or 128 for an address alone. */
bool config_value_network(const struct config_value *v, union config_sockaddr *out, uint8_t *out_prefix);

/* The same as octets, where no bit behind the prefix may be set. config_acl.c. */
struct net_prefix;
bool config_value_net(const struct config_value *v, struct net_prefix *out);

#define CONFIG_US_PER_S	   UINT64_C(1000000)
#define CONFIG_US_PER_DAY  (86400 * CONFIG_US_PER_S)
#define CONFIG_US_PER_WEEK (7 * CONFIG_US_PER_DAY)
