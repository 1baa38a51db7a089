#!/usr/bin/python3
"""Differences instead of whole zones (RFC 1995): knotd, nsd and named as primaries, the state after every change
against the primary's own AXFR; and a primary that does everything wrong, where the whole zone has to follow at once."""

import os
import re
import socket
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from changes import Changes
from lab_wire import soa_serial
from primary import (A, AA, FORMERR, IXFR, NOTIMP, QR, REFUSED, SERVFAIL, SOA, TC, Record, ScriptedPrimary, answer_with,
                     framed, message, silent, soa, whole)

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.zone

ZONE = "example."
QUICK = "LOCKSTEP_QUICK" in os.environ
DELTAS, SIGNED_DELTAS = (40, 10) if QUICK else (200, 30)


# --- what servers have ---

def start_primary(net, kind, zones, notify):
    return lab.CHANGING[kind](net, zones, [lab.PRIMARY, lab.PRIMARY6], notify, [lab.SECONDARY]).start()


def records_of(zone):
    """A dns.zone.Zone as a set of lines."""
    return {f"{name} {ttl} {dns.rdatatype.to_text(rdata.rdtype)} {rdata.to_text()}".lower()
            for name, ttl, rdata in zone.iterate_rdatas()}


def axfr(net, zone):
    """What the primary has."""
    found = []
    with net.tcp(server=lab.PRIMARY) as s:
        query = dns.message.make_query(zone, "AXFR")
        wire = query.to_wire()
        s.sendall(struct.pack("!H", len(wire)) + wire)
        soas = 0
        while soas < 2:
            reply = dns.message.from_wire(lab.read_framed(s), one_rr_per_rrset=True)
            assert reply.rcode() == 0, reply
            for rrset in reply.answer:
                soas += rrset.rdtype == dns.rdatatype.SOA
                if soas < 2:
                    found.append((rrset.name, rrset.ttl, rrset[0]))
    return {f"{name} {ttl} {dns.rdatatype.to_text(r.rdtype)} {r.to_text()}".lower() for name, ttl, r in found}


def dump(daemon, zone):
    """What lockstepd has."""
    done = daemon.ctl_raw("zone", "dump", zone)
    assert done.returncode == 0, done.stderr
    return records_of(dns.zone.from_text(done.stdout, origin=zone, relativize=False, check_origin=False))


def answer_of(net, name, rdtype, server):
    r = net.dig(name, rdtype, server=server, edns=0)
    assert not r.flags & dns.flags.TC, r
    sets = [sorted(f"{s.name} {s.ttl} {rdata}".lower() for s in section for rdata in s)
            for section in (r.answer, r.authority)]
    return r.rcode(), bool(r.flags & dns.flags.AA), sets


# --- random changes that leave a valid zone ---

@lab.timeout(400)
@lab.each(kind=["knotd", "named-update"])
def test_the_state_after_every_difference_is_that_of_the_whole_zone(net, kind):
    primary = start_primary(net, kind, {ZONE: lab.zone_text(ZONE, 4294967200)}, notify=False)
    daemon = net.lockstepd([ZONE])
    net.wait_serial(ZONE, 4294967200)
    assert daemon.zone(ZONE)["last_transfer_type"] == "AXFR"
    changes = Changes(ZONE, 7)
    done = several = 0
    while done < DELTAS:
        cnt = changes.pick.choice([1, 1, 1, 2, 5])
        before = daemon.zone(ZONE)
        names = {n for _ in range(cnt) for n in changes.send(net, changes.pick.choice([1, 1, 2, 8]))}
        serial = primary.serial(ZONE)
        if serial == before["serial"]:
            continue  # what came was gone again
        net.notify(ZONE, serial, source=lab.PRIMARY)
        net.wait_serial(ZONE, serial)
        status = daemon.zone(ZONE)
        done += status["last_transfer_deltas"]
        several += status["last_transfer_deltas"] > 1
        assert status["serial"] == serial and status["last_transfer_type"] == "IXFR", status
        assert status["last_transfer_added"] + status["last_transfer_removed"] > 0, status
        theirs, ours = axfr(net, ZONE), dump(daemon, ZONE)
        assert theirs == ours, f"serial {serial}: only there {theirs - ours}, only here {ours - theirs}"
        for name in (*sorted(names), f"nothing.here.{ZONE}", f"deep.er.{ZONE}", f"x.w.{ZONE}", f"x.cut.{ZONE}"):
            for rdtype in ("A", "TXT", "CNAME"):
                theirs, ours = (answer_of(net, name, rdtype, s) for s in (lab.PRIMARY, lab.SECONDARY))
                assert theirs == ours, f"serial {serial}, {name} {rdtype}:\n{theirs}\n{ours}"
    status = daemon.zone(ZONE)
    assert several > 0 and status["ixfr_fallbacks"] == 0 and status["transfers_failed"] == 0, status
    assert daemon.counter("zones", "ixfr_ok") == status["transfers_ok"] - 1
    daemon.wait_log(r"transfer-start zone=example\. .*type=IXFR")
    daemon.wait_log(r"transfer-done zone=example\. .*type=IXFR serial=\d+ old_serial=\d+ deltas=[2-9] removed=\d+ added=\d+")
    # Over the wrap of serials, and a whole zone from the same primary is the same.
    ours = dump(daemon, ZONE)
    net.ctl("zone", "retransfer", ZONE)
    status = daemon.zone(ZONE)
    assert status["last_transfer_type"] == "AXFR" and status["last_transfer_deltas"] == 0, status
    assert dump(daemon, ZONE) == ours


