"""The log of what the portal was asked and what it answered. It never holds a secret or a token."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from badge_bridge.sandbox.registry import CredentialKind
from badge_bridge.sandbox.wire import Answer

__all__ = ["Entry", "Journal"]


@dataclass(slots=True)
class Entry:
    """One request to `/rest/`.

    `number` counts from 1; `time` is unix seconds; `user` is who the call claims to be (with a webhook) or is;
    `params` are as received, without `auth`. `status` is None until an answer has gone out, and stays so where none
    did. `error` and `result` are those of the answer that the portal gave or would have given; `carried_out` says
    whether the method ran, `fault` what struck.
    """

    number: int
    time: float
    http: str
    method: str = ""
    credential: CredentialKind | None = None
    user: int | None = None
    params: Any = None
    status: int | None = None
    error: str | None = None
    result: Any = None
    fault: str | None = None
    carried_out: bool = False
    milliseconds: float = 0.0

    def note(self, answer: Answer, *, carried_out: bool) -> None:
        self.error = answer.error
        self.result = answer.result
        self.carried_out = carried_out

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class Journal:
    """The last `size` entries, in the order of arrival."""

    def __init__(self, size: int = 10_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self.last = 0

    def open(self, *, time: float, http: str) -> Entry:
        """Begin an entry when its request arrives, so that one that is still held can be seen."""
        self.last += 1
        entry = Entry(self.last, time, http)
        self._entries.append(entry)
        return entry

    def since(self, number: int = 0, *, method: str = "") -> Iterator[Entry]:
        """Entries after `number`; with a method only those that call it."""
        oldest = self.last - len(self._entries) + 1
        later = islice(self._entries, max(0, number + 1 - oldest), None)
        return (entry for entry in later if not method or entry.method == method.lower())

    def clear(self) -> None:
        self._entries.clear()
        self.last = 0
