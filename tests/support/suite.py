#!/usr/bin/python3
"""Builds Lockstep and runs its tests; started by tests/run, which installs what is missing first.

  rules    include directions, hot-path bans, headers that compile alone, layout (tests/support/rules)
  unit     cmocka tests and the replay of the fuzz corpora, in build/
  asan     the same under address and undefined-behaviour sanitizers, in build-asan/
  tsan     the unit tests that start threads, under the thread sanitizer, in build-tsan/
  e2e      tests/e2e/test_*.py: lockstepd beside real primaries in network namespaces (needs root)
  e2e-asan those of them that are about behaviour, not speed, with the daemon of build-asan/
"""

import argparse
import contextlib
import ctypes
import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from lab_process import exit_on_signals

ROOT = Path(__file__).resolve().parent.parent.parent
SUITES = ("rules", "unit", "asan", "tsan", "e2e", "e2e-asan")
# What starts threads of its own; the rest has nothing that the thread sanitizer could find.
THREADED = ("control-log", "control-tsig", "control-zones", "net-dgram-ring", "zone-zonetab")
# Files, and tests within (none: all). Load and comparison would measure the sanitizers.
E2E_ASAN = {
    "test_control_socket": [],
    "test_dns_over_tls": ["answers_over*", "close_and*", "connection_that*", "half_closed*", "octets_that*", "reply_of*"],
    "test_expiry": ["killed*knotd*", "expired_zone*", "lower_serial*"],
    "test_ixfr": [],
    "test_port_events": [],
    "test_ports": [],
    "test_primaries": [],
    "test_reload": [],
    "test_process": [],
    "test_transfer_abuse": ["any_octet*", "a_name*", "the_whole_zone*", "endless*"],
    "test_transfer_faults": [],
    "test_transfer_out": ["a_secondary_with*"],
    "test_tsig": [],
    "test_vlan": [],
    "test_xot": ["certificate_that*", "connection_*", "primary_that*", "queries_of*", "request_on*", "soa_transfer*"],
}
HUGE_PAGES = Path("/proc/sys/vm/nr_hugepages")
# 2 MiB each: packets and zones of the largest end-to-end test, and of a second daemon beside it.
HUGE_PAGES_WANTED = 256
E2E_FILE_TIMEOUT = 900
PR_SET_PDEATHSIG = 1

BUILDS = {
    "unit": ("build", []),
    "asan": ("build-asan", ["-Db_sanitize=address,undefined", "-Db_lundef=false"]),
    "tsan": ("build-tsan", ["-Db_sanitize=thread", "-Db_lundef=false"]),
}
SANITIZER_ENV = {
    "ASAN_OPTIONS": "halt_on_error=1:abort_on_error=1:detect_leaks=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": f"halt_on_error=1:second_deadlock_stack=1:suppressions={ROOT}/tests/support/tsan.supp",
}


class Tally:
    """What was run so far, and the names of what failed."""

    def __init__(self):
        self.passed, self.failed, self.skipped, self.names = 0, 0, 0, []

    def add(self, passed, failed, skipped=0, names=()):
        self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + skipped
        self.names += names


def say(text):
    print(f"== {text}", flush=True)


def stream(argv, timeout, env=None):
    """Runs argv, its output shown line by line as it comes; returns exit code (None: time limit) and the output."""
    p = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors="replace", cwd=ROOT,
                         env={**os.environ, **(env or {})}, start_new_session=True, preexec_fn=end_with_parent)
    lines = []
    timed_out = []

    def expire(*_):
        timed_out.append(True)
        end_group(p)
    signal.signal(signal.SIGALRM, expire)
    signal.alarm(int(timeout))
    try:
        for line in p.stdout:
            lines.append(line)
            print(line, end="", flush=True)
        code = p.wait()
    except BaseException:
        end_group(p)
        raise
    finally:
        signal.alarm(0)
    return (None if timed_out else code), "".join(lines)


