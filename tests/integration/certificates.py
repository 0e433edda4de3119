# SPDX-License-Identifier: ISC
"""Certificates for tests, made by the openssl program in a folder of their own."""
import hashlib
import pathlib
import ssl
import subprocess

import peers


def openssl(*words, data=None):
    return subprocess.run([peers.program("openssl"), *map(str, words)], input=data, check=True,
                          capture_output=True).stdout


class Certificate:
    """`chain` and `key` are files; `names` the first of them the common one."""

    def __init__(self, chain, key):
        self.chain, self.key = pathlib.Path(chain), pathlib.Path(key)

    def der(self):
        return openssl("x509", "-in", self.chain, "-outform", "DER")

    def spki(self):
        pem = openssl("x509", "-in", self.chain, "-noout", "-pubkey")
        return openssl("pkey", "-pubin", "-outform", "DER", data=pem)

    def digest(self):
        return hashlib.sha256(self.der()).hexdigest()

    def key_digest(self):
        return hashlib.sha256(self.spki()).hexdigest()


class Authority:
    """A CA that signs what it is asked to."""

    def __init__(self, folder, name="Test CA"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.count = 0
        self.file, self.key = self.folder / "ca.pem", self.folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.key, "-out", self.file, "-days", "3650", "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")

    def issue(self, *names, kind="ec", begins=None, ends=None):
        """`begins`, `ends`: "YYYYMMDDHHMMSSZ"; else it is good from now on for a month."""
        self.count += 1
        stem = self.folder / f"{self.count}-{names[0].replace('*', 'any')}"
        chain, key, request = (stem.with_name(stem.name + end) for end in (".pem", ".key", ".csr"))
        how = {"ec": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "rsa": ("rsa:2048",)}[kind]
        openssl("req", "-newkey", *how, "-nodes", "-keyout", key, "-out", request, "-subj",
                f"/CN={names[0]}")
        extensions = stem.with_name(stem.name + ".ext")
        extensions.write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names) + "\n")
        config = self.folder / "ca.conf"
        (self.folder / "index").touch()
        config.write_text(f"[ca]\ndefault_ca=this\n[this]\ndatabase={self.folder}/index\n"
                          f"new_certs_dir={self.folder}\nrand_serial=yes\ndefault_md=sha256\n"
                          "unique_subject=no\npolicy=any\n[any]\ncommonName=supplied\n")
        openssl("ca", "-batch", "-config", config, "-cert", self.file, "-keyfile", self.key, "-in",
                request, "-out", chain, "-notext", "-extfile", extensions,
                *(("-startdate", begins) if begins else ()),
                *(("-enddate", ends) if ends else ("-days", "30")))
        return Certificate(chain, key)

    def trusting(self):
        """What a client needs that trusts this CA, and checks names."""
        return ssl.create_default_context(cafile=self.file)
