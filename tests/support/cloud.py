"""The functions of one deployment: a store, a topic, a portal, and what Google's framework serves around them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from badge_bridge.portal import origin_of
from badge_bridge.sandbox.seed import ADMINISTRATOR_TOKEN
from badge_bridge.store import open_store
from badge_bridge.store.protocol import StoredEvent
from support.deliveries import Sent, pbx
from support.programs import Program, functions_framework, until
from support.pubsub_emulator import PROJECT, PubSub

ANNA = "+4917139200011"
"""A customer of the sandbox's small company, with one open deal."""

RULES = """
portals:
  main:
    url: "${PORTAL}"
    oauth: {access_token: "${PORTAL_TOKEN}"}
sources:
  pbx:
    provider: generic
    verify: {scheme: bearer}
    secrets: ["${PBX_TOKEN}"]
    event: {type: body.type, id: body.id, caller: body.caller, direction: "'inbound'"}
  reception:
    provider: twilio
    secrets: ["${TWILIO_TOKEN}"]
    public_url: https://bridge.example.com/hooks/reception
    country: DE
    grace: 1
badges:
  missedCall: {title: Call status, value: Missed, type: failure}
rules:
  - name: missed call
    on: call.missed
    badge: missedCall
    attach: {title: "Missed call from {caller}"}
"""


BY_APPLICATION = RULES.replace(
    'oauth: {access_token: "${PORTAL_TOKEN}"}',
    'oauth: {client_id: local.sandbox-application, client_secret: "${PORTAL_TOKEN}", server: "${PORTAL}"}',
)


def missed(call: str) -> Sent:
    return pbx(json.dumps({"type": "call.missed", "id": call, "caller": ANNA}).encode())


@dataclass
class Cloud:
    """Functions are started by `function`, and stopped by the stack."""

    stack: ExitStack
    folder: Path
    pubsub: PubSub
    portal: str
    webhook: str
    state: str
    settings: Mapping[str, str] = field(default_factory=dict)
    running: dict[str, Program] = field(default_factory=dict)

    @property
    def dispatch(self) -> dict[str, str]:
        return {"DISPATCH": f"pubsub://{PROJECT}/{self.name}", "PUBSUB_EMULATOR_HOST": self.pubsub.host}

    @property
    def name(self) -> str:
        return f"topic-{self.folder.name}"

    @property
    def topic(self) -> str:
        return f"projects/{PROJECT}/topics/{self.name}"

    def function(self, target: str, *, name: str = "", rules: str = RULES, **env: str) -> str:
        """Start a function; its address. `running` has its program by the name, by default that of its target."""
        folder = self.folder / (name or target)
        folder.mkdir()
        given = {
            "FUNCTION_TARGET": target,
            "PORTAL": self.portal,
            "PORTAL_TOKEN": ADMINISTRATOR_TOKEN,
            "STATE": self.state,
        }
        started = functions_framework(
            folder,
            self.webhook,
            rules=rules,
            target=target,
            env={**given, **self.dispatch, **self.settings, **env},
        )
        self.running[name or target], url = self.stack.enter_context(started)
        return url

    def push_to(self, url: str, *, name: str, dead_topic: str = "") -> str:
        """A subscription as the deployment has it, with quicker retries."""
        dead = {"deadLetterPolicy": {"deadLetterTopic": dead_topic, "maxDeliveryAttempts": 5}} if dead_topic else {}
        return self.pubsub.subscription(
            f"{self.name}-{name}",
            self.topic,
            pushConfig={"pushEndpoint": url},
            ackDeadlineSeconds=10,
            retryPolicy={"minimumBackoff": "0.1s", "maximumBackoff": "0.5s"},
            expirationPolicy={},
            **dead,
        )

    def events(self) -> list[StoredEvent]:
        """What is stored, with outcomes and history."""

        async def read() -> list[StoredEvent]:
            store = open_store(self.state)
            await store.open()
            try:
                listed = (await store.list(limit=1000)).events
                return [found for one in listed if (found := await store.get(one.key)) is not None]
            finally:
                await store.close()

        return asyncio.run(read())

    def event(self, call: str) -> StoredEvent | None:
        return next((one for one in self.events() if one.event.id == call), None)

    def ended(self, call: str, state: str = "done") -> StoredEvent:
        """The event, once it has ended so."""

        def look() -> StoredEvent | None:
            found = self.event(call)
            return found if found is not None and found.state == state else None

        found = until(look, what=f"{call} that is {state}")
        assert found is not None
        return found

    def activities(self, call: str) -> list[Mapping[str, Any]]:
        """Those of the portal that were made for an event, by the rule above."""
        found = self.event(call)
        assert found is not None
        origin = origin_of(found.key, "missed call", 0)
        return [one for one in self.on_cards() if origin in json.dumps(one)]

    def on_cards(self) -> list[Mapping[str, Any]]:
        """All activities of the portal."""
        state = httpx.get(f"{self.portal}/_sandbox/state", trust_env=False).json()
        return list(state["activities"])

    def worker(self, name: str) -> int:
        """The process that gunicorn has forked to answer requests, and forks anew when it dies."""
        pid = self.running[name].process.pid
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        return int(child)

    def fault(self, method: str, fault: str, **more: Any) -> None:
        order = {"method": method, "fault": fault, "times": 1, **more}
        httpx.post(f"{self.portal}/_sandbox/faults", json=order, trust_env=False).raise_for_status()

    def faults(self) -> Any:
        """Those that have been ordered and have not struck yet."""
        return httpx.get(f"{self.portal}/_sandbox/faults", trust_env=False).json()["pending"]
