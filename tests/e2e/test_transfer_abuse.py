#!/usr/bin/python3
"""Transfers that are meant to hurt: names that would write a line of their own into a log, floods, streams without end,
and transfers that end in every way while the next one already runs."""

import multiprocessing
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from lab_wire import soa_serial
from primary import (A, AXFR, IXFR, MX, SERVFAIL, TXT, Record, ScriptedPrimary, dripping, endless, framed, message,
                     refused_with, reset_after_messages, soa, stalled_after_messages, whole, wire_name)

import dns.exception
import dns.name
import dns.rcode
import dns.zone

ZONE = "example."
# What a shell, a path, a zone file, a log or a terminal would make something of.
LABELS = [b"/", b"..", b"../../etc/passwd", b"\\", b"$ORIGIN", b"$INCLUDE /etc/passwd", b"@", b'"', b"'", b";", b"(", b")",
          b" ", b"a b", b"\0", b"\n", b"a\nzone=forged. level=error event=forged", b"\r\n", b"\xff", b"\x1b[31m", b"%s%n",
          b"`id`", b"$(id)", b"*", b"a.b", b"=", b"a=b", bytes(range(1, 64))]


FLOOD_S = 5


def wire_of(label):
    return bytes([len(label)]) + label + wire_name(ZONE)


def begin(net, serial=1, hosts=10, change=None, **zone_keys):
    primary = ScriptedPrimary(net)
    primary.zone(ZONE, serial, hosts)
    daemon = net.lockstepd([{"name": ZONE, "primaries": ["first"], **zone_keys}], change=change)
    net.wait_serial(ZONE, serial)
    return primary, daemon


def log_lines_are_whole(daemon):
    """Every line begins as a line of ours does, and none has an octet that a terminal acts on."""
    text = daemon.log_file.read_bytes()
    for line in text.split(b"\n"):
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f-\xff]", line), line
        assert not line.startswith(b"zone=forged"), line
        assert not re.search(rb"(^| )event=forged", line), line


def test_any_octet_in_a_name_is_served_dumped_and_read_again(net):
    primary, daemon = begin(net)
    zone = primary.zone(ZONE, 2)
    zone.records += [Record(wire_of(label), A, bytes([192, 0, 2, i])) for i, label in enumerate(LABELS)]
    zone.records += [Record(wire_of(b"text"), TXT, bytes([len(x)]) + x) for x in LABELS]
    zone.records += [Record(wire_of(b"mail"), MX, bytes([0, i]) + wire_of(label)) for i, label in enumerate(LABELS)]
    primary.notify(ZONE)
    net.wait_serial(ZONE, 2)
    for i, label in enumerate(LABELS):
        name = dns.name.Name([label, b"example", b""])
        reply = net.dig(name, "A")
        assert reply.answer and reply.answer[0][0].address == f"192.0.2.{i}", (label, reply)
    done = daemon.ctl_raw("zone", "dump", ZONE)
    assert done.returncode == 0, done.stderr
    again = dns.zone.from_text(done.stdout, origin=ZONE, relativize=False, check_origin=False)
    owners = {name for name, _, rdata in again.iterate_rdatas("A") if rdata.address.startswith("192.0.2.")}
    assert {dns.name.Name([label, b"example", b""]) for label in LABELS} <= owners, owners
    mails = {rdata.exchange for _, _, rdata in again.iterate_rdatas("MX")}
    assert mails == {dns.name.Name([label, b"example", b""]) for label in LABELS}, mails
    texts = {s for _, _, rdata in again.iterate_rdatas("TXT") for s in rdata.strings}
    assert texts == set(LABELS), texts ^ set(LABELS)
    log_lines_are_whole(daemon)


def test_a_name_in_a_rejected_transfer_cannot_write_a_log_line(net):
    primary, daemon = begin(net)
    for serial, label in enumerate(LABELS, 2):
        primary.zone(ZONE, serial).records.append(Record(wire_of(label), A, b"\1"))
        done = daemon.ctl_raw("zone", "retransfer", ZONE)
        assert done.returncode != 0 and "record data" in done.stderr and done.stderr.count("\n") == 1, (label, done)
    log_lines_are_whole(daemon)
    # The same event many times a second is told some times.
    assert daemon.log().count("transfer-failed zone=example. ") > 10
    assert soa_serial(net.dig(ZONE, "SOA")) == 1


