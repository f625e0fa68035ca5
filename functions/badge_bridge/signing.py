"""Sample deliveries for trying a set-up before the provider is connected: what `badge-bridge sign` makes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from badge_bridge.closeness import closest
from badge_bridge.errors import BridgeError, DeliveryRefused, SettingsError
from badge_bridge.http import URL, AsyncBaseTransport, AsyncClient, HTTPError, InvalidURL
from badge_bridge.sources.base import CorrelatingOptions, Delivery, SampleCall, Source
from badge_bridge.sources.joining import LegEvent, when_to_judge
from badge_bridge.sources.receiving import read

__all__ = ["SampleNotSent", "bridge_at", "doubts", "made_up", "samples", "seconds_to_judge", "send", "url_of"]

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
        SettingsError: there is no such source.
        SampleNotSent: it has no use for a body or a private key that is given.
        NoSample: only the provider can sign for it.
    """
    source = sources.get(name)
    if source is None:
        close = closest(name, sources)
        meant = f"did you mean {close}?" if close else f"there are: {', '.join(sources)}"
        raise SettingsError(f"there is no source {name}; {meant}")
    if call.body and not source.takes_any_body:
        raise SampleNotSent(f"source {name}: {source.options.provider} has bodies of its own; leave out --body")
    if call.private_key and not source.samples_need_a_key:
        raise SampleNotSent(f"source {name}: its secrets are all that signs for it; leave out --key-file")
    return source.sample(call)


def bridge_at(address: str, name: str) -> str:
    """Where the bridge is, from its address or from the whole URL of a source.

    Raises:
        SettingsError: it is neither.
    """
    how = "write where the bridge is, such as https://bridge.example.com, or the source's whole URL"
    try:
        url = URL(address)
        host = url.host
    except (InvalidURL, UnicodeError) as error:
        raise SettingsError(f"--to {address[:200]} is no URL ({error}); {how}") from error
    if url.scheme not in ("http", "https") or not host or not 0 < (url.port or 80) < 65536:
        raise SettingsError(f"--to {address[:200]} is no http or https URL; {how}")
    if url.query or url.fragment or "?" in address:
        raise SettingsError(f"--to {address[:200]} has a query or a fragment; {how}")
    bridge = address.rstrip("/").removesuffix(f"/hooks/{name}")
    if "/hooks/" in f"{bridge}/":
        raise SettingsError(f"--to {address[:200]} is not the URL of source {name}; {how}")
    return bridge


def url_of(bridge: str, name: str, delivery: Delivery) -> str:
    """Where a delivery goes."""
    query = f"?{delivery.query}" if delivery.query else ""
    return f"{bridge}/hooks/{name}{delivery.path}{query}"


def doubts(source: Source[Any], deliveries: Sequence[Delivery]) -> Sequence[str]:
    """Why the bridge would refuse some of these, once each; a body of the user's own need not be what is mapped."""
    found = []
    for delivery in deliveries:
        try:
            source.verify(delivery)
            read(source, delivery)
        except DeliveryRefused as refusal:
            found.append(f"{refusal.status}: {refusal}")
    return list(dict.fromkeys(found))


def seconds_to_judge(source: Source[Any], deliveries: Sequence[Delivery]) -> float:
    """How long the bridge waits after the last of these before it judges their call; 0 where they are no legs."""
    options = source.options
    if not isinstance(options, CorrelatingOptions):
        return 0.0
    events = [(one.received_at, reading.event) for one in deliveries for reading in read(source, one)]
    legs = [LegEvent(str(number), at, event) for number, (at, event) in enumerate(events) if event.leg is not None]
    if not legs:
        return 0.0
    due = when_to_judge(legs, grace=options.grace, longest=options.longest_call)
    return max(due - max(one.received_at for one in legs), 0.0)


async def send(
    bridge: str, name: str, deliveries: Sequence[Delivery], *, transport: AsyncBaseTransport | None = None
) -> list[tuple[int, str]]:
    """Send the deliveries one after the other; status and text of each answer.

    Raises:
        SampleNotSent: nobody answers there.
    """
    answers = []
    async with AsyncClient(timeout=SEND_TIMEOUT, transport=transport) as client:
        for delivery in deliveries:
            url = url_of(bridge, name, delivery)
            try:
                headers = [(header.encode(), value.encode("latin-1")) for header, value in delivery.headers]
                response = await client.request(delivery.method, url, headers=headers, content=delivery.body)
            except HTTPError as error:
                raise SampleNotSent(
                    f"{url} could not be reached: {error}; is `badge-bridge serve` running there? --to says where it is"
                ) from error
            answers.append((response.status_code, response.text[:500]))
    return answers
