/*
 * lockstepctl: a person's way to the control socket. Documented in lockstepctl(8).
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/client.h"
#include "control/cli/pcap.h"
#include "control/cli/show.h"

#define SOCKET_DEFAULT	   "/run/lockstep/control.sock"
#define TIMEOUT_DEFAULT_MS 30000

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,       /* the daemon could not do it */
	EXIT_USAGE = 2,	       /* no such command, wrong arguments */
	EXIT_UNREACHABLE = 3,  /* no daemon at the socket, or no permission */
	EXIT_UNKNOWN_ZONE = 4, /* the zone is not configured */
	EXIT_TIMEOUT = 5,
};

struct command {
	const char *words;   /* as in the protocol */
	bool zone;	     /* takes a zone ... */
	bool optional;	     /* ... or none */
	bool waits;	     /* may take as long as a transfer */
	bool serial;	     /* takes a serial behind the zone, or none */
	bool capture;	     /* writes a file, and takes as long as its options say */
	const char *options; /* those of its own, with blanks around each; NULL: none */
	bool question;	     /* takes a name and a type */
	bool port;	     /* takes a port */
};

static const struct command commands[] = {
	{.words = "status"},
	{.words = "zone status", .zone = true, .optional = true},
	{.words = "zone refresh", .zone = true, .waits = true},
	{.words = "zone retransfer", .zone = true, .waits = true},
	{.words = "zone notify", .zone = true},
	{.words = "zone timing", .zone = true, .optional = true},
	{.words = "zone accept", .zone = true},
	{.words = "zone reject", .zone = true},
	{.words = "zone rollback", .zone = true, .serial = true},
	{.words = "zone resume", .zone = true, .waits = true},
	{.words = "zone dump", .zone = true},
	{.words = "stats"},
	{.words = "port stats", .port = true},
	{.words = "capture",
	 .capture = true,
	 .options = " port client suffix rcode packets seconds snaplen "},
	{.words = "trace", .question = true, .options = " client dnssec bufsize tcp "},
	{.words = "offenders"},
	{.words = "cookies reload"},
	{.words = "tls reload"},
	{.words = "reload"},
	{.words = "key reload"},
	{.words = "stop"},
	{.words = "help"},
};

struct options {
	const char *socket;
	bool json;
	bool no_wait;
	bool describe;
	bool has_serial; /* the argument of zone rollback */
	uint32_t serial;
	const char *write; /* the file of a capture */
	json_t *own;	   /* arguments of the command's own; NULL: none was given */
	FILE *pcap;
	bool has_timeout;
	uint64_t timeout_ms;
};

static void usage(FILE *to)
{
	fputs("usage: lockstepctl [-s SOCKET] [--json] [--timeout SECONDS] COMMAND\n"
	      "  status                        the daemon\n"
	      "  zone status [ZONE]            all zones in a table, or one in detail\n"
	      "  zone refresh ZONE             ask the primaries now; waits for the outcome (--no-wait: does "
	      "not)\n"
	      "  zone retransfer ZONE          transfer whatever the serials are; waits likewise\n"
	      "  zone notify ZONE              tell its secondaries what is served\n"
	      "  zone timing [ZONE]            how long the stages of changes took\n"
	      "  zone accept ZONE              serve the version that is held back\n"
	      "  zone reject ZONE              drop it; the zone stays as it is until a newer one comes\n"
	      "  zone rollback ZONE [SERIAL]   serve a former version, until a newer one comes\n"
	      "  zone resume ZONE              forget what was rejected or rolled back, ask now; waits "
	      "likewise\n"
	      "  zone dump ZONE                the served records in presentation format\n"
	      "  stats [--describe]            all counters, with what they count\n"
	      "  port stats PORT               what the port's driver counts of its own\n"
	      "  offenders                     the networks that were rate limited most of late\n"
	      "  cookies reload                read the secrets of server cookies again\n"
	      "  reload                        read the configuration again: keys, TLS, primaries, "
	      "secondaries, "
	      "zones\n"
	      "  tls reload                    read the certificate of DNS over TLS again\n"
	      "  key reload                    read the files of TSIG keys again\n"
	      "  capture --write FILE          what workers receive and send, for tcpdump -r; --port N, "
	      "--client "
	      "PREFIX,\n"
	      "                                --suffix NAME, --rcode RCODE, --packets N, --seconds N, "
	      "--snaplen N\n"
	      "  trace NAME TYPE               one question through the answer path, what each stage decided "
	      "and "
	      "took;\n"
	      "                                --dnssec, --bufsize N, --tcp, --client ADDRESS\n"
	      "  stop                          end the daemon\n"
	      "  help                          the commands that the running daemon knows\n"
	      "exit codes: 0 done, 1 failed, 2 usage, 3 no lockstepd reached, 4 unknown zone, 5 time-out\n",
	      to);
}

