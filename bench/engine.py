"""The engine alone, by a program of this folder that needs no network: zone_bench.

By itself it draws plots: `python3 bench/engine.py FILE...` reads results of zone_bench (its --json lines, or the raw files
of bench/goals) and writes FILE-GOAL.png into bench/out/ for every goal with points over sizes.
"""

import json
from pathlib import Path
import sys

from ground import OUT, Wait, built, say
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


# --- plots --------------------------------------------------------------------------------------------------------

AXES = {"G4": "names in the zone", "G8": "names in the zone", "G8b": "names in the zone", "G8c": "records changed"}


def read_rows(file):
    text = Path(file).read_text()
    if text.startswith("{\n"):
        return json.loads(text).get("rows", [])
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def draw(rows, goal, file):
    """Figures of one goal over size, a curve for each series, both axes logarithmic."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    points = [r for r in rows if r["goal"] == goal and "size" in r]
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for series in dict.fromkeys(r["series"] for r in points):
        chosen = sorted((r["size"], r["figure"]) for r in points if r["series"] == series)
        axes.loglog(*zip(*chosen), marker="o", label=series)
    axes.set(title=goal, xlabel=AXES.get(goal, "size"), ylabel=points[0]["unit"])
    axes.set_ylim(bottom=min(r["figure"] for r in points) / 2, top=max(r["figure"] for r in points) * 2)
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


def main(files):
    if not files or files[0].startswith("-"):
        sys.exit("usage: engine.py FILE...: plots of results of zone_bench")
    OUT.mkdir(exist_ok=True)
    for name in files:
        rows = read_rows(name)
        goals = sorted({r["goal"] for r in rows if "size" in r})
        if not goals:
            sys.exit(f"engine.py: {name}: no points over sizes in it")
        for goal in goals:
            file = OUT / f"{Path(name).stem}-{goal}.png"
            draw(rows, goal, file)
            say(f"{file}")


if __name__ == "__main__":
    main(sys.argv[1:])
