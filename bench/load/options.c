#include "bench/load/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "bench/load/sender.h"
#include "dataplane/dns/protocol.h"

#define FRAMES_DEFAULT (1u << 20)
#define BURST_DEFAULT  64

enum key {
	KEY_VDEV = 256,
	KEY_PCI,
	KEY_PREFIX,
	KEY_MEMORY,
	KEY_CPUS,
	KEY_RING,
	KEY_WAIT,
	KEY_SERVER,
	KEY_SERVER_MAC,
	KEY_SOURCE,
	KEY_QUERIES,
	KEY_EXPECT,
	KEY_NAMES,
	KEY_ZONE,
	KEY_LABEL,
	KEY_TYPE,
	KEY_RCODE,
	KEY_FRAMES,
	KEY_EDNS,
	KEY_DO,
	KEY_RD,
	KEY_MALFORM,
	KEY_SEED,
	KEY_RATE,
	KEY_SEARCH,
	KEY_RATE_MAX,
	KEY_LOSS,
	KEY_SECONDS,
	KEY_STEP,
	KEY_WARMUP,
	KEY_DRAIN,
	KEY_LATE,
	KEY_BURST,
	KEY_CHECK,
	KEY_ECHO,
	KEY_JSON,
	KEY_QUIET,
	KEY_PCAP,
	KEY_HELP,
};

static const struct help {
	const char *name;
	const char *arg; /* NULL: none */
	enum key key;
	const char *text;
} options[] = {
	{"vdev", "ARGS", KEY_VDEV,
	 "virtual device: net_memif0,role=client,id=0,socket=/run/x.sock,socket-abstract=no; "
	 "net_af_xdp0,iface=eth1"},
	{"pci", "ADDR", KEY_PCI, "device bound to DPDK, with its arguments: 0000:03:00.0"},
	{"cpus", "LIST", KEY_CPUS, "CPUs that send, a queue pair each: 0 or 2,3 (0)"},
	{"memory", "MB", KEY_MEMORY, "huge pages for packets; 0: ordinary memory (0)"},
	{"file-prefix", "NAME", KEY_PREFIX, "of DPDK's files (lockstep-load)"},
	{"ring", "N", KEY_RING, "descriptors of each queue (1024)"},
	{"wait", "S", KEY_WAIT, "for the link to come up (10)"},
	{"server", "ADDR", KEY_SERVER, "address asked; several, also of both families, are asked in turn"},
	{"server-mac", "MAC", KEY_SERVER_MAC, "its Ethernet address, or the gateway's (02:00:00:00:00:01)"},
	{"source", "PREFIX", KEY_SOURCE,
	 "source addresses, one option per family (198.18.0.0/16 and 2001:2::/48)"},
	{"queries", "FILE", KEY_QUERIES, "dnsperf query file, asked in its order"},
	{"expect", "FILE", KEY_EXPECT, "lines of name, type, RCODE and rdata: what the answers should be"},
	{"names", "N", KEY_NAMES, "instead of a file: hosts h0..., N of them, at random (1000)"},
	{"zone", "NAME", KEY_ZONE, "below this (host.test)"},
	{"label", "TEXT", KEY_LABEL, "what their labels begin with (h)"},
	{"type", "TYPE", KEY_TYPE, "of these (A)"},
	{"rcode", "RCODE", KEY_RCODE,
	 "expected where no expectation says more: NXDOMAIN, any... (NOERROR; any of a file)"},
	{"frames", "N", KEY_FRAMES, "distinct requests made in advance, a multiple of 65,536 (1,048,576)"},
	{"edns", "SIZE", KEY_EDNS, "payload size of EDNS; 0: no EDNS (1232)"},
	{"do", NULL, KEY_DO, "ask for DNSSEC records"},
	{"rd", NULL, KEY_RD, "set RD"},
	{"malform", "KIND", KEY_MALFORM,
	 "spoil each request: opt, question (answered FORMERR); header, response, checksum"},
	{"seed", "N", KEY_SEED, "another draw of names and sources (1)"},
	{"rate", "N", KEY_RATE, "constant rate in requests a second, instead of as fast as possible"},
	{"search", NULL, KEY_SEARCH, "find the highest constant rate without loss"},
	{"rate-max", "N", KEY_RATE_MAX, "where the search begins (what a blast was answered)"},
	{"loss", "SHARE", KEY_LOSS, "loss that a search allows, 0.001 is one in a thousand (0)"},
	{"seconds", "S", KEY_SECONDS, "how long to send; the longest for all of a search (10; 120)"},
	{"step", "S", KEY_STEP, "length of a step of a search (2)"},
	{"warmup", "S", KEY_WARMUP, "sent before, not counted (0.2)"},
	{"drain", "S", KEY_DRAIN, "wait for answers after the last request (0.2)"},
	{"late", "S", KEY_LATE, "an answer that takes longer is counted as late (0.1)"},
	{"burst", "N", KEY_BURST, "requests sent at a time, to 128 (64)"},
	{"check-every", "N", KEY_CHECK,
	 "one answer in so many is checked for addresses, checksums and content (61)"},
	{"echo", NULL, KEY_ECHO, "the other side sends requests back as they are: testpmd 5tswap"},
	{"json", NULL, KEY_JSON, "the report as one JSON object"},
	{"quiet", NULL, KEY_QUIET, "no progress lines"},
	{"pcap", "FILE", KEY_PCAP, "write the requests there instead of sending them"},
	{"help", NULL, KEY_HELP, "this"},
};

