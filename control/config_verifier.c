/* The key `verifier` of zones and defaults: a program and its arguments. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/config_read.h"

void config_free_words(char **words)
{
	for (unsigned i = 0; words != NULL && words[i] != NULL; i++)
		free(words[i]);
	free(words);
}

static char **copy_words(const struct raw_list *list)
{
	char **words = calloc(list->cnt + 1u, sizeof(words[0]));

	for (unsigned i = 0; words != NULL && i < list->cnt; i++) {
		words[i] = strdup(list->item[i]);
		if (words[i] == NULL) {
			config_free_words(words);
			return NULL;
		}
	}
	return words;
}

int config_read_verifier(const struct raw_zone_keys *raw, const char *at, struct config *c,
			 struct config_zone *zone, struct config_errors *e)
{
	char path[CONFIG_PATH_CAP];
	char ***v;

	if (raw->verifier.cnt == 0)
		return 0;
	config_path(path, at, "verifier");
	if (raw->verifier.item[0][0] != '/') {
		config_errors_add(e, path, "\"%.128s\" is not an absolute path", raw->verifier.item[0]);
		return 0;
	}
	if (access(raw->verifier.item[0], X_OK) < 0) {
		config_errors_add(e, path, "\"%.128s\" cannot be run: %s", raw->verifier.item[0],
				  strerror(errno));
		return 0;
	}
	v = realloc(c->verifiers, (c->verifier_cnt + 1u) * sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	c->verifiers = v;
	v[c->verifier_cnt] = copy_words(&raw->verifier);
	if (v[c->verifier_cnt] == NULL)
		return -ENOMEM;
	zone->verifier = v[c->verifier_cnt++];
	return 0;
}
