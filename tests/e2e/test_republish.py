#!/usr/bin/python3
"""
Zones that change a hundred times a second for a minute, under load: no answer is lost, wrong, torn between two
versions or older than the one before; memory returns to where it was.
"""

import contextlib
import os
import random
import selectors
import socket
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rdatatype
import dns.rrset

QUICK = "LOCKSTEP_QUICK" in os.environ
SECONDS = 10 if QUICK else 60
RATE = 100
ZONES = [f"z{i}.republish.test." for i in range(50)]
HOSTS = 100
# Stands for the serial in messages made ahead. A record with the serial as its address tells its version.
MARK = b"\xde\xad\xbe\xef"


def template(zone):
    """An AXFR response with MARK for the serial, in the SOAs, as A, and four times as AAAA."""
    m = dns.message.Message(id=0)
    m.flags = dns.flags.QR | dns.flags.AA
    origin = dns.name.from_text(zone)
    m.question.append(dns.rrset.RRset(origin, 1, dns.rdatatype.AXFR))
    soa = dns.rrset.from_text(zone, 60, "IN", "SOA",
                              f"ns1.{zone} host.{zone} {int.from_bytes(MARK, 'big')} 3600 600 86400 60")
    address, address6 = socket.inet_ntoa(MARK), socket.inet_ntop(socket.AF_INET6, MARK * 4)
    m.answer += [soa, dns.rrset.from_text(zone, 60, "IN", "NS", f"ns1.{zone}")]
    for name in ["ns1", *(f"h{i}" for i in range(HOSTS))]:
        m.answer.append(dns.rrset.from_text(f"{name}.{zone}", 60, "IN", "A", address))
        m.answer.append(dns.rrset.from_text(f"{name}.{zone}", 60, "IN", "AAAA", address6))
    m.answer.append(soa.copy())
    return m.to_wire()


class FastPrimary(threading.Thread):
    """Answers SOA and AXFR for all ZONES; changes the next one every 1/RATE s and sends NOTIFY for it."""

    def __init__(self, net):
        super().__init__(daemon=True)
        self.udp = net.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((lab.PRIMARY, 53))
        # From a port of its own, as servers do: a datagram from port 53 is taken for a response, and not answered.
        self.notifier = net.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.notifier.bind((lab.PRIMARY, 0))
        self.tcp = net.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((lab.PRIMARY, 53))
        self.tcp.listen(256)
        self.poll = selectors.DefaultSelector()
        for s in (self.udp, self.tcp, self.notifier):
            s.setblocking(False)
            self.poll.register(s, selectors.EVENT_READ)
        self.serial = {dns.name.from_text(z): 1 for z in ZONES}
        self.templates = {dns.name.from_text(z): template(z) for z in ZONES}
        self.changing, self.end, self.failure = False, False, None
        self.changes, self.transfers = 0, 0
        self.input = {}

    def run(self):
        try:
            self._loop()
        except Exception as e:
            self.failure = e

    def _loop(self):
        names, due = list(self.serial), time.monotonic()
        while not self.end:
            for key, _ in self.poll.select(0.002):
                if key.fileobj is self.udp:
                    self._udp()
                elif key.fileobj is self.notifier:
                    with contextlib.suppress(OSError):
                        self.notifier.recv(4096)
                elif key.fileobj is self.tcp:
                    with contextlib.suppress(BlockingIOError):
                        connection, _ = self.tcp.accept()
                        connection.settimeout(2)
                        self.input[connection] = b""
                        self.poll.register(connection, selectors.EVENT_READ)
                else:
                    self._connection(key.fileobj)
            now = time.monotonic()
            due = max(due, now - 0.1)
            while self.changing and now >= due:
                self._change(names[self.changes % len(names)])
                due += 1 / RATE

    def _change(self, name):
        self.serial[name] += 1
        self.changes += 1
        notify = dns.message.make_query(name, "SOA")
        notify.flags = dns.flags.AA
        notify.set_opcode(dns.opcode.NOTIFY)
        self.notifier.sendto(notify.to_wire(), (lab.SECONDARY, 53))

    def _udp(self):
        while True:
            try:
                wire, peer = self.udp.recvfrom(4096)
            except BlockingIOError:
                return
            query = dns.message.from_wire(wire)
            if not query.flags & dns.flags.QR:
                self.udp.sendto(self._soa(query), peer)

    def _soa(self, query):
        name = query.question[0].name
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", "SOA",
                                                f"ns1.{name} host.{name} {self.serial[name]} 3600 600 86400 60"))
        return reply.to_wire()

    def _connection(self, connection):
        try:
            data = connection.recv(65535)
        except OSError:
            data = b""
        if not data:
            self.poll.unregister(connection)
            del self.input[connection]
            connection.close()
            return
        self.input[connection] += data
        while len(self.input[connection]) >= 2:
            length = struct.unpack("!H", self.input[connection][:2])[0]
            if len(self.input[connection]) < 2 + length:
                return
            wire = self.input[connection][2:2 + length]
            self.input[connection] = self.input[connection][2 + length:]
            query = dns.message.from_wire(wire)
            if query.question[0].rdtype == dns.rdatatype.SOA:
                reply = self._soa(query)
            else:
                name = query.question[0].name
                serial = struct.pack("!I", self.serial[name])
                reply = wire[:2] + self.templates[name][2:].replace(MARK, serial)
                self.transfers += 1
            with contextlib.suppress(OSError):
                connection.sendall(struct.pack("!H", len(reply)) + reply)

    def stop(self):
        self.end = True
        self.join(10)
        for s in (self.udp, self.tcp, self.notifier, *self.input):
            s.close()


