"""The Pub/Sub emulator of the Google Cloud SDK: found, started on a free loopback port, stopped by its own process id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from support.emulators import START, answers, sdk
from support.programs import free_port, program, until

PROJECT = "badge-bridge-tests"


def pubsub_jar() -> Path | None:
    return sdk("pubsub-emulator/lib/*.jar")


@dataclass(frozen=True)
class PubSub:
    """A running emulator, asked over REST."""

    host: str

    def ask(self, method: str, path: str, **body: Any) -> Any:
        answer = httpx.request(method, f"http://{self.host}/v1/{path}", json=body, trust_env=False, timeout=START)
        answer.raise_for_status()
        return answer.json()

    def topic(self, name: str) -> str:
        return str(self.ask("PUT", f"projects/{PROJECT}/topics/{name}")["name"])

    def subscription(self, name: str, topic: str, **settings: Any) -> str:
        made = self.ask("PUT", f"projects/{PROJECT}/subscriptions/{name}", topic=topic, **settings)
        return str(made["name"])

    def publish(self, topic: str, *, data: str = "", **attributes: str) -> None:
        self.ask("POST", f"{topic}:publish", messages=[{"attributes": attributes, "data": data}])

    def pull(self, subscription: str) -> list[Mapping[str, Any]]:
        """The messages that wait now, acknowledged."""
        answer = self.ask("POST", f"{subscription}:pull", maxMessages=100, returnImmediately=True)
        received = answer.get("receivedMessages", [])
        if received:
            self.ask("POST", f"{subscription}:acknowledge", ackIds=[one["ackId"] for one in received])
        return [one["message"] for one in received]


@contextmanager
def pubsub_emulator() -> Iterator[PubSub]:
    """An empty emulator; its `host` is for PUBSUB_EMULATOR_HOST."""
    jar = pubsub_jar()
    assert jar is not None
    port = free_port()
    # As the SDK's script starts it.
    with program(["java", "-Xmx256m", "-jar", str(jar), "--host=127.0.0.1", f"--port={port}"]) as running:
        until(lambda: answers(f"http://127.0.0.1:{port}/"), what=f"Pub/Sub on port {port}", deadline=START)
        yield PubSub(f"127.0.0.1:{port}")
        running.kill()
