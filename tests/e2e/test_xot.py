#!/usr/bin/python3
"""Transfers over TLS (RFC 9103): from nsd and named; from a scripted primary that is not whom we want, breaks off, or
speaks something else. Nothing is ever said in clear text, what is served stays whole, and the status says what is
wrong."""

import contextlib
import re
import socket
import ssl
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from certificates import Authority
from lab_wire import soa_serial
from primary import IXFR, SOA, Request, ScriptedPrimary, framed, in_segments, message, soa, whole
from signer import KEY, SigningPrimary, key_file, signed_stream

ZONE = "example."
HOST = "primary.test"
OTHERS = [f"z{i}.test." for i in range(20)]


# --- real primaries ---

def tls_config(net, kind=None, **tls):
    """One primary, `first`, over TLS with the profile `p`."""
    net.ca = getattr(net, "ca", None) or Authority(net.dir / "tls")
    profile = {"name": "p", "ca-file": str(net.ca.certificate), "hostname": HOST, **tls}
    profile = {k: v for k, v in profile.items() if v is not None}
    if kind == "nsd":
        profile["any-alpn"] = True
    return {"tls": [profile], "primaries": [{"name": "first", "address": lab.PRIMARY, "tls": "p"}]}


@lab.each(kind=["nsd", "named"])
def test_real_primaries_are_followed_over_tls(net, kind):
    net.ca = Authority(net.dir / "tls")
    primary = lab.OVER_TLS[kind](net, {ZONE: lab.zone_text(ZONE, 1, hosts=20000)}, [lab.PRIMARY], True, [lab.SECONDARY])
    primary.identity = net.ca.issue(HOST)
    primary.start()
    capture = net.tcpdump("sec", "sec0", "host 10.53.0.1 and (port 53 or port 853)")
    lab.wait_until(capture.exists, 10, "the capture has begun")
    daemon = net.lockstepd([ZONE], change=tls_config(net, kind))
    net.wait_serial(ZONE, 1)
    for serial in range(2, 6):
        primary.update(ZONE, lab.zone_text(ZONE, serial, hosts=20000 + serial))
        net.wait_serial(ZONE, serial)
    assert net.dig(f"h20004.{ZONE}").answer
    assert daemon.counter("zones", "soa_failures") == 0 and daemon.counter("zones", "transfers_failed") == 0, daemon.log()
    assert daemon.counter("zones", "tls_resumed") + daemon.counter("zones", "reuses") > 0
    # What leaves for port 53 of the primary are answers to the lab's own questions and to NOTIFY, never a question.
    asked = net.run_in("sec", ["tcpdump", "-nr", capture, "src 10.53.0.2 and dst 10.53.0.1 and dst port 53"], check=False)
    assert not re.search(r"SOA\?|AXFR|IXFR|Flags \[S\]", asked.stdout), asked.stdout[:2000]


# --- a scripted primary ---

class TlsPrimary(ScriptedPrimary):
    """Over TLS on port 853, with whatever certificate and context; `handshake(primary, sock)` in place of TLS."""

    def __init__(self, net, identity, **kw):
        self.identity, self.handshake, self.requests, self.resumed = identity, None, [], 0
        self.keep_open = False
        self.context = self.make_context()
        super().__init__(net, port=853, **kw)

    def make_context(self, alpn=("dot",), client_ca=None, **changes):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(self.identity.certificate, self.identity.key)
        if alpn:
            c.set_alpn_protocols(list(alpn))
        if client_ca:
            c.verify_mode = ssl.CERT_REQUIRED
            c.load_verify_locations(client_ca)
        for key, value in changes.items():
            setattr(c, key, value)
        return c

    def _serve_connection(self, s):
        try:
            if self.handshake is not None:
                self.handshake(self, s)
                return
            with contextlib.suppress(OSError):
                s.settimeout(20)
                t = self.context.wrap_socket(s, server_side=True)
                self.resumed += t.session_reused
                self.open.add(t)
                super()._serve_connection(WaitAll(t))
                self.open.discard(t)
        finally:
            self.open.discard(s)
            s.close()

    def _serve_request(self, s):
        before = len(self.transfers)
        more = super()._serve_request(s)
        return more or self.keep_open and len(self.transfers) > before


