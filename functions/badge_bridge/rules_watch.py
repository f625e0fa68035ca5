"""Whether the rules file has become another one, as far as can be told without reading it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["Looked", "RulesWatch", "look"]

Looked = tuple[str, int, int, int, int, int] | None
"""The file that a path leads to in the end, its device, inode, size in bytes, and when its content and its entry were
changed, in nanoseconds; None where there is none.
"""


def look(path: str) -> Looked:
    """Look at a file, through symbolic links: Kubernetes swaps one, and editors put another file in its place."""
    try:
        found = Path(path).stat()
        return (
            os.path.realpath(path),
            found.st_dev,
            found.st_ino,
            found.st_size,
            found.st_mtime_ns,
            found.st_ctime_ns,
        )
    except OSError:
        return None


class RulesWatch:
    """Made before the file is read, so that no change is missed; asked every second or so."""

    def __init__(self, path: str, *, look: Callable[[str], Looked] = look) -> None:
        self._path = path
        self._look = look
        self._last = self._told = look(path)

    def has_changed(self) -> bool:
        """Whether it is another file, or another content, than when this was last true or the watch began; and as it
        was at the last look, since whoever writes it may not be done.
        """
        before, self._last = self._last, self._look(self._path)
        if self._last != before or self._last == self._told:
            return False
        self._told = self._last
        return True
