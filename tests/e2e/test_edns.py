#!/usr/bin/python3
"""EDNS options and rate limits on the wire, read by dnspython; cookies and ZONEVERSION beside what rivals answer."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from signer import KEY, SECRET, key_file

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.tsigkeyring

ZONE = "example."
NSID, EXPIRE, COOKIE, KEEPALIVE, REPORT_CHANNEL, ZONEVERSION = 3, 9, 10, 11, 18, 19
OLD, NEW = "e5e973e5a6b2a43f48e7dc849e37bfcf", "445536bcd2513298075a5d379663c962"
CLIENT = bytes.fromhex("2464c4abcf10c957")
BADCOOKIE = 23
RING = dns.tsigkeyring.from_text({KEY: SECRET})


def octets(option):
    return option.to_wire() if hasattr(option, "to_wire") else option.data


def ask(net, options, name="www.example.", rdtype="A", **kw):
    """Returns the response and its options, code -> octets."""
    request = dns.message.make_query(name, rdtype, use_edns=0, payload=1232,
                                     options=[dns.edns.GenericOption(code, data) for code, data in options])
    wire = net.exchange(request.to_wire(), **kw)
    reply = dns.message.from_wire(wire)
    return reply, {int(o.otype): octets(o) for o in reply.options}


def cookie_of(net, cookie=CLIENT, **kw):
    reply, options = ask(net, [(COOKIE, cookie)], **kw)
    return reply.rcode(), options.get(COOKIE)


def secrets(net, *lines):
    path = net.dir / "cookie-secrets"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write("\n".join(lines) + "\n")
    return str(path)


def served(net, change):
    net.knotd({ZONE: lab.zone_text(ZONE, 7, expire=86400)})
    daemon = net.lockstepd([ZONE], change=change)
    net.wait_serial(ZONE, 7)
    return daemon


def test_options_are_told_to_who_asks(net):
    served(net, {"server": {"nsid": "fra-1", "report-channel": "agent.test"}})
    for tcp in (False, True):
        reply, options = ask(net, [(NSID, b""), (ZONEVERSION, b""), (KEEPALIVE, b"")], tcp=tcp)
        assert reply.rcode() == dns.rcode.NOERROR and reply.answer, reply
        assert options[NSID] == b"fra-1", options
        assert options[ZONEVERSION] == bytes([1, 0, 0, 0, 0, 7]), options
        assert options[REPORT_CHANNEL] == b"\5agent\4test\0", options
        assert options.get(KEEPALIVE) == (b"\0\x64" if tcp else None), options
        _, options = ask(net, [], tcp=tcp)
        assert set(options) == {REPORT_CHANNEL}, options
        _, options = ask(net, [(EXPIRE, b"")], name=ZONE, rdtype="SOA", tcp=tcp)
        assert 86400 - 60 <= int.from_bytes(options[EXPIRE], "big") <= 86400, options


def test_expire_counts_down_while_the_primary_is_away(net):
    primary = net.knotd({ZONE: lab.zone_text(ZONE, 7, refresh=2, retry=1, expire=30)})
    net.lockstepd([ZONE])
    net.wait_serial(ZONE, 7)
    primary.kill()
    time.sleep(4)
    _, first = ask(net, [(EXPIRE, b"")], name=ZONE, rdtype="SOA")
    time.sleep(3)
    _, then = ask(net, [(EXPIRE, b"")], name=ZONE, rdtype="SOA")
    first, then = (int.from_bytes(o[EXPIRE], "big") for o in (first, then))
    assert then <= first - 2 and first < 30 and then >= 15, (first, then)


def test_cookies_come_back_as_they_are_from_workers_and_streams(net):
    served(net, {"server": {"cookie-secrets": secrets(net, OLD)}})
    rcode, cookie = cookie_of(net)
    assert rcode == dns.rcode.NOERROR and len(cookie) == 24 and cookie[:8] == CLIENT, (rcode, cookie)
    assert cookie[8:12] == b"\1\0\0\0" and abs(int.from_bytes(cookie[12:16], "big") - time.time()) < 5, cookie
    assert cookie_of(net, cookie) == (dns.rcode.NOERROR, cookie), "a young cookie comes back as it is"
    assert cookie_of(net, cookie, tcp=True) == (dns.rcode.NOERROR, cookie), "workers and streams share the secret"
    false = cookie[:-1] + bytes([cookie[-1] ^ 1])
    assert cookie_of(net, false)[1] != false
    for length in (0, 7, 9, 15, 41):
        assert cookie_of(net, bytes(length))[0] == dns.rcode.FORMERR, length


def test_cookies_are_good_with_named_and_named_s_with_us(net):
    """One fleet of two makes with one secret: RFC 9018. The client has the same address for both."""
    primary = net.named({ZONE: lab.zone_text(ZONE, 7)}, start=False)
    configure = primary.configure

    def with_secret():
        configure()
        conf = primary.dir / "named.conf"
        conf.write_text(conf.read_text().replace("options {", "options {\n  answer-cookie yes;\n  require-server-cookie "
                                                 f'yes;\n  cookie-algorithm siphash24;\n  cookie-secret "{OLD}";', 1))
    primary.configure = with_secret
    with_secret()
    primary.start()
    net.lockstepd([ZONE], change={"server": {"cookies": "required", "cookie-secrets": secrets(net, OLD)}})
    net.wait_serial(ZONE, 7)
    theirs, source = primary.addresses[0], primary.addresses[0]
    for maker, taker in ((None, theirs), (theirs, None)):
        rcode, cookie = cookie_of(net, server=maker, source=source)
        assert rcode == BADCOOKIE and len(cookie) == 24, (maker, rcode, cookie)
        assert cookie_of(net, cookie, server=taker, source=source)[0] == dns.rcode.NOERROR, (maker, taker)
        false = cookie[:-1] + bytes([cookie[-1] ^ 1])
        assert cookie_of(net, false, server=taker, source=source)[0] == BADCOOKIE, (maker, taker)


def test_a_secret_rolls_over_at_run_time(net):
    daemon = served(net, {"server": {"cookies": "required", "cookie-secrets": secrets(net, OLD)}})

    def reload(*lines):
        secrets(net, *lines)
        assert daemon.ctl("cookies", "reload")["secrets"] == len(lines)

    rcode, cookie = cookie_of(net)
    assert rcode == BADCOOKIE, rcode
    assert cookie_of(net, cookie)[0] == dns.rcode.NOERROR
    reload(OLD, NEW)
    assert cookie_of(net, cookie)[0] == dns.rcode.NOERROR
    reload(NEW, OLD)
    rcode, newer = cookie_of(net, cookie)
    assert rcode == dns.rcode.NOERROR and newer != cookie
    reload(NEW)
    assert cookie_of(net, newer)[0] == dns.rcode.NOERROR
    assert cookie_of(net, cookie)[0] == BADCOOKIE
    assert cookie_of(net, cookie, tcp=True)[0] == dns.rcode.NOERROR
    os.chmod(secrets(net, OLD), 0o644)
    assert "others may read" in daemon.ctl_raw("cookies", "reload").stderr
    assert cookie_of(net, newer)[0] == dns.rcode.NOERROR, "the former secret stays"


def test_signed_questions_are_answered_with_the_new_secret_and_counted(net):
    """They are the control loop's, which has the keys: what is wrong with a cookie is told under signature too."""
    daemon = served(net, {"server": {"cookies": "required", "cookie-secrets": secrets(net, OLD)},
                          "keys": [{"name": KEY, "file": key_file(net)}]})

    def signed(cookie):
        request = dns.message.make_query(ZONE, "SOA", use_edns=0, payload=1232,
                                         options=[dns.edns.GenericOption(COOKIE, cookie)])
        request.use_tsig(RING, dns.name.from_text(KEY))
        reply = dns.message.from_wire(net.exchange(request.to_wire()), keyring=RING, request_mac=request.mac)
        assert reply.had_tsig, reply
        return reply.rcode(), {int(o.otype): octets(o) for o in reply.options}.get(COOKIE)

    rcode, cookie = signed(CLIENT)
    assert rcode == BADCOOKIE and signed(cookie)[0] == dns.rcode.NOERROR, rcode
    secrets(net, NEW)
    assert daemon.ctl("cookies", "reload")["secrets"] == 1
    rcode, newer = signed(cookie)
    assert rcode == BADCOOKIE and signed(newer)[0] == dns.rcode.NOERROR, rcode
    assert cookie_of(net, newer)[0] == dns.rcode.NOERROR, "the workers' is the same"
    counters = daemon.ctl("stats")["answer"]["control"]
    assert counters["queries_udp"] == 4 and counters["noerror"] == counters["badcookie"] == 2, counters
    assert "control" in daemon.ctl_raw("stats").stdout


