/* Writing DNS messages for tests of what reads them. Names are presentation text; nothing is compressed by itself. */
#pragma once

#include <stdlib.h>

#include "dataplane/dns/name.h"
#include "dataplane/dns/protocol.h"

struct message {
	struct wire_out w;
	uint8_t octets[DNS_MSG_MAX];
};

static inline size_t message_len(const struct message *m)
{
	if (m->w.bad)
		abort();
	return wire_out_len(&m->w);
}

static inline void message_name(struct message *m, const char *text)
{
	uint8_t name[NAME_LEN_MAX];
	int len = name_from_text(text, name);

	if (len < 0)
		abort();
	wire_put_bytes(&m->w, name, (size_t)len);
}

/* Header with no records yet; qname NULL: no question. */
static inline void message_begin(struct message *m, uint16_t id, uint16_t flags, const char *qname,
				 uint16_t qtype, uint16_t qclass)
{
	m->w = wire_out_init(m->octets, sizeof(m->octets));
	wire_put16(&m->w, id);
	wire_put16(&m->w, flags);
	wire_put16(&m->w, qname != NULL);
	wire_put16(&m->w, 0);
	wire_put32(&m->w, 0);
	if (qname == NULL)
		return;
	message_name(m, qname);
	wire_put16(&m->w, qtype);
	wire_put16(&m->w, qclass);
}

/* One more in the header's count at this offset: 4 question, 6 answer, 8 authority, 10 additional. */
static inline void message_count(struct message *m, unsigned at)
{
	wire_store16(m->octets + at, (uint16_t)(wire_load16(m->octets + at) + 1));
}

/* A record up to its data, which follow; returns where its RDLENGTH stands. */
static inline uint8_t *message_record(struct message *m, unsigned section, const char *owner, uint16_t type,
				      uint16_t class, uint32_t ttl)
{
	uint8_t *at;

	message_count(m, section);
	message_name(m, owner);
	wire_put16(&m->w, type);
	wire_put16(&m->w, class);
	wire_put32(&m->w, ttl);
	at = m->w.cur;
	wire_put16(&m->w, 0);
	return at;
}

static inline void message_record_end(struct message *m, uint8_t *rdlen)
{
	wire_store16(rdlen, (uint16_t)(m->w.cur - rdlen - 2));
}

static inline void message_rdata(struct message *m, const char *owner, uint16_t type, const void *rdata,
				 size_t len)
{
	uint8_t *at = message_record(m, 6, owner, type, DNS_CLASS_IN, 300);

	wire_put_bytes(&m->w, rdata, len);
	message_record_end(m, at);
}

static inline void message_a(struct message *m, const char *owner, uint32_t address)
{
	uint8_t rdata[4];

	wire_store32(rdata, address);
	message_rdata(m, owner, DNS_TYPE_A, rdata, sizeof(rdata));
}

static inline void message_ns(struct message *m, const char *owner, const char *target)
{
	uint8_t *at = message_record(m, 6, owner, DNS_TYPE_NS, DNS_CLASS_IN, 300);

	message_name(m, target);
	message_record_end(m, at);
}

static inline void message_soa(struct message *m, const char *owner, uint32_t serial)
{
	uint8_t *at = message_record(m, 6, owner, DNS_TYPE_SOA, DNS_CLASS_IN, 300);

	message_name(m, "ns.example.");
	message_name(m, "admin.example.");
	wire_put32(&m->w, serial);
	wire_put32(&m->w, 3600);
	wire_put32(&m->w, 600);
	wire_put32(&m->w, 86400);
	wire_put32(&m->w, 60);
	message_record_end(m, at);
}

/* OPT in the additional section. ttl: extended RCODE, version, flags. */
static inline void message_opt(struct message *m, uint32_t ttl)
{
	uint8_t *at = message_record(m, 10, ".", DNS_TYPE_OPT, 1232, ttl);

	message_record_end(m, at);
}