/* The command whose words argv starts with; *used of them. */
static const struct command *find_command(char **argv, int argc, int *used)
{
	char two[64];

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		bool pair = strchr(commands[i].words, ' ') != NULL;

		if (argc < (pair ? 2 : 1))
			continue;
		snprintf(two, sizeof(two), pair ? "%s %s" : "%s", argv[0], pair ? argv[1] : "");
		if (strcmp(two, commands[i].words) == 0) {
			*used = pair ? 2 : 1;
			return &commands[i];
		}
	}
	return NULL;
}

static void set_own(struct options *o, const char *key, json_t *value)
{
	if (o->own == NULL)
		o->own = json_object();
	json_object_set_new(o->own, key, value);
}

/* "--packets" and its like: a number when the protocol wants one. text NULL: a switch. False: it is no number. */
static bool read_own(const char *key, const char *text, struct options *o)
{
	bool is_text = strcmp(key, "client") == 0 || strcmp(key, "suffix") == 0 || strcmp(key, "rcode") == 0;
	char *end = NULL;
	long long n = is_text || text == NULL ? 0 : strtoll(text, &end, 10);

	if (text != NULL && !is_text && (end == text || *end != '\0'))
		return false;
	set_own(o, key, text == NULL ? json_true() : is_text ? json_string(text) : json_integer(n));
	return true;
}

/* The first option that was given and that the command does not take, or NULL. */
static const char *foreign_option(const struct command *command, const struct options *o)
{
	const char *key;
	char word[64];
	json_t *value;

	json_object_foreach(o->own, key, value)
	{
		snprintf(word, sizeof(word), " %s ", key);
		if (command->options == NULL || strstr(command->options, word) == NULL)
			return key;
	}
	return o->write != NULL && !command->capture ? "write" : NULL;
}

static json_t *request_of(const struct command *command, const char *zone, const struct options *o)
{
	json_t *args = json_object();

	if (o->own != NULL)
		json_object_update(args, o->own);
	if (o->has_serial)
		json_object_set_new(args, "serial", json_integer(o->serial));
	if (zone != NULL)
		json_object_set_new(args, "zone", json_string(zone));
	if (o->describe)
		json_object_set_new(args, "describe", json_true());
	return json_pack("{s:i, s:i, s:s, s:o, s:b}", "version", 1, "id", 1, "command", command->words,
			 "args", args, "wait", (int)!o->no_wait);
}

static int exit_code_of(enum client_verdict verdict)
{
	switch (verdict) {
	case CLIENT_OK:
		return EXIT_OK;
	case CLIENT_UNREACHABLE:
		return EXIT_UNREACHABLE;
	case CLIENT_BROKEN:
		return EXIT_FAILED;
	case CLIENT_TIMEOUT:
		return EXIT_TIMEOUT;
	}
	return EXIT_FAILED;
}

