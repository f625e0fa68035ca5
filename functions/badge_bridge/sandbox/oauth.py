"""The authorisation server: codes, access tokens that last an hour, refresh tokens that are replaced by each use.

Source: Bitrix24 docs, "Full OAuth 2.0 protocol" and "Automatic renewal of authorization".
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from badge_bridge.sandbox.application_seed import Application, Grant
from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.identity import Identity
from badge_bridge.sandbox.records import Records
from badge_bridge.sandbox.seed import Token

__all__ = ["ACCESS_SECONDS", "CODE_SECONDS", "REFRESH_SECONDS", "AuthorisationServer", "Tokens"]

ACCESS_SECONDS = 3600
CODE_SECONDS = 30
REFRESH_SECONDS = 180 * 24 * 3600

_REMEMBERED = 24 * 3600
"""Seconds for which an expired access token is still known as expired instead of unknown."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an application is given to act as a user."""

    access: Token
    refresh: Grant

    def fields(self) -> dict[str, Any]:
        return {
            "access_token": self.access.access_token,
            "refresh_token": self.refresh.refresh_token,
            "expires_in": ACCESS_SECONDS,
        }


@dataclass(frozen=True, slots=True)
class _Code:
    client_id: str
    user_id: int
    expires_at: float


class AuthorisationServer:
    """`clock` gives unix seconds, `new_secret` a text that nobody can guess. Codes are not kept over a restart."""

    def __init__(self, clock: Callable[[], float], new_secret: Callable[[], str]) -> None:
        self._clock = clock
        self._new_secret = new_secret
        self._codes: dict[str, _Code] = {}

    def authorise(self, records: Records, client_id: str, user_id: int) -> str:
        """A code with which the application can get tokens of the user, once and within `CODE_SECONDS`.

        Raises:
            Refusal: there is no such application or user.
        """
        _installed(records, client_id)
        _check_user(records, user_id)
        code = self._new_secret()
        self._codes[code] = _Code(client_id, user_id, self._clock() + CODE_SECONDS)
        return code

    def answer(self, records: Records, identity: Identity, params: Mapping[str, Any]) -> dict[str, Any]:
        """What `/oauth/token/` answers; `domain` is the authorisation server there, not the portal.

        Raises:
            Refusal: the keys are wrong, the code or the refresh token is dead, or the request says something else.
        """
        grant_type = _text(params, "grant_type")
        if grant_type not in ("authorization_code", "refresh_token"):
            raise Refusal("invalid_request", "grant_type must be authorization_code or refresh_token")
        application = _installed(records, _text(params, "client_id"))
        if not hmac.compare_digest(application.client_secret.encode(), _text(params, "client_secret").encode()):
            raise Refusal("invalid_client")
        if grant_type == "authorization_code":
            tokens = self._exchange(records, application, _text(params, "code"))
        else:
            tokens = self._refresh(records, application, _text(params, "refresh_token"))
        more: dict[str, Any] = {"expires": int(tokens.access.expires_at or 0), "user_id": tokens.access.user_id}
        if grant_type == "authorization_code":
            records.meet("code_answer")
            more = {} if records.variants.code_answer == "as-documented" else more
        return {
            **tokens.fields(),
            **more,
            **identity.endpoints(),
            "domain": identity.auth_host,
            "scope": ",".join(tokens.access.scopes),
            "status": application.status,
        }

    def issue(self, records: Records, application: Application, user_id: int) -> Tokens:
        """New tokens of an application for a user."""
        now = self._clock()
        self._forget_long_expired(records, now)
        access = self.access(records, application, user_id)
        refresh = Grant(
            refresh_token=self._new_secret(),
            client_id=application.client_id,
            user_id=user_id,
            scopes=application.scopes,
            expires_at=now + REFRESH_SECONDS,
        )
        records.grants[refresh.refresh_token] = refresh
        return Tokens(access, refresh)

    def access(self, records: Records, application: Application, user_id: int) -> Token:
        """A new access token alone, as events carry it."""
        token = Token(
            access_token=self._new_secret(),
            user_id=user_id,
            client_id=application.client_id,
            scopes=application.scopes,
            expires_at=self._clock() + ACCESS_SECONDS,
        )
        records.tokens[token.access_token] = token
        return token

    def revoke(self, records: Records, client_id: str) -> None:
        """End everything that an application was given."""
        records.tokens = {key: token for key, token in records.tokens.items() if token.client_id != client_id}
        records.grants = {key: grant for key, grant in records.grants.items() if grant.client_id != client_id}
        self._codes = {key: code for key, code in self._codes.items() if code.client_id != client_id}

    def new_secret(self) -> str:
        return self._new_secret()

    def _exchange(self, records: Records, application: Application, code: str) -> Tokens:
        issued = self._codes.pop(code, None)
        if issued is None or issued.client_id != application.client_id or self._clock() >= issued.expires_at:
            raise Refusal("invalid_grant", "The authorization code is unknown, used or older than 30 seconds")
        _check_user(records, issued.user_id)
        return self.issue(records, application, issued.user_id)

    def _refresh(self, records: Records, application: Application, refresh_token: str) -> Tokens:
        grant = records.grants.get(refresh_token)
        if grant is None or grant.client_id != application.client_id:
            raise Refusal("invalid_grant", "The refresh token is unknown or was used before")
        if grant.expires_at is not None and self._clock() >= grant.expires_at:
            raise Refusal("invalid_grant", "The refresh token has expired")
        _check_user(records, grant.user_id)
        records.meet("old_refresh_token")
        if records.variants.old_refresh_token == "dies":  # noqa: S105 - a word, no secret
            del records.grants[refresh_token]
        return self.issue(records, application, grant.user_id)

    @staticmethod
    def _forget_long_expired(records: Records, now: float) -> None:
        records.tokens = {
            key: token
            for key, token in records.tokens.items()
            # What has expired at the epoch is seeded so, to be tried.
            if not token.expires_at or token.expires_at + _REMEMBERED > now
        }


def _installed(records: Records, client_id: str) -> Application:
    application = records.applications.get(client_id)
    if application is None or not application.installed:
        raise Refusal("invalid_client")
    return application


def _check_user(records: Records, user_id: int) -> None:
    user = records.users.get(user_id)
    if user is None or not user.active:
        raise Refusal("invalid_grant", "The user does not exist or was dismissed")


def _text(params: Mapping[str, Any], name: str) -> str:
    value = params.get(name, "")
    return value if isinstance(value, str) else ""