def answers_with_proofs(net, names):
    """All answers about these names and about a name below each that is not there; compression and order included."""
    found = {}
    with net.udp() as s:
        for name in (n for base in sorted(names) for n in (base, f"not.{base}")):
            for rdtype in ("A", "AAAA", "NS", "MX", "TXT", "CNAME", "DS", "DNSKEY", "SOA", "NSEC", "NSEC3PARAM", "TYPE65300"):
                query = dns.message.make_query(name, rdtype, want_dnssec=True, payload=4096)
                query.id = 0
                found[name, rdtype] = lab.exchange_on(s, query.to_wire())
    return found


@lab.timeout(400)
@lab.each(kind=["knotd-nsec", "knotd-nsec3"])
def test_the_state_after_every_difference_of_a_signing_primary_is_that_of_its_zone(net, kind):
    primary = start_primary(net, kind, {ZONE: lab.zone_text(ZONE, 1)}, notify=False)
    daemon = net.lockstepd([ZONE], change={"server": {"udp-payload": 4096}})
    net.wait_serial(ZONE, primary.serial(ZONE))
    changes = Changes(ZONE, 11)
    names, done = {ZONE, f"www.{ZONE}", f"deep.er.{ZONE}", f"er.{ZONE}", f"cut.{ZONE}", f"w.{ZONE}"}, 0
    while done < SIGNED_DELTAS:
        before = primary.serial(ZONE)
        names.update(changes.send(net, changes.pick.choice([1, 1, 2, 8])))
        serial = primary.serial(ZONE)
        if serial == before:
            continue
        net.notify(ZONE, serial, source=lab.PRIMARY)
        net.wait_serial(ZONE, serial)
        status = daemon.zone(ZONE)
        done += 1
        assert status["last_transfer_type"] == "IXFR" and status["ixfr_fallbacks"] == 0, status
        theirs, ours = axfr(net, ZONE), dump(daemon, ZONE)
        assert theirs == ours, f"serial {serial}: only there {theirs - ours}, only here {ours - theirs}"
        if done % 10 == 0:
            # The whole zone instead of the differences: not an octet of any answer is another.
            after_ixfr = answers_with_proofs(net, names)
            daemon.ctl("zone", "retransfer", ZONE)
            assert daemon.zone(ZONE)["last_transfer_type"] == "AXFR"
            for (name, rdtype), wire in answers_with_proofs(net, names).items():
                assert after_ixfr[name, rdtype] == wire, f"serial {serial}, {name} {rdtype}"
    chain = "NSEC3" if kind == "knotd-nsec3" else "NSEC"
    assert any(f" {chain.lower()} " in line for line in ours)


