/*
 * The verifier: a program of the operator's that looks at a version before it is published. It gets the zone in
 * presentation format on its standard input and the rest in its environment; 0 accepts. Whatever else becomes of it holds
 * the version. A few run at once, each in a process group of its own, fed by a thread of its own; the loop never waits.
 */
#include "control/zones_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/present.h"

/* Each has a process, a thread and a snapshot that stays. */
#define RUNNING_MAX 4

#define PIECE_LEN 65536
#define STOP_MS	  200 /* how soon a feeder that nobody reads from notices that it is over */
#define ENV_CAP	  512

struct verification {
	struct zone *zone;
	struct verification *next; /* in the queue */
	struct snapshot *snapshot; /* held; the feeder reads it */
	struct timing_stamps at;
	struct secondary_event event; /* CHECKED, but for its verdict */
	uv_process_t process;
	uv_timer_t timer;
	uv_async_t fed;	    /* feeder -> loop */
	uv_thread_t feeder; /* with has_feeder */
	unsigned handles;   /* to be closed */
	bool is_running, has_process, has_feeder;
	bool has_exited, has_fed;
	bool accepted;
	char why[GATE_TEXT_CAP];
	/* The feeder's. */
	int pipe;	  /* our end */
	atomic_bool stop; /* the loop writes, the feeder reads; relaxed: nothing else depends on it */
	ldns_buffer *out;
	uint8_t wire[PRESENT_WIRE_MAX];
};

/* --- the feeder --- */

/* Returns 0, or -EPIPE when there is nobody to write to. */
static int write_out(struct verification *v)
{
	const uint8_t *p = ldns_buffer_begin(v->out);
	size_t left = ldns_buffer_position(v->out);
	struct pollfd pfd = {.fd = v->pipe, .events = POLLOUT};
	ssize_t n;

	while (left > 0) {
		if (atomic_load_explicit(&v->stop, memory_order_relaxed))
			return -EPIPE;
		if (poll(&pfd, 1, STOP_MS) <= 0)
			continue;
		n = write(v->pipe, p, left);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -EPIPE;
		if (n > 0) {
			p += n;
			left -= (size_t)n;
		}
	}
	ldns_buffer_clear(v->out);
	return 0;
}

static int on_record(const struct snapshot_record *r, void *arg)
{
	struct verification *v = arg;
	int rc = present_record(v->out, r, v->wire);

	return rc == 0 && ldns_buffer_position(v->out) >= PIECE_LEN ? write_out(v) : rc;
}

static void feed(void *arg)
{
	struct verification *v = arg;
	sigset_t pipe_only;

	/* Who does not read to the end is told by EPIPE. */
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, NULL);
	v->out = ldns_buffer_new(2 * PIECE_LEN);
	if (v->out != NULL && snapshot_walk(v->snapshot, on_record, v) == 0)
		(void)write_out(v);
	ldns_buffer_free(v->out);
	close(v->pipe);
	uv_async_send(&v->fed);
}

/* --- the end --- */

static void start_next(struct zones *z);

static void on_closed(uv_handle_t *handle)
{
	struct verification *v = handle->data;
	struct zone *zn = v->zone;
	struct zones *z = zn->all;
	struct secondary_event e = v->event;
	struct timing_stamps at = v->at;
	bool accepted = v->accepted;

	if (--v->handles > 0)
		return;
	z->verifying--;
	zn->verification = NULL;
	if (z->stopping || zn->gone) {
		free(v);
		zone_bury(zn);
		if (!z->stopping)
			start_next(z);
		zones_check_stopped(z);
		return;
	}
	e.gate = accepted ? SECONDARY_GATE_PASS : SECONDARY_GATE_HOLD;
	free(zn->why);
	zn->why = accepted ? NULL : strdup(v->why);
	free(v);
	at.verified = uv_hrtime();
	zone_take_version(zn, &e, &at);
	start_next(z);
	zones_pump(z);
}

static void close_all(struct verification *v)
{
	uv_handle_t *const handles[] = {(uv_handle_t *)&v->timer, (uv_handle_t *)&v->fed,
					(uv_handle_t *)&v->process};

	snapshot_release(v->snapshot);
	/* Those that were begun know their loop. */
	for (unsigned i = 0; i < 3; i++)
		v->handles += handles[i]->loop != NULL;
	for (unsigned i = 0; i < 3; i++)
		if (handles[i]->loop != NULL)
			uv_close(handles[i], on_closed);
}

static void end_when_done(struct verification *v)
{
	if (!v->has_exited || !v->has_fed)
		return;
	if (v->has_feeder)
		uv_thread_join(&v->feeder);
	close_all(v);
}

static void on_fed(uv_async_t *fed)
{
	struct verification *v = fed->data;

	v->has_fed = true;
	end_when_done(v);
}

static void on_exit_of(uv_process_t *process, int64_t status, int signal)
{
	struct verification *v = process->data;

	v->has_exited = true;
	v->accepted = status == 0 && signal == 0 && v->why[0] == '\0';
	if (v->why[0] == '\0' && signal != 0)
		snprintf(v->why, sizeof(v->why), "killed by signal %d (verifier)", signal);
	else if (v->why[0] == '\0' && status != 0)
		snprintf(v->why, sizeof(v->why), "ended with %lld (verifier)", (long long)status);
	atomic_store_explicit(&v->stop, true, memory_order_relaxed);
	uv_timer_stop(&v->timer);
	end_when_done(v);
}

