"""lockstepd under test: its configuration as a map, its process, its control socket."""

import json
import os
import re
import subprocess
from pathlib import Path

from lab_process import BUILD, ROOT, Process, run, wait_until


def yaml_text(value, indent=0):
    """Maps, lists and scalars as block YAML."""
    pad = "  " * indent
    if isinstance(value, dict):
        if not value:
            return pad + "{}\n"
        out = ""
        for k, v in value.items():
            if isinstance(v, (dict, list)) and v:
                out += f"{pad}{k}:\n" + yaml_text(v, indent + 1)
            else:
                out += f"{pad}{k}: {_yaml_scalar(v)}\n"
        return out
    if isinstance(value, list):
        out = ""
        for v in value:
            if isinstance(v, (dict, list)) and v:
                out += pad + "- " + yaml_text(v, indent + 1).lstrip(" ")
            else:
                out += f"{pad}- {_yaml_scalar(v)}\n"
        return out
    return pad + _yaml_scalar(value) + "\n"


def _yaml_scalar(v):
    if isinstance(v, bool):
        return "true" if v else "false"
    if v is None:
        return "null"
    if isinstance(v, (dict, list)):
        return "{}" if isinstance(v, dict) else "[]"
    return json.dumps(v) if isinstance(v, str) else str(v)


def merge(base, change):
    """Maps are merged, everything else replaced; None removes a key."""
    out = dict(base)
    for k, v in change.items():
        if v is None:
            out.pop(k, None)
        elif isinstance(v, dict) and isinstance(out.get(k), dict):
            out[k] = merge(out[k], v)
        else:
            out[k] = v
    return out


def huge_pages_free():
    found = re.search(r"HugePages_Free:\s+(\d+)", Path("/proc/meminfo").read_text())
    return int(found.group(1)) if found else 0


# For builds with sanitizers; others do not look at them.
SANITIZERS = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1:fast_unwind_on_malloc=0",
    "LSAN_OPTIONS": f"suppressions={ROOT}/tests/support/lsan.supp:print_suppressions=0",
    "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
}


class Lockstepd(Process):
    made = 0

    def __init__(self, lab, config, ns="sec", wrapper=()):
        Lockstepd.made += 1
        name = f"lockstepd{Lockstepd.made}"
        self.config_file = lab.dir / f"{name}.yaml"
        self.socket = config["control"]["socket"]
        self.rewrite(config)
        program = BUILD / "control" / "lockstepd"
        if not program.exists():
            program = BUILD / "lockstepd"
        env = dict(os.environ)
        for key, value in SANITIZERS.items():
            env.setdefault(key, value)
        super().__init__(lab, name, ns, [*wrapper, program, "-c", self.config_file], env=env)

    def start(self, timeout=30):
        super().start()

        def ready():
            if not self.running():
                raise AssertionError(f"lockstepd ended with {self.popen.returncode}:\n{self.log()[-3000:]}")
            return os.path.exists(self.socket) and self.ctl_raw("status").returncode == 0
        wait_until(ready, timeout, "lockstepd answers on its control socket", pause=0.05)
        return self

    def _ctl_argv(self, args):
        program = BUILD / "control" / "cli" / "lockstepctl"
        if not program.exists():
            program = BUILD / "lockstepctl"
        return [program, "-s", self.socket, *args]

    def ctl_raw(self, *args, timeout=60):
        """lockstepctl as a person runs it; the finished process."""
        return run(self._ctl_argv(args), check=False, timeout=timeout)

    def begin_ctl(self, *args):
        """The same, running: a Popen with its output in pipes."""
        return subprocess.Popen(self._ctl_argv(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def rewrite(self, config):
        """Another configuration, for a reload or the next start."""
        self.config = config
        self.config_file.write_text(yaml_text(config))

    def reload(self, config):
        """The same, in force when this returns: the result of the command."""
        self.rewrite(config)
        return self.ctl("reload")

    def ctl(self, *args, timeout=60):
        """lockstepctl --json; the result it prints. A failure of the command is an AssertionError."""
        done = self.ctl_raw("--json", *args, timeout=timeout)
        assert done.returncode == 0, f"lockstepctl {' '.join(args)}: exit {done.returncode}: {done.stderr}{done.stdout}"
        reply = json.loads(done.stdout) if done.stdout.strip() else None
        return reply["result"] if isinstance(reply, dict) and "result" in reply else reply

    def zones(self):
        """`zone status` of all zones: name -> map with the keys of struct zones_info."""
        return {z["name"]: z for z in self.ctl("zone", "status")["zones"]}

    def zone(self, name):
        """`zone status NAME`: a map with the keys of struct zones_info."""
        reply = self.ctl("zone", "status", name)
        return reply["zones"][0] if "zones" in reply else reply

    def counter(self, group, name):
        """A counter of `stats`, summed over workers and threads. group: answer, net, stream or zones."""
        found = []

        def walk(value):
            for k, v in value.items() if isinstance(value, dict) else enumerate(value):
                if k == name:
                    found.append(v)
                elif isinstance(v, (dict, list)):
                    walk(v)
        walk(self.ctl("stats")[group])
        assert found, f"no counter {name} in group {group} of stats"
        return sum(found)

    def rss(self):
        """Resident octets, huge pages included."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return sum(int(m) for m in re.findall(r"(?:VmRSS|HugetlbPages):\s+(\d+) kB", status)) * 1024

    def stop(self, timeout=20):
        code = super().stop(timeout)
        return code