@lab.each(kind=["knotd", "named", "nsd"])
def test_a_change_that_is_notified_comes_as_a_difference(net, kind):
    # Large enough that no primary thinks a whole zone would be shorter.
    primary = start_primary(net, kind, {ZONE: lab.zone_text(ZONE, 1, hosts=1000)}, notify=True)
    daemon = net.lockstepd([ZONE])
    net.wait_serial(ZONE, 1)
    for serial in (2, 3, 4):
        extra = [f"new{serial} IN A 192.0.2.{serial}", "set IN TXT a", f"set IN TXT b{serial}"]
        primary.update(ZONE, lab.zone_text(ZONE, serial, hosts=1000, extra=extra))
        net.wait_serial(ZONE, serial)
        status = daemon.zone(ZONE)
        assert status["last_transfer_type"] == "IXFR" and status["last_transfer_deltas"] == 1, status
        assert status["last_transfer_octets"] < 2000, status
        assert net.dig(f"new{serial}.{ZONE}").answer[0][0].address == f"192.0.2.{serial}"
        assert net.dig(f"new{serial - 1}.{ZONE}").rcode() == dns.rcode.NXDOMAIN
        assert axfr(net, ZONE) == dump(daemon, ZONE)
    assert daemon.zone(ZONE)["ixfr_fallbacks"] == 0


# --- a scripted primary: version 2 differs from 1 in -h0, +new0, 3 from 2 in -h1, +new1, and so on ---

def host(i, name="h"):
    return Record(f"{name}{i}.{ZONE}", A, bytes([198, 18, 0, i]))


def version(primary, serial, hosts=10):
    zone = primary.zone(ZONE, serial, hosts)
    gone = {f"h{i}.{ZONE}" for i in range(serial - 1)}
    zone.records = [r for r in zone.records if r.owner not in gone] + [host(i, "new") for i in range(serial - 1)]
    return zone


def difference(old):
    """From `old` to the next version: SOA, what goes, SOA, what comes."""
    return [soa(ZONE, old), host(old - 1), soa(ZONE, old + 1), host(old - 1, "new")]


def differences(old, new):
    return [soa(ZONE, new), *(r for i in range(old, new) for r in difference(i)), soa(ZONE, new)]


def by_ixfr(make, per=1000):
    """IXFR is answered with make(session)'s records, `per` in a message; AXFR as it should be."""
    def respond(s):
        if s.request.type == IXFR:
            s.send(s.stream(records=make(s), per_message=per))
        else:
            whole(s)
    return respond


def begin(net, change=None):
    primary = ScriptedPrimary(net)
    version(primary, 1)
    daemon = net.lockstepd([ZONE], change=change)
    net.wait_serial(ZONE, 1)
    return primary, daemon


def complete(net, serial):
    """The version, to its last name."""
    assert soa_serial(net.dig(ZONE, "SOA")) == serial
    for i in range(serial - 1):
        assert net.dig(f"h{i}.{ZONE}").rcode() == dns.rcode.NXDOMAIN, i
        assert net.dig(f"new{i}.{ZONE}").answer, i
    assert net.dig(f"h9.{ZONE}").answer


def kinds(primary, since=0):
    return [{IXFR: "IXFR", 252: "AXFR"}[r.type] for _, r in primary.transfers[since:]]


def test_differences_in_every_form_are_applied(net):
    primary, daemon = begin(net)
    forms = {
        "one message": by_ixfr(lambda s: differences(s.zone.serial - 1, s.zone.serial)),
        "one record per message": by_ixfr(lambda s: differences(s.zone.serial - 1, s.zone.serial), per=1),
        "only additions": None,
        "AXFR-style": whole,
        "AXFR-style, one record per message": lambda s: s.send(s.stream(per_message=1)),
    }
    serial = 1
    for name, form in forms.items():
        serial += 1
        version(primary, serial)
        if form is None:
            form = by_ixfr(lambda s: [s.zone.soa(), soa(ZONE, s.zone.serial - 1), s.zone.soa(),
                                      host(s.zone.serial - 2, "new"), s.zone.soa()])
        primary.transfer = form
        primary.notify(ZONE)
        net.wait_serial(ZONE, serial)
        expected = "AXFR" if name.startswith("AXFR") else "IXFR"
        status = daemon.zone(ZONE)
        assert status["last_transfer_type"] == expected, (name, status)
        assert status["ixfr_fallbacks"] == 0, (name, status)
    # Several differences in one answer.
    version(primary, 9)
    primary.transfer = by_ixfr(lambda s: differences(6, 9), per=3)
    primary.notify(ZONE)
    net.wait_serial(ZONE, 9)
    complete(net, 9)
    status = daemon.zone(ZONE)
    assert (status["last_transfer_deltas"], status["last_transfer_removed"], status["last_transfer_added"]) == (3, 3, 3)
    assert kinds(primary) == ["AXFR", "IXFR", "IXFR", "IXFR", "IXFR", "IXFR", "IXFR"]


