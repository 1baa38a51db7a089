/*
 * The snapshot engine alone: memory, time to build, to find and to change, over zone sizes. No EAL, no network, no
 * privileges; huge pages are used when there are any, and the output says so.
 *
 *     zone_bench [--json] [--quick] [--names N] [G4|G6|G7|G8|G13|table ...]
 *
 * One row per figure; with --json one object per line, with the keys of bench/goals. Rivals are measured by
 * bench/goals, not here. Time is the median of several runs; exponents are least-squares fits over logarithms.
 */
#include "dataplane/zone/arena.h"
#include "dataplane/zone/builder.h"
#include "dataplane/zone/zonetab.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <urcu-qsbr.h>

#define KEY	  UINT64_C(0x243F6A8885A308D3)
#define ARENA_MAX (UINT64_C(64) << 30)
#define RUNS	  5
#define BURST	  32

struct options {
	bool json, quick;
	uint32_t names_max; /* of the lookups, builds and changes over sizes */
};

struct rng {
	uint64_t state;
};

static uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what)
{
	fprintf(stderr, "zone_bench: %s\n", what);
	exit(1);
}

/* One point of a plot: size is what the figure depends on, 0 for none; series names the curve. */
static void report_point(const struct options *o, const char *goal, const char *series, uint32_t size,
			 const char *what, double figure, const char *unit, const char *target, int met)
{
	const char *met_text = met < 0 ? "null" : met ? "true" : "false";

	if (o->json) {
		printf("{\"goal\": \"%s\", \"what\": \"%s\", \"figure\": %.6g, \"unit\": \"%s\", \"target\": "
		       "\"%s\", \"met\": %s, \"rivals\": {}, \"raw\": null",
		       goal, what, figure, unit, target, met_text);
		if (size > 0)
			printf(", \"series\": \"%s\", \"size\": %u", series, size);
		printf("}\n");
	} else {
		printf("%-4s %-58s %10.4g %-16s %-10s %s\n", goal, what, figure, unit, target,
		       met < 0 ? ""
		       : met   ? "met"
			       : "NOT MET");
	}
	fflush(stdout);
}

static void report(const struct options *o, const char *goal, const char *what, double figure,
		   const char *unit, const char *target, int met)
{
	report_point(o, goal, "", 0, what, figure, unit, target, met);
}

/* ---- zones ---- */

static size_t put_label(uint8_t *out, const char *text)
{
	size_t len = strlen(text);

	out[0] = (uint8_t)len;
	memcpy(out + 1, text, len);
	return len + 1;
}

static uint8_t apex[NAME_LEN_MAX];
static size_t apex_len;

static void host_name(uint8_t *out, uint32_t i)
{
	char label[16];

	snprintf(label, sizeof(label), "h%x", i);
	memcpy(out + put_label(out, label), apex, apex_len);
}

static void must(enum builder_verdict v)
{
	if (v != BUILDER_OK)
		die(builder_verdict_text(v));
}

static void add_apex(struct builder *b, uint32_t serial)
{
	uint8_t rdata[2 * NAME_LEN_MAX + 20], ns[NAME_LEN_MAX], address[4] = {192, 0, 2, 1};
	size_t len = 0;

	len = put_label(rdata, "ns1");
	memcpy(rdata + len, apex, apex_len);
	len += apex_len;
	len += put_label(rdata + len, "admin");
	memcpy(rdata + len, apex, apex_len);
	len += apex_len;
	for (unsigned i = 0; i < 5; i++)
		wire_store32(rdata + len + 4 * i, i == 0 ? serial : 3600);
	must(builder_add(b, apex, DNS_TYPE_SOA, 3600, rdata, (uint16_t)(len + 20)));
	for (unsigned i = 1; i <= 2; i++) {
		char label[8];

		snprintf(label, sizeof(label), "ns%u", i);
		len = put_label(ns, label);
		memcpy(ns + len, apex, apex_len);
		must(builder_add(b, apex, DNS_TYPE_NS, 3600, ns, (uint16_t)(len + apex_len)));
	}
	for (unsigned i = 1; i <= 2; i++) {
		char label[8];

		snprintf(label, sizeof(label), "ns%u", i);
		len = put_label(ns, label);
		memcpy(ns + len, apex, apex_len);
		must(builder_add(b, ns, DNS_TYPE_A, 3600, address, 4));
	}
}

