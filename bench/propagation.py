"""Small changes seen from outside: from the moment at which the primary answers with a new serial to the moment at
which the secondary does. For G8a and G8d, rivals in the same run.

Both are asked for the SOA over UDP every tenth of a millisecond while a change is under way, and the time at which the
first answer with the new serial is read counts: each side is late by half a turn on the average, so the difference is not.
NOTIFY is sent from here, from the primary's address, as soon as the primary answers with a new serial: Debian's knotd
waits for a second before it tells others. NOTIFY, SOA queries and the segments of the transfer are stamped by a packet
socket on the same clock. (Such stamps will not do for the answers: here the first packet after a pause was often stamped
with the begin of the pause, which at 20 changes a second made a fifth of them look 49 ms late.)
"""

import bisect
import collections
import contextlib
import ctypes
import math
import os
import select
import socket
import struct
import time

import dns.message
import dns.update

from ground import SPARE_MB, Wait, big_lab, say, write_host_zone
import lab
import servers

ZONE = "host.test."
SERIAL = 2000000000
TURN_S = 0.0001
# A query that got no answer for so long is asked again.
LOST_S = 0.02
# A primary may tell others before we see its new serial.
STARTS_BEFORE_S = 0.002
PR_SET_TIMERSLACK = 29
SO_ATTACH_FILTER = 26
TYPE_AXFR, TYPE_IXFR = 252, 251


def filter_program(secondary):
    """
    For IPv4 without options: TCP, and UDP to port 53 that is a NOTIFY or comes from the secondary. As (code, if true,
    if false, value) of classic BPF.
    """
    address = struct.unpack("!I", socket.inet_aton(secondary))[0]
    return ((0x28, 0, 0, 12), (0x15, 0, 10, 0x0800), (0x30, 0, 0, 23), (0x15, 7, 0, socket.IPPROTO_TCP),
            (0x15, 0, 7, socket.IPPROTO_UDP), (0x28, 0, 0, 36), (0x15, 0, 5, 53), (0x20, 0, 0, 26),
            (0x15, 2, 0, address), (0x30, 0, 0, 44), (0x45, 0, 1, 0x20), (0x6, 0, 0, 512), (0x6, 0, 0, 0))


def stamped(s):
    """Its packets come with the kernel's wall clock, which receive() returns."""
    s.setsockopt(socket.SOL_SOCKET, lab.SO_TIMESTAMPNS, 1)
    s.setblocking(False)
    return s


def receive(s):
    """(wall clock, octets, address) of the next packet, or None."""
    try:
        octets, control, _, address = s.recvmsg(4096, 64)
    except (BlockingIOError, ConnectionRefusedError):
        return None
    seconds, nanoseconds = struct.unpack("qq", control[0][2])
    return seconds + nanoseconds / 1e9, octets, address


def drain(s):
    """What waits in a socket."""
    found = []
    with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
        while True:
            found.append(s.recv(4096))
    return found


def skip_name(wire, at):
    while wire[at]:
        if wire[at] >= 0xC0:
            return at + 2
        at += 1 + wire[at]
    return at + 1


def soa_of(wire):
    """In the response to a SOA query: the serial, and where the answer section ends; or None."""
    if wire[6:8] != b"\0\1":
        return None
    at = skip_name(wire, skip_name(wire, 12) + 4) + 10
    at = skip_name(wire, skip_name(wire, at))
    return struct.unpack_from("!I", wire, at)[0], at + 20


def notify_of(wire):
    """The NOTIFY (RFC 1996 3.7) with the SOA of this response; the pointers in it stay right."""
    _, end = soa_of(wire)
    return struct.pack("!HHHHHH", 1, 0x2400, 1, 1, 0, 0) + wire[12:end]


class Side:
    """One of the two that are asked. `seen`: the serials answered, with the time of the first answer."""

    def __init__(self, net, address):
        self.socket = net.udp(address)
        self.socket.setblocking(False)
        self.query = dns.message.make_query(ZONE, "SOA", flags=0).to_wire()
        self.last, self.seen, self.serial, self.asked = None, [], None, None

    def ask(self, now):
        """Unless an answer is still out."""
        if self.asked is None or now - self.asked > LOST_S:
            with contextlib.suppress(OSError):
                self.socket.send(self.query)
            self.asked = now

    def take(self):
        """Reads what came; the response with a serial that is new, if there is one."""
        new = None
        for wire in drain(self.socket):
            self.asked = None
            # Most answers are those of before.
            if wire == self.last:
                continue
            self.last, soa = wire, soa_of(wire)
            if soa and soa[0] != self.serial:
                self.serial = soa[0]
                self.seen.append((self.serial, time.time()))
                new = wire
        return new


