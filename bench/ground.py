"""What demo, rivals and goals stand on: words for the person watching, huge pages, zones and query files."""

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

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "bench" / "out"
HUGE_PAGES = Path("/proc/sys/vm/nr_hugepages")

sys.path.insert(0, str(ROOT / "tests" / "support"))
from lab import huge_pages_free  # noqa: E402 (the folder is known only now)


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


# --- the machine --------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def huge_pages(wanted, tell=say):
    """
    `wanted` free huge pages of 2 MiB, as far as the machine has memory for them; yields how many are free. The former
    number comes back afterwards, unless somebody else changed it meanwhile.
    """
    free = huge_pages_free()
    if free >= wanted or not HUGE_PAGES.exists():
        tell(f"huge pages: {free} free of 2 MiB each, nothing to change")
        yield free
        return
    before = int(HUGE_PAGES.read_text())
    HUGE_PAGES.write_text(str(before + wanted - free))
    raised = int(HUGE_PAGES.read_text())
    tell(f"huge pages: vm.nr_hugepages raised from {before} to {raised}, restored at the end")
    try:
        yield huge_pages_free()
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


def table(rows, head):
    """Columns as wide as they need to be; the first is text, the others numbers."""
    cells = [list(map(str, r)) for r in [head, *rows]]
    widths = [max(len(r[i]) for r in cells) for i in range(len(head))]
    for r in cells:
        say("  " + "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths))))
