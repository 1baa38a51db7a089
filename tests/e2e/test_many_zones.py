#!/usr/bin/python3
"""A thousand zones of knotd, one of which can never be transferred, beside primaries that hang in every way there is:
each of the others is current within a second of its NOTIFY. Primaries that take all the places there are and give none
back. And a primary that tells of all its zones at once:
LOCKSTEP_NOTIFY_ZONES=10000 for so many (a minute), instead of 300."""

import os
import select
import socket
import statistics
import struct
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from lab_wire import soa_serial
from primary import ScriptedPrimary, random_octets, silent, whole

ZONES = 1000
NOTIFY_ZONES = int(os.environ.get("LOCKSTEP_NOTIFY_ZONES", "300"))
SO_RCVBUFFORCE = 33
POISONED = "z500.test."
HANGING = 20


def small(zone, serial, hosts=2):
    return lab.zone_text(zone, serial, hosts=hosts)


def reload(primary, zones, serial):
    """A new version of each, by one command; knotd sends the NOTIFYs. The poisoned one grows past its limit."""
    for z in zones:
        primary._write(z, small(z, serial, 100 if z == POISONED else 2))
    net = primary.lab
    net.run_in("pri", ["knotc", "-s", primary.dir / "knot.sock", "zone-reload", *zones])


class Announcing:
    """NOTIFYs of ever newer versions, for as long as it is entered."""

    hosts = 10

    def __init__(self, zones):
        self.zones = zones
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._announce, daemon=True)

    def _announce(self):
        serial = 1
        while not self.stopping.wait(0.2):
            serial += 1
            for zone, primary in self.zones.items():
                primary.zone(zone, serial, self.hosts)
                with primary.lab.udp(source=primary.address) as s:
                    s.send(primary.lab.notify_wire(zone, serial))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(10)


class Nuisance(Announcing):
    """Primaries that do not do what they should."""

    def __init__(self, net):
        self.hanging = ScriptedPrimary(net, address=lab.SECOND_PRIMARY)
        self.dropping = ScriptedPrimary(net, address=lab.STRANGER, drops_syn=True)
        zones = {}
        for name, primary in (("hang", self.hanging), ("drop", self.dropping)):
            for i in range(HANGING):
                zones[f"{name}{i}.test."] = primary
                primary.zone(f"{name}{i}.test.", 1)
        self.hanging.transfer = silent
        super().__init__(zones)

    def primaries(self):
        return [{"name": "hang", "address": self.hanging.address}, {"name": "drop", "address": self.dropping.address}]

    def config(self):
        return [{"name": z, "primaries": [z[:4]], "transfer-idle": 1} for z in self.zones]


def percentiles(seconds):
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return f"p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms, max {max(seconds) * 1000:.1f} ms"


@lab.timeout(300)
def test_one_poisoned_zone_among_a_thousand_and_hanging_primaries_harm_nobody_else(net):
    names = [f"z{i}.test." for i in range(ZONES)]
    good = [n for n in names if n != POISONED]
    primary = net.knotd({n: small(n, 1) for n in names}, addresses=[lab.PRIMARY])
    nuisance = Nuisance(net)
    zones = [{"name": n, "primaries": ["first"], **({"transfer-records": 20} if n == POISONED else {})} for n in names]
    daemon = net.lockstepd(zones + nuisance.config(), change={
        "primaries": [{"name": "first", "address": lab.PRIMARY}, *nuisance.primaries()]})

    def all_have(serial):
        status = daemon.zones()
        return status if all(status[n]["serial"] == serial for n in good if status[n]["loaded"] or serial) else None
    with nuisance:
        lab.wait_until(lambda: sum(z["loaded"] for z in daemon.zones().values()) == ZONES, 60, "all are loaded", pause=0.2)
        for serial in (2, 3):
            reload(primary, names, serial)
            status = lab.wait_until(lambda s=serial: all_have(s), 60, f"all have version {serial}", pause=0.2)
            took = [status[n]["last_notify_to_served_us"] / 1e6 for n in good]
            print(f"    version {serial} of {len(good)} zones at once, NOTIFY to served: {percentiles(took)}")
        # One by one, seen from outside.
        outside = []
        for n in good[::40]:
            outside.append(net.notify_to_served(n, 4, lambda n=n: reload(primary, [n], 4), timeout=30))
        print(f"    {len(outside)} zones one by one, seen on the wire: {percentiles(outside)}")
        assert statistics.median(took) < 1.0 and statistics.median(outside) < 1.0, (took, outside)
        status = daemon.zones()
    assert status[POISONED]["serial"] == 1 and status[POISONED]["transfers_failed"] >= 2, status[POISONED]
    assert "transfer-records" in status[POISONED]["last_error"], status[POISONED]
    assert soa_serial(net.dig(POISONED, "SOA")) == 1
    stuck = [z for z in nuisance.zones if status[z]["loaded"]]
    assert not stuck, stuck
    assert any(status[z]["transfers_failed"] or status[z]["state"] == "transferring" for z in nuisance.zones), status
    # And when they have recovered they are followed.
    nuisance.hanging.transfer = whole
    zone = "hang0.test."
    lab.wait_until(lambda: (nuisance.hanging.notify(zone), daemon.zone(zone)["loaded"])[1], 90, f"{zone} is back", pause=1)