def send_for(sock, packets, seconds, sent):
    """As fast as one process can; for a process of its own."""
    end = time.monotonic() + seconds
    cnt = 0
    while time.monotonic() < end:
        for p in packets:
            try:
                sock.send(p)
                cnt += 1
            except OSError:
                pass
    sent.value = cnt


@lab.timeout(90)
def test_notify_floods_from_friend_and_stranger_cost_few_queries_and_nobody_else_time(net):
    """Five seconds of NOTIFYs with rising serials for one zone, as fast as two processes can send; whether a primary's
    address is forged cannot be seen. What is too much is dropped by its sender's name alone, and never the other primary's."""
    primary, other = ScriptedPrimary(net), ScriptedPrimary(net, address=lab.SECOND_PRIMARY)
    primary.zone(ZONE, 1)
    other.zone("other.test.", 1)
    daemon = net.lockstepd([ZONE, {"name": "other.test.", "primaries": ["second"]}],
                           change={"primaries": [{"name": "first", "address": lab.PRIMARY},
                                                 {"name": "second", "address": lab.SECOND_PRIMARY}]})
    for zone in (ZONE, "other.test."):
        net.wait_serial(zone, 1)
    packets = [net.notify_wire(ZONE, serial) for serial in range(10, 2000)]
    sent = [multiprocessing.Value("Q") for _ in range(2)]
    took = []
    with net.udp(source=lab.PRIMARY) as friend, net.udp(source=lab.STRANGER) as stranger:
        senders = [multiprocessing.Process(target=send_for, args=(s, packets, FLOOD_S, n))
                   for s, n in zip((friend, stranger), sent)]
        for p in senders:
            p.start()
        while any(p.is_alive() for p in senders):
            serial = other.zone("other.test.", other.zones["other.test."].serial + 1).serial
            begun = time.monotonic()
            # The frame may be lost before a worker has seen it: a primary says it again.
            net_notify(other, "other.test.")
            net.wait_serial("other.test.", serial, timeout=10)
            took.append(time.monotonic() - begun)
        for p in senders:
            p.join()
    total, probes = sum(n.value for n in sent), len(primary.probes)
    dropped = {c: daemon.counter("net", c) for c in ("notify_share", "notify_stranger", "notify_ring_full")}
    print(f"    {total / FLOOD_S:.0f} NOTIFYs/s, {probes} SOA queries; {len(took)} updates of the other zone, "
          f"slowest {max(took) * 1000:.0f} ms; {dropped}")
    assert dropped["notify_ring_full"] == 0, dropped
    assert total > 10000, total
    assert probes < 40, f"{probes} queries for {total} NOTIFYs"
    assert took
    assert len(primary.transfers) == 1 and soa_serial(net.dig(ZONE, "SOA")) == 1
    primary.zone(ZONE, 5000)
    net_notify(primary, ZONE)
    net.wait_serial(ZONE, 5000, timeout=15)


def net_notify(primary, zone):
    def answered():
        try:
            return primary.notify(zone, timeout=0.3)
        except dns.exception.Timeout:
            return None
    lab.wait_until(answered, 20, f"a NOTIFY for {zone} is answered")


# --- the round goes wrong once more while AXFR follows a failed IXFR ---

def broken_ixfr_then(axfr):
    """IXFR that deletes what is not there, after some good changes; AXFR by the function."""
    def respond(s):
        if s.request.type == AXFR:
            axfr(s)
            return
        old = s.zone.serial - 1
        s.send(s.stream(records=[s.zone.soa(), soa(ZONE, old), Record(f"h0.{ZONE}", A, bytes([198, 18, 0, 0])),
                                 Record(f"absent.{ZONE}", A, bytes(4)), s.zone.soa(),
                                 Record(f"new.{ZONE}", A, bytes(4)), s.zone.soa()], per_message=3))
    return respond


def kinds(primary, since):
    return [r.type for _, r in primary.transfers[since:]]


def is_whole(net, serial):
    assert soa_serial(net.dig(ZONE, "SOA")) == serial
    assert net.dig(f"h0.{ZONE}").answer and net.dig(f"h9.{ZONE}").answer
    assert net.dig(f"new.{ZONE}").rcode() == dns.rcode.NXDOMAIN


ENDS = {"idle time": stalled_after_messages(3), "total time": dripping(20), "reset": reset_after_messages(3),
        "refusal": refused_with(SERVFAIL), "retransfer": stalled_after_messages(3), "notify": stalled_after_messages(3),
        "stop": stalled_after_messages(3)}


