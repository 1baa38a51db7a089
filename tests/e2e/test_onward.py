#!/usr/bin/python3
"""Lockstep as a distribution hop: knotd, nsd and named as its secondaries by AXFR and IXFR, signed and not, told by NOTIFY;
nsd and named (not knotd before 3.4) over TLS; and one Lockstep behind another."""

import base64
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from certificates import Authority
from changes import Changes
from lab_secondaries import DOWNSTREAMS, DOWNSTREAMS_OVER_TLS
from lab_servers import KnotdWithJournal

import dns.query
import dns.rdatatype
import dns.xfr
import dns.zone

ZONE = "example."
KEY = ("transfer.key.", "hmac-sha256", base64.b64encode(b"s3cret-of-the-transfer-key-in-test").decode())
QUICK = "LOCKSTEP_QUICK" in os.environ
DELTAS = 40 if QUICK else 200


def onward(key=None, hostname=None, **more):
    down = {"name": "down", "address": lab.SECOND_PRIMARY, **({"key": key[0]} if key else {}),
            **({"hostname": hostname} if hostname else {})}
    keys = {"keys": [{"name": key[0], "algorithm": key[1], "secret": key[2]}]} if key else {}
    return {"secondaries": [down], "defaults": {"allow-transfer": ["down"], "notify": ["down"]}, **keys, **more}


def start(net, change):
    daemon = net.lockstepd([ZONE], change=change, start=False)
    daemon.config_file.chmod(0o600)  # it may hold secrets
    return daemon.start()


def records(zone):
    return {f"{n} {ttl} {dns.rdatatype.to_text(r.rdtype)} {r.to_text()}".lower() for n, ttl, r in zone.iterate_rdatas()}


def axfr(net, server):
    """None when it is not to be had, as while nsd takes up a new version."""
    with net.inside("pri"):
        try:
            transfer = dns.query.xfr(server, ZONE, relativize=False, lifetime=20)
            return records(dns.zone.from_xfr(transfer, relativize=False))
        except dns.xfr.TransferError:
            return None


def same(net, daemon):
    ours = dump(daemon)
    lab.wait_until(lambda: axfr(net, lab.SECOND_PRIMARY) == ours, 20, "the zone there is the zone here")


def dump(daemon):
    done = daemon.ctl_raw("zone", "dump", ZONE)
    assert done.returncode == 0, done.stderr
    return records(dns.zone.from_text(done.stdout, origin=ZONE, relativize=False, check_origin=False))


def zone(serial, **kw):
    return lab.zone_text(ZONE, serial, hosts=1000, **kw)


def changed(serial):
    return zone(serial, extra=[f"new{serial} IN A 192.0.2.{serial}", "set IN TXT a", f"set IN TXT b{serial}"])


@lab.each(kind=["knotd", "nsd", "named"])
@lab.each(signed=[False, True])
@lab.timeout(240)
def test_others_follow_by_axfr_ixfr_and_notify(net, kind, signed):
    key = KEY if signed else None
    primary = KnotdWithJournal(net, {ZONE: zone(1)}, [lab.PRIMARY, lab.PRIMARY6], True, [lab.SECONDARY]).start()
    daemon = start(net, onward(key))
    net.wait_serial(ZONE, 1)
    down = DOWNSTREAMS[kind](net, [ZONE], key).start()
    down.wait_serial(ZONE, 1)
    assert daemon.counter("onward", "axfr_out") == 1
    same(net, daemon)
    for serial in (2, 3, 4):
        primary.update(ZONE, changed(serial))
        down.wait_serial(ZONE, serial)
        same(net, daemon)
    assert daemon.counter("onward", "axfr_out") == 1, "changes went out as differences"
    assert daemon.counter("onward", "ixfr_out") >= 3
    assert daemon.counter("onward", "deltas") == 3
    lab.wait_until(lambda: daemon.zone(ZONE)["secondaries"][0]["acknowledged_serial"] == 4, 20, "NOTIFY is acknowledged")
    assert daemon.counter("onward", "refused") == 0


