#!/usr/bin/python3
"""A primary that is hostile, broken or unlucky: whatever it does, what is served stays whole, the log and the status
say what happened, and the next attempt works."""

import random
import re
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from lab_wire import soa_serial
from primary import (A, AA, CH, CNAME, FORMERR, IXFR, NOTAUTH, NOTIMP, NOTIFY, NS, NXDOMAIN, OPT, QR, REFUSED, SERVFAIL,
                     SOA, TC, TXT, Record, ScriptedPrimary, answer, answer_with, cut_after_messages, cut_after_octets,
                     dripping, endless, framed, in_segments, message, no_answer, per_message, random_octets, raw, records,
                     refused_with, reset_after_messages, silent, soa, stalled_after_messages, whole, wire_name,
                     with_messages)

import dns.exception
import dns.rcode

ZONE = "example."


def begin(net, serial=1, hosts=10, change=None, zone_keys=None, **timers):
    """A scripted primary and a lockstepd that has the zone from it, by AXFR: what goes wrong with IXFR is in test_ixfr."""
    change = {"primaries": [{"name": "first", "address": lab.PRIMARY, "ixfr": False}], **(change or {})}
    primary = ScriptedPrimary(net)
    primary.zone(ZONE, serial, hosts, **timers)
    daemon = net.lockstepd([{"name": ZONE, "primaries": ["first"], **(zone_keys or {})}], change=change)
    net.wait_serial(ZONE, serial)
    return primary, daemon


def serves(net, serial, hosts=10):
    """The zone is whole: its serial and its last name, both as in that version."""
    assert soa_serial(net.dig(ZONE, "SOA")) == serial
    reply = net.dig(f"h{hosts - 1}.{ZONE}")
    assert reply.rcode() == dns.rcode.NOERROR and reply.answer, reply


def failed_attempt(net, primary, daemon, fault, expect, serial, **notify):
    """One transfer of a newer version with the fault: refused with a reason like `expect`, the old one served."""
    old = serial - 1
    failures = daemon.zone(ZONE)["transfers_failed"]
    primary.zone(ZONE, serial)
    primary.transfer = fault
    primary.notify(ZONE, **notify)
    status = lab.wait_until(lambda: (s := daemon.zone(ZONE))["transfers_failed"] > failures and s, 15,
                            "the transfer has failed", pause=0.005)
    assert re.search(expect, status["last_error"]), f"{status['last_error']!r} is not like {expect!r}"
    assert status["serial"] == old and status["loaded"], status
    serves(net, old)


def good_attempt(net, primary, serial):
    primary.zone(ZONE, serial)
    primary.transfer = whole
    primary.notify(ZONE)
    net.wait_serial(ZONE, serial, timeout=5)
    serves(net, serial)


@lab.timeout(240)
def test_transfer_cut_at_every_message_boundary(net):
    primary, daemon = begin(net)
    serial = 1
    count = (10 + 2 + 2 + 1) // 2
    for cut in range(count):
        serial += 1
        failed_attempt(net, primary, daemon, cut_after_messages(cut),
                       rf"the stream ended before message {cut + 1}, after {2 * cut} records", serial)
        good_attempt(net, primary, serial)
    assert "transfer-failed zone=example. peer=10.53.0.1@53" in daemon.log()
    assert daemon.counter("zones", "transfers_failed") == count


@lab.timeout(240)
def test_transfer_cut_at_random_octets(net):
    primary, daemon = begin(net)
    stream_len = sum(2 + 12 + 13 + 30 for _ in range(7))
    pick = random.Random(1)
    serial = 1
    for cut in sorted({1, 2, 3, 13, *(pick.randrange(4, stream_len) for _ in range(30))}):
        serial += 1
        failed_attempt(net, primary, daemon, cut_after_octets(cut), r"the stream ended (inside|before) message", serial)
        good_attempt(net, primary, serial)
    assert "transfer-failed" in daemon.log()


