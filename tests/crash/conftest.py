# SPDX-License-Identifier: ISC
"""conftest.py: what only the crash campaigns need."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import power  # noqa: E402


@pytest.fixture
def disk(state, holdfast):
    """A maker of disks: disk(node, size) becomes the node's data folder, before it is started."""
    made = []

    def make(node, size, **options):
        name = state / f"disk-{len(made)}.img"
        made.append(power.Disk(name, node.data, size, **options))
        return made[-1]

    yield make
    while made:
        made.pop().close()
