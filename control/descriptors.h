/*
 * File descriptors are shared by clients of TCP, whom anybody can be, and by what keeps zones current: clients must not
 * have them all.
 */
#pragma once

/*
 * Raises the process's limit as far as it may be. Returns how many of `wanted` clients leave `others` descriptors, but
 * never less than half of all for clients. Start, one thread.
 */
unsigned descriptors_for_clients(unsigned wanted, unsigned others);