def test_a_cookie_without_a_question(net):
    served(net, {})
    request = dns.message.Message()
    request.use_edns(0, payload=1232, options=[dns.edns.GenericOption(COOKIE, CLIENT)])
    reply = dns.message.from_wire(net.exchange(request.to_wire()))
    assert reply.rcode() == dns.rcode.NOERROR and not reply.question and not reply.answer, reply
    assert len(octets(reply.options[0])) == 24, reply


@lab.each(kind=["knotd", "named"])
def test_options_agree_with_what_a_rival_answers(net, kind):
    """NSID, EXPIRE and cookies: same code, same length, same rcode, where the rival answers at all."""
    primary = net.start_primary(kind, {ZONE: lab.zone_text(ZONE, 7)})
    net.lockstepd([ZONE], change={"server": {"nsid": "ours"}})
    net.wait_serial(ZONE, 7)
    theirs = primary.addresses[0]
    for length in (8, 16, 24, 40):
        ours, our_options = ask(net, [(COOKIE, bytes(length))])
        their, their_options = ask(net, [(COOKIE, bytes(length))], server=theirs)
        assert ours.rcode() == their.rcode(), (length, ours, their)
        if COOKIE in their_options:
            assert len(our_options[COOKIE]) == len(their_options[COOKIE]), (length, our_options, their_options)
    _, their_options = ask(net, [(EXPIRE, b"")], name=ZONE, rdtype="SOA", server=theirs)
    _, our_options = ask(net, [(EXPIRE, b"")], name=ZONE, rdtype="SOA")
    if EXPIRE in their_options:
        assert len(our_options[EXPIRE]) == 4 == len(their_options[EXPIRE]), (our_options, their_options)