static void add_host(struct builder *b, uint32_t i)
{
	uint8_t name[NAME_LEN_MAX], address[16] = {0x20, 0x01, 0x0d, 0xb8};

	host_name(name, i);
	wire_store32(address + 12, i);
	must(builder_add(b, name, DNS_TYPE_A, 3600, address + 12, 4));
	if (i % 4 == 0)
		must(builder_add(b, name, DNS_TYPE_AAAA, 3600, address, 16));
}

static struct snapshot *finish(struct builder *b)
{
	struct builder_report rep;
	struct snapshot *s = NULL;

	must(builder_finish(b, &s, &rep));
	builder_free(b);
	return s;
}

static struct builder *start(struct arena *arena, const struct snapshot *base)
{
	struct builder *b = builder_new(arena, KEY, apex, base, NULL);

	if (b == NULL)
		die("no memory for a builder");
	return b;
}

/* host.test of MEASURE.md with so many names. Times are split at the last record. */
static struct snapshot *build_hosts(struct arena *arena, uint32_t names, double *out_records,
				    double *out_finish)
{
	struct builder *b = start(arena, NULL);
	double t0 = now(), t1;
	struct snapshot *s;

	add_apex(b, 1);
	for (uint32_t i = 0; i < names; i++)
		add_host(b, i);
	t1 = now();
	s = finish(b);
	*out_records = t1 - t0;
	*out_finish = now() - t1;
	return s;
}

static struct arena *arena_start(void)
{
	struct arena_config config = {.bytes_max = ARENA_MAX, .huge_pages = true};
	struct arena *a;

	/* Under valgrind there is less address space. */
	for (; config.bytes_max >= UINT64_C(1) << 30; config.bytes_max /= 2)
		if (arena_new(&config, &a) == 0)
			return a;
	die("cannot reserve address space for the arena");
	return NULL;
}

static void arena_stop(struct arena *a)
{
	rcu_barrier();
	arena_free(a);
}

/* VmRSS and HugetlbPages, in octets. */
static double resident(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	double kib = 0, v;
	char line[256];

	if (f == NULL)
		die("cannot read /proc/self/status");
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %lf", &v) == 1 || sscanf(line, "HugetlbPages: %lf", &v) == 1)
			kib += v;
	fclose(f);
	return kib * 1024;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, unsigned cnt)
{
	qsort(v, cnt, sizeof(*v), compare_double);
	return v[cnt / 2];
}

static double exponent(const double *x, const double *y, unsigned cnt)
{
	double sx = 0, sy = 0, sxx = 0, sxy = 0;

	for (unsigned i = 0; i < cnt; i++) {
		double lx = log(x[i]), ly = log(y[i]);

		sx += lx;
		sy += ly;
		sxx += lx * lx;
		sxy += lx * ly;
	}
	return (cnt * sxy - sx * sy) / (cnt * sxx - sx * sx);
}

/* ---- G6: memory ---- */

static struct snapshot *build_delegations(struct arena *arena, uint32_t names)
{
	struct builder *b = start(arena, NULL);

	add_apex(b, 1);
	for (uint32_t i = 0; i < names; i++) {
		uint8_t name[NAME_LEN_MAX];

		host_name(name, i);
		for (unsigned k = 1; k <= 2; k++) {
			uint8_t ns[NAME_LEN_MAX];
			char label[32];
			size_t len;

			snprintf(label, sizeof(label), "ns%u", k);
			len = put_label(ns, label);
			snprintf(label, sizeof(label), "provider%u",
				 (unsigned)(i * UINT64_C(2654435761) % 1000));
			len += put_label(ns + len, label);
			len += put_label(ns + len, "net");
			ns[len++] = 0;
			must(builder_add(b, name, DNS_TYPE_NS, 86400, ns, (uint16_t)len));
		}
	}
	return finish(b);
}

