"""A primary that does exactly what a test tells it to, wrong things included.

    primary = ScriptedPrimary(net)                        # 10.53.0.1 in the primary's namespace, UDP and TCP
    zone = primary.zone("example.", serial=1, hosts=10)   # SOA, NS, ns1, h0..h9
    primary.transfer = cut_after_messages(3)              # from now on; `primary.once = ...` for the next one only
    primary.probe = answer_with(id=lambda i: i ^ 1)       # the same for SOA queries; `primary.probe_once`
    primary.notify("example.")                            # tells the secondary

    primary.datagram = answer_with(...)                   # the same for transfers that are asked for over UDP

It speaks DNS on its own, octet by octet, so that it can also say what no library would. What it has seen is in
`primary.probes`, `primary.transfers` and `primary.datagrams`, one entry each.
"""

import contextlib
import random
import socket
import struct
import threading
import time

import dns.name

from lab_process import PRIMARY, wait_until

QUERY, NOTIFY = 0, 4
A, NS, CNAME, SOA, TXT, MX, OPT, IXFR, AXFR = 1, 2, 5, 6, 16, 15, 41, 251, 252
IN, CH = 1, 3
QR, AA, TC = 0x8000, 0x0400, 0x0200
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH = 0, 1, 2, 3, 4, 5, 9


def wire_name(text):
    return dns.name.from_text(text).to_wire()


class Record:
    def __init__(self, owner, rdtype, rdata, ttl=300, rdclass=IN, rdlength=None):
        self.owner, self.type, self.rdata, self.ttl, self.rdclass = owner, rdtype, rdata, ttl, rdclass
        self.rdlength = len(rdata) if rdlength is None else rdlength

    def wire(self):
        owner = self.owner if isinstance(self.owner, bytes) else wire_name(self.owner)
        return owner + struct.pack("!HHIH", self.type, self.rdclass, self.ttl, self.rdlength) + self.rdata


def soa(origin, serial, refresh=3600, retry=600, expire=86400, minimum=300, owner=None):
    rdata = wire_name(f"ns1.{origin}" if origin != "." else "ns1.") + wire_name("hostmaster." + origin.lstrip("."))
    rdata += struct.pack("!IIIII", serial, refresh, retry, expire, minimum)
    return Record(owner or origin, SOA, rdata)


class Zone:
    """One version of a zone. Change `records` (without the SOA) as you like; `timers` are those of the SOA."""

    def __init__(self, origin, serial, hosts=10, **timers):
        self.origin, self.serial, self.timers = origin, serial, timers
        self.records = [Record(origin, NS, wire_name(f"ns1.{origin}")),
                        Record(f"ns1.{origin}", A, bytes([192, 0, 2, 1]))]
        self.records += [Record(f"h{i}.{origin}", A, bytes([198, 18, i >> 8 & 255, i & 255])) for i in range(hosts)]

    def soa(self):
        return soa(self.origin, self.serial, **self.timers)


class Request:
    def __init__(self, wire):
        self.wire = wire
        self.id, self.flags, qd, _, _, self.ar = struct.unpack("!HHHHHH", wire[:12])
        self.opcode = self.flags >> 11 & 15
        assert qd == 1, "a request without question"
        name, used = dns.name.from_wire(wire, 12)
        self.name = name.to_text()
        self.type, self.rdclass = struct.unpack("!HH", wire[12 + used:16 + used])
        self.question = wire[12:16 + used]
        self.edns = self.ar > 0


def message(request, records=(), flags=QR | AA, rcode=0, question=True, opcode=None, **change):
    """A response. change: id, flags, question (octets or False), opcode, qdcount, ancount, authority, additional,
    tail; values may be functions of what would have been."""
    def changed(key, value):
        c = change.get(key, value)
        return c(value) if callable(c) else c
    opcode = request.opcode if opcode is None else opcode
    asked = request.question if question is True else question or b""
    authority, additional = change.get("authority", ()), change.get("additional", ())
    header = struct.pack("!HHHHHH", changed("id", request.id) & 0xFFFF, flags & ~0x780F | opcode << 11 | rcode,
                         changed("qdcount", 1 if asked else 0), changed("ancount", len(records)), len(authority),
                         len(additional))
    return header + asked + b"".join(r.wire() for r in (*records, *authority, *additional)) + change.get("tail", b"")


def framed(m):
    return struct.pack("!H", len(m)) + m


# --- answers to a transfer request: functions of a Session ---