static int show_error(const json_t *answer)
{
	const json_t *error = json_object_get(answer, "error");
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));
	const json_t *near = json_object_get(error, "suggestions");

	fprintf(stderr, "lockstepctl: %s\n", message != NULL ? message : "the command failed");
	for (size_t i = 0; i < json_array_size(near); i++)
		fprintf(stderr, "%s%s",
			i == 0				? "Did you mean "
			: i + 1 < json_array_size(near) ? ", "
							: " or ",
			json_string_value(json_array_get(near, i)));
	if (json_array_size(near) > 0)
		fputs("?\n", stderr);
	if (code == NULL)
		return EXIT_FAILED;
	if (strcmp(code, "unknown-zone") == 0)
		return EXIT_UNKNOWN_ZONE;
	if (strcmp(code, "unknown-command") == 0 || strcmp(code, "bad-argument") == 0)
		return EXIT_USAGE;
	return strcmp(code, "denied") == 0 ? EXIT_UNREACHABLE : EXIT_FAILED;
}

/* What is gathered over the parts of an answer. */
struct shown {
	size_t rows;
	json_t *zones; /* --json */
};

static void show_text(const json_t *result)
{
	const json_t *text = json_object_get(result, "text");

	if (text != NULL) /* the end of a dump may have none */
		fwrite(json_string_value(text), 1, json_string_length(text), stdout);
}

static void show_zone_list(const json_t *result, struct shown *shown, bool detail)
{
	const json_t *zones = json_object_get(result, "zones");

	if (detail) {
		show_zone(json_array_get(zones, 0));
		return;
	}
	show_zones(result, shown->rows);
	shown->rows += json_array_size(zones);
}

static void show_capture(const json_t *result, const struct options *o)
{
	if (json_object_get(result, "frames") != NULL) {
		if (pcap_append(o->pcap, result) < 0)
			fprintf(stderr, "lockstepctl: a frame that makes no sense was left out\n");
		return;
	}
	fprintf(stderr, "%lld frames captured, %lld lost; ended by its limit of %s\n",
		(long long)json_integer_value(json_object_get(result, "captured")),
		(long long)json_integer_value(json_object_get(result, "lost")),
		json_string_value(json_object_get(result, "ended_by")));
}

static void show(const struct command *command, const char *zone, const struct options *o,
		 const json_t *result, struct shown *shown)
{
	const char *c = command->words;

	if (strcmp(c, "status") == 0)
		show_status(result);
	else if (strcmp(c, "zone status") == 0)
		show_zone_list(result, shown, zone != NULL);
	else if (command->waits)
		show_ordered(result, !o->no_wait);
	else if (strcmp(c, "zone notify") == 0)
		show_ordered(result, false);
	else if (strcmp(c, "zone timing") == 0)
		show_timing(result);
	else if (command->zone && json_object_get(result, "zones") != NULL)
		show_decided(result);
	else if (strcmp(c, "zone dump") == 0)
		show_text(result);
	else if (strcmp(c, "stats") == 0)
		show_stats(result);
	else if (command->capture)
		show_capture(result, o);
	else if (command->port)
		show_port_stats(result);
	else if (command->question)
		show_trace(result);
	else if (strcmp(c, "offenders") == 0)
		show_offenders(result);
	else if (strcmp(c, "reload") == 0)
		show_reload(result);
	else if (strcmp(c, "cookies reload") == 0)
		printf("%lld secrets are in use\n",
		       (long long)json_integer_value(json_object_get(result, "secrets")));
	else if (strcmp(c, "key reload") == 0)
		printf("%lld keys were read again\n",
		       (long long)json_integer_value(json_object_get(result, "keys")));
	else if (strcmp(c, "help") == 0)
		show_help(result);
}

static void print_json(const json_t *json, size_t flags)
{
	json_dumpf(json, stdout, flags);
	putchar('\n');
}

/* Lists of zones become one; pieces of a dump stay apart, one a line. */
static void show_json(const json_t *result, bool more, struct shown *shown)
{
	const json_t *zones = json_object_get(result, "zones");

	if (json_is_array(zones) && (more || shown->zones != NULL)) {
		if (shown->zones == NULL)
			shown->zones = json_array();
		json_array_extend(shown->zones, (json_t *)zones);
		if (!more)
			json_object_set((json_t *)result, "zones", shown->zones);
	}
	if (json_object_get(result, "text") != NULL || json_object_get(result, "frames") != NULL)
		print_json(result, JSON_COMPACT);
	else if (!more)
		print_json(result, JSON_INDENT(2));
}

