"""What may differ between our answers and a rival's, each with the clause that allows it, and the comparison.

Replies are compared twice: by octets brought into one form, which is quick and settles most, and where these differ by
what dnspython reads, with the rules of ALLOWED in turn taking out what may differ. How often each was needed is counted.
"""


import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

SECTIONS = ("answer", "authority", "additional")
# Types whose targets get their addresses into the additional section, and where the target stands.
TARGETS = {dns.rdatatype.NS: "target", dns.rdatatype.MX: "exchange", dns.rdatatype.SRV: "target",
           dns.rdatatype.SVCB: "target", dns.rdatatype.HTTPS: "target"}
ADDRESSES = (dns.rdatatype.A, dns.rdatatype.AAAA)
# Never a question to a zone: meta types and queries that only ask for trouble.
META = (dns.rdatatype.OPT, dns.rdatatype.TSIG, dns.rdatatype.TKEY, 128, 253, 254)
TRANSFERS = (dns.rdatatype.AXFR, dns.rdatatype.IXFR)


class Reply:
    """What is compared: records as (owner, type, class, TTL, record data), owners without regard to case."""

    def __init__(self, wire, strict):
        """strict: a record twice in a section is a fault (RFC 2181 5); NSD repeats some in loops."""
        self.wire = wire
        m = self.message = dns.message.from_wire(wire, one_rr_per_rrset=True)
        self.rcode = m.rcode()
        self.aa = bool(m.flags & dns.flags.AA)
        self.tc = bool(m.flags & dns.flags.TC)
        self.rd = bool(m.flags & dns.flags.RD)
        self.ra, self.ad, self.cd = (bool(m.flags & f) for f in (dns.flags.RA, dns.flags.AD, dns.flags.CD))
        self.edns = m.edns
        self.do = bool(m.ednsflags & dns.flags.DO)
        self.question = [str(q.name) for q in m.question]      # with its case
        for section in SECTIONS:
            records = [(s.name, s.rdtype, s.rdclass, s.ttl, folded(rdata)) for s in getattr(m, section)
                       for rdata in s]
            assert not strict or len(set(records)) == len(records), f"a record twice in {section}:\n{m}"
            setattr(self, section, set(records))

    def head(self):
        return {k: getattr(self, k) for k in ("rcode", "aa", "tc", "rd", "ra", "ad", "cd", "edns", "do", "question")}


def folded(rdata):
    """RFC 4343: case does not matter in names; dnspython compares that of SVCB as it stands, NSD lower-cases it."""
    if rdata.rdtype in (dns.rdatatype.SVCB, dns.rdatatype.HTTPS):
        return rdata.replace(target=dns.name.from_text(rdata.target.to_text().lower()))
    return rdata


class Difference(Exception):
    """Two answers that may not differ do; its text shows how."""


# --- where we may differ --------------------------------------------------------------------------------------
# Each takes (question, ours, theirs, corner), returns whether it applied, and takes the difference out of the two replies.

ALLOWED = []


def allowed(rule):
    ALLOWED.append(rule)
    return rule


def targets_of(records):
    return {getattr(rdata, TARGETS[rdtype]) for _, rdtype, _, _, rdata in records if rdtype in TARGETS}


def covered(record):
    """What an RRSIG covers; 0 for other types."""
    return record[4].type_covered if record[1] == dns.rdatatype.RRSIG else 0


@allowed
def question_left_out_of_errors(q, ours, theirs, corner):
    """RFC 1035 4.1.2 has the question in every response; NSD sends only a header where it refuses."""
    if theirs.question or not ours.question or theirs.rcode not in (1, 4, 5, 9, 16):
        return False
    theirs.question = ours.question
    return True



@allowed
def flags_of_errors(q, ours, theirs, corner):
    """RFC 3225 3 and RFC 4035 3.1.6: DO is copied and CD cleared in every response; NSD does neither in BADVERS."""
    if ours.rcode != dns.rcode.BADVERS or (theirs.do, theirs.cd) == (ours.do, ours.cd):
        return False
    theirs.do, theirs.cd = ours.do, ours.cd
    return True


