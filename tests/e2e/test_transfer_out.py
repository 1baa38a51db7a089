#!/usr/bin/python3
"""Zones onward (RFC 5936, 1995): who may transfer, what dnspython reads from our octets, limits, slow readers, versions
that change while they are sent; knotd, nsd and named as secondaries are in test_onward.py."""

import base64
import socket
import ssl
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from certificates import Authority
from lab_servers import KnotdWithJournal
from lab_wire import soa_serial

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.tsigkeyring
import dns.xfr
import dns.zone

ZONE = "example."
KEY, SECRET = "transfer.key.", base64.b64encode(b"s3cret-of-the-transfer-key-in-test").decode()
OTHER, OTHER_SECRET = "other.key.", base64.b64encode(b"another-secret-for-another-key-yes").decode()
RING = dns.tsigkeyring.from_text({KEY: SECRET})
KEYS = [{"name": n, "algorithm": "hmac-sha256", "secret": s} for n, s in ((KEY, SECRET), (OTHER, OTHER_SECRET))]


def secondary(name="down", address=lab.PRIMARY, **more):
    return {"name": name, "address": address, **more}


def onward(*secondaries, **more):
    return {"secondaries": list(secondaries) or [secondary()],
            "defaults": {"allow-transfer": [s["name"] for s in secondaries] or ["down"]}, **more}


def start(net, zones=(ZONE,), change=None):
    daemon = net.lockstepd(zones, change=change, start=False)
    daemon.config_file.chmod(0o600)  # it may hold secrets
    return daemon.start()


def messages(net, query, source=None, ring=None, timeout=10, connect=None):
    """All messages of an answer over TCP, verified when ring is given, until it is complete or an error."""
    query_mac = b""
    if ring:
        query.use_tsig(ring, dns.name.from_text(KEY))
    with (connect or net.tcp)(source=source, timeout=timeout) as s:
        wire = query.to_wire()
        query_mac = query.mac if ring else b""
        s.sendall(struct.pack("!H", len(wire)) + wire)
        soas, ctx, first = 0, None, None
        while True:
            octets = lab.read_framed(s)
            reply = dns.message.from_wire(octets, keyring=query.keyring if ring else None, request_mac=query_mac,
                                          xfr=True, tsig_ctx=ctx, multi=True,
                                          one_rr_per_rrset=True)
            ctx = reply.tsig_ctx
            yield octets, reply
            if reply.rcode() != 0:
                return
            for rrset in reply.answer:
                if rrset.rdtype != dns.rdatatype.SOA:
                    continue
                first = first if first is not None else rrset[0].serial
                soas += rrset[0].serial == first
            single = query.question[0].rdtype == dns.rdatatype.IXFR and len(reply.answer) == 1
            incremental = query.question[0].rdtype == dns.rdatatype.IXFR
            if soas >= 2 and not incremental or single or incremental and reply.answer[-1].rdtype == 6 and soas >= 2:
                return


def axfr(net, **kw):
    """The records of an AXFR as lines, the closing SOA left out; and the messages' lengths."""
    lines, lengths = [], []
    for octets, reply in messages(net, dns.message.make_query(ZONE, "AXFR"), **kw):
        assert reply.rcode() == 0, reply
        assert reply.flags & dns.flags.AA
        lengths.append(len(octets))
        lines += [f"{r.name} {r.ttl} {dns.rdatatype.to_text(r.rdtype)} {r[0].to_text()}" for r in reply.answer]
    assert lines[0] == lines[-1]
    return lines[:-1], lengths


def rcode(net, rdtype="AXFR", zone=ZONE, source=None, query=None, tcp=True):
    query = query or dns.message.make_query(zone, rdtype)
    if rdtype == "IXFR":
        query.authority.append(dns.rrset.from_text(zone, 0, "IN", "SOA", ". . 1 0 0 0 0"))
    return dns.rcode.to_text(dns.message.from_wire(net.exchange(query.to_wire(), tcp=tcp, source=source),
                                                   ignore_trailing=False).rcode())


def dump(daemon, zone=ZONE):
    done = daemon.ctl_raw("zone", "dump", zone)
    assert done.returncode == 0, done.stderr
    z = dns.zone.from_text(done.stdout, origin=zone, relativize=False, check_origin=False)
    return records(z)


