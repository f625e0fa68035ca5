"""The life of an event is the same wherever it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.store import open_store
from badge_bridge.store.protocol import Attachment, Store
from support.commands import Run, commands
from support.operators import RULES, Clock, Console, received, settled

NOW = 1_795_345_200.0
CALLER = "+4930901820"
LEG = {"call": "7", "party": "customer", "state": "ended", "ends": "call", "outcome": "no_answer"}
KEYS = ("pbx:badged", "pbx:dead", "pbx:waiting", "pbx:leg")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    asyncio.run(with_store(tmp_path, fill))
    with commands(monkeypatch, capsys, tmp_path, {"STATE": "sqlite:///state.db"}) as run:
        yield run


async def with_store(folder: Path, work: Any) -> Any:
    store = open_store(f"sqlite:///{folder / 'state.db'}")
    await store.open()
    try:
        return await work(store)
    finally:
        await store.close()


async def fill(store: Store) -> None:
    for key in ("pbx:badged", "pbx:dead", "pbx:waiting"):
        await received(store, key, at=NOW, caller=CALLER)
    await received(store, "pbx:leg", at=NOW, type="call.leg", leg=LEG)
    asked = (Exchange(method="crm.item.list", answer="ok", milliseconds=10),)
    badged = Outcome(rule="missed call", result="badged", badge="bb_missedCall", owner="deal 41", activity=9)
    await store.attach(
        Attachment("pbx:badged", "missed call", "main", "bb_missedCall", 2, 41, NOW, "j", "{}", activity=9)
    )
    await settled(store, "pbx:badged", at=NOW, outcomes=(badged,), asked=asked)
    failed = badged.model_copy(update={"result": "failed", "owner": "", "activity": None})
    await settled(store, "pbx:dead", at=NOW, state="dead", reason="refused", outcomes=(failed,))
    await store.redrive("pbx:dead", now=NOW + 5, by="command")
    await settled(store, "pbx:dead", at=NOW + 6, state="dead", reason="refused", outcomes=(failed,))
    await store.pause("main", until=NOW + 900, reason="OVERLOAD_LIMIT: over its limits")
    await settled(store, "pbx:waiting", at=NOW, state="waiting", due=NOW + 900, lane="main", reason="over its limits")
    await settled(store, "pbx:leg", at=NOW, state="joined", reason="judged as call.missed")


def shape(told: Any) -> Any:
    """The names of all fields, however deep."""
    if isinstance(told, dict):
        return {name: shape(value) for name, value in told.items()}
    return [shape(one) for one in told] if isinstance(told, list) else type(told).__name__


@pytest.mark.parametrize("key", KEYS)
def test_twin_of_the_page_has_what_events_show_prints(run: Run, tmp_path: Path, key: str) -> None:
    """Field by field: a script may be written against either."""

    async def twin(store: Store) -> Any:
        async with Console(store, Clock(NOW + 60)).operator() as browser:
            return (await browser.get(f"/console/api/v1/events/{key}.json")).json()

    of_the_page = asyncio.run(with_store(tmp_path, twin))
    code, out, err = run("events", "show", key, "--json")
    assert code == 0, err
    assert shape(json.loads(out)) == shape(of_the_page)
    assert {**json.loads(out), "age": 0, "next": ""} == {**of_the_page, "age": 0, "next": ""}


@pytest.mark.parametrize(
    ("written", "environ", "href"),
    [
        ("url: ${PORTAL_URL}", {"PORTAL_URL": "https://acme.bitrix24.de/"}, "https://acme.bitrix24.de/crm/deal/details/41/"),
        ("url: https://${PORTAL}.bitrix24.de", {"PORTAL": "acme"}, "https://acme.bitrix24.de/crm/deal/details/41/"),
        ("url: ${PORTAL_URL}", {"PORTAL_URL": ""}, None),
        ("url: ${PORTAL_URL}", {"PORTAL_URL": "sm://portal"}, None),
    ],
)  # fmt: skip
def test_card_is_where_the_environment_says_that_its_portal_is(
    run: Run, monkeypatch: pytest.MonkeyPatch, written: str, environ: dict[str, str], href: str | None
) -> None:
    """No secret is needed to know it; an address that is not known is no address."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    Path("rules.yaml").write_text(RULES.replace("url: https://acme.bitrix24.com", written), "utf-8")
    code, out, err = run("events", "show", "pbx:badged", "--json")
    assert code == 0, err
    assert [card["href"] for card in json.loads(out)["cards"]] == [href]
