#!/usr/bin/python3
"""Signed transfers (RFC 8945): knotd, nsd and named with the right key, a wrong one and none; a scripted primary that
tampers with what it signs; NOTIFY that has to be signed."""

import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from lab_wire import soa_serial
from primary import TXT, Record, ScriptedPrimary, framed, message, soa, whole
from signer import (ALGORITHM, KEY, OTHER, OTHER_SECRET, SECRET, Signer, SigningPrimary, good, key_file, signed_stream)

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.rrset
import dns.tsig
import dns.tsigkeyring

ZONE = "example."


# --- real primaries that want everything signed ---

class SignedKnotd(lab.Knotd):
    def configure(self):
        super().configure()
        lab.rewrite(self.dir / "knot.conf",
                    ("remote:\n", f"key:\n  - id: {KEY}\n    algorithm: {self.algorithm}\n    secret: {SECRET}\nremote:\n"),
                    (f"    address: {lab.SECONDARY}@53", f"    address: {lab.SECONDARY}@53\n    key: {KEY}"),
                    ("    action: transfer", f"    action: transfer\n    key: {KEY}"),
                    ("journal-content: none", "journal-content: changes"), ("zonefile-load: whole", "zonefile-load: difference"))
        (self.dir / "db").mkdir(exist_ok=True)

    def change_secret(self, secret):
        lab.rewrite(self.dir / "knot.conf", (f"secret: {SECRET}", f"secret: {secret}"))
        self.lab.run_in("pri", ["knotc", "-s", self.dir / "knot.sock", "reload"])


class SignedNsd(lab.Nsd):
    def configure(self):
        super().configure()
        lab.rewrite(self.dir / "nsd.conf",
                    ("zone:\n", f'key:\n    name: "{KEY}"\n    algorithm: {self.algorithm}\n    secret: "{SECRET}"\nzone:\n'),
                    ("NOKEY", KEY))


class SignedNamed(lab.Named):
    def configure(self):
        super().configure()
        lab.rewrite(self.dir / "named.conf",
                    ("options {", f'key "{KEY}" {{ algorithm {self.algorithm}; secret "{SECRET}"; }};\noptions {{'),
                    ("allow-transfer { any; };", f'allow-transfer {{ key "{KEY}"; }};'),
                    (f"{lab.SECONDARY};", f'{lab.SECONDARY} key "{KEY}";'))


KINDS = {"knotd": SignedKnotd, "nsd": SignedNsd, "named": SignedNamed}


def start_primary(net, kind, zones, algorithm=ALGORITHM):
    primary = KINDS[kind](net, zones, [lab.PRIMARY, lab.PRIMARY6], True, [lab.SECONDARY])
    primary.algorithm = algorithm
    return primary.start()


def with_key(net, name=KEY, secret=SECRET, algorithm=ALGORITHM, **zone):
    """Changes to the configuration: the first primary has this key."""
    return {"keys": [{"name": name, "file": key_file(net, name, secret, algorithm)}],
            "primaries": [{"name": "first", "address": lab.PRIMARY, "key": name}],
            "zones": [{"name": ZONE, "primaries": ["first"], **zone}]}


@lab.each(kind=["knotd", "nsd", "named"])
def test_transfers_and_notify_are_signed(net, kind):
    # Large enough for several messages.
    primary = start_primary(net, kind, {ZONE: lab.zone_text(ZONE, 1, hosts=20000)})
    daemon = net.lockstepd(change=with_key(net))
    net.wait_serial(ZONE, 1)
    assert daemon.zone(ZONE)["last_transfer_messages"] > 3
    for serial in (2, 3):
        primary.update(ZONE, lab.zone_text(ZONE, serial, hosts=20000, extra=[f"new{serial} IN A 192.0.2.{serial}"]))
        net.wait_serial(ZONE, serial)
    status = daemon.zone(ZONE)
    assert status["notifies"] >= 2 and status["last_notify_to_served_us"] > 0, status
    assert status["notifies_refused"] == 0 and status["transfers_failed"] == 0, status
    assert net.dig(f"new3.{ZONE}").answer and net.dig(f"h19999.{ZONE}").answer
    assert SECRET not in daemon.log() and SECRET not in str(daemon.ctl("stats"))


