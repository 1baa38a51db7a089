#!/usr/bin/python3
"""Writes the seeds of corpus/path from those of corpus/frame and corpus/query, and requests about the signed zones. See
fuzz_path.c for the format."""

from pathlib import Path

import dns.message

CORPUS = Path(__file__).resolve().parent / "corpus"
LIMITED, IPV6, PLAIN, MADE = 0x10, 0x20, 0x40, 0x80
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
    # Names that the two halves of a chain without a whole hash cover, so that each encloser comes more than once in a row.
    for length in (1, 10, 15, 19, 20, 21, 255):
        for i in range(6):
            query = dns.message.make_query(f"n{i}.h{length}.", "A", want_dnssec=True, payload=1232)
            query.id = i
            yield f"h{length}.n{i}", bytes([MADE | PLAIN, 0]) + query.to_wire()


if __name__ == "__main__":
    target = CORPUS / "path"
    target.mkdir(exist_ok=True)
    for seed, content in seeds():
        (target / seed).write_bytes(content)