static void bench_memory(const struct options *o)
{
	uint32_t names = 1000000; /* takes seconds; fewer would show the chunks, not the records */
	struct arena *arena = arena_start();
	struct snapshot_info info;
	struct arena_info ai;
	struct snapshot *s;
	double before = resident(), records, end, per;

	s = build_hosts(arena, names, &records, &end);
	snapshot_info(s, &info);
	arena_info(arena, &ai);
	per = (resident() - before) / (double)info.records;
	report(o, "G6a", "host.test, resident octets per record (engine only)", per, "B/record", "<= 50",
	       per <= 50);
	report(o, "G6a", "host.test, octets of blocks per record", (double)info.bytes / (double)info.records,
	       "B/record", "", -1);
	snapshot_retire(s);
	before = resident();
	arena_stop(arena);
	arena = arena_start();
	before = resident();
	s = build_delegations(arena, names);
	snapshot_info(s, &info);
	per = (resident() - before) / (double)info.delegations;
	report(o, "G6b", "delegations over 1000 NS sets, resident octets each", per, "B/delegation", "<= 36",
	       per <= 36);
	report(o, "G6b", "the same, octets of blocks", (double)info.bytes / (double)info.delegations,
	       "B/delegation", "", -1);
	snapshot_retire(s);
	arena_stop(arena);
	report(o, "G6", "all chunks on huge pages", ai.huge_pages, "", "", -1);
}

/* ---- G4: lookups ---- */

/* Nanoseconds per lookup, hashing included; burst names at a time. */
static double time_lookups(const struct snapshot *s, uint32_t names, unsigned burst, uint32_t cnt,
			   struct rng *r)
{
	uint8_t(*name)[64] = malloc((size_t)cnt * sizeof(*name));
	struct name_hashes hashes[BURST];
	struct lookup l[BURST], *lp[BURST];
	unsigned labels = snapshot_apex_label_cnt(s);
	uint64_t seen = 0;
	double t;

	if (name == NULL)
		die("no memory for questions");
	for (uint32_t i = 0; i < cnt; i++)
		host_name(name[i], (uint32_t)(rng_next(r) % names));
	t = now();
	for (uint32_t i = 0; i + burst <= cnt; i += burst) {
		for (unsigned k = 0; k < burst; k++) {
			name_hash_suffixes(name[i + k], KEY, &hashes[k]);
			l[k] = (struct lookup){.snap = s,
					       .name = name[i + k],
					       .hashes = &hashes[k],
					       .apex_label = (uint8_t)(hashes[k].label_cnt - labels)};
			lp[k] = &l[k];
		}
		lookup_burst(lp, burst);
		for (unsigned k = 0; k < burst; k++) {
			struct rrset set;

			if (l[k].kind != LOOKUP_EXACT || !entry_set(s, l[k].entry, DNS_TYPE_A, &set))
				die("a name was not found");
			seen += set.body[15];
		}
	}
	t = now() - t;
	free(name);
	if (seen == 1)
		printf("\n"); /* so that reading the sets is not optimised away */
	return t / cnt * 1e9;
}

static void bench_lookup(const struct options *o)
{
	static const uint32_t sizes[] = {1000, 100000, 1000000, 10000000};
	uint32_t cnt = o->quick ? 200000 : 1000000;
	double first = 0;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && sizes[i] <= o->names_max; i++) {
		struct arena *arena = arena_start();
		double a, b, with[RUNS], without[RUNS];
		struct snapshot *s = build_hosts(arena, sizes[i], &a, &b);
		struct rng r = {i + 1};
		char what[80];

		for (unsigned k = 0; k < RUNS; k++) {
			with[k] = time_lookups(s, sizes[i], BURST, cnt, &r);
			without[k] = time_lookups(s, sizes[i], 1, cnt, &r);
		}
		snprintf(what, sizeof(what), "lookup of a random name of %u, bursts of %u", sizes[i], BURST);
		report_point(o, "G4", "bursts of 32", sizes[i], what, median(with, RUNS), "ns", "", -1);
		snprintf(what, sizeof(what), "lookup of a random name of %u, one at a time", sizes[i]);
		report_point(o, "G4", "one at a time", sizes[i], what, median(without, RUNS), "ns", "", -1);
		if (i == 0)
			first = median(with, RUNS);
		else if (sizes[i] == sizes[3])
			report(o, "G4", "lookups/s at 10M names / at 1k names (engine only)",
			       first / median(with, RUNS), "", ">= 0.70", first / median(with, RUNS) >= 0.70);
		snapshot_retire(s);
		arena_stop(arena);
	}
}

/* ---- G7: build ---- */