def test_connection_reset_in_the_middle(net):
    primary, daemon = begin(net)
    failed_attempt(net, primary, daemon, reset_after_messages(3), "connection reset by peer, after 3 messages", 2)
    good_attempt(net, primary, 2)


def without_question(s, messages):
    return [messages[0], *(m[:4] + b"\0\0" + m[6:12] + m[12 + len(s.request.question):] for m in messages[1:])]


def test_every_way_to_send_it_gives_the_same_zone(net):
    primary, daemon = begin(net)
    ways = {
        "one octet per segment": in_segments(1),
        "seven octets per segment": in_segments(7),
        "with pauses": in_segments(100, delay=0.02),
        "one record per message": per_message(1),
        "all records in one message": per_message(1000),
        "question in the first message only": with_messages(without_question),
    }
    serial = 1
    for name, way in ways.items():
        serial += 1
        primary.zone(ZONE, serial)
        primary.transfer = way
        primary.notify(ZONE)
        try:
            net.wait_serial(ZONE, serial, timeout=10)
        except AssertionError as e:
            raise AssertionError(f"{name}: {e}; {daemon.zone(ZONE)['last_error']}") from None
        serves(net, serial)
        assert daemon.zone(ZONE)["records"] == 13, name


def test_messages_of_65535_octets_and_the_largest_records(net):
    primary, daemon = begin(net)
    zone = primary.zone(ZONE, 2)
    big = Record(f"big.{ZONE}", 65280, random_octets(65000, 1))
    zone.records.append(big)

    def full(s):
        """One message of exactly 65,535 octets that holds the record, the rest around it."""
        room = 65535 - len(message(s.request, [Record(f"fill.{ZONE}", 65281, b"")]))
        fill = Record(f"fill.{ZONE}", 65281, random_octets(room, 2))
        assert len(message(s.request, [fill])) == 65535
        one = [message(s.request, [r]) for r in (s.zone.soa(), *s.zone.records)]
        return b"".join(framed(m) for m in (*one, message(s.request, [s.zone.soa()])))
    primary.transfer = raw(full)
    primary.notify(ZONE)
    net.wait_serial(ZONE, 2)
    reply = net.dig(f"big.{ZONE}", "TYPE65280", tcp=True)
    assert reply.answer and reply.answer[0][0].data == big.rdata


def changed(**change):
    """Messages that are right but for a header field or a section."""
    return raw(lambda s: framed(message(s.request, [s.zone.soa(), *s.zone.records, s.zone.soa()], **change)))


def instead(*extra):
    """The zone with some records more."""
    return records(lambda s: [s.zone.soa(), *s.zone.records, *extra, s.zone.soa()])


def second_message(make):
    """The first message as it should be, then make(session), then the rest."""
    def build(s):
        first, *rest = s.messages()
        return b"".join(framed(m) for m in (first, make(s), *rest))
    return raw(build)


