/*
 * Fuzz target: record data as it stands in a message. An input is the type (2 octets), where the record data starts
 * (1 octet, counted from the header) and then the message.
 *
 * Whatever is accepted must be what the rest of Lockstep assumes of record data: reading it again gives the same
 * octets, canonical form keeps its length and compares as equal, the names found in it are names, and every
 * truncation of it is read without leaving its octets.
 */
#include "dataplane/dns/rdata.h"
#include "tests/fuzz/holds.h"

/* Copied to a block of its exact size, so that a sanitizer notices one octet too many. */
static int reread(uint16_t type, const uint8_t *rdata, size_t len, uint8_t *out)
{
	uint8_t *copy = exact_copy(rdata, len);
	struct wire_in in;
	int got;

	in = wire_in_init(copy, len);
	got = rdata_get(&in, type, (uint16_t)len, out);
	free(copy);
	return got;
}

static void check_names(uint16_t type, const uint8_t *rdata, size_t len)
{
	struct rdata_name names[RDATA_NAMES_MAX];
	unsigned cnt = rdata_names(type, rdata, len, names);

	HOLDS(cnt <= RDATA_NAMES_MAX);
	for (unsigned i = 0; i < cnt; i++) {
		HOLDS((size_t)names[i].off + names[i].len <= len);
		HOLDS(name_valid(rdata + names[i].off, names[i].len));
	}
}

static void check_accepted(uint16_t type, const uint8_t *rdata, size_t len)
{
	uint8_t *other = malloc(RDATA_LEN_MAX);
	struct soa soa;

	if (other == NULL)
		abort();
	HOLDS(reread(type, rdata, len, other) == (int)len);
	HOLDS(memcmp(rdata, other, len) == 0);
	HOLDS(rdata_compare(type, rdata, len, other, len) == 0);
	rdata_canonical(type, other, rdata, len);
	HOLDS(rdata_compare(type, rdata, len, other, len) == 0);
	HOLDS(type != DNS_TYPE_SOA || soa_parse(rdata, len, &soa) == 0);
	check_names(type, rdata, len);
	for (size_t cut = 0; cut < len; cut += len < 256 ? 1 : len / 64) {
		if (reread(type, rdata, cut, other) < 0)
			continue;
		check_names(type, rdata, cut);
		HOLDS(rdata_compare(type, rdata, cut, rdata, len) < 0);
		HOLDS(rdata_compare(type, rdata, len, rdata, cut) > 0);
	}
	free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *rdata;
	struct wire_in in;
	uint16_t type;
	size_t start;
	int got;

	if (len < 3)
		return 0;
	type = wire_load16(data);
	start = data[2];
	in = wire_in_init(data + 3, len - 3);
	if (wire_get_bytes(&in, start) == NULL || wire_in_left(&in) > RDATA_LEN_MAX)
		return 0;
	rdata = malloc(RDATA_LEN_MAX);
	if (rdata == NULL)
		abort();
	got = rdata_get(&in, type, (uint16_t)wire_in_left(&in), rdata);
	HOLDS((got < 0) == in.bad);
	if (got >= 0) {
		HOLDS(wire_in_left(&in) == 0);
		check_accepted(type, rdata, (size_t)got);
	}
	free(rdata);
	return 0;
}