static void bench_build(const struct options *o)
{
	static const uint32_t sizes[] = {1000000, 8000000};

	for (unsigned i = 0; i < (o->quick ? 1 : 2); i++) {
		uint32_t names = sizes[i] < o->names_max ? sizes[i] : o->names_max;
		uint32_t cnt = (names + 3) / 4 + names;
		double records[RUNS], end[RUNS];
		unsigned runs = i == 0 ? RUNS : 1;
		char what[80];

		for (unsigned k = 0; k < runs; k++) {
			struct arena *arena = arena_start();

			snapshot_retire(build_hosts(arena, names, &records[k], &end[k]));
			arena_stop(arena);
		}
		snprintf(what, sizeof(what), "build of %u records, per record as it arrives", cnt);
		report(o, "G7", what, median(records, runs) / cnt * 1e9, "ns", "", -1);
		snprintf(what, sizeof(what), "build of %u records, last record to snapshot", cnt);
		report(o, "G7b", what, median(end, runs) * 1e3, "ms", i == 0 ? "<= 100" : "",
		       i == 0 ? median(end, runs) <= 0.1 : -1);
	}
}

/* ---- G8: change ---- */

/* One IXFR: serial + 1, and the A of cnt random names replaced. Returns seconds from the first record on. */
static double apply_change(struct arena *arena, struct snapshot **s, uint32_t names, uint32_t cnt,
			   struct rng *r)
{
	uint32_t *which = malloc(cnt * sizeof(*which));
	uint32_t step = names / cnt;
	uint32_t offset = (uint32_t)(rng_next(r) % step);
	struct snapshot *next;
	struct builder *b;
	double t;

	if (which == NULL)
		die("no memory for changes");
	for (uint32_t i = 0; i < cnt; i++)
		which[i] = i * step + offset;
	t = now();
	b = start(arena, *s);
	for (uint32_t pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < cnt; i++) {
			uint8_t name[NAME_LEN_MAX], address[4];

			host_name(name, which[i]);
			wire_store32(address, which[i]);
			if (pass == 0)
				must(builder_del(b, name, DNS_TYPE_A, address, 4));
			else
				must(builder_add(b, name, DNS_TYPE_A, 3600 + (uint32_t)(rng_next(r) % 7),
						 address, 4));
		}
	next = finish(b);
	t = now() - t;
	snapshot_retire(*s);
	*s = next;
	free(which);
	return t;
}

/* A delegation that comes, or goes, above ten names which stay: the one change that looks at the whole zone. */
static double apply_cut(struct arena *arena, struct snapshot **s, bool come)
{
	uint8_t cut[NAME_LEN_MAX], ns[NAME_LEN_MAX] = {2, 'n', 's', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0};
	struct snapshot *next;
	struct builder *b;
	double t = now();

	host_name(cut, 1);
	b = start(arena, *s);
	if (come)
		must(builder_add(b, cut, DNS_TYPE_NS, 3600, ns, 12));
	else
		must(builder_del(b, cut, DNS_TYPE_NS, ns, 12));
	next = finish(b);
	t = now() - t;
	snapshot_retire(*s);
	*s = next;
	return t;
}

static void bench_cut(const struct options *o, struct arena *arena, struct snapshot **s, uint32_t names)
{
	struct builder *b = start(arena, *s);
	uint8_t name[NAME_LEN_MAX], address[4] = {192, 0, 2, 1};
	struct snapshot *next;
	double t[10];
	char what[80];

	for (unsigned i = 0; i < 10; i++) {
		char label[8];

		snprintf(label, sizeof(label), "s%u", i);
		host_name(name + put_label(name, label), 1);
		must(builder_add(b, name, DNS_TYPE_A, 3600, address, 4));
	}
	next = finish(b);
	snapshot_retire(*s);
	*s = next;
	for (unsigned i = 0; i < 10; i++)
		t[i] = apply_cut(arena, s, i % 2 == 0);
	snprintf(what, sizeof(what), "a cut comes or goes above 10 of %u names", names);
	report_point(o, "G8", "a cut above 10 names", names, what, median(t, 10) * 1e6, "us", "", -1);
}