def records(zone):
    return sorted(f"{n} {ttl} {dns.rdatatype.to_text(r.rdtype)} {r.to_text()}".lower()
                  for n, ttl, r in zone.iterate_rdatas())


EXTRA = ["MiXed IN A 192.0.2.7", "*.w IN TXT \"wild\"", "cut IN NS ns.cut", "ns.cut IN A 192.0.2.9",
         "below.cut IN TXT \"occluded\"", "mx IN MX 10 mail.MIXED", "d IN DNAME other.example.net.",
         "t IN TYPE65300 \\# 3 010203", "ent.deep IN AAAA 2001:db8::1"]


def test_axfr_gives_every_record_as_it_came(net):
    net.knotd({ZONE: lab.zone_text(ZONE, 1, hosts=3000, extra=EXTRA)})
    daemon = start(net, change=onward())
    net.wait_serial(ZONE, 1)
    lines, lengths = axfr(net)
    assert sorted(x.lower() for x in lines) == dump(daemon)
    assert len(lengths) > 3 and all(n <= 16384 for n in lengths), lengths
    lab.wait_until(lambda: daemon.counter("onward", "axfr_out") == 1, 5, "it is counted")
    assert daemon.counter("onward", "running") == 0


def test_nobody_is_served_by_default(net):
    net.knotd({ZONE: lab.zone_text(ZONE, 1)})
    daemon = start(net)
    net.wait_serial(ZONE, 1)
    assert rcode(net) == "REFUSED"
    assert rcode(net, "IXFR") == "REFUSED"
    assert rcode(net, zone="elsewhere.") == "NOTAUTH"
    assert rcode(net, zone="www.example.") == "NOTAUTH"
    assert rcode(net, tcp=False) == "NOTIMP"
    assert daemon.counter("onward", "refused") == 2
    for edns in (None, 0):
        assert net.dig(ZONE, "AXFR", tcp=True, edns=edns).edns == (-1 if edns is None else 0), "OPT for OPT (RFC 6891 6.1.1)"


def test_who_may_transfer_is_told_by_address_and_key(net):
    net.knotd({ZONE: lab.zone_text(ZONE, 1)})
    daemon = start(net, change=onward(
        secondary("net", "10.53.0.0/30"), secondary("signed", lab.STRANGER, key=KEY), keys=KEYS))
    net.wait_serial(ZONE, 1)
    assert len(axfr(net)[0]) > 5
    assert len(axfr(net, source=lab.SECOND_PRIMARY)[0]) > 5
    assert rcode(net, source=lab.STRANGER) == "REFUSED"
    assert len(axfr(net, source=lab.STRANGER, ring=RING)[0]) > 5
    signed = dns.message.make_query(ZONE, "AXFR")
    signed.use_tsig(dns.tsigkeyring.from_text({OTHER: OTHER_SECRET}), dns.name.from_text(OTHER))
    wire = net.exchange(signed.to_wire(), tcp=True, source=lab.STRANGER)
    assert dns.message.from_wire(wire, keyring=signed.keyring, request_mac=signed.mac).rcode() == dns.rcode.REFUSED
    for key, secret, error in ((KEY, OTHER_SECRET, dns.tsig.PeerBadSignature), ("no.key.", SECRET, dns.tsig.PeerBadKey)):
        bad = dns.message.make_query(ZONE, "AXFR")
        bad.use_tsig(dns.tsigkeyring.from_text({key: secret}), dns.name.from_text(key))
        wire = net.exchange(bad.to_wire(), tcp=True, source=lab.STRANGER)
        assert wire[3] & 15 == dns.rcode.NOTAUTH
        try:
            dns.message.from_wire(wire, keyring=bad.keyring, request_mac=bad.mac)
            raise AssertionError("a TSIG error was expected")
        except error:
            pass
    assert daemon.counter("onward", "running") == 0


def test_every_message_of_a_signed_transfer_is_signed(net):
    net.knotd({ZONE: lab.zone_text(ZONE, 1, hosts=3000)})
    start(net, change=onward(secondary(key=KEY), keys=KEYS))
    net.wait_serial(ZONE, 1)
    n = 0
    for _, reply in messages(net, dns.message.make_query(ZONE, "AXFR"), ring=RING):
        assert reply.had_tsig
        n += 1
    assert n > 3


