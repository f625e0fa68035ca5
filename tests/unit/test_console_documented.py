"""What the README says of the console's JSON is what the pages have."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from badge_bridge.console.paths import API
from badge_bridge.console.redrive import AT_ONCE, MOST_COUNTED
from badge_bridge.console.searching import NAMES, WITHIN, Search
from badge_bridge.console.sessions import CSRF_FIELD
from badge_bridge.store.memory import MemoryStore
from support.operators import SAME, Clock, Console, csrf, received

README = Path(__file__).parents[2] / "README.md"
NOW = 1_795_345_200.0


def section() -> str:
    return README.read_text("utf-8").partition("### The JSON of its pages\n")[2].partition("\n## ")[0]


def documented(path: str) -> str:
    (row,) = re.findall(rf"^\| `{re.escape(path)}` \| (.*) \|$", section(), re.MULTILINE)
    return str(row)


async def test_readme_has_every_field_of_a_twin() -> None:
    """Whoever writes a script against it need not look into the code."""
    store = MemoryStore()
    await store.open()
    await received(store, "pbx:1", at=NOW, caller="+4930901820")
    console = Console(store, Clock(NOW))
    async with console.operator() as browser:
        for path in (
            "/now.json",
            "/events.json",
            "/events/KEY.json",
            "/redrive.json",
            "/try.json",
            "/badges.json",
            "/session.json",
        ):
            told = (await browser.get(f"{API}{path.replace('KEY', 'pbx:1')}")).json()
            missing = [name for name in told if f"`{name}`" not in documented(path)]
            assert missing == [], path


async def test_readme_has_every_field_of_what_is_not_about_events() -> None:
    """The words, and what is answered to who ends a pause."""
    store = MemoryStore()
    await store.open()
    await store.pause("main", until=NOW + 900, reason="OVERLOAD_LIMIT: blocked")
    console = Console(store, Clock(NOW))
    async with console.operator() as browser:
        words = (await browser.get(f"{API}/words.json")).json()
        form = {"portal": "main", CSRF_FIELD: await csrf(browser)}
        resumed = (await browser.post(f"{API}/resume.json", data=form, headers=SAME)).json()
    assert [name for name in (*words, *words["words"][0]) if f"`{name}`" not in documented("/words.json")] == []
    (said,) = re.findall(r"^`/resume.json` .*?(?=\n\n)", section(), re.MULTILINE | re.DOTALL)
    assert [name for name in (*form, *resumed, *resumed["resumed"][0]) if f"`{name}`" not in said] == [CSRF_FIELD]


def test_readme_has_every_parameter_of_a_search() -> None:
    """And what each may be."""
    assert {one.name for one in fields(Search)} == set(NAMES)
    assert [name for name in (*NAMES, *WITHIN) if f"`{name}`" not in section()] == []


def test_readme_has_the_bounds_of_a_redrive() -> None:
    """How many are counted, and how many are done at once."""
    text = README.read_text("utf-8")
    assert f"at most {MOST_COUNTED:,} are" in text
    assert f"does the next {AT_ONCE:,}, newest first" in text
