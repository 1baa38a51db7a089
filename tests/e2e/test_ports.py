#!/usr/bin/python3
"""
Ports: what the workers keep and what they leave to the kernel, over AF_XDP, a bound port with an exception interface
(a TAP stands for the wire), and memif. Frames of every odd form are answered, passed on, or dropped under a name.
"""

import contextlib
import os
import re
import select
import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from bound_port import WIRE4, WIRE6, counters, forget_neighbours, grown, plug, wire_port

import dns.exception
import dns.flags
import dns.message
import dns.rcode

ZONE = "example."
SECOND4, SECOND6 = "10.53.0.20", "fd53::20"   # a second pair of listen addresses
FOREIGN4 = "10.53.0.30"                       # on sec0, but not a listen address


def serve(net, listen=(), **change):
    net.knotd({ZONE: lab.zone_text(ZONE, 1, extra=[f"large TXT \"{'x' * 200}{i}\"" for i in range(10)])})
    addresses = [a.split("/")[0] for a in net.sec_addresses] + list(listen)
    daemon = net.lockstepd([ZONE], change={"server": {"listen": addresses}, **change})
    net.wait_state(ZONE, "current")
    return daemon


def ping(net, address, ns="pri"):
    assert net.run_in(ns, ["ping", "-c2", "-i0.2", "-W2", "-q", address], check=False).returncode == 0, f"ping {address}"


@contextlib.contextmanager
def udp_echo(net, address, port):
    """A kernel socket in namespace sec; yields a function that answers one datagram."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with net.socket(family, socket.SOCK_DGRAM, "sec") as s:
        s.bind((address, port))

        def turn():
            assert select.select([s], [], [], 2)[0], f"nothing arrived at {address} port {port}"
            data, peer = s.recvfrom(65535)
            s.sendto(data, peer)
        yield turn


def echoed(net, address, port, data=b"hello"):
    """Does a datagram reach the kernel's socket and its answer come back?"""
    with udp_echo(net, address, port) as turn, net.udp(address, port=port) as client:
        client.send(data)
        turn()
        client.settimeout(2)
        assert client.recv(65535) == data


def answered(net, server, tcp=False, tries=3):
    reply = net.dig(f"www.{ZONE}", "A", server=server, tcp=tcp, tries=tries)
    assert reply.rcode() == dns.rcode.NOERROR and reply.answer, reply


def two_cpus():
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise lab.Skip("two workers need two CPUs")
    return cpus[:2]


# --- AF_XDP -----------------------------------------------------------------------------------------------------


def test_af_xdp_answers_dns_and_leaves_the_rest_to_the_kernel(net):
    serve(net)
    for address in lab.SECONDARY, lab.SECONDARY6:
        before = counters(net)
        forget_neighbours(net, "pri0")
        ping(net, address)  # ARP, ND and ICMP
        answered(net, address)
        answered(net, address, tcp=True)
        echoed(net, address, 5353)
        assert counters(net)["rx_queries"] == before["rx_queries"] + 1, "one UDP query, and nothing else was ours"


def test_port_53_of_other_addresses_is_the_kernels(net):
    net.run_in("sec", ["ip", "addr", "add", f"{FOREIGN4}/24", "dev", "sec0"])
    serve(net)
    before = counters(net)
    echoed(net, FOREIGN4, 53, dns.message.make_query(ZONE, "SOA").to_wire())
    assert counters(net)["rx_queries"] == before["rx_queries"]


def test_several_addresses_of_both_families_are_answered_from_the_address_asked(net):
    net.run_in("sec", ["ip", "addr", "add", f"{SECOND4}/24", "dev", "sec0"])
    net.run_in("sec", ["ip", "addr", "add", f"{SECOND6}/64", "dev", "sec0", "nodad"])
    serve(net, listen=[SECOND4, SECOND6])
    for address in lab.SECONDARY, lab.SECONDARY6, SECOND4, SECOND6:
        answered(net, address)  # connected sockets: an answer from elsewhere does not arrive
        answered(net, address, tcp=True)