@lab.each(algorithm=["hmac-sha1", "hmac-sha224", "hmac-sha384", "hmac-sha512"])
def test_every_algorithm(net, algorithm):
    start_primary(net, "knotd", {ZONE: lab.zone_text(ZONE, 1)}, algorithm)
    net.lockstepd(change=with_key(net, algorithm=algorithm))
    net.wait_serial(ZONE, 1)


WRONG = {
    "another key": dict(name=OTHER, secret=OTHER_SECRET),
    "the wrong secret": dict(secret=OTHER_SECRET),
    "another algorithm": dict(algorithm="hmac-sha512"),
    "no key": None,
}


@lab.timeout(240)
@lab.each(kind=["knotd", "nsd", "named"])
def test_with_the_wrong_key_or_none_nothing_is_transferred(net, kind):
    start_primary(net, kind, {ZONE: lab.zone_text(ZONE, 1)})
    for what, key in WRONG.items():
        daemon = net.lockstepd([ZONE], change=with_key(net, **key) if key is not None else None)
        status = lab.wait_until(lambda: (s := daemon.zone(ZONE))["transfers_failed"] > 0 and s, 10, f"{what}: refused")
        assert not status["loaded"], (what, status)
        reason = status["last_error"]
        if key is None:
            assert "the primary answered" in reason, (what, reason)
        else:
            assert any(t in reason for t in ("BADKEY", "BADSIG", "a signature is missing", "the primary answered",
                                             "stream ended", "reset")), (what, reason)
        assert net.dig(ZONE, "SOA").rcode() == dns.rcode.SERVFAIL
        daemon.stop()


# --- a scripted primary that signs, and tampers ---

def begin(net, hosts=10, **change):
    primary = SigningPrimary(net)
    primary.transfer = good
    primary.zone(ZONE, 1, hosts)
    daemon = net.lockstepd(change={**with_key(net), **change})
    net.wait_serial(ZONE, 1)
    return primary, daemon


def notify(net, serial, name=KEY, secret=SECRET, sign=True, when=None, mac=None, source=lab.PRIMARY):
    """A NOTIFY as octets, signed; the response as octets and, if it can be verified, as a message."""
    m = dns.message.make_query(ZONE, "SOA")
    m.set_opcode(dns.opcode.NOTIFY)
    m.flags |= dns.flags.AA
    m.flags &= ~dns.flags.RD
    m.answer.append(dns.rrset.from_text(ZONE, 300, "IN", "SOA", f"a. b. {serial} 1 1 1 1"))
    wire = m.to_wire()
    if sign:
        signer = Signer.__new__(Signer)
        signer.key, signer.request_mac, signer.ctx = dns.tsig.Key(name, secret, ALGORITHM), b"", None
        wire = signer.sign(wire, multi=False, when=when)
    if mac is not None:
        wire = mac(wire)
    return wire, net.exchange(wire, source=source)


class Tsig:
    """The TSIG record at the end of a message, unverified."""

    def __init__(self, rdata):
        _, used = dns.name.from_wire(rdata, 0)
        _, self.time, _, mac_len = struct.unpack("!HIHH", rdata[used:used + 10])
        self.mac = rdata[used + 10:used + 10 + mac_len]
        _, self.error, self.other_len = struct.unpack("!HHH", rdata[used + 10 + mac_len:used + 16 + mac_len])