REJECTED = {
    "REFUSED": (refused_with(REFUSED), "the primary answered REFUSED"),
    "NOTAUTH": (refused_with(NOTAUTH), "the primary answered NOTAUTH"),
    "SERVFAIL": (refused_with(SERVFAIL), "the primary answered SERVFAIL"),
    "FORMERR without question": (refused_with(FORMERR, question=False), "the primary answered FORMERR"),
    "NOTIMP": (refused_with(NOTIMP), "the primary answered NOTIMP"),
    "NXDOMAIN": (refused_with(NXDOMAIN), "the primary answered NXDOMAIN"),
    "unknown rcode": (refused_with(13), "the primary answered RCODE 13"),
    "BADVERS": (raw(lambda s: framed(message(s.request, additional=[Record(".", OPT, b"", ttl=1 << 24, rdclass=1232)]))),
                "the primary answered BADVERS"),
    "error in the second message": (second_message(lambda s: message(s.request, rcode=SERVFAIL)),
                                    "message 2: the primary answered SERVFAIL"),
    "wrong id": (changed(id=lambda i: i + 1), "message 1: not the id"),
    "wrong id in the second message": (second_message(lambda s: message(s.request, [s.zone.soa()], id=lambda i: i ^ 256)),
                                       "message 2: not the id"),
    "not a response": (changed(flags=AA), "not a response"),
    "opcode NOTIFY": (changed(opcode=NOTIFY), "not a response"),
    "TC": (changed(flags=QR | AA | TC), "TC bit"),
    "other question name": (changed(question=wire_name("other.") + struct.pack("!HH", 252, 1)), "not the question"),
    "other question type": (changed(question=wire_name(ZONE) + struct.pack("!HH", IXFR, 1)), "not the question"),
    "other question class": (changed(question=wire_name(ZONE) + struct.pack("!HH", 252, CH)), "not the question"),
    "two questions": (changed(question=(wire_name(ZONE) + struct.pack("!HH", 252, 1)) * 2, qdcount=2), "not the question"),
    "no question": (changed(question=False), "not the question"),
    "empty answer": (raw(lambda s: framed(message(s.request))), "no record in the answer section"),
    "empty second message": (second_message(lambda s: message(s.request)), "message 2: no record"),
    "zero-length message": (raw(lambda s: b"\0\0" + s.stream()), "message 1: a message shorter than a DNS header"),
    "eleven octets": (raw(lambda s: b"\0\x0b" + bytes(11) + s.stream()), "shorter than a DNS header"),
    "octets behind the records": (changed(tail=b"\0"), "malformed message"),
    "fewer records than announced": (second_message(lambda s: message(s.request, s.zone.records[:1],
                                                                      ancount=lambda n: n + 1)), "malformed message"),
    "garbage": (raw(lambda s: random_octets(5000, 3)), "message 1"),
    "garbage behind a header": (raw(lambda s: framed(message(s.request, ancount=50, tail=random_octets(500, 4)))),
                                "message 1, record 1"),
    "no SOA first": (records(lambda s: [*s.zone.records, s.zone.soa()]), "first record is not the SOA"),
    "SOA of another zone": (records(lambda s: [soa("other.", 2), *s.zone.records, soa("other.", 2)]),
                            r"record 1 \(other. SOA\): the first record is not the SOA"),
    "SOA below the apex": (instead(soa(ZONE, 2, owner=f"sub.{ZONE}")), r"\(sub.example. SOA\): a SOA record that is not"),
    "SOA outside the zone": (instead(soa(ZONE, 2, owner="org.")), r"\(org. SOA\): a SOA record that is not"),
    "other serial at the end": (records(lambda s: [s.zone.soa(), *s.zone.records, soa(ZONE, 3)]), "SOA that ends"),
    "other SOA at the end": (records(lambda s: [s.zone.soa(), *s.zone.records, soa(ZONE, 2, minimum=1)]), "SOA that ends"),
    "a record behind the end": (records(lambda s: [s.zone.soa(), *s.zone.records, s.zone.soa(), s.zone.records[0]]),
                                "data behind the SOA"),
    "a message behind the end": (raw(lambda s: s.stream() + framed(message(s.request, s.zone.records[:1]))),
                                 "data behind the SOA"),
    "SOA in the middle": (records(lambda s: [s.zone.soa(), *s.zone.records, s.zone.soa(), *s.zone.records, s.zone.soa()]),
                          "data behind the SOA"),
    "class CH": (instead(Record(f"ch.{ZONE}", TXT, b"\1x", rdclass=CH)), r"\(ch.example. TXT\): a record .* class IN"),
    "meta type": (instead(Record(f"m.{ZONE}", 250, b"")), r"\(m.example. TYPE250\): a type that no zone"),
    "A of three octets": (instead(Record(f"bad.{ZONE}", A, b"\1\2\3")), r"\(bad.example. A\): record data"),
    "A without data": (instead(Record(f"bad.{ZONE}", A, b"")), r"\(bad.example. A\): record data"),
    "short SOA": (records(lambda s: [Record(ZONE, SOA, b"\0\0\0\0\0\7")]), r"\(example. SOA\): record data"),
    "rdlength past the end": (instead(Record(f"bad.{ZONE}", A, b"\1\2\3\4", rdlength=60000)), "malformed message"),
    "pointer to itself": (raw(lambda s: framed(message(s.request, [
        Record(struct.pack("!H", 0xC000 | 12 + len(s.request.question)), SOA, b"")]))), "malformed message"),
    "pointer forward": (raw(lambda s: framed(message(s.request, [Record(b"\xc1\xff", SOA, b"")]))), "malformed message"),
    "name over 255 octets": (instead(Record(b"\x3f" + b"a" * 63 + b"\x3f" + b"b" * 63 + b"\x3f" + b"c" * 63 +
                                            b"\x3f" + b"d" * 63 + b"\0", A, bytes(4))), "malformed message"),
    "CNAME and other data": (instead(Record(f"h0.{ZONE}", CNAME, wire_name(f"h1.{ZONE}"))), r"(?i)CNAME and other data"),
    "two CNAMEs": (instead(Record(f"c.{ZONE}", CNAME, wire_name(f"h1.{ZONE}")),
                           Record(f"c.{ZONE}", CNAME, wire_name(f"h2.{ZONE}"))), r"(?i)CNAME"),
    "no NS": (records(lambda s: [s.zone.soa(), *s.zone.records[1:], s.zone.soa()]), "NS"),
    "nothing but the SOA": (records(lambda s: [s.zone.soa(), s.zone.soa()]), "NS"),
}


