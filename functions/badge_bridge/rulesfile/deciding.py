"""Why a condition is true, false, or neither: each part of it evaluated by itself, and which of them decide.

Parts are put together as CEL does it: `&&` is false where any side is, whatever became of the other, and `||` is true
in the same way. What the parts come to is compared with what the whole condition gives; where these differ, the whole
is shown as one part, so that nobody is told a reason that is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from badge_bridge.cel import (
    Activation,
    CelError,
    CelType,
    EvaluationError,
    compile_expression,
)
from badge_bridge.cel.parts import Operator, Part, split, without_texts
from badge_bridge.cel.wording import position
from badge_bridge.errors import Finding
from badge_bridge.events import Event
from badge_bridge.rulesfile.expressions import Expression, Scalar

__all__ = ["Read", "Weighed", "deciding_parts", "weigh"]

_PATH = re.compile(
    r"""(?<![\w.])event(?:\s*\.\s*[A-Za-z_]\w*|\s*\[\s*(?:"[^"\\\n]*"|'[^'\\\n]*'|[0-9]+)\s*\])+""", re.VERBOSE
)
_CALLED = re.compile(r"\s*\(")
_LAST_NAME = re.compile(r"\s*\.\s*\w+$")


@dataclass(frozen=True, slots=True)
class Read:
    """A value of the event that a part looks at; `there` is false where the event has no such value."""

    field: str
    value: Any = None
    there: bool = True


@dataclass(frozen=True, slots=True)
class Weighed:
    """A condition or a part of it: what it gave, and its place in the file.

    `value` is None where it could not be evaluated; `problem` says why. `decides` is set for what the whole rests on.
    """

    text: str
    line: int
    column: int
    value: bool | None
    decides: bool = False
    problem: Finding | None = None
    reads: tuple[Read, ...] = ()
    operator: Operator = ""
    parts: tuple[Weighed, ...] = ()


def weigh(condition: Expression, event: Event) -> Weighed:
    """All parts of a rule's condition for this event. Never raises."""
    weighing = _Weighing(condition.scalar, Activation({"event": event}))
    whole = weighing.whole(condition)
    try:
        tree = weighing.part(split(condition.scalar.value))
    except CelError:
        tree = whole
    return _marked(tree if tree.value == whole.value else whole)


def deciding_parts(weighed: Weighed, depth: int = 0) -> Iterator[tuple[int, Weighed]]:
    """The innermost parts that the whole rests on, in the order in which they are written. A `!(...)` around some of
    them is told as well, and those are one level deeper: what is true inside is false outside.
    """
    if not weighed.decides:
        return
    if weighed.operator == "!" or not weighed.parts:
        yield depth, weighed
    for part in weighed.parts:
        yield from deciding_parts(part, depth + (weighed.operator == "!"))


@dataclass(frozen=True, slots=True)
class _Weighing:
    scalar: Scalar = field(repr=False)
    values: Activation

    def whole(self, condition: Expression) -> Weighed:
        return self._leaf(Part(self.scalar.value, 0), condition)

    def part(self, part: Part) -> Weighed:
        """Raises CelError where a part does not compile by itself."""
        if not part.parts:
            program = compile_expression(part.text, {"event": CelType.EVENT}, returns=CelType.BOOL)
            return self._leaf(part, Expression(program, self.scalar))
        parts = tuple(self.part(inner) for inner in part.parts)
        value = _combined(part.operator, [inner.value for inner in parts])
        line, column = self._place(part.start)
        return Weighed(part.text, line, column, value, operator=part.operator, parts=parts)

    def _leaf(self, part: Part, expression: Expression) -> Weighed:
        line, column = self._place(part.start)
        weighed = Weighed(part.text, line, column, None, reads=tuple(self._reads(part.text)))
        try:
            return replace(weighed, value=expression.evaluate(self.values))
        except EvaluationError as error:
            inside = part.start + _offset(part.text, error.line, error.column)
            return replace(weighed, problem=self.scalar.finding(*position(self.scalar.value, inside), error.message))

    def _place(self, offset: int) -> tuple[int, int]:
        found = self.scalar.finding(*position(self.scalar.value, offset), "")
        return found.line, found.column

    def _reads(self, text: str) -> Iterator[Read]:
        for name in _fields(text):
            try:
                program = compile_expression(name, {"event": CelType.EVENT})
                yield Read(name, program.evaluate(self.values))
            except CelError:
                continue  # a name of a comprehension's own that is called event
            except EvaluationError:
                yield Read(name, there=False)


def _fields(text: str) -> Sequence[str]:
    """The fields of the event that an expression names, each once; a function that is called on one is none."""
    shown = without_texts(text)
    found = []
    for start in (match.start() for match in re.finditer(r"\bevent\b", shown)):
        match = _PATH.match(text, start)
        if match is None:
            continue
        path = match[0]
        if _CALLED.match(text, match.end()):
            path = _LAST_NAME.sub("", path)
        if path != "event":
            found.append(re.sub(r"\s*([.\[\]])\s*", r"\1", path))
    return list(dict.fromkeys(found))


def _offset(text: str, line: int, column: int) -> int:
    return sum(len(one) + 1 for one in text.split("\n")[: line - 1]) + column - 1


def _combined(operator: Operator, values: Sequence[bool | None]) -> bool | None:
    if operator == "!":
        return None if values[0] is None else not values[0]
    if operator == "?:":
        return None if values[0] is None else values[1 if values[0] else 2]
    stronger = operator == "||"
    if stronger in values:
        return stronger
    return None if None in values else not stronger


def _marked(weighed: Weighed) -> Weighed:
    """With `decides` set on what the value rests on."""
    if weighed.operator == "?:":
        chosen = {None: (), True: (1,), False: (2,)}[weighed.parts[0].value]
        resting: set[int] = {0, *chosen}
    elif weighed.operator == "!":
        resting = {0}
    else:
        resting = {number for number, part in enumerate(weighed.parts) if part.value is weighed.value}
    parts = tuple(_marked(part) if number in resting else part for number, part in enumerate(weighed.parts))
    return replace(weighed, decides=True, parts=parts)
