"""Answers while changes arrive: a zone of a million names answered at full speed and at half of it, with and without a
hundred IXFR a second. For G9.

At full speed the worker plays its own frames from memory (net_pcap), so that nothing but itself limits it. At half of
what it answers over a memif, lockstep-load counts what is lost and how long answers take. With two CPUs the control
loop, the builder and the primary share the CPU of lockstep-load, whose stalls would be counted as the server's: there a
stand-in that takes the same CPU time away makes the reference.
"""

import contextlib
import json
import os
from pathlib import Path
import statistics
import sys
import time

from ground import Wait, big_lab, say, write_host_zone
import lab
import line
import servers

ZONE, SERIAL, RATE = "host.test.", 2000000000, 100
# The longest a memif has: 8 ms at two million a second. While a side is off its CPU the other one's frames have to lie
# somewhere, and a CPU that is shared is taken away for a time slice, of 3 or 4 ms; 1,024 frames are half a millisecond.
RING_BITS = 14
SOURCE = Path(__file__).resolve().parent / "source.py"
STAND_IN = """
import sys, time
share, interval = float(sys.argv[1]), 1 / float(sys.argv[2])
due = time.monotonic()
while True:
    end = time.thread_time() + share * interval
    while time.thread_time() < end:
        pass
    due = max(due + interval, time.monotonic())
    time.sleep(due - time.monotonic())
"""


def crowded():
    """Whether what changes the zone has to share the generator's CPU."""
    return len(os.sched_getaffinity(0)) < 4


def source_core():
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[0] if crowded() else cpus[3]


def other_seconds(pid):
    """CPU time of all threads but the workers'."""
    return line.thread_seconds(pid, lambda name: not name.startswith("rte-worker"))


class Changes:
    """A primary that changes the zone at RATE while the `with` lasts; `report` says afterwards what arrived."""

    def __init__(self, net, daemon, names):
        self.net, self.daemon, self.names, self.report = net, daemon, names, None

    def __enter__(self):
        self.serial = self.daemon.zone(ZONE)["serial"]
        self.process = self.net.spawn(f"source-{time.monotonic_ns()}", "pri",
                                      ["taskset", "-c", source_core(), sys.executable, SOURCE, lab.SECOND_PRIMARY,
                                       self.net.secondary(), ZONE, self.names, SERIAL, self.serial, RATE])
        lab.wait_until(lambda: self.daemon.zone(ZONE)["serial"] != self.serial, 10, "the first change arrives")
        self.began, self.first = time.monotonic(), self.daemon.zone(ZONE)["serial"]
        self.before = other_seconds(self.daemon.pid)
        return self

    def __exit__(self, kind, *_):
        arrived = self.daemon.zone(ZONE)["serial"] - self.first
        seconds, cpu = time.monotonic() - self.began, other_seconds(self.daemon.pid) - self.before
        self.process.stop()
        self.net.processes.remove(self.process)
        if kind is None:
            self.report = json.loads(self.process.log().splitlines()[-1])
            self.report.update(arrived_per_second=arrived / seconds,
                               cpu_share=cpu / seconds + self.report["cpu_s"] / self.report["changes"] * RATE)
            if self.report["arrived_per_second"] < RATE * 0.95:
                raise lab.LabError(f"only {self.report['arrived_per_second']:.1f} of {RATE} changes a second arrive")


@contextlib.contextmanager
def stand_in(net, share):
    """Somebody who takes this share of the CPU that the changes cost, in as many pieces."""
    process = net.spawn(f"stand-in-{time.monotonic_ns()}", None,
                        ["taskset", "-c", source_core(), sys.executable, "-c", STAND_IN, share, RATE])
    try:
        yield
    finally:
        process.stop()
        net.processes.remove(process)


def start(net, names, port):
    primaries = [{"name": "first", "address": lab.PRIMARY}, {"name": "second", "address": lab.SECOND_PRIMARY}]
    daemon = line.start_daemon(net, None, [{"name": ZONE, "primaries": ["first", "second"]}], [line.cores()[1]], [port],
                               {"primaries": primaries})
    with Wait(f"lockstepd has {ZONE} with {names:,} names from knotd"):
        net.wait_state(ZONE, "current", 120)
    return daemon


def stop(net, daemon):
    daemon.stop()
    net.processes.remove(daemon)


# --- full speed ---------------------------------------------------------------------------------------------------

def answers(net, daemon, seconds):
    began, before = time.monotonic(), line.worker_seconds(daemon.pid)
    rate = line.answers_per_second(net, daemon, seconds)
    share = (line.worker_seconds(daemon.pid) - before) / (time.monotonic() - began)
    return {"per_second": rate, "server_cpu_share": share}