class Follower:
    """Sends changes to the primary and watches both sides, and the packets between them."""

    def __init__(self, net, primary, names):
        self.names, self.made, self.packets, self.next = names, 0, [], 0
        self.updates, self.notifies = net.udp(primary), net.udp(source=primary)
        for s in (self.updates, self.notifies):
            s.setblocking(False)
        self.wire = stamped(net.socket(socket.AF_PACKET, socket.SOCK_RAW, "pri", 0))
        self._filter(filter_program(net.secondary()))
        self.wire.bind(("pri0", lab.ETH_P_ALL))
        self.primary, self.secondary = Side(net, primary), Side(net, net.secondary())

    def _filter(self, program):
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *op) for op in program))
        self.wire.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                             struct.pack("HL", len(program), ctypes.addressof(code)))

    def close(self):
        for s in (self.updates, self.notifies, self.wire, self.primary.socket, self.secondary.socket):
            s.close()

    def change(self):
        """One address of the zone is replaced by another. Never twice the same, whoever follows."""
        self.made += 1
        n = self.primary.seen[0][0] + self.made & 0xFFFF
        update = dns.update.UpdateMessage(ZONE)
        update.replace(f"h{n * 7919 % self.names:x}", 3600, "A", f"172.16.{n >> 8}.{n & 255}")
        self.updates.send(update.to_wire())

    def refused(self):
        """The RCODE of an update that the primary did not take, or None."""
        return next((rcode for wire in drain(self.updates) if (rcode := wire[3] & 15)), None)

    def turn(self):
        """Asks both if it is time to, and waits until something comes or it is time again."""
        now = time.monotonic()
        if now >= self.next:
            self.primary.ask(now)
            self.secondary.ask(now)
            self.next = now + TURN_S
        select.select([self.primary.socket, self.secondary.socket], [], [], max(0, self.next - now))
        if (new := self.primary.take()):
            self.notifies.send(notify_of(new))
        self.secondary.take()
        drain(self.notifies)

    def in_step(self):
        return self.primary.serial is not None and self.primary.serial == self.secondary.serial

    def settle(self, timeout=120):
        """Until both have the same serial."""
        end = time.monotonic() + timeout
        while True:
            self.turn()
            if self.in_step():
                return
            if time.monotonic() > end:
                raise lab.LabError(f"after {timeout} s the primary has {self.primary.serial} and the secondary "
                                   f"{self.secondary.serial}")

    def one(self, timeout=30):
        """One change from the one server to the other."""
        before, end, rcode = self.primary.serial, time.monotonic() + timeout, None
        self.change()
        while self.primary.serial == before or not self.in_step():
            self.turn()
            if time.monotonic() > end or (rcode := self.refused()):
                raise lab.LabError(f"change {self.made}: primary {self.primary.serial}, secondary "
                                   f"{self.secondary.serial}, before it was {before}; RCODE of the update: {rcode}")
        self.note_packets()

    def steadily(self, rate, seconds, note):
        """Changes at a constant rate, whether or not those before have arrived."""
        begin, done = time.monotonic(), 0
        while (now := time.monotonic()) < begin + seconds:
            if now >= begin + done / rate:
                self.change()
                done += 1
                if done % (rate * 10) == 0:
                    note(f"{done} changes")
            elif self.in_step() and begin + done / rate - now > 0.002:
                # Nothing to watch until the next: the cores belong to the servers.
                self.note_packets()
                time.sleep(begin + done / rate - now - 0.001)
            self.turn()
            if (rcode := self.refused()):
                raise lab.LabError(f"the primary refuses a change with RCODE {rcode}")
        self.settle(30)

    def latencies(self):
        """Per serial that the primary had: seconds until the secondary had it or a later one."""
        out, later = [], iter(self.secondary.seen)
        serial, at = next(later)
        for wanted, since in self.primary.seen:
            while (serial - wanted) & 0x80000000:
                serial, at = next(later)
            out.append({"serial": wanted, "at": since, "ms": (at - since) * 1e3})
        return out[1:]  # the first was there before

    def note_packets(self):
        """Keeps when the packets passed that tell the stages of a change."""
        while (packet := receive(self.wire)):
            at, frame, address = packet
            if (kind := kind_of(frame, address[2] == socket.PACKET_OUTGOING)):
                self.packets.append((at, kind))

    def results(self):
        changes = self.latencies()
        self.note_packets()
        add_stages(changes, self.packets)
        return changes


def kind_of(frame, outgoing):
    ip = frame[14:]
    if ip[9] == socket.IPPROTO_UDP:
        return "notify" if outgoing else "soa"
    tcp = ip[20:]
    payload = tcp[(tcp[12] >> 4) * 4:struct.unpack_from("!H", ip, 2)[0] - 20]
    if not outgoing and tcp[13] & 0x12 == 0x02:
        return "connect"
    if not outgoing and len(payload) > 14:
        at = skip_name(payload, 14)
        return "request" if struct.unpack_from("!H", payload, at)[0] in (TYPE_AXFR, TYPE_IXFR) else "soa"
    return "answer" if outgoing and payload else None