class Session:
    """One transfer request on a connection."""

    def __init__(self, primary, sock, request, zone):
        self.primary, self.sock, self.request, self.zone = primary, sock, request, zone

    def messages(self, per_message=None, records=None):
        """The messages of an AXFR as it should be."""
        per_message = per_message or self.primary.per_message
        if records is None:
            records = [self.zone.soa(), *self.zone.records, self.zone.soa()]
        return [message(self.request, records[i:i + per_message]) for i in range(0, len(records), per_message)]

    def stream(self, **kw):
        return b"".join(framed(m) for m in self.messages(**kw))

    def send(self, octets):
        self.sock.sendall(octets)


def whole(s):
    s.send(s.stream())


def cut_after_messages(cnt):
    def fault(s):
        s.send(b"".join(framed(m) for m in s.messages()[:cnt]))
    return fault


def cut_after_octets(cnt):
    def fault(s):
        s.send(s.stream()[:cnt])
    return fault


def reset_after_messages(cnt):
    """RST instead of FIN."""
    def fault(s):
        s.send(b"".join(framed(m) for m in s.messages()[:cnt]))
        time.sleep(0.05)
        s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return fault


def in_segments(size, delay=0.0):
    """Each segment leaves on its own."""
    def fault(s):
        octets = s.stream()
        for i in range(0, len(octets), size):
            s.send(octets[i:i + size])
            if delay:
                time.sleep(delay)
    return fault


def per_message(cnt):
    return lambda s: s.send(s.stream(per_message=cnt))


def silent(s):
    """Accepts, reads, says nothing, until the other side has had enough."""
    with contextlib.suppress(OSError):
        s.sock.settimeout(60)
        s.sock.recv(1)


def stalled_after_messages(cnt):
    def fault(s):
        s.send(b"".join(framed(m) for m in s.messages()[:cnt]))
        silent(s)
    return fault


def dripping(octets_per_second):
    """Never idle, never done."""
    def fault(s):
        with contextlib.suppress(OSError):
            for b in s.stream():
                s.send(bytes([b]))
                time.sleep(1 / octets_per_second)
    return fault


def refused_with(rcode, question=True):
    return lambda s: s.send(framed(message(s.request, rcode=rcode, question=question)))


def raw(make):
    """make(session) returns the octets of the stream."""
    return lambda s: s.send(make(s))


def records(make):
    """make(session) returns the records in place of SOA, records, SOA."""
    return lambda s: s.send(s.stream(records=make(s)))


def with_messages(change):
    """change(session, list of messages) returns the list to send."""
    return lambda s: s.send(b"".join(framed(m) for m in change(s, s.messages())))


def endless(make_record, begin=True):
    """The SOA (unless the test has begun itself), then records for as long as somebody reads."""
    def fault(s):
        with contextlib.suppress(OSError):
            if begin:
                s.send(framed(message(s.request, [s.zone.soa()])))
            i = 0
            while True:
                s.send(b"".join(framed(message(s.request, [make_record(s, i + k) for k in range(100)]))
                                for _ in range(10)))
                i += 100
    return fault


# --- answers to a SOA query: functions of (primary, request, zone, tcp) that return octets or None ---

def answer(primary, request, zone, tcp):
    return message(request, [zone.soa()])


def answer_with(records=None, **change):
    """The right answer with changes; see message()."""
    def fault(primary, request, zone, tcp):
        return message(request, [zone.soa()] if records is None else records(zone), **change)
    return fault


def no_answer(primary, request, zone, tcp):
    return None


