/*
 * Domain names.
 *
 * A name here is uncompressed wire format (RFC 1035 3.1): labels with their length octets, the last one the
 * root's zero, at most 255 octets and 127 labels. Any octet may stand in a label (RFC 2181 11); comparison folds
 * ASCII case only (RFC 4343). Unless a function says otherwise its names are valid in this sense.
 * Pure: no allocation, no state. Any thread.
 */
#pragma once

#include "dataplane/dns/wire.h"

#define NAME_LEN_MAX	255 /* octets, with the root label (RFC 1035 2.3.4) */
#define NAME_LABEL_MAX	63
#define NAME_LABELS_MAX 127 /* without the root: 127 one-octet labels fill 255 octets */
/* A pointer after each label is the most a name can use; more of them only cost the reader time. */
#define NAME_POINTERS_MAX NAME_LABELS_MAX
#define NAME_TEXT_CAP	  1024 /* presentation form: every octet as \DDD, dots and NUL still fit */

/*
 * Reads a name that may be compressed. A pointer must lead strictly backwards from the start of the piece of name
 * that it ends, and not into the header, so a loop is impossible (RFC 1035 4.1.4: "a prior occurrence of the same
 * name"); at most NAME_POINTERS_MAX are followed, so the work is bounded. in->base is the start of the message.
 * in->cur ends behind the name as it stands in the message. Returns the length written to out, or 0 with in->bad
 * set (out is then unspecified).
 */
size_t name_get(struct wire_in *in, uint8_t out[NAME_LEN_MAX]);

/* Reads a name where compression is not allowed (RFC 3597 4). Same returns. */
size_t name_get_plain(struct wire_in *in, uint8_t out[NAME_LEN_MAX]);

/* Octets of the name, root label included. */
size_t name_len(const uint8_t *name);

/* Whether the len octets at p are exactly one valid uncompressed name. */
bool name_valid(const uint8_t *p, size_t len);

/* Labels without the root. */
unsigned name_label_cnt(const uint8_t *name);

bool name_equal(const uint8_t *a, const uint8_t *b);

/*
 * Whether two names (or parts of them) of len octets, both in lower case, are the same. Inline, and in steps of eight:
 * what a lookup compares is short, and a call costs more than the comparison.
 */
static inline bool name_same(const uint8_t *a, const uint8_t *b, size_t len)
{
	uint64_t x, y;
	size_t i = 0;

	for (; i + 8 <= len; i += 8) {
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (x != y)
			return false;
	}
	if (len >= 8) {
		memcpy(&x, a + len - 8, 8);
		memcpy(&y, b + len - 8, 8);
		return x == y;
	}
	if (len >= 4) {
		uint32_t v, w;

		memcpy(&v, a, 4);
		memcpy(&w, b, 4);
		if (v != w)
			return false;
		memcpy(&v, a + len - 4, 4);
		memcpy(&w, b + len - 4, 4);
		return v == w;
	}
	for (; i < len; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* Canonical order, RFC 4034 6.1: <0, 0, >0. */
int name_compare(const uint8_t *a, const uint8_t *b);

/* Whether name is ancestor or stands below it. */
bool name_is_at_or_below(const uint8_t *name, const uint8_t *ancestor);

/* Lower-cases len octets of name in wire form. Length octets are below 'A', so this folds all octets alike. */
void name_lower(uint8_t *dst, const uint8_t *src, size_t len);

/*
 * Presentation form with a trailing dot, RFC 1035 5.1 escapes and \DDD for everything that is not printable, so
 * that a name from the network can stand in a log line. Returns buf.
 */
const char *name_text(const uint8_t *name, char buf[NAME_TEXT_CAP]);

/*
 * The inverse; a missing trailing dot is added. Returns the length, or -EINVAL for an empty label, a bad escape,
 * a label over 63 octets or a name over 255.
 */
int name_from_text(const char *text, uint8_t out[NAME_LEN_MAX]);

/*
 * The hashes of all suffixes of a name in one pass, chained from the root:
 *     hash[label_cnt] = key;  hash[i] = f(label i in lower case, hash[i + 1]).
 * Keyed so that nobody outside can aim at one block or one bucket. off[i] is where label i starts;
 * off[label_cnt] is the root label.
 */
struct name_hashes {
	uint8_t label_cnt;
	uint8_t len;
	uint8_t off[NAME_LABELS_MAX + 1];
	uint64_t hash[NAME_LABELS_MAX + 1];
};

/* lower must be in lower case. */
void name_hash_suffixes(const uint8_t *lower, uint64_t key, struct name_hashes *out);

/* A name whose off, label_cnt and len are known already: fills in the hashes. */
void name_hash_labels(const uint8_t *lower, uint64_t key, struct name_hashes *io);

/*
 * The same, after another name that was hashed with this key: if all but the first labels are the same, their hashes are
 * taken over. The names of a burst mostly differ in their first label only.
 */
void name_hash_like(const uint8_t *lower, uint64_t key, struct name_hashes *io, const uint8_t *other,
		    const struct name_hashes *other_hashes);

/* One step of the chain: the hash of label (len octets without its length octet, lower case) under parent. */
uint64_t name_hash_child(uint64_t parent, const uint8_t *label, size_t len);
