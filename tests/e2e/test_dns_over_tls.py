#!/usr/bin/python3
"""
DNS over TLS (RFC 7858): the answers of TCP, to clients of all kinds; what clients cannot do to others; what they cost.

LOCKSTEP_TLS_HANDSHAKES=10000 makes so many full handshakes instead of 300, LOCKSTEP_TLS_CLIENTS=5000 keeps so many clients idle
instead of 200.
"""

import contextlib
import os
import re
import resource
import socket
import ssl
import struct
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from certificates import Authority

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode

ZONE = "example."
HOST = "ns.example"
HANDSHAKES = int(os.environ.get("LOCKSTEP_TLS_HANDSHAKES", "300"))
IDLE_CLIENTS = int(os.environ.get("LOCKSTEP_TLS_CLIENTS", "200"))
BIG = ['big0 IN TXT ' + " ".join(f'"{"x" * 250}"' for _ in range(60))]
BIG += [f'huge IN TXT "{i:05} {"y" * 240}"' for i in range(240)]  # 60 KiB in one answer


def begin(net, tls=None, server=None, **change):
    net.ca = Authority(net.dir / "tls")
    net.identity = net.ca.issue(HOST, addresses=[lab.SECONDARY])
    net.knotd({ZONE: lab.zone_text(ZONE, 1, hosts=20, extra=BIG)})
    tls = {"certificate": str(net.identity.certificate), "key": str(net.identity.key), **(tls or {})}
    daemon = net.lockstepd([ZONE], change={"server": {"tls": tls, **(server or {})}, **change})
    net.wait_serial(ZONE, 1)
    return daemon


def context(net, alpn=("dot",), **changes):
    c = ssl.create_default_context(cafile=net.ca.certificate)
    if alpn:
        c.set_alpn_protocols(list(alpn))
    for key, value in changes.items():
        setattr(c, key, value)
    return c


def connect(net, c=None, session=None, **kw):
    c = c or context(net)
    return c.wrap_socket(net.tcp(port=853, **kw), server_hostname=HOST, session=session)


def framed(wire):
    return struct.pack("!H", len(wire)) + wire


def query(name="www." + ZONE, rdtype="A", number=None, **kw):
    q = dns.message.make_query(name, rdtype, **kw)
    q.flags = 0
    if number is not None:
        q.id = number
    return q


def ask(s, *args, **kw):
    q = query(*args, **kw)
    s.sendall(framed(q.to_wire()))
    reply = dns.message.from_wire(lab.read_framed(s))
    assert q.is_response(reply), reply
    return reply


def answers(net):
    """TCP and TLS clients that come now are served."""
    assert net.dig("www." + ZONE, tcp=True).answer
    with connect(net) as s:
        assert ask(s).answer


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def back_to(daemon, base):
    # The base may have been taken while a connection was still about to close.
    lab.wait_until(lambda: daemon.counter("stream", "open") == 0, 20, "no connection is open")
    lab.wait_until(lambda: descriptors(daemon) <= base, 20, lambda: f"{descriptors(daemon)} descriptors are {base} again")


def test_answers_over_tls_are_those_over_tcp(net):
    daemon = begin(net)
    with connect(net) as s:
        assert s.version() == "TLSv1.3" and s.selected_alpn_protocol() == "dot"
        for name, rdtype in (("www", "A"), ("@", "SOA"), ("nosuch", "A"), ("www", "AAAA"), ("huge", "TXT"), ("big0", "TXT")):
            name = ZONE if name == "@" else f"{name}.{ZONE}"
            assert lab.sections(ask(s, name, rdtype)) == lab.sections(net.dig(name, rdtype, tcp=True)), name
        assert ask(s, "www.elsewhere.").rcode() == dns.rcode.REFUSED
        assert ask(s, ZONE, "AXFR").rcode() == dns.rcode.REFUSED
        keepalive = ask(s, options=[dns.edns.GenericOption(11, b"")], use_edns=0)
        assert [o.data for o in keepalive.options if o.otype == 11] == [b"\0\x64"], keepalive
    assert daemon.counter("stream", "tls_opened") == 1
    assert daemon.counter("stream", "tls_failed") == 0


