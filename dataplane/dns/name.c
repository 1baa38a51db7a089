#include "dataplane/dns/name.h"
#include "dataplane/dns/protocol.h"

#include <errno.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* clang-format off */
static const uint8_t fold[256] = {
#define R8(n) n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7
	R8(0), R8(8), R8(16), R8(24), R8(32), R8(40), R8(48), R8(56),
	64, R8('a'), R8('a' + 8), R8('a' + 16), 'y', 'z', 91, 92, 93, 94, 95,
	R8(96), R8(104), R8(112), R8(120), R8(128), R8(136), R8(144), R8(152), R8(160), R8(168),
	R8(176), R8(184), R8(192), R8(200), R8(208), R8(216), R8(224), R8(232), R8(240), R8(248),
#undef R8
};
/* clang-format on */

size_t name_get(struct wire_in *in, uint8_t out[NAME_LEN_MAX])
{
	const uint8_t *p = in->cur;
	const uint8_t *resume = NULL;	/* behind the name as it stands here */
	const uint8_t *limit = in->cur; /* the next pointer must land before this: strictly backwards */
	unsigned pointer_cnt = 0;
	size_t len = 0;

	if (in->bad)
		return 0;
	for (;;) {
		uint8_t l;

		if (p >= in->end)
			goto bad;
		l = *p;
		if (l >= 0xC0) {
			const uint8_t *to;

			if (in->end - p < 2)
				goto bad;
			to = in->base + ((l & 0x3F) << 8 | p[1]);
			if (to >= limit || to < in->base + DNS_HEADER_LEN ||
			    ++pointer_cnt > NAME_POINTERS_MAX)
				goto bad;
			if (resume == NULL)
				resume = p + 2;
			limit = p = to;
			continue;
		}
		if (l > NAME_LABEL_MAX || (size_t)(in->end - p) < 1u + l || len + 1 + l > NAME_LEN_MAX)
			goto bad;
		memcpy(out + len, p, 1u + l);
		len += 1u + l;
		p += 1u + l;
		if (l == 0)
			break;
	}
	in->cur = resume == NULL ? p : resume;
	return len;
bad:
	in->bad = true;
	return 0;
}

size_t name_get_plain(struct wire_in *in, uint8_t out[NAME_LEN_MAX])
{
	size_t len = 0;

	while (!in->bad) {
		uint8_t l = wire_get8(in);
		const uint8_t *label;

		if (l > NAME_LABEL_MAX || len + 1 + l > NAME_LEN_MAX)
			in->bad = true;
		label = wire_get_bytes(in, l);
		if (in->bad)
			break;
		out[len] = l;
		memcpy(out + len + 1, label, l);
		len += 1u + l;
		if (l == 0)
			return len;
	}
	return 0;
}

size_t name_len(const uint8_t *name)
{
	const uint8_t *p = name;

	while (*p != 0)
		p += 1 + *p;
	return (size_t)(p - name) + 1;
}

bool name_valid(const uint8_t *p, size_t len)
{
	size_t pos = 0;

	if (len > NAME_LEN_MAX)
		return false;
	while (pos < len) {
		uint8_t l = p[pos];

		if (l > NAME_LABEL_MAX)
			return false;
		pos += 1u + l;
		if (l == 0)
			return pos == len;
	}
	return false;
}

unsigned name_label_cnt(const uint8_t *name)
{
	unsigned cnt = 0;

	for (; *name != 0; name += 1 + *name)
		cnt++;
	return cnt;
}

bool name_equal(const uint8_t *a, const uint8_t *b)
{
	for (;;) {
		uint8_t l = *a;

		if (l != *b)
			return false;
		if (l == 0)
			return true;
		for (unsigned i = 1; i <= l; i++)
			if (fold[a[i]] != fold[b[i]])
				return false;
		a += 1 + l;
		b += 1 + l;
	}
}

static unsigned label_offsets(const uint8_t *name, uint8_t off[NAME_LABELS_MAX + 1])
{
	const uint8_t *p = name;
	unsigned cnt = 0;

	for (; *p != 0; p += 1 + *p)
		off[cnt++] = (uint8_t)(p - name);
	return cnt;
}

static int label_compare(const uint8_t *a, const uint8_t *b)
{
	unsigned min = *a < *b ? *a : *b;

	for (unsigned i = 1; i <= min; i++) {
		int d = fold[a[i]] - fold[b[i]];

		if (d != 0)
			return d;
	}
	return *a - *b;
}

