/* Key files: the form, the errors and that they never show a secret, and what files are refused. */
#include "control/tsig_file.h"
#include "control/tsig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <openssl/evp.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SECRET	 "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
#define KEY	 "key \"Transfer.Key.example\" {\n\talgorithm hmac-sha256;\n\tsecret \"" SECRET "\";\n};\n"

static int parse(const char *text, struct tsig_keys *out, char error[TSIG_FILE_ERROR_CAP])
{
	size_t len = strlen(text);
	char *copy = malloc(len > 0 ? len : 1); /* no NUL behind it */
	int ret;

	assert_non_null(copy);
	memcpy(copy, text, len);
	memset(error, 0, TSIG_FILE_ERROR_CAP);
	ret = tsig_file_parse(copy, len, "keys.conf", false, out, error);
	free(copy);
	return ret;
}

/* Whether the key signs as one made from the octets 1..32 does. */
static void assert_same_key(struct tsig_key *key)
{
	uint8_t secret[32], a[512] = {0}, b[512] = {0};
	struct tsig_key_spec spec = {.name = key->name,
				     .secret = secret,
				     .secret_len = sizeof(secret),
				     .algorithm = TSIG_HMAC_SHA256};
	size_t a_len = DNS_HEADER_LEN, b_len = DNS_HEADER_LEN;
	struct tsig_key *expected;
	struct tsig ta, tb;

	for (unsigned i = 0; i < 32; i++)
		secret[i] = (uint8_t)(i + 1);
	assert_int_equal(tsig_key_new(&spec, &expected), 0);
	assert_int_equal(tsig_client_init(&ta, key), 0);
	assert_int_equal(tsig_client_init(&tb, expected), 0);
	assert_int_equal(tsig_sign_request(&ta, a, sizeof(a), 1, &a_len), 0);
	assert_int_equal(tsig_sign_request(&tb, b, sizeof(b), 1, &b_len), 0);
	assert_int_equal(a_len, b_len);
	assert_memory_equal(a, b, a_len);
	tsig_fini(&ta);
	tsig_fini(&tb);
	tsig_key_release(expected);
}

static void a_file_of_tsig_keygen_gives_the_key_that_it_tells(void **state)
{
	char error[TSIG_FILE_ERROR_CAP];
	struct tsig_keys keys = {0};

	assert_int_equal(parse(KEY, &keys, error), 0);
	assert_int_equal(keys.cnt, 1);
	assert_memory_equal(keys.list[0]->name, "\10Transfer\3Key\7example", 22);
	assert_same_key(keys.list[0]);
	tsig_keys_fini(&keys);
}

static void comments_blanks_order_and_missing_quotes_do_not_matter(void **state)
{
	static const char *const texts[] = {
		"key transfer.key.example.{secret " SECRET ";algorithm \"HMAC-SHA256\";};",
		"# a\n// b\n/* c\n \" { */key /**/ \"transfer.key.example\"/* d */{ algorithm hmac-sha256; # "
		"e\n"
		"secret \"" SECRET "\"; };// f",
		"\r\n\tKEY \"transfer.key.example\"\r\n{\r\nAlgorithm hmac-sha256.;\r\nSecret \"" SECRET
		"\";\r\n}\r\n;\r\n",
	};

	for (size_t i = 0; i < COUNT(texts); i++) {
		char error[TSIG_FILE_ERROR_CAP];
		struct tsig_keys keys = {0};

		assert_int_equal(parse(texts[i], &keys, error), 0);
		assert_int_equal(keys.cnt, 1);
		assert_same_key(keys.list[0]);
		tsig_keys_fini(&keys);
	}
}

static void a_file_may_hold_many_keys(void **state)
{
	char error[TSIG_FILE_ERROR_CAP];
	struct tsig_keys keys = {0};

	assert_int_equal(
		parse(KEY "key other { algorithm hmac-sha512; secret \"eA==\"; };\n" KEY, &keys, error), 0);
	assert_int_equal(keys.cnt, 3);
	assert_same_key(keys.list[0]);
	assert_ptr_equal(keys.list[1]->algorithm, &tsig_algorithms[TSIG_HMAC_SHA512]);
	assert_same_key(keys.list[2]);
	tsig_keys_fini(&keys);
}

