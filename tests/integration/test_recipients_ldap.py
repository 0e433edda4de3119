# SPDX-License-Identifier: ISC
"""Recipients from an LDAP directory (SPEC V7): a private slapd, and programs in ldapsearch's place."""
import shutil
import subprocess

import pytest

import peers


@pytest.fixture
def node(holdfast):
    return holdfast({"example.org": ()}, defaults="probe-interval = 1s probes-down = 1")


def listed(node):
    """Local parts."""
    answer = node.json("recipient", "list", "--domain", "example.org", "--limit", "2000")
    return {one["address"].split("@")[0] for one in answer["recipients"]
            if one["state"] == "valid"}


class Directory:
    """slapd, private: on the loopback, in a folder, ended by its process id."""

    def __init__(self, state, entries, more=""):
        self.port = peers.free_port()
        self.state = state / "slapd"
        (self.state / "db").mkdir(parents=True)
        schemas = "".join(f"include /etc/ldap/schema/{name}.schema\n"
                          for name in ("core", "cosine", "inetorgperson"))
        config = self.state / "slapd.conf"
        config.write_text(
            f"{schemas}attributetype ( 1.2.840.113556.1.2.210 NAME 'proxyAddresses'\n"
            "  EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch\n"
            "  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n"
            "objectclass ( 1.3.6.1.4.1.4203.666.1.1 NAME 'exchangeUser' SUP top AUXILIARY\n"
            "  MAY proxyAddresses )\n"
            f"pidfile {self.state}/pid\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n"
            "sizelimit size.soft=unlimited size.hard=unlimited size.prtotal=unlimited\n"
            "database mdb\nsuffix \"dc=example,dc=org\"\nrootdn \"cn=admin,dc=example,dc=org\"\n"
            f"rootpw \"secret word\"\ndirectory {self.state}/db\n{more}\n")
        ldif = self.state / "entries.ldif"
        ldif.write_text("dn: dc=example,dc=org\nobjectClass: domain\ndc: example\n\n" + entries)
        subprocess.run([peers.program("slapadd"), "-f", config, "-l", ldif], check=True,
                       capture_output=True)
        self.process = peers.Process([peers.program("slapd"), "-f", str(config), "-h", self.uri,
                                      "-d", "0"], self.state / "log")
        peers.wait_until(lambda: peers.answers("127.0.0.1", self.port), what="slapd")

    @property
    def uri(self):
        return f"ldap://127.0.0.1:{self.port}"

    def close(self):
        self.process.stop()


def person(name, *lines):
    return (f"dn: uid={name},dc=example,dc=org\nobjectClass: inetOrgPerson\n"
            f"objectClass: exchangeUser\nuid: {name}\ncn: {name}\nsn: {name}\n"
            + "".join(f"{line}\n" for line in lines) + "\n")


@pytest.fixture
def directory(state):
    made = []

    def make(*people, more=""):
        if shutil.which("ldapsearch") is None:
            pytest.skip("ldapsearch is not installed")
        try:
            made.append(Directory(state, "".join(people), more))
        except peers.Missing as missing:
            pytest.skip(str(missing))
        return made[-1]

    yield make
    for one in made:
        one.close()


PEOPLE = [person("anna", "mail: Anna@example.org", "proxyAddresses: SMTP:anna@example.org",
                 "proxyAddresses: smtp:a.muster@example.org", "proxyAddresses: x500:/o=x"),
          person("otto", "mail: otto@example.org", "mail: otto@example.net",
                 "description: o.tto@example.org"),
          person("elsewhere", "mail: e@example.net")]


WORDS = ["recipient", "import", "--domain", "example.org", "--base", "dc=example,dc=org", "--ldap"]


