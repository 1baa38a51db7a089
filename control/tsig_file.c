#include "control/tsig_file.h"

#include "control/secret_file.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define SECRET_TEXT_MAX 1024 /* 768 octets: more than any hash takes in */

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_PUNCT, TOKEN_BAD };

/* Points into the text; string tokens without their quotes. */
struct token {
	enum token_kind kind;
	const char *text;
	size_t len;
};

struct parser {
	const char *cur, *end;
	const char *path;
	char *error;
	unsigned line;
	bool allow_md5;
	bool comment_open;
};

/* What one key statement has told so far. */
struct key_draft {
	uint8_t name[NAME_LEN_MAX];
	char name_text[NAME_TEXT_CAP]; /* made from name, so it is safe to print */
	int algorithm;		       /* enum tsig_algorithm, -1: not yet */
	size_t secret_len;	       /* 0: not yet */
	uint8_t secret[SECRET_TEXT_MAX / 4 * 3];
};

static int fail(struct parser *p, int err, const char *what, const char *key_name)
{
	snprintf(p->error, TSIG_FILE_ERROR_CAP, "%s:%u: %s%s%s%s", p->path, p->line, key_name ? "key \"" : "",
		 key_name ? key_name : "", key_name ? "\": " : "", what);
	return err;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A comment that is never closed would hide keys: it is remembered. */
static void skip_comment(struct parser *p)
{
	bool block = *p->cur == '/' && p->cur[1] == '*';
	const char *from = p->cur + (block ? 2 : 1);
	const char *found = memmem(from, (size_t)(p->end - from), block ? "*/" : "\n", block ? 2 : 1);
	const char *to = found == NULL ? p->end : found + (block ? 2 : 0);

	p->comment_open |= block && found == NULL;
	for (; p->cur < to; p->cur++)
		p->line += *p->cur == '\n';
}

static void skip_blank(struct parser *p)
{
	while (p->cur < p->end) {
		bool two = p->end - p->cur >= 2 && p->cur[0] == '/';

		if (is_space(*p->cur))
			p->line += *p->cur++ == '\n';
		else if (*p->cur == '#' || (two && (p->cur[1] == '/' || p->cur[1] == '*')))
			skip_comment(p);
		else
			return;
	}
}

static struct token next(struct parser *p)
{
	struct token t = {.kind = TOKEN_END};

	skip_blank(p);
	if (p->cur == p->end)
		return t;
	t.text = p->cur;
	if (strchr("{};", *p->cur) != NULL && *p->cur != '\0') {
		t.kind = TOKEN_PUNCT;
		t.len = 1;
		p->cur++;
		return t;
	}
	t.kind = *p->cur == '"' ? TOKEN_STRING : TOKEN_WORD;
	if (t.kind == TOKEN_STRING)
		t.text = ++p->cur;
	while (p->cur < p->end && *p->cur != '"' && *p->cur != '\n' && *p->cur != '\0' &&
	       (t.kind == TOKEN_STRING || (!is_space(*p->cur) && strchr("{};#", *p->cur) == NULL)))
		p->cur++;
	t.len = (size_t)(p->cur - t.text);
	if (t.kind == TOKEN_STRING && (p->cur == p->end || *p->cur++ != '"'))
		t.kind = TOKEN_BAD;
	if (t.len == 0)
		t.kind = TOKEN_BAD;
	return t;
}

static bool is_word(const struct token *t, const char *word)
{
	return t->kind == TOKEN_WORD && t->len == strlen(word) && strncasecmp(t->text, word, t->len) == 0;
}

static bool is_punct(const struct token *t, char c)
{
	return t->kind == TOKEN_PUNCT && *t->text == c;
}

/* A word or a string; with a NUL behind it in buf. */
static bool copy_value(const struct token *t, char *buf, size_t cap)
{
	if ((t->kind != TOKEN_WORD && t->kind != TOKEN_STRING) || t->len >= cap)
		return false;
	memcpy(buf, t->text, t->len);
	buf[t->len] = '\0';
	return true;
}

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

int tsig_secret_from_base64(const char *text, size_t len, uint8_t *out)
{
	size_t padding = 0, n = 0;

	if (len == 0 || len % 4 != 0)
		return -EINVAL;
	while (padding < 2 && text[len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < len; i += 4) {
		uint32_t bits = 0;

		for (size_t j = 0; j < 4; j++) {
			int d = i + j >= len - padding ? 0 : base64_digit(text[i + j]);

			if (d < 0)
				return -EINVAL;
			bits = bits << 6 | (uint32_t)d;
		}
		for (size_t j = 0; j < 3 && (i + 4 < len || j < 3 - padding); j++)
			out[n++] = (uint8_t)(bits >> (16 - 8 * j));
	}
	return (int)n;
}

/* Tokens of a statement are never printed: a slip of the pen may have put the secret there. */
static int parse_secret(struct parser *p, struct key_draft *d)
{
	struct token t = next(p);
	int len;

	if (d->secret_len != 0)
		return fail(p, -EINVAL, "a second secret", d->name_text);
	if (t.kind != TOKEN_WORD && t.kind != TOKEN_STRING)
		return fail(p, -EINVAL, "after \"secret\" there must be the secret in base64", d->name_text);
	if (t.len > SECRET_TEXT_MAX)
		return fail(p, -EINVAL, "the secret is longer than 1024 characters", d->name_text);
	len = tsig_secret_from_base64(t.text, t.len, d->secret);
	if (len <= 0)
		return fail(p, -EINVAL, "the secret is not base64", d->name_text);
	d->secret_len = (size_t)len;
	return 0;
}

static int parse_algorithm(struct parser *p, struct key_draft *d)
{
	struct token t = next(p);
	char text[64];

	if (d->algorithm >= 0)
		return fail(p, -EINVAL, "a second algorithm", d->name_text);
	d->algorithm = copy_value(&t, text, sizeof(text)) ? tsig_algorithm_from_text(text) : -1;
	OPENSSL_cleanse(text, sizeof(text));
	if (d->algorithm < 0)
		return fail(p, -EINVAL,
			    "the algorithm must be hmac-sha256, hmac-sha384, hmac-sha512, hmac-sha224 or "
			    "hmac-sha1",
			    d->name_text);
	return 0;
}

static int parse_body(struct parser *p, struct key_draft *d)
{
	for (;;) {
		struct token t = next(p);
		int ret;

		if (is_punct(&t, '}'))
			break;
		if (is_word(&t, "algorithm"))
			ret = parse_algorithm(p, d);
		else if (is_word(&t, "secret"))
			ret = parse_secret(p, d);
		else
			ret = fail(p, -EINVAL,
				   "between { and } there may be \"algorithm\" and \"secret\" only",
				   d->name_text);
		if (ret < 0)
			return ret;
		t = next(p);
		if (!is_punct(&t, ';'))
			return fail(p, -EINVAL, "a ; is missing", d->name_text);
	}
	if (d->algorithm < 0)
		return fail(p, -EINVAL, "the algorithm is missing", d->name_text);
	return d->secret_len == 0 ? fail(p, -EINVAL, "the secret is missing", d->name_text) : 0;
}

static int parse_name(struct parser *p, struct key_draft *d)
{
	struct token t = next(p);
	char text[NAME_TEXT_CAP];

	if (!copy_value(&t, text, sizeof(text)) || name_from_text(text, d->name) < 0)
		return fail(p, -EINVAL, "after \"key\" there must be a domain name, the name of the key",
			    NULL);
	name_text(d->name, d->name_text);
	t = next(p);
	return is_punct(&t, '{') ? 0 : fail(p, -EINVAL, "a { is missing", d->name_text);
}

static int make_key(struct parser *p, const struct key_draft *d, struct tsig_keys *keys)
{
	struct tsig_key_spec spec = {.name = d->name,
				     .secret = d->secret,
				     .secret_len = d->secret_len,
				     .algorithm = (enum tsig_algorithm)d->algorithm,
				     .allow_md5 = p->allow_md5};
	struct tsig_key **list = realloc(keys->list, (keys->cnt + 1) * sizeof(*list));
	int ret;

	if (list == NULL)
		return fail(p, -ENOMEM, "out of memory", d->name_text);
	keys->list = list;
	ret = tsig_key_new(&spec, &list[keys->cnt]);
	if (ret == -EPERM)
		return fail(p, ret, "hmac-md5 is not allowed by the configuration", d->name_text);
	if (ret == -ENOTSUP)
		return fail(p, ret, "the crypto library does not offer the algorithm", d->name_text);
	if (ret < 0)
		return fail(p, ret, strerror(-ret), d->name_text);
	keys->cnt++;
	return 0;
}

static int parse_key(struct parser *p, struct tsig_keys *keys)
{
	struct key_draft d = {.algorithm = -1};
	struct token t;
	int ret = parse_name(p, &d);

	if (ret == 0)
		ret = parse_body(p, &d);
	if (ret == 0) {
		t = next(p);
		if (!is_punct(&t, ';'))
			ret = fail(p, -EINVAL, "a ; is missing behind }", d.name_text);
	}
	if (ret == 0)
		ret = make_key(p, &d, keys);
	OPENSSL_cleanse(&d, sizeof(d));
	return ret;
}

int tsig_file_parse(const char *text, size_t len, const char *path, bool allow_md5, struct tsig_keys *out,
		    char error[TSIG_FILE_ERROR_CAP])
{
	struct parser p = {.cur = text,
			   .end = text + len,
			   .path = path,
			   .error = error,
			   .line = 1,
			   .allow_md5 = allow_md5};
	struct tsig_keys keys = {0};
	struct token t;
	int ret = 0;

	for (t = next(&p); ret == 0 && t.kind != TOKEN_END; t = next(&p)) {
		if (is_word(&t, "key"))
			ret = parse_key(&p, &keys);
		else
			ret = fail(&p, -EINVAL, "only key statements may stand here", NULL);
		if (ret < 0)
			break;
	}
	if (ret == 0 && p.comment_open)
		ret = fail(&p, -EINVAL, "a comment is not closed", NULL);
	if (ret == 0 && keys.cnt == 0)
		ret = fail(&p, -EINVAL, "there is no key in this file", NULL);
	if (ret < 0) {
		tsig_keys_fini(&keys);
		return ret;
	}
	*out = keys;
	return 0;
}

void tsig_keys_fini(struct tsig_keys *keys)
{
	for (size_t i = 0; i < keys->cnt; i++)
		tsig_key_release(keys->list[i]);
	free(keys->list);
	*keys = (struct tsig_keys){0};
}

int tsig_file_load(const char *path, bool allow_md5, struct tsig_keys *out, char error[TSIG_FILE_ERROR_CAP])
{
	size_t len;
	char *text;
	int rc = secret_file_read(path, "key file", TSIG_FILE_LEN_MAX, &text, &len, error,
				  TSIG_FILE_ERROR_CAP);

	if (rc < 0)
		return rc;
	rc = tsig_file_parse(text, len, path, allow_md5, out, error);
	secret_file_wipe(text, len);
	return rc;
}
