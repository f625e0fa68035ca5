"""What a badge looks like on a card, for readers of each language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["Shown", "preview"]

_Text = str | Mapping[str, str]


class Shown(Protocol):
    """A badge of the rules file or of a portal."""

    @property
    def code(self) -> str: ...
    @property
    def title(self) -> _Text: ...
    @property
    def value(self) -> _Text: ...
    @property
    def type(self) -> str: ...


def preview(badge: Shown) -> dict[str, Any]:
    """Its code, its type, and its texts: one pair for each language, or one for all where it names none."""
    languages = dict.fromkeys(language for text in (badge.title, badge.value) for language in _languages(text))
    texts = [
        {"language": language, "title": _read(badge.title, language), "value": _read(badge.value, language)}
        for language in languages or ("",)
    ]
    return {"code": badge.code, "type": badge.type, "texts": texts}


def _languages(text: _Text) -> tuple[str, ...]:
    return () if isinstance(text, str) else tuple(text)


def _read(text: _Text, language: str) -> str:
    """In this language, else English, else the first (Bitrix24 docs, "Configurable activity badges")."""
    if isinstance(text, str):
        return text
    return text.get(language) or text.get("en") or next(iter(text.values()), "")
