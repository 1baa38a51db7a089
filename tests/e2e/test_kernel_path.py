#!/usr/bin/python3
"""
What a bound port carries for the kernel while its worker answers UDP as fast as it can: a session of small keepalives as
BGP has, and a bulk stream each way as ssh or a transfer has, both through the exception interface; beside them ping, ARP, ND
and DNS over TCP. No session breaks, every octet arrives, and each frame of the way is counted.

LOCKSTEP_TAP_SECONDS=600 lets the sessions live for so long instead of a few seconds.
"""

import hashlib
import os
import random
import socket
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from bound_port import WIRE4, WIRE6, counters, forget_neighbours, plug, wire_port

ZONE = "example."
SECONDS = float(os.environ.get("LOCKSTEP_TAP_SECONDS", "2"))
BULK_ROUND = 1 << 20      # octets each way, again and again until the time is over
KEEPALIVE_PAUSE = 0.05    # s
HOLD = 20                 # s without a keepalive, and the session is lost
KEEPALIVE = b"\xff" * 16 + struct.pack("!HB", 23, 4)  # RFC 4271 4.1, with a number behind it


class Sessions:
    """TCP sessions between both namespaces, each end a thread; the first error of any is raised by end()."""

    def __init__(self, net):
        self.net, self.threads, self.errors = net, [], []
        self.over = threading.Event()

    def run(self, function, *args):
        def guarded():
            try:
                function(*args)
            except Exception as e:
                self.errors.append(f"{function.__name__}: {e!r}")
        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        self.threads.append(thread)

    def connect(self, port, address):
        """Both ends of a session, client first."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.net.socket(family, socket.SOCK_STREAM, "sec") as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen()
            listener.settimeout(HOLD)
            client = self.net.tcp(address, port=port, timeout=HOLD)
            server, _ = listener.accept()
        server.settimeout(HOLD)
        return client, server

    def alive(self):
        assert not self.errors, self.errors

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive() or self.errors, "a session hangs"
        self.alive()


def received(s, length):
    data = b""
    while len(data) < length:
        piece = s.recv(length - len(data))
        assert piece, "the session was closed"
        data += piece
    return data


def send_keepalives(s, over, sent):
    while not over.is_set():
        s.sendall(KEEPALIVE + struct.pack("!I", sent[0]))
        sent[0] += 1
        time.sleep(KEEPALIVE_PAUSE)
    s.shutdown(socket.SHUT_WR)


def hear_keepalives(s, heard):
    """Until the other end says that it is done; each is there once and in order."""
    while (first := s.recv(1)):
        assert first + received(s, 22) == KEEPALIVE + struct.pack("!I", heard[0]), f"keepalive {heard[0]}"
        heard[0] += 1


def send_bulk(s, over, seed, rounds):
    """Rounds of octets, each with its number and followed by its digest."""
    while not over.is_set() or rounds[0] == 0:
        data = random.Random(seed + rounds[0]).randbytes(BULK_ROUND)
        s.sendall(b"\x01" + data + hashlib.sha256(data).digest())
        rounds[0] += 1
    s.sendall(b"\0")


def hear_bulk(s, seed, rounds):
    while received(s, 1) == b"\x01":
        data = received(s, BULK_ROUND)
        assert received(s, 32) == hashlib.sha256(data).digest(), f"round {rounds[0]} was changed on the way"
        assert data == random.Random(seed + rounds[0]).randbytes(BULK_ROUND), f"round {rounds[0]} is another's"
        rounds[0] += 1


def start_sessions(net, address):
    """Returns the sessions, and what each end has sent and heard so far: [sent], [heard]."""
    sessions, ends = Sessions(net), []
    client, server = sessions.connect(179, address)
    for s, other in ((client, server), (server, client)):
        sent, heard = [0], [0]
        sessions.run(send_keepalives, s, sessions.over, sent)
        sessions.run(hear_keepalives, other, heard)
        ends.append((sent, heard))
    client, server = sessions.connect(22, address)
    for seed, (s, other) in enumerate(((client, server), (server, client))):
        sent, heard = [0], [0]
        sessions.run(send_bulk, s, sessions.over, seed << 32, sent)
        sessions.run(hear_bulk, other, seed << 32, heard)
        ends.append((sent, heard))
    return sessions, ends


def flood(net):
    """dnsperf over the wire, as fast as answers come; until it is stopped."""
    queries = net.dir / "queries"
    queries.write_text(f"www.{ZONE} A\n")
    argv = net.dnsperf_argv(queries, seconds=100000, server=WIRE4[1], clients=8, outstanding=400)
    process = net.spawn("dnsperf", "pri", argv)
    before = counters(net)
    lab.wait_until(lambda: counters(net)["tx_packets"] > before["tx_packets"] + 1000, 20, "dnsperf is answered")
    return process


def neighbours_and_ping(net, address):
    """ARP or ND, and ICMP, from nothing; under a flood a frame of them may be lost, and is sent again."""
    forget_neighbours(net, "wire0")
    forget_neighbours(net, "lsx0", "sec")
    for ns, to in (("pri", address), ("sec", WIRE6[0] if ":" in address else WIRE4[0])):
        lab.wait_until(lambda: net.run_in(ns, ["ping", "-c1", "-W1", "-q", to], check=False).returncode == 0, 20,
                       f"ping {to} from {ns}")


def asked_over_tcp(net, address):
    assert net.dig(f"www.{ZONE}", "A", server=address, tcp=True, timeout=HOLD).answer
    assert net.dig(f"large.{ZONE}", "TXT", server=address, tcp=True, timeout=HOLD).answer


def test_sessions_of_the_kernel_live_while_udp_is_answered_at_full_rate(net):
    net.knotd({ZONE: lab.zone_text(ZONE, 1, extra=[f"large TXT \"{'x' * 200}{i}\"" for i in range(10)])})
    net.lockstepd([ZONE], change={"server": {"listen": [WIRE4[1], WIRE6[1]]}, "dataplane": {"ports": [wire_port()]},
                                  "log": {"level": "info"}})
    net.wait_state(ZONE, "current")
    plug(net)
    neighbours_and_ping(net, WIRE4[1])
    sessions, ends = start_sessions(net, WIRE4[1])
    over6, ends6 = start_sessions(net, WIRE6[1])
    load = flood(net)
    before, end = counters(net), time.monotonic() + SECONDS
    while True:
        for address in WIRE4[1], WIRE6[1]:
            neighbours_and_ping(net, address)
            asked_over_tcp(net, address)
            sessions.alive()
            over6.alive()
        if time.monotonic() >= end:
            break
    after = counters(net)
    assert load.running(), load.log()
    load.stop()
    sessions.end()
    over6.end()
    for sent, heard in ends + ends6:
        assert sent == heard and sent[0] > 0, (ends, ends6)
    for grows in "tx_packets", "punt_sent", "exception_packets":
        assert after[grows] > before[grows], (grows, before[grows], after[grows])
    lab.wait_until(lambda: (c := counters(net))["punt"] == c["punt_sent"] + c["punt_full"], 5, "every punted frame is counted")
    c = counters(net)
    net.note(f"{c}")
    print(f"    {after['tx_packets'] - before['tx_packets']} answers; rounds of 1 MiB: {[s[0] for s, _ in ends[2:] + ends6[2:]]}; "
          f"lost on the kernel's path: {c['punt_full']} in, {c['exception_full']} out")


JUNK = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 9999))
while True:
    try:
        s.send(bytes(1000))
    except OSError:  # nobody listens there, as ICMP says
        pass
"""


def test_udp_is_answered_while_the_kernels_path_has_more_than_it_takes(net):
    net.knotd({ZONE: lab.zone_text(ZONE, 1)})
    net.lockstepd([ZONE], change={"server": {"listen": [WIRE4[1]]}, "dataplane": {"ports": [wire_port()]},
                                  "log": {"level": "info"}})
    net.wait_state(ZONE, "current")
    plug(net)
    neighbours_and_ping(net, WIRE4[1])
    before = counters(net)
    junk = net.spawn("junk", "pri", ["/usr/bin/python3", "-c", JUNK, WIRE4[1]])
    lab.wait_until(lambda: counters(net)["punt"] > before["punt"] + 1000, 20, "frames for the kernel come")
    for _ in range(30):
        assert net.dig(f"www.{ZONE}", "A", server=WIRE4[1], timeout=0.5, tries=20).answer
    assert junk.running(), junk.log()
    junk.stop()
    lab.wait_until(lambda: (c := counters(net))["punt"] == c["punt_sent"] + c["punt_full"], 5, "every punted frame is counted")


if __name__ == "__main__":
    lab.main()
