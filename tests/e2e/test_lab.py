#!/usr/bin/python3
"""The laboratory itself: nothing it made outlives it, whatever way it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab

import dns.rcode

# A lab with a server in it, which says its id and waits.
CHILD = f"""
import sys, time
sys.path.insert(0, {str(Path(lab.__file__).parent)!r})
import lab
def test_waits(net):
    net.knotd({{"example.": lab.zone_text("example.", 1)}})
    print("ready", net.id, net.dir, net.processes[0].pid, flush=True)
    time.sleep(60)
lab.main()
"""


def start_child():
    child = subprocess.Popen(["/usr/bin/python3", "-c", CHILD], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True)
    words = child.stdout.readline().split()
    assert words and words[0] == "ready", f"{words} {child.stdout.read()}"
    return child, words[1], Path(words[2]), int(words[3])


def remains(ident, folder, pid):
    found = [str(p) for p in Path("/run/netns").glob(f"{ident}-*")] + [str(p) for p in [folder] if p.exists()]
    return found + ([f"process {pid}"] if lab.process_start_time(pid) else [])


def test_terminated_run_leaves_nothing():
    for number in (signal.SIGTERM, signal.SIGINT):
        child, ident, folder, pid = start_child()
        assert len(remains(ident, folder, pid)) == 4, "the check must see what is there"
        child.send_signal(number)
        child.communicate(timeout=30)
        assert not remains(ident, folder, pid), remains(ident, folder, pid)
        assert child.returncode != 0


def test_what_a_killed_run_left_is_removed_by_the_next():
    child, ident, folder, pid = start_child()
    child.kill()
    child.communicate(timeout=10)
    lab.wait_until(lambda: lab.process_start_time(pid) is None, 5, "the server dies with its lab")
    assert folder.exists(), "the folder of a killed run is still there: otherwise this proves nothing"
    with lab.Lab():
        assert not remains(ident, folder, pid), remains(ident, folder, pid)


def test_living_lab_is_left_alone_by_another():
    child, ident, folder, pid = start_child()
    try:
        with lab.Lab():
            assert len(remains(ident, folder, pid)) == 4
    finally:
        child.terminate()
        child.communicate(timeout=30)


def test_every_primary_serves_and_takes_a_new_version(net):
    for kind, address in (("knotd", lab.PRIMARY), ("nsd", lab.SECOND_PRIMARY), ("named", lab.STRANGER)):
        primary = net.start_primary(kind, {"example.": lab.zone_text("example.", 1)}, addresses=[address])
        primary.update("example.", lab.zone_text("example.", 2, hosts=9))
        assert primary.dig("h8.example.", "A").answer
        primary.kill()
        primary.start()
        assert primary.serial("example.") == 2


def test_failing_test_is_counted_and_told():
    bad = CHILD.replace("time.sleep(60)", "assert False, 'as intended'")
    done = subprocess.run(["/usr/bin/python3", "-c", bad], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 1 and done.stdout.endswith("0 passed, 1 failed\n"), done.stdout
    assert "as intended" in done.stdout and "last" in done.stdout and "knotd" in done.stdout, done.stdout


def test_veth_carries_udp_and_tcp_over_both_families(net):
    net.knotd({"example.": lab.zone_text("example.", 1)})
    for server in (lab.PRIMARY, lab.PRIMARY6):
        for tcp in (False, True):
            begin = time.monotonic()
            assert net.dig("www.example.", "A", server=server, tcp=tcp, ns="sec").rcode() == dns.rcode.NOERROR
            assert time.monotonic() - begin < 1


if __name__ == "__main__":
    lab.main()
