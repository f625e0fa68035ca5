"""The loaded rules file, and which of its rules an event meets: those that act on it, and those that it clears.

An event only meets the rules that concern its type and where it comes from: those are found by dictionary lookups, so
that ten thousand other rules cost nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, SecretStr

from badge_bridge.cel import Activation, EvaluationError
from badge_bridge.errors import Finding
from badge_bridge.events import Event, customer_join, joining
from badge_bridge.plural import counted
from badge_bridge.rulesfile.compiling import owner_id
from badge_bridge.rulesfile.expressions import Expression
from badge_bridge.rulesfile.index import FOUND, Index
from badge_bridge.rulesfile.model import BadgeType, OwnerKind
from badge_bridge.rulesfile.templates import Template

__all__ = [
    "Attach",
    "Badge",
    "Clear",
    "Judgement",
    "Limits",
    "OAuthApp",
    "Portal",
    "Rule",
    "RulesFile",
]


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """The application by which a portal is reached: what its tokens are asked for with."""

    client_id: str
    client_secret: SecretStr
    server: str
    """Scheme and host of the authorisation server, without a slash at the end."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast a portal may be asked: a leaky bucket of `burst` requests that drains `rate` of them a second."""

    rate: float = 2.0
    burst: int = 50


@dataclass(frozen=True, slots=True)
class Portal:
    """One portal and how to be let in: one of `webhook` (the whole URL), `access_token` and `app` is set."""

    name: str
    url: str
    """Scheme and host, without a slash at the end."""
    webhook: SecretStr | None
    access_token: SecretStr | None
    app: OAuthApp | None = None
    install_url: str = ""
    """Where the portal reaches our installation page, as far as the file says so."""
    limits: Limits = Limits()
    trusted_hosts: tuple[str, ...] = ()
    """Host names that the portal may be renamed to: in lower case, with a port where it is not the usual one."""


@dataclass(frozen=True, slots=True)
class Badge:
    """A badge as the portal shall have it; `title` and `value` are a text, or texts by language code."""

    name: str
    code: str
    title: str | Mapping[str, str]
    value: str | Mapping[str, str]
    type: BadgeType


@dataclass(frozen=True, slots=True)
class Attach:
    """How a rule puts its badge on a card."""

    to: tuple[OwnerKind, ...]
    """Whose card: the first of these that the customer has."""
    owner: Mapping[OwnerKind, Expression]
    """What gives the card's id where the event itself names it, for kinds of `to`; see `given`."""
    title: Template
    text: Template | None
    on_missing: Literal["ignore", "lead"]
    icon: str
    logo: str
    button: bool
    """Whether the entry has a button that calls the customer back."""

    def given(self, event: Event) -> tuple[OwnerKind, int] | None:
        """The card that the event itself names, the first in the order of `to`; None where it names none.

        Raises:
            EvaluationError: an expression gives no value, or one that is no id.
        """
        values = Activation({"event": event})
        for kind in self.to:
            number = owner_id(kind, self.owner[kind].evaluate(values)) if kind in self.owner else None
            if number is not None:
                return kind, number
        return None


