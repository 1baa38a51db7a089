/*
 * lockstep-load: DNS requests through any DPDK port, as fast as possible, at a constant rate, or in search of the
 * highest rate without loss. Frames are made first and only copied later; every answer is matched and checked.
 *
 * The main thread sleeps, prints progress once a second, and takes signals by waiting for them; the sending cores
 * (sender.c) see it through one flag.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "bench/load/options.h"
#include "bench/load/result.h"

#define POLL_NS		 20000000 /* the main thread looks this often whether the cores have ended */
#define SEARCH_PRECISION 0.01
#define EXIT_WRONG	 2

struct load {
	struct load_options opt;
	struct link link;
	struct query_set *queries;
	struct frames *frames;
	struct sender_run run;
	struct sender *sender; /* one per core */
	sigset_t signals;
	bool interrupted;
	struct result result; /* the last */
};

static int load_queries(struct load *l)
{
	struct queries_error err = {""};
	int rc;

	if (l->opt.query_file != NULL)
		rc = queries_read(l->opt.query_file, &l->queries, &err);
	else
		rc = queries_hosts(l->opt.prefix, l->opt.zone, l->opt.names, l->opt.type, &l->queries, &err);
	if (rc == 0 && l->opt.expect_file != NULL)
		rc = queries_read_expectations(l->queries, l->opt.expect_file, &err);
	if (rc < 0) {
		fprintf(stderr, "lockstep-load: %s\n", err.text);
		return rc;
	}
	queries_expect_rcode(l->queries, l->opt.rcode);
	return 0;
}

static int make_frames(struct load *l)
{
	l->frames = frames_new(&l->opt.frames, l->queries);
	if (l->frames != NULL)
		return 0;
	fprintf(stderr, "lockstep-load: not enough memory for %u requests: fewer with --frames\n",
		l->opt.frames.cnt);
	return -ENOMEM;
}

static int write_pcap(struct load *l)
{
	int rc = make_frames(l);

	if (rc == 0) {
		rc = frames_write_pcap(l->frames, l->opt.pcap);
		if (rc < 0)
			fprintf(stderr, "lockstep-load: cannot write %s: %s\n", l->opt.pcap, strerror(-rc));
	}
	return rc;
}

static int make_senders(struct load *l)
{
	unsigned cnt = l->opt.link.cpu_cnt;

	l->sender = aligned_alloc(alignof(struct sender), cnt * sizeof(*l->sender));
	l->run.sent_at = calloc(l->frames->cnt, sizeof(*l->run.sent_at));
	if (l->sender == NULL || l->run.sent_at == NULL) {
		fprintf(stderr, "lockstep-load: out of memory\n");
		return -ENOMEM;
	}
	memset(l->sender, 0, cnt * sizeof(*l->sender));
	for (unsigned i = 0; i < cnt; i++) {
		struct sender *s = &l->sender[i];

		s->run = &l->run;
		s->pool = l->link.pool[i];
		s->queue = (uint16_t)i;
		s->cnt = l->frames->cnt / cnt;
		s->first = s->next = i * s->cnt;
	}
	return 0;
}

static void set_run(struct load *l)
{
	struct sender_run *r = &l->run;

	r->frames = l->frames;
	r->port = l->link.id;
	r->burst = l->opt.burst;
	r->check_every = l->opt.check_every;
	r->echo = l->opt.echo;
	r->tsc_hz = rte_get_tsc_hz();
	r->late_tsc = (uint64_t)(l->opt.late_seconds * (double)r->tsc_hz);
	r->drain_tsc = (uint64_t)(l->opt.drain_seconds * (double)r->tsc_hz);
}

static int prepare(struct load *l)
{
	struct link_error err = {""};
	int rc = link_open(&l->link, &l->opt.link, &err);

	if (rc < 0) {
		fprintf(stderr, "lockstep-load: %s\n", err.text);
		return rc;
	}
	memcpy(l->opt.frames.source_mac, l->link.mac, sizeof(l->link.mac));
	rc = make_frames(l);
	if (rc == 0)
		rc = make_senders(l);
	if (rc == 0)
		set_run(l);
	return rc;
}

