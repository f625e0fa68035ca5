"""What the demo plays on: a sandbox portal and the bridge on free loopback ports, with throw-away secrets."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from badge_bridge.admin import opened_admin
from badge_bridge.bridge import Bridge, open_bridge
from badge_bridge.console.links import issue
from badge_bridge.console.paths import ENTER
from badge_bridge.http import AsyncClient, Response
from badge_bridge.portal.oauth import new_key
from badge_bridge.rulesfile import parse
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import APPLICATION_SECRET
from badge_bridge.sandbox.serving import SandboxServer
from badge_bridge.server import create_app
from badge_bridge.serving import Server, bind
from badge_bridge.settings import Settings
from badge_bridge.sources import OPTIONS
from badge_bridge.sources.twilio import sign
from badge_bridge.store import opened_store

__all__ = ["Stage", "open_stage"]

ANNA, ANNAS_DEAL = "+4917139200011", 41
GRACE, GRACES_DEAL = "+12025550143", 45
"""Two customers of the sandbox, whose numbers no real telephone has, and their open deals."""

OUR_LINE = "+493023125099"

ADMIN = Settings.from_environ({"ADMIN": "127.0.0.1:0"})

CALLED_AGO = 60
"""Seconds since the calls that were missed; who is called back is called now."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The running parts and the two senders."""

    bridge: Bridge
    bridge_url: str
    sandbox_url: str
    console_url: str
    """Of the listener with the console, without a slash at the end."""
    state: str
    """Of its store, as `--state` names it to the commands that are run beside it."""
    client: AsyncClient
    twilio_token: str

    async def console_link(self) -> str:
        """A link into the console, good once."""
        return f"{self.console_url}{ENTER}?ticket={await issue(self.bridge.store, now=self.bridge.clock())}"

    async def install(self) -> int:
        """Let the portal install the application; the status that the portal hears from the bridge."""
        return int((await self._portal("install", {"url": f"{self.bridge_url}/install"}))["status"])

    async def send_twilio(self, call: str, *, token: str | None = None) -> Response:
        """Report that Anna called and nobody answered, as Twilio does, signed with `token` (the right one if None)."""
        url = f"{self.bridge_url}/hooks/reception"
        form = {
            "AccountSid": "AC00000000000000000000000000000001",
            "ApiVersion": "2010-04-01",
            "CallSid": call,
            "CallStatus": "no-answer",
            "CallbackSource": "call-progress-events",
            "Direction": "inbound",
            "From": ANNA,
            "SequenceNumber": "0",
            "Timestamp": formatdate(time.time() - CALLED_AGO),
            "To": OUR_LINE,
        }
        signature = sign(url, list(form.items()), token or self.twilio_token)
        return await self.client.post(
            url,
            content=urlencode(form),
            headers={"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature},
        )

    async def portal_missed_call(self) -> str:
        """Let Grace call the portal's own telephony in vain, which reports it by itself; the call's id."""
        order = {"phone_number": GRACE, "code": "304", "started_at": time.time() - CALLED_AGO}
        return str((await self._portal("calls", order))["call_id"])

    async def call_anna_back(self) -> str:
        """Let somebody call Anna from the portal, and her answer; the call's id."""
        order = {"phone_number": ANNA, "call_type": 1, "code": "200", "duration": 20, "started_at": time.time()}
        return str((await self._portal("calls", order))["call_id"])

    async def portal_log(self, since: int = 0) -> list[dict[str, Any]]:
        """The methods that the portal was asked for after request number `since`, from the sandbox's own log.

        The commands of a batch stand one by one, each with its `method`, `error` and `together`: how many there were.
        """
        answer = await self.client.get(f"{self.sandbox_url}/_sandbox/requests", params={"since": since})
        answer.raise_for_status()
        return [command for request in answer.json()["requests"] for command in _commands(request)]

    async def portal_requests(self) -> int:
        """How many requests the portal has had."""
        answer = await self.client.get(f"{self.sandbox_url}/_sandbox/requests")
        return int(answer.raise_for_status().json()["last"])

    async def card(self, deal: int) -> dict[str, Any]:
        """A deal's card as the kanban page shows it."""
        answer = await self.client.get(f"{self.sandbox_url}/kanban.json", params={"board": "deals"})
        (board,) = answer.raise_for_status().json()["boards"]
        (card,) = [card for column in board["columns"] for card in column["cards"] if card["id"] == deal]
        found: dict[str, Any] = card
        return found

    async def _portal(self, control: str, order: dict[str, Any]) -> dict[str, Any]:
        answer = await self.client.post(f"{self.sandbox_url}/_sandbox/{control}", json=order)
        said: dict[str, Any] = answer.raise_for_status().json()
        return said


def _commands(request: dict[str, Any]) -> list[dict[str, Any]]:
    if request["method"] != "batch":
        return [{**request, "together": 1}]
    commands = request["params"]["cmd"]
    errors = (request["result"] or {}).get("result_error") or {}
    return [
        {"method": command["method"], "error": errors.get(key, {}).get("error"), "together": len(commands)}
        for key, command in commands.items()
    ]


@asynccontextmanager
async def open_stage(prepare: Callable[[SandboxPortal], None] | None = None) -> AsyncIterator[Stage]:
    """Start everything; `prepare` may change the portal before the first request."""
    portal = SandboxPortal()
    if prepare is not None:
        prepare(portal)
    twilio_token = secrets.token_hex(16)
    listener = bind("127.0.0.1", 0)
    bridge_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with TemporaryDirectory(prefix="badge-bridge-demo-") as folder:
        async with SandboxServer(portal) as sandbox:
            rules = parse(
                files("badge_bridge.demo").joinpath("rules.yaml").read_text("utf-8"),
                "demo/rules.yaml",
                providers=OPTIONS,
                environ={
                    "PORTAL_URL": sandbox.url,
                    "BRIDGE_URL": bridge_url,
                    "B24_CLIENT_SECRET": APPLICATION_SECRET,
                    "TWILIO_AUTH_TOKEN": twilio_token,
                },
            )
            state = f"sqlite:///{Path(folder, 'state.db')}"
            async with (
                opened_store(state) as store,
                open_bridge(rules, store, concurrency=64, keys=(new_key(),)) as bridge,
                opened_admin(bridge, ADMIN, bind("127.0.0.1", 0), host="127.0.0.1") as admin,
                Server(create_app(bridge), listener, whose="deliveries"),
                AsyncClient(trust_env=False, timeout=20) as client,
            ):
                assert admin is not None, "it has a listener of its own"
                yield Stage(bridge, bridge_url, sandbox.url, admin.url, state, client, twilio_token)