@lab.each(kind=["nsd", "named"])
@lab.timeout(240)
def test_others_follow_over_tls_alone_and_each_side_knows_the_other_by_its_certificate(net, kind):
    ca = Authority(net.dir / "tls")
    ours = ca.issue("ns.example", addresses=[lab.SECONDARY])
    primary = KnotdWithJournal(net, {ZONE: zone(1)}, [lab.PRIMARY, lab.PRIMARY6], True, [lab.SECONDARY]).start()
    daemon = start(net, onward(hostname="down.example", server={"tls": {
        "certificate": str(ours.certificate), "key": str(ours.key), "client-ca": str(ca.certificate)}}))
    net.wait_serial(ZONE, 1)

    def follow(host):
        down = DOWNSTREAMS_OVER_TLS[kind](net, [ZONE])
        down.ca, down.host, down.identity = ca.certificate, host, ca.issue("down.example")
        return down.start()
    wrong = follow("other.example")
    lab.wait_until(lambda: wrong.distrusts in wrong.log(), 60, "it hangs up on a certificate of another name")
    wrong.process.stop()
    assert daemon.counter("onward", "axfr_out") == 0
    down = follow("ns.example")
    down.wait_serial(ZONE, 1)
    same(net, daemon)
    for serial in (2, 3):
        primary.update(ZONE, changed(serial))
        down.wait_serial(ZONE, serial)
    same(net, daemon)
    # It is served over TLS and by its certificate only, so all of this came so.
    assert daemon.counter("onward", "axfr_out") == 1, "changes went out as differences"
    assert daemon.counter("onward", "ixfr_out") >= 2
    # nsd 4.6 loads its certificate too late for its first connection.
    assert daemon.counter("onward", "refused") <= (kind == "nsd")


def second_lockstepd(net):
    """Behind the first, in the primary's namespace, on kernel sockets alone."""
    config = net.config([ZONE])
    config["server"]["listen"] = [lab.SECOND_PRIMARY]
    config["dataplane"]["ports"] = [{"driver": "vdev", "device": "net_null0"}]
    config["primaries"] = [{"name": "first", "address": lab.SECONDARY, "source": lab.SECOND_PRIMARY}]
    config["builders"] = 1
    return lab.Lockstepd(net, config, ns="pri").start()


@lab.timeout(400)
def test_two_in_a_chain_are_equal_after_every_random_difference(net):
    primary = KnotdWithJournal(net, {ZONE: lab.zone_text(ZONE, 4294967200)}, [lab.PRIMARY, lab.PRIMARY6], False,
                               []).start()
    first = start(net, onward(**{"transfers-out": {"deltas": 8}}))
    net.wait_serial(ZONE, 4294967200)
    second = second_lockstepd(net)
    lab.wait_until(lambda: second.zone(ZONE)["serial"] == 4294967200, 20, "the second has the zone")
    changes, serial = Changes(ZONE, 11), 4294967200
    for i in range(DELTAS):
        for _ in range(changes.pick.choice([1, 1, 1, 2, 5])):
            changes.send(net, changes.pick.choice([1, 1, 2, 8]))
        serial = primary.serial(ZONE)
        net.notify(ZONE, serial, source=lab.PRIMARY)
        net.wait_serial(ZONE, serial, timeout=30, server=lab.SECOND_PRIMARY)
        if i % 10 == 0 or i == DELTAS - 1:
            assert first.zone(ZONE)["serial"] == serial
            ours, theirs = dump(first), dump(second)
            assert ours == theirs, f"serial {serial}: only first {ours - theirs}, only second {theirs - ours}"
    status = second.zone(ZONE)
    assert status["ixfr_fallbacks"] == 0 and status["transfers_failed"] == 0, status
    assert second.counter("zones", "ixfr_ok") == status["transfers_ok"] - 1
    assert first.counter("onward", "axfr_out") == 1
    assert first.counter("onward", "deltas") == 8


def test_a_target_that_is_gone_is_told_again_and_delays_nobody(net):
    net.knotd({ZONE: zone(1)})
    daemon = start(net, {"secondaries": [{"name": "down", "address": lab.SECOND_PRIMARY},
                                         {"name": "gone", "address": lab.STRANGER}],
                         "defaults": {"allow-transfer": ["down"], "notify": ["down", "gone"]}})
    down = DOWNSTREAMS["nsd"](net, [ZONE]).start()
    net.wait_serial(ZONE, 1)
    down.wait_serial(ZONE, 1)

    def target(name):
        return next(t for t in daemon.zone(ZONE)["secondaries"] if t["name"] == name)
    lab.wait_until(lambda: target("down")["acknowledged_serial"] == 1, 30, "the one that is there acknowledges")
    lab.wait_until(lambda: target("gone")["tries"] >= 3, 60, "the one that is gone is told again")
    gone = target("gone")
    assert gone["acknowledged_serial"] is None and gone["waiting"] and gone["error"] == "no reply", gone
    text = daemon.ctl_raw("zone", "status", ZONE).stdout
    assert "1 of 2 have acknowledged the serial" in text and "gone (10.53.0.9@53): acknowledged" in text, text
    sent = daemon.counter("onward", "notify_acknowledged")
    daemon.ctl("zone", "notify", ZONE)
    lab.wait_until(lambda: daemon.counter("onward", "notify_acknowledged") == sent + 1, 30, "all are told by order")
    lab.wait_until(lambda: target("gone")["tries"] <= 2, 30, "and told anew")
    assert daemon.ctl_raw("zone", "notify", "nothing.here.").returncode == 4


if __name__ == "__main__":
    lab.main()
