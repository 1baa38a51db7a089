/*
 * The answer engine on arrays of queries: no packets, no EAL. Time per query and class, medians of interleaved rounds;
 * under callgrind the instructions.
 *
 *     answer_bench [--class NAME|all] [--names N] [--queries N] [--rounds N] [--burst N] [--json]
 *                  (--queries are per round; 5 rounds of all classes, one of a single class)
 *     valgrind --tool=callgrind --toggle-collect=bench_run answer_bench --class a --names 1000 --queries 100000
 *
 * The zone is host.test as the goals have it (h0... with one A, every fourth with an AAAA) and a few corners beside; for
 * NSEC3 denial signed.test, with as many names and signatures of the usual length that nobody made with a key.
 * Names are chosen uniformly from all. Each response of a first pass is checked before anything is timed; that pass and
 * the making of queries cost the same whatever --queries says.
 */
#include "dataplane/answer/answer.h"
#include "dataplane/zone/arena.h"
#include "dataplane/zone/builder.h"
#include "dataplane/zone/nsec3.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <urcu-qsbr.h>

#define KEY	      UINT64_C(0x243f6a8885a308d3)
#define SIGNATURE_LEN 64   /* ECDSA P-256 */
#define QUERY_CAP     64   /* a whole cache line: what a query has, and what is copied for each */
#define SLOT_CAP      1536 /* a packet buffer */
#define DISTINCT \
	65536 /* queries made; more names than fit the caches are among them when the zone is large */
#define ROUND_MAX 101
#define CLIENTS	  8192

enum class {
	CLASS_A,
	CLASS_AAAA,
	CLASS_NODATA,
	CLASS_NXDOMAIN,
	CLASS_REFERRAL,
	CLASS_WILDCARD,
	CLASS_CNAME,
	CLASS_NSEC3,
	CLASS_REFUSED,
	CLASS_MALFORMED,
	CLASS_CNT
};

/* How a class is asked, and what the answers have to look like. name: %x is a host's number. */
static const struct class_info {
	const char *name;
	const char *owner;
	uint32_t step; /* hosts that have what is asked for: every so manieth */
	uint16_t type;
	uint8_t rcode;
	uint8_t an, ns, ar; /* records, OPT included */
	bool dnssec_ok;
} classes[CLASS_CNT] = {
	[CLASS_A] = {"a", "h%x.host.test", 1, DNS_TYPE_A, DNS_RCODE_NOERROR, 1, 0, 1},
	[CLASS_AAAA] = {"aaaa", "h%x.host.test", 4, DNS_TYPE_AAAA, DNS_RCODE_NOERROR, 1, 0, 1},
	[CLASS_NODATA] = {"nodata", "h%x.host.test", 1, DNS_TYPE_MX, DNS_RCODE_NOERROR, 0, 1, 1},
	[CLASS_NXDOMAIN] = {"nxdomain", "n%x.host.test", 1, DNS_TYPE_A, DNS_RCODE_NXDOMAIN, 0, 1, 1},
	[CLASS_REFERRAL] = {"referral", "h%x.cut.host.test", 1, DNS_TYPE_A, DNS_RCODE_NOERROR, 0, 2, 3},
	[CLASS_WILDCARD] = {"wildcard", "h%x.wild.host.test", 1, DNS_TYPE_A, DNS_RCODE_NOERROR, 1, 0, 1},
	[CLASS_CNAME] = {"cname", "h%x.alias.host.test", 1, DNS_TYPE_A, DNS_RCODE_NOERROR, 3, 0, 1},
	[CLASS_NSEC3] = {"nsec3", "n%x.signed.test", 1, DNS_TYPE_A, DNS_RCODE_NXDOMAIN, 0, 8, 1, true},
	[CLASS_REFUSED] = {"refused", "h%x.elsewhere.test", 1, DNS_TYPE_A, DNS_RCODE_REFUSED, 0, 0, 1},
	[CLASS_MALFORMED] = {"malformed", "h%x.host.test", 1, DNS_TYPE_A, DNS_RCODE_FORMERR, 0, 0, 0},
};

struct options {
	const char *class;
	uint32_t names;
	uint64_t queries;
	unsigned rounds;
	unsigned burst;
	bool json;
	bool rate_limit; /* with limits, and clients that keep to them */
};

struct bench {
	struct options opt;
	struct arena *arena;
	struct zonetab *zones;
	struct answer_engine *engine;
	struct answer_config config;
	uint8_t (*query)[QUERY_CAP]; /* DISTINCT of each class */
	uint8_t *query_len;
	uint8_t (*slot)[SLOT_CAP];
	double ns[CLASS_CNT][ROUND_MAX];
};

