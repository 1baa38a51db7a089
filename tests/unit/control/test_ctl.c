/*
 * The control socket against clients of every kind, with zones, ports and snapshots that are made up here: the real ones
 * have their own tests, and tests/e2e/test_control_socket.py has the whole daemon.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "control/ctl_internal.h"
#include "control/onward.h"
#include "control/reload.h"
#include "dataplane/answer/trace.h"

/* --- what the socket talks about --- */

#define ZONES 1000

struct zones {
	char name[ZONES][32];
	struct config_zone config[ZONES];
	zones_done_fn done; /* of the last refresh or retransfer */
	void *done_arg;
	unsigned ordered, index;
	bool at_once; /* done is called before zones_refresh returns */
};

struct snapshot {
	unsigned held; /* loop only */
	unsigned records;
};

/* One test at a time; the functions below have no other way to it. */
static struct {
	struct snapshot snap;
	bool loaded;
} zone_zero;

const char *const zones_state_text[] = {"empty", "current", "refreshing", "transferring", "expired"};

#define X(name, help) {#name, help},
const struct counter_text zones_counter_text[ZONES_COUNTER_CNT] = {ZONES_COUNTERS(X)};
const struct counter_text stream_counter_text[STREAM_COUNTER_CNT] = {STREAM_COUNTERS(X)};
const struct counter_text answer_counter_text[ANSWER_COUNTER_CNT] = {ANSWER_COUNTERS(X)};
const struct counter_text net_counter_text[NET_COUNTER_CNT] = {NET_COUNTERS(X)};
const struct counter_text onward_counter_text[ONWARD_COUNTER_CNT] = {ONWARD_COUNTERS(X)};
#undef X

unsigned zones_top(const struct zones *z)
{
	return ZONES;
}

bool zones_has(const struct zones *z, unsigned index)
{
	return index < ZONES && z->name[index][0] != '\0';
}

/* What the next reload comes to. */
static struct reload_result reload_result;

void reload_keys_changed(struct reload *r)
{
}

void reload_begin(struct reload *r, reload_done_fn done, void *arg)
{
	done(arg, &reload_result);
}

int zones_find(const struct zones *z, const uint8_t *name)
{
	char text[NAME_TEXT_CAP];

	name_text(name, text);
	for (int i = 0; i < ZONES; i++) {
		if (strcmp(text, z->name[i]) == 0)
			return i;
	}
	return -ENOENT;
}

void zones_info(const struct zones *z, unsigned index, struct zones_info *out)
{
	*out = (struct zones_info){.name = z->name[index],
				   .state = ZONES_CURRENT,
				   .loaded = index != 1,
				   .slot = index,
				   .serial = 4294967295,
				   .refresh_in = index == 1 ? -1 : 30,
				   .expires_in = 3600,
				   .last_check = 1700000000,
				   .primary = index == 1 ? NULL : "one",
				   .records = UINT64_C(1) << 40};
	strcpy(out->primary_address, "192.0.2.53@53");
	if (index == 1)
		strcpy(out->last_error, "refused by \xff\"192.0.2.53\"\n");
}

static void ordered(struct zones *z, unsigned index, zones_done_fn done, void *arg)
{
	z->ordered++;
	z->index = index;
	z->done = done;
	z->done_arg = arg;
	if (z->at_once && done != NULL)
		done(arg, "");
}

void zones_refresh(struct zones *z, unsigned index, zones_done_fn done, void *arg)
{
	ordered(z, index, done, arg);
}

void zones_timing(const struct zones *z, int index, struct timing *out)
{
	*out = (struct timing){0};
}

void zones_resume(struct zones *z, unsigned index, zones_done_fn done, void *arg)
{
	zones_refresh(z, index, done, arg);
}

int zones_accept(struct zones *z, unsigned index)
{
	return index == 0 ? 0 : -ENOENT;
}

int zones_reject(struct zones *z, unsigned index)
{
	return index == 0 ? 0 : -ENOENT;
}

int zones_rollback(struct zones *z, unsigned index, const uint32_t *serial)
{
	if (index != 0)
		return -ENOENT;
	return serial != NULL && *serial == 7 ? -EALREADY : 0;
}

void zones_retransfer(struct zones *z, unsigned index, zones_done_fn done, void *arg)
{
	ordered(z, index, done, arg);
}

static void numbers(uint64_t *out, unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++)
		out[i] = i;
}

void zones_counters(const struct zones *z, uint64_t out[ZONES_COUNTER_CNT])
{
	numbers(out, ZONES_COUNTER_CNT);
}

void stream_counters(const struct stream *s, uint64_t out[STREAM_COUNTER_CNT])
{
	numbers(out, STREAM_COUNTER_CNT);
}

void onward_notify(struct onward *o, uint32_t slot)
{
}

unsigned onward_target_cnt(const struct onward *o, uint32_t slot)
{
	return slot % 2;
}

void onward_target(const struct onward *o, uint32_t slot, unsigned i, struct notify_out_info *out)
{
	static char name[] = "edge";
	static const struct config_secondary to = {.name = name};

	*out = (struct notify_out_info){.to = &to,
					.acknowledged = true,
					.acknowledged_serial = slot,
					.tries = 2,
					.fault = "no reply"};
}

void onward_counters(const struct onward *o, uint64_t out[ONWARD_COUNTER_CNT])
{
	numbers(out, ONWARD_COUNTER_CNT);
}

void stream_answer_counters(const struct stream *s, uint64_t out[ANSWER_COUNTER_CNT])
{
	numbers(out, ANSWER_COUNTER_CNT);
}

void answer_counters(const struct answer_engine *e, uint64_t out[ANSWER_COUNTER_CNT])
{
	numbers(out, ANSWER_COUNTER_CNT);
}

