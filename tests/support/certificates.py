"""Certificates for tests, made by openssl(1): a CA of their own, P-256 keys, whatever is wrong with them on request.

    ca = Authority(folder)
    server = ca.issue("primary.test")                     # .certificate, .key: files; .pin: base64 of the key's SHA-256
    old = ca.issue("primary.test", days=(-20, -10))       # expired ten days ago
    ssl.SSLContext.load_cert_chain(server.certificate, server.key)
"""

import base64
import hashlib
import os
import subprocess
import time


def openssl(*args, stdin=b""):
    return subprocess.run(["openssl", *map(str, args)], input=stdin, capture_output=True, check=True, timeout=60).stdout


class Identity:
    def __init__(self, folder, name):
        self.certificate, self.key = folder / f"{name}.crt", folder / f"{name}.key"

    @property
    def pin(self):
        public = openssl("x509", "-in", self.certificate, "-pubkey", "-noout")
        der = openssl("pkey", "-pubin", "-outform", "der", stdin=public)
        return base64.b64encode(hashlib.sha256(der).digest()).decode()


class Authority(Identity):
    def __init__(self, folder, name="Lockstep test CA"):
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder, "ca")
        self.folder, self.made = folder, 0
        self._key(self.key)
        openssl("req", "-x509", "-new", "-key", self.key, "-days", 30, "-subj", f"/CN={name}", "-out", self.certificate)

    def _key(self, file):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file)
        os.chmod(file, 0o600)

    def issue(self, hostname, days=(-1, 30), addresses=()):
        """A certificate for the host name (and addresses), valid from days[0] to days[1] from now."""
        self.made += 1
        made = Identity(self.folder, f"{hostname}-{self.made}")
        request, config = made.certificate.with_suffix(".csr"), made.certificate.with_suffix(".cnf")
        self._key(made.key)
        openssl("req", "-new", "-key", made.key, "-subj", f"/CN={hostname}", "-out", request)
        names = ",".join([f"DNS:{hostname}", *(f"IP:{a}" for a in addresses)])
        index = self.folder / f"index-{self.made}"
        index.write_text("")
        config.write_text(f"[ca]\ndefault_ca=c\n[c]\ndatabase={index}\nnew_certs_dir={self.folder}\nrand_serial=yes\n"
                          f"default_md=sha256\npolicy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n"
                          f"[x]\nsubjectAltName={names}\n")
        at = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + d * 86400)) for d in days]
        openssl("ca", "-batch", "-notext", "-config", config, "-cert", self.certificate, "-keyfile", self.key,
                "-in", request, "-out", made.certificate, "-startdate", at[0], "-enddate", at[1])
        return made
