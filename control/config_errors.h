/*
 * What is wrong with a configuration: a list of messages, each with the path of the key ("zones[3].retry-min") and, once
 * the file has been walked, the line and column where it stands. Filled by the readers of values, which go on after an
 * error so that a person sees all of them at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CONFIG_PATH_CAP	  128
#define CONFIG_ERRORS_MAX 32 /* more are counted only: nobody fixes 100,000 at once */

struct config_error {
	char path[CONFIG_PATH_CAP];
	char text[384];
	unsigned line, column; /* 0: not known */
	bool warning;
};

struct config_errors {
	struct config_error list[CONFIG_ERRORS_MAX];
	unsigned cnt;
	unsigned error_cnt; /* all errors, those without a place in the list included */
	unsigned more_cnt;  /* errors and warnings without a place in the list */
};

void config_errors_add(struct config_errors *e, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void config_errors_warn(struct config_errors *e, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* With the place known already. */
void config_errors_add_at(struct config_errors *e, unsigned line, unsigned column, const char *path,
			  const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* The path of a key of the mapping at: "zones[3]" and "name" are "zones[3].name"; key may be empty. Returns out. */
const char *config_path(char out[CONFIG_PATH_CAP], const char *at, const char *key);

/* "FILE:LINE:COLUMN: PATH: TEXT" lines in the order of the file, cut to cap at a line's end. */
void config_errors_print(struct config_errors *e, const char *file, char *out, size_t cap);
