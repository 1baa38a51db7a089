#include "control/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is logged of what is wrong; the reply to the command has all of it. */
#define LOG_TEXT_MAX 512

struct waiter {
	struct waiter *next;
	reload_done_fn done;
	void *arg;
};

struct reload {
	struct reload_env env;
	uv_work_t work;
	bool loading;
	bool again; /* asked for while one was loading */
	bool stopping;
	struct waiter *served;	/* by what is loading */
	struct waiter *waiting; /* for the one after that */
	/* The loader's while loading. */
	struct config *config;
	int error;
	char errors[RELOAD_ERRORS_CAP];
};

struct reload *reload_new(const struct reload_env *env)
{
	struct reload *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->env = *env;
	r->work.data = r;
	return r;
}

void reload_free(struct reload *r)
{
	free(r);
}

static void tell(struct waiter **list, const struct reload_result *result)
{
	struct waiter *w, *next = *list;

	*list = NULL;
	while ((w = next) != NULL) {
		next = w->next;
		if (w->done != NULL)
			w->done(w->arg, result);
		free(w);
	}
}

/* What only a restart changes is that of the first configuration, whatever next says. */
static int put_in_force(struct reload *r, struct config *next, struct reload_result *result)
{
	const struct config *now = config_now(r->env.first);
	int ret = config_number(now, next);

	if (ret == 0)
		ret = zones_reload(r->env.zones, next, &result->zones);
	if (ret < 0)
		return ret;
	result->zone_cnt = next->zone_cnt;
	/* First: what they had goes a grace period after it has been replaced. */
	r->env.in_force(r->env.arg, next);
	config_put_in_force(r->env.first, next);
	zones_tell_removed(r->env.zones);
	return 0;
}

static void log_result(const struct reload *r, const struct reload_result *result)
{
	char text[LOG_TEXT_MAX], quoted[2 * LOG_TEXT_MAX];

	snprintf(text, sizeof(text), "%.*s", LOG_TEXT_MAX - 1, result->text);
	if (!result->ok) {
		log_event(r->env.log, LOG_ERROR, "reload-failed", NULL, NULL, "file=%s reason=%s",
			  r->env.first->file, log_quote(text, quoted, sizeof(quoted)));
		return;
	}
	log_event(r->env.log, LOG_NOTICE, "reloaded", NULL, NULL,
		  "file=%s zones=%u added=%u removed=%u changed=%u", r->env.first->file, result->zone_cnt,
		  result->zones.added, result->zones.removed, result->zones.changed);
	if (result->needs_restart[0] != '\0')
		log_event(r->env.log, LOG_WARNING, "restart-needed", NULL, NULL,
			  "sections=\"%s\" reason=\"changed in the file, and read at start only\"",
			  result->needs_restart);
}

static void load(uv_work_t *work)
{
	struct reload *r = work->data;

	r->error = config_load(r->env.first->file, &r->config, r->errors, sizeof(r->errors));
}

static void begin(struct reload *r);

static void on_loaded(uv_work_t *work, int status)
{
	struct reload *r = work->data;
	char sections[CONFIG_SECTIONS_TEXT_CAP] = "";
	struct reload_result result = {.text = r->errors, .needs_restart = sections};
	struct config *next = r->error == 0 && status == 0 ? r->config : NULL;
	int ret = 0;

	if (r->stopping) {
		config_free(next);
		result.text = "lockstepd is stopping";
		tell(&r->served, &result);
		return;
	}
	if (next != NULL) {
		config_needs_restart(r->env.first, next, sections);
		ret = put_in_force(r, next, &result);
		if (ret < 0) {
			config_free(next);
			snprintf(r->errors, sizeof(r->errors), "cannot put it in force: %s",
				 uv_strerror(ret));
		}
		result.ok = ret == 0;
	}
	log_result(r, &result);
	/* Who is told may ask for the next one at once: it begins when all have been told. */
	tell(&r->served, &result);
	r->loading = false;
	if (r->again && !r->stopping)
		begin(r);
}

static void begin(struct reload *r)
{
	r->again = false;
	r->served = r->waiting;
	r->waiting = NULL;
	r->errors[0] = '\0';
	r->config = NULL;
	r->loading = true;
	uv_queue_work(r->env.loop, &r->work, load, on_loaded); /* fails only without a function */
}

void reload_begin(struct reload *r, reload_done_fn done, void *arg)
{
	struct waiter *w = malloc(sizeof(*w));

	if (w == NULL || r->stopping) {
		free(w);
		if (done != NULL)
			done(arg, &(struct reload_result){.text = r->stopping ? "lockstepd is stopping"
									      : "out of memory",
							  .needs_restart = ""});
		return;
	}
	*w = (struct waiter){.next = r->waiting, .done = done, .arg = arg};
	r->waiting = w;
	if (r->loading)
		r->again = true;
	else
		begin(r);
}

void reload_keys_changed(struct reload *r)
{
	r->again = r->again || r->loading;
}

void reload_stop(struct reload *r)
{
	const struct reload_result stopped = {.text = "lockstepd is stopping", .needs_restart = ""};

	r->stopping = true;
	r->again = false;
	tell(&r->waiting, &stopped);
}