def tsig_of(wire):
    """None: there is none."""
    counts = struct.unpack("!HHHH", wire[4:12])
    at, found = 12, None
    for _ in range(counts[0]):
        at += dns.name.from_wire(wire, at)[1] + 4
    for _ in range(sum(counts[1:])):
        at += dns.name.from_wire(wire, at)[1]
        rdtype, _, _, length = struct.unpack("!HHIH", wire[at:at + 10])
        found = Tsig(wire[at + 10:at + 10 + length]) if rdtype == 250 else None
        at += 10 + length
    assert at == len(wire)
    return found


def rcode(wire):
    return wire[3] & 15


@lab.timeout(180)
def test_signatures_of_a_transfer_by_the_rules(net):
    primary, daemon = begin(net, hosts=400)
    serial = 1

    def attempt(fault, reason):
        nonlocal serial
        serial += 1
        failures = daemon.zone(ZONE)["transfers_failed"]
        primary.zone(ZONE, serial, 400)
        primary.transfer = fault
        notify(net, serial)
        if reason is None:
            net.wait_serial(ZONE, serial, timeout=8)
            return
        status = lab.wait_until(lambda: (s := daemon.zone(ZONE))["transfers_failed"] > failures and s, 15, "it failed")
        assert reason in status["last_error"], status["last_error"]
        assert status["serial"] == serial - 1 and soa_serial(net.dig(ZONE, "SOA")) == serial - 1, status
        primary.transfer = good
        net.ctl("zone", "refresh", ZONE)
        net.wait_serial(ZONE, serial)

    def flip(at):
        """One bit of message `at`, after it was signed."""
        return lambda s: s.send(signed_stream(s, lambda i, last, signer, m: bytes(
            b ^ (1 if k == len(m) - 1 else 0) for k, b in enumerate(signer.sign(m))) if i == at else None))

    cases = {
        "every message signed": (good, None),
        "99 unsigned in between": (lambda s: s.send(signed_stream(s, every=100)), None),
        "100 unsigned in between": (lambda s: s.send(signed_stream(s, every=101)), "a signature is missing"),
        "one message for all": (lambda s: s.send(signed_stream(s, per_message=1000)), None),
        "not signed at all": (whole, "message 1: a signature is missing"),
        "the first is not signed": (lambda s: s.send(signed_stream(s, lambda i, last, g, m: m if i == 0 else None)),
                                    "message 1: a signature is missing"),
        "only the first is signed": (lambda s: s.send(signed_stream(s, lambda i, last, g, m:
                                                                    None if i == 0 else g.sign(m, unsigned=True))),
                                     "a signature is missing"),
        "the last is not signed": (lambda s: s.send(signed_stream(s, lambda i, last, g, m:
                                                                  g.sign(m, unsigned=True) if last else None)),
                                   "a signature is missing"),
        "the first was changed": (flip(0), "message 1: the MAC is wrong (BADSIG)"),
        "one in the middle was changed": (flip(5), "message 6: the MAC is wrong (BADSIG)"),
        "an unsigned one was changed": (lambda s: s.send(signed_stream(s, lambda i, last, g, m: (
            g.sign(m, unsigned=True), bytes([m[0], m[1], m[2], m[3] | 0x10]) + m[4:])[1] if i == 3 else None)),
            "the MAC is wrong (BADSIG)"),
        "one is left out": (lambda s: s.send(left_out(s)), "the MAC is wrong (BADSIG)"),
        "signed an hour ago": (lambda s: s.send(signed_stream(s, when=time.time() - 3600)), "BADTIME"),
        "signed with another secret": (lambda s: s.send(signed_by(s, KEY, OTHER_SECRET)), "BADSIG"),
        "signed with another key": (lambda s: s.send(signed_by(s, OTHER, OTHER_SECRET)), "BADKEY"),
        "a replay of another transfer": (lambda s: s.send(replayed(s)), "message 1: the MAC is wrong (BADSIG)"),
    }
    for name, (fault, reason) in cases.items():
        try:
            attempt(fault, reason)
        except AssertionError as e:
            raise AssertionError(f"{name}: {e}") from None
    assert not primary.errors, primary.errors


