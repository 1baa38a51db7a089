"""What the programs here stand on: how each starts and ends, words for the person watching, huge pages, zones and query
files.
"""

import argparse
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import dns.exception

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "bench" / "out"
HUGE_PAGES = Path("/proc/sys/vm/nr_hugepages")

sys.path.insert(0, str(ROOT / "tests" / "support"))
import lab  # noqa: E402 (the folder is known only now)


# --- words --------------------------------------------------------------------------------------------------------

def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def say(text):
    print(text, flush=True)


class Wait:
    """
    A wait that shows it is alive: with Wait("what") as w: ...; w.note("42 %"). On a terminal one line that counts
    the seconds, else one line at the start and one at the end.
    """

    def __init__(self, what):
        self.what, self.text, self.tty = what, "", sys.stdout.isatty()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._turn, daemon=True)

    def note(self, text):
        if not self.tty and text != self.text:
            say(f"  ... {text}")
        self.text = text

    def seconds(self):
        return time.monotonic() - self.begin

    def __enter__(self):
        self.begin = time.monotonic()
        if self.tty:
            self.thread.start()
        else:
            say(f"  ... {self.what}")
        return self

    def __exit__(self, kind, *_):
        took = self.seconds()
        self.done.set()
        if self.tty:
            self.thread.join()
            print("\r\033[K", end="")
        if kind is None:
            say(f"  {paint(32, 'ok')} {self.what} ({took:.2f} s)")

    def _turn(self):
        marks = "|/-\\"
        for i in range(1 << 30):
            print(f"\r\033[K  {marks[i % 4]} {self.what}, {self.seconds():.0f} s {self.text}", end="", flush=True)
            if self.done.wait(0.1):
                return


# --- programs -----------------------------------------------------------------------------------------------------

# What a measurement ends with on a machine that lacks something or is busy with something else: told, without a trace.
FAILURES = (lab.LabError, AssertionError, OSError, subprocess.SubprocessError, dns.exception.DNSException)


