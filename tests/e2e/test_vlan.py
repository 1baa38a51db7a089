#!/usr/bin/python3
"""
VLAN-tagged frames: queries in one or two tags are answered in the same tags. Hand-made frames show it on every kernel;
with the kernel's own VLAN devices TCP, ping and whole transfers work behind the tags too.
"""

import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab

import dns.flags
import dns.message
import dns.opcode
import dns.rcode

ZONE = "example."
CTAG, STAG = 0x8100, 0x88a8
SOL_PACKET, PACKET_AUXDATA, VLAN_VALID = 263, 8, 1 << 4
# Name of the interface, the one below it, protocol, tag, address on the primary's side and on ours (/24 or /64).
SINGLE = ("100", "0", "802.1Q", 100, ("10.53.100.1", "fd53:100::1"), ("10.53.100.2", "fd53:100::2"))
OUTER = ("200", "0", "802.1ad", 200, (), ())
INNER = ("200.5", "200", "802.1Q", 5, ("10.53.200.1", "fd53:200::1"), ("10.53.200.2", "fd53:200::2"))


# --- hand-made frames -------------------------------------------------------------------------------------------


def frame(net, source, server, port, payload, tags):
    """payload in UDP from source:port to server:53, tags: (ethertype, tci) from the outside in."""
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    src, dst = socket.inet_pton(family, source), socket.inet_pton(family, server)
    udp_len = 8 + len(payload)
    pseudo = src + dst + struct.pack("!II", udp_len, socket.IPPROTO_UDP)
    udp = struct.pack("!HHHH", port, 53, udp_len, 0) + payload
    udp = udp[:6] + struct.pack("!H", lab.checksum(pseudo + udp) or 0xffff) + payload
    if family == socket.AF_INET:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + udp_len, 1, 0, 64, socket.IPPROTO_UDP, 0) + src + dst
        ip = ip[:10] + struct.pack("!H", lab.checksum(ip)) + ip[12:]
        kind = 0x0800
    else:
        ip = struct.pack("!IHBB", 6 << 28, udp_len, socket.IPPROTO_UDP, 64) + src + dst
        kind = 0x86dd
    stack = b"".join(struct.pack("!HH", *t) for t in tags)
    return net.mac("sec") + net.mac("pri") + stack + struct.pack("!H", kind) + ip + udp


def response(wire, port, timeout=2):
    """The tags and the DNS message of the UDP datagram to our port that arrives on the packet socket; checks its sums."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        wire.settimeout(max(0.01, end - time.monotonic()))
        try:
            data, control, _, address = wire.recvmsg(65535, 64)
        except TimeoutError:
            break
        if address[2] == socket.PACKET_OUTGOING:
            continue
        tags, at = [], 14
        for level, kind, aux in control:
            # The kernel takes the outermost tag out of the frame and tells it here.
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", aux[:20])
                tags += [(tpid, tci)] if status & VLAN_VALID else []
        ethertype = struct.unpack("!H", data[12:14])[0]
        while ethertype in (CTAG, STAG):
            tci, inner = struct.unpack("!HH", data[at:at + 4])
            tags.append((ethertype, tci))
            ethertype, at = inner, at + 4
        if ethertype == 0x0800 and data[at + 9] == socket.IPPROTO_UDP:
            header = data[at:at + 20]
            assert lab.checksum(header) == 0, "IPv4 header checksum"
            src, dst, udp = data[at + 12:at + 16], data[at + 16:at + 20], data[at + 20:]
        elif ethertype == 0x86dd and data[at + 6] == socket.IPPROTO_UDP:
            src, dst, udp = data[at + 8:at + 24], data[at + 24:at + 40], data[at + 40:]
        else:
            continue
        from_port, to_port, length, total = struct.unpack("!HHHH", udp[:8])
        if (from_port, to_port) != (53, port):
            continue
        pseudo = src + dst + struct.pack("!II", length, socket.IPPROTO_UDP)
        assert total != 0 and lab.checksum(pseudo + udp[:length]) == 0, "UDP checksum"
        return tags, dns.message.from_wire(udp[8:length])
    raise AssertionError(f"no response to port {port} within {timeout} s")


def packet_socket(net):
    wire = net.socket(socket.AF_PACKET, socket.SOCK_RAW, "pri", socket.htons(lab.ETH_P_ALL))
    wire.bind(("pri0", 0))
    wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    return wire


# Tags as a switch port may send them; 0x2064 has a priority beside tag 100, which the answer keeps.
STACKS = [[], [(CTAG, 100)], [(CTAG, 0x2064)], [(STAG, 200), (CTAG, 5)], [(CTAG, 200), (CTAG, 5)]]
PAIRS = [(lab.PRIMARY, lab.SECONDARY), (lab.PRIMARY6, lab.SECONDARY6)]


def test_answer_carries_the_tags_of_its_query(net):
    serve(net, [])
    with packet_socket(net) as wire:
        for number, (tags, (source, server)) in enumerate((t, p) for t in STACKS for p in PAIRS):
            query = dns.message.make_query("www.example.", "A", use_edns=0)
            wire.send(frame(net, source, server, 40000 + number, query.to_wire(), tags))
            back, reply = response(wire, 40000 + number)
            assert back == tags, f"{server}: asked in {tags}, answered in {back}"
            assert query.is_response(reply) and reply.answer, reply


def test_notify_in_a_vlan_is_answered_in_it(net):
    """The control loop's answers go back the way the request came, tags included."""
    serve(net, [])
    with packet_socket(net) as wire:
        for number, (tags, (source, server)) in enumerate((t, p) for t in STACKS for p in PAIRS[:1]):
            notify = dns.message.make_query(ZONE, "SOA")
            notify.set_opcode(dns.opcode.NOTIFY)
            wire.send(frame(net, source, server, 41000 + number, notify.to_wire(), tags))
            back, reply = response(wire, 41000 + number)
            assert back == tags and reply.rcode() == dns.rcode.NOERROR, f"{tags} {back}\n{reply}"


