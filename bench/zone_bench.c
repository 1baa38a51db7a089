/*
 * The snapshot engine alone: memory, time to build, to find and to change, over zone sizes. No EAL, no network, no
 * privileges; huge pages are used when there are any, and the output says so.
 *
 *     zone_bench [--json] [--quick] [--names N] [G4|G6|G7|G8|G13|table ...]
 *
 * One row per figure; with --json one object per line, with the keys of bench/goals. Rivals are measured by
 * bench/goals, not here. Time is the median of several runs; exponents are least-squares fits over logarithms.
 */
#include "bench/made_zones.h"
#include "dataplane/zone/zonetab.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu-qsbr.h>

#define RUNS  5
#define BURST 32

struct options {
	bool json, quick;
	uint32_t names_max; /* of the lookups, builds and changes over sizes */
};

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

static void bench_memory(const struct options *o)
{
	uint32_t names = 1000000; /* takes seconds; fewer would show the chunks, not the records */
	struct arena *arena = made_arena_new();
	struct snapshot_info info;
	struct arena_info ai;
	struct snapshot *s;
	double before = made_resident(), records, end, per;

	s = made_hosts(arena, names, &records, &end);
	snapshot_info(s, &info);
	arena_info(arena, &ai);
	per = (made_resident() - before) / (double)info.records;
	report(o, "G6a", "host.test, resident octets per record (engine only)", per, "B/record", "<= 50",
	       per <= 50);
	report(o, "G6a", "host.test, octets of blocks per record", (double)info.bytes / (double)info.records,
	       "B/record", "", -1);
	snapshot_retire(s);
	before = made_resident();
	made_arena_free(arena);
	arena = made_arena_new();
	before = made_resident();
	s = made_delegations(arena, names);
	snapshot_info(s, &info);
	per = (made_resident() - before) / (double)info.delegations;
	report(o, "G6b", "delegations over 1000 NS sets, resident octets each", per, "B/delegation", "<= 36",
	       per <= 36);
	report(o, "G6b", "the same, octets of blocks", (double)info.bytes / (double)info.delegations,
	       "B/delegation", "", -1);
	snapshot_retire(s);
	made_arena_free(arena);
	report(o, "G6", "all chunks on huge pages", ai.huge_pages, "", "", -1);
}

/* ---- G4: lookups ---- */

/* Nanoseconds per lookup, hashing included; burst names at a time. */
static double time_lookups(const struct snapshot *s, uint32_t names, unsigned burst, uint32_t cnt,
			   struct made_rng *r)
{
	uint8_t(*name)[64] = malloc((size_t)cnt * sizeof(*name));
	struct name_hashes hashes[BURST];
	struct lookup l[BURST], *lp[BURST];
	unsigned labels = snapshot_apex_label_cnt(s);
	uint64_t seen = 0;
	double t;

	if (name == NULL)
		made_die("no memory for questions");
	for (uint32_t i = 0; i < cnt; i++)
		made_host_name(name[i], (uint32_t)(made_random(r) % names));
	t = made_now();
	for (uint32_t i = 0; i + burst <= cnt; i += burst) {
		for (unsigned k = 0; k < burst; k++) {
			name_hash_suffixes(name[i + k], MADE_KEY, &hashes[k]);
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
				made_die("a name was not found");
			seen += set.body[15];
		}
	}
	t = made_now() - t;
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
		struct arena *arena = made_arena_new();
		double a, b, with[RUNS], without[RUNS];
		struct snapshot *s = made_hosts(arena, sizes[i], &a, &b);
		struct made_rng r = {i + 1};
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
		made_arena_free(arena);
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
			struct arena *arena = made_arena_new();

			snapshot_retire(made_hosts(arena, names, &records[k], &end[k]));
			made_arena_free(arena);
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
			   struct made_rng *r)
{
	uint32_t *which = malloc(cnt * sizeof(*which));
	uint32_t step = names / cnt;
	uint32_t offset = (uint32_t)(made_random(r) % step);
	struct snapshot *next;
	struct builder *b;
	double t;

	if (which == NULL)
		made_die("no memory for changes");
	for (uint32_t i = 0; i < cnt; i++)
		which[i] = i * step + offset;
	t = made_now();
	b = made_start(arena, *s);
	for (uint32_t pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < cnt; i++) {
			uint8_t name[NAME_LEN_MAX], address[4];

			made_host_name(name, which[i]);
			wire_store32(address, which[i]);
			if (pass == 0)
				made_must(builder_del(b, name, DNS_TYPE_A, address, 4));
			else
				made_must(builder_add(b, name, DNS_TYPE_A,
						      3600 + (uint32_t)(made_random(r) % 7), address, 4));
		}
	next = made_finish(b);
	t = made_now() - t;
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
	double t = made_now();

	made_host_name(cut, 1);
	b = made_start(arena, *s);
	if (come)
		made_must(builder_add(b, cut, DNS_TYPE_NS, 3600, ns, 12));
	else
		made_must(builder_del(b, cut, DNS_TYPE_NS, ns, 12));
	next = made_finish(b);
	t = made_now() - t;
	snapshot_retire(*s);
	*s = next;
	return t;
}

