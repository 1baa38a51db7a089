/*
 * A node is a scalar, a list or a mapping. The walk keeps a small stack of the containers it is in: what the schema does
 * not know is skipped by counting, so the stack is as deep as the schema and no deeper.
 */
#include "control/config_yaml.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "control/config_read.h"
#include "control/suggest.h"

#define DEPTH_MAX      8  /* the schema has 4 levels */
#define SKIP_DEPTH_MAX 64 /* of containers inside what is not known anyway */
#define KEYS_MAX       64 /* of one mapping of the schema: bits of frame.seen */

struct frame {
	const struct cyaml_schema_value *schema;
	const struct cyaml_schema_field *field; /* mapping: the key whose value comes next */
	yaml_mark_t key_at;
	uint64_t seen;	 /* mapping: keys so far, by index in the schema */
	unsigned index;	 /* list: items so far */
	size_t path_len; /* of the container's own path */
};

struct walk {
	yaml_parser_t parser;
	struct config_errors *errors;
	bool check; /* or locate */
	unsigned documents;
	unsigned depth;
	unsigned skip_nodes;	/* siblings to pass over, the value of an unknown key for one */
	unsigned skip_depth;	/* containers open inside such a node */
	uint64_t *section;	/* hash of the section that the walk is in; NULL: none, or nobody wants it */
	uint64_t *next_section; /* of the one whose key has just come */
	uint64_t *sections;	/* NULL: nobody wants them */
	struct frame stack[DEPTH_MAX];
	char path[CONFIG_PATH_CAP];
};

static struct frame *top(struct walk *w)
{
	return w->depth > 0 ? &w->stack[w->depth - 1] : NULL;
}

static void path_key(struct walk *w, size_t len, const char *key)
{
	if (len < sizeof(w->path))
		snprintf(w->path + len, sizeof(w->path) - len, "%s%s", len > 0 ? "." : "", key);
}

static void path_index(struct walk *w, size_t len, unsigned index)
{
	if (len < sizeof(w->path))
		snprintf(w->path + len, sizeof(w->path) - len, "[%u]", index);
}

#define complain(w, mark, ...)                                                                     \
	do {                                                                                       \
		if ((w)->check)                                                                    \
			config_errors_add_at((w)->errors, (unsigned)(mark).line + 1,               \
					     (unsigned)(mark).column + 1, (w)->path, __VA_ARGS__); \
	} while (0)

/* Whether path is inner or one of the nodes it is in. */
static bool is_at_or_around(const char *path, const char *inner)
{
	size_t len = strlen(path);

	return len > 0 && strncmp(path, inner, len) == 0 &&
	       (inner[len] == '\0' || inner[len] == '.' || inner[len] == '[');
}

/* The node at w->path starts here. What is missing gets the place of what it is missing in: inner nodes come later. */
static void located(struct walk *w, yaml_mark_t at)
{
	if (w->check)
		return;
	for (unsigned i = 0; i < w->errors->cnt; i++) {
		struct config_error *e = &w->errors->list[i];

		if (is_at_or_around(w->path, e->path)) {
			e->line = (unsigned)at.line + 1;
			e->column = (unsigned)at.column + 1;
		}
	}
}

static void unknown_key(struct walk *w, const struct frame *f, const char *key, yaml_mark_t at)
{
	const char *words[KEYS_MAX];
	size_t cnt = 0;
	const char *near;

	for (const struct cyaml_schema_field *i = f->schema->mapping.fields; i->key != NULL; i++) {
		if (cnt < KEYS_MAX)
			words[cnt++] = i->key;
	}
	near = suggest_word(key, words, cnt);
	if (near != NULL)
		complain(w, at, "unknown key \"%.64s\"; did you mean \"%s\"?", key, near);
	else
		complain(w, at, "unknown key \"%.64s\"", key);
}

/* FNV-1a. Structure counts, layout does not. */
static void hash_octets(uint64_t *hash, const void *octets, size_t len)
{
	const uint8_t *p = octets;

	for (size_t i = 0; i < len; i++)
		*hash = (*hash ^ p[i]) * UINT64_C(0x100000001B3);
}