def test_kdig_and_dnsperf_are_served_over_tls(net):
    daemon = begin(net)
    done = net.run_in("pri", ["kdig", f"@{lab.SECONDARY}", "+tls", f"+tls-ca={net.ca.certificate}",
                              f"+tls-hostname={HOST}", "www." + ZONE, "A"])
    assert "192.0.2.80" in done.stdout and "TLS1.3" in done.stdout, done.stdout
    done = net.run_in("pri", ["kdig", f"@{lab.SECONDARY}", "+tls", f"+tls-pin={net.identity.pin}", "huge." + ZONE, "TXT"])
    assert len(re.findall(r"IN\s+TXT\s+\"", done.stdout)) == 240, done.stdout[-500:]
    result = net.dnsperf([f"h{i}.{ZONE} A" for i in range(20)], seconds=2, options=["-m", "dot"], clients=8)
    assert result["lost"] == 0 and result["completed"] > 100 and set(result["rcodes"]) == {"NOERROR"}, result["text"]
    assert daemon.counter("stream", "tls_failed") == 0


def test_notify_over_tls_is_answered(net):
    begin(net)
    m = query(ZONE, "SOA")
    m.set_opcode(dns.opcode.NOTIFY)
    m.flags |= dns.flags.AA
    with connect(net, source=lab.PRIMARY) as s:
        s.sendall(framed(m.to_wire()) + framed(query().to_wire()))
        assert dns.message.from_wire(lab.read_framed(s)).rcode() == dns.rcode.NOERROR
        assert dns.message.from_wire(lab.read_framed(s)).answer
    with connect(net, source=lab.STRANGER) as s:
        s.sendall(framed(m.to_wire()))
        assert dns.message.from_wire(lab.read_framed(s)).rcode() == dns.rcode.REFUSED


def test_session_is_resumed(net):
    daemon = begin(net)
    c = context(net)
    with connect(net, c) as s:
        ask(s)
        session = s.session
    with connect(net, c, session=session) as s:
        ask(s)
        assert s.session_reused
    assert daemon.counter("stream", "tls_resumed") == 1


def refused(net, c):
    with contextlib.suppress(ssl.SSLError, ConnectionError, EOFError):
        with connect(net, c) as s:
            ask(s)
        raise AssertionError("was served")


def test_old_versions_and_other_protocols_are_refused(net):
    daemon = begin(net)
    refused(net, context(net, maximum_version=ssl.TLSVersion.TLSv1_2))
    refused(net, context(net, alpn=["h2"]))
    assert daemon.counter("stream", "tls_failed") == 2
    with connect(net, context(net, alpn=None)) as s:
        assert ask(s).answer, "RFC 7858 stubs offer no ALPN"


def test_tls12_is_served_if_asked_for(net):
    begin(net, tls={"tls12": True})
    with connect(net, context(net, maximum_version=ssl.TLSVersion.TLSv1_2)) as s:
        assert ask(s).answer and s.version() == "TLSv1.2"
    answers(net)


def open_stream(net, tls):
    return connect(net) if tls else net.tcp()


@lab.each(tls=[False, True])
def test_ten_thousand_pipelined_queries_are_all_answered(net, tls):
    begin(net)
    cnt = 10000
    raw = net.tcp(port=853 if tls else 53)
    s = Octets(net, raw) if tls else raw
    octets = b"".join(framed(query(number=i).to_wire()) for i in range(cnt))
    if tls:
        for i in range(0, len(octets), 16384):
            s.tls.write(octets[i:i + 16384])
        octets = s.outgoing.read()
    writer = threading.Thread(target=raw.sendall, args=(octets,))
    writer.start()
    raw.settimeout(60)
    assert len({lab.read_framed(s)[:2] for _ in range(cnt)}) == cnt
    writer.join()
    raw.close()
    answers(net)


