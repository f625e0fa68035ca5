"""`badge-bridge resume`: the pauses of portals are ended by hand, and the command says which they were."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.store.protocol import Pause, Settlement
from badge_bridge.store.sqlite import SqliteStore
from support.commands import Run, commands
from support.stores import claimed, item

RULES = """
portals:
  main: {url: "https://acme.bitrix24.com", oauth: {client_id: "${ID}", client_secret: "${SECRET}"}}
  other: {url: "https://other.bitrix24.com", oauth: {client_id: "${ID}", client_secret: "${SECRET}"}}
sources:
  reception: {provider: twilio, secrets: ["${TOKEN}"], public_url: "https://bridge.example.com/hooks/reception"}
badges:
  missed: {title: Call, value: Missed, type: failure}
rules:
  - {name: missed, on: call.missed, badge: missed, portal: main}
"""
ADD = "main/crm.activity.badge.add"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    """Runs `resume` in a folder with rules and none of their secrets."""
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    with commands(monkeypatch, capsys, tmp_path, {"STATE": "sqlite:///state.db"}) as run:
        yield partial(run, "resume")


@asynccontextmanager
async def opened(folder: Path) -> Any:
    store = SqliteStore(folder / "state.db")
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def pause(folder: Path, *lanes: str, seconds: float = 900) -> None:
    async with opened(folder) as store:
        for lane in lanes:
            await store.pause(lane, until=time.time() + seconds, reason="OVERLOAD_LIMIT: it was \x1b[31mblocked")


async def wait_for(folder: Path, lane: str, *keys: str) -> None:
    async with opened(folder) as store:
        now = time.time()
        for key in keys:
            await store.accept([item(key, received_at=now)])
            claim = await claimed(store, key, now=now)
            await store.settle(claim, Settlement(state="waiting", ended_at=now, lane=lane, due=now + 902))


async def rests(folder: Path, *lanes: str) -> list[str]:
    """Those of the lanes that are paused still."""
    async with opened(folder) as store:
        found: list[Pause] = await store.paused(lanes)
        return [one.lane for one in found if one.until > time.time()]


def test_resume_ends_the_pauses_of_one_portal_when_it_is_named(run: Run, tmp_path: Path) -> None:
    """The portal and its methods, and no other portal; what waits for them is told."""
    asyncio.run(pause(tmp_path, "main", ADD, "other"))
    asyncio.run(wait_for(tmp_path, "main", "s:1", "s:2"))
    code, out, err = run("main")
    assert (code, err) == (0, "")
    first, second, third, fourth = out.splitlines()
    assert first.startswith("main was paused until ")
    assert first.endswith(": it was ?[31mblocked")
    assert second == "  one of 2 events that wait for it tries it within seconds, where serve runs"
    assert third.startswith(f"{ADD} was paused until ")
    assert fourth == "  the next event that needs it tries it"
    assert asyncio.run(rests(tmp_path, "main", ADD, "other")) == ["other"]


def test_resume_ends_the_pauses_of_all_portals_when_none_is_named(run: Run, tmp_path: Path) -> None:
    """As JSON the pauses are told as they were."""
    asyncio.run(pause(tmp_path, "main", "other"))
    asyncio.run(wait_for(tmp_path, "main", "s:1"))
    code, out, _ = run("--json")
    assert code == 0
    resumed = json.loads(out)["resumed"]
    assert [(one["lane"], one["code"]) for one in resumed] == [("main", "OVERLOAD_LIMIT"), ("other", "OVERLOAD_LIMIT")]
    assert all(one["until"].endswith("Z") for one in resumed)
    assert asyncio.run(rests(tmp_path, "main", "other")) == []


def test_resume_needs_no_rules_file_when_the_portal_is_named(run: Run, tmp_path: Path) -> None:
    """`serve` works on by the rules of before while the newest have mistakes. Without a name they are told, and what
    to type instead.
    """
    asyncio.run(pause(tmp_path, "main", "other"))
    (tmp_path / "rules.yaml").write_text(RULES.replace("badges:", "badgse:"), "utf-8")
    code, out, err = run()
    assert (code, out) == (1, "")
    assert err.startswith("rules.yaml:")
    assert (
        err.splitlines()[-1] == "badge-bridge: with a portal's name, `badge-bridge resume PORTAL` needs no rules file"
    )
    code, out, err = run("main")
    assert (code, out.startswith("main was paused until ")) == (0, True)
    assert err == (
        "badge-bridge: rules.yaml has mistakes, so main is taken as it is typed; `badge-bridge check` prints them\n"
    )
    assert asyncio.run(rests(tmp_path, "main", "other")) == ["other"]


def test_resume_says_so_when_nothing_is_paused(run: Run, tmp_path: Path) -> None:
    """That is fine, also where the pause is over and the portal has not been tried yet."""
    asyncio.run(pause(tmp_path, "main", seconds=-1))
    assert run("main") == (0, "nothing is paused of main\n", "")
    assert run("--json") == (0, '{\n  "resumed": []\n}\n', "")


def test_resume_is_used_wrongly_when_there_is_no_such_portal_or_store(run: Run, tmp_path: Path) -> None:
    """The name that was probably meant is said."""
    code, _, err = run("mian")
    assert (code, "did you mean main?" in err) == (2, True)
    code, _, err = run("main")
    assert (code, "there is no store at" in err) == (2, True)
