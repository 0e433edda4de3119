# SPDX-License-Identifier: ISC
"""debian/ says what the rest of the repository says."""
import pathlib
import re
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
ALWAYS_THERE = {"gcc", "libc6-dev"}  # of build-essential


def wanted(purpose):
    done = subprocess.run([TOP / "script" / "packages", "--list", purpose], text=True, check=True,
                          capture_output=True, timeout=30)
    return set(done.stdout.split())


def named(field):
    """The packages of a field of debian/control, without versions and substitutions."""
    text = (TOP / "debian" / "control").read_text()
    value = re.search(rf"^{field}: ((?:.*\n)(?: .*\n)*)", text, re.M)[1]
    return {part.split()[0] for part in value.split(",") if part.strip()}


def test_build_dependencies_are_those_of_the_scripts():
    assert named("Build-Depends") - {"debhelper-compat"} == wanted("build") - ALWAYS_THERE


def test_run_dependencies_are_those_of_the_scripts():
    assert wanted("run") <= named("Depends")


def test_version_is_that_of_the_build():
    version = re.search(r"^  version: '([^']+)'", (TOP / "meson.build").read_text(), re.M)[1]
    changelog = (TOP / "debian" / "changelog").read_text()
    assert changelog.startswith(f"holdfast ({version}")