static void bench_change(const struct options *o)
{
	static const uint32_t sizes[] = {10000, 100000, 1000000, 10000000};
	static const uint32_t changes[] = {1, 10, 100, 1000, 10000, 100000};
	double x[8], y[8], a, b, e;
	unsigned cnt = 0;
	char what[80];

	for (unsigned i = 0; i < 4 && sizes[i] <= o->names_max; i++) {
		struct arena *arena = arena_start();
		struct snapshot *s = build_hosts(arena, sizes[i], &a, &b);
		struct rng r = {5};
		double t[201];

		for (unsigned k = 0; k < 201; k++)
			t[k] = apply_change(arena, &s, sizes[i], 10, &r);
		x[cnt] = sizes[i];
		y[cnt++] = median(t, 201);
		snprintf(what, sizeof(what), "change of 10 records in %u names", sizes[i]);
		report_point(o, "G8b", "change of 10 records", sizes[i], what, y[cnt - 1] * 1e6, "us", "",
			     -1);
		bench_cut(o, arena, &s, sizes[i]);
		snapshot_retire(s);
		arena_stop(arena);
	}
	if (cnt > 1) {
		e = exponent(x, y, cnt);
		report(o, "G8b", "exponent of apply time over zone size", e, "", "<= 0.10", e <= 0.10);
	}
	cnt = 0;
	for (unsigned i = 0; i < 6; i++) {
		struct arena *arena = arena_start();
		struct snapshot *s = build_hosts(arena, 1000000, &a, &b);
		unsigned runs = changes[i] <= 1000 ? 51 : 3;
		struct rng r = {5};
		double t[51];

		for (unsigned k = 0; k < runs; k++)
			t[k] = apply_change(arena, &s, 1000000, changes[i], &r);
		x[cnt] = changes[i];
		y[cnt++] = median(t, runs);
		snprintf(what, sizeof(what), "change of %u records in 1000000 names", changes[i]);
		report_point(o, "G8c", "1,000,000 names", changes[i], what, y[cnt - 1] * 1e6, "us", "", -1);
		snapshot_retire(s);
		arena_stop(arena);
	}
	e = exponent(x, y, cnt);
	report(o, "G8c", "exponent of apply time over change size", e, "", "<= 1.05", e <= 1.05);
}

/* ---- G13: a million changes ---- */

static void bench_endurance(const struct options *o)
{
	uint32_t names = 20000, cnt = o->quick ? 50000 : 1000000;
	struct arena *arena = arena_start();
	double a, b, first = 0, last;
	struct snapshot *s = build_hosts(arena, names, &a, &b);
	struct rng r = {11};

	for (uint32_t i = 0; i < cnt; i++) {
		apply_change(arena, &s, names, 1 + (uint32_t)(rng_next(&r) % 3), &r);
		if (i == cnt / 100)
			first = resident();
	}
	rcu_barrier();
	last = resident();
	report(o, "G13", "resident after all changes / after the first hundredth", last / first, "",
	       "<= 1.05", last / first <= 1.05);
	snapshot_retire(s);
	arena_stop(arena);
}

/* ---- the zone table ---- */

static void small_apex(uint8_t out[NAME_LEN_MAX], uint32_t i)
{
	char label[32];
	size_t len;

	snprintf(label, sizeof(label), "zone%07u", i);
	len = put_label(out, label);
	len += put_label(out + len, "test");
	out[len] = 0;
}

static struct snapshot *small_zone(struct arena *arena, uint32_t i)
{
	struct builder *b;

	small_apex(apex, i);
	apex_len = name_len(apex);
	b = start(arena, NULL);
	add_apex(b, 1);
	for (uint32_t k = 1; k <= 4; k++)
		add_host(b, k);
	return finish(b);
}

static double time_finds(const struct zonetab *t, uint32_t zones, struct rng *r)
{
	struct zonetab_find f[BURST], *fp[BURST];
	static uint8_t name[BURST][NAME_LEN_MAX];
	static struct name_hashes hashes[BURST];
	double total = 0;

	for (unsigned round = 0; round < 20000; round++) {
		double t0;

		for (unsigned k = 0; k < BURST; k++) {
			memcpy(name[k], "\3www", 4);
			small_apex(name[k] + 4, (uint32_t)(rng_next(r) % zones));
			name_hash_suffixes(name[k], KEY, &hashes[k]);
			f[k] = (struct zonetab_find){.name = name[k], .hashes = &hashes[k]};
			fp[k] = &f[k];
		}
		t0 = now();
		zonetab_find_burst(t, fp, BURST);
		total += now() - t0;
		for (unsigned k = 0; k < BURST; k++)
			if (f[k].snap == NULL)
				die("a zone was not found");
	}
	return total / 20000 / BURST * 1e9;
}

