"""CEL in a rules file: mistakes with their place in the file, and a trial of every condition before it is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from badge_bridge.cel import MAX_EXPRESSION, CelError, CelType, EvaluationError, Program, compile_expression
from badge_bridge.errors import Finding
from badge_bridge.events import Event
from badge_bridge.rulesfile.document import Document, Path
from badge_bridge.rulesfile.positions import Place, inside

__all__ = ["Condition", "Scalar", "compile_conditions", "findings_of"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text as it stands in a file, for messages about what is inside it."""

    file: str
    place: Place
    raw: str
    value: str

    def finding(self, line: int, column: int, message: str) -> Finding:
        """A finding at a position in the value. Where lines were folded, at the scalar, naming the inner position."""
        found = inside(self.place, self.raw, self.value, line, column)
        if found is None:
            message = f"{message} (in the expression at {line}:{column})"
        return Finding(self.file, *(found or (self.place.line, self.place.column)), message)


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule's `when`, compiled."""

    program: Program
    scalar: Scalar = field(repr=False)

    def failure(self, error: EvaluationError) -> Finding:
        """Where and why it gave no value."""
        return self.scalar.finding(error.line, error.column, error.message)


def compile_conditions(document: Document, rules: Any) -> tuple[dict[int, Condition], list[Finding]]:
    """The conditions by the index of their rule, and what is wrong with the others."""
    conditions: dict[int, Condition] = {}
    findings: list[Finding] = []
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        text = rule.get("when") if isinstance(rule, dict) else None
        if not isinstance(text, str) or not 0 < len(text) <= MAX_EXPRESSION:
            continue  # the shape says so
        path: Path = ("rules", index, "when")
        try:
            program = compile_expression(text, {"event": CelType.EVENT}, returns=CelType.BOOL)
        except CelError as error:
            findings.extend(findings_of(error, document, path))
            continue
        condition = Condition(program, _scalar(document, path))
        failure = _trial(program, rule)
        if failure is None:
            conditions[index] = condition
        else:
            findings.append(condition.failure(failure))
    return conditions, findings


def findings_of(error: CelError, document: Document, path: Path) -> list[Finding]:
    """The mistakes of an expression that stands at this path; of something else, all at its beginning."""
    if not isinstance(document.at(path), str):
        place = document.keys.get(path) or document.values[path]
        return [document.finding(place, f"{one.message} (at {one.line}:{one.column})") for one in error.findings]
    scalar = _scalar(document, path)
    return [scalar.finding(found.line, found.column, found.message) for found in error.findings]


def _scalar(document: Document, path: Path) -> Scalar:
    place = document.values[path]
    return Scalar(document.filename, place, document.text[place.start : place.end], document.at(path))


def _trial(program: Program, rule: Mapping[str, Any]) -> EvaluationError | None:
    """The failure that no event will avoid: a bad constant pattern, a division by zero, too many steps.

    Failures for lack of a value depend on the event and say nothing, and one event that gives a value is enough.
    """
    failure = None
    for event in _trial_events(rule):
        try:
            program.evaluate({"event": event})
        except EvaluationError as error:
            if error.kind != "missing":
                failure = failure or error
        else:
            return None
    return failure


def _trial_events(rule: Mapping[str, Any]) -> Iterator[Event]:
    on = rule.get("on")
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