static int receive_all(struct client *c, const struct command *command, const char *zone,
		       const struct options *o, struct client_error *err)
{
	struct shown shown = {0};
	int code = EXIT_OK;
	bool more = true;

	while (more) {
		json_t *answer = NULL, *result;
		enum client_verdict verdict = client_receive(c, &answer, err);

		if (verdict != CLIENT_OK) {
			fprintf(stderr, "lockstepctl: %s\n", err->text);
			code = exit_code_of(verdict);
			break;
		}
		more = json_is_true(json_object_get(answer, "more"));
		result = json_object_get(answer, "result");
		if (!json_is_true(json_object_get(answer, "ok"))) {
			more = false;
			if (o->json)
				print_json(answer, JSON_INDENT(2));
			code = show_error(answer);
		} else if (o->json) {
			show_json(result, more, &shown);
		} else {
			show(command, zone, o, result, &shown);
		}
		json_decref(answer);
	}
	json_decref(shown.zones);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "lockstepctl: cannot write the output\n");
		code = EXIT_FAILED;
	}
	return code;
}

static int run(const struct command *command, const char *zone, const struct options *o)
{
	uint64_t timeout_ms = o->has_timeout					    ? o->timeout_ms
			      : command->capture || (command->waits && !o->no_wait) ? 0
										    : TIMEOUT_DEFAULT_MS;
	struct client_error err = {.text = ""};
	struct client *c = NULL;
	enum client_verdict verdict = client_open(o->socket, timeout_ms, &c, &err);
	int code;

	if (verdict == CLIENT_OK)
		verdict = client_send(c, request_of(command, zone, o), &err);
	if (verdict != CLIENT_OK) {
		fprintf(stderr, "lockstepctl: %s\n", err.text);
		code = exit_code_of(verdict);
	} else {
		code = receive_all(c, command, zone, o, &err);
	}
	client_close(c);
	return code;
}

/* The file is ours to write: the daemon has given up its privileges, and a client of it may have others. */
static int run_capture(const struct command *command, struct options *o)
{
	int code;

	if ((o->write == NULL) != o->json) {
		fprintf(stderr,
			"lockstepctl: a capture needs --write FILE (or - for a pipe), or --json without\n");
		return EXIT_USAGE;
	}
	o->pcap = o->json ? NULL : pcap_open(o->write);
	if (!o->json && o->pcap == NULL) {
		fprintf(stderr, "lockstepctl: cannot write %s: %s\n", o->write, strerror(errno));
		return EXIT_FAILED;
	}
	code = run(command, NULL, o);
	if (o->pcap != NULL && pcap_close(o->pcap) < 0) {
		fprintf(stderr, "lockstepctl: cannot write %s: %s\n", o->write, strerror(errno));
		code = EXIT_FAILED;
	}
	return code;
}

/* False: not a number of seconds. */
static bool read_timeout(const char *text, struct options *o)
{
	char *end;
	double s = strtod(text, &end);

	if (end == text || *end != '\0' || !(s > 0) || s > 1e6)
		return false;
	o->has_timeout = true;
	o->timeout_ms = (uint64_t)(s * 1000 + 0.5);
	if (o->timeout_ms == 0)
		o->timeout_ms = 1;
	return true;
}

/* False: not a serial. */
static bool read_serial(const char *text, struct options *o)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || n > UINT32_MAX)
		return false;
	o->has_serial = true;
	o->serial = (uint32_t)n;
	return true;
}

