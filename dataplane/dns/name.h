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
	uint64_t x, y, differ;
	uint32_t of_a[2], of_b[2];

	if (len >= 8) {
		memcpy(&x, a, 8);
		memcpy(&y, b, 8);
		differ = x ^ y;
		memcpy(&x, a + len - 8, 8);
		memcpy(&y, b + len - 8, 8);
		differ |= x ^ y;
		for (size_t i = 8; i + 8 < len; i += 8) {
			memcpy(&x, a + i, 8);
			memcpy(&y, b + i, 8);
			differ |= x ^ y;
		}
		return differ == 0;
	}
	if (len >= 4) {
		memcpy(of_a, a, 4);
		memcpy(of_a + 1, a + len - 4, 4);
		memcpy(of_b, b, 4);
		memcpy(of_b + 1, b + len - 4, 4);
		return ((of_a[0] ^ of_b[0]) | (of_a[1] ^ of_b[1])) == 0;
	}
	for (size_t i = 0; i < len; i++)
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

/* name_hash_child for len > 16. */
uint64_t name_hash_long(uint64_t parent, const uint8_t *label, size_t len);

static inline uint64_t name_load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t name_load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/*
 * One step of the chain: the hash of label (len octets without its length octet, lower case) under parent.
 *
 * Nearly all labels are short, and for them the call, the length switch and the rounds of XXH3 cost more than the
 * hashing: 66 instructions a label against some 30 here. Both factors hold the parent's hash, which nobody outside
 * knows, so no label can be chosen to make one of them zero or two of them meet.
 */
static inline uint64_t name_hash_child(uint64_t parent, const uint8_t *label, size_t len)
{
	unsigned __int128 product;
	uint64_t a, b;

	if (len > 16)
		return name_hash_long(parent, label, len);
	if (len >= 8) {
		a = name_load64(label);
		b = name_load64(label + len - 8);
	} else if (len >= 4) {
		a = name_load32(label);
		b = name_load32(label + len - 4);
	} else {
		a = len == 0 ? 0 : (uint64_t)label[0] << 16 | (uint64_t)label[len / 2] << 8 | label[len - 1];
		b = 0;
	}
	/* The length tells "aa" from "a"; spread over the word, or a change of it could undo one of an octet. */
	a ^= parent;
	b ^= (parent << 32 | parent >> 32) + len * UINT64_C(0x9E3779B97F4A7C15);
	product = (unsigned __int128)a * b;
	/*
	 * Names that differ little leave bits lopsided after one product (or a product and a shift); after two they
	 * spread like XXH3's, in every bit: blocks, tags and buckets use all of them.
	 */
	a = (uint64_t)product ^ UINT64_C(0xA0761D6478BD642F);
	b = (uint64_t)(product >> 64) ^ parent;
	product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Of a name whose off and hash[label] are known already: the hashes of the longer suffixes. */
static inline void name_hash_below(const uint8_t *lower, unsigned label, struct name_hashes *io)
{
	uint64_t hash = io->hash[label];

	while (label-- > 0) {
		const uint8_t *at = lower + io->off[label];

		hash = name_hash_child(hash, at + 1, *at);
		io->hash[label] = hash;
	}
}
