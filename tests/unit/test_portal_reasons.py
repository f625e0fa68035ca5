"""Why a lane is paused, as one line of text and back."""

from __future__ import annotations

import pytest

from badge_bridge.errors import AccessRefused, LimitReached, OutcomeUnknown, PortalError
from badge_bridge.portal import InboundWebhook
from badge_bridge.portal.reasons import Reason, in_words, mark_of, parse, reason_of

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


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("not_installed", "the application is not installed in the portal"),
        ("wrong_encryption_key", "the portal's tokens cannot be decrypted"),
        ("redirected", "the portal answers from another address"),
        ("unauthorized_client", "the application may not ask for access"),
        (
            "OVERLOAD_LIMIT",
            "Bitrix24 has blocked the portal's REST by hand because of overload (OVERLOAD_LIMIT)",
        ),
        ("QUERY_LIMIT_EXCEEDED", "too many calls in a short time (QUERY_LIMIT_EXCEEDED)"),
        ("expired_token", "the credential has expired (expired_token)"),
        ("invalid_grant", "the authorisation is over (invalid_grant)"),
        ("HTTP 503", "HTTP 503"),
        ("no connection", "no connection"),
        (
            "another call tries whether it is usable again after not_installed",
            "the application is not installed in the portal; another call tries whether it is usable again",
        ),
    ],
)
def test_a_code_is_told_in_words(code: str, said: str) -> None:
    """Nobody has to know it; that of the portal stands there as well, to look it up by."""
    assert in_words(code) == said