#define OPTION_CNT (sizeof(options) / sizeof(options[0]))

static void print_help(void)
{
	printf("lockstep-load: DNS requests through a DPDK port, as fast as wanted, every answer checked\n\n"
	       "  lockstep-load --vdev ARGS|--pci ADDR --server ADDR [options]\n\n");
	for (size_t i = 0; i < OPTION_CNT; i++)
		printf("  --%-12s %-7s %s\n", options[i].name, options[i].arg == NULL ? "" : options[i].arg,
		       options[i].text);
	printf("\nEvery answer is matched to its request and checked for QR, question and RCODE. Progress "
	       "goes to "
	       "stderr once a\nsecond, the report to stdout. Exit code: 0 measured and all right, 2 measured "
	       "but an "
	       "answer was wrong, 1 not\nmeasured.\n");
}

static int complain(const char *option, const char *value, const char *wanted)
{
	fprintf(stderr, "lockstep-load: --%s %s: %s is wanted\n", option, value, wanted);
	return -EINVAL;
}

static int parse_number(const char *text, double low, double high, double *out)
{
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (end == text || *end != '\0' || errno != 0 || !isfinite(value) || value < low || value > high)
		return -EINVAL;
	*out = value;
	return 0;
}

static int take_number(const char *option, const char *text, double low, double high, double *out)
{
	char wanted[80];

	if (parse_number(text, low, high, out) == 0)
		return 0;
	snprintf(wanted, sizeof(wanted), "a number from %g to %.15g", low, high);
	return complain(option, text, wanted);
}

static int take_unsigned(const char *option, const char *text, unsigned low, unsigned high, unsigned *out)
{
	double value;

	if (parse_number(text, low, high, &value) < 0 || value != floor(value)) {
		char wanted[80];

		snprintf(wanted, sizeof(wanted), "a whole number from %u to %u", low, high);
		return complain(option, text, wanted);
	}
	*out = (unsigned)value;
	return 0;
}

static int take_mac(const char *option, const char *text, uint8_t out[6])
{
	unsigned part[6];
	char end;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &part[0], &part[1], &part[2], &part[3], &part[4],
		   &part[5], &end) != 6)
		return complain(option, text, "an address such as 02:00:00:00:00:01");
	for (unsigned i = 0; i < 6; i++)
		out[i] = (uint8_t)part[i];
	return 0;
}

static int parse_address(const char *text, struct frames_address *out)
{
	if (inet_pton(AF_INET, text, out->octets) == 1)
		out->family = 4;
	else if (inet_pton(AF_INET6, text, out->octets) == 1)
		out->family = 6;
	else
		return -EINVAL;
	return 0;
}

static int take_server(struct frames_plan *plan, const char *text)
{
	if (plan->server_cnt == FRAMES_SERVERS_MAX)
		return complain("server", text, "no more than 16 of them");
	if (parse_address(text, &plan->server[plan->server_cnt]) < 0)
		return complain("server", text, "an IPv4 or IPv6 address");
	plan->server_cnt++;
	return 0;
}

static int take_source(struct frames_plan *plan, const char *text)
{
	struct frames_address source = {0};
	char copy[INET6_ADDRSTRLEN + 4];
	char *slash;
	double len;

	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	if (slash != NULL)
		*slash = '\0';
	if (parse_address(copy, &source) < 0)
		return complain("source", text, "a prefix such as 198.18.0.0/16");
	len = source.family == 4 ? 32 : 128;
	if (slash != NULL && parse_number(slash + 1, 0, len, &len) < 0)
		return complain("source", text, "a prefix length of the address");
	source.prefix_len = (uint8_t)len;
	*(source.family == 4 ? &plan->source4 : &plan->source6) = source;
	return 0;
}