def parser(name, text, as_json=None, epilog=None):
    """Arguments of bench/NAME; as_json: what --json prints."""
    made = argparse.ArgumentParser(prog=f"bench/{name}", description=text, epilog=epilog,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    if as_json:
        made.add_argument("--json", action="store_true", help=f"{as_json} on stdout, all else on stderr")
    return made


def raise_end(error):
    """dnspython makes an error of its own of whatever is raised while it reads a record, what signals raise too."""
    if isinstance(error.__cause__, (KeyboardInterrupt, SystemExit)):
        raise error.__cause__


def run(name, options, work):
    """
    The rest of main(): work(options, emit), where emit(row) prints a line of JSON when --json asks for it and all that is
    said goes to stderr then. Exits with what work returns (None: 0), with 1 and the reason when it failed, and with 128
    and the signal's number when it was told to end; `finally` and `with` clean up in each case.
    """
    json_wanted, stdout = getattr(options, "json", False), sys.stdout

    def emit(row):
        if json_wanted:
            print(json.dumps(row), file=stdout, flush=True)

    lab.exit_on_signals()
    try:
        with contextlib.redirect_stdout(sys.stderr if json_wanted else stdout):
            try:
                sys.exit(work(options, emit))
            except FAILURES as e:
                raise_end(e)
                print(f"{name}: failed: {e}\n(what the processes logged is above; everything was cleaned up)", file=sys.stderr)
                sys.exit(1)
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted: everything was cleaned up", file=sys.stderr)
        sys.exit(130)


# --- the machine --------------------------------------------------------------------------------------------------

# Octets of huge pages that a name of a host zone takes, while a second transfer replaces it.
NAME_OCTETS = 125
# Of huge pages, for what is not packets of lockstepd's: blocks of small zones, and other users of DPDK.
SPARE_MB = 256


def memory_of(wanted_mb):
    """Huge pages for DPDK when they are there, else ordinary memory: as its arguments, and as a number of MiB."""
    return wanted_mb if lab.huge_pages_free() * 2 >= wanted_mb else 0


@contextlib.contextmanager
def big_lab(memory_mb, names=0):
    """A lab, with huge pages for so much packet memory and for a zone of so many names."""
    with huge_pages(memory_mb // 2 + names * NAME_OCTETS // (2 << 20)), lab.Lab() as net:
        yield net


@contextlib.contextmanager
def huge_pages(wanted, tell=say):
    """
    `wanted` free huge pages of 2 MiB, as far as the machine has memory for them. The former number comes back afterwards,
    unless somebody else changed it meanwhile.
    """
    free = lab.huge_pages_free()
    if free >= wanted or not HUGE_PAGES.exists():
        tell(f"huge pages: {free} free of 2 MiB each, nothing to change")
        yield
        return
    before = int(HUGE_PAGES.read_text())
    HUGE_PAGES.write_text(str(before + wanted - free))
    raised = int(HUGE_PAGES.read_text())
    tell(f"huge pages: vm.nr_hugepages raised from {before} to {raised}, restored at the end")
    try:
        yield
    finally:
        if int(HUGE_PAGES.read_text()) == raised:
            HUGE_PAGES.write_text(str(before))
            tell(f"huge pages: vm.nr_hugepages is {HUGE_PAGES.read_text().strip()} again")
        else:
            tell(f"huge pages: vm.nr_hugepages was changed by somebody else meanwhile: left at "
                 f"{HUGE_PAGES.read_text().strip()} (it was {before})")


def built(name):
    """lockstepd, lockstepctl or a program of bench/ in the build folder."""
    folder = Path(os.environ.get("LOCKSTEP_BUILD", ROOT / "build"))
    for place in ("control", "control/cli", "bench", "bench/load", "."):
        if (folder / place / name).is_file():
            return folder / place / name
    raise FileNotFoundError(f"{name} is not built: looked below {folder}")


# --- zones --------------------------------------------------------------------------------------------------------

def host_records(names):
    """Records of a host zone: SOA, two NS with an A each, an A per name, every fourth with an AAAA too."""
    return 5 + names + (names + 3) // 4


def write_host_zone(file, origin, names, serial=1):
    """The zone that MEASURE calls host.test: names h0, h1, ... in hexadecimal, TTL 3600, not signed."""
    with open(file, "w") as f:
        f.write(f"$ORIGIN {origin}\n$TTL 3600\n@ SOA ns1 hostmaster {serial} 3600 600 1209600 300\n"
                "@ NS ns1\n@ NS ns2\nns1 A 192.0.2.1\nns2 A 192.0.2.2\n")
        for i in range(names):
            f.write(f"h{i:x} A 10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}\n")
            if i % 4 == 0:
                f.write(f"h{i:x} AAAA 2001:db8::{i >> 16:x}:{i & 65535:x}\n")
    return file


def write_delegation_zone(file, origin, delegations, sets=1000, serial=1):
    """A registry: so many delegations, each to one of the sets of two name servers outside the zone, evenly spread."""
    with open(file, "w") as f:
        f.write(f"$ORIGIN {origin}\n$TTL 3600\n@ SOA ns1.example. hostmaster.example. {serial} 3600 600 1209600 300\n"
                "@ NS ns1.example.\n")
        for i in range(delegations):
            f.write(f"d{i:x} NS ns1.host{i % sets}.example.\nd{i:x} NS ns2.host{i % sets}.example.\n")
    return file


def write_host_queries(file, origin, names, count=100000, seed=1):
    """A dnsperf query file: A of existing names, uniformly random, the same every time."""
    rng = random.Random(seed)
    with open(file, "w") as f:
        for _ in range(count):
            f.write(f"h{rng.randrange(names):x}.{origin} A\n")
    return file


def zone_origin(file):
    """The owner of the SOA in a zone file, or None when the file does not say it."""
    origin = None
    for line in open(file, errors="replace"):
        fields = line.split(";")[0].split()
        if fields[:1] == ["$ORIGIN"] and len(fields) > 1:
            origin = fields[1]
        elif "SOA" in (f.upper() for f in fields[1:4]):
            owner = origin if fields[0] == "@" or line[0].isspace() else fields[0]
            if owner and not owner.endswith("."):
                owner = f"{owner}.{origin}".replace("..", ".") if origin else None
            return owner
    return None


# --- results ------------------------------------------------------------------------------------------------------

def machine():
    """What a figure must not be read without."""
    def first(pattern, file):
        found = re.search(pattern, Path(file).read_text(), re.M)
        return found.group(1).strip() if found else None
    git = subprocess.run(["git", "-C", ROOT, "-c", f"safe.directory={ROOT}", "describe", "--always", "--dirty"],
                         capture_output=True, text=True)
    packages = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", "knot", "nsd", "bind9", "dnsperf",
                               "dpdk"], capture_output=True, text=True).stdout
    return {"cpu": first(r"^model name\s*:\s*(.*)$", "/proc/cpuinfo"), "cpus": os.cpu_count(),
            "memory_kb": int(first(r"^MemTotal:\s+(\d+)", "/proc/meminfo")), "kernel": os.uname().release,
            "commit": git.stdout.strip() or None, "packages": dict(p.split(" ", 1) for p in packages.splitlines()),
            "when": time.strftime("%Y-%m-%dT%H:%M:%S%z")}


def write_raw(name, content):
    """The points behind a figure, with the machine they come from; returns the file."""
    OUT.mkdir(exist_ok=True)
    file = OUT / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    file.write_text(json.dumps({"machine": machine(), **content}, indent=1, default=str) + "\n")
    if os.environ.get("SUDO_UID"):
        for path in (OUT, file):
            os.chown(path, int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", -1)))
    return file


def keep(name, options, points, show):
    """Writes the points behind a table before show() prints it, and says where; returns the file."""
    raw = write_raw(name, {"options": vars(options), **points})
    show()
    say(f"  every run: {raw}")
    return raw


def table(rows, head):
    """Columns as wide as they need to be; the first is text, the others numbers."""
    cells = [list(map(str, r)) for r in [head, *rows]]
    widths = [max(len(r[i]) for r in cells) for i in range(len(head))]
    for r in cells:
        say("  " + "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths))))
