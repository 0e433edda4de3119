# SPDX-License-Identifier: ISC
"""conftest.py: fixtures. Each makes a private instance below one folder and ends it."""
import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "integration"))

import peers  # noqa: E402

peers.Missing = pytest.skip.Exception  # a part that is not there skips the test by name


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="the full figures")
    parser.addoption("--sanitized", action="store_true", help="nodes with sanitizers; so with --long")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: only with --long")
    config.addinivalue_line("markers", "hostile: odd bytes: with sanitizers in every run")
    config.addinivalue_line("markers", "plain: speed or memory: the build without sanitizers")


# These wait for longest; started last, the others would wait for them.
LONGEST = ("agent", "filters", "tls_reports", "exactly_once", "politeness", "mta_sts", "notices", "alerts",
           "recipients", "upkeep", "encryption", "damage", "dane", "turn", "routing", "outside")
RANK = {f"test_{name}.py": rank for rank, name in enumerate(LONGEST)}


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: RANK.get(item.path.name, len(RANK)))
    for item in items:
        if "long" in item.keywords and not config.getoption("--long"):
            item.add_marker(pytest.mark.skip(reason="only with --long"))
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(240 * peers.SLOWER))


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    setattr(item, "report_" + outcome.get_result().when, outcome.get_result())


@pytest.fixture
def full(request):
    """The figure for --long, else the sample: full(20000, 2000)."""
    return lambda whole, sample: whole if request.config.getoption("--long") else sample


@pytest.fixture
def state(request):
    """The test's folder; kept, and named, if it fails and HOLDFAST_KEEP is set."""
    path = peers.state_folder()
    yield path
    failed = any(getattr(request.node, f"report_{when}", None) is not None
                 and getattr(request.node, f"report_{when}").failed for when in ("setup", "call"))
    if failed and os.environ.get("HOLDFAST_KEEP"):
        print(f"kept {path}")
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def keys(state):
    """A file with a key that seals kept mail (peers.encryption(keys))."""
    return peers.write_keys(state / "keys", peers.new_key())


def is_sanitized(request):
    """A node with sanitizers takes three times as long to start: by default where bytes are odd."""
    marked = request.node.get_closest_marker
    everywhere = request.config.getoption("--long") or request.config.getoption("--sanitized")
    return marked("plain") is None and (everywhere or marked("hostile") is not None)


@pytest.fixture
def holdfast(request, state):
    """A maker of nodes: holdfast(domains={…}, smtp="…") starts one. Ended in reverse order, and
    none may have found itself wrong."""
    made = []
    asan = peers.SANITIZED / "holdfast"
    use_asan = asan.exists() and "HOLDFAST_BUILD" not in os.environ and is_sanitized(request)

    def make(domains=(), start=True, name="node", **options):
        options.setdefault("binary", asan if use_asan else None)
        node = peers.Holdfast(state / name, **options)
        made.append(node)
        if start:
            node.start(domains)
        return node

    yield make
    for node in reversed(made):
        node.stop()
    failed = getattr(request.node, "report_call", None)
    for node in made:
        if failed is not None and failed.failed:
            print(f"---- {node.log}\n" + node.text()[-8000:])
        complaints = node.complaints()
        assert not complaints, "\n".join(complaints)


@pytest.fixture
def postfix(state):
    made = []

    def make(name="primary", **options):
        server = peers.Postfix(state / name, **options)
        made.append(server)
        return server

    yield make
    for server in reversed(made):
        server.close()


@pytest.fixture
def sink(state):
    made = []

    def make(*options, start=True, **where):
        server = peers.Sink(state / "sinks", *options, **where)
        made.append(server)
        if start:
            server.start()
        return server

    yield make
    for server in reversed(made):
        server.stop()


@pytest.fixture
def primary():
    """primary("anna", "otto"): a primary that has these users."""
    made = []

    def make(*users, start=True, **where):
        made.append(peers.Primary(*users, **where))
        return made[-1].start() if start else made[-1]

    yield make
    for server in reversed(made):
        server.stop()


@pytest.fixture
def recorder():
    made = []

    def make(address="127.0.0.1", start=True, **options):
        server = peers.Recorder(address, **options)
        made.append(server)
        if start:
            server.start()
        return server

    yield make
    for server in reversed(made):
        server.stop()


@pytest.fixture
def load(state):
    made = []

    def make(to, name="load"):
        clients = peers.Load(state, to, name)
        made.append(clients)
        return clients

    yield make
    for clients in made:
        if clients.process is not None:
            clients.process.stop()


@pytest.fixture
def nsd(state):
    server = peers.Nsd(state / "dns")
    yield server
    server.stop()