static int take_cpus(struct link_config *link, const char *text)
{
	link->cpu_cnt = 0;
	for (const char *p = text;; p++) {
		char *end;
		unsigned long cpu = strtoul(p, &end, 10);

		if (end == p || cpu > 1023 || link->cpu_cnt == LINK_CORES_MAX ||
		    (*end != ',' && *end != '\0'))
			return complain("cpus", text, "a list such as 2,3 of at most 32 CPUs");
		link->cpu[link->cpu_cnt++] = (unsigned)cpu;
		if (*end == '\0')
			return 0;
		p = end;
	}
}

static int take_malform(struct frames_plan *plan, const char *text)
{
	for (unsigned i = 1; i < FRAMES_MALFORM_CNT; i++) {
		if (strcmp(text, frames_malform_text[i]) == 0) {
			plan->malform = (enum frames_malform)i;
			return 0;
		}
	}
	return complain("malform", text, "opt, question, header, response or checksum");
}

static int take_type(struct load_options *o, const char *text)
{
	int type = queries_type(text);

	if (type < 0)
		return complain("type", text, "a type");
	o->type = (uint16_t)type;
	return 0;
}

static int take_rcode(struct load_options *o, const char *text)
{
	o->rcode = strcasecmp(text, "any") == 0 ? QUERIES_RCODE_ANY : queries_rcode(text);
	return o->rcode == -EINVAL ? complain("rcode", text, "an RCODE, or any") : 0;
}

static int take_edns(struct load_options *o, const char *text)
{
	unsigned size = 0;
	int rc = take_unsigned("edns", text, 0, UINT16_MAX, &size);

	o->frames.edns = (uint16_t)size;
	return rc;
}

static int take_seed(struct load_options *o, const char *text)
{
	unsigned seed = 0;
	int rc = take_unsigned("seed", text, 0, UINT_MAX, &seed);

	o->frames.seed = seed;
	return rc;
}

static int take_ring(struct load_options *o, const char *text)
{
	int rc = take_unsigned("ring", text, 64, 16384, &o->link.ring);

	if (rc == 0 && (o->link.ring & (o->link.ring - 1)) != 0)
		return complain("ring", text, "a power of two");
	return rc;
}

/* Options of the device and the requests. -ENOENT: another. */
static int take_what(struct load_options *o, int key, const char *arg)
{
	switch (key) {
	case KEY_VDEV:
		o->link.vdev = arg;
		return 0;
	case KEY_PCI:
		o->link.pci = arg;
		return 0;
	case KEY_PREFIX:
		o->link.prefix = arg;
		return 0;
	case KEY_MEMORY:
		return take_unsigned("memory", arg, 0, 1 << 20, &o->link.memory_mb);
	case KEY_CPUS:
		return take_cpus(&o->link, arg);
	case KEY_RING:
		return take_ring(o, arg);
	case KEY_WAIT:
		return take_unsigned("wait", arg, 0, 3600, &o->link.wait_s);
	case KEY_SERVER:
		return take_server(&o->frames, arg);
	case KEY_SERVER_MAC:
		return take_mac("server-mac", arg, o->frames.server_mac);
	case KEY_SOURCE:
		return take_source(&o->frames, arg);
	case KEY_QUERIES:
		o->query_file = arg;
		return 0;
	case KEY_EXPECT:
		o->expect_file = arg;
		return 0;
	case KEY_NAMES:
		return take_unsigned("names", arg, 1, UINT_MAX, &o->names);
	case KEY_ZONE:
		o->zone = arg;
		return 0;
	case KEY_LABEL:
		o->prefix = arg;
		return 0;
	case KEY_TYPE:
		return take_type(o, arg);
	case KEY_RCODE:
		return take_rcode(o, arg);
	case KEY_FRAMES:
		return take_unsigned("frames", arg, FRAMES_CNT_MIN, FRAMES_CNT_MAX, &o->frames.cnt);
	case KEY_EDNS:
		return take_edns(o, arg);
	case KEY_MALFORM:
		return take_malform(&o->frames, arg);
	case KEY_SEED:
		return take_seed(o, arg);
	}
	return -ENOENT;
}

