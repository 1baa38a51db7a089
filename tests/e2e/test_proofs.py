#!/usr/bin/python3
"""Answers from signed zones put before an independent validator: BIND's delv, with the zone's key as its only trust anchor.

Positive answers, wildcards, aliases, names and data that do not exist, delegations with and without DS: each must be secure, or
insecure where a span of opt-out says so, and none bogus. Zones that were tampered with after they were signed must be
found out, so that the test can fail. LOCKSTEP_PROOFS=400 asks that many questions of each kind of zone instead of 40.
"""

import base64
import os
import random
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import corners
import lab
from signing import SIGNING, anchor, signed

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rdatatype

QUESTIONS = int(os.environ.get("LOCKSTEP_PROOFS", "40"))
APEX = dns.name.from_text(corners.APEX)
SECURE, INSECURE, BOGUS = "secure", "insecure", "bogus"


def serve(net, how, spoil=lambda text: text):
    """The zone of corners signed and followed by lockstepd, and what its questions are made from."""
    corner = corners.Corners(3, longest=False)
    text = signed(net, corners.APEX, corner.zones[corners.APEX], SIGNING[how])
    # Not from a server that may have an opinion about what was spoilt.
    net.knotd({corners.APEX: corners.without_x25(spoil(text))})
    net.lockstepd([corners.APEX])
    net.wait_state(corners.APEX, "current")
    return corner


def validate(net, name, rdtype):
    """Returns what delv thinks of our answer, and all that it said."""
    done = net.run_in("sec", ["delv", f"@{net.secondary()}", "-a", anchor(net, corners.APEX), f"+root={corners.APEX}", "-q",
                              name.to_text(), "-t", dns.rdatatype.to_text(rdtype), "+nocrypto"], check=False)
    said = done.stdout + done.stderr
    if re.search(r"^;; resolution failed: (?!ncache)", said, re.M):
        return BOGUS, said
    if re.search(r"^; .*unsigned answer", said, re.M):
        return INSECURE, said
    return (SECURE if "fully validated" in said else BOGUS), said


def is_whole(net, name, rdtype):
    """Whether the zone alone answers: no referral, no error, no alias that leads out of it."""
    reply = dns.message.from_wire(net.exchange(dns.message.make_query(name, rdtype, want_dnssec=True).to_wire(), tcp=True))
    if not reply.flags & dns.flags.AA or reply.rcode() not in (0, 3):
        return False
    aliases = [r for r in reply.answer if r.rdtype == dns.rdatatype.CNAME]
    ends = {rr.target for r in aliases for rr in r} - {r.name for r in aliases}
    inside = all(end.is_subdomain(APEX) for end in ends)
    if rdtype == dns.rdatatype.DS and APEX in (ends or {name}):
        return False  # its parent's to say, whom delv asks here in vain
    # A chain that ends at a cut or in a loop is nothing to validate to the end.
    answered = reply.rcode() == 3 or any(r.rdtype == rdtype for r in reply.answer) or \
        any(r.rdtype == dns.rdatatype.SOA for r in reply.authority)
    return inside and answered


def sample(corner, r):
    """(name, type): of every kind of answer as many."""
    inside, ancestors = ([n for n in names if n.is_subdomain(APEX)] for names in (corner.names, corner.ancestors))
    below = lambda names: dns.name.Name((r.choice((b"x", b"www", b"nothing", b"Q")),) + r.choice(names).labels)
    kinds = (lambda: r.choice(inside), lambda: below(inside), lambda: below(corner.wildcards),
             lambda: r.choice(ancestors), lambda: below(ancestors), lambda: below(corner.dnames[:8]),
             lambda: dns.name.Name((bytes(r.choices(b"abcxyz", k=5)),) + APEX.labels))
    while True:
        if r.random() < 0.15:
            yield r.choice(corner.cuts), dns.rdatatype.DS
        name = r.choice(kinds)()
        if len(name.to_text()) < 200 and all(33 <= o < 127 and o not in b'"$@();\\' for label in name.labels for o in label):
            yield name, dns.rdatatype.from_text(r.choice(("A", "A", "AAAA", "TXT", "MX", "CAA", "DS")))


