"""How tokens are written down: encrypted and authenticated (Fernet) with keys that only the environment has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from badge_bridge.errors import SettingsError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

__all__ = ["Cipher", "WrongEncryptionKey", "new_key"]

MADE_BY = "`badge-bridge key` prints a new one"


class WrongEncryptionKey(SettingsError):
    """What is stored was encrypted with another key than those of ENCRYPTION_KEY.

    `mend` says what to do; `version` is that of the note, so that a new installation can replace it.
    """

    def __init__(self, message: str, *, mend: str, version: int) -> None:
        self.mend = mend
        self.version = version
        super().__init__(f"{message}. {mend}")


class Cipher:
    """Encrypts with the first key and decrypts with any, so that a key can be replaced.

    Raises:
        SettingsError: there is no key, or one is none.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        # Who has no OAuth application does without the 30 ms that this import takes.
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415

        if not keys:
            raise SettingsError(
                f"ENCRYPTION_KEY is not set; the tokens of an OAuth application are stored encrypted: {MADE_BY}"
            )
        try:
            fernets = [Fernet(key) for key in keys]
        except ValueError:
            raise SettingsError(f"ENCRYPTION_KEY has a key that is none; {MADE_BY}") from None
        self._fernet = MultiFernet(fernets)
        self._first = MultiFernet(fernets[:1])

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def unseal(self, sealed: str) -> str | None:
        """The text, or None where none of the keys fits or what is stored was altered."""
        return _unseal(self._fernet, sealed)

    def is_current(self, sealed: str) -> bool:
        """Whether it was sealed with the first key, so that the others are not needed for it."""
        return _unseal(self._first, sealed) is not None


def _unseal(fernet: MultiFernet, sealed: str) -> str | None:
    from cryptography.fernet import InvalidToken  # noqa: PLC0415 - see above

    try:
        return fernet.decrypt(sealed.encode()).decode()
    except (InvalidToken, UnicodeError):
        return None


def new_key() -> str:
    """A new key for ENCRYPTION_KEY."""
    from cryptography.fernet import Fernet  # noqa: PLC0415 - see above

    return Fernet.generate_key().decode("ascii")
