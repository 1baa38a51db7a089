/*
 * Optimal string alignment distance, computed in a band around the diagonal: what lies outside costs more than max.
 */
#include "control/suggest.h"

#include <ctype.h>
#include <string.h>

struct rows {
	unsigned before[SUGGEST_LEN_MAX + 2];
	unsigned last[SUGGEST_LEN_MAX + 2];
	unsigned now[SUGGEST_LEN_MAX + 2];
};

static int lower(char c)
{
	return tolower((unsigned char)c);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Row i of the table, columns from..to. Returns the least value in it. */
static unsigned fill_row(struct rows *r, const char *a, const char *b, size_t i, size_t from, size_t to)
{
	unsigned low = (unsigned)-1;

	for (size_t j = from; j <= to; j++) {
		unsigned d = r->last[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));

		d = least(d, least(r->last[j], r->now[j - 1]) + 1);
		if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
		    lower(a[i - 2]) == lower(b[j - 1]))
			d = least(d, r->before[j - 2] + 1);
		r->now[j] = d;
		low = least(low, d);
	}
	return low;
}

unsigned suggest_distance(const char *a, const char *b, unsigned max)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	struct rows r;

	if (a_len > SUGGEST_LEN_MAX || b_len > SUGGEST_LEN_MAX ||
	    (a_len > b_len ? a_len - b_len : b_len - a_len) > max)
		return max + 1;
	for (size_t j = 0; j <= b_len + 1; j++)
		r.before[j] = r.last[j] = j <= max ? (unsigned)j : max + 1;
	for (size_t i = 1; i <= a_len; i++) {
		size_t from = i > max + 1 ? i - max : 1;
		size_t to = i + max < b_len ? i + max : b_len;

		for (size_t j = 0; j <= b_len + 1; j++)
			r.now[j] = max + 1;
		if (i <= max)
			r.now[0] = (unsigned)i;
		if (fill_row(&r, a, b, i, from, to) > max && r.now[0] > max)
			return max + 1;
		memcpy(r.before, r.last, sizeof(r.last));
		memcpy(r.last, r.now, sizeof(r.now));
	}
	return least(r.last[b_len], max + 1);
}

unsigned suggest_distance_max(size_t len)
{
	return len < 6 ? 1 : len < 9 ? 2 : 3;
}

const char *suggest_word(const char *word, const char *const words[], size_t cnt)
{
	unsigned max = suggest_distance_max(strlen(word)), best = max + 1;
	const char *found = NULL;

	for (size_t i = 0; i < cnt; i++) {
		unsigned d = suggest_distance(word, words[i], max);

		if (d < best) {
			best = d;
			found = words[i];
		}
	}
	return found;
}