static void die(const char *what)
{
	fprintf(stderr, "answer_bench: %s\n", what);
	exit(1);
}

/* --- the zone --- */

static void add(struct builder *b, const char *owner, uint16_t type, const void *rdata, size_t len)
{
	uint8_t name[NAME_LEN_MAX];

	if (name_from_text(owner, name) < 0 ||
	    builder_add(b, name, type, 3600, rdata, (uint16_t)len) != BUILDER_OK)
		die("the builder refused a record");
}

static void add_name(struct builder *b, const char *owner, uint16_t type, const char *target)
{
	uint8_t name[NAME_LEN_MAX];
	int len = name_from_text(target, name);

	add(b, owner, type, name, (size_t)len);
}

static void add_corners(struct builder *b)
{
	static const uint8_t soa[] =
		"\2ns\4host\4test\0\1h\4host\4test\0\0\0\0\1\0\0\016\020\0\0\2\130\0\1\121\200\0\0\1\54";
	static const uint8_t address[4] = {192, 0, 2, 1};

	add(b, "host.test", DNS_TYPE_SOA, soa, sizeof(soa) - 1);
	add_name(b, "host.test", DNS_TYPE_NS, "ns1.host.test");
	add_name(b, "host.test", DNS_TYPE_NS, "ns2.host.test");
	add(b, "ns1.host.test", DNS_TYPE_A, address, sizeof(address));
	add(b, "ns2.host.test", DNS_TYPE_A, address, sizeof(address));
	add_name(b, "cut.host.test", DNS_TYPE_NS, "ns1.cut.host.test");
	add_name(b, "cut.host.test", DNS_TYPE_NS, "ns2.cut.host.test");
	add(b, "ns1.cut.host.test", DNS_TYPE_A, address, sizeof(address));
	add(b, "ns2.cut.host.test", DNS_TYPE_A, address, sizeof(address));
	add(b, "*.wild.host.test", DNS_TYPE_A, address, sizeof(address));
	add_name(b, "*.alias.host.test", DNS_TYPE_CNAME, "alias2.host.test");
	add_name(b, "alias2.host.test", DNS_TYPE_CNAME, "ns1.host.test");
}

/* RRSIG of type covering; what it says is checked by nobody. */
static void add_signature(struct builder *b, const char *owner, uint16_t covered)
{
	static const uint8_t signer[] = "\6signed\4test";
	uint8_t rdata[18 + sizeof(signer) + SIGNATURE_LEN] = {0};

	wire_store16(rdata, covered);
	memcpy(rdata + 18, signer, sizeof(signer));
	add(b, owner, DNS_TYPE_RRSIG, rdata, sizeof(rdata));
}

static void add_nsec3(struct builder *b, const char *owner)
{
	static const uint8_t params[] = {1, 0, 0, 0, 0};
	uint8_t name[NAME_LEN_MAX], hash[NSEC3_HASH_LEN], rdata[5 + 1 + NSEC3_HASH_LEN + 8] = {1};
	char text[NSEC3_LABEL_LEN + sizeof(".signed.test")];

	name_from_text(owner, name);
	nsec3_hash(params, name, hash);
	nsec3_label(hash, (uint8_t *)text);
	strcpy(text + NSEC3_LABEL_LEN, ".signed.test");
	rdata[5] = NSEC3_HASH_LEN;
	memcpy(rdata + 6, hash, sizeof(hash)); /* not the next one, but as long */
	memcpy(rdata + 6 + NSEC3_HASH_LEN, "\0\6\x40\0\0\0\0\2", 8);
	add(b, text, DNS_TYPE_NSEC3, rdata, sizeof(rdata));
	add_signature(b, text, DNS_TYPE_NSEC3);
}

static void publish(struct bench *b, struct builder *builder, const uint8_t *apex)
{
	struct builder_report report;
	struct snapshot *snap = NULL;
	uint32_t slot;

	if (builder_finish(builder, &snap, &report) != BUILDER_OK || zonetab_add(b->zones, apex, &slot) < 0)
		die("the zone cannot be built");
	builder_free(builder);
	zonetab_publish(b->zones, slot, &snap);
}

static struct builder *new_builder(struct bench *b, const uint8_t *apex)
{
	struct builder *builder = builder_new(b->arena, KEY, apex, NULL, &builder_limits_none);

	if (builder == NULL)
		die("out of memory");
	return builder;
}