def test_records_of_every_size_are_sent_or_the_transfer_ends(net):
    big = ["big%d IN TYPE65300 \\# %d %s" % (n, n, "ab" * n) for n in (16000, 16384, 32768, 64000, 65000)]
    net.knotd({ZONE: lab.zone_text(ZONE, 1, extra=big)})
    daemon = start(net, change=onward())
    net.wait_serial(ZONE, 1, timeout=20)
    lines, lengths = axfr(net)
    assert sorted(x.lower() for x in lines) == dump(daemon)
    assert max(lengths) > 65000


# --- differences ---

def ixfr(net, serial, **kw):
    query = dns.message.make_query(ZONE, "IXFR")
    query.authority.append(dns.rrset.from_text(ZONE, 0, "IN", "SOA", f". . {serial} 0 0 0 0"))
    return [r for _, reply in messages(net, query, **kw) for r in reply.answer]


def serials(rrsets):
    return [r[0].serial for r in rrsets if r.rdtype == dns.rdatatype.SOA]


def with_versions(net, change=None, last=4, hosts=300):
    """A daemon that has seen versions 1 to last: each adds new<n>, takes new<n-1> away, and changes a set."""
    primary = KnotdWithJournal(net, {ZONE: lab.zone_text(ZONE, 1, hosts=hosts)}, [lab.PRIMARY, lab.PRIMARY6], True,
                               [lab.SECONDARY]).start()
    daemon = start(net, change=onward(**(change or {})))
    net.wait_serial(ZONE, 1)
    for serial in range(2, last + 1):
        primary.update(ZONE, lab.zone_text(ZONE, serial, hosts=hosts, extra=[
            f"new{serial} IN A 192.0.2.{serial}", "set IN TXT a", f"set IN TXT b{serial}"]))
        net.wait_serial(ZONE, serial)
    return primary, daemon


def test_differences_are_merged_into_one_that_leads_to_the_same_zone(net):
    _, daemon = with_versions(net)
    got = ixfr(net, 1)
    assert serials(got) == [4, 1, 4, 4], "one difference, not three"
    names = [str(r.name) for r in got]
    assert f"new4.{ZONE}" in names and f"new2.{ZONE}" not in names, "what came and went is left out"
    assert serials(ixfr(net, 3)) == [4, 3, 4, 4]
    # dnspython, strict about what is deleted, applies it to the zone of version 1.
    zone = dns.zone.from_text(lab.zone_text(ZONE, 1, hosts=300), origin=ZONE, relativize=False)
    query, serial = dns.xfr.make_query(zone)
    assert serial == 1
    with net.inside("pri"):
        dns.query.inbound_xfr(lab.SECONDARY, zone, query, lifetime=20)
    assert records(zone) == dump(daemon)


def test_requests_for_differences_get_the_form_that_fits(net):
    _, daemon = with_versions(net, {"transfers-out": {"deltas": 2}})
    assert serials(ixfr(net, 4)) == [4], "current: the SOA alone"
    assert serials(ixfr(net, 9)) == [4], "newer than ours: the SOA alone (RFC 1995 2)"
    assert serials(ixfr(net, 2)) == [4, 2, 4, 4]
    for serial in (1, 4 + 2**31):
        got = ixfr(net, serial)
        assert serials(got) == [4, 4] and len(got) > 300, "before the oldest difference, or unrelated: the whole zone"
    assert daemon.counter("onward", "deltas") == 2
    reply = net.dig(ZONE, "IXFR")
    assert soa_serial(reply) == 4, "over UDP: the SOA alone"
    net.ctl("zone", "retransfer", ZONE)
    assert daemon.counter("onward", "deltas") == 0, "a whole zone cuts the history"
    assert serials(ixfr(net, 3)) == [4, 4]


