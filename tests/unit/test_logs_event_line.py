"""The canonical lines: what they say, at which level, and how refused deliveries are rationed."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.observability import logs
from badge_bridge.observability.event_line import log_accept, log_event, log_left_out
from badge_bridge.observability.floods import FloodGate, LeftOut
from badge_bridge.outcomes import Exchange, Outcome

KEY = "reception:4f0c1a2b4f0c1a2b4f0c1a2b4f0c1a2b"
ADDED = Outcome(rule="missed call", result="ensured", badge="bb_missedCall", portal="main", reason="added", attempt=1)
UNREADABLE = Outcome(
    rule="late", result="ignored", reason="its condition could not be evaluated: rules.yaml:9:5: no such key: data.n"
)
NOT_EVALUATED = "could not be evaluated: late (rules.yaml:9:5: no such key: data.n)"
REFUSED = "portal main: crm.activity.badge.add was answered with 100 (HTTP 400): a required parameter is missing"
FAILED = Outcome(rule="voice", result="failed", badge="bb_voicemail", portal="main", reason=REFUSED)
ASKED = [
    Exchange(method="crm.activity.badge.get", answer="NOT_FOUND", milliseconds=50.12),
    Exchange(method="crm.activity.badge.add", answer="ok", milliseconds=51.5),
]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure("json", "DEBUG", stream=stream)
    yield stream
    logs.restore()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> FloodGate:
    return FloodGate(limit=2, seconds=10, kinds=3, clock=clock)


@pytest.fixture
def console() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure("console", "DEBUG", stream=stream)
    yield stream
    logs.restore()


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    for line in lines:
        del line["time"]
    return lines


def _event(**changes: Any) -> None:
    told: dict[str, Any] = {
        "key": KEY,
        "source": "reception",
        "provider": "twilio",
        "type": "call.missed",
        "state": "done",
        "attempt": 1,
        "failures": 0,
        "waited": 0.0031,
        "took": 0.12042,
    }
    log_event(**(told | changes))


def test_event_line_has_everything_when_an_event_is_done(stream: io.StringIO) -> None:
    """One line names the event, each rule's outcome, what the portal was asked and answered, and how long it took."""
    _event(outcomes=[ADDED], asked=ASKED, rules_hash="abc123")
    assert _lines(stream) == [
        {
            "level": "INFO",
            "logger": "badge_bridge.events",
            "message": f"done {KEY} call.missed -> missed call: ensured bb_missedCall (added)",
            "kind": "event",
            "key": KEY,
            "source": "reception",
            "provider": "twilio",
            "type": "call.missed",
            "state": "done",
            "attempt": 1,
            "rules": [{"rule": "missed call", "result": "ensured", "badge": "bb_missedCall", "portal": "main", "reason": "added"}],
            "asked": [
                {"method": "crm.activity.badge.get", "answer": "NOT_FOUND", "ms": 50.1},
                {"method": "crm.activity.badge.add", "answer": "ok", "ms": 51.5},
            ],
            "asked_ms": 101.6,
            "waited_ms": 3.1,
            "took_ms": 120.4,
            "rules_hash": "abc123",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "level", "ending"),
    [
        ({"state": "ignored", "reason": "no rule matches"}, "INFO", "-> no rule matches"),
        ({"state": "done"}, "INFO", "-> no rule had anything to do"),
        ({"state": "waiting", "reason": "grace time"}, "INFO", "-> again later (attempt 1): grace time"),
        ({"state": "waiting", "failed": True, "failures": 1, "reason": "timeout"}, "WARNING", "-> again later (attempt 1): timeout"),
        ({"state": "waiting", "lane": "main", "reason": "ACCESS_DENIED"}, "WARNING", "-> paused with main (attempt 1): ACCESS_DENIED"),
        ({"state": "dead", "attempt": 9, "reason": "ERROR_CORE"}, "ERROR", "-> given up after attempt 9: ERROR_CORE"),
        ({"state": "waiting", "failed": True, "outcomes": [ADDED], "reason": "x"}, "WARNING", "-> missed call: ensured bb_missedCall (added); again later (attempt 1): x"),
    ],
)  # fmt: skip
def test_event_line_says_how_it_ended(stream: io.StringIO, changes: dict[str, Any], level: str, ending: str) -> None:
    """Trouble is a warning, the end of trying an error; the message says what comes next and why."""
    _event(**changes)
    (line,) = _lines(stream)
    assert line["level"] == level
    assert line["message"].startswith(f"{changes['state']} {KEY} call.missed ")
    assert line["message"].endswith(ending)


