/*
 * From a line to a command, and from a result to a line. The protocol is described in PROTOCOL.md.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control/ctl_internal.h"
#include "control/suggest.h"

struct command {
	const char *name;
	const char *args;
	const char *help;
	void (*run)(struct ctl_conn *conn, const struct ctl_args *args);
};

static const struct command commands[] = {
	{"status", "", "the daemon: version, uptime, zones by state, memory", ctl_status},
	{"zone status", "[zone]", "one zone or all: state, serial, primary, times, sizes", ctl_zone_status},
	{"zone refresh", "zone", "asks the primaries for the serial now, and transfers if it is newer",
	 ctl_zone_refresh},
	{"zone retransfer", "zone", "transfers the zone now, whatever the serials are", ctl_zone_retransfer},
	{"zone notify", "zone", "tells the zone's secondaries what is served", ctl_zone_notify},
	{"zone timing", "[zone]", "how long the stages of changes took: last, median, 99th percentile",
	 ctl_zone_timing},
	{"zone accept", "zone", "serves the version that is held back", ctl_zone_accept},
	{"zone reject", "zone", "drops the version that is held back; it is not asked for again",
	 ctl_zone_reject},
	{"zone rollback", "zone [serial]",
	 "serves a former version again, until a newer one than was served comes", ctl_zone_rollback},
	{"zone resume", "zone", "forgets what was held, rejected or rolled back, and asks the primaries now",
	 ctl_zone_resume},
	{"zone dump", "zone", "the served records in presentation format", ctl_zone_dump},
	{"stats", "[describe]", "all counters; describe adds what each counts", ctl_stats},
	{"port stats", "port", "what the port's driver counts of its own", ctl_port_stats},
	{"capture", "[port] [client] [suffix] [rcode] [packets] [seconds] [snaplen]",
	 "frames that workers receive and send, as they come", ctl_capture},
	{"trace", "name type [client] [dnssec] [bufsize] [tcp]",
	 "one question through the stages that a worker's go through, with what each decided", ctl_trace},
	{"offenders", "", "the networks that were rate limited most of late", ctl_offenders},
	{"cookies reload", "", "reads the secrets of server cookies again", ctl_cookies_reload},
	{"tls reload", "", "reads the certificate and key of DNS over TLS again", ctl_tls_reload},
	{"reload", "", "reads the configuration again: keys, TLS, primaries, secondaries, zones", ctl_reload},
	{"key reload", "", "reads the files of TSIG keys again", ctl_key_reload},
	{"stop", "", "ends the daemon", ctl_do_stop},
	{"help", "", "this list", ctl_help},
};

#define COMMAND_CNT (sizeof(commands) / sizeof(commands[0]))

json_t *ctl_text(const char *text)
{
	char quoted[1024];
	json_t *json = json_string(text);

	return json != NULL ? json : json_string(log_quote(text, quoted, sizeof(quoted)));
}

/* {"version":1,"id":...,"ok":...}; NULL when out of memory. */
static json_t *response_new(const struct ctl_conn *conn, bool ok)
{
	json_t *response = json_object();

	if (json_object_set_new(response, "version", json_integer(CTL_VERSION)) < 0 ||
	    (conn->id != NULL && json_object_set(response, "id", conn->id) < 0) ||
	    json_object_set_new(response, "ok", json_boolean(ok)) < 0) {
		json_decref(response);
		return NULL;
	}
	return response;
}

/* Takes value. Takes response too when it fails, and returns NULL. */
static json_t *with(json_t *response, const char *key, json_t *value)
{
	if (response == NULL) {
		json_decref(value);
		return NULL;
	}
	if (json_object_set_new(response, key, value) == 0)
		return response;
	json_decref(response);
	return NULL;
}

void ctl_reply(struct ctl_conn *conn, json_t *result)
{
	if (result == NULL) {
		ctl_reply_error(conn, "no-memory", NULL, "out of memory");
		return;
	}
	ctl_conn_send(conn, with(response_new(conn, true), "result", result));
	ctl_conn_finish(conn);
}

void ctl_reply_part(struct ctl_conn *conn, json_t *result)
{
	ctl_conn_send(conn, with(with(response_new(conn, true), "more", json_true()), "result", result));
}

