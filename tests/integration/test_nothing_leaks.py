"""Secrets and phone numbers are planted everywhere in a running installation, and looked for in all that comes out."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from badge_bridge.body_budget import BodyBudget
from badge_bridge.bridge import open_bridge
from badge_bridge.observability import logs
from badge_bridge.observability.logs import LogFormat
from badge_bridge.rulesfile import RulesFile, parse
from badge_bridge.server import Served, create_app
from badge_bridge.serving import Server, bind
from badge_bridge.sources import OPTIONS
from badge_bridge.sources.base import Delivery
from badge_bridge.store import opened_store
from badge_bridge.store.memory import MemoryStore
from support.commands import commands
from support.leak_places import COMMANDS, CONSOLE, LIST, PAGES, STARTS, TRY, odd_requests
from support.leak_run import Installation, installation
from support.operators import entrance
from support.planted import NUMBERS, NUMBERS_IN_A_TEXT
from support.programs import Program, functions_framework

pytestmark = pytest.mark.slow

JUDGED = ("twilio", "zadarma", "vonage", "plivo", "pbx", "form", "shop")
"""Sources whose missed calls are waited for."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path) as site:
        yield site


def send_everything(site: Installation, url: str) -> None:
    """Genuine deliveries of all sources, all that is odd, and an event for each mood of a portal."""
    for source, delivery in site.calls():
        assert site.deliver(url, source, delivery, f"answer to {source}") < 300, source
    for place, request in odd_requests(site.planted).items():
        site.request(url, f"answer to a request with {place}", request)
    for number in NUMBERS:
        for kind in ("odd.condition", "odd.owner", "odd.one"):
            assert site.request(url, f"{kind} {number}", site.event(kind, number)) == 204
    for mood in (*site.parrots, "closed"):
        assert site.request(url, f"answer to an event for {mood}", site.event(f"mood.{mood}", "with a plus")) == 204
    for page in PAGES:
        site.request(url, page, ("GET", page, {}, b""))


def all_is_logged(site: Installation, log: Program) -> None:
    """Wait until there is a line about each of them."""
    for mood in (*site.parrots, "closed"):
        log.find(rf"mood\.{mood} -> ")
    for source in JUDGED:
        log.find(rf"{source}:[0-9a-f]+ call\.missed -> ")
    for kind in ("odd.condition", "odd.owner", "odd.one"):
        log.find(rf"{kind} -> ")


def use_commands(site: Installation) -> None:
    """Every command that an operator may use beside it."""
    method, path, headers, body = site.event("mood.refuses", "with a plus")
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    written = "\r\n".join(lines) + "\r\n\r\n" + body.decode()
    (site.folder / "delivery.http").write_text(written)
    (site.folder / "refused.http").write_text(written.replace(site.planted.secrets["secret of pbx"], "wrong"))
    (site.folder / "broken.http").write_text(written.replace(" HTTP/1.1\r\n", f" {NUMBERS_IN_A_TEXT}\r\n"))
    (event,) = json.loads(site.run("events", "list", "--type", "mood.refuses", "--json").stdout)
    for place, (arguments, numbers_too) in COMMANDS.items():
        done = site.run(*(argument.replace("{key}", event["key"]) for argument in arguments))
        assert done.stdout + done.stderr, place
        assert "Traceback" not in done.stderr, place
        site.show(f"command: {place}", done.stdout + done.stderr, numbers_too=numbers_too)


def look(site: Installation, url: str, log: Program) -> None:
    """Do all that can be done to a bridge."""
    site.let_in(url)
    send_everything(site, url)
    all_is_logged(site, log)
    # Believed, so it was made with this key; and then the parrot refuses the code.
    assert site.come_back(url) == 502
    # Nobody listens at that portal who could have heard them; the log has a line about it.
    site.planted.used |= {"encryption key", "webhook closed", "webhook url closed"}


