"""Measures the goals by their numbers and prints one row each: what, our figure, the rivals' in the same run, the
target, met or not, and the file with the raw points. GOAL is a row (G7a) or several (G7); without one, every goal that
has a measurement. Exit code 0 when everything asked for was measured, whatever the figures.
"""

import dataclasses
import re
import sys
import typing

from ground import FAILURES, paint, parser, raise_end, run, say, write_raw
import alongside
import engine
import instructions
import line
import over_tls
import overload
import plots
import propagation
import rivals
import servers
import transfer


@dataclasses.dataclass(frozen=True)
class Goal:
    key: str
    what: str
    unit: str
    relation: str  # "<=" or ">="
    target: float
    measure: typing.Callable  # (quick) -> {key: (figure, rivals, raw file)} for one or more goals
    digits: int = 2

    def met(self, figure):
        return figure <= self.target if self.relation == "<=" else figure >= self.target


# --- measurements -------------------------------------------------------------------------------------------------

def without_ours(by_server, digits):
    return {k: round(v, digits) for k, v in by_server.items() if k != "lockstep"}


def measure_transfer_times(quick):
    runs = transfer.measure_times(quick)
    raw = write_raw("transfer-times", {"runs": runs})
    out = {}
    for key, column, digits in (("G7a", "request_to_served_s", 3), ("G7b", "last_octet_to_served_ms", 1)):
        medians = transfer.median_by_server(runs, column)
        out[key] = medians["lockstep"], without_ours(medians, digits), raw
    return out


def measure_over_tls(quick):
    runs = over_tls.measure(quick)
    return {"G7-tls": (over_tls.ratio(runs), over_tls.seconds(runs), write_raw("over-tls", {"runs": runs}))}


def measure_memory(quick):
    runs = transfer.measure_memory(quick)
    raw = write_raw("transfer-memory", {"runs": runs})
    out = {}
    for key, column in (("G6a", "per_record"), ("G6c", "peak_to_steady")):
        figures = {r["server"]: r[column] for r in runs}
        out[key] = figures["lockstep"], without_ours(figures, 2), raw
    return out


def measure_registry(quick):
    runs = transfer.measure_registry(quick)
    figures = {r["server"]: r["per_delegation"] for r in runs}
    return {"G6b": (figures["lockstep"], without_ours(figures, 1), write_raw("transfer-registry", {"runs": runs}))}


def measure_rivals(quick):
    summary, raw = rivals.measure_and_show(rivals.parse(["--quick"] if quick else []))
    # The better of both generators for each: neither is kind to everybody.
    best = {label: round(max(v["median"] for v in s.values())) for label, s in summary.items()}
    ours, swap = best.pop("lockstep"), best.pop(servers.Swap.label, None)
    out = {"G3a": None, "G3b": None}
    if swap:
        out["G3a"] = ours / swap, {servers.Swap.label: swap}, raw
    if best:
        out["G3b"] = ours / max(best.values()), best, raw
    return out


def measure_instructions(quick):
    points = instructions.measure(quick)
    figures = {label: instructions.per_query(p) for label, p in points.items()}
    return {"G1": (figures["lockstep"], without_ours(figures, 0), write_raw("instructions", {"points": points}))}


def measure_line(quick):
    points = line.measure(quick)
    raw, swap = write_raw("line", points), line.swap_rates(points)
    if (cut := line.disturbed(points)):
        say(f"in {cut} of {len(points['runs'])} runs something else had more than a twentieth of a core: repeat this "
            "when the machine is free")
    out = {}
    for key in ("G2a", "G2b", "G4", "G5a", "G5b"):
        figure, places = line.figure(points["runs"], key)
        out[key] = figure, {**places, **(swap if key.startswith("G2") else {})}, raw
    return out


def measure_limits(quick):
    points = line.measure_limits(quick)
    figure, places = line.figure(points["runs"], "G5c")
    return {"G5c": (figure, places, write_raw("limits", points))}


def measure_overload(quick):
    runs = overload.measure(quick)
    raw = write_raw("overload", {"runs": runs})
    plots.loads(overload.by_kind(runs), next(g.target for g in GOALS if g.key == "G2-overload"), raw)
    return {"G2-overload": (overload.goodput(runs), overload.offered(runs), raw)}


def measure_workers(quick):
    runs = line.measure_workers(quick)
    return {"G12": (line.workers_ratio(runs, "lockstep"), {"5tswap": round(line.workers_ratio(runs, "5tswap"), 3)},
                    write_raw("workers", {"runs": runs}))}