/* Options of the run. */
static int take_how(struct load_options *o, int key, const char *arg)
{
	switch (key) {
	case KEY_DO:
		o->frames.dnssec_ok = true;
		return 0;
	case KEY_RD:
		o->frames.recursion_desired = true;
		return 0;
	case KEY_RATE:
		o->mode = LOAD_RATE;
		return take_number("rate", arg, 1, 1e10, &o->rate);
	case KEY_SEARCH:
		o->mode = LOAD_SEARCH;
		return 0;
	case KEY_RATE_MAX:
		return take_number("rate-max", arg, 1, 1e10, &o->rate_max);
	case KEY_LOSS:
		return take_number("loss", arg, 0, 1, &o->loss);
	case KEY_SECONDS:
		return take_number("seconds", arg, 0.01, 1e6, &o->seconds);
	case KEY_STEP:
		return take_number("step", arg, 0.1, 3600, &o->step_seconds);
	case KEY_WARMUP:
		return take_number("warmup", arg, 0, 3600, &o->warmup_seconds);
	case KEY_DRAIN:
		return take_number("drain", arg, 0, 60, &o->drain_seconds);
	case KEY_LATE:
		return take_number("late", arg, 0, 60, &o->late_seconds);
	case KEY_BURST:
		return take_unsigned("burst", arg, 1, SENDER_BURST_MAX, &o->burst);
	case KEY_CHECK:
		return take_unsigned("check-every", arg, 0, UINT_MAX, &o->check_every);
	case KEY_ECHO:
		o->echo = true;
		return 0;
	case KEY_JSON:
		o->json = true;
		return 0;
	case KEY_QUIET:
		o->quiet = true;
		return 0;
	case KEY_PCAP:
		o->pcap = arg;
		return 0;
	}
	return -EINVAL; // getopt has said why
}

static void set_defaults(struct load_options *o)
{
	*o = (struct load_options){
		.link = {.prefix = "lockstep-load", .cpu_cnt = 1, .ring = 1024, .wait_s = 10},
		.frames = {.source4 = {.family = 4,
				       .octets = {198, 18},
				       .prefix_len = 16}, // RFC 2544, for tests
			   .source6 = {.family = 6, .octets = {0x20, 1, 0, 2}, .prefix_len = 48}, // RFC 5180
			   .server_mac = {2, 0, 0, 0, 0, 1},
			   .source_mac = {2, 0, 0, 0, 0, 2},
			   .cnt = FRAMES_DEFAULT,
			   .edns = 1232,
			   .seed = 1},
		.prefix = "h",
		.zone = "host.test",
		.names = 1000,
		.type = DNS_TYPE_A,
		.rcode = -EINVAL, // not said
		.step_seconds = 2,
		.warmup_seconds = 0.2,
		.drain_seconds = 0.2,
		.late_seconds = 0.1,
		.burst = BURST_DEFAULT,
		.check_every = 61,
	};
}

/* What depends on several options. */
static int complete(struct load_options *o)
{
	const char *wrong = NULL;

	if (o->rcode == -EINVAL)
		o->rcode = o->query_file != NULL ? QUERIES_RCODE_ANY : DNS_RCODE_NOERROR;
	if (o->seconds == 0)
		o->seconds = o->mode == LOAD_SEARCH ? 120 : 10;
	if (o->pcap == NULL && (o->link.vdev == NULL) == (o->link.pci == NULL))
		wrong = "either --vdev or --pci is wanted";
	else if (o->frames.server_cnt == 0)
		wrong = "--server is wanted: the address to ask";
	else if (o->mode == LOAD_SEARCH && o->rate != 0)
		wrong = "--rate and --search exclude each other";
	else if (o->expect_file != NULL && o->query_file == NULL)
		wrong = "--expect needs --queries";
	if (wrong == NULL)
		return 0;
	fprintf(stderr, "lockstep-load: %s; see --help\n", wrong);
	return -EINVAL;
}

int options_parse(struct load_options *o, int argc, char **argv)
{
	struct option longs[OPTION_CNT + 1] = {0};
	int key, rc;

	set_defaults(o);
	for (size_t i = 0; i < OPTION_CNT; i++)
		longs[i] =
			(struct option){options[i].name, options[i].arg != NULL, NULL, (int)options[i].key};
	while ((key = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (key == KEY_HELP) {
			print_help();
			return 1;
		}
		rc = take_what(o, key, optarg);
		if (rc == -ENOENT)
			rc = take_how(o, key, optarg);
		if (rc < 0)
			return rc;
	}
	if (optind < argc) {
		fprintf(stderr, "lockstep-load: `%s` is no option; see --help\n", argv[optind]);
		return -EINVAL;
	}
	return complete(o);
}