@lab.each(tls=[False, True])
def test_half_closed_connection_gets_its_answers_and_ends(net, tls):
    daemon = begin(net)
    base = descriptors(daemon)
    raw = net.tcp(port=853 if tls else 53)
    s = Octets(net, raw) if tls else raw
    s.sendall(b"".join(framed(query("huge." + ZONE, "TXT", number=i).to_wire()) for i in range(20)))
    raw.shutdown(socket.SHUT_WR)
    raw.settimeout(30)
    for i in range(20):
        reply = lab.read_framed(s)
        assert struct.unpack("!H", reply[:2])[0] == i and len(reply) > 50000
    assert s.recv(1) == b""
    raw.close()
    back_to(daemon, base)


class Octets:
    """TLS over a socket with the octets of the wire in our hand."""

    def __init__(self, net, raw, handshake=True, step=None):
        self.raw, self.step = raw, step
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context(net).wrap_bio(self.incoming, self.outgoing, server_hostname=HOST)
        if handshake:
            self.do(self.tls.do_handshake)

    def flush(self):
        octets = self.outgoing.read()
        for i in range(0, len(octets), self.step or len(octets) or 1):
            self.raw.sendall(octets[i:i + (self.step or len(octets))])

    def do(self, what, *args):
        while True:
            try:
                result = what(*args)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                octets = self.raw.recv(65536)
                if octets:
                    self.incoming.write(octets)
                else:
                    self.incoming.write_eof()

    def sendall(self, octets):
        self.do(self.tls.write, octets)

    def recv(self, cap):
        try:
            return self.do(self.tls.read, cap)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""


