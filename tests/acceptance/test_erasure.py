"""A person is erased from a bridge that is running: no byte is left, and his old call comes to nothing for ever."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from badge_bridge.sandbox.seed import ADMINISTRATOR_TOKEN
from badge_bridge.store.protocol import Store
from badge_bridge.store.sqlite import SqliteStore
from support.deliveries import PBX_TOKEN, Sent
from support.programs import badge_bridge, program, sandbox, send, serve, until
from support.stores import claimed, ended, item

pytestmark = pytest.mark.slow

PERSON, OTHER = "+493023125001", "+442079460100"
"""Two customers of the sandbox."""
WRITTEN = re.compile(rb"(?<![0-9])(?:49|0)[ /().-]*30[ /().-]*23125001(?![0-9])")
RULES = f"""
portals:
  main: {{url: PORTAL, oauth: {{access_token: "{"${WEBHOOK}"}"}}}}
sources:
  pbx:
    provider: generic
    verify: {{scheme: hmac, header: X-Signature}}
    secrets: ["{"${PBX_TOKEN}"}"]
    country: DE
    event: {{type: body.type, id: body.id, caller: body.from}}
badges:
  missed: {{title: Call, value: Missed, type: failure}}
rules:
  - {{name: missed, on: call.missed, badge: missed, attach: {{}}, clear: {{}}}}
retention: {{events: 30 days}}
"""


def call(number: str, name: str) -> Sent:
    """A missed call as a sender tells of it who signs no time."""
    body = json.dumps({"type": "call.missed", "id": name, "from": number, "note": "030/23125001 called"}).encode()
    if number != PERSON:
        body = body.replace(b"030/23125001", b"somebody")
    signature = hmac.new(PBX_TOKEN.encode(), body, hashlib.sha256).hexdigest()
    return Sent("/hooks/pbx", body, {"Content-Type": "application/json", "X-Signature": signature})


def activities(portal: str) -> list[Any]:
    """Those that our bridge has added."""
    state = httpx.get(f"{portal}/_sandbox/state", trust_env=False).json()
    return [one for one in state["activities"] if "bb_missed" in json.dumps(one)]


def command(folder: Path, *arguments: str) -> tuple[int, str]:
    """A command beside the bridge: its exit code and what it printed."""
    env = {"STATE": f"sqlite:///{folder / 'state.db'}", "RULES": str(folder / "rules.yaml")}
    secrets = {"WEBHOOK": ADMINISTRATOR_TOKEN, "PBX_TOKEN": PBX_TOKEN}
    with program(badge_bridge(*arguments), env={**env, **secrets}) as running:
        code = running.process.wait(60)
        return code, running.drain()


def states(folder: Path) -> list[str]:
    return sorted(row["state"] for row in json.loads(command(folder, "events", "list", "--json")[1]))


def files_with_the_number(folder: Path) -> Sequence[str]:
    return [path.name for path in sorted(folder.iterdir()) if WRITTEN.search(path.read_bytes())]


def test_person_is_erased_from_a_running_bridge(tmp_path: Path) -> None:
    """His calls are in no file any more and those of others are; an old capture is a duplicate and no second activity
    comes of it, then and after a restart.
    """
    capture = call(PERSON, "one")
    with sandbox() as (portal, _):
        rules = RULES.replace("PORTAL", portal)
        given = {"webhook": ADMINISTRATOR_TOKEN, "rules": rules}
        with serve(tmp_path, **given) as (running, url):
            for sent in (capture, call(PERSON, "two"), call(OTHER, "three")):
                assert send(url, sent).status_code == 204
            until(lambda: states(tmp_path) == ["done"] * 3, what="three badges")
            assert len(activities(portal)) == 3
            assert files_with_the_number(tmp_path)

            code, said = command(tmp_path, "erase", PERSON, "--yes")

            assert (code, "nothing of it is left" in said) == (0, True), said
            assert files_with_the_number(tmp_path) == []
            assert states(tmp_path) == ["done"]
            assert send(url, capture).status_code == 204
            running.find(r'"result": ?"duplicate"')
            assert running.stop() == 0
        with serve(tmp_path, **given) as (running, url):
            assert send(url, capture).status_code == 204
            running.find(r'"result": ?"duplicate"')
            assert send(url, call(OTHER, "four")).status_code == 204
            until(lambda: states(tmp_path) == ["done"] * 2, what="a bridge that goes on")
        assert len(activities(portal)) == 4
        assert files_with_the_number(tmp_path) == []


async def test_running_bridge_deletes_what_is_kept_long_enough(tmp_path: Path) -> None:
    """By itself, with one line in the log; what has not ended and what ended later stays."""
    now = time.time()
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    await fill(store, now)
    await store.close()
    with (
        sandbox() as (portal, _),
        serve(tmp_path, ADMINISTRATOR_TOKEN, rules=RULES.replace("PORTAL", portal)) as (running, _url),
    ):
        running.find("retention: deleted 250 events")
        rows = json.loads(command(tmp_path, "events", "list", "--json")[1])
        assert [row["key"] for row in rows] == ["pbx:new"]
        code, said = command(tmp_path, "erase", PERSON, "--yes")
        assert (code, said.startswith(f"{PERSON}: erased nothing")) == (0, True), said


async def fill(store: Store, now: float) -> None:
    old = now - 31 * 86_400
    batch = [item(f"pbx:{number}", caller=PERSON, joins=(PERSON,), received_at=old) for number in range(250)]
    await store.accept([*batch, item("pbx:new", received_at=now)])
    for key, at in [*((one.key, old) for one in batch), ("pbx:new", now)]:
        await store.settle(await claimed(store, key, now=at), ended(ended_at=at))
