/*
 * lockstepd: the composition root, the only file that sees both planes whole.
 *
 * The control loop is libuv run from the outside: between its turns the thread is offline for RCU, so that it may
 * sleep while snapshots are reclaimed, and the rings of the workers are looked at, so that a NOTIFY is seen without
 * a worker ever making a system call for it.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <urcu-qsbr.h>

#include "control/asker.h"
#include "control/check_system.h"
#include "control/ctl.h"
#include "control/onward.h"
#include "control/privilege.h"
#include "control/reload.h"
#include "control/signals.h"
#include "control/watch.h"

/*
 * How long a NOTIFY may lie in a worker's ring. A quarter of a millisecond costs the control core about one percent
 * and keeps the way from NOTIFY to served well below the millisecond of the transfer itself.
 */
#define RING_POLL_NS 250000

/*
 * How long the loop answers at a time what lies in the rings. Most of it is a few microseconds each, so this is hundreds: a
 * primary that tells of all its zones at once is heard out before they overflow, and timers and sockets wait no longer than
 * for a transfer's octets.
 */
#define RING_TURN_NS 1000000

#define ERRORS_CAP 16384

enum exit_code { EXIT_CODE_OK = 0, EXIT_CODE_FAILED = 1, EXIT_CODE_USAGE = 2, EXIT_CODE_CONFIG = 3 };

struct daemon {
	struct config *config;
	struct log *log;
	struct arena *arena;
	struct zonetab *table;
	struct onward *onward;
	struct asker asker; /* for what workers leave to the loop */
	struct answer_engine **engines;
	struct net *net;
	struct zones *zones;
	struct reload *reload;
	struct stream *stream;
	struct watch *watch;
	struct ctl *ctl;
	uv_loop_t loop;
	struct signals *signals;
	bool workers_running;
	bool stopping;
	unsigned closing; /* modules whose handles are still open */
};

static void on_module_closed(void *arg)
{
	struct daemon *d = arg;

	d->closing--;
}

/* Stops whoever can bring new work first. Called once; the loop runs on until all handles are closed. */
static void daemon_stop(void *arg)
{
	struct daemon *d = arg;

	if (d->stopping)
		return;
	d->stopping = true;
	log_event(d->log, LOG_NOTICE, "stopping", NULL, NULL, "pid=%d", (int)getpid());
	signals_stop(d->signals);
	d->closing = (d->ctl != NULL) + (d->watch != NULL) + (d->stream != NULL) + (d->zones != NULL) +
		     (d->onward != NULL);
	if (d->ctl != NULL)
		ctl_stop(d->ctl, on_module_closed, d);
	if (d->watch != NULL)
		watch_stop(d->watch, on_module_closed, d);
	if (d->stream != NULL)
		stream_stop(d->stream, on_module_closed, d);
	if (d->reload != NULL)
		reload_stop(d->reload);
	if (d->zones != NULL)
		zones_stop(d->zones, on_module_closed, d);
	if (d->onward != NULL)
		onward_stop(d->onward, on_module_closed, d);
}

static void on_signal(void *arg, int signum)
{
	struct daemon *d = arg;

	if (signum != SIGHUP)
		daemon_stop(d);
	else if (d->reload != NULL)
		reload_begin(d->reload, NULL, NULL);
}

static void on_config_in_force(void *arg, const struct config *now)
{
	struct daemon *d = arg;

	net_set_peers(d->net, now->net.peers);
	ctl_config_in_force(d->ctl, now);
}

static void client_address(const struct net_dgram *dgram, union config_sockaddr *out)
{
	memset(out, 0, sizeof(*out));
	if (dgram->family == 4) {
		out->in4.sin_family = AF_INET;
		out->in4.sin_port = htons(dgram->client_port);
		memcpy(&out->in4.sin_addr, dgram->client, 4);
	} else {
		out->in6.sin6_family = AF_INET6;
		out->in6.sin6_port = htons(dgram->client_port);
		memcpy(&out->in6.sin6_addr, dgram->client, 16);
	}
}

