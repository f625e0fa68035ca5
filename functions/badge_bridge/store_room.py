"""What the doctor and the console say alike: that the store cannot be used, and how much room is left on its disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LITTLE_ROOM", "NO_ROOM", "UNTIL_MENDED", "Room", "free_in", "room_in"]

UNTIL_MENDED = "Until this is mended deliveries get 503: all, or in a damaged store those that meet the damage."
"""Of a store that says that it cannot be used."""

LITTLE_ROOM = 1_000_000_000
"""Bytes on the disk of the store below which somebody should make room, while there is time: some 300,000 events, of
3 KB each."""
NO_ROOM = 100_000_000
"""Bytes below which the disk is as good as full: what the store writes anew, and the system's log, take as much at
once."""

_MEND = (
    "Make room on that disk (`df -h` names it), never by deleting a file that begins with the store's name; "
    "`retention` in the rules file keeps the store from growing. On a full disk deliveries get 503."
)


@dataclass(frozen=True, slots=True)
class Room:
    """The bytes that this user may still write in the store's folder."""

    folder: Path
    left: int

    @property
    def is_little(self) -> bool:
        return self.left < LITTLE_ROOM

    @property
    def is_none(self) -> bool:
        return self.left < NO_ROOM

    @property
    def found(self) -> str:
        """How much it is, and the bound that it is below."""
        found = f"{_size(self.left)} free in {self.folder}, where the store is"
        if not self.is_little:
            return found
        return f"{found}: less than {_size(NO_ROOM if self.is_none else LITTLE_ROOM)}"

    @property
    def mend(self) -> str:
        """What to do, in sentences; empty where there is enough."""
        return _MEND if self.is_little else ""


def free_in(folder: Path) -> int:
    """The bytes that this user may still write in a folder. It waits for a disk that hangs.

    Raises:
        OSError: the folder is not there, or cannot be asked.
    """
    return shutil.disk_usage(folder).free


def room_in(folder: Path, *, free: Callable[[Path], int] = free_in) -> Room | None:
    """The room in the folder of a store; None where it is not there, which the store tells. `free` is as `free_in`."""
    try:
        return Room(folder, free(folder))
    except OSError:
        return None


def _size(number: int) -> str:
    return f"{number / 1e9:,.3g} GB" if number >= LITTLE_ROOM else f"{number / 1e6:,.0f} MB"