unsigned answer_offenders(const struct answer_engine *e, struct rrl_offender out[RRL_OFFENDERS_MAX])
{
	out[0] = (struct rrl_offender){
		.class = RRL_NXDOMAIN, .count = 3, .net = {.family = 4, .prefix = 24, .addr = {192, 0, 2}}};
	out[1] = (struct rrl_offender){.class = RRL_ERROR,
				       .count = 7,
				       .net = {.family = 6, .prefix = 56, .addr = {0x20, 1, 0xd, 0xb8}}};
	return 2;
}

const char *const rrl_class_text[RRL_CLASS_CNT] = {"answer", "nodata", "referral", "nxdomain", "error"};

void answer_engine_offer_config(struct answer_engine *e, const struct answer_config *config)
{
}

int stream_reload_tls(struct stream *s, char error[TLS_TEXT_CAP])
{
	return 0;
}

unsigned stream_engine_cnt(const struct stream *s)
{
	return 1;
}

const struct answer_engine *stream_engine(const struct stream *s, unsigned i)
{
	return NULL;
}

void stream_offer_config(struct stream *s, const struct answer_config *config)
{
}

unsigned net_worker_cnt(const struct net *n)
{
	return 2;
}

void net_worker_counters(const struct net *n, unsigned worker, uint64_t out[NET_COUNTER_CNT])
{
	numbers(out, NET_COUNTER_CNT);
}

void net_worker_info(const struct net *n, unsigned worker, struct net_worker_info *out)
{
	*out = (struct net_worker_info){.cycles_per_s = 3000000000, .gap_worst_ns = 7000, .turn_ago_ns = 1};
}

uint32_t net_msg_max(const struct net *n, uint8_t family)
{
	return 1472;
}

bool net_answers_source(const struct net *n, const struct net_address *source)
{
	return true;
}

/* Traces have their own tests: here only what comes before one. */
const struct counter_text answer_trace_stage_text[ANSWER_TRACE_STAGE_CNT];

int answer_trace_new(const struct zonetab *zones, const struct answer_config *config,
		     const struct answer_job *job, struct answer_trace **out)
{
	return -ENOMEM;
}

void answer_trace_free(struct answer_trace *t)
{
}

bool answer_rate_peek(const struct answer_engine *e, const struct answer_job *job, enum rrl_class class,
		      enum rrl_verdict *out)
{
	return false;
}

unsigned entry_flags(const struct entry *e)
{
	return 0;
}

size_t entry_owner(const struct snapshot *s, const struct entry *e, uint8_t out[NAME_LEN_MAX])
{
	return 0;
}

bool snapshot_nsec(const struct snapshot *s, const uint8_t *name, struct denial *out)
{
	return false;
}

bool snapshot_nsec3(const struct snapshot *s, const uint8_t *name, struct denial *out)
{
	return false;
}

int net_capture_start(struct net *n, const struct net_capture_filter *filter)
{
	return -EBUSY;
}

bool net_capture_recv(struct net *n, struct net_frame *out, uint64_t *out_age_ns)
{
	return false;
}

uint64_t net_capture_lost(const struct net *n)
{
	return 0;
}

void net_capture_stop(struct net *n)
{
}

void watch_worker(const struct watch *w, unsigned worker, struct watch_worker *out)
{
	*out = (struct watch_worker){.stalled = worker == 1, .stalled_ms = 1500 * worker, .stalls = worker};
}

bool watch_holds_transfers(const struct watch *w)
{
	return true;
}

unsigned net_port_cnt(const struct net *n)
{
	return 2;
}

int net_port_info(const struct net *n, unsigned port, struct net_port_info *out)
{
	strcpy(out->name, "eth0");
	out->mtu = 1500;
	return port == 0 ? 0 : -ENODEV;
}

const char *net_port_lacks(const struct net *n, unsigned port, unsigned *iter)
{
	return (*iter)++ == 0 ? "it lacks something" : NULL;
}

int net_port_xstats(const struct net *n, unsigned port, struct net_xstat out[], unsigned cap)
{
	out[0] = (struct net_xstat){.name = "rx_q0_packets", .value = UINT64_C(1) << 40};
	return 1;
}

void arena_info(const struct arena *a, struct arena_info *out)
{
	*out = (struct arena_info){.bytes_max = 1 << 20};
}

const struct snapshot *zonetab_snapshot(const struct zonetab *t, uint32_t slot, enum zone_marker *out_marker)
{
	*out_marker = ZONE_NOT_LOADED;
	return slot == 0 && zone_zero.loaded ? &zone_zero.snap : NULL;
}

struct snapshot *snapshot_hold(const struct snapshot *s)
{
	zone_zero.snap.held++;
	return &zone_zero.snap;
}

void snapshot_release(struct snapshot *s)
{
	zone_zero.snap.held--;
}

const uint8_t *snapshot_apex_name(const struct snapshot *s)
{
	return (const uint8_t *)"\6zone-0\7example";
}

uint32_t snapshot_serial(const struct snapshot *s)
{
	return 7;
}

int snapshot_walk(const struct snapshot *s, snapshot_walk_fn fn, void *arg)
{
	static const uint8_t address[4] = {192, 0, 2, 1};
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < s->records; i++) {
		uint8_t owner[NAME_LEN_MAX];
		char text[32];
		struct snapshot_record r = {
			.owner = owner, .rdata = address, .ttl = 300, .rdata_len = 4, .type = 1};

		snprintf(text, sizeof(text), "h%u.zone-0.example.", i);
		assert_true(name_from_text(text, owner) > 0);
		if (i == 1)
			r.type = 65280; /* nobody knows it */
		if (i == 2)
			r.rdata_len = 3; /* what ldns refuses is written as unknown */
		rc = fn(&r, arg);
	}
	return rc;
}

/* --- a loop with a socket --- */

struct world {
	uv_loop_t loop;
	struct config config;
	struct zones zones;
	struct ctl *ctl;
	char folder[32];
	char path[64];
	bool stop_asked, stopped;
};