def one(s):
    return differences(s.zone.serial - 1, s.zone.serial)


def older(s):
    """Two differences, of which the first begins before the version that was asked from."""
    n = s.zone.serial
    return [soa(ZONE, n), *difference(n - 2), *difference(n - 1), soa(ZONE, n)]


def without(at):
    return lambda s: [r for i, r in enumerate(one(s)) if i != at]


def refusal(rcode, **kw):
    def respond(s):
        if s.request.type == IXFR:
            s.send(framed(message(s.request, rcode=rcode, **kw)))
        else:
            whole(s)
    return respond


def cut(octets=None, messages=None):
    def respond(s):
        if s.request.type != IXFR:
            whole(s)
        elif octets is not None:
            s.send(s.stream(records=one(s), per_message=1)[:octets])
        else:
            s.send(b"".join(framed(m) for m in s.messages(records=one(s), per_message=1)[:messages]))
    return respond


def wrong_end(s):
    return [*one(s)[:-1], soa(ZONE, s.zone.serial, minimum=1)]


def other_soa_inside(s):
    """The SOA that would be served is not the one that was announced."""
    old, gone, new, come = difference(s.zone.serial - 1)
    return [s.zone.soa(), old, gone, soa(ZONE, s.zone.serial, refresh=77), come, s.zone.soa()]


FAULTS = {
    "FORMERR": (refusal(FORMERR), "the primary answered FORMERR"),
    "FORMERR without question": (refusal(FORMERR, question=False), "the primary answered FORMERR"),
    "NOTIMP": (refusal(NOTIMP), "the primary answered NOTIMP"),
    "REFUSED": (refusal(REFUSED), "the primary answered REFUSED"),
    "SERVFAIL": (refusal(SERVFAIL), "the primary answered SERVFAIL"),
    "empty answer": (by_ixfr(lambda s: [], per=1), None),
    "delete of what is not there": (by_ixfr(lambda s: [*one(s)[:2], host(200), *one(s)[3:]]), "h200.example. A"),
    "delete of other data": (by_ixfr(lambda s: [*one(s)[:2], Record(one(s)[2].owner, A, bytes(4)), *one(s)[3:]]),
                             r"h\d+.example. A"),
    "add of what is there": (by_ixfr(lambda s: [*one(s)[:4], host(9), *one(s)[4:]]), "h9.example. A"),
    "a gap": (by_ixfr(lambda s: [soa(ZONE, s.zone.serial + 5), *difference(s.zone.serial - 1),
                                 *difference(s.zone.serial + 4), soa(ZONE, s.zone.serial + 5)]),
              "does not begin where"),
    "differences from an older version": (by_ixfr(older), "does not begin where"),
    "differences out of order": (by_ixfr(lambda s: [soa(ZONE, s.zone.serial + 1), *difference(s.zone.serial),
                                                    *difference(s.zone.serial - 1), soa(ZONE, s.zone.serial + 1)]),
                                 "does not begin where"),
    "the old SOA is left out": (by_ixfr(without(1)), None),
    "the new SOA is left out": (by_ixfr(without(3)), None),
    "the closing SOA is left out": (by_ixfr(without(5)), "the stream ended"),
    "another closing SOA": (by_ixfr(wrong_end), "SOA that ends"),
    "another SOA inside": (by_ixfr(other_soa_inside), "SOA that ends"),
    "a record behind the end": (by_ixfr(lambda s: [*one(s), host(100)]), "behind the SOA"),
    "a SOA that is not the zone's": (by_ixfr(lambda s: [*one(s)[:4], soa(ZONE, 9, owner=f"sub.{ZONE}"), *one(s)[4:]]),
                                     "not the zone's"),
    "short record data": (by_ixfr(lambda s: [*one(s)[:4], Record(f"x.{ZONE}", A, b"\1"), *one(s)[4:]]), "record data"),
    "the zone without NS": (by_ixfr(lambda s: [*one(s)[:2], s.zone.records[0], *one(s)[2:]]), "NS"),
    "CNAME beside other data": (by_ixfr(lambda s: [*one(s)[:4], Record(f"h9.{ZONE}", 5, s.zone.records[0].rdata),
                                                   *one(s)[4:]]), "(?i)CNAME"),
    "a single newer SOA, then the end": (by_ixfr(lambda s: [s.zone.soa()]), "the stream ended"),
    "cut inside the length": (cut(octets=1), "the stream ended"),
    "cut in the middle": (cut(octets=100), "the stream ended"),
    **{f"cut after {n} of 6 messages": (cut(messages=n), "the stream ended") for n in range(6)},
}