def test_large_answers_are_truncated_to_what_the_client_takes(net):
    serve(net)
    for address in lab.SECONDARY, lab.SECONDARY6:
        wire = net.exchange(dns.message.make_query(f"large.{ZONE}", "TXT", use_edns=0, payload=65535).to_wire(), address)
        assert len(wire) <= 1232 and dns.message.from_wire(wire, ignore_trailing=False).flags & dns.flags.TC


def test_a_program_left_by_a_killed_daemon_is_harmless_and_replaced(net):
    daemon = serve(net)
    answered(net, lab.SECONDARY)
    daemon.kill()
    assert "xdp" in net.run_in("sec", ["ip", "link", "show", "sec0"]).stdout, "nothing was left: nothing is tested"
    ping(net, lab.SECONDARY)
    echoed(net, lab.SECONDARY, 53)
    net.lockstepd([ZONE])
    net.wait_state(ZONE, "current")
    answered(net, lab.SECONDARY)


def refused(net, *words, change=None):
    """lockstepd ends by itself and says each of the words."""
    daemon = net.lockstepd([ZONE], change=change, start=False)
    lab.Process.start(daemon)
    assert daemon.wait(20) == 1
    missing = [w for w in words if w not in daemon.log()]
    assert not missing, f"not said: {missing}, but:\n{daemon.log()}"


def test_a_second_daemon_on_the_interface_is_refused_and_the_first_serves_on(net):
    first = serve(net)
    refused(net, f"process {first.pid}", "another lockstepd")
    answered(net, lab.SECONDARY)
    assert first.running()


def test_an_interface_with_another_xdp_program_is_refused_and_it_stays(net):
    source = net.dir / "pass.c"
    source.write_text('int foreign(void *c) __attribute__((section("xdp")));\nint foreign(void *c) { return 2; }\n'
                      'char l[] __attribute__((section("license"))) = "GPL";\n')
    lab.run(["clang", "-O2", "-g", "-target", "bpf", "-c", source, "-o", net.dir / "pass.o"])
    net.run_in("sec", ["ip", "link", "set", "dev", "sec0", "xdp", "obj", net.dir / "pass.o", "sec", "xdp"])
    refused(net, "foreign", "xdp off")
    assert re.search(r"prog/xdp.*foreign|prog/xdp", net.run_in("sec", ["ip", "-d", "link", "show", "sec0"]).stdout)


def test_more_workers_than_queues_is_refused_in_words(net):
    refused(net, "2 workers", "configure 1 worker", change={"dataplane": {"workers": two_cpus()}})


# --- hand-made frames -------------------------------------------------------------------------------------------


