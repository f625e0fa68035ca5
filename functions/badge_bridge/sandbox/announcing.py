"""Events of the portal: who is told of one, and what exactly he gets.

An event is a form with PHP brackets; all its values are texts. An application's handler gets what lets it act, an
outgoing webhook only what tells the portal (Bitrix24 docs, "Events", "Safe event handlers").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from badge_bridge.sandbox.application_seed import Application, Handler
from badge_bridge.sandbox.identity import Identity
from badge_bridge.sandbox.oauth import ACCESS_SECONDS, AuthorisationServer, Tokens
from badge_bridge.sandbox.records import Records

__all__ = ["Announcer", "Outgoing"]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One event on its way to one handler; `ts`, the time of sending, is added when it is sent."""

    url: str
    event: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Announcer:
    """Makes what is to be sent; sends nothing itself."""

    records: Records
    oauth: AuthorisationServer
    identity: Identity

    def event(
        self, name: str, data: Mapping[str, Any], *, client_id: str | None = None, user_id: int | None = None
    ) -> Iterator[Outgoing]:
        """An event for all handlers and outgoing webhooks that want it, or for those of one application alone.

        `user_id` is who has caused it: handlers get an access token of his. What nobody has caused brings none.
        """
        for handler in self.records.handlers.values():
            if handler.event == name and client_id in (None, handler.client_id):
                yield self.for_handler(handler, data, user_id=user_id)
        if client_id is None:
            for webhook in self.records.outgoing_webhooks:
                if name in webhook.events:
                    auth = {**self.identity.endpoints(), "application_token": webhook.application_token}
                    yield Outgoing(webhook.url, name, {"event": name, "data": data, "auth": auth})

    def for_handler(self, handler: Handler, data: Mapping[str, Any], *, user_id: int | None) -> Outgoing:
        application = self.records.applications[handler.client_id]
        acting = handler.user_id or user_id
        auth: dict[str, Any] = {}
        if acting is not None:
            token = self.oauth.access(self.records, application, acting)
            auth = {"access_token": token.access_token, "expires_in": ACCESS_SECONDS}
        auth |= {**self._of(application), "scope": " ".join(application.scopes)}
        fields = {"event": handler.event, "event_handler_id": handler.id, "data": data, "auth": auth}
        return Outgoing(handler.url, handler.event, fields)

    def installation(self, url: str, application: Application, tokens: Tokens) -> Outgoing:
        """ONAPPINSTALL, which no handler has been bound for: it goes to the address entered with the application."""
        data = {"VERSION": application.version, "ACTIVE": "Y", "INSTALLED": "Y", "LANGUAGE_ID": self.records.language}
        return Outgoing(url, "ONAPPINSTALL", self._with_tokens("ONAPPINSTALL", data, application, tokens))

    def update(self, url: str, application: Application, tokens: Tokens) -> Outgoing:
        """ONAPPUPDATE with the application token of now on."""
        data = {
            "VERSION": application.version,
            "PREVIOUS_VERSION": application.version - 1,
            "LANGUAGE_ID": self.records.language,
        }
        return Outgoing(url, "ONAPPUPDATE", self._with_tokens("ONAPPUPDATE", data, application, tokens))

    def uninstallation(self, url: str, application: Application, *, clean: bool) -> Outgoing:
        """ONAPPUNINSTALL: the application token is the only proof in it, since no token is good any more."""
        auth = {**self.identity.endpoints(), "application_token": application.application_token}
        data = {"LANGUAGE_ID": self.records.language, "CLEAN": int(clean)}
        return Outgoing(url, "ONAPPUNINSTALL", {"event": "ONAPPUNINSTALL", "data": data, "auth": auth})

    def _with_tokens(
        self, name: str, data: Mapping[str, Any], application: Application, tokens: Tokens
    ) -> Mapping[str, Any]:
        auth = {**tokens.fields(), **self._of(application), "scope": " ".join(application.scopes)}
        return {"event": name, "data": data, "auth": auth}

    def _of(self, application: Application) -> dict[str, str]:
        return {
            **self.identity.endpoints(),
            "status": application.status,
            "application_token": application.application_token,
        }