@allowed
def truncated_responses_are_empty(q, ours, theirs, corner):
    """RFC 2181 9: what a response with TC carries is not to be used; ours carries nothing, and follows no alias."""
    if not (ours.tc and theirs.tc):
        return False
    if any(r[1] == dns.rdatatype.CNAME for r in theirs.answer) or corner.is_below_dname(q.name):
        theirs.rcode = ours.rcode
    for section in SECTIONS:
        assert not getattr(ours, section), "records in a truncated response"
        setattr(theirs, section, set())
    return True


@allowed
def meta_types_are_refused(q, ours, theirs, corner):
    """RFC 6895 3.1, RFC 9824 3.4: OPT, TSIG, TKEY, NXNAME are FORMERR, MAILA and MAILB NOTIMP; NSD looks them up."""
    if q.rdtype not in META or ours.rcode not in (1, 4):
        return False
    equalize(ours, theirs)
    return True


def equalize(ours, theirs):
    """The difference is a matter of policy: nothing of the two is compared further."""
    for key in theirs.head():
        setattr(theirs, key, getattr(ours, key))
    for section in SECTIONS:
        setattr(theirs, section, getattr(ours, section))


@allowed
def any_is_one_set_over_udp_and_all_over_tcp(q, ours, theirs, corner):
    """
    RFC 8482 4.1 and 7: for QTYPE ANY and RRSIG any set of those at the name will do. NSD sends one or two sets for ANY,
    all RRSIGs; we the smallest set, and over TCP all.
    """
    several = (dns.rdatatype.ANY, dns.rdatatype.RRSIG)
    if q.rdtype not in several or ours.tc or not ours.answer or (theirs.rcode, theirs.aa) != (ours.rcode, ours.aa):
        return False
    sets = {record[:2] for record in ours.answer}
    sets -= {record[:2] for record in ours.answer if covered(record)} if q.rdtype == dns.rdatatype.ANY else set()
    sets = {s for s in sets if s[1] not in (dns.rdatatype.CNAME, dns.rdatatype.DNAME)} or sets
    if q.tcp and not theirs.answer <= ours.answer or not q.tcp and len(sets) > 1:
        return False
    aliases = {r[4].target for r in ours.answer if r[1] == dns.rdatatype.CNAME} if q.rdtype == dns.rdatatype.RRSIG else set()
    if any(record[0] not in aliases | {q.name} and record[1] not in (dns.rdatatype.CNAME, dns.rdatatype.DNAME)
           for record in ours.answer):
        return False
    equalize(ours, theirs)
    return True


@allowed
def any_ends_at_a_synthesized_cname(q, ours, theirs, corner):
    """RFC 1034 4.3.2 3a: QTYPE * matches a CNAME, which ends the search; BIND and we do so below a DNAME too."""
    if q.rdtype != dns.rdatatype.ANY or not any(r[1] == dns.rdatatype.DNAME for r in ours.answer):
        return False
    if ours.answer == theirs.answer and ours.rcode == theirs.rcode and not theirs.authority:
        return False
    alias = {dns.rdatatype.DNAME, dns.rdatatype.CNAME}
    if {r[1] for r in ours.answer if not covered(r)} != alias or not ours.answer <= theirs.answer:
        return False
    equalize(ours, theirs)
    return True


@allowed
def all_classes_are_not_authoritative(q, ours, theirs, corner):
    """RFC 1035 6.2: a response to QCLASS * can never be authoritative; NSD forgets that behind a DNAME."""
    if q.rdclass != dns.rdataclass.ANY or ours.aa or not theirs.aa or theirs.answer != ours.answer:
        return False
    theirs.aa = False
    return True


@allowed
def smaller_answers_need_no_truncation(q, ours, theirs, corner):
    """
    RFC 1035 4.1.4: we compress the CNAME that a DNAME makes, and send no record twice, so that more fits than NSD can
    send. What it did send must be in ours.
    """
    whole = all(getattr(theirs, section) <= getattr(ours, section) for section in SECTIONS)
    if ours.tc or not theirs.tc or not (whole or any(r[1] == dns.rdatatype.DNAME for r in ours.answer)):
        return False
    equalize(ours, theirs)
    return True


@allowed
def positive_answers_are_minimal(q, ours, theirs, corner):
    """
    The authority section of a positive answer is free (RFC 1034 4.3.2 fills it only with referrals and SOA): NSD puts
    the zone's NS there and their addresses behind, we put nothing.
    """
    apexes = [dns.name.from_text(apex) for apex in corner.zones]
    ns = {r for r in theirs.authority if dns.rdatatype.NS in (r[1], covered(r)) and r[0] in apexes}
    if ns & ours.authority or not ns or not theirs.aa or theirs.rcode != 0:
        return False
    theirs.authority -= ns
    wanted = targets_of(theirs.answer)
    theirs.additional = {record for record in theirs.additional if record[0] in wanted}
    return True