def test_octets_that_come_one_at_a_time_are_understood(net):
    begin(net)
    raw = net.tcp(port=853)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s = Octets(net, raw, step=1)
    for _ in range(2):
        assert ask(s).answer
    raw.close()


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def abandoned_at(net, state, end):
    """A connection that gets as far as the state and is then ended."""
    raw = net.tcp(port=853)
    s = Octets(net, raw, handshake=False)
    with contextlib.suppress(ssl.SSLWantReadError):
        s.tls.do_handshake()
    hello = s.outgoing.read()
    if state == "inside the hello":
        raw.sendall(hello[:len(hello) // 2])
    elif state == "garbage":
        raw.sendall(os.urandom(600))
    elif state == "plain DNS":
        raw.sendall(framed(query().to_wire()))
    elif state != "connected":
        raw.sendall(hello)
    if state not in ("connected", "inside the hello", "garbage", "plain DNS", "after the hello"):
        s.do(s.tls.do_handshake)
    if state == "inside a record":
        s.tls.write(framed(query().to_wire()))
        raw.sendall(s.outgoing.read()[:-3])
    elif state == "inside a message":
        s.sendall(framed(query().to_wire())[:-3])
    elif state == "damaged record":
        s.tls.write(framed(query().to_wire()))
        octets = bytearray(s.outgoing.read())
        octets[-1] ^= 1
        raw.sendall(octets)
    elif state == "answers unread":
        s.sendall(b"".join(framed(query("huge." + ZONE, "TXT").to_wire()) for _ in range(10)))
    end(raw)


STATES = ("connected", "inside the hello", "garbage", "plain DNS", "after the hello", "open", "inside a record",
          "inside a message", "damaged record", "answers unread")


def test_close_and_reset_at_each_state_leave_nothing_behind(net):
    daemon = begin(net)
    answers(net)
    base = descriptors(daemon)
    for end in (socket.socket.close, reset, lambda s: s.shutdown(socket.SHUT_WR)):
        for state in STATES:
            for _ in range(5):
                abandoned_at(net, state, end)
    answers(net)
    back_to(daemon, base)


def test_connection_that_is_not_tls_is_ended_and_counted(net):
    daemon = begin(net)
    for cnt, octets in enumerate((framed(query().to_wire()), b"GET / HTTP/1.1\r\n\r\n", bytes(600)), start=1):
        with net.tcp(port=853) as raw:
            raw.sendall(octets)
            with contextlib.suppress(ConnectionResetError):
                while raw.recv(100):
                    pass
        assert daemon.counter("stream", "tls_failed") == cnt


@lab.each(tls=[False, True])
def test_clients_that_never_read_keep_nobody_out_and_end(net, tls):
    daemon = begin(net, tcp={"idle-timeout": "2s", "clients": 200})
    answers(net)
    base, before = descriptors(daemon), daemon.rss()
    silent = []
    for _ in range(50):
        s = open_stream(net, tls)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(0.2)
        with contextlib.suppress(OSError):
            s.sendall(b"".join(framed(query("huge." + ZONE, "TXT", number=i).to_wire()) for i in range(300)))
        silent.append(s)
    answers(net)
    assert daemon.rss() - before < 50 * 2**20, f"{(daemon.rss() - before) >> 20} MiB for 50 clients that do not read"
    back_to(daemon, base)
    assert daemon.counter("stream", "closed_idle") >= 50
    for s in silent:
        s.close()


def batch_and_notify():
    """A batch that the socket of a small window does not take, what goes to the control loop, and one behind it."""
    notify = query(ZONE, "SOA", number=3)
    notify.set_opcode(dns.opcode.NOTIFY)
    return [query("huge." + ZONE, "TXT", number=i) for i in range(3)] + [notify, query(number=4)]


def unread(net, daemon, tls, asked):
    """A client that has asked all at once and read nothing, when the control loop has replied."""
    before = daemon.counter("stream", "responses")
    raw = net.tcp(port=853 if tls else 53, receive_buffer=4096)
    s = Octets(net, raw) if tls else raw
    s.sendall(b"".join(framed(q.to_wire()) for q in asked))
    lab.wait_until(lambda: daemon.counter("stream", "responses") >= before + 4, 20, "the control loop has replied")
    return raw, s


@lab.each(tls=[False, True])
def test_reply_of_the_control_loop_waits_behind_answers_that_are_not_read(net, tls):
    daemon = begin(net)
    asked = batch_and_notify()
    raw, s = unread(net, daemon, tls, asked)
    raw.settimeout(30)
    for q in asked:
        reply = dns.message.from_wire(lab.read_framed(s))
        assert reply.id == q.id and reply.opcode() == q.opcode(), (q.id, reply)
        assert reply.rcode() == dns.rcode.NOERROR and (reply.answer or q.id == 3), reply
    raw.close()


@lab.each(tls=[False, True])
def test_what_waits_for_clients_that_do_not_read_is_given_back(net, tls):
    daemon = begin(net)
    asked = batch_and_notify()
    for i in range(50):
        if i == 10:
            rss = daemon.rss()
        unread(net, daemon, tls, asked)[0].close()
    back_to(daemon, descriptors(daemon))
    assert daemon.rss() - rss < 2 * 2**20, f"{daemon.rss() - rss} octets more after 40 clients that did not read"


def test_slow_sender_is_closed_in_the_handshake_and_after_it(net):
    daemon = begin(net, tcp={"idle-timeout": "1s"})
    base = descriptors(daemon)
    opened = connect(net)
    opened.sendall(b"\0")
    raw = net.tcp(port=853)
    raw.sendall(b"\x16\x03\x01")
    for s in (opened, raw):
        s.settimeout(15)
        with contextlib.suppress(ConnectionResetError):
            assert s.recv(1) == b""
        s.close()
    back_to(daemon, base)


@lab.timeout(180)
def test_ten_thousand_connections_come_and_go(net):
    daemon = begin(net)
    answers(net)
    base = descriptors(daemon)
    accepted = daemon.counter("stream", "accepted")
    cnt = 10000
    open_now = []
    for i in range(cnt):  # one in ten over TLS, as far as the head of a hello
        s = net.tcp(port=853 if i % 10 == 0 else 53)
        s.sendall(b"\x16\x03\x01\x02\x00" if i % 10 == 0 else framed(query(number=i).to_wire()))
        open_now.append(s)
        if len(open_now) > 100:
            open_now.pop(0).close()
    for s in open_now:
        s.close()
    answers(net)
    back_to(daemon, base)
    assert daemon.counter("stream", "accepted") >= accepted + cnt


def shake_hands(net, c, cnt):
    for _ in range(cnt):
        with connect(net, c) as s:
            assert not s.session_reused and ask(s).answer


@lab.timeout(60 + HANDSHAKES // 10)
def test_full_handshakes_leave_no_memory_and_no_descriptor(net):
    daemon = begin(net)
    c = context(net)
    base = descriptors(daemon)
    shake_hands(net, c, 100)  # what is taken once and kept
    before = daemon.rss()
    shake_hands(net, c, HANDSHAKES)
    back_to(daemon, base)
    assert daemon.counter("stream", "tls_opened") == 100 + HANDSHAKES and daemon.counter("stream", "tls_resumed") == 0
    grown = daemon.rss() - before
    print(f"    {HANDSHAKES} full handshakes: {grown >> 10} KiB more than before them")
    assert grown < 2**20, f"{grown} octets more after {HANDSHAKES} handshakes"


@lab.timeout(60 + IDLE_CLIENTS // 10)
def test_idle_clients_cost_little_and_give_it_back(net):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * IDLE_CLIENTS + 1000)), hard))
    daemon = begin(net, tcp={"idle-timeout": "1h", "clients": 4 * IDLE_CLIENTS})
    base, c = descriptors(daemon), context(net)
    for tls, most in ((False, 16 << 10), (True, 64 << 10)):
        answers(net)
        before, idle = daemon.rss(), []
        for _ in range(IDLE_CLIENTS):
            idle.append(connect(net, c) if tls else net.tcp())
            assert ask(idle[-1]).answer
        each = (daemon.rss() - before) / IDLE_CLIENTS
        print(f"    {IDLE_CLIENTS} idle clients over {'TLS' if tls else 'TCP'}: {each / 1024:.1f} KiB each")
        assert each < most, f"{each:.0f} octets for each idle client"
        for s in idle:
            s.close()
        back_to(daemon, base)


