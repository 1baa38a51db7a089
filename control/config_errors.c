#include "control/config_errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct config_error *error_new(struct config_errors *e, const char *path, bool warning)
{
	struct config_error *error;

	e->error_cnt += !warning;
	if (e->cnt == CONFIG_ERRORS_MAX) {
		e->more_cnt++;
		return NULL;
	}
	error = &e->list[e->cnt++];
	error->line = 0;
	error->column = 0;
	error->warning = warning;
	snprintf(error->path, sizeof(error->path), "%s", path);
	return error;
}

void config_errors_add(struct config_errors *e, const char *path, const char *fmt, ...)
{
	struct config_error *error = error_new(e, path, false);
	va_list args;

	if (error == NULL)
		return;
	va_start(args, fmt);
	vsnprintf(error->text, sizeof(error->text), fmt, args);
	va_end(args);
}

void config_errors_warn(struct config_errors *e, const char *path, const char *fmt, ...)
{
	struct config_error *error = error_new(e, path, true);
	va_list args;

	if (error == NULL)
		return;
	va_start(args, fmt);
	vsnprintf(error->text, sizeof(error->text), fmt, args);
	va_end(args);
}

void config_errors_add_at(struct config_errors *e, unsigned line, unsigned column, const char *path,
			  const char *fmt, ...)
{
	struct config_error *error = error_new(e, path, false);
	va_list args;

	if (error == NULL)
		return;
	error->line = line;
	error->column = column;
	va_start(args, fmt);
	vsnprintf(error->text, sizeof(error->text), fmt, args);
	va_end(args);
}

const char *config_path(char out[CONFIG_PATH_CAP], const char *at, const char *key)
{
	int n = snprintf(out, CONFIG_PATH_CAP, "%s%s%s", at, *key != '\0' ? "." : "", key);

	if (n < 0)
		*out = '\0';
	return out;
}

static int by_place(const void *a, const void *b)
{
	const struct config_error *l = a, *r = b;

	if (l->line != r->line)
		return l->line - 1 < r->line - 1 ? -1 : 1; /* 0, not known, comes last */
	if (l->column != r->column)
		return l->column < r->column ? -1 : 1;
	return 0;
}

static int error_print(const struct config_error *error, const char *file, char *out, size_t cap)
{
	const char *kind = error->warning ? "warning: " : "";
	const char *colon = error->path[0] != '\0' ? ": " : "";

	if (error->line == 0)
		return snprintf(out, cap, "%s: %s%s%s%s\n", file, kind, error->path, colon, error->text);
	return snprintf(out, cap, "%s:%u:%u: %s%s%s%s\n", file, error->line, error->column, kind, error->path,
			colon, error->text);
}

void config_errors_print(struct config_errors *e, const char *file, char *out, size_t cap)
{
	size_t len = 0;

	if (cap == 0)
		return;
	*out = '\0';
	qsort(e->list, e->cnt, sizeof(e->list[0]), by_place);
	for (unsigned i = 0; i < e->cnt; i++) {
		int n = error_print(&e->list[i], file, out + len, cap - len);

		if (n < 0 || (size_t)n >= cap - len) {
			out[len] = '\0';
			return;
		}
		len += (size_t)n;
	}
	if (e->more_cnt > 0) {
		int n = snprintf(out + len, cap - len, "%s: and %u more\n", file, e->more_cnt);

		if (n < 0 || (size_t)n >= cap - len)
			out[len] = '\0';
	}
}
