"""Why a lane is paused, as one line of text and back."""

from __future__ import annotations

import pytest

from badge_bridge.errors import AccessRefused, LimitReached, OutcomeUnknown, PortalError
from badge_bridge.portal import InboundWebhook
from badge_bridge.portal.reasons import Reason, mark_of, parse, reason_of

MARK = "3fa9c1d2"


def error(kind: type[PortalError], code: str, status: int = 400) -> PortalError:
    message = "portal main: profile was refused with X (HTTP 400): so it is"
    if kind is AccessRefused:
        return AccessRefused(message, portal="main", method="profile", code=code, status=status, mend="Do it.")
    return kind(message, portal="main", method="profile", code=code, status=status)


@pytest.mark.parametrize(
    ("given", "code", "refused"),
    [
        (error(AccessRefused, "NO_AUTH_FOUND"), "NO_AUTH_FOUND", MARK),
        (error(AccessRefused, "", 403), "HTTP 403", MARK),
        (error(LimitReached, "QUERY_LIMIT_EXCEEDED"), "QUERY_LIMIT_EXCEEDED", ""),
        (error(OutcomeUnknown, "no REST answer"), "no REST answer", ""),
        (error(OutcomeUnknown, "Sorry: it: broke"), "Sorry it broke", ""),
    ],
    ids=["access", "status", "limit", "words", "sentence"],
)
def test_a_reason_is_the_same_when_it_was_stored_and_read(given: PortalError, code: str, refused: str) -> None:
    """Code, message and mark survive; only a refused access is marked."""
    reason = reason_of(given, mark=MARK)
    assert reason == Reason(code, str(given), refused)
    assert parse(str(reason)) == reason


@pytest.mark.parametrize("text", ["", "the portal is closed", "[refused credential 3fa9c1d2]"])
def test_a_reason_is_taken_as_it_is_when_it_has_another_form(text: str) -> None:
    """Whatever somebody else has stored can be shown."""
    assert parse(text) == Reason(text, text, "")


def test_a_mark_differs_when_portal_address_user_or_secret_differ() -> None:
    """Two credentials are told apart by any of their parts, and the same one has the same mark in every process."""
    urls = ["https://a.example/rest/7/abc/", "https://b.example/rest/7/abc/", "https://a.example/rest/8/abc/"]
    marks = {mark_of(name, InboundWebhook(url)) for name in ("main", "other") for url in urls}
    assert len(marks) == 6
    assert mark_of("main", InboundWebhook("https://a.example/rest/7/abc/")) == "a738f595"