def test_event_line_says_when_it_is_tried_again(stream: io.StringIO) -> None:
    """The time of the next attempt is a field, in UTC."""
    _event(state="waiting", failed=True, failures=2, due=1763778605.7, lane="main")
    (line,) = _lines(stream)
    assert (line["due"], line["failures"], line["lane"]) == ("2025-11-22T02:30:05Z", 2, "main")


def test_event_line_stays_readable_when_many_rules_match(stream: io.StringIO) -> None:
    """The message shows three outcomes, trouble first, and counts the others; the fields have all, in their order."""
    fine = [Outcome(rule=f"r{n}", result="ensured", badge="b") for n in range(5)]
    _event(outcomes=[*fine, Outcome(rule="bad", result="failed", badge="b")])
    (line,) = _lines(stream)
    assert line["message"].endswith("-> bad: failed b; r0: ensured b; r1: ensured b; and 3 more rules")
    assert [rule["rule"] for rule in line["rules"]] == ["r0", "r1", "r2", "r3", "r4", "bad"]


@pytest.mark.parametrize(
    ("changes", "ending"),
    [
        ({"state": "dead", "outcomes": [FAILED]}, f"-> voice: failed bb_voicemail; given up after attempt 1: {REFUSED}"),
        ({"state": "waiting", "outcomes": [FAILED]}, f"-> voice: failed bb_voicemail; again later (attempt 1): {REFUSED}"),
        ({"state": "ignored", "outcomes": [UNREADABLE], "reason": NOT_EVALUATED}, f"-> {NOT_EVALUATED}"),
    ],
)  # fmt: skip
def test_event_line_says_a_reason_once(stream: io.StringIO, changes: dict[str, Any], ending: str) -> None:
    """Where the reason of a rule is that of the event, the message has it once, at the end."""
    _event(**({"reason": REFUSED} | changes))
    (line,) = _lines(stream)
    assert line["message"].endswith(ending)
    assert line["message"].count(line["reason"]) == 1


def test_event_line_says_each_reason_when_they_differ(stream: io.StringIO) -> None:
    """What happened to a rule for another reason than the event's is told with its own."""
    _event(state="waiting", failed=True, outcomes=[ADDED, FAILED], reason="the badge was added, but late")
    (line,) = _lines(stream)
    assert line["message"].endswith(
        f"-> voice: failed bb_voicemail ({REFUSED}); missed call: ensured bb_missedCall (added); "
        "again later (attempt 1): the badge was added, but late"
    )


@pytest.mark.parametrize(("state", "level"), [("ignored", "WARNING"), ("done", "WARNING"), ("waiting", "WARNING"), ("dead", "ERROR")])  # fmt: skip
def test_event_line_warns_when_a_condition_could_not_be_evaluated(stream: io.StringIO, state: str, level: str) -> None:
    """However the event ended, the line is at least a warning, counts such rules and names them and their problem."""
    _event(state=state, outcomes=[ADDED, UNREADABLE], reason=NOT_EVALUATED if state == "ignored" else "")
    (line,) = _lines(stream)
    assert (line["level"], line["unreadable"]) == (level, 1)
    assert line["message"].count("rules.yaml:9:5: no such key: data.n") == 1
    assert "late" in line["message"]


def test_event_line_of_somebody_who_is_not_in_the_crm_is_no_trouble(stream: io.StringIO) -> None:
    """It happens each day: no warning, nothing unreadable, and the reason told once."""
    nobody = "no open deal, open lead, contact or company: nobody found by phone"
    _event(state="ignored", outcomes=[Outcome(rule="missed call", result="ignored", reason=nobody)], reason=nobody)
    (line,) = _lines(stream)
    assert line["level"] == "INFO"
    assert "unreadable" not in line
    assert line["message"].endswith(f"-> {nobody}")
    assert line["message"].count(nobody) == 1


