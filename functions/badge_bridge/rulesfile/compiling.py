"""What a rule has that is more than data: its expressions and its texts with placeholders, compiled at their places.

Works on the plain data: a rule with a mistake elsewhere still has its expressions checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from badge_bridge.cel import MAX_EXPRESSION, CelError, CelType, EvaluationError
from badge_bridge.errors import Finding
from badge_bridge.events import Event
from badge_bridge.rulesfile import templates
from badge_bridge.rulesfile.document import Document, Path
from badge_bridge.rulesfile.expressions import Expression, compile_at, findings_of, scalar_at, trial
from badge_bridge.rulesfile.model import OWNER_KINDS, OwnerKind
from badge_bridge.rulesfile.templates import Template

__all__ = ["Compiled", "compile_rules", "owner_id"]

_ID = (CelType.STRING, CelType.INT)
"""Ids are numbers in JSON and texts in forms, and a portal itself writes them both ways."""


@dataclass(slots=True)
class Compiled:
    """The compiled parts of one rule, as far as it has them and they are sound."""

    condition: Expression | None = None
    owner: dict[OwnerKind, Expression] = field(default_factory=dict)
    same: Expression | None = None
    title: Template | None = None
    text: Template | None = None


def compile_rules(document: Document, *, decides: bool) -> tuple[dict[int, Compiled], list[Finding]]:
    """The compiled parts by the index of their rule, and what is wrong with the others.

    Where nothing is to be decided by them, only what joins events: compiling the first expression of a process takes as
    long as reading the whole file.
    """
    compiling = _Compiling(document, decides=decides)
    rules = document.data.get("rules")
    compiled = {
        index: compiling.rule(rule, ("rules", index))
        for index, rule in enumerate(rules if isinstance(rules, list) else ())
        if isinstance(rule, dict)
    }
    return compiled, compiling.findings


def owner_id(kind: OwnerKind, value: int | str) -> int | None:
    """The id that an expression gave for an owner; None where it says that there is none: an empty text, or 0.

    Raises:
        EvaluationError: this is no id.
    """
    text = str(value).strip()
    if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:
        return int(text) or None
    if not text:
        return None
    raise EvaluationError(f"this is no id of a {kind}: an id is a positive whole number, or its digits", kind="value")


_MAX_DIGITS = 18


class _Compiling:
    def __init__(self, document: Document, *, decides: bool) -> None:
        self._document = document
        self._decides = decides
        self.findings: list[Finding] = []

    def rule(self, rule: Mapping[str, Any], path: Path) -> Compiled:
        on = rule.get("on")
        compiled = Compiled()
        attach, clear = rule.get("attach"), rule.get("clear")
        if self._decides:
            compiled.condition = self._expression(rule, (*path, "when"), on, returns=CelType.BOOL)
        if self._decides and isinstance(attach, dict):
            path_to = (*path, "attach")
            compiled.title = self._template(attach, (*path_to, "title"))
            compiled.text = self._template(attach, (*path_to, "text"))
            compiled.owner = self._owner(attach.get("owner"), (*path_to, "owner"), on)
        if isinstance(clear, dict):
            compiled.same = self._expression(clear, (*path, "clear", "same"), on, returns=_ID)
        return compiled

    def _owner(self, owner: Any, path: Path, on: Any) -> dict[OwnerKind, Expression]:
        if not isinstance(owner, dict):
            return {}
        found = {
            kind: self._expression(owner, (*path, kind), on, returns=_ID, check=partial(owner_id, kind))
            for kind in OWNER_KINDS
        }
        return {kind: expression for kind, expression in found.items() if expression is not None}

    def _expression(
        self,
        entry: Mapping[str, Any],
        path: Path,
        on: Any,
        *,
        returns: CelType | Sequence[CelType],
        check: Callable[[Any], Any] | None = None,
    ) -> Expression | None:
        text = entry.get(str(path[-1]))
        if not isinstance(text, str) or not 0 < len(text) <= MAX_EXPRESSION:
            return None  # not there, or the shape says so
        try:
            expression = compile_at(self._document, path, returns=returns)
        except CelError as error:
            self.findings.extend(findings_of(error, self._document, path))
            return None

        def tried(event: Event) -> None:
            value = expression.evaluate(event)
            if check is not None:
                check(value)

        failure = trial(tried, on)
        if failure is not None:
            self.findings.append(expression.failure(failure))
            return None
        return expression

    def _template(self, entry: Mapping[str, Any], path: Path) -> Template | None:
        value = entry.get(str(path[-1]))
        texts = value.items() if isinstance(value, dict) else ((None, value),)
        mistaken = [
            found
            for language, text in texts
            if isinstance(text, str)
            for found in self._mistakes(text, path if language is None else (*path, language))
        ]
        self.findings.extend(mistaken)
        return Template(value) if isinstance(value, str | dict) and not mistaken else None

    def _mistakes(self, text: str, path: Path) -> list[Finding]:
        scalar = scalar_at(self._document, path)
        return [
            scalar.finding(*templates.position(text, mistake.offset), mistake.message, "placeholder")
            for mistake in templates.mistakes(text)
        ]
