"""DNS messages: sent, received, captured and compared; checksums; what dnsperf prints."""

import contextlib
import re
import select
import socket
import struct
import time

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from lab_process import LabError

ETH_P_ALL = 3
SO_TIMESTAMPNS = 35


def soa_serial(reply):
    """The serial in the answer section, or None."""
    for rrset in reply.answer:
        if rrset.rdtype == dns.rdatatype.SOA:
            return rrset[0].serial
    return None


def extended_errors(reply):
    """The Extended DNS Error codes of a response (RFC 8914)."""
    return [o.code for o in reply.options if o.otype == dns.edns.EDE]


def sections(reply):
    """What must be equal between two servers: rcode, AA and the three sections, in an order that does not matter."""
    def lines(rrsets):
        return sorted(f"{r.name} {r.ttl} {dns.rdatatype.to_text(r.rdtype)} {x}".lower() for r in rrsets for x in r)
    return (dns.rcode.to_text(reply.rcode()), bool(reply.flags & dns.flags.AA), lines(reply.answer),
            lines(reply.authority), lines(reply.additional))


def checksum(octets):
    """RFC 1071."""
    octets += b"\0" * (len(octets) % 2)
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def exchange_on(s, wire, tcp=False, timeout=2.0):
    """On a connected socket: UDP responses with another id are stale and ignored."""
    end = time.monotonic() + timeout
    if tcp:
        s.settimeout(timeout)
        try:
            s.sendall(struct.pack("!H", len(wire)) + wire)
            return read_framed(s)
        except TimeoutError:
            raise dns.exception.Timeout from None
    s.settimeout(None)
    s.send(wire)
    while True:
        left = end - time.monotonic()
        if left <= 0 or not select.select([s], [], [], left)[0]:
            raise dns.exception.Timeout
        reply = s.recv(65535)
        if reply[:2] == wire[:2]:
            return reply


def read_framed(s):
    """One DNS message from a TCP stream (RFC 1035 4.2.2). EOFError when it ends before."""
    def octets(n):
        out = b""
        while len(out) < n:
            part = s.recv(n - len(out))
            if not part:
                raise EOFError(f"the connection ended after {len(out)} of {n} octets")
            out += part
        return out
    return octets(struct.unpack("!H", octets(2))[0])


def captured(wire):
    """From a packet socket with time stamps: (seconds, whether it left, DNS message) of what goes to or from port 53."""
    while True:
        try:
            frame, control, _, address = wire.recvmsg(65535, 64)
        except BlockingIOError:
            return
        payload = dns_payload(frame)
        if payload is None:
            continue
        seconds, nanoseconds = struct.unpack("qq", control[0][2])
        with contextlib.suppress(dns.exception.DNSException, ValueError):
            yield (seconds + nanoseconds / 1e9, address[2] == socket.PACKET_OUTGOING,
                   dns.message.from_wire(payload))


def dns_payload(frame):
    """The DNS message in an untagged Ethernet frame over UDP, or the first in a TCP segment; None if there is none."""
    kind, ip = frame[12:14], frame[14:]
    if kind == b"\x08\x00" and len(ip) >= 20:
        proto, rest = ip[9], ip[(ip[0] & 15) * 4:struct.unpack("!H", ip[2:4])[0]]
    elif kind == b"\x86\xdd" and len(ip) >= 40:
        proto, rest = ip[6], ip[40:]
    else:
        return None
    if len(rest) < 20 or b"\0\x35" not in (rest[0:2], rest[2:4]):
        return None
    if proto == socket.IPPROTO_UDP:
        return rest[8:]
    if proto == socket.IPPROTO_TCP:
        return rest[(rest[12] >> 4) * 4 + 2:] or None
    return None


def dnsperf_result(text):
    def number(pattern, kind=int):
        found = re.search(pattern, text)
        if not found:
            raise LabError(f"dnsperf: no /{pattern}/ in:\n{text}")
        return kind(found.group(1))
    rcodes = dict((k, int(v)) for k, v in re.findall(r"([A-Z]+) (\d+) \(", text.split("Response codes:")[-1]
                                                     .split("\n")[0]))
    latency = re.search(r"Average Latency \(s\):\s+([\d.]+) \(min ([\d.]+), max ([\d.]+)\)", text)
    return {"sent": number(r"Queries sent:\s+(\d+)"), "completed": number(r"Queries completed:\s+(\d+)"),
            "lost": number(r"Queries lost:\s+(\d+)"), "rcodes": rcodes,
            "qps": number(r"Queries per second:\s+([\d.]+)", float),
            "latency_avg": float(latency.group(1)) if latency else None,
            "latency_max": float(latency.group(3)) if latency else None, "text": text}