def test_readable_line_says_what_the_portal_was_asked_and_answered(console: io.StringIO) -> None:
    """A person sees methods without their common prefix, each with its answer."""
    _event(outcomes=[ADDED], asked=[*ASKED, Exchange(method="app.info", answer="no connection", milliseconds=1)])
    assert 'asked="badge.get=NOT_FOUND, badge.add=ok, app.info=no connection" asked_ms=102.6' in console.getvalue()


@pytest.mark.parametrize("log_format", ["console", "json", "gcp"])
def test_event_line_leaves_out_what_the_portal_was_asked_about(log_format: logs.LogFormat) -> None:
    """Numbers and the portal's own words stand there, so a line has methods, answers and times."""
    stream = io.StringIO()
    logs.configure(log_format, "DEBUG", stream=stream)
    told = {"about": "of the phone +49301234567", "said": "contact 3"}
    _event(asked=[Exchange(method="crm.duplicate.findbycomm", answer="ok", milliseconds=1, **told)])
    logs.restore()
    assert "findbycomm" in stream.getvalue()
    for piece in ("of the phone", "4567", "contact 3"):
        assert piece not in stream.getvalue()


def test_readable_line_stays_readable_when_the_portal_was_asked_much(console: io.StringIO) -> None:
    """Six requests are shown and the others counted."""
    _event(asked=[ASKED[1]] * 200)
    assert f'asked="{"badge.add=ok, " * 6}and ' in console.getvalue()


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize(("shown", "number"), [(False, "+49*******67"), (True, "+49301234567")])
def test_event_line_names_the_caller(log_format: logs.LogFormat, shown: bool, number: str) -> None:
    """The caller's number is masked unless phone numbers are to be shown."""
    stream = io.StringIO()
    logs.configure(log_format, "INFO", stream=stream, show_phone_numbers=shown)
    try:
        _event(caller="+49301234567")
        _event(caller="anonymous")
        _event()
    finally:
        logs.restore()
    written = stream.getvalue().replace('"', "").replace("caller:", "caller=").splitlines()
    assert f"caller={number}" in written[0]
    assert "caller=anonymous" in written[1]
    assert "caller" not in written[2]


def test_lines_name_the_place_they_were_logged_from() -> None:
    """The source location is the caller's, not that of the function which writes the line."""
    stream = io.StringIO()
    logs.configure("gcp", "DEBUG", stream=stream)
    try:
        _event()
        log_accept(source="s", result="accepted", status=204, key=KEY)
    finally:
        logs.restore()
    places = [json.loads(line)["logging.googleapis.com/sourceLocation"] for line in stream.getvalue().splitlines()]
    assert [Path(place["file"]).name for place in places] == [Path(__file__).name] * 2


def test_no_line_is_made_when_its_level_is_off(stream: io.StringIO) -> None:
    """With level ERROR only dead events speak."""
    logs.configure("json", "ERROR", stream=stream)
    _event()
    _event(state="dead")
    log_accept(source="s", result="accepted", status=204, key=KEY)
    assert [line["state"] for line in _lines(stream)] == ["dead"]


@pytest.mark.parametrize(("result", "level"), [("accepted", "DEBUG"), ("duplicate", "INFO")])
def test_accept_line_names_the_event(stream: io.StringIO, result: Any, level: str) -> None:
    """An accepted delivery, or a repeated one, says which event it is and how it was verified."""
    log_accept(
        source="reception",
        result=result,
        status=204,
        provider="twilio",
        key=KEY,
        type="call.missed",
        verified="hmac-sha1",
        took=0.0012,
    )
    assert _lines(stream) == [
        {
            "level": level,
            "logger": "badge_bridge.deliveries",
            "message": f"{result} {KEY} call.missed",
            "kind": "delivery",
            "key": KEY,
            "source": "reception",
            "provider": "twilio",
            "type": "call.missed",
            "result": result,
            "status": 204,
            "verified": "hmac-sha1",
            "took_ms": 1.2,
        }
    ]


