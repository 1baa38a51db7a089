#!/usr/bin/python3
"""bench/goals and bench/idle: what they print for programs, and exit codes. The figures themselves are no test: machines
differ.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab

KEYS = {"goal", "figure", "unit", "target", "met", "rivals", "raw"}


@contextlib.contextmanager
def started(program, *args):
    env = {**os.environ, "LOCKSTEP_BUILD": str(lab.BUILD), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(["/usr/bin/python3", lab.ROOT / "bench" / f"{program}.py", *args], env=env, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as popen:
        try:
            yield popen
        finally:
            popen.terminate()


def bench(program, *args, timeout=110):
    with started(program, *args) as popen:
        stdout, stderr = popen.communicate(timeout=timeout)
    return subprocess.CompletedProcess(popen.args, popen.returncode, stdout, stderr)


def goals(*args):
    return bench("goals", *args)


def test_json_is_one_object_a_line_with_the_agreed_keys():
    done = goals("--json", "--quick", "G11a", "G13")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["goal"] for r in rows] == ["G11a", "G13"], rows
    for r in rows:
        assert set(r) == KEYS, r
        assert isinstance(r["figure"], (int, float)) and r["figure"] > 0, r
        assert isinstance(r["met"], bool) and isinstance(r["rivals"], dict), r
        raw = json.loads(Path(r["raw"]).read_text())
        assert raw["machine"]["cpu"] and len(raw) > 1, raw
    assert "quick" in done.stderr


def test_changes_are_measured_beside_the_rivals_and_each_has_its_stages():
    done = goals("--json", "--quick", "G8a")
    assert done.returncode == 0, done.stderr
    row, = [json.loads(line) for line in done.stdout.splitlines()]
    assert set(row) == KEYS and row["figure"] > 0, row
    assert set(row["rivals"]) == {"lockstep notify-ixfr", "knot", "nsd", "bind"}, row
    changes = json.loads(Path(row["raw"]).read_text())["changes"]
    ours = [c for c in changes if c["server"] == "lockstep"]
    assert len(ours) == 10 and {"notify", "request", "answer"} <= set(ours[5]["stages"]), ours
    assert "plot" in done.stderr  # drawn, or why not


def test_a_number_stands_for_all_its_rows_and_one_measurement_serves_them():
    done = goals("--json", "--quick", "G7")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["goal"] for r in rows] == ["G7a", "G7b", "G7-tls"], rows
    assert rows[0]["raw"] == rows[1]["raw"] != rows[2]["raw"]
    assert set(rows[2]) == KEYS and rows[2]["figure"] > 0, rows[2]
    assert set(rows[0]["rivals"]) == {"knot", "nsd", "bind"}, rows


def test_a_goal_that_is_not_there_is_an_error_that_names_those_that_are():
    done = goals("G99")
    assert done.returncode != 0 and "G99" in done.stderr and "G7a" in done.stderr, done.stderr


def test_what_cannot_be_measured_yet_is_said_and_counts_as_failure():
    done = goals("G10")
    assert done.returncode == 1, done.stderr
    assert "G10a" in done.stderr and "G10b" in done.stderr, done.stderr


def test_both_idle_policies_stand_side_by_side_at_each_rate():
    done = bench("idle", "--json", "--seconds", "0.5", "--rounds", "1", "--rates", "0", "2000")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [(r["rate"], r["policy"]) for r in rows] == [(0, "busy"), (0, "adaptive"), (2000, "busy"), (2000, "adaptive")]
    for r in rows:
        assert 0 <= r["cpu"] < 1.5 and (r["sleeps"] == 0) == (r["policy"] == "busy"), r
        assert r["rate"] == 0 or 0 < r["p50"] <= r["p99"] <= r["max"], r


@lab.each(number=[signal.SIGINT, signal.SIGTERM])
def test_told_to_end_it_cleans_up_and_says_so_by_its_exit_code(number):
    with started("idle", "--json", "--seconds", "60") as popen:
        # The first round begins in a lab that is there, with a primary that runs.
        begun = next((line for line in popen.stderr if "round 1" in line), None)
        popen.send_signal(number)
        stderr, stdout = popen.stderr.read(), popen.stdout.read()
    assert begun and popen.returncode == 128 + number and stdout == "", (popen.returncode, begun, stdout, stderr)
    assert "Traceback" not in stderr and not list(Path("/run/netns").glob(f"lst{popen.pid}-*")), stderr


if __name__ == "__main__":
    lab.main()
