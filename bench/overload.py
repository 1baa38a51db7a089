"""What a server still answers when it is offered far more than it can: one worker behind a memif. What does not fit into
the ring is what a network card drops.

A generator on one core cannot offer ten times as many questions as a worker answers, unless they are dear. So there are
three kinds: A hits and denials of a zone as RFC 9276 wants it get what the generator can (`offered` says how much that
was); denials of a zone with the most NSEC3 iterations that are hashed at all, the dearest question there is, get up to
twenty times what the worker can answer.
"""

import statistics

from ground import Wait, big_lab, say, write_host_zone
import lab
import line
import servers

LOSS = 0.0001  # on a machine that others use none at all is luck
HARD, HARD_ITERATIONS = "hard.test.", 150  # SNAPSHOT_NSEC3_ITERATIONS_MAX
TIMES = (0.5, 1, 2, 5, 10, 20)
ENOUGH = 10  # what has to be offered to have been an overload
DEAR = line.Kind("nsec3_dear", ("--names", 100000, "--zone", HARD, "--label", "no", "--rcode", "NXDOMAIN", "--do"))
BLASTED = ("a_small", "nsec3_nxdomain")


def start(net):
    zones = {line.SMALL: write_host_zone(net.dir / "small.zone", line.SMALL, line.SMALL_NAMES)}
    for zone, iterations in ((line.SIGNED, 0), (HARD, HARD_ITERATIONS)):
        plain = write_host_zone(net.dir / f"{zone}zone", zone, line.SMALL_NAMES)
        zones[zone] = line.sign(net, plain, zone, iterations)
    primary = net.knotd(zones)
    socket = net.dir / "overload.sock"
    daemon = line.start_daemon(net, socket, list(zones), [line.cores()[1]])
    line.fetch_zones(net, primary, zones)
    return daemon, socket


def held(net, daemon, socket, kind, seconds):
    """The report of a search for the most without loss."""
    found = line.load_on(net, daemon, socket, [*kind.options, "--search", "--loss", LOSS, "--step", min(seconds, 1),
                                               "--seconds", 12])
    if found["answered_per_second"] == 0:
        raise lab.LabError(f"{kind.key}: no rate was held with a loss below {LOSS}: something else runs on these cores")
    return found


def point(net, daemon, socket, kind, seconds, rate=None):
    """What is answered at a rate, or of all that can be sent. What the ring did not take was offered too."""
    r = line.load_on(net, daemon, socket, [*kind.options, "--seconds", seconds, *(["--rate", rate] if rate else [])])
    refused = r["counters"]["behind"] if rate else r["counters"]["refused_bursts"] * line.BURST
    return {"offered_per_second": (r["counters"]["sent"] + refused) / r["seconds"],
            "answered_per_second": r["answered_per_second"], "rate": rate, "report": r}


def one(net, daemon, socket, kind, seconds):
    """A search and a blast; or, where questions are dear, a blast and then multiples of what it got answered."""
    if kind is DEAR:
        points = [point(net, daemon, socket, kind, seconds)]
        capacity = points[0]["answered_per_second"]
        points = [point(net, daemon, socket, kind, seconds, times * capacity) for times in TIMES] + points
        return {"kind": kind.key, "most_per_second": most(points), "points": points}
    search, blast = held(net, daemon, socket, kind, seconds), point(net, daemon, socket, kind, seconds)
    return {"kind": kind.key, "most_per_second": most([search, blast]), "search": search, "points": [blast]}


def most(points):
    return max(p["answered_per_second"] for p in points)


def measure(quick):
    """Returns the runs."""
    rounds, seconds = (1, 1) if quick else (3, 3)
    kinds = [k for k in line.kinds(line.SMALL_NAMES) if k.key in BLASTED] + [DEAR]
    runs = []
    with big_lab(servers.PACKET_MEMORY_MB + line.LOAD_MEMORY_MB) as net:
        daemon, socket = start(net)
        for i in range(rounds):
            for kind in kinds:
                with Wait(f"round {i + 1} of {rounds}: {kind.key}: up to far more than it can answer"):
                    runs.append({"round": i + 1, **one(net, daemon, socket, kind, seconds)})
    tell(runs)
    return runs


def curve(runs, kind):
    """
    (offered, answered, the worker's share of its core) of each point, the first two over the most that was answered in its
    round; medians of the rounds.
    """
    rounds = [[(p["offered_per_second"] / r["most_per_second"], p["answered_per_second"] / r["most_per_second"],
                p["report"]["server_cpu_share"]) for p in r["points"]] for r in runs if r["kind"] == kind]
    return [tuple(statistics.median(column) for column in zip(*same)) for same in zip(*rounds)]


def by_kind(runs):
    return {kind: curve(runs, kind) for kind in dict.fromkeys(r["kind"] for r in runs)}


def tell(runs):
    say("  kind              offered, times the most answered   answered, of that   worker's share of its core")
    for kind, points in by_kind(runs).items():
        for times, answered, share in points:
            say(f"  {kind:<16} {times:33.1f}   {answered:17.3f}   {share:26.2f}")


def goodput(runs):
    """The least that is answered, of the most: in blasts, and wherever half as much again was offered."""
    points = by_kind(runs).values()
    if not any(p[0] >= ENOUGH for of_kind in points for p in of_kind):
        raise lab.LabError(f"{ENOUGH} times what can be answered was never offered: this was no overload")
    return min(p[1] for of_kind in points for p in of_kind if p[0] > 1.5 or p is of_kind[-1])


def offered(runs):
    """For people: how many times what it can answer was offered at most."""
    return {f"{kind} offered": round(max(p[0] for p in points), 1) for kind, points in by_kind(runs).items()}
