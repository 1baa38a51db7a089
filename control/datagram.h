/*
 * Questions to primaries over UDP: each has a socket and so a random port of its own (RFC 5452 9), connected, so that the
 * kernel compares address and port of what comes. What it says is for the asker to judge; anybody may have sent it.
 *
 * Everything runs on the loop's thread.
 */
#pragma once

#include <uv.h>

#include "control/config.h"

struct datagram;

/* The owner's, and outlives them. */
struct datagrams {
	uv_loop_t *loop;
	uint8_t *buf;		 /* DNS_MSG_MAX octets: what comes is read here, and lent to the callbacks */
	unsigned live;		 /* sockets that are not closed yet; written by datagram.c */
	void (*idle)(void *arg); /* called when live has come down to 0 */
	void *arg;
};

/* Both may close it. */
struct datagram_calls {
	void (*received)(void *arg, uint8_t *msg, size_t len);
	void (*failed)(void *arg,
		       int error); /* an ICMP error: nobody is there, or not yet; one of libuv's numbers */
	void *arg;
};

/* Sends msg to the primary, from its source. Returns 0, or an error of libuv's with nothing begun. */
int datagram_send(struct datagrams *all, const struct config_primary *primary, const uint8_t *msg, size_t len,
		  const struct datagram_calls *calls, struct datagram **out);

/* No callback comes any more. NULL is fine. */
void datagram_close(struct datagram *d);