@lab.each(how=list(ENDS))
def test_the_whole_zone_behind_a_failed_difference_ends_in_any_way(net, how):
    primary, daemon = begin(net, **{"transfer-idle": 2, "transfer-time": 3, "transfer-rate-min": 0})
    primary.zone(ZONE, 2)
    primary.transfer = broken_ixfr_then(ENDS[how])
    primary.notify(ZONE)
    primary.wait_transfers(3)
    assert kinds(primary, 1) == [IXFR, AXFR]
    is_whole(net, 1)
    if how == "stop":
        begun = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - begun < 10
        return
    primary.transfer = whole
    if how == "retransfer":
        # It waits for what hangs, and is not lost.
        daemon.ctl("zone", "retransfer", ZONE)
    elif how == "notify":
        primary.zone(ZONE, 3)
        for _ in range(100):
            primary.notify(ZONE)
    else:
        status = lab.wait_until(lambda: (s := daemon.zone(ZONE))["transfers_failed"] > 0 and s, 15, "the round has failed")
        assert status["serial"] == 1, status
        is_whole(net, 1)
        primary.notify(ZONE)
    net.wait_serial(ZONE, primary.zones[ZONE].serial, timeout=15)
    is_whole(net, primary.zones[ZONE].serial)
    assert not primary.errors, primary.errors


@lab.each(what=["deletions", "additions", "differences", "difference count"])
def test_endless_differences_end_at_a_limit_and_cost_no_memory(net, what):
    limit = {"transfer-deltas": 100} if what == "difference count" else {"transfer-records": 2000}
    primary, daemon = begin(net, **{**limit, "transfer-idle": 5, "transfer-time": 20})
    before = daemon.rss()

    def stream(s):
        if s.request.type == AXFR:
            whole(s)
            return
        old = s.zone.serial - 1
        first = [soa(ZONE, old + 1000000 if "difference" in what else s.zone.serial), soa(ZONE, old)]
        if what == "additions":
            first.append(s.zone.soa())
        s.send(framed(message(s.request, first)))
        if "difference" in what:
            endless_differences(s, old)
        else:
            endless(lambda s, i: Record(f"x{i}.{ZONE}", A, bytes(4)), begin=False)(s)
    primary.transfer = stream
    primary.zone(ZONE, 2)
    primary.notify(ZONE)
    net.wait_serial(ZONE, 2, timeout=30)
    assert kinds(primary, 1) == [IXFR, AXFR]
    last = re.findall(r"ixfr-failed .*", daemon.log())[-1]
    if what == "difference count":
        assert "(transfer-deltas: 100)" in last, last
    assert re.search(r"transfer-records|transfer-deltas|transfer-time|does not exist|is not there", last), last
    grown = daemon.rss() - before
    assert grown < 200e6, f"{grown / 1e6:.0f} MB more"
    is_whole(net, 2)


def endless_differences(s, serial):
    """Each adds one name and takes it away in the next; for as long as somebody reads."""
    def soa_at(n):
        return soa(ZONE, serial + n)
    try:
        s.send(framed(message(s.request, [soa_at(1), Record(f"x0.{ZONE}", A, bytes(4))])))
        for i in range(1, 1000000):
            s.send(framed(message(s.request, [soa_at(i), Record(f"x{i - 1}.{ZONE}", A, bytes(4)), soa_at(i + 1),
                                              Record(f"x{i}.{ZONE}", A, bytes(4))])))
    except OSError:
        pass


@lab.timeout(120)
def test_a_large_transfer_takes_the_memory_of_the_zone_and_little_more(net):
    hosts = 300000
    # What it takes with a zone that nobody has.
    daemon = net.lockstepd([ZONE])
    before = daemon.rss()
    daemon.stop()
    net.knotd({ZONE: lab.zone_text(ZONE, 1, hosts=hosts)}, notify=False)
    daemon = net.lockstepd([ZONE])
    peak = 0
    while not (status := daemon.zone(ZONE))["loaded"]:
        peak = max(peak, daemon.rss())
        time.sleep(0.01)
    zone = daemon.ctl("status")["arena"]["bytes_used"]
    peak = max(peak, daemon.rss())
    print(f"    {status['records']} records: zone {zone / 1e6:.1f} MB, peak {(peak - before) / 1e6:.1f} MB above the start")
    assert status["records"] > hosts
    # The queue of 1 MiB, the read buffer, the threads' own; and the arena grows by chunks of 2 MiB.
    assert peak - before < 1.25 * zone + 24e6, (peak, before, zone)


if __name__ == "__main__":
    lab.main()
