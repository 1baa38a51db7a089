#!/usr/bin/python3
"""lockstepd as a process: clean start and stop, nothing left behind, errors that say what to do, exit codes."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab
from certificates import Authority
from signer import key_file

ZONE = "example."
FAILED, USAGE, CONFIG = 1, 2, 3


def fails(net, change, *words, code=FAILED, wrapper=()):
    """lockstepd with this change of the configuration ends with the code, and says each of the words."""
    daemon = net.lockstepd([ZONE], change=change, start=False, wrapper=wrapper)
    lab.Process.start(daemon)
    try:
        ended = daemon.wait(20)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"lockstepd runs with {change}") from None
    assert ended == code, f"exit code {ended}, not {code}"
    said = daemon.log()
    missing = [w for w in words if not re.search(w, said)]
    assert not missing, f"not said: {missing}, but:\n{said}"
    assert len(said.splitlines()) < 60, f"{len(said.splitlines())} lines for one mistake"


def traces(net):
    """What a daemon may leave: the XDP program, DPDK's runtime folder and files of huge pages, the socket."""
    link = net.run_in("sec", ["ip", "-d", "link", "show", "sec0"]).stdout
    found = ["XDP program on sec0"] if re.search(r"\bxdp|prog/xdp", link) else []
    found += [str(p) for p in Path("/var/run/dpdk").glob(f"{net.id}*")]
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " hugetlbfs " in line]
    found += [str(p) for m in mounts for p in Path(m).glob(f"{net.id}*")]
    found += [str(p) for p in net.dir.glob("*.sock")]
    return found


@lab.each(how=["SIGTERM", "SIGINT", "stop command"])
def test_stop_is_clean_and_leaves_nothing(net, how):
    net.knotd({ZONE: lab.zone_text(ZONE, 1)})
    daemon = net.lockstepd([ZONE])
    net.wait_serial(ZONE, 1)
    net.dnsperf([f"www.{ZONE} A"], qps=1000, seconds=1)
    assert traces(net), "the check sees nothing while the daemon runs"
    if how == "stop command":
        daemon.ctl("stop")
    else:
        daemon.signal(getattr(signal, how))
    assert daemon.wait(15) == 0, f"exit code {daemon.popen.returncode}"
    assert not traces(net), traces(net)


def test_start_and_stop_many_times(net):
    net.knotd({ZONE: lab.zone_text(ZONE, 1)})
    daemon = net.lockstepd([ZONE], start=False)
    for _ in range(5):
        daemon.start()
        net.wait_serial(ZONE, 1)
        assert daemon.stop() == 0


def test_killed_daemon_starts_again_over_what_it_left(net):
    net.knotd({ZONE: lab.zone_text(ZONE, 1)})
    daemon = net.lockstepd([ZONE])
    net.wait_serial(ZONE, 1)
    daemon.kill()
    daemon.start()
    net.wait_serial(ZONE, 1)
    assert daemon.stop() == 0
    assert not traces(net), traces(net)


def test_stop_during_a_transfer_and_with_clients_connected(net):
    net.knotd({ZONE: lab.zone_text(ZONE, 1, hosts=100000)})
    daemon = net.lockstepd([ZONE])
    with net.tcp():
        assert daemon.stop() == 0, f"exit code {daemon.popen.returncode}"
    assert not traces(net), traces(net)


def test_missing_interface_is_named(net):
    fails(net, {"dataplane": {"ports": [{"driver": "af_xdp", "device": "nosuch0"}]}}, "nosuch0")


def test_interface_in_use_by_another_instance_is_named(net):
    net.lockstepd([ZONE])
    fails(net, {}, "sec0")
    assert net.daemon is not None


def test_control_socket_of_a_living_instance_is_not_taken(net):
    first = net.lockstepd([ZONE])
    ports = [{"driver": "vdev", "device": "net_null0"}]
    fails(net, {"dataplane": {"ports": ports, "memory": 0}, "server": {"listen": ["192.0.2.5"]},
                "control": {"socket": first.socket}}, re.escape(first.socket))
    assert first.ctl_raw("status").returncode == 0, "the first instance lost its control socket"


def test_address_in_use_is_named(net):
    net.knotd({ZONE: lab.zone_text(ZONE, 1)})
    # Somebody else serves TCP on our address already.
    net.spawn("squatter", "sec", ["/usr/bin/python3", "-c", "import socket, time\n"
              f"s = socket.create_server(('{lab.SECONDARY}', 53))\ntime.sleep(600)"])
    lab.wait_until(lambda: "LISTEN" in net.run_in("sec", ["ss", "-tln"]).stdout, 5, "the squatter listens")
    fails(net, {}, re.escape(lab.SECONDARY), "in use")