/* A signed question that a worker left to us; or what looked like one. Returns the response's length, 0: none. */
static size_t answer_signed(struct daemon *d, struct net_dgram *dgram, const union config_sockaddr *client)
{
	struct answer_job job = {
		.msg = dgram->msg, .len = dgram->len, .cap = sizeof(dgram->msg), .transport = ANSWER_UDP};

	asker_ask(&d->asker, &job, client, NULL, uv_now(&d->loop), NULL);
	return job.verdict == ANSWER_SEND ? job.len : 0;
}

static void ring_answer(struct daemon *d, struct net_dgram *dgram, uint64_t now)
{
	union config_sockaddr client;
	size_t len;

	client_address(dgram, &client);
	if (dgram->is_notify)
		len = zones_notify(d->zones, dgram->msg, dgram->len, sizeof(dgram->msg), &client, now);
	else
		len = answer_signed(d, dgram, &client);
	if (len == 0)
		return;
	dgram->len = (uint16_t)len;
	net_dgram_reply(d->net, dgram);
}

/* What came by the data path. Bounded: a storm must not keep the loop from its timers. Returns whether more may be there. */
static bool rings_turn(struct daemon *d)
{
	uint64_t begin = uv_hrtime(), now = begin;
	struct net_dgram dgram;

	for (; now - begin < RING_TURN_NS; now = uv_hrtime()) {
		if (!net_dgram_recv(d->net, &dgram))
			return false;
		ring_answer(d, &dgram, now);
	}
	return true;
}

/*
 * Sleeps until libuv has something to do or the rings are due, which they are at once if full; offline for RCU meanwhile.
 */
static bool loop_wait(struct daemon *d, bool full)
{
	struct pollfd backend = {.fd = uv_backend_fd(&d->loop), .events = POLLIN};
	struct timespec tick = {.tv_nsec = full ? 0 : RING_POLL_NS};
	int ready;

	uv_update_time(&d->loop);
	if (uv_backend_timeout(&d->loop) == 0)
		return true;
	rcu_thread_offline();
	ready = ppoll(&backend, 1, &tick, NULL);
	rcu_thread_online();
	uv_update_time(&d->loop);
	return ready != 0 || uv_backend_timeout(&d->loop) == 0;
}

static void loop_run(struct daemon *d)
{
	bool full = false;

	while (!d->stopping || d->closing > 0 || uv_loop_alive(&d->loop)) {
		if (loop_wait(d, full))
			uv_run(&d->loop, UV_RUN_NOWAIT);
		full = !d->stopping && d->net != NULL && rings_turn(d);
		rcu_quiescent_state();
	}
}

static int engines_make(struct daemon *d, struct net_error *err)
{
	unsigned cnt = d->config->net.worker_cnt;

	d->engines = calloc(cnt, sizeof(struct answer_engine *));
	if (d->engines == NULL)
		goto no_memory;
	for (unsigned i = 0; i < cnt; i++) {
		d->engines[i] = answer_engine_new(d->table, &d->config->answer);
		if (d->engines[i] == NULL)
			goto no_memory;
	}
	d->asker = (struct asker){.engine = answer_engine_new(d->table, &d->config->answer),
				  .config = d->config,
				  .xfrout = d->onward->xfrout};
	if (d->asker.engine == NULL)
		goto no_memory;
	return 0;
no_memory:
	snprintf(err->text, sizeof(err->text), "cannot make %u answer engines: out of memory", cnt);
	return -ENOMEM;
}

