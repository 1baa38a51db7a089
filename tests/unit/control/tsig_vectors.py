#!/usr/bin/python3
# Makes tsig_vectors.h: requests and responses signed by dnspython, another implementation than the one under test.
import dns.message, dns.name, dns.query, dns.rdatatype, dns.tsig, dns.rrset, dns.flags, struct, base64

TIME = 1700000000
SECRET = bytes(range(1, 33))
NAME = dns.name.from_text("Transfer.Key.example.")
ALGORITHMS = ["hmac-md5.sig-alg.reg.int.", "hmac-sha1.", "hmac-sha224.", "hmac-sha256.", "hmac-sha384.", "hmac-sha512."]


def bare(message):
    return message.to_wire()


def signed(wire, algorithm, request_mac=b"", ctx=None, multi=False, error=0, other=b"", time=TIME):
    key = dns.tsig.Key(NAME, SECRET, algorithm)
    rdata = dns.rdtypes.ANY.TSIG.TSIG(dns.rdataclass.ANY, dns.rdatatype.TSIG, key.algorithm, time, 300, b"\0" * 16,
                                      struct.unpack("!H", wire[:2])[0], error, other)
    rdata, ctx = dns.tsig.sign(wire, key, rdata, time, request_mac, ctx, multi)
    body = rdata.to_wire()
    record = NAME.to_wire() + struct.pack("!HHIH", 250, 255, 0, len(body)) + body
    wire = wire[:10] + struct.pack("!H", struct.unpack("!H", wire[10:12])[0] + 1) + wire[12:] + record
    return wire, rdata.mac, ctx


def emit(name, wire):
    text = "".join("\\x%02x" % c for c in wire)
    lines = [text[i:i + 96] for i in range(0, len(text), 96)]
    print("static const uint8_t %s[%d] =\n%s;\n" % (name, len(wire), "\n".join('\t"%s"' % l for l in lines)))


def soa(serial):
    return "ns.example. admin.example. %d 3600 600 86400 300" % serial


query = dns.message.make_query("example.", "AXFR", id=0x1234)
query.flags = 0
print("/* Made by tsig_vectors.py with dnspython %s. Time %d. */\n#pragma once\n\n#include <stdint.h>\n"
      % (__import__("dns.version").version.version, TIME))
for a in ALGORITHMS:
    short = a.split(".")[0].replace("hmac-", "")
    request, mac, _ = signed(bare(query), dns.name.from_text(a))
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.AA
    answer.answer.append(dns.rrset.from_text("example.", 3600, "IN", "SOA", soa(7)))
    response, _, _ = signed(bare(answer), dns.name.from_text(a), mac)
    emit("vector_%s_request" % short, request)
    emit("vector_%s_response" % short, response)

# A transfer: signed, 2 unsigned, signed, unsigned, signed.
sha256 = dns.name.from_text("hmac-sha256.")
_, mac, _ = signed(bare(query), sha256)
ctx = None
for i, sign in enumerate([1, 0, 0, 1, 0, 1]):
    part = dns.message.make_response(query)
    part.flags |= dns.flags.AA
    if i > 0:
        part.question = []
    part.answer.append(dns.rrset.from_text("h%d.example." % i, 3600, "IN", "TXT", "message %d" % i))
    wire = bare(part)
    if sign:
        wire, mac, ctx = signed(wire, sha256, mac, ctx, True)
    else:
        ctx.update(wire)
    emit("vector_stream_%d" % i, wire)