@allowed
def proofs_behind_a_dname(q, ours, theirs, corner):
    """RFC 4035 3.1.3, RFC 5155 7.2: all proofs for the last name; NSD leaves some out where a DNAME led to it."""
    extra = ours.authority - theirs.authority
    proofs = (dns.rdatatype.NSEC, dns.rdatatype.NSEC3)
    if not extra or theirs.authority - ours.authority or not any(r[1] == dns.rdatatype.DNAME for r in ours.answer):
        return False
    if any(r[1] not in proofs and covered(r) not in proofs for r in extra):
        return False
    theirs.authority = set(ours.authority)
    return True


@allowed
def proofs_are_compressed_against_the_name(q, ours, theirs, corner):
    """
    RFC 1035 4.1.4 leaves compression free: NSD compresses the owner of a proof against every name in the message, we
    against the one that the proof is for; a response that just fits then does not.
    """
    limit = min(max(q.edns[0], 512), 1232) if q.edns else 512
    if not ours.tc or theirs.tc or q.tcp or len(theirs.wire) < limit - 16:
        return False
    if not any(covered(r) in (dns.rdatatype.NSEC, dns.rdatatype.NSEC3) for r in theirs.authority):
        return False
    equalize(ours, theirs)
    return True


@allowed
def the_wildcard_owner_is_a_name(q, ours, theirs, corner):
    """
    RFC 4592 2.3, RFC 5155 7.2.3: a question for "*.name" itself, and data at it, need no proof that something else
    does not exist; NSD treats the literal name as one made from the wildcard where the zone has NSEC3.
    """
    if q.name.labels[0] != b"*" or not ours.do or ours.tc:
        return False
    extra = theirs.authority - ours.authority
    if not theirs.tc and (not extra or ours.authority - theirs.authority):
        return False
    if any(dns.rdatatype.NSEC3 not in (r[1], covered(r)) for r in extra):
        return False
    theirs.tc, theirs.authority = False, set(ours.authority)
    return True


@allowed
def optional_addresses_may_be_left_out(q, ours, theirs, corner):
    """
    RFC 2181 9, RFC 9471 3.2: additional addresses that are not glue inside the delegated zone are optional. Ours are
    at most 16 targets' (so that the work is bounded), only what fits, and none made from wildcards; theirs may lack
    some of ours for want of room.
    """
    if ours.additional == theirs.additional or ours.tc or theirs.tc:
        return False
    required = set()
    cut = next((r[0] for r in theirs.authority if r[1] == dns.rdatatype.NS), None)
    if cut is not None:
        required = {r for r in theirs.additional if r[0].is_subdomain(cut)}
    if not required <= ours.additional:
        return False
    wanted = targets_of(ours.answer | ours.authority)
    extra = {r for r in ours.additional - theirs.additional if r[0] not in wanted or r[1] not in ADDRESSES and covered(r) not in ADDRESSES}
    if extra:
        return False
    missing = theirs.additional - ours.additional
    room = (65535 if q.tcp else 512 if q.edns is None else min(max(q.edns[0], 512), 1232)) - len(ours.wire)
    full = len(targets_of(ours.answer | ours.authority)) > 16
    missing = {r for r in missing if r[1] in ADDRESSES and not corner.is_synthesized(r[0])}
    if missing and room > (3 * 28 if not ours.do else 3 * 28 + 130) and not full:
        return False
    theirs.additional = set(ours.additional)
    return True


@allowed
def glue_that_does_not_fit_truncates(q, ours, theirs, corner):
    """RFC 9471 3.1: all glue inside the delegated zone, or TC; NSD 4.6 sends what fits, without TC."""
    if not ours.tc or theirs.tc or q.tcp or not any(r[1] == dns.rdatatype.NS for r in theirs.authority):
        return False
    cut = next(r[0] for r in theirs.authority if r[1] == dns.rdatatype.NS)
    if not any(target.is_subdomain(cut) for target in targets_of(theirs.authority)):
        return False
    equalize(ours, theirs)
    return True


