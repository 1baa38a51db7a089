#include "bench/load/queries.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "dataplane/dns/protocol.h"

#define BLANKS		 " \t\r\n"
#define TYPE_MAX	 65535
#define HOSTS_MAX_DIGITS 8

/* As kept: a name in a common heap. */
struct entry {
	uint64_t name_at;
	uint64_t rdata_at;
	uint16_t rdata_len;
	uint16_t rdata_cnt;
	uint16_t type;
	uint8_t name_len;
	int8_t rcode;
	bool expected; /* has a line in the expectations file */
	bool has_rdata;
};

struct heap {
	uint8_t *octets;
	size_t len, cap;
};

struct query_set {
	struct entry *entry; /* of a file; NULL: hosts */
	uint32_t cnt, cap;
	struct heap heap;
	int rcode;
	char prefix[NAME_LABEL_MAX + 1];
	uint8_t zone[NAME_LEN_MAX];
	uint8_t zone_len;
	uint16_t type;
	bool addresses_known;
};

static const struct mnemonic {
	const char *text;
	uint16_t number;
} types[] =
	{
		{"A", 1},	    {"NS", 2},	    {"CNAME", 5},   {"SOA", 6},	      {"PTR", 12},
		{"HINFO", 13},	    {"MX", 15},	    {"TXT", 16},    {"RP", 17},	      {"AFSDB", 18},
		{"SIG", 24},	    {"KEY", 25},    {"AAAA", 28},   {"LOC", 29},      {"SRV", 33},
		{"NAPTR", 35},	    {"KX", 36},	    {"CERT", 37},   {"A6", 38},	      {"DNAME", 39},
		{"APL", 42},	    {"DS", 43},	    {"SSHFP", 44},  {"IPSECKEY", 45}, {"RRSIG", 46},
		{"NSEC", 47},	    {"DNSKEY", 48}, {"DHCID", 49},  {"NSEC3", 50},    {"NSEC3PARAM", 51},
		{"TLSA", 52},	    {"SMIMEA", 53}, {"HIP", 55},    {"CDS", 59},      {"CDNSKEY", 60},
		{"OPENPGPKEY", 61}, {"CSYNC", 62},  {"ZONEMD", 63}, {"SVCB", 64},     {"HTTPS", 65},
		{"SPF", 99},	    {"EUI48", 108}, {"EUI64", 109}, {"ANY", 255},     {"URI", 256},
		{"CAA", 257},
},
  rcodes[] = {
	  {"NOERROR", 0},  {"FORMERR", 1}, {"SERVFAIL", 2}, {"NXDOMAIN", 3}, {"NOTIMP", 4},   {"REFUSED", 5},
	  {"YXDOMAIN", 6}, {"YXRRSET", 7}, {"NXRRSET", 8},  {"NOTAUTH", 9},  {"NOTZONE", 10},
};

__attribute__((format(printf, 2, 3))) static void fail(struct queries_error *err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
}

static int number_of(const struct mnemonic *table, size_t cnt, const char *text)
{
	for (size_t i = 0; i < cnt; i++)
		if (strcasecmp(table[i].text, text) == 0)
			return table[i].number;
	return -EINVAL;
}

int queries_type(const char *text)
{
	int number = number_of(types, sizeof(types) / sizeof(types[0]), text);
	unsigned long value;
	char *end;

	if (number >= 0)
		return number;
	if (strncasecmp(text, "TYPE", 4) != 0 || !isdigit((unsigned char)text[4]))
		return -EINVAL;
	value = strtoul(text + 4, &end, 10);
	return *end == '\0' && value <= TYPE_MAX ? (int)value : -EINVAL;
}

int queries_rcode(const char *text)
{
	return number_of(rcodes, sizeof(rcodes) / sizeof(rcodes[0]), text);
}

const char *queries_rcode_text(unsigned rcode)
{
	return rcode < sizeof(rcodes) / sizeof(rcodes[0]) ? rcodes[rcode].text : "RCODE";
}

/* The next word of a line, cut off in place; NULL at its end. */
static char *next_word(char **line)
{
	char *word = *line + strspn(*line, BLANKS), *end;

	if (*word == '\0')
		return NULL;
	end = word + strcspn(word, BLANKS);
	*line = *end == '\0' ? end : end + 1;
	*end = '\0';
	return word;
}

