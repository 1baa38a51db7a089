#!/usr/bin/python3
"""Zones onward (RFC 5936, 1995): who may transfer, what dnspython reads from our octets, limits, slow readers, versions
that change while they are sent; knotd, nsd and named as secondaries are in test_onward.py."""

import base64
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab

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


def messages(net, query, source=None, ring=None, timeout=10, pause=0):
    """All messages of an answer over TCP, verified when ring is given, until it is complete or an error."""
    query_mac = b""
    if ring:
        query.use_tsig(ring, dns.name.from_text(KEY))
    with net.tcp(source=source, timeout=timeout) as s:
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
            time.sleep(pause)


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
    return sorted(f"{n} {ttl} {dns.rdatatype.to_text(r.rdtype)} {r.to_text()}".lower() for n, ttl, r in z.iterate_rdatas())


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


if __name__ == "__main__":
    lab.main()