class WaitAll:
    """A TLS socket that knows MSG_WAITALL."""

    def __init__(self, s):
        self.s = s

    def recv(self, cap, flags=0):
        out = b""
        while len(out) < cap:
            part = self.s.recv(cap - len(out))
            out += part
            if not part or not flags:
                break
        return out

    def __getattr__(self, name):
        return getattr(self.s, name)


def begin(net, tls=None, serial=1, hosts=10, identity=None, setup=None, primary_keys=None, zones=(ZONE,), expect=True,
          kind=TlsPrimary, **more):
    net.ca = getattr(net, "ca", None) or Authority(net.dir / "tls")
    net.clear = ScriptedPrimary(net)  # on port 53: whatever is said in clear text is seen there
    net.clear.zone(ZONE, 99)
    primary = kind(net, identity or net.ca.issue(HOST))
    if setup:
        setup(primary)
    for zone in zones:
        primary.zone(zone, serial, hosts)
    change = {**tls_config(net, **(tls or {})), **more}
    change["primaries"][0].update(primary_keys or {})
    daemon = net.lockstepd(list(zones), change=change)
    if expect:
        for zone in zones:
            net.wait_serial(zone, serial)
    return primary, daemon


def nothing_in_clear(net, primary=None):
    assert not net.clear.probes and not net.clear.transfers and not net.clear.open, "something was said in clear text"
    if primary is not None:
        assert all(tcp for _, _, tcp in primary.probes), "something was asked over UDP"


def refused(net, daemon, expect):
    """The zone was never loaded, and the status and the log say why."""
    status = lab.wait_until(lambda: (z := daemon.zone(ZONE))["last_error"] and z, 15, "the attempt has failed")
    assert re.search(expect, status["last_error"]), f"{status['last_error']!r} is not like {expect!r}"
    assert not status["loaded"]
    assert re.search(r"(soa|transfer)-failed zone=example\. peer=10\.53\.0\.1@853 .*reason=.*" + expect, daemon.log()), daemon.log()
    nothing_in_clear(net)


def test_soa_transfer_and_change_go_over_one_connection(net):
    primary, daemon = begin(net, setup=lambda p: setattr(p, "keep_open", True))
    for serial in range(2, 8):
        primary.zone(ZONE, serial)
        primary.notify(ZONE)
        net.wait_serial(ZONE, serial)
    assert daemon.counter("zones", "connections") == 1, "kept for the next one"
    assert daemon.counter("zones", "reuses") >= 12
    assert daemon.counter("zones", "tls_opened") == 1
    nothing_in_clear(net, primary)


def test_connection_closed_by_the_primary_costs_no_failure(net):
    primary, daemon = begin(net, primary_keys={"keep": "1h"})
    # It closes after each transfer, as a server may: sometimes before we ask again, sometimes just then.
    for serial in range(2, 30):
        primary.zone(ZONE, serial)
        primary.notify(ZONE)
        net.wait_serial(ZONE, serial)
    assert daemon.counter("zones", "soa_failures") == 0 and daemon.counter("zones", "transfers_failed") == 0
    assert daemon.counter("zones", "ixfr_fallbacks") == 0
    assert primary.resumed > 0 and daemon.counter("zones", "tls_resumed") == primary.resumed
    nothing_in_clear(net, primary)