# Types that may stand beside a CNAME (RFC 2181 10.1, RFC 4034 3 and 4): SIG, KEY, RRSIG, NSEC, and NSEC3 for NSD.
BESIDE_CNAME = (24, 25, dns.rdatatype.RRSIG, dns.rdatatype.NSEC, dns.rdatatype.NSEC3)


@allowed
def cname_is_followed_for_types_that_stand_beside_it(q, ours, theirs, corner):
    """
    RFC 1034 3.6.2 and 4.3.2 step 3a: a CNAME is followed for every type that its owner does not have but its own; others say
    that there is no such data for types that may stand beside a CNAME.
    """
    if q.rdtype not in BESIDE_CNAME or theirs.rcode != 0 or not (ours.answer or ours.tc):
        return False
    if not theirs.answer <= ours.answer and not ours.tc:
        return False
    if any(r[1] not in (dns.rdatatype.CNAME, dns.rdatatype.DNAME) and not covered(r) for r in theirs.answer):
        return False
    if ours.answer and not any(r[1] in (dns.rdatatype.CNAME, dns.rdatatype.DNAME) for r in ours.answer):
        return False
    equalize(ours, theirs)
    return True


@allowed
def chains_are_followed_so_far(q, ours, theirs, corner):
    """
    RFC 1034 3.6.2 wants chains followed and loops told, and sets no limit: Knot follows 5, BIND 11 and then fails, NSD 18, we
    16. What they have must be in ours.
    """
    aliases = sum(r[1] == dns.rdatatype.CNAME for r in theirs.answer)
    if aliases < 5 or theirs.tc or theirs.rcode not in (0, 2) or not (ours.tc or theirs.answer < ours.answer):
        return False
    equalize(ours, theirs)
    return True


@allowed
def checking_disabled_is_cleared(q, ours, theirs, corner):
    """RFC 4035 3.1.6: an authoritative server clears CD; BIND copies it."""
    if ours.cd or not theirs.cd:
        return False
    theirs.cd = False
    return True


@allowed
def types_for_questions_are_met_in_many_ways(q, ours, theirs, corner):
    """RFC 6895 3.1: 128 to 255 are for questions; BIND answers those it does not know with an error, we look them up."""
    if not 128 <= q.rdtype <= 255 or theirs.rcode not in (1, 4, 5) or theirs.answer:
        return False
    equalize(ours, theirs)
    return True


@allowed
def all_classes_need_not_be_served(q, ours, theirs, corner):
    """RFC 1035 3.2.5 and 6.2 leave open what is said about QCLASS *: BIND refuses it, Knot takes it for IN, with a SOA."""
    if q.rdclass != dns.rdataclass.ANY:
        return False
    refused = theirs.rcode in (1, 4, 5) and not theirs.answer
    same = theirs.rcode == ours.rcode and theirs.answer == ours.answer
    if not refused and not (same and ours.authority <= theirs.authority):
        return False
    equalize(ours, theirs)
    return True


def zone_of(name, corner):
    """The apex of ours that a name is below; None: somebody else's."""
    apexes = [dns.name.from_text(apex) for apex in corner.zones]
    return max((a for a in apexes if name.is_subdomain(a)), key=len, default=None)


@allowed
def chains_go_on_in_other_zones(q, ours, theirs, corner):
    """RFC 1034 4.3.2 step 3a: with the canonical name, go back to step 1, which looks at all zones; BIND and Knot stop."""
    if theirs.rcode != 0 or theirs.tc or not (ours.tc or theirs.answer <= ours.answer):
        return False
    aliases = {r[0]: r[4].target for r in theirs.answer if r[1] == dns.rdatatype.CNAME}
    name, home = q.name, zone_of(q.name, corner)
    while name in aliases:
        home, name = zone_of(name, corner), aliases.pop(name)
    if name == q.name or zone_of(name, corner) in (None, home):
        return False
    equalize(ours, theirs)
    return True


# --- comparing ------------------------------------------------------------------------------------------------

# Types with names that are compressed in messages (RFC 3597 4), as octets in front of the names and how many names follow.
COMPRESSED = {2: (0, 1), 5: (0, 1), 12: (0, 1), 39: (0, 1), 6: (0, 2), 15: (2, 1), 14: (0, 2), 33: (6, 1), 17: (0, 2),
              18: (2, 1), 21: (2, 1), 36: (2, 1), 46: (18, 1), 47: (0, 1)}
