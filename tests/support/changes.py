"""Random changes to a zone that leave it valid, as UPDATE messages to its primary (RFC 2136)."""

import random

import lab

import dns.message
import dns.name
import dns.update


class Changes:
    """Random updates of a zone over a small universe of names, so that sets grow, shrink, go and come again."""

    def __init__(self, origin, seed):
        self.origin, self.pick = origin, random.Random(seed)
        self.sets = {}

    def name(self):
        p = self.pick
        below = p.choice(["", "", "deep.er.", "cut.", "*.w.", "w."])
        return f"{p.choice('abcdefgh')}.{below}{self.origin}" if below != "*.w." else f"*.w.{self.origin}"

    def rdata(self, rdtype):
        p = self.pick
        return {
            "A": lambda: f"192.0.2.{p.randrange(1, 20)}",
            "AAAA": lambda: f"2001:db8::{p.randrange(1, 20):x}",
            "TXT": lambda: '"' + "x" * p.randrange(1, 200) + '"',
            "MX": lambda: f"{p.randrange(3)} {p.choice('abcd')}.{self.origin}",
            "CNAME": lambda: f"{p.choice('abcd')}.{self.origin}",
            "NS": lambda: f"{p.choice('abc')}.cut.{self.origin}",
            "TYPE65300": lambda: "\\# 3 " + p.randbytes(3).hex(),
        }[rdtype]()

    def allowed(self, name, rdtype):
        types = {t for n, t in self.sets if n == name}
        if rdtype == "NS":
            return False
        if rdtype == "CNAME":
            return not types - {"CNAME"} and not self.sets.get((name, "CNAME"))
        return "CNAME" not in types

    def one(self, update):
        """Adds one random change to a dns.update message; the name that it touches."""
        p = self.pick
        if self.sets and p.random() < 0.45:
            name, rdtype = p.choice(sorted(self.sets))
            rdatas = self.sets[name, rdtype]
            if p.random() < 0.3:
                update.delete(dns.name.from_text(name), rdtype)
                rdatas.clear()
            else:
                gone = p.choice(sorted(rdatas))
                update.delete(dns.name.from_text(name), rdtype, gone)
                rdatas.remove(gone)
            if not rdatas:
                del self.sets[name, rdtype]
            return name
        for _ in range(100):
            if p.random() < 0.1:
                name, rdtype = f"cut.{self.origin}", "NS"
            else:
                name, rdtype = self.name(), p.choice(["A", "A", "AAAA", "TXT", "MX", "CNAME", "TYPE65300"])
                if not self.allowed(name, rdtype):
                    continue
            rdata = self.rdata(rdtype)
            rdatas = self.sets.setdefault((name, rdtype), set())
            if rdata in rdatas:
                continue
            rdatas.add(rdata)
            update.add(dns.name.from_text(name), 300 + 60 * len(rdtype), rdtype, rdata)
            return name
        raise AssertionError("no change is possible")

    def send(self, net, cnt):
        """One UPDATE of cnt changes to the primary: one difference. Returns the names."""
        update = dns.update.UpdateMessage(self.origin)
        names = [self.one(update) for _ in range(cnt)]
        reply = dns.message.from_wire(net.exchange(update.to_wire(), server=lab.PRIMARY, tcp=True, timeout=5))
        assert reply.rcode() == 0, reply
        return names
