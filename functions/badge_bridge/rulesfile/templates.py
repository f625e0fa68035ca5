"""Texts with fields of the event in them: `Missed call from {caller}`.

A placeholder is the name of a field and nothing else, since no more is needed on a card and everything more would have
to be checked, bounded and explained; `{{` and `}}` write braces. What fills it comes from outside: the result is one
line of bounded length, whatever is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from badge_bridge.cel import EVENT_FIELDS
from badge_bridge.closeness import suggest
from badge_bridge.events import Event

__all__ = ["MAX_FILLED", "PLACEHOLDERS", "Template", "TemplateMistake", "literal", "mistakes", "position"]

MAX_FILLED = 255
"""Characters of a filled text; longer ones end in an ellipsis."""

PLACEHOLDERS = tuple(name for name in EVENT_FIELDS if name != "data")
"""What a text may name. Data is a tree of the sender's making: what a card should show of it, a source can put into a
field."""

_UNKNOWN: Mapping[str, str] = {
    "br": "desconhecido",
    "de": "unbekannt",
    "es": "desconocido",
    "fr": "inconnu",
    "it": "sconosciuto",
    "la": "desconocido",
    "pl": "nieznany",
    "pt": "desconhecido",
    "ru": "\u043d\u0435\u0438\u0437\u0432\u0435\u0441\u0442\u043d\u043e",
    "tr": "bilinmiyor",
    "ua": "\u043d\u0435\u0432\u0456\u0434\u043e\u043c\u043e",
}
"""What stands for an empty field, by the language codes of a portal (la: Spanish of Latin America); else `unknown`."""

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


@dataclass(frozen=True, slots=True)
class TemplateMistake:
    """What is wrong in a text, and where in it: an offset in characters."""

    offset: int
    message: str


@dataclass(frozen=True, slots=True)
class Template:
    """A text, or texts by language code, without mistakes."""

    text: str | Mapping[str, str]

    def fill(self, event: Event) -> str | dict[str, str]:
        """The text with the event's fields in it, or the texts by language.

        Each is one line of at most `MAX_FILLED` characters without invisible ones. An unset field reads as `unknown`,
        in the text's language where we can say it; a time is `2026-01-31 14:05 UTC`, a duration `35 s`.
        """
        if isinstance(self.text, str):
            return _filled(self.text, event, "unknown")
        return {
            language: _filled(text, event, _UNKNOWN.get(language[:2].lower(), "unknown"))
            for language, text in self.text.items()
        }


def mistakes(text: str) -> Iterator[TemplateMistake]:
    """Everything that is wrong in one text."""
    for match in _PIECE.finditer(text):
        piece, name = match[0], match[1]
        if piece in ("{", "}"):
            message = f"this {piece} belongs to no placeholder; write {{caller}} for a field, {piece * 2} for a brace"
            yield TemplateMistake(match.start(), message)
        elif name is not None and name not in PLACEHOLDERS:
            yield TemplateMistake(match.start(), _unknown_field(name))


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of a character of the text."""
    before = text[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")


def literal(text: str) -> str:
    """The text written so that it stands for itself in a template."""
    return text.replace("{", "{{").replace("}", "}}")


def _unknown_field(name: str) -> str:
    bare = name.strip().removeprefix("event.")
    if bare in PLACEHOLDERS:
        return f"a placeholder is the name of a field alone; write {{{bare}}}"
    if re.split(r"\W", bare)[0] == "data":
        return "a text cannot hold the data of an event; known are " + ", ".join(PLACEHOLDERS)
    field = re.match(r"\w*", bare)
    if field and field[0] in PLACEHOLDERS:
        return f"a placeholder is the name of a field alone; write {{{field[0]}}}"
    return f"an event has no field '{bare}' for a text; {suggest(bare, PLACEHOLDERS)}"


def _filled(text: str, event: Event, unknown: str) -> str:
    line = _one_line("".join(_piece(match, event, unknown) for match in _PIECE.finditer(text)))
    return line if len(line) <= MAX_FILLED else line[: MAX_FILLED - 1].rstrip() + "\u2026"


def _piece(match: re.Match[str], event: Event, unknown: str) -> str:
    if match[1] is not None:
        return _shown(getattr(event, match[1])) or unknown
    return match[0][0] if match[0] in ("{{", "}}") else match[0]


def _shown(value: str | int | datetime | None) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M UTC")
    return f"{value} s" if isinstance(value, int) else _one_line(value or "")


def _one_line(text: str) -> str:
    """Without line ends, control characters, halves of surrogate pairs and what turns the direction of writing."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