def look_as_operator(site: Installation, log: Program) -> None:
    """See every page of the listener for operators, and the console with a session, where an operator reads numbers."""
    admin = log.find(r"operators find \S.* at (http://127\.0\.0\.1:\d+)")[1]
    for page in PAGES:
        status = site.request(admin, f"for operators: {page}", ("GET", page, {}, b""))
        assert status == 200 or page not in {"/metrics", "/livez", "/readyz"}, page
    with httpx.Client(trust_env=False, timeout=30) as browser:
        assert browser.post(**entrance(site.run("console").stdout.strip())).status_code == 303
        for page in CONSOLE:
            answer = browser.get(f"{admin}{page}")
            assert answer.status_code == (400 if "phone=1" in page else 200), page
            site.show(f"with a session: {page}", f"{answer.headers}\n{answer.text}", numbers_too=False)
        for source in browser.get(f"{admin}{TRY}").json()["sources"]:
            tried = browser.get(f"{admin}{TRY}", params={"sample": f"missed {source['source']}"})
            assert tried.status_code == 200
            site.show(f"a try of {source['source']}", tried.text, numbers_too=False)
        events = browser.get(f"{admin}{LIST}?limit=1000").json()["events"]
        told = [browser.get(f"{admin}/console/api/v1/events/{event['key']}.json").json() for event in events]
        site.show("with a session: every event", "\n".join(map(json.dumps, told)), numbers_too=False)
        asked = [one for event in told for attempt in event["history"] for one in attempt["asked"]]
        assert any(one["about"].startswith("of the phone ") for one in asked)
        assert any(one["answer"] != "ok" and one["said"] for one in asked)
        event = events[0]
        for page in (f"/console/api/v1/events/{event['key']}.json", f"/console/events/{event['key']}"):
            one = browser.get(f"{admin}{page}")
            assert event["key"] in one.text
            site.show("with a session: an event", one.text, numbers_too=False)


def ended(site: Installation, log: Program) -> None:
    log.stop()
    site.overhear()
    site.show("log", log.drain())


@pytest.mark.parametrize("log_format", ["console", "json", "gcp"])
def test_nothing_planted_comes_out_of_serve(site: Installation, log_format: str) -> None:
    """Neither in an answer, nor on a page, nor in a log that tells everything, nor in what commands print or is kept."""
    with site.serve(LOG_FORMAT=log_format, LOG_LEVEL="DEBUG") as (log, url):
        look(site, url, log)
        look_as_operator(site, log)
        if log_format == "json":
            use_commands(site)
        ended(site, log)
    for file in site.folder.glob("badge-bridge.db*"):
        site.show(file.name, file.read_bytes().decode("latin-1"), numbers_too=False)
    assert site.leaks() == []
    assert site.planted.unused == set()


def test_nothing_planted_comes_out_of_a_function(site: Installation) -> None:
    """The same under Google's framework, whose server and log are others."""
    environ = {**site.environ, "LOG_FORMAT": "gcp", "LOG_LEVEL": "DEBUG", "STATE": "sqlite:///badge-bridge.db"}
    with functions_framework(site.folder, "", rules=site.rules, env=environ) as (log, url):
        look(site, url, log)
        ended(site, log)
    assert site.leaks() == []
    assert site.planted.unused == set()


def test_phone_numbers_are_found_where_they_are_shown(site: Installation) -> None:
    """With the setting that shows them they are in the log, and nowhere else: so there is something to be found."""
    with site.serve(LOG_FORMAT="json", SHOW_PHONE_NUMBERS="yes") as (log, url):
        look(site, url, log)
        look_as_operator(site, log)
        ended(site, log)
    assert {place for place, _, _ in site.leaks()} == {"log"}
    assert set(NUMBERS) <= {name for _, found, _ in site.leaks() for name in found}


