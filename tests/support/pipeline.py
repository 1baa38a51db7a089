"""Many questions to one server, many of them under way at once: over UDP, over one TCP connection, or to the engine.

Each has ask(wires): requests as octets, all with id 0; returns the responses' octets in the same order, None where none came.
A request gets its place in the list as its id. tcp[i] says how it goes.
"""

import select
import socket
import struct
import subprocess
import threading
import time

import lab

WINDOW = 64
TRIES = 5


class Wire:
    """A server asked over UDP and over one TCP connection, which is opened again when the server closes it."""

    def __init__(self, net, server):
        self.net, self.server = net, server
        self.udp = net.udp(server)
        self.udp.setblocking(False)

    def ask(self, wires, tcp):
        answers = [None] * len(wires)
        datagrams = [i for i in range(len(wires)) if not tcp[i]]
        for wait in (0.3, 1, 2, 4, 4)[:TRIES]:
            datagrams = [i for i in datagrams if answers[i] is None]
            self._datagrams(wires, datagrams, answers, wait)
        for _ in range(TRIES):
            left = [i for i in range(len(wires)) if tcp[i] and answers[i] is None]
            if left:
                self._stream(wires, left, answers)
        return answers

    def _datagrams(self, wires, todo, answers, wait):
        """Each once; a response may be as late as `wait` after the last one that came."""
        todo, under_way, since = list(reversed(todo)), set(), time.monotonic()
        while todo or under_way:
            while todo and len(under_way) < WINDOW:
                i = todo.pop()
                self.udp.send(struct.pack("!H", i) + wires[i][2:])
                under_way.add(i)
            if not select.select([self.udp], [], [], 0.02)[0]:
                if time.monotonic() - since > wait:
                    under_way.clear()
                    since = time.monotonic()
                continue
            try:
                while True:
                    reply = self.udp.recv(65535)
                    i = int.from_bytes(reply[:2], "big")
                    if i < len(wires) and (reply[4:6] == b"\0\0" or reply[12:16] == wires[i][12:16]):
                        answers[i] = reply
                        under_way.discard(i)
                        since = time.monotonic()
            except BlockingIOError:
                pass

    def _stream(self, wires, todo, answers):
        with self.net.tcp(self.server) as s:
            s.settimeout(5)
            for at in range(0, len(todo), WINDOW):
                part = todo[at:at + WINDOW]
                try:
                    s.sendall(b"".join(struct.pack("!HH", len(wires[i]), i) + wires[i][2:] for i in part))
                    for _ in part:
                        reply = lab.read_framed(s)
                        answers[int.from_bytes(reply[:2], "big")] = reply
                except (OSError, EOFError, socket.timeout):
                    return


class Engine:
    """The answer engine in a process of its own (support/answer_server.c)."""

    def __init__(self, net, zones):
        program = lab.BUILD / "tests/support/answer_server"
        if not program.exists():
            raise lab.LabError(f"{program} is not built: ninja -C {lab.BUILD}")
        files = []
        for apex, zone in zones.items():
            file = net.dir / f"engine-{apex}zone"
            file.write_text(zone)
            files.append(f"{apex}={file}")
        self.process = subprocess.Popen([program, *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _write(self, wires, tcp):
        for i, wire in enumerate(wires):
            self.process.stdin.write(struct.pack("!BHH", tcp[i], len(wire), i) + wire[2:])
        self.process.stdin.flush()

    def ask(self, wires, tcp):
        writer = threading.Thread(target=self._write, args=(wires, tcp))
        writer.start()
        answers = []
        for _ in wires:
            head = self.process.stdout.read(3)
            assert len(head) == 3, "the engine ended"
            reply = self.process.stdout.read(int.from_bytes(head[1:], "big"))
            answers.append(reply if head[0] == 0 else None)
        writer.join()
        return answers

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0, "the engine did not end well"
        self.process.stdout.close()
