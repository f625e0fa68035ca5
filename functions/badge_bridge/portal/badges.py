"""The portal's badges: making sure that one exists, asked for as rarely as possible.

There is no idempotent add, and the code for "taken" is not documented, so the portal is asked first, and asked again
where an add was refused: if the badge is there by then, somebody else was quicker (Bitrix24 docs,
"crm.activity.badge.get", "crm.activity.badge.add").
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from badge_bridge.errors import AccessRefused, CallRefused, NotFound, OutcomeUnknown, PortalError, PortalPaused
from badge_bridge.outcomes import Exchange
from badge_bridge.portal.calling import Calls
from badge_bridge.portal.flights import Flights
from badge_bridge.portal.rows import misread

__all__ = [
    "METHODS",
    "Badge",
    "Badges",
    "Difference",
    "Ensured",
    "Text",
    "WantedBadge",
    "badge_in",
    "differences",
    "may_exist_after",
    "parameters",
    "read_badge",
]

logger = logging.getLogger("badge_bridge.portal")

_GET = "crm.activity.badge.get"
_ADD = "crm.activity.badge.add"

METHODS = (_GET, _ADD)
"""The methods that are called here."""

KNOWN_FOR = 600.0
"""Seconds that a badge seen in the portal is taken for granted."""

Text = str | Mapping[str, str]
"""One text, or texts by language code."""


class WantedBadge(Protocol):
    """A badge as the rules file wants it."""

    @property
    def code(self) -> str: ...
    @property
    def title(self) -> Text: ...
    @property
    def value(self) -> Text: ...
    @property
    def type(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Badge:
    """A badge. `title` is the small caption, `value` the text in the pill, `type` its colour: success, failure, ..."""

    code: str
    title: Text
    value: Text
    type: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that the portal has otherwise than the rules file."""

    field: str
    wanted: Text
    found: Text


