"""Asking many questions of two servers, quickly: one socket per server, many questions under way at once."""

import select
import time

import dns.exception
import dns.message


class Asker:
    """A UDP socket of the lab with up to `window` questions under way; a lost one is asked again, and counted."""

    def __init__(self, net, server, window=64, tries=4, timeout=0.5):
        self.socket = net.udp(server)
        self.socket.setblocking(False)
        self.window, self.tries, self.timeout = window, tries, timeout
        self.repeated = 0

    def close(self):
        self.socket.close()

    def ask(self, questions, edns=None, payload=1232, dnssec=False):
        """questions: (name, type) each. Returns the responses' octets in the same order; None where none came."""
        wires, answers, under_way = [], [None] * len(questions), {}
        for i, (name, rdtype) in enumerate(questions):
            query = dns.message.make_query(name, rdtype, use_edns=edns, payload=payload, want_dnssec=dnssec)
            query.flags, query.id = 0, i & 0xffff
            wires.append(query.to_wire())
        waiting = [(i, self.tries) for i in reversed(range(len(questions)))]
        while waiting or under_way:
            while waiting and len(under_way) < self.window:
                i, tries = waiting.pop()
                if i & 0xffff in under_way:
                    waiting.insert(0, (i, tries))
                    break
                self.socket.send(wires[i])
                under_way[i & 0xffff] = (i, tries, time.monotonic())
            self._receive(wires, answers, under_way)
            for key, (i, tries, at) in list(under_way.items()):
                if time.monotonic() - at > self.timeout:
                    del under_way[key]
                    self.repeated += 1
                    if tries > 1:
                        waiting.append((i, tries - 1))
        return answers

    def _receive(self, wires, answers, under_way):
        select.select([self.socket], [], [], 0.05)
        while True:
            try:
                reply = self.socket.recv(65535)
            except BlockingIOError:
                return
            # The id and the question must be the query's: a late answer to an earlier try of another is neither.
            key = int.from_bytes(reply[:2], "big")
            if key in under_way:
                i = under_way[key][0]
                end = 12 + _question_len(wires[i])
                if reply[12:end] == wires[i][12:end]:
                    answers[i] = reply
                    del under_way[key]


def _question_len(wire):
    at = 12
    while wire[at]:
        at += wire[at] + 1
    return at + 5 - 12


def parsed(wire):
    return dns.message.from_wire(wire)