def test_what_an_operator_accepts_or_goes_back_to_is_to_be_had_as_differences(net):
    keys = {"allow-transfer": ["down"], "max-shrink": 10, "keep-versions": 3}
    primary, daemon = with_versions(net, {"defaults": keys}, last=3, hosts=40)
    before = daemon.counter("onward", "delta_bytes")
    primary.update(ZONE, lab.zone_text(ZONE, 4, hosts=5))
    lab.wait_until(lambda: daemon.zone(ZONE)["held"], 10, "the version is held")
    assert daemon.counter("onward", "delta_bytes") > before and daemon.counter("onward", "deltas") == 2
    assert serials(ixfr(net, 2)) == [3, 2, 3, 3], "what is held is not told"
    daemon.ctl("zone", "accept", ZONE)
    assert serials(ixfr(net, 2)) == [4, 2, 4, 4], "the difference to it waited with it"
    daemon.ctl("zone", "rollback", ZONE, "3")
    assert serials(ixfr(net, 2)) == [3, 2, 3, 3]
    # The next one is a difference from what is served, not from what was rolled back from.
    primary.update(ZONE, lab.zone_text(ZONE, 5, hosts=40))
    net.wait_serial(ZONE, 5)
    expected = [5, 2, 5, 5] if daemon.zone(ZONE)["last_transfer_type"] == "IXFR" else [5, 5]
    assert serials(ixfr(net, 2)) == expected


def test_memory_for_differences_is_bounded_over_all_zones(net):
    _, daemon = with_versions(net, {"transfers-out": {"delta-bytes": "2K"}}, last=12)
    assert 0 < daemon.counter("onward", "delta_bytes") <= 2048
    assert daemon.counter("onward", "deltas_evicted") > 0
    assert serials(ixfr(net, 11)) == [12, 11, 12, 12]
    assert serials(ixfr(net, 2)) == [12, 12]


# --- signed questions over UDP ---

def test_a_signed_question_for_the_soa_gets_a_signed_answer(net):
    labels = ".".join(c * 63 for c in "xyz")
    net.knotd({ZONE: lab.zone_text(ZONE, 1).replace("hostmaster", f"{labels}.elsewhere.")})
    start(net, change=onward(secondary(key=KEY), keys=KEYS))
    net.wait_serial(ZONE, 1)
    for source in (None, lab.STRANGER):
        for rdtype in ("SOA", "IXFR"):
            query = dns.message.make_query(ZONE, rdtype, use_edns=0, payload=1232)
            query.use_tsig(RING, dns.name.from_text(KEY))
            wire = net.exchange(query.to_wire(), source=source)
            reply = dns.message.from_wire(wire, keyring=RING, request_mac=query.mac)
            assert reply.had_tsig and soa_serial(reply) == 1
    bad = dns.message.make_query(ZONE, "SOA")
    bad.use_tsig(dns.tsigkeyring.from_text({KEY: OTHER_SECRET}), dns.name.from_text(KEY))
    assert net.exchange(bad.to_wire())[3] & 15 == dns.rcode.NOTAUTH
    # A name error that only without its signature fits a client without EDNS: cut, and signed all the same.
    query = dns.message.make_query(f"{labels}.{ZONE}", "SOA")
    query.use_tsig(RING, dns.name.from_text(KEY))
    wire = net.exchange(query.to_wire())
    reply = dns.message.from_wire(wire, keyring=RING, request_mac=query.mac)
    assert reply.had_tsig and len(wire) <= 512 and not reply.authority
    assert reply.flags & dns.flags.TC and reply.rcode() == dns.rcode.NOERROR
    # A MAC of five octets is malformed, not only wrong (RFC 8945 5.2.2.1).
    for tcp in (False, True):
        reply = dns.message.from_wire(net.exchange(with_short_mac(query.to_wire()), tcp=tcp))
        assert reply.rcode() == dns.rcode.FORMERR and not reply.had_tsig


def with_short_mac(wire):
    """Of a message signed with hmac-sha256: what follows the algorithm is 6 + 2 + 2 + 32 + 6 octets."""
    data_len, = struct.unpack("!H", wire[-63:-61])
    return wire[:-63] + struct.pack("!H", data_len - 27) + wire[-61:-40] + b"\0\5" + wire[-38:-33] + wire[-6:]


# --- TLS ---

def test_a_secondary_with_tls_is_served_over_tls_alone(net):
    ca = Authority(net.dir / "tls")
    ours = ca.issue("ns.example", addresses=[lab.SECONDARY])
    net.knotd({ZONE: lab.zone_text(ZONE, 1, hosts=3000, extra=EXTRA)})
    daemon = start(net, change=onward(secondary(tls=True), server={
        "tls": {"certificate": str(ours.certificate), "key": str(ours.key)}}))
    net.wait_serial(ZONE, 1)
    assert rcode(net) == "REFUSED"
    context = ssl.create_default_context(cafile=ca.certificate)
    context.set_alpn_protocols(["dot"])

    def over_tls(**kw):
        return context.wrap_socket(net.tcp(port=853, **kw), server_hostname="ns.example")
    lines = []
    for _, reply in messages(net, dns.message.make_query(ZONE, "AXFR"), connect=over_tls):
        assert reply.rcode() == 0, reply
        lines += [f"{r.name} {r.ttl} {dns.rdatatype.to_text(r.rdtype)} {r[0].to_text()}".lower() for r in reply.answer]
    assert sorted(lines[:-1]) == dump(daemon)
    assert serials(ixfr(net, 1, connect=over_tls)) == [1]


