#include "control/random.h"

#include <stdlib.h>
#include <sys/random.h>

uint32_t random_u32(void)
{
	uint32_t v;

	/* A request this short is neither cut nor interrupted once the pool is ready, getrandom(2). */
	if (getrandom(&v, sizeof(v), 0) != (ssize_t)sizeof(v))
		abort(); /* a guessable query id is worse than no server */
	return v;
}

uint16_t random_u16(void)
{
	return (uint16_t)random_u32();
}