/* --- a run --- */

static uint64_t total(const struct load *l, enum sender_counter c)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < l->opt.link.cpu_cnt; i++)
		sum += atomic_load_explicit(&l->sender[i].counter[c], memory_order_relaxed);
	return sum;
}

static bool cores_running(const struct load *l)
{
	for (unsigned i = 0; i < l->opt.link.cpu_cnt; i++)
		if (rte_eal_get_lcore_state(i + 1) == RUNNING)
			return true;
	return false;
}

struct progress {
	double at; /* seconds since the start */
	uint64_t sent, answered;
};

static void show_progress(const struct load *l, double now, struct progress *last)
{
	uint64_t sent = total(l, SENDER_sent), answered = total(l, SENDER_answered);
	double span = now - last->at;

	fprintf(stderr, "%4.0f s: sent %.0f/s, answered %.0f/s, outstanding or lost %" PRIu64 "\n", now,
		(double)(sent - last->sent) / span, (double)(answered - last->answered) / span,
		sent > answered ? sent - answered : 0);
	*last = (struct progress){now, sent, answered};
}

/* Sleeps while the cores run. A signal ends them early. */
static void watch(struct load *l, bool show)
{
	const struct timespec pause = {.tv_nsec = POLL_NS};
	uint64_t begin = rte_rdtsc();
	struct progress last = {0};

	while (cores_running(l)) {
		double now;

		if (sigtimedwait(&l->signals, NULL, &pause) > 0) {
			l->interrupted = true;
			atomic_store_explicit(&l->run.stop, true, memory_order_relaxed);
		}
		now = (double)(rte_rdtsc() - begin) / (double)l->run.tsc_hz;
		if (show && now - last.at >= 1)
			show_progress(l, now, &last);
	}
}

/* Sends for so long at so many a second (0: as fast as possible); l->result is what came of it. */
static void run_once(struct load *l, double seconds, double rate, bool show)
{
	unsigned cnt = l->opt.link.cpu_cnt;

	l->run.rate = rate / cnt;
	l->run.send_tsc = (uint64_t)(seconds * (double)l->run.tsc_hz);
	for (uint32_t i = 0; i < l->frames->cnt; i++)
		atomic_store_explicit(&l->run.sent_at[i], 0, memory_order_relaxed);
	for (unsigned i = 0; i < cnt; i++)
		sender_reset(&l->sender[i]);
	for (unsigned i = 0; i < cnt; i++)
		rte_eal_remote_launch(sender_run_core, &l->sender[i], i + 1);
	watch(l, show && !l->opt.quiet);
	rte_eal_mp_wait_lcore();
	result_collect(&l->result, l->sender, cnt, (double)l->run.tsc_hz);
}

/* A step of the search: true when the rate was offered, and all but the allowed loss was answered in time. */
static bool rate_held(struct load *l, double rate, json_t *steps)
{
	const struct result *r = &l->result;
	uint64_t missing;
	json_t *step;
	bool held;

	run_once(l, l->opt.step_seconds, rate, false);
	missing = r->lost + r->counter[SENDER_late];
	held = (double)missing <= l->opt.loss * (double)r->counter[SENDER_sent] &&
	       (double)r->counter[SENDER_behind] <= 0.001 * (double)r->counter[SENDER_sent];
	if (!l->opt.quiet)
		fprintf(stderr,
			"%12.0f/s: lost %" PRIu64 ", late %" PRIu64 ", not sent in time %" PRIu64 ": %s\n",
			rate, r->lost, r->counter[SENDER_late], r->counter[SENDER_behind],
			held ? "held" : "too much");
	step = result_json(r);
	json_object_set_new(step, "held", json_boolean(held));
	json_array_append_new(steps, step);
	return held;
}

/*
 * Halves the span between a rate that held and one that did not. The result is that of the highest rate that held; all
 * zeros when none did.
 */
