/* Contracts in the header; control loop. */
#include "control/watch.h"

#include <errno.h>
#include <stdlib.h>

#define TICK_MS 100 /* a fraction of the least that stall-after can be */

struct state {
	bool stalled;
	uint64_t ago_ms; /* since it came round last, when looked at; the longest of this stall */
	uint64_t stalls;
};

struct watch {
	struct watch_env env;
	uv_timer_t timer;
	bool held;
	void (*done)(void *arg);
	void *done_arg;
	unsigned worker_cnt;
	struct state worker[];
};

static void stall_begins(struct watch *w, unsigned i)
{
	struct state *s = &w->worker[i];

	s->stalled = true;
	s->stalls++;
	log_event(w->env.log, LOG_ERROR, "worker-stalled", NULL, NULL,
		  "worker=%u cpu=%u for_ms=%llu reason=\"it has not looked at its ports for that long; what "
		  "its queues bring is lost, other workers go on\"",
		  i, w->env.config->net.worker_cpus[i], (unsigned long long)s->ago_ms);
}

static void stall_ends(struct watch *w, unsigned i)
{
	struct state *s = &w->worker[i];

	s->stalled = false;
	log_event(w->env.log, LOG_NOTICE, "worker-recovered", NULL, NULL, "worker=%u cpu=%u stalled_ms=%llu",
		  i, w->env.config->net.worker_cpus[i], (unsigned long long)s->ago_ms);
	s->ago_ms = 0;
}

/* A sleep that was ordered is no stall. Returns whether the worker is stalled. */
static bool look_at(struct watch *w, unsigned i)
{
	const struct config *c = w->env.config;
	struct state *s = &w->worker[i];
	struct net_worker_info info;
	uint64_t ago_ms;

	net_worker_info(w->env.net, i, &info);
	ago_ms = info.turn_ago_ns / 1000000;
	if (ago_ms <= c->stall_after_ms + c->net.idle_sleep_us / 1000) {
		if (s->stalled)
			stall_ends(w, i);
		return false;
	}
	s->ago_ms = ago_ms;
	if (!s->stalled)
		stall_begins(w, i);
	return true;
}

static void hold(struct watch *w, bool held, uint64_t retired)
{
	if (held == w->held)
		return;
	w->held = held;
	if (held)
		log_event(w->env.log, LOG_ERROR, "transfers-held", NULL, NULL,
			  "bytes_retired=%llu limit=%llu reason=\"a worker is stalled, and what was replaced "
			  "meanwhile has reached dataplane.stall-memory\"",
			  (unsigned long long)retired, (unsigned long long)w->env.config->stall_memory);
	else
		log_event(w->env.log, LOG_NOTICE, "transfers-resumed", NULL, NULL, "bytes_retired=%llu",
			  (unsigned long long)retired);
	zones_hold(w->env.zones, held);
}

static void on_port_event(void *arg, unsigned port, enum net_port_event event, const char *text)
{
	struct watch *w = arg;
	const char *device = w->env.config->net.ports[port].device;
	char quoted[2 * NET_TEXT_MAX];

	switch (event) {
	case NET_PORT_LINK_DOWN:
		log_event(w->env.log, LOG_WARNING, "port-link-down", NULL, NULL, "port=%s", device);
		break;
	case NET_PORT_LINK_UP:
		log_event(w->env.log, LOG_NOTICE, "port-link-up", NULL, NULL, "port=%s", device);
		break;
	case NET_PORT_REMOVED:
		log_event(w->env.log, LOG_ERROR, "port-removed", NULL, NULL,
			  "port=%s reason=\"its device is gone; other ports go on, and it is used again when "
			  "it is back\"",
			  device);
		break;
	case NET_PORT_BACK:
		log_event(w->env.log, LOG_NOTICE, "port-back", NULL, NULL, "port=%s", device);
		break;
	case NET_PORT_REFUSED:
		log_event(w->env.log, LOG_WARNING, "port-not-usable", NULL, NULL, "port=%s reason=%s", device,
			  log_quote(text, quoted, sizeof(quoted)));
		break;
	}
}

/* Once: what an operator would otherwise wonder about. */
static void tell_lacks(const struct watch *w)
{
	for (unsigned i = 0; i < net_port_cnt(w->env.net); i++) {
		unsigned iter = 0;
		const char *text;

		while ((text = net_port_lacks(w->env.net, i, &iter)) != NULL)
			log_event(w->env.log, LOG_NOTICE, "port-lacks", NULL, NULL, "port=%s reason=\"%s\"",
				  w->env.config->net.ports[i].device, text);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct watch *w = timer->data;
	struct arena_info arena;
	bool stalled = false;

	for (unsigned i = 0; i < w->worker_cnt; i++)
		stalled |= look_at(w, i);
	net_ports_poll(w->env.net, on_port_event, w);
	arena_info(w->env.arena, &arena);
	hold(w, stalled && arena.bytes_retired > w->env.config->stall_memory, arena.bytes_retired);
}

int watch_start(const struct watch_env *env, struct watch **out)
{
	unsigned cnt = net_worker_cnt(env->net);
	struct watch *w = calloc(1, sizeof(*w) + cnt * sizeof(w->worker[0]));
	int rc;

	if (w == NULL)
		return -ENOMEM;
	w->env = *env;
	w->worker_cnt = cnt;
	w->timer.data = w;
	rc = uv_timer_init(env->loop, &w->timer);
	if (rc == 0)
		rc = uv_timer_start(&w->timer, on_timer, TICK_MS, TICK_MS);
	if (rc < 0) {
		free(w);
		return rc;
	}
	tell_lacks(w);
	*out = w;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct watch *w = handle->data;

	w->done(w->done_arg);
}

void watch_stop(struct watch *w, void (*done)(void *arg), void *arg)
{
	w->done = done;
	w->done_arg = arg;
	uv_close((uv_handle_t *)&w->timer, on_closed);
}

void watch_free(struct watch *w)
{
	free(w);
}

void watch_worker(const struct watch *w, unsigned worker, struct watch_worker *out)
{
	const struct state *s = &w->worker[worker];

	*out = (struct watch_worker){
		.stalled = s->stalled, .stalled_ms = s->stalled ? s->ago_ms : 0, .stalls = s->stalls};
}

bool watch_holds_transfers(const struct watch *w)
{
	return w->held;
}