/* Name and type from the start of a line; *rest is behind them. Same returns as queries_parse_line. */
static int parse_question(char *line, char **rest, struct question *out, struct queries_error *err)
{
	char *name = next_word(&line), *type;
	int len, number;

	if (name == NULL || *name == ';' || *name == '#')
		return 0;
	type = next_word(&line);
	if (type == NULL) {
		fail(err, "`%.80s` has no type behind the name", name);
		return -EINVAL;
	}
	len = name_from_text(name, out->name);
	if (len < 0) {
		fail(err, "`%.80s` is no domain name", name);
		return -EINVAL;
	}
	number = queries_type(type);
	if (number < 0) {
		fail(err, "`%.80s` is no type; others than the common ones are written TYPE65280", type);
		return -EINVAL;
	}
	out->name_len = (uint8_t)len;
	out->type = (uint16_t)number;
	*rest = line;
	return 1;
}

int queries_parse_line(const char *line, struct question *out, struct queries_error *err)
{
	char *copy = strdup(line), *rest;
	int rc;

	if (copy == NULL) {
		fail(err, "out of memory");
		return -ENOMEM;
	}
	rc = parse_question(copy, &rest, out, err);
	free(copy);
	return rc;
}

/* Returns where the octets are, or -ENOMEM. */
static int64_t heap_add(struct heap *h, const void *octets, size_t len)
{
	size_t at = h->len;

	if (h->len + len > h->cap) {
		size_t cap = 2 * (h->len + len) + 4096;
		uint8_t *grown = realloc(h->octets, cap);

		if (grown == NULL)
			return -ENOMEM;
		h->octets = grown;
		h->cap = cap;
	}
	memcpy(h->octets + at, octets, len);
	h->len += len;
	return (int64_t)at;
}

