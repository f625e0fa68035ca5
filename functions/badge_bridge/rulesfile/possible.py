"""Whether a condition can be true at all: for warnings, so nothing is said but what is certain.

A condition is taken apart into comparisons of one field with written values (`event.direction == 'inbound'`,
`event.data.total > 100`, `event.caller.startsWith('+49')`). For each field some values stand for all that it can have:
those that are named, one between and beside them, one that is none of them; a part of a time, such as its hour, has
those of a clock and a calendar. The condition is tried with each combination. What cannot be read counts as able to be
true, false or an error, the same for the same text. So "never true" is proven, and where there are too many
combinations nothing is claimed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise, product
from math import prod
from typing import Any, Literal, NamedTuple

from badge_bridge.cel import EVENT_FIELDS
from badge_bridge.cel.parts import Part, split

__all__ = ["Atom", "Budget", "Domains", "Tree", "can_be_true", "implies", "read_condition"]

MOST_COMBINATIONS = 5_000
"""Of one condition. Ten comparisons of three fields have a few dozen."""

MOST_TRIED = 100_000
"""Combinations in the whole of a file: a second or two, most of it for what is compared with each other."""

LEAST = 20
"""What one question counts at least: finding out what to try takes as long as trying so many."""

_PARTS_OF_TIME: Mapping[str, range] = {
    "getMonth": range(12),
    "getDate": range(1, 32),
    "getDayOfMonth": range(31),
    "getDayOfWeek": range(7),
    "getDayOfYear": range(366),
    "getHours": range(24),
    "getMinutes": range(60),
    "getSeconds": range(60),
    "getMilliseconds": range(1000),
}
"""What each of CEL's functions gives of a timestamp, in whatever time zone, as the language's definition has it: months
and days count from 0, but for `getDate`, and days of the week from Sunday. A year may be any.
"""

Outcome = Literal["true", "false", "error"]
Domains = Mapping[str, Collection[str]]
"""By a field's name, all texts that it can have; of other fields nothing is known."""

_TRUE: frozenset[Outcome] = frozenset({"true"})
_FALSE: frozenset[Outcome] = frozenset({"false"})
_ERROR: frozenset[Outcome] = frozenset({"error"})
_EITHER: frozenset[Outcome] = frozenset({"true", "false"})
_ANY: frozenset[Outcome] = frozenset({"true", "false", "error"})
_NOT: Mapping[Outcome, Outcome] = {"true": "false", "false": "true", "error": "error"}


class Value(NamedTuple):
    """What a field has. A `text` is itself; `longer` is a text that begins so and is none of those that are named."""

    kind: Literal["text", "longer", "number", "bool", "null", "other", "missing"]
    it: Any = None


Values = Mapping[str, Value]
Test = Callable[[Value], frozenset[Outcome]]


@dataclass(frozen=True, slots=True)
class Atom:
    """One comparison. `named` are the values that are written in it, `equal` whether it asks if the field is one of
    them (or, for `!=`, none).
    """

    of: str
    """The field's name, with a path below `data`, and of `time` with the function: `time.getHours('Europe/Berlin')`."""
    test: Test = field(compare=False, repr=False)
    named: tuple[Value, ...] = ()
    prefix: bool = False
    equal: bool = False
    known: range | None = None
    """All numbers that it can be, where it is a part of the event's time."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A part of a condition, with its place in it; a leaf has an atom, a constant, or neither where it is not read."""

    part: Part
    parts: tuple[Tree, ...] = ()
    atom: Atom | None = None
    constant: frozenset[Outcome] | None = None
    negated: bool = False
    """Of a leaf: a `!` stands before it."""
    name: str = ""
    """Of a leaf that is not read: the same for the same text, and no field's."""

    def leaves(self) -> Iterator[Tree]:
        if not self.parts:
            yield self
        for one in self.parts:
            yield from one.leaves()


@dataclass(slots=True)
class Budget:
    """How much may still be tried."""

    left: int = MOST_TRIED


def read_condition(text: str, constant: Callable[[str], frozenset[Outcome] | None]) -> Tree:
    """The condition as far as it is understood. `constant` gives what a part comes to that reads no event."""
    return _read(split(text), constant)


def can_be_true(tree: Tree, domains: Domains, budget: Budget) -> bool:
    """False only where it is certain that no event makes it true."""
    tried = _combinations([tree], domains, budget)
    return tried is None or any("true" in _outcomes(tree, values) for values in tried)


def implies(first: Tree | None, second: Tree | None, domains: Domains, budget: Budget) -> bool:
    """Whether it is certain that each event for which the first is true makes the second true; None is always true."""
    if second is None:
        return True
    if first is None:
        return False
    tried = _combinations([first, second], domains, budget)
    return tried is not None and all(
        "true" not in _outcomes(first, values) or _outcomes(second, values) == _TRUE for values in tried
    )


