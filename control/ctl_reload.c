/*
 * "reload": the answer waits until the file has been read and is in force, or is not.
 */
#include <stdlib.h>

#include "control/ctl_internal.h"
#include "control/reload.h"

struct reload_job {
	struct ctl_job job;
	struct ctl_conn *conn; /* NULL: gone */
};

static void job_drop(struct ctl_job *job)
{
	((struct reload_job *)job)->conn = NULL;
}

static void on_reloaded(void *arg, const struct reload_result *r)
{
	struct reload_job *job = arg;
	struct ctl_conn *conn = job->conn;

	free(job);
	if (conn == NULL)
		return;
	conn->job = NULL;
	if (r->ok)
		ctl_reply(conn, json_pack("{s:i, s:i, s:i, s:i, s:o, s:o}", "zones", (int)r->zone_cnt,
					  "added", (int)r->zones.added, "removed", (int)r->zones.removed,
					  "changed", (int)r->zones.changed, "needs_restart",
					  ctl_text(r->needs_restart), "warnings", ctl_text(r->text)));
	else
		ctl_reply_error(conn, "failed", NULL, "%s", r->text);
}

void ctl_reload(struct ctl_conn *conn, const struct ctl_args *args)
{
	struct reload_job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		ctl_reply(conn, NULL);
		return;
	}
	*job = (struct reload_job){.job = {.drop = job_drop}, .conn = conn};
	conn->job = &job->job;
	reload_begin(conn->ctl->env.reload, on_reloaded, job); /* which may be called before this returns */
}