static void bench_table(const struct options *o)
{
	uint32_t zones = o->quick ? 100000 : 1000000;
	struct arena *arena = arena_start();
	struct zonetab *t = zonetab_new(KEY);
	uint8_t saved[NAME_LEN_MAX];
	size_t saved_len = apex_len;
	double before = resident(), t0, worst = 0, per, changes[1001];
	struct rng r = {3};
	uint32_t slot;

	memcpy(saved, apex, sizeof(saved));
	t0 = now();
	for (uint32_t i = 0; i < zones; i++) {
		struct snapshot *s = small_zone(arena, i);
		double t1 = now();

		if (zonetab_add(t, apex, &slot) < 0 || slot != i)
			die("a zone could not be added");
		zonetab_publish(t, slot, &s);
		worst = now() - t1 > worst ? now() - t1 : worst;
	}
	report(o, "G11", "zones of 10 records built and added per second", zones / (now() - t0), "1/s", "",
	       -1);
	report(o, "G11", "longest add and publish", worst * 1e3, "ms", "", -1);
	per = (resident() - before) / zones;
	report(o, "G11a", "resident octets per zone of 10 records (engine only)", per, "B/zone", "<= 2048",
	       per <= 2048);
	report(o, "G11", "zone found, bursts of 32", time_finds(t, zones, &r), "ns", "", -1);
	for (unsigned k = 0; k < 1001; k++) {
		uint32_t i = (uint32_t)(rng_next(&r) % zones);
		struct snapshot *s = small_zone(arena, i);

		t0 = now();
		zonetab_publish(t, i, &s);
		changes[k] = now() - t0;
	}
	report(o, "G11", "one zone of them changed (publish)", median(changes, 1001) * 1e9, "ns", "", -1);
	zonetab_free(t);
	arena_stop(arena);
	memcpy(apex, saved, sizeof(saved));
	apex_len = saved_len;
}

static const struct {
	const char *name;
	void (*run)(const struct options *o);
} benches[] = {{"G6", bench_memory}, {"G4", bench_lookup},     {"G7", bench_build},
	       {"G8", bench_change}, {"G13", bench_endurance}, {"table", bench_table}};
#define BENCH_CNT (sizeof(benches) / sizeof(benches[0]))

static int usage(int status)
{
	fprintf(status == 0 ? stdout : stderr,
		"usage: zone_bench [--json] [--quick] [--names N] [G4|G6|G7|G8|G13|table ...]\n"
		"  --names N  no zone larger than N names in G4, G7 and G8 (default 10000000; 1000000 with "
		"--quick)\n");
	return status;
}

int main(int argc, char **argv)
{
	struct options o = {.names_max = 0};
	bool chosen[BENCH_CNT] = {false}, any = false;

	for (int i = 1; i < argc; i++) {
		bool known = false;

		if (strcmp(argv[i], "--json") == 0) {
			o.json = true;
			continue;
		}
		if (strcmp(argv[i], "--quick") == 0) {
			o.quick = true;
			continue;
		}
		if (strcmp(argv[i], "--names") == 0 && i + 1 < argc) {
			o.names_max = (uint32_t)strtoul(argv[++i], NULL, 10);
			continue;
		}
		if (strcmp(argv[i], "--help") == 0)
			return usage(0);
		/* "G6a" chooses G6. */
		for (unsigned k = 0; k < BENCH_CNT; k++)
			if (strncmp(argv[i], benches[k].name, strlen(benches[k].name)) == 0)
				known = any = chosen[k] = true;
		if (!known)
			return usage(2);
	}
	if (o.names_max == 0)
		o.names_max = o.quick ? 1000000 : 10000000;
	apex_len = put_label(apex, "host");
	apex_len += put_label(apex + apex_len, "test");
	apex[apex_len++] = 0;
	rcu_register_thread();
	for (unsigned k = 0; k < BENCH_CNT; k++)
		if (chosen[k] || !any)
			benches[k].run(&o);
	rcu_unregister_thread();
	return 0;
}
