/* Keys and certificates for tests, made on the spot. What cannot be made ends the program. */
#pragma once

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static inline void identity_must(bool ok)
{
	if (!ok)
		abort();
}

struct identity {
	EVP_PKEY *key;
	X509 *cert;
	char key_file[256], cert_file[256];
};

struct identity_spec {
	const char *folder, *file;     /* FOLDER/FILE.crt and .key */
	const char *name;	       /* host name; NULL: a CA */
	const struct identity *issuer; /* NULL: signed by itself */
	long from_s, to_s;	       /* seconds from now */
};

static inline void identity_extend(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	identity_must(e != NULL);
	identity_must(X509_add_ext(cert, e, -1) == 1);
	X509_EXTENSION_free(e);
}

static inline void identity_write(struct identity *i, const struct identity_spec *spec)
{
	FILE *f;

	snprintf(i->cert_file, sizeof(i->cert_file), "%s/%s.crt", spec->folder, spec->file);
	snprintf(i->key_file, sizeof(i->key_file), "%s/%s.key", spec->folder, spec->file);
	f = fopen(i->cert_file, "w");
	identity_must(f != NULL);
	identity_must(PEM_write_X509(f, i->cert) == 1);
	fclose(f);
	f = fopen(i->key_file, "w");
	identity_must(f != NULL);
	identity_must(fchmod(fileno(f), 0600) == 0);
	identity_must(PEM_write_PrivateKey(f, i->key, NULL, NULL, 0, NULL, NULL) == 1);
	fclose(f);
}

static inline struct identity identity_make(const struct identity_spec *spec)
{
	struct identity i = {.key = EVP_EC_gen("P-256"), .cert = X509_new()};
	const char *name = spec->name != NULL ? spec->name : spec->file;
	char san[128];

	identity_must(i.key != NULL);
	X509_set_version(i.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(i.cert), 1 + rand() % 1000000);
	X509_gmtime_adj(X509_getm_notBefore(i.cert), spec->from_s);
	X509_gmtime_adj(X509_getm_notAfter(i.cert), spec->to_s);
	X509_set_pubkey(i.cert, i.key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(i.cert), "CN", MBSTRING_ASC, (const uint8_t *)name,
				   -1, -1, 0);
	X509_set_issuer_name(i.cert,
			     X509_get_subject_name(spec->issuer != NULL ? spec->issuer->cert : i.cert));
	if (spec->name == NULL)
		identity_extend(i.cert, NID_basic_constraints, "critical,CA:TRUE");
	snprintf(san, sizeof(san), "DNS:%s", name);
	if (spec->name != NULL)
		identity_extend(i.cert, NID_subject_alt_name, san);
	identity_must(X509_sign(i.cert, spec->issuer != NULL ? spec->issuer->key : i.key, EVP_sha256()) > 0);
	identity_write(&i, spec);
	return i;
}

static inline void identity_free(struct identity *i)
{
	X509_free(i->cert);
	EVP_PKEY_free(i->key);
}
