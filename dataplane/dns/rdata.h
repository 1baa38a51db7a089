/*
 * Record data by type: reading it from a message, checking it, comparing it, finding the names inside.
 *
 * Inside Lockstep record data is uncompressed wire format with the case as received. Types we do not know are
 * opaque octets (RFC 3597). Pure: no allocation, no state. Any thread.
 */
#pragma once

#include "dataplane/dns/name.h"
#include "dataplane/dns/protocol.h"

#define RDATA_LEN_MAX 65535

/*
 * Reads rdlen octets of record data of the given type at in->cur, decompressing the names of the types where
 * RFC 1035 allows compression and RFC 3597 4 asks receivers to cope with it. out needs RDATA_LEN_MAX octets.
 * Returns the length (may be 0), or -EBADMSG when the octets are not valid for the type: a field cut short,
 * octets left over, a name that crosses the end, a malformed bitmap, SvcParams out of order (RFC 9460 2.2)...
 * in->cur ends behind the record data on success; on failure in->bad is set.
 */
int rdata_get(struct wire_in *in, uint16_t type, uint16_t rdlen, uint8_t *out);

/* Canonical order of record data, RFC 4034 6.3 on the form of 6.2: <0, 0, >0. 0 means "the same record". */
int rdata_compare(uint16_t type, const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);

/* The canonical form (RFC 4034 6.2, as amended by RFC 6840 5.1) of len octets; dst may be src. Same length. */
void rdata_canonical(uint16_t type, uint8_t *dst, const uint8_t *src, size_t len);

/*
 * The names in valid record data: where they are, and whether they may be compressed when sent (RFC 3597 4). Names
 * that are never compressed, folded or looked up stay unreported: the gateways of IPSECKEY and AMTRELAY, HIP's servers.
 */
struct rdata_name {
	uint16_t off;
	uint8_t len;
	bool compress;
};

#define RDATA_NAMES_MAX 2

/* Returns how many were found, at most RDATA_NAMES_MAX. */
unsigned rdata_names(uint16_t type, const uint8_t *rdata, size_t len, struct rdata_name out[RDATA_NAMES_MAX]);

/* Host-order view of SOA record data; mname and rname point into it. RFC 1035 3.3.13: all unsigned. */
struct soa {
	const uint8_t *mname;
	const uint8_t *rname;
	uint32_t serial;
	uint32_t refresh;
	uint32_t retry;
	uint32_t expire;
	uint32_t minimum;
};

/* Returns 0, or -EBADMSG when the len octets are not valid (uncompressed) SOA record data. */
int soa_parse(const uint8_t *rdata, size_t len, struct soa *out);

/* "A", "TYPE65280"; returns buf. */
#define RDATA_TYPE_TEXT_CAP 12
const char *rdata_type_text(uint16_t type, char buf[RDATA_TYPE_TEXT_CAP]);