int name_compare(const uint8_t *a, const uint8_t *b)
{
	uint8_t a_off[NAME_LABELS_MAX + 1], b_off[NAME_LABELS_MAX + 1];
	unsigned a_cnt = label_offsets(a, a_off);
	unsigned b_cnt = label_offsets(b, b_off);

	while (a_cnt > 0 && b_cnt > 0) {
		int d = label_compare(a + a_off[--a_cnt], b + b_off[--b_cnt]);

		if (d != 0)
			return d;
	}
	return (int)a_cnt - (int)b_cnt;
}

bool name_is_at_or_below(const uint8_t *name, const uint8_t *ancestor)
{
	unsigned n = name_label_cnt(name);
	unsigned a = name_label_cnt(ancestor);

	for (; n > a; n--)
		name += 1 + *name;
	return n == a && name_equal(name, ancestor);
}

/* Eight octets at once. Their lower seven bits cannot carry into one another: "A" .. "Z" make bit 7 differ below. */
static uint64_t lower8(uint64_t octets)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t low = octets & ones * 0x7F;
	uint64_t from_a = low + ones * (0x80 - 'A');
	uint64_t past_z = low + ones * (0x80 - 'Z' - 1);
	uint64_t upper = from_a & ~past_z & ~octets & ones * 0x80;

	return octets + (upper >> 2);
}

void name_lower(uint8_t *dst, const uint8_t *src, size_t len)
{
	uint64_t octets = 0;

	for (; len >= 8; len -= 8, dst += 8, src += 8) {
		memcpy(&octets, src, 8);
		octets = lower8(octets);
		memcpy(dst, &octets, 8);
	}
	for (size_t i = 0; i < len; i++)
		dst[i] = (uint8_t)(src[i] + ((uint8_t)(src[i] - 'A') < 26 ? 32 : 0));
}

const char *name_text(const uint8_t *name, char buf[NAME_TEXT_CAP])
{
	char *o = buf;

	if (*name == 0)
		*o++ = '.';
	for (; *name != 0; name += 1 + *name) {
		for (unsigned i = 1; i <= *name; i++) {
			uint8_t c = name[i];

			if (c <= ' ' || c >= 127) {
				*o++ = '\\';
				*o++ = (char)('0' + c / 100);
				*o++ = (char)('0' + c / 10 % 10);
				*o++ = (char)('0' + c % 10);
				continue;
			}
			if (strchr(".\\\"();@$", c) != NULL)
				*o++ = '\\';
			*o++ = (char)c;
		}
		*o++ = '.';
	}
	*o = '\0';
	return buf;
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* One octet, escaped or not; advances *text. Returns -1 for a bad escape. */
static int text_octet(const char **text)
{
	const char *t = *text;
	int v;

	if (*t != '\\') {
		*text = t + 1;
		return (uint8_t)*t;
	}
	if (digit(t[1]) && digit(t[2]) && digit(t[3])) {
		v = (t[1] - '0') * 100 + (t[2] - '0') * 10 + (t[3] - '0');
		*text = t + 4;
		return v > 255 ? -1 : v;
	}
	if (t[1] == '\0' || digit(t[1]))
		return -1;
	*text = t + 2;
	return (uint8_t)t[1];
}

int name_from_text(const char *text, uint8_t out[NAME_LEN_MAX])
{
	uint8_t buf[NAME_LEN_MAX];
	size_t len = 0;

	if (*text == '\0')
		return -EINVAL;
	if (strcmp(text, ".") == 0)
		text++;
	while (*text != '\0') {
		size_t start = len++;

		while (*text != '\0' && *text != '.') {
			int c = text_octet(&text);

			if (c < 0 || len - start > NAME_LABEL_MAX || len >= NAME_LEN_MAX - 1)
				return -EINVAL;
			buf[len++] = (uint8_t)c;
		}
		if (len == start + 1)
			return -EINVAL;
		buf[start] = (uint8_t)(len - start - 1);
		if (*text == '.')
			text++;
	}
	buf[len++] = 0;
	memcpy(out, buf, len);
	return (int)len;
}

uint64_t name_hash_long(uint64_t parent, const uint8_t *label, size_t len)
{
	return XXH3_64bits_withSeed(label, len, parent);
}

void name_hash_labels(const uint8_t *lower, uint64_t key, struct name_hashes *io)
{
	io->hash[io->label_cnt] = key;
	name_hash_below(lower, io->label_cnt, io);
}

void name_hash_suffixes(const uint8_t *lower, uint64_t key, struct name_hashes *out)
{
	const uint8_t *p = lower;
	unsigned cnt = 0;

	for (; *p != 0; p += 1 + *p)
		out->off[cnt++] = (uint8_t)(p - lower);
	out->off[cnt] = (uint8_t)(p - lower);
	out->len = (uint8_t)(p - lower + 1);
	out->label_cnt = (uint8_t)cnt;
	name_hash_labels(lower, key, out);
}
