"""What Bitrix24 posts about the application itself: installed, updated, uninstalled, tested.

All of it is unsigned text from whoever can reach us. Reading believes nothing: it only takes the fields that there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from badge_bridge.portal.oauth.grant import scopes

__all__ = ["TICKET", "AppForm"]

TICKET = "badge_bridge"
"""The parameter of `event.test` that carries our ticket."""

_LONGEST = 2000
_LIFETIME = 3600.0
"""Seconds that an access token lives (Bitrix24 docs, "OAuth 2.0"), where a form does not say it."""


@dataclass(frozen=True, slots=True)
class AppForm:
    """The fields of one such event; what is missing, is no text or is too long reads as empty. Safe to print."""

    event: str
    """In upper case, since senders write it either way."""
    domain: str
    member_id: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    application_token: str = field(repr=False)
    expires_in: float
    scope: tuple[str, ...]
    status: str
    ticket: str = field(repr=False)

    @classmethod
    def read(cls, form: Mapping[str, Any]) -> Self:
        """Read a form whose bracketed keys are nested dicts by now: `{"event": ..., "data": {...}, "auth": {...}}`."""
        auth = _group(form, "auth")
        lifetime = _text(auth, "expires_in")
        return cls(
            event=_text(form, "event").upper(),
            domain=_text(auth, "domain"),
            member_id=_text(auth, "member_id"),
            access_token=_text(auth, "access_token"),
            refresh_token=_text(auth, "refresh_token"),
            application_token=_text(auth, "application_token"),
            expires_in=float(lifetime)
            if lifetime.isascii() and lifetime.isdigit() and len(lifetime) < 9
            else _LIFETIME,
            scope=scopes(_text(auth, "scope")),
            status=_text(auth, "status"),
            ticket=_text(_group(_group(form, "data"), "QUERY"), TICKET),
        )


def _text(group: Mapping[str, Any], key: str) -> str:
    value = group.get(key)
    return value if isinstance(value, str) and len(value) <= _LONGEST else ""


def _group(group: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = group.get(key)
    return value if isinstance(value, dict) else {}
