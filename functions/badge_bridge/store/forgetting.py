"""What a store forgets: events whose time is over (retention), and what is kept of a person (erasure).

The key of an event that is gone is not: a keyed hash of it stays, so that an old delivery that is sent again is still
the duplicate that it was. In SQLite and in memory that is HMAC-SHA256, cut to 128 bits, with 32 random bytes that the
store has made for itself; in Firestore the name of the event's document, which stays (`store.firestore.forgetting`). It
says nothing to whoever has the hashes alone. Whoever has the whole store can find out whether an event came that he
knows the provider's own id of; a telephone number alone tells him nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = ["KEY_NOTE", "Forgetting", "Forgotten", "Place", "Remains", "Trace", "keyed_hash", "source_of"]

KEY_NOTE = "remembering"
"""The note with the key of the hashes, in hex."""

_BYTES = 16

Place = Literal["event", "ledger", "call", "note", "pause"]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What one call of `forget` came to."""

    events: int
    """How many it has deleted."""
    more: bool
    """There is more to do now."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a text was found."""

    place: Place
    """`event` is all that is stored of one, its attempts and joins included; `ledger` all rows of one."""
    name: str
    """The event's key, the call's value, the note's name, or the lane."""


@dataclass(frozen=True, slots=True)
class Remains:
    """Something that was found in a file after it was erased."""

    place: str
    """The file, and the byte where it begins."""
    why: str
    """Why it is there, and what to do."""


class Forgetting(Protocol):
    """The part of a store that deletes. All methods raise `StoreUnavailable` as all of `Store` do."""

    async def forget(self, *, before: float, limit: int) -> Forgotten:
        """Delete up to `limit` events that ended before that time, with their attempts and all by which they are found,
        and remember their keys' hashes.

        A row of the ledger goes with its event, unless its badge is on a card still: that one goes when it was taken
        off before that time. What waits or is worked on stays, however old. A little of the work is done in each call,
        so that nobody else waits for long: who wants it all calls again while there is `more`.
        """

    async def remembered(self) -> Sequence[str]:
        """The sources of which hashes are kept, by name."""

    async def drop(self, source: str, *, limit: int) -> int:
        """Delete up to so many hashes of a source; how many."""

    async def search(self, matches: Callable[[str], bool]) -> Sequence[Trace]:
        """Everything that holds a text which `matches`, by reading all that is stored.

        `matches` is called with whole texts, in any thread.
        """

    async def erase(self, traces: Collection[Trace]) -> None:
        """Delete what was found, whatever its state, and remember the keys' hashes.

        Whoever works on such an event meanwhile writes nothing of it any more. A pause loses its reason and stays, and
        so do notes, which belong to those who have written them.
        """

    async def remains(self, matches: Callable[[bytes], int | None]) -> Sequence[Remains]:
        """Where in its files, and in those of its name beside them, is what was erased; empty where the store has none.

        `matches` gives the position of what it finds in some bytes, or None; a find is at most 1,024 bytes long, and no
        digit stands before or behind it. What is free in the files is overwritten first, as far as that is needed.
        """


def source_of(key: str) -> str:
    """The source of an event, by its key (`events.event_key`)."""
    return key.partition(":")[0]


def keyed_hash(secret: bytes, key: str) -> bytes:
    """What is remembered of an event's key, 16 bytes."""
    return hmac.digest(secret, key.encode(), "sha256")[:_BYTES]