def test_a_directory_is_asked(node, directory):
    """More than a page of it; attributes of several kinds; a filter and names of one's own."""
    many = [person(f"user{i}", f"mail: user{i}@example.org") for i in range(1100)]
    server = directory(*PEOPLE, *many)
    answer = node.json(*WORDS, server.uri)
    assert (answer["added"], answer["done"]) == (1103, True)
    assert {"anna", "a.muster", "otto", "user1099"} <= listed(node)
    node.cli(*WORDS, server.uri, "--filter", "(uid=anna)", "--attribute", "mail", "--force")
    assert listed(node) == {"anna"}
    node.cli(*WORDS, server.uri, "--filter", "(uid=otto)", "--attribute", "description", "--force")
    assert listed(node) == {"o.tto"}


def test_a_password_reaches_the_directory(node, directory, state):
    server = directory(*PEOPLE, more="access to * by users read by * auth")
    done = node.cli(*WORDS, server.uri, check=False)
    assert done.returncode != 0 and listed(node) == set()
    secret = state / "secret"
    secret.write_text("secret word\n")
    bind = ["--bind", "cn=admin,dc=example,dc=org"]
    node.cli(*WORDS, server.uri, *bind, "--password-file", secret)
    assert listed(node) == {"anna", "a.muster", "otto"}
    secret.write_text("wrong\n")
    done = node.cli(*WORDS, server.uri, *bind, "--password-file", secret, check=False)
    assert done.returncode != 0 and "ldapsearch failed with result 49" in done.stderr
    for words in ([], ["--password-file", state / "none"]):
        done = node.cli(*WORDS, server.uri, *bind, *words, check=False)
        assert done.returncode != 0 and "password" in done.stderr
    assert listed(node) == {"anna", "a.muster", "otto"}


def test_a_directory_that_answers_in_part_is_not_believed(node, directory):
    server = directory(*PEOPLE, more="limits * size.soft=1 size.hard=1 size.prtotal=1")
    done = node.cli(*WORDS, server.uri, check=False)
    assert done.returncode != 0 and "incomplete" in done.stderr
    assert listed(node) == set()


def fake_ldapsearch(node, state, script):
    """A program of that name comes first; it writes down its words."""
    folder = state / "bin"
    folder.mkdir()
    program = folder / "ldapsearch"
    program.write_text(f'#!/bin/sh\nfor word in "$@"; do echo "$word"; done >{state}/words\n{script}')
    program.chmod(0o755)
    node.env["PATH"] = f"{folder}:{node.env['PATH']}"


def test_how_ldapsearch_is_called(node, state):
    """Nothing goes through a shell, and no password over the network in the clear."""
    fake_ldapsearch(node, state, f"cat /dev/fd/3 >>{state}/words; echo 'mail: anna@example.org'\n")
    secret = state / "secret"
    secret.write_text("pass word\r\n")
    bind = ["--bind", "cn=x", "--password-file", secret, "--filter", "-f$(id)"]
    node.cli(*WORDS, "ldap://dc.example.org", *bind)
    said = (state / "words").read_text().split("\n")
    assert said[-6:] == ["--", "-f$(id)", "mail", "proxyAddresses", "pass word", ""][-6:] or \
        said[-5:] == ["--", "-f$(id)", "mail", "proxyAddresses", "pass word"]
    assert "-ZZ" in said and said[said.index("-y") + 1] == "/dev/fd/3"
    assert said[said.index("-E") + 1] == "pr=500/noprompt"
    node.cli(*WORDS, "ldaps://dc.example.org", *bind)
    assert "-ZZ" not in (state / "words").read_text()


@pytest.mark.parametrize("script, said", [("exit 4", "result 4"), ("kill -9 $$", "signal")])
def test_ldapsearch_that_fails(node, state, script, said):
    fake_ldapsearch(node, state, f"echo 'mail: anna@example.org'\n{script}\n")
    done = node.cli(*WORDS, "ldap://x", check=False)
    assert done.returncode != 0 and said in done.stderr
    assert listed(node) == set()


def test_without_ldapsearch(node, state):
    (state / "empty").mkdir()
    node.env["PATH"] = str(state / "empty")
    done = node.cli(*WORDS, "ldap://x", check=False)
    assert done.returncode != 0 and "ldap-utils" in done.stderr
