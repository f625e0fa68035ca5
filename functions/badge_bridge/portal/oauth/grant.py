"""What a portal has granted to the application: tokens, and what is known of the installation they belong to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Grant", "Tokens", "scopes"]


def scopes(text: str) -> tuple[str, ...]:
    """The scopes in a text: an installation separates them by spaces, the authorisation server by commas."""
    return tuple(scope for scope in re.split(r"[\s,]+", text) if scope)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair of tokens and what came with it.

    `expires_in` is in seconds. `refresh_token` replaces the one before it: whether that one dies at once is not
    documented, so it counts as dead (Bitrix24 docs, "OAuth 2.0").
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: float
    member_id: str = ""
    scope: tuple[str, ...] = ()
    status: str = ""
    user_id: int | None = None


class Grant(BaseModel):
    """The tokens of one installation; safe to print. All times are unix seconds."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    client_id: str
    """The application that it was granted to: adding a local application again makes another one of it."""
    access_token: str = Field(repr=False, min_length=1)
    refresh_token: str = Field(repr=False, min_length=1)
    expires_at: float
    """When the access token expires by our clock. For people: a token is renewed when the portal says so."""
    member_id: str
    """The portal's id, which stays when it is renamed."""
    host: str
    scope: tuple[str, ...] = ()
    status: str = ""
    """Of the application: L local, F free, S subscription."""
    user_id: int | None = None
    """As whom the application acts."""
    application_token: str = Field(default="", repr=False)
    """What events of this installation carry. Empty until it is known: a code does not bring it."""
    token_proven_at: float = 0.0
    """When a test event that we had asked for last brought it; 0 where it came with the installation."""
    installed_at: float
    renewed_at: float
    generation: int
    """Tells this installation from those before it; stays when tokens are renewed."""

    def renewed(self, tokens: Tokens, *, now: float) -> Self:
        """The same installation with a new pair of tokens."""
        return self.model_copy(
            update={
                "access_token": tokens.access_token,
                "refresh_token": tokens.refresh_token,
                "expires_at": now + tokens.expires_in,
                "scope": tokens.scope or self.scope,
                "status": tokens.status or self.status,
                "user_id": self.user_id if tokens.user_id is None else tokens.user_id,
                "renewed_at": now,
            }
        )

    def with_application_token(self, application_token: str, *, proven_at: float) -> Self:
        return self.model_copy(update={"application_token": application_token, "token_proven_at": proven_at})
