"""A portal in good health, as a doctor sees it: a network that is told what happens on it, and what calls answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from badge_bridge.portal import Badge, InboundWebhook
from badge_bridge.portal.badges import parameters
from badge_bridge.portal.doctor import Check, Subject, examine
from badge_bridge.portal.doctor.network import Heard
from badge_bridge.portal.keyring import FixedKeyring
from badge_bridge.rulesfile.usage import Usage
from support.badge_registry import BadgeRegistry

NOW = 1_795_345_200.0
HOST = "acme.bitrix24.com"
SECRET = "abcdefabcdefabcd"
MISSED = Badge("bb_missed", "Call", "Missed", "failure")
NOT_THERE = "bb_doctor_0"
REST = json.dumps({"error": "NO_AUTH_FOUND", "error_description": "no"}).encode()


def uses(**changes: Any) -> Usage:
    """What the rules make the bridge use: one badge, unless told otherwise."""
    told: dict[str, Any] = {
        "badges": (MISSED,),
        "attaches": False,
        "makes_leads": False,
        "icons": (),
        "logos": (),
        "telephony": False,
    }
    return Usage(**{**told, **changes})


ATTACHING = {"attaches": True, "icons": ("call-incoming-missed",), "logos": ("call-incoming",)}
"""More uses: a rule puts a badge on a card."""


@dataclass
class ScriptedNetwork:
    """`heard` are answers for posts, the last one again and again; `posted` has what was sent where."""

    proxied: str = ""
    connecting: Exception | None = None
    expires: float | Exception = NOW + 60 * 86400
    heard: list[Heard | Exception] = field(
        default_factory=lambda: [
            Heard(401, REST, "application/json", date=NOW),
            Heard(200, b'{"result": {}, "time": {"operating": 0.4, "operating_reset_at": 1795345500}}', date=NOW),
        ]
    )
    posted: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def proxy(self, url: str) -> str:
        return self.proxied

    async def connect(self, host: str, port: int) -> None:
        if self.connecting is not None:
            raise self.connecting

    async def certificate(self, host: str, port: int) -> float:
        if isinstance(self.expires, Exception):
            raise self.expires
        return self.expires

    async def post(self, url: str, body: Mapping[str, Any]) -> Heard:
        self.posted.append((url, body))
        answer = self.heard.pop(0) if len(self.heard) > 1 else self.heard[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Doctored:
    """One examination to be; what is not changed before `examine` is in good health."""

    portal: BadgeRegistry
    network: ScriptedNetwork
    url: str = f"https://{HOST}"
    application: bool = False
    trusted_hosts: tuple[str, ...] = ()
    counted: int = 0
    """Requests beside the client that were counted."""

    async def admitted(self) -> None:
        self.counted += 1

    async def examine(self, **changes: Any) -> dict[str, Check]:
        """The checks by their names."""
        keyring = FixedKeyring(InboundWebhook(f"https://{HOST}/rest/1/{SECRET}/"), "00000000")
        subject = Subject(
            self.portal,
            keyring,
            self.url,
            application=self.application,
            trusted_hosts=self.trusted_hosts,
            admitted=self.admitted,
        )
        checks = await examine(
            subject, uses(**changes), network=self.network, clock=lambda: NOW, new_code=lambda: NOT_THERE
        )
        assert len({check.name for check in checks}) == len(checks)
        return {check.name: check for check in checks}


def healthy() -> Doctored:
    portal = BadgeRegistry(parameters(MISSED))
    portal.others = {
        "profile": {"ID": "1", "ADMIN": True, "NAME": "Olga", "LAST_NAME": "Petrova"},
        "scope": ["crm", "telephony"],
        "method.get": {"isExisting": True, "isAvailable": True},
        "app.info": {"CODE": "local.app", "INSTALLED": True},
        "crm.timeline.icon.list": {"icons": [{"code": "call-incoming-missed"}, {"code": "info"}]},
        "crm.timeline.logo.list": {"logos": [{"code": "call-incoming"}]},
    }
    return Doctored(portal, ScriptedNetwork())
