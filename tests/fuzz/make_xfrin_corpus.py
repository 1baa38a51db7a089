#!/usr/bin/python3
"""Writes the seeds of corpus/xfrin: streams of every form that is right, and the ways to be wrong that a mutation
hardly finds. See fuzz_xfrin.c for the format."""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from primary import (A, AXFR, CNAME, IN, IXFR, MX, NS, QR, AA, SOA, TXT, Record, Request, framed, message, soa,  # noqa: E402
                     wire_name)

DNAME, NSEC, NSEC3, NSEC3PARAM = 39, 47, 50, 51

APEX = "example."


def request(qtype):
    return Request(struct.pack("!HHHHHH", 0, 0, 1, 0, 0, 0) + wire_name(APEX) + struct.pack("!HH", qtype, IN))


def base_soa(serial):
    return Record(APEX, SOA, b"\0\0" + struct.pack("!IIIII", serial, 0, 0, 0, 0))


def a(owner, last):
    return Record(owner, A, bytes([192, 0, 2, last]))


def stream(options, qtype, *messages):
    return bytes([options]) + b"".join(framed(message(request(qtype), m) if isinstance(m, list) else m)
                                       for m in messages)


def compressed():
    """Owners and names in record data as pointers into the question and into each other."""
    body = b"\xc0\x0c" + struct.pack("!HHIH", SOA, IN, 300, 2 + 13 + 20) + b"\xc0\x0c" + b"\x0ahostmaster\xc0\x0c"
    body += struct.pack("!IIIII", 7, 3600, 600, 86400, 300)
    first = body
    body += b"\xc0\x0c" + struct.pack("!HHIH", NS, IN, 300, 5) + b"\x02ns\xc0\x0c"
    body += b"\x03www\xc0\x0c" + struct.pack("!HHIH", MX, IN, 300, 9) + b"\x00\x0a\x04mail\xc0\x0c"
    body += first
    head = struct.pack("!HHHHHH", 0, QR | AA, 1, 4, 0, 0) + request(AXFR).question
    return head + body


def seeds():
    zone = [soa(APEX, 7), Record(APEX, NS, wire_name("ns.example.")), a("ns.example.", 1), a("*.w.example.", 2),
            Record("c.example.", CNAME, wire_name("a.b.example.")), Record("t.example.", TXT, b"\3abc\0"),
            Record("sub.example.", NS, wire_name("ns.sub.example.")), a("ns.sub.example.", 3), soa(APEX, 7)]
    changes = [base_soa(3), base_soa(1), a("ns.example.", 1), base_soa(2), a("new.example.", 4), base_soa(2),
               a("a.b.example.", 2), base_soa(3), a("ns.example.", 5), base_soa(3)]
    yield "axfr", stream(0, AXFR, zone)
    yield "axfr-limits", stream(2, AXFR, zone)
    yield "axfr-one-record-per-message", stream(0, AXFR, *[[r] for r in zone])
    yield "axfr-compressed", stream(0, AXFR, compressed())
    yield "axfr-cut", stream(0, AXFR, zone[:4])
    yield "axfr-behind-the-end", stream(0, AXFR, zone + [a("x.example.", 9)])
    yield "axfr-outside", stream(0, AXFR, [*zone[:3], a("www.example.org.", 9), zone[-1]])
    yield "axfr-cname-and-other", stream(0, AXFR, [*zone[:5], a("c.example.", 9), zone[-1]])
    yield "axfr-no-ns", stream(0, AXFR, [zone[0], zone[-1]])
    yield "axfr-unknown-type", stream(0, AXFR, [*zone[:3], Record("u.example.", 65280, bytes(range(64))), zone[-1]])
    yield "axfr-refused", stream(0, AXFR, message(request(AXFR), rcode=5))
    yield "axfr-extended-rcode", stream(0, AXFR, message(request(AXFR), additional=[
        Record(".", 41, b"", ttl=1 << 24, rdclass=1232)]))
    yield "axfr-octet-by-octet", stream(1 << 3, AXFR, *[[r] for r in zone])
    yield "axfr-pieces-zero-length", stream(31 << 3, AXFR, zone[:5], b"", zone[5:])
    yield "axfr-pieces-cut", stream(7 << 3, AXFR, zone[:5], zone[5:])[:-3]
    yield "ixfr-pieces", stream(1 | 13 << 3, IXFR, *[[r] for r in changes])
    yield "axfr-zero-length", stream(0, AXFR, b"", zone)
    yield "ixfr", stream(1, IXFR, changes)
    yield "ixfr-one-record-per-message", stream(1, IXFR, *[[r] for r in changes])
    yield "ixfr-delete-absent", stream(1, IXFR, [base_soa(2), base_soa(1), a("absent.example.", 1), base_soa(2),
                                                 base_soa(2)])
    yield "ixfr-add-present", stream(1, IXFR, [base_soa(2), base_soa(1), base_soa(2), a("ns.example.", 1),
                                               base_soa(2)])
    # From the version with corners: NSEC and NSEC3 owners go and come, a cut becomes a name, a wildcard and a DNAME go.
    hashed = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example."
    nsec3 = b"\1\0\0\0\0\x14%s\0\1\x40"
    corners = [base_soa(2), base_soa(1),
               Record(hashed, NSEC3, nsec3 % b"abcdefghijklmnopqrst"),
               Record("a.b.example.", NSEC, wire_name(APEX) + b"\0\1\x40"),
               Record("example.", NSEC, wire_name("a.b.example.") + b"\0\1\x40"),
               Record("cut.example.", NS, wire_name("ns.cut.example.")), a("*.w.example.", 3),
               Record("d.example.", DNAME, wire_name("w.example.")),
               base_soa(2),
               Record(hashed.replace("0p", "1p"), NSEC3, nsec3 % b"ABCDEFGHIJKLMNOPQRST"),
               Record("example.", NSEC, wire_name("cut.example.") + b"\0\1\x40"),
               Record("cut.example.", NSEC, wire_name(APEX) + b"\0\1\x40"),
               Record("cut.example.", TXT, b"\1x"), a("x.ns.cut.example.", 9), base_soa(2)]
    yield "ixfr-corners", stream(5, IXFR, corners)
    yield "ixfr-corners-one-record-per-message", stream(5, IXFR, *[[r] for r in corners])
    yield "ixfr-corners-deep-cut", stream(5, IXFR, [base_soa(2), base_soa(1), base_soa(2), Record(
        "b.example.", NS, wire_name("a.b.example.")), base_soa(2)])
    yield "ixfr-corners-no-chain", stream(5, IXFR, [base_soa(2), base_soa(1), Record(
        "example.", NSEC3PARAM, b"\1\0\0\0\0"), base_soa(2), base_soa(2)])
    yield "ixfr-gap", stream(1, IXFR, [base_soa(4), base_soa(1), base_soa(2), base_soa(3), base_soa(4)])
    yield "ixfr-whole", stream(1, IXFR, zone)
    yield "ixfr-up-to-date", stream(1, IXFR, [base_soa(1)])
    yield "ixfr-newer-alone", stream(1, IXFR, [base_soa(2)])


def main():
    folder = HERE / "corpus" / "xfrin"
    folder.mkdir(parents=True, exist_ok=True)
    for name, octets in seeds():
        (folder / name).write_bytes(octets)


if __name__ == "__main__":
    main()
