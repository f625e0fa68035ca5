"""`badge-bridge explain`: what would become of a delivery, what became of an event, and which part of a rule decided."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from badge_bridge import cli
from badge_bridge.delivery_files import parse, record
from badge_bridge.explain import explain_deliveries, explain_stored
from badge_bridge.explain_json import as_json
from badge_bridge.on_cards import on_cards
from badge_bridge.rulesfile import RulesFile
from badge_bridge.rulesfile import parse as parse_rules
from badge_bridge.signing import made_up, samples
from badge_bridge.sources import OPTIONS, build, build_all
from badge_bridge.sources.base import Delivery, SourceOptions
from badge_bridge.store import open_store
from badge_bridge.store.protocol import Accepted, Settlement, StoredEvent
from badge_bridge.terminal import card_line
from support.commands import Run, commands
from support.company import RULES as COMPANY
from support.company import Company, number_of, open_company
from support.every_source import NEVER_JUDGED, OPTIONS_OF, SAMPLED
from support.portals import run_virtually, virtual_clock

RULES = """\
portals:
  main: {url: https://acme.bitrix24.com, oauth: {client_id: app.1, client_secret: "${CLIENT_SECRET}"}}
sources:
  reception:
    provider: twilio
    secrets: ["${TWILIO}"]
    public_url: https://b.example.com/hooks/reception
    country: DE
  phones: {provider: zoom, secrets: ["${ZOOM}"]}
  office: {provider: mango, secrets: ["${MANGO}"]}
badges:
  missedCall: {title: Call, value: Missed, type: failure}
rules:
  - name: missed call
    on: call.missed
    when: "!(event.caller.startsWith('+49800') || event.caller == '+4930901820')"
    badge: missedCall
    attach: {title: "Missed call from {caller}"}
    clear: {on: [call.answered]}
  - name: long
    on: call.missed
    when: |
      event.direction == 'inbound'
      && event.data.queue.name == 'sales'
    badge: missedCall
  - name: phones only
    on: [call.missed, call.busy]
    source: phones
    badge: missedCall
"""
ENVIRON = {
    "CLIENT_SECRET": "secret-0123456789",
    "TWILIO": "0123456789abcdef0123456789abcdef",
    "ZOOM": "zoom-secret-token-0123456789",
    "MANGO": "key0123456789:salt0123456789",
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    """Runs a command beside the rules file."""
    (tmp_path / "rules.yaml").write_text(RULES)
    given = {**ENVIRON, "RULES": "rules.yaml", "STATE": "sqlite:///state.db"}
    with commands(monkeypatch, capsys, tmp_path, given) as run:
        yield run


@pytest.fixture
def explain(run: Run) -> Run:
    return partial(run, "explain")


def rules() -> RulesFile:
    return parse_rules(RULES, "rules.yaml", providers=OPTIONS, environ=ENVIRON)


def sampled(source: str, *, outcome: Any = "missed", now: float | None = None, caller: str = "+4930901821") -> Delivery:
    """The last delivery of a made-up call."""
    call = made_up(outcome=outcome, now=now or time.time(), caller=caller, line="+4989654321", call="abc")
    return samples(build_all(rules().sources), source, call)[-1]


def as_request(source: str, delivery: Delivery, *, line_end: bytes = b"\r\n") -> bytes:
    """The delivery as it goes over the wire."""
    query = f"?{delivery.query}" if delivery.query else ""
    head = [f"{delivery.method} /hooks/{source}{delivery.path}{query} HTTP/1.1", "Host: b.example.com"]
    head += [f"{name}: {value}" for name, value in delivery.headers]
    return line_end.join([*(line.encode("latin-1") for line in head), b"", delivery.body])


def test_sample_is_explained_from_its_signature_to_the_card(explain: Run) -> None:
    """How it was verified, the call that it tells of, each rule with what decided, and what a rule would do."""
    code, out, _ = explain("reception", "--caller", "+49 30 901825")
    assert code == 0
    assert "verified   hmac-sha1 over url and form" in out
    assert "event call.missed judged from 1 leg" in out
    assert "✓ missed call (line 14) matched" in out
    assert "rules.yaml:16:14: event.caller.startsWith('+49800')  is false: event.caller is \"+4930901825\"" in out
    assert "puts badge missedCall (bb_missedCall) on a card: the first of deal, lead, contact, company" in out
    assert "titled Missed call from +4930901825" in out
    assert "! long (line 20) does not match: its condition cannot be evaluated" in out
    assert "rules.yaml:24:21: event.data.queue.name == 'sales'  cannot be evaluated: there is no 'queue'" not in out
    assert "there is no 'queue'" in out
    assert "there is no event.data.queue.name" in out
    assert "· phones only (line 26) is for phones, and this is from reception" in out


def test_part_that_decided_is_named_and_no_other(explain: Run) -> None:
    """Of two parts of an ||, the one that is true is the reason."""
    code, out, _ = explain("reception")
    assert code == 0
    assert "✗ missed call (line 14) not matched" in out
    said = [line.strip() for line in out.splitlines() if line.strip().startswith(("rules.yaml:16", "since"))]
    assert said == [
        "rules.yaml:16:12: !(event.caller.startsWith('+49800') || event.caller == '+4930901820')  is false",
        "since rules.yaml:16:51: event.caller == '+4930901820'  is true: event.caller is \"+4930901820\"",
    ]


def test_answered_call_is_told_what_it_clears(explain: Run) -> None:
    """A rule that is for other types is listed with what the event takes away of it."""
    code, out, _ = explain("phones", "--outcome", "answered")
    assert code == 0
    assert "event call.answered" in out
    assert "· missed call (line 14) is for call.missed, and this is call.answered" in out
    assert "takes away what this rule has put on cards before for the same: +4930901820" in out


@pytest.mark.parametrize("provider", SAMPLED)
async def test_sample_of_every_provider_is_genuine_and_judged(provider: str) -> None:
    """Whatever a provider's samples are made of, an explanation of them comes to the call that they tell of."""
    given = OPTIONS[provider].model_validate({"provider": provider, **OPTIONS_OF[provider]})
    assert isinstance(given, SourceOptions)
    source = build("s", given)
    call = made_up(outcome="missed", now=time.time(), caller="+4930901821", line="+4989654321")
    explained = await explain_deliveries(rules(), {"s": source}, [("s", one) for one in source.sample(call)])
    assert explained.genuine
    assert all(one.verified for one in explained.deliveries)
    types = {event.event.type for event in explained.events}
    assert (types == {"call.missed"}) is (provider not in NEVER_JUDGED)
    json.dumps(as_json(explained))


@pytest.mark.parametrize("provider", SAMPLED)
async def test_forged_delivery_of_any_provider_is_explained_and_not_believed(provider: str) -> None:
    """Without what proves it, a delivery is refused with the reason, and reading it all the same never fails."""
    given = OPTIONS[provider].model_validate({"provider": provider, **OPTIONS_OF[provider]})
    assert isinstance(given, SourceOptions)
    source = build("s", given)
    (first, *_) = source.sample(made_up(outcome="missed", now=time.time(), caller="+4930901821", line="+4989654321"))
    for forged in (
        replace(first, headers=[pair for pair in first.headers if pair[0] == "content-type"], body=b"{}"),
        replace(first, headers=(), body=b"", query=""),
        replace(first, body=first.body[: len(first.body) // 2]),
    ):
        explained = await explain_deliveries(rules(), {"s": source}, [("s", forged)])
        (told,) = explained.deliveries
        assert not told.verified or not {"body", "form", "fields"} & set(source.binds)
        assert told.refused or told.unreadable or told.made


def test_readme_shows_an_explanation_as_it_is(explain: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one in the README is of the rules file in the README, but for keys, hashes and times."""
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
    (shown,) = re.findall(r"```console\n\$ badge-bridge (explain .*?)```", readme, re.DOTALL)
    (first, *_) = re.findall(r"   ```yaml\n(.*?)   ```", readme, re.DOTALL)
    Path("rules.yaml").write_text(textwrap.dedent(first))
    for name in re.findall(r"\$\{(\w+)\}", first):
        monkeypatch.setenv(name, f"secret-of-{name}")
    command, _, told = shown.partition("\n")
    code, out, _ = explain(*command.split()[1:])
    assert code == 0

    def but_for_what_differs(text: str) -> str:
        text = re.sub(r"(CA|reception:|hash )[0-9a-f]+…?", r"\1…", text)
        return re.sub(r"\d{4}-\d\d-\d\d [\d:]{8}", "…", text).strip()

    assert but_for_what_differs(told) == but_for_what_differs(out)


def test_captured_request_is_read_as_it_goes_over_the_wire(explain: Run) -> None:
    """With either line end, below a proxy's own path, and with the line that an editor has added at the end."""
    delivery = sampled("office")
    Path("call.http").write_bytes(as_request("office", delivery).replace(b" /hooks", b" /telephony/hooks", 1))
    assert explain("call.http")[0] == 0
    Path("call.http").write_bytes(b"\xef\xbb\xbf\n" + as_request("office", delivery))
    assert explain("call.http")[0] == 0
    head = as_request("office", replace(delivery, method="GET", body=b"", headers=[("content-type", "text/x")]))
    for end in (b"\r\n\r\n", b"\r\n", b"\n", b""):
        ((_, read),) = parse(head.rstrip(b"\r\n") + end, at=0.0)
        assert list(read.headers) == [("host", "b.example.com"), ("content-type", "text/x")]
    with_length = replace(delivery, headers=[*delivery.headers, ("content-length", str(len(delivery.body)))])
    Path("call.http").write_bytes(as_request("office", with_length, line_end=b"\n") + b"\n")
    code, out, _ = explain("call.http")
    assert code == 0
    assert "delivery to office/events/summary" in out


def test_what_sign_prints_is_what_explain_reads() -> None:
    """A delivery survives the way through a file, bodies that are no text and repeated headers included."""
    repeated = (("x-a", "1"), ("x-a", "2"), ("content-type", "text/plain"))
    odd = Delivery("PUT", "a=%20b", repeated, b"\xff\x00", 5.0, "/events/call")
    for delivery in (sampled("office", now=5.0), odd):
        ((name, read),) = parse(json.dumps(record(delivery, _url(delivery))).encode(), at=5.0)
        assert name == "office"
        assert replace(read, headers=tuple(read.headers)) == replace(delivery, headers=tuple(delivery.headers))


def _url(delivery: Delivery) -> str:
    return f"https://h/hooks/office{delivery.path}" + (f"?{delivery.query}" if delivery.query else "")


def test_altered_delivery_is_refused_and_still_explained(explain: Run) -> None:
    """What it would have meant is told as well, and the exit code says that it would not be taken."""
    delivery = sampled("reception")
    Path("call.http").write_bytes(as_request("reception", delivery).replace(b"901821", b"901822"))
    code, out, _ = explain("call.http")
    assert code == 1
    assert "refused    401" in out
    assert "if it were genuine" in out
    assert "caller     +4930901822" in out


def test_old_delivery_is_checked_as_of_when_it_was_received(explain: Run) -> None:
    """A capture of last year is stale now, and is not as of then."""
    Path("call.http").write_bytes(as_request("phones", sampled("phones", now=1_763_778_605.0)))
    code, out, _ = explain("call.http")
    assert code == 1
    assert "refused    401" in out
    assert explain("call.http", "--at", "2025-11-22T02:30:05Z")[0] == 0
    assert explain("call.http", "--at", "soon")[0] == 2
    for moment in ("0001-01-01T00:00:00+14:00", "1969-12-31", "9999-12-31T23:59:59-14:00"):
        assert "not between 1970 and 9998" in explain("call.http", "--at", moment)[2]


def test_endpoint_check_makes_no_event(explain: Run, tmp_path: Path) -> None:
    """Zoom's challenge is recognised where it is signed."""
    body = b'{"event":"endpoint.url_validation","payload":{"plainToken":"abc"},"event_ts":1}'
    stamp = str(int(time.time()))
    signature = hmac.new(ENVIRON["ZOOM"].encode(), b"v0:%b:%b" % (stamp.encode(), body), hashlib.sha256).hexdigest()
    headers = [
        ("content-type", "application/json"),
        ("x-zm-request-timestamp", stamp),
        ("x-zm-signature", f"v0={signature}"),
    ]
    request = as_request("phones", Delivery("POST", "", headers, body, 0.0))
    (tmp_path / "check.http").write_bytes(request)
    code, out, _ = explain("check.http")
    assert code == 0
    assert "a check of the endpoint, answered with 200" in out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "there is nothing in it"),
        (b"\xef\xbb\xbf\n", "there is nothing in it"),
        (b"# nothing\n", "nor an HTTP request"),
        (b"curl", "line 1: a command has no URL"),
        (b"\n\nPOST /hooks/reception HTTP/1.1\r\nno header\r\n\r\n", "line 4 is no header"),
        (b'[{"url": "https://h/hooks/shop\\ud800"}]', "half of a surrogate pair"),
        (b'[{"url": "https://h/hooks/shop", "method": "\\ud800"}]', "half of a surrogate pair"),
        (b'[{"url": "https://h/hooks/shop", "headers": {"a": "\\ud800"}}]', "half of a surrogate pair"),
        (b'[{"url": "https://h/hooks/shop", "headers": {"\\ud800": "a"}}]', "half of a surrogate pair"),
        (b"\x00\xff\xfe", "nor an HTTP request"),
        (b"{", "begins as JSON and is none"),
        (b"[" * 100_000, "begins as JSON and is none"),
        (b"[]", "this list of deliveries is empty"),
        (b'{"CallSid": "CA1"}', "url: Field required"),
        (b"curl https://h/hooks/reception -d @body", "cannot be read: line 1: the body is in another file"),
        (b"curl https://h/elsewhere", "this one goes to /elsewhere"),
        (b" " * 5_000_000, "has more than 4,194,304 bytes"),
        (b'[{"url": "https://h/elsewhere"}]', "this one goes to /elsewhere"),
        (b'[{"url": "https://h/\\u001b]0;x\\u0007"}]', "this one goes to /?]0;x?"),
        (b'[{"url": "https://h/hooks/shop", "body": "\\ud800"}]', "half of a surrogate pair"),
        (b'[{"url": "https://h/hooks/shop", "body_base64": "!!gA=="}]', "body_base64"),
        (b'[{"url": "https://h/hooks/shop", "body_base64": "gA==", "body": "a"}]', "are both given"),
        (b'[{"url": "https://h/hooks/shop", "Body": "a"}]', "Body: Extra inputs"),
        (b"POST / HTTP/1.1\r\n\r\n", "this one goes to /"),
        (b"POST /hooks/reception HTTP/1.1\r\nno header\r\n\r\n", "line 2 is no header"),
        (b"POST /hooks/reception HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", "the rest is missing"),
        (b"POST /hooks/reception HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "in one piece"),
    ],
)
def test_file_that_is_no_delivery_gets_a_clear_word(explain: Run, content: bytes, said: str) -> None:
    """Half an upload, an empty file, a body without its headers: one line, no traceback."""
    Path("odd").write_bytes(content)
    code, _, err = explain("odd")
    assert code == 1
    assert err.startswith("badge-bridge: odd")
    assert said in err


def test_commands_that_sign_prints_are_explained(explain: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """What was made for trying can be looked at before it is sent."""
    with pytest.raises(SystemExit):
        cli.app(["sign", "phones", "--outcome", "answered"])
    printed = capsys.readouterr().out
    for before in ("", "\ufeff", "# of today\n\n$ "):
        Path("commands").write_text(before + printed)
        code, out, _ = explain("commands")
        assert code == 0
    assert "event call.answered judged from" in out


@pytest.mark.parametrize("command", [["explain", "-"], ["sign", "office", "--body", "-"]])
def test_closed_standard_input_is_told(run: Run, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    """As a service or a cron job may start a command."""
    monkeypatch.setattr(sys, "stdin", None)
    assert run(*command)[0] == 2


def test_interrupt_ends_the_wait_for_a_file(explain: Run) -> None:
    """The first Ctrl-C is enough while nothing comes on a pipe."""
    os.mkfifo("pipe")
    process = subprocess.Popen([sys.executable, "-m", "badge_bridge", "explain", "pipe"], stderr=subprocess.PIPE)
    try:
        with Path("pipe").open("wb"):  # waits until the other end is opened
            process.send_signal(signal.SIGINT)
            assert (process.wait(20), process.communicate()[1]) == (130, b"")
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["call.http", "--outcome", "missed"], "--outcome is for samples"),
        (["call.http", "--key-file", "try.key"], "--key-file is for samples"),
        (["reception:" + "0" * 32, "--at", "2026-01-31T12:00:00Z"], "--at is for deliveries"),
        (["reception:" + "0" * 32, "--caller", "1"], "--caller is for deliveries"),
    ],
)
def test_option_that_would_do_nothing_is_refused(explain: Run, arguments: Sequence[str], said: str) -> None:
    """Whoever wrote it expects something of it."""
    Path("call.http").write_bytes(as_request("reception", sampled("reception")))
    code, _, err = explain(*arguments)
    assert code == 2
    assert said in err
    assert not Path("try.key").exists()


def test_what_is_neither_event_nor_source_nor_file_is_told_what_there_is(explain: Run) -> None:
    """The message has an example of a key, the sources, and why no file could be read."""
    code, _, err = explain("nothing")
    assert code == 2
    assert "nor a source (reception, phones, office)" in err
    assert "No such file" in err
    code, _, err = explain("reception:" + "0" * 32)
    assert code == 2
    assert "there is no store" in err


def test_delivery_to_an_unknown_source_would_be_answered_with_404(explain: Run) -> None:
    """As a running bridge would."""
    Path("call.http").write_bytes(as_request("elsewhere", sampled("reception")))
    code, out, _ = explain("call.http")
    assert code == 1
    assert "refused    404: there is no such source" in out


def test_nothing_that_a_terminal_obeys_is_printed(explain: Run) -> None:
    """A sender may have put an escape sequence anywhere."""
    body = b"CallSid=CA1&CallStatus=no-answer&Direction=inbound&From=%1b%5b2J&To=%1b%5d0;x%07%0a  verified   forged"
    request = b"POST /hooks/reception HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n" + body
    Path("call.http").write_bytes(request)
    _, out, _ = explain("call.http")
    assert "\x1b" not in out
    assert "\x07" not in out
    assert not [line for line in out.splitlines() if line.startswith("  verified")]


async def _store(accepted: Sequence[Accepted], settle: Settlement | None = None) -> None:
    store = open_store("sqlite:///state.db")
    await store.open()
    await store.accept(accepted)
    if settle is not None:
        (claim,) = await store.claim_due(now=settle.ended_at, lease=5.0, limit=1)
        await store.settle(claim, settle)
    await store.close()


def test_stored_event_is_explained_with_the_rules_of_now(explain: Run) -> None:
    """What the rules say now stands beside what came of it then, and that the rules have changed is said."""
    (_, made) = _explained_sample("reception", caller="+4930901821")
    received = time.time() - 60
    accepted = Accepted(made.key, made.event, "hmac-sha1 over url and form", received)
    asyncio.run(
        _store([accepted], Settlement(state="ignored", ended_at=received + 1, reason="no rule", rules_hash="0" * 16))
    )
    code, out, _ = explain(made.key)
    assert code == 0
    assert "verified   hmac-sha1 over url and form" in out
    assert "state      ignored: no rule" in out
    assert "✓ missed call (line 14) matched" in out
    assert "rules      others then (hash 0000000000000000)" in out
    shown = json.loads(explain(made.key, "--json")[1])
    assert shown["stored"]["state"] == "ignored"
    (rule, *_) = shown["events"][0]["rules"]
    assert rule["result"] == "matched"
    assert [part["value"] for part in rule["condition"]["parts"][0]["parts"]] == [False, False]
    code, out, _ = explain(made.key[:14])
    assert (code, "state      ignored: no rule" in out) == (0, True), "the beginning of a key will do"
    code, _, err = explain("reception:" + "0" * 32)
    assert (code, "events list prints the keys" in err) == (1, True)


def test_delivery_that_is_stored_already_is_recognised(explain: Run) -> None:
    """Sent again, it would be a duplicate; nothing of looking at it changes the store."""
    delivery = sampled("office")
    (made, _) = _explained_sample("office", delivery=delivery)
    asyncio.run(_store([Accepted(made.key, made.event, "sha256 over body", time.time())]))
    Path("call.http").write_bytes(as_request("office", delivery))
    before = _kept()
    code, out, _ = explain("call.http")
    assert code == 0
    assert "(a duplicate: stored on " in out
    assert _kept() == before


def _kept() -> list[str]:
    """All that the store holds but its stamp, which is new each time that it is opened."""
    with closing(sqlite3.connect("state.db")) as connection:
        return [line for line in connection.iterdump() if not line.startswith('INSERT INTO "stamp"')]


def _explained_sample(source: str, *, delivery: Delivery | None = None, caller: str = "+4930901821") -> tuple[Any, Any]:
    """The event that a sample makes, and the event that the rules meet."""
    file = rules()
    built = {source: build(source, file.sources[source])}  # type: ignore[arg-type]
    told = asyncio.run(explain_deliveries(file, built, [(source, delivery or sampled(source, caller=caller))]))
    return told.deliveries[0].made[0], told.events[0]


PHONES = COMPANY.replace("sources:\n", 'sources:\n  phones: {provider: zoom, secrets: ["${PBX_TOKEN}"]}\n', 1)


async def _told_by_zoom(
    company: Company, outcome: Literal["missed", "answered"]
) -> tuple[list[StoredEvent], StoredEvent]:
    """A made-up call that has ended: its legs as they are stored, and its judgement."""
    call = made_up(outcome=outcome, now=virtual_clock(), caller="+4930901821", line="+4989654321", call="d")
    pipeline = company.bridge.pipeline
    for delivery in samples(build_all(company.bridge.rules.sources), "phones", call):
        await pipeline.accept(pipeline.source("phones", "POST"), replace(delivery, received_at=virtual_clock()))
        await asyncio.sleep(1)
    stored = await company.ended()
    (judged,) = [event for event in stored if event.event.leg is None]
    return [event for event in stored if event.event.leg is not None], judged


def test_leg_of_a_stored_call_is_explained_with_the_whole_call() -> None:
    """Asked for any leg, the judgement of all that came is told, as it was made."""

    async def story() -> None:
        async with open_company(rules=PHONES) as company:
            bridge, (legs, judged) = company.bridge, await _told_by_zoom(company, "missed")
            for leg in legs:
                explained = await explain_stored(bridge.rules, leg, store=bridge.store)
                (event,) = explained.events
                assert event.key == judged.key
                assert sorted(leg.key for leg in event.legs) == sorted(one.key for one in legs)
                assert event.event.type == judged.event.type == "call.missed"

    run_virtually(story())


def test_badge_is_told_of_with_who_took_it_off() -> None:
    """Of the missed call: that the badge is there, and later which call took it off, or that it was done by hand."""

    async def story() -> None:
        async with open_company(customers=2) as company:
            store, rules = company.bridge.store, company.bridge.rules
            await company.report(number_of(1))
            await company.report(number_of(2))
            await company.ended()
            missed, other = await company.event("call-1"), await company.event("call-2")
            (card,) = await on_cards(store, missed.key)
            assert (card.rule, card.owner, card.state, card.by) == ("missed call", "deal 1001", "there", "")

            again = await company.report(number_of(1), at=30)
            await company.ended()
            later = (await company.event(again)).key
            (beneath,), (on_top,) = await on_cards(store, missed.key), await on_cards(store, later)
            assert (beneath.newer_badge, beneath.newer_event) == (card.badge, later)
            assert (on_top.newer_badge, on_top.newer_event) == ("", "")

            back = await company.report(number_of(1), "answered", at=60)
            await company.ended()
            (card,) = (await explain_stored(rules, missed, store=store)).events[0].cards
            assert (card.state, card.by) == ("taken off", f"{(await company.event(back)).key} (call.answered)")
            assert card_line(card).endswith(f"by {card.by}")

            (row,) = await store.attachments(other.key)
            await store.close_attachment(row.key, row.rule, now=virtual_clock())
            (card,) = await on_cards(store, other.key)
            assert (card.state, card.by) == ("taken off", "")

    run_virtually(story())


def test_judgement_that_is_stored_is_explained_with_its_legs() -> None:
    """Who looks at the event that the rules met sees what it was judged from, in the order in which it came."""

    async def story() -> None:
        async with open_company(rules=PHONES) as company:
            bridge, (legs, judged) = company.bridge, await _told_by_zoom(company, "answered")
            (event,) = (await explain_stored(bridge.rules, judged, store=bridge.store)).events
            assert sorted(leg.key for leg in event.legs) == sorted(one.key for one in legs)
            assert [leg.leg.state for leg in event.legs] == ["ringing", "answered", "ended"]

    run_virtually(story())


def test_many_rules_are_counted_and_listed_when_asked_for(explain: Run) -> None:
    """A page of rules that do nothing hides the one that does."""
    more = "".join(
        f"  - {{name: rule {number}, on: call.missed, when: event.line == '{number}', badge: missedCall}}\n"
        for number in range(30)
    )
    Path("rules.yaml").write_text(RULES + more)
    code, out, _ = explain("reception", "--caller", "+4930901821")
    assert code == 0
    assert "1 of 33 rules matched" in out
    assert "✓ missed call" in out
    assert "rule 7" not in out
    assert "30 rules did not match; --every-rule lists them" in out
    last = "  - {name: last, on: call.missed, when: event.line != '', badge: missedCall}\n"
    Path("rules.yaml").write_text(RULES + more + last)
    assert "event.line != ''  is true" in explain("reception", "--caller", "+4930901821")[1]
    listed = explain("reception", "--caller", "+4930901821", "--every-rule")[1]
    assert "event.line == '7'  is false: event.line is \"+4989654321\"" in listed


def test_stored_event_is_explained_without_secrets(explain: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored was verified long ago: whoever asks why need not hold the keys of all providers."""
    (_, made) = _explained_sample("reception")
    asyncio.run(_store([Accepted(made.key, made.event, "hmac-sha1 over url and form", time.time())]))
    for name in ENVIRON:
        monkeypatch.delenv(name)
    code, out, _ = explain(made.key)
    assert (code, "✓ missed call" in out) == (0, True)


def test_body_of_ones_own_is_explained_as_it_would_be_signed(explain: Run) -> None:
    """For a source whose sender writes the bodies, a file with one is enough."""
    shop = (
        'sources:\n  shop: {provider: generic, verify: {scheme: bearer}, secrets: ["${ZOOM}"], '
        "event: {type: \"'call.' + body.outcome\", id: body.id, caller: body.phone}}\n"
    )
    Path("rules.yaml").write_text(RULES.replace("sources:\n", shop, 1))
    Path("call.json").write_text('{"outcome": "missed", "id": "1", "phone": "+4930901821"}')
    code, out, _ = explain("shop", "--body", "call.json")
    assert code == 0
    assert "✓ missed call" in out
    assert explain("shop")[0] == 1


def test_negation_of_what_cannot_be_evaluated_is_not_called_false(explain: Run) -> None:
    """An error inside stays one outside."""
    negated = "  - {name: negated, on: call.missed, when: '!(event.duration > 5)', badge: missedCall}\n"
    Path("rules.yaml").write_text(RULES + negated)
    _, out, _ = explain("reception")
    assert "!(event.duration > 5)  cannot be evaluated" in out
    assert "!(event.duration > 5)  is false" not in out