static void make_signed_zone(struct bench *b)
{
	static const uint8_t soa[] = "\2ns\0\1h\0\0\0\0\1\0\0\016\020\0\0\2\130\0\1\121\200\0\0\1\54";
	static const uint8_t apex[] = "\6signed\4test", params[] = {1, 0, 0, 0, 0};
	struct builder *builder = new_builder(b, apex);
	char owner[64];

	add(builder, "signed.test", DNS_TYPE_SOA, soa, sizeof(soa) - 1);
	add_signature(builder, "signed.test", DNS_TYPE_SOA);
	add_name(builder, "signed.test", DNS_TYPE_NS, "ns");
	add(builder, "signed.test", DNS_TYPE_NSEC3PARAM, params, sizeof(params));
	add_nsec3(builder, "signed.test");
	for (uint32_t i = 0; i < b->opt.names; i++) {
		snprintf(owner, sizeof(owner), "h%x.signed.test", i);
		add(builder, owner, DNS_TYPE_A, &i, 4);
		add_signature(builder, owner, DNS_TYPE_A);
		add_nsec3(builder, owner);
	}
	publish(b, builder, apex);
}

static void make_zone(struct bench *b)
{
	static const uint8_t apex[] = "\4host\4test";
	struct builder *builder = new_builder(b, apex);
	char owner[64];

	add_corners(builder);
	for (uint32_t i = 0; i < b->opt.names; i++) {
		uint8_t rdata[16] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

		snprintf(owner, sizeof(owner), "h%x.host.test", i);
		add(builder, owner, DNS_TYPE_A, rdata, 4);
		if (i % 4 == 0)
			add(builder, owner, DNS_TYPE_AAAA, rdata, 16);
	}
	publish(b, builder, apex);
}

/* --- the queries --- */

/* xorshift: the same queries in every run. */
static uint32_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32);
}

static uint8_t make_query(enum class class, uint32_t host, uint8_t out[QUERY_CAP])
{
	uint8_t msg[512], name[NAME_LEN_MAX];
	struct wire_out w = wire_out_init(msg, sizeof(msg));
	char owner[64];
	int len;

	snprintf(owner, sizeof(owner), classes[class].owner, host);
	len = name_from_text(owner, name);
	wire_put16(&w, (uint16_t)host);
	wire_put16(&w, 0);
	wire_put16(&w, 1);
	wire_put32(&w, 0);
	wire_put16(&w, 1);
	wire_put_bytes(&w, name, (size_t)len);
	wire_put16(&w, classes[class].type);
	wire_put16(&w, DNS_CLASS_IN);
	wire_put8(&w, 0);
	wire_put16(&w, DNS_TYPE_OPT);
	wire_put16(&w, 1232);
	wire_put32(&w, classes[class].dnssec_ok ? 0x8000 : 0);
	wire_put16(&w, class == CLASS_MALFORMED ? 4 : 0); /* options that are not there */
	if (w.bad || wire_out_len(&w) > QUERY_CAP)
		die("a query does not fit");
	memcpy(out, msg, wire_out_len(&w));
	return (uint8_t)wire_out_len(&w);
}

static void make_queries(struct bench *b)
{
	uint64_t state = 88172645463325252;

	for (unsigned class = 0; class < CLASS_CNT; class ++) {
		for (unsigned i = 0; i < DISTINCT; i++) {
			uint32_t host = next_random(&state) % b->opt.names;
			size_t at = (size_t) class * DISTINCT + i;

			host -= host % classes[class].step;
			b->query_len[at] = make_query((enum class) class, host, b->query[at]);
		}
	}
}

/* --- running --- */

/* Queries from CLIENTS networks in turn, and the clock read as a worker reads it. */
static void vary_clients(struct answer_engine *e, struct answer_job *job, unsigned cnt, uint64_t done)
{
	for (unsigned i = 0; i < cnt; i++) {
		uint32_t client = (uint32_t)((done + i) % CLIENTS) * UINT32_C(0x9e3779b1);

		memcpy(job[i].client, &client, sizeof(client));
	}
	answer_engine_read_clock(e);
}

/* The measured loop: the request is put into its packet buffer, as a network card would, and answered in place. */
__attribute__((noinline)) void bench_run(struct bench *b, enum class class, uint64_t cnt);
void bench_run(struct bench *b, enum class class, uint64_t cnt)
{
	struct answer_job job[ANSWER_BURST_MAX], *jobs[ANSWER_BURST_MAX];
	size_t first = (size_t) class * DISTINCT;
	unsigned burst = b->opt.burst;

	for (unsigned i = 0; i < burst; i++) {
		job[i] = (struct answer_job){
			.msg = b->slot[i], .cap = SLOT_CAP, .transport = ANSWER_UDP, .family = 4};
		jobs[i] = &job[i];
	}
	for (uint64_t done = 0; done < cnt; done += burst) {
		for (unsigned i = 0; i < burst; i++) {
			size_t at = first + (done + i) % DISTINCT;

			memcpy(b->slot[i], b->query[at], QUERY_CAP);
			job[i].len = b->query_len[at];
		}
		if (b->opt.rate_limit)
			vary_clients(b->engine, job, burst, done);
		answer_burst(b->engine, jobs, burst);
		urcu_qsbr_quiescent_state();
	}
}