def left_out(s):
    """All signed as they should be; the fifth does not arrive."""
    signer = Signer(s.request.wire)
    out = [signer.sign(m) for m in s.messages()]
    return b"".join(framed(m) for i, m in enumerate(out) if i != 4)


def signed_by(s, name, secret):
    signer = Signer(s.request.wire)
    signer.key = dns.tsig.Key(name, secret, ALGORITHM)
    return b"".join(framed(signer.sign(m)) for m in s.messages())


def replayed(s):
    """What would have been right for another request with this id."""
    signer = Signer(other_request(s.request))
    return b"".join(framed(signer.sign(m)) for m in s.messages())


def other_request(request):
    m = dns.message.make_query(request.name, request.type)
    m.id = request.id
    signer = Signer.__new__(Signer)
    signer.key, signer.request_mac, signer.ctx = dns.tsig.Key(KEY, SECRET, ALGORITHM), b"", None
    return signer.sign(m.to_wire(), multi=False, when=time.time() - 60)


def test_soa_answers_that_are_not_signed_rightly_are_no_answers(net):
    primary, daemon = begin(net)
    for serial, name, sign in ((2, "not signed", lambda signer, wire: wire),
                               (3, "changed", lambda signer, wire: bytes(
                                   b ^ (k == 2) for k, b in enumerate(signer.sign(wire, multi=False)))),
                               (4, "an hour old", lambda signer, wire: signer.sign(wire, False, time.time() - 3600))):
        primary.zone(ZONE, serial)
        primary.sign_soa = sign
        transfers = len(primary.transfers)
        done = daemon.ctl_raw("zone", "refresh", ZONE)
        assert done.returncode != 0 and "cannot be believed" in done.stderr, (name, done)
        assert len(primary.transfers) == transfers, name
    primary.sign_soa = lambda signer, wire: signer.sign(wire, multi=False)
    net.ctl("zone", "refresh", ZONE)
    net.wait_serial(ZONE, 4)
    assert not primary.errors, primary.errors


def test_differences_in_a_datagram_have_to_be_signed(net):
    primary, daemon = begin(net, primaries=[{"name": "first", "address": lab.PRIMARY, "key": KEY, "ixfr-udp": True}])

    def added(zone):
        """h<n> is new in version n."""
        return [zone.soa(), soa(ZONE, zone.serial - 1), zone.soa(), zone.records[-1], zone.soa()]
    primary.transfer = lambda s: s.send(signed_stream(s, records=added(s.zone)))
    for serial, sign, fits in ((2, lambda signer, m: signer.sign(m, multi=False), True),
                               (3, lambda signer, m: m, False),
                               (4, lambda signer, m: bytes(b ^ (k == 2) for k, b in enumerate(signer.sign(m))), False),
                               (5, lambda signer, m: signer.sign(m, when=time.time() - 3600), False)):
        primary.zone(ZONE, serial, 8 + serial + 1)
        primary.datagram = lambda p, r, zone, tcp, sign=sign: sign(Signer(r.wire), message(r, added(zone)))
        before = daemon.counter("zones", "ixfr_udp"), len(primary.transfers)
        notify(net, serial)
        net.wait_serial(ZONE, serial)
        assert daemon.counter("zones", "ixfr_udp") == before[0] + fits, serial
        assert len(primary.transfers) == before[1] + (not fits), serial
    assert daemon.zone(ZONE)["last_transfer_type"] == "IXFR" and daemon.zone(ZONE)["ixfr_fallbacks"] == 0
    assert not primary.errors, primary.errors


