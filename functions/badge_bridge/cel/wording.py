"""What the CEL engine says, in the words of someone who writes a rules file.

The engine's messages name internal types and operators (`_<_` applied to `(wrapper(int), string)`), point at a dot or
a parenthesis instead of the name, and list what a parser expected. Here they become one sentence each, with what to
write instead; what cannot be parsed at all is explained in `syntax`. What is not recognised is passed on as the engine
says it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from re import Match, Pattern
from typing import Any

from badge_bridge.cel import syntax
from badge_bridge.cel.errors import CelFinding
from badge_bridge.cel.functions import FUNCTIONS
from badge_bridge.closeness import suggest

__all__ = [
    "Known",
    "a",
    "compilation",
    "hint_for_result",
    "kind_of_value",
    "overload",
    "position",
    "type_names",
    "without_status",
]

_TYPES: Mapping[str, str] = {
    "bool": "true or false",
    "string": "a text",
    "int": "a whole number",
    "int64": "a whole number",
    "uint": "a positive whole number",
    "uint64": "a positive whole number",
    "double": "a decimal number",
    "timestamp": "a time",
    "duration": "a duration",
    "bytes": "bytes",
    "list": "a list",
    "map": "a map",
    "dyn": "an untyped value",
    "any": "an untyped value",
    "null": "null",
    "null_type": "null",
    "type": "a type",
    "message": "an event",
    "badge_bridge.event": "an event",
    "google.protobuf.timestamp": "a time",
    "google.protobuf.duration": "a duration",
}

_OTHER_FUNCTIONS: Mapping[str, str] = {
    "len": "size",
    "length": "size",
    "count": "size",
    "includes": "contains",
    "indexOf": "contains",
    "match": "matches",
    "any": "exists",
    "every": "all",
    "some": "exists",
    "str": "string",
    "float": "double",
}


@dataclass(frozen=True, slots=True)
class Known:
    """The names that an expression may use."""

    variables: Sequence[str]
    fields: Sequence[str]
    """Of the event, where there is one."""


def a(kind: str) -> str:
    """A type's name with its article."""
    return _TYPES.get(re.split(r"[<(]", kind.lower())[0], kind)


def kind_of_value(value: Any) -> str:
    names = {bool: "bool", str: "string", int: "int", float: "double", list: "list", dict: "map", type(None): "null"}
    return a(names.get(type(value), type(value).__name__))


def hint_for_result(wanted: str) -> str:
    hints = {
        "bool": "; compare it with something, such as event.caller != ''",
        "string": "; convert it with string(...)",
        "int": "; convert it with int(...)",
    }
    return hints.get(wanted, "")


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of a character of the expression."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the engine found a mistake, and in what."""

    text: str
    line: int
    column: int
    known: Known

    @property
    def offset(self) -> int:
        return sum(len(one) + 1 for one in self.text.split("\n")[: self.line - 1]) + self.column - 1

    def says(self, message: str) -> CelFinding:
        return CelFinding(self.line, self.column, message)

    def says_of(self, start: int, message: str) -> CelFinding:
        return CelFinding(*position(self.text, start), message)

    def start_of(self, name: str) -> int:
        """Where a name begins: the engine points at the dot before a field and at the parenthesis after a function."""
        pattern = r"\s*\.\s*".join(rf"\b{re.escape(part)}\b" for part in name.split("."))
        offset = self.offset

        def distance(span: tuple[int, int]) -> int:
            start, end = span
            return 0 if start <= offset <= end else min(abs(start - offset), abs(end - offset))

        places = [match.span() for match in re.finditer(pattern, self.text)]
        return min(places, key=distance)[0] if places else offset


def compilation(raw: str, text: str, known: Known) -> list[CelFinding]:
    """Each mistake that the engine found, in its own sentence."""
    if "recursion" in raw:
        nested = "the expression is nested too deeply; at most 32 levels, and each + or - of a chain is one"
        return [CelFinding(1, 1, nested)]
    found = [(_Place(text, line, column, known), message) for line, column, message in _messages(raw)]
    # All else that is said of what cannot be parsed comes of its first mistake.
    for place, message in found:
        if _UNPARSED.match(message):
            return [place.says_of(*mistake) for mistake in syntax.explain(text, place.offset)]
    told = [_explained(message, place) for place, message in found if _FAILED not in message]
    return told or [CelFinding(1, 1, "the expression cannot be understood; compare it with the examples in the README")]


_UNPARSED = re.compile(r"Syntax error: |reserved identifier: ")
_FAILED = "*error*"
"""What the engine calls the type of something that has a mistake inside of it, of which it has told already."""


def _messages(raw: str) -> Iterator[tuple[int, int, str]]:
    """Line, column and text of each."""
    # Lines that quote the expression begin with " | ", so that an expression cannot pretend to be a message.
    for match in re.finditer(r"^(?:[A-Z_]+: )?ERROR: <input>:(-?\d+):(-?\d+): (.*)$", raw, re.MULTILINE):
        yield max(int(match[1]), 1), max(int(match[2]), 1), without_status(match[3])


def _explained(message: str, place: _Place) -> CelFinding:
    for pattern, explain in _COMPILATION:
        if match := pattern.fullmatch(message):
            return explain(match, place)
    return place.says(message)