NS, OPT, RRSIG = 2, 41, 46


def read_name(wire, at):
    """The name at a place in lower case, and where what follows it begins."""
    labels, end = [], None
    while True:
        n = wire[at]
        if n >= 0xc0:
            end = at + 2 if end is None else end
            at = (n & 0x3f) << 8 | wire[at + 1]
            continue
        labels.append(wire[at:at + n + 1])
        at += n + 1
        if n == 0:
            return b"".join(labels).lower(), at if end is None else end


def read_data(wire, at, length, rdtype):
    if rdtype not in COMPRESSED:
        return wire[at:at + length]
    before, names = COMPRESSED[rdtype]
    parts, place = [wire[at:at + before]], at + before
    for _ in range(names):
        name, place = read_name(wire, place)
        parts.append(name)
    parts.append(wire[place:at + length])
    return b"".join(parts)


def normal(wire, strict=False):
    """
    Flags of the head, question and OPT as they are, and the records of each section as a set. strict: a record twice in a
    section is a fault (RFC 2181 5).
    """
    counts = [int.from_bytes(wire[i:i + 2], "big") for i in (4, 6, 8, 10)]
    at = 12
    for _ in range(counts[0]):
        at = read_name(wire, at)[1] + 4
    question, sections, opt = wire[12:at], [], None
    for count in counts[1:]:
        records, others = set(), 0
        for _ in range(count):
            owner, at = read_name(wire, at)
            rdtype, length = int.from_bytes(wire[at:at + 2], "big"), int.from_bytes(wire[at + 8:at + 10], "big")
            if rdtype == OPT:
                opt = wire[at + 4:at + 8]  # extended RCODE, version and flags; its size is each server's own
                others += 1
            else:
                records.add((owner, wire[at:at + 8], read_data(wire, at + 10, length, rdtype)))
            at += 10 + length
        assert not strict or len(records) + others == count, f"a record twice: {wire.hex()}"
        sections.append(records)
    return (wire[2:4], question, opt), sections


def is_ns(record):
    return record[1][:4] == b"\0\2\0\1" or (record[1][:4] == b"\0\x2e\0\1" and record[2][:2] == b"\0\2")


def is_address(record):
    rdtype = record[2][:2] if record[1][:2] == b"\0\x2e" else record[1][:2]
    return rdtype in (b"\0\1", b"\0\x1c")


def settled(ours, theirs, used):
    """Whether two replies are equal but for what a positive answer may have beside its answer section."""
    (our_head, our_sections), (their_head, their_sections) = ours, theirs
    if our_head != their_head or our_sections[0] != their_sections[0]:
        return False
    if our_sections == their_sections:
        return True
    extra, more = their_sections[1] - our_sections[1], their_sections[2] - our_sections[2]
    flags = our_head[0]
    if not our_sections[0] or not flags[0] & 4 or flags[0] & 2 or flags[1] & 15 or not all(map(is_ns, extra)) or \
            our_sections[1] - their_sections[1] or our_sections[2] - their_sections[2] or not all(map(is_address, more)):
        return False
    # More addresses only if they are the name servers': those of the answer's own targets are compared with care.
    if more and not extra:
        return False
    used["positive_answers_are_minimal"] += 1
    return True


def text(records):
    return "".join(f"\n        {o} {t} {dns.rdataclass.to_text(c)} {dns.rdatatype.to_text(y)} {d}"
                   for o, y, c, t, d in sorted(records, key=str))


def compare(q, ours, theirs, corner, used, rival):
    """ours, theirs: what normal() made of the octets, and the octets. Raises Difference."""
    if settled(ours[0], theirs[0], used):
        return
    ours, theirs = Reply(ours[1], True), Reply(theirs[1], False)
    for rule in ALLOWED:
        if rule(q, ours, theirs, corner):
            used[rule.__name__] += 1
    faults = [f"    {k}: ours {ours.head()[k]}, {rival} {theirs.head()[k]}" for k in ours.head()
              if ours.head()[k] != theirs.head()[k]]
    for section in SECTIONS:
        a, b = getattr(ours, section), getattr(theirs, section)
        if a - b:
            faults.append(f"    {section}, only ours:{text(a - b)}")
        if b - a:
            faults.append(f"    {section}, only {rival}'s:{text(b - a)}")
    if faults:
        raise Difference("\n".join([f"  {q}", *faults]))
