"""Sample deliveries for trying a set-up before the provider is connected: what `badge-bridge sign` makes."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from badge_bridge.errors import BridgeError
from badge_bridge.http import AsyncBaseTransport, AsyncClient, HTTPError
from badge_bridge.sources.base import Delivery, SampleCall, Source

__all__ = ["SampleNotSent", "as_curl", "made_up", "samples", "send", "url_of"]

RINGING = 25.0
"""Seconds ago at which the call of a sample began."""

SEND_TIMEOUT = 20.0


class SampleNotSent(BridgeError):
    """A sample could not be sent."""


def made_up(
    *,
    outcome: Literal["missed", "answered"],
    now: float,
    caller: str,
    line: str,
    call: str = "",
    body: bytes = b"",
    private_key: bytes = b"",
) -> SampleCall:
    """A call that has just ended; without an id it is a new one. `body` and `private_key` as in `SampleCall`."""
    return SampleCall(
        id=call or secrets.token_hex(8),
        outcome=outcome,
        at=now - RINGING,
        now=now,
        caller=caller,
        line=line,
        body=body,
        private_key=private_key,
    )


def samples(sources: Mapping[str, Source[Any]], name: str, call: SampleCall) -> Sequence[Delivery]:
    """The deliveries by which the provider of a source would tell of a call.

    Raises:
        SampleNotSent: there is no such source, or it takes no body of that kind.
        NoSample: only the provider can sign for it.
    """
    source = sources.get(name)
    if source is None:
        raise SampleNotSent(f"there is no source {name}; there are: {', '.join(sources)}")
    if call.body and not source.takes_any_body:
        raise SampleNotSent(f"source {name}: {source.options.provider} has bodies of its own; leave out --body")
    return source.sample(call)


def url_of(base: str, name: str, delivery: Delivery) -> str:
    """Where a delivery goes; `base` is where the bridge is, or the whole URL of the source."""
    query = f"?{delivery.query}" if delivery.query else ""
    bridge = base.rstrip("/").removesuffix(f"/hooks/{name}")
    return f"{bridge}/hooks/{name}{delivery.path}{query}"


def as_curl(base: str, name: str, delivery: Delivery) -> str:
    """One command that sends the delivery, for a shell.

    Raises:
        SampleNotSent: no shell can pass its body on.
    """
    words = ["curl", "--include"]
    if delivery.method != "POST":
        words += ["--request", delivery.method]
    for header, value in delivery.headers:
        words += ["--header", f"{header}: {value}"]
    if delivery.body:
        # Not --data-binary, for which a body that begins with @ is the name of a file.
        words += ["--data-raw", _for_a_shell(delivery.body)]
    return shlex.join([*words, url_of(base, name, delivery)])


def _for_a_shell(body: bytes) -> str:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise SampleNotSent("the body is no text that a shell could pass on; use --send, or --json")
    return text


async def send(
    base: str, name: str, deliveries: Sequence[Delivery], *, transport: AsyncBaseTransport | None = None
) -> list[tuple[int, str]]:
    """Send the deliveries one after the other; status and text of each answer.

    Raises:
        SampleNotSent: nobody answers there.
    """
    answers = []
    async with AsyncClient(timeout=SEND_TIMEOUT, transport=transport) as client:
        for delivery in deliveries:
            url = url_of(base, name, delivery)
            try:
                response = await client.request(
                    delivery.method, url, headers=list(delivery.headers), content=delivery.body
                )
            except HTTPError as error:
                raise SampleNotSent(
                    f"{url} could not be reached: {error}; is `badge-bridge serve` running there?"
                ) from error
            answers.append((response.status_code, response.text[:500]))
    return answers
