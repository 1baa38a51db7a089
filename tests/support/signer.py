"""A primary that signs what it says (RFC 8945), or tampers with it, over dnspython's TSIG."""

import base64
import struct
import time

from primary import ScriptedPrimary, answer, framed

import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.tsig

KEY, SECRET = "transfer.key.", base64.b64encode(b"s3cret-of-the-transfer-key-in-test").decode()
OTHER, OTHER_SECRET = "other.key.", base64.b64encode(b"another-secret-for-another-key-yes").decode()
ALGORITHM = "hmac-sha256"


def key_file(net, name=KEY, secret=SECRET, algorithm=ALGORITHM, mode=0o600):
    file = net.dir / f"{name}{algorithm}.key"
    file.write_text(f'key "{name}" {{\n\talgorithm {algorithm};\n\tsecret "{secret}";\n}};\n')
    file.chmod(mode)
    return str(file)


class Signer:
    """The server's side of a transaction, over dnspython's TSIG."""

    def __init__(self, request_wire, name=KEY, secret=SECRET):
        self.keyring = {dns.name.from_text(name): dns.tsig.Key(name, secret, ALGORITHM)}
        self.key = self.keyring[dns.name.from_text(name)]
        self.request = dns.message.from_wire(request_wire, keyring=self.keyring) if name == KEY else None
        self.request_mac = self.request.tsig[0].mac if self.request is not None else b""
        self.ctx = None

    def sign(self, wire, multi=True, when=None, unsigned=False):
        """The message with its TSIG record; unsigned: only taken into the digest of the next one."""
        if unsigned:
            self.ctx.update(wire)
            return wire
        original_id = struct.unpack("!H", wire[:2])[0]
        rdata = dns.rdtypes.ANY.TSIG.TSIG(dns.rdataclass.ANY, dns.rdatatype.TSIG, self.key.algorithm,
                                          int(when or time.time()), 300, b"", original_id, 0, b"")
        signed, self.ctx = dns.tsig.sign(wire, self.key, rdata, int(when or time.time()), self.request_mac, self.ctx,
                                         multi)
        body = signed.to_wire()
        record = self.key.name.to_wire() + struct.pack("!HHIH", 250, 255, 0, len(body)) + body
        arcount = struct.unpack("!H", wire[10:12])[0]
        return wire[:10] + struct.pack("!H", arcount + 1) + wire[12:] + record


class SigningPrimary(ScriptedPrimary):
    """SOA answers are signed unless `sign_soa` is something else; transfers are what the test makes of them."""

    def __init__(self, *args, **kw):
        self.sign_soa = lambda signer, wire: signer.sign(wire, multi=False)
        super().__init__(*args, **kw)
        self.probe = self._soa

    def _soa(self, primary, request, zone, tcp):
        return self.sign_soa(Signer(request.wire), answer(primary, request, zone, tcp))


def signed_stream(s, tamper=None, every=1, per_message=2, records=None, **kw):
    """All messages, of an AXFR unless there are records; every n-th, the first and the last are signed. tamper(i, last, signer, wire) may send another."""
    signer = Signer(s.request.wire)
    messages = s.messages(per_message=per_message, records=records)
    out = []
    for i, m in enumerate(messages):
        last = i == len(messages) - 1
        if tamper is not None and (other := tamper(i, last, signer, m)) is not None:
            out.append(other)
        else:
            out.append(signer.sign(m, unsigned=not (i == 0 or last or i % every == 0), **kw))
    return b"".join(framed(m) for m in out)


def good(s):
    s.send(signed_stream(s))
