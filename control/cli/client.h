/*
 * The client's side of the control socket: one request, then its answer line by line. Blocking, with a deadline.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct client;

enum client_verdict {
	CLIENT_OK,
	CLIENT_UNREACHABLE, /* no socket, nobody there, no permission */
	CLIENT_BROKEN,	    /* the connection ended early, or what came is not the protocol */
	CLIENT_TIMEOUT,
};

struct client_error {
	char text[512];
};

/* timeout_ms: for each wait, 0 for ever. */
enum client_verdict client_open(const char *path, uint64_t timeout_ms, struct client **out,
				struct client_error *err);
void client_close(struct client *c);

/* Sends the request; takes it. */
enum client_verdict client_send(struct client *c, json_t *request, struct client_error *err);

/* The next line of the answer, which is the caller's to json_decref. */
enum client_verdict client_receive(struct client *c, json_t **out, struct client_error *err);