/* Those that a reload replaces are compared part by part; and there are secrets in them. */
static uint64_t *begin_section(const struct walk *w, const struct cyaml_schema_field *field)
{
	uint64_t *hash;

	if (w->sections == NULL || config_is_reloaded(field->key))
		return NULL;
	hash = &w->sections[field - config_schema.mapping.fields];
	*hash = UINT64_C(0xCBF29CE484222325);
	return hash;
}

static void hash_event(struct walk *w, const yaml_event_t *event)
{
	uint8_t type = (uint8_t)event->type;

	/* Between two sections: the end of one, or the key of the next, which is none's. */
	if (w->depth == 1 && w->skip_depth == 0) {
		w->section = w->next_section;
		w->next_section = NULL;
	}
	if (w->section == NULL)
		return;
	hash_octets(w->section, &type, sizeof(type));
	/* With the NUL behind it, which ends it. */
	if (event->type == YAML_SCALAR_EVENT)
		hash_octets(w->section, event->data.scalar.value, event->data.scalar.length + 1);
}

/* The event is a key of the mapping f. */
static void on_key(struct walk *w, struct frame *f, const yaml_event_t *event)
{
	const struct cyaml_schema_field *field = f->schema->mapping.fields;
	const char *key = (const char *)event->data.scalar.value;
	uint64_t bit = 1;

	w->path[f->path_len] = '\0';
	for (; field->key != NULL && strcmp(field->key, key) != 0; field++)
		bit <<= 1;
	if (field->key == NULL) {
		unknown_key(w, f, key, event->start_mark);
		w->skip_nodes = 1;
		return;
	}
	path_key(w, f->path_len, key);
	if (f->seen & bit) {
		complain(w, event->start_mark, "is given twice");
		w->skip_nodes = 1;
		return;
	}
	f->seen |= bit;
	f->field = field;
	if (w->depth == 1)
		w->next_section = begin_section(w, field);
	f->key_at = event->start_mark;
}

static const char *kind_text(enum cyaml_type type)
{
	if (type == CYAML_MAPPING)
		return "keys with values";
	return type == CYAML_SEQUENCE ? "a list" : "a single value";
}

static enum cyaml_type event_kind(const yaml_event_t *event)
{
	if (event->type == YAML_MAPPING_START_EVENT)
		return CYAML_MAPPING;
	return event->type == YAML_SEQUENCE_START_EVENT ? CYAML_SEQUENCE : CYAML_STRING;
}

static void push(struct walk *w, const struct cyaml_schema_value *schema)
{
	if (w->depth == DEPTH_MAX) { /* a deeper schema than this was written for */
		complain(w, w->parser.mark, "is nested too deeply");
		w->skip_depth = 1;
		return;
	}
	w->stack[w->depth++] = (struct frame){.schema = schema, .path_len = strlen(w->path)};
}

static bool opens(const yaml_event_t *event)
{
	return event->type == YAML_MAPPING_START_EVENT || event->type == YAML_SEQUENCE_START_EVENT;
}

/* The event starts the value that the schema describes at w->path. */
static void on_value(struct walk *w, const struct cyaml_schema_value *schema, const yaml_event_t *event,
		     yaml_mark_t container_at)
{
	located(w, opens(event) ? container_at : event->start_mark);
	if (event->type == YAML_ALIAS_EVENT) {
		complain(w, event->start_mark, "is an alias, \"*%.64s\"; aliases are not supported",
			 (const char *)event->data.alias.anchor);
		return;
	}
	if (event_kind(event) != schema->type) {
		bool empty = event->type == YAML_SCALAR_EVENT && event->data.scalar.length == 0;

		complain(w, event->start_mark, "must be %s, %s", kind_text(schema->type),
			 empty		? "but is empty"
			 : opens(event) ? "but nests further"
					: "but is a single value");
		if (opens(event))
			w->skip_depth = 1;
		return;
	}
	if (opens(event))
		push(w, schema);
	else if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
		complain(w, event->start_mark, "has a NUL in it");
}

