"""The rules files that events were judged by, kept in the store, so that an event can be judged by them once more.

Each is a note with the file's text. A rules file refers to its secrets and holds none (`rulesfile.secrets`), so neither
does the note: what is judged by rules of then is done with the portals and credentials of now.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Collection

from badge_bridge.doubts import loop_time
from badge_bridge.errors import EarlierRulesUnusable, RulesError, StoreUnavailable
from badge_bridge.plural import counted
from badge_bridge.rulesfile import Draft, RulesFile, rules_hash
from badge_bridge.sources import OPTIONS
from badge_bridge.store.protocol import Store

__all__ = ["FEW", "MOST", "NOTES", "Archive", "drop_unused", "is_kept", "note_of"]

logger = logging.getLogger("badge_bridge.archive")

NOTES = "rules/"
"""How the names of the notes begin."""

MOST = 1_000_000
"""Bytes of a file that is kept: Firestore takes 1 MiB in one document, with its name and all that is in it."""

_USED = "rules"
"""The note with the day (from 1970) on which each kept file was last known to be one of now, as JSON by hash."""

_DAY = 86_400.0

_AGAIN = 60.0
"""Seconds between two tries to keep a file, while the store cannot be written."""

_SECRET = 8
"""Characters of a secret that is looked for in a file; a shorter one may stand there by chance."""

FEW = 4
"""Files of then that are kept ready to judge: whoever redrives many events redrives those of a few files."""


def note_of(hash_: str) -> str:
    """The name of the note with the rules file that has this hash."""
    return f"{NOTES}{hash_}"


async def is_kept(store: Store, hash_: str) -> bool:
    """Whether the rules file with this hash is kept; of one that was erased the note is empty.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    note = await store.note(note_of(hash_))
    return note is not None and bool(note.text)


async def drop_unused(store: Store, rules: RulesFile, *, now: float, kept: float) -> int:
    """Empty the notes of rules files that no event refers to any more; how many files are not kept any longer.

    `rules` are those of now (`now` in unix seconds), `kept` is for how many seconds events are kept after their end. A
    file's last events ended while it was one of now; just before their time was over they may have been redriven with
    it once more.

    Raises:
        StoreUnavailable: the store cannot be read or written; what is left is dropped later.
    """
    used = await _used(store, rules.hash, now)
    over = [hash_ for hash_, day in used.items() if (day + 1) * _DAY + 2 * kept < now]
    for hash_ in over:
        note = await store.note(note_of(hash_))
        if note is not None and note.text:
            await store.write_note(note_of(hash_), "", version=note.version)
    if over:
        await _used(store, rules.hash, now, without=over)
    return len(over)


async def _used(store: Store, hash_: str, now: float, *, without: Collection[str] = ()) -> dict[str, int]:
    """Note that a file is one of now, and forget others; by hash, the days on which they were so last."""
    note = await store.note(_USED)
    before: dict[str, int] = json.loads(note.text) if note and note.text else {}
    used = {known: day for known, day in {**before, hash_: int(now // _DAY)}.items() if known not in without}
    if used != before:
        # Where somebody else was faster, what he does not know is noted with the next look.
        await store.write_note(_USED, json.dumps(used), version=note.version if note else 0)
    return used


class Archive:
    """Keeps the rules files that this process works by, and has those of before ready to judge.

    `clock` returns unix seconds, `steady` seconds that only ever pass.
    """

    def __init__(
        self, store: Store, *, clock: Callable[[], float] = time.time, steady: Callable[[], float] = loop_time
    ) -> None:
        self._store = store
        self._clock = clock
        self._steady = steady
        self._known: set[str] = set()
        self._not_before = float("-inf")
        self._keeping = asyncio.Lock()
        self._ready: dict[str, RulesFile | str] = {}
        """By hash, or why it is of no use; what was asked for last is the last."""
        self._reading = asyncio.Lock()

    async def keep(self, rules: RulesFile) -> None:
        """Keep a rules file, where the store does not have it yet: a look for each file and process.

        Raises nothing of ours: events are judged all the same, and it is tried again with one of the next.
        """
        if rules.hash in self._known or self._steady() < self._not_before:
            return
        async with self._keeping:
            if rules.hash in self._known or self._steady() < self._not_before:
                return
            try:
                await self._keep(rules)
            except StoreUnavailable as error:
                self._not_before = self._steady() + _AGAIN
                logger.warning("the rules (hash %s) could not be kept in the store yet: %s", rules.hash, error)
            except Exception:
                self._known.add(rules.hash)
                logger.exception("the rules (hash %s) could not be kept in the store", rules.hash)
            else:
                self._known.add(rules.hash)

    async def _keep(self, rules: RulesFile) -> None:
        if why := _why_not(rules):
            logger.warning("%s is not kept, so that no event can be redriven with it later: %s", rules.filename, why)
            return
        note = await self._store.note(note_of(rules.hash))
        if note is None or not note.text:
            # Where somebody else was faster, he has written the same.
            text = rules.content.decode()
            await self._store.write_note(note_of(rules.hash), text, version=note.version if note else 0)
            await _used(self._store, rules.hash, self._clock())

    async def of_then(self, hash_: str) -> RulesFile:
        """A rules file of before, with placeholders in the place of its secrets.

        Raises:
            EarlierRulesUnusable: it is not kept, or this version finds mistakes in it.
            StoreUnavailable: the store cannot be read.
        """
        async with self._reading:
            found = self._ready.pop(hash_, None) or await self._read(hash_)
            self._ready[hash_] = found
            while len(self._ready) > FEW:
                del self._ready[next(iter(self._ready))]
        if isinstance(found, str):
            raise EarlierRulesUnusable(found)
        return found

    async def _read(self, hash_: str) -> RulesFile | str:
        note = await self._store.note(note_of(hash_))
        content = note.text.encode() if note else b""
        if rules_hash(content) != hash_:
            raise EarlierRulesUnusable(f"the rules of then (hash {hash_}) are not kept")
        # Outside of the event loop, where deliveries are taken meanwhile.
        return await asyncio.to_thread(_checked, content, hash_)


def _checked(content: bytes, hash_: str) -> RulesFile | str:
    try:
        return Draft(content, note_of(hash_)).checked(providers=OPTIONS, environ=None)
    except RulesError as error:
        first, *others = error.findings
        more = f", and {counted(len(others), 'more mistake')}" if others else ""
        return (
            f"the rules of then (hash {hash_}) cannot be used by this version: line {first.line}, {first.message}{more}"
        )


def _why_not(rules: RulesFile) -> str:
    """Why a rules file must not be kept, or cannot be; empty where it can."""
    if len(rules.content) > MOST:
        return f"it has {len(rules.content)} bytes, and a note at most {MOST}"
    if any(secret.encode() in rules.content for secret in rules.secrets if len(secret) >= _SECRET):
        return "the value of one of its secrets stands in it, maybe in a comment; take it out, and use another secret"
    return ""
