/*
 * The control socket: UNIX, mode 0600, newline-delimited JSON requests and responses, on the control loop.
 * Protocol in control/PROTOCOL.md. Peer credentials are checked: root or the daemon's own user.
 */
#pragma once

#include "control/stream.h"
#include "control/watch.h"

struct ctl;
struct onward;
struct reload;

struct ctl_env {
	uv_loop_t *loop;
	const struct config *config; /* the first */
	const struct zonetab *table;
	const struct arena *arena;
	struct zones *zones;
	struct net *net;
	struct onward *onward;
	struct reload *reload;
	const struct watch *watch;
	struct stream *stream;		      /* NULL: TCP is off */
	struct answer_engine *const *engines; /* the workers', net_worker_cnt of them */
	struct answer_engine *own_engine;     /* the control loop's, for what workers leave to it */
	struct log *log;
	void (*stop)(void *arg); /* what "stop" does */
	void *stop_arg;
};

/*
 * Returns 0 or -errno, *err filled (address in use: another instance answers there; EEXIST: the path is no socket).
 * Makes the socket's folder if only that is missing. The process ignores SIGPIPE.
 */
int ctl_start(const struct ctl_env *env, struct ctl **out, struct net_error *err);
/* A configuration is in force from now on: those who answer are told what of it is for them. */
void ctl_config_in_force(struct ctl *c, const struct config *now);

/* Unlinks the socket, tells who waits. Before zones_stop, whose callbacks may still come until ctl_free. */
void ctl_stop(struct ctl *c, void (*done)(void *arg), void *arg);
void ctl_free(struct ctl *c);
