"""Names that somebody meant: what is suggested for a slip, and that nothing is where it would be nonsense."""

from __future__ import annotations

import pytest

from badge_bridge.cel import EVENT_FIELDS
from badge_bridge.closeness import LONGEST, closest

BADGES = ["missedCall", "paid", "callBack"]
COMMANDS = ["demo", "serve", "sandbox", "check", "schema", "events", "explain", "doctor", "sync", "clear", "erase"]
ENVIRONMENT = ["TWILIO_AUTH_TOKEN", "B24_CLIENT_SECRET", "SHOP_SECRET_OLD", "PATH", "LINE_1"]
KINDS = ["deal", "lead", "contact", "company"]
OUTCOMES = ["missed", "answered", "voicemail", "busy", "rejected", "failed", "unknown"]


@pytest.mark.parametrize(
    ("written", "known", "meant"),
    [
        ("callr", EVENT_FIELDS, "caller"),
        ("calllee", EVENT_FIELDS, "callee"),
        ("typ", EVENT_FIELDS, "type"),
        ("tme", EVENT_FIELDS, "time"),
        ("date", EVENT_FIELDS, "time"),
        ("caller_number", EVENT_FIELDS, "caller"),
        ("status", EVENT_FIELDS, "outcome"),
        ("missedcall", BADGES, "missedCall"),
        ("missed_call", BADGES, "missedCall"),
        ("callMissed", BADGES, "missedCall"),
        ("missed", BADGES, "missedCall"),
        ("misedCall", BADGES, "missedCall"),
        ("TWILIO_TOKEN", ENVIRONMENT, "TWILIO_AUTH_TOKEN"),
        ("TWILIO_AUTH_TOKNE", ENVIRONMENT, "TWILIO_AUTH_TOKEN"),
        ("dael", KINDS, "deal"),
        ("Deal", KINDS, "deal"),
        ("contacts", KINDS, "contact"),
        ("mised", OUTCOMES, "missed"),
        ("unanswered", OUTCOMES, "missed"),
        ("anwsered", OUTCOMES, "answered"),
        ("chek", COMMANDS, "check"),
        ("expain", COMMANDS, "explain"),
        ("event", COMMANDS, "events"),
        ("start", [*COMMANDS, "stats"], "serve"),
        ("status", [*COMMANDS, "stats"], "stats"),
        ("fone", ["form", "phone"], "phone"),
        ("time_out", ["timeout", "country"], "timeout"),
        ("hmac2", ["bearer", "hmac"], "hmac"),
        ("man", ["main", "second"], "main"),
    ],
)
def test_what_was_meant_is_found_when_it_is_near(written: str, known: list[str], meant: str) -> None:
    """Slips of the finger, of case, of separators, of the order of words, and words of other systems."""
    assert closest(written, known) == meant


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("colour", ["provider", "portal", "country", "secrets"]),
        ("B24_CLIENT_ID", ENVIRONMENT),
        ("SHOP_SECRET", ENVIRONMENT),
        ("LINE_2", ENVIRONMENT),
        ("missedChat", BADGES),
        ("call", ["missedCall", "answeredCall"]),
        ("unanswered", ["answered", "busy"]),
        ("not_answered", ["answered", "busy"]),
        ("person", ["deal", "lead"]),
        ("rear", ["deal", "lead"]),
        ("tag", ["ago", "type"]),
        ("customer", EVENT_FIELDS),
        ("x", EVENT_FIELDS),
        ("", EVENT_FIELDS),
        ("---", EVENT_FIELDS),
        ("help", COMMANDS),
        ("anything", []),
        ("a" * LONGEST + "b", ["a" * LONGEST]),
    ],
)
def test_nothing_is_suggested_when_it_would_be_nonsense(written: str, known: list[str]) -> None:
    """Names that only share a word, opposites, other numbers, and what is kept apart by a word such as old."""
    assert closest(written, known) == ""


def test_the_nearest_is_suggested_when_several_are_near() -> None:
    """What has more in common comes first."""
    assert closest("reception", ["deception", "receptions"]) == "receptions"