REFUSALS = {"FORMERR", "FORMERR without question", "NOTIMP", "REFUSED", "empty answer"}


@lab.timeout(300)
def test_whatever_is_wrong_with_differences_the_whole_zone_follows_at_once(net):
    primary, daemon = begin(net)
    old_meanwhile = []

    def watched(fault):
        """Looks at what is served when the AXFR is asked for."""
        def respond(s):
            if s.request.type != IXFR:
                old_meanwhile.append(soa_serial(net.dig(ZONE, "SOA")))
            fault(s)
        return respond
    serial, wrong = 1, []
    for name, (fault, reason) in FAULTS.items():
        serial = serial % 4 + 1
        if serial == 1:
            # Begin again with the small names: a forced AXFR takes any version.
            version(primary, 1)
            primary.transfer = whole
            net.ctl("zone", "retransfer", ZONE)
            serial = 2
        version(primary, serial)
        before, since = daemon.zone(ZONE), len(primary.transfers)
        old_meanwhile.clear()
        primary.transfer = watched(fault)
        primary.notify(ZONE)
        try:
            net.wait_serial(ZONE, serial, timeout=5)
            complete(net, serial)
            status = daemon.zone(ZONE)
            assert kinds(primary, since) == ["IXFR", "AXFR"], kinds(primary, since)
            assert status["last_transfer_type"] == "AXFR" and status["last_error"] == "", status
            assert status["ixfr_fallbacks"] == before["ixfr_fallbacks"] + 1, status
            assert status["transfers_failed"] == before["transfers_failed"], status
            assert old_meanwhile == [serial - 1], old_meanwhile
            if reason:
                last = re.findall(r"ixfr-failed .*", daemon.log())[-1]
                assert re.search(reason, last) and "next=AXFR" in last, f"{last!r} is not like {reason!r}"
        except AssertionError as e:
            wrong.append(f"{name}: {e}")
        if name in REFUSALS:
            # What refuses IXFR is remembered; only a new process forgets.
            daemon.stop()
            daemon = net.lockstepd([ZONE])
            net.wait_serial(ZONE, serial)
            primary.transfer = whole
    assert not wrong, "\n".join(wrong)
    assert not primary.errors, primary.errors


# --- over UDP (RFC 1995 2) ---

UDP = {"primaries": [{"name": "first", "address": lab.PRIMARY, "ixfr-udp": True}]}


def by_datagram(make=lambda z: differences(z.serial - 1, z.serial), **change):
    return answer_with(records=make, **change)


def from_a_stranger(primary, request, zone, tcp):
    """Right in every respect, and from another address; from the right one with another id."""
    right = by_datagram()(primary, request, zone, tcp)
    with primary.lab.socket(socket.AF_INET, socket.SOCK_DGRAM, primary.ns) as s:
        s.bind((lab.STRANGER, 53))
        s.sendto(right, primary.client)
    return bytes([right[0] ^ 1]) + right[1:]


def with_another_question(primary, request, zone, tcp):
    asked = request.question.replace(b"\x07example", b"\x07exampel")
    return message(request, differences(zone.serial - 1, zone.serial), question=asked)


def behind_one_of_another_id(primary, request, zone, tcp):
    right = by_datagram()(primary, request, zone, tcp)
    return [bytes([right[0] ^ 1]) + right[1:], right]


