/*
 * "lockstepd --check-system FILE": is this machine fit for the configuration, in words? Reads, changes nothing.
 */
#pragma once

#include <stdio.h>

#include "control/config.h"

/*
 * One line for each thing looked at: "good", "fair" (works, but costs speed or latency; says what to do), "bad" (lockstepd will
 * not start, or not serve). root: where /proc and /sys are looked for, "" but in tests. Returns how many are bad.
 */
unsigned check_system(const struct config *config, const char *root, FILE *out);
