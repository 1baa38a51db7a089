/*
 * A record as it stands in a message, for those who step over sections: its owner is decompressed, its record data
 * stay where they are and are not looked at until somebody asks for them. Pure. Any thread; not for the hot path.
 */
#pragma once

#include "dataplane/dns/name.h"

struct record {
	uint8_t owner[NAME_LEN_MAX];
	const uint8_t *rdata; /* rdata_len octets in the message, names in them possibly compressed */
	uint32_t ttl;
	uint16_t type;
	uint16_t class;
	uint16_t rdata_len;
};

/* The record at in->cur, which then stands behind it. False, with in->bad set, when there is no whole one. RFC 1035 4.1.3. */
bool record_get(struct wire_in *in, struct record *out);

/* The data of a record that record_get has read from in, decompressed and checked: as rdata_get, but in stays where it is. */
int record_rdata(struct wire_in *in, const struct record *record, uint8_t *out);
