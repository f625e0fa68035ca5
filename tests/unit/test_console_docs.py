"""README has every field of what the console tells as JSON, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from badge_bridge.store.memory import MemoryStore
from support.operators import Clock, Console

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["now", "try", "badges"])
async def test_fields_of_a_page_are_those_that_the_readme_names(name: str) -> None:
    """The first column of a page's table is what its JSON has, in its order or another."""
    store = MemoryStore()
    await store.open()
    path = f"/console/api/v1/{name}.json"
    _, _, table = README.partition(f"| `{path}` | |\n")
    rows = table.partition("\n\n")[0].splitlines()[1:]
    named = [field for row in rows for field in re.findall(r"`([a-z_]+)`", row.split("|")[1])]
    async with Console(store, Clock(1_795_345_200.0)).operator() as browser:
        told = (await browser.get(path)).json()
    assert sorted(named) == sorted(told)
