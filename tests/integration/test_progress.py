"""Bars for what takes long: there in a terminal, and nowhere else."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from badge_bridge.store import open_store
from support.programs import ROOT, badge_bridge
from support.stores import item
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