def change_rows(goal, found, absent, share):
    """A row of changes that a function of propagation.py saw: the milliseconds that `share` of them keep to."""
    raw = write_raw("changes", {"goal": goal, "not_measured": absent, "changes": found})
    plots.changes(goal, found, raw, next(g.target for g in GOALS if g.key == goal))
    for text in propagation.spread(found):
        say(text)
    figures = propagation.percentiles(found, share)
    return {goal: (figures["lockstep"], without_ours(figures, 2), raw)}


def measure_single_changes(quick):
    return change_rows("G8a", *propagation.measure_single(quick), 0.5)


def measure_steady_changes(quick):
    return change_rows("G8d", *propagation.measure_steady(quick), 0.99)


def measure_alongside(quick):
    points = alongside.measure(quick)
    raw = write_raw("alongside", points)
    return {"G9": (alongside.speed_ratio(points), {}, raw),
            "G9-drops": (alongside.lost(points, "changes"), {"without": alongside.lost(points, "idle")}, raw),
            "G9-latency": (alongside.tail_ratio(points), alongside.tails(points), raw)}


def measure_zone(part, *keys):
    """A measurement by zone_bench, whose rows are the points."""
    def measure(quick):
        rows = engine.measure_zone(part, quick)
        raw = write_raw(f"zone-{part}", {"rows": rows})
        plots.sizes(rows, raw)
        return {key: (engine.figure(rows, key), {}, raw) for key in keys}
    return measure


CHANGES = measure_zone("G8", "G8b", "G8c")

GOALS = (
    Goal("G1", "user-space instructions per answered A query", "instructions", "<=", 400, measure_instructions, 0),
    Goal("G2a", "answers/s of one worker over memif / 5tswap there, 1k names", "ratio", ">=", 0.6, measure_line),
    Goal("G2b", "answers/s of one worker over memif / 5tswap there, 10M names", "ratio", ">=", 0.45, measure_line),
    Goal("G2-overload", "answers/s when offered ten times what it can and more / the most, over memif", "ratio",
         ">=", 0.9, measure_overload),
    Goal("G3a", "answers/s over veth with AF_XDP / 5tswap there", "ratio", ">=", 0.9, measure_rivals),
    Goal("G3b", "answers/s over veth with AF_XDP / best rival", "ratio", ">=", 2, measure_rivals),
    Goal("G4", "answers/s over memif, 10M names / 1k names", "ratio", ">=", 0.7, measure_line),
    Goal("G5a", "NSEC3 NXDOMAIN with DO / A hits, answers/s over memif", "ratio", ">=", 0.5, measure_line),
    Goal("G5b", "malformed packets/s / A hits/s over memif, the slowest kind", "ratio", ">=", 1, measure_line),
    Goal("G5c", "A hits/s over memif with rate limits, clients within them / without limits", "ratio", ">=", 0.9,
         measure_limits),
    Goal("G6a", "resident octets per record after AXFR of host.test", "octets", "<=", 50, measure_memory, 1),
    Goal("G6b", "resident octets per delegation, 1M of them over 1,000 name server sets", "octets", "<=", 36,
         measure_registry, 1),
    Goal("G6c", "peak during a replacing AXFR / steady", "ratio", "<=", 2.1, measure_memory),
    Goal("G7a", "AXFR of host.test: request sent -> new serial answered", "s", "<=", 0.45, measure_transfer_times, 3),
    Goal("G7b", "last octet -> served", "ms", "<=", 100, measure_transfer_times, 1),
    Goal("G7-tls", "AXFR of host.test from nsd, connection -> served: over TLS / over TCP", "ratio", "<=", 1.2,
         measure_over_tls),
    Goal("G8a", "one changed address in host.test: new serial at the primary -> at the secondary, median", "ms", "<=",
         1.5, measure_single_changes),
    Goal("G8b", "exponent of apply time over zone size (engine only)", "exponent", "<=", 0.1, CHANGES, 3),
    Goal("G8c", "exponent of apply time over change size (engine only)", "exponent", "<=", 1.05, CHANGES, 3),
    Goal("G8d", "the same at 20 changes/s for ten minutes, 99th percentile", "ms", "<=", 5, measure_steady_changes),
    Goal("G9", "answers/s at full speed with 100 IXFR/s into 1M names / without", "ratio", ">=", 0.98,
         measure_alongside, 3),
    Goal("G9-drops", "requests lost at half speed with 100 IXFR/s", "requests", "<=", 0, measure_alongside, 0),
    Goal("G9-latency", "99.9th percentile of latency at half speed with 100 IXFR/s / without", "ratio", "<=", 1.5,
         measure_alongside),
    Goal("G11a", "resident octets per zone of 10 records, 1M zones (engine only)", "octets", "<=", 2048,
         measure_zone("table", "G11a"), 0),
    Goal("G12", "answers/s of two workers / of one, frames from memory", "ratio", ">=", 1.95, measure_workers),
    Goal("G13", "resident memory after very many changes / after the first hundredth (engine only)", "ratio", "<=",
         1.05, measure_zone("G13", "G13"), 3),
)
# Rows of the list of goals that cannot be measured, and why.
NOT_YET = {"G10a": "nothing survives a restart yet", "G10b": "nothing survives a restart yet",
           "G11b": "there is no measurement for it yet"}