static void check_one(const struct class_info *c, const struct answer_job *job, const uint8_t *query)
{
	const uint8_t *m = job->msg;
	bool edns = c->rcode != DNS_RCODE_FORMERR;
	/* One NSEC3 may prove two things. */
	uint8_t ns_min = c->dnssec_ok ? 4 : c->ns;

	if (job->verdict != ANSWER_SEND || job->len < DNS_HEADER_LEN || memcmp(m, query, 2) != 0 ||
	    (m[2] & 0x80) == 0 || (m[3] & 15) != c->rcode || m[7] != c->an || m[9] < ns_min || m[9] > c->ns ||
	    (edns && m[11] != c->ar)) {
		fprintf(stderr, "answer_bench: class %s: rcode %u, %u/%u/%u records\n", c->name, m[3] & 15,
			m[7], m[9], m[11]);
		die("a wrong answer");
	}
}

static void check(struct bench *b, enum class class)
{
	struct answer_job job = {.msg = b->slot[0], .cap = SLOT_CAP, .transport = ANSWER_UDP, .family = 4};
	struct answer_job *jobs[] = {&job};

	for (unsigned i = 0; i < DISTINCT; i++) {
		size_t at = (size_t) class * DISTINCT + i;

		memcpy(job.msg, b->query[at], QUERY_CAP);
		job.len = b->query_len[at];
		answer_burst(b->engine, jobs, 1);
		check_one(&classes[class], &job, b->query[at]);
	}
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static bool wanted(const struct bench *b, enum class class)
{
	return strcmp(b->opt.class, "all") == 0 || strcmp(b->opt.class, classes[class].name) == 0;
}

/* Rounds in turn, so that what the machine does meanwhile hits all classes alike. */
static void measure(struct bench *b)
{
	for (unsigned round = 0; round < b->opt.rounds; round++) {
		for (unsigned class = 0; class < CLASS_CNT; class ++) {
			double begin;

			if (!wanted(b, (enum class) class))
				continue;
			begin = now_ns();
			bench_run(b, (enum class) class, b->opt.queries);
			b->ns[class][round] = (now_ns() - begin) / (double)b->opt.queries;
		}
	}
}

/* --- telling --- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, unsigned cnt)
{
	qsort(v, cnt, sizeof(*v), by_value);
	return v[cnt / 2];
}

static void report_ratio(const struct bench *b, const char *goal, const char *what, double ratio,
			 double target)
{
	bool met = ratio >= target;

	if (b->opt.json)
		printf("{\"goal\": \"%s\", \"figure\": %.2f, \"unit\": \"ratio\", \"target\": \">= %g\", "
		       "\"met\": %s, \"rivals\": {}, \"raw\": null}\n",
		       goal, ratio, target, met ? "true" : "false");
	else
		printf("%s %s/s over A hits/s: %.2f, target >= %g: %s\n", goal, what, ratio, target,
		       met ? "met" : "not met");
}

static void report(struct bench *b)
{
	double a = 0, malformed = 0, nsec3 = 0;

	if (!b->opt.json)
		printf("%-10s %10s %12s %10s %10s\n", "class", "ns/query", "queries/s", "fastest", "slowest");
	for (unsigned class = 0; class < CLASS_CNT; class ++) {
		double *v = b->ns[class];
		double mid = wanted(b, (enum class) class) ? median(v, b->opt.rounds) : 0;

		if (mid == 0)
			continue;
		a = class == CLASS_A ? mid : a;
		malformed = class == CLASS_MALFORMED ? mid : malformed;
		nsec3 = class == CLASS_NSEC3 ? mid : nsec3;
		printf(b->opt.json ? "{\"class\": \"%s\", \"ns\": %.1f, \"qps\": %.0f, \"ns_min\": %.1f, "
				     "\"ns_max\": %.1f}\n"
				   : "%-10s %10.1f %12.0f %10.1f %10.1f\n",
		       classes[class].name, mid, 1e9 / mid, v[0], v[b->opt.rounds - 1]);
	}
	if (a != 0 && nsec3 != 0)
		report_ratio(b, "G5a", "NSEC3 NXDOMAIN with DO", a / nsec3, 0.5);
	if (a != 0 && malformed != 0)
		report_ratio(b, "G5b", "malformed", a / malformed, 1);
}

static uint64_t number(const char *name, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t v = strtoull(text, &end, 10);

	if (*end != '\0' || v < min || v > max) {
		fprintf(stderr, "answer_bench: --%s %s: not a number from %" PRIu64 " to %" PRIu64 "\n", name,
			text, min, max);
		exit(2);
	}
	return v;
}

static void usage(void)
{
	fprintf(stderr,
		"usage: answer_bench [--class NAME|all] [--names N] [--queries N] [--rounds N] [--burst N] "
		"[--rate-limit] [--json]\nclasses:");
	for (unsigned class = 0; class < CLASS_CNT; class ++)
		fprintf(stderr, " %s", classes[class].name);
	fprintf(stderr, "\n");
	exit(2);
}

static void parse(struct options *opt, int argc, char **argv)
{
	static const struct option known[] = {
		{"class", required_argument, NULL, 'c'},   {"names", required_argument, NULL, 'n'},
		{"queries", required_argument, NULL, 'q'}, {"rounds", required_argument, NULL, 'r'},
		{"burst", required_argument, NULL, 'b'},   {"rate-limit", no_argument, NULL, 'l'},
		{"json", no_argument, NULL, 'j'},	   {NULL, 0, NULL, 0},
	};
	bool class_known = false;
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'c')
			opt->class = optarg;
		else if (c == 'n')
			opt->names = (uint32_t)number("names", optarg, 1, 100000000);
		else if (c == 'q')
			opt->queries = number("queries", optarg, 1, UINT64_C(1) << 40);
		else if (c == 'r')
			opt->rounds = (unsigned)number("rounds", optarg, 1, ROUND_MAX);
		else if (c == 'b')
			opt->burst = (unsigned)number("burst", optarg, 1, ANSWER_BURST_MAX);
		else if (c == 'l')
			opt->rate_limit = true;
		else if (c == 'j')
			opt->json = true;
		else
			usage();
	}
	for (unsigned class = 0; class < CLASS_CNT; class ++)
		class_known |= strcmp(opt->class, classes[class].name) == 0;
	if (optind != argc || (!class_known && strcmp(opt->class, "all") != 0))
		usage();
}

int main(int argc, char **argv)
{
	struct arena_config arena_config = {.bytes_max = UINT64_C(16) << 30, .huge_pages = true};
	struct bench *b = calloc(1, sizeof(*b));

	if (b == NULL)
		die("out of memory");
	b->opt = (struct options){.class = "all", .names = 1000, .queries = 1000000, .burst = 32};
	parse(&b->opt, argc, argv);
	if (b->opt.rounds == 0)
		b->opt.rounds = strcmp(b->opt.class, "all") == 0 ? 5 : 1;
	b->config.udp_payload_max[0] = b->config.udp_payload_max[1] = ANSWER_UDP_PAYLOAD_DEFAULT;
	if (b->opt.rate_limit)
		b->config.rrl = (struct rrl_config){.rate = 100000,
						    .window_ms = 1000,
						    .table = 1 << 17,
						    .level_cnt = {1, 1},
						    .level = {{{24, 1}}, {{56, 1}}}};
	b->query = calloc((size_t)CLASS_CNT * DISTINCT, QUERY_CAP);
	b->query_len = calloc(CLASS_CNT, DISTINCT);
	b->slot = calloc(ANSWER_BURST_MAX, SLOT_CAP);
	urcu_qsbr_register_thread();
	if (b->query == NULL || b->query_len == NULL || b->slot == NULL ||
	    arena_new(&arena_config, &b->arena) < 0)
		die("out of memory");
	b->zones = zonetab_new(KEY);
	b->engine = b->zones == NULL ? NULL : answer_engine_new(b->zones, &b->config);
	if (b->engine == NULL)
		die("out of memory");
	make_zone(b);
	if (wanted(b, CLASS_NSEC3))
		make_signed_zone(b);
	make_queries(b);
	for (unsigned class = 0; class < CLASS_CNT; class ++)
		if (wanted(b, (enum class) class))
			check(b, (enum class) class);
	measure(b);
	report(b);
	answer_engine_free(b->engine);
	zonetab_free(b->zones);
	urcu_qsbr_barrier();
	arena_free(b->arena);
	urcu_qsbr_unregister_thread();
	free(b->slot);
	free(b->query_len);
	free(b->query);
	free(b);
	return 0;
}