class Frame:
    """A DNS query over UDP in IPv4 or IPv6; every field can be set."""

    def __init__(self, net, family=4, **fields):
        self.dst_mac, self.src_mac = (net.mac(side) for side in ("sec", "pri"))
        self.family, self.sport, self.dport, self.query = family, 40000, 53, b""
        self.src, self.dst = (lab.PRIMARY, lab.SECONDARY) if family == 4 else (lab.PRIMARY6, lab.SECONDARY6)
        self.ttl, self.fragment, self.options, self.padding, self.cut = 64, 0, b"", b"", 0
        self.version = self.ip_len = self.ihl = self.ip_sum = self.udp_len = self.udp_sum = self.ethertype = None
        self.proto = socket.IPPROTO_UDP
        for k, v in fields.items():
            assert hasattr(self, k), k
            setattr(self, k, v)

    def octets(self):
        family = socket.AF_INET if self.family == 4 else socket.AF_INET6
        src, dst = (socket.inet_pton(family, a) for a in (self.src, self.dst))
        length = 8 + len(self.query)
        said = self.udp_len if self.udp_len is not None else length
        udp = struct.pack("!HHHH", self.sport, self.dport, said, 0) + self.query
        total = lab.checksum(src + dst + struct.pack("!II", said, 17) + udp[:said]) or 0xffff
        udp = udp[:6] + struct.pack("!H", self.udp_sum if self.udp_sum is not None else total) + self.query
        if self.family == 4:
            header = 20 + len(self.options)
            ip = struct.pack("!BBHHHBBH", (self.version or 4) << 4 | (self.ihl or header // 4), 0,
                             self.ip_len or header + length, 7, self.fragment, self.ttl, self.proto, 0) + src + dst
            ip += self.options
            ip = ip[:10] + struct.pack("!H", self.ip_sum if self.ip_sum is not None else lab.checksum(ip)) + ip[12:]
        else:
            ip = struct.pack("!IHBB", (self.version or 6) << 28, self.ip_len or length, self.proto, self.ttl) + src + dst
        kind = self.ethertype or (0x0800 if self.family == 4 else 0x86dd)
        whole = self.dst_mac + self.src_mac + struct.pack("!H", kind) + ip + udp + self.padding
        return whole[:len(whole) - self.cut]


def replies(wire, port, timeout):
    """DNS messages in UDP from port 53 to `port` that arrive on the packet socket."""
    end, found = time.monotonic() + timeout, []
    while (left := end - time.monotonic()) > 0 and select.select([wire], [], [], left)[0]:
        data, address = wire.recvfrom(65535)
        ip = data[14:]
        if address[2] == socket.PACKET_OUTGOING:
            continue
        udp = ip[20:] if data[12:14] == b"\x08\0" and ip[9] == 17 else \
            ip[40:] if data[12:14] == b"\x86\xdd" and ip[6] == 17 else None
        if udp and struct.unpack("!HH", udp[:4]) == (53, port):
            found.append(dns.message.from_wire(udp[8:struct.unpack("!H", udp[4:6])[0]]))
            break
    return found


# What is sent, and the counter that says why it is not answered (None: it is answered).
FORMS = {
    "plain": ({}, None),
    "plain over IPv6": ({"family": 6}, None),
    "padded to the Ethernet minimum and beyond": ({"padding": b"\xa5" * 40}, None),
    "TTL 1": ({"ttl": 1}, None),
    "hop limit 1": ({"family": 6, "ttl": 1}, None),
    "IPv4 options": ({"options": b"\x94\x04\0\0"}, None),
    "forty octets of options": ({"options": b"\x01" * 40}, None),
    "no UDP checksum over IPv4": ({"udp_sum": 0}, None),
    "do not fragment": ({"fragment": 0x4000}, None),
    "no UDP checksum over IPv6": ({"family": 6, "udp_sum": 0}, "drop_udp_checksum"),
    "wrong UDP checksum": ({"udp_sum": 0x1234}, "drop_udp_checksum"),
    "wrong UDP checksum over IPv6": ({"family": 6, "udp_sum": 0x1234}, "drop_udp_checksum"),
    "wrong IP checksum": ({"ip_sum": 0x1234}, "drop_ip_header"),
    "source route": ({"options": b"\x83\x03\x04\0"}, "drop_ip_header"),
    "IP length beyond the frame": ({"ip_len": 500}, "drop_ip_length"),
    "IPv6 length beyond the frame": ({"family": 6, "ip_len": 500}, "drop_ip_length"),
    "UDP length 7": ({"udp_len": 7}, "drop_udp_length"),
    "UDP length beyond the datagram": ({"udp_len": 500}, "drop_udp_length"),
    "source port 0": ({"sport": 0}, "drop_source"),
    "source port 7": ({"sport": 7}, "drop_source"),
    "source port 19": ({"sport": 19}, "drop_source"),
    "source port 53": ({"sport": 53}, None),
    "from our own address": ({"src": lab.SECONDARY}, "drop_source"),
    "from our own address over IPv6": ({"family": 6, "src": lab.SECONDARY6}, "drop_source"),
    "from loopback": ({"src": "127.0.0.1"}, "drop_source"),
    "from multicast": ({"src": "224.0.0.1"}, "drop_source"),
    "from broadcast": ({"src": "255.255.255.255"}, "drop_source"),
    "from IPv6 multicast": ({"family": 6, "src": "ff02::1"}, "drop_source"),
}
# What the XDP program leaves to the kernel: no worker sees it.
PASSED = {
    "first fragment": {"fragment": 0x2000},
    "last fragment": {"fragment": 0x0010},
    "broadcast frame": {"dst_mac": b"\xff" * 6},
    "another station's frame": {"dst_mac": b"\x02\0\0\0\0\x77"},
    "TCP": {"proto": 6},
    "IPv6 fragment header": {"family": 6, "proto": 44},
    "IPv6 hop-by-hop header": {"family": 6, "proto": 0},
    "another address": {"dst": FOREIGN4},
    "MPLS": {"ethertype": 0x8847},
    "cut in the UDP header": {"cut": 40},
}


def test_every_form_of_frame_is_answered_or_dropped_by_name(net):
    serve(net)
    query = dns.message.make_query(f"www.{ZONE}", "A", use_edns=0)
    with net.socket(socket.AF_PACKET, socket.SOCK_RAW, "pri", socket.htons(lab.ETH_P_ALL)) as wire:
        wire.bind(("pri0", 0))
        for name, (fields, counter) in FORMS.items():
            before = counters(net)
            frame = Frame(net, query=query.to_wire(), **fields)
            wire.send(frame.octets())
            found = replies(wire, frame.sport, 2 if counter is None else 0.05)
            if counter is None:
                assert found and query.is_response(found[0]) and found[0].answer, f"{name}: {found}"
                assert counters(net)["tx_packets"] == before["tx_packets"] + 1, name
            else:
                assert not found, f"{name} was answered: {found}"
                grown(net, counter, before)


def test_what_is_not_ours_never_reaches_a_worker(net):
    net.run_in("sec", ["ip", "addr", "add", f"{FOREIGN4}/24", "dev", "sec0"])
    serve(net)
    query = dns.message.make_query(f"www.{ZONE}", "A")
    with net.socket(socket.AF_PACKET, socket.SOCK_RAW, "pri", socket.htons(lab.ETH_P_ALL)) as wire:
        wire.bind(("pri0", 0))
        before = counters(net)
        for fields in PASSED.values():
            wire.send(Frame(net, query=query.to_wire(), **fields).octets())
        last = Frame(net, query=query.to_wire(), sport=40001)
        wire.send(last.octets())
        assert replies(wire, last.sport, 2)
    assert counters(net)["rx_packets"] == before["rx_packets"] + 1, "one of the frames before the last was redirected"


def test_responses_and_garbage_are_met_with_silence(net):
    serve(net)
    response = dns.message.make_query(ZONE, "SOA")
    response.flags |= dns.flags.QR
    before = counters(net)
    with net.udp() as s:
        for wire in (response.to_wire(), b"", b"\0", b"\0" * 11):
            s.send(wire)
        assert not select.select([s], [], [], 0.3)[0], "answered"
    grown(net, "rx_queries", before, 4)
    assert counters(net)["drop_answer"] >= before["drop_answer"] + 4


def test_ports_that_answer_anything_are_not_answered_by_the_kernels_sockets_either(net):
    serve(net)
    query = dns.message.make_query(ZONE, "SOA").to_wire()
    ports = (7, 13, 17, 19, 37)
    with contextlib.ExitStack() as stack:
        asking = [stack.enter_context(net.socket(socket.AF_INET, socket.SOCK_DGRAM, "sec")) for _ in ports]
        for s, port in zip(asking, ports):
            s.bind((lab.SECONDARY, port))
            for message in query, net.notify_wire(ZONE):
                s.sendto(message, (lab.SECONDARY, 53))
        assert net.dig(ZONE, "SOA", ns="sec").answer, "what comes behind them"
        assert not select.select(asking, [], [], 0)[0], "answered"
    assert net.daemon.counter("stream", "drop_source") == 2 * len(ports)


# --- a bound port with its exception interface --------------------------------------------------------------------


def test_bound_port_answers_dns_and_hands_the_rest_to_its_tap(net):
    serve(net, listen=[WIRE4[1], WIRE6[1]], dataplane={"ports": [wire_port()]})
    plug(net)
    ping(net, WIRE4[1])
    settled = counters(net)  # what the wire brought before the TAP was up had nowhere to go
    for address in WIRE4[1], WIRE6[1]:
        ping(net, address)  # ARP, ND, ICMP through the TAP, both ways
        before = counters(net)
        answered(net, address)
        assert counters(net)["rx_queries"] > before["rx_queries"]
        answered(net, address, tcp=True)
        assert net.dig(f"large.{ZONE}", "TXT", server=address, tcp=True).answer
        echoed(net, address, 5353)
        forget_neighbours(net, "wire0")
        forget_neighbours(net, "lsx0", "sec")
        ping(net, WIRE4[0] if address == WIRE4[1] else WIRE6[0], "sec")  # and from our side
    after = counters(net)
    assert all(after[full] == settled[full] for full in ("punt_full", "exception_full")), (settled, after)


def test_bound_port_passes_fragments_to_the_kernel(net):
    serve(net, listen=[WIRE4[1]], dataplane={"ports": [wire_port()]})
    plug(net)
    before = counters(net)
    echoed(net, WIRE4[1], 5353, b"x" * 4000)  # three fragments each way
    assert counters(net)["punt"] >= before["punt"] + 3


def test_a_notify_by_the_bound_port_is_answered_on_it(net):
    serve(net, listen=[WIRE4[1]], dataplane={"ports": [wire_port()]})
    plug(net)
    reply = net.notify(ZONE, 2, server=WIRE4[1])
    assert reply.opcode() == 4 and reply.rcode() == dns.rcode.REFUSED, reply  # not a primary's address


def test_an_exception_interface_that_exists_is_refused(net):
    net.run_in("sec", ["ip", "link", "add", "lsx0", "type", "veth", "peer", "name", "lsx1"])
    refused(net, "exception interface lsx0", "choose another", change={"dataplane": {"ports": [wire_port()]}})
    assert "wire0" not in net.run_in("sec", ["ip", "link"]).stdout


def test_taps_disappear_with_the_daemon_even_when_it_is_killed(net):
    daemon = serve(net, dataplane={"ports": [wire_port()]})
    assert "lsx0" in net.run_in("sec", ["ip", "link"]).stdout
    daemon.kill()
    lab.wait_until(lambda: "lsx0" not in net.run_in("sec", ["ip", "link"]).stdout, 5, "lsx0 is gone")


def test_two_ports_and_two_workers_answer_side_by_side(net):
    """Two TAPs as wires with two queues each, one worker per queue."""
    ports = [wire_port(), {"driver": "vdev", "device": "net_tap1,iface=wire1"}]
    serve(net, listen=[WIRE4[1], WIRE6[1]], dataplane={"ports": ports, "workers": two_cpus()})
    plug(net)
    ping(net, WIRE4[1])
    for _ in range(20):  # a new source port each time: the flows spread over the queues
        answered(net, WIRE4[1])
        answered(net, WIRE6[1])
    # The second wire has no exception interface: nobody there answers ARP, so the neighbour is given.
    net.run_in("sec", ["ip", "link", "set", "wire1", "netns", net.ns["pri"]])
    net.run_in("pri", ["ip", "link", "set", "wire1", "up"])
    net.run_in("pri", ["ip", "addr", "add", "10.55.0.1/24", "dev", "wire1"])
    net.run_in("pri", ["ip", "route", "add", f"{lab.SECONDARY}/32", "dev", "wire1"])
    net.run_in("pri", ["ip", "neigh", "replace", lab.SECONDARY, "lladdr", "02:00:00:00:00:01", "dev", "wire1"])
    for _ in range(20):
        answered(net, lab.SECONDARY)


# --- memif --------------------------------------------------------------------------------------------------------


def bridge(net, path):
    """dpdk-testpmd in namespace pri joins the memif to a TAP, so that the kernel's programs can ask over it."""
    prefix = f"{net.id}-bridge"
    argv = ["dpdk-testpmd", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", 256, "--file-prefix",
            prefix, "--lcores", "0@0,1@0", "--vdev",
            f"net_memif0,role=client,id=0,socket={path},socket-abstract=no", "--vdev", "net_tap0,iface=mem0", "--",
            "--total-num-mbufs=4096", "--forward-mode=io", "--auto-start", "--stats-period", "60"]
    process = net.spawn("testpmd", "pri", argv)
    lab.wait_until(lambda: "mem0" in net.run_in("pri", ["ip", "link"]).stdout, 15, "testpmd made its TAP")
    with contextlib.suppress(OSError):
        Path("/var/run/dpdk", prefix).rmdir()  # empty, and testpmd would leave it
    net.run_in("pri", ["ip", "addr", "add", f"{WIRE4[0]}/24", "dev", "mem0"])
    net.run_in("pri", ["ip", "addr", "add", f"{WIRE6[0]}/64", "dev", "mem0", "nodad"])
    net.run_in("pri", ["ip", "link", "set", "mem0", "up"])
    return process


def memif_port(path, **more):
    return {"dataplane": {"ports": [{"driver": "memif", "device": str(path), "role": "server", **more}]}}


def test_memif_answers_dns_and_its_tap_has_the_rest(net):
    path = net.dir / "memif.sock"
    serve(net, listen=[WIRE4[1], WIRE6[1]], **memif_port(path, exception="lsx0"))
    net.run_in("sec", ["ip", "addr", "add", f"{WIRE4[1]}/24", "dev", "lsx0"])
    net.run_in("sec", ["ip", "addr", "add", f"{WIRE6[1]}/64", "dev", "lsx0", "nodad"])
    net.run_in("sec", ["ip", "link", "set", "lsx0", "up"])
    bridge(net, path)
    for address in WIRE4[1], WIRE6[1]:
        lab.wait_until(lambda: net.run_in("pri", ["ping", "-c1", "-W1", "-q", address], check=False).returncode == 0,
                       10, f"ping {address} over memif", pause=0.1)
        answered(net, address)
        answered(net, address, tcp=True)


def test_memif_peer_may_come_back_and_a_left_socket_is_replaced(net):
    path = net.dir / "memif.sock"

    def asked():
        with contextlib.suppress(dns.exception.Timeout, AssertionError):
            answered(net, WIRE4[1], tries=1)
            return True

    def ask():
        net.run_in("pri", ["ip", "neigh", "replace", WIRE4[1], "lladdr", "02:00:00:00:00:01", "dev", "mem0"])
        lab.wait_until(asked, 15, "an answer over memif")
    daemon = serve(net, listen=[WIRE4[1]], **memif_port(path))
    peer = bridge(net, path)
    ask()
    peer.stop()
    peer = bridge(net, path)
    ask()
    peer.stop()  # DPDK's client does not connect again by itself
    daemon.kill()
    assert path.exists(), "nothing was left: nothing is tested"
    net.lockstepd([ZONE], change={"server": {"listen": [WIRE4[1]]}, **memif_port(path)})
    net.wait_state(ZONE, "current")
    bridge(net, path)
    ask()


if __name__ == "__main__":
    lab.main()