static void bench_cut(const struct options *o, struct arena *arena, struct snapshot **s, uint32_t names)
{
	struct builder *b = made_start(arena, *s);
	uint8_t name[NAME_LEN_MAX], address[4] = {192, 0, 2, 1};
	struct snapshot *next;
	double t[10];
	char what[80];

	for (unsigned i = 0; i < 10; i++) {
		char label[8];

		snprintf(label, sizeof(label), "s%u", i);
		made_name_below_host(name, label, 1);
		made_must(builder_add(b, name, DNS_TYPE_A, 3600, address, 4));
	}
	next = made_finish(b);
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
		struct arena *arena = made_arena_new();
		struct snapshot *s = made_hosts(arena, sizes[i], &a, &b);
		struct made_rng r = {5};
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
		made_arena_free(arena);
	}
	if (cnt > 1) {
		e = exponent(x, y, cnt);
		report(o, "G8b", "exponent of apply time over zone size", e, "", "<= 0.10", e <= 0.10);
	}
	cnt = 0;
	for (unsigned i = 0; i < 6; i++) {
		struct arena *arena = made_arena_new();
		struct snapshot *s = made_hosts(arena, 1000000, &a, &b);
		unsigned runs = changes[i] <= 1000 ? 51 : 3;
		struct made_rng r = {5};
		double t[51];

		for (unsigned k = 0; k < runs; k++)
			t[k] = apply_change(arena, &s, 1000000, changes[i], &r);
		x[cnt] = changes[i];
		y[cnt++] = median(t, runs);
		snprintf(what, sizeof(what), "change of %u records in 1000000 names", changes[i]);
		report_point(o, "G8c", "1,000,000 names", changes[i], what, y[cnt - 1] * 1e6, "us", "", -1);
		snapshot_retire(s);
		made_arena_free(arena);
	}
	e = exponent(x, y, cnt);
	report(o, "G8c", "exponent of apply time over change size", e, "", "<= 1.05", e <= 1.05);
}

/* ---- G13: a million changes ---- */

static void bench_endurance(const struct options *o)
{
	uint32_t names = 20000, cnt = o->quick ? 50000 : 1000000;
	struct arena *arena = made_arena_new();
	double a, b, first = 0, last;
	struct snapshot *s = made_hosts(arena, names, &a, &b);
	struct made_rng r = {11};

	for (uint32_t i = 0; i < cnt; i++) {
		apply_change(arena, &s, names, 1 + (uint32_t)(made_random(&r) % 3), &r);
		if (i == cnt / 100)
			first = made_resident();
	}
	rcu_barrier();
	last = made_resident();
	report(o, "G13", "resident after all changes / after the first hundredth", last / first, "",
	       "<= 1.05", last / first <= 1.05);
	snapshot_retire(s);
	made_arena_free(arena);
}

/* ---- the zone table ---- */

static double time_finds(const struct zonetab *t, uint32_t zones, struct made_rng *r)
{
	struct zonetab_find f[BURST], *fp[BURST];
	static uint8_t name[BURST][NAME_LEN_MAX];
	static struct name_hashes hashes[BURST];
	double total = 0;

	for (unsigned round = 0; round < 20000; round++) {
		double t0;

		for (unsigned k = 0; k < BURST; k++) {
			memcpy(name[k], "\3www", 4);
			made_small_apex(name[k] + 4, (uint32_t)(made_random(r) % zones));
			name_hash_suffixes(name[k], MADE_KEY, &hashes[k]);
			f[k] = (struct zonetab_find){.name = name[k], .hashes = &hashes[k]};
			fp[k] = &f[k];
		}
		t0 = made_now();
		zonetab_find_burst(t, fp, BURST);
		total += made_now() - t0;
		for (unsigned k = 0; k < BURST; k++)
			if (f[k].snap == NULL)
				made_die("a zone was not found");
	}
	return total / 20000 / BURST * 1e9;
}

static void bench_table(const struct options *o)
{
	uint32_t zones = o->quick ? 100000 : 1000000;
	struct arena *arena = made_arena_new();
	struct zonetab *t = zonetab_new(MADE_KEY);
	uint8_t apex[NAME_LEN_MAX];
	double before = made_resident(), t0, worst = 0, per, changes[1001];
	struct made_rng r = {3};
	uint32_t slot;

	t0 = made_now();
	for (uint32_t i = 0; i < zones; i++) {
		struct snapshot *s = made_small_zone(arena, i);
		double t1 = made_now();

		made_small_apex(apex, i);
		if (zonetab_add(t, apex, &slot) < 0 || slot != i)
			made_die("a zone could not be added");
		zonetab_publish(t, slot, &s);
		worst = made_now() - t1 > worst ? made_now() - t1 : worst;
	}
	report(o, "G11", "zones of 10 records built and added per second", zones / (made_now() - t0), "1/s",
	       "", -1);
	report(o, "G11", "longest add and publish", worst * 1e3, "ms", "", -1);
	per = (made_resident() - before) / zones;
	report(o, "G11a", "resident octets per zone of 10 records (engine only)", per, "B/zone", "<= 2048",
	       per <= 2048);
	report(o, "G11", "zone found, bursts of 32", time_finds(t, zones, &r), "ns", "", -1);
	for (unsigned k = 0; k < 1001; k++) {
		uint32_t i = (uint32_t)(made_random(&r) % zones);
		struct snapshot *s = made_small_zone(arena, i);

		t0 = made_now();
		zonetab_publish(t, i, &s);
		changes[k] = made_now() - t0;
	}
	report(o, "G11", "one zone of them changed (publish)", median(changes, 1001) * 1e9, "ns", "", -1);
	zonetab_free(t);
	made_arena_free(arena);
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
	rcu_register_thread();
	for (unsigned k = 0; k < BENCH_CNT; k++)
		if (chosen[k] || !any)
			benches[k].run(&o);
	rcu_unregister_thread();
	return 0;
}