@dataclass(frozen=True, slots=True)
class Ensured:
    """A badge that exists.

    `how`: `known` from before without asking, `present` in the portal, `added` by this call, or `joined`: another
    caller was already asking, and its answer counted for this one.
    """

    code: str
    how: Literal["known", "present", "added", "joined"]
    drift: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A badge as the portal has it, and until when that is believed (unix seconds)."""

    badge: Badge
    how: Literal["present", "added"]
    until: float


class Badges:
    """The badge registry of one portal. `clock` returns unix seconds."""

    def __init__(self, client: Calls, *, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[str, _Seen] = {}
        self._flights: Flights[str, _Seen] = Flights("ensure badge", landed=self._known.__setitem__)
        self._reported: set[str] = set()

    async def ensure(self, badge: WantedBadge, *, asked: list[Exchange] | None = None) -> Ensured:
        """Make sure that a badge with this code exists. What differs in the portal is reported, never changed.

        Callers that come together for one code share one look, whose exchanges go to the first one's `asked`.

        Raises:
            PortalError: as `PortalClient.call`; every caller that shares the look gets it, the next one looks anew.
            StoreUnavailable: as `PortalClient.call`.
        """
        known = self._known.get(badge.code)
        if known is not None and self._clock() < known.until:
            return self._ensured(badge, known, "known")
        seen, joined = await self._flights.share(badge.code, lambda: self._look_or_add(badge, asked))
        return self._ensured(badge, seen, "joined" if joined else seen.how)

    def forget(self, code: str) -> None:
        """Ask the portal next time: it has refused the code, or an activity with it, so it may be gone."""
        self._known.pop(code, None)

    async def aclose(self) -> None:
        """Stop what is under way."""
        await self._flights.aclose()

    async def _look_or_add(self, badge: WantedBadge, asked: list[Exchange] | None) -> _Seen:
        found = await self._get(badge.code, asked)
        if found is not None:
            return self._seen(found, "present")
        try:
            return self._seen(await self._add(badge, asked), "added")
        except PortalError as refusal:
            if not may_exist_after(refusal):
                raise
            found = await self._get_again(badge.code, refusal, asked)
            if found is None:
                raise
            return self._seen(found, "present")

    async def _get(self, code: str, asked: list[Exchange] | None) -> Badge | None:
        try:
            result = await self._client.call(_GET, {"code": code}, asked=asked)
        except NotFound:
            return None
        return badge_in(result)

    async def _get_again(self, code: str, refusal: PortalError, asked: list[Exchange] | None) -> Badge | None:
        """A second look after an add that failed. Where it fails too, that adds nothing to what is already wrong; but a
        refusal for good is not the last word while nobody knows whether the badge is there.
        """
        try:
            return await self._get(code, asked)
        except PortalError:
            if isinstance(refusal, CallRefused):
                raise
            return None

    async def _add(self, badge: WantedBadge, asked: list[Exchange] | None) -> Badge:
        result = await self._client.call(_ADD, parameters(badge), asked=asked)
        added = badge_in(result)
        if added is None:
            raise misread(self._client.name, _ADD, "was answered without a badge", code="no badge")
        return added

    def _seen(self, badge: Badge, how: Literal["present", "added"]) -> _Seen:
        return _Seen(badge, how, self._clock() + KNOWN_FOR)

    def _ensured(
        self, wanted: WantedBadge, seen: _Seen, how: Literal["known", "present", "added", "joined"]
    ) -> Ensured:
        drift = differences(wanted, seen.badge)
        if drift and wanted.code not in self._reported:
            self._reported.add(wanted.code)
            logger.warning(
                "portal %s: badge %s differs from the rules file in %s; it is used as it is",
                self._client.name,
                wanted.code,
                " and ".join(f"{d.field} ({d.found!r} instead of {d.wanted!r})" for d in drift),
            )
        return Ensured(wanted.code, how, drift)


def parameters(badge: WantedBadge) -> dict[str, Any]:
    """What `crm.activity.badge.add` is called with."""
    return {
        "code": badge.code,
        "title": _wire_text(badge.title),
        "value": _wire_text(badge.value),
        "type": badge.type,
    }


def differences(wanted: WantedBadge, found: WantedBadge) -> tuple[Difference, ...]:
    """The fields in which a badge of the portal differs from a wanted one; the code is not compared."""
    pairs: list[tuple[str, Text, Text]] = [
        ("title", wanted.title, found.title),
        ("value", wanted.value, found.value),
        ("type", wanted.type, found.type),
    ]
    return tuple(Difference(field, ours, theirs) for field, ours, theirs in pairs if not _same(ours, theirs))


def _same(ours: Text, theirs: Text) -> bool:
    """Whether two texts agree. The portal may give back the texts by language or the one that its user reads."""
    if isinstance(ours, str):
        return theirs == ours if isinstance(theirs, str) else bool(theirs) and set(theirs.values()) == {ours}
    return theirs in ours.values() if isinstance(theirs, str) else dict(theirs) == dict(ours)


def may_exist_after(refusal: PortalError) -> bool:
    """Whether the badge may be there although the add failed: it was answered, or nobody knows.

    A pause stands for the answer that caused it; a pause without one means that nothing was sent.
    """
    reason = refusal.__cause__ if isinstance(refusal, PortalPaused) else refusal
    return isinstance(reason, OutcomeUnknown | AccessRefused | CallRefused | NotFound)


def badge_in(result: Any) -> Badge | None:
    """The badge in a result of get or add; None for null or an empty list, which PHP sends for "nothing"."""
    row = result.get("badge") if isinstance(result, Mapping) else None
    return read_badge(row) if isinstance(row, Mapping) and row else None


def read_badge(row: Mapping[str, Any]) -> Badge:
    """A badge as the portal writes it; what is no text reads as empty."""
    return Badge(
        code=_scalar(row.get("code")),
        title=_text(row.get("title")),
        value=_text(row.get("value")),
        type=_scalar(row.get("type")),
    )


def _text(value: Any) -> Text:
    if isinstance(value, Mapping):
        return {str(language): _scalar(text) for language, text in value.items()}
    return _scalar(value)


def _scalar(value: Any) -> str:
    """A text of the portal; empty for null, and for the list or the object that nobody expects there."""
    return "" if value is None or isinstance(value, list | Mapping) else str(value)


def _wire_text(text: Text) -> str | dict[str, str]:
    return text if isinstance(text, str) else dict(text)
