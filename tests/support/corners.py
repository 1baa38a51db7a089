"""Zones with corners, and questions about them, for differential tests. Everything follows from a seed.

    zones(seed)      -> {apex: text}: a zone with cuts (glue inside, beside, outside, missing), empty non-terminals,
                        wildcards at several depths, DNAMEs, CNAME chains and loops, odd types, long names, binary
                        labels, mixed case; a child of it that is served too; another one that it points into.
    questions(...)   -> questions of all kinds: existing names, missing ones, below cuts, wildcards, odd types and
                        classes, EDNS variants.
"""

import random
import re

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype

APEX, CHILD, OTHER = "corner.test.", "child.corner.test.", "other.test."
TTLS = (0, 1, 60, 300, 3600, 86400, 2147483647)
HEX32 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"


class Writer:
    """Lines of a zone file, and the names in them."""

    def __init__(self, apex, seed):
        self.apex = apex
        self.rng = random.Random(f"{seed} {apex}")
        self.lines = [f"$ORIGIN {apex}", "$TTL 3600",
                      "@ 3600 SOA ns1 hostmaster 2026010101 7200 900 1209600 300"]
        self.names = {apex}
        self.ttls = {}  # one for all records of a set: unequal ones are mended in different ways (RFC 2181 5.2)

    def add(self, owner, rdtype, rdata, ttl=None):
        ttl = self.ttls.setdefault((owner.lower(), rdtype), ttl)
        self.lines.append(f"{owner} {'' if ttl is None else ttl} IN {rdtype} {rdata}")
        self.names.add(self.apex if owner == "@" else owner if owner.endswith(".") else f"{owner}.{self.apex}")

    def text(self):
        return "\n".join(self.lines) + "\n"

    def host(self, owner, v6=None):
        r = self.rng
        ttl = r.choice(TTLS)
        for _ in range(r.choice((1, 1, 1, 2, 3))):
            self.add(owner, "A", f"192.0.2.{r.randrange(256)}", ttl)
        if r.random() < 0.4 if v6 is None else v6:
            self.add(owner, "AAAA", f"2001:db8::{r.randrange(1, 65536):x}", ttl)


def _label(r):
    kind = r.random()
    if kind < 0.80:
        return "".join(r.choice("abcdefghijklmnopqrstuvwxyz0123456789-") for _ in range(r.randrange(1, 9))) + "x"
    if kind < 0.90:
        return "".join(r.choice("aBcDeFgHiJ") for _ in range(r.randrange(2, 7))) + "X"
    if kind < 0.93:
        return "l" * 63
    if kind < 0.96:
        return r"b\000n\255\.y"
    return "_" + r.choice("stu") + "rv"


# Record data by type, of the sort that NSD 4.6 and ldns both read; %s is a name in or outside the zone.
ODD = {
    "TXT": ('"plain"', '"two" "strings"', '""', '"' + "t" * 255 + '"'),
    "HINFO": ('"cpu" "os"',),
    "LOC": ("52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",),
    "CAA": ('0 issue "ca.example"',),
    "SSHFP": ("1 1 0123456789012345678901234567890123456789",),
    "TLSA": (f"3 1 1 {HEX32}",),
    "NAPTR": ('10 20 "u" "sip" "!^.*$!sip:x@y!" .', '10 20 "" "" "" %s'),
    "RP": ("%s %s",),
    "AFSDB": ("1 %s",),
    "RT": ("10 %s",),
    "KX": ("10 %s",),
    "PTR": ("%s",),
    "MINFO": ("%s %s",),
    "X25": ('"311061700956"',),
    "EUI48": ("00-00-5e-00-53-2a",),
    "URI": ('10 1 "https://www.example/"',),
    "OPENPGPKEY": ("AQAB",),
    "DHCID": ("AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",),
    "CERT": ("1 0 0 AQAB",),
    "TYPE65280": (r"\# 0", r"\# 3 010203"),
    "TYPE999": (r"\# 4 c00c0001",),
}


def _odd_records(w, owner, targets, cnt):
    r = w.rng
    for rdtype in r.sample(sorted(ODD), cnt):
        rdata = r.choice(ODD[rdtype])
        while "%s" in rdata:
            rdata = rdata.replace("%s", r.choice(targets), 1)
        w.add(owner, rdtype, rdata)


def _service_records(w, owner, targets):
    r = w.rng
    for i in range(r.choice((1, 1, 2, 5))):
        w.add(owner, "MX", f"{10 * i} {r.choice(targets)}")
    if r.random() < 0.5:
        for i in range(r.choice((1, 3))):
            w.add(owner, "SRV", f"{i} 0 5060 {r.choice(targets)}")
    if r.random() < 0.5:
        w.add(owner, r.choice(("SVCB", "HTTPS")), f"1 {r.choice(targets)} port=443")


