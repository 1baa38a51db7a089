"""A primary as cheap as can be that changes a host zone at a constant rate: for G9, where it has to share a CPU.

    source.py ADDRESS SECONDARY ZONE NAMES BASE SERIAL RATE

Change number i makes serial BASE+i+1 out of BASE+i: one IPv6 address of the zone as write_host_zone() made it is
replaced by another, so that answers with IPv4 addresses can be checked all the time. One of these can go on where
another ended, and whoever has any serial since BASE gets the differences. Whole zones it has not. At SIGTERM it prints
what it did as JSON.
"""

import json
import selectors
import signal
import socket
import struct
import sys
import time

TYPE_SOA, TYPE_AAAA, TYPE_IXFR = 6, 28, 251
QR_AA, NOTIFY_AA, REFUSED = 0x8400, 0x2400, 5
ZONE_NAME = b"\xc0\x0c"  # the name in the question


def wire_name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.rstrip(".").split(".")) + b"\0"


def record(owner, rdtype, rdata):
    return owner + struct.pack("!HHIH", rdtype, 1, 3600, len(rdata)) + rdata


def soa(serial):
    names = b"\3ns1" + ZONE_NAME + b"\x0ahostmaster" + ZONE_NAME
    return record(ZONE_NAME, TYPE_SOA, names + struct.pack("!IIIII", serial, 3600, 600, 1209600, 300))


def host(i, names, prefix):
    """The AAAA record, which every fourth has, of the host that change i is about."""
    at = i * 7919 % (names // 4) * 4
    label = f"h{at:x}".encode()
    return record(bytes([len(label)]) + label + ZONE_NAME, TYPE_AAAA, prefix + struct.pack("!I", at))


def change(base, i, names):
    """The records of one difference."""
    old, new = bytes.fromhex("20010db8" + "0" * 16), bytes.fromhex("20010db8" + "1" * 16)
    return soa(base + i) + host(i, names, old) + soa(base + i + 1) + host(i, names, new)


class Source:
    def __init__(self, address, secondary, zone, names, base, serial, rate):
        self.zone, self.names, self.base, self.serial, self.interval = wire_name(zone), names, base, serial, 1 / rate
        self.counts = {"changes": 0, "soa_queries": 0, "transfers": 0, "refused": 0}
        self.sockets = selectors.DefaultSelector()
        self.udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
        for s, ready in ((self.udp, self.on_udp), (tcp, self.on_connect)):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((address, 53))
            s.setblocking(False)
            self.sockets.register(s, selectors.EVENT_READ, ready)
        tcp.listen(64)
        self.secondary = (secondary, 53)
        self.query_end = 12 + len(self.zone) + 4

    def reply(self, wire):
        """The response to one request."""
        rdtype = struct.unpack_from("!H", wire, self.query_end - 4)[0] if len(wire) >= self.query_end else 0
        question = wire[12:self.query_end]
        if rdtype == TYPE_SOA:
            self.counts["soa_queries"] += 1
            records, cnt = soa(self.serial), 1
        elif rdtype == TYPE_IXFR:
            self.counts["transfers"] += 1
            # The SOA in the authority section ends with its five numbers.
            have = struct.unpack_from("!I", wire, self.soa_end(wire) - 20)[0]
            changes = [change(self.base, i, self.names) for i in range(have - self.base, self.serial - self.base)]
            records = b"".join([soa(self.serial), *changes, *([soa(self.serial)] if changes else [])])
            cnt = 4 * len(changes) + (2 if changes else 1)
        else:
            self.counts["refused"] += 1
            return wire[:2] + struct.pack("!HHHHH", QR_AA | REFUSED, 1, 0, 0, 0) + question
        return wire[:2] + struct.pack("!HHHHH", QR_AA, 1, cnt, 0, 0) + question + records

    def soa_end(self, wire):
        at = self.query_end
        while wire[at] and wire[at] < 0xC0:
            at += 1 + wire[at]
        at += 2 if wire[at] else 1
        return at + 10 + struct.unpack_from("!H", wire, at + 8)[0]

    def on_udp(self, s):
        wire, client = s.recvfrom(512)
        if not wire[2] & 0x80:  # not what answers our NOTIFY
            s.sendto(self.reply(wire), client)

    def on_connect(self, s):
        connection, _ = s.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sockets.register(connection, selectors.EVENT_READ, self.on_stream)

    def on_stream(self, s):
        try:
            octets = s.recv(4096)
            if octets:
                while octets:  # a request is never in two segments here
                    length = struct.unpack_from("!H", octets)[0]
                    answer = self.reply(octets[2:2 + length])
                    s.sendall(struct.pack("!H", len(answer)) + answer)
                    octets = octets[2 + length:]
                return
        except OSError:
            pass
        self.sockets.unregister(s)
        s.close()

    def notify(self):
        self.serial += 1
        self.counts["changes"] += 1
        self.udp.sendto(struct.pack("!HHHHHH", self.serial & 0xFFFF, NOTIFY_AA, 1, 1, 0, 0) + self.zone +
                        struct.pack("!HH", TYPE_SOA, 1) + soa(self.serial), self.secondary)

    def run(self):
        due = time.monotonic() + self.interval
        while True:
            for key, _ in self.sockets.select(max(0, due - time.monotonic())):
                key.data(key.fileobj)
            if time.monotonic() >= due:
                self.notify()
                due += self.interval


def main(address, secondary, zone, names, base, serial, rate):
    source = Source(address, secondary, zone, int(names), int(base), int(serial), float(rate))

    def end(*_):
        print(json.dumps({**source.counts, "serial": source.serial, "cpu_s": time.process_time()}), flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    source.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
