/* The zones of zone_bench, made by the builder from nothing but their size. */
#include "bench/made_zones.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <urcu-qsbr.h>

#define ARENA_MAX (UINT64_C(64) << 30)

uint64_t made_random(struct made_rng *r)
{
	uint64_t z = (r->state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

double made_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void made_die(const char *what)
{
	fprintf(stderr, "zone_bench: %s\n", what);
	exit(1);
}

static size_t put_label(uint8_t *out, const char *text)
{
	size_t len = strlen(text);

	out[0] = (uint8_t)len;
	memcpy(out + 1, text, len);
	return len + 1;
}

static const uint8_t host_test[] = "\4host\4test";

/* A label below the apex. */
static void name_below(uint8_t *out, const char *label, const uint8_t *apex)
{
	memcpy(out + put_label(out, label), apex, name_len(apex));
}

static void host_name_below(uint8_t *out, uint32_t i, const uint8_t *apex)
{
	char label[16];

	snprintf(label, sizeof(label), "h%x", i);
	name_below(out, label, apex);
}

void made_host_name(uint8_t *out, uint32_t i)
{
	host_name_below(out, i, host_test);
}

void made_name_below_host(uint8_t *out, const char *label, uint32_t i)
{
	made_host_name(out + put_label(out, label), i);
}

void made_must(enum builder_verdict v)
{
	if (v != BUILDER_OK)
		made_die(builder_verdict_text(v));
}

/* SOA, two NS and their addresses. */
static void add_apex(struct builder *b, const uint8_t *apex)
{
	uint8_t rdata[2 * NAME_LEN_MAX + 20], ns[NAME_LEN_MAX], address[4] = {192, 0, 2, 1};
	size_t len;

	name_below(rdata, "ns1", apex);
	len = name_len(rdata);
	name_below(rdata + len, "admin", apex);
	len += name_len(rdata + len);
	for (unsigned i = 0; i < 5; i++)
		wire_store32(rdata + len + 4 * i, i == 0 ? 1 : 3600);
	made_must(builder_add(b, apex, DNS_TYPE_SOA, 3600, rdata, (uint16_t)(len + 20)));
	for (unsigned i = 1; i <= 2; i++) {
		name_below(ns, i == 1 ? "ns1" : "ns2", apex);
		made_must(builder_add(b, apex, DNS_TYPE_NS, 3600, ns, (uint16_t)name_len(ns)));
		made_must(builder_add(b, ns, DNS_TYPE_A, 3600, address, 4));
	}
}

static void add_host(struct builder *b, const uint8_t *apex, uint32_t i)
{
	uint8_t name[NAME_LEN_MAX], address[16] = {0x20, 0x01, 0x0d, 0xb8};

	host_name_below(name, i, apex);
	wire_store32(address + 12, i);
	made_must(builder_add(b, name, DNS_TYPE_A, 3600, address + 12, 4));
	if (i % 4 == 0)
		made_must(builder_add(b, name, DNS_TYPE_AAAA, 3600, address, 16));
}

struct snapshot *made_finish(struct builder *b)
{
	struct builder_report rep;
	struct snapshot *s = NULL;

	made_must(builder_finish(b, &s, &rep));
	builder_free(b);
	return s;
}

static struct builder *start_at(struct arena *arena, const uint8_t *apex, const struct snapshot *base)
{
	struct builder *b = builder_new(arena, MADE_KEY, apex, base, NULL);

	if (b == NULL)
		made_die("no memory for a builder");
	return b;
}

struct builder *made_start(struct arena *arena, const struct snapshot *base)
{
	return start_at(arena, host_test, base);
}

struct snapshot *made_hosts(struct arena *arena, uint32_t names, double *out_records, double *out_finish)
{
	struct builder *b = made_start(arena, NULL);
	double t0 = made_now(), t1;
	struct snapshot *s;

	add_apex(b, host_test);
	for (uint32_t i = 0; i < names; i++)
		add_host(b, host_test, i);
	t1 = made_now();
	s = made_finish(b);
	*out_records = t1 - t0;
	*out_finish = made_now() - t1;
	return s;
}

struct arena *made_arena_new(void)
{
	struct arena_config config = {.bytes_max = ARENA_MAX, .huge_pages = true};
	struct arena *a;

	/* Under valgrind there is less address space. */
	for (; config.bytes_max >= UINT64_C(1) << 30; config.bytes_max /= 2)
		if (arena_new(&config, &a) == 0)
			return a;
	made_die("cannot reserve address space for the arena");
	return NULL;
}

void made_arena_free(struct arena *a)
{
	rcu_barrier();
	arena_free(a);
}

double made_resident(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	double kib = 0, v;
	char line[256];

	if (f == NULL)
		made_die("cannot read /proc/self/status");
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %lf", &v) == 1 || sscanf(line, "HugetlbPages: %lf", &v) == 1)
			kib += v;
	fclose(f);
	return kib * 1024;
}

struct snapshot *made_delegations(struct arena *arena, uint32_t names)
{
	struct builder *b = made_start(arena, NULL);

	add_apex(b, host_test);
	for (uint32_t i = 0; i < names; i++) {
		uint8_t name[NAME_LEN_MAX];

		made_host_name(name, i);
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
			made_must(builder_add(b, name, DNS_TYPE_NS, 86400, ns, (uint16_t)len));
		}
	}
	return made_finish(b);
}

void made_small_apex(uint8_t *out, uint32_t i)
{
	char label[32];
	size_t len;

	snprintf(label, sizeof(label), "zone%07u", i);
	len = put_label(out, label);
	len += put_label(out + len, "test");
	out[len] = 0;
}

struct snapshot *made_small_zone(struct arena *arena, uint32_t i)
{
	uint8_t apex[NAME_LEN_MAX];
	struct builder *b;

	made_small_apex(apex, i);
	b = start_at(arena, apex, NULL);
	add_apex(b, apex);
	for (uint32_t k = 1; k <= 4; k++)
		add_host(b, apex, k);
	return made_finish(b);
}