def full_speed(net, names, rounds, seconds):
    """Rounds without and with changes, the worker fed from memory."""
    file = line.write_frames(net, net.dir / "frames.pcap", net.secondary(), names, ZONE, 1)
    line.cut_pcap(file, line.FRAMES_IN_MEMORY)
    daemon = start(net, names, line.memory_port([file]))
    runs = []
    for i in range(rounds):
        with Wait(f"round {i + 1} of {rounds}: full speed, no changes"):
            runs.append({"round": i + 1, "changes": None, **answers(net, daemon, seconds)})
        with Wait(f"round {i + 1} of {rounds}: full speed, {RATE} IXFR a second"):
            with Changes(net, daemon, names) as changes:
                run = answers(net, daemon, seconds)
            runs.append({"round": i + 1, "changes": changes.report, **run})
    stop(net, daemon)
    return runs


# --- half speed ---------------------------------------------------------------------------------------------------

class HalfSpeed:
    """lockstepd behind a memif, asked at half of the rate that it can answer. Runs are in `runs`."""

    def __init__(self, net, names, seconds):
        self.net, self.names, self.seconds, self.runs = net, names, seconds, []
        self.socket = net.dir / "half.sock"
        self.start()
        self.rate = self.load("--seconds", 1)["answered_per_second"] / 2

    def start(self):
        self.daemon = start(self.net, self.names, {"driver": "memif", "device": str(self.socket), "role": "server"})

    def load(self, *options):
        return line.load_on(self.net, self.daemon, self.socket, ["--names", self.names, "--zone", ZONE, *options],
                            ring_bits=RING_BITS)

    def paced(self):
        return self.load("--rate", round(self.rate), "--seconds", self.seconds)

    def round(self, number):
        """Without changes, with them, and with the stand-in if there must be one."""
        what = f"round {number}: {self.rate:,.0f} requests/s"
        with Wait(f"{what}, no changes"):
            runs = [{"what": "idle", "report": self.paced()}]
        with Wait(f"{what}, {RATE} IXFR a second"):
            with Changes(self.net, self.daemon, self.names) as changes:
                report = self.paced()
            runs.append({"what": "changes", "changes": changes.report, "report": report})
        if crowded():
            share = changes.report["cpu_share"]
            with Wait(f"{what}, {share:.0%} of the generator's CPU taken"), stand_in(self.net, share):
                runs.append({"what": "stand-in", "report": self.paced()})
        self.runs += [{"round": number, **r} for r in runs]

    def round_in_spite_of_memif(self, number, tries=3):
        """DPDK's driver can end the process whose peer leaves (see README): then a new one does the round again."""
        for left in reversed(range(tries)):
            try:
                return self.round(number)
            except (lab.LabError, AssertionError):
                if self.daemon.running() or left == 0:
                    raise
                say("  lockstepd ended when the peer of its memif left: the round is repeated")
                self.net.processes.remove(self.daemon)
                self.start()


def half_speed(net, names, rounds, seconds):
    half = HalfSpeed(net, names, seconds)
    for i in range(rounds):
        half.round_in_spite_of_memif(i + 1)
    stop(net, half.daemon)
    return half.runs


def measure(quick):
    """G9: returns the points of both."""
    names, rounds, seconds = (100000, 2, 1) if quick else (1000000, 5, 4)
    if crowded():
        say("fewer than four CPUs: the control loop, the builder and the primary share the generator's CPU; the "
            "reference for latency is somebody else taking as much of it")
    with big_lab(servers.PACKET_MEMORY_MB + line.LOAD_MEMORY_MB, names) as net:
        with Wait(f"the primary, knotd, loads {ZONE} with {names:,} names"):
            net.knotd({ZONE: write_host_zone(net.dir / "host.zone", ZONE, names, SERIAL)}, notify=False,
                      addresses=[lab.PRIMARY])
        full = full_speed(net, names, rounds, seconds)
        half = half_speed(net, names, rounds, seconds)
    return {"names": names, "crowded": crowded(), "full": full, "half": half}


def speed_ratio(points):
    """The median of the rounds' ratios."""
    by_round = {}
    for r in points["full"]:
        by_round.setdefault(r["round"], {})[r["changes"] is not None] = r["per_second"]
    return statistics.median(r[True] / r[False] for r in by_round.values())


def half_reports(points, what):
    return [r["report"] for r in points["half"] if r["what"] == what]


def lost(points, what):
    return sum(r["lost"] for r in half_reports(points, what))


def tails(points):
    """For people: microseconds, the median of the rounds' 99.9th percentiles."""
    return {f"{what} us": round(statistics.median(r["latency_us"]["p99.9"] for r in half_reports(points, what)), 1)
            for what in dict.fromkeys(r["what"] for r in points["half"])}


def tail_ratio(points):
    found = tails(points)
    return found["changes us"] / found["stand-in us" if points["crowded"] else "idle us"]
