"""What a server still answers when it is offered far more than it can: one worker behind a memif, the highest rate
without loss found by lockstep-load's search, then its blast, in turn. What does not fit into the ring is what a
network card drops.
"""

import statistics

from ground import Wait, huge_pages, write_host_zone
import lab
import line
import servers

LOSS = 0.0001  # on a machine that others use none at all is luck
KINDS = ("a_small", "nsec3_nxdomain")


def start(net):
    zones = {line.SMALL: write_host_zone(net.dir / "small.zone", line.SMALL, line.SMALL_NAMES)}
    plain = write_host_zone(net.dir / "signed.zone", line.SIGNED, line.SMALL_NAMES)
    zones[line.SIGNED] = line.sign(net, plain, line.SIGNED)
    primary = net.knotd(zones)
    socket = net.dir / "overload.sock"
    daemon = line.start_daemon(net, socket, list(zones), [line.cores()[1]])
    line.fetch_zones(net, daemon, primary, zones)
    return daemon, socket


def one(net, daemon, socket, kind, seconds):
    """The most without loss, and what is answered of all that can be sent; the bursts refused were offered too."""
    searched = line.load_on(net, daemon, socket, [*kind.options, "--search", "--loss", LOSS, "--step", min(seconds, 1),
                                                  "--seconds", 12])
    if searched["answered_per_second"] == 0:
        raise lab.LabError(f"{kind.key}: no rate was held with a loss below {LOSS}: something else runs on these cores")
    blast = line.load_on(net, daemon, socket, [*kind.options, "--seconds", seconds])
    offered = (blast["counters"]["sent"] + blast["counters"]["refused_bursts"] * line.BURST) / blast["seconds"]
    return {"kind": kind.key, "held_per_second": searched["answered_per_second"],
            "offered_per_second": offered, "answered_per_second": blast["answered_per_second"],
            "search": searched, "blast": blast}


def measure(quick):
    """Returns the runs."""
    rounds, seconds = (1, 1) if quick else (3, 3)
    kinds = [k for k in line.kinds(line.SMALL_NAMES) if k.key in KINDS]
    runs = []
    with huge_pages((servers.PACKET_MEMORY_MB + line.LOAD_MEMORY_MB) // 2), lab.Lab() as net:
        daemon, socket = start(net)
        for i in range(rounds):
            for kind in kinds:
                with Wait(f"round {i + 1} of {rounds}: {kind.key}: search for the most without loss, then blast"):
                    runs.append({"round": i + 1, **one(net, daemon, socket, kind, seconds)})
    return runs


def by_kind(runs, above, below):
    return {kind: statistics.median(r[above] / r[below] for r in runs if r["kind"] == kind) for kind in KINDS}


def goodput(runs):
    """Of the kind that suffers most: what is answered in a blast over what is answered without loss."""
    return min(by_kind(runs, "answered_per_second", "held_per_second").values())


def offered(runs):
    """For people: how many times what it can answer was offered."""
    return {f"{kind} offered": round(times, 1)
            for kind, times in by_kind(runs, "offered_per_second", "held_per_second").items()}
