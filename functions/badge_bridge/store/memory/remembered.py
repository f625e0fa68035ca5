"""What the store in memory remembers of events that are gone."""

from __future__ import annotations

import secrets
from itertools import islice

from badge_bridge.store.forgetting import keyed_hash, source_of

__all__ = ["Remembered"]


class Remembered:
    """The hashes by source."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._hashes: dict[str, set[bytes]] = {}

    def remember(self, key: str) -> None:
        self._hashes.setdefault(source_of(key), set()).add(keyed_hash(self._secret, key))

    def knows(self, key: str) -> bool:
        hashes = self._hashes.get(source_of(key))
        return hashes is not None and keyed_hash(self._secret, key) in hashes

    def sources(self) -> list[str]:
        return sorted(self._hashes)

    def drop(self, source: str, limit: int) -> int:
        hashes = self._hashes.get(source, set())
        gone = list(islice(hashes, max(limit, 0)))
        hashes.difference_update(gone)
        if not hashes:
            self._hashes.pop(source, None)
        return len(gone)