def test_a_forged_soa_answer_before_the_signed_one_is_passed_over(net):
    primary, daemon = begin(net)
    primary.zone(ZONE, 2)
    primary.probe_once = lambda p, request, zone, tcp: [
        message(request, [soa(ZONE, 9)]), message(request, rcode=9), primary._soa(p, request, zone, tcp)]
    net.ctl("zone", "refresh", ZONE)
    net.wait_serial(ZONE, 2)
    assert daemon.zone(ZONE)["primary_serial"] == 2


def test_notify_has_to_be_signed_by_the_key_of_the_primary(net):
    primary, daemon = begin(net, keys=[{"name": KEY, "file": key_file(net)},
                                       {"name": OTHER, "file": key_file(net, OTHER, OTHER_SECRET)}])
    primary.zone(ZONE, 2)
    probes = len(primary.probes)
    refused = [
        ("not signed", dict(sign=False), None),
        ("a key nobody knows", dict(name="unknown.key."), 17),
        ("the wrong secret", dict(secret=OTHER_SECRET), 16),
        ("an hour ago", dict(when=time.time() - 3600), 18),
        ("another key of ours", dict(name=OTHER, secret=OTHER_SECRET), 0),
    ]
    for cnt, (name, how, error) in enumerate(refused, 1):
        _, reply = notify(net, 2, **how)
        assert rcode(reply) == dns.rcode.NOTAUTH and reply[2] & 0x80, (name, reply.hex())
        tsig = tsig_of(reply)
        assert (tsig is None) if error is None else (tsig is not None and tsig.error == error), (name, tsig)
        assert daemon.zone(ZONE)["notifies_refused"] == cnt, name
    # A stranger is not told what is known here, whatever it signs with.
    _, reply = notify(net, 2, source=lab.STRANGER)
    assert rcode(reply) == dns.rcode.REFUSED and tsig_of(reply) is None
    time.sleep(0.3)
    assert len(primary.probes) == probes and daemon.zone(ZONE)["serial"] == 1
    assert daemon.counter("zones", "notify_unsigned") == len(refused)
    daemon.wait_log(r"notify-refused zone=example\. .*key=unknown\.key\. reason=.*BADKEY")
    signed, reply = notify(net, 2)
    assert rcode(reply) == dns.rcode.NOERROR, reply.hex()
    net.wait_serial(ZONE, 2)
    # The response is signed by the same key, over the MAC of the request.
    request_mac = tsig_of(signed).mac
    keyring = {dns.name.from_text(KEY): dns.tsig.Key(KEY, SECRET, ALGORITHM)}
    m = dns.message.from_wire(reply, keyring=keyring, request_mac=request_mac)
    assert m.had_tsig and m.flags & dns.flags.AA and m.opcode() == dns.opcode.NOTIFY


def test_a_primary_without_a_key_may_sign_its_notify(net):
    primary = ScriptedPrimary(net)
    primary.zone(ZONE, 1)
    net.lockstepd(change={"keys": [{"name": KEY, "file": key_file(net)}], "zones": [{"name": ZONE, "primaries": ["first"]}]})
    net.wait_serial(ZONE, 1)
    primary.zone(ZONE, 2)
    signed, reply = notify(net, 2)
    assert rcode(reply) == dns.rcode.NOERROR and tsig_of(reply) is not None
    net.wait_serial(ZONE, 2)
    _, reply = notify(net, 3, name="unknown.key.")
    assert rcode(reply) == dns.rcode.NOTAUTH and tsig_of(reply).error == 17


def test_secrets_need_a_file_that_others_cannot_read(net):
    inline = {**with_key(net), "keys": [{"name": KEY, "algorithm": ALGORITHM, "secret": SECRET}]}
    primary = SigningPrimary(net)
    primary.transfer = good
    primary.zone(ZONE, 1)
    daemon = net.lockstepd(change=inline, start=False)
    daemon.config_file.chmod(0o644)
    try:
        daemon.start()
        raise RuntimeError("it started with a secret that all may read")
    except AssertionError as e:
        assert "others may read this file" in str(e) and SECRET not in str(e), e
    daemon.config_file.chmod(0o600)
    daemon = daemon.start()
    net.wait_serial(ZONE, 1)
    daemon.stop()
    Path(key_file(net)).chmod(0o644)
    daemon = net.lockstepd(change=with_key(net) | {"keys": [{"name": KEY, "file": key_file(net, mode=0o644)}]}, start=False)
    try:
        daemon.start()
        raise RuntimeError("it started with a key file that all may read")
    except AssertionError as e:
        assert "others may read" in str(e), e


