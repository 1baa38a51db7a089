#!/usr/bin/python3
"""What stands between a received version and its publication: ZONEMD, signatures at the apex, the shrink guard, and the
operator's accept, reject, rollback and resume. knotd is the primary and makes the digests and signatures."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
import signing

import dns.rdatatype

ZONE = "example."


def text(serial, hosts=40, **kw):
    return lab.zone_text(ZONE, serial, hosts=hosts, **kw)


class KnotdWithJournal(lab.Knotd):
    """Gives differences."""

    more = []

    def configure(self):
        super().configure()
        (self.dir / "db").mkdir(exist_ok=True)
        file = self.dir / "knot.conf"
        config = file.read_text().replace("journal-content: none", "\n".join(["journal-content: changes", *self.more]))
        file.write_text(config.replace("zonefile-load: whole", "zonefile-load: difference"))


class KnotdWithDigest(KnotdWithJournal):
    """Makes a ZONEMD, and a serial of its own, for each version."""

    more = ["    zonemd-generate: zonemd-sha384"]


class KnotdSigning(KnotdWithJournal):
    more = ["    dnssec-signing: on"]


def start(net, kind, **keys):
    primary = kind(net, {ZONE: text(1)}, [lab.PRIMARY, lab.PRIMARY6], True, [lab.SECONDARY]).start()
    net.lockstepd([ZONE], change={"defaults": keys})
    return primary


def held(net):
    return net.daemon.zone(ZONE)["held"]


def test_a_zone_with_a_good_zonemd_is_published_after_axfr_and_after_ixfr(net):
    primary = start(net, KnotdWithDigest, zonemd="require")
    for serial in (10, 20, 30):
        primary.update(ZONE, text(serial, hosts=40 + serial), wait=False)
        lab.wait_until(lambda: (net.daemon.zone(ZONE)["serial"] or 0) >= serial, 10, f"version {serial}")
    assert net.dig(ZONE, "TYPE63").answer
    status = net.daemon.zone(ZONE)
    assert status["last_transfer_type"] == "IXFR", status
    assert net.daemon.counter("zones", "gate_refused") == 0


def test_a_zone_without_the_zonemd_it_has_to_have_is_never_served(net):
    start(net, lab.Knotd, zonemd="require")
    lab.wait_until(lambda: "ZONEMD" in net.daemon.zone(ZONE)["last_error"], 20, "the refusal is told")
    assert net.daemon.zone(ZONE)["loaded"] is False


def test_the_end_of_the_signatures_is_in_the_status_and_warned_of(net):
    start(net, KnotdSigning, **{"dnssec-check": "require", "signature-warn": "90d"})
    lab.wait_until(lambda: net.daemon.zone(ZONE)["loaded"], 20, "the signed zone has come")
    left = net.daemon.zone(ZONE)["signatures_end"] - time.time()
    assert 7 * 86400 < left < 30 * 86400, f"{left} s of knotd's 14 d"
    assert "signatures-end" in net.daemon.log()
    shown = net.daemon.ctl_raw("zone", "status", ZONE).stdout
    assert "signatures end in" in shown, shown


def test_a_zone_that_stops_being_signed_is_refused(net):
    primary = start(net, KnotdSigning, **{"dnssec-check": "require"})
    lab.wait_until(lambda: net.daemon.zone(ZONE)["loaded"], 20, "the signed zone has come")
    serial = net.daemon.zone(ZONE)["serial"]
    primary.kill()
    plain = lab.Knotd(net, {ZONE: text(100)}, [lab.PRIMARY, lab.PRIMARY6], True, [lab.SECONDARY]).start()
    net.daemon.ctl_raw("zone", "refresh", ZONE)
    lab.wait_until(lambda: "no DNSKEY" in net.daemon.zone(ZONE)["last_error"], 20, "the refusal is told")
    assert net.daemon.zone(ZONE)["serial"] == serial
    assert plain.serial(ZONE) == 100


@lab.each(policy=["alert", "transfer"])
def test_other_signatures_under_our_serial_are_told_or_taken(net, policy):
    """A primary that was signed anew and kept its serial."""
    versions = [signing.signed(net, ZONE, text(7), signing.SIGNING["nsec"]) for _ in range(2)]

    def signatures(**server):
        reply = net.dig(ZONE, "SOA", dnssec=True, **server)
        return {r.to_text() for rrset in reply.answer if rrset.rdtype == dns.rdatatype.RRSIG for r in rrset}
    primary = lab.Knotd(net, {ZONE: versions[0]}, [lab.PRIMARY, lab.PRIMARY6], False, []).start()
    daemon = net.lockstepd([ZONE], change={"defaults": {"same-serial": policy}})
    net.wait_serial(ZONE, 7)
    daemon.ctl("zone", "refresh", ZONE)
    assert not daemon.zone(ZONE)["primary_differs"] and daemon.counter("zones", "serial_same") == 0
    former = signatures()
    primary.kill()
    lab.Knotd(net, {ZONE: versions[1]}, [lab.PRIMARY, lab.PRIMARY6], False, []).start()
    daemon.ctl("zone", "refresh", ZONE)
    assert daemon.counter("zones", "serial_same") == 1
    daemon.wait_log(r"serial-same zone=example\. .*serial=7 .*the signatures of the SOA differ")
    status = daemon.zone(ZONE)
    if policy == "alert":
        assert status["primary_differs"] and status["transfers_ok"] == 1, status
        assert signatures() == former != signatures(server=lab.PRIMARY)
    else:
        assert status["transfers_ok"] == 2 and status["last_transfer_type"] == "AXFR", status
        assert signatures() == signatures(server=lab.PRIMARY) != former
        daemon.ctl("zone", "refresh", ZONE)
        assert not daemon.zone(ZONE)["primary_differs"] and daemon.zone(ZONE)["transfers_ok"] == 2


def test_another_zonemd_under_our_serial_is_taken_if_so_configured(net):
    primary = KnotdWithDigest(net, {ZONE: text(1)}, [lab.PRIMARY, lab.PRIMARY6], False, []).start()
    daemon = net.lockstepd([ZONE], change={"defaults": {"same-serial": "transfer", "zonemd": "require"}})
    lab.wait_until(lambda: daemon.zone(ZONE)["loaded"], 20, "the zone has come")
    serial = daemon.zone(ZONE)["serial"]
    daemon.ctl("zone", "refresh", ZONE)
    assert daemon.zone(ZONE)["transfers_ok"] == 1
    primary.kill()
    primary = KnotdWithDigest(net, {ZONE: text(1, extra=["other IN A 192.0.2.1"])}, [lab.PRIMARY, lab.PRIMARY6], False,
                              []).start()
    assert primary.serial(ZONE) == serial, "the test needs the same serial"
    daemon.ctl("zone", "refresh", ZONE)
    daemon.wait_log(rf"serial-same zone=example\. .*serial={serial} .*the ZONEMD records differ")
    status = daemon.zone(ZONE)
    assert status["transfers_ok"] == 2 and status["serial"] == serial, status
    assert net.dig(f"other.{ZONE}").answer


def test_a_zone_that_shrinks_is_held_then_accepted(net):
    primary = start(net, KnotdWithJournal, **{"max-shrink": 10})
    net.wait_serial(ZONE, 1)
    primary.update(ZONE, text(2, hosts=5))
    lab.wait_until(lambda: held(net), 10, "the version is held")
    assert held(net)["serial"] == 2 and "max-shrink" in held(net)["why"], held(net)
    assert net.dig("h39.example.", "A").answer, "the old version is served"
    shown = net.daemon.ctl_raw("zone", "status", ZONE).stdout
    assert "held back" in shown, shown
    done = net.daemon.ctl_raw("zone", "accept", ZONE)
    assert done.returncode == 0, done.stderr
    net.wait_serial(ZONE, 2, timeout=2)
    assert not net.dig("h39.example.", "A").answer
    assert held(net) is None
    assert net.daemon.ctl_raw("zone", "accept", ZONE).returncode == 1


VERIFIER = '''#!/bin/sh
# Rejects a zone that has the word "bad", hangs on "slow"; writes down what it was told.
zone=$(cat)
echo "$LOCKSTEP_ZONE $LOCKSTEP_SERIAL $LOCKSTEP_OLD_SERIAL $(echo "$zone" | wc -l)" >> "$1"
case $zone in *bad*) exit 3;; *slow*) sleep 1000 & sleep 1000;; esac
'''


def test_a_verifier_decides_what_is_published(net):
    program, notes = net.dir / "verifier", net.dir / "notes"
    program.write_text(VERIFIER)
    program.chmod(0o755)
    primary = start(net, KnotdWithJournal, verifier=[str(program), str(notes)], **{"verifier-timeout": 1})
    net.wait_serial(ZONE, 1)
    primary.update(ZONE, text(2, extra=["bad IN A 192.0.2.1"]))
    lab.wait_until(lambda: held(net), 20, "a version that is rejected is held")
    assert held(net)["serial"] == 2 and "ended with 3" in held(net)["why"], held(net)
    assert net.daemon.zone(ZONE)["serial"] == 1
    primary.update(ZONE, text(3, extra=["slow IN A 192.0.2.1"]))
    lab.wait_until(lambda: (held(net) or {}).get("serial") == 3, 20, "so is one whose verifier hangs")
    assert "verifier-timeout" in held(net)["why"], held(net)
    primary.update(ZONE, text(4, hosts=5000))
    net.wait_serial(ZONE, 4, timeout=20)
    assert held(net) is None
    lines = notes.read_text().splitlines()
    assert lines[0] == f"{ZONE} 1  46" and lines[-1] == f"{ZONE} 4 1 5006", lines


def test_a_verifier_does_not_keep_the_daemon_from_stopping(net):
    program = net.dir / "verifier"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)
    start(net, KnotdWithJournal, verifier=[str(program)])
    lab.wait_until(lambda: net.daemon.counter("zones", "transfers_started"), 20, "a transfer")
    time.sleep(0.5)
    net.daemon.stop()


def test_a_rejected_version_stays_away_until_a_newer_one_comes(net):
    primary = start(net, KnotdWithJournal, **{"max-shrink": 10})
    net.wait_serial(ZONE, 1)
    primary.update(ZONE, text(2, hosts=5))
    lab.wait_until(lambda: held(net), 10, "the version is held")
    transfers = net.daemon.counter("zones", "transfers_started")
    assert net.daemon.ctl_raw("zone", "reject", ZONE).returncode == 0
    net.notify(ZONE, 2)
    assert net.daemon.ctl_raw("zone", "refresh", ZONE).returncode == 0
    status = net.daemon.zone(ZONE)
    assert status["serial"] == 1 and status["barred_serial"] == 2 and status["held"] is None, status
    assert net.daemon.counter("zones", "transfers_started") == transfers, "what was rejected is not fetched again"
    primary.update(ZONE, text(3))
    net.wait_serial(ZONE, 3)
    assert net.daemon.zone(ZONE)["barred_serial"] is None


def test_a_rollback_is_served_until_resume_or_a_newer_version(net):
    primary = start(net, KnotdWithJournal, **{"keep-versions": 3})
    net.wait_serial(ZONE, 1)
    for serial in (2, 3):
        primary.update(ZONE, text(serial, hosts=40 + serial))
        net.wait_serial(ZONE, serial)
    assert net.daemon.zone(ZONE)["kept_serials"] == [2, 1]
    assert net.daemon.ctl_raw("zone", "rollback", ZONE, "77").returncode == 1
    assert net.daemon.ctl_raw("zone", "rollback", ZONE, "x").returncode == 2
    assert net.daemon.ctl_raw("zone", "rollback", ZONE, "1").returncode == 0
    net.wait_serial(ZONE, 1, timeout=2)
    assert not net.dig("h41.example.", "A").answer
    net.notify(ZONE, 3)
    assert net.daemon.ctl_raw("zone", "refresh", ZONE).returncode == 0
    assert net.daemon.zone(ZONE)["serial"] == 1
    assert net.daemon.ctl_raw("zone", "resume", ZONE).returncode == 0
    net.wait_serial(ZONE, 3, timeout=2)
    assert net.daemon.ctl_raw("zone", "rollback", ZONE).returncode == 0
    primary.update(ZONE, text(4, hosts=44))
    net.wait_serial(ZONE, 4)
    assert net.dig("h43.example.", "A").answer


def test_the_stages_of_each_change_are_timed_until_every_worker_has_seen_it(net):
    primary = start(net, KnotdWithJournal)
    net.wait_serial(ZONE, 1)
    for serial in (2, 3):
        primary.update(ZONE, text(serial, hosts=40 + serial))
        net.wait_serial(ZONE, serial)
    stages = {}

    def timed():
        for s in net.daemon.ctl("zone", "timing", ZONE)["stages"]:
            stages[s["stage"]] = s
        return stages["total"]["count"] == 2
    lab.wait_until(timed, 10, "both changes are timed")
    for name, s in stages.items():
        assert s["count"] == sum(s["buckets"]) == 2 and s["last_us"] >= 0, (name, s)
    shown = net.daemon.ctl_raw("zone", "timing").stdout
    assert "published_to_seen" in shown, shown
    net.note(shown)


if __name__ == "__main__":
    lab.main()
