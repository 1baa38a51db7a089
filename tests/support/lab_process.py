"""What every part of the lab uses: paths, addresses, errors, processes."""

import contextlib
import ctypes
import ctypes.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("LOCKSTEP_BUILD", ROOT / "build"))
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD

PRIMARY, SECOND_PRIMARY, STRANGER, SECONDARY = "10.53.0.1", "10.53.0.3", "10.53.0.9", "10.53.0.2"
PRIMARY6, SECOND_PRIMARY6, STRANGER6, SECONDARY6 = "fd53::1", "fd53::3", "fd53::9", "fd53::2"

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)


class LabError(Exception):
    """The laboratory could not do what it was asked: not a verdict about lockstepd."""


class Skip(Exception):
    """Raised by a test that cannot run here; printed and counted."""


def exit_on_signals():
    """Who is told to end leaves by way of `finally` and `with`, which clean up. nohup's SIGHUP stays ignored."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda n, frame: sys.exit(128 + n))


def run(argv, check=True, timeout=60, **kw):
    """A command that ends by itself; its output as text in .stdout and .stderr."""
    argv = [str(a) for a in argv]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, **kw)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done


def wait_until(condition, timeout, what, pause=0.02):
    """Calls condition until it returns something true, which is returned; AssertionError names what failed."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(pause)


def _die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def process_start_time(pid):
    """Ticks since boot, or None when no such process runs: tells a reused pid from the process we knew."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return None if fields[0] in "ZX" else int(fields[19])
    except (OSError, IndexError):
        return None


class Process:
    """A long-running program of the lab, its output in a file."""

    def __init__(self, lab, name, ns, argv, env=None, cwd=None):
        self.lab, self.name, self.ns = lab, name, ns
        self.argv = [str(a) for a in argv]
        self.env, self.cwd = env, cwd or lab.dir
        self.log_file = lab.dir / f"{name}.log"
        self.popen = None
        lab.processes.append(self)

    def start(self):
        assert not self.running(), f"{self.name} runs already"
        with open(self.log_file, "ab") as log:
            self.popen = subprocess.Popen(self.lab.argv_in(self.ns, self.argv), stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=subprocess.STDOUT, cwd=self.cwd, env=self.env,
                                          start_new_session=True, preexec_fn=_die_with_parent)
        return self

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, timeout=15):
        """The exit code, negative for a signal."""
        return self.popen.wait(timeout)

    def kill(self):
        """SIGKILL to the whole process group, as a power cut would."""
        if self.popen is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(15)

    def stop(self, timeout=15):
        """SIGTERM, then SIGKILL if that did not help. Returns the exit code."""
        if self.running():
            self.popen.send_signal(signal.SIGTERM)
            try:
                return self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                self.lab.note(f"{self.name} did not stop within {timeout} s after SIGTERM: killed")
        self.kill()
        return self.popen.returncode if self.popen else None

    def log(self):
        try:
            return self.log_file.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def wait_log(self, pattern, timeout=10, since=0):
        """Waits for a line that matches the regular expression after offset `since`; returns the match."""
        return wait_until(lambda: re.search(pattern, self.log()[since:]), timeout,
                          f"{self.name} logs /{pattern}/")
