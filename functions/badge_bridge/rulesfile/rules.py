"""The loaded rules file, and which of its rules an event meets.

An event only meets the rules that concern its type and source: those are found by dictionary lookups, so that ten
thousand other rules cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import BaseModel, SecretStr

from badge_bridge.cel import Activation, EvaluationError
from badge_bridge.errors import Finding
from badge_bridge.events import Event
from badge_bridge.rulesfile.expressions import Condition
from badge_bridge.rulesfile.model import BadgeType

__all__ = ["Badge", "Index", "Judgement", "Portal", "Rule", "RulesFile"]


@dataclass(frozen=True, slots=True)
class Portal:
    """One portal and its credential: `webhook` (the whole URL) or `access_token`."""

    name: str
    url: str
    """Scheme and host, without a slash at the end."""
    webhook: SecretStr | None
    access_token: SecretStr | None


@dataclass(frozen=True, slots=True)
class Badge:
    """A badge as the portal shall have it; `title` and `value` are a text, or texts by language code."""

    name: str
    code: str
    title: str | Mapping[str, str]
    value: str | Mapping[str, str]
    type: BadgeType


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, ready to be evaluated."""

    name: str
    on: tuple[str, ...]
    sources: tuple[str, ...]
    """Empty: all."""
    badge: str
    """The badge's name in the file."""
    portal: str
    """The portal's name. Empty where it depends on the event's source: `judge` gives rules where it is known."""
    condition: Condition | None
    line: int
    """Where it stands in the file."""

    @property
    def when(self) -> str:
        """The condition as it is written; empty where there is none."""
        return self.condition.scalar.value if self.condition else ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one rule says to one event. `problem` is set with `error`: the condition gave neither true nor false."""

    rule: Rule
    result: Literal["matched", "not matched", "error"]
    problem: Finding | None = None


class Index:
    """Finds the rules that concern a source and a type."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._types: dict[str | None, _Types] = {}
        for number, rule in enumerate(self._rules):
            for source in rule.sources or (None,):
                self._types.setdefault(source, _Types()).add(rule.on, number)

    def concerned(self, source: str, kind: str) -> Iterator[Rule]:
        """In the order of the file."""
        numbers: set[int] = set()
        for key in (source, None):
            if types := self._types.get(key):
                numbers.update(types.numbers(kind))
        return (self._rules[number] for number in sorted(numbers))


@dataclass(slots=True)
class _Types:
    """Numbers of rules by exact event type, and by what comes before a `*`."""

    exact: dict[str, list[int]] = field(default_factory=dict)
    prefixes: dict[str, list[int]] = field(default_factory=dict)
    lengths: set[int] = field(default_factory=set)

    def add(self, patterns: Iterable[str], number: int) -> None:
        for pattern in patterns:
            if pattern.endswith("*"):
                prefix = pattern[:-1]
                self.prefixes.setdefault(prefix, []).append(number)
                self.lengths.add(len(prefix))
            else:
                self.exact.setdefault(pattern, []).append(number)

    def numbers(self, kind: str) -> Iterator[int]:
        yield from self.exact.get(kind, ())
        for length in self.lengths:
            if length <= len(kind):
                yield from self.prefixes.get(kind[:length], ())


@dataclass(frozen=True, slots=True, eq=False)
class RulesFile:
    """A rules file without mistakes."""

    filename: str
    hash: str
    """The first 16 hexadecimal digits of the SHA-256 of the file's bytes."""
    portals: Mapping[str, Portal]
    sources: Mapping[str, BaseModel]
    """The options of each source: a model of its provider."""
    badges: Mapping[str, Badge]
    rules: tuple[Rule, ...]
    """As they are written."""
    index: Index = field(repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """The values of all secrets, so that logs can leave them out."""

    def judge(self, event: Event) -> tuple[Judgement, ...]:
        """What the rules for this event's type and source say, in the order of the file. No other is evaluated."""
        values = Activation({"event": event})
        return tuple(_judge(rule, values) for rule in self.index.concerned(event.source, event.type))


def _judge(rule: Rule, values: Activation) -> Judgement:
    if rule.condition is None:
        return Judgement(rule, "matched")
    try:
        matched = rule.condition.program.evaluate(values)
    except EvaluationError as error:
        return Judgement(rule, "error", rule.condition.failure(error))
    return Judgement(rule, "matched" if matched else "not matched")


def bind(rule: Rule, portal_of: Mapping[str, str]) -> Sequence[Rule]:
    """The rule once per portal that it acts on: a rule that names none acts on the portal of the event's source."""
    if rule.portal:
        return (rule,)
    by_portal: dict[str, list[str]] = {}
    for source in rule.sources or portal_of:
        by_portal.setdefault(portal_of[source], []).append(source)
    return [replace(rule, portal=portal, sources=tuple(sources)) for portal, sources in by_portal.items()]