/* Scalars, aliases and the start of containers. */
static void on_node(struct walk *w, const yaml_event_t *event)
{
	struct frame *f = top(w);

	if (w->skip_nodes > 0) {
		w->skip_nodes--;
		w->skip_depth = opens(event);
		return;
	}
	if (f == NULL) {
		on_value(w, &config_schema, event, event->start_mark);
	} else if (f->schema->type == CYAML_SEQUENCE) {
		path_index(w, f->path_len, f->index++);
		on_value(w, f->schema->sequence.entry, event, event->start_mark);
	} else if (f->field != NULL) {
		const struct cyaml_schema_value *schema = &f->field->value;

		f->field = NULL;
		on_value(w, schema, event, f->key_at);
	} else if (event->type == YAML_SCALAR_EVENT) {
		on_key(w, f, event);
	} else {
		w->path[f->path_len] = '\0';
		complain(w, event->start_mark, "has a key that is not a word");
		w->skip_depth = opens(event);
		w->skip_nodes = 1; /* and its value */
	}
}

/* False to stop. */
static bool on_skipped(struct walk *w, const yaml_event_t *event)
{
	if (opens(event))
		w->skip_depth++;
	if (event->type == YAML_MAPPING_END_EVENT || event->type == YAML_SEQUENCE_END_EVENT)
		w->skip_depth--;
	if (w->skip_depth <= SKIP_DEPTH_MAX)
		return true;
	complain(w, event->start_mark, "is nested too deeply");
	return false;
}

/* False to stop. */
static bool on_event(struct walk *w, const yaml_event_t *event)
{
	hash_event(w, event);
	if (w->skip_depth > 0)
		return on_skipped(w, event);
	switch (event->type) {
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return true;
	case YAML_STREAM_END_EVENT:
		return false;
	case YAML_DOCUMENT_START_EVENT:
		if (w->documents++ == 0)
			return true;
		w->path[0] = '\0';
		complain(w, event->start_mark, "a second document starts here; a configuration is one");
		return false;
	case YAML_ALIAS_EVENT:
	case YAML_SCALAR_EVENT:
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		on_node(w, event);
		return true;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		w->depth--;
		return true;
	}
	return true;
}

/* Encoding errors come with an offset only. */
static yaml_mark_t mark_of(const char *text, size_t len, size_t offset)
{
	yaml_mark_t at = {0};

	for (size_t i = 0; i < offset && i < len; i++) {
		at.column++;
		if (text[i] == '\n') {
			at.line++;
			at.column = 0;
		}
	}
	return at;
}

static void syntax_error(struct walk *w, const char *text, size_t len)
{
	const yaml_parser_t *p = &w->parser;
	const char *problem = p->problem != NULL ? p->problem : "out of memory";

	w->path[0] = '\0';
	if (p->error == YAML_READER_ERROR)
		complain(w, mark_of(text, len, p->problem_offset), "%s", problem);
	else if (p->context != NULL)
		complain(w, p->problem_mark, "%s, %s that starts at line %zu", problem, p->context,
			 p->context_mark.line + 1);
	else
		complain(w, p->problem_mark, "%s", problem);
}

static void walk_text(const char *text, size_t len, struct config_errors *errors, bool check,
		      uint64_t *sections)
{
	struct walk w = {.errors = errors, .check = check, .sections = sections};
	bool more = true;

	if (yaml_parser_initialize(&w.parser) == 0) {
		config_errors_add(errors, "", "out of memory");
		return;
	}
	yaml_parser_set_input_string(&w.parser, (const unsigned char *)text, len);
	while (more) {
		yaml_event_t event;

		if (yaml_parser_parse(&w.parser, &event) == 0) {
			syntax_error(&w, text, len);
			break;
		}
		more = on_event(&w, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&w.parser);
}

void config_yaml_check(const char *text, size_t len, struct config_errors *e, uint64_t *section_hash)
{
	walk_text(text, len, e, true, section_hash);
}

void config_yaml_locate(const char *text, size_t len, struct config_errors *e)
{
	walk_text(text, len, e, false, NULL);
}
