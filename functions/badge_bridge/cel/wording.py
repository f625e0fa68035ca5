"""What the CEL engine says, in the words of someone who writes a rules file.

The engine's messages name internal types and operators (`_<_` applied to `(wrapper(int), string)`), point at a dot or
a parenthesis instead of the name, and list what a parser expected. Here they become one sentence each, with what to
write instead. What is not recognised is passed on as the engine says it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from re import Match, Pattern
from typing import Any

from badge_bridge.cel.errors import CelFinding
from badge_bridge.closeness import suggest

__all__ = [
    "FUNCTIONS",
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

FUNCTIONS: Mapping[str, str] = {
    "startsWith": "text.startsWith('+49')",
    "endsWith": "text.endsWith('00')",
    "contains": "text.contains('shop')",
    "matches": "text.matches('^[0-9]+$')",
    "size": "size(text) or size(values)",
    "has": "has(event.data.key)",
    "int": "int(value)",
    "uint": "uint(value)",
    "double": "double(value)",
    "string": "string(value)",
    "bool": "bool('true')",
    "bytes": "bytes(text)",
    "timestamp": "timestamp('2026-01-31T12:00:00Z')",
    "duration": "duration('90s')",
    "type": "type(value)",
    "dyn": "dyn(value)",
    "all": "values.all(x, x > 1)",
    "exists": "values.exists(x, x > 1)",
    "exists_one": "values.exists_one(x, x > 1)",
    "map": "values.map(x, x + 1)",
    "filter": "values.filter(x, x > 1)",
    "getFullYear": "event.time.getFullYear('Europe/Berlin')",
    "getMonth": "event.time.getMonth('Europe/Berlin')",
    "getDate": "event.time.getDate('Europe/Berlin')",
    "getDayOfMonth": "event.time.getDayOfMonth('Europe/Berlin')",
    "getDayOfWeek": "event.time.getDayOfWeek('Europe/Berlin')",
    "getDayOfYear": "event.time.getDayOfYear('Europe/Berlin')",
    "getHours": "event.time.getHours('Europe/Berlin')",
    "getMinutes": "event.time.getMinutes('Europe/Berlin')",
    "getSeconds": "event.time.getSeconds('Europe/Berlin')",
    "getMilliseconds": "event.time.getMilliseconds('Europe/Berlin')",
}
"""The functions of an expression, each with an example."""

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

_OTHER_LANGUAGES: Mapping[str, str] = {
    "=": "==",
    "&": "&&",
    "|": "||",
    "and": "&&",
    "or": "||",
    "not": "!",
    "AND": "&&",
    "OR": "||",
    "NOT": "!",
    "True": "true",
    "False": "false",
    "None": "null",
    "nil": "null",
    "===": "==",
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
    found = [_explained(message, _Place(text, line, column, known)) for line, column, message in _without_echoes(raw)]
    return found or [CelFinding(1, 1, without_status(raw))]


_ECHOES = frozenset({"<<nil>> parsetree"})
"""What the engine says beside the mistake because of which it has nothing to go on with."""


def _without_echoes(raw: str) -> Iterator[tuple[int, int, str]]:
    """What is only a consequence of an earlier mistake is left out."""
    unreadable = False
    # Lines that quote the expression begin with " | ", so that an expression cannot pretend to be a message.
    for match in re.finditer(r"^(?:[A-Z_]+: )?ERROR: <input>:(-?\d+):(-?\d+): (.*)$", raw, re.MULTILINE):
        message = without_status(match[3])
        if message in _ECHOES or "'*error*'" in message or (unreadable and message.startswith("Syntax error")):
            continue
        unreadable = unreadable or "token recognition error" in message
        yield max(int(match[1]), 1), max(int(match[2]), 1), message


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
    if root in _OTHER_LANGUAGES:
        return place.says_of(start, _cannot_stand(root))
    if re.match(r"\s*\(", place.text[start + len(name) :]):
        return place.says_of(start, _unknown_function(name))
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


def _unreadable(match: Match[str], place: _Place) -> CelFinding:
    token = match[1].strip()
    if token.startswith(("'", '"')):
        return place.says(
            "the text that begins here has no end or an unknown escape; close the quote, write \\\\ for a backslash"
        )
    return place.says(_cannot_stand(token))


def _unexpected(match: Match[str], place: _Place) -> CelFinding:
    unexpected = match[1]
    if unexpected == "<EOF>" or place.offset >= len(place.text.rstrip()):
        return place.says("the expression ends too early; something is missing at its end")
    before = re.search(r"\b(not|NOT)\s*$", place.text[: place.offset])
    if before:
        return place.says_of(before.start(1), _cannot_stand(before[1]))
    return place.says(_cannot_stand(unexpected))


def _missing(match: Match[str], place: _Place) -> CelFinding:
    token, found = match[1], match[2]
    if found == "<EOF>":
        return place.says(f"the expression ends before what was opened is closed; add '{token}'")
    return place.says(f"'{token}' is missing here; add it before '{found}'")


def _cannot_stand(token: str) -> str:
    if token in _OTHER_LANGUAGES:
        return f"'{token}' is not known here; write {_OTHER_LANGUAGES[token]}"
    if token[:1] in _OTHER_LANGUAGES:
        return _cannot_stand(token[:1])
    if token in FUNCTIONS:
        return f"'{token}' cannot stand here; write {FUNCTIONS[token]}"
    return f"'{token}' cannot stand here"


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
    (re.compile(r"Syntax error: token recognition error at: '(.*)'", re.DOTALL), _unreadable),
    (
        re.compile(
            r"Syntax error: (?:mismatched input|extraneous input|no viable alternative at input) '(.*?)'(?: .*)?"
        ),
        _unexpected,
    ),
    (re.compile(r"Syntax error: missing '(.+?)' at '(.*)'", re.DOTALL), _missing),
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
        re.compile(r"invalid int literal"),
        lambda _, place: place.says("this whole number is too large; it must fit into 64 bits"),
    ),
)


def without_status(raw: str) -> str:
    return re.sub(r"^[A-Z_]+: | \[[A-Z_]+\]$", "", raw.strip())
