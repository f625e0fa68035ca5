"""What the demo plays on: a sandbox portal and the bridge on free loopback ports, with throw-away secrets."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from badge_bridge.bridge import Bridge, open_bridge
from badge_bridge.http import AsyncClient, Response
from badge_bridge.rulesfile import parse
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.serving import SandboxServer
from badge_bridge.server import create_app
from badge_bridge.serving import Server, bind
from badge_bridge.sources import OPTIONS
from badge_bridge.sources.twilio import sign

__all__ = ["Stage", "open_stage"]

CALLER = "+4930901820"
"""From the numbers that the German regulator keeps free for fiction (030 90182 0...)."""

OUR_LINE = "+4930901821"


@dataclass(frozen=True, slots=True)
class Stage:
    """The running parts and the two senders."""

    bridge: Bridge
    bridge_url: str
    sandbox_url: str
    client: AsyncClient
    twilio_token: str
    application_token: str

    async def send_twilio(self, call: str, *, token: str | None = None) -> Response:
        """Report a call that nobody answered, as Twilio does, signed with `token` (the right one if None)."""
        url = f"{self.bridge_url}/hooks/reception"
        form = {
            "AccountSid": "AC00000000000000000000000000000001",
            "ApiVersion": "2010-04-01",
            "CallSid": call,
            "CallStatus": "no-answer",
            "CallbackSource": "call-progress-events",
            "Direction": "inbound",
            "From": CALLER,
            "SequenceNumber": "0",
            "To": OUR_LINE,
        }
        signature = sign(url, list(form.items()), token or self.twilio_token)
        return await self.client.post(
            url,
            content=urlencode(form),
            headers={"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature},
        )

    async def send_bitrix24(self, call: str) -> Response:
        """Report a call that nobody answered, as Bitrix24's own telephony does."""
        form = {
            "event": "ONVOXIMPLANTCALLEND",
            "data[CALL_ID]": call,
            "data[CALL_TYPE]": "2",
            "data[PHONE_NUMBER]": CALLER,
            "data[PORTAL_NUMBER]": OUR_LINE,
            "data[PORTAL_USER_ID]": "1",
            "data[CALL_DURATION]": "0",
            "data[CALL_START_DATE]": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
            "data[CALL_FAILED_CODE]": "304",
            "data[CALL_FAILED_REASON]": "Call missed",
            "ts": str(int(time.time())),
            "auth[domain]": "sandbox.example",
            "auth[member_id]": "a223c6b9410f85df78e9377d6c4f7213",
            "auth[application_token]": self.application_token,
        }
        return await self.client.post(
            f"{self.bridge_url}/hooks/portal",
            content=urlencode(form),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )

    async def portal_log(self, since: int = 0) -> list[dict[str, Any]]:
        """What the portal was asked after request number `since`, from the sandbox's own log."""
        answer = await self.client.get(f"{self.sandbox_url}/_sandbox/requests", params={"since": since})
        answer.raise_for_status()
        requests: list[dict[str, Any]] = answer.json()["requests"]
        return requests

    async def portal_badges(self) -> list[dict[str, Any]]:
        """The badge registry of the portal."""
        answer = await self.client.get(f"{self.sandbox_url}/_sandbox/state")
        answer.raise_for_status()
        badges: list[dict[str, Any]] = answer.json()["badges"]
        return badges


@asynccontextmanager
async def open_stage(prepare: Callable[[SandboxPortal], None] | None = None) -> AsyncIterator[Stage]:
    """Start everything; `prepare` may change the portal before the first request."""
    portal = SandboxPortal()
    if prepare is not None:
        prepare(portal)
    twilio_token, application_token = secrets.token_hex(16), secrets.token_hex(16)
    listener = bind("127.0.0.1", 0)
    bridge_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with TemporaryDirectory(prefix="badge-bridge-demo-") as folder:
        async with SandboxServer(portal) as sandbox:
            rules = parse(
                files("badge_bridge.demo").joinpath("rules.yaml").read_text("utf-8"),
                "demo/rules.yaml",
                providers=OPTIONS,
                environ={
                    "PORTAL_WEBHOOK": portal.webhook_url(sandbox.url),
                    "TWILIO_AUTH_TOKEN": twilio_token,
                    "B24_APPLICATION_TOKEN": application_token,
                    "PUBLIC_URL": f"{bridge_url}/hooks/reception",
                },
            )
            state = f"sqlite:///{Path(folder, 'state.db')}"
            async with (
                open_bridge(rules, state=state, concurrency=64) as bridge,
                Server(create_app(bridge), listener),
                AsyncClient(trust_env=False, timeout=10) as client,
            ):
                yield Stage(bridge, bridge_url, sandbox.url, client, twilio_token, application_token)