def add_stages(latencies, packets):
    """
    To each change, the milliseconds from its being visible at the primary to the packets that belong to it: of a kind
    the first, of the primary's segments the last.
    """
    starts = [c["at"] - STARTS_BEFORE_S for c in latencies]
    for change in latencies:
        change["stages"] = {}
    for at, kind in packets:
        i = bisect.bisect(starts, at) - 1
        if i >= 0 and (kind == "answer" or kind not in latencies[i]["stages"]):
            latencies[i]["stages"][kind] = (at - latencies[i]["at"]) * 1e3


@contextlib.contextmanager
def precise_sleep():
    """
    This thread sleeps as long as it says, is not kept from waking by what runs, and is always in the way of the same CPU:
    the last. The kernel leaves it where it happens to be, and who is to be measured there is several times slower.
    """
    lab.libc.prctl(PR_SET_TIMERSLACK, 1000)
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cpus)})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)
        os.sched_setaffinity(0, cpus)
        lab.libc.prctl(PR_SET_TIMERSLACK, 0)


# --- measurements -------------------------------------------------------------------------------------------------

FIELD = (servers.Lockstep, servers.LockstepDirect, *servers.RIVALS)


@contextlib.contextmanager
def ground_with_primary(kind, names):
    """A lab with a server that takes changes to a zone of so many names and keeps differences: one of lab.CHANGING."""
    with big_lab(servers.PACKET_MEMORY_MB + SPARE_MB, names) as net:
        file = write_host_zone(net.dir / "changed.zone", ZONE, names, SERIAL)
        with Wait(f"the primary, {kind}, loads {ZONE} with {names:,} names"):
            lab.CHANGING[kind](net, {ZONE: file}, [lab.PRIMARY], False, []).start()
        yield net


@contextlib.contextmanager
def following(net, cls, names):
    """A fresh secondary that has the zone, and who watches it."""
    with cls(net, [ZONE]) as server, contextlib.closing(Follower(net, lab.PRIMARY, names)) as follower:
        with precise_sleep():
            follower.settle()
            yield server, follower


def one_by_one(net, cls, names, changes, pause):
    """Changes, each when the one before has arrived."""
    with following(net, cls, names) as (server, follower):
        time.sleep(1)  # what is left to do after a first transfer
        for _ in range(changes):
            follower.one()
            time.sleep(pause)
        server.check_alive()
        return follower.results()


@contextlib.contextmanager
def or_absent(cls, absent):
    """A rival that cannot be measured is named with the reason; that we cannot be is an error."""
    try:
        yield
    except lab.LabError as e:
        if cls is servers.Lockstep:
            raise
        absent[cls.label] = str(e)
        say(f"  {cls.label} is not measured: {e}")


def measure_single(quick):
    """G8a: rounds of single changes, the servers in turn. Returns the changes."""
    names, rounds, changes, pause = (20000, 1, 10, 0.05) if quick else (1000000, 3, 40, 0.25)
    found, absent = [], {}
    with ground_with_primary("knotd", names) as net:
        for i in range(rounds):
            for cls in [c for c in FIELD if c.label not in absent]:
                with or_absent(cls, absent), \
                        Wait(f"round {i + 1} of {rounds}: {cls.label} follows {changes} changes, one by one"):
                    found += [{"round": i + 1, "server": cls.label, "names": names, **c}
                              for c in one_by_one(net, cls, names, changes, pause)]
    return found, absent


def steady(net, cls, names, rate, seconds):
    with Wait(f"{cls.label} follows {rate} changes a second for {seconds} s") as w:
        with following(net, cls, names) as (server, follower):
            time.sleep(1)
            follower.steadily(rate, seconds, w.note)
            server.check_alive()
            return [{"server": cls.label, "names": names, "rate": rate, **c} for c in follower.results()]


def measure_steady(quick):
    """G8d: 20 changes a second, lockstepd for ten minutes and the others for half of one; returns the changes."""
    names, seconds, rivals_seconds = (100000, 10, 0) if quick else (1000000, 600, 30)
    found, absent = [], {}
    with ground_with_primary("named-update", names) as net:
        for cls in FIELD if rivals_seconds else FIELD[:1]:
            with or_absent(cls, absent):
                found += steady(net, cls, names, 20, seconds if cls is servers.Lockstep else rivals_seconds)
    return found, absent


def percentile(changes, label, share):
    """Of the milliseconds of one server: the least that `share` of its changes do not exceed."""
    values = sorted(c["ms"] for c in changes if c["server"] == label)
    return values[max(0, math.ceil(len(values) * share) - 1)]


def percentiles(changes, share):
    return {label: percentile(changes, label, share) for label in dict.fromkeys(c["server"] for c in changes)}


def spread(changes):
    """How many changes each server followed, and how long they took: a line for each."""
    counts = collections.Counter(c["server"] for c in changes)
    return [f"  {label}: {count:,} changes, p50 {percentile(changes, label, 0.5):.2f} ms, "
            f"p99 {percentile(changes, label, 0.99):.2f} ms, max {percentile(changes, label, 1):.2f} ms"
            for label, count in counts.items()]