class Chain:
    """The NSEC3 records of an answer, as RFC 5155 8 reads them."""

    def __init__(self, reply):
        self.links = {r.name.labels[0].decode().upper(): r[0] for r in reply.authority if r.rdtype == dns.rdatatype.NSEC3}

    def _hash(self, name):
        link = next(iter(self.links.values()))
        return dns.dnssec.nsec3_hash(name, link.salt, link.iterations, link.algorithm)

    def matches(self, name):
        return self._hash(name) in self.links

    def covers(self, name):
        wanted = self._hash(name)
        for owner, link in self.links.items():
            after = base64.b32hexencode(link.next).decode()
            if owner < wanted < after or (after <= owner and (wanted > owner or wanted < after)):
                return True
        return False

    def denies(self, name):
        """Whether it is a name error, by 8.3 and 8.4; delv does not ask for the wildcard where there is opt-out."""
        next_closer = name
        while len(name.labels) > len(APEX.labels) and not self.matches(name):
            next_closer, name = name, name.parent()
        wildcard = dns.name.Name((b"*",) + name.labels)
        # One that exists above names that are there for opted-out delegations alone cannot be denied.
        return self.matches(name) and self.covers(next_closer) and (self.covers(wildcard) or self.matches(wildcard))


def deny_by_the_letter(net, corner):
    """Below every name of the zone that has others below it, those of delegations included that opt-out leaves out."""
    asked = 0
    for ancestor in (a for a in corner.ancestors if a.is_subdomain(APEX)):
        name = dns.name.Name((b"nothing-here",) + ancestor.labels)
        reply = dns.message.from_wire(net.exchange(dns.message.make_query(name, "A", want_dnssec=True).to_wire(), tcp=True))
        if reply.rcode() == 3 and not reply.answer:
            asked += 1
            assert Chain(reply).denies(name), f"{name} is not denied by\n{reply}"
    return asked


@lab.each(how=["nsec", "nsec3", "nsec3-opt-out"])
@lab.timeout(max(300, QUESTIONS * 3))
def test_a_validator_finds_every_answer_right(net, how):
    corner = serve(net, how)
    found, asked = {SECURE: 0, INSECURE: 0}, 0
    for name, rdtype in sample(corner, random.Random(f"{how} 1")):
        if asked == QUESTIONS:
            break
        if not is_whole(net, name, rdtype):
            continue
        asked += 1
        verdict, said = validate(net, name, rdtype)
        assert verdict == SECURE or (verdict == INSECURE and how == "nsec3-opt-out"), \
            f"{name} {dns.rdatatype.to_text(rdtype)} is {verdict}:\n{said}"
        found[verdict] += 1
    print(f"    {how}: {asked} answers validated by delv: {found}")
    assert found[SECURE] > asked / 2
    assert how == "nsec" or deny_by_the_letter(net, corner) > 10


def another_address(text):
    return re.sub(r"^(www\.corner\.test\.\s+.*\sA\s+)\S+$", r"\g<1>203.0.113.66", text, count=1, flags=re.M)


def no_denial(text):
    """Without the records, of every second owner, that deny; what is left proves too much or nothing."""
    kept, dropped = [], set()
    for line in text.splitlines():
        found = re.match(r"(\S+)\s+\d+\s+IN\s+(?:RRSIG\s+)?NSEC3?\s", line)
        if found and not found[1].startswith("corner.test"):
            dropped.add(found[1])
            if sorted(dropped).index(found[1]) % 2 == 0:
                continue
        kept.append(line)
    return "\n".join(kept) + "\n"


@lab.each(how=["nsec", "nsec3"])
@lab.timeout(300)
def test_a_zone_that_was_tampered_with_is_found_out(net, how):
    serve(net, how, lambda text: no_denial(another_address(text)))
    www = dns.name.from_text("www", APEX)
    assert validate(net, www, dns.rdatatype.A)[0] == BOGUS
    assert validate(net, APEX, dns.rdatatype.SOA)[0] == SECURE
    # Spread over the chain, in its order and in that of hashes.
    verdicts = [validate(net, dns.name.from_text(f"{c}-missing", APEX), dns.rdatatype.A)[0] for c in "abcdeghiklmnopqrstuvxyz"]
    assert BOGUS in verdicts, verdicts


if __name__ == "__main__":
    lab.main()