static int memory_make(struct daemon *d, struct net_error *err)
{
	struct onward_env onward = {.loop = &d->loop, .config = d->config, .log = d->log};
	struct arena_config arena = {.bytes_max = d->config->zone_memory_max, .huge_pages = true};
	uint64_t key;
	int rc;

	if (getrandom(&key, sizeof(key), 0) != sizeof(key)) {
		rc = -errno;
		snprintf(err->text, sizeof(err->text), "cannot read random octets for the hash key: %s",
			 strerror(-rc));
		return rc;
	}
	rc = arena_new(&arena, &d->arena);
	if (rc < 0) {
		snprintf(err->text, sizeof(err->text),
			 "cannot reserve zone-memory of %llu octets: %s; a smaller zone-memory may do",
			 (unsigned long long)arena.bytes_max, strerror(-rc));
		return rc;
	}
	d->table = zonetab_new(key);
	if (d->table == NULL) {
		snprintf(err->text, sizeof(err->text), "cannot make the zone table: out of memory");
		return -ENOMEM;
	}
	onward.table = d->table;
	rc = onward_new(&onward, &d->onward);
	if (rc < 0) {
		snprintf(err->text, sizeof(err->text), "cannot prepare transfers to others: %s",
			 strerror(-rc));
		return rc;
	}
	return engines_make(d, err);
}

static int zones_begin(struct daemon *d, struct net_error *err)
{
	struct zones_env env = {.loop = &d->loop,
				.config = d->config,
				.table = d->table,
				.arena = d->arena,
				.log = d->log,
				.onward = d->onward};
	int rc = zones_start(&env, &d->zones);

	if (rc < 0)
		snprintf(err->text, sizeof(err->text), "cannot start following %u zones: %s",
			 d->config->zone_cnt, strerror(-rc));
	return rc;
}

static int services_start(struct daemon *d, struct net_error *err)
{
	struct stream_env stream = {.config = d->config, .table = d->table, .log = d->log, .loop = &d->loop};
	struct ctl_env ctl = {.loop = &d->loop,
			      .config = d->config,
			      .table = d->table,
			      .arena = d->arena,
			      .log = d->log,
			      .net = d->net,
			      .engines = d->engines,
			      .own_engine = d->asker.engine,
			      .stop = daemon_stop,
			      .stop_arg = d};
	struct watch_env watch = {.loop = &d->loop,
				  .config = d->config,
				  .net = d->net,
				  .arena = d->arena,
				  .zones = d->zones,
				  .log = d->log};
	int rc = watch_start(&watch, &d->watch);

	if (rc < 0) {
		snprintf(err->text, sizeof(err->text), "cannot watch the workers: %s", strerror(-rc));
		return rc;
	}
	ctl.watch = d->watch;
	stream.zones = ctl.zones = d->zones;
	stream.xfrout = d->onward->xfrout;
	ctl.onward = d->onward;
	rc = stream_start(&stream, &d->stream, err);
	if (rc < 0)
		return rc;
	ctl.stream = d->stream;
	d->reload = reload_new(&(struct reload_env){.loop = &d->loop,
						    .first = d->config,
						    .zones = d->zones,
						    .log = d->log,
						    .in_force = on_config_in_force,
						    .arg = d});
	if (d->reload == NULL) {
		snprintf(err->text, sizeof(err->text), "cannot prepare reloads: out of memory");
		return -ENOMEM;
	}
	ctl.reload = d->reload;
	return ctl_start(&ctl, &d->ctl, err);
}

/*
 * The data path answers (SERVFAIL, not ready) before the first transfer starts: silence would look like an outage
 * to resolvers, SERVFAIL sends them to the other name servers of the zone at once.
 */
static int daemon_start(struct daemon *d, struct net_error *err)
{
	int rc = memory_make(d, err);

	if (rc < 0)
		return rc;
	rc = net_open(&d->config->net, &d->net, err);
	if (rc < 0)
		return rc;
	rc = signals_start(&d->loop, on_signal, d, &d->signals);
	if (rc < 0) {
		snprintf(err->text, sizeof(err->text), "cannot wait for signals: %s", strerror(-rc));
		return rc;
	}
	rc = zones_begin(d, err);
	if (rc < 0)
		return rc;
	rc = net_start(d->net, d->engines, err);
	if (rc < 0)
		return rc;
	d->workers_running = true;
	return services_start(d, err);
}

