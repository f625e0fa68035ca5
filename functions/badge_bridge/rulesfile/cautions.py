"""What can be used and is probably not meant: for `check`, which has the time to look at all rules together.

Only what is certain is said. A rule that never matches, a badge that nobody sees: each is told where it is written,
with what to do about it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations, islice
from math import comb

from badge_bridge.cel import Activation, CelError, CelType, EvaluationError, compile_expression
from badge_bridge.cel.wording import position
from badge_bridge.closeness import closest
from badge_bridge.errors import Finding
from badge_bridge.rulesfile.document import Document, Path
from badge_bridge.rulesfile.possible import Atom, Budget, Domains, Outcome, Tree, can_be_true, implies, read_condition
from badge_bridge.rulesfile.rules import Attach, Rule, RulesFile
from badge_bridge.rulesfile.senders import Senders, covers

__all__ = ["cautions"]

MOST_PAIRS = 100_000
"""Pairs of rules that are compared: those of about 450 rules."""

_QUOTED = 60
"""Characters of a condition that are quoted in a message."""

_CUSTOMER = frozenset({"subject", "caller", "callee", "email"})


def cautions(document: Document, rules: RulesFile, *, most_pairs: int = MOST_PAIRS) -> list[Finding]:
    """The warnings and notes about a file without mistakes, whose document this is."""
    looking = _Looking(document, rules, Senders(rules), most_pairs)
    return [
        *rules.cautions,
        *looking.unused(),
        *(found for index, rule in enumerate(rules.rules) for found in looking.rule(rule, ("rules", index))),
        *looking.pairs(),
    ]


@lru_cache(maxsize=1000)
def _constant(text: str) -> frozenset[Outcome] | None:
    """What an expression gives that reads nothing of an event."""
    try:
        value = compile_expression(text, {"event": CelType.EVENT}, returns=CelType.BOOL).evaluate(Activation({}))
    except EvaluationError:
        return frozenset({"error"})
    except (CelError, KeyError):
        return None
    return frozenset({"true" if value else "false"})


@dataclass(slots=True)
class _Looking:
    document: Document
    rules: RulesFile
    senders: Senders
    most_pairs: int
    budget: Budget = field(default_factory=Budget)
    trees: dict[str, Tree] = field(default_factory=dict)

    def unused(self) -> Iterator[Finding]:
        """Badges, sources and portals that are for nothing."""
        used = {rule.badge for rule in self.rules.rules}
        for name in self.rules.badges:
            if name not in used:
                message = f"no rule uses badge '{name}', so no portal gets it; name it in a rule, or remove it"
                yield self._at_key(("badges", name), message, "unused-badge")
        for name in self.rules.sources:
            if not any(self._takes(rule, name) for rule in self.rules.rules):
                message = f"no rule takes events of source '{name}', so each is ignored; add a rule, or remove it"
                yield self._at_key(("sources", name), message, "unused-source")
        of_sources = set(self.rules.portal_of.values())
        for name in self.rules.portals:
            if name not in of_sources and not any(rule.portal == name for rule in self.rules.rules):
                message = f"no source and no rule names portal '{name}'; write portal: {name} at one, or remove it"
                yield self._at_key(("portals", name), message, "unused-portal")

    def rule(self, rule: Rule, path: Path) -> Iterator[Finding]:
        yield from self._types(rule, rule.on, (*path, "on"), self.senders.of(rule))
        if rule.clear is not None and (*path, "clear", "on") in self.document.values:
            yield from self._types(rule, rule.clear.on, (*path, "clear", "on"), self.senders.clearing(rule))
        yield from self._idle_sources(rule, path)
        yield from self._without_customer(rule, path)
        yield from self._condition(rule)

    def pairs(self) -> Iterator[Finding]:
        """Rules that do the same, and rules whose badges hide one another; each rule is told of once."""
        told: set[int] = set()
        acting = [(index, rule) for index, rule in enumerate(self.rules.rules) if self._acts(rule)]
        if (count := comb(len(acting), 2)) > self.most_pairs:
            message = (
                f"of {len(acting):,} rules only {self.most_pairs:,} of {count:,} pairs were compared, so that a later "
                "rule may repeat another one, or hide its badge, without a word"
            )
            yield self.document.caution(self.document.keys["rules",], message, "not-compared", "note")
        for (one, first), (other, second) in islice(combinations(acting, 2), self.most_pairs):
            if first.portal != second.portal or other in told:
                continue
            together = _on_one_card(first.attach, second.attach)
            is_repeat = first.badge == second.badge and (together or second.attach is None)
            if is_repeat and self._within(second, first):
                told.add(other)
                yield self._repeated(second, first, ("rules", other, "badge"))
            elif together and first.badge != second.badge:
                if self._within(second, first):
                    told.add(other)
                    yield self._hidden(second, first, ("rules", other, "badge"))
                elif one not in told and self._within(first, second):
                    told.add(one)
                    yield self._hidden(first, second, ("rules", one, "badge"))

    def _acts(self, rule: Rule) -> bool:
        """Whether a rule can match at all; one that never does is not in the way of others."""
        sent = any(self.senders.send(self.senders.of(rule), kind) for kind in rule.on)
        if not sent or rule.condition is None:
            return sent
        return can_be_true(self._tree(rule), self._domains(rule), self.budget)

    def _repeated(self, rule: Rule, earlier: Rule, path: Path) -> Finding:
        by, every = f"rule '{earlier.name}' in line {earlier.line}", f"for every event of rule '{rule.name}'"
        if rule.attach is None:
            message = f"{by} already makes sure of badge '{rule.badge}' {every}; remove the later one"
        else:
            message = (
                f"{by} already puts badge '{rule.badge}' on the same card {every}, so that it is there twice; remove "
                "one of them, or let one condition leave out what the other takes"
            )
        return self._at(path, message, "repeated-rule")

    def _hidden(self, rule: Rule, other: Rule, path: Path) -> Finding:
        message = (
            f"every event of rule '{rule.name}' gets badge '{other.badge}' too, by rule '{other.name}' in line "
            f"{other.line} and on the same card, which shows only the badge added last; let one condition leave out "
            "what the other takes"
        )
        return self._at(path, message, "hidden-badge")

    def _takes(self, rule: Rule, source: str) -> bool:
        """Whether a rule acts on events of a source, or is cleared by them. One that names it has its own warnings."""
        if source in rule.sources:
            return True
        if not rule.sources and any(self.senders.send([source], kind) for kind in rule.on):
            return True
        cleared = rule.clear.on if rule.clear is not None and source in self.senders.clearing(rule) else ()
        return any(self.senders.send([source], kind) for kind in cleared)

    def _types(self, rule: Rule, types: Sequence[str], path: Path, sources: Sequence[str]) -> Iterator[Finding]:
        """Types that none of these sources sends."""
        for index, kind in enumerate(types):
            if self.senders.send(sources, kind):
                continue
            whose = f"source '{sources[0]}' does not send"
            if len(sources) != 1:
                whose = f"no source of rule '{rule.name}' sends"
            known = list(dict.fromkeys(one for name in sources for one in self.senders.types(name)))
            close = closest(kind, filter(None, (_filled(one, kind) for one in known)))
            hint = f"did you mean '{close}'?" if close else f"they have {', '.join(known[:12])}"
            at = (*path, index) if (*path, index) in self.document.values else path
            yield self._at(at, f"{whose} events of type '{kind}'; {hint}", "never-sent")

    def _idle_sources(self, rule: Rule, path: Path) -> Iterator[Finding]:
        """Of several sources, those that send nothing for this rule, where others do."""
        idle = [name for name in rule.sources if not any(self.senders.send([name], kind) for kind in rule.on)]
        for name in idle if len(idle) < len(rule.sources) else ():
            message = (
                f"source '{name}' sends no event of the types of rule '{rule.name}'; remove it there, or correct on:"
            )
            yield self._at((*path, "source", rule.sources.index(name)), message, "never-sent")

    def _without_customer(self, rule: Rule, path: Path) -> Iterator[Finding]:
        sources = self.senders.of(rule)
        if rule.attach is None or not all(self.senders.empty_fields(name) >= _CUSTOMER for name in sources):
            return
        whose = f"an event of source '{sources[0]}'" if len(sources) == 1 else "an event of these sources"
        what = f"{whose} has no caller, callee, subject or email"
        if not rule.attach.owner:
            message = f"{what}, so no card is found for it; map one of them in its event:, or write attach.owner"
            yield self._at_key((*path, "attach"), message, "no-customer")
        elif rule.clear is not None and rule.clear.same is None:
            message = f"{what}, so nothing clears its badge; map one of them in its event:, or write clear.same"
            yield self._at_key((*path, "clear"), message, "no-customer")

    def _condition(self, rule: Rule) -> Iterator[Finding]:
        if rule.condition is None:
            return
        tree, domains = self._tree(rule), self._domains(rule)
        impossible = [found for leaf in tree.leaves() for found in self._impossible(rule, leaf, domains)]
        yield from impossible
        if not impossible:
            yield from self._never(rule, tree, domains, is_whole=True)

    def _impossible(self, rule: Rule, leaf: Tree, domains: Domains) -> Iterator[Finding]:
        """A comparison with a value that a field never has."""
        atom = leaf.atom
        if atom is not None and atom.known is not None:
            yield from self._impossible_time(rule, leaf, atom, atom.known)
            return
        known = domains.get(atom.of) if atom is not None and atom.equal else None
        if atom is None or known is None:
            return
        for value in atom.named:
            if value.kind != "text" or value.it in known:
                continue
            close = closest(value.it, [one for one in known if one])
            hint = f"did you mean '{close}'?" if close else f"it is {_listed(known)}"
            message = f"event.{atom.of} is never '{value.it}' in events that rule '{rule.name}' takes; {hint}"
            yield self._in_condition(rule, leaf, message, "impossible-value")

    def _impossible_time(self, rule: Rule, leaf: Tree, atom: Atom, known: range) -> Iterator[Finding]:
        """The same of an hour or another part of a time: a number that it never is, one beyond all that it can be."""
        for value in atom.named if atom.equal else ():
            if value.it not in known:
                message = f"event.{atom.of} is never {value.it} in rule '{rule.name}'; it is {known[0]} to {known[-1]}"
                yield self._in_condition(rule, leaf, message, "impossible-value")
        if not atom.equal and not can_be_true(replace(leaf, negated=not leaf.negated), {}, self.budget):
            always = f"{_short(leaf.part.text)} is always true in rule '{rule.name}'"
            message = f"{always}, since event.{atom.of} is {known[0]} to {known[-1]}; correct it, or remove it"
            yield self._in_condition(rule, leaf, message, "impossible-value")

    def _never(self, rule: Rule, tree: Tree, domains: Domains, *, is_whole: bool) -> Iterator[Finding]:
        """The smallest part that is never true, and because of which the whole never is; else parts that are idle."""
        can = self._can(domains)
        so = f"in rule '{rule.name}'; correct it, or remove it"
        if is_whole:
            so = f"so that rule '{rule.name}' never matches; correct it, or remove the rule"
        if can(tree):
            if tree.part.operator in ("||", "&&"):
                for one in tree.parts:
                    yield from self._never(rule, one, domains, is_whole=False)
            return
        operands = tree.parts if tree.part.operator == "&&" else ()
        alone = next((one for one in operands if not can(one)), None)
        if alone is not None:
            yield from self._never(rule, alone, domains, is_whole=is_whole)
            return
        for first, second in combinations(operands, 2):
            if not can(replace(tree, parts=(first, second))):
                message = (
                    f"{_short(first.part.text)} and {_short(second.part.text)} cannot both be true{',' * is_whole} {so}"
                )
                yield self._in_condition(rule, second, message, "never-matches")
                return
        message = f"{_short(tree.part.text)} cannot be true{_why_never(tree.atom, domains)}{',' * is_whole} {so}"
        yield self._in_condition(rule, tree, message, "never-matches")

    def _can(self, domains: Domains) -> Callable[[Tree], bool]:
        return lambda tree: can_be_true(tree, domains, self.budget)

    def _within(self, narrow: Rule, wide: Rule) -> bool:
        """Whether each event that a rule matches is sure to be matched by another one."""
        if not all(any(covers(pattern, kind) for pattern in wide.on) for kind in narrow.on):
            return False
        if wide.sources and not set(self.senders.of(narrow)) <= set(wide.sources):
            return False
        if wide.condition is None or narrow.when.strip() == wide.when.strip():
            return True
        if narrow.condition is None:
            return False
        return implies(self._tree(narrow), self._tree(wide), self._domains(narrow), self.budget)

    def _domains(self, rule: Rule) -> Domains:
        return self.senders.domains(rule.on, tuple(self.senders.of(rule)))

    def _tree(self, rule: Rule) -> Tree:
        if rule.when not in self.trees:
            self.trees[rule.when] = read_condition(rule.when, _constant)
        return self.trees[rule.when]

    def _in_condition(self, rule: Rule, tree: Tree, message: str, code: str) -> Finding:
        assert rule.condition is not None
        scalar, part = rule.condition.scalar, tree.part
        length = len(part.text.split("\n", maxsplit=1)[0])
        found = scalar.finding(*position(scalar.value, part.start), message, code, length=length)
        return replace(found, severity="warning")

    def _at(self, path: Path, message: str, code: str) -> Finding:
        return self.document.caution(self.document.values[path], message, code)

    def _at_key(self, path: Path, message: str, code: str) -> Finding:
        return self.document.caution(self.document.keys[path], message, code)


def _why_never(atom: Atom | None, domains: Domains) -> str:
    """In half a sentence, where it is the field alone."""
    if atom is not None and atom.known is not None:
        return f" since event.{atom.of} is {atom.known[0]} to {atom.known[-1]}"
    is_empty = atom is not None and list(domains.get(atom.of, ())) == [""]
    return f" since event.{atom.of} is always empty" if atom is not None and is_empty else ""


def _listed(texts: Collection[str]) -> str:
    *most, last = [*(f"'{one}'" for one in sorted(texts) if one), *(["empty"] if "" in texts else [])]
    return f"{', '.join(most)} or {last}" if most else last


def _filled(pattern: str, kind: str) -> str:
    """What somebody could have meant by a type: a pattern has the ending of that type; empty where it has none."""
    if not pattern.endswith("*"):
        return pattern
    ending = kind.partition(".")[2]
    return pattern[:-1] + ending if ending and pattern.endswith(".*") else ""


def _on_one_card(first: Attach | None, second: Attach | None) -> bool:
    """Whether two rules look for the card of an event in the same way."""
    if first is None or second is None:
        return False
    return first.to == second.to and _written(first) == _written(second)


def _written(attach: Attach) -> dict[str, str]:
    return {kind: expression.scalar.value for kind, expression in attach.owner.items()}


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _QUOTED else f"{line[: _QUOTED - 1]}…"
