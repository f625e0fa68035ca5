"""`badge-bridge sign`: sample deliveries that a running bridge accepts, and clear words where there can be none."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from httpx import ASGITransport
from typer.testing import CliRunner

from badge_bridge import signing
from badge_bridge.cli import app
from badge_bridge.errors import BridgeError
from badge_bridge.rulesfile import RulesFile, load
from badge_bridge.server import create_app
from badge_bridge.signing import SampleNotSent, as_curl, samples, send, url_of
from badge_bridge.sources import OPTIONS
from badge_bridge.sources.base import NoSample, SampleCall
from support.company import RULES, open_company
from support.portals import run_virtually, virtual_clock

PHONES = RULES.replace(
    "sources:\n",
    'sources:\n  phones: {provider: zoom, secrets: ["${PBX_TOKEN}"]}\n'
    '  office: {provider: mango, secrets: ["${OFFICE}"]}\n',
    1,
)
ENVIRON = {"CLIENT_SECRET": "c", "PBX_TOKEN": "a-token-0123456789", "OFFICE": "key0123456789:salt0123456789"}


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(PHONES)
    return path


def loaded(path: Path) -> RulesFile:
    return load(str(path), providers=OPTIONS, environ=ENVIRON)


def call(now: float) -> SampleCall:
    return SampleCall(id="abc", outcome="missed", at=now - 25, now=now)


def test_samples_are_sent_to_a_bridge_that_takes_them() -> None:
    """What is sent is stored and judged, also where the provider adds to the path; a second time it is a duplicate."""

    async def story() -> None:
        async with open_company(rules=PHONES, environ={"OFFICE": ENVIRON["OFFICE"]}) as company:
            transport = ASGITransport(create_app(company.bridge))
            for source in ("phones", "office"):
                for _ in range(2):
                    deliveries = samples(company.bridge.rules, source, call(virtual_clock()))
                    answers = await send("http://127.0.0.1:8080", source, deliveries, transport=transport)
                    assert [status for status, _ in answers] == [200] * len(deliveries)
            judged = [event for event in await company.ended() if event.event.leg is None]
            assert [(event.event.source, event.event.type) for event in judged] == [
                ("phones", "call.missed"),
                ("office", "call.missed"),
            ]

    run_virtually(story())


def test_path_that_a_provider_adds_is_for_such_providers_only() -> None:
    """`/hooks/<name>/<more>` is no second name for every source."""

    async def story() -> None:
        async with open_company(rules=PHONES, environ={"OFFICE": ENVIRON["OFFICE"]}) as company:
            transport = ASGITransport(create_app(company.bridge))
            (first, *_) = samples(company.bridge.rules, "phones", call(virtual_clock()))
            answers = await send("http://x", "phones/events", [first], transport=transport)
            assert [status for status, _ in answers] == [404]

    run_virtually(story())


def test_curl_command_carries_the_whole_delivery(rules_file: Path) -> None:
    """A shell reads method, headers, body and address out of it as they are."""
    (delivery,) = samples(loaded(rules_file), "office", call(1_763_778_600.0))
    words = shlex.split(as_curl("https://bridge.example.com/", "office", delivery))
    assert words[0] == "curl"
    assert words[-1] == "https://bridge.example.com/hooks/office/events/summary"
    assert words[words.index("--data-binary") + 1].encode() == delivery.body
    assert [f"{name}: {value}" for name, value in delivery.headers] == [
        words[index + 1] for index, word in enumerate(words) if word == "--header"
    ]


def test_source_that_is_not_there_or_cannot_be_signed_for_is_named(rules_file: Path) -> None:
    """The error says what there is, or why there is nothing."""
    with pytest.raises(SampleNotSent, match="phones, office, pbx"):
        samples(loaded(rules_file), "nothing", call(0.0))
    with pytest.raises(NoSample, match="source pbx"):
        samples(loaded(rules_file), "pbx", call(0.0))


async def test_bridge_that_is_not_running_is_told(rules_file: Path) -> None:
    """Nobody has to read a traceback to learn that serve is not running."""
    deliveries = samples(loaded(rules_file), "office", call(0.0))
    with pytest.raises(SampleNotSent, match="serve` running there"):
        await send("http://127.0.0.1:1", "office", deliveries)


def test_command_prints_curl_or_json_and_fails_where_it_cannot(
    rules_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One command a line; with --json the parts of each delivery; an error of ours for what cannot be signed."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    runner = CliRunner()
    rules = ["--rules", str(rules_file)]
    printed = runner.invoke(app, ["sign", "phones", *rules, "--outcome", "answered"])
    assert printed.exit_code == 0
    lines = printed.stdout.splitlines()
    assert len(lines) > 1
    assert all(line.startswith("curl ") for line in lines)
    parts = json.loads(runner.invoke(app, ["sign", "phones", *rules, "--json"]).stdout)
    assert {"method", "url", "headers", "body"} == parts[0].keys()
    failed = runner.invoke(app, ["sign", "pbx", *rules])
    assert isinstance(failed.exception, BridgeError)


def test_address_is_put_together_with_path_and_query(rules_file: Path) -> None:
    """A slash at the end of the bridge's address makes no difference."""
    (delivery,) = samples(loaded(rules_file), "office", call(0.0))
    assert url_of("http://h/", "office", delivery) == url_of("http://h", "office", delivery)
    assert signing.RINGING > 0
