"""What `serve` says when it has started: about what works, and about what is missing with what to do."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from rich.console import Console

from badge_bridge import __version__
from badge_bridge.bridge import open_bridge
from badge_bridge.portal.oauth import new_key
from badge_bridge.rulesfile import parse
from badge_bridge.sources import OPTIONS
from badge_bridge.startup import Missing, Startup, started
from badge_bridge.store import opened_store
from badge_bridge.terminal_startup import MOST, print_startup
from support.company import open_company
from support.deliveries import RULES, environ
from support.portals import run_virtually
from support.stores import NOW, item

URL = "http://127.0.0.1:8080"
HEAD = """
portals:
  main:
    url: https://acme.bitrix24.com
    oauth: {client_id: local.1, client_secret: "${TWILIO_TOKEN}"}
  trial:
    url: https://trial.bitrix24.com
    oauth: {access_token: "${TWILIO_TOKEN}"}
sources:
  reception: {provider: twilio, portal: main, secrets: ["${TWILIO_TOKEN}"], public_url: https://b.example.com/hooks/reception}
  office: {provider: zadarma, portal: main, secrets: ["${ZADARMA_SECRET}"]}
  spare: {provider: zadarma, portal: trial, secrets: ["${ZADARMA_SECRET}"]}
badges:
  missed: {title: t, value: v, type: failure}
"""
CLEARED = (
    HEAD
    + """
rules:
  - {name: missed, on: call.missed, source: reception, badge: missed, attach: {}, clear: {}}
retention: {events: 30 days}
"""
)


async def said(text: str, *, console: str = "", ensures: bool = False, **more: Any) -> Startup:
    """What is said about a bridge with one event that waits."""
    rules = parse(text, providers=OPTIONS, environ=environ("http://127.0.0.1:9/rest/1/secretsecret/"))
    async with (
        opened_store("memory:") as store,
        open_bridge(rules, store, concurrency=1, keys=[new_key()], at_work=False) as bridge,
    ):
        await store.accept([item("s:1")])
        return await started(bridge, url=URL, state="memory:", console=console, ensures=ensures, **more)


async def test_sources_are_told_with_what_to_enter_at_the_provider() -> None:
    """The public address where the file has it, else the one on this machine."""
    found = await said(CLEARED)
    assert [(one.name, one.provider, one.url, one.is_public) for one in found.sources] == [
        ("reception", "twilio", "https://b.example.com/hooks/reception", True),
        ("office", "zadarma", f"{URL}/hooks/office", False),
        ("spare", "zadarma", f"{URL}/hooks/spare", False),
    ]


async def test_rules_and_portals_are_told() -> None:
    """Where each rule puts which badge, and how each portal is reached."""
    found = await said(CLEARED)
    assert [(one.name, one.badge, one.portals) for one in found.rules] == [("missed", "bb_missed", ("main",))]
    assert [(one.name, one.how) for one in found.portals] == [
        ("main", "by application, which is not authorised"),
        ("trial", "by access token"),
    ]
    by_webhook = await said(RULES)
    assert [one.how for one in by_webhook.portals] == ["by webhook, for badges only"]
    assert (found.version, found.retention, by_webhook.retention) == (
        __version__,
        "30 days after their end",
        "for ever",
    )
    assert found.backlog is not None
    assert sum(found.backlog.waiting.values()) == 1


async def test_missing_is_told_with_what_to_do() -> None:
    """An application that is not let in, a token that will expire, a source that is for nothing."""
    found = {one.what.partition(":")[0]: one.todo for one in (await said(CLEARED)).missing}
    assert list(found) == [
        "the application is not let into portal main, so no badge gets there",
        "the access token of portal trial lasts an hour, and nothing refreshes it",
        "no rule uses source spare",
    ]
    assert (
        "`badge-bridge authorize main`" in found["the application is not let into portal main, so no badge gets there"]
    )


async def test_nothing_is_missing_when_all_is_there() -> None:
    """A source whose events only clear is used, as is every source where a rule names none."""
    assert (await said(RULES)).missing == (await said(RULES, ensures=True)).missing == ()
    metrics = await said(RULES, ensures=True, tells_metrics=True)
    assert metrics.missing == (
        Missing("/metrics is told to whoever reaches the deliveries", "set METRICS_TOKEN, or ADMIN"),
    )


async def test_when_badges_are_looked_at_is_told_and_no_trouble() -> None:
    """Nothing is known of them before the portal is asked, and one that is missing is added then."""
    at_first = "A badge is looked at with the first event that needs it, and added where it is missing; "
    assert (await said(RULES)).badges == f"{at_first}`badge-bridge sync` looks at once."
    assert (await said(RULES, ensures=True)).badges == "Their badges are looked at now; one that is missing is added."


async def test_warnings_about_the_rules_are_counted_when_there_are_some() -> None:
    """With the command that tells them."""
    assert (await said(RULES, ensures=True, warnings=2)).missing == (
        Missing("rules.yaml has 2 warnings about what is probably not meant", "see `badge-bridge check rules.yaml`"),
    )


def test_application_is_told_as_authorised_when_it_is_installed() -> None:
    """As the portal's keyring knows."""

    async def story() -> None:
        async with open_company() as company:
            found = await started(company.bridge, url=URL, state="memory:", console="", ensures=True)
            assert [one.how for one in found.portals] == ["by application, which is authorised"]
            assert found.missing == ()

    run_virtually(story())


def test_block_for_a_terminal_has_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Each thing on its line, with the link into the console and what to do about what is missing."""
    found = asyncio.run(said(CLEARED, console="http://127.0.0.1:8081"))
    print_startup(found, link="http://127.0.0.1:8081/console/enter?ticket=abc", now=NOW + 90)
    screen = capsys.readouterr().out
    for line in (
        f"Badge Bridge {__version__} takes deliveries at {URL}",
        "reception  twilio   https://b.example.com/hooks/reception",
        "missed  bb_missed  main",
        "main   https://acme.bitrix24.com   by application, which is not authorised",
        "1 event waits, the oldest received 90 s ago.",
        "Events are kept 30 days after their end.",
        "http://127.0.0.1:8081/console/enter?ticket=abc",
        "  A badge is looked at with the first event that needs it, and added where it is missing; `badge-bridge sync`",
        "! no rule uses source spare: its events are stored and ignored",
        "→ an administrator of the portal opens the link that `badge-bridge authorize main` prints",
    ):
        assert line in screen


@pytest.mark.parametrize("width", [20, 50, 66, 80])
def test_urls_are_whole_when_the_terminal_is_narrow(width: int) -> None:
    """They are to be copied, so nothing of ours breaks them, nor writes beside them what has no room."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=True, color_system=None, highlight=False, soft_wrap=True)
    print_startup(asyncio.run(said(CLEARED)), link="", console=console)
    lines = [line.strip() for line in stream.getvalue().splitlines()]
    urls = ("https://b.example.com/hooks/reception", "http://127.0.0.1:8080/hooks/office", "https://acme.bitrix24.com")
    for url in urls:
        assert any(url in line for line in lines), url
        assert all(len(line) <= width - 2 or line == url for line in lines if line.endswith(url))


def test_block_for_a_terminal_stays_short_when_there_are_many_rules(capsys: pytest.CaptureFixture[str]) -> None:
    """The rest is counted. What a file says cannot steer the terminal."""
    many = "".join(f"  - {{name: 'r{n}', on: call.missed, badge: missed, portal: main}}\n" for n in range(MOST + 5))
    evil = many.replace("'r0'", '"\\e[31m[bold]red"')
    print_startup(asyncio.run(said(f"{HEAD}rules:\n{evil}")), link="")
    screen = capsys.readouterr().out
    assert "  and 5 more\n" in screen
    assert f"r{MOST}" not in screen
    assert "?[31m[bold]red" in screen