@dataclass(frozen=True, slots=True)
class Clear:
    """What takes a rule's badge away again."""

    on: tuple[str, ...]
    """Types of the events that do."""
    same: Expression | None
    """What has the same value for both events; None: they are of one customer."""


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
    condition: Expression | None
    line: int
    """Where it stands in the file."""
    attach: Attach | None = None
    """None: the rule only makes sure that its badge exists."""
    clear: Clear | None = None
    """None: nothing takes the badge away."""

    @property
    def when(self) -> str:
        """The condition as it is written; empty where there is none."""
        return self.condition.scalar.value if self.condition else ""

    def join(self, event: Event) -> str:
        """The value that an event which clears has in common with those that this rule attached for.

        Empty where nothing joins them: the rule clears nothing, or the event has no customer or no such value.

        Raises:
            EvaluationError: `clear.same` gives no value for this event.
        """
        return _join(self, event, Activation({"event": event}))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one rule says to one event. `problem` is set with `error`: the condition gave neither true nor false."""

    rule: Rule
    result: Literal["matched", "not matched", "error"]
    problem: Finding | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RulesFile:
    """A rules file without mistakes."""

    filename: str
    hash: str
    """The first 16 hexadecimal digits of the SHA-256 of `content`."""
    portals: Mapping[str, Portal]
    sources: Mapping[str, BaseModel]
    """The options of each source: a model of its provider."""
    badges: Mapping[str, Badge]
    rules: tuple[Rule, ...]
    """As they are written."""
    portal_of: Mapping[str, str] = field(repr=False)
    """The portal of each source, by name; empty where there are several and it says none."""
    bound: Bound = field(repr=False)
    content: bytes = field(repr=False)
    """The file as it is written, with the names of its secrets and not their values."""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """The values of all secrets, so that logs can leave them out."""
    cautions: tuple[Finding, ...] = ()
    """What is no mistake, and should be known all the same: how little the checks of a source prove."""
    decides: bool = True
    """Its conditions were compiled. Else it knows how events are joined, and no more (`Draft.checked`)."""
    retention: float | None = None
    """Seconds that an event is kept after it has ended; None: for ever."""

    @property
    def extent(self) -> str:
        """How much there is in it, for people."""
        count = (
            counted(len(self.sources), "source"),
            counted(len(self.badges), "badge"),
            counted(len(self.rules), "rule"),
        )
        return f"{', '.join(count)} (hash {self.hash})"

    def judge(self, event: Event) -> tuple[Judgement, ...]:
        """What the rules for this event's type and source say, in the order of the file. No other is evaluated."""
        assert self.decides, "the conditions of this rules file were not compiled"
        values = Activation({"event": event})
        return tuple(_judge(rule, values) for rule in self.bound.acting.concerned(event.type, event.source))

    def clearing(self, event: Event) -> Sequence[Rule]:
        """The rules that this event takes the badges of away, where it joins theirs, in the order of the file.

        A call may be answered elsewhere than where it was missed: an event of any source of the rule's portal clears,
        and an event of any source that the rule takes.
        """
        return self.bound.cleared_by(event.type, event.source)

    def joins(self, event: Event) -> tuple[str, ...]:
        """The values by which later or earlier events must find this one: for each rule that it concerns or clears.

        Its customer is always among them where there is such a rule, so that whoever takes a badge away by hand finds
        it. An expression that cannot be evaluated is passed over here; that shows when its rule acts.
        """
        others = self.bound.joining(event.type, event.source)
        if others is None:
            return ()
        customer = customer_join(event.customer)
        if not others:
            return (customer,) if customer else ()
        values = Activation({"event": event})
        found = [customer, *(_join_if_any(rule, event, values) for rule in others)]
        return tuple(dict.fromkeys(filter(None, found)))


class Bound:
    """The rules, each once per portal that it acts on, by the events that they act on and by those that clear them."""

    def __init__(self, rules: Iterable[Rule], portal_of: Mapping[str, str]) -> None:
        bound = [one for rule in rules for one in _bind(rule, portal_of)]
        self.acting: Index[Rule] = Index((rule, rule.on, rule.sources) for rule in bound)
        self.clearing: Index[Rule] = Index(
            (rule, rule.clear.on, tuple(_clearing_origins(rule))) for rule in bound if rule.clear
        )
        self._portal_of = portal_of
        self.joining = lru_cache(maxsize=FOUND)(self._joining)
        """By type and source of an event, the rules that join it by more than its customer; None where no rule does."""

    def cleared_by(self, kind: str, source: str) -> tuple[Rule, ...]:
        """As `RulesFile.clearing`."""
        origins = (_from_portal(self._portal_of.get(source, "")), _from_source(source))
        return tuple(self.clearing.concerned(kind, *origins))

    def _joining(self, kind: str, source: str) -> tuple[Rule, ...] | None:
        rules = (*self.acting.concerned(kind, source), *self.cleared_by(kind, source))
        others = tuple(rule for rule in rules if rule.clear is not None and rule.clear.same is not None)
        return others if rules else None


def _bind(rule: Rule, portal_of: Mapping[str, str]) -> Sequence[Rule]:
    """A rule that names no portal acts on that of the event's source."""
    if rule.portal:
        return (rule,)
    by_portal: dict[str, list[str]] = {}
    for source in rule.sources or portal_of:
        by_portal.setdefault(portal_of[source], []).append(source)
    return [replace(rule, portal=portal, sources=tuple(sources)) for portal, sources in by_portal.items()]


def _clearing_origins(rule: Rule) -> Iterator[Hashable]:
    """None for a rule that takes every source: then every source clears."""
    if rule.sources:
        yield _from_portal(rule.portal)
        yield from map(_from_source, rule.sources)


def _from_portal(name: str) -> Hashable:
    return "portal", name


def _from_source(name: str) -> Hashable:
    return "source", name


def _judge(rule: Rule, values: Activation) -> Judgement:
    if rule.condition is None:
        return Judgement(rule, "matched")
    try:
        matched = rule.condition.evaluate(values)
    except EvaluationError as error:
        return Judgement(rule, "error", rule.condition.failure(error))
    return Judgement(rule, "matched" if matched else "not matched")


def _join(rule: Rule, event: Event, values: Activation) -> str:
    if rule.clear is None:
        return ""
    if rule.clear.same is None:
        return customer_join(event.customer)
    # Not the rule's name, with which its open badges would be lost when it is renamed.
    return joining(rule.clear.same.scalar.value, str(rule.clear.same.evaluate(values)))


def _join_if_any(rule: Rule, event: Event, values: Activation) -> str:
    try:
        return _join(rule, event, values)
    except EvaluationError:
        return ""
