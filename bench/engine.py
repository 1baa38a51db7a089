"""The engines alone, by the programs of this folder that need no network: answer_bench and zone_bench."""

import json
import statistics

from ground import Wait, built
import lab


def rows_of(argv, timeout=1800):
    return [json.loads(line) for line in lab.run(argv, timeout=timeout).stdout.splitlines() if line.startswith("{")]


def a_hits(names, queries):
    """Nanoseconds per A query in a zone of so many names."""
    argv = [built("answer_bench"), "--json", "--class", "a", "--names", names, "--queries", queries, "--rounds", 5]
    return next(r["ns"] for r in rows_of(argv) if r.get("class") == "a")


def measure_sizes(quick):
    """G4: zone sizes in turn; returns {names: [ns, ...]}."""
    small, large, rounds = (1000, 1000000, 1) if quick else (1000, 10000000, 3)
    points = {small: [], large: []}
    for i in range(rounds):
        for names, values in points.items():
            with Wait(f"round {i + 1} of {rounds}: A hits in a zone of {names:,} names"):
                values.append(a_hits(names, 200000 if quick else 2000000))
    return points


def size_ratio(points):
    small, large = (statistics.median(points[n]) for n in (min(points), max(points)))
    return small / large


def measure_classes(quick):
    """G5b: all classes of queries in interleaved rounds; returns {class: row}."""
    with Wait("all classes of queries, 1,000 names"):
        argv = [built("answer_bench"), "--json", "--names", 1000, "--queries", 50000 if quick else 500000,
                "--rounds", 3 if quick else 9]
        return {r["class"]: r for r in rows_of(argv) if "class" in r}


def measure_zone(part, quick):
    """Rows of zone_bench: G8, G13 or table; those with a target are goals."""
    with Wait(f"zone_bench {part}"):
        return rows_of([built("zone_bench"), "--json", *(["--quick"] if quick else []), part])


def figure(rows, goal):
    """The row that has the goal's target: the others are its points."""
    found = [r["figure"] for r in rows if r["goal"] == goal and r["target"]]
    if len(found) != 1:
        raise lab.LabError(f"zone_bench gave {len(found)} rows with a target for {goal}")
    return found[0]