void ctl_reply_error(struct ctl_conn *conn, const char *code, json_t *suggestions, const char *fmt, ...)
{
	json_t *error = with(json_object(), "code", json_string(code));
	char text[CTL_ERROR_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	error = with(error, "message", ctl_text(text));
	if (suggestions != NULL)
		error = with(error, "suggestions", suggestions);
	ctl_conn_send(conn, with(response_new(conn, false), "error", error));
	ctl_conn_finish(conn);
}

void ctl_help(struct ctl_conn *conn, const struct ctl_args *args)
{
	json_t *list = json_array();

	for (size_t i = 0; i < COMMAND_CNT; i++) {
		json_t *item = json_pack("{s:s, s:s, s:s}", "command", commands[i].name, "args",
					 commands[i].args, "help", commands[i].help);

		if (json_array_append_new(list, item) < 0) {
			json_decref(list);
			list = NULL;
			break;
		}
	}
	ctl_reply(conn, with(json_object(), "commands", list));
}

void ctl_do_stop(struct ctl_conn *conn, const struct ctl_args *args)
{
	struct ctl *ctl = conn->ctl;

	log_event(ctl->env.log, LOG_NOTICE, "stop-requested", NULL, NULL, NULL);
	ctl_reply(conn, json_object());
	ctl->env.stop(ctl->env.stop_arg);
}

/* Brackets that are open at once, outside of strings: the parser of JSON calls itself for each. */
static unsigned depth_of(const char *line, size_t len)
{
	unsigned depth = 0, most = 0;
	bool string = false;

	for (size_t i = 0; i < len; i++) {
		char c = line[i];

		if (string && c == '\\')
			i++;
		else if (c == '"')
			string = !string;
		else if (!string && (c == '{' || c == '['))
			depth++;
		else if (!string && (c == '}' || c == ']') && depth > 0)
			depth--;
		if (depth > most)
			most = depth;
	}
	return most;
}

/* NULL when it was answered with an error. */
static json_t *parse(struct ctl_conn *conn, const char *line, size_t len)
{
	json_error_t error;
	json_t *request;

	if (depth_of(line, len) > CTL_DEPTH_MAX) {
		ctl_reply_error(conn, "bad-json", NULL, "the request is nested more than %d deep",
				CTL_DEPTH_MAX);
		return NULL;
	}
	request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (request == NULL) {
		ctl_reply_error(conn, "bad-json", NULL, "the request is not JSON: %s at octet %d", error.text,
				error.position);
		return NULL;
	}
	if (!json_is_object(request)) {
		ctl_reply_error(conn, "bad-request", NULL, "a request is an object");
		json_decref(request);
		return NULL;
	}
	return request;
}

/* The first key of the object that is not in keys, or NULL. */
static const char *foreign_key(const json_t *object, const char *const keys[], size_t cnt)
{
	for (void *i = json_object_iter((json_t *)object); i != NULL;
	     i = json_object_iter_next((json_t *)object, i)) {
		const char *key = json_object_iter_key(i);
		size_t k = 0;

		while (k < cnt && strcmp(key, keys[k]) != 0)
			k++;
		if (k == cnt)
			return key;
	}
	return NULL;
}

/* Why the request is not one, or NULL. */
static const char *request_fault(const json_t *request)
{
	static const char *const keys[] = {"version", "id", "command", "args", "wait"};
	const json_t *id = json_object_get(request, "id"), *args = json_object_get(request, "args");
	const json_t *wait = json_object_get(request, "wait");

	if (foreign_key(request, keys, sizeof(keys) / sizeof(keys[0])) != NULL)
		return "it has a member that is none of version, id, command, args, wait";
	if (!json_is_integer(json_object_get(request, "version")))
		return "it has no integer \"version\"";
	if (id != NULL && !json_is_integer(id) && !json_is_string(id))
		return "its \"id\" is neither an integer nor a string";
	if (!json_is_string(json_object_get(request, "command")))
		return "it has no string \"command\"";
	if (wait != NULL && !json_is_boolean(wait))
		return "its \"wait\" is not a boolean";
	if (args != NULL && !json_is_object(args))
		return "its \"args\" is not an object";
	return NULL;
}

/* An argument of a command with its own. */
struct own_arg {
	const char *key;
	json_type type; /* JSON_TRUE: a boolean */
};

static bool is_of_type(const json_t *value, json_type type)
{
	return type == JSON_TRUE ? json_is_boolean(value) : json_typeof(value) == type;
}

static const char *own_args_fault(const json_t *args, const struct own_arg *own, size_t cnt)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)args, key, value)
	{
		size_t i = 0;

		while (i < cnt && strcmp(key, own[i].key) != 0)
			i++;
		if (i == cnt)
			return "it has an argument that it does not take";
		if (is_of_type(value, own[i].type))
			continue;
		return own[i].type == JSON_INTEGER  ? "an argument that is a number is none"
		       : own[i].type == JSON_STRING ? "an argument that is a string is none"
						    : "an argument that is a boolean is none";
	}
	return NULL;
}