def _cuts(w):
    """Delegations with every sort of glue; what lies below them is there only to be ignored."""
    r, cuts = w.rng, []
    for i in range(24):
        cut = f"cut{i}" if i % 3 else f"deep.er{i}.cut"
        cuts.append(cut)
        inside = [f"ns{j}.{cut}" for j in range(r.randrange(0, 4))]
        beside = [f"ns0.{c}" for c in cuts[:-1] if r.random() < 0.15]
        outside = [f"ns{j}.elsewhere{i}." for j in range(r.randrange(0, 2))] + ([f"ns9.{OTHER}"] if i % 5 == 0 else [])
        if i % 4 == 0:
            outside.append("ns1")
        for target in inside + beside + outside or ["ns.elsewhere."]:
            w.add(cut, "NS", target, 7200)
        for target in inside:
            if r.random() < 0.9:
                w.host(target)
        if r.random() < 0.4:
            w.add(cut, "DS", f"{r.randrange(65536)} 8 2 {HEX32}")
        if r.random() < 0.5:
            w.host(f"www.{cut}", False)
            w.add(f"*.{cut}", "TXT", '"never seen"')
        if r.random() < 0.3:
            w.add(f"sub.{cut}", "NS", f"ns.sub.{cut}")
            w.host(f"ns.sub.{cut}")
    w.add("Selfcut", "NS", "selfcut")
    w.host("selfcut", True)
    for i in range(30):
        w.add("wide", "NS", f"n{i}.wide")
        w.host(f"n{i}.wide", True)
        w.add("siblings", "NS", f"n{i}.wide")
    return cuts


def _wildcards(w, targets):
    r, owners = w.rng, []
    for i in range(10):
        base = f"w{i}"
        owner = r.choice((f"*.{base}", f"*.deep.{base}", f"*.a.b.c.{base}"))
        owners.append(owner)
        w.host(owner)
        if i % 2:
            _odd_records(w, owner, targets + [owner, f"x.{owner[2:]}"], 2)
            _service_records(w, owner, targets + [f"x.{owner[2:]}"])
        if i % 3 == 0:
            w.host(f"exists.{owner[2:]}")
            w.host(f"far.below.ent.{owner[2:]}")
    w.host("*.two.levels")
    w.host("*.levels")
    w.add("*.*.stars", "TXT", '"star star"')
    w.add("x.*.literal", "TXT", '"below an asterisk"')
    for i, target in enumerate(targets + ["nothing-here", "x.wc0"]):
        w.add(f"*.wc{i}", "CNAME", target)
    w.add("*.wself", "CNAME", "x.wself")
    w.add("*.wloop", "CNAME", "*.wloop")
    w.add("*.wcut", "TXT", '"not below the cut"')
    w.add("cut.wcut", "NS", "ns.elsewhere.")
    return owners


def _aliases(w, targets):
    """CNAME chains, loops, DNAMEs; where they lead is as odd as they are."""
    ends = targets + ["nothing-here", f"www.{OTHER}", f"missing.{OTHER}", "www.outside.example.", "x.w1", "www.cut1",
                      "cut2", f"www.{CHILD}", "x.dn0", "x.wc0", "ent", "@"]
    for i, end in enumerate(ends):
        w.add(f"alias{i}", "CNAME", end, TTLS[i % len(TTLS)])
        w.add(f"alias-of-alias{i}", "CNAME", f"alias{i}")
    for i in range(12):
        w.add(f"chain{i}", "CNAME", f"chain{i + 1}")
    w.host("chain12")
    for i in range(3):
        w.add(f"loop{i}", "CNAME", f"loop{(i + 1) % 3}")
    w.add("selfloop", "CNAME", "SelfLoop")
    for i, target in enumerate(("target", f"sub.{OTHER}", ".", "w1", "cut1", "outside.example.", "nothing-here", "dn0")):
        w.add(f"dn{i}", "DNAME", target, TTLS[-1 - i % len(TTLS)])
        if i % 2:
            w.add(f"dn{i}", "TXT", '"the owner of a DNAME"')
    w.host("www.target")
    w.host("*.wild.target")
    w.add("long.dname", "DNAME", ".".join(["l" * 60] * 3) + ".dn-target")
    w.host("www." + ".".join(["l" * 60] * 3) + ".dn-target")