@lab.timeout(240)
def test_streams_that_are_not_the_zone_are_rejected_with_the_reason(net):
    primary, daemon = begin(net)
    wrong = []
    serial = 1
    for name, (fault, expect) in REJECTED.items():
        try:
            failed_attempt(net, primary, daemon, fault, expect, serial + 1)
        except (AssertionError, dns.exception.Timeout) as e:
            wrong.append(f"{name}: {e}")
        # What it was asked to take meanwhile, it takes from a primary that has recovered.
        serial += 1
        good_attempt(net, primary, serial)
    assert not wrong, "\n".join(wrong)
    assert not primary.errors, primary.errors


def test_what_is_known_in_the_wild_is_repaired_and_told(net):
    primary, daemon = begin(net)
    zone = primary.zone(ZONE, 2)
    zone.records += [Record("www.example.org.", A, bytes(4)), Record(f"H0.{ZONE}", A, zone.records[2].rdata),
                     Record(f"ttl.{ZONE}", A, b"\1\2\3\4", ttl=500), Record(f"ttl.{ZONE}", A, b"\1\2\3\5", ttl=100),
                     Record(f"top.{ZONE}", A, b"\1\2\3\6", ttl=0x80000001)]
    primary.notify(ZONE)
    net.wait_serial(ZONE, 2)
    daemon.wait_log(r"transfer-repaired zone=example\. .*outside_zone=1 duplicates=1 ttl_unequal=1 ttl_top_bit=1")
    assert [r.ttl for r in net.dig(f"ttl.{ZONE}").answer] == [100]
    assert [r.ttl for r in net.dig(f"top.{ZONE}").answer] == [0]
    assert net.dig("www.example.org.").rcode() == dns.rcode.REFUSED


def test_missing_aa_is_told_and_used(net):
    primary, daemon = begin(net)
    primary.transfer = changed(flags=QR)
    primary.probe = answer_with(flags=QR)
    primary.zone(ZONE, 2)
    primary.notify(ZONE)
    net.wait_serial(ZONE, 2)
    daemon.wait_log("transfer-not-authoritative zone=example")
    daemon.wait_log("soa-not-authoritative zone=example")


