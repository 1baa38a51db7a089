/*
 * How many connections each client has, over all stream threads: one address must not take the places of all others.
 * An IPv6 client is its /64, as that is what one host can use as it likes.
 *
 * Any thread; a lock is held for a few instructions, once per connection made and closed.
 */
#pragma once

#include <stdbool.h>

#include "control/config.h"

struct stream_clients;

/* cnt_max connections of a client, of at most connection_max that are counted at a time. NULL: out of memory. */
struct stream_clients *stream_clients_new(unsigned cnt_max, unsigned connection_max);
void stream_clients_free(struct stream_clients *s);

/* False: the client has as many as it may; nothing is counted then. */
bool stream_clients_enter(struct stream_clients *s, const union config_sockaddr *client);
void stream_clients_leave(struct stream_clients *s, const union config_sockaddr *client);