static void on_stop(void *arg)
{
	struct world *w = arg;

	w->stop_asked = true;
}

static void on_stopped(void *arg)
{
	struct world *w = arg;

	w->stopped = true;
}

static int start(struct world *w, struct net_error *err)
{
	static struct answer_engine *const engines[2];
	struct ctl_env env = {.loop = &w->loop,
			      .config = &w->config,
			      .zones = &w->zones,
			      .log = log_new(LOG_ERROR, LOG_TO_STDERR),
			      .engines = engines,
			      .stop = on_stop,
			      .stop_arg = w};
	int rc = ctl_start(&env, &w->ctl, err);

	if (rc < 0)
		log_free(env.log);
	return rc;
}

static void turn(struct world *w)
{
	for (unsigned i = 0; i < 4; i++)
		uv_run(&w->loop, UV_RUN_NOWAIT);
}

static void stop(struct world *w)
{
	struct log *log = w->ctl->env.log;

	ctl_stop(w->ctl, on_stopped, w);
	for (unsigned i = 0; i < 5000 && !w->stopped; i++) {
		uv_run(&w->loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	assert_true(w->stopped);
	ctl_free(w->ctl);
	log_free(log);
	w->ctl = NULL;
}

static int setup(void **state)
{
	static const uint16_t cpus[] = {1, 2};
	struct world *w = calloc(1, sizeof(*w));
	struct net_error err;

	memset(&zone_zero, 0, sizeof(zone_zero));
	uv_loop_init(&w->loop);
	strcpy(w->folder, "/tmp/lockstep-ctl-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/c.sock", w->folder);
	for (unsigned i = 0; i < ZONES; i++) {
		snprintf(w->zones.name[i], sizeof(w->zones.name[i]), "zone-%u.example.", i);
		w->zones.config[i].name_text = w->zones.name[i];
	}
	w->config.file = w->path;
	w->config.control_socket = w->path;
	w->config.zones = w->zones.config;
	w->config.zone_cnt = ZONES;
	w->config.net.worker_cpus = cpus;
	*state = w;
	return start(w, &err);
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (w->ctl != NULL)
		stop(w);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	unlink(w->path);
	rmdir(w->folder);
	free(w);
	return 0;
}

/* --- a client --- */

struct client {
	int fd;
	size_t at, len; /* what is at buf + at has not been looked at */
	bool eof;
	char *buf;
};

#define CLIENT_CAP (16u << 20)

static struct client client_new(struct world *w)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct client c = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), .buf = malloc(CLIENT_CAP)};

	strcpy(addr.sun_path, w->path);
	assert_int_equal(connect(c.fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	turn(w);
	return c;
}

static void client_close(struct world *w, struct client *c)
{
	close(c->fd);
	free(c->buf);
	turn(w);
}

static void say_octets(struct world *w, struct client *c, const char *text, size_t len)
{
	for (unsigned i = 0; len > 0 && i < 1000; i++) {
		ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EPIPE)
			return;
		assert_true(n >= 0 || errno == EAGAIN);
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
		turn(w);
	}
}

static void say(struct world *w, struct client *c, const char *text)
{
	say_octets(w, c, text, strlen(text));
}

/* Reads once. */
static void hear(struct client *c)
{
	ssize_t n = recv(c->fd, c->buf + c->len, CLIENT_CAP - c->len, 0);

	assert_true(c->len < CLIENT_CAP);
	if (n > 0)
		c->len += (size_t)n;
	c->eof |= n == 0 || (n < 0 && errno != EAGAIN);
}

/* The next line as JSON, or NULL when there is none within ms. */
static json_t *answer_within(struct world *w, struct client *c, unsigned ms)
{
	for (unsigned i = 0; i <= ms; i++) {
		char *line = c->buf + c->at, *end = memchr(line, '\n', c->len - c->at);
		json_t *json;

		if (end != NULL) {
			json = json_loadb(line, (size_t)(end - line), 0, NULL);
			assert_non_null(json);
			assert_int_equal(json_integer_value(json_object_get(json, "version")), 1);
			c->at += (size_t)(end + 1 - line);
			if (c->at == c->len)
				c->at = c->len = 0;
			return json;
		}
		turn(w);
		hear(c);
		if (i > 10)
			usleep(1000);
	}
	return NULL;
}

static json_t *answer(struct world *w, struct client *c)
{
	json_t *json = answer_within(w, c, 5000);

	assert_non_null(json);
	return json;
}

static json_t *ask(struct world *w, struct client *c, const char *request)
{
	say(w, c, request);
	say(w, c, "\n");
	return answer(w, c);
}

static bool is_closed(struct world *w, struct client *c)
{
	for (unsigned i = 0; i < 100 && !c->eof; i++) {
		turn(w);
		hear(c);
	}
	return c->eof;
}

static const char *error_code(const json_t *a)
{
	assert_true(json_is_false(json_object_get(a, "ok")));
	assert_non_null(json_string_value(json_object_get(json_object_get(a, "error"), "message")));
	return json_string_value(json_object_get(json_object_get(a, "error"), "code"));
}

static json_t *result(const json_t *a)
{
	if (!json_is_true(json_object_get(a, "ok")))
		fail_msg("%s", json_dumps(a, 0));
	return json_object_get(a, "result");
}

/* The request is answered with the error, and the connection goes on. */
static void refused(struct world *w, const char *request, const char *code)
{
	struct client c = client_new(w);
	json_t *a = ask(w, &c, request);

	assert_string_equal(error_code(a), code);
	json_decref(a);
	a = ask(w, &c, "{\"version\":1,\"command\":\"help\"}");
	result(a);
	json_decref(a);
	client_close(w, &c);
}

#define REQ(command) "{\"version\":1,\"id\":7,\"command\":\"" command "\"}"
#define REQ_TRACE(name, type, more) \
	"{\"version\":1,\"command\":\"trace\",\"args\":{\"name\":\"" name "\",\"type\":\"" type "\"" more "}}"
