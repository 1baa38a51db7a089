#!/usr/bin/python3
"""Each rule of tests/support/rules against a small tree that keeps it and one that breaks it."""

import importlib.machinery
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True

HEAD = "/* What it is for. Hot path. */\n"
# Keeps every rule.
TREE = {
    "dataplane/dns/name.h": HEAD + "#pragma once\nint name_len(const char *name);\n",
    "dataplane/dns/name.c": '#include "dataplane/dns/name.h"\n\nint name_len(const char *name)\n{\n\treturn *name;\n}\n',
    "dataplane/dns/meson.build": "files('name.c')\n",
    "dataplane/zone/zonetab.c": HEAD + '#include "dataplane/dns/name.h"\n\nvoid *peek(void **p);\nvoid *peek(void **p)\n'
                                       "{\n\treturn rcu_dereference(*p);\n}\n",
    "dataplane/zone/meson.build": "files('zonetab.c')\n",
    "dataplane/answer/answer.c": HEAD + "static const int table[] = {1, 2};\nint answer(int i);\nint answer(int i)\n"
                                        "{\n\treturn table[i];\n}\n",
    "dataplane/answer/meson.build": "files('answer.c')\n",
    "dataplane/net/worker.c": HEAD + "int rte_thing(void);\n",
    "dataplane/net/meson.build": "files('worker.c')\n",
    "control/main.c": HEAD + '#include "dataplane/dns/name.h"\n',
    "control/meson.build": "files('main.c')\n",
    "tests/run": "#!/bin/bash\ntrue\n",
    "tests/lab.py": "#!/usr/bin/python3\n",
    "tests/test_one.py": "def test_it_works(net):\n    pass\n",
    "tests/TABLE.md": "| what | tests |\n|---|---|\n| it | `it_works` |\n| not yet | none: it is not there yet |\n",
    "bench/load.c": HEAD + "int rte_load(void);\n",
    "bench/meson.build": "files('load.c')\n",
}
FUNCTION = HEAD + "int f(int i);\nint f(int i)\n{\n\t%s\n\treturn i;\n}\n"
# Rule -> files that break it, one after the other.
BROKEN = {
    "includes_follow_the_order_of_the_modules": [
        {"dataplane/dns/name.c": '#include "dataplane/dns/name.h"\n#include "control/log.h"\n', "control/log.h": HEAD},
        {"dataplane/dns/name.h": HEAD + '#pragma once\n#include "dataplane/zone/block.h"\n',
         "dataplane/zone/block.h": HEAD},
        {"dataplane/other/thing.c": HEAD}],
    "quoted_includes_start_at_the_root": [
        {"dataplane/zone/zonetab.c": HEAD + '#include "name.h"\n'},
        {"control/main.c": HEAD + '#include "../dataplane/dns/name.h"\n'}],
    "sources_include_their_own_header_first": [
        {"dataplane/dns/name.c": '#include <stddef.h>\n#include "dataplane/dns/name.h"\n'}],
    "dpdk_stays_in_net_and_bench": [
        {"dataplane/answer/answer.c": FUNCTION % "rte_prefetch0(&i);"}, {"control/main.c": HEAD + "#include <rte_eal.h>\n"}],
    "rcu_pointers_live_in_zone": [{"dataplane/net/worker.c": FUNCTION % "rcu_dereference(i);"},
                                  {"control/main.c": FUNCTION % "call_rcu(&i, 0);"}],
    "dns_is_pure": [{"dataplane/dns/name.c": '#include "dataplane/dns/name.h"\n' + FUNCTION % "free(&i);"}],
    "hot_path_files_do_not_call_what_waits": [
        {"dataplane/answer/answer.c": FUNCTION % "malloc(i);"},
        {"dataplane/zone/zonetab.c": FUNCTION % "pthread_mutex_lock(&i);"},
        {"dataplane/answer/answer.c": "/* No marker. */\n"}],
    "files_say_what_they_are_for": [{"control/main.c": "int f(int i);\n"}, {"dataplane/dns/name.h": HEAD}],
    "types_have_no_typedef": [{"control/main.c": HEAD + "typedef struct foo {\n\tint i;\n} foo_t;\n"},
                              {"control/main.c": HEAD + "typedef int foo;\n"}],
    "secrets_are_compared_in_constant_time": [{"control/tsig.c": FUNCTION % "memcmp(a, b, 16);"}],
    "timers_do_not_go_by_the_calendar": [{"control/main.c": FUNCTION % "i = time(NULL);"},
                                         {"control/main.c": FUNCTION % "clock_gettime(CLOCK_REALTIME, &i);"}],
    "every_command_is_told_everywhere": [
        {"control/cli/lockstepctl.c": HEAD + 'const struct command c[] = {\n\t{.words = "status"},\n};\n',
         "control/man/lockstepctl.8": ".It Ic status\n", "control/PROTOCOL.md": "### `status`\n", "README.md": "",
         "control/cli/lockstepctl.bash": "status\n"}],
    "unsafe_string_functions_are_not_used": [{"control/main.c": FUNCTION % "sprintf(a, b);"}],
    "sources_are_built": [{"control/forgotten.c": HEAD}],
    "no_clause_about_answers_is_left_out": [
        {"tests/unit/answer/REQUIREMENTS.md": "| RFC | what | tests |\n|---|---|---|\n| 1034 4.3.2 | all | none: not yet |\n"}],
    "no_form_of_frame_is_left_out": [
        {"tests/unit/net/FRAMES.md": "| form | counter | tests |\n|---|---|---|\n| runt | `drop_runt` | none: not yet |\n",
         "dataplane/net/net.h": HEAD + '#pragma once\n#define COUNTERS(X) \\\n\tX(drop_runt, "") \\\n\tX(punt, "")\n'}],
    "scripts_run_on_debian": [{"tests/lab.py": "#!/usr/bin/env python3\n"}, {"tests/run": "#!/bin/bash\nif\n"}],
    "tables_name_tests_that_are_there": [
        {"tests/TABLE.md": "| it | `it_worked` |\n"}, {"tests/TABLE.md": "| it | |\n"},
        {"tests/test_one.py": "def test_something_else(net):\n    pass\n"}],
    "headers_compile_alone": [{"dataplane/dns/name.h": HEAD + "#pragma once\nsize_t name_len(void);\n"}],
    "lines_are_laid_out_by_clang_format": [{"control/main.c": HEAD + "int  f( void );\n"}],
    "state_hangs_from_a_struct": [
        {"control/main.c": FUNCTION % "static int calls;\n\ti += calls++;"}, {"control/main.c": HEAD + "int counter = 1;\n"},
        {"control/main.c": HEAD + "static int last;\nint *where(void);\nint *where(void)\n{\n\treturn &last;\n}\n"},
        {"control/main.c": HEAD + "_Thread_local int mine;\n"}],
}


