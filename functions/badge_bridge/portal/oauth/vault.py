"""Where a portal's grant is kept: one encrypted note in the store, which all processes share.

It is written by compare-and-set. Who is too late reads what the other wrote and decides anew, so that a renewal cannot
bring an application back that was uninstalled meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from badge_bridge.portal.oauth.cipher import Cipher, WrongEncryptionKey
from badge_bridge.portal.oauth.grant import Grant

__all__ = ["NOTES", "Note", "Notes", "Stored", "Vault"]

NOTES = "oauth/"
"""What the names of its notes begin with."""


class Note(Protocol):
    """A small text and the number of its writes."""

    @property
    def text(self) -> str: ...
    @property
    def version(self) -> int: ...


class Notes(Protocol):
    """The part of the store that a vault needs; see `store/protocol.py` for what each method promises."""

    async def note(self, name: str) -> Note | None: ...
    async def write_note(self, name: str, text: str, *, version: int) -> bool: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored: None where the application was never installed, or is no longer. `version` counts the writes."""

    grant: Grant | None
    version: int


class Vault:
    """The grant of one portal. All methods raise `StoreUnavailable` when the store cannot read or write."""

    def __init__(self, portal: str, notes: Notes, cipher: Cipher) -> None:
        self.portal = portal
        self._name = f"{NOTES}{portal}"
        self._notes = notes
        self._cipher = cipher

    async def load(self) -> Stored:
        """What is stored now.

        Raises:
            WrongEncryptionKey: it cannot be read with the keys of ENCRYPTION_KEY.
        """
        note = await self._notes.note(self._name)
        if note is None:
            return Stored(None, 0)
        if not note.text:
            return Stored(None, note.version)
        text = self._cipher.unseal(note.text)
        again = f"authorise the application again: badge-bridge authorize {self.portal}"
        if text is None:
            raise WrongEncryptionKey(
                f"portal {self.portal}: its stored tokens cannot be decrypted with ENCRYPTION_KEY",
                mend=f"Add the key that they were encrypted with behind a comma and restart; if it is lost, {again}",
                version=note.version,
            )
        try:
            return Stored(Grant.model_validate_json(text), note.version)
        except ValidationError:  # its text names fields of ours, its cause may quote them
            raise WrongEncryptionKey(
                f"portal {self.portal}: its stored tokens are in a form that this version cannot read",
                mend=f"Use the version that wrote them, or {again}",
                version=note.version,
            ) from None

    async def save(self, grant: Grant, *, version: int) -> bool:
        """Write a grant, durably, where `version` is still that of what is stored; it becomes `version + 1`."""
        return await self._notes.write_note(self._name, self._cipher.seal(grant.model_dump_json()), version=version)

    async def seal_anew(self) -> bool:
        """Encrypt what is stored with the first key where it was with another one; True where that was done.

        It does nothing where somebody else writes at the same moment: he has the first key as well, or keeps the other.
        """
        note = await self._notes.note(self._name)
        if note is None or not note.text or self._cipher.is_current(note.text):
            return False
        text = self._cipher.unseal(note.text)
        if text is None:
            return False
        return await self._notes.write_note(self._name, self._cipher.seal(text), version=note.version)

    async def remove(self, *, version: int) -> bool:
        """Forget the grant where `version` is still that of what is stored."""
        return await self._notes.write_note(self._name, "", version=version)
