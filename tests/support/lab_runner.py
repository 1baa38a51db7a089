"""Runs the test functions of a file; see lab.py for how a test looks."""

import fnmatch
import functools
import inspect
import signal
import sys
import time
import traceback

from lab_process import Skip, exit_on_signals


class TestTimeout(Exception):
    pass


def timeout(seconds):
    """Decorator: the test may take this long (default 120 s)."""
    def mark(f):
        f.timeout = seconds
        return f
    return mark


def each(**parameters):
    """Decorator: the test runs once for every value: @each(kind=["knotd", "nsd"]) adds the argument `kind`."""
    (key, values), = parameters.items()

    def mark(f):
        f.cases = [({**old, key: v}) for old in getattr(f, "cases", [{}]) for v in values]
        return f
    return mark


def lab_options(**options):
    """Decorator: arguments of the Lab that is made for the test."""
    def mark(f):
        f.lab_options = options
        return f
    return mark


def _cases(module):
    for name, f in vars(module).items():
        if not name.startswith("test_") or not inspect.isfunction(f):
            continue
        for args in getattr(f, "cases", [{}]):
            label = name[5:] + (f"[{','.join(str(v) for v in args.values())}]" if args else "")
            yield label, functools.partial(f, **args), f


def _run_one(call, f):
    wants_lab = [p for p in inspect.signature(call).parameters.values()
                 if p.default is inspect.Parameter.empty and p.kind == p.POSITIONAL_OR_KEYWORD]
    signal.alarm(int(getattr(f, "timeout", 120)))
    try:
        if wants_lab:
            import lab  # not above: lab imports this module
            with lab.Lab(**getattr(f, "lab_options", {})) as net:
                call(net)
        else:
            call()
    finally:
        signal.alarm(0)


def _on_alarm(number, frame):
    raise TestTimeout("the test took longer than its time limit")


def main(module=None):
    """Runs the tests of a file. Arguments: names or patterns of tests; --list. Exit code 1 when one failed."""
    module = module or sys.modules["__main__"]
    signal.signal(signal.SIGALRM, _on_alarm)
    exit_on_signals()
    patterns = [a for a in sys.argv[1:] if not a.startswith("-")]
    cases = [c for c in _cases(module)
             if not patterns or any(p in c[0] or fnmatch.fnmatch(c[0], p) for p in patterns)]
    if "--list" in sys.argv[1:]:
        print("\n".join(c[0] for c in cases))
        return
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    for label, call, f in cases:
        begin = time.monotonic()
        verdict, reason = "ok", ""
        try:
            _run_one(call, f)
        except Skip as e:
            verdict, reason = "skip", f": {e}"
        except (Exception, TestTimeout):
            verdict = "FAIL"
            traceback.print_exc(file=sys.stdout)
        counts[verdict] += 1
        print(f"{verdict:4} {label} ({time.monotonic() - begin:.1f} s){reason}", flush=True)
    skipped = f", {counts['skip']} skipped" if counts["skip"] else ""
    print(f"{counts['ok']} passed, {counts['FAIL']} failed{skipped}", flush=True)
    sys.exit(1 if counts["FAIL"] else 0)
