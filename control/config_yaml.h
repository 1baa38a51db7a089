/*
 * Walks a YAML text beside the schema, event by event, to say where things are: libcyaml loads the values, but it keeps
 * no positions and stops at the first error.
 */
#pragma once

#include <stdint.h>

#include "control/config_errors.h"

/*
 * Finds syntax errors, keys that the schema does not have or that come twice, lists where text should be and the like,
 * aliases, and further documents. All are added to e with line and column. section_hash: of what each section says, by its
 * place in the schema; CONFIG_SECTIONS_MAX of them, zeroed; stays 0 for one that is not there or that a reload replaces.
 */
void config_yaml_check(const char *text, size_t len, struct config_errors *e, uint64_t *section_hash);

/*
 * Fills in line and column of the errors in e by their paths; of a key that is missing, those of the mapping it is
 * missing in. The text has passed the check.
 */
void config_yaml_locate(const char *text, size_t len, struct config_errors *e);
