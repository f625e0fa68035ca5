"""Finding the few rules that concern an event among ten thousand that do not: dictionary lookups, no comparing."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, TypeVar

__all__ = ["FOUND", "Index"]

Item = TypeVar("Item")


class Index(Generic[Item]):
    """Items by where an event comes from and by its type.

    `entries` are the items, each with the types that concern it (a `*` at the end allowed) and with the origins; an
    item without origins concerns all.
    """

    def __init__(self, entries: Iterable[tuple[Item, Sequence[str], Sequence[Hashable]]]) -> None:
        self._items: list[Item] = []
        self._types: dict[Hashable, _Types] = {}
        for number, (item, types, origins) in enumerate(entries):
            self._items.append(item)
            for origin in origins or (_ANYWHERE,):
                self._types.setdefault(origin, _Types()).add(types, number)
        self._found = lru_cache(maxsize=FOUND)(self._find)

    def concerned(self, kind: str, *origins: Hashable) -> Sequence[Item]:
        """The items for this type from any of these origins, each once, in their order."""
        return self._found(kind, *origins)

    def _find(self, kind: str, *origins: Hashable) -> tuple[Item, ...]:
        numbers: set[int] = set()
        for key in (*origins, _ANYWHERE):
            if types := self._types.get(key):
                numbers.update(types.numbers(kind))
        return tuple(self._items[number] for number in sorted(numbers))


_ANYWHERE = None
FOUND = 128
"""What is found is kept for so many types and origins, which most events have. A type can be any word of a sender."""


@dataclass(slots=True)
class _Types:
    """Numbers of items by exact event type, and by what comes before a `*`."""

    exact: dict[str, list[int]] = field(default_factory=dict)
    prefixes: dict[str, list[int]] = field(default_factory=dict)
    lengths: set[int] = field(default_factory=set)

    def add(self, patterns: Iterable[str], number: int) -> None:
        for pattern in patterns:
            if pattern.endswith("*"):
                prefix = pattern[:-1]
                self.prefixes.setdefault(prefix, []).append(number)
                self.lengths.add(len(prefix))
            else:
                self.exact.setdefault(pattern, []).append(number)

    def numbers(self, kind: str) -> Iterator[int]:
        yield from self.exact.get(kind, ())
        for length in self.lengths:
            if length <= len(kind):
                yield from self.prefixes.get(kind[:length], ())