COMPLETE = {
    "the differences": by_datagram(),
    "the whole zone": by_datagram(lambda z: [z.soa(), *z.records, z.soa()]),
    "the differences behind a message of another id": behind_one_of_another_id,
}
NOT_COMPLETE = {
    "a single newer SOA": (by_datagram(lambda z: [z.soa()]), "a single newer SOA"),
    "no closing SOA": (by_datagram(lambda z: differences(z.serial - 1, z.serial)[:-1]), "the stream ended"),
    "TC": (by_datagram(flags=QR | AA | TC), "TC"),
    "a query": (by_datagram(flags=AA), "not a response|QR"),
    "another question": (with_another_question, "question"),
    "no question": (by_datagram(question=False), "question"),
    "no record": (by_datagram(lambda z: []), "no record"),
    "SERVFAIL": (by_datagram(lambda z: [], rcode=SERVFAIL), "SERVFAIL"),
    "NOTIMP": (by_datagram(lambda z: [], rcode=NOTIMP), "NOTIMP"),
    "octets behind the records": (by_datagram(tail=b"\0\0"), "malformed"),
    "cut in a record": (lambda *a: by_datagram()(*a)[:-7], "malformed"),
    "delete of what is not there": (by_datagram(lambda z: [*differences(z.serial - 1, z.serial)[:2], host(200),
                                                           *differences(z.serial - 1, z.serial)[3:]]), "h200"),
    "a gap": (by_datagram(lambda z: [z.soa(), *difference(z.serial + 7), z.soa()]), "does not begin where"),
    "nobody but a stranger, and another id": (from_a_stranger, "no answer"),
}


@lab.timeout(120)
def test_a_datagram_is_used_if_it_is_all_and_right_and_otherwise_tcp_is_asked(net):
    primary, daemon = begin(net, UDP)
    primary.transfer = by_ixfr(one)
    serial = 1
    for name, (datagram, reason) in {**{k: (v, None) for k, v in COMPLETE.items()}, **NOT_COMPLETE}.items():
        serial = serial % 4 + 1
        if serial == 1:
            # Begin again with the small names: a forced AXFR takes any version.
            version(primary, 1)
            primary.transfer = whole
            net.ctl("zone", "retransfer", ZONE)
            primary.transfer = by_ixfr(one)
            serial = 2
        version(primary, serial)
        primary.datagram = datagram
        before, since, asked = daemon.zone(ZONE), len(primary.transfers), len(primary.datagrams)
        primary.notify(ZONE)
        net.wait_serial(ZONE, serial, timeout=10)
        complete(net, serial)
        assert len(primary.datagrams) == asked + 1, name
        assert kinds(primary, since) == ([] if reason is None else ["IXFR"]), (name, kinds(primary, since))
        status = daemon.zone(ZONE)
        assert (status["ixfr_fallbacks"], status["transfers_failed"]) == (before["ixfr_fallbacks"], 0), (name, status)
        if reason:
            last = re.findall(r"ixfr-udp-failed .*", daemon.log())[-1]
            assert re.search(reason, last) and "next=TCP" in last, f"{name}: {last!r} is not like {reason!r}"
    assert daemon.counter("zones", "ixfr_udp") == len(COMPLETE), daemon.ctl("stats")["zones"]
    assert daemon.counter("zones", "ixfr_udp_failed") == len(NOT_COMPLETE), daemon.ctl("stats")["zones"]
    assert not primary.errors, primary.errors


def test_nothing_newer_is_said_in_a_datagram(net):
    primary, daemon = begin(net, UDP)
    version(primary, 2)
    primary.datagram = by_datagram(lambda z: [soa(ZONE, 1)])
    primary.notify(ZONE)
    lab.wait_until(lambda: primary.datagrams and daemon.zone(ZONE)["state"] == "current", 10, "the round has ended")
    assert kinds(primary) == ["AXFR"] and daemon.counter("zones", "ixfr_udp") == 1
    complete(net, 1)


@lab.each(kind=["nsd", "named"])
def test_real_primaries_are_asked_over_udp_first(net, kind):
    """nsd answers in a datagram what fits; named, and knotd too, always sends back to TCP."""
    primary = start_primary(net, kind, {ZONE: lab.zone_text(ZONE, 1, hosts=300)}, notify=False)
    daemon = net.lockstepd([ZONE], change=UDP)
    net.wait_serial(ZONE, 1)
    for serial, hosts in ((2, 301), (3, 302), (4, 500)):
        primary.update(ZONE, lab.zone_text(ZONE, serial, hosts=hosts))
        net.notify(ZONE, serial, source=lab.PRIMARY)
        net.wait_serial(ZONE, serial)
        assert axfr(net, ZONE) == dump(daemon, ZONE)
    fit = 2 if kind == "nsd" else 0
    assert daemon.counter("zones", "ixfr_udp") == fit and daemon.counter("zones", "ixfr_udp_failed") == 3 - fit
    daemon.wait_log("ixfr-udp-failed .*next=TCP")
    assert daemon.zone(ZONE)["last_transfer_type"] == "IXFR" and daemon.zone(ZONE)["ixfr_fallbacks"] == 0