# --- rows ---------------------------------------------------------------------------------------------------------

def row(goal, figure, others, raw):
    return {"goal": goal.key, "figure": round(figure, goal.digits), "unit": goal.unit,
            "target": f"{goal.relation} {goal.target:g}", "met": goal.met(figure), "rivals": others, "raw": str(raw)}


def show(goal, r, quick):
    verdict = paint(32, "met") if r["met"] else paint(31, "not met")
    others = ", ".join(f"{k} {v:,}" for k, v in r["rivals"].items()) or "no rival measured"
    figure = f"{paint(1, format(r['figure'], ','))} {r['unit']}{' (quick)' if quick else ''}"
    say(f"{goal.key:5} {goal.what}: {figure}, target {r['target']}: {verdict}; {others}\n      {r['raw']}")


def select(names):
    """Goals for the names given: a row, or all rows of a number. Returns them and the names nothing measures yet."""
    keys = {g.key: g for g in GOALS}
    if not names:
        return list(GOALS), []
    chosen, missing = [], []
    for name in names:
        family = re.compile(re.escape(name) + r"([a-z]|-[a-z]+)*$", re.I)
        found = [k for k in (*keys, *NOT_YET) if family.match(k)]
        if not found:
            raise SystemExit(f"goals: no goal {name}; there are {', '.join(sorted((*keys, *NOT_YET), key=natural))}")
        chosen += [keys[k] for k in found if k in keys and keys[k] not in chosen]
        missing += [k for k in found if k not in keys]
    return chosen, missing


def natural(key):
    number, letter = re.match(r"G(\d+)(.*)", key).groups()
    return int(number), letter


def listing():
    """All rows, for --help."""
    rows = [f"  {g.key:12} {g.what}, {g.relation} {g.target:g} {g.unit}" for g in GOALS]
    return "\n".join(["goals:", *rows, *(f"  {key:12} not measured: {why}" for key, why in NOT_YET.items())])


def measure(chosen, quick, emit):
    """Measures each function once, however many goals it gives; returns the keys that failed."""
    failed, results = [], {}
    for goal in chosen:
        if goal.key not in results:
            say(paint("1;36", f"\nmeasuring {goal.key}: {goal.what}"))
            results.update(attempt(goal, quick))
        if results[goal.key] is None:
            say(f"{goal.key}: {paint(31, 'could not be measured')}, see above")
            failed.append(goal.key)
            continue
        r = row(goal, *results[goal.key])
        show(goal, r, quick)
        emit(r)
    return failed


def attempt(goal, quick):
    try:
        return goal.measure(quick)
    except FAILURES as e:
        raise_end(e)
        say(f"{goal.key}: {e}")
        return {g.key: None for g in GOALS if g.measure == goal.measure}


def parse():
    arguments = parser("goals", __doc__, "one object a line", epilog=listing())
    arguments.add_argument("--quick", action="store_true", help="smaller zones, fewer rounds: a look, not a result")
    arguments.add_argument("goal", nargs="*", metavar="GOAL")
    return arguments.parse_args()


def work(options, emit):
    chosen, missing = select(options.goal)
    if options.quick:
        say("quick: smaller zones, fewer rounds; the figures are not those of the goals")
    failed = measure(chosen, options.quick, emit)
    for key in missing:
        print(f"goals: {key}: {NOT_YET[key]}", file=sys.stderr)
    return 1 if failed or missing else 0


if __name__ == "__main__":
    run("goals", parse(), work)
