"""`badge-bridge demo`: the first thing a new user sees."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from badge_bridge.demo import play
from badge_bridge.demo.stage import Stage, open_stage
from badge_bridge.sandbox.faults import FaultOrder
from badge_bridge.sandbox.portal import SandboxPortal
from support.operators import entrance
from support.programs import ROOT, badge_bridge, program


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


def told(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def fault(method: str, kind: str) -> Callable[[SandboxPortal], None]:
    return lambda portal: portal.faults.add(FaultOrder(method=method, fault=kind, times=1000))


async def test_demo_tells_every_step_when_all_goes_well() -> None:
    """The story ends well, with each step that a user is promised and no step that differed."""
    console = quiet()
    assert await play(once=True, console=console)
    text = told(console)
    steps = [
        "4 events bound",
        "received: answered with 200",
        "verified: hmac-sha1",
        "rule matched: missed call",
        "crm.activity.badge.get -> NOT_FOUND",
        "crm.activity.badge.add -> ok",
        "crm.activity.configurable.add -> ok",
        "her card on the kanban shows it",
        "done",
        "only the card was added to",
        "refused with 401",
        "recognised: still one event",
        "the badge is gone from her card",
    ]
    positions = [text.find(step) for step in steps]
    assert -1 not in positions
    assert positions == sorted(positions)
    assert "✗" not in text


@pytest.mark.parametrize(
    ("broken", "seen"),
    [
        (fault("crm.activity.badge.add", "ACCESS_DENIED"), "✗ portal asked: crm.activity.badge.add -> ok"),
        (fault("crm.activity.badge.get", "html"), "✗ portal asked: crm.activity.badge.get -> NOT_FOUND"),
        (lambda portal: portal.reseed(with_badge(portal)), "✗ portal asked: crm.activity.badge.get -> NOT_FOUND"),
        (fault("crm.activity.configurable.add", "ACCESS_DENIED"), "✗ her card on the kanban shows it"),
        (fault("crm.activity.configurable.update", "ACCESS_DENIED"), "✗ the badge is gone from her card"),
        (fault("event.bind", "ACCESS_DENIED"), "✗ the portal sends its calls from now on"),
        (fault("app.info", "NO_AUTH_FOUND"), "✗ answered with 401"),
    ],
    ids=[
        "the badge cannot be added",
        "the get answers html",
        "the badge is there already",
        "the card cannot be added to",
        "the activity cannot be completed",
        "no event can be bound",
        "the token is not good",
    ],
)
async def test_demo_fails_when_one_step_is_broken(broken: Callable[[SandboxPortal], None], seen: str) -> None:
    """A step that goes otherwise is printed as such, with what was seen, and the demo does not claim success."""
    console = quiet()
    assert not await play(once=True, console=console, opening=open_stage(broken))
    text = told(console)
    assert seen in text
    assert "NOT everything went as it should" in text


@asynccontextmanager
async def stage_with_a_wrong_token() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield replace(stage, twilio_token="not the auth token")


async def test_demo_fails_when_the_first_delivery_is_refused() -> None:
    """A story whose first event is never stored goes on, says what it saw, and does not claim success."""
    console = quiet()
    assert not await play(once=True, console=console, opening=stage_with_a_wrong_token())
    text = told(console)
    assert "✗ received: answered with 401, and the event was not stored" in text
    assert "NOT everything went as it should" in text
    assert "All of it is gone now." in text


def with_badge(portal: SandboxPortal) -> object:
    seed = portal.seed.model_dump()
    seed["badges"] = [{"code": "bb_missedCall", "title": "Call status", "value": "Missed", "type": "failure"}]
    return type(portal.seed).model_validate(seed)


@pytest.mark.slow
def test_demo_says_how_to_get_another_link_into_its_console(tmp_path: Path) -> None:
    """The link that it prints is good for some minutes and once; the command that it prints beside it prints more."""
    with program(badge_bridge("demo"), env={}) as running:
        command = running.find(r"another link +(.+ console --state \S+)\n")[1]
        # As it is pasted into another terminal, which is in another folder and may have no environment of Python.
        pasted = ["bash", "-c", command]
        link = subprocess.run(pasted, capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path)
        with httpx.Client(trust_env=False, follow_redirects=True) as browser:
            page = browser.post(**entrance(link.stdout.strip()))
        assert (page.status_code, "End session" in page.text) == (200, True)


@pytest.mark.slow
def test_readme_shows_the_demo_as_it_is() -> None:
    """What is in the README is all that is printed, but for keys, ports, paths and times."""
    with program(badge_bridge("demo"), env={}) as running:
        running.find("Ctrl-C ends them")
        printed = running.output
    shown, *_ = re.findall(
        r"```text\n(.*?)```", (ROOT / "README.md").read_text("utf-8").partition("## Two commands")[2], re.DOTALL
    )
    assert without_chance(shown) == without_chance(printed)


def without_chance(text: str) -> str:
    for pattern in (
        r":[0-9a-f]{32}",
        r"127\.0\.0\.1:\d+",
        r"\d+ ms",
        r"\d+\.\d s",
        r"ticket=[^,]+",
        r"\S+ console --state \S+",
    ):
        text = re.sub(pattern, "*", text)
    return text.strip()


@pytest.mark.slow
def test_demo_command_exits_with_0_when_run_once() -> None:
    """The command itself runs the story and ends."""
    done = subprocess.run(
        [sys.executable, "-m", "badge_bridge.cli", "demo", "--once"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything went as it should" in done.stdout
