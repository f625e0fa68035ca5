"""What processes leave for each other in notes of the store, and changes of a note that others may be changing too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self

from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["Noted", "Notes", "change_note"]

_TRIES = 10


class _Note(Protocol):
    @property
    def text(self) -> str: ...
    @property
    def version(self) -> int: ...


class Notes(Protocol):
    """The part of the store that is needed; see `store/protocol.py`."""

    async def note(self, name: str) -> _Note | None: ...
    async def write_note(self, name: str, text: str, *, version: int) -> bool: ...


async def change_note(store: Notes, name: str, change: Callable[[str], str]) -> bool:
    """Change a note durably, from what it says, which is empty where there is none; what stays the same is not written.
    False, and nothing written, where others keep writing it.

    Raises:
        StoreUnavailable: it cannot be read or written.
    """
    for _ in range(_TRIES):
        note = await store.note(name)
        known, version = (note.text, note.version) if note else ("", 0)
        changed = change(known)
        if changed == known or await store.write_note(name, changed, version=version):
            return True
    return False


class Noted(BaseModel):
    """The whole of a note, as JSON that another version may have written."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What a note says; None where this version cannot read it, or it was erased."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return None