static void daemon_end(struct daemon *d)
{
	if (d->workers_running)
		net_stop(d->net);
	if (d->net != NULL)
		net_close(d->net);
	ctl_free(d->ctl);
	watch_free(d->watch);
	stream_free(d->stream);
	reload_free(d->reload);
	if (d->zones != NULL)
		zones_free(d->zones);
	for (unsigned i = 0; d->engines != NULL && i < d->config->net.worker_cnt; i++)
		answer_engine_free(d->engines[i]);
	free(d->engines);
	answer_engine_free(d->asker.engine);
	onward_free(d->onward);
	if (d->table != NULL)
		zonetab_free(d->table);
	rcu_barrier();
	if (d->arena != NULL)
		arena_free(d->arena);
	uv_loop_close(&d->loop);
}

static int daemon_run(struct config *config)
{
	struct daemon d = {.config = config};
	struct net_error err = {.text = ""};
	enum exit_code code = EXIT_CODE_OK;

	signals_block();
	d.log = log_new(config->log_level, config->log_target);
	if (d.log == NULL || uv_loop_init(&d.loop) < 0) {
		fprintf(stderr, "lockstepd: out of memory\n");
		log_free(d.log);
		return EXIT_CODE_FAILED;
	}
	if (privilege_reduce() < 0)
		log_event(d.log, LOG_WARNING, "privileges-kept", NULL, NULL,
			  "reason=\"cannot drop capabilities\"");
	rcu_register_thread();
	if (daemon_start(&d, &err) < 0) {
		log_event(d.log, LOG_ERROR, "start-failed", NULL, NULL, "reason=\"%s\"", err.text);
		code = EXIT_CODE_FAILED;
		daemon_stop(&d);
	} else {
		log_event(d.log, LOG_NOTICE, "started", NULL, NULL,
			  "version=%s pid=%d zones=%u workers=%u ports=%u", LOCKSTEP_VERSION, (int)getpid(),
			  config->zone_cnt, config->net.worker_cnt, config->net.port_cnt);
	}
	loop_run(&d);
	daemon_end(&d);
	rcu_unregister_thread();
	log_event(d.log, LOG_NOTICE, "stopped", NULL, NULL, "code=%d", code);
	log_free(d.log);
	return code;
}

static void usage(FILE *to)
{
	fputs("usage: lockstepd -c FILE            serve as FILE says\n"
	      "       lockstepd --check-config FILE\n"
	      "       lockstepd --check-system FILE  is this machine fit for it?\n"
	      "       lockstepd --version\n"
	      "The configuration is described in lockstepd.conf(5); exit codes in lockstepd(8).\n",
	      to);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"check-config", required_argument, NULL, 'k'},
						{"check-system", required_argument, NULL, 's'},
						{"version", no_argument, NULL, 'v'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	const char *file = NULL;
	bool check = false, check_machine = false;
	char errors[ERRORS_CAP] = "";
	struct config *config;
	int opt, code;

	while ((opt = getopt_long(argc, argv, "c:vh", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			check_machine = true;
			file = optarg;
			break;
		case 'k':
			check = true;
			/* fallthrough */
		case 'c':
			file = optarg;
			break;
		case 'v':
			printf("lockstepd %s\n", LOCKSTEP_VERSION);
			return EXIT_CODE_OK;
		case 'h':
			usage(stdout);
			return EXIT_CODE_OK;
		default:
			usage(stderr);
			return EXIT_CODE_USAGE;
		}
	}
	if (file == NULL || optind != argc) {
		usage(stderr);
		return EXIT_CODE_USAGE;
	}
	if (config_load(file, &config, errors, sizeof(errors)) < 0) {
		fprintf(stderr, "%s", errors);
		return EXIT_CODE_CONFIG;
	}
	fputs(errors, stderr); /* warnings */
	if (check) {
		printf("%s: %u zones, %u primaries, %u ports, %u workers: configuration is valid\n", file,
		       config->zone_cnt, config->primary_cnt, config->net.port_cnt, config->net.worker_cnt);
		code = EXIT_CODE_OK;
	} else if (check_machine) {
		code = check_system(config, "", stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILED;
	} else {
		code = daemon_run(config);
	}
	config_free(config);
	return code;
}
