/*
 * "Did you mean": how far one word is from another. Pure. Any thread.
 */
#pragma once

#include <stddef.h>

/* Longer words are never suggested and never compared. */
#define SUGGEST_LEN_MAX 255

/*
 * Edits (insert, delete, replace, swap of neighbours; ASCII case does not count) that turn a into b, or max + 1 when
 * it takes more than max. The work is bounded by strlen(a) * strlen(b), and ends early when the words differ much.
 */
unsigned suggest_distance(const char *a, const char *b, unsigned max);

/* How many edits a word of this length may be away and still look like a slip: a third of it, 1 to 3. */
unsigned suggest_distance_max(size_t len);

/* The nearest of cnt words, or NULL when none is near. */
const char *suggest_word(const char *word, const char *const words[], size_t cnt);
