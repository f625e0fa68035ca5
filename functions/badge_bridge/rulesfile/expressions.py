"""CEL in a rules file: mistakes with their place in the file, and a trial of every expression before it is used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from badge_bridge.cel import Activation, CelError, CelType, EvaluationError, Program, compile_expression
from badge_bridge.errors import Finding
from badge_bridge.events import Event
from badge_bridge.rulesfile.document import Document, Path
from badge_bridge.rulesfile.positions import Place, inside

_WORD = re.compile(r"""\w+|\{\w*\}?|'[^'\n]*'|"[^"\n]*"|[=!<>&|]+""")

__all__ = ["Expression", "Scalar", "compile_at", "findings_of", "scalar_at", "trial"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text as it stands in a file, for messages about what is inside it."""

    file: str
    place: Place
    raw: str
    value: str

    def finding(
        self, line: int, column: int, message: str, code: str = "expression", *, length: int | None = None
    ) -> Finding:
        """A finding at a position in the value, about so many characters; without `length`, about the word there.

        Where lines were folded, at the scalar, naming the inner position.
        """
        found = inside(self.place, self.raw, self.value, line, column)
        if found is None:
            message = f"{message} (in the expression at {line}:{column})"
            found, length = (self.place.line, self.place.column), 1
        elif length is None:
            rest = self.value.split("\n")[line - 1][column - 1 :]
            word = _WORD.match(rest)
            length = word.end() if word else 1
        return Finding(self.file, *found, message, code, end=found[1] + length)


@dataclass(frozen=True, slots=True)
class Expression:
    """A CEL expression over `event` with its place: a rule's `when`, an owner's id, the value that joins events."""

    program: Program
    scalar: Scalar = field(repr=False)

    def evaluate(self, event: Event | Activation) -> Any:
        """The value for this event; an `Activation` shares the event's conversion with other expressions.

        Raises:
            EvaluationError: it gives none, or one of another type than it has to give.
        """
        return self.program.evaluate(event if isinstance(event, Activation) else Activation({"event": event}))

    def failure(self, error: EvaluationError) -> Finding:
        """Where and why it gave no value."""
        return self.scalar.finding(error.line, error.column, error.message)


def compile_at(document: Document, path: Path, *, returns: CelType | Sequence[CelType]) -> Expression:
    """The expression that stands at this path.

    Raises:
        CelError: with every mistake; `findings_of` places them.
    """
    program = compile_expression(document.at(path), {"event": CelType.EVENT}, returns=returns)
    return Expression(program, scalar_at(document, path))


def findings_of(error: CelError, document: Document, path: Path) -> list[Finding]:
    """The mistakes of an expression that stands at this path; of something else, all at its beginning."""
    if not isinstance(document.at(path), str):
        place = document.keys.get(path) or document.values[path]
        return [
            document.finding(place, f"{one.message} (at {one.line}:{one.column})", "expression")
            for one in error.findings
        ]
    scalar = scalar_at(document, path)
    return [scalar.finding(found.line, found.column, found.message) for found in error.findings]


def scalar_at(document: Document, path: Path) -> Scalar:
    place = document.values[path]
    return Scalar(document.filename, place, document.text[place.start : place.end], document.at(path))


def trial(evaluate: Callable[[Event], Any], on: Any) -> EvaluationError | None:
    """The failure that no event will avoid: no such time zone, a division by zero, too many steps.

    Failures for lack of a value depend on the event and say nothing, and one event that gives a value is enough. `on`
    is what the rule says there, whatever that is.
    """
    failure = None
    for event in _trial_events(on):
        try:
            evaluate(event)
        except EvaluationError as error:
            if error.kind != "missing":
                failure = failure or error
        else:
            return None
    return failure


def _trial_events(on: Any) -> Iterator[Event]:
    first = on[0] if isinstance(on, list) and on else on
    kind = (first if isinstance(first, str) else "").rstrip("*") or "call.missed"
    common = {"id": "1", "source": "source", "provider": "provider", "type": kind}
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    yield Event(**common, time=moment)
    texts = {
        "subject": "+4930123",
        "caller": "+4930123",
        "callee": "+4930456",
        "line": "+4930456",
        "email": "a@b.example",
    }
    yield Event(**common, time=moment, **texts, outcome="missed", reason="no_answer", direction="inbound", duration=30)
    digits = dict.fromkeys(("subject", "caller", "callee", "line", "email", "outcome", "reason"), "1")
    yield Event(**common, time=moment, **digits, duration=1)
