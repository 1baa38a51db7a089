#!/usr/bin/python3
"""The life of a zone whose primary goes away and comes back: retry, expiry, SERVFAIL that says why, recovery."""

import time
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from lab_secondaries import KnotdDownstream

import dns.edns
import dns.rcode

ZONE = "example."
NOT_READY, INVALID_DATA = 14, 24


def text(serial, refresh=2, retry=1, expire=6, zone=ZONE):
    return lab.zone_text(zone, serial, refresh=refresh, retry=retry, expire=expire)


def refusal(net, code, tcp=False):
    """Whether the zone is answered with SERVFAIL and this Extended DNS Error, and nothing else."""
    reply = net.dig("www.example.", "A", edns=0, tcp=tcp)
    return (reply.rcode() == dns.rcode.SERVFAIL and lab.extended_errors(reply) == [code] and not reply.answer
            and not reply.authority)


def test_zone_without_content_is_servfail_not_ready_and_comes_by_itself(net):
    net.lockstepd([ZONE])
    for tcp in (False, True):
        assert refusal(net, NOT_READY, tcp), net.dig("www.example.", "A", edns=0, tcp=tcp)
    plain = net.dig("www.example.", "A")
    assert plain.rcode() == dns.rcode.SERVFAIL and not plain.options, "EDNS in a response to a query without"
    status = net.daemon.zone(ZONE)
    assert status["loaded"] is False and status["state"] in ("empty", "refreshing"), status
    lab.wait_until(lambda: net.daemon.zone(ZONE)["last_error"], 10, "the status says why there is no content")
    net.knotd({ZONE: text(1)}, notify=False)
    # No NOTIFY, no operator: the back-off is seconds at first.
    net.wait_serial(ZONE, 1, timeout=40)


def test_notify_ends_the_back_off_of_a_zone_without_content(net):
    net.lockstepd([ZONE])
    lab.wait_until(lambda: net.daemon.zone(ZONE)["last_error"], 10, "a first attempt has failed")
    net.knotd({ZONE: text(1)})
    net.wait_serial(ZONE, 1, timeout=3)


@lab.each(kind=["knotd", "nsd", "named"])
def test_killed_primary_leads_to_retry_then_expiry_then_recovery(net, kind):
    primary = net.start_primary(kind, {ZONE: text(1, expire=9)}, notify=False)
    daemon = net.lockstepd([ZONE])
    net.wait_serial(ZONE, 1)
    primary.kill()
    killed = time.monotonic()
    # Served until the last moment: expire is 9 s after the last answer, which came at most refresh (2 s) ago.
    while time.monotonic() < killed + 6.5:
        reply = net.dig("www.example.", "A", edns=0)
        assert reply.rcode() == dns.rcode.NOERROR and reply.answer, f"{time.monotonic() - killed:.1f} s:\n{reply}"
        time.sleep(0.05)
    lab.wait_until(lambda: refusal(net, INVALID_DATA), 6, "SERVFAIL with EDE 24 (Invalid Data) after expiry")
    assert 6.5 < time.monotonic() - killed < 11.5
    assert refusal(net, INVALID_DATA, tcp=True)
    status = daemon.zone(ZONE)
    assert status["state"] == "expired" and status["last_error"], status
    # The first by refresh after 2 s, then one by retry every second and the time each takes to fail.
    failures = daemon.counter("zones", "soa_failures")
    assert failures >= 3, f"{failures} failed SOA queries in {time.monotonic() - killed:.0f} s with retry 1"
    assert "expired" in daemon.log()
    primary.start()
    net.wait_serial(ZONE, 1, timeout=15)
    reply = net.dig("www.example.", "A", edns=0)
    assert reply.rcode() == dns.rcode.NOERROR and reply.answer and not lab.extended_errors(reply), reply
    assert daemon.zone(ZONE)["state"] == "current"


def test_expired_zone_takes_the_newer_version_when_the_primary_is_back(net):
    primary = net.knotd({ZONE: text(1)}, notify=True)
    net.lockstepd([ZONE])
    net.wait_serial(ZONE, 1)
    primary.stop()
    lab.wait_until(lambda: refusal(net, INVALID_DATA), 12, "expiry")
    primary._write(ZONE, text(2))
    primary.start()
    net.wait_serial(ZONE, 2, timeout=15)


