#include "control/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct signals {
	uv_poll_t poll;
	int fd;
	void (*on_signal)(void *arg, int signum);
	void *arg;
};

static void fill(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
}

void signals_block(void)
{
	sigset_t set;

	fill(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* One at a time: on_signal may stop us. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct signals *s = poll->data;
	struct signalfd_siginfo info;

	if (read(s->fd, &info, sizeof(info)) == sizeof(info))
		s->on_signal(s->arg, (int)info.ssi_signo);
}

static void on_closed(uv_handle_t *handle)
{
	struct signals *s = handle->data;

	close(s->fd);
	free(s);
}

int signals_start(uv_loop_t *loop, void (*on_signal)(void *arg, int signum), void *arg, struct signals **out)
{
	struct signals *s = calloc(1, sizeof(*s));
	sigset_t set;
	int rc;

	if (s == NULL)
		return -ENOMEM;
	fill(&set);
	s->on_signal = on_signal;
	s->arg = arg;
	s->poll.data = s;
	s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	rc = s->fd < 0 ? -errno : uv_poll_init(loop, &s->poll, s->fd);
	if (rc < 0)
		goto free_signals;
	rc = uv_poll_start(&s->poll, UV_READABLE, on_readable);
	if (rc < 0) {
		signals_stop(s);
		return rc;
	}
	*out = s;
	return 0;

free_signals:
	if (s->fd >= 0)
		close(s->fd);
	free(s);
	return rc;
}

void signals_stop(struct signals *s)
{
	if (s == NULL)
		return;
	uv_poll_stop(&s->poll);
	uv_close((uv_handle_t *)&s->poll, on_closed);
}