# --- the kernel's VLAN devices ------------------------------------------------------------------------------------


def add_vlans(net, *vlans):
    probe = lab.run(["ip", "-n", net.ns["pri"], "link", "add", "link", "pri0", "name", "probe", "type", "vlan", "id",
                     "1"], check=False)
    if "Unknown device type" in probe.stderr:
        raise lab.Skip("this kernel has no VLAN devices (module 8021q); the hand-made frames cover the data path")
    lab.run(["ip", "-n", net.ns["pri"], "link", "del", "probe"])
    for side, addresses in (("pri", 4), ("sec", 5)):
        for vlan in vlans:
            name, below, protocol, tag = vlan[:4]
            ip = ["ip", "-n", net.ns[side]]
            lab.run([*ip, "link", "add", "link", side + below, "name", side + name, "type", "vlan", "protocol",
                     protocol, "id", tag])
            # Without this the tag would travel beside the frame, as it never does on a wire.
            net.run_in(side, ["ethtool", "-K", side + name, "tx", "off", "txvlan", "off"], check=False)
            for address in vlan[addresses]:
                v6 = ":" in address
                lab.run([*ip, "addr", "add", address + ("/64" if v6 else "/24"), "dev", side + name,
                         *(["nodad"] if v6 else [])])
            lab.run([*ip, "link", "set", side + name, "up"])


def answered(net, vlan):
    """UDP and TCP, over IPv4 and IPv6, small and truncated, to our addresses behind the tags."""
    for server in vlan[5]:
        before = net.daemon.counter("net", "rx_queries")
        for _ in range(20):
            reply = net.dig("www.example.", "A", server=server, edns=0, tries=3)
            assert reply.rcode() == dns.rcode.NOERROR and reply.answer, reply
        assert net.daemon.counter("net", "rx_queries") >= before + 20, "the answers did not come from the data path"
        large = net.dig("large.example.", "TXT", server=server, tries=3)
        assert large.flags & dns.flags.TC, large
        assert net.dig("large.example.", "TXT", server=server, tcp=True).answer, "over TCP"
        assert net.run_in("pri", ["ping", "-c1", "-W2", server], check=False).returncode == 0, f"ping {server}"


def serve(net, vlans):
    listen = [a.split("/")[0] for a in net.sec_addresses] + [a for v in vlans for a in v[5]]
    large = [f"large TXT \"{'x' * 200}{i}\"" for i in range(10)]
    net.knotd({ZONE: lab.zone_text(ZONE, 1, extra=large)})
    net.lockstepd([ZONE], change={"server": {"listen": listen}})
    net.wait_serial(ZONE, 1)


def test_queries_in_a_vlan_are_answered_in_it(net):
    add_vlans(net, SINGLE)
    serve(net, [SINGLE])
    answered(net, SINGLE)


def test_queries_in_two_tags_are_answered_in_both(net):
    add_vlans(net, OUTER, INNER)
    serve(net, [INNER])
    answered(net, INNER)


def test_untagged_one_and_two_tags_side_by_side(net):
    add_vlans(net, SINGLE, OUTER, INNER)
    serve(net, [SINGLE, INNER])
    for _ in range(3):
        answered(net, SINGLE)
        answered(net, INNER)
        assert net.dig("www.example.", "A").answer


def test_primary_behind_a_vlan_is_followed(net):
    """NOTIFY arrives tagged and is answered tagged; SOA queries and transfers leave through the kernel's VLAN device."""
    add_vlans(net, SINGLE)
    primary = net.knotd({ZONE: lab.zone_text(ZONE, 1)}, addresses=[SINGLE[4][0]], notify=False)
    net.lockstepd([ZONE], change={"server": {"listen": [lab.SECONDARY, SINGLE[5][0]]},
                                  "primaries": [{"name": "first", "address": SINGLE[4][0]}]})
    net.wait_serial(ZONE, 1)
    primary.update(ZONE, lab.zone_text(ZONE, 2))
    reply = net.notify(ZONE, 2, source=SINGLE[4][0], server=SINGLE[5][0])
    assert reply.rcode() == dns.rcode.NOERROR, reply
    net.wait_serial(ZONE, 2, timeout=3)


if __name__ == "__main__":
    lab.main()
