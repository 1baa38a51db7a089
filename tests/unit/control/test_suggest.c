/*
 * Near words are found, far ones are not, and the banded computation equals the plain one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "control/suggest.h"

static void a_slip_is_one_edit(void **state)
{
	assert_int_equal(suggest_distance("identity", "identity", 3), 0);
	assert_int_equal(suggest_distance("idenity", "identity", 3), 1);
	assert_int_equal(suggest_distance("identityy", "identity", 3), 1);
	assert_int_equal(suggest_distance("idemtity", "identity", 3), 1);
	assert_int_equal(suggest_distance("idnetity", "identity", 3), 1);
	assert_int_equal(suggest_distance("IDENTITY", "identity", 3), 0);
	assert_int_equal(suggest_distance("", "", 3), 0);
	assert_int_equal(suggest_distance("", "abc", 3), 3);
}

static void far_words_are_more_than_max(void **state)
{
	char long_word[400];

	assert_int_equal(suggest_distance("abc", "xyz", 2), 3);
	assert_int_equal(suggest_distance("abcdefgh", "a", 2), 3);
	memset(long_word, 'a', sizeof(long_word) - 1);
	long_word[sizeof(long_word) - 1] = '\0';
	assert_int_equal(suggest_distance(long_word, long_word, 2), 3);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* The textbook's table. */
static unsigned model(const char *a, const char *b)
{
	unsigned t[16][16];
	size_t n = strlen(a), m = strlen(b);

	for (size_t i = 0; i <= n; i++) {
		for (size_t j = 0; j <= m; j++) {
			if (i == 0 || j == 0) {
				t[i][j] = (unsigned)(i + j);
				continue;
			}
			t[i][j] = least(t[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
					least(t[i - 1][j], t[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				t[i][j] = least(t[i][j], t[i - 2][j - 2] + 1);
		}
	}
	return t[n][m];
}

static void random_word(unsigned *seed, char out[13])
{
	size_t len = (size_t)rand_r(seed) % 13;

	for (size_t i = 0; i < len; i++)
		out[i] = (char)('a' + rand_r(seed) % 3);
	out[len] = '\0';
}

static void the_distance_is_that_of_the_textbook(void **state)
{
	unsigned seed = 7;

	for (unsigned i = 0; i < 100000; i++) {
		unsigned max = i % 6;
		char a[13], b[13];

		random_word(&seed, a);
		random_word(&seed, b);
		if (suggest_distance(a, b, max) != least(model(a, b), max + 1))
			fail_msg("\"%s\" \"%s\" max %u", a, b, max);
	}
}

static void the_nearest_word_is_suggested(void **state)
{
	static const char *const words[] = {"status", "stats", "stop", "zone"};

	assert_string_equal(suggest_word("statsu", words, 4), "status");
	assert_string_equal(suggest_word("zon", words, 4), "zone");
	assert_null(suggest_word("frobnicate", words, 4));
	assert_null(suggest_word("x", words, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slip_is_one_edit),
		cmocka_unit_test(far_words_are_more_than_max),
		cmocka_unit_test(the_distance_is_that_of_the_textbook),
		cmocka_unit_test(the_nearest_word_is_suggested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
