#!/usr/bin/python3
"""bench/demo shows all it promises, and leaves nothing behind: at its end, interrupted, or ended while kept."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab

DEMO = lab.ROOT / "bench" / "demo.py"
HUGE_PAGES = Path("/proc/sys/vm/nr_hugepages")


class Demo:
    """A running demonstration and what it has said so far."""

    def __init__(self, *options):
        env = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1",
               "LOCKSTEP_BUILD": str(lab.BUILD)}
        self.pages = HUGE_PAGES.read_text()
        self.popen = subprocess.Popen(["/usr/bin/python3", DEMO, "--load", "1", *options], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.popen.poll() is None:
            self.popen.terminate()
        self.rest()

    def until(self, pattern):
        """Reads on until a line matches; the match."""
        for line in self.popen.stdout:
            self.text += line
            found = re.search(pattern, line)
            if found:
                return found
        raise AssertionError(f"the demo ended before it said /{pattern}/:\n{self.text[-4000:]}")

    def rest(self):
        self.text += self.popen.stdout.read()
        return self.popen.wait(60)

    def assert_nothing_left(self):
        namespaces = re.findall(r"namespaces (\S+) \(primary, load\) and (\S+) \(", self.text)
        folder = re.search(r"^  folder (\S+):", self.text, re.M)
        assert namespaces and folder, f"the demo did not name what it made:\n{self.text[:2000]}"
        for name in namespaces[0]:
            assert not Path("/run/netns", name).exists(), f"namespace {name} is left"
        assert not Path(folder.group(1)).exists(), f"{folder.group(1)} is left"
        left = [p for p in Path("/proc").glob("[0-9]*/cmdline") if folder.group(1) in read(p)]
        assert not left, f"processes are left: {[read(p) for p in left]}"
        if "vm.nr_hugepages raised" in self.text and "changed by somebody else" not in self.text:
            assert HUGE_PAGES.read_text() == self.pages, "the number of huge pages is not what it was"


def read(path):
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def test_it_shows_every_step_and_leaves_nothing():
    with Demo() as demo:
        assert demo.rest() == 0, demo.text[-4000:]
        steps = re.findall(r"^\[(\d)/(\d)\]", demo.text, re.M)
        assert [int(n) for n, _ in steps] == list(range(1, int(steps[0][1]) + 1)), steps
        for what in (r"125,005 records", r"\(UDP\)", r"\(TCP\)", r"every answer is the same as the primary's",
                     r"ms behind its primary", r"serial 1 -> 2", r"NOERROR [\d,]+\)", r"answers/s"):
            assert re.search(what, demo.text), f"/{what}/ is not in:\n{demo.text}"
        demo.assert_nothing_left()


@lab.each(where=[r"^\[2/", r"lockstepd -c", r"^\[5/", r"dnsperf -s"])
def test_interrupted_anywhere_it_leaves_nothing(where):
    with Demo() as demo:
        demo.until(where)
        demo.popen.send_signal(signal.SIGINT)
        assert demo.rest() == 130, demo.text[-4000:]
        assert "Traceback" not in demo.text, demo.text[-4000:]
        demo.assert_nothing_left()


def test_kept_it_runs_until_it_is_ended():
    with Demo("--keep") as demo:
        pid = int(demo.until(r"kill (\d+) ends it").group(1))
        assert pid == demo.popen.pid
        time.sleep(2)
        assert demo.popen.poll() is None
        socket = re.search(r"-s (\S+\.sock) zone status", demo.text).group(1)
        assert Path(socket).exists()
        demo.popen.terminate()
        assert demo.rest() == 128 + signal.SIGTERM
        demo.assert_nothing_left()


def test_a_zone_that_does_not_load_is_an_error_that_says_so():
    file = Path("/tmp") / f"lockstep-demo-{os.getpid()}.zone"
    file.write_text("$ORIGIN broken.test.\n@ 3600 IN SOA ns hostmaster 1 2 3 4\n")
    try:
        with Demo("--zone", str(file), "--patience", "5") as demo:
            assert demo.rest() == 1, demo.text
            assert "failed" in demo.text and "broken.test" in demo.text, demo.text
            demo.assert_nothing_left()
    finally:
        file.unlink()


if __name__ == "__main__":
    lab.main()
