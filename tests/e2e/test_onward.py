#!/usr/bin/python3
"""Lockstep as a distribution hop: knotd, nsd and named as its secondaries by AXFR and IXFR, signed and not, told by NOTIFY;
and one Lockstep behind another."""

import base64
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from changes import Changes
from lab_secondaries import DOWNSTREAMS
from lab_servers import KnotdWithJournal

import dns.query
import dns.rdatatype
import dns.zone

ZONE = "example."
KEY = ("transfer.key.", "hmac-sha256", base64.b64encode(b"s3cret-of-the-transfer-key-in-test").decode())
QUICK = "LOCKSTEP_QUICK" in os.environ
DELTAS = 40 if QUICK else 200


def onward(key=None, **more):
    down = {"name": "down", "address": lab.SECOND_PRIMARY, **({"key": key[0]} if key else {})}
    keys = {"keys": [{"name": key[0], "algorithm": key[1], "secret": key[2]}]} if key else {}
    return {"secondaries": [down], "defaults": {"allow-transfer": ["down"], "notify": ["down"]}, **keys, **more}


def start(net, change):
    daemon = net.lockstepd([ZONE], change=change, start=False)
    daemon.config_file.chmod(0o600)  # it may hold secrets
    return daemon.start()


def records(zone):
    return {f"{n} {ttl} {dns.rdatatype.to_text(r.rdtype)} {r.to_text()}".lower() for n, ttl, r in zone.iterate_rdatas()}


def axfr(net, server):
    with net.inside("pri"):
        return records(dns.zone.from_xfr(dns.query.xfr(server, ZONE, relativize=False, lifetime=20), relativize=False))


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
    if signed and kind == "named":
        raise lab.Skip("SOA queries over UDP are not answered signed yet")
    primary = KnotdWithJournal(net, {ZONE: zone(1)}, [lab.PRIMARY, lab.PRIMARY6], True, [lab.SECONDARY]).start()
    daemon = start(net, onward(key))
    net.wait_serial(ZONE, 1)
    down = DOWNSTREAMS[kind](net, [ZONE], key).start()
    down.wait_serial(ZONE, 1)
    assert daemon.counter("onward", "axfr_out") == 1
    assert axfr(net, lab.SECOND_PRIMARY) == dump(daemon)
    for serial in (2, 3, 4):
        primary.update(ZONE, changed(serial))
        down.wait_serial(ZONE, serial)
        assert axfr(net, lab.SECOND_PRIMARY) == dump(daemon)
    assert daemon.counter("onward", "axfr_out") == 1, "changes went out as differences"
    assert daemon.counter("onward", "ixfr_out") >= 3
    assert daemon.counter("onward", "deltas") == 3
    lab.wait_until(lambda: daemon.zone(ZONE)["secondaries"][0]["acknowledged_serial"] == 4, 20, "NOTIFY is acknowledged")
    assert daemon.counter("onward", "refused") == 0


if __name__ == "__main__":
    lab.main()
