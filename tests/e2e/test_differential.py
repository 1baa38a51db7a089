#!/usr/bin/python3
"""Random questions about the same zones to NSD, Knot, BIND and to us: RCODE, flags and the content of every section.

The zones and questions are those of support/corners.py: unsigned, and signed with NSEC, NSEC3 and NSEC3 with opt-out. What
two of the others say alike against us, or all of them in any way, is a fault of ours. Where we may differ stands in support/differences.py, each with the
clause that allows it; how often each was needed is printed, and how often one of the others stood alone against us and the two
others. The engine is asked directly (support/answer_server.c, no packets), and lockstepd over UDP and TCP.

LOCKSTEP_DIFFERENTIAL_SEED changes what is asked. LOCKSTEP_DIFFERENTIAL_QUESTIONS=200000 is the long run: that many of each
kind of zone to the engine, half an hour each on an idle machine of two cores.
"""

import collections
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import corners
import differences
import lab
import pipeline
from signing import SIGNING, signed

SEED = int(os.environ.get("LOCKSTEP_DIFFERENTIAL_SEED", "1"))
QUESTIONS = int(os.environ.get("LOCKSTEP_DIFFERENTIAL_QUESTIONS", "4000"))
BATCH = 1000
SHOWN = 12
KINDS = ["unsigned", *SIGNING]


class NsdPlain(lab.Nsd):
    """NSD with what the comparison needs: room for its EDNS answers as ours, and nothing that limits it."""

    def configure(self):
        super().configure()
        lab.rewrite(self.dir / "nsd.conf", ("server:\n", "server:\n    ipv4-edns-size: 1232\n"
                                            "    ipv6-edns-size: 1232\n    tcp-query-count: 0\n"
                                            "    hide-identity: yes\n    hide-version: yes\n"))


class KnotdPlain(lab.Knotd):
    def _write(self, zone, text):
        super()._write(zone, corners.without_x25(text))

    def configure(self):
        super().configure()
        lab.rewrite(self.dir / "knot.conf", ("server:\n", "server:\n    udp-max-payload: 1232\n    identity: \"\"\n"
                                             "    version: \"\"\n    tcp-idle-timeout: 60\n"))


class NamedPlain(lab.Named):
    def configure(self):
        super().configure()
        lab.rewrite(self.dir / "named.conf", ("options {\n", "options {\n  edns-udp-size 1232; max-udp-size 1232;\n"
                                              "  version none; hostname none; check-names primary ignore;\n"
                                              "  check-wildcard no; check-sibling no; send-cookie no;\n"
                                              "  answer-cookie no; zero-no-soa-ttl no; nocookie-udp-size 1232;\n"))


RIVALS = {"NSD": (NsdPlain, lab.PRIMARY), "Knot": (KnotdPlain, lab.SECOND_PRIMARY), "BIND": (NamedPlain, lab.STRANGER)}


def make_corner(net, seed, how):
    corner = corners.Corners(seed, longest=how not in SIGNING)
    for apex in corner.zones:
        if how in SIGNING:
            corner.zones[apex] = signed(net, apex, corner.zones[apex], SIGNING[how])
    return corner


class Tally:
    """What became of the questions."""

    def __init__(self):
        self.used, self.alone, self.faults = collections.Counter(), collections.Counter(), []
        self.shown = {}

    def add(self, q, ours, theirs, corner):
        """theirs: rival -> response."""
        against = {}
        for rival, wire in theirs.items():
            try:
                if wire is None:
                    raise differences.Difference(f"  {q}\n    no response from {rival}")
                differences.compare(q, ours, (differences.normal(wire), wire), corner, self.used, rival)
            except differences.Difference as e:
                against[rival] = str(e)
        if not against:
            return
        # With the rival's name out of it, what it says against us.
        said = collections.Counter(text.replace(rival, "theirs") for rival, text in against.items())
        if len(against) == len(theirs) or max(said.values()) > 1:
            self.faults.append("\n".join(against.values()))
            return
        who = " and ".join(f"{rival} alone" for rival in sorted(against))
        self.alone[who] += 1
        self.shown.setdefault(who, []).extend(against.values())

    def tell(self, label, asked):
        print(f"    {label}: {asked} questions to each of {', '.join(RIVALS)} and us: {len(self.faults)} faults of ours")
        for rule in differences.ALLOWED:
            reason = " ".join(rule.__doc__.split())
            if self.used[rule.__name__]:
                print(f"    allowed {self.used[rule.__name__]:5} x {rule.__name__}: {reason}")
        for rival, cnt in sorted(self.alone.items()):
            print(f"    {rival} against the others and us: {cnt}")
            if os.environ.get("LOCKSTEP_DIFFERENTIAL_ALONE"):
                print("\n".join(self.shown[rival][:20]))


def ask_all(corner, ours, rivals, label, cnt):
    tally, asked, told = Tally(), 0, time.monotonic()
    questions = (q for q in corners.questions(corner, label, cnt) if q.rdtype not in differences.TRANSFERS)
    while True:
        batch = [q for q, _ in zip(questions, range(BATCH))]
        if not batch:
            break
        wires, tcp = [q.wire(0) for q in batch], [q.tcp for q in batch]
        own = ours.ask(wires, tcp)
        theirs = {rival: server.ask(wires, tcp) for rival, server in rivals.items()}
        for i, q in enumerate(batch):
            assert own[i] is not None, f"no response from us: {q}"
            tally.add(q, (differences.normal(own[i], True), own[i]), {r: theirs[r][i] for r in theirs}, corner)
        asked += len(batch)
        if time.monotonic() > told + 20:
            told = time.monotonic()
            print(f"    {asked} questions, {len(tally.faults)} faults", flush=True)
    tally.tell(label, asked)
    assert asked > cnt * 0.95
    assert not tally.faults, f"{len(tally.faults)} of {asked} differ, the first:\n" + "\n".join(tally.faults[:SHOWN])


def start_rivals(net, corner):
    for cls, address in RIVALS.values():
        cls(net, corner.zones, [address], False, []).start()
    return {rival: pipeline.Wire(net, address) for rival, (_, address) in RIVALS.items()}


@lab.each(how=KINDS)
@lab.timeout(max(300, QUESTIONS // 20))
def test_engine_answers_random_questions_as_others_do(net, how):
    corner = make_corner(net, SEED, how)
    engine = pipeline.Engine(net, corner.zones)
    try:
        ask_all(corner, engine, start_rivals(net, corner), f"engine {how} {SEED}", QUESTIONS)
    finally:
        engine.close()


@lab.timeout(max(300, QUESTIONS // 20))
def test_daemon_answers_random_questions_as_others_do_over_udp_and_tcp(net):
    corner = make_corner(net, SEED + 1, "unsigned")
    rivals = start_rivals(net, corner)
    net.lockstepd(list(corner.zones))
    for apex in corner.zones:
        net.wait_state(apex, "current")
    ask_all(corner, pipeline.Wire(net, net.secondary()), rivals, f"daemon {SEED + 1}", min(QUESTIONS, 20000))


if __name__ == "__main__":
    lab.main()