class Dripping(Announcing):
    """Two primaries that send 50 octets a second of each zone, and the rest of it at once when they are let go."""

    hosts = 1000

    def __init__(self, net):
        primaries = {"drip": ScriptedPrimary(net, address=lab.SECOND_PRIMARY),
                     "ooze": ScriptedPrimary(net, address=lab.STRANGER)}
        super().__init__({f"{name}{i}.test.": p for name, p in primaries.items() for i in range(3)})
        for p in primaries.values():
            p.transfer = self._drip
        for zone, p in self.zones.items():
            p.zone(zone, 1, self.hosts)
        self.primaries = [{"name": name, "address": p.address} for name, p in primaries.items()]
        self.config = [{"name": z, "primaries": [z[:4]], "transfer-idle": 1, "transfer-rate-min": 0} for z in self.zones]
        self.let_go = threading.Event()

    def _drip(self, s):
        octets, sent = s.stream(), 0
        while not self.let_go.wait(0.02):
            s.send(octets[sent:sent + 1])
            sent += 1
        s.send(octets[sent:])


@lab.timeout(120)
def test_primaries_that_drip_in_every_place_there_is_make_room_for_the_others(net):
    """Half of the others' zones are announced, half are asked for by their timers, for which there is no reserve. The
    slow ones are not forgotten: what they send comes in once it comes."""
    honest = ScriptedPrimary(net)
    names = [f"z{i}.test." for i in range(6)]
    for n in names:
        honest.zone(n, 1, refresh=1, retry=1)
    slow = Dripping(net)
    zones = [{"name": n, "primaries": ["first"], "refresh-min": 1, "retry-min": 1} for n in names]
    daemon = net.lockstepd(zones + slow.config, change={
        "primaries": [{"name": "first", "address": lab.PRIMARY}, *slow.primaries], "transfers-in": {"limit": 2}})

    def status_of(zones, good):
        status = daemon.zones()
        return sum(good(status[z]) for z in zones)
    with slow:
        for serial in (1, 2, 3):
            lab.wait_until(lambda: status_of(slow.zones, lambda z: z["state"] == "transferring") >= 2, 30,
                           "slow ones have all the places")
            for n in names if serial > 1 else []:
                honest.zone(n, serial, refresh=1, retry=1)
            for n in names[::2] if serial > 1 else []:
                honest.notify(n)
            lab.wait_until(lambda s=serial: status_of(names, lambda z: z["serial"] == s) == len(names), 30,
                           f"all others have version {serial}")
        assert daemon.counter("zones", "transfers_made_room") > 0
        daemon.wait_log(r"transfer-failed zone=(drip|ooze)\d\.test\. .*made room for others: \d+ octets a second over \d+ s")
        assert not status_of(slow.zones, lambda z: z["loaded"])
        slow.let_go.set()
        lab.wait_until(lambda: status_of(slow.zones, lambda z: z["loaded"]) == len(slow.zones), 30,
                       "the slow ones' zones are here")
    assert not honest.errors, honest.errors


def tell(net, wires):
    """All at once; what got no reply once more, as a primary does. Returns how many were sent, round by round."""
    left, rounds = dict(enumerate(wires)), []
    with net.udp(source=lab.PRIMARY) as s:
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        while left:
            rounds.append(len(left))
            assert len(rounds) <= 20, f"sent, round by round: {rounds}"
            for number, wire in left.items():
                s.send(struct.pack("!H", number) + wire[2:])
            while left and select.select([s], [], [], 1)[0]:
                reply = s.recv(512)
                assert reply[3] & 15 == 0, reply
                left.pop(struct.unpack("!H", reply[:2])[0], None)
    return rounds


@lab.timeout(600)
def test_all_zones_of_a_primary_that_tells_of_them_at_once_become_current(net):
    """The first time once each, the second time three times each."""
    names = [f"z{i}.test." for i in range(NOTIFY_ZONES)]
    primary = net.knotd({n: small(n, 1) for n in names}, addresses=[lab.PRIMARY], notify=False)
    daemon = net.lockstepd(names)
    lab.wait_until(lambda: all(z["loaded"] for z in daemon.zones().values()), 120, "all are loaded", pause=0.2)
    for serial, times in ((2, 1), (3, 3)):
        for n in names:
            primary._write(n, small(n, serial))
        net.run_in("pri", ["knotc", "-b", "-t", "120", "-s", primary.dir / "knot.sock", "zone-reload"], timeout=130)
        before = daemon.ctl("stats")["zones"]
        rounds = tell(net, [net.notify_wire(n, serial) for n in names] * times)
        status = lab.wait_until(lambda s=serial: (z := daemon.zones()) and
                                all(v["serial"] == s for v in z.values()) and z, 120, f"all have {serial}", pause=0.2)
        now = daemon.ctl("stats")["zones"]
        asked, came = (now[k] - before[k] for k in ("soa_queries", "notify_received"))
        took = [z["last_notify_to_served_us"] / 1e6 for z in status.values()]
        print(f"    {rounds[0]} NOTIFYs at once, {sum(rounds[1:])} repeated, {came} came; {asked} SOA queries; "
              f"NOTIFY to served: {percentiles(took)}")
        # While one is asked for what is told of it is remembered, and that is one more query.
        assert asked <= NOTIFY_ZONES * 2, (asked, came)
    full = sum(w["counters"][c] for w in daemon.ctl("stats")["net"]["workers"]
               for c in ("notify_share", "notify_ring_full", "notify_reply_full"))
    print(f"    {full} found no room in a ring, {daemon.ctl('stats')['ports'][0]['counters']['port_rx_missed']} were lost before")
    # The rings hold more than this.
    assert full == 0 or NOTIFY_ZONES > 1000, full
    assert daemon.counter("net", "notify_stranger") == 0


if __name__ == "__main__":
    lab.main()
