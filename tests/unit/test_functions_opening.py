"""What a function opens: once, again after a failure, and anew when the rules have changed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from badge_bridge.configuration import hash_of_rules
from badge_bridge.errors import StoreUnavailable
from badge_bridge.observability import logs
from badge_bridge.rulesfile import RulesFile
from badge_bridge.serverless import opening
from badge_bridge.serverless.opening import LOOK, RETRY, Opening, read_rules
from badge_bridge.settings import Settings

RULES = """
portals: {main: {webhook: "${WEBHOOK}"}}
sources: {shop: {provider: generic, verify: {scheme: bearer}, secrets: ["${TOKEN}"], event: {type: "'order.paid'", id: body.id}}}
badges: {paid: {title: Order, value: Paid, type: success}}
rules: [{name: NAME, on: order.paid, badge: paid}]
"""


class World:
    """A rules file, a clock, and what was opened and closed."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.now = 1000.0
        self.opened: list[str] = []
        self.broken = ""
        self.opening = Opening(self.open, monotonic=lambda: self.now)

    def write(self, name: str) -> None:
        self.file.write_text(RULES.replace("NAME", name), "utf-8")

    async def open(self, stack: AsyncExitStack, settings: Settings) -> RulesFile:
        if self.broken:
            raise StoreUnavailable(self.broken)
        _, rules = await read_rules(settings)
        self.opened.append(rules.rules[0].name)
        return rules

    async def ask(self) -> str:
        async def handle(request: Request, rules: RulesFile) -> Response:
            return PlainTextResponse(rules.rules[0].name)

        request = Request({"type": "http", "method": "POST", "path": "/", "headers": []})
        answer = await self.opening.answer(request, handle)
        return f"{answer.status_code} {bytes(answer.body).decode()}"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("RULES", str(tmp_path / "rules.yaml"))
    monkeypatch.setenv("WEBHOOK", "https://acme.bitrix24.com/rest/1/abcdefghijkl/")
    monkeypatch.setenv("TOKEN", "0123456789abcdef")
    monkeypatch.setenv("LOG_FORMAT", "json")
    world = World(tmp_path / "rules.yaml")
    world.write("first")
    yield world
    logs.restore()
    gc.unfreeze()


async def test_all_requests_share_what_the_first_one_opened(world: World) -> None:
    """Nothing is opened twice, and garbage is collected again after the first answer."""
    gc.disable()
    assert [await world.ask() for _ in range(3)] == ["200 first"] * 3
    assert world.opened == ["first"]
    assert gc.isenabled()


async def test_opening_is_tried_again_when_it_failed(world: World) -> None:
    """503 as long as it cannot be opened; the next request finds it mended."""
    world.broken = "the disk is full"
    assert (await world.ask()).startswith("503")
    assert gc.isenabled()
    world.broken = ""
    assert await world.ask() == "200 first"


async def test_new_rules_count_within_a_minute(world: World) -> None:
    """The first request after the look was due is answered by the new rules; before it nobody looks."""
    await world.ask()
    world.write("second")
    world.now += LOOK - 1
    assert await world.ask() == "200 first"
    world.now += 1
    assert await world.ask() == "200 second"
    world.now += LOOK
    assert await world.ask() == "200 second"
    assert world.opened == ["first", "second"]


async def test_rules_of_before_stay_when_the_new_ones_are_no_good(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told once, with the position, and what comes after that counts again."""
    await world.ask()
    world.write("[broken")
    for _ in range(3):
        world.now += LOOK
        assert await world.ask() == "200 first"
    (told,) = [line for line in capsys.readouterr().err.splitlines() if '"ERROR"' in line]
    assert "rules.yaml:5:" in told
    assert '"kind":"rules_refused"' in told
    world.write("third")
    world.now += LOOK
    assert await world.ask() == "200 third"


async def test_refused_rules_are_tried_again_after_some_minutes(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What they lack may have been added outside the file, such as a secret; as long as it has not, it is told again."""
    await world.ask()
    monkeypatch.delenv("TOKEN")
    world.write("second")
    world.now += LOOK
    assert await world.ask() == "200 first"
    world.now += RETRY
    assert await world.ask() == "200 first"
    told = [line for line in capsys.readouterr().err.splitlines() if '"ERROR"' in line]
    assert len(told) == 2

    monkeypatch.setenv("TOKEN", "0123456789abcdef")
    world.now += RETRY - 1
    assert await world.ask() == "200 first"
    world.now += LOOK
    assert await world.ask() == "200 second"


async def test_rules_of_before_stay_when_the_file_is_gone_or_the_store_away(world: World) -> None:
    """What passes by itself is tried again with the next look."""
    await world.ask()
    world.file.rename(world.file.with_name("gone"))
    world.now += LOOK
    assert await world.ask() == "200 first"
    world.write("second")
    world.broken = "the disk is full"
    world.now += LOOK
    assert await world.ask() == "200 first"
    world.broken = ""
    world.now += LOOK
    assert await world.ask() == "200 second"


async def test_request_is_answered_when_looking_at_the_rules_takes_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the rules that are there; the look goes on, and counts as soon as it is over."""
    monkeypatch.setattr(opening, "PATIENCE", 0.01)
    go = asyncio.Event()

    async def slow(*arguments: Any) -> str:
        await go.wait()
        return await hash_of_rules(*arguments)

    monkeypatch.setattr(opening, "hash_of_rules", slow)
    await world.ask()
    world.write("second")
    world.now += LOOK
    assert await world.ask() == "200 first"
    world.now += LOOK
    assert await world.ask() == "200 first"
    go.set()
    looking = world.opening._looking
    assert looking is not None
    await looking
    assert await world.ask() == "200 second"
    assert world.opened == ["first", "second"]


async def test_file_that_is_away_when_it_is_looked_at_is_no_mistake(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """While it is replaced, it may be; nobody has to be woken for that."""
    await world.ask()
    world.file.unlink()
    world.now += LOOK
    assert await world.ask() == "200 first"
    assert '"rules_refused"' not in capsys.readouterr().err
