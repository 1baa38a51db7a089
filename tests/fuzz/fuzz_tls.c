/*
 * Fuzz target: octets of any kind into the TLS filter (control/tls.h). An input is one octet of options and then octets:
 *   0: to a server, from the first octet on (a hello, or not)
 *   1: to a client that has said its hello
 *   2: to a client that is open: as if somebody had put them on the wire
 *   3: as what an open server says, to be sealed, carried in pieces and read: what is read is what was said, and the
 *      messages cut from what is read, as it is read, are those that were in it
 * The keys are made once, and random, so that only what stands before the first sealed octet can be learnt: the hellos.
 */
#include "tests/fuzz/holds.h"

#include <unistd.h>

#include "control/tls.h"
#include "dataplane/dns/cutter.h"
#include "tests/unit/control/identity.h"

struct ends {
	struct tls_client *client;
	struct tls_server *server;
};

static struct ends *make_ends(void)
{
	char folder[] = "/tmp/fuzz_tls.XXXXXX", error[TLS_TEXT_CAP];
	struct ends *ends = calloc(1, sizeof(*ends));
	struct tls_server_spec s = {.ask_client = true, .tls12 = true};
	struct tls_client_spec c = {.hostname = "primary.test"};
	struct identity i;

	HOLDS(ends != NULL && mkdtemp(folder) != NULL);
	i = identity_make(&(struct identity_spec){
		.folder = folder, .file = "server", .name = "primary.test", .to_s = 86400});
	s.certificate = c.ca_file = i.cert_file;
	s.key = i.key_file;
	HOLDS(tls_server_new(&s, &ends->server, error) == 0);
	HOLDS(tls_client_new(&c, &ends->client, error) == 0);
	unlink(i.cert_file);
	unlink(i.key_file);
	rmdir(folder);
	identity_free(&i);
	return ends;
}

/* What one end has to say goes to the other. Returns how much that was. */
static size_t carry(struct tls *from, struct tls *to, const uint8_t *octets, size_t len, size_t step)
{
	size_t max = tls_sealed_max(from, len);
	uint8_t *wire = malloc(max + 1);
	ssize_t sealed;

	HOLDS(wire != NULL);
	sealed = tls_seal(from, octets, len, wire);
	HOLDS(sealed >= 0 && (size_t)sealed <= max);
	for (size_t i = 0; to != NULL && i < (size_t)sealed; i += step) {
		HOLDS(tls_feed(to, wire + i, (size_t)sealed - i < step ? (size_t)sealed - i : step) == 0);
		if (!tls_is_open(to))
			tls_shake(to);
	}
	free(wire);
	return (size_t)sealed;
}

static void open_both(struct tls *client, struct tls *server)
{
	tls_shake(client);
	while (carry(client, server, NULL, 0, SIZE_MAX / 2) + carry(server, client, NULL, 0, SIZE_MAX / 2) >
	       0)
		;
	HOLDS(tls_is_open(client) && tls_is_open(server));
}

/* Nothing that came can be anything that was said. */
static void take_garbage(struct tls *t, const uint8_t *data, size_t len)
{
	bool was_open = tls_is_open(t);
	uint8_t octets[100];
	size_t got;

	HOLDS(tls_feed(t, data, len) == 0);
	if (!was_open)
		tls_shake(t);
	HOLDS(tls_read(t, octets, sizeof(octets), &got) != TLS_OPEN && got == 0);
	carry(t, NULL, NULL, 0, 1);
	HOLDS(strlen(tls_error(t)) < TLS_TEXT_CAP);
	HOLDS(was_open || !tls_is_open(t));
}

/* The messages of what was read last are the next of what was said, from *said on. */
static void cut(struct cutter *c, uint8_t *octets, size_t len, struct cutter_span *said)
{
	struct cutter_span in = {octets, len}, got, want;

	while (cutter_feed(c, &in, &got)) {
		HOLDS(cutter_take(said, &want));
		HOLDS(got.len == want.len && memcmp(got.at, want.at, got.len) == 0);
	}
}

static void take_said(struct tls *from, struct tls *to, const uint8_t *data, size_t len)
{
	size_t step = 1 + (len > 0 ? data[0] : 0), at = 0, got;
	uint8_t *octets = malloc(len + 1), *copy = exact_copy(data, len);
	struct cutter c = {.carry = malloc(CUTTER_FRAME_MAX)};
	struct cutter_span said = {copy, len}, more;

	HOLDS(octets != NULL && c.carry != NULL);
	carry(from, to, data, len, step);
	while (tls_read(to, octets + at, len + 1 - at < step ? len + 1 - at : step, &got) == TLS_OPEN) {
		cut(&c, octets + at, got, &said);
		at += got;
	}
	HOLDS(at == len && memcmp(octets, data, len) == 0);
	HOLDS(!cutter_take(&said, &more) && c.len == said.len);
	free(c.carry);
	free(copy);
	free(octets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct ends *ends;
	struct tls_ticket ticket = {0};
	struct tls *client, *server;

	if (len == 0)
		return 0;
	if (ends == NULL)
		ends = make_ends();
	client = tls_connect(ends->client, &ticket);
	server = tls_accept(ends->server);
	HOLDS(client != NULL && server != NULL);
	if ((data[0] & 2) != 0)
		open_both(client, server);
	else
		tls_shake(client);
	switch (data[0] & 3) {
	case 0:
		take_garbage(server, data + 1, len - 1);
		break;
	case 1:
	case 2:
		carry(client, NULL, NULL, 0, 1);
		take_garbage(client, data + 1, len - 1);
		break;
	case 3:
		take_said(server, client, data + 1, len - 1);
		break;
	}
	tls_free(client);
	tls_free(server);
	tls_ticket_fini(&ticket);
	return 0;
}
