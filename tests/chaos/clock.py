"""Time that passes quickly, and a wall clock that jumps: two offsets that two processes see in one mapped file."""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

__all__ = ["Clocks"]

_OFFSETS = struct.Struct("dd")

_wall = time.time
"""Kept, since a function is told the time by replacing that."""


class Clocks:
    """A wall clock (`wall`, unix seconds), and one that nobody can set (`steady`). Whoever has the same file reads the
    same time.
    """

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(_OFFSETS.pack(0.0, 0.0))
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), _OFFSETS.size)

    def wall(self) -> float:
        passed, ahead = self._read()
        return _wall() + passed + ahead

    def steady(self) -> float:
        return time.monotonic() + self._read()[0]

    def let_pass(self, seconds: float) -> None:
        """As if so much time had gone by."""
        passed, ahead = self._read()
        self._write(passed + seconds, ahead)

    def put(self, seconds: float) -> None:
        """Put the wall clock forward, or back where it is less than zero."""
        passed, ahead = self._read()
        self._write(passed, ahead + seconds)

    def _read(self) -> tuple[float, float]:
        passed, ahead = _OFFSETS.unpack(self._map[:])
        return passed, ahead

    def _write(self, passed: float, ahead: float) -> None:
        self._map[:] = _OFFSETS.pack(passed, ahead)