/* With all that it has started. */
static void kill_it(struct verification *v, const char *why)
{
	snprintf(v->why, sizeof(v->why), "%s", why);
	if (v->has_process && !v->has_exited)
		kill(-v->process.pid, SIGKILL);
	atomic_store_explicit(&v->stop, true, memory_order_relaxed);
}

static void on_timeout(uv_timer_t *timer)
{
	struct verification *v = timer->data;
	char why[GATE_TEXT_CAP];

	snprintf(why, sizeof(why), "not done within %u s (verifier-timeout)",
		 v->zone->config->verifier_timeout);
	kill_it(v, why);
}

/* --- the beginning --- */

/* Returns 0 or -errno: no process then. */
static int spawn(struct verification *v, int input)
{
	const struct zone *zn = v->zone;
	char zone[ENV_CAP + NAME_TEXT_CAP], serial[ENV_CAP],
		old[ENV_CAP] = "LOCKSTEP_OLD_SERIAL=", path[4096];
	char *env[] = {zone, serial, old, path, NULL};
	uv_stdio_container_t stdio[3] = {
		{.flags = UV_INHERIT_FD, .data.fd = input},
		{.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
		{.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
	};
	const uv_process_options_t options = {.exit_cb = on_exit_of,
					      .file = zn->config->verifier[0],
					      .args = zn->config->verifier,
					      .env = env,
					      .flags = UV_PROCESS_DETACHED,
					      .stdio_count = 3,
					      .stdio = stdio};
	const char *had = getenv("PATH");

	snprintf(zone, sizeof(zone), "LOCKSTEP_ZONE=%s", zn->config->name_text);
	snprintf(serial, sizeof(serial), "LOCKSTEP_SERIAL=%u", v->event.serial);
	if (zn->secondary.content != SECONDARY_NO_CONTENT)
		snprintf(old, sizeof(old), "LOCKSTEP_OLD_SERIAL=%u", zn->secondary.serial);
	snprintf(path, sizeof(path), "PATH=%.4000s", had != NULL ? had : "/usr/sbin:/usr/bin:/sbin:/bin");
	/* Sockets and devices of ours are not for it. */
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	return uv_spawn(zn->all->env.loop, &v->process, &options);
}

static int start_feeder(struct verification *v)
{
	int ret = uv_thread_create(&v->feeder, feed, v);

	v->has_feeder = ret == 0;
	if (ret < 0)
		close(v->pipe);
	return ret;
}

static void begin(struct verification *v)
{
	struct zones *z = v->zone->all;
	int ends[2], ret;

	v->is_running = true;
	z->verifying++;
	uv_timer_init(z->env.loop, &v->timer);
	v->process.data = v->timer.data = v->fed.data = v;
	/* A reload may have taken the verifier away. */
	if (v->zone->config->verifier == NULL) {
		v->accepted = true;
		close_all(v);
		return;
	}
	ret = uv_async_init(z->env.loop, &v->fed, on_fed);
	if (ret == 0)
		ret = pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0;
	if (ret == 0) {
		v->pipe = ends[1];
		fcntl(v->pipe, F_SETFL, O_NONBLOCK);
		ret = spawn(v, ends[0]);
		v->has_process = ret == 0;
		close(ends[0]);
		if (ret < 0)
			close(v->pipe);
	}
	if (ret < 0) {
		snprintf(v->why, sizeof(v->why), "cannot be started: %s (verifier)", uv_strerror(ret));
		close_all(v);
		return;
	}
	uv_timer_start(&v->timer, on_timeout, v->zone->config->verifier_timeout * UINT64_C(1000), 0);
	if (start_feeder(v) < 0) {
		v->has_fed = true;
		kill_it(v, "no thread to feed it (verifier)");
	}
}

static void start_next(struct zones *z)
{
	struct verification *v;

	while (z->verifying < RUNNING_MAX && (v = z->verify_head) != NULL) {
		z->verify_head = v->next;
		begin(v);
	}
}

void zone_verify(struct zone *zn, const struct secondary_event *e, const struct timing_stamps *at)
{
	struct verification *v = calloc(1, sizeof(*v)), **end = &zn->all->verify_head;
	struct secondary_event checked = *e;

	checked.kind = SECONDARY_EV_CHECKED;
	if (v == NULL) {
		checked.gate = SECONDARY_GATE_HOLD;
		zone_take_version(zn, &checked, at);
		return;
	}
	v->zone = zn;
	v->event = checked;
	v->at = *at;
	v->snapshot = snapshot_hold(zn->received.snapshot);
	zone_wait(zn);
	zn->verification = v;
	while (*end != NULL)
		end = &(*end)->next;
	*end = v;
	start_next(zn->all);
}

void zone_cancel_verification(struct zone *zn)
{
	struct verification *v = zn->verification, **at = &zn->all->verify_head;

	if (v == NULL)
		return;
	if (v->is_running) {
		uv_timer_stop(&v->timer);
		kill_it(v, "nobody waits for it any more");
		return;
	}
	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
	snapshot_release(v->snapshot);
	zn->verification = NULL;
	free(v);
}