def test_a_secondary_with_a_hostname_is_served_by_its_certificate_alone(net):
    ca, others = Authority(net.dir / "tls"), Authority(net.dir / "others", "Another CA")
    ours = ca.issue("ns.example", addresses=[lab.SECONDARY])
    net.knotd({ZONE: lab.zone_text(ZONE, 1)})
    daemon = start(net, change=onward(secondary(hostname="down.example"), server={"tls": {
        "certificate": str(ours.certificate), "key": str(ours.key), "client-ca": str(ca.certificate)}}))
    net.wait_serial(ZONE, 1)

    def answer(shown):
        context = ssl.create_default_context(cafile=ca.certificate)
        if shown:
            context.load_cert_chain(shown.certificate, shown.key)

        def over_tls(**kw):
            return context.wrap_socket(net.tcp(port=853, **kw), server_hostname="ns.example")
        with over_tls() as s:
            wire = dns.message.make_query(ZONE, "AXFR").to_wire()
            s.sendall(struct.pack("!H", len(wire)) + wire)
            return dns.message.from_wire(lab.read_framed(s), one_rr_per_rrset=True)
    refused = [None, ca.issue("other.example"), others.issue("down.example"), ca.issue("down.example", days=(-20, -10))]
    for shown in refused:
        assert answer(shown).rcode() == dns.rcode.REFUSED, shown
    assert rcode(net) == "REFUSED"
    assert daemon.counter("onward", "refused") == len(refused) + 1
    reply = answer(ca.issue("down.example"))
    assert reply.rcode() == 0 and soa_serial(reply) == 1
    assert "no certificate for the hostname" in daemon.log()


# --- readers ---

def slow(net, source=None, receive_buffer=4096):
    """A reader that asks, and reads nothing yet; its receive buffer is small."""
    s = net.tcp(source=source, timeout=30, receive_buffer=receive_buffer)
    wire = dns.message.make_query(ZONE, "AXFR").to_wire()
    s.sendall(struct.pack("!H", len(wire)) + wire)
    return s


LARGE = 50000
ALL = LARGE + 7  # the records of lab.zone_text, and the closing SOA


def rest(s, got=()):
    """What a reader of the large zone gets, behind the messages it has: its serials at both ends; None when the connection ends before."""
    got = list(got)
    cnt = sum(struct.unpack("!H", m[6:8])[0] for m in got)
    with s:
        while cnt < ALL:
            try:
                got.append(lab.read_framed(s))
            except (OSError, EOFError):
                return None
            cnt += struct.unpack("!H", got[-1][6:8])[0]
    assert cnt == ALL, cnt
    first, last = (dns.message.from_wire(w, xfr=True, one_rr_per_rrset=True).answer for w in (got[0], got[-1]))
    return first[0][0].serial, last[-1][0].serial


def large(net, change, serial=1):
    primary = net.knotd({ZONE: lab.zone_text(ZONE, serial, hosts=LARGE)})
    daemon = start(net, change=onward(**change))
    net.wait_serial(ZONE, serial, timeout=60)
    return primary, daemon


def running(daemon, cnt):
    lab.wait_until(lambda: daemon.counter("onward", "running") == cnt, 30, f"{cnt} transfers are running")