def corner_zone(seed, longest):
    w = Writer(APEX, seed)
    r = w.rng
    w.add("@", "NS", "ns1")
    w.add("@", "NS", "ns2")
    w.add("@", "NS", "ns.elsewhere.")
    w.host("ns1", True)
    w.host("ns2", False)
    w.add("@", "MX", "10 mail")
    w.add("@", "TXT", '"v=spf1 -all"')
    w.add("child", "NS", "ns.child")
    w.add("child", "DS", f"7 8 2 {HEX32}")
    w.host("ns.child", True)
    hosts = ["mail", "www", "Mixed.Case", "a.b.ent", "host.ent"]
    hosts += [".".join(_label(r) for _ in range(r.randrange(1, 4))) for _ in range(60)]
    hosts += [".".join(["d"] * n) for n in (30, 60, 115)]
    # 255 octets, or so many fewer that a "*." still fits in front, which dnssec-signzone wants for NSEC3.
    hosts.append(".".join(["l" * 63] * 3 + ["m" * (49 if longest else 46)]))
    for owner in hosts:
        w.host(owner)
    targets = hosts[:6] + ["ns0.cut1", "x.w1", "alias0", "mail.elsewhere.", f"www.{OTHER}", "@", "nowhere"]
    for owner in hosts[2:]:
        if r.random() < 0.4:
            _odd_records(w, owner, targets, r.randrange(1, 4))
        if r.random() < 0.3:
            _service_records(w, owner, targets)
    for i in range(60):
        w.add("big", "A", f"198.51.100.{i}")
    for i in range(20):
        w.add("big", "TXT", f'"{i} {"b" * 100}"')
    cuts = _cuts(w)
    wildcards = _wildcards(w, targets)
    _aliases(w, targets)
    return w, cuts, wildcards


def without_x25(text):
    """For Knot 3.2, which has no name for the type and wants it as an unknown one (RFC 3597 5)."""
    text = re.sub(r'\bX25(\s+)"(\d+)"', lambda m: fr"TYPE19{m[1]}\# {len(m[2]) + 1} {len(m[2]):02x}{m[2].encode().hex()}", text)
    return re.sub(r"\bX25\b", "TYPE19", text)


def child_zone(seed):
    w = Writer(CHILD, seed)
    w.add("@", "NS", "ns")
    w.host("ns", True)
    w.host("www")
    w.host("*.wild")
    w.add("up", "CNAME", f"www.{APEX}")
    w.add("grand", "NS", "ns.grand")
    w.host("ns.grand")
    w.lines.insert(2, "")
    w.lines[3] = "@ 100 SOA ns hostmaster 1 7200 900 1209600 86400"
    return w


def other_zone(seed):
    w = Writer(OTHER, seed)
    w.add("@", "NS", "ns1")
    w.add("@", "NS", "ns9")
    w.host("ns1")
    w.host("ns9")
    w.host("www", True)
    w.host("www.sub")
    w.host("*.wild.sub")
    w.add("back", "CNAME", f"www.{APEX}")
    w.add("ping", "CNAME", f"pong.{APEX}")
    w.add("dn", "DNAME", APEX)
    w.lines[2] = "@ 3600 SOA ns1 hostmaster 1 7200 900 1209600 60"
    return w


class Corners:
    """The zones of a seed and what their questions are made from."""

    def __init__(self, seed, longest=True):
        corner, cuts, wildcards = corner_zone(seed, longest)
        child, other = child_zone(seed), other_zone(seed)
        self.zones = {APEX: corner.text(), CHILD: child.text(), OTHER: other.text()}
        names = sorted(corner.names | child.names | other.names)
        self.names = [dns.name.from_text(n) for n in names]
        self.cuts = [dns.name.from_text(f"{c}.{APEX}") for c in cuts]
        self.wildcards = [n.parent() for n in self.names if n.labels[0] == b"*"]
        self.dnames = [dns.name.from_text(f"dn{i}.{APEX}") for i in range(8)] + \
                      [dns.name.from_text(f"dn.{OTHER}"), dns.name.from_text(f"long.dname.{APEX}")]
        self.ancestors = sorted({a for n in self.names for a in self._above(n)})

        self.existing = set(self.names) | set(self.ancestors)

    def is_synthesized(self, name):
        """Whether a name of ours has no records or names below it of its own: a wildcard speaks for it."""
        return name not in self.existing

    def is_below_dname(self, name):
        return any(name.is_subdomain(owner) and name != owner for owner in self.dnames)

    @staticmethod
    def _above(name):
        while len(name.labels) > 3:
            name = name.parent()
            yield name