static void what_is_wrong_is_said_with_its_line_and_without_the_secret(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "keys.conf:1: there is no key"},
		{"# nothing\n", "keys.conf:2: there is no key"},
		{KEY "/* open\n" KEY, "a comment is not closed"},
		{"/*/ key", "a comment is not closed"},
		{"\n" SECRET ";", "keys.conf:2: only key statements"},
		{"key", "must be a domain name"},
		{"key \"a..b\" {", "must be a domain name"},
		{"key \"a\n\" {", "must be a domain name"},
		{"key a secret", "keys.conf:1: key \"a.\": a { is missing"},
		{"key a {", "only"},
		{"key a { secret \"" SECRET "\"; };", "the algorithm is missing"},
		{"key a {\n\n algorithm hmac-sha256; };", "keys.conf:3: key \"a.\": the secret is missing"},
		{"key a { algorithm " SECRET "; };", "the algorithm must be"},
		{"key a { algorithm hmac-md5; secret \"" SECRET "\"; };", "hmac-md5 is not allowed"},
		{"key a { secret \"" SECRET "=\"; };", "the secret is not base64"},
		{"key a { secret \"AQID BAUG\"; };", "the secret is not base64"},
		{"key a { secret \"\"; };", "must be the secret in base64"},
		{"key a { secret \"" SECRET "; };", "must be the secret in base64"},
		{"key a { secret \"" SECRET "\" };", "a ; is missing"},
		{"key a { secret " SECRET "; secret " SECRET "; };", "a second secret"},
		{"key a { algorithm hmac-sha1; algorithm hmac-sha1; };", "a second algorithm"},
		{"key a { " SECRET "; };", "\"algorithm\" and \"secret\" only"},
		{"key a { algorithm hmac-sha256; secret " SECRET "; }", "a ; is missing behind }"},
		{"key a { algorithm hmac-sha256; secret " SECRET "; } x", "a ; is missing behind }"},
		{KEY "}", "keys.conf:5: only key statements"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char error[TSIG_FILE_ERROR_CAP];
		struct tsig_keys keys = {0};

		assert_int_not_equal(parse(cases[i].text, &keys, error), 0);
		if (strstr(error, cases[i].says) == NULL)
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, error, cases[i].says);
		assert_null(strstr(error, "AQID"));
		assert_null(keys.list);
	}
}

static void a_file_cut_anywhere_is_an_error(void **state)
{
	for (size_t len = 0; len < sizeof(KEY) - 2; len++) {
		char error[TSIG_FILE_ERROR_CAP], text[sizeof(KEY)] = {0};
		struct tsig_keys keys = {0};

		memcpy(text, KEY, len);
		assert_int_equal(parse(text, &keys, error), -EINVAL);
		assert_null(strstr(error, "AQID"));
	}
}

static void a_key_name_cannot_forge_the_error_text(void **state)
{
	char error[TSIG_FILE_ERROR_CAP];
	struct tsig_keys keys = {0};

	assert_int_equal(parse("key \"a\\010b\x1b[31m\" { x", &keys, error), -EINVAL);
	assert_non_null(strstr(error, "a\\010b\\027[31m."));
}

static void base64_is_read_as_libcrypto_writes_it(void **state)
{
	for (size_t len = 1; len <= 70; len++) {
		uint8_t in[70], out[72];
		char text[100];
		int text_len;

		for (size_t i = 0; i < len; i++)
			in[i] = (uint8_t)(i * 73 + len * 11);
		text_len = EVP_EncodeBlock((uint8_t *)text, in, (int)len);
		assert_int_equal(tsig_secret_from_base64(text, (size_t)text_len, out), len);
		assert_memory_equal(out, in, len);
		for (int i = 0; i < text_len; i++) {
			char kept = text[i];

			text[i] = '!';
			assert_int_equal(tsig_secret_from_base64(text, (size_t)text_len, out), -EINVAL);
			text[i] = kept;
		}
		for (size_t cut = 1; cut < 4; cut++)
			assert_int_equal(tsig_secret_from_base64(text, (size_t)text_len - cut, out), -EINVAL);
	}
}

struct folder {
	char path[64], file[128], other[128];
};