def test_silent_primary_is_left_after_the_idle_time(net):
    primary, daemon = begin(net, zone_keys={"transfer-idle": 2})
    begun = time.monotonic()
    failed_attempt(net, primary, daemon, silent, r"no octet for 2 s \(transfer-idle\), after 0 messages", 2)
    assert 1.5 < time.monotonic() - begun < 6
    good_attempt(net, primary, 2)
    failed_attempt(net, primary, daemon, stalled_after_messages(3), r"transfer-idle\), after 3 messages", 3)
    good_attempt(net, primary, 3)


def test_dripping_primary_is_left_after_the_total_time(net):
    primary, daemon = begin(net, zone_keys={"transfer-idle": 2, "transfer-time": 3, "transfer-rate-min": 0})
    failed_attempt(net, primary, daemon, dripping(10), r"not complete within 3 s \(transfer-time\)", 2)
    good_attempt(net, primary, 2)


def test_primary_that_is_slower_than_the_least_rate_is_left(net):
    primary, daemon = begin(net, zone_keys={"transfer-idle": 2, "transfer-rate-min": 100})
    failed_attempt(net, primary, daemon, dripping(20), r"\d+ octets in \d+ s \(transfer-rate-min: 100 a second\)", 2)
    daemon.wait_log(rf"transfer-failed zone=example\. peer={lab.PRIMARY}@53 .*transfer-rate-min: 100")
    good_attempt(net, primary, 2)


def test_no_more_transfers_run_at_a_primary_than_are_configured(net):
    lock, running, most = threading.Lock(), 0, 0

    def slow(s):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.3)
        with lock:
            running -= 1
        whole(s)
    primary = ScriptedPrimary(net)
    primary.transfer = slow
    names = [f"z{i}." for i in range(6)]
    for name in names:
        primary.zone(name, 1)
    net.lockstepd([{"name": n, "primaries": ["first"]} for n in names],
                  change={"transfers-in": {"per-primary": 2}})
    for name in names:
        net.wait_serial(name, 1)
    assert most <= 2 and not primary.errors, (most, primary.errors)


@lab.each(case=["messages", "records", "bytes", "set", "outside", "duplicates"])
def test_endless_transfer_ends_at_a_limit_and_costs_no_memory(net, case):
    keys = {"messages": ({"transfer-messages": 50}, r"message 51: .*transfer-messages: 50"),
            "records": ({"transfer-records": 10000}, r"transfer-records: 10000"),
            "bytes": ({"transfer-bytes": 4000000}, r"transfer-bytes: 4000000"),
            "set": ({"record-set-records": 2000}, r"record-set-records: 2000"),
            "outside": ({"transfer-time": 4, "transfer-idle": 2}, "transfer-time"),
            "duplicates": ({"transfer-time": 10, "transfer-idle": 5, "transfer-bytes": 4000000},
                           "transfer-bytes|transfer-time")}
    makers = {"messages": lambda s, i: Record(f"r{i}.{ZONE}", A, bytes(4)),
              "records": lambda s, i: Record(f"r{i}.{ZONE}", A, bytes(4)),
              "bytes": lambda s, i: Record(f"r{i}.{ZONE}", TXT, b"\xff" + bytes(255)),
              "set": lambda s, i: Record(f"set.{ZONE}", A, struct.pack("!I", i)),
              "outside": lambda s, i: Record(f"r{i}.elsewhere.", A, struct.pack("!I", i & 255)),
              "duplicates": lambda s, i: Record(f"dup.{ZONE}", A, bytes(4))}
    change, expect = keys[case]
    primary, daemon = begin(net, zone_keys=change)
    before = daemon.rss()
    failed_attempt(net, primary, daemon, endless(makers[case]), expect, 2)
    grown = daemon.rss() - before
    assert grown < 200e6, f"{grown / 1e6:.0f} MB more after a transfer that was refused"
    good_attempt(net, primary, 2)