def test_a_flood_is_limited_and_a_cookie_is_the_way_out(net):
    daemon = served(net, {"server": {"cookie-secrets": secrets(net, OLD)},
                          "keys": [{"name": KEY, "file": key_file(net)}],
                          "rate-limit": {"rate": 20, "window": "1s", "slip": 1, "ipv4": [32]}})
    _, cookie = cookie_of(net)
    replies = [ask(net, [])[0] for _ in range(60)]
    whole = [r for r in replies if r.answer]
    slipped = [r for r in replies if r.flags & dns.flags.TC]
    assert len(whole) + len(slipped) == 60 and not any(r.answer for r in slipped)
    assert 15 <= len(whole) <= 50 and slipped, (len(whole), len(slipped))
    assert all(cookie_of(net, cookie)[0] == dns.rcode.NOERROR for _ in range(5))
    assert all(ask(net, [(COOKIE, cookie)])[0].answer for _ in range(60)), "a valid cookie is never limited"
    assert all(ask(net, [], tcp=True)[0].answer for _ in range(30)), "TCP is never limited"
    assert daemon.counter("answer", "rate_slipped") == len(slipped)
    worst = daemon.ctl("offenders")
    assert worst["limits"] and worst["offenders"][0]["class"] == "answer", worst
    assert worst["offenders"][0]["prefix"] == 32 and worst["offenders"][0]["place"] == "worker", worst
    signed = dns.message.make_query(ZONE, "SOA")
    signed.use_tsig(RING, dns.name.from_text(KEY))
    wire = signed.to_wire()
    assert not any(net.exchange(wire)[2] & 2 for _ in range(60)), "a good signature is never limited"
    forged = wire[:-7] + bytes([wire[-7] ^ 1]) + wire[-6:]  # the last octet of the MAC
    with net.udp() as s:
        for _ in range(100):
            s.send(forged)
    lab.wait_until(lambda: [o for o in daemon.ctl("offenders")["offenders"] if o["place"] == "control" and
                            o["worker"] is None and o["class"] == "error"], 10, "errors about bad signatures are")
    assert "limited of late  control" in daemon.ctl_raw("offenders").stdout


if __name__ == "__main__":
    lab.main()
