/* An address prefix, as access and rate limits name networks. */
#pragma once

#include <stdint.h>

struct net_prefix {
	uint8_t family; /* 4 or 6 */
	uint8_t prefix; /* bits */
	uint8_t addr[16];
};
