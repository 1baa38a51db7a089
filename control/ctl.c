/*
 * Opening and closing the control socket. It is never there with another mode than 0600, a living instance is never
 * robbed of it, and nothing but a socket is ever unlinked.
 */
#include "control/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control/ctl_internal.h"

#define TICK_MS 5000
#define BACKLOG 128 /* a burst of scripts; with a full backlog connect fails at once */

static int fail(struct net_error *err, int rc, const char *path, const char *what)
{
	snprintf(err->text, sizeof(err->text), "cannot open the control socket %s: %s", path,
		 what != NULL ? what : "unknown error");
	return rc;
}

static int fail_errno(struct net_error *err, int rc, const char *path)
{
	return fail(err, rc, path, strerror(-rc));
}

static int socket_new(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* Whether somebody answers there: 1, 0, or -errno. */
static int is_alive(const struct sockaddr_un *addr)
{
	int fd = socket_new();
	int rc;

	if (fd < 0)
		return fd;
	rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ? 0 : -errno;
	close(fd);
	if (rc == 0 || rc == -EAGAIN) /* its queue is full: alive, and very busy */
		return 1;
	return rc == -ECONNREFUSED || rc == -ENOENT ? 0 : rc;
}

/* Makes way for bind. */
static int clear_path(const struct sockaddr_un *addr, struct net_error *err)
{
	struct stat st;
	int rc;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : fail_errno(err, -errno, addr->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return fail(err, -EEXIST, addr->sun_path,
			    "something that is not a socket has this name; remove it");
	rc = is_alive(addr);
	if (rc > 0)
		return fail(
			err, -EADDRINUSE, addr->sun_path,
			"another instance answers there; stop it, or give this one another control.socket");
	if (rc < 0)
		return fail_errno(err, rc, addr->sun_path);
	if (unlink(addr->sun_path) < 0 && errno != ENOENT)
		return fail_errno(err, -errno, addr->sun_path);
	return 0;
}

/* /run is empty after a boot: its subfolder is ours to make. */
static void make_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

	if (slash == NULL || slash == path)
		return;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	if (mkdir(folder, 0755) < 0)
		return; /* there already, or bind will say what is wrong */
}

/* Returns a listening socket or -errno. */
static int listener_open(const char *path, struct stat *st, struct net_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, rc;

	if (strlen(path) >= sizeof(addr.sun_path))
		return fail_errno(err, -ENAMETOOLONG, path);
	strcpy(addr.sun_path, path);
	make_folder(path);
	rc = clear_path(&addr, err);
	if (rc < 0)
		return rc;
	fd = socket_new();
	if (fd < 0)
		return fail_errno(err, fd, path);
	/* The mode of the unbound socket is what bind gives the file on Linux: at no moment can others connect. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		rc = fail_errno(err, -errno, path);
		goto close;
	}
	if (lstat(path, st) < 0 || listen(fd, BACKLOG) < 0) {
		rc = fail_errno(err, -errno, path);
		goto unlink;
	}
	return fd;
unlink:
	unlink(path);
close:
	close(fd);
	return rc;
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct ctl *ctl = listener->data;

	if (status < 0)
		log_event(ctl->env.log, LOG_WARNING, "control-accept-failed", NULL, NULL, "reason=\"%s\"",
			  uv_strerror(status));
	else
		ctl_conn_accept(ctl);
}

static void on_tick(uv_timer_t *timer)
{
	ctl_conn_tick(timer->data);
}

static void on_closed(uv_handle_t *handle)
{
	ctl_handle_closed(handle->data);
}

static void close_own(struct ctl *ctl)
{
	uv_close((uv_handle_t *)&ctl->listener, on_closed);
	uv_close((uv_handle_t *)&ctl->tick, on_closed);
}

void ctl_handle_closed(struct ctl *ctl)
{
	if (--ctl->open_cnt > 0 || !ctl->stopping)
		return;
	if (ctl->abandoned)
		free(ctl);
	else if (ctl->done != NULL)
		ctl->done(ctl->done_arg);
}

static struct ctl *ctl_new(const struct ctl_env *env)
{
	struct ctl *ctl = calloc(1, sizeof(*ctl));
	struct timespec now;

	if (ctl == NULL)
		return NULL;
	clock_gettime(CLOCK_REALTIME, &now);
	ctl->env = *env;
	ctl->started = now.tv_sec;
	ctl->started_ns = uv_hrtime();
	ctl->listener.data = ctl;
	ctl->tick.data = ctl;
	return ctl;
}

int ctl_start(const struct ctl_env *env, struct ctl **out, struct net_error *err)
{
	const char *path = env->config->control_socket;
	struct ctl *ctl = ctl_new(env);
	struct stat st;
	int fd, rc;

	if (ctl == NULL)
		return fail_errno(err, -ENOMEM, path);
	fd = listener_open(path, &st, err);
	if (fd < 0) {
		free(ctl);
		return fd;
	}
	ctl->dev = st.st_dev;
	ctl->ino = st.st_ino;
	uv_pipe_init(env->loop, &ctl->listener, 0);
	uv_timer_init(env->loop, &ctl->tick);
	ctl->open_cnt = 2;
	rc = uv_pipe_open(&ctl->listener, fd);
	if (rc < 0)
		close(fd);
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&ctl->listener, BACKLOG, on_connection);
	if (rc == 0)
		rc = uv_timer_start(&ctl->tick, on_tick, TICK_MS, TICK_MS);
	if (rc < 0) {
		unlink(path);
		ctl->stopping = ctl->abandoned = true;
		close_own(ctl);
		return fail(err, rc, path, uv_strerror(rc));
	}
	*out = ctl;
	return 0;
}

/* Another instance may have its own socket there by now. */
static void unlink_own(const struct ctl *ctl)
{
	const char *path = ctl->env.config->control_socket;
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_dev == ctl->dev && st.st_ino == ctl->ino)
		unlink(path);
}

void ctl_stop(struct ctl *ctl, void (*done)(void *arg), void *arg)
{
	ctl->stopping = true;
	ctl->done = done;
	ctl->done_arg = arg;
	unlink_own(ctl);
	close_own(ctl);
	for (struct ctl_conn *conn = ctl->conns; conn != NULL; conn = conn->next) {
		ctl_conn_abort(conn, "stopping", "lockstepd is stopping");
		ctl_conn_close(conn); /* uv_write has handed a short answer to the kernel already */
	}
}

void ctl_free(struct ctl *ctl)
{
	if (ctl != NULL)
		ctl_offers_free(ctl);
	free(ctl);
}