def _read(part: Part, constant: Callable[[str], frozenset[Outcome] | None]) -> Tree:
    if part.parts:
        return Tree(part, tuple(_read(one, constant) for one in part.parts))
    text, negated = part.text.strip(), False
    while text.startswith("!") and not text.startswith("!="):
        text, negated = text[1:].strip(), not negated
    if not re.search(r"\bevent\b", text):
        return Tree(part, constant=constant(part.text))
    return Tree(part, atom=_atom(text), negated=negated, name=f"({text})")


_FIELD = r"(?P<field>event(?:\s*\.\s*[A-Za-z_]\w*)+)"
_ZONE = r"""(?P<zone>'[^'\\\n]*'|"[^"\\\n]*")?"""
_READ = rf"(?:{_FIELD}|event\s*\.\s*time\s*\.\s*(?P<part>{'|'.join(_PARTS_OF_TIME)})\s*\(\s*{_ZONE}\s*\))"
_LITERAL = r"""'[^'\\\n]*'|"[^"\\\n]*"|-?[0-9]{1,15}(?:\.[0-9]{1,15})?|true\b|false\b|null\b"""
_COMPARED = re.compile(rf"{_READ}\s*(?P<operator>==|!=|<=|>=|<|>)\s*(?P<value>{_LITERAL})")
_TURNED = re.compile(rf"(?P<value>{_LITERAL})\s*(?P<operator>==|!=|<=|>=|<|>)\s*{_READ}")
_LISTED = re.compile(rf"{_READ}\s+in\s*\[(?P<values>\s*(?:{_LITERAL})(?:\s*,\s*(?:{_LITERAL}))*\s*)\]")
_CALLED = re.compile(
    rf"""{_FIELD}\s*\.\s*(?P<called>startsWith|endsWith|contains)\s*\(\s*(?P<value>'[^'\\\n]*'|"[^"\\\n]*")\s*\)"""
)
_PRESENT = re.compile(rf"has\s*\(\s*{_FIELD}\s*\)")
_TURN = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _atom(text: str) -> Atom | None:
    if found := _PRESENT.fullmatch(text):
        return _of_field(found, _is_present)
    if found := _LISTED.fullmatch(text):
        listed = tuple(_value(one) for one in re.findall(_LITERAL, found["values"]))
        return _of_field(found, lambda value: _is_one_of(value, listed), listed, equal=True)
    if found := _CALLED.fullmatch(text):
        called, given = found["called"], _value(found["value"])
        return _of_field(found, lambda value: _calls(called, value, given.it), (given,), prefix=called == "startsWith")
    found = _COMPARED.fullmatch(text) or _TURNED.fullmatch(text)
    return _comparison(found) if found else None


def _comparison(found: re.Match[str]) -> Atom | None:
    sign, written = found["operator"], _value(found["value"])
    if found.re is _TURNED:
        sign = _TURN.get(sign, sign)
    if sign == "==":
        return _of_field(found, lambda value: _is_one_of(value, (written,)), (written,), equal=True)
    if sign == "!=":
        return _of_field(found, lambda value: _negated(_is_one_of(value, (written,))), (written,), equal=True)
    return _of_field(found, lambda value: _ordered(sign, value, written), (written,))


def _of_field(
    found: re.Match[str], test: Test, named: tuple[Value, ...] = (), *, prefix: bool = False, equal: bool = False
) -> Atom | None:
    groups = found.groupdict()
    if part := groups.get("part"):
        zone = f"'{groups['zone'][1:-1]}'" if groups["zone"] else ""
        return Atom(f"time.{part}({zone})", test, named, prefix, equal, _PARTS_OF_TIME[part])
    path = re.sub(r"\s", "", found["field"]).removeprefix("event.")
    kind = EVENT_FIELDS.get(path)
    if kind in ("timestamp", "map"):
        return None
    return Atom(path, test, named, prefix, equal)


def _value(literal: str) -> Value:
    if literal[0] in "'\"":
        return Value("text", literal[1:-1])
    if literal in ("true", "false"):
        return Value("bool", literal == "true")
    if literal == "null":
        return Value("null")
    return Value("number", float(literal) if "." in literal else int(literal))


def _is_present(value: Value) -> frozenset[Outcome]:
    if value.kind == "missing":
        return frozenset({"false", "error"})  # an error where what it would be in is missing
    if value in (Value("text", ""), Value("null")):
        return _EITHER  # a field of the event that is empty is not there, a text of the data that is empty is
    return _TRUE


def _is_one_of(value: Value, named: Iterable[Value]) -> frozenset[Outcome]:
    if value.kind == "missing":
        return _ERROR
    return _TRUE if value in named else _FALSE


def _calls(called: str, value: Value, given: str) -> frozenset[Outcome]:
    if value.kind == "text":
        found = {"startsWith": str.startswith, "endsWith": str.endswith, "contains": str.__contains__}[called]
        return _TRUE if found(value.it, given) else _FALSE
    if value.kind == "longer":
        if called == "startsWith":
            return _TRUE if value.it.startswith(given) else _FALSE
        return _EITHER
    return _ERROR