def load():
    loader = importlib.machinery.SourceFileLoader("rules", str(HERE / "rules"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("rules", loader))
    loader.exec_module(module)
    return module


def offences(rules, rule, changed):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in {**TREE, **changed}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
            if text.startswith("#!"):
                (root / name).chmod(0o755)
        (root / ".clang-format").write_text((rules.TOP / ".clang-format").read_text())
        rules.ROOT = root
        if rule.__name__ != "state_hangs_from_a_struct":
            return list(rule())
        build = root / "build"
        for source in root.glob("control/*.c"):
            obj = build / source.parent.relative_to(root) / (source.name + ".o")
            obj.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cc", "-O2", "-c", "-fPIC", f"-I{root}", source, "-o", obj], check=True)
        return list(rule(build))


def main():
    rules = load()
    rules.TOP = rules.ROOT
    passed = failed = 0
    for rule in rules.RULES:
        wrong = [f"complains about a good tree: {o}" for o in offences(rules, rule, {})]
        for changed in BROKEN.get(rule.__name__, []):
            if not offences(rules, rule, changed):
                wrong.append(f"does not notice {changed}")
        if rule.__name__ not in BROKEN:
            wrong.append("has no example that breaks it")
        print(f"{'FAIL' if wrong else 'ok  '} rule_notices_{rule.__name__}")
        for line in wrong:
            print(f"     {line}")
        passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