def _unknown_field(match: Match[str], place: _Place) -> CelFinding:
    name = match[1]
    if name == "data":
        return place.says_of(place.start_of(name), "the data of an event is written event.data, in full")
    message = f"an event has no field '{name}'; {suggest(name, sorted(place.known.fields))}"
    return place.says_of(place.start_of(name), message)


def _undeclared(match: Match[str], place: _Place) -> CelFinding:
    name = match[1]
    start = place.start_of(name)
    root = name.split(".", maxsplit=1)[0]
    if said := syntax.instead_of(root):
        return place.says_of(start, said)
    if re.match(r"\s*\(", place.text[start + len(name) :]):
        return place.says_of(start, _unknown_function(name))
    if typed := re.match(r"call\.\w+", place.text[start:]):
        return place.says_of(start, f"there is no '{root}'; put quotes around a text, so write '{typed[0]}'")
    if root in place.known.fields:
        return place.says_of(start, f"there is no '{root}'; did you mean 'event.{root}'?")
    names = [*place.known.variables, *(f"event.{field}" for field in place.known.fields)]
    return place.says_of(start, f"there is no '{root}'; {suggest(root, sorted(names))}")


def _unknown_function(name: str) -> str:
    if name in FUNCTIONS:
        return f"{name}() cannot be written like this; write {FUNCTIONS[name]}"
    if name in _OTHER_FUNCTIONS:
        return f"there is no function '{name}'; write {FUNCTIONS[_OTHER_FUNCTIONS[name]]}"
    return f"there is no function '{name}'; {suggest(name, sorted(FUNCTIONS))}"


def type_names(text: str) -> list[str]:
    """The names of types such as `wrapper(int), map(string, dyn)`, split at the outer commas."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    types = [re.sub(r"^wrapper\((.*)\)$", r"\1", part.strip()) for part in parts]
    return [a(one) for one in types if one]


def overload(function: str, types: Sequence[str]) -> str:
    """Operators are written `_<_`, `!_`, `_?_:_`, `_[_]` and `@in` by the engine."""
    if function == "_[_]" and types[0] == "an event":
        return "a field of an event is not written with brackets; write event.caller"
    if function == "@in":
        return f"'in' needs a list or a map on its right, not {types[-1]}; to look inside a text write a.contains(b)"
    if function == "_?_:_":
        return f"'? :' needs true or false before it and two results of one type, not {', '.join(types)}"
    if match := re.fullmatch(r"_(\W+)_", function):
        return f"'{match[1]}' does not work between {types[0]} and {types[-1]}; {_operator_hint(match[1], types)}"
    if match := re.fullmatch(r"(\W)_", function):
        return f"'{match[1]}' does not work on {types[0]}"
    example = f"; write {FUNCTIONS[function]}" if function in FUNCTIONS else ""
    return f"{function}() does not work on {', '.join(types)}{example}"


def _operator_hint(operator: str, types: Sequence[str]) -> str:
    if operator in ("&&", "||"):
        return "both sides must be true or false"
    if "null" in types:
        return "test the value with has(...) first"
    return "convert one with string(...), int(...) or double(...), or correct the quotes"


_COMPILATION: Sequence[tuple[Pattern[str], Callable[[Match[str], _Place], CelFinding]]] = (
    (re.compile(r"undefined field '(.+)' not found in struct '.*'"), _unknown_field),
    (re.compile(r"undeclared reference to '(.+)' \(in container '.*'\)"), _undeclared),
    (
        re.compile(r"found no matching overload for '(.+)' applied to '\((.*)\)'"),
        lambda match, place: place.says(overload(match[1], type_names(match[2]))),
    ),
    (
        re.compile(r"expression of type '(.+)' cannot be the operand of a select operation"),
        lambda match, place: place.says(f"{a(match[1])} has no fields; remove what follows"),
    ),
    (
        re.compile(r"expression of type '(.+)' cannot be the range of a comprehension .*"),
        lambda match, place: place.says(f"this must be a list or a map, and is {a(match[1])}"),
    ),
    (
        re.compile(r"has\(\) argument must be a field selection"),
        lambda _, place: place.says("has() asks for a field; write has(event.field)"),
    ),
    (
        re.compile(r"invalid (?:hex )?u?int literal"),
        lambda _, place: place.says("this whole number is too large; it must fit into 64 bits"),
    ),
    (
        re.compile(r"invalid .*literal.*"),
        lambda _, place: place.says("this is no number and no text; write it such as 1, 1.5 or 'text'"),
    ),
    (
        re.compile(r"unsupported syntax '(.+)'"),
        lambda match, place: place.says(f"'{match[1]}' is not known here; ask with has(event.data.key) first"),
    ),
    (
        re.compile(r"(\w+)\(\) variable name must be a simple identifier"),
        lambda match, place: place.says(
            f"{match[1]}() begins with a name of yours; write {FUNCTIONS.get(match[1], FUNCTIONS['exists'])}"
        ),
    ),
)


def without_status(raw: str) -> str:
    return re.sub(r"^[A-Z_]+: | \[[A-Z_]+\]$", "", raw.strip())
