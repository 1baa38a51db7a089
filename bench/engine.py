"""The engine alone, by a program of this folder that needs no network: zone_bench."""

import json

from ground import Wait, built
import lab


def rows_of(argv, timeout=1800):
    return [json.loads(line) for line in lab.run(argv, timeout=timeout).stdout.splitlines() if line.startswith("{")]


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
