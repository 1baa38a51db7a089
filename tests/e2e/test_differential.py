#!/usr/bin/python3
"""Random questions to NSD and to us about the same zones: RCODE, AA and the content of every section must be equal.

The zones and questions are those of support/corners.py. Where the two may differ stands in ALLOWED, each with its
reason; how often each was needed is printed. The engine is asked directly (support/answer_server.c, no packets), and
lockstepd over UDP and TCP. LOCKSTEP_DIFFERENTIAL_SEED and LOCKSTEP_DIFFERENTIAL_QUESTIONS change what is asked.
"""

import collections
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import corners
import lab

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

SEED = int(os.environ.get("LOCKSTEP_DIFFERENTIAL_SEED", "1"))
QUESTIONS = int(os.environ.get("LOCKSTEP_DIFFERENTIAL_QUESTIONS", "10000"))
SHOWN = 12
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
    pass


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
    if any(r[1] == dns.rdatatype.CNAME for r in theirs.answer):
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
    if q.tcp and not theirs.answer <= ours.answer or not q.tcp and len(sets) > 1:
        return False
    if any(record[0] != q.name for record in ours.answer):
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
    ns = {r for r in theirs.authority if dns.rdatatype.NS in (r[1], covered(r))}
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


@allowed
def cname_is_followed_for_nsec3(q, ours, theirs, corner):
    """RFC 1034 3.6.2: a CNAME is followed for every type but its own; NSD excepts NSEC3."""
    if q.rdtype != dns.rdatatype.NSEC3 or theirs.answer or not (ours.answer or ours.tc):
        return False
    if any(r[1] not in (dns.rdatatype.CNAME, dns.rdatatype.DNAME) and not covered(r) for r in ours.answer):
        return False
    equalize(ours, theirs)
    return True


# --- comparing ------------------------------------------------------------------------------------------------

def text(records):
    return "".join(f"\n        {o} {t} {dns.rdataclass.to_text(c)} {dns.rdatatype.to_text(y)} {d}"
                   for o, y, c, t, d in sorted(records, key=str))


def compare(q, our_wire, their_wire, corner, used):
    ours, theirs = Reply(our_wire, True), Reply(their_wire, False)
    for rule in ALLOWED:
        if rule(q, ours, theirs, corner):
            used[rule.__name__] += 1
    faults = [f"    {k}: ours {ours.head()[k]}, NSD {theirs.head()[k]}" for k in ours.head()
              if ours.head()[k] != theirs.head()[k]]
    for section in SECTIONS:
        a, b = getattr(ours, section), getattr(theirs, section)
        if a - b:
            faults.append(f"    {section}, only ours:{text(a - b)}")
        if b - a:
            faults.append(f"    {section}, only NSD's:{text(b - a)}")
    if faults:
        raise Difference("\n".join([f"  {q}", *faults]))


class NsdPlain(lab.Nsd):
    """NSD with what the comparison needs: room for its EDNS answers as ours, and nothing that limits it."""

    def configure(self):
        super().configure()
        conf = self.dir / "nsd.conf"
        conf.write_text(conf.read_text().replace("server:\n", "server:\n    ipv4-edns-size: 1232\n"
                                                 "    ipv6-edns-size: 1232\n    tcp-query-count: 0\n"
                                                 "    hide-identity: yes\n    hide-version: yes\n", 1))


def start_nsd(net, zones):
    return NsdPlain(net, zones, [lab.PRIMARY, lab.PRIMARY6], True, [lab.SECONDARY]).start()


class Wire:
    """A server asked over UDP, and over one TCP connection that is opened again when the server closes it."""

    def __init__(self, net, server):
        self.net, self.server = net, server
        self.udp = net.udp(server)
        self.tcp = None

    def ask(self, q, ident):
        wire = q.wire(ident)
        for attempt in range(3):
            try:
                if not q.tcp:
                    reply = lab.exchange_on(self.udp, wire, False, 1.0)
                else:
                    self.tcp = self.tcp or self.net.tcp(self.server)
                    reply = lab.exchange_on(self.tcp, wire, True, 2.0)
            except (OSError, EOFError, dns.exception.Timeout):
                if self.tcp is not None:
                    self.tcp.close()
                    self.tcp = None
                if attempt == 2:
                    return None
                continue
            if reply[:2] == wire[:2]:
                return reply
        return None