def test_a_new_secret_is_read_while_it_runs_and_a_bad_file_changes_nothing(net):
    primary = start_primary(net, "knotd", {ZONE: lab.zone_text(ZONE, 1)})
    daemon = net.lockstepd(change=with_key(net))
    net.wait_serial(ZONE, 1)
    file = Path(key_file(net, secret=OTHER_SECRET, mode=0o644))
    refused = daemon.ctl_raw("key", "reload")
    assert refused.returncode == 1 and str(file) in refused.stderr and "others may read" in refused.stderr, refused
    file.write_text("key \n")
    file.chmod(0o600)
    refused = daemon.ctl_raw("key", "reload")
    assert refused.returncode == 1 and f"{file}:" in refused.stderr, refused
    file.unlink()
    refused = daemon.ctl_raw("key", "reload")
    assert refused.returncode == 1 and str(file) in refused.stderr, refused
    # The secret that was read at start is used on.
    primary.update(ZONE, lab.zone_text(ZONE, 2))
    net.wait_serial(ZONE, 2)
    primary.change_secret(OTHER_SECRET)
    refused = daemon.ctl_raw("zone", "refresh", ZONE)
    assert refused.returncode != 0, refused
    key_file(net, secret=OTHER_SECRET)
    assert daemon.ctl("key", "reload")["keys"] == 1
    net.ctl("zone", "refresh", ZONE)
    notifies = daemon.zone(ZONE)["notifies"]
    primary.update(ZONE, lab.zone_text(ZONE, 3))
    net.wait_serial(ZONE, 3)
    lab.wait_until(lambda: daemon.zone(ZONE)["notifies"] > notifies, 10, "a NOTIFY signed with the new secret")
    assert "keys-reloaded keys=1" in daemon.log()
    assert SECRET not in daemon.log() and OTHER_SECRET not in daemon.log()


def ask_signed(net, name, rdtype, key=KEY, secret=SECRET, rdclass="IN", **how):
    """A signed question; the response, verified. dns.tsig.PeerError: the error in its TSIG."""
    query = dns.message.make_query(name, rdtype, rdclass, use_edns=0, payload=1232)
    query.use_tsig(dns.tsigkeyring.from_text({key: (ALGORITHM, secret)}), dns.name.from_text(key))
    reply = dns.message.from_wire(net.exchange(query.to_wire(), **how), keyring=query.keyring, request_mac=query.mac)
    assert reply.had_tsig, reply
    return reply


def test_every_signed_question_is_answered_signed_on_every_way(net):
    primary, daemon = begin(net, server={"version": "of ours"})
    assert not primary.errors, primary.errors
    for name, rdtype, rdclass in ((f"h1.{ZONE}", "A", "IN"), (f"nosuch.{ZONE}", "A", "IN"), (ZONE, "NS", "IN"),
                                  (ZONE, "ANY", "IN"), ("elsewhere.", "A", "IN"), ("version.bind.", "TXT", "CH"),
                                  (ZONE, "AXFR", "IN")):
        ways = [ask_signed(net, name, rdtype, rdclass=rdclass, **how) for how in (
            {}, {"source": lab.STRANGER}, {"ns": "sec"})]  # a worker's, and one that the kernel has
        unsigned = net.dig(name, rdtype, rdclass=rdclass, edns=0)
        if rdtype not in ("ANY", "AXFR"):
            ways.append(ask_signed(net, name, rdtype, rdclass=rdclass, tcp=True))
        for reply in ways:
            assert lab.sections(reply) == lab.sections(unsigned), (name, rdtype, reply, unsigned)
    for key, secret, error in ((KEY, OTHER_SECRET, dns.tsig.PeerBadSignature), (OTHER, OTHER_SECRET, dns.tsig.PeerBadKey)):
        for how in ({}, {"ns": "sec"}, {"tcp": True}):
            try:
                ask_signed(net, f"h1.{ZONE}", "A", key, secret, **how)
            except error:
                continue
            raise AssertionError(f"{error} was expected: {how}")
    assert daemon.counter("net", "signed_requests") >= 16


