"""Reading YAML into plain data, keeping where everything stands.

libyaml's parser does the reading, through PyYAML; the values are made here. PyYAML's own loading would turn `on:` into
`True`, `22:30` into 1350 and `+4930...` into a number, forget positions, follow aliases and build what tags ask for.
Here plain scalars are read as in YAML 1.2 (null, true, false, decimal numbers; everything else is text), and tags,
anchors and aliases are mistakes. Depth and number of nodes are bounded, so a hostile file costs little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from badge_bridge.errors import Finding, RulesError, Severity
from badge_bridge.rulesfile.positions import BREAK, Place

__all__ = ["MAX_BYTES", "Document", "Path", "read"]

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_NODES = 200_000

Path = tuple[str | int, ...]
"""Keys and indexes from the top of the file to a value."""

_NOWHERE = -1
"""Stands in a path for a value that a later one of the same key replaces; no list has this index."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# No leading plus and no leading zero: phone numbers and codes stay text. At most 18 digits: more is no amount.
_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,2})?")


@dataclass(slots=True)
class Document:
    """A file as plain data: dicts, lists, texts, numbers, booleans and None."""

    filename: str
    text: str
    data: Any = None
    values: dict[Path, Place] = field(default_factory=dict)
    """Where each value begins."""
    keys: dict[Path, Place] = field(default_factory=dict)
    """Where the key of each value in a mapping begins."""
    findings: list[Finding] = field(default_factory=list)
    """Mistakes that do not keep the rest from being read."""
    unreadable: set[Path] = field(default_factory=set)
    """Values that stand for nothing because of such a mistake; further findings about them would be noise."""

    def at(self, path: Path) -> Any:
        """The value at a path that is in `values`."""
        value = self.data
        for part in path:
            value = value[part]
        return value

    def finding(self, place: Place, message: str, code: str) -> Finding:
        """An error at this place; `code` is one of `codes.ERRORS`."""
        first_line = BREAK.split(self.text[place.start : place.end], maxsplit=1)[0]
        end = place.column + max(len(first_line), 1)
        return Finding(self.filename, place.line, place.column, message, code, end=end)

    def caution(self, place: Place, message: str, code: str, severity: Severity = "warning") -> Finding:
        """A warning or a note at this place; `code` is one of `codes.WARNINGS` or `codes.NOTES`."""
        return replace(self.finding(place, message, code), severity=severity)


def read(content: bytes, filename: str) -> Document:
    """Read a file.

    Raises:
        RulesError: it cannot be read as one YAML mapping.
    """
    document = Document(filename, _decode(content, filename))
    try:
        _Reader(document).read()
    except yaml.MarkedYAMLError as error:
        raise RulesError([*document.findings, _syntax_finding(error, document)]) from None
    except yaml.reader.ReaderError as error:
        before = document.text[: error.position]
        message = f"the character U+{error.character:04X} cannot stand in a file; remove it"
        raise RulesError([_at(filename, before, message)]) from None
    if not isinstance(document.data, dict):
        raise RulesError([*document.findings, Finding(filename, 1, 1, _EXPECTED, "syntax")])
    return document


_EXPECTED = "this is not a rules file; write the keys portals, sources, badges and rules, each with what belongs to it"