/* Returns -1 to go on, or the exit code. */
static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {{"socket", required_argument, NULL, 's'},
						{"json", no_argument, NULL, 'j'},
						{"no-wait", no_argument, NULL, 'n'},
						{"describe", no_argument, NULL, 'd'},
						{"timeout", required_argument, NULL, 't'},
						{"version", no_argument, NULL, 'v'},
						{"help", no_argument, NULL, 'h'},
						{"write", required_argument, NULL, 'w'},
						{"port", required_argument, NULL, 'c'},
						{"client", required_argument, NULL, 'c'},
						{"bufsize", required_argument, NULL, 'c'},
						{"dnssec", no_argument, NULL, 'c'},
						{"tcp", no_argument, NULL, 'c'},
						{"suffix", required_argument, NULL, 'c'},
						{"rcode", required_argument, NULL, 'c'},
						{"packets", required_argument, NULL, 'c'},
						{"seconds", required_argument, NULL, 'c'},
						{"snaplen", required_argument, NULL, 'c'},
						{0}};
	int which = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "s:jnt:vhw:", options, &which)) != -1) {
		switch (opt) {
		case 's':
			o->socket = optarg;
			break;
		case 'j':
			o->json = true;
			break;
		case 'n':
			o->no_wait = true;
			break;
		case 'd':
			o->describe = true;
			break;
		case 'w':
			o->write = optarg;
			break;
		case 'c':
			if (read_own(options[which].name, optarg, o))
				break;
			fprintf(stderr, "lockstepctl: --%s takes a number, not \"%s\"\n", options[which].name,
				optarg);
			return EXIT_USAGE;
		case 't':
			if (read_timeout(optarg, o))
				break;
			fprintf(stderr, "lockstepctl: \"%s\" is not a number of seconds\n", optarg);
			return EXIT_USAGE;
		case 'v':
			printf("lockstepctl %s\n", LOCKSTEP_VERSION);
			return EXIT_OK;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	return -1;
}

/* left: arguments behind the command's words, from args on. -1: as the command takes them; otherwise said, the exit code. */
static int refuse_arguments(const struct command *command, char **args, int left, struct options *o)
{
	if (command->serial && left == 2 && !read_serial(args[1], o)) {
		fprintf(stderr, "lockstepctl: \"%s\" is not a serial\n", args[1]);
		return EXIT_USAGE;
	}
	if ((command->question ? left != 2
	     : command->port   ? left != 1
			       : left > command->zone + command->serial) ||
	    (left == 0 && command->zone && !command->optional) ||
	    (o->describe && strcmp(command->words, "stats") != 0)) {
		fprintf(stderr, "lockstepctl: \"%s\" takes %s\n", command->words,
			command->port	    ? "exactly one port"
			: command->question ? "a name and a type"
			: !command->zone    ? "no argument"
			: command->optional ? "at most one zone"
			: command->serial   ? "a zone and perhaps a serial"
					    : "exactly one zone");
		usage(stderr);
		return EXIT_USAGE;
	}
	if (foreign_option(command, o) != NULL) {
		fprintf(stderr, "lockstepctl: \"%s\" does not take --%s\n", command->words,
			foreign_option(command, o));
		return EXIT_USAGE;
	}
	return -1;
}

static int perform(const struct command *command, char **args, int left, struct options *o)
{
	int code = refuse_arguments(command, args, left, o);

	if (code >= 0)
		return code;
	if (command->question) {
		set_own(o, "name", json_string(args[0]));
		set_own(o, "type", json_string(args[1]));
	}
	if (command->port)
		set_own(o, "port", json_string(args[0]));
	return command->capture ? run_capture(command, o)
				: run(command, left > 0 && command->zone ? args[0] : NULL, o);
}

int main(int argc, char **argv)
{
	struct options o = {.socket = SOCKET_DEFAULT};
	const struct command *command;
	int code = read_options(argc, argv, &o);
	int used = 0;

	if (code >= 0)
		goto out;
	argv += optind;
	argc -= optind;
	command = find_command(argv, argc, &used);
	if (command != NULL) {
		code = perform(command, argv + used, argc - used, &o);
		goto out;
	}
	if (argc > 0)
		fprintf(stderr, "lockstepctl: there is no command \"%s%s%s\"\n", argv[0], argc > 1 ? " " : "",
			argc > 1 ? argv[1] : "");
	usage(stderr);
	code = EXIT_USAGE;
out:
	json_decref(o.own);
	return code;
}