static int make_folder(void **state)
{
	struct folder *d = calloc(1, sizeof(*d));
	FILE *f;

	assert_non_null(d);
	snprintf(d->path, sizeof(d->path), "/tmp/tsig-file-XXXXXX");
	assert_non_null(mkdtemp(d->path));
	snprintf(d->file, sizeof(d->file), "%s/key", d->path);
	snprintf(d->other, sizeof(d->other), "%s/other", d->path);
	f = fopen(d->file, "w");
	assert_non_null(f);
	assert_true(fputs(KEY, f) >= 0);
	fclose(f);
	assert_int_equal(chmod(d->file, 0600), 0);
	*state = d;
	return 0;
}

static int remove_folder(void **state)
{
	struct folder *d = *state;

	unlink(d->file);
	unlink(d->other);
	rmdir(d->path);
	free(d);
	return 0;
}

static int load(const char *path, char error[TSIG_FILE_ERROR_CAP])
{
	struct tsig_keys keys = {0};
	int ret = tsig_file_load(path, false, &keys, error);

	if (ret == 0)
		assert_int_equal(keys.cnt, 1);
	tsig_keys_fini(&keys);
	return ret;
}

static void a_file_is_read_only_when_others_can_neither_read_nor_change_it(void **state)
{
	struct folder *d = *state;
	char error[TSIG_FILE_ERROR_CAP];

	for (unsigned mode = 0400; mode <= 0777; mode++) {
		bool safe = (mode & 0027) == 0;

		if ((mode & 0400) == 0)
			continue;
		assert_int_equal(chmod(d->file, (mode_t)mode), 0);
		assert_int_equal(load(d->file, error), safe ? 0 : -EPERM);
	}
	assert_non_null(strstr(error, d->file));
	assert_non_null(strstr(error, "chmod"));
}

static void a_file_that_is_a_link_a_folder_a_fifo_or_not_there_is_refused(void **state)
{
	struct folder *d = *state;
	char error[TSIG_FILE_ERROR_CAP];

	assert_int_equal(load(d->file, error), 0);
	assert_int_equal(load(d->other, error), -ENOENT);
	assert_non_null(strstr(error, d->other));
	assert_int_equal(symlink(d->file, d->other), 0);
	assert_int_equal(load(d->other, error), -ELOOP);
	assert_non_null(strstr(error, "symbolic link"));
	unlink(d->other);
	assert_int_equal(mkfifo(d->other, 0600), 0);
	assert_int_equal(load(d->other, error), -EPERM);
	assert_int_equal(load(d->path, error), -EPERM);
	assert_non_null(strstr(error, "not a regular file"));
}

static void a_file_of_somebody_else_or_too_large_is_refused(void **state)
{
	struct folder *d = *state;
	char error[TSIG_FILE_ERROR_CAP];

	if (geteuid() == 0) {
		assert_int_equal(chown(d->file, 12345, 0), 0);
		assert_int_equal(load(d->file, error), -EPERM);
		assert_non_null(strstr(error, "owner"));
		assert_int_equal(chown(d->file, 0, 0), 0);
	}
	assert_int_equal(truncate(d->file, TSIG_FILE_LEN_MAX + 1), 0);
	assert_int_equal(load(d->file, error), -EPERM);
	assert_non_null(strstr(error, "larger than 1048576 octets"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_of_tsig_keygen_gives_the_key_that_it_tells),
		cmocka_unit_test(comments_blanks_order_and_missing_quotes_do_not_matter),
		cmocka_unit_test(a_file_may_hold_many_keys),
		cmocka_unit_test(what_is_wrong_is_said_with_its_line_and_without_the_secret),
		cmocka_unit_test(a_file_cut_anywhere_is_an_error),
		cmocka_unit_test(a_key_name_cannot_forge_the_error_text),
		cmocka_unit_test(base64_is_read_as_libcrypto_writes_it),
		cmocka_unit_test_setup_teardown(
			a_file_is_read_only_when_others_can_neither_read_nor_change_it, make_folder,
			remove_folder),
		cmocka_unit_test_setup_teardown(a_file_that_is_a_link_a_folder_a_fifo_or_not_there_is_refused,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_file_of_somebody_else_or_too_large_is_refused, make_folder,
						remove_folder),
	};

	return cmocka_run_group_tests_name("tsig-file", tests, NULL, NULL);
}
