#!/usr/bin/python3
"""Writes the seeds of corpus/path from those of corpus/frame and corpus/query, and requests about the signed zones. See
fuzz_path.c for the format."""

from pathlib import Path

import dns.message

CORPUS = Path(__file__).resolve().parent / "corpus"
LIMITED, IPV6, MADE = 0x10, 0x20, 0x80
QUERIES = ("hit", "upper", "ent", "wild", "referral", "chain", "loop", "dname", "nxdomain", "expired", "root", "options", "tsig",
           "twoopt", "badvers", "notify", "update", "response", "header", "empty", "pointer", "long", "labels", "class-ch",
           "type-any-0", "ixfr-soa")
SIGNED = ("", "a.", "missing.", "x.w.", "*.w.", "w.", "b.", "b.b.", "x.b.", "s.", "x.s.", "t.", "x.t.", "c.", "x.n.", "x.y.z.")


def seeds():
    for file in sorted((CORPUS / "frame").iterdir()):
        octets = file.read_bytes()
        yield f"frame-{file.name}", octets[:1] + b"\0" + octets[1:]
    for i, name in enumerate(QUERIES):
        yield f"query-{name}", bytes([MADE | (IPV6 if i % 2 else 0), i % 4 << 4]) + (CORPUS / "query" / name).read_bytes()[1:]
    for apex in ("nsec.", "nsec3."):
        for i, owner in enumerate(SIGNED):
            for rdtype in ("A", "DS"):
                query = dns.message.make_query(owner + apex, rdtype, want_dnssec=True, payload=(512, 1232)[i % 2])
                query.id = i
                yield (f"{apex}{owner.replace('*', 'star')}{rdtype}",
                       bytes([MADE | (LIMITED if i % 5 == 0 else 0), i % 16]) + query.to_wire())


if __name__ == "__main__":
    target = CORPUS / "path"
    target.mkdir(exist_ok=True)
    for seed, content in seeds():
        (target / seed).write_bytes(content)
