/*
 * Which records prove what in a chain that leaves unsigned delegations out (RFC 5155 6, 7.2): below names that are there for
 * the sake of such a delegation alone, and so are not in the chain either, the closest encloser is one further up.
 */
#include "tests/unit/answer/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define OPT_OUT 1
#define HOSTS	40

static const char base[] = "example. 3600 IN SOA ns.other. h.other. 1 3600 600 86400 300\n"
			   "example. 3600 IN NS ns.other.\n"
			   "example. 3600 IN NSEC3PARAM 1 0 0 -\n"
			   "sub.example. 3600 IN A 192.0.2.1\n"
			   "a.ent.example. 3600 IN NS ns.other.\n"
			   "a.b.c.example. 3600 IN NS ns.other.\n"
			   "a.ent.sub.example. 3600 IN NS ns.other.\n"
			   "a.*.star.example. 3600 IN NS ns.other.\n";

struct chain {
	char label[HOSTS + 3][NSEC3_LABEL_LEN + 1];
	unsigned cnt;
};

static void add(struct chain *c, char *text, size_t cap, const char *name)
{
	ask_put_nsec3(text, cap, name, OPT_OUT, 0);
	ask_nsec3_label(name, 0, c->label[c->cnt++]);
}

/* With hosts that only make the chain longer, so that hardly two names are covered by one record; and *.example, or not. */
static void begin(struct ask_world *w, struct chain *c, bool wildcard)
{
	static char text[32768];

	c->cnt = 0;
	memcpy(text, base, sizeof(base));
	add(c, text, sizeof(text), "example.");
	add(c, text, sizeof(text), "sub.example.");
	for (unsigned i = 0; i < HOSTS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "host%u.example.", i);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s 60 IN A 192.0.2.1\n", name);
		add(c, text, sizeof(text), name);
	}
	if (wildcard) {
		strcat(text, "*.example. 60 IN A 192.0.2.1\n");
		add(c, text, sizeof(text), "*.example.");
	}
	ask_world_init(w);
	ask_add_zone(w, "example.", text);
}

/* The record that matches the name or covers it. */
static const char *record_for(const struct chain *c, const char *name)
{
	const char *best = NULL, *last = c->label[0];
	char label[NSEC3_LABEL_LEN + 1];

	ask_nsec3_label(name, 0, label);
	for (unsigned i = 0; i < c->cnt; i++) {
		if (strcmp(c->label[i], last) > 0)
			last = c->label[i];
		if (strcmp(c->label[i], label) <= 0 && (best == NULL || strcmp(c->label[i], best) > 0))
			best = c->label[i];
	}
	return best != NULL ? best : last;
}

/* The answer begins so, and has the records for the names in the list and no others. The third time may be a short way. */
static void check(struct ask_world *w, const struct chain *c, const char *question, const char *begins,
		  const char *const names[])
{
	for (unsigned i = 0; i < 3; i++) {
		const char *text = ask(w, question), *at = text;
		unsigned sent = 0, wanted = 0;

		assert_memory_equal(text, begins, strlen(begins));
		while ((at = strstr(at, " NSEC3 ")) != NULL) {
			at++;
			sent++;
		}
		for (unsigned k = 0; names[k] != NULL; k++) {
			const char *label = record_for(c, names[k]);
			bool again = false;

			for (unsigned j = 0; j < k; j++)
				again |= label == record_for(c, names[j]);
			wanted += !again;
			if (strstr(text, label) == NULL)
				fail_msg("%s: nothing about %s:\n%s", question, names[k], text);
		}
		assert_int_equal(sent, wanted);
	}
}

static void the_wildcard_that_is_denied_is_that_of_the_encloser_that_is_proven(void **state)
{
	struct ask_world w;
	struct chain c;

	(void)state;
	begin(&w, &c, false);
	assert_ptr_not_equal(record_for(&c, "*.ent.example."), record_for(&c, "*.example."));
	assert_ptr_not_equal(record_for(&c, "*.ent.sub.example."), record_for(&c, "*.sub.example."));
	check(&w, &c, "x.example. A do", "NXDOMAIN aa\n",
	      (const char *const[]){"example.", "x.example.", "*.example.", NULL});
	check(&w, &c, "x.ent.example. A do", "NXDOMAIN aa\n",
	      (const char *const[]){"example.", "ent.example.", "*.example.", NULL});
	check(&w, &c, "y.x.b.c.example. A do", "NXDOMAIN aa\n",
	      (const char *const[]){"example.", "c.example.", "*.example.", NULL});
	check(&w, &c, "x.ent.sub.example. A do", "NXDOMAIN aa\n",
	      (const char *const[]){"sub.example.", "ent.sub.example.", "*.sub.example.", NULL});
	ask_world_fini(&w);
}

/* RFC 5155 7.2.5, where what the wildcard has are delegations that the chain leaves out. */
static void a_wildcard_outside_the_chain_is_denied_from_where_it_can_be(void **state)
{
	struct ask_world w;
	struct chain c;

	(void)state;
	begin(&w, &c, false);
	check(&w, &c, "x.star.example. A do", "NOERROR aa\n",
	      (const char *const[]){"example.", "star.example.", "*.example.", NULL});
	ask_world_fini(&w);
}

static void what_needs_no_wildcard_denied_has_none(void **state)
{
	struct ask_world w;
	struct chain c;

	(void)state;
	begin(&w, &c, false);
	check(&w, &c, "ent.example. A do", "NOERROR aa\n",
	      (const char *const[]){"example.", "ent.example.", NULL});
	check(&w, &c, "a.ent.example. DS do", "NOERROR aa\n",
	      (const char *const[]){"example.", "ent.example.", NULL});
	check(&w, &c, "x.a.ent.sub.example. A do", "NOERROR\n",
	      (const char *const[]){"sub.example.", "ent.sub.example.", NULL});
	ask_world_fini(&w);
}

/* It is in the chain because it exists, not because it collides: RFC 5155 7.2.9 is not about this. */
static void a_wildcard_above_the_closest_encloser_is_no_collision(void **state)
{
	struct ask_world w;
	struct chain c;

	(void)state;
	begin(&w, &c, true);
	check(&w, &c, "x.ent.example. A do", "NXDOMAIN aa\n",
	      (const char *const[]){"example.", "ent.example.", "*.example.", NULL});
	ask_world_fini(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_wildcard_that_is_denied_is_that_of_the_encloser_that_is_proven),
		cmocka_unit_test(a_wildcard_outside_the_chain_is_denied_from_where_it_can_be),
		cmocka_unit_test(what_needs_no_wildcard_denied_has_none),
		cmocka_unit_test(a_wildcard_above_the_closest_encloser_is_no_collision),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