static int add_question(struct query_set *s, const struct question *q)
{
	int64_t at = heap_add(&s->heap, q->name, q->name_len);

	if (at < 0 || s->cnt == UINT32_MAX)
		return -ENOMEM;
	if (s->cnt == s->cap) {
		uint32_t cap = s->cap < 1024 ? 1024 : s->cap * 2;
		struct entry *grown = realloc(s->entry, cap * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		s->entry = grown;
		s->cap = cap;
	}
	s->entry[s->cnt++] = (struct entry){.name_at = (uint64_t)at,
					    .name_len = q->name_len,
					    .type = q->type,
					    .rcode = QUERIES_RCODE_ANY};
	return 0;
}

/* Calls take() for each line, whose sentences get file and line in front. */
static int for_each_line(const char *path, void *ctx,
			 int (*take)(void *ctx, char *line, struct queries_error *err),
			 struct queries_error *err)
{
	FILE *f = fopen(path, "re");
	unsigned long number = 0;
	char *line = NULL;
	size_t cap = 0;
	int rc = 0;

	if (f == NULL) {
		rc = -errno;
		fail(err, "cannot read %s: %s", path, strerror(errno));
		return rc;
	}
	while (rc >= 0 && getline(&line, &cap, f) >= 0) {
		struct queries_error why = {"out of memory"};

		number++;
		rc = take(ctx, line, &why);
		if (rc < 0)
			fail(err, "%.100s line %lu: %.120s", path, number, why.text);
	}
	if (rc >= 0 && ferror(f)) {
		fail(err, "cannot read %s to its end", path);
		rc = -EIO;
	}
	free(line);
	fclose(f);
	return rc < 0 ? rc : 0;
}

static int take_question(void *ctx, char *line, struct queries_error *err)
{
	struct question q;
	char *rest;
	int rc = parse_question(line, &rest, &q, err);

	return rc <= 0 ? rc : add_question(ctx, &q);
}

static struct query_set *set_new(struct queries_error *err)
{
	struct query_set *s = calloc(1, sizeof(*s));

	if (s == NULL)
		fail(err, "out of memory");
	else
		s->rcode = QUERIES_RCODE_ANY;
	return s;
}

int queries_read(const char *path, struct query_set **out, struct queries_error *err)
{
	struct query_set *s = set_new(err);
	int rc;

	if (s == NULL)
		return -ENOMEM;
	rc = for_each_line(path, s, take_question, err);
	if (rc == 0 && s->cnt == 0) {
		fail(err, "%s has no query in it", path);
		rc = -EINVAL;
	}
	if (rc < 0)
		queries_free(s);
	else
		*out = s;
	return rc;
}

int queries_hosts(const char *prefix, const char *zone, uint32_t names, uint16_t type, struct query_set **out,
		  struct queries_error *err)
{
	struct query_set *s = set_new(err);
	int len;

	if (s == NULL)
		return -ENOMEM;
	len = name_from_text(zone, s->zone);
	if (len < 0 || len + 1 + (int)strlen(prefix) + HOSTS_MAX_DIGITS > NAME_LEN_MAX ||
	    strlen(prefix) + HOSTS_MAX_DIGITS > NAME_LABEL_MAX || names == 0) {
		fail(err, "cannot ask for %u hosts `%.60s...` below `%.80s`: no such names", names, prefix,
		     zone);
		queries_free(s);
		return -EINVAL;
	}
	s->zone_len = (uint8_t)len;
	s->cnt = names;
	s->type = type;
	s->addresses_known = type == DNS_TYPE_A && strcmp(prefix, "h") == 0;
	memcpy(s->prefix, prefix, strlen(prefix) + 1);
	*out = s;
	return 0;
}

/* --- expectations --- */

struct expecting {
	struct query_set *set;
	uint32_t *order; /* the numbers of the questions, sorted by name and type */
};

static int compare_questions(const struct question *a, const struct question *b)
{
	int cmp = name_compare(a->name, b->name);

	return cmp != 0 ? cmp : (int)a->type - (int)b->type;
}

static int compare_numbers(const void *a, const void *b, void *ctx)
{
	struct question x, y;

	queries_get(ctx, *(const uint32_t *)a, &x);
	queries_get(ctx, *(const uint32_t *)b, &y);
	return compare_questions(&x, &y);
}

/* The first place in the order whose question is not before q. */
static uint32_t lower_bound(const struct expecting *e, const struct question *q)
{
	uint32_t low = 0, high = e->set->cnt;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct question x;

		queries_get(e->set, e->order[middle], &x);
		if (compare_questions(&x, q) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Octets of one record; returns how many, or -EINVAL. */
static int parse_rdata(const char *word, uint8_t *out, size_t cap)
{
	size_t len = strlen(word);

	if (inet_pton(AF_INET, word, out) == 1)
		return 4;
	if (inet_pton(AF_INET6, word, out) == 1)
		return 16;
	if (strncmp(word, "0x", 2) != 0 || len % 2 != 0 || len / 2 - 1 > cap)
		return -EINVAL;
	for (size_t i = 2; i < len; i += 2) {
		unsigned octet;

		if (!isxdigit((unsigned char)word[i]) || !isxdigit((unsigned char)word[i + 1]) ||
		    sscanf(word + i, "%2x", &octet) != 1)
			return -EINVAL;
		out[i / 2 - 1] = (uint8_t)octet;
	}
	return (int)(len / 2 - 1);
}

/* All records of a line into the heap; fills the rdata fields of *to. */
static int add_rdata(struct query_set *s, char *line, struct entry *to, struct queries_error *err)
{
	uint8_t octets[2 + 4096];
	char *word;

	to->rdata_at = s->heap.len;
	while ((word = next_word(&line)) != NULL) {
		int len = strcmp(word, "-") == 0 ? 0 : parse_rdata(word, octets + 2, sizeof(octets) - 2);

		to->has_rdata = true;
		if (strcmp(word, "-") == 0)
			continue;
		if (len < 0 || s->heap.len - to->rdata_at + 2 + (size_t)len > UINT16_MAX) {
			fail(err, "`%.60s` is no address, nor octets such as 0x0a000001", word);
			return -EINVAL;
		}
		wire_store16(octets, (uint16_t)len);
		if (heap_add(&s->heap, octets, 2 + (size_t)len) < 0)
			return -ENOMEM;
		to->rdata_cnt++;
	}
	to->rdata_len = (uint16_t)(s->heap.len - to->rdata_at);
	return 0;
}

static int take_expectation(void *ctx, char *line, struct queries_error *err)
{
	struct expecting *e = ctx;
	struct entry found = {.expected = true};
	struct question q, x;
	char *rest, *word;
	uint32_t at;
	int rc = parse_question(line, &rest, &q, err);

	if (rc <= 0)
		return rc;
	word = next_word(&rest);
	rc = word == NULL ? -EINVAL : queries_rcode(word);
	if (rc < 0) {
		fail(err, "behind name and type an RCODE such as NOERROR is wanted, not `%.40s`",
		     word == NULL ? "" : word);
		return rc;
	}
	found.rcode = (int8_t)rc;
	rc = add_rdata(e->set, rest, &found, err);
	if (rc < 0)
		return rc;
	at = lower_bound(e, &q);
	for (uint32_t i = at; i < e->set->cnt; i++) {
		struct entry *to = &e->set->entry[e->order[i]];

		queries_get(e->set, e->order[i], &x);
		if (compare_questions(&x, &q) != 0)
			break;
		found.name_at = to->name_at;
		found.name_len = to->name_len;
		found.type = to->type;
		*to = found;
		rc = 1;
	}
	if (rc == 0)
		fail(err, "no query asks for this");
	return rc == 0 ? -ENOENT : 0;
}

int queries_read_expectations(struct query_set *s, const char *path, struct queries_error *err)
{
	struct expecting e = {.set = s};
	int rc;

	if (s->entry == NULL) {
		fail(err, "%s: expectations need a query file", path);
		return -EINVAL;
	}
	e.order = malloc(s->cnt * sizeof(*e.order));
	if (e.order == NULL) {
		fail(err, "out of memory");
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < s->cnt; i++)
		e.order[i] = i;
	qsort_r(e.order, s->cnt, sizeof(*e.order), compare_numbers, s);
	rc = for_each_line(path, &e, take_expectation, err);
	free(e.order);
	return rc;
}

void queries_expect_rcode(struct query_set *s, int rcode)
{
	s->rcode = rcode;
}

/* --- reading --- */

void queries_free(struct query_set *s)
{
	if (s == NULL)
		return;
	free(s->entry);
	free(s->heap.octets);
	free(s);
}

uint32_t queries_cnt(const struct query_set *s)
{
	return s->cnt;
}

bool queries_random(const struct query_set *s)
{
	return s->entry == NULL;
}

void queries_get(const struct query_set *s, uint32_t number, struct question *out)
{
	char label[NAME_LABEL_MAX + 1];
	size_t len;

	if (s->entry != NULL) {
		const struct entry *e = &s->entry[number];

		memcpy(out->name, s->heap.octets + e->name_at, e->name_len);
		out->name_len = e->name_len;
		out->type = e->type;
		return;
	}
	len = (size_t)snprintf(label, sizeof(label), "%s%x", s->prefix, number);
	out->name[0] = (uint8_t)len;
	memcpy(out->name + 1, label, len);
	memcpy(out->name + 1 + len, s->zone, s->zone_len);
	out->name_len = (uint8_t)(1 + len + s->zone_len);
	out->type = s->type;
}

void queries_expectation(const struct query_set *s, uint32_t number, uint8_t room[6], struct expectation *out)
{
	*out = (struct expectation){.rcode = s->rcode};
	if (s->entry == NULL) {
		if (!s->addresses_known || (s->rcode != QUERIES_RCODE_ANY && s->rcode != DNS_RCODE_NOERROR))
			return;
		wire_store16(room, 4);
		wire_store32(room + 2, 10u << 24 | (number & 0xffffff));
		out->has_rdata = true;
		out->cnt = 1;
		out->rdata = room;
		out->rdata_len = 6;
		return;
	}
	if (!s->entry[number].expected)
		return;
	out->rcode = s->entry[number].rcode;
	out->has_rdata = s->entry[number].has_rdata;
	out->cnt = s->entry[number].rdata_cnt;
	out->rdata = s->heap.octets + s->entry[number].rdata_at;
	out->rdata_len = s->entry[number].rdata_len;
}