static const char *capture_args_fault(const json_t *args)
{
	static const struct own_arg own[] = {{"port", JSON_INTEGER},	{"packets", JSON_INTEGER},
					     {"seconds", JSON_INTEGER}, {"snaplen", JSON_INTEGER},
					     {"client", JSON_STRING},	{"suffix", JSON_STRING},
					     {"rcode", JSON_STRING}};

	return own_args_fault(args, own, sizeof(own) / sizeof(own[0]));
}

static const char *trace_args_fault(const json_t *args)
{
	static const struct own_arg own[] = {{"name", JSON_STRING},   {"type", JSON_STRING},
					     {"client", JSON_STRING}, {"bufsize", JSON_INTEGER},
					     {"dnssec", JSON_TRUE},   {"tcp", JSON_TRUE}};

	return own_args_fault(args, own, sizeof(own) / sizeof(own[0]));
}

static const char *args_fault(const json_t *args, const struct command *command)
{
	static const char *const keys[] = {"zone", "describe", "serial"};
	const json_t *zone = json_object_get(args, "zone"), *describe = json_object_get(args, "describe");
	const json_t *serial = json_object_get(args, "serial");
	bool takes_zone = strstr(command->args, "zone") != NULL;

	if (command->run == ctl_capture)
		return capture_args_fault(args);
	if (command->run == ctl_port_stats)
		return own_args_fault(args, &(struct own_arg){"port", JSON_STRING}, 1);
	if (command->run == ctl_trace)
		return trace_args_fault(args);
	if (foreign_key(args, keys, sizeof(keys) / sizeof(keys[0])) != NULL ||
	    (zone != NULL && !takes_zone) || (serial != NULL && strstr(command->args, "serial") == NULL) ||
	    (describe != NULL && strstr(command->args, "describe") == NULL))
		return "it has an argument that it does not take";
	if (zone != NULL && !json_is_string(zone))
		return "its \"zone\" is not a string";
	if (describe != NULL && !json_is_boolean(describe))
		return "its \"describe\" is not a boolean";
	if (serial != NULL && (!json_is_integer(serial) || json_integer_value(serial) < 0 ||
			       json_integer_value(serial) > UINT32_MAX))
		return "its \"serial\" is not a number of 32 bits";
	if (zone == NULL && strncmp(command->args, "zone", 4) == 0)
		return "it needs the argument \"zone\"";
	return NULL;
}

static void unknown_command(struct ctl_conn *conn, const char *name)
{
	const char *words[COMMAND_CNT];
	const char *near;

	for (size_t i = 0; i < COMMAND_CNT; i++)
		words[i] = commands[i].name;
	near = suggest_word(name, words, COMMAND_CNT);
	ctl_reply_error(conn, "unknown-command", near != NULL ? json_pack("[s]", near) : NULL,
			"there is no command \"%.64s\"", name);
}

static void run(struct ctl_conn *conn, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "command"));
	const json_t *given = json_object_get(request, "args"), *wait = json_object_get(request, "wait");
	const struct command *command = commands;
	struct ctl_args args = {.wait = wait == NULL || json_is_true(wait)};
	const char *fault;

	while (command < commands + COMMAND_CNT && strcmp(command->name, name) != 0)
		command++;
	if (command == commands + COMMAND_CNT) {
		unknown_command(conn, name);
		return;
	}
	fault = args_fault(given, command);
	if (fault != NULL) {
		ctl_reply_error(conn, "bad-argument", NULL, "\"%s\" cannot run: %s", name, fault);
		return;
	}
	args.zone = json_string_value(json_object_get(given, "zone"));
	args.has_serial = json_object_get(given, "serial") != NULL;
	args.serial = (uint32_t)json_integer_value(json_object_get(given, "serial"));
	args.given = given;
	args.describe = json_is_true(json_object_get(given, "describe"));
	command->run(conn, &args);
}

void ctl_request(struct ctl_conn *conn, const char *line, size_t len)
{
	json_t *request = parse(conn, line, len);
	const char *fault;
	json_int_t version;

	if (request == NULL)
		return;
	fault = request_fault(request);
	version = json_integer_value(json_object_get(request, "version"));
	if (json_is_integer(json_object_get(request, "id")) || json_is_string(json_object_get(request, "id")))
		conn->id = json_incref(json_object_get(request, "id"));
	if (fault != NULL)
		ctl_reply_error(conn, "bad-request", NULL, "this is not a request: %s", fault);
	else if (version != CTL_VERSION)
		ctl_reply_error(conn, "unsupported-version", NULL,
				"version %lld of the protocol is not spoken here, version %d is",
				(long long)version, CTL_VERSION);
	else
		run(conn, request);
	json_decref(request);
}