def test_address_that_comes_up_later_is_served(net):
    """As an anycast address that routing brings up: configured, on no interface yet."""
    net.knotd({ZONE: lab.zone_text(ZONE, 1)})
    net.lockstepd([ZONE], change={"server": {"listen": [lab.SECONDARY, "192.0.2.77"]}})
    net.wait_serial(ZONE, 1)
    lab.run(["ip", "-n", net.ns["sec"], "addr", "add", "192.0.2.77/32", "dev", "lo"])
    lab.run(["ip", "-n", net.ns["pri"], "route", "add", "192.0.2.77/32", "via", lab.SECONDARY])
    for tcp in (False, True):
        assert net.dig(f"www.{ZONE}", "A", server="192.0.2.77", tcp=tcp).answer


def test_missing_permission_says_so(net):
    os.chmod(net.dir, 0o755)
    fails(net, {"control": {"socket": "/tmp/nobody-lockstep.sock"}}, r"(?i)root|permission|privileg|CAP_",
          wrapper=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
                   "--bounding-set=-all"])


def test_too_few_huge_pages_says_what_to_do(net):
    fails(net, {"dataplane": {"memory": "900G"}}, r"(?i)huge ?page")


def check(net, text, *options):
    file = net.dir / "check.yaml"
    file.write_text(text)
    program = lab.Lockstepd(net, net.config([ZONE])).argv[0]
    return lab.run([program, "--check-config", file, *options], check=False)


def test_check_config_accepts_the_good_and_places_the_bad(net):
    good = lab.yaml_text(net.config([ZONE]))
    done = check(net, good)
    assert done.returncode == 0 and "valid" in done.stdout, done
    bad = good.replace("  idle:", "  idel:")
    line = bad.split("idel:")[0].count("\n") + 1
    done = check(net, bad)
    assert done.returncode == CONFIG, done
    assert re.search(rf"check\.yaml:{line}:\d+:.*idel", done.stderr) and "idle" in done.stderr, done.stderr


def test_what_the_example_comments_out_is_valid_as_well(net):
    etc = net.dir / "etc"
    ca = Authority(etc)
    ours = ca.issue("ns.example")
    for source, name in ((ours.certificate, "tls.crt"), (ours.key, "tls.key")):
        source.rename(etc / name)
    for name in ("hidden.key", "onward.key"):
        Path(key_file(net, name=name)).rename(etc / name)
    (etc / "cookies").write_text("0123456789abcdef" * 2 + "\n")
    (etc / "cookies").chmod(0o600)
    text = (lab.ROOT / "control" / "lockstepd.conf.example").read_text().replace("/etc/lockstep", str(etc))
    text = text.replace("base64 of the SHA-256 of its key", ca.pin)
    text, cnt = re.subn(r"^( *)# (?= *(?:[a-z-]+:|- \{))", r"\1", text, flags=re.M)
    done = check(net, text)
    assert done.returncode == 0 and not done.stderr and cnt > 50, done


def test_wrong_usage_is_told_from_other_failures(net):
    program = lab.Lockstepd(net, net.config([ZONE])).argv[0]
    for argv in ([], ["-x"], ["-c"], ["-c", "a", "b"]):
        done = lab.run([program, *argv], check=False)
        assert done.returncode == USAGE and "usage:" in done.stderr, f"{argv}: {done}"
    done = lab.run([program, "-c", "/nonexistent/lockstepd.conf"], check=False)
    assert done.returncode == CONFIG and "/nonexistent/lockstepd.conf" in done.stderr, done
    assert lab.run([program, "--version"]).stdout.startswith("lockstepd ")


def test_check_system_says_what_the_machine_lacks(net):
    def check(**dataplane):
        file = net.dir / "machine.yaml"
        file.write_text(lab.yaml_text(net.config(["example."], {"dataplane": dataplane})))
        return net.run_in("sec", [lab.BUILD / "control" / "lockstepd", "--check-system", file], check=False)
    fit = check(memory=0)
    assert fit.returncode == 0 and "BAD" not in fit.stdout, fit
    assert "port sec0: the interface is there" in fit.stdout and "huge pages" in fit.stdout, fit
    for words in "locked memory", "port sec0: a receive queue for each worker, 1", "in the way of AF_XDP":
        assert words in fit.stdout, fit
    assert "privileges" in fit.stdout and "cpu " in fit.stdout, fit
    for bad, words in (({"memory": "900G"}, "sysctl vm.nr_hugepages"),
                       ({"ports": [{"driver": "af_xdp", "device": "nothere0"}]}, "no such network interface"),
                       ({"ports": [{"driver": "pci", "device": "00ff:ff:1f.7"}]}, "no such PCI device")):
        found = check(**bad)
        lines = [line for line in found.stdout.splitlines() if line.startswith("BAD")]
        assert found.returncode == 1 and any(words in line for line in lines), found


if __name__ == "__main__":
    lab.main()
