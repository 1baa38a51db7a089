#!/usr/bin/python3
"""Writes the seeds of corpus/frame: a frame of every form that is told apart. See fuzz_frame.c for the format."""

import socket
import struct
from pathlib import Path

TARGET = Path(__file__).resolve().parent / "corpus" / "frame"
QUERY = bytes.fromhex("1234000000010000000000000377777707") + b"example\0\0\x01\0\x01"
MAC_EXACT, PARTIAL, VERIFIED = 4, 8, 3
ADDRESSES = {4: ("198.51.100.7", "192.0.2.1"), 6: ("2001:db8::7", "2001:db8::1")}


def total(octets):
    octets += b"\0" * (len(octets) % 2)
    n = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return n


def frame(family=4, tags=(), options=b"", sport=50000, fragment=0, udp_sum=None):
    """udp_sum: a number, "partial" for the sum of the pseudo header alone, None for the right one."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    addresses = b"".join(socket.inet_pton(kind, a) for a in ADDRESSES[family])
    length = 8 + len(QUERY)
    pseudo = addresses + struct.pack("!II", length, 17)
    udp = struct.pack("!HHHH", sport, 53, length, 0) + QUERY
    if udp_sum is None:
        udp_sum = ~total(pseudo + udp) & 0xffff or 0xffff
    elif udp_sum == "partial":
        udp_sum = total(pseudo)
    udp = udp[:6] + struct.pack("!H", udp_sum) + QUERY
    if family == 4:
        header = 20 + len(options)
        ip = struct.pack("!BBHHHBBH", 0x40 | header // 4, 0, header + length, 1, fragment, 64, 17, 0) + addresses + options
        ip = ip[:10] + struct.pack("!H", ~total(ip) & 0xffff) + ip[12:]
    else:
        ip = struct.pack("!IHBB", 6 << 28, length, 17, 64) + addresses
    ethernet = bytes.fromhex("020000000001020000000002") + b"".join(struct.pack("!HH", *t) for t in tags)
    return ethernet + struct.pack("!H", 0x0800 if family == 4 else 0x86dd) + ip + udp


SEEDS = {
    "ipv4": (MAC_EXACT, frame()),
    "ipv6": (MAC_EXACT, frame(6)),
    "vlan": (MAC_EXACT, frame(tags=[(0x8100, 7)])),
    "qinq6": (MAC_EXACT, frame(6, tags=[(0x88a8, 7), (0x8100, 8)])),
    "options": (0, frame(options=b"\x01" * 40)),
    "route": (0, frame(options=b"\x83\x03\x04\0")),
    "fragment": (0, frame(fragment=0x2000)),
    "nochecksum": (0, frame(udp_sum=0)),
    "nochecksum6": (0, frame(6, udp_sum=0)),
    "wrongsum": (VERIFIED, frame(udp_sum=1)),
    "partial": (PARTIAL, frame(udp_sum="partial")),
    "port53": (0, frame(sport=53)),
    "runt": (0, frame()[:40]),
    "padded": (0, frame() + b"\xa5" * 30),
    "arp": (0, bytes.fromhex("ffffffffffff0200000000020806") + bytes(28)),
}

if __name__ == "__main__":
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, (options, octets) in SEEDS.items():
        (TARGET / name).write_bytes(bytes([options]) + octets)
