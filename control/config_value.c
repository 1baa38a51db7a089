#include "control/config_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/suggest.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {
	{"us", 1},
	{"ms", 1000},
	{"s", CONFIG_US_PER_S},
	{"m", 60 * CONFIG_US_PER_S},
	{"h", 3600 * CONFIG_US_PER_S},
	{"d", CONFIG_US_PER_DAY},
	{"w", CONFIG_US_PER_WEEK},
};

static const struct unit sizes[] = {
	{"K", UINT64_C(1) << 10},
	{"M", UINT64_C(1) << 20},
	{"G", UINT64_C(1) << 30},
	{"T", UINT64_C(1) << 40},
};

#define CNT(a) (sizeof(a) / sizeof((a)[0]))

/* Digits at the start of *text, at least one; advances it. Returns 0, -EINVAL or -ERANGE. */
static int digits(const char **text, uint64_t *out)
{
	const char *t = *text;
	uint64_t n = 0;

	if (*t < '0' || *t > '9')
		return -EINVAL;
	for (; *t >= '0' && *t <= '9'; t++) {
		if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*t - '0'), &n))
			return -ERANGE;
	}
	*text = t;
	*out = n;
	return 0;
}

/* A number and one of the units, or none: then times plain. Returns 0, -EINVAL or -ERANGE. */
static int quantity(const char *text, const struct unit *units, size_t cnt, uint64_t plain, uint64_t *out)
{
	uint64_t n, factor = 0;
	int rc = digits(&text, &n);

	if (rc < 0)
		return rc;
	if (*text == '\0')
		factor = plain;
	for (size_t i = 0; i < cnt; i++) {
		if (strcmp(text, units[i].name) == 0)
			factor = units[i].factor;
	}
	if (factor == 0)
		return -EINVAL;
	return __builtin_mul_overflow(n, factor, out) ? -ERANGE : 0;
}

/* The shortest way to write n in the units: 600000000 us as "10m". */
static const char *quantity_text(uint64_t n, const struct unit *units, size_t cnt, char *buf, size_t cap)
{
	const char *name = "";
	uint64_t factor = 1;

	for (size_t i = 0; i < cnt; i++) {
		if (n >= units[i].factor && n % units[i].factor == 0) {
			factor = units[i].factor;
			name = units[i].name;
		}
	}
	snprintf(buf, cap, "%" PRIu64 "%s", n / factor, name);
	return buf;
}

static void range_error(const struct config_value *v, const struct unit *units, size_t cnt, uint64_t min,
			uint64_t max)
{
	char a[32], b[32];

	config_errors_add(v->errors, v->path, "\"%s\" is out of range, must be %s to %s", v->text,
			  quantity_text(min, units, cnt, a, sizeof(a)),
			  quantity_text(max, units, cnt, b, sizeof(b)));
}

uint64_t config_value_uint(const struct config_value *v, uint64_t min, uint64_t max, uint64_t fallback)
{
	const char *text = v->text;
	uint64_t n = 0;
	int rc;

	if (text == NULL)
		return fallback;
	rc = digits(&text, &n);
	if (rc == 0 && *text != '\0')
		rc = -EINVAL;
	if (rc == -EINVAL) {
		config_errors_add(v->errors, v->path, "\"%s\" is not a whole number", v->text);
		return fallback;
	}
	if (rc < 0 || n < min || n > max) {
		range_error(v, NULL, 0, min, max);
		return fallback;
	}
	return n;
}

uint64_t config_value_duration(const struct config_value *v, uint64_t min_us, uint64_t max_us,
			       uint64_t fallback_us)
{
	uint64_t n = 0;
	int rc;

	if (v->text == NULL)
		return fallback_us;
	rc = quantity(v->text, durations, CNT(durations), CONFIG_US_PER_S, &n);
	if (rc == -EINVAL) {
		config_errors_add(v->errors, v->path,
				  "\"%s\" is not a duration: a number and us, ms, s, m, h, d or w", v->text);
		return fallback_us;
	}
	if (rc < 0 || n < min_us || n > max_us) {
		range_error(v, durations, CNT(durations), min_us, max_us);
		return fallback_us;
	}
	return n;
}

uint64_t config_value_size(const struct config_value *v, uint64_t min, uint64_t max, uint64_t fallback)
{
	uint64_t n = 0;
	int rc;

	if (v->text == NULL)
		return fallback;
	rc = quantity(v->text, sizes, CNT(sizes), 1, &n);
	if (rc == -EINVAL) {
		config_errors_add(v->errors, v->path, "\"%s\" is not a size: a number and K, M, G or T",
				  v->text);
		return fallback;
	}
	if (rc < 0 || n < min || n > max) {
		range_error(v, sizes, CNT(sizes), min, max);
		return fallback;
	}
	return n;
}

bool config_value_bool(const struct config_value *v, bool fallback)
{
	/* The words of YAML 1.1 and 1.2; even ones are true. */
	static const char *const words[] = {"true", "false", "yes", "no", "on", "off"};

	if (v->text == NULL)
		return fallback;
	for (unsigned i = 0; i < CNT(words); i++) {
		if (strcasecmp(v->text, words[i]) == 0)
			return i % 2 == 0;
	}
	config_errors_add(v->errors, v->path, "\"%s\" is neither true nor false", v->text);
	return fallback;
}

