"""Who has followed a link into the console, and until when he may look around. A restart ends all sessions."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["CSRF_FIELD", "CSRF_HEADER", "LASTS", "MOST", "MOST_WORDS", "Session", "Sessions"]

LASTS = 8 * 3600
"""Seconds: a working day."""

MOST = 64
"""Sessions at the same time; the oldest ends when there is one more."""

MOST_WORDS = 8
"""Words that are left in one session and were not taken; the oldest goes when there is one more."""

CSRF_FIELD, CSRF_HEADER = "csrf_token", "x-csrf-token"
"""Where a page that changes something puts the session's token: in its form, or in a header."""


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that was let in, until `until` of the clock. Its pages send `csrf` with whatever changes something:
    another page can make the browser send the cookie, but cannot read this.
    """

    csrf: str
    until: float
    lasts: Callable[[], bool] = field(default=lambda: True, compare=False, repr=False)
    """Whether it has not ended meanwhile: for answers that go on."""
    _words: dict[str, object] = field(default_factory=dict, compare=False, repr=False)

    def sent(self, token: str) -> bool:
        """Whether a request with this CSRF token comes from a page of the session."""
        return secrets.compare_digest(self.csrf.encode(), token.encode("utf-8", "surrogatepass"))

    def leave_word(self, address: str, word: object) -> None:
        """Keep what one page has to tell the next, which is at this address."""
        self._words.pop(address, None)
        while len(self._words) >= MOST_WORDS:
            del self._words[next(iter(self._words))]
        self._words[address] = word

    def take_word(self, address: str) -> object:
        """What was left for the page at this address, once; None where there is nothing."""
        return self._words.pop(address, None)


class Sessions:
    """Gives out tokens and knows them again. `clock` returns seconds and is never set back."""

    def __init__(
        self, clock: Callable[[], float], new_token: Callable[[], str] = lambda: secrets.token_urlsafe(32)
    ) -> None:
        self._clock = clock
        self._new_token = new_token
        self._sessions: dict[str, Session] = {}

    def begin(self) -> str:
        """The token of a new session, which is for its cookie only."""
        now, token = self._clock(), self._new_token()
        self._sessions = {one: session for one, session in self._sessions.items() if session.until > now}
        while len(self._sessions) >= MOST:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[_hash(token)] = Session(
            self._new_token(), now + LASTS, lasts=lambda: self.find(token) is not None
        )
        return token

    def find(self, token: str) -> Session | None:
        """The session with this token, unless it has ended."""
        # Looked up by its hash, so that the time it takes says nothing about the token.
        session = self._sessions.get(_hash(token))
        return session if session is not None and session.until > self._clock() else None

    def end(self, token: str) -> None:
        """End the session with this token, if there is one."""
        self._sessions.pop(_hash(token), None)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