def test_accept_line_warns_when_a_delivery_is_refused(stream: io.StringIO, gate: FloodGate) -> None:
    """A refused delivery says which source, which status and why."""
    log_accept(source="reception", result="refused", status=401, reason="no signature", gate=gate)
    log_accept(source="", result="refused", status=404, reason="there is no source 'x'", gate=gate)
    assert [(line["level"], line["message"]) for line in _lines(stream)] == [
        ("WARNING", "refused 401 for reception: no signature"),
        ("WARNING", "refused 404 for an unknown source: there is no source 'x'"),
    ]


def test_refused_lines_are_rationed_by_source_and_status(stream: io.StringIO, gate: FloodGate) -> None:
    """A flood to one source leaves the lines of others, and of other statuses, alone."""
    for _ in range(100):
        log_accept(source="a", result="refused", status=401, gate=gate)
    log_accept(source="b", result="refused", status=401, gate=gate)
    log_accept(source="a", result="refused", status=413, gate=gate)
    assert [(line["source"], line["status"]) for line in _lines(stream)] == [
        ("a", 401),
        ("a", 401),
        ("b", 401),
        ("a", 413),
    ]


def test_the_number_of_lines_left_out_is_told_when_the_flood_is_over(
    stream: io.StringIO, gate: FloodGate, clock: Clock
) -> None:
    """After the window one line counts what was left out, once, whether a sweep or the next refusal asks first."""
    for _ in range(100):
        log_accept(source="a", result="refused", status=401, gate=gate)
    clock.now += 9.9
    log_left_out(gate=gate)
    assert len(_lines(stream)) == 2
    clock.now += 0.2
    log_left_out(gate=gate)
    log_left_out(gate=gate)
    assert _lines(stream)[2:] == [
        {
            "level": "WARNING",
            "logger": "badge_bridge.deliveries",
            "message": "refused 401 for a: 98 more within 10 s",
            "kind": "refused",
            "source": "a",
            "status": 401,
            "left_out": 98,
        }
    ]


def test_refused_lines_come_again_when_the_window_is_over(stream: io.StringIO, gate: FloodGate, clock: Clock) -> None:
    """A new window lets lines pass again, after the count of the last."""
    for _ in range(2):
        for _ in range(3):
            log_accept(source="a", result="refused", status=401, gate=gate)
        clock.now += 10
    assert [line["kind"] for line in _lines(stream)] == ["delivery", "delivery", "refused", "delivery", "delivery"]


def test_accepted_lines_are_never_rationed(stream: io.StringIO, gate: FloodGate) -> None:
    """Only what anybody can cause is rationed."""
    for _ in range(50):
        log_accept(source="a", result="accepted", status=204, key=KEY, gate=gate)
    assert len(_lines(stream)) == 50


def test_flood_gate_is_bounded_when_kinds_are_invented(gate: FloodGate, clock: Clock) -> None:
    """New kinds beyond the bound share one count, so neither memory nor the log grows with them."""
    passed = sum(gate.passes(f"kind {n}") for n in range(1000))
    assert passed == 3 + 2
    clock.now += 10
    assert gate.over() == [LeftOut(None, 995, 10)]
    assert gate.passes("kind 999")


def test_flood_gate_tells_the_shared_count_in_words(stream: io.StringIO, gate: FloodGate, clock: Clock) -> None:
    """What was left out of kinds that are not told apart is told too."""
    for n in range(20):
        log_accept(source=f"s{n}", result="refused", status=404, gate=gate)
    clock.now += 10
    log_left_out(gate=gate)
    assert _lines(stream)[-1]["message"] == "refused in several ways for unknown sources: 15 more within 10 s"


def test_lines_are_on_by_default_for_the_bridge() -> None:
    """Both loggers are in the bridge's tree, so its level is theirs."""
    assert logging.getLogger("badge_bridge.events").parent is logging.getLogger("badge_bridge")
    assert logging.getLogger("badge_bridge.deliveries").parent is logging.getLogger("badge_bridge")