#define REQ_ZONE(command, zone) \
	"{\"version\":1,\"id\":\"x\",\"command\":\"" command "\",\"args\":{\"zone\":\"" zone "\"}}"

/* --- the file --- */

static void the_socket_is_for_its_owner_only(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(lstat(w->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	stop(w);
	assert_int_equal(lstat(w->path, &st), -1);
}

static void a_living_instance_keeps_its_socket(void **state)
{
	struct world *w = *state;
	struct net_error err = {.text = ""};
	struct ctl *first = w->ctl;
	struct client c;

	assert_int_equal(start(w, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "another instance answers there"));
	assert_non_null(strstr(err.text, w->path));
	w->ctl = first;
	c = client_new(w);
	json_decref(ask(w, &c, REQ("help")));
	client_close(w, &c);
}

static void a_stale_socket_is_replaced(void **state)
{
	struct world *w = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct net_error err = {.text = ""};
	struct client c;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	stop(w);
	w->stopped = false;
	strcpy(addr.sun_path, w->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(start(w, &err), 0);
	c = client_new(w);
	json_decref(ask(w, &c, REQ("help")));
	client_close(w, &c);
}

static void what_is_not_a_socket_is_not_touched(void **state)
{
	struct world *w = *state;
	struct net_error err = {.text = ""};
	struct stat st;

	stop(w);
	w->stopped = false;
	close(open(w->path, O_CREAT | O_WRONLY, 0644));
	assert_int_equal(start(w, &err), -EEXIST);
	assert_non_null(strstr(err.text, "not a socket"));
	assert_int_equal(lstat(w->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	unlink(w->path);
	assert_int_equal(symlink("/etc/passwd", w->path), 0);
	assert_int_equal(start(w, &err), -EEXIST);
}

static void a_socket_that_replaced_ours_is_left_alone(void **state)
{
	struct world *w = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stat st;

	unlink(w->path);
	strcpy(addr.sun_path, w->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	stop(w);
	assert_int_equal(lstat(w->path, &st), 0);
	close(fd);
}

static void another_user_is_denied_even_when_the_mode_was_opened(void **state)
{
	struct world *w = *state;
	int status, out[2];
	char text[256] = "";
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(w->path, 0666), 0);
	assert_int_equal(chmod(w->folder, 0755), 0);
	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		struct sockaddr_un addr = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		ssize_t n;

		strcpy(addr.sun_path, w->path);
		if (setuid(65534) < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
			_exit(1);
		n = read(fd, text, sizeof(text));
		_exit(n > 0 && write(out[1], text, (size_t)n) == n ? 0 : 2);
	}
	for (unsigned i = 0; i < 2000 && waitpid(pid, &status, WNOHANG) == 0; i++) {
		turn(w);
		usleep(1000);
	}
	assert_int_equal(status, 0);
	assert_true(read(out[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "\"denied\""));
	close(out[0]);
	close(out[1]);
}

/* --- requests --- */

static void answers_carry_the_id_of_their_request(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	json_t *a = ask(w, &c, REQ("help"));

	assert_int_equal(json_integer_value(json_object_get(a, "id")), 7);
	json_decref(a);
	a = ask(w, &c, REQ_ZONE("zone status", "zone-0.example"));
	assert_string_equal(json_string_value(json_object_get(a, "id")), "x");
	json_decref(a);
	a = ask(w, &c, "{\"version\":1,\"command\":\"help\"}");
	assert_null(json_object_get(a, "id"));
	json_decref(a);
	client_close(w, &c);
}

static void what_is_not_a_request_is_refused_and_the_next_one_served(void **state)
{
	struct world *w = *state;

	refused(w, "", "bad-json");
	refused(w, "hello", "bad-json");
	refused(w, "{\"version\":1,\"command\":\"help\"", "bad-json");
	refused(w, "{\"version\":1,\"version\":1,\"command\":\"help\"}", "bad-json");
	refused(w, "{\"version\":1,\"command\":\"\\ud800\"}", "bad-json");
	refused(w, "[]", "bad-request");
	refused(w, "{}", "bad-request");
	refused(w, "{\"version\":\"1\",\"command\":\"help\"}", "bad-request");
	refused(w, "{\"version\":1}", "bad-request");
	refused(w, "{\"version\":1,\"command\":7}", "bad-request");
	refused(w, "{\"version\":1,\"command\":\"help\",\"args\":[]}", "bad-request");
	refused(w, "{\"version\":1,\"command\":\"help\",\"id\":{}}", "bad-request");
	refused(w, "{\"version\":1,\"command\":\"help\",\"wait\":1}", "bad-request");
	refused(w, "{\"version\":1,\"command\":\"help\",\"extra\":1}", "bad-request");
	refused(w, "{\"version\":2,\"command\":\"help\"}", "unsupported-version");
	refused(w, REQ("no such"), "unknown-command");
	refused(w, REQ(""), "unknown-command");
	refused(w, REQ("zone dump"), "bad-argument");
	refused(w, REQ_ZONE("status", "zone-0.example"), "bad-argument");
	refused(w, REQ_ZONE("zone status", "a..b"), "bad-argument");
	refused(w, REQ_ZONE("zone status", ""), "bad-argument");
	refused(w, "{\"version\":1,\"command\":\"zone status\",\"args\":{\"zone\":7}}", "bad-argument");
	refused(w, "{\"version\":1,\"command\":\"zone status\",\"args\":{\"name\":\"a\"}}", "bad-argument");
	refused(w, "{\"version\":1,\"command\":\"stats\",\"args\":{\"describe\":\"a\"}}", "bad-argument");
	refused(w, REQ("port stats"), "bad-argument");
	refused(w, "{\"version\":1,\"command\":\"port stats\",\"args\":{\"port\":\"eth1\"}}", "bad-argument");
	refused(w, "{\"version\":1,\"command\":\"port stats\",\"args\":{\"port\":0}}", "bad-argument");
	refused(w, REQ("trace"), "bad-argument");
	refused(w, REQ_TRACE("a..b", "A", ""), "bad-argument");
	refused(w, REQ_TRACE("a", "NOTYPE", ""), "bad-argument");
	refused(w, REQ_TRACE("a", "A", ",\"client\":\"192.0.2.0/24\""), "bad-argument");
	refused(w, REQ_TRACE("a", "A", ",\"bufsize\":65536"), "bad-argument");
	refused(w, REQ_TRACE("a", "A", ",\"bufsize\":\"1\""), "bad-argument");
	refused(w, REQ_TRACE("a", "A", ",\"tcp\":1"), "bad-argument");
	refused(w, REQ_TRACE("a", "A", ",\"zone\":\"a\""), "bad-argument");
	refused(w, REQ_TRACE("a", "TYPE65280", ""), "no-memory");
}

static void deep_nesting_is_refused_before_it_is_parsed(void **state)
{
	char text[60000];

	memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	refused(*state, text, "bad-json");
	/* brackets in strings do not count */
	refused(*state, "{\"version\":1,\"command\":\"[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[[[[\"}",
		"unknown-command");
}

static void a_request_without_end_is_cut_off(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	static char text[2 * CTL_REQUEST_MAX];
	json_t *a;

	memset(text, ' ', sizeof(text));
	say_octets(w, &c, text, sizeof(text));
	a = answer(w, &c);
	assert_string_equal(error_code(a), "too-large");
	json_decref(a);
	assert_true(is_closed(w, &c));
	client_close(w, &c);
}

static void a_request_may_come_octet_by_octet(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	static const char text[] = REQ("help") "\n";
	json_t *a;

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_null(answer_within(w, &c, 0));
		say_octets(w, &c, text + i, 1);
	}
	a = answer(w, &c);
	result(a);
	json_decref(a);
	client_close(w, &c);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	char *text = calloc(1, 400000);
	size_t len = 0;

	for (unsigned i = 0; i < 5000; i++)
		len += (size_t)sprintf(text + len, "{\"version\":1,\"id\":%u,\"command\":\"help\"}\n", i);
	for (size_t sent = 0, i = 0; i < 5000;) {
		assert_false(c.eof);
		ssize_t n = sent < len ? send(c.fd, text + sent, len - sent, MSG_NOSIGNAL) : 0;
		json_t *a;

		if (n > 0)
			sent += (size_t)n;
		for (; (a = answer_within(w, &c, 2)) != NULL; i++) {
			assert_int_equal(json_integer_value(json_object_get(a, "id")), i);
			json_decref(a);
		}
	}
	free(text);
	client_close(w, &c);
}

static void random_octets_do_no_harm(void **state)
{
	struct world *w = *state;
	static const char whole[] = REQ_ZONE("zone status", "zone-0.example") "\n";
	unsigned seed = 3;

	for (unsigned i = 0; i < 3000; i++) {
		struct client c = client_new(w);
		char text[sizeof(whole)];

		memcpy(text, whole, sizeof(whole));
		for (unsigned k = (unsigned)rand_r(&seed) % 4; k > 0; k--)
			text[(size_t)rand_r(&seed) % (sizeof(whole) - 2)] = (char)rand_r(&seed);
		say_octets(w, &c, text, 1 + (size_t)rand_r(&seed) % (sizeof(whole) - 1));
		turn(w);
		client_close(w, &c);
	}
	turn(w);
	assert_null(w->ctl->conns);
}

/* --- zones --- */

static void one_zone_is_shown_with_null_for_what_is_not(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	json_t *a = ask(w, &c, REQ_ZONE("zone status", "ZONE-0.example."));
	json_t *z = json_array_get(json_object_get(result(a), "zones"), 0);

	assert_string_equal(json_string_value(json_object_get(z, "name")), "zone-0.example.");
	assert_string_equal(json_string_value(json_object_get(z, "state")), "current");
	assert_int_equal(json_integer_value(json_object_get(z, "serial")), 4294967295);
	assert_int_equal(json_integer_value(json_object_get(z, "records")), UINT64_C(1) << 40);
	assert_int_equal(json_integer_value(json_object_get(z, "refresh_in")), 30);
	assert_string_equal(json_string_value(json_object_get(z, "primary")), "one");
	assert_string_equal(json_string_value(json_object_get(z, "last_error")), "");
	assert_true(json_is_null(json_object_get(z, "last_change")));
	json_decref(a);
	a = ask(w, &c, REQ_ZONE("zone status", "zone-1.example"));
	z = json_array_get(json_object_get(result(a), "zones"), 0);
	assert_true(json_is_null(json_object_get(z, "serial")));
	assert_true(json_is_null(json_object_get(z, "primary")));
	assert_true(json_is_null(json_object_get(z, "refresh_in")));
	assert_non_null(strstr(json_string_value(json_object_get(z, "last_error")), "\\xff"));
	json_decref(a);
	client_close(w, &c);
}

static void all_zones_come_in_parts(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	unsigned cnt = 0, parts = 0;
	bool more = true;

	say(w, &c, REQ("zone status") "\n" REQ("help") "\n");
	for (; more; parts++) {
		json_t *a = answer(w, &c);
		json_t *zones = json_object_get(result(a), "zones");

		for (size_t i = 0; i < json_array_size(zones); i++)
			assert_string_equal(
				json_string_value(json_object_get(json_array_get(zones, i), "name")),
				w->zones.name[cnt++]);
		more = json_is_true(json_object_get(a, "more"));
		json_decref(a);
	}
	assert_int_equal(cnt, ZONES);
	assert_true(parts > 1);
	json_decref(answer(w, &c)); /* and the next request has its turn */
	client_close(w, &c);
}

static void an_unknown_zone_is_answered_with_its_likes(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	json_t *a = ask(w, &c, REQ_ZONE("zone status", "zone-7.exmaple"));
	json_t *near = json_object_get(json_object_get(a, "error"), "suggestions");

	assert_string_equal(error_code(a), "unknown-zone");
	assert_string_equal(json_string_value(json_array_get(near, 0)), "zone-7.example.");
	assert_int_equal(json_array_size(near), 3);
	json_decref(a);
	a = ask(w, &c, REQ_ZONE("zone status", "www.deep.zone-9.example"));
	near = json_object_get(json_object_get(a, "error"), "suggestions");
	assert_string_equal(json_string_value(json_array_get(near, 0)), "zone-9.example.");
	json_decref(a);
	a = ask(w, &c, REQ_ZONE("zone status", "nothing-like-it.test"));
	assert_int_equal(json_array_size(json_object_get(json_object_get(a, "error"), "suggestions")), 0);
	json_decref(a);
	client_close(w, &c);
}

static void refresh_answers_when_it_is_done(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	json_t *a;

	say(w, &c, REQ_ZONE("zone refresh", "zone-3.example") "\n" REQ("help") "\n");
	assert_null(answer_within(w, &c, 5));
	assert_int_equal(w->zones.ordered, 1);
	assert_int_equal(w->zones.index, 3);
	w->zones.done(w->zones.done_arg, "");
	a = answer(w, &c);
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(result(a), "zones"), 0), "name")),
			    "zone-3.example.");
	assert_true(json_is_integer(json_object_get(result(a), "took_us")));
	json_decref(a);
	a = answer(w, &c);
	assert_non_null(json_object_get(result(a), "commands"));
	json_decref(a);
	client_close(w, &c);
}

static void a_failed_retransfer_says_why(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	json_t *a;

	say(w, &c, REQ_ZONE("zone retransfer", "zone-3.example") "\n");
	w->zones.done(w->zones.done_arg, "192.0.2.53@53: connection refused");
	a = answer(w, &c);
	assert_string_equal(error_code(a), "failed");
	assert_string_equal(json_string_value(json_object_get(json_object_get(a, "error"), "message")),
			    "192.0.2.53@53: connection refused");
	json_decref(a);
	client_close(w, &c);
}

static void refresh_that_ends_at_once_is_answered_once(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);

	w->zones.at_once = true;
	json_decref(ask(w, &c, REQ_ZONE("zone refresh", "zone-3.example")));
	assert_null(answer_within(w, &c, 5));
	client_close(w, &c);
}