class Reader(threading.Thread):
    """One question after another; each answer must be whole, announced, and never older than the one before."""

    def __init__(self, net, primary):
        super().__init__(daemon=True)
        self.socket, self.primary = net.udp(), primary
        self.seen = {}
        self.answers, self.lost, self.wrong, self.end = 0, 0, [], threading.Event()

    def run(self):
        r = random.Random(11)
        while not self.end.is_set():
            zone = r.choice(ZONES)
            kind = r.choice(["A", "AAAA", "SOA"])
            name = zone if kind == "SOA" else f"h{r.randrange(HOSTS)}.{zone}"
            query = dns.message.make_query(name, kind)
            try:
                reply = dns.message.from_wire(lab.exchange_on(self.socket, query.to_wire(), timeout=2))
            except dns.exception.Timeout:
                self.lost += 1
                continue
            self.answers += 1
            complaint = self._judge(zone, kind, reply)
            if complaint:
                self.wrong.append(f"{name} {kind}: {complaint}\n{reply}")
            time.sleep(0.001)

    def _judge(self, zone, kind, reply):
        if reply.rcode() != 0 or len(reply.answer) != 1 or len(reply.answer[0]) != 1:
            return "not one record"
        record = reply.answer[0][0]
        if kind == "SOA":
            serial = record.serial
        else:
            octets = socket.inet_pton(socket.AF_INET6 if kind == "AAAA" else socket.AF_INET, record.address)
            serial = int.from_bytes(octets[:4], "big")
            if octets != octets[:4] * (len(octets) // 4):
                return "torn"
        newest = self.primary.serial[dns.name.from_text(zone)]
        if serial > newest:
            return f"serial {serial} was never announced, the newest is {newest}"
        if serial < self.seen.get(zone, 0):
            return f"serial {serial} after {self.seen[zone]}"
        self.seen[zone] = serial
        return None

    def stop(self):
        self.end.set()
        self.join(10)
        self.socket.close()


def arena_used(daemon):
    return daemon.ctl("status")["arena"]["bytes_used"]


def transfers_ok(daemon):
    return daemon.counter("zones", "transfers_ok")


@lab.timeout(SECONDS + 120)
def test_hundred_publications_a_second_under_load_lose_nothing_and_leak_nothing(net):
    primary = FastPrimary(net)
    primary.start()
    # Whole zones, so that nothing is shared between versions.
    daemon = net.lockstepd(ZONES, change={"primaries": [{"name": "first", "address": lab.PRIMARY, "ixfr": False}]})
    for zone in ZONES:
        net.wait_serial(zone, 1, timeout=30)
    queries = [f"h{i}.{z} {t}" for z in ZONES for i in range(HOSTS) for t in ("A", "AAAA")]
    random.Random(2).shuffle(queries)
    reader = Reader(net, primary)
    reader.start()
    try:
        # What the first changes allocate once (arena, buffers, page tables) is there before it is measured.
        primary.changing = True
        net.dnsperf(queries, qps=20000, seconds=3)
        blocks = arena_used(daemon)
        before, at, published = daemon.rss(), time.monotonic(), transfers_ok(daemon)
        result = net.dnsperf(queries, qps=20000, seconds=SECONDS)
        rate = (transfers_ok(daemon) - published) / (time.monotonic() - at)
        primary.changing = False
        for zone in ZONES:
            net.wait_serial(zone, primary.serial[dns.name.from_text(zone)], timeout=10)
        # Reclamation runs behind publication by a grace period.
        lab.wait_until(lambda: daemon.rss() <= before * 1.03 + 2**20, 10,
                       lambda: f"memory returns: {before / 2**20:.1f} MiB before, {daemon.rss() / 2**20:.1f} after")
        lab.wait_until(lambda: arena_used(daemon) <= blocks * 1.03, 10,
                       lambda: f"retired blocks are freed: {blocks} octets before, {arena_used(daemon)} after")
        after = daemon.rss()
    finally:
        reader.stop()
        primary.stop()
    print(f"     {primary.changes} changes, {rate:.0f} publications/s, {result['completed']} of {result['sent']} answered,"
          f" {reader.answers} answers judged, {before / 2**20:.1f} -> {after / 2**20:.1f} MiB resident")
    assert primary.failure is None, primary.failure
    assert result["lost"] == 0 and result["completed"] == result["sent"], result["text"]
    assert result["rcodes"] == {"NOERROR": result["completed"]}, result["text"]
    assert reader.lost == 0 and not reader.wrong, f"{reader.lost} lost; " + "\n".join(reader.wrong[:3])
    assert reader.answers > 50 * SECONDS, reader.answers
    assert rate > 0.9 * RATE, f"only {rate:.1f} publications a second"


if __name__ == "__main__":
    lab.main()
