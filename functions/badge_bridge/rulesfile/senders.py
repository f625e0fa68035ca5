"""What events a rule can meet: their types, and the texts that some of their fields are limited to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import TypeVar, get_args

from pydantic import BaseModel

from badge_bridge.events import CALL_TYPES, Direction
from badge_bridge.rulesfile.rules import Rule, RulesFile

__all__ = ["Senders", "covers"]

T = TypeVar("T")


def covers(pattern: str, other: str) -> bool:
    """Whether a type in a rule stands for all that another one stands for."""
    return other.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == other


def _meet(pattern: str, other: str) -> bool:
    """Whether there is an event's type for which both stand."""
    return covers(pattern, other) or covers(other, pattern)


class Senders:
    """The sources of a rules file, by what their options say of their events."""

    def __init__(self, rules: RulesFile) -> None:
        self.rules = rules
        self.domains = cache(self._domains)
        """By the types and the sources of a rule, the texts that a field of its events has no others than."""
        self._types = {name: _told(options, "types", ("*",)) for name, options in rules.sources.items()}

    def of(self, rule: Rule) -> Sequence[str]:
        """The sources whose events a rule takes, if their types are its own."""
        return rule.sources or tuple(self.rules.sources)

    def clearing(self, rule: Rule) -> Sequence[str]:
        """The sources whose events can take its badge away; as `RulesFile.clearing` has it."""
        portal_of, own = self.rules.portal_of, set(rule.sources)
        if not own:
            return tuple(self.rules.sources)
        portals = {rule.portal} if rule.portal else {portal_of[name] for name in own}
        return [name for name in self.rules.sources if name in own or portal_of[name] in portals]

    def send(self, sources: Collection[str], pattern: str) -> bool:
        """Whether one of these sources can send an event of such a type."""
        return any(_meet(pattern, kind) for name in sources for kind in self.types(name))

    def types(self, source: str) -> Sequence[str]:
        return self._types[source]

    def empty_fields(self, source: str) -> frozenset[str]:
        return _told(self.rules.sources[source], "empty_fields", frozenset())

    def _domains(self, on: Sequence[str], sources: Sequence[str]) -> Mapping[str, Collection[str]]:
        found: dict[str, Collection[str]] = {
            "direction": get_args(Direction),
            "source": sources,
            "provider": {str(getattr(self.rules.sources[name], "provider", "")) for name in sources},
        }
        empty = [self.empty_fields(name) for name in sources]
        if empty:
            found |= dict.fromkeys(frozenset.intersection(*empty), ("",))
        if all("*" not in kind for kind in on):
            found["type"] = on
        outcomes = [self._outcomes(on, name) for name in sources]
        if None not in outcomes:
            found["outcome"] = {one for some in outcomes for one in some or ()}
        return found

    def _outcomes(self, on: Sequence[str], source: str) -> Collection[str] | None:
        """What the outcome of an event of these types from this source is; None where it can be any."""
        follows = _told(self.rules.sources[source], "outcome_is_of_type", default=False)
        return set(_outcomes_of(on)) if follows else None


def _told(options: BaseModel, what: str, default: T) -> T:
    """What the options of a source tell: they are a provider's, which this room knows by their shape only."""
    method: Callable[[], T] = getattr(options, what, lambda: default)
    return method()


def _outcomes_of(types: Sequence[str]) -> Iterator[str]:
    for pattern in types:
        yield from (kind.removeprefix("call.") for kind in CALL_TYPES if covers(pattern, kind))
        if pattern not in CALL_TYPES:
            yield ""