static void a_reload_says_what_came_of_it(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	json_t *a;

	reload_result = (struct reload_result){.ok = true,
					       .text = "f:1:1: zones: none are configured\n",
					       .needs_restart = "tcp, log",
					       .zone_cnt = 7,
					       .zones = {.added = 3, .removed = 2, .changed = 1}};
	a = ask(w, &c, REQ("reload"));
	assert_int_equal(json_integer_value(json_object_get(result(a), "zones")), 7);
	assert_int_equal(json_integer_value(json_object_get(result(a), "added")), 3);
	assert_int_equal(json_integer_value(json_object_get(result(a), "removed")), 2);
	assert_int_equal(json_integer_value(json_object_get(result(a), "changed")), 1);
	assert_string_equal(json_string_value(json_object_get(result(a), "needs_restart")), "tcp, log");
	assert_string_equal(json_string_value(json_object_get(result(a), "warnings")), reload_result.text);
	json_decref(a);
	reload_result =
		(struct reload_result){.text = "f:3:1: server.listen: is missing\n", .needs_restart = ""};
	a = ask(w, &c, REQ("reload"));
	assert_string_equal(error_code(a), "failed");
	assert_string_equal(json_string_value(json_object_get(json_object_get(a, "error"), "message")),
			    reload_result.text);
	json_decref(a);
	client_close(w, &c);
}

