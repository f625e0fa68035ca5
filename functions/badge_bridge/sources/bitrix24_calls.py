"""What a portal says of a call that has ended: which way it went, how it ended, when and how long.

Sources: Bitrix24 docs, "onVoximplantCallEnd" and the codes of CALL_FAILED_CODE.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from badge_bridge.events import Direction
from badge_bridge.sources.fields import MAX_SECONDS, Notes, text_at, whole_number
from badge_bridge.sources.judgement import Judgement, unanswered

__all__ = ["DIRECTIONS", "duration", "judge", "reported", "start", "told"]

DIRECTIONS: Mapping[str, Direction] = {
    "1": "outbound",
    "2": "inbound",
    "3": "inbound",  # redirected to another number
    "4": "outbound",  # call back that the customer asked for
    "5": "outbound",  # a robot's announcement
}
_ROBOT = "5"

_FAILURES: Mapping[str, str] = {
    "402": "no money",
    "403": "forbidden",
    "404": "wrong number",
    "423": "blocked",
    "480": "temporarily unavailable",
    "484": "direction unavailable",
    "503": "direction unavailable",
    "OTHER": "undefined",
}
"""What the docs say about the codes that are left for `failed`."""


def judge(kind: str, code: str) -> Judgement:
    """How a call ended, from CALL_TYPE and CALL_FAILED_CODE.

    304 alone is not a missed call: the docs' own sample is an outgoing call with 304.
    """
    direction = DIRECTIONS[kind]
    if kind == _ROBOT:
        return Judgement("unknown", f"a robot's call: {code}")
    if code == "304":
        return unanswered(direction, "no_answer")
    named = {
        "": Judgement("unknown", "CALL_FAILED_CODE is missing"),
        "200": Judgement("answered"),
        "486": Judgement("busy", "busy"),
        "603": Judgement("rejected", "declined"),
        "603-S": Judgement("unknown", "603-S: cancelled, by whom is not said"),
    }
    return named.get(code) or Judgement("failed", f"{code}: {_FAILURES.get(code, 'a code that is not documented')}")


_REPORTED = (
    *("CALL_ID", "CALL_TYPE", "PHONE_NUMBER", "PORTAL_NUMBER", "PORTAL_USER_ID", "CALL_DURATION", "CALL_START_DATE"),
    *("COST", "COST_CURRENCY", "CALL_FAILED_CODE", "CALL_FAILED_REASON", "CRM_ACTIVITY_ID"),
)
"""What ONVOXIMPLANTCALLEND tells of a call; a row of the statistics has a column of the same name for each."""


def reported(row: Mapping[str, Any]) -> dict[str, str]:
    """What the event of a call would have told, from its row in the statistics: all texts, and empty for null."""
    said = {name: row.get(name) for name in _REPORTED}
    return {name: str(value) if isinstance(value, str | int | float) else "" for name, value in said.items()}


def told(call: Mapping[str, Any], key: str, notes: Notes) -> str:
    """The text of a field of the call; a group (`data[PHONE_NUMBER][x]`) is none."""
    value = call.get(key, "")
    if not isinstance(value, str):
        notes.passed_over(f"data[{key}]", value)
    return text_at(call, key)


def start(text: str, notes: Notes) -> datetime | None:
    """A time with its offset; without one it is a portal's local time, of which the zone is not known."""
    try:
        moment = datetime.fromisoformat(text) if text else None
        if moment and moment.tzinfo:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        notes.passed_over("data[CALL_START_DATE]", text)
    else:
        if moment:
            notes.passed_over("data[CALL_START_DATE]", text, why="does not say its offset, and is not used")
    return None


def duration(text: str, notes: Notes) -> int | None:
    seconds = whole_number(text)
    if text and (seconds is None or seconds > MAX_SECONDS):
        notes.passed_over("data[CALL_DURATION]", text)
        return None
    return seconds
