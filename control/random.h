/* Unpredictable numbers from the kernel. Control loop; never blocks once the machine has booted. */
#pragma once

#include <stdint.h>

uint16_t random_u16(void);
uint32_t random_u32(void);