@pytest.mark.parametrize("command", ["check", "doctor", "serve"])
def test_nothing_planted_comes_out_of_a_bridge_that_does_not_start(
    site: Installation, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake in the rules file or in the environment is told without what is written there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        # The port is taken, so that a serve ends even where a mistake does not end it.
        options = ["--port", str(taken.getsockname()[1])] if command == "serve" else []
        for place, broken in STARTS.items():
            rules, environ = broken(site.rules, site.environ)
            (site.folder / "rules.yaml").write_text(rules, "utf-8")
            with commands(monkeypatch, capsys, site.folder, environ) as run:
                code, out, err = run(command, *options)
            assert code or (command == "check" and place in NO_MISTAKE), place
            assert out + err, place
            site.show(f"{command} with {place}", out + err)
    assert site.leaks() == []


NO_MISTAKE = ("encryption key missing", "store with a password", "store that is a secret", "proxy with a password")
"""What only a bridge that starts finds out, and no check of a rules file."""


class Crashing:
    """A front whose every delivery meets a mistake of ours, and a portal whose library fails, both saying all they know."""

    def __init__(self) -> None:
        self.accepting = self
        self.installers: dict[str, Any] = {}
        self.bodies = BodyBudget()
        self.store = MemoryStore()
        self.max_body = 1_000_000

    @staticmethod
    def clock() -> float:
        return time.time()

    def source(self, *_: str) -> Crashing:
        return self

    async def accept(self, _source: object, delivery: Delivery) -> None:
        try:
            raise KeyError(delivery.body.decode(), dict(delivery.headers))  # noqa: TRY301 - the cause is planted too
        except KeyError as error:
            error.add_note(f"while at {delivery.query}")
            raise RuntimeError(repr(delivery)) from error


def whole_request(request: httpx.Request) -> str:
    return f"{request.method} {request.url} {request.headers!r} {request.content!r}"


FAILURES: Mapping[str, Callable[[httpx.Request], Exception]] = {
    "a mistake": lambda request: RuntimeError(whole_request(request)),
    "no connection": lambda request: httpx.ConnectError(whole_request(request), request=request),
    "too slow": lambda request: httpx.ReadTimeout(whole_request(request), request=request),
    "no HTTP": lambda request: httpx.RemoteProtocolError(whole_request(request), request=request),
}
"""How a library may fail towards a portal; each error says all that was sent."""


@pytest.mark.parametrize("log_format", ["console", "json", "gcp"])
async def test_nothing_planted_comes_out_of_a_crash(site: Installation, log_format: LogFormat) -> None:
    """A traceback is in the log, with causes and notes, and without what the errors repeat; the sender hears nothing."""
    stream = io.StringIO()
    rules = parse(site.rules, providers=OPTIONS, environ=site.environ)
    logs.configure(log_format, "DEBUG", stream=stream, secrets=rules.secrets)
    try:
        async with Server(create_app(cast("Served", Crashing())), bind("127.0.0.1", 0)) as server:
            for number in NUMBERS:
                request = site.event("mood.refuses", number)
                assert await asyncio.to_thread(site.request, server.url, "crash", request) == 500
        assert stream.getvalue().count("KeyError") >= len(NUMBERS)
        for failure in FAILURES.values():
            await _portal_crash(rules, site, failure)
        assert "failed unexpectedly" in stream.getvalue()
    finally:
        logs.restore()
    site.show("log", stream.getvalue())
    assert site.leaks() == []


async def _portal_crash(rules: RulesFile, site: Installation, failure: Callable[[httpx.Request], Exception]) -> None:
    """Let one event meet this failure at all portals of the rules file."""
    heard: list[str] = []

    def fail(request: httpx.Request) -> httpx.Response:
        heard.append(whole_request(request))
        raise failure(request)

    async with (
        opened_store("memory:") as store,
        open_bridge(
            rules,
            store,
            concurrency=4,
            keys=[site.environ["ENCRYPTION_KEY"]],
            transport=httpx.MockTransport(fail),
            at_work=False,
        ) as bridge,
    ):
        for mood in site.parrots:
            method, _, headers, body = site.event(f"mood.{mood}", "with a plus")
            sent = [(name.lower(), value) for name, value in headers.items()]
            source = bridge.accepting.source("pbx", method)
            await bridge.accepting.accept(source, Delivery(method, "", sent, body, time.time()))
        await asyncio.gather(*map(bridge.pipeline.process, await bridge.pipeline.sweep(100)))
        for event in (await store.list(limit=100)).events:
            site.show("stored event", repr(event.outcomes), numbers_too=False)
    assert len(heard) >= len(site.parrots)
    for said in heard:
        site.planted.note(said)