static void enum_error(const struct config_value *v, const char *const words[], unsigned cnt)
{
	const char *near = suggest_word(v->text, words, cnt);
	char list[200];
	size_t len = 0;

	if (near != NULL) {
		config_errors_add(v->errors, v->path, "\"%s\" is not known here; did you mean \"%s\"?",
				  v->text, near);
		return;
	}
	for (unsigned i = 0; i < cnt && len < sizeof(list); i++) {
		const char *sep = i == 0 ? "" : i == cnt - 1 ? " or " : ", ";

		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", sep, words[i]);
	}
	config_errors_add(v->errors, v->path, "\"%s\" is not known here; must be %s", v->text, list);
}

unsigned config_value_enum(const struct config_value *v, const char *const words[], unsigned cnt,
			   unsigned fallback)
{
	if (v->text == NULL)
		return fallback;
	for (unsigned i = 0; i < cnt; i++) {
		if (strcmp(v->text, words[i]) == 0)
			return i;
	}
	enum_error(v, words, cnt);
	return fallback;
}

bool config_value_text(const struct config_value *v, char *out, size_t cap, const char *fallback)
{
	const char *text = v->text;
	bool good = true;

	if (text != NULL && *text == '\0') {
		config_errors_add(v->errors, v->path, "is empty");
		good = false;
	} else if (text != NULL && strlen(text) >= cap) {
		config_errors_add(v->errors, v->path, "is too long: %zu octets, at most %zu are possible",
				  strlen(text), cap - 1);
		good = false;
	}
	if (!good || text == NULL)
		text = fallback;
	if (text != NULL)
		snprintf(out, cap, "%s", text);
	return good;
}

/* Why no host has this address, or NULL. */
static const char *address4_fault(const struct in_addr *a)
{
	uint32_t n = ntohl(a->s_addr);

	if (n == INADDR_ANY)
		return "is the unspecified address; name each address";
	if (IN_MULTICAST(n))
		return "is a multicast address";
	if (n == INADDR_BROADCAST)
		return "is the broadcast address";
	return NULL;
}

static const char *address6_fault(const struct in6_addr *a)
{
	if (IN6_IS_ADDR_UNSPECIFIED(a))
		return "is the unspecified address; name each address";
	if (IN6_IS_ADDR_MULTICAST(a))
		return "is a multicast address";
	if (IN6_IS_ADDR_V4MAPPED(a))
		return "is an IPv4-mapped address; write it as an IPv4 address";
	if (IN6_IS_ADDR_LINKLOCAL(a))
		return "is a link-local address, which means something else on every interface";
	return NULL;
}

/* Octets of an address, whatever it means. False: it is none. */
static bool address_from_text(const char *text, union config_sockaddr *out)
{
	*out = (union config_sockaddr){0};
	if (inet_pton(AF_INET, text, &out->in4.sin_addr) == 1)
		out->sa.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &out->in6.sin6_addr) == 1)
		out->sa.sa_family = AF_INET6;
	else
		return false;
	return true;
}

bool config_value_address(const struct config_value *v, union config_sockaddr *out)
{
	union config_sockaddr a;
	const char *fault = "is not an IPv4 or IPv6 address";

	if (address_from_text(v->text, &a))
		fault = a.sa.sa_family == AF_INET ? address4_fault(&a.in4.sin_addr)
						  : address6_fault(&a.in6.sin6_addr);
	if (fault != NULL) {
		config_errors_add(v->errors, v->path, "\"%s\" %s", v->text, fault);
		return false;
	}
	*out = a;
	return true;
}

bool config_value_network(const struct config_value *v, union config_sockaddr *out, uint8_t *out_prefix)
{
	const char *slash = strchr(v->text, '/');
	char host[INET6_ADDRSTRLEN];
	union config_sockaddr a;
	unsigned long bits, given;
	char *end;

	if (slash == NULL) {
		if (!config_value_address(v, out))
			return false;
		*out_prefix = out->sa.sa_family == AF_INET ? 32 : 128;
		return true;
	}
	if (slash - v->text >= (ptrdiff_t)sizeof(host)) {
		config_errors_add(v->errors, v->path, "\"%.64s\" is not an IPv4 or IPv6 network", v->text);
		return false;
	}
	snprintf(host, sizeof(host), "%.*s", (int)(slash - v->text), v->text);
	if (!address_from_text(host, &a)) {
		config_errors_add(v->errors, v->path, "\"%.64s\" is not an IPv4 or IPv6 network", v->text);
		return false;
	}
	bits = a.sa.sa_family == AF_INET ? 32 : 128;
	given = strtoul(slash + 1, &end, 10);
	if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || given > bits) {
		config_errors_add(v->errors, v->path, "\"%.64s\": the prefix length must be 0 to %lu",
				  v->text, bits);
		return false;
	}
	*out = a;
	*out_prefix = (uint8_t)given;
	return true;
}
