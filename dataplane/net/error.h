/*
 * Failures as sentences. See struct net_error.
 */
#pragma once

#include "dataplane/net/net.h"

void net_error_set(struct net_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
