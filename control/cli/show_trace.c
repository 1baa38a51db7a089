/*
 * A trace for people: a line per stage with what it took and decided, then the response as it would be sent.
 */
#include "control/cli/show.h"

#include <stdio.h>
#include <string.h>

#define LINE_CAP 512

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "-";
}

static long long int_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static bool true_in(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static void show_question(const json_t *q)
{
	const json_t *bufsize = json_object_get(q, "bufsize");

	printf("%s %s over %s from %s, ", text_of(q, "name"), text_of(q, "type"), text_of(q, "transport"),
	       text_of(q, "client"));
	if (json_is_false(json_object_get(q, "client_answered")))
		printf("(which a worker would drop unread: nobody is answered there) ");
	if (json_is_integer(bufsize))
		printf("EDNS with %lld octets%s\n\n", (long long)json_integer_value(bufsize),
		       true_in(q, "dnssec") ? " and DO" : "");
	else
		printf("no EDNS\n\n");
}

static void decided_zone(const json_t *result, char line[LINE_CAP])
{
	const json_t *zone = json_object_get(result, "zone");
	const char *state = text_of(zone, "state"), *access = text_of(zone, "access");

	if (json_is_null(zone))
		snprintf(line, LINE_CAP, "not asked for: answered before");
	else if (strcmp(state, "none") == 0)
		snprintf(line, LINE_CAP, "none of ours");
	else
		snprintf(line, LINE_CAP, "%s %s; %s", text_of(zone, "name"), state,
			 strcmp(access, "everybody") == 0 ? "everybody may ask"
			 : strcmp(access, "denied") == 0  ? "the access list denies the client"
							  : "the access list allows the client");
}

/* What was found for one name of the chain. */
static void found_text(const json_t *s, char line[LINE_CAP])
{
	const char *found = text_of(s, "found"), *entry = text_of(s, "entry");
	const char *encloser = text_of(s, "closest_encloser");

	if (strcmp(found, "exact") == 0)
		snprintf(line, LINE_CAP, "exact match%s",
			 true_in(s, "empty_non_terminal") ? ", an empty non-terminal" : "");
	else if (strcmp(found, "cut") == 0)
		snprintf(line, LINE_CAP, "delegated at %s", entry);
	else if (strcmp(found, "dname") == 0)
		snprintf(line, LINE_CAP, "below the DNAME %s", entry);
	else if (strcmp(found, "wildcard") == 0)
		snprintf(line, LINE_CAP, "wildcard %s; closest encloser %s", entry, encloser);
	else
		snprintf(line, LINE_CAP, "no such name; closest encloser %s", encloser);
}

static void decided_lookup(const json_t *result, char line[LINE_CAP])
{
	const json_t *steps = json_object_get(result, "steps");

	snprintf(line, LINE_CAP, "-");
	if (json_array_size(steps) > 0)
		found_text(json_array_get(steps, 0), line);
}

static void decided_write(const json_t *result, char line[LINE_CAP])
{
	const json_t *r = json_object_get(result, "response"), *limit = json_object_get(r, "limit");
	char of[32] = "";

	if (json_is_null(r)) {
		snprintf(line, LINE_CAP, "no response: %s", text_of(result, "verdict"));
		return;
	}
	if (json_is_integer(limit))
		snprintf(of, sizeof(of), " of %lld", (long long)json_integer_value(limit));
	snprintf(line, LINE_CAP, "%s%s%s, %lld%s octets%s", text_of(r, "rcode"),
		 true_in(r, "aa") ? " aa" : "", true_in(r, "tc") ? " tc" : "", int_of(r, "octets"), of,
		 true_in(result, "short_write") ? "; the short way" : "");
}

static void show_stage(const json_t *result, const json_t *s)
{
	const char *stage = text_of(s, "stage");
	char line[LINE_CAP] = "-";

	if (strcmp(stage, "read") == 0)
		snprintf(line, LINE_CAP, "well-formed%s",
			 true_in(result, "short_read") ? "; the short way, which also knows the zone" : "");
	else if (strcmp(stage, "zone") == 0)
		decided_zone(result, line);
	else if (strcmp(stage, "lookup") == 0)
		decided_lookup(result, line);
	else if (strcmp(stage, "proof") == 0)
		snprintf(line, LINE_CAP, "records of proof: %zu",
			 json_array_size(json_object_get(result, "proofs")));
	else if (strcmp(stage, "write") == 0)
		decided_write(result, line);
	printf("%-8s%8lld%8lld%8lld%8lld  %s\n", stage, int_of(s, "cycles"), int_of(s, "ns"),
	       int_of(s, "cycles_again"), int_of(s, "ns_again"), line);
}

static void show_chain(const json_t *steps)
{
	for (size_t i = 1; i < json_array_size(steps); i++) {
		const json_t *s = json_array_get(steps, i);
		char line[LINE_CAP];

		found_text(s, line);
		printf("%*s  then %s in %s: %s\n", 40, "", text_of(s, "name"), text_of(s, "zone"), line);
	}
}

static void show_limits(const json_t *limit)
{
	const json_t *workers = json_object_get(limit, "workers");

	printf("%-40s  ", "rate");
	if (json_is_null(limit)) {
		printf("no limits apply\n");
		return;
	}
	printf("class %s:", text_of(limit, "class"));
	for (size_t i = 0; i < json_array_size(workers); i++)
		printf("%s worker %zu %s", i > 0 ? "," : "", i,
		       json_string_value(json_array_get(workers, i)));
	printf("\n");
}

static void show_proofs(const json_t *proofs)
{
	for (size_t i = 0; i < json_array_size(proofs); i++) {
		const json_t *p = json_array_get(proofs, i), *proves = json_object_get(p, "proves");

		printf("%s%s %s", i == 0 ? "\n" : "", text_of(p, "type"), text_of(p, "owner"));
		for (size_t j = 0; j < json_array_size(proves); j++)
			printf("\n    %s", json_string_value(json_array_get(proves, j)));
		printf("\n");
	}
}

static void show_response(const json_t *r)
{
	static const char *const sections[] = {"answer", "authority", "additional"};
	const json_t *edns = json_object_get(r, "edns");

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		const json_t *s = json_object_get(r, sections[i]), *records = json_object_get(s, "records");

		if (json_array_size(records) > 0)
			printf("\n%s, %zu records, %lld octets\n", sections[i], json_array_size(records),
			       int_of(s, "octets"));
		for (size_t j = 0; j < json_array_size(records); j++)
			printf("%s\n", json_string_value(json_array_get(records, j)));
	}
	if (json_is_object(edns) && json_object_get(edns, "error") != NULL)
		printf("\nextended error %lld %s\n", int_of(edns, "error"), text_of(edns, "error_text"));
}

void show_trace(const json_t *result)
{
	const json_t *stages = json_object_get(result, "stages");

	show_question(json_object_get(result, "question"));
	printf("%-8s%16s%16s\n%-8s%8s%8s%8s%8s  %s\n", "", "first", "again", "stage", "cycles", "ns",
	       "cycles", "ns", "decided");
	for (size_t i = 0; i < json_array_size(stages); i++)
		show_stage(result, json_array_get(stages, i));
	show_chain(json_object_get(result, "steps"));
	show_limits(json_object_get(result, "rate_limit"));
	show_proofs(json_object_get(result, "proofs"));
	show_response(json_object_get(result, "response"));
}
