"""Plots of what depends on a size, and of latencies: PNG files into bench/out/.

By itself it draws from files: `python3 bench/plots.py FILE...` reads results of zone_bench (its --json lines) and the
raw files of bench/goals, and writes FILE-GOAL.png for every goal with points. bench/goals draws its own when it
measures; without python3-matplotlib it says so and goes on.
"""

import json
from pathlib import Path
import sys

from ground import OUT, say

AXES = {"G4": "names in the zone", "G8": "names in the zone", "G8b": "names in the zone", "G8c": "records changed"}


def canvas():
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    return pyplot, *pyplot.subplots(figsize=(6, 4), layout="constrained")


def finish(pyplot, figure, axes, file):
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


def draw_sizes(rows, goal, file):
    """Figures of one goal over size, a curve for each series, both axes logarithmic: a line's slope is the exponent."""
    points = [r for r in rows if r["goal"] == goal and "size" in r]
    pyplot, figure, axes = canvas()
    for series in dict.fromkeys(r["series"] for r in points):
        chosen = sorted((r["size"], r["figure"]) for r in points if r["series"] == series)
        axes.loglog(*zip(*chosen), marker="o", label=series)
    axes.set(title=goal, xlabel=AXES.get(goal, "size"), ylabel=points[0]["unit"])
    axes.set_ylim(bottom=min(r["figure"] for r in points) / 2, top=max(r["figure"] for r in points) * 2)
    finish(pyplot, figure, axes, file)


def draw_latencies(title, unit, by_label, target, file):
    """The share of the changes or answers that took at most so long, a curve for each label."""
    pyplot, figure, axes = canvas()
    for label, values in by_label.items():
        chosen = sorted(values)
        axes.step(chosen, [(i + 1) / len(chosen) for i in range(len(chosen))], where="post", label=label)
    if target:
        axes.axvline(target, color="grey", linestyle="--", label="target")
    axes.set(title=title, xlabel=unit, ylabel="share", xscale="log", ylim=(0, 1))
    finish(pyplot, figure, axes, file)


def draw_overload(by_kind, target, file):
    """What is answered over what is offered, both over the most that is answered, a curve for each kind of question."""
    pyplot, figure, axes = canvas()
    for kind, points in by_kind.items():
        axes.semilogx(*zip(*sorted(p[:2] for p in points)), marker="o", label=kind)
    axes.axhline(target, color="grey", linestyle="--", label="target")
    axes.set(title="G2-overload", xlabel="offered, times the most that is answered", ylabel="answered, of the most",
             ylim=(0, 1.05))
    finish(pyplot, figure, axes, file)


def beside(raw, goal):
    return raw.with_name(f"{raw.stem}-{goal}.png")


def attempt(draw, *args):
    """Draws into the file that is the last argument; without the library a word and no more."""
    try:
        draw(*args)
    except ImportError as e:
        say(f"  no plot: {e}")
        return
    say(f"  plot: {args[-1]}")


def sizes(rows, raw):
    for goal in sorted({r["goal"] for r in rows if "size" in r}):
        attempt(draw_sizes, rows, goal, beside(raw, goal))


def latencies(goal, title, unit, by_label, target, raw):
    attempt(draw_latencies, title, unit, by_label, target, beside(raw, goal))


def loads(by_kind, target, raw):
    attempt(draw_overload, by_kind, target, beside(raw, "G2-overload"))


def changes(goal, found, raw, target):
    """Milliseconds of changes by server."""
    by_label = {}
    for c in found:
        by_label.setdefault(c["server"], []).append(c["ms"])
    latencies(goal, f"{goal}: new serial at the primary -> at the secondary", "ms", by_label, target, raw)


# --- from files ---------------------------------------------------------------------------------------------------

def draw_file(name):
    text = Path(name).read_text()
    content = json.loads(text) if text.startswith("{\n") else {"rows": [json.loads(r) for r in text.splitlines()
                                                                         if r.startswith("{")]}
    raw = OUT / Path(name).name
    if "changes" in content:
        changes(content["goal"], content["changes"], raw, None)
    elif any("most_per_second" in r for r in content.get("runs", ())):
        import overload  # which wants what a measurement wants
        loads(overload.by_kind(content["runs"]), 0.9, raw)
    elif any("size" in r for r in content.get("rows", ())):
        sizes(content["rows"], raw)
    else:
        sys.exit(f"plots.py: {name}: no points of a curve in it")


def main(files):
    if not files or files[0].startswith("-"):
        sys.exit("usage: plots.py FILE...: plots of results of zone_bench or of raw files of bench/goals")
    OUT.mkdir(exist_ok=True)
    for name in files:
        draw_file(name)


if __name__ == "__main__":
    main(sys.argv[1:])
