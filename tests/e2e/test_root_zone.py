#!/usr/bin/python3
"""
The root zone, followed from knotd and compared with what NSD answers for the same file. The file comes from ROOT_ZONE
in the environment, or ../shared/data/root.zone beside the repository; without one, a zone of the same shape is made.
"""

import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import answers
import lab

import dns.flags
import dns.name
import dns.rcode
import dns.rdatatype

QUICK = "LOCKSTEP_QUICK" in os.environ


def root_zone(net):
    """The file to serve; what it is, is printed."""
    given = os.environ.get("ROOT_ZONE")
    if given and not Path(given).exists():
        raise lab.LabError(f"ROOT_ZONE={given}: no such file")
    for path in filter(None, [given, lab.ROOT.parent / "shared" / "data" / "root.zone"]):
        if Path(path).exists():
            print(f"     the root zone is {path}")
            return Path(path)
    made = net.dir / "root-like.zone"
    made.write_text(root_like())
    print("     no root.zone here: a made-up zone of the same shape stands in for it")
    return made


def root_like(tlds=1460, seed=1):
    """The apex, its 13 servers, and delegations as the root has them: own, shared and foreign servers, DS, glue."""
    r = random.Random(seed)

    def address(v6):
        return (f"2001:db8:{r.randrange(65536):x}::{r.randrange(1, 65536):x}" if v6 else
                f"198.{r.randrange(18, 20)}.{r.randrange(256)}.{r.randrange(1, 255)}")
    lines = [". 86400 IN SOA a.root-servers.net. nstld.verisign-grs.com. 2023110400 1800 900 604800 86400"]
    hosts = {}
    for c in "abcdefghijklm":
        lines.append(f". 518400 IN NS {c}.root-servers.net.")
        hosts[f"{c}.root-servers.net."] = True
    shared = [[f"{c}{i}.nic-backend{i}.net." for c in "abcdef"[:r.randrange(2, 7)]] for i in range(60)]
    names = ["com.", "net.", "org.", "arpa."]
    names += [f"{''.join(r.choices('abcdefghijklmnopqrstuvwxyz', k=r.randrange(2, 14)))}{i}." for i in range(tlds - 54)]
    names += [f"xn--{i}{''.join(r.choices('abcdefghijklmnop0123456789', k=8))}." for i in range(50)]
    for tld in names:
        servers = r.choice(shared) if r.random() < 0.6 else [f"ns{i}.nic.{tld}" for i in range(r.randrange(2, 9))]
        for s in servers:
            lines.append(f"{tld} 172800 IN NS {s}")
            hosts[s] = True
        for _ in range(r.randrange(3)):
            digest = "".join(r.choices("0123456789ABCDEF", k=64))
            lines.append(f"{tld} 86400 IN DS {r.randrange(65536)} 8 2 {digest}")
    for host in hosts:
        lines.append(f"{host} 172800 IN A {address(False)}")
        if r.random() < 0.9:
            lines.append(f"{host} 172800 IN AAAA {address(True)}")
    return "\n".join(lines) + "\n"


def delegations(file):
    """The owners of NS below the apex, and all owners."""
    cuts, owners = set(), set()
    owner = "."
    for line in file.read_text().splitlines():
        words = line.split(";")[0].split()
        if not words or words[0].startswith("$"):
            continue
        if not line[0].isspace():
            owner = words[0].lower()
        owners.add(owner)
        if "NS" in words[1:5] and owner != ".":
            cuts.add(owner)
    return sorted(cuts), sorted(owners)


def served(net):
    file = root_zone(net)
    net.knotd({".": file})
    nsd = net.nsd({".": file}, addresses=[lab.SECOND_PRIMARY], notify=False)
    net.lockstepd(["."])
    serial = nsd.serial(".")
    took = net.wait_serial(".", serial, timeout=60)
    print(f"     serial {serial}, served {took:.2f} s after the start was seen")
    return file


def comparable(reply):
    """
    rcode, AA and the sections, without what may differ: NSD adds the apex NS set and its addresses to positive answers,
    we do not (RFC 1034 6.2.1 allows both); NSD adds a DS set that no signature covers to referrals, we do not, since it
    secures nothing; proofs of absence are compared by the tests about DNSSEC.
    """
    rcode, aa, answer, authority, additional = lab.sections(reply)
    if answer:
        return rcode, aa, answer, [], []
    kinds = [line.split()[2:4] for line in authority]
    dropped = {"nsec", "nsec3"} | (set() if ["rrsig", "ds"] in kinds else {"ds"})
    authority = [line for line, (kind, first) in zip(authority, kinds)
                 if kind not in dropped and not (kind == "rrsig" and first in dropped)]
    return rcode, aa, answer, authority, additional


