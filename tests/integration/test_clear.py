"""`clear`: which badges are meant by keys and numbers, and what is said where none is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from badge_bridge.events import Event
from badge_bridge.rulesfile import parse, read_file
from badge_bridge.sandbox.seed import ADMINISTRATOR_TOKEN
from badge_bridge.sources import OPTIONS
from badge_bridge.store.protocol import Accepted, Attachment
from badge_bridge.store.sqlite import SqliteStore
from support.commands import Run, commands
from support.programs import sandbox

pytestmark = pytest.mark.slow

RULES = """
portals:
  main: {url: PORTAL, oauth: {access_token: "${ACCESS}"}}
sources:
  pbx:
    provider: generic
    verify: {scheme: bearer}
    secrets: ["${TOKEN}"]
    country: DE
    event: {type: body.type, id: body.id, caller: body.from}
badges:
  missed: {title: Call, value: Missed, type: failure}
rules:
  - {name: stays, on: call.missed, badge: missed, attach: {}}
  - {name: order, on: order.open, badge: missed, attach: {}, clear: {on: order.paid, same: event.data.order}}
"""
NUMBER = "+4930901820"
ENVIRON = {"ACCESS": ADMINISTRATOR_TOKEN, "TOKEN": "pbx-token-0123456789"}
MOMENT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def portal() -> Iterator[str]:
    with sandbox() as (url, _):
        yield url


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, portal: str
) -> Iterator[Run]:
    """Runs `clear` beside a store."""
    (tmp_path / "rules.yaml").write_text(RULES.replace("PORTAL", portal), "utf-8")
    with commands(monkeypatch, capsys, tmp_path, ENVIRON) as run:
        yield partial(run, "clear")


def keep(folder: Path, key: str, rule: str, *, activity: int | None, kind: str = "call.missed") -> None:
    """An event of the customer as `serve` would have stored it, and the row of what one rule has attached for it.

    There is no such activity in the portal, which is as good as a completed one.
    """
    event = Event(id=key, source="pbx", provider="generic", type=kind, time=MOMENT, subject=NUMBER, data={"order": key})
    rules = parse(read_file(folder / "rules.yaml"), str(folder / "rules.yaml"), providers=OPTIONS, environ=ENVIRON)
    (meant,) = [one for one in rules.rules if one.name == rule]
    row = Attachment(
        key=key,
        rule=rule,
        portal="main",
        badge="bb_missed",
        owner_type=2,
        owner_id=41,
        time=MOMENT.timestamp(),
        join=meant.join(event),
        content='{"fields": {}, "layout": {}}',
        activity=activity,
    )

    async def write() -> None:
        store = SqliteStore(folder / "badge-bridge.db")
        await store.open()
        accepted = Accepted(key=key, event=event, verified="x", received_at=0.0, joins=rules.joins(event))
        await store.accept([accepted])
        await store.attach(row)
        await store.close()

    asyncio.run(write())


@pytest.mark.parametrize("written", [NUMBER, "030 901820", "030/90 18 20", "4930901820", "tel:+4930901820"])
def test_customers_badges_are_found_however_his_number_is_written(run: Run, tmp_path: Path, written: str) -> None:
    """Those of rules without `clear` and with `clear.same` too; the number is in nothing that is printed."""
    keep(tmp_path, "pbx:1", "stays", activity=9001)
    keep(tmp_path, "pbx:2", "order", activity=9002, kind="order.open")
    code, out, err = run("--phone", written)
    assert (code, err) == (0, "")
    assert sorted(out.splitlines()) == [
        "pbx:1: activity 9001 on deal 41 was gone already",
        "pbx:2: activity 9002 on deal 41 was gone already",
    ]
    code, out, err = run("--phone", written)
    assert (code, out) == (1, "")
    assert err == "badge-bridge: there is no open badge of a customer with this number\n"


def test_each_key_that_means_nothing_is_told_and_the_others_are_cleared(run: Run, tmp_path: Path) -> None:
    """An unknown event and one without an open badge make the exit code 1 beside what was done."""
    keep(tmp_path, "pbx:1", "stays", activity=9001)
    keep(tmp_path, "pbx:2", "stays", activity=9002)
    assert run("pbx:1")[0] == 0
    code, out, err = run("pbx:1", "pbx:2", "pbx:3")
    assert code == 1
    assert out == "pbx:2: activity 9002 on deal 41 was gone already\n"
    assert err.splitlines() == [
        "badge-bridge: pbx:1: there is no open badge of this event",
        "badge-bridge: there is no event pbx:3; badge-bridge events list prints the keys",
    ]


def test_key_may_be_cut_short(run: Run, tmp_path: Path) -> None:
    """As for the other commands, where no other one begins so."""
    keep(tmp_path, "pbx:1234", "stays", activity=9001)
    keep(tmp_path, "pbx:1299", "stays", activity=9002)
    code, out, err = run("pbx:12")
    assert (code, out) == (1, "")
    assert "pbx:12 is the beginning of several keys" in err
    assert run("pbx:123")[:2] == (0, "pbx:1234: activity 9001 on deal 41 was gone already\n")


@pytest.mark.parametrize("arguments", [("pbx:1",), ("--phone", NUMBER), ("pbx:1", "--phone", NUMBER)])
def test_a_badge_of_which_nobody_knows_whether_it_was_added_is_told_once(
    run: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """It has no id to complete; trying the event again finds it."""
    keep(tmp_path, "pbx:1", "stays", activity=None)
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert "redrive it (badge-bridge events redrive pbx:1)" in err
    assert len(err.splitlines()) == 1
