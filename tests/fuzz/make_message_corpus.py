#!/usr/bin/python3
"""Writes the seeds of corpus/refresh (answers to a SOA query), corpus/notify (NOTIFY requests) and corpus/signed (scripts
of a signed transfer, see fuzz_signed.c)."""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from primary import (A, AA, AXFR, CH, CNAME, FORMERR, IN, NOTIFY, NS, OPT, QR, SOA, TC, Record, Request, message, soa,  # noqa: E402
                     wire_name)

APEX = "example."
ASKED = Request(struct.pack("!HHHHHH", 0, 0, 1, 0, 0, 0) + wire_name(APEX) + struct.pack("!HH", SOA, IN))
OPT_RECORD = Record(".", OPT, b"", rdclass=1232)


def answers():
    yield "soa", message(ASKED, [soa(APEX, 7)])
    yield "soa-edns", message(ASKED, [soa(APEX, 7)], additional=[OPT_RECORD])
    yield "soa-compressed", message(ASKED, [Record(b"\xc0\x0c", SOA, b"\2ns\xc0\x0c\4host\xc0\x0c" + bytes(20))])
    yield "soa-and-ns", message(ASKED, [soa(APEX, 7)], authority=[Record(APEX, NS, wire_name("ns.example."))],
                                additional=[Record("ns.example.", A, bytes(4))])
    yield "two-soas", message(ASKED, [soa(APEX, 7), soa(APEX, 8)])
    yield "cname", message(ASKED, [Record(APEX, CNAME, wire_name("x."))])
    yield "referral", message(ASKED, flags=QR, authority=[Record(APEX, NS, wire_name("ns.x."))])
    yield "other-owner", message(ASKED, [soa(APEX, 7, owner="sub.example.")])
    yield "class-ch", message(ASKED, [Record(APEX, SOA, soa(APEX, 7).rdata, rdclass=CH)])
    yield "short-soa", message(ASKED, [Record(APEX, SOA, b"\0\0\0\0\0\7")])
    yield "truncated", message(ASKED, flags=QR | AA | TC)
    yield "formerr-alone", message(ASKED, rcode=FORMERR, question=False)
    yield "badvers", message(ASKED, additional=[Record(".", OPT, b"", ttl=1 << 24, rdclass=1232)])


def notifies():
    def one(records=(), **change):
        return message(ASKED, records, flags=change.pop("flags", AA), opcode=change.pop("opcode", NOTIFY), **change)
    yield "plain", one()
    yield "with-serial", one([soa(APEX, 7)])
    yield "edns", one([soa(APEX, 7)], additional=[OPT_RECORD])
    yield "edns-version-1", one(additional=[Record(".", OPT, b"", ttl=1 << 16, rdclass=1232)])
    yield "two-opts", one(additional=[OPT_RECORD, OPT_RECORD])
    yield "response", one(flags=QR | AA)
    yield "query", one(opcode=0)
    yield "no-question", one(question=False)
    yield "two-questions", one(question=ASKED.question * 2, qdcount=2)
    yield "other-type", one(question=wire_name(APEX) + struct.pack("!HH", A, IN))
    yield "other-class", one(question=wire_name(APEX) + struct.pack("!HH", SOA, CH))
    yield "compressed", one([Record(b"\xc0\x0c", SOA, b"\2ns\xc0\x0c\4host\xc0\x0c" + bytes(20))])
    yield "short-soa", one([Record(APEX, SOA, b"\0\0\0\0\0\7")])
    yield "root", one(question=b"\0" + struct.pack("!HH", SOA, IN))


def scripts():
    asked = Request(struct.pack("!HHHHHH", 0, 0, 1, 0, 0, 0) + wire_name(APEX) + struct.pack("!HH", AXFR, IN))
    zone = [soa(APEX, 7), Record(APEX, NS, wire_name("ns.example.")), Record("ns.example.", A, bytes(4)),
            Record("a.example.", A, bytes([1, 2, 3, 4])), soa(APEX, 7)]
    messages = [message(asked, [r]) for r in zone]

    def script(*what, messages=messages):
        return b"".join(bytes([w]) + struct.pack("!H", len(m)) + m for w, m in zip(what, messages, strict=True))
    yield "all-signed", script(0, 0, 0, 0, 0)
    yield "first-and-last", script(0, 1, 1, 1, 0)
    yield "last-unsigned", script(0, 0, 0, 0, 1)
    yield "first-unsigned", script(1, 0, 0, 0, 0)
    yield "one-message", script(0, messages=[message(asked, zone)])
    yield "changed", script(0, 2, 0, 0, 0)
    yield "last-changed", script(0, 1, 1, 1, 2)
    yield "lost", script(0, 3, 0, 0, 0)
    yield "unsigned-lost", script(0, 4, 1, 1, 0)
    yield "replayed", script(0, 0, 5, 0, 0)
    yield "from-elsewhere", script(0, 1, 6, 1, 0)
    yield "behind-the-end", script(0, 1, 1, 1, 0, 6, messages=[*messages, messages[0]])
    for cnt in (99, 100):
        many = [messages[0], *[message(asked, [Record("a.example.", A, bytes([1, 2, 3, i]))]) for i in range(cnt)],
                messages[-1]]
        yield f"{cnt}-unsigned", script(0, *[1] * cnt, 0, messages=many)


def main():
    for folder, seeds in (("refresh", answers), ("notify", notifies), ("signed", scripts)):
        (HERE / "corpus" / folder).mkdir(parents=True, exist_ok=True)
        for name, octets in seeds():
            (HERE / "corpus" / folder / name).write_bytes(octets)


if __name__ == "__main__":
    main()