PROBE_FAULTS = {
    "no answer": (no_answer, "no answer over UDP within 2 s"),
    "REFUSED": (answer_with(rcode=REFUSED), "the primary answered REFUSED"),
    "SERVFAIL": (answer_with(rcode=SERVFAIL), "the primary answered SERVFAIL"),
    "empty": (answer_with(records=lambda z: []), "no SOA record"),
    "CNAME": (answer_with(records=lambda z: [Record(ZONE, CNAME, wire_name("x."))]), "no SOA record"),
    "referral": (lambda p, r, z, tcp: message(r, [], flags=QR, authority=[Record(ZONE, NS, wire_name("ns.x."))]),
                 "no SOA record"),
    "other owner": (answer_with(records=lambda z: [soa(ZONE, 9, owner=f"sub.{ZONE}")]), "no SOA record"),
    "two SOAs": (answer_with(records=lambda z: [z.soa(), soa(ZONE, 9)]), "more than one SOA"),
    "class CH": (answer_with(records=lambda z: [Record(ZONE, SOA, z.soa().rdata, rdclass=CH)]), "no SOA record"),
}
PROBE_FOREIGN = {
    "wrong id": answer_with(id=lambda i: i ^ 1),
    "not a response": answer_with(flags=AA),
    "other question": answer_with(question=wire_name("other.") + struct.pack("!HH", SOA, 1)),
    "short SOA": answer_with(records=lambda z: [Record(ZONE, SOA, b"\0\0\0\0\0\7")]),
    "eleven octets": lambda p, r, z, tcp: answer(p, r, z, tcp)[:11],
    "one octet": lambda p, r, z, tcp: b"x",
    "no octet": lambda p, r, z, tcp: b"",
    "tail": answer_with(tail=b"\0"),
}


@lab.timeout(240)
def test_bad_answers_to_the_soa_query_change_nothing(net):
    primary, daemon = begin(net)
    wrong = []
    for name, (fault, expect) in PROBE_FAULTS.items():
        primary.probe = fault
        done = daemon.ctl_raw("zone", "refresh", ZONE)
        text = daemon.zone(ZONE)["last_error"]
        if done.returncode == 0 or not re.search(expect, text):
            wrong.append(f"{name}: exit {done.returncode}, {text!r} is not like {expect!r}")
    for name, fault in PROBE_FOREIGN.items():
        # Not the answer, so the right one behind it must be found.
        rejected = daemon.counter("zones", "soa_rejected")
        primary.probe = lambda p, r, z, tcp, f=fault: [f(p, r, z, tcp), answer(p, r, z, tcp)]
        done = daemon.ctl_raw("zone", "refresh", ZONE)
        if done.returncode != 0 or daemon.counter("zones", "soa_rejected") != rejected + 1:
            wrong.append(f"{name}: exit {done.returncode}: {done.stderr}{done.stdout}")
    assert not wrong, "\n".join(wrong)
    assert len(primary.transfers) == 1
    primary.probe = answer
    good_attempt(net, primary, 2)


def test_soa_query_has_a_random_port_and_id(net):
    primary, daemon = begin(net)
    ports = []
    receive = primary.udp.recvfrom
    primary.udp = Spy(primary.udp, lambda client: ports.append(client[1]), receive)
    for _ in range(30):
        assert daemon.ctl_raw("zone", "refresh", ZONE).returncode == 0
    ids = [request.id for _, request, _ in primary.probes]
    assert len(set(ids)) > 25 and len(set(ports)) > 25, f"ids {ids}, ports {ports}"


class Spy:
    """A socket that tells who sent."""

    def __init__(self, sock, tell, receive):
        self.sock, self.tell, self.receive = sock, tell, receive

    def recvfrom(self, size):
        octets, client = self.receive(size)
        self.tell(client)
        return octets, client

    def __getattr__(self, name):
        return getattr(self.sock, name)