@lab.timeout(240)
def test_slow_readers_hold_nobody_up_and_the_limit_is_for_those_who_may(net):
    _, daemon = large(net, {"transfers-out": {"limit": 3}, "tcp": {"idle-timeout": "1m", "threads": 1}})
    readers = [slow(net) for _ in range(2)]
    running(daemon, 2)
    assert rcode(net, source=lab.STRANGER) == "REFUSED"
    begin = time.monotonic()
    assert rest(slow(net)) == (1, 1), "one thread, two readers that do not read, and a third is served"
    net.note(f"a third reader took {time.monotonic() - begin:.1f} s")
    assert net.dig(ZONE, "SOA", tcp=True).rcode() == 0
    readers.append(slow(net))
    running(daemon, 3)
    assert rcode(net) == "SERVFAIL", "as many as may"
    assert rcode(net, source=lab.STRANGER) == "REFUSED", "who may not is told so, whatever the limit"
    assert daemon.counter("onward", "over_limit") == 1
    readers.pop().close()
    running(daemon, 2)
    assert all(rest(s) == (1, 1) for s in readers)
    running(daemon, 0)


@lab.timeout(240)
def test_a_transfer_ends_with_the_version_it_began_with(net):
    primary, daemon = large(net, {"tcp": {"idle-timeout": "1m"}})
    reader = slow(net)
    running(daemon, 1)
    for serial in (2, 3):
        primary.update(ZONE, lab.zone_text(ZONE, serial, hosts=20))
        net.wait_serial(ZONE, serial, timeout=60)
    assert rest(reader) == (1, 1)
    assert serials(ixfr(net, 3)) == [3]


@lab.timeout(240)
def test_a_zone_that_expires_is_not_served_but_what_had_begun_is_completed(net):
    primary = net.knotd({ZONE: lab.zone_text(ZONE, 1, hosts=LARGE, refresh=2, retry=1, expire=6)})
    daemon = start(net, change=onward(tcp={"idle-timeout": "1m"}))
    net.wait_serial(ZONE, 1, timeout=60)
    primary.stop()
    reader = slow(net)
    running(daemon, 1)
    net.wait_state(ZONE, "expired", timeout=60)
    assert rcode(net) == "SERVFAIL"
    assert rest(reader) == (1, 1)
    running(daemon, 0)


@lab.timeout(240)
def test_readers_that_take_too_long_are_cut_off(net):
    _, daemon = large(net, {"transfers-out": {"idle": "1s"}, "tcp": {"idle-timeout": "1h"}})
    idle, reader = slow(net), slow(net)
    running(daemon, 2)
    # Nothing at all is not, and neither is an octet now and then.
    end = time.monotonic() + 60
    while daemon.counter("onward", "running") and time.monotonic() < end:
        time.sleep(0.2)
        try:
            reader.recv(1000)
        except OSError:
            break
    running(daemon, 0)
    assert daemon.counter("onward", "failed") == 2
    idle.close()
    reader.close()


def is_closed(s):
    try:
        return s.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


@lab.timeout(240)
def test_a_transfer_is_not_an_idle_connection_however_its_reader_reads(net):
    # What the kernel takes of a batch is all of it, or the rest would count as progress.
    net.run_in("sec", ["sysctl", "-qw", "net.ipv4.tcp_wmem=4096 262144 262144"])
    _, daemon = large(net, {"tcp": {"idle-timeout": "1s", "clients": 3, "threads": 1}})
    stands, paced = slow(net), slow(net, receive_buffer=65536)
    running(daemon, 2)
    idle, taken = net.tcp(timeout=0.05), []
    while not is_closed(idle):
        taken.append(lab.read_framed(paced))
    assert daemon.counter("stream", "closed_idle") > 0
    running(daemon, 2)
    # Neither do they make room, for few or for many.
    others = []
    for _ in range(5):
        others.append(net.tcp())
        assert lab.exchange_on(others[-1], dns.message.make_query(ZONE, "SOA").to_wire(), tcp=True)
    assert daemon.counter("stream", "closed_limit") >= 4
    third = slow(net)
    running(daemon, 3)
    before = daemon.counter("stream", "closed_limit")
    with net.tcp(timeout=30) as s:
        assert is_closed(s)
    assert daemon.counter("stream", "closed_limit") == before + 1
    assert rest(paced, taken) == (1, 1)
    assert rest(stands) == (1, 1) and rest(third) == (1, 1)
    running(daemon, 0)


def test_stopping_while_transfers_run_ends_them(net):
    _, daemon = large(net, {"tcp": {"idle-timeout": "1m"}})
    readers = [slow(net) for _ in range(3)]
    running(daemon, 3)
    assert daemon.stop() == 0
    for s in readers:
        assert rest(s) is None


if __name__ == "__main__":
    lab.main()
