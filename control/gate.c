#include "control/gate.h"

#include <stdarg.h>
#include <stdio.h>

#include "dataplane/dns/serial.h"

/* A stored RRSIG: owner pointer, type, class, TTL, length, and then RFC 4034 3.1. */
#define SIG_FIXED      12
#define SIG_EXPIRATION 8
#define SIG_INCEPTION  12
#define SIG_RDATA_MIN  18

/* Of one record set. */
struct coverage {
	bool is_there;
	bool is_signed;
	bool is_valid_now;
	uint32_t end; /* of the RRSIG that is valid longest */
};

static struct coverage coverage_of(const struct snapshot *s, uint16_t type, uint64_t now_s)
{
	struct coverage c = {0};
	struct rrset set;
	uint32_t at, rdata_len;
	unsigned i;

	if (!entry_set(s, snapshot_apex(s), type, &set))
		return c;
	c.is_there = true;
	for (i = 0, at = set.len; i < set.sig_cnt; i++, at += SIG_FIXED + rdata_len) {
		const uint8_t *rdata = set.body + at + SIG_FIXED;
		uint32_t end = wire_load32(rdata + SIG_EXPIRATION), now = (uint32_t)now_s;

		rdata_len = wire_load16(rdata - 2);
		if (!c.is_signed || serial_newer(end, c.end))
			c.end = end;
		c.is_signed = true;
		if (!serial_newer(wire_load32(rdata + SIG_INCEPTION), now) && !serial_newer(now, end))
			c.is_valid_now = true;
	}
	return c;
}

__attribute__((format(printf, 2, 3))) static void find_fault(struct gate_report *r, const char *fmt, ...)
{
	size_t at = strlen(r->text);
	va_list ap;

	if (at > 0 && at < GATE_TEXT_CAP - 2)
		at += (size_t)snprintf(r->text + at, GATE_TEXT_CAP - at, "; ");
	va_start(ap, fmt);
	if (at < GATE_TEXT_CAP)
		vsnprintf(r->text + at, GATE_TEXT_CAP - at, fmt, ap);
	va_end(ap);
}

static void inspect_zonemd(const struct snapshot *s, const struct gate_request *request,
			   struct gate_report *out)
{
	enum zonemd_verdict v = zonemd_verify(s, request->stop, NULL);
	bool required = request->zonemd == GATE_REQUIRE;

	/* That there is none, or none we can read, is no fault unless there has to be one. */
	if (v == ZONEMD_VERIFIED || (!required && (v == ZONEMD_NONE || v == ZONEMD_UNSUPPORTED)))
		return;
	find_fault(out, "ZONEMD: %s (zonemd)", zonemd_verdict_text(v));
	out->refused |= required;
}

static void inspect_dnssec(const struct snapshot *s, const struct gate_request *request, uint64_t now_s,
			   struct gate_report *out)
{
	static const struct {
		uint16_t type;
		const char *text;
	} sets[] = {{DNS_TYPE_DNSKEY, "DNSKEY"}, {DNS_TYPE_SOA, "SOA"}, {DNS_TYPE_NS, "NS"}};
	size_t had = strlen(out->text), i;

	if (!gate_is_signed(s)) {
		if (request->was_signed)
			find_fault(out, "it was signed and has no DNSKEY now (dnssec-check)");
	} else {
		for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
			struct coverage c = coverage_of(s, sets[i].type, now_s);

			if (!c.is_signed)
				find_fault(out, "the %s set of the apex has no RRSIG (dnssec-check)",
					   sets[i].text);
			else if (!c.is_valid_now)
				find_fault(out, "no RRSIG of the apex's %s set is valid now (dnssec-check)",
					   sets[i].text);
		}
	}
	if (strlen(out->text) > had)
		out->refused |= request->dnssec == GATE_REQUIRE;
}

void gate_inspect(const struct snapshot *s, const struct gate_request *request, uint64_t now_s,
		  struct gate_report *out)
{
	*out = (struct gate_report){0};
	if (request->dnssec != GATE_OFF)
		inspect_dnssec(s, request, now_s, out);
	if (request->zonemd != GATE_OFF)
		inspect_zonemd(s, request, out);
}

bool gate_is_signed(const struct snapshot *s)
{
	struct rrset set;

	return entry_set(s, snapshot_apex(s), DNS_TYPE_DNSKEY, &set);
}

bool gate_signatures_end(const struct snapshot *s, uint32_t *out)
{
	static const uint16_t types[] = {DNS_TYPE_SOA, DNS_TYPE_NS, DNS_TYPE_DNSKEY};
	bool known = false;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct coverage c = coverage_of(s, types[i], 0);

		if (!c.is_signed || (known && !serial_newer(*out, c.end)))
			continue;
		*out = c.end;
		known = true;
	}
	return known;
}

bool gate_shrinks(const struct snapshot_info *from, const struct snapshot_info *to, unsigned max_shrink,
		  char text[GATE_TEXT_CAP])
{
	uint64_t lost = from->records > to->records ? from->records - to->records : 0;

	if (max_shrink >= 100)
		return false;
	if (lost > 0 && (double)lost * 100 > (double)from->records * max_shrink) {
		snprintf(text, GATE_TEXT_CAP, "%llu of %llu records would go (max-shrink: %u%%)",
			 (unsigned long long)lost, (unsigned long long)from->records, max_shrink);
		return true;
	}
	if (from->names > 1 && to->names <= 1) {
		snprintf(text, GATE_TEXT_CAP, "nothing would be left below the apex (max-shrink)");
		return true;
	}
	return false;
}