def test_expiry_of_one_zone_leaves_the_others_alone(net):
    primary = net.knotd({ZONE: text(1), "long.test.": text(1, expire=6000, zone="long.test.")})
    net.lockstepd([ZONE, "long.test."])
    net.wait_serial(ZONE, 1)
    net.wait_serial("long.test.", 1)
    primary.stop()
    lab.wait_until(lambda: refusal(net, INVALID_DATA), 12, "expiry")
    assert lab.soa_serial(net.dig("long.test.", "SOA")) == 1
    assert net.dig("www.long.test.", "A").rcode() == dns.rcode.NOERROR


@lab.timeout(60)
def test_zone_lives_on_while_one_of_two_primaries_does(net):
    first = net.knotd({ZONE: text(1)}, addresses=[lab.PRIMARY])
    second = net.nsd({ZONE: text(1)}, addresses=[lab.SECOND_PRIMARY], notify=False)
    primaries = [{"name": "first", "address": lab.PRIMARY}, {"name": "second", "address": lab.SECOND_PRIMARY}]
    net.lockstepd([{"name": ZONE, "primaries": ["first", "second"]}], change={"primaries": primaries})
    net.wait_serial(ZONE, 1)
    first.kill()
    end = time.monotonic() + 10
    while time.monotonic() < end:
        reply = net.dig("www.example.", "A")
        assert reply.rcode() == dns.rcode.NOERROR, reply
        time.sleep(0.1)
    second.update(ZONE, text(2))
    net.wait_serial(ZONE, 2, timeout=8)
    assert net.daemon.zone(ZONE)["primary"] == "second"


def test_lower_serial_does_not_put_expiry_off_and_is_taken_after_it(net):
    """The primary was set back for good: ours is kept until it expires, and only then replaced by the lower one."""
    primary = net.knotd({ZONE: text(10)}, notify=False)
    net.lockstepd([ZONE])
    net.wait_serial(ZONE, 10)
    primary.update(ZONE, text(9))
    changed = time.monotonic()
    while time.monotonic() < changed + 3.5:
        assert lab.soa_serial(net.dig(ZONE, "SOA")) == 10
        time.sleep(0.1)
    assert net.daemon.zone(ZONE)["primary_behind"] is True
    net.wait_serial(ZONE, 9, timeout=12)
    assert net.daemon.zone(ZONE)["primary_behind"] is False


class ChainedKnotd(KnotdDownstream):
    """A secondary of the first primary; it lets its copy expire long before the SOA would."""

    def configure(self):
        super().configure()
        lab.rewrite(self.dir / "knot.conf", (f"address: {lab.SECONDARY}@53", f"address: {lab.PRIMARY}@53"),
                    ("journal-content: all", "journal-content: all\n    expire-max-interval: 500"))


def test_a_copy_of_a_copy_does_not_outlive_it(net):
    """EXPIRE (RFC 7314) of a real primary, which is a secondary itself. named tells it too, nsd does not."""
    net.knotd({ZONE: text(1, refresh=3600, retry=600, expire=86400)})
    ChainedKnotd(net, [ZONE]).start().wait_serial(ZONE, 1)
    daemon = net.lockstepd([{"name": ZONE, "primaries": ["copy"]}],
                           change={"primaries": [{"name": "copy", "address": lab.SECOND_PRIMARY}]})
    net.wait_serial(ZONE, 1)
    assert 0 < daemon.zone(ZONE)["expires_in"] <= 500, "with the transfer"
    daemon.ctl("zone", "refresh", ZONE)
    assert 0 < daemon.zone(ZONE)["expires_in"] <= 500, "with the answer to a SOA query"


def test_expire_caps_of_the_config_hold(net):
    """expire-max below the SOA's value makes the zone expire earlier."""
    primary = net.knotd({ZONE: text(1, expire=6000)}, notify=False)
    net.lockstepd([{"name": ZONE, "primaries": ["first"], "expire-max": "5"}])
    net.wait_serial(ZONE, 1)
    primary.kill()
    lab.wait_until(lambda: refusal(net, INVALID_DATA), 10, "expiry by expire-max")


if __name__ == "__main__":
    lab.main()
