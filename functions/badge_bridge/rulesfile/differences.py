"""What one state of the rules file has that another one has not, by the names of its entries: for who reloads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from badge_bridge.rulesfile.expressions import Expression
from badge_bridge.rulesfile.rules import Attach, Clear, Rule, RulesFile

__all__ = ["Difference", "Differences", "differences"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Names of entries of one kind, in the order of the file."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Differences:
    """By what an entry of a section is called: `portal`, `source`, `badge` and `rule`."""

    entries: Mapping[str, Difference]
    others: tuple[str, ...] = ()
    """What else is another one: the order of the rules, the retention."""

    def __bool__(self) -> bool:
        return bool(self.others) or any(one != Difference() for one in self.entries.values())

    def __str__(self) -> str:
        """In words: `added source shop; changed rule missed call`."""
        said = [
            f"{did} {', '.join(named)}"
            for did, named in (
                ("added", self._named("added")),
                ("changed", [*self._named("changed"), *self.others]),
                ("removed", self._named("removed")),
            )
            if named
        ]
        return "; ".join(said) or "nothing but how it is written"

    @property
    def fields(self) -> dict[str, Any]:
        """As plain values: what was `added`, `changed` and `removed`, by kind of entry."""
        return {
            did: {kind: list(names) for kind, one in self.entries.items() if (names := getattr(one, did))}
            for did in ("added", "changed", "removed")
        }

    def _named(self, did: str) -> list[str]:
        return [
            f"{kind if len(names) == 1 else f'{kind}s'} {', '.join(names)}"
            for kind, one in self.entries.items()
            if (names := getattr(one, did))
        ]


def differences(before: RulesFile, after: RulesFile) -> Differences:
    """What the second one has made of the first, secrets included; where an entry stands does not matter."""
    entries = {
        "portal": _compared(before.portals, after.portals),
        "source": _compared(before.sources, after.sources),
        "badge": _compared(before.badges, after.badges),
        "rule": _compared(_rules(before), _rules(after)),
    }
    return Differences(entries, tuple(_others(before, after)))


def _compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference:
    return Difference(
        added=tuple(name for name in after if name not in before),
        changed=tuple(name for name in after if name in before and after[name] != before[name]),
        removed=tuple(name for name in before if name not in after),
    )


def _others(before: RulesFile, after: RulesFile) -> Iterator[str]:
    if _common(before, after) != _common(after, before):
        yield "the order of the rules"
    if before.retention != after.retention:
        yield "the retention"


def _common(rules: RulesFile, others: RulesFile) -> Sequence[str]:
    """The names of those rules that both have, in the order of the first."""
    known = {rule.name for rule in others.rules}
    return [rule.name for rule in rules.rules if rule.name in known]


def _rules(rules: RulesFile) -> Mapping[str, Any]:
    return {rule.name: _written(rule) for rule in rules.rules}


def _written(rule: Rule) -> tuple[Any, ...]:
    """What a rule says, without where it stands and what was compiled of it."""
    return replace(rule, line=0, condition=None, attach=None, clear=None), rule.when, _attach(rule), _clear(rule.clear)


def _attach(rule: Rule) -> tuple[Attach, Mapping[str, str]] | None:
    if rule.attach is None:
        return None
    return replace(rule.attach, owner={}), {kind: _text(one) for kind, one in rule.attach.owner.items()}


def _clear(clear: Clear | None) -> tuple[Clear, str] | None:
    return None if clear is None else (replace(clear, same=None), _text(clear.same))


def _text(expression: Expression | None) -> str:
    return "" if expression is None else expression.scalar.value