def _below(r, name, most=3):
    for _ in range(r.randrange(1, most + 1)):
        label = r.choice((b"x", b"www", b"*", b"ns0", b"sub", b"nothing", bytes([r.randrange(256)]), b"L" * 60,
                          b"a", b"deep", b"exists"))
        try:
            name = dns.name.Name((label,) + name.labels)
        except dns.name.NameTooLong:
            return name
    return name


def _name(r, c):
    kind = r.random()
    if kind < 0.30:
        name = r.choice(c.names)
    elif kind < 0.45:
        name = _below(r, r.choice(c.names))
    elif kind < 0.60:
        name = _below(r, r.choice(c.wildcards), 5)
    elif kind < 0.70:
        name = _below(r, r.choice(c.cuts))
    elif kind < 0.80:
        name = _below(r, r.choice(c.dnames), 4)
    elif kind < 0.88:
        name = r.choice(c.ancestors)
        if r.random() < 0.4:
            name = _below(r, name)
    elif kind < 0.94:
        name = _below(r, dns.name.from_text(r.choice((APEX, CHILD, OTHER))))
    elif kind < 0.97:
        name = r.choice(c.cuts)
    else:
        name = r.choice([dns.name.root, dns.name.from_text("test."), dns.name.from_text("elsewhere."),
                         dns.name.from_text("x" + APEX), _below(r, dns.name.root)])
    if r.random() < 0.3:
        name = dns.name.Name(bytes(r.choice((o, o ^ 32)) if 65 <= o & ~32 <= 90 else o for o in label)
                             for label in name.labels)
    return name


COMMON = ("A", "AAAA", "NS", "SOA", "MX", "TXT", "CNAME", "DS", "SRV", "PTR", "HTTPS", "SVCB", "DNAME", "ANY")


def _type(r):
    kind = r.random()
    if kind < 0.45:
        return dns.rdatatype.from_text(r.choice(("A", "AAAA")))
    if kind < 0.80:
        return dns.rdatatype.from_text(r.choice(COMMON))
    if kind < 0.92:
        return dns.rdatatype.from_text(r.choice(sorted(ODD)))
    if kind < 0.96:
        return r.choice((46, 47, 48, 50, 51, 59, 60))
    return r.choice((r.randrange(1, 128), r.randrange(129, 300), r.randrange(65536), 65535))


def _class(r):
    kind = r.random()
    if kind < 0.97:
        return dns.rdataclass.IN
    return r.choice((3, 4, 254, 255, 255, 0, 2, 65535))


class Question:
    """One request; `kind` is "udp" or "tcp"."""

    def __init__(self, name, rdtype, rdclass, tcp, flags, edns):
        self.name, self.rdtype, self.rdclass, self.tcp, self.flags, self.edns = name, rdtype, rdclass, tcp, flags, edns

    def wire(self, ident):
        q = self.name.to_wire() + self.rdtype.to_bytes(2, "big") + self.rdclass.to_bytes(2, "big")
        opt = b""
        if self.edns is not None:
            size, version, do, options = self.edns
            opt = (b"\0\0\x29" + size.to_bytes(2, "big") + bytes([0, version, 0x80 if do else 0, 0]) +
                   len(options).to_bytes(2, "big") + options)
        head = ident.to_bytes(2, "big") + self.flags.to_bytes(2, "big") + b"\0\1\0\0\0\0" + (b"\0\1" if opt else b"\0\0")
        return head + q + opt

    def __str__(self):
        text = [str(self.name), dns.rdatatype.to_text(self.rdtype), dns.rdataclass.to_text(self.rdclass),
                "tcp" if self.tcp else "udp", f"flags={self.flags:04x}"]
        if self.edns is not None:
            size, version, do, options = self.edns
            text.append(f"edns={size} version={version} do={int(do)} options={options.hex() or '-'}")
        return " ".join(text)


def _edns(r):
    if r.random() < 0.4:
        return None
    size = r.choice((0, 511, 512, 513, 800, 1232, 1232, 1232, 1400, 4096, 65535))
    version = r.choice((1, 2, 255)) if r.random() < 0.02 else 0
    options = r.choice((b"\xfd\xe9\0\2ab", b"\0\x0c\0\4\0\0\0\0", b"\xfd\xea\0\0")) if r.random() < 0.2 else b""
    return size, version, r.random() < 0.4, options


def questions(corners, seed, cnt):
    r = random.Random(f"questions {seed}")
    for _ in range(cnt):
        flags = r.choice((0, 0, 0x0100, 0x0100, 0x0010, 0x0020, 0x0130, 0x0040))
        yield Question(_name(r, corners), _type(r), _class(r), r.random() < 0.3, flags, _edns(r))
