"""Times that lie ahead: from when they are not believed, from when somebody should look, and what is said and logged."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from badge_bridge.ahead import MOST, NOTICED, believed, is_noticed, lead, tells
from badge_bridge.events import Event, event_key
from badge_bridge.explain import explain_deliveries
from badge_bridge.observability.ahead_line import log_ahead
from badge_bridge.observability.floods import FloodGate
from badge_bridge.rulesfile import parse
from badge_bridge.sources import OPTIONS, build_all
from badge_bridge.sources.base import Delivery
from badge_bridge.sources.joining import judged_event
from badge_bridge.sources.receiving import read
from badge_bridge.store.records import read_event, write_event
from badge_bridge.telling import lateness
from badge_bridge.terminal_explain import print_explanation
from support.legs import BEGUN, CANCELLED

NOW = 1_795_345_200.0
HOOK = "https://acme.bitrix24.com/rest/1/abcdefabcdefabcd/"
TOKEN = "shop-token-0123456789"
RULES = """
portals:
  main: {url: "https://acme.bitrix24.com", webhook: "${HOOK}"}
sources:
  shop:
    provider: generic
    verify: {scheme: bearer}
    secrets: ["${TOKEN}"]
    event: {type: body.type, id: body.id, time: body.at, subject: body.customer}
badges:
  unpaid: {title: Order, value: Unpaid, type: failure}
rules:
  - {name: unpaid, on: order.unpaid, badge: unpaid}
"""


def told(seconds: float) -> Event:
    """An event that tells a time so many seconds after `NOW`."""
    moment = datetime.fromtimestamp(NOW + seconds, UTC)
    return Event(id="1", source="shop", provider="generic", type="order.paid", time=moment)


def delivery(at: str) -> Delivery:
    body = json.dumps({"type": "order.unpaid", "id": "1", "at": at, "customer": "anna"}).encode()
    headers = (("content-type", "application/json"), ("authorization", f"Bearer {TOKEN}"))
    return Delivery("POST", "", headers, body, NOW)


@pytest.mark.parametrize("seconds", [-3600.0, 0.0, NOTICED, NOTICED + 1, 14 * 3600.0, MOST])
def test_time_counts_as_it_is_told_up_to_a_day_ahead(seconds: float) -> None:
    """It may be this machine's clock that is wrong; more than five minutes ahead are noticed."""
    event = told(seconds)
    assert believed(event, NOW) is event
    assert is_noticed(event, NOW) == (seconds > NOTICED)


def test_time_of_receipt_counts_when_the_told_one_cannot_be_true() -> None:
    """What was told is kept, in the store too, and the lead is told by it."""
    event = believed(told(MOST + 1), NOW)
    assert event.time == datetime.fromtimestamp(NOW, UTC)
    assert (event.told_time, lead(event, NOW), is_noticed(event, NOW)) == (told(MOST + 1).time, MOST + 1, True)
    assert read_event(write_event(event)) == event
    assert tells(event, NOW).endswith("24 h ahead of this machine's clock, which cannot be true and is not used")


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59.999999Z", "9999-12-31T00:00:00+14:00", "2026-11-25T00:00:00Z"])
async def test_delivery_has_the_same_key_whether_its_time_is_believed_or_not(
    at: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that its repetition is a duplicate, whenever it comes; and `explain` and Try say what serve does."""
    rules = parse(RULES, "rules.yaml", providers=OPTIONS, environ={"HOOK": HOOK, "TOKEN": TOKEN})
    sources = build_all(rules.sources)
    (reading,) = read(sources["shop"], delivery(at))
    (prompt,) = read(sources["shop"], delivery("2026-11-22T11:00:00Z"))
    assert event_key("shop", reading.identity) == event_key("shop", prompt.identity)
    assert reading.event.time == prompt.event.time == datetime.fromtimestamp(NOW, UTC)
    assert reading.event.data["at"] == at
    explanation = await explain_deliveries(rules, sources, [("shop", delivery(at))])
    assert [one.event for one in explanation.events] == [reading.event]
    print_explanation(explanation)
    assert "when it was received, since the time that it tells cannot be true: " in capsys.readouterr().out


def test_judged_call_keeps_that_its_time_was_not_believed() -> None:
    """Its time is that of its first leg, which is when that was received."""
    assert CANCELLED.event.told_time is None
    event = BEGUN.event.model_copy(update={"told_time": told(MOST + 1).time})
    first = type(BEGUN)(BEGUN.key, BEGUN.received_at, event)
    judged = judged_event([CANCELLED, first])
    assert (judged.time, judged.told_time) == (BEGUN.event.time, event.told_time)
    assert judged_event([BEGUN, CANCELLED]).told_time is None


def test_lateness_says_that_another_time_counts() -> None:
    """In words that go on after the moment of receipt."""
    said = "and this moment counts, since the time that it tells cannot be true: 9999-12-31T00:00:00Z"
    assert lateness(0.0, "9999-12-31T00:00:00Z") == said
    assert lateness(0.0, None) == "as it happened"


@pytest.fixture
def gate() -> tuple[FloodGate, Callable[[float], None]]:
    now = [0.0]

    def later(seconds: float) -> None:
        now[0] += seconds

    return FloodGate(limit=1, seconds=600.0, clock=lambda: now[0]), later


def test_line_is_written_once_in_ten_minutes_for_each_source(gate: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It names the source and what to look at, and how many lines were left out before it."""
    rationed, later = gate
    for _ in range(3):
        log_ahead("shop:1", told(3 * 3600), NOW, options=object(), gate=rationed)
    later(601)
    log_ahead("shop:2", believed(told(30 * 86_400), NOW), NOW, options=object(), gate=rationed)
    first, second = caplog.records
    assert first.levelno == logging.WARNING
    assert first.getMessage() == (
        "source shop: event shop:1 tells a time 3 h ahead of this machine's clock: see in which time zone the sender "
        "writes its times, the sender's clock, and this one's"
    )
    assert "shop:2 tells a time 30 days ahead of this machine's clock, which cannot be true" in second.getMessage()
    assert second.getMessage().endswith("(2 more since the last such line)")
    fields: dict[str, Any] = vars(second)["json_fields"]
    assert (fields["ahead_s"], fields["is_used"], fields["left_out"]) == (30 * 86_400, False, 2)
