"""An expression cut into tokens, in whatever state it is: for telling what is wrong with one that cannot be parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Token", "open_text", "tokens_of"]

Kind = Literal["text", "number", "name", "sign"]

_TEXT = (
    r"(?:[rR][bB]?|[bB][rR]?)?"
    r"(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\")"
)
_SIGNS = (
    "!=>", "===", "!==", "<=>", "=>", "=<", "<>", "=~", "!~", "~=", ":=", "->", "&&", "||", "==", "!=", "<=", ">=",
    "**", "++", "..", "?.", "/*",
)  # fmt: skip
"""Of several characters: those of CEL, and those of other languages that somebody may mean for one."""

_TOKEN = re.compile(
    rf"(?P<blank>\s+|//[^\n]*)|(?P<text>{_TEXT})|(?P<number>0[xX][0-9a-fA-F]+[uU]?|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?[uU]?)"
    rf"|(?P<name>[^\W\d]\w*)|(?P<sign>{'|'.join(re.escape(sign) for sign in _SIGNS)}|.)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A part of an expression; `start` and `end` count characters from 0."""

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def shown(self) -> str:
        """As a message quotes it; a text has quotes of its own."""
        text = self.text if len(self.text) <= _LONGEST else f"{self.text[:_LONGEST]}…"
        return text if self.kind == "text" else f"'{text}'"

    @property
    def ends_value(self) -> bool:
        """Whether a value may end with it, so that an operator may follow."""
        return self.kind != "sign" or self.text in {")", "]", "}"}

    @property
    def begins_value(self) -> bool:
        """Whether a value may begin with it; what may open a call or an index as well does not count."""
        return self.kind != "sign" or self.text == "{"


_LONGEST = 40


def tokens_of(text: str) -> Sequence[Token]:
    """All of it but blanks and comments. `in` is a sign, and so is a quote that is not closed."""
    return [*_tokens(text)]


def _tokens(text: str) -> Iterator[Token]:
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup
        if kind == "blank":
            continue
        is_sign = kind == "sign" or found[0] == "in"
        of_value: Kind = "text" if kind == "text" else "number" if kind == "number" else "name"
        yield Token("sign" if is_sign else of_value, found[0], found.start())


def open_text(tokens: Sequence[Token]) -> Token | None:
    """The quote with which a text begins that has no end."""
    return next((token for token in tokens if token.kind == "sign" and token.text in {"'", '"'}), None)
