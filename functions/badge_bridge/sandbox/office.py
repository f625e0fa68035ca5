"""The half of the portal that deals with applications: their tokens and their life, and the events that it sends.

What is to be sent gathers here and is handed to a `Sender` when the request that has led to it was carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from badge_bridge.sandbox import applications
from badge_bridge.sandbox.announcing import Announcer, Outgoing
from badge_bridge.sandbox.application_seed import Application
from badge_bridge.sandbox.call_rows import CallRow
from badge_bridge.sandbox.identity import Identity
from badge_bridge.sandbox.oauth import AuthorisationServer
from badge_bridge.sandbox.records import Records
from badge_bridge.sandbox.registry import Caller
from badge_bridge.sandbox.sending import Sender
from badge_bridge.sandbox.telephony import CallOrder, call_events, record_call

__all__ = ["Office"]


class Office:
    """`records` gives the portal's present data, `save` keeps what has changed; `clock` gives unix seconds.

    `address` is where the portal is reached; whoever puts it on a socket says so.
    """

    def __init__(
        self,
        records: Callable[[], Records],
        *,
        clock: Callable[[], float],
        new_secret: Callable[[], str],
        save: Callable[[], None],
    ) -> None:
        self.address = "http://127.0.0.1:8090"
        self._records = records
        self._clock = clock
        self._new_secret = new_secret
        self._save = save
        self._oauth = AuthorisationServer(clock, new_secret)
        self._outgoing: list[Outgoing] = []

    def forget(self) -> None:
        """Drop what is to be sent, and all authorization codes."""
        self._outgoing.clear()
        self._oauth = AuthorisationServer(self._clock, self._new_secret)

    def tokens(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What `/oauth/token/` answers.

        Raises:
            Refusal: as `AuthorisationServer.answer`.
        """
        answer = self._oauth.answer(self._records(), self._identity, params)
        self._save()
        return answer

    def authorise(self, client_id: str, user_id: int) -> dict[str, str]:
        """What a browser takes back to the application: the code, and which portal it is of.

        Raises:
            Refusal: there is no such application or user.
        """
        records = self._records()
        code = self._oauth.authorise(records, client_id, user_id)
        return {
            "code": code,
            "domain": self._identity.domain,
            "member_id": records.member_id,
            "scope": ",".join(records.applications[client_id].scopes),
            "server_domain": self._identity.auth_host,
        }

    def application(self, client_id: str) -> Application:
        """
        Raises:
            KeyError: there is none.
        """
        return self._records().applications[client_id]

    def announce(self, event: str, data: Mapping[str, Any], caller: Caller) -> None:
        """Tell the caller's application of an event that it has asked for."""
        told = self._announcer.event(event, data, client_id=caller.client_id, user_id=caller.user.id)
        self._outgoing.extend(told)

    def install(self, client_id: str, *, url: str | None, user_id: int) -> Outgoing:
        """Install an application; the event is for the caller to deliver.

        Raises:
            NoSuchApplication: see there.
        """
        outgoing = applications.install(self._announcer, client_id, url=url, user_id=user_id)
        self._save()
        return outgoing

    def update(self, client_id: str, *, url: str | None, user_id: int) -> None:
        """
        Raises:
            NoSuchApplication: see there.
        """
        self._outgoing.extend(applications.update(self._announcer, client_id, url=url, user_id=user_id))
        self._save()

    def uninstall(self, client_id: str, *, url: str | None, clean: bool) -> None:
        """
        Raises:
            NoSuchApplication: see there.
        """
        self._outgoing.extend(applications.uninstall(self._announcer, client_id, url=url, clean=clean))
        self._save()

    def call(self, order: CallOrder) -> CallRow:
        """Let a telephone call happen: its row is written, and whoever has asked for its events is told."""
        records = self._records()
        row = record_call(records, order, now=self._clock())
        for event, data in call_events(row):
            self._outgoing.extend(self._announcer.event(event, data, user_id=row.portal_user_id))
        self._save()
        return row

    def hand_over(self, sender: Sender) -> None:
        """Let everything go out that has gathered."""
        going, self._outgoing = self._outgoing, []
        if going:
            self._send(sender, going)

    def _send(self, sender: Sender, going: Iterable[Outgoing]) -> None:
        sender.send(going, self._records().sending)

    @property
    def _identity(self) -> Identity:
        records = self._records()
        records.meet("auth_host")
        return Identity(records.member_id, self.address, records.variants.auth_host)

    @property
    def _announcer(self) -> Announcer:
        return Announcer(self._records(), self._oauth, self._identity)
