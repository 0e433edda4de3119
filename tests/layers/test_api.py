# SPDX-License-Identifier: ISC
"""docs/api.yaml against the code: the same paths, methods, statuses and codes. (That answers look as it says, the
integration tests see to: tests/integration/api.py.)"""
import pathlib
import re
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "integration"))
api = pytest.importorskip("api")
REST = (TOP / "src" / "portal" / "rest.c").read_text()
ROUTE = (TOP / "src" / "route" / "addresses.c").read_text()
API = api.Api()
PATH = "/api/v1/domains/{domain}/address"


def test_paths_and_methods():
    prefix = re.search(r'#define DOMAINS "(.*)"', REST)[1]
    end = re.search(r'#define ADDRESS "(.*)"', REST)[1]
    assert list(API.whole["paths"]) == [f"{prefix}{{domain}}{end}"] == [PATH]
    methods = re.findall(r'\{ "([A-Z]+)", PORTAL_', REST)
    assert {name.upper() for name in API.whole["paths"][PATH] if name != "parameters"} == set(methods)


def statuses():
    """{fate: status}, and those that a request gets before anybody is asked."""
    table = re.search(r"statuses\[ADDRESS_FATES\] = \{(.*?)\};", REST, re.S)[1]
    fates = {name: int(status) for name, status in re.findall(r"\[(ADDRESS_\w+)\] = (\d+)", table)}
    at_once = {int(status) for status in re.findall(r"refuse\(\s*answer, (\d+),", REST)} - {405}
    return fates, at_once


def test_statuses():
    fates, at_once = statuses()
    told = set(API.responses("PUT", "/api/v1/domains/example.org/address"))
    assert told == set(fates.values()) | at_once
    for method in ("GET", "DELETE"):
        only_told = {400, 415, 422, fates["ADDRESS_TAKEN"], fates["ADDRESS_UNPROVABLE"]}
        assert set(API.responses(method, "/api/v1/domains/example.org/address")) == told - only_told


def test_codes():
    fates, at_once = statuses()
    names = dict(re.findall(r'\[(ADDRESS_\w+)\] = "([\w-]+)"', ROUTE))
    codes = {names[fate] for fate, status in fates.items() if status >= 400}
    codes |= set(re.findall(r'refuse\(\s*answer, \d+, "([\w-]+)"', REST))
    for place in ("src/portal/portal.c", "src/roles/portal/portal.c"):
        codes |= set(re.findall(r'portal_refuse\([^;]*?"([\w-]+)"', (TOP / place).read_text()))
    error = API.whole["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]
    assert codes == set(error["enum"])


def test_states():
    names = re.search(r'address_state_name.*?\{ (".*?") \}', ROUTE, re.S)[1]
    known = API.whole["components"]["schemas"]["Address"]["properties"]["state"]["enum"]
    assert re.findall(r'"([\w-]+)"', names) == known
