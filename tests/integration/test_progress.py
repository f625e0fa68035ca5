"""Bars for what takes long: there in a terminal, and nowhere else."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from badge_bridge.store import open_store
from badge_bridge.store.protocol import Settlement
from support.programs import ROOT, badge_bridge, sandbox
from support.stores import NOW, item
from support.terminals import terminal

pytestmark = pytest.mark.slow

RULES = """
portals: {main: {webhook: "${HOOK}"}}
sources: {reception: {provider: zoom, secrets: ["${TOKEN}"]}}
badges: {missed: {title: Call, value: Missed, type: failure}}
rules: [{name: r, on: call.missed, badge: missed}]
"""
COMMANDS = [
    (["backup", "copy.db"], "checking"),
    (["restore", "other.db"], "checking"),
    (["erase", "+4930901820", "--yes"], "erasing, and searching again"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    async def fill(name: str) -> None:
        store = open_store(f"sqlite:///{tmp_path}/{name}")
        await store.open()
        await store.accept([item("reception:1", caller="+4930901820")])
        await store.close()

    asyncio.run(fill("badge-bridge.db"))
    asyncio.run(fill("other.db"))
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    return tmp_path


ENVIRON = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "functions")}


@pytest.mark.parametrize(("arguments", "told"), COMMANDS, ids=lambda one: one[0] if isinstance(one, list) else None)
def test_bar_is_shown_in_a_terminal_and_gone_at_the_end(folder: Path, arguments: list[str], told: str) -> None:
    """What it had drawn is taken back, so that only what came of it is left to read."""
    arguments = [*arguments, "--force"] if arguments[0] == "erase" else arguments
    with terminal(badge_bridge(*arguments), env=ENVIRON, cwd=folder) as screen:
        assert screen.end() == 0, screen.text
    assert told in screen.text
    assert "\x1b[2K" in screen.screen.rpartition(told)[2]


@pytest.mark.parametrize(("arguments", "told"), COMMANDS, ids=lambda one: one[0] if isinstance(one, list) else None)
def test_no_bar_is_written_where_nobody_looks(folder: Path, arguments: list[str], told: str) -> None:
    """A script or a log gets what came of it, and nothing that was on the way."""
    arguments = [*arguments, "--force"] if arguments[0] == "erase" else arguments
    done = subprocess.run(
        badge_bridge(*arguments), env=ENVIRON, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert told not in done.stdout


DEAD = 120
WANTED = """
portals: {main: {webhook: "${HOOK}"}}
sources: {reception: {provider: zoom, secrets: ["${TOKEN}"]}}
badges:
  missed: {title: Call, value: Missed, type: failure}
  busy: {title: Call, value: Busy, type: warning}
  returned: {title: Call, value: Returned, type: success}
rules:
  - {name: a, on: call.missed, badge: missed}
  - {name: b, on: call.busy, badge: busy}
  - {name: c, on: call.answered, badge: returned}
"""
OF_MANY = [
    (["sync", "--apply"], [r"portal main .* 0/3 ", r"portal main .* 3/3 "], "✓ added bb_missed"),
    (
        ["events", "redrive", "--in", "dead", "--yes"],
        [rf"looking for them .* {DEAD}/\? ", rf"trying again .* {DEAD}/{DEAD} "],
        f"{DEAD} events will be tried again",
    ),
]
"""Commands, what their bars show, and what they have to say at the end."""


@pytest.fixture(scope="module")
def portal() -> Iterator[tuple[str, str]]:
    with sandbox() as addresses:
        yield addresses


@pytest.fixture
def company(tmp_path: Path, portal: tuple[str, str]) -> tuple[Path, dict[str, str]]:
    """A folder whose store has many dead events, and whose portal has no badge yet; and the environment there."""

    async def fill() -> None:
        store = open_store(f"sqlite:///{tmp_path}/badge-bridge.db")
        await store.open()
        keys = [f"reception:{number}" for number in range(DEAD)]
        await store.accept([item(key) for key in keys])
        for key in keys:
            claim = await store.claim(key, now=NOW, lease=60)
            assert claim is not None
            assert await store.settle(claim, Settlement(state="dead", ended_at=NOW + 1, reason="refused", failed=True))
        await store.close()

    asyncio.run(fill())
    (tmp_path / "rules.yaml").write_text(WANTED, "utf-8")
    url, webhook = portal
    httpx.post(f"{url}/_sandbox/seed", json={"badges": []}, trust_env=False).raise_for_status()
    return tmp_path, {**ENVIRON, "HOOK": webhook, "TOKEN": "0" * 32}


@pytest.mark.parametrize(("arguments", "bars", "told"), OF_MANY, ids=["sync", "redrive"])
def test_bar_counts_on_standard_error_and_is_gone_at_the_end(
    company: tuple[Path, dict[str, str]], arguments: list[str], bars: list[str], told: str
) -> None:
    """What came of it goes where standard output goes, and nothing of the bar does."""
    folder, environ = company
    command = ["/bin/sh", "-c", 'exec "$@" > told.txt', "sh", *badge_bridge(*arguments)]
    with terminal(command, env=environ, cwd=folder) as screen:
        assert screen.end() == 0, screen.text
    for bar in bars:
        screen.find(bar)
    assert screen.left == ""
    written = (folder / "told.txt").read_text("utf-8")
    assert told in written
    assert "━" not in written
    assert "\x1b" not in written


@pytest.mark.parametrize(("arguments", "bars", "told"), OF_MANY, ids=["sync", "redrive"])
def test_bar_leaves_what_is_printed_meanwhile(
    company: tuple[Path, dict[str, str]], arguments: list[str], bars: list[str], told: str
) -> None:
    """Where both streams go to the terminal, as they do mostly."""
    folder, environ = company
    with terminal(badge_bridge(*arguments), env=environ, cwd=folder) as screen:
        assert screen.end() == 0, screen.text
    for bar in (*bars, told):
        screen.find(bar)
    assert "━" not in screen.left


@pytest.mark.parametrize(("arguments", "bars", "told"), OF_MANY, ids=["sync", "redrive"])
def test_no_bar_where_standard_error_is_no_terminal(
    company: tuple[Path, dict[str, str]], arguments: list[str], bars: list[str], told: str
) -> None:
    """Neither in the file that it goes to, nor in the terminal."""
    folder, environ = company
    command = ["/bin/sh", "-c", 'exec "$@" 2> errors.txt', "sh", *badge_bridge(*arguments)]
    with terminal(command, env=environ, cwd=folder) as screen:
        assert screen.end() == 0, screen.text
    screen.find(told)
    assert "━" not in screen.text
    assert not any(bar in screen.text for bar in bars)
    assert (folder / "errors.txt").read_text("utf-8") == ""