def _decode(content: bytes, filename: str) -> str:
    if len(content) > MAX_BYTES:
        message = f"the file has more than {MAX_BYTES} bytes (1 MiB), and no more are read; name the rules file"
        raise RulesError([Finding(filename, 1, 1, message, "unreadable")])
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RulesError([Finding(filename, 1, 1, "the file is written in UTF-16; save it as UTF-8", "unreadable")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        message = f"the byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise RulesError([_at(filename, before, message)]) from None


def _at(filename: str, before: str, message: str) -> Finding:
    """A finding after this much of the text."""
    lines = before.split("\n")
    return Finding(filename, len(lines), len(lines[-1]) + 1, message, "unreadable")


class _Reader:
    """Turns the parser's events into data. Mistakes that lose nothing are noted; the others end the reading."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._events: Iterator[Any] = yaml.parse(document.text, Loader=yaml.CSafeLoader)
        self._nodes = 0

    def read(self) -> None:
        next(self._events)  # the stream's start
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            raise self._fatal(start, "the file is empty; write the keys portals, sources, badges and rules")
        self._document.data = self._value(next(self._events), ())
        next(self._events)  # the document's end
        further = next(self._events)
        if isinstance(further, yaml.DocumentStartEvent):
            self._note(further, "a second document begins here; remove the --- and what is double", "syntax")

    def _value(self, event: Any, path: Path) -> Any:
        self._count(event, path)
        self._document.values[path] = _place(event)
        if isinstance(event, yaml.AliasEvent):
            message = f"'*{event.anchor}' would repeat another value, which a rules file cannot; write it out"
            self._note(event, message, "not-taken")
            self._document.unreadable.add(path)
            return None
        self._refuse_decoration(event, path)
        if isinstance(event, yaml.ScalarEvent):
            return _resolve(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(path)
        return self._mapping(path)

    def _list(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path)
            place = _place(event)
            if key in mapping:
                first = self._document.keys[(*path, key)]
                self._note(event, f"'{key}' is already set in line {first.line}; keep one of them", "repeated-key")
                self._value(next(self._events), (*path, _NOWHERE))  # read for its mistakes; nothing will use it
                continue
            self._document.keys[(*path, key)] = place
            mapping[key] = self._value(next(self._events), (*path, key))
        return mapping

    def _key(self, event: Any, path: Path) -> str:
        """Keys are texts as they are written: `on`, `no` and `1` too."""
        if not isinstance(event, yaml.ScalarEvent):
            raise self._fatal(event, "a key must be a text; put quotes around a value that begins with { or [ or *")
        self._count(event, path)
        self._refuse_decoration(event, path)
        return str(event.value)

    def _count(self, event: Any, path: Path) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._fatal(event, f"the file has more than {MAX_NODES} values; split it")
        if len(path) > MAX_DEPTH:
            raise self._fatal(
                event, f"values are nested more than {MAX_DEPTH} levels deep here; a rules file needs five"
            )

    def _refuse_decoration(self, event: Any, path: Path) -> None:
        if event.anchor is not None:
            message = f"'&{event.anchor}' names a value for repetition, which a rules file cannot; remove it"
            self._note(event, message, "not-taken")
        if event.tag is not None:
            message = "a value that begins with ! is a YAML tag; put quotes around it, or remove the tag"
            self._note(event, message, "not-taken")
            self._document.unreadable.add(path)

    def _note(self, event: Any, message: str, code: str) -> None:
        self._document.findings.append(self._document.finding(_place(event), message, code))

    def _fatal(self, event: Any, message: str) -> RulesError:
        return RulesError([*self._document.findings, self._document.finding(_place(event), message, "syntax")])


def _place(event: Any) -> Place:
    start, end = event.start_mark, event.end_mark
    style = event.style or "" if isinstance(event, yaml.ScalarEvent) else ""
    return Place(start.line + 1, start.column + 1, start.index, end.index, style)


def _resolve(event: Any) -> str | int | float | bool | None:
    value = str(event.value)
    if event.style or event.tag is not None:
        return value
    if value in _NULL:
        return None
    if value in _BOOL:
        return _BOOL[value]
    if _INT.fullmatch(value):
        return int(value)
    if _FLOAT.fullmatch(value):
        return float(value)
    return value


def _syntax_finding(error: yaml.MarkedYAMLError, document: Document) -> Finding:
    mark = error.problem_mark or error.context_mark
    assert mark is not None  # every error of libyaml's scanner and parser has one
    line, column = mark.line + 1, mark.column + 1
    problem = error.problem or "this cannot be read"
    start = error.context_mark
    if start is not None and "end of stream" in problem:
        line, column = start.line + 1, start.column + 1
    lines = document.text.split("\n")
    shown = lines[line - 1] if line <= len(lines) else ""
    return Finding(document.filename, line, column, _explain(problem, error.context or "", shown, column), "syntax")


def _explain(problem: str, context: str, line: str, column: int) -> str:
    at = line[column - 1 : column]
    if at == "\t" or (line[:column].isspace() and "\t" in line[:column]):
        return "a tab cannot be used to indent; use spaces"
    if "${" in line and "flow mapping" in context:
        return 'write "${NAME}" in quotes inside of braces'
    if "cannot start any token" in problem:
        return f"a value cannot begin with {at}; put quotes around it"
    said = f"{context}: {problem}"
    for pattern, message in _SYNTAX:
        if pattern.search(said):
            return message
    return f"this is not YAML: {problem}"


_SYNTAX = tuple(
    (re.compile(pattern), message)
    for pattern, message in (
        ("mapping values are not", "a colon cannot stand here; quote the value, or correct the indentation"),
        ("end of stream", "the quote that begins here is never closed"),
        ("alias|anchor", "a value that begins with * or & needs quotes around it"),
        ("escape", "this escape is not known; write \\\\ for a backslash, or use single quotes"),
        ("expected ',' or|flow", "a list or a mapping in brackets is not closed; write a comma, ] or }"),
        ("tag", "a value that begins with ! needs quotes around it"),
        ("expected key|expected ':'|block", "this does not fit the lines above; correct the indentation or the quotes"),
    )
)