static void without_wait_the_answer_comes_at_once(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	json_t *a = ask(w, &c,
			"{\"version\":1,\"command\":\"zone "
			"refresh\",\"wait\":false,\"args\":{\"zone\":\"zone-3.example\"}}");

	result(a);
	json_decref(a);
	assert_int_equal(w->zones.ordered, 1);
	assert_null(w->zones.done);
	client_close(w, &c);
}

static void a_client_may_leave_while_it_waits(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);

	say(w, &c, REQ_ZONE("zone refresh", "zone-3.example") "\n");
	client_close(w, &c);
	turn(w);
	assert_null(w->ctl->conns);
	w->zones.done(w->zones.done_arg, "");
	turn(w);
}

static void who_waits_is_told_of_the_stop(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	json_t *a;

	say(w, &c, REQ_ZONE("zone refresh", "zone-3.example") "\n");
	stop(w);
	a = answer(w, &c);
	assert_string_equal(error_code(a), "stopping");
	json_decref(a);
	assert_true(is_closed(w, &c));
	w->zones.done(w->zones.done_arg, "stopped"); /* zones go after us */
	client_close(w, &c);
}

/* --- dump --- */

static void a_dump_is_the_zone_in_presentation_format(void **state)
{
	static const char expect[] = "h0.zone-0.example.\t300\tIN\tA\t192.0.2.1\n"
				     "h1.zone-0.example.\t300\tIN\tTYPE65280\t\\# 4 c0000201\n"
				     "h2.zone-0.example.\t300\tIN\tTYPE1\t\\# 3 c00002\n";
	struct world *w = *state;
	struct client c = client_new(w);
	json_t *a;

	zone_zero.loaded = true;
	zone_zero.snap.records = 3;
	a = ask(w, &c, REQ_ZONE("zone dump", "zone-0.example"));
	assert_true(json_is_true(json_object_get(a, "more")));
	assert_string_equal(json_string_value(json_object_get(result(a), "text")), expect);
	json_decref(a);
	a = answer(w, &c);
	assert_null(json_object_get(a, "more"));
	assert_int_equal(json_integer_value(json_object_get(result(a), "records")), 3);
	assert_int_equal(json_integer_value(json_object_get(result(a), "serial")), 7);
	json_decref(a);
	assert_int_equal(zone_zero.snap.held, 0);
	client_close(w, &c);
}