def test_truncated_answer_leads_to_tcp_and_formerr_to_a_query_without_edns(net):
    primary, daemon = begin(net)
    primary.probe = lambda p, r, z, tcp: answer(p, r, z, tcp) if tcp else message(r, flags=QR | AA | TC)
    primary.zone(ZONE, 2)
    primary.notify(ZONE)
    net.wait_serial(ZONE, 2)
    assert [tcp for _, _, tcp in primary.probes] == [False, True]
    primary.probes.clear()
    primary.probe = lambda p, r, z, tcp: message(r, rcode=FORMERR) if r.edns else answer(p, r, z, tcp)
    primary.zone(ZONE, 3)
    primary.notify(ZONE)
    net.wait_serial(ZONE, 3)
    assert [r.edns for _, r, _ in primary.probes] == [True, False]


def test_lower_serial_is_kept_and_visible(net):
    primary, daemon = begin(net, serial=10)
    primary.zone(ZONE, 9)
    daemon.ctl("zone", "refresh", ZONE)
    status = daemon.zone(ZONE)
    assert status["serial"] == 10 and status["primary_serial"] == 9 and status["primary_behind"], status
    assert len(primary.transfers) == 1
    daemon.wait_log(r"serial-lower zone=example\. .*serial=10 primary_serial=9")
    assert daemon.counter("zones", "serial_lower") == 1
    # An operator may take it all the same.
    daemon.ctl("zone", "retransfer", ZONE)
    net.wait_serial(ZONE, 9)
    assert not daemon.zone(ZONE)["primary_behind"]


def test_serials_wrap_and_half_the_circle_is_not_newer(net):
    primary, daemon = begin(net, serial=0x7FFFFFFF)
    for serial in (0xFFFFFFFE, 0xFFFFFFFF, 0, 1):
        primary.zone(ZONE, serial)
        primary.notify(ZONE)
        net.wait_serial(ZONE, serial)
    transfers = len(primary.transfers)
    primary.zone(ZONE, 0x80000001)
    primary.notify(ZONE)
    daemon.wait_log(r"serial-incomparable zone=example\. .*serial=1 primary_serial=2147483649")
    for serial in (0x80000002, 0xFFFFFFFF, 0):
        primary.zone(ZONE, serial)
        daemon.ctl("zone", "refresh", ZONE)
    assert soa_serial(net.dig(ZONE, "SOA")) == 1 and len(primary.transfers) == transfers
    primary.zone(ZONE, 0x80000000)
    primary.notify(ZONE)
    net.wait_serial(ZONE, 0x80000000)


@lab.each(tcp=[False, True])
def test_strangers_notify_is_refused_counted_and_changes_nothing(net, tcp):
    primary, daemon = begin(net)
    primary.zone(ZONE, 2)
    for _ in range(3):
        assert net.notify(ZONE, 2, source=lab.STRANGER, tcp=tcp).rcode() == dns.rcode.REFUSED
    assert net.notify("unknown.test.", 2, source=lab.PRIMARY, tcp=tcp).rcode() == dns.rcode.REFUSED
    assert daemon.counter("zones", "notify_refused") == 4
    assert daemon.zone(ZONE)["notifies_refused"] == 3
    time.sleep(0.5)
    assert not primary.probes and len(primary.transfers) == 1
    assert soa_serial(net.dig(ZONE, "SOA")) == 1
    assert "notify-refused zone=example. peer=10.53.0.9" in daemon.log()


def test_notify_of_a_serial_that_never_comes_is_forgotten(net):
    primary, daemon = begin(net)
    primary.notify(ZONE, serial=1000)
    daemon.wait_log(r"notify-forgotten zone=example\. notified_serial=1000 serial=1", timeout=25)
    delays = [b - a for (a, _, _), (b, _, _) in zip(primary.probes, primary.probes[1:])]
    assert len(delays) == 4, delays
    for seen, want in zip(delays, (1, 2, 4, 8)):
        assert want - 0.1 < seen < want + 0.5, delays
    assert len(primary.transfers) == 1