def test_request_on_a_connection_that_is_being_closed_is_sent_again(net):
    primary, daemon = begin(net, setup=lambda p: setattr(p, "keep_open", True), primary_keys={"keep": "1h"})
    for serial in range(2, 6):
        # It takes the request and closes, as if its close had crossed it.
        real, once = primary._serve_request, []

        def closing(s):
            if not once:
                once.append(s.recv(1))
                return False
            return real(s)
        primary._serve_request = closing
        primary.zone(ZONE, serial)
        primary.notify(ZONE)
        net.wait_serial(ZONE, serial)
        primary._serve_request = real
    assert daemon.counter("zones", "repeats") >= 4
    assert daemon.counter("zones", "soa_failures") == 0 and daemon.counter("zones", "transfers_failed") == 0


def test_idle_connection_is_closed_by_us(net):
    primary, daemon = begin(net, setup=lambda p: setattr(p, "keep_open", True), primary_keys={"keep": "300ms"})
    lab.wait_until(lambda: not primary.open, 15, "the connection is closed")
    primary.zone(ZONE, 2)
    primary.notify(ZONE)
    net.wait_serial(ZONE, 2)
    assert daemon.counter("zones", "tls_resumed") == 1
    nothing_in_clear(net, primary)


class HoldingPrimary(TlsPrimary):
    """Keeps SOA queries back until `hold` of them are there, and answers them in the opposite order."""

    hold, held = 0, []

    def _serve_request(self, s):
        head = s.recv(2, socket.MSG_WAITALL)
        if len(head) < 2:
            return False
        request = Request(s.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
        if request.type != SOA or not self.hold:
            return super()._serve_request(Replay(s, head + request.wire))
        self.held.append(framed(message(request, [self.zones[request.name.lower()].soa()])))
        if len(self.held) == self.hold:
            s.sendall(b"".join(reversed(self.held)))
            self.held.clear()
        return True


class Replay(WaitAll):
    """What was read already comes first."""

    def __init__(self, s, octets):
        super().__init__(s)
        self.octets = octets

    def recv(self, cap, flags=0):
        if self.octets:
            out, self.octets = self.octets[:cap], self.octets[cap:]
            return out
        return self.s.recv(cap, flags)


def test_queries_of_many_zones_share_a_connection_and_find_their_answers(net):
    primary, daemon = begin(net, setup=lambda p: setattr(p, "keep_open", True), zones=OTHERS, kind=HoldingPrimary)
    before = daemon.counter("zones", "connections")
    primary.hold = len(OTHERS)
    done = [threading.Thread(target=daemon.ctl, args=("zone", "refresh", z)) for z in OTHERS]
    for t in done:
        t.start()
    for t in done:
        t.join(30)
    assert daemon.counter("zones", "soa_failures") == 0 and daemon.counter("zones", "soa_rejected") == 0
    assert daemon.counter("zones", "connections") - before <= 1, "one for all"
    assert all(z["last_error"] == "" for z in daemon.zones().values()), daemon.zones()
    nothing_in_clear(net, primary)


def test_certificate_that_is_not_good_is_refused_and_it_is_said_why(net):
    net.ca = Authority(net.dir / "tls")
    for identity, expect in ((net.ca.issue(HOST, days=(-20, -10)), "certificate has expired"),
                             (net.ca.issue(HOST, days=(2, 10)), "certificate is not yet valid"),
                             (net.ca.issue("other.test"), "hostname mismatch"),
                             (Authority(net.dir / "strange", "Strange CA").issue(HOST), "unable to get local issuer")):
        primary, daemon = begin(net, identity=identity, expect=False)
        refused(net, daemon, "TLS: certificate verify failed: " + expect)
        assert daemon.counter("zones", "tls_failed") > 0 and daemon.counter("zones", "tls_opened") == 0
        assert not primary.probes and not primary.transfers
        daemon.stop()
        primary.stop()
        net.clear.stop()


def test_pins_decide_alone_and_with_a_ca(net):
    net.ca = Authority(net.dir / "tls")
    old = Authority(net.dir / "strange", "Strange CA").issue("elsewhere.test", days=(-20, -10))
    wrong = net.ca.issue(HOST).pin
    primary, daemon = begin(net, {"ca-file": None, "hostname": None, "pins": [wrong, old.pin]}, identity=old)
    assert net.dig(f"h1.{ZONE}").answer
    daemon.stop()
    primary.stop()
    net.clear.stop()
    primary, daemon = begin(net, {"ca-file": None, "hostname": None, "pins": [wrong]}, identity=old, expect=False)
    refused(net, daemon, "TLS: pin mismatch: the key of the certificate is " + re.escape(old.pin))
    daemon.stop()
    primary.stop()
    net.clear.stop()
    primary, daemon = begin(net, {"pins": [old.pin]}, identity=old, expect=False)
    refused(net, daemon, "TLS: certificate verify failed")


def test_opportunistic_believes_anybody_and_stays_on_tls(net):
    net.ca = Authority(net.dir / "tls")
    old = Authority(net.dir / "strange", "Strange CA").issue("elsewhere.test", days=(-20, -10))
    profile = {"ca-file": None, "hostname": None, "opportunistic": True}
    primary, daemon = begin(net, profile, identity=old)
    primary.stop()
    lab.wait_until(lambda: daemon.ctl_raw("zone", "refresh", ZONE).returncode == 1, 15, "the refresh has failed")
    assert "connect" in daemon.zone(ZONE)["last_error"], daemon.zone(ZONE)
    nothing_in_clear(net, primary)


def garbage(p, s):
    s.recv(1)
    s.sendall(bytes(range(256)) * 8)
    time.sleep(0.5)


def plain_dns(p, s):
    """A server without TLS: it takes the hello for a message and waits for the rest, or answers."""
    s.recv(2)
    s.sendall(framed(bytes(12)))
    time.sleep(0.5)


def closes(p, s):
    s.recv(1)


def closes_at_once(p, s):
    pass


@lab.timeout(120)
def test_primary_that_does_not_speak_as_it_has_to_is_refused(net):
    for change, expect in (
            ({"context": lambda p: p.make_context(maximum_version=ssl.TLSVersion.TLSv1_2)}, r"TLS: no common version"),
            ({"context": lambda p: p.make_context(alpn=None)}, r"TLS: ALPN missing: the server did not select .?.dot"),
            ({"context": lambda p: p.make_context(alpn=["h2"])}, r"TLS: ALPN"),
            ({"handshake": lambda p: garbage}, r"TLS: what came is not TLS"),
            ({"handshake": lambda p: plain_dns}, r"TLS: what came is not TLS"),
            ({"handshake": lambda p: closes}, r"TLS: the primary closed the connection in the handshake|reset"),
            ({"handshake": lambda p: closes_at_once}, r"TLS: the primary closed the connection in the handshake|reset")):
        def setup(primary, change=change):
            for key, make in change.items():
                setattr(primary, key, make(primary))
        primary, daemon = begin(net, setup=setup, expect=False)
        refused(net, daemon, expect)
        assert not primary.transfers
        primary.context, primary.handshake = primary.make_context(), None
        daemon.ctl("zone", "refresh", ZONE)
        net.wait_serial(ZONE, 1)
        daemon.stop()
        primary.stop()
        net.clear.stop()


def test_alpn_may_be_waived(net):
    begin(net, {"any-alpn": True}, setup=lambda p: setattr(p, "context", p.make_context(alpn=None)))
    assert net.dig(f"h1.{ZONE}").answer


def test_client_certificate_is_shown_where_it_is_wanted(net):
    net.ca = Authority(net.dir / "tls")
    mine = net.ca.issue("secondary.test")

    def setup(primary):
        primary.context = primary.make_context(client_ca=net.ca.certificate)
    primary, daemon = begin(net, setup=setup, expect=False)
    refused(net, daemon, r"TLS: the server wants a certificate of ours|reset|closed")
    daemon.stop()
    primary.stop()
    net.clear.stop()
    begin(net, {"certificate": str(mine.certificate), "key": str(mine.key)}, setup=setup)
    assert net.dig(f"h1.{ZONE}").answer


class SigningTlsPrimary(SigningPrimary, TlsPrimary):
    pass


def test_inside_tls_signatures_count_as_outside(net):
    def setup(primary):
        primary.keep_open = True
        primary.transfer = lambda s: s.send(signed_stream(s))
    primary, daemon = begin(net, kind=SigningTlsPrimary, primary_keys={"key": KEY}, setup=setup,
                            keys=[{"name": KEY, "file": key_file(net)}])

    def next_version():
        serial = daemon.zone(ZONE)["serial"] + 1
        primary.zone(ZONE, serial, 9 + serial)
        return serial

    def added(s):
        """The last host is new."""
        return [s.zone.soa(), soa(ZONE, s.zone.serial - 1), s.zone.soa(), s.zone.records[-1], s.zone.soa()]

    def differences(s, tamper=None):
        s.send(signed_stream(s, tamper, records=added(s) if s.request.type == IXFR else None))

    def flip(i, last, signer, wire):
        return bytes(b ^ (k == len(wire) - 1) for k, b in enumerate(signer.sign(wire))) if last else None
    serial = next_version()
    primary.transfer = differences
    daemon.ctl("zone", "refresh", ZONE)
    status = daemon.zone(ZONE)
    assert (status["serial"], status["last_transfer_type"], status["ixfr_fallbacks"]) == (serial, "IXFR", 0), status
    # A wrong MAC, in the answer to the SOA query, in the differences, in the whole zone: TLS is no reason to believe it.
    right = primary.sign_soa
    primary.sign_soa = lambda signer, wire: flip(0, True, signer, wire)
    next_version()
    done = daemon.ctl_raw("zone", "refresh", ZONE)
    assert done.returncode == 1 and "the MAC is wrong (BADSIG)" in done.stderr, done
    primary.sign_soa = lambda signer, wire: wire
    done = daemon.ctl_raw("zone", "refresh", ZONE)
    assert done.returncode == 1 and "a signature is missing" in done.stderr, done
    primary.sign_soa = right
    primary.transfer = lambda s: differences(s, flip)
    done = daemon.ctl_raw("zone", "refresh", ZONE)
    assert done.returncode == 1 and "the MAC is wrong (BADSIG)" in done.stderr, done
    status = daemon.zone(ZONE)
    assert status["serial"] == serial and status["ixfr_fallbacks"] == 1 and status["transfers_failed"] == 1, status
    primary.transfer = differences
    daemon.ctl("zone", "refresh", ZONE)
    assert daemon.zone(ZONE)["serial"] == serial + 1 and net.dig(f"h{9 + serial}.{ZONE}").answer
    nothing_in_clear(net, primary)
    assert not primary.errors, primary.errors


class CutAfter:
    """A socket pair in the middle: the primary's octets pass until `cnt` have."""

    def __init__(self, cnt):
        self.cnt = cnt

    def __call__(self, primary, s):
        inner, outer = socket.socketpair()
        server = threading.Thread(target=self.serve, args=(primary, inner), daemon=True)
        server.start()
        left = self.cnt
        forward = threading.Thread(target=self.pump, args=(s, outer), daemon=True)
        forward.start()
        with contextlib.suppress(OSError):
            while left > 0:
                octets = outer.recv(min(left, 4096))
                if not octets:
                    break
                s.sendall(octets)
                left -= len(octets)
        self.passed = self.cnt - left
        for each in (s, outer):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def serve(primary, inner):
        with contextlib.suppress(OSError, EOFError):
            t = primary.context.wrap_socket(inner, server_side=True)
            while primary._serve_request(WaitAll(t)):
                pass
            t.close()

    @staticmethod
    def pump(source, sink):
        with contextlib.suppress(OSError):
            while octets := source.recv(4096):
                sink.sendall(octets)


@lab.timeout(300)
def test_connection_cut_anywhere_changes_nothing_and_the_next_attempt_works(net):
    """Through the handshake, the SOA answer and the transfer: about 3,000 octets of the primary, all but a few places."""
    primary, daemon = begin(net, primary_keys={"keep": 0, "ixfr": False}, setup=lambda p: setattr(p, "per_message", 5))
    primary.zone(ZONE, 2)
    whole_flow = CutAfter(1 << 20)
    primary.handshake = whole_flow
    daemon.ctl("zone", "retransfer", ZONE)
    total = whole_flow.passed
    assert total > 1000 and soa_serial(net.dig(ZONE, "SOA")) == 2
    serial = 2
    for cut in [*range(0, total - 1, 41)]:
        primary.zone(ZONE, serial + 1)
        primary.handshake = CutAfter(cut)
        done = daemon.ctl_raw("zone", "retransfer", ZONE)
        if done.returncode == 0:
            # Only the goodbye behind the last message was cut off.
            serial += 1
            assert cut > total - 600, f"cut after {cut} of {total}"
            continue
        assert soa_serial(net.dig(ZONE, "SOA")) == serial
        assert net.dig(f"h9.{ZONE}").answer
    primary.handshake = None
    daemon.ctl("zone", "retransfer", ZONE)
    assert soa_serial(net.dig(ZONE, "SOA")) == serial + 1
    nothing_in_clear(net, primary)


def test_large_zone_and_small_records_arrive_whole(net):
    def setup(primary):
        primary.per_message = 300
        primary.transfer = in_segments(97)  # each a record of its own
    primary, daemon = begin(net, hosts=3000, setup=setup)
    assert net.dig(f"h2999.{ZONE}").answer
    assert daemon.counter("zones", "tls_opened") >= 1
    primary.transfer = whole
    primary.zone(ZONE, 2, hosts=50000)
    primary.notify(ZONE)
    net.wait_serial(ZONE, 2)
    assert net.dig(f"h49999.{ZONE}").answer


def test_silent_primary_is_given_up(net):
    primary, daemon = begin(net)
    primary.handshake = lambda p, s: time.sleep(30)
    done = daemon.ctl_raw("zone", "refresh", ZONE)
    assert done.returncode == 1 and "no answer over TLS" in done.stderr, done.stderr
    primary.handshake = None
    primary.zone(ZONE, 2)
    daemon.ctl("zone", "refresh", ZONE)
    net.wait_serial(ZONE, 2)
    nothing_in_clear(net, primary)


def test_what_is_wrong_with_a_profile_is_said(net):
    ca = Authority(net.dir / "tls")
    one, two = ca.issue(HOST), ca.issue(HOST)
    good = {"name": "p", "ca-file": str(ca.certificate), "hostname": HOST}
    for change, expect in (
            ({"hostname": None}, r"tls\[0\]\.hostname: is missing"),
            ({"ca-file": None, "hostname": None}, r"needs ca-file and hostname, or pins"),
            ({"opportunistic": True}, r"contradicts ca-file and pins"),
            ({"pins": ["abc"]}, r"tls\[0\]\.pins: has an entry that is not the base64"),
            ({"pins": [one.pin] * 5}, r"at most 4"),
            ({"certificate": str(one.certificate)}, r"tls\[0\]\.key: is missing"),
            ({"certificate": str(one.certificate), "key": str(two.key)}, r"does not fit the certificate"),
            ({"ca-file": "/nonexistent"}, r"/nonexistent: cannot read CA certificates"),
            ({"name": "q"}, r"primaries\[0\]\.tls: nothing is called .p. in the section tls"),
            ({"colour": "red"}, "colour")):
        profile = {k: v for k, v in {**good, **change}.items() if v is not None}
        config = {"tls": [profile], "primaries": [{"name": "first", "address": lab.PRIMARY, "tls": "p"}]}
        daemon = net.lockstepd([ZONE], change=config, start=False)
        done = lab.run([lab.BUILD / "control" / "lockstepd", "--check-config", daemon.config_file], check=False)
        assert done.returncode == 3 and re.search(expect, done.stderr), f"{change}: {done.stderr}"


if __name__ == "__main__":
    lab.main()