static void a_zone_without_content_cannot_be_dumped(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	json_t *a = ask(w, &c, REQ_ZONE("zone dump", "zone-1.example"));

	assert_string_equal(error_code(a), "not-loaded");
	json_decref(a);
	client_close(w, &c);
}

/* In the stubs zones of odd numbers have somebody to tell, and zone 1 no content. */
static void a_notify_is_ordered_where_something_is_served_and_somebody_told(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	json_t *a = ask(w, &c, REQ_ZONE("zone notify", "zone-3.example"));

	result(a);
	json_decref(a);
	client_close(w, &c);
	refused(w, REQ_ZONE("zone notify", "zone-2.example"), "nothing-to-do");
	refused(w, REQ_ZONE("zone notify", "zone-1.example"), "not-loaded");
}

static void a_slow_reader_of_a_dump_gets_all_and_costs_little(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	unsigned lines = 0;
	bool more = true;

	zone_zero.loaded = true;
	zone_zero.snap.records = 200000;
	say(w, &c, REQ_ZONE("zone dump", "zone-0.example") "\n");
	for (unsigned i = 0; i < 200; i++) {
		turn(w);
		usleep(500);
	}
	/* It has read nothing: a bounded part of the 7 MB is on its way, and the loop is not held. */
	assert_non_null(w->ctl->conns);
	assert_true(uv_stream_get_write_queue_size((uv_stream_t *)&w->ctl->conns->pipe) < 2 * CTL_UNSENT_MAX);
	while (more) {
		json_t *a = answer(w, &c);
		const char *text = json_string_value(json_object_get(result(a), "text"));

		for (; text != NULL && *text != '\0'; text++)
			lines += *text == '\n';
		more = json_is_true(json_object_get(a, "more"));
		json_decref(a);
	}
	assert_int_equal(lines, 200000);
	client_close(w, &c);
	turn(w);
	assert_int_equal(zone_zero.snap.held, 0);
}

static void settle(struct world *w)
{
	for (unsigned i = 0; i < 2000 && (w->ctl->dump_cnt > 0 || w->ctl->conns != NULL); i++) {
		turn(w);
		usleep(1000);
	}
}

static void a_client_may_leave_in_the_middle_of_a_dump(void **state)
{
	struct world *w = *state;

	zone_zero.loaded = true;
	zone_zero.snap.records = 500000;
	for (unsigned i = 0; i < 20; i++) {
		struct client c = client_new(w);

		say(w, &c, REQ_ZONE("zone dump", "zone-0.example") "\n");
		for (unsigned k = 0; k < i; k++) {
			turn(w);
			usleep(300);
			hear(&c);
		}
		client_close(w, &c);
		settle(w);
		assert_int_equal(w->ctl->dump_cnt, 0);
		assert_int_equal(zone_zero.snap.held, 0);
	}
}

static void dumps_at_once_are_limited(void **state)
{
	struct world *w = *state;
	struct client c[CTL_DUMPS_MAX + 1];
	json_t *a;

	zone_zero.loaded = true;
	zone_zero.snap.records = 500000;
	for (unsigned i = 0; i <= CTL_DUMPS_MAX; i++) {
		c[i] = client_new(w);
		say(w, &c[i], REQ_ZONE("zone dump", "zone-0.example") "\n");
	}
	a = answer(w, &c[CTL_DUMPS_MAX]);
	assert_string_equal(error_code(a), "busy");
	json_decref(a);
	for (unsigned i = 0; i <= CTL_DUMPS_MAX; i++)
		client_close(w, &c[i]);
	settle(w);
	assert_int_equal(zone_zero.snap.held, 0);
}

static void a_stop_ends_running_dumps(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);

	zone_zero.loaded = true;
	zone_zero.snap.records = 500000;
	say(w, &c, REQ_ZONE("zone dump", "zone-0.example") "\n");
	stop(w);
	assert_int_equal(zone_zero.snap.held, 0);
	client_close(w, &c);
}

/* --- many and stuck clients --- */

static void a_new_client_displaces_the_one_idle_longest(void **state)
{
	struct world *w = *state;
	struct client c[CTL_CONNS_MAX + 1];

	for (unsigned i = 0; i <= CTL_CONNS_MAX; i++) {
		c[i] = client_new(w);
		uv_update_time(&w->loop);
	}
	assert_true(is_closed(w, &c[0]));
	for (unsigned i = 1; i <= CTL_CONNS_MAX; i++) {
		json_decref(ask(w, &c[i], REQ("help")));
		client_close(w, &c[i]);
	}
	client_close(w, &c[0]);
}

static void when_all_are_busy_a_new_client_is_told(void **state)
{
	struct world *w = *state;
	struct client c[CTL_CONNS_MAX + 1];
	zones_done_fn done[CTL_CONNS_MAX];
	void *arg[CTL_CONNS_MAX];
	json_t *a;

	for (unsigned i = 0; i < CTL_CONNS_MAX; i++) {
		c[i] = client_new(w);
		say(w, &c[i], REQ_ZONE("zone refresh", "zone-3.example") "\n");
		done[i] = w->zones.done;
		arg[i] = w->zones.done_arg;
	}
	c[CTL_CONNS_MAX] = client_new(w);
	a = answer(w, &c[CTL_CONNS_MAX]);
	assert_string_equal(error_code(a), "busy");
	json_decref(a);
	assert_true(is_closed(w, &c[CTL_CONNS_MAX]));
	for (unsigned i = 0; i < CTL_CONNS_MAX; i++) {
		done[i](arg[i], "");
		json_decref(answer(w, &c[i]));
	}
	for (unsigned i = 0; i <= CTL_CONNS_MAX; i++)
		client_close(w, &c[i]);
}

