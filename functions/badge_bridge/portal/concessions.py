"""What a layout can do without where a portal refuses it, so that the badge gets onto the card all the same.

Two things cannot be known before: whether the portal takes a `tel:` address behind a button, which is not documented,
and which languages it has. What was refused is left out, the activity is sent again, and where that succeeds the bridge
leaves it out from then on (in this process) and says so once in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from badge_bridge.errors import CallRefused, PortalError
from badge_bridge.portal.codes import CODES, OF_OTHER_METHODS

__all__ = ["Concession", "Concessions"]

logger = logging.getLogger("badge_bridge.portal")

_TEXTS = frozenset({"title", "text", "value"})
"""The keys whose value may be texts by language."""

_COLLECTIONS = frozenset({"tags", "blocks", "buttons", "items"})
"""The keys below which ids of ours stand, whatever they look like."""

_OF_VALUES = frozenset({"wrong_field_value", "enum_field", "field_is_redundant", "field_is_required"})
_OF_NOTHING = frozenset({"", "error_core", "invalid_arg_value"})
"""Codes that say no more than that something is wrong."""


@dataclass(frozen=True, slots=True)
class Concession:
    """`without` gives a layout without the thing, or the same layout where it has no such thing."""

    what: str
    met_with: Callable[[str], bool]
    without: Callable[[Mapping[str, Any]], dict[str, Any]]


class Concessions:
    """What one portal (`name`) was found not to take."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._made: list[Concession] = []

    def apply(self, layout: Mapping[str, Any]) -> dict[str, Any]:
        """The layout without what the portal is known to refuse."""
        plain = dict(layout)
        for concession in self._made:
            plain = concession.without(plain)
        return plain

    def after(self, refusal: PortalError, layout: Mapping[str, Any]) -> Concession | None:
        """What to leave out of a layout that was refused; None where that would change nothing."""
        if not isinstance(refusal, CallRefused):
            return None
        code = refusal.code.casefold()
        for concession in _ALL:
            if concession.met_with(code) and concession.without(layout) != layout:
                return concession
        return None

    def learn(self, made: Collection[Concession]) -> None:
        """An activity was taken after these were made."""
        for concession in made:
            if concession not in self._made:
                self._made.append(concession)
                logger.warning("portal %s refuses %s; activities go without", self._name, concession.what)


def _without_call_button(layout: Mapping[str, Any]) -> dict[str, Any]:
    """The layout without its buttons that call, and without what is empty then."""
    footer = dict(layout.get("footer") or {})
    buttons = {key: button for key, button in (footer.pop("buttons", None) or {}).items() if not _calls(button)}
    if buttons:
        footer["buttons"] = buttons
    rest = {key: part for key, part in layout.items() if key != "footer"}
    return {**rest, "footer": footer} if footer else rest


def _calls(button: Mapping[str, Any]) -> bool:
    return str(button["action"].get("uri", "")).startswith("tel:")


def _in_one_language(layout: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _one_language(key, part) for key, part in layout.items()}


def _one_language(key: str, part: Any) -> Any:
    """The part with each of its texts in English, else in the language that comes first."""
    if not isinstance(part, Mapping):
        return part
    if key in _COLLECTIONS:
        return {name: _in_one_language(inner) for name, inner in part.items()}
    if key in _TEXTS and all(isinstance(text, str) for text in part.values()):
        return part.get("en") or next(iter(part.values()))
    return _in_one_language(part)


def _of_the_button(code: str) -> bool:
    return code in _OF_VALUES | _OF_NOTHING | OF_OTHER_METHODS or code not in CODES


_ALL = (
    Concession("buttons that call a number", _of_the_button, _without_call_button),
    Concession("a language of the texts", lambda code: code == "wrong_lang", _in_one_language),
)