def test_notify_before_the_primary_has_it_is_not_lost(net):
    primary, daemon = begin(net)
    primary.notify(ZONE, serial=2)
    primary.wait_probes(1)
    time.sleep(0.3)
    primary.zone(ZONE, 2)
    assert net.wait_serial(ZONE, 2, timeout=3) < 2


def test_second_primary_is_asked_when_the_first_fails(net):
    first, second = ScriptedPrimary(net), ScriptedPrimary(net, address=lab.SECOND_PRIMARY)
    for p in (first, second):
        p.zone(ZONE, 1)
    first.transfer = refused_with(REFUSED)
    daemon = net.lockstepd([{"name": ZONE, "primaries": ["first", "second"]}],
                           change={"primaries": [{"name": "first", "address": lab.PRIMARY},
                                                 {"name": "second", "address": lab.SECOND_PRIMARY}]})
    net.wait_serial(ZONE, 1)
    assert len(first.transfers) == 1 and len(second.transfers) == 1
    assert daemon.zone(ZONE)["primary"] == "second"
    # The notifier is asked first, whatever the order.
    second.zone(ZONE, 2)
    second.notify(ZONE)
    net.wait_serial(ZONE, 2)
    assert not first.probes and len(second.probes) == 1
    # A lying first primary (older) does not keep the second's version away.
    second.zone(ZONE, 3)
    daemon.ctl("zone", "refresh", ZONE)
    net.wait_serial(ZONE, 3)
    assert first.probes


def test_version_that_is_older_than_its_soa_answer_is_discarded(net):
    primary, daemon = begin(net, serial=5)
    primary.probe = answer_with(records=lambda z: [soa(ZONE, 6)])
    done = daemon.ctl_raw("zone", "refresh", ZONE)
    assert done.returncode != 0 and "not newer than what is served" in done.stderr, done
    assert len(primary.transfers) == 2
    daemon.wait_log(r"transfer-discarded zone=example\. .*serial=5 received_serial=5")
    serves(net, 5)


def test_dead_first_primary_does_not_keep_the_second_waiting(net):
    names = [f"z{i}.test." for i in range(200)]
    primary = ScriptedPrimary(net)
    for n in names:
        primary.zone(n, 1, hosts=2)
    net.lockstepd([{"name": n, "primaries": ["dead", "first"]} for n in names],
                  change={"primaries": [{"name": "dead", "address": "10.53.0.77"},
                                        {"name": "first", "address": lab.PRIMARY}]})
    begun = time.monotonic()
    for n in names:
        net.wait_serial(n, 1, timeout=30)
    # Zone by zone it would be 200 times three seconds, eight at once.
    assert time.monotonic() - begun < 30


def test_soa_timers_that_contradict_each_other_are_told(net):
    primary, daemon = begin(net, refresh=600, retry=900, expire=1000)
    assert daemon.zone(ZONE)["timers_odd"]
    daemon.wait_log(r"soa-timers zone=example\. .*refresh=600 retry=900 expire=1000")


def test_refused_zone_retries_by_the_soa_retry_timer(net):
    primary, daemon = begin(net, refresh=2, retry=1, expire=60)
    primary.probe = no_answer
    primary.stop()
    time.sleep(3)
    primary.start()
    primary.probe = answer
    primary.zone(ZONE, 2, refresh=2, retry=1, expire=60)
    # No NOTIFY: the retry timer finds it.
    assert net.wait_serial(ZONE, 2, timeout=8) < 8


def test_stop_during_transfer_and_query_is_prompt_and_clean(net):
    primary, daemon = begin(net)
    primary.transfer = stalled_after_messages(2)
    primary.zone(ZONE, 2)
    primary.notify(ZONE)
    primary.wait_transfers(2)
    begun = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - begun < 5


if __name__ == "__main__":
    lab.main()