def test_signed_answers_fit_what_the_client_takes_and_have_its_opt(net):
    primary, _ = begin(net)
    zone = primary.zone(ZONE, 2)
    for octets in (430, 520, 900, 1170):
        # Beside it are 55 octets of question and record, and 11 of OPT; a signature takes some 90.
        zone.records.append(Record(f"t{octets}.{ZONE}", TXT, b"".join(
            bytes([len(s)]) + s for s in (b"x" * min(255, octets - i - 1) for i in range(0, octets, 256)))))
    notify(net, 2)
    net.wait_serial(ZONE, 2)
    for octets, payload, limit, whole_answer in ((430, None, 512, False), (430, 512, 512, False), (430, 600, 600, True),
                                                 (520, 600, 600, False), (900, 1232, 1232, True), (1170, 1232, 1232, False),
                                                 (1170, 4096, 1232, False), (430, 50, 512, False)):
        for want_do in (False, True) if payload is not None else (False,):
            query = dns.message.make_query(f"t{octets}.{ZONE}", "TXT", use_edns=payload and 0, payload=payload,
                                           want_dnssec=want_do)
            query.use_tsig({dns.name.from_text(KEY): dns.tsig.Key(KEY, SECRET, ALGORITHM)}, dns.name.from_text(KEY))
            for how in ({}, {"ns": "sec"}):
                wire = net.exchange(query.to_wire(), **how)
                reply = dns.message.from_wire(wire, keyring=query.keyring, request_mac=query.mac)
                assert reply.had_tsig and reply.rcode() == dns.rcode.NOERROR, reply
                assert len(wire) <= limit, (octets, payload, len(wire))
                assert bool(reply.answer) == whole_answer == (not reply.flags & dns.flags.TC), (octets, payload, len(wire))
                check_opt(reply, payload is not None, want_do)
    for payload in (None, 1232):
        for key, secret in ((KEY, OTHER_SECRET), (OTHER, OTHER_SECRET)):
            query = dns.message.make_query(f"t430.{ZONE}", "TXT", use_edns=payload and 0, payload=payload)
            query.use_tsig({dns.name.from_text(key): dns.tsig.Key(key, secret, ALGORITHM)}, dns.name.from_text(key))
            wire = net.exchange(query.to_wire())
            assert rcode(wire) == dns.rcode.NOTAUTH and tsig_of(wire).error in (16, 17)
            check_opt(dns.message.from_wire(without_tsig(wire)), payload is not None, False)


def without_tsig(wire):
    """The message without the record at its end, which is a TSIG of an error."""
    at = len(wire) - next(n for n in range(1, len(wire)) if wire[-n:].startswith(dns.name.from_text(KEY).to_wire()) or
                          wire[-n:].startswith(dns.name.from_text(OTHER).to_wire()))
    return wire[:10] + struct.pack("!H", struct.unpack("!H", wire[10:12])[0] - 1) + wire[12:at]


def check_opt(reply, wanted, want_do):
    assert (reply.edns == 0) == wanted, reply
    if wanted:
        assert reply.payload == 1232 and bool(reply.ednsflags & dns.flags.DO) == want_do, reply


if __name__ == "__main__":
    lab.main()
