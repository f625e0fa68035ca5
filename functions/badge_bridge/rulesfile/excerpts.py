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
_TOP_KEY = re.compile(r"""^["']?([A-Za-z]+)["']?\s*:""", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|\s+)#.*")
_UNKNOWN = re.compile(r"""[^\s\[\]{},:"'-](?:.*[^\s\[\]{},:"'-])?""")
# The secret of an inbound webhook and a password: where an address belongs, somebody may write one with these.
_IN_ADDRESS = re.compile(r"(?<=/rest/)\d+/[^\s\"']+|(?<=://)[^\s/@\"']+(?=@)")

_Range = tuple[int, int]
_Harmless = Callable[[int, int], Iterable[_Range]]


def with_excerpts(
    findings: Iterable[Finding], document: Document, providers: Mapping[str, type[BaseModel]]
) -> list[Finding]:
    """The findings with their lines, as far as they have a position."""
    lines = _Lines(document.text)
    known = _Known(document, providers)
    return [lines.shown_with(one, known.harmless) if lines.has(one.line) else one for one in findings]


def with_unread_excerpts(findings: Iterable[Finding], content: bytes) -> list[Finding]:
    """The same for a file that could not be read."""
    lines = _Lines(content[:MAX_BYTES].decode("utf-8-sig", "replace"))

    def harmless(begin: int, end: int) -> Iterator[_Range]:
        sections = _TOP_KEY.findall(lines.text, 0, end)
        if sections and sections[-1] in _OPEN_SECTIONS:
            yield begin, end

    return [lines.shown_with(one, harmless) if lines.has(one.line) else one for one in findings]


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

    def shown_with(self, finding: Finding, harmless: _Harmless) -> Finding:
        begin, end = self._ranges[finding.line - 1]
        start = min(begin + finding.column - 1, end)
        stop = min(max(begin + finding.end - 1, start + 1), max(end, start + 1))
        hidden = _merged([*_unknown(self.text, begin, end, harmless(begin, end)), *_addresses(self.text, begin, end)])
        text = "".join(_pieces(self.text, begin, end, hidden))
        first = _moved(start, hidden, is_end=False) - begin
        last = max(_moved(stop, hidden, is_end=True) - begin, first + 1)
        cut = max(first - AROUND, 0)
        return replace(
            finding, excerpt=Excerpt(text[cut : first + AROUND], first - cut, min(last, first + AROUND) - cut)
        )


class _Known:
    """What of a document's lines may be shown."""

    def __init__(self, document: Document, providers: Mapping[str, type[BaseModel]]) -> None:
        self._document = document
        self._providers = providers
        tops = sorted((place.start, path[0]) for path, place in document.keys.items() if len(path) == 1)
        self._tops, self._sections = [start for start, _ in tops], [section for _, section in tops]
        # What is written in one place does not overlap, so that the order of the beginnings is that of the ends.
        self._written = sorted(self._closed(), key=lambda one: one[0].start)
        self._starts = [place.start for place, _ in self._written]

    def harmless(self, begin: int, end: int) -> Iterator[_Range]:
        number = bisect_left(self._tops, max(end, begin + 1))
        if number and self._sections[number - 1] in _OPEN_SECTIONS:
            yield begin, end
            return
        first = max(bisect_right(self._starts, begin) - 1, 0)
        for place, path in self._written[first : bisect_left(self._starts, end)]:
            if path is None or self._holds_no_secret(path):
                yield place.start, place.end

    def _closed(self) -> Iterator[tuple[Place, Path | None]]:
        """Keys (without a path) and single values of the sections that have something to hide."""
        for path, place in self._document.keys.items():
            if path[0] not in _OPEN_SECTIONS:
                yield place, None
        for path, place in self._document.values.items():
            if len(path) > 2 and path[0] not in _OPEN_SECTIONS and place.end > place.start:
                yield place, path

    def _holds_no_secret(self, path: Path) -> bool:
        if not SECRET_KEYS.isdisjoint(path[2:]):
            return False
        kinds: list[object] = [Portal] if path[0] == "portals" else []
        if path[0] == "sources":
            if path[2] == "provider":
                return True
            entry = self._document.data["sources"].get(path[1]) if isinstance(self._document.data, dict) else None
            provider = entry.get("provider") if isinstance(entry, dict) else None
            kinds = [self._providers[provider]] if isinstance(provider, str) and provider in self._providers else []
        for part in path[2:]:
            kinds = [kind for one in kinds for kind in inside(one, part)]
        return bool(kinds) and SecretStr not in [found for kind in kinds for found in types_in(kind)]


def _unknown(text: str, begin: int, end: int, harmless: Iterable[_Range]) -> Iterator[tuple[int, int, str]]:
    """What is left of a line without what is harmless, and what stands there instead."""
    shown = [*harmless, *((one.start(), one.end()) for one in _REFERENCE.finditer(text, begin, end))]
    if key := _FIRST_KEY.match(text, begin, end):
        shown.append((key.start(), key.end()))
    at = begin
    for start, stop in [*sorted(shown), (end, end)]:
        gap = text[at : max(start, at)]
        comment = _COMMENT.search(gap) if start >= end else None
        if comment:
            yield at + comment.start(), end, ""
            gap = gap[: comment.start()]
        if found := _UNKNOWN.search(gap):
            yield at + found.start(), at + found.end(), HIDDEN
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
