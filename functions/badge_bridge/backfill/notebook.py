"""The watermark of one portal as a note in the store, which all processes share."""

from __future__ import annotations

import logging

from badge_bridge.backfill.watermark import Watermark
from badge_bridge.store.protocol import Store

__all__ = ["Notebook", "note_of"]

logger = logging.getLogger("badge_bridge.backfill")


def note_of(portal: str) -> str:
    """The name of a portal's note; it is that of the hold, too, under which it is written."""
    return f"backfill/{portal}"


class Notebook:
    """The note with the watermark of one portal; `known` is what it says."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._version = 0
        self.known = Watermark()

    async def read(self) -> Watermark:
        note = await self._store.note(self._name)
        if note is not None:
            self._version = note.version
            known = Watermark.parse(note.text)
            if known is None:
                logger.warning("what is noted of %s was written by another version, and is begun anew", self._name)
            self.known = known or Watermark()
        return self.known

    async def write(self, known: Watermark) -> bool:
        """Write it where it says something else; False where another process has written meanwhile."""
        if known != self.known:
            if not await self._store.write_note(self._name, known.model_dump_json(), version=self._version):
                return False
            self._version += 1
            self.known = known
        return True