def compare(net, questions, **how):
    """Asks us and NSD; the differences as text, and how many pairs were equal without truncation."""
    ours, theirs = answers.Asker(net, lab.SECONDARY), answers.Asker(net, lab.SECOND_PRIMARY)
    differences, whole = [], 0
    for question, a, b in zip(questions, ours.ask(questions, **how), theirs.ask(questions, **how)):
        if a is None or b is None:
            differences.append(f"{question}: no response from {'us' if a is None else 'nsd'}")
            continue
        a, b = answers.parsed(a), answers.parsed(b)
        if a.flags & dns.flags.TC or b.flags & dns.flags.TC:
            continue
        if comparable(a) != comparable(b):
            # Both may leave out glue that does not fit; over TCP everything does.
            a, b = (net.dig(*question, server=s, tcp=True, edns=how.get("edns"), dnssec=how.get("dnssec", False))
                    for s in (lab.SECONDARY, lab.SECOND_PRIMARY))
        if comparable(a) == comparable(b):
            whole += 1
        else:
            differences.append(f"{question}\n--- ours\n{a}\n--- nsd\n{b}")
    for asker in (ours, theirs):
        asker.close()
    return differences, whole


@lab.timeout(300)
def test_every_delegation_is_answered_with_the_glue_nsd_gives(net):
    file = served(net)
    cuts, _ = delegations(file)
    assert len(cuts) > 1000, f"{len(cuts)} delegations in {file}"
    for how, owner, rdtype in (({}, "www.example.", "A"), ({"edns": 0}, "www.example.", "AAAA"), ({"edns": 0}, "", "NS"),
                               ({"edns": 0}, "", "DS"), ({"edns": 0, "dnssec": True}, "www.", "A")):
        questions = [(owner + t, rdtype) for t in cuts]
        differences, whole = compare(net, questions, **how)
        assert not differences, f"{len(differences)} of {len(questions)} differ {how}:\n" + "\n".join(differences[:3])
        # Without EDNS the larger referrals are truncated; with it hardly any.
        assert whole > len(cuts) * (0.3 if not how else 0.9), f"only {whole} of {len(cuts)} could be compared"


@lab.timeout(300)
def test_every_referral_over_tcp_has_all_glue_nsd_gives(net):
    file = served(net)
    cuts, _ = delegations(file)
    for tld in cuts[::5] if QUICK else cuts:
        a, b = (net.dig(f"www.{tld}", "AAAA", server=s, tcp=True, edns=0, dnssec=True)
                for s in (lab.SECONDARY, lab.SECOND_PRIMARY))
        assert comparable(a) == comparable(b), f"{tld}\n--- ours\n{a}\n--- nsd\n{b}"


@lab.timeout(300)
def test_apex_and_missing_names_are_answered_as_nsd_does(net):
    served(net)
    r = random.Random(7)
    questions = [(".", t) for t in ("SOA", "NS", "A", "AAAA", "MX", "TXT", "DNSKEY", "NSEC", "DS", "ZONEMD")]
    questions += [("".join(r.choices("abcdefghijklmnopqrstuvwxyz-0123456789", k=r.randrange(1, 40))) + "x.", "A")
                  for _ in range(500)]
    questions = [q for q in questions if not q[0].startswith("-")]
    differences, whole = compare(net, questions, edns=0)
    assert not differences, f"{len(differences)} differ:\n" + "\n".join(differences[:3])
    assert whole > 450


@lab.timeout(180)
def test_dnsperf_over_all_names_loses_nothing(net):
    file = served(net)
    cuts, owners = delegations(file)
    r = random.Random(3)
    queries = [f"{n} {t}" for n in owners for t in ("A", "AAAA", "NS")] + [f"www.{t} A" for t in cuts]
    queries += [f"no-such-tld-{i} A" for i in range(len(queries) // 10)]
    r.shuffle(queries)
    result = net.dnsperf(queries, qps=20000, seconds=3 if QUICK else 10)
    print(f"     {result['completed']} of {result['sent']} answered, {result['qps']:.0f}/s, {result['rcodes']}")
    assert result["lost"] == 0 and result["completed"] == result["sent"], result["text"]
    assert set(result["rcodes"]) <= {"NOERROR", "NXDOMAIN"}, result["text"]


if __name__ == "__main__":
    lab.main()
