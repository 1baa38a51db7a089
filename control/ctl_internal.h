/*
 * The control socket from the inside: connections (ctl_conn), requests (ctl_request), what commands answer (ctl_zone,
 * ctl_stats) and the dump of a zone (ctl_dump). All on the control loop's thread, but for the thread of a dump.
 *
 * A connection has one request at work at a time; what a client sends meanwhile waits in its buffer, and beyond that in
 * the kernel. An answer that may be long is made by a job in parts, the next one when the client has taken the last.
 */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "control/ctl.h"

#define CTL_VERSION	1
#define CTL_REQUEST_MAX 65536 /* octets of a request with its newline */
#define CTL_DEPTH_MAX	16    /* nested arrays and objects in a request: none needs more than 2 */
#define CTL_CONNS_MAX	64
#define CTL_DUMPS_MAX	4		  /* each has a thread and keeps a snapshot alive */
#define CTL_UNSENT_MAX	(size_t)(1 << 18) /* octets on their way to a client, above which its job waits */
#define CTL_ERROR_MAX	16384		  /* the text of an error: all that is wrong with a configuration */
#define CTL_STUCK_MS	30000		  /* a client that takes nothing for so long is cut off */

struct ctl_conn;

/* Work that outlives the turn in which its request came. */
struct ctl_job {
	void (*more)(struct ctl_job *job); /* the client has taken what was sent; NULL: of no interest */
	void (*drop)(struct ctl_job *job); /* the connection is going; never touch it again */
};

struct ctl_conn {
	uv_pipe_t pipe;
	struct ctl *ctl;
	struct ctl_conn *next;
	struct ctl_job *job;
	json_t *id;	     /* of the request at work; NULL: it had none */
	uint64_t active_ms;  /* uv_now when something last moved */
	unsigned unsent_cnt; /* writes not yet done */
	bool processing;     /* conn_process is on the stack */
	bool ending;	     /* close when all is written */
	bool closing;
	size_t in_len;
	char in[CTL_REQUEST_MAX];
};

struct ctl {
	struct ctl_env env;
	uv_pipe_t listener;
	uv_timer_t tick;
	struct ctl_conn *conns;
	struct ctl_offer *offers; /* ctl_answer.c */
	struct capture *capture;  /* the one at work, or NULL: ctl_capture.c */
	bool accept_owed;	  /* a connection waits for memory */
	unsigned dump_cnt;
	unsigned open_cnt; /* handles that have not been closed */
	bool stopping;
	bool abandoned; /* the start failed: free it when the last handle is closed */
	dev_t dev;	/* of the socket in the file system */
	ino_t ino;
	int64_t started; /* CLOCK_REALTIME */
	uint64_t started_ns;
	struct log_limit limit;
	void (*done)(void *arg);
	void *done_arg;
};

/* ctl.c: one handle less; may end the module. */
void ctl_handle_closed(struct ctl *ctl);

/* ctl_conn.c */
void ctl_conn_accept(struct ctl *ctl);
void ctl_conn_close(struct ctl_conn *conn);
/* Closes when what was written is sent; reads no more. */
void ctl_conn_end(struct ctl_conn *conn);
/* Drops the job, if there is one, and answers its request with the error. */
void ctl_conn_abort(struct ctl_conn *conn, const char *code, const char *text);
void ctl_conn_tick(struct ctl *ctl);
/* Takes the object. The job's part, or the last word about the request, after which the next one is read. */
void ctl_conn_send(struct ctl_conn *conn, json_t *response);
bool ctl_conn_has_room(const struct ctl_conn *conn);
/* The request at work has been answered. */
void ctl_conn_finish(struct ctl_conn *conn);

/* ctl_request.c: one line without its newline. Always ends in an answer, now or by a job. */
void ctl_request(struct ctl_conn *conn, const char *line, size_t len);
/* All take result (NULL: out of memory, which is answered). */
void ctl_reply(struct ctl_conn *conn, json_t *result);
void ctl_reply_part(struct ctl_conn *conn, json_t *result);
void ctl_reply_error(struct ctl_conn *conn, const char *code, json_t *suggestions, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Text that may come from a peer: what is not UTF-8 is escaped. */
json_t *ctl_text(const char *text);

/* What a command gets. */
struct ctl_args {
	const char *zone; /* args.zone, or NULL */
	bool has_serial;  /* args.serial */
	uint32_t serial;
	bool wait;	     /* default true */
	bool describe;	     /* args.describe */
	const json_t *given; /* all of them, for commands with their own */
};

/* ctl_zone.c, ctl_dump.c, ctl_stats.c: the commands. */
void ctl_zone_status(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_zone_refresh(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_zone_retransfer(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_zone_notify(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_zone_timing(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_zone_accept(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_zone_reject(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_zone_rollback(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_zone_resume(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_zone_dump(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_status(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_capture(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_port_stats(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_trace(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_stats(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_tls_reload(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_offenders(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_key_reload(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_reload(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_cookies_reload(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_help(struct ctl_conn *conn, const struct ctl_args *args);
void ctl_do_stop(struct ctl_conn *conn, const struct ctl_args *args);

/* The engines have ended, or will not answer any more. */
void ctl_offers_free(struct ctl *ctl);

/* The index of args->zone; below 0 when that was answered with an error already. */
int ctl_zone_find(struct ctl_conn *conn, const struct ctl_args *args);
/* Whom NOTIFY goes to, as a list; NULL when out of memory. */
json_t *ctl_zone_targets(const struct ctl *ctl, uint32_t slot);
/* ctl_port.c: a list of all ports; a sentence for each of their counters. NULL when out of memory. */
json_t *ctl_ports(const struct ctl *ctl);
json_t *ctl_ports_described(void);
/* A zones_info as JSON; NULL when out of memory. */
json_t *ctl_zone_info(const struct ctl *ctl, unsigned index);
