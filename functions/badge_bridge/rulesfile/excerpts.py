"""The line that a finding is about, without the secrets in it.

A secret that is written out is a mistake, so the line with one is among those that are likely to be shown. What a
secret looks like is not guessed: outside of the sections that have nothing to hide, only keys, references and the
values of keys that are known to hold no secret are shown, and no comments. Of a file that is no YAML it is not known
what is a key's value; there nothing but the first key of a line is shown, and references.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter

from pydantic import BaseModel, SecretStr

from badge_bridge.errors import Excerpt, Finding
from badge_bridge.rulesfile.document import MAX_BYTES, Document, Path
from badge_bridge.rulesfile.findings import inside
from badge_bridge.rulesfile.model import DocumentModel
from badge_bridge.rulesfile.portal_model import Portal
from badge_bridge.rulesfile.positions import BREAK, Place
from badge_bridge.rulesfile.secrets import SECRET_KEYS, types_in

__all__ = ["with_excerpts", "with_unread_excerpts"]

HIDDEN = "***"

AROUND = 500
"""Characters of a line that are kept before and behind where a finding begins; no screen shows more."""

_OPEN_SECTIONS = frozenset(DocumentModel.model_fields) - {"portals", "sources"}

_REFERENCE = re.compile(r"\$\{[A-Za-z_]\w*\}|sm://[\w./:-]+")
_FIRST_KEY = re.compile(r"\s*(?:-\s+)?[\w.-]+\s*:(?=\s|$)")
# What begins a section of a file that is no YAML, perhaps since this very line is wrong.
_SECTION = re.compile(r"""^(?:["']?([A-Za-z_]+)|\s+["']?(portals|sources)\b)""", re.MULTILINE)
_LIKE_A_SECRET = re.compile(
    rf"""\b(?:{"|".join(sorted(SECRET_KEYS))}|tokens?|passwords?|secret)["']?\s*:\s*(\[[^\]\n]*\]?|[^,}}\n]+)"""
)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
_COMMENT = re.compile(r"(?:^|\s+)#.*")
_UNKNOWN = re.compile(r"""[^\s\[\]{},:"'-](?:.*[^\s\[\]{},:"'-])?""")
# The secret of an inbound webhook and a password: where an address belongs, somebody may write one with these.
_IN_ADDRESS = re.compile(r"(?<=/rest/)\d+/[^\s\"']+|(?<=://)[^\s/@\"']+(?=@)")

_Range = tuple[int, int, str | None]
"""From and to an offset; what is shown instead, None where it is shown itself."""
_Known = Callable[[int, int], Iterable[_Range]]


def with_excerpts(
    findings: Iterable[Finding], document: Document, providers: Mapping[str, type[BaseModel]]
) -> list[Finding]:
    """The findings with their lines, as far as they have a position."""
    lines = _Lines(document.text)
    parts = _Parts(document, providers)
    return [lines.shown_with(one, parts.known) if lines.has(one.line) else one for one in findings]


def with_unread_excerpts(findings: Iterable[Finding], content: bytes) -> list[Finding]:
    """The same for a file that could not be read."""
    lines = _Lines(content[:MAX_BYTES].decode("utf-8-sig", "replace"))

    def known(begin: int, end: int) -> Iterator[_Range]:
        sections = _SECTION.findall(lines.text, 0, end)
        if sections and sections[-1][0] in _OPEN_SECTIONS:
            yield from _open(lines.text, begin, end)

    return [lines.shown_with(one, known) if lines.has(one.line) else one for one in findings]


class _Lines:
    """A text by the numbers of its lines."""

    def __init__(self, text: str) -> None:
        self.text = text
        breaks = list(BREAK.finditer(text))
        self._ranges = list(
            zip([0, *(one.end() for one in breaks)], [*(one.start() for one in breaks), len(text)], strict=True)
        )

    def has(self, number: int) -> bool:
        return 0 < number <= len(self._ranges)

    def shown_with(self, finding: Finding, known: _Known) -> Finding:
        begin, end = self._ranges[finding.line - 1]
        start = min(begin + finding.column - 1, end)
        stop = min(max(begin + finding.end - 1, start + 1), max(end, start + 1))
        hidden = _merged([*_unknown(self.text, begin, end, known(begin, end)), *_addresses(self.text, begin, end)])
        text = "".join(_pieces(self.text, begin, end, hidden))
        first = _moved(start, hidden, is_end=False) - begin
        last = max(_moved(stop, hidden, is_end=True) - begin, first + 1)
        cut = max(first - AROUND, 0)
        return replace(
            finding, excerpt=Excerpt(text[cut : first + AROUND], first - cut, min(last, first + AROUND) - cut)
        )


class _Parts:
    """What of a document's lines may be shown."""

    def __init__(self, document: Document, providers: Mapping[str, type[BaseModel]]) -> None:
        self._document = document
        self._providers = providers
        tops = sorted((place.start, path[0]) for path, place in document.keys.items() if len(path) == 1)
        self._tops, self._sections = [start for start, _ in tops], [section for _, section in tops]
        # What is written in one place does not overlap, so that the order of the beginnings is that of the ends.
        self._written = sorted(self._closed(), key=lambda one: one[0].start)
        self._starts = [place.start for place, _ in self._written]

    def known(self, begin: int, end: int) -> Iterator[_Range]:
        number = bisect_left(self._tops, max(end, begin + 1))
        if number and self._sections[number - 1] in _OPEN_SECTIONS:
            yield from _open(self._document.text, begin, end)
            return
        first = max(bisect_right(self._starts, begin) - 1, 0)
        for place, path in self._written[first : bisect_left(self._starts, end)]:
            if place.end <= begin:
                continue
            is_shown = path is None or self._holds_no_secret(path) or self._is_reference(place)
            yield place.start, place.end, None if is_shown else HIDDEN

    def _closed(self) -> Iterator[tuple[Place, Path | None]]:
        """Keys (without a path) and single values of the sections that have something to hide."""
        for path, place in self._document.keys.items():
            if path[0] not in _OPEN_SECTIONS and _NAME.fullmatch(str(path[-1])):
                yield place, None
        holders = {path[:-1] for path in self._document.values if path}
        for path, place in self._document.values.items():
            begins = self._document.text[place.start : place.start + 1]
            if len(path) > 2 and path[0] not in _OPEN_SECTIONS and path not in holders and begins not in ("[", "{", ""):
                yield place, path

    def _is_reference(self, place: Place) -> bool:
        written = self._document.text[place.start : place.end].strip("'\"")
        return not _REFERENCE.sub("", written)

    def _holds_no_secret(self, path: Path) -> bool:
        if not SECRET_KEYS.isdisjoint(path[2:]):
            return False
        kinds: list[object] = [Portal] if path[0] == "portals" else []
        if path[0] == "sources":
            if path[2] == "provider":
                return _NAME.fullmatch(str(self._document.at(path))) is not None
            entry = self._document.data["sources"].get(path[1]) if isinstance(self._document.data, dict) else None
            provider = entry.get("provider") if isinstance(entry, dict) else None
            kinds = [self._providers[provider]] if isinstance(provider, str) and provider in self._providers else []
        for part in path[2:]:
            kinds = [kind for one in kinds for kind in inside(one, part)]
        return bool(kinds) and SecretStr not in [found for kind in kinds for found in types_in(kind)]


def _open(text: str, begin: int, end: int) -> Iterator[_Range]:
    """A line of a section that has nothing to hide, without what looks as if it belonged to another one."""
    at = begin
    for misplaced in _LIKE_A_SECRET.finditer(text, begin, end):
        yield at, misplaced.start(1), None
        at = misplaced.end(1)
    yield at, end, None


def _unknown(text: str, begin: int, end: int, known: Iterable[_Range]) -> Iterator[tuple[int, int, str]]:
    """What of a line is not shown: what is not known, or known for a secret; and what stands there instead."""
    ranges = [*known, *((one.start(), one.end(), None) for one in _REFERENCE.finditer(text, begin, end))]
    if key := _FIRST_KEY.match(text, begin, end):
        ranges.append((key.start(), key.end(), None))
    at = begin
    for start, stop, instead in [*sorted(ranges, key=itemgetter(0)), (end, end, None)]:
        gap = text[at : max(start, at)]
        comment = _COMMENT.search(gap) if start >= end else None
        if comment:
            yield at + comment.start(), end, ""
            gap = gap[: comment.start()]
        if found := _UNKNOWN.search(gap):
            yield at + found.start(), at + found.end(), HIDDEN
        if instead is not None:
            yield max(start, begin), min(stop, end), instead
        at = max(at, min(stop, end))


def _addresses(text: str, begin: int, end: int) -> Iterator[tuple[int, int, str]]:
    for one in _IN_ADDRESS.finditer(text, begin, end):
        if not _REFERENCE.search(one[0]):
            yield one.start(), one.end(), HIDDEN


def _merged(hidden: Iterable[tuple[int, int, str]]) -> Sequence[tuple[int, int, str]]:
    """In order, without those that another has in it."""
    merged: list[tuple[int, int, str]] = []
    for start, stop, instead in sorted(hidden):
        if merged and start < merged[-1][1]:
            before = merged.pop()
            merged.append((before[0], max(before[1], stop), HIDDEN))
        else:
            merged.append((start, stop, instead))
    return merged


def _pieces(text: str, begin: int, end: int, hidden: Iterable[tuple[int, int, str]]) -> Iterator[str]:
    at = begin
    for start, stop, instead in hidden:
        yield text[at:start]
        yield instead
        at = stop
    yield text[at:end]


def _moved(offset: int, hidden: Iterable[tuple[int, int, str]], *, is_end: bool) -> int:
    """Where a place of the line is in what is shown; inside of what is hidden, at its beginning or its end."""
    moved = offset
    for start, stop, instead in hidden:
        if offset >= stop:
            moved += len(instead) - (stop - start)
        elif offset > start:
            moved += (len(instead) if is_end else 0) - (offset - start)
    return moved