def follow(net, primary, versions):
    """(serial, what the primary does when asked for a transfer, what is asked for then) of versions, one after the other."""
    for serial, fault, asked in versions:
        since = len(primary.transfers)
        version(primary, serial)
        primary.transfer = fault
        primary.notify(ZONE)
        net.wait_serial(ZONE, serial)
        assert kinds(primary, since) == asked, (serial, kinds(primary, since))


def test_a_primary_that_refuses_ixfr_is_not_asked_again_for_a_while(net):
    primary, daemon = begin(net)
    follow(net, primary, ((2, refusal(NOTIMP), ["IXFR", "AXFR"]), (3, whole, ["AXFR"]), (4, whole, ["AXFR"])))
    assert daemon.zone(ZONE)["ixfr_fallbacks"] == 1


def test_servfail_is_not_remembered(net):
    primary, daemon = begin(net)
    follow(net, primary, ((2, refusal(SERVFAIL), ["IXFR", "AXFR"]), (3, by_ixfr(one), ["IXFR"])))
    complete(net, 3)
    assert daemon.zone(ZONE)["last_transfer_type"] == "IXFR"


def test_when_axfr_fails_too_the_old_version_stays_and_the_round_ends(net):
    primary, daemon = begin(net)
    version(primary, 2)
    primary.transfer = lambda s: s.send(framed(message(s.request, rcode=SERVFAIL)))
    primary.notify(ZONE, hint=False)
    status = lab.wait_until(lambda: (s := daemon.zone(ZONE))["transfers_failed"] == 1 and s, 10, "the round has failed")
    assert kinds(primary) == ["AXFR", "IXFR", "AXFR"], kinds(primary)
    assert status["serial"] == 1 and status["refresh_in"] > 500, status
    complete(net, 1)


def test_a_primary_configured_without_ixfr_is_never_asked_for_it(net):
    primary, daemon = begin(net, {"primaries": [{"name": "first", "address": lab.PRIMARY, "ixfr": False}]})
    version(primary, 2)
    primary.notify(ZONE)
    net.wait_serial(ZONE, 2)
    assert kinds(primary) == ["AXFR", "AXFR"]
    assert daemon.zone(ZONE)["ixfr_fallbacks"] == 0


def test_an_operators_retransfer_is_axfr(net):
    primary, daemon = begin(net)
    version(primary, 2)
    net.ctl("zone", "retransfer", ZONE)
    assert kinds(primary) == ["AXFR", "AXFR"]
    assert daemon.zone(ZONE)["last_transfer_type"] == "AXFR"


def test_a_single_soa_that_is_not_newer_is_up_to_date(net):
    primary, daemon = begin(net)
    # The SOA query tells of a version that the transfer's server does not have yet.
    version(primary, 2)
    primary.transfer = by_ixfr(lambda s: [soa(ZONE, 1)])
    primary.notify(ZONE)
    primary.wait_transfers(2)
    status = lab.wait_until(lambda: (s := daemon.zone(ZONE))["state"] == "current" and s, 10, "the round has ended")
    assert kinds(primary)[:2] == ["AXFR", "IXFR"] and status["serial"] == 1, status
    complete(net, 1)


def test_silence_after_an_ixfr_request_ends_by_the_idle_limit_and_axfr_follows(net):
    primary, daemon = begin(net, {"zones": [{"name": ZONE, "primaries": ["first"], "transfer-idle": "1s"}]})
    version(primary, 2)
    primary.transfer = lambda s: silent(s) if s.request.type == IXFR else whole(s)
    primary.notify(ZONE)
    net.wait_serial(ZONE, 2, timeout=5)
    complete(net, 2)
    daemon.wait_log(r"ixfr-failed .*transfer-idle")


if __name__ == "__main__":
    lab.main()
