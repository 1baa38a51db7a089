#!/usr/bin/python3
"""100,000 names under load over the veth: no lost query, no wrong answer."""

import os
import random
import threading
import time
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import lab

import dns.exception
import dns.message

QUICK = "LOCKSTEP_QUICK" in os.environ
ZONE = "load.test."
NAMES = 100_000
RATE = 50_000


class Sampler(threading.Thread):
    """Asks us and the primary the same question again and again while the load runs, and notes what differs."""

    def __init__(self, net, primary, questions):
        super().__init__(daemon=True)
        # The sockets are made here: a namespace is entered by the thread that makes them.
        self.ours, self.theirs = net.udp(), net.udp(primary.addresses[0])
        self.questions = questions
        self.compared, self.lost, self.wrong, self.end = 0, 0, [], threading.Event()

    def run(self):
        for name, rdtype in self.questions:
            if self.end.is_set():
                return
            wire = dns.message.make_query(name, rdtype).to_wire()
            try:
                ours = dns.message.from_wire(lab.exchange_on(self.ours, wire, timeout=2))
                theirs = dns.message.from_wire(lab.exchange_on(self.theirs, wire, timeout=2))
            except dns.exception.Timeout:
                self.lost += 1
                continue
            self.compared += 1
            if lab.sections(ours)[:3] != lab.sections(theirs)[:3]:
                self.wrong.append(f"{ours}\n--- primary\n{theirs}")
            time.sleep(0.002)

    def stop(self):
        self.end.set()
        self.join(10)


@lab.timeout(180)
def test_no_query_of_50000_a_second_is_lost_and_sampled_answers_are_the_primarys(net):
    primary = net.knotd({ZONE: lab.zone_text(ZONE, 1, hosts=NAMES, extra=["*.wild A 192.0.2.1", "cut NS ns.cut",
                                                                       "ns.cut A 192.0.2.2"])})
    net.lockstepd([ZONE])
    net.wait_serial(ZONE, 1, timeout=60)
    r = random.Random(5)
    queries = [f"h{i}.{ZONE} A" for i in r.sample(range(NAMES), NAMES)]
    kinds = [lambda: (f"h{r.randrange(NAMES)}.{ZONE}", "A"), lambda: (f"h{r.randrange(NAMES)}.{ZONE}", "AAAA"),
             lambda: (f"missing{r.randrange(NAMES)}.{ZONE}", "A"), lambda: (f"x{r.randrange(9)}.wild.{ZONE}", "A"),
             lambda: (f"deep.cut.{ZONE}", "A")]
    sampler = Sampler(net, primary, [r.choice(kinds)() for _ in range(20000)])
    seconds = 4 if QUICK else 10
    sampler.start()
    try:
        result = net.dnsperf(queries, qps=RATE, seconds=seconds, clients=8, outstanding=2000)
    finally:
        sampler.stop()
    print(f"     {result['completed']} of {result['sent']} answered at {result['qps']:.0f}/s, latency "
          f"{result['latency_avg'] * 1e6:.0f} us; {sampler.compared} answers compared with the primary")
    assert result["lost"] == 0 and result["completed"] == result["sent"], result["text"]
    assert result["rcodes"] == {"NOERROR": result["completed"]}, result["text"]
    # The load must have been there: dnsperf slows down when answers come late or the machine is too small.
    assert result["qps"] > RATE * 0.95, f"only {result['qps']:.0f} queries a second were sent"
    assert sampler.lost == 0 and not sampler.wrong, f"{sampler.lost} lost; " + "\n".join(sampler.wrong[:2])
    assert sampler.compared > 100 * seconds / 2, sampler.compared


if __name__ == "__main__":
    lab.main()