class Engine:
    """The answer engine in a process of its own."""

    VERDICTS = {1: "drop", 2: "notify", 3: "transfer"}

    def __init__(self, net, zones):
        program = lab.BUILD / "tests/support/answer_server"
        if not program.exists():
            raise lab.LabError(f"{program} is not built: ninja -C {lab.BUILD}")
        files = []
        for apex, zone in zones.items():
            file = net.dir / f"engine-{apex}zone"
            file.write_text(zone)
            files.append(f"{apex}={file}")
        self.process = subprocess.Popen([program, *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, q, ident):
        wire = q.wire(ident)
        self.process.stdin.write(bytes([q.tcp]) + len(wire).to_bytes(2, "big") + wire)
        self.process.stdin.flush()
        head = self.process.stdout.read(3)
        assert len(head) == 3, f"the engine ended at: {q}"
        reply = self.process.stdout.read(int.from_bytes(head[1:], "big"))
        return reply if head[0] == 0 else None

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0, "the engine did not end well"
        self.process.stdout.close()


def ask_both(corner, ask_ours, ask_theirs, seed, cnt=QUESTIONS):
    used, differences, asked = collections.Counter(), [], 0
    shown = time.monotonic()
    for i, q in enumerate(corners.questions(corner, seed, cnt)):
        if q.rdtype in TRANSFERS:
            continue
        asked += 1
        theirs, ours = ask_theirs(q, i & 0xffff), ask_ours(q, i & 0xffff)
        if theirs is None or ours is None:
            differences.append(f"  {q}\n    no response from {'NSD' if theirs is None else 'us'}")
            continue
        try:
            compare(q, ours, theirs, corner, used)
        except Difference as e:
            differences.append(str(e))
        except Exception as e:
            raise AssertionError(f"{q}: {e!r}\nours {ours.hex()}\nNSD {theirs.hex()}") from e
        if time.monotonic() > shown + 5:
            shown = time.monotonic()
            print(f"    {i} questions, {len(differences)} differences", flush=True)
    print(f"    seed {seed}: {asked} questions, {len(differences)} differences")
    for rule in ALLOWED:
        reason = " ".join(rule.__doc__.split())
        print(f"    allowed {used[rule.__name__]:5} x {rule.__name__}: {reason}")
    assert asked > cnt * 0.95
    assert not differences, f"{len(differences)} of {asked} differ, the first:\n" + "\n".join(differences[:SHOWN])


@lab.timeout(300)
def test_engine_answers_random_questions_as_nsd_does(net):
    corner = corners.Corners(SEED)
    start_nsd(net, corner.zones)
    engine = Engine(net, corner.zones)
    nsd = Wire(net, lab.PRIMARY)
    try:
        ask_both(corner, engine.ask, nsd.ask, SEED)
    finally:
        engine.close()


SIGNING = {"nsec": [], "nsec3": ["-3", "-", "-H", "0"], "nsec3-opt-out": ["-3", "AABB", "-H", "5", "-A"]}


def signed(net, apex, zone, how):
    """The zone's text, signed by BIND's dnssec-signzone with one key made for it."""
    folder = net.dir / f"signing-{apex}{how}"
    folder.mkdir()
    (folder / "zone").write_text(zone)
    keygen, signzone = net.program("dnssec-keygen"), net.program("dnssec-signzone")
    lab.run([keygen, "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", "-K", folder, apex])
    lab.run([signzone, "-q", "-S", "-z", "-K", folder, "-d", folder, "-O", "full", "-o", apex, "-f", folder / "signed",
             *SIGNING[how], folder / "zone"], timeout=120)
    return (folder / "signed").read_text()


@lab.each(how=list(SIGNING))
@lab.timeout(300)
def test_engine_answers_about_signed_zones_as_nsd_does(net, how):
    corner = corners.Corners(SEED + 2, longest=False)
    for apex in corner.zones:
        corner.zones[apex] = signed(net, apex, corner.zones[apex], how)
    start_nsd(net, corner.zones)
    engine = Engine(net, corner.zones)
    try:
        ask_both(corner, engine.ask, Wire(net, lab.PRIMARY).ask, SEED + 2, max(QUESTIONS // 4, 100))
    finally:
        engine.close()


@lab.timeout(300)
def test_daemon_answers_random_questions_as_nsd_does_over_udp_and_tcp(net):
    corner = corners.Corners(SEED + 1)
    start_nsd(net, corner.zones)
    net.lockstepd(list(corner.zones))
    for apex in corner.zones:
        net.wait_state(apex, "current")
    ask_both(corner, Wire(net, net.secondary()).ask, Wire(net, lab.PRIMARY).ask, SEED + 1)


if __name__ == "__main__":
    lab.main()
