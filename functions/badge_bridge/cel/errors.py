"""What can be wrong with an expression, when it is compiled and when it is evaluated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["CelError", "CelFinding", "EvaluationError", "Kind"]

Kind = Literal["missing", "value", "budget"]


@dataclass(frozen=True, slots=True, order=True)
class CelFinding:
    """One mistake in an expression. Line and column count from 1, inside the expression."""

    line: int
    column: int
    message: str


class CelError(ValueError):
    """An expression cannot be used. `findings` has every mistake that one compilation finds."""

    def __init__(self, findings: Iterable[CelFinding]) -> None:
        self.findings = tuple(sorted(set(findings)))
        super().__init__("; ".join(f"{found.line}:{found.column}: {found.message}" for found in self.findings))


class EvaluationError(ValueError):
    """An expression gave no value. The message quotes the expression at most, never the values it met.

    `kind` is `missing` (a key, a field or a value is not there, or is of another type than the expression needs: it
    depends on the event), `value` (a constant or a value cannot be used: bad regular expression, division by zero) or
    `budget` (too much work). The engine gives no position; `line` and `column` point at the part of the expression
    that the message is about where it can be told, otherwise at its beginning.
    """

    def __init__(self, message: str, *, kind: Kind, line: int = 1, column: int = 1) -> None:
        self.message = message
        self.kind: Kind = kind
        self.line = line
        self.column = column
        super().__init__(f"{line}:{column}: {message}")
