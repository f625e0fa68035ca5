"""Every test of the contract is run with every store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from badge_bridge.store.protocol import Store
from support.stores import STORES

# The emulator takes most of the time that the contract takes.
PARAMS = [pytest.param(name, marks=[pytest.mark.slow] if name == "firestore" else []) for name in sorted(STORES)]


@pytest.fixture(params=PARAMS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "firestore":
        request.getfixturevalue("firestore")
    store = STORES[request.param](tmp_path)
    await store.open()
    yield store
    await store.close()