def test_connections_of_one_client_are_limited(net):
    daemon = begin(net, tcp={"clients-per-address": 3})
    mine = [connect(net, source=lab.STRANGER) for _ in range(2)] + [net.tcp(source=lab.STRANGER)]
    for s in mine:
        assert ask(s).answer
    with net.tcp(source=lab.STRANGER) as fourth:
        fourth.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            assert fourth.recv(1) == b""
    assert daemon.counter("stream", "refused_client") == 1
    answers(net)
    mine.pop().close()
    lab.wait_until(lambda: daemon.counter("stream", "open") == 2, 10, "the closed one is gone")
    with net.tcp(source=lab.STRANGER) as s:
        assert ask(s).answer
    for s in mine:
        s.close()


def test_certificate_is_replaced_at_run_time(net):
    daemon = begin(net)
    with connect(net) as before:
        new = net.ca.issue("other.example")
        os.replace(new.certificate, net.identity.certificate)
        os.replace(new.key, net.identity.key)
        daemon.ctl("tls", "reload")
        assert ask(before).answer, "open connections go on"
        c = context(net)
        c.wrap_socket(net.tcp(port=853), server_hostname="other.example").close()
    os.unlink(net.identity.key)
    failed = daemon.ctl_raw("tls", "reload")
    assert failed.returncode == 1 and str(net.identity.key) in failed.stderr, failed
    c.wrap_socket(net.tcp(port=853), server_hostname="other.example").close()


def test_what_is_wrong_with_the_files_is_said_at_start(net):
    ca = Authority(net.dir / "tls")
    one, two = ca.issue(HOST), ca.issue(HOST)
    for tls, expect in (
            ({"certificate": str(one.certificate), "key": str(two.key)}, "does not fit the certificate"),
            ({"certificate": str(one.certificate)}, r"server\.tls\.key: is missing"),
            ({"certificate": "/nonexistent", "key": str(one.key)}, "/nonexistent: cannot read a certificate"),
            ({"certificate": str(one.certificate), "key": str(one.certificate)}, "others may read or change it"),
            ({"certificate": str(one.certificate), "key": str(one.key), "port": 53}, r"server\.tls\.port"),
            ({"certificate": str(one.certificate), "key": str(one.key), "colour": "red"}, "colour")):
        daemon = net.lockstepd([ZONE], change={"server": {"tls": tls}}, start=False)
        done = lab.run([lab.BUILD / "control" / "lockstepd", "--check-config", daemon.config_file], check=False)
        assert done.returncode == 3 and re.search(expect, done.stderr), f"{tls}: {done.stderr}"


if __name__ == "__main__":
    lab.main()