class ScriptedPrimary:
    def __init__(self, lab, address=PRIMARY, port=53, ns="pri", drops_syn=False):
        """drops_syn: over TCP nothing is answered at all, as behind a packet filter."""
        self.lab, self.address, self.port, self.ns, self.drops_syn = lab, address, port, ns, drops_syn
        self.zones = {}
        self.per_message = 2
        self.transfer, self.once = whole, None
        self.probe, self.probe_once = answer, None
        self.datagram = answer_with(records=lambda z: [], rcode=NOTIMP)
        self.probes, self.transfers, self.datagrams, self.errors = [], [], [], []
        self.open, self.client = set(), None
        self.start()

    def start(self):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self.stopping = False
        self.udp = self.lab.socket(family, socket.SOCK_DGRAM, self.ns)
        self.tcp = self.lab.socket(family, socket.SOCK_STREAM, self.ns)
        for s in (self.udp, self.tcp):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((self.address, self.port))
            s.settimeout(0.2)
        self.tcp.listen(0 if self.drops_syn else 128)
        if self.drops_syn:
            self._fill_backlog(family)
        serve = [self._serve_udp] if self.drops_syn else [self._serve_udp, self._serve_tcp]
        self.threads = [threading.Thread(target=f, daemon=True) for f in serve]
        for t in self.threads:
            t.start()

    def _fill_backlog(self, family):
        """Connections that nobody accepts: the kernel drops the SYNs of all that come after them."""
        for _ in range(3):
            s = self.lab.socket(family, socket.SOCK_STREAM, self.ns)
            s.setblocking(False)
            s.connect_ex((self.address, self.port))
            self.open.add(s)

    def stop(self):
        """Closes everything: whoever asks gets ICMP errors and resets. start() brings it back."""
        self.stopping = True
        for t in self.threads:
            t.join(10)
        for s in (self.udp, self.tcp, *tuple(self.open)):
            # A thread that waits for the socket would keep it open.
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                s.close()
        self.open.clear()

    def zone(self, origin, serial, hosts=10, **timers):
        """Adds a zone, or replaces it by a new version."""
        self.zones[origin.lower()] = Zone(origin, serial, hosts, **timers)
        return self.zones[origin.lower()]

    def notify(self, origin, serial=None, hint=True, source=None, **kw):
        """NOTIFY with the zone's serial (or `serial`, or none); returns the response."""
        if serial is None and hint:
            serial = self.zones[origin.lower()].serial
        return self.lab.notify(origin, serial, source=source or self.address, **kw)

    def wait_transfers(self, cnt, timeout=10):
        wait_until(lambda: len(self.transfers) >= cnt, timeout, lambda: f"{cnt} transfers; {len(self.transfers)} came")

    def wait_probes(self, cnt, timeout=10):
        wait_until(lambda: len(self.probes) >= cnt, timeout, lambda: f"{cnt} SOA queries; {len(self.probes)} came")

    def _zone_of(self, request):
        return self.zones.get(request.name.lower())

    def _answer(self, request, tcp):
        zone = self._zone_of(request)
        if zone is None:
            return message(request, rcode=REFUSED)
        how, self.probe_once = self.probe_once or self.probe, None
        self.probes.append((time.monotonic(), request, tcp))
        return how(self, request, zone, tcp)

    def _answer_datagram(self, request):
        zone = self._zone_of(request)
        self.datagrams.append((time.monotonic(), request))
        return message(request, rcode=REFUSED) if zone is None else self.datagram(self, request, zone, False)

    def _serve_udp(self):
        while not self.stopping:
            try:
                wire, client = self.udp.recvfrom(65535)
                self.client = client
                request = Request(wire)
                reply = self._answer(request, False) if request.type == SOA else self._answer_datagram(request)
                for r in reply if isinstance(reply, list) else [reply]:
                    if r is not None:
                        self.udp.sendto(r, client)
            except TimeoutError:
                continue
            except OSError:
                # An ICMP error for an earlier answer.
                continue
            except Exception as e:  # pylint: disable=broad-except
                self.errors.append(e)

    def _serve_tcp(self):
        while not self.stopping:
            try:
                s, _ = self.tcp.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open.add(s)
            threading.Thread(target=self._serve_connection, args=(s,), daemon=True).start()

    def _serve_connection(self, s):
        try:
            while self._serve_request(s):
                pass
        except (OSError, EOFError):
            pass
        except Exception as e:  # pylint: disable=broad-except
            self.errors.append(e)
        finally:
            self.open.discard(s)
            s.close()

    def _serve_request(self, s):
        """Whether the connection goes on."""
        head = s.recv(2, socket.MSG_WAITALL)
        if len(head) < 2:
            return False
        request = Request(s.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL))
        zone = self._zone_of(request)
        if request.type == SOA:
            reply = self._answer(request, True)
            if reply is not None:
                s.sendall(framed(reply))
            return reply is not None
        if zone is None:
            s.sendall(framed(message(request, rcode=NOTAUTH)))
            return True
        how, self.once = self.once or self.transfer, None
        self.transfers.append((time.monotonic(), request))
        how(Session(self, s, request, zone))
        # What was sent may be cut: nothing can follow on this connection. FIN or RST, as the fault set it.
        return False


def random_octets(cnt, seed):
    return random.Random(seed).randbytes(cnt)