static void ten_thousand_connections_leave_nothing_behind(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 10000; i++) {
		struct client c = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)};
		struct sockaddr_un addr = {.sun_family = AF_UNIX};

		strcpy(addr.sun_path, w->path);
		while (connect(c.fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
			assert_int_equal(errno, EAGAIN);
			turn(w);
		}
		close(c.fd);
	}
	turn(w);
	settle(w);
	assert_null(w->ctl->conns);
}

static void a_client_that_takes_nothing_is_cut_off(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);

	say(w, &c, REQ("zone status") "\n");
	for (unsigned i = 0; i < 100; i++)
		turn(w);
	assert_non_null(w->ctl->conns);
	ctl_conn_tick(w->ctl);
	turn(w);
	assert_non_null(w->ctl->conns);
	w->ctl->conns->active_ms -= CTL_STUCK_MS + 1; /* half a minute later */
	ctl_conn_tick(w->ctl);
	turn(w);
	assert_null(w->ctl->conns);
	client_close(w, &c);
}

/* --- the daemon --- */

static void status_and_stats_have_their_sections(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	json_t *a = ask(w, &c, REQ("status")), *s;

	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(result(a), "zones"), "configured")),
		ZONES);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(result(a), "zones"), "loaded")),
			 ZONES - 1);
	assert_int_equal(json_integer_value(json_object_get(result(a), "pid")), getpid());
	json_decref(a);
	a = ask(w, &c, "{\"version\":1,\"command\":\"stats\",\"args\":{\"describe\":true}}");
	s = result(a);
	assert_int_equal(json_array_size(json_object_get(json_object_get(s, "answer"), "workers")), 2);
	assert_int_equal(json_object_size(json_object_get(json_object_get(s, "answer"), "control")),
			 ANSWER_COUNTER_CNT);
	assert_int_equal(json_array_size(json_object_get(s, "ports")), 1); /* the other one is gone */
	assert_true(json_is_null(json_object_get(s, "stream")));
	assert_int_equal(json_object_size(json_object_get(s, "zones")), ZONES_COUNTER_CNT);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(json_object_get(s, "describe"), "answer"),
						  "queries_udp")),
		"DNS requests received over UDP");
	json_decref(a);
	client_close(w, &c);
}

/* Each engine of the stubs has two. */
static void offenders_of_every_thread_are_told_with_their_place(void **state)
{
	static const char *const places[] = {"worker", "worker", "control", "stream"};
	struct world *w = *state;
	struct client c = client_new(w);
	json_t *a, *list;

	w->ctl->env.stream = (struct stream *)w; /* only its address is looked at */
	a = ask(w, &c, REQ("offenders"));
	list = json_object_get(result(a), "offenders");
	assert_int_equal(json_array_size(list), 2 * 4);
	for (unsigned i = 0; i < 8; i++) {
		const json_t *o = json_array_get(list, i), *worker = json_object_get(o, "worker");

		assert_string_equal(json_string_value(json_object_get(o, "place")), places[i / 2]);
		assert_int_equal(json_integer_value(json_object_get(o, "limited")), i % 2 == 0 ? 7 : 3);
		if (i < 4)
			assert_int_equal(json_integer_value(worker), i / 2);
		else
			assert_true(json_is_null(worker));
	}
	json_decref(a);
	client_close(w, &c);
	w->ctl->env.stream = NULL;
}

static void stop_is_answered_and_done(void **state)
{
	struct world *w = *state;
	struct client c = client_new(w);
	json_t *a = ask(w, &c, REQ("stop"));

	result(a);
	json_decref(a);
	assert_true(w->stop_asked);
	client_close(w, &c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_socket_is_for_its_owner_only),
		T(a_living_instance_keeps_its_socket),
		T(a_stale_socket_is_replaced),
		T(what_is_not_a_socket_is_not_touched),
		T(a_socket_that_replaced_ours_is_left_alone),
		T(another_user_is_denied_even_when_the_mode_was_opened),
		T(answers_carry_the_id_of_their_request),
		T(what_is_not_a_request_is_refused_and_the_next_one_served),
		T(deep_nesting_is_refused_before_it_is_parsed),
		T(a_request_without_end_is_cut_off),
		T(a_request_may_come_octet_by_octet),
		T(pipelined_requests_are_answered_in_order),
		T(random_octets_do_no_harm),
		T(one_zone_is_shown_with_null_for_what_is_not),
		T(all_zones_come_in_parts),
		T(an_unknown_zone_is_answered_with_its_likes),
		T(refresh_answers_when_it_is_done),
		T(a_failed_retransfer_says_why),
		T(refresh_that_ends_at_once_is_answered_once),
		T(a_reload_says_what_came_of_it),
		T(without_wait_the_answer_comes_at_once),
		T(a_client_may_leave_while_it_waits),
		T(who_waits_is_told_of_the_stop),
		T(a_dump_is_the_zone_in_presentation_format),
		T(a_zone_without_content_cannot_be_dumped),
		T(a_notify_is_ordered_where_something_is_served_and_somebody_told),
		T(a_slow_reader_of_a_dump_gets_all_and_costs_little),
		T(a_client_may_leave_in_the_middle_of_a_dump),
		T(dumps_at_once_are_limited),
		T(a_stop_ends_running_dumps),
		T(a_new_client_displaces_the_one_idle_longest),
		T(when_all_are_busy_a_new_client_is_told),
		T(ten_thousand_connections_leave_nothing_behind),
		T(a_client_that_takes_nothing_is_cut_off),
		T(status_and_stats_have_their_sections),
		T(offenders_of_every_thread_are_told_with_their_place),
		T(stop_is_answered_and_done),
	};

	signal(SIGPIPE, SIG_IGN); /* as lockstepd does: libuv leaves it to us */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