static double search(struct load *l, json_t *steps)
{
	struct result best = {.wrong_number = UINT32_MAX};
	uint64_t wrong = 0, end = rte_rdtsc() + (uint64_t)(l->opt.seconds * (double)l->run.tsc_hz);
	double low = 0, high = l->opt.rate_max, rate;

	histogram_init(&best.latency);
	if (high == 0) {
		run_once(l, l->opt.step_seconds, 0, false);
		high = result_answered_rate(&l->result) * 1.05;
	}
	for (rate = high; high - low > high * SEARCH_PRECISION && rte_rdtsc() < end && !l->interrupted;
	     rate = (low + high) / 2) {
		bool held = rate_held(l, rate, steps);

		wrong += l->result.wrong;
		if (held) {
			low = rate;
			best = l->result;
		} else {
			high = rate;
		}
	}
	l->result = best;
	l->result.wrong = wrong;
	return low;
}

/* --- report --- */

static void say_wrong(const struct load *l)
{
	char text[NAME_TEXT_CAP];
	struct question q;

	if (l->result.wrong_number == UINT32_MAX)
		return;
	queries_get(l->queries, l->frames->frame[l->result.wrong_number].question, &q);
	fprintf(stderr, "lockstep-load: an answer was wrong, the last to %s type %u (request %u)\n",
		name_text(q.name, text), q.type, l->result.wrong_number);
}

static json_t *about(const struct load *l, double found, json_t *steps)
{
	static const char *const modes[] = {
		[LOAD_BLAST] = "blast", [LOAD_RATE] = "rate", [LOAD_SEARCH] = "search"};
	json_t *o = result_json(&l->result);

	json_object_set_new(o, "mode", json_string(modes[l->opt.mode]));
	json_object_set_new(o, "driver", json_string(l->link.driver));
	json_object_set_new(o, "cores", json_integer(l->opt.link.cpu_cnt));
	json_object_set_new(o, "requests_made", json_integer(l->frames->cnt));
	json_object_set_new(o, "device_missed", json_integer((json_int_t)link_missed(&l->link)));
	json_object_set_new(o, "interrupted", json_boolean(l->interrupted));
	if (l->opt.mode == LOAD_SEARCH) {
		json_object_set_new(o, "highest_rate_held", json_real(found));
		json_object_set(o, "steps", steps);
	}
	return o;
}

static void report(struct load *l, double found, json_t *steps)
{
	if (l->opt.json) {
		json_t *o = about(l, found, steps);

		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(o);
	} else {
		if (l->opt.mode == LOAD_SEARCH)
			printf("highest rate held: %.0f/s; at this rate:\n", found);
		result_print(&l->result, stdout);
	}
	say_wrong(l);
}

static int measure(struct load *l)
{
	json_t *steps = json_array();
	double found = 0;

	sigemptyset(&l->signals);
	sigaddset(&l->signals, SIGINT);
	sigaddset(&l->signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &l->signals, NULL);
	if (l->opt.warmup_seconds > 0)
		run_once(l, l->opt.warmup_seconds, l->opt.mode == LOAD_RATE ? l->opt.rate : 0, false);
	if (l->interrupted)
		fprintf(stderr, "lockstep-load: interrupted before anything was measured\n");
	else if (l->opt.mode == LOAD_SEARCH)
		found = search(l, steps);
	else
		run_once(l, l->opt.seconds, l->opt.mode == LOAD_RATE ? l->opt.rate : 0, true);
	report(l, found, steps);
	json_decref(steps);
	return l->result.wrong > 0 ? EXIT_WRONG : 0;
}

int main(int argc, char **argv)
{
	struct load *l = calloc(1, sizeof(*l));
	int rc;

	if (l == NULL)
		return 1;
	rc = options_parse(&l->opt, argc, argv);
	if (rc == 0) {
		rc = load_queries(l);
		if (rc == 0 && l->opt.pcap != NULL)
			rc = write_pcap(l);
		else if (rc == 0)
			rc = prepare(l);
		if (rc == 0 && l->opt.pcap == NULL)
			rc = measure(l);
	} else if (rc == 1) {
		rc = 0; // help
	}
	link_close(&l->link);
	frames_free(l->frames);
	queries_free(l->queries);
	free(l->sender);
	free((void *)l->run.sent_at);
	free(l);
	return rc < 0 ? 1 : rc;
}