def end_with_parent():
    """SIGTERM for the child when we are killed, so that it still cleans up."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def end_group(p):
    """The process and what it started: asked first, so that it cleans up, then killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(p.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            p.wait(20)
            return


# --- builds and unit tests --------------------------------------------------------------------------------------

def build(suite, tally, tests=()):
    """Configures and builds, all or what these tests need; False, counted as a failure, when that did not work."""
    folder, options = BUILDS[suite]
    say(f"{suite}: building {folder}/")
    if not (ROOT / folder / "build.ninja").exists():
        shutil.rmtree(ROOT / folder, ignore_errors=True)
        setup = ["meson", "setup", folder, "-Dwerror=true", *options]
        code, _ = stream(setup, 300)
        if code != 0:
            tally.add(0, 1, names=[f"{suite}: {' '.join(setup)}"])
            return False
    programs = [os.path.relpath(t["cmd"][0], ROOT / folder) for t in tests_of(folder) if t["name"] in tests]
    code, _ = stream(["ninja", "-C", folder, *programs], 1800)
    if code != 0:
        tally.add(0, 1, names=[f"{suite}: ninja -C {folder}"])
    return code == 0


def meson_tests(suite, tally, patterns, only=None):
    """`meson test`; every cmocka test counts for itself, any other program as one."""
    folder = BUILDS[suite][0]
    names = [t["name"] for t in tests_of(folder) if only is None or t["name"] in only]
    names = [name for name in names if selected(name, patterns)]
    if not names:
        say(f"{suite}: no test selected")
        return
    log = ROOT / folder / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    say(f"{suite}: {len(names)} test programs")
    # The thread sanitizer needs its addresses free: without randomization they are.
    prefix = ["setarch", os.uname().machine, "-R"] if suite == "tsan" else []
    patience = 1 if suite == "unit" else 4
    env = SANITIZER_ENV if suite == "unit" else {**SANITIZER_ENV, "LOCKSTEP_DELTAS": "100"}
    stream([*prefix, "meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs", "-t", patience, *names], 1800, env)
    count_meson_log(suite, log, names, tally)


def tests_of(folder):
    """What meson knows of the tests in a build folder."""
    return json.loads(subprocess.run(["meson", "introspect", "--tests", folder], cwd=ROOT, check=True,
                                     capture_output=True, text=True).stdout)


def count_meson_log(suite, log, names, tally):
    results = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    before = tally.passed
    for r in results:
        passed, failed, skipped = cmocka_counts(r.get("stdout", "") + r.get("stderr", ""))
        if r["result"] in ("OK", "EXPECTEDFAIL") and not failed:
            tally.add(passed or 1, 0, skipped)
        elif r["result"] == "SKIP":
            print(f"skip {suite} {r['name']}")
            tally.add(0, 0, 1)
        else:
            # A crash, a leak or a time limit has no FAILED line of its own.
            tally.add(passed, max(1, len(failed)), skipped,
                      [f"{suite} {r['name']}: {f}" for f in failed or [f"{r['result']}, exit {r.get('returncode')}"]])
    for name in {n.split(" / ")[-1] for n in names} - {r["name"].split(" / ")[-1] for r in results}:
        tally.add(0, 1, names=[f"{suite} {name}: did not run"])
    say(f"{suite}: {tally.passed - before} tests passed")


def cmocka_counts(text):
    passed = len(re.findall(r"^\[       OK \]", text, flags=re.M))
    failed = sorted(set(re.findall(r"^\[  FAILED  \] (?!\d+ test\(s\))(\S+)", text, flags=re.M)))
    skipped = len(set(re.findall(r"^\[  SKIPPED \] (?!\d+ test\(s\))(\S+)", text, flags=re.M)))
    return passed, failed, skipped


def selected(name, patterns):
    return not patterns or any(p in name or fnmatch.fnmatch(name, p) for p in patterns)


# --- suites -------------------------------------------------------------------------------------------------------

def run_rules(tally, options):
    say("rules")
    for script in (["rules", "--build", "build"], ["test_rules.py"]):
        code, text = stream([ROOT / "tests/support" / script[0], *script[1:]], 300)
        count_last_line(script[0], code, text, tally, r"^FAIL (\w+)")


def count_last_line(name, code, text, tally, failure):
    """A script that ends with "N passed, N failed"; without that line, or with a bad exit code, it failed."""
    found = re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", text, flags=re.M)
    passed, failed, skipped = (int(n or 0) for n in found[-1]) if found else (0, 0, 0)
    names = [f"{name}: {f}" for f in re.findall(failure, text, flags=re.M)]
    if not found or (code != 0 and failed == 0):
        why = "time limit" if code is None else f"exit {code} without a result"
        failed, names = failed + 1, [*names, f"{name}: {why}"]
    tally.add(passed, failed, skipped, names)


def run_unit(tally, options):
    meson_tests("unit", tally, options.filter)


def run_asan(tally, options):
    if build("asan", tally):
        meson_tests("asan", tally, options.filter)


def run_tsan(tally, options):
    if any(selected(name, options.filter) for name in THREADED) and build("tsan", tally, THREADED):
        meson_tests("tsan", tally, options.filter, only=THREADED)


def run_e2e(tally, options):
    e2e(tally, options, "e2e", sorted((ROOT / "tests" / "e2e").glob("test_*.py")), ROOT / "build")


def run_e2e_asan(tally, options):
    if build("asan", tally):
        files = [ROOT / "tests" / "e2e" / f"{stem}.py" for stem in E2E_ASAN]
        e2e(tally, options, "e2e-asan", files, ROOT / "build-asan", E2E_ASAN)


def e2e(tally, options, suite, files, folder, tests=None):
    """tests: file stem -> those of its tests that run when the command line does not name any."""
    if os.geteuid() != 0:
        say(f"{suite}: needs root for network namespaces: run again with sudo")
        tally.add(0, 1, names=[f"{suite}: not run, needs root"])
        return
    env = {"LOCKSTEP_BUILD": str(folder)}
    if options.quick:
        env["LOCKSTEP_QUICK"] = "1"
    with huge_pages():
        for file in files:
            # "expiry" selects the file, "expiry:wrap" tests within it, "wrap" tests of that name in any file.
            chosen = []
            for f in options.filter:
                part, _, test = f.partition(":")
                if part in file.stem:
                    chosen.append(test or "*")
                elif not test:
                    chosen.append(part)
            if options.filter and not listed(file, chosen):
                continue
            if tests and not options.filter:
                chosen = tests[file.stem]
            begin = time.monotonic()
            say(f"{suite}: {file.name}")
            code, text = stream(["/usr/bin/python3", file, *chosen], E2E_FILE_TIMEOUT, env)
            count_last_line(f"{suite} {file.name}", code, text, tally, r"^FAIL (.+?) \(")
            say(f"{suite}: {file.name} took {time.monotonic() - begin:.0f} s")


def listed(file, chosen):
    done = subprocess.run(["/usr/bin/python3", file, "--list", *chosen], capture_output=True, text=True, cwd=ROOT)
    return bool(chosen) and (done.returncode != 0 or done.stdout.strip() != "")


@contextlib.contextmanager
def huge_pages():
    """Enough free huge pages for the tests, if the machine has them; the former number afterwards."""
    def free():
        return int(re.search(r"HugePages_Free:\s+(\d+)", Path("/proc/meminfo").read_text()).group(1))
    if not HUGE_PAGES.exists() or free() >= HUGE_PAGES_WANTED:
        yield
        return
    before = int(HUGE_PAGES.read_text())
    HUGE_PAGES.write_text(str(before + HUGE_PAGES_WANTED - free()))
    raised = int(HUGE_PAGES.read_text())
    say(f"huge pages: vm.nr_hugepages raised from {before} to {raised}, restored at the end")
    try:
        yield
    finally:
        # Somebody else's later change is theirs.
        if int(HUGE_PAGES.read_text()) == raised:
            HUGE_PAGES.write_text(str(before))
            say(f"huge pages: vm.nr_hugepages is {HUGE_PAGES.read_text().strip()} again")


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tests/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for suite in SUITES:
        parser.add_argument(f"--{suite}", action="store_true", help=f"run {suite} (several may be named; default all)")
    parser.add_argument("--quick", action="store_true", help="no sanitizer builds, shorter load tests; says so")
    parser.add_argument("filter", nargs="*", metavar="FILTER",
                        help="only tests of that name or pattern; for e2e also FILE or FILE:TEST")
    return parser.parse_args()


def main():
    options = parse_arguments()
    chosen = [s for s in SUITES if getattr(options, s.replace("-", "_"))] or list(SUITES)
    if options.quick:
        chosen = [s for s in chosen if s not in ("asan", "tsan", "e2e-asan")]
        say("quick: no sanitizer builds, shorter load tests")
    # A shell that starts us in the background has SIGINT ignored, which the tests of interrupted programs would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    exit_on_signals()
    begin, tally = time.monotonic(), Tally()
    # The rules look at build/'s object files; unit and e2e tests run what is there.
    built = build("unit", tally) if {"rules", "unit", "e2e"} & set(chosen) else True
    runners = {"rules": run_rules, "unit": run_unit, "asan": run_asan, "tsan": run_tsan, "e2e": run_e2e,
               "e2e-asan": run_e2e_asan}
    for suite in chosen:
        if suite in ("unit", "e2e") and not built:
            say(f"{suite}: not run, the build failed")
            tally.add(0, 1, names=[f"{suite}: not run"])
        elif not (suite == "rules" and options.filter):
            runners[suite](tally, options)
    say(f"{time.monotonic() - begin:.0f} s")
    for name in tally.names:
        print(f"FAILED {name}")
    if tally.skipped:
        print(f"{tally.skipped} skipped, see above")
    if tally.passed + tally.failed == 0:
        say("no test matched")
        tally.failed = 1
    print(f"{tally.passed} passed, {tally.failed} failed", flush=True)
    sys.exit(1 if tally.failed else 0)


if __name__ == "__main__":
    main()