def _ordered(sign: str, value: Value, written: Value) -> frozenset[Outcome]:
    if value.kind == written.kind and value.kind in ("text", "number"):
        return _TRUE if _ORDERS[sign](value.it, written.it) else _FALSE
    if value.kind in ("longer", "other", "bool"):
        return _ANY
    return _ERROR


def _negated(outcomes: frozenset[Outcome]) -> frozenset[Outcome]:
    return frozenset(_NOT[one] for one in outcomes)


def _outcomes(tree: Tree, values: Values) -> frozenset[Outcome]:
    if not tree.parts:
        return _outcomes_of_leaf(tree, values)
    found = [_outcomes(one, values) for one in tree.parts]
    if tree.part.operator == "!":
        return _negated(found[0])
    if tree.part.operator == "?:":
        chosen = [found[1]] if "true" in found[0] else []
        chosen += [found[2]] if "false" in found[0] else []
        return frozenset(chain(*chosen, found[0] & _ERROR))
    stronger: Outcome = "true" if tree.part.operator == "||" else "false"
    weaker = _NOT[stronger]
    if any(one == {stronger} for one in found):
        return frozenset({stronger})
    combined: set[Outcome] = set()
    if any(stronger in one for one in found):
        combined.add(stronger)
    if all(weaker in one for one in found):
        combined.add(weaker)
    if any("error" in one for one in found):
        combined.add("error")
    return frozenset(combined)


def _outcomes_of_leaf(tree: Tree, values: Values) -> frozenset[Outcome]:
    if tree.atom is not None:
        outcomes = tree.atom.test(values[tree.atom.of])
        return _negated(outcomes) if tree.negated else outcomes
    if tree.constant is not None:
        return tree.constant
    outcomes = frozenset({values[tree.name].it})
    return _negated(outcomes) if tree.negated else outcomes


def _combinations(trees: Sequence[Tree], domains: Domains, budget: Budget) -> Iterator[Values] | None:
    """What the fields can have together; None where that is too much to be tried."""
    if budget.left <= 0:
        return None
    leaves = list(chain.from_iterable(tree.leaves() for tree in trees))
    atoms: dict[str, list[Atom]] = {}
    for leaf in leaves:
        if leaf.atom is not None:
            atoms.setdefault(leaf.atom.of, []).append(leaf.atom)
    candidates = {name: _values(name, compared, domains) for name, compared in atoms.items()}
    unread = [leaf for leaf in leaves if leaf.atom is None and leaf.constant is None]
    candidates |= {leaf.name: [Value("other", outcome) for outcome in sorted(_ANY)] for leaf in unread}
    number = prod(map(len, candidates.values()))
    if number > min(MOST_COMBINATIONS, budget.left):
        return None
    budget.left -= LEAST
    return _tried(candidates, budget)


def _tried(candidates: Mapping[str, Sequence[Value]], budget: Budget) -> Iterator[Values]:
    for combination in product(*candidates.values()):
        budget.left -= 1
        yield dict(zip(candidates, combination, strict=True))


def _values(name: str, atoms: Sequence[Atom], domains: Domains) -> list[Value]:
    """Values that stand for all that a field can have."""
    if name in domains:
        return [Value("text", one) for one in sorted(domains[name])]
    named = list(dict.fromkeys(value for atom in atoms for value in atom.named))
    if (known := atoms[0].known) is not None:
        return [Value("number", one) for one in known if _is_near(one, named, known)]
    if EVENT_FIELDS.get(name) == "string":
        return list(dict.fromkeys([*_texts(named, atoms), Value("text", "")]))
    numbers = _numbers(sorted({value.it for value in named if value.kind == "number"}))
    if name in EVENT_FIELDS:
        return [*numbers, Value("null")]
    others = [value for value in named if value.kind in ("bool", "null")]
    return [*_texts(named, atoms), *numbers, *others, Value("null"), Value("other"), Value("missing")]


def _is_near(one: int, named: Iterable[Value], known: range) -> bool:
    """Whether it is one of those numbers that stand for all: what is named and its neighbours, and the ends."""
    return one in (known[0], known[-1]) or any(value.kind == "number" and abs(value.it - one) <= 1 for value in named)


def _texts(named: Sequence[Value], atoms: Sequence[Atom]) -> list[Value]:
    prefixes = {value.it for atom in atoms if atom.prefix for value in atom.named}
    return [
        *(value for value in named if value.kind == "text"),
        *(Value("longer", one) for one in sorted({*prefixes, ""})),
    ]


def _numbers(written: Sequence[float]) -> list[Value]:
    """Those that are written, their neighbours, and what lies between two."""
    if not written:
        return [Value("number", 0)]
    around = [one + step for one in written for step in (-1, 0, 1)]
    between = [(low + high) / 2 for low, high in pairwise(written)]
    return [Value("number", one) for one in sorted({*around, *between})]
